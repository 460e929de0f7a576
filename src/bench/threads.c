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
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <quarry/heap.h>
#include "case.h"
#include "crew.h"
#include "side.h"

#define NR_SLICES	200
#define WARMUP_SLICES	4

/*
 * Rounds in a slice: so many that the slowest side takes half of that to all of it.  Of two
 * CPUs that have to run at the same time, a busy host lets both alone but for a short while.
 */
#define SLICE_NS	(NSEC_PER_MSEC)
#define MAX_ROUNDS	8192U
#define TRY_OPS		4096U	/* of all threads, to find out: the best of so many times */
#define NR_TRIES	5

#define NR_RING		1024	/* power of two */
#define SPINS		1024	/* between looks whether someone else wants the CPU */

#define BATCH		32	/* of scale */
#define NR_SIZES	8
#define ONE_SIZE	256	/* where there is but one */
#define XCPU_BATCH	64

#define MT_THREADS	16
#define MT_MIN_SIZE	16
#define MT_RANGE	1024	/* power of two */

static_assert(MT_THREADS <= QUARRY_BENCH_MAX_WORKERS);

/* The indices run on and on; each has a copy of the other's as last seen. */
struct ring {
	unsigned int tail ____cacheline_aligned;	/* the writer's */
	unsigned int head_seen;
	unsigned int head ____cacheline_aligned;	/* the reader's */
	unsigned int tail_seen;
	void *objs[NR_RING] ____cacheline_aligned;
};

struct mt_buffer {
	u8 bytes[MT_MIN_SIZE + MT_RANGE];
} ____cacheline_aligned;

struct threads_case {
	struct quarry_bench_crew crew;
	int (*slice)(struct threads_case *tc, enum quarry_bench_side side, int i);
	struct quarry_heap *heap;
	unsigned int nr_caches;
	struct quarry_cache *caches[NR_SIZES];
	struct kmem_cache *kmems[NR_SIZES];
	unsigned int nr_rounds;
	unsigned int ops_per_round;	/* of all threads */
	u64 nr_peer_ops;
	long slab_pages_start;
	u64 peak_bytes[QUARRY_BENCH_NR_SIDES];
	struct ring ring;
	struct mt_buffer buffers[MT_THREADS];
	struct quarry_bench_samples alone;	/* scale: one CPU after the other */
	struct quarry_bench_samples together;
};

/* === The ring === */

static __always_inline void wait_a_little(unsigned int *spins)
{
	cpu_relax();
	if (!(++*spins % SPINS))
		cond_resched();
}

static __always_inline void ring_put(struct ring *ring, void *obj)
{
	unsigned int tail = ring->tail, spins = 0;

	while (tail - ring->head_seen == NR_RING) {
		/* Pairs with smp_store_release() in ring_get(). */
		ring->head_seen = smp_load_acquire(&ring->head);
		if (tail - ring->head_seen == NR_RING)
			wait_a_little(&spins);
	}
	ring->objs[tail % NR_RING] = obj;
	/* Pairs with smp_load_acquire() in ring_get(). */
	smp_store_release(&ring->tail, tail + 1);
}

static __always_inline void *ring_get(struct ring *ring)
{
	unsigned int head = ring->head, spins = 0;
	void *obj;

	while (head == ring->tail_seen) {
		/* Pairs with smp_store_release() in ring_put(). */
		ring->tail_seen = smp_load_acquire(&ring->tail);
		if (head == ring->tail_seen)
			wait_a_little(&spins);
	}
	obj = ring->objs[head % NR_RING];
	/* Pairs with smp_load_acquire() in ring_put(). */
	smp_store_release(&ring->head, head + 1);
	return obj;
}

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
			ring_put(&tc->ring, objs[i]);
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
			objs[i] = ring_get(&tc->ring);
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

static __always_inline void *mt_get(struct threads_case *tc, unsigned int id, size_t size,
				    const enum quarry_bench_side side)
{
	void *obj = &tc->buffers[id];

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return quarry_alloc(tc->heap, size, GFP_KERNEL);
	case QUARRY_BENCH_PEER:
		return kmalloc(size, GFP_KERNEL);
	default:
		OPTIMIZER_HIDE_VAR(obj);
		return obj;
	}
}

static __always_inline void mt_put(void *obj, const enum quarry_bench_side side)
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
		obj = mt_get(tc, id, size, side);
		if (unlikely(!obj))
			return -ENOMEM;
		memset(obj, 0x5a, size);
		barrier_data(obj);
		mt_put(obj, side);
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

/* === Slices: of all threads together, with slice @i < 0 not counted === */

static int run_together(struct threads_case *tc, enum quarry_bench_side side, int i)
{
	unsigned long all = BIT(tc->crew.nr_workers) - 1;
	u64 ns;
	int ret = quarry_bench_crew_run(&tc->crew, side, tc->nr_rounds, all, &ns);

	if (side == QUARRY_BENCH_PEER)
		tc->nr_peer_ops += tc->nr_rounds * tc->ops_per_round;
	if (i >= 0)
		tc->together.slice[side][i] = ns;
	return ret;
}

/* One CPU, the other, both: the order is the same for all sides. */
static int run_scale(struct threads_case *tc, enum quarry_bench_side side, int i)
{
	u64 ns, sum = 0;
	unsigned int id;
	int ret;

	for (id = 0; id < tc->crew.nr_workers; id++) {
		ret = quarry_bench_crew_run(&tc->crew, side, tc->nr_rounds, BIT(id), &ns);
		if (ret)
			return ret;
		sum += ns;
	}
	if (side == QUARRY_BENCH_PEER)
		tc->nr_peer_ops += tc->nr_rounds * tc->ops_per_round;
	if (i >= 0)
		tc->alone.slice[side][i] = sum;
	return run_together(tc, side, i);
}

/* === Running them === */

static void note_peaks(struct threads_case *tc)
{
	long slab_pages = max(quarry_bench_slab_pages() - tc->slab_pages_start, 0L);
	struct quarry_heap_stats stats;
	u64 *peaks = tc->peak_bytes;

	quarry_heap_get_stats(tc->heap, &stats);
	peaks[QUARRY_BENCH_QUARRY] = max(peaks[QUARRY_BENCH_QUARRY],
					 stats.mapped_peak + stats.metadata);
	peaks[QUARRY_BENCH_PEER] = max(peaks[QUARRY_BENCH_PEER], (u64)slab_pages << PAGE_SHIFT);
}

static int choose_nr_rounds(struct threads_case *tc)
{
	unsigned int nr = TRY_OPS / tc->ops_per_round;
	unsigned long all = BIT(tc->crew.nr_workers) - 1;
	enum quarry_bench_side side;
	u64 ns, best, worst = 1;
	unsigned int i;
	int ret;

	for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
		best = U64_MAX;
		for (i = 0; i < NR_TRIES; i++) {
			ret = quarry_bench_crew_run(&tc->crew, side, nr, all, &ns);
			if (ret)
				return ret;
			best = min(best, ns);
		}
		worst = max(worst, best);
	}
	/* A power of two, so that small differences between runs make none. */
	tc->nr_rounds = rounddown_pow_of_two(clamp_t(u64, SLICE_NS * nr / worst, 1, MAX_ROUNDS));
	return 0;
}

static int run_slices(struct threads_case *tc)
{
	enum quarry_bench_side side;
	int i, ret;

	for (i = -WARMUP_SLICES; i < NR_SLICES; i++) {
		for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
			ret = tc->slice(tc, side, i);
			if (ret)
				return ret;
			note_peaks(tc);
		}
	}
	return 0;
}

static int run_crew(struct threads_case *tc, unsigned int nr_workers,
		    struct quarry_bench_result *res)
{
	struct quarry_heap_stats stats;
	int ret;

	tc->crew.data = tc;
	ret = quarry_bench_crew_hire(&tc->crew, nr_workers);
	if (ret)
		return ret;
	tc->slab_pages_start = quarry_bench_slab_pages();
	ret = choose_nr_rounds(tc) ?: run_slices(tc);
	quarry_bench_crew_dismiss(&tc->crew);
	if (ret)
		return ret;
	quarry_heap_get_stats(tc->heap, &stats);
	res->calls[QUARRY_BENCH_QUARRY] = stats.nr_kernel_calls;
	res->calls[QUARRY_BENCH_PEER] = tc->nr_peer_ops;
	memcpy(res->peak_bytes, tc->peak_bytes, sizeof(res->peak_bytes));
	res->peak_bytes[QUARRY_BENCH_NONE] = QUARRY_BENCH_UNKNOWN;
	if (tc->slice == run_scale)
		quarry_bench_gain(&tc->alone, &tc->together, NR_SLICES, &res->gains);
	quarry_bench_figure(&tc->together, NR_SLICES, tc->nr_rounds * tc->ops_per_round, &res->ns);
	return 0;
}

/* Powers of two from 32 bytes on, or all that is there is of 256. */
static int open_caches(struct threads_case *tc)
{
	unsigned int i, size;
	char name[24];

	for (i = 0; i < tc->nr_caches; i++) {
		size = tc->nr_caches == 1 ? ONE_SIZE : 32U << i;
		snprintf(name, sizeof(name), "quarry_bench-%u", size);
		tc->caches[i] = quarry_cache_create(tc->heap, name, size, 0, 0, NULL);
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
	int ret;

	tc->heap = quarry_heap_create(&params);
	if (IS_ERR(tc->heap))
		return PTR_ERR(tc->heap);
	ret = open_caches(tc) ?: run_crew(tc, nr_workers, res);
	close_caches(tc);
	quarry_heap_destroy(tc->heap);
	return ret;
}

/* Which of the cases. */
struct threads_kind {
	work_fn work;
	int (*slice)(struct threads_case *tc, enum quarry_bench_side side, int i);
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
	tc->slice = kind->slice;
	tc->nr_caches = kind->nr_caches;
	tc->ops_per_round = kind->ops_per_round;
	tc->crew.work = kind->work;
	tc->crew.meet = kind->meet;
	ret = run_heap(tc, kind->nr_workers, res);
	kvfree(tc);
	return ret;
}

int quarry_bench_xcpu_256(struct quarry_bench_result *res)
{
	static const struct threads_kind kind = {
		.work = xcpu_work, .slice = run_together, .nr_workers = 2, .nr_caches = 1,
		.ops_per_round = XCPU_BATCH, .meet = true,
		.peer = "kmem_cache", .per = "obj",
	};

	return run_case(res, &kind);
}

int quarry_bench_scale_same(struct quarry_bench_result *res)
{
	static const struct threads_kind kind = {
		.work = same_work, .slice = run_scale, .nr_workers = 2, .nr_caches = 1,
		.ops_per_round = 2 * BATCH, .meet = true,
		.peer = "kmem_cache", .per = "obj",
	};

	return run_case(res, &kind);
}

int quarry_bench_scale_classes(struct quarry_bench_result *res)
{
	static const struct threads_kind kind = {
		.work = classes_work, .slice = run_scale, .nr_workers = 2,
		.nr_caches = NR_SIZES, .ops_per_round = 2 * BATCH,
		.meet = true, .peer = "kmem_cache", .per = "obj",
	};

	return run_case(res, &kind);
}

int quarry_bench_mt_sized_16(struct quarry_bench_result *res)
{
	static const struct threads_kind kind = {
		.work = mt_work, .slice = run_together, .nr_workers = MT_THREADS,
		.ops_per_round = MT_THREADS, .peer = "kmalloc", .per = "obj",
	};

	return run_case(res, &kind);
}
