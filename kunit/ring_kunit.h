/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Suite quarry_ring: cases of ring_model_kunit.c and ring_storm_kunit.c.
 */
#ifndef _QUARRY_KUNIT_RING_H
#define _QUARRY_KUNIT_RING_H

struct kunit;

void ring_random_refusing(struct kunit *test);
void ring_random_overwriting(struct kunit *test);
void ring_random_beyond_32_gib(struct kunit *test);
void ring_storm_refusing(struct kunit *test);
void ring_storm_overwriting(struct kunit *test);
void ring_storm_long(struct kunit *test);

#endif /* _QUARRY_KUNIT_RING_H */
