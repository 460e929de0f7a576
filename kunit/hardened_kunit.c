// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_hardened: a hardened heap finds each misuse at once, says who, and works
 * on; and what is no misuse goes unreported.
 */
#include <linux/atomic.h>
#include <linux/kallsyms.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "../src/cache.h"
#include "../src/fault.h"
#include "../src/guard.h"
#include "../src/heap.h"
#include "helpers.h"

#define NR_OBJS		200U
#define POISON		0x6b	/* src/guard.c */

static struct quarry_heap *guarded_heap(struct kunit *test, unsigned int flags)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .flags = flags };

	return quarry_test_heap_params(test, params);
}

static struct quarry_heap *hardened_heap(struct kunit *test)
{
	return guarded_heap(test, QUARRY_HEAP_HARDENED);
}

static struct quarry_cache *hardened_cache(struct kunit *test, size_t size, unsigned int flags)
{
	return quarry_test_cache(test, hardened_heap(test), size, 0, flags, NULL);
}

static unsigned int nr_held(struct quarry_cache *cache)
{
	return quarry_guard_nr_held(to_slab_cache(cache)->guard);
}

static unsigned int capacity(struct quarry_cache *cache)
{
	return to_slab_cache(cache)->guard->capacity;
}

static void *alloc_one(struct kunit *test, struct quarry_cache *cache)
{
	void *obj = quarry_cache_alloc(cache, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, obj);
	return obj;
}

/* Both free and are no tail calls; not alike, or the compiler makes one of them. */
static unsigned int nr_first, nr_again;

static noinline void free_first(struct quarry_cache *cache, void *obj)
{
	quarry_cache_free(cache, obj);
	nr_first++;
}

static noinline void free_again(struct quarry_cache *cache, void *obj)
{
	quarry_cache_free(cache, obj);
	nr_again++;
}

static void expect_said(struct kunit *test, const char *what)
{
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(quarry_report_suppressed(), what),
				  "\"%s\" is not in: %s", what, quarry_report_suppressed());
}

/* Names of functions are only known with kallsyms. */
static void expect_named(struct kunit *test, const char *what)
{
	if (IS_ENABLED(CONFIG_KALLSYMS))
		expect_said(test, what);
}

/* === What is refused === */

static void unknown_flags(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .name = "flags" };

	params.flags = BIT(2);
	QUARRY_EXPECT_REPORTS(test, 1,
			      KUNIT_EXPECT_EQ(test, PTR_ERR(quarry_heap_create(&params)), -EINVAL));
	expect_said(test, "QUARRY_HEAP_TRACK");
}

/* A module parameter makes it so for heaps of any maker. */
static void parameters_add_theirs(struct kunit *test)
{
	bool track = quarry_track_all, hardened = quarry_harden_all;
	unsigned int guards[3];

	quarry_harden_all = false;
	quarry_track_all = false;
	guards[0] = to_priv(guarded_heap(test, 0))->pages.guards;
	quarry_track_all = true;
	guards[1] = to_priv(guarded_heap(test, 0))->pages.guards;
	quarry_harden_all = true;
	guards[2] = to_priv(guarded_heap(test, 0))->pages.guards;
	quarry_track_all = track;
	quarry_harden_all = hardened;
	KUNIT_EXPECT_EQ(test, guards[0], 0U);
	KUNIT_EXPECT_EQ(test, guards[1], (unsigned int)QUARRY_HEAP_TRACK);
	KUNIT_EXPECT_EQ(test, guards[2], (unsigned int)(QUARRY_HEAP_TRACK | QUARRY_HEAP_HARDENED));
}

static void expect_double_free_told(struct kunit *test, unsigned int flags)
{
	struct quarry_heap *heap = guarded_heap(test, flags);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	void *keep = alloc_one(test, cache), *obj = alloc_one(test, cache);

	free_first(cache, obj);
	QUARRY_EXPECT_REPORTS(test, 1, free_again(cache, obj));
	expect_said(test, "double free");
	expect_named(test, "by free_again+");
	expect_named(test, "freed by free_first+");
	expect_said(test, "allocated in alloc_one, ");
	expect_said(test, "hardened_kunit.c:");
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(obj));
	/* It has left the quarantine and the magazines for its slab. */
	quarry_cache_shrink(cache);
	QUARRY_EXPECT_REPORTS(test, 1, free_again(cache, obj));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(obj));
	expect_named(test, "freed by free_first+");
	QUARRY_EXPECT_ALLOCATED(test, heap, 64);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_cache_free(cache, keep);
}

static void double_free(struct kunit *test)
{
	expect_double_free_told(test, QUARRY_HEAP_HARDENED);
}

static void double_free_where_only_tracked(struct kunit *test)
{
	expect_double_free_told(test, QUARRY_HEAP_TRACK);
}

static void double_free_of_sizes(struct kunit *test)
{
	static const size_t sizes[] = { 1, 8, 63, 64, 500, 4096, 20000 };
	struct quarry_heap *heap = hardened_heap(test);
	unsigned int i;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ptr = quarry_alloc_data(heap, sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		quarry_free(ptr);
		QUARRY_EXPECT_REPORTS(test, 1, quarry_free(ptr));
		expect_said(test, "double free");
		QUARRY_EXPECT_REPORTS(test, 1, quarry_free_sensitive(ptr));
		KUNIT_EXPECT_EQ(test, quarry_usable_size(ptr), (size_t)0);
		QUARRY_EXPECT_REPORTS(test, 1,
				      KUNIT_EXPECT_NULL(test, quarry_realloc(heap, ptr, 50000,
									     GFP_KERNEL)));
		/* All that was refused has changed nothing, so it is good to be used again. */
		quarry_heap_trim(heap);
		ptr = quarry_alloc_data(heap, sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		quarry_free(ptr);
	}
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* Whatever it is that is freed: one report that names who did, and nothing is written. */
static void expect_refused(struct kunit *test, struct quarry_cache *cache, void *ptr,
			   const char *why)
{
	u8 before[16], *at = PTR_ALIGN_DOWN((u8 *)ptr, 16);

	memcpy(before, at, 16);
	QUARRY_EXPECT_REPORTS(test, 1, free_again(cache, ptr));
	expect_said(test, why);
	expect_named(test, "by free_again+");
	KUNIT_EXPECT_MEMEQ(test, at, before, 16);
}

static void interior_foreign_and_stack(struct kunit *test)
{
	struct quarry_heap *heap = hardened_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	void *obj = alloc_one(test, cache), *page = quarry_alloc_pages(heap, 0, GFP_KERNEL);
	void *foreign = kunit_kzalloc(test, 64, GFP_KERNEL);
	u64 on_stack[8] = { 1, 2, 3 };
	static u64 fixed[8];

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_NOT_NULL(test, foreign);
	quarry_test_fill(obj, 64, 1);
	expect_refused(test, cache, obj + 8, "not the start of an object");
	expect_said(test, "allocated in alloc_one, ");
	expect_refused(test, cache, obj + 63, "not the start of an object");
	expect_refused(test, cache, obj + 64, "not the start of an object");
	expect_refused(test, cache, foreign, "in no slab");
	expect_refused(test, cache, on_stack, "in no slab");
	expect_refused(test, cache, fixed, "in no slab");
	expect_refused(test, cache, page, "in no slab");
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(obj + 8));
	expect_said(test, "allocated in alloc_one, ");
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(foreign));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(on_stack));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(page + 64));
	/* Nobody may follow these. */
	QUARRY_EXPECT_REPORTS(test, 1, free_again(cache, NULL));
	QUARRY_EXPECT_REPORTS(test, 1, free_again(cache, (void *)8));
	QUARRY_EXPECT_REPORTS(test, 1, free_again(cache, ERR_PTR(-ENOMEM)));
	KUNIT_EXPECT_TRUE(test, quarry_test_check(obj, 64, 1));
	QUARRY_EXPECT_ALLOCATED(test, heap, 64 + PAGE_SIZE);
	quarry_cache_free(cache, obj);
	quarry_free_pages(page);
}

static void wrong_cache(struct kunit *test)
{
	struct quarry_heap *heap = hardened_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	struct quarry_cache *same = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	struct quarry_cache *other = hardened_cache(test, 64, 0);
	void *obj = alloc_one(test, cache), *sized = quarry_alloc(heap, 64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, sized);
	quarry_test_fill(obj, 64, 2);
	expect_refused(test, same, obj, "belongs to cache");
	expect_said(test, "allocated in alloc_one, ");
	expect_refused(test, other, obj, "belongs to cache");
	expect_refused(test, cache, sized, "belongs to cache size-64");
	QUARRY_EXPECT_REPORTS(test, 1, quarry_cache_free_bulk(other, 1, &obj));
	KUNIT_EXPECT_TRUE(test, quarry_test_check(obj, 64, 2));
	QUARRY_EXPECT_ALLOCATED(test, heap, 128);
	quarry_cache_free(cache, obj);
	quarry_free(sized);
}

static void misuse_in_bulk(struct kunit *test)
{
	struct quarry_cache *cache = hardened_cache(test, 40, 0);
	void *objs[20];

	KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, 20, objs), 20U);
	objs[3] += 8;
	objs[7] = objs[6];
	QUARRY_EXPECT_REPORTS(test, 2, quarry_cache_free_bulk(cache, 18, objs));
	objs[3] -= 8;
	quarry_cache_free(cache, objs[3]);
	quarry_cache_free_bulk(cache, 2, objs + 18);
	/* Where the second one of a pair stood is one that is live still. */
	QUARRY_EXPECT_ALLOCATED(test, to_slab_cache(cache)->heap, 40);
	quarry_test_destroy_expect_reports(1);
	quarry_test_cache_done(test, cache);
}

static void pages_are_watched(struct kunit *test)
{
	static const unsigned int counts[] = { 1, 2, 3, 8, 9, 16, 64 };
	struct quarry_heap *heap = hardened_heap(test);
	unsigned int i;
	void *run;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		run = quarry_alloc_pages_exact(heap, counts[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, run);
		memset(run, 0xff, counts[i] * PAGE_SIZE);
		QUARRY_EXPECT_REPORTS(test, 1, quarry_free(run + 8));
		if (counts[i] > 1)
			QUARRY_EXPECT_REPORTS(test, 1, quarry_free_pages(run + PAGE_SIZE));
		QUARRY_EXPECT_ALLOCATED(test, heap, counts[i] * PAGE_SIZE);
		quarry_free_pages(run);
		QUARRY_EXPECT_REPORTS(test, 1, quarry_free_pages(run));
		expect_said(test, "allocated in ");
		expect_said(test, __func__);
		QUARRY_EXPECT_REPORTS(test, 1, quarry_free(run));
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	}
	run = quarry_alloc_pages(heap, 0, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run);
	memset(run, 0xff, PAGE_SIZE);
	quarry_free_order(heap, run, 0);
	KUNIT_EXPECT_TRUE_MSG(test, quarry_test_is_zero(run, PAGE_SIZE), "wiped");
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_order(heap, run, 0));
	KUNIT_EXPECT_EQ(test, quarry_usable_size(run), (size_t)0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === What is written where it should not be === */

/* Takes all that the cache has until @obj comes; how many that were. */
static unsigned int alloc_until(struct kunit *test, struct quarry_cache *cache, void *obj,
				void **objs)
{
	unsigned int n = 0;

	do {
		objs[n] = alloc_one(test, cache);
	} while (objs[n++] != obj && n < NR_OBJS);
	KUNIT_EXPECT_PTR_EQ(test, objs[n - 1], obj);
	return n;
}

static void write_after_free(struct kunit *test)
{
	static const unsigned int offsets[] = { 0, 1, 31, 63, 64, 71 };
	struct quarry_cache *cache = hardened_cache(test, 64, QUARRY_DATA);
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	void *keep = alloc_one(test, cache);
	unsigned int i, n = 0;
	u8 *obj;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		/* Of the one slab that is left, which stays. */
		quarry_cache_shrink(cache);
		obj = alloc_one(test, cache);
		free_first(cache, obj);
		obj[offsets[i]] ^= 0x20;
		quarry_cache_shrink(cache);
		QUARRY_EXPECT_REPORTS(test, 1, n = alloc_until(test, cache, obj, objs));
		expect_said(test, offsets[i] < 64 ? "free object" : "red zone");
		expect_named(test, "freed by free_first+");
		expect_said(test, "allocated in alloc_one, ");
		quarry_cache_free_bulk(cache, n, objs);
		quarry_cache_shrink(cache);
		/* It was mended. */
		n = alloc_until(test, cache, obj, objs);
		quarry_cache_free_bulk(cache, n, objs);
	}
	quarry_cache_free(cache, keep);
}

static void overrun(struct kunit *test)
{
	static const size_t sizes[] = { 1, 7, 8, 24, 64, 100, 1000, 4096, 70000 };
	struct quarry_heap *heap = hardened_heap(test);
	struct quarry_cache *cache;
	unsigned int i;
	u8 *obj;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		cache = quarry_test_cache(test, heap, sizes[i], 0, QUARRY_DATA, NULL);
		obj = alloc_one(test, cache);
		memset(obj, 0, sizes[i]);
		obj[sizes[i]] = 0;
		QUARRY_EXPECT_REPORTS(test, 1, quarry_cache_free(cache, obj));
		expect_said(test, "red zone");
		expect_said(test, "allocated in alloc_one, ");
		quarry_cache_shrink(cache);
		obj = alloc_one(test, cache);
		memset(obj, 0, sizes[i]);
		quarry_cache_free(cache, obj);
		quarry_test_cache_done(test, cache);
	}
}

static void wipes_what_is_freed(struct kunit *test)
{
	struct quarry_cache *cache = hardened_cache(test, 200, QUARRY_DATA);
	u8 *obj = alloc_one(test, cache);

	quarry_test_fill(obj, 200, 7);
	quarry_cache_free(cache, obj);
	KUNIT_EXPECT_NULL(test, memchr_inv(obj, want_init_on_free() ? 0 : POISON, 200));
}

static void ctor(void *obj)
{
	memset(obj, 0x5c, 48);
}

static void constructed_objects_stay_so(struct kunit *test)
{
	struct quarry_cache *cache = quarry_test_cache(test, hardened_heap(test), 48, 0, 0, ctor);
	void *objs[NR_OBJS];
	unsigned int i, round;
	u8 *obj;

	for (round = 0; round < 3; round++) {
		KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, NR_OBJS, objs),
				NR_OBJS);
		for (i = 0; i < NR_OBJS; i++)
			KUNIT_EXPECT_NULL(test, memchr_inv(objs[i], 0x5c, 48));
		quarry_cache_free_bulk(cache, NR_OBJS, objs);
	}
	QUARRY_EXPECT_REPORTS(test, 1, quarry_cache_free(cache, objs[0]));
	obj = alloc_one(test, cache);
	obj[48] = 0;
	QUARRY_EXPECT_REPORTS(test, 1, quarry_cache_free(cache, obj));
	QUARRY_EXPECT_REPORTS(test, 1,
			      KUNIT_EXPECT_NULL(test, quarry_cache_alloc(cache, GFP_KERNEL |
									 __GFP_ZERO)));
}

static void zeroes_what_is_asked_for(struct kunit *test)
{
	struct quarry_cache *zeroed = hardened_cache(test, 100, QUARRY_ZEROED);
	struct quarry_cache *plain = hardened_cache(test, 100, 0);
	void *objs[NR_OBJS];
	unsigned int i;

	for (i = 0; i < NR_OBJS; i++) {
		objs[i] = i % 2 ? alloc_one(test, zeroed) :
				  quarry_cache_alloc(plain, GFP_KERNEL | __GFP_ZERO);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
		KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(objs[i], 100));
		memset(objs[i], 1, 100);
		quarry_cache_free(i % 2 ? zeroed : plain, objs[i]);
	}
	KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(plain, GFP_KERNEL | __GFP_ZERO, NR_OBJS,
						      objs), NR_OBJS);
	for (i = 0; i < NR_OBJS; i++)
		KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(objs[i], 100));
	quarry_cache_free_bulk(plain, NR_OBJS, objs);
}

/* Claimed at once, readable until the grace period has passed, wiped then. */
static void frees_that_wait(struct kunit *test)
{
	struct quarry_heap *heap = hardened_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 80, 0, QUARRY_DATA, NULL);
	void *keep = alloc_one(test, cache), *run = quarry_alloc_pages(heap, 1, GFP_KERNEL);
	u8 *obj = alloc_one(test, cache);

	KUNIT_ASSERT_NOT_NULL(test, run);
	quarry_test_fill(obj, 80, 3);
	quarry_test_fill(run, 2 * PAGE_SIZE, 4);
	rcu_read_lock();
	quarry_free_rcu(obj);
	quarry_free_rcu(run);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(obj, 80, 3));
	KUNIT_EXPECT_TRUE(test, quarry_test_check(run, 2 * PAGE_SIZE, 4));
	rcu_read_unlock();
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_rcu(obj));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_rcu(run));
	QUARRY_EXPECT_REPORTS(test, 1, free_again(cache, obj));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(run));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_rcu(obj + 8));
	quarry_heap_settle(to_priv(heap));
	KUNIT_EXPECT_NULL(test, memchr_inv(obj, want_init_on_free() ? 0 : POISON, 80));
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(run, 2 * PAGE_SIZE));
	QUARRY_EXPECT_ALLOCATED(test, heap, 80);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_cache_free(cache, keep);
}

/* Readers may still look at what is freed: it is not written to. */
static void typesafe_objects_stay_readable(struct kunit *test)
{
	struct quarry_cache *cache = hardened_cache(test, 80, QUARRY_TYPESAFE_BY_RCU);
	u8 *obj = alloc_one(test, cache);

	quarry_test_fill(obj, 80, 5);
	quarry_cache_free(cache, obj);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(obj, 80, 5));
	QUARRY_EXPECT_REPORTS(test, 1, free_again(cache, obj));
	obj = alloc_one(test, cache);
	obj[80] = 0;
	QUARRY_EXPECT_REPORTS(test, 1, quarry_cache_free(cache, obj));
}

/* === Quarantine, order === */

static void quarantine_is_first_in_first_out(struct kunit *test)
{
	struct quarry_cache *cache = hardened_cache(test, 64, 0);
	unsigned int i, n = capacity(cache);
	void *objs[2 * QUARRY_QUARANTINE_OBJS], *obj;

	KUNIT_ASSERT_EQ(test, n, QUARRY_QUARANTINE_OBJS);
	KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, 2 * n, objs), 2 * n);
	for (i = 0; i < n; i++)
		quarry_cache_free(cache, objs[i]);
	KUNIT_EXPECT_EQ(test, nr_held(cache), n);
	QUARRY_EXPECT_ALLOCATED(test, to_slab_cache(cache)->heap, n * 64);
	QUARRY_EXPECT_VERIFIED(test, to_slab_cache(cache)->heap);
	/* Each further one lets the oldest go, which the magazine hands out next. */
	for (i = 0; i < n; i++) {
		quarry_cache_free(cache, objs[n + i]);
		obj = alloc_one(test, cache);
		KUNIT_EXPECT_PTR_EQ(test, obj, objs[i]);
	}
	for (i = 0; i < n; i++)
		quarry_cache_free(cache, objs[i]);
	KUNIT_EXPECT_EQ(test, nr_held(cache), n);
	quarry_cache_shrink(cache);
	KUNIT_EXPECT_EQ(test, nr_held(cache), 0U);
	KUNIT_EXPECT_EQ(test, to_slab_cache(cache)->nr_slabs, 0UL);
	QUARRY_EXPECT_ALLOCATED(test, to_slab_cache(cache)->heap, 0);
}

static void quarantine_is_bounded(struct kunit *test)
{
	struct quarry_heap *heap = hardened_heap(test);
	struct quarry_cache *large = quarry_test_cache(test, heap, 100000, 0, 0, NULL);
	struct quarry_cache *medium = quarry_test_cache(test, heap, 10000, 0, 0, NULL);
	void *obj;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, capacity(large), 0U);
	KUNIT_EXPECT_LE(test, capacity(medium) * 10000U, QUARRY_QUARANTINE_BYTES);
	for (i = 0; i < 3; i++) {
		obj = alloc_one(test, large);
		quarry_cache_free(large, obj);
	}
	quarry_cache_free(medium, alloc_one(test, medium));
	KUNIT_EXPECT_EQ(test, nr_held(medium), 1U);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, nr_held(medium), 0U);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

/* Rather than fail, an allocation takes what waits there; so does one that cannot grow. */
static void quarantine_serves_who_finds_nothing(struct kunit *test)
{
	struct quarry_heap_params params = {
		QUARRY_HEAP_DEFAULTS,
		.flags = QUARRY_HEAP_HARDENED,
		.limit = SZ_64K,
		/* All of it: an extent that a worker is taking just then would be missed. */
		.reserve = SZ_64K,
	};
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 1000, 0, 0, NULL);
	void *objs[NR_OBJS];
	unsigned int round, i, n = 0;

	/* The rest is in this CPU's magazines, and who must not wait looks in no other's. */
	migrate_disable();
	for (round = 0; round < 2; round++) {
		for (i = 0; i < NR_OBJS; i++) {
			objs[i] = quarry_cache_alloc(cache, GFP_NOWAIT | __GFP_NOWARN);
			if (!objs[i])
				break;
		}
		KUNIT_EXPECT_GE(test, i, 60U);
		KUNIT_EXPECT_TRUE(test, !n || i == n);
		n = i;
		quarry_cache_free_bulk(cache, n, objs);
		KUNIT_EXPECT_EQ(test, nr_held(cache), min(n, capacity(cache)));
	}
	migrate_enable();
}

static void alignment_is_as_ever(struct kunit *test)
{
	struct quarry_heap *heap = hardened_heap(test);
	size_t size;
	void *p, *q;

	for (size = 8; size < QUARRY_CLASS_MAX_SIZE; size *= 2) {
		p = quarry_alloc(heap, size, GFP_KERNEL);
		q = quarry_alloc(heap, size, GFP_KERNEL);
		KUNIT_EXPECT_TRUE_MSG(test, IS_ALIGNED((unsigned long)p | (unsigned long)q, size),
				      "%p and %p of %zu bytes", p, q, size);
		quarry_free(p);
		quarry_free(q);
	}
}

static void order_cannot_be_foretold(struct kunit *test)
{
	struct quarry_heap *heap = hardened_heap(test);
	void *a[64], *b[64];
	unsigned int i, falls = 0, same = 0;
	struct quarry_cache *cache = quarry_test_cache(test, heap, 32, 0, 0, NULL);
	struct quarry_cache *twin = quarry_test_cache(test, heap, 32, 0, 0, NULL);

	for (i = 0; i < 64; i++) {
		a[i] = alloc_one(test, cache);
		b[i] = alloc_one(test, twin);
		falls += i && a[i] < a[i - 1];
		same += i && a[i] - a[i - 1] == b[i] - b[i - 1];
	}
	/* Of 63 steps; in order it would be 0 or 63, and 63. */
	KUNIT_EXPECT_GT(test, falls, 12U);
	KUNIT_EXPECT_LT(test, falls, 51U);
	KUNIT_EXPECT_LT(test, same, 16U);
	quarry_cache_free_bulk(cache, 64, a);
	quarry_cache_free_bulk(twin, 64, b);
}

/* === Under way === */

struct piece {
	void *ptr;
	size_t len;
	u64 tag;
};

static void model_step(struct kunit *test, struct quarry_heap *heap, struct rnd_state *rnd,
		       struct piece *p)
{
	void *new;

	if (p->ptr && !quarry_test_check(p->ptr, p->len, p->tag))
		KUNIT_FAIL(test, "%zu bytes at %p were written to", p->len, p->ptr);
	if (p->ptr && quarry_test_below(rnd, 4)) {
		quarry_free(p->ptr);
		p->ptr = NULL;
		return;
	}
	p->len = 1 + quarry_test_below(rnd, 16U << quarry_test_below(rnd, 12));
	new = p->ptr ? quarry_realloc(heap, p->ptr, p->len, GFP_KERNEL) :
	      quarry_test_below(rnd, 2) ? quarry_alloc(heap, p->len, GFP_KERNEL) :
	      quarry_alloc_data(heap, p->len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, new);
	p->ptr = new;
	p->tag = prandom_u32_state(rnd);
	quarry_test_fill(p->ptr, p->len, p->tag);
}

static void agrees_with_a_model(struct kunit *test)
{
	struct quarry_heap *heap = hardened_heap(test);
	struct piece *pieces = quarry_test_array(test, NR_OBJS, sizeof(*pieces));
	struct rnd_state rnd;
	unsigned int i;

	quarry_test_seed(test, &rnd);
	for (i = 0; i < QUARRY_TEST_LOOPS(40000); i++) {
		model_step(test, heap, &rnd, &pieces[quarry_test_below(&rnd, NR_OBJS)]);
		if (i % 4000 == 0)
			quarry_heap_trim(heap);
		if (i % 4000 == 2000)
			QUARRY_EXPECT_VERIFIED(test, heap);
	}
	for (i = 0; i < NR_OBJS; i++)
		quarry_free(pieces[i].ptr);
}

static void use_all(struct kunit *test, struct quarry_heap *heap)
{
	struct quarry_cache *cache = quarry_cache_create(heap, "walk", 72, 0, 0, NULL);
	void *ptrs[8] = {}, *objs[30];
	unsigned int i;

	if (!IS_ERR(cache)) {
		if (quarry_cache_alloc_bulk(cache, GFP_KERNEL, 30, objs))
			quarry_cache_free_bulk(cache, 30, objs);
		ptrs[0] = quarry_cache_alloc(cache, GFP_KERNEL);
		if (ptrs[0])
			quarry_cache_free(cache, ptrs[0]);
		ptrs[0] = NULL;
		quarry_cache_destroy(cache);
	}
	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = i % 2 ? quarry_alloc(heap, 100 << i, GFP_KERNEL) :
				  quarry_alloc_pages_exact(heap, 1 + 3 * i, GFP_KERNEL);
	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		quarry_free(ptrs[i]);
}

static void end_faults(void *unused)
{
	quarry_fault_test_end();
}

static void each_attempt_fails_once(struct kunit *test)
{
	unsigned long n, injected = 1;
	struct quarry_heap *heap;

	KUNIT_ASSERT_EQ(test, quarry_fault_test_begin(), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_faults, NULL), 0);
	for (n = 1; injected && n < 400; n++) {
		heap = hardened_heap(test);
		quarry_fault_test_arm(QUARRY_FAULT_ANY, n, 1);
		use_all(test, heap);
		injected = quarry_fault_test_nr_injected();
		quarry_fault_test_arm(QUARRY_FAULT_ANY, 0, 0);
		QUARRY_EXPECT_VERIFIED(test, heap);
		quarry_test_heap_done(test, heap);
	}
	KUNIT_EXPECT_GT(test, n, 20UL);
	KUNIT_EXPECT_EQ(test, injected, 0UL);
	kunit_info(test, "%lu attempts\n", n - 2);
}

/* Both CPUs free the same objects: of each pair one is told. */
struct race {
	struct quarry_cache *cache;
	void *objs[NR_OBJS];
	atomic_t arrived;
};

static void race_worker(struct quarry_test_worker *worker)
{
	struct race *race = worker->arg;
	unsigned int i;

	for (i = 0; i < NR_OBJS; i++) {
		atomic_inc(&race->arrived);
		while (atomic_read(&race->arrived) < 2 * (i + 1) &&
		       !quarry_test_worker_should_stop())
			cpu_relax();
		quarry_cache_free(race->cache, race->objs[i]);
		worker->nr_ops++;
	}
}

static void two_free_the_same(struct kunit *test)
{
	struct race *race = quarry_test_array(test, 1, sizeof(*race));
	struct quarry_test_worker workers[2];
	unsigned long begin;
	unsigned int i;

	QUARRY_NEEDS_SMP(test);
	race->cache = hardened_cache(test, 64, 0);
	KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(race->cache, GFP_KERNEL, NR_OBJS,
						      race->objs), NR_OBJS);
	begin = quarry_test_reports_begin();
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       0, race_worker, race), 0);
	while (READ_ONCE(workers[0].nr_ops) < NR_OBJS || READ_ONCE(workers[1].nr_ops) < NR_OBJS)
		schedule_timeout_uninterruptible(1);
	for (i = 0; i < 2; i++)
		quarry_test_worker_stop(test, &workers[i]);
	KUNIT_EXPECT_EQ(test, quarry_test_reports_end(begin), (unsigned long)NR_OBJS);
	QUARRY_EXPECT_ALLOCATED(test, to_slab_cache(race->cache)->heap, 0);
	QUARRY_EXPECT_VERIFIED(test, to_slab_cache(race->cache)->heap);
}

static void on_a_backing(struct kunit *test)
{
	struct quarry_heap_params params = {
		QUARRY_HEAP_DEFAULTS,
		.flags = QUARRY_HEAP_HARDENED,
		.backing_size = SZ_1M,
	};
	struct quarry_heap *heap;

	params.backing = (void *)__get_free_pages(GFP_KERNEL, get_order(SZ_1M));
	KUNIT_ASSERT_NOT_NULL(test, params.backing);
	heap = quarry_test_heap_params(test, params);
	use_all(test, heap);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_test_heap_done(test, heap);
	free_pages((unsigned long)params.backing, get_order(SZ_1M));
}

static struct kunit_case hardened_cases[] = {
	KUNIT_CASE(unknown_flags),
	KUNIT_CASE(parameters_add_theirs),
	KUNIT_CASE(double_free),
	KUNIT_CASE(double_free_where_only_tracked),
	KUNIT_CASE(double_free_of_sizes),
	KUNIT_CASE(interior_foreign_and_stack),
	KUNIT_CASE(wrong_cache),
	KUNIT_CASE(misuse_in_bulk),
	KUNIT_CASE(pages_are_watched),
	KUNIT_CASE(write_after_free),
	KUNIT_CASE(overrun),
	KUNIT_CASE(wipes_what_is_freed),
	KUNIT_CASE(constructed_objects_stay_so),
	KUNIT_CASE(zeroes_what_is_asked_for),
	KUNIT_CASE(frees_that_wait),
	KUNIT_CASE(typesafe_objects_stay_readable),
	KUNIT_CASE(quarantine_is_first_in_first_out),
	KUNIT_CASE(quarantine_is_bounded),
	KUNIT_CASE(quarantine_serves_who_finds_nothing),
	KUNIT_CASE(alignment_is_as_ever),
	KUNIT_CASE(order_cannot_be_foretold),
	KUNIT_CASE(agrees_with_a_model),
	KUNIT_CASE(each_attempt_fails_once),
	KUNIT_CASE(two_free_the_same),
	KUNIT_CASE(on_a_backing),
	{}
};

struct kunit_suite quarry_hardened_suite = {
	.name = "quarry_hardened",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = hardened_cases,
};
