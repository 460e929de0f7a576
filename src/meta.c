// SPDX-License-Identifier: GPL-2.0
/*
 * Fixed-size allocator for descriptors: extents, slabs, magazines.
 *
 * Go's fixalloc in spirit: pages of its own, from the kernel or from the heap's
 * backing, so that no descriptor is ever next to user data, cut into one of seven
 * sizes and never merged; what is freed waits in a chain for its size.  Pages go
 * back when the heap is destroyed.  Larger objects (the bitmaps of a large
 * backing's extent) take and return whole pages.
 *
 *	meta->pages ─> page ─(private)─> page ─> ...
 *	meta->free[i] ─> object of sizes[i] bytes ─> object ─> ...
 *
 * Locking: meta->lock, innermost, irq-safe, held for a handful of steps (63
 * when a page is cut).  The kernel's page allocator is called without it.
 *
 * Invariant: nr_live objects are handed out; it is 0 at fini.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/kmemleak.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "backing.h"
#include "fault.h"
#include "internal.h"
#include "meta.h"
#include "pagemap.h"

void quarry_meta_init(struct quarry_meta *meta, int node, struct quarry_backing *backing)
{
	memset(meta, 0, sizeof(*meta));
	raw_spin_lock_init(&meta->lock);
	meta->node = node;
	meta->backing = backing;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_meta_init);

static struct page *take_from_kernel(struct quarry_meta *meta, unsigned int order, gfp_t gfp)
{
	struct page *page;

	if (!quarry_may_call_kernel())
		return NULL;
	page = alloc_pages_node(meta->node, gfp | __GFP_NOWARN, order);
	if (page)
		quarry_pages_held_add(1L << order);
	return page;
}

static struct page *take_from_backing(struct quarry_meta *meta, unsigned int order, gfp_t gfp)
{
	struct page *page = quarry_backing_get_high(meta->backing, order);

	if (page && (gfp & __GFP_ZERO))
		memset(page_address(page), 0, PAGE_SIZE << order);
	return page;
}

static bool is_tracked(const struct quarry_meta *meta)
{
	return !meta->backing || quarry_backing_is_untracked(meta->backing);
}

static struct page *take_pages(struct quarry_meta *meta, unsigned int order, gfp_t gfp)
{
	struct page *page = meta->backing ? take_from_backing(meta, order, gfp) :
					    take_from_kernel(meta, order, gfp);

	/*
	 * kmemleak does not scan pages, but descriptors point to percpu areas.  Where
	 * it may not allocate it does without.
	 */
	if (page && is_tracked(meta) && quarry_may_call_kernel())
		kmemleak_alloc(page_address(page), PAGE_SIZE << order, 0,
			       gfp & ~__GFP_ZERO);
	return page;
}

static void give_pages(struct quarry_meta *meta, struct page *page, unsigned int order)
{
	if (is_tracked(meta))
		kmemleak_free(page_address(page));
	if (meta->backing) {
		quarry_backing_put(meta->backing, page, 1UL << order);
		return;
	}
	quarry_pages_held_add(-(1L << order));
	__free_pages(page, order);
}

static void *alloc_large(struct quarry_meta *meta, size_t size, gfp_t gfp)
{
	unsigned int order = get_order(size);
	struct page *page = take_pages(meta, order, gfp | __GFP_ZERO);
	unsigned long flags;

	if (!page)
		return NULL;
	raw_spin_lock_irqsave(&meta->lock, flags);
	meta->nr_pages += 1UL << order;
	meta->nr_live++;
	raw_spin_unlock_irqrestore(&meta->lock, flags);
	return page_address(page);
}

/*
 * Bytes.  Few, as each has a page begun.  A third of a page is for slabs of the smallest objects,
 * whose two bitmaps alone are 1024.
 */
static const unsigned int sizes[] = { 64, 128, 256, 512, 1024, 1344, 2048 };

static_assert(ARRAY_SIZE(sizes) == QUARRY_META_NR_BUCKETS);

static unsigned int bucket_of(size_t size)
{
	unsigned int bucket = 0;

	while (sizes[bucket] < size)
		bucket++;
	return bucket;
}

static void *pop_locked(struct quarry_meta *meta, unsigned int bucket)
{
	void **obj = meta->free[bucket];

	lockdep_assert_held(&meta->lock);
	if (obj) {
		meta->free[bucket] = *obj;
		meta->nr_live++;
	}
	return obj;
}

static void add_page_locked(struct quarry_meta *meta, struct page *page, unsigned int bucket)
{
	size_t step = sizes[bucket], at;
	void *base = page_address(page);

	lockdep_assert_held(&meta->lock);
	set_page_private(page, (unsigned long)meta->pages);
	meta->pages = page;
	meta->nr_pages++;
	for (at = PAGE_SIZE; at >= step; at -= step) {
		void **obj = base + at - step;

		*obj = meta->free[bucket];
		meta->free[bucket] = obj;
	}
}

void *quarry_meta_alloc(struct quarry_meta *meta, size_t size, gfp_t gfp)
{
	unsigned int bucket;
	unsigned long flags;
	struct page *page;
	void *obj;

	if (quarry_fault(QUARRY_FAULT_DESCRIPTOR, size))
		return NULL;
	/* Only how to get memory is the caller's; zeroing and placement are ours. */
	gfp &= ~(__GFP_ZERO | __GFP_COMP);
	if (size > QUARRY_META_MAX_BUCKET)
		return alloc_large(meta, size, gfp);

	bucket = bucket_of(size);
	raw_spin_lock_irqsave(&meta->lock, flags);
	obj = pop_locked(meta, bucket);
	raw_spin_unlock_irqrestore(&meta->lock, flags);
	if (!obj) {
		page = take_pages(meta, 0, gfp);
		if (!page)
			return NULL;
		raw_spin_lock_irqsave(&meta->lock, flags);
		add_page_locked(meta, page, bucket);
		obj = pop_locked(meta, bucket);
		raw_spin_unlock_irqrestore(&meta->lock, flags);
	}
	return memset(obj, 0, size);
}

void quarry_meta_free(struct quarry_meta *meta, void *obj, size_t size)
{
	unsigned int order = get_order(size), bucket;
	bool large = size > QUARRY_META_MAX_BUCKET;
	unsigned long flags;

	if (!obj)
		return;
	raw_spin_lock_irqsave(&meta->lock, flags);
	meta->nr_live--;
	if (large) {
		meta->nr_pages -= 1UL << order;
	} else {
		bucket = bucket_of(size);
		*(void **)obj = meta->free[bucket];
		meta->free[bucket] = obj;
	}
	raw_spin_unlock_irqrestore(&meta->lock, flags);
	if (large)
		give_pages(meta, virt_to_page(obj), order);
}

void quarry_meta_fini(struct quarry_meta *meta)
{
	struct page *page, *next;

	if (QUARRY_WARN_ON(meta->nr_live))
		pr_err("%lu descriptors leaked\n", meta->nr_live);
	for (page = meta->pages; page; page = next) {
		next = (struct page *)page_private(page);
		set_page_private(page, 0);
		give_pages(meta, page, 0);
	}
	meta->pages = NULL;
	meta->nr_pages = 0;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_meta_fini);
