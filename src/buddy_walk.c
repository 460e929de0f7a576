// SPDX-License-Identifier: GPL-2.0
/*
 * Range buddy: looking at a range without changing it: blocks, walks, counters,
 * fragmentation, and the check of every invariant.
 */
#include <linux/compiler.h>
#include <linux/export.h>
#include <linux/math64.h>
#include <linux/seq_file.h>

#include "buddy.h"

/* === Looking === */

/* The node around @unit that is not split: exactly one is. Its order and offset. */
static unsigned int leaf_around(const struct quarry_buddy *b, unsigned long unit, unsigned long *o)
{
	unsigned int k;

	for (k = 0; k < b->max_order; k++)
		if (node_exists(b, unit, k))
			break;
	*o = unit & ~((1UL << k) - 1);
	return k;
}

int quarry_buddy_block_of(const struct quarry_buddy *b, unsigned long unit, unsigned long *offset)
{
	unsigned long o;
	unsigned int k;

	if (unit >= b->nr_units)
		return -EINVAL;
	k = leaf_around(b, unit, &o);
	if (node_is_free(b, o, k))
		return -ENOENT;
	*offset = o;
	return k;
}
EXPORT_SYMBOL_GPL(quarry_buddy_block_of);

unsigned long quarry_buddy_nr_free(const struct quarry_buddy *b, unsigned int order)
{
	const struct quarry_buddy_order *row = &b->orders[order];
	unsigned long i, sum, nr = 0;

	if (order > b->max_order)
		return 0;
	/* Only words that have free blocks. */
	for (i = 0; row->words + i * BITS_PER_LONG < row->sums; i++)
		for (sum = READ_ONCE(row->sums[i]); sum; sum &= sum - 1)
			nr += hweight_long(word_ones(row->words[i * BITS_PER_LONG + __ffs(sum)]));
	return nr;
}
EXPORT_SYMBOL_GPL(quarry_buddy_nr_free);

unsigned long quarry_buddy_nr_free_units(const struct quarry_buddy *b)
{
	return b->nr_free_units;
}
EXPORT_SYMBOL_GPL(quarry_buddy_nr_free_units);

int quarry_buddy_largest_order(const struct quarry_buddy *b)
{
	return fls(READ_ONCE(b->free_orders)) - 1;
}
EXPORT_SYMBOL_GPL(quarry_buddy_largest_order);

int quarry_buddy_walk(const struct quarry_buddy *b,
		      int (*fn)(unsigned long offset, unsigned int order, void *arg), void *arg)
{
	const struct quarry_buddy_order *row;
	unsigned long i, blocks;
	unsigned int k;
	int ret;

	for (k = 0; k <= b->max_order; k++) {
		row = &b->orders[k];
		for (i = 0; i < row->sums - row->words; i++) {
			for (blocks = word_blocks(row->words[i]); blocks; blocks &= blocks - 1) {
				ret = fn(bit_offset(b, i * BITS_PER_LONG + __ffs(blocks), k), k,
					 arg);
				if (ret)
					return ret;
			}
		}
	}
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_walk);

int quarry_buddy_walk_allocated(const struct quarry_buddy *b,
				int (*fn)(unsigned long offset, unsigned int order, void *arg),
				void *arg)
{
	unsigned long at, o;
	unsigned int k;
	int ret;

	for (at = 0; at < b->nr_units; at = o + (1UL << k)) {
		k = leaf_around(b, at, &o);
		if (node_is_free(b, o, k))
			continue;
		ret = fn(o, k, arg);
		if (ret)
			return ret;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_buddy_walk_allocated);

/* === Fragmentation === */

unsigned int quarry_buddy_unusable_index(const struct quarry_buddy *b, unsigned int order)
{
	unsigned long nr_free = 0, usable = 0;
	unsigned int k;

	/* Summed up here, so that a racy look cannot see more usable than free. */
	for (k = 0; k <= b->max_order; k++) {
		unsigned long units = quarry_buddy_nr_free(b, k) << k;

		nr_free += units;
		if (k >= order)
			usable += units;
	}
	if (!nr_free)
		return 1000;
	return div64_ul((u64)(nr_free - usable) * 1000, nr_free);
}
EXPORT_SYMBOL_GPL(quarry_buddy_unusable_index);

void quarry_buddy_show(struct seq_file *m, const struct quarry_buddy *b)
{
	unsigned long nr_free;
	unsigned int k, index;

	seq_printf(m, "units %lu free %lu clean %lu largest_order %d\n", b->nr_units,
		   b->nr_free_units, quarry_buddy_nr_clean_units(b), quarry_buddy_largest_order(b));
	seq_puts(m, "order blocks units unusable\n");
	for (k = 0; k <= b->max_order; k++) {
		index = quarry_buddy_unusable_index(b, k);
		nr_free = quarry_buddy_nr_free(b, k);
		seq_printf(m, "%5u %6lu %5lu %u.%03u\n", k, nr_free, nr_free << k, index / 1000,
			   index % 1000);
	}
}
EXPORT_SYMBOL_GPL(quarry_buddy_show);

/* === Verifying === */

/* Words at level 0 have free blocks, above it bits, or are 0. */
static bool word_is_empty(unsigned int level, unsigned long word)
{
	return !(level ? word : word_ones(word));
}

static int verify_row(const struct quarry_buddy *b, unsigned int k)
{
	const struct quarry_buddy_order *row = &b->orders[k];
	unsigned long nr = row->sums - row->words, i;
	const unsigned long *below, *above;
	unsigned int level;

	if (!!row->top != (b->free_orders >> k & 1))
		return -__LINE__;
	for (level = 1; level < row->nr_levels; level++) {
		below = level_words(row, level - 1);
		above = level_words(row, level);
		for (i = 0; i < nr; i++)
			if ((above[i / BITS_PER_LONG] >> (i % BITS_PER_LONG) & 1) ==
			    word_is_empty(level - 1, below[i]))
				return -__LINE__;
		nr = BITS_TO_LONGS(nr);
	}
	return 0;
}

/* A node that is split is not free; free blocks are whole. */
static int verify_pairs(const struct quarry_buddy *b, unsigned int k)
{
	const struct quarry_buddy_order *row = &b->orders[k];
	unsigned long nr = (row->sums - row->words) * BITS_PER_LONG / 2, i;

	for (i = 0; k < b->max_order && i < nr; i++) {
		if ((i << (k + 1)) < b->nr_units && row_is_split(row, i) &&
		    row_test(row + 1, node_bit(b, i << (k + 1), k + 1)))
			return -__LINE__;
	}
	for (i = 0; i < 2 * nr; i++)
		if (row_test(row, i) && !row_test(row, i ^ 1) &&
		    !block_is_valid(b, bit_offset(b, i, k), k))
			return -__LINE__;
	return 0;
}

int quarry_buddy_verify_rows(const struct quarry_buddy *b)
{
	unsigned long units = 0;
	unsigned int k;
	int ret;

	for (k = 0; k <= b->max_order; k++) {
		ret = verify_row(b, k);
		if (ret)
			return ret;
		units += quarry_buddy_nr_free(b, k) << k;
	}
	return units == b->nr_free_units ? 0 : -__LINE__;
}

int quarry_buddy_verify(const struct quarry_buddy *b)
{
	unsigned int k;
	int ret;

	ret = quarry_buddy_verify_rows(b);
	for (k = 0; !ret && k <= b->max_order; k++)
		ret = verify_pairs(b, k);
	return ret ?: quarry_buddy_clean_verify(b);
}
EXPORT_SYMBOL_GPL(quarry_buddy_verify);
