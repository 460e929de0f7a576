// SPDX-License-Identifier: GPL-2.0
/*
 * Cases of several threads, quarry from a heap of its own against kmem_cache and
 * kmalloc():
 *
 *	xcpu-256	one CPU allocates, the other frees
 *	scale-same	batches of one size, on either CPU alone and on both
 *	scale-classes	the same in objects of eight sizes
 *	mt-sized-16	16 threads: 16 to 1039 bytes, memset(), free by address
 *
 * xcpu: the one CPU allocates 64 objects and hands them over, the other takes 64 and
 * frees them, all at the same time.  What counts is the time in allocations plus the time
 * in frees: the hand-over, a ring with one writer and one reader that is the same for all
 * sides, and the wait for each other are not in it.
 *
 * scale: gain = (time on the one CPU + on the other) / time on both together, of the
 * same work, 2 at best.  The empty loop's own gain says what the machine could give.
 *
 * mt-sized: the empty loop has the memset(), of a buffer per thread; that is
 * subtracted as well.
 *
 * Only the memset() writes into objects.  All slices are timed by the clock; where that
 * counts instructions, or there are too few CPUs, the cases are left out.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <quarry/heap.h>
#include "case.h"
#include "crew_slices.h"
#include "handover.h"
#include "side.h"
#include "sized.h"

#define BATCH		32	/* of scale */
#define NR_SIZES	8
#define ONE_SIZE	256	/* where there is but one */
#define XCPU_BATCH	64

#define MT_THREADS	16
#define MT_MIN_SIZE	16
#define MT_RANGE	1024	/* power of two */

static_assert(MT_THREADS <= QUARRY_BENCH_MAX_WORKERS);

struct mt_buffer {
	u8 bytes[MT_MIN_SIZE + MT_RANGE];
} ____cacheline_aligned;

struct threads_case {
	struct quarry_bench_crew_slices slices;
	unsigned int nr_caches;
	struct quarry_cache *caches[NR_SIZES];
	struct kmem_cache *kmems[NR_SIZES];
	struct bench_ring ring;
	struct mt_buffer buffers[MT_THREADS];
};

/* === The loops: each function has its allocator compiled in === */

static __always_inline void *get(struct threads_case *tc, unsigned int i,
				 const enum quarry_bench_side side)
{
	void *obj = tc;

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return quarry_cache_alloc(tc->caches[i], GFP_KERNEL);
	case QUARRY_BENCH_PEER:
		return kmem_cache_alloc(tc->kmems[i], GFP_KERNEL);
	default:
		OPTIMIZER_HIDE_VAR(obj);
		return obj;
	}
}

static __always_inline void put(struct threads_case *tc, unsigned int i, void *obj,
				const enum quarry_bench_side side)
{
	switch (side) {
	case QUARRY_BENCH_QUARRY:
		quarry_cache_free(tc->caches[i], obj);
		break;
	case QUARRY_BENCH_PEER:
		kmem_cache_free(tc->kmems[i], obj);
		break;
	default:
		OPTIMIZER_HIDE_VAR(obj);
		break;
	}
}

/* Who has no memory hands over NULL, so that the reader ends, too. */
static __always_inline int xcpu_write(struct threads_case *tc, unsigned int nr, u64 *spent,
				      const enum quarry_bench_side side)
{
	void *objs[XCPU_BATCH];
	unsigned int i;
	u64 start;

	while (nr--) {
		start = ktime_get_ns();
		for (i = 0; i < XCPU_BATCH; i++) {
			objs[i] = get(tc, 0, side);
			if (unlikely(!objs[i]))
				break;
		}
		*spent += ktime_get_ns() - start;
		for (i = 0; i < XCPU_BATCH; i++) {
			bench_ring_put(&tc->ring, objs[i]);
			if (unlikely(!objs[i]))
				return -ENOMEM;
		}
	}
	return 0;
}

static __always_inline int xcpu_read(struct threads_case *tc, unsigned int nr, u64 *spent,
				     const enum quarry_bench_side side)
{
	unsigned int i, nr_objs = XCPU_BATCH;
	void *objs[XCPU_BATCH];
	u64 start;

	while (nr-- && nr_objs == XCPU_BATCH) {
		for (i = 0; i < XCPU_BATCH; i++) {
			objs[i] = bench_ring_get(&tc->ring);
			if (unlikely(!objs[i]))
				break;
		}
		nr_objs = i;
		start = ktime_get_ns();
		for (i = 0; i < nr_objs; i++)
			put(tc, 0, objs[i], side);
		*spent += ktime_get_ns() - start;
	}
	return nr_objs == XCPU_BATCH ? 0 : -ENOMEM;
}

static __always_inline int xcpu_rounds(struct quarry_bench_crew *crew, unsigned int id,
				       const enum quarry_bench_side side)
{
	u64 *spent = &crew->workers[id].spent;

	return id ? xcpu_read(crew->data, crew->nr, spent, side) :
		    xcpu_write(crew->data, crew->nr, spent, side);
}

static __always_inline int scale_rounds(struct threads_case *tc, unsigned int nr,
					const unsigned int nr_caches,
					const enum quarry_bench_side side)
{
	void *objs[BATCH];
	unsigned int i;

	while (nr--) {
		for (i = 0; i < BATCH; i++) {
			objs[i] = get(tc, i % nr_caches, side);
			if (unlikely(!objs[i]))
				break;
		}
		if (unlikely(i < BATCH)) {
			while (i--)
				put(tc, i % nr_caches, objs[i], side);
			return -ENOMEM;
		}
		for (i = 0; i < BATCH; i++)
			put(tc, i % nr_caches, objs[i], side);
	}
	return 0;
}

/* The same sizes in each slice. */
static __always_inline int mt_rounds(struct threads_case *tc, unsigned int id, unsigned int nr,
				     const enum quarry_bench_side side)
{
	u32 rnd = id + 1;
	size_t size;
	void *obj;

	while (nr--) {
		/* Knuth's linear congruential generator, whose high bits are the better ones. */
		rnd = rnd * 1664525 + 1013904223;
		size = MT_MIN_SIZE + (rnd >> 16) % MT_RANGE;
		obj = quarry_bench_sized_get(tc->slices.heap, size, &tc->buffers[id], side);
		if (unlikely(!obj))
			return -ENOMEM;
		memset(obj, 0x5a, size);
		barrier_data(obj);
		quarry_bench_sized_put(obj, side);
	}
	return 0;
}

static noinline int xcpu_none(struct quarry_bench_crew *crew, unsigned int id)
{
	return xcpu_rounds(crew, id, QUARRY_BENCH_NONE);
}

static noinline int xcpu_quarry(struct quarry_bench_crew *crew, unsigned int id)
{
	return xcpu_rounds(crew, id, QUARRY_BENCH_QUARRY);
}

static noinline int xcpu_peer(struct quarry_bench_crew *crew, unsigned int id)
{
	return xcpu_rounds(crew, id, QUARRY_BENCH_PEER);
}

static noinline int same_none(struct quarry_bench_crew *crew, unsigned int id)
{
	return scale_rounds(crew->data, crew->nr, 1, QUARRY_BENCH_NONE);
}

static noinline int same_quarry(struct quarry_bench_crew *crew, unsigned int id)
{
	return scale_rounds(crew->data, crew->nr, 1, QUARRY_BENCH_QUARRY);
}

static noinline int same_peer(struct quarry_bench_crew *crew, unsigned int id)
{
	return scale_rounds(crew->data, crew->nr, 1, QUARRY_BENCH_PEER);
}

static noinline int classes_none(struct quarry_bench_crew *crew, unsigned int id)
{
	return scale_rounds(crew->data, crew->nr, NR_SIZES, QUARRY_BENCH_NONE);
}

static noinline int classes_quarry(struct quarry_bench_crew *crew, unsigned int id)
{
	return scale_rounds(crew->data, crew->nr, NR_SIZES, QUARRY_BENCH_QUARRY);
}

static noinline int classes_peer(struct quarry_bench_crew *crew, unsigned int id)
{
	return scale_rounds(crew->data, crew->nr, NR_SIZES, QUARRY_BENCH_PEER);
}

static noinline int mt_none(struct quarry_bench_crew *crew, unsigned int id)
{
	return mt_rounds(crew->data, id, crew->nr, QUARRY_BENCH_NONE);
}

static noinline int mt_quarry(struct quarry_bench_crew *crew, unsigned int id)
{
	return mt_rounds(crew->data, id, crew->nr, QUARRY_BENCH_QUARRY);
}

static noinline int mt_peer(struct quarry_bench_crew *crew, unsigned int id)
{
	return mt_rounds(crew->data, id, crew->nr, QUARRY_BENCH_PEER);
}

typedef int (*work_fn)(struct quarry_bench_crew *crew, unsigned int id);

static int xcpu_work(struct quarry_bench_crew *crew, unsigned int id)
{
	static const work_fn work[] = { xcpu_none, xcpu_quarry, xcpu_peer };

	return work[crew->side](crew, id);
}

static int same_work(struct quarry_bench_crew *crew, unsigned int id)
{
	static const work_fn work[] = { same_none, same_quarry, same_peer };

	return work[crew->side](crew, id);
}

static int classes_work(struct quarry_bench_crew *crew, unsigned int id)
{
	static const work_fn work[] = { classes_none, classes_quarry, classes_peer };

	return work[crew->side](crew, id);
}

static int mt_work(struct quarry_bench_crew *crew, unsigned int id)
{
	static const work_fn work[] = { mt_none, mt_quarry, mt_peer };

	return work[crew->side](crew, id);
}

/* === Running them === */

/* Powers of two from 32 bytes on, or all that is there is of 256. */
static int open_caches(struct threads_case *tc)
{
	unsigned int i, size;
	char name[24];

	for (i = 0; i < tc->nr_caches; i++) {
		size = tc->nr_caches == 1 ? ONE_SIZE : 32U << i;
		snprintf(name, sizeof(name), "quarry_bench-%u", size);
		tc->caches[i] = quarry_cache_create(tc->slices.heap, name, size, 0, 0, NULL);
		if (IS_ERR(tc->caches[i]))
			return PTR_ERR(tc->caches[i]);
		tc->kmems[i] = kmem_cache_create_usercopy(name, size, 0, SLAB_NO_MERGE, 0, size,
							  NULL);
		if (!tc->kmems[i])
			return -ENOMEM;
	}
	return 0;
}

static void close_caches(struct threads_case *tc)
{
	unsigned int i;

	for (i = 0; i < tc->nr_caches; i++) {
		quarry_cache_destroy(tc->caches[i]);
		kmem_cache_destroy(tc->kmems[i]);
	}
}

static int run_heap(struct threads_case *tc, unsigned int nr_workers,
		    struct quarry_bench_result *res)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;
	int ret;

	heap = quarry_heap_create(&params);
	if (IS_ERR(heap))
		return PTR_ERR(heap);
	tc->slices.heap = heap;
	ret = open_caches(tc) ?: quarry_bench_crew_slices(&tc->slices, nr_workers, res);
	close_caches(tc);
	quarry_heap_destroy(heap);
	return ret;
}

/* Which of the cases. */
struct threads_kind {
	work_fn work;
	int (*slice)(struct quarry_bench_crew_slices *cs, enum quarry_bench_side side, int i);
	unsigned int nr_workers;
	unsigned int nr_caches;
	unsigned int ops_per_round;
	bool meet;
	const char *peer;
	const char *per;
};

static int run_case(struct quarry_bench_result *res, const struct threads_kind *kind)
{
	struct threads_case *tc;
	int ret;

	if (quarry_bench_meter.icount)
		res->left_out = "the clock counts instructions, of whatever thread";
	else if (kind->meet && num_online_cpus() < kind->nr_workers)
		res->left_out = "needs a CPU for each thread";
	if (res->left_out)
		return 0;
	tc = kvzalloc(sizeof(*tc), GFP_KERNEL);
	if (!tc)
		return -ENOMEM;
	res->peer = kind->peer;
	res->per = kind->per;
	tc->nr_caches = kind->nr_caches;
	tc->slices.slice = kind->slice;
	tc->slices.ops_per_round = kind->ops_per_round;
	tc->slices.crew.work = kind->work;
	tc->slices.crew.data = tc;
	tc->slices.crew.meet = kind->meet;
	ret = run_heap(tc, kind->nr_workers, res);
	kvfree(tc);
	return ret;
}

int quarry_bench_xcpu_256(struct quarry_bench_result *res)
{
	static const struct threads_kind kind = {
		.work = xcpu_work, .slice = quarry_bench_together, .nr_workers = 2, .nr_caches = 1,
		.ops_per_round = XCPU_BATCH, .meet = true,
		.peer = "kmem_cache", .per = "obj",
	};

	return run_case(res, &kind);
}

int quarry_bench_scale_same(struct quarry_bench_result *res)
{
	static const struct threads_kind kind = {
		.work = same_work, .slice = quarry_bench_apart_and_together, .nr_workers = 2,
		.nr_caches = 1,
		.ops_per_round = 2 * BATCH, .meet = true,
		.peer = "kmem_cache", .per = "obj",
	};

	return run_case(res, &kind);
}

int quarry_bench_scale_classes(struct quarry_bench_result *res)
{
	static const struct threads_kind kind = {
		.work = classes_work, .slice = quarry_bench_apart_and_together, .nr_workers = 2,
		.nr_caches = NR_SIZES, .ops_per_round = 2 * BATCH,
		.meet = true, .peer = "kmem_cache", .per = "obj",
	};

	return run_case(res, &kind);
}

int quarry_bench_mt_sized_16(struct quarry_bench_result *res)
{
	static const struct threads_kind kind = {
		.work = mt_work, .slice = quarry_bench_together, .nr_workers = MT_THREADS,
		.ops_per_round = MT_THREADS, .peer = "kmalloc", .per = "obj",
	};

	return run_case(res, &kind);
}
