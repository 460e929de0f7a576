// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_cache: the per-CPU front as caches use it.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/preempt.h>
#include "../src/cache.h"
#include "../src/heap.h"
#include "helpers.h"

#define CACHE_OBJ_SIZE	96
#define NR_HELD		48	/* objects that one user holds at most */
#define RUN_MS		500

struct cache_user {
	struct quarry_cache *cache;
	void *held[NR_HELD];
	u32 tags[NR_HELD];
};

static void cache_user_free(struct quarry_test_worker *worker, struct cache_user *user,
			    unsigned int i)
{
	if (!quarry_test_check(user->held[i], CACHE_OBJ_SIZE, user->tags[i]))
		quarry_test_worker_fail(worker, "pattern", (unsigned long)user->held[i]);
	quarry_cache_free(user->cache, user->held[i]);
	user->held[i] = NULL;
}

static void cache_user_step(struct quarry_test_worker *worker, struct cache_user *user)
{
	unsigned int i = quarry_test_below(&worker->rnd, NR_HELD);

	worker->nr_ops++;
	if (user->held[i]) {
		cache_user_free(worker, user, i);
		return;
	}
	user->held[i] = quarry_cache_alloc(user->cache, GFP_KERNEL);
	if (!user->held[i]) {
		quarry_test_worker_fail(worker, "allocation", worker->nr_ops);
		return;
	}
	user->tags[i] = prandom_u32_state(&worker->rnd);
	quarry_test_fill(user->held[i], CACHE_OBJ_SIZE, user->tags[i]);
}

static void cache_worker(struct quarry_test_worker *worker)
{
	struct cache_user *user = worker->arg;
	unsigned int i;

	while (!quarry_test_worker_should_stop()) {
		cache_user_step(worker, user);
		if (!(worker->nr_ops & 255))
			cond_resched();
	}
	for (i = 0; i < NR_HELD; i++) {
		if (user->held[i])
			cache_user_free(worker, user, i);
	}
}

static void shrink_races_with_users(struct kunit *test)
{
	struct cache_user *users = quarry_test_array(test, 2, sizeof(*users));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_worker workers[2];
	struct quarry_cache *cache;
	struct rnd_state rnd;
	unsigned long end;
	u64 seed;
	int i;

	QUARRY_NEEDS_SMP(test);
	seed = quarry_test_seed(test, &rnd);
	cache = quarry_test_cache(test, heap, CACHE_OBJ_SIZE, 0, 0, NULL);
	memset(workers, 0, sizeof(workers));
	for (i = 0; i < 2; i++) {
		users[i].cache = cache;
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       seed, cache_worker, &users[i]), 0);
	}
	end = jiffies + msecs_to_jiffies(2 * RUN_MS);
	while (time_before(jiffies, end)) {
		quarry_cache_shrink(cache);
		quarry_heap_trim(heap);
	}
	for (i = 0; i < 2; i++) {
		quarry_test_worker_stop(test, &workers[i]);
		KUNIT_EXPECT_GT(test, workers[i].nr_ops, 0UL);
	}
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void reuses_the_last_freed(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	void *objs[4];
	int i;

	migrate_disable();
	for (i = 0; i < 4; i++)
		objs[i] = quarry_cache_alloc(cache, GFP_KERNEL);
	for (i = 0; i < 4; i++)
		if (objs[i])
			quarry_cache_free(cache, objs[i]);
	for (i = 3; i >= 0; i--)
		KUNIT_EXPECT_PTR_EQ(test, quarry_cache_alloc(cache, GFP_KERNEL), objs[i]);
	for (i = 0; i < 4; i++)
		if (objs[i])
			quarry_cache_free(cache, objs[i]);
	migrate_enable();
	KUNIT_EXPECT_NOT_NULL(test, objs[0]);
}

/* === Objects in another CPU's magazine === */

#define TIGHT_LIMIT	SZ_64K
#define TIGHT_SIZE	256
#define NR_FREED	10
#define NR_TIGHT	(TIGHT_LIMIT / TIGHT_SIZE)

struct tight {
	struct quarry_cache *cache;
	void *objs[NR_TIGHT + 1];
	unsigned int nr;
	void *atomic;
	void *patient;
};

static void take_all(struct quarry_test_worker *worker)
{
	struct tight *t = worker->arg;

	while (t->nr <= NR_TIGHT) {
		t->objs[t->nr] = quarry_cache_alloc(t->cache, GFP_KERNEL | __GFP_NOWARN);
		if (!t->objs[t->nr])
			break;
		t->nr++;
	}
}

static void free_some(struct quarry_test_worker *worker)
{
	struct tight *t = worker->arg;
	unsigned int i;

	for (i = 0; i < NR_FREED && t->nr; i++)
		quarry_cache_free(t->cache, t->objs[--t->nr]);
}

static void take_more(struct quarry_test_worker *worker)
{
	struct tight *t = worker->arg;

	t->atomic = quarry_cache_alloc(t->cache, GFP_NOWAIT | __GFP_NOWARN);
	t->patient = quarry_cache_alloc(t->cache, GFP_KERNEL);
}

/* Runs @fn to its end on the @n-th CPU. */
static void on_cpu(struct kunit *test, unsigned int n,
		   void (*fn)(struct quarry_test_worker *worker), struct tight *t)
{
	struct quarry_test_worker worker;

	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&worker, n, quarry_test_cpu(n), 1, fn, t),
			0);
	quarry_test_worker_stop(test, &worker);
}

/* The heap is at its limit, but not out of objects: who may wait gets one of them. */
static void limit_finds_objects_of_other_cpus(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = TIGHT_LIMIT };
	struct tight *t = quarry_test_array(test, 1, sizeof(*t));
	struct quarry_heap *heap;

	QUARRY_NEEDS_SMP(test);
	heap = quarry_test_heap_params(test, params);
	t->cache = quarry_test_cache(test, heap, TIGHT_SIZE, 0, 0, NULL);
	on_cpu(test, 0, take_all, t);
	KUNIT_EXPECT_EQ_MSG(test, t->nr, (unsigned int)NR_TIGHT, "as many as the limit allows");
	on_cpu(test, 1, free_some, t);
	QUARRY_EXPECT_ALLOCATED(test, heap, t->nr * TIGHT_SIZE);
	/* At most ten times a second a heap looks for what lies idle elsewhere. */
	msleep(200);
	on_cpu(test, 0, take_more, t);
	KUNIT_EXPECT_NULL_MSG(test, t->atomic, "CPU 0 has none of them itself");
	KUNIT_EXPECT_NOT_NULL_MSG(test, t->patient, "%u objects lie in CPU 1's magazine", NR_FREED);
	QUARRY_EXPECT_VERIFIED(test, heap);
	if (t->atomic)
		quarry_cache_free(t->cache, t->atomic);
	if (t->patient)
		quarry_cache_free(t->cache, t->patient);
	while (t->nr)
		quarry_cache_free(t->cache, t->objs[--t->nr]);
}

#define NR_GROWN	8000

static void alloc_grown(struct kunit *test, struct quarry_cache *cache, size_t size, void **objs)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, NR_GROWN, objs),
			(unsigned int)NR_GROWN);
	for (i = 0; i < NR_GROWN; i++)
		quarry_test_fill(objs[i], size, i);
}

static void free_grown(struct kunit *test, struct quarry_cache *cache, size_t size, void **objs)
{
	unsigned int i;

	for (i = 0; i < NR_GROWN; i++) {
		/* In an order in which slabs become partly free. */
		unsigned int at = i * 3967 % NR_GROWN;

		if (!quarry_test_check(objs[at], size, at))
			KUNIT_FAIL(test, "object %u of %zu bytes was written to", at, size);
		quarry_cache_free(cache, objs[at]);
	}
}

/*
 * How many slabs there are by the rule: usual ones until the cache has 16 large ones' pages, then
 * large ones; some more are usual, as a heap does not grow for the sake of a large one.
 */
static void expect_grown(struct kunit *test, const struct quarry_slab_cache *sc)
{
	const struct quarry_slab_layout *l = &sc->layout;
	unsigned long before = 16UL << l->large_order;
	unsigned long least = (before >> l->order) + ((sc->nr_pages - before) >> l->large_order);

	KUNIT_ASSERT_GT(test, sc->nr_pages, before);
	KUNIT_EXPECT_GE_MSG(test, sc->nr_slabs, least, "%u bytes, %lu pages", sc->size,
			    sc->nr_pages);
	KUNIT_EXPECT_LE_MSG(test, sc->nr_slabs, least + least / 8, "%u bytes, %lu pages",
			    sc->size, sc->nr_pages);
}

static void grow_twice(struct kunit *test, struct quarry_heap *heap, size_t size, void **objs)
{
	struct quarry_cache *cache = quarry_test_cache(test, heap, size, 0, 0, NULL);
	struct quarry_slab_cache *sc = to_slab_cache(cache);
	unsigned int round;

	KUNIT_EXPECT_EQ(test, sc->layout.large_order, sc->layout.order + (size == 104));
	for (round = 0; round < 2; round++) {
		alloc_grown(test, cache, size, objs);
		expect_grown(test, sc);
		QUARRY_EXPECT_VERIFIED(test, heap);
		free_grown(test, cache, size, objs);
		QUARRY_EXPECT_VERIFIED(test, heap);
		/* A hardened heap keeps the last ones in quarantine. */
		quarry_heap_trim(heap);
		KUNIT_EXPECT_EQ(test, sc->nr_slabs, 0UL);
	}
}

/*
 * A cache of small objects takes twice as much at a time once it is large, one of larger ones,
 * which has better chances to give slabs back, does not.  Both begin again when all is freed.
 */
static void slabs_grow_with_the_cache(struct kunit *test)
{
	static const unsigned int flags[] = { 0, QUARRY_HEAP_TRACK, QUARRY_HEAP_HARDENED };
	void **objs = quarry_test_array(test, NR_GROWN, sizeof(*objs));
	struct quarry_heap *heap;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .flags = flags[i] };

		heap = quarry_test_heap_params(test, params);
		grow_twice(test, heap, 104, objs);
		grow_twice(test, heap, 256, objs);
	}
}

#define NR_SCATTERED	256

/*
 * Where no two free pages lie side by side it goes on with slabs of one, without any growth of
 * the heap; once that has to grow there is room for large ones again.
 */
static void large_slabs_are_no_must(struct kunit *test)
{
	struct quarry_heap_params params = {
		QUARRY_HEAP_DEFAULTS, .decay_ms = -1, .magazine_order = -1,
	};
	void **pages = quarry_test_array(test, NR_SCATTERED, sizeof(*pages));
	void **objs = quarry_test_array(test, NR_GROWN, sizeof(*objs));
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 104, 0, 0, NULL);
	struct quarry_slab_cache *sc = to_slab_cache(cache);
	unsigned long nr_scattered = 0;
	unsigned int i, nr = 0;
	u64 mapped;

	for (i = 0; i < NR_SCATTERED; i++) {
		pages[i] = quarry_alloc_pages(heap, 0, GFP_KERNEL);
		KUNIT_EXPECT_NOT_NULL(test, pages[i]);
	}
	mapped = quarry_test_stats(heap).mapped;
	KUNIT_EXPECT_EQ(test, mapped, quarry_test_stats(heap).active);
	for (i = 0; i < NR_SCATTERED; i++) {
		if (!pages[i] || ((unsigned long)pages[i] & PAGE_SIZE))
			continue;
		quarry_free_pages(pages[i]);
		pages[i] = NULL;
		nr_scattered++;
	}
	while (nr < NR_GROWN && sc->nr_pages < nr_scattered) {
		objs[nr] = quarry_cache_alloc(cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, objs[nr]);
		nr++;
	}
	KUNIT_EXPECT_GT(test, sc->nr_pages, 16UL << sc->layout.large_order);
	KUNIT_EXPECT_EQ(test, sc->nr_slabs, sc->nr_pages);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, mapped);
	for (; nr < NR_GROWN; nr++)
		objs[nr] = quarry_cache_alloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_LT(test, sc->nr_slabs, sc->nr_pages);
	QUARRY_EXPECT_VERIFIED(test, heap);
	while (nr)
		quarry_cache_free(cache, objs[--nr]);
	for (i = 0; i < NR_SCATTERED; i++)
		if (pages[i])
			quarry_free_pages(pages[i]);
}

#define EDGE_SIZE	256
#define NR_EDGE		128
#define NR_TO_AND_FRO	1000

/* How often this CPU left the inline paths. */
static unsigned long nr_slow(struct quarry_mags *mags)
{
	struct quarry_cpu *c = this_cpu_ptr(mags->front->cpu);
	struct quarry_mags_stats stats;

	quarry_mags_get_stats(mags, &stats);
	return stats.nr_alloc + stats.nr_free - c->nr_alloc - c->nr_free;
}

/* The same in many rounds of @nr objects. */
static unsigned long to_and_fro(struct quarry_cache *cache, unsigned int nr)
{
	struct quarry_mags *mags = &to_slab_cache(cache)->mags;
	unsigned long before = nr_slow(mags);
	unsigned int i, round;
	void *objs[8] = { };

	for (round = 0; round < NR_TO_AND_FRO; round++) {
		for (i = 0; i < nr; i++)
			objs[i] = quarry_cache_alloc(cache, GFP_KERNEL);
		for (i = 0; i < nr; i++)
			if (objs[i])
				quarry_cache_free(cache, objs[i]);
	}
	return nr_slow(mags) - before;
}

/* With one more object cached at a time: the most, and with how many. */
static unsigned long worst_to_and_fro(struct quarry_cache *cache, void **objs, unsigned int end,
				      unsigned int *worst)
{
	struct quarry_mags *mags = &to_slab_cache(cache)->mags;
	unsigned long slow, most = 0;
	unsigned int i, nr;

	for (i = 0; i < end; i++) {
		quarry_cache_free(cache, objs[i]);
		objs[i] = NULL;
		for (nr = 1; nr <= 4; nr++) {
			slow = to_and_fro(cache, nr);
			if (slow <= most)
				continue;
			most = slow;
			*worst = quarry_mags_nr_cached(mags);
		}
	}
	return most;
}

/*
 * With any number of objects in the magazines, also one where a magazine ends, few that are
 * allocated and freed again and again settle in one of them; also where the magazine in one of
 * the two places is of another size, since that has just been changed.
 */
static void few_objects_settle_in_a_magazine(struct kunit *test)
{
	/* In objects: those there are, those that come. */
	static const unsigned int capacities[][2] = { { 14, 14 }, { 30, 14 }, { 14, 30 } };
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .decay_ms = -1 };
	void **objs = quarry_test_array(test, NR_EDGE, sizeof(*objs));
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	unsigned int i, way, worst = 0;
	struct quarry_cache *cache;
	struct quarry_mags *mags;
	unsigned long most;

	migrate_disable();
	for (way = 0; way < ARRAY_SIZE(capacities); way++) {
		cache = quarry_test_cache(test, heap, EDGE_SIZE, 0, 0, NULL);
		mags = &to_slab_cache(cache)->mags;
		WRITE_ONCE(mags->capacity, capacities[way][0]);
		for (i = 0; i < NR_EDGE; i++) {
			objs[i] = quarry_cache_alloc(cache, GFP_KERNEL);
			KUNIT_EXPECT_NOT_NULL(test, objs[i]);
		}
		WRITE_ONCE(mags->capacity, capacities[way][1]);
		most = worst_to_and_fro(cache, objs, 3 * capacities[way][0], &worst);
		KUNIT_EXPECT_LE_MSG(test, most, 16UL, "in %u rounds, with %u cached, %u then %u",
				    NR_TO_AND_FRO, worst, capacities[way][0], capacities[way][1]);
		for (i = 0; i < NR_EDGE; i++)
			if (objs[i])
				quarry_cache_free(cache, objs[i]);
		QUARRY_EXPECT_VERIFIED(test, heap);
	}
	migrate_enable();
}

static struct kunit_case cache_cases[] = {
	KUNIT_CASE(reuses_the_last_freed),
	KUNIT_CASE(shrink_races_with_users),
	KUNIT_CASE(limit_finds_objects_of_other_cpus),
	KUNIT_CASE(slabs_grow_with_the_cache),
	KUNIT_CASE(large_slabs_are_no_must),
	KUNIT_CASE(few_objects_settle_in_a_magazine),
	{}
};

struct kunit_suite quarry_cache_suite = {
	.name = "quarry_cache",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = cache_cases,
};
