// SPDX-License-Identifier: GPL-2.0
/*
 * Many objects that stay, from a heap of its own against kmalloc():
 *
 *	tiny-1		100 000 objects of 1 byte without pointers, quarry_alloc_data(): what
 *			counts is the bytes held
 *	calls-1m-100	1 000 000 objects of 100 bytes, quarry_alloc(): what counts is the calls
 *			to the kernel
 *
 * Quarry's bytes are mapped and metadata of its heap; kmalloc()'s what the system's slab
 * pages have grown by.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <quarry/heap.h>
#include "case.h"
#include "side.h"

#define TINY_OBJS	100000U
#define TINY_SLICE	250U	/* objects */
#define MANY_OBJS	1000000U
#define MANY_SLICE	2500U
#define MANY_SIZE	100

static_assert(TINY_OBJS / TINY_SLICE <= QUARRY_BENCH_MAX_SLICES);
static_assert(MANY_OBJS / MANY_SLICE <= QUARRY_BENCH_MAX_SLICES);

struct tiny {
	struct quarry_heap *heap;
	bool many;			/* which case */
	unsigned int nr_objs;
	unsigned int slice_objs;
	struct quarry_bench_run run;
	void **objs[QUARRY_BENCH_NR_SIDES];
	void *all_objs[];
};

static __always_inline void *alloc_one(struct tiny *tiny, const bool many,
				       const enum quarry_bench_side side)
{
	void *obj = tiny;

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return many ? quarry_alloc(tiny->heap, MANY_SIZE, GFP_KERNEL) :
			      quarry_alloc_data(tiny->heap, 1, GFP_KERNEL);
	case QUARRY_BENCH_PEER:
		return many ? kmalloc(MANY_SIZE, GFP_KERNEL) : kmalloc(1, GFP_KERNEL);
	default:
		OPTIMIZER_HIDE_VAR(obj);
		return obj;
	}
}

static __always_inline int alloc_some(struct tiny *tiny, unsigned int first,
				      const bool many, const enum quarry_bench_side side,
				      struct quarry_bench_reading *cost)
{
	const unsigned int nr = many ? MANY_SLICE : TINY_SLICE;
	struct quarry_bench_reading end = { };
	void **objs = &tiny->objs[side][first];
	unsigned int i;

	quarry_bench_read(cost);
	for (i = 0; i < nr; i++) {
		objs[i] = alloc_one(tiny, many, side);
		if (unlikely(!objs[i]))
			return -ENOMEM;
	}
	quarry_bench_read(&end);
	quarry_bench_since(cost, &end);
	return 0;
}

static noinline int run_tiny(struct tiny *tiny, enum quarry_bench_side side, unsigned int first,
			     struct quarry_bench_reading *cost)
{
	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return alloc_some(tiny, first, false, QUARRY_BENCH_QUARRY, cost);
	case QUARRY_BENCH_PEER:
		return alloc_some(tiny, first, false, QUARRY_BENCH_PEER, cost);
	default:
		return alloc_some(tiny, first, false, QUARRY_BENCH_NONE, cost);
	}
}

static noinline int run_many(struct tiny *tiny, enum quarry_bench_side side, unsigned int first,
			     struct quarry_bench_reading *cost)
{
	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return alloc_some(tiny, first, true, QUARRY_BENCH_QUARRY, cost);
	case QUARRY_BENCH_PEER:
		return alloc_some(tiny, first, true, QUARRY_BENCH_PEER, cost);
	default:
		return alloc_some(tiny, first, true, QUARRY_BENCH_NONE, cost);
	}
}

static int run_slices(struct tiny *tiny)
{
	struct quarry_bench_reading cost = { };
	enum quarry_bench_side side;
	unsigned int i;
	int ret;

	for (i = 0; i < tiny->nr_objs / tiny->slice_objs; i++) {
		for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
			ret = tiny->many ? run_many(tiny, side, i * tiny->slice_objs, &cost) :
					   run_tiny(tiny, side, i * tiny->slice_objs, &cost);
			if (ret)
				return ret;
			quarry_bench_note(&tiny->run, side, i, &cost);
		}
		cond_resched();
	}
	return 0;
}

static void free_all(struct tiny *tiny)
{
	unsigned int i;

	for (i = 0; i < tiny->nr_objs; i++) {
		quarry_free(tiny->objs[QUARRY_BENCH_QUARRY][i]);
		kfree(tiny->objs[QUARRY_BENCH_PEER][i]);
		if (!(i % tiny->slice_objs))
			cond_resched();
	}
}

static int run_heap(struct tiny *tiny, struct quarry_bench_result *res)
{
	long slab_pages = quarry_bench_slab_pages();
	struct quarry_heap_stats stats;
	int ret;

	ret = run_slices(tiny);
	if (!ret) {
		slab_pages = max(quarry_bench_slab_pages() - slab_pages, 0L);
		quarry_heap_get_stats(tiny->heap, &stats);
		res->calls[QUARRY_BENCH_QUARRY] = stats.nr_kernel_calls;
		res->calls[QUARRY_BENCH_PEER] = tiny->nr_objs;
		res->peak_bytes[QUARRY_BENCH_QUARRY] = stats.mapped_peak + stats.metadata;
		res->peak_bytes[QUARRY_BENCH_PEER] = (u64)slab_pages << PAGE_SHIFT;
		quarry_bench_conclude(&tiny->run, tiny->nr_objs / tiny->slice_objs,
				      tiny->slice_objs, res);
	}
	free_all(tiny);
	return ret;
}

static int run_case(struct quarry_bench_result *res, bool many, unsigned int nr_objs,
		    unsigned int slice_objs)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	enum quarry_bench_side side;
	struct tiny *tiny;
	int ret;

	tiny = vzalloc(struct_size(tiny, all_objs, QUARRY_BENCH_NR_SIDES * nr_objs));
	if (!tiny)
		return -ENOMEM;
	res->peer = "kmalloc";
	res->per = "obj";
	tiny->many = many;
	tiny->nr_objs = nr_objs;
	tiny->slice_objs = slice_objs;
	for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++)
		tiny->objs[side] = &tiny->all_objs[side * nr_objs];
	tiny->heap = quarry_heap_create(&params);
	ret = PTR_ERR_OR_ZERO(tiny->heap);
	if (!ret)
		ret = run_heap(tiny, res);
	quarry_heap_destroy(tiny->heap);
	vfree(tiny);
	return ret;
}

int quarry_bench_tiny_1(struct quarry_bench_result *res)
{
	return run_case(res, false, TINY_OBJS, TINY_SLICE);
}

/* Both sides hold theirs at a time. */
int quarry_bench_calls_1m_100(struct quarry_bench_result *res)
{
	if (!quarry_bench_has_memory(res, MANY_OBJS * (2 * MANY_SIZE + 100ULL)))
		return 0;
	return run_case(res, true, MANY_OBJS, MANY_SLICE);
}
