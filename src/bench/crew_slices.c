// SPDX-License-Identifier: GPL-2.0
/*
 * Slices of a crew; see crew_slices.h.
 */
#include <linux/bits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <quarry/heap.h>
#include "crew_slices.h"
#include "side.h"

#define NR_SLICES	200
#define WARMUP_SLICES	4

/*
 * Rounds in a slice: so many that the slowest side takes half of that to all of it.  A slice
 * may take 10 ms; in one of 1 ms the tick decides, which most have none of and some have one.
 */
#define SLICE_NS	(8 * NSEC_PER_MSEC)
#define MAX_ROUNDS	8192U
#define TRY_OPS		4096U	/* of all threads, to find out: the best of so many times */
#define NR_TRIES	5

static_assert(NR_SLICES <= QUARRY_BENCH_MAX_SLICES);

int quarry_bench_together(struct quarry_bench_crew_slices *cs, enum quarry_bench_side side, int i)
{
	unsigned long all = BIT(cs->crew.nr_workers) - 1;
	u64 ns;
	int ret = quarry_bench_crew_run(&cs->crew, side, cs->nr_rounds, all, &ns);

	if (side == QUARRY_BENCH_PEER)
		cs->nr_peer_ops += cs->nr_rounds * cs->ops_per_round;
	if (i >= 0)
		cs->together.slice[side][i] = ns;
	return ret;
}

/* One CPU, the other, both: the order is the same for all sides. */
int quarry_bench_apart_and_together(struct quarry_bench_crew_slices *cs,
				    enum quarry_bench_side side, int i)
{
	u64 ns, sum = 0;
	unsigned int id;
	int ret;

	for (id = 0; id < cs->crew.nr_workers; id++) {
		ret = quarry_bench_crew_run(&cs->crew, side, cs->nr_rounds, BIT(id), &ns);
		if (ret)
			return ret;
		sum += ns;
	}
	if (side == QUARRY_BENCH_PEER)
		cs->nr_peer_ops += cs->nr_rounds * cs->ops_per_round;
	if (i >= 0)
		cs->alone.slice[side][i] = sum;
	return quarry_bench_together(cs, side, i);
}

static void note_peaks(struct quarry_bench_crew_slices *cs)
{
	long slab_pages = max(quarry_bench_slab_pages() - cs->slab_pages_start, 0L);
	struct quarry_heap_stats stats;
	u64 *peaks = cs->peak_bytes;

	quarry_heap_get_stats(cs->heap, &stats);
	peaks[QUARRY_BENCH_QUARRY] = max(peaks[QUARRY_BENCH_QUARRY],
					 stats.mapped_peak + stats.metadata);
	peaks[QUARRY_BENCH_PEER] = max(peaks[QUARRY_BENCH_PEER], (u64)slab_pages << PAGE_SHIFT);
}

static int choose_nr_rounds(struct quarry_bench_crew_slices *cs)
{
	unsigned int nr = TRY_OPS / cs->ops_per_round;
	unsigned long all = BIT(cs->crew.nr_workers) - 1;
	enum quarry_bench_side side;
	u64 ns, best, worst = 1;
	unsigned int i;
	int ret;

	for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
		best = U64_MAX;
		for (i = 0; i < NR_TRIES; i++) {
			ret = quarry_bench_crew_run(&cs->crew, side, nr, all, &ns);
			if (ret)
				return ret;
			best = min(best, ns);
		}
		worst = max(worst, best);
	}
	/* A power of two, so that small differences between runs make none. */
	cs->nr_rounds = rounddown_pow_of_two(clamp_t(u64, SLICE_NS * nr / worst, 1, MAX_ROUNDS));
	return 0;
}

static int run_slices(struct quarry_bench_crew_slices *cs)
{
	enum quarry_bench_side side;
	int i, ret;

	for (i = -WARMUP_SLICES; i < NR_SLICES; i++) {
		for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
			ret = cs->slice(cs, side, i);
			if (ret)
				return ret;
			note_peaks(cs);
		}
	}
	return 0;
}

int quarry_bench_crew_slices(struct quarry_bench_crew_slices *cs, unsigned int nr_workers,
			     struct quarry_bench_result *res)
{
	struct quarry_heap_stats stats;
	int ret;

	ret = quarry_bench_crew_hire(&cs->crew, nr_workers);
	if (ret)
		return ret;
	cs->slab_pages_start = quarry_bench_slab_pages();
	ret = choose_nr_rounds(cs) ?: run_slices(cs);
	quarry_bench_crew_dismiss(&cs->crew);
	if (ret)
		return ret;
	quarry_heap_get_stats(cs->heap, &stats);
	res->calls[QUARRY_BENCH_QUARRY] = stats.nr_kernel_calls;
	res->calls[QUARRY_BENCH_PEER] = cs->nr_peer_ops;
	memcpy(res->peak_bytes, cs->peak_bytes, sizeof(res->peak_bytes));
	res->peak_bytes[QUARRY_BENCH_NONE] = QUARRY_BENCH_UNKNOWN;
	if (cs->slice == quarry_bench_apart_and_together)
		quarry_bench_gain(&cs->alone, &cs->together, NR_SLICES, &res->gains);
	quarry_bench_figure(&cs->together, NR_SLICES, cs->nr_rounds * cs->ops_per_round, &res->ns);
	return 0;
}
