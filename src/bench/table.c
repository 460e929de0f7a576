// SPDX-License-Identifier: GPL-2.0
/*
 * The result of a replay as text, for the log and for debugfs.
 */
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include "replay.h"
#include "text.h"

static void put_row(struct bench_text *text, const char *what, const char *unit, u64 quarry,
		    u64 kernel)
{
	bench_put(text, "%-34s %-6s %12llu %12llu\n", what, unit, quarry, kernel);
}

/* A row of which the kernel's value cannot be known. */
static void put_quarry_row(struct bench_text *text, const char *what, const char *unit,
			   u64 quarry)
{
	bench_put(text, "%-34s %-6s %12llu %12s\n", what, unit, quarry, "-");
}

/* Nanoseconds per operation, to the tenth. */
static void put_per_op(struct bench_text *text, const struct quarry_trace *trace, u64 quarry,
		       u64 kernel)
{
	u32 nr = max(trace->nr_records, 1U);
	u64 q = div_u64(quarry * 10, nr), k = div_u64(kernel * 10, nr);

	bench_put(text, "%-34s %-6s %10llu.%llu %10llu.%llu\n", "time per operation, median", "ns",
		  div_u64(q, 10), q % 10, div_u64(k, 10), k % 10);
}

static void put_trace(struct bench_text *text, const struct quarry_trace *trace)
{
	bench_put(text, "%u operations: %u allocations, %u frees, %u of them on another CPU\n",
		  trace->nr_records, trace->nr_allocs, trace->nr_frees, trace->nr_remote_frees);
	bench_put(text, "%u caches; peak live %llu bytes (%llu pages); ", trace->nr_caches,
		  trace->peak_bytes,
		  DIV_ROUND_UP_ULL(trace->peak_bytes, PAGE_SIZE));
	bench_put(text, "%u objects live at the end\n", trace->nr_left);
}

static void put_cpus(struct bench_text *text, const struct quarry_trace *trace,
		     const struct quarry_replay_result *res)
{
	if (res->one_cpu)
		bench_put(text, "recorded on CPUs %*pbl, not all online: all ran on CPU %u\n",
			  QUARRY_TRACE_MAX_CPUS, trace->cpus, res->cpu);
	else
		bench_put(text, "one thread on each of CPUs %*pbl, %u hand-overs\n",
			  QUARRY_TRACE_MAX_CPUS, trace->cpus, trace->nr_switches);
	if (res->moved)
		bench_put(text, "CPUs went on- or offline meanwhile: the times are off\n");
}

static void put_times(struct bench_text *text, const struct quarry_trace *trace,
		      const struct quarry_replay_result *res)
{
	const struct quarry_replay_side *q = &res->quarry, *k = &res->kernel;

	put_row(text, "time, median", "us", div_u64(q->ns_median, 1000),
		div_u64(k->ns_median, 1000));
	put_row(text, "time, least", "us", div_u64(q->ns_min, 1000), div_u64(k->ns_min, 1000));
	put_row(text, "time, most", "us", div_u64(q->ns_max, 1000), div_u64(k->ns_max, 1000));
	put_per_op(text, trace, q->ns_median, k->ns_median);
}

static void put_pages(struct bench_text *text, const struct quarry_replay_result *res)
{
	const struct quarry_replay_side *q = &res->quarry, *k = &res->kernel;

	put_row(text, "pages in use at peak", "pages", q->peak_pages, k->peak_pages);
	put_row(text, "  without free ones in magazines", "pages", q->counted_pages,
		k->counted_pages);
	put_row(text, "mapped pages at peak", "pages", q->mapped_pages, k->mapped_pages);
	put_quarry_row(text, "metadata at the end", "pages", q->metadata_pages);
	put_quarry_row(text, "calls to the page allocator", "count", q->nr_kernel_calls);
}

static void put_ratios(struct bench_text *text, const struct quarry_replay_result *res)
{
	const struct quarry_replay_side *q = &res->quarry, *k = &res->kernel;

	bench_put(text, "ratio quarry / kernel:");
	if (res->reps)
		bench_put(text, " time %u.%03u (%u.%03u to %u.%03u)",
			  res->ratio_median / 1000, res->ratio_median % 1000,
			  res->ratio_min / 1000, res->ratio_min % 1000,
			  res->ratio_max / 1000, res->ratio_max % 1000);
	if (res->checked && k->peak_pages) {
		u64 ratio = div64_u64(q->peak_pages * 1000, k->peak_pages);
		u64 alike = div64_u64(q->counted_pages * 1000, k->peak_pages);

		bench_put(text, "%s pages in use %llu.%03llu, counted alike %llu.%03llu",
			  res->reps ? "," : "", div_u64(ratio, 1000), ratio % 1000,
			  div_u64(alike, 1000), alike % 1000);
	}
	bench_put(text, "\n");
	if (res->reps)
		bench_put(text, "repetitions: %u; empty loop of %llu us subtracted, no hand-over\n",
			  res->reps, div_u64(res->empty_ns, 1000));
	if (res->checked)
		bench_put(text, "checked: %s\n",
			  "every object's pattern verified at its free, heap verified");
}

size_t quarry_replay_format(const struct quarry_trace *trace,
			    const struct quarry_replay_result *res, char *buf, size_t size)
{
	struct bench_text text = { .buf = buf, .size = size };

	put_trace(&text, trace);
	put_cpus(&text, trace, res);
	bench_put(&text, "%-34s %-6s %12s %12s\n", "", "unit", "quarry", "kernel");
	put_row(&text, "operations", "count", trace->nr_records, trace->nr_records);
	if (res->reps)
		put_times(&text, trace, res);
	if (res->checked)
		put_pages(&text, res);
	put_ratios(&text, res);
	return text.len;
}
