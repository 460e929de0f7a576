// SPDX-License-Identifier: GPL-2.0
/*
 * fast-paths: instructions of each of Quarry's fast paths, for bench/golden.json.
 *
 * Each path is a function of its own, called through a pointer and so as it stands in the module:
 * scripts/bench counts locked instructions, calls and switches of interrupts in their machine code
 * (path_* below), and here they are run where the clock counts instructions.  The least of
 * many repetitions is the path without a refill, less that of a function that does nothing.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <quarry/arena.h>
#include "case.h"
#include "meter.h"
#include "results.h"

#define NR_CALLS	4	/* small, so that all of them fit into a magazine */
#define NR_BULK		16
#define NR_REPS		64
#define OBJ_SIZE	64

struct paths {
	struct quarry_heap *heap;
	struct quarry_cache *cache;
	struct quarry_arena *arena;
	void *objs[NR_CALLS][NR_BULK];
};

/* === One call of each; the names are known to scripts/bench === */

static noinline void path_none(struct paths *p, void **objs)
{
	objs[0] = p;
}

static noinline void path_cache_alloc(struct paths *p, void **objs)
{
	objs[0] = quarry_cache_alloc(p->cache, GFP_KERNEL);
}

static noinline void path_cache_free(struct paths *p, void **objs)
{
	quarry_cache_free(p->cache, objs[0]);
}

static noinline void path_sized_alloc(struct paths *p, void **objs)
{
	objs[0] = quarry_alloc(p->heap, OBJ_SIZE, GFP_KERNEL);
}

static noinline void path_sized_free(struct paths *p, void **objs)
{
	quarry_free(objs[0]);
}

static noinline void path_bulk_alloc(struct paths *p, void **objs)
{
	if (quarry_cache_alloc_bulk(p->cache, GFP_KERNEL, NR_BULK, objs) != NR_BULK)
		objs[0] = NULL;
}

static noinline void path_bulk_free(struct paths *p, void **objs)
{
	quarry_cache_free_bulk(p->cache, NR_BULK, objs);
}

static noinline void path_arena_alloc(struct paths *p, void **objs)
{
	objs[0] = quarry_arena_alloc(p->arena, OBJ_SIZE, GFP_KERNEL);
}

static noinline void path_page_alloc(struct paths *p, void **objs)
{
	objs[0] = quarry_alloc_pages(p->heap, 0, GFP_KERNEL);
}

static noinline void path_page_free(struct paths *p, void **objs)
{
	quarry_free_order(p->heap, objs[0], 0);
}

/* Whatever allocates stands before what frees it. */
static const struct fast_path {
	const char *name;
	void (*call)(struct paths *p, void **objs);
	unsigned int nr_objs;
} paths[] = {
	{ "none", path_none, 1 },
	{ "cache alloc", path_cache_alloc, 1 },
	{ "cache free", path_cache_free, 1 },
	{ "sized alloc", path_sized_alloc, 1 },
	{ "sized free", path_sized_free, 1 },
	{ "bulk alloc, per object", path_bulk_alloc, NR_BULK },
	{ "bulk free, per object", path_bulk_free, NR_BULK },
	{ "arena alloc", path_arena_alloc, 1 },
	{ "page alloc", path_page_alloc, 1 },
	{ "page free", path_page_free, 1 },
};

#define NR_PATHS	ARRAY_SIZE(paths)

/* === Running them === */

static u64 measure(struct paths *p, const struct fast_path *path)
{
	struct quarry_bench_reading start = { }, end = { };
	unsigned long flags = quarry_bench_quiet_begin();
	unsigned int i;

	quarry_bench_read(&start);
	for (i = 0; i < NR_CALLS; i++)
		path->call(p, p->objs[i]);
	quarry_bench_read(&end);
	quarry_bench_quiet_end(flags);
	quarry_bench_since(&start, &end);
	return start.instructions;
}

/*
 * With interrupts off a heap does not grow, so it is made to before.  What could not be had is for
 * the frees to skip: there is none, or the case fails.
 */
static int warm_up(struct paths *p)
{
	unsigned int i, j;
	int ret = 0;

	for (j = 1; j < NR_PATHS; j++) {
		for (i = 0; i < NR_CALLS; i++)
			paths[j].call(p, p->objs[i]);
		for (i = 0; i < NR_CALLS; i++)
			ret = p->objs[i][0] ? ret : -ENOMEM;
		if (ret)
			return ret;
	}
	return 0;
}

static int run_paths(struct paths *p, u64 (*costs)[NR_REPS])
{
	unsigned int i, rep;
	size_t j;
	int ret = 0;

	for (rep = 0; rep < NR_REPS && !ret; rep++) {
		ret = warm_up(p);
		for (j = 0; j < NR_PATHS && !ret; j++) {
			costs[j][rep] = measure(p, &paths[j]);
			for (i = 0; i < NR_CALLS; i++)
				ret = p->objs[i][0] ? ret : -ENOMEM;
		}
		quarry_arena_reset(p->arena);
	}
	return ret;
}

/* Thousandths of an instruction, per object. */
static u64 net(u64 cost, u64 none, const struct fast_path *path)
{
	return div_u64((cost > none ? cost - none : 0) * 1000, NR_CALLS * path->nr_objs);
}

static void emit(struct quarry_bench_result *res, u64 (*costs)[NR_REPS])
{
	size_t j;
	u64 none;

	for (j = 0; j < NR_PATHS; j++)
		quarry_bench_sort(costs[j], NR_REPS);
	none = costs[0][0];
	for (j = 1; j < NR_PATHS; j++) {
		const struct quarry_bench_value value = {
			.subject = "quarry", .what = paths[j].name, .unit = "insn",
			.median = net(quarry_bench_median(costs[j], NR_REPS), none, &paths[j]),
			.min = net(costs[j][0], none, &paths[j]),
			.max = net(costs[j][NR_REPS - 1], none, &paths[j]),
			.n = NR_REPS,
		};

		quarry_bench_emit_value(res, &value);
		bench_put(res->notes, "fast-paths: %-22s %4llu.%03llu instructions\n",
			  value.what, value.min / 1000, value.min % 1000);
	}
}

static int open_paths(struct paths *p)
{
	p->cache = quarry_cache_create(p->heap, "fast-paths", OBJ_SIZE, 0, 0, NULL);
	if (IS_ERR(p->cache))
		return PTR_ERR(p->cache);
	p->arena = quarry_arena_create(p->heap, NULL, GFP_KERNEL);
	return PTR_ERR_OR_ZERO(p->arena);
}

static int run_heap(struct paths *p, struct quarry_bench_result *res)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	u64 (*costs)[NR_REPS] = kcalloc(NR_PATHS, sizeof(*costs), GFP_KERNEL);
	int ret = -ENOMEM;

	if (!costs)
		return ret;
	p->heap = quarry_heap_create(&params);
	ret = PTR_ERR_OR_ZERO(p->heap);
	if (!ret)
		ret = open_paths(p) ?: run_paths(p, costs);
	if (!ret)
		emit(res, costs);
	quarry_arena_destroy(p->arena);
	quarry_cache_destroy(p->cache);
	/* After a failure this frees, and reports, what the paths had. */
	quarry_heap_destroy(p->heap);
	kfree(costs);
	return ret;
}

int quarry_bench_fast_paths(struct quarry_bench_result *res)
{
	struct paths *p;
	int ret;

	if (!quarry_bench_meter.icount) {
		res->left_out = "the clock does not count instructions";
		return 0;
	}
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return -ENOMEM;
	res->per = "call";
	ret = run_heap(p, res);
	kfree(p);
	return ret;
}
