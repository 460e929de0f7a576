/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Slices of one thread: the sides of a case in turn, in slices of some 2 ms.
 *
 * Where the clock counts instructions, slices run with interrupts off: a tick
 * would be counted.  Elsewhere they do not, since GFP_KERNEL may reclaim; what
 * happens in between is left to the median.
 */
#ifndef _QUARRY_BENCH_SLICES_H
#define _QUARRY_BENCH_SLICES_H

#include "case.h"

struct quarry_heap;

/**
 * struct quarry_bench_loops - the loops of a case; embedded in what they work on
 * @rounds: does @nr rounds of a side; its choice of a loop is all that it costs
 * @heap: of the quarry side
 * @nr_ops: operations in a round, at least 1
 * @nr_calls: requests in a round to what is below: of the peer, 0 for as many as operations;
 *            of quarry, those to @heap, where that is the layer below
 * @nr_rounds: rounds in a slice, set here
 * @nr_times: how often a side does them in a slice, so that all slices take as long; what is
 *            noted is one of these times.  Set here.
 * @nr_calls_done: requests in what was noted, counted here
 * @peak_bytes: most that @heap held at the end of a slice
 * @run: the samples
 */
struct quarry_bench_loops {
	int (*rounds)(struct quarry_bench_loops *loops, enum quarry_bench_side side,
		      unsigned int nr);
	struct quarry_heap *heap;
	unsigned int nr_ops;
	unsigned int nr_calls[QUARRY_BENCH_NR_SIDES];
	unsigned int nr_rounds;
	unsigned int nr_times[QUARRY_BENCH_NR_SIDES];
	u64 nr_calls_done[QUARRY_BENCH_NR_SIDES];
	u64 peak_bytes;
	struct quarry_bench_run run;
};

/*
 * Find out how many rounds a slice takes, run the slices and fill in the figures, what
 * the heap held, and the calls: to the heap as counted, and what that asked the kernel for.
 * Return: 0 or a negative errno.
 */
int quarry_bench_slices(struct quarry_bench_loops *loops, struct quarry_bench_result *res);

#endif /* _QUARRY_BENCH_SLICES_H */
