/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arenas: many allocations that die together.
 */
#ifndef _QUARRY_ARENA_H
#define _QUARRY_ARENA_H

#include <linux/align.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <quarry/heap.h>
#include <quarry/site.h>

/* Largest single allocation of an arena, bytes. */
#define QUARRY_ARENA_MAX_ALLOC	(QUARRY_EXTENT_MAX_SIZE - 64)

/* Alignment unless asked otherwise, bytes. */
#define QUARRY_ARENA_ALIGN	8UL

/**
 * struct quarry_arena - a region that is freed or reset as a whole
 *
 * Opaque but for what the inline paths read.
 */
struct quarry_arena {
	/* private: free space of the current chunk */
	unsigned long pos;
	unsigned long end;
};

/**
 * struct quarry_arena_params - how to make an arena
 * @name: shown in debugfs; not copied, usually a literal; or NULL
 * @limit: most bytes of chunks the arena may hold; 0 for none
 * @chunk_max: chunks double from 4 KiB up to this, in bytes: a power of two, 4 KiB to 1 MiB;
 *             0 means 64 KiB
 * @flags: %QUARRY_DATA if no pointers will be stored; others are refused
 */
struct quarry_arena_params {
	const char *name;
	u64 limit;
	u32 chunk_max;
	unsigned int flags;
};

/**
 * struct quarry_arena_stats - an arena in numbers
 * @used: bytes handed out, with padding
 * @held: bytes of chunks held
 * @held_peak: largest @held so far
 * @nr_chunks: chunks held
 * @nr_resets: how often it was reset
 */
struct quarry_arena_stats {
	u64 used;
	u64 held;
	u64 held_peak;
	u64 nr_chunks;
	u64 nr_resets;
};

/**
 * quarry_arena_create_site() - make an arena; use quarry_arena_create()
 * @heap: heap the chunks come from
 * @params: how to make it, or NULL for the defaults
 * @gfp: for the first chunk, which also holds the arena itself
 * @site: where it is created
 *
 * Context: Process, softirq, hardirq; sleeps only if @gfp allows it.
 * Return: the arena or ERR_PTR, see quarry_arena_create().
 */
struct quarry_arena *quarry_arena_create_site(struct quarry_heap *heap,
					      const struct quarry_arena_params *params,
					      gfp_t gfp, const struct quarry_site *site);

/**
 * quarry_arena_create() - make an arena
 * @heap: heap the chunks come from
 * @params: how to make it, or NULL for the defaults
 * @gfp: for the first chunk, which also holds the arena itself
 *
 * An arena has a single owner: the caller serialises all calls on it.
 *
 * Context: Process, softirq, hardirq; sleeps only if @gfp allows it.
 * Return: the arena or ERR_PTR:
 * * %-EINVAL - a parameter is out of range or a flag refused; a line in the kernel log says
 *   which
 * * %-ENOMEM - no memory
 */
#define quarry_arena_create(heap, params, gfp) \
	quarry_arena_create_site(heap, params, gfp, QUARRY_SITE())

/**
 * quarry_arena_destroy() - free an arena and all that was allocated from it
 * @arena: the arena, or NULL or an ERR_PTR
 *
 * Context: Process, softirq, hardirq; never sleeps.
 */
void quarry_arena_destroy(struct quarry_arena *arena);

/**
 * quarry_arena_reset() - free all that was allocated, keep the arena
 * @arena: the arena
 *
 * Keeps the first chunk and gives the others back to the heap.
 *
 * Context: Process, softirq, hardirq; never sleeps.
 */
void quarry_arena_reset(struct quarry_arena *arena);

/**
 * quarry_arena_get_stats() - read an arena's numbers
 * @arena: the arena
 * @stats: where to store them
 *
 * Context: The owner's.
 */
void quarry_arena_get_stats(struct quarry_arena *arena, struct quarry_arena_stats *stats);

/**
 * quarry_arena_alloc_slow() - what the inline path of quarry_arena_alloc() leaves over
 * @arena: the arena
 * @size: bytes
 * @align: alignment
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_arena_alloc().
 * Return: as quarry_arena_alloc().
 */
void *quarry_arena_alloc_slow(struct quarry_arena *arena, size_t size, size_t align, gfp_t gfp,
			      const struct quarry_site *site);

static __always_inline __malloc __alloc_size(2) void *
quarry_arena_alloc_site(struct quarry_arena *arena, size_t size, size_t align, gfp_t gfp,
			const struct quarry_site *site)
{
	unsigned long start = ALIGN(arena->pos, align);

	might_alloc(gfp);
	/* size - 1 sends 0 to the slow path; the bound keeps the sum from wrapping. */
	if (likely(size - 1 < QUARRY_ARENA_MAX_ALLOC && start + size <= arena->end &&
		   align - 1 < PAGE_SIZE && !(align & (align - 1)) &&
		   !(gfp & QUARRY_GFP_SLOW))) {
		arena->pos = start + size;
		if (unlikely(want_init_on_alloc(gfp)))
			memset((void *)start, 0, size);
		return (void *)start;
	}
	return quarry_arena_alloc_slow(arena, size, align, gfp, site);
}

/**
 * quarry_arena_alloc() - allocate from an arena, aligned to 8 bytes
 * @arena: the arena
 * @size: bytes; 0 gives %ZERO_SIZE_PTR; at most %QUARRY_ARENA_MAX_ALLOC
 * @gfp: as for quarry_alloc()
 *
 * Context: The owner's: process, softirq or hardirq; sleeps only if @gfp allows it.
 * Return: the memory or NULL.
 */
#define quarry_arena_alloc(arena, size, gfp) \
	quarry_arena_alloc_site(arena, size, QUARRY_ARENA_ALIGN, gfp, QUARRY_SITE())

/**
 * quarry_arena_alloc_aligned() - allocate from an arena with a given alignment
 * @arena: the arena
 * @size: see quarry_arena_alloc()
 * @align: alignment in bytes, a power of two from 1 to %PAGE_SIZE
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: the memory or NULL.
 */
#define quarry_arena_alloc_aligned(arena, size, align, gfp) \
	quarry_arena_alloc_site(arena, size, align, gfp, QUARRY_SITE())

/**
 * quarry_arena_zalloc() - allocate zeroed memory from an arena
 * @arena: see quarry_arena_alloc()
 * @size: see quarry_arena_alloc()
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: the memory or NULL.
 */
#define quarry_arena_zalloc(arena, size, gfp) \
	quarry_arena_alloc(arena, size, (gfp) | __GFP_ZERO)

/**
 * quarry_arena_new() - allocate one zeroed object of a type
 * @arena: see quarry_arena_alloc()
 * @type: the type, such as struct foo
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: pointer to the type, or NULL.
 */
#define quarry_arena_new(arena, type, gfp)					\
	((type *)quarry_arena_alloc_site(arena, sizeof(type), __alignof__(type),	\
					 (gfp) | __GFP_ZERO, QUARRY_SITE()))

/**
 * quarry_arena_array() - allocate a zeroed array of a type
 * @arena: see quarry_arena_alloc()
 * @type: the type of an element
 * @n: number of elements; the product is checked for overflow
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: pointer to the first element, or NULL.
 */
#define quarry_arena_array(arena, type, n, gfp)					\
	((type *)quarry_arena_alloc_site(arena, array_size(n, sizeof(type)),	\
					 __alignof__(type), (gfp) | __GFP_ZERO,	\
					 QUARRY_SITE()))

/**
 * quarry_arena_memdup_site() - copy memory; use quarry_arena_memdup()
 * @arena: the arena
 * @src: what to copy
 * @len: bytes
 * @align: alignment of the copy
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_arena_alloc().
 * Return: the copy or NULL.
 */
void *quarry_arena_memdup_site(struct quarry_arena *arena, const void *src, size_t len,
			       size_t align, gfp_t gfp, const struct quarry_site *site);

/**
 * quarry_arena_memdup() - copy memory into an arena
 * @arena: see quarry_arena_alloc()
 * @src: what to copy
 * @len: bytes
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: the copy or NULL.
 */
#define quarry_arena_memdup(arena, src, len, gfp) \
	quarry_arena_memdup_site(arena, src, len, QUARRY_ARENA_ALIGN, gfp, QUARRY_SITE())

/**
 * quarry_arena_strdup_site() - copy a string; use quarry_arena_strdup()
 * @arena: the arena
 * @str: the string, or NULL
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_arena_alloc().
 * Return: the copy or NULL.
 */
char *quarry_arena_strdup_site(struct quarry_arena *arena, const char *str, gfp_t gfp,
			       const struct quarry_site *site);

/**
 * quarry_arena_strdup() - copy a string into an arena, packed to the byte
 * @arena: see quarry_arena_alloc()
 * @str: the string; NULL gives NULL
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: the copy or NULL.
 */
#define quarry_arena_strdup(arena, str, gfp) \
	quarry_arena_strdup_site(arena, str, gfp, QUARRY_SITE())

#ifdef DEFINE_FREE
DEFINE_FREE(quarry_arena, struct quarry_arena *, quarry_arena_destroy(_T))
#endif

#endif /* _QUARRY_ARENA_H */
