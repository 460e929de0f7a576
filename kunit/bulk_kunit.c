// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_bulk: many objects at once, and objects set aside.
 *
 * Each object that is alive carries a pattern of its own, so that one that is handed
 * out twice, or while it is free, is seen when it is freed.
 */
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sort.h>
#include "../src/cache.h"
#include "../src/fault.h"
#include "helpers.h"

#define OBJ_SIZE	96
#define MANY		1000U	/* more than any magazine holds */
#define MAX_BULK	400U	/* of the random cases */
#define RUN_MS		500
#define CTOR_STATE	0xc0ffee0ddf00dULL

struct live {
	void *obj;
	u64 tag;
};

struct bulk_user {
	struct quarry_cache *cache;
	struct live live[2 * MAX_BULK];
	unsigned int nr_live;
	void *objs[MAX_BULK];
	u64 next_tag;
	const char *wrong;
};

static struct quarry_mags_stats mags_stats(struct quarry_cache *cache)
{
	struct quarry_mags_stats stats;

	quarry_mags_get_stats(&to_slab_cache(cache)->mags, &stats);
	return stats;
}

#define EXPECT_LIVE(test, cache, nr)						\
do {										\
	struct quarry_mags_stats _stats = mags_stats(cache);			\
										\
	KUNIT_EXPECT_EQ_MSG(test, _stats.nr_alloc - _stats.nr_free, (unsigned long)(nr), \
			    "objects in use at %s:%d", __func__, __LINE__);	\
} while (0)

static int compare(const void *a, const void *b)
{
	const void *x = *(void * const *)a, *y = *(void * const *)b;

	return x < y ? -1 : x > y;
}

/* Sorts @objs. */
static bool are_distinct(void **objs, unsigned int nr, size_t size)
{
	unsigned int i;

	sort(objs, nr, sizeof(*objs), compare, NULL);
	for (i = 1; i < nr; i++)
		if (objs[i] - objs[i - 1] < size)
			return false;
	return true;
}

/* === What it gives === */

static void gives_as_many_as_asked_for(struct kunit *test)
{
	static const unsigned int nrs[] = { 1, 2, 5, 16, 64, 127, 300, MANY, 16, 1 };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void **objs = quarry_test_array(test, MANY, sizeof(*objs));
	unsigned int i, round;

	for (i = 0; i < ARRAY_SIZE(nrs); i++) {
		for (round = 0; round < 3; round++) {
			KUNIT_ASSERT_EQ(test,
					quarry_cache_alloc_bulk(cache, GFP_KERNEL, nrs[i], objs),
					nrs[i]);
			EXPECT_LIVE(test, cache, nrs[i]);
			KUNIT_EXPECT_TRUE(test, are_distinct(objs, nrs[i], OBJ_SIZE));
			quarry_cache_free_bulk(cache, nrs[i], objs);
			EXPECT_LIVE(test, cache, 0);
		}
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void none_is_nothing(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);

	KUNIT_EXPECT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, 0, NULL), 0U);
	quarry_cache_free_bulk(cache, 0, NULL);
	KUNIT_EXPECT_EQ(test, mags_stats(cache).nr_alloc, 0UL);
	KUNIT_EXPECT_EQ(test, mags_stats(cache).nr_free, 0UL);
}

/* Objects count where they came from. */
static void counts_by_layer(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void **objs = quarry_test_array(test, MANY, sizeof(*objs));
	struct quarry_mags_stats before, after;
	unsigned long low = 0, cached;
	unsigned int i;

	migrate_disable();
	KUNIT_EXPECT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, MANY, objs), MANY);
	before = mags_stats(cache);
	for (i = 0; i < QUARRY_NR_LOW_LAYERS; i++)
		low += before.low[i];
	KUNIT_EXPECT_EQ(test, low, (unsigned long)MANY);
	quarry_cache_free_bulk(cache, MANY, objs);
	cached = quarry_mags_nr_cached(&to_slab_cache(cache)->mags);
	KUNIT_EXPECT_GT_MSG(test, cached, 14UL, "more than one magazine");
	KUNIT_EXPECT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, cached, objs),
			(unsigned int)cached);
	after = mags_stats(cache);
	migrate_enable();
	KUNIT_EXPECT_EQ_MSG(test, after.magazine + after.previous + after.depot, cached,
			    "all that was cached, and nothing else");
	KUNIT_EXPECT_GT(test, after.magazine, 0UL);
	KUNIT_EXPECT_GT(test, after.previous, 0UL);
	KUNIT_EXPECT_GT(test, after.depot, 0UL);
	KUNIT_EXPECT_EQ(test, after.nr_alloc, MANY + cached);
	KUNIT_EXPECT_EQ(test, after.nr_free, (unsigned long)MANY);
	quarry_cache_free_bulk(cache, cached, objs);
}

static void zeroes_all(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void **objs = quarry_test_array(test, MANY, sizeof(*objs));
	unsigned int i;

	KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, MANY, objs), MANY);
	for (i = 0; i < MANY; i++)
		memset(objs[i], 0xff, OBJ_SIZE);
	quarry_cache_free_bulk(cache, MANY, objs);
	KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL | __GFP_ZERO, MANY, objs),
			MANY);
	for (i = 0; i < MANY; i++)
		KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(objs[i], OBJ_SIZE));
	quarry_cache_free_bulk(cache, MANY, objs);
}

static void ctor(void *obj)
{
	*(u64 *)obj = CTOR_STATE;
}

static void keeps_constructed_objects(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, ctor);
	void **objs = quarry_test_array(test, MANY, sizeof(*objs));
	unsigned int i, round;

	for (round = 0; round < 2; round++) {
		KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, MANY, objs), MANY);
		for (i = 0; i < MANY; i++)
			KUNIT_EXPECT_EQ(test, *(u64 *)objs[i], CTOR_STATE);
		quarry_cache_free_bulk(cache, MANY, objs);
	}
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL | __GFP_ZERO, 3,
							      objs), 0U);
	});
	EXPECT_LIVE(test, cache, 0);
}

static void refuses_what_it_cannot_honour(struct kunit *test)
{
	static const gfp_t refused[] = {
		__GFP_DMA, __GFP_DMA32, __GFP_HIGHMEM, __GFP_NOFAIL, __GFP_ACCOUNT,
	};
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void *objs[8];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(refused); i++)
		QUARRY_EXPECT_REPORTS(test, 1, {
			KUNIT_EXPECT_EQ(test, quarry_cache_alloc_bulk(cache,
								      GFP_KERNEL | refused[i],
								      8, objs), 0U);
		});
	EXPECT_LIVE(test, cache, 0);
}

static void takes_from_one_node(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void **objs = quarry_test_array(test, MANY, sizeof(*objs));
	unsigned int i, nr_strange = 0;
	int home;

	migrate_disable();
	home = numa_mem_id();
	KUNIT_EXPECT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL | __GFP_THISNODE, MANY,
						      objs), MANY);
	migrate_enable();
	for (i = 0; i < MANY; i++)
		nr_strange += page_to_nid(virt_to_page(objs[i])) != home;
	KUNIT_EXPECT_EQ(test, nr_strange, 0U);
	quarry_cache_free_bulk(cache, MANY, objs);
	EXPECT_LIVE(test, cache, 0);
}

/* === Misuse === */

static void reports_null(struct kunit *test)
{
	static const unsigned int at[4] = { 0, 1, 37, MANY - 1 };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void **objs = quarry_test_array(test, MANY, sizeof(*objs));
	unsigned int i, round;
	void *kept[4];

	/* Into magazines that are cold, and into ones with room. */
	for (round = 0; round < 3; round++) {
		KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, MANY, objs), MANY);
		for (i = 0; i < 4; i++) {
			kept[i] = objs[at[i]];
			objs[at[i]] = NULL;
		}
		QUARRY_EXPECT_REPORTS(test, 4, quarry_cache_free_bulk(cache, MANY, objs));
		EXPECT_LIVE(test, cache, 4);
		quarry_cache_free_bulk(cache, 4, kept);
		EXPECT_LIVE(test, cache, 0);
	}
	for (i = 0; i < MANY; i++)
		objs[i] = quarry_cache_alloc(cache, GFP_KERNEL);
	for (i = 0; i < MANY; i++)
		KUNIT_ASSERT_NOT_NULL_MSG(test, objs[i], "a NULL came out of a magazine");
	quarry_cache_free_bulk(cache, MANY, objs);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* The same where the loaded magazine has room for all. */
static void reports_null_among_few(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void *objs[12], *kept;
	unsigned int nr, at;

	for (nr = 1; nr <= ARRAY_SIZE(objs); nr++) {
		for (at = 0; at < nr; at++) {
			KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, nr, objs),
					nr);
			kept = objs[at];
			objs[at] = NULL;
			QUARRY_EXPECT_REPORTS(test, 1, quarry_cache_free_bulk(cache, nr, objs));
			EXPECT_LIVE(test, cache, 1);
			quarry_cache_free(cache, kept);
		}
	}
	KUNIT_EXPECT_GT_MSG(test, mags_stats(cache).magazine, 100UL, "the short way was not taken");
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* As with single frees: seen when the object comes to its slab. */
static void double_free_is_seen(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void *objs[5];

	KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, 4, objs), 4U);
	objs[4] = objs[2];
	quarry_cache_free_bulk(cache, 5, objs);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_cache_shrink(cache));
	EXPECT_LIVE(test, cache, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === When there is not enough === */

#define TIGHT_LIMIT	SZ_64K
#define TIGHT_SIZE	256
#define NR_TIGHT	(TIGHT_LIMIT / TIGHT_SIZE)

static void all_or_none(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = TIGHT_LIMIT };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_cache *cache = quarry_test_cache(test, heap, TIGHT_SIZE, 0, 0, NULL);
	void **objs = quarry_test_array(test, NR_TIGHT + 1, sizeof(*objs));
	unsigned int round;

	for (round = 0; round < 3; round++) {
		KUNIT_EXPECT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL | __GFP_NOWARN,
							      NR_TIGHT + 1, objs), 0U);
		EXPECT_LIVE(test, cache, 0);
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
		/* Wherever what was taken went: it is there for who wants no more. */
		KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL | __GFP_NOWARN,
							      NR_TIGHT, objs),
				(unsigned int)NR_TIGHT);
		KUNIT_EXPECT_NULL(test, quarry_cache_alloc(cache, GFP_KERNEL | __GFP_NOWARN));
		KUNIT_EXPECT_TRUE(test, are_distinct(objs, NR_TIGHT, TIGHT_SIZE));
		quarry_cache_free_bulk(cache, NR_TIGHT, objs);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === In the way of each other === */

/* What an interrupt finds between the two halves of a section. */
static void nested_calls_use_the_depot(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void **objs = quarry_test_array(test, MANY, sizeof(*objs));
	struct quarry_mags_stats before, after;
	unsigned int got;

	KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, MANY, objs), MANY);
	quarry_cache_free_bulk(cache, MANY, objs);
	preempt_disable();
	before = mags_stats(cache);
	this_cpu_ptr(cache->front.cpu)->busy = 1;
	got = quarry_cache_alloc_bulk(cache, GFP_NOWAIT, 300, objs);
	if (got)
		quarry_cache_free_bulk(cache, got, objs);
	this_cpu_ptr(cache->front.cpu)->busy = 0;
	after = mags_stats(cache);
	preempt_enable();
	KUNIT_EXPECT_EQ(test, got, 300U);
	KUNIT_EXPECT_EQ(test, after.magazine, before.magazine);
	KUNIT_EXPECT_EQ(test, after.previous, before.previous);
	KUNIT_EXPECT_GT(test, after.depot, before.depot);
	EXPECT_LIVE(test, cache, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void works_while_the_front_is_off(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	struct quarry_mags *mags = &to_slab_cache(cache)->mags;
	void **objs = quarry_test_array(test, MANY, sizeof(*objs));

	KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, MANY, objs), MANY);
	quarry_cache_free_bulk(cache, MANY, objs);
	quarry_mags_stop(mags);
	synchronize_rcu();
	quarry_mags_detach(mags);
	synchronize_rcu();
	quarry_mags_flush(mags);
	KUNIT_EXPECT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, MANY, objs), MANY);
	EXPECT_LIVE(test, cache, MANY);
	KUNIT_EXPECT_EQ(test, quarry_mags_nr_cached(mags), 0UL);
	quarry_cache_free_bulk(cache, MANY, objs);
	KUNIT_EXPECT_EQ_MSG(test, quarry_mags_nr_cached(mags), 0UL, "straight to the slabs");
	EXPECT_LIVE(test, cache, 0);
	quarry_mags_start(mags);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === Model === */

static void user_keep(struct bulk_user *user, void *obj)
{
	struct live *live = &user->live[user->nr_live++];

	live->obj = obj;
	live->tag = user->next_tag++;
	quarry_test_fill(obj, OBJ_SIZE, live->tag);
}

/* One of those alive, which is going to be freed. */
static void *user_drop(struct bulk_user *user, unsigned int i)
{
	struct live live = user->live[i];

	user->live[i] = user->live[--user->nr_live];
	if (!quarry_test_check(live.obj, OBJ_SIZE, live.tag))
		user->wrong = "pattern";
	return live.obj;
}

static void user_alloc(struct bulk_user *user, unsigned int nr, gfp_t gfp)
{
	unsigned int i;

	if (quarry_cache_alloc_bulk(user->cache, gfp, nr, user->objs) != nr) {
		user->wrong = "bulk allocation";
		return;
	}
	for (i = 0; i < nr; i++)
		user_keep(user, user->objs[i]);
}

static void user_free(struct bulk_user *user, unsigned int nr, struct rnd_state *rnd)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		user->objs[i] = user_drop(user, quarry_test_below(rnd, user->nr_live));
	quarry_cache_free_bulk(user->cache, nr, user->objs);
}

/* Mostly few, sometimes many: all layers get their share. */
static unsigned int some(struct rnd_state *rnd, unsigned int most)
{
	unsigned int limit = quarry_test_below(rnd, 4) ? 40U : MAX_BULK;

	return min(quarry_test_below(rnd, limit + 1), most);
}

static void user_step(struct bulk_user *user, struct rnd_state *rnd)
{
	unsigned int room = ARRAY_SIZE(user->live) - user->nr_live;
	unsigned int i;
	void *obj;

	switch (quarry_test_below(rnd, 4)) {
	case 0:
		user_alloc(user, some(rnd, room), GFP_KERNEL);
		break;
	case 1:
		user_free(user, some(rnd, user->nr_live), rnd);
		break;
	case 2:
		obj = room ? quarry_cache_alloc(user->cache, GFP_KERNEL) : NULL;
		if (obj)
			user_keep(user, obj);
		else if (room)
			user->wrong = "allocation";
		break;
	default:
		if (!user->nr_live)
			break;
		i = quarry_test_below(rnd, user->nr_live);
		quarry_cache_free(user->cache, user_drop(user, i));
		break;
	}
}

static void user_free_all(struct bulk_user *user, struct rnd_state *rnd)
{
	while (user->nr_live)
		user_free(user, min(user->nr_live, MAX_BULK), rnd);
}

static void agrees_with_a_model(struct kunit *test)
{
	struct bulk_user *user = quarry_test_array(test, 1, sizeof(*user));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct rnd_state rnd;
	unsigned int i;

	quarry_test_seed(test, &rnd);
	user->cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	for (i = 0; i < QUARRY_TEST_LOOPS(8000) && !user->wrong; i++) {
		user_step(user, &rnd);
		EXPECT_LIVE(test, user->cache, user->nr_live);
		if (i % 512 == 511) {
			quarry_cache_shrink(user->cache);
			QUARRY_EXPECT_VERIFIED(test, heap);
		}
	}
	KUNIT_EXPECT_NULL_MSG(test, user->wrong, "%s, step %u", user->wrong ?: "", i);
	user_free_all(user, &rnd);
	EXPECT_LIVE(test, user->cache, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === Others at the same time === */

static void bulk_worker(struct quarry_test_worker *worker)
{
	struct bulk_user *user = worker->arg;

	while (!quarry_test_worker_should_stop() && !user->wrong) {
		user_step(user, &worker->rnd);
		worker->nr_ops++;
		cond_resched();
	}
	user_free_all(user, &worker->rnd);
	if (user->wrong)
		quarry_test_worker_fail(worker, user->wrong, worker->nr_ops);
}

/* Drains all the time, from this task; on one CPU in between. */
static void shrink_races_with_bulk(struct kunit *test)
{
	struct bulk_user *users = quarry_test_array(test, 2, sizeof(*users));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_worker workers[2];
	struct quarry_cache *cache;
	struct rnd_state rnd;
	unsigned long end;
	u64 seed;
	int i;

	seed = quarry_test_seed(test, &rnd);
	cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	memset(workers, 0, sizeof(workers));
	for (i = 0; i < 2; i++) {
		users[i].cache = cache;
		users[i].next_tag = (u64)i << 32;
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       seed, bulk_worker, &users[i]), 0);
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
	EXPECT_LIVE(test, cache, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

struct ticker {
	struct hrtimer timer;
	struct bulk_user user;
	struct rnd_state rnd;
	unsigned long nr_ticks;
	unsigned long nr_refused;	/* a hardirq cannot grow the heap */
};

static enum hrtimer_restart tick(struct hrtimer *timer)
{
	struct ticker *t = container_of(timer, struct ticker, timer);
	unsigned int i, nr = 1 + quarry_test_below(&t->rnd, 40);

	t->nr_ticks++;
	if (quarry_cache_alloc_bulk(t->user.cache, GFP_ATOMIC | __GFP_NOWARN, nr, t->user.objs)) {
		for (i = 0; i < nr; i++)
			user_keep(&t->user, t->user.objs[i]);
		user_free(&t->user, nr, &t->rnd);
	} else {
		t->nr_refused++;
	}
	hrtimer_forward_now(timer, ns_to_ktime(20 * NSEC_PER_USEC * QUARRY_TEST_SLOWER *
					       QUARRY_TEST_SLOWER));
	return HRTIMER_RESTART;
}

/* A hardirq comes at any instruction of a bulk call of its CPU. */
static void interrupts_come_between(struct kunit *test)
{
	struct bulk_user *user = quarry_test_array(test, 1, sizeof(*user));
	struct ticker *t = quarry_test_array(test, 1, sizeof(*t));
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned long end = jiffies + msecs_to_jiffies(RUN_MS);
	struct rnd_state rnd;

	quarry_test_seed(test, &rnd);
	prandom_seed_state(&t->rnd, prandom_u32_state(&rnd));
	user->cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	t->user.cache = user->cache;
	t->user.next_tag = 1ULL << 32;
	migrate_disable();
	hrtimer_init(&t->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	t->timer.function = tick;
	hrtimer_start(&t->timer, ns_to_ktime(NSEC_PER_MSEC), HRTIMER_MODE_REL_PINNED_HARD);
	while (time_before(jiffies, end) && !user->wrong) {
		user_step(user, &rnd);
		cond_resched();
	}
	hrtimer_cancel(&t->timer);
	migrate_enable();
	user_free_all(user, &rnd);
	KUNIT_EXPECT_NULL_MSG(test, user->wrong, "task: %s", user->wrong ?: "");
	KUNIT_EXPECT_NULL_MSG(test, t->user.wrong, "hardirq: %s", t->user.wrong ?: "");
	KUNIT_EXPECT_GT(test, t->nr_ticks, 10UL);
	KUNIT_EXPECT_LT(test, t->nr_refused, t->nr_ticks);
	EXPECT_LIVE(test, user->cache, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === Objects set aside === */

static void prefill_gives_what_it_has(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void **objs = quarry_test_array(test, MANY, sizeof(*objs));
	struct quarry_prefill *prefill;
	unsigned int i;

	prefill = quarry_cache_prefill(cache, GFP_KERNEL | __GFP_ZERO, MANY);
	KUNIT_ASSERT_FALSE(test, IS_ERR(prefill));
	EXPECT_LIVE(test, cache, MANY);
	for (i = 0; i < MANY; i++) {
		KUNIT_EXPECT_EQ(test, quarry_prefill_left(prefill), MANY - i);
		objs[i] = quarry_prefill_alloc(prefill);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
		KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(objs[i], OBJ_SIZE));
		quarry_test_fill(objs[i], OBJ_SIZE, i);
	}
	QUARRY_EXPECT_REPORTS(test, 1, KUNIT_EXPECT_NULL(test, quarry_prefill_alloc(prefill)));
	for (i = 0; i < MANY; i++)
		KUNIT_EXPECT_TRUE(test, quarry_test_check(objs[i], OBJ_SIZE, i));
	EXPECT_LIVE(test, cache, MANY);
	quarry_prefill_return(prefill);
	EXPECT_LIVE(test, cache, MANY);
	quarry_cache_free_bulk(cache, MANY, objs);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void prefill_is_refilled_and_returned(struct kunit *test)
{
	static const unsigned int nrs[] = { 3, 10, 5, 0, 300, 301, 40 };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	struct quarry_prefill *prefill = quarry_cache_prefill(cache, GFP_KERNEL, 0);
	unsigned int i, left = 0;
	void *obj;

	KUNIT_ASSERT_FALSE(test, IS_ERR(prefill));
	for (i = 0; i < ARRAY_SIZE(nrs); i++) {
		KUNIT_ASSERT_EQ(test, quarry_prefill_refill(prefill, GFP_KERNEL, nrs[i]), 0);
		left = max(left, nrs[i]);
		KUNIT_EXPECT_EQ(test, quarry_prefill_left(prefill), left);
		EXPECT_LIVE(test, cache, left);
		obj = quarry_prefill_alloc(prefill);
		KUNIT_ASSERT_NOT_NULL(test, obj);
		quarry_cache_free(cache, obj);
		left--;
	}
	quarry_prefill_return(prefill);
	quarry_prefill_return(NULL);
	quarry_prefill_return(ERR_PTR(-ENOMEM));
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void prefill_refuses(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, ctor);
	struct quarry_prefill *prefill = quarry_cache_prefill(cache, GFP_KERNEL, 4);
	u64 *obj;

	KUNIT_ASSERT_FALSE(test, IS_ERR(prefill));
	QUARRY_EXPECT_REPORTS(test, 6, {
		KUNIT_EXPECT_EQ(test, PTR_ERR(quarry_cache_prefill(cache, GFP_KERNEL,
								   QUARRY_PREFILL_MAX + 1)),
				(long)-EINVAL);
		KUNIT_EXPECT_EQ(test, PTR_ERR(quarry_cache_prefill(cache, GFP_DMA, 4)),
				(long)-EINVAL);
		KUNIT_EXPECT_EQ(test, PTR_ERR(quarry_cache_prefill(cache,
								   GFP_KERNEL | __GFP_ZERO, 4)),
				(long)-EINVAL);
		KUNIT_EXPECT_EQ(test, quarry_prefill_refill(prefill, GFP_KERNEL,
							    QUARRY_PREFILL_MAX + 1), -EINVAL);
		KUNIT_EXPECT_EQ(test, quarry_prefill_refill(prefill, GFP_DMA, 8), -EINVAL);
		KUNIT_EXPECT_EQ(test, quarry_prefill_refill(prefill, GFP_KERNEL | __GFP_ZERO, 8),
				-EINVAL);
	});
	KUNIT_EXPECT_EQ(test, quarry_prefill_left(prefill), 4U);
	obj = quarry_prefill_alloc(prefill);
	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, *obj, CTOR_STATE);
	quarry_cache_free(cache, obj);
	quarry_prefill_return(prefill);
}

/* The heap is full: what was set aside is still to be had, and more is not. */
static void prefill_outlives_exhaustion(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = 2 * TIGHT_LIMIT };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_cache *cache = quarry_test_cache(test, heap, TIGHT_SIZE, 0, 0, NULL);
	void **rest = quarry_test_array(test, 2 * NR_TIGHT, sizeof(*rest));
	struct quarry_prefill *prefill, *more;
	unsigned int i, nr = 0;
	void *objs[50];

	prefill = quarry_cache_prefill(cache, GFP_KERNEL, 50);
	KUNIT_ASSERT_FALSE(test, IS_ERR(prefill));
	while (nr < 2 * NR_TIGHT) {
		rest[nr] = quarry_cache_alloc(cache, GFP_KERNEL | __GFP_NOWARN);
		if (!rest[nr])
			break;
		nr++;
	}
	KUNIT_ASSERT_LT_MSG(test, nr, (unsigned int)(2 * NR_TIGHT), "the limit holds");
	KUNIT_EXPECT_EQ(test, quarry_prefill_refill(prefill, GFP_KERNEL | __GFP_NOWARN, 60),
			-ENOMEM);
	KUNIT_EXPECT_EQ(test, quarry_prefill_left(prefill), 50U);
	more = quarry_cache_prefill(cache, GFP_KERNEL | __GFP_NOWARN, 10);
	KUNIT_EXPECT_EQ(test, PTR_ERR(more), (long)-ENOMEM);
	for (i = 0; i < 50; i++) {
		objs[i] = quarry_prefill_alloc(prefill);
		KUNIT_EXPECT_NOT_NULL(test, objs[i]);
	}
	KUNIT_EXPECT_TRUE(test, are_distinct(objs, 50, TIGHT_SIZE));
	quarry_prefill_return(prefill);
	quarry_cache_free_bulk(cache, 50, objs);
	quarry_cache_free_bulk(cache, nr, rest);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

#define NR_IN_IRQ	100U

struct irq_prefill {
	struct irq_work work;
	struct quarry_cache *cache;
	struct quarry_prefill *prefill;
	struct quarry_prefill *own;	/* made in the interrupt */
	unsigned int nr_taken;
};

static void take_in_irq(struct irq_work *work)
{
	struct irq_prefill *ip = container_of(work, struct irq_prefill, work);
	void *obj;

	while (quarry_prefill_left(ip->prefill)) {
		obj = quarry_prefill_alloc(ip->prefill);
		if (!obj)
			break;
		ip->nr_taken++;
		quarry_cache_free(ip->cache, obj);
	}
	/* Of lists the heap has that length already; of objects, what was just freed. */
	ip->own = quarry_cache_prefill(ip->cache, GFP_ATOMIC, NR_IN_IRQ - 3);
	if (!IS_ERR(ip->own) && quarry_prefill_refill(ip->own, GFP_ATOMIC, NR_IN_IRQ))
		ip->nr_taken = 0;
}

static void prefill_serves_interrupts(struct kunit *test)
{
	struct irq_prefill *ip = quarry_test_array(test, 1, sizeof(*ip));
	struct quarry_heap *heap = quarry_test_heap(test);

	ip->cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	ip->prefill = quarry_cache_prefill(ip->cache, GFP_KERNEL, NR_IN_IRQ);
	KUNIT_ASSERT_FALSE(test, IS_ERR(ip->prefill));
	ip->work = IRQ_WORK_INIT_HARD(take_in_irq);
	irq_work_queue(&ip->work);
	irq_work_sync(&ip->work);
	KUNIT_EXPECT_EQ(test, ip->nr_taken, NR_IN_IRQ);
	KUNIT_EXPECT_FALSE(test, IS_ERR(ip->own));
	if (!IS_ERR(ip->own)) {
		KUNIT_EXPECT_EQ(test, quarry_prefill_left(ip->own), NR_IN_IRQ);
		EXPECT_LIVE(test, ip->cache, NR_IN_IRQ);
	}
	quarry_prefill_return(ip->own);
	quarry_prefill_return(ip->prefill);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === Each attempt to get memory fails once === */

#define LEAST_ATTEMPTS	8UL
#define MOST_ATTEMPTS	500UL

static void use_prefill(struct kunit *test, struct quarry_cache *cache)
{
	struct quarry_prefill *prefill = quarry_cache_prefill(cache, GFP_KERNEL, 30);
	unsigned int left = 30;
	int ret;

	if (IS_ERR(prefill)) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(prefill), (long)-ENOMEM);
		return;
	}
	ret = quarry_prefill_refill(prefill, GFP_KERNEL, 700);
	if (!ret)
		left = 700;
	else
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
	KUNIT_EXPECT_EQ(test, quarry_prefill_left(prefill), left);
	EXPECT_LIVE(test, cache, left);
	quarry_prefill_return(prefill);
}

static void use_bulk(struct kunit *test, struct quarry_cache *cache, void **objs)
{
	unsigned int got = quarry_cache_alloc_bulk(cache, GFP_KERNEL, MANY, objs);

	if (got) {
		KUNIT_EXPECT_EQ(test, got, MANY);
		KUNIT_EXPECT_TRUE(test, are_distinct(objs, got, OBJ_SIZE));
		quarry_cache_free_bulk(cache, got, objs);
	}
	EXPECT_LIVE(test, cache, 0);
}

/* One round with a heap that is new to it; how often it asked for memory. */
static unsigned long play(struct kunit *test, unsigned long n, void **objs)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	unsigned long attempts;

	quarry_fault_test_arm(QUARRY_FAULT_ANY, n, n ? 1 : 0);
	use_bulk(test, cache, objs);
	use_prefill(test, cache);
	use_bulk(test, cache, objs);
	attempts = quarry_fault_test_nr_attempts(QUARRY_FAULT_ANY);
	KUNIT_EXPECT_TRUE(test, !n || quarry_fault_test_nr_injected() || attempts < n);
	quarry_fault_test_arm(QUARRY_FAULT_ANY, 0, 0);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	quarry_test_cache_done(test, cache);
	quarry_test_heap_done(test, heap);
	return attempts;
}

static void end_faults(void *unused)
{
	quarry_fault_test_end();
}

static void each_attempt_fails_once(struct kunit *test)
{
	void **objs = quarry_test_array(test, MANY, sizeof(*objs));
	unsigned long n, attempts;

	KUNIT_ASSERT_EQ(test, quarry_fault_test_begin(), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_faults, NULL), 0);
	attempts = play(test, 0, objs);
	KUNIT_EXPECT_GE(test, attempts, LEAST_ATTEMPTS);
	for (n = 1; n <= attempts && n <= MOST_ATTEMPTS; n++)
		attempts = max(attempts, play(test, n, objs));
	KUNIT_EXPECT_LE(test, n, MOST_ATTEMPTS);
	kunit_info(test, "%lu attempts\n", attempts);
}

static struct kunit_case bulk_cases[] = {
	KUNIT_CASE(gives_as_many_as_asked_for),
	KUNIT_CASE(none_is_nothing),
	KUNIT_CASE(counts_by_layer),
	KUNIT_CASE(zeroes_all),
	KUNIT_CASE(keeps_constructed_objects),
	KUNIT_CASE(refuses_what_it_cannot_honour),
	KUNIT_CASE(takes_from_one_node),
	KUNIT_CASE(reports_null),
	KUNIT_CASE(reports_null_among_few),
	KUNIT_CASE(double_free_is_seen),
	KUNIT_CASE(all_or_none),
	KUNIT_CASE(nested_calls_use_the_depot),
	KUNIT_CASE(works_while_the_front_is_off),
	KUNIT_CASE(agrees_with_a_model),
	KUNIT_CASE(shrink_races_with_bulk),
	KUNIT_CASE(interrupts_come_between),
	KUNIT_CASE(prefill_gives_what_it_has),
	KUNIT_CASE(prefill_is_refilled_and_returned),
	KUNIT_CASE(prefill_refuses),
	KUNIT_CASE(prefill_outlives_exhaustion),
	KUNIT_CASE(prefill_serves_interrupts),
	KUNIT_CASE(each_attempt_fails_once),
	{}
};

struct kunit_suite quarry_bulk_suite = {
	.name = "quarry_bulk",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = bulk_cases,
};
