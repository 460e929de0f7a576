/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page heap: the extents of one heap and the placement of blocks in them.
 */
#ifndef _QUARRY_PAGES_H
#define _QUARRY_PAGES_H

#include <linux/list.h>
#include <linux/pfn.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "extent.h"
#include "meta.h"

struct seq_file;

/* Fullness classes of extents, 0 = emptiest. */
#define QUARRY_NR_FULLNESS	4
#define QUARRY_NR_ORDERS	(QUARRY_EXTENT_MAX_ORDER + 1)

/*
 * Where an allocation ended below the magazines.  Ascending: the deepest layer
 * that had to be asked counts.
 */
enum quarry_layer {
	QUARRY_LAYER_SLAB,	/* a partial or empty slab of the cache */
	QUARRY_LAYER_BUDDY,	/* free pages of an extent partly in use */
	QUARRY_LAYER_EXTENT,	/* an extent that was wholly free */
	QUARRY_LAYER_KERNEL,	/* a new extent from the kernel */
	QUARRY_NR_LOW_LAYERS,
};

struct quarry_pages {
	raw_spinlock_t lock;
	int node;				/* preferred; constant */
	const char *name;			/* of the heap, for tracepoints; constant */
	/* knobs, in bytes: written under lock by quarry_heap_tune(), glanced at without */
	u64 limit;				/* 0: none */
	u64 soft_limit;				/* 0: none */
	u64 reserve;
	/* Called when growth failed and the caller may sleep: true if a retry may help. */
	bool (*relieve)(struct quarry_pages *pages);	/* constant */
	/* Called, in any context but NMI, when pages became free or mapped ones more. */
	void (*notify)(struct quarry_pages *pages);	/* constant */
	/* Called before growth above the soft limit by who may sleep. */
	void (*assist)(struct quarry_pages *pages, unsigned long nr_pages);	/* constant */
	/* Constant.  Called, in any context but NMI, when an allocation failed for good. */
	void (*failed)(struct quarry_pages *pages, unsigned long nr_pages, gfp_t gfp);
	struct quarry_meta meta;
	/* everything below under lock */
	struct list_head extents;		/* all */
	struct quarry_pages_kind {
		/* extents with a free block, by order of the largest and fullness */
		struct list_head buckets[QUARRY_NR_FULLNESS][QUARRY_NR_ORDERS];
		unsigned int filled[QUARRY_NR_FULLNESS];	/* bit per order */
		unsigned long nr_mapped;
	} kinds[QUARRY_NR_KINDS];
	unsigned long nr_mapped;		/* pages */
	unsigned long nr_booked;		/* pages that are being obtained */
	unsigned long nr_mapped_peak;
	unsigned long nr_idle;			/* fewest free pages since last asked */
	unsigned long nr_used;			/* pages out of the buddies */
	unsigned long nr_used_peak;
	unsigned long nr_lost;			/* pages */
	unsigned long nr_extents;
	unsigned long nr_extent_allocs;
	unsigned long nr_kernel_calls;
};

/* The pages that an extent still has. */
static inline unsigned long quarry_extent_nr_present(const struct quarry_extent *ext)
{
	return ext->nr_pages - ext->nr_absent;
}

/* Class of fullness, by quarters of the pages that it came with. */
static inline unsigned int quarry_extent_fullness(const struct quarry_extent *ext)
{
	unsigned int used = quarry_extent_nr_present(ext) - quarry_buddy_nr_free_units(&ext->buddy);

	/* A full extent is in no bucket, so the quotient is below the number of classes. */
	return used * QUARRY_NR_FULLNESS / ext->nr_pages;
}

void quarry_pages_init(struct quarry_pages *pages, int node, u64 limit, u64 soft_limit,
		       u64 reserve);
/*
 * Take extents until the reserve is mapped; @got grows by their pages, also if it
 * fails (-ENOMEM).  Process context.
 */
int quarry_pages_fill_reserve(struct quarry_pages *pages, unsigned long *got);
/*
 * Tear-down in two steps: every extent goes back, and after an rcu_barrier(), when
 * all descriptors have been freed, the metadata.  Process context.
 */
void quarry_pages_put_all(struct quarry_pages *pages);
void quarry_pages_fini(struct quarry_pages *pages);

/*
 * Take @nr_pages contiguous pages, aligned to the next power of two; sets each
 * owner entry of a slab, or the first of a run, is the caller's.  @layer is
 * raised to the layer that had to be asked.  Any context but NMI; sleeps only
 * if @gfp allows it.
 */
void *quarry_pages_alloc(struct quarry_pages *pages, unsigned long nr_pages,
			 enum quarry_kind kind, gfp_t gfp, enum quarry_layer *layer);

/*
 * Take up to @nr blocks of 2^@order pages from what is mapped, under one lock.
 * Returns how many were there.
 */
unsigned int quarry_pages_alloc_batch(struct quarry_pages *pages, unsigned int order,
				      enum quarry_kind kind, void **addrs, unsigned int nr,
				      enum quarry_layer *layer);

/*
 * Give pages back.  The owner entries must be clear already.  Any context.
 * Returns 0, or -EINVAL (reported) if no such block is allocated.
 */
int quarry_pages_free(struct quarry_extent *ext, void *addr, unsigned long nr_pages);

/*
 * Give up to @nr_pages free pages back to the kernel, but keep the reserve:
 * extents that are wholly free first, then blocks of extents partly in use, the
 * emptiest first.  A wholly free extent of more pages stays whole for a larger
 * request.  The caller holds the heap's reclaim mutex.  Process context, also
 * from reclaim: allocates and waits for nothing.  Returns how many pages went.
 */
unsigned long quarry_pages_release(struct quarry_pages *pages, unsigned long nr_pages);

/* Pages mapped beyond the soft limit, 0 without one. */
static inline unsigned long quarry_pages_nr_above(const struct quarry_pages *pages)
{
	u64 mapped = (u64)READ_ONCE(pages->nr_mapped) << PAGE_SHIFT;
	u64 soft_limit = READ_ONCE(pages->soft_limit);

	return soft_limit && mapped > soft_limit ? PFN_UP(mapped - soft_limit) : 0;
}

/* Free pages beyond the reserve. */
unsigned long quarry_pages_nr_idle(struct quarry_pages *pages);

/* Fewest free pages beyond the reserve since the last call: nobody missed them. */
unsigned long quarry_pages_take_idle(struct quarry_pages *pages);

/* Tell tracers if who may not sleep was served while less than the reserve was free. */
void quarry_pages_trace_reserve(struct quarry_pages *pages, gfp_t gfp);

int quarry_pages_verify(struct quarry_pages *pages);
int quarry_pages_show_buddy(struct seq_file *m, struct quarry_pages *pages);

#endif /* _QUARRY_PAGES_H */
