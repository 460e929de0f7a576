/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs: whole pages handed out, orders 0 to 3 through magazines.
 */
#ifndef _QUARRY_RUN_H
#define _QUARRY_RUN_H

#include <linux/atomic.h>

#include "magazine.h"
#include "pages.h"

/* Orders that have a front; those up to the knob magazine_order go through magazines. */
#define QUARRY_RUN_NR_FRONTS	4

struct quarry_runs {
	struct quarry_pages *pages;
	struct quarry_run_front {
		struct quarry_front front;
		struct quarry_mags mags;
		struct quarry_pages *pages;
		enum quarry_kind kind;
		unsigned int order;
	} fronts[QUARRY_NR_KINDS][QUARRY_RUN_NR_FRONTS];
	atomic_long_t nr_direct_pages;		/* in runs handed out without a front */
	atomic_long_t nr_direct[QUARRY_NR_LOW_LAYERS];	/* such allocations, by layer */
	atomic_long_t nr_direct_frees;
};

/* @magazine_order: the largest that goes through magazines, -1: none. */
void quarry_runs_init(struct quarry_runs *runs, struct quarry_pages *pages, int magazine_order,
		      unsigned int magazine_bytes);
void quarry_runs_fini(struct quarry_runs *runs);

/* Context as for quarry_pages_alloc(). */
void *quarry_run_alloc(struct quarry_runs *runs, unsigned long nr_pages, enum quarry_kind kind,
		       gfp_t gfp);
/*
 * Frees a run that starts at @addr in @ext.  -EINVAL if none does (double free,
 * interior pointer); the caller reports.
 */
int quarry_run_free(struct quarry_runs *runs, struct quarry_extent *ext, void *addr);

/* Pages of the run whose first page is @addr, or 0. */
static inline unsigned long quarry_run_nr_pages(const struct quarry_extent *ext, const void *addr)
{
	unsigned long owner = READ_ONCE(ext->owner[quarry_extent_page_of(ext, addr)]);

	return (owner & QUARRY_OWNER_MASK) == QUARRY_OWNER_RUN ? owner >> 2 : 0;
}

/* Pages in the hands of users; pages cached in magazines. */
unsigned long quarry_runs_nr_live(struct quarry_runs *runs);
unsigned long quarry_runs_nr_cached(struct quarry_runs *runs);

#endif /* _QUARRY_RUN_H */
