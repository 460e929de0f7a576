/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Range buddy: a binary buddy system over an abstract range [0, n) of units.
 *
 * Knows nothing of memory.  A unit is whatever the caller's smallest block is: a
 * 4 KiB page of video memory, a 64-byte line, a doorbell.  All state is out of
 * band, in one array of words: 2.03 bits per unit; with tracking of clean
 * (zeroed) space 2.54.  Rounding up to words adds at most 4 words per order.
 *
 * Nothing is allocated after quarry_buddy_create(), and the steps of alloc and
 * free are bounded.  Below, H is the number of orders (at most 31) and L the
 * number of levels of the bitmaps (3 up to 2^18 units, 4 up to 2^24, at most 6); a
 * step reads and writes one word.
 *
 * No function takes a lock: the caller serialises calls on one range, with any
 * kind of lock.
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

/* Clean space is tracked in granules of at least 2^2 units: 0.5 bits per unit. */
#define QUARRY_BUDDY_MIN_CLEAN_ORDER	2

/* Flags of struct quarry_buddy_where. */
#define QUARRY_BUDDY_TOP_DOWN	BIT(0)	/* highest place first, not lowest */
#define QUARRY_BUDDY_CLEAN	BIT(1)	/* prefer space known to be zeroed */
#define QUARRY_BUDDY_JOIN	BIT(2)	/* counts: join neighbouring free blocks if need be */

/**
 * struct quarry_buddy - state of one range
 *
 * Make it with quarry_buddy_create(), or embed it and initialise it with
 * quarry_buddy_init_state().  The fields are private.
 */
struct quarry_buddy {
	/* private: */
	unsigned long nr_units;
	unsigned long nr_free_units;
	struct quarry_buddy *clean;	/* the granules known to be clean, or NULL */
	unsigned int free_orders;	/* bit k: orders[k].top is not 0 */
	unsigned int short_orders;	/* below it the short ways through alloc and free serve */
	unsigned int max_short;		/* the largest of these, or 0 */
	unsigned int max_order;
	unsigned int clean_order;	/* a granule is 2^clean_order units */
	struct quarry_buddy_order {
		unsigned long top;	/* the summaries' last level: 0 if nothing is free */
		unsigned long *words;	/* a bit per node */
		unsigned long *sums;	/* a bit per word that has a free block; right behind */
		unsigned long nr_nodes;	/* those inside the range */
		unsigned int nr_levels;	/* words, sums, ..., top */
	} orders[];
};

/**
 * struct quarry_buddy_block - one block of an allocation
 * @offset: first unit
 * @order: the block has 2^@order units
 * @clean: all of it is known to be zeroed
 */
struct quarry_buddy_block {
	unsigned long offset;
	unsigned int order;
	bool clean;
};

/**
 * struct quarry_buddy_where - which free space an allocation may take
 * @lo: lowest unit it may take
 * @hi: first unit behind; what is above the range's length means that length
 * @flags: %QUARRY_BUDDY_TOP_DOWN, %QUARRY_BUDDY_CLEAN, %QUARRY_BUDDY_JOIN
 */
struct quarry_buddy_where {
	unsigned long lo;
	unsigned long hi;
	unsigned int flags;
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
 * At most 2.04 bits per unit plus 4 words per order.
 *
 * Context: Any.
 * Return: size in bytes, a multiple of sizeof(long).
 */
size_t quarry_buddy_state_size(unsigned long nr_units, unsigned int max_order);

/**
 * quarry_buddy_clean_size() - bytes that tracking of clean space needs
 * @nr_units: length of the range, in units
 * @max_order: its largest order
 * @clean_order: 2^@clean_order units are the granule of tracking
 *
 * This comes on top of quarry_buddy_struct_size() and quarry_buddy_state_size():
 * at most 2.04 / 2^@clean_order bits per unit, plus 4 words and 40 bytes per
 * order.
 *
 * Context: Any.
 * Return: size in bytes, a multiple of sizeof(long); 0 if the range cannot be
 * tracked like that, see quarry_buddy_track_clean().
 */
size_t quarry_buddy_clean_size(unsigned long nr_units, unsigned int max_order,
			       unsigned int clean_order);

/**
 * quarry_buddy_create() - make a range with state from the kernel's heap
 * @nr_units: length of the range in units, at least 1; need not be a power of two
 * @max_order: largest order of a block, at most %QUARRY_BUDDY_MAX_ORDER; may be
 *             larger than the range, order_base_2(@nr_units) always is enough
 *
 * All units start out free.  Take out with quarry_buddy_reserve() what must not
 * be allocated.
 *
 * Context: Process context, may sleep.
 * Return: the range, or ERR_PTR:
 * * %-EINVAL - @nr_units is 0 or above %QUARRY_BUDDY_MAX_UNITS, or @max_order
 *   is out of range
 * * %-ENOMEM - no memory for the state
 */
struct quarry_buddy *quarry_buddy_create(unsigned long nr_units, unsigned int max_order);

/**
 * quarry_buddy_create_clean() - make a range that tracks clean space
 * @nr_units: as for quarry_buddy_create()
 * @max_order: as for quarry_buddy_create()
 * @clean_order: as for quarry_buddy_track_clean()
 *
 * Context: Process context, may sleep.
 * Return: as quarry_buddy_create(), and %-EINVAL if @clean_order is out of range.
 */
struct quarry_buddy *quarry_buddy_create_clean(unsigned long nr_units, unsigned int max_order,
					       unsigned int clean_order);

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
 * quarry_buddy_track_clean() - start to remember which free space is clean
 * @buddy: a range
 * @clean_order: granule of tracking, from %QUARRY_BUDDY_MIN_CLEAN_ORDER to the
 *               range's largest order
 * @mem: memory of quarry_buddy_clean_size() bytes, aligned to sizeof(long)
 *
 * "Clean" is what the caller says it is; usually zeroed.  At first nothing is
 * known to be clean.  Space becomes so by quarry_buddy_free_clean(),
 * quarry_buddy_free_count_clean() or quarry_buddy_reset_clean(), and stops
 * being so when it is allocated.  Free blocks are merged whatever is known
 * of them: a block may be clean in parts, and those parts are found when asked
 * for.  Known is whole granules: what is left of a granule when part of it is
 * allocated, and pieces of less than a granule when freed, count as not clean.
 *
 * Context: Any.  The caller serialises calls on one @buddy.
 * Return: 0, or %-EINVAL: @clean_order is out of range, the range is shorter than
 * a granule, or it is tracked already.
 */
int quarry_buddy_track_clean(struct quarry_buddy *buddy, unsigned int clean_order, void *mem);

/**
 * quarry_buddy_alloc_lowest() - quarry_buddy_alloc() that is not top down
 * @buddy: range to take it from
 * @order: order of the block
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: as quarry_buddy_alloc().
 */
long quarry_buddy_alloc_lowest(struct quarry_buddy *buddy, unsigned int order);

/**
 * quarry_buddy_alloc_highest() - quarry_buddy_alloc() that is top down
 * @buddy: range to take it from
 * @order: order of the block
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: as quarry_buddy_alloc().
 */
long quarry_buddy_alloc_highest(struct quarry_buddy *buddy, unsigned int order);

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
 * Steps: at most L to find it, and L for each order that is split, so H * L; in
 * a range in use usually none or 1.  With tracking of clean space, see
 * quarry_buddy_alloc_in().
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: offset of the first unit, or a negative errno:
 * * %-EINVAL - @order is above the range's largest order
 * * %-ENOSPC - no block of that order is free
 */
static inline long quarry_buddy_alloc(struct quarry_buddy *buddy, unsigned int order,
				      bool top_down)
{
	return top_down ? quarry_buddy_alloc_highest(buddy, order) :
			  quarry_buddy_alloc_lowest(buddy, order);
}

/**
 * quarry_buddy_alloc_many() - take up to @nr blocks of 2^@order units
 * @buddy: range to take them from
 * @order: order of each block
 * @nr: how many
 * @offsets: where to store the first unit of each
 *
 * The blocks that as many calls of quarry_buddy_alloc_lowest() would give, in that order; but
 * of a larger block all of which is wanted the halves are marked a word at a time instead of
 * split one by one.  Each is freed on its own.
 *
 * Steps: at most L + H for each free block taken from, and one per block.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: how many blocks there were, 0 to @nr; 0 as well if @order is above the range's
 * largest.
 */
unsigned int quarry_buddy_alloc_many(struct quarry_buddy *buddy, unsigned int order,
				     unsigned int nr, unsigned long *offsets);

/**
 * quarry_buddy_alloc_in() - take a block of 2^@order units from part of the range
 * @buddy: range to take it from
 * @order: order of the block
 * @where: the part, and what is preferred there; NULL means everywhere
 * @clean: where to store whether all of the block is known to be clean, or NULL
 *
 * As quarry_buddy_alloc(), but all of the block lies in [lo, hi) of @where.  Free
 * blocks that are only partly in it count if a part of the right size and
 * alignment is: the smallest such free block is taken, among these the lowest (or
 * highest), and of it the lowest (highest) part inside.
 *
 * With %QUARRY_BUDDY_CLEAN the smallest clean piece that fits comes first, and
 * only if there is none what is not clean.  Without it a range that tracks clean
 * space spares it: of the first 16 places in the order above, the first is taken that
 * is not known to be clean, not even in parts; the first of all if there is none.
 * %QUARRY_BUDDY_JOIN has no meaning here.
 *
 * Steps: at most 4 * L to look at each order and L to split it, so 5 * H * L.  In
 * a range that tracks clean space 16 * 4 * L * (H + 1) to find a place, and if the
 * block is clean in parts only, what is known of those parts has to go: at most
 * 2^(@order - clean_order - 5) words more.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: offset of the first unit, or a negative errno:
 * * %-EINVAL - @order is above the range's largest order, lo is not below hi or
 *   outside the range, or an unknown flag
 * * %-ENOSPC - no block of that order is free in this part
 */
long quarry_buddy_alloc_in(struct quarry_buddy *buddy, unsigned int order,
			   const struct quarry_buddy_where *where, bool *clean);

/**
 * quarry_buddy_alloc_count() - take exactly @count contiguous units
 * @buddy: range to take them from
 * @count: number of units, at least 1; need not be a power of two
 *
 * Takes a block of the next power of two and gives the tail back at once.
 * Free the units with quarry_buddy_free_count() and the same @count.
 *
 * Steps: as quarry_buddy_alloc(), and at most L for each order of the tail.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: offset of the first unit, or a negative errno:
 * * %-EINVAL - @count is 0 or above 2^max_order
 * * %-ENOSPC - no block is large enough
 */
long quarry_buddy_alloc_count(struct quarry_buddy *buddy, unsigned long count);

/**
 * quarry_buddy_alloc_aligned() - take exactly @count units at an alignment
 * @buddy: range to take them from
 * @count: number of units, at least 1; need not be a power of two
 * @align_order: the first unit is a multiple of 2^@align_order
 *
 * As quarry_buddy_alloc_count(), which aligns to the next power of two of @count,
 * for an alignment that is larger than that; a smaller one changes nothing.
 * Takes a block of the larger of the two and gives the tail back at once, so that
 * it is found if and only if quarry_buddy_largest_order() is that large.  Free the
 * units with quarry_buddy_free_count() and the same @count.
 *
 * Steps: as quarry_buddy_alloc(), and at most L for each order of the tail.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: offset of the first unit, or a negative errno:
 * * %-EINVAL - @count is 0 or above 2^max_order, or @align_order above max_order
 * * %-ENOSPC - no block is large enough
 */
long quarry_buddy_alloc_aligned(struct quarry_buddy *buddy, unsigned long count,
				unsigned int align_order);

/**
 * quarry_buddy_alloc_count_in() - take @count contiguous units from part of the range
 * @buddy: range to take them from
 * @count: number of units, at least 1; need not be a power of two
 * @where: the part, and what is preferred there; NULL means everywhere
 * @clean: where to store whether all units are known to be clean, or NULL
 *
 * As quarry_buddy_alloc_count(), but the @count units lie in [lo, hi) of @where;
 * the start is aligned to the next power of two, the tail that is given back may lie
 * outside.
 *
 * With %QUARRY_BUDDY_JOIN, if that fails, free blocks that touch each other are
 * joined: the start is aligned to nothing then, and @count may be above
 * 2^max_order.  Looks at up to 64 free blocks and what touches them, so that it may
 * fail although there is room.
 *
 * Steps: as quarry_buddy_alloc_in(), and at most L for each order of the tail; to
 * join, at most 64 * 4 * H^2 and what quarry_buddy_reserve() takes.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: offset of the first unit, or a negative errno:
 * * %-EINVAL - @count is 0, or above 2^max_order (above the range's length if
 *   joining), lo is not below hi or outside the range, or an unknown flag
 * * %-ENOSPC - no place found
 */
long quarry_buddy_alloc_count_in(struct quarry_buddy *buddy, unsigned long count,
				 const struct quarry_buddy_where *where, bool *clean);

/**
 * quarry_buddy_alloc_list() - take @count units in as many blocks as it takes
 * @buddy: range to take them from
 * @count: number of units, a multiple of 2^@min_order
 * @min_order: no block is smaller than this
 * @where: the part of the range, and what is preferred there; NULL means everywhere
 * @blocks: where to store the blocks
 * @nr_blocks: room in @blocks
 *
 * Largest blocks first: each is the largest that what is missing can use
 * and that is free.  All or nothing.  Free each block with quarry_buddy_free(), or
 * all of them with quarry_buddy_free_list().  With %QUARRY_BUDDY_CLEAN clean
 * pieces of any size come before others.
 *
 * Steps: those of quarry_buddy_alloc_in() per block stored, and once per order.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: number of blocks stored, or a negative errno with nothing changed:
 * * %-EINVAL - @count is 0 or no multiple of 2^@min_order, @min_order is above the
 *   range's largest order, lo is not below hi or outside the range, or an unknown flag
 * * %-ENOSPC - not enough is free in blocks of @min_order and above
 * * %-E2BIG - it takes more than @nr_blocks blocks
 */
int quarry_buddy_alloc_list(struct quarry_buddy *buddy, unsigned long count,
			    unsigned int min_order, const struct quarry_buddy_where *where,
			    struct quarry_buddy_block *blocks, unsigned int nr_blocks);

/**
 * quarry_buddy_alloc_each() - take @count units, told block by block
 * @buddy: range to take them from
 * @count: number of units, a multiple of 2^@min_order
 * @min_order: no block is smaller than this
 * @where: the part of the range; NULL means everywhere
 * @fn: called for each block with @arg, before anything is taken; what it returns
 *      other than 0 ends it.  It must not change @buddy.
 * @arg: passed on to @fn
 *
 * For who wants no array, but a scatterlist, say.  Free blocks are taken whole,
 * largest first, and as soon as one holds all that is missing, the smallest such,
 * whose part is told in blocks that follow each other.  All or nothing: when @fn is
 * called there is enough, and when it refuses nothing has been taken; what it has been
 * told until then is void.  Free each block with quarry_buddy_free().
 *
 * Each block says whether it is known to be clean, but %QUARRY_BUDDY_CLEAN and
 * %QUARRY_BUDDY_JOIN have no meaning here.
 *
 * Steps: 3 * (4 * L + H) per block told, 12 * H * L in all cases, and what
 * quarry_buddy_reserve() of each block takes.
 *
 * Context: Any context that @fn can do with.  The caller serialises calls on one @buddy.
 * Return: number of blocks, or a negative errno with nothing changed:
 * * %-EINVAL - @count is 0 or no multiple of 2^@min_order, @min_order is above the
 *   range's largest order, lo is not below hi or outside the range, or an unknown flag
 * * %-ENOSPC - not enough is free in blocks of @min_order and above
 * * what @fn returned
 */
int quarry_buddy_alloc_each(struct quarry_buddy *buddy, unsigned long count,
			    unsigned int min_order, const struct quarry_buddy_where *where,
			    int (*fn)(const struct quarry_buddy_block *block, void *arg),
			    void *arg);

/**
 * quarry_buddy_alloc_at() - take the block at an exact offset
 * @buddy: range to take it from
 * @offset: first unit, aligned to 2^@order
 * @order: order of the block
 *
 * Steps: at most H to find the free block around it, and L for each order split.
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
 * Steps: the interval is cut into at most 2 * H blocks (and one per 2^max_order
 * units), each as quarry_buddy_alloc_at().
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
 * Steps: 2 to check, at most L for each order merged, so H * L.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0, or %-EINVAL with nothing changed.
 */
int quarry_buddy_free(struct quarry_buddy *buddy, unsigned long offset, unsigned int order);

/**
 * quarry_buddy_free_clean() - give back a block that the caller has zeroed
 * @buddy: the range it came from
 * @offset: its first unit
 * @order: its order
 *
 * As quarry_buddy_free(), and if @buddy tracks clean space, remembers that this
 * is.
 *
 * Steps: twice those of quarry_buddy_free().
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0, or %-EINVAL with nothing changed.
 */
int quarry_buddy_free_clean(struct quarry_buddy *buddy, unsigned long offset, unsigned int order);

/**
 * quarry_buddy_free_count() - give back exactly @count units
 * @buddy: the range they came from
 * @offset: first unit, as returned by quarry_buddy_alloc_count()
 * @count: the same count
 *
 * Checks that the interval is tiled by the blocks that an allocation of this
 * count leaves before it changes anything.
 *
 * Steps: the interval is cut into at most 2 * H blocks (and one per 2^max_order
 * units), each as quarry_buddy_free().
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0, or %-EINVAL with nothing changed.
 */
int quarry_buddy_free_count(struct quarry_buddy *buddy, unsigned long offset,
			    unsigned long count);

/**
 * quarry_buddy_free_count_clean() - give back @count units that the caller has zeroed
 * @buddy: the range they came from
 * @offset: first unit
 * @count: the same count
 *
 * As quarry_buddy_free_count(), and if @buddy tracks clean space, remembers that
 * this is, as far as it covers whole granules.
 *
 * Steps: twice those of quarry_buddy_free_count().
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0, or %-EINVAL with nothing changed.
 */
int quarry_buddy_free_count_clean(struct quarry_buddy *buddy, unsigned long offset,
				  unsigned long count);

/**
 * quarry_buddy_free_list() - give back what quarry_buddy_alloc_list() took
 * @buddy: the range they came from
 * @blocks: the blocks
 * @nr_blocks: how many
 * @clean: the caller has zeroed them
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0, or %-EINVAL if one of them is not allocated; the others are free then.
 */
int quarry_buddy_free_list(struct quarry_buddy *buddy, const struct quarry_buddy_block *blocks,
			   unsigned int nr_blocks, bool clean);

/**
 * quarry_buddy_trim() - shrink an allocation to a part of it
 * @buddy: the range it came from
 * @offset: first unit
 * @count: its units: 2^order of a block, or the count it was taken with
 * @start: first unit to keep
 * @keep: number of units to keep, at least 1
 * @clean: the caller has zeroed what goes back
 *
 * [@start, @start + @keep) stays allocated and goes back with
 * quarry_buddy_free_count(); what is before and behind is free at once.
 *
 * Steps: as quarry_buddy_free_count() of @count and quarry_buddy_reserve() of
 * @keep.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0, or %-EINVAL with nothing changed: [@offset, @offset + @count) is not
 * allocated as one, or [@start, @start + @keep) does not lie inside.
 */
int quarry_buddy_trim(struct quarry_buddy *buddy, unsigned long offset, unsigned long count,
		      unsigned long start, unsigned long keep, bool clean);

/**
 * quarry_buddy_reset_clean() - say of all free space that it is, or is not, clean
 * @buddy: the range
 * @clean: the caller has zeroed all that is free; false: nothing is known any more
 *
 * For instance after a suspend in which memory was lost.  Linear in the size of
 * the state.  Without tracking nothing happens.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 */
void quarry_buddy_reset_clean(struct quarry_buddy *buddy, bool clean);

/**
 * quarry_buddy_nr_clean_units() - number of free units known to be clean
 * @buddy: the range
 *
 * Context: Any context; racy without the caller's serialisation.
 * Return: the count; 0 if @buddy does not track clean space.
 */
unsigned long quarry_buddy_nr_clean_units(const struct quarry_buddy *buddy);

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
 * They are counted: linear in the state of this order, of which only words with free
 * blocks in them are looked at.
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
 * Context: Any context; racy without the caller's serialisation.
 * Return: the order, or -1 if nothing is free.
 */
int quarry_buddy_largest_order(const struct quarry_buddy *buddy);

/**
 * quarry_buddy_unusable_index() - how much of what is free is no use for an order
 * @buddy: the range
 * @order: the order
 *
 * The kernel's unusable free space index (unusable_index in debugfs, mm/vmstat.c):
 * the share of the free units that lies in blocks smaller than @order. External
 * fragmentation as an allocation of @order sees it.  Linear in the state, as
 * quarry_buddy_nr_free() of each order.
 *
 * Context: Any context; racy without the caller's serialisation.
 * Return: 0 (all free space can be used) to 1000 (none can, or nothing is free).
 */
unsigned int quarry_buddy_unusable_index(const struct quarry_buddy *buddy, unsigned int order);

/**
 * quarry_buddy_show() - print counters and fragmentation, a line per order
 * @m: where to print it
 * @buddy: the range
 *
 * Context: Process context.  The caller serialises calls on one @buddy.
 */
void quarry_buddy_show(struct seq_file *m, const struct quarry_buddy *buddy);

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
 * quarry_buddy_walk_allocated() - call a function for every allocated block
 * @buddy: the range
 * @fn: called with offset, order and @arg; a non-zero return ends the walk.
 *      It must not change @buddy.
 * @arg: passed on to @fn
 *
 * Blocks come by ascending offset.  What was taken by count or reserved comes as
 * the blocks that it is cut into.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0, or what @fn returned.
 */
int quarry_buddy_walk_allocated(const struct quarry_buddy *buddy,
				int (*fn)(unsigned long offset, unsigned int order, void *arg),
				void *arg);

/**
 * quarry_buddy_verify() - check every invariant of a range
 * @buddy: the range
 *
 * Summaries match their bitmaps, no two buddies are both free, no state below
 * an unsplit block, counters match, only free space is known to be clean: linear
 * in the size of the state.
 *
 * Context: Any context.  The caller serialises calls on one @buddy.
 * Return: 0 if all is well, else a negative number that names the check
 * (the source line, negated).
 */
int quarry_buddy_verify(const struct quarry_buddy *buddy);

#endif /* _QUARRY_BUDDY_H */
