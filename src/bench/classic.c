// SPDX-License-Identifier: GPL-2.0
/*
 * The classic workloads of allocator papers, written anew for two kernel threads from their
 * published descriptions, quarry_alloc() and quarry_free() of a heap of its own against
 * kmalloc() and kfree():
 *
 *	larson		P. Larson and M. Krishnan, "Memory allocation for long-running
 *			server applications", ISMM 1998.  A thread has 1000 objects of 8 to
 *			1000 bytes and again and again frees one at random and allocates
 *			another in its place.  Then the next thread goes on with them, so that
 *			each frees what others allocated.
 *	xmalloc		C. Lever and D. Boreham, "malloc() performance in a multithreaded Linux
 *			environment", USENIX 2000.  One thread only allocates, the other only
 *			frees: 16 sizes from 8 to 2048 bytes, in batches of 64, of which 8 are
 *			on the way at most.
 *	mstress		D. Leijen, B. Zorn and L. de Moura, "Mimalloc: free list sharding in
 *			action", MSR-TR-2019-18.  Sizes are powers of two, small ones more often
 *			than large ones.  Most objects die soon, some stay long, and some go to
 *			another thread through shared slots.
 *	cache-scratch	E. Berger, K. McKinley, R. Blumofe and P. Wilson, "Hoard: a scalable
 *			memory allocator for multithreaded applications", ASPLOS 2000.  One
 *			thread allocates an object of 8 bytes for each of the others, which
 *			lie side by side.  Each frees its own, then allocates one as large,
 *			writes to it again and again, and frees it: an allocator that hands out
 *			what was freed has them fight for a cache line.
 *
 * One word is written to each object.  The time of a slice is from when the first thread starts
 * until the last is through: throughput.  The empty loop has all but the allocator.
 */
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <quarry/heap.h>
#include "case.h"
#include "crew_slices.h"
#include "handover.h"
#include "sized.h"

#define NR_THREADS	2

#define LARSON_SLOTS	1000
#define LARSON_MIN	8
#define LARSON_RANGE	993
#define XMALLOC_BATCH	64	/* objects handed over at once */
#define XMALLOC_BATCHES	8	/* on the way at most */
#define MSTRESS_SOON	256	/* objects of a thread that die soon; power of two */
#define MSTRESS_LATE	1024	/* that stay long; power of two */
#define MSTRESS_SHARED	64	/* slots that all threads share; power of two */
#define MSTRESS_ORDERS	10	/* from 8 bytes on */
#define SCRATCH_SIZE	8
#define SCRATCH_WRITES	64

static const u16 xmalloc_sizes[] = {
	8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048,
};

struct classic_thread {
	u32 rnd;
	void *slots[LARSON_SLOTS];
	void *soon[MSTRESS_SOON];
	void *late[MSTRESS_LATE];
} ____cacheline_aligned;

struct classic_batch {
	unsigned int nr;
	void *objs[XMALLOC_BATCH];
};

/* What a side has; all objects are NULL where there is none. */
struct classic_side {
	unsigned int turn;		/* larson: who has whose objects */
	void *first[NR_THREADS];	/* cache-scratch: side by side */
	struct classic_thread threads[NR_THREADS];
	void *shared[MSTRESS_SHARED] ____cacheline_aligned;
	struct classic_batch batches[XMALLOC_BATCHES];
	struct bench_ring full, empty;
};

typedef int (*work_fn)(struct quarry_bench_crew *crew, unsigned int id);

struct classic_case {
	struct quarry_bench_crew_slices slices;
	const work_fn *work;		/* by side */
	bool side_by_side;		/* first[] is wanted */
	u64 scratch[NR_THREADS][SMP_CACHE_BYTES / sizeof(u64)] ____cacheline_aligned;
	struct classic_side sides[QUARRY_BENCH_NR_SIDES];
};

/* === The loops: each function has its allocator compiled in === */

/* Knuth's linear congruential generator, whose high bits are the better ones. */
static __always_inline u32 draw(u32 *rnd)
{
	*rnd = *rnd * 1664525 + 1013904223;
	return *rnd >> 8;
}

static __always_inline void *get(struct classic_case *cc, unsigned int id, size_t size,
				 const enum quarry_bench_side side)
{
	void *obj = quarry_bench_sized_get(cc->slices.heap, size, cc->scratch[id], side);

	if (likely(obj))
		WRITE_ONCE(*(u64 *)obj, size);
	return obj;
}

/* Another object, or none, instead of the one that is there. */
static __always_inline bool replace(struct classic_case *cc, unsigned int id, void **slot,
				    size_t size, const enum quarry_bench_side side)
{
	quarry_bench_sized_put(*slot, side);
	*slot = get(cc, id, size, side);
	return likely(*slot);
}

static __always_inline int larson(struct classic_case *cc, unsigned int id, unsigned int nr,
				  const enum quarry_bench_side side)
{
	struct classic_side *cs = &cc->sides[side];
	struct classic_thread *mine = &cs->threads[(id + cs->turn) % NR_THREADS];
	u32 rnd = mine->rnd;

	while (nr--) {
		void **slot = &mine->slots[draw(&rnd) % LARSON_SLOTS];

		if (!replace(cc, id, slot, LARSON_MIN + draw(&rnd) % LARSON_RANGE, side))
			return -ENOMEM;
	}
	mine->rnd = rnd;
	return 0;
}

/* Who has no memory hands over a batch that is not full, so that the other one ends, too. */
static __always_inline int xmalloc_write(struct classic_case *cc, unsigned int nr,
					 const enum quarry_bench_side side)
{
	struct classic_side *cs = &cc->sides[side];
	struct classic_batch *batch;
	unsigned int i;

	while (nr--) {
		batch = bench_ring_get(&cs->empty);
		for (i = 0; i < XMALLOC_BATCH; i++) {
			batch->objs[i] = get(cc, 0, xmalloc_sizes[i % ARRAY_SIZE(xmalloc_sizes)],
					     side);
			if (unlikely(!batch->objs[i]))
				break;
		}
		batch->nr = i;
		bench_ring_put(&cs->full, batch);
		if (unlikely(i < XMALLOC_BATCH))
			return -ENOMEM;
	}
	return 0;
}

static __always_inline int xmalloc_read(struct classic_case *cc, unsigned int nr,
					const enum quarry_bench_side side)
{
	struct classic_side *cs = &cc->sides[side];
	struct classic_batch *batch;
	unsigned int i, nr_objs = XMALLOC_BATCH;

	while (nr-- && likely(nr_objs == XMALLOC_BATCH)) {
		batch = bench_ring_get(&cs->full);
		nr_objs = batch->nr;
		for (i = 0; i < nr_objs; i++)
			quarry_bench_sized_put(batch->objs[i], side);
		bench_ring_put(&cs->empty, batch);
	}
	return nr_objs == XMALLOC_BATCH ? 0 : -ENOMEM;
}

static __always_inline int xmalloc(struct classic_case *cc, unsigned int id, unsigned int nr,
				   const enum quarry_bench_side side)
{
	return id ? xmalloc_read(cc, nr, side) : xmalloc_write(cc, nr, side);
}

/* Each order half as often as the one below it. */
static __always_inline size_t mstress_size(u32 *rnd)
{
	return 8UL << __ffs(draw(rnd) | BIT(MSTRESS_ORDERS - 1));
}

static __always_inline int mstress(struct classic_case *cc, unsigned int id, unsigned int nr,
				   const enum quarry_bench_side side)
{
	struct classic_side *cs = &cc->sides[side];
	struct classic_thread *mine = &cs->threads[id];
	u32 rnd = mine->rnd, dice;
	void **slot;

	while (nr--) {
		dice = draw(&rnd);
		if (dice % 8 == 0)
			slot = &mine->late[(dice >> 3) % MSTRESS_LATE];
		else
			slot = &mine->soon[(dice >> 3) % MSTRESS_SOON];
		if (!replace(cc, id, slot, mstress_size(&rnd), side))
			return -ENOMEM;
		/* What was in the shared slot dies here, wherever it was born. */
		if (dice % 8 == 1)
			*slot = xchg(&cs->shared[(dice >> 16) % MSTRESS_SHARED], *slot);
	}
	mine->rnd = rnd;
	return 0;
}

static __always_inline int scratch(struct classic_case *cc, unsigned int id, unsigned int nr,
				   const enum quarry_bench_side side)
{
	struct classic_side *cs = &cc->sides[side];
	unsigned int i;
	u64 *obj;

	if (side != QUARRY_BENCH_NONE) {
		quarry_bench_sized_put(cs->first[id], side);
		cs->first[id] = NULL;
	}
	while (nr--) {
		obj = get(cc, id, SCRATCH_SIZE, side);
		if (unlikely(!obj))
			return -ENOMEM;
		for (i = 0; i < SCRATCH_WRITES; i++)
			WRITE_ONCE(*obj, READ_ONCE(*obj) + i);
		quarry_bench_sized_put(obj, side);
	}
	return 0;
}

static noinline int larson_none(struct quarry_bench_crew *crew, unsigned int id)
{
	return larson(crew->data, id, crew->nr, QUARRY_BENCH_NONE);
}

static noinline int larson_quarry(struct quarry_bench_crew *crew, unsigned int id)
{
	return larson(crew->data, id, crew->nr, QUARRY_BENCH_QUARRY);
}

static noinline int larson_peer(struct quarry_bench_crew *crew, unsigned int id)
{
	return larson(crew->data, id, crew->nr, QUARRY_BENCH_PEER);
}

static noinline int xmalloc_none(struct quarry_bench_crew *crew, unsigned int id)
{
	return xmalloc(crew->data, id, crew->nr, QUARRY_BENCH_NONE);
}

static noinline int xmalloc_quarry(struct quarry_bench_crew *crew, unsigned int id)
{
	return xmalloc(crew->data, id, crew->nr, QUARRY_BENCH_QUARRY);
}

static noinline int xmalloc_peer(struct quarry_bench_crew *crew, unsigned int id)
{
	return xmalloc(crew->data, id, crew->nr, QUARRY_BENCH_PEER);
}

static noinline int mstress_none(struct quarry_bench_crew *crew, unsigned int id)
{
	return mstress(crew->data, id, crew->nr, QUARRY_BENCH_NONE);
}

static noinline int mstress_quarry(struct quarry_bench_crew *crew, unsigned int id)
{
	return mstress(crew->data, id, crew->nr, QUARRY_BENCH_QUARRY);
}

static noinline int mstress_peer(struct quarry_bench_crew *crew, unsigned int id)
{
	return mstress(crew->data, id, crew->nr, QUARRY_BENCH_PEER);
}

static noinline int scratch_none(struct quarry_bench_crew *crew, unsigned int id)
{
	return scratch(crew->data, id, crew->nr, QUARRY_BENCH_NONE);
}

static noinline int scratch_quarry(struct quarry_bench_crew *crew, unsigned int id)
{
	return scratch(crew->data, id, crew->nr, QUARRY_BENCH_QUARRY);
}

static noinline int scratch_peer(struct quarry_bench_crew *crew, unsigned int id)
{
	return scratch(crew->data, id, crew->nr, QUARRY_BENCH_PEER);
}

/* By side. */
static const work_fn larson_work[] = { larson_none, larson_quarry, larson_peer };
static const work_fn xmalloc_work[] = { xmalloc_none, xmalloc_quarry, xmalloc_peer };
static const work_fn mstress_work[] = { mstress_none, mstress_quarry, mstress_peer };
static const work_fn scratch_work[] = { scratch_none, scratch_quarry, scratch_peer };

static int work(struct quarry_bench_crew *crew, unsigned int id)
{
	struct classic_case *cc = crew->data;

	return cc->work[crew->side](crew, id);
}

/* === Slices === */

/* One after the other, so that they lie side by side if the allocator has it so. */
static int make_first(struct classic_case *cc, enum quarry_bench_side side)
{
	struct classic_side *cs = &cc->sides[side];
	unsigned int id;

	for (id = 0; id < NR_THREADS; id++) {
		if (cs->first[id])
			continue;
		cs->first[id] = side == QUARRY_BENCH_QUARRY ?
				get(cc, id, SCRATCH_SIZE, QUARRY_BENCH_QUARRY) :
				get(cc, id, SCRATCH_SIZE, QUARRY_BENCH_PEER);
		if (!cs->first[id])
			return -ENOMEM;
	}
	return 0;
}

static int run_slice(struct quarry_bench_crew_slices *slices, enum quarry_bench_side side, int i)
{
	struct classic_case *cc = container_of(slices, struct classic_case, slices);
	int ret = 0;

	if (cc->side_by_side && side != QUARRY_BENCH_NONE)
		ret = make_first(cc, side);
	if (!ret)
		ret = quarry_bench_together(slices, side, i);
	cc->sides[side].turn++;
	return ret;
}

/* === Running them === */

static void free_array(void **objs, unsigned int nr, enum quarry_bench_side side)
{
	while (nr--) {
		if (side == QUARRY_BENCH_QUARRY)
			quarry_free(objs[nr]);
		else
			kfree(objs[nr]);
	}
}

static void free_all(struct classic_case *cc, enum quarry_bench_side side)
{
	struct classic_side *cs = &cc->sides[side];
	unsigned int id;

	for (id = 0; id < NR_THREADS; id++) {
		free_array(cs->threads[id].slots, LARSON_SLOTS, side);
		free_array(cs->threads[id].soon, MSTRESS_SOON, side);
		free_array(cs->threads[id].late, MSTRESS_LATE, side);
	}
	free_array(cs->first, NR_THREADS, side);
	free_array(cs->shared, MSTRESS_SHARED, side);
}

static int run_heap(struct classic_case *cc, struct quarry_bench_result *res)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	int ret;

	cc->slices.heap = quarry_heap_create(&params);
	if (IS_ERR(cc->slices.heap))
		return PTR_ERR(cc->slices.heap);
	ret = quarry_bench_crew_slices(&cc->slices, NR_THREADS, res);
	free_all(cc, QUARRY_BENCH_QUARRY);
	free_all(cc, QUARRY_BENCH_PEER);
	quarry_heap_destroy(cc->slices.heap);
	return ret;
}

static void init_side(struct classic_side *cs)
{
	unsigned int i;

	for (i = 0; i < NR_THREADS; i++)
		cs->threads[i].rnd = i + 1;
	for (i = 0; i < XMALLOC_BATCHES; i++)
		bench_ring_put(&cs->empty, &cs->batches[i]);
}

static int run_case(struct quarry_bench_result *res, const work_fn *work_of_sides,
		    unsigned int ops_per_round)
{
	struct classic_case *cc;
	unsigned int side;
	int ret;

	if (quarry_bench_meter.icount)
		res->left_out = "the clock counts instructions, of whatever thread";
	else if (num_online_cpus() < NR_THREADS)
		res->left_out = "needs a CPU for each thread";
	if (res->left_out)
		return 0;
	cc = vzalloc(sizeof(*cc));
	if (!cc)
		return -ENOMEM;
	res->peer = "kmalloc";
	res->per = "obj";
	for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++)
		init_side(&cc->sides[side]);
	cc->work = work_of_sides;
	cc->side_by_side = work_of_sides == scratch_work;
	cc->slices.slice = run_slice;
	cc->slices.ops_per_round = ops_per_round;
	cc->slices.crew.work = work;
	cc->slices.crew.data = cc;
	cc->slices.crew.meet = true;
	ret = run_heap(cc, res);
	vfree(cc);
	return ret;
}

int quarry_bench_larson(struct quarry_bench_result *res)
{
	return run_case(res, larson_work, NR_THREADS);
}

/* The one allocates what the other frees. */
int quarry_bench_xmalloc(struct quarry_bench_result *res)
{
	return run_case(res, xmalloc_work, XMALLOC_BATCH);
}

int quarry_bench_mstress(struct quarry_bench_result *res)
{
	return run_case(res, mstress_work, NR_THREADS);
}

int quarry_bench_cache_scratch(struct quarry_bench_result *res)
{
	return run_case(res, scratch_work, NR_THREADS);
}
