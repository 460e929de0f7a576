// SPDX-License-Identifier: GPL-2.0
/*
 * pressure: the price of a soft limit at 80 % of what a load holds at its peak without one.
 *
 *	tree	100 000 nodes in an arena, built and dropped; per node.  What is asked for in
 *		the end is above the limit, so the worker has work that cannot help.
 *	ext4	the replay, whose peak is short: what idles can go back before it
 *
 * Both sides are Quarry: a heap with the limit against one without.  The worker of the heap runs
 * when it gets the CPU; each slice of the tree offers it in between and at the end.
 * The replay is timed a whole trace at a time, as in the case of its name.
 *
 * The peaks are of the heaps themselves: with the limit the peak is what remains of it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>
#include <quarry/arena.h>
#include <quarry/heap.h>
#include "case.h"
#include "load.h"
#include "replay.h"
#include "results.h"

#define NR_NODES	100000U
#define OFFER_NODES	1024U
#define NR_SLICES	64
#define SLICE_TREES	8
#define WARMUP_SLICES	2
#define NR_REPS		7
#define PERCENT		80

struct node {
	struct node *child[2];
	u64 key;
	u64 payload[5];
};

struct pressure {
	struct quarry_heap *heaps[QUARRY_BENCH_NR_SIDES];
	struct quarry_bench_run run;
	struct node *nodes[NR_NODES];
};

/* === The tree === */

static struct quarry_heap *make_heap(const char *name, u64 soft_limit)
{
	const struct quarry_heap_params params = {
		.name = name, .soft_limit = soft_limit, QUARRY_HEAP_DEFAULTS,
	};

	return quarry_heap_create(&params);
}

/* A binary tree, filled level by level. */
static int build_and_drop(struct pressure *p, struct quarry_heap *heap)
{
	struct quarry_arena *arena;
	unsigned int i;
	int ret = 0;

	arena = quarry_arena_create(heap, NULL, GFP_KERNEL);
	if (IS_ERR(arena))
		return PTR_ERR(arena);
	for (i = 0; i < NR_NODES; i++) {
		struct node *node = quarry_arena_alloc(arena, sizeof(*node), GFP_KERNEL);

		if (!node) {
			ret = -ENOMEM;
			break;
		}
		node->child[0] = NULL;
		node->child[1] = NULL;
		node->key = i;
		p->nodes[i] = node;
		if (i)
			p->nodes[(i - 1) / 2]->child[i % 2] = node;
		if (!(i % OFFER_NODES))
			cond_resched();
	}
	quarry_arena_destroy(arena);
	cond_resched();
	return ret;
}

static int run_slice(struct pressure *p, enum quarry_bench_side side,
		     struct quarry_bench_reading *cost)
{
	struct quarry_bench_reading end = { };
	unsigned int i;
	int ret = 0;

	quarry_bench_read(cost);
	for (i = 0; i < SLICE_TREES && side != QUARRY_BENCH_NONE && !ret; i++)
		ret = build_and_drop(p, p->heaps[side]);
	quarry_bench_read(&end);
	quarry_bench_since(cost, &end);
	return ret;
}

static int run_slices(struct pressure *p)
{
	struct quarry_bench_reading cost = { };
	enum quarry_bench_side side;
	int i, ret;

	for (i = -WARMUP_SLICES; i < NR_SLICES; i++) {
		for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
			ret = run_slice(p, side, &cost);
			if (ret)
				return ret;
			if (i >= 0)
				quarry_bench_note(&p->run, side, i, &cost);
		}
	}
	return 0;
}

static u64 peak_of(struct quarry_heap *heap)
{
	struct quarry_heap_stats stats;

	quarry_heap_get_stats(heap, &stats);
	return stats.mapped_peak;
}

static void note_side(struct quarry_bench_result *res, enum quarry_bench_side side,
		      struct quarry_heap *heap)
{
	struct quarry_heap_stats stats;

	quarry_heap_get_stats(heap, &stats);
	res->calls[side] = stats.nr_kernel_calls;
	res->peak_bytes[side] = stats.mapped_peak + stats.metadata;
}

static int run_tree(struct pressure *p, struct quarry_bench_result *res)
{
	struct quarry_heap *limited, *unlimited;
	u64 peak, limit;
	int ret;

	unlimited = make_heap("quarry_bench", 0);
	if (IS_ERR(unlimited))
		return PTR_ERR(unlimited);
	ret = build_and_drop(p, unlimited);
	peak = peak_of(unlimited);
	limit = div_u64(peak * PERCENT, 100);
	limited = ret ? ERR_PTR(ret) : make_heap("quarry_bench limit", limit);
	ret = PTR_ERR_OR_ZERO(limited);
	if (!ret) {
		p->heaps[QUARRY_BENCH_QUARRY] = limited;
		p->heaps[QUARRY_BENCH_PEER] = unlimited;
		ret = run_slices(p);
	}
	if (!ret) {
		note_side(res, QUARRY_BENCH_QUARRY, limited);
		note_side(res, QUARRY_BENCH_PEER, unlimited);
		quarry_bench_conclude(&p->run, NR_SLICES, SLICE_TREES * NR_NODES, res);
		bench_put(res->notes, "\npressure: tree: peak %llu bytes, soft limit %llu\n", peak,
			  limit);
	}
	quarry_heap_destroy(limited);
	quarry_heap_destroy(unlimited);
	return ret;
}

/* === The replay === */

static int run_replay(struct quarry_trace *trace, struct quarry_bench_result *res)
{
	struct quarry_replay_opts opts = { .heap_name = "quarry_bench", .check = true };
	struct quarry_bench_value value = {
		.subject = "quarry", .what = "time with limit / without, ext4", .unit = "ratio",
		.n = NR_REPS,
	};
	struct quarry_replay_result replay;
	u64 peak;
	int ret;

	ret = quarry_replay_run(trace, &opts, &replay);
	peak = replay.quarry.mapped_pages << PAGE_SHIFT;
	if (!ret) {
		opts.check = false;
		opts.reps = NR_REPS;
		opts.unlimited = true;
		opts.soft_limit = div_u64(peak * PERCENT, 100);
		ret = quarry_replay_run(trace, &opts, &replay);
	}
	if (ret) {
		pr_err("case %s: %s\n", res->name, replay.message);
		return ret;
	}
	value.median = replay.ratio_median;
	value.min = replay.ratio_min;
	value.max = replay.ratio_max;
	quarry_bench_emit_value(res, &value);
	bench_put(res->notes, "pressure: ext4: peak %llu bytes, soft limit %llu;", peak,
		  opts.soft_limit);
	bench_put(res->notes, " time with limit / without: %u.%03u (%u.%03u to %u.%03u)\n",
		  replay.ratio_median / 1000, replay.ratio_median % 1000,
		  replay.ratio_min / 1000, replay.ratio_min % 1000, replay.ratio_max / 1000,
		  replay.ratio_max % 1000);
	return 0;
}

static int run_ext4(struct quarry_bench_result *res)
{
	struct quarry_trace *trace = quarry_bench_load_named("ext4");
	int ret;

	if (trace == ERR_PTR(-ENOENT)) {
		bench_put(res->notes, "pressure: ext4: left out: not in the directory traces=\n");
		return 0;
	}
	if (IS_ERR(trace))
		return PTR_ERR(trace);
	ret = run_replay(trace, res);
	quarry_trace_free(trace);
	return ret;
}

int quarry_bench_pressure(struct quarry_bench_result *res)
{
	const struct quarry_bench_figures *fig = &res->ns;
	struct pressure *p;
	int ret;

	res->peer = "no limit";
	res->per = "node";
	if (quarry_bench_meter.icount) {
		res->left_out = "its worker would not be counted";
		return 0;
	}
	p = vzalloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	ret = run_tree(p, res);
	vfree(p);
	if (!ret && fig->known) {
		const struct quarry_bench_value value = {
			.subject = "quarry", .what = "time with limit / without", .unit = "ratio",
			.median = fig->ratio, .min = fig->ratio_min, .max = fig->ratio_max,
			.n = fig->nr,
		};

		quarry_bench_emit_value(res, &value);
	}
	return ret ?: run_ext4(res);
}
