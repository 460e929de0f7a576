// SPDX-License-Identifier: GPL-2.0
/*
 * Many objects at once: bulk calls.
 *
 *	objs[]  <── copied ── loaded, previous of this CPU	one section, no lock
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
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "cache.h"
#include "internal.h"

/* Objects per step of the slow paths. */
#define CHUNK	256U

/* === The two magazines of this CPU; preemption off and busy taken === */

/* The static empty magazine is never written: nothing is without a count or room. */
static __always_inline unsigned int take(struct quarry_magazine *mag, void **objs,
					 unsigned int nr)
{
	unsigned int n = min(mag->count, nr);

	if (n) {
		mag->count -= n;
		memcpy(objs, &mag->objs[mag->count], n * sizeof(*objs));
	}
	return n;
}

/* Objects up to the first NULL. */
static __always_inline unsigned int nr_valid(void **objs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (unlikely(!objs[i]))
			break;
	return i;
}

/* Copies up to the first NULL. */
static __always_inline unsigned int give(struct quarry_magazine *mag, void **objs,
					 unsigned int nr)
{
	unsigned int n = nr_valid(objs, min(mag->capacity - mag->count, nr));

	if (n) {
		memcpy(&mag->objs[mag->count], objs, n * sizeof(*objs));
		mag->count += n;
	}
	return n;
}

static __always_inline unsigned int take_from_cpu(struct quarry_front *front, void **objs,
						  unsigned int nr)
{
	struct quarry_cpu *c;
	unsigned int got = 0, n;

	preempt_disable();
	c = this_cpu_ptr(front->cpu);
	if (likely(!c->busy)) {
		WRITE_ONCE(c->busy, 1);
		barrier();
		/* These pair with xchg() in detach_cpu(). */
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

static __always_inline unsigned int give_to_cpu(struct quarry_front *front, void **objs,
						unsigned int nr)
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

	if (!quarry_mags_is_ready(mags, gfp))
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
		atomic_long_add(n, &mags->nr_ended[layer]);
		got += n;
		if (gfpflags_allow_blocking(gfp))
			cond_resched();
	}
	return got;
}

static void give_below(struct quarry_mags *mags, void **objs, unsigned int nr)
{
	atomic_long_add(nr, &mags->nr_free_below);
	mags->ops->drain(mags, objs, nr);
}

static noinline void give_rest(struct quarry_slab_cache *sc, void **objs, unsigned int nr)
{
	struct quarry_mags *mags = &sc->mags;
	bool ready = quarry_mags_is_ready(mags, GFP_NOWAIT);
	unsigned int n;

	for (; nr; objs += n, nr -= n) {
		n = nr_valid(objs, min(nr, CHUNK));
		if (!n) {
			quarry_report("cache %s: bulk free of NULL\n", sc->name);
			n = 1;
			continue;
		}
		if (ready) {
			unsigned int given = quarry_mags_depot_give(mags, objs, n);

			if (given) {
				n = given;
				continue;
			}
		}
		give_below(mags, objs, n);
	}
}

static noinline bool take_rest(struct quarry_slab_cache *sc, gfp_t gfp, void **objs,
			       unsigned int got, unsigned int nr)
{
	/* A node's objects are not in magazines, which hold those of any. */
	if (!(gfp & __GFP_THISNODE))
		got += take_from_depot(&sc->mags, gfp, objs + got, nr - got);
	got += take_from_slabs(&sc->mags, gfp, objs + got, nr - got);
	if (got == nr)
		return true;
	give_rest(sc, objs, got);
	return false;
}

static noinline bool is_refused(struct quarry_cache *cache, gfp_t gfp)
{
	if (quarry_refuse_flags(gfp) || in_nmi())
		return true;
	if ((gfp & __GFP_ZERO) && !cache->zero_size) {
		quarry_cache_refuse_zero(cache, NULL);
		return true;
	}
	return false;
}

static noinline void wipe(const struct quarry_cache *cache, void **objs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (objs[i])
			memset(objs[i], 0, cache->zero_size);
}

/* === Public interface === */

unsigned int quarry_cache_alloc_bulk_site(struct quarry_cache *cache, gfp_t gfp, unsigned int nr,
					  void **objs, const struct quarry_site *site)
{
	unsigned int got = 0;

	might_alloc(gfp);
	if (unlikely(gfp & (QUARRY_GFP_SLOW | __GFP_ZERO)) && is_refused(cache, gfp))
		return 0;
	if (likely(!(gfp & __GFP_THISNODE)))
		got = take_from_cpu(&cache->front, objs, nr);
	if (unlikely(got < nr) && !take_rest(to_slab_cache(cache), gfp, objs, got, nr))
		return 0;
	if (unlikely(want_init_on_alloc(gfp)))
		wipe(cache, objs, nr);
	return nr;
}
EXPORT_SYMBOL_GPL(quarry_cache_alloc_bulk_site);

void quarry_cache_free_bulk(struct quarry_cache *cache, unsigned int nr, void **objs)
{
	unsigned int given;

	if (unlikely(want_init_on_free()))
		wipe(cache, objs, nr);
	given = give_to_cpu(&cache->front, objs, nr);
	if (unlikely(given < nr))
		give_rest(to_slab_cache(cache), objs + given, nr - given);
}
EXPORT_SYMBOL_GPL(quarry_cache_free_bulk);
