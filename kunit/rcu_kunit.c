// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_rcu: frees that wait for a grace period, memory that stays of one type.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched/clock.h>
#include "../src/cache.h"
#include "../src/heap.h"
#include "helpers.h"

#define OBJ_SIZE	200
#define NR_OBJS		1000U
#define NR_TYPED	8000U		/* more than magazines and depots keep */
#define NR_RUNS		1000U

static struct quarry_slab_cache *slab_cache_of(struct quarry_cache *cache)
{
	return to_slab_cache(cache);
}

static unsigned long nr_waiting(struct quarry_cache *cache)
{
	return quarry_mags_nr_waiting(&slab_cache_of(cache)->mags);
}

static long waiting_bytes(struct quarry_heap *heap)
{
	return atomic_long_read(&to_priv(heap)->pages.defer.waiting);
}

static void alloc_filled(struct kunit *test, struct quarry_cache *cache, void **objs,
			 unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		objs[i] = quarry_cache_alloc(cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
		quarry_test_fill(objs[i], OBJ_SIZE, i);
	}
}

static unsigned int nr_intact(void **objs, unsigned int nr)
{
	unsigned int i, intact = 0;

	for (i = 0; i < nr; i++)
		intact += quarry_test_check(objs[i], OBJ_SIZE, i);
	return intact;
}

/* === A thread that is a reader === */

struct reader {
	struct quarry_test_worker worker;
	void **objs;
	unsigned int nr;
	size_t size;
	unsigned int ms;
	bool inside;
	bool left;
	bool (*check)(const void *obj, size_t size, u64 tag);
};

/* Does not sleep: preemption may be what holds the grace period back. */
static void reader_main(struct quarry_test_worker *worker)
{
	struct reader *reader = worker->arg;
	unsigned int i;
	u64 end;

	rcu_read_lock();
	WRITE_ONCE(reader->inside, true);
	end = local_clock() + (u64)reader->ms * NSEC_PER_MSEC;
	while (local_clock() < end)
		cpu_relax();
	for (i = 0; i < reader->nr; i++)
		if (!reader->check(reader->objs[i], reader->size, i))
			quarry_test_worker_fail(worker, "object changed", i);
	WRITE_ONCE(reader->left, true);
	rcu_read_unlock();
}

static void reader_start(struct kunit *test, struct reader *reader)
{
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&reader->worker, 1, quarry_test_cpu(1), 0,
						       reader_main, reader), 0);
	while (!READ_ONCE(reader->inside))
		cond_resched();
}

/* === quarry_free_rcu() === */

static void waits_for_readers(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	void **more = quarry_test_array(test, NR_OBJS, sizeof(*more));
	unsigned int i, k, intact, reused = 0, waiting;

	alloc_filled(test, cache, objs, NR_OBJS);
	rcu_read_lock();
	for (i = 0; i < NR_OBJS; i++)
		quarry_free_rcu(objs[i]);
	waiting = nr_waiting(cache);
	for (i = 0; i < NR_OBJS; i++) {
		more[i] = quarry_cache_alloc(cache, GFP_NOWAIT);
		if (more[i])
			memset(more[i], 0xff, OBJ_SIZE);
	}
	intact = nr_intact(objs, NR_OBJS);
	rcu_read_unlock();

	for (i = 0; i < NR_OBJS; i++)
		for (k = 0; more[i] && k < NR_OBJS; k++)
			reused += more[i] == objs[k];
	KUNIT_EXPECT_EQ(test, intact, NR_OBJS);
	KUNIT_EXPECT_EQ(test, reused, 0U);
	/* Some may be on their way from a CPU into the count. */
	KUNIT_EXPECT_LE(test, waiting, NR_OBJS);
	KUNIT_EXPECT_GE(test, waiting, NR_OBJS - 2 * QUARRY_MAGAZINE_MAX_CAPACITY);
	for (i = 0; i < NR_OBJS; i++)
		if (more[i])
			quarry_cache_free(cache, more[i]);
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	KUNIT_EXPECT_EQ(test, nr_waiting(cache), 0UL);
	KUNIT_EXPECT_EQ(test, waiting_bytes(heap), 0L);
}

/* What waits is allocated, as far as anyone can see. */
static void counts_until_it_is_over(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct quarry_mags_stats stats;
	unsigned int i;

	alloc_filled(test, cache, objs, NR_OBJS);
	rcu_read_lock();
	for (i = 0; i < NR_OBJS; i++)
		quarry_free_rcu(objs[i]);
	quarry_mags_get_stats(&slab_cache_of(cache)->mags, &stats);
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, quarry_mags_nr_live(&stats), (unsigned long)NR_OBJS);
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* No grace period of its own for each: they wait in magazines, and few are left over. */
static void comes_back_without_being_asked(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	unsigned long end = jiffies + 20 * HZ;
	void *objs[5];
	unsigned int i;

	alloc_filled(test, cache, objs, ARRAY_SIZE(objs));
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		quarry_free_rcu(objs[i]);
	while (quarry_test_stats(heap).allocated && time_before(jiffies, end))
		msleep(20);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	KUNIT_EXPECT_EQ(test, waiting_bytes(heap), 0L);
}

static void memory_of_any_kind(struct kunit *test)
{
	static const size_t sizes[] = {
		1, 8, 100, 4096, 5000, 30000, SZ_32K, SZ_64K, 3 * PAGE_SIZE, 70 * PAGE_SIZE, SZ_1M,
	};
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned long end = jiffies + 20 * HZ;
	void *ptrs[2][ARRAY_SIZE(sizes)];
	unsigned int order, i;

	quarry_free_rcu(NULL);
	quarry_free_rcu(ZERO_SIZE_PTR);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ptrs[0][i] = quarry_alloc(heap, sizes[i], GFP_KERNEL);
		ptrs[1][i] = quarry_alloc_data(heap, sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptrs[0][i]);
		KUNIT_ASSERT_NOT_NULL(test, ptrs[1][i]);
		quarry_test_fill(ptrs[0][i], sizes[i], i);
	}
	rcu_read_lock();
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		quarry_free_rcu(ptrs[0][i]);
		quarry_free_rcu(ptrs[1][i]);
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(ptrs[0][i], sizes[i], i),
				      "%zu bytes", sizes[i]);
	rcu_read_unlock();
	for (order = 0; order <= QUARRY_EXTENT_MAX_ORDER; order++) {
		void *pages = quarry_alloc_pages(heap, order, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, pages);
		quarry_free_rcu(pages);
	}
	while (quarry_test_stats(heap).allocated && time_before(jiffies, end))
		msleep(20);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
	KUNIT_EXPECT_EQ(test, waiting_bytes(heap), 0L);
}

static void caches_of_large_objects(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, SZ_64K, 0, 0, NULL);
	void *objs[8];
	unsigned int i;

	/* A magazine holds one of these, so none waits in one. */
	for (i = 0; i < ARRAY_SIZE(objs); i++) {
		objs[i] = quarry_cache_alloc(cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
	}
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		quarry_free_rcu(objs[i]);
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* Frees in hardirq-off sections and where a magazine was being worked on. */
static void from_the_middle_of_a_section(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	struct quarry_front *front = &cache->front;
	unsigned long flags;
	void *objs[64];
	unsigned int i;

	alloc_filled(test, cache, objs, ARRAY_SIZE(objs));
	local_irq_save(flags);
	this_cpu_ptr(front->cpu)->busy = 1;
	for (i = 0; i < 32; i++)
		quarry_free_rcu(objs[i]);
	this_cpu_ptr(front->cpu)->busy = 0;
	for (; i < ARRAY_SIZE(objs); i++)
		quarry_free_rcu(objs[i]);
	local_irq_restore(flags);
	/* The second half may be on its way from the CPU into the count. */
	KUNIT_EXPECT_LE(test, nr_waiting(cache), (unsigned long)ARRAY_SIZE(objs));
	KUNIT_EXPECT_GE(test, nr_waiting(cache), 32UL);
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void what_it_refuses(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	char *obj = quarry_cache_alloc(cache, GFP_KERNEL);
	char *run = quarry_alloc(heap, 70 * PAGE_SIZE, GFP_KERNEL);
	char *block = quarry_alloc_pages(heap, 3, GFP_KERNEL);
	char on_stack = 0;

	KUNIT_ASSERT_TRUE(test, obj && run && block);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_rcu(&on_stack));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_rcu(obj + 8));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_rcu(run + 8));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_rcu(run + PAGE_SIZE));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_rcu(block + PAGE_SIZE));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_rcu(test));
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_REPORTS(test, 1, {
		rcu_read_lock();
		quarry_free_rcu(run);
		quarry_free_rcu(run);
		rcu_read_unlock();
	});
	quarry_free_rcu(obj);
	quarry_free_rcu(block);
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* An object that comes back twice is found by the slab that it goes to. */
static void twice_is_found_by_its_slab(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void *obj = quarry_cache_alloc(cache, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, obj);
	QUARRY_EXPECT_REPORTS(test, 1, {
		quarry_free_rcu(obj);
		quarry_free_rcu(obj);
		quarry_heap_settle(to_priv(heap));
		quarry_cache_shrink(cache);
	});
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* === Tearing down === */

static void destroy_waits(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0, 0, NULL);
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct reader *reader = quarry_test_array(test, 1, sizeof(*reader));
	unsigned int i;

	QUARRY_NEEDS_SMP(test);
	alloc_filled(test, cache, objs, NR_OBJS);
	*reader = (struct reader){ .objs = objs, .nr = NR_OBJS, .size = OBJ_SIZE, .ms = 300,
				   .check = quarry_test_check };
	reader_start(test, reader);
	for (i = 0; i < NR_OBJS; i++)
		quarry_free_rcu(objs[i]);
	KUNIT_EXPECT_FALSE_MSG(test, READ_ONCE(reader->left), "the reader was too fast");
	/* Without a report of objects that were left over. */
	quarry_test_cache_done(test, cache);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(reader->left));
	quarry_test_worker_stop(test, &reader->worker);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void heap_goes_with_waiting_memory(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;
	unsigned int i;

	params.name = quarry_test_name(test);
	heap = quarry_heap_create(&params);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(heap));
	for (i = 0; i < NR_OBJS; i++) {
		void *obj = quarry_alloc(heap, 16 + i, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, obj);
		quarry_free_rcu(obj);
	}
	for (i = 0; i < 9; i++)
		quarry_free_rcu(quarry_alloc_pages(heap, i, GFP_KERNEL));
	/* It waits, too, and has nothing to report. */
	quarry_heap_destroy(heap);
}

/* === Bounds === */

/* A hundred times the limit goes through, and nothing fails. */
static void waiting_memory_is_waited_for(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = SZ_2M };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	unsigned int i, failed = 0, nr = QUARRY_TEST_LOOPS(50000);

	for (i = 0; i < nr; i++) {
		void *obj = quarry_alloc(heap, 4096, GFP_KERNEL);

		if (obj)
			quarry_free_rcu(obj);
		failed += !obj;
	}
	KUNIT_EXPECT_EQ(test, failed, 0U);
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* Who may sleep does not let it become more than a share of the heap. */
static void waiting_memory_is_bounded(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int i, nr = QUARRY_TEST_LOOPS(20000);
	long most = 0;

	for (i = 0; i < nr; i++) {
		void *obj = quarry_alloc(heap, 8192, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, obj);
		quarry_free_rcu(obj);
		most = max(most, waiting_bytes(heap));
	}
	kunit_info(test, "%ld bytes waited at most, %llu were mapped", most,
		   quarry_test_stats(heap).mapped_peak);
	KUNIT_EXPECT_GT(test, most, 0L);
	/* 1 MiB, and what the last extent brought. */
	KUNIT_EXPECT_LE(test, most, (long)SZ_4M);
	KUNIT_EXPECT_LE(test, quarry_test_stats(heap).mapped_peak, (u64)SZ_8M);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === Everything at once === */

#define NR_SLOTS	32
#define RUN_MS		600

struct table {
	struct quarry_heap *heap;
	void __rcu *slots[NR_SLOTS];
};

static size_t size_of_slot(unsigned int i)
{
	return 64U << i % 8;
}

/* Looks at objects that another CPU replaces, and replaces some. */
static void table_worker(struct quarry_test_worker *worker)
{
	struct table *table = worker->arg;

	while (!quarry_test_worker_should_stop()) {
		unsigned int i = quarry_test_below(&worker->rnd, NR_SLOTS);
		size_t size = size_of_slot(i);
		void *obj, *new;

		worker->nr_ops++;
		rcu_read_lock();
		obj = rcu_dereference(table->slots[i]);
		if (obj && !quarry_test_check(obj, size, i))
			quarry_test_worker_fail(worker, "pattern", i);
		rcu_read_unlock();
		if (quarry_test_below(&worker->rnd, 4))
			continue;
		new = quarry_alloc(table->heap, size, GFP_KERNEL);
		if (!new) {
			quarry_test_worker_fail(worker, "allocation", size);
			break;
		}
		quarry_test_fill(new, size, i);
		/* Pairs with rcu_dereference() above. */
		obj = (__force void *)xchg(&table->slots[i], (__force void __rcu *)new);
		quarry_free_rcu(obj);
		if (!(worker->nr_ops & 255))
			cond_resched();
	}
}

static void readers_and_updaters(struct kunit *test)
{
	struct quarry_test_worker workers[2];
	struct quarry_heap *heap = quarry_test_heap(test);
	struct table *table = quarry_test_array(test, 1, sizeof(*table));
	unsigned long end = jiffies + msecs_to_jiffies(RUN_MS);
	struct rnd_state rnd;
	unsigned int i;
	u64 seed = quarry_test_seed(test, &rnd);

	table->heap = heap;
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       seed, table_worker, table), 0);
	while (time_before(jiffies, end)) {
		quarry_heap_trim(heap);
		msleep(20);
	}
	for (i = 0; i < 2; i++)
		quarry_test_worker_stop(test, &workers[i]);
	for (i = 0; i < NR_SLOTS; i++)
		quarry_free_rcu((__force void *)table->slots[i]);
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* === QUARRY_TYPESAFE_BY_RCU === */

#define MAGIC	0x51a7e5afe0b1ec75ULL

struct typed {
	u64 magic;
	u64 value[40];
};

static void typed_ctor(void *obj)
{
	((struct typed *)obj)->magic = MAGIC;
}

static bool is_typed(const void *obj, size_t size, u64 tag)
{
	return READ_ONCE(((const struct typed *)obj)->magic) == MAGIC;
}

/* Slabs without objects go to others of the heap only when readers have left. */
static void memory_keeps_its_type(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, sizeof(struct typed), 0,
						       QUARRY_TYPESAFE_BY_RCU, typed_ctor);
	void **objs = quarry_test_array(test, NR_TYPED, sizeof(*objs));
	void **runs = quarry_test_array(test, NR_RUNS, sizeof(*runs));
	struct reader *reader = quarry_test_array(test, 1, sizeof(*reader));
	struct quarry_slab_cache_stats before, after;
	unsigned int i;

	QUARRY_NEEDS_SMP(test);
	for (i = 0; i < NR_TYPED; i++) {
		objs[i] = quarry_cache_alloc(cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
		((struct typed *)objs[i])->value[3] = i;
	}
	quarry_slab_cache_get_stats(slab_cache_of(cache), &before);
	*reader = (struct reader){ .objs = objs, .nr = NR_TYPED, .size = sizeof(struct typed),
				   .ms = 300, .check = is_typed };
	reader_start(test, reader);
	for (i = 0; i < NR_TYPED; i++)
		quarry_cache_free(cache, objs[i]);
	quarry_slab_cache_get_stats(slab_cache_of(cache), &after);
	/* These would be of the same pages. */
	for (i = 0; i < NR_RUNS && !READ_ONCE(reader->left); i++) {
		runs[i] = quarry_alloc_pages(heap, 1, GFP_NOWAIT);
		if (runs[i])
			memset(runs[i], 0xee, 2 * PAGE_SIZE);
	}
	quarry_test_worker_stop(test, &reader->worker);
	KUNIT_EXPECT_LT_MSG(test, after.nr_slabs, before.nr_slabs,
			    "no slab went back, so nothing was tried");
	for (i = 0; i < NR_RUNS; i++)
		quarry_free(runs[i]);
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* Also without a constructor nothing wipes what a reader may look at. */
static void typesafe_and_zeroing(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0,
						       QUARRY_TYPESAFE_BY_RCU, NULL);
	struct quarry_cache *both;
	void *obj, *again;

	migrate_disable();
	obj = quarry_cache_alloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, obj);
	if (obj) {
		quarry_test_fill(obj, OBJ_SIZE, 7);
		quarry_cache_free(cache, obj);
		again = quarry_cache_alloc(cache, GFP_KERNEL);
		KUNIT_EXPECT_PTR_EQ(test, again, obj);
		KUNIT_EXPECT_TRUE(test, quarry_test_check(again, OBJ_SIZE, 7));
		quarry_cache_free(cache, again);
		again = quarry_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO);
		KUNIT_EXPECT_PTR_EQ(test, again, obj);
		KUNIT_EXPECT_TRUE(test, again && quarry_test_is_zero(again, OBJ_SIZE));
		quarry_cache_free(cache, again);
	}
	migrate_enable();
	QUARRY_QUIETLY(both = quarry_cache_create(heap, "both", OBJ_SIZE, 0,
						  QUARRY_TYPESAFE_BY_RCU | QUARRY_ZEROED, NULL));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(both), -EINVAL);
}

static void typesafe_cache_goes_at_once(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, OBJ_SIZE, 0,
						       QUARRY_TYPESAFE_BY_RCU, NULL);
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	unsigned int i;

	alloc_filled(test, cache, objs, NR_OBJS);
	for (i = 0; i < NR_OBJS; i++) {
		if (i % 2)
			quarry_free_rcu(objs[i]);
		else
			quarry_cache_free(cache, objs[i]);
	}
	quarry_test_cache_done(test, cache);
	quarry_test_heap_done(test, heap);
}

/* What is typesafe comes back to a heap at its limit, too. */
static void typesafe_memory_is_waited_for(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = SZ_256K };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 1024, 0,
						       QUARRY_TYPESAFE_BY_RCU, NULL);
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	void *run;
	unsigned int nr = 0;

	while (nr < NR_OBJS &&
	       (objs[nr] = quarry_cache_alloc(cache, GFP_KERNEL | __GFP_NOWARN)))
		nr++;
	KUNIT_EXPECT_GT(test, nr, 100U);
	KUNIT_EXPECT_LT(test, nr, NR_OBJS);
	while (nr)
		quarry_free_rcu(objs[--nr]);
	QUARRY_EXPECT_VERIFIED(test, heap);
	/* The drains that filling it asked for are ten a second. */
	msleep(150);
	run = quarry_alloc(heap, 100000, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, run);
	quarry_free(run);
}

/* A magazine that is not full waits for nobody but who needs its objects. */
static void few_objects_are_waited_for(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = SZ_64K };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	void *objs[10], *run;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(objs); i++) {
		objs[i] = quarry_alloc(heap, 4096, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
	}
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		quarry_free_rcu(objs[i]);
	run = quarry_alloc(heap, 10 * PAGE_SIZE, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, run);
	quarry_free(run);
}

static void twice_while_it_waits(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, SZ_64K, 0, 0, NULL);
	void *obj = quarry_cache_alloc(cache, GFP_KERNEL);
	void *run = quarry_alloc(heap, 70 * PAGE_SIZE, GFP_KERNEL);
	void *block = quarry_alloc_pages(heap, 5, GFP_KERNEL);

	KUNIT_ASSERT_TRUE(test, obj && run && block);
	/* Each waits in a bitmap. */
	rcu_read_lock();
	quarry_free_rcu(obj);
	quarry_free_rcu(run);
	quarry_free_rcu(block);
	rcu_read_unlock();
	QUARRY_EXPECT_REPORTS(test, 2, {
		quarry_free(run);
		quarry_free_pages(block);
	});
	QUARRY_EXPECT_SOME_REPORTS(test, {
		quarry_cache_free(cache, obj);
		quarry_cache_shrink(cache);
		quarry_heap_settle(to_priv(heap));
		quarry_cache_shrink(cache);
	});
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	KUNIT_EXPECT_EQ(test, waiting_bytes(heap), 0L);
}

static struct kunit_case rcu_cases[] = {
	KUNIT_CASE(waits_for_readers),
	KUNIT_CASE(counts_until_it_is_over),
	KUNIT_CASE(comes_back_without_being_asked),
	KUNIT_CASE(memory_of_any_kind),
	KUNIT_CASE(caches_of_large_objects),
	KUNIT_CASE(from_the_middle_of_a_section),
	KUNIT_CASE(what_it_refuses),
	KUNIT_CASE(twice_is_found_by_its_slab),
	KUNIT_CASE(destroy_waits),
	KUNIT_CASE(heap_goes_with_waiting_memory),
	KUNIT_CASE(waiting_memory_is_waited_for),
	KUNIT_CASE(waiting_memory_is_bounded),
	KUNIT_CASE(readers_and_updaters),
	KUNIT_CASE(memory_keeps_its_type),
	KUNIT_CASE(typesafe_and_zeroing),
	KUNIT_CASE(typesafe_cache_goes_at_once),
	KUNIT_CASE(typesafe_memory_is_waited_for),
	KUNIT_CASE(few_objects_are_waited_for),
	KUNIT_CASE(twice_while_it_waits),
	{}
};

struct kunit_suite quarry_rcu_suite = {
	.name = "quarry_rcu",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = rcu_cases,
};
