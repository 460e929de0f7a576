// SPDX-License-Identifier: GPL-2.0
/*
 * buddy-mix: random orders and lifetimes in 1 GiB of abstract range, in units of
 * 4 KiB, quarry's range buddy against the kernel's gpu_buddy.
 *
 * Both sides run the same steps: a step picks one of NR_SLOTS slots, frees what is
 * in it or else fills it with a block of a random order, 0 to 9.  They take turns
 * in slices of under 10 ms with interrupts off, in random steps made beforehand;
 * the loop without an allocator is subtracted from both, and the printed ratio
 * is the median over the slices.  In this balance of allocations and frees hardly
 * any block is split or merged: what is measured is the fixed cost.
 *
 * buddy-pair-free is the other extreme: one block of order 0 from a range that is
 * otherwise free and back, 18 splits and 18 merges.
 *
 * Under `qemu -icount shift=0,sleep=off` a nanosecond is an instruction.
 *
 * The peer must be built into the kernel, as in 6.12: its symbols are not
 * exported GPL, so symbol_get() may not be used, and the bench must load where the
 * peer is a module that is not there (drm_buddy in 6.1).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/math64.h>
#include <linux/prandom.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <quarry/buddy.h>
#include "case.h"

/* The option came with the header. */
#if IS_BUILTIN(CONFIG_GPU_BUDDY)
#include <linux/gpu_buddy.h>
#define HAVE_PEER 1
#else
#define HAVE_PEER 0
#endif

#define UNIT_SHIFT	12
#define RANGE_ORDER	18
#define NR_SLOTS	2048
#define NR_ORDERS	10
#define NR_SLICES	64
#define SLICE_STEPS	1000
#define WARMUP_STEPS	(8 * NR_SLOTS)
#define NR_STEPS	(WARMUP_STEPS + NR_SLICES * SLICE_STEPS)

/* Micro case: so many order 0 pairs in a range that is otherwise free. */
#define NR_PAIRS	100

/* The sides; the peer may be missing. */
enum {
	NONE = QUARRY_BENCH_NONE,
	QUARRY = QUARRY_BENCH_QUARRY,
	PEER = QUARRY_BENCH_PEER,
	NR_SIDES = QUARRY_BENCH_NR_SIDES,
};

struct step {
	u16 slot;
	u8 order;
};

struct mix_side {
	u64 (*run)(struct mix_side *side, const struct step *steps, unsigned int nr);
	u64 (*run_pairs)(struct mix_side *side);
	bool used[NR_SLOTS];
	u8 order[NR_SLOTS];
	unsigned long nr_failed;
	struct quarry_bench_reading cost;	/* of the last run */
	u64 slice_ns[NR_SLICES];
	u64 pair_ns;
	size_t bytes;
	/* quarry */
	struct quarry_buddy *buddy;
	unsigned long offset[NR_SLOTS];
#if HAVE_PEER
	struct gpu_buddy mm;
	struct gpu_buddy_block *block[NR_SLOTS];
#endif
};

struct mix_ops {
	int (*alloc)(struct mix_side *side, unsigned int slot, unsigned int order);
	void (*free)(struct mix_side *side, unsigned int slot, unsigned int order);
};

/* === Running: inlined into each side, so that nothing is called but the allocator === */

static __always_inline void run_step(struct mix_side *side, const struct step *step,
				     const struct mix_ops *ops)
{
	if (side->used[step->slot]) {
		ops->free(side, step->slot, side->order[step->slot]);
		side->used[step->slot] = false;
	} else if (ops->alloc(side, step->slot, step->order)) {
		side->nr_failed++;
	} else {
		side->order[step->slot] = step->order;
		side->used[step->slot] = true;
	}
}

/*
 * With interrupts off, so that no tick is counted.  The peer allocates its nodes
 * with GFP_KERNEL; a kernel that checks for that would complain and its times
 * would mean nothing anyhow.
 */
static __always_inline u64 run_steps(struct mix_side *side, const struct step *steps,
				     unsigned int nr, const struct mix_ops *ops)
{
	struct quarry_bench_reading end = { };
	unsigned long flags;
	unsigned int i;

	flags = quarry_bench_quiet_begin();
	quarry_bench_read(&side->cost);
	for (i = 0; i < nr; i++)
		run_step(side, &steps[i], ops);
	quarry_bench_read(&end);
	quarry_bench_quiet_end(flags);
	quarry_bench_since(&side->cost, &end);
	return quarry_bench_meter.icount ? side->cost.instructions : side->cost.ns;
}

/* In a range that is otherwise free; what was left in the slots goes first. */
static __always_inline u64 run_pairs(struct mix_side *side, const struct mix_ops *ops)
{
	struct step steps[2] = { };
	unsigned int i;
	u64 ns = 0;

	for (i = 0; i < NR_SLOTS; i++) {
		if (side->used[i])
			ops->free(side, i, side->order[i]);
		side->used[i] = false;
	}
	for (i = 0; i < NR_PAIRS; i++)
		ns += run_steps(side, steps, 2, ops);
	return ns;
}

/* === The sides === */

static __always_inline int none_alloc(struct mix_side *side, unsigned int slot,
				      unsigned int order)
{
	side->offset[slot] = order;
	return 0;
}

static __always_inline void none_free(struct mix_side *side, unsigned int slot,
				      unsigned int order)
{
	side->offset[slot] = 0;
}

static const struct mix_ops none_ops = {
	.alloc = none_alloc,
	.free = none_free,
};

static u64 none_run(struct mix_side *side, const struct step *steps, unsigned int nr)
{
	return run_steps(side, steps, nr, &none_ops);
}

static u64 none_run_pairs(struct mix_side *side)
{
	return run_pairs(side, &none_ops);
}

/* The empty loop, which is subtracted from both others. */
static void none_init(struct mix_side *side)
{
	side->run = none_run;
	side->run_pairs = none_run_pairs;
}

static __always_inline int quarry_alloc_block(struct mix_side *side, unsigned int slot,
					      unsigned int order)
{
	long o = quarry_buddy_alloc(side->buddy, order, false);

	side->offset[slot] = o;
	return o < 0;
}

static __always_inline void quarry_free_block(struct mix_side *side, unsigned int slot,
					      unsigned int order)
{
	quarry_buddy_free(side->buddy, side->offset[slot], order);
}

static const struct mix_ops quarry_ops = {
	.alloc = quarry_alloc_block,
	.free = quarry_free_block,
};

static u64 quarry_run(struct mix_side *side, const struct step *steps, unsigned int nr)
{
	return run_steps(side, steps, nr, &quarry_ops);
}

static u64 quarry_run_pairs(struct mix_side *side)
{
	return run_pairs(side, &quarry_ops);
}

static int quarry_init(struct mix_side *side)
{
	side->run = quarry_run;
	side->run_pairs = quarry_run_pairs;
	side->buddy = quarry_buddy_create(1UL << RANGE_ORDER, RANGE_ORDER);
	side->bytes = quarry_buddy_struct_size(RANGE_ORDER) +
		      quarry_buddy_state_size(1UL << RANGE_ORDER, RANGE_ORDER);
	return PTR_ERR_OR_ZERO(side->buddy);
}

#if HAVE_PEER
static __always_inline int peer_alloc(struct mix_side *side, unsigned int slot,
				      unsigned int order)
{
	u64 size = 1ULL << (UNIT_SHIFT + order);
	LIST_HEAD(list);
	int ret;

	ret = gpu_buddy_alloc_blocks(&side->mm, 0, side->mm.size, size, size, &list, 0);
	if (!ret)
		side->block[slot] = list_first_entry(&list, struct gpu_buddy_block, link);
	return ret;
}

static __always_inline void peer_free(struct mix_side *side, unsigned int slot,
				      unsigned int order)
{
	gpu_buddy_free_block(&side->mm, side->block[slot]);
}

static const struct mix_ops peer_ops = {
	.alloc = peer_alloc,
	.free = peer_free,
};

static u64 peer_run(struct mix_side *side, const struct step *steps, unsigned int nr)
{
	return run_steps(side, steps, nr, &peer_ops);
}

static u64 peer_run_pairs(struct mix_side *side)
{
	return run_pairs(side, &peer_ops);
}

static int peer_init(struct mix_side *side)
{
	side->run = peer_run;
	side->run_pairs = peer_run_pairs;
	return gpu_buddy_init(&side->mm, 1ULL << (UNIT_SHIFT + RANGE_ORDER), 1UL << UNIT_SHIFT);
}

/* Nodes of a binary tree: one more leaf than splits, a leaf is free or allocated. */
static void peer_count(struct mix_side *side)
{
	size_t nr = 0;
	unsigned int tree, i;
	struct rb_node *node;

	for_each_free_tree(tree)
		for (i = 0; i <= side->mm.max_order; i++)
			for (node = rb_first(&side->mm.free_trees[tree][i]); node;
			     node = rb_next(node))
				nr++;
	for (i = 0; i < NR_SLOTS; i++)
		nr += side->used[i];
	side->bytes = max(side->bytes, (2 * nr - 1) * sizeof(struct gpu_buddy_block));
}

static void peer_fini(struct mix_side *side)
{
	gpu_buddy_fini(&side->mm);
}
#else
static int peer_init(struct mix_side *side)
{
	return -EOPNOTSUPP;
}

static void peer_count(struct mix_side *side) { }
static void peer_fini(struct mix_side *side) { }
#endif

/* Pairs come last, as they empty the range. */
static void run_sides(struct mix_side *sides, unsigned int nr, const struct step *steps,
		      struct quarry_bench_run *run)
{
	unsigned int i, j;

	for (j = 0; j < nr; j++)
		sides[j].run(&sides[j], steps, WARMUP_STEPS);
	steps += WARMUP_STEPS;
	for (i = 0; i < NR_SLICES; i++, steps += SLICE_STEPS) {
		for (j = 0; j < nr; j++) {
			sides[j].slice_ns[i] = sides[j].run(&sides[j], steps, SLICE_STEPS);
			quarry_bench_note(run, j, i, &sides[j].cost);
		}
		if (nr > PEER)
			peer_count(&sides[PEER]);
	}
	for (j = 0; j < nr; j++) {
		sides[j].run_pairs(&sides[j]);
		sides[j].pair_ns = sides[j].run_pairs(&sides[j]);
	}
	/* Without the loop itself. */
	for (j = QUARRY; j < nr; j++) {
		for (i = 0; i < NR_SLICES; i++)
			sides[j].slice_ns[i] -= min(sides[j].slice_ns[i], sides[NONE].slice_ns[i]);
		sides[j].pair_ns -= min(sides[j].pair_ns, sides[NONE].pair_ns);
	}
}

/* === Result === */

/* 1/100 of a nanosecond per step, from the median slice. */
static u64 per_step(const struct mix_side *side, u64 *sorted)
{
	memcpy(sorted, side->slice_ns, sizeof(side->slice_ns));
	quarry_bench_sort(sorted, NR_SLICES);
	return div_u64(sorted[NR_SLICES / 2] * 100, SLICE_STEPS);
}

static void print_alone(const struct mix_side *quarry, u64 *sorted)
{
	u64 ours = per_step(quarry, sorted);

	pr_info("buddy-mix quarry %llu.%02llu ns/op bytes %zu peer none ratio -\n",
		ours / 100, ours % 100, quarry->bytes);
	pr_info("buddy-pair-free quarry %llu ns/pair peer none ratio -\n",
		div_u64(quarry->pair_ns, NR_PAIRS));
	pr_info("buddy-mix: gpu_buddy is not built into this kernel: nothing to compare with\n");
}

static void print_both(const struct mix_side *quarry, const struct mix_side *peer, u64 *sorted)
{
	u64 ours = per_step(quarry, sorted), theirs = per_step(peer, sorted);
	u64 pair_ratio = div64_u64(quarry->pair_ns * 1000, max(peer->pair_ns, 1ULL));
	unsigned int i;

	for (i = 0; i < NR_SLICES; i++)
		sorted[i] = div64_u64(quarry->slice_ns[i] * 1000, max(peer->slice_ns[i], 1ULL));
	quarry_bench_sort(sorted, NR_SLICES);
	pr_info("buddy-mix quarry %llu.%02llu ns/op bytes %zu peer gpu_buddy %llu.%02llu ns/op bytes %zu ratio %llu.%03llu (min %llu.%03llu max %llu.%03llu) failed %lu %lu\n",
		ours / 100, ours % 100, quarry->bytes, theirs / 100, theirs % 100,
		peer->bytes, sorted[NR_SLICES / 2] / 1000, sorted[NR_SLICES / 2] % 1000,
		sorted[0] / 1000, sorted[0] % 1000, sorted[NR_SLICES - 1] / 1000,
		sorted[NR_SLICES - 1] % 1000, quarry->nr_failed, peer->nr_failed);
	pr_info("buddy-pair-free quarry %llu ns/pair peer gpu_buddy %llu ns/pair ratio %llu.%03llu\n",
		div_u64(quarry->pair_ns, NR_PAIRS), div_u64(peer->pair_ns, NR_PAIRS),
		pair_ratio / 1000, pair_ratio % 1000);
}

static void make_steps(struct step *steps)
{
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 20010815);
	for (i = 0; i < NR_STEPS; i++) {
		steps[i].slot = prandom_u32_state(&rnd) % NR_SLOTS;
		steps[i].order = prandom_u32_state(&rnd) % NR_ORDERS;
	}
}

static int run_mix(struct mix_side *sides, const struct step *steps, u64 *sorted,
		   struct quarry_bench_run *run, struct quarry_bench_result *res)
{
	int ret = quarry_init(&sides[QUARRY]), no_peer;

	if (ret)
		return ret;
	none_init(&sides[NONE]);
	no_peer = peer_init(&sides[PEER]);
	run_sides(sides, no_peer ? PEER : NR_SIDES, steps, run);
	if (no_peer) {
		print_alone(&sides[QUARRY], sorted);
	} else {
		print_both(&sides[QUARRY], &sides[PEER], sorted);
		peer_fini(&sides[PEER]);
		res->peer = "gpu_buddy";
	}
	res->per = "step";
	res->peak_bytes[QUARRY_BENCH_QUARRY] = sides[QUARRY].bytes;
	res->peak_bytes[QUARRY_BENCH_PEER] = sides[PEER].bytes;
	quarry_bench_conclude(run, NR_SLICES, SLICE_STEPS, res);
	quarry_buddy_destroy(sides[QUARRY].buddy);
	return 0;
}

int quarry_bench_buddy_mix(struct quarry_bench_result *res)
{
	struct mix_side *sides = kvcalloc(NR_SIDES, sizeof(*sides), GFP_KERNEL);
	struct quarry_bench_run *run = kvzalloc(sizeof(*run), GFP_KERNEL);
	struct step *steps = vmalloc(array_size(NR_STEPS, sizeof(*steps)));
	u64 *sorted = kcalloc(NR_SLICES, sizeof(*sorted), GFP_KERNEL);
	int ret = -ENOMEM;

	if (sides && run && steps && sorted) {
		make_steps(steps);
		ret = run_mix(sides, steps, sorted, run, res);
	}
	kfree(sorted);
	vfree(steps);
	kvfree(run);
	kvfree(sides);
	return ret;
}
