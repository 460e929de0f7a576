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
 * @nr_rounds: rounds in a slice, set here
 * @nr_peer_ops: operations that the peer has done, counted here
 * @peak_bytes: most that @heap held at the end of a slice
 * @run: the samples
 */
struct quarry_bench_loops {
	int (*rounds)(struct quarry_bench_loops *loops, enum quarry_bench_side side,
		      unsigned int nr);
	struct quarry_heap *heap;
	unsigned int nr_ops;
	unsigned int nr_rounds;
	u64 nr_peer_ops;
	u64 peak_bytes;
	struct quarry_bench_run run;
};

/*
 * Find out how many rounds a slice takes, run the slices and fill in the figures, what
 * the heap held and asked the kernel for, and the peer's calls: each operation one.
 * Return: 0 or a negative errno.
 */
int quarry_bench_slices(struct quarry_bench_loops *loops, struct quarry_bench_result *res);

#endif /* _QUARRY_BENCH_SLICES_H */
