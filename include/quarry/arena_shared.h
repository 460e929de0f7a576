/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared arenas: any CPU and any context allocates, without a lock.
 */
#ifndef _QUARRY_ARENA_SHARED_H
#define _QUARRY_ARENA_SHARED_H

#include <linux/align.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/percpu.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <quarry/arena.h>
#include <quarry/heap.h>
#include <quarry/site.h>

/* private: a CPU's place in its chunk of PAGE_SIZE << order bytes, in one word */
#define QUARRY_PLACE_BITS	4		/* for the order; the address is above */
#define QUARRY_PLACE_TAIL	16UL		/* bytes that end each chunk, for its header */

static __always_inline unsigned long quarry_place_pos(unsigned long place)
{
	/* Addresses are sign-extended: what was shifted out comes back. */
	return (long)place >> QUARRY_PLACE_BITS;
}

static __always_inline unsigned long quarry_place_mask(unsigned long place)
{
	return (PAGE_SIZE << (place & (BIT(QUARRY_PLACE_BITS) - 1))) - 1;
}

/* Chunks are naturally aligned, and the position stays below the tail or at its start. */
static __always_inline unsigned long quarry_place_end(unsigned long place)
{
	return (quarry_place_pos(place) | quarry_place_mask(place)) + 1 - QUARRY_PLACE_TAIL;
}

/* The place @bytes further on. */
static __always_inline unsigned long quarry_place_add(unsigned long place, size_t bytes)
{
	return place + (bytes << QUARRY_PLACE_BITS);
}

/**
 * struct quarry_arena_shared - an arena that any number of CPUs allocate from at once
 *
 * Opaque but for what the inline paths read.
 */
struct quarry_arena_shared {
	/* private: where each CPU is */
	unsigned long __percpu *places;
};

/**
 * quarry_arena_shared_create_site() - make a shared arena; use quarry_arena_shared_create()
 * @heap: heap the chunks come from
 * @params: how to make it, or NULL for the defaults
 * @gfp: for the first chunk and a word per CPU
 * @site: where it is created
 *
 * Context: See quarry_arena_shared_create().
 * Return: the arena or ERR_PTR, see quarry_arena_shared_create().
 */
struct quarry_arena_shared *
quarry_arena_shared_create_site(struct quarry_heap *heap, const struct quarry_arena_params *params,
				gfp_t gfp, const struct quarry_site *site);

/**
 * quarry_arena_shared_create() - make an arena that any CPU and any context allocates from
 * @heap: heap the chunks come from
 * @params: how to make it, or NULL for the defaults; chunk_max 0 means 32 KiB here, the largest
 *          that magazines hold
 * @gfp: for the first chunk and a word per CPU
 *
 * Each CPU has a chunk of its own to allocate from; the chunks of one CPU double from 4 KiB
 * to @params->chunk_max.  The kernel's per-CPU allocator is called: make one for
 * long, and reset it.
 *
 * Context: Process, or softirq if not PREEMPT_RT; sleeps only if @gfp allows it.
 * Return: the arena or ERR_PTR:
 * * %-EINVAL - a parameter is out of range or a flag refused; a line in the kernel log says
 *   which
 * * %-ENOMEM - no memory
 */
#define quarry_arena_shared_create(heap, params, gfp) \
	quarry_arena_shared_create_site(heap, params, gfp, QUARRY_SITE())

/**
 * quarry_arena_shared_destroy() - free a shared arena and all that was allocated from it
 * @arena: the arena, or NULL or an ERR_PTR
 *
 * Nobody allocates from it or uses what is in it any more: the caller sees to that.
 *
 * Context: Process, or softirq if not PREEMPT_RT; never sleeps but for locks of PREEMPT_RT.
 */
void quarry_arena_shared_destroy(struct quarry_arena_shared *arena);

/**
 * quarry_arena_shared_reset() - free all that was allocated, keep the arena
 * @arena: the arena
 *
 * For one, while nobody allocates; who goes on allocating has to know that it has been reset,
 * through a lock or a release and acquire.  All chunks but the first go back to the
 * heap.
 *
 * Context: Any but NMI; never sleeps.
 */
void quarry_arena_shared_reset(struct quarry_arena_shared *arena);

/**
 * quarry_arena_shared_get_stats() - read a shared arena's numbers
 * @arena: the arena
 * @stats: where to store them; what CPUs have left in their chunks is not used
 *
 * While others allocate the numbers are from different moments.
 *
 * Context: Any.
 */
void quarry_arena_shared_get_stats(struct quarry_arena_shared *arena,
				   struct quarry_arena_stats *stats);

/**
 * quarry_arena_shared_alloc_slow() - what the inline path of quarry_arena_shared_alloc() leaves
 * @arena: the arena
 * @size: bytes
 * @align: alignment
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_arena_shared_alloc().
 * Return: as quarry_arena_shared_alloc().
 */
void *quarry_arena_shared_alloc_slow(struct quarry_arena_shared *arena, size_t size, size_t align,
				     gfp_t gfp, const struct quarry_site *site);

static __always_inline __malloc __alloc_size(2) void *
quarry_arena_shared_alloc_site(struct quarry_arena_shared *arena, size_t size, size_t align,
			       gfp_t gfp, const struct quarry_site *site)
{
	unsigned long place = this_cpu_read(*arena->places);
	unsigned long pos = quarry_place_pos(place), start = ALIGN(pos, align);

	might_alloc(gfp);
	/*
	 * As in quarry_arena_alloc_site().  No place ever comes back, so if this CPU, be it
	 * another one by now, is at this one, nobody was there in between.
	 */
	if (likely(size - 1 < QUARRY_ARENA_MAX_ALLOC && start + size <= quarry_place_end(place) &&
		   align - 1 < PAGE_SIZE && !(align & (align - 1)) &&
		   !(gfp & QUARRY_GFP_SLOW)) &&
	    likely(this_cpu_cmpxchg(*arena->places, place,
				    quarry_place_add(place, start + size - pos)) == place)) {
		if (unlikely(want_init_on_alloc(gfp)))
			memset((void *)start, 0, size);
		return (void *)start;
	}
	return quarry_arena_shared_alloc_slow(arena, size, align, gfp, site);
}

/**
 * quarry_arena_shared_alloc() - allocate from a shared arena, aligned to 8 bytes
 * @arena: the arena
 * @size: bytes; 0 gives %ZERO_SIZE_PTR; at most %QUARRY_ARENA_MAX_ALLOC
 * @gfp: as for quarry_alloc()
 *
 * A request of more than a quarter of the largest chunk gets a chunk of its own.
 *
 * Context: Any.  Sleeps only if @gfp allows it.  In NMI a new chunk is one of up to 8 pages that
 * magazines and depots have.
 * Return: the memory or NULL.
 */
#define quarry_arena_shared_alloc(arena, size, gfp) \
	quarry_arena_shared_alloc_site(arena, size, QUARRY_ARENA_ALIGN, gfp, QUARRY_SITE())

/**
 * quarry_arena_shared_alloc_aligned() - allocate from a shared arena with a given alignment
 * @arena: the arena
 * @size: see quarry_arena_shared_alloc()
 * @align: alignment in bytes, a power of two from 1 to %PAGE_SIZE; with 1 pieces are packed to
 *         the byte
 * @gfp: see quarry_arena_shared_alloc()
 *
 * Context: As quarry_arena_shared_alloc().
 * Return: the memory or NULL.
 */
#define quarry_arena_shared_alloc_aligned(arena, size, align, gfp) \
	quarry_arena_shared_alloc_site(arena, size, align, gfp, QUARRY_SITE())

/**
 * quarry_arena_shared_zalloc() - allocate zeroed memory from a shared arena
 * @arena: see quarry_arena_shared_alloc()
 * @size: see quarry_arena_shared_alloc()
 * @gfp: see quarry_arena_shared_alloc()
 *
 * Context: As quarry_arena_shared_alloc().
 * Return: the memory or NULL.
 */
#define quarry_arena_shared_zalloc(arena, size, gfp) \
	quarry_arena_shared_alloc(arena, size, (gfp) | __GFP_ZERO)

/**
 * quarry_arena_shared_new() - allocate one zeroed object of a type
 * @arena: see quarry_arena_shared_alloc()
 * @type: the type, such as struct foo
 * @gfp: see quarry_arena_shared_alloc()
 *
 * Context: As quarry_arena_shared_alloc().
 * Return: pointer to the type, or NULL.
 */
#define quarry_arena_shared_new(arena, type, gfp)					\
	((type *)quarry_arena_shared_alloc_site(arena, sizeof(type), __alignof__(type),	\
						(gfp) | __GFP_ZERO, QUARRY_SITE()))

/**
 * quarry_arena_shared_array() - allocate a zeroed array of a type
 * @arena: see quarry_arena_shared_alloc()
 * @type: the type of an element
 * @n: number of elements; the product is checked for overflow
 * @gfp: see quarry_arena_shared_alloc()
 *
 * Context: As quarry_arena_shared_alloc().
 * Return: pointer to the first element, or NULL.
 */
#define quarry_arena_shared_array(arena, type, n, gfp)					\
	((type *)quarry_arena_shared_alloc_site(arena, array_size(n, sizeof(type)),	\
						__alignof__(type), (gfp) | __GFP_ZERO,	\
						QUARRY_SITE()))

static inline void *quarry_arena_shared_memdup_site(struct quarry_arena_shared *arena,
						    const void *src, size_t len, size_t align,
						    gfp_t gfp, const struct quarry_site *site)
{
	void *copy = quarry_arena_shared_alloc_site(arena, len, align, gfp, site);

	if (!ZERO_OR_NULL_PTR(copy))
		memcpy(copy, src, len);
	return copy;
}

/**
 * quarry_arena_shared_memdup() - copy memory into a shared arena
 * @arena: see quarry_arena_shared_alloc()
 * @src: what to copy
 * @len: bytes
 * @gfp: see quarry_arena_shared_alloc()
 *
 * Context: As quarry_arena_shared_alloc().
 * Return: the copy or NULL.
 */
#define quarry_arena_shared_memdup(arena, src, len, gfp) \
	quarry_arena_shared_memdup_site(arena, src, len, QUARRY_ARENA_ALIGN, gfp, QUARRY_SITE())

/* private: see quarry_arena_shared_strdup() */
static inline char *quarry_arena_shared_strdup_site(struct quarry_arena_shared *arena,
						    const char *str, gfp_t gfp,
						    const struct quarry_site *site)
{
	if (!str)
		return NULL;
	return quarry_arena_shared_memdup_site(arena, str, strlen(str) + 1, 1, gfp, site);
}

/**
 * quarry_arena_shared_strdup() - copy a string into a shared arena, packed to the byte
 * @arena: see quarry_arena_shared_alloc()
 * @str: the string, which nobody changes meanwhile; NULL gives NULL
 * @gfp: see quarry_arena_shared_alloc()
 *
 * Context: As quarry_arena_shared_alloc().
 * Return: the copy or NULL.
 */
#define quarry_arena_shared_strdup(arena, str, gfp) \
	quarry_arena_shared_strdup_site(arena, str, gfp, QUARRY_SITE())

#ifdef DEFINE_FREE
DEFINE_FREE(quarry_arena_shared, struct quarry_arena_shared *, quarry_arena_shared_destroy(_T))
#endif

#endif /* _QUARRY_ARENA_SHARED_H */
