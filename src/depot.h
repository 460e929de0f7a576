/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Depots: a node's full and empty magazines, between the fronts and what is below.
 */
#ifndef _QUARRY_DEPOT_H
#define _QUARRY_DEPOT_H

#include <linux/topology.h>

#include "magazine.h"

/* Misses both ways; never written, as its count can go neither down nor up. */
extern struct quarry_magazine quarry_empty_magazine;

/* Preemption off, or the answer is only a hint. */
static inline bool quarry_mags_is_off(const struct quarry_mags *mags)
{
	/* Pairs with smp_store_release() in quarry_mags_start(). */
	return smp_load_acquire(&mags->off);
}

/*
 * May a magazine from outside the section come into a place?  The front may have
 * been stopped or got smaller magazines since it was made.
 */
static inline bool quarry_mags_welcomes(const struct quarry_mags *mags,
					const struct quarry_magazine *mag)
{
	return !quarry_mags_is_off(mags) && mag->capacity <= READ_ONCE(mags->max_capacity);
}

static inline struct quarry_depot *quarry_local_depot(struct quarry_mags *mags)
{
	return &mags->depots[numa_mem_id()];
}

/* A heap of one node, and a machine of one, has nothing to sort. */
static inline bool quarry_mags_sorts(const struct quarry_mags *mags)
{
	return nr_node_ids > 1 && mags->ops->node_of && mags->meta->node == NUMA_NO_NODE;
}

/* That somebody else had it counts for as much as so many exchanges. */
#define QUARRY_BUSY_LOCK	8U

/* For an exchange. */
static inline void quarry_depot_lock(struct quarry_depot *depot, unsigned long *flags)
{
	if (likely(raw_spin_trylock_irqsave(&depot->lock, *flags)))
		return;
	raw_spin_lock_irqsave(&depot->lock, *flags);
	depot->busy += QUARRY_BUSY_LOCK;
}

static inline void quarry_mag_push(struct quarry_mag_list *list, struct quarry_magazine *mag)
{
	mag->next = list->first;
	list->first = mag;
	list->nr++;
}

static inline struct quarry_magazine *quarry_mag_pop(struct quarry_mag_list *list)
{
	struct quarry_magazine *mag = list->first;

	if (mag) {
		list->first = mag->next;
		list->nr--;
		list->least = min(list->least, list->nr);
	}
	return mag;
}

static inline void quarry_magazine_chain(struct quarry_magazine **list,
					 struct quarry_magazine *mag)
{
	if (mag == &quarry_empty_magazine)
		return;
	mag->next = *list;
	*list = mag;
}

/* An empty magazine of the current capacity, in our hands; NULL if there is no memory. */
struct quarry_magazine *quarry_magazine_get(struct quarry_mags *mags, gfp_t gfp);
/* An empty magazine goes for good. */
void quarry_magazine_free(struct quarry_mags *mags, struct quarry_magazine *mag);
/*
 * A magazine, or NULL, that quarry_depot_leave_cpu() did not put away: sorted by node
 * into the depots, or its objects go below and it goes for good.
 */
void quarry_magazine_dispose(struct quarry_mags *mags, struct quarry_magazine *mag);

/* A list of magazines that are in nobody's place: objects go below, they go for good. */
void quarry_magazines_retire(struct quarry_mags *mags, struct quarry_magazine *list);

/* === The places of CPUs: capacity.c === */

/*
 * @mag becomes loaded, loaded becomes previous; what is left over comes back: what
 * previous was, or @mag if the CPU holds too much.  Preemption off and busy taken.
 */
struct quarry_magazine *quarry_mags_install(struct quarry_mags *mags, struct quarry_cpu *c,
					    struct quarry_magazine *mag);
/* What is in the places of a CPU goes to @list, to be flushed after a grace period. */
void quarry_mags_detach_cpu(struct quarry_mags *mags, unsigned int cpu,
			    struct quarry_magazine **list);

/* === Under depot->lock === */

/*
 * What came out of a CPU goes to the depot.  Returns what does not stay there, for
 * quarry_magazine_dispose(), or NULL.
 */
struct quarry_magazine *quarry_depot_leave_cpu(struct quarry_mags *mags,
					       struct quarry_depot *depot,
					       struct quarry_magazine *mag);
/* One more magazine went through: the capacity grows after a number of them. */
void quarry_depot_count_exchange(struct quarry_mags *mags, struct quarry_depot *depot);
/* @nr objects are given at a time: make magazines that hold them. */
void quarry_mags_make_room(struct quarry_mags *mags, unsigned int nr);

/* === Without it === */

/* Moves all that the depot holds to @list. */
void quarry_depot_detach(struct quarry_depot *depot, struct quarry_magazine **list);

#endif /* _QUARRY_DEPOT_H */
