/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Escape check: stale pointers into arenas fault, and are named.
 */
#ifndef _QUARRY_ESCAPE_H
#define _QUARRY_ESCAPE_H

#include <linux/types.h>

#include "heap.h"
#include "window.h"

struct dentry;
struct quarry_arena_priv;

/*
 * Shall a new arena be checked: because of @flags, or because it is its turn (parameter
 * escape_check)?  If so the window is there, or has been asked for.  Context as for @gfp.
 */
bool quarry_escape_wanted(unsigned int flags, gfp_t gfp);

/*
 * Give pages at @direct, a chunk of @a, addresses in the window; returns @direct if there is
 * no room.  Any context.
 */
void *quarry_escape_map(const struct quarry_arena_priv *a, void *direct, unsigned long nr_pages);
/* Where the pages of a chunk are in the direct map: @chunk itself if they are not in the window. */
void *quarry_escape_direct(void *chunk);
/*
 * If the chunk is in the window, nobody can use its addresses from now on, or on other CPUs soon,
 * and its pages go back to the heap later; false if it is not.  Any context but NMI.
 */
bool quarry_escape_retire(void *chunk, bool destroyed);
/* This CPU's TLB knows nothing any more of what was retired. */
static inline void quarry_escape_settle(void)
{
	quarry_window_flush_here();
}

/* The owner entry (pagemap.h) of an address in the window, or 0.  Any context. */
unsigned long quarry_escape_owner(const void *ptr);

/* Every CPU has forgotten what was retired before, and its pages are back.  Process context. */
void quarry_escape_drain(void);

/* @mod is going, and with it the names and records of its arenas. */
void quarry_escape_disown(struct module *mod);

struct quarry_escape_stats {
	u64 mapped;			/* bytes in use by arenas */
	u64 retired;			/* not flushed yet */
	u64 quarantined;		/* out of use for now */
	u64 nr_retired;			/* chunks, ever */
	u64 nr_batches;
	u64 nr_unchecked;		/* chunks for which there was no room */
	u64 nr_reported;
};

void quarry_escape_get_stats(struct quarry_escape_stats *stats);
void quarry_escape_debugfs_add(struct dentry *root);

extern unsigned int quarry_escape_every;	/* parameter escape_check */

int quarry_escape_init(void);
void quarry_escape_exit(void);

#endif /* _QUARRY_ESCAPE_H */
