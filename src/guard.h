/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guards: what the caches of a heap that tracks or is hardened do with each object.
 */
#ifndef _QUARRY_GUARD_H
#define _QUARRY_GUARD_H

#include <linux/atomic.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <quarry/heap.h>

struct quarry_slab;
struct quarry_slab_cache;

/* A quarantine holds at most so many objects, and at most so many bytes. */
#define QUARRY_QUARANTINE_OBJS	64U
#define QUARRY_QUARANTINE_BYTES	65536U

/* Bytes of red zone behind each object, at least. */
#define QUARRY_RED_MIN		sizeof(long)

struct quarry_guard {
	bool hardened;			/* constant: all of it, not only the notes */
	unsigned int capacity;		/* constant: objects in quarantine */
	u64 secret;			/* constant: what the order comes from, with the next */
	atomic64_t nr_taken;
	raw_spinlock_t lock;
	/* everything below under lock */
	unsigned int nr;		/* objects held */
	unsigned int next;		/* where the next one goes: the oldest, if all are taken */
	void *held[QUARRY_QUARANTINE_OBJS];
};

/* Bytes to leave behind each object; at least two in all, to have room for the notes. */
static inline size_t quarry_guard_behind(unsigned int guards, size_t size)
{
	if (guards & QUARRY_HEAP_HARDENED)
		return QUARRY_RED_MIN;
	return guards && size == 1;
}

void quarry_guard_init(struct quarry_slab_cache *sc);

/* Notes, poison and red zones of a slab that nobody has seen yet. */
void quarry_guard_prepare(struct quarry_slab_cache *sc, struct quarry_slab *slab);

/* quarry_slab_take(), in no order that can be foretold. */
unsigned int quarry_guard_take(struct quarry_slab_cache *sc, struct quarry_slab *slab, void **objs,
			       unsigned int nr);

/* An object is about to be handed out for @site: was it written to while it was free? */
void quarry_guard_alloc(struct quarry_slab_cache *sc, void *obj, const struct quarry_site *site);

/*
 * @caller frees @obj, whatever that is: true if it is a live object of @sc, which it is not
 * any more then, but the caller's alone.  Else there is a report and nothing has changed.
 * Preemption is off, or nothing that @sc is can go away meanwhile.  Any context.
 */
bool quarry_guard_claim(struct quarry_slab_cache *sc, const void *obj, unsigned long caller);

/* An object that was claimed: was it overrun?  It is wiped.  Any context. */
void quarry_guard_wipe(struct quarry_slab_cache *sc, void *obj);

/*
 * The same, and it goes into quarantine.  Returns the one to go on with, which may be
 * another that has been there, or NULL.
 */
void *quarry_guard_retire(struct quarry_slab_cache *sc, void *obj);

/* Is this an object that was handed out and not freed?  Preemption is off. */
bool quarry_guard_is_live(struct quarry_slab *slab, const void *obj);

/* What is known of the object that @addr lies in.  Preemption is off. */
void quarry_guard_explain(struct quarry_slab *slab, const void *addr);

/* What is in quarantine goes to its slabs.  Any context but NMI, no lock held. */
void quarry_guard_drain(struct quarry_slab_cache *sc);
unsigned int quarry_guard_nr_held(struct quarry_guard *guard);

/* Under cache->lock: no object that is free in the slab is live; adds up those that are. */
bool quarry_guard_verify(struct quarry_slab_cache *sc, struct quarry_slab *slab,
			 unsigned long *live);

#endif /* _QUARRY_GUARD_H */
