/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Slices of a crew: the sides of a case of several threads in turn, in slices of 4 to 8 ms.
 */
#ifndef _QUARRY_BENCH_CREW_SLICES_H
#define _QUARRY_BENCH_CREW_SLICES_H

#include "case.h"
#include "crew.h"

struct quarry_heap;

/**
 * struct quarry_bench_crew_slices - the slices of a case; embedded in what they work on
 * @crew: its @work, @data and @meet are set
 * @slice: does a slice of a side; not to be counted if @i < 0
 * @heap: of the quarry side
 * @ops_per_round: operations of all threads together in a round
 * @nr_rounds: rounds in a slice, set here
 * @nr_peer_ops: operations that the peer has done, counted by @slice
 * @slab_pages_start: pages in slabs of the whole system before
 * @peak_bytes: most bytes held at the end of a slice
 * @alone: of one CPU after the other
 * @together: of all at once
 */
struct quarry_bench_crew_slices {
	struct quarry_bench_crew crew;
	int (*slice)(struct quarry_bench_crew_slices *cs, enum quarry_bench_side side, int i);
	struct quarry_heap *heap;
	unsigned int ops_per_round;
	unsigned int nr_rounds;
	u64 nr_peer_ops;
	long slab_pages_start;
	u64 peak_bytes[QUARRY_BENCH_NR_SIDES];
	struct quarry_bench_samples alone;
	struct quarry_bench_samples together;
};

/* For @slice: all threads at once. */
int quarry_bench_together(struct quarry_bench_crew_slices *cs, enum quarry_bench_side side, int i);

/* For @slice: one CPU, the other, both; the result is a gain. */
int quarry_bench_apart_and_together(struct quarry_bench_crew_slices *cs,
				    enum quarry_bench_side side, int i);

/*
 * Start @nr_workers threads, find out how many rounds a slice takes, run the slices, end the
 * threads, and fill in the figures.
 * Return: 0 or a negative errno.
 */
int quarry_bench_crew_slices(struct quarry_bench_crew_slices *cs, unsigned int nr_workers,
			     struct quarry_bench_result *res);

#endif /* _QUARRY_BENCH_CREW_SLICES_H */
