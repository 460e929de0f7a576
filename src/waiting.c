// SPDX-License-Identifier: GPL-2.0
/*
 * Magazines of objects that wait for a grace period.
 *
 *	quarry_free_rcu() ──> this CPU's waiting magazine
 *	                        │ full                       │ not full for 20 ms
 *	                      call_rcu()                   taken away from the CPU,
 *	                        │                          call_rcu() twice
 *	                        v                            │
 *	                      the depot, as a full magazine <┘
 *
 * One callback per full magazine, none per object and no memory in it: its head lies over
 * slots of the magazine, which holds two objects less as long as it waits.  A magazine that
 * is taken from another CPU needs two grace periods: after the first nobody is inside
 * the section in which it was still filled, and what was freed there has not waited yet.
 *
 * Where there is no magazine (an NMI, an interrupt in the middle of such a section, no
 * memory, objects of which a magazine holds too few, a cold front) the layer below
 * marks the object in a bitmap (defer.c).
 *
 * Who may touch a waiting magazine: as with the others (magazine.c), only its CPU with
 * preemption off and busy taken as long as it is in place, and then who took it by xchg().
 *
 * What waits counts as allocated until it is over.  How much that is may be read
 * in nr_waiting; defer->waiting is the sum of bytes of a heap, for heap.c to bound.
 *
 * Locking: depot->lock for one exchange.
 */
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "depot.h"
#include "internal.h"

/* A magazine while it waits. */
struct waiting {
	struct quarry_mags *mags;	/* over next of the magazine */
	unsigned int count;
	unsigned int capacity;		/* of the magazine */
	struct rcu_head rcu;		/* over objs[0] and objs[1] */
	void *objs[];
};

#define NR_COVERED	2U

static_assert(offsetof(struct waiting, count) == offsetof(struct quarry_magazine, count));
static_assert(offsetof(struct waiting, capacity) == offsetof(struct quarry_magazine, capacity));
static_assert(offsetof(struct waiting, objs) ==
	      offsetof(struct quarry_magazine, objs) + NR_COVERED * sizeof(void *));

static void add_waiting(struct quarry_mags *mags, long nr)
{
	atomic_long_add(nr, &mags->nr_waiting);
	atomic_long_add(nr * (long)mags->size, &mags->defer->waiting);
}

/* === It is over === */

/* To the depot, or below it. */
static void put_full(struct quarry_mags *mags, struct quarry_magazine *mag)
{
	struct quarry_depot *depot;
	unsigned long flags;

	preempt_disable();
	if (quarry_mags_welcomes(mags, mag)) {
		depot = quarry_local_depot(mags);
		raw_spin_lock_irqsave(&depot->lock, flags);
		depot->nr_free += mag->count;
		mag = quarry_depot_leave_cpu(mags, depot, mag);
		raw_spin_unlock_irqrestore(&depot->lock, flags);
	} else {
		atomic_long_add(mag->count, &mags->nr_free_below);
	}
	preempt_enable();
	quarry_magazine_dispose(mags, mag);
}

static void wipe(struct quarry_mags *mags, void **objs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; (want_init_on_free() || mags->wipes) && i < nr; i++)
		mags->ops->wipe(mags, objs[i]);
}

static void finish(struct rcu_head *rcu)
{
	struct waiting *w = container_of(rcu, struct waiting, rcu);
	struct quarry_magazine *mag = (struct quarry_magazine *)w;
	struct quarry_mags *mags = w->mags;

	unsigned int nr = w->count;

	wipe(mags, w->objs, nr);
	memmove(mag->objs, w->objs, nr * sizeof(*w->objs));
	put_full(mags, mag);
	/* Who finds that nothing waits finds it free. */
	add_waiting(mags, -(long)nr);
}

void quarry_mags_free_waited(struct quarry_mags *mags, void **objs, unsigned int nr)
{
	if (!nr)
		return;
	wipe(mags, objs, nr);
	atomic_long_add(nr, &mags->nr_free_below);
	quarry_mags_drain(mags, objs, nr);
	add_waiting(mags, -(long)nr);
}

/* === It begins === */

static void begin(struct waiting *w)
{
	add_waiting(w->mags, w->count);
	quarry_call_rcu(&w->rcu, finish);
}

static void begin_again(struct rcu_head *rcu)
{
	struct waiting *w = container_of(rcu, struct waiting, rcu);
	atomic_long_t *nr_sealed = &w->mags->defer->nr_sealed;

	begin(w);
	atomic_long_dec(nr_sealed);
}

void quarry_mags_seal(struct quarry_mags *mags)
{
	struct quarry_cpu *c;
	struct waiting *w;
	unsigned int cpu;

	if (quarry_mags_is_cold(mags))
		return;
	for_each_possible_cpu(cpu) {
		c = per_cpu_ptr(mags->front->cpu, cpu);
		/* Pairs with cmpxchg() in place() and xchg() in push(). */
		w = READ_ONCE(c->waiting) ? (void *)xchg(&c->waiting, NULL) : NULL;
		if (!w)
			continue;
		atomic_long_inc(&mags->defer->nr_sealed);
		quarry_call_rcu(&w->rcu, begin_again);
	}
}

void quarry_mags_serve_filling(struct quarry_defer *defer, struct llist_node *node)
{
	quarry_defer_release(node);
	quarry_mags_seal(container_of(node, struct quarry_mags, filling));
}

/* Preemption is off, as in all that follows. */
static bool push(struct quarry_mags *mags, void *obj)
{
	struct quarry_cpu *c = this_cpu_ptr(mags->front->cpu);
	struct waiting *w, *full = NULL;

	if (c->busy)
		return false;
	WRITE_ONCE(c->busy, 1);
	barrier();
	/* Pairs with xchg() in quarry_mags_seal(). */
	w = (void *)READ_ONCE(c->waiting);
	if (w) {
		w->objs[w->count++] = obj;
		/* Somebody may have taken it away meanwhile, and waits for us. */
		if (w->count == w->capacity - NR_COVERED)
			full = (void *)xchg(&c->waiting, NULL);
	}
	barrier();
	WRITE_ONCE(c->busy, 0);
	if (full)
		begin(full);
	return w;
}

/* A magazine to be filled; false if there is none. */
static bool place(struct quarry_mags *mags)
{
	struct quarry_cpu *c = this_cpu_ptr(mags->front->cpu);
	struct quarry_magazine *mag;
	struct waiting *w;

	if (READ_ONCE(mags->capacity) <= NR_COVERED)
		return false;
	/* It may be under any lock: nobody is woken. */
	mag = quarry_magazine_get(mags, __GFP_NOMEMALLOC);
	if (!mag)
		return false;
	if (mag->capacity <= NR_COVERED) {
		quarry_magazine_free(mags, mag);
		return false;
	}
	w = (struct waiting *)mag;
	w->mags = mags;
	/* An interrupt may have been here first. */
	if (cmpxchg(&c->waiting, NULL, mag)) {
		quarry_magazine_free(mags, mag);
		return true;
	}
	WRITE_ONCE(mags->deferred, true);
	quarry_defer_add(mags->defer, QUARRY_DEFER_WAITING, &mags->filling);
	return true;
}

void quarry_mags_free_later(struct quarry_mags *mags, void *obj)
{
	if (likely(!in_nmi() && !quarry_mags_is_cold(mags))) {
		if (push(mags, obj))
			return;
		if (!this_cpu_ptr(mags->front->cpu)->busy && place(mags) && push(mags, obj))
			return;
	}
	WRITE_ONCE(mags->deferred, true);
	mags->ops->defer(mags, obj);
}

void quarry_mags_count_deferred(struct quarry_mags *mags)
{
	WRITE_ONCE(mags->deferred, true);
	add_waiting(mags, 1);
}

/* === Looking === */

unsigned long quarry_mags_nr_waiting(struct quarry_mags *mags)
{
	unsigned long nr = max(atomic_long_read(&mags->nr_waiting), 0L);
	struct quarry_magazine *mag;
	unsigned int cpu;

	if (quarry_mags_is_cold(mags))
		return nr;
	/* A glance: descriptors are never unmapped while the heap lives. */
	for_each_possible_cpu(cpu) {
		mag = READ_ONCE(per_cpu_ptr(mags->front->cpu, cpu)->waiting);
		if (mag)
			nr += min(READ_ONCE(mag->count), QUARRY_MAGAZINE_MAX_CAPACITY);
	}
	return nr;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_nr_waiting);
