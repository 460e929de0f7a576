/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page map: from any address to what the page there belongs to.
 */
#ifndef _QUARRY_PAGEMAP_H
#define _QUARRY_PAGEMAP_H

#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/types.h>

/*
 * What a page belongs to; the low bits tell the kind.  0 is not ours, and that is
 * what every address outside our pages has.
 */
#define QUARRY_OWNER_SLAB	1UL	/* | struct quarry_slab *, on every page */
#define QUARRY_OWNER_RUN	2UL	/* | nr_pages << 3, on the first page */
#define QUARRY_OWNER_CHUNK	3UL	/* | struct quarry_arena *, on every page */
#define QUARRY_OWNER_FRONT	4UL	/* | struct quarry_page_front *: a run of its size */
#define QUARRY_OWNER_HOT	6UL	/* | struct quarry_hot *: a run of its size */
#define QUARRY_OWNER_POOL	7UL	/* | struct quarry_pool_chunk *, on every page */
#define QUARRY_OWNER_SHARED	5UL	/* | struct quarry_arena_shared_priv *, on every page */
#define QUARRY_OWNER_NONE	5UL	/* all of it: free, or not the first page of a run */
#define QUARRY_OWNER_MASK	7UL
#define QUARRY_OWNER_PINNED	8UL	/* of an arena's own page: see arena_find.c */
#define QUARRY_OWNER_SHIFT	3

/* A leaf is one page: owners of 512 pages (2 MiB). */
#define QUARRY_PAGEMAP_SHIFT	(PAGE_SHIFT - ilog2(sizeof(unsigned long)))
#define QUARRY_PAGEMAP_LEAF	BIT(QUARRY_PAGEMAP_SHIFT)

extern unsigned long **quarry_pagemap;		/* leaves; see pagemap.c */
extern unsigned long quarry_pagemap_size;	/* how many */

/*
 * The owner of the page at @addr, any value at all: 0 if the page is not ours.
 * Follows only pointers of our own, so it cannot fault: what is below or above the
 * direct map, as seen from its start, is beyond the leaves that there are; a hole
 * in it and memory of others has the empty leaf or an entry of 0.
 *
 * Preemption is off: leaves, and what owners point to, go a grace period after
 * they were taken out.
 */
static __always_inline unsigned long quarry_owner(const void *addr)
{
	unsigned long offset = (unsigned long)addr - PAGE_OFFSET;
	unsigned long nr = offset >> (PAGE_SHIFT + QUARRY_PAGEMAP_SHIFT);
	unsigned long *leaf;

	/* Pairs with smp_store_release() in quarry_pagemap_reach(). */
	if (unlikely(nr >= smp_load_acquire(&quarry_pagemap_size)))
		return 0;
	leaf = READ_ONCE(READ_ONCE(quarry_pagemap)[nr]);
	/* Pairs with smp_wmb() in quarry_pagemap_set(). */
	return smp_load_acquire(&leaf[offset >> PAGE_SHIFT & (QUARRY_PAGEMAP_LEAF - 1)]);
}

/*
 * Where the owner of a page is written down.  The page is ours, and the entry
 * belongs to who holds it.  Preemption is off: the leaf stays as long as the page is
 * ours, but the array may be replaced.
 */
static inline unsigned long *__quarry_owner_slot(const void *addr)
{
	unsigned long pfn = ((unsigned long)addr - PAGE_OFFSET) >> PAGE_SHIFT;
	unsigned long *leaf = READ_ONCE(quarry_pagemap)[pfn >> QUARRY_PAGEMAP_SHIFT];

	return &leaf[pfn & (QUARRY_PAGEMAP_LEAF - 1)];
}

/* The same, with preemption on. */
static inline unsigned long *quarry_owner_slot(const void *addr)
{
	unsigned long *slot;

	preempt_disable();
	slot = __quarry_owner_slot(addr);
	preempt_enable();
	return slot;
}

/*
 * Have leaves for @nr_pages pages of the direct map, which may start at any page
 * and share a leaf with others.  @gfp goes to the kernel, which is called with no
 * lock held.  Returns 0, -ENOMEM, or -ERANGE for pages that the map does not reach.
 */
int quarry_pagemap_cover(unsigned long pfn, unsigned long nr_pages, gfp_t gfp);
/* Undoes that.  All owners are 0 again. */
void quarry_pagemap_uncover(unsigned long pfn, unsigned long nr_pages);
/* Set the owner of pages that are covered. */
void quarry_pagemap_set(unsigned long pfn, unsigned long nr_pages, unsigned long owner);

/* Pages that this module took from the kernel, for anything, and did not give back yet. */
void quarry_pages_held_add(long nr_pages);
long quarry_pages_held(void);

/* Pages below @end_pfn may become ours.  Process context. */
int quarry_pagemap_reach(unsigned long end_pfn);

int quarry_pagemap_init(void);
void quarry_pagemap_exit(void);

#endif /* _QUARRY_PAGEMAP_H */
