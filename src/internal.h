/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all layers share: lock order, checks, exports.
 *
 * Lock order (outer first; no one takes an earlier lock under a later one):
 *
 *	0. knobs_mutex		fault injection, outside cpu_hotplug_lock (fault.c)
 *	   reach_mutex		length of the page map, by itself (pagemap.c)
 *	   lent_mutex		callers' own ranges of pages, by itself (backing.c)
 *	   create_mutex		the window of addresses, by itself (escape.c)
 *	   drain_mutex		what was retired from there goes back; over 3 to 7 (escape.c)
 *	1. heaps_mutex		list of heaps (heap.c)
 *	   heap->tune_mutex	knobs of one heap; a change drains, trims, takes
 *				pages under it.  Not nested with heaps_mutex (tune.c)
 *	   pressure->mutex	reclaimers of one heap, while they run (pressure.c)
 *	   failure->mutex	the report of a failure (failure.c)
 *	   sites_mutex		call sites that are looked at; under heaps_mutex, so
 *				nothing is allocated under it either (owners.c)
 *	2. heap->mutex		lists of caches, pools, rings; creation and destruction; process
 *				context only, never held while memory is taken
 *				from the same heap
 *	   reclaims_mutex	heaps that the shrinker sees (reclaim.c), over
 *	   reclaim->mutex	who gives pages of one heap back
 *	3. depot->lock		a node's full and empty magazines (magazine.c)
 *	4. cache->lock		slabs of one cache (cache.c)
 *	5. pages->lock		extents and buddies of one heap (pages.c)
 *	6. meta->lock		free descriptors of one heap (meta.c)
 *	7. extent_table_lock	indexes of extents (extent.c)
 *	   blocks_lock		per-CPU areas of fronts (cpu_area.c)
 *	   backing->lock	pages of a caller's own (backing.c)
 *	   pagemap_lock		leaves of the page map (pagemap.c)
 *	   heap->arenas_lock	arenas on callers' buffers, shared ones (arena_list.c)
 *	   guard->lock		quarantine of one cache (guard.c)
 *	   lock			areas of the window (escape.c)
 *
 * 3 to 7 are raw spinlocks taken with interrupts off, each for a bounded
 * number of steps, and are not nested today; the order is what nesting would
 * have to follow.  The kernel's page allocator, RCU and the mutexes are never
 * called with one of them held.
 */
#ifndef _QUARRY_INTERNAL_H
#define _QUARRY_INTERNAL_H

#include <linux/bug.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/preempt.h>
#include <linux/printk.h>

#include "compat.h"
#include "report.h"

/* For the KUnit suites only; nobody gets it without importing the namespace. */
#define EXPORT_SYMBOL_QUARRY_KUNIT(sym)	EXPORT_SYMBOL_NS_GPL(sym, QUARRY_KUNIT)

/* A bug of ours: warn once and carry on; evaluates to the condition. */
#define QUARRY_WARN_ON(cond)	WARN_ON_ONCE(cond)

/*
 * May the kernel's own allocators be called here at all?  Not from NMI; not from
 * hardirq, as their locks are no raw spinlocks; and on PREEMPT_RT, where those
 * locks sleep, not from any atomic context.
 */
static inline bool quarry_may_call_kernel(void)
{
	return !in_nmi() && !in_hardirq() && (!IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible());
}

#endif /* _QUARRY_INTERNAL_H */
