// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_replay: a slice of a recorded trace through both sides, traces
 * that must be refused with the number of the bad line, and the figures that
 * are made of samples.
 */
#include <linux/cpumask.h>
#include <linux/string.h>
#include "../src/bench/figures.h"
#include "../src/bench/replay.h"
#include "../src/bench/trace.h"
#include "helpers.h"
#include "replay_slice.h"

#define HEAP_NAME	"kunit-replay"

static void trace_exit(void *trace)
{
	quarry_trace_free(trace);
}

static struct quarry_trace *parse(struct kunit *test, const char *text)
{
	struct quarry_trace_error err;
	struct quarry_trace *trace = quarry_trace_parse(text, strlen(text), &err);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(trace), "line %u: %s", err.line, err.message);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, trace_exit, trace), 0);
	return trace;
}

/* === Good traces === */

static void slice_is_parsed(struct kunit *test)
{
	struct quarry_trace *trace = parse(test, slice);

	KUNIT_EXPECT_EQ(test, trace->nr_records, (u32)SLICE_RECORDS);
	KUNIT_EXPECT_EQ(test, trace->nr_slots, (u32)SLICE_SLOTS);
	KUNIT_EXPECT_EQ(test, trace->nr_caches, (u32)SLICE_CACHES);
	KUNIT_EXPECT_EQ(test, trace->nr_left, (u32)SLICE_LEFT);
	KUNIT_EXPECT_EQ(test, trace->nr_allocs + trace->nr_frees, trace->nr_records);
	KUNIT_EXPECT_EQ(test, trace->nr_allocs - trace->nr_frees, trace->nr_left);
	KUNIT_EXPECT_GT(test, trace->nr_remote_frees, 0U);
	KUNIT_EXPECT_STREQ(test, trace->caches[0].name, "names_cache");
	KUNIT_EXPECT_EQ(test, trace->caches[0].size, 4096U);
	KUNIT_EXPECT_EQ(test, (u32)trace->records[0].op, (u32)QUARRY_TRACE_ALLOC_CACHE);
	KUNIT_EXPECT_EQ(test, (u32)trace->records[1].op, (u32)QUARRY_TRACE_FREE_CACHE);
	KUNIT_EXPECT_EQ_MSG(test, trace->runs[trace->nr_runs].first, trace->nr_records,
			    "sentinel behind the last run");
}

/* No heap of the replay's name is left, and nothing in the default heap. */
static void expect_nothing_left(struct kunit *test)
{
	struct quarry_heap_params params = { .name = HEAP_NAME, QUARRY_HEAP_DEFAULTS };

	quarry_test_heap_done(test, quarry_test_heap_params(test, params));
}

static void slice_replays_checked(struct kunit *test)
{
	struct quarry_replay_opts opts = { .heap_name = HEAP_NAME, .check = true };
	struct quarry_replay_result *res = quarry_test_array(test, 1, sizeof(*res));
	struct quarry_trace *trace = parse(test, slice);

	KUNIT_EXPECT_EQ_MSG(test, quarry_replay_run(trace, &opts, res), 0, "%s", res->message);
	KUNIT_EXPECT_TRUE(test, res->checked);
	KUNIT_EXPECT_EQ(test, res->reps, 0U);
	KUNIT_EXPECT_EQ(test, res->one_cpu, num_online_cpus() < 2);
	KUNIT_EXPECT_GE_MSG(test, res->quarry.peak_pages << PAGE_SHIFT, trace->peak_bytes,
			    "pages at peak hold less than what was asked for");
	KUNIT_EXPECT_GE(test, res->quarry.mapped_pages, res->quarry.peak_pages);
	KUNIT_EXPECT_GE(test, res->quarry.peak_pages, res->quarry.counted_pages);
	KUNIT_EXPECT_GE(test, res->quarry.counted_pages << PAGE_SHIFT, trace->peak_bytes);
	KUNIT_EXPECT_GT(test, res->quarry.nr_kernel_calls, 0ULL);
	expect_nothing_left(test);
}

static void slice_replays_timed(struct kunit *test)
{
	struct quarry_replay_opts opts = { .heap_name = HEAP_NAME, .reps = 3 };
	struct quarry_replay_result *res = quarry_test_array(test, 1, sizeof(*res));
	struct quarry_trace *trace = parse(test, slice);

	KUNIT_EXPECT_EQ_MSG(test, quarry_replay_run(trace, &opts, res), 0, "%s", res->message);
	KUNIT_EXPECT_FALSE(test, res->checked);
	KUNIT_EXPECT_EQ(test, res->reps, 3U);
	KUNIT_EXPECT_LE(test, res->quarry.ns_min, res->quarry.ns_median);
	KUNIT_EXPECT_LE(test, res->quarry.ns_median, res->quarry.ns_max);
	KUNIT_EXPECT_LE(test, res->kernel.ns_min, res->kernel.ns_median);
	KUNIT_EXPECT_LE(test, res->kernel.ns_median, res->kernel.ns_max);
	expect_nothing_left(test);
}

static void all_kinds_and_extremes(struct kunit *test)
{
	struct quarry_replay_opts opts = { .heap_name = HEAP_NAME, .reps = 1, .check = true };
	struct quarry_replay_result *res = quarry_test_array(test, 1, sizeof(*res));
	struct quarry_trace *trace = parse(test,
		"# quarry-trace 1\n"
		"# a comment before the header\n"
		"# slots 9 caches 3 records 14\n"
		"C 2 262144 largest\n"
		"C 0 1 smallest\n"
		"# a comment between caches\n"
		"C 1 8392 odd\n"
		"0 c 0 0\n1 c 1 1\n0 c 2 2\n1 k 3 1\n0 k 4 4194304\n1 p 5 0\n0 p 6 10\n"
		"1 f 0\n0 f 1\n1 f 2\n0 f 3\n1 f 4\n0 f 5\n# the last one is left\n1 k 0 33\n");

	KUNIT_EXPECT_EQ(test, trace->nr_left, 2U);
	KUNIT_EXPECT_EQ(test, trace->nr_remote_frees, 6U);
	KUNIT_EXPECT_EQ_MSG(test, quarry_replay_run(trace, &opts, res), 0, "%s", res->message);
	expect_nothing_left(test);
}

static void empty_trace_is_fine(struct kunit *test)
{
	struct quarry_trace *trace = parse(test,
					   "# quarry-trace 1\n# slots 0 caches 0 records 0\n");

	KUNIT_EXPECT_EQ(test, trace->nr_records, 0U);
	KUNIT_EXPECT_EQ(test, trace->runs[0].first, 0U);
}

static void bad_options_are_refused(struct kunit *test)
{
	struct quarry_replay_opts opts = {
		.heap_name = HEAP_NAME,
		.reps = QUARRY_REPLAY_MAX_REPS + 1,
	};
	struct quarry_replay_result *res = quarry_test_array(test, 1, sizeof(*res));
	struct quarry_trace *trace = parse(test, slice);
	int ret;

	QUARRY_QUIETLY(ret = quarry_replay_run(trace, &opts, res));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	opts.reps = 0;
	opts.check = true;
	opts.heap_name = "default";
	QUARRY_QUIETLY(ret = quarry_replay_run(trace, &opts, res));
	KUNIT_EXPECT_EQ_MSG(test, ret, -EEXIST, "a heap of that name exists");
	KUNIT_EXPECT_GT(test, strlen(res->message), (size_t)0);
	expect_nothing_left(test);
}

/* === Malformed traces === */

#define HEAD	"# quarry-trace 1\n# slots 4 caches 1 records 3\nC 0 192 dentry\n"

static const struct bad_trace {
	const char *name;
	unsigned int line;
	const char *says;		/* part of the message */
	const char *text;
} bad_traces[] = {
	{ "empty", 1, "empty", "" },
	{ "no first line", 1, "not a trace", "# slots 4 caches 0 records 0\n" },
	{ "gzip", 1, "gzip", "\x1f\x8b\x08 and so on\n" },
	{ "version 2", 1, "version 2", "# quarry-trace 2\n# slots 4 caches 0 records 0\n" },
	{ "no version", 1, "version", "# quarry-trace\x20\n# slots 4 caches 0 records 0\n" },
	{ "version and more", 1, "garbage", "# quarry-trace 1 2\n" },
	{ "no header", 1, "header", "# quarry-trace 1\n" },
	{ "record before header", 2, "header", "# quarry-trace 1\n0 k 0 8\n" },
	{ "cache before header", 2, "header", "# quarry-trace 1\nC 0 8 x\n" },
	{ "second header", 4, "second", HEAD "# slots 4 caches 1 records 3\n" },
	{ "header without records", 2, "records", "# quarry-trace 1\n# slots 4 caches 0\n" },
	{ "slots that cannot be", 2, "out of range",
	  "# quarry-trace 1\n# slots 4000000000 caches 0 records 0\n" },
	{ "records that cannot be", 2, "records",
	  "# quarry-trace 1\n# slots 1 caches 0 records 4000000000\n" },
	{ "caches that cannot be", 2, "out of range",
	  "# quarry-trace 1\n# slots 1 caches 100000 records 0\n" },
	{ "unknown record", 4, "unknown", HEAD "0 x 0 8\n" },
	{ "record of two letters", 4, "unknown", HEAD "0 kk 0 8\n" },
	{ "empty line", 4, "empty line", HEAD "\n0 k 0 8\n" },
	{ "slot out of range", 5, "slot 4", HEAD "0 k 0 8\n0 k 4 8\n0 f 0\n" },
	{ "free of a slot out of range", 4, "slot 77", HEAD "0 f 77\n" },
	{ "slot is no number", 4, "not a number", HEAD "0 k x 8\n" },
	{ "negative slot", 4, "not a number", HEAD "0 k -1 8\n" },
	{ "slot beyond 32 bits", 4, "out of range", HEAD "0 k 4294967296 8\n" },
	{ "CPU out of range", 4, "CPU", HEAD "1024 k 0 8\n" },
	{ "double free", 6, "double free", HEAD "0 k 0 8\n0 f 0\n0 f 0\n" },
	{ "free of an empty slot", 4, "double free", HEAD "0 f 0\n" },
	{ "slot in use", 5, "in use", HEAD "0 k 0 8\n1 p 0 0\n0 f 0\n" },
	{ "size 0", 4, "size 0", HEAD "0 k 0 0\n" },
	{ "size too large", 4, "size", HEAD "0 k 0 4194305\n" },
	{ "order too large", 4, "order", HEAD "0 p 0 11\n" },
	{ "cache not declared", 4, "cache 1", HEAD "0 c 0 1\n" },
	{ "size missing", 4, "missing", HEAD "0 k 0\n" },
	{ "size missing after a space", 4, "missing", HEAD "0 k 0\x20\n" },
	{ "garbage after a record", 4, "garbage", HEAD "0 k 0 8 9\n" },
	{ "garbage after a free", 5, "garbage", HEAD "0 k 0 8\n0 f 0 8\n" },
	{ "two spaces", 4, "missing", HEAD "0  k 0 8\n" },
	{ "truncated line", 6, "truncated", HEAD "0 k 0 8\n1 c 1 0\n0 f" },
	{ "last newline missing", 6, "truncated", HEAD "0 k 0 8\n1 c 1 0\n0 f 0" },
	{ "too few records", 5, "2 of 3", HEAD "0 k 0 8\n0 f 0\n" },
	{ "too many records", 7, "more records", HEAD "0 k 0 8\n0 f 0\n0 k 0 8\n0 f 0\n" },
	{ "too few caches", 2, "0 of 1", "# quarry-trace 1\n# slots 0 caches 1 records 0\n" },
	{ "cache out of range", 4, "cache 1", HEAD "C 1 8 x\n" },
	{ "cache declared twice", 4, "twice", HEAD "C 0 192 dentry\n" },
	{ "cache of size 0", 3, "size 0",
	  "# quarry-trace 1\n# slots 0 caches 1 records 0\nC 0 0 x\n" },
	{ "cache too large", 3, "size",
	  "# quarry-trace 1\n# slots 0 caches 1 records 0\nC 0 262145 x\n" },
	{ "cache without a name", 3, "name",
	  "# quarry-trace 1\n# slots 0 caches 1 records 0\nC 0 8\n" },
};

static void malformed_traces_are_refused(struct kunit *test)
{
	struct quarry_trace_error err;
	struct quarry_trace *trace;
	const struct bad_trace *bad;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_traces); i++) {
		bad = &bad_traces[i];
		trace = quarry_trace_parse(bad->text, strlen(bad->text), &err);
		KUNIT_EXPECT_TRUE_MSG(test, trace == ERR_PTR(-EINVAL), "%s: %d", bad->name,
				      PTR_ERR_OR_ZERO(trace));
		KUNIT_EXPECT_EQ_MSG(test, err.line, bad->line, "%s: %s", bad->name, err.message);
		KUNIT_EXPECT_TRUE_MSG(test, strstr(err.message, bad->says), "%s: said '%s'",
				      bad->name, err.message);
		quarry_trace_free(trace);
	}
}

/* Cut after any byte, a trace is refused in the line that the cut is in. */
static void every_cut_is_refused(struct kunit *test)
{
	static const char text[] = HEAD "0 k 0 8\n1 c 1 0\n0 f 0\n";
	struct quarry_trace_error err;
	struct quarry_trace *trace;
	unsigned int line = 1;
	size_t len;

	for (len = 0; len < sizeof(text) - 1; len++) {
		/* A cut behind a newline is noticed at the end of the line before. */
		if (len > 1 && text[len - 2] == '\n')
			line++;
		trace = quarry_trace_parse(text, len, &err);
		KUNIT_EXPECT_TRUE_MSG(test, IS_ERR(trace), "cut after %zu bytes", len);
		KUNIT_EXPECT_GE_MSG(test, err.line, 1U, "cut after %zu bytes", len);
		KUNIT_EXPECT_LE_MSG(test, err.line, line, "cut after %zu bytes: %s", len,
				    err.message);
		quarry_trace_free(trace);
	}
	trace = quarry_trace_parse(text, len, &err);
	KUNIT_EXPECT_FALSE_MSG(test, IS_ERR(trace), "line %u: %s", err.line, err.message);
	quarry_trace_free(trace);
}

/* One random byte changed: refused, or still a trace that can be freed. */
static void random_damage_is_survived(struct kunit *test)
{
	size_t len = sizeof(slice) - 1;
	char *text = quarry_test_array(test, 1, len);
	unsigned int i, refused = 0, rounds = QUARRY_TEST_LOOPS(2000);
	struct quarry_trace_error err;
	struct quarry_trace *trace;
	struct rnd_state rnd;

	quarry_test_seed(test, &rnd);
	for (i = 0; i < rounds; i++) {
		memcpy(text, slice, len);
		text[quarry_test_below(&rnd, len)] = prandom_u32_state(&rnd);
		trace = quarry_trace_parse(text, len, &err);
		if (IS_ERR(trace)) {
			refused++;
			KUNIT_EXPECT_GE(test, err.line, 1U);
		}
		quarry_trace_free(trace);
	}
	KUNIT_EXPECT_GT(test, refused, rounds / 2);
}

/* === Figures === */

static void median_and_percentiles(struct kunit *test)
{
	u64 odd[] = { 5, U64_MAX, 1, 4, 2 }, even[] = { U64_MAX, 3, U64_MAX - 2, 1 };
	u64 hundred[100], one = 7;
	unsigned int i;

	quarry_bench_sort(odd, ARRAY_SIZE(odd));
	KUNIT_EXPECT_EQ(test, odd[0], 1ULL);
	KUNIT_EXPECT_EQ(test, odd[4], U64_MAX);
	KUNIT_EXPECT_EQ(test, quarry_bench_median(odd, ARRAY_SIZE(odd)), 4ULL);
	quarry_bench_sort(even, ARRAY_SIZE(even));
	KUNIT_EXPECT_EQ(test, quarry_bench_median(even, ARRAY_SIZE(even)), (U64_MAX - 2) / 2 + 2);
	KUNIT_EXPECT_EQ(test, quarry_bench_median(&even[2], 2), U64_MAX - 1);
	KUNIT_EXPECT_EQ(test, quarry_bench_median(&one, 1), 7ULL);
	for (i = 0; i < ARRAY_SIZE(hundred); i++)
		hundred[i] = i + 1;
	KUNIT_EXPECT_EQ(test, quarry_bench_percentile(hundred, 100, 10), 10ULL);
	KUNIT_EXPECT_EQ(test, quarry_bench_percentile(hundred, 100, 90), 90ULL);
	KUNIT_EXPECT_EQ(test, quarry_bench_percentile(hundred, 100, 100), 100ULL);
	KUNIT_EXPECT_EQ(test, quarry_bench_percentile(hundred, 64, 10), 7ULL);
	KUNIT_EXPECT_EQ(test, quarry_bench_percentile(&one, 1, 10), 7ULL);
	KUNIT_EXPECT_EQ(test, quarry_bench_percentile(&one, 1, 90), 7ULL);
}

/* The loop of a slice is taken off that slice, and ratios are of neighbours. */
static void figures_are_net_of_the_loop(struct kunit *test)
{
	struct quarry_bench_samples *s = quarry_test_array(test, 1, sizeof(*s));
	static const u64 loop[] = { 100, 200, 300, 400, 500 };
	static const u64 quarry[] = { 10, 20, 30, 40, 5000 };
	static const u64 peer[] = { 100, 100, 100, 100, 10000 };
	struct quarry_bench_figures fig = { };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(loop); i++) {
		s->slice[QUARRY_BENCH_NONE][i] = loop[i];
		s->slice[QUARRY_BENCH_QUARRY][i] = loop[i] + quarry[i];
		s->slice[QUARRY_BENCH_PEER][i] = loop[i] + peer[i];
	}
	quarry_bench_figure(s, ARRAY_SIZE(loop), 10, &fig);
	KUNIT_EXPECT_TRUE(test, fig.known);
	KUNIT_EXPECT_EQ(test, fig.per_op[QUARRY_BENCH_NONE], 3000ULL);
	KUNIT_EXPECT_EQ(test, fig.per_op[QUARRY_BENCH_QUARRY], 300ULL);
	KUNIT_EXPECT_EQ(test, fig.per_op[QUARRY_BENCH_PEER], 1000ULL);
	KUNIT_EXPECT_EQ(test, fig.ratio, 300ULL);
	KUNIT_EXPECT_EQ(test, fig.ratio_p10, 100ULL);
	KUNIT_EXPECT_EQ(test, fig.ratio_p90, 500ULL);
}

/* A side that seems to cost less than nothing does not wrap around nor divide by zero. */
static void figures_do_not_go_below_the_loop(struct kunit *test)
{
	struct quarry_bench_samples *s = quarry_test_array(test, 1, sizeof(*s));
	struct quarry_bench_figures fig = { };

	s->slice[QUARRY_BENCH_NONE][0] = 50;
	s->slice[QUARRY_BENCH_QUARRY][0] = 53;
	s->slice[QUARRY_BENCH_PEER][0] = 49;
	quarry_bench_figure(s, 1, 1, &fig);
	KUNIT_EXPECT_EQ(test, fig.per_op[QUARRY_BENCH_QUARRY], 300ULL);
	KUNIT_EXPECT_EQ(test, fig.per_op[QUARRY_BENCH_PEER], 100ULL);
	KUNIT_EXPECT_EQ(test, fig.ratio, 3000ULL);
}

/* Net of the loop on either side of the fraction; the loop's own gain is gross. */
static void gains_are_net_of_the_loop(struct kunit *test)
{
	struct quarry_bench_samples *alone = quarry_test_array(test, 1, sizeof(*alone));
	struct quarry_bench_samples *together = quarry_test_array(test, 1, sizeof(*together));
	static const u64 quarry[] = { 200, 190, 180, 170, 160 };
	struct quarry_bench_gains gains = { };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(quarry); i++) {
		alone->slice[QUARRY_BENCH_NONE][i] = 60;
		together->slice[QUARRY_BENCH_NONE][i] = 40;
		alone->slice[QUARRY_BENCH_QUARRY][i] = 60 + quarry[i];
		together->slice[QUARRY_BENCH_QUARRY][i] = 40 + 100;
		/* One that took less than the loop. */
		alone->slice[QUARRY_BENCH_PEER][i] = 60 + 120;
		together->slice[QUARRY_BENCH_PEER][i] = i ? 40 + 80 : 39;
	}
	quarry_bench_gain(alone, together, ARRAY_SIZE(quarry), &gains);
	KUNIT_EXPECT_TRUE(test, gains.known);
	KUNIT_EXPECT_EQ(test, gains.gain[QUARRY_BENCH_QUARRY], 1800ULL);
	KUNIT_EXPECT_EQ(test, gains.p10[QUARRY_BENCH_QUARRY], 1600ULL);
	KUNIT_EXPECT_EQ(test, gains.p90[QUARRY_BENCH_QUARRY], 2000ULL);
	KUNIT_EXPECT_EQ(test, gains.gain[QUARRY_BENCH_PEER], 1500ULL);
	KUNIT_EXPECT_EQ(test, gains.p90[QUARRY_BENCH_PEER], 120000ULL);
	KUNIT_EXPECT_EQ(test, gains.gain[QUARRY_BENCH_NONE], 1500ULL);
	/* The least together is less than the least of the loop there. */
	KUNIT_EXPECT_EQ(test, gains.best[QUARRY_BENCH_QUARRY], 1600ULL);
	KUNIT_EXPECT_EQ(test, gains.best[QUARRY_BENCH_PEER], 120000ULL);
	KUNIT_EXPECT_EQ(test, gains.best[QUARRY_BENCH_NONE], 1500ULL);
	KUNIT_EXPECT_EQ(test, together->slice[QUARRY_BENCH_QUARRY][0], 140ULL);
}

static void noise_is_a_fifth(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, quarry_bench_is_noisy(1000, 900, 1100));
	KUNIT_EXPECT_TRUE(test, quarry_bench_is_noisy(1000, 900, 1101));
	KUNIT_EXPECT_FALSE(test, quarry_bench_is_noisy(7, 7, 7));
	KUNIT_EXPECT_TRUE(test, quarry_bench_is_noisy(0, 0, 1));
}

static struct kunit_case replay_cases[] = {
	KUNIT_CASE(slice_is_parsed),
	KUNIT_CASE(slice_replays_checked),
	KUNIT_CASE(slice_replays_timed),
	KUNIT_CASE(all_kinds_and_extremes),
	KUNIT_CASE(empty_trace_is_fine),
	KUNIT_CASE(bad_options_are_refused),
	KUNIT_CASE(malformed_traces_are_refused),
	KUNIT_CASE(every_cut_is_refused),
	KUNIT_CASE(random_damage_is_survived),
	KUNIT_CASE(median_and_percentiles),
	KUNIT_CASE(figures_are_net_of_the_loop),
	KUNIT_CASE(figures_do_not_go_below_the_loop),
	KUNIT_CASE(gains_are_net_of_the_loop),
	KUNIT_CASE(noise_is_a_fifth),
	{}
};

struct kunit_suite quarry_replay_suite = {
	.name = "quarry_replay",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = replay_cases,
};
