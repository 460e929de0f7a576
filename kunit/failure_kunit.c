// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_failure: what a heap says about its last failed allocation.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kmsg_dump.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/stdarg.h>
#include <linux/workqueue.h>
#include "../src/cache.h"
#include "../src/heap.h"
#include "helpers.h"

#define TEXT_SIZE	SZ_16K
#define LIMIT		((u64)SZ_4M)
#define TOP		8U		/* caches and arenas that are named */

/* What debugfs would show, once the worker has written it. */
static char *failure_text(struct kunit *test, struct quarry_heap *heap)
{
	struct quarry_heap_priv *hp = to_priv(heap);
	struct seq_file m = { .size = TEXT_SIZE };

	m.buf = quarry_test_array(test, 1, TEXT_SIZE);
	flush_work(&hp->failure.work);
	quarry_failure_show(&m, &hp->failure);
	KUNIT_ASSERT_LT(test, m.count, (size_t)TEXT_SIZE);
	return m.buf;
}

static struct quarry_heap *limited_heap(struct kunit *test, u64 soft_limit)
{
	struct quarry_heap_params params = {
		QUARRY_HEAP_DEFAULTS,
		.limit = LIMIT,
		.soft_limit = soft_limit,
	};

	params.decay_ms = -1;
	return quarry_test_heap_params(test, params);
}

/* More than the limit leaves; NULL is what must come. */
static void fail_once(struct kunit *test, struct quarry_heap *heap, unsigned long nr_pages,
		      gfp_t gfp)
{
	KUNIT_EXPECT_NULL(test, quarry_alloc_pages_exact(heap, nr_pages, gfp));
}

static __printf(3, 4) void expect_says(struct kunit *test, const char *text, const char *fmt, ...)
{
	char line[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(text, line), "\"%s\" is not in:\n%s", line, text);
}

static void expect_says_not(struct kunit *test, const char *text, const char *what)
{
	KUNIT_EXPECT_NULL_MSG(test, strstr(text, what), "\"%s\" is in:\n%s", what, text);
}

/* What no heap could give is none, and who says NORETRY will ask for less. */
static void no_failure_yet(struct kunit *test)
{
	struct quarry_heap *heap = limited_heap(test, 0);
	void *run = quarry_alloc_pages(heap, 2, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, run);
	KUNIT_EXPECT_STREQ(test, failure_text(test, heap), "no allocation has failed\n");
	QUARRY_EXPECT_REPORTS(test, 1, fail_once(test, heap, 1025, GFP_KERNEL));
	fail_once(test, heap, 1024, GFP_KERNEL | __GFP_NORETRY);
	KUNIT_EXPECT_STREQ(test, failure_text(test, heap), "no allocation has failed\n");
	quarry_free_pages(run);
}

/* Who asked for what, and how full the heap is; a second failure takes its place. */
static void says_what_failed(struct kunit *test)
{
	struct quarry_heap *heap = limited_heap(test, 0);
	void *run = quarry_alloc_pages_exact(heap, 600, GFP_KERNEL);
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN;
	struct quarry_heap_stats stats;
	char *text;

	KUNIT_ASSERT_NOT_NULL(test, run);
	fail_once(test, heap, 512, gfp);
	stats = quarry_test_stats(heap);
	text = failure_text(test, heap);
	expect_says(test, text, "1 failures, the last ");
	expect_says(test, text, "heap %s, failure 1: 512 pages for %s, flags %pGg\n",
		    to_priv(heap)->name, current->comm, &gfp);
	expect_says(test, text, "mapped %llu of limit %llu bytes, active %llu, allocated %llu\n",
		    stats.mapped, LIMIT, stats.active, stats.allocated);
	KUNIT_EXPECT_EQ(test, stats.allocated, 600ULL << PAGE_SHIFT);
	expect_says(test, text, "runs of pages (arenas' chunks among them): %llu bytes\n",
		    600ULL << PAGE_SHIFT);

	gfp = GFP_ATOMIC | __GFP_NOWARN;
	preempt_disable();
	fail_once(test, heap, 700, gfp);
	preempt_enable();
	text = failure_text(test, heap);
	expect_says(test, text, "2 failures, the last ");
	expect_says(test, text, "failure 2: 700 pages for %s, flags %pGg\n", current->comm, &gfp);
	expect_says_not(test, text, "failure 1:");
	expect_says_not(test, text, "512 pages");
	quarry_free_pages(run);
}

/* Memory there is, but not in one piece. */
static void says_how_fragmented(struct kunit *test)
{
	struct quarry_heap *heap = limited_heap(test, 0);
	const unsigned int nr = LIMIT >> (PAGE_SHIFT + 4);
	struct quarry_test_run *runs = quarry_test_array(test, nr, sizeof(*runs));
	unsigned int i, held = 0, n;
	char *text;

	while (held < nr && quarry_test_run_alloc(heap, &runs[held], 16, held))
		held++;
	KUNIT_ASSERT_GT(test, held, 8U);
	n = held / 2;
	/* Every second one, lowest address first within an extent: pairs do not merge. */
	for (i = 0; i < 2 * n; i += 2)
		quarry_test_run_free(test, &runs[i]);
	/* Atomic, so that the free runs stay with the heap. */
	preempt_disable();
	fail_once(test, heap, 1024, GFP_ATOMIC | __GFP_NOWARN);
	preempt_enable();
	text = failure_text(test, heap);
	expect_says(test, text, "free %llu bytes, the largest block %lu bytes\n",
		    quarry_test_stats(heap).mapped - ((u64)(held - n) << (PAGE_SHIFT + 4)),
		    PAGE_SIZE << 4);
	for (i = 0; i < held; i++)
		if (runs[i].addr)
			quarry_test_run_free(test, &runs[i]);
}

/* The lines below @title that are indented fall in size; how many, and of how many bytes. */
static unsigned int expect_falling(struct kunit *test, const char *text, const char *title,
				   u64 *sum)
{
	const char *line = strstr(text, title);
	u64 bytes, last = U64_MAX;
	unsigned int nr = 0;
	char name[40];
	int nr_read;

	*sum = 0;
	KUNIT_ASSERT_NOT_NULL_MSG(test, line, "no \"%s\" in:\n%s", title, text);
	while ((line = strchr(line, '\n')) && !strncmp(++line, "  ", 2)) {
		nr_read = sscanf(line, "%39s %llu bytes", name, &bytes);
		KUNIT_ASSERT_EQ_MSG(test, nr_read, 2, "%.60s", line);
		KUNIT_EXPECT_LE_MSG(test, bytes, last, "%s comes after a smaller one", name);
		KUNIT_EXPECT_GT_MSG(test, bytes, 0ULL, "%s", name);
		last = bytes;
		*sum += bytes;
		nr++;
	}
	return nr;
}

#define NR_CACHES	11U

static u64 cache_bytes(const struct quarry_cache *cache)
{
	return (u64)to_slab_cache(cache)->nr_pages << PAGE_SHIFT;
}

/* Caches that need no less than the @i-th, that one not counted. */
static unsigned int nr_no_less(struct quarry_cache *const *caches, unsigned int i)
{
	unsigned int k, nr = 0;

	for (k = 0; k < NR_CACHES; k++)
		nr += k != i && cache_bytes(caches[k]) >= cache_bytes(caches[i]);
	return nr;
}

/* Caches of very different sizes, the largest made neither first nor last. */
static void names_the_largest_caches(struct kunit *test)
{
	struct quarry_heap *heap = limited_heap(test, 0);
	struct quarry_cache *caches[NR_CACHES];
	void **objs = quarry_test_array(test, NR_CACHES * NR_CACHES, sizeof(*objs));
	unsigned int i, k, nr = 0, nr_sure = 0;
	u64 all = 0, sum;
	char *text;

	for (i = 0; i < NR_CACHES; i++) {
		caches[i] = quarry_test_cache(test, heap, SZ_32K, 0, 0, NULL);
		/* 1 6 11 5 10 4 ... objects */
		for (k = 0; k < 1 + i * 5 % NR_CACHES; k++) {
			objs[nr] = quarry_cache_alloc(caches[i], GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, objs[nr++]);
		}
	}
	fail_once(test, heap, 1024, GFP_KERNEL | __GFP_NOWARN);
	text = failure_text(test, heap);
	for (i = 0; i < NR_CACHES; i++) {
		all += cache_bytes(caches[i]);
		if (nr_no_less(caches, i) >= TOP)
			continue;
		nr_sure++;
		expect_says(test, text, "  %-31s %14llu bytes\n", to_slab_cache(caches[i])->name,
			    cache_bytes(caches[i]));
	}
	KUNIT_EXPECT_GT(test, nr_sure, TOP / 2);
	expect_says(test, text, "caches: %u, %llu bytes of pages\n", NR_CACHES, all);
	KUNIT_EXPECT_EQ(test, expect_falling(test, text, "caches:", &sum), TOP);
	KUNIT_EXPECT_LT(test, sum, all);
	while (nr)
		quarry_free(objs[--nr]);
}

#define NR_ARENAS	3U

static void names_the_largest_arenas(struct kunit *test)
{
	static const char * const names[NR_ARENAS] = { "small", "huge", "middle" };
	static const size_t sizes[NR_ARENAS] = { SZ_4K, SZ_512K, SZ_64K };
	struct quarry_heap *heap = limited_heap(test, 0);
	struct quarry_arena *arenas[NR_ARENAS];
	struct quarry_arena_stats stats;
	unsigned int i;
	u64 held = 0, sum;
	char *text;

	for (i = 0; i < NR_ARENAS; i++) {
		struct quarry_arena_params params = { .name = names[i] };

		arenas[i] = quarry_test_arena(test, heap, &params);
		KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arenas[i], sizes[i], GFP_KERNEL));
	}
	fail_once(test, heap, 1024, GFP_KERNEL | __GFP_NOWARN);
	text = failure_text(test, heap);
	for (i = 0; i < NR_ARENAS; i++) {
		quarry_arena_get_stats(arenas[i], &stats);
		held += stats.held;
		expect_says(test, text, "  %-31s %14llu bytes\n", names[i], stats.held);
	}
	expect_says(test, text, "arenas: %u, %llu bytes of pages\n", NR_ARENAS, held);
	KUNIT_EXPECT_EQ(test, expect_falling(test, text, "arenas:", &sum), NR_ARENAS);
	KUNIT_EXPECT_EQ(test, sum, held);
}

/* === Who was asked === */

#define CLAIMED		12345U		/* bytes; more than none, and easily told */

static u64 claim(struct quarry_reclaimer *reclaimer, u64 bytes)
{
	return CLAIMED;
}

static void wait_for_call(const struct quarry_reclaimer *reclaimer)
{
	unsigned int tries = 500;

	while (tries-- && !READ_ONCE(reclaimer->nr_calls))
		msleep(20);
}

static void says_who_was_asked(struct kunit *test)
{
	struct quarry_heap *heap = limited_heap(test, SZ_1M);
	struct quarry_reclaimer reclaimer = { .name = "claimer", .reclaim = claim };
	struct quarry_heap_priv *hp = to_priv(heap);
	void *run, *other;
	char *text;

	KUNIT_ASSERT_EQ(test, quarry_heap_add_reclaimer(heap, &reclaimer), 0);
	run = quarry_alloc_pages_exact(heap, 512, GFP_KERNEL);
	wait_for_call(&reclaimer);
	/* It was called; this waits until it is no longer being called. */
	flush_delayed_work(&hp->pressure.work);
	other = quarry_alloc_pages_exact(heap, 1024, GFP_KERNEL | __GFP_NOWARN);
	text = failure_text(test, heap);
	expect_says(test, text, "reclaimers:\n  %-31s asked 1 times, last for %llu, ", "claimer",
		    quarry_test_stats(heap).mapped - SZ_1M);
	expect_says(test, text, "gave %u bytes\n", CLAIMED);

	/* A reclaimer may be what waits for the report: that does not wait for it. */
	mutex_lock(&hp->pressure.mutex);
	fail_once(test, heap, 1023, GFP_KERNEL | __GFP_NOWARN);
	text = failure_text(test, heap);
	mutex_unlock(&hp->pressure.mutex);
	expect_says(test, text, "reclaimers: being asked right now\n");

	quarry_heap_remove_reclaimer(heap, &reclaimer);
	KUNIT_EXPECT_NOT_NULL(test, run);
	KUNIT_EXPECT_NULL(test, other);
	if (run)
		quarry_free_pages(run);
}

/* === The line in the log === */

static unsigned int nr_lines(struct quarry_heap *heap)
{
	struct kmsg_dump_iter iter = {};
	unsigned int nr = 0;
	char line[256], what[64];
	size_t len;

	snprintf(what, sizeof(what), "heap %s: no ", to_priv(heap)->name);
	kmsg_dump_rewind(&iter);
	while (kmsg_dump_get_line(&iter, false, line, sizeof(line) - 1, &len)) {
		line[len] = '\0';
		nr += !!strstr(line, what);
	}
	return nr;
}

static void fail_often(struct kunit *test, struct quarry_heap *heap, gfp_t gfp)
{
	unsigned int i;

	for (i = 0; i < 10; i++) {
		fail_once(test, heap, 1024, gfp);
		flush_work(&to_priv(heap)->failure.work);
	}
}

static void logs_one_line(struct kunit *test)
{
	struct quarry_heap *heap = limited_heap(test, 0);
	void *run = quarry_alloc_pages(heap, 0, GFP_KERNEL);
	unsigned long since;

	if (!IS_ENABLED(CONFIG_PRINTK))
		kunit_skip(test, "needs CONFIG_PRINTK");
	KUNIT_ASSERT_NOT_NULL(test, run);
	/* Five seconds count for all heaps: let those of earlier cases pass. */
	msleep(5100);
	since = jiffies;
	fail_often(test, heap, GFP_KERNEL | __GFP_NOWARN);
	KUNIT_EXPECT_EQ_MSG(test, nr_lines(heap), 0U, "__GFP_NOWARN");
	fail_often(test, heap, GFP_KERNEL);
	if (time_after(jiffies, since + 4 * HZ))
		kunit_skip(test, "too slow to fail twice in five seconds");
	KUNIT_EXPECT_EQ(test, nr_lines(heap), 1U);
	expect_says(test, failure_text(test, heap), "20 failures, the last ");
	quarry_free_pages(run);
}

static struct kunit_case failure_cases[] = {
	KUNIT_CASE(no_failure_yet),
	KUNIT_CASE(says_what_failed),
	KUNIT_CASE(says_how_fragmented),
	KUNIT_CASE(names_the_largest_caches),
	KUNIT_CASE(names_the_largest_arenas),
	KUNIT_CASE(says_who_was_asked),
	KUNIT_CASE(logs_one_line),
	{}
};

struct kunit_suite quarry_failure_suite = {
	.name = "quarry_failure",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = failure_cases,
};
