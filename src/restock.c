// SPDX-License-Identifier: GPL-2.0
/*
 * Restocking: a worker fills a magazine for who could not.
 *
 * Where the layers below cannot be asked (NMI) or cannot grow (hardirq, PREEMPT_RT's
 * atomic sections) an allocation that finds nothing cached fails, and asks for this: the
 * depot of its node gets a full magazine for the next one.  If there is no memory for
 * that, requests are ignored for a tenth of a second.
 *
 * Locking: depot->lock for one exchange.
 */
#include <linux/jiffies.h>

#include "depot.h"
#include "internal.h"

#define PAUSE	(HZ / 10)
/* Nobody waits for it, so no last resorts. */
#define GFP	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

void quarry_mags_request(struct quarry_mags *mags)
{
	/* Others were refused by the layers below themselves. */
	if (!mags->defer || (!in_nmi() && quarry_may_call_kernel()) ||
	    time_before(jiffies, READ_ONCE(mags->restock_not_before)))
		return;
	quarry_mags_restock(mags, numa_mem_id());
}

void quarry_mags_restock(struct quarry_mags *mags, int node)
{
	WRITE_ONCE(mags->restock_node, node);
	WRITE_ONCE(mags->deferred, true);
	quarry_defer_add(mags->defer, QUARRY_DEFER_RESTOCK, &mags->restock);
}

/* The full magazine becomes the first of the depot; NULL, or it comes back. */
static struct quarry_magazine *stock(struct quarry_mags *mags, struct quarry_depot *depot,
				     struct quarry_magazine *mag)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&depot->lock, flags);
	if (mag->count && quarry_mags_welcomes(mags, mag) && quarry_depot_has_room(mags, depot)) {
		quarry_mag_push(&depot->full, mag);
		mag = NULL;
	}
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return mag;
}

/* A heap of one node has its own idea. */
static int wish(const struct quarry_mags *mags, int node)
{
	return mags->meta->node == NUMA_NO_NODE ? node : NUMA_NO_NODE;
}

/* Nothing goes through magazines: one object makes a slab be there. */
static unsigned int touch(struct quarry_mags *mags, int node)
{
	enum quarry_layer layer = QUARRY_LAYER_SLAB;
	unsigned int nr;
	void *obj;

	nr = mags->ops->refill(mags, &obj, 1, GFP, wish(mags, node), &layer);
	if (nr)
		mags->ops->drain(mags, &obj, 1);
	return nr;
}

static unsigned int restock(struct quarry_mags *mags, int node)
{
	enum quarry_layer layer = QUARRY_LAYER_SLAB;
	struct quarry_magazine *mag = NULL;
	unsigned int nr;

	if (quarry_mags_is_ready(mags, GFP))
		mag = quarry_magazine_get(mags, GFP);
	if (!mag)
		return touch(mags, node);
	nr = mags->ops->refill(mags, mag->objs, mag->capacity, GFP, wish(mags, node), &layer);
	mag->count = nr;
	if (nr)
		quarry_mags_took(mags, layer, nr, 0);
	mag = stock(mags, &mags->depots[node], mag);
	if (!mag)
		return nr;
	if (mag->count)
		quarry_mags_drain(mags, mag->objs, mag->count);
	quarry_magazine_free(mags, mag);
	return nr;
}

void quarry_mags_serve_restock(struct quarry_defer *defer, struct llist_node *node)
{
	struct quarry_mags *mags = container_of(node, struct quarry_mags, restock);

	quarry_defer_release(node);
	mags->nr_restocks++;
	if (!restock(mags, READ_ONCE(mags->restock_node)))
		WRITE_ONCE(mags->restock_not_before, jiffies + PAUSE);
}
