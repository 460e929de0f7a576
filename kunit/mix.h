/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A mix of everything that one heap gives out, exchanged between users in any
 * context: what a user frees was mostly allocated by another one.
 */
#ifndef _QUARRY_KUNIT_MIX_H
#define _QUARRY_KUNIT_MIX_H

#include <linux/atomic.h>
#include "helpers.h"

#define QUARRY_MIX_SLOTS	512

enum quarry_mix_source {
	QUARRY_MIX_SMALL,	/* a cache of 56 bytes */
	QUARRY_MIX_LARGE,	/* a cache of 2000 bytes without pointers */
	QUARRY_MIX_SIZES,
	QUARRY_MIX_DATA,
	QUARRY_MIX_PAGES,
	QUARRY_MIX_NR_SOURCES,
};

#define QUARRY_MIX_ALL	(BIT(QUARRY_MIX_NR_SOURCES) - 1)

struct quarry_mix_object;

struct quarry_mix {
	struct quarry_heap *heap;
	struct quarry_cache *small;
	struct quarry_cache *large;
	unsigned int sources;				/* bit per source in use */
	struct quarry_mix_object *slots[QUARRY_MIX_SLOTS];	/* by xchg() */
	atomic_long_t nr_remote;			/* freed by another user */
	atomic_long_t nr_refused;			/* allocations in atomic context */
};

/* One who takes and frees, at one time in one context. */
struct quarry_mix_user {
	struct quarry_mix *mix;
	unsigned int id;
	struct rnd_state rnd;
	unsigned long nr_steps;
	const char *wrong;		/* the first thing that went wrong, or NULL */
	unsigned long where;
};

/* In memory of the test; the caches go when the case ends or by _done(). */
struct quarry_mix *quarry_mix_make(struct kunit *test, struct quarry_heap *heap,
				   unsigned int sources);
/* Nobody uses it any more: check and free what is in the slots, destroy the caches. */
void quarry_mix_done(struct kunit *test, struct quarry_mix *mix);

void quarry_mix_user_init(struct quarry_mix_user *user, struct quarry_mix *mix, unsigned int id,
			  u64 seed);
/*
 * Put a new object, or none, into a slot; check and free what was there.  In atomic
 * context, where @gfp does not allow to sleep, what is large is left to others, and
 * an allocation may be refused.  Any context but NMI.
 */
void quarry_mix_step(struct quarry_mix_user *user, gfp_t gfp);
/*
 * @nr times two objects of the small cache and back, with next to nothing in between: the
 * user is inside of a section of the inline paths as much of the time as can be.
 */
void quarry_mix_pairs(struct quarry_mix_user *user, unsigned int nr, gfp_t gfp);
/* A worker that takes steps until it is stopped; its arg is the mix. */
void quarry_mix_work(struct quarry_test_worker *worker);
void quarry_mix_user_expect(struct kunit *test, const struct quarry_mix_user *user);

#endif /* _QUARRY_KUNIT_MIX_H */
