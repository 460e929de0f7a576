// SPDX-License-Identifier: GPL-2.0
/*
 * decay: what giving back idle memory costs and saves.
 *
 *	0 s    burst      64 MiB of objects are allocated, then freed
 *	       trickle    for 2 s a few objects come and go every 20 ms
 *	       idle       nothing happens until
 *	14 s   burst      the same again: what has gone has to come back
 *	       idle       until 20 s
 *
 * Heaps with a half-life of 0, 1 s, 10 s and without decay, and a kmem_cache live through
 * this side by side, on one clock: each step is done for one after the other.  Resident bytes
 * are looked at every 200 ms: mapped and metadata of a heap; what the system's slab pages have
 * grown by for the kmem_cache.  Each allocation and each free of the second burst is
 * timed: half and 99 % of them take no longer than p50 and p99.
 *
 * It takes 20 s of real time, since that is what decays.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>
#include <quarry/heap.h>
#include "case.h"
#include "results.h"
#include "side.h"

#define OBJ_SIZE	1024U
#define NR_OBJS		65536U
#define BURST_OBJS	256U		/* in one go, before the next one's turn */
#define TRICKLE_OBJS	64U

#define STEP_MS		20U
#define SAMPLE_MS	200U
#define TRICKLE_MS	2000U
#define SECOND_MS	14000U
#define END_MS		20000U
#define MAX_SAMPLES	(END_MS / SAMPLE_MS + 2)

#define NEVER_MS	100000		/* stands for "never" in the results */

struct decay_side {
	const char *name;
	int decay_ms;			/* of a heap */
	struct quarry_heap *heap;
	struct quarry_cache *quarry_cache;
	struct kmem_cache *kernel_cache;
	u64 peak;
	u64 sum;			/* of the samples between the bursts */
	unsigned int nr_summed;
	unsigned int nr_samples;
	struct quarry_bench_point resident[MAX_SAMPLES];
	void *objs[NR_OBJS];
	u32 cost[2 * NR_OBJS];		/* of each call of a burst, ticks */
};

#define NR_SIDES	5
#define PEER		(NR_SIDES - 1)

struct decay {
	long slab_pages_start;
	u64 start;			/* ns */
	u64 start_ticks;
	u64 ticks_per_us;
	struct decay_side sides[NR_SIDES];
};

/* === The clock === */

/*
 * Of User-mode Linux' clock a tick is 256 ns, longer than most calls.  The CPU is an x86-64 one,
 * there too, but rdtsc() is not in its headers, nor the compiler's in what sparse knows.
 */
static u64 now_ticks(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	return (u64)high << 32 | low;
}

/* === One side === */

static void *alloc_one(struct decay_side *side)
{
	if (side->kernel_cache)
		return kmem_cache_alloc(side->kernel_cache, GFP_KERNEL);
	return quarry_cache_alloc(side->quarry_cache, GFP_KERNEL);
}

static void free_one(struct decay_side *side, void *obj)
{
	if (side->kernel_cache)
		kmem_cache_free(side->kernel_cache, obj);
	else
		quarry_cache_free(side->quarry_cache, obj);
}

static int alloc_some(struct decay_side *side, unsigned int first, unsigned int nr)
{
	unsigned int i;
	u64 start, end;

	start = now_ticks();
	for (i = first; i < first + nr; i++) {
		side->objs[i] = alloc_one(side);
		if (!side->objs[i])
			return -ENOMEM;
		WRITE_ONCE(*(unsigned long *)side->objs[i], i);
		end = now_ticks();
		side->cost[i] = min_t(u64, end - start, U32_MAX);
		start = end;
	}
	return 0;
}

static void free_some(struct decay_side *side, unsigned int first, unsigned int nr)
{
	unsigned int i;
	u64 start, end;

	start = now_ticks();
	for (i = first; i < first + nr; i++) {
		if (side->objs[i])
			free_one(side, side->objs[i]);
		side->objs[i] = NULL;
		end = now_ticks();
		side->cost[NR_OBJS + i] = min_t(u64, end - start, U32_MAX);
		start = end;
	}
}

static u64 resident(const struct decay *decay, struct decay_side *side)
{
	struct quarry_heap_stats stats;

	if (side->kernel_cache)
		return (u64)max(quarry_bench_slab_pages() - decay->slab_pages_start, 0L) <<
		       PAGE_SHIFT;
	quarry_heap_get_stats(side->heap, &stats);
	return stats.resident;
}

static void close_side(struct decay_side *side)
{
	if (side->quarry_cache || side->kernel_cache)
		free_some(side, 0, NR_OBJS);
	quarry_cache_destroy(side->quarry_cache);
	quarry_heap_destroy(side->heap);
	kmem_cache_destroy(side->kernel_cache);
}

static int open_heap(struct decay_side *side)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_cache *cache;
	char name[32];

	snprintf(name, sizeof(name), "quarry_bench %d", side->decay_ms);
	params.name = name;
	params.decay_ms = side->decay_ms;
	side->heap = quarry_heap_create(&params);
	if (IS_ERR(side->heap))
		return PTR_ERR(side->heap);
	cache = quarry_cache_create(side->heap, "decay", OBJ_SIZE, 0, 0, NULL);
	if (IS_ERR(cache))
		return PTR_ERR(cache);
	side->quarry_cache = cache;
	return 0;
}

static int open_cache(struct decay_side *side)
{
	side->kernel_cache = kmem_cache_create_usercopy("quarry_bench-decay", OBJ_SIZE, 0,
							SLAB_NO_MERGE, 0, OBJ_SIZE, NULL);
	return side->kernel_cache ? 0 : -ENOMEM;
}

static int open_sides(struct decay *decay)
{
	static const struct {
		const char *name;
		int decay_ms;
	} settings[NR_SIDES] = {
		{ "quarry decay 0", 0 },
		{ "quarry decay 1 s", 1000 },
		{ "quarry decay 10 s", 10000 },
		{ "quarry decay never", -1 },
		[PEER] = { "kmem_cache" },
	};
	unsigned int i;
	int ret = 0;

	for (i = 0; i < NR_SIDES && !ret; i++) {
		decay->sides[i].name = settings[i].name;
		decay->sides[i].decay_ms = settings[i].decay_ms;
		ret = i == PEER ? open_cache(&decay->sides[i]) : open_heap(&decay->sides[i]);
	}
	decay->slab_pages_start = quarry_bench_slab_pages();
	return ret;
}

/* === All sides === */

static u32 now_ms(const struct decay *decay)
{
	return div_u64(ktime_get_ns() - decay->start, NSEC_PER_MSEC);
}

static void take_samples(struct decay *decay)
{
	u32 ms = now_ms(decay);
	unsigned int i;

	for (i = 0; i < NR_SIDES; i++) {
		struct decay_side *side = &decay->sides[i];
		u64 bytes = resident(decay, side);

		side->peak = max(side->peak, bytes);
		if (side->nr_samples < MAX_SAMPLES)
			side->resident[side->nr_samples++] =
				(struct quarry_bench_point){ ms, bytes };
		if (ms < SECOND_MS) {
			side->sum += bytes;
			side->nr_summed++;
		}
	}
}

static int burst(struct decay *decay)
{
	unsigned int first, i;
	int ret;

	for (first = 0; first < NR_OBJS; first += BURST_OBJS) {
		for (i = 0; i < NR_SIDES; i++) {
			ret = alloc_some(&decay->sides[i], first, BURST_OBJS);
			if (ret)
				return ret;
		}
		cond_resched();
	}
	take_samples(decay);
	for (first = 0; first < NR_OBJS; first += BURST_OBJS) {
		for (i = 0; i < NR_SIDES; i++)
			free_some(&decay->sides[i], first, BURST_OBJS);
		cond_resched();
	}
	return 0;
}

static int trickle(struct decay *decay)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < NR_SIDES && !ret; i++) {
		ret = alloc_some(&decay->sides[i], 0, TRICKLE_OBJS);
		free_some(&decay->sides[i], 0, TRICKLE_OBJS);
	}
	return ret;
}

/* Time goes by until @until, with a trickle or without. */
static int pass_time(struct decay *decay, u32 until, bool trickles)
{
	u32 next = now_ms(decay);
	int ret = 0;

	while (now_ms(decay) < until && !ret) {
		if (now_ms(decay) >= next) {
			take_samples(decay);
			next += SAMPLE_MS;
		}
		if (trickles)
			ret = trickle(decay);
		msleep(STEP_MS);
	}
	return ret;
}

static int run_phases(struct decay *decay)
{
	decay->start = ktime_get_ns();
	decay->start_ticks = now_ticks();
	return burst(decay) ?: pass_time(decay, TRICKLE_MS, true) ?:
	       pass_time(decay, SECOND_MS, false) ?: burst(decay) ?:
	       pass_time(decay, END_MS, false);
}

/* === Result === */

static int compare_costs(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static void emit(const struct quarry_bench_result *res, const char *subject, const char *what,
		 const char *unit, u64 number)
{
	const struct quarry_bench_value value = {
		.subject = subject, .what = what, .unit = unit, QUARRY_BENCH_ONE(number * 1000),
	};

	quarry_bench_emit_value(res, &value);
}

static void emit_point(const struct quarry_bench_result *res, const struct decay_side *side,
		       const char *name, const char *y_unit, u64 y)
{
	const struct quarry_bench_point point = {
		.x = side->decay_ms < 0 ? NEVER_MS : side->decay_ms, .y = y,
	};
	const struct quarry_bench_series series = {
		.subject = side->name, .name = name, .x_unit = "half-life, ms",
		.y_unit = y_unit, .points = &point, .nr = 1,
	};

	if (side->heap)
		quarry_bench_emit_series(res, &series);
}

static u32 ticks_to_ns(const struct decay *decay, u32 ticks)
{
	return div64_u64((u64)ticks * 1000, decay->ticks_per_us);
}

static void emit_side(struct quarry_bench_result *res, const struct decay *decay,
		      struct decay_side *side)
{
	const struct quarry_bench_series series = {
		.subject = side->name, .name = "resident over time", .x_unit = "ms",
		.y_unit = "bytes", .points = side->resident, .nr = side->nr_samples,
	};
	u64 mean = div_u64(side->sum, max(side->nr_summed, 1U));
	u64 last = side->resident[side->nr_samples - 1].y;
	u32 p50, p99;

	sort(side->cost, ARRAY_SIZE(side->cost), sizeof(side->cost[0]), compare_costs, NULL);
	p50 = ticks_to_ns(decay, side->cost[ARRAY_SIZE(side->cost) / 2]);
	p99 = ticks_to_ns(decay, side->cost[ARRAY_SIZE(side->cost) / 100 * 99]);
	quarry_bench_emit_series(res, &series);
	emit_point(res, side, "resident", "bytes", mean);
	emit_point(res, side, "p99", "ns", p99);
	emit(res, side->name, "mean resident", "bytes", mean);
	emit(res, side->name, "resident at the end", "bytes", last);
	emit(res, side->name, "peak resident", "bytes", side->peak);
	emit(res, side->name, "p50", "ns", p50);
	emit(res, side->name, "p99", "ns", p99);
	bench_put(res->notes, "%-20s %12llu %12llu %12llu %8u %8u\n", side->name, side->peak, mean,
		  last, p50, p99);
}

static void emit_all(struct quarry_bench_result *res, struct decay *decay)
{
	struct quarry_heap_stats stats;
	unsigned int i;
	u64 us = div_u64(ktime_get_ns() - decay->start, NSEC_PER_USEC);

	decay->ticks_per_us = max(div64_u64(now_ticks() - decay->start_ticks, us), 1ULL);
	bench_put(res->notes, "\ndecay: bytes resident, and ns of a call of the second burst\n");
	bench_put(res->notes, "%-20s %12s %12s %12s %8s %8s\n", "side", "peak", "mean to 14 s",
		  "at 20 s", "p50", "p99");
	for (i = 0; i < NR_SIDES; i++)
		emit_side(res, decay, &decay->sides[i]);
	/* The table has one row: the half-life that heaps have by default. */
	quarry_heap_get_stats(decay->sides[2].heap, &stats);
	res->calls[QUARRY_BENCH_QUARRY] = stats.nr_kernel_calls;
	res->peak_bytes[QUARRY_BENCH_QUARRY] = decay->sides[2].peak;
	res->peak_bytes[QUARRY_BENCH_PEER] = decay->sides[PEER].peak;
}

int quarry_bench_decay(struct quarry_bench_result *res)
{
	struct decay *decay;
	unsigned int i;
	int ret;

	res->peer = "kmem_cache";
	res->per = "obj";
	if (!IS_ENABLED(CONFIG_UML)) {
		res->left_out = "only in User-mode Linux: 20 s of real time";
		return 0;
	}
	decay = vzalloc(sizeof(*decay));
	if (!decay)
		return -ENOMEM;
	ret = open_sides(decay);
	if (!ret)
		ret = run_phases(decay);
	if (!ret)
		emit_all(res, decay);
	for (i = 0; i < NR_SIDES; i++)
		close_side(&decay->sides[i]);
	vfree(decay);
	return ret;
}
