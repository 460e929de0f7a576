// SPDX-License-Identifier: GPL-2.0
/*
 * Heaps on a caller's own pages: nothing else is used, everything comes back as it
 * was, and what cannot be lent is refused with nothing changed.
 */
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "../src/pagemap.h"
#include "helpers.h"

#define NR_PAGES	1000UL		/* no power of two */
#define HEAD		3UL		/* and not at an aligned address */
#define BYTES		(NR_PAGES << PAGE_SHIFT)

/* NR_PAGES single pages from an odd page on; freed when the case ends. */
static void free_range(void *base)
{
	free_pages_exact(base, (HEAD + NR_PAGES) << PAGE_SHIFT);
}

static void *make_range(struct kunit *test)
{
	void *base = alloc_pages_exact((HEAD + NR_PAGES) << PAGE_SHIFT, GFP_KERNEL | __GFP_NOWARN);
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL_MSG(test, base, "no pages for the test itself");
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_range, base), 0);
	/* Whoever had them may have left something there. */
	for (i = 0; i < HEAD + NR_PAGES; i++)
		set_page_private(virt_to_page(base) + i, 0);
	return base + (HEAD << PAGE_SHIFT);
}

static void expect_untouched(struct kunit *test, void *range, unsigned long nr)
{
	struct page *page = virt_to_page(range);
	unsigned long i;

	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_EQ_MSG(test, page_ref_count(page + i), 1, "page %lu", i);
		KUNIT_EXPECT_EQ_MSG(test, page_private(page + i), 0UL, "page %lu", i);
	}
}

static struct quarry_heap *make_heap(struct kunit *test, void *range)
{
	struct quarry_heap_params params = {
		QUARRY_HEAP_DEFAULTS,
		.backing = range,
		.backing_size = BYTES,
	};

	return quarry_test_heap_params(test, params);
}

static bool is_inside(const void *ptr, size_t size, const void *range)
{
	return ptr >= range && ptr + size <= range + BYTES;
}

/* Every way to allocate ends inside, also what describes it; the kernel is not asked. */
static void all_inside(struct kunit *test)
{
	void *range = make_range(test);
	struct quarry_heap *heap = make_heap(test, range);
	long held = quarry_pages_held();
	void *ptr[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ptr); i++) {
		size_t size = 8UL << (i % 12);

		ptr[i] = i % 2 ? quarry_alloc_data(heap, size, GFP_KERNEL) :
				 quarry_alloc(heap, size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL_MSG(test, ptr[i], "%zu bytes", size);
		KUNIT_EXPECT_TRUE(test, is_inside(ptr[i], size, range));
		KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(ptr[i]), heap);
		quarry_test_fill(ptr[i], size, i);
	}
	KUNIT_EXPECT_EQ_MSG(test, quarry_pages_held(), held, "pages taken from the kernel");
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).nr_kernel_calls, 0ULL);
	KUNIT_EXPECT_GT(test, quarry_test_stats(heap).metadata, 0ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
	for (i = 0; i < ARRAY_SIZE(ptr); i++) {
		KUNIT_EXPECT_TRUE(test, quarry_test_check(ptr[i], 8UL << (i % 12), i));
		quarry_free(ptr[i]);
	}
	quarry_test_heap_done(test, heap);
	expect_untouched(test, range, NR_PAGES);
}

/* Natural alignment is of addresses, not of places in the range. */
static void alignment_is_real(struct kunit *test)
{
	void *range = make_range(test);
	struct quarry_heap *heap = make_heap(test, range);
	unsigned int order;
	void *addr;

	for (order = 0; order <= 8; order++) {
		addr = quarry_alloc_pages(heap, order, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL_MSG(test, addr, "order %u", order);
		KUNIT_EXPECT_TRUE_MSG(test, IS_ALIGNED((unsigned long)addr, PAGE_SIZE << order),
				      "order %u at %p", order, addr);
		quarry_free_pages(addr);
	}
	quarry_test_heap_done(test, heap);
	expect_untouched(test, range, NR_PAGES);
}

/* A count is to be had as long as there are so many pages in a row, whatever its power of two. */
static void as_long_as_the_backing(struct kunit *test)
{
	static const unsigned long counts[] = { 513, 600, NR_PAGES * 9 / 10 };
	void *range = make_range(test);
	struct quarry_heap *heap = make_heap(test, range);
	struct quarry_test_run run;
	unsigned int i;
	void *addr;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		KUNIT_ASSERT_TRUE_MSG(test, quarry_test_run_alloc(heap, &run, counts[i], i),
				      "%lu pages of %lu", counts[i], NR_PAGES);
		KUNIT_EXPECT_TRUE(test, is_inside(run.addr, counts[i] << PAGE_SHIFT, range));
		KUNIT_EXPECT_EQ(test, quarry_usable_size(run.addr), counts[i] << PAGE_SHIFT);
		QUARRY_EXPECT_VERIFIED(test, heap);
		quarry_test_run_free(test, &run);
		/* It is in nobody's way. */
		addr = quarry_alloc_pages(heap, 8, GFP_NOWAIT | __GFP_NOWARN);
		KUNIT_EXPECT_NOT_NULL_MSG(test, addr, "after %lu pages", counts[i]);
		quarry_free_pages(addr);
		QUARRY_EXPECT_VERIFIED(test, heap);
	}
	quarry_test_heap_done(test, heap);
	expect_untouched(test, range, NR_PAGES);
}

/* To the last page, and again after all were freed. */
static void exhausted_and_refilled(struct kunit *test)
{
	void *range = make_range(test), *chain, *page;
	struct quarry_heap *heap = make_heap(test, range);
	unsigned long nr, first = 0, round;

	for (round = 0; round < 3; round++) {
		migrate_disable();
		for (nr = 0, chain = NULL;
		     (page = quarry_alloc_pages(heap, 0, GFP_KERNEL | __GFP_NOWARN)); nr++) {
			*(void **)page = chain;
			chain = page;
		}
		migrate_enable();
		first = first ?: nr;
		KUNIT_EXPECT_GT_MSG(test, nr, NR_PAGES * 9 / 10, "round %lu", round);
		KUNIT_EXPECT_GE_MSG(test, nr, first - first / 20, "round %lu", round);
		QUARRY_EXPECT_VERIFIED(test, heap);
		while ((page = chain)) {
			chain = *(void **)page;
			quarry_free_pages(page);
		}
		quarry_heap_trim(heap);
		KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
	}
	quarry_test_heap_done(test, heap);
	expect_untouched(test, range, NR_PAGES);
}

/* A reference that somebody takes meanwhile is reported, and stays his. */
static void foreign_reference_is_reported(struct kunit *test)
{
	void *range = make_range(test), *addr;
	struct quarry_heap *heap = make_heap(test, range);
	struct page *page;

	addr = quarry_alloc_pages(heap, 4, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	page = virt_to_page(addr) + 3;
	page_ref_inc(page);
	quarry_free_pages(addr);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_heap_trim(heap));
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, (u64)PAGE_SIZE);
	QUARRY_EXPECT_VERIFIED(test, heap);
	/* The page is not handed out any more. */
	addr = quarry_alloc_pages(heap, 4, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_EXPECT_TRUE(test, page < virt_to_page(addr) || page >= virt_to_page(addr) + 16);
	quarry_free_pages(addr);
	quarry_test_destroy_expect_reports(1);
	quarry_test_heap_done(test, heap);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 2);
	page_ref_dec(page);
	expect_untouched(test, range, NR_PAGES);
}

/* The same with who writes to private: it is reported, and what he wrote stays. */
static void foreign_private_is_reported(struct kunit *test)
{
	void *range = make_range(test), *addr;
	struct quarry_heap *heap = make_heap(test, range);
	struct page *page;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		addr = quarry_alloc_pages(heap, 4, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, addr);
		if (i)
			KUNIT_EXPECT_TRUE_MSG(test, page < virt_to_page(addr) ||
					      page >= virt_to_page(addr) + 16, "handed out again");
		else
			page = virt_to_page(addr) + 3;
		if (!i)
			set_page_private(page, 0xbad);
		quarry_free_pages(addr);
		QUARRY_EXPECT_REPORTS(test, !i, quarry_heap_trim(heap));
		KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, (u64)PAGE_SIZE);
	}
	quarry_test_destroy_expect_reports(1);
	quarry_test_heap_done(test, heap);
	KUNIT_EXPECT_EQ(test, page_private(page), 0xbadUL);
	set_page_private(page, 0);
	expect_untouched(test, range, NR_PAGES);
}

static void expect_refused(struct kunit *test, void *addr, u64 size, const char *what)
{
	struct quarry_heap_params params = {
		QUARRY_HEAP_DEFAULTS,
		.name = quarry_test_name(test),
		.backing = addr,
		.backing_size = size,
	};
	struct quarry_heap *heap;

	QUARRY_EXPECT_REPORTS(test, 1, heap = quarry_heap_create(&params));
	KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(heap), -EINVAL, "%s", what);
	if (!IS_ERR(heap))
		quarry_heap_destroy(heap);
}

static void refused(struct kunit *test)
{
	void *range = make_range(test), *kmem, *vmem;
	struct page *page = virt_to_page(range) + 500, *compound, *block;
	struct quarry_heap *heap;

	expect_refused(test, range + 8, BYTES, "not at a page");
	expect_refused(test, range, BYTES - 8, "not whole pages");
	expect_refused(test, range, SZ_32K, "too short");
	expect_refused(test, NULL, BYTES, "a size without an address");
	expect_refused(test, range, U64_MAX & PAGE_MASK, "beyond the end of memory");

	page_ref_inc(page);
	expect_refused(test, range, BYTES, "a page in use");
	page_ref_dec(page);
	set_page_private(page, 7);
	expect_refused(test, range, BYTES, "a page with private data");
	set_page_private(page, 0);

	kmem = kmalloc(SZ_64K / 8, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, kmem);
	if (kmem && PAGE_ALIGNED(kmem))
		expect_refused(test, kmem, SZ_64K, "memory of the kernel's slabs");
	kfree(kmem);
	vmem = vmalloc(SZ_64K);
	KUNIT_EXPECT_NOT_NULL(test, vmem);
	expect_refused(test, vmem, SZ_64K, "vmalloc memory");
	vfree(vmem);
	compound = alloc_pages(GFP_KERNEL | __GFP_COMP, 4);
	KUNIT_EXPECT_NOT_NULL(test, compound);
	if (compound) {
		expect_refused(test, page_address(compound), SZ_64K, "a compound page");
		__free_pages(compound, 4);
	}
	block = alloc_pages(GFP_KERNEL, 8);
	KUNIT_EXPECT_NOT_NULL(test, block);
	if (block) {
		kmem = page_address(block);
		__free_pages(block, 8);
		expect_refused(test, kmem + SZ_64K, SZ_64K, "free memory");
	}
	expect_untouched(test, range, NR_PAGES);
	/* It was none of the range's fault. */
	heap = make_heap(test, range);
	expect_refused(test, range, BYTES, "lent already");
	expect_refused(test, range + BYTES - SZ_64K, SZ_64K, "lent already, its last pages");
	quarry_test_heap_done(test, heap);
	expect_untouched(test, range, NR_PAGES);
}

/* A block of the kernel's as it came: only the first page is counted. */
static void block_of_the_kernel(struct kunit *test)
{
	struct page *block = alloc_pages(GFP_KERNEL, 8);
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .backing_size = SZ_1M };
	struct quarry_heap *heap;
	unsigned int i;
	void *ptr;

	KUNIT_ASSERT_NOT_NULL(test, block);
	for (i = 0; i < 256; i++)
		set_page_private(block + i, 0);
	params.backing = page_address(block);
	heap = quarry_test_heap_params(test, params);
	ptr = quarry_alloc(heap, 100000, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, ptr);
	KUNIT_EXPECT_EQ_MSG(test, page_ref_count(virt_to_page(ptr)), 0, "frozen while lent");
	quarry_free(ptr);
	quarry_test_heap_done(test, heap);
	KUNIT_EXPECT_EQ(test, page_ref_count(block), 1);
	for (i = 1; i < 256; i++)
		KUNIT_EXPECT_EQ_MSG(test, page_ref_count(block + i), 0, "page %u", i);
	__free_pages(block, 8);
}

/* A reserve comes from the backing, too, and no more of it than there is. */
static void reserve_and_limit(struct kunit *test)
{
	struct quarry_heap_params params = {
		QUARRY_HEAP_DEFAULTS,
		.backing_size = BYTES,
		.reserve = SZ_1M,
		.limit = SZ_2M,
	};
	void *range = make_range(test), *addr;
	struct quarry_heap *heap;

	params.backing = range;
	heap = quarry_test_heap_params(test, params);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, (u64)SZ_1M);
	addr = quarry_alloc_pages_exact(heap, 300, GFP_KERNEL | __GFP_NOWARN);
	KUNIT_EXPECT_NULL_MSG(test, addr, "512 pages and the reserve are more than the limit");
	addr = quarry_alloc_pages_exact(heap, 200, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, addr);
	KUNIT_EXPECT_LE(test, quarry_test_stats(heap).mapped_peak, (u64)SZ_2M);
	quarry_free_pages(addr);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, (u64)SZ_1M);
	quarry_test_heap_done(test, heap);
	params.reserve = BYTES + PAGE_SIZE;
	params.limit = 0;
	params.name = quarry_test_name(test);
	QUARRY_EXPECT_REPORTS(test, 1, heap = quarry_heap_create(&params));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(heap), -EINVAL);
}

/* === More than an extent === */

#define NR_BLOCKS	16

static bool are_neighbours(struct page *low, struct page *high, bool aligned)
{
	return low && high == low + 1024 && page_to_nid(low) == page_to_nid(high) &&
	       IS_ALIGNED(page_to_pfn(low), 2048) == aligned;
}

static void *take_neighbours(struct page **blocks, bool aligned)
{
	unsigned int i, k;
	void *low;

	for (i = 0; i < NR_BLOCKS; i++) {
		for (k = 0; k < NR_BLOCKS; k++) {
			if (!are_neighbours(blocks[i], blocks[k], aligned))
				continue;
			low = page_address(blocks[i]);
			blocks[i] = NULL;
			blocks[k] = NULL;
			return low;
		}
	}
	return NULL;
}

/*
 * Two neighbouring blocks of 4 MiB out of a few, at no multiple of 8 MiB if possible;
 * or NULL.  Frees all others.
 */
static void *neighbours(struct page **blocks)
{
	unsigned int i;
	void *low;

	for (i = 0; i < NR_BLOCKS; i++)
		blocks[i] = alloc_pages(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY, 10);
	low = take_neighbours(blocks, false) ?: take_neighbours(blocks, true);
	for (i = 0; i < NR_BLOCKS; i++)
		if (blocks[i])
			__free_pages(blocks[i], 10);
	return low;
}

static void free_neighbours(void *low)
{
	__free_pages(virt_to_page(low), 10);
	__free_pages(virt_to_page(low) + 1024, 10);
}

/*
 * Who may not sleep has no release of idle pages to help: what was freed serves the
 * same again, and makes room for anything else.
 */
static void expect_singles(struct kunit *test, struct quarry_heap *heap)
{
	void *small, *addr;
	unsigned int i;
	u64 extents;

	quarry_heap_trim(heap);
	small = quarry_alloc(heap, 64, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, small);
	/* There is room for them, but perhaps not there. */
	addr = quarry_alloc_pages_aligned(heap, 1500, 11, GFP_KERNEL | __GFP_NOWARN);
	KUNIT_EXPECT_TRUE_MSG(test, IS_ALIGNED((unsigned long)addr, SZ_8M), "1500 at %p", addr);
	quarry_free(addr);
	quarry_free(quarry_alloc_pages_exact(heap, 1500, GFP_KERNEL));
	extents = quarry_test_stats(heap).nr_extent_allocs;
	for (i = 0; i < 4; i++) {
		addr = quarry_alloc_pages_exact(heap, 1500, GFP_NOWAIT | __GFP_NOWARN);
		KUNIT_EXPECT_NOT_NULL_MSG(test, addr, "the same again, round %u", i);
		quarry_free(addr);
	}
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).nr_extent_allocs, extents);
	for (i = 0; i < 4; i++) {
		addr = quarry_alloc_pages_exact(heap, 1600 - 50 * i, GFP_NOWAIT | __GFP_NOWARN);
		KUNIT_EXPECT_NOT_NULL_MSG(test, addr, "another length, round %u", i);
		quarry_free(addr);
	}
	addr = quarry_alloc_pages(heap, 9, GFP_NOWAIT | __GFP_NOWARN);
	KUNIT_EXPECT_NOT_NULL_MSG(test, addr, "a usual length");
	quarry_free(addr);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_free(small);
}

static void longer_than_an_extent(struct kunit *test)
{
	static const unsigned long counts[] = { 1025, 1500, 1900, 1024, 1025, 1500 };
	struct page **blocks = quarry_test_array(test, NR_BLOCKS, sizeof(*blocks));
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .backing_size = SZ_8M };
	void *low = neighbours(blocks), *small;
	struct quarry_heap *heap;
	struct quarry_test_run run;
	unsigned int i;

	if (!low)
		kunit_skip(test, "no 8 MiB in one piece");
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_neighbours, low), 0);
	for (i = 0; i < 2048; i++)
		set_page_private(virt_to_page(low) + i, 0);
	params.backing = low;
	heap = quarry_test_heap_params(test, params);
	small = quarry_alloc(heap, 64, GFP_KERNEL);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		KUNIT_ASSERT_TRUE_MSG(test, quarry_test_run_alloc(heap, &run, counts[i], i),
				      "%lu pages", counts[i]);
		KUNIT_EXPECT_EQ(test, quarry_usable_size(run.addr), counts[i] << PAGE_SHIFT);
		QUARRY_EXPECT_VERIFIED(test, heap);
		quarry_test_run_free(test, &run);
	}
	QUARRY_EXPECT_REPORTS(test, 1, run.addr = quarry_alloc(heap, SZ_8M + 1, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, run.addr);
	quarry_free(small);
	/* All of it in one piece has no room for its own description. */
	run.addr = quarry_alloc(heap, SZ_8M, GFP_KERNEL | __GFP_NOWARN);
	KUNIT_EXPECT_NULL(test, run.addr);
	run.addr = quarry_alloc_pages_aligned(heap, 5, 11, GFP_KERNEL | __GFP_NOWARN);
	if (run.addr)
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)run.addr, SZ_8M));
	quarry_free(run.addr);
	expect_singles(test, heap);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
	quarry_test_heap_done(test, heap);
	KUNIT_EXPECT_EQ(test, page_ref_count(virt_to_page(low)), 1);
	KUNIT_EXPECT_EQ(test, page_ref_count(virt_to_page(low) + 1), 0);
	KUNIT_EXPECT_EQ(test, page_ref_count(virt_to_page(low) + 1024), 1);
}

#define NR_SLOTS	48

/* Random runs and objects of both kinds, checked and verified all along. */
static void random_on_backing(struct kunit *test)
{
	struct quarry_test_run *slots = quarry_test_array(test, NR_SLOTS, sizeof(*slots));
	void *range = make_range(test);
	struct quarry_heap *heap = make_heap(test, range);
	struct rnd_state rnd;
	unsigned int i, refused = 0;

	quarry_test_seed(test, &rnd);
	for (i = 0; i < QUARRY_TEST_LOOPS(20000); i++) {
		struct quarry_test_run *run = &slots[quarry_test_below(&rnd, NR_SLOTS)];
		unsigned long nr = 1 + quarry_test_below(&rnd, 60);

		if (run->addr)
			quarry_test_run_free(test, run);
		else if (!quarry_test_run_alloc(heap, run, nr, i))
			refused++;
		if (i % 1024 == 0) {
			QUARRY_EXPECT_VERIFIED(test, heap);
			quarry_heap_trim(heap);
		}
	}
	KUNIT_EXPECT_GT_MSG(test, refused, 0U, "the range was never full");
	for (i = 0; i < NR_SLOTS; i++)
		if (slots[i].addr)
			quarry_test_run_free(test, &slots[i]);
	quarry_test_heap_done(test, heap);
	expect_untouched(test, range, NR_PAGES);
}

static struct kunit_case backing_cases[] = {
	KUNIT_CASE(all_inside),
	KUNIT_CASE(alignment_is_real),
	KUNIT_CASE(as_long_as_the_backing),
	KUNIT_CASE(exhausted_and_refilled),
	KUNIT_CASE(foreign_reference_is_reported),
	KUNIT_CASE(foreign_private_is_reported),
	KUNIT_CASE(refused),
	KUNIT_CASE(block_of_the_kernel),
	KUNIT_CASE(reserve_and_limit),
	KUNIT_CASE(longer_than_an_extent),
	KUNIT_CASE(random_on_backing),
	{}
};

struct kunit_suite quarry_backing_suite = {
	.name = "quarry_pages_backing",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = backing_cases,
};
