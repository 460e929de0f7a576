// SPDX-License-Identifier: GPL-2.0
/*
 * replay-ext4, replay-fork, and replay-trace for one of the user's own: a recorded trace, the
 * timed pass with one word written to each object, through Quarry and through what the kernel
 * used when it was recorded, per operation.
 *
 * A slice is a replay of the whole trace, which is tens of milliseconds to a second: the sides
 * alternate, but not in less.  Bytes are those of the checked pass: pages in use for the
 * trace at the peak.  What was mapped at the peak, and the pages in use counted as the kernel's
 * are, stand beside.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include "case.h"
#include "load.h"
#include "replay.h"
#include "results.h"

/* Fewer where a pass takes long: instructions are counted, or threads hand over to each other. */
#define NR_REPS		21
#define NR_LONG_REPS	7

/* Hundredths of the clock's unit per operation. */
static void figure_side(const struct quarry_trace *trace, const struct quarry_replay_side *side,
			enum quarry_bench_side i, struct quarry_bench_figures *fig)
{
	const u32 nr = max(trace->nr_records, 1U);

	fig->per_op[i] = div_u64(side->ns_median * 100, nr);
	fig->least[i] = div_u64(side->ns_min * 100, nr);
	fig->most[i] = div_u64(side->ns_max * 100, nr);
}

static void figure(const struct quarry_trace *trace, const struct quarry_replay_result *replay,
		   struct quarry_bench_figures *fig)
{
	figure_side(trace, &replay->quarry, QUARRY_BENCH_QUARRY, fig);
	figure_side(trace, &replay->kernel, QUARRY_BENCH_PEER, fig);
	fig->per_op[QUARRY_BENCH_NONE] = div_u64(replay->empty_ns * 100,
						 max(trace->nr_records, 1U));
	fig->least[QUARRY_BENCH_NONE] = fig->per_op[QUARRY_BENCH_NONE];
	fig->most[QUARRY_BENCH_NONE] = fig->per_op[QUARRY_BENCH_NONE];
	fig->ratio = replay->ratio_median;
	fig->ratio_p10 = replay->ratio_p10;
	fig->ratio_p90 = replay->ratio_p90;
	fig->ratio_min = replay->ratio_min;
	fig->ratio_max = replay->ratio_max;
	fig->nr = replay->reps;
	fig->known = true;
}

static void emit_pages(const struct quarry_bench_result *res, const char *subject,
		       const char *what, u64 pages)
{
	const struct quarry_bench_value value = {
		.subject = subject, .what = what, .unit = "bytes",
		QUARRY_BENCH_ONE((pages << PAGE_SHIFT) * 1000),
	};

	quarry_bench_emit_value(res, &value);
}

static void emit_share(const struct quarry_bench_result *res, const char *what, u64 quarry,
		       u64 kernel)
{
	const struct quarry_bench_value value = {
		.subject = "quarry", .what = what, .unit = "ratio",
		QUARRY_BENCH_ONE(div64_u64(quarry * 1000, max(kernel, 1ULL))),
	};

	quarry_bench_emit_value(res, &value);
}

static void put_memory(struct quarry_bench_result *res, const struct quarry_replay_side *q,
		       const struct quarry_replay_side *k)
{
	res->peak_bytes[QUARRY_BENCH_QUARRY] = q->peak_pages << PAGE_SHIFT;
	res->peak_bytes[QUARRY_BENCH_PEER] = k->peak_pages << PAGE_SHIFT;
	emit_pages(res, "quarry", "mapped at the peak", q->mapped_pages);
	emit_pages(res, "quarry", "metadata at the end", q->metadata_pages);
	emit_share(res, "peak in use", q->peak_pages, k->peak_pages);
	emit_share(res, "peak in use, counted alike", q->counted_pages, k->peak_pages);
	emit_share(res, "peak mapped", q->mapped_pages, k->mapped_pages);
	bench_put(res->notes, "%s: pages in use at the peak: quarry %llu, of %llu mapped,",
		  res->name, q->peak_pages, q->mapped_pages);
	bench_put(res->notes, " without free ones in magazines %llu; kernel %llu\n",
		  q->counted_pages, k->peak_pages);
}

static int replay(struct quarry_trace *trace, struct quarry_bench_result *res)
{
	const bool long_pass = quarry_bench_meter.icount || num_online_cpus() > 1;
	const struct quarry_replay_opts opts = {
		.heap_name = "replay", .check = true,
		.reps = long_pass ? NR_LONG_REPS : NR_REPS,
	};
	struct quarry_replay_result replay;
	int ret = quarry_replay_run(trace, &opts, &replay);

	if (ret) {
		pr_err("case %s: %s\n", res->name, replay.message);
		return ret;
	}
	res->peer = "kernel";
	res->per = "op";
	figure(trace, &replay, quarry_bench_meter.icount ? &res->instructions : &res->ns);
	res->calls[QUARRY_BENCH_QUARRY] = replay.quarry.nr_kernel_calls;
	res->calls[QUARRY_BENCH_PEER] = trace->nr_allocs;
	put_memory(res, &replay.quarry, &replay.kernel);
	return 0;
}

static int run_named(struct quarry_bench_result *res, const char *name)
{
	struct quarry_trace *trace = quarry_bench_load_named(name);
	int ret;

	if (trace == ERR_PTR(-ENOENT)) {
		res->left_out = "its trace is not in the directory traces=";
		return 0;
	}
	if (IS_ERR(trace))
		return PTR_ERR(trace);
	ret = replay(trace, res);
	quarry_trace_free(trace);
	return ret;
}

int quarry_bench_replay_ext4(struct quarry_bench_result *res)
{
	return run_named(res, "ext4");
}

int quarry_bench_replay_fork(struct quarry_bench_result *res)
{
	return run_named(res, "fork");
}

int quarry_bench_replay_trace(struct quarry_bench_result *res)
{
	return run_named(res, "trace");
}
