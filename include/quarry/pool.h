/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pools: objects that are there before they are needed.
 */
#ifndef _QUARRY_POOL_H
#define _QUARRY_POOL_H

#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/types.h>
#include <quarry/cache.h>
#include <quarry/heap.h>
#include <quarry/site.h>

/* Largest object of a pool, bytes. */
#define QUARRY_POOL_MAX_SIZE	QUARRY_CACHE_MAX_SIZE
/* Most objects that a pool may have. */
#define QUARRY_POOL_MAX_OBJS	BIT(24)

/* Objects of one kind, some of them always there; opaque. */
struct quarry_pool;

/**
 * struct quarry_pool_params - how to make a pool
 * @name: shown in debugfs, where it is cut to 31 characters; copied; or NULL
 * @size: bytes of an object, 1 to %QUARRY_POOL_MAX_SIZE
 * @align: alignment in bytes, a power of two up to %PAGE_SIZE; 0 means 8.  With
 *         %SMP_CACHE_BYTES no two objects share a cache line.
 * @count: objects that are made with the pool and never given up, 1 to
 *         %QUARRY_POOL_MAX_OBJS
 * @max: objects that it may grow to, from @count to %QUARRY_POOL_MAX_OBJS; 0 means @count:
 *       it never grows.  What is to be grown may be 256 MiB, or a little less: chunks of at
 *       most 4 MiB, at most 64 of them.
 * @flags: %QUARRY_DATA if no pointers will be stored; others are refused
 * @ctor: run on each object, which is zero then, when its memory is made, never again; or
 *        NULL.  In process context; must not sleep.
 * @reset: run on each object when it is given back, before anybody else can take it; or
 *         NULL.  In the context of the giver, which may be an interrupt or an NMI.
 *
 * But for that nothing writes to a free object: it is taken as it was given.
 */
struct quarry_pool_params {
	const char *name;
	size_t size;
	size_t align;
	unsigned int count;
	unsigned int max;
	unsigned int flags;
	void (*ctor)(void *obj);
	void (*reset)(void *obj);
};

/**
 * struct quarry_pool_stats - a pool in numbers; all are objects but @misses
 * @count: made with the pool
 * @max: what it may grow to
 * @total: that it has
 * @out: taken and not given back
 * @peak: largest @out so far.  Exact for one CPU at a time; while several take and give a peak
 *        may be missed.
 * @grown: made later, so far
 * @shrunk: of those, given up again
 * @misses: takes that failed, so far
 */
struct quarry_pool_stats {
	u64 count;
	u64 max;
	u64 total;
	u64 out;
	u64 peak;
	u64 grown;
	u64 shrunk;
	u64 misses;
};

/**
 * quarry_pool_create_site() - make a pool; use quarry_pool_create()
 * @heap: heap that its memory comes from
 * @params: how to make it
 * @site: where it is created
 *
 * Context: Process context, may sleep.
 * Return: the pool or ERR_PTR, see quarry_pool_create().
 */
struct quarry_pool *quarry_pool_create_site(struct quarry_heap *heap,
					    const struct quarry_pool_params *params,
					    const struct quarry_site *site);

/**
 * quarry_pool_create() - make a pool
 * @heap: heap that its memory comes from
 * @params: how to make it, see &struct quarry_pool_params
 *
 * Besides @size, rounded up to @align, an object costs 8 bytes.
 *
 * Context: Process context, may sleep.
 * Return: the pool or ERR_PTR:
 * * %-EINVAL - a parameter is out of range; a line in the kernel log says which
 * * %-ENOMEM - no memory for all of @count
 */
#define quarry_pool_create(heap, params) quarry_pool_create_site(heap, params, QUARRY_SITE())

/**
 * QUARRY_POOL() - make a pool of objects of a type
 * @heap: heap that its memory comes from
 * @type: the type, such as struct foo; also the name of the pool
 * @...: other fields of &struct quarry_pool_params: .count = 64, .max = 256
 *
 * Context: Process context, may sleep.
 * Return: the pool or ERR_PTR, see quarry_pool_create().
 */
#define QUARRY_POOL(heap, type, ...)						\
	quarry_pool_create(heap, (&(const struct quarry_pool_params){		\
		.name = #type, .size = sizeof(type), .align = __alignof__(type),	\
		__VA_ARGS__ }))

/**
 * quarry_pool_destroy() - give back a pool and all its memory
 * @pool: the pool, or NULL or an ERR_PTR
 *
 * All objects should have been given back; those that are out are reported with their
 * count and become invalid.  The caller guarantees that no one uses the pool any more.
 *
 * Context: Process context, may sleep (waits for RCU grace periods).
 */
void quarry_pool_destroy(struct quarry_pool *pool);

/**
 * quarry_pool_take() - take an object
 * @pool: the pool
 *
 * As long as less than its count of objects are out this does not fail, whatever CPU
 * and context they were taken in and given back from.  It allocates nothing: a pool that
 * may grow has a worker make more when few are left, and when there was none.
 *
 * Context: Any, NMI too; never sleeps, takes no lock.
 * Return: an object, or NULL if all are out.
 */
void *quarry_pool_take(struct quarry_pool *pool);

/**
 * quarry_pool_take_gfp() - take an object, or make more of them
 * @pool: the pool
 * @gfp: if it allows to sleep (%GFP_KERNEL, %GFP_NOFS, ...) and all are out, the pool grows
 *       at once; else this is quarry_pool_take().  %__GFP_ZERO is refused, as objects keep
 *       their contents, and so are the flags that quarry_alloc() refuses and %__GFP_THISNODE.
 *
 * Context: As quarry_pool_take(); sleeps if @gfp allows it.
 * Return: an object, or NULL if all of max are out or there is no memory.
 */
void *quarry_pool_take_gfp(struct quarry_pool *pool, gfp_t gfp);

/**
 * quarry_pool_give() - give an object back
 * @pool: the pool it was taken from
 * @obj: the object, or NULL
 *
 * What is no object of the pool, or not out, is reported and left alone.
 *
 * Context: Any, NMI too; never sleeps, takes no lock.
 */
void quarry_pool_give(struct quarry_pool *pool, void *obj);

/**
 * quarry_pool_get_stats() - read a pool's numbers
 * @pool: the pool
 * @stats: where to store them
 *
 * Looks at all CPUs' parts; exact while the pool is quiet.
 *
 * Context: Any.
 */
void quarry_pool_get_stats(struct quarry_pool *pool, struct quarry_pool_stats *stats);

/* Kernels that have <linux/cleanup.h> include it from <linux/slab.h>. */
#ifdef DEFINE_FREE
DEFINE_FREE(quarry_pool_destroy, struct quarry_pool *, quarry_pool_destroy(_T))
#endif

#endif /* _QUARRY_POOL_H */
