// SPDX-License-Identifier: GPL-2.0
/*
 * Range buddy: a binary buddy system over an abstract range of units, with
 * all state out of band.
 *
 * Every order is a row of nodes; node (o, k) covers units [o, o + 2^k).  A
 * node is free, allocated, split into its two halves, or absent (an ancestor
 * is not split).  A node has one bit: 1 if it is free or absent, 0 if it is
 * allocated or split.  Two halves are never both free, they would have merged; so
 * the bits of a pair of halves say:
 *
 *	1 1	the parent is not split: both halves absent
 *	1 0	parent split, the left half is a free block
 *	0 1	parent split, the right half is a free block
 *	0 0	parent split, no half free (allocated or split further)
 *
 * Roots, the nodes at max_order, have no parent; each is paired with a bit that is
 * always 0.
 *
 *	order 2  |               S               |   0, beside a 0
 *	order 1  |       S       |       F       |   0 1
 *	order 0  |   A   |   F   |   -   |   -   |   0 1 1 1
 *
 * To split is to clear the bit of the half that is wanted: the other one is
 * free by that.  To free is to set the block's bit: if its buddy's is set, the
 * two are absent by that and the parent's bit is next.  Such a step touches one
 * word.
 *
 * Is exactly this block allocated?  Its own bit is 0 and those of its halves
 * are 1.  This makes free() refuse a double free, a wrong order and an interior
 * offset in constant time.  The state is 2 bits per unit (n at order 0, n/2 at
 * order 1, ...) plus the summaries, 1/63 of it: "sums" has one bit per word that has
 * a free block in it, that is a pair with exactly one bit set, the next level one
 * bit per non-zero word of that, up to a single word, "top".  So the lowest
 * (highest) free block is found by one find-first-set (find-last-set) per level.
 * On top is one word for the range, free_orders, which says which orders have free
 * blocks at all.
 *
 * Setting bits of summaries is cheaper than looking whether they are set, so that is
 * done without looking; they are cleared only when a word has lost its last block.
 * Free blocks per order are counted when asked for.
 *
 * Which free space is clean is kept apart and only on request: buddy_clean.c.
 *
 * Locking: none; the caller serialises calls on one range.
 *
 * Invariants (quarry_buddy_verify()): summary bits match their words; a node that is
 * split is not free; free blocks are inside the range; nr_free_units is their sum.
 *
 * The algorithm is Knuth's (TAOCP vol. 1, 2.5); the encoding is ours, cf. the one
 * XOR bit per pair of Linux 2.4's mm/page_alloc.c.
 */
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "buddy.h"

/* Allocated node (@o, @k) keeps only its first @count units; the tail becomes free. */
static void trim_node(struct quarry_buddy *b, unsigned long o, unsigned int k, unsigned long count)
{
	struct quarry_buddy_order *row;

	b->nr_free_units += (1UL << k) - count;
	while (count < 1UL << k) {
		row = &b->orders[--k];
		__clear_bit(o >> k, row->words);
		if (count <= 1UL << k) {
			/* All of the right half is tail. */
			row_note(b, k, o >> k);
		} else {
			o += 1UL << k;
			count -= 1UL << k;
			__clear_bit(o >> k, row->words);
		}
	}
}

/* === Setting up === */

size_t quarry_buddy_struct_size(unsigned int max_order)
{
	return struct_size_t(struct quarry_buddy, orders, max_order + 1);
}
EXPORT_SYMBOL_GPL(quarry_buddy_struct_size);

/* Words of a row of @bits and its summaries.  There are always sums; top is elsewhere. */
static unsigned long row_size(unsigned long bits, unsigned int *nr_levels)
{
	unsigned long nr = BITS_TO_LONGS(bits), size = nr;

	*nr_levels = 2;
	do {
		nr = BITS_TO_LONGS(nr);
		size += nr;
		++*nr_levels;
	} while (nr > BITS_PER_LONG);
	return size;
}

size_t quarry_buddy_state_size(unsigned long nr_units, unsigned int max_order)
{
	unsigned int nr_levels, k;
	unsigned long words = 0;

	for (k = 0; k <= max_order; k++)
		words += row_size(row_bits(nr_units, max_order, k), &nr_levels);
	return words * sizeof(long);
}
EXPORT_SYMBOL_GPL(quarry_buddy_state_size);

/* An initialised range of which nothing is free. */
void quarry_buddy_layout(struct quarry_buddy *b, unsigned long nr_units, unsigned int max_order,
			 void *state)
{
	struct quarry_buddy_order *row;
	unsigned long *words = state;
	unsigned int k;

	memset(b, 0, quarry_buddy_struct_size(max_order));
	b->nr_units = nr_units;
	b->max_order = max_order;
	for (k = 0; k <= max_order; k++) {
		unsigned long bits = row_bits(nr_units, max_order, k);

		row = &b->orders[k];
		row->words = words;
		row->sums = words + BITS_TO_LONGS(bits);
		row->nr_nodes = nr_units >> k;
		words += row_size(bits, &row->nr_levels);
	}
	/* The short ways know rows that have a parent row and three levels. */
	if (b->orders[0].nr_levels == 3 && max_order) {
		b->short_orders = max_order;
		b->max_short = max_order - 1;
	}
	memset(state, 0, (void *)words - state);
}

/*
 * What is not all inside the range is 0: it is allocated for ever, as free() refuses
 * it, or split.  So free are the roots, and of what is left the binary digits.
 */
static void init_row(struct quarry_buddy *b, unsigned int k)
{
	struct quarry_buddy_order *row = &b->orders[k];
	unsigned long i, nr = row->nr_nodes;

	if (k < b->max_order) {
		memset(row->words, 0xff, nr / BITS_PER_LONG * sizeof(long));
		if (nr % BITS_PER_LONG)
			row->words[nr / BITS_PER_LONG] = BIT(nr % BITS_PER_LONG) - 1;
		if (nr & 1)
			row_note(b, k, nr - 1);
		return;
	}
	for (i = 0; i < nr; i++) {
		__set_bit(2 * i, row->words);
		row_note(b, k, 2 * i);
	}
}

int quarry_buddy_init_state(struct quarry_buddy *b, unsigned long nr_units,
			    unsigned int max_order, void *state)
{
	unsigned int k;

	if (!nr_units || nr_units > QUARRY_BUDDY_MAX_UNITS || max_order > QUARRY_BUDDY_MAX_ORDER)
		return -EINVAL;

	quarry_buddy_layout(b, nr_units, max_order, state);
	for (k = 0; k <= max_order; k++)
		init_row(b, k);
	b->nr_free_units = nr_units;
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
static long take_best(struct quarry_buddy *b, unsigned int order, bool top_down)
{
	unsigned int orders = b->free_orders >> order, k;
	const struct quarry_buddy_order *row;
	unsigned long i, blocks, o;

	if (!orders)
		return -ENOSPC;
	k = order + __ffs(orders);
	row = &b->orders[k];
	i = descend(row, row->nr_levels, 0, top_down);
	blocks = word_blocks(row->words[i]);
	i = i * BITS_PER_LONG + (top_down ? __fls(blocks) : __ffs(blocks));
	o = bit_offset(b, i, k);
	if (top_down)
		o += (1UL << k) - (1UL << order);
	take_out_of(b, o, order, k);
	return o;
}

/* The same where clean space is tracked, which is spared if it can be. */
static long take_dirty(struct quarry_buddy *b, unsigned int order, bool top_down)
{
	unsigned long end = round_down(b->nr_units, 1UL << order);
	struct quarry_buddy_found found;

	if (!end || !quarry_buddy_find(b, order, 0, end, top_down, &found))
		return -ENOSPC;
	take_out_of(b, found.offset, order, found.from);
	return found.offset;
}

/* What the short way does not serve: errors, top down, tracked or tall ranges, roots. */
static noinline long alloc_slow(struct quarry_buddy *b, unsigned int order, bool top_down)
{
	long o;

	if (order > b->max_order)
		return -EINVAL;
	if (!b->clean)
		return take_best(b, order, top_down);
	o = take_dirty(b, order, top_down);
	if (o >= 0)
		quarry_buddy_clean_forget(b, o, 1UL << order);
	return o;
}

/*
 * The lowest block of a row that has one.  Its bit is the lowest of the words on the
 * way down the summaries, so that on the way up x & (x - 1) takes it off.
 */
static __always_inline unsigned long take_lowest(struct quarry_buddy *b,
						 struct quarry_buddy_order *row, unsigned int k)
{
	unsigned long i, bit, word, blocks, *words, *sums;

	i = __ffs(row->top);
	sums = row->sums + i;
	i = i * BITS_PER_LONG + __ffs(*sums);
	words = row->words + i;
	word = *words;
	blocks = word_blocks(word);
	bit = __ffs(blocks);
	*words = word & ~BIT(bit);
	i = i * BITS_PER_LONG + bit;
	if (blocks & (blocks - 1))
		return i;
	*sums &= *sums - 1;
	if (*sums)
		return i;
	row->top &= row->top - 1;
	if (!row->top)
		b->free_orders ^= 1U << k;
	return i;
}

/* No block of this order is free.  Out of line: few allocations split. */
static noinline long alloc_split(struct quarry_buddy *b, unsigned int order)
{
	unsigned int orders = b->free_orders >> order, k;
	unsigned long o;

	if (!orders)
		return -ENOSPC;
	k = order + __ffs(orders);
	o = bit_offset(b, take_lowest(b, &b->orders[k], k), k);
	split_towards(b, o, order, k, false);
	b->nr_free_units -= 1UL << order;
	return o;
}

long quarry_buddy_alloc_lowest(struct quarry_buddy *b, unsigned int order)
{
	unsigned long o;

	if (unlikely(order >= b->short_orders))
		return alloc_slow(b, order, false);
	if (unlikely(!(b->free_orders >> order & 1)))
		return alloc_split(b, order);
	o = take_lowest(b, &b->orders[order], order) << order;
	b->nr_free_units -= 1UL << order;
	return o;
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc_lowest);

/*
 * Taken node (@o, @order + @depth) is split into allocated nodes of @order.  In a row they
 * are 2^n neighbours at a multiple of that, so no more than one word.
 */
static void split_whole(struct quarry_buddy *b, unsigned long o, unsigned int order,
			unsigned int depth)
{
	struct quarry_buddy_order *row = &b->orders[order];
	unsigned long i = o >> order;

	for (; depth; depth--, i >>= 1, row++)
		row->words[i / BITS_PER_LONG] &=
			~(GENMASK((1U << depth) - 1, 0) << i % BITS_PER_LONG);
}

/* The lowest free blocks of the best fitting order: as many as there are of it, or @nr. */
static unsigned int take_some(struct quarry_buddy *b, unsigned int order, unsigned int nr,
			      unsigned long *offsets)
{
	unsigned int k = order + __ffs(b->free_orders >> order), n;
	/* No more than a word of them. */
	unsigned int depth = min3(k - order, (unsigned int)ilog2(nr), ilog2(BITS_PER_LONG));
	unsigned long o = bit_offset(b, take_lowest(b, &b->orders[k], k), k);

	split_towards(b, o, order + depth, k, false);
	split_whole(b, o, order, depth);
	b->nr_free_units -= 1UL << (order + depth);
	for (n = 0; n < 1U << depth; n++)
		offsets[n] = o + ((unsigned long)n << order);
	return n;
}

unsigned int quarry_buddy_alloc_many(struct quarry_buddy *b, unsigned int order, unsigned int nr,
				     unsigned long *offsets)
{
	unsigned int got = 0;
	long o;

	/* Not what the short way does not serve. */
	while (got < nr && order < b->short_orders && b->free_orders >> order)
		got += take_some(b, order, nr - got, offsets + got);
	while (got < nr) {
		o = quarry_buddy_alloc_lowest(b, order);
		if (o < 0)
			break;
		offsets[got++] = o;
	}
	return got;
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc_many);

long quarry_buddy_alloc_highest(struct quarry_buddy *b, unsigned int order)
{
	return alloc_slow(b, order, true);
}
EXPORT_SYMBOL_GPL(quarry_buddy_alloc_highest);

long quarry_buddy_alloc_aligned(struct quarry_buddy *b, unsigned long count,
				unsigned int align_order)
{
	unsigned int order;
	long o;

	if (!count || count > 1UL << b->max_order || align_order > b->max_order)
		return -EINVAL;
	order = max_t(unsigned int, order_base_2(count), align_order);
	/* What is known of the tail is kept. */
	o = b->clean ? take_dirty(b, order, false) : quarry_buddy_alloc_lowest(b, order);
	if (o < 0)
		return o;
	if (count < 1UL << order)
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

/* Node @i of row @k and its buddy are free.  Out of line: few frees merge. */
static noinline int merge(struct quarry_buddy *b, unsigned int k, unsigned long i)
{
	merge_up(b, i, k, false);
	return 0;
}

static __always_inline int free_short(struct quarry_buddy *b, unsigned long o, unsigned int order,
				      bool has_halves)
{
	struct quarry_buddy_order *row = &b->orders[order];
	unsigned long i, size, *words;

	/* Computed once, whatever the compiler thinks of three addresses. */
	OPTIMIZER_HIDE_VAR(row);
	/* Low bits that should not be there make it a huge number. */
	i = ror64(o, order);
	if (unlikely(i >= row->nr_nodes))
		return -EINVAL;
	if (has_halves && unlikely(row_is_split(row - 1, i)))
		return -EINVAL;
	words = row->words;
	if (unlikely(__test_and_set_bit(i, words)))
		return -EINVAL;
	size = 1UL << order;
	b->nr_free_units += size;
	if (unlikely(test_bit(i ^ 1, words)))
		return merge(b, order, i);
	b->free_orders |= size;
	summary_set(row, i / BITS_PER_LONG, false);
	return 0;
}

static noinline int free_unit(struct quarry_buddy *b, unsigned long o)
{
	return b->short_orders ? free_short(b, o, 0, false) : free_slow(b, o, 0);
}

int quarry_buddy_free(struct quarry_buddy *b, unsigned long o, unsigned int order)
{
	/* One test for both. */
	if (unlikely(order - 1 >= b->max_short))
		return order ? free_slow(b, o, order) : free_unit(b, o);
	return free_short(b, o, order, true);
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

	/* Most are one block. */
	if (is_power_of_2(count) && IS_ALIGNED(o, count) && count <= 1UL << b->max_order)
		return quarry_buddy_free(b, o, ilog2(count));
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
