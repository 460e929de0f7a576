// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_pool_misuse: what is done wrong with pools is reported, and the pool goes
 * on.
 */
#include <linux/err.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include "../src/pagemap.h"
#include "pool_kunit.h"

struct misuse {
	struct kunit *test;
	struct quarry_heap *heap;
	struct quarry_pool *pool;
	void *objs[32];
};

static void misuse_begin(struct misuse *m, struct kunit *test)
{
	struct quarry_pool_params params = { .name = "misused", .size = 96, .count = 32 };

	m->test = test;
	m->heap = quarry_test_heap(test);
	m->pool = quarry_test_pool(test, m->heap, &params);
}

/* It has all of its objects, each once. */
static void misuse_survived(struct misuse *m)
{
	QUARRY_EXPECT_VERIFIED(m->test, m->heap);
	KUNIT_EXPECT_EQ(m->test, quarry_test_pool_stats(m->pool).out, 0ULL);
	quarry_test_take_all(m->test, m->pool, m->objs, 32, 96);
	KUNIT_EXPECT_NULL(m->test, quarry_pool_take(m->pool));
	quarry_test_check_all(m->test, m->objs, 32, 96);
	quarry_test_give_all(m->pool, m->objs, 32);
	QUARRY_EXPECT_VERIFIED(m->test, m->heap);
}

static void given_twice(struct kunit *test)
{
	struct misuse m;
	void *obj;

	misuse_begin(&m, test);
	obj = quarry_pool_take(m.pool);
	quarry_pool_give(m.pool, obj);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, obj));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, obj));
	misuse_survived(&m);
	/* Also what was never taken. */
	quarry_test_take_all(test, m.pool, m.objs, 32, 96);
	quarry_test_give_all(m.pool, m.objs, 32);
	QUARRY_EXPECT_REPORTS(test, 32, quarry_test_give_all(m.pool, m.objs, 32));
	misuse_survived(&m);
}

static void given_what_is_foreign(struct kunit *test)
{
	void *on_stack, *kmalloced = kmalloc(96, GFP_KERNEL), *ours, *run;
	struct misuse m;

	misuse_begin(&m, test);
	ours = quarry_alloc(m.heap, 96, GFP_KERNEL);
	run = quarry_alloc_pages(m.heap, 2, GFP_KERNEL);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, &on_stack));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, kmalloced));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, ours));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, run));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, (void *)1UL));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, (void *)-8L));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, (void *)(1UL << 47)));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, m.pool));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, given_what_is_foreign));
	quarry_free(ours);
	quarry_free_pages(run);
	kfree(kmalloced);
	misuse_survived(&m);
}

/* Neither inside of an object nor what is behind the last one. */
static void given_what_is_inside(struct kunit *test)
{
	struct misuse m;
	unsigned int i;
	void *obj;

	misuse_begin(&m, test);
	obj = quarry_pool_take(m.pool);
	for (i = 1; i < 96; i += 19)
		QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, obj + i));
	quarry_test_take_all(test, m.pool, m.objs, 31, 96);
	/* The last one of the page, 32 of them being less than a page. */
	obj = PTR_ALIGN_DOWN(obj, PAGE_SIZE);
	for (i = 32; i * 96 < PAGE_SIZE; i++)
		QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, obj + 96 * i));
	for (i = 0; i < 32; i++)
		quarry_pool_give(m.pool, obj + 96 * i);
	misuse_survived(&m);
}

static void given_to_the_wrong_pool(struct kunit *test)
{
	struct quarry_pool_params params = { .name = "other", .size = 96, .count = 3 };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool *near, *far;
	struct misuse m;
	void *obj;

	misuse_begin(&m, test);
	near = quarry_test_pool(test, m.heap, &params);
	far = quarry_test_pool(test, heap, &params);
	obj = quarry_pool_take(m.pool);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(near, obj));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(far, obj));
	quarry_pool_give(m.pool, obj);
	obj = quarry_pool_take(far);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(m.pool, obj));
	quarry_pool_give(far, obj);
	misuse_survived(&m);
}

static void freed_instead(struct kunit *test)
{
	struct misuse m;
	void *obj, *page;

	misuse_begin(&m, test);
	obj = quarry_pool_take(m.pool);
	page = PTR_ALIGN_DOWN(obj, PAGE_SIZE);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(obj));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(page));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_pages(page));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_rcu(page));
	KUNIT_EXPECT_EQ(test, quarry_usable_size(obj), 0UL);
	KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(obj), m.heap);
	quarry_pool_give(m.pool, obj);
	misuse_survived(&m);
}

/* What was memory of a pool: not one page says so any more. */
static void expect_no_owner(struct kunit *test, void **objs, unsigned int nr, size_t size)
{
	unsigned long owner;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		preempt_disable();
		owner = quarry_owner(objs[i] + size - 1);
		preempt_enable();
		if ((owner & QUARRY_OWNER_MASK) == QUARRY_OWNER_POOL)
			KUNIT_FAIL(test, "object %u at %p has owner %#lx", i, objs[i], owner);
	}
}

/* Larger than a page each. */
static void given_after_its_chunk_went(struct kunit *test)
{
	struct quarry_pool_params params = { .size = 5000, .count = 20, .max = 200 };
	void **objs = quarry_test_array(test, 200, sizeof(*objs));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool *pool = quarry_test_pool(test, heap, &params);
	unsigned int i;

	quarry_test_grow_fully(test, pool, objs, 200);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).total, 20ULL);
	for (i = 0; i < 200; i++)
		QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(pool, objs[i]));
	/* The base was taken first. */
	expect_no_owner(test, objs + 20, 180, 5000);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_test_grow_fully(test, pool, objs, 200);
}

static void destroyed_with_objects_out(struct kunit *test)
{
	struct quarry_pool_params params = { .size = 5000, .count = 20, .max = 60 };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool *pool, *other = quarry_test_pool(test, heap, &params);
	void *objs[30];
	unsigned int i;

	pool = quarry_test_pool(test, heap, &params);
	for (i = 0; i < 30; i++) {
		objs[i] = quarry_pool_take_gfp(pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
	}
	quarry_test_destroy_expect_reports(1);
	quarry_test_pool_done(test, pool);
	/* They are nobody's now. */
	expect_no_owner(test, objs, 30, 5000);
	for (i = 0; i < 30; i++)
		QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(other, objs[i]));
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void heap_destroyed_with_pools(struct kunit *test)
{
	struct quarry_heap_params heap_params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_pool_params params = { .size = 500, .count = 20, .max = 60 };
	struct quarry_pool *pool, *used;
	struct quarry_heap *heap;

	heap_params.name = quarry_test_name(test);
	heap = quarry_heap_create(&heap_params);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(heap));
	pool = quarry_pool_create(heap, &params);
	used = quarry_pool_create(heap, &params);
	if (!IS_ERR_OR_NULL(used))
		quarry_pool_take(used);
	/* Two pools, and an object of one of them. */
	QUARRY_EXPECT_REPORTS(test, 3, quarry_heap_destroy(heap));
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(pool) || IS_ERR_OR_NULL(used));
}

static struct kunit_case pool_misuse_cases[] = {
	KUNIT_CASE(given_twice),
	KUNIT_CASE(given_what_is_foreign),
	KUNIT_CASE(given_what_is_inside),
	KUNIT_CASE(given_to_the_wrong_pool),
	KUNIT_CASE(freed_instead),
	KUNIT_CASE(given_after_its_chunk_went),
	KUNIT_CASE(destroyed_with_objects_out),
	KUNIT_CASE(heap_destroyed_with_pools),
	{}
};

struct kunit_suite quarry_pool_misuse_suite = {
	.name = "quarry_pool_misuse",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = pool_misuse_cases,
};
