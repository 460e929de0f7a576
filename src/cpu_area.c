// SPDX-License-Identifier: GPL-2.0
/*
 * Per-CPU areas of fronts: blocks of 16 of them.
 *
 * The kernel's per-CPU allocator takes up to 9 000 instructions for 64 bytes, most of what the
 * first use of a cache or a size would cost, so it is asked for 16 areas at a time.  The
 * blocks are shared by all heaps, since many have few fronts in use.
 *
 * Locking: blocks_lock for the list and the used bits, a raw one, as the first use may be
 * in any context that can call the kernel; the per-CPU allocator is called without it.
 *
 * Invariants: blocks that have room come before those that are full; none is unused.
 */
#include <linux/bitops.h>
#include <linux/cpumask.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "cpu_area.h"
#include "depot.h"
#include "internal.h"

#define NR_AREAS	16
#define ALL_USED	GENMASK(NR_AREAS - 1, 0)

struct quarry_cpu_block {
	struct list_head node;
	struct quarry_cpu __percpu *areas;	/* constant */
	unsigned long used;
};

static DEFINE_RAW_SPINLOCK(blocks_lock);
static LIST_HEAD(blocks);

static void init_area(struct quarry_cpu __percpu *area)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct quarry_cpu *c = per_cpu_ptr(area, cpu);

		memset(c, 0, sizeof(*c));
		c->loaded = &quarry_empty_magazine;
		c->previous = &quarry_empty_magazine;
	}
}

static struct quarry_cpu __percpu *take_locked(struct quarry_cpu_block *block)
{
	unsigned int i = ffz(block->used);

	lockdep_assert_held(&blocks_lock);
	block->used |= BIT(i);
	if (block->used == ALL_USED)
		list_move_tail(&block->node, &blocks);
	return block->areas + i;
}

/* NULL if no block has room. */
static struct quarry_cpu_block *block_with_room(void)
{
	struct quarry_cpu_block *block;

	lockdep_assert_held(&blocks_lock);
	block = list_first_entry_or_null(&blocks, struct quarry_cpu_block, node);
	return block && block->used != ALL_USED ? block : NULL;
}

static struct quarry_cpu_block *make_block(gfp_t gfp)
{
	struct quarry_cpu_block *block = kzalloc(sizeof(*block), gfp);

	if (!block)
		return NULL;
	block->areas = __alloc_percpu_gfp(NR_AREAS * sizeof(*block->areas),
					  __alignof__(*block->areas), gfp);
	if (block->areas)
		return block;
	kfree(block);
	return NULL;
}

static void free_block(struct quarry_cpu_block *block)
{
	if (!block)
		return;
	free_percpu(block->areas);
	kfree(block);
}

struct quarry_cpu __percpu *quarry_cpu_area_alloc(struct quarry_cpu_block **block, gfp_t gfp)
{
	struct quarry_cpu __percpu *area = NULL;
	struct quarry_cpu_block *new = NULL;
	unsigned long flags;

	for (;;) {
		raw_spin_lock_irqsave(&blocks_lock, flags);
		*block = block_with_room();
		/* Of those that make one at the same time one is enough. */
		if (!*block && new) {
			*block = new;
			list_add(&new->node, &blocks);
			new = NULL;
		}
		if (*block)
			area = take_locked(*block);
		raw_spin_unlock_irqrestore(&blocks_lock, flags);
		if (area)
			break;
		new = make_block(gfp);
		if (!new)
			return NULL;
	}
	free_block(new);
	init_area(area);
	return area;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_cpu_area_alloc);

void quarry_cpu_area_free(struct quarry_cpu_block *block, struct quarry_cpu __percpu *area)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&blocks_lock, flags);
	block->used &= ~BIT(area - block->areas);
	if (block->used)
		list_move(&block->node, &blocks);
	else
		list_del(&block->node);
	/* Others may take and give back the rest of it as soon as the lock is released. */
	block = block->used ? NULL : block;
	raw_spin_unlock_irqrestore(&blocks_lock, flags);
	free_block(block);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_cpu_area_free);
