// SPDX-License-Identifier: GPL-2.0
/*
 * Slices of one thread; see slices.h.
 */
#include <linux/irqflags.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <quarry/heap.h>
#include "slices.h"

#define NR_SLICES	64
#define WARMUP_SLICES	2

/* Rounds in a slice: so many that the slower side takes half of 2 ms to all of it. */
#define SLICE_NS	(2 * NSEC_PER_MSEC)
#define MAX_ROUNDS	8192U
#define MAX_TIMES	32U	/* of a cheap side: its noise is that of a slice as long */
#define TRY_NS		(64 * NSEC_PER_USEC)	/* to find out; clocks may tick once in 256 ns */

/* Of what is noted of a slice, so that sides can be compared. */
static void count_calls(struct quarry_bench_loops *loops, enum quarry_bench_side side)
{
	unsigned int nr_calls = loops->nr_calls[side];

	if (side == QUARRY_BENCH_PEER && !nr_calls)
		nr_calls = loops->nr_ops;
	loops->nr_calls_done[side] += (u64)loops->nr_rounds * nr_calls;
}

static int measure(struct quarry_bench_loops *loops, enum quarry_bench_side side,
		   unsigned int nr, struct quarry_bench_reading *cost)
{
	struct quarry_bench_reading end = { };
	unsigned long flags = 0;
	int ret;

	if (quarry_bench_meter.icount)
		flags = quarry_bench_quiet_begin();
	quarry_bench_read(cost);
	ret = loops->rounds(loops, side, nr);
	quarry_bench_read(&end);
	if (quarry_bench_meter.icount)
		quarry_bench_quiet_end(flags);
	quarry_bench_since(cost, &end);
	return ret;
}

static void note_peak(struct quarry_bench_loops *loops)
{
	struct quarry_heap_stats stats;

	quarry_heap_get_stats(loops->heap, &stats);
	loops->peak_bytes = max(loops->peak_bytes, stats.mapped_peak + stats.metadata);
}

/* One slice of a side, with a round before it that grows or refills what has to be. */
static int run_slice(struct quarry_bench_loops *loops, enum quarry_bench_side side,
		     struct quarry_bench_reading *cost)
{
	int ret = loops->rounds(loops, side, 1);

	if (ret)
		return ret;
	count_calls(loops, side);
	ret = measure(loops, side, loops->nr_rounds * loops->nr_times[side], cost);
	cost->ns = div_u64(cost->ns, loops->nr_times[side]);
	cost->instructions = div_u64(cost->instructions, loops->nr_times[side]);
	note_peak(loops);
	cond_resched();
	return ret;
}

static u64 took(const struct quarry_bench_reading *cost)
{
	return quarry_bench_meter.icount ? cost->instructions : cost->ns;
}

/* Find out what a round costs, in thousandths. */
static int try_side(struct quarry_bench_loops *loops, enum quarry_bench_side side, u64 *cost)
{
	struct quarry_bench_reading reading = { };
	unsigned int nr = 1;
	int ret;

	ret = measure(loops, side, nr, &reading);
	while (!ret && took(&reading) < TRY_NS && nr < MAX_ROUNDS) {
		nr *= 2;
		ret = measure(loops, side, nr, &reading);
	}
	/* That was to warm up as well. */
	ret = ret ?: measure(loops, side, nr, &reading);
	*cost = max(div_u64(took(&reading) * 1000, nr), 1ULL);
	return ret;
}

/* Powers of two, so that small differences between runs make none. */
static int choose_nr_rounds(struct quarry_bench_loops *loops)
{
	u64 costs[QUARRY_BENCH_NR_SIDES] = { }, worst = 1;
	enum quarry_bench_side side;
	int ret;

	for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
		ret = try_side(loops, side, &costs[side]);
		if (ret)
			return ret;
		worst = max(worst, costs[side]);
	}
	loops->nr_rounds = rounddown_pow_of_two(clamp_t(u64, SLICE_NS * 1000 / worst, 1,
							MAX_ROUNDS));
	for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++)
		loops->nr_times[side] = quarry_bench_meter.icount ? 1 :
			rounddown_pow_of_two(clamp_t(u64, worst / costs[side], 1, MAX_TIMES));
	return 0;
}

static int run_slices(struct quarry_bench_loops *loops)
{
	struct quarry_bench_reading cost = { };
	enum quarry_bench_side side;
	int i, ret;

	for (i = -WARMUP_SLICES; i < NR_SLICES; i++) {
		for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
			ret = run_slice(loops, side, &cost);
			if (ret)
				return ret;
			if (i >= 0)
				quarry_bench_note(&loops->run, side, i, &cost);
		}
	}
	return 0;
}

int quarry_bench_slices(struct quarry_bench_loops *loops, struct quarry_bench_result *res)
{
	struct quarry_heap_stats stats;
	int ret;

	ret = choose_nr_rounds(loops) ?: run_slices(loops);
	if (ret)
		return ret;
	quarry_heap_get_stats(loops->heap, &stats);
	res->calls[QUARRY_BENCH_QUARRY] = stats.nr_kernel_calls +
					  loops->nr_calls_done[QUARRY_BENCH_QUARRY];
	res->calls[QUARRY_BENCH_PEER] = loops->nr_calls_done[QUARRY_BENCH_PEER];
	res->peak_bytes[QUARRY_BENCH_QUARRY] = loops->peak_bytes;
	quarry_bench_conclude(&loops->run, NR_SLICES, loops->nr_rounds * loops->nr_ops, res);
	return 0;
}
