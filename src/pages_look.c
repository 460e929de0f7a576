// SPDX-License-Identifier: GPL-2.0
/*
 * Page heap, looked at from outside: its invariants checked, its extents shown.
 *
 * Locking: pages->lock.  Verifying holds it over all extents and is for quiet
 * heaps; showing walks the table of extents and takes it once per row.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/seq_file.h>
#include <linux/slab.h>

#include "internal.h"
#include "pages.h"

#define BATCH	16	/* rows at a time */

static int verify_extent(struct quarry_extent *ext)
{
	int ret = quarry_buddy_verify(&ext->buddy);
	int order = quarry_buddy_largest_order(&ext->buddy);

	if (ret)
		return ret;
	if (!node_isset(ext->node, ext->pages->holders))
		return -__LINE__;
	if (ext->single)
		return ext->linked == quarry_extent_is_free(ext) ? 0 : -__LINE__;
	if (order < 0)
		return ext->linked ? -__LINE__ : 0;
	if (!ext->linked || ext->bucket_order != order ||
	    ext->bucket_fullness != quarry_extent_fullness(ext))
		return -__LINE__;
	return 0;
}

/* The bucket is sorted, and its bit says whether it is empty; counts what is in it. */
static int verify_bucket(const struct quarry_pages_kind *kind, unsigned int f, unsigned int order,
			 unsigned long *nr)
{
	const struct rb_root_cached *bucket = &kind->buckets[f][order];
	unsigned long last = 0;
	struct rb_node *node;

	if (!(kind->filled[f] & BIT(order)) != RB_EMPTY_ROOT(&bucket->rb_root))
		return -__LINE__;
	for (node = rb_first_cached(bucket); node; node = rb_next(node)) {
		const struct quarry_extent *ext = rb_entry(node, struct quarry_extent, bucket);

		if (ext->pfn < last || ext->bucket_order != order || ext->bucket_fullness != f)
			return -__LINE__;
		last = ext->pfn;
		++*nr;
	}
	return 0;
}

static int verify_buckets(const struct quarry_pages *pages, unsigned long nr_linked)
{
	unsigned long nr = 0;
	unsigned int k, f, order;
	int node, ret = 0;

	for (node = 0; node < nr_node_ids; node++)
		for (k = 0; k < QUARRY_NR_KINDS; k++)
			for (f = 0; !ret && f < QUARRY_NR_FULLNESS; f++)
				for (order = 0; !ret && order < QUARRY_NR_ORDERS; order++)
					ret = verify_bucket(&pages->nodes[node].kinds[k], f, order,
							    &nr);
	return ret ?: nr == nr_linked ? 0 : -__LINE__;
}

static int verify_sums(const struct quarry_pages *pages, unsigned long nr_mapped,
		       unsigned long nr_free, unsigned long nr)
{
	unsigned long by_kind = 0;
	unsigned int k;
	int node;

	for (node = 0; node < nr_node_ids; node++)
		for (k = 0; k < QUARRY_NR_KINDS; k++)
			by_kind += pages->nodes[node].kinds[k].nr_mapped;
	if (by_kind != nr_mapped || pages->nr_mapped != nr_mapped)
		return -__LINE__;
	if (nr != pages->nr_extents || nr_mapped - nr_free != pages->nr_used)
		return -__LINE__;
	return 0;
}

int quarry_pages_verify(struct quarry_pages *pages)
{
	unsigned long nr_mapped = 0, nr_free = 0, nr = 0, nr_linked = 0, flags;
	struct quarry_extent *ext;
	int ret = 0;

	raw_spin_lock_irqsave(&pages->lock, flags);
	list_for_each_entry(ext, &pages->extents, node_all) {
		ret = verify_extent(ext);
		if (ret)
			break;
		nr_mapped += quarry_extent_nr_present(ext);
		nr_free += quarry_buddy_nr_free_units(&ext->buddy);
		nr_linked += ext->linked && !ext->single;
		nr++;
	}
	ret = ret ?: verify_buckets(pages, nr_linked) ?:
	      verify_sums(pages, nr_mapped, nr_free, nr);
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	if (!ret)
		return 0;
	quarry_report("page heap is corrupt: check at line %d\n", -ret);
	return -EUCLEAN;
}

unsigned long quarry_pages_largest(const struct quarry_pages *pages)
{
	const struct quarry_extent *ext;
	unsigned long largest = 0;
	unsigned int k, f, orders = 0;
	int node;

	lockdep_assert_held(&pages->lock);
	for_each_node_mask(node, pages->holders)
		for (k = 0; k < QUARRY_NR_KINDS; k++)
			for (f = 0; f < QUARRY_NR_FULLNESS; f++)
				orders |= pages->nodes[node].kinds[k].filled[f];
	if (orders)
		largest = 1UL << __fls(orders);
	list_for_each_entry(ext, &pages->spare, spare)
		largest = max_t(unsigned long, largest, ext->nr_pages);
	return largest;
}

struct quarry_extent *quarry_pages_search(struct quarry_pages *pages, const void *addr)
{
	struct quarry_extent *ext, *found = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&pages->lock, flags);
	list_for_each_entry(ext, &pages->extents, node_all) {
		if (addr >= ext->base &&
		    quarry_extent_page_of(ext, addr) < ext->nr_pages) {
			found = ext;
			break;
		}
	}
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	return found;
}

struct buddy_row {
	void *base;
	unsigned int nr_pages, nr_free, nr_absent, index;
	int node;
	enum quarry_kind kind;
	unsigned int free[QUARRY_NR_ORDERS];
};

static void copy_row(struct buddy_row *row, const struct quarry_extent *ext)
{
	unsigned int order;

	row->base = ext->base;
	row->nr_pages = ext->nr_pages;
	row->nr_free = quarry_buddy_nr_free_units(&ext->buddy);
	row->nr_absent = ext->nr_absent;
	row->index = ext->index;
	row->node = ext->node;
	row->kind = ext->kind;
	for (order = 0; order < QUARRY_NR_ORDERS; order++)
		row->free[order] = quarry_buddy_nr_free(&ext->buddy, order);
}

static void show_row(struct seq_file *m, const struct buddy_row *row)
{
	unsigned int order;

	seq_printf(m, "%6u %4d %-5s %6u %6u %6u", row->index, row->node,
		   row->kind == QUARRY_KIND_DATA ? "data" : "ptr", row->nr_pages, row->nr_free,
		   row->nr_absent);
	for (order = 0; order < QUARRY_NR_ORDERS; order++)
		seq_printf(m, " %5u", row->free[order]);
	seq_putc(m, '\n');
}

/* The next extents of @pages from *@index on, one short lock hold each. */
static unsigned int copy_rows(struct quarry_pages *pages, unsigned int *index,
			      struct buddy_row *rows)
{
	struct quarry_extent *ext;
	unsigned long flags;
	unsigned int n = 0;

	while (n < BATCH) {
		if (++*index >= quarry_extent_nr_indexes())
			break;
		/* Preemption off: what the table shows stays, though it may be leaving. */
		preempt_disable();
		ext = quarry_extent_at(*index);
		if (ext && ext->pages == pages) {
			raw_spin_lock_irqsave(&pages->lock, flags);
			if (!list_empty(&ext->node_all))
				copy_row(&rows[n++], ext);
			raw_spin_unlock_irqrestore(&pages->lock, flags);
		}
		preempt_enable();
	}
	return n;
}

int quarry_pages_show_buddy(struct seq_file *m, struct quarry_pages *pages)
{
	unsigned int n, i, order, index = 0;
	struct buddy_row *rows;

	rows = kmalloc_array(BATCH, sizeof(*rows), GFP_KERNEL);
	if (!rows)
		return -ENOMEM;
	seq_printf(m, "%6s %4s %-5s %6s %6s %6s  free blocks of order", "extent", "node", "kind",
		   "pages", "free", "absent");
	seq_printf(m, "\n%38s", "");
	for (order = 0; order < QUARRY_NR_ORDERS; order++)
		seq_printf(m, " %5u", order);
	seq_putc(m, '\n');
	do {
		n = copy_rows(pages, &index, rows);
		for (i = 0; i < n; i++)
			show_row(m, &rows[i]);
		cond_resched();
	} while (n == BATCH && !seq_has_overflowed(m));
	kfree(rows);
	return 0;
}
