// SPDX-License-Identifier: GPL-2.0
/*
 * Work put off.
 *
 *	anywhere, NMI too ──> lock-free lists ──irq_work──> worker
 *
 * One worker per heap looks after what could not be done where it was asked for.  A
 * node is on one list at most and once: it points to itself when it is on none, and who
 * changes that, by cmpxchg(), adds it.  Nothing is allocated, so nothing can fail.
 *
 * Pending frees.  What cannot be freed where it is, because a lock may be held below us
 * or because readers may still look at it, is marked in a bitmap of its slab or extent.
 * Each waits for a grace period that begins after it was marked.  One cookie per
 * bitmap is enough: it only moves forward and is stored before the bit is set, so who
 * reads bits and then a cookie that has passed may take all of them; a later free holds
 * the earlier ones up, but not for ever, as the worker looks again only after a while and
 * what is marked is no longer used by anyone who could mark more of it.  The grace period
 * also covers who marks: with preemption off it is a reader, so when its bit is taken it
 * has left.
 *
 * So whoever is on a list has a bit set, and a slab with a bit set, that is with an object
 * that is not free, stays.
 *
 * Locking: none.
 */
#include <linux/bitops.h>
#include <linux/jiffies.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "defer.h"

/* How long a magazine may take to become full, and how often grace periods are polled. */
#define SLOW	max(HZ / 50, 1)
#define POLL	max(HZ / 100, 1)

static void kick(struct irq_work *irq_work)
{
	struct quarry_defer *defer = container_of(irq_work, struct quarry_defer, irq_work);

	mod_delayed_work(system_unbound_wq, &defer->work, 0);
}

static void serve(struct work_struct *work)
{
	struct quarry_defer *defer = container_of(to_delayed_work(work), struct quarry_defer, work);
	struct llist_node *node, *next;
	enum quarry_deferral kind;

	/* Only compared with current: pairs with READ_ONCE() in quarry_defer_flush(). */
	WRITE_ONCE(defer->server, current);
	for (kind = 0; kind < QUARRY_NR_DEFERRALS; kind++) {
		node = llist_del_all(&defer->kinds[kind].list);
		for (; node; node = next) {
			next = node->next;
			defer->kinds[kind].serve(defer, node);
			cond_resched();
		}
	}
	WRITE_ONCE(defer->server, NULL);
}

void quarry_defer_init(struct quarry_defer *defer)
{
	unsigned int i;

	for (i = 0; i < QUARRY_NR_DEFERRALS; i++)
		init_llist_head(&defer->kinds[i].list);
	init_irq_work(&defer->irq_work, kick);
	INIT_DELAYED_WORK(&defer->work, serve);
	atomic_long_set(&defer->waiting, 0);
	defer->server = NULL;
	defer->used = false;
}

void quarry_defer_stop(struct quarry_defer *defer)
{
	irq_work_sync(&defer->irq_work);
	cancel_delayed_work_sync(&defer->work);
}

bool quarry_defer_flush(struct quarry_defer *defer)
{
	unsigned long cookie;

	if (READ_ONCE(defer->server) == current)
		return false;
	irq_work_sync(&defer->irq_work);
	/*
	 * Everything marked so far has waited long enough then.  Once may not do: a
	 * normal grace period that overlaps an expedited one is not counted by cookies.
	 */
	cookie = start_poll_synchronize_rcu();
	while (!poll_state_synchronize_rcu(cookie))
		synchronize_rcu();
	mod_delayed_work(system_unbound_wq, &defer->work, 0);
	flush_delayed_work(&defer->work);
	return true;
}

/* Only one gets the node. */
static bool claim(struct quarry_defer *defer, struct llist_node *node)
{
	if (cmpxchg(&node->next, node, NULL) != node)
		return false;
	WRITE_ONCE(defer->used, true);
	return true;
}

bool quarry_defer_add(struct quarry_defer *defer, enum quarry_deferral kind,
		      struct llist_node *node)
{
	if (!claim(defer, node))
		return false;
	llist_add(node, &defer->kinds[kind].list);
	irq_work_queue(&defer->irq_work);
	return true;
}

static void add_after(struct quarry_defer *defer, enum quarry_deferral kind,
		      struct llist_node *node, unsigned long delay)
{
	llist_add(node, &defer->kinds[kind].list);
	queue_delayed_work(system_unbound_wq, &defer->work, delay);
}

bool quarry_defer_add_slowly(struct quarry_defer *defer, enum quarry_deferral kind,
			     struct llist_node *node)
{
	if (!claim(defer, node))
		return false;
	add_after(defer, kind, node, SLOW);
	return true;
}

void quarry_defer_release(struct llist_node *node)
{
	/* Pairs with cmpxchg() in claim(). */
	smp_store_mb(node->next, node);
}

/* === Pending frees === */

static void advance(struct quarry_pending *pending)
{
	unsigned long cookie = get_state_synchronize_rcu(), old;

	do {
		old = READ_ONCE(pending->cookie);
		if (old && (long)(cookie - old) <= 0)
			return;
	} while (cmpxchg(&pending->cookie, old, cookie) != old);
}

bool quarry_pending_set(struct quarry_pending *pending, unsigned long *bits, unsigned int nr,
			struct quarry_defer *defer, enum quarry_deferral kind)
{
	advance(pending);
	/* A full barrier: the cookie is there before the bit. */
	if (test_and_set_bit(nr, bits))
		return false;
	quarry_defer_add(defer, kind, &pending->node);
	return true;
}

unsigned long quarry_pending_take(struct quarry_pending *pending, unsigned long *word)
{
	unsigned long bits = READ_ONCE(*word);

	if (!bits)
		return 0;
	/* Pairs with test_and_set_bit() in quarry_pending_set(). */
	smp_rmb();
	if (!poll_state_synchronize_rcu(READ_ONCE(pending->cookie)))
		return 0;
	atomic_long_andnot(bits, (atomic_long_t *)word);
	return bits;
}

void quarry_pending_release(struct quarry_pending *pending, const unsigned long *bits,
			    unsigned int nr_words, struct quarry_defer *defer,
			    enum quarry_deferral kind)
{
	unsigned int i;

	/* Who marks after this adds it itself. */
	quarry_defer_release(&pending->node);
	for (i = 0; i < nr_words; i++) {
		if (!READ_ONCE(bits[i]))
			continue;
		/* One is coming, which is all that this is for. */
		start_poll_synchronize_rcu();
		if (claim(defer, &pending->node))
			add_after(defer, kind, &pending->node, POLL);
		return;
	}
}
