/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One slab: pages cut into objects of one size, described out of band.
 */
#ifndef _QUARRY_SLAB_H
#define _QUARRY_SLAB_H

#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/reciprocal_div.h>
#include <linux/types.h>

#include <quarry/magazine.h>

#include "defer.h"
#include "extent.h"
#include "note.h"

struct quarry_slab_cache;

/* Largest order of a slab that holds more than one object. */
#define QUARRY_SLAB_MAX_ORDER	5

/* How objects lie in the slabs of one cache; constant. */
struct quarry_slab_layout {
	unsigned int stride;		/* bytes from object to object */
	unsigned int order;		/* of a slab, in pages */
	unsigned int min_order;		/* when memory is short: one object fits */
	unsigned int small_order;	/* while the cache is small */
	unsigned int large_order;	/* once the cache is large */
	unsigned int nr_objs;		/* per slab of @order */
	struct reciprocal_value reciprocal;	/* of @stride */
	u64 fraction_less_1;		/* 2^64 / @stride, rounded up, is the fraction */
	bool track;			/* the descriptor ends with a note per object */
};

struct quarry_slab {
	struct quarry_front front;		/* a copy: see quarry_front_follow() */
	struct quarry_slab_cache *cache;	/* constant, as the next seven */
	struct quarry_extent *extent;
	void *base;
	u64 fraction_less_1;			/* see quarry_slab_starts() */
	u32 objs_size;				/* bytes in objects, without the tail */
	u16 nr_objs;				/* at most one per byte of a page */
	u16 desc_size;				/* bytes */
	u8 order;
	/* under cache->lock */
	u8 list;				/* which list of the cache it is on */
	u16 nr_free;
	union {
		struct list_head node;
		struct rcu_head rcu;		/* once it is given up */
	};
	struct quarry_meta *meta;		/* constant: where the descriptor is from */
	struct quarry_pending pending;
	/* bit per object: free; behind them as many words: its free is pending */
	unsigned long free[];
};

static inline unsigned int quarry_slab_nr_words(const struct quarry_slab *slab)
{
	return BITS_TO_LONGS(slab->nr_objs);
}

/* The bitmap of pending frees. */
static inline unsigned long *quarry_slab_frees(struct quarry_slab *slab)
{
	return slab->free + quarry_slab_nr_words(slab);
}

/* Will the object be freed without anyone's help?  Then its slab has to stay. */
static inline bool quarry_slab_is_pending(struct quarry_slab *slab, unsigned int index)
{
	return unlikely(quarry_defer_is_taken(&slab->pending.node)) &&
	       test_bit(index, quarry_slab_frees(slab));
}

/* How many objects a slab of 2^@order pages has. */
static inline unsigned int quarry_slab_nr_objs(const struct quarry_slab_layout *layout,
					       unsigned int order)
{
	return (PAGE_SIZE << order) / layout->stride;
}

/* @behind: bytes to leave behind each object, at least. */
void quarry_slab_layout_init(struct quarry_slab_layout *layout, size_t size, size_t align,
			     size_t behind, bool track);
size_t quarry_slab_desc_size(const struct quarry_slab_layout *layout, unsigned int order);

/* Sets up a descriptor over pages of order @order; all objects free. */
void quarry_slab_init(struct quarry_slab *slab, struct quarry_slab_cache *cache,
		      const struct quarry_slab_layout *layout, void *base, unsigned int order);

/* Takes up to @nr free objects, lowest first; returns how many. */
unsigned int quarry_slab_take(struct quarry_slab *slab, const struct quarry_slab_layout *layout,
			      void **objs, unsigned int nr);

/* The same from object @pos on, and around. */
unsigned int quarry_slab_take_from(struct quarry_slab *slab,
				   const struct quarry_slab_layout *layout, unsigned int pos,
				   void **objs, unsigned int nr);

/* Notes of the objects of a slab that has them. */
static inline struct quarry_note *quarry_slab_notes(struct quarry_slab *slab,
						    const struct quarry_slab_layout *layout)
{
	void *end = (void *)slab + slab->desc_size;

	return (struct quarry_note *)end - slab->nr_objs;
}

/*
 * Does an object start exactly at @obj, which is in the slab?  A multiple of the
 * stride times the fraction wraps to less than the fraction, as there was less than
 * that to round up; anything between two multiples does not (Lemire, Kaser, Kurz,
 * "Faster remainder by direct computation", 2019).  For a stride of 1 the fraction
 * itself wraps to 0, and all offsets pass.  What is kept is the fraction less 1, and the
 * product is taken as the sum of two.
 */
static __always_inline bool quarry_slab_starts(const struct quarry_slab *slab, const void *obj)
{
	u32 offset = obj - slab->base;

	return offset < slab->objs_size &&
	       offset * slab->fraction_less_1 + offset <= slab->fraction_less_1;
}

/* Index of the object that starts exactly at @obj, which is in the slab, or -EINVAL. */
static inline int quarry_slab_index(const struct quarry_slab *slab,
				    const struct quarry_slab_layout *layout, const void *obj)
{
	u32 offset = obj - slab->base;
	u32 index = reciprocal_divide(offset, layout->reciprocal);

	if (unlikely(index >= slab->nr_objs || index * layout->stride != offset))
		return -EINVAL;
	return index;
}

/* Puts object @index back; false if it is free already. */
bool quarry_slab_give(struct quarry_slab *slab, unsigned int index);

int quarry_slab_verify(const struct quarry_slab *slab, const struct quarry_slab_layout *layout);

/* Mark or clear all pages of a slab in its page map entries. */
void quarry_slab_claim(struct quarry_slab *slab);
void quarry_slab_unclaim(struct quarry_slab *slab);

/* The slab of an owner, or NULL if it is something else. */
static inline struct quarry_slab *quarry_owner_to_slab(unsigned long owner)
{
	unsigned long slab = owner - QUARRY_OWNER_SLAB;

	return slab & QUARRY_OWNER_MASK ? NULL : (struct quarry_slab *)slab;
}

/*
 * The slab that the page of @addr belongs to, or NULL.  Context as for
 * quarry_owner().
 */
static __always_inline struct quarry_slab *quarry_slab_find(const void *addr)
{
	return quarry_owner_to_slab(quarry_owner(addr));
}

#endif /* _QUARRY_SLAB_H */
