/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Suite quarry_arena_shared: cases that are in files of their own.
 */
#ifndef _QUARRY_KUNIT_ARENA_SHARED_H
#define _QUARRY_KUNIT_ARENA_SHARED_H

#include <kunit/test.h>
#include <quarry/arena_shared.h>

/* arena_shared_kunit.c: destroyed before its heap when the case ends, without a report. */
struct quarry_arena_shared *quarry_test_shared(struct kunit *test, struct quarry_heap *heap,
					       const struct quarry_arena_params *params);
void quarry_test_shared_done(struct kunit *test, struct quarry_arena_shared *arena);

/* arena_shared_storm_kunit.c */
void shared_in_each_context(struct kunit *test);
void shared_storm(struct kunit *test);
void shared_storm_of_small_chunks(struct kunit *test);
void shared_storm_at_the_limit(struct kunit *test);

#endif /* _QUARRY_KUNIT_ARENA_SHARED_H */
