/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The per-CPU front of everything that hands out equal things: the inline
 * fast path.  Users include <quarry/cache.h>, <quarry/heap.h>; this header
 * holds only what inlining needs.
 *
 * A magazine is a fixed-capacity stack of free objects (Bonwick and Adams,
 * "Magazines and Vmem", USENIX 2001).  Each CPU has two: loaded and previous.
 * Only its own CPU touches a magazine that is in place, with preemption off
 * and its busy byte taken; an interrupt that finds the byte taken goes to the
 * depot.  Draining from another CPU exchanges the two pointers for the static
 * empty magazine (count = capacity = 0, so that it misses both ways) and waits
 * for a grace period, which preemption off holds back.  Whatever is rare
 * works by making this path miss, never by another test in it.
 */
#ifndef _QUARRY_MAGAZINE_H
#define _QUARRY_MAGAZINE_H

#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/types.h>
#include <quarry/site.h>

/* private: layout is covered by quarry_abi_4 */
struct quarry_magazine {
	/*
	 * In the depot, under its lock.  First, so that @count, which each operation writes, is
	 * not where fronts are, which the next one reads: at the beginning of a cache or a slab's
	 * descriptor.  A processor that tells addresses apart by their lower 12 bits has a load
	 * wait for a store that only looks like its own.
	 */
	struct quarry_magazine *next;
	unsigned int count;
	unsigned int capacity;
	void *objs[];
};

/* private: one cache line per CPU and front */
struct quarry_cpu {
	struct quarry_magazine *loaded;
	struct quarry_magazine *previous;
	struct quarry_magazine *waiting;	/* being filled for a grace period, or NULL */
	/* events of this CPU, written only with busy taken */
	unsigned long nr_alloc;		/* served from loaded */
	unsigned long nr_free;		/* taken by loaded */
	unsigned long nr_alloc_previous;	/* after exchanging the two */
	unsigned long nr_free_previous;
	u8 busy;
	/* the heap's ticks only (capacity.c) */
	u8 idle;			/* ticks without an event */
	/* with busy taken: nr_free, its low bits, when a free last exchanged loaded and previous */
	u16 turned;
	/* the heap's ticks only */
	u32 seen;			/* events at the last of them */
} __aligned(64);

/* private: what the inline paths need of a front; embedded first */
struct quarry_front {
	struct quarry_cpu __percpu *cpu;
};

/*
 * Take an object from this CPU's loaded magazine; NULL if that is empty, or if
 * this is an interrupt that came between the two halves of the same function.
 * No lock, no locked instruction, no call; interrupts stay on.
 */
static __always_inline void *quarry_front_pop(struct quarry_front *front)
{
	struct quarry_magazine *mag;
	struct quarry_cpu *c;
	void *obj = NULL;

	preempt_disable();
	c = this_cpu_ptr(front->cpu);
	if (likely(!c->busy)) {
		/*
		 * Plain stores: an interrupt between the test and the store
		 * runs to its end and leaves the byte clear.
		 */
		WRITE_ONCE(c->busy, 1);
		barrier();
		/* Pairs with xchg() in quarry_mags_detach_cpu(). */
		mag = READ_ONCE(c->loaded);
		if (likely(mag->count)) {
			obj = mag->objs[--mag->count];
			c->nr_alloc++;
		}
		barrier();
		WRITE_ONCE(c->busy, 0);
	}
	preempt_enable();
	return obj;
}

/* quarry_front_push() for who has preemption off already. */
static __always_inline bool __quarry_front_push(struct quarry_front *front, void *obj)
{
	struct quarry_magazine *mag;
	struct quarry_cpu *c;
	bool done = false;

	c = this_cpu_ptr(front->cpu);
	if (likely(!c->busy)) {
		WRITE_ONCE(c->busy, 1);
		barrier();
		/* Pairs with xchg() in quarry_mags_detach_cpu(). */
		mag = READ_ONCE(c->loaded);
		if (likely(mag->count < mag->capacity)) {
			mag->objs[mag->count++] = obj;
			c->nr_free++;
			done = true;
		}
		barrier();
		WRITE_ONCE(c->busy, 0);
	}
	return done;
}

/* Put an object into this CPU's loaded magazine; false if that has no room. */
static __always_inline bool quarry_front_push(struct quarry_front *front, void *obj)
{
	bool done;

	preempt_disable();
	done = __quarry_front_push(front, obj);
	preempt_enable();
	return done;
}

#endif /* _QUARRY_MAGAZINE_H */
