/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Suite quarry_buddy: what its files share.  Every case works on struct fixture,
 * whose state memory belongs to the test, so that "nothing changed" can be checked
 * to the bit.
 */
#ifndef _QUARRY_BUDDY_KUNIT_H
#define _QUARRY_BUDDY_KUNIT_H

#include <linux/align.h>
#include <linux/log2.h>
#include <quarry/buddy.h>
#include "helpers.h"

/* A unit in the model: free, inside a block, or 1 + order at a block's start. */
#define MODEL_FREE	0
#define MODEL_INSIDE	0xff

#define NR_REMEMBERED	64
#define NR_LIST		32

struct interval {
	unsigned long offset;
	unsigned long count;
};

struct fixture {
	struct kunit *test;
	struct quarry_buddy *buddy;
	void *state;
	void *snapshot;			/* copy of @state, which has that of clean space too */
	size_t state_size;
	unsigned long nr_units;
	unsigned int max_order;
	unsigned int clean_order;	/* 0: not tracked */
	/* the model */
	u8 *units;
	u8 *clean;			/* granules */
	unsigned long nr_free;
	/* intervals taken by count, to free some of them by count */
	struct interval taken[NR_REMEMBERED];
	struct quarry_buddy_block list[NR_LIST];
	struct rnd_state rnd;
	u64 seed;
	unsigned long step;
};

/* A fresh range; with @clean_order it tracks clean space. */
struct fixture *buddy_fixture(struct kunit *test, unsigned long nr_units, unsigned int max_order,
			      unsigned int clean_order);

static inline struct fixture *fixture_make(struct kunit *test, unsigned long nr_units,
					   unsigned int max_order)
{
	return buddy_fixture(test, nr_units, max_order, 0);
}

/* All is free and in order. */
void buddy_expect_whole(struct fixture *f);

/* What must be the same after a refused call as before. */
struct counts {
	unsigned long units;
	unsigned long clean;
	unsigned long nr[QUARRY_BUDDY_MAX_ORDER + 1];
};

void buddy_fixture_counts(struct fixture *f, struct counts *counts);

#define EXPECT_REFUSED(range, call, error)					\
do {										\
	struct fixture *_f = (range);						\
	struct counts _before, _after;						\
										\
	buddy_fixture_counts(_f, &_before);						\
	memcpy(_f->snapshot, _f->state, _f->state_size);			\
	KUNIT_EXPECT_EQ_MSG(_f->test, (long)(call), (long)(error), #call);	\
	buddy_fixture_counts(_f, &_after);						\
	KUNIT_EXPECT_MEMEQ_MSG(_f->test, &_before, &_after, sizeof(_before),	\
			       "counts after " #call);				\
	KUNIT_EXPECT_EQ_MSG(_f->test, memcmp(_f->snapshot, _f->state, _f->state_size), \
			    0, "state after " #call);				\
	KUNIT_EXPECT_EQ_MSG(_f->test, quarry_buddy_verify(_f->buddy), 0, #call);	\
} while (0)

/* buddy_range_kunit.c */
void buddy_many_is_one_by_one(struct kunit *test);
void buddy_alloc_in_part(struct kunit *test);
void buddy_alloc_in_every_part(struct kunit *test);
void buddy_count_in_part(struct kunit *test);
void buddy_counts_join(struct kunit *test);
void buddy_lists(struct kunit *test);
void buddy_tells_each(struct kunit *test);
void buddy_refused_part(struct kunit *test);
void buddy_refused_list(struct kunit *test);
void buddy_trims(struct kunit *test);
void buddy_refused_trim(struct kunit *test);
void buddy_walks_allocated(struct kunit *test);
void buddy_fragmentation(struct kunit *test);

/* buddy_clean_kunit.c */
void buddy_clean_is_preferred(struct kunit *test);
void buddy_clean_is_spared(struct kunit *test);
void buddy_clean_survives_merging(struct kunit *test);
void buddy_clean_is_forgotten(struct kunit *test);
void buddy_clean_reset(struct kunit *test);
void buddy_clean_lists(struct kunit *test);
void buddy_refused_clean(struct kunit *test);
void buddy_state_size(struct kunit *test);

/* buddy_model_kunit.c */
void buddy_random_against_model(struct kunit *test);

#endif /* _QUARRY_BUDDY_KUNIT_H */
