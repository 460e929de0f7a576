// SPDX-License-Identifier: GPL-2.0
/*
 * Work put off.
 *
 *	anywhere, NMI too ──> lock-free lists ──irq_work──> workers
 *
 * A node is on one list at most and once: it points to itself when it is on none, and who
 * changes that, by cmpxchg(), adds it.  Nothing is allocated, so nothing can fail.
 *
 * Three workers per heap.  Allocations may wait for what is pending or fills a magazine, so
 * those who see to that allocate nothing and have a queue with a rescuer.  Who
 * makes size classes and stock may wait for memory, and so for anyone.
 *
 * Pending frees.  What cannot be freed where it is, because a lock may be held below us
 * or because readers may still look at it, is marked in a bitmap of its slab or extent.
 * Each waits for a grace period that begins after it was marked.  One cookie per
 * bitmap is enough: it only moves forward and is stored before the bit is set, so who
 * reads bits and then a cookie that has passed may take all of them; a later free holds
 * the earlier ones up, but not for ever, as what is marked cannot be marked again before
 * it was freed: the last part of a slab or extent is the end of it.  The grace period
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

#include "defer.h"

/* How long a magazine may take to become full, and how often grace periods are polled. */
#define SLOW	DIV_ROUND_UP(HZ, 50)
#define POLL	DIV_ROUND_UP(HZ, 100)

static struct workqueue_struct *queue;

static const struct server {
	enum quarry_deferral first, end;
	unsigned long delay;
} servers[QUARRY_NR_SERVERS] = {
	[QUARRY_SERVER_STOCK] = { QUARRY_DEFER_CLASSES, QUARRY_DEFER_SLABS, 0 },
	[QUARRY_SERVER_PENDING] = { QUARRY_DEFER_SLABS, QUARRY_DEFER_WAITING, POLL },
	[QUARRY_SERVER_WAITING] = { QUARRY_DEFER_WAITING, QUARRY_NR_DEFERRALS, SLOW },
};

int quarry_defer_global_init(void)
{
	queue = alloc_workqueue("quarry", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return queue ? 0 : -ENOMEM;
}

void quarry_defer_global_exit(void)
{
	destroy_workqueue(queue);
}

static struct workqueue_struct *queue_of(enum quarry_server server)
{
	return server == QUARRY_SERVER_STOCK ? system_unbound_wq : queue;
}

static void start(struct quarry_defer *defer, enum quarry_server server)
{
	if (!READ_ONCE(defer->stopped))
		queue_delayed_work(queue_of(server), &defer->servers[server],
				   servers[server].delay);
}

static void kick(struct irq_work *irq_work)
{
	struct quarry_defer *defer = container_of(irq_work, struct quarry_defer, irq_work);
	enum quarry_deferral kind;
	enum quarry_server server;

	for (server = 0; server < QUARRY_NR_SERVERS; server++) {
		for (kind = servers[server].first; kind < servers[server].end; kind++) {
			if (!llist_empty(&defer->kinds[kind].list)) {
				start(defer, server);
				break;
			}
		}
	}
}

static void serve(struct quarry_defer *defer, enum quarry_server server)
{
	struct llist_node *node, *next;
	enum quarry_deferral kind;

	for (kind = servers[server].first; kind < servers[server].end; kind++) {
		node = llist_del_all(&defer->kinds[kind].list);
		for (; node; node = next) {
			next = node->next;
			defer->kinds[kind].serve(defer, node);
			cond_resched();
		}
	}
}

static void serve_stock(struct work_struct *work)
{
	serve(container_of(to_delayed_work(work), struct quarry_defer,
			   servers[QUARRY_SERVER_STOCK]), QUARRY_SERVER_STOCK);
}

static void serve_pending(struct work_struct *work)
{
	serve(container_of(to_delayed_work(work), struct quarry_defer,
			   servers[QUARRY_SERVER_PENDING]), QUARRY_SERVER_PENDING);
}

static void serve_waiting(struct work_struct *work)
{
	serve(container_of(to_delayed_work(work), struct quarry_defer,
			   servers[QUARRY_SERVER_WAITING]), QUARRY_SERVER_WAITING);
}

void quarry_defer_init(struct quarry_defer *defer)
{
	unsigned int i;

	for (i = 0; i < QUARRY_NR_DEFERRALS; i++)
		init_llist_head(&defer->kinds[i].list);
	init_irq_work(&defer->irq_work, kick);
	INIT_DELAYED_WORK(&defer->servers[QUARRY_SERVER_STOCK], serve_stock);
	INIT_DELAYED_WORK(&defer->servers[QUARRY_SERVER_PENDING], serve_pending);
	INIT_DELAYED_WORK(&defer->servers[QUARRY_SERVER_WAITING], serve_waiting);
	atomic_long_set(&defer->waiting, 0);
	atomic_long_set(&defer->nr_sealed, 0);
	defer->used = false;
	defer->stopped = false;
}

void quarry_defer_stop(struct quarry_defer *defer)
{
	unsigned int i;

	/* Workers may ask for more while they are cancelled; that is ignored. */
	WRITE_ONCE(defer->stopped, true);
	irq_work_sync(&defer->irq_work);
	for (i = 0; i < QUARRY_NR_SERVERS; i++)
		cancel_delayed_work_sync(&defer->servers[i]);
	irq_work_sync(&defer->irq_work);
}

static void flush(struct quarry_defer *defer, enum quarry_server server)
{
	mod_delayed_work(queue_of(server), &defer->servers[server], 0);
	flush_delayed_work(&defer->servers[server]);
}

void quarry_defer_flush(struct quarry_defer *defer)
{
	unsigned long cookie;

	irq_work_sync(&defer->irq_work);
	/*
	 * What was marked so far has waited long enough then.  Once may not do: a
	 * normal grace period that overlaps an expedited one is not counted by cookies.
	 */
	cookie = start_poll_synchronize_rcu();
	while (!poll_state_synchronize_rcu(cookie))
		synchronize_rcu();
	flush(defer, QUARRY_SERVER_PENDING);
}

void quarry_defer_flush_all(struct quarry_defer *defer)
{
	quarry_defer_flush(defer);
	flush(defer, QUARRY_SERVER_WAITING);
	flush(defer, QUARRY_SERVER_STOCK);
}

/* Only one gets the node. */
static bool claim(struct quarry_defer *defer, struct llist_node *node)
{
	/* A cmpxchg() that fails orders nothing.  Pairs with quarry_defer_release(). */
	smp_mb__before_atomic();
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
			llist_add(&pending->node, &defer->kinds[kind].list);
		start(defer, QUARRY_SERVER_PENDING);
		return;
	}
}
