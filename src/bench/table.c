// SPDX-License-Identifier: GPL-2.0
/*
 * The result of a replay as text, for the log and for debugfs.
 */
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include "replay.h"

/* Where the text goes. */
struct text {
	char *buf;
	size_t size;
	size_t len;
};

static __printf(2, 3) void put(struct text *text, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	text->len += vscnprintf(text->buf + text->len, text->size - text->len, fmt, args);
	va_end(args);
}

static void put_row(struct text *text, const char *what, const char *unit, u64 quarry, u64 kernel)
{
	put(text, "%-34s %-6s %12llu %12llu\n", what, unit, quarry, kernel);
}

/* A row of which the kernel's value cannot be known. */
static void put_quarry_row(struct text *text, const char *what, const char *unit, u64 quarry)
{
	put(text, "%-34s %-6s %12llu %12s\n", what, unit, quarry, "-");
}

/* Nanoseconds per operation, to the tenth. */
static void put_per_op(struct text *text, const struct quarry_trace *trace, u64 quarry, u64 kernel)
{
	u32 nr = max(trace->nr_records, 1U);
	u64 q = div_u64(quarry * 10, nr), k = div_u64(kernel * 10, nr);

	put(text, "%-34s %-6s %10llu.%llu %10llu.%llu\n", "time per operation, median", "ns",
	    div_u64(q, 10), q % 10, div_u64(k, 10), k % 10);
}

static void put_trace(struct text *text, const struct quarry_trace *trace)
{
	put(text, "%u operations: %u allocations, %u frees, %u of them on another CPU\n",
	    trace->nr_records, trace->nr_allocs, trace->nr_frees, trace->nr_remote_frees);
	put(text, "%u caches; peak live %llu bytes (%llu pages); %u objects live at the end\n",
	    trace->nr_caches, trace->peak_bytes,
	    DIV_ROUND_UP_ULL(trace->peak_bytes, PAGE_SIZE), trace->nr_left);
}

static void put_cpus(struct text *text, const struct quarry_trace *trace,
		     const struct quarry_replay_result *res)
{
	if (res->one_cpu)
		put(text, "recorded on CPUs %*pbl, not all online: all records ran on CPU %u\n",
		    QUARRY_TRACE_MAX_CPUS, trace->cpus, res->cpu);
	else
		put(text, "one thread on each of CPUs %*pbl, %u hand-overs\n",
		    QUARRY_TRACE_MAX_CPUS, trace->cpus, trace->nr_switches);
	if (res->moved)
		put(text, "CPUs went on- or offline meanwhile: the times are off\n");
}

static void put_times(struct text *text, const struct quarry_trace *trace,
		      const struct quarry_replay_result *res)
{
	const struct quarry_replay_side *q = &res->quarry, *k = &res->kernel;

	put_row(text, "time, median", "us", div_u64(q->ns_median, 1000),
		div_u64(k->ns_median, 1000));
	put_row(text, "time, least", "us", div_u64(q->ns_min, 1000), div_u64(k->ns_min, 1000));
	put_row(text, "time, most", "us", div_u64(q->ns_max, 1000), div_u64(k->ns_max, 1000));
	put_per_op(text, trace, q->ns_median, k->ns_median);
}

static void put_pages(struct text *text, const struct quarry_replay_result *res)
{
	const struct quarry_replay_side *q = &res->quarry, *k = &res->kernel;

	put_row(text, "pages in use at peak", "pages", q->peak_pages, k->peak_pages);
	put_row(text, "mapped pages at peak", "pages", q->mapped_pages, k->mapped_pages);
	put_quarry_row(text, "metadata at the end", "pages", q->metadata_pages);
	put_quarry_row(text, "calls to the page allocator", "count", q->nr_kernel_calls);
}

static void put_ratios(struct text *text, const struct quarry_replay_result *res)
{
	const struct quarry_replay_side *q = &res->quarry, *k = &res->kernel;

	put(text, "ratio quarry / kernel:");
	if (res->reps)
		put(text, " time %u.%03u (%u.%03u to %u.%03u)",
		    res->ratio_median / 1000, res->ratio_median % 1000,
		    res->ratio_min / 1000, res->ratio_min % 1000,
		    res->ratio_max / 1000, res->ratio_max % 1000);
	if (res->checked && k->peak_pages) {
		u64 ratio = div64_u64(q->peak_pages * 1000, k->peak_pages);

		put(text, "%s pages in use %llu.%03llu", res->reps ? "," : "",
		    div_u64(ratio, 1000), ratio % 1000);
	}
	put(text, "\n");
	if (res->reps)
		put(text, "repetitions: %u; empty loop of %llu us subtracted, no hand-over\n",
		    res->reps, div_u64(res->empty_ns, 1000));
	if (res->checked)
		put(text, "checked: every object's pattern verified at its free, heap verified\n");
}

size_t quarry_replay_format(const struct quarry_trace *trace,
			    const struct quarry_replay_result *res, char *buf, size_t size)
{
	struct text text = { .buf = buf, .size = size };

	put_trace(&text, trace);
	put_cpus(&text, trace, res);
	put(&text, "%-34s %-6s %12s %12s\n", "", "unit", "quarry", "kernel");
	put_row(&text, "operations", "count", trace->nr_records, trace->nr_records);
	if (res->reps)
		put_times(&text, trace, res);
	if (res->checked)
		put_pages(&text, res);
	put_ratios(&text, res);
	return text.len;
}
