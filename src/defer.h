/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Work put off: what is asked for where it cannot be done, and frees that have to wait
 * for a grace period.
 */
#ifndef _QUARRY_DEFER_H
#define _QUARRY_DEFER_H

#include <linux/atomic.h>
#include <linux/irq_work.h>
#include <linux/llist.h>
#include <linux/types.h>
#include <linux/workqueue.h>

enum quarry_deferral {
	/* at once, by a worker that may wait for memory, and for whom nobody waits that might */
	QUARRY_DEFER_CLASSES,	/* a heap: size classes to be made */
	QUARRY_DEFER_RESTOCK,	/* fronts that had nothing for who may not refill them */
	QUARRY_DEFER_PRESSED,	/* a heap: pools that may give up what they have grown */
	QUARRY_DEFER_POOLS,	/* pools that few objects are left of */
	/* a grace period may have passed: by one that allocates nothing */
	QUARRY_DEFER_SLABS,	/* slabs with pending objects */
	QUARRY_DEFER_EXTENTS,	/* extents with pending runs */
	/* when there was time to fill them, by one of the same kind */
	QUARRY_DEFER_WAITING,	/* fronts with a magazine that waits to be full */
	QUARRY_NR_DEFERRALS,
};

enum quarry_server {
	QUARRY_SERVER_STOCK,
	QUARRY_SERVER_PENDING,
	QUARRY_SERVER_WAITING,
	QUARRY_NR_SERVERS,
};

struct quarry_defer {
	struct {
		struct llist_head list;
		/*
		 * Does what is to be done; worker, may sleep.  The node is still taken:
		 * quarry_defer_release() lets it be added again.
		 */
		void (*serve)(struct quarry_defer *defer, struct llist_node *node);
	} kinds[QUARRY_NR_DEFERRALS];
	struct irq_work irq_work;
	struct delayed_work servers[QUARRY_NR_SERVERS];
	atomic_long_t waiting;		/* bytes that wait for a grace period */
	atomic_long_t nr_sealed;	/* magazines that do, and are not in @waiting yet */
	bool used;			/* something was put off, ever */
	bool stopped;
};

/* Frees of parts of one thing (a slab, an extent) that wait for a grace period. */
struct quarry_pending {
	struct llist_node node;
	unsigned long cookie;		/* the last grace period that one waits for */
};

void quarry_defer_init(struct quarry_defer *defer);
/* Nothing is added any more; what was added is not served.  Process context, may sleep. */
void quarry_defer_stop(struct quarry_defer *defer);
/*
 * What was marked before, and by nobody since, has been freed; waits for a grace period, but
 * for nothing that allocates.  Process context.
 */
void quarry_defer_flush(struct quarry_defer *defer);
/* All that was put off before is done, allocations too.  Process context. */
void quarry_defer_flush_all(struct quarry_defer *defer);
int quarry_defer_global_init(void);
void quarry_defer_global_exit(void);

/* A node that is on no list points to itself. */
static inline void quarry_defer_init_node(struct llist_node *node)
{
	node->next = node;
}

/*
 * Have a worker look at a node, unless it is going to anyway; true if not.  Any context.
 * What was stored before is seen by the worker in either case.
 */
bool quarry_defer_add(struct quarry_defer *defer, enum quarry_deferral kind,
		      struct llist_node *node);
/* What is stored after it is seen by who finds that the node cannot be added. */
void quarry_defer_release(struct llist_node *node);

/* Is the node on a list, or about to be? */
static inline bool quarry_defer_is_taken(const struct llist_node *node)
{
	return READ_ONCE(node->next) != node;
}

static inline void quarry_pending_init(struct quarry_pending *pending)
{
	quarry_defer_init_node(&pending->node);
}

/*
 * Mark bit @nr of @bits, to be added to a list of @defer; false if it is marked
 * already.  Any context; preemption is off.
 */
bool quarry_pending_set(struct quarry_pending *pending, unsigned long *bits, unsigned int nr,
			struct quarry_defer *defer, enum quarry_deferral kind);
/* Clears and returns the bits of a word that have waited long enough.  Worker only. */
unsigned long quarry_pending_take(struct quarry_pending *pending, unsigned long *word);
/* After that: the node is added again if one of @nr_words words is not clear. */
void quarry_pending_release(struct quarry_pending *pending, const unsigned long *bits,
			    unsigned int nr_words, struct quarry_defer *defer,
			    enum quarry_deferral kind);

#endif /* _QUARRY_DEFER_H */
