// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_buddy: many blocks at once, parts of a range, joined blocks, lists, trimming,
 * walks over allocated blocks, fragmentation.
 */
#include "buddy_kunit.h"

#define IN(from, to, how) \
	(&(struct quarry_buddy_where){ .lo = (from), .hi = (to), .flags = (how) })

/* === Many at once === */

#define MOST	200	/* more than a word has bits */

/* The same from both ranges, of which two thirds are freed again. */
static bool many_as_singles(struct fixture *many, struct fixture *single, unsigned int order,
			    unsigned long *offsets)
{
	unsigned int nr = 1 + quarry_test_below(&many->rnd, MOST), got, i;
	size_t size;
	long o = 0;

	got = quarry_buddy_alloc_many(many->buddy, order, nr, offsets);
	for (i = 0; i < nr; i++) {
		o = quarry_buddy_alloc_lowest(single->buddy, order);
		if (o < 0)
			break;
		if (i >= got || offsets[i] != (unsigned long)o) {
			KUNIT_FAIL(many->test, "seed=%llu step %lu: block %u of %u is not at %ld",
				   many->seed, many->step, i, got, o);
			return false;
		}
	}
	KUNIT_EXPECT_EQ(many->test, got, i);
	/* To the bit: each is a block of its own, and what is left is cut alike. */
	size = quarry_buddy_state_size(many->nr_units, many->max_order);
	KUNIT_EXPECT_EQ_MSG(many->test, memcmp(many->state, single->state, size), 0,
			    "seed=%llu step %lu", many->seed, many->step);
	KUNIT_EXPECT_EQ(many->test, quarry_buddy_nr_free_units(many->buddy),
			quarry_buddy_nr_free_units(single->buddy));
	KUNIT_EXPECT_EQ(many->test, quarry_buddy_verify(many->buddy), 0);
	for (i = 0; i < got; i++) {
		if (!quarry_test_below(&many->rnd, 3))
			continue;
		KUNIT_EXPECT_EQ(many->test, quarry_buddy_free(many->buddy, offsets[i], order), 0);
		KUNIT_EXPECT_EQ(many->test, quarry_buddy_free(single->buddy, offsets[i], order), 0);
	}
	return true;
}

static void check_many(struct kunit *test, unsigned long nr_units, unsigned int max_order,
		       unsigned int clean_order)
{
	struct fixture *many = buddy_fixture(test, nr_units, max_order, clean_order);
	struct fixture *single = buddy_fixture(test, nr_units, max_order, clean_order);
	unsigned long *offsets = quarry_test_array(test, MOST, sizeof(*offsets));

	many->seed = quarry_test_seed(test, &many->rnd);
	for (many->step = 0; many->step < 100; many->step++)
		if (!many_as_singles(many, single,
				     quarry_test_below(&many->rnd, min(max_order, 4U) + 1),
				     offsets))
			return;
}

void buddy_many_is_one_by_one(struct kunit *test)
{
	unsigned long *offsets = quarry_test_array(test, 64, sizeof(*offsets));
	struct fixture *f = fixture_make(test, 64, 6);

	check_many(test, 1024, 10, 0);
	/* Of odd length, with roots to spare, without a row of parents, with more levels. */
	check_many(test, 4001, 10, 0);
	check_many(test, 2000, 3, 0);
	check_many(test, 300, 0, 0);
	check_many(test, 300000, 12, 0);
	check_many(test, 2048, 9, 4);

	EXPECT_REFUSED(f, quarry_buddy_alloc_many(f->buddy, 7, 2, offsets), 0);
	EXPECT_REFUSED(f, quarry_buddy_alloc_many(f->buddy, 0, 0, offsets), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_many(f->buddy, 0, 64, offsets), 64U);
	EXPECT_REFUSED(f, quarry_buddy_alloc_many(f->buddy, 0, 1, offsets), 0);
}

/* === Parts === */

/* Free: [0, 16) without 0 and 5; [16, 64). */
void buddy_alloc_in_part(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 64, 6);
	struct quarry_buddy *b = f->buddy;

	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(b, 0, 0), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(b, 5, 0), 0);
	/* The best fit lies outside, a larger block inside only in part. */
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 0, IN(20, 30, 0), NULL), 20L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 2, IN(21, 40, 0), NULL), 24L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 2, IN(21, 43, QUARRY_BUDDY_TOP_DOWN), NULL),
			28L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 2, IN(33, 43, QUARRY_BUDDY_TOP_DOWN), NULL),
			36L);
	/* The half of a pair that is free lies below, above. */
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 0, IN(5, 6, 0), NULL), (long)-ENOSPC);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 0, IN(0, 1, 0), NULL), (long)-ENOSPC);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 0, IN(4, 6, 0), NULL), 4L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 4, IN(41, 64, 0), NULL), 48L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 4, IN(0, ULONG_MAX, 0), NULL),
			(long)-ENOSPC);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 3, NULL, NULL), 8L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);
}

/* Any part of an odd range, either way: unit by unit exactly that part. */
void buddy_alloc_in_every_part(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 50, 4);
	unsigned long lo, hi, n;
	long got;

	for (lo = 0; lo < 50; lo++) {
		for (hi = lo + 1; hi <= 50; hi++) {
			for (n = lo; n < hi; n++) {
				got = quarry_buddy_alloc_in(f->buddy, 0, IN(lo, hi, n & 1), NULL);
				if (got < (long)lo || got >= (long)hi) {
					KUNIT_FAIL(test, "[%lu, %lu): %ld", lo, hi, got);
					return;
				}
			}
			KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(f->buddy, 0, IN(lo, hi, 0),
								    NULL), (long)-ENOSPC);
			KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free_units(f->buddy), 50 - hi + lo);
			for (n = lo; n < hi; n++)
				KUNIT_EXPECT_EQ(test, quarry_buddy_free(f->buddy, n, 0), 0);
		}
	}
	buddy_expect_whole(f);
}

void buddy_count_in_part(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 64, 6);
	struct quarry_buddy *b = f->buddy;

	/* The five units fit below 21, the tail of their block need not. */
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_count_in(b, 5, IN(9, 21, 0), NULL), 16L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free_units(b), 59UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_count_in(b, 5, IN(9, 20, 0), NULL),
			(long)-ENOSPC);
	KUNIT_EXPECT_EQ(test,
			quarry_buddy_alloc_count_in(b, 6, IN(32, 63, QUARRY_BUDDY_TOP_DOWN), NULL),
			56L);
	KUNIT_EXPECT_EQ(test,
			quarry_buddy_alloc_count_in(b, 6, IN(32, 53, QUARRY_BUDDY_TOP_DOWN), NULL),
			40L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_count(b, 16, 5), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_count(b, 56, 6), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_count(b, 40, 6), 0);
	buddy_expect_whole(f);
}

/* Free: [3, 14), [20, 31): no aligned block of 16 anywhere. */
void buddy_counts_join(struct kunit *test)
{
	const unsigned int join = QUARRY_BUDDY_JOIN, down = QUARRY_BUDDY_TOP_DOWN;
	struct fixture *f = fixture_make(test, 32, 4);
	struct quarry_buddy *b = f->buddy;

	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 0, 3), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 14, 6), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 31, 1), 0);
	EXPECT_REFUSED(f, quarry_buddy_alloc_count_in(b, 11, NULL, NULL), -ENOSPC);
	EXPECT_REFUSED(f, quarry_buddy_alloc_count_in(b, 12, IN(0, 32, join), NULL), -ENOSPC);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_count_in(b, 11, IN(4, 31, join), NULL), 20L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_count(b, 20, 11), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_count_in(b, 11, IN(0, 32, join), NULL), 3L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_count_in(b, 9, IN(0, 31, join | down), NULL), 22L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free_units(b), 2UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_count(b, 3, 11), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_count(b, 22, 9), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_count(b, 0, 3), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_count(b, 14, 6), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_count(b, 31, 1), 0);
	/* More than the largest block. */
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_count_in(b, 31, IN(0, 32, join), NULL), 0L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_count(b, 0, 31), 0);
	buddy_expect_whole(f);
}

struct told {
	unsigned int nr;
	unsigned int room;
	struct quarry_buddy_block block[8];
};

static int tell(const struct quarry_buddy_block *block, void *arg)
{
	struct told *told = arg;

	if (told->nr == told->room)
		return -EIO;
	told->block[told->nr++] = *block;
	return 0;
}

static void expect_told(struct fixture *f, unsigned long count, unsigned int min_order,
			const struct quarry_buddy_where *where, unsigned int nr,
			const struct quarry_buddy_block *wanted)
{
	struct told told = { .room = ARRAY_SIZE(told.block) };
	unsigned int i;

	KUNIT_ASSERT_EQ(f->test, quarry_buddy_alloc_each(f->buddy, count, min_order, where, tell,
							 &told), (int)nr);
	KUNIT_ASSERT_EQ(f->test, told.nr, nr);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_EQ_MSG(f->test, told.block[i].offset, wanted[i].offset, "%u", i);
		KUNIT_EXPECT_EQ_MSG(f->test, told.block[i].order, wanted[i].order, "%u", i);
		KUNIT_EXPECT_EQ(f->test, quarry_buddy_verify(f->buddy), 0);
	}
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(f->test, quarry_buddy_free(f->buddy, wanted[i].offset,
							   wanted[i].order), 0);
}

/* Whole blocks, largest first; the rest from the smallest that holds it; the edges last. */
void buddy_tells_each(struct kunit *test)
{
	static const struct quarry_buddy_block up[] = { { 32, 4 }, { 4, 2 }, { 62, 0 } };
	static const struct quarry_buddy_block down[] = { { 60, 1 }, { 59, 0 } };
	static const struct quarry_buddy_block cut[] = { { 4, 1 }, { 6, 0 } };
	static const struct quarry_buddy_block edges[] = { { 34, 1 }, { 36, 2 }, { 40, 2 },
							   { 44, 1 } };
	struct fixture *f = fixture_make(test, 64, 6);
	struct quarry_buddy *b = f->buddy;
	struct told told = { };
	unsigned int i;

	/* Free: [4, 8), [32, 48), [56, 63). */
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 0, 4), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 8, 24), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 48, 8), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 63, 1), 0);
	expect_told(f, 21, 0, NULL, 3, up);
	expect_told(f, 3, 0, IN(0, 60, 0), 2, cut);
	expect_told(f, 12, 1, IN(33, 47, 0), 4, edges);
	EXPECT_REFUSED(f, quarry_buddy_alloc_each(b, 14, 1, IN(33, 47, 0), tell, &told), -ENOSPC);
	EXPECT_REFUSED(f, quarry_buddy_alloc_each(b, 28, 0, NULL, tell, &told), -ENOSPC);
	EXPECT_REFUSED(f, quarry_buddy_alloc_each(b, 0, 0, NULL, tell, &told), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_each(b, 3, 1, NULL, tell, &told), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_each(b, 128, 7, NULL, tell, &told), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_each(b, 1, 0, IN(5, 5, 0), tell, &told), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_each(b, 1, 0, IN(0, 5, 8), tell, &told), -EINVAL);
	KUNIT_EXPECT_EQ(test, told.nr, 0U);
	/* Refused at each block in turn. */
	for (i = 0; i < 3; i++) {
		told = (struct told){ .room = i };
		EXPECT_REFUSED(f, quarry_buddy_alloc_each(b, 21, 0, NULL, tell, &told), -EIO);
		KUNIT_EXPECT_EQ(test, told.nr, i);
	}
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 32, 16), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 4, 4), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 62, 1), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 56, 2), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 58, 1), 0);
	/* Free: 59 and [60, 62). */
	expect_told(f, 3, 0, IN(0, 64, QUARRY_BUDDY_TOP_DOWN), 2, down);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);
}

void buddy_refused_part(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 50, 4);
	struct quarry_buddy *b = f->buddy;

	EXPECT_REFUSED(f, quarry_buddy_alloc_in(b, 5, NULL, NULL), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_in(b, UINT_MAX, NULL, NULL), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_in(b, 0, IN(5, 5, 0), NULL), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_in(b, 0, IN(6, 5, 0), NULL), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_in(b, 0, IN(50, 60, 0), NULL), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_in(b, 0, IN(0, 50, BIT(3)), NULL), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_in(b, 4, IN(1, 31, 0), NULL), -ENOSPC);
	EXPECT_REFUSED(f, quarry_buddy_alloc_in(b, 2, IN(48, ULONG_MAX, 0), NULL), -ENOSPC);
	EXPECT_REFUSED(f, quarry_buddy_alloc_count_in(b, 0, NULL, NULL), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_count_in(b, 17, NULL, NULL), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_count_in(b, ULONG_MAX, NULL, NULL), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_count_in(b, 51, IN(0, 50, QUARRY_BUDDY_JOIN), NULL),
		       -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_count_in(b, ULONG_MAX, IN(0, 50, QUARRY_BUDDY_JOIN),
						      NULL), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_count_in(b, 3, IN(49, 50, 0), NULL), -ENOSPC);
}

/* === Lists === */

/* Every second unit is free, and [32, 64). */
static struct fixture *fixture_with_holes(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 64, 6);
	unsigned long i;

	for (i = 0; i < 32; i += 2)
		KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(f->buddy, i, 0), 0);
	return f;
}

void buddy_lists(struct kunit *test)
{
	struct fixture *f = fixture_with_holes(test);
	struct quarry_buddy *b = f->buddy;
	unsigned int i;
	int nr;

	/* The largest first, then what is left over. */
	nr = quarry_buddy_alloc_list(b, 36, 0, NULL, f->list, NR_LIST);
	KUNIT_ASSERT_EQ(test, nr, 5);
	KUNIT_EXPECT_EQ(test, f->list[0].offset, 32UL);
	KUNIT_EXPECT_EQ(test, f->list[0].order, 5U);
	for (i = 1; i < 5; i++) {
		KUNIT_EXPECT_EQ(test, f->list[i].offset, 2UL * i - 1);
		KUNIT_EXPECT_EQ(test, f->list[i].order, 0U);
	}
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_list(b, f->list, nr, false), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_list(b, f->list, nr, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free_units(b), 48UL);

	nr = quarry_buddy_alloc_list(b, 12, 2, IN(0, 60, QUARRY_BUDDY_TOP_DOWN), f->list, 2);
	KUNIT_ASSERT_EQ(test, nr, 2);
	KUNIT_EXPECT_EQ(test, f->list[0].offset, 48UL);
	KUNIT_EXPECT_EQ(test, f->list[0].order, 3U);
	KUNIT_EXPECT_EQ(test, f->list[1].offset, 56UL);
	KUNIT_EXPECT_EQ(test, f->list[1].order, 2U);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_list(b, f->list, nr, true), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free_units(b), 48UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);
}

void buddy_refused_list(struct kunit *test)
{
	struct fixture *f = fixture_with_holes(test);
	struct quarry_buddy *b = f->buddy;

	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 0, 0, NULL, f->list, NR_LIST), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 6, 2, NULL, f->list, NR_LIST), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 128, 7, NULL, f->list, NR_LIST), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 1, UINT_MAX, NULL, f->list, NR_LIST),
		       -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 1, 0, IN(7, 7, 0), f->list, NR_LIST),
		       -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 49, 0, NULL, f->list, NR_LIST), -ENOSPC);
	/* Enough is free, but not in blocks of that size, or not there. */
	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 36, 1, NULL, f->list, NR_LIST), -ENOSPC);
	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 17, 0, IN(0, 32, 0), f->list, NR_LIST),
		       -ENOSPC);
	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 36, 0, NULL, f->list, 4), -E2BIG);
	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 1, 0, NULL, f->list, 0), -E2BIG);
}

/* === Trimming === */

/* Each part of a block, and of an interval that is no block. */
void buddy_trims(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 64, 5);
	static const struct interval whole[] = { { 16, 16 }, { 5, 22 }, { 0, 64 } };
	unsigned long start, keep;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(whole); i++) {
		unsigned long o = whole[i].offset, count = whole[i].count;

		for (start = o; start < o + count; start++) {
			for (keep = 1; start + keep <= o + count; keep++) {
				KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(f->buddy, o, count), 0);
				KUNIT_EXPECT_EQ(test, quarry_buddy_trim(f->buddy, o, count, start,
									keep, false), 0);
				KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free_units(f->buddy),
						64 - keep);
				KUNIT_ASSERT_EQ_MSG(test, quarry_buddy_free_count(f->buddy, start,
										  keep),
						    0, "%lu units from %lu", keep, start);
			}
		}
	}
	buddy_expect_whole(f);
}

void buddy_refused_trim(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 64, 6);
	struct quarry_buddy *b = f->buddy;

	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(b, 16, 4), 0);
	EXPECT_REFUSED(f, quarry_buddy_trim(b, 16, 16, 16, 0, false), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_trim(b, 16, 16, 15, 2, false), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_trim(b, 16, 16, 32, 1, false), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_trim(b, 16, 16, 20, 13, false), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_trim(b, 16, 16, 20, ULONG_MAX, false), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_trim(b, 16, 8, 16, 4, false), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_trim(b, 16, 32, 16, 4, false), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_trim(b, 32, 16, 32, 4, false), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_trim(b, 60, 8, 60, 4, false), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_trim(b, 16, 16, 16, 16, false), 0);
}

/* === Looking === */

struct blocks {
	struct quarry_buddy_block block[8];
	unsigned int nr;
};

static int note_allocated(unsigned long offset, unsigned int order, void *arg)
{
	struct blocks *blocks = arg;

	if (blocks->nr == ARRAY_SIZE(blocks->block))
		return -E2BIG;
	blocks->block[blocks->nr].offset = offset;
	blocks->block[blocks->nr++].order = order;
	return blocks->nr == 4 ? -EINTR : 0;
}

void buddy_walks_allocated(struct kunit *test)
{
	static const struct quarry_buddy_block wanted[] = { { 3, 0 }, { 4, 1 }, { 32, 4 } };
	struct fixture *f = fixture_make(test, 50, 4);
	struct blocks blocks = { };
	unsigned int i;

	KUNIT_EXPECT_EQ(test, quarry_buddy_walk_allocated(f->buddy, note_allocated, &blocks), 0);
	KUNIT_EXPECT_EQ(test, blocks.nr, 0U);
	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(f->buddy, 32, 4), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(f->buddy, 3, 3), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_walk_allocated(f->buddy, note_allocated, &blocks), 0);
	KUNIT_ASSERT_EQ(test, blocks.nr, 3U);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, blocks.block[i].offset, wanted[i].offset);
		KUNIT_EXPECT_EQ(test, blocks.block[i].order, wanted[i].order);
	}
	KUNIT_EXPECT_EQ_MSG(test,
			    quarry_buddy_walk_allocated(f->buddy, note_allocated, &blocks),
			    -EINTR, "the walk ends when it is told to");
}

/* The kernel's formula, worked out by hand. */
void buddy_fragmentation(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 64, 6);
	unsigned int k;

	for (k = 0; k <= 6; k++)
		KUNIT_EXPECT_EQ(test, quarry_buddy_unusable_index(f->buddy, k), 0U);
	KUNIT_EXPECT_EQ(test, quarry_buddy_unusable_index(f->buddy, 7), 1000U);
	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc(f->buddy, 0, false), 0L);
	/* Free: 1 + 2 + 4 + 8 + 16 + 32 of 63. */
	KUNIT_EXPECT_EQ(test, quarry_buddy_unusable_index(f->buddy, 0), 0U);
	KUNIT_EXPECT_EQ(test, quarry_buddy_unusable_index(f->buddy, 1), 1000U / 63);
	KUNIT_EXPECT_EQ(test, quarry_buddy_unusable_index(f->buddy, 4), 15 * 1000U / 63);
	KUNIT_EXPECT_EQ(test, quarry_buddy_unusable_index(f->buddy, 5), 31 * 1000U / 63);
	KUNIT_EXPECT_EQ(test, quarry_buddy_unusable_index(f->buddy, 6), 1000U);
	KUNIT_EXPECT_EQ(test, quarry_buddy_unusable_index(f->buddy, UINT_MAX), 1000U);
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(f->buddy, 1, 63), 0);
	KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_unusable_index(f->buddy, 0), 1000U,
			    "nothing free counts as all unusable");
}
