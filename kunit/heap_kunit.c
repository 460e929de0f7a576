// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_heap: heaps as a whole and sized allocation.
 */
#include <linux/overflow.h>
#include <linux/string.h>
#include "helpers.h"

static const size_t sizes[] = {
	1, 7, 8, 9, 64, 65, 100, 255, 256, 1000, 4095, 4096, 4097, 8192, 20000, 32767, 32768, 32769,
	36864, 65536, 65537, 100000, 262144, 1000000, 1048576, 2097153, 4194303, 4194304,
};

/* === Creating === */

#define EXPECT_NO_HEAP(test, error, ...)					\
do {										\
	struct quarry_heap_params _params = { __VA_ARGS__ };			\
	struct quarry_heap *_heap;						\
										\
	QUARRY_QUIETLY(_heap = quarry_heap_create(&_params));			\
	KUNIT_EXPECT_TRUE_MSG(test, _heap == ERR_PTR(error), #__VA_ARGS__ ": %d", \
			      PTR_ERR_OR_ZERO(_heap));				\
	quarry_heap_destroy(_heap);						\
} while (0)

static void bad_parameters_are_refused(struct kunit *test)
{
	const int any = NUMA_NO_NODE;

	EXPECT_NO_HEAP(test, -EINVAL, .name = NULL, .node = any);
	EXPECT_NO_HEAP(test, -EINVAL, .name = "", .node = any);
	EXPECT_NO_HEAP(test, -EINVAL, .name = "a name of more than 31 characters", .node = any);
	EXPECT_NO_HEAP(test, -EINVAL, .name = "exactly-32-characters-are-1-more", .node = any);
	EXPECT_NO_HEAP(test, -EINVAL, .name = "a/b", .node = any);
	EXPECT_NO_HEAP(test, -EINVAL, .name = "fault", .node = any);
	EXPECT_NO_HEAP(test, -EINVAL, .name = "escapes", .node = any);
	EXPECT_NO_HEAP(test, -EINVAL, .name = "kunit-bad", .node = -2);
	EXPECT_NO_HEAP(test, -EINVAL, .name = "kunit-bad", .node = MAX_NUMNODES);
	EXPECT_NO_HEAP(test, -EINVAL, .name = "kunit-bad", .node = INT_MAX);
	EXPECT_NO_HEAP(test, -EINVAL, .name = "kunit-bad", .node = any, .limit = SZ_1M,
		       .reserve = SZ_2M);
	EXPECT_NO_HEAP(test, -EINVAL, .name = "kunit-bad", .node = any, .reserve = U64_MAX);
	EXPECT_NO_HEAP(test, -EEXIST, .name = "default", .node = any);
}

/* The reserve is whole pages: one that only fits as bytes is refused, not tried. */
static void reserve_rounds_up_beyond_the_limit(struct kunit *test)
{
	struct quarry_heap_params params = {
		.name = quarry_test_name(test),
		QUARRY_HEAP_DEFAULTS,
		.limit = 70000,
		.reserve = 70000,
	};
	struct quarry_heap *heap;

	QUARRY_EXPECT_REPORTS(test, 1, heap = quarry_heap_create(&params));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(heap), -EINVAL);
	quarry_heap_destroy(heap);
	params.reserve = round_down(70000, PAGE_SIZE);
	heap = quarry_test_heap_params(test, params);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, params.reserve);
}

static void longest_name_and_reuse(struct kunit *test)
{
	struct quarry_heap_params params = {
		.name = "exactly-31-characters-are-right",
		QUARRY_HEAP_DEFAULTS,
	};
	struct quarry_heap *heap = quarry_test_heap_params(test, params);

	EXPECT_NO_HEAP(test, -EEXIST, .name = params.name, QUARRY_HEAP_DEFAULTS);
	quarry_test_heap_done(test, heap);
	heap = quarry_test_heap_params(test, params);
	quarry_test_heap_done(test, heap);
	quarry_heap_destroy(NULL);
	quarry_heap_destroy(ERR_PTR(-ENOMEM));
}

static void fresh_heap_is_small(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_heap_stats stats = quarry_test_stats(heap);

	KUNIT_EXPECT_EQ(test, stats.allocated, 0ULL);
	KUNIT_EXPECT_EQ(test, stats.active, 0ULL);
	KUNIT_EXPECT_EQ_MSG(test, stats.mapped, 0ULL, "an unused heap takes no extents");
	KUNIT_EXPECT_LE_MSG(test, stats.metadata, (u64)SZ_16K, "an unused heap");
	KUNIT_EXPECT_EQ(test, stats.limit, 0ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void default_heap_serves(struct kunit *test)
{
	struct quarry_heap *heap = quarry_default_heap();
	void *ptr;

	KUNIT_ASSERT_NOT_NULL(test, heap);
	ptr = quarry_alloc(heap, 100, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(ptr), heap);
	quarry_free(ptr);
	QUARRY_EXPECT_SOME_REPORTS(test, quarry_heap_destroy(heap));
	ptr = quarry_alloc(heap, 100, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL_MSG(test, ptr, "the default heap cannot be destroyed");
	quarry_free(ptr);
	quarry_heap_trim(heap);
}

/* === Sizes === */

static void all_sizes(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int i;
	void *ptr;

	for (i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
		size_t size = sizes[i / 2];

		if (i & 1)
			ptr = quarry_alloc(heap, size, GFP_KERNEL);
		else
			ptr = quarry_alloc_data(heap, size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL_MSG(test, ptr, "%zu bytes", size);
		KUNIT_EXPECT_GE_MSG(test, quarry_usable_size(ptr), size, "%zu bytes", size);
		if (size >= QUARRY_CLASS_MAX_SIZE) {
			KUNIT_EXPECT_TRUE_MSG(test, PAGE_ALIGNED(ptr), "%zu bytes", size);
			KUNIT_EXPECT_EQ_MSG(test, quarry_usable_size(ptr), PAGE_ALIGN(size),
					    "%zu bytes", size);
		}
		KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(ptr + size - 1), heap);
		quarry_test_fill(ptr, quarry_usable_size(ptr), i);
		KUNIT_EXPECT_TRUE(test, quarry_test_check(ptr, quarry_usable_size(ptr), i));
		QUARRY_EXPECT_ALLOCATED(test, heap, quarry_usable_size(ptr));
		quarry_free(ptr);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void too_large_gives_null(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	static const size_t too_large[] = {
		QUARRY_EXTENT_MAX_SIZE + 1, 2 * QUARRY_EXTENT_MAX_SIZE, 1UL << 40, SIZE_MAX / 2,
		SIZE_MAX - PAGE_SIZE, SIZE_MAX,
	};
	unsigned int i;
	size_t size;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(too_large); i++) {
		size = too_large[i];
		OPTIMIZER_HIDE_VAR(size);
		QUARRY_QUIETLY(ptr = quarry_alloc(heap, size, GFP_KERNEL | __GFP_NOWARN));
		KUNIT_EXPECT_NULL_MSG(test, ptr, "%zu bytes", size);
	}
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void zero_size_and_null(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	size_t zero = 0;

	OPTIMIZER_HIDE_VAR(zero);
	KUNIT_EXPECT_PTR_EQ(test, quarry_alloc(heap, zero, GFP_KERNEL), ZERO_SIZE_PTR);
	KUNIT_EXPECT_PTR_EQ(test, quarry_alloc_data(heap, 0, GFP_KERNEL), ZERO_SIZE_PTR);
	KUNIT_EXPECT_PTR_EQ(test, quarry_zalloc(heap, zero, GFP_KERNEL), ZERO_SIZE_PTR);
	KUNIT_EXPECT_PTR_EQ(test, quarry_memdup(heap, "x", zero, GFP_KERNEL), ZERO_SIZE_PTR);
	quarry_free(NULL);
	quarry_free(ZERO_SIZE_PTR);
	quarry_free_pages(NULL);
	KUNIT_EXPECT_EQ(test, quarry_usable_size(NULL), (size_t)0);
	KUNIT_EXPECT_EQ(test, quarry_usable_size(ZERO_SIZE_PTR), (size_t)0);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* === What stands on top of alloc and free === */

static void array_overflow_is_caught(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	size_t half = SIZE_MAX / 2 + 1, two = 2, n = 10;
	void *ptr;

	OPTIMIZER_HIDE_VAR(half);
	OPTIMIZER_HIDE_VAR(two);
	OPTIMIZER_HIDE_VAR(n);
	QUARRY_QUIETLY(ptr = quarry_alloc_array(heap, half, two, GFP_KERNEL | __GFP_NOWARN));
	KUNIT_EXPECT_NULL_MSG(test, ptr, "the product wraps to 0");
	QUARRY_QUIETLY(ptr = quarry_alloc_array(heap, half + 1, two, GFP_KERNEL | __GFP_NOWARN));
	KUNIT_EXPECT_NULL_MSG(test, ptr, "the product wraps to 2");
	ptr = quarry_alloc_array(heap, n, 24, GFP_KERNEL);
	KUNIT_EXPECT_GE(test, quarry_usable_size(ptr), (size_t)240);
	quarry_free(ptr);
}

static void realloc_keeps_contents(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	size_t last = 0;
	void *ptr = NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ptr = quarry_realloc(heap, ptr, sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL_MSG(test, ptr, "up to %zu bytes", sizes[i]);
		KUNIT_EXPECT_GE(test, quarry_usable_size(ptr), sizes[i]);
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(ptr, last, 1), "up to %zu bytes",
				      sizes[i]);
		quarry_test_fill(ptr, sizes[i], 1);
		last = sizes[i];
	}
	while (i--) {
		ptr = quarry_realloc(heap, ptr, sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL_MSG(test, ptr, "down to %zu bytes", sizes[i]);
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(ptr, sizes[i], 1),
				      "down to %zu bytes", sizes[i]);
		QUARRY_EXPECT_ALLOCATED(test, heap, quarry_usable_size(ptr));
	}
	KUNIT_EXPECT_PTR_EQ(test, quarry_realloc(heap, ptr, 0, GFP_KERNEL), ZERO_SIZE_PTR);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void realloc_in_place_and_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	void *ptr = quarry_alloc(heap, 1000, GFP_KERNEL), *other;

	KUNIT_ASSERT_NOT_NULL(test, ptr);
	quarry_test_fill(ptr, 1000, 5);
	KUNIT_EXPECT_PTR_EQ_MSG(test, quarry_realloc(heap, ptr, 1010, GFP_KERNEL), ptr,
				"the same size class");
	QUARRY_QUIETLY(other = quarry_realloc(heap, ptr, QUARRY_EXTENT_MAX_SIZE + 1,
					      GFP_KERNEL | __GFP_NOWARN));
	KUNIT_EXPECT_NULL(test, other);
	QUARRY_EXPECT_REPORTS(test, 1,
			      other = quarry_realloc(heap, ptr, 4000, GFP_KERNEL | __GFP_ZERO));
	KUNIT_EXPECT_NULL_MSG(test, other, "the old length is not known, so __GFP_ZERO cannot be");
	QUARRY_EXPECT_REPORTS(test, 1, other = quarry_realloc(heap, &heap, 4000, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, other);
	KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(ptr, 1000, 5), "untouched by failures");
	quarry_free(ptr);
	ptr = quarry_realloc(heap, NULL, 50, GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, ptr);
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(ptr, 50));
	quarry_free(ptr);
}

static void copies(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	char pattern[300];
	char *str, *empty;
	void *copy;

	quarry_test_fill(pattern, sizeof(pattern), 9);
	copy = quarry_memdup(heap, pattern, sizeof(pattern), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	KUNIT_EXPECT_MEMEQ(test, copy, pattern, sizeof(pattern));
	str = quarry_strdup(heap, "range buddy", GFP_KERNEL);
	empty = quarry_strdup(heap, "", GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, str);
	KUNIT_ASSERT_NOT_NULL(test, empty);
	KUNIT_EXPECT_STREQ(test, str, "range buddy");
	KUNIT_EXPECT_STREQ(test, empty, "");
	KUNIT_EXPECT_NULL(test, quarry_strdup(heap, NULL, GFP_KERNEL));
	quarry_free(empty);
	quarry_free(str);
	quarry_free(copy);
}

/* === Zeroing, flags === */

static void zeroed_when_asked(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int i;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ptr = quarry_alloc(heap, sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		memset(ptr, 0xa5, quarry_usable_size(ptr));
		quarry_free(ptr);
		ptr = quarry_zalloc(heap, sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_is_zero(ptr, quarry_usable_size(ptr)),
				      "%zu bytes", sizes[i]);
		quarry_free(ptr);
	}
}

/* What init_on_alloc=1 promises, where the kernel runs with it. */
static void zeroed_by_init_on_alloc(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int i;
	void *ptr;

	if (!want_init_on_alloc(GFP_KERNEL))
		kunit_skip(test, "init_on_alloc is off");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ptr = quarry_alloc(heap, sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_is_zero(ptr, sizes[i]), "%zu bytes",
				      sizes[i]);
		memset(ptr, 0xa5, sizes[i]);
		quarry_free(ptr);
	}
}

static void flags_are_refused_not_ignored(struct kunit *test)
{
	static const gfp_t refused[] = {
		__GFP_DMA, __GFP_DMA32, __GFP_HIGHMEM, __GFP_MOVABLE, __GFP_NOFAIL,
		__GFP_ACCOUNT,
	};
	static const size_t some[] = { 64, 5000, 100000 };
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int i, k;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		for (k = 0; refused[i] && k < ARRAY_SIZE(some); k++) {
			/* Warm, so that the magazine has something to hand out. */
			quarry_free(quarry_alloc(heap, some[k], GFP_KERNEL));
			QUARRY_EXPECT_REPORTS(test, 1,
					      ptr = quarry_alloc(heap, some[k],
								 GFP_KERNEL | refused[i]));
			KUNIT_EXPECT_NULL_MSG(test, ptr, "%zu bytes with flag %#x", some[k],
					      (__force unsigned int)refused[i]);
		}
	}
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void atomic_context(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned long flags;
	unsigned int i;
	void *ptrs[64];

	migrate_disable();
	/* There it is from what is held on PREEMPT_RT: somebody else was here before. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		for (i = 0; i < ARRAY_SIZE(ptrs); i++)
			ptrs[i] = quarry_alloc(heap, 8 + 100 * i, GFP_KERNEL);
		for (i = 0; i < ARRAY_SIZE(ptrs); i++)
			quarry_free(ptrs[i]);
	}
	local_irq_save(flags);
	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = quarry_alloc(heap, 8 + 100 * i, GFP_ATOMIC);
	local_irq_restore(flags);
	migrate_enable();
	for (i = 0; i < ARRAY_SIZE(ptrs); i++) {
		KUNIT_EXPECT_NOT_NULL_MSG(test, ptrs[i], "%u bytes", 8 + 100 * i);
		if (ptrs[i])
			quarry_test_fill(ptrs[i], 8 + 100 * i, i);
	}
	for (i = 0; i < ARRAY_SIZE(ptrs); i++) {
		if (ptrs[i])
			KUNIT_EXPECT_TRUE(test, quarry_test_check(ptrs[i], 8 + 100 * i, i));
	}
	local_irq_save(flags);
	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		quarry_free(ptrs[i]);
	local_irq_restore(flags);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === Heaps among each other, destruction === */

static void heaps_are_isolated(struct kunit *test)
{
	struct quarry_heap *one = quarry_test_heap(test), *two = quarry_test_heap(test);
	void *a[50], *b[50];
	unsigned int i;

	for (i = 0; i < 50; i++) {
		a[i] = quarry_alloc(one, 1 + i * i * 40, GFP_KERNEL);
		b[i] = quarry_alloc(two, 1 + i * i * 40, GFP_KERNEL);
		KUNIT_ASSERT_TRUE(test, a[i] && b[i]);
		KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(a[i]), one);
		KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(b[i]), two);
		quarry_test_fill(b[i], 1 + i * i * 40, i);
	}
	for (i = 0; i < 50; i++)
		quarry_free(a[i]);
	quarry_test_heap_done(test, one);
	for (i = 0; i < 50; i++) {
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(b[i], 1 + i * i * 40, i),
				      "object %u of the heap that stays", i);
		quarry_free(b[i]);
	}
}

static void destroy_reports_what_is_left(struct kunit *test)
{
	struct quarry_heap_params params = {
		.name = quarry_test_name(test),
		QUARRY_HEAP_DEFAULTS,
	};
	struct quarry_heap *heap = quarry_heap_create(&params);
	struct quarry_cache *cache;
	struct quarry_arena *arena;
	void *small, *pages, *obj;
	unsigned long begin;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(heap));
	cache = quarry_cache_create(heap, "left", 40, 0, 0, NULL);
	arena = quarry_arena_create(heap, NULL, GFP_KERNEL);
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(cache));
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(arena));
	small = quarry_alloc(heap, 100, GFP_KERNEL);
	pages = quarry_alloc_pages(heap, 5, GFP_KERNEL);
	obj = IS_ERR_OR_NULL(cache) ? NULL : quarry_cache_alloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_TRUE(test, small && pages && obj);
	begin = quarry_test_reports_begin();
	quarry_heap_destroy(heap);
	KUNIT_EXPECT_GE_MSG(test, quarry_test_reports_end(begin), 4UL,
			    "one each for the cache, the arena, the object and the pages");
	KUNIT_EXPECT_NULL_MSG(test, quarry_heap_of(small), "all of it went back");
	KUNIT_EXPECT_NULL(test, quarry_heap_of(pages));
	KUNIT_EXPECT_NULL(test, quarry_heap_of(obj));
}

/* A heap that is made and destroyed again and again holds nothing in between. */
static void many_heaps(struct kunit *test)
{
	struct quarry_heap *heap;
	unsigned int i, k;
	void *ptrs[20];

	for (i = 0; i < 20; i++) {
		heap = quarry_test_heap(test);
		for (k = 0; k < ARRAY_SIZE(ptrs); k++) {
			ptrs[k] = quarry_alloc(heap, 10 << k / 2, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, ptrs[k]);
		}
		for (k = 0; k < ARRAY_SIZE(ptrs); k++)
			quarry_free(ptrs[k]);
		quarry_test_heap_done(test, heap);
	}
}

struct slot {
	void *ptr;
	size_t size;
	u64 tag;
};

static void slot_free(struct kunit *test, struct slot *slot)
{
	KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(slot->ptr, slot->size, slot->tag),
			      "%zu bytes at %p", slot->size, slot->ptr);
	quarry_free(slot->ptr);
	slot->ptr = NULL;
}

static size_t random_size(struct rnd_state *rnd)
{
	return 1 + quarry_test_below(rnd, 1U << (3 + quarry_test_below(rnd, 15)));
}

static void random_sizes(struct kunit *test)
{
	struct slot *slots = quarry_test_array(test, 256, sizeof(*slots)), *slot;
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int i, steps = QUARRY_TEST_LOOPS(40000);
	struct rnd_state rnd;

	quarry_test_seed(test, &rnd);
	for (i = 0; i < steps; i++) {
		slot = &slots[quarry_test_below(&rnd, 256)];
		if (slot->ptr) {
			slot_free(test, slot);
			continue;
		}
		slot->size = random_size(&rnd);
		slot->tag = prandom_u32_state(&rnd);
		if (slot->tag & 1)
			slot->ptr = quarry_alloc(heap, slot->size, GFP_KERNEL);
		else
			slot->ptr = quarry_alloc_data(heap, slot->size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL_MSG(test, slot->ptr, "%zu bytes at step %u", slot->size, i);
		quarry_test_fill(slot->ptr, slot->size, slot->tag);
		if (i % 4096 == 0)
			QUARRY_EXPECT_VERIFIED(test, heap);
		if (i % 10000 == 0)
			quarry_heap_trim(heap);
	}
	for (i = 0; i < 256; i++) {
		if (slots[i].ptr)
			slot_free(test, &slots[i]);
	}
}

static struct kunit_case heap_cases[] = {
	KUNIT_CASE(bad_parameters_are_refused),
	KUNIT_CASE(reserve_rounds_up_beyond_the_limit),
	KUNIT_CASE(longest_name_and_reuse),
	KUNIT_CASE(fresh_heap_is_small),
	KUNIT_CASE(default_heap_serves),
	KUNIT_CASE(all_sizes),
	KUNIT_CASE(too_large_gives_null),
	KUNIT_CASE(zero_size_and_null),
	KUNIT_CASE(array_overflow_is_caught),
	KUNIT_CASE(realloc_keeps_contents),
	KUNIT_CASE(realloc_in_place_and_refused),
	KUNIT_CASE(copies),
	KUNIT_CASE(zeroed_when_asked),
	KUNIT_CASE(zeroed_by_init_on_alloc),
	KUNIT_CASE(flags_are_refused_not_ignored),
	KUNIT_CASE(atomic_context),
	KUNIT_CASE(heaps_are_isolated),
	KUNIT_CASE(destroy_reports_what_is_left),
	KUNIT_CASE(many_heaps),
	KUNIT_CASE(random_sizes),
	{}
};

struct kunit_suite quarry_heap_suite = {
	.name = "quarry_heap",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = heap_cases,
};
