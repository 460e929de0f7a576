// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_pool: what pools promise, one task at a time.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/shrinker.h>
#include "../src/fault.h"
#include "../src/reclaim.h"
#include "pool_kunit.h"

#define MAX_OBJS	400
#define PATIENCE	(10 * HZ)

struct quarry_pool_stats quarry_test_pool_stats(struct quarry_pool *pool)
{
	struct quarry_pool_stats stats;

	quarry_pool_get_stats(pool, &stats);
	return stats;
}

void quarry_test_take_all(struct kunit *test, struct quarry_pool *pool, void **objs,
			  unsigned int nr, size_t size)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		objs[i] = quarry_pool_take(pool);
		KUNIT_ASSERT_NOT_NULL_MSG(test, objs[i], "object %u of %u", i, nr);
		quarry_test_fill(objs[i], size, i);
	}
}

void quarry_test_check_all(struct kunit *test, void **objs, unsigned int nr, size_t size)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!quarry_test_check(objs[i], size, i))
			KUNIT_FAIL(test, "object %u at %p is damaged", i, objs[i]);
}

void quarry_test_give_all(struct quarry_pool *pool, void **objs, unsigned int nr)
{
	while (nr--)
		quarry_pool_give(pool, objs[nr]);
}

void quarry_test_grow_fully(struct kunit *test, struct quarry_pool *pool, void **objs,
			    unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		objs[i] = quarry_pool_take_gfp(pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
	}
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).total, (u64)nr);
	quarry_test_give_all(pool, objs, nr);
}

/* === A fixed count === */

static void has_its_count_and_no_more(struct kunit *test)
{
	void **objs = quarry_test_array(test, MAX_OBJS, sizeof(*objs));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool_params params = { .name = "fixed", .size = 100, .count = 130 };
	struct quarry_pool *pool = quarry_test_pool(test, heap, &params);
	unsigned int round;

	for (round = 1; round <= 3; round++) {
		quarry_test_take_all(test, pool, objs, 130, 100);
		KUNIT_EXPECT_NULL(test, quarry_pool_take(pool));
		KUNIT_EXPECT_NULL(test, quarry_pool_take_gfp(pool, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).misses, 2ULL * round);
		quarry_test_check_all(test, objs, 130, 100);
		KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).out, 130ULL);
		QUARRY_EXPECT_ALLOCATED(test, heap, 13000);
		QUARRY_EXPECT_VERIFIED(test, heap);
		quarry_test_give_all(pool, objs, 130);
		KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).out, 0ULL);
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
		QUARRY_EXPECT_VERIFIED(test, heap);
	}
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).peak, 130ULL);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).total, 130ULL);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).grown, 0ULL);
	quarry_pool_give(pool, NULL);
	quarry_pool_destroy(NULL);
	quarry_pool_destroy(ERR_PTR(-ENOMEM));
}

struct typed {
	u64 a;
	u8 b[40];
} __aligned(64);

static void typed_pools(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool *pool = QUARRY_POOL(heap, struct typed, .count = 20);
	struct typed *objs[20];
	unsigned int i;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(pool));
	for (i = 0; i < 20; i++) {
		objs[i] = quarry_pool_take(pool);
		KUNIT_EXPECT_NOT_NULL(test, objs[i]);
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)objs[i], 64));
	}
	for (i = 0; i < 20; i++)
		quarry_pool_give(pool, objs[i]);
	quarry_pool_destroy(pool);
}

static void shapes(struct kunit *test)
{
	static const struct {
		size_t size, align;
		unsigned int count, max;
	} shapes[] = {
		{ 1, 1, 1, 0 }, { 1, 1, 400, 0 }, { 8, 0, 3, 0 }, { 24, 8, 400, 0 },
		{ 100, 64, 333, 0 }, { 4096, 0, 9, 0 }, { 4097, 0, 20, 0 },
		{ 4000, 4096, 31, 0 }, { 40000, 32, 11, 0 }, { 262144, 0, 5, 0 },
		{ 262144, 4096, 1, 8 }, { 16, 0, 1, 400 }, { 700, 0, 10, 401 },
		{ 70000, 0, 1, 30 }, { 2048, 2048, 399, 400 },
	};
	void **objs = quarry_test_array(test, MAX_OBJS + 1, sizeof(*objs));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool_params params = { .name = "shape" };
	struct quarry_pool *pool;
	unsigned int i, k, nr;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		params.size = shapes[i].size;
		params.align = shapes[i].align;
		params.count = shapes[i].count;
		params.max = shapes[i].max;
		params.flags = i & 1 ? QUARRY_DATA : 0;
		pool = quarry_test_pool(test, heap, &params);
		nr = params.max ?: params.count;
		for (k = 0; k < nr; k++) {
			objs[k] = quarry_pool_take_gfp(pool, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL_MSG(test, objs[k], "shape %u, object %u", i, k);
			if (!IS_ALIGNED((unsigned long)objs[k], params.align ?: 8))
				KUNIT_FAIL(test, "shape %u: %p", i, objs[k]);
			quarry_test_fill(objs[k], params.size, k);
		}
		KUNIT_EXPECT_NULL_MSG(test, quarry_pool_take_gfp(pool, GFP_KERNEL), "shape %u", i);
		quarry_test_check_all(test, objs, nr, params.size);
		QUARRY_EXPECT_VERIFIED(test, heap);
		quarry_test_give_all(pool, objs, nr);
		QUARRY_EXPECT_VERIFIED(test, heap);
		quarry_test_pool_done(test, pool);
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	}
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

static void expect_no_pool(struct kunit *test, struct quarry_heap *heap,
			   const struct quarry_pool_params *params, const char *what)
{
	struct quarry_pool *pool = NULL;

	QUARRY_EXPECT_REPORTS(test, 1, pool = quarry_pool_create(heap, params));
	KUNIT_EXPECT_TRUE_MSG(test, pool == ERR_PTR(-EINVAL), "%s: %d", what,
			      PTR_ERR_OR_ZERO(pool));
	quarry_pool_destroy(pool);
}

#define EXPECT_NO_POOL(test, heap, ...)						\
	expect_no_pool(test, heap, &(struct quarry_pool_params){ __VA_ARGS__ },	\
		       #__VA_ARGS__)

static void bad_parameters_are_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);

	EXPECT_NO_POOL(test, heap, .size = 0, .count = 1);
	EXPECT_NO_POOL(test, heap, .size = QUARRY_POOL_MAX_SIZE + 1, .count = 1);
	EXPECT_NO_POOL(test, heap, .size = SIZE_MAX, .count = 1);
	EXPECT_NO_POOL(test, heap, .size = 8, .count = 0);
	EXPECT_NO_POOL(test, heap, .size = 8, .count = 0, .max = 8);
	EXPECT_NO_POOL(test, heap, .size = 8, .count = QUARRY_POOL_MAX_OBJS + 1);
	EXPECT_NO_POOL(test, heap, .size = 8, .count = 9, .max = 8);
	EXPECT_NO_POOL(test, heap, .size = 8, .count = 9, .max = UINT_MAX);
	EXPECT_NO_POOL(test, heap, .size = 8, .count = 9, .align = 24);
	EXPECT_NO_POOL(test, heap, .size = 8, .count = 9, .align = 2 * PAGE_SIZE);
	EXPECT_NO_POOL(test, heap, .size = 8, .count = 9, .flags = QUARRY_ZEROED);
	EXPECT_NO_POOL(test, heap, .size = 8, .count = 9, .flags = ~0U);
	EXPECT_NO_POOL(test, heap, .size = 262144, .count = 1, .max = 1026);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void flags_are_refused_not_ignored(struct kunit *test)
{
	static const gfp_t refused[] = {
		__GFP_DMA, __GFP_DMA32, __GFP_HIGHMEM, __GFP_MOVABLE, __GFP_THISNODE,
		__GFP_NOFAIL, __GFP_ACCOUNT, __GFP_ZERO,
	};
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool_params params = { .size = 32, .count = 4 };
	struct quarry_pool *pool = quarry_test_pool(test, heap, &params);
	void *obj = NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		/* The build may lack one of them; 0 is no flag to refuse. */
		if (!refused[i])
			continue;
		QUARRY_EXPECT_REPORTS(test, 1,
				      obj = quarry_pool_take_gfp(pool, GFP_KERNEL | refused[i]));
		KUNIT_EXPECT_NULL_MSG(test, obj, "flag %#x", (__force unsigned int)refused[i]);
	}
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).out, 0ULL);
}

/* === Constructor, reset, contents === */

static unsigned int nr_constructed, nr_reset;

static void count_ctor(void *obj)
{
	nr_constructed++;
	/* What it gets is zero. */
	*(u64 *)obj += 1000;
}

static void count_reset(void *obj)
{
	nr_reset++;
	*(u64 *)obj += 1;
}

static void constructed_once_reset_on_give(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool_params params = {
		.size = 48, .count = 50, .max = 80, .ctor = count_ctor, .reset = count_reset,
	};
	u64 **objs = quarry_test_array(test, 80, sizeof(*objs));
	unsigned int round, i;
	struct quarry_pool *pool;

	nr_constructed = 0;
	nr_reset = 0;
	pool = quarry_test_pool(test, heap, &params);
	KUNIT_EXPECT_EQ(test, nr_constructed, 50U);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 80; i++) {
			objs[i] = quarry_pool_take_gfp(pool, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, objs[i]);
			if (*objs[i] != 1000 + round)
				KUNIT_FAIL(test, "round %u: %llu", round, *objs[i]);
		}
		KUNIT_EXPECT_EQ(test, nr_reset, 80 * round);
		quarry_test_give_all(pool, (void **)objs, 80);
	}
	/* The worker may have made some that were not needed any more. */
	KUNIT_EXPECT_GE(test, nr_constructed, 80U);
	/* A chunk that was given up is constructed again when it comes back. */
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).total, 50ULL);
	for (i = 0; i < 80; i++) {
		objs[i] = quarry_pool_take_gfp(pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
	}
	KUNIT_EXPECT_GE(test, nr_constructed, 110U);
	for (i = 0; i < 80; i++)
		if (*objs[i] != 1000 && *objs[i] != 1003)
			KUNIT_FAIL(test, "object %u: %llu", i, *objs[i]);
	quarry_test_give_all(pool, (void **)objs, 80);
}

static void free_objects_are_not_written_to(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool_params params = { .size = 72, .count = 200 };
	struct quarry_pool *pool = quarry_test_pool(test, heap, &params);
	void **objs = quarry_test_array(test, 200, sizeof(*objs));
	unsigned int i;

	quarry_test_take_all(test, pool, objs, 200, 72);
	quarry_test_give_all(pool, objs, 200);
	quarry_test_check_all(test, objs, 200, 72);
	for (i = 0; i < 200; i++)
		KUNIT_EXPECT_NOT_NULL(test, quarry_pool_take(pool));
	quarry_test_check_all(test, objs, 200, 72);
	quarry_test_give_all(pool, objs, 200);
}

/* === Growing, shrinking === */

/* While the worker gives what it has grown, fewer seem to be out for a moment. */
static void expect_out(struct kunit *test, struct quarry_pool *pool, u64 nr)
{
	unsigned long end = jiffies + PATIENCE;
	u64 out = quarry_test_pool_stats(pool).out;

	while (out != nr && time_before(jiffies, end)) {
		usleep_range(500, 1000);
		out = quarry_test_pool_stats(pool).out;
	}
	KUNIT_EXPECT_EQ(test, out, nr);
}

static void grows_to_its_max(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool_params params = { .size = 1000, .count = 10, .max = 300 };
	struct quarry_pool *pool = quarry_test_pool(test, heap, &params);
	void **objs = quarry_test_array(test, 300, sizeof(*objs));
	unsigned int i;

	for (i = 0; i < 300; i++) {
		objs[i] = quarry_pool_take_gfp(pool, i % 3 ? GFP_KERNEL : GFP_NOFS);
		KUNIT_ASSERT_NOT_NULL_MSG(test, objs[i], "object %u", i);
		quarry_test_fill(objs[i], 1000, i);
		expect_out(test, pool, i + 1);
	}
	KUNIT_EXPECT_NULL(test, quarry_pool_take_gfp(pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).total, 300ULL);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).grown, 290ULL);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).peak, 300ULL);
	quarry_test_check_all(test, objs, 300, 1000);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_test_give_all(pool, objs, 300);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* On pages that are wiped, poisoned and tracked; and on pages of the case's own. */
static void in_other_heaps(struct kunit *test)
{
	struct quarry_heap_params heap_params[2] = {
		{ QUARRY_HEAP_DEFAULTS, .flags = QUARRY_HEAP_HARDENED },
		{ QUARRY_HEAP_DEFAULTS, .backing_size = SZ_2M },
	};
	struct quarry_pool_params params = {
		.size = 600, .count = 50, .max = 300, .flags = QUARRY_DATA,
	};
	void **objs = quarry_test_array(test, 300, sizeof(*objs));
	struct quarry_heap *heap;
	struct quarry_pool *pool;
	unsigned int i, round;

	heap_params[1].backing = (void *)__get_free_pages(GFP_KERNEL, get_order(SZ_2M));
	for (i = 0; i < 2; i++) {
		if (i && !heap_params[1].backing)
			continue;
		heap = quarry_test_heap_params(test, heap_params[i]);
		pool = quarry_test_pool(test, heap, &params);
		for (round = 0; round < 3; round++) {
			quarry_test_grow_fully(test, pool, objs, 300);
			QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(pool, objs[299]));
			QUARRY_EXPECT_VERIFIED(test, heap);
			quarry_heap_trim(heap);
			KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).total, 50ULL);
		}
		quarry_test_take_all(test, pool, objs, 50, 600);
		quarry_test_check_all(test, objs, 50, 600);
		quarry_test_give_all(pool, objs, 50);
		quarry_test_pool_done(test, pool);
		quarry_test_heap_done(test, heap);
	}
	free_pages((unsigned long)heap_params[1].backing, get_order(SZ_2M));
}

/* Nobody who takes may sleep, and still more come. */
static void grows_ahead(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool_params params = { .size = 128, .count = 64, .max = 400 };
	struct quarry_pool *pool = quarry_test_pool(test, heap, &params);
	void **objs = quarry_test_array(test, 400, sizeof(*objs));
	unsigned long end = jiffies + PATIENCE;
	unsigned int nr = 0;

	while (nr < 400 && time_before(jiffies, end)) {
		objs[nr] = quarry_pool_take_gfp(pool, GFP_NOWAIT);
		if (objs[nr])
			quarry_test_fill(objs[nr], 128, nr);
		else
			usleep_range(500, 1000);
		nr += !!objs[nr];
		/* Before the count is used up more are there. */
		while (nr == 62 && quarry_test_pool_stats(pool).total == 64 &&
		       time_before(jiffies, end))
			usleep_range(500, 1000);
		if (nr == 63)
			KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).misses, 0ULL);
	}
	KUNIT_EXPECT_EQ(test, nr, 400U);
	KUNIT_EXPECT_NULL(test, quarry_pool_take(pool));
	quarry_test_check_all(test, objs, nr, 128);
	quarry_test_give_all(pool, objs, nr);
}

static void shrinks_when_trimmed(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool_params params = { .size = 512, .count = 40, .max = 360 };
	struct quarry_pool *pool = quarry_test_pool(test, heap, &params);
	void **objs = quarry_test_array(test, 360, sizeof(*objs));
	u64 mapped = quarry_test_stats(heap).mapped;
	struct quarry_pool_stats stats;
	unsigned int round;

	for (round = 1; round <= 3; round++) {
		quarry_test_grow_fully(test, pool, objs, 360);
		/* One that is out keeps its chunk. */
		do
			objs[0] = quarry_pool_take(pool);
		while (objs[0] && quarry_test_pool_stats(pool).out <= 40);
		KUNIT_ASSERT_NOT_NULL(test, objs[0]);
		quarry_test_fill(objs[0], 512, round);
		quarry_heap_trim(heap);
		stats = quarry_test_pool_stats(pool);
		KUNIT_EXPECT_GT(test, stats.total, 41ULL);
		KUNIT_EXPECT_LT(test, stats.total, 360ULL);
		KUNIT_EXPECT_TRUE(test, quarry_test_check(objs[0], 512, round));
		QUARRY_EXPECT_VERIFIED(test, heap);
		/* All of the base are out; none of them is known here any more. */
		quarry_pool_give(pool, objs[0]);
		QUARRY_EXPECT_REPORTS(test, 1, quarry_pool_give(pool, objs[0]));
		quarry_test_destroy_expect_reports(1);
		quarry_test_pool_done(test, pool);
		pool = quarry_test_pool(test, heap, &params);
	}
	quarry_test_grow_fully(test, pool, objs, 360);
	quarry_heap_trim(heap);
	stats = quarry_test_pool_stats(pool);
	KUNIT_EXPECT_EQ(test, stats.total, 40ULL);
	KUNIT_EXPECT_EQ(test, stats.grown, 320ULL);
	KUNIT_EXPECT_EQ(test, stats.shrunk, 320ULL);
	KUNIT_EXPECT_EQ(test, stats.out, 0ULL);
	KUNIT_EXPECT_LE(test, quarry_test_stats(heap).mapped, mapped);
	quarry_test_take_all(test, pool, objs, 40, 512);
	quarry_test_give_all(pool, objs, 40);
}

static void shrinks_above_the_soft_limit(struct kunit *test)
{
	struct quarry_heap_params heap_params = { QUARRY_HEAP_DEFAULTS, .soft_limit = SZ_256K };
	struct quarry_heap *heap = quarry_test_heap_params(test, heap_params);
	struct quarry_pool_params params = { .size = 2000, .count = 4, .max = 400 };
	struct quarry_pool *pool = quarry_test_pool(test, heap, &params);
	void **objs = quarry_test_array(test, 400, sizeof(*objs)), *run;
	unsigned long end = jiffies + PATIENCE;

	quarry_test_grow_fully(test, pool, objs, 400);
	while (quarry_test_pool_stats(pool).total > 4 && time_before(jiffies, end)) {
		/* Growth is what calls the worker. */
		run = quarry_alloc_pages(heap, 6, GFP_KERNEL);
		quarry_free_pages(run);
		msleep(20);
	}
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).total, 4ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void shrinks_at_the_limit(struct kunit *test)
{
	struct quarry_heap_params heap_params = { QUARRY_HEAP_DEFAULTS, .limit = SZ_1M };
	struct quarry_heap *heap = quarry_test_heap_params(test, heap_params);
	struct quarry_pool_params params = { .size = 2000, .count = 4, .max = 300 };
	struct quarry_pool *pool = quarry_test_pool(test, heap, &params);
	void **objs = quarry_test_array(test, 300, sizeof(*objs)), *run;

	quarry_test_grow_fully(test, pool, objs, 300);
	run = quarry_alloc(heap, SZ_512K, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL_MSG(test, run, "what the pool does not need");
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).total, 4ULL);
	quarry_free(run);
}

static void shrinks_when_the_kernel_asks(struct kunit *test)
{
	struct shrink_control sc = { .gfp_mask = GFP_KERNEL, .nr_to_scan = 1 };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool_params params = { .size = 2000, .count = 4, .max = 400 };
	struct quarry_pool *pool = quarry_test_pool(test, heap, &params);
	void **objs = quarry_test_array(test, 400, sizeof(*objs));
	unsigned long end = jiffies + PATIENCE;

	quarry_test_grow_fully(test, pool, objs, 400);
	while (quarry_test_pool_stats(pool).total > 4 && time_before(jiffies, end)) {
		quarry_shrink_count(NULL, &sc);
		msleep(20);
	}
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).total, 4ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === Against a model === */

struct model {
	struct kunit *test;
	struct quarry_heap *heap;
	struct quarry_pool *pool;
	struct rnd_state rnd;
	size_t size;
	unsigned int count, max, nr, peak;
	void *objs[MAX_OBJS];
	u32 tags[MAX_OBJS];
};

static void model_take(struct model *m)
{
	bool grow = quarry_test_below(&m->rnd, 4);
	void *obj = grow ? quarry_pool_take_gfp(m->pool, GFP_KERNEL) : quarry_pool_take(m->pool);

	if (!obj) {
		if (m->nr < (grow ? m->max : m->count))
			KUNIT_FAIL(m->test, "no object with %u of %u out", m->nr, m->count);
		return;
	}
	KUNIT_ASSERT_LT(m->test, m->nr, m->max);
	m->objs[m->nr] = obj;
	m->tags[m->nr] = prandom_u32_state(&m->rnd);
	quarry_test_fill(obj, m->size, m->tags[m->nr++]);
	m->peak = max(m->peak, m->nr);
}

static void model_give(struct model *m)
{
	unsigned int i;

	if (!m->nr)
		return;
	i = quarry_test_below(&m->rnd, m->nr--);
	if (!quarry_test_check(m->objs[i], m->size, m->tags[i]))
		KUNIT_FAIL(m->test, "object at %p is damaged", m->objs[i]);
	quarry_pool_give(m->pool, m->objs[i]);
	/* Not everyone notices the first time. */
	if (!quarry_test_below(&m->rnd, 500))
		QUARRY_EXPECT_REPORTS(m->test, 1, quarry_pool_give(m->pool, m->objs[i]));
	m->objs[i] = m->objs[m->nr];
	m->tags[i] = m->tags[m->nr];
}

static void model_check(struct model *m)
{
	struct quarry_pool_stats stats;
	unsigned int tries = 1000;

	/* The worker may be about to make more. */
	do
		stats = quarry_test_pool_stats(m->pool);
	while (stats.total != m->count + stats.grown - stats.shrunk && --tries);
	KUNIT_EXPECT_EQ(m->test, stats.out, (u64)m->nr);
	/* While the worker makes more, a peak may be missed. */
	KUNIT_EXPECT_LE(m->test, stats.peak, (u64)m->peak);
	if (m->max == m->count)
		KUNIT_EXPECT_EQ(m->test, stats.peak, (u64)m->peak);
	KUNIT_EXPECT_EQ(m->test, stats.total, m->count + stats.grown - stats.shrunk);
	KUNIT_EXPECT_LE(m->test, stats.total, (u64)m->max);
	QUARRY_EXPECT_ALLOCATED(m->test, m->heap, m->nr * m->size);
}

static void model_run(struct model *m, unsigned int steps)
{
	unsigned int step, bias = 50;

	for (step = 0; step < steps; step++) {
		/* Waves, so that all is out now and then. */
		if (!quarry_test_below(&m->rnd, 200))
			bias = 10 + quarry_test_below(&m->rnd, 81);
		if (quarry_test_below(&m->rnd, 100) < bias)
			model_take(m);
		else
			model_give(m);
		if (!quarry_test_below(&m->rnd, 500))
			model_check(m);
		if (!quarry_test_below(&m->rnd, 2000)) {
			quarry_heap_trim(m->heap);
			QUARRY_EXPECT_VERIFIED(m->test, m->heap);
		}
	}
	while (m->nr)
		model_give(m);
	model_check(m);
}

static void random_against_model(struct kunit *test)
{
	struct model *m = quarry_test_array(test, 1, sizeof(*m));
	struct quarry_pool_params params = { .name = "model" };
	unsigned int round;

	m->test = test;
	m->heap = quarry_test_heap(test);
	quarry_test_seed(test, &m->rnd);
	for (round = 0; round < 6; round++) {
		m->count = 1 + quarry_test_below(&m->rnd, 150);
		m->max = m->count + quarry_test_below(&m->rnd, 2) *
				    quarry_test_below(&m->rnd, MAX_OBJS - m->count);
		m->size = 1 + quarry_test_below(&m->rnd, 1 << quarry_test_below(&m->rnd, 13));
		m->peak = 0;
		params.count = m->count;
		params.max = m->max;
		params.size = m->size;
		params.align = 1 << quarry_test_below(&m->rnd, 9);
		m->pool = quarry_test_pool(test, m->heap, &params);
		model_run(m, QUARRY_TEST_LOOPS(8000));
		quarry_test_pool_done(test, m->pool);
	}
}

/* === Each attempt to get memory fails once === */

/* Which of them fails makes no difference but to how many objects there are. */
static void use_pool(struct kunit *test, struct quarry_heap *heap, unsigned long n)
{
	struct quarry_pool_params params = { .size = 3000, .count = 30, .max = 90 };
	struct quarry_pool *pool = quarry_pool_create(heap, &params);
	void *objs[90];
	unsigned int nr = 0;

	if (IS_ERR(pool)) {
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR(pool), (long)-ENOMEM, "round %lu", n);
		return;
	}
	while (nr < 90) {
		objs[nr] = quarry_pool_take_gfp(pool, GFP_KERNEL);
		if (!objs[nr])
			break;
		quarry_test_fill(objs[nr], 3000, nr);
		nr++;
	}
	if (nr < (quarry_fault_test_nr_injected() ? 30 : 90))
		KUNIT_FAIL(test, "round %lu: %u objects", n, nr);
	quarry_test_check_all(test, objs, nr, 3000);
	quarry_test_give_all(pool, objs, nr);
	quarry_heap_trim(heap);
	/* Where something failed the worker may still be at it. */
	if (!quarry_fault_test_nr_injected())
		KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).total, 30ULL);
	quarry_pool_destroy(pool);
}

static void each_attempt_fails(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned long n, injected = 0;

	KUNIT_ASSERT_EQ(test, quarry_fault_test_begin(), 0);
	for (n = 1; n < 1000; n++) {
		quarry_fault_test_arm(QUARRY_FAULT_ANY, n, 1);
		use_pool(test, heap, n);
		if (!quarry_fault_test_nr_injected())
			break;
		injected++;
		if (quarry_heap_verify(heap) || quarry_test_stats(heap).allocated)
			KUNIT_FAIL(test, "round %lu: heap is not as it was", n);
		quarry_heap_trim(heap);
	}
	/* And all of them from one on. */
	for (n = 1; n < 12; n++) {
		quarry_fault_test_arm(QUARRY_FAULT_ANY, n, ULONG_MAX);
		use_pool(test, heap, n);
		quarry_heap_trim(heap);
	}
	quarry_fault_test_end();
	kunit_info(test, "%lu attempts\n", injected);
	KUNIT_EXPECT_GE(test, injected, 10UL);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE(has_its_count_and_no_more),
	KUNIT_CASE(typed_pools),
	KUNIT_CASE(shapes),
	KUNIT_CASE(bad_parameters_are_refused),
	KUNIT_CASE(flags_are_refused_not_ignored),
	KUNIT_CASE(constructed_once_reset_on_give),
	KUNIT_CASE(free_objects_are_not_written_to),
	KUNIT_CASE(grows_to_its_max),
	KUNIT_CASE(in_other_heaps),
	KUNIT_CASE(grows_ahead),
	KUNIT_CASE(shrinks_when_trimmed),
	KUNIT_CASE(shrinks_above_the_soft_limit),
	KUNIT_CASE(shrinks_at_the_limit),
	KUNIT_CASE(shrinks_when_the_kernel_asks),
	KUNIT_CASE(random_against_model),
	KUNIT_CASE(each_attempt_fails),
	{}
};

struct kunit_suite quarry_pool_suite = {
	.name = "quarry_pool",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = pool_cases,
};
