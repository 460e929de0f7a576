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
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#include <quarry/buddy.h>
#include <quarry/heap.h>

#include "defer.h"
#include "meta.h"
#include "pagemap.h"

struct notifier_block;
struct quarry_backing;
struct quarry_note;
struct quarry_pages;

#define QUARRY_EXTENT_MAX_ORDER	(ilog2(QUARRY_EXTENT_MAX_SIZE) - PAGE_SHIFT)

struct quarry_extent {
	struct quarry_pages *pages;	/* the page heap it belongs to; constant */
	struct quarry_meta *meta;	/* where the descriptors are from; constant */
	struct quarry_backing *backing;	/* where the pages are from, NULL: the kernel; constant */
	void *base;			/* constant, as the next five */
	unsigned long pfn;
	unsigned int nr_pages;		/* a power of two unless single */
	unsigned int order;		/* of its buddy: the largest within nr_pages */
	unsigned int index;		/* in the table; also in each page's private */
	int node;
	bool single;			/* for one allocation that no usual extent can hold */
	enum quarry_kind kind;		/* under pages->lock; constant while a page is in use */
	union {				/* under pages->lock */
		struct rb_node bucket;	/* by largest free order and fullness */
		struct list_head spare;	/* a single one: when free */
	};
	struct list_head node_all;	/* under pages->lock: all of the page heap */
	bool linked;			/* under pages->lock: the bucket, or spare */
	unsigned int nr_absent;		/* under pages->lock: pages given back early */
	unsigned long *absent;		/* bit per page: they may be another extent's by now */
	struct quarry_note *notes;	/* constant: per page, of runs; or NULL */
	bool split;			/* under the heap's reclaim mutex: see extent.c */
	unsigned long *frees;		/* bit per page: a run whose free is pending starts there */
	struct quarry_pending pending;	/* of frees */
	struct rcu_head rcu;
	unsigned char bucket_order;	/* under pages->lock */
	unsigned char bucket_fullness;	/* under pages->lock */
	struct quarry_buddy buddy;	/* under pages->lock; last: flexible */
};

extern struct quarry_extent **quarry_extent_table[];
extern unsigned int quarry_extent_table_size;

#define QUARRY_EXTENT_LEAF_SHIFT	9

/* quarry_extent_find() of an address that had an owner since preemption is off. */
static __always_inline struct quarry_extent *__quarry_extent_find(const void *addr)
{
	unsigned long index, pfn = ((unsigned long)addr - PAGE_OFFSET) >> PAGE_SHIFT;
	struct quarry_extent *ext;

	index = page_private(pfn_to_page(pfn));
	/* Pairs with smp_store_release() in publish(): leaves come first. */
	if (unlikely(index >= smp_load_acquire(&quarry_extent_table_size)))
		return NULL;
	/* Pairs with smp_store_release() in publish(). */
	ext = READ_ONCE(quarry_extent_table[index >> QUARRY_EXTENT_LEAF_SHIFT]
					   [index & (BIT(QUARRY_EXTENT_LEAF_SHIFT) - 1)]);
	if (unlikely(!ext || pfn - ext->pfn >= ext->nr_pages))
		return NULL;
	if (unlikely(test_bit(pfn - ext->pfn, ext->absent)))
		return NULL;
	return ext;
}

/*
 * The extent that contains @addr, or NULL; takes any address.  A page that has an
 * owner is ours, so it has a struct page and private is the index of its extent.
 * It may stop to be ours meanwhile, so what was found there is bounds checked and
 * then confirmed by the extent.
 *
 * The caller has preemption off, or holds the memory at @addr: an extent goes
 * away a grace period after it left the table.
 */
static __always_inline struct quarry_extent *quarry_extent_find(const void *addr)
{
	return likely(quarry_owner(addr)) ? __quarry_extent_find(addr) : NULL;
}

/* The node of what should be ours; of any other address, always the same one. */
int quarry_extent_node_of(const void *addr);

static inline unsigned long quarry_extent_page_of(const struct quarry_extent *ext, const void *addr)
{
	return (addr - ext->base) >> PAGE_SHIFT;
}

/* How to get an extent. */
struct quarry_extent_source {
	struct quarry_meta *meta;	/* descriptors */
	struct quarry_backing *backing;	/* pages; NULL: the kernel */
	unsigned long nr_pages;		/* the kernel gives powers of two only */
	unsigned int order;		/* alignment, in pages */
	int node;
	bool track;			/* with notes */
	gfp_t gfp;			/* goes to the kernel as it is */
};

/* NULL if there is no memory.  Not called with a lock held. */
struct quarry_extent *quarry_extent_get(struct quarry_pages *pages, enum quarry_kind kind,
					const struct quarry_extent_source *source);

/*
 * The extent leaves the table, what is left of its pages goes where it came from, its
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
