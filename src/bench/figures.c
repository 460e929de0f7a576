// SPDX-License-Identifier: GPL-2.0
/*
 * From samples to figures; see figures.h.
 */
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sort.h>
#include "figures.h"

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

void quarry_bench_sort(u64 *values, unsigned int nr)
{
	sort(values, nr, sizeof(*values), compare, NULL);
}
EXPORT_SYMBOL_GPL(quarry_bench_sort);

u64 quarry_bench_median(const u64 *values, unsigned int nr)
{
	u64 low = values[(nr - 1) / 2], high = values[nr / 2];

	return low + (high - low) / 2;
}
EXPORT_SYMBOL_GPL(quarry_bench_median);

u64 quarry_bench_percentile(const u64 *values, unsigned int nr, unsigned int percent)
{
	return values[DIV_ROUND_UP(nr * percent, 100) - 1];
}
EXPORT_SYMBOL_GPL(quarry_bench_percentile);

static u64 without_loop(u64 cost, u64 loop)
{
	return cost > loop ? cost - loop : 1;
}

static void take_loop_off(u64 *slice, const u64 *loop, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		slice[i] = without_loop(slice[i], loop[i]);
}

static void figure_ratios(const u64 *quarry, const u64 *peer, u64 *ratios, unsigned int nr,
			  struct quarry_bench_figures *fig)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		ratios[i] = div64_u64(quarry[i] * 1000, peer[i]);
	quarry_bench_sort(ratios, nr);
	fig->ratio = quarry_bench_median(ratios, nr);
	fig->ratio_p10 = quarry_bench_percentile(ratios, nr, 10);
	fig->ratio_p90 = quarry_bench_percentile(ratios, nr, 90);
	fig->ratio_min = ratios[0];
	fig->ratio_max = ratios[nr - 1];
}

static void figure_costs(u64 *slice, unsigned int nr_slices, unsigned int nr_ops,
			 enum quarry_bench_side side, struct quarry_bench_figures *fig)
{
	quarry_bench_sort(slice, nr_slices);
	fig->per_op[side] = div_u64(quarry_bench_median(slice, nr_slices) * 100, nr_ops);
	fig->least[side] = div_u64(slice[0] * 100, nr_ops);
	fig->most[side] = div_u64(slice[nr_slices - 1] * 100, nr_ops);
}

void quarry_bench_figure(struct quarry_bench_samples *samples, unsigned int nr_slices,
			 unsigned int nr_ops, struct quarry_bench_figures *fig)
{
	u64 *none = samples->slice[QUARRY_BENCH_NONE];
	u64 *quarry = samples->slice[QUARRY_BENCH_QUARRY];
	u64 *peer = samples->slice[QUARRY_BENCH_PEER];

	take_loop_off(quarry, none, nr_slices);
	take_loop_off(peer, none, nr_slices);
	/* The loop first: the ratios go where its samples were. */
	figure_costs(none, nr_slices, nr_ops, QUARRY_BENCH_NONE, fig);
	figure_ratios(quarry, peer, none, nr_slices, fig);
	figure_costs(quarry, nr_slices, nr_ops, QUARRY_BENCH_QUARRY, fig);
	figure_costs(peer, nr_slices, nr_ops, QUARRY_BENCH_PEER, fig);
	fig->nr = nr_slices;
	fig->known = true;
}
EXPORT_SYMBOL_GPL(quarry_bench_figure);

static u64 least(const u64 *slice, unsigned int nr)
{
	u64 ret = slice[0];

	while (nr--)
		ret = min(ret, slice[nr]);
	return ret;
}

/* The times of the loop are 0 where the gain is its own. */
static u64 gain(u64 alone, u64 together, u64 loop_alone, u64 loop_together)
{
	return div64_u64(without_loop(alone, loop_alone) * 1000,
			 without_loop(together, loop_together));
}

void quarry_bench_gain(struct quarry_bench_samples *alone,
		       const struct quarry_bench_samples *together, unsigned int nr_slices,
		       struct quarry_bench_gains *gains)
{
	u64 least_alone = least(alone->slice[QUARRY_BENCH_NONE], nr_slices);
	u64 least_together = least(together->slice[QUARRY_BENCH_NONE], nr_slices);
	enum quarry_bench_side side = QUARRY_BENCH_NR_SIDES;
	unsigned int i;

	/* The loop last: the others need it as it is. */
	while (side--) {
		const u64 off = side == QUARRY_BENCH_NONE ? 0 : 1;
		u64 *slice = alone->slice[side];

		gains->best[side] = gain(least(slice, nr_slices),
					 least(together->slice[side], nr_slices),
					 off * least_alone, off * least_together);
		for (i = 0; i < nr_slices; i++)
			slice[i] = gain(slice[i], together->slice[side][i],
					off * alone->slice[QUARRY_BENCH_NONE][i],
					off * together->slice[QUARRY_BENCH_NONE][i]);
		quarry_bench_sort(slice, nr_slices);
		gains->gain[side] = quarry_bench_median(slice, nr_slices);
		gains->p10[side] = quarry_bench_percentile(slice, nr_slices, 10);
		gains->p90[side] = quarry_bench_percentile(slice, nr_slices, 90);
	}
	gains->nr = nr_slices;
	gains->known = true;
}
EXPORT_SYMBOL_GPL(quarry_bench_gain);

bool quarry_bench_is_noisy(u64 median, u64 p10, u64 p90)
{
	return (p90 - p10) * 5 > median;
}
EXPORT_SYMBOL_GPL(quarry_bench_is_noisy);
