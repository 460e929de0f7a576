// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_trace: each tracepoint fires when it should, as often as it should,
 * and says what happened.  Probes note what concerns the heap of the case.
 */
#include <linux/delay.h>
#include <linux/kconfig.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include <trace/events/quarry.h>

#include "../src/heap.h"
#include "helpers.h"

struct extent_event {
	unsigned int nr;
	unsigned long pfn, pages;	/* of the last one */
	int node;
	bool data, whole;
	unsigned long lost;
	unsigned long sum;		/* of pages */
};

/* What was seen of the heap named so since the last forget(). */
static struct seen {
	const char *name;
	struct extent_event get, put;
	struct {
		unsigned int nr;
		unsigned long wanted, given;
	} trim[QUARRY_TRIM_LIMIT + 1];
	struct {
		unsigned int nr;
		u64 mapped, limit;
		unsigned long pages;
	} hit[2];			/* soft, hard */
	struct {
		unsigned int nr;
		unsigned long free, reserve;
	} reserve;
	struct {
		unsigned int nr;
		unsigned long pages;
		gfp_t gfp;
		u64 mapped, limit;
	} failure;
} seen;

static DEFINE_RAW_SPINLOCK(seen_lock);

/* Locks if it is about the heap of the case. */
static bool is_ours(const char *heap, unsigned long *flags)
{
	raw_spin_lock_irqsave(&seen_lock, *flags);
	if (seen.name && !strcmp(heap, seen.name))
		return true;
	raw_spin_unlock_irqrestore(&seen_lock, *flags);
	return false;
}

static void done(unsigned long flags)
{
	raw_spin_unlock_irqrestore(&seen_lock, flags);
}

static void see_extent(struct extent_event *e, unsigned long pfn, unsigned long pages, int node,
		       bool data)
{
	e->nr++;
	e->pfn = pfn;
	e->pages = pages;
	e->node = node;
	e->data = data;
	e->sum += pages;
}

static void see_get(void *unused, const char *heap, unsigned long pfn, unsigned long pages,
		    int node, bool data)
{
	unsigned long flags;

	if (!is_ours(heap, &flags))
		return;
	see_extent(&seen.get, pfn, pages, node, data);
	done(flags);
}

static void see_put(void *unused, const char *heap, unsigned long pfn, unsigned long pages,
		    int node, bool data, bool whole, unsigned long lost)
{
	unsigned long flags;

	if (!is_ours(heap, &flags))
		return;
	see_extent(&seen.put, pfn, pages, node, data);
	seen.put.whole = whole;
	seen.put.lost += lost;
	done(flags);
}

static void see_trim(void *unused, const char *heap, unsigned int reason, unsigned long wanted,
		     unsigned long given)
{
	unsigned long flags;

	if (!is_ours(heap, &flags))
		return;
	seen.trim[reason].nr++;
	seen.trim[reason].wanted = wanted;
	seen.trim[reason].given += given;
	done(flags);
}

static void see_hit(void *unused, const char *heap, bool hard, u64 mapped, u64 limit,
		    unsigned long pages)
{
	unsigned long flags;

	if (!is_ours(heap, &flags))
		return;
	seen.hit[hard].nr++;
	seen.hit[hard].mapped = mapped;
	seen.hit[hard].limit = limit;
	seen.hit[hard].pages = pages;
	done(flags);
}

static void see_reserve(void *unused, const char *heap, unsigned long free, unsigned long reserve)
{
	unsigned long flags;

	if (!is_ours(heap, &flags))
		return;
	seen.reserve.nr++;
	seen.reserve.free = free;
	seen.reserve.reserve = reserve;
	done(flags);
}

static void see_failure(void *unused, const char *heap, unsigned long pages, gfp_t gfp,
			u64 mapped, u64 limit)
{
	unsigned long flags;

	if (!is_ours(heap, &flags))
		return;
	seen.failure.nr++;
	seen.failure.pages = pages;
	seen.failure.gfp = gfp;
	seen.failure.mapped = mapped;
	seen.failure.limit = limit;
	done(flags);
}

static void forget(const char *name)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&seen_lock, flags);
	memset(&seen, 0, sizeof(seen));
	seen.name = name;
	done(flags);
}

/* A heap that does nothing by itself, and whose events are noted from its first one on. */
static struct quarry_heap *seen_heap(struct kunit *test, struct quarry_heap_params params)
{
	params.name = quarry_test_name(test);
	params.node = NUMA_NO_NODE;
	params.decay_ms = -1;
	forget(params.name);
	return quarry_test_heap_params(test, params);
}

static struct quarry_heap *simple_heap(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };

	return seen_heap(test, params);
}

static void extent_get(struct kunit *test)
{
	struct quarry_heap *heap = simple_heap(test);
	void *run, *data;

	run = quarry_alloc_pages(heap, 4, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run);
	KUNIT_EXPECT_EQ(test, seen.get.nr, 1U);
	KUNIT_EXPECT_EQ(test, seen.get.pages, 16UL);
	KUNIT_EXPECT_EQ(test, seen.get.pfn, page_to_pfn(virt_to_page(run)));
	KUNIT_EXPECT_EQ(test, seen.get.node, page_to_nid(virt_to_page(run)));
	KUNIT_EXPECT_FALSE(test, seen.get.data);
	data = quarry_alloc_pages_site(heap, 512, GFP_KERNEL, QUARRY_KIND_DATA, QUARRY_SITE());
	KUNIT_ASSERT_NOT_NULL(test, data);
	KUNIT_EXPECT_EQ(test, seen.get.nr, 2U);
	KUNIT_EXPECT_EQ(test, seen.get.pages, 512UL);
	KUNIT_EXPECT_EQ(test, seen.get.pfn, page_to_pfn(virt_to_page(data)));
	KUNIT_EXPECT_TRUE(test, seen.get.data);
	quarry_free_pages(run);
	quarry_free_pages(data);
	KUNIT_EXPECT_EQ_MSG(test, seen.get.sum << PAGE_SHIFT, quarry_test_stats(heap).mapped,
			    "all that is mapped was seen");
	KUNIT_EXPECT_EQ(test, seen.put.nr, 0U);
	KUNIT_EXPECT_EQ(test, seen.failure.nr + seen.hit[0].nr + seen.hit[1].nr, 0U);
}

static void extent_put(struct kunit *test)
{
	struct quarry_heap *heap = simple_heap(test);
	void *run = quarry_alloc_pages(heap, 9, GFP_KERNEL);
	unsigned long pfn;

	KUNIT_ASSERT_NOT_NULL(test, run);
	pfn = page_to_pfn(virt_to_page(run));
	quarry_free_pages(run);
	run = quarry_alloc_pages_exact(heap, 256, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, seen.put.nr, 1U);
	KUNIT_EXPECT_FALSE_MSG(test, seen.put.whole, "the other half is in use");
	KUNIT_EXPECT_EQ(test, seen.put.pages, 256UL);
	KUNIT_EXPECT_EQ(test, seen.put.pfn,
			pfn + (page_to_pfn(virt_to_page(run)) == pfn ? 256 : 0));
	quarry_free_pages(run);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, seen.put.nr, 2U);
	KUNIT_EXPECT_TRUE(test, seen.put.whole);
	KUNIT_EXPECT_EQ_MSG(test, seen.put.pages, 256UL, "what the extent still had");
	KUNIT_EXPECT_EQ(test, seen.put.pfn, pfn);
	KUNIT_EXPECT_EQ(test, seen.put.node, seen.get.node);
	KUNIT_EXPECT_FALSE(test, seen.put.data);
	KUNIT_EXPECT_EQ(test, seen.put.lost, 0UL);
	KUNIT_EXPECT_EQ_MSG(test, seen.put.sum, seen.get.sum, "all went");
}

static void wait_until_trimmed(struct quarry_heap *heap, u64 most)
{
	unsigned int tries = 500;

	while (tries-- && quarry_test_stats(heap).mapped > most)
		msleep(20);
	/* The event comes after the pages went. */
	msleep(20);
}

static void use_and_free(struct kunit *test, struct quarry_heap *heap)
{
	void *run = quarry_alloc_pages(heap, 9, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, run);
	quarry_free_pages(run);
}

static void trim(struct kunit *test)
{
	struct quarry_heap *heap = simple_heap(test);
	struct quarry_heap_priv *hp = to_priv(heap);

	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ_MSG(test, seen.trim[QUARRY_TRIM_REQUEST].nr, 0U, "there was nothing");
	use_and_free(test, heap);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, seen.trim[QUARRY_TRIM_REQUEST].nr, 1U);
	KUNIT_EXPECT_EQ(test, seen.trim[QUARRY_TRIM_REQUEST].wanted, 512UL);
	KUNIT_EXPECT_EQ(test, seen.trim[QUARRY_TRIM_REQUEST].given, 512UL);

	use_and_free(test, heap);
	KUNIT_ASSERT_EQ(test, quarry_heap_tune(hp, QUARRY_KNOB_SOFT_LIMIT, "1M"), 0);
	wait_until_trimmed(heap, SZ_1M);
	KUNIT_EXPECT_GE(test, seen.trim[QUARRY_TRIM_SOFT_LIMIT].nr, 1U);
	KUNIT_EXPECT_EQ(test, seen.trim[QUARRY_TRIM_SOFT_LIMIT].given, 512UL);

	KUNIT_ASSERT_EQ(test, quarry_heap_tune(hp, QUARRY_KNOB_SOFT_LIMIT, "0"), 0);
	use_and_free(test, heap);
	KUNIT_EXPECT_EQ(test, seen.trim[QUARRY_TRIM_DECAY].nr, 0U);
	KUNIT_ASSERT_EQ(test, quarry_heap_tune(hp, QUARRY_KNOB_DECAY_MS, "0"), 0);
	wait_until_trimmed(heap, 0);
	KUNIT_EXPECT_GE(test, seen.trim[QUARRY_TRIM_DECAY].nr, 1U);
	KUNIT_EXPECT_EQ(test, seen.trim[QUARRY_TRIM_DECAY].given, 512UL);
}

/* At the limit, with 64 KiB idle that cannot serve 1 MiB. */
static void hard_limit_and_failure(struct kunit *test)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_NOWARN;
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = SZ_1M };
	struct quarry_heap *heap = seen_heap(test, params);
	struct quarry_test_run runs[16];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(runs); i++)
		KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &runs[i], 16, i));
	KUNIT_ASSERT_EQ(test, quarry_test_stats(heap).mapped, (u64)SZ_1M);
	KUNIT_EXPECT_EQ(test, seen.hit[true].nr, 0U);
	quarry_test_run_free(test, &runs[0]);
	KUNIT_EXPECT_NULL(test, quarry_alloc_pages(heap, 8, gfp));
	KUNIT_EXPECT_EQ_MSG(test, seen.hit[true].nr, 2U, "before and after a drain");
	KUNIT_EXPECT_EQ(test, seen.hit[true].mapped, (u64)SZ_1M - SZ_64K);
	KUNIT_EXPECT_EQ(test, seen.hit[true].limit, (u64)SZ_1M);
	KUNIT_EXPECT_EQ(test, seen.hit[true].pages, 256UL);
	KUNIT_EXPECT_EQ(test, seen.trim[QUARRY_TRIM_LIMIT].nr, 1U);
	KUNIT_EXPECT_EQ(test, seen.trim[QUARRY_TRIM_LIMIT].wanted, 16UL);
	KUNIT_EXPECT_EQ(test, seen.trim[QUARRY_TRIM_LIMIT].given, 16UL);
	KUNIT_EXPECT_EQ(test, seen.failure.nr, 1U);
	KUNIT_EXPECT_EQ(test, seen.failure.pages, 256UL);
	KUNIT_EXPECT_TRUE(test, seen.failure.gfp == gfp);
	KUNIT_EXPECT_EQ(test, seen.failure.mapped, (u64)SZ_1M - SZ_64K);
	KUNIT_EXPECT_EQ(test, seen.failure.limit, (u64)SZ_1M);
	/* Who can do with less is not failed. */
	KUNIT_EXPECT_NULL(test, quarry_alloc_pages(heap, 8, gfp | __GFP_NORETRY));
	KUNIT_EXPECT_EQ(test, seen.failure.nr, 1U);
	KUNIT_EXPECT_EQ(test, seen.hit[true].nr, 3U);
	for (i = 1; i < ARRAY_SIZE(runs); i++)
		quarry_test_run_free(test, &runs[i]);
}

static void soft_limit(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .soft_limit = SZ_64K };
	struct quarry_heap *heap = seen_heap(test, params);
	struct quarry_test_run runs[2];

	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &runs[0], 16, 0));
	KUNIT_EXPECT_EQ_MSG(test, seen.hit[false].nr, 0U, "at it, not above");
	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &runs[1], 16, 1));
	KUNIT_EXPECT_EQ(test, seen.hit[false].nr, 1U);
	KUNIT_EXPECT_EQ(test, seen.hit[false].mapped, (u64)SZ_128K);
	KUNIT_EXPECT_EQ(test, seen.hit[false].limit, (u64)SZ_64K);
	KUNIT_EXPECT_EQ(test, seen.hit[false].pages, 16UL);
	KUNIT_EXPECT_EQ(test, seen.hit[true].nr + seen.failure.nr, 0U);
	quarry_test_run_free(test, &runs[0]);
	quarry_test_run_free(test, &runs[1]);
}

static void reserve_used(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .reserve = SZ_1M };
	struct quarry_heap *heap = seen_heap(test, params);
	void *run = quarry_alloc_pages(heap, 4, GFP_KERNEL), *atomic, *page;

	KUNIT_ASSERT_NOT_NULL(test, run);
	KUNIT_EXPECT_EQ_MSG(test, seen.reserve.nr, 0U, "who may sleep is not told of");
	atomic = quarry_alloc_pages(heap, 4, GFP_ATOMIC);
	KUNIT_ASSERT_NOT_NULL(test, atomic);
	KUNIT_EXPECT_EQ(test, seen.reserve.nr, 1U);
	KUNIT_EXPECT_EQ(test, seen.reserve.free, 256UL - 32);
	KUNIT_EXPECT_EQ(test, seen.reserve.reserve, 256UL);
	/* A page that comes through a magazine. */
	page = quarry_alloc_pages(heap, 0, GFP_ATOMIC);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, seen.reserve.nr, 2U);
	KUNIT_EXPECT_LT(test, seen.reserve.free, 256UL - 32);
	quarry_free_pages(page);
	quarry_free_pages(atomic);
	/* As much again, so that no less than the reserve is free. */
	atomic = quarry_alloc_pages_exact(heap, 500, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, atomic);
	quarry_free_pages(atomic);
	atomic = quarry_alloc_pages_exact(heap, 17, GFP_ATOMIC);
	KUNIT_ASSERT_NOT_NULL(test, atomic);
	KUNIT_EXPECT_EQ(test, seen.reserve.nr, 2U);
	quarry_free_pages(atomic);
	quarry_free_pages(run);
}

static bool registered;

/* One that is not registered must not be unregistered. */
static void unregister_probes(unsigned int nr)
{
	switch (nr) {
	case 6:
		unregister_trace_quarry_failure(see_failure, NULL);
		fallthrough;
	case 5:
		unregister_trace_quarry_reserve_used(see_reserve, NULL);
		fallthrough;
	case 4:
		unregister_trace_quarry_limit_hit(see_hit, NULL);
		fallthrough;
	case 3:
		unregister_trace_quarry_trim(see_trim, NULL);
		fallthrough;
	case 2:
		unregister_trace_quarry_extent_put(see_put, NULL);
		fallthrough;
	case 1:
		unregister_trace_quarry_extent_get(see_get, NULL);
	}
	tracepoint_synchronize_unregister();
}

static int register_probes(void)
{
	unsigned int nr = 0;
	int ret;

	ret = register_trace_quarry_extent_get(see_get, NULL) ?: (nr++, 0) ?:
	      register_trace_quarry_extent_put(see_put, NULL) ?: (nr++, 0) ?:
	      register_trace_quarry_trim(see_trim, NULL) ?: (nr++, 0) ?:
	      register_trace_quarry_limit_hit(see_hit, NULL) ?: (nr++, 0) ?:
	      register_trace_quarry_reserve_used(see_reserve, NULL) ?: (nr++, 0) ?:
	      register_trace_quarry_failure(see_failure, NULL);
	if (ret)
		unregister_probes(nr);
	registered = !ret;
	return ret;
}

static int trace_init(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "the kernel has no tracepoints");
	return quarry_test_init(test) ?: register_probes();
}

static void trace_exit(struct kunit *test)
{
	if (!registered)
		return;
	forget(NULL);
	unregister_probes(6);
	registered = false;
	quarry_test_exit(test);
}

static struct kunit_case trace_cases[] = {
	KUNIT_CASE(extent_get),
	KUNIT_CASE(extent_put),
	KUNIT_CASE(trim),
	KUNIT_CASE(hard_limit_and_failure),
	KUNIT_CASE(soft_limit),
	KUNIT_CASE(reserve_used),
	{}
};

struct kunit_suite quarry_trace_suite = {
	.name = "quarry_trace",
	.init = trace_init,
	.exit = trace_exit,
	.test_cases = trace_cases,
};
