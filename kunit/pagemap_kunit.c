// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_pagemap: the way from any address to its owner.  What has no owner at all
 * (user, vmalloc, stack, text, holes of the direct map) is in quarry_pages.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include "helpers.h"
#include "../src/fault.h"
#include "../src/meta.h"
#include "../src/pagemap.h"
#include "../src/slab.h"

#define NR_HEAPS	8
#define RUN_PAGES	16	/* the smallest extent */

/* Of all pages of the run that is or was at @addr. */
static void expect_heap_of_run(struct kunit *test, const void *addr, struct quarry_heap *heap)
{
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL(test, addr);
	for (i = 0; i < RUN_PAGES; i++, addr += PAGE_SIZE) {
		KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(addr), heap);
		KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(addr + PAGE_SIZE - 1), heap);
	}
}

/* Small extents of several heaps are in one leaf: each page has its own heap. */
static void neighbours_are_told_apart(struct kunit *test)
{
	struct quarry_test_run runs[NR_HEAPS];
	struct quarry_heap *heaps[NR_HEAPS];
	void *addr;
	unsigned int i;

	for (i = 0; i < NR_HEAPS; i++) {
		heaps[i] = quarry_test_heap(test);
		KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heaps[i], &runs[i], RUN_PAGES, i));
	}
	for (i = 0; i < NR_HEAPS; i++) {
		expect_heap_of_run(test, runs[i].addr, heaps[i]);
		KUNIT_EXPECT_PTR_NE(test, quarry_heap_of(runs[i].addr - 1), heaps[i]);
		KUNIT_EXPECT_PTR_NE(test, quarry_heap_of(runs[i].addr + RUN_PAGES * PAGE_SIZE),
				    heaps[i]);
	}
	/* Every other one goes; the leaf stays for the rest. */
	for (i = 0; i < NR_HEAPS; i += 2) {
		addr = runs[i].addr;
		quarry_test_run_free(test, &runs[i]);
		quarry_test_heap_done(test, heaps[i]);
		expect_heap_of_run(test, addr, NULL);
	}
	for (i = 1; i < NR_HEAPS; i += 2) {
		expect_heap_of_run(test, runs[i].addr, heaps[i]);
		quarry_test_run_free(test, &runs[i]);
	}
}

static void leaves_come_and_go(struct kunit *test)
{
	unsigned long first = quarry_pagemap_size / 2 * QUARRY_PAGEMAP_LEAF - 1;
	long held = quarry_pages_held();

	/* The last page of a leaf, one leaf, the first page of the next; and one in the middle. */
	KUNIT_ASSERT_EQ(test, quarry_pagemap_cover(first, QUARRY_PAGEMAP_LEAF + 2, GFP_KERNEL), 0);
	KUNIT_ASSERT_EQ(test, quarry_pagemap_cover(first + 2, 1, GFP_KERNEL), 0);
	KUNIT_EXPECT_LE(test, quarry_pages_held(), held + 3);
	quarry_pagemap_uncover(first, QUARRY_PAGEMAP_LEAF + 2);
	quarry_pagemap_uncover(first + 2, 1);
	KUNIT_EXPECT_EQ(test, quarry_pages_held(), held);
	rcu_barrier();
}

static void no_leaf_beyond_the_map(struct kunit *test)
{
	unsigned long end = quarry_pagemap_size * QUARRY_PAGEMAP_LEAF;
	long held = quarry_pages_held();

	KUNIT_EXPECT_EQ(test, quarry_pagemap_cover(end, 1, GFP_KERNEL), -ERANGE);
	KUNIT_EXPECT_EQ(test, quarry_pagemap_cover(end - 1, 2, GFP_KERNEL), -ERANGE);
	KUNIT_EXPECT_EQ(test, quarry_pages_held(), held);
	KUNIT_EXPECT_NULL(test, quarry_heap_of(__va(PFN_PHYS(end))));
	KUNIT_EXPECT_NULL(test, quarry_heap_of(__va(PFN_PHYS(end)) - 1));
}

/* As when memory is plugged in: owners are found in the longer array as well. */
static void longer_map_keeps_owners(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	/* Never more than 1/1024 of RAM. */
	unsigned long most = (totalram_pages() << PAGE_SHIFT) / 1024 / sizeof(long);
	unsigned long size = quarry_pagemap_size;
	struct quarry_test_run run;

	if (size == most)
		kunit_skip(test, "the map is as long as it can be, from an earlier run perhaps");
	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, RUN_PAGES, 1));
	KUNIT_EXPECT_EQ(test, quarry_pagemap_reach(size * QUARRY_PAGEMAP_LEAF), 0);
	KUNIT_EXPECT_EQ(test, quarry_pagemap_size, size);
	KUNIT_EXPECT_EQ(test, quarry_pagemap_reach(size * QUARRY_PAGEMAP_LEAF + 1), 0);
	KUNIT_EXPECT_EQ(test, quarry_pagemap_size, size + 1);
	expect_heap_of_run(test, run.addr, heap);
	KUNIT_EXPECT_NULL(test, quarry_heap_of(__va(PFN_PHYS(size * QUARRY_PAGEMAP_LEAF))));
	quarry_test_run_free(test, &run);

	KUNIT_EXPECT_EQ(test, quarry_pagemap_reach(ULONG_MAX >> PAGE_SHIFT), 0);
	KUNIT_EXPECT_EQ(test, quarry_pagemap_size, most);
	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, RUN_PAGES, 2));
	expect_heap_of_run(test, run.addr, heap);
	quarry_test_run_free(test, &run);
}

#define NR_RUNS		128
#define NR_OTHERS	64	/* heaps of one small extent each */

/* What one heap gave back early is nobody's or of who got it, then and later. */
static void holes_belong_to_who_got_them(struct kunit *test)
{
	struct quarry_test_run *runs = quarry_test_array(test, NR_RUNS, sizeof(*runs));
	struct quarry_test_run *more = quarry_test_array(test, NR_OTHERS, sizeof(*more));
	struct quarry_heap **others = quarry_test_array(test, NR_OTHERS, sizeof(*others));
	void **addrs = quarry_test_array(test, NR_RUNS, sizeof(*addrs));
	struct quarry_heap *first = quarry_test_heap(test);
	unsigned int i, k, hits = 0;

	for (i = 0; i < NR_RUNS; i++) {
		KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(first, &runs[i], RUN_PAGES, i));
		addrs[i] = runs[i].addr;
	}
	for (i = 0; i < NR_RUNS; i += 2)
		quarry_test_run_free(test, &runs[i]);
	quarry_heap_trim(first);
	for (i = 0; i < NR_RUNS; i++)
		expect_heap_of_run(test, addrs[i], i % 2 ? first : NULL);
	for (i = 0; i < NR_OTHERS; i++) {
		others[i] = quarry_test_heap(test);
		KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(others[i], &more[i], RUN_PAGES, i));
		expect_heap_of_run(test, more[i].addr, others[i]);
		for (k = 0; k < NR_RUNS; k += 2)
			hits += addrs[k] == more[i].addr;
	}
	kunit_info(test, "%u holes taken by other heaps\n", hits);
	/* The rest of the first heap's extents goes, with holes in it that are of others. */
	for (i = 1; i < NR_RUNS; i += 2)
		quarry_test_run_free(test, &runs[i]);
	quarry_test_heap_done(test, first);
	for (i = 0; i < NR_OTHERS; i++) {
		expect_heap_of_run(test, more[i].addr, others[i]);
		quarry_test_run_free(test, &more[i]);
	}
}

/* The test for the start of an object is exact for every stride and offset. */
static void starts_of_objects(struct kunit *test)
{
	static const size_t sizes[] = {
		1, 2, 4, 7, 8, 24, 40, 56, 72, 100, 192, 1000, 1024, 2048, 4097, 8392, 40000,
	};
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache;
	size_t stride, k;
	unsigned int i;
	void *obj;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		cache = quarry_test_cache(test, heap, sizes[i], 0, QUARRY_DATA, NULL);
		obj = quarry_cache_alloc(cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, obj);
		KUNIT_EXPECT_EQ(test, quarry_usable_size(obj), sizes[i]);
		stride = sizes[i] < 8 ? roundup_pow_of_two(sizes[i]) : ALIGN(sizes[i], 8);
		for (k = 1; k < stride; k++)
			if (quarry_usable_size(obj + k))
				KUNIT_FAIL(test, "%zu bytes at %p: %zu passes", sizes[i], obj, k);
		quarry_cache_free(cache, obj);
	}
}

/*
 * A slab that is older than its cache's per-CPU area: frees by address go the long way
 * until one of them makes the slab catch up (quarry_front_follow()).
 */
static void slab_catches_up_with_its_cache(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	struct quarry_cpu __percpu *cold = cache->front.cpu;
	struct quarry_slab *slab;
	void *old, *obj;

	KUNIT_ASSERT_EQ(test, quarry_fault_test_begin(), 0);
	quarry_fault_test_arm(QUARRY_FAULT_FRONT, 1, ULONG_MAX);
	old = quarry_cache_alloc(cache, GFP_KERNEL);
	quarry_fault_test_end();
	KUNIT_ASSERT_NOT_NULL(test, old);
	KUNIT_EXPECT_PTR_EQ(test, cache->front.cpu, cold);
	preempt_disable();
	slab = quarry_slab_find(old);
	preempt_enable();
	KUNIT_ASSERT_NOT_NULL(test, slab);
	KUNIT_EXPECT_PTR_EQ(test, slab->front.cpu, cold);

	obj = quarry_cache_alloc(cache, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_EXPECT_PTR_NE(test, cache->front.cpu, cold);
	KUNIT_EXPECT_PTR_EQ(test, slab->front.cpu, cold);
	quarry_free(old);
	KUNIT_EXPECT_PTR_EQ(test, slab->front.cpu, cache->front.cpu);
	quarry_free(obj);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* The same of a heap and the caches of its size classes. */
static void heap_catches_up_with_its_classes(struct kunit *test)
{
	const unsigned int index = quarry_size_class(64, QUARRY_KIND_PTR);
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_front *copy = &heap->fronts[QUARRY_KIND_PTR][index];
	struct quarry_cache **class = &heap->classes[QUARRY_KIND_PTR][index], *none = *class;
	struct quarry_cpu __percpu *cold = copy->cpu;
	void *old, *obj;

	KUNIT_EXPECT_PTR_EQ(test, cold, none->front.cpu);
	KUNIT_ASSERT_EQ(test, quarry_fault_test_begin(), 0);
	quarry_fault_test_arm(QUARRY_FAULT_FRONT, 1, ULONG_MAX);
	old = quarry_alloc(heap, 64, GFP_KERNEL);
	quarry_fault_test_end();
	KUNIT_ASSERT_NOT_NULL(test, old);
	KUNIT_EXPECT_PTR_NE(test, *class, none);
	KUNIT_EXPECT_PTR_EQ(test, copy->cpu, cold);
	obj = quarry_alloc(heap, 64, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_EXPECT_PTR_NE(test, copy->cpu, cold);
	KUNIT_EXPECT_PTR_EQ(test, copy->cpu, (*class)->front.cpu);
	quarry_free(old);
	quarry_free(obj);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static struct kunit_case pagemap_cases[] = {
	KUNIT_CASE(neighbours_are_told_apart),
	KUNIT_CASE(leaves_come_and_go),
	KUNIT_CASE(no_leaf_beyond_the_map),
	KUNIT_CASE(longer_map_keeps_owners),
	KUNIT_CASE(holes_belong_to_who_got_them),
	KUNIT_CASE(starts_of_objects),
	KUNIT_CASE(slab_catches_up_with_its_cache),
	KUNIT_CASE(heap_catches_up_with_its_classes),
	{}
};

struct kunit_suite quarry_pagemap_suite = {
	.name = "quarry_pagemap",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = pagemap_cases,
};
