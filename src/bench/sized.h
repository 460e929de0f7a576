/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory of any size of each side, inlined into the loops of cases.
 */
#ifndef _QUARRY_BENCH_SIZED_H
#define _QUARRY_BENCH_SIZED_H

#include <linux/compiler.h>
#include <linux/slab.h>
#include <quarry/heap.h>
#include "case.h"

/* @none: what the empty loop gets. */
static __always_inline void *quarry_bench_sized_get(struct quarry_heap *heap, size_t size,
						    void *none, const enum quarry_bench_side side)
{
	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return quarry_alloc(heap, size, GFP_KERNEL);
	case QUARRY_BENCH_PEER:
		return kmalloc(size, GFP_KERNEL);
	default:
		OPTIMIZER_HIDE_VAR(none);
		return none;
	}
}

static __always_inline void quarry_bench_sized_put(void *obj, const enum quarry_bench_side side)
{
	switch (side) {
	case QUARRY_BENCH_QUARRY:
		quarry_free(obj);
		break;
	case QUARRY_BENCH_PEER:
		kfree(obj);
		break;
	default:
		OPTIMIZER_HIDE_VAR(obj);
		break;
	}
}

#endif /* _QUARRY_BENCH_SIZED_H */
