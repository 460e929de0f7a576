// SPDX-License-Identifier: GPL-2.0
/*
 * tiny-1: bytes held for 100 000 objects of 1 byte without pointers,
 * quarry_alloc_data() from a heap of its own against kmalloc().
 *
 * Quarry's are mapped and metadata of its heap; kmalloc()'s what the system's slab
 * pages have grown by.  An aim is stated for the bytes, not for the time.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <quarry/heap.h>
#include "case.h"
#include "side.h"

#define NR_OBJS		100000U
#define SLICE_OBJS	250U
#define NR_SLICES	(NR_OBJS / SLICE_OBJS)

static_assert(NR_SLICES <= QUARRY_BENCH_MAX_SLICES);

struct tiny {
	struct quarry_heap *heap;
	struct quarry_bench_run run;
	void *objs[QUARRY_BENCH_NR_SIDES][NR_OBJS];
};

static __always_inline void *alloc_one(struct tiny *tiny, const enum quarry_bench_side side)
{
	void *obj = tiny;

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return quarry_alloc_data(tiny->heap, 1, GFP_KERNEL);
	case QUARRY_BENCH_PEER:
		return kmalloc(1, GFP_KERNEL);
	default:
		OPTIMIZER_HIDE_VAR(obj);
		return obj;
	}
}

static __always_inline int alloc_some(struct tiny *tiny, unsigned int first,
				      const enum quarry_bench_side side,
				      struct quarry_bench_reading *cost)
{
	struct quarry_bench_reading end = { };
	void **objs = &tiny->objs[side][first];
	unsigned int i;

	quarry_bench_read(cost);
	for (i = 0; i < SLICE_OBJS; i++) {
		objs[i] = alloc_one(tiny, side);
		if (unlikely(!objs[i]))
			return -ENOMEM;
	}
	quarry_bench_read(&end);
	quarry_bench_since(cost, &end);
	return 0;
}

static int run_slice(struct tiny *tiny, enum quarry_bench_side side, unsigned int first,
		     struct quarry_bench_reading *cost)
{
	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return alloc_some(tiny, first, QUARRY_BENCH_QUARRY, cost);
	case QUARRY_BENCH_PEER:
		return alloc_some(tiny, first, QUARRY_BENCH_PEER, cost);
	default:
		return alloc_some(tiny, first, QUARRY_BENCH_NONE, cost);
	}
}

static int run_slices(struct tiny *tiny)
{
	struct quarry_bench_reading cost = { };
	enum quarry_bench_side side;
	unsigned int i;
	int ret;

	for (i = 0; i < NR_SLICES; i++) {
		for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
			ret = run_slice(tiny, side, i * SLICE_OBJS, &cost);
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

	for (i = 0; i < NR_OBJS; i++) {
		quarry_free(tiny->objs[QUARRY_BENCH_QUARRY][i]);
		kfree(tiny->objs[QUARRY_BENCH_PEER][i]);
		if (!(i % SLICE_OBJS))
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
		res->calls[QUARRY_BENCH_PEER] = NR_OBJS;
		res->peak_bytes[QUARRY_BENCH_QUARRY] = stats.mapped_peak + stats.metadata;
		res->peak_bytes[QUARRY_BENCH_PEER] = (u64)slab_pages << PAGE_SHIFT;
		quarry_bench_conclude(&tiny->run, NR_SLICES, SLICE_OBJS, res);
	}
	free_all(tiny);
	return ret;
}

int quarry_bench_tiny_1(struct quarry_bench_result *res)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	struct tiny *tiny = vzalloc(sizeof(*tiny));
	int ret;

	if (!tiny)
		return -ENOMEM;
	res->peer = "kmalloc";
	res->per = "obj";
	tiny->heap = quarry_heap_create(&params);
	ret = PTR_ERR_OR_ZERO(tiny->heap);
	if (!ret)
		ret = run_heap(tiny, res);
	quarry_heap_destroy(tiny->heap);
	vfree(tiny);
	return ret;
}
