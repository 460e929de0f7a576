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
 * find-first-set (find-last-set) per level.  On top of the summaries is one word
 * for the range, free_orders, which says which orders have free blocks at all.
 *
 * A word of "one" and the word of "aux" for the same 64 pairs lie side by side, so
 * that a step of a split or merge touches one cache line and computes one
 * address.  Summaries are written only when a word becomes or stops being zero.
 *
 * Which free space is clean is kept apart and only on request: buddy_clean.c.
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
#include <linux/err.h>
#include <linux/export.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "buddy.h"

/* Allocated node (@o, @k) keeps only its first @count units; the tail becomes free. */
static void trim_node(struct quarry_buddy *b, unsigned long o, unsigned int k, unsigned long count)
{
	b->nr_free_units += (1UL << k) - count;
	while (count < 1UL << k) {
		unsigned long i = o >> k;

		k--;
		aux_assign(b, k, i, 1);
		if (count <= 1UL << k) {
			/* All of the right half is tail. */
			one_set(b, k, i);
		} else {
			o += 1UL << k;
			count -= 1UL << k;
		}
	}
}

/* === Setting up === */

/* Bits of a row of three levels: a range of 2^19 units. */
#define MAX_FAST_BITS	BIT(18)

size_t quarry_buddy_struct_size(unsigned int max_order)
{
	return struct_size_t(struct quarry_buddy, orders, max_order + 1);
}
EXPORT_SYMBOL_GPL(quarry_buddy_struct_size);

/* Lays out a row of @bits; returns its number of words. */
static unsigned long layout_row(struct quarry_buddy_order *row, unsigned long bits)
{
	unsigned long words = BITS_TO_LONGS(bits), at = 2 * words;

	row->nr_levels = 1;
	while (words > 1) {
		words = BITS_TO_LONGS(words);
		row->level[row->nr_levels++ - 1] = at;
		at += words;
	}
	return at;
}

size_t quarry_buddy_state_size(unsigned long nr_units, unsigned int max_order)
{
	struct quarry_buddy_order unused;
	unsigned long words = 0;
	unsigned int k;

	for (k = 0; k <= max_order; k++)
		words += layout_row(&unused, nr_bits(nr_units, max_order, k));
	return words * sizeof(long);
}
EXPORT_SYMBOL_GPL(quarry_buddy_state_size);

/* An initialised range of which nothing is free. */
void quarry_buddy_layout(struct quarry_buddy *b, unsigned long nr_units, unsigned int max_order,
			 void *state)
{
	unsigned long *words = state;
	unsigned int k;

	memset(b, 0, quarry_buddy_struct_size(max_order));
	b->nr_units = nr_units;
	b->max_order = max_order;
	/* The short ways know rows that have a parent row and at most three levels. */
	b->fast_orders = nr_bits(nr_units, max_order, 0) <= MAX_FAST_BITS ? max_order : 0;
	for (k = 0; k <= max_order; k++) {
		b->orders[k].words = words;
		b->orders[k].shift = k - (k && k == max_order);
		words += layout_row(&b->orders[k], nr_bits(nr_units, max_order, k));
	}
	memset(state, 0, (void *)words - state);
}

/*
 * The last root sticks out of the range: its first @count units are free, those
 * behind stay allocated for ever, as free() refuses what is not inside the range.
 */
static void init_partial_root(struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	unsigned int k = b->max_order;

	b->nr_free_units += count;
	while (count) {
		unsigned long i = o >> k;

		k--;
		if (count >= 1UL << k) {
			one_set(b, k, i);
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
	unsigned long o;

	if (!nr_units || nr_units > QUARRY_BUDDY_MAX_UNITS || max_order > QUARRY_BUDDY_MAX_ORDER)
		return -EINVAL;

	quarry_buddy_layout(b, nr_units, max_order, state);
	for (o = 0; nr_units - o >= 1UL << max_order; o += 1UL << max_order) {
		one_set(b, max_order, o >> max_order);
		b->nr_free_units += 1UL << max_order;
	}
	init_partial_root(b, o, nr_units - o);
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_init_state);

/* A range with @extra bytes behind its state; *@mem is where they are. */
static struct quarry_buddy *create(unsigned long nr_units, unsigned int max_order, size_t extra,
				   void **mem)
{
	size_t head, state;
	struct quarry_buddy *b;

	head = ALIGN(quarry_buddy_struct_size(max_order), sizeof(long));
	state = quarry_buddy_state_size(nr_units, max_order);
	b = kvmalloc(head + state + extra, GFP_KERNEL);
	if (!b)
		return ERR_PTR(-ENOMEM);
	quarry_buddy_init_state(b, nr_units, max_order, (void *)b + head);
	*mem = (void *)b + head + state;
	return b;
}

struct quarry_buddy *quarry_buddy_create(unsigned long nr_units, unsigned int max_order)
{
	void *unused;

	if (!nr_units || nr_units > QUARRY_BUDDY_MAX_UNITS || max_order > QUARRY_BUDDY_MAX_ORDER)
		return ERR_PTR(-EINVAL);
	return create(nr_units, max_order, 0, &unused);
}
EXPORT_SYMBOL_GPL(quarry_buddy_create);

struct quarry_buddy *quarry_buddy_create_clean(unsigned long nr_units, unsigned int max_order,
					       unsigned int clean_order)
{
	size_t extra = quarry_buddy_clean_size(nr_units, max_order, clean_order);
	struct quarry_buddy *b;
	void *mem;

	if (!extra)
		return ERR_PTR(-EINVAL);
	b = create(nr_units, max_order, extra, &mem);
	if (!IS_ERR(b))
		quarry_buddy_track_clean(b, clean_order, mem);
	return b;
}
EXPORT_SYMBOL_GPL(quarry_buddy_create_clean);

void quarry_buddy_destroy(struct quarry_buddy *b)
{
	if (!IS_ERR(b))
		kvfree(b);
}
EXPORT_SYMBOL_GPL(quarry_buddy_destroy);

/* === Allocating === */

/* Best fit: the smallest order that has a block, its lowest or highest block. */
static noinline long take_best(struct quarry_buddy *b, unsigned int order, bool top_down)
{
	unsigned int orders = b->free_orders >> order, k;
	const struct quarry_buddy_order *row;
	unsigned long o;

	if (!orders)
		return -ENOSPC;
	k = order + __ffs(orders);
	row = &b->orders[k];
	o = one_offset(b, k, descend(row, row->nr_levels, 0, top_down));
	node_take(b, o, k);
	if (top_down)
		o += (1UL << k) - (1UL << order);
	split_towards(b, o, order, k);
	b->nr_free_units -= 1UL << order;
	return o;
}

/* Block (@o, @k) is taken and too large.  Out of line: few allocations split. */
static noinline long split(struct quarry_buddy *b, unsigned long o, unsigned int order,
			   unsigned int k)
{
	split_towards(b, o, order, k);
	return o;
}

/* The lowest bit of the words above the lowest word, which is empty now, goes too. */
static __always_inline void pop_summaries(struct quarry_buddy *b,
					  const struct quarry_buddy_order *row, unsigned int k,
					  unsigned long *mid)
{
	unsigned long *top;

	if (row->nr_levels > 1) {
		*mid &= *mid - 1;
		if (*mid)
			return;
	}
	if (row->nr_levels > 2) {
		top = row->words + row->level[1];
		*top &= *top - 1;
		if (*top)
			return;
	}
	b->free_orders ^= 1U << k;
}

/* What the short way does not serve: errors, top down, tracked or huge ranges, roots. */
static noinline long alloc_slow(struct quarry_buddy *b, unsigned int order, bool top_down)
{
	long o;

	if (order > b->max_order)
		return -EINVAL;
	o = take_best(b, order, top_down);
	if (o >= 0)
		quarry_buddy_clean_forget(b, o, 1UL << order);
	return o;
}

/*
 * The lowest block of the first row that has one.  Its bit is the lowest of each
 * word on the way down the summaries (at most three levels here), so that on the way
 * up x & (x - 1) takes it off.
 */
long quarry_buddy_alloc(struct quarry_buddy *b, unsigned int order, bool top_down)
{
	unsigned long i = 0, j, one, aux, *w, *mid = NULL;
	struct quarry_buddy_order *row;
	unsigned int orders, k;

	if (unlikely(order >= b->fast_orders || top_down))
		return alloc_slow(b, order, top_down);
	orders = b->free_orders >> order;
	if (unlikely(!orders))
		return -ENOSPC;
	k = order + __ffs(orders);
	row = &b->orders[k];
	w = row->words;
	if (row->nr_levels > 1) {
		mid = w + row->level[0];
		if (row->nr_levels > 2) {
			i = __ffs(w[row->level[1]]);
			mid += i;
		}
		i = i * BITS_PER_LONG + __ffs(*mid);
		w += 2 * i;
	}
	one = w[0];
	j = __ffs(one);
	one &= one - 1;
	w[0] = one;
	aux = w[1];
	w[1] = aux | BIT(j);
	row->nr_free--;
	b->nr_free_units -= 1UL << order;
	i = (2 * (i * BITS_PER_LONG + j) + (aux >> j & 1)) << row->shift;
	if (!one)
		pop_summaries(b, row, k, mid);
	return k == order ? i : split(b, i, order, k);
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc);

long quarry_buddy_alloc_aligned(struct quarry_buddy *b, unsigned long count,
				unsigned int align_order)
{
	unsigned int order;
	long o;

	if (!count || count > 1UL << b->max_order || align_order > b->max_order)
		return -EINVAL;
	order = max_t(unsigned int, order_base_2(count), align_order);
	o = take_best(b, order, false);
	if (o < 0)
		return o;
	trim_node(b, o, order, count);
	if (unlikely(b->clean))
		quarry_buddy_clean_forget(b, o, count);
	return o;
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc_aligned);

long quarry_buddy_alloc_count(struct quarry_buddy *b, unsigned long count)
{
	return quarry_buddy_alloc_aligned(b, count, 0);
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc_count);

/* Take what is known to be free. */
static void take_interval(struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	unsigned long at = o, piece;
	unsigned int k;

	while (next_piece(b, &at, o + count, &piece, &k))
		take_out_of(b, piece, k, free_node_around(b, piece, k));
}

long quarry_buddy_alloc_count_in(struct quarry_buddy *b, unsigned long count,
				 const struct quarry_buddy_where *where, bool *clean)
{
	struct quarry_buddy_found found;
	bool is_clean;
	long ret;

	ret = quarry_buddy_find_count(b, count, where, &found);
	if (!ret) {
		take_out_of(b, found.offset, order_base_2(count), found.from);
		trim_node(b, found.offset, order_base_2(count), count);
	} else if (ret == -ENOSPC && where && where->flags & QUARRY_BUDDY_JOIN) {
		ret = quarry_buddy_find_joined(b, count, where, &found);
		if (!ret)
			take_interval(b, found.offset, count);
	}
	if (ret)
		return ret;
	is_clean = quarry_buddy_clean_forget(b, found.offset, count);
	if (clean)
		*clean = is_clean;
	return found.offset;
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc_count_in);

int quarry_buddy_alloc_at(struct quarry_buddy *b, unsigned long o, unsigned int order)
{
	int k;

	if (!block_is_valid(b, o, order))
		return -EINVAL;
	k = free_node_around(b, o, order);
	if (k < 0)
		return -EBUSY;
	take_out_of(b, o, order, k);
	if (b->clean)
		quarry_buddy_clean_forget(b, o, 1UL << order);
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc_at);

int quarry_buddy_reserve(struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	unsigned long at = o, piece;
	unsigned int k;

	if (!interval_is_valid(b, o, count))
		return -EINVAL;
	while (next_piece(b, &at, o + count, &piece, &k))
		if (free_node_around(b, piece, k) < 0)
			return -EBUSY;
	take_interval(b, o, count);
	quarry_buddy_clean_forget(b, o, count);
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_reserve);

/* === Freeing === */

/* The highest order, and all orders of a range that the short way does not serve. */
static noinline int free_slow(struct quarry_buddy *b, unsigned long o, unsigned int order)
{
	if (!block_is_valid(b, o, order) || !node_is_allocated(b, o, order))
		return -EINVAL;
	node_give(b, o, order);
	return 0;
}

/* Node @i of row @k, whose buddy is free, becomes free too: out of line as split(). */
static noinline int merge(struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	merge_up(b, i, k);
	return 0;
}

/* Word @i of a row of at most three levels has got its first bit. */
static __always_inline void push_summaries(struct quarry_buddy *b,
					   const struct quarry_buddy_order *row,
					   unsigned int k, unsigned long i)
{
	unsigned long *word, old;

	if (row->nr_levels > 1) {
		word = row->words + row->level[0] + i / BITS_PER_LONG;
		old = *word;
		*word = old | BIT(i % BITS_PER_LONG);
		if (old)
			return;
	}
	if (row->nr_levels > 2) {
		word = row->words + row->level[1];
		old = *word;
		*word = old | BIT(i / BITS_PER_LONG);
		if (old)
			return;
	}
	b->free_orders |= 1U << k;
}

/*
 * The checks of block_is_valid() and node_is_allocated() and the first step of
 * node_give() in one, since they look at the same pair.
 */
int quarry_buddy_free(struct quarry_buddy *b, unsigned long o, unsigned int order)
{
	unsigned long i, bit, one, aux, *w;
	struct quarry_buddy_order *row;

	if (unlikely(order >= b->fast_orders))
		return free_slow(b, o, order);
	i = o >> order;
	row = &b->orders[order];
	if (unlikely(i << order != o || i >= b->nr_units >> order))
		return -EINVAL;
	if (order && unlikely(row_is_split(row - 1, i)))
		return -EINVAL;
	w = row->words + i / (2 * BITS_PER_LONG) * 2;
	bit = BIT(i / 2 % BITS_PER_LONG);
	one = w[0];
	aux = w[1] ^ bit;
	if (unlikely(one & bit)) {
		/* The other half is free, unless this one is. */
		if (((aux & bit) == 0) == (i & 1))
			return -EINVAL;
		b->nr_free_units += 1UL << order;
		return merge(b, order, i);
	}
	/* The parent is not split. */
	if (unlikely(aux & bit))
		return -EINVAL;
	w[0] = one | bit;
	if (!(i & 1))
		w[1] = aux;
	row->nr_free++;
	b->nr_free_units += 1UL << order;
	if (!one)
		push_summaries(b, row, order, i / (2 * BITS_PER_LONG));
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_free);

int quarry_buddy_free_clean(struct quarry_buddy *b, unsigned long o, unsigned int order)
{
	int ret = quarry_buddy_free(b, o, order);

	if (!ret)
		quarry_buddy_clean_note(b, o, 1UL << order);
	return ret;
}
EXPORT_SYMBOL_GPL(quarry_buddy_free_clean);

/* Is the interval exactly the allocated blocks that an allocation of it leaves? */
static bool is_tiled(const struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	unsigned long at = o, piece;
	unsigned int k;

	if (!interval_is_valid(b, o, count))
		return false;
	while (next_piece(b, &at, o + count, &piece, &k))
		if (!node_is_allocated(b, piece, k))
			return false;
	return true;
}

int quarry_buddy_free_count(struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	unsigned long at = o, piece;
	unsigned int k;

	if (!is_tiled(b, o, count))
		return -EINVAL;
	while (next_piece(b, &at, o + count, &piece, &k))
		node_give(b, piece, k);
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_free_count);

int quarry_buddy_free_count_clean(struct quarry_buddy *b, unsigned long o, unsigned long count)
{
	int ret = quarry_buddy_free_count(b, o, count);

	if (!ret)
		quarry_buddy_clean_note(b, o, count);
	return ret;
}
EXPORT_SYMBOL_GPL(quarry_buddy_free_count_clean);

int quarry_buddy_free_list(struct quarry_buddy *b, const struct quarry_buddy_block *blocks,
			   unsigned int nr_blocks, bool clean)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < nr_blocks; i++)
		if (clean ? quarry_buddy_free_clean(b, blocks[i].offset, blocks[i].order) :
			    quarry_buddy_free(b, blocks[i].offset, blocks[i].order))
			ret = -EINVAL;
	return ret;
}
EXPORT_SYMBOL_GPL(quarry_buddy_free_list);

int quarry_buddy_trim(struct quarry_buddy *b, unsigned long o, unsigned long count,
		      unsigned long start, unsigned long keep, bool clean)
{
	unsigned long at = o, end, piece;
	unsigned int k;

	if (!is_tiled(b, o, count) || !keep || start < o || start - o >= count ||
	    keep > count - (start - o))
		return -EINVAL;
	end = start + keep;
	/* What is kept is free in between, and so is cut anew; nobody else can see it. */
	while (next_piece(b, &at, o + count, &piece, &k))
		node_give(b, piece, k);
	take_interval(b, start, keep);
	if (clean && start > o)
		quarry_buddy_clean_note(b, o, start - o);
	if (clean && o + count > end)
		quarry_buddy_clean_note(b, end, o + count - end);
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_trim);
