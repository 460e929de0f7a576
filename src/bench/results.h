/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Results for programs: one JSON object per line (Documentation/performance.md).
 *
 * What every case has (costs, ratio, bytes, calls, notes) is written for it when it is through.
 * A case writes what else it found while it runs: single values and series of points.
 */
#ifndef _QUARRY_BENCH_RESULTS_H
#define _QUARRY_BENCH_RESULTS_H

#include <linux/types.h>
#include "case.h"
#include "text.h"

/**
 * struct quarry_bench_value - a figure of a case beside the usual ones
 * @subject: whose: "quarry", or the peer's name
 * @what: what it is, in a few words, unique within the case: "p99.99 of alloc"
 * @unit: "ns", "insn", "bytes", "calls", "ratio", ...
 * @median: in thousandths of @unit
 * @min: the least
 * @max: the most
 * @n: of how many; 0 if it is known only once, and then @min and @max do not count
 */
struct quarry_bench_value {
	const char *subject;
	const char *what;
	const char *unit;
	u64 median;
	u64 min;
	u64 max;
	unsigned int n;
};

/* A value that is known only once, in thousandths. */
#define QUARRY_BENCH_ONE(value)	.median = (value)

/* A point of a series, in whole units. */
struct quarry_bench_point {
	u64 x;
	u64 y;
};

/**
 * struct quarry_bench_series - points to be drawn
 * @subject: whose: "quarry", or the peer's name
 * @name: of the series, the same for all subjects: "fragmentation"
 * @x_unit: of x, as the axis shall say: "operations", "ms"
 * @y_unit: of y: "permille", "bytes"
 * @points: in the order of x
 * @nr: how many, 1 to %QUARRY_BENCH_MAX_POINTS
 */
struct quarry_bench_series {
	const char *subject;
	const char *name;
	const char *x_unit;
	const char *y_unit;
	const struct quarry_bench_point *points;
	unsigned int nr;
};

/* More than a plot shows. */
#define QUARRY_BENCH_MAX_POINTS	2000

/*
 * Write one of them among the results of the case that @res is handed to.  Costs microseconds, so
 * not in what is measured.
 * Context: the case's own thread.
 */
void quarry_bench_emit_value(const struct quarry_bench_result *res,
			     const struct quarry_bench_value *value);
void quarry_bench_emit_series(const struct quarry_bench_result *res,
			      const struct quarry_bench_series *series);

/* === For those who run the cases === */

/* Start over in @text with the line of the machine; the meter is open. */
void quarry_bench_results_open(struct bench_text *text);

/* Write what every case has.  @notes: what the case has added to the notes, or NULL. */
void quarry_bench_emit_result(const struct quarry_bench_result *res, const char *notes);

/* No more results.  Return: 0, or %-EFBIG if they did not fit. */
int quarry_bench_results_close(void);

#endif /* _QUARRY_BENCH_RESULTS_H */
