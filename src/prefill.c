// SPDX-License-Identifier: GPL-2.0
/*
 * Objects set aside for a section that must not fail.
 *
 * A prefill is a stack of objects that were allocated in bulk and belong to one
 * caller; taking one is a pop, so that it works anywhere.  The stack is memory of the
 * same heap: limits and destruction see it.
 *
 * Locking: none, the caller serialises calls on one prefill.
 *
 * Invariant: nr <= capacity, objs[0 .. nr) are allocated and in nobody else's hands.
 */
#include <linux/err.h>
#include <linux/string.h>

#include <quarry/heap.h>

#include "cache.h"
#include "internal.h"

struct quarry_prefill {
	struct quarry_cache *cache;	/* constant */
	unsigned int nr;
	unsigned int capacity;
	void **objs;			/* NULL if capacity is 0 */
};

static_assert(QUARRY_PREFILL_MAX * sizeof(void *) <= QUARRY_EXTENT_MAX_SIZE);

static struct quarry_heap *heap_of(const struct quarry_cache *cache)
{
	return to_slab_cache(cache)->heap;
}

/* Flags for the list, which is neither of the objects' node nor zeroed. */
static gfp_t list_gfp(gfp_t gfp)
{
	return gfp & ~(__GFP_THISNODE | __GFP_ZERO);
}

static int check(struct quarry_cache *cache, gfp_t gfp, unsigned int nr)
{
	if (quarry_refuse_flags(gfp))
		return -EINVAL;
	if (nr > QUARRY_PREFILL_MAX) {
		quarry_report("cache %s: %u objects are too many to set aside\n",
			      to_slab_cache(cache)->name, nr);
		return -EINVAL;
	}
	return quarry_cache_refuses_zero(to_slab_cache(cache), gfp) ? -EINVAL : 0;
}

/* A longer list; the old one stays if there is no memory. */
static int grow(struct quarry_prefill *prefill, gfp_t gfp, unsigned int nr,
		const struct quarry_site *site)
{
	void **objs;

	if (nr <= prefill->capacity)
		return 0;
	objs = quarry_alloc_site(heap_of(prefill->cache), nr * sizeof(*objs), list_gfp(gfp),
				 QUARRY_KIND_PTR, site);
	if (!objs)
		return -ENOMEM;
	if (prefill->nr)
		memcpy(objs, prefill->objs, prefill->nr * sizeof(*objs));
	quarry_free(prefill->objs);
	prefill->objs = objs;
	prefill->capacity = nr;
	return 0;
}

static int fill(struct quarry_prefill *prefill, gfp_t gfp, unsigned int nr,
		const struct quarry_site *site)
{
	unsigned int more;

	if (nr <= prefill->nr)
		return 0;
	if (grow(prefill, gfp, nr, site))
		return -ENOMEM;
	more = nr - prefill->nr;
	if (!quarry_cache_alloc_bulk_site(prefill->cache, gfp, more, prefill->objs + prefill->nr,
					  site))
		return -ENOMEM;
	prefill->nr = nr;
	return 0;
}

struct quarry_prefill *quarry_prefill_site(struct quarry_cache *cache, gfp_t gfp, unsigned int nr,
					   const struct quarry_site *site)
{
	struct quarry_prefill *prefill;
	int ret = check(cache, gfp, nr);

	if (ret)
		return ERR_PTR(ret);
	prefill = quarry_alloc_site(heap_of(cache), sizeof(*prefill), list_gfp(gfp),
				    QUARRY_KIND_PTR, site);
	if (!prefill)
		return ERR_PTR(-ENOMEM);
	*prefill = (struct quarry_prefill) { .cache = cache };
	ret = fill(prefill, gfp, nr, site);
	if (ret) {
		quarry_prefill_return(prefill);
		return ERR_PTR(ret);
	}
	return prefill;
}
EXPORT_SYMBOL_GPL(quarry_prefill_site);

void *quarry_prefill_alloc(struct quarry_prefill *prefill)
{
	if (likely(prefill->nr))
		return prefill->objs[--prefill->nr];
	quarry_report("cache %s: nothing is left of what was set aside\n",
		      to_slab_cache(prefill->cache)->name);
	return NULL;
}
EXPORT_SYMBOL_GPL(quarry_prefill_alloc);

unsigned int quarry_prefill_left(const struct quarry_prefill *prefill)
{
	return prefill->nr;
}
EXPORT_SYMBOL_GPL(quarry_prefill_left);

int quarry_prefill_refill_site(struct quarry_prefill *prefill, gfp_t gfp, unsigned int nr,
			       const struct quarry_site *site)
{
	int ret = check(prefill->cache, gfp, nr);

	return ret ?: fill(prefill, gfp, nr, site);
}
EXPORT_SYMBOL_GPL(quarry_prefill_refill_site);

void quarry_prefill_return(struct quarry_prefill *prefill)
{
	if (IS_ERR_OR_NULL(prefill))
		return;
	quarry_cache_free_bulk(prefill->cache, prefill->nr, prefill->objs);
	quarry_free(prefill->objs);
	quarry_free(prefill);
}
EXPORT_SYMBOL_GPL(quarry_prefill_return);
