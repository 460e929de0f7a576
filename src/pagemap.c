// SPDX-License-Identifier: GPL-2.0
/*
 * The page map: one word per page of the direct map that says what it belongs to.
 *
 *	address - PAGE_OFFSET = | leaf number | page in it : 9 | in the page : 12 |
 *	                              │              │
 *	  quarry_pagemap ─> [0] [1] [2] ...          │      one per 2 MiB up to the end of RAM
 *	                             │               v
 *	                             └─> leaf: owner[512]   0: not ours
 *
 * All leaves that are not in use are one and the same, full of zeroes, so that a
 * lookup has no pointer to test.  A leaf appears with the first extent that has a
 * page in it, counts those extents, and goes a grace period after the last one.
 * That is 8 bytes per page of ours, and a page for a lone extent of 64 KiB.
 *
 * The array of leaves (8 bytes per 2 MiB of addresses) is as long as RAM needs;
 * when memory is plugged in above that it is replaced by a longer one.  RAM that is
 * so scattered that the array would take more than 1/1024 of it is not reached.
 *
 * Nothing here reads a struct page of others: which parts of memory have one at
 * all is the business of memory hotplug, not ours.  That an owner other than 0
 * implies a struct page, as quarry_extent_find() has it, follows from the order:
 * owners are 0 before a page goes to the kernel, and memory that goes offline
 * waits for a grace period after that (extent.c).
 *
 * Locking: pagemap_lock guards the array and the counts; entries belong to who
 * holds the page.  Lookups take no lock.  reach_mutex: who makes the array longer.
 *
 * Invariant: a leaf is the empty one  <=>  no extent has a page in it.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/atomic.h>
#include <linux/minmax.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "internal.h"
#include "pagemap.h"

unsigned long **quarry_pagemap;
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_pagemap);
unsigned long quarry_pagemap_size;
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_pagemap_size);

static DEFINE_RAW_SPINLOCK(pagemap_lock);
static DEFINE_MUTEX(reach_mutex);

/* Never written. */
static unsigned long empty_leaf[QUARRY_PAGEMAP_LEAF];

/* === Pages of the kernel that the module holds === */

static atomic_long_t nr_pages_held;

void quarry_pages_held_add(long nr_pages)
{
	atomic_long_add(nr_pages, &nr_pages_held);
}

long quarry_pages_held(void)
{
	return atomic_long_read(&nr_pages_held);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_pages_held);

/* === Leaves === */

static void free_leaf(struct rcu_head *rcu)
{
	struct page *page = container_of(rcu, struct page, rcu_head);

	set_page_private(page, 0);
	__free_page(page);
}

/* Count one more extent in leaf @nr; if it has none it becomes *@fresh, or false. */
static bool get_leaf(unsigned long nr, struct page **fresh)
{
	unsigned long *leaf, flags;
	struct page *page;

	raw_spin_lock_irqsave(&pagemap_lock, flags);
	leaf = quarry_pagemap[nr];
	if (leaf == empty_leaf && *fresh) {
		leaf = page_address(*fresh);
		set_page_private(*fresh, 0);
		*fresh = NULL;
		/* Orders the zeroes before the pointer; lookups depend on it. */
		smp_store_release(&quarry_pagemap[nr], leaf);
	}
	if (leaf != empty_leaf) {
		page = virt_to_page(leaf);
		set_page_private(page, page_private(page) + 1);
	}
	raw_spin_unlock_irqrestore(&pagemap_lock, flags);
	return leaf != empty_leaf;
}

static void put_leaf(unsigned long nr)
{
	struct page *page;
	unsigned long flags;
	bool last;

	raw_spin_lock_irqsave(&pagemap_lock, flags);
	page = virt_to_page(quarry_pagemap[nr]);
	set_page_private(page, page_private(page) - 1);
	last = !page_private(page);
	if (last)
		WRITE_ONCE(quarry_pagemap[nr], empty_leaf);
	raw_spin_unlock_irqrestore(&pagemap_lock, flags);
	if (last) {
		quarry_pages_held_add(-1);
		call_rcu(&page->rcu_head, free_leaf);
	}
}

static int cover_leaf(unsigned long nr, gfp_t gfp)
{
	struct page *fresh = NULL;

	if (get_leaf(nr, &fresh))
		return 0;
	fresh = alloc_page(gfp | __GFP_ZERO | __GFP_NOWARN);
	if (!fresh)
		return -ENOMEM;
	quarry_pages_held_add(1);
	get_leaf(nr, &fresh);
	if (fresh) {
		/* Someone else was faster. */
		quarry_pages_held_add(-1);
		__free_page(fresh);
	}
	return 0;
}

/* Number of the leaf behind the last one of the range. */
static unsigned long leaves_end(unsigned long pfn, unsigned long nr_pages)
{
	return ((pfn + nr_pages - 1) >> QUARRY_PAGEMAP_SHIFT) + 1;
}

int quarry_pagemap_cover(unsigned long pfn, unsigned long nr_pages, gfp_t gfp)
{
	unsigned long nr, first = pfn >> QUARRY_PAGEMAP_SHIFT, end = leaves_end(pfn, nr_pages);
	int ret;

	if (end > READ_ONCE(quarry_pagemap_size))
		return -ERANGE;
	for (nr = first; nr < end; nr++) {
		ret = cover_leaf(nr, gfp);
		if (ret)
			goto err_leaves;
	}
	return 0;

err_leaves:
	while (nr-- > first)
		put_leaf(nr);
	return ret;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_pagemap_cover);

void quarry_pagemap_uncover(unsigned long pfn, unsigned long nr_pages)
{
	unsigned long nr, end = leaves_end(pfn, nr_pages);

	for (nr = pfn >> QUARRY_PAGEMAP_SHIFT; nr < end; nr++)
		put_leaf(nr);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_pagemap_uncover);

void quarry_pagemap_set(unsigned long pfn, unsigned long nr_pages, unsigned long owner)
{
	void *addr = __va(PFN_PHYS(pfn));
	unsigned long i;

	/* First what the owner stands for.  Pairs with smp_load_acquire() in quarry_owner(). */
	smp_wmb();
	for (i = 0; i < nr_pages; i++)
		WRITE_ONCE(*quarry_owner_slot(addr + (i << PAGE_SHIFT)), owner);
}

/* === The array of leaves === */

/* A longer array takes the place of the old one, with its leaves. */
static unsigned long **replace_array(unsigned long **array, unsigned long size)
{
	unsigned long **old, flags;

	raw_spin_lock_irqsave(&pagemap_lock, flags);
	old = quarry_pagemap;
	memcpy(array, old, quarry_pagemap_size * sizeof(*array));
	/* Orders the contents before the pointer; lookups depend on it. */
	smp_store_release(&quarry_pagemap, array);
	/* Pairs with smp_load_acquire() in quarry_owner(): the longer array came first. */
	smp_store_release(&quarry_pagemap_size, size);
	raw_spin_unlock_irqrestore(&pagemap_lock, flags);
	return old;
}

int quarry_pagemap_reach(unsigned long end_pfn)
{
	unsigned long most = (totalram_pages() << PAGE_SHIFT) / 1024 / sizeof(*quarry_pagemap);
	unsigned long nr = min(DIV_ROUND_UP(end_pfn, QUARRY_PAGEMAP_LEAF), most), i;
	unsigned long **array;
	int ret = 0;

	mutex_lock(&reach_mutex);
	if (nr <= quarry_pagemap_size)
		goto out;
	array = kvmalloc_array(nr, sizeof(*array), GFP_KERNEL);
	if (!array) {
		ret = -ENOMEM;
		goto out;
	}
	for (i = quarry_pagemap_size; i < nr; i++)
		array[i] = empty_leaf;
	array = replace_array(array, nr);
	if (array) {
		synchronize_rcu();
		kvfree(array);
	}
out:
	mutex_unlock(&reach_mutex);
	return ret;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_pagemap_reach);

/* Zones of device memory are left out: no extent comes from there. */
static unsigned long end_of_ram(void)
{
	unsigned long end = 0;
	int node, z;

	for_each_online_node(node) {
		for (z = 0; z <= ZONE_MOVABLE; z++) {
			struct zone *zone = &NODE_DATA(node)->node_zones[z];

			if (populated_zone(zone))
				end = max(end, zone_end_pfn(zone));
		}
	}
	return end;
}

int quarry_pagemap_init(void)
{
	return quarry_pagemap_reach(end_of_ram());
}

void quarry_pagemap_exit(void)
{
	/* Leaves that are on their way to the kernel. */
	rcu_barrier();
	kvfree(quarry_pagemap);
}
