// SPDX-License-Identifier: GPL-2.0
/*
 * Range buddy: which free space is known to be clean (zeroed).
 *
 * The budget is 3 bits per unit in all and the range takes 2.03 of them.  A clean
 * bit per unit would be 1 more: too much, and nothing to find clean space
 * with.  A bit per free block (what gpu_buddy has) is little, but then a clean and
 * a dirty buddy must either stay apart, and the range is fragmented by its
 * history, or lose what is known when they merge.
 *
 * So cleanness is a set of its own, kept apart from the blocks.  It has
 * granules of 2^g units, g >= 2, and is stored as a buddy system over granules
 * whose "free blocks" are the maximal aligned pieces that are clean:
 *
 *	range, order 3   |       F       |       F       |   one free block, order 4
 *	clean, order 3   |               |     clean     |   its upper half is clean,
 *	clean, order 2   |       | clean |               |   and a quarter below that
 *
 * Free blocks merge in the range as ever; the set says what is clean inside of
 * them.  A piece that becomes clean merges with its clean buddy, in the set only.
 * A clean piece of 2^k units is found by the same searches as a free block.
 * It costs the range's 2.03 bits per granule: 0.51 per unit for g = 2, so 2.54
 * in all; g = 1 would be 3.05.
 *
 * What is allocated is not in the set, whether or not the caller keeps it clean:
 * the answer is given to the caller at that moment and he may bring it back when he
 * frees.  Thus a free that says nothing has nothing to do here.
 *
 * The set has no notion of an allocated block or an absent one: in its rows a bit is 1
 * where a clean piece is, and a pair says none, left or right.
 *
 * Steps: to note or forget a piece of 2^k units, at most two per order; except
 * that pieces that are clean in parts are forgotten by clearing their bits,
 * 2^(k - g) / 32 words and fewer for the summaries; each such part was put there by
 * an earlier free.
 *
 * Invariants: a clean piece is free; it is in no other clean piece; two clean
 * buddies are merged.  nr_free_units of the set counts granules.
 */
#include <linux/export.h>

#include "buddy.h"

/* === The set; offsets and orders here count granules === */

/* Order of the clean piece that contains (@o, @order), or -1. */
static int piece_around(const struct quarry_buddy *c, unsigned long o, unsigned int order)
{
	unsigned int orders = c->free_orders >> order << order, k;

	for (; orders; orders &= orders - 1) {
		k = __ffs(orders);
		if (node_is_free(c, o & ~((1UL << k) - 1), k))
			return k;
	}
	return -1;
}

/* Piece (@o, @order) is remembered, with its buddy as one if that is clean too. */
static void join(struct quarry_buddy *c, unsigned long o, unsigned int order)
{
	unsigned long i = node_bit(c, o, order);
	unsigned int k = order;

	c->nr_free_units += 1UL << order;
	while (row_test(&c->orders[k], i ^ 1)) {
		row_take(c, k, i ^ 1);
		k++;
		i = i >> 1 << (k == c->max_order);
	}
	__set_bit(i, c->orders[k].words);
	row_note(c, k, i);
}

/* Cut (@o, @order) out of the piece of order @from around it. */
static void cut(struct quarry_buddy *c, unsigned long o, unsigned int order, unsigned int from)
{
	unsigned int k;

	row_take(c, from, node_bit(c, o, from));
	for (k = order; k < from; k++) {
		__set_bit((o >> k) ^ 1, c->orders[k].words);
		row_note(c, k, o >> k);
	}
	c->nr_free_units -= 1UL << order;
}

/* Clear the bits of a row from @i to @end; what goes in units. */
static void erase_row(struct quarry_buddy *c, unsigned int k, unsigned long i, unsigned long end)
{
	struct quarry_buddy_order *row = &c->orders[k];
	unsigned long *w, mask, gone;

	for (; i < end; i = round_down(i, BITS_PER_LONG) + BITS_PER_LONG) {
		w = row->words + i / BITS_PER_LONG;
		mask = ~0UL << (i % BITS_PER_LONG);
		if (end - round_down(i, BITS_PER_LONG) < BITS_PER_LONG)
			mask &= ~(~0UL << (end % BITS_PER_LONG));
		gone = hweight_long(*w & mask);
		if (!gone)
			continue;
		*w &= ~mask;
		c->nr_free_units -= gone << k;
		if (!*w && summary_clear(row, i / BITS_PER_LONG, true))
			c->free_orders &= ~(1U << k);
	}
}

/* Forget all pieces inside of (@o, @order), which is no piece itself. */
static void erase_inside(struct quarry_buddy *c, unsigned long o, unsigned int order)
{
	unsigned int orders = c->free_orders & ((1U << order) - 1), k;

	for (; orders; orders &= orders - 1) {
		k = __ffs(orders);
		erase_row(c, k, o >> k, (o + (1UL << order)) >> k);
	}
}

/* Forget (@o, @order); was all of it clean? */
static bool forget_node(struct quarry_buddy *c, unsigned long o, unsigned int order)
{
	int from = piece_around(c, o, order);

	if (from < 0) {
		erase_inside(c, o, order);
		return false;
	}
	cut(c, o, order, from);
	return true;
}

/* === For the range; offsets and orders count units === */

bool quarry_buddy_clean_forget(struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	struct quarry_buddy *c = b->clean;
	unsigned long at, first, nr, piece;
	bool all = true;
	unsigned int k;

	if (!c || !c->free_orders)
		return false;
	first = o >> b->clean_order;
	nr = ((o + count - 1) >> b->clean_order) + 1 - first;
	/* A last granule that is not whole is not tracked. */
	if (first + nr > c->nr_units) {
		all = false;
		if (!--nr)
			return false;
	}
	at = first;
	while (next_piece(c, &at, first + nr, &piece, &k))
		all &= forget_node(c, piece, k);
	return all;
}

void quarry_buddy_clean_note(struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	struct quarry_buddy *c = b->clean;
	unsigned long at, end, piece;
	unsigned int k;

	if (!c)
		return;
	at = round_up(o, 1UL << b->clean_order) >> b->clean_order;
	end = (o + count) >> b->clean_order;
	while (next_piece(c, &at, end, &piece, &k))
		join(c, piece, k);
}

/* Exactly undoes a forget that said yes. */
void quarry_buddy_clean_undo(struct quarry_buddy *b, unsigned long o, unsigned int order)
{
	unsigned int g = b->clean_order;

	join(b->clean, o >> g, order > g ? order - g : 0);
}

/*
 * A clean piece, or the part of one, for a block of 2^@order units in [@lo, @hi),
 * both multiples of that.  What is smaller than a granule may lie in one that is
 * only partly in there.
 */
bool quarry_buddy_clean_find(const struct quarry_buddy *b, unsigned int order, unsigned long lo,
			     unsigned long hi, bool top_down, struct quarry_buddy_found *found)
{
	const struct quarry_buddy *c = b->clean;
	unsigned long first, end;
	unsigned int g = b->clean_order;

	if (!c || !c->free_orders)
		return false;
	first = lo >> g;
	end = round_up(hi, 1UL << g) >> g;
	if (first >= c->nr_units ||
	    !quarry_buddy_find(c, order > g ? order - g : 0, first, end, top_down, found))
		return false;
	if (!top_down)
		found->offset = max(found->offset << g, lo);
	else if (order < g)
		found->offset = min((found->offset + 1) << g, hi) - (1UL << order);
	else
		found->offset <<= g;
	found->from = free_node_around(b, found->offset, order);
	return true;
}

/* Is all of (@o, @order) known to be clean? */
bool quarry_buddy_clean_covers(const struct quarry_buddy *b, unsigned long o, unsigned int order)
{
	const struct quarry_buddy *c = b->clean;
	unsigned int g = b->clean_order;

	return c && (o + (1UL << order) - 1) >> g < c->nr_units &&
	       piece_around(c, o >> g, order > g ? order - g : 0) >= 0;
}

/* Is anything in the granules of (@o, @order) known to be clean?  The range tracks that. */
bool quarry_buddy_clean_touches(const struct quarry_buddy *b, unsigned long o, unsigned int order)
{
	const struct quarry_buddy *c = b->clean;
	struct quarry_buddy_found found;
	unsigned long first, end;

	if (!c->free_orders)
		return false;
	first = o >> b->clean_order;
	end = ((o + (1UL << order) - 1) >> b->clean_order) + 1;
	return first < c->nr_units && quarry_buddy_find(c, 0, first, end, false, &found);
}

static int verify_piece(unsigned long o, unsigned int k, void *arg)
{
	const struct quarry_buddy *b = arg, *c = b->clean;

	if (k < c->max_order && piece_around(c, round_down(o, 2UL << k), k + 1) >= 0)
		return -__LINE__;
	if (!block_is_valid(c, o, k) ||
	    free_node_around(b, o << b->clean_order, k + b->clean_order) < 0)
		return -__LINE__;
	return 0;
}

/* Two clean buddies are one piece. */
static int verify_row(const struct quarry_buddy_order *row)
{
	unsigned long i;

	for (i = 0; i < row->sums - row->words; i++)
		if (row->words[i] & (row->words[i] >> 1) & LEFT_NODES)
			return -__LINE__;
	return 0;
}

int quarry_buddy_clean_verify(const struct quarry_buddy *b)
{
	const struct quarry_buddy *c = b->clean;
	unsigned int k;
	int ret;

	if (!c)
		return 0;
	ret = quarry_buddy_verify_rows(c);
	for (k = 0; !ret && k <= c->max_order; k++)
		ret = verify_row(&c->orders[k]);
	return ret ?: quarry_buddy_walk(c, verify_piece, (void *)b);
}

/* === Public === */

static bool can_track(unsigned long nr_units, unsigned int max_order, unsigned int clean_order)
{
	return nr_units && nr_units <= QUARRY_BUDDY_MAX_UNITS &&
	       max_order <= QUARRY_BUDDY_MAX_ORDER && clean_order <= max_order &&
	       clean_order >= QUARRY_BUDDY_MIN_CLEAN_ORDER && nr_units >> clean_order;
}

size_t quarry_buddy_clean_size(unsigned long nr_units, unsigned int max_order,
			       unsigned int clean_order)
{
	if (!can_track(nr_units, max_order, clean_order))
		return 0;
	return ALIGN(quarry_buddy_struct_size(max_order - clean_order), sizeof(long)) +
	       quarry_buddy_state_size(nr_units >> clean_order, max_order - clean_order);
}
EXPORT_SYMBOL_GPL(quarry_buddy_clean_size);

int quarry_buddy_track_clean(struct quarry_buddy *b, unsigned int clean_order, void *mem)
{
	unsigned int max_order;

	if (b->clean || !can_track(b->nr_units, b->max_order, clean_order))
		return -EINVAL;
	max_order = b->max_order - clean_order;
	quarry_buddy_layout(mem, b->nr_units >> clean_order, max_order,
			    mem + ALIGN(quarry_buddy_struct_size(max_order), sizeof(long)));
	b->clean_order = clean_order;
	b->clean = mem;
	/* Each allocation has to say what it takes. */
	b->short_orders = 0;
	b->max_short = 0;
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_track_clean);

static int note_free_block(unsigned long o, unsigned int order, void *arg)
{
	quarry_buddy_clean_note(arg, o, 1UL << order);
	return 0;
}

void quarry_buddy_reset_clean(struct quarry_buddy *b, bool clean)
{
	struct quarry_buddy *c = b->clean;

	if (!c)
		return;
	quarry_buddy_layout(c, c->nr_units, c->max_order, c->orders[0].words);
	if (clean)
		quarry_buddy_walk(b, note_free_block, b);
}
EXPORT_SYMBOL_GPL(quarry_buddy_reset_clean);

unsigned long quarry_buddy_nr_clean_units(const struct quarry_buddy *b)
{
	return b->clean ? b->clean->nr_free_units << b->clean_order : 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_nr_clean_units);
