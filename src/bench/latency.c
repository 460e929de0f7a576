// SPDX-License-Identifier: GPL-2.0
/*
 * latency: what each call of the replay of ext4 costs, in instructions, and what the slowest
 * of them do.
 *
 * Each call is metered on its own, and the same around a call that allocates nothing is
 * subtracted.  Interrupts stay on, since GFP_KERNEL may sleep: a call in which a tick came or
 * another thread ran is not counted.  What either side does later, in a worker or a timer, is
 * in no call.
 *
 * How long a side keeps interrupts off is measured from outside, in a replay of its own: a
 * timer that is due every few thousand instructions notes how late it is.  It is late by
 * what is left of a section when it comes due, so a section that occurs often is seen at nearly
 * its length.  The same with nothing allocated is the timer's own lateness.
 *
 * The peer are kmem_cache, kmalloc() and alloc_pages(), as in all replays.  Only where the
 * clock counts instructions: elsewhere a tick or another guest is slower than any call.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>
#include "case.h"
#include "load.h"
#include "results.h"
#include "side.h"

#define NR_REPS		7
#define TIMER_NS	7919	/* a prime, so that it meets loops in all phases */
#define RESCHED_RECORDS	256

/* Shares of the calls, in parts per million. */
enum rank {
	P50,
	P99,
	P99_9,
	P99_99,
	WORST,
	NR_RANKS,
};

static const struct {
	const char *name;
	u32 ppm;
} ranks[] = {
	[P50] = { "p50", 500000 },
	[P99] = { "p99", 990000 },
	[P99_9] = { "p99.9", 999000 },
	[P99_99] = { "p99.99", 999900 },
	[WORST] = { "worst", 1000000 },
};

static_assert(ARRAY_SIZE(ranks) == NR_RANKS);

/* Of all calls, and of each kind of call. */
#define NR_GROUPS	7
#define ALL_CALLS	6

static const char * const group_names[NR_GROUPS] = {
	[QUARRY_TRACE_ALLOC_SIZED] = "sized, alloc",
	[QUARRY_TRACE_FREE_SIZED] = "sized, free",
	[QUARRY_TRACE_ALLOC_CACHE] = "cache, alloc",
	[QUARRY_TRACE_FREE_CACHE] = "cache, free",
	[QUARRY_TRACE_ALLOC_PAGES] = "pages, alloc",
	[QUARRY_TRACE_FREE_PAGES] = "pages, free",
	[ALL_CALLS] = "all calls",
};

static const struct replay_side * const replay_sides[QUARRY_BENCH_NR_SIDES] = {
	[QUARRY_BENCH_NONE] = &replay_empty_side,
	[QUARRY_BENCH_QUARRY] = &replay_quarry_side,
	[QUARRY_BENCH_PEER] = &replay_kernel_side,
};

static const char * const subjects[QUARRY_BENCH_NR_SIDES] = {
	[QUARRY_BENCH_NONE] = "loop",
	[QUARRY_BENCH_QUARRY] = "quarry",
	[QUARRY_BENCH_PEER] = "kmem_cache",
};

/* To the instruction up to FINE_COSTS, then to 64: sorting costs more than the replay. */
#define FINE_COSTS	SZ_64K
#define NR_BUCKETS	(2 * FINE_COSTS)
#define COARSE_SHIFT	6

struct latency {
	struct replay_pass pass;
	struct hrtimer timer;
	u64 latest;				/* most that the timer was late */
	u64 ticks;				/* when it came last */
	u32 loop;				/* what the meter costs */
	u32 hist[NR_GROUPS][NR_BUCKETS];	/* calls by cost */
	u32 rank[QUARRY_BENCH_NR_SIDES][NR_GROUPS][NR_RANKS][NR_REPS];
	u64 late[QUARRY_BENCH_NR_SIDES][NR_REPS];
	u32 nr_calls[NR_GROUPS];
	u32 nr_disturbed;			/* calls not counted, of all replays */
};

/* === Costs === */

static unsigned int bucket_of(u64 cost)
{
	if (cost < FINE_COSTS)
		return cost;
	return min_t(u64, FINE_COSTS + ((cost - FINE_COSTS) >> COARSE_SHIFT), NR_BUCKETS - 1);
}

/* The largest in a bucket. */
static u32 cost_of(unsigned int bucket)
{
	if (bucket < FINE_COSTS)
		return bucket;
	return FINE_COSTS + ((bucket - FINE_COSTS + 1) << COARSE_SHIFT) - 1;
}

static void note_cost(struct latency *lat, unsigned int group, u64 cost)
{
	unsigned int bucket = bucket_of(cost > lat->loop ? cost - lat->loop : 0);

	lat->hist[group][bucket]++;
	lat->hist[ALL_CALLS][bucket]++;
	lat->nr_calls[group]++;
	lat->nr_calls[ALL_CALLS]++;
}

/* === One replay === */

/* Ticks, and how often another thread ran; no other interrupts come on an idle machine. */
static u64 nr_disturbances(void)
{
	return get_jiffies_64() + current->nvcsw + current->nivcsw;
}

static int meter_records(struct latency *lat)
{
	struct replay_pass *pass = &lat->pass;
	const struct quarry_trace *trace = pass->trace;
	int ret = 0;
	u32 i;

	memset(lat->hist, 0, sizeof(lat->hist));
	memset(lat->nr_calls, 0, sizeof(lat->nr_calls));
	/* The loop is metered first in each round, and is itself whole. */
	if (pass->side == &replay_empty_side)
		lat->loop = 0;
	for (i = 0; i < trace->nr_records && !ret; i++) {
		struct quarry_bench_reading cost = { }, end = { };
		u64 before = nr_disturbances();

		quarry_bench_read(&cost);
		ret = pass->side->run(pass, i, i + 1);
		quarry_bench_read(&end);
		quarry_bench_since(&cost, &end);
		if (nr_disturbances() == before)
			note_cost(lat, trace->records[i].op, cost.instructions);
		else
			lat->nr_disturbed++;
		if (!(i % RESCHED_RECORDS))
			cond_resched();
	}
	return ret;
}

static enum hrtimer_restart timer_is_due(struct hrtimer *timer)
{
	struct latency *lat = container_of(timer, struct latency, timer);
	ktime_t now = ktime_get();
	u64 ticks = get_jiffies_64();
	s64 late = ktime_to_ns(ktime_sub(now, hrtimer_get_expires(timer)));

	/* It may have been the tick that was in the way. */
	if (ticks == lat->ticks)
		lat->latest = max_t(s64, lat->latest, late);
	lat->ticks = ticks;
	/* From now on: it must not be late for the next because of this one. */
	hrtimer_set_expires(timer, ktime_add_ns(ktime_get(), TIMER_NS));
	return HRTIMER_RESTART;
}

static int time_sections(struct latency *lat)
{
	struct replay_pass *pass = &lat->pass;
	const struct quarry_trace *trace = pass->trace;
	int ret = 0;
	u32 i, end;

	lat->latest = 0;
	hrtimer_init(&lat->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	lat->timer.function = timer_is_due;
	hrtimer_start(&lat->timer, ns_to_ktime(TIMER_NS), HRTIMER_MODE_REL_PINNED_HARD);
	for (i = 0; i < trace->nr_records && !ret; i = end) {
		end = min(i + RESCHED_RECORDS, trace->nr_records);
		ret = pass->side->run(pass, i, end);
	}
	hrtimer_cancel(&lat->timer);
	return ret;
}

static void free_left(struct replay_pass *pass)
{
	const struct quarry_trace *trace = pass->trace;
	u32 i, slot;

	for (i = 0; i < pass->nr_done; i++)
		pass->held[trace->records[i].slot] =
			quarry_trace_is_alloc(&trace->records[i]) ? i + 1 : 0;
	for (slot = 0; slot < trace->nr_slots; slot++) {
		if (pass->held[slot])
			replay_free_object(pass, pass->held[slot] - 1, pass->slots[slot]);
		pass->held[slot] = 0;
		if (!(slot % RESCHED_RECORDS))
			cond_resched();
	}
}

static int replay_once(struct latency *lat, enum quarry_bench_side side,
		       int (*records)(struct latency *lat))
{
	struct replay_pass *pass = &lat->pass;
	int ret;

	pass->side = replay_sides[side];
	pass->nr_done = 0;
	ret = pass->side->open(pass);
	if (ret)
		return ret;
	ret = records(lat);
	free_left(pass);
	pass->side->close(pass);
	return ret;
}

/* === Ranks === */

/* The cost that a share of the calls of a group do not exceed. */
static u32 cost_of_share(const struct latency *lat, unsigned int group, u32 ppm)
{
	u64 at = DIV_ROUND_UP_ULL((u64)lat->nr_calls[group] * ppm, 1000000);
	unsigned int bucket = 0;
	u64 nr = lat->hist[group][0];

	while (nr < at && bucket < NR_BUCKETS - 1)
		nr += lat->hist[group][++bucket];
	return cost_of(bucket);
}

static void note_ranks(struct latency *lat, enum quarry_bench_side side, unsigned int rep)
{
	unsigned int group, rank;

	for (group = 0; group < NR_GROUPS; group++) {
		for (rank = 0; rank < NR_RANKS; rank++)
			lat->rank[side][group][rank][rep] =
				cost_of_share(lat, group, ranks[rank].ppm);
		cond_resched();
	}
}

/* === Result === */

static void emit_cdf(const struct quarry_bench_result *res, const struct latency *lat,
		     enum quarry_bench_side side)
{
	static struct quarry_bench_point points[1000];
	const struct quarry_bench_series series = {
		.subject = subjects[side], .name = "cdf", .x_unit = "insn", .y_unit = "permille",
		.points = points, .nr = ARRAY_SIZE(points),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		points[i].y = i + 1;
		points[i].x = cost_of_share(lat, ALL_CALLS, (i + 1) * 1000);
	}
	quarry_bench_emit_series(res, &series);
}

static void emit_insn(const struct quarry_bench_result *res, enum quarry_bench_side side,
		      const char *what, u64 *values)
{
	struct quarry_bench_value value = {
		.subject = subjects[side], .what = what, .unit = "insn", .n = NR_REPS,
	};

	quarry_bench_sort(values, NR_REPS);
	value.min = values[0] * 1000;
	value.median = quarry_bench_median(values, NR_REPS) * 1000;
	value.max = values[NR_REPS - 1] * 1000;
	quarry_bench_emit_value(res, &value);
}

static u64 median_rank(struct latency *lat, enum quarry_bench_side side, unsigned int group,
		       enum rank rank)
{
	u64 values[NR_REPS];
	unsigned int i;

	for (i = 0; i < NR_REPS; i++)
		values[i] = lat->rank[side][group][rank][i];
	quarry_bench_sort(values, NR_REPS);
	return quarry_bench_median(values, NR_REPS);
}

static void put_group(struct quarry_bench_result *res, struct latency *lat, unsigned int group)
{
	enum quarry_bench_side side;
	enum rank rank;

	for (side = QUARRY_BENCH_QUARRY; side < QUARRY_BENCH_NR_SIDES; side++) {
		bench_put(res->notes, "%-14s %-12s %8u", group_names[group], subjects[side],
			  lat->nr_calls[group]);
		for (rank = 0; rank < NR_RANKS; rank++)
			bench_put(res->notes, " %8llu", median_rank(lat, side, group, rank));
		bench_put(res->notes, "\n");
	}
}

static void put_result(struct quarry_bench_result *res, struct latency *lat)
{
	u64 own = lat->late[QUARRY_BENCH_NONE][0];
	enum quarry_bench_side side;
	u64 values[NR_REPS];
	unsigned int i;
	enum rank rank;

	bench_put(res->notes, "\nlatency: instructions of a call, median of %u replays\n", NR_REPS);
	bench_put(res->notes, "%-14s %-12s %8s", "calls", "side", "number");
	for (rank = 0; rank < NR_RANKS; rank++)
		bench_put(res->notes, " %8s", ranks[rank].name);
	bench_put(res->notes, "\n");
	for (i = 0; i < NR_GROUPS; i++)
		put_group(res, lat, i);
	bench_put(res->notes, "not counted: %u calls, with a tick or another thread in them\n",
		  lat->nr_disturbed);
	for (i = 1; i < NR_REPS; i++)
		own = min(own, lat->late[QUARRY_BENCH_NONE][i]);
	for (side = QUARRY_BENCH_QUARRY; side < QUARRY_BENCH_NR_SIDES; side++) {
		for (rank = 0; rank < NR_RANKS; rank++) {
			for (i = 0; i < NR_REPS; i++)
				values[i] = lat->rank[side][ALL_CALLS][rank][i];
			emit_insn(res, side, ranks[rank].name, values);
		}
		for (i = 0; i < NR_REPS; i++)
			values[i] = lat->late[side][i] > own ? lat->late[side][i] - own : 0;
		emit_insn(res, side, "longest section off", values);
		bench_put(res->notes, "longest with interrupts off, %s: %llu (a timer has %llu)\n",
			  subjects[side], quarry_bench_median(values, NR_REPS), own);
	}
}

/* === Running === */

static int run_sides(struct latency *lat, struct quarry_bench_result *res)
{
	enum quarry_bench_side side;
	unsigned int rep;
	int ret;

	for (rep = 0; rep < NR_REPS; rep++) {
		for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
			ret = replay_once(lat, side, meter_records);
			if (ret)
				return ret;
			note_ranks(lat, side, rep);
			if (side == QUARRY_BENCH_NONE)
				lat->loop = lat->rank[side][ALL_CALLS][P50][rep];
			if (!rep && side != QUARRY_BENCH_NONE)
				emit_cdf(res, lat, side);
			ret = replay_once(lat, side, time_sections);
			if (ret)
				return ret;
			lat->late[side][rep] = lat->latest;
		}
	}
	put_result(res, lat);
	return 0;
}

/* One thread runs all records, whatever CPU they were recorded on. */
static int run_trace(const struct quarry_trace *trace, struct quarry_bench_result *res)
{
	struct latency *lat = vzalloc(sizeof(*lat));
	int ret = -ENOMEM;

	if (!lat)
		return ret;
	lat->pass.trace = trace;
	lat->pass.heap_name = "quarry_bench";
	/* One more than needed, because vmalloc() of nothing fails. */
	lat->pass.slots = vmalloc(array_size(trace->nr_slots + 1UL, sizeof(void *)));
	lat->pass.held = vzalloc(array_size(trace->nr_slots + 1UL, sizeof(u32)));
	if (lat->pass.slots && lat->pass.held)
		ret = run_sides(lat, res);
	if (lat->pass.error)
		pr_err("case %s: %s\n", res->name, lat->pass.message);
	vfree(lat->pass.held);
	vfree(lat->pass.slots);
	vfree(lat);
	return ret;
}

int quarry_bench_latency(struct quarry_bench_result *res)
{
	struct quarry_trace *trace;
	int ret;

	res->peer = "kmem_cache";
	res->per = "call";
	if (!quarry_bench_meter.icount) {
		res->left_out = "only where the clock counts instructions";
		return 0;
	}
	trace = quarry_bench_load_named("ext4");
	if (trace == ERR_PTR(-ENOENT)) {
		res->left_out = "its trace is not in the directory traces=";
		return 0;
	}
	if (IS_ERR(trace))
		return PTR_ERR(trace);
	ret = trace->nr_records ? run_trace(trace, res) : 0;
	quarry_trace_free(trace);
	return ret;
}
