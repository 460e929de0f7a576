/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Range buddy: rows, pairs and nodes, shared by buddy*.c (see buddy.c for what
 * the bits mean).  Everything here is static inline and takes a number of steps
 * given by the number of orders or of summary levels, never by that of units.
 */
#ifndef _QUARRY_BUDDY_PRIV_H
#define _QUARRY_BUDDY_PRIV_H

#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/minmax.h>

#include <quarry/buddy.h>

#include "internal.h"

/* === Rows: a bitmap per order, with summaries === */

/* The two words, "one" and "aux", that hold pair @i of a row. */
static __always_inline unsigned long *pair_words(const struct quarry_buddy_order *row,
						 unsigned long i)
{
	return row->words + 2 * (i / BITS_PER_LONG);
}

/* Word @i of a level; level 0 is interleaved with "aux". */
static inline unsigned long *level_word(const struct quarry_buddy_order *row, unsigned int level,
					unsigned long i)
{
	return level ? row->words + row->level[level - 1] + i : row->words + 2 * i;
}

/* The word of pair @i has just got its first bit; free_orders is the caller's. */
static __always_inline void summary_set(const struct quarry_buddy_order *row, unsigned long i)
{
	unsigned int level, nr = row->nr_levels - 1;

	for (level = 0; level < nr; level++) {
		unsigned long *word, old;

		i /= BITS_PER_LONG;
		word = row->words + row->level[level] + i / BITS_PER_LONG;
		old = *word;
		*word = old | BIT(i % BITS_PER_LONG);
		if (old)
			return;
	}
}

/* The word of pair @i has just lost its last bit; free_orders is the caller's. */
static __always_inline void summary_clear(const struct quarry_buddy_order *row, unsigned long i)
{
	unsigned int level, nr = row->nr_levels - 1;

	for (level = 0; level < nr; level++) {
		unsigned long *word, new;

		i /= BITS_PER_LONG;
		word = row->words + row->level[level] + i / BITS_PER_LONG;
		new = *word & ~BIT(i % BITS_PER_LONG);
		*word = new;
		if (new)
			return;
	}
}

static __always_inline void one_set(struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	struct quarry_buddy_order *row = &b->orders[k];
	unsigned long *word = pair_words(row, i), old = *word;

	*word = old | BIT(i % BITS_PER_LONG);
	row->nr_free++;
	b->free_orders |= 1U << k;
	if (!old)
		summary_set(row, i);
}

static __always_inline void one_clear(struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	struct quarry_buddy_order *row = &b->orders[k];
	unsigned long *word = pair_words(row, i), new = *word & ~BIT(i % BITS_PER_LONG);

	*word = new;
	if (!--row->nr_free)
		b->free_orders &= ~(1U << k);
	if (!new)
		summary_clear(row, i);
}

static __always_inline void aux_assign(struct quarry_buddy *b, unsigned int k, unsigned long i,
				       unsigned long value)
{
	unsigned long *word = pair_words(&b->orders[k], i) + 1;

	*word = (*word & ~BIT(i % BITS_PER_LONG)) | value << (i % BITS_PER_LONG);
}

static __always_inline bool one_test(const struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	return pair_words(&b->orders[k], i)[0] >> (i % BITS_PER_LONG) & 1;
}

static __always_inline bool aux_test(const struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	return pair_words(&b->orders[k], i)[1] >> (i % BITS_PER_LONG) & 1;
}

/* Down the summaries from bit @i of @level to the lowest (highest) bit below it. */
static __always_inline unsigned long descend(const struct quarry_buddy_order *row,
					     unsigned int level, unsigned long i, bool last)
{
	unsigned long word;

	while (level--) {
		word = *level_word(row, level, i);
		i = i * BITS_PER_LONG + (last ? __fls(word) : __ffs(word));
	}
	return i;
}

/* Number of pairs (at max_order: of nodes) in a row. */
static inline unsigned long nr_bits(unsigned long nr_units, unsigned int max_order, unsigned int k)
{
	unsigned int shift = k == max_order ? k : k + 1;

	return ((nr_units - 1) >> shift) + 1;
}

/* === Nodes === */

/* Offset of the node that the "one" bit @i of row @k stands for. */
static __always_inline unsigned long one_offset(const struct quarry_buddy *b, unsigned int k,
						unsigned long i)
{
	return k == b->max_order ? i << k : (2 * i + aux_test(b, k, i)) << k;
}

/* Is the parent of pair @i of a row split? */
static __always_inline bool row_is_split(const struct quarry_buddy_order *row, unsigned long i)
{
	const unsigned long *w = pair_words(row, i);

	return (w[0] | w[1]) >> (i % BITS_PER_LONG) & 1;
}

static __always_inline bool pair_is_split(const struct quarry_buddy *b, unsigned int k,
					  unsigned long i)
{
	return row_is_split(&b->orders[k], i);
}

static __always_inline bool node_exists(const struct quarry_buddy *b, unsigned long o,
					unsigned int k)
{
	return k == b->max_order || pair_is_split(b, k, o >> (k + 1));
}

static __always_inline bool node_is_split(const struct quarry_buddy *b, unsigned long o,
					  unsigned int k)
{
	return k && pair_is_split(b, k - 1, o >> k);
}

static __always_inline bool node_is_free(const struct quarry_buddy *b, unsigned long o,
					 unsigned int k)
{
	unsigned long i = o >> (k + 1);

	if (k == b->max_order)
		return one_test(b, k, o >> k);
	return one_test(b, k, i) && aux_test(b, k, i) == ((o >> k) & 1);
}

static __always_inline bool node_is_allocated(const struct quarry_buddy *b, unsigned long o,
					      unsigned int k)
{
	return node_exists(b, o, k) && !node_is_free(b, o, k) && !node_is_split(b, o, k);
}

/* Free node becomes allocated, or is about to be split. */
static __always_inline void node_take(struct quarry_buddy *b, unsigned long o, unsigned int k)
{
	unsigned long i = k == b->max_order ? o >> k : o >> (k + 1);

	one_clear(b, k, i);
	aux_assign(b, k, i, 1);
}

/* The free buddy of a node that becomes free goes; the next row gets their parent. */
static __always_inline void merge_up(struct quarry_buddy *b, unsigned long i, unsigned int k)
{
	const struct quarry_buddy_order *root = &b->orders[b->max_order];
	unsigned int here = 1U << k, gone = 0;	/* rows that have no free node any more */
	struct quarry_buddy_order *row;

	for (row = &b->orders[k]; row < root; row++, here <<= 1) {
		unsigned long half = i & 1, bit, one, aux, *w;

		i >>= 1;
		w = pair_words(row, i);
		bit = BIT(i % BITS_PER_LONG);
		one = w[0];
		aux = w[1] & ~bit;
		if (!(one & bit)) {
			w[0] = one | bit;
			w[1] = aux | half << (i % BITS_PER_LONG);
			row->nr_free++;
			b->free_orders = (b->free_orders | here) & ~gone;
			if (!one)
				summary_set(row, i);
			return;
		}
		one &= ~bit;
		w[0] = one;
		w[1] = aux;
		if (!--row->nr_free)
			gone |= here;
		if (!one)
			summary_clear(row, i);
	}
	b->free_orders &= ~gone;
	one_set(b, b->max_order, i);
	aux_assign(b, b->max_order, i, 0);
}

/* Allocated node becomes free and merges upwards. */
static inline void node_give(struct quarry_buddy *b, unsigned long o, unsigned int k)
{
	b->nr_free_units += 1UL << k;
	merge_up(b, o >> k, k);
}

/*
 * Taken node (·, @from) is split until (@o, @to) is a node of its own; the
 * halves on the way that do not contain @o become free.  Goes upwards, as that
 * needs one shift per row and the order of the rows does not matter.
 */
static __always_inline void split_towards(struct quarry_buddy *b, unsigned long o,
					  unsigned int to, unsigned int from)
{
	const struct quarry_buddy_order *end = &b->orders[from];
	struct quarry_buddy_order *row;
	unsigned long i = o >> to;

	/* Each of these rows gets a free node. */
	b->free_orders |= (1U << from) - (1U << to);
	for (row = &b->orders[to]; row < end; row++) {
		unsigned long other = ~i & 1, one, *w;

		i >>= 1;
		w = pair_words(row, i);
		one = w[0];
		w[0] = one | BIT(i % BITS_PER_LONG);
		w[1] |= other << (i % BITS_PER_LONG);
		row->nr_free++;
		if (!one)
			summary_set(row, i);
	}
}

/* Order of the free node that contains all of (@o, @order), or -1. */
static inline int free_node_around(const struct quarry_buddy *b, unsigned long o,
				   unsigned int order)
{
	unsigned int k;

	for (k = order; k < b->max_order; k++)
		if (node_exists(b, o, k))
			break;
	return node_is_free(b, o & ~((1UL << k) - 1), k) ? k : -1;
}

/* Take (@o, @order) out of the free node of order @from around it. */
static inline void take_out_of(struct quarry_buddy *b, unsigned long o, unsigned int order,
			       unsigned int from)
{
	node_take(b, o, from);
	split_towards(b, o, order, from);
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
int quarry_buddy_clean_verify(const struct quarry_buddy *b);

/* buddy_walk.c: summaries and counters of every row, shared with the clean set */
int quarry_buddy_verify_rows(const struct quarry_buddy *b);

#endif /* _QUARRY_BUDDY_PRIV_H */
