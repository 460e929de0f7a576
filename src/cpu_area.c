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

struct area_block {
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

static struct quarry_cpu __percpu *take_locked(struct area_block *block)
{
	unsigned int i = ffz(block->used);

	lockdep_assert_held(&blocks_lock);
	block->used |= BIT(i);
	if (block->used == ALL_USED)
		list_move_tail(&block->node, &blocks);
	return block->areas + i;
}

/* NULL if no block has room. */
static struct quarry_cpu __percpu *take_area(void)
{
	struct quarry_cpu __percpu *area = NULL;
	struct area_block *block;
	unsigned long flags;

	raw_spin_lock_irqsave(&blocks_lock, flags);
	block = list_first_entry_or_null(&blocks, struct area_block, node);
	if (block && block->used != ALL_USED)
		area = take_locked(block);
	raw_spin_unlock_irqrestore(&blocks_lock, flags);
	return area;
}

static void free_block(struct area_block *block)
{
	free_percpu(block->areas);
	kfree(block);
}

/* The first area of a new block. */
static struct quarry_cpu __percpu *take_new(gfp_t gfp)
{
	struct area_block *block = kzalloc(sizeof(*block), gfp);
	struct quarry_cpu __percpu *area;
	unsigned long flags;

	if (!block)
		return NULL;
	block->areas = __alloc_percpu_gfp(NR_AREAS * sizeof(*area), __alignof__(*area), gfp);
	if (!block->areas) {
		kfree(block);
		return NULL;
	}
	raw_spin_lock_irqsave(&blocks_lock, flags);
	list_add(&block->node, &blocks);
	area = take_locked(block);
	raw_spin_unlock_irqrestore(&blocks_lock, flags);
	return area;
}

struct quarry_cpu __percpu *quarry_cpu_area_alloc(gfp_t gfp)
{
	struct quarry_cpu __percpu *area = take_area() ?: take_new(gfp);

	if (area)
		init_area(area);
	return area;
}

void quarry_cpu_area_free(struct quarry_cpu __percpu *area)
{
	struct area_block *block, *found = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&blocks_lock, flags);
	list_for_each_entry(block, &blocks, node) {
		if (area < block->areas || area >= block->areas + NR_AREAS)
			continue;
		found = block;
		break;
	}
	if (QUARRY_WARN_ON(!found))
		goto out;
	found->used &= ~BIT(area - found->areas);
	if (found->used) {
		list_move(&found->node, &blocks);
		found = NULL;
	} else {
		list_del(&found->node);
	}
out:
	raw_spin_unlock_irqrestore(&blocks_lock, flags);
	if (found)
		free_block(found);
}
