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
	return fls(READ_ONCE(b->free_orders)) - 1;
}
EXPORT_SYMBOL_GPL(quarry_buddy_largest_order);

int quarry_buddy_walk(const struct quarry_buddy *b,
		      int (*fn)(unsigned long offset, unsigned int order, void *arg), void *arg)
{
	unsigned long i, bits;
	unsigned int k;
	int ret;

	for (k = 0; k <= b->max_order; k++) {
		bits = nr_bits(b->nr_units, b->max_order, k);
		for (i = 0; i < bits; i++) {
			/* 64 at a time where there are none. */
			if (!(i % BITS_PER_LONG) && !*pair_words(&b->orders[k], i)) {
				i += BITS_PER_LONG - 1;
				continue;
			}
			if (!one_test(b, k, i))
				continue;
			ret = fn(one_offset(b, k, i), k, arg);
			if (ret)
				return ret;
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
		unsigned long units = READ_ONCE(b->orders[k].nr_free) << k;

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
	unsigned int k, index;

	seq_printf(m, "units %lu free %lu clean %lu largest_order %d\n", b->nr_units,
		   b->nr_free_units, quarry_buddy_nr_clean_units(b), quarry_buddy_largest_order(b));
	seq_puts(m, "order blocks units unusable\n");
	for (k = 0; k <= b->max_order; k++) {
		index = quarry_buddy_unusable_index(b, k);
		seq_printf(m, "%5u %6lu %5lu %u.%03u\n", k, b->orders[k].nr_free,
			   b->orders[k].nr_free << k, index / 1000, index % 1000);
	}
}
EXPORT_SYMBOL_GPL(quarry_buddy_show);

/* === Verifying === */

static int verify_row(const struct quarry_buddy *b, unsigned int k)
{
	unsigned long bits = nr_bits(b->nr_units, b->max_order, k), i, nr_free = 0;
	const struct quarry_buddy_order *row = &b->orders[k];
	unsigned int level;

	for (i = 0; i < BITS_TO_LONGS(bits); i++)
		nr_free += hweight_long(*level_word(row, 0, i));
	if (nr_free != row->nr_free || !!nr_free != (b->free_orders >> k & 1))
		return -__LINE__;
	for (level = 1; level < row->nr_levels; level++) {
		bits = BITS_TO_LONGS(bits);
		for (i = 0; i < bits; i++) {
			bool bit = *level_word(row, level, i / BITS_PER_LONG) >>
				   (i % BITS_PER_LONG) & 1;

			if (bit != !!*level_word(row, level - 1, i))
				return -__LINE__;
		}
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

int quarry_buddy_verify_rows(const struct quarry_buddy *b)
{
	unsigned long units = 0;
	unsigned int k;
	int ret;

	for (k = 0; k <= b->max_order; k++) {
		ret = verify_row(b, k);
		if (ret)
			return ret;
		units += b->orders[k].nr_free << k;
	}
	return units == b->nr_free_units ? 0 : -__LINE__;
}

int quarry_buddy_verify(const struct quarry_buddy *b)
{
	unsigned int k;
	int ret;

	ret = quarry_buddy_verify_rows(b);
	for (k = 0; !ret && k < b->max_order; k++)
		ret = verify_pairs(b, k);
	return ret ?: quarry_buddy_clean_verify(b);
}
EXPORT_SYMBOL_GPL(quarry_buddy_verify);
