// SPDX-License-Identifier: GPL-2.0
/*
 * Many objects at once: bulk calls.
 *
 *	objs[]  <── copied ── loaded, or with previous, of this CPU	no lock
 *	        <── copied ── a full magazine of the depot	one lock each
 *	        <── refill ── slabs, without a magazine		CHUNK at a time
 *
 * and back the same way; what no magazine takes is drained straight to its slabs.
 *
 * Who may touch a magazine stands in magazine.c.  Here the two of this CPU stay in their
 * places and only their contents change: no pointer is written, so a drain that takes
 * one away meanwhile sees nothing but the section it has to wait for.
 *
 * Objects count where they came from: all that the loaded magazine gave as its, and so
 * on for previous, depot and the layers below.
 *
 * Locking: none of its own; preemption off and busy taken for at most two magazines.
 */
#include <linux/instruction_pointer.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "cache.h"
#include "internal.h"

/* Objects per step of the slow paths. */
#define CHUNK	256U

/* === The loaded magazine is enough: nearly always === */

/* Calls of memcpy() cost more than so few words. */
static __always_inline void copy(void **to, void **from, unsigned int nr)
{
	for (; nr >= 8; nr -= 8, to += 8, from += 8) {
		to[0] = from[0];
		to[1] = from[1];
		to[2] = from[2];
		to[3] = from[3];
		to[4] = from[4];
		to[5] = from[5];
		to[6] = from[6];
		to[7] = from[7];
	}
	while (nr--)
		*to++ = *from++;
}

static __always_inline unsigned long copy_one(void **to, void **from)
{
	void *obj = *from;

	*to = obj;
	return (unsigned long)obj;
}

/*
 * Copies and returns the bits that all pointers have in common: none if there is a
 * NULL, and perhaps without one, but not where all addresses are in the upper half.
 */
static __always_inline unsigned long copy_and(void **to, void **from, unsigned int nr)
{
	unsigned long all = ULONG_MAX;

	for (; nr >= 8; nr -= 8, to += 8, from += 8) {
		all &= copy_one(to, from);
		all &= copy_one(to + 1, from + 1);
		all &= copy_one(to + 2, from + 2);
		all &= copy_one(to + 3, from + 3);
		all &= copy_one(to + 4, from + 4);
		all &= copy_one(to + 5, from + 5);
		all &= copy_one(to + 6, from + 6);
		all &= copy_one(to + 7, from + 7);
	}
	for (; nr; nr--, to++, from++)
		all &= copy_one(to, from);
	return all;
}

/*
 * Takes all @nr objects or none; none of none, so that the static empty magazine is
 * never written.
 */
static __always_inline bool take_loaded(struct quarry_front *front, void **objs, unsigned int nr)
{
	struct quarry_magazine *mag;
	struct quarry_cpu *c;
	bool done = false;

	preempt_disable();
	c = this_cpu_ptr(front->cpu);
	if (likely(!c->busy)) {
		WRITE_ONCE(c->busy, 1);
		barrier();
		/* Pairs with xchg() in quarry_mags_detach_cpu(). */
		mag = READ_ONCE(c->loaded);
		if (likely(nr - 1 < mag->count)) {
			mag->count -= nr;
			c->nr_alloc += nr;
			copy(objs, &mag->objs[mag->count], nr);
			done = true;
		}
		barrier();
		WRITE_ONCE(c->busy, 0);
	}
	preempt_enable();
	return done;
}

/* The same for frees; not if there may be a NULL among them. */
static __always_inline bool give_loaded(struct quarry_front *front, void **objs, unsigned int nr)
{
	struct quarry_magazine *mag;
	struct quarry_cpu *c;
	bool done = false;

	preempt_disable();
	c = this_cpu_ptr(front->cpu);
	if (likely(!c->busy)) {
		WRITE_ONCE(c->busy, 1);
		barrier();
		/* As above. */
		mag = READ_ONCE(c->loaded);
		if (likely(nr - 1 < mag->capacity - mag->count) &&
		    likely(copy_and(&mag->objs[mag->count], objs, nr))) {
			mag->count += nr;
			c->nr_free += nr;
			done = true;
		}
		barrier();
		WRITE_ONCE(c->busy, 0);
	}
	preempt_enable();
	return done;
}

/* === The two magazines of this CPU; preemption off and busy taken === */

static unsigned int take(struct quarry_magazine *mag, void **objs, unsigned int nr)
{
	unsigned int n = min(mag->count, nr);

	if (n) {
		mag->count -= n;
		memcpy(objs, &mag->objs[mag->count], n * sizeof(*objs));
	}
	return n;
}

/* Objects up to the first NULL. */
static unsigned int nr_valid(void **objs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!objs[i])
			break;
	return i;
}

static unsigned int give(struct quarry_magazine *mag, void **objs, unsigned int nr)
{
	unsigned int n = nr_valid(objs, min(mag->capacity - mag->count, nr));

	if (n) {
		memcpy(&mag->objs[mag->count], objs, n * sizeof(*objs));
		mag->count += n;
	}
	return n;
}

static unsigned int take_from_cpu(struct quarry_front *front, void **objs, unsigned int nr)
{
	struct quarry_cpu *c;
	unsigned int got = 0, n;

	preempt_disable();
	c = this_cpu_ptr(front->cpu);
	if (likely(!c->busy)) {
		WRITE_ONCE(c->busy, 1);
		barrier();
		/* These pair with xchg() in quarry_mags_detach_cpu(). */
		got = take(READ_ONCE(c->loaded), objs, nr);
		c->nr_alloc += got;
		if (got < nr) {
			n = take(READ_ONCE(c->previous), objs + got, nr - got);
			c->nr_alloc_previous += n;
			got += n;
		}
		barrier();
		WRITE_ONCE(c->busy, 0);
	}
	preempt_enable();
	return got;
}

static unsigned int give_to_cpu(struct quarry_front *front, void **objs, unsigned int nr)
{
	struct quarry_cpu *c;
	unsigned int given = 0, n;

	preempt_disable();
	c = this_cpu_ptr(front->cpu);
	if (likely(!c->busy)) {
		WRITE_ONCE(c->busy, 1);
		barrier();
		/* As above. */
		given = give(READ_ONCE(c->loaded), objs, nr);
		c->nr_free += given;
		if (given < nr) {
			n = give(READ_ONCE(c->previous), objs + given, nr - given);
			c->nr_free_previous += n;
			given += n;
		}
		barrier();
		WRITE_ONCE(c->busy, 0);
	}
	preempt_enable();
	return given;
}

/* === What they leave over === */

static unsigned int take_from_depot(struct quarry_mags *mags, gfp_t gfp, void **objs,
				    unsigned int nr)
{
	unsigned int got = 0, n;

	if (!nr || !quarry_mags_is_ready(mags, gfp))
		return 0;
	do {
		n = quarry_mags_depot_take(mags, objs + got, nr - got);
		got += n;
	} while (n && got < nr);
	return got;
}

static unsigned int take_from_slabs(struct quarry_mags *mags, gfp_t gfp, void **objs,
				    unsigned int nr)
{
	enum quarry_layer layer;
	unsigned int got = 0, n;

	while (got < nr) {
		layer = QUARRY_LAYER_SLAB;
		n = mags->ops->refill(mags, objs + got, min(nr - got, CHUNK), gfp, NUMA_NO_NODE,
				      &layer);
		if (!n)
			break;
		quarry_mags_took(mags, layer, n, n);
		got += n;
		if (gfpflags_allow_blocking(gfp))
			cond_resched();
	}
	return got;
}

/* In NMI, from what is cached. */
static unsigned int take_singly(struct quarry_mags *mags, gfp_t gfp, void **objs, unsigned int nr)
{
	unsigned int got = 0;

	while (got < nr && !(gfp & __GFP_THISNODE)) {
		objs[got] = quarry_mags_alloc(mags, gfp);
		if (!objs[got])
			break;
		got++;
	}
	return got;
}

static void give_below(struct quarry_mags *mags, void **objs, unsigned int nr)
{
	atomic_long_add(nr, &mags->nr_free_below);
	quarry_mags_drain(mags, objs, nr);
}

static void report_null(const struct quarry_slab_cache *sc)
{
	quarry_report("cache %s: bulk free of NULL\n", sc->name);
}

/* No magazine can be had in NMI. */
static void give_singly(struct quarry_slab_cache *sc, void **objs, unsigned int nr)
{
	for (; nr; objs++, nr--) {
		if (*objs)
			quarry_mags_free(&sc->mags, *objs);
		else
			report_null(sc);
	}
}

static void give_rest(struct quarry_slab_cache *sc, void **objs, unsigned int nr)
{
	struct quarry_mags *mags = &sc->mags;
	bool ready = quarry_mags_is_ready(mags, GFP_NOWAIT);
	unsigned int n, given;

	for (; nr; objs += n, nr -= n) {
		n = nr_valid(objs, min(nr, CHUNK));
		if (!n) {
			report_null(sc);
			n = 1;
			continue;
		}
		given = ready ? quarry_mags_depot_give(mags, objs, n) : 0;
		if (given)
			n = given;
		else
			give_below(mags, objs, n);
	}
}

static void put_back(struct quarry_slab_cache *sc, unsigned int nr, void **objs)
{
	unsigned int given = give_to_cpu(sc->mags.front, objs, nr);

	if (unlikely(in_nmi()))
		give_singly(sc, objs + given, nr - given);
	else
		give_rest(sc, objs + given, nr - given);
}

static noinline void free_slow(struct quarry_cache *cache, unsigned int nr, void **objs,
			       unsigned long caller)
{
	struct quarry_slab_cache *sc = to_slab_cache(cache);
	unsigned int i;

	if (likely(!sc->guard)) {
		put_back(sc, nr, objs);
		return;
	}
	for (i = 0; i < nr; i++)
		quarry_cache_free_for(sc, objs[i], caller);
}

static bool is_refused(struct quarry_cache *cache, gfp_t gfp)
{
	return quarry_refuse_flags(gfp) ||
	       quarry_cache_refuses_zero(to_slab_cache(cache), gfp);
}

static noinline void wipe(unsigned int nr, void **objs, size_t bytes)
{
	unsigned int i;

	for (i = 0; bytes && i < nr; i++)
		if (objs[i])
			memset(objs[i], 0, bytes);
}

static noinline unsigned int alloc_slow(struct quarry_cache *cache, gfp_t gfp, unsigned int nr,
					void **objs, const struct quarry_site *site)
{
	struct quarry_slab_cache *sc = to_slab_cache(cache);
	struct quarry_mags *mags = &sc->mags;
	unsigned int got = 0, i;

	if (is_refused(cache, gfp))
		return 0;
	/* A node's objects are not in magazines, which hold those of any. */
	if (!(gfp & __GFP_THISNODE)) {
		got = take_from_cpu(mags->front, objs, nr);
		if (!in_nmi())
			got += take_from_depot(mags, gfp, objs + got, nr - got);
	}
	got += in_nmi() ? take_singly(mags, gfp, objs + got, nr - got) :
			  take_from_slabs(mags, gfp, objs + got, nr - got);
	if (got < nr) {
		put_back(sc, got, objs);
		return 0;
	}
	if (unlikely(sc->guard))
		for (i = 0; i < nr; i++)
			quarry_guard_alloc(sc, objs[i], site);
	wipe(nr, objs, quarry_cache_zeroes(sc, gfp));
	return nr;
}

/* === Public interface === */

unsigned int quarry_cache_alloc_bulk_site(struct quarry_cache *cache, gfp_t gfp, unsigned int nr,
					  void **objs, const struct quarry_site *site)
{
	might_alloc(gfp);
	/* Zeroing has to be refused to some. */
	if (unlikely(gfp & (QUARRY_GFP_SLOW | __GFP_ZERO)) ||
	    unlikely(!take_loaded(&cache->front, objs, nr)))
		return alloc_slow(cache, gfp, nr, objs, site);
	if (unlikely(want_init_on_alloc(gfp)))
		wipe(nr, objs, cache->zero_size);
	return nr;
}
EXPORT_SYMBOL_GPL(quarry_cache_alloc_bulk_site);

void quarry_cache_free_bulk(struct quarry_cache *cache, unsigned int nr, void **objs)
{
	if (unlikely(want_init_on_free()))
		wipe(nr, objs, cache->zero_size);
	if (unlikely(!give_loaded(&cache->front, objs, nr)))
		free_slow(cache, nr, objs, _RET_IP_);
}
EXPORT_SYMBOL_GPL(quarry_cache_free_bulk);
