/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Range buddy: rows and nodes, shared by buddy*.c (see buddy.c for what the bits
 * mean).  Everything here is static inline and takes a number of steps given by
 * the number of orders or of summary levels, never by that of units.
 */
#ifndef _QUARRY_BUDDY_PRIV_H
#define _QUARRY_BUDDY_PRIV_H

#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/minmax.h>

#include <quarry/buddy.h>

#include "internal.h"

/* === Words: 64 nodes, that is 32 pairs of buddies === */

#define LEFT_NODES	(~0UL / 3)	/* every other bit, from bit 0 */

/* The left nodes of the pairs of which exactly one half is free. */
static __always_inline unsigned long word_ones(unsigned long word)
{
	return (word ^ word >> 1) & LEFT_NODES;
}

/* The free blocks: those halves. */
static __always_inline unsigned long word_blocks(unsigned long word)
{
	return word & word_ones(word) * 3;
}

/* === Rows: a bit per node of an order, with summaries === */

/* Bits of a row.  Roots have no buddy: they get every other bit, beside one that is 0. */
static inline unsigned long row_bits(unsigned long nr_units, unsigned int max_order,
				     unsigned int k)
{
	return (((nr_units - 1) >> k) + 1) << (k == max_order);
}

/* The words of a level; the last level is the word in the row itself. */
static inline const unsigned long *level_words(const struct quarry_buddy_order *row,
					       unsigned int level)
{
	unsigned long nr = row->sums - row->words;
	const unsigned long *at = row->words;

	if (level == row->nr_levels - 1)
		return &row->top;
	while (level--) {
		at += nr;
		nr = BITS_TO_LONGS(nr);
	}
	return at;
}

/* More levels than nodes, sums and top. */
static inline void tall_set(struct quarry_buddy_order *row, unsigned long i)
{
	unsigned int level;

	for (level = 1; level < row->nr_levels; level++, i /= BITS_PER_LONG)
		__set_bit(i, (unsigned long *)level_words(row, level));
}

static inline void tall_clear(struct quarry_buddy_order *row, unsigned long i)
{
	unsigned long *words;
	unsigned int level;

	for (level = 1; level < row->nr_levels; level++) {
		words = (unsigned long *)level_words(row, level);
		__clear_bit(i, words);
		i /= BITS_PER_LONG;
		if (words[i])
			break;
	}
}

/*
 * Word @i of a row has free blocks; free_orders is the caller's.  @tall: the row may
 * have more than three levels.
 */
static __always_inline void summary_set(struct quarry_buddy_order *row, unsigned long i, bool tall)
{
	if (tall && unlikely(row->nr_levels > 3)) {
		tall_set(row, i);
		return;
	}
	__set_bit(i, row->sums);
	__set_bit(i / BITS_PER_LONG, &row->top);
}

/* Word @i of a row has none any more; true if the row has none. */
static __always_inline bool summary_clear(struct quarry_buddy_order *row, unsigned long i,
					  bool tall)
{
	unsigned long *sums = row->sums;

	if (tall && unlikely(row->nr_levels > 3)) {
		tall_clear(row, i);
	} else {
		__clear_bit(i, sums);
		i /= BITS_PER_LONG;
		if (sums[i])
			return false;
		__clear_bit(i, &row->top);
	}
	return !row->top;
}

/* Bit @i of a row, or its buddy, is a free block now. */
static __always_inline void row_note(struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	b->free_orders |= 1U << k;
	summary_set(&b->orders[k], i / BITS_PER_LONG, true);
}

/* Down the summaries from bit @i of @level to the lowest (highest) word below it. */
static __always_inline unsigned long descend(const struct quarry_buddy_order *row,
					     unsigned int level, unsigned long i, bool last)
{
	unsigned long word;

	while (--level) {
		word = level_words(row, level)[i];
		i = i * BITS_PER_LONG + (last ? __fls(word) : __ffs(word));
	}
	return i;
}

/* === Nodes === */

/* Bit of node (@o, @k) in its row, and back. */
static __always_inline unsigned long node_bit(const struct quarry_buddy *b, unsigned long o,
					      unsigned int k)
{
	return o >> k << (k == b->max_order);
}

static __always_inline unsigned long bit_offset(const struct quarry_buddy *b, unsigned long i,
						unsigned int k)
{
	return i >> (k == b->max_order) << k;
}

static __always_inline bool row_test(const struct quarry_buddy_order *row, unsigned long i)
{
	return row->words[i / BITS_PER_LONG] >> (i % BITS_PER_LONG) & 1;
}

/* Is node @i of the row above split? */
static __always_inline bool row_is_split(const struct quarry_buddy_order *row, unsigned long i)
{
	const unsigned long *words = row->words;

	return !test_bit(2 * i, words) || !arch_test_bit(2 * i + 1, words);
}

static __always_inline bool node_exists(const struct quarry_buddy *b, unsigned long o,
					unsigned int k)
{
	return k == b->max_order || row_is_split(&b->orders[k], o >> (k + 1));
}

static __always_inline bool node_is_split(const struct quarry_buddy *b, unsigned long o,
					  unsigned int k)
{
	return k && row_is_split(&b->orders[k - 1], o >> k);
}

static __always_inline bool node_is_free(const struct quarry_buddy *b, unsigned long o,
					 unsigned int k)
{
	unsigned long i = node_bit(b, o, k);

	return row_test(&b->orders[k], i) && !row_test(&b->orders[k], i ^ 1);
}

static __always_inline bool node_is_allocated(const struct quarry_buddy *b, unsigned long o,
					      unsigned int k)
{
	return !row_test(&b->orders[k], node_bit(b, o, k)) && !node_is_split(b, o, k);
}

/* Free block @i of a row stops being one: it is taken, or about to be split. */
static __always_inline void row_take(struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	struct quarry_buddy_order *row = &b->orders[k];
	unsigned long *word = row->words + i / BITS_PER_LONG;

	*word &= ~BIT(i % BITS_PER_LONG);
	if (!word_ones(*word) && summary_clear(row, i / BITS_PER_LONG, true))
		b->free_orders &= ~(1U << k);
}

/* Node @i of a row is free and so is its buddy: their parent is, and so on. */
static __always_inline void merge_up(struct quarry_buddy *b, unsigned long i, unsigned int k,
				     bool tall)
{
	struct quarry_buddy_order *row = &b->orders[k], *root = &b->orders[b->max_order];
	unsigned int here = 1U << k, gone = 0;	/* rows that have no free block any more */
	unsigned long *words, word = row->words[i / BITS_PER_LONG];

	do {
		if (!word_ones(word) && summary_clear(row, i / BITS_PER_LONG, tall))
			gone |= here;
		row++;
		here <<= 1;
		i >>= 1;
		if (unlikely(row == root))
			i <<= 1;
		words = row->words + i / BITS_PER_LONG;
		word = *words | BIT(i % BITS_PER_LONG);
		*words = word;
	} while (word >> ((i ^ 1) % BITS_PER_LONG) & 1);
	b->free_orders = (b->free_orders & ~gone) | here;
	summary_set(row, i / BITS_PER_LONG, tall);
}

/* Allocated node becomes free and merges upwards. */
static inline void node_give(struct quarry_buddy *b, unsigned long o, unsigned int k)
{
	struct quarry_buddy_order *row = &b->orders[k];
	unsigned long i = node_bit(b, o, k);

	b->nr_free_units += 1UL << k;
	__set_bit(i, row->words);
	if (row_test(row, i ^ 1)) {
		merge_up(b, i, k, true);
		return;
	}
	row_note(b, k, i);
}

/*
 * Taken node (·, @from) is split until (@o, @to) is a node of its own; the
 * halves on the way that do not contain @o become free.  Goes upwards, as that
 * needs one shift per row and the order of the rows does not matter.
 */
static __always_inline void split_towards(struct quarry_buddy *b, unsigned long o,
					  unsigned int to, unsigned int from, bool tall)
{
	struct quarry_buddy_order *row, *end = &b->orders[from];
	unsigned long i = o >> to;

	/* Each of these rows gets a free node. */
	b->free_orders |= (1U << from) - (1U << to);
	for (row = &b->orders[to]; row < end; row++, i >>= 1) {
		__clear_bit(i, row->words);
		summary_set(row, i / BITS_PER_LONG, tall);
	}
}

/* Order of the free node that contains all of (@o, @order), or -1. */
static inline int free_node_around(const struct quarry_buddy *b, unsigned long o,
				   unsigned int order)
{
	unsigned int k;

	for (k = order; row_test(&b->orders[k], node_bit(b, o, k)); k++)
		if (!row_test(&b->orders[k], node_bit(b, o, k) ^ 1))
			return k;
	return -1;
}

/* Take (@o, @order) out of the free node of order @from around it. */
static inline void take_out_of(struct quarry_buddy *b, unsigned long o, unsigned int order,
			       unsigned int from)
{
	row_take(b, from, node_bit(b, o, from));
	split_towards(b, o, order, from, true);
	b->nr_free_units -= 1UL << order;
}

/* === Intervals === */

static __always_inline bool block_is_valid(const struct quarry_buddy *b, unsigned long o,
					   unsigned int order)
{
	return order <= b->max_order && !(o & ((1UL << order) - 1)) &&
	       o < b->nr_units && b->nr_units - o >= 1UL << order;
}

static inline bool interval_is_valid(const struct quarry_buddy *b, unsigned long o,
				     unsigned long count)
{
	return count && o < b->nr_units && count <= b->nr_units - o;
}

/* Order of the first block when an interval is cut into the largest aligned ones. */
static inline unsigned int first_piece(const struct quarry_buddy *b, unsigned long o,
				       unsigned long count)
{
	unsigned int k = min_t(unsigned int, __fls(count), b->max_order);

	return o ? min_t(unsigned int, k, __ffs(o)) : k;
}

/*
 * The next of the blocks that an interval is cut into, from unit *@at up to @end,
 * which moves *@at behind it; false at the end.  At most two per order, and one per
 * 2^max_order units.
 */
static inline bool next_piece(const struct quarry_buddy *b, unsigned long *at, unsigned long end,
			      unsigned long *o, unsigned int *k)
{
	if (*at >= end)
		return false;
	*o = *at;
	*k = first_piece(b, *o, end - *o);
	*at += 1UL << *k;
	return true;
}

/* Take what is known to be free. */
static inline void take_interval(struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	unsigned long at = o, piece;
	unsigned int k;

	while (next_piece(b, &at, o + count, &piece, &k))
		take_out_of(b, piece, k, free_node_around(b, piece, k));
}

/* buddy.c */
void quarry_buddy_layout(struct quarry_buddy *b, unsigned long nr_units, unsigned int max_order,
			 void *state);

/* buddy_range.c: a free block, or the part of one, of 2^@order units in [@lo, @hi) */
struct quarry_buddy_found {
	unsigned long offset;
	unsigned int from;		/* order of the free block it is in */
};

bool quarry_buddy_find(const struct quarry_buddy *b, unsigned int order, unsigned long lo,
		       unsigned long hi, bool top_down, struct quarry_buddy_found *found);
int quarry_buddy_find_count(const struct quarry_buddy *b, unsigned long count,
			    const struct quarry_buddy_where *where,
			    struct quarry_buddy_found *found);
int quarry_buddy_find_joined(const struct quarry_buddy *b, unsigned long count,
			     const struct quarry_buddy_where *where,
			     struct quarry_buddy_found *found);

/*
 * buddy_clean.c: forget what is known of units that have just been taken, say
 * whether all of them were clean; remember that units just freed are.
 */
bool quarry_buddy_clean_forget(struct quarry_buddy *b, unsigned long o, unsigned long count);
void quarry_buddy_clean_note(struct quarry_buddy *b, unsigned long o, unsigned long count);
void quarry_buddy_clean_undo(struct quarry_buddy *b, unsigned long o, unsigned int order);
bool quarry_buddy_clean_find(const struct quarry_buddy *b, unsigned int order, unsigned long lo,
			     unsigned long hi, bool top_down, struct quarry_buddy_found *found);
bool quarry_buddy_clean_covers(const struct quarry_buddy *b, unsigned long o, unsigned int order);
bool quarry_buddy_clean_touches(const struct quarry_buddy *b, unsigned long o, unsigned int order);
int quarry_buddy_clean_verify(const struct quarry_buddy *b);

/* buddy_walk.c: summaries and counters of every row, shared with the clean set */
int quarry_buddy_verify_rows(const struct quarry_buddy *b);

#endif /* _QUARRY_BUDDY_PRIV_H */
