// SPDX-License-Identifier: GPL-2.0
/*
 * Reports of misuse.  One place prints them, so that they can be rate limited,
 * counted and, by a test that expects one, silenced.
 *
 * Locking: none; the counter is atomic.  Any context.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/atomic.h>
#include <linux/nodemask.h>
#include <linux/ratelimit.h>
#include <linux/stdarg.h>

#include <quarry/cache.h>

#include "internal.h"

static atomic_long_t nr_reports;
static bool suppressed;

void quarry_refusal(const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	atomic_long_inc(&nr_reports);
	if (READ_ONCE(suppressed))
		return;
	va_start(args, fmt);
	vaf.va = &args;
	pr_err("%pV", &vaf);
	va_end(args);
}

void quarry_report(const char *fmt, ...)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 20);
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	atomic_long_inc(&nr_reports);
	if (READ_ONCE(suppressed) || !__ratelimit(&limit))
		return;
	va_start(args, fmt);
	vaf.va = &args;
	pr_err("%pV", &vaf);
	va_end(args);
}

unsigned long quarry_report_count(void)
{
	return atomic_long_read(&nr_reports);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_report_count);

void quarry_report_suppress(bool on)
{
	WRITE_ONCE(suppressed, on);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_report_suppress);

static bool refuse_of(gfp_t gfp, gfp_t refused)
{
	gfp &= refused;
	if (gfp)
		quarry_report("gfp flags %pGg are not supported\n", &gfp);
	return gfp;
}

bool quarry_refuse_flags(gfp_t gfp)
{
	/* A node is served out of line, the others not at all. */
	return refuse_of(gfp, QUARRY_GFP_SLOW & ~__GFP_THISNODE);
}

bool quarry_refuse_node_flags(gfp_t gfp)
{
	return refuse_of(gfp, QUARRY_GFP_SLOW);
}

bool quarry_refuse_node(int node)
{
	if (node == NUMA_NO_NODE || (node >= 0 && node < nr_node_ids && node_online(node)))
		return false;
	quarry_report("node %d is not online\n", node);
	return true;
}
