// SPDX-License-Identifier: GPL-2.0
/*
 * Placement in the page heap: which extent serves a request, alignment, and the
 * watermark that keeps pages for callers that may not sleep.
 */
#include <linux/delay.h>
#include <linux/hardirq.h>
#include <linux/irq_work.h>
#include <linux/sizes.h>
#include <linux/sort.h>

#include "helpers.h"

#define NR_EXTENTS	6
#define NINE		9	/* pages: one such run per extent of 64 KiB */

/*
 * Extents of 16 pages with nine in use each: seven are free, in blocks of 4, 2 and 1.
 * Sorted by address.
 */
static int cmp_addr(const void *a, const void *b)
{
	const void *x = *(void * const *)a, *y = *(void * const *)b;

	return x < y ? -1 : x > y;
}

static void make_extents(struct kunit *test, struct quarry_heap *heap, void **runs)
{
	unsigned int i;

	for (i = 0; i < NR_EXTENTS; i++) {
		runs[i] = quarry_alloc_pages_exact(heap, NINE, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, runs[i]);
	}
	KUNIT_ASSERT_EQ(test, quarry_test_stats(heap).nr_extents, (u64)NR_EXTENTS);
	KUNIT_ASSERT_EQ(test, quarry_test_stats(heap).mapped, (u64)NR_EXTENTS * SZ_64K);
	sort(runs, NR_EXTENTS, sizeof(*runs), cmp_addr, NULL);
}

static void free_all(void **runs, unsigned int nr)
{
	while (nr--)
		quarry_free_pages(runs[nr]);
}

static bool is_in(const void *addr, const void *extent)
{
	return addr >= extent && addr < extent + SZ_64K;
}

/* Of equals the lowest, whatever the order they were made and freed in. */
static void lowest_address_first(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	void *runs[NR_EXTENTS], *more[NR_EXTENTS];
	unsigned int i, round;

	migrate_disable();
	make_extents(test, heap, runs);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < NR_EXTENTS; i++) {
			more[i] = quarry_alloc_pages_exact(heap, 3, GFP_KERNEL);
			KUNIT_EXPECT_TRUE_MSG(test, is_in(more[i], runs[i]),
					      "round %u: run %u at %p, extent at %p", round, i,
					      more[i], runs[i]);
		}
		QUARRY_EXPECT_VERIFIED(test, heap);
		/* From the middle outwards. */
		for (i = 0; i < NR_EXTENTS; i++)
			quarry_free_pages(more[(i * 5 + 3) % NR_EXTENTS]);
		QUARRY_EXPECT_VERIFIED(test, heap);
	}
	migrate_enable();
	free_all(runs, NR_EXTENTS);
}

/* The fullest extent that fits serves, even if it is the highest. */
static void fullest_first(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	void *runs[NR_EXTENTS], *more[NR_EXTENTS], *page;
	unsigned int i;

	migrate_disable();
	make_extents(test, heap, runs);
	for (i = 0; i < NR_EXTENTS; i++)
		more[i] = quarry_alloc_pages_exact(heap, 3, GFP_KERNEL);
	for (i = 0; i < NR_EXTENTS - 1; i++)
		quarry_free_pages(more[i]);
	/* One page on an even number fits into each; twelve of 16 are taken in the last. */
	page = quarry_alloc_pages_aligned(heap, 1, 1, GFP_KERNEL);
	KUNIT_EXPECT_TRUE_MSG(test, is_in(page, runs[NR_EXTENTS - 1]), "%p, fullest at %p", page,
			      runs[NR_EXTENTS - 1]);
	quarry_free_pages(page);
	quarry_free_pages(more[NR_EXTENTS - 1]);
	migrate_enable();
	free_all(runs, NR_EXTENTS);
}

/* 2 MiB in one piece are broken up last: an emptier extent without comes first. */
static void huge_blocks_last(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	void *small, *large, *half, *more;

	migrate_disable();
	small = quarry_alloc_pages_exact(heap, 3, GFP_KERNEL);
	large = quarry_alloc_pages(heap, 10, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, small);
	KUNIT_ASSERT_NOT_NULL(test, large);
	quarry_free_pages(large);
	half = quarry_alloc_pages(heap, 9, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ_MSG(test, half, large, "the first half of the free extent");
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)half, SZ_2M));

	more = quarry_alloc_pages_exact(heap, 5, GFP_KERNEL);
	KUNIT_EXPECT_TRUE_MSG(test, is_in(more, small), "%p, the small extent is at %p", more,
			      small);
	quarry_free_pages(more);
	/* What only the half can serve comes from there. */
	more = quarry_alloc_pages_exact(heap, 12, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, more, large + SZ_2M);
	migrate_enable();
	quarry_free_pages(more);
	quarry_free_pages(half);
	quarry_free_pages(small);
}

static const struct {
	unsigned long nr;
	unsigned int order;
} alignments[] = {
	{ 1, 0 }, { 1, 1 }, { 1, 4 }, { 1, 10 }, { 3, 0 }, { 3, 5 }, { 5, 3 }, { 5, 4 }, { 5, 9 },
	{ 8, 3 }, { 8, 6 }, { 100, 2 }, { 100, 8 }, { 511, 9 }, { 512, 10 }, { 513, 10 },
};

/* The start is where it was asked to be, and nothing but the count is paid for. */
static void alignment_beyond_order(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	void *addr[ARRAY_SIZE(alignments)];
	u64 pages = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(alignments); i++) {
		unsigned long nr = alignments[i].nr;
		unsigned int order = max_t(unsigned int, alignments[i].order, order_base_2(nr));

		addr[i] = quarry_alloc_pages_aligned(heap, nr, alignments[i].order, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL_MSG(test, addr[i], "%lu pages, order %u", nr, order);
		KUNIT_EXPECT_TRUE_MSG(test, IS_ALIGNED((unsigned long)addr[i], PAGE_SIZE << order),
				      "%lu pages, order %u at %p", nr, order, addr[i]);
		KUNIT_EXPECT_EQ(test, quarry_usable_size(addr[i]), nr << PAGE_SHIFT);
		quarry_test_fill(addr[i], nr << PAGE_SHIFT, i);
		pages += nr;
		QUARRY_EXPECT_ALLOCATED(test, heap, pages << PAGE_SHIFT);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
	for (i = 0; i < ARRAY_SIZE(alignments); i++) {
		KUNIT_EXPECT_TRUE(test, quarry_test_check(addr[i],
							  alignments[i].nr << PAGE_SHIFT, i));
		quarry_free_pages(addr[i]);
	}
}

static void impossible_alignments(struct kunit *test)
{
	static const unsigned int orders[] = { 11, 12, 40, 51, 52, 63, 64, UINT_MAX };
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int i;
	void *addr;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		QUARRY_EXPECT_REPORTS(test, 1,
				      addr = quarry_alloc_pages_aligned(heap, 1, orders[i],
									GFP_KERNEL));
		KUNIT_EXPECT_NULL_MSG(test, addr, "order %u", orders[i]);
	}
	QUARRY_EXPECT_REPORTS(test, 1,
			      addr = quarry_alloc_pages_exact(heap, ULONG_MAX, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, addr);
	QUARRY_EXPECT_REPORTS(test, 1, addr = quarry_alloc_pages_exact(heap, 1025, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, addr);
	QUARRY_EXPECT_REPORTS(test, 1, addr = quarry_alloc(heap, QUARRY_EXTENT_MAX_SIZE + 1,
							   GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, addr);
	QUARRY_EXPECT_REPORTS(test, 1, addr = quarry_alloc(heap, SIZE_MAX, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, addr);
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(heap).mapped, 0ULL, "the kernel was not asked");
}

/* === Hot runs === */

/* What was freed last comes back, is checked like anything else, and goes with a trim. */
static void hot_run_comes_back(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;
	void *run, *again;
	unsigned int order;

	params.decay_ms = -1;
	heap = quarry_test_heap_params(test, params);
	for (order = 4; order <= 10; order++) {
		run = quarry_alloc_pages(heap, order, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, run);
		quarry_free_pages(run);
		QUARRY_EXPECT_REPORTS(test, 1, quarry_free_pages(run));
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
		QUARRY_EXPECT_VERIFIED(test, heap);
		KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).active, 0ULL);
		again = quarry_alloc_pages(heap, order, GFP_KERNEL | __GFP_ZERO);
		KUNIT_EXPECT_PTR_EQ_MSG(test, again, run, "order %u", order);
		KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(again, PAGE_SIZE << order));
		QUARRY_EXPECT_ALLOCATED(test, heap, PAGE_SIZE << order);
		quarry_free_pages(again);
	}
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

/* They are in nobody's way: the heap does not grow as long as there are any. */
static void hot_runs_before_growth(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = SZ_4M };
	struct quarry_heap *heap;
	void *run[16];
	unsigned int i;
	u64 calls;

	params.decay_ms = -1;
	heap = quarry_test_heap_params(test, params);
	run[0] = quarry_alloc_pages(heap, 10, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run[0]);
	quarry_free_pages(run[0]);
	calls = quarry_test_stats(heap).nr_kernel_calls;
	for (i = 0; i < 16; i++) {
		run[i] = quarry_alloc_pages(heap, 6, GFP_NOWAIT);
		KUNIT_EXPECT_NOT_NULL_MSG(test, run[i], "run %u", i);
	}
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).nr_kernel_calls, calls);
	free_all(run, 16);
	QUARRY_EXPECT_VERIFIED(test, heap);
	run[0] = quarry_alloc_pages(heap, 10, GFP_NOWAIT);
	KUNIT_EXPECT_NOT_NULL_MSG(test, run[0], "all of it again");
	quarry_free_pages(run[0]);
}

/* In the watermark's way neither: the worker takes no extents while there are any. */
static void hot_runs_before_refill(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .reserve = SZ_1M };
	struct quarry_heap *heap;
	void *run;

	params.decay_ms = -1;
	heap = quarry_test_heap_params(test, params);
	run = quarry_alloc_pages(heap, 7, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run);
	quarry_free_pages(run);
	/* 28 of 256 pages are left beside the hot ones, and shall not be less than 128. */
	run = quarry_alloc_pages_exact(heap, 100, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run);
	msleep(100);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, (u64)SZ_1M);
	quarry_free_pages(run);
}

/* Nobody asks any more: they decay like what is free. */
static void hot_runs_decay(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;
	unsigned int i;

	params.decay_ms = 1;
	heap = quarry_test_heap_params(test, params);
	quarry_free_pages(quarry_alloc_pages(heap, 9, GFP_KERNEL));
	for (i = 0; i < 500 && quarry_test_stats(heap).mapped; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

/* === Callers that may not sleep === */

static u64 nr_free_bytes(struct quarry_heap *heap)
{
	struct quarry_heap_stats s = quarry_test_stats(heap);

	return s.mapped - s.active;
}

/* A worker is to be waited for, but not for ever. */
static bool eventually_free(struct quarry_heap *heap, u64 bytes)
{
	unsigned int i;

	for (i = 0; i < 500; i++) {
		if (nr_free_bytes(heap) >= bytes)
			return true;
		msleep(20);
	}
	return false;
}

#define NR_IN_HARDIRQ	64

struct in_hardirq {
	struct irq_work work;
	struct quarry_heap *heap;
	void *addr[NR_IN_HARDIRQ];
	unsigned int nr;
	bool was_hardirq;
};

/* Until there is no more, which is what raises the watermark. */
static void alloc_in_hardirq(struct irq_work *work)
{
	struct in_hardirq *arg = container_of(work, struct in_hardirq, work);
	void *addr;

	arg->was_hardirq = in_hardirq();
	for (arg->nr = 0; arg->nr < NR_IN_HARDIRQ; arg->nr++) {
		addr = quarry_alloc_pages_exact(arg->heap, NINE, GFP_ATOMIC | __GFP_NOWARN);
		if (!addr)
			break;
		arg->addr[arg->nr] = addr;
	}
}

static void run_in_hardirq(struct kunit *test, struct in_hardirq *arg)
{
	irq_work_queue(&arg->work);
	irq_work_sync(&arg->work);
	KUNIT_ASSERT_TRUE(test, arg->was_hardirq);
}

/*
 * The kernel may not be asked there: what is missing the first time is there the
 * second time.
 */
static void hardirq_finds_pages(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct in_hardirq *arg = quarry_test_array(test, 1, sizeof(*arg));

	arg->heap = heap;
	arg->work = IRQ_WORK_INIT_HARD(alloc_in_hardirq);
	run_in_hardirq(test, arg);
	KUNIT_EXPECT_EQ_MSG(test, arg->nr, 0U, "nothing was mapped");
	KUNIT_EXPECT_TRUE_MSG(test, eventually_free(heap, SZ_64K), "only %llu bytes are free",
			      nr_free_bytes(heap));
	run_in_hardirq(test, arg);
	KUNIT_EXPECT_GT(test, arg->nr, 0U);
	QUARRY_EXPECT_VERIFIED(test, heap);
	free_all(arg->addr, arg->nr);
}

/* Misses raise what is kept free, within bounds; a trim takes all of it back. */
static void watermark_rises(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct in_hardirq *arg = quarry_test_array(test, 1, sizeof(*arg));
	void *large = quarry_alloc_pages_exact(heap, 1000, GFP_KERNEL);
	unsigned int i;
	u64 want;

	KUNIT_ASSERT_NOT_NULL(test, large);
	arg->heap = heap;
	arg->work = IRQ_WORK_INIT_HARD(alloc_in_hardirq);
	for (i = 0; i < 3; i++) {
		run_in_hardirq(test, arg);
		KUNIT_EXPECT_LT_MSG(test, arg->nr, (unsigned int)NR_IN_HARDIRQ,
				    "round %u: nothing was missed", i);
		/* Twice what was asked for, and twice as much each time. */
		want = (2 * NINE << i) * PAGE_SIZE;
		KUNIT_EXPECT_TRUE_MSG(test, eventually_free(heap, want),
				      "round %u: %llu bytes are free", i, nr_free_bytes(heap));
		free_all(arg->addr, arg->nr);
	}
	quarry_heap_trim(heap);
	KUNIT_EXPECT_LT_MSG(test, nr_free_bytes(heap), (u64)SZ_64K, "a trim is the end of it");
	quarry_free_pages(large);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

/* Nobody misses anything any more: it sinks, tick by tick, and decay has the rest. */
static void watermark_sinks(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;
	void *run;
	unsigned int i;

	params.decay_ms = 1;
	heap = quarry_test_heap_params(test, params);
	run = quarry_alloc_pages_exact(heap, 16, GFP_ATOMIC);
	KUNIT_ASSERT_NOT_NULL(test, run);
	KUNIT_EXPECT_TRUE(test, eventually_free(heap, SZ_64K));
	quarry_free_pages(run);
	for (i = 0; i < 500 && quarry_test_stats(heap).mapped; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

/* A slab counts as well, though on many nodes it is first asked for from near by. */
static void slabs_raise_it_too(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 200, 0, 0, NULL);
	void *obj = quarry_cache_alloc(cache, GFP_NOWAIT);

	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_EXPECT_TRUE_MSG(test, eventually_free(heap, SZ_64K), "%llu bytes are free",
			      nr_free_bytes(heap));
	quarry_cache_free(cache, obj);
}

/* The worker respects the limit, and who sleeps never starts it. */
static void watermark_knows_limits(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = SZ_64K };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_heap *calm = quarry_test_heap(test);
	void *run, *other;
	unsigned int i;
	u64 mapped;

	run = quarry_alloc_pages_exact(heap, 16, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run);
	for (i = 0; i < 100; i++)
		KUNIT_EXPECT_NULL(test, quarry_alloc_pages_exact(heap, 16,
								 GFP_ATOMIC | __GFP_NOWARN));
	other = quarry_alloc_pages_exact(calm, 16, GFP_KERNEL);
	mapped = quarry_test_stats(calm).mapped;
	msleep(50);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, (u64)SZ_64K);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(calm).mapped, mapped);
	quarry_free_pages(other);
	quarry_free_pages(run);
}

/* Half of the reserve is kept free as long as memory can be had. */
static void reserve_is_refilled(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .reserve = SZ_1M };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	void *run = quarry_alloc_pages_exact(heap, 200, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, run);
	KUNIT_EXPECT_TRUE_MSG(test, eventually_free(heap, SZ_1M / 2), "%llu bytes are free",
			      nr_free_bytes(heap));
	quarry_free_pages(run);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, (u64)SZ_1M);
}

static struct kunit_case place_cases[] = {
	KUNIT_CASE(lowest_address_first),
	KUNIT_CASE(fullest_first),
	KUNIT_CASE(huge_blocks_last),
	KUNIT_CASE(alignment_beyond_order),
	KUNIT_CASE(impossible_alignments),
	KUNIT_CASE(hot_run_comes_back),
	KUNIT_CASE(hot_runs_before_growth),
	KUNIT_CASE(hot_runs_before_refill),
	KUNIT_CASE(hot_runs_decay),
	KUNIT_CASE(hardirq_finds_pages),
	KUNIT_CASE(watermark_rises),
	KUNIT_CASE(watermark_sinks),
	KUNIT_CASE(slabs_raise_it_too),
	KUNIT_CASE(watermark_knows_limits),
	KUNIT_CASE(reserve_is_refilled),
	{}
};

struct kunit_suite quarry_place_suite = {
	.name = "quarry_pages_place",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = place_cases,
};
