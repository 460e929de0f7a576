// SPDX-License-Identifier: GPL-2.0
/*
 * frame: steady frames of 10 000 objects of 16 to 271 bytes, each of which stays valid until the
 * frame after the next one begins:
 *
 *	quarry	quarry_frames of a heap of its own: two arenas that take turns
 *	peer	kfree() of all objects of the frame before the last, then kmalloc()
 *
 * A round is a frame, with one word written to each object.  A line below the table has the
 * time that letting go of a frame takes by itself, quarry_frames_next() against as many
 * kfree(), and the requests of a frame.
 *
 * Calls are those of the frames of that line: of the arenas to their heap and of the heap to
 * the kernel; of the peer one for each object.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <quarry/frames.h>
#include <quarry/heap.h>
#include "case.h"
#include "results.h"
#include "slices.h"

#define NR_OBJS		10000U
#define NR_AGES		2
#define NR_SIZES	1024	/* power of two */
#define MIN_SIZE	16
#define SIZE_RANGE	256	/* power of two */
/* Letting go is measured in groups of frames: the clock may tick once in 256 ns. */
#define NR_GROUPS	11
#define GROUP_FRAMES	20

struct frame_case {
	struct quarry_frames *frames;
	unsigned int nr_frames[QUARRY_BENCH_NR_SIDES];
	void *objs[QUARRY_BENCH_NR_SIDES][NR_AGES][NR_OBJS];	/* NULL if freed */
	u16 sizes[NR_SIZES];
	unsigned long scratch;		/* stands for every object of the empty loop */
	u64 nr_chunks;			/* asked for in steady frames */
	u64 times[NR_GROUPS];		/* of a group */
	struct quarry_bench_loops loops;
};

/* === One frame === */

static __always_inline void *alloc_one(struct frame_case *fc, size_t size,
				       const enum quarry_bench_side side)
{
	void *obj = &fc->scratch;

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return quarry_frames_alloc(fc->frames, size, GFP_KERNEL);
	case QUARRY_BENCH_PEER:
		return kmalloc(size, GFP_KERNEL);
	default:
		OPTIMIZER_HIDE_VAR(obj);
		return obj;
	}
}

static __always_inline void let_go(struct frame_case *fc, unsigned int age,
				   const enum quarry_bench_side side)
{
	void **objs = fc->objs[side][age];
	unsigned int i;

	if (side == QUARRY_BENCH_QUARRY)
		quarry_frames_next(fc->frames);
	else if (side == QUARRY_BENCH_PEER)
		for (i = 0; i < NR_OBJS; i++)
			kfree(objs[i]);
}

static __always_inline int fill(struct frame_case *fc, unsigned int age,
				const enum quarry_bench_side side)
{
	void **objs = fc->objs[side][age];
	unsigned int i;
	void *obj;

	for (i = 0; i < NR_OBJS; i++) {
		obj = alloc_one(fc, fc->sizes[i % NR_SIZES], side);
		objs[i] = obj;
		if (unlikely(!obj))
			break;
		WRITE_ONCE(*(unsigned long *)obj, i);
	}
	if (likely(i == NR_OBJS))
		return 0;
	memset(&objs[i], 0, (NR_OBJS - i) * sizeof(*objs));
	return -ENOMEM;
}

static __always_inline int run_frames(struct frame_case *fc, unsigned int nr,
				      const enum quarry_bench_side side)
{
	unsigned int age;
	int ret = 0;

	while (nr-- && !ret) {
		age = fc->nr_frames[side]++ % NR_AGES;
		let_go(fc, age, side);
		ret = fill(fc, age, side);
	}
	return ret;
}

static noinline int none_frames(struct frame_case *fc, unsigned int nr)
{
	return run_frames(fc, nr, QUARRY_BENCH_NONE);
}

static noinline int quarry_frames(struct frame_case *fc, unsigned int nr)
{
	return run_frames(fc, nr, QUARRY_BENCH_QUARRY);
}

static noinline int peer_frames(struct frame_case *fc, unsigned int nr)
{
	return run_frames(fc, nr, QUARRY_BENCH_PEER);
}

static int run_side(struct quarry_bench_loops *loops, enum quarry_bench_side side,
		    unsigned int nr)
{
	struct frame_case *fc = container_of(loops, struct frame_case, loops);

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return quarry_frames(fc, nr);
	case QUARRY_BENCH_PEER:
		return peer_frames(fc, nr);
	default:
		return none_frames(fc, nr);
	}
}

/* === Letting go by itself === */

/* Adds to @cost. */
static int steady_frame(struct frame_case *fc, enum quarry_bench_side side, u64 *cost)
{
	struct quarry_bench_reading begin = { }, end = { };
	unsigned int age = fc->nr_frames[side]++ % NR_AGES;
	struct quarry_frames_stats stats;
	int ret;

	quarry_bench_read(&begin);
	if (side == QUARRY_BENCH_QUARRY)
		let_go(fc, age, QUARRY_BENCH_QUARRY);
	else
		let_go(fc, age, QUARRY_BENCH_PEER);
	quarry_bench_read(&end);
	quarry_bench_since(&begin, &end);
	*cost += quarry_bench_meter.has_ns ? begin.ns : begin.instructions;
	if (side == QUARRY_BENCH_PEER)
		return fill(fc, age, QUARRY_BENCH_PEER);
	ret = fill(fc, age, QUARRY_BENCH_QUARRY);
	quarry_frames_get_stats(fc->frames, &stats);
	fc->nr_chunks += stats.current_frame.nr_below;
	return ret;
}

/* In thousandths, per frame. */
static u64 milli(u64 time_of_group)
{
	return div_u64(time_of_group * 1000, GROUP_FRAMES);
}

static void put_times(struct frame_case *fc, struct quarry_bench_result *res, const char *name)
{
	const char *unit = quarry_bench_meter.has_ns ? "ns" : "insn";
	const struct quarry_bench_value value = {
		.subject = name, .what = "letting go of a frame", .unit = unit,
		.median = milli(quarry_bench_median(fc->times, NR_GROUPS)),
		.min = milli(fc->times[0]), .max = milli(fc->times[NR_GROUPS - 1]),
		.n = NR_GROUPS,
	};

	quarry_bench_emit_value(res, &value);
	bench_put(res->notes, "frame: letting go of %u objects, %s: %s %llu, %llu to %llu\n",
		  NR_OBJS, name, unit, div_u64(value.median, 1000), div_u64(value.min, 1000),
		  div_u64(value.max, 1000));
}

static int steady_frames(struct frame_case *fc, enum quarry_bench_side side, const char *name,
			 struct quarry_bench_result *res)
{
	unsigned int i, j;
	int ret;

	for (i = 0; i < NR_GROUPS; i++) {
		fc->times[i] = 0;
		for (j = 0; j < GROUP_FRAMES; j++) {
			ret = steady_frame(fc, side, &fc->times[i]);
			if (ret)
				return ret;
			cond_resched();
		}
	}
	quarry_bench_sort(fc->times, NR_GROUPS);
	put_times(fc, res, name);
	return 0;
}

static u64 nr_kernel_calls(struct frame_case *fc)
{
	struct quarry_heap_stats stats;

	quarry_heap_get_stats(fc->loops.heap, &stats);
	return stats.nr_kernel_calls;
}

static int run_steady(struct frame_case *fc, struct quarry_bench_result *res)
{
	u64 before = nr_kernel_calls(fc);
	int ret;

	ret = steady_frames(fc, QUARRY_BENCH_QUARRY, "quarry", res);
	if (ret)
		return ret;
	res->calls[QUARRY_BENCH_QUARRY] = nr_kernel_calls(fc) - before + fc->nr_chunks;
	res->calls[QUARRY_BENCH_PEER] = (u64)NR_GROUPS * GROUP_FRAMES * NR_OBJS;
	ret = steady_frames(fc, QUARRY_BENCH_PEER, "kmalloc", res);
	bench_put(res->notes, "frame: requests in %u frames: %llu of the arenas to their heap\n",
		  NR_GROUPS * GROUP_FRAMES, fc->nr_chunks);
	return ret;
}

/* === Running === */

static void draw_sizes(struct frame_case *fc)
{
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 1);
	for (i = 0; i < NR_SIZES; i++)
		fc->sizes[i] = MIN_SIZE + prandom_u32_state(&rnd) % SIZE_RANGE;
}

/* Of both frames, usable bytes. */
static u64 peer_bytes(struct frame_case *fc)
{
	unsigned int age, i;
	u64 bytes = 0;

	for (age = 0; age < NR_AGES; age++)
		for (i = 0; i < NR_OBJS; i++)
			bytes += ksize(fc->objs[QUARRY_BENCH_PEER][age][i]);
	return bytes;
}

static int run_sides(struct frame_case *fc, struct quarry_bench_result *res)
{
	unsigned int age, i;
	int ret;

	ret = quarry_bench_slices(&fc->loops, res) ?: run_steady(fc, res);
	if (!ret)
		res->peak_bytes[QUARRY_BENCH_PEER] = peer_bytes(fc);
	for (age = 0; age < NR_AGES; age++)
		for (i = 0; i < NR_OBJS; i++)
			kfree(fc->objs[QUARRY_BENCH_PEER][age][i]);
	return ret;
}

static int run_heap(struct frame_case *fc, struct quarry_bench_result *res)
{
	int ret;

	fc->frames = quarry_frames_create(fc->loops.heap, NULL, GFP_KERNEL);
	ret = PTR_ERR_OR_ZERO(fc->frames);
	if (!ret)
		ret = run_sides(fc, res);
	quarry_frames_destroy(fc->frames);
	return ret;
}

int quarry_bench_frame(struct quarry_bench_result *res)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	struct frame_case *fc = vzalloc(sizeof(*fc));
	int ret;

	if (!fc)
		return -ENOMEM;
	res->peer = "kmalloc";
	res->per = "obj";
	draw_sizes(fc);
	fc->loops.rounds = run_side;
	fc->loops.nr_ops = NR_OBJS;
	fc->loops.heap = quarry_heap_create(&params);
	ret = PTR_ERR_OR_ZERO(fc->loops.heap);
	if (!ret)
		ret = run_heap(fc, res);
	quarry_heap_destroy(fc->loops.heap);
	vfree(fc);
	return ret;
}
