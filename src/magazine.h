/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Magazines and depots behind the inline fast path of <quarry/magazine.h>.
 */
#ifndef _QUARRY_SRC_MAGAZINE_H
#define _QUARRY_SRC_MAGAZINE_H

#include <linux/atomic.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <quarry/magazine.h>

#include "budget.h"
#include "defer.h"
#include "meta.h"
#include "pages.h"

struct quarry_mags;

/* The layer below a front: where objects come from and go to, in batches. */
struct quarry_mags_ops {
	/*
	 * Fill @objs with up to @nr objects, of @node if possible (NUMA_NO_NODE:
	 * from near; %__GFP_THISNODE: from there only); returns how many, 0 if
	 * there is no memory.  Raises @layer.  Called with no lock held; sleeps
	 * only if @gfp allows it.
	 */
	unsigned int (*refill)(struct quarry_mags *mags, void **objs, unsigned int nr, gfp_t gfp,
			       int node, enum quarry_layer *layer);
	/* Takes @nr objects back.  Any context but NMI, no lock held. */
	void (*drain)(struct quarry_mags *mags, void **objs, unsigned int nr);
	/* The node of an object; NULL if they are not to be sorted.  Any context. */
	int (*node_of)(const void *obj);
	/* Frees one after a grace period; any context, preemption is off. */
	void (*defer)(struct quarry_mags *mags, void *obj);
	/* Wipes one that has waited, for init_on_free; any context but NMI. */
	void (*wipe)(struct quarry_mags *mags, void *obj);
};

struct quarry_mag_list {
	struct quarry_magazine *first;
	unsigned int nr;
	unsigned int least;		/* fewest since the last tick */
};

/* A node's stock.  Magazines on @full hold at least one object. */
struct quarry_depot {
	raw_spinlock_t lock;
	/* everything below under lock */
	struct quarry_mag_list full;
	struct quarry_mag_list empty;
	struct quarry_magazine *incoming;	/* being filled from other nodes, or NULL */
	unsigned long nr_alloc;		/* allocations that ended here */
	unsigned long nr_free;
	unsigned long busy;		/* exchanges since capacity last grew; see capacity.c */
	unsigned long nr_exchanges;	/* since the last tick, without @busy */
} ____cacheline_aligned_in_smp;

/* A front and what stands behind it; embedded in caches and page runs. */
struct quarry_mags {
	struct quarry_front *front;	/* constant; its cpu area appears on first use */
	struct quarry_cpu_block *block;	/* what that is of; written by who made it appear */
	const struct quarry_mags_ops *ops;
	struct quarry_meta *meta;
	struct quarry_depot *depots;	/* one per node; NULL until first use */
	size_t size;			/* bytes of one object; constant, as the next */
	unsigned int nr_prefetch;	/* objects of a magazine that are prefetched */
	unsigned int capacity;		/* of magazines made from now on; grows */
	unsigned int start_capacity;	/* this and the next two: written while stopped */
	unsigned int max_capacity;
	unsigned int bytes;		/* of objects that the largest magazine may hold */
	unsigned int max_full;		/* full magazines that any depot may have */
	unsigned long busy;		/* how much of it in a depot makes the capacity grow */
	bool off;			/* nothing goes through magazines */
	struct quarry_budget *budget;	/* of the heap, constant; NULL: there is none */
	bool wipes;			/* constant: what has waited is wiped in any case */
	struct quarry_magazine *detached;	/* between detach and flush; caller's lock */
	atomic_long_t nr_ended[QUARRY_NR_LOW_LAYERS];	/* allocations that ended below */
	atomic_long_t nr_first[QUARRY_NR_LOW_LAYERS];	/* of them, see quarry_mags_took() */
	atomic_long_t nr_out;		/* objects taken from below and not given back */
	long most_out;			/* most of them ever; read and written whole */
	atomic_long_t nr_free_below;	/* frees that went straight below, less refused ones */
	/* The rest is for who has a @defer, set after quarry_mags_init(), and else NULL. */
	struct quarry_defer *defer;
	struct llist_node restock;		/* restock.c: see there */
	int restock_node;			/* where it is wanted */
	unsigned long restock_not_before;	/* jiffies; written by the worker */
	unsigned long nr_restocks;		/* worker only */
	struct llist_node filling;		/* waiting.c: a CPU has a waiting magazine */
	atomic_long_t nr_waiting;		/* objects that wait, but for those of CPUs */
	bool deferred;				/* something of this front was, ever */
};

/* The area of fronts that are not in use yet. */
extern struct quarry_cpu __percpu *quarry_cold_cpu;

/* Objects in the largest magazine. */
#define QUARRY_MAGAZINE_MAX_CAPACITY	126U

/* Has the front no area of its own yet? */
static inline bool quarry_mags_is_cold(const struct quarry_mags *mags)
{
	/* Pairs with cmpxchg() in warm_up(): the depots came first. */
	return smp_load_acquire(&mags->front->cpu) == quarry_cold_cpu;
}

/*
 * Bring a copy of a front up to date.  On the way from a size or an address to a magazine
 * each load waits for the one before, so what is found first has a copy of the front, of
 * what the inline paths see, the cold area included: one that was made before the front had
 * an area of its own misses until this is called.  An area stays as long as its front.
 */
static inline void quarry_front_follow(struct quarry_front *copy,
				       const struct quarry_front *front)
{
	/* Pairs with cmpxchg() in warm_up(). */
	struct quarry_cpu __percpu *cpu = smp_load_acquire(&front->cpu);

	if (READ_ONCE(copy->cpu) == cpu)
		return;
	/* The inline paths read it and depend on it, as on the front's own. */
	smp_store_release(&copy->cpu, cpu);
}

/* Where allocations and frees ended so far. */
struct quarry_mags_stats {
	unsigned long magazine, previous, depot;
	unsigned long low[QUARRY_NR_LOW_LAYERS];
	unsigned long first[QUARRY_NR_LOW_LAYERS];	/* of low: what was never there before */
	unsigned long nr_alloc, nr_free;
};

/*
 * @taken objects came from @layer for @ended allocations.  Those are first uses if more
 * is out now than ever: nothing that is cached could have served them.  A statistic, to
 * which it does no harm if one of two that run at the same time goes amiss.
 */
static inline void quarry_mags_took(struct quarry_mags *mags, enum quarry_layer layer,
				    unsigned int taken, unsigned int ended)
{
	long out = atomic_long_add_return(taken, &mags->nr_out);

	atomic_long_add(ended, &mags->nr_ended[layer]);
	if (out <= READ_ONCE(mags->most_out))
		return;
	WRITE_ONCE(mags->most_out, out);
	atomic_long_add(ended, &mags->nr_first[layer]);
}

/* Objects go below. */
static inline void quarry_mags_drain(struct quarry_mags *mags, void **objs, unsigned int nr)
{
	atomic_long_sub(nr, &mags->nr_out);
	mags->ops->drain(mags, objs, nr);
}

int quarry_mags_global_init(void);
void quarry_mags_global_exit(void);

/*
 * Not yet used by any CPU: costs nothing but the struct.  @size: bytes of one object;
 * @bytes: of objects that a magazine may hold.
 */
void quarry_mags_init(struct quarry_mags *mags, struct quarry_front *front,
		      const struct quarry_mags_ops *ops, struct quarry_meta *meta, size_t size,
		      unsigned int bytes);
/* Everything must have been flushed. */
void quarry_mags_fini(struct quarry_mags *mags);

/*
 * The slow halves of quarry_front_pop() and _push().  Any context; in NMI they make do with
 * what the magazines and the depot of this node have or, for a free, with its bit.
 */
void *quarry_mags_alloc(struct quarry_mags *mags, gfp_t gfp);
void quarry_mags_free(struct quarry_mags *mags, void *obj);
/* One object of @node, past the magazines; see refill above.  Context as for _alloc(). */
void *quarry_mags_alloc_node(struct quarry_mags *mags, gfp_t gfp, int node);

/*
 * For bulk.c, which has done what the two magazines of this CPU can do.  Is there a depot
 * to go to?  Up to @nr objects from a magazine of it, or in a magazine to it; how many, 0
 * if it has none, or none may be had.  A magazine that is not used up becomes the loaded
 * one.  Context as for _alloc() and _free().
 */
bool quarry_mags_is_ready(struct quarry_mags *mags, gfp_t gfp);
unsigned int quarry_mags_depot_take(struct quarry_mags *mags, void **objs, unsigned int nr);
unsigned int quarry_mags_depot_give(struct quarry_mags *mags, void **objs, unsigned int nr);

/*
 * Draining from anywhere while other CPUs go on: detach all magazines, wait for
 * a grace period (one for any number of fronts), then flush what was detached.
 * The caller serialises drains of one front (heap->mutex).
 */
void quarry_mags_detach(struct quarry_mags *mags);
void quarry_mags_flush(struct quarry_mags *mags);
/*
 * One tick of a front: what was not needed since the last one goes.  True if it still
 * holds something.  What CPUs left alone for long is detached and has to be flushed
 * after a grace period.  Serialised as drains are.
 */
bool quarry_mags_fall_back(struct quarry_mags *mags);
/*
 * Stop a front, wait for a grace period, resize it if wanted, detach, start it again
 * or leave it off, wait for another grace period, flush: then no magazine is left that
 * is too large, or none at all.  Objects can be allocated and freed all the time, also
 * through a front that is off, and counters stay exact.  Serialised as drains are.
 */
void quarry_mags_stop(struct quarry_mags *mags);
void quarry_mags_resize(struct quarry_mags *mags, unsigned int bytes);
void quarry_mags_start(struct quarry_mags *mags);
/* A CPU that is dead and cannot race: detach and flush at once. */
void quarry_mags_drain_dead(struct quarry_mags *mags, unsigned int cpu);

void quarry_mags_get_stats(const struct quarry_mags *mags, struct quarry_mags_stats *stats);
/* Objects in the hands of users.  The counters are read at different moments. */
static inline unsigned long quarry_mags_nr_live(const struct quarry_mags_stats *stats)
{
	return max_t(long, stats->nr_alloc - stats->nr_free, 0);
}

/*
 * How many allocations came as far as: the magazines of a CPU (all), the depot, the
 * layer below the front, the one below that, and deeper.  A first use has to, whatever
 * is cached; how often it happens again shows how well the layer above does.
 */
#define QUARRY_NR_REACHES	5

struct quarry_reach {
	unsigned long all[QUARRY_NR_REACHES];
	unsigned long first[QUARRY_NR_REACHES];	/* of all: see quarry_mags_took() */
};

/* Adds a front that has @below below it. */
void quarry_reach_add(struct quarry_reach *reach, const struct quarry_mags_stats *stats,
		      enum quarry_layer below);

static inline unsigned long quarry_reach_again(const struct quarry_reach *reach, unsigned int i)
{
	return reach->all[i] - min(reach->first[i], reach->all[i]);
}

/* What is cached in one place; sums. */
struct quarry_mags_place {
	unsigned long nr_fronts;	/* that have a magazine there */
	unsigned long nr_magazines;
	unsigned long bytes;		/* of objects in them */
};

/* Add what a CPU, or the depot of a node, holds of this front: a glance. */
void quarry_mags_look_at_cpu(struct quarry_mags *mags, unsigned int cpu,
			     struct quarry_mags_place *place);
void quarry_mags_look_at_depot(struct quarry_mags *mags, int node,
			       struct quarry_mags_place *place);

/* Objects in magazines and depots; exact while quiet. */
unsigned long quarry_mags_nr_cached(struct quarry_mags *mags);
/* Objects that wait for a grace period: allocated still, for all counters. */
unsigned long quarry_mags_nr_waiting(struct quarry_mags *mags);

/* === waiting.c === */

/*
 * Frees @obj after a grace period.  Any context; preemption is off.  Counted as free, and
 * checked by the layer below, when it is over.
 */
void quarry_mags_free_later(struct quarry_mags *mags, void *obj);
/* For ops->defer: one more object waits below; and below it is free now. */
void quarry_mags_count_deferred(struct quarry_mags *mags);
void quarry_mags_free_waited(struct quarry_mags *mags, void **objs, unsigned int nr);
/* What CPUs have not filled yet starts to wait.  Two rcu_barrier() later all is free. */
void quarry_mags_seal(struct quarry_mags *mags);
/* QUARRY_DEFER_WAITING */
void quarry_mags_serve_filling(struct quarry_defer *defer, struct llist_node *node);

/* === restock.c === */

/* An allocation where the layer below could not be asked failed: a worker shall do that. */
void quarry_mags_request(struct quarry_mags *mags);
/* The same for that node, whoever asks. */
void quarry_mags_restock(struct quarry_mags *mags, int node);
/* QUARRY_DEFER_RESTOCK */
void quarry_mags_serve_restock(struct quarry_defer *defer, struct llist_node *node);

#endif /* _QUARRY_SRC_MAGAZINE_H */
