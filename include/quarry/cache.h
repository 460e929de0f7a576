/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Object caches: alloc and free of objects of one size.
 */
#ifndef _QUARRY_CACHE_H
#define _QUARRY_CACHE_H

#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/string.h>
#include <quarry/magazine.h>
#include <quarry/site.h>

struct module;
struct quarry_heap;

/* Cache flags */
#define QUARRY_DATA		BIT(0)	/* objects hold no pointers */
#define QUARRY_HWCACHE_ALIGN	BIT(1)	/* align to the cache line */
#define QUARRY_ZEROED		BIT(2)	/* every object is handed out zeroed; no constructor */
/*
 * Readers under rcu_read_lock() may hold pointers to objects that are freed: an object may
 * be another one of the same cache at any time, but its memory is nothing else until a grace
 * period has passed.  What SLAB_TYPESAFE_BY_RCU is: see <linux/slab.h> for how to read.
 */
#define QUARRY_TYPESAFE_BY_RCU	BIT(3)

/* Largest object of a cache, bytes. */
#define QUARRY_CACHE_MAX_SIZE	(256UL << 10)

/* Flags that the inline path leaves to the slow one, which refuses what it cannot honour. */
#define QUARRY_GFP_SLOW	(__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_MOVABLE | \
			 __GFP_THISNODE | __GFP_NOFAIL | __GFP_ACCOUNT)

/**
 * struct quarry_cache - all slabs of one kind of object
 *
 * Opaque but for what the inline paths read.
 */
struct quarry_cache {
	/* private: */
	struct quarry_front front;
	unsigned int zero_size;		/* bytes init_on_alloc/free and __GFP_ZERO wipe, or 0 */
};

/**
 * quarry_cache_create_site() - make a cache; use quarry_cache_create()
 * @heap: heap the slabs come from
 * @name: name shown in debugfs; copied
 * @size: object size in bytes, 1 to %QUARRY_CACHE_MAX_SIZE; below 8 only with %QUARRY_DATA
 * @align: alignment in bytes, 0 or a power of two up to %PAGE_SIZE.  0 means natural
 *         alignment for powers of two and %ARCH_KMALLOC_MINALIGN for other sizes
 *         (for %QUARRY_DATA of less than 8 bytes: the size).
 * @flags: %QUARRY_DATA, %QUARRY_HWCACHE_ALIGN, %QUARRY_ZEROED, %QUARRY_TYPESAFE_BY_RCU;
 *         others are refused.  The last two exclude each other.
 * @ctor: run once on each object when its slab is made and never again, so that an
 *        object must be freed in its constructed state; or NULL.  Called in the
 *        context of an allocation and must not sleep or allocate.
 * @site: where the cache is created
 *
 * Context: Process context, may sleep.
 * Return: the cache or ERR_PTR:
 * * %-EINVAL - a parameter is out of range; a line in the kernel log says which
 * * %-ENOMEM - no memory
 */
struct quarry_cache *quarry_cache_create_site(struct quarry_heap *heap, const char *name,
					      size_t size, size_t align, unsigned int flags,
					      void (*ctor)(void *obj),
					      const struct quarry_site *site);

/**
 * quarry_cache_create() - make a cache
 * @heap: see quarry_cache_create_site()
 * @name: see there
 * @size: see there
 * @align: see there
 * @flags: see there
 * @ctor: see there
 *
 * Context: Process context, may sleep.
 * Return: the cache or ERR_PTR, see quarry_cache_create_site().
 */
#define quarry_cache_create(heap, name, size, align, flags, ctor) \
	quarry_cache_create_site(heap, name, size, align, flags, ctor, QUARRY_SITE())

/**
 * QUARRY_CACHE() - make a cache for a struct type
 * @heap: heap the slabs come from
 * @type: the type, such as struct foo
 * @flags: see quarry_cache_create_site()
 *
 * Context: Process context, may sleep.
 * Return: the cache or ERR_PTR, see quarry_cache_create_site().
 */
#define QUARRY_CACHE(heap, type, flags) \
	quarry_cache_create(heap, #type, sizeof(type), __alignof__(type), flags, NULL)

/**
 * quarry_cache_destroy() - give back a cache and all its memory
 * @cache: the cache, or NULL or an ERR_PTR
 *
 * All objects should have been freed; what is still allocated is reported with
 * its count and becomes invalid.  The caller guarantees that no one uses the
 * cache any more.
 *
 * Context: Process context, may sleep (waits for an RCU grace period).
 */
void quarry_cache_destroy(struct quarry_cache *cache);

/**
 * quarry_cache_shrink() - give cached free objects and empty slabs back to the heap
 * @cache: the cache, which may be in use meanwhile
 *
 * Drains the magazines of all CPUs and the depots.
 *
 * Context: Process context, may sleep (waits for an RCU grace period).
 */
void quarry_cache_shrink(struct quarry_cache *cache);

/**
 * quarry_cache_alloc_slow() - what the inline path of quarry_cache_alloc() leaves over
 * @cache: the cache
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_cache_alloc().
 * Return: an object or NULL.
 */
void *quarry_cache_alloc_slow(struct quarry_cache *cache, gfp_t gfp,
			      const struct quarry_site *site);

/**
 * quarry_cache_alloc_node_site() - allocate one object of a node; use quarry_cache_alloc_node()
 * @cache: the cache
 * @gfp: allocation flags
 * @node: NUMA node or %NUMA_NO_NODE
 * @site: call site
 *
 * Context: As quarry_cache_alloc().
 * Return: an object or NULL.
 */
void *quarry_cache_alloc_node_site(struct quarry_cache *cache, gfp_t gfp, int node,
				   const struct quarry_site *site);

/**
 * quarry_cache_zero_slow() - what %__GFP_ZERO means where init_on_alloc means nothing
 * @cache: a cache with a constructor or of %QUARRY_TYPESAFE_BY_RCU
 * @obj: the object just taken, which goes back if there is a constructor
 *
 * Context: As quarry_cache_alloc().
 * Return: @obj, zeroed, or NULL after a report.
 */
void *quarry_cache_zero_slow(struct quarry_cache *cache, void *obj);

/**
 * quarry_cache_free_slow() - what the inline path of quarry_cache_free() leaves over
 * @cache: the cache
 * @obj: the object
 *
 * Context: As quarry_cache_free().
 */
void quarry_cache_free_slow(struct quarry_cache *cache, void *obj);

/**
 * quarry_cache_object_size() - usable bytes of each object of a cache
 * @cache: the cache
 *
 * Context: Any.
 * Return: the size the cache was created with, in bytes.
 */
size_t quarry_cache_object_size(const struct quarry_cache *cache);

static __always_inline __malloc void *
quarry_cache_alloc_site(struct quarry_cache *cache, gfp_t gfp, const struct quarry_site *site)
{
	void *obj;

	might_alloc(gfp);
	if (likely(!(gfp & QUARRY_GFP_SLOW))) {
		obj = quarry_front_pop(&cache->front);
		if (likely(obj)) {
			if (unlikely(want_init_on_alloc(gfp))) {
				/* Constructed objects cannot be zeroed: refused there. */
				if ((gfp & __GFP_ZERO) && !cache->zero_size)
					return quarry_cache_zero_slow(cache, obj);
				memset(obj, 0, cache->zero_size);
			}
			return obj;
		}
	}
	return quarry_cache_alloc_slow(cache, gfp, site);
}

/**
 * quarry_cache_alloc() - allocate one object
 * @cache: the cache
 * @gfp: %GFP_KERNEL, %GFP_ATOMIC, ...; %__GFP_ZERO zeroes the object (not allowed
 *       for caches with a constructor); %__GFP_THISNODE: from the heap's
 *       node or, if it has none, the CPU's, or not at all.  Flags that ask for a zone,
 *       memcg accounting or no failure are refused: NULL and one line in the log.
 *
 * Context: Any; sleeps only if @gfp allows it.  In hardirq only what the heap already has
 * can be handed out: it does not grow; in NMI only what this CPU's magazines and the depot hold.
 * Return: the object, or NULL if there is no memory or the heap's limit is reached.
 */
#define quarry_cache_alloc(cache, gfp) quarry_cache_alloc_site(cache, gfp, QUARRY_SITE())

/**
 * quarry_cache_alloc_node() - allocate one object of a node
 * @cache: the cache
 * @gfp: see quarry_cache_alloc(); with %__GFP_THISNODE from @node or not at all, else
 *       from the nearest node that has some
 * @node: NUMA node; %NUMA_NO_NODE makes this quarry_cache_alloc()
 *
 * Goes past the magazines, which hold objects of any node: slower than
 * quarry_cache_alloc().
 *
 * Context: As quarry_cache_alloc().
 * Return: as quarry_cache_alloc(); NULL, and a line in the log, if @node is not online.
 */
#define quarry_cache_alloc_node(cache, gfp, node) \
	quarry_cache_alloc_node_site(cache, gfp, node, QUARRY_SITE())

/**
 * quarry_cache_free() - free one object
 * @cache: the cache it came from
 * @obj: the object; not NULL
 *
 * Context: Any, NMI too; never sleeps.
 */
static __always_inline void quarry_cache_free(struct quarry_cache *cache, void *obj)
{
	if (unlikely(want_init_on_free()))
		memset(obj, 0, cache->zero_size);
	if (likely(quarry_front_push(&cache->front, obj)))
		return;
	quarry_cache_free_slow(cache, obj);
}

/**
 * quarry_free_rcu() - free memory after a grace period
 * @ptr: any memory that quarry_free() takes; NULL and %ZERO_SIZE_PTR are ignored
 *
 * For objects that readers under rcu_read_lock() may still look at: what was found there
 * stays as it is until they have ended.  No memory in the object is needed, unlike
 * kfree_rcu()'s.  Objects wait in magazines, each with one callback, and are reusable
 * together; until then they count as allocated, and as "waiting" in debugfs.  Who makes the
 * heap grow and may sleep waits while too much does (an eighth of what is mapped and 1 MiB).
 * What quarry_free() would refuse is refused and reported, some of it only after the
 * grace period.  Destroying the cache or the heap waits.
 *
 * Context: Any, NMI too; never sleeps.
 */
void quarry_free_rcu(const void *ptr);

/* === Many at once === */

/**
 * quarry_cache_alloc_bulk_site() - allocate many objects; use quarry_cache_alloc_bulk()
 * @cache: the cache
 * @gfp: allocation flags
 * @nr: how many
 * @objs: array of @nr pointers
 * @site: call site
 *
 * Context: As quarry_cache_alloc().
 * Return: @nr or 0.
 */
unsigned int quarry_cache_alloc_bulk_site(struct quarry_cache *cache, gfp_t gfp, unsigned int nr,
					  void **objs, const struct quarry_site *site);

/**
 * quarry_cache_alloc_bulk() - allocate many objects, all or none
 * @cache: the cache
 * @gfp: see quarry_cache_alloc()
 * @nr: how many; may be 0, and more than any magazine or slab holds
 * @objs: array of @nr pointers, filled; undefined if none are returned
 *
 * Copies from this CPU's magazines in one section, then from whole magazines of the
 * depot, and fills the rest from the slabs, so that an object costs a fraction of a
 * quarry_cache_alloc().  They are in no order.  What was taken when the memory ran
 * out goes back, and counts as allocated and freed.
 *
 * Context: As quarry_cache_alloc().
 * Return: @nr, or 0 if there is no memory for all of them, the heap's limit is reached
 * or a flag is refused.
 */
#define quarry_cache_alloc_bulk(cache, gfp, nr, objs) \
	quarry_cache_alloc_bulk_site(cache, gfp, nr, objs, QUARRY_SITE())

/**
 * quarry_cache_free_bulk() - free many objects
 * @cache: the cache all of them came from
 * @nr: how many; may be 0
 * @objs: array of @nr pointers, which is only read.  None may be NULL: such a one is
 *        reported and skipped.
 *
 * They need not have been allocated together.
 *
 * Context: As quarry_cache_free().
 */
void quarry_cache_free_bulk(struct quarry_cache *cache, unsigned int nr, void **objs);

/* === Objects set aside for a section that must not fail === */

struct quarry_prefill;

/* Most objects that may be set aside in one. */
#define QUARRY_PREFILL_MAX	(64U << 10)

/**
 * quarry_prefill_site() - set objects aside; use quarry_cache_prefill()
 * @cache: the cache
 * @gfp: allocation flags
 * @nr: how many
 * @site: call site
 *
 * Context: As quarry_cache_alloc().
 * Return: see quarry_cache_prefill().
 */
struct quarry_prefill *quarry_prefill_site(struct quarry_cache *cache, gfp_t gfp, unsigned int nr,
					   const struct quarry_site *site);

/**
 * quarry_cache_prefill() - set objects aside for a section that must not fail
 * @cache: the cache
 * @gfp: see quarry_cache_alloc(); with %__GFP_ZERO all objects are zeroed now
 * @nr: how many, 0 to %QUARRY_PREFILL_MAX
 *
 * For a caller who knows how many objects a section may need at most and can still
 * fail before it: set them aside, take the locks, quarry_prefill_alloc() each as
 * it is needed, release the locks, quarry_prefill_return() the rest.  What
 * kmem_cache_prefill_sheaf() does, and what a mempool_t is used for.
 *
 * The objects count as allocated from here on.  The list of them is memory of the
 * cache's heap.  The prefill must be returned before the cache is destroyed.
 *
 * Context: As quarry_cache_alloc(); hardirq has to find memory for the list, too, among
 * what the heap already has of that size.
 * Return: the prefill or ERR_PTR:
 * * %-EINVAL - @nr is out of range or a flag is refused; a line in the log says which
 * * %-ENOMEM - no memory for all of them; none is taken
 */
#define quarry_cache_prefill(cache, gfp, nr) \
	quarry_prefill_site(cache, gfp, nr, QUARRY_SITE())

/**
 * quarry_prefill_alloc() - take one of the objects set aside
 * @prefill: where from
 *
 * Never fails as long as there is one left.  It is freed with quarry_cache_free()
 * or quarry_cache_free_bulk() as any other.
 *
 * Context: Any, NMI included; the caller serialises calls on one prefill.
 * Return: an object; NULL, after a report, if all have been taken.
 */
void *quarry_prefill_alloc(struct quarry_prefill *prefill);

/**
 * quarry_prefill_left() - how many objects are still set aside
 * @prefill: where
 *
 * Context: Any; the caller serialises calls on one prefill.
 * Return: the number of calls of quarry_prefill_alloc() that will not fail.
 */
unsigned int quarry_prefill_left(const struct quarry_prefill *prefill);

/**
 * quarry_prefill_refill_site() - set more objects aside; use quarry_prefill_refill()
 * @prefill: where
 * @gfp: allocation flags
 * @nr: how many there shall be
 * @site: call site
 *
 * Context: As quarry_cache_alloc().
 * Return: see quarry_prefill_refill().
 */
int quarry_prefill_refill_site(struct quarry_prefill *prefill, gfp_t gfp, unsigned int nr,
			       const struct quarry_site *site);

/**
 * quarry_prefill_refill() - set aside as many as are missing
 * @prefill: where
 * @gfp: see quarry_cache_prefill(); counts for the objects that are added only
 * @nr: how many there shall be, 0 to %QUARRY_PREFILL_MAX; if there are more, they stay
 *
 * Context: As quarry_cache_alloc(); the caller serialises calls on one prefill.
 * Return: 0; if not, what was there still is, and none was added:
 * * %-EINVAL - @nr is out of range or a flag is refused; a line in the log says which
 * * %-ENOMEM - no memory for all of them
 */
#define quarry_prefill_refill(prefill, gfp, nr) \
	quarry_prefill_refill_site(prefill, gfp, nr, QUARRY_SITE())

/**
 * quarry_prefill_return() - end a prefill and free the objects that were not taken
 * @prefill: which, or NULL or an ERR_PTR
 *
 * Context: As quarry_cache_free(); the caller serialises calls on one prefill.
 */
void quarry_prefill_return(struct quarry_prefill *prefill);
/**
 * quarry_mempool_alloc() - the mempool_alloc_t of a pool of a cache's objects
 * @gfp: allocation flags
 * @pool_data: the cache
 *
 * For mempool_create(min_nr, quarry_mempool_alloc, quarry_mempool_free, cache).  The
 * cache must outlive the pool.
 *
 * Context: As quarry_cache_alloc().
 * Return: an object or NULL.
 */
void *quarry_mempool_alloc(gfp_t gfp, void *pool_data);

/**
 * quarry_mempool_free() - the mempool_free_t of a pool of a cache's objects
 * @element: the object
 * @pool_data: the cache
 *
 * Context: As quarry_cache_free().
 */
void quarry_mempool_free(void *element, void *pool_data);

#endif /* _QUARRY_CACHE_H */
