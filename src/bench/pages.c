// SPDX-License-Identifier: GPL-2.0
/*
 * pages-o0, pages-o3, pages-o9: hot pairs of alloc and free of 1, 8 and 512 pages,
 * quarry_alloc_pages() from a heap of its own against alloc_pages().
 *
 * The order is a constant in each loop, as it is in nearly all callers, so
 * that either side can make of it what it can; both are told it when they free.
 *
 * Where the clock counts instructions, slices run with interrupts off: a tick
 * would be counted.  Elsewhere they do not, since GFP_KERNEL may reclaim; what
 * happens in between is left to the median.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <quarry/heap.h>
#include "case.h"

#define NR_SLICES	64
#define WARMUP_SLICES	2

/* Pairs in a slice: so many that the slower side takes half of 2 ms to all of it. */
#define SLICE_NS	(2 * NSEC_PER_MSEC)
#define MAX_PAIRS	8192U
#define TRY_PAIRS	16	/* to find out */

struct pages_case {
	int (*pairs[QUARRY_BENCH_NR_SIDES])(struct quarry_heap *heap, unsigned int nr);
	struct quarry_heap *heap;
	unsigned int order;
	unsigned int nr_pairs;		/* in a slice */
	u64 nr_peer_calls;
	u64 peak_bytes;			/* Quarry's */
};

/* === The loops: each function has its allocator and its order compiled in === */

static __always_inline void *alloc_one(struct quarry_heap *heap, const unsigned int order,
				       const enum quarry_bench_side side)
{
	void *block = heap;

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return quarry_alloc_pages(heap, order, GFP_KERNEL);
	case QUARRY_BENCH_PEER:
		return alloc_pages(GFP_KERNEL, order);
	default:
		OPTIMIZER_HIDE_VAR(block);
		return block;
	}
}

static __always_inline void free_one(struct quarry_heap *heap, void *block,
				     const unsigned int order, const enum quarry_bench_side side)
{
	switch (side) {
	case QUARRY_BENCH_QUARRY:
		quarry_free_order(heap, block, order);
		break;
	case QUARRY_BENCH_PEER:
		__free_pages(block, order);
		break;
	default:
		OPTIMIZER_HIDE_VAR(block);
		break;
	}
}

static __always_inline int run_pairs(struct quarry_heap *heap, unsigned int nr,
				     const unsigned int order, const enum quarry_bench_side side)
{
	void *block;

	while (nr--) {
		block = alloc_one(heap, order, side);
		if (unlikely(!block))
			return -ENOMEM;
		free_one(heap, block, order, side);
	}
	return 0;
}

static noinline int none_pairs(struct quarry_heap *heap, unsigned int nr)
{
	return run_pairs(heap, nr, 0, QUARRY_BENCH_NONE);
}

static noinline int quarry_o0_pairs(struct quarry_heap *heap, unsigned int nr)
{
	return run_pairs(heap, nr, 0, QUARRY_BENCH_QUARRY);
}

static noinline int quarry_o3_pairs(struct quarry_heap *heap, unsigned int nr)
{
	return run_pairs(heap, nr, 3, QUARRY_BENCH_QUARRY);
}

static noinline int quarry_o9_pairs(struct quarry_heap *heap, unsigned int nr)
{
	return run_pairs(heap, nr, 9, QUARRY_BENCH_QUARRY);
}

static noinline int kernel_o0_pairs(struct quarry_heap *heap, unsigned int nr)
{
	return run_pairs(heap, nr, 0, QUARRY_BENCH_PEER);
}

static noinline int kernel_o3_pairs(struct quarry_heap *heap, unsigned int nr)
{
	return run_pairs(heap, nr, 3, QUARRY_BENCH_PEER);
}

static noinline int kernel_o9_pairs(struct quarry_heap *heap, unsigned int nr)
{
	return run_pairs(heap, nr, 9, QUARRY_BENCH_PEER);
}

/* === Running them === */

static int measure(struct pages_case *pc, enum quarry_bench_side side, unsigned int nr,
		   struct quarry_bench_reading *cost)
{
	struct quarry_bench_reading end = { };
	unsigned long flags = 0;
	int ret;

	if (side == QUARRY_BENCH_PEER)
		pc->nr_peer_calls += nr;
	if (quarry_bench_meter.icount)
		flags = quarry_bench_quiet_begin();
	quarry_bench_read(cost);
	ret = pc->pairs[side](pc->heap, nr);
	quarry_bench_read(&end);
	if (quarry_bench_meter.icount)
		quarry_bench_quiet_end(flags);
	quarry_bench_since(cost, &end);
	return ret;
}

static void note_peak(struct pages_case *pc)
{
	struct quarry_heap_stats stats;

	quarry_heap_get_stats(pc->heap, &stats);
	pc->peak_bytes = max(pc->peak_bytes, stats.mapped_peak + stats.metadata);
}

/* One slice of a side, with a pair before it that grows or refills what has to be. */
static int run_slice(struct pages_case *pc, enum quarry_bench_side side,
		     struct quarry_bench_reading *cost)
{
	int ret = pc->pairs[side](pc->heap, 1);

	if (ret)
		return ret;
	pc->nr_peer_calls += side == QUARRY_BENCH_PEER;
	ret = measure(pc, side, pc->nr_pairs, cost);
	note_peak(pc);
	cond_resched();
	return ret;
}

static int choose_nr_pairs(struct pages_case *pc)
{
	struct quarry_bench_reading cost = { };
	enum quarry_bench_side side;
	u64 worst = 1;
	int ret = 0;

	/* The first time is to warm up. */
	for (side = QUARRY_BENCH_QUARRY; side < QUARRY_BENCH_NR_SIDES && !ret; side++) {
		ret = measure(pc, side, TRY_PAIRS, &cost) ?: measure(pc, side, TRY_PAIRS, &cost);
		worst = max3(worst, cost.ns, quarry_bench_meter.icount ? cost.instructions : 0);
	}
	/* A power of two, so that small differences between runs make none. */
	pc->nr_pairs = rounddown_pow_of_two(clamp_t(u64, SLICE_NS * TRY_PAIRS / worst, 1,
						    MAX_PAIRS));
	return ret;
}

static int run_slices(struct pages_case *pc, struct quarry_bench_run *run)
{
	struct quarry_bench_reading cost = { };
	enum quarry_bench_side side;
	int i, ret;

	for (i = -WARMUP_SLICES; i < NR_SLICES; i++) {
		for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
			ret = run_slice(pc, side, &cost);
			if (ret)
				return ret;
			if (i >= 0)
				quarry_bench_note(run, side, i, &cost);
		}
	}
	return 0;
}

static int run_heap(struct pages_case *pc, struct quarry_bench_run *run,
		    struct quarry_bench_result *res)
{
	struct quarry_heap_stats stats;
	int ret;

	ret = choose_nr_pairs(pc) ?: run_slices(pc, run);
	if (ret)
		return ret;
	quarry_heap_get_stats(pc->heap, &stats);
	res->calls[QUARRY_BENCH_QUARRY] = stats.nr_kernel_calls;
	res->calls[QUARRY_BENCH_PEER] = pc->nr_peer_calls;
	res->peak_bytes[QUARRY_BENCH_QUARRY] = pc->peak_bytes;
	res->peak_bytes[QUARRY_BENCH_PEER] = PAGE_SIZE << pc->order;
	quarry_bench_conclude(run, NR_SLICES, pc->nr_pairs, res);
	return 0;
}

static int run_case(struct quarry_bench_result *res, unsigned int order,
		    int (*quarry)(struct quarry_heap *heap, unsigned int nr),
		    int (*kernel)(struct quarry_heap *heap, unsigned int nr))
{
	const struct quarry_heap_params params = { .name = "bench", QUARRY_HEAP_DEFAULTS };
	struct quarry_bench_run *run = kvzalloc(sizeof(*run), GFP_KERNEL);
	struct pages_case pc = {
		.order = order,
		.pairs = { none_pairs, quarry, kernel },
	};
	int ret;

	if (!run)
		return -ENOMEM;
	res->peer = "alloc_pages";
	res->per = "pair";
	pc.heap = quarry_heap_create(&params);
	ret = PTR_ERR_OR_ZERO(pc.heap);
	if (!ret)
		ret = run_heap(&pc, run, res);
	quarry_heap_destroy(pc.heap);
	kvfree(run);
	return ret;
}

int quarry_bench_pages_o0(struct quarry_bench_result *res)
{
	return run_case(res, 0, quarry_o0_pairs, kernel_o0_pairs);
}

int quarry_bench_pages_o3(struct quarry_bench_result *res)
{
	return run_case(res, 3, quarry_o3_pairs, kernel_o3_pairs);
}

int quarry_bench_pages_o9(struct quarry_bench_result *res)
{
	return run_case(res, 9, quarry_o9_pairs, kernel_o9_pairs);
}
