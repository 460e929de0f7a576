// SPDX-License-Identifier: GPL-2.0
/*
 * Slabs: how objects lie in pages, which of them are free.
 *
 * A slab is 2^order pages cut into objects from its first byte on; its
 * descriptor lives in the heap's metadata and has one bit per object.  Nothing
 * is ever written into a free object.
 *
 *	base                                        base + (PAGE_SIZE << order)
 *	| obj 0 | obj 1 | obj 2 | ... | obj n-1 | tail |
 *	  free[] = 1 0 1 ...                      (1: free)
 *
 * The order is the smallest whose tail is no more than 1/16 and that holds an
 * object per page or eight in all; if none up to 5 does, the one that wastes
 * least.  A cache that is small yet takes the smallest whose tail is no more than a
 * quarter: a slab of 128 KiB for the first task_struct wastes more than its tails save.
 * One that has become large takes twice as much at a time where objects are many to a
 * slab: a new slab costs as much as several refills.
 *
 * A second bitmap, changed without a lock, marks objects whose free is pending
 * (defer.c); they are in use until that is over.
 *
 * Locking: the caller's (cache->lock) for everything that reads or changes the
 * free bits; layout and position are constant.
 *
 * Invariant (quarry_slab_verify()): nr_free = number of bits set, none at or
 * above nr_objs.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "internal.h"
#include "slab.h"

#define ENOUGH_OBJS	8

/*
 * Objects in slabs that grow with their cache.  A larger slab is kept by fewer objects that are
 * left in it: with a tenth left in random places 43 % of slabs of eight can go, 19 % of
 * those of 16, but 3 and 0 % of those of 32 and 64.  (With a hundredth it is 72 and 53 %, hence
 * twice as much and not more.)  Above 256, new slabs are rare.
 */
#define MIN_GROWN_OBJS	32
#define MAX_GROWN_OBJS	256
#define GROWN_ORDERS	1

/*
 * Where 0 is asked for.  As kmalloc's, at least: the largest power of two that divides the
 * size, which makes a difference only if bytes are left behind the object.
 */
static size_t default_align(size_t size)
{
	size_t least = size < ARCH_KMALLOC_MINALIGN ? roundup_pow_of_two(size) :
						      ARCH_KMALLOC_MINALIGN;

	return max(least, size & -size);
}

static unsigned int tail_of(unsigned int stride, unsigned int order)
{
	return (PAGE_SIZE << order) % stride;
}

static unsigned int choose_order(unsigned int stride)
{
	unsigned int order, best = get_order(stride);

	for (order = best; order <= QUARRY_SLAB_MAX_ORDER; order++) {
		unsigned int tail = tail_of(stride, order);

		if (tail <= (PAGE_SIZE << order) / 16 &&
		    (PAGE_SIZE << order) / stride >= min(ENOUGH_OBJS, 1 << order))
			return order;
		/* Compare shares of different totals. */
		if ((u64)tail << best < (u64)tail_of(stride, best) << order)
			best = order;
	}
	return best;
}

static unsigned int choose_small_order(unsigned int stride, unsigned int order)
{
	unsigned int small = get_order(stride);

	while (small < order && tail_of(stride, small) > (PAGE_SIZE << small) / 4)
		small++;
	return small;
}

/* The share of tail is no larger than that of @order. */
static unsigned int choose_large_order(unsigned int stride, unsigned int order)
{
	unsigned int nr_objs = (PAGE_SIZE << order) / stride;

	if (nr_objs < MIN_GROWN_OBJS || nr_objs > MAX_GROWN_OBJS)
		return order;
	return min(order + GROWN_ORDERS, QUARRY_SLAB_MAX_ORDER);
}

void quarry_slab_layout_init(struct quarry_slab_layout *layout, size_t size, size_t align,
			     size_t behind, bool track)
{
	layout->stride = ALIGN(size + behind, align ?: default_align(size));
	layout->track = track;
	layout->min_order = get_order(layout->stride);
	layout->order = choose_order(layout->stride);
	layout->small_order = choose_small_order(layout->stride, layout->order);
	layout->large_order = choose_large_order(layout->stride, layout->order);
	layout->nr_objs = quarry_slab_nr_objs(layout, layout->order);
	layout->reciprocal = reciprocal_value(layout->stride);
	layout->fraction_less_1 = div_u64(U64_MAX, layout->stride);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_slab_layout_init);

size_t quarry_slab_desc_size(const struct quarry_slab_layout *layout, unsigned int order)
{
	unsigned int nr_objs = quarry_slab_nr_objs(layout, order);
	size_t size = struct_size_t(struct quarry_slab, free, 2 * BITS_TO_LONGS(nr_objs));

	return layout->track ? size + nr_objs * sizeof(struct quarry_note) : size;
}

void quarry_slab_init(struct quarry_slab *slab, struct quarry_slab_cache *cache,
		      const struct quarry_slab_layout *layout, void *base, unsigned int order)
{
	slab->cache = cache;
	slab->extent = quarry_extent_find(base);
	slab->base = base;
	slab->order = order;
	slab->nr_objs = quarry_slab_nr_objs(layout, order);
	slab->objs_size = slab->nr_objs * layout->stride;
	slab->fraction_less_1 = layout->fraction_less_1;
	slab->nr_free = slab->nr_objs;
	INIT_LIST_HEAD(&slab->node);
	quarry_pending_init(&slab->pending);
	bitmap_set(slab->free, 0, slab->nr_objs);
}

/* How many bits from @first on are set, as far as @most; 1 at least. */
static unsigned int length_of_run(unsigned long bits, unsigned int first, unsigned int most)
{
	unsigned long rest = ~(bits >> first);

	return min_t(unsigned int, rest ? __ffs(rest) : BITS_PER_LONG, most);
}

unsigned int quarry_slab_take(struct quarry_slab *slab, const struct quarry_slab_layout *layout,
			      void **objs, unsigned int nr)
{
	unsigned int word, first, len, got = 0;

	for (word = 0; got < nr && got < slab->nr_free; word++) {
		unsigned long bits = slab->free[word];

		/* Run by run: in a new slab all are neighbours. */
		while (bits && got < nr) {
			void *obj, **end;

			first = __ffs(bits);
			len = length_of_run(bits, first, nr - got);
			bits &= ~(GENMASK(len - 1, 0) << first);
			obj = slab->base + (size_t)(word * BITS_PER_LONG + first) * layout->stride;
			for (end = objs + got + len; objs + got < end; got++) {
				objs[got] = obj;
				obj += layout->stride;
			}
		}
		slab->free[word] = bits;
	}
	slab->nr_free -= got;
	return got;
}

unsigned int quarry_slab_take_from(struct quarry_slab *slab,
				   const struct quarry_slab_layout *layout, unsigned int pos,
				   void **objs, unsigned int nr)
{
	unsigned int got = 0;

	while (got < nr && slab->nr_free) {
		pos = find_next_bit(slab->free, slab->nr_objs, pos);
		if (pos >= slab->nr_objs) {
			pos = 0;
			continue;
		}
		__clear_bit(pos, slab->free);
		slab->nr_free--;
		objs[got++] = slab->base + (size_t)pos * layout->stride;
	}
	return got;
}

bool quarry_slab_give(struct quarry_slab *slab, unsigned int index)
{
	if (__test_and_set_bit(index, slab->free))
		return false;
	slab->nr_free++;
	return true;
}

static void set_owner(struct quarry_slab *slab, unsigned long owner)
{
	quarry_pagemap_set(slab->extent->pfn + quarry_extent_page_of(slab->extent, slab->base),
			   1UL << slab->order, owner);
}

void quarry_slab_claim(struct quarry_slab *slab)
{
	set_owner(slab, (unsigned long)slab | QUARRY_OWNER_SLAB);
}

void quarry_slab_unclaim(struct quarry_slab *slab)
{
	set_owner(slab, QUARRY_OWNER_NONE);
}

int quarry_slab_verify(const struct quarry_slab *slab, const struct quarry_slab_layout *layout)
{
	unsigned int nr_bits;

	if (slab->nr_objs != quarry_slab_nr_objs(layout, slab->order) ||
	    slab->nr_free > slab->nr_objs)
		return -__LINE__;
	if (bitmap_weight(slab->free, slab->nr_objs) != slab->nr_free)
		return -__LINE__;
	nr_bits = quarry_slab_nr_words(slab) * BITS_PER_LONG;
	if (find_next_bit(slab->free, nr_bits, slab->nr_objs) < nr_bits)
		return -__LINE__;
	return 0;
}
