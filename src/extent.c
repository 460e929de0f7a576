// SPDX-License-Identifier: GPL-2.0
/*
 * Extents: how pages become ours, how an address leads to its extent, how pages
 * go back.
 *
 * The kernel's blocks are taken without __GFP_COMP and frozen: every page's
 * refcount is 0 as long as we own it, so that a stray kfree() or put_page()
 * drops it to -1 and does not give our page to someone else.  page->private of
 * each page holds a small index, never a pointer, because private is not
 * cleared when other owners free their pages:
 *
 *	address ─> page map ─> owner: slab, run, chunk; 0: not ours (pagemap.c)
 *	               │ not 0
 *	               v
 *	           struct page ─private─> index ─> table[index >> 9][index & 511]
 *	                                               │
 *	                                               v
 *	                                             extent: pfn inside?
 *
 * The table has two levels; leaves are added on demand and stay until the
 * module goes, entry 0 is never used (private of most foreign pages is 0).
 *
 * Going back whole: the entry and the owners are cleared, private too, each refcount
 * checked, and the block freed as the one block it came as.  The descriptors follow
 * a grace period later, because lookups (with preemption off) may still look at
 * them.  A page that is not at 0 has a foreign user,
 * one with hwpoison is broken: those are reported and kept out, the rest goes
 * back page by page.
 *
 * Going back in part: page owner and allocation tags of the kernel describe the
 * block as a whole, so it is split_page()d once, which raises all refcounts to 1
 * for a moment; from then on this extent goes back page by page.  Pages that are gone
 * have no owner in the page map (or another one, as a page of another extent), are
 * marked as absent and in use for the buddy, for ever.
 *
 * Locking: extent_table_lock guards the growth of the table; indexes come from
 * an IDA.  Both are used only where the kernel's allocators may be called.
 *
 * An extent of a caller's own backing differs in where its pages come from and go to:
 * they are frozen already, go back as one, and what is lost stays with the caller.
 *
 * Invariant: table[i] == ext  <=>  ext->index == i and all pages of ext that did not
 * go back have private i, an owner and belong to us.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/idr.h>
#include <linux/kmemleak.h>
#include <linux/log2.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "backing.h"
#include "extent.h"
#include "fault.h"
#include "internal.h"
#include "note.h"

#define LEAF_SIZE	BIT(QUARRY_EXTENT_LEAF_SHIFT)
#define NR_LEAVES	1024		/* 512 k extents: 2 TiB of 4 MiB each */
#define FREEZE_TRIES	1000

struct quarry_extent **quarry_extent_table[NR_LEAVES];
unsigned int quarry_extent_table_size;	/* indexes below it have a leaf */

static DEFINE_RAW_SPINLOCK(extent_table_lock);
static DEFINE_IDA(extent_ida);

static size_t extent_struct_size(unsigned int order)
{
	return offsetof(struct quarry_extent, buddy) + quarry_buddy_struct_size(order);
}

static size_t absent_size(unsigned long nr_pages)
{
	return BITS_TO_LONGS(nr_pages) * sizeof(long);
}

/* The struct, its buddy's bitmaps, its bitmaps of pending frees and of absent pages. */
static size_t extent_size(unsigned long nr_pages)
{
	unsigned int order = ilog2(nr_pages);

	return ALIGN(extent_struct_size(order), sizeof(long)) +
	       quarry_buddy_state_size(nr_pages, order) + 2 * absent_size(nr_pages);
}

static size_t notes_size(unsigned long nr_pages)
{
	return nr_pages * sizeof(struct quarry_note);
}

/* Make sure that @index has a leaf. */
static int grow_table(unsigned int index, gfp_t gfp)
{
	struct quarry_extent **leaf;
	unsigned int size;
	unsigned long flags;

	while (index >= (size = READ_ONCE(quarry_extent_table_size))) {
		leaf = kcalloc(LEAF_SIZE, sizeof(*leaf), gfp | __GFP_NOWARN);
		if (!leaf)
			return -ENOMEM;
		raw_spin_lock_irqsave(&extent_table_lock, flags);
		if (size == quarry_extent_table_size) {
			quarry_extent_table[size / LEAF_SIZE] = leaf;
			leaf = NULL;
			/* Pairs with smp_load_acquire() in quarry_extent_find(). */
			smp_store_release(&quarry_extent_table_size, size + LEAF_SIZE);
		}
		raw_spin_unlock_irqrestore(&extent_table_lock, flags);
		kfree(leaf);
	}
	return 0;
}

static struct quarry_extent **table_slot(unsigned int index)
{
	return &quarry_extent_table[index / LEAF_SIZE][index % LEAF_SIZE];
}

/* The pages are frozen and marked before the first lookup can succeed. */
static void publish(struct quarry_extent *ext)
{
	struct page *page = pfn_to_page(ext->pfn);
	unsigned int i;

	for (i = 0; i < ext->nr_pages; i++)
		set_page_private(page + i, ext->index);
	/* Pairs with READ_ONCE() in quarry_extent_find(). */
	smp_store_release(table_slot(ext->index), ext);
	quarry_pagemap_set(ext->pfn, ext->nr_pages, QUARRY_OWNER_NONE);
}

/* Where the bitmaps of the extent's buddy are: behind the struct. */
static void *buddy_state(struct quarry_extent *ext, unsigned int order)
{
	return (void *)ext + ALIGN(extent_struct_size(order), sizeof(long));
}

/*
 * Only the first page of a block that is not compound is counted.  Who scans page
 * frames may hold a reference, but not for long.
 */
static bool freeze_block(struct page *page)
{
	unsigned int tries;

	for (tries = 0; tries < FREEZE_TRIES; tries++) {
		if (page_ref_freeze(page, 1))
			return true;
		cpu_relax();
	}
	return false;
}

/* Frozen pages, or NULL. */
static struct page *get_frozen(const struct quarry_extent_source *source)
{
	struct page *page;

	if (quarry_fault(QUARRY_FAULT_EXTENT, source->nr_pages << PAGE_SHIFT))
		return NULL;
	if (source->backing)
		return quarry_backing_get(source->backing, source->nr_pages, source->order);
	page = alloc_pages_node(source->node, source->gfp, source->order);
	if (!page || freeze_block(page))
		return page;
	__free_pages(page, source->order);
	return NULL;
}

static void put_frozen(struct quarry_backing *backing, struct page *page, unsigned long nr_pages)
{
	if (backing) {
		quarry_backing_put(backing, page, nr_pages);
		return;
	}
	page_ref_unfreeze(page, 1);
	__free_pages(page, ilog2(nr_pages));
}

/* The descriptor, and notes if wanted. */
static struct quarry_extent *alloc_extent(struct quarry_meta *meta, unsigned long nr_pages,
					  bool track, gfp_t gfp)
{
	struct quarry_extent *ext = quarry_meta_alloc(meta, extent_size(nr_pages), gfp);

	if (!ext || !track)
		return ext;
	ext->notes = quarry_meta_alloc(meta, notes_size(nr_pages), gfp);
	if (!ext->notes) {
		quarry_meta_free(meta, ext, extent_size(nr_pages));
		return NULL;
	}
	quarry_notes_init(ext->notes, nr_pages);
	return ext;
}

static void free_extent(struct quarry_meta *meta, struct quarry_extent *ext,
			unsigned long nr_pages)
{
	quarry_meta_free(meta, ext->notes, notes_size(nr_pages));
	quarry_meta_free(meta, ext, extent_size(nr_pages));
}

/* Descriptor, index and leaves of the page map, with nothing said about pages yet. */
static struct quarry_extent *get_descriptors(const struct quarry_extent_source *source,
					     const struct page *page, gfp_t gfp)
{
	unsigned long nr_pages = source->nr_pages;
	struct quarry_extent *ext = alloc_extent(source->meta, nr_pages, source->track, gfp);
	int index;

	if (!ext)
		return NULL;
	if (quarry_pagemap_cover(page_to_pfn(page), nr_pages, gfp))
		goto err_ext;
	index = ida_alloc_range(&extent_ida, 1, NR_LEAVES * LEAF_SIZE - 1, gfp);
	if (index < 0)
		goto err_map;
	if (quarry_fault(QUARRY_FAULT_EXTENT, nr_pages << PAGE_SHIFT) || grow_table(index, gfp))
		goto err_index;
	ext->index = index;
	return ext;

err_index:
	ida_free(&extent_ida, index);
err_map:
	quarry_pagemap_uncover(page_to_pfn(page), nr_pages);
err_ext:
	free_extent(source->meta, ext, nr_pages);
	return NULL;
}

static bool is_tracked(const struct quarry_extent *ext)
{
	return !ext->backing || quarry_backing_is_untracked(ext->backing);
}

struct quarry_extent *quarry_extent_get(struct quarry_pages *pages, enum quarry_kind kind,
					const struct quarry_extent_source *source)
{
	unsigned long nr_pages = source->nr_pages;
	gfp_t gfp = source->gfp & ~__GFP_THISNODE;
	struct quarry_extent *ext;
	struct page *page;

	/* Index and leaves come from the kernel in any case. */
	if (!quarry_may_call_kernel())
		return NULL;
	page = get_frozen(source);
	if (!page)
		return NULL;
	ext = get_descriptors(source, page, gfp);
	if (!ext) {
		put_frozen(source->backing, page, nr_pages);
		return NULL;
	}
	ext->pages = pages;
	ext->meta = source->meta;
	ext->backing = source->backing;
	ext->base = page_address(page);
	ext->pfn = page_to_pfn(page);
	ext->nr_pages = nr_pages;
	ext->order = ilog2(nr_pages);
	ext->node = page_to_nid(page);
	ext->kind = kind;
	INIT_LIST_HEAD(&ext->node_all);
	ext->absent = (void *)ext + extent_size(nr_pages) - absent_size(nr_pages);
	ext->frees = (void *)ext->absent - absent_size(nr_pages);
	quarry_pending_init(&ext->pending);
	quarry_buddy_init_state(&ext->buddy, nr_pages, ext->order, buddy_state(ext, ext->order));
	if (is_tracked(ext))
		kmemleak_alloc(ext->base, nr_pages << PAGE_SHIFT, 0, gfp);
	if (!ext->backing)
		quarry_pages_held_add(nr_pages);
	publish(ext);
	return ext;
}

static bool page_is_clean(const struct quarry_extent *ext, struct page *page)
{
	return !page_ref_count(page) && page_private(page) == ext->index && !PageHWPoison(page);
}

static atomic_long_t nr_pages_lost;

long quarry_pages_lost(void)
{
	return atomic_long_read(&nr_pages_lost);
}

static void report_lost(const struct quarry_extent *ext, struct page *page)
{
	quarry_report("pfn %#lx lost: refcount %d (ours are 0), private %lu (expected %u)%s\n",
		      page_to_pfn(page), page_ref_count(page), page_private(page), ext->index,
		      PageHWPoison(page) ? ", hwpoison" : "");
	atomic_long_inc(&nr_pages_lost);
}

/* True if the page is ours alone and went back; false if it is lost. */
static bool put_page_singly(const struct quarry_extent *ext, struct page *page)
{
	if (!page_is_clean(ext, page)) {
		report_lost(ext, page);
		return false;
	}
	set_page_private(page, 0);
	set_page_count(page, 1);
	__free_page(page);
	return true;
}

static bool all_clean(const struct quarry_extent *ext)
{
	struct page *page = pfn_to_page(ext->pfn);
	unsigned int i;

	for (i = 0; i < ext->nr_pages; i++)
		if (!page_is_clean(ext, page + i))
			return false;
	return true;
}

/*
 * The kernel's records of the block, kmemleak's among them, become records of
 * single pages.  split_page() would overwrite a foreign reference, so it is left
 * out where there is one: then page owner and tags stay those of the block.
 */
static void split_extent(struct quarry_extent *ext)
{
	struct page *page = pfn_to_page(ext->pfn);
	unsigned int i;

	if (ext->split)
		return;
	if (ext->order && all_clean(ext)) {
		page_ref_add(page, 1);
		split_page(page, ext->order);
		/*
		 * Who scans page frames may get a reference while the count is 1
		 * and has to drop it before the page is frozen again, or that
		 * drop would free it.
		 */
		for (i = 0; i < ext->nr_pages; i++)
			while (!page_ref_freeze(page + i, 1))
				cond_resched();
	}
	kmemleak_free(ext->base);
	for (i = 0; i < ext->nr_pages; i++)
		kmemleak_alloc(page_address(page + i), PAGE_SIZE, 0, GFP_NOWAIT);
	ext->split = true;
}

/* What is left of a split extent; returns how many pages were lost. */
static unsigned int put_split(const struct quarry_extent *ext)
{
	struct page *page = pfn_to_page(ext->pfn);
	unsigned int i, lost = 0;

	for (i = 0; i < ext->nr_pages; i++, page++) {
		if (test_bit(i, ext->absent))
			continue;
		/* Before anyone else can have it. */
		quarry_pagemap_set(ext->pfn + i, 1, 0);
		kmemleak_free(page_address(page));
		lost += !put_page_singly(ext, page);
	}
	return lost;
}

/* As one; returns how many pages were lost, which only a backing may be. */
static unsigned int put_whole(const struct quarry_extent *ext)
{
	struct page *page = pfn_to_page(ext->pfn);
	unsigned int i, lost = 0;

	if (is_tracked(ext))
		kmemleak_free(ext->base);
	quarry_pagemap_set(ext->pfn, ext->nr_pages, 0);
	for (i = 0; i < ext->nr_pages; i++) {
		if (ext->backing && !page_is_clean(ext, page + i)) {
			report_lost(ext, page + i);
			lost++;
		}
		/* What somebody else wrote there is his, and tells the backing. */
		if (page_private(page + i) == ext->index)
			set_page_private(page + i, 0);
	}
	put_frozen(ext->backing, page, ext->nr_pages);
	return lost;
}

static unsigned int put_pages(struct quarry_extent *ext)
{
	if (!ext->backing && !ext->split && !all_clean(ext))
		split_extent(ext);
	return ext->split ? put_split(ext) : put_whole(ext);
}

static void free_descriptors(struct rcu_head *rcu)
{
	struct quarry_extent *ext = container_of(rcu, struct quarry_extent, rcu);

	free_extent(ext->meta, ext, ext->nr_pages);
}

unsigned int quarry_extent_put(struct quarry_extent *ext)
{
	unsigned int lost;

	WRITE_ONCE(*table_slot(ext->index), NULL);
	if (!ext->backing)
		quarry_pages_held_add(-(long)(ext->nr_pages - ext->nr_absent));
	lost = put_pages(ext);
	quarry_pagemap_uncover(ext->pfn, ext->nr_pages);
	ida_free(&extent_ida, ext->index);
	call_rcu(&ext->rcu, free_descriptors);
	return lost;
}

unsigned int quarry_extent_put_block(struct quarry_extent *ext, unsigned long offset,
				     unsigned int order)
{
	unsigned long i, end = offset + (1UL << order);
	unsigned int lost = 0;

	split_extent(ext);
	for (i = offset; i < end; i++) {
		struct page *page = pfn_to_page(ext->pfn + i);

		/* Before anyone else can have it. */
		set_bit(i, ext->absent);
		quarry_pagemap_set(ext->pfn + i, 1, 0);
		kmemleak_free(page_address(page));
		lost += !put_page_singly(ext, page);
	}
	quarry_pages_held_add(-(1L << order));
	return lost;
}

int quarry_extent_node_of(const void *addr)
{
	struct quarry_extent *ext;
	int node;

	preempt_disable();
	ext = quarry_extent_find(addr);
	node = ext ? ext->node : first_online_node;
	preempt_enable();
	return node;
}

unsigned int quarry_extent_nr_indexes(void)
{
	/* Pairs with smp_store_release() in grow_table(). */
	return smp_load_acquire(&quarry_extent_table_size);
}

struct quarry_extent *quarry_extent_at(unsigned int index)
{
	/* Pairs with smp_store_release() in publish(). */
	return READ_ONCE(*table_slot(index));
}

/* === Memory that wants to leave the machine === */

static bool range_is_used(unsigned long pfn, unsigned long nr_pages)
{
	unsigned int i, nr = quarry_extent_nr_indexes();
	struct quarry_extent *ext;
	bool used = false;

	for (i = 1; i < nr && !used; i++) {
		preempt_disable();
		ext = quarry_extent_at(i);
		used = ext && ext->pfn < pfn + nr_pages && pfn < ext->pfn + ext->nr_pages;
		preempt_enable();
	}
	return used;
}

/*
 * Frozen pages look like free ones to the kernel's isolation, which would try to
 * take them for ever.  So say no before it begins.  Lookups that saw an owner
 * while there was an extent have ended before the struct pages can go.
 */
int quarry_memory_event(struct notifier_block *nb, unsigned long event, void *data)
{
	struct memory_notify *range = data;

	switch (event) {
	case MEM_GOING_ONLINE:
		if (quarry_pagemap_reach(range->start_pfn + range->nr_pages))
			pr_warn("no memory for a longer page map: new memory is not used\n");
		break;
	case MEM_GOING_OFFLINE:
		if (range_is_used(range->start_pfn, range->nr_pages))
			return notifier_from_errno(-EBUSY);
		synchronize_rcu();
		break;
	}
	return NOTIFY_OK;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_memory_event);

static struct notifier_block memory_nb = { .notifier_call = quarry_memory_event };

int quarry_extent_init(void)
{
	int ret = register_memory_notifier(&memory_nb);

	if (ret)
		return ret;
	ret = quarry_pagemap_init();
	if (ret)
		unregister_memory_notifier(&memory_nb);
	return ret;
}

void quarry_extent_exit(void)
{
	unsigned int i;

	unregister_memory_notifier(&memory_nb);
	for (i = 0; i < NR_LEAVES; i++)
		kfree(quarry_extent_table[i]);
	ida_destroy(&extent_ida);
	quarry_pagemap_exit();
}
