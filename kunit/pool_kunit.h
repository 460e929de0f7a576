/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites of pools share; in pool_kunit.c.
 */
#ifndef _QUARRY_KUNIT_POOL_H
#define _QUARRY_KUNIT_POOL_H

#include "helpers.h"

struct quarry_pool_stats quarry_test_pool_stats(struct quarry_pool *pool);

/* Takes @nr objects, each filled with a pattern of its own. */
void quarry_test_take_all(struct kunit *test, struct quarry_pool *pool, void **objs,
			  unsigned int nr, size_t size);
/* None overlaps another one, or it would not have its pattern. */
void quarry_test_check_all(struct kunit *test, void **objs, unsigned int nr, size_t size);
void quarry_test_give_all(struct quarry_pool *pool, void **objs, unsigned int nr);
/* Takes @nr, which is all that it may grow to, and gives all back. */
void quarry_test_grow_fully(struct kunit *test, struct quarry_pool *pool, void **objs,
			    unsigned int nr);

#endif /* _QUARRY_KUNIT_POOL_H */
