// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_arena.
 */
#include <linux/overflow.h>
#include <linux/string.h>
#include "helpers.h"

static struct quarry_arena_stats arena_stats(struct quarry_arena *arena)
{
	struct quarry_arena_stats stats;

	quarry_arena_get_stats(arena, &stats);
	return stats;
}

/* Consecutive small allocations follow each other in memory. */
static void bumps(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	char *first = quarry_arena_alloc(arena, 24, GFP_KERNEL), *ptr;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, first);
	for (i = 1; i < 20; i++) {
		ptr = quarry_arena_alloc(arena, 24, GFP_KERNEL);
		KUNIT_EXPECT_PTR_EQ_MSG(test, ptr, first + 24 * i, "number %u", i);
	}
	ptr = quarry_arena_alloc(arena, 1, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, ptr, first + 24 * 20);
	ptr = quarry_arena_alloc(arena, 1, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ_MSG(test, ptr, first + 24 * 20 + 8, "aligned to 8 bytes");
	KUNIT_EXPECT_EQ(test, arena_stats(arena).nr_chunks, 1ULL);
	KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(first), heap);
}

static void alignments(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	size_t align;
	void *ptr;
	int i;

	for (i = 0; i < 20; i++) {
		for (align = 1; align <= PAGE_SIZE; align *= 2) {
			ptr = quarry_arena_alloc_aligned(arena, 3, align, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL_MSG(test, ptr, "align %zu", align);
			KUNIT_EXPECT_TRUE_MSG(test, IS_ALIGNED((unsigned long)ptr, align),
					      "%p align %zu", ptr, align);
			memset(ptr, 0xff, 3);
		}
	}
}

static void big_allocations(struct kunit *test)
{
	static const size_t big[] = {
		PAGE_SIZE, PAGE_SIZE + 1, SZ_64K - 64, SZ_64K, SZ_64K + 1, 100000, SZ_1M,
		SZ_1M + 1, 3000000, QUARRY_ARENA_MAX_ALLOC,
	};
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	void *small[ARRAY_SIZE(big)], *ptr[ARRAY_SIZE(big)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(big); i++) {
		small[i] = quarry_arena_alloc(arena, 40, GFP_KERNEL);
		ptr[i] = quarry_arena_alloc(arena, big[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, small[i]);
		KUNIT_ASSERT_NOT_NULL_MSG(test, ptr[i], "%zu bytes", big[i]);
		quarry_test_fill(small[i], 40, 100 + i);
		quarry_test_fill(ptr[i], big[i], i);
	}
	for (i = 0; i < ARRAY_SIZE(big); i++) {
		KUNIT_EXPECT_TRUE(test, quarry_test_check(small[i], 40, 100 + i));
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(ptr[i], big[i], i), "%zu bytes",
				      big[i]);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_arena_reset(arena);
	/* Chunks of one request are not kept. */
	KUNIT_EXPECT_LE(test, arena_stats(arena).held, (u64)SZ_128K);
}

static void impossible_sizes(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	static const size_t sizes[] = {
		QUARRY_ARENA_MAX_ALLOC + 1, QUARRY_EXTENT_MAX_SIZE, 1UL << 40, SIZE_MAX - 7,
		SIZE_MAX,
	};
	size_t size, zero = 0;
	unsigned int i;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size = sizes[i];
		OPTIMIZER_HIDE_VAR(size);
		QUARRY_QUIETLY(ptr = quarry_arena_alloc(arena, size, GFP_KERNEL | __GFP_NOWARN));
		KUNIT_EXPECT_NULL_MSG(test, ptr, "%zu bytes", size);
	}
	OPTIMIZER_HIDE_VAR(zero);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_alloc(arena, zero, GFP_KERNEL), ZERO_SIZE_PTR);
	KUNIT_EXPECT_NOT_NULL_MSG(test, quarry_arena_alloc(arena, 8, GFP_KERNEL),
				  "works after refusals");
}

/* An allocation between refusals: good, and where it would have been without them. */
static void expect_next_piece(struct kunit *test, struct quarry_arena *arena, char **next)
{
	char *ptr = quarry_arena_alloc(arena, 24, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ptr);
	if (*next)
		KUNIT_EXPECT_PTR_EQ_MSG(test, ptr, *next, "a refusal moves nothing");
	memset(ptr, 0x5a, 24);
	*next = ptr + 24;
}

/* Leave less than 64 bytes in the first chunk. */
static void fill_chunk(struct kunit *test, struct quarry_arena *arena)
{
	size_t taken = 0;

	while (arena->pos + 64 <= arena->end) {
		KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arena, 64, GFP_KERNEL));
		taken += 64;
	}
	KUNIT_EXPECT_EQ(test, arena_stats(arena).nr_chunks, 1ULL);
	KUNIT_EXPECT_GT(test, taken, (size_t)1024);
}

static void bad_alignments(struct kunit *test)
{
	static const size_t bad[] = {
		0, 3, 6, 48, PAGE_SIZE - 1, PAGE_SIZE + 1, 2 * PAGE_SIZE, SZ_1G, 1UL << 63,
		SIZE_MAX,
	};
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	unsigned int i, round;
	char *next = NULL;
	size_t align;
	void *ptr;

	for (round = 0; round < 2; round++) {
		/* In a chunk with room, then in one that is full. */
		if (round)
			fill_chunk(test, arena);
		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			align = bad[i];
			QUARRY_EXPECT_REPORTS(test, 1,
					      ptr = quarry_arena_alloc_aligned(arena, 64, align,
									       GFP_KERNEL));
			KUNIT_EXPECT_NULL_MSG(test, ptr, "align %zu, round %u", align, round);
			if (!round)
				expect_next_piece(test, arena, &next);
		}
		KUNIT_EXPECT_EQ(test, arena_stats(arena).nr_chunks, 1ULL);
	}
	next = NULL;
	expect_next_piece(test, arena, &next);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static const gfp_t refused_flags[] = {
	__GFP_DMA, __GFP_DMA32, __GFP_HIGHMEM, __GFP_MOVABLE, __GFP_THISNODE, __GFP_NOFAIL,
	__GFP_ACCOUNT,
};

/* Whether or not the chunk has room makes no difference. */
static void flags_are_refused_not_ignored(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	unsigned int i, round;
	char *next = NULL;
	void *ptr;

	for (round = 0; round < 2; round++) {
		if (round)
			fill_chunk(test, arena);
		for (i = 0; i < ARRAY_SIZE(refused_flags); i++) {
			/* The build may lack one of them; 0 is no flag to refuse. */
			if (!refused_flags[i])
				continue;
			QUARRY_EXPECT_REPORTS(test, 1,
					      ptr = quarry_arena_alloc(arena, 64, GFP_KERNEL |
								       refused_flags[i]));
			KUNIT_EXPECT_NULL_MSG(test, ptr, "flag %#x, round %u",
					      (__force unsigned int)refused_flags[i], round);
			if (!round)
				expect_next_piece(test, arena, &next);
		}
		KUNIT_EXPECT_EQ(test, arena_stats(arena).nr_chunks, 1ULL);
	}
	for (i = 0; i < ARRAY_SIZE(refused_flags); i++) {
		struct quarry_arena *other = NULL;

		if (!refused_flags[i])
			continue;
		QUARRY_EXPECT_REPORTS(test, 1,
				      other = quarry_arena_create(heap, NULL, GFP_KERNEL |
								  refused_flags[i]));
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(other), -EINVAL, "flag %#x",
				    (__force unsigned int)refused_flags[i]);
	}
	next = NULL;
	expect_next_piece(test, arena, &next);
}

struct typed {
	u64 a;
	u8 b;
};

static void typed_and_copies(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	size_t huge = SIZE_MAX / sizeof(struct typed) + 2;
	struct typed *one, *many;
	char *str, *next;
	u32 *copy;

	one = quarry_arena_new(arena, struct typed, GFP_KERNEL);
	many = quarry_arena_array(arena, struct typed, 100, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, one && many);
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(one, sizeof(*one)));
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(many, 100 * sizeof(*many)));
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)many, __alignof__(*many)));
	OPTIMIZER_HIDE_VAR(huge);
	QUARRY_QUIETLY(many = quarry_arena_array(arena, struct typed, huge,
						 GFP_KERNEL | __GFP_NOWARN));
	KUNIT_EXPECT_NULL_MSG(test, many, "the product overflows");
	copy = quarry_arena_memdup(arena, ((u32[]){ 1, 2, 3 }), 12, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	KUNIT_EXPECT_EQ(test, copy[2], 3U);
	str = quarry_arena_strdup(arena, "first", GFP_KERNEL);
	next = quarry_arena_strdup(arena, "second", GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, str && next);
	KUNIT_EXPECT_STREQ(test, str, "first");
	KUNIT_EXPECT_STREQ(test, next, "second");
	KUNIT_EXPECT_PTR_EQ_MSG(test, next, str + 6, "strings are packed to the byte");
}

static void zeroed_when_asked(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	unsigned int round, i;
	void *ptr;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < 100; i++) {
			ptr = quarry_arena_zalloc(arena, 1 + 50 * i, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, ptr);
			KUNIT_EXPECT_TRUE_MSG(test, quarry_test_is_zero(ptr, 1 + 50 * i),
					      "round %u, %u bytes", round, 1 + 50 * i);
			memset(ptr, 0xa5, 1 + 50 * i);
		}
		quarry_arena_reset(arena);
	}
}

/* === Reset, destroy, limit === */

static void reset_starts_at_the_first_chunk(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	void *first = quarry_arena_alloc(arena, 64, GFP_KERNEL), *again;
	u64 held = 0;
	unsigned int i, round;

	KUNIT_ASSERT_NOT_NULL(test, first);
	for (round = 1; round <= 5; round++) {
		for (i = 0; i < 500; i++)
			KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arena, 300, GFP_KERNEL));
		KUNIT_EXPECT_GT(test, arena_stats(arena).nr_chunks, 1ULL);
		KUNIT_EXPECT_GE(test, arena_stats(arena).used, 150000ULL);
		/* The same need: the same chunks. */
		held = held ?: arena_stats(arena).held;
		KUNIT_EXPECT_EQ(test, arena_stats(arena).held, held);
		quarry_arena_reset(arena);
		KUNIT_EXPECT_EQ(test, arena_stats(arena).used, 0ULL);
		KUNIT_EXPECT_EQ(test, arena_stats(arena).held, held);
		KUNIT_EXPECT_EQ(test, arena_stats(arena).nr_resets, (u64)round);
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
		again = quarry_arena_alloc(arena, 64, GFP_KERNEL);
		KUNIT_EXPECT_PTR_EQ_MSG(test, again, first, "after reset %u", round);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void destroy_gives_all_back(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	unsigned int i;

	for (i = 0; i < 1000; i++)
		KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arena, 1 + i, GFP_KERNEL));
	KUNIT_EXPECT_GE(test, quarry_test_stats(heap).allocated, 500500ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_test_arena_done(test, arena);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).active, 0ULL);
	quarry_arena_destroy(NULL);
	quarry_arena_destroy(ERR_PTR(-ENOMEM));
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

static void limit_is_respected(struct kunit *test)
{
	struct quarry_arena_params params = { .name = "limited", .limit = SZ_64K };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &params);
	unsigned int nr, round;

	for (round = 0; round < 2; round++) {
		for (nr = 0; nr < 1000; nr++)
			if (!quarry_arena_alloc(arena, 500, GFP_KERNEL | __GFP_NOWARN))
				break;
		KUNIT_EXPECT_LE_MSG(test, arena_stats(arena).held, (u64)SZ_64K, "%u taken", nr);
		KUNIT_EXPECT_LE(test, arena_stats(arena).held_peak, (u64)SZ_64K);
		KUNIT_EXPECT_GE_MSG(test, nr, 40U, "of 64 KiB at least a third can be used");
		KUNIT_EXPECT_LE(test, nr, 131U);
		quarry_arena_reset(arena);
	}
}

static void limit_of_the_heap(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = SZ_256K };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	unsigned int nr;

	for (nr = 0; nr < 1000; nr++)
		if (!quarry_arena_alloc(arena, 1000, GFP_KERNEL | __GFP_NOWARN))
			break;
	KUNIT_EXPECT_GT(test, nr, 50U);
	KUNIT_EXPECT_LT(test, nr, 263U);
	KUNIT_EXPECT_LE(test, quarry_test_stats(heap).mapped, params.limit);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_arena_reset(arena);
	KUNIT_EXPECT_NOT_NULL(test, quarry_arena_alloc(arena, 1000, GFP_KERNEL));
}

#define EXPECT_NO_ARENA(test, heap, ...)					\
do {										\
	struct quarry_arena_params _params = { __VA_ARGS__ };			\
	struct quarry_arena *_arena;						\
										\
	QUARRY_QUIETLY(_arena = quarry_arena_create(heap, &_params, GFP_KERNEL)); \
	KUNIT_EXPECT_TRUE_MSG(test, _arena == ERR_PTR(-EINVAL), #__VA_ARGS__ ": %d", \
			      PTR_ERR_OR_ZERO(_arena));				\
	quarry_arena_destroy(_arena);						\
} while (0)

static void bad_parameters_are_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);

	EXPECT_NO_ARENA(test, heap, .chunk_max = 1);
	EXPECT_NO_ARENA(test, heap, .chunk_max = SZ_2K);
	EXPECT_NO_ARENA(test, heap, .chunk_max = SZ_4K + 1);
	EXPECT_NO_ARENA(test, heap, .chunk_max = 3 * SZ_4K);
	EXPECT_NO_ARENA(test, heap, .chunk_max = SZ_2M);
	EXPECT_NO_ARENA(test, heap, .flags = QUARRY_HWCACHE_ALIGN);
	EXPECT_NO_ARENA(test, heap, .flags = ~0U);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void chunks_stay_below_their_cap(struct kunit *test)
{
	static const u32 caps[] = { SZ_4K, SZ_16K, SZ_1M };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena_params params = { .flags = QUARRY_DATA };
	struct quarry_arena *arena;
	u64 held, last;
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		params.chunk_max = caps[i];
		arena = quarry_test_arena(test, heap, &params);
		last = arena_stats(arena).held;
		for (n = 0; n < QUARRY_TEST_LOOPS(20000); n++) {
			KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arena, 100, GFP_KERNEL));
			held = arena_stats(arena).held;
			if (held - last > caps[i])
				KUNIT_FAIL(test, "a chunk of %llu bytes, cap %u", held - last,
					   caps[i]);
			last = held;
		}
		quarry_test_arena_done(test, arena);
	}
}

static void frees_into_an_arena_are_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	void *ptr = quarry_arena_alloc(arena, 64, GFP_KERNEL);
	void *big = quarry_arena_alloc(arena, 200000, GFP_KERNEL);

	KUNIT_ASSERT_TRUE(test, ptr && big);
	quarry_test_fill(ptr, 64, 1);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(ptr));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(big));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(PTR_ALIGN_DOWN(ptr, PAGE_SIZE)));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_pages(PTR_ALIGN_DOWN(big, PAGE_SIZE)));
	KUNIT_EXPECT_TRUE(test, quarry_test_check(ptr, 64, 1));
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === Against a model === */

#define NR_REMEMBERED	400

struct piece {
	void *ptr;
	size_t size;
	u64 tag;
};

/* All that was allocated since the last reset must hold its pattern. */
static void check_pieces(struct kunit *test, struct piece *pieces, unsigned int nr)
{
	while (nr--) {
		if (!quarry_test_check(pieces[nr].ptr, pieces[nr].size, pieces[nr].tag))
			KUNIT_FAIL(test, "piece %u of %zu bytes at %p", nr, pieces[nr].size,
				   pieces[nr].ptr);
	}
}

static void random_piece(struct kunit *test, struct quarry_arena *arena, struct rnd_state *rnd,
			 struct piece *piece)
{
	size_t align = 1UL << quarry_test_below(rnd, 8);

	piece->size = 1 + quarry_test_below(rnd, 1U << quarry_test_below(rnd, 14));
	piece->tag = prandom_u32_state(rnd);
	piece->ptr = quarry_arena_alloc_aligned(arena, piece->size, align, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL_MSG(test, piece->ptr, "%zu bytes", piece->size);
	KUNIT_EXPECT_TRUE_MSG(test, IS_ALIGNED((unsigned long)piece->ptr, align), "%p align %zu",
			      piece->ptr, align);
	quarry_test_fill(piece->ptr, piece->size, piece->tag);
}

static void random_against_model(struct kunit *test)
{
	struct piece *pieces = quarry_test_array(test, NR_REMEMBERED, sizeof(*pieces));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	unsigned int step, nr = 0, steps = QUARRY_TEST_LOOPS(30000);
	struct rnd_state rnd;
	u64 bytes = 0;

	quarry_test_seed(test, &rnd);
	for (step = 0; step < steps; step++) {
		random_piece(test, arena, &rnd, &pieces[nr]);
		bytes += pieces[nr++].size;
		KUNIT_ASSERT_GE(test, arena_stats(arena).used, bytes);
		KUNIT_ASSERT_GE(test, arena_stats(arena).held, arena_stats(arena).used);
		if (nr < NR_REMEMBERED && quarry_test_below(&rnd, 300))
			continue;
		check_pieces(test, pieces, nr);
		quarry_arena_reset(arena);
		nr = 0;
		bytes = 0;
	}
	check_pieces(test, pieces, nr);
}

static void many_arenas(struct kunit *test)
{
	struct quarry_arena **arenas = quarry_test_array(test, 100, sizeof(*arenas));
	struct piece *pieces = quarry_test_array(test, 100, sizeof(*pieces));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct rnd_state rnd;
	unsigned int i, k;

	quarry_test_seed(test, &rnd);
	for (i = 0; i < 100; i++)
		arenas[i] = quarry_test_arena(test, heap, NULL);
	for (k = 0; k < 20; k++) {
		for (i = 0; i < 100; i++)
			random_piece(test, arenas[i], &rnd, &pieces[i]);
		check_pieces(test, pieces, 100);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
	for (i = 0; i < 100; i += 2)
		quarry_test_arena_done(test, arenas[i]);
	for (i = 1; i < 100; i += 2)
		check_pieces(test, &pieces[i], 1);
}

static struct kunit_case arena_cases[] = {
	KUNIT_CASE(bumps),
	KUNIT_CASE(alignments),
	KUNIT_CASE(big_allocations),
	KUNIT_CASE(impossible_sizes),
	KUNIT_CASE(bad_alignments),
	KUNIT_CASE(flags_are_refused_not_ignored),
	KUNIT_CASE(typed_and_copies),
	KUNIT_CASE(zeroed_when_asked),
	KUNIT_CASE(reset_starts_at_the_first_chunk),
	KUNIT_CASE(destroy_gives_all_back),
	KUNIT_CASE(limit_is_respected),
	KUNIT_CASE(limit_of_the_heap),
	KUNIT_CASE(bad_parameters_are_refused),
	KUNIT_CASE(chunks_stay_below_their_cap),
	KUNIT_CASE(frees_into_an_arena_are_refused),
	KUNIT_CASE(random_against_model),
	KUNIT_CASE(many_arenas),
	{}
};

struct kunit_suite quarry_arena_suite = {
	.name = "quarry_arena",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = arena_cases,
};
