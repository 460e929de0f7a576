// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_kasan: what KASAN is told about arenas.  The last suite of all, as a report
 * of KASAN turns lockdep off.
 */
#include <linux/string.h>
#include "../src/arena.h"
#include "../src/poison.h"
#include "helpers.h"

#define NEEDS_KASAN(test)						\
do {									\
	if (!QUARRY_POISONS)						\
		kunit_skip(test, "needs generic KASAN on x86_64");	\
} while (0)

#define EXPECT_SHADOW(test, ptr, value) \
	KUNIT_EXPECT_EQ(test, quarry_poison_at(ptr), (u8)(value))

static void only_what_is_handed_out_is_open(struct kunit *test)
{
	struct quarry_heap *heap;
	struct quarry_arena *arena;
	char *first, *second, *third, *text;

	NEEDS_KASAN(test);
	heap = quarry_test_heap(test);
	arena = quarry_test_arena(test, heap, NULL);
	first = quarry_arena_alloc(arena, 13, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, first);
	EXPECT_SHADOW(test, first, 0);
	EXPECT_SHADOW(test, first + 8, 5);
	EXPECT_SHADOW(test, first + 16, QUARRY_POISON_FRESH);
	/* In the same 8 bytes. */
	second = quarry_arena_alloc_aligned(arena, 1, 1, GFP_KERNEL);
	KUNIT_ASSERT_PTR_EQ(test, second, first + 13);
	EXPECT_SHADOW(test, first + 8, 6);
	third = quarry_arena_alloc_aligned(arena, 10, 1, GFP_KERNEL);
	KUNIT_ASSERT_PTR_EQ(test, third, first + 14);
	EXPECT_SHADOW(test, first + 8, 0);
	EXPECT_SHADOW(test, first + 16, 0);
	EXPECT_SHADOW(test, first + 24, QUARRY_POISON_FRESH);
	/* In place, and back. */
	KUNIT_ASSERT_PTR_EQ(test, quarry_arena_realloc(arena, third, 10, 100, GFP_KERNEL), third);
	EXPECT_SHADOW(test, third + 99, (14 + 100) % 8);
	KUNIT_ASSERT_PTR_EQ(test, quarry_arena_realloc(arena, third, 100, 3, GFP_KERNEL), third);
	EXPECT_SHADOW(test, third + 2, 1);
	EXPECT_SHADOW(test, third + 10, QUARRY_POISON_FRESH);
	/* Formatting looks at more room than it takes. */
	text = quarry_arena_printf(arena, GFP_KERNEL, "%s", "seven..");
	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_EXPECT_STREQ(test, text, "seven..");
	EXPECT_SHADOW(test, text + 7, 1);
	EXPECT_SHADOW(test, text + 15, QUARRY_POISON_FRESH);
	/* In a chunk of its own. */
	first = quarry_arena_alloc(arena, 100001, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, first);
	EXPECT_SHADOW(test, first + 100000, 1);
	EXPECT_SHADOW(test, first + 100008, QUARRY_POISON_FRESH);
}

static void what_is_stale_is_closed(struct kunit *test)
{
	struct quarry_heap *heap;
	struct quarry_arena *arena;
	struct quarry_arena_mark mark;
	char *before, *after, *far, *buffer;

	NEEDS_KASAN(test);
	heap = quarry_test_heap(test);
	arena = quarry_test_arena(test, heap, NULL);
	before = quarry_arena_alloc(arena, 20, GFP_KERNEL);
	quarry_arena_mark(arena, &mark);
	after = quarry_arena_alloc(arena, 20, GFP_KERNEL);
	far = quarry_arena_alloc(arena, 6000, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, before && after && far);
	KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &mark), 0);
	EXPECT_SHADOW(test, before + 16, 4);
	EXPECT_SHADOW(test, after, QUARRY_POISON_STALE);
	EXPECT_SHADOW(test, far + 5000, QUARRY_POISON_STALE);
	far = quarry_arena_zalloc(arena, 6000, GFP_KERNEL);
	EXPECT_SHADOW(test, far + 5000, 0);
	quarry_arena_reset(arena);
	EXPECT_SHADOW(test, before, QUARRY_POISON_STALE);
	EXPECT_SHADOW(test, far + 5000, QUARRY_POISON_STALE);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_alloc(arena, 20, GFP_KERNEL), (void *)before);
	EXPECT_SHADOW(test, before, 0);
	/* What goes back to the heap is whole. */
	quarry_test_arena_done(test, arena);
	EXPECT_SHADOW(test, before, 0);
	EXPECT_SHADOW(test, far + 5000, 0);
	/* A buffer stays as its owner left it. */
	buffer = quarry_test_array(test, 1, 4096);
	arena = quarry_arena_create_on(NULL, buffer, 4096, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(arena));
	after = quarry_arena_alloc(arena, 20, GFP_KERNEL);
	EXPECT_SHADOW(test, after + 16, 0);
	quarry_arena_reset(arena);
	quarry_arena_destroy(arena);
	KUNIT_EXPECT_NULL(test, memchr_inv(buffer + 4000, 0, 96));
}

/* In a thread of its own: KASAN fails the case that its report comes of. */
static void read_stale(struct quarry_test_worker *worker)
{
	const u64 *ptr = worker->arg;

	worker->nr_ops = READ_ONCE(*ptr);
}

static void stale_read_is_reported(struct kunit *test)
{
	struct quarry_heap *heap;
	struct quarry_arena *arena;
	struct quarry_test_worker *worker;
	u64 *ptr;

	NEEDS_KASAN(test);
	heap = quarry_test_heap(test);
	arena = quarry_test_arena(test, heap, NULL);
	ptr = quarry_arena_new(arena, u64, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptr);
	quarry_arena_reset(arena);
	/* Whether it comes is judged by scripts/badness. */
	pr_info("quarry_expect: BUG: KASAN: use-after-free in read_stale\n");
	worker = quarry_test_array(test, 1, sizeof(*worker));
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(worker, 0, QUARRY_TEST_ANY_CPU, 1,
						       read_stale, ptr), 0);
	quarry_test_worker_stop(test, worker);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(only_what_is_handed_out_is_open),
	KUNIT_CASE(what_is_stale_is_closed),
	/* The last one. */
	KUNIT_CASE(stale_read_is_reported),
	{}
};

struct kunit_suite quarry_kasan_suite = {
	.name = "quarry_kasan",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = cases,
};
