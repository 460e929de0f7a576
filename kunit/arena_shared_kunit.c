// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_arena_shared: shared arenas used by one, and each misuse.  Many at the
 * same time are in arena_shared_storm_kunit.c.
 */
#include <kunit/test-bug.h>
#include <linux/overflow.h>
#include <linux/preempt.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include "../src/arena.h"
#include "../src/fault.h"
#include "arena_shared_kunit.h"
#include "helpers.h"

static void shared_exit(void *arena)
{
	unsigned long before = quarry_report_count();

	quarry_arena_shared_destroy(arena);
	KUNIT_EXPECT_EQ_MSG(kunit_get_current_test(), quarry_report_count(), before,
			    "reports of destroying a shared arena");
}

struct quarry_arena_shared *quarry_test_shared(struct kunit *test, struct quarry_heap *heap,
					       const struct quarry_arena_params *params)
{
	struct quarry_arena_shared *arena = quarry_arena_shared_create(heap, params, GFP_KERNEL);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(arena), "no arena: %ld", PTR_ERR(arena));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, shared_exit, arena), 0);
	return arena;
}

void quarry_test_shared_done(struct kunit *test, struct quarry_arena_shared *arena)
{
	kunit_release_action(test, shared_exit, arena);
}

static struct quarry_arena_stats shared_stats(struct quarry_arena_shared *arena)
{
	struct quarry_arena_stats stats;

	quarry_arena_shared_get_stats(arena, &stats);
	return stats;
}

/* === Allocating === */

/* On one CPU small allocations follow each other in memory. */
static void bumps(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_shared *arena;
	char *first, *ptr[23];
	unsigned int i;

	/* A failed assertion ends the case here, and takes the CPU's pin with it. */
	migrate_disable();
	arena = quarry_arena_shared_create(heap, NULL, GFP_KERNEL);
	first = IS_ERR(arena) ? NULL : quarry_arena_shared_alloc(arena, 24, GFP_KERNEL);
	for (i = 1; first && i < 20; i++)
		ptr[i] = quarry_arena_shared_alloc(arena, 24, GFP_KERNEL);
	for (; first && i < 23; i++)
		ptr[i] = quarry_arena_shared_alloc_aligned(arena, 1, i < 22 ? 1 : 8, GFP_KERNEL);
	migrate_enable();
	KUNIT_ASSERT_NOT_NULL(test, first);
	for (i = 1; i < 20; i++)
		KUNIT_EXPECT_PTR_EQ_MSG(test, ptr[i], first + 24 * i, "number %u", i);
	KUNIT_EXPECT_PTR_EQ(test, ptr[20], first + 480);
	KUNIT_EXPECT_PTR_EQ_MSG(test, ptr[21], first + 481, "packed to the byte");
	KUNIT_EXPECT_PTR_EQ_MSG(test, ptr[22], first + 488, "aligned to 8 bytes");
	KUNIT_EXPECT_EQ(test, shared_stats(arena).nr_chunks, 1ULL);
	KUNIT_EXPECT_EQ(test, shared_stats(arena).used, 489ULL);
	KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(first), heap);
	quarry_arena_shared_destroy(arena);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void alignments(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_shared *arena = quarry_test_shared(test, heap, NULL);
	static const size_t sizes[] = { 3, 100, 5000, 70000 };
	unsigned int i, s;
	size_t align;
	void *ptr;

	for (i = 0; i < 20; i++) {
		for (align = 1; align <= PAGE_SIZE; align *= 2) {
			s = i % ARRAY_SIZE(sizes);
			ptr = quarry_arena_shared_alloc_aligned(arena, sizes[s], align, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL_MSG(test, ptr, "align %zu", align);
			KUNIT_EXPECT_TRUE_MSG(test, IS_ALIGNED((unsigned long)ptr, align),
					      "%p align %zu", ptr, align);
			memset(ptr, 0xff, sizes[s]);
		}
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* The chunks of one CPU double, up to the cap; each serves to its last byte but the tail. */
static void chunks_double(struct kunit *test)
{
	static const u32 caps[] = { SZ_4K, SZ_16K, 0, SZ_1M };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_params params = { .name = "doubling" };
	struct quarry_arena_shared *arena;
	unsigned int i, n, nr_wrong;
	u64 held, last, next;

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		params.chunk_max = caps[i];
		params.flags = i % 2 ? QUARRY_DATA : 0;
		migrate_disable();
		arena = quarry_arena_shared_create(heap, &params, GFP_KERNEL);
		nr_wrong = IS_ERR(arena);
		last = SZ_4K;
		next = min_t(u64, SZ_8K, caps[i] ?: SZ_32K);
		for (n = 0; !nr_wrong && n < QUARRY_TEST_LOOPS(40000); n++) {
			nr_wrong += !quarry_arena_shared_alloc(arena, 104, GFP_KERNEL);
			held = shared_stats(arena).held;
			if (held == last)
				continue;
			nr_wrong += held - last != next;
			next = min_t(u64, 2 * next, caps[i] ?: SZ_32K);
			last = held;
		}
		migrate_enable();
		KUNIT_EXPECT_EQ_MSG(test, nr_wrong, 0U, "cap %u, allocation %u", caps[i], n);
		if (IS_ERR(arena))
			return;
		held = shared_stats(arena).held;
		/* Of all chunks but the current one, which is no larger than the next. */
		KUNIT_EXPECT_GT_MSG(test, (shared_stats(arena).used + next) * 100, held * 90,
				    "of %llu", held);
		quarry_arena_shared_destroy(arena);
	}
}

static void big_allocations(struct kunit *test)
{
	static const size_t big[] = {
		SZ_8K - 16, SZ_8K - 15, SZ_8K, PAGE_SIZE, PAGE_SIZE + 1, SZ_64K - 16, SZ_64K,
		100000, SZ_1M + 1, 3000000, QUARRY_ARENA_MAX_ALLOC,
	};
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_shared *arena = quarry_test_shared(test, heap, NULL);
	void *small[ARRAY_SIZE(big)], *ptr[ARRAY_SIZE(big)];
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < ARRAY_SIZE(big); i++) {
		small[i] = quarry_arena_shared_alloc(arena, 40, GFP_KERNEL);
		ptr[i] = quarry_arena_shared_alloc(arena, big[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, small[i]);
		KUNIT_ASSERT_NOT_NULL_MSG(test, ptr[i], "%zu bytes", big[i]);
		quarry_test_fill(small[i], 40, 100 + i);
		quarry_test_fill(ptr[i], big[i], i);
		sum += 40 + big[i];
	}
	for (i = 0; i < ARRAY_SIZE(big); i++) {
		KUNIT_EXPECT_TRUE(test, quarry_test_check(small[i], 40, 100 + i));
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(ptr[i], big[i], i), "%zu bytes",
				      big[i]);
	}
	KUNIT_EXPECT_GE(test, shared_stats(arena).used, sum);
	KUNIT_EXPECT_LE(test, shared_stats(arena).used, sum + 8 * 2 * ARRAY_SIZE(big));
	QUARRY_EXPECT_ALLOCATED(test, heap, shared_stats(arena).used);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_arena_shared_reset(arena);
	KUNIT_EXPECT_EQ(test, shared_stats(arena).held, (u64)PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, shared_stats(arena).used, 0ULL);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void impossible_requests(struct kunit *test)
{
	static const size_t sizes[] = {
		QUARRY_ARENA_MAX_ALLOC + 1, QUARRY_EXTENT_MAX_SIZE, 1UL << 40, 1UL << 60,
		SIZE_MAX - 7, SIZE_MAX,
	};
	static const size_t aligns[] = { 0, 3, 48, PAGE_SIZE + 1, 2 * PAGE_SIZE, 1UL << 63 };
	static const gfp_t flags[] = { __GFP_DMA, __GFP_HIGHMEM, __GFP_THISNODE, __GFP_NOFAIL };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_shared *arena = quarry_test_shared(test, heap, NULL);
	size_t size, zero = 0;
	unsigned int i;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size = sizes[i];
		OPTIMIZER_HIDE_VAR(size);
		QUARRY_QUIETLY(ptr = quarry_arena_shared_alloc(arena, size,
							       GFP_KERNEL | __GFP_NOWARN));
		KUNIT_EXPECT_NULL_MSG(test, ptr, "%zu bytes", size);
	}
	for (i = 0; i < ARRAY_SIZE(aligns); i++) {
		size = aligns[i];
		QUARRY_EXPECT_REPORTS(test, 1,
				      ptr = quarry_arena_shared_alloc_aligned(arena, 64, size,
									      GFP_KERNEL));
		KUNIT_EXPECT_NULL_MSG(test, ptr, "align %zu", size);
	}
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		QUARRY_EXPECT_REPORTS(test, 1,
				      ptr = quarry_arena_shared_alloc(arena, 64,
								      GFP_KERNEL | flags[i]));
		KUNIT_EXPECT_NULL_MSG(test, ptr, "flags %#x", (__force unsigned int)flags[i]);
	}
	OPTIMIZER_HIDE_VAR(zero);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_shared_alloc(arena, zero, GFP_KERNEL),
			    ZERO_SIZE_PTR);
	KUNIT_EXPECT_EQ_MSG(test, shared_stats(arena).used, 0ULL, "refusals take nothing");
	KUNIT_EXPECT_EQ(test, shared_stats(arena).nr_chunks, 1ULL);
	KUNIT_EXPECT_NOT_NULL(test, quarry_arena_shared_alloc(arena, 8, GFP_KERNEL));
}

struct sample {
	u64 a;
	void *b;
	char c;
};

static void typed_and_copies(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_shared *arena = quarry_test_shared(test, heap, NULL);
	struct sample *one, *many, *none, *copy;
	size_t n = SIZE_MAX / 2;
	char *text;

	memset(quarry_arena_shared_alloc(arena, 900, GFP_KERNEL), 0xff, 900);
	one = quarry_arena_shared_new(arena, struct sample, GFP_KERNEL);
	many = quarry_arena_shared_array(arena, struct sample, 33, GFP_KERNEL);
	OPTIMIZER_HIDE_VAR(n);
	none = quarry_arena_shared_array(arena, struct sample, n, GFP_KERNEL | __GFP_NOWARN);
	KUNIT_ASSERT_TRUE(test, one && many);
	KUNIT_EXPECT_NULL(test, none);
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(one, sizeof(*one)));
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(many, 33 * sizeof(*many)));
	one->a = 4711;
	copy = quarry_arena_shared_memdup(arena, one, sizeof(*one), GFP_KERNEL);
	text = quarry_arena_shared_strdup(arena, "nothing lasts", GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, copy && text);
	KUNIT_EXPECT_MEMEQ(test, copy, one, sizeof(*one));
	KUNIT_EXPECT_STREQ(test, text, "nothing lasts");
	KUNIT_EXPECT_NULL(test, quarry_arena_shared_strdup(arena, NULL, GFP_KERNEL));
}

static void zeroed_when_asked(struct kunit *test)
{
	static const size_t sizes[] = { 1, 8, 100, 4000, 9000, 60000 };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_shared *arena = quarry_test_shared(test, heap, NULL);
	unsigned int round, i, n;
	void *ptr;

	for (round = 0; round < 4; round++) {
		for (n = 0; n < 60; n++) {
			i = n % ARRAY_SIZE(sizes);
			ptr = quarry_arena_shared_zalloc(arena, sizes[i], GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, ptr);
			KUNIT_EXPECT_TRUE_MSG(test, quarry_test_is_zero(ptr, sizes[i]),
					      "%zu bytes, round %u", sizes[i], round);
			memset(ptr, 0xa5, sizes[i]);
		}
		quarry_arena_shared_reset(arena);
	}
	KUNIT_EXPECT_EQ(test, shared_stats(arena).nr_resets, 4ULL);
}

/* === Limits, failures === */

static void limit_is_respected(struct kunit *test)
{
	struct quarry_arena_params params = { .name = "limited", .limit = SZ_64K };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_shared *arena = quarry_test_shared(test, heap, &params);
	unsigned int nr, round;

	for (round = 0; round < 3; round++) {
		KUNIT_EXPECT_NULL(test, quarry_arena_shared_alloc(arena, SZ_64K, GFP_KERNEL));
		for (nr = 0; nr < 1000; nr++)
			if (!quarry_arena_shared_alloc(arena, 500, GFP_KERNEL))
				break;
		KUNIT_EXPECT_EQ_MSG(test, shared_stats(arena).held, (u64)SZ_64K, "%u taken", nr);
		KUNIT_EXPECT_EQ(test, shared_stats(arena).held_peak, (u64)SZ_64K);
		/* It may have moved between CPUs, each of which has a chunk. */
		KUNIT_EXPECT_GE_MSG(test, nr, 60U, "of 131 that would fit");
		KUNIT_EXPECT_LE(test, nr, 131U);
		quarry_arena_shared_reset(arena);
	}
}

static void limit_of_the_heap(struct kunit *test)
{
	struct quarry_heap_params params = { .name = quarry_test_name(test), .limit = SZ_256K };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_arena_shared *arena = quarry_test_shared(test, heap, NULL);
	unsigned int nr;

	for (nr = 0; nr < 1000; nr++)
		if (!quarry_arena_shared_alloc(arena, 1000, GFP_KERNEL | __GFP_NOWARN))
			break;
	KUNIT_EXPECT_GT(test, nr, 50U);
	KUNIT_EXPECT_LT(test, nr, 263U);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_arena_shared_reset(arena);
	KUNIT_EXPECT_NOT_NULL(test, quarry_arena_shared_alloc(arena, 1000, GFP_KERNEL));
}

/* Some of it may fail; the rest is right.  True if nothing failed. */
static bool use_under_faults(struct kunit *test, struct quarry_heap *heap, unsigned int flags)
{
	const struct quarry_arena_params params = { .name = "failing", .flags = flags };
	struct quarry_arena_shared *arena;
	void *pieces[60] = {};
	unsigned int i, nr = 0;

	arena = quarry_arena_shared_create(heap, &params, GFP_KERNEL);
	if (IS_ERR(arena)) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(arena), -ENOMEM);
		return false;
	}
	for (i = 0; i < ARRAY_SIZE(pieces); i++) {
		pieces[i] = quarry_arena_shared_alloc(arena, i % 10 ? 400 : 20000, GFP_KERNEL);
		if (pieces[i])
			quarry_test_fill(pieces[i], 400, i);
	}
	for (i = 0; i < ARRAY_SIZE(pieces); i++) {
		nr += !!pieces[i];
		if (pieces[i])
			KUNIT_EXPECT_TRUE(test, quarry_test_check(pieces[i], 400, i));
	}
	quarry_arena_shared_reset(arena);
	KUNIT_EXPECT_EQ(test, shared_stats(arena).nr_chunks, 1ULL);
	quarry_arena_shared_destroy(arena);
	return nr == ARRAY_SIZE(pieces);
}

static void each_attempt_fails(struct kunit *test)
{
	unsigned long n, injected = 0, nr_failed = 0;
	struct quarry_heap *heap;
	bool all;

	KUNIT_ASSERT_EQ(test, quarry_fault_test_begin(), 0);
	for (n = 1; n < 200; n++) {
		heap = quarry_test_heap(test);
		quarry_fault_test_arm(QUARRY_FAULT_ANY, n, 1);
		all = use_under_faults(test, heap, n % 2 ? QUARRY_DATA : 0);
		injected = quarry_fault_test_nr_injected();
		quarry_fault_test_arm(QUARRY_FAULT_ANY, 1, 0);
		nr_failed += !all;
		KUNIT_EXPECT_TRUE_MSG(test, all || injected, "attempt %lu", n);
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
		quarry_test_heap_done(test, heap);
		if (!injected)
			break;
	}
	quarry_fault_test_end();
	KUNIT_EXPECT_EQ_MSG(test, injected, 0UL, "the walk has an end");
	KUNIT_EXPECT_GT_MSG(test, n, 10UL, "words, first chunk, others");
	KUNIT_EXPECT_GE_MSG(test, nr_failed, 2UL, "without words or a chunk there is no arena");
}

/* === What others see of it === */

static void found_in_the_list(const struct quarry_arena_row *row, void *arg)
{
	struct quarry_arena_row *found = arg;

	if (!strcmp(row->name, "seen"))
		*found = *row;
}

static void is_seen(struct kunit *test)
{
	struct quarry_arena_params params = { .name = "seen", .limit = SZ_1M };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_shared *arena = quarry_test_shared(test, heap, &params);
	struct quarry_arena_row row = {};
	char *small = quarry_arena_shared_alloc(arena, 10, GFP_KERNEL);
	char *big = quarry_arena_shared_alloc(arena, 30000, GFP_KERNEL);

	KUNIT_ASSERT_TRUE(test, small && big);
	quarry_test_fill(small, 10, 1);
	quarry_test_fill(big, 30000, 2);
	quarry_arenas_walk(to_priv(heap), found_in_the_list, &row);
	KUNIT_EXPECT_TRUE(test, row.is_shared);
	KUNIT_EXPECT_STREQ(test, row.file, "arena_shared_kunit.c");
	KUNIT_EXPECT_EQ(test, row.limit, (u64)SZ_1M);
	KUNIT_EXPECT_EQ(test, row.stats.held, shared_stats(arena).held);
	KUNIT_EXPECT_EQ(test, row.stats.used, 30010ULL);
	KUNIT_EXPECT_NULL(test, quarry_arena_of(small));
	KUNIT_EXPECT_NULL(test, quarry_arena_of(big + 20000));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(small));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(big));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_pages(big));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(PTR_ALIGN_DOWN(small, PAGE_SIZE)));
	KUNIT_EXPECT_TRUE(test, quarry_test_check(small, 10, 1));
	KUNIT_EXPECT_TRUE(test, quarry_test_check(big, 30000, 2));
}

static void destroy_gives_all_back(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_shared *arena = quarry_test_shared(test, heap, NULL);
	unsigned int i;

	for (i = 0; i < 1000; i++)
		KUNIT_ASSERT_NOT_NULL(test, quarry_arena_shared_alloc(arena, 1 + i, GFP_KERNEL));
	KUNIT_EXPECT_GE(test, quarry_test_stats(heap).allocated, 500500ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_test_shared_done(test, arena);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).active, 0ULL);
	quarry_arena_shared_destroy(NULL);
	quarry_arena_shared_destroy(ERR_PTR(-ENOMEM));
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

static void goes_with_its_heap(struct kunit *test)
{
	struct quarry_heap_params heap_params = { .name = quarry_test_name(test) };
	struct quarry_arena_params params = { .name = "left behind" };
	struct quarry_heap *heap = quarry_heap_create(&heap_params);
	struct quarry_arena_shared *arena;
	struct quarry_arena *plain;

	KUNIT_ASSERT_FALSE(test, IS_ERR(heap));
	arena = quarry_arena_shared_create(heap, &params, GFP_KERNEL);
	plain = quarry_arena_create(heap, &params, GFP_KERNEL);
	KUNIT_EXPECT_FALSE(test, IS_ERR(plain));
	KUNIT_EXPECT_FALSE(test, IS_ERR(arena));
	if (!IS_ERR(arena)) {
		KUNIT_EXPECT_NOT_NULL(test, quarry_arena_shared_alloc(arena, 100000, GFP_KERNEL));
		KUNIT_EXPECT_NOT_NULL(test, quarry_arena_shared_alloc(arena, 10, GFP_KERNEL));
	}
	QUARRY_EXPECT_REPORTS(test, 2, quarry_heap_destroy(heap));
}

/* === Misuse === */

static void use_of_a_destroyed_one_is_reported(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_shared *arena = quarry_arena_shared_create(heap, NULL, GFP_KERNEL);
	void *ptr;

	KUNIT_ASSERT_FALSE(test, IS_ERR(arena));
	quarry_arena_shared_destroy(arena);
	QUARRY_EXPECT_REPORTS(test, 1, ptr = quarry_arena_shared_alloc(arena, 16, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, ptr);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_arena_shared_reset(arena));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_arena_shared_destroy(arena));
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void expect_refused(struct kunit *test, struct quarry_heap *heap,
			   const struct quarry_arena_params *params, const char *what)
{
	struct quarry_arena_shared *arena;

	QUARRY_EXPECT_REPORTS(test, 1,
			      arena = quarry_arena_shared_create(heap, params, GFP_KERNEL));
	KUNIT_EXPECT_TRUE_MSG(test, arena == ERR_PTR(-EINVAL), "%s: %d", what,
			      PTR_ERR_OR_ZERO(arena));
	quarry_arena_shared_destroy(arena);
}

#define EXPECT_NO_SHARED(test, heap, ...)					\
	expect_refused(test, heap, &(struct quarry_arena_params){ __VA_ARGS__ }, #__VA_ARGS__)

static void bad_parameters_are_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_shared *arena;

	EXPECT_NO_SHARED(test, heap, .chunk_max = 1);
	EXPECT_NO_SHARED(test, heap, .chunk_max = SZ_2K);
	EXPECT_NO_SHARED(test, heap, .chunk_max = 3 * SZ_4K);
	EXPECT_NO_SHARED(test, heap, .chunk_max = SZ_2M);
	EXPECT_NO_SHARED(test, heap, .limit = 1);
	EXPECT_NO_SHARED(test, heap, .flags = QUARRY_HWCACHE_ALIGN);
	EXPECT_NO_SHARED(test, heap, .flags = ~0U);
	EXPECT_NO_SHARED(test, heap, .flags = QUARRY_ARENA_CHECKED);
	QUARRY_EXPECT_REPORTS(test, 1,
			      arena = quarry_arena_shared_create(heap, NULL,
								 GFP_KERNEL | __GFP_DMA));
	KUNIT_EXPECT_TRUE(test, arena == ERR_PTR(-EINVAL));
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* === Random === */

#define NR_PIECES	600

struct piece {
	void *ptr;
	size_t size;
};

static void check_pieces(struct kunit *test, const struct piece *pieces, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!quarry_test_check(pieces[i].ptr, pieces[i].size, i))
			KUNIT_FAIL(test, "piece %u of %zu bytes at %p was overwritten", i,
				   pieces[i].size, pieces[i].ptr);
}

static void random_pieces(struct kunit *test)
{
	struct piece *pieces = quarry_test_array(test, NR_PIECES, sizeof(*pieces));
	struct quarry_arena_params params = { .name = "random" };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_shared *arena;
	struct rnd_state rnd;
	unsigned int round, i;
	size_t align;
	u64 sum;

	quarry_test_seed(test, &rnd);
	params.chunk_max = PAGE_SIZE << quarry_test_below(&rnd, 9);
	params.flags = quarry_test_below(&rnd, 2) ? QUARRY_DATA : 0;
	arena = quarry_test_shared(test, heap, &params);
	for (round = 0; round < QUARRY_TEST_LOOPS(40); round++) {
		for (sum = 0, i = 0; i < NR_PIECES; i++) {
			struct piece *p = &pieces[i];

			p->size = 1 + quarry_test_below(&rnd, 1 + quarry_test_below(&rnd, 300));
			if (!quarry_test_below(&rnd, 50))
				p->size = 1 + quarry_test_below(&rnd, 40000);
			align = BIT(quarry_test_below(&rnd, i % 30 ? 5 : 13));
			p->ptr = quarry_arena_shared_alloc_aligned(arena, p->size, align,
								   GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p->ptr);
			KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)p->ptr, align));
			quarry_test_fill(p->ptr, p->size, i);
			sum += p->size;
		}
		check_pieces(test, pieces, NR_PIECES);
		KUNIT_EXPECT_GE(test, shared_stats(arena).used, sum);
		KUNIT_EXPECT_LE(test, shared_stats(arena).used, shared_stats(arena).held);
		quarry_arena_shared_reset(arena);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static struct kunit_case arena_shared_cases[] = {
	KUNIT_CASE(bumps),
	KUNIT_CASE(alignments),
	KUNIT_CASE(chunks_double),
	KUNIT_CASE(big_allocations),
	KUNIT_CASE(impossible_requests),
	KUNIT_CASE(typed_and_copies),
	KUNIT_CASE(zeroed_when_asked),
	KUNIT_CASE(limit_is_respected),
	KUNIT_CASE(limit_of_the_heap),
	KUNIT_CASE(each_attempt_fails),
	KUNIT_CASE(is_seen),
	KUNIT_CASE(destroy_gives_all_back),
	KUNIT_CASE(goes_with_its_heap),
	KUNIT_CASE(use_of_a_destroyed_one_is_reported),
	KUNIT_CASE(bad_parameters_are_refused),
	KUNIT_CASE(random_pieces),
	KUNIT_CASE(shared_in_each_context),
	KUNIT_CASE(shared_storm),
	KUNIT_CASE(shared_storm_of_small_chunks),
	KUNIT_CASE(shared_storm_at_the_limit),
	{}
};

struct kunit_suite quarry_arena_shared_suite = {
	.name = "quarry_arena_shared",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = arena_shared_cases,
};
