// SPDX-License-Identifier: GPL-2.0
/*
 * Reports of misuse.  One place prints them, so that they can be rate limited,
 * counted and, by a test that expects one, silenced.
 *
 * Locking: none; the counter is atomic, and what is silenced for a test has a lock of
 * its own.  Any context.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/nodemask.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>
#include <linux/stdarg.h>

#include <quarry/cache.h>

#include "internal.h"

static atomic_long_t nr_reports;
static bool printed;		/* the last one, more or less: its further lines shall be, too */

/* Silenced by a test, that may want to look at it. */
static bool suppressed;
static DEFINE_RAW_SPINLOCK(kept_lock);
static char kept[1024];		/* under kept_lock, as the next */
static size_t nr_kept;

static void keep(struct va_format *vaf)
{
	unsigned long flags;

	if (!raw_spin_trylock_irqsave(&kept_lock, flags))
		return;
	nr_kept += scnprintf(kept + nr_kept, sizeof(kept) - nr_kept, "%pV", vaf);
	raw_spin_unlock_irqrestore(&kept_lock, flags);
}

static void print(struct va_format *vaf, bool on)
{
	if (READ_ONCE(suppressed))
		keep(vaf);
	else if (on)
		pr_err("%pV", vaf);
}

void quarry_refusal(const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	atomic_long_inc(&nr_reports);
	va_start(args, fmt);
	vaf.va = &args;
	print(&vaf, true);
	va_end(args);
}

void quarry_report(const char *fmt, ...)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 20);
	struct va_format vaf = { .fmt = fmt };
	va_list args;
	bool on;

	atomic_long_inc(&nr_reports);
	on = READ_ONCE(suppressed) || __ratelimit(&limit);
	WRITE_ONCE(printed, on);
	va_start(args, fmt);
	vaf.va = &args;
	print(&vaf, on);
	va_end(args);
}

void quarry_report_more(const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	print(&vaf, READ_ONCE(printed));
	va_end(args);
}

unsigned long quarry_report_count(void)
{
	return atomic_long_read(&nr_reports);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_report_count);

void quarry_report_suppress(bool on)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&kept_lock, flags);
	if (on) {
		nr_kept = 0;
		kept[0] = '\0';
	}
	WRITE_ONCE(suppressed, on);
	raw_spin_unlock_irqrestore(&kept_lock, flags);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_report_suppress);

const char *quarry_report_suppressed(void)
{
	return kept;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_report_suppressed);

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
