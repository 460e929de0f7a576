// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_buddy: clean space, and the size of all state.
 */
#include <linux/err.h>
#include "buddy_kunit.h"

#define IN(from, to, how) \
	(&(struct quarry_buddy_where){ .lo = (from), .hi = (to), .flags = (how) })

#define CLEAN	QUARRY_BUDDY_CLEAN
#define DOWN	QUARRY_BUDDY_TOP_DOWN

/* [offset, offset + count) is taken and comes back zeroed. */
static void make_clean(struct fixture *f, unsigned long offset, unsigned long count)
{
	KUNIT_ASSERT_EQ(f->test, quarry_buddy_reserve(f->buddy, offset, count), 0);
	KUNIT_ASSERT_EQ(f->test, quarry_buddy_free_count_clean(f->buddy, offset, count), 0);
	KUNIT_ASSERT_EQ(f->test, quarry_buddy_verify(f->buddy), 0);
}

void buddy_clean_is_preferred(struct kunit *test)
{
	struct fixture *f = buddy_fixture(test, 128, 7, 2);
	struct quarry_buddy *b = f->buddy;
	bool clean;

	make_clean(f, 32, 16);
	make_clean(f, 80, 4);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 20UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 2, NULL, &clean), 0L);
	KUNIT_EXPECT_FALSE(test, clean);
	/* The smallest clean piece that fits, either way. */
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 2, IN(0, 128, CLEAN), &clean), 80L);
	KUNIT_EXPECT_TRUE(test, clean);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 2, IN(0, 128, CLEAN | DOWN), &clean), 44L);
	KUNIT_EXPECT_TRUE(test, clean);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 2, IN(37, 128, CLEAN), &clean), 40L);
	KUNIT_EXPECT_TRUE(test, clean);
	/* Less than a granule; what is left of that is not known any more. */
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 0, IN(37, 128, CLEAN), &clean), 37L);
	KUNIT_EXPECT_TRUE(test, clean);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 4UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_count_in(b, 3, IN(0, 128, CLEAN), &clean), 32L);
	KUNIT_EXPECT_TRUE(test, clean);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 0UL);
	KUNIT_EXPECT_GE(test, quarry_buddy_alloc_in(b, 0, IN(0, 128, CLEAN), &clean), 0L);
	KUNIT_EXPECT_FALSE(test, clean);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);
}

/* Who does not ask for clean space gets it last, and finds out in few steps. */
void buddy_clean_is_spared(struct kunit *test)
{
	struct fixture *f = buddy_fixture(test, 128, 7, 2);
	struct quarry_buddy *b = f->buddy;
	unsigned long i;

	for (i = 0; i < 128; i += 8)
		KUNIT_ASSERT_EQ(test, quarry_buddy_alloc(b, 3, false), (long)i);
	KUNIT_ASSERT_EQ(test, quarry_buddy_free_clean(b, 0, 3), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_free_clean(b, 32, 3), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_free(b, 64, 3), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_free(b, 96, 3), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_free(b, 104, 3), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(b, 2, false), 64L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_count(b, 3), 68L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 1, IN(0, 128, DOWN), NULL), 110L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 16UL);
	/* A larger dirty block goes before a clean one that fits. */
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(b, 3, false), 96L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 16UL);
	/* There is nothing else of this order. */
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc(b, 3, true), 32L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 8UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);

	/* The search gives up after 16 places: the lowest then. */
	f = buddy_fixture(test, 128, 2, 2);
	b = f->buddy;
	for (i = 0; i < 128; i += 4)
		KUNIT_ASSERT_EQ(test, quarry_buddy_alloc(b, 2, false), (long)i);
	for (i = 0; i < 128; i += 4)
		KUNIT_ASSERT_EQ(test, i == 60 || i == 64 ? quarry_buddy_free(b, i, 2) :
				quarry_buddy_free_clean(b, i, 2), 0);
	KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_alloc(b, 2, false), 60L, "the 16th place");
	KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_alloc(b, 2, false), 64L, "the 16th again");
	KUNIT_ASSERT_EQ(test, quarry_buddy_free(b, 64, 2), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_free_clean(b, 60, 2), 0);
	KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_alloc(b, 2, false), 0L, "64 is the 17th now");
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);
}

/* A clean and a dirty buddy merge, and the clean half is still found. */
void buddy_clean_survives_merging(struct kunit *test)
{
	struct fixture *f = buddy_fixture(test, 1024, 10, 2);
	struct quarry_buddy *b = f->buddy;
	unsigned int k;
	bool clean;

	for (k = 2; k < 10; k++) {
		KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_at(b, 1UL << k, k), 0);
		KUNIT_ASSERT_EQ(test, quarry_buddy_free_clean(b, 1UL << k, k), 0);
		KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_largest_order(b), 10, "order %u", k);
	}
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 1020UL);
	make_clean(f, 0, 4);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 10, IN(0, 1024, CLEAN), &clean), 0L);
	KUNIT_EXPECT_TRUE_MSG(test, clean, "clean pieces merge too");
	KUNIT_EXPECT_EQ(test, quarry_buddy_free(b, 0, 10), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 0UL);
	buddy_expect_whole(f);
}

/* A block that is clean in parts is not clean, and what was known of them is gone. */
void buddy_clean_is_forgotten(struct kunit *test)
{
	struct fixture *f = buddy_fixture(test, 1022, 10, 2);
	struct quarry_buddy *b = f->buddy;
	unsigned long i;
	bool clean;

	for (i = 0; i < 512; i += 8)
		make_clean(f, i, 4);
	make_clean(f, 512, 64);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 320UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(b, 8, IN(128, 512, 0), &clean), 256L);
	KUNIT_EXPECT_FALSE(test, clean);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 320UL - 128);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free(b, 256, 8), 0);
	KUNIT_EXPECT_EQ_MSG(test, quarry_buddy_nr_clean_units(b), 320UL - 128,
			    "a free that says nothing adds nothing");
	/* Unaligned: whole granules only, and the last two units are no granule. */
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 1005, 17), 0);
	KUNIT_ASSERT_EQ(test, quarry_buddy_free_count_clean(b, 1005, 17), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 320UL - 128 + 12);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_count_in(b, 2, IN(1020, 1022, CLEAN), &clean),
			1020L);
	KUNIT_EXPECT_FALSE(test, clean);
	/* What trimming gives back. */
	KUNIT_ASSERT_EQ(test, quarry_buddy_alloc_in(b, 4, IN(768, 784, 0), &clean), 768L);
	KUNIT_ASSERT_EQ(test, quarry_buddy_trim(b, 768, 16, 774, 3, true), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 320UL - 128 + 12 + 4 + 4);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);
}

void buddy_clean_reset(struct kunit *test)
{
	struct fixture *f = buddy_fixture(test, 1000, 9, 3);
	struct quarry_buddy *b = f->buddy;

	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 13, 100), 0);
	quarry_buddy_reset_clean(b, true);
	/* Granules are 8 units: [0, 8) and [120, 1000) are free as a whole. */
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 8UL + 880);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);
	quarry_buddy_reset_clean(b, false);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 0UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);

	/* Without tracking all of it does nothing. */
	f = fixture_make(test, 64, 6);
	quarry_buddy_reset_clean(f->buddy, true);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(f->buddy), 0UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_alloc_in(f->buddy, 6, IN(0, 64, CLEAN), NULL), 0L);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_clean(f->buddy, 0, 6), 0);
	buddy_expect_whole(f);
}

/* Clean pieces of any size come first; one that fails changes no bit. */
void buddy_clean_lists(struct kunit *test)
{
	struct fixture *f = buddy_fixture(test, 128, 7, 2);
	struct quarry_buddy *b = f->buddy;
	int nr;

	make_clean(f, 16, 8);
	make_clean(f, 40, 4);
	KUNIT_ASSERT_EQ(test, quarry_buddy_reserve(b, 64, 64), 0);
	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 33, 0, IN(0, 128, CLEAN), f->list, 4), -E2BIG);
	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 15, 0, IN(0, 64, CLEAN), f->list, 2), -E2BIG);
	EXPECT_REFUSED(f, quarry_buddy_alloc_list(b, 47, 0, IN(17, 63, CLEAN), f->list, NR_LIST),
		       -ENOSPC);
	nr = quarry_buddy_alloc_list(b, 20, 1, IN(0, 128, CLEAN), f->list, NR_LIST);
	KUNIT_ASSERT_EQ(test, nr, 3);
	KUNIT_EXPECT_EQ(test, f->list[0].offset, 16UL);
	KUNIT_EXPECT_EQ(test, f->list[0].order, 3U);
	KUNIT_EXPECT_TRUE(test, f->list[0].clean);
	KUNIT_EXPECT_EQ(test, f->list[1].offset, 40UL);
	KUNIT_EXPECT_TRUE(test, f->list[1].clean);
	KUNIT_EXPECT_EQ(test, f->list[2].order, 3U);
	KUNIT_EXPECT_FALSE(test, f->list[2].clean);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 0UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_free_list(b, f->list, nr, true), 0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 20UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);
}

void buddy_refused_clean(struct kunit *test)
{
	struct fixture *f = fixture_make(test, 50, 4);
	struct quarry_buddy *b = f->buddy;
	void *mem = quarry_test_array(test, 1, quarry_buddy_clean_size(50, 4, 2));

	KUNIT_EXPECT_EQ(test, quarry_buddy_clean_size(50, 4, 1), (size_t)0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_clean_size(50, 4, 5), (size_t)0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_clean_size(3, 4, 2), (size_t)0);
	KUNIT_EXPECT_EQ(test, quarry_buddy_clean_size(0, 4, 2), (size_t)0);
	EXPECT_REFUSED(f, quarry_buddy_track_clean(b, 1, mem), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_track_clean(b, 5, mem), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_track_clean(b, UINT_MAX, mem), -EINVAL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_track_clean(b, 2, mem), 0);
	EXPECT_REFUSED(f, quarry_buddy_track_clean(b, 2, mem), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free_clean(b, 0, 2), -EINVAL);
	EXPECT_REFUSED(f, quarry_buddy_free_count_clean(b, 0, 50), -EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(quarry_buddy_create_clean(50, 4, 1)), (long)-EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(quarry_buddy_create_clean(50, 31, 2)), (long)-EINVAL);

	b = quarry_buddy_create_clean(1000, 10, 2);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(b));
	quarry_buddy_reset_clean(b, true);
	KUNIT_EXPECT_EQ(test, quarry_buddy_nr_clean_units(b), 1000UL);
	KUNIT_EXPECT_EQ(test, quarry_buddy_verify(b), 0);
	quarry_buddy_destroy(b);
}

/* 3 bits per unit are the limit for everything: bitmaps, summaries, struct. */
void buddy_state_size(struct kunit *test)
{
	size_t state, clean, head;
	unsigned int order;

	for (order = 3; order <= QUARRY_BUDDY_MAX_ORDER; order++) {
		unsigned long n = 1UL << order;

		state = 8 * quarry_buddy_state_size(n, order);
		clean = 8 * quarry_buddy_clean_size(n, order, QUARRY_BUDDY_MIN_CLEAN_ORDER);
		head = 8 * quarry_buddy_struct_size(order);
		/* As the header says: so much per unit, and rounding up to words. */
		KUNIT_EXPECT_LE_MSG(test, state, n * 204 / 100 + 4 * 64 * (order + 1),
				    "order %u", order);
		KUNIT_EXPECT_LE_MSG(test, clean, n * 51 / 100 + (4 * 64 + 320) * (order + 1),
				    "order %u", order);
		if (order < 15)
			continue;
		KUNIT_EXPECT_LE_MSG(test, state + clean + head, 3 * n, "order %u", order);
		KUNIT_EXPECT_LE_MSG(test, state + head, n * 24 / 10, "order %u", order);
	}
}
