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
	/* Looking costs less than trying. */
	bool contended = raw_spin_is_locked(&depot->lock);

	raw_spin_lock_irqsave(&depot->lock, *flags);
	if (unlikely(contended))
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

/* Full magazines of a depot at most, so that walking them is bounded, and its share then. */
#define QUARRY_DEPOT_MOST	256U
#define QUARRY_DEPOT_PART	16

/*
 * For one more full magazine?  A front of which much is in use swings by more, so its
 * depots may keep a sixteenth of that; what they never needed goes with a tick.
 */
static inline bool quarry_depot_has_room(const struct quarry_mags *mags,
					 const struct quarry_depot *depot)
{
	unsigned long nr = depot->full.nr;

	return nr < READ_ONCE(mags->max_full) ||
	       (nr < QUARRY_DEPOT_MOST && (long)(nr * READ_ONCE(mags->capacity)) <
					  atomic_long_read(&mags->nr_out) / QUARRY_DEPOT_PART);
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

/* quarry_mags_install() of a magazine that is larger or smaller than what it replaces. */
struct quarry_magazine *quarry_mags_install_other(struct quarry_mags *mags, struct quarry_cpu *c,
						  struct quarry_magazine *mag);
/* Accounts for a magazine that a CPU has got. */
void quarry_mags_charge(struct quarry_mags *mags, const struct quarry_magazine *mag);

/* @mag becomes loaded, loaded becomes previous; returns what previous was. */
static inline struct quarry_magazine *quarry_cpu_exchange(struct quarry_cpu *c,
							  struct quarry_magazine *mag)
{
	/* Pairs with xchg() in quarry_mags_detach_cpu(). */
	mag = xchg(&c->loaded, mag);
	return xchg(&c->previous, mag);
}

/*
 * The same, but what comes back is what is left over: @mag if the CPU holds too much.
 * Preemption off and busy taken.
 */
static inline struct quarry_magazine *quarry_mags_install(struct quarry_mags *mags,
							  struct quarry_cpu *c,
							  struct quarry_magazine *mag)
{
	struct quarry_magazine *previous = READ_ONCE(c->previous), *out;

	if (unlikely(mag->capacity != previous->capacity))
		return quarry_mags_install_other(mags, c, mag);
	out = quarry_cpu_exchange(c, mag);
	/* Somebody may have detached it meanwhile, and accounted for it. */
	if (unlikely(out != previous))
		quarry_mags_charge(mags, mag);
	return out;
}

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
/* It was busy enough for larger magazines. */
void quarry_depot_outgrown(struct quarry_mags *mags, struct quarry_depot *depot);

/* One more magazine went through: the capacity grows after a number of them. */
static inline void quarry_depot_count_exchange(struct quarry_mags *mags,
					       struct quarry_depot *depot)
{
	if (unlikely(++depot->busy >= READ_ONCE(mags->busy)))
		quarry_depot_outgrown(mags, depot);
}

/* @nr objects are given at a time: make magazines that hold them. */
void quarry_mags_make_room(struct quarry_mags *mags, unsigned int nr);

/* === Without it === */

/* Moves all that the depot holds to @list. */
void quarry_depot_detach(struct quarry_depot *depot, struct quarry_magazine **list);

#endif /* _QUARRY_DEPOT_H */
