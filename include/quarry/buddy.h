/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Range buddy: a binary buddy system over an abstract range [0, n) of units.
 *
 * Knows nothing of memory.  All state is out of band: two bits per pair of
 * buddies per order, about 2.1 bits per unit in all, in one array of words.
 * Nothing is allocated after quarry_buddy_init(); alloc and free take a
 * number of steps bounded by the number of orders times the height of the
 * bitmap summaries (at most 31 x 6 word operations, usually one or two).
 */
#ifndef _QUARRY_BUDDY_H
#define _QUARRY_BUDDY_H

#include <linux/bits.h>
#include <linux/types.h>
#include <quarry/site.h>

struct seq_file;

/* Largest order of a range; units are counted in unsigned long. */
#define QUARRY_BUDDY_MAX_ORDER	30

/* Bitmap plus summaries: 64^6 = 2^36 bits, which bounds the range's length. */
#define QUARRY_BUDDY_LEVELS	6
#define QUARRY_BUDDY_MAX_UNITS	BIT(36)

/**
 * struct quarry_buddy - state of one range
 *
 * Embed it and initialise it with quarry_buddy_init() or
 * quarry_buddy_init_state().  The fields are private.
 */
struct quarry_buddy {
	/* private: */
	unsigned long nr_units;
	unsigned long nr_free_units;
	unsigned int max_order;
	unsigned int nr_words;		/* of @state */
	unsigned long *state;		/* all bitmaps, one after the other */
	struct quarry_buddy_order {
		unsigned long nr_free;	/* free blocks of exactly this order */
		unsigned int nr_levels;
		unsigned int aux;	/* word offsets into @state */
		unsigned int level[QUARRY_BUDDY_LEVELS];
	} orders[];
};

/**
 * quarry_buddy_struct_size() - bytes of a struct quarry_buddy
 * @max_order: largest order the range shall have
 *
 * Context: Any.
 * Return: size in bytes, including the per-order array.
 */
size_t quarry_buddy_struct_size(unsigned int max_order);

/**
 * quarry_buddy_state_size() - bytes of bitmap state a range needs
 * @nr_units: length of the range, in units
 * @max_order: largest order
 *
 * Context: Any.
 * Return: size in bytes, a multiple of sizeof(long).
 */
size_t quarry_buddy_state_size(unsigned long nr_units, unsigned int max_order);

/**
 * quarry_buddy_create() - make a range with state from the kernel's heap
 * @nr_units: length of the range in units, at least 1; need not be a power of two
 * @max_order: largest order of a block, at most %QUARRY_BUDDY_MAX_ORDER
 *
 * All units start out free.
 *
 * Context: Process context, may sleep.
 * Return: the range, or ERR_PTR:
 * * %-EINVAL - @nr_units is 0 or above %QUARRY_BUDDY_MAX_UNITS, or @max_order
 *   is out of range
 * * %-ENOMEM - no memory for the state
 */
struct quarry_buddy *quarry_buddy_create(unsigned long nr_units, unsigned int max_order);

/**
 * quarry_buddy_destroy() - free a range made by quarry_buddy_create()
 * @buddy: the range, or NULL or an ERR_PTR
 *
 * Context: Process context, may sleep.
 */
void quarry_buddy_destroy(struct quarry_buddy *buddy);

/**
 * quarry_buddy_init_state() - initialise a range in caller-provided memory
 * @buddy: memory of quarry_buddy_struct_size() bytes
 * @nr_units: length of the range in units
 * @max_order: largest order
 * @state: memory of quarry_buddy_state_size() bytes, aligned to sizeof(long)
 *
 * All units start out free.  There is nothing to undo: drop the memory.
 *
 * Context: Any.
 * Return: 0, or %-EINVAL if @nr_units is 0 or @max_order out of range.
 */
int quarry_buddy_init_state(struct quarry_buddy *buddy, unsigned long nr_units,
			    unsigned int max_order, void *state);

/**
 * quarry_buddy_alloc() - take a block of 2^@order units
 * @buddy: range to take it from
 * @order: order of the block
 * @top_down: take the highest block of the best fitting order, not the lowest
 *
 * Takes the smallest free block that fits and among these the lowest (or
 * highest) one, splits it and keeps the lower (upper) half at each step.  The
 * result is aligned to 2^@order (Knuth, TAOCP vol. 1, 2.5, algorithm R).
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: offset of the first unit, or a negative errno:
 * * %-EINVAL - @order is above the range's largest order
 * * %-ENOSPC - no block of that order is free
 */
long quarry_buddy_alloc(struct quarry_buddy *buddy, unsigned int order, bool top_down);

/**
 * quarry_buddy_alloc_count() - take exactly @count contiguous units
 * @buddy: range to take them from
 * @count: number of units, at least 1; need not be a power of two
 *
 * Takes a block of the next power of two and gives the tail back at once.
 * Free the units with quarry_buddy_free_count() and the same @count.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: offset of the first unit, or a negative errno:
 * * %-EINVAL - @count is 0 or above 2^max_order
 * * %-ENOSPC - no block is large enough
 */
long quarry_buddy_alloc_count(struct quarry_buddy *buddy, unsigned long count);

/**
 * quarry_buddy_alloc_at() - take the block at an exact offset
 * @buddy: range to take it from
 * @offset: first unit, aligned to 2^@order
 * @order: order of the block
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0, or a negative errno with nothing changed:
 * * %-EINVAL - @order out of range, @offset misaligned or outside the range
 * * %-EBUSY - part of the block is in use
 */
int quarry_buddy_alloc_at(struct quarry_buddy *buddy, unsigned long offset, unsigned int order);

/**
 * quarry_buddy_reserve() - take an arbitrary free interval out of the range
 * @buddy: the range
 * @offset: first unit
 * @count: number of units, at least 1
 *
 * Give the interval back with quarry_buddy_free_count().
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0, or a negative errno with nothing changed:
 * * %-EINVAL - the interval is empty or not inside the range
 * * %-EBUSY - part of it is in use
 */
int quarry_buddy_reserve(struct quarry_buddy *buddy, unsigned long offset, unsigned long count);

/**
 * quarry_buddy_free() - give a block back and merge it with its buddies
 * @buddy: the range it came from
 * @offset: its first unit
 * @order: its order
 *
 * A block is merged with its buddy (offset XOR 2^order) as long as that is
 * free too.  A block that is not allocated at exactly this offset and order
 * (double free, wrong order, interior offset) is refused.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0, or %-EINVAL with nothing changed.
 */
int quarry_buddy_free(struct quarry_buddy *buddy, unsigned long offset, unsigned int order);

/**
 * quarry_buddy_free_count() - give back exactly @count units
 * @buddy: the range they came from
 * @offset: first unit, as returned by quarry_buddy_alloc_count()
 * @count: the same count
 *
 * Checks that the interval is tiled by the blocks that an allocation of this
 * count leaves before it changes anything.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0, or %-EINVAL with nothing changed.
 */
int quarry_buddy_free_count(struct quarry_buddy *buddy, unsigned long offset,
			    unsigned long count);

/**
 * quarry_buddy_block_of() - the allocated block that contains a unit
 * @buddy: the range
 * @unit: any unit of it
 * @offset: where to store the first unit of the block
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: order of the allocated block, or a negative errno:
 * * %-EINVAL - @unit is outside the range
 * * %-ENOENT - @unit is free
 */
int quarry_buddy_block_of(const struct quarry_buddy *buddy, unsigned long unit,
			  unsigned long *offset);

/**
 * quarry_buddy_nr_free() - number of free blocks of exactly one order
 * @buddy: the range
 * @order: the order
 *
 * Context: Any context; racy without the caller's serialisation.
 * Return: the count; 0 if @order is out of range.
 */
unsigned long quarry_buddy_nr_free(const struct quarry_buddy *buddy, unsigned int order);

/**
 * quarry_buddy_nr_free_units() - number of free units in all
 * @buddy: the range
 *
 * Context: Any context; racy without the caller's serialisation.
 * Return: the count.
 */
unsigned long quarry_buddy_nr_free_units(const struct quarry_buddy *buddy);

/**
 * quarry_buddy_largest_order() - order of the largest free block
 * @buddy: the range
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: the order, or -1 if nothing is free.
 */
int quarry_buddy_largest_order(const struct quarry_buddy *buddy);

/**
 * quarry_buddy_walk() - call a function for every free block
 * @buddy: the range
 * @fn: called with offset, order and @arg; a non-zero return ends the walk.
 *      It must not change @buddy.
 * @arg: passed on to @fn
 *
 * Blocks come by ascending order, then ascending offset.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0, or what @fn returned.
 */
int quarry_buddy_walk(const struct quarry_buddy *buddy,
		      int (*fn)(unsigned long offset, unsigned int order, void *arg), void *arg);

/**
 * quarry_buddy_verify() - check every invariant of a range
 * @buddy: the range
 *
 * Summaries match their bitmaps, no two buddies are both free, no state below
 * an unsplit block, counters match: linear in the size of the state.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0 if all is well, else a negative number that names the check
 * (the source line, negated).
 */
int quarry_buddy_verify(const struct quarry_buddy *buddy);

#endif /* _QUARRY_BUDDY_H */
