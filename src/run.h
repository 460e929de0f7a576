/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs: whole pages handed out, orders 0 to 3 through magazines.
 */
#ifndef _QUARRY_RUN_H
#define _QUARRY_RUN_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/log2.h>

#include "magazine.h"
#include "pages.h"

/* Orders of which one free run is kept whole. */
#define QUARRY_RUN_NR_HOT	(QUARRY_EXTENT_MAX_ORDER + 1 - QUARRY_NR_PAGE_FRONTS)

struct quarry_runs {
	struct quarry_pages *pages;
	struct quarry_run_front {
		struct quarry_page_front *front;	/* constant, as the next four but one */
		struct quarry_front veiled;		/* the inline paths see nothing of it */
		struct quarry_mags mags;
		struct quarry_pages *pages;
		enum quarry_kind kind;
		unsigned int order;
	} fronts[QUARRY_NR_KINDS][QUARRY_NR_PAGE_FRONTS];
	atomic_long_t nr_direct_pages;		/* in runs handed out without a front */
	atomic_long_t nr_direct[QUARRY_NR_LOW_LAYERS];	/* such allocations, by layer */
	atomic_long_t nr_direct_frees;
	struct quarry_hot {
		void *addr;			/* a free run or NULL; by xchg() */
		struct quarry_runs *runs;	/* constant, as the next */
		unsigned int order;
	} hot[QUARRY_NR_KINDS][QUARRY_RUN_NR_HOT];
	atomic_long_t nr_hot;			/* allocations that one served */
};

/*
 * @heap: where the inline path finds the fronts.  @magazine_order: the largest that goes
 * through magazines, -1: none.
 */
void quarry_runs_init(struct quarry_runs *runs, struct quarry_pages *pages,
		      struct quarry_heap *heap, int magazine_order, unsigned int magazine_bytes);
void quarry_runs_fini(struct quarry_runs *runs);

/* The front of runs of so many pages, or NULL if they have none. */
static inline struct quarry_run_front *
quarry_run_front_for(struct quarry_runs *runs, unsigned long nr_pages, enum quarry_kind kind)
{
	if (nr_pages >= 1UL << QUARRY_NR_PAGE_FRONTS || !is_power_of_2(nr_pages))
		return NULL;
	return &runs->fronts[kind][__ffs(nr_pages)];
}

/*
 * Context as for quarry_pages_alloc().  A wish for a node, or for an alignment that
 * is not the count's own, goes past the magazines.
 */
void *quarry_run_alloc(struct quarry_runs *runs, const struct quarry_pages_want *want);
/* A hot run of @nr_pages for who has no wish, or NULL.  Any context. */
void *quarry_run_take_hot(struct quarry_runs *runs, unsigned long nr_pages,
			  enum quarry_kind kind);
/* Frees a run with this owner; false if it was freed meanwhile.  Preemption is off. */
bool quarry_run_free_hot(struct quarry_hot *hot, void *addr);
/*
 * Frees the run at @addr, the start of a page of @ext with this owner.  -EINVAL if it
 * is none or was freed meanwhile; the caller reports.  Preemption is off.  In NMI only one
 * that has a front.
 */
int quarry_run_free(struct quarry_runs *runs, struct quarry_extent *ext, void *addr,
		    unsigned long owner);

/*
 * Frees the run of @nr_pages at @addr of @ext after a grace period; false if that
 * was asked for already.  Any context; preemption is off.
 */
bool quarry_run_defer(struct quarry_extent *ext, const void *addr, unsigned long nr_pages);
/* quarry_mags_seal() of all fronts. */
void quarry_runs_seal(struct quarry_runs *runs);

/*
 * Make @nr_pages pages at @addr, which the caller holds, a run as it was allocated;
 * returns its owner.
 */
unsigned long quarry_run_mark(struct quarry_runs *runs, void *addr, unsigned long nr_pages,
			      enum quarry_kind kind);

/* The front of an owner, or NULL if it is something else. */
static inline struct quarry_page_front *quarry_owner_to_front(unsigned long owner)
{
	unsigned long front = owner - QUARRY_OWNER_FRONT;

	return front & QUARRY_OWNER_MASK ? NULL : (struct quarry_page_front *)front;
}

static inline struct quarry_hot *quarry_owner_to_hot(unsigned long owner)
{
	unsigned long hot = owner - QUARRY_OWNER_HOT;

	return hot & QUARRY_OWNER_MASK ? NULL : (struct quarry_hot *)hot;
}

/* Pages of the run with this owner, or 0. */
static inline unsigned long quarry_run_nr_pages(unsigned long owner)
{
	if (quarry_owner_to_front(owner))
		return 1UL << quarry_owner_to_front(owner)->run->order;
	if (quarry_owner_to_hot(owner))
		return 1UL << quarry_owner_to_hot(owner)->order;
	return (owner & QUARRY_OWNER_MASK) == QUARRY_OWNER_RUN ? owner >> QUARRY_OWNER_SHIFT : 0;
}

/* Hot runs go back to the page heap; true if there were any.  Any context but NMI. */
bool quarry_runs_cool(struct quarry_runs *runs);

/* Pages in the hands of users; pages cached in magazines or hot. */
unsigned long quarry_runs_nr_live(struct quarry_runs *runs);
unsigned long quarry_runs_nr_cached(struct quarry_runs *runs);

/* === Of a heap that tracks; elsewhere nothing happens, and all is well === */

/* Was the run at @addr, the start of a page of ours, not freed?  Preemption is off. */
bool quarry_run_is_live(const void *addr);
/* A run is about to be handed out. */
void quarry_run_note_alloc(const void *addr, const struct quarry_site *site);
/*
 * It is freed for @caller: false, after a report, if it had been already.  Preemption is
 * off, @addr is the start of a page of @ext.
 */
bool quarry_run_note_free(struct quarry_extent *ext, const void *addr, unsigned long caller);
/* What is known of the last run that began at the page of @addr.  As above. */
void quarry_run_explain(struct quarry_extent *ext, const void *addr);

#endif /* _QUARRY_RUN_H */
