// SPDX-License-Identifier: GPL-2.0
/*
 * cache-*, sized-*: objects, one at a time and in bulk, from a heap of its own
 * against kmem_cache and kmalloc().
 *
 *	pair		one allocation, one free
 *	batch		128 or 4096 allocations, then as many frees in the same order
 *	bulk		16 or 64 objects by one call, freed by one call
 *	shuffled	1000 allocations, then the frees in random order
 *	sized-const	a pair of 64 bytes, freed by address
 *	sized-var	256 objects of 8 to 8192 bytes, log-uniform, freed by address
 *
 * Nothing is written into the objects.  The peer's cache is one that is not merged with
 * others; what kmalloc()'s caches already have shows in no peak.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <quarry/heap.h>
#include "case.h"
#include "side.h"
#include "slices.h"

#define MAX_OBJS	4096
#define NR_SHUFFLED	1000
#define PAIR_SIZE	64	/* of sized-const-64 */
#define NR_VAR		256
#define MAX_VAR_ORDER	13

enum shape {
	PAIR,
	BATCH,
	BULK,
	SHUFFLED,
	SIZED_PAIR,
	SIZED_BATCH,
};

struct caches_case {
	enum shape shape;
	struct quarry_heap *heap;
	struct quarry_cache *cache;
	struct kmem_cache *kmem;
	unsigned int size;		/* of objects; 0: no caches needed */
	unsigned int nr_objs;		/* in a round */
	void *objs[MAX_OBJS];
	u16 order[NR_SHUFFLED];
	u16 sizes[NR_VAR];
	struct quarry_bench_loops loops;
};

/* === The loops: each function has its allocator and its shape compiled in === */

static __always_inline void *alloc_one(struct caches_case *cc, unsigned int i,
				       const enum shape shape, const enum quarry_bench_side side)
{
	const bool sized = shape == SIZED_PAIR || shape == SIZED_BATCH;
	const size_t size = shape == SIZED_PAIR ? PAIR_SIZE : cc->sizes[i % NR_VAR];
	void *obj = cc;

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return sized ? quarry_alloc(cc->heap, size, GFP_KERNEL) :
			       quarry_cache_alloc(cc->cache, GFP_KERNEL);
	case QUARRY_BENCH_PEER:
		return sized ? kmalloc(size, GFP_KERNEL) :
			       kmem_cache_alloc(cc->kmem, GFP_KERNEL);
	default:
		OPTIMIZER_HIDE_VAR(obj);
		return obj;
	}
}

static __always_inline void free_one(struct caches_case *cc, void *obj, const enum shape shape,
				     const enum quarry_bench_side side)
{
	const bool sized = shape == SIZED_PAIR || shape == SIZED_BATCH;

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		if (sized)
			quarry_free(obj);
		else
			quarry_cache_free(cc->cache, obj);
		break;
	case QUARRY_BENCH_PEER:
		if (sized)
			kfree(obj);
		else
			kmem_cache_free(cc->kmem, obj);
		break;
	default:
		OPTIMIZER_HIDE_VAR(obj);
		break;
	}
}

static __always_inline bool run_bulk(struct caches_case *cc, const unsigned int n,
				     const enum quarry_bench_side side)
{
	switch (side) {
	case QUARRY_BENCH_QUARRY:
		if (quarry_cache_alloc_bulk(cc->cache, GFP_KERNEL, n, cc->objs) != n)
			return false;
		quarry_cache_free_bulk(cc->cache, n, cc->objs);
		return true;
	case QUARRY_BENCH_PEER:
		if (kmem_cache_alloc_bulk(cc->kmem, GFP_KERNEL, n, cc->objs) != n)
			return false;
		kmem_cache_free_bulk(cc->kmem, n, cc->objs);
		return true;
	default:
		OPTIMIZER_HIDE_VAR(cc);
		return true;
	}
}

static __always_inline bool run_batch(struct caches_case *cc, const enum shape shape,
				      const unsigned int n, const enum quarry_bench_side side)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		cc->objs[i] = alloc_one(cc, i, shape, side);
		if (unlikely(!cc->objs[i]))
			break;
	}
	if (unlikely(i < n)) {
		while (i--)
			free_one(cc, cc->objs[i], shape, side);
		return false;
	}
	for (i = 0; i < n; i++)
		free_one(cc, cc->objs[shape == SHUFFLED ? cc->order[i] : i], shape, side);
	return true;
}

static __always_inline int run_rounds(struct caches_case *cc, unsigned int nr,
				      const enum shape shape,
				      const enum quarry_bench_side side)
{
	const unsigned int n = cc->nr_objs;
	void *obj;

	while (nr--) {
		if (shape == PAIR || shape == SIZED_PAIR) {
			obj = alloc_one(cc, 0, shape, side);
			if (unlikely(!obj))
				return -ENOMEM;
			free_one(cc, obj, shape, side);
		} else if (shape == BULK) {
			if (unlikely(!run_bulk(cc, n, side)))
				return -ENOMEM;
		} else if (unlikely(!run_batch(cc, shape, n, side))) {
			return -ENOMEM;
		}
	}
	return 0;
}

static noinline int pair_none(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, PAIR, QUARRY_BENCH_NONE);
}

static noinline int pair_quarry(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, PAIR, QUARRY_BENCH_QUARRY);
}

static noinline int pair_peer(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, PAIR, QUARRY_BENCH_PEER);
}

static noinline int batch_none(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, BATCH, QUARRY_BENCH_NONE);
}

static noinline int batch_quarry(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, BATCH, QUARRY_BENCH_QUARRY);
}

static noinline int batch_peer(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, BATCH, QUARRY_BENCH_PEER);
}

static noinline int bulk_none(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, BULK, QUARRY_BENCH_NONE);
}

static noinline int bulk_quarry(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, BULK, QUARRY_BENCH_QUARRY);
}

static noinline int bulk_peer(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, BULK, QUARRY_BENCH_PEER);
}

static noinline int shuffled_none(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, SHUFFLED, QUARRY_BENCH_NONE);
}

static noinline int shuffled_quarry(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, SHUFFLED, QUARRY_BENCH_QUARRY);
}

static noinline int shuffled_peer(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, SHUFFLED, QUARRY_BENCH_PEER);
}

static noinline int sized_pair_none(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, SIZED_PAIR, QUARRY_BENCH_NONE);
}

static noinline int sized_pair_quarry(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, SIZED_PAIR, QUARRY_BENCH_QUARRY);
}

static noinline int sized_pair_peer(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, SIZED_PAIR, QUARRY_BENCH_PEER);
}

static noinline int sized_batch_none(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, SIZED_BATCH, QUARRY_BENCH_NONE);
}

static noinline int sized_batch_quarry(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, SIZED_BATCH, QUARRY_BENCH_QUARRY);
}

static noinline int sized_batch_peer(struct caches_case *cc, unsigned int nr)
{
	return run_rounds(cc, nr, SIZED_BATCH, QUARRY_BENCH_PEER);
}

static const struct {
	int (*rounds[QUARRY_BENCH_NR_SIDES])(struct caches_case *cc, unsigned int nr);
	const char *peer;
} shapes[] = {
	[PAIR] = { { pair_none, pair_quarry, pair_peer }, "kmem_cache" },
	[BATCH] = { { batch_none, batch_quarry, batch_peer }, "kmem_cache" },
	[BULK] = { { bulk_none, bulk_quarry, bulk_peer }, "kmem_cache bulk" },
	[SHUFFLED] = { { shuffled_none, shuffled_quarry, shuffled_peer }, "kmem_cache" },
	[SIZED_PAIR] = { { sized_pair_none, sized_pair_quarry, sized_pair_peer }, "kmalloc" },
	[SIZED_BATCH] = { { sized_batch_none, sized_batch_quarry, sized_batch_peer }, "kmalloc" },
};

static int run_shape(struct quarry_bench_loops *loops, enum quarry_bench_side side,
		     unsigned int nr)
{
	struct caches_case *cc = container_of(loops, struct caches_case, loops);

	return shapes[cc->shape].rounds[side](cc, nr);
}

/* === Running them === */

/* The kernel has no peak to ask for, so its side has the objects of a round once more. */
static u64 peer_peak(struct caches_case *cc)
{
	long slab_pages = quarry_bench_slab_pages();
	unsigned int i;

	for (i = 0; i < cc->nr_objs; i++)
		cc->objs[i] = cc->kmem ? kmem_cache_alloc(cc->kmem, GFP_KERNEL) :
			      kmalloc(cc->nr_objs == 1 ? PAIR_SIZE : cc->sizes[i], GFP_KERNEL);
	slab_pages = max(quarry_bench_slab_pages() - slab_pages, 0L);
	for (i = 0; i < cc->nr_objs; i++) {
		if (!cc->objs[i])
			continue;
		if (cc->kmem)
			kmem_cache_free(cc->kmem, cc->objs[i]);
		else
			kfree(cc->objs[i]);
	}
	return (u64)slab_pages << PAGE_SHIFT;
}

/* The same on each run. */
static void draw(struct caches_case *cc)
{
	unsigned int i, j, order;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 1);
	for (i = 0; i < NR_SHUFFLED; i++) {
		j = prandom_u32_state(&rnd) % (i + 1);
		cc->order[i] = cc->order[j];
		cc->order[j] = i;
	}
	/* Within a power of two uniform: near enough. */
	for (i = 0; i < NR_VAR; i++) {
		order = 3 + prandom_u32_state(&rnd) % (MAX_VAR_ORDER - 3);
		cc->sizes[i] = (1U << order) + prandom_u32_state(&rnd) % ((1U << order) + 1);
	}
}

static int open_caches(struct caches_case *cc)
{
	if (!cc->size)
		return 0;
	cc->cache = quarry_cache_create(cc->heap, "bench", cc->size, 0, 0, NULL);
	if (IS_ERR(cc->cache))
		return PTR_ERR(cc->cache);
	cc->kmem = kmem_cache_create_usercopy("quarry_bench", cc->size, 0, SLAB_NO_MERGE, 0,
					      cc->size, NULL);
	return cc->kmem ? 0 : -ENOMEM;
}

static int run_heap(struct caches_case *cc, struct quarry_bench_result *res)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	int ret;

	cc->heap = quarry_heap_create(&params);
	if (IS_ERR(cc->heap))
		return PTR_ERR(cc->heap);
	cc->loops.heap = cc->heap;
	ret = open_caches(cc);
	if (!ret) {
		res->peak_bytes[QUARRY_BENCH_PEER] = peer_peak(cc);
		ret = quarry_bench_slices(&cc->loops, res);
	}
	kmem_cache_destroy(cc->kmem);
	quarry_cache_destroy(cc->cache);
	quarry_heap_destroy(cc->heap);
	return ret;
}

static int run_case(struct quarry_bench_result *res, enum shape shape, unsigned int nr_objs,
		    unsigned int size)
{
	struct caches_case *cc = kvzalloc(sizeof(*cc), GFP_KERNEL);
	int ret;

	if (!cc)
		return -ENOMEM;
	res->peer = shapes[shape].peer;
	res->per = nr_objs == 1 ? "pair" : "obj";
	cc->shape = shape;
	cc->nr_objs = nr_objs;
	cc->size = size;
	cc->loops.rounds = run_shape;
	cc->loops.nr_ops = nr_objs;
	draw(cc);
	ret = run_heap(cc, res);
	kvfree(cc);
	return ret;
}

int quarry_bench_cache_pair_64(struct quarry_bench_result *res)
{
	return run_case(res, PAIR, 1, 64);
}

int quarry_bench_cache_pair_256(struct quarry_bench_result *res)
{
	return run_case(res, PAIR, 1, 256);
}

int quarry_bench_cache_batch128_64(struct quarry_bench_result *res)
{
	return run_case(res, BATCH, 128, 64);
}

int quarry_bench_cache_batch128_256(struct quarry_bench_result *res)
{
	return run_case(res, BATCH, 128, 256);
}

int quarry_bench_cache_batch4096_256(struct quarry_bench_result *res)
{
	return run_case(res, BATCH, MAX_OBJS, 256);
}

int quarry_bench_cache_bulk16_256(struct quarry_bench_result *res)
{
	return run_case(res, BULK, 16, 256);
}

int quarry_bench_cache_bulk64_256(struct quarry_bench_result *res)
{
	return run_case(res, BULK, 64, 256);
}

int quarry_bench_cache_shuffled1000_256(struct quarry_bench_result *res)
{
	return run_case(res, SHUFFLED, NR_SHUFFLED, 256);
}

int quarry_bench_sized_const_64(struct quarry_bench_result *res)
{
	return run_case(res, SIZED_PAIR, 1, 0);
}

int quarry_bench_sized_var(struct quarry_bench_result *res)
{
	return run_case(res, SIZED_BATCH, NR_VAR, 0);
}
