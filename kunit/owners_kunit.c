// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_owners: a heap that tracks knows who holds what, for how long, by
 * whatever call it was allocated, and forgets modules that go.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include "../src/heap.h"
#include "../src/note.h"
#include "helpers.h"

#define TEXT_SIZE	SZ_64K
#define NR_OBJS		300U

static struct quarry_heap *tracked_heap(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .flags = QUARRY_HEAP_TRACK };

	return quarry_test_heap_params(test, params);
}

/* What debugfs shows; freed by the caller or with the test. */
static char *owners_text(struct kunit *test, struct quarry_heap *heap)
{
	struct seq_file m = { .size = TEXT_SIZE };

	m.buf = kunit_kzalloc(test, TEXT_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	KUNIT_ASSERT_EQ(test, quarry_owners_show(&m, to_priv(heap)), 0);
	KUNIT_ASSERT_LT(test, m.count, (size_t)TEXT_SIZE);
	return m.buf;
}

struct row {
	unsigned long nr;
	unsigned long long bytes;
	unsigned int ms;
	unsigned int place;		/* 0: the first */
};

/* The row that ends with @what; false if there is none. */
static bool find_row(const char *text, const char *what, struct row *row)
{
	const char *line, *end;

	/* The header comes first. */
	row->place = 0;
	for (line = strchr(text, '\n') + 1; *line; line = end + 1, row->place++) {
		end = strchrnul(line, '\n');
		if (end - line > strlen(what) && !strncmp(end - strlen(what), what, strlen(what)))
			return sscanf(line, "%lu %llu %u", &row->nr, &row->bytes, &row->ms) == 3;
		if (!*end)
			break;
	}
	return false;
}

static void expect_row(struct kunit *test, const char *text, const char *what, unsigned long nr,
		       unsigned long long bytes)
{
	struct row row;

	if (!find_row(text, what, &row)) {
		KUNIT_FAIL(test, "no row %s in:\n%s", what, text);
		return;
	}
	KUNIT_EXPECT_EQ_MSG(test, row.nr, nr, "%s in:\n%s", what, text);
	KUNIT_EXPECT_EQ_MSG(test, row.bytes, bytes, "%s in:\n%s", what, text);
}

/* The sums are what the heap has handed out, by its own counters. */
static void expect_all_known(struct kunit *test, struct quarry_heap *heap)
{
	char *text = owners_text(test, heap);
	struct row row;

	KUNIT_ASSERT_TRUE_MSG(test, find_row(text, "  all", &row), "%s", text);
	KUNIT_EXPECT_EQ_MSG(test, row.bytes, quarry_test_stats(heap).allocated, "%s", text);
	kunit_kfree(test, text);
}

static noinline void *alloc_small(struct quarry_heap *heap)
{
	return quarry_alloc(heap, 100, GFP_KERNEL);
}

static noinline void *alloc_large(struct quarry_heap *heap)
{
	return quarry_alloc_pages(heap, 2, GFP_KERNEL);
}

static void sums_by_site(struct kunit *test)
{
	struct quarry_heap *heap = tracked_heap(test);
	void **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	size_t usable;
	struct row large;
	char *text;
	unsigned int i;

	expect_all_known(test, heap);
	for (i = 0; i < NR_OBJS; i++) {
		objs[i] = i % 30 ? alloc_small(heap) : alloc_large(heap);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
	}
	usable = quarry_usable_size(objs[1]);
	text = owners_text(test, heap);
	KUNIT_ASSERT_NOT_NULL_MSG(test, strstr(text, "  alloc_small, owners_kunit.c:"), "%s", text);
	expect_row(test, text, "  all", NR_OBJS, 290ULL * usable + 10ULL * 4 * PAGE_SIZE);
	expect_all_known(test, heap);
	/* The most bytes come first. */
	KUNIT_EXPECT_TRUE(test, strstr(text, "alloc_large") < strstr(text, "alloc_small"));
	for (i = 0; i < NR_OBJS; i++) {
		if (i % 30) {
			quarry_free(objs[i]);
			objs[i] = NULL;
		}
	}
	text = owners_text(test, heap);
	KUNIT_EXPECT_NULL_MSG(test, strstr(text, "alloc_small"), "%s", text);
	KUNIT_EXPECT_TRUE(test, find_row(text, "  all", &large));
	KUNIT_EXPECT_EQ(test, large.bytes, 10ULL * 4 * PAGE_SIZE);
	expect_all_known(test, heap);
	for (i = 0; i < NR_OBJS; i++)
		quarry_free(objs[i]);
	expect_all_known(test, heap);
}

static void age_of_the_oldest(struct kunit *test)
{
	struct quarry_heap *heap = tracked_heap(test);
	void *objs[9];
	unsigned int i;
	struct row row;

	for (i = 0; i < ARRAY_SIZE(objs); i++)
		objs[i] = alloc_small(heap);
	msleep(60);
	/* The old one lies between younger ones. */
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		if (i != 4)
			quarry_free(objs[i]);
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		if (i != 4)
			objs[i] = alloc_small(heap);
	KUNIT_ASSERT_TRUE(test, find_row(owners_text(test, heap), "  all", &row));
	KUNIT_EXPECT_GE(test, row.ms, 50U);
	KUNIT_EXPECT_LT(test, row.ms, 30000U);
	quarry_free(objs[4]);
	objs[4] = NULL;
	KUNIT_ASSERT_TRUE(test, find_row(owners_text(test, heap), "  all", &row));
	KUNIT_EXPECT_EQ(test, row.nr, 8UL);
	KUNIT_EXPECT_LT(test, row.ms, 50U);
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		quarry_free(objs[i]);
}

/* One row for what the line @line of @func allocated. */
static void expect_site(struct kunit *test, struct quarry_heap *heap, const char *func,
			unsigned int line, unsigned long nr, unsigned long long bytes)
{
	char *text = owners_text(test, heap), where[80];

	snprintf(where, sizeof(where), "  %s, owners_kunit.c:%u", func, line);
	expect_row(test, text, where, nr, bytes);
	kunit_kfree(test, text);
}

#define EXPECT_SITE(t, heap, nr, bytes, stmt)					\
do {										\
	stmt;									\
	expect_site(t, heap, __func__, __LINE__, nr, bytes);			\
} while (0)

static void sized_calls_pass_their_site(struct kunit *test)
{
	struct quarry_heap *heap = tracked_heap(test);
	const char *seven = "0123456";
	const gfp_t gfp = GFP_KERNEL;
	void *p;

	EXPECT_SITE(test, heap, 1, 64, p = quarry_alloc(heap, 64, gfp));
	EXPECT_SITE(test, heap, 1, 2048, p = quarry_realloc(heap, p, 2048, gfp));
	EXPECT_SITE(test, heap, 1, 65536, p = quarry_realloc(heap, p, 65536, gfp));
	quarry_free(p);
	EXPECT_SITE(test, heap, 1, 2, p = quarry_alloc_data(heap, 2, gfp));
	quarry_free(p);
	EXPECT_SITE(test, heap, 1, 1, p = quarry_alloc_data(heap, 1, gfp));
	quarry_free(p);
	EXPECT_SITE(test, heap, 1, 128, p = quarry_zalloc(heap, 128, gfp));
	quarry_free(p);
	EXPECT_SITE(test, heap, 1, 256, p = quarry_alloc_array(heap, 4, 64, gfp));
	quarry_free(p);
	EXPECT_SITE(test, heap, 1, 64, p = quarry_alloc_node(heap, 64, gfp, 0));
	quarry_free(p);
	EXPECT_SITE(test, heap, 1, 24, p = quarry_memdup(heap, heap, 24, gfp));
	quarry_free(p);
	EXPECT_SITE(test, heap, 1, 8, p = quarry_strdup(heap, seven, gfp));
	quarry_free(p);
	EXPECT_SITE(test, heap, 1, PAGE_SIZE, p = quarry_alloc_pages(heap, 0, gfp));
	quarry_free_pages(p);
	EXPECT_SITE(test, heap, 1, 64 * PAGE_SIZE, p = quarry_alloc_pages(heap, 6, gfp));
	quarry_free_pages(p);
	EXPECT_SITE(test, heap, 1, 5 * PAGE_SIZE, p = quarry_alloc_pages_exact(heap, 5, gfp));
	quarry_free_pages(p);
	EXPECT_SITE(test, heap, 1, PAGE_SIZE, p = quarry_alloc_pages_node(heap, 0, gfp, 0));
	quarry_free_pages(p);
	EXPECT_SITE(test, heap, 1, 3 * PAGE_SIZE, p = quarry_alloc_pages_aligned(heap, 3, 4, gfp));
	quarry_free_pages(p);
	expect_all_known(test, heap);
}

static void cache_calls_pass_their_site(struct kunit *test)
{
	struct quarry_heap *heap = tracked_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 40, 0, 0, NULL);
	struct quarry_prefill *prefill;
	const gfp_t gfp = GFP_KERNEL;
	void *p, *objs[50];

	EXPECT_SITE(test, heap, 1, 40, p = quarry_cache_alloc(cache, gfp));
	quarry_cache_free(cache, p);
	EXPECT_SITE(test, heap, 1, 40, p = quarry_cache_alloc_node(cache, gfp, 0));
	quarry_cache_free(cache, p);
	EXPECT_SITE(test, heap, 50, 2000, quarry_cache_alloc_bulk(cache, gfp, 50, objs));
	quarry_cache_free_bulk(cache, 50, objs);
	prefill = quarry_cache_prefill(cache, gfp, 8);
	KUNIT_ASSERT_FALSE(test, IS_ERR(prefill));
	/* The longer list is an object, too. */
	EXPECT_SITE(test, heap, 9, 8 * 40 + 128, quarry_prefill_refill(prefill, gfp, 16));
	quarry_prefill_return(prefill);
	expect_all_known(test, heap);
}

static void arenas_are_their_makers(struct kunit *test)
{
	struct quarry_heap *heap = tracked_heap(test);
	struct quarry_arena *arena = quarry_arena_create(heap, NULL, GFP_KERNEL);
	char *text;

	KUNIT_ASSERT_FALSE(test, IS_ERR(arena));
	KUNIT_EXPECT_NOT_NULL(test, quarry_arena_alloc(arena, 20000, GFP_KERNEL));
	KUNIT_EXPECT_NOT_NULL(test, quarry_arena_alloc(arena, 200, GFP_KERNEL));
	text = owners_text(test, heap);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(text, __func__), "%s", text);
	expect_all_known(test, heap);
	quarry_arena_destroy(arena);
	expect_all_known(test, heap);
}

static void silent_when_off(struct kunit *test)
{
	bool track = quarry_track_all, hardened = quarry_harden_all;
	struct quarry_heap *heap;
	void *p;

	quarry_track_all = false;
	quarry_harden_all = false;
	heap = quarry_test_heap(test);
	quarry_track_all = track;
	quarry_harden_all = hardened;
	p = alloc_small(heap);
	KUNIT_EXPECT_EQ(test, strcspn(owners_text(test, heap), "\n") + 1,
			strlen(owners_text(test, heap)));
	quarry_free(p);
}

/* Every one has its own site, more than there is room for at first. */
static void many_sites(struct kunit *test)
{
	struct quarry_heap *heap = tracked_heap(test);
	struct quarry_site *sites = quarry_test_array(test, 3000, sizeof(*sites));
	void **objs = quarry_test_array(test, 3000, sizeof(*objs));
	struct seq_file m = { .size = SZ_1M };
	char where[64];
	unsigned int i;

	for (i = 0; i < 3000; i++) {
		sites[i] = (struct quarry_site) { "a.c", "f", i + 1 };
		objs[i] = quarry_alloc_site(heap, 8 + i % 64, GFP_KERNEL, QUARRY_KIND_PTR,
					    &sites[i]);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
	}
	m.buf = quarry_test_array(test, 1, SZ_1M);
	KUNIT_ASSERT_EQ(test, quarry_owners_show(&m, to_priv(heap)), 0);
	for (i = 0; i < 3000; i += 37) {
		snprintf(where, sizeof(where), "  f, a.c:%u", i + 1);
		expect_row(test, m.buf, where, 1, quarry_usable_size(objs[i]));
	}
	expect_row(test, m.buf, "  all", 3000, quarry_test_stats(heap).allocated);
	for (i = 0; i < 3000; i++)
		quarry_free(objs[i]);
}

static void expect_said(struct kunit *test, const char *what)
{
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(quarry_report_suppressed(), what),
				  "\"%s\" is not in: %s", what, quarry_report_suppressed());
}

static void destroy_names_who_is_left(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .flags = QUARRY_HEAP_TRACK };
	struct quarry_heap *heap;
	struct quarry_cache *cache;
	unsigned int i;

	params.name = quarry_test_name(test);
	heap = quarry_heap_create(&params);
	KUNIT_ASSERT_FALSE(test, IS_ERR(heap));
	cache = quarry_cache_create(heap, "left", 40, 0, 0, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(cache));
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_NOT_NULL(test, quarry_cache_alloc(cache, GFP_KERNEL));
	KUNIT_EXPECT_NOT_NULL(test, alloc_small(heap));
	KUNIT_EXPECT_NOT_NULL(test, alloc_large(heap));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_cache_destroy(cache));
	expect_said(test, "3, 120 bytes, oldest ");
	expect_said(test, __func__);
	QUARRY_EXPECT_REPORTS(test, 2, quarry_heap_destroy(heap));
	expect_said(test, "allocated in alloc_small, ");
	expect_said(test, "1, 16384 bytes, oldest ");
	expect_said(test, "allocated in alloc_large, ");
}

/* === Modules that go === */

#ifdef CONFIG_MODULES
/* As if the memory at @addr were a module's. */
static struct module *module_around(struct kunit *test, void *addr, size_t size)
{
	struct module *mod = quarry_test_array(test, 1, sizeof(*mod));

	mod->mem[MOD_TEXT].base = addr;
	mod->mem[MOD_TEXT].size = size;
	return mod;
}

static void a_module_that_goes_is_forgotten(struct kunit *test)
{
	struct quarry_heap *heap = tracked_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 40, 0, 0, NULL);
	struct quarry_site *sites = quarry_test_array(test, 4, sizeof(*sites));
	void *obj, *freed, *run, *stays = alloc_small(heap);
	struct module *mod = module_around(test, sites, 4 * sizeof(*sites));
	char *text;

	sites[0] = (struct quarry_site) { "gone.c", "gone", 1 };
	obj = quarry_cache_alloc_site(cache, GFP_KERNEL, &sites[0]);
	freed = quarry_cache_alloc_site(cache, GFP_KERNEL, &sites[0]);
	run = quarry_alloc_pages_node_site(heap, 3, 0, GFP_KERNEL, NUMA_NO_NODE,
					   QUARRY_KIND_PTR, &sites[0]);
	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_ASSERT_NOT_NULL(test, freed);
	KUNIT_ASSERT_NOT_NULL(test, run);
	quarry_cache_free(cache, freed);
	quarry_owners_disown(to_priv(heap), mod);
	/* It must not be looked at any more. */
	memset(sites, 0xff, 4 * sizeof(*sites));
	text = owners_text(test, heap);
	expect_row(test, text, "  (module gone), (module gone):0", 2, 40 + 3 * PAGE_SIZE);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(text, "alloc_small, "), "%s", text);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(freed));
	expect_said(test, "allocated in (module gone)");
	quarry_cache_free(cache, obj);
	quarry_free_pages(run);
	quarry_free(stays);
}
#endif

/* === While it is in use === */

static void busy_worker(struct quarry_test_worker *worker)
{
	struct quarry_heap *heap = worker->arg;
	void *ptrs[64] = {};
	unsigned int i;

	while (!quarry_test_worker_should_stop()) {
		i = quarry_test_below(&worker->rnd, 64);
		quarry_free(ptrs[i]);
		ptrs[i] = i % 8 ? alloc_small(heap) : alloc_large(heap);
		if (!ptrs[i])
			quarry_test_worker_fail(worker, "allocation", i);
		if (worker->nr_ops++ % 64 == 0)
			cond_resched();
	}
	for (i = 0; i < 64; i++)
		quarry_free(ptrs[i]);
}

static void read_while_in_use(struct kunit *test)
{
	struct quarry_heap *heap = tracked_heap(test);
	struct quarry_test_worker workers[2];
	unsigned int i;
	struct row row;
	char *text;

	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       i, busy_worker, heap), 0);
	for (i = 0; i < 60; i++) {
		text = owners_text(test, heap);
		KUNIT_EXPECT_TRUE(test, find_row(text, "  all", &row));
		/* A worker that is between two calls has one less. */
		KUNIT_EXPECT_LE(test, row.nr, 2 * 64UL * 2);
		kunit_kfree(test, text);
		if (i % 20 == 0)
			quarry_heap_trim(heap);
		schedule_timeout_uninterruptible(1);
	}
	for (i = 0; i < 2; i++)
		quarry_test_worker_stop(test, &workers[i]);
	expect_all_known(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static struct kunit_case owners_cases[] = {
	KUNIT_CASE(sums_by_site),
	KUNIT_CASE(age_of_the_oldest),
	KUNIT_CASE(sized_calls_pass_their_site),
	KUNIT_CASE(cache_calls_pass_their_site),
	KUNIT_CASE(arenas_are_their_makers),
	KUNIT_CASE(silent_when_off),
	KUNIT_CASE(many_sites),
	KUNIT_CASE(destroy_names_who_is_left),
#ifdef CONFIG_MODULES
	KUNIT_CASE(a_module_that_goes_is_forgotten),
#endif
	KUNIT_CASE(read_while_in_use),
	{}
};

struct kunit_suite quarry_owners_suite = {
	.name = "quarry_owners",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = owners_cases,
};
