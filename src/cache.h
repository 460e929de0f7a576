/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Caches: the slabs of one kind of object behind a magazine front.
 */
#ifndef _QUARRY_SRC_CACHE_H
#define _QUARRY_SRC_CACHE_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <quarry/cache.h>

#include "guard.h"
#include "magazine.h"
#include "pages.h"
#include "slab.h"

#define QUARRY_NAME_SIZE	32

/* Lists of slabs: by quarters of objects in use, then the two ends. */
enum {
	QUARRY_SLABS_PARTIAL,				/* 0 .. 3: emptiest .. fullest */
	QUARRY_SLABS_EMPTY = QUARRY_SLABS_PARTIAL + 4,
	QUARRY_SLABS_FULL,
	QUARRY_SLABS_NR_LISTS,
};

struct quarry_slab_cache {
	struct quarry_cache cache;		/* first: public part */
	struct quarry_front veiled;		/* see quarry_cache_is_veiled() */
	struct quarry_mags mags;
	struct quarry_guard *guard;		/* constant: of a heap that tracks, or NULL */
	struct quarry_pages *pages;		/* constant, as the next nine */
	struct quarry_slab_layout layout;
	unsigned int size;			/* object size as asked for, bytes */
	unsigned int wipe_size;			/* bytes that may be wiped: all or none */
	unsigned int flags;			/* QUARRY_DATA, ... */
	enum quarry_kind kind;
	void (*ctor)(void *obj);
	bool constructed;			/* it has, or had, a constructor */
	bool dead;				/* the constructor's module has gone */
	const struct quarry_site *site;		/* birthplace */
	char name[QUARRY_NAME_SIZE];
	struct quarry_heap *heap;
	struct list_head node;			/* under heap->mutex */
	raw_spinlock_t lock;
	/* everything below under lock */
	unsigned long nr_slabs;
	unsigned long nr_empty;
	unsigned long nr_pages;
	unsigned long nr_objs;			/* in all slabs */
	unsigned long nr_free;			/* free in slabs, without magazines */
	struct quarry_slab_node {
		struct list_head slabs[QUARRY_SLABS_NR_LISTS];
	} nodes[];				/* nr_node_ids of them */
};

struct quarry_slab_cache_stats {
	struct quarry_mags_stats mags;
	unsigned long nr_slabs, nr_pages, nr_objs, nr_free;
	unsigned long nr_cached;		/* in magazines and depots */
};

static inline struct quarry_slab_cache *to_slab_cache(const struct quarry_cache *cache)
{
	return container_of(cache, struct quarry_slab_cache, cache);
}

/*
 * A cache whose every object needs more than the inline paths do is veiled: those see a
 * front that never has or takes anything, and the functions behind them use the real one.
 */
static inline bool quarry_cache_is_veiled(const struct quarry_slab_cache *sc)
{
	return sc->mags.front == &sc->veiled;
}

/* How many bytes of an object are to be zeroed before it is handed out; @gfp was not refused. */
static inline size_t quarry_cache_zeroes(const struct quarry_slab_cache *sc, gfp_t gfp)
{
	if ((gfp & __GFP_ZERO) || (sc->flags & QUARRY_ZEROED))
		return sc->size;
	return want_init_on_alloc(gfp) ? sc->wipe_size : 0;
}

/* Is __GFP_ZERO refused, after a report? */
bool quarry_cache_refuses_zero(const struct quarry_slab_cache *sc, gfp_t gfp);

/* Zeroed, for quarry_slab_cache_init(); NULL if there is no memory. */
struct quarry_slab_cache *quarry_slab_cache_alloc(const struct quarry_pages *pages, gfp_t gfp);
/* Parameters have been checked.  Nothing is allocated. */
void quarry_slab_cache_init(struct quarry_slab_cache *sc, struct quarry_pages *pages,
			    const char *name, size_t size, size_t align, unsigned int flags,
			    void (*ctor)(void *obj), unsigned int magazine_bytes);
/*
 * Magazines have been flushed and nobody uses the cache.  Gives all slabs back.  After a
 * grace period quarry_slab_cache_free() frees the rest.
 */
void quarry_slab_cache_fini(struct quarry_slab_cache *sc);
void quarry_slab_cache_free(struct quarry_slab_cache *sc);

/* QUARRY_DEFER_SLABS: pending objects of a slab that have waited long enough are freed. */
void quarry_slab_serve_pending(struct quarry_defer *defer, struct llist_node *node);

/* Slabs without any object in use go back to the page heap. */
void quarry_slab_cache_free_empty(struct quarry_slab_cache *sc);

/*
 * What quarry_cache_free() does, for who knows whom it is done for.  @caller: an address in
 * code.
 */
void quarry_cache_free_for(struct quarry_slab_cache *sc, void *obj, unsigned long caller);
/* The second half: the object has been claimed, or the cache has no guard. */
void quarry_cache_give_back(struct quarry_slab_cache *sc, void *obj);

void quarry_slab_cache_get_stats(struct quarry_slab_cache *sc,
				 struct quarry_slab_cache_stats *stats);
int quarry_slab_cache_verify(struct quarry_slab_cache *sc);

#endif /* _QUARRY_SRC_CACHE_H */
