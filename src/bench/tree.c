// SPDX-License-Identifier: GPL-2.0
/*
 * arena-tree: build a complete binary tree of 100 000 nodes and drop it, in an arena of a
 * heap of its own against kmalloc() and kfree() of each node.
 *
 * The nodes are those of the kernel's trees, 40 bytes, linked level by level.  Whoever
 * frees them one by one has to walk the tree, rbtree_postorder_for_each_entry_safe(); an arena
 * is destroyed without a look at them.  So the walk is part of the peer's price.  What
 * is subtracted is the building of the tree out of an array, as the empty loop does it, and for
 * dropping it nothing but the look at the clock.
 *
 * Building and dropping are measured by themselves; the row of the case has both.  A second table
 * has trees of 10^3 to 10^6 nodes, and the slope: the exponent of nodes with which the time grows,
 * from the smallest to the largest.  A slice is the life of one tree; of 100 000 nodes
 * it takes less than 10 ms on a real CPU, not on an emulated one.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <quarry/arena.h>
#include <quarry/heap.h>
#include "case.h"
#include "results.h"

#define NR_NODES	100000U
#define MAX_NODES	1000000U
#define NR_SLICES	21
#define WARMUP_SLICES	2

/* Of small trees a slice is the life of several: the clock may tick once in 256 ns. */
static const struct tree_size {
	unsigned int nr;
	unsigned int nr_trees;
	unsigned int nr_slices;
} sizes[] = {
	{ 1000, 100, NR_SLICES }, { 10000, 10, NR_SLICES }, { NR_NODES, 1, NR_SLICES },
	{ MAX_NODES, 1, 7 },
};

enum part {
	BUILD,
	DROP,
	NR_PARTS,
};

static const char * const part_names[] = {
	[BUILD] = "building",
	[DROP] = "dropping",
};

static_assert(ARRAY_SIZE(part_names) == NR_PARTS);

struct node {
	struct rb_node rb;
	struct node *next;		/* in the order in which they were made */
	u64 key;
};

struct tree {
	struct quarry_heap *heap;
	struct quarry_arena *arena;
	struct rb_root root;
	struct node *first, *last;
	u64 peak_bytes[QUARRY_BENCH_NR_SIDES];
	u64 nr_chunks;			/* that were asked for */
	u64 nr_peer_calls;
	struct quarry_bench_run parts[NR_PARTS], both;
	struct quarry_bench_result result;	/* of a part */
	u64 ends[NR_PARTS][QUARRY_BENCH_NR_SIDES][2];
	struct node nodes[];		/* the empty loop's */
};

/* === One tree === */

static __always_inline struct node *new_node(struct tree *tree, unsigned int i,
					     const enum quarry_bench_side side)
{
	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return quarry_arena_alloc(tree->arena, sizeof(struct node), GFP_KERNEL);
	case QUARRY_BENCH_PEER:
		return kmalloc(sizeof(struct node), GFP_KERNEL);
	default:
		return &tree->nodes[i];
	}
}

/* Node i > 0 is the left child of node (i - 1) / 2 if i is odd, else the right one. */
static __always_inline int build(struct tree *tree, unsigned int nr,
				 const enum quarry_bench_side side)
{
	struct node *parent = NULL, *node;
	unsigned int i;

	tree->root = RB_ROOT;
	tree->first = NULL;
	for (i = 0; i < nr; i++) {
		node = new_node(tree, i, side);
		if (unlikely(!node))
			return -ENOMEM;
		node->next = NULL;
		node->key = i;
		if (!parent) {
			rb_link_node(&node->rb, NULL, &tree->root.rb_node);
			tree->first = node;
			parent = node;
		} else {
			tree->last->next = node;
			rb_link_node(&node->rb, &parent->rb,
				     i % 2 ? &parent->rb.rb_left : &parent->rb.rb_right);
			if (i % 2 == 0)
				parent = parent->next;
		}
		tree->last = node;
	}
	return 0;
}

static noinline int build_none(struct tree *tree, unsigned int nr)
{
	return build(tree, nr, QUARRY_BENCH_NONE);
}

static noinline int build_quarry(struct tree *tree, unsigned int nr)
{
	tree->arena = quarry_arena_create(tree->heap, NULL, GFP_KERNEL);
	if (IS_ERR(tree->arena))
		return PTR_ERR(tree->arena);
	return build(tree, nr, QUARRY_BENCH_QUARRY);
}

static noinline int build_peer(struct tree *tree, unsigned int nr)
{
	return build(tree, nr, QUARRY_BENCH_PEER);
}

static void drop_none(struct tree *tree)
{
}

static void drop_quarry(struct tree *tree)
{
	quarry_arena_destroy(tree->arena);
	tree->arena = NULL;
}

static noinline void drop_peer(struct tree *tree)
{
	struct node *node, *next;

	rbtree_postorder_for_each_entry_safe(node, next, &tree->root, rb)
		kfree(node);
}

static const struct {
	int (*build)(struct tree *tree, unsigned int nr);
	void (*drop)(struct tree *tree);
} sides[] = {
	[QUARRY_BENCH_NONE] = { build_none, drop_none },
	[QUARRY_BENCH_QUARRY] = { build_quarry, drop_quarry },
	[QUARRY_BENCH_PEER] = { build_peer, drop_peer },
};

/* === Slices === */

/* Between building and dropping. */
static void note_memory(struct tree *tree, enum quarry_bench_side side, unsigned int nr)
{
	struct quarry_arena_stats stats;
	struct quarry_heap_stats heap;

	if (nr != NR_NODES)
		return;
	if (side == QUARRY_BENCH_PEER) {
		tree->peak_bytes[side] = (u64)nr * ksize(tree->first);
		tree->nr_peer_calls += nr;
	} else if (side == QUARRY_BENCH_QUARRY) {
		quarry_arena_get_stats(tree->arena, &stats);
		quarry_heap_get_stats(tree->heap, &heap);
		tree->nr_chunks += stats.nr_chunks;
		tree->peak_bytes[side] = heap.mapped_peak + heap.metadata;
	}
}

static int measure_build(struct tree *tree, enum quarry_bench_side side, unsigned int nr,
			 struct quarry_bench_reading *cost)
{
	struct quarry_bench_reading end = { };
	int ret;

	quarry_bench_read(cost);
	ret = sides[side].build(tree, nr);
	quarry_bench_read(&end);
	quarry_bench_since(cost, &end);
	return ret;
}

static void measure_drop(struct tree *tree, enum quarry_bench_side side,
			 struct quarry_bench_reading *cost)
{
	struct quarry_bench_reading end = { };

	quarry_bench_read(cost);
	sides[side].drop(tree);
	quarry_bench_read(&end);
	quarry_bench_since(cost, &end);
}

static void add(struct quarry_bench_reading *sum, const struct quarry_bench_reading *cost)
{
	sum->ns += cost->ns;
	sum->instructions += cost->instructions;
}

/* One tree.  If it could only be begun, it is dropped as well. */
static int run_tree(struct tree *tree, enum quarry_bench_side side, unsigned int nr,
		    struct quarry_bench_reading *built, struct quarry_bench_reading *dropped)
{
	struct quarry_bench_reading cost = { };
	int ret = measure_build(tree, side, nr, &cost);

	if (IS_ERR(tree->arena)) {
		tree->arena = NULL;
		return ret;
	}
	add(built, &cost);
	if (!ret)
		note_memory(tree, side, nr);
	measure_drop(tree, side, &cost);
	add(dropped, &cost);
	return ret;
}

static int run_slice(struct tree *tree, enum quarry_bench_side side,
		     const struct tree_size *size, int i)
{
	struct quarry_bench_reading built = { }, dropped = { };
	unsigned int j;
	int ret = 0;

	for (j = 0; j < size->nr_trees && !ret; j++)
		ret = run_tree(tree, side, size->nr, &built, &dropped);
	cond_resched();
	if (ret || i < 0)
		return ret;
	quarry_bench_note(&tree->parts[BUILD], side, i, &built);
	quarry_bench_note(&tree->parts[DROP], side, i, &dropped);
	add(&built, &dropped);
	quarry_bench_note(&tree->both, side, i, &built);
	return 0;
}

static int run_slices(struct tree *tree, const struct tree_size *size)
{
	enum quarry_bench_side side;
	int i, ret;

	for (i = -WARMUP_SLICES; i < (int)size->nr_slices; i++) {
		for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
			ret = run_slice(tree, side, size, i);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/* === Result === */

static const struct quarry_bench_figures *figures_of(const struct quarry_bench_result *res)
{
	return res->ns.known ? &res->ns : &res->instructions;
}

/* @fig is per tree. */
static void put_part(struct bench_text *notes, unsigned int nr, enum part part,
		     const struct quarry_bench_figures *fig)
{
	u64 quarry = div_u64(fig->per_op[QUARRY_BENCH_QUARRY], nr);
	u64 peer = div_u64(fig->per_op[QUARRY_BENCH_PEER], nr);

	bench_put(notes, "%8u %-9s %7llu.%02llu %7llu.%02llu   ", nr, part_names[part],
		  quarry / 100, quarry % 100, peer / 100, peer % 100);
	if (quarry_bench_is_noisy(fig->ratio, fig->ratio_p10, fig->ratio_p90))
		bench_put(notes, "noisy");
	else
		bench_put(notes, "%llu.%03llu", fig->ratio / 1000, fig->ratio % 1000);
	bench_put(notes, "  %llu.%03llu to %llu.%03llu\n", fig->ratio_p10 / 1000,
		  fig->ratio_p10 % 1000, fig->ratio_p90 / 1000, fig->ratio_p90 % 1000);
}

/* Logarithm to base 2 in thousandths, linear between powers of two: off by 0.09 at most. */
static s64 log2_milli(u64 value)
{
	unsigned int order = ilog2(max(value, 1ULL));

	return order * 1000 + (s64)div64_u64((value - BIT_ULL(order)) * 1000, BIT_ULL(order));
}

/* What the smallest and the largest tree took. */
static s64 slope_of(const u64 *ends)
{
	return div64_s64((log2_milli(ends[1]) - log2_milli(ends[0])) * 1000,
			 log2_milli(MAX_NODES) - log2_milli(sizes[0].nr));
}

static void emit_slope(const struct quarry_bench_result *res, const char *subject, s64 slope)
{
	const struct quarry_bench_value value = {
		.subject = subject, .what = "teardown slope", .unit = "ratio",
		QUARRY_BENCH_ONE(slope),
	};

	quarry_bench_emit_value(res, &value);
}

static void put_slope(struct quarry_bench_result *res, const struct tree *tree, enum part part)
{
	s64 quarry = max(slope_of(tree->ends[part][QUARRY_BENCH_QUARRY]), 0LL);
	s64 peer = max(slope_of(tree->ends[part][QUARRY_BENCH_PEER]), 0LL);

	if (part == DROP) {
		emit_slope(res, "quarry", quarry);
		emit_slope(res, "kmalloc", peer);
	}
	bench_put(res->notes, "arena-tree: slope of %s: quarry %lld.%03lld, kmalloc %lld.%03lld\n",
		  part_names[part], quarry / 1000, quarry % 1000, peer / 1000, peer % 1000);
}

static void emit_ratio(const struct quarry_bench_result *res, enum part part,
		       const struct quarry_bench_figures *fig)
{
	const struct quarry_bench_value value = {
		.subject = "quarry", .unit = "ratio",
		.what = part == BUILD ? "build ratio" : "teardown ratio",
		.median = fig->ratio, .min = fig->ratio_min, .max = fig->ratio_max, .n = fig->nr,
	};

	quarry_bench_emit_value(res, &value);
}

static void conclude_part(struct tree *tree, const struct tree_size *size, enum part part,
			  struct quarry_bench_result *res)
{
	const struct quarry_bench_figures *fig;
	enum quarry_bench_side side;

	tree->result = (struct quarry_bench_result){ };
	quarry_bench_conclude(&tree->parts[part], size->nr_slices, size->nr_trees, &tree->result);
	fig = figures_of(&tree->result);
	put_part(res->notes, size->nr, part, fig);
	if (size->nr == NR_NODES)
		emit_ratio(res, part, fig);
	for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
		if (size->nr == sizes[0].nr)
			tree->ends[part][side][0] = fig->per_op[side];
		if (size->nr == MAX_NODES)
			tree->ends[part][side][1] = fig->per_op[side];
	}
}

static void conclude_case(struct tree *tree, struct quarry_bench_result *res)
{
	struct quarry_heap_stats stats;

	quarry_heap_get_stats(tree->heap, &stats);
	res->calls[QUARRY_BENCH_QUARRY] = stats.nr_kernel_calls + tree->nr_chunks;
	res->calls[QUARRY_BENCH_PEER] = tree->nr_peer_calls;
	res->peak_bytes[QUARRY_BENCH_QUARRY] = tree->peak_bytes[QUARRY_BENCH_QUARRY];
	res->peak_bytes[QUARRY_BENCH_PEER] = tree->peak_bytes[QUARRY_BENCH_PEER];
	quarry_bench_conclude(&tree->both, NR_SLICES, NR_NODES, res);
}

static int run_sizes(struct tree *tree, struct quarry_bench_result *res)
{
	enum part part;
	unsigned int i;
	int ret;

	bench_put(res->notes, "\narena-tree: %s per node\n",
		  quarry_bench_meter.has_ns ? "ns" : "instructions");
	bench_put(res->notes, "%8s %-9s %10s %10s   ratio  p10 to p90\n", "nodes", "", "quarry",
		  "kmalloc");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ret = run_slices(tree, &sizes[i]);
		if (ret)
			return ret;
		for (part = 0; part < NR_PARTS; part++)
			conclude_part(tree, &sizes[i], part, res);
		if (sizes[i].nr == NR_NODES)
			conclude_case(tree, res);
	}
	for (part = 0; part < NR_PARTS; part++)
		put_slope(res, tree, part);
	return 0;
}

int quarry_bench_arena_tree(struct quarry_bench_result *res)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	struct tree *tree;
	int ret;

	res->peer = "kmalloc";
	res->per = "node";
	/* The array; and what a tree of kmalloc() or an arena's takes, one of them at a time. */
	if (!quarry_bench_has_memory(res, MAX_NODES * (u64)(sizeof(struct node) + 96)))
		return 0;
	tree = vzalloc(struct_size(tree, nodes, MAX_NODES));
	if (!tree)
		return -ENOMEM;
	tree->heap = quarry_heap_create(&params);
	ret = PTR_ERR_OR_ZERO(tree->heap);
	if (!ret)
		ret = run_sizes(tree, res);
	quarry_heap_destroy(tree->heap);
	vfree(tree);
	return ret;
}
