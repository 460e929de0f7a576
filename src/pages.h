/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page heap: the extents of one heap and the placement of blocks in them.
 */
#ifndef _QUARRY_PAGES_H
#define _QUARRY_PAGES_H

#include <linux/list.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/nodemask.h>
#include <linux/pfn.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/topology.h>
#include <linux/types.h>

#include "backing.h"
#include "budget.h"
#include "defer.h"
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

/* What is asked of a page heap. */
struct quarry_pages_want {
	unsigned long nr_pages;
	unsigned int order;	/* of the block to cut it out of; at least that of both */
	unsigned int align;	/* promised, in pages: who joins blocks may do with less */
	enum quarry_kind kind;
	gfp_t gfp;		/* %__GFP_THISNODE: from @node or not at all */
	int node;		/* preferred; or NUMA_NO_NODE */
	bool near;		/* from the node and for no effort, or not at all */
	bool mapped;		/* of what the heap has and nobody uses, or not at all */
};

/* Contiguous pages at their natural alignment, from wherever is nearest. */
static inline struct quarry_pages_want quarry_pages_want(unsigned long nr_pages,
							 enum quarry_kind kind, gfp_t gfp)
{
	return (struct quarry_pages_want){
		.nr_pages = nr_pages,
		.order = order_base_2(nr_pages),
		.align = is_power_of_2(nr_pages) ? ilog2(nr_pages) : 0,
		.kind = kind,
		.gfp = gfp,
		.node = NUMA_NO_NODE,
	};
}

/* The extents of one node that have a free block, by kind. */
struct quarry_pages_node {
	struct quarry_pages_kind {
		/* by order of the largest free block and fullness; lowest address first */
		struct rb_root_cached buckets[QUARRY_NR_FULLNESS][QUARRY_NR_ORDERS];
		unsigned int filled[QUARRY_NR_FULLNESS];	/* bit per order */
		unsigned long nr_mapped;
	} kinds[QUARRY_NR_KINDS];
};

struct quarry_pages {
	raw_spinlock_t lock;
	int node;				/* preferred; constant */
	unsigned int guards;			/* QUARRY_HEAP_TRACK, ...; constant */
	const char *name;			/* of the heap, for tracepoints; constant */
	/* knobs, in bytes: written under lock by quarry_heap_tune(), glanced at without */
	u64 limit;				/* 0: none */
	u64 soft_limit;				/* 0: none */
	u64 reserve;
	/* Called when growth failed and the caller may sleep: true if a retry may help. */
	bool (*relieve)(struct quarry_pages *pages);	/* constant */
	/* Called, in any context but NMI, when pages became free or mapped ones more. */
	void (*notify)(struct quarry_pages *pages);	/* constant */
	/* Called, from the kernel's reclaim, when it asks what could be given back. */
	void (*pressed)(struct quarry_pages *pages);	/* constant */
	/* Called, in any context but NMI, when free pages are fewer than the watermark. */
	void (*starve)(struct quarry_pages *pages);	/* constant */
	/* Called, in any context but NMI, if @hot is set: true if more is free now. */
	bool (*cool)(struct quarry_pages *pages);	/* constant */
	/* Called by ticks, may sleep: magazines that were not needed are emptied. */
	void (*fall_back)(struct quarry_pages *pages);	/* constant */
	/* Called before growth above the soft limit by who may sleep. */
	void (*assist)(struct quarry_pages *pages, unsigned long nr_pages);	/* constant */
	/* Called before growth by who may wait for anything: true if pages may be free now. */
	bool (*wait)(struct quarry_pages *pages);	/* constant */
	/* Constant.  Called, in any context but NMI, when an allocation failed for good. */
	void (*failed)(struct quarry_pages *pages, unsigned long nr_pages, gfp_t gfp);
	struct quarry_backing *backing;		/* constant: instead of the kernel, or NULL */
	struct quarry_meta meta;
	struct quarry_defer defer;
	struct quarry_budget budget;
	struct quarry_pages_node *nodes;	/* constant; nr_node_ids of them */
	bool hot;				/* the layer above keeps free runs; no lock */
	/* everything below under lock */
	nodemask_t holders;			/* nodes that extents are on */
	struct list_head extents;		/* all */
	struct list_head spare;			/* free ones that were for one allocation */
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
	unsigned long watermark;		/* free pages that atomic callers seem to need */
	int starved_node;			/* where they were missed */
	bool missed;				/* they were, since the last decay of watermark */
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

/* Have what the layer above keeps free; true if there was something. */
static inline bool quarry_pages_cool(struct quarry_pages *pages)
{
	return READ_ONCE(pages->hot) && pages->cool && pages->cool(pages);
}

/* The node that a request with no wish of its own is served from. */
static inline int quarry_pages_home(const struct quarry_pages *pages)
{
	return pages->node == NUMA_NO_NODE ? numa_mem_id() : pages->node;
}

static inline int quarry_pages_node(const struct quarry_pages *pages,
				    const struct quarry_pages_want *want)
{
	return want->node == NUMA_NO_NODE ? quarry_pages_home(pages) : want->node;
}

/* The most pages that one allocation can have. */
static inline unsigned long quarry_pages_max(const struct quarry_pages *pages)
{
	return pages->backing ? quarry_backing_nr_pages(pages->backing) :
				1UL << QUARRY_EXTENT_MAX_ORDER;
}

/*
 * With a @backing, which is the caller's to destroy after quarry_pages_fini(), the kernel is
 * never asked for pages.  -ENOMEM, or 0.  Process context.
 */
int quarry_pages_init(struct quarry_pages *pages, int node, u64 limit, u64 soft_limit,
		      u64 reserve, struct quarry_backing *backing);
/*
 * Tear-down in two steps: every extent goes back, and after an rcu_barrier(), when
 * all descriptors have been freed, the metadata.  Process context.
 */
void quarry_pages_put_all(struct quarry_pages *pages);
void quarry_pages_fini(struct quarry_pages *pages);

/*
 * Take contiguous pages; the owner entries, each of a slab's or the first of a
 * run's, are for the caller to set.  @layer is raised to the layer that had to be
 * asked.  Any context but NMI; sleeps only if the flags allow it.
 */
void *quarry_pages_alloc(struct quarry_pages *pages, const struct quarry_pages_want *want,
			 enum quarry_layer *layer);

/*
 * Take up to @nr blocks, each of which is @want, from what is mapped on the node,
 * in holds of the lock.  Returns how many were there.
 */
unsigned int quarry_pages_alloc_batch(struct quarry_pages *pages,
				      const struct quarry_pages_want *want, void **addrs,
				      unsigned int nr, enum quarry_layer *layer);

/*
 * Give pages back.  The owner entries must be clear already.  Any context.
 * Returns 0, or -EINVAL (reported) if no such block is allocated.
 */
int quarry_pages_free(struct quarry_extent *ext, void *addr, unsigned long nr_pages);
/* The same of many runs of one extent, in one section: a few.  @addrs is scratch then. */
int quarry_pages_free_many(struct quarry_extent *ext, void **addrs, unsigned int nr,
			   unsigned long nr_pages);

/*
 * Give up to @nr_pages free pages back to the kernel, but keep the reserve:
 * extents that are wholly free first, then blocks of extents partly in use, the
 * emptiest first.  A wholly free extent of more pages stays whole for a larger
 * request.  The caller holds the heap's reclaim mutex, but with a backing, where
 * there are no blocks that go alone.  Process context, also
 * from reclaim: allocates and waits for nothing.  Returns how many pages went.
 */
unsigned long quarry_pages_release(struct quarry_pages *pages, unsigned long nr_pages);

/*
 * One free extent goes back to the backing, within what may go; false if there is none,
 * or no backing, or here is no place to do it.  Any context but NMI.
 */
bool quarry_pages_release_free(struct quarry_pages *pages);

/* Pages mapped beyond the soft limit, 0 without one. */
static inline unsigned long quarry_pages_nr_above(const struct quarry_pages *pages)
{
	u64 mapped = (u64)READ_ONCE(pages->nr_mapped) << PAGE_SHIFT;
	u64 soft_limit = READ_ONCE(pages->soft_limit);

	return soft_limit && mapped > soft_limit ? PFN_UP(mapped - soft_limit) : 0;
}

/* Free pages beyond the reserve. */
unsigned long quarry_pages_nr_idle(struct quarry_pages *pages);

/*
 * Fewest free pages beyond the reserve and the watermark since the last call: nobody
 * missed them.  Also lets the watermark sink if nobody needed it.
 */
unsigned long quarry_pages_take_idle(struct quarry_pages *pages);

/* Memory is wanted back: the watermark starts anew. */
void quarry_pages_drop_watermark(struct quarry_pages *pages);

/* Of @nodes, which are not none, the nearest to @from. */
int quarry_nearest_node(int from, const nodemask_t *nodes);

/* === pages_grow.c === */

/* An extent with the first @want taken, or NULL.  Sleeps only if the flags allow it. */
void *quarry_pages_grow(struct quarry_pages *pages, const struct quarry_pages_want *want);

/* The same from the node itself and with no effort; what failing costs is little. */
void *quarry_pages_grow_near(struct quarry_pages *pages, const struct quarry_pages_want *want);

/*
 * Take extents until the reserve is mapped; @got grows by their pages, also if it
 * fails (-ENOMEM).  Process context.
 */
int quarry_pages_fill_reserve(struct quarry_pages *pages, unsigned long *got);

/*
 * Take extents until there are as many free pages as atomic callers need.  False if
 * they cannot be had now.  Process context.
 */
bool quarry_pages_refill(struct quarry_pages *pages);

/* === For the files of this layer; pages->lock held === */

static inline bool quarry_extent_is_free(const struct quarry_extent *ext)
{
	return quarry_buddy_nr_free_units(&ext->buddy) == quarry_extent_nr_present(ext);
}

static inline struct quarry_pages_kind *quarry_extent_kind(const struct quarry_extent *ext)
{
	return &ext->pages->nodes[ext->node].kinds[ext->kind];
}

static inline unsigned long quarry_pages_nr_free(const struct quarry_pages *pages)
{
	return pages->nr_mapped - pages->nr_used;
}

/* Fewer free pages than this, and the refill worker is called. */
static inline unsigned long quarry_pages_low(const struct quarry_pages *pages)
{
	return max_t(unsigned long, READ_ONCE(pages->watermark),
		     READ_ONCE(pages->reserve) >> (PAGE_SHIFT + 1));
}

static inline unsigned long quarry_pages_reserve(const struct quarry_pages *pages)
{
	return DIV_ROUND_UP_ULL(READ_ONCE(pages->reserve), PAGE_SIZE);
}

/* quarry_extent_put(), and tracers are told. */
unsigned int quarry_pages_put_extent(struct quarry_extent *ext);

/* Put the extent where its buddy says, after each change of it; take it out of there. */
void quarry_pages_link(struct quarry_extent *ext);
void quarry_pages_unlink(struct quarry_extent *ext);
/* Cut @want out of an extent that has it. */
void *quarry_pages_take(struct quarry_extent *ext, const struct quarry_pages_want *want);

/* Tell tracers if who may not sleep was served while less than the reserve was free. */
void quarry_pages_trace_reserve(struct quarry_pages *pages, gfp_t gfp);

/* Pages of the largest free block; pages->lock held. */
unsigned long quarry_pages_largest(const struct quarry_pages *pages);

/*
 * The extent at an address that is out of the buddies, found without the help of its
 * struct pages: by looking at all extents.
 */
struct quarry_extent *quarry_pages_search(struct quarry_pages *pages, const void *addr);

int quarry_pages_verify(struct quarry_pages *pages);
int quarry_pages_show_buddy(struct seq_file *m, struct quarry_pages *pages);

#endif /* _QUARRY_PAGES_H */
