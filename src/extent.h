/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Extents: naturally aligned blocks of pages that a heap owns, and the way from
 * any address to its owner.
 */
#ifndef _QUARRY_EXTENT_H
#define _QUARRY_EXTENT_H

#include <linux/list.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#include <quarry/buddy.h>
#include <quarry/heap.h>

#include "meta.h"

struct notifier_block;
struct quarry_pages;

#define QUARRY_EXTENT_MAX_ORDER	(ilog2(QUARRY_EXTENT_MAX_SIZE) - PAGE_SHIFT)

/*
 * Entry of an extent's page array: what a page belongs to.  The low bits tell
 * the kind; 0 means free, or not the first page of a run.
 */
#define QUARRY_OWNER_SLAB	1UL	/* | struct quarry_slab *, on every page */
#define QUARRY_OWNER_RUN	2UL	/* | nr_pages << 2, on the first page */
#define QUARRY_OWNER_CHUNK	3UL	/* | struct quarry_arena *, on the first page */
#define QUARRY_OWNER_MASK	3UL
#define QUARRY_OWNER_ABSENT	4UL	/* all of the entry: the page went back to the kernel */

struct quarry_extent {
	struct quarry_pages *pages;	/* the page heap it belongs to; constant */
	struct quarry_meta *meta;	/* where the descriptors are from; constant */
	void *base;			/* constant, as the next five */
	unsigned long pfn;
	unsigned int nr_pages;
	unsigned int order;
	unsigned int index;		/* in the table; also in each page's private */
	int node;
	enum quarry_kind kind;		/* under pages->lock; constant while a page is in use */
	/*
	 * nr_pages entries.  An entry belongs to whoever holds the page; readers
	 * that look from outside use READ_ONCE() and may see a stale value.
	 */
	unsigned long *owner;
	struct list_head bucket;	/* under pages->lock: by largest free order */
	struct list_head node_all;	/* under pages->lock: all of the page heap */
	unsigned int nr_absent;		/* under pages->lock: pages given back early */
	bool split;			/* under the heap's reclaim mutex: see extent.c */
	struct rcu_head rcu;
	unsigned char bucket_order;	/* under pages->lock */
	unsigned char bucket_fullness;	/* under pages->lock */
	struct quarry_buddy buddy;	/* under pages->lock; last: flexible */
};

extern struct quarry_extent **quarry_extent_table[];
extern unsigned int quarry_extent_table_size;

#define QUARRY_EXTENT_LEAF_SHIFT	9

/*
 * The extent that contains @addr, or NULL; takes any address.  The page's
 * private word is only a hint: it survives in freed pages and may be someone
 * else's, so it is bounds checked and then confirmed by the extent.
 *
 * The caller has preemption off, or holds the memory at @addr: an extent goes
 * away a grace period after it left the table.
 */
static __always_inline struct quarry_extent *quarry_extent_find(const void *addr)
{
	unsigned long a = (unsigned long)addr, index, pfn;
	struct quarry_extent *ext;

	/* The direct map, which may have holes: pfn_valid() knows them. */
	if (unlikely(a - PAGE_OFFSET >= (unsigned long)high_memory - PAGE_OFFSET))
		return NULL;
	pfn = PHYS_PFN(__pa(a));
	if (unlikely(!pfn_valid(pfn)))
		return NULL;
	index = page_private(pfn_to_page(pfn));
	/* Pairs with smp_store_release() in publish(): leaves come first. */
	if (unlikely(index >= smp_load_acquire(&quarry_extent_table_size)))
		return NULL;
	/* Pairs with smp_store_release() in publish(). */
	ext = READ_ONCE(quarry_extent_table[index >> QUARRY_EXTENT_LEAF_SHIFT]
					   [index & (BIT(QUARRY_EXTENT_LEAF_SHIFT) - 1)]);
	if (unlikely(!ext || pfn - ext->pfn >= ext->nr_pages))
		return NULL;
	/* private of a page that went back may be anything, even what it was. */
	if (unlikely(READ_ONCE(ext->owner[pfn - ext->pfn]) == QUARRY_OWNER_ABSENT))
		return NULL;
	return ext;
}

static inline unsigned long quarry_extent_page_of(const struct quarry_extent *ext, const void *addr)
{
	return (addr - ext->base) >> PAGE_SHIFT;
}

/*
 * Take a block of 2^@order pages from the kernel and make it an extent.  Not
 * called with a lock held.  @gfp goes to the kernel as it is.
 */
struct quarry_extent *quarry_extent_get(struct quarry_pages *pages, struct quarry_meta *meta,
					unsigned int order, int node, enum quarry_kind kind,
					gfp_t gfp);

/*
 * The extent leaves the table, what is left of its pages goes to the kernel, its
 * descriptors follow a grace period later: rcu_barrier() before the metadata is
 * torn down.  It is on no list any more.  Pages that were found with a foreign
 * reference are reported and stay out; returns how many.  No lock held.
 */
unsigned int quarry_extent_put(struct quarry_extent *ext);

/*
 * Give back 2^@order pages in the middle of an extent; the caller has taken them
 * out of the buddy and holds the heap's reclaim mutex.  Returns how many were
 * lost, as above.  No spinlock held.
 */
unsigned int quarry_extent_put_block(struct quarry_extent *ext, unsigned long offset,
				     unsigned int order);

/* The extent of an index below quarry_extent_nr_indexes(), or NULL; preemption off. */
unsigned int quarry_extent_nr_indexes(void);
struct quarry_extent *quarry_extent_at(unsigned int index);

/* Pages lost by all heaps so far. */
long quarry_pages_lost(void);

/* Called before memory goes offline, with a struct memory_notify as @data. */
int quarry_memory_event(struct notifier_block *nb, unsigned long event, void *data);

int quarry_extent_init(void);
void quarry_extent_exit(void);

#endif /* _QUARRY_EXTENT_H */
