/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What samples of a measurement say: net cost per operation, ratio and spread.
 * Pure arithmetic.
 */
#ifndef _QUARRY_BENCH_FIGURES_H
#define _QUARRY_BENCH_FIGURES_H

#include <linux/types.h>

/* The sides of a measurement: the loop without an allocator, ours, the kernel's. */
enum quarry_bench_side {
	QUARRY_BENCH_NONE,
	QUARRY_BENCH_QUARRY,
	QUARRY_BENCH_PEER,
	QUARRY_BENCH_NR_SIDES,
};

#define QUARRY_BENCH_MAX_SLICES	400

/**
 * struct quarry_bench_samples - one quantity, slice by slice
 * @slice: what each slice of each side cost, the loop included
 */
struct quarry_bench_samples {
	u64 slice[QUARRY_BENCH_NR_SIDES][QUARRY_BENCH_MAX_SLICES];
};

/**
 * struct quarry_bench_figures - what is printed of a quantity
 * @known: the quantity was measured; nothing else means anything otherwise
 * @per_op: median slice per operation, in hundredths; the loop is subtracted from
 *          both sides, and is itself under %QUARRY_BENCH_NONE
 * @least: the same of the cheapest slice
 * @most: the same of the dearest
 * @ratio: median over the slices of quarry / peer, in thousandths
 * @ratio_p10: the tenth percentile
 * @ratio_p90: the ninetieth
 * @ratio_min: the least
 * @ratio_max: the largest
 * @nr: slices
 */
struct quarry_bench_figures {
	bool known;
	u64 per_op[QUARRY_BENCH_NR_SIDES];
	u64 least[QUARRY_BENCH_NR_SIDES];
	u64 most[QUARRY_BENCH_NR_SIDES];
	u64 ratio;
	u64 ratio_p10;
	u64 ratio_p90;
	u64 ratio_min;
	u64 ratio_max;
	unsigned int nr;
};

/**
 * struct quarry_bench_gains - what a second CPU is good for
 * @known: it was measured; nothing else means anything otherwise
 * @gain: median over the slices, by side, in thousandths
 * @p10: the tenth percentile
 * @p90: the ninetieth
 * @best: of the shortest times of all slices, which a busy host spoils last
 * @nr: slices
 */
struct quarry_bench_gains {
	bool known;
	u64 gain[QUARRY_BENCH_NR_SIDES];
	u64 best[QUARRY_BENCH_NR_SIDES];
	u64 p10[QUARRY_BENCH_NR_SIDES];
	u64 p90[QUARRY_BENCH_NR_SIDES];
	unsigned int nr;
};

/**
 * quarry_bench_sort() - sort in ascending order
 * @values: what to sort
 * @nr: how many
 *
 * Context: Any.
 */
void quarry_bench_sort(u64 *values, unsigned int nr);

/**
 * quarry_bench_median() - median of sorted values
 * @values: in ascending order
 * @nr: how many, at least 1
 *
 * Context: Any.
 * Return: the middle one, or the mean of the two in the middle.
 */
u64 quarry_bench_median(const u64 *values, unsigned int nr);

/**
 * quarry_bench_percentile() - percentile of sorted values, by nearest rank
 * @values: in ascending order
 * @nr: how many, at least 1
 * @percent: 1 to 100
 *
 * Context: Any.
 * Return: the least of them that @percent of them do not exceed.
 */
u64 quarry_bench_percentile(const u64 *values, unsigned int nr, unsigned int percent);

/**
 * quarry_bench_figure() - turn samples into figures
 * @samples: what was measured; used as scratch space, and means nothing afterwards
 * @nr_slices: slices there, 1 to %QUARRY_BENCH_MAX_SLICES
 * @nr_ops: operations in a slice, at least 1
 * @fig: filled
 *
 * A side that cost no more than the loop counts as 1 per slice, so that it
 * can be divided by.
 *
 * Context: Any.
 */
void quarry_bench_figure(struct quarry_bench_samples *samples, unsigned int nr_slices,
			 unsigned int nr_ops, struct quarry_bench_figures *fig);

/**
 * quarry_bench_gain() - how much faster the same work is on several CPUs at once
 * @alone: each CPU's share alone, one after the other; used as scratch space
 * @together: all at once; only read
 * @nr_slices: slices there, 1 to %QUARRY_BENCH_MAX_SLICES
 * @gains: filled
 *
 * The loop is subtracted from either time of both sides; its own gain is that of the
 * machine.  As above, what took no longer than the loop counts as 1.
 *
 * Context: Any.
 */
void quarry_bench_gain(struct quarry_bench_samples *alone,
		       const struct quarry_bench_samples *together, unsigned int nr_slices,
		       struct quarry_bench_gains *gains);

/**
 * quarry_bench_is_noisy() - is the spread too wide for a figure?
 * @median: what would be the figure
 * @p10: tenth percentile
 * @p90: ninetieth percentile
 *
 * Context: Any.
 * Return: true if from @p10 to @p90 is more than 20 % of @median.
 */
bool quarry_bench_is_noisy(u64 median, u64 p10, u64 p90);

#endif /* _QUARRY_BENCH_FIGURES_H */
