// SPDX-License-Identifier: GPL-2.0
/*
 * Giving back: the decay curve, holes in extents that are partly in use, the
 * reserve, half-lives of nothing and for ever.
 */
#include <linux/mutex.h>
#include <linux/delay.h>
#include <linux/mm.h>

#include "../src/knobs.h"
#include "../src/heap.h"
#include "../src/reclaim.h"
#include "helpers.h"

#define NR_PAGES	2048U

struct pages {
	void *addr[NR_PAGES];
};

static struct pages *alloc_all(struct kunit *test, struct quarry_heap *heap)
{
	struct pages *p = quarry_test_array(test, 1, sizeof(*p));
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++) {
		p->addr[i] = quarry_alloc_pages(heap, 0, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p->addr[i]);
		quarry_test_fill(p->addr[i], PAGE_SIZE, i);
	}
	return p;
}

static void free_one(struct pages *p, unsigned int i)
{
	quarry_free_pages(p->addr[i]);
	p->addr[i] = NULL;
}

static void free_all(struct pages *p)
{
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++)
		free_one(p, i);
}

/* Frees each page but about one in ten; returns how many are left. */
static unsigned int free_most(struct kunit *test, struct pages *p)
{
	unsigned int i, left = NR_PAGES;
	struct rnd_state rnd;

	quarry_test_seed(test, &rnd);
	for (i = 0; i < NR_PAGES; i++) {
		if (!quarry_test_below(&rnd, 10))
			continue;
		free_one(p, i);
		left--;
	}
	return left;
}

static void expect_intact(struct kunit *test, const struct pages *p)
{
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++)
		if (p->addr[i])
			KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(p->addr[i], PAGE_SIZE, i),
					      "page %u of %u", i, NR_PAGES);
}

static void trim_leaves_holes(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct pages *p = alloc_all(test, heap);
	unsigned int left = free_most(test, p);

	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(heap).mapped, (u64)left << PAGE_SHIFT,
			    "only the pages in use are left");
	expect_intact(test, p);
	QUARRY_EXPECT_VERIFIED(test, heap);
	free_all(p);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, 0ULL);
}

/* What was given back is not ours any more, what was not still is. */
static void holes_are_not_ours(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct pages *p = alloc_all(test, heap);
	void *gone = p->addr[NR_PAGES / 2], *kept = p->addr[NR_PAGES / 2 + 1];
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++)
		if (p->addr[i] != kept)
			free_one(p, i);
	KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(gone), heap);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_NULL(test, quarry_heap_of(gone));
	KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(kept), heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, (u64)PAGE_SIZE);
	quarry_free_pages(kept);
}

/* Holes are made, filled up elsewhere, and made again. */
static void holes_over_and_over(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int round, i;

	for (round = 0; round < 5; round++) {
		struct pages *p = alloc_all(test, heap);

		free_most(test, p);
		quarry_heap_trim(heap);
		for (i = 0; i < NR_PAGES; i++) {
			if (p->addr[i])
				continue;
			p->addr[i] = quarry_alloc_pages(heap, 0, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p->addr[i]);
			quarry_test_fill(p->addr[i], PAGE_SIZE, i);
		}
		expect_intact(test, p);
		QUARRY_EXPECT_VERIFIED(test, heap);
		free_all(p);
	}
}

/* An extent with holes that is wholly free may serve the other kind: each is booked right. */
static void holes_change_their_kind(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	const struct quarry_site *site = QUARRY_SITE();
	void *run = quarry_alloc_pages(heap, 9, GFP_KERNEL);
	u64 extents;

	KUNIT_ASSERT_NOT_NULL(test, run);
	extents = quarry_test_stats(heap).nr_extent_allocs;
	quarry_free_pages(run);
	run = quarry_alloc_pages_exact(heap, 5, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 5ULL << PAGE_SHIFT);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_free_pages(run);
	QUARRY_EXPECT_VERIFIED(test, heap);

	run = quarry_alloc_pages_site(heap, 4, GFP_KERNEL, QUARRY_KIND_DATA, site);
	KUNIT_ASSERT_NOT_NULL(test, run);
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(heap).nr_extent_allocs, extents,
			    "these are pages of the extent with the holes");
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_free_pages(run);
	quarry_heap_trim(heap);
	QUARRY_EXPECT_VERIFIED(test, heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

static void trim_keeps_the_reserve(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .reserve = SZ_1M + SZ_4K };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct pages *p = alloc_all(test, heap);

	free_all(p);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, params.reserve);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void decay_halves(struct kunit *test)
{
	static const u32 half_lives[] = { 1, 80, 10000, 3600000 };
	const u64 nr = 1000, whole = nr << 10;
	u64 t, got, last;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(half_lives); i++) {
		u64 h = half_lives[i];

		KUNIT_EXPECT_EQ(test, quarry_decay_amount(nr, 0, h), 0ULL);
		KUNIT_EXPECT_EQ(test, quarry_decay_amount(nr, h, h), whole / 2);
		KUNIT_EXPECT_EQ(test, quarry_decay_amount(nr, 2 * h, h), whole * 3 / 4);
		KUNIT_EXPECT_EQ(test, quarry_decay_amount(nr, 100 * h, h), whole);
		last = 0;
		for (t = 0; t <= 4 * h; t += max(h / 50, 1ULL)) {
			got = quarry_decay_amount(nr, t, h);
			KUNIT_EXPECT_GE_MSG(test, got, last, "after %llu of %llu ms", t, h);
			last = got;
		}
	}
	/* 1 - 2^(-1/8) = 0.08300 of 1024000 */
	KUNIT_EXPECT_LT(test, abs((s64)quarry_decay_amount(nr, 1250, 10000) - 84989), 100LL);
}

/* Several ticks come to the same as one long one. */
static void decay_composes(struct kunit *test)
{
	u64 left = 100000, once;
	unsigned int tick;

	once = left - (quarry_decay_amount(left, 3000, 2000) >> 10);
	for (tick = 0; tick < 12; tick++)
		left -= quarry_decay_amount(left, 250, 2000) >> 10;
	KUNIT_EXPECT_LT_MSG(test, abs((s64)(left - once)), 100LL, "%llu, at once %llu", left, once);
}

static struct quarry_heap *heap_with_decay(struct kunit *test, int decay_ms)
{
	struct quarry_heap_params params = { .node = NUMA_NO_NODE, .decay_ms = decay_ms };

	return quarry_test_heap_params(test, params);
}

/* Free in the page heap, not in a magazine. */
static void use_and_free(struct kunit *test, struct quarry_heap *heap)
{
	void *run = quarry_alloc_pages(heap, 9, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, run);
	KUNIT_EXPECT_GE(test, quarry_test_stats(heap).mapped, 2ULL << 20);
	quarry_free_pages(run);
}

static u64 mapped_after(struct quarry_heap *heap, unsigned int ms)
{
	while (ms && quarry_test_stats(heap).mapped) {
		msleep(20);
		ms -= min(ms, 20U);
	}
	return quarry_test_stats(heap).mapped;
}

static void decay_at_once(struct kunit *test)
{
	struct quarry_heap *heap = heap_with_decay(test, 0);

	use_and_free(test, heap);
	KUNIT_EXPECT_EQ(test, mapped_after(heap, 10000), 0ULL);
}

static void decay_in_time(struct kunit *test)
{
	struct quarry_heap *heap = heap_with_decay(test, 40);

	use_and_free(test, heap);
	KUNIT_EXPECT_EQ(test, mapped_after(heap, 20000), 0ULL);
}

/*
 * With a clock that the case sets: half of what was idle goes with each half-life,
 * nothing as long as no time passes, and what is in use between two ticks stays.
 */
static void decay_by_a_fake_clock(struct kunit *test)
{
	/* Real ticks come every seven and a half minutes. */
	struct quarry_heap *heap = heap_with_decay(test, QUARRY_DECAY_MAX);
	struct quarry_reclaim *r = &to_priv(heap)->reclaim;
	unsigned long half = msecs_to_jiffies(QUARRY_DECAY_MAX), now = jiffies;
	void *most = quarry_alloc_pages_exact(heap, 500, GFP_KERNEL), *rest, *run;
	unsigned long nr_free;
	unsigned int i;

	/* In use, so that the extent goes page by page and not as one. */
	rest = quarry_alloc_pages_exact(heap, 5, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, most);
	KUNIT_ASSERT_NOT_NULL(test, rest);
	KUNIT_ASSERT_EQ(test, quarry_test_stats(heap).mapped, (u64)SZ_2M);
	quarry_free_pages(most);
	/* Idle from here on. */
	quarry_reclaim_tick(r, now);
	quarry_reclaim_tick(r, now);
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(heap).mapped, (u64)SZ_2M, "no time has passed");
	for (i = 1; i <= 6; i++) {
		now += half;
		quarry_reclaim_tick(r, now);
		nr_free = (quarry_test_stats(heap).mapped >> PAGE_SHIFT) - 5;
		KUNIT_EXPECT_LE_MSG(test, nr_free, (507UL >> i) + 1, "after %u half-lives", i);
		KUNIT_EXPECT_GE_MSG(test, nr_free + 1, 507UL >> i, "after %u half-lives", i);
	}
	/* What was taken at any moment since the last tick was not idle. */
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 5ULL * PAGE_SIZE);
	run = quarry_alloc_pages_exact(heap, 500, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run);
	quarry_reclaim_tick(r, now);
	quarry_free_pages(run);
	now += half;
	quarry_reclaim_tick(r, now);
	KUNIT_EXPECT_GE_MSG(test, quarry_test_stats(heap).mapped, 500ULL * PAGE_SIZE,
			    "in use at the last tick");
	now += 30 * half;
	quarry_reclaim_tick(r, now);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 5ULL * PAGE_SIZE);
	quarry_free_pages(rest);
}

static void decay_never(struct kunit *test)
{
	struct quarry_heap *heap = heap_with_decay(test, -1);

	use_and_free(test, heap);
	KUNIT_EXPECT_GE(test, mapped_after(heap, 300), 2ULL << 20);
}

static void decay_out_of_range(struct kunit *test)
{
	static const int bad[] = { -2, QUARRY_DECAY_MAX + 1, INT_MIN, INT_MAX };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct quarry_heap_params params = {
			.name = quarry_test_name(test),
			.node = NUMA_NO_NODE,
			.decay_ms = bad[i],
		};
		struct quarry_heap *heap = NULL;

		QUARRY_EXPECT_REPORTS(test, 1, heap = quarry_heap_create(&params));
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(heap), -EINVAL, "decay_ms %d", bad[i]);
	}
}

/* === Soft limit === */

struct hoard {
	struct quarry_reclaimer reclaimer;
	void **runs;			/* the first nr under mutex: asked while it fills */
	unsigned int nr;
	unsigned int nr_asked;
	unsigned int *order;		/* counts calls of all hoards */
	unsigned int first_call;
};

static DEFINE_MUTEX(hoard_mutex);

static u64 give_hoard(struct quarry_reclaimer *reclaimer, u64 bytes)
{
	struct hoard *hoard = container_of(reclaimer, struct hoard, reclaimer);
	u64 given = 0;

	if (!hoard->nr_asked++)
		hoard->first_call = ++*hoard->order;
	mutex_lock(&hoard_mutex);
	while (hoard->nr && given < bytes) {
		quarry_free_pages(hoard->runs[--hoard->nr]);
		given += SZ_64K;
	}
	mutex_unlock(&hoard_mutex);
	return given;
}

static void fill_hoard(struct kunit *test, struct quarry_heap *heap, struct hoard *hoard,
		       unsigned int nr)
{
	void *run;

	hoard->runs = quarry_test_array(test, nr, sizeof(*hoard->runs));
	while (nr--) {
		run = quarry_alloc_pages(heap, 4, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, run);
		mutex_lock(&hoard_mutex);
		hoard->runs[hoard->nr++] = run;
		mutex_unlock(&hoard_mutex);
	}
}

static void wait_below(struct quarry_heap *heap, u64 bytes)
{
	unsigned int tries = 500;

	while (tries-- && quarry_test_stats(heap).mapped > bytes)
		msleep(20);
}

/* The more important one is asked first and gives all; then the heap is below its limit. */
static void soft_limit_asks(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .soft_limit = SZ_2M };
	struct quarry_heap *heap;
	unsigned int order = 0;
	struct hoard low = {
		.reclaimer = { .name = "low", .priority = 1, .reclaim = give_hoard },
		.order = &order,
	};
	struct hoard high = {
		.reclaimer = { .name = "high", .priority = 2, .reclaim = give_hoard },
		.order = &order,
	};

	params.decay_ms = -1;
	heap = quarry_test_heap_params(test, params);
	KUNIT_ASSERT_EQ(test, quarry_heap_add_reclaimer(heap, &low.reclaimer), 0);
	KUNIT_ASSERT_EQ(test, quarry_heap_add_reclaimer(heap, &high.reclaimer), 0);
	fill_hoard(test, heap, &low, 16);
	KUNIT_EXPECT_EQ_MSG(test, low.nr_asked, 0U, "1 MiB is below the limit");
	fill_hoard(test, heap, &high, 64);
	wait_below(heap, SZ_2M);
	quarry_heap_remove_reclaimer(heap, &high.reclaimer);
	quarry_heap_remove_reclaimer(heap, &low.reclaimer);
	KUNIT_EXPECT_LE(test, quarry_test_stats(heap).mapped, (u64)SZ_2M);
	KUNIT_EXPECT_GT(test, quarry_test_stats(heap).reclaimed, 0ULL);
	KUNIT_EXPECT_EQ_MSG(test, high.first_call, 1U, "the higher priority comes first");
	KUNIT_EXPECT_LT(test, high.nr, 64U);
	while (high.nr)
		quarry_free_pages(high.runs[--high.nr]);
	while (low.nr)
		quarry_free_pages(low.runs[--low.nr]);
}

static u64 give_nothing(struct quarry_reclaimer *reclaimer, u64 bytes)
{
	return 0;
}

/* A live set above the limit: everything still works, and nobody spins over it. */
static void soft_limit_is_soft(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .soft_limit = SZ_64K };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_reclaimer stubborn = { .name = "stubborn", .reclaim = give_nothing };
	struct hoard hoard = {};
	u64 calls;

	KUNIT_ASSERT_EQ(test, quarry_heap_add_reclaimer(heap, &stubborn), 0);
	fill_hoard(test, heap, &hoard, 64);
	KUNIT_EXPECT_GE(test, quarry_test_stats(heap).mapped, 64ULL * SZ_64K);
	msleep(300);
	calls = stubborn.nr_calls;
	KUNIT_EXPECT_GT(test, calls, 0ULL);
	msleep(1000);
	KUNIT_EXPECT_LE_MSG(test, stubborn.nr_calls, calls + 1, "nothing has grown since");
	quarry_heap_remove_reclaimer(heap, &stubborn);
	while (hoard.nr)
		quarry_free_pages(hoard.runs[--hoard.nr]);
}

static void reclaimer_is_checked(struct kunit *test)
{
	struct quarry_reclaimer nameless = { .reclaim = give_nothing }, idle = { .name = "idle" };
	struct quarry_heap *heap = quarry_test_heap(test);
	int ret = 0;

	QUARRY_EXPECT_REPORTS(test, 1, ret = quarry_heap_add_reclaimer(heap, &nameless));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	QUARRY_EXPECT_REPORTS(test, 1, ret = quarry_heap_add_reclaimer(heap, &idle));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
}

static struct kunit_case reclaim_cases[] = {
	KUNIT_CASE(soft_limit_asks),
	KUNIT_CASE(soft_limit_is_soft),
	KUNIT_CASE(reclaimer_is_checked),
	KUNIT_CASE(trim_leaves_holes),
	KUNIT_CASE(holes_are_not_ours),
	KUNIT_CASE(holes_over_and_over),
	KUNIT_CASE(holes_change_their_kind),
	KUNIT_CASE(trim_keeps_the_reserve),
	KUNIT_CASE(decay_halves),
	KUNIT_CASE(decay_composes),
	KUNIT_CASE(decay_at_once),
	KUNIT_CASE(decay_in_time),
	KUNIT_CASE(decay_by_a_fake_clock),
	KUNIT_CASE(decay_never),
	KUNIT_CASE(decay_out_of_range),
	{}
};

struct kunit_suite quarry_reclaim_suite = {
	.name = "quarry_reclaim",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = reclaim_cases,
};
