// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_pages: the page heap seen from outside, through
 * quarry_alloc_pages(), and what the rest of the kernel can do to its pages.
 */
#include <linux/err.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/preempt.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>
#include "helpers.h"

#define NR_SLOTS	128

static const unsigned long exact_counts[] = {
	1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 100, 127, 255, 257, 500, 1000, 1023, 1024,
};

/* === Allocating === */

static void all_orders(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int order;
	size_t size;
	void *addr;

	for (order = 0; order <= 10; order++) {
		size = PAGE_SIZE << order;
		addr = quarry_alloc_pages(heap, order, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL_MSG(test, addr, "order %u", order);
		KUNIT_EXPECT_TRUE_MSG(test, IS_ALIGNED((unsigned long)addr, size),
				      "order %u at %p", order, addr);
		KUNIT_EXPECT_EQ_MSG(test, quarry_usable_size(addr), size, "order %u", order);
		KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(addr), heap);
		KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(addr + size - 1), heap);
		QUARRY_EXPECT_ALLOCATED(test, heap, size);
		quarry_test_fill(addr, size, order);
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(addr, size, order), "order %u",
				      order);
		quarry_free_pages(addr);
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
		QUARRY_EXPECT_VERIFIED(test, heap);
	}
}

static void exact_count_costs_the_count(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned long nr;
	unsigned int i;
	void *addr;

	for (i = 0; i < ARRAY_SIZE(exact_counts); i++) {
		nr = exact_counts[i];
		addr = quarry_alloc_pages_exact(heap, nr, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL_MSG(test, addr, "%lu pages", nr);
		KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(addr));
		KUNIT_EXPECT_EQ_MSG(test, quarry_usable_size(addr), nr << PAGE_SHIFT,
				    "%lu pages", nr);
		QUARRY_EXPECT_ALLOCATED(test, heap, nr << PAGE_SHIFT);
		if (i & 1)
			quarry_free(addr);
		else
			quarry_free_pages(addr);
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void impossible_counts(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned long too_many = (QUARRY_EXTENT_MAX_SIZE >> PAGE_SHIFT) + 1;
	void *zero, *above, *huge;

	QUARRY_QUIETLY(zero = quarry_alloc_pages_exact(heap, 0, GFP_KERNEL | __GFP_NOWARN);
		       above = quarry_alloc_pages_exact(heap, too_many, GFP_KERNEL | __GFP_NOWARN);
		       huge = quarry_alloc_pages_exact(heap, ULONG_MAX, GFP_KERNEL | __GFP_NOWARN));
	KUNIT_EXPECT_NULL(test, zero);
	KUNIT_EXPECT_NULL(test, above);
	KUNIT_EXPECT_NULL(test, huge);
	quarry_free_pages(NULL);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* Order 11 is one too many; from 64 on the shift itself is undefined. */
static void impossible_orders(struct kunit *test)
{
	static const unsigned int orders[] = {
		11, 12, 20, 31, 32, 52, 53, 62, 63, 64, 65, 128, UINT_MAX,
	};
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int i, order;
	void *addr;

	QUARRY_EXPECT_REPORTS(test, 1, addr = quarry_alloc_pages(heap, 11, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, addr);
	QUARRY_EXPECT_REPORTS(test, 1, addr = quarry_alloc_pages(heap, 64, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, addr);
	addr = quarry_alloc_pages(heap, 11, GFP_KERNEL | __GFP_NOWARN);
	KUNIT_EXPECT_NULL_MSG(test, addr, "without a line");
	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		order = orders[i];
		OPTIMIZER_HIDE_VAR(order);
		QUARRY_EXPECT_REPORTS(test, 1, addr = quarry_alloc_pages(heap, order, GFP_KERNEL));
		KUNIT_EXPECT_NULL_MSG(test, addr, "order %u", orders[i]);
		quarry_free_pages(addr);
	}
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(heap).mapped, 0ULL, "the kernel was not asked");
}

/* All at once, each with a pattern of its own over all of its bytes. */
static void runs_do_not_overlap(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_run runs[ARRAY_SIZE(exact_counts)];
	u64 pages = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(runs); i++) {
		KUNIT_ASSERT_TRUE_MSG(test,
				      quarry_test_run_alloc(heap, &runs[i], exact_counts[i], i),
				      "%lu pages", exact_counts[i]);
		pages += exact_counts[i];
	}
	QUARRY_EXPECT_ALLOCATED(test, heap, pages << PAGE_SHIFT);
	QUARRY_EXPECT_VERIFIED(test, heap);
	for (i = 0; i < ARRAY_SIZE(runs); i += 2)
		quarry_test_run_free(test, &runs[i]);
	QUARRY_EXPECT_VERIFIED(test, heap);
	for (i = 1; i < ARRAY_SIZE(runs); i += 2)
		quarry_test_run_free(test, &runs[i]);
}

static void zeroed_when_asked(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int order;
	void *addr;

	for (order = 0; order <= 6; order++) {
		addr = quarry_alloc_pages(heap, order, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, addr);
		memset(addr, 0xa5, PAGE_SIZE << order);
		quarry_free_pages(addr);
		addr = quarry_alloc_pages(heap, order, GFP_KERNEL | __GFP_ZERO);
		KUNIT_ASSERT_NOT_NULL(test, addr);
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_is_zero(addr, PAGE_SIZE << order),
				      "order %u", order);
		quarry_free_pages(addr);
	}
}

static bool random_step(struct kunit *test, struct quarry_heap *heap, struct quarry_test_run *run,
			struct rnd_state *rnd, u64 *live)
{
	unsigned long nr = 1 + quarry_test_below(rnd, 1U << quarry_test_below(rnd, 8));

	if (run->addr) {
		*live -= run->nr << PAGE_SHIFT;
		quarry_test_run_free(test, run);
		return true;
	}
	*live += nr << PAGE_SHIFT;
	return quarry_test_run_alloc(heap, run, nr, prandom_u32_state(rnd));
}

static void random_runs(struct kunit *test)
{
	struct quarry_test_run *runs = quarry_test_array(test, NR_SLOTS, sizeof(*runs));
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int i, steps = QUARRY_TEST_LOOPS(8000);
	struct rnd_state rnd;
	u64 live = 0;

	quarry_test_seed(test, &rnd);
	for (i = 0; i < steps; i++) {
		KUNIT_ASSERT_TRUE_MSG(test,
				      random_step(test, heap,
						  &runs[quarry_test_below(&rnd, NR_SLOTS)], &rnd,
						  &live),
				      "step %u", i);
		if (i % 256 == 0) {
			QUARRY_EXPECT_ALLOCATED(test, heap, live);
			QUARRY_EXPECT_VERIFIED(test, heap);
		}
	}
	for (i = 0; i < NR_SLOTS; i++) {
		if (runs[i].addr)
			quarry_test_run_free(test, &runs[i]);
	}
}

/* === Limit, reserve, giving back === */

/* Single pages until there are no more, linked through their first word. */
static unsigned long exhaust(struct kunit *test, struct quarry_heap *heap, u64 limit, void **chain)
{
	unsigned long nr = 0;
	void **page;

	while ((page = quarry_alloc_pages(heap, 0, GFP_KERNEL | __GFP_NOWARN))) {
		*page = *chain;
		*chain = page;
		nr++;
		if (nr > limit >> PAGE_SHIFT)
			break;
	}
	KUNIT_EXPECT_LE_MSG(test, quarry_test_stats(heap).mapped, limit, "after %lu pages", nr);
	KUNIT_EXPECT_LE_MSG(test, quarry_test_stats(heap).mapped_peak, limit, "after %lu pages",
			    nr);
	return nr;
}

static void free_chain(void **chain)
{
	void *page;

	while ((page = *chain)) {
		*chain = *(void **)page;
		quarry_free_pages(page);
	}
}

/* On one CPU, since the other one's magazines may hold free pages. */
static void expect_exact_limit(struct kunit *test, struct quarry_heap *heap, u64 limit)
{
	void *chain = NULL, *addr;

	KUNIT_EXPECT_EQ_MSG(test, exhaust(test, heap, limit, &chain),
			    (unsigned long)(limit >> PAGE_SHIFT), "limit %llu", limit);
	KUNIT_EXPECT_NULL(test, quarry_alloc(heap, 100, GFP_KERNEL | __GFP_NOWARN));
	QUARRY_EXPECT_VERIFIED(test, heap);
	addr = chain;
	if (addr) {
		chain = *(void **)addr;
		quarry_free_pages(addr);
	}
	addr = quarry_alloc_pages(heap, 0, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL_MSG(test, addr, "a page was freed at limit %llu", limit);
	quarry_free_pages(addr);
	free_chain(&chain);
}

static void limit_is_exact(struct kunit *test)
{
	static const u64 limits[] = { SZ_64K, SZ_1M, SZ_1M + SZ_64K + SZ_4K, 3 * SZ_4M };
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;
	unsigned long half;
	unsigned int i;
	void *addr;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		params.limit = limits[i];
		params.name = NULL;
		heap = quarry_test_heap_params(test, params);
		migrate_disable();
		expect_exact_limit(test, heap, limits[i]);
		migrate_enable();
		quarry_heap_trim(heap);
		half = min_t(u64, limits[i], SZ_4M) / 2 >> PAGE_SHIFT;
		addr = quarry_alloc_pages_exact(heap, half, GFP_KERNEL);
		KUNIT_EXPECT_NOT_NULL_MSG(test, addr, "half of limit %llu after all was freed",
					  limits[i]);
		quarry_free_pages(addr);
	}
}

static void reserve_is_kept(struct kunit *test)
{
	struct quarry_heap_params params = {
		QUARRY_HEAP_DEFAULTS,
		.reserve = SZ_1M + SZ_64K,
	};
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_test_run runs[4];
	unsigned int i;

	KUNIT_EXPECT_GE(test, quarry_test_stats(heap).mapped, params.reserve);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).reserve, params.reserve);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_GE(test, quarry_test_stats(heap).mapped, params.reserve);
	for (i = 0; i < ARRAY_SIZE(runs); i++)
		KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &runs[i], 500, i));
	KUNIT_EXPECT_GE(test, quarry_test_stats(heap).mapped, 4 * 500 * PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(runs); i++)
		quarry_test_run_free(test, &runs[i]);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_GE(test, quarry_test_stats(heap).mapped, params.reserve);
	KUNIT_EXPECT_LT_MSG(test, quarry_test_stats(heap).mapped,
			    params.reserve + QUARRY_EXTENT_MAX_SIZE,
			    "one extent less would still have been enough");
}

/* Nothing is taken from the kernel as long as the reserve lasts. */
static void reserve_serves_first(struct kunit *test)
{
	/* The limit keeps the refill worker from taking more. */
	struct quarry_heap_params params = {
		QUARRY_HEAP_DEFAULTS,
		.reserve = SZ_1M,
		.limit = SZ_1M,
	};
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	u64 calls = quarry_test_stats(heap).nr_kernel_calls;
	void *chain = NULL, **page;
	unsigned int i;

	migrate_disable();
	for (i = 0; i < SZ_1M >> PAGE_SHIFT; i++) {
		page = quarry_alloc_pages(heap, 0, GFP_KERNEL);
		if (!page)
			break;
		*page = chain;
		chain = page;
	}
	migrate_enable();
	KUNIT_EXPECT_EQ(test, i, (unsigned int)(SZ_1M >> PAGE_SHIFT));
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).nr_kernel_calls, calls);
	free_chain(&chain);
}

static void trim_gives_back(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	u64 before, given;
	struct quarry_test_run kept;
	struct quarry_test_run runs[16];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(runs); i++)
		KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &runs[i], 100 + i, i));
	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &kept, 3, 99));
	for (i = 0; i < ARRAY_SIZE(runs); i++)
		quarry_test_run_free(test, &runs[i]);
	before = quarry_test_stats(heap).mapped;
	given = quarry_heap_trim(heap);
	KUNIT_EXPECT_GT(test, given, 0ULL);
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(heap).mapped, before - given,
			    "trim says it gave %llu of %llu back", given, before);
	KUNIT_EXPECT_GT(test, quarry_test_stats(heap).mapped, 0ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_test_run_free(test, &kept);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).nr_extents, 0ULL);
	KUNIT_EXPECT_EQ_MSG(test, quarry_heap_trim(heap), 0ULL, "there was nothing left to give");
}

static void expect_identities(struct kunit *test, struct quarry_heap *heap)
{
	struct quarry_heap_stats s = quarry_test_stats(heap);

	KUNIT_EXPECT_LE(test, s.allocated, s.active);
	KUNIT_EXPECT_LE(test, s.active, s.mapped);
	KUNIT_EXPECT_LE(test, s.mapped, s.mapped_peak);
	KUNIT_EXPECT_LE(test, s.active, s.active_peak);
	KUNIT_EXPECT_LE(test, s.active_peak, s.mapped_peak);
	KUNIT_EXPECT_EQ(test, s.resident, s.mapped + s.metadata);
	KUNIT_EXPECT_LE(test, s.nr_extents, s.nr_extent_allocs);
	KUNIT_EXPECT_LE(test, s.nr_extent_allocs, s.nr_kernel_calls);
	KUNIT_EXPECT_GE(test, s.mapped, s.nr_extents * SZ_4K);
	KUNIT_EXPECT_LE(test, s.mapped, s.nr_extents * QUARRY_EXTENT_MAX_SIZE);
	KUNIT_EXPECT_EQ(test, s.lost, 0ULL);
}

static void stats_identities(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_run runs[ARRAY_SIZE(exact_counts)];
	u64 peak;
	unsigned int i;

	expect_identities(test, heap);
	for (i = 0; i < ARRAY_SIZE(runs); i++) {
		KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &runs[i], exact_counts[i], i));
		expect_identities(test, heap);
	}
	KUNIT_EXPECT_GT(test, quarry_test_stats(heap).metadata, 0ULL);
	peak = quarry_test_stats(heap).mapped_peak;
	for (i = 0; i < ARRAY_SIZE(runs); i++) {
		quarry_test_run_free(test, &runs[i]);
		expect_identities(test, heap);
	}
	quarry_heap_trim(heap);
	expect_identities(test, heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped_peak, peak);
}

/* === Misuse === */

static void interior_page_is_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_run run;

	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, 32, 1));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_pages(run.addr + PAGE_SIZE));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_pages(run.addr + 16 * PAGE_SIZE));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(run.addr + 31 * PAGE_SIZE));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(run.addr + 8));
	KUNIT_EXPECT_EQ(test, quarry_usable_size(run.addr + PAGE_SIZE), (size_t)0);
	QUARRY_EXPECT_ALLOCATED(test, heap, 32 * PAGE_SIZE);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_test_run_free(test, &run);
}

/* Who knows heap and order may say so; what is wrong is found when magazines are drained. */
static void freed_by_order(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int order;
	void *addr, *other;

	migrate_disable();
	for (order = 0; order <= 10; order++) {
		addr = quarry_alloc_pages(heap, order, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, addr);
		quarry_test_fill(addr, PAGE_SIZE << order, order);
		quarry_free_order(heap, addr, order);
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
		KUNIT_EXPECT_PTR_EQ_MSG(test, quarry_alloc_pages(heap, order, GFP_KERNEL), addr,
					"order %u", order);
		quarry_free_pages(addr);
	}
	/* Twice, and as something that it is not. */
	addr = quarry_alloc_pages(heap, 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	quarry_free_order(heap, addr, 1);
	quarry_free_order(heap, addr, 1);
	migrate_enable();
	QUARRY_EXPECT_REPORTS(test, 1, quarry_heap_trim(heap));
	addr = quarry_alloc_pages(heap, 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	/* A magazine that has room, or it would be looked up after all. */
	migrate_disable();
	other = quarry_alloc_pages(heap, 2, GFP_KERNEL);
	quarry_free_order(heap, addr, 2);
	migrate_enable();
	quarry_free_pages(other);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_heap_trim(heap));
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_free_pages(addr);
}

/* Runs above order 3 are not cached: the page heap sees each free. */
static void double_free_is_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_run kept;
	void *addr;
	unsigned int order;

	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &kept, 16, 7));
	for (order = 4; order <= 10; order++) {
		addr = quarry_alloc_pages(heap, order, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, addr);
		quarry_free_pages(addr);
		KUNIT_EXPECT_EQ(test, quarry_usable_size(addr), (size_t)0);
		QUARRY_EXPECT_REPORTS(test, 1, quarry_free_pages(addr));
		QUARRY_EXPECT_REPORTS(test, 1, quarry_free(addr));
		QUARRY_EXPECT_ALLOCATED(test, heap, 16 * PAGE_SIZE);
		QUARRY_EXPECT_VERIFIED(test, heap);
	}
	quarry_test_run_free(test, &kept);
}

static void foreign_pointers_are_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct page *page = alloc_page(GFP_KERNEL);
	void *small = kmalloc(64, GFP_KERNEL), *mapped = vmalloc(PAGE_SIZE);
	unsigned long on_stack = 0;
	struct quarry_test_run run;

	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, 1, 1));
	KUNIT_EXPECT_TRUE(test, page && small && mapped);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_pages(page_address(page)));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(page_address(page)));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(small));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(mapped));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(&on_stack));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(ERR_PTR(-ENOMEM)));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free((void *)0x1000));
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	vfree(mapped);
	kfree(small);
	__free_page(page);
	QUARRY_EXPECT_ALLOCATED(test, heap, PAGE_SIZE);
	quarry_test_run_free(test, &run);
}

/* === Lookups of what is not ours === */

static int in_data;

static void expect_unknown(struct kunit *test, const void *addr, const char *what)
{
	KUNIT_EXPECT_NULL_MSG(test, quarry_heap_of(addr), "%s at %p", what, addr);
	KUNIT_EXPECT_EQ_MSG(test, quarry_usable_size(addr), (size_t)0, "%s at %p", what, addr);
}

static void lookup_of_numbers(struct kunit *test)
{
	unsigned int bit;

	expect_unknown(test, NULL, "NULL");
	expect_unknown(test, ZERO_SIZE_PTR, "ZERO_SIZE_PTR");
	expect_unknown(test, ERR_PTR(-ENOMEM), "ERR_PTR");
	expect_unknown(test, ERR_PTR(-MAX_ERRNO), "ERR_PTR");
	expect_unknown(test, (void *)ULONG_MAX, "the last byte");
	expect_unknown(test, (void *)0x400000, "user text");
	expect_unknown(test, (void *)0x7fffffffe000, "user stack");
	expect_unknown(test, (void *)0x800000000000, "non-canonical address");
	expect_unknown(test, (void *)(PAGE_OFFSET - 1), "byte below the direct map");
	expect_unknown(test, (void *)PAGE_OFFSET, "start of the direct map");
	expect_unknown(test, high_memory, "end of the direct map");
	expect_unknown(test, high_memory + SZ_1G, "beyond the direct map");
	for (bit = 0; bit < 64; bit++) {
		expect_unknown(test, (void *)(1UL << bit), "single bit");
		expect_unknown(test, (void *)~((1UL << bit) - 1), "high bits");
	}
}

static void lookup_of_kernel_memory(struct kunit *test)
{
	void *small = kmalloc(100, GFP_KERNEL), *large = kmalloc(SZ_64K, GFP_KERNEL);
	struct page *page = alloc_pages(GFP_KERNEL, 2);
	void *mapped = vmalloc(3 * PAGE_SIZE);
	int on_stack;

	KUNIT_EXPECT_TRUE(test, small && large && page && mapped);
	expect_unknown(test, small, "kmalloc");
	expect_unknown(test, large + SZ_64K - 1, "large kmalloc");
	expect_unknown(test, page_address(page), "kernel page");
	expect_unknown(test, mapped + 2 * PAGE_SIZE, "vmalloc");
	expect_unknown(test, mapped + 3 * PAGE_SIZE, "vmalloc guard");
	expect_unknown(test, &on_stack, "stack");
	expect_unknown(test, &in_data, "data");
	expect_unknown(test, lookup_of_kernel_memory, "text");
	expect_unknown(test, quarry_heap_of, "text of the allocator");
	expect_unknown(test, kfree, "text of the kernel");
	expect_unknown(test, current, "task");
	expect_unknown(test, page, "struct page");
	expect_unknown(test, page_address(ZERO_PAGE(0)), "zero page");
	vfree(mapped);
	if (page)
		__free_pages(page, 2);
	kfree(large);
	kfree(small);
}

/* A page's private word says 7: that must not be taken for extent 7. */
static void lookup_of_lying_private(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct page *page = alloc_page(GFP_KERNEL);
	struct quarry_test_run run;
	unsigned long i;

	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, 1, 1));
	KUNIT_EXPECT_NOT_NULL(test, page);
	for (i = 0; page && i < 2048; i++) {
		set_page_private(page, i < 1024 ? i : ULONG_MAX << (i & 63));
		expect_unknown(test, page_address(page), "page with a private word");
	}
	if (page) {
		set_page_private(page, page_private(virt_to_page(run.addr)));
		expect_unknown(test, page_address(page), "page with the private word of ours");
		set_page_private(page, 0);
		__free_page(page);
	}
	quarry_test_run_free(test, &run);
}

/* Pages of a heap that is gone belong to no one, whatever they still hold. */
static void lookup_of_stale_pages(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	void *addrs[32];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		if (i & 1)
			addrs[i] = quarry_alloc_pages(heap, i / 4, GFP_KERNEL);
		else
			addrs[i] = quarry_alloc(heap, 8 << i / 4, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, addrs[i]);
	}
	for (i = 0; i < ARRAY_SIZE(addrs); i++)
		quarry_free(addrs[i]);
	quarry_test_heap_done(test, heap);
	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		expect_unknown(test, addrs[i], "page of a destroyed heap");
		QUARRY_EXPECT_REPORTS(test, 1, quarry_free(addrs[i]));
	}
}

static struct kunit_case pages_cases[] = {
	KUNIT_CASE(all_orders),
	KUNIT_CASE(exact_count_costs_the_count),
	KUNIT_CASE(impossible_counts),
	KUNIT_CASE(impossible_orders),
	KUNIT_CASE(runs_do_not_overlap),
	KUNIT_CASE(zeroed_when_asked),
	KUNIT_CASE(freed_by_order),
	KUNIT_CASE(random_runs),
	KUNIT_CASE(limit_is_exact),
	KUNIT_CASE(reserve_is_kept),
	KUNIT_CASE(reserve_serves_first),
	KUNIT_CASE(trim_gives_back),
	KUNIT_CASE(stats_identities),
	KUNIT_CASE(interior_page_is_refused),
	KUNIT_CASE(double_free_is_refused),
	KUNIT_CASE(foreign_pointers_are_refused),
	KUNIT_CASE(lookup_of_numbers),
	KUNIT_CASE(lookup_of_kernel_memory),
	KUNIT_CASE(lookup_of_lying_private),
	KUNIT_CASE(lookup_of_stale_pages),
	{}
};

struct kunit_suite quarry_pages_suite = {
	.name = "quarry_pages",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = pages_cases,
};
