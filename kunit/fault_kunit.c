// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_fault: the injector itself, and walks in which each attempt
 * inside to get memory fails once.
 *
 * A scenario uses everything a heap has; each of its steps either works or fails
 * cleanly.  It counts its attempts, and is repeated with the n-th one failing, n =
 * 1, 2, ... until nothing was injected any more.  After each round the heap must
 * be consistent, hold nothing, give all pages back and have had nothing to report.
 */
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/page_ref.h>
#include <linux/string.h>
#include <quarry/arena_shared.h>
#include "../src/fault.h"
#include "../src/pagemap.h"
#include "helpers.h"

#define NR_PIECES	512
#define NR_CACHES	6
#define CTOR_STATE	0xc0ffee0ddf00dULL
#define FOREVER		ULONG_MAX
/*
 * With SMP a round takes 100 ms, for grace periods.  So only in User-mode Linux (1 ms)
 * the walks are complete; elsewhere they take random steps, others each time.
 */
#define STEP		(IS_ENABLED(CONFIG_SMP) ? 8 : 1)

/* Fewer attempts than this: the scenario is not what it should be. */
#define LEAST_ATTEMPTS	400UL
#define MOST_ATTEMPTS	5000UL

/* === The scenario === */

/* An allocation that is alive, with a pattern in it. */
struct piece {
	void *ptr;
	size_t len;
	struct quarry_cache *cache;	/* NULL: quarry_free() */
};

struct scenario {
	struct kunit *test;
	struct rnd_state rnd;
	struct quarry_heap *heap;
	struct quarry_cache *caches[NR_CACHES];
	struct piece pieces[NR_PIECES];
	unsigned int nr_pieces;
	unsigned int nr_failed;		/* steps that got no memory, this round */
	unsigned long nr_lost;		/* in all rounds of a walk */
	const char *wrong;		/* what a round broke first */
	long where;
};

static void complain(struct scenario *s, const char *what, long where)
{
	if (s->wrong)
		return;
	s->wrong = what;
	s->where = where;
}

/* Of large pieces both ends have to do. */
static size_t end_of(const struct piece *p)
{
	return min_t(size_t, p->len, 512);
}

static void keep(struct scenario *s, void *ptr, size_t len, struct quarry_cache *cache)
{
	struct piece *p = &s->pieces[s->nr_pieces];

	if (!ptr) {
		s->nr_failed++;
		return;
	}
	if (s->nr_pieces == NR_PIECES) {
		complain(s, "more pieces than there is room for", NR_PIECES);
		return;
	}
	p->ptr = ptr;
	p->len = len;
	p->cache = cache;
	quarry_test_fill(ptr, end_of(p), s->nr_pieces);
	if (p->len > end_of(p))
		quarry_test_fill(ptr + p->len - end_of(p), end_of(p), s->nr_pieces);
	s->nr_pieces++;
}

static void check_piece(struct scenario *s, unsigned int i)
{
	struct piece *p = &s->pieces[i];
	void *end = p->ptr + p->len - end_of(p);

	/* The ends of a short piece overlap: the second one is what was written. */
	if (p->len < 2 * end_of(p) ? !quarry_test_check(end, end_of(p), i) :
	    !quarry_test_check(p->ptr, end_of(p), i) || !quarry_test_check(end, end_of(p), i))
		complain(s, "damaged piece", i);
}

static void ctor(void *obj)
{
	*(u64 *)obj = CTOR_STATE;
}

static void drop(struct scenario *s, unsigned int i)
{
	struct piece *p = &s->pieces[i];

	if (!p->ptr)
		return;
	check_piece(s, i);
	if (!p->cache) {
		quarry_free(p->ptr);
	} else {
		/* What a constructor made has to be handed back so. */
		if (p->cache == s->caches[0])
			ctor(p->ptr);
		quarry_cache_free(p->cache, p->ptr);
	}
	p->ptr = NULL;
}

static void drop_each(struct scenario *s, unsigned int step)
{
	unsigned int i;

	for (i = 0; i < s->nr_pieces; i += step)
		drop(s, i);
	if (step == 1)
		s->nr_pieces = 0;
}

static void make_caches(struct scenario *s)
{
	static const struct {
		size_t size;
		unsigned int flags;
		void (*ctor)(void *obj);
	} kinds[NR_CACHES] = {
		{ 48, 0, ctor },
		{ 200, QUARRY_DATA, NULL },
		{ 3000, QUARRY_HWCACHE_ALIGN, NULL },
		{ 100000, 0, NULL },
		{ 64, QUARRY_TYPESAFE_BY_RCU, NULL },
		{ 64, QUARRY_ZEROED, NULL },
	};
	struct quarry_cache *cache;
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++) {
		cache = quarry_cache_create(s->heap, "scenario", kinds[i].size, 0, kinds[i].flags,
					    kinds[i].ctor);
		if (IS_ERR_OR_NULL(cache)) {
			if (PTR_ERR(cache) != -ENOMEM)
				complain(s, "cache_create", PTR_ERR(cache));
			s->nr_failed++;
			cache = NULL;
		}
		s->caches[i] = cache;
	}
}

static void use_caches(struct scenario *s, unsigned int nr, gfp_t gfp)
{
	struct quarry_cache *cache;
	unsigned int i, k;
	void *obj;

	for (i = 0; i < NR_CACHES; i++) {
		cache = s->caches[i];
		for (k = 0; cache && k < nr; k++) {
			obj = quarry_cache_alloc(cache, gfp);
			if (obj && !i && *(u64 *)obj != CTOR_STATE)
				complain(s, "object that is not constructed", k);
			keep(s, obj, quarry_cache_object_size(cache), cache);
		}
	}
}

static void use_sizes(struct scenario *s, gfp_t gfp)
{
	static const size_t sizes[] = { 8, 100, 1000, 4096, 20000, 40000 };
	unsigned int i;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		keep(s, quarry_alloc(s->heap, sizes[i], gfp), sizes[i], NULL);
		keep(s, quarry_alloc_data(s->heap, sizes[i], gfp), sizes[i], NULL);
		ptr = quarry_zalloc(s->heap, sizes[i], gfp);
		if (ptr && !quarry_test_is_zero(ptr, sizes[i]))
			complain(s, "zalloc", sizes[i]);
		keep(s, ptr, sizes[i], NULL);
	}
	keep(s, quarry_alloc_data(s->heap, 1, gfp), 1, NULL);
}

/* Enough of one size for magazines to go through the depot, both ways. */
static void use_depot(struct scenario *s)
{
	unsigned int i;

	for (i = 0; i < 200; i++)
		keep(s, quarry_alloc(s->heap, 64, GFP_KERNEL), 64, NULL);
}

static void use_copies(struct scenario *s)
{
	char *str = quarry_strdup(s->heap, "nth failure", GFP_KERNEL);
	void *copy = quarry_memdup(s->heap, s, 300, GFP_KERNEL);

	if (str && strcmp(str, "nth failure"))
		complain(s, "strdup", 0);
	if (copy && memcmp(copy, s, sizeof(s->test)))
		complain(s, "memdup", 0);
	keep(s, str, 12, NULL);
	keep(s, copy, 300, NULL);
}

/* What could not grow is as it was. */
static void use_realloc(struct scenario *s)
{
	static const size_t sizes[] = { 30, 500, 9000, 50000, 200000, 300, 16 };
	size_t last = 0;
	void *ptr = NULL, *new;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		new = quarry_realloc(s->heap, ptr, sizes[i], GFP_KERNEL);
		s->nr_failed += !new;
		if (new)
			ptr = new;
		if (ptr && !quarry_test_check(ptr, new ? min(last, sizes[i]) : last, 77))
			complain(s, "contents after realloc", sizes[i]);
		if (!new)
			continue;
		last = sizes[i];
		quarry_test_fill(ptr, last, 77);
	}
	quarry_free(ptr);
}

static void use_pages(struct scenario *s)
{
	static const unsigned int exact[] = { 3, 5, 17, 100 };
	unsigned int i;
	void *ptr;

	for (i = 0; i < 10; i++) {
		keep(s, quarry_alloc_pages(s->heap, i, GFP_KERNEL), PAGE_SIZE << i, NULL);
		keep(s, quarry_alloc_pages_site(s->heap, 1UL << (i / 2), GFP_NOWAIT,
						QUARRY_KIND_DATA, QUARRY_SITE()),
		     PAGE_SIZE << (i / 2), NULL);
	}
	for (i = 0; i < ARRAY_SIZE(exact); i++)
		keep(s, quarry_alloc_pages_exact(s->heap, exact[i], GFP_KERNEL),
		     exact[i] * PAGE_SIZE, NULL);
	keep(s, quarry_alloc_pages_aligned(s->heap, 5, 7, GFP_KERNEL), 5 * PAGE_SIZE, NULL);
	keep(s, quarry_alloc_pages_node(s->heap, 2, GFP_KERNEL, first_online_node),
	     PAGE_SIZE << 2, NULL);
	keep(s, quarry_alloc_node(s->heap, 500, GFP_KERNEL | __GFP_THISNODE, first_online_node),
	     500, NULL);
	/* So much in one block is not always to be had. */
	ptr = quarry_alloc(s->heap, QUARRY_EXTENT_MAX_SIZE, GFP_KERNEL);
	if (ptr)
		keep(s, ptr, QUARRY_EXTENT_MAX_SIZE, NULL);
}

/* Pieces of an arena are gone when it is reset: checked here, not kept. */
static void fill_arena(struct scenario *s, struct quarry_arena *arena)
{
	static const size_t sizes[] = { 16, 200, 1000, 3000, 3000, 10000, 70000, 24, 300000, 5 };
	struct quarry_arena_stats before, after;
	void *ptrs[ARRAY_SIZE(sizes)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		quarry_arena_get_stats(arena, &before);
		ptrs[i] = quarry_arena_alloc(arena, sizes[i], i & 1 ? GFP_NOWAIT : GFP_KERNEL);
		quarry_arena_get_stats(arena, &after);
		if (ptrs[i])
			quarry_test_fill(ptrs[i], min_t(size_t, sizes[i], 3000), i);
		else if (memcmp(&before, &after, sizeof(after)))
			complain(s, "failure that changed an arena", i);
		s->nr_failed += !ptrs[i];
	}
	while (i--)
		if (ptrs[i] && !quarry_test_check(ptrs[i], min_t(size_t, sizes[i], 3000), i))
			complain(s, "damaged piece of an arena", i);
}

static void use_arena(struct scenario *s, unsigned int flags)
{
	const struct quarry_arena_params params = { .name = "scenario", .flags = flags };
	struct quarry_arena *arena = quarry_arena_create(s->heap, &params, GFP_KERNEL);

	if (IS_ERR_OR_NULL(arena)) {
		if (PTR_ERR(arena) != -ENOMEM)
			complain(s, "arena_create", PTR_ERR(arena));
		s->nr_failed++;
		return;
	}
	fill_arena(s, arena);
	quarry_arena_reset(arena);
	fill_arena(s, arena);
	quarry_arena_destroy(arena);
}

static void use_shared(struct scenario *s)
{
	struct quarry_arena_shared *arena = quarry_arena_shared_create(s->heap, NULL, GFP_KERNEL);
	unsigned int i;

	if (IS_ERR_OR_NULL(arena)) {
		if (PTR_ERR(arena) != -ENOMEM)
			complain(s, "arena_shared_create", PTR_ERR(arena));
		s->nr_failed++;
		return;
	}
	for (i = 0; i < 20; i++)
		if (!quarry_arena_shared_alloc(arena, i == 10 ? 100000 : 700, GFP_KERNEL))
			s->nr_failed++;
	quarry_arena_shared_destroy(arena);
}

static void use_ring(struct scenario *s, unsigned int flags)
{
	const struct quarry_ring_params params = {
		.name = "scenario", .size = SZ_32K, .flags = flags,
	};
	struct quarry_ring *ring = quarry_ring_create(s->heap, &params);
	u64 msg = flags;

	if (IS_ERR_OR_NULL(ring)) {
		if (PTR_ERR(ring) != -ENOMEM)
			complain(s, "ring_create", PTR_ERR(ring));
		s->nr_failed++;
		return;
	}
	if (quarry_ring_write(ring, &msg, sizeof(msg)) ||
	    quarry_ring_read(ring, &msg, sizeof(msg)) != sizeof(msg) || msg != flags)
		complain(s, "message in a ring", msg);
	quarry_ring_destroy(ring);
}

/* All of them or none, and a list of them. */
static void use_bulk(struct scenario *s)
{
	struct quarry_cache *cache = s->caches[1];
	struct quarry_prefill *prefill;
	void *objs[100];
	unsigned int nr;

	if (!cache)
		return;
	nr = quarry_cache_alloc_bulk(cache, GFP_KERNEL, ARRAY_SIZE(objs), objs);
	s->nr_failed += !nr;
	if (nr && nr != ARRAY_SIZE(objs))
		complain(s, "bulk of some", nr);
	quarry_cache_free_bulk(cache, nr, objs);
	prefill = quarry_cache_prefill(cache, GFP_KERNEL, 40);
	if (IS_ERR(prefill)) {
		s->nr_failed++;
		return;
	}
	if (quarry_prefill_left(prefill) != 40)
		complain(s, "prefill of some", quarry_prefill_left(prefill));
	quarry_prefill_return(prefill);
}

/* What has no magazine to wait in waits in a bitmap: this cannot fail. */
static void use_rcu(struct scenario *s)
{
	unsigned int i;

	for (i = 0; i < 40; i++)
		quarry_free_rcu(quarry_alloc(s->heap, 64 + i, GFP_KERNEL));
	for (i = 0; i < 7; i++)
		quarry_free_rcu(quarry_alloc_pages(s->heap, i, GFP_KERNEL));
}

static void use_heap(struct scenario *s)
{
	make_caches(s);
	use_caches(s, 20, GFP_KERNEL);
	use_sizes(s, GFP_KERNEL);
	use_copies(s);
	use_depot(s);
	drop_each(s, 2);
	use_realloc(s);
	if (s->caches[1])
		quarry_cache_shrink(s->caches[1]);
	use_pages(s);
	use_arena(s, 0);
	use_arena(s, QUARRY_DATA);
	use_shared(s);
	use_ring(s, 0);
	use_ring(s, QUARRY_DATA);
	use_bulk(s);
	use_rcu(s);
	drop_each(s, 3);
	quarry_heap_trim(s->heap);
	use_sizes(s, GFP_NOWAIT);
	use_caches(s, 3, GFP_NOWAIT);
}

static void check_heap(struct scenario *s)
{
	if (quarry_heap_verify(s->heap))
		complain(s, "quarry_heap_verify()", 0);
	if (quarry_test_stats(s->heap).allocated)
		complain(s, "bytes still allocated", quarry_test_stats(s->heap).allocated);
}

/* One round; the injector has been armed. */
static void play(struct scenario *s)
{
	struct quarry_heap_params params = {
		.name = "scenario",
		.reserve = 100 << 10,		/* in extents of several sizes */
		.limit = 64 << 20,		/* never reached */
		.node = NUMA_NO_NODE,
	};
	unsigned int i;

	s->nr_pieces = 0;
	s->nr_failed = 0;
	s->heap = quarry_heap_create(&params);
	if (IS_ERR_OR_NULL(s->heap)) {
		if (PTR_ERR(s->heap) != -ENOMEM)
			complain(s, "heap_create", PTR_ERR(s->heap));
		s->nr_failed++;
		return;
	}
	use_heap(s);
	drop_each(s, 1);
	check_heap(s);
	for (i = 0; i < NR_CACHES; i++)
		quarry_cache_destroy(s->caches[i]);
	check_heap(s);
	quarry_heap_destroy(s->heap);
}

/* One round with what is to be the same afterwards; false ends the walk. */
static bool round_is_clean(struct scenario *s, const char *walk, unsigned long n)
{
	unsigned long reports = quarry_report_count();
	long held = quarry_pages_held();

	play(s);
	if (quarry_report_count() != reports)
		complain(s, "reports of the allocator", quarry_report_count() - reports);
	if (quarry_pages_held() != held)
		complain(s, "pages not given back", quarry_pages_held() - held);
	if (!quarry_fault_test_nr_injected() && s->nr_failed)
		complain(s, "steps failed without a cause", s->nr_failed);
	if (s->wrong)
		KUNIT_FAIL(s->test, "%s, round %lu: %s (%ld)", walk, n, s->wrong, s->where);
	return !s->wrong;
}

/* === Walks === */

static struct scenario *new_scenario(struct kunit *test)
{
	struct scenario *s = quarry_test_array(test, 1, sizeof(*s));

	s->test = test;
	quarry_test_seed(test, &s->rnd);
	return s;
}

/*
 * Let @nr attempts at @point fail from the n-th on, for n = 1, 2, ... to the end,
 * or in random steps of @step on average.  The number of rounds in which something
 * was injected.
 */
static unsigned long walk(struct scenario *s, const char *name, enum quarry_fault_point point,
			  unsigned long nr, unsigned int step)
{
	unsigned long n, rounds = 0;

	s->nr_lost = 0;
	for (n = 1; n <= MOST_ATTEMPTS; n += 1 + quarry_test_below(&s->rnd, 2 * step - 1)) {
		quarry_fault_test_arm(point, n, nr);
		if (!round_is_clean(s, name, n) || !quarry_fault_test_nr_injected())
			break;
		rounds++;
		s->nr_lost += s->nr_failed;
		cond_resched();
	}
	if (n > MOST_ATTEMPTS)
		KUNIT_FAIL(s->test, "%s: no end after %lu attempts", name, n);
	kunit_info(s->test, "%s: %lu rounds up to attempt %lu, %lu steps failed in them\n", name,
		   rounds, n - 1, s->nr_lost);
	return rounds;
}

static void count_attempts(struct kunit *test)
{
	struct scenario *s = new_scenario(test);
	unsigned int point;

	quarry_fault_test_arm(QUARRY_FAULT_ANY, 0, 0);
	round_is_clean(s, "counting", 0);
	KUNIT_EXPECT_EQ(test, quarry_fault_test_nr_injected(), 0UL);
	KUNIT_EXPECT_GE(test, quarry_fault_test_nr_attempts(QUARRY_FAULT_ANY),
			LEAST_ATTEMPTS);
	for (point = 0; point < QUARRY_FAULT_NR_POINTS; point++) {
		kunit_info(test, "%s: %lu attempts\n", quarry_fault_point_name(point),
			   quarry_fault_test_nr_attempts(point));
		KUNIT_EXPECT_GT_MSG(test, quarry_fault_test_nr_attempts(point), 0UL,
				    "%s is never reached", quarry_fault_point_name(point));
	}
}

static void each_attempt_fails(struct kunit *test)
{
	struct scenario *s = new_scenario(test);

	KUNIT_EXPECT_GE(test, walk(s, "one", QUARRY_FAULT_ANY, 1, STEP), LEAST_ATTEMPTS / STEP / 2);
}

static void two_attempts_fail(struct kunit *test)
{
	struct scenario *s = new_scenario(test);

	KUNIT_EXPECT_GE(test, walk(s, "two", QUARRY_FAULT_ANY, 2, 2 * STEP - 1),
			LEAST_ATTEMPTS / STEP / 4);
}

/* Longer than all the sizes an extent is tried in, twice: the page heap gives up. */
static void thirty_attempts_fail(struct kunit *test)
{
	struct scenario *s = new_scenario(test);

	KUNIT_EXPECT_GE(test, walk(s, "thirty", QUARRY_FAULT_ANY, 30, 2 * STEP - 1),
			LEAST_ATTEMPTS / STEP / 4);
}

/* From somewhere on there is nothing of one kind; magazines only make it faster. */
static void each_point_dries_up(struct kunit *test)
{
	struct scenario *s = new_scenario(test);
	unsigned int point;
	const char *name;

	for (point = 0; point < QUARRY_FAULT_NR_POINTS; point++) {
		name = quarry_fault_point_name(point);
		KUNIT_EXPECT_GE_MSG(test, walk(s, name, point, FOREVER, 2 * STEP - 1), 1UL,
				    "%s", name);
		if (point == QUARRY_FAULT_MAGAZINE || point == QUARRY_FAULT_FRONT)
			KUNIT_EXPECT_EQ_MSG(test, s->nr_lost, 0UL, "memory without a %s", name);
		else
			KUNIT_EXPECT_GT_MSG(test, s->nr_lost, 0UL, "%s does not matter", name);
	}
}

static void random_attempts_fail(struct kunit *test)
{
	static const unsigned int percents[] = { 1, 5, 20, 50, 90, 100 };
	struct scenario *s = new_scenario(test);
	const unsigned int nr = QUARRY_TEST_LOOPS(16);
	unsigned long nr_injected = 0;
	unsigned int i;

	for (i = 0; i < nr * ARRAY_SIZE(percents); i++) {
		quarry_fault_test_arm_random(percents[i / nr], prandom_u32_state(&s->rnd));
		if (!round_is_clean(s, "random", i))
			return;
		nr_injected += quarry_fault_test_nr_injected();
	}
	KUNIT_EXPECT_GT(test, nr_injected, 10UL * nr);
	kunit_info(test, "%lu injected\n", nr_injected);
}

/* === On a caller's own backing === */

#define BACKING_PAGES	1000UL

static void free_backing(void *addr)
{
	free_pages_exact(addr, BACKING_PAGES << PAGE_SHIFT);
}

static void *make_backing(struct kunit *test)
{
	void *addr = alloc_pages_exact(BACKING_PAGES << PAGE_SHIFT, GFP_KERNEL | __GFP_NOWARN);
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL_MSG(test, addr, "no pages for the test itself");
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_backing, addr), 0);
	for (i = 0; i < BACKING_PAGES; i++)
		set_page_private(virt_to_page(addr) + i, 0);
	return addr;
}

/* Small and large, and a count that only an extent of its own can hold. */
static void use_backing(struct scenario *s)
{
	static const unsigned long counts[] = { 1, 3, 16, 600 };
	unsigned int i;

	use_sizes(s, GFP_KERNEL);
	drop_each(s, 1);
	quarry_heap_trim(s->heap);
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		keep(s, quarry_alloc_pages_exact(s->heap, counts[i], GFP_KERNEL),
		     counts[i] * PAGE_SIZE, NULL);
	drop_each(s, 1);
	keep(s, quarry_alloc_pages_aligned(s->heap, 5, 7, GFP_NOWAIT), 5 * PAGE_SIZE, NULL);
	drop_each(s, 1);
}

static void play_on_backing(struct scenario *s, void *backing)
{
	struct quarry_heap_params params = {
		QUARRY_HEAP_DEFAULTS,
		.name = "scenario",
		.reserve = 100 << 10,
		.backing = backing,
		.backing_size = BACKING_PAGES << PAGE_SHIFT,
	};

	s->nr_pieces = 0;
	s->nr_failed = 0;
	s->heap = quarry_heap_create(&params);
	if (IS_ERR_OR_NULL(s->heap)) {
		if (PTR_ERR(s->heap) != -ENOMEM)
			complain(s, "heap_create", PTR_ERR(s->heap));
		s->nr_failed++;
		return;
	}
	use_backing(s);
	check_heap(s);
	quarry_heap_destroy(s->heap);
}

/* Whatever failed, the pages come back as they were lent. */
static void each_attempt_fails_on_backing(struct kunit *test)
{
	struct scenario *s = new_scenario(test);
	void *backing = make_backing(test);
	struct page *page = virt_to_page(backing);
	unsigned long n, i, reports;
	long held;

	for (n = 1; n <= MOST_ATTEMPTS && !s->wrong; n += 1 + quarry_test_below(&s->rnd, STEP)) {
		reports = quarry_report_count();
		held = quarry_pages_held();
		quarry_fault_test_arm(QUARRY_FAULT_ANY, n, 1);
		play_on_backing(s, backing);
		if (quarry_report_count() != reports)
			complain(s, "reports of the allocator", quarry_report_count() - reports);
		if (quarry_pages_held() != held)
			complain(s, "pages not given back", quarry_pages_held() - held);
		for (i = 0; i < BACKING_PAGES; i++)
			if (page_ref_count(page + i) != 1 || page_private(page + i))
				complain(s, "page that came back changed", i);
		if (!quarry_fault_test_nr_injected())
			break;
		s->nr_lost += s->nr_failed;
	}
	if (!s->wrong && s->nr_failed)
		complain(s, "steps failed without a cause", s->nr_failed);
	if (s->wrong)
		KUNIT_FAIL(test, "round %lu: %s (%ld)", n, s->wrong, s->where);
	KUNIT_EXPECT_GT_MSG(test, s->nr_lost, 0UL, "no step failed");
	KUNIT_EXPECT_GT(test, n, 50UL);
	kunit_info(test, "up to attempt %lu, %lu steps failed\n", n - 1, s->nr_lost);
}

/* === The injector === */

/* What quarry_fault() does, whose key is the module's own. */
static bool asks(enum quarry_fault_point point, size_t size)
{
	return quarry_fault_is_on() && quarry_fault_decide(point, size);
}

/* What a sequence of @nr questions of @size bytes is answered: bit i for the i-th. */
static u64 answers(enum quarry_fault_point point, size_t size, unsigned int nr)
{
	unsigned int i;
	u64 bits = 0;

	for (i = 0; i < nr; i++)
		if (asks(point, size))
			bits |= BIT_ULL(i);
	return bits;
}

static void armed_attempts_fail(struct kunit *test)
{
	u64 once, again;

	KUNIT_EXPECT_EQ(test, answers(QUARRY_FAULT_CHUNK, 1, 10), 0ULL);
	KUNIT_EXPECT_EQ(test, quarry_fault_test_nr_attempts(QUARRY_FAULT_CHUNK), 10UL);
	quarry_fault_test_arm(QUARRY_FAULT_ANY, 3, 2);
	KUNIT_EXPECT_EQ(test, answers(QUARRY_FAULT_CHUNK, 1, 10), 0b1100ULL);
	KUNIT_EXPECT_EQ(test, quarry_fault_test_nr_injected(), 2UL);
	quarry_fault_test_arm(QUARRY_FAULT_CHUNK, 2, FOREVER);
	KUNIT_EXPECT_EQ_MSG(test, answers(QUARRY_FAULT_HEAP, 1, 10), 0ULL, "another point");
	KUNIT_EXPECT_EQ(test, answers(QUARRY_FAULT_CHUNK, 1, 4), 0b1110ULL);
	KUNIT_EXPECT_EQ(test, quarry_fault_test_nr_attempts(QUARRY_FAULT_ANY), 14UL);
	quarry_fault_test_arm_random(50, 1);
	once = answers(QUARRY_FAULT_CHUNK, 1, 64);
	quarry_fault_test_arm_random(50, 1);
	again = answers(QUARRY_FAULT_CHUNK, 1, 64);
	KUNIT_EXPECT_EQ_MSG(test, once, again, "the same seed");
	KUNIT_EXPECT_GT(test, hweight64(once), 10U);
	KUNIT_EXPECT_LT(test, hweight64(once), 54U);
	KUNIT_EXPECT_EQ_MSG(test, quarry_fault_test_begin(), -EBUSY, "one test at a time");
}

static void other_worker(struct quarry_test_worker *worker)
{
	struct quarry_heap *heap = worker->arg;
	unsigned int i;
	void *ptr;

	for (i = 0; i < 100; i++) {
		ptr = quarry_alloc(heap, 8 + 100 * i, GFP_KERNEL);
		if (!ptr)
			quarry_test_worker_fail(worker, "allocation", i);
		quarry_free(ptr);
	}
}

static void other_tasks_are_spared(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_worker worker;
	void *ptr;

	quarry_fault_test_arm(QUARRY_FAULT_ANY, 1, FOREVER);
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&worker, 0, quarry_test_cpu(0), 1,
						       other_worker, heap), 0);
	quarry_test_worker_stop(test, &worker);
	KUNIT_EXPECT_EQ(test, quarry_fault_test_nr_attempts(QUARRY_FAULT_ANY), 0UL);
	ptr = quarry_alloc(heap, 30000, GFP_KERNEL);
	KUNIT_EXPECT_NULL_MSG(test, ptr, "but this one is not");
	quarry_free(ptr);
	KUNIT_EXPECT_GT(test, quarry_fault_test_nr_injected(), 0UL);
}

/* === Knobs === */

#define SET(test, knob, text)								\
	KUNIT_EXPECT_EQ(test, quarry_fault_set(QUARRY_FAULT_CHUNK, QUARRY_FAULT_##knob, text), 0)
#define GET(knob)	quarry_fault_get(QUARRY_FAULT_CHUNK, QUARRY_FAULT_##knob)

static void reset_knobs(void *unused)
{
	unsigned int point;

	for (point = 0; point < QUARRY_FAULT_NR_POINTS; point++) {
		quarry_fault_set(point, QUARRY_FAULT_PROBABILITY, "0");
		quarry_fault_set(point, QUARRY_FAULT_INTERVAL, "1");
		quarry_fault_set(point, QUARRY_FAULT_TIMES, "1");
		quarry_fault_set(point, QUARRY_FAULT_SPACE, "0");
		quarry_fault_set(point, QUARRY_FAULT_VERBOSE, "2");
	}
}

/* From here on the case's own task goes by the knobs, too. */
static void use_knobs(struct kunit *test)
{
	quarry_fault_test_end();
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, reset_knobs, NULL), 0);
	SET(test, VERBOSE, "0");
}

/* In hardirq; what two points say. */
struct asker {
	struct irq_work work;
	bool chunk, heap;
};

static void ask(struct irq_work *work)
{
	struct asker *asker = container_of(work, struct asker, work);

	asker->chunk = asks(QUARRY_FAULT_CHUNK, 1);
	asker->heap = asks(QUARRY_FAULT_HEAP, 1);
}

/* This task's test is not theirs, the knobs are. */
static void interrupts_go_by_the_knobs(struct kunit *test)
{
	struct asker *asker = quarry_test_array(test, 1, sizeof(*asker));

	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, reset_knobs, NULL), 0);
	SET(test, VERBOSE, "1");
	SET(test, PROBABILITY, "100");
	quarry_fault_test_arm(QUARRY_FAULT_HEAP, 1, FOREVER);
	asker->work = IRQ_WORK_INIT_HARD(ask);
	irq_work_queue(&asker->work);
	irq_work_sync(&asker->work);
	KUNIT_EXPECT_TRUE(test, asker->chunk);
	KUNIT_EXPECT_FALSE(test, asker->heap);
	KUNIT_EXPECT_EQ(test, quarry_fault_test_nr_attempts(QUARRY_FAULT_ANY), 0UL);
	KUNIT_EXPECT_TRUE(test, asks(QUARRY_FAULT_HEAP, 1));
}

static void knobs_have_defaults(struct kunit *test)
{
	quarry_fault_test_end();
	KUNIT_EXPECT_EQ(test, GET(PROBABILITY), 0L);
	KUNIT_EXPECT_EQ(test, GET(INTERVAL), 1L);
	KUNIT_EXPECT_EQ(test, GET(TIMES), 1L);
	KUNIT_EXPECT_EQ(test, GET(SPACE), 0L);
	KUNIT_EXPECT_EQ(test, GET(VERBOSE), 2L);
	KUNIT_EXPECT_FALSE_MSG(test, quarry_fault_is_on(), "costs nothing");
}

static void bad_values_are_refused(struct kunit *test)
{
	static const char * const bad[QUARRY_FAULT_NR_KNOBS][2] = {
		[QUARRY_FAULT_PROBABILITY] = { "-1", "101" },
		[QUARRY_FAULT_INTERVAL] = { "0", "2147483648" },
		[QUARRY_FAULT_TIMES] = { "-2", "2147483648" },
		[QUARRY_FAULT_SPACE] = { "-1", "2147483648" },
		[QUARRY_FAULT_VERBOSE] = { "-1", "3" },
	};
	static const char * const no_numbers[] = {
		"", "\n", "x", "1x", "1 2", "1\n\n", "99999999999999999999",
		"-99999999999999999999",
	};
	const enum quarry_fault_point point = QUARRY_FAULT_CHUNK;
	unsigned int knob, i;
	const char *text;
	long before;
	int ret;

	use_knobs(test);
	for (knob = 0; knob < QUARRY_FAULT_NR_KNOBS; knob++) {
		before = quarry_fault_get(point, knob);
		for (i = 0; i < 2 + ARRAY_SIZE(no_numbers); i++) {
			text = i < 2 ? bad[knob][i] : no_numbers[i - 2];
			QUARRY_EXPECT_REPORTS(test, 1,
					      ret = quarry_fault_set(point, knob, text));
			KUNIT_EXPECT_EQ_MSG(test, ret, -EINVAL, "knob %u, '%s'", knob, text);
			KUNIT_EXPECT_EQ(test, quarry_fault_get(point, knob), before);
		}
	}
	KUNIT_EXPECT_FALSE(test, quarry_fault_is_on());
}

static void times_and_interval(struct kunit *test)
{
	use_knobs(test);
	SET(test, PROBABILITY, "100\n");
	KUNIT_EXPECT_TRUE(test, quarry_fault_is_on());
	KUNIT_EXPECT_EQ_MSG(test, answers(QUARRY_FAULT_CHUNK, 1, 10), 1ULL, "once by default");
	KUNIT_EXPECT_EQ(test, GET(TIMES), 0L);
	SET(test, TIMES, "0x3");
	KUNIT_EXPECT_EQ(test, answers(QUARRY_FAULT_CHUNK, 1, 10), 0b111ULL);
	SET(test, TIMES, "-1");
	KUNIT_EXPECT_EQ(test, answers(QUARRY_FAULT_CHUNK, 1, 10), 0b1111111111ULL);
	KUNIT_EXPECT_EQ(test, GET(TIMES), -1L);
	KUNIT_EXPECT_EQ_MSG(test, answers(QUARRY_FAULT_HEAP, 1, 10), 0ULL, "another point");
	SET(test, INTERVAL, "3");
	KUNIT_EXPECT_EQ(test, answers(QUARRY_FAULT_CHUNK, 1, 9), 0b100100100ULL);
	SET(test, PROBABILITY, "0");
	KUNIT_EXPECT_EQ(test, answers(QUARRY_FAULT_CHUNK, 1, 10), 0ULL);
	KUNIT_EXPECT_FALSE(test, quarry_fault_is_on());
}

static void space_and_probability(struct kunit *test)
{
	unsigned int nr;

	use_knobs(test);
	SET(test, TIMES, "-1");
	SET(test, SPACE, "350");
	SET(test, PROBABILITY, "100");
	/* 350, 250, 150, 50: the fourth is more than what is left, as in the kernel. */
	KUNIT_EXPECT_EQ(test, answers(QUARRY_FAULT_CHUNK, 100, 6), 0b111000ULL);
	SET(test, SPACE, "0");
	SET(test, PROBABILITY, "50");
	nr = hweight64(answers(QUARRY_FAULT_CHUNK, 1, 64));
	KUNIT_EXPECT_GT_MSG(test, nr, 8U, "of 64");
	KUNIT_EXPECT_LT_MSG(test, nr, 56U, "of 64");
}

/* A knob reaches what stands behind it. */
static void chunks_fail_by_knob(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena;

	use_knobs(test);
	SET(test, PROBABILITY, "100");
	arena = quarry_arena_create(heap, NULL, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, arena, ERR_PTR(-ENOMEM));
	quarry_arena_destroy(arena);
	arena = quarry_arena_create(heap, NULL, GFP_KERNEL);
	KUNIT_EXPECT_FALSE_MSG(test, IS_ERR_OR_NULL(arena), "times was 1");
	quarry_arena_destroy(arena);
}

/* === Suite === */

static int fault_init(struct kunit *test)
{
	return quarry_test_init(test) ?: quarry_fault_test_begin();
}

static void fault_exit(struct kunit *test)
{
	quarry_fault_test_end();
	quarry_test_exit(test);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(armed_attempts_fail),
	KUNIT_CASE(other_tasks_are_spared),
	KUNIT_CASE(interrupts_go_by_the_knobs),
	KUNIT_CASE(knobs_have_defaults),
	KUNIT_CASE(bad_values_are_refused),
	KUNIT_CASE(times_and_interval),
	KUNIT_CASE(space_and_probability),
	KUNIT_CASE(chunks_fail_by_knob),
	KUNIT_CASE(count_attempts),
	KUNIT_CASE_SLOW(each_attempt_fails),
	KUNIT_CASE_SLOW(each_attempt_fails_on_backing),
	KUNIT_CASE_SLOW(two_attempts_fail),
	KUNIT_CASE_SLOW(thirty_attempts_fail),
	KUNIT_CASE_SLOW(each_point_dries_up),
	KUNIT_CASE_SLOW(random_attempts_fail),
	{}
};

struct kunit_suite quarry_fault_suite = {
	.name = "quarry_fault",
	.init = fault_init,
	.exit = fault_exit,
	.test_cases = fault_cases,
};
