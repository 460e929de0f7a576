// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_capacity: magazines grow with use and fall back without it, what a CPU
 * holds is bounded, and each layer is reached ten times less often than the one above.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include "../src/depot.h"
#include "../src/heap.h"
#include "helpers.h"

#define NR_OBJS		2000U
#define OBJ_SIZE	256U

/* Ticks that suffice for everything to be gone: patience, steps of capacity, and some. */
#define MANY_TICKS	20

/* Its own ticks do not come while a case runs. */
static struct quarry_heap *slow_heap(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };

	params.name = quarry_test_name(test);
	params.decay_ms = QUARRY_DECAY_MAX;
	return quarry_test_heap_params(test, params);
}

static void tick(struct quarry_heap *heap)
{
	quarry_reclaim_tick(&to_priv(heap)->reclaim, jiffies);
}

static struct quarry_mags *mags_of(struct quarry_cache *cache)
{
	return &to_slab_cache(cache)->mags;
}

static void take(struct kunit *test, struct quarry_cache *cache, void **objs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		objs[i] = quarry_cache_alloc(cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
	}
}

static void give(struct quarry_cache *cache, void **objs, unsigned int nr)
{
	while (nr--)
		quarry_cache_free(cache, objs[nr]);
}

/* So many objects at once, there and back, until magazines do not grow any more. */
static void keep_busy(struct kunit *test, struct quarry_cache *cache, void **objs)
{
	unsigned int i;

	for (i = 0; i < 300 && mags_of(cache)->capacity < mags_of(cache)->max_capacity; i++) {
		take(test, cache, objs, NR_OBJS);
		give(cache, objs, NR_OBJS);
	}
}

/* === Falling back === */

static void idle_front_falls_back(struct kunit *test)
{
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct quarry_heap *heap = slow_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	struct quarry_mags *mags = mags_of(cache);
	unsigned int capacity = mags->capacity, before, i;

	KUNIT_EXPECT_EQ_MSG(test, capacity, mags->start_capacity, "of a new front");
	keep_busy(test, cache, objs);
	KUNIT_EXPECT_EQ_MSG(test, mags->capacity, mags->max_capacity, "of a busy one");
	KUNIT_EXPECT_GT(test, mags->max_capacity, mags->start_capacity);
	/* What happened before the first tick counts for it. */
	tick(heap);
	for (i = 0; i < MANY_TICKS && mags->capacity > mags->start_capacity; i++) {
		before = mags->capacity;
		tick(heap);
		KUNIT_EXPECT_EQ_MSG(test, mags->capacity, before / 2 - 1, "a step per tick");
	}
	KUNIT_EXPECT_EQ(test, mags->capacity, mags->start_capacity);
	for (i = 0; i < MANY_TICKS; i++)
		tick(heap);
	KUNIT_EXPECT_EQ_MSG(test, quarry_mags_nr_cached(mags), 0UL, "idle for %d ticks",
			    MANY_TICKS);
	KUNIT_EXPECT_EQ_MSG(test, to_slab_cache(cache)->nr_pages, 0UL, "empty slabs");
	KUNIT_EXPECT_FALSE_MSG(test, to_priv(heap)->pages.budget.stocked,
			       "nothing is left to wake up for");
	QUARRY_EXPECT_VERIFIED(test, heap);
	/* It is as good as new. */
	keep_busy(test, cache, objs);
	KUNIT_EXPECT_EQ(test, mags->capacity, mags->max_capacity);
	KUNIT_EXPECT_TRUE_MSG(test, to_priv(heap)->pages.budget.stocked, "ticks begin again");
}

static void busy_front_keeps_its_capacity(struct kunit *test)
{
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct quarry_heap *heap = slow_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	struct quarry_mags *mags = mags_of(cache);
	unsigned int i;

	keep_busy(test, cache, objs);
	for (i = 0; i < MANY_TICKS; i++) {
		take(test, cache, objs, NR_OBJS);
		give(cache, objs, NR_OBJS);
		tick(heap);
		KUNIT_EXPECT_EQ(test, mags->capacity, mags->max_capacity);
		KUNIT_EXPECT_GT_MSG(test, quarry_mags_nr_cached(mags), NR_OBJS / 2UL,
				    "what is needed each time is kept, tick %u", i);
	}
}

/* Freed all at once, and then only a part is ever used again. */
static void depot_keeps_the_working_set(struct kunit *test)
{
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct quarry_heap *heap = slow_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	struct quarry_mags *mags = mags_of(cache);
	struct quarry_mags_stats before, after;
	unsigned int i, part = 600;

	migrate_disable();
	keep_busy(test, cache, objs);
	tick(heap);
	for (i = 0; i < 3; i++) {
		take(test, cache, objs, part);
		give(cache, objs, part);
		tick(heap);
	}
	KUNIT_EXPECT_LT_MSG(test, quarry_mags_nr_cached(mags), 2UL * part,
			    "%u objects swing, %u did before", part, NR_OBJS);
	quarry_mags_get_stats(mags, &before);
	take(test, cache, objs, part);
	give(cache, objs, part);
	quarry_mags_get_stats(mags, &after);
	for (i = 0; i < QUARRY_NR_LOW_LAYERS; i++)
		KUNIT_EXPECT_LE_MSG(test, after.low[i] - before.low[i], 1UL,
				    "what swings is still cached");
	migrate_enable();
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void decay_never_means_never(struct kunit *test)
{
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_cache *cache;
	struct quarry_heap *heap;
	unsigned long cached;
	unsigned int i;

	params.name = quarry_test_name(test);
	params.decay_ms = -1;
	heap = quarry_test_heap_params(test, params);
	cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	take(test, cache, objs, NR_OBJS);
	give(cache, objs, NR_OBJS);
	cached = quarry_mags_nr_cached(mags_of(cache));
	for (i = 0; i < MANY_TICKS; i++)
		tick(heap);
	KUNIT_EXPECT_EQ(test, quarry_mags_nr_cached(mags_of(cache)), cached);
	KUNIT_EXPECT_GT(test, cached, 0UL);
}

/* Nobody calls its ticks: they come, and end. */
static void worker_empties_an_idle_heap(struct kunit *test)
{
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_cache *cache;
	struct quarry_heap *heap;
	unsigned long end;

	params.name = quarry_test_name(test);
	params.decay_ms = 0;
	heap = quarry_test_heap_params(test, params);
	cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	take(test, cache, objs, NR_OBJS);
	give(cache, objs, NR_OBJS);
	end = jiffies + 30 * HZ;
	while ((quarry_test_stats(heap).mapped || to_priv(heap)->reclaim.armed) &&
	       time_before(jiffies, end))
		msleep(20);
	KUNIT_EXPECT_EQ(test, quarry_mags_nr_cached(mags_of(cache)), 0UL);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
	KUNIT_EXPECT_EQ_MSG(test, to_priv(heap)->reclaim.armed, 0UL, "no tick is due any more");
}

/* === Contention === */

struct holder {
	struct quarry_depot *depot;
	bool holds;
	bool wanted;		/* somebody is about to take it */
};

static void hold_depot(struct quarry_test_worker *worker)
{
	struct holder *holder = worker->arg;
	unsigned long flags;
	u64 end;

	raw_spin_lock_irqsave(&holder->depot->lock, flags);
	WRITE_ONCE(holder->holds, true);
	end = ktime_get_ns() + 2 * NSEC_PER_SEC;
	while (!READ_ONCE(holder->wanted) && ktime_get_ns() < end)
		cpu_relax();
	/* Long enough for a busy host to get to the other CPU; mdelay() may be far off there. */
	end = ktime_get_ns() + 200 * NSEC_PER_MSEC;
	while (ktime_get_ns() < end)
		cpu_relax();
	raw_spin_unlock_irqrestore(&holder->depot->lock, flags);
	worker->nr_ops = 1;
}

/* Takes the lock while another CPU has it, unless the host had better things to do. */
static void lock_held(struct kunit *test, struct holder *holder)
{
	struct quarry_test_worker worker;
	unsigned long flags;
	unsigned int other;
	int ret;

	WRITE_ONCE(holder->holds, false);
	WRITE_ONCE(holder->wanted, false);
	memset(&worker, 0, sizeof(worker));
	/* On one CPU the holder would be done before we see that it holds. */
	migrate_disable();
	other = quarry_test_cpu(raw_smp_processor_id() == quarry_test_cpu(1) ? 0 : 1);
	ret = quarry_test_worker_start(&worker, 0, other, 0, hold_depot, holder);
	if (ret) {
		migrate_enable();
		KUNIT_FAIL(test, "no thread: %d", ret);
		return;
	}
	while (!READ_ONCE(holder->holds))
		cpu_relax();
	WRITE_ONCE(holder->wanted, true);
	quarry_depot_lock(holder->depot, &flags);
	raw_spin_unlock_irqrestore(&holder->depot->lock, flags);
	migrate_enable();
	quarry_test_worker_stop(test, &worker);
}

static void busy_lock_counts_for_more(struct kunit *test)
{
	struct holder *holder = quarry_test_array(test, 1, sizeof(*holder));
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct quarry_heap *heap = slow_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	struct quarry_mags *mags = mags_of(cache);
	unsigned int tries = 10;
	unsigned long flags;

	QUARRY_NEEDS_SMP(test);
	take(test, cache, objs, 1);
	give(cache, objs, 1);
	holder->depot = &mags->depots[0];
	holder->depot->busy = 0;
	while (!holder->depot->busy && tries--)
		lock_held(test, holder);
	KUNIT_EXPECT_EQ(test, holder->depot->busy, (unsigned long)QUARRY_BUSY_LOCK);
	quarry_depot_lock(holder->depot, &flags);
	raw_spin_unlock_irqrestore(&holder->depot->lock, flags);
	KUNIT_EXPECT_EQ_MSG(test, holder->depot->busy, (unsigned long)QUARRY_BUSY_LOCK,
			    "a lock that was free");
}

/* === What a CPU holds === */

#define NR_CACHES	24
#define NR_EACH		100

static unsigned long room_in(struct quarry_mags *mags, unsigned int cpu)
{
	struct quarry_cpu *c;

	if (quarry_mags_is_cold(mags))
		return 0;
	c = per_cpu_ptr(mags->front->cpu, cpu);
	return (c->loaded->capacity + c->previous->capacity) * mags->size;
}

struct room {
	unsigned int cpu;
	unsigned long bytes;
};

static void add_room(struct quarry_mags *mags, void *arg)
{
	struct room *room = arg;

	room->bytes += room_in(mags, room->cpu);
}

/* The books are right, and the bound is kept. */
static void expect_bounded(struct kunit *test, struct quarry_heap *heap)
{
	struct quarry_heap_priv *hp = to_priv(heap);
	struct quarry_budget_cpu *b;
	struct room room;
	long held;

	for_each_possible_cpu(room.cpu) {
		room.bytes = 0;
		mutex_lock(&hp->mutex);
		quarry_heap_walk_fronts(hp, add_room, &room);
		mutex_unlock(&hp->mutex);
		b = per_cpu_ptr(hp->pages.budget.cpu, room.cpu);
		held = atomic_long_read(&b->held);
		KUNIT_EXPECT_EQ_MSG(test, held, (long)room.bytes, "CPU %u", room.cpu);
		KUNIT_EXPECT_LE_MSG(test, held, (long)hp->pages.budget.bound, "CPU %u", room.cpu);
	}
}

static unsigned long nr_refused(struct quarry_heap *heap)
{
	unsigned long nr = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		nr += atomic_long_read(&per_cpu_ptr(to_priv(heap)->pages.budget.cpu,
						    cpu)->nr_refused);
	return nr;
}

static void use_all(struct kunit *test, struct quarry_heap *heap, struct quarry_cache **caches,
		    void **objs, bool bounded)
{
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++) {
		take(test, caches[i], objs, NR_EACH);
		if (bounded)
			expect_bounded(test, heap);
		give(caches[i], objs, NR_EACH);
		if (bounded)
			expect_bounded(test, heap);
	}
}

static void a_cpu_holds_no_more_than_its_bound(struct kunit *test)
{
	static const char * const bounds[] = { "64K", "200000", "1M", "100000", "4M", "64K" };
	void **objs = quarry_test_array(test, NR_EACH, sizeof(*objs));
	struct quarry_heap *heap = slow_heap(test);
	struct quarry_cache *caches[NR_CACHES];
	unsigned long refused;
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++)
		caches[i] = quarry_test_cache(test, heap, 64 * (i + 1), 0, 0, NULL);
	for (i = 0; i < ARRAY_SIZE(bounds); i++) {
		refused = nr_refused(heap);
		KUNIT_ASSERT_EQ(test, quarry_heap_tune(to_priv(heap), QUARRY_KNOB_CPU_BYTES,
						       bounds[i]), 0);
		expect_bounded(test, heap);
		use_all(test, heap, caches, objs, true);
		use_all(test, heap, caches, objs, true);
		if (!strcmp(bounds[i], "4M"))
			KUNIT_EXPECT_EQ_MSG(test, nr_refused(heap), refused, "there is room");
		if (!strcmp(bounds[i], "64K"))
			KUNIT_EXPECT_GT_MSG(test, nr_refused(heap), refused, "there is none");
		QUARRY_EXPECT_VERIFIED(test, heap);
	}
	/* Then all is used by one: two ticks make room. */
	for (i = 0; i < 2; i++) {
		take(test, caches[NR_CACHES - 1], objs, NR_EACH);
		give(caches[NR_CACHES - 1], objs, NR_EACH);
		tick(heap);
		expect_bounded(test, heap);
	}
	for (i = 0; i < NR_CACHES - 1; i++)
		KUNIT_EXPECT_EQ_MSG(test, room_in(mags_of(caches[i]), raw_smp_processor_id()),
				    0UL, "cache %u keeps what another one needs", i);
	quarry_heap_trim(heap);
	expect_bounded(test, heap);
}

struct crowd {
	struct quarry_cache *caches[NR_CACHES];
};

static void crowd_worker(struct quarry_test_worker *worker)
{
	struct crowd *crowd = worker->arg;
	void *objs[NR_EACH];
	unsigned int nr, i;

	while (!quarry_test_worker_should_stop()) {
		struct quarry_cache *cache = crowd->caches[quarry_test_below(&worker->rnd,
									     NR_CACHES)];

		nr = quarry_test_below(&worker->rnd, NR_EACH);
		for (i = 0; i < nr; i++)
			objs[i] = quarry_cache_alloc(cache, GFP_KERNEL);
		while (nr--)
			if (objs[nr])
				quarry_cache_free(cache, objs[nr]);
		worker->nr_ops++;
		cond_resched();
	}
}

/* Both CPUs use many caches while ticks and new bounds take magazines away. */
static void ticks_and_bounds_with_traffic(struct kunit *test)
{
	static const char * const bounds[] = { "64K", "4M", "300000" };
	struct crowd *crowd = quarry_test_array(test, 1, sizeof(*crowd));
	unsigned int nr_workers = min(num_online_cpus(), 2U), i;
	struct quarry_heap *heap = slow_heap(test);
	struct quarry_test_worker workers[2];
	struct rnd_state rnd;
	unsigned long end;
	u64 seed = quarry_test_seed(test, &rnd);

	for (i = 0; i < NR_CACHES; i++)
		crowd->caches[i] = quarry_test_cache(test, heap, 48 * (i + 1), 0, 0, NULL);
	memset(workers, 0, sizeof(workers));
	for (i = 0; i < nr_workers; i++)
		KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       seed + i, crowd_worker, crowd), 0);
	end = jiffies + HZ;
	for (i = 0; time_before(jiffies, end); i++) {
		tick(heap);
		if (!(i % 16))
			KUNIT_EXPECT_EQ(test, quarry_heap_tune(to_priv(heap),
							       QUARRY_KNOB_CPU_BYTES,
							       bounds[i / 16 % 3]), 0);
		usleep_range(1000, 2000);
	}
	for (i = 0; i < nr_workers; i++)
		quarry_test_worker_stop(test, &workers[i]);
	expect_bounded(test, heap);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === Layers === */

static void add_run_fronts(struct quarry_heap *heap, struct quarry_reach *reach)
{
	struct quarry_mags_stats stats;
	unsigned int order;

	for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++) {
		quarry_mags_get_stats(&to_priv(heap)->runs.fronts[0][order].mags, &stats);
		quarry_reach_add(reach, &stats, QUARRY_LAYER_BUDDY);
	}
}

static void add_cache(struct quarry_cache *cache, struct quarry_reach *reach)
{
	struct quarry_mags_stats stats;

	quarry_mags_get_stats(mags_of(cache), &stats);
	quarry_reach_add(reach, &stats, QUARRY_LAYER_SLAB);
}

static void first_uses_are_told_from_others(struct kunit *test)
{
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct quarry_heap *heap = slow_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	struct quarry_reach first = {}, same = {}, again = {};

	migrate_disable();
	take(test, cache, objs, NR_OBJS);
	add_cache(cache, &first);
	KUNIT_EXPECT_EQ(test, first.all[0], (unsigned long)NR_OBJS);
	KUNIT_EXPECT_GT(test, first.all[2], 0UL);
	KUNIT_EXPECT_EQ_MSG(test, first.all[2], first.first[2], "nothing was there before");
	KUNIT_EXPECT_GT_MSG(test, first.all[3], 0UL, "slabs were made");
	KUNIT_EXPECT_LE(test, first.all[3], first.all[2]);
	give(cache, objs, NR_OBJS);
	take(test, cache, objs, NR_OBJS / 2);
	add_cache(cache, &same);
	KUNIT_EXPECT_EQ_MSG(test, same.all[2], first.all[2], "they were cached");
	KUNIT_EXPECT_GT(test, same.all[1], first.all[1]);
	give(cache, objs, NR_OBJS / 2);
	quarry_cache_shrink(cache);
	take(test, cache, objs, NR_OBJS / 2);
	add_cache(cache, &again);
	KUNIT_EXPECT_EQ_MSG(test, again.first[2], first.first[2], "there was more before");
	KUNIT_EXPECT_GT(test, quarry_reach_again(&again, 2), 0UL);
	KUNIT_EXPECT_GT(test, quarry_reach_again(&again, 3), 0UL);
	give(cache, objs, NR_OBJS / 2);
	migrate_enable();
}

#define NR_KINDS_OF_OBJS	8
#define NR_SLOTS		400

/* A working set that breathes: more is freed than allocated for a while, then less. */
static void each_layer_is_reached_ten_times_less(struct kunit *test)
{
	void **slots = quarry_test_array(test, NR_SLOTS * (NR_KINDS_OF_OBJS + 1), sizeof(*slots));
	unsigned int i, kind, steps = QUARRY_TEST_LOOPS(400000), phase;
	struct quarry_cache *caches[NR_KINDS_OF_OBJS];
	struct quarry_heap *heap = slow_heap(test);
	struct quarry_reach reach = {};
	struct rnd_state rnd;
	void **slot;

	quarry_test_seed(test, &rnd);
	for (i = 0; i < NR_KINDS_OF_OBJS; i++)
		caches[i] = quarry_test_cache(test, heap, 24 << i % 6, 0, 0, NULL);
	for (i = 0; i < steps; i++) {
		kind = quarry_test_below(&rnd, NR_KINDS_OF_OBJS + 1);
		/* Pages are fewer. */
		slot = &slots[kind * NR_SLOTS +
			      quarry_test_below(&rnd, kind < NR_KINDS_OF_OBJS ? NR_SLOTS : 60)];
		phase = quarry_test_below(&rnd, 4000) < 1000 + i % 4000 / 2;
		if (*slot && phase) {
			if (kind < NR_KINDS_OF_OBJS)
				quarry_cache_free(caches[kind], *slot);
			else
				quarry_free_pages(*slot);
			*slot = NULL;
		} else if (!*slot && !phase) {
			*slot = kind < NR_KINDS_OF_OBJS ?
				quarry_cache_alloc(caches[kind], GFP_KERNEL) :
				quarry_alloc_pages(heap, 0, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, *slot);
		}
	}
	for (i = 0; i < NR_KINDS_OF_OBJS; i++)
		add_cache(caches[i], &reach);
	add_run_fronts(heap, &reach);
	for (i = 0; i < QUARRY_NR_REACHES; i++) {
		kunit_info(test, "layer %u: reached %lu times, %lu of them for the first\n", i,
			   reach.all[i], reach.first[i]);
		if (i)
			KUNIT_EXPECT_LE_MSG(test, 10 * quarry_reach_again(&reach, i),
					    quarry_reach_again(&reach, i - 1), "layer %u", i);
	}
	KUNIT_EXPECT_GT_MSG(test, quarry_reach_again(&reach, 1), 0UL, "depots were of use");
	for (i = 0; i < NR_SLOTS * (NR_KINDS_OF_OBJS + 1); i++) {
		if (slots[i] && i < NR_SLOTS * NR_KINDS_OF_OBJS)
			quarry_cache_free(caches[i / NR_SLOTS], slots[i]);
		else if (slots[i])
			quarry_free_pages(slots[i]);
	}
}

static struct kunit_case capacity_cases[] = {
	KUNIT_CASE(idle_front_falls_back),
	KUNIT_CASE(busy_front_keeps_its_capacity),
	KUNIT_CASE(depot_keeps_the_working_set),
	KUNIT_CASE(decay_never_means_never),
	KUNIT_CASE(worker_empties_an_idle_heap),
	KUNIT_CASE(busy_lock_counts_for_more),
	KUNIT_CASE(a_cpu_holds_no_more_than_its_bound),
	KUNIT_CASE(ticks_and_bounds_with_traffic),
	KUNIT_CASE(first_uses_are_told_from_others),
	KUNIT_CASE(each_layer_is_reached_ten_times_less),
	{}
};

struct kunit_suite quarry_capacity_suite = {
	.name = "quarry_capacity",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = capacity_cases,
};
