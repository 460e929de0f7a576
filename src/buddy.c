// SPDX-License-Identifier: GPL-2.0
/*
 * Range buddy: a binary buddy system over an abstract range of units, with
 * all state out of band.
 *
 * Every order is a row of nodes; node (o, k) covers units [o, o + 2^k).  A
 * node is free, allocated, split into its two halves, or absent (an ancestor
 * is not split).  Two halves are never both free, they would have merged; so
 * a pair of halves has four states, and two bits per pair tell them apart:
 *
 *	one  aux
 *	 0    0		the parent is not split: both halves absent
 *	 0    1		parent split, no half free (allocated or split further)
 *	 1    0		parent split, the left half is free
 *	 1    1		parent split, the right half is free
 *
 * The rows at max_order have no parent; there "one" has a bit per node: free.
 *
 *	order 2  |               A               |   roots: free bit
 *	order 1  |       S       |       F       |   pair 0: one, aux = right
 *	order 0  |   A   |   F   |               |   pair 0: one, aux = right
 *
 * With that, "is exactly this block allocated" is answered from two pairs: its
 * own pair (the parent is split and the block is not its free half) and the
 * pair of its halves (it is not split).  This makes free() refuse a double
 * free, a wrong order and an interior offset in constant time.  The state is 2
 * bits per unit (n/2 pairs at order 0, n/4 at order 1, ...) plus the summaries
 * of "one", 1/63 of it: level i + 1 has one bit per non-zero word of level i,
 * up to a single word, so that the lowest (highest) free block is found by one
 * find-first-set (find-last-set) per level.
 *
 * Locking: none; the caller serialises calls on one range.
 *
 * Invariants (quarry_buddy_verify()): summary bits match their words; aux is 0
 * outside split parents; nothing below a node that is not split; nr_free of
 * each order is the number of "one" bits; nr_free_units is their sum in units.
 *
 * The algorithm is Knuth's (TAOCP vol. 1, 2.5); the pair encoding is ours, cf.
 * the one XOR bit per pair of Linux 2.4's mm/page_alloc.c.
 */
#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <quarry/buddy.h>

#include "internal.h"

/* === Bitmaps with summaries === */

static unsigned long *order_level(const struct quarry_buddy *b, unsigned int k, unsigned int level)
{
	return b->state + b->orders[k].level[level];
}

static bool one_test(const struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	return test_bit(i, order_level(b, k, 0));
}

static void one_set(struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	unsigned int level;
	unsigned long *word, old;

	for (level = 0; level < b->orders[k].nr_levels; level++) {
		word = order_level(b, k, level) + i / BITS_PER_LONG;
		old = *word;
		*word = old | BIT(i % BITS_PER_LONG);
		if (old)
			break;
		i /= BITS_PER_LONG;
	}
	b->orders[k].nr_free++;
}

static void one_clear(struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	unsigned int level;
	unsigned long *word;

	for (level = 0; level < b->orders[k].nr_levels; level++) {
		word = order_level(b, k, level) + i / BITS_PER_LONG;
		*word &= ~BIT(i % BITS_PER_LONG);
		if (*word)
			break;
		i /= BITS_PER_LONG;
	}
	b->orders[k].nr_free--;
}

/* Index of the lowest (highest) bit of an order that has one. */
static unsigned long one_find(const struct quarry_buddy *b, unsigned int k, bool last)
{
	unsigned int level = b->orders[k].nr_levels;
	unsigned long i = 0, word;

	while (level--) {
		word = order_level(b, k, level)[i];
		i = i * BITS_PER_LONG + (last ? __fls(word) : __ffs(word));
	}
	return i;
}

static bool aux_test(const struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	return test_bit(i, b->state + b->orders[k].aux);
}

static void aux_assign(struct quarry_buddy *b, unsigned int k, unsigned long i, bool value)
{
	__assign_bit(i, b->state + b->orders[k].aux, value);
}

/* === Nodes === */

static unsigned long nr_bits(unsigned long nr_units, unsigned int max_order, unsigned int k)
{
	unsigned int shift = k == max_order ? k : k + 1;

	return ((nr_units - 1) >> shift) + 1;
}

/* Is the parent of pair @i split? */
static bool pair_is_split(const struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	return one_test(b, k, i) || aux_test(b, k, i);
}

static bool node_exists(const struct quarry_buddy *b, unsigned long o, unsigned int k)
{
	return k == b->max_order || pair_is_split(b, k, o >> (k + 1));
}

static bool node_is_split(const struct quarry_buddy *b, unsigned long o, unsigned int k)
{
	return k && pair_is_split(b, k - 1, o >> k);
}

static bool node_is_free(const struct quarry_buddy *b, unsigned long o, unsigned int k)
{
	unsigned long i = o >> (k + 1);

	if (k == b->max_order)
		return one_test(b, k, o >> k);
	return one_test(b, k, i) && aux_test(b, k, i) == ((o >> k) & 1);
}

static bool node_is_allocated(const struct quarry_buddy *b, unsigned long o, unsigned int k)
{
	return node_exists(b, o, k) && !node_is_free(b, o, k) && !node_is_split(b, o, k);
}

/* Free node becomes allocated (or is about to be split). */
static void node_take(struct quarry_buddy *b, unsigned long o, unsigned int k)
{
	b->nr_free_units -= 1UL << k;
	if (k == b->max_order) {
		one_clear(b, k, o >> k);
		return;
	}
	one_clear(b, k, o >> (k + 1));
	aux_assign(b, k, o >> (k + 1), 1);
}

/* Allocated node becomes free and merges upwards. */
static void node_give(struct quarry_buddy *b, unsigned long o, unsigned int k)
{
	b->nr_free_units += 1UL << k;
	for (; k < b->max_order; k++) {
		unsigned long i = o >> (k + 1);

		if (!one_test(b, k, i)) {
			aux_assign(b, k, i, (o >> k) & 1);
			one_set(b, k, i);
			return;
		}
		/* The other half is free: both go, the parent is whole again. */
		one_clear(b, k, i);
		aux_assign(b, k, i, 0);
	}
	one_set(b, k, o >> k);
}

/*
 * Taken node (·, from) is split until (@o, @to) is a node of its own; the
 * halves on the way that do not contain @o become free.
 */
static void split_towards(struct quarry_buddy *b, unsigned long o, unsigned int to,
			  unsigned int from)
{
	while (from-- > to) {
		unsigned long i = o >> (from + 1);

		aux_assign(b, from, i, !((o >> from) & 1));
		one_set(b, from, i);
		b->nr_free_units += 1UL << from;
	}
}

/* Allocated node (@o, @k) keeps only its first @count units; the tail becomes free. */
static void trim_node(struct quarry_buddy *b, unsigned long o, unsigned int k, unsigned long count)
{
	while (count < 1UL << k) {
		unsigned long i = o >> k;

		k--;
		if (count <= 1UL << k) {
			/* All of the right half is tail. */
			aux_assign(b, k, i, 1);
			one_set(b, k, i);
			b->nr_free_units += 1UL << k;
		} else {
			aux_assign(b, k, i, 1);
			o += 1UL << k;
			count -= 1UL << k;
		}
	}
}

/* === Setting up === */

size_t quarry_buddy_struct_size(unsigned int max_order)
{
	return struct_size_t(struct quarry_buddy, orders, max_order + 1);
}
EXPORT_SYMBOL_GPL(quarry_buddy_struct_size);

/* Lays out order @k from word @at on; returns the first word behind it. */
static unsigned long layout_order(struct quarry_buddy_order *order, unsigned long bits,
				  bool has_aux, unsigned long at)
{
	unsigned int level = 0;
	unsigned long words = bits;

	order->aux = at;
	if (has_aux)
		at += BITS_TO_LONGS(bits);
	do {
		words = BITS_TO_LONGS(words);
		order->level[level++] = at;
		at += words;
	} while (words > 1);
	order->nr_levels = level;
	return at;
}

size_t quarry_buddy_state_size(unsigned long nr_units, unsigned int max_order)
{
	struct quarry_buddy_order unused;
	unsigned long words = 0;
	unsigned int k;

	for (k = 0; k <= max_order; k++)
		words = layout_order(&unused, nr_bits(nr_units, max_order, k),
				     k < max_order, words);
	return words * sizeof(long);
}
EXPORT_SYMBOL_GPL(quarry_buddy_state_size);

/*
 * The last root sticks out of the range: its first @count units are free, those
 * behind stay allocated for ever, as free() refuses what is not inside the range.
 */
static void init_partial_root(struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	unsigned int k = b->max_order;

	while (count) {
		unsigned long i = o >> k;

		k--;
		if (count >= 1UL << k) {
			aux_assign(b, k, i, 0);
			one_set(b, k, i);
			b->nr_free_units += 1UL << k;
			o += 1UL << k;
			count -= 1UL << k;
		} else {
			aux_assign(b, k, i, 1);
		}
	}
}

int quarry_buddy_init_state(struct quarry_buddy *b, unsigned long nr_units,
			    unsigned int max_order, void *state)
{
	unsigned long words = 0, o;
	unsigned int k;

	if (!nr_units || nr_units > QUARRY_BUDDY_MAX_UNITS || max_order > QUARRY_BUDDY_MAX_ORDER)
		return -EINVAL;

	memset(b, 0, quarry_buddy_struct_size(max_order));
	for (k = 0; k <= max_order; k++)
		words = layout_order(&b->orders[k], nr_bits(nr_units, max_order, k),
				     k < max_order, words);
	b->nr_units = nr_units;
	b->max_order = max_order;
	b->nr_words = words;
	b->state = state;
	memset(state, 0, words * sizeof(long));

	for (o = 0; nr_units - o >= 1UL << max_order; o += 1UL << max_order) {
		one_set(b, max_order, o >> max_order);
		b->nr_free_units += 1UL << max_order;
	}
	init_partial_root(b, o, nr_units - o);
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_init_state);

struct quarry_buddy *quarry_buddy_create(unsigned long nr_units, unsigned int max_order)
{
	struct quarry_buddy *b;
	size_t head;

	if (!nr_units || nr_units > QUARRY_BUDDY_MAX_UNITS || max_order > QUARRY_BUDDY_MAX_ORDER)
		return ERR_PTR(-EINVAL);

	head = ALIGN(quarry_buddy_struct_size(max_order), sizeof(long));
	b = kvmalloc(head + quarry_buddy_state_size(nr_units, max_order), GFP_KERNEL);
	if (!b)
		return ERR_PTR(-ENOMEM);
	quarry_buddy_init_state(b, nr_units, max_order, (void *)b + head);
	return b;
}
EXPORT_SYMBOL_GPL(quarry_buddy_create);

void quarry_buddy_destroy(struct quarry_buddy *b)
{
	if (!IS_ERR(b))
		kvfree(b);
}
EXPORT_SYMBOL_GPL(quarry_buddy_destroy);

/* === Allocating === */

long quarry_buddy_alloc(struct quarry_buddy *b, unsigned int order, bool top_down)
{
	unsigned long i, o;
	unsigned int k;

	if (order > b->max_order)
		return -EINVAL;
	for (k = order; !b->orders[k].nr_free; k++)
		if (k == b->max_order)
			return -ENOSPC;

	i = one_find(b, k, top_down);
	if (k == b->max_order)
		o = i << k;
	else
		o = (2 * i + aux_test(b, k, i)) << k;
	node_take(b, o, k);
	if (top_down)
		o += (1UL << k) - (1UL << order);
	split_towards(b, o, order, k);
	return o;
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc);

long quarry_buddy_alloc_count(struct quarry_buddy *b, unsigned long count)
{
	unsigned int order;
	long o;

	if (!count || count > 1UL << b->max_order)
		return -EINVAL;
	order = order_base_2(count);
	o = quarry_buddy_alloc(b, order, false);
	if (o >= 0)
		trim_node(b, o, order, count);
	return o;
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc_count);

/* Order of the free node that contains all of (@o, @order), or -1. */
static int free_node_around(const struct quarry_buddy *b, unsigned long o, unsigned int order)
{
	unsigned int k;

	for (k = order; k < b->max_order; k++)
		if (node_exists(b, o, k))
			break;
	return node_is_free(b, o & ~((1UL << k) - 1), k) ? k : -1;
}

static bool block_is_valid(const struct quarry_buddy *b, unsigned long o, unsigned int order)
{
	return order <= b->max_order && IS_ALIGNED(o, 1UL << order) &&
	       o < b->nr_units && b->nr_units - o >= 1UL << order;
}

int quarry_buddy_alloc_at(struct quarry_buddy *b, unsigned long o, unsigned int order)
{
	int k;

	if (!block_is_valid(b, o, order))
		return -EINVAL;
	k = free_node_around(b, o, order);
	if (k < 0)
		return -EBUSY;
	node_take(b, o & ~((1UL << k) - 1), k);
	split_towards(b, o, order, k);
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc_at);

/* Order of the first block when an interval is cut into the largest aligned ones. */
static unsigned int first_piece(const struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	unsigned int k = min_t(unsigned int, __fls(count), b->max_order);

	return o ? min_t(unsigned int, k, __ffs(o)) : k;
}

static bool interval_is_valid(const struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	return count && o < b->nr_units && count <= b->nr_units - o;
}

int quarry_buddy_reserve(struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	unsigned long at, end = o + count;
	unsigned int k;

	if (!interval_is_valid(b, o, count))
		return -EINVAL;
	for (at = o; at < end; at += 1UL << k) {
		k = first_piece(b, at, end - at);
		if (free_node_around(b, at, k) < 0)
			return -EBUSY;
	}
	for (at = o; at < end; at += 1UL << k) {
		k = first_piece(b, at, end - at);
		quarry_buddy_alloc_at(b, at, k);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_reserve);

/* === Freeing === */

int quarry_buddy_free(struct quarry_buddy *b, unsigned long o, unsigned int order)
{
	if (!block_is_valid(b, o, order) || !node_is_allocated(b, o, order))
		return -EINVAL;
	node_give(b, o, order);
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_free);

int quarry_buddy_free_count(struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	unsigned long at, end = o + count;
	unsigned int k;

	if (!interval_is_valid(b, o, count))
		return -EINVAL;
	for (at = o; at < end; at += 1UL << k) {
		k = first_piece(b, at, end - at);
		if (!node_is_allocated(b, at, k))
			return -EINVAL;
	}
	for (at = o; at < end; at += 1UL << k) {
		k = first_piece(b, at, end - at);
		node_give(b, at, k);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_free_count);

/* === Looking === */

int quarry_buddy_block_of(const struct quarry_buddy *b, unsigned long unit, unsigned long *offset)
{
	unsigned long o = unit;
	unsigned int k;

	if (unit >= b->nr_units)
		return -EINVAL;
	/* Exactly one node around a unit exists and is not split. */
	for (k = 0; k < b->max_order; k++) {
		o = unit & ~((1UL << k) - 1);
		if (node_exists(b, o, k))
			break;
	}
	o = unit & ~((1UL << k) - 1);
	if (node_is_free(b, o, k))
		return -ENOENT;
	*offset = o;
	return k;
}
EXPORT_SYMBOL_GPL(quarry_buddy_block_of);

unsigned long quarry_buddy_nr_free(const struct quarry_buddy *b, unsigned int order)
{
	return order <= b->max_order ? b->orders[order].nr_free : 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_nr_free);

unsigned long quarry_buddy_nr_free_units(const struct quarry_buddy *b)
{
	return b->nr_free_units;
}
EXPORT_SYMBOL_GPL(quarry_buddy_nr_free_units);

int quarry_buddy_largest_order(const struct quarry_buddy *b)
{
	int k;

	for (k = b->max_order; k >= 0; k--)
		if (b->orders[k].nr_free)
			return k;
	return -1;
}
EXPORT_SYMBOL_GPL(quarry_buddy_largest_order);

int quarry_buddy_walk(const struct quarry_buddy *b,
		      int (*fn)(unsigned long offset, unsigned int order, void *arg), void *arg)
{
	unsigned long i, o, bits;
	unsigned int k;
	int ret;

	for (k = 0; k <= b->max_order; k++) {
		bits = nr_bits(b->nr_units, b->max_order, k);
		for_each_set_bit(i, order_level(b, k, 0), bits) {
			if (k == b->max_order)
				o = i << k;
			else
				o = (2 * i + aux_test(b, k, i)) << k;
			ret = fn(o, k, arg);
			if (ret)
				return ret;
		}
	}
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_walk);

/* === Verifying === */

static int verify_summaries(const struct quarry_buddy *b, unsigned int k)
{
	unsigned long bits = nr_bits(b->nr_units, b->max_order, k), i;
	unsigned int level;

	if (bitmap_weight(order_level(b, k, 0), bits) != b->orders[k].nr_free)
		return -__LINE__;
	for (level = 1; level < b->orders[k].nr_levels; level++) {
		bits = BITS_TO_LONGS(bits);
		for (i = 0; i < bits; i++)
			if (test_bit(i, order_level(b, k, level)) !=
			    !!order_level(b, k, level - 1)[i])
				return -__LINE__;
	}
	return 0;
}

/* A split pair of order @k needs a parent that exists and is not free. */
static int verify_pairs(const struct quarry_buddy *b, unsigned int k)
{
	unsigned long bits = nr_bits(b->nr_units, b->max_order, k), i, o;

	for (i = 0; i < bits; i++) {
		if (!pair_is_split(b, k, i))
			continue;
		o = i << (k + 1);
		if (!node_exists(b, o, k + 1) || node_is_free(b, o, k + 1))
			return -__LINE__;
		if (!one_test(b, k, i))
			continue;
		o += (unsigned long)aux_test(b, k, i) << k;
		if (!block_is_valid(b, o, k) || node_is_split(b, o, k))
			return -__LINE__;
	}
	return 0;
}

int quarry_buddy_verify(const struct quarry_buddy *b)
{
	unsigned long units = 0;
	unsigned int k;
	int ret;

	for (k = 0; k <= b->max_order; k++) {
		ret = verify_summaries(b, k);
		if (!ret && k < b->max_order)
			ret = verify_pairs(b, k);
		if (ret)
			return ret;
		units += b->orders[k].nr_free << k;
	}
	return units == b->nr_free_units ? 0 : -__LINE__;
}
EXPORT_SYMBOL_GPL(quarry_buddy_verify);
