// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_knobs: the check, through each way in, and knobs of heaps in use.
 */
#include <linux/delay.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "../src/fault.h"
#include "../src/heap.h"
#include "../src/knobs.h"
#include "helpers.h"

/* === The check === */

static struct quarry_knobs defaults(void)
{
	struct quarry_knobs knobs;
	enum quarry_knob knob;

	for (knob = 0; knob < QUARRY_NR_KNOBS; knob++)
		knobs.value[knob] = quarry_knob_default(knob);
	return knobs;
}

static struct quarry_heap_params to_params(const struct quarry_knobs *knobs, const char *name)
{
	return (struct quarry_heap_params) {
		.name = name,
		.node = NUMA_NO_NODE,
		.limit = knobs->value[QUARRY_KNOB_LIMIT],
		.soft_limit = knobs->value[QUARRY_KNOB_SOFT_LIMIT],
		.reserve = knobs->value[QUARRY_KNOB_RESERVE],
		.decay_ms = knobs->value[QUARRY_KNOB_DECAY_MS],
		.magazine_order = knobs->value[QUARRY_KNOB_MAGAZINE_ORDER],
		.magazine_bytes = knobs->value[QUARRY_KNOB_MAGAZINE_BYTES],
		.cpu_bytes = knobs->value[QUARRY_KNOB_CPU_BYTES],
	};
}

/* What the struct cannot hold is not offered to heap creation. */
static bool fits_params(enum quarry_knob knob, s64 value)
{
	switch (knob) {
	case QUARRY_KNOB_DECAY_MS:
	case QUARRY_KNOB_MAGAZINE_ORDER:
		return value >= INT_MIN && value <= INT_MAX;
	case QUARRY_KNOB_MAGAZINE_BYTES:
	case QUARRY_KNOB_CPU_BYTES:
		/* 0 stands for the default there. */
		return value > 0 && value <= UINT_MAX;
	default:
		return true;
	}
}

/* Through the check and through heap creation; @ret is what both have to say. */
static void expect_verdict(struct kunit *test, const struct quarry_knobs *knobs,
			   enum quarry_knob knob, int ret)
{
	struct quarry_heap_params params = to_params(knobs, quarry_test_name(test));
	const char *name = quarry_knob_name(knob);
	s64 value = knobs->value[knob];
	struct quarry_heap *heap = NULL;
	int got = 0;

	QUARRY_EXPECT_REPORTS(test, ret ? 1 : 0,
			      got = quarry_knobs_check("x", knobs, QUARRY_KNOB_ANY));
	KUNIT_EXPECT_EQ_MSG(test, got, ret, "%s=%lld", name, value);
	QUARRY_EXPECT_REPORTS(test, ret ? 1 : 0, got = quarry_knobs_check("x", knobs, knob));
	KUNIT_EXPECT_EQ_MSG(test, got, ret, "%s=%lld", name, value);
	/* A reserve of half of memory is right, but not for a test. */
	if (!fits_params(knob, value) || (!ret && params.reserve > SZ_1M))
		return;
	QUARRY_EXPECT_REPORTS(test, ret ? 1 : 0, heap = quarry_heap_create(&params));
	KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(heap), ret, "%s=%lld", name, value);
	quarry_heap_destroy(heap);
}

/* From the issue, not from the table: 0 and -1 as largest stand for shares of memory. */
#define WHOLE	0
#define HALF	(-1)

static const struct {
	s64 good[4], least, most;
} bounds[] = {
	[QUARRY_KNOB_LIMIT] = { { 0, 65536, 1000000, 65537 }, 65536, WHOLE },
	[QUARRY_KNOB_SOFT_LIMIT] = { { 0, 65536, 1000000, 65537 }, 65536, WHOLE },
	[QUARRY_KNOB_RESERVE] = { { 0, 1, 4096, 70000 }, 0, HALF },
	[QUARRY_KNOB_DECAY_MS] = { { -1, 0, 10000, 1 }, -1, 3600000 },
	[QUARRY_KNOB_MAGAZINE_ORDER] = { { -1, 0, 1, 2 }, -1, 3 },
	[QUARRY_KNOB_MAGAZINE_BYTES] = { { 4096, 4097, 65536, 1000000 }, 4096, 1048576 },
	[QUARRY_KNOB_CPU_BYTES] = { { 65536, 65537, 4194304, 100000000 }, 65536, 1073741824 },
};

static s64 most_of(enum quarry_knob knob)
{
	s64 memory = (s64)totalram_pages() << PAGE_SHIFT;

	if (bounds[knob].most == WHOLE)
		return memory;
	return bounds[knob].most == HALF ? memory / 2 : bounds[knob].most;
}

static void each_at_its_bounds(struct kunit *test)
{
	struct quarry_knobs knobs = defaults();
	enum quarry_knob knob;
	unsigned int i;

	for (knob = 0; knob < QUARRY_NR_KNOBS; knob++) {
		s64 bad[] = {
			bounds[knob].least - 1, most_of(knob) + 1, S64_MAX, S64_MIN, -2, INT_MIN,
		};

		KUNIT_EXPECT_EQ(test, quarry_knob_largest(knob), most_of(knob));
		for (i = 0; i < ARRAY_SIZE(bounds[knob].good); i++) {
			knobs.value[knob] = bounds[knob].good[i];
			expect_verdict(test, &knobs, knob, 0);
		}
		knobs.value[knob] = most_of(knob);
		expect_verdict(test, &knobs, knob, 0);
		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			knobs.value[knob] = bad[i];
			expect_verdict(test, &knobs, knob, -EINVAL);
		}
		knobs.value[knob] = quarry_knob_default(knob);
	}
}

static void together(struct kunit *test)
{
	static const struct {
		s64 limit, soft_limit, reserve;
		int ret;
	} sets[] = {
		{ SZ_1M, SZ_1M, SZ_1M, 0 },
		{ SZ_1M, SZ_64K, 0, 0 },
		{ SZ_1M, SZ_1M + 1, 0, -EINVAL },
		{ SZ_1M, 0, SZ_1M + 1, -EINVAL },
		{ SZ_1M, 0, SZ_1M - 1, 0 },
		{ SZ_1M + 1, 0, SZ_1M + 1, -EINVAL },	/* a page more than that */
		{ 0, SZ_2M, SZ_1M, 0 },
	};
	struct quarry_knobs knobs = defaults();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sets); i++) {
		knobs.value[QUARRY_KNOB_LIMIT] = sets[i].limit;
		knobs.value[QUARRY_KNOB_SOFT_LIMIT] = sets[i].soft_limit;
		knobs.value[QUARRY_KNOB_RESERVE] = sets[i].reserve;
		expect_verdict(test, &knobs, QUARRY_KNOB_LIMIT, sets[i].ret);
	}
}

static const char * const garbage[] = {
	"", "\n", " ", "banana", "0x10000", "1e6", "12 34", "5T", "99999999999999999999999", "M",
	"65536x", "--1", "1\n2", "65536 ",
};

static void numbers_and_garbage(struct kunit *test)
{
	static const struct {
		const char *text;
		s64 value;
	} bytes[] = {
		{ "0", 0 }, { "65536\n", 65536 }, { "64K", 65536 }, { "64k\n", 65536 },
		{ "1M", SZ_1M }, { "2G", 2LL << 30 }, { "007", 7 },
		{ "999999999999999999", 999999999999999999 },
	};
	enum quarry_knob knob;
	s64 value = 42;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(bytes); i++) {
		ret = quarry_knob_parse("x", QUARRY_KNOB_LIMIT, bytes[i].text, &value);
		KUNIT_EXPECT_EQ_MSG(test, ret, 0, "%s", bytes[i].text);
		KUNIT_EXPECT_EQ(test, value, bytes[i].value);
	}
	KUNIT_EXPECT_EQ(test, quarry_knob_parse("x", QUARRY_KNOB_DECAY_MS, "-1\n", &value), 0);
	KUNIT_EXPECT_EQ(test, value, -1LL);
	value = 42;
	QUARRY_EXPECT_REPORTS(test, 1, ret = quarry_knob_parse(NULL, QUARRY_KNOB_DECAY_MS, "10s",
							       &value));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	for (knob = 0; knob < QUARRY_NR_KNOBS; knob++) {
		for (i = 0; i < ARRAY_SIZE(garbage); i++) {
			QUARRY_EXPECT_REPORTS(test, 1, ret = quarry_knob_parse("x", knob,
									       garbage[i], &value));
			KUNIT_EXPECT_EQ_MSG(test, ret, -EINVAL, "%s=%s", quarry_knob_name(knob),
					    garbage[i]);
		}
	}
	KUNIT_EXPECT_EQ_MSG(test, value, 42LL, "what is refused is not stored");
}

/* Set by hand with the fields of old, all else 0. */
static void zeroed_parameters(struct kunit *test)
{
	struct quarry_heap_params params = { .limit = SZ_1M, .node = NUMA_NO_NODE };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	const s64 *value = to_priv(heap)->knobs.value;
	void *run;

	KUNIT_EXPECT_EQ(test, value[QUARRY_KNOB_MAGAZINE_BYTES], 65536LL);
	KUNIT_EXPECT_EQ(test, value[QUARRY_KNOB_CPU_BYTES], 4194304LL);
	KUNIT_EXPECT_EQ_MSG(test, value[QUARRY_KNOB_MAGAZINE_ORDER], 0LL, "single pages");
	KUNIT_EXPECT_EQ(test, value[QUARRY_KNOB_DECAY_MS], 0LL);
	KUNIT_EXPECT_EQ(test, value[QUARRY_KNOB_SOFT_LIMIT], 0LL);
	run = quarry_alloc_pages(heap, 3, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, run);
	quarry_free_pages(run);
}

/* === Heaps in use === */

static int tune(struct quarry_heap *heap, enum quarry_knob knob, const char *fmt, ...)
{
	char buf[32];
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	return quarry_heap_tune(to_priv(heap), knob, buf);
}

static s64 value_of(struct quarry_heap *heap, enum quarry_knob knob)
{
	return to_priv(heap)->knobs.value[knob];
}

static struct quarry_heap *heap_without_decay(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };

	params.decay_ms = -1;
	return quarry_test_heap_params(test, params);
}

static void expect_refused(struct kunit *test, struct quarry_heap *heap, enum quarry_knob knob,
			   const char *text)
{
	struct quarry_heap_stats before = quarry_test_stats(heap), after;
	struct quarry_knobs knobs = to_priv(heap)->knobs;
	int ret = 0;

	QUARRY_EXPECT_REPORTS(test, 1, ret = quarry_heap_tune(to_priv(heap), knob, text));
	KUNIT_EXPECT_EQ_MSG(test, ret, -EINVAL, "%s=%s", quarry_knob_name(knob), text);
	KUNIT_EXPECT_MEMEQ(test, &to_priv(heap)->knobs, &knobs, sizeof(knobs));
	after = quarry_test_stats(heap);
	KUNIT_EXPECT_MEMEQ(test, &after, &before, sizeof(after));
}

static void refused_at_run_time(struct kunit *test)
{
	struct quarry_heap *heap = heap_without_decay(test);
	enum quarry_knob knob;
	char buf[24];
	unsigned int i;

	for (knob = 0; knob < QUARRY_NR_KNOBS; knob++) {
		snprintf(buf, sizeof(buf), "%lld", most_of(knob) + 1);
		expect_refused(test, heap, knob, buf);
		if (bounds[knob].least) {
			snprintf(buf, sizeof(buf), "%lld", bounds[knob].least - 1);
			expect_refused(test, heap, knob, buf);
		}
		for (i = 0; i < ARRAY_SIZE(garbage); i++)
			expect_refused(test, heap, knob, garbage[i]);
	}
	KUNIT_EXPECT_EQ(test, tune(heap, QUARRY_KNOB_LIMIT, "1M"), 0);
	expect_refused(test, heap, QUARRY_KNOB_SOFT_LIMIT, "1048577");
	expect_refused(test, heap, QUARRY_KNOB_RESERVE, "1048577");
	KUNIT_EXPECT_EQ(test, tune(heap, QUARRY_KNOB_SOFT_LIMIT, "512K"), 0);
	KUNIT_EXPECT_EQ(test, tune(heap, QUARRY_KNOB_RESERVE, "256K"), 0);
	expect_refused(test, heap, QUARRY_KNOB_LIMIT, "511K");
	KUNIT_EXPECT_EQ(test, tune(heap, QUARRY_KNOB_SOFT_LIMIT, "0"), 0);
	expect_refused(test, heap, QUARRY_KNOB_LIMIT, "255K");
	KUNIT_EXPECT_EQ(test, tune(heap, QUARRY_KNOB_LIMIT, "256K"), 0);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).limit, (u64)SZ_256K);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).reserve, (u64)SZ_256K);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).soft_limit, 0ULL);
}

static void limit_below_what_is_mapped(struct kunit *test)
{
	struct quarry_heap *heap = heap_without_decay(test);
	struct quarry_test_run runs[64];
	const gfp_t gfp = GFP_KERNEL | __GFP_NOWARN;
	void *addr;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(runs); i++)
		KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &runs[i], 16, i));
	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_LIMIT, "512K"), 0);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).limit, (u64)SZ_512K);
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(heap).mapped, 64ULL * SZ_64K,
			    "nothing idle is left");
	KUNIT_EXPECT_NULL(test, quarry_alloc_pages(heap, 4, gfp));
	/* Now it could be below, and the next write brings it there. */
	for (i = 4; i < ARRAY_SIZE(runs); i++)
		quarry_test_run_free(test, &runs[i]);
	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_LIMIT, "512K"), 0);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 4ULL * SZ_64K);
	addr = quarry_alloc_pages(heap, 4, gfp);
	KUNIT_EXPECT_NOT_NULL_MSG(test, addr, "it has grown below the limit");
	quarry_free_pages(addr);
	KUNIT_EXPECT_NULL(test, quarry_alloc_pages(heap, 8, gfp));
	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_LIMIT, "8M"), 0);
	addr = quarry_alloc_pages(heap, 8, gfp);
	KUNIT_EXPECT_NOT_NULL(test, addr);
	quarry_free_pages(addr);
	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_LIMIT, "0"), 0);
	addr = quarry_alloc_pages(heap, 10, gfp);
	KUNIT_EXPECT_NOT_NULL(test, addr);
	quarry_free_pages(addr);
	for (i = 0; i < 4; i++)
		quarry_test_run_free(test, &runs[i]);
}

static u64 mapped_when(struct quarry_heap *heap, u64 most)
{
	unsigned int tries = 500;

	while (tries-- && quarry_test_stats(heap).mapped > most)
		msleep(20);
	return quarry_test_stats(heap).mapped;
}

static void soft_limit_below_what_is_mapped(struct kunit *test)
{
	struct quarry_heap *heap = heap_without_decay(test);
	void *run = quarry_alloc_pages(heap, 9, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, run);
	quarry_free_pages(run);
	KUNIT_EXPECT_GE(test, quarry_test_stats(heap).mapped, (u64)SZ_2M);
	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_SOFT_LIMIT, "1M"), 0);
	KUNIT_EXPECT_LE_MSG(test, mapped_when(heap, SZ_1M), (u64)SZ_1M, "the worker was woken");
	KUNIT_EXPECT_GT(test, quarry_test_stats(heap).reclaimed, 0ULL);
}

static void decay_of_a_heap_in_use(struct kunit *test)
{
	struct quarry_heap *heap = heap_without_decay(test);
	void *run = quarry_alloc_pages(heap, 9, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, run);
	quarry_free_pages(run);
	msleep(100);
	KUNIT_EXPECT_GE(test, quarry_test_stats(heap).mapped, (u64)SZ_2M);
	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_DECAY_MS, "0"), 0);
	KUNIT_EXPECT_EQ(test, mapped_when(heap, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, value_of(heap, QUARRY_KNOB_DECAY_MS), 0LL);
}

static void reserve_of_a_heap_in_use(struct kunit *test)
{
	struct quarry_heap *heap = heap_without_decay(test);
	struct quarry_test_run run;

	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, 16, 1));
	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_RESERVE, "1M"), 0);
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(heap).mapped, (u64)SZ_1M, "taken at once");
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).reserve, (u64)SZ_1M);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, (u64)SZ_1M);
	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_RESERVE, "128K"), 0);
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(heap).mapped, (u64)SZ_1M, "decay is off");
	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_DECAY_MS, "0"), 0);
	KUNIT_EXPECT_EQ(test, mapped_when(heap, SZ_128K), (u64)SZ_128K);
	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_RESERVE, "256K"), 0);
	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_RESERVE, "0"), 0);
	KUNIT_EXPECT_EQ_MSG(test, mapped_when(heap, SZ_64K), (u64)SZ_64K, "decay has the rest");
	quarry_test_run_free(test, &run);
}

/* The third extent does not come: what the first two brought goes back. */
static void reserve_that_cannot_be_had(struct kunit *test)
{
	struct quarry_heap *heap = heap_without_decay(test);
	unsigned long injected;
	struct quarry_test_run run;
	int ret;

	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, 16, 1));
	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_RESERVE, "100K"), 0);
	KUNIT_ASSERT_EQ(test, quarry_test_stats(heap).mapped, 100ULL << 10);
	KUNIT_ASSERT_EQ(test, quarry_fault_test_begin(), 0);
	/* Each extent that comes is two attempts. */
	quarry_fault_test_arm(QUARRY_FAULT_EXTENT, 5, ULONG_MAX);
	ret = tune(heap, QUARRY_KNOB_RESERVE, "12M");
	injected = quarry_fault_test_nr_injected();
	quarry_fault_test_end();
	KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
	KUNIT_EXPECT_GT(test, injected, 0UL);
	KUNIT_EXPECT_GT_MSG(test, quarry_test_stats(heap).trimmed, (u64)SZ_1M, "some had come");
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 100ULL << 10);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).reserve, 100ULL << 10);
	KUNIT_EXPECT_EQ(test, value_of(heap, QUARRY_KNOB_RESERVE), 100LL << 10);
	quarry_test_run_free(test, &run);
}

/* === Magazines === */

static struct quarry_mags *front(struct quarry_heap *heap, unsigned int order)
{
	return &to_priv(heap)->runs.fronts[QUARRY_KIND_PTR][order].mags;
}

static void expect_counts(struct kunit *test, struct quarry_heap *heap, unsigned int order,
			  unsigned long allocs, unsigned long frees)
{
	struct quarry_mags_stats s;

	quarry_mags_get_stats(front(heap, order), &s);
	KUNIT_EXPECT_EQ_MSG(test, s.nr_alloc, allocs, "allocations of order %u", order);
	KUNIT_EXPECT_EQ_MSG(test, s.nr_free, frees, "frees of order %u", order);
}

/* Which orders keep anything that was freed? */
static unsigned int orders_cached(struct quarry_heap *heap)
{
	unsigned int order, mask = 0;
	void *run;

	for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++) {
		run = quarry_alloc_pages(heap, order, GFP_KERNEL);
		quarry_free_pages(run);
		if (quarry_mags_nr_cached(front(heap, order)))
			mask |= BIT(order);
	}
	return mask;
}

static void magazine_order_from_the_start(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;
	int order;

	for (order = -1; order <= 3; order++) {
		params.name = NULL;
		params.magazine_order = order;
		heap = quarry_test_heap_params(test, params);
		KUNIT_EXPECT_EQ_MSG(test, orders_cached(heap), (unsigned int)BIT(order + 1) - 1,
				    "magazine_order %d", order);
	}
}

/* Each change with runs that were allocated before and are freed after it. */
static void magazine_order_back_and_forth(struct kunit *test)
{
	static const int to[] = { -1, 3, 1, 0, 2, -1, -1, 3 };
	struct quarry_heap *heap = heap_without_decay(test);
	struct quarry_test_run (*runs)[QUARRY_NR_PAGE_FRONTS][20] =
		quarry_test_array(test, 2, sizeof(*runs));
	unsigned long nr[QUARRY_NR_PAGE_FRONTS] = {};
	struct quarry_test_run *run;
	unsigned int i, j, order;

	for (i = 0; i <= ARRAY_SIZE(to); i++) {
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++) {
			for (j = 0; j < 20; j++) {
				run = &runs[i & 1][order][j];
				KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, run, BIT(order),
									      100 * i + j));
			}
			nr[order] += 20;
		}
		if (i == ARRAY_SIZE(to))
			break;
		KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_MAGAZINE_ORDER, "%d", to[i]), 0);
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++) {
			KUNIT_EXPECT_EQ_MSG(test, quarry_mags_nr_cached(front(heap, order)), 0UL,
					    "drained");
			expect_counts(test, heap, order, nr[order], nr[order] - 20 - 20 * !!i);
		}
		/* What is from before the change before this one. */
		for (order = 0; i && order < QUARRY_NR_PAGE_FRONTS; order++)
			for (j = 0; j < 20; j++)
				quarry_test_run_free(test, &runs[(i & 1) ^ 1][order][j]);
		KUNIT_EXPECT_EQ_MSG(test, orders_cached(heap), (unsigned int)BIT(to[i] + 1) - 1,
				    "magazine_order %d", to[i]);
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++) {
			nr[order]++;
			expect_counts(test, heap, order, nr[order], nr[order] - 20);
		}
		QUARRY_EXPECT_VERIFIED(test, heap);
	}
	for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++) {
		for (j = 0; j < 20; j++) {
			quarry_test_run_free(test, &runs[0][order][j]);
			quarry_test_run_free(test, &runs[1][order][j]);
		}
		expect_counts(test, heap, order, nr[order], nr[order]);
	}
}

/* Frees of what is not allocated are refused by a front that is off, and not counted. */
static void double_free_with_magazines_off(struct kunit *test)
{
	struct quarry_heap *heap = heap_without_decay(test);
	struct quarry_test_run kept;
	void *run;

	KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_MAGAZINE_ORDER, "-1"), 0);
	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &kept, 1, 1));
	run = quarry_alloc_pages(heap, 0, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run);
	quarry_free_pages(run);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_pages(run));
	expect_counts(test, heap, 0, 2, 1);
	QUARRY_EXPECT_ALLOCATED(test, heap, PAGE_SIZE);
	quarry_test_run_free(test, &kept);
}

struct pile {
	void *objs[512];
	unsigned int nr;
};

/* More than two magazines and a depot hold, so that all of them are full. */
static void fill_magazines(struct kunit *test, struct quarry_cache *cache)
{
	struct pile *pile = quarry_test_array(test, 1, sizeof(*pile));
	unsigned int round;

	for (round = 0; round < 20; round++) {
		for (pile->nr = 0; pile->nr < ARRAY_SIZE(pile->objs); pile->nr++) {
			pile->objs[pile->nr] = quarry_cache_alloc(cache, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, pile->objs[pile->nr]);
		}
		while (pile->nr)
			quarry_cache_free(cache, pile->objs[--pile->nr]);
	}
}

/* Capacities are 2^i - 2, or what fits if that is little: not more, and not less than half. */
static void expect_capacity(struct kunit *test, struct quarry_mags *mags, unsigned int bytes)
{
	unsigned int fits = clamp_t(unsigned int, bytes / mags->size, 1,
				    QUARRY_MAGAZINE_MAX_CAPACITY);

	KUNIT_EXPECT_LE_MSG(test, mags->max_capacity, fits, "%zu of %u B", mags->size, bytes);
	KUNIT_EXPECT_GE_MSG(test, 2 * mags->max_capacity + 2, fits, "%zu of %u B", mags->size,
			    bytes);
	KUNIT_EXPECT_LE(test, mags->capacity, mags->max_capacity);
}

static void magazine_bytes_of_a_heap_in_use(struct kunit *test)
{
	static const unsigned int sizes[] = { 4096, 1048576, 5000, 65536, 4096 };
	struct quarry_heap *heap = heap_without_decay(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 1024, 0, 0, NULL), *other;
	struct quarry_mags *mags = &to_slab_cache(cache)->mags;
	void *sized = quarry_alloc(heap, 500, GFP_KERNEL), *obj, *ptr;
	struct quarry_slab_cache *class;
	struct quarry_mags_stats s;
	unsigned int i;

	obj = quarry_cache_alloc(cache, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, sized && obj);
	quarry_test_fill(obj, 1024, 7);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fill_magazines(test, cache);
		KUNIT_EXPECT_GT(test, quarry_mags_nr_cached(mags), 0UL);
		KUNIT_ASSERT_EQ(test, tune(heap, QUARRY_KNOB_MAGAZINE_BYTES, "%u", sizes[i]), 0);
		KUNIT_EXPECT_EQ_MSG(test, quarry_mags_nr_cached(mags), 0UL, "drained");
		expect_capacity(test, mags, sizes[i]);
		expect_capacity(test, front(heap, 0), sizes[i]);
		expect_capacity(test, front(heap, 3), sizes[i]);
		/* The depot's share follows it: 8 magazines, but two in any case. */
		fill_magazines(test, cache);
		KUNIT_EXPECT_LE_MSG(test, quarry_mags_nr_cached(mags) * 1024,
				    11UL * num_possible_cpus() * sizes[i], "%u bytes", sizes[i]);
		other = quarry_test_cache(test, heap, 1024, 0, 0, NULL);
		expect_capacity(test, &to_slab_cache(other)->mags, sizes[i]);
		/* So does a class that nobody has used. */
		ptr = quarry_alloc(heap, 24 + 8 * i, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		class = to_slab_cache(heap->classes[0][quarry_size_class(24 + 8 * i, 0)]);
		expect_capacity(test, &class->mags, sizes[i]);
		quarry_free(ptr);
		QUARRY_EXPECT_VERIFIED(test, heap);
	}
	quarry_mags_get_stats(mags, &s);
	KUNIT_EXPECT_EQ(test, s.nr_alloc, 2 * ARRAY_SIZE(sizes) * 20 * 512 + 1UL);
	KUNIT_EXPECT_EQ(test, s.nr_alloc - s.nr_free, 1UL);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(obj, 1024, 7));
	quarry_cache_free(cache, obj);
	quarry_free(sized);
}

/* === With traffic === */

#define NR_WORKERS	2
#define NR_HELD		16

struct traffic {
	struct quarry_heap *heap;
	struct quarry_cache *cache;
	/* by worker, by order; the last one: objects of the cache */
	unsigned long nr_allocs[NR_WORKERS][QUARRY_NR_PAGE_FRONTS + 1];
};

struct held {
	u64 *ptr;
	unsigned int what;
};

static void put_held(struct quarry_test_worker *worker, struct held *held)
{
	struct traffic *t = worker->arg;

	if (!held->ptr)
		return;
	if (*held->ptr != (unsigned long)held->ptr + worker->id)
		quarry_test_worker_fail(worker, "damaged", (unsigned long)held->ptr);
	if (held->what == QUARRY_NR_PAGE_FRONTS)
		quarry_cache_free(t->cache, held->ptr);
	else
		quarry_free_pages(held->ptr);
	held->ptr = NULL;
}

static void get_held(struct quarry_test_worker *worker, struct held *held)
{
	struct traffic *t = worker->arg;

	held->what = quarry_test_below(&worker->rnd, QUARRY_NR_PAGE_FRONTS + 1);
	if (held->what == QUARRY_NR_PAGE_FRONTS)
		held->ptr = quarry_cache_alloc(t->cache, GFP_KERNEL);
	else
		held->ptr = quarry_alloc_pages(t->heap, held->what, GFP_KERNEL);
	if (!held->ptr) {
		quarry_test_worker_fail(worker, "no memory for", held->what);
		return;
	}
	*held->ptr = (unsigned long)held->ptr + worker->id;
	t->nr_allocs[worker->id][held->what]++;
}

static void traffic_worker(struct quarry_test_worker *worker)
{
	struct held held[NR_HELD] = {};
	unsigned int i;

	while (!quarry_test_worker_should_stop()) {
		i = quarry_test_below(&worker->rnd, NR_HELD);
		put_held(worker, &held[i]);
		get_held(worker, &held[i]);
		worker->nr_ops++;
		cond_resched();
	}
	for (i = 0; i < NR_HELD; i++)
		put_held(worker, &held[i]);
}

static const struct turn {
	enum quarry_knob knob;
	const char *text;
} turns[] = {
	{ QUARRY_KNOB_MAGAZINE_ORDER, "-1" },
	{ QUARRY_KNOB_MAGAZINE_ORDER, "0" },
	{ QUARRY_KNOB_MAGAZINE_ORDER, "2" },
	{ QUARRY_KNOB_MAGAZINE_ORDER, "3" },
	{ QUARRY_KNOB_MAGAZINE_BYTES, "4K" },
	{ QUARRY_KNOB_MAGAZINE_BYTES, "64K" },
	{ QUARRY_KNOB_MAGAZINE_BYTES, "1M" },
	{ QUARRY_KNOB_CPU_BYTES, "64K" },
	{ QUARRY_KNOB_CPU_BYTES, "4M" },
	{ QUARRY_KNOB_RESERVE, "0" },
	{ QUARRY_KNOB_RESERVE, "1M" },
	{ QUARRY_KNOB_DECAY_MS, "0" },
	{ QUARRY_KNOB_DECAY_MS, "1000" },
	{ QUARRY_KNOB_LIMIT, "0" },
	{ QUARRY_KNOB_LIMIT, "64M" },
	{ QUARRY_KNOB_SOFT_LIMIT, "0" },
	{ QUARRY_KNOB_SOFT_LIMIT, "128K" },
};

static unsigned long sum_of(const struct traffic *t, unsigned int what)
{
	unsigned long sum = 0;
	unsigned int i;

	for (i = 0; i < NR_WORKERS; i++)
		sum += t->nr_allocs[i][what];
	return sum;
}

static void all_of_them_with_traffic(struct kunit *test)
{
	struct traffic *t = quarry_test_array(test, 1, sizeof(*t));
	struct quarry_test_worker workers[NR_WORKERS];
	struct quarry_mags_stats s;
	const struct turn *turn;
	struct rnd_state rnd;
	unsigned int i;
	u64 seed = quarry_test_seed(test, &rnd);

	t->heap = quarry_test_heap(test);
	t->cache = quarry_test_cache(test, t->heap, 200, 0, 0, NULL);
	for (i = 0; i < NR_WORKERS; i++)
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       seed, traffic_worker, t), 0);
	for (i = 0; i < 60; i++) {
		turn = &turns[quarry_test_below(&rnd, ARRAY_SIZE(turns))];
		KUNIT_EXPECT_EQ_MSG(test, tune(t->heap, turn->knob, "%s", turn->text), 0, "%s=%s",
				    quarry_knob_name(turn->knob), turn->text);
		if (quarry_test_below(&rnd, 2))
			msleep(20);
	}
	/* With all off, magazines cannot hide anything. */
	KUNIT_EXPECT_EQ(test, tune(t->heap, QUARRY_KNOB_MAGAZINE_ORDER, "-1"), 0);
	for (i = 0; i < QUARRY_NR_PAGE_FRONTS; i++)
		KUNIT_EXPECT_EQ(test, quarry_mags_nr_cached(front(t->heap, i)), 0UL);
	for (i = 0; i < NR_WORKERS; i++) {
		KUNIT_EXPECT_GT(test, workers[i].nr_ops, 0UL);
		quarry_test_worker_stop(test, &workers[i]);
	}
	for (i = 0; i < QUARRY_NR_PAGE_FRONTS; i++)
		expect_counts(test, t->heap, i, sum_of(t, i), sum_of(t, i));
	quarry_mags_get_stats(&to_slab_cache(t->cache)->mags, &s);
	KUNIT_EXPECT_EQ(test, s.nr_alloc, sum_of(t, QUARRY_NR_PAGE_FRONTS));
	KUNIT_EXPECT_EQ(test, s.nr_free, s.nr_alloc);
	QUARRY_EXPECT_VERIFIED(test, t->heap);
}

static struct kunit_case knobs_cases[] = {
	KUNIT_CASE(each_at_its_bounds),
	KUNIT_CASE(together),
	KUNIT_CASE(numbers_and_garbage),
	KUNIT_CASE(zeroed_parameters),
	KUNIT_CASE(refused_at_run_time),
	KUNIT_CASE(limit_below_what_is_mapped),
	KUNIT_CASE(soft_limit_below_what_is_mapped),
	KUNIT_CASE(decay_of_a_heap_in_use),
	KUNIT_CASE(reserve_of_a_heap_in_use),
	KUNIT_CASE(reserve_that_cannot_be_had),
	KUNIT_CASE(magazine_order_from_the_start),
	KUNIT_CASE(magazine_order_back_and_forth),
	KUNIT_CASE(double_free_with_magazines_off),
	KUNIT_CASE(magazine_bytes_of_a_heap_in_use),
	KUNIT_CASE(all_of_them_with_traffic),
	{}
};

struct kunit_suite quarry_knobs_suite = {
	.name = "quarry_knobs",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = knobs_cases,
};
