// SPDX-License-Identifier: GPL-2.0
/*
 * Magazines and depots: the slow halves of the per-CPU front.
 *
 *	             alloc                        free
 *	CPU     loaded, previous             loaded, previous
 *	          │ both empty                 │ both full
 *	depot   a full magazine for an       an empty magazine for a
 *	        empty one, under its lock    full one
 *	          │ none                       │ too many full ones
 *	below   refill a magazine that is    drain part of the previous,
 *	        in nobody's place            which becomes the loaded
 *
 * Who may touch a magazine: one that is in place (loaded or previous of a CPU)
 * only that CPU with preemption off and its busy byte taken; one in a depot
 * whoever holds the depot's lock; one that was taken out of its place by xchg()
 * is in the hands of who took it.  All changes of the two pointers are xchg()
 * or a store to a pointer that holds the static empty magazine, and others than
 * the own CPU only ever put that one in.  So each magazine is in exactly one
 * place or hand, and a drain from elsewhere needs no help of the drained CPU:
 * it takes both magazines away, waits until no CPU can still be inside the
 * section in which it had read the old pointer (preemption off is a reader of
 * synchronize_rcu()), and owns them.
 *
 * An interrupt that finds its CPU's byte taken works on the depot directly,
 * one object at a time, and on the layer below if that has none.  An NMI always works
 * on the depot so, by trylock, and never on the layer below: an allocation fails then,
 * and a free is put off (defer.c).
 *
 * The depots, and how a magazine is sorted by node on its way there, are in depot.c.
 *
 * A front that nobody used yet shares a per-CPU area whose magazines are the
 * static empty one, so that everything misses; the first miss gives it its own.
 *
 * How many objects a magazine holds grows with use: see capacity.c.
 *
 * A front may be off, for good or while it is given other sizes: the paths below
 * test that in the same section in which they move magazines, so one grace period
 * after quarry_mags_stop() none is moved any more and a detach misses none.  Each
 * object then comes from and goes to the layer below and is counted there; the
 * inline paths need no test, as all they find is the static empty magazine.
 *
 * Locking: depot->lock, irq-safe, for one exchange; nothing is called under it.  NMIs only
 * try it.
 *
 * Invariants: a magazine has 0 <= count <= capacity; full lists hold count > 0,
 * empty lists count == 0; nr_alloc - nr_free (quarry_mags_get_stats()) = objects
 * in the hands of users, while quiet.
 */
#include <linux/cpumask.h>
#include <linux/minmax.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/prefetch.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/topology.h>

#include "cpu_area.h"
#include "depot.h"
#include "fault.h"
#include "internal.h"

/*
 * Objects of a magazine that are prefetched: a line of each.  Those that lie a page apart share
 * the eight places that a first-level cache has for such lines.
 */
#define PREFETCH_MOST	64
#define PREFETCH_WAYS	8

/* Objects of a magazine that go below at a time, for one free. */
#define PART		16U

/* The area of fronts that are not in use yet. */
struct quarry_cpu __percpu *quarry_cold_cpu;
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_cold_cpu);
static struct quarry_cpu_block *cold_block;

int quarry_mags_global_init(void)
{
	quarry_cold_cpu = quarry_cpu_area_alloc(&cold_block, GFP_KERNEL);
	return quarry_cold_cpu ? 0 : -ENOMEM;
}

void quarry_mags_global_exit(void)
{
	quarry_cpu_area_free(cold_block, quarry_cold_cpu);
}

void quarry_mags_init(struct quarry_mags *mags, struct quarry_front *front,
		      const struct quarry_mags_ops *ops, struct quarry_meta *meta, size_t size,
		      unsigned int bytes)
{
	memset(mags, 0, sizeof(*mags));
	front->cpu = quarry_cold_cpu;
	mags->front = front;
	mags->ops = ops;
	mags->meta = meta;
	mags->size = size;
	mags->nr_prefetch = clamp_t(size_t, PREFETCH_WAYS * PAGE_SIZE / size, 1, PREFETCH_MOST);
	quarry_defer_init_node(&mags->restock);
	mags->restock_not_before = jiffies;
	quarry_defer_init_node(&mags->filling);
	quarry_mags_resize(mags, bytes);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_init);

void quarry_mags_stop(struct quarry_mags *mags)
{
	/* Pairs with quarry_mags_is_off(). */
	WRITE_ONCE(mags->off, true);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_stop);

void quarry_mags_start(struct quarry_mags *mags)
{
	/* Orders what quarry_mags_resize() wrote before it; pairs with quarry_mags_is_off(). */
	smp_store_release(&mags->off, false);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_start);

/* Give the front its own per-CPU area and depots.  Any number of CPUs may try at once. */
static bool warm_up(struct quarry_mags *mags, gfp_t gfp)
{
	struct quarry_cpu __percpu *area;
	struct quarry_cpu_block *block;
	struct quarry_depot *depots;
	int node;

	gfp &= __GFP_RECLAIM | __GFP_IO | __GFP_FS;
	/* Not out of the reserves of who is about to free memory. */
	if (!quarry_may_call_kernel() || (current->flags & PF_MEMALLOC))
		return false;

	if (!READ_ONCE(mags->depots)) {
		if (quarry_fault(QUARRY_FAULT_FRONT, nr_node_ids * sizeof(*depots)))
			return false;
		depots = kcalloc(nr_node_ids, sizeof(*depots), gfp | __GFP_NOWARN);
		if (!depots)
			return false;
		for (node = 0; node < nr_node_ids; node++)
			raw_spin_lock_init(&depots[node].lock);
		/* Orders the initialisation before the pointer. */
		if (cmpxchg(&mags->depots, NULL, depots))
			kfree(depots);
	}
	if (quarry_fault(QUARRY_FAULT_FRONT, num_possible_cpus() * sizeof(*area)))
		return false;
	area = quarry_cpu_area_alloc(&block, gfp | __GFP_NOWARN);
	if (!area)
		return false;
	/* As above; the inline paths read front->cpu and depend on it. */
	if (cmpxchg((__force void **)&mags->front->cpu, (__force void *)quarry_cold_cpu,
		    (__force void *)area) == (__force void *)quarry_cold_cpu)
		mags->block = block;
	else
		quarry_cpu_area_free(block, area);
	return true;
}

static bool has_objects(const struct quarry_magazine *mag)
{
	return mag->count;
}

static bool has_room(const struct quarry_magazine *mag)
{
	return mag->count < mag->capacity;
}

/* === An interrupt that found the byte taken, an NMI === */

/* What is left of a full magazine that one object was taken from. */
static noinline void put_rest(struct quarry_depot *depot, struct quarry_magazine *mag)
{
	quarry_mag_push(mag->count ? &depot->full : &depot->empty, mag);
}

static void *alloc_locked(struct quarry_depot *depot)
{
	struct quarry_magazine *mag = quarry_mag_pop(&depot->full);
	void *obj;

	lockdep_assert_held(&depot->lock);
	if (!mag)
		return NULL;
	obj = mag->objs[--mag->count];
	put_rest(depot, mag);
	depot->nr_alloc++;
	return obj;
}

static noinline void *alloc_nested(struct quarry_mags *mags)
{
	struct quarry_depot *depot = quarry_local_depot(mags);
	unsigned long flags;
	void *obj;

	if (in_nmi()) {
		/* Whoever was interrupted may hold it. */
		if (!raw_spin_trylock_irqsave(&depot->lock, flags))
			return NULL;
		obj = alloc_locked(depot);
		raw_spin_unlock_irqrestore(&depot->lock, flags);
		return obj;
	}
	raw_spin_lock_irqsave(&depot->lock, flags);
	obj = alloc_locked(depot);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return obj;
}

static bool free_locked(struct quarry_mags *mags, struct quarry_depot *depot, void *obj)
{
	struct quarry_magazine *mag = depot->full.first;

	lockdep_assert_held(&depot->lock);
	if (mag && has_room(mag)) {
		mag->objs[mag->count++] = obj;
	} else if (depot->empty.first && quarry_depot_has_room(mags, depot)) {
		mag = quarry_mag_pop(&depot->empty);
		mag->objs[mag->count++] = obj;
		quarry_mag_push(&depot->full, mag);
	} else {
		return false;
	}
	depot->nr_free++;
	return true;
}

static noinline bool free_nested(struct quarry_mags *mags, void *obj)
{
	struct quarry_depot *depot = quarry_mags_sorts(mags) ?
				     &mags->depots[mags->ops->node_of(obj)] :
				     quarry_local_depot(mags);
	unsigned long flags;
	bool done;

	if (in_nmi()) {
		/* As above. */
		if (!raw_spin_trylock_irqsave(&depot->lock, flags))
			return false;
		done = free_locked(mags, depot, obj);
		raw_spin_unlock_irqrestore(&depot->lock, flags);
		return done;
	}
	raw_spin_lock_irqsave(&depot->lock, flags);
	done = free_locked(mags, depot, obj);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return done;
}

/* === The two magazines of this CPU; preemption off and busy taken === */

static void swap_previous(struct quarry_cpu *c)
{
	struct quarry_magazine *mag = xchg(&c->previous, &quarry_empty_magazine);

	mag = xchg(&c->loaded, mag);
	/* Others only put in what is there already. */
	WRITE_ONCE(c->previous, mag);
}

/*
 * A drain may take the magazine away at any time, even between a check and a
 * swap.  So take the pointer once and go on with that.
 */
static void *pop_loaded(struct quarry_cpu *c)
{
	struct quarry_magazine *mag = READ_ONCE(c->loaded);

	return has_objects(mag) ? mag->objs[--mag->count] : NULL;
}

static bool push_loaded(struct quarry_cpu *c, void *obj)
{
	struct quarry_magazine *mag = READ_ONCE(c->loaded);

	if (!has_room(mag))
		return false;
	mag->objs[mag->count++] = obj;
	return true;
}

/*
 * The objects of a magazine that was not in use on this CPU are likely in no cache of it, and
 * are soon written to.  SLUB and TCMalloc prefetch the next object with each allocation; here
 * that is done for all at once, where it costs the fast path nothing.
 */
static void prefetch_objs(struct quarry_magazine *mag, unsigned int nr)
{
	void **obj = mag->objs + mag->count, **end = obj - min(mag->count, nr);

	/* In the order in which they will be handed out. */
	while (obj > end) {
		prefetchw(*--obj);
		/* A function that does nothing else may be dropped where that is a builtin. */
		barrier();
	}
}

/* @surplus is for quarry_magazine_dispose(), here and in the functions below. */
static void *alloc_from_depot(struct quarry_mags *mags, struct quarry_cpu *c,
			      struct quarry_magazine **surplus)
{
	struct quarry_depot *depot = quarry_local_depot(mags);
	struct quarry_magazine *mag, *out;
	unsigned long flags;
	void *obj = NULL;

	quarry_depot_lock(depot, &flags);
	mag = quarry_mag_pop(&depot->full);
	if (mag) {
		/* In our hands: take the object before anyone can take the magazine. */
		obj = mag->objs[--mag->count];
		out = quarry_mags_install(mags, c, mag);
		if (unlikely(out == mag))
			put_rest(depot, mag);
		else
			*surplus = quarry_depot_leave_cpu(mags, depot, out);
		depot->nr_alloc++;
		quarry_depot_count_exchange(mags, depot);
	}
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return obj;
}

static void *alloc_busy(struct quarry_mags *mags, struct quarry_cpu *c,
			struct quarry_magazine **surplus)
{
	void *obj = pop_loaded(c);

	if (obj) {
		c->nr_alloc++;
		return obj;
	}
	if (has_objects(READ_ONCE(c->previous))) {
		swap_previous(c);
		obj = pop_loaded(c);
		if (obj) {
			c->nr_alloc_previous++;
			return obj;
		}
	}
	return unlikely(in_nmi()) ? alloc_nested(mags) : alloc_from_depot(mags, c, surplus);
}

/*
 * What a smaller magazine of old holds goes into the new one, or it would go round as
 * long as it always comes back full.  @to is loaded, @from has just left.
 */
static noinline void pour(struct quarry_magazine *to, struct quarry_magazine *from)
{
	if (!from->count || from->count > to->capacity - to->count)
		return;
	memcpy(&to->objs[to->count], from->objs, from->count * sizeof(*from->objs));
	to->count += from->count;
	from->count = 0;
}

/* What a free leaves for later, when preemption is on again. */
struct surplus {
	struct quarry_magazine *mag;	/* for quarry_magazine_dispose() */
	unsigned int nr;		/* objects to go below */
	void *objs[PART];
};

/*
 * Nobody has room for a full magazine, and to send all of it below would make one free pay
 * for very many: some of previous go, and it becomes the loaded one.  They come off its top,
 * without moving the others; nothing in it was in use as lately as what is in loaded.
 * False if it is not full, or not of the size that it should be.
 */
static bool free_by_part(struct quarry_mags *mags, struct quarry_cpu *c, void *obj,
			 struct surplus *surplus)
{
	/* As in pop_loaded(): if it is taken away it is still ours until the section ends. */
	struct quarry_magazine *mag = READ_ONCE(c->previous);

	if (quarry_mags_sorts(mags) || !has_objects(mag) || has_room(mag) ||
	    mag->capacity != READ_ONCE(mags->capacity))
		return false;
	surplus->nr = min(mag->count, PART);
	mag->count -= surplus->nr;
	memcpy(surplus->objs, &mag->objs[mag->count], surplus->nr * sizeof(*surplus->objs));
	mag->objs[mag->count++] = obj;
	swap_previous(c);
	return true;
}

/*
 * Both magazines are full: exchange one for an empty one of the depot.  A CPU that holds
 * too much gives single objects.
 */
static bool free_to_depot(struct quarry_mags *mags, struct quarry_cpu *c, void *obj,
			  struct surplus *surplus)
{
	struct quarry_depot *depot = quarry_local_depot(mags);
	struct quarry_magazine *mag, *out;
	unsigned long flags;

	quarry_depot_lock(depot, &flags);
	if (!quarry_depot_has_room(mags, depot) && free_by_part(mags, c, obj, surplus))
		goto done;
	mag = depot->empty.first;
	if (!mag || unlikely(mag->capacity != READ_ONCE(mags->capacity)))
		goto none;
	quarry_mag_pop(&depot->empty);
	out = quarry_mags_install(mags, c, mag);
	if (unlikely(out == mag))
		goto refused;
	/* Nobody but us uses it before the section ends. */
	mag->objs[mag->count++] = obj;
	if (unlikely(out->capacity < mag->capacity))
		pour(mag, out);
	surplus->mag = quarry_depot_leave_cpu(mags, depot, out);
done:
	/* A part costs what a magazine does, and asks for larger ones as that does. */
	quarry_depot_count_exchange(mags, depot);
	depot->nr_free++;
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return true;

refused:
	quarry_mag_push(&depot->empty, mag);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return free_nested(mags, obj);
none:
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return false;
}

/*
 * Loaded is full and previous is empty.  If frees have come here lately, few objects are
 * allocated and freed again at a time, over and over, just where one magazine ends: each
 * time the two would be exchanged and back.  With half of the objects in either, there is
 * room for that both ways.  What is moved is what was freed first.  A number of frees that
 * is large for the magazine fills the other one, too, and is better off with all of it.
 * False if there is nothing to move.
 */
static bool halve_loaded(struct quarry_cpu *c, struct quarry_magazine *previous)
{
	/* As in pop_loaded(): what is taken away is ours until the section ends. */
	struct quarry_magazine *mag = READ_ONCE(c->loaded);
	unsigned int nr = min(mag->count / 2, previous->capacity);

	if (!nr)
		return false;
	memcpy(previous->objs, mag->objs, nr * sizeof(*mag->objs));
	previous->count = nr;
	mag->count -= nr;
	memmove(mag->objs, &mag->objs[nr], mag->count * sizeof(*mag->objs));
	return true;
}

/* @previous has room: now loaded has. */
static void turn_for_free(struct quarry_cpu *c, struct quarry_magazine *previous)
{
	u16 nr_since = (u16)c->nr_free - c->turned;

	c->turned = c->nr_free;
	if (previous->count || nr_since >= previous->capacity / 2 || !halve_loaded(c, previous))
		swap_previous(c);
}

static bool free_busy(struct quarry_mags *mags, struct quarry_cpu *c, void *obj,
		      struct surplus *surplus)
{
	struct quarry_magazine *previous;

	if (push_loaded(c, obj)) {
		c->nr_free++;
		return true;
	}
	previous = READ_ONCE(c->previous);
	if (has_room(previous)) {
		turn_for_free(c, previous);
		if (push_loaded(c, obj)) {
			c->nr_free_previous++;
			return true;
		}
	}
	return unlikely(in_nmi()) ? free_nested(mags, obj) : free_to_depot(mags, c, obj, surplus);
}

/* === Allocating === */

static void *try_alloc(struct quarry_mags *mags)
{
	struct quarry_magazine *surplus = NULL;
	struct quarry_cpu *c;
	void *obj;

	preempt_disable();
	c = this_cpu_ptr(mags->front->cpu);
	if (quarry_mags_is_off(mags)) {
		obj = NULL;
	} else if (c->busy) {
		obj = alloc_nested(mags);
	} else {
		WRITE_ONCE(c->busy, 1);
		barrier();
		obj = alloc_busy(mags, c, &surplus);
		barrier();
		WRITE_ONCE(c->busy, 0);
	}
	preempt_enable();
	quarry_magazine_dispose(mags, surplus);
	return obj;
}

/* A refilled magazine goes to this CPU if it still has nothing, else to the depot. */
static void place_magazine(struct quarry_mags *mags, struct quarry_magazine *mag)
{
	struct quarry_depot *depot;
	struct quarry_cpu *c;
	unsigned long flags;

	preempt_disable();
	if (!quarry_mags_welcomes(mags, mag))
		goto out;
	c = this_cpu_ptr(mags->front->cpu);
	if (!c->busy) {
		WRITE_ONCE(c->busy, 1);
		barrier();
		if (!has_objects(READ_ONCE(c->loaded)))
			mag = quarry_mags_install(mags, c, mag);
		barrier();
		WRITE_ONCE(c->busy, 0);
	}
	depot = quarry_local_depot(mags);
	quarry_depot_lock(depot, &flags);
	mag = quarry_depot_leave_cpu(mags, depot, mag);
	quarry_depot_count_exchange(mags, depot);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
out:
	preempt_enable();
	quarry_magazine_dispose(mags, mag);
}

void *quarry_mags_alloc_node(struct quarry_mags *mags, gfp_t gfp, int node)
{
	enum quarry_layer layer = QUARRY_LAYER_SLAB;
	void *obj;

	if (!mags->ops->refill(mags, &obj, 1, gfp, node, &layer))
		return NULL;
	quarry_mags_took(mags, layer, 1, 1);
	return obj;
}

static void *alloc_refill(struct quarry_mags *mags, gfp_t gfp)
{
	enum quarry_layer layer = QUARRY_LAYER_SLAB;
	struct quarry_magazine *mag = quarry_magazine_get(mags, gfp);
	unsigned int nr;
	void *obj;

	if (!mag)
		return quarry_mags_alloc_node(mags, gfp, NUMA_NO_NODE);
	nr = mags->ops->refill(mags, mag->objs, mag->capacity, gfp, NUMA_NO_NODE, &layer);
	if (nr) {
		obj = mag->objs[nr - 1];
		mag->count = nr - 1;
		prefetch_objs(mag, mags->nr_prefetch);
		quarry_mags_took(mags, layer, nr, 1);
	} else {
		obj = NULL;
	}
	place_magazine(mags, mag);
	return obj;
}

/* NMIs have to do with what is cached. */
static void *alloc_below(struct quarry_mags *mags, gfp_t gfp, bool ready)
{
	void *obj = NULL;

	if (!in_nmi())
		obj = ready ? alloc_refill(mags, gfp) :
			      quarry_mags_alloc_node(mags, gfp, NUMA_NO_NODE);
	if (unlikely(!obj) && !gfpflags_allow_blocking(gfp))
		quarry_mags_request(mags);
	return obj;
}

void *quarry_mags_alloc(struct quarry_mags *mags, gfp_t gfp)
{
	void *obj;

	if (unlikely(quarry_mags_is_off(mags)) ||
	    (unlikely(quarry_mags_is_cold(mags)) && !warm_up(mags, gfp)))
		return alloc_below(mags, gfp, false);
	obj = try_alloc(mags);
	return obj ?: alloc_below(mags, gfp, true);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_alloc);

/* === Freeing === */

static bool try_free(struct quarry_mags *mags, void *obj, struct surplus *surplus)
{
	struct quarry_cpu *c;
	bool done;

	preempt_disable();
	c = this_cpu_ptr(mags->front->cpu);
	if (quarry_mags_is_off(mags)) {
		done = false;
	} else if (c->busy) {
		done = free_nested(mags, obj);
	} else {
		WRITE_ONCE(c->busy, 1);
		barrier();
		done = free_busy(mags, c, obj, surplus);
		barrier();
		WRITE_ONCE(c->busy, 0);
	}
	preempt_enable();
	return done;
}

/* A new empty magazine for the depot, so that the next try finds one. */
static bool stock_empty(struct quarry_mags *mags)
{
	struct quarry_magazine *mag = quarry_magazine_get(mags, GFP_NOWAIT | __GFP_NOMEMALLOC);
	struct quarry_depot *depot = quarry_local_depot(mags);
	unsigned long flags;
	bool welcome;

	if (!mag)
		return false;
	raw_spin_lock_irqsave(&depot->lock, flags);
	welcome = quarry_mags_welcomes(mags, mag);
	if (welcome)
		quarry_mag_push(&depot->empty, mag);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	if (!welcome)
		quarry_magazine_free(mags, mag);
	return welcome;
}

void quarry_mags_free(struct quarry_mags *mags, void *obj)
{
	struct surplus surplus;

	surplus.mag = NULL;
	surplus.nr = 0;
	if (unlikely(quarry_mags_is_off(mags)) ||
	    (unlikely(quarry_mags_is_cold(mags)) && !warm_up(mags, GFP_NOWAIT)))
		goto below;
	if (!try_free(mags, obj, &surplus) &&
	    (in_nmi() || !stock_empty(mags) || !try_free(mags, obj, &surplus)))
		goto below;
	if (surplus.nr)
		quarry_mags_drain(mags, surplus.objs, surplus.nr);
	quarry_magazine_dispose(mags, surplus.mag);
	return;

below:
	if (unlikely(in_nmi())) {
		mags->ops->defer(mags, obj);
		return;
	}
	atomic_long_inc(&mags->nr_free_below);
	quarry_mags_drain(mags, &obj, 1);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_free);

/* === Many at once, past the two magazines (bulk.c) === */

bool quarry_mags_is_ready(struct quarry_mags *mags, gfp_t gfp)
{
	return !quarry_mags_is_off(mags) && (!quarry_mags_is_cold(mags) || warm_up(mags, gfp));
}

/* Preemption off.  @mag becomes loaded if no section was interrupted; returns what is left over. */
static struct quarry_magazine *try_install(struct quarry_mags *mags, struct quarry_magazine *mag)
{
	struct quarry_cpu *c = this_cpu_ptr(mags->front->cpu);

	if (c->busy)
		return mag;
	WRITE_ONCE(c->busy, 1);
	barrier();
	mag = quarry_mags_install(mags, c, mag);
	barrier();
	WRITE_ONCE(c->busy, 0);
	return mag;
}

unsigned int quarry_mags_depot_take(struct quarry_mags *mags, void **objs, unsigned int nr)
{
	struct quarry_magazine *mag = NULL;
	struct quarry_depot *depot;
	unsigned long flags;
	unsigned int n = 0;

	preempt_disable();
	if (quarry_mags_is_off(mags))
		goto out;
	depot = quarry_local_depot(mags);
	quarry_depot_lock(depot, &flags);
	mag = quarry_mag_pop(&depot->full);
	if (mag) {
		n = min(mag->count, nr);
		mag->count -= n;
		memcpy(objs, &mag->objs[mag->count], n * sizeof(*objs));
		depot->nr_alloc += n;
		quarry_depot_count_exchange(mags, depot);
		if (mag->count)
			mag = try_install(mags, mag);
		mag = quarry_depot_leave_cpu(mags, depot, mag);
	}
	raw_spin_unlock_irqrestore(&depot->lock, flags);
out:
	preempt_enable();
	quarry_magazine_dispose(mags, mag);
	return n;
}

unsigned int quarry_mags_depot_give(struct quarry_mags *mags, void **objs, unsigned int nr)
{
	struct quarry_magazine *mag = quarry_magazine_get(mags, GFP_NOWAIT | __GFP_NOMEMALLOC);
	struct quarry_depot *depot;
	unsigned long flags;
	unsigned int n = 0;

	if (!mag)
		return 0;
	preempt_disable();
	if (!quarry_mags_welcomes(mags, mag))
		goto out;
	n = min(mag->capacity, nr);
	memcpy(mag->objs, objs, n * sizeof(*objs));
	mag->count = n;
	depot = quarry_local_depot(mags);
	quarry_depot_lock(depot, &flags);
	mag = quarry_depot_leave_cpu(mags, depot, try_install(mags, mag));
	depot->nr_free += n;
	quarry_depot_count_exchange(mags, depot);
	quarry_mags_make_room(mags, nr);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
out:
	preempt_enable();
	quarry_magazine_dispose(mags, mag);
	return n;
}

/* === Draining === */

/*
 * A CPU that still works on a detached magazine does not touch @next: only who
 * holds a magazine in hand or a depot's lock does, and the place it came from
 * has been exchanged.
 */
void quarry_mags_detach(struct quarry_mags *mags)
{
	struct quarry_magazine **list = &mags->detached;
	unsigned int cpu;
	int node;

	if (quarry_mags_is_cold(mags))
		return;
	for_each_possible_cpu(cpu)
		quarry_mags_detach_cpu(mags, cpu, list);
	for (node = 0; node < nr_node_ids; node++)
		quarry_depot_detach(&mags->depots[node], list);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_detach);

static void flush_list(struct quarry_mags *mags, struct quarry_magazine *list)
{
	struct quarry_magazine *next;

	for (; list; list = next) {
		cond_resched();
		next = list->next;
		if (list->count)
			quarry_mags_drain(mags, list->objs, list->count);
		quarry_magazine_free(mags, list);
	}
}

void quarry_mags_flush(struct quarry_mags *mags)
{
	struct quarry_magazine *list = mags->detached;

	mags->detached = NULL;
	flush_list(mags, list);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_flush);

void quarry_mags_drain_dead(struct quarry_mags *mags, unsigned int cpu)
{
	struct quarry_magazine *list = NULL;

	if (quarry_mags_is_cold(mags))
		return;
	quarry_mags_detach_cpu(mags, cpu, &list);
	flush_list(mags, list);
	quarry_mags_seal(mags);
}

void quarry_mags_fini(struct quarry_mags *mags)
{
	if (!quarry_mags_is_cold(mags))
		quarry_cpu_area_free(mags->block, mags->front->cpu);
	kfree(mags->depots);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_fini);
