// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_stray: references to our pages that others hold, drop or take for a
 * moment.  None of that may make the kernel hand out a page that is ours.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/vmstat.h>
#include "helpers.h"

#define NR_KERNEL_PAGES	1024

/* Does the kernel hand out a page of one of @nr ranges of @size bytes now? */
static bool kernel_has_one_of(void *const *addrs, unsigned int nr, size_t size)
{
	struct page *page, *next;
	unsigned int i, k;
	LIST_HEAD(pages);
	bool found = false;

	for (i = 0; i < NR_KERNEL_PAGES; i++) {
		page = alloc_page(GFP_KERNEL);
		if (!page)
			break;
		list_add(&page->lru, &pages);
		for (k = 0; k < nr; k++)
			if (page_address(page) - addrs[k] < size)
				found = true;
	}
	list_for_each_entry_safe(page, next, &pages, lru)
		__free_page(page);
	return found;
}

static bool kernel_has_our_pages(void *addr, size_t size)
{
	return kernel_has_one_of(&addr, 1, size);
}

/* With DEBUG_VM the kernel itself stops such a put_page() by a BUG(). */
#define NEEDS_UNCHECKED_PUT(test)						\
do {										\
	if (IS_ENABLED(CONFIG_DEBUG_VM))					\
		kunit_skip(test, "DEBUG_VM: put_page() of a frozen page is a BUG()"); \
} while (0)

static void put_page_gives_nothing_away(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 256, 0, 0, NULL);
	struct quarry_test_run one, many;
	void *obj;

	NEEDS_UNCHECKED_PUT(test);
	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &one, 1, 1));
	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &many, 20, 2));
	obj = quarry_cache_alloc(cache, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, obj);
	quarry_test_fill(obj, 256, 3);

	put_page(virt_to_page(one.addr));
	put_page(virt_to_page(many.addr));
	put_page(virt_to_page(many.addr + 7 * PAGE_SIZE));
	put_page(virt_to_page(obj));
	KUNIT_EXPECT_FALSE(test, kernel_has_our_pages(one.addr, PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, kernel_has_our_pages(many.addr, 20 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, kernel_has_our_pages(PTR_ALIGN_DOWN(obj, PAGE_SIZE), PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, quarry_test_check(obj, 256, 3));

	page_ref_inc(virt_to_page(one.addr));
	page_ref_inc(virt_to_page(many.addr));
	page_ref_inc(virt_to_page(many.addr + 7 * PAGE_SIZE));
	page_ref_inc(virt_to_page(obj));
	quarry_cache_free(cache, obj);
	quarry_test_run_free(test, &many);
	quarry_test_run_free(test, &one);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, 0ULL);
}

/* The count stays wrong: that page is reported and kept out, the others go back. */
static void put_page_loses_only_its_page(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct page *page;
	struct quarry_test_run run;

	NEEDS_UNCHECKED_PUT(test);
	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, 32, 1));
	quarry_test_expect_lost_page();
	page = virt_to_page(run.addr + 5 * PAGE_SIZE);
	put_page(page);
	quarry_test_run_free(test, &run);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_heap_trim(heap));
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, (u64)PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
	KUNIT_EXPECT_FALSE(test, kernel_has_our_pages(page_address(page), PAGE_SIZE));
	quarry_test_destroy_expect_reports(1);
	quarry_test_heap_done(test, heap);
	KUNIT_EXPECT_NULL_MSG(test, quarry_heap_of(page_address(page)), "lost page");
	KUNIT_EXPECT_EQ_MSG(test, quarry_usable_size(page_address(page)), (size_t)0, "lost page");

	/* No one's now; as if it had never been frozen. */
	set_page_private(page, 0);
	set_page_count(page, 1);
	__free_page(page);
}

/* Someone else still uses a page when the heap gives its extent back. */
static void foreign_reference_keeps_the_page(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct page *page;
	struct quarry_test_run run;

	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, 16, 1));
	quarry_test_expect_lost_page();
	page = virt_to_page(run.addr + 2 * PAGE_SIZE);
	page_ref_inc(page);
	quarry_test_run_free(test, &run);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_heap_trim(heap));
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, (u64)PAGE_SIZE);
	KUNIT_EXPECT_EQ_MSG(test, page_ref_count(page), 1, "the foreign reference must survive");
	KUNIT_EXPECT_FALSE(test, kernel_has_our_pages(page_address(page), PAGE_SIZE));
	quarry_test_destroy_expect_reports(1);
	quarry_test_heap_done(test, heap);
	put_page(page);
}

/* kfree() takes an address that is no slab for a large kmalloc and warns, once per boot. */
static void expect_large_kmalloc_warning(void)
{
	static bool seen;

	if (!seen)
		pr_info("quarry_expect: free_large_kmalloc\n");
	seen = true;
}

static void kfree_gives_nothing_away(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_run run;

	NEEDS_UNCHECKED_PUT(test);
	if (IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_KMSAN))
		kunit_skip(test, "the sanitizer would poison the page it takes for freed");
	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, 1, 1));
	expect_large_kmalloc_warning();
	kfree(run.addr);
	KUNIT_EXPECT_FALSE(test, kernel_has_our_pages(run.addr, PAGE_SIZE));
	KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(run.addr), heap);

	/* Undo what kfree() took off: a reference and a page in the statistics. */
	page_ref_inc(virt_to_page(run.addr));
	mod_node_page_state(page_pgdat(virt_to_page(run.addr)), NR_SLAB_UNRECLAIMABLE_B, PAGE_SIZE);
	quarry_test_run_free(test, &run);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, 0ULL);
}

/* === References for a moment === */

#define NR_RUNS		32
#define RUN_PAGES	200
#define WINDOW		256	/* a run and what is around it: holes after a trim */
#define HEAD_BYTES	64	/* pattern at the start of each page */

struct scan {
	struct page *window;		/* first of WINDOW pages that the scanner looks at */
	unsigned long nr_held;
	bool found;			/* the kernel handed out a page of a run */
	struct page *held[WINDOW];
	void *runs[NR_RUNS];
};

/* Like those who go over page frames: a page that has users is held for a while. */
static void scan_window(struct scan *scan, struct page *first)
{
	unsigned int i, nr = 0;

	for (i = 0; i < WINDOW; i++)
		if (get_page_unless_zero(first + i))
			scan->held[nr++] = first + i;
	scan->nr_held += nr;
	while (nr)
		put_page(scan->held[--nr]);
}

static void scan_worker(struct quarry_test_worker *worker)
{
	struct scan *scan = worker->arg;
	struct page *first;

	while (!quarry_test_worker_should_stop()) {
		first = READ_ONCE(scan->window);
		if (first)
			scan_window(scan, first);
		WRITE_ONCE(worker->nr_ops, worker->nr_ops + 1);
		cond_resched();
	}
	/* What put_page() frees is in the lists of this CPU. */
	scan->found = kernel_has_one_of(scan->runs, NR_RUNS, RUN_PAGES << PAGE_SHIFT);
}

/* While the kernel's block is held by the scanner it cannot become an extent. */
static void *scanned_run(struct quarry_heap *heap)
{
	unsigned int tries, i;
	void *addr = NULL;

	for (tries = 0; !addr && tries < 100; tries++)
		addr = quarry_alloc_pages_exact(heap, RUN_PAGES, GFP_KERNEL);
	for (i = 0; addr && i < RUN_PAGES; i++)
		quarry_test_fill(addr + i * PAGE_SIZE, HEAD_BYTES, i);
	return addr;
}

static void expect_run_intact(struct kunit *test, void *addr, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < RUN_PAGES; i++)
		if (!quarry_test_check(addr + i * PAGE_SIZE, HEAD_BYTES, i))
			KUNIT_FAIL(test, "page %u of run %u was written to by others", i, nr);
}

/* Make holes behind the runs, one after the other, under the scanner's eyes. */
static void make_scanned_holes(struct kunit *test, struct quarry_heap *heap, struct scan *scan,
			       struct quarry_test_worker *worker)
{
	unsigned long seen;
	unsigned int i;

	for (i = 0; i < NR_RUNS; i++) {
		scan->runs[i] = scanned_run(heap);
		KUNIT_EXPECT_NOT_NULL_MSG(test, scan->runs[i], "run %u", i);
		if (!scan->runs[i])
			return;
		seen = READ_ONCE(worker->nr_ops);
		WRITE_ONCE(scan->window, virt_to_page(scan->runs[i]));
		while (READ_ONCE(worker->nr_ops) - seen < 2)
			cond_resched();
		quarry_heap_trim(heap);
		KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(heap).mapped,
				    (u64)(i + 1) * RUN_PAGES << PAGE_SHIFT, "run %u", i);
	}
}

static void references_for_a_moment(struct kunit *test)
{
	struct scan *scan = quarry_test_array(test, 1, sizeof(*scan));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_worker worker;
	unsigned int i;

	QUARRY_NEEDS_SMP(test);
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&worker, 0, quarry_test_cpu(1), 1,
						       scan_worker, scan), 0);
	make_scanned_holes(test, heap, scan, &worker);
	/* A split extent goes back while it is scanned. */
	quarry_free_pages(scan->runs[NR_RUNS - 1]);
	scan->runs[NR_RUNS - 1] = NULL;
	quarry_heap_trim(heap);
	quarry_test_worker_stop(test, &worker);
	kunit_info(test, "%lu rounds, %lu references\n", worker.nr_ops, scan->nr_held);
	KUNIT_EXPECT_GT_MSG(test, scan->nr_held, 0UL, "the pages around are in use by someone");

	KUNIT_EXPECT_FALSE_MSG(test, scan->found, "the kernel has pages of live runs");
	KUNIT_EXPECT_FALSE(test, kernel_has_one_of(scan->runs, NR_RUNS, RUN_PAGES << PAGE_SHIFT));
	for (i = 0; i < NR_RUNS; i++) {
		if (!scan->runs[i])
			continue;
		expect_run_intact(test, scan->runs[i], i);
		quarry_free_pages(scan->runs[i]);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, 0ULL);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

static struct kunit_case stray_cases[] = {
	KUNIT_CASE(put_page_gives_nothing_away),
	KUNIT_CASE(put_page_loses_only_its_page),
	KUNIT_CASE(foreign_reference_keeps_the_page),
	KUNIT_CASE(kfree_gives_nothing_away),
	KUNIT_CASE(references_for_a_moment),
	{}
};

struct kunit_suite quarry_stray_suite = {
	.name = "quarry_stray",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = stray_cases,
};
