// SPDX-License-Identifier: GPL-2.0
/*
 * Backing: a range of pages that the maker of a heap owns and lends to it.
 *
 * One range buddy in units of pages cuts the range into extents, as the kernel's
 * allocator does otherwise, and into pages of metadata, so that the heap asks the
 * kernel for no page after its creation:
 *
 *	           pfn aligned down     the caller's first page
 *	unit       0                    head                           nr_units
 *	buddy      |  reserved for ever |  extents, metadata, free ... |
 *
 * Unit 0 is aligned as the largest block that fits into the range, so blocks
 * are naturally aligned whatever page the range starts with.
 *
 * While it is lent a page has refcount 0, as in all extents (extent.c says why).
 * Pages come in with a refcount of 1 or, behind the first of a block of the kernel's,
 * of 0; a bit per page remembers which.  Who holds a page for another reason, or
 * uses its private word, is found when the range is taken: then nothing is changed.
 *
 * Locking: backing->lock, irq-safe, innermost, for one buddy operation; lent_mutex
 * for the list of all ranges, of which no two overlap.
 *
 * Invariant: a page is free in the buddy, or in one extent, or of the metadata, or
 * lost to a foreign reference.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/page_ref.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <quarry/buddy.h>

#include "backing.h"
#include "internal.h"
#include "pagemap.h"

static DEFINE_MUTEX(lent_mutex);
static LIST_HEAD(lent);

struct quarry_backing {
	struct list_head link;		/* under lent_mutex */
	raw_spinlock_t lock;
	unsigned long base;		/* pfn of unit 0; constant, as the next five */
	unsigned long pfn;		/* of the caller's first page */
	unsigned long nr_pages;
	int node;
	bool untracked;			/* see backing.h */
	unsigned long *counted;		/* bit per page: its refcount was 1 */
	struct quarry_buddy *buddy;	/* under lock */
};

/* === Taking the range === */

/* What keeps a page from being lent, or NULL. */
static const char *objection(struct page *page, int node)
{
	if (page_to_nid(page) != node)
		return "is on another node than the first one";
	if (PageCompound(page) || PageSlab(page) || is_free_buddy_page(page))
		return "is free, of a compound page or of a slab";
	if (PageHWPoison(page))
		return "is poisoned";
	if (page_ref_count(page) > 1 || page_mapped(page))
		return "is in use by others";
	if (page_private(page))
		return "has its private word in use";
	return NULL;
}

static bool is_linear(const void *addr, u64 size)
{
	unsigned long a = (unsigned long)addr, end = (unsigned long)high_memory;

	return a >= PAGE_OFFSET && a < end && size <= end - a;
}

static int check_range(const char *name, const void *addr, u64 size)
{
	unsigned long first, i, nr_pages = size >> PAGE_SHIFT;
	const char *what = NULL;

	if (!PAGE_ALIGNED((unsigned long)addr) || !size || size & ~PAGE_MASK)
		what = "has to be whole pages";
	else if (!is_linear(addr, size))
		what = "has to be in the kernel's direct map";
	else if ((__pa(addr) + size - 1) >> (PAGE_SHIFT + QUARRY_PAGEMAP_SHIFT) >=
		 READ_ONCE(quarry_pagemap_size))
		what = "has to be in RAM that the page map reaches";
	if (what) {
		quarry_report("heap %.31s: backing %p of %llu bytes %s\n", name, addr, size, what);
		return -EINVAL;
	}
	first = PHYS_PFN(__pa(addr));
	for (i = 0; i < nr_pages && !what; i++) {
		if (!pfn_valid(first + i))
			what = "does not exist";
		else
			what = objection(pfn_to_page(first + i),
					 page_to_nid(pfn_to_page(first)));
	}
	if (!what)
		return 0;
	quarry_report("heap %.31s: backing page pfn %#lx %s\n", name, first + i - 1, what);
	return -EINVAL;
}

/* Sets the refcounts back to what they were of the first @nr pages. */
static void unfreeze(struct quarry_backing *backing, unsigned long nr)
{
	unsigned long i;

	/* Added, not set: a foreign reference that came meanwhile stays. */
	for_each_set_bit(i, backing->counted, nr)
		page_ref_inc(pfn_to_page(backing->pfn + i));
}

/* All refcounts become 0, or none. */
static int freeze(struct quarry_backing *backing)
{
	unsigned long i;

	for (i = 0; i < backing->nr_pages; i++) {
		struct page *page = pfn_to_page(backing->pfn + i);

		if (!page_ref_count(page))
			continue;
		if (!page_ref_freeze(page, 1)) {
			unfreeze(backing, i);
			return -EINVAL;
		}
		__set_bit(i, backing->counted);
	}
	return 0;
}

/* Free pages of another heap's look like the rest of a block: only the list tells. */
static int lend(struct quarry_backing *backing)
{
	struct quarry_backing *other;
	int ret = 0;

	mutex_lock(&lent_mutex);
	list_for_each_entry(other, &lent, link)
		if (backing->pfn < other->pfn + other->nr_pages &&
		    other->pfn < backing->pfn + backing->nr_pages)
			ret = -EINVAL;
	if (!ret)
		list_add(&backing->link, &lent);
	mutex_unlock(&lent_mutex);
	return ret;
}

static void unlend(struct quarry_backing *backing)
{
	mutex_lock(&lent_mutex);
	list_del(&backing->link);
	mutex_unlock(&lent_mutex);
}

static int make_buddy(struct quarry_backing *backing)
{
	unsigned int order = min_t(unsigned int, ilog2(backing->nr_pages),
				   QUARRY_BUDDY_MAX_ORDER);
	unsigned long head;
	int ret;

	backing->base = ALIGN_DOWN(backing->pfn, 1UL << order);
	head = backing->pfn - backing->base;
	backing->buddy = quarry_buddy_create(head + backing->nr_pages, order);
	if (IS_ERR(backing->buddy))
		return PTR_ERR(backing->buddy);
	ret = head ? quarry_buddy_reserve(backing->buddy, 0, head) : 0;
	if (ret)
		quarry_buddy_destroy(backing->buddy);
	return ret;
}

struct quarry_backing *quarry_backing_create(const char *name, void *addr, u64 size)
{
	struct quarry_backing *backing;
	int ret = check_range(name, addr, size);

	if (ret)
		return ERR_PTR(ret);
	backing = kzalloc(sizeof(*backing), GFP_KERNEL);
	if (!backing)
		return ERR_PTR(-ENOMEM);
	raw_spin_lock_init(&backing->lock);
	backing->pfn = PHYS_PFN(__pa(addr));
	backing->nr_pages = size >> PAGE_SHIFT;
	backing->node = page_to_nid(virt_to_page(addr));
	/* Of reserved memory kmemleak may know from boot. */
	backing->untracked = !PageReserved(virt_to_page(addr));
	ret = -ENOMEM;
	backing->counted = kvcalloc(BITS_TO_LONGS(backing->nr_pages), sizeof(long), GFP_KERNEL);
	if (!backing->counted)
		goto err_free;
	ret = make_buddy(backing);
	if (ret)
		goto err_counted;
	/* All of the page map at once: extents need none of the kernel's pages later. */
	ret = quarry_pagemap_cover(backing->pfn, backing->nr_pages, GFP_KERNEL);
	if (ret)
		goto err_buddy;
	ret = lend(backing);
	if (ret) {
		quarry_report("heap %.31s: another heap is on the backing\n", name);
		goto err_map;
	}
	ret = freeze(backing);
	if (ret) {
		quarry_report("heap %.31s: a page of the backing is in use by others\n", name);
		goto err_lent;
	}
	return backing;

err_lent:
	unlend(backing);
err_map:
	quarry_pagemap_uncover(backing->pfn, backing->nr_pages);
err_buddy:
	quarry_buddy_destroy(backing->buddy);
err_counted:
	kvfree(backing->counted);
err_free:
	kfree(backing);
	return ERR_PTR(ret);
}

void quarry_backing_destroy(struct quarry_backing *backing)
{
	if (!backing)
		return;
	unfreeze(backing, backing->nr_pages);
	unlend(backing);
	quarry_pagemap_uncover(backing->pfn, backing->nr_pages);
	quarry_buddy_destroy(backing->buddy);
	kvfree(backing->counted);
	kfree(backing);
}

/* === Pages out and in === */

/* No block of the next power of two is free, or none can be: any place will do. */
static long join(struct quarry_backing *backing, unsigned long nr_pages)
{
	struct quarry_buddy_where where = {
		.hi = QUARRY_BUDDY_MAX_UNITS,
		.flags = QUARRY_BUDDY_JOIN,
	};

	lockdep_assert_held(&backing->lock);
	return quarry_buddy_alloc_count_in(backing->buddy, nr_pages, &where, NULL);
}

struct page *quarry_backing_get(struct quarry_backing *backing, unsigned long nr_pages,
				unsigned int order)
{
	unsigned long flags;
	long offset;

	raw_spin_lock_irqsave(&backing->lock, flags);
	offset = quarry_buddy_alloc_aligned(backing->buddy, nr_pages, order);
	if (offset < 0 && !order)
		offset = join(backing, nr_pages);
	raw_spin_unlock_irqrestore(&backing->lock, flags);
	return offset < 0 ? NULL : pfn_to_page(backing->base + offset);
}

/* The smallest block that fits may be anywhere, so the upper part is looked at first. */
struct page *quarry_backing_get_high(struct quarry_backing *backing, unsigned int order)
{
	struct quarry_buddy_where where = {
		.lo = backing->pfn - backing->base + backing->nr_pages - backing->nr_pages / 16,
		.hi = QUARRY_BUDDY_MAX_UNITS,
		.flags = QUARRY_BUDDY_TOP_DOWN,
	};
	unsigned long flags;
	long offset;

	raw_spin_lock_irqsave(&backing->lock, flags);
	offset = quarry_buddy_alloc_in(backing->buddy, order, &where, NULL);
	if (offset < 0)
		offset = quarry_buddy_alloc(backing->buddy, order, true);
	raw_spin_unlock_irqrestore(&backing->lock, flags);
	return offset < 0 ? NULL : pfn_to_page(backing->base + offset);
}

static bool is_lost(struct page *page)
{
	return page_ref_count(page) || page_private(page) || PageHWPoison(page);
}

void quarry_backing_put(struct quarry_backing *backing, struct page *page,
			unsigned long nr_pages)
{
	unsigned long offset = page_to_pfn(page) - backing->base, i, flags, lost = 0;

	for (i = 0; i < nr_pages; i++)
		lost += is_lost(page + i);
	raw_spin_lock_irqsave(&backing->lock, flags);
	QUARRY_WARN_ON(quarry_buddy_free_count(backing->buddy, offset, nr_pages));
	for (i = 0; lost && i < nr_pages; i++) {
		if (!is_lost(page + i))
			continue;
		quarry_buddy_alloc_at(backing->buddy, offset + i, 0);
		lost--;
	}
	raw_spin_unlock_irqrestore(&backing->lock, flags);
}

unsigned long quarry_backing_nr_pages(const struct quarry_backing *backing)
{
	return backing->nr_pages;
}

unsigned long quarry_backing_nr_free(struct quarry_backing *backing)
{
	unsigned long flags, nr;

	raw_spin_lock_irqsave(&backing->lock, flags);
	nr = quarry_buddy_nr_free_units(backing->buddy);
	raw_spin_unlock_irqrestore(&backing->lock, flags);
	return nr;
}

int quarry_backing_node(const struct quarry_backing *backing)
{
	return backing->node;
}

bool quarry_backing_is_untracked(const struct quarry_backing *backing)
{
	return backing->untracked;
}
