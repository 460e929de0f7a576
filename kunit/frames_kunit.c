// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_frames.
 */
#include <linux/sizes.h>
#include <linux/string.h>
#include <quarry/frames.h>
#include "../src/fault.h"
#include "helpers.h"

static void frames_exit(void *frames)
{
	quarry_frames_destroy(frames);
}

static struct quarry_frames *make_frames(struct kunit *test, struct quarry_heap *heap,
					 const struct quarry_arena_params *params)
{
	struct quarry_frames *frames = quarry_frames_create(heap, params, GFP_KERNEL);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(frames), "no frames: %ld", PTR_ERR(frames));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, frames_exit, frames), 0);
	return frames;
}

static struct quarry_frames_stats frames_stats(struct quarry_frames *frames)
{
	struct quarry_frames_stats stats;

	quarry_frames_get_stats(frames, &stats);
	return stats;
}

/* === How long it lasts === */

#define NR_PIECES	200

struct piece {
	void *ptr;
	size_t size;
	u64 tag;
};

static void fill_frame(struct kunit *test, struct quarry_frames *frames, struct rnd_state *rnd,
		       struct piece *pieces, u64 tag)
{
	unsigned int i;

	for (i = 0; i < NR_PIECES; i++) {
		struct piece *p = &pieces[i];

		p->size = 1 + quarry_test_below(rnd, quarry_test_below(rnd, 40) ? 300 : 30000);
		p->tag = tag * NR_PIECES + i;
		p->ptr = quarry_frames_alloc(frames, p->size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p->ptr);
		quarry_test_fill(p->ptr, p->size, p->tag);
	}
}

static void check_frame(struct kunit *test, const struct piece *pieces, const char *what)
{
	unsigned int i;

	for (i = 0; i < NR_PIECES; i++)
		if (!quarry_test_check(pieces[i].ptr, pieces[i].size, pieces[i].tag))
			KUNIT_FAIL(test, "%s: %zu bytes at %p, number %u, were overwritten", what,
				   pieces[i].size, pieces[i].ptr, i);
}

static void lasts_for_two_frames(struct kunit *test)
{
	struct piece *pieces = quarry_test_array(test, 2 * NR_PIECES, sizeof(*pieces));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_frames *frames = make_frames(test, heap, NULL);
	struct rnd_state rnd;
	unsigned int n;

	quarry_test_seed(test, &rnd);
	for (n = 0; n < QUARRY_TEST_LOOPS(200); n++) {
		fill_frame(test, frames, &rnd, &pieces[n % 2 * NR_PIECES], n);
		check_frame(test, &pieces[n % 2 * NR_PIECES], "this frame");
		if (n)
			check_frame(test, &pieces[!(n % 2) * NR_PIECES], "the last frame");
		quarry_frames_next(frames);
		check_frame(test, &pieces[n % 2 * NR_PIECES], "the frame that ended");
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void gone_after_two_frames(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_frames *frames = make_frames(test, heap, NULL);
	void *first = quarry_frames_alloc(frames, 100, GFP_KERNEL), *second, *third;
	struct quarry_arena *arena = quarry_frames_arena(frames);

	KUNIT_ASSERT_NOT_NULL(test, first);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_of(first), arena);
	quarry_frames_next(frames);
	KUNIT_EXPECT_PTR_NE(test, quarry_frames_arena(frames), arena);
	second = quarry_frames_alloc(frames, 100, GFP_KERNEL);
	quarry_frames_next(frames);
	KUNIT_EXPECT_PTR_EQ(test, quarry_frames_arena(frames), arena);
	third = quarry_frames_alloc(frames, 100, GFP_KERNEL);
	KUNIT_EXPECT_PTR_NE(test, second, first);
	KUNIT_EXPECT_PTR_EQ_MSG(test, third, first, "freed, and there again");
}

static void all_ways_to_allocate(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_frames *frames = make_frames(test, heap, NULL);
	u64 *one, *many;
	void *ptr;

	memset(quarry_frames_alloc(frames, 900, GFP_KERNEL), 0xff, 900);
	ptr = quarry_frames_zalloc(frames, 77, GFP_KERNEL);
	one = quarry_frames_new(frames, u64, GFP_KERNEL);
	many = quarry_frames_array(frames, u64, 30, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, ptr && one && many);
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(ptr, 77));
	KUNIT_EXPECT_EQ(test, *one, 0ULL);
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(many, 30 * sizeof(*many)));
	ptr = quarry_frames_alloc_aligned(frames, 3, 512, GFP_KERNEL);
	KUNIT_EXPECT_TRUE(test, ptr && IS_ALIGNED((unsigned long)ptr, 512));
	KUNIT_EXPECT_EQ(test, frames_stats(frames).current_frame.nr_allocs, 5ULL);
	KUNIT_EXPECT_STREQ(test, quarry_arena_printf(quarry_frames_arena(frames), GFP_KERNEL,
						     "frame %d", 1), "frame 1");
	KUNIT_EXPECT_EQ(test, frames_stats(frames).current_frame.nr_allocs, 5ULL);
}

/* === Numbers === */

static void numbers_of_frames(struct kunit *test)
{
	static const unsigned int counts[] = { 10, 300, 20, 5, 40, 7 };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_frames *frames = make_frames(test, heap, NULL);
	struct quarry_frames_stats stats;
	unsigned int n, i;

	for (n = 0; n < ARRAY_SIZE(counts); n++) {
		for (i = 0; i < counts[n]; i++)
			KUNIT_ASSERT_NOT_NULL(test, quarry_frames_alloc(frames, 48, GFP_KERNEL));
		stats = frames_stats(frames);
		KUNIT_EXPECT_EQ(test, stats.nr_frames, n + 1ULL);
		KUNIT_EXPECT_EQ(test, stats.current_frame.nr_allocs, (u64)counts[n]);
		KUNIT_EXPECT_EQ_MSG(test, stats.current_frame.nr_frees,
				    n > 1 ? (u64)counts[n - 2] : 0ULL, "frame %u", n);
		KUNIT_EXPECT_GE(test, stats.current_frame.bytes, 48ULL * counts[n]);
		KUNIT_EXPECT_LE(test, stats.current_frame.bytes, 48ULL * counts[n] + 200);
		/* Frame 1 grows; once frame 3 has not needed as much, some of it goes. */
		KUNIT_EXPECT_EQ_MSG(test, stats.current_frame.nr_below > 0, n == 1 || n == 5,
				    "frame %u: %llu", n, stats.current_frame.nr_below);
		if (n)
			KUNIT_EXPECT_EQ(test, stats.last_frame.nr_allocs, (u64)counts[n - 1]);
		KUNIT_EXPECT_GE(test, stats.peak, 48ULL * counts[n ? 1 : 0]);
		KUNIT_EXPECT_LE(test, stats.peak, 48ULL * counts[n ? 1 : 0] + 200);
		QUARRY_EXPECT_VERIFIED(test, heap);
		quarry_frames_next(frames);
	}
	KUNIT_EXPECT_EQ(test, frames_stats(frames).nr_disturbed, 0ULL);
}

/* === Quiet scopes === */

static void steady_frames_are_quiet(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_frames *frames = make_frames(test, heap, NULL);
	unsigned long begin = 0, kernel_calls = 0;
	unsigned int n, i, nr_failed = 0;

	for (n = 0; n < 12; n++) {
		if (n == 4) {
			begin = quarry_frames_quiet_begin(frames);
			kernel_calls = quarry_test_stats(heap).nr_kernel_calls;
		}
		for (i = 0; i < 10000; i++)
			nr_failed += !quarry_frames_alloc(frames, 8 + i % 64, GFP_KERNEL);
		if (n >= 4)
			KUNIT_EXPECT_EQ_MSG(test, frames_stats(frames).current_frame.nr_below, 0ULL,
					    "frame %u", n);
		quarry_frames_next(frames);
	}
	KUNIT_EXPECT_EQ(test, quarry_frames_quiet_end(frames, begin), 0UL);
	KUNIT_EXPECT_EQ(test, nr_failed, 0U);
	KUNIT_EXPECT_EQ(test, frames_stats(frames).nr_disturbed, 0ULL);
	KUNIT_EXPECT_EQ(test, (unsigned long)quarry_test_stats(heap).nr_kernel_calls, kernel_calls);
	KUNIT_EXPECT_EQ(test, frames_stats(frames).last_frame.nr_allocs, 10000ULL);
}

static void noise_is_reported(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_frames *frames = make_frames(test, heap, NULL);
	unsigned long outer = quarry_frames_quiet_begin(frames), inner, noise;
	void *ptr;

	QUARRY_EXPECT_REPORTS(test, 0, ptr = quarry_frames_alloc(frames, 1000, GFP_KERNEL));
	QUARRY_EXPECT_REPORTS(test, 1, ptr = quarry_frames_alloc(frames, 100000, GFP_KERNEL));
	KUNIT_EXPECT_NOT_NULL_MSG(test, ptr, "served all the same");
	inner = quarry_frames_quiet_begin(frames);
	quarry_frames_next(frames);
	QUARRY_EXPECT_REPORTS(test, 1, ptr = quarry_frames_alloc(frames, 5000, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, quarry_frames_quiet_end(frames, inner), 1UL);
	QUARRY_EXPECT_REPORTS(test, 1, ptr = quarry_frames_alloc(frames, 20000, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, quarry_frames_quiet_end(frames, outer), 3UL);
	QUARRY_EXPECT_REPORTS(test, 0, ptr = quarry_frames_alloc(frames, 100000, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, frames_stats(frames).nr_disturbed, 3ULL);
	QUARRY_EXPECT_REPORTS(test, 1, noise = quarry_frames_quiet_end(frames, 0));
	KUNIT_EXPECT_EQ(test, noise, 0UL);
}

#ifdef scoped_quarry_frames_quiet
static void scoped(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_frames *frames = make_frames(test, heap, NULL);
	unsigned int rounds = 0;
	void *ptr = NULL;

	scoped_quarry_frames_quiet(frames) {
		QUARRY_EXPECT_REPORTS(test, 1,
				      ptr = quarry_frames_alloc(frames, 100000, GFP_KERNEL));
		rounds++;
	}
	KUNIT_EXPECT_EQ(test, rounds, 1U);
	QUARRY_EXPECT_REPORTS(test, 0, ptr = quarry_frames_alloc(frames, 100000, GFP_KERNEL));
	scoped_quarry_frames_quiet(frames)
		break;
	QUARRY_EXPECT_REPORTS(test, 0, ptr = quarry_frames_alloc(frames, 100000, GFP_KERNEL));
	KUNIT_EXPECT_NOT_NULL(test, ptr);
}
#else
static void scoped(struct kunit *test)
{
	kunit_skip(test, "this kernel has no <linux/cleanup.h>");
}
#endif

/* === Failing, ending === */

static void each_attempt_fails(struct kunit *test)
{
	struct quarry_arena_params params = { .name = "failing" };
	unsigned long n, injected = 0, nr_failed = 0;
	struct quarry_frames *frames;
	struct quarry_heap *heap;

	KUNIT_ASSERT_EQ(test, quarry_fault_test_begin(), 0);
	for (n = 1; n < 100; n++) {
		heap = quarry_test_heap(test);
		quarry_fault_test_arm(QUARRY_FAULT_ANY, n, 1);
		frames = quarry_frames_create(heap, &params, GFP_KERNEL);
		injected = quarry_fault_test_nr_injected();
		quarry_fault_test_arm(QUARRY_FAULT_ANY, 1, 0);
		if (IS_ERR(frames)) {
			KUNIT_EXPECT_EQ(test, PTR_ERR(frames), -ENOMEM);
			KUNIT_EXPECT_EQ(test, injected, 1UL);
			nr_failed++;
		} else {
			KUNIT_EXPECT_NOT_NULL(test, quarry_frames_alloc(frames, 10, GFP_KERNEL));
			quarry_frames_destroy(frames);
		}
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
		quarry_test_heap_done(test, heap);
		if (!injected)
			break;
	}
	quarry_fault_test_end();
	KUNIT_EXPECT_EQ_MSG(test, injected, 0UL, "the walk has an end");
	KUNIT_EXPECT_GE_MSG(test, nr_failed, 2UL, "either chunk");
}

static void bad_ones_are_refused(struct kunit *test)
{
	struct quarry_arena_params params = { .name = "bad", .chunk_max = 5 };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_frames *frames;

	QUARRY_EXPECT_REPORTS(test, 1, frames = quarry_frames_create(heap, &params, GFP_KERNEL));
	KUNIT_EXPECT_TRUE(test, frames == ERR_PTR(-EINVAL));
	QUARRY_EXPECT_REPORTS(test, 1,
			      frames = quarry_frames_create(heap, NULL, GFP_KERNEL | __GFP_DMA));
	KUNIT_EXPECT_TRUE(test, frames == ERR_PTR(-EINVAL));
	quarry_frames_destroy(frames);
	quarry_frames_destroy(NULL);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static struct kunit_case frames_cases[] = {
	KUNIT_CASE(lasts_for_two_frames),
	KUNIT_CASE(gone_after_two_frames),
	KUNIT_CASE(all_ways_to_allocate),
	KUNIT_CASE(numbers_of_frames),
	KUNIT_CASE(steady_frames_are_quiet),
	KUNIT_CASE(noise_is_reported),
	KUNIT_CASE(scoped),
	KUNIT_CASE(each_attempt_fails),
	KUNIT_CASE(bad_ones_are_refused),
	{}
};

struct kunit_suite quarry_frames_suite = {
	.name = "quarry_frames",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = frames_cases,
};
