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
 *	below   refill a magazine that is    drain a magazine that is
 *	        in nobody's place            in nobody's place
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
 * one object at a time, and on the layer below if that has none.
 *
 * On a machine of many nodes a magazine that leaves a CPU is sorted before it goes to
 * the depot: what is of other nodes goes, by way of their depots' incoming magazine, to
 * those.
 *
 * A front that nobody used yet shares a per-CPU area whose magazines are the
 * static empty one, so that everything misses; the first miss gives it its own.
 *
 * Capacity starts at 14 objects and doubles (to a cap in bytes of objects, the
 * heap's knob magazine_bytes) each time 8 x CPUs magazines went through a depot
 * or were refilled: a front that is used little keeps little (Bonwick and Adams
 * 2001, 3.2, 4.4).  It also grows to what bulk calls free at a time.
 *
 * A front may be off, for good or while it is given other sizes: the paths below
 * test that in the same section in which they move magazines, so one grace period
 * after quarry_mags_stop() none is moved any more and a detach misses none.  Each
 * object then comes from and goes to the layer below and is counted there; the
 * inline paths need no test, as all they find is the static empty magazine.
 *
 * Locking: depot->lock, irq-safe, for one exchange; nothing is called under it.
 *
 * Invariants: a magazine has 0 <= count <= capacity; full lists hold count > 0,
 * empty lists count == 0; nr_alloc - nr_free (quarry_mags_get_stats()) = objects
 * in the hands of users, while quiet.
 */
#include <linux/cpumask.h>
#include <linux/minmax.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/topology.h>

#include "fault.h"
#include "internal.h"
#include "magazine.h"

/* A magazine is a power of two of bytes: 16 bytes of head and 8 per object. */
#define MIN_CAPACITY		6U
#define START_CAPACITY		14U
/* A depot's full magazines hold objects worth so many magazines of the cap. */
#define DEPOT_SHARE		8

/* Misses both ways; never written, as its count can go neither down nor up. */
static struct quarry_magazine empty_magazine;

/* The area of fronts that are not in use yet. */
struct quarry_cpu __percpu *quarry_cold_cpu;

static size_t magazine_size(unsigned int capacity)
{
	return struct_size_t(struct quarry_magazine, objs, capacity);
}

static void init_cpu_area(struct quarry_cpu __percpu *area)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct quarry_cpu *c = per_cpu_ptr(area, cpu);

		c->loaded = &empty_magazine;
		c->previous = &empty_magazine;
	}
}

int quarry_mags_global_init(void)
{
	quarry_cold_cpu = alloc_percpu(struct quarry_cpu);
	if (!quarry_cold_cpu)
		return -ENOMEM;
	init_cpu_area(quarry_cold_cpu);
	return 0;
}

void quarry_mags_global_exit(void)
{
	free_percpu(quarry_cold_cpu);
}

/* Largest capacity (2^i - 2, but for large objects) that holds no more than @bytes. */
static unsigned int capacity_for(size_t bytes, size_t size)
{
	unsigned int capacity = QUARRY_MAGAZINE_MAX_CAPACITY;

	while (capacity > MIN_CAPACITY && capacity * size > bytes)
		capacity = capacity / 2 - 1;
	return capacity * size > bytes ? max_t(size_t, bytes / size, 1) : capacity;
}

/* Nobody moves magazines: the front is stopped, or new. */
void quarry_mags_resize(struct quarry_mags *mags, unsigned int bytes)
{
	unsigned int most = capacity_for(bytes, mags->size);
	unsigned int least = min(most, START_CAPACITY);

	WRITE_ONCE(mags->max_capacity, most);
	WRITE_ONCE(mags->capacity, clamp(mags->capacity, least, most));
	mags->max_full = clamp_t(size_t, (size_t)bytes * DEPOT_SHARE / (mags->size * most), 2, 64);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_resize);

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
	quarry_mags_resize(mags, bytes);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_init);

void quarry_mags_stop(struct quarry_mags *mags)
{
	/* Pairs with is_off(). */
	WRITE_ONCE(mags->off, true);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_stop);

void quarry_mags_start(struct quarry_mags *mags)
{
	/* Orders what quarry_mags_resize() wrote before it; pairs with is_off(). */
	smp_store_release(&mags->off, false);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_start);

/* Preemption off, or the answer is only a hint. */
static bool is_off(const struct quarry_mags *mags)
{
	/* Pairs with smp_store_release() in quarry_mags_start(). */
	return smp_load_acquire(&mags->off);
}

/* Give the front its own per-CPU area and depots.  Any number of CPUs may try at once. */
static bool warm_up(struct quarry_mags *mags, gfp_t gfp)
{
	struct quarry_cpu __percpu *area;
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
	area = alloc_percpu_gfp(struct quarry_cpu, gfp | __GFP_NOWARN);
	if (!area)
		return false;
	init_cpu_area(area);
	/* As above; the inline paths read front->cpu and depend on it. */
	if (cmpxchg((__force void **)&mags->front->cpu, (__force void *)quarry_cold_cpu,
		    (__force void *)area) != (__force void *)quarry_cold_cpu)
		free_percpu(area);
	return true;
}

static struct quarry_depot *local_depot(struct quarry_mags *mags)
{
	return &mags->depots[numa_mem_id()];
}

/* A heap of one node, and a machine of one, has nothing to sort. */
static bool sorts(const struct quarry_mags *mags)
{
	return nr_node_ids > 1 && mags->ops->node_of && mags->meta->node == NUMA_NO_NODE;
}

/* === Depot === */

static void push(struct quarry_mag_list *list, struct quarry_magazine *mag)
{
	mag->next = list->first;
	list->first = mag;
	list->nr++;
}

static struct quarry_magazine *pop(struct quarry_mag_list *list)
{
	struct quarry_magazine *mag = list->first;

	if (mag) {
		list->first = mag->next;
		list->nr--;
	}
	return mag;
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
	if (mag == &empty_magazine)
		return NULL;
	if (!mag->count) {
		if (mag->capacity != mags->capacity || depot->empty.nr >= mags->max_full)
			return mag;
		push(&depot->empty, mag);
		return NULL;
	}
	if (depot->full.nr >= mags->max_full)
		return mag;
	push(&depot->full, mag);
	return NULL;
}

/*
 * May a magazine from outside the section come into a place?  The front may have
 * been stopped or got smaller magazines since it was made.
 */
static bool is_welcome(const struct quarry_mags *mags, const struct quarry_magazine *mag)
{
	return !is_off(mags) && mag->capacity <= READ_ONCE(mags->max_capacity);
}

/* What came out of a CPU: put_magazine(), or returned for dispose() to be sorted first. */
static struct quarry_magazine *leave_cpu(struct quarry_mags *mags, struct quarry_depot *depot,
					 struct quarry_magazine *mag)
{
	return mag->count && sorts(mags) ? mag : put_magazine(mags, depot, mag);
}

static void count_exchange(struct quarry_mags *mags, struct quarry_depot *depot)
{
	lockdep_assert_held(&depot->lock);
	if (mags->capacity < mags->max_capacity &&
	    ++depot->nr_exchanges >= 8UL * num_online_cpus()) {
		depot->nr_exchanges = 0;
		WRITE_ONCE(mags->capacity, min(2 * mags->capacity + 2, mags->max_capacity));
	}
}

static void free_magazine(struct quarry_mags *mags, struct quarry_magazine *mag)
{
	quarry_meta_free(mags->meta, mag, magazine_size(mag->capacity));
}

/* What put_magazine() would not have: its objects go below, it goes for good. */
static void retire_magazine(struct quarry_mags *mags, struct quarry_magazine *mag)
{
	if (!mag)
		return;
	if (mag->count)
		mags->ops->drain(mags, mag->objs, mag->count);
	free_magazine(mags, mag);
}

/* An empty magazine of the current capacity, in our hands; NULL if there is no memory. */
static struct quarry_magazine *get_empty(struct quarry_mags *mags, gfp_t gfp)
{
	unsigned int capacity = READ_ONCE(mags->capacity);
	struct quarry_depot *depot = local_depot(mags);
	struct quarry_magazine *mag;
	unsigned long flags;

	raw_spin_lock_irqsave(&depot->lock, flags);
	mag = pop(&depot->empty);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	if (mag && mag->capacity == capacity)
		return mag;
	if (mag)
		free_magazine(mags, mag);
	if (quarry_fault(QUARRY_FAULT_MAGAZINE, magazine_size(capacity)))
		return NULL;
	mag = quarry_meta_alloc(mags->meta, magazine_size(capacity), gfp | __GFP_NOWARN);
	if (mag)
		mag->capacity = capacity;
	return mag;
}

/* === Sorting by node === */

static void retire_list(struct quarry_mags *mags, struct quarry_magazine *list)
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
	if (is_off(mags))
		return;
	while (i < mag->count) {
		if (mags->ops->node_of(mag->objs[i]) != node) {
			i++;
			continue;
		}
		if (!depot->incoming && *spare && is_welcome(mags, *spare)) {
			depot->incoming = *spare;
			*spare = NULL;
		}
		if (!depot->incoming)
			depot->incoming = pop(&depot->empty);
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
	struct quarry_magazine *spare = get_empty(mags, GFP_NOWAIT | __GFP_NOMEMALLOC);
	struct quarry_magazine *surplus = NULL;
	unsigned long flags;
	unsigned int i = 0;

	raw_spin_lock_irqsave(&depot->lock, flags);
	move_locked(mags, depot, node, mag, &spare, &surplus);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	retire_list(mags, surplus);
	if (spare)
		free_magazine(mags, spare);
	while (i < mag->count) {
		void *obj = mag->objs[i];

		if (mags->ops->node_of(obj) != node) {
			i++;
			continue;
		}
		mag->objs[i] = mag->objs[--mag->count];
		mags->ops->drain(mags, &obj, 1);
	}
}

/*
 * A magazine in our hands that leave_cpu() did not put away.  What is of other
 * nodes goes to them, so that a depot serves its own node's memory.
 */
static void dispose(struct quarry_mags *mags, struct quarry_magazine *mag)
{
	struct quarry_depot *depot;
	unsigned long flags;
	unsigned int i = 0;
	int node, home;

	if (mag && mag->count && sorts(mags)) {
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
		if (is_welcome(mags, mag))
			mag = put_magazine(mags, depot, mag);
		raw_spin_unlock_irqrestore(&depot->lock, flags);
	}
	retire_magazine(mags, mag);
}

/* === The two magazines of this CPU; preemption off and busy taken === */

/* @mag becomes loaded, loaded becomes previous; returns what previous was. */
static struct quarry_magazine *install(struct quarry_cpu *c, struct quarry_magazine *mag)
{
	/* Pairs with xchg() in detach_cpu(). */
	mag = xchg(&c->loaded, mag);
	return xchg(&c->previous, mag);
}

static void swap_previous(struct quarry_cpu *c)
{
	struct quarry_magazine *mag = xchg(&c->previous, &empty_magazine);

	mag = xchg(&c->loaded, mag);
	/* Others only put in what is there already. */
	WRITE_ONCE(c->previous, mag);
}

static bool has_objects(const struct quarry_magazine *mag)
{
	return mag->count;
}

static bool has_room(const struct quarry_magazine *mag)
{
	return mag->count < mag->capacity;
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

/* @surplus returns a magazine for dispose(), here and in the functions below. */
static void *alloc_from_depot(struct quarry_mags *mags, struct quarry_cpu *c,
			      struct quarry_magazine **surplus)
{
	struct quarry_depot *depot = local_depot(mags);
	struct quarry_magazine *mag;
	unsigned long flags;
	void *obj = NULL;

	raw_spin_lock_irqsave(&depot->lock, flags);
	mag = pop(&depot->full);
	if (mag) {
		/* In our hands: take the object before anyone can take the magazine. */
		obj = mag->objs[--mag->count];
		*surplus = leave_cpu(mags, depot, install(c, mag));
		depot->nr_alloc++;
		count_exchange(mags, depot);
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
	return alloc_from_depot(mags, c, surplus);
}

/* Both magazines are full: exchange one for an empty one of the depot. */
static bool free_to_depot(struct quarry_mags *mags, struct quarry_cpu *c, void *obj,
			  struct quarry_magazine **surplus)
{
	struct quarry_depot *depot = local_depot(mags);
	struct quarry_magazine *mag;
	unsigned long flags;

	raw_spin_lock_irqsave(&depot->lock, flags);
	mag = depot->empty.first;
	if (mag && mag->capacity == mags->capacity)
		pop(&depot->empty);
	else
		mag = NULL;
	if (mag) {
		mag->objs[mag->count++] = obj;
		*surplus = leave_cpu(mags, depot, install(c, mag));
		depot->nr_free++;
		count_exchange(mags, depot);
	}
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return mag;
}

static bool free_busy(struct quarry_mags *mags, struct quarry_cpu *c, void *obj,
		      struct quarry_magazine **surplus)
{
	if (push_loaded(c, obj)) {
		c->nr_free++;
		return true;
	}
	if (has_room(READ_ONCE(c->previous))) {
		swap_previous(c);
		if (push_loaded(c, obj)) {
			c->nr_free_previous++;
			return true;
		}
	}
	return free_to_depot(mags, c, obj, surplus);
}

/* === An interrupt that found the byte taken === */

static void *alloc_nested(struct quarry_mags *mags)
{
	struct quarry_depot *depot = local_depot(mags);
	struct quarry_magazine *mag;
	unsigned long flags;
	void *obj = NULL;

	raw_spin_lock_irqsave(&depot->lock, flags);
	mag = pop(&depot->full);
	if (mag) {
		obj = mag->objs[--mag->count];
		if (mag->count)
			push(&depot->full, mag);
		else
			push(&depot->empty, mag);
		depot->nr_alloc++;
	}
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return obj;
}

static bool free_nested(struct quarry_mags *mags, void *obj)
{
	struct quarry_depot *depot = sorts(mags) ? &mags->depots[mags->ops->node_of(obj)] :
						   local_depot(mags);
	struct quarry_magazine *mag;
	unsigned long flags;
	bool done = false;

	raw_spin_lock_irqsave(&depot->lock, flags);
	mag = depot->full.first;
	if (mag && has_room(mag)) {
		mag->objs[mag->count++] = obj;
		done = true;
	} else if (depot->empty.first && depot->full.nr < mags->max_full) {
		mag = pop(&depot->empty);
		mag->objs[mag->count++] = obj;
		push(&depot->full, mag);
		done = true;
	}
	depot->nr_free += done;
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return done;
}

/* === Allocating === */

static void *try_alloc(struct quarry_mags *mags)
{
	struct quarry_magazine *surplus = NULL;
	struct quarry_cpu *c;
	void *obj;

	preempt_disable();
	c = this_cpu_ptr(mags->front->cpu);
	if (is_off(mags)) {
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
	dispose(mags, surplus);
	return obj;
}

/* A refilled magazine goes to this CPU if it still has nothing, else to the depot. */
static void place_magazine(struct quarry_mags *mags, struct quarry_magazine *mag)
{
	struct quarry_depot *depot;
	struct quarry_cpu *c;
	unsigned long flags;

	preempt_disable();
	if (!is_welcome(mags, mag))
		goto out;
	c = this_cpu_ptr(mags->front->cpu);
	if (!c->busy) {
		WRITE_ONCE(c->busy, 1);
		barrier();
		if (!has_objects(READ_ONCE(c->loaded)))
			mag = install(c, mag);
		barrier();
		WRITE_ONCE(c->busy, 0);
	}
	depot = local_depot(mags);
	raw_spin_lock_irqsave(&depot->lock, flags);
	mag = leave_cpu(mags, depot, mag);
	count_exchange(mags, depot);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
out:
	preempt_enable();
	dispose(mags, mag);
}

void *quarry_mags_alloc_node(struct quarry_mags *mags, gfp_t gfp, int node)
{
	enum quarry_layer layer = QUARRY_LAYER_SLAB;
	void *obj;

	if (!mags->ops->refill(mags, &obj, 1, gfp, node, &layer))
		return NULL;
	atomic_long_inc(&mags->nr_ended[layer]);
	return obj;
}

static void *alloc_refill(struct quarry_mags *mags, gfp_t gfp)
{
	enum quarry_layer layer = QUARRY_LAYER_SLAB;
	struct quarry_magazine *mag = get_empty(mags, gfp);
	unsigned int nr;
	void *obj;

	if (!mag)
		return quarry_mags_alloc_node(mags, gfp, NUMA_NO_NODE);
	nr = mags->ops->refill(mags, mag->objs, mag->capacity, gfp, NUMA_NO_NODE, &layer);
	if (nr) {
		obj = mag->objs[nr - 1];
		mag->count = nr - 1;
		atomic_long_inc(&mags->nr_ended[layer]);
	} else {
		obj = NULL;
	}
	place_magazine(mags, mag);
	return obj;
}

void *quarry_mags_alloc(struct quarry_mags *mags, gfp_t gfp)
{
	void *obj;

	if (unlikely(is_off(mags)) || (unlikely(quarry_mags_is_cold(mags)) && !warm_up(mags, gfp)))
		return quarry_mags_alloc_node(mags, gfp, NUMA_NO_NODE);
	obj = try_alloc(mags);
	return obj ?: alloc_refill(mags, gfp);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_alloc);

/* === Freeing === */

static bool try_free(struct quarry_mags *mags, void *obj, struct quarry_magazine **surplus)
{
	struct quarry_cpu *c;
	bool done;

	preempt_disable();
	c = this_cpu_ptr(mags->front->cpu);
	if (is_off(mags)) {
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
	struct quarry_magazine *mag = get_empty(mags, GFP_NOWAIT | __GFP_NOMEMALLOC);
	struct quarry_depot *depot = local_depot(mags);
	unsigned long flags;
	bool welcome;

	if (!mag)
		return false;
	raw_spin_lock_irqsave(&depot->lock, flags);
	welcome = is_welcome(mags, mag);
	if (welcome)
		push(&depot->empty, mag);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	if (!welcome)
		free_magazine(mags, mag);
	return welcome;
}

void quarry_mags_free(struct quarry_mags *mags, void *obj)
{
	struct quarry_magazine *surplus = NULL;

	if (unlikely(is_off(mags)) ||
	    (unlikely(quarry_mags_is_cold(mags)) && !warm_up(mags, GFP_NOWAIT)))
		goto below;
	if (!try_free(mags, obj, &surplus) &&
	    (!stock_empty(mags) || !try_free(mags, obj, &surplus)))
		goto below;
	dispose(mags, surplus);
	return;

below:
	atomic_long_inc(&mags->nr_free_below);
	mags->ops->drain(mags, &obj, 1);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_free);

/* === Many at once, past the two magazines (bulk.c) === */

bool quarry_mags_is_ready(struct quarry_mags *mags, gfp_t gfp)
{
	return !is_off(mags) && (!quarry_mags_is_cold(mags) || warm_up(mags, gfp));
}

/* Preemption off.  @mag becomes loaded if no section was interrupted; returns what is left over. */
static struct quarry_magazine *try_install(struct quarry_mags *mags, struct quarry_magazine *mag)
{
	struct quarry_cpu *c = this_cpu_ptr(mags->front->cpu);

	if (c->busy)
		return mag;
	WRITE_ONCE(c->busy, 1);
	barrier();
	mag = install(c, mag);
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
	if (is_off(mags))
		goto out;
	depot = local_depot(mags);
	raw_spin_lock_irqsave(&depot->lock, flags);
	mag = pop(&depot->full);
	if (mag) {
		n = min(mag->count, nr);
		mag->count -= n;
		memcpy(objs, &mag->objs[mag->count], n * sizeof(*objs));
		depot->nr_alloc += n;
		count_exchange(mags, depot);
		if (mag->count)
			mag = try_install(mags, mag);
		mag = leave_cpu(mags, depot, mag);
	}
	raw_spin_unlock_irqrestore(&depot->lock, flags);
out:
	preempt_enable();
	dispose(mags, mag);
	return n;
}

/* Preemption off, the front is not.  @nr at a time: make magazines that hold them. */
static void make_room(struct quarry_mags *mags, unsigned int nr)
{
	unsigned int capacity = mags->capacity;

	if (likely(capacity >= min(nr, mags->max_capacity)))
		return;
	while (capacity < min(nr, mags->max_capacity))
		capacity = min(2 * capacity + 2, mags->max_capacity);
	WRITE_ONCE(mags->capacity, capacity);
}

unsigned int quarry_mags_depot_give(struct quarry_mags *mags, void **objs, unsigned int nr)
{
	struct quarry_magazine *mag = get_empty(mags, GFP_NOWAIT | __GFP_NOMEMALLOC);
	struct quarry_depot *depot;
	unsigned long flags;
	unsigned int n = 0;

	if (!mag)
		return 0;
	preempt_disable();
	if (!is_welcome(mags, mag))
		goto out;
	n = min(mag->capacity, nr);
	memcpy(mag->objs, objs, n * sizeof(*objs));
	mag->count = n;
	depot = local_depot(mags);
	raw_spin_lock_irqsave(&depot->lock, flags);
	mag = leave_cpu(mags, depot, try_install(mags, mag));
	depot->nr_free += n;
	count_exchange(mags, depot);
	make_room(mags, nr);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
out:
	preempt_enable();
	dispose(mags, mag);
	return n;
}

/* === Draining === */

static void chain(struct quarry_magazine **list, struct quarry_magazine *mag)
{
	if (mag == &empty_magazine)
		return;
	mag->next = *list;
	*list = mag;
}

static void detach_cpu(struct quarry_cpu *c, struct quarry_magazine **list)
{
	/* Pairs with READ_ONCE() in the inline paths and xchg() in install(). */
	struct quarry_magazine *loaded = xchg(&c->loaded, &empty_magazine);
	struct quarry_magazine *previous = xchg(&c->previous, &empty_magazine);

	chain(list, loaded);
	chain(list, previous);
}

static void detach_depot(struct quarry_depot *depot, struct quarry_magazine **list)
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
		chain(list, mag);

	while ((mag = pop(&full)))
		chain(list, mag);
	while ((mag = pop(&empty)))
		chain(list, mag);
}

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
		detach_cpu(per_cpu_ptr(mags->front->cpu, cpu), list);
	for (node = 0; node < nr_node_ids; node++)
		detach_depot(&mags->depots[node], list);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_detach);

static void flush_list(struct quarry_mags *mags, struct quarry_magazine *list)
{
	struct quarry_magazine *next;

	for (; list; list = next) {
		cond_resched();
		next = list->next;
		if (list->count)
			mags->ops->drain(mags, list->objs, list->count);
		free_magazine(mags, list);
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
	detach_cpu(per_cpu_ptr(mags->front->cpu, cpu), &list);
	flush_list(mags, list);
}

void quarry_mags_fini(struct quarry_mags *mags)
{
	if (!quarry_mags_is_cold(mags))
		free_percpu(mags->front->cpu);
	kfree(mags->depots);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_fini);
