// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_results: what a program reads of a case's results.
 */
#include <linux/string.h>
#include <linux/utsname.h>
#include "../src/bench/case.h"
#include "../src/bench/platform.h"
#include "../src/bench/results.h"
#include "helpers.h"

#define TEXT_SIZE	(64 << 10)

/* What is written to it without an end is closed, so that the next case may open. */
static struct bench_text *open_text(struct kunit *test, size_t size)
{
	struct bench_text *text = quarry_test_array(test, 1, sizeof(*text));

	text->buf = quarry_test_array(test, size, 1);
	text->size = size;
	quarry_bench_results_open(text);
	return text;
}

/* Is this a whole line of it? */
static bool has_line(const struct bench_text *text, const char *line)
{
	size_t len = strlen(line);
	const char *at = text->buf;

	while ((at = strstr(at, line))) {
		if ((at == text->buf || at[-1] == '\n') && at[len] == '\n')
			return true;
		at++;
	}
	return false;
}

/* Expects a line that goes on as @rest, in which ' stands for ". */
static void expect_line(struct kunit *test, const struct bench_text *text, const char *kind,
			const char *rest)
{
	struct bench_text label = { .buf = quarry_test_array(test, 96, 1), .size = 96 };
	char *line = quarry_test_array(test, 512, 1);

	quarry_bench_put_label(&label);
	snprintf(line, 512, "{'kind':'%s','platform':'%s','case':'some-case',%s}", kind, label.buf,
		 rest);
	strreplace(line, '\'', '"');
	KUNIT_EXPECT_TRUE_MSG(test, has_line(text, line), "%s is not in %s", line, text->buf);
}

/* The same of a result with a peer. */
static void expect_result(struct kunit *test, const struct bench_text *text, const char *subject,
			  const char *rest)
{
	char *more = quarry_test_array(test, 256, 1);

	snprintf(more, 256, "'subject':'%s','peer':'peer','unit':%s", subject, rest);
	expect_line(test, text, "result", more);
}

static const struct quarry_bench_result plain = {
	.name = "some-case", .peer = "peer", .per = "op",
	.peak_bytes = { QUARRY_BENCH_UNKNOWN, 4096, 8192 },
	.calls = { QUARRY_BENCH_UNKNOWN, 1, QUARRY_BENCH_UNKNOWN },
};

static void machine_comes_first(struct kunit *test)
{
	struct bench_text *text = open_text(test, TEXT_SIZE);

	KUNIT_EXPECT_EQ(test, quarry_bench_results_close(), 0);
	KUNIT_EXPECT_EQ(test, strncmp(text->buf, "{\"kind\":\"machine\",", 18), 0);
	KUNIT_EXPECT_TRUE(test, strstr(text->buf, init_utsname()->release));
	KUNIT_EXPECT_EQ(test, text->buf[text->len - 1], '\n');
}

static void figures_become_lines(struct kunit *test)
{
	struct bench_text *text = open_text(test, TEXT_SIZE);
	struct quarry_bench_result res = plain;

	res.ns = (struct quarry_bench_figures){
		.known = true, .per_op = { 10, 345, 1500 }, .least = { 9, 300, 1499 },
		.most = { 11, 400, 1600 }, .ratio = 230, .ratio_p10 = 225, .ratio_p90 = 235,
		.ratio_min = 200, .ratio_max = 240, .nr = 64,
	};
	quarry_bench_emit_result(&res, NULL);
	KUNIT_EXPECT_EQ(test, quarry_bench_results_close(), 0);
	expect_result(test, text, "quarry",
		      "'ns','per':'op','median':3.450,'min':3.000,'max':4.000,'n':64");
	expect_result(test, text, "peer",
		      "'bytes','median':8192,'min':8192,'max':8192,'n':1");
	expect_result(test, text, "quarry",
		      "'ratio','of':'ns','median':0.230,'p10':0.225,'p90':0.235,'min':0.200,'max':0.240,'n':64");
	KUNIT_EXPECT_FALSE_MSG(test, strstr(text->buf, "18446744073709551615"),
			       "what is not known is left out");
	KUNIT_EXPECT_FALSE_MSG(test, strstr(text->buf, "insn"), "nothing counted instructions");
}

/* A ratio that means nothing is not to be had as a number. */
static void noisy_ratios_are_called_so(struct kunit *test)
{
	struct bench_text *text = open_text(test, TEXT_SIZE);
	struct quarry_bench_result res = plain;

	res.instructions = (struct quarry_bench_figures){
		.known = true, .ratio = 230, .ratio_p10 = 100, .ratio_p90 = 300,
		.ratio_min = 50, .ratio_max = 900, .nr = 7,
	};
	quarry_bench_emit_result(&res, NULL);
	KUNIT_EXPECT_EQ(test, quarry_bench_results_close(), 0);
	expect_result(test, text, "quarry",
		      "'ratio','of':'insn','median':'noisy','p10':0.100,'p90':0.300,'min':0.050,'max':0.900,'n':7");
}

static void values_and_series_become_lines(struct kunit *test)
{
	static const struct quarry_bench_point points[] = { { 0, 7 }, { 10, U64_MAX } };
	const struct quarry_bench_value value = {
		.subject = "peer", .what = "a \"share\"", .unit = "ratio", QUARRY_BENCH_ONE(1005),
	};
	const struct quarry_bench_series series = {
		.subject = "quarry", .name = "line", .x_unit = "ms", .y_unit = "bytes",
		.points = points, .nr = ARRAY_SIZE(points),
	};
	struct bench_text *text = open_text(test, TEXT_SIZE);

	quarry_bench_emit_value(&plain, &value);
	quarry_bench_emit_series(&plain, &series);
	KUNIT_EXPECT_EQ(test, quarry_bench_results_close(), 0);
	expect_result(test, text, "peer",
		      "'ratio','what':'a \\\"share\\\"','median':1.005,'min':1.005,'max':1.005,'n':1");
	expect_line(test, text, "series",
		    "'subject':'quarry','series':'line','x_unit':'ms','y_unit':'bytes','points':[[0,7],[10,18446744073709551615]]");
}

static void what_was_left_out_says_why(struct kunit *test)
{
	struct bench_text *text = open_text(test, TEXT_SIZE);
	struct quarry_bench_result res = plain;

	res.left_out = "no \\ here";
	quarry_bench_emit_result(&res, "first\nsecond");
	KUNIT_EXPECT_EQ(test, quarry_bench_results_close(), 0);
	expect_line(test, text, "left_out", "'reason':'no \\\\ here'");
	KUNIT_EXPECT_FALSE(test, strstr(text->buf, "\"kind\":\"result\""));
}

static void notes_become_lines(struct kunit *test)
{
	struct bench_text *text = open_text(test, TEXT_SIZE);

	quarry_bench_emit_result(&plain, "first\n\nlast\tone");
	KUNIT_EXPECT_EQ(test, quarry_bench_results_close(), 0);
	expect_line(test, text, "note", "'text':'first'");
	expect_line(test, text, "note", "'text':''");
	expect_line(test, text, "note", "'text':'last one'");
}

/* Half a line at the end would be worse than none, and has to be known. */
static void too_much_is_an_error(struct kunit *test)
{
	struct bench_text *text = open_text(test, 512);
	unsigned int i;

	for (i = 0; i < 16; i++)
		quarry_bench_emit_result(&plain, NULL);
	KUNIT_EXPECT_EQ(test, quarry_bench_results_close(), -EFBIG);
	KUNIT_EXPECT_LT(test, text->len, text->size);
}

/* Nothing, a part, the beginning, and all. */
static void cases_are_chosen_by_name(struct kunit *test)
{
	struct quarry_bench_choice *choice = quarry_test_array(test, 1, sizeof(*choice));
	struct bench_text text = { .buf = quarry_test_array(test, 256, 1), .size = 256 };

	KUNIT_EXPECT_FALSE(test, quarry_bench_choose(choice, ""));
	KUNIT_EXPECT_FALSE(test, quarry_bench_choose(choice, "pages"));
	KUNIT_EXPECT_FALSE(test, quarry_bench_choose(choice, "pages-o33"));
	KUNIT_EXPECT_FALSE(test, quarry_bench_any_chosen(choice));
	KUNIT_EXPECT_TRUE(test, quarry_bench_choose(choice, "pages-*\n"));
	KUNIT_EXPECT_TRUE(test, quarry_bench_choose(choice, "sized-var"));
	quarry_bench_names(&text, choice, ":");
	KUNIT_EXPECT_STREQ(test, text.buf, "sized-var:pages-o0:pages-o3:pages-o9");
}

static struct kunit_case results_cases[] = {
	KUNIT_CASE(machine_comes_first),
	KUNIT_CASE(figures_become_lines),
	KUNIT_CASE(noisy_ratios_are_called_so),
	KUNIT_CASE(values_and_series_become_lines),
	KUNIT_CASE(what_was_left_out_says_why),
	KUNIT_CASE(notes_become_lines),
	KUNIT_CASE(too_much_is_an_error),
	KUNIT_CASE(cases_are_chosen_by_name),
	{}
};

struct kunit_suite quarry_results_suite = {
	.name = "quarry_results",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = results_cases,
};
