// SPDX-License-Identifier: GPL-2.0
/*
 * Range buddy: allocation from a part [lo, hi) of the range, joined blocks, lists.
 *
 * For an aligned block of 2^order units both ends of the part are first rounded
 * inwards to multiples of 2^order.  Any free block of that order or above that
 * overlaps what is left then has an aligned piece inside, so one search per row is
 * enough: the first "one" bit at or above (below) a position, found by going up the
 * summaries until one has a later bit, and down again.  The block at the edge can be
 * the half that lies outside; then, once, the next bit is looked at.
 *
 *	     lo                              hi
 *	......|===============================|......
 *	  [ free, order 5 ]     [ order 4 ]             both overlap; of the first,
 *	      ^^^^                                      this part is for order 2
 *
 * A list is picked first and what is known of clean space is forgotten last, so that
 * one that turns out not to fit can be taken back to the bit.
 */
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/log2.h>

#include "buddy.h"

#define WHERE_FLAGS	(QUARRY_BUDDY_TOP_DOWN | QUARRY_BUDDY_CLEAN | QUARRY_BUDDY_JOIN)

/* Free blocks looked at by QUARRY_BUDDY_JOIN: bounds the time; most fit at once. */
#define MAX_JOIN_TRIES	64

/* Free blocks looked at to spare clean space. */
#define MAX_DIRTY_TRIES	16

#define NONE	ULONG_MAX

/* === Searching a row === */

/* Bits of word @i of a level: free blocks, or words that have some. */
static unsigned long level_bits(const struct quarry_buddy_order *row, unsigned int level,
				unsigned long i)
{
	return level ? level_words(row, level)[i] : word_blocks(row->words[i]);
}

/* The lowest (highest) block below bit @i of @level. */
static unsigned long block_below(const struct quarry_buddy_order *row, unsigned int level,
				 unsigned long i, bool last)
{
	unsigned long blocks;

	if (!level)
		return i;
	i = descend(row, level, i, last);
	blocks = word_blocks(row->words[i]);
	return i * BITS_PER_LONG + (last ? __fls(blocks) : __ffs(blocks));
}

/* First free block of a row at or above bit @i. */
static unsigned long block_at_or_above(const struct quarry_buddy_order *row, unsigned long i)
{
	unsigned long nr = row->sums - row->words, word;
	unsigned int level;

	for (level = 0; level < row->nr_levels && i / BITS_PER_LONG < nr; level++) {
		word = level_bits(row, level, i / BITS_PER_LONG) & (~0UL << (i % BITS_PER_LONG));
		if (word)
			return block_below(row, level, round_down(i, BITS_PER_LONG) + __ffs(word),
					   false);
		i = i / BITS_PER_LONG + 1;
		nr = BITS_TO_LONGS(nr);
	}
	return NONE;
}

/* Last one at or below bit @i. */
static unsigned long block_at_or_below(const struct quarry_buddy_order *row, unsigned long i)
{
	unsigned long word;
	unsigned int level;

	for (level = 0; level < row->nr_levels; level++) {
		word = level_bits(row, level, i / BITS_PER_LONG) &
		       (~0UL >> (BITS_PER_LONG - 1 - i % BITS_PER_LONG));
		if (word)
			return block_below(row, level, round_down(i, BITS_PER_LONG) + __fls(word),
					   true);
		if (i < BITS_PER_LONG)
			break;
		i = i / BITS_PER_LONG - 1;
	}
	return NONE;
}

/* Lowest free block of exactly order @k that overlaps [@lo, @hi). */
static unsigned long first_in_row(const struct quarry_buddy *b, unsigned int k, unsigned long lo,
				  unsigned long hi)
{
	unsigned long i = block_at_or_above(&b->orders[k], node_bit(b, lo, k)), o;

	if (i == NONE)
		return NONE;
	o = bit_offset(b, i, k);
	return o < hi ? o : NONE;
}

/* The highest one. */
static unsigned long last_in_row(const struct quarry_buddy *b, unsigned int k, unsigned long lo,
				 unsigned long hi)
{
	unsigned long i, o;

	i = block_at_or_below(&b->orders[k], node_bit(b, min(hi, b->nr_units) - 1, k));
	if (i == NONE)
		return NONE;
	o = bit_offset(b, i, k);
	return o + (1UL << k) > lo ? o : NONE;
}

/*
 * [@lo, @hi) is not empty and begins inside the range; both are multiples of 2^@order.
 * Of the first MAX_DIRTY_TRIES places the first that is not clean even in parts, or the
 * first of all.
 */
bool quarry_buddy_find(const struct quarry_buddy *b, unsigned int order, unsigned long lo,
		       unsigned long hi, bool top_down, struct quarry_buddy_found *found)
{
	unsigned int orders = b->free_orders >> order << order, k, tries = 0;
	unsigned long o, from, to, at;
	bool dirty;

	for (; orders; orders &= orders - 1) {
		k = __ffs(orders);
		for (from = lo, to = hi; from < to; ) {
			o = top_down ? last_in_row(b, k, from, to) : first_in_row(b, k, from, to);
			if (o == NONE)
				break;
			at = top_down ? min(hi, o + (1UL << k)) - (1UL << order) : max(lo, o);
			dirty = !b->clean || !quarry_buddy_clean_touches(b, at, order);
			if (dirty || !tries) {
				found->from = k;
				found->offset = at;
			}
			if (dirty)
				return true;
			if (++tries == MAX_DIRTY_TRIES)
				return true;
			if (top_down)
				to = o;
			else
				from = o + (1UL << k);
		}
	}
	return tries;
}

/* === One piece === */

/* @where with what it leaves open filled in. */
static int resolve(const struct quarry_buddy *b, const struct quarry_buddy_where *where,
		   struct quarry_buddy_where *out)
{
	*out = (struct quarry_buddy_where){ .hi = b->nr_units };
	if (!where)
		return 0;
	if (where->flags & ~WHERE_FLAGS || where->lo >= where->hi || where->lo >= b->nr_units)
		return -EINVAL;
	*out = *where;
	out->hi = min(out->hi, b->nr_units);
	return 0;
}

/* Place for an aligned block of which the first @count units are in the part. */
static bool find_aligned(const struct quarry_buddy *b, unsigned long count, bool clean,
			 const struct quarry_buddy_where *where, struct quarry_buddy_found *found)
{
	unsigned int order = order_base_2(count);
	unsigned long size = 1UL << order, lo, hi;
	bool top_down = where->flags & QUARRY_BUDDY_TOP_DOWN;

	lo = round_up(where->lo, size);
	if (where->hi < count)
		return false;
	hi = round_down(where->hi - count, size) + size;
	if (lo >= hi || lo >= b->nr_units)
		return false;
	if (clean)
		return quarry_buddy_clean_find(b, order, lo, hi, top_down, found);
	return quarry_buddy_find(b, order, lo, hi, top_down, found);
}

int quarry_buddy_find_count(const struct quarry_buddy *b, unsigned long count,
			    const struct quarry_buddy_where *where,
			    struct quarry_buddy_found *found)
{
	struct quarry_buddy_where in;
	int ret = resolve(b, where, &in);

	if (ret)
		return ret;
	if (!count)
		return -EINVAL;
	if (count > 1UL << b->max_order)
		return in.flags & QUARRY_BUDDY_JOIN ? -ENOSPC : -EINVAL;
	if (in.flags & QUARRY_BUDDY_CLEAN && find_aligned(b, count, true, &in, found))
		return 0;
	return find_aligned(b, count, false, &in, found) ? 0 : -ENOSPC;
}

long quarry_buddy_alloc_in(struct quarry_buddy *b, unsigned int order,
			   const struct quarry_buddy_where *where, bool *clean)
{
	struct quarry_buddy_found found;
	bool is_clean;
	int ret;

	if (order > b->max_order)
		return -EINVAL;
	ret = quarry_buddy_find_count(b, 1UL << order, where, &found);
	if (ret)
		return ret;
	take_out_of(b, found.offset, order, found.from);
	is_clean = quarry_buddy_clean_forget(b, found.offset, 1UL << order);
	if (clean)
		*clean = is_clean;
	return found.offset;
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc_in);

/* === Neighbouring free blocks as one piece === */

/* Can free block (@o, @k) with its free neighbours hold @count units of the part? */
static bool grow_run(const struct quarry_buddy *b, unsigned long o, unsigned int k,
		     unsigned long count, const struct quarry_buddy_where *where,
		     unsigned long *offset)
{
	unsigned long start = o, end = o + (1UL << k);
	int j;

	/* What sticks out of the part is no use; from there on there is none to add. */
	start = max(start, where->lo);
	end = min(end, where->hi);
	while (end < where->hi && end - start < count) {
		j = free_node_around(b, end, 0);
		if (j < 0)
			break;
		end = min(end + (1UL << j), where->hi);
	}
	while (start > where->lo && end - start < count) {
		j = free_node_around(b, start - 1, 0);
		if (j < 0)
			break;
		start = max(start - (1UL << j), where->lo);
	}
	*offset = where->flags & QUARRY_BUDDY_TOP_DOWN ? end - count : start;
	return end - start >= count;
}

/*
 * A run of n free units has an aligned block of at least (n + 1) / 4 units in it,
 * so the search starts at blocks of that order; each of them has all of its run looked
 * at, as far as it is needed.
 */
int quarry_buddy_find_joined(const struct quarry_buddy *b, unsigned long count,
			     const struct quarry_buddy_where *where,
			     struct quarry_buddy_found *found)
{
	struct quarry_buddy_where in;
	unsigned int k, tries = 0;
	unsigned long lo, hi, o;
	bool top_down;

	if (resolve(b, where, &in) || count > b->nr_units)
		return -EINVAL;
	top_down = in.flags & QUARRY_BUDDY_TOP_DOWN;
	k = min_t(unsigned int, ilog2(count + 1) - 1, b->max_order);
	for (; k <= b->max_order; k++) {
		for (lo = in.lo, hi = in.hi; lo < hi && tries < MAX_JOIN_TRIES; tries++) {
			o = top_down ? last_in_row(b, k, lo, hi) : first_in_row(b, k, lo, hi);
			if (o == NONE)
				break;
			if (grow_run(b, o, k, count, &in, &found->offset))
				return 0;
			if (top_down)
				hi = o;
			else
				lo = o + (1UL << k);
		}
	}
	return -ENOSPC;
}

/* === Lists === */

struct list {
	struct quarry_buddy_where in;
	unsigned int min_order;
	unsigned long missing;		/* units */
	struct quarry_buddy_block *blocks;
	unsigned int nr;
	unsigned int room;
};

/* Take the largest blocks that there are until nothing is missing or there are none. */
static int list_take(struct quarry_buddy *b, struct list *list, bool clean)
{
	unsigned int k = b->max_order;
	struct quarry_buddy_found found;

	while (list->missing) {
		k = min_t(unsigned int, k, __fls(list->missing));
		if (!find_aligned(b, 1UL << k, clean, &list->in, &found)) {
			if (k-- == list->min_order)
				break;
			continue;
		}
		if (list->nr == list->room)
			return -E2BIG;
		take_out_of(b, found.offset, k, found.from);
		if (clean)
			quarry_buddy_clean_forget(b, found.offset, 1UL << k);
		list->blocks[list->nr++] = (struct quarry_buddy_block){
			.offset = found.offset, .order = k, .clean = clean
		};
		list->missing -= 1UL << k;
	}
	return 0;
}

/* In reverse, so that a granule that was broken up is whole when its turn comes. */
static void list_undo(struct quarry_buddy *b, struct list *list)
{
	const struct quarry_buddy_block *block;

	while (list->nr--) {
		block = &list->blocks[list->nr];
		node_give(b, block->offset, block->order);
		if (block->clean)
			quarry_buddy_clean_undo(b, block->offset, block->order);
	}
}

int quarry_buddy_alloc_list(struct quarry_buddy *b, unsigned long count, unsigned int min_order,
			    const struct quarry_buddy_where *where,
			    struct quarry_buddy_block *blocks, unsigned int nr_blocks)
{
	struct list list = {
		.min_order = min_order, .missing = count, .blocks = blocks, .room = nr_blocks
	};
	unsigned int i;
	int ret;

	ret = resolve(b, where, &list.in);
	if (ret)
		return ret;
	if (min_order > b->max_order || !count || count & ((1UL << min_order) - 1))
		return -EINVAL;
	if (count > b->nr_free_units)
		return -ENOSPC;
	if (list.in.flags & QUARRY_BUDDY_CLEAN)
		ret = list_take(b, &list, true);
	i = list.nr;
	if (!ret)
		ret = list_take(b, &list, false);
	if (!ret && list.missing)
		ret = -ENOSPC;
	if (ret) {
		list_undo(b, &list);
		return ret;
	}
	for (; i < list.nr; i++)
		blocks[i].clean = quarry_buddy_clean_forget(b, blocks[i].offset,
							    1UL << blocks[i].order);
	return list.nr;
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc_list);

/* === Lists, block by block === */

/*
 * What is picked depends on nothing but the state of the range and is not changed
 * while it is: so it can be gone through once to see whether there is enough, once to
 * tell, and once to take.
 */
struct pick {
	struct quarry_buddy_where in;
	unsigned int min_order;
	unsigned long missing;		/* units */
	unsigned int nr;		/* blocks */
	unsigned long at;		/* a row is looked at from here on (top down: below) */
	/* an interval of free units; it is @missing that it is for */
	int (*fn)(struct quarry_buddy *b, struct pick *pick, unsigned long o, unsigned long count);
	int (*tell)(const struct quarry_buddy_block *block, void *arg);
	void *arg;
};

static int pick_count(struct quarry_buddy *b, struct pick *pick, unsigned long o,
		      unsigned long count)
{
	return 0;
}

static int pick_tell(struct quarry_buddy *b, struct pick *pick, unsigned long o,
		     unsigned long count)
{
	struct quarry_buddy_block block;
	unsigned long at = o;
	int ret = 0;

	while (!ret && next_piece(b, &at, o + count, &block.offset, &block.order)) {
		block.clean = quarry_buddy_clean_covers(b, block.offset, block.order);
		ret = pick->tell(&block, pick->arg);
		pick->nr++;
	}
	return ret;
}

static int pick_take(struct quarry_buddy *b, struct pick *pick, unsigned long o,
		     unsigned long count)
{
	take_interval(b, o, count);
	quarry_buddy_clean_forget(b, o, count);
	return 0;
}

/* The part of free interval [@o, @end) that is still missing, from the end to begin at. */
static int pick_from(struct quarry_buddy *b, struct pick *pick, unsigned long o,
		     unsigned long end)
{
	unsigned long count = min(pick->missing, end - o);

	if (pick->in.flags & QUARRY_BUDDY_TOP_DOWN)
		o = end - count;
	pick->missing -= count;
	return pick->fn(b, pick, o, count);
}

static void pick_rewind(struct pick *pick)
{
	pick->at = pick->in.flags & QUARRY_BUDDY_TOP_DOWN ? NONE : 0;
}

/* The next free block of order @k that is all in the part. */
static bool pick_block(const struct quarry_buddy *b, struct pick *pick, unsigned int k,
		       unsigned long *o)
{
	unsigned long lo = round_up(pick->in.lo, 1UL << k), hi = round_down(pick->in.hi, 1UL << k);

	if (pick->in.flags & QUARRY_BUDDY_TOP_DOWN) {
		hi = min(hi, pick->at);
		*o = lo < hi ? last_in_row(b, k, lo, hi) : NONE;
		pick->at = *o == NONE ? 0 : *o;
	} else {
		lo = max(lo, pick->at);
		*o = lo < hi ? first_in_row(b, k, lo, hi) : NONE;
		pick->at = *o == NONE ? NONE : *o + (1UL << k);
	}
	return *o != NONE;
}

/* The free block around @unit may stick out of the part; below it, if @low. */
static int pick_edge(struct quarry_buddy *b, struct pick *pick, unsigned long unit, bool low)
{
	unsigned long size = 1UL << pick->min_order, o, end;
	int k = free_node_around(b, unit, pick->min_order);

	if (k < 0 || !pick->missing)
		return 0;
	o = round_down(unit, 1UL << k);
	end = o + (1UL << k);
	if (low ? o >= pick->in.lo : o < pick->in.lo || end <= pick->in.hi)
		return 0;
	o = max(o, round_up(pick->in.lo, size));
	return pick_from(b, pick, o, min(end, round_down(pick->in.hi, size)));
}

/* Largest first; as soon as one block holds all that is missing, the smallest such. */
static noinline int pick_run(struct quarry_buddy *b, struct pick *pick)
{
	unsigned long size = 1UL << pick->min_order, lo, hi, o, spare = NONE;
	int k = min_t(int, b->max_order, __fls(pick->missing)), spare_k, ret = 0;

	for (spare_k = k + 1; spare_k <= b->max_order && spare == NONE; spare_k++) {
		pick_rewind(pick);
		pick_block(b, pick, spare_k, &spare);
	}
	spare_k--;
	for (; !ret && pick->missing && k >= (int)pick->min_order; k--) {
		pick_rewind(pick);
		while (!ret && pick->missing && pick_block(b, pick, k, &o)) {
			if (!(pick->missing >> k)) {
				spare = o;
				spare_k = k;
				break;
			}
			ret = pick_from(b, pick, o, o + (1UL << k));
		}
		if (!ret && pick->missing >> k && spare != NONE)
			ret = pick_from(b, pick, spare, spare + (1UL << spare_k));
	}
	if (ret || !pick->missing)
		return ret;
	/* Only what sticks out at the edges is left; that may be one block. */
	lo = round_up(pick->in.lo, size);
	hi = round_down(pick->in.hi, size);
	if (lo < hi)
		ret = pick_edge(b, pick, lo, true) ?: pick_edge(b, pick, hi - size, false);
	return ret ?: pick->missing ? -ENOSPC : 0;
}

int quarry_buddy_alloc_each(struct quarry_buddy *b, unsigned long count, unsigned int min_order,
			    const struct quarry_buddy_where *where,
			    int (*fn)(const struct quarry_buddy_block *block, void *arg), void *arg)
{
	static int (* const passes[])(struct quarry_buddy *b, struct pick *pick, unsigned long o,
				      unsigned long count) = { pick_count, pick_tell, pick_take };
	struct pick pick = { .min_order = min_order, .tell = fn, .arg = arg };
	unsigned int i;
	int ret;

	ret = resolve(b, where, &pick.in);
	if (ret)
		return ret;
	if (min_order > b->max_order || !count || count & ((1UL << min_order) - 1))
		return -EINVAL;
	if (count > b->nr_free_units)
		return -ENOSPC;
	for (i = 0; !ret && i < ARRAY_SIZE(passes); i++) {
		pick.fn = passes[i];
		pick.missing = count;
		ret = pick_run(b, &pick);
	}
	return ret ?: pick.nr;
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc_each);
