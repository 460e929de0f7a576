/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites share: seeds, patterns, heaps that check themselves when
 * the case ends, expected reports, kthreads bound to CPUs.
 */
#ifndef _QUARRY_KUNIT_HELPERS_H
#define _QUARRY_KUNIT_HELPERS_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/kconfig.h>
#include <linux/limits.h>
#include <linux/prandom.h>
#include <quarry/arena.h>
#include <quarry/cache.h>
#include <quarry/heap.h>
#include <quarry/pool.h>
#include <quarry/ring.h>
#include "../src/report.h"

struct task_struct;

/* Loops are this much shorter where a checker makes each step slow. */
#if IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_KCSAN)
#define QUARRY_TEST_SLOWER	8
#else
#define QUARRY_TEST_SLOWER	1
#endif

#define QUARRY_TEST_LOOPS(n)	((n) / QUARRY_TEST_SLOWER)

/* One listing of all suites is in main.c. */
extern struct kunit_suite quarry_buddy_suite;
extern struct kunit_suite quarry_pages_suite;
extern struct kunit_suite quarry_place_suite;
extern struct kunit_suite quarry_backing_suite;
extern struct kunit_suite quarry_numa_suite;
extern struct kunit_suite quarry_pagemap_suite;
extern struct kunit_suite quarry_stray_suite;
extern struct kunit_suite quarry_reclaim_suite;
extern struct kunit_suite quarry_cpu_area_suite;
extern struct kunit_suite quarry_magazine_suite;
extern struct kunit_suite quarry_capacity_suite;
extern struct kunit_suite quarry_slab_suite;
extern struct kunit_suite quarry_cache_suite;
extern struct kunit_suite quarry_bulk_suite;
extern struct kunit_suite quarry_rcu_suite;
extern struct kunit_suite quarry_context_suite;
extern struct kunit_suite quarry_sizeclass_suite;
extern struct kunit_suite quarry_heap_suite;
extern struct kunit_suite quarry_arena_suite;
extern struct kunit_suite quarry_arena_life_suite;
extern struct kunit_suite quarry_arena_shared_suite;
extern struct kunit_suite quarry_escape_suite;
extern struct kunit_suite quarry_arena_find_suite;
extern struct kunit_suite quarry_arena_check_suite;
extern struct kunit_suite quarry_arena_model_suite;
extern struct kunit_suite quarry_arena_fault_suite;
extern struct kunit_suite quarry_frames_suite;
extern struct kunit_suite quarry_pool_suite;
extern struct kunit_suite quarry_pool_misuse_suite;
extern struct kunit_suite quarry_pool_live_suite;
extern struct kunit_suite quarry_ring_suite;
extern struct kunit_suite quarry_stress_suite;
extern struct kunit_suite quarry_drain_suite;
extern struct kunit_suite quarry_replay_suite;
extern struct kunit_suite quarry_results_suite;
extern struct kunit_suite quarry_fault_suite;
extern struct kunit_suite quarry_pageuse_suite;
extern struct kunit_suite quarry_events_suite;
extern struct kunit_suite quarry_failure_suite;
extern struct kunit_suite quarry_knobs_suite;
extern struct kunit_suite quarry_trace_suite;
extern struct kunit_suite quarry_compat_suite;
extern struct kunit_suite quarry_hardened_suite;
extern struct kunit_suite quarry_owners_suite;
extern struct kunit_suite quarry_kasan_suite;

/*
 * .init and .exit of every suite that uses heaps: the exit fails the case if
 * the allocator printed a report that no QUARRY_EXPECT_REPORTS() asked for,
 * or if the default heap holds more than before.
 */
int quarry_test_init(struct kunit *test);
void quarry_test_exit(struct kunit *test);

/* The module parameter seed, or a random number; printed in any case. */
u64 quarry_test_seed(struct kunit *test, struct rnd_state *rnd);

/* A number below @ceil, which is at least 1. */
static inline u32 quarry_test_below(struct rnd_state *rnd, u32 ceil)
{
	return prandom_u32_state(rnd) % ceil;
}

/*
 * Fill memory with a pattern that depends on @tag and on the position, and
 * check the whole of it.  Equal lengths must be given to both.
 */
void quarry_test_fill(void *ptr, size_t len, u64 tag);
bool quarry_test_check(const void *ptr, size_t len, u64 tag);

static inline bool quarry_test_is_zero(const void *ptr, size_t len)
{
	return !memchr_inv(ptr, 0, len);
}

/*
 * A heap of a unique name.  When the case ends: nothing may be allocated,
 * quarry_heap_verify() must agree, destroying it must print no report.
 * quarry_test_heap_done() does all this at once.
 */
struct quarry_heap *quarry_test_heap(struct kunit *test);
struct quarry_heap *quarry_test_heap_params(struct kunit *test, struct quarry_heap_params params);
void quarry_test_heap_done(struct kunit *test, struct quarry_heap *heap);

/* A name that no heap has, in memory of the test. */
const char *quarry_test_name(struct kunit *test);

/*
 * Caches, arenas, pools and rings that are destroyed before their heap when the case ends,
 * which must print no report either.
 */
struct quarry_cache *quarry_test_cache(struct kunit *test, struct quarry_heap *heap, size_t size,
				       size_t align, unsigned int flags, void (*ctor)(void *obj));
void quarry_test_cache_done(struct kunit *test, struct quarry_cache *cache);
struct quarry_arena *quarry_test_arena(struct kunit *test, struct quarry_heap *heap,
				       const struct quarry_arena_params *params);
void quarry_test_arena_done(struct kunit *test, struct quarry_arena *arena);
struct quarry_pool *quarry_test_pool(struct kunit *test, struct quarry_heap *heap,
				     const struct quarry_pool_params *params);
void quarry_test_pool_done(struct kunit *test, struct quarry_pool *pool);
struct quarry_ring *quarry_test_ring(struct kunit *test, struct quarry_heap *heap,
				     const struct quarry_ring_params *params);
void quarry_test_ring_done(struct kunit *test, struct quarry_ring *ring);

/* Destroying the next one of these prints this many reports. */
void quarry_test_destroy_expect_reports(unsigned long nr);

/*
 * A page is going to be lost: then the other pages of its extent go back one by one
 * without a split_page(), of which the kernel's allocation profiling, if it checks
 * itself, complains once.
 */
void quarry_test_expect_lost_page(void);

/* Zeroed memory that is freed when the case ends; NULL ends the case. */
void *quarry_test_array(struct kunit *test, size_t n, size_t size);

/* A live run of pages and the tag of the pattern that fills it. */
struct quarry_test_run {
	void *addr;
	unsigned long nr;
	u64 tag;
};

bool quarry_test_run_alloc(struct quarry_heap *heap, struct quarry_test_run *run, unsigned long nr,
			   u64 tag);
/* Checks the whole pattern, then frees. */
void quarry_test_run_free(struct kunit *test, struct quarry_test_run *run);

struct quarry_heap_stats quarry_test_stats(struct quarry_heap *heap);

#define QUARRY_EXPECT_VERIFIED(test, heap)					\
	KUNIT_EXPECT_EQ_MSG(test, quarry_heap_verify(heap), 0,			\
			    "heap is inconsistent at %s:%d", __func__, __LINE__)

#define QUARRY_EXPECT_ALLOCATED(test, heap, bytes)				\
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(heap).allocated, (u64)(bytes), \
			    "allocated bytes at %s:%d", __func__, __LINE__)

/* Silence reports and start to count them; the number seen since. */
unsigned long quarry_test_reports_begin(void);
unsigned long quarry_test_reports_end(unsigned long begin);

/* Run @stmt, which holds no assertion; exactly @n reports must come of it. */
#define QUARRY_EXPECT_REPORTS(test, n, stmt)					\
do {										\
	unsigned long _begin = quarry_test_reports_begin();			\
										\
	stmt;									\
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_reports_end(_begin),		\
			    (unsigned long)(n), "reports of: " #stmt);		\
} while (0)

/* The same where at least one report must come. */
#define QUARRY_EXPECT_SOME_REPORTS(test, stmt)					\
do {										\
	unsigned long _begin = quarry_test_reports_begin();			\
										\
	stmt;									\
	KUNIT_EXPECT_GE_MSG(test, quarry_test_reports_end(_begin), 1UL,		\
			    "no report of: " #stmt);				\
} while (0)

/* The same for a line about a bad parameter, whose number does not matter. */
#define QUARRY_QUIETLY(stmt)							\
do {										\
	unsigned long _begin = quarry_test_reports_begin();			\
										\
	stmt;									\
	quarry_test_reports_end(_begin);					\
} while (0)

/*
 * A kthread bound to a CPU.  KUnit's assertions only work in the thread of the
 * case, so a worker notes its first failure here and goes on.
 */
struct quarry_test_worker {
	struct task_struct *task;
	struct completion started;
	void (*fn)(struct quarry_test_worker *worker);
	unsigned int id;
	unsigned int cpu;
	struct rnd_state rnd;
	void *arg;
	unsigned long nr_ops;
	unsigned long nr_failures;
	const char *what;		/* of the first failure */
	unsigned long where;		/* address or number that goes with it */
};

void quarry_test_worker_fail(struct quarry_test_worker *worker, const char *what,
			     unsigned long where);

#define QUARRY_TEST_ANY_CPU	UINT_MAX

/* Start one worker, bound to @cpu but for QUARRY_TEST_ANY_CPU; 0 or a negative errno. */
int quarry_test_worker_start(struct quarry_test_worker *worker, unsigned int id, unsigned int cpu,
			     u64 seed, void (*fn)(struct quarry_test_worker *worker), void *arg);

/* True once quarry_test_worker_stop() was called for the current worker. */
bool quarry_test_worker_should_stop(void);

/* Tell a worker to stop, wait for its end, take its failures over. */
void quarry_test_worker_stop(struct kunit *test, struct quarry_test_worker *worker);

/* The @n-th online CPU, counted around. */
unsigned int quarry_test_cpu(unsigned int n);

#define QUARRY_NEEDS_SMP(test)							\
do {										\
	if (num_online_cpus() < 2)						\
		kunit_skip(test, "needs two CPUs, %u online", num_online_cpus());	\
} while (0)

#endif /* _QUARRY_KUNIT_HELPERS_H */
