// SPDX-License-Identifier: GPL-2.0
/*
 * arena-64, arena-sweep, arena-life-*, arena-reset, arena-grow: short lives of an arena in a
 * heap of its own against the same objects by themselves:
 *
 *	64	create, 4096 objects of 64 bytes, destroy; also against page_frag_alloc(),
 *		which bumps too, and counts references to give back
 *	sweep	create, 256 objects of 8 bytes to 64 KiB, log-uniform, destroy; a second table
 *		has each power of two by itself
 *	life	create, 256 bytes to 1 MiB in objects of 64 bytes, one word written to each,
 *		destroy; a line below the table says from how many objects on it pays
 *	reset	1000 objects of 64 bytes, reset
 *	grow	from 64 bytes to 4096 in steps of 64, a word written to each, then rewind to a
 *		mark: in an arena that is used already and has room for that in its chunk
 *
 * Whatever the arena does for them is in the figures: chunks, creating, resetting,
 * destroying.  Where it says nothing else, nothing is written into the objects.  The empty loop
 * notes addresses, as all do; going through them again is part of freeing one by one.
 *
 * The peer frees each object, in the order in which they came.  The bytes it holds are
 * those that the objects of a round are good for, ksize(): what its caches hold besides, for
 * whomever, is not known.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <quarry/arena.h>
#include <quarry/heap.h>
#include "case.h"
#include "slices.h"

#define SIZE		64
#define NR_FRESH	4096
#define NR_RESET	1000
#define NR_SWEEP	256
#define MAX_OBJS	(SZ_1M / SIZE)

#define LEAST_ORDER	3	/* of sweep */
#define MOST_ORDER	16
#define MAX_SWEEP_BYTES	SZ_256K	/* of a round of one size */

#define GROW_STEP	64
#define GROW_TO		4096
#define NR_GROW		(GROW_TO / GROW_STEP)

#define MAX_CROSSOVER	64	/* objects; beyond, it is said not to pay */

enum shape {
	FRESH,
	FRAG,
	SWEEP,
	LIFE,
	RESET,
	GROW,
};

struct arena_case {
	enum shape shape;
	struct quarry_arena *arena;	/* of reset and grow */
	struct quarry_arena_mark mark;
	struct page_frag_cache frags;
	unsigned int nr_objs;		/* in a round */
	unsigned long scratch;		/* stands for every object of the empty loop */
	void *objs[MAX_OBJS];
	u32 sizes[NR_SWEEP];
	struct quarry_bench_loops loops;
	struct quarry_bench_result part;	/* of the second table and of the crossover */
};

/* === The loops: each function has its allocator and its shape compiled in === */

static __always_inline void *alloc_one(struct arena_case *ac, struct quarry_arena *arena,
				       unsigned int i, const enum shape shape,
				       const enum quarry_bench_side side)
{
	const size_t size = shape == SWEEP ? ac->sizes[i % NR_SWEEP] : SIZE;
	void *obj = &ac->scratch;

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return quarry_arena_alloc(arena, size, GFP_KERNEL);
	case QUARRY_BENCH_PEER:
		return shape == FRAG ? page_frag_alloc(&ac->frags, size, GFP_KERNEL) :
				       kmalloc(size, GFP_KERNEL);
	default:
		OPTIMIZER_HIDE_VAR(obj);
		return obj;
	}
}

/* An arena's objects need no visit; whoever frees one by one looks up where they are. */
static __always_inline void drop(struct arena_case *ac, struct quarry_arena *arena,
				 unsigned int nr, const enum shape shape,
				 const enum quarry_bench_side side)
{
	unsigned int i;

	if (side == QUARRY_BENCH_QUARRY && shape == RESET) {
		quarry_arena_reset(arena);
	} else if (side == QUARRY_BENCH_QUARRY) {
		quarry_arena_destroy(arena);
	} else if (side == QUARRY_BENCH_PEER) {
		for (i = 0; i < nr; i++) {
			if (shape == FRAG)
				page_frag_free(ac->objs[i]);
			else
				kfree(ac->objs[i]);
		}
	}
}

static __always_inline int run_round(struct arena_case *ac, const enum shape shape,
				     const enum quarry_bench_side side)
{
	const unsigned int n = ac->nr_objs;
	struct quarry_arena *arena = ac->arena;
	unsigned int i;

	if (side == QUARRY_BENCH_QUARRY && shape != RESET) {
		arena = quarry_arena_create(ac->loops.heap, NULL, GFP_KERNEL);
		if (IS_ERR(arena))
			return PTR_ERR(arena);
	}
	for (i = 0; i < n; i++) {
		ac->objs[i] = alloc_one(ac, arena, i, shape, side);
		if (unlikely(!ac->objs[i]))
			break;
		if (shape == LIFE)
			WRITE_ONCE(*(unsigned long *)ac->objs[i], i);
	}
	drop(ac, arena, i, shape, side);
	return i == n ? 0 : -ENOMEM;
}

static __always_inline void *grow_one(struct arena_case *ac, void *obj, size_t size,
				      const enum quarry_bench_side side)
{
	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return quarry_arena_realloc(ac->arena, obj, size - GROW_STEP, size, GFP_KERNEL);
	case QUARRY_BENCH_PEER:
		return krealloc(obj, size, GFP_KERNEL);
	default:
		obj = ac->objs;
		OPTIMIZER_HIDE_VAR(obj);
		return obj;
	}
}

static __always_inline int grow_round(struct arena_case *ac, const enum quarry_bench_side side)
{
	void *obj = NULL, *grown;
	size_t size;

	if (side == QUARRY_BENCH_QUARRY)
		quarry_arena_mark(ac->arena, &ac->mark);
	for (size = GROW_STEP; size <= GROW_TO; size += GROW_STEP) {
		grown = grow_one(ac, obj, size, side);
		if (unlikely(!grown))
			break;
		obj = grown;
		WRITE_ONCE(*(unsigned long *)(obj + size - GROW_STEP), size);
	}
	if (side == QUARRY_BENCH_PEER)
		kfree(obj);
	else if (side == QUARRY_BENCH_QUARRY && quarry_arena_rewind(ac->arena, &ac->mark))
		return -EINVAL;
	return size > GROW_TO ? 0 : -ENOMEM;
}

static __always_inline int run_rounds(struct arena_case *ac, unsigned int nr,
				      const enum shape shape, const enum quarry_bench_side side)
{
	int ret = 0;

	while (nr-- && !ret)
		ret = shape == GROW ? grow_round(ac, side) : run_round(ac, shape, side);
	return ret;
}

static noinline int fresh_none(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, FRESH, QUARRY_BENCH_NONE);
}

static noinline int fresh_quarry(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, FRESH, QUARRY_BENCH_QUARRY);
}

static noinline int fresh_peer(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, FRESH, QUARRY_BENCH_PEER);
}

static noinline int frag_none(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, FRAG, QUARRY_BENCH_NONE);
}

static noinline int frag_quarry(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, FRAG, QUARRY_BENCH_QUARRY);
}

static noinline int frag_peer(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, FRAG, QUARRY_BENCH_PEER);
}

static noinline int sweep_none(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, SWEEP, QUARRY_BENCH_NONE);
}

static noinline int sweep_quarry(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, SWEEP, QUARRY_BENCH_QUARRY);
}

static noinline int sweep_peer(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, SWEEP, QUARRY_BENCH_PEER);
}

static noinline int life_none(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, LIFE, QUARRY_BENCH_NONE);
}

static noinline int life_quarry(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, LIFE, QUARRY_BENCH_QUARRY);
}

static noinline int life_peer(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, LIFE, QUARRY_BENCH_PEER);
}

static noinline int reset_none(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, RESET, QUARRY_BENCH_NONE);
}

static noinline int reset_quarry(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, RESET, QUARRY_BENCH_QUARRY);
}

static noinline int reset_peer(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, RESET, QUARRY_BENCH_PEER);
}

static noinline int grow_none(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, GROW, QUARRY_BENCH_NONE);
}

static noinline int grow_quarry(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, GROW, QUARRY_BENCH_QUARRY);
}

static noinline int grow_peer(struct arena_case *ac, unsigned int nr)
{
	return run_rounds(ac, nr, GROW, QUARRY_BENCH_PEER);
}

static const struct {
	int (*rounds[QUARRY_BENCH_NR_SIDES])(struct arena_case *ac, unsigned int nr);
	const char *peer;
} shapes[] = {
	[FRESH] = { { fresh_none, fresh_quarry, fresh_peer }, "kmalloc" },
	[FRAG] = { { frag_none, frag_quarry, frag_peer }, "page_frag" },
	[SWEEP] = { { sweep_none, sweep_quarry, sweep_peer }, "kmalloc" },
	[LIFE] = { { life_none, life_quarry, life_peer }, "kmalloc" },
	[RESET] = { { reset_none, reset_quarry, reset_peer }, "kmalloc" },
	[GROW] = { { grow_none, grow_quarry, grow_peer }, "krealloc" },
};

static int run_shape(struct quarry_bench_loops *loops, enum quarry_bench_side side,
		     unsigned int nr)
{
	struct arena_case *ac = container_of(loops, struct arena_case, loops);

	return shapes[ac->shape].rounds[side](ac, nr);
}

/* === Memory and calls === */

/* Of the objects of a round, once more. */
static u64 peer_peak(struct arena_case *ac)
{
	unsigned int i, size;
	u64 bytes = 0;

	if (ac->shape == FRAG)
		return round_up(ac->nr_objs * SIZE, PAGE_FRAG_CACHE_MAX_SIZE);
	if (ac->shape == GROW)
		return GROW_TO;
	for (i = 0; i < ac->nr_objs; i++) {
		size = ac->shape == SWEEP ? ac->sizes[i % NR_SWEEP] : SIZE;
		ac->objs[i] = kmalloc(size, GFP_KERNEL);
		bytes += ksize(ac->objs[i]);
	}
	for (i = 0; i < ac->nr_objs; i++)
		kfree(ac->objs[i]);
	return bytes;
}

/* What one round asks the heap for. */
static int count_chunks(struct arena_case *ac)
{
	struct quarry_arena *arena = ac->arena;
	struct quarry_arena_stats stats;
	unsigned int i, nr_before = 0;

	if (!arena)
		arena = quarry_arena_create(ac->loops.heap, NULL, GFP_KERNEL);
	if (IS_ERR(arena))
		return PTR_ERR(arena);
	if (ac->arena) {
		quarry_arena_get_stats(arena, &stats);
		nr_before = stats.nr_chunks;
	}
	for (i = 0; i < ac->nr_objs; i++)
		if (!alloc_one(ac, arena, i, ac->shape == SWEEP ? SWEEP : FRESH,
			       QUARRY_BENCH_QUARRY))
			break;
	quarry_arena_get_stats(arena, &stats);
	if (ac->arena)
		quarry_arena_reset(arena);
	else
		quarry_arena_destroy(arena);
	ac->loops.nr_calls[QUARRY_BENCH_QUARRY] = stats.nr_chunks - nr_before;
	return i == ac->nr_objs ? 0 : -ENOMEM;
}

/* === Running them === */

/* The same on each run.  Within a power of two uniform: near enough. */
static void draw_sizes(struct arena_case *ac)
{
	struct rnd_state rnd;
	unsigned int i, order;

	prandom_seed_state(&rnd, 1);
	for (i = 0; i < NR_SWEEP; i++) {
		order = LEAST_ORDER + prandom_u32_state(&rnd) % (MOST_ORDER - LEAST_ORDER);
		ac->sizes[i] = (1U << order) + prandom_u32_state(&rnd) % ((1U << order) + 1);
	}
}

static void set_nr_objs(struct arena_case *ac, unsigned int nr_objs)
{
	ac->nr_objs = nr_objs;
	ac->loops.nr_ops = nr_objs;
}

/* Run what is set, into the part. */
static int run_part(struct arena_case *ac)
{
	ac->part = (struct quarry_bench_result){ };
	return quarry_bench_slices(&ac->loops, &ac->part);
}

static const struct quarry_bench_figures *figures_of(const struct quarry_bench_result *res)
{
	return res->ns.known ? &res->ns : &res->instructions;
}

static void put_sweep_row(struct bench_text *notes, unsigned int size,
			  const struct quarry_bench_figures *fig)
{
	const u64 *per_op = fig->per_op;

	bench_put(notes, "%8u %8llu.%02llu %8llu.%02llu   ", size,
		  per_op[QUARRY_BENCH_QUARRY] / 100, per_op[QUARRY_BENCH_QUARRY] % 100,
		  per_op[QUARRY_BENCH_PEER] / 100, per_op[QUARRY_BENCH_PEER] % 100);
	if (quarry_bench_is_noisy(fig->ratio, fig->ratio_p10, fig->ratio_p90))
		bench_put(notes, "noisy");
	else
		bench_put(notes, "%llu.%03llu", fig->ratio / 1000, fig->ratio % 1000);
	bench_put(notes, "  %llu.%03llu to %llu.%03llu\n", fig->ratio_p10 / 1000,
		  fig->ratio_p10 % 1000, fig->ratio_p90 / 1000, fig->ratio_p90 % 1000);
}

static int sweep_sizes(struct arena_case *ac, struct bench_text *notes)
{
	unsigned int order, i;
	int ret = 0;

	bench_put(notes, "\narena-sweep: each size by itself, %s per object\n",
		  quarry_bench_meter.has_ns ? "ns" : "instructions");
	bench_put(notes, "%8s %11s %11s   ratio  p10 to p90\n", "bytes", "quarry", "kmalloc");
	for (order = LEAST_ORDER; order <= MOST_ORDER && !ret; order++) {
		for (i = 0; i < NR_SWEEP; i++)
			ac->sizes[i] = 1U << order;
		set_nr_objs(ac, min(MAX_SWEEP_BYTES >> order, 1024));
		ret = run_part(ac);
		if (!ret)
			put_sweep_row(notes, 1U << order, figures_of(&ac->part));
	}
	return ret;
}

/* Noise may hide it for a step. */
static int find_crossover(struct arena_case *ac, struct bench_text *notes)
{
	unsigned int nr = 0;
	int ret;

	do {
		set_nr_objs(ac, ++nr);
		ret = run_part(ac);
		if (ret)
			return ret;
	} while (figures_of(&ac->part)->ratio >= 1000 && nr < MAX_CROSSOVER);
	if (figures_of(&ac->part)->ratio < 1000)
		bench_put(notes, "arena-life: pays from %u objects of %u bytes on\n", nr, SIZE);
	else
		bench_put(notes, "arena-life: does not pay up to %u objects of %u bytes\n", nr,
			  SIZE);
	return 0;
}

/* What an arena has after the first round it keeps for all others. */
static int open_arena(struct arena_case *ac)
{
	ac->arena = quarry_arena_create(ac->loops.heap, NULL, GFP_KERNEL);
	if (IS_ERR(ac->arena))
		return PTR_ERR(ac->arena);
	/* Neither goes into the first chunk, and the third one, of 16 KiB, has room left. */
	if (ac->shape == GROW && (!quarry_arena_alloc(ac->arena, GROW_TO, GFP_KERNEL) ||
				  !quarry_arena_alloc(ac->arena, GROW_TO, GFP_KERNEL)))
		return -ENOMEM;
	return run_shape(&ac->loops, QUARRY_BENCH_QUARRY, 1);
}

static int run_heap(struct arena_case *ac, struct quarry_bench_result *res,
		    int (*more)(struct arena_case *ac, struct bench_text *notes))
{
	int ret = 0;

	if (ac->shape == RESET || ac->shape == GROW)
		ret = open_arena(ac);
	if (!ret && ac->shape != GROW)
		ret = count_chunks(ac);
	if (!ret) {
		res->peak_bytes[QUARRY_BENCH_PEER] = peer_peak(ac);
		ret = quarry_bench_slices(&ac->loops, res);
	}
	if (!ret && more)
		ret = more(ac, res->notes);
	quarry_arena_destroy(ac->arena);
	if (ac->frags.va)
		__page_frag_cache_drain(virt_to_page(ac->frags.va), ac->frags.pagecnt_bias);
	return ret;
}

static int run_case(struct quarry_bench_result *res, enum shape shape, unsigned int nr_objs,
		    int (*more)(struct arena_case *ac, struct bench_text *notes))
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	struct arena_case *ac = vzalloc(sizeof(*ac));
	int ret;

	if (!ac)
		return -ENOMEM;
	res->peer = shapes[shape].peer;
	res->per = shape == GROW ? "step" : "obj";
	ac->shape = shape;
	ac->loops.rounds = run_shape;
	set_nr_objs(ac, nr_objs);
	draw_sizes(ac);
	ac->loops.heap = quarry_heap_create(&params);
	ret = PTR_ERR_OR_ZERO(ac->loops.heap);
	if (!ret)
		ret = run_heap(ac, res, more);
	quarry_heap_destroy(ac->loops.heap);
	vfree(ac);
	return ret;
}

int quarry_bench_arena_64(struct quarry_bench_result *res)
{
	return run_case(res, FRESH, NR_FRESH, NULL);
}

int quarry_bench_arena_64_frag(struct quarry_bench_result *res)
{
	return run_case(res, FRAG, NR_FRESH, NULL);
}

int quarry_bench_arena_sweep(struct quarry_bench_result *res)
{
	return run_case(res, SWEEP, NR_SWEEP, sweep_sizes);
}

int quarry_bench_arena_life_256(struct quarry_bench_result *res)
{
	return run_case(res, LIFE, 256 / SIZE, find_crossover);
}

int quarry_bench_arena_life_4k(struct quarry_bench_result *res)
{
	return run_case(res, LIFE, SZ_4K / SIZE, NULL);
}

int quarry_bench_arena_life_64k(struct quarry_bench_result *res)
{
	return run_case(res, LIFE, SZ_64K / SIZE, NULL);
}

int quarry_bench_arena_life_1m(struct quarry_bench_result *res)
{
	return run_case(res, LIFE, SZ_1M / SIZE, NULL);
}

int quarry_bench_arena_reset(struct quarry_bench_result *res)
{
	return run_case(res, RESET, NR_RESET, NULL);
}

int quarry_bench_arena_grow(struct quarry_bench_result *res)
{
	return run_case(res, GROW, NR_GROW, NULL);
}
