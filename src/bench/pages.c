// SPDX-License-Identifier: GPL-2.0
/*
 * pages-o0, pages-o3, pages-o9: hot pairs of alloc and free of 1, 8 and 512 pages,
 * quarry_alloc_pages() from a heap of its own against alloc_pages().
 *
 * The order is a constant in each loop, as it is in nearly all callers, so
 * that either side can make of it what it can; both are told it when they free.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <quarry/heap.h>
#include "case.h"
#include "slices.h"

struct pages_case {
	int (*pairs[QUARRY_BENCH_NR_SIDES])(struct quarry_heap *heap, unsigned int nr);
	struct quarry_bench_loops loops;
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

static int run_side(struct quarry_bench_loops *loops, enum quarry_bench_side side,
		    unsigned int nr)
{
	struct pages_case *pc = container_of(loops, struct pages_case, loops);

	return pc->pairs[side](loops->heap, nr);
}

static int run_case(struct quarry_bench_result *res, unsigned int order,
		    int (*quarry)(struct quarry_heap *heap, unsigned int nr),
		    int (*kernel)(struct quarry_heap *heap, unsigned int nr))
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	struct pages_case *pc = kvzalloc(sizeof(*pc), GFP_KERNEL);
	int ret;

	if (!pc)
		return -ENOMEM;
	res->peer = "alloc_pages";
	res->per = "pair";
	res->peak_bytes[QUARRY_BENCH_PEER] = PAGE_SIZE << order;
	pc->pairs[QUARRY_BENCH_NONE] = none_pairs;
	pc->pairs[QUARRY_BENCH_QUARRY] = quarry;
	pc->pairs[QUARRY_BENCH_PEER] = kernel;
	pc->loops.rounds = run_side;
	pc->loops.nr_ops = 1;
	pc->loops.heap = quarry_heap_create(&params);
	ret = PTR_ERR_OR_ZERO(pc->loops.heap);
	if (!ret)
		ret = quarry_bench_slices(&pc->loops, res);
	quarry_heap_destroy(pc->loops.heap);
	kvfree(pc);
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
