// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_compat: the kernel's names mapped onto a heap.  kmalloc() and its
 * relatives in this file take from the heap of the case.
 */
#include <linux/irq_work.h>
#include <linux/mempool.h>
#include <linux/rcupdate.h>
#include <linux/sizes.h>
#include "helpers.h"

#define QUARRY_COMPAT_HEAP	quarry_compat_test_heap
#include <quarry/slab_compat.h>

struct quarry_heap *quarry_compat_test_heap;

#define SIZE		100
#define TOO_LARGE	(QUARRY_EXTENT_MAX_SIZE + PAGE_SIZE)
#define TIGHT_LIMIT	SZ_64K
#define MAX_TIGHT	(TIGHT_LIMIT / 64 + 1)

#define EXPECT_OURS(test, ptr) \
	KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(ptr), quarry_compat_test_heap)

/* Somewhere, but not in a heap. */
static bool is_the_kernels(const void *ptr)
{
	return !ZERO_OR_NULL_PTR(ptr) && !quarry_heap_of(ptr);
}

#define EXPECT_KERNELS(test, ptr)	KUNIT_EXPECT_TRUE(test, is_the_kernels(ptr))

static int compat_init(struct kunit *test)
{
	int ret = quarry_test_init(test);

	if (!ret)
		quarry_compat_test_heap = quarry_test_heap(test);
	return ret;
}

/* === kmalloc() and its relatives === */

/* @obj came of @expr; a part of it is written, and all of it checked if it is to be zero. */
static void check_object(struct kunit *test, const char *expr, void *obj, bool zero)
{
	KUNIT_EXPECT_PTR_EQ_MSG(test, quarry_heap_of(obj), quarry_compat_test_heap, "%s", expr);
	if (ZERO_OR_NULL_PTR(obj))
		return;
	KUNIT_EXPECT_GE_MSG(test, ksize(obj), (size_t)SIZE, "%s", expr);
	if (zero)
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_is_zero(obj, SIZE), "%s", expr);
	/* The next one gets this memory. */
	memset(obj, 0xa5, SIZE);
	kvfree(obj);
}

#define CHECK(expr)		check_object(test, #expr, expr, false)
#define CHECK_ZERO(expr)	check_object(test, #expr, expr, true)

static void sized_names(struct kunit *test)
{
	CHECK(kmalloc(SIZE, GFP_KERNEL));
	CHECK(kmalloc_noprof(SIZE, GFP_KERNEL));
	CHECK(__kmalloc(SIZE, GFP_KERNEL));
	CHECK_ZERO(kzalloc(SIZE, GFP_KERNEL));
	CHECK_ZERO(kzalloc_noprof(SIZE, GFP_KERNEL));
	CHECK_ZERO(kmalloc(SIZE, GFP_ATOMIC | __GFP_ZERO));
	CHECK(kmalloc_node(SIZE, GFP_KERNEL, NUMA_NO_NODE));
	CHECK(kmalloc_node_noprof(SIZE, GFP_KERNEL, numa_node_id()));
	CHECK_ZERO(kzalloc_node(SIZE, GFP_KERNEL, numa_node_id()));
	CHECK(kmalloc_array(SIZE / 4, 4, GFP_KERNEL));
	CHECK(kmalloc_array_noprof(SIZE / 4, 4, GFP_KERNEL));
	CHECK(kmalloc_array_node(SIZE / 4, 4, GFP_KERNEL, NUMA_NO_NODE));
	CHECK_ZERO(kcalloc(SIZE / 4, 4, GFP_KERNEL));
	CHECK_ZERO(kcalloc_node(SIZE / 4, 4, GFP_KERNEL, NUMA_NO_NODE));
	CHECK(kmalloc_track_caller(SIZE, GFP_KERNEL));
	CHECK(kmalloc_node_track_caller(SIZE, GFP_KERNEL, NUMA_NO_NODE));
	CHECK(krealloc(NULL, SIZE, GFP_KERNEL));
	CHECK_ZERO(krealloc_array(NULL, SIZE / 4, 4, GFP_KERNEL | __GFP_ZERO));
	CHECK(kvmalloc(SIZE, GFP_KERNEL));
	CHECK(kvmalloc_noprof(SIZE, GFP_KERNEL));
	CHECK_ZERO(kvzalloc(SIZE, GFP_KERNEL));
	CHECK(kvmalloc_node(SIZE, GFP_KERNEL, NUMA_NO_NODE));
	CHECK(kvmalloc_node_noprof(SIZE, GFP_KERNEL, NUMA_NO_NODE));
	CHECK_ZERO(kvzalloc_node(SIZE, GFP_KERNEL, NUMA_NO_NODE));
	CHECK(kvmalloc_array(SIZE / 4, 4, GFP_KERNEL));
	CHECK_ZERO(kvcalloc(SIZE / 4, 4, GFP_KERNEL));
	CHECK_ZERO(kvcalloc_noprof(SIZE / 4, 4, GFP_KERNEL));
	CHECK(kvmalloc(SIZE * SZ_1K, GFP_KERNEL));
	CHECK_ZERO(kvzalloc(QUARRY_EXTENT_MAX_SIZE, GFP_KERNEL));
}

static void sizes_at_the_ends(struct kunit *test)
{
	size_t huge = SIZE_MAX / 2;

	OPTIMIZER_HIDE_VAR(huge);
	KUNIT_EXPECT_PTR_EQ(test, kmalloc(0, GFP_KERNEL), ZERO_SIZE_PTR);
	KUNIT_EXPECT_PTR_EQ(test, kcalloc(0, 8, GFP_KERNEL), ZERO_SIZE_PTR);
	KUNIT_EXPECT_NULL(test, kmalloc_array(huge, 3, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, kcalloc(3, huge, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, kvmalloc_array(huge, 3, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, krealloc_array(NULL, huge, 3, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, kmalloc(TOO_LARGE, GFP_KERNEL | __GFP_NOWARN));
	KUNIT_EXPECT_EQ(test, ksize(NULL), (size_t)0);
}

/* Sizes are aligned to the largest power of two that divides them, up to a page. */
static void alignment_of_kmalloc(struct kunit *test)
{
	static const size_t sizes[] = {
		8, 16, 64, 256, 4096, 8192, 16384, 32768, 65536, 24, 96, 192, 384, 640, 1536, 5120,
	};
	void *objs[4];
	unsigned int i, k;
	size_t align;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		align = sizes[i] & -sizes[i];
		for (k = 0; k < ARRAY_SIZE(objs); k++) {
			objs[k] = kmalloc(sizes[i], GFP_KERNEL);
			EXPECT_OURS(test, objs[k]);
			KUNIT_EXPECT_TRUE_MSG(test, IS_ALIGNED((unsigned long)objs[k], align),
					      "%zu bytes, object %u", sizes[i], k);
		}
		for (k = 0; k < ARRAY_SIZE(objs); k++)
			kfree(objs[k]);
	}
}

static void what_a_heap_refuses(struct kunit *test)
{
	void *obj;

	obj = kmalloc(SIZE, GFP_KERNEL | __GFP_NOFAIL);
	EXPECT_KERNELS(test, obj);
	kfree(obj);
	obj = kmalloc(SIZE, GFP_KERNEL | GFP_DMA);
	EXPECT_KERNELS(test, obj);
	kfree(obj);
	obj = kzalloc_node(SIZE, GFP_KERNEL | __GFP_NOFAIL, NUMA_NO_NODE);
	EXPECT_KERNELS(test, obj);
	kfree(obj);
	obj = kvmalloc(2 * PAGE_SIZE, GFP_KERNEL | __GFP_NOFAIL);
	EXPECT_KERNELS(test, obj);
	kvfree(obj);
	obj = kmalloc(SIZE, GFP_KERNEL_ACCOUNT);
	EXPECT_OURS(test, obj);
	kfree(obj);
	obj = kvmalloc(TOO_LARGE, GFP_KERNEL);
	EXPECT_KERNELS(test, obj);
	KUNIT_EXPECT_TRUE(test, is_vmalloc_addr(obj));
	kvfree(obj);
}

static void copies(struct kunit *test)
{
	static const char text[] = "a word and more";
	char *copy;

	copy = kmemdup(text, sizeof(text), GFP_KERNEL);
	EXPECT_OURS(test, copy);
	KUNIT_EXPECT_STREQ(test, copy, text);
	kfree(copy);
	copy = kmemdup_array(text, sizeof(text) / 4, 4, GFP_KERNEL);
	EXPECT_OURS(test, copy);
	KUNIT_EXPECT_STREQ(test, copy, text);
	kfree(copy);
	copy = kvmemdup(text, sizeof(text), GFP_KERNEL);
	EXPECT_OURS(test, copy);
	kvfree(copy);
	copy = kstrdup(text, GFP_KERNEL);
	EXPECT_OURS(test, copy);
	KUNIT_EXPECT_STREQ(test, copy, text);
	kfree(copy);
	copy = kstrndup(text, 6, GFP_KERNEL);
	EXPECT_OURS(test, copy);
	KUNIT_EXPECT_STREQ(test, copy, "a word");
	kfree(copy);
	copy = kmemdup_nul(text, 1, GFP_KERNEL);
	EXPECT_OURS(test, copy);
	KUNIT_EXPECT_STREQ(test, copy, "a");
	kfree(copy);
	/* Not mapped: the kernel's. */
	copy = kasprintf(GFP_KERNEL, "%s", text);
	EXPECT_KERNELS(test, copy);
	kfree(copy);
	KUNIT_EXPECT_NULL(test, kstrdup(NULL, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, kstrndup(NULL, 1, GFP_KERNEL));
}

/* === Resizing === */

static void krealloc_of_ours(struct kunit *test)
{
	char *first = kzalloc(SIZE, GFP_KERNEL), *second, *third;

	KUNIT_ASSERT_NOT_NULL(test, first);
	memset(first, 1, SIZE);
	second = krealloc(first, SIZE / 2, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ_MSG(test, second, first, "to get smaller it does not move");
	second = krealloc(first, SZ_16K, GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, second);
	EXPECT_OURS(test, second);
	KUNIT_EXPECT_TRUE(test, !memchr_inv(second, 1, SIZE / 2));
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(second + SIZE, SZ_16K - SIZE));
	third = krealloc(second, SZ_64K, GFP_KERNEL | __GFP_NOFAIL);
	EXPECT_KERNELS(test, third);
	KUNIT_EXPECT_TRUE(test, !memchr_inv(third, 1, SIZE / 2));
	QUARRY_EXPECT_ALLOCATED(test, quarry_compat_test_heap, 0);
	kfree(third);

	first = kmalloc(SIZE, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, krealloc(first, 0, GFP_KERNEL), ZERO_SIZE_PTR);
	QUARRY_EXPECT_ALLOCATED(test, quarry_compat_test_heap, 0);
}

static void krealloc_of_the_kernels(struct kunit *test)
{
	char *first = quarry_kernel_kmalloc(SIZE, GFP_KERNEL, NUMA_NO_NODE), *second, *third;

	KUNIT_ASSERT_NOT_NULL(test, first);
	memset(first, 2, SIZE);
	second = krealloc(first, SZ_4K, GFP_KERNEL);
	EXPECT_KERNELS(test, second);
	KUNIT_EXPECT_TRUE(test, !memchr_inv(second, 2, SIZE));
	third = krealloc_array(second, 2, SZ_4K, GFP_KERNEL);
	EXPECT_KERNELS(test, third);
	KUNIT_EXPECT_GE(test, ksize(third), (size_t)SZ_8K);
	KUNIT_EXPECT_PTR_EQ(test, krealloc(third, 0, GFP_KERNEL), ZERO_SIZE_PTR);
}

static void kvrealloc_across_owners(struct kunit *test)
{
	char *ptr = kvmalloc(SZ_16K, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ptr);
	memset(ptr, 3, SZ_16K);
	ptr = kvrealloc(ptr, SZ_64K, GFP_KERNEL);
	EXPECT_OURS(test, ptr);
	ptr = kvrealloc(ptr, TOO_LARGE, GFP_KERNEL);
	EXPECT_KERNELS(test, ptr);
	/* Who calls these brings the site that the kernel's profiling asks for. */
	ptr = alloc_hooks(kvrealloc_noprof(ptr, 2 * TOO_LARGE, GFP_KERNEL));
	EXPECT_KERNELS(test, ptr);
	KUNIT_EXPECT_TRUE(test, !memchr_inv(ptr, 3, SZ_16K));
	kvfree(ptr);
	ptr = kvrealloc(NULL, SZ_64K, GFP_KERNEL);
	EXPECT_OURS(test, ptr);
	kvfree(ptr);
}

/* === Freeing === */

static void frees_of_either(struct kunit *test)
{
	void (*as_function)(const void *ptr) = kfree;
	void *ours = kmalloc(SIZE, GFP_KERNEL), *bulk[4];

	EXPECT_OURS(test, ours);
	as_function(ours);
	kfree(quarry_kernel_kmalloc(SIZE, GFP_KERNEL, NUMA_NO_NODE));
	kvfree(quarry_kernel_kvmalloc(TOO_LARGE, GFP_KERNEL, NUMA_NO_NODE));
	kfree_sensitive(kmalloc(SIZE, GFP_KERNEL));
	kfree_sensitive(quarry_kernel_kmalloc(SIZE, GFP_KERNEL, NUMA_NO_NODE));
	kvfree_sensitive(kvmalloc(SIZE, GFP_KERNEL), SIZE);
	kvfree_sensitive(quarry_kernel_kvmalloc(TOO_LARGE, GFP_KERNEL, NUMA_NO_NODE), TOO_LARGE);
	kfree_const(kstrdup("ours", GFP_KERNEL));
	kfree_const(kstrdup_const("in rodata", GFP_KERNEL));
	kfree(NULL);
	kvfree(ZERO_SIZE_PTR);
	kfree_sensitive(NULL);
	bulk[0] = kmalloc(SIZE, GFP_KERNEL);
	bulk[1] = quarry_kernel_kmalloc(SIZE, GFP_KERNEL, NUMA_NO_NODE);
	bulk[2] = kmalloc(SZ_64K, GFP_KERNEL);
	bulk[3] = quarry_kernel_kmalloc(SZ_64K, GFP_KERNEL, NUMA_NO_NODE);
	kfree_bulk(ARRAY_SIZE(bulk), bulk);
	QUARRY_EXPECT_ALLOCATED(test, quarry_compat_test_heap, 0);
}

static void frees_at_the_end_of_a_scope(struct kunit *test)
{
	{
		void *ours __free(kfree) = kmalloc(SIZE, GFP_KERNEL);
		void *pages __free(kvfree) = kvmalloc(SZ_64K, GFP_KERNEL);
		void *kernels __free(kfree) = quarry_kernel_kmalloc(SIZE, GFP_KERNEL,
								    NUMA_NO_NODE);

		EXPECT_OURS(test, ours);
		EXPECT_OURS(test, pages);
		EXPECT_KERNELS(test, kernels);
	}
	QUARRY_EXPECT_ALLOCATED(test, quarry_compat_test_heap, 0);
}

/* A free page of ours has no owner, and is not the kernel's for that. */
static void double_free_is_ours_to_report(struct kunit *test)
{
	char *ptr = kmalloc(SZ_256K, GFP_KERNEL);

	EXPECT_OURS(test, ptr);
	QUARRY_EXPECT_REPORTS(test, 1, kfree(ptr + PAGE_SIZE));
	kfree(ptr);
	QUARRY_EXPECT_SOME_REPORTS(test, kfree(ptr + SIZE));
	KUNIT_EXPECT_FALSE(test, quarry_free_ours(test));
	KUNIT_EXPECT_TRUE(test, quarry_free_ours(NULL));
}

static void sensitive_is_wiped(struct kunit *test)
{
	char *small = kmalloc(SIZE, GFP_KERNEL), *pages = kmalloc(SZ_64K, GFP_KERNEL);

	KUNIT_ASSERT_TRUE(test, small && pages);
	memset(small, 4, SIZE);
	memset(pages, 4, SZ_64K);
	quarry_free_sensitive(small);
	kfree_sensitive(pages);
	/* Nothing is written to free memory, and nobody else is there to take it. */
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(small, SIZE));
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(pages, SZ_64K));
	quarry_free_sensitive(NULL);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_sensitive(test));
}

/* === After a grace period === */

struct with_head {
	char data[SIZE];
	struct rcu_head rcu;
};

struct large_with_head {
	struct with_head small;
	char data[SZ_64K];
};

static void kfree_rcu_of_either(struct kunit *test)
{
	struct with_head *ours = kmalloc(sizeof(*ours), GFP_KERNEL);
	struct large_with_head *pages = kmalloc(sizeof(*pages), GFP_KERNEL);
	struct with_head *kernels = quarry_kernel_kmalloc(sizeof(*kernels), GFP_KERNEL,
							  NUMA_NO_NODE);
	struct with_head *none = NULL;
	u64 before;

	KUNIT_ASSERT_TRUE(test, ours && pages && kernels);
	before = quarry_test_stats(quarry_compat_test_heap).allocated;
	rcu_read_lock();
	kfree_rcu(ours, rcu);
	kvfree_rcu(pages, small.rcu);
	kfree_rcu(kernels, rcu);
	kfree_rcu(none, rcu);
	rcu_read_unlock();
	QUARRY_EXPECT_VERIFIED(test, quarry_compat_test_heap);
	KUNIT_EXPECT_GT(test, before, 0ULL);
	QUARRY_EXPECT_ALLOCATED(test, quarry_compat_test_heap, 0);

	ours = kmalloc(sizeof(*ours), GFP_KERNEL);
	EXPECT_OURS(test, ours);
	kfree_rcu_mightsleep(ours);
	QUARRY_EXPECT_VERIFIED(test, quarry_compat_test_heap);
	QUARRY_EXPECT_ALLOCATED(test, quarry_compat_test_heap, 0);
	kvfree_rcu_mightsleep(quarry_kernel_kmalloc(SIZE, GFP_KERNEL, NUMA_NO_NODE));
}

static void kfree_rcu_waits(struct kunit *test)
{
	struct with_head *obj = kmalloc(sizeof(*obj), GFP_KERNEL), *other;

	KUNIT_ASSERT_NOT_NULL(test, obj);
	rcu_read_lock();
	kfree_rcu(obj, rcu);
	/* What was freed last would be the next to come. */
	other = kmalloc(sizeof(*obj), GFP_NOWAIT);
	rcu_read_unlock();
	KUNIT_EXPECT_NOT_NULL(test, other);
	KUNIT_EXPECT_PTR_NE(test, other, obj);
	kfree(other);
	QUARRY_EXPECT_VERIFIED(test, quarry_compat_test_heap);
	QUARRY_EXPECT_ALLOCATED(test, quarry_compat_test_heap, 0);
}

static void kfree_rcu_of_an_inner_pointer(struct kunit *test)
{
	struct large_with_head *obj = kmalloc(2 * sizeof(*obj), GFP_KERNEL);
	struct large_with_head *inner = obj + 1;

	KUNIT_ASSERT_NOT_NULL(test, obj);
	QUARRY_EXPECT_REPORTS(test, 1, kfree_rcu(inner, small.rcu));
	kfree(obj);
}

/* === Caches === */

struct thing {
	u64 number;
	char text[40];
};

static void thing_ctor(void *obj)
{
	((struct thing *)obj)->number = 0x1234;
}

/* Allocates and frees in all ways; takes @s over. */
static void use_cache(struct kunit *test, const char *expr, struct kmem_cache *s, size_t size)
{
	void *objs[8], *obj;
	int i;

	KUNIT_ASSERT_NOT_NULL_MSG(test, s, "%s", expr);
	KUNIT_EXPECT_EQ_MSG(test, kmem_cache_size(s), (unsigned int)size, "%s", expr);
	obj = kmem_cache_alloc(s, GFP_KERNEL);
	EXPECT_OURS(test, obj);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)obj, 8));
	if (obj)
		memset(obj, 0xa5, size);
	kmem_cache_free(s, obj);
	obj = kmem_cache_zalloc(s, GFP_KERNEL_ACCOUNT);
	EXPECT_OURS(test, obj);
	KUNIT_EXPECT_TRUE_MSG(test, obj && quarry_test_is_zero(obj, size), "%s", expr);
	kfree(obj);
	obj = kmem_cache_alloc_node(s, GFP_KERNEL | GFP_DMA, numa_node_id());
	EXPECT_OURS(test, obj);
	KUNIT_EXPECT_TRUE(test, kmem_cache_charge(obj, GFP_KERNEL));
	kmem_cache_free(s, obj);
	obj = kmem_cache_alloc_lru(s, NULL, GFP_KERNEL);
	EXPECT_OURS(test, obj);
	kmem_cache_free(s, obj);
	KUNIT_EXPECT_EQ(test, kmem_cache_alloc_bulk(s, GFP_KERNEL, ARRAY_SIZE(objs), objs),
			(int)ARRAY_SIZE(objs));
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		EXPECT_OURS(test, objs[i]);
	kmem_cache_free_bulk(s, ARRAY_SIZE(objs), objs);
	KUNIT_EXPECT_EQ(test, kmem_cache_shrink(s), 0);
	QUARRY_EXPECT_ALLOCATED(test, quarry_compat_test_heap, 0);
	kmem_cache_destroy(s);
}

#define CHECK_CACHE(expr, size)	use_cache(test, #expr, expr, size)

static void caches_in_the_heap(struct kunit *test)
{
	struct kmem_cache_args args = { .align = 64, .usersize = 8 };

	CHECK_CACHE(kmem_cache_create("legacy", SIZE, 0, 0, NULL), SIZE);
	CHECK_CACHE(kmem_cache_create("args", SIZE, &args, SLAB_ACCOUNT), SIZE);
	CHECK_CACHE(kmem_cache_create("none", SIZE, NULL, SLAB_RECLAIM_ACCOUNT), SIZE);
	CHECK_CACHE(kmem_cache_create("panic", SIZE, 1, SLAB_PANIC, NULL), SIZE);
	CHECK_CACHE(kmem_cache_create("tiny", 3, 0, 0, NULL), 3);
	CHECK_CACHE(kmem_cache_create("a name of many more than 31 characters", 8, 0, 0, NULL), 8);
	CHECK_CACHE(kmem_cache_create_usercopy("usercopy", SIZE, 0, 0, 8, 16, NULL), SIZE);
	CHECK_CACHE(KMEM_CACHE(thing, SLAB_HWCACHE_ALIGN), sizeof(struct thing));
	CHECK_CACHE(KMEM_CACHE_USERCOPY(thing, 0, text), sizeof(struct thing));
	CHECK_CACHE(kmem_cache_create("large", SZ_64K, 0, 0, NULL), SZ_64K);
	CHECK_CACHE(kmem_cache_create("typesafe", SIZE, 0, SLAB_TYPESAFE_BY_RCU, NULL), SIZE);
	kmem_cache_destroy(NULL);
}

static void cache_line_alignment(struct kunit *test)
{
	static const unsigned int sizes[] = { 16, 24, 100 };
	unsigned int i, align;
	struct kmem_cache *s;
	void *objs[3];
	int k;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		align = min_t(unsigned int, cache_line_size(), roundup_pow_of_two(sizes[i]));
		s = kmem_cache_create("lines", sizes[i], 0, SLAB_HWCACHE_ALIGN, NULL);
		KUNIT_ASSERT_NOT_NULL(test, s);
		KUNIT_EXPECT_EQ(test, kmem_cache_alloc_bulk(s, GFP_KERNEL, 3, objs), 3);
		for (k = 0; k < 3; k++)
			KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)objs[k], align));
		kmem_cache_free_bulk(s, 3, objs);
		kmem_cache_destroy(s);
	}
}

static void constructors(struct kunit *test)
{
	struct kmem_cache_args args = { .ctor = thing_ctor };
	struct kmem_cache *s;
	struct thing *thing;

	s = kmem_cache_create("constructed", sizeof(*thing), &args, 0);
	KUNIT_ASSERT_NOT_NULL(test, s);
	thing = kmem_cache_alloc(s, GFP_KERNEL);
	EXPECT_OURS(test, thing);
	KUNIT_EXPECT_EQ(test, thing ? thing->number : 0, 0x1234ULL);
	kmem_cache_free(s, thing);
	kmem_cache_destroy(s);
}

static void caches_of_the_kernel(struct kunit *test)
{
	struct kmem_cache *s[3];
	void *objs[2];
	int i;

	s[0] = kmem_cache_create("dma", SIZE, 0, SLAB_CACHE_DMA, NULL);
	s[1] = kmem_cache_create("too-large", QUARRY_CACHE_MAX_SIZE + 8, 0, 0, NULL);
	s[2] = kmem_cache_create("aligned", SIZE, 2 * PAGE_SIZE, 0, NULL);
	for (i = 0; i < ARRAY_SIZE(s); i++) {
		KUNIT_ASSERT_NOT_NULL(test, s[i]);
		KUNIT_EXPECT_GE(test, kmem_cache_size(s[i]), (unsigned int)SIZE);
		objs[0] = kmem_cache_alloc(s[i], GFP_KERNEL);
		EXPECT_KERNELS(test, objs[0]);
		kmem_cache_free(s[i], objs[0]);
		objs[0] = kmem_cache_alloc_node(s[i], GFP_KERNEL, NUMA_NO_NODE);
		EXPECT_KERNELS(test, objs[0]);
		kmem_cache_free(s[i], objs[0]);
		KUNIT_EXPECT_EQ(test, kmem_cache_alloc_bulk(s[i], GFP_KERNEL, 2, objs), 2);
		EXPECT_KERNELS(test, objs[1]);
		kmem_cache_free_bulk(s[i], 2, objs);
		kmem_cache_shrink(s[i]);
		kmem_cache_destroy(s[i]);
	}
}

/* === A heap that has no more === */

static unsigned int take_all(struct kmem_cache *s, void **objs)
{
	unsigned int nr = 0;

	while (nr < MAX_TIGHT) {
		objs[nr] = kmem_cache_alloc(s, GFP_KERNEL | __GFP_NOWARN);
		if (!objs[nr])
			break;
		nr++;
	}
	return nr;
}

static void nofail_of_a_full_cache(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = TIGHT_LIMIT };
	void **objs = quarry_test_array(test, MAX_TIGHT, sizeof(*objs));
	struct kmem_cache *s;
	struct thing *thing;
	unsigned int nr;

	quarry_compat_test_heap = quarry_test_heap_params(test, params);
	s = kmem_cache_create("full", 256, 0, 0, thing_ctor);
	KUNIT_ASSERT_NOT_NULL(test, s);
	nr = take_all(s, objs);
	KUNIT_EXPECT_GT(test, nr, 0U);
	KUNIT_EXPECT_LT(test, nr, (unsigned int)MAX_TIGHT);
	KUNIT_EXPECT_EQ(test, kmem_cache_alloc_bulk(s, GFP_NOWAIT | __GFP_NOWARN, 1, objs + nr),
			0);
	thing = kmem_cache_alloc(s, GFP_KERNEL | __GFP_NOFAIL | __GFP_NOWARN);
	EXPECT_KERNELS(test, thing);
	KUNIT_EXPECT_EQ(test, thing ? thing->number : 0, 0x1234ULL);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)thing, 256));
	kmem_cache_free(s, thing);
	kmem_cache_free_bulk(s, nr, objs);
	kmem_cache_destroy(s);
}

struct from_irq {
	struct irq_work work;
	struct kmem_cache *cache;
	void *sized;
	void *object;
	bool in_hardirq;
};

static void allocate_in_irq(struct irq_work *work)
{
	struct from_irq *irq = container_of(work, struct from_irq, work);

	irq->in_hardirq = in_hardirq();
	irq->sized = kmalloc(SIZE, GFP_ATOMIC | __GFP_NOWARN);
	irq->object = kmem_cache_alloc(irq->cache, GFP_ATOMIC | __GFP_NOWARN);
}

/* There a heap does not grow, but the kernel's names give something where they may. */
static void hardirq_of_an_empty_heap(struct kunit *test)
{
	struct from_irq irq = { .work = IRQ_WORK_INIT(allocate_in_irq) };

	/* Elsewhere lockdep would have it that nothing of the kernel's may be called. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		irq.work = IRQ_WORK_INIT_HARD(allocate_in_irq);
	irq.cache = kmem_cache_create("irq", SIZE, 0, 0, NULL);
	KUNIT_ASSERT_NOT_NULL(test, irq.cache);
	irq_work_queue(&irq.work);
	irq_work_sync(&irq.work);
	KUNIT_EXPECT_TRUE(test, irq.in_hardirq);
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		KUNIT_EXPECT_NULL(test, irq.sized);
		KUNIT_EXPECT_NULL(test, irq.object);
	} else {
		EXPECT_KERNELS(test, irq.sized);
		EXPECT_KERNELS(test, irq.object);
	}
	kfree(irq.sized);
	kmem_cache_free(irq.cache, irq.object);
	kmem_cache_destroy(irq.cache);
}

/* === Memory pools === */

#define POOL_MIN	4

/* With the heap used up, the pool has its minimum, and gets it back. */
static void check_pool(struct kunit *test, mempool_t *pool)
{
	void *objs[POOL_MIN];
	int i;

	for (i = 0; i < POOL_MIN; i++) {
		objs[i] = mempool_alloc(pool, GFP_NOWAIT);
		EXPECT_OURS(test, objs[i]);
	}
	KUNIT_EXPECT_NULL(test, mempool_alloc(pool, GFP_NOWAIT));
	for (i = 0; i < POOL_MIN; i++)
		if (objs[i])
			mempool_free(objs[i], pool);
}

static void mempool_on_a_cache(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = TIGHT_LIMIT };
	void **objs = quarry_test_array(test, MAX_TIGHT, sizeof(*objs));
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 256, 0, 0, NULL);
	unsigned int nr = 0;
	mempool_t *pool;

	quarry_compat_test_heap = heap;
	pool = mempool_create(POOL_MIN, quarry_mempool_alloc, quarry_mempool_free, cache);
	KUNIT_ASSERT_NOT_NULL(test, pool);
	while (nr < MAX_TIGHT) {
		objs[nr] = quarry_cache_alloc(cache, GFP_KERNEL | __GFP_NOWARN);
		if (!objs[nr])
			break;
		nr++;
	}
	KUNIT_EXPECT_LT(test, nr, (unsigned int)MAX_TIGHT);
	check_pool(test, pool);
	while (nr)
		quarry_cache_free(cache, objs[--nr]);
	mempool_destroy(pool);
}

static void mempool_names(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = TIGHT_LIMIT };
	void **objs = quarry_test_array(test, MAX_TIGHT, sizeof(*objs));
	mempool_t *pool, *sized, embedded;
	struct kmem_cache *s;
	unsigned int nr;
	void *obj;

	quarry_compat_test_heap = quarry_test_heap_params(test, params);
	sized = mempool_create_kmalloc_pool(1, SIZE);
	KUNIT_ASSERT_NOT_NULL(test, sized);
	obj = mempool_alloc(sized, GFP_KERNEL);
	EXPECT_OURS(test, obj);
	mempool_free(obj, sized);
	mempool_destroy(sized);
	sized = mempool_create_kvmalloc_pool(1, SZ_8K);
	KUNIT_ASSERT_NOT_NULL(test, sized);
	obj = mempool_alloc(sized, GFP_KERNEL);
	EXPECT_OURS(test, obj);
	mempool_free(obj, sized);
	mempool_destroy(sized);

	s = kmem_cache_create("pool", 256, 0, 0, NULL);
	KUNIT_ASSERT_NOT_NULL(test, s);
	pool = mempool_create_slab_pool(POOL_MIN, s);
	KUNIT_ASSERT_NOT_NULL(test, pool);
	nr = take_all(s, objs);
	check_pool(test, pool);
	kmem_cache_free_bulk(s, nr, objs);
	mempool_destroy(pool);
	KUNIT_EXPECT_EQ(test, mempool_init_slab_pool(&embedded, POOL_MIN, s), 0);
	mempool_exit(&embedded);
	kmem_cache_destroy(s);
}

static struct kunit_case compat_cases[] = {
	KUNIT_CASE(sized_names),
	KUNIT_CASE(sizes_at_the_ends),
	KUNIT_CASE(alignment_of_kmalloc),
	KUNIT_CASE(what_a_heap_refuses),
	KUNIT_CASE(copies),
	KUNIT_CASE(krealloc_of_ours),
	KUNIT_CASE(krealloc_of_the_kernels),
	KUNIT_CASE(kvrealloc_across_owners),
	KUNIT_CASE(frees_of_either),
	KUNIT_CASE(frees_at_the_end_of_a_scope),
	KUNIT_CASE(double_free_is_ours_to_report),
	KUNIT_CASE(sensitive_is_wiped),
	KUNIT_CASE(kfree_rcu_of_either),
	KUNIT_CASE(kfree_rcu_waits),
	KUNIT_CASE(kfree_rcu_of_an_inner_pointer),
	KUNIT_CASE(caches_in_the_heap),
	KUNIT_CASE(cache_line_alignment),
	KUNIT_CASE(constructors),
	KUNIT_CASE(caches_of_the_kernel),
	KUNIT_CASE(nofail_of_a_full_cache),
	KUNIT_CASE(hardirq_of_an_empty_heap),
	KUNIT_CASE(mempool_on_a_cache),
	KUNIT_CASE(mempool_names),
	{}
};

struct kunit_suite quarry_compat_suite = {
	.name = "quarry_compat",
	.init = compat_init,
	.exit = quarry_test_exit,
	.test_cases = compat_cases,
};
