// SPDX-License-Identifier: GPL-2.0
/*
 * Depots: a node's stock of full and empty magazines.
 *
 * A full magazine that leaves a CPU goes to the depot of its node; what is too many
 * there goes below.  On a machine of many nodes it is sorted first: objects of other
 * nodes go, by way of their depots' incoming magazine, to those, so that a depot hands
 * out memory of its own node.
 *
 * Locking: depot->lock, irq-safe, for one exchange or one magazine's objects of one
 * node; nothing is called under it, and no second depot is locked.
 *
 * Invariants: full lists hold count > 0, empty lists count == 0; the incoming magazine
 * has room.
 */
#include <linux/cpumask.h>
#include <linux/minmax.h>
#include <linux/nodemask.h>

#include "depot.h"
#include "fault.h"
#include "internal.h"

struct quarry_magazine quarry_empty_magazine;

static size_t magazine_size(unsigned int capacity)
{
	return struct_size_t(struct quarry_magazine, objs, capacity);
}

/*
 * A magazine that is in nobody's place goes to the depot.  Returns one that has
 * to go: a full one too many, or an empty one of a capacity that is no longer
 * made; NULL if it stays.
 */
static struct quarry_magazine *put_magazine(struct quarry_mags *mags, struct quarry_depot *depot,
					    struct quarry_magazine *mag)
{
	lockdep_assert_held(&depot->lock);
	if (mag == &quarry_empty_magazine)
		return NULL;
	if (!mag->count) {
		if (mag->capacity != READ_ONCE(mags->capacity) || depot->empty.nr >= mags->max_full)
			return mag;
		quarry_mag_push(&depot->empty, mag);
		return NULL;
	}
	if (!quarry_depot_has_room(mags, depot))
		return mag;
	quarry_mag_push(&depot->full, mag);
	return NULL;
}

struct quarry_magazine *quarry_depot_leave_cpu(struct quarry_mags *mags,
					       struct quarry_depot *depot,
					       struct quarry_magazine *mag)
{
	return mag->count && quarry_mags_sorts(mags) ? mag : put_magazine(mags, depot, mag);
}

void quarry_magazine_free(struct quarry_mags *mags, struct quarry_magazine *mag)
{
	quarry_meta_free(mags->meta, mag, magazine_size(mag->capacity));
}

/* What put_magazine() would not have: its objects go below, it goes for good. */
static void retire_magazine(struct quarry_mags *mags, struct quarry_magazine *mag)
{
	if (!mag)
		return;
	if (mag->count)
		quarry_mags_drain(mags, mag->objs, mag->count);
	quarry_magazine_free(mags, mag);
}

/* From now on there is something that ticks may find unused: see fallback.c. */
static void tell(struct quarry_mags *mags)
{
	struct quarry_pages *pages;

	if (!mags->budget || likely(READ_ONCE(mags->budget->stocked)))
		return;
	pages = container_of(mags->budget, struct quarry_pages, budget);
	WRITE_ONCE(mags->budget->stocked, true);
	if (pages->notify)
		pages->notify(pages);
}

/* An empty magazine of the current capacity, in our hands; NULL if there is no memory. */
struct quarry_magazine *quarry_magazine_get(struct quarry_mags *mags, gfp_t gfp)
{
	unsigned int capacity = READ_ONCE(mags->capacity);
	struct quarry_depot *depot = quarry_local_depot(mags);
	struct quarry_magazine *mag;
	unsigned long flags;

	tell(mags);
	raw_spin_lock_irqsave(&depot->lock, flags);
	mag = quarry_mag_pop(&depot->empty);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	if (mag && mag->capacity == capacity)
		return mag;
	if (mag)
		quarry_magazine_free(mags, mag);
	if (quarry_fault(QUARRY_FAULT_MAGAZINE, magazine_size(capacity)))
		return NULL;
	mag = quarry_meta_alloc(mags->meta, magazine_size(capacity), gfp | __GFP_NOWARN);
	if (mag)
		mag->capacity = capacity;
	return mag;
}

/* === Sorting by node === */

void quarry_magazines_retire(struct quarry_mags *mags, struct quarry_magazine *list)
{
	struct quarry_magazine *next;

	for (; list; list = next) {
		next = list->next;
		retire_magazine(mags, list);
	}
}

/*
 * Moves the objects of @node out of @mag into that node's depot, as far as there are
 * magazines: @spare is one, *@surplus a list of those that are too many there.
 */
static void move_locked(struct quarry_mags *mags, struct quarry_depot *depot, int node,
			struct quarry_magazine *mag, struct quarry_magazine **spare,
			struct quarry_magazine **surplus)
{
	struct quarry_magazine *in;
	unsigned int i = 0;

	lockdep_assert_held(&depot->lock);
	if (quarry_mags_is_off(mags))
		return;
	while (i < mag->count) {
		if (mags->ops->node_of(mag->objs[i]) != node) {
			i++;
			continue;
		}
		if (!depot->incoming && *spare && quarry_mags_welcomes(mags, *spare)) {
			depot->incoming = *spare;
			*spare = NULL;
		}
		if (!depot->incoming)
			depot->incoming = quarry_mag_pop(&depot->empty);
		in = depot->incoming;
		if (!in)
			return;
		in->objs[in->count++] = mag->objs[i];
		mag->objs[i] = mag->objs[--mag->count];
		if (in->count < in->capacity)
			continue;
		depot->incoming = NULL;
		in = put_magazine(mags, depot, in);
		if (in) {
			in->next = *surplus;
			*surplus = in;
		}
	}
}

/* All objects of @node leave @mag: to its depot or, if that has no room, below. */
static void send_home(struct quarry_mags *mags, struct quarry_magazine *mag, int node)
{
	struct quarry_depot *depot = &mags->depots[node];
	struct quarry_magazine *spare = quarry_magazine_get(mags, GFP_NOWAIT | __GFP_NOMEMALLOC);
	struct quarry_magazine *surplus = NULL;
	unsigned long flags;
	unsigned int i = 0;

	raw_spin_lock_irqsave(&depot->lock, flags);
	move_locked(mags, depot, node, mag, &spare, &surplus);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	quarry_magazines_retire(mags, surplus);
	if (spare)
		quarry_magazine_free(mags, spare);
	while (i < mag->count) {
		void *obj = mag->objs[i];

		if (mags->ops->node_of(obj) != node) {
			i++;
			continue;
		}
		mag->objs[i] = mag->objs[--mag->count];
		quarry_mags_drain(mags, &obj, 1);
	}
}

/*
 * A magazine in our hands that quarry_depot_leave_cpu() did not put away.  What is of other
 * nodes goes to them, so that a depot serves its own node's memory.
 */
void quarry_magazine_dispose(struct quarry_mags *mags, struct quarry_magazine *mag)
{
	struct quarry_depot *depot;
	unsigned long flags;
	unsigned int i = 0;
	int node, home;

	if (mag && mag->count && quarry_mags_sorts(mags)) {
		home = numa_mem_id();
		while (i < mag->count) {
			node = mags->ops->node_of(mag->objs[i]);
			if (node == home)
				i++;
			else
				send_home(mags, mag, node);
		}
		depot = &mags->depots[home];
		raw_spin_lock_irqsave(&depot->lock, flags);
		if (quarry_mags_welcomes(mags, mag))
			mag = put_magazine(mags, depot, mag);
		raw_spin_unlock_irqrestore(&depot->lock, flags);
	}
	retire_magazine(mags, mag);
}

void quarry_depot_detach(struct quarry_depot *depot, struct quarry_magazine **list)
{
	struct quarry_mag_list full, empty, none = {};
	struct quarry_magazine *mag;
	unsigned long flags;

	raw_spin_lock_irqsave(&depot->lock, flags);
	full = depot->full;
	empty = depot->empty;
	depot->full = none;
	depot->empty = none;
	mag = depot->incoming;
	depot->incoming = NULL;
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	if (mag)
		quarry_magazine_chain(list, mag);

	while ((mag = quarry_mag_pop(&full)))
		quarry_magazine_chain(list, mag);
	while ((mag = quarry_mag_pop(&empty)))
		quarry_magazine_chain(list, mag);
}
