// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_buddy: the range buddy against the textbook and against a
 * model that is too simple to be wrong.  Here: the textbook, odd ranges, errors.
 */
#include "buddy_kunit.h"

struct fixture *buddy_fixture(struct kunit *test, unsigned long nr_units, unsigned int max_order,
			      unsigned int clean_order)
{
	struct fixture *f = quarry_test_array(test, 1, sizeof(*f));
	size_t state = quarry_buddy_state_size(nr_units, max_order);

	f->test = test;
	f->nr_units = nr_units;
	f->max_order = max_order;
	f->clean_order = clean_order;
	f->nr_free = nr_units;
	f->state_size = state;
	if (clean_order)
		f->state_size += quarry_buddy_clean_size(nr_units, max_order, clean_order);
	f->buddy = quarry_test_array(test, 1, quarry_buddy_struct_size(max_order));
	f->state = quarry_test_array(test, 1, f->state_size);
	f->snapshot = quarry_test_array(test, 1, f->state_size);
	f->units = quarry_test_array(test, nr_units, 1);
	f->clean = quarry_test_array(test, (nr_units >> clean_order) + 1, 1);
	KUNIT_ASSERT_EQ_MSG(test, quarry_buddy_init_state(f->buddy, nr_units, max_order, f->state),
			    0, "init of %lu units, max_order %u", nr_units, max_order);
	if (clean_order)
		KUNIT_ASSERT_EQ(test, quarry_buddy_track_clean(f->buddy, clean_order,
							       f->state + state), 0);
	return f;
}

void buddy_expect_whole(struct fixture *f)
{
	KUNIT_EXPECT_EQ(f->test, quarry_buddy_nr_free_units(f->buddy), f->nr_units);
	KUNIT_EXPECT_EQ_MSG(f->test, quarry_buddy_verify(f->buddy), 0, "%lu units, max_order %u",
			    f->nr_units, f->max_order);
}

/* The free blocks as quarry_buddy_walk() reports them. */
struct free_blocks {
	unsigned int nr;
	struct {
		unsigned long offset;
		unsigned int order;
	} block[64];
};

static int note_block(unsigned long offset, unsigned int order, void *arg)
{
	struct free_blocks *free = arg;

	if (free->nr == ARRAY_SIZE(free->block))
		return -E2BIG;
	free->block[free->nr].offset = offset;
	free->block[free->nr].order = order;
	free->nr++;
	return 0;
}

static void collect(struct fixture *f, struct free_blocks *free)
{
	free->nr = 0;
	KUNIT_EXPECT_EQ(f->test, quarry_buddy_walk(f->buddy, note_block, free), 0);
}

/* === The textbook === */

/* Splitting leaves one upper half per order; merging takes them all up again. */
static void split_and_merge(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 16, 4);
	struct free_blocks free;
	unsigned int k;

	KUNIT_EXPECT_EQ(test, quarry_buddy_largest_order(f->buddy), 4);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 0, false), 0L);
	collect(f, &free);
	KUNIT_ASSERT_EQ(test, free.nr, 4U);
	for (k = 0; k < 4; k++) {
		KUNIT_EXPECT_EQ(test, free.block[k].order, k);
		KUNIT_EXPECT_EQ(test, free.block[k].offset, 1UL << k);
		KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free(f->buddy, k), 1UL);
	}
	KUNIT_EXPECT_EQ(test, quarry_buddy_largest_order(f->buddy), 3);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free_units(f->buddy), 15UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free(f->buddy, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free(f->buddy, 4), 1UL);
	buddy_expect_whole(f);
}

/* A block merges with its buddy only, not with any other neighbour. */
static void merges_with_buddy_only(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 8, 3);
	long i;

	for (i = 0; i < 8; i++)
		KUNIT_ASSERT_EQ(test, quarry_buddy_alloc(f->buddy, 0, false), i);
	KUNIT_EXPECT_EQ(test, quarry_buddy_largest_order(f->buddy), -1);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free(f->buddy, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free(f->buddy, 2, 0), 0);
	KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_nr_free(f->buddy, 0), 2UL,
			    "units 1 and 2 touch but are no buddies");
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 1, false), (long)-ENOSPC);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free(f->buddy, 3, 0), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free(f->buddy, 1), 1UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(f->buddy), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free(f->buddy, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free(f->buddy, 2), 1UL);
	for (i = 4; i < 8; i++)
		KUNIT_EXPECT_EQ(test, quarry_buddy_free(f->buddy, i, 0), 0);
	buddy_expect_whole(f);
}

/* With one block out, the free ones are exactly the buddies on the way up. */
static void expect_buddies_of(struct fixture *f, unsigned long offset, unsigned int order)
{
	struct free_blocks free;
	unsigned int k, i;

	KUNIT_ASSERT_EQ_MSG(f->test, quarry_buddy_alloc_at(f->buddy, offset, order), 0,
			    "offset %lu order %u", offset, order);
	collect(f, &free);
	KUNIT_ASSERT_EQ(f->test, free.nr, f->max_order - order);
	for (i = 0; i < free.nr; i++) {
		k = order + i;
		KUNIT_EXPECT_EQ(f->test, free.block[i].order, k);
		KUNIT_EXPECT_EQ_MSG(f->test, free.block[i].offset,
				    ALIGN_DOWN(offset, 1UL << k) ^ (1UL << k),
				    "buddy at order %u of offset %lu", k, offset);
	}
	KUNIT_EXPECT_EQ(f->test, quarry_buddy_free(f->buddy, offset, order), 0);
}

/* Knuth's example: 1 MiB in units of 64 bytes, blocks of 15 orders. */
static void textbook_mebibyte(struct kunit *test)
{
	struct fixture *f = fixture_make(test, SZ_1M / 64, 14);
	unsigned long offset;
	unsigned int order;
	int i;

	quarry_test_seed(test, &f->rnd);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free(f->buddy, 14), 1UL);
	for (order = 0; order <= 14; order++) {
		expect_buddies_of(f, 0, order);
		expect_buddies_of(f, f->nr_units - (1UL << order), order);
		for (i = 0; i < 20; i++) {
			offset = quarry_test_below(&f->rnd, f->nr_units >> order);
			expect_buddies_of(f, offset << order, order);
		}
	}
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free(f->buddy, 14), 1UL);
	buddy_expect_whole(f);
}

/* All blocks of an order, then all freed: even ones first, so that merging comes last. */
static void fill_each_order(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 4096, 12);
	unsigned int order;
	unsigned long i, nr;

	for (order = 0; order <= 12; order++) {
		nr = 4096 >> order;
		for (i = 0; i < nr; i++)
			KUNIT_ASSERT_EQ(test, quarry_buddy_alloc(f->buddy, order, false),
					(long)(i << order));
		KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 0, false), (long)-ENOSPC);
		KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free_units(f->buddy), 0UL);
		for (i = 0; i < nr; i += 2)
			KUNIT_ASSERT_EQ(test, quarry_buddy_free(f->buddy, i << order, order), 0);
		KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_nr_free(f->buddy, order), (nr + 1) / 2,
				    "order %u: nothing can merge yet", order);
		for (i = 1; i < nr; i += 2)
			KUNIT_ASSERT_EQ(test, quarry_buddy_free(f->buddy, i << order, order), 0);
		buddy_expect_whole(f);
	}
}

static void top_down(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 64, 6);

	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 0, true), 63L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 0, true), 62L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 2, true), 56L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 0, false), 60L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 0, true), 61L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 5, false), 0L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 4, true), 32L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 3, true), 48L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free_units(f->buddy), 0UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(f->buddy), 0);
}

/* The smallest block that fits is taken, even where a lower one is larger. */
static void takes_best_fit(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 64, 6);

	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(f->buddy, 16, 4), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(f->buddy, 40, 3), 0);
	/* Free: [0, 16), [32, 40), [48, 64). */
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 3, false), 32L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 3, false), 0L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 3, true), 8L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 3, true), 56L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(f->buddy), 0);
}

/* === Ranges and counts that are no powers of two === */

static const struct {
	unsigned long nr_units;
	unsigned int max_order;
} odd_ranges[] = {
	{ 1, 0 }, { 1, QUARRY_BUDDY_MAX_ORDER }, { 2, 0 }, { 3, 1 }, { 3, 5 }, { 7, 2 }, { 7, 3 },
	{ 63, 6 }, { 64, 5 }, { 65, 6 }, { 100, 4 }, { 100, 10 }, { 1000, 9 }, { 4095, 12 },
	{ 4097, 12 }, { 4097, 3 }, { 12345, 14 }, { 262145, 20 },
};

/* Free blocks of a fresh range are the binary digits of its length. */
static void odd_ranges_start_whole(struct kunit *test)
{
	struct fixture *f;
	unsigned long digits;
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(odd_ranges); i++) {
		f = fixture_make(test, odd_ranges[i].nr_units, odd_ranges[i].max_order);
		buddy_expect_whole(f);
		for (k = 0; k < f->max_order; k++) {
			digits = (f->nr_units >> k) & 1;
			KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_nr_free(f->buddy, k), digits,
					    "%lu units, order %u", f->nr_units, k);
		}
		KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free(f->buddy, k), f->nr_units >> k);
	}
}

/* Each unit of an odd range can be had exactly once, and all merge again. */
static void odd_ranges_unit_by_unit(struct kunit *test)
{
	struct fixture *f;
	unsigned long n;
	unsigned int i;
	long got;

	for (i = 0; i < ARRAY_SIZE(odd_ranges); i++) {
		f = fixture_make(test, odd_ranges[i].nr_units, odd_ranges[i].max_order);
		for (n = 0; n < f->nr_units; n++) {
			got = quarry_buddy_alloc(f->buddy, 0, n & 1);
			if (got < 0 || got >= f->nr_units || f->units[got]) {
				KUNIT_FAIL(test, "%lu units: number %lu was %ld", f->nr_units, n,
					   got);
				return;
			}
			f->units[got] = 1;
		}
		KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(f->buddy, 0, false), (long)-ENOSPC);
		KUNIT_EXPECT_EQ(test, quarry_buddy_free(f->buddy, f->nr_units, 0), -EINVAL);
		for (n = 0; n < f->nr_units; n++)
			KUNIT_ASSERT_EQ(test, quarry_buddy_free(f->buddy, n, 0), 0);
		buddy_expect_whole(f);
	}
}

/* A count costs the count: the tail can be had by others. */
static void counts_cost_the_count(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 64, 6);
	unsigned long count;
	long at;

	for (count = 1; count <= 64; count++) {
		at = quarry_buddy_alloc_count(f->buddy, count);
		KUNIT_ASSERT_EQ_MSG(test, at, 0L, "count %lu", count);
		KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_nr_free_units(f->buddy), 64 - count,
				    "count %lu", count);
		KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_verify(f->buddy), 0, "count %lu", count);
		at = quarry_buddy_alloc_count(f->buddy, 1);
		if (count < 64) {
			KUNIT_EXPECT_GE_MSG(test, at, (long)count, "count %lu", count);
			KUNIT_EXPECT_EQ(test, quarry_buddy_free_count(f->buddy, at, 1), 0);
		} else {
			KUNIT_EXPECT_EQ(test, at, (long)-ENOSPC);
		}
		KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_free_count(f->buddy, 0, count), 0,
				    "count %lu", count);
		buddy_expect_whole(f);
	}
}

/* The first unit is as asked, and nothing but the count is used. */
static void counts_are_aligned(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 200, 7);
	unsigned int align, order;
	unsigned long count;
	long at;

	/* [0, 3) is in the way: the lowest place is the first multiple above. */
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(f->buddy, 0, 3), 0);
	for (align = 0; align <= 6; align++) {
		for (count = 1; count <= 64; count++) {
			order = max_t(unsigned int, align, order_base_2(count));
			at = quarry_buddy_alloc_aligned(f->buddy, count, align);
			KUNIT_EXPECT_TRUE_MSG(test, at > 0 && IS_ALIGNED(at, 1UL << order),
					      "%lu units, order %u: %ld", count, align, at);
			KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_nr_free_units(f->buddy),
					    197 - count, "%lu units, order %u", count, align);
			KUNIT_EXPECT_EQ(test, quarry_buddy_verify(f->buddy), 0);
			KUNIT_ASSERT_EQ(test, quarry_buddy_free_count(f->buddy, at, count), 0);
		}
	}
	/* One after the other, each in a block of its own; the tails are for others. */
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_aligned(f->buddy, 5, 6), 64L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_aligned(f->buddy, 5, 6), 128L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_aligned(f->buddy, 5, 6), (long)-ENOSPC);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_aligned(f->buddy, 3, 5), 32L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free_units(f->buddy), 200UL - 3 - 5 - 5 - 3);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_at(f->buddy, 69, 0), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(f->buddy), 0);
}

static void reserve_any_interval(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 50, 4);
	unsigned long lo, hi, unit, start;

	for (lo = 0; lo < 50; lo++) {
		for (hi = lo + 1; hi <= 50; hi++) {
			KUNIT_ASSERT_EQ_MSG(test, quarry_buddy_reserve(f->buddy, lo, hi - lo), 0,
					    "[%lu, %lu)", lo, hi);
			KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free_units(f->buddy), 50 - hi + lo);
			for (unit = 0; unit < 50; unit++)
				KUNIT_EXPECT_EQ_MSG(test,
						    quarry_buddy_block_of(f->buddy, unit, &start) >=
						    0, unit >= lo && unit < hi,
						    "unit %lu of [%lu, %lu)", unit, lo, hi);
			KUNIT_EXPECT_EQ(test, quarry_buddy_reserve(f->buddy, lo, 1), -EBUSY);
			KUNIT_EXPECT_EQ(test, quarry_buddy_reserve(f->buddy, hi - 1, 1), -EBUSY);
			KUNIT_ASSERT_EQ_MSG(test, quarry_buddy_free_count(f->buddy, lo, hi - lo), 0,
					    "[%lu, %lu)", lo, hi);
		}
	}
	buddy_expect_whole(f);
}

static void block_of_every_unit(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 32, 5);
	unsigned long unit, start = 0;

	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(f->buddy, 8, 3), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(f->buddy, 18, 1), 0);
	for (unit = 0; unit < 32; unit++) {
		if (unit >= 8 && unit < 16) {
			KUNIT_EXPECT_EQ(test, quarry_buddy_block_of(f->buddy, unit, &start), 3);
			KUNIT_EXPECT_EQ(test, start, 8UL);
		} else if (unit == 18 || unit == 19) {
			KUNIT_EXPECT_EQ(test, quarry_buddy_block_of(f->buddy, unit, &start), 1);
			KUNIT_EXPECT_EQ(test, start, 18UL);
		} else {
			KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_block_of(f->buddy, unit, &start),
					    -ENOENT, "unit %lu is free", unit);
		}
	}
	KUNIT_EXPECT_EQ(test, quarry_buddy_block_of(f->buddy, 32, &start), -EINVAL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_block_of(f->buddy, ULONG_MAX, &start), -EINVAL);
}

/* === Errors change nothing === */

void buddy_fixture_counts(struct fixture *f, struct counts *counts)
{
	unsigned int k;

	memset(counts, 0, sizeof(*counts));
	counts->clean = quarry_buddy_nr_clean_units(f->buddy);
	counts->units = quarry_buddy_nr_free_units(f->buddy);
	for (k = 0; k <= f->max_order; k++)
		counts->nr[k] = quarry_buddy_nr_free(f->buddy, k);
}

static void bad_ranges_are_refused(struct kunit *test)
{
	struct quarry_buddy *buddy = quarry_test_array(test, 1, quarry_buddy_struct_size(0));
	unsigned long state[4];

	KUNIT_EXPECT_EQ(test, quarry_buddy_init_state(buddy, 0, 0, state), -EINVAL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_init_state(buddy, 1, QUARRY_BUDDY_MAX_ORDER + 1, state),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(quarry_buddy_create(0, 0)), (long)-EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(quarry_buddy_create(1, QUARRY_BUDDY_MAX_ORDER + 1)),
			(long)-EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(quarry_buddy_create(QUARRY_BUDDY_MAX_UNITS + 1, 0)),
			(long)-EINVAL);
	quarry_buddy_destroy(NULL);
	quarry_buddy_destroy(ERR_PTR(-EINVAL));

	buddy = quarry_buddy_create(1000, 10);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(buddy));
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_free_units(buddy), 1000UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(buddy), 0);
	quarry_buddy_destroy(buddy);
}

/* [0, 20) of 50 units is taken: blocks (0, 4) and (16, 2). */
static struct fixture *fixture_partly_taken(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 50, 4);

	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(f->buddy, 0, 4), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(f->buddy, 16, 2), 0);
	return f;
}

static void refused_alloc_changes_nothing(struct kunit *test)
{
	struct fixture *f = fixture_partly_taken(test);
	struct quarry_buddy *b = f->buddy;

	EXPECT_REFUSED(f, quarry_buddy_alloc(b, 5, false), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc(b, UINT_MAX, true), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_count(b, 0), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_count(b, 17), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_count(b, ULONG_MAX), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_aligned(b, 0, 2), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_aligned(b, 17, 2), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_aligned(b, 3, 5), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_aligned(b, 3, UINT_MAX), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_at(b, 0, 5), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_at(b, 0, UINT_MAX), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_at(b, 33, 1), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_at(b, 50, 0), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_at(b, 48, 2), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_at(b, 1UL << 63, 0), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_alloc_at(b, 3, 0), -EBUSY);
	EXPECT_REFUSED(f, quarry_buddy_alloc_at(b, 16, 2), -EBUSY);
	EXPECT_REFUSED(f, quarry_buddy_alloc_at(b, 16, 4), -EBUSY);

	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc(b, 4, false), 32L);
	EXPECT_REFUSED(f, quarry_buddy_alloc(b, 4, false), -ENOSPC);
	EXPECT_REFUSED(f, quarry_buddy_alloc(b, 4, true), -ENOSPC);
	EXPECT_REFUSED(f, quarry_buddy_alloc_count(b, 9), -ENOSPC);
}

static void refused_reserve_changes_nothing(struct kunit *test)
{
	struct fixture *f = fixture_partly_taken(test);
	struct quarry_buddy *b = f->buddy;

	EXPECT_REFUSED(f, quarry_buddy_reserve(b, 30, 0), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_reserve(b, 50, 1), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_reserve(b, 49, 2), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_reserve(b, 49, ULONG_MAX), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_reserve(b, 0, 1), -EBUSY);
	EXPECT_REFUSED(f, quarry_buddy_reserve(b, 0, 50), -EBUSY);
	EXPECT_REFUSED(f, quarry_buddy_reserve(b, 19, 31), -EBUSY);
	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(b, 49, 0), 0);
	EXPECT_REFUSED(f, quarry_buddy_reserve(b, 20, 30), -EBUSY);
}

static void refused_free_changes_nothing(struct kunit *test)
{
	struct fixture *f = fixture_partly_taken(test);
	struct quarry_buddy *b = f->buddy;

	EXPECT_REFUSED(f, quarry_buddy_free(b, 0, 5), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 0, UINT_MAX), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 0, 3), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 0, 0), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 8, 3), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 5, 0), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 16, 3), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 16, 1), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 20, 2), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 50, 0), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 48, 2), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 1UL << 63, 0), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free_count(b, 0, 0), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free_count(b, 0, 21), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free_count(b, 0, 15), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free_count(b, 16, ULONG_MAX), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free_count(b, 49, 2), -EINVAL);

	KUNIT_EXPECT_EQ(test, quarry_buddy_free(b, 16, 2), 0);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 16, 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free(b, 0, 4), 0);
	EXPECT_REFUSED(f, quarry_buddy_free(b, 0, 4), -EINVAL);
	buddy_expect_whole(f);
}

static int stop_at_third(unsigned long offset, unsigned int order, void *arg)
{
	return ++*(int *)arg == 3 ? -EINTR : 0;
}

static void walk_is_ordered_and_stops(struct kunit *test)
{
	struct fixture *f = fixture_partly_taken(test);
	struct free_blocks free;
	unsigned int i;
	int nr = 0;

	collect(f, &free);
	KUNIT_EXPECT_EQ(test, free.nr, 4U);
	for (i = 1; i < free.nr; i++)
		KUNIT_EXPECT_TRUE_MSG(test, free.block[i - 1].order < free.block[i].order ||
				      (free.block[i - 1].order == free.block[i].order &&
				       free.block[i - 1].offset < free.block[i].offset),
				      "block %u", i);
	KUNIT_EXPECT_EQ(test, quarry_buddy_walk(f->buddy, stop_at_third, &nr), -EINTR);
	KUNIT_EXPECT_EQ(test, nr, 3);
}

static struct kunit_case buddy_cases[] = {
	KUNIT_CASE(split_and_merge),
	KUNIT_CASE(merges_with_buddy_only),
	KUNIT_CASE(textbook_mebibyte),
	KUNIT_CASE(fill_each_order),
	KUNIT_CASE(top_down),
	KUNIT_CASE(takes_best_fit),
	KUNIT_CASE(odd_ranges_start_whole),
	KUNIT_CASE(odd_ranges_unit_by_unit),
	KUNIT_CASE(counts_cost_the_count),
	KUNIT_CASE(counts_are_aligned),
	KUNIT_CASE(reserve_any_interval),
	KUNIT_CASE(block_of_every_unit),
	KUNIT_CASE(bad_ranges_are_refused),
	KUNIT_CASE(refused_alloc_changes_nothing),
	KUNIT_CASE(refused_reserve_changes_nothing),
	KUNIT_CASE(refused_free_changes_nothing),
	KUNIT_CASE(walk_is_ordered_and_stops),
	KUNIT_CASE(buddy_many_is_one_by_one),
	KUNIT_CASE(buddy_alloc_in_part),
	KUNIT_CASE(buddy_alloc_in_every_part),
	KUNIT_CASE(buddy_count_in_part),
	KUNIT_CASE(buddy_counts_join),
	KUNIT_CASE(buddy_lists),
	KUNIT_CASE(buddy_tells_each),
	KUNIT_CASE(buddy_refused_part),
	KUNIT_CASE(buddy_refused_list),
	KUNIT_CASE(buddy_trims),
	KUNIT_CASE(buddy_refused_trim),
	KUNIT_CASE(buddy_walks_allocated),
	KUNIT_CASE(buddy_fragmentation),
	KUNIT_CASE(buddy_clean_is_preferred),
	KUNIT_CASE(buddy_clean_is_spared),
	KUNIT_CASE(buddy_clean_survives_merging),
	KUNIT_CASE(buddy_clean_is_forgotten),
	KUNIT_CASE(buddy_clean_reset),
	KUNIT_CASE(buddy_clean_lists),
	KUNIT_CASE(buddy_refused_clean),
	KUNIT_CASE(buddy_state_size),
	KUNIT_CASE(buddy_random_against_model),
	{}
};

struct kunit_suite quarry_buddy_suite = {
	.name = "quarry_buddy",
	.test_cases = buddy_cases,
};
