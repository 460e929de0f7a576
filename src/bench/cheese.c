// SPDX-License-Identifier: GPL-2.0
/*
 * swiss-cheese: 100 000 objects of 1000 bytes, a random 90 % of them freed, then a trim: what
 * share of the bytes comes back?  What remains is full of holes.
 *
 *	quarry		a cache of a heap of its own; quarry_heap_trim()
 *	kmem_cache	one that is not merged with others; kmem_cache_shrink()
 *	pool		quarry_pool that may grow to as many; quarry_heap_trim()
 *	arena		quarry_arena, which frees nothing before its end; quarry_arena_trim() and
 *			quarry_heap_trim()
 *
 * The share is (held before the frees - held after the trim) / held before.  A heap holds what
 * it has mapped, and metadata; a kmem_cache what the system's slab pages have grown by.  Each
 * repetition draws other objects, the same for all.  The holders alternate and are there one
 * at a time.  Nothing is timed.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <quarry/arena.h>
#include <quarry/cache.h>
#include <quarry/heap.h>
#include <quarry/pool.h>
#include "case.h"
#include "results.h"
#include "side.h"

#define NR_OBJS		100000U
#define NR_FREED	(NR_OBJS / 10 * 9)
#define SIZE		1000
#define NR_REPS		7
#define YIELD_OBJS	1000	/* between looks whether someone else wants the CPU */

enum holder {
	CACHE,
	KMEM,
	POOL,
	ARENA,
	NR_HOLDERS,
};

struct cheese {
	struct quarry_heap *heap;
	struct quarry_cache *cache;
	struct kmem_cache *kmem;
	struct quarry_pool *pool;
	struct quarry_arena *arena;
	long slab_pages_start;
	u64 peak_bytes[NR_HOLDERS];
	u64 nr_kernel_calls[NR_HOLDERS];
	u64 shares[NR_HOLDERS][NR_REPS];	/* in thousandths */
	u32 order[NR_OBJS];			/* the first NR_FREED go */
	void *objs[NR_OBJS];			/* NULL if freed */
};

/* === Holders === */

static int open_cache(struct cheese *ch)
{
	ch->cache = quarry_cache_create(ch->heap, "cheese", SIZE, 0, 0, NULL);
	return PTR_ERR_OR_ZERO(ch->cache);
}

static void *get_cache(struct cheese *ch)
{
	return quarry_cache_alloc(ch->cache, GFP_KERNEL);
}

static void put_cache(struct cheese *ch, void *obj)
{
	quarry_cache_free(ch->cache, obj);
}

static void close_cache(struct cheese *ch)
{
	quarry_cache_destroy(ch->cache);
}

static void trim_heap(struct cheese *ch)
{
	quarry_heap_trim(ch->heap);
}

static u64 held_by_heap(struct cheese *ch)
{
	struct quarry_heap_stats stats;

	quarry_heap_get_stats(ch->heap, &stats);
	return stats.resident;
}

static int open_kmem(struct cheese *ch)
{
	ch->slab_pages_start = quarry_bench_slab_pages();
	ch->kmem = kmem_cache_create_usercopy("quarry_bench", SIZE, 0, SLAB_NO_MERGE, 0, SIZE,
					      NULL);
	return ch->kmem ? 0 : -ENOMEM;
}

static void *get_kmem(struct cheese *ch)
{
	return kmem_cache_alloc(ch->kmem, GFP_KERNEL);
}

static void put_kmem(struct cheese *ch, void *obj)
{
	kmem_cache_free(ch->kmem, obj);
}

static void close_kmem(struct cheese *ch)
{
	kmem_cache_destroy(ch->kmem);
}

static void trim_kmem(struct cheese *ch)
{
	kmem_cache_shrink(ch->kmem);
}

static u64 held_by_slabs(struct cheese *ch)
{
	long pages = quarry_bench_slab_pages() - ch->slab_pages_start;

	return (u64)max(pages, 0L) << PAGE_SHIFT;
}

static int open_pool(struct cheese *ch)
{
	const struct quarry_pool_params params = {
		.name = "cheese", .size = SIZE, .count = 1, .max = NR_OBJS,
	};

	ch->pool = quarry_pool_create(ch->heap, &params);
	return PTR_ERR_OR_ZERO(ch->pool);
}

static void *get_pool(struct cheese *ch)
{
	return quarry_pool_take_gfp(ch->pool, GFP_KERNEL);
}

static void put_pool(struct cheese *ch, void *obj)
{
	quarry_pool_give(ch->pool, obj);
}

static void close_pool(struct cheese *ch)
{
	quarry_pool_destroy(ch->pool);
}

static int open_arena(struct cheese *ch)
{
	ch->arena = quarry_arena_create(ch->heap, NULL, GFP_KERNEL);
	return PTR_ERR_OR_ZERO(ch->arena);
}

static void *get_arena(struct cheese *ch)
{
	return quarry_arena_alloc(ch->arena, SIZE, GFP_KERNEL);
}

static void put_arena(struct cheese *ch, void *obj)
{
}

static void trim_arena(struct cheese *ch)
{
	quarry_arena_trim(ch->arena);
	quarry_heap_trim(ch->heap);
}

static void close_arena(struct cheese *ch)
{
	quarry_arena_destroy(ch->arena);
}

/* Closing takes what opening left, an ERR_PTR included. */
static const struct {
	const char *name;
	int (*open)(struct cheese *ch);
	void *(*get)(struct cheese *ch);
	void (*put)(struct cheese *ch, void *obj);
	void (*trim)(struct cheese *ch);
	u64 (*held)(struct cheese *ch);
	void (*close)(struct cheese *ch);
} holders[] = {
	[CACHE] = { "quarry", open_cache, get_cache, put_cache, trim_heap, held_by_heap,
		    close_cache },
	[KMEM] = { "kmem_cache", open_kmem, get_kmem, put_kmem, trim_kmem, held_by_slabs,
		   close_kmem },
	[POOL] = { "pool", open_pool, get_pool, put_pool, trim_heap, held_by_heap, close_pool },
	[ARENA] = { "arena", open_arena, get_arena, put_arena, trim_arena, held_by_heap,
		    close_arena },
};

static_assert(ARRAY_SIZE(holders) == NR_HOLDERS);

/* === One repetition === */

static int fill(struct cheese *ch, enum holder who)
{
	unsigned int i;

	for (i = 0; i < NR_OBJS; i++) {
		ch->objs[i] = holders[who].get(ch);
		if (!ch->objs[i])
			return -ENOMEM;
		if (!(i % YIELD_OBJS))
			cond_resched();
	}
	return 0;
}

static void free_some(struct cheese *ch, enum holder who, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		void **obj = &ch->objs[ch->order[i]];

		if (*obj)
			holders[who].put(ch, *obj);
		*obj = NULL;
		if (!(i % YIELD_OBJS))
			cond_resched();
	}
}

static int run_opened(struct cheese *ch, enum holder who, u64 *share)
{
	u64 before, after;
	int ret;

	ret = fill(ch, who);
	if (!ret) {
		before = holders[who].held(ch);
		free_some(ch, who, NR_FREED);
		holders[who].trim(ch);
		after = holders[who].held(ch);
		*share = before > after ? div64_u64((before - after) * 1000, before) : 0;
		ch->peak_bytes[who] = max(ch->peak_bytes[who], before);
	}
	free_some(ch, who, NR_OBJS);
	return ret;
}

static int run_holder(struct cheese *ch, enum holder who, u64 *share)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	struct quarry_heap_stats stats;
	int ret;

	ch->heap = quarry_heap_create(&params);
	if (IS_ERR(ch->heap))
		return PTR_ERR(ch->heap);
	ret = holders[who].open(ch) ?: run_opened(ch, who, share);
	quarry_heap_get_stats(ch->heap, &stats);
	ch->nr_kernel_calls[who] = stats.nr_kernel_calls;
	holders[who].close(ch);
	quarry_heap_destroy(ch->heap);
	return ret;
}

static void shuffle(struct cheese *ch, unsigned int seed)
{
	struct rnd_state rnd;
	unsigned int i, j;

	prandom_seed_state(&rnd, seed);
	for (i = 0; i < NR_OBJS; i++) {
		j = prandom_u32_state(&rnd) % (i + 1);
		ch->order[i] = ch->order[j];
		ch->order[j] = i;
	}
}

/* The first is to warm up. */
static int run_reps(struct cheese *ch)
{
	enum holder who;
	u64 share = 0;
	int i, ret;

	for (i = -1; i < NR_REPS; i++) {
		shuffle(ch, i + 2);
		for (who = 0; who < NR_HOLDERS; who++) {
			ret = run_holder(ch, who, &share);
			if (ret)
				return ret;
			if (i >= 0)
				ch->shares[who][i] = share;
		}
	}
	return 0;
}

/* === Result === */

static void put_share(struct cheese *ch, struct quarry_bench_result *res, enum holder who)
{
	u64 *shares = ch->shares[who], median;
	struct quarry_bench_value value = {
		.subject = holders[who].name, .what = "share given back", .unit = "ratio",
		.n = NR_REPS,
	};

	quarry_bench_sort(shares, NR_REPS);
	median = quarry_bench_median(shares, NR_REPS);
	value.median = median;
	value.min = shares[0];
	value.max = shares[NR_REPS - 1];
	quarry_bench_emit_value(res, &value);
	bench_put(res->notes, "swiss-cheese: %-10s of %llu bytes gave back %llu.%03llu",
		  holders[who].name, ch->peak_bytes[who], median / 1000, median % 1000);
	bench_put(res->notes, " (%llu.%03llu to %llu.%03llu)\n", value.min / 1000,
		  value.min % 1000, value.max / 1000, value.max % 1000);
}

int quarry_bench_swiss_cheese(struct quarry_bench_result *res)
{
	struct cheese *ch;
	enum holder who;
	int ret;

	res->peer = "kmem_cache";
	res->per = "obj";
	if (!quarry_bench_has_memory(res, NR_OBJS * (SIZE + 1000ULL)))
		return 0;
	ch = vzalloc(sizeof(*ch));
	if (!ch)
		return -ENOMEM;
	ret = run_reps(ch);
	if (!ret) {
		res->calls[QUARRY_BENCH_QUARRY] = ch->nr_kernel_calls[CACHE];
		res->calls[QUARRY_BENCH_PEER] = NR_OBJS;
		res->peak_bytes[QUARRY_BENCH_QUARRY] = ch->peak_bytes[CACHE];
		res->peak_bytes[QUARRY_BENCH_PEER] = ch->peak_bytes[KMEM];
		res->shares.known = true;
		for (who = 0; who < NR_HOLDERS; who++)
			put_share(ch, res, who);
		res->shares.quarry = quarry_bench_median(ch->shares[CACHE], NR_REPS);
		res->shares.peer = quarry_bench_median(ch->shares[KMEM], NR_REPS);
	}
	vfree(ch);
	return ret;
}
