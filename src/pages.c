// SPDX-License-Identifier: GPL-2.0
/*
 * Page heap: picks the extent and the block in it.
 *
 * Extents with a free block hang in buckets by the order of their largest free
 * block and by fullness in quarters, for each node and kind of memory; in a
 * bucket, a red-black tree, by address.  An allocation takes the fullest extent
 * that fits, so that others drain, and of its equals the lowest: at most eight looks
 * at bit masks, one find-first-set and the leftmost node of a tree.  Extents with a
 * free block of 2 MiB come after all others, so that these are broken up last.
 *
 *	nodes[n].kinds[pointers | data]
 *	  filled[3] = 0b00000101    buckets[3][0] ─> ext < ext	more than 3/4 in use
 *	  filled[2] = ...           buckets[3][2] ─> ext
 *	  filled[0] = 0b10000000000 buckets[0][10] ─> ext < ext	less than 1/4 in use
 *
 * On a machine of many nodes an allocation looks, in this order, at what is mapped
 * on its own node, for a new extent there that costs no effort, at what is mapped
 * on other nodes, the nearest first, and for a new extent from wherever the kernel
 * has one (it goes by distance, too).  __GFP_THISNODE stops behind the first node.
 *
 * Memory with pointers and pointer-free data never share an extent; one that is
 * wholly free (the reserve, say) changes its kind when the other needs it.
 *
 * Extents made for a single allocation, because no usual extent can hold it or none
 * of the size that would be due can be had (only a caller's own backing has such) are
 * in no bucket; free ones wait in pages->spare for a request of the same size, and go
 * back to the backing when the heap cannot grow otherwise.
 *
 * pages_grow.c gets extents, pages_release.c gives them back.
 *
 * Locking: pages->lock, irq-safe; held for one buddy operation and one move
 * from bucket to bucket, or for a bounded batch of them.
 *
 * Invariants (quarry_pages_verify()): an extent is in the bucket that its buddy
 * says, and in none if it is full; nr_mapped = sum of the pages that the extents
 * still have; nr_used = nr_mapped - free units of all buddies; nr_mapped +
 * nr_booked never grows beyond the limit (which may be lowered below it).
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/bitops.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include <trace/events/quarry.h>

#include "internal.h"
#include "pages.h"

#define HUGE_ORDER	(ilog2(SZ_2M) - PAGE_SHIFT)	/* broken up last */
#define BATCH		16U	/* blocks per lock hold */
/* Bounds of the watermark, in pages, and of its share of what is mapped. */
#define WATERMARK_MIN	16UL
#define WATERMARK_MAX	1024UL
#define WATERMARK_SHARE	8
#define CONVERT_TRIES	4	/* extents looked at per order */

/* === Buckets === */

static struct quarry_pages_kind *kind_on(struct quarry_pages *pages, int node,
					 enum quarry_kind kind)
{
	return &pages->nodes[node].kinds[kind];
}

void quarry_pages_unlink(struct quarry_extent *ext)
{
	struct quarry_pages_kind *kind = quarry_extent_kind(ext);
	unsigned int f = ext->bucket_fullness, order = ext->bucket_order;

	lockdep_assert_held(&ext->pages->lock);
	if (!ext->linked)
		return;
	ext->linked = false;
	if (ext->single) {
		list_del(&ext->spare);
		return;
	}
	rb_erase_cached(&ext->bucket, &kind->buckets[f][order]);
	if (RB_EMPTY_ROOT(&kind->buckets[f][order].rb_root))
		kind->filled[f] &= ~BIT(order);
}

static bool is_below(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct quarry_extent, bucket)->pfn <
	       rb_entry(b, struct quarry_extent, bucket)->pfn;
}

static void link_single(struct quarry_extent *ext)
{
	bool is_free = quarry_extent_is_free(ext);

	if (ext->linked == is_free)
		return;
	if (is_free)
		list_add(&ext->spare, &ext->pages->spare);
	else
		list_del(&ext->spare);
	ext->linked = is_free;
}

void quarry_pages_link(struct quarry_extent *ext)
{
	int order = quarry_buddy_largest_order(&ext->buddy);
	struct quarry_pages_kind *kind = quarry_extent_kind(ext);
	unsigned int f;

	lockdep_assert_held(&ext->pages->lock);
	if (ext->single) {
		link_single(ext);
		return;
	}
	if (order < 0) {
		quarry_pages_unlink(ext);
		return;
	}
	f = quarry_extent_fullness(ext);
	if (ext->linked) {
		if (ext->bucket_order == order && ext->bucket_fullness == f)
			return;
		quarry_pages_unlink(ext);
	}
	ext->bucket_order = order;
	ext->bucket_fullness = f;
	ext->linked = true;
	rb_add_cached(&ext->bucket, &kind->buckets[f][order], is_below);
	kind->filled[f] |= BIT(order);
}

static struct quarry_extent *lowest(const struct rb_root_cached *bucket)
{
	return rb_entry_safe(rb_first_cached(bucket), struct quarry_extent, bucket);
}

static struct quarry_extent *next_higher(struct quarry_extent *ext)
{
	return rb_entry_safe(rb_next(&ext->bucket), struct quarry_extent, bucket);
}

/* The fullest extent whose largest free block has an order out of the mask @orders. */
static struct quarry_extent *find_among(struct quarry_pages_kind *kind, unsigned int orders)
{
	int f;

	for (f = QUARRY_NR_FULLNESS - 1; f >= 0; f--) {
		unsigned int fits = kind->filled[f] & orders;

		if (fits)
			return lowest(&kind->buckets[f][__ffs(fits)]);
	}
	return NULL;
}

static struct quarry_extent *find_extent(struct quarry_pages_kind *kind, unsigned int order)
{
	unsigned int fits = ~0U << order, huge = ~0U << HUGE_ORDER;

	return find_among(kind, fits & ~huge) ?: find_among(kind, fits & huge);
}

/* A wholly free extent may serve the other kind from now on. */
static struct quarry_extent *convert_extent(struct quarry_pages *pages, int node,
					    unsigned int order, enum quarry_kind kind)
{
	struct quarry_pages_kind *other = kind_on(pages, node, !kind);
	struct quarry_extent *ext;
	unsigned int o, tries;

	BUILD_BUG_ON(QUARRY_NR_KINDS != 2);
	for (o = order; o < QUARRY_NR_ORDERS; o++) {
		ext = lowest(&other->buckets[0][o]);
		for (tries = 0; ext && tries < CONVERT_TRIES; tries++) {
			if (quarry_extent_is_free(ext))
				goto found;
			ext = next_higher(ext);
		}
	}
	return NULL;

found:
	quarry_pages_unlink(ext);
	other->nr_mapped -= quarry_extent_nr_present(ext);
	ext->kind = kind;
	kind_on(pages, node, kind)->nr_mapped += quarry_extent_nr_present(ext);
	quarry_pages_link(ext);
	return ext;
}

/* === Allocating from what is there === */

static long take_offset(struct quarry_extent *ext, const struct quarry_pages_want *want)
{
	int ret;

	if (!ext->single)
		return quarry_buddy_alloc_aligned(&ext->buddy, want->nr_pages, want->order);
	/* The extent itself is aligned; its length need not be a power of two. */
	ret = quarry_buddy_reserve(&ext->buddy, 0, want->nr_pages);
	return ret ?: 0;
}

/* Up to @nr blocks of one extent, at most BATCH; returns how many. */
static unsigned int take_many(struct quarry_extent *ext, const struct quarry_pages_want *want,
			      void **addrs, unsigned int nr)
{
	struct quarry_pages *pages = ext->pages;
	unsigned long offsets[BATCH];
	unsigned int i;
	long offset;

	lockdep_assert_held(&pages->lock);
	if (nr > 1 && !ext->single && want->nr_pages == 1UL << want->order) {
		nr = quarry_buddy_alloc_many(&ext->buddy, want->order, nr, offsets);
	} else {
		offset = take_offset(ext, want);
		offsets[0] = offset;
		nr = offset >= 0;
	}
	for (i = 0; i < nr; i++)
		addrs[i] = ext->base + (offsets[i] << PAGE_SHIFT);
	pages->nr_used += nr * want->nr_pages;
	pages->nr_used_peak = max(pages->nr_used_peak, pages->nr_used);
	pages->nr_idle = min(pages->nr_idle, quarry_pages_nr_free(pages));
	quarry_pages_link(ext);
	return nr;
}

void *quarry_pages_take(struct quarry_extent *ext, const struct quarry_pages_want *want)
{
	void *addr;

	return QUARRY_WARN_ON(!take_many(ext, want, &addr, 1)) ? NULL : addr;
}

/* A spare extent of the very size; others are not cut. */
static struct quarry_extent *find_spare(struct quarry_pages *pages, int node,
					const struct quarry_pages_want *want)
{
	struct quarry_extent *ext;
	unsigned int tries = 0;

	list_for_each_entry(ext, &pages->spare, spare) {
		if (ext->nr_pages == want->nr_pages && ext->kind == want->kind &&
		    ext->node == node && IS_ALIGNED(ext->pfn, 1UL << want->align))
			return ext;
		if (++tries == BATCH)
			break;
	}
	return NULL;
}

/* Up to @nr blocks, all of one extent: the next call finds out which is the best one then. */
static unsigned int alloc_many_on(struct quarry_pages *pages, int node,
				  const struct quarry_pages_want *want, void **addrs,
				  unsigned int nr, enum quarry_layer *layer)
{
	struct quarry_extent *ext = NULL;

	lockdep_assert_held(&pages->lock);
	if (likely(want->order <= QUARRY_EXTENT_MAX_ORDER))
		ext = find_extent(kind_on(pages, node, want->kind), want->order) ?:
		      convert_extent(pages, node, want->order, want->kind);
	if (!ext)
		ext = find_spare(pages, node, want);
	if (!ext)
		return 0;
	*layer = max(*layer, quarry_extent_is_free(ext) ? QUARRY_LAYER_EXTENT :
							  QUARRY_LAYER_BUDDY);
	nr = take_many(ext, want, addrs, nr);
	QUARRY_WARN_ON(!nr);
	return nr;
}

static void *alloc_on(struct quarry_pages *pages, int node, const struct quarry_pages_want *want,
		      enum quarry_layer *layer)
{
	void *addr;

	return alloc_many_on(pages, node, want, &addr, 1, layer) ? addr : NULL;
}

/* Free pages are few: atomic callers may find none before long. */
static void check_watermark(struct quarry_pages *pages)
{
	unsigned long low = quarry_pages_low(pages);

	/* A glance: what is done about it is decided under the lock. */
	if (unlikely(low && (long)(READ_ONCE(pages->nr_mapped) - READ_ONCE(pages->nr_used)) <
			    (long)low) && pages->starve)
		pages->starve(pages);
}

unsigned int quarry_pages_alloc_batch(struct quarry_pages *pages,
				      const struct quarry_pages_want *want, void **addrs,
				      unsigned int nr, enum quarry_layer *layer)
{
	int node = quarry_pages_node(pages, want);
	unsigned int got = 0, stop, n;
	unsigned long flags;

	do {
		stop = min(nr, got + BATCH);
		raw_spin_lock_irqsave(&pages->lock, flags);
		for (; got < stop; got += n) {
			n = alloc_many_on(pages, node, want, addrs + got, stop - got, layer);
			if (!n)
				break;
		}
		raw_spin_unlock_irqrestore(&pages->lock, flags);
	} while (got == stop && got < nr);
	check_watermark(pages);
	return got;
}

static void *alloc_mapped(struct quarry_pages *pages, const struct quarry_pages_want *want,
			  enum quarry_layer *layer)
{
	unsigned long flags;
	void *addr;

	raw_spin_lock_irqsave(&pages->lock, flags);
	addr = alloc_on(pages, quarry_pages_node(pages, want), want, layer);
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	return addr;
}

int quarry_nearest_node(int from, const nodemask_t *nodes)
{
	int node, best = first_node(*nodes);

	for_each_node_mask(node, *nodes)
		if (node_distance(from, node) < node_distance(from, best))
			best = node;
	return best;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_nearest_node);

static void *alloc_mapped_elsewhere(struct quarry_pages *pages,
				    const struct quarry_pages_want *want,
				    enum quarry_layer *layer)
{
	int home = quarry_pages_node(pages, want), node;
	unsigned long flags;
	void *addr = NULL;
	nodemask_t left;

	raw_spin_lock_irqsave(&pages->lock, flags);
	left = pages->holders;
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	node_clear(home, left);
	/* The way to the next node is not short on a large machine: a hold for each. */
	while (!addr && !nodes_empty(left)) {
		node = quarry_nearest_node(home, &left);
		raw_spin_lock_irqsave(&pages->lock, flags);
		addr = alloc_on(pages, node, want, layer);
		raw_spin_unlock_irqrestore(&pages->lock, flags);
		node_clear(node, left);
	}
	return addr;
}

/* Not everything that fails does so at the limit, and not all growth is above the soft one. */
static void trace_limit(struct quarry_pages *pages, bool hard, unsigned long nr_pages)
{
	u64 mapped, limit, more = 0;

	if (!trace_quarry_limit_hit_enabled())
		return;
	mapped = (u64)READ_ONCE(pages->nr_mapped) << PAGE_SHIFT;
	limit = hard ? READ_ONCE(pages->limit) : READ_ONCE(pages->soft_limit);
	if (hard)
		more = (u64)(READ_ONCE(pages->nr_booked) + roundup_pow_of_two(nr_pages)) <<
		       PAGE_SHIFT;
	if (limit && mapped + more > limit)
		trace_quarry_limit_hit(pages->name, hard, mapped, limit, nr_pages);
}

void quarry_pages_trace_reserve(struct quarry_pages *pages, gfp_t gfp)
{
	unsigned long nr_free, reserve;

	if (!trace_quarry_reserve_used_enabled() || gfpflags_allow_blocking(gfp))
		return;
	nr_free = max_t(long, READ_ONCE(pages->nr_mapped) - READ_ONCE(pages->nr_used), 0);
	reserve = quarry_pages_reserve(pages);
	if (nr_free < reserve)
		trace_quarry_reserve_used(pages->name, nr_free, reserve);
}

/*
 * For grace periods, and a worker that allocates nothing: not who is freeing memory.  Also
 * before a mere try, which makes the heap grow as well; there is less to wait for after it.
 */
static bool may_wait(gfp_t gfp)
{
	return gfpflags_allow_blocking(gfp) && !(current->flags & PF_MEMALLOC);
}

static void *alloc_or_grow(struct quarry_pages *pages, const struct quarry_pages_want *want,
			   enum quarry_layer *layer)
{
	void *addr = alloc_mapped(pages, want, layer);

	if (want->mapped)
		return addr;
	if (!addr && quarry_pages_cool(pages))
		addr = alloc_mapped(pages, want, layer);
	if (addr)
		return addr;
	if (gfpflags_allow_blocking(want->gfp) && pages->assist && quarry_pages_nr_above(pages))
		pages->assist(pages, want->nr_pages);
	if (may_wait(want->gfp) && pages->wait && pages->wait(pages)) {
		addr = alloc_mapped(pages, want, layer);
		if (addr)
			return addr;
	}
	if (want->near || (nr_node_ids > 1 && !(want->gfp & __GFP_THISNODE))) {
		addr = quarry_pages_grow_near(pages, want);
		if (addr)
			goto grown;
		if (want->near)
			return NULL;
		addr = alloc_mapped_elsewhere(pages, want, layer);
		if (addr)
			return addr;
	}
	addr = quarry_pages_grow(pages, want);
	if (!addr) {
		trace_limit(pages, true, want->nr_pages);
		return NULL;
	}
grown:
	*layer = QUARRY_LAYER_KERNEL;
	trace_limit(pages, false, want->nr_pages);
	if (pages->notify)
		pages->notify(pages);
	return addr;
}

/* Who may not wait did not find what it needed: keep more of it from now on. */
static void raise_watermark(struct quarry_pages *pages, const struct quarry_pages_want *want)
{
	unsigned long most, flags;

	raw_spin_lock_irqsave(&pages->lock, flags);
	most = max(pages->nr_mapped / WATERMARK_SHARE, WATERMARK_MIN);
	pages->watermark = clamp(max(2 * pages->watermark, 2 * want->nr_pages), WATERMARK_MIN,
				 min(most, WATERMARK_MAX));
	pages->starved_node = quarry_pages_node(pages, want);
	pages->missed = true;
	raw_spin_unlock_irqrestore(&pages->lock, flags);
}

void *quarry_pages_alloc(struct quarry_pages *pages, const struct quarry_pages_want *want,
			 enum quarry_layer *layer)
{
	enum quarry_layer reached = QUARRY_LAYER_SLAB;
	gfp_t gfp = want->gfp;
	void *addr;

	if (!want->nr_pages || want->nr_pages > quarry_pages_max(pages))
		return NULL;
	addr = alloc_or_grow(pages, want, &reached);
	*layer = max(*layer, reached);
	/* Nothing near by is no failure: who asks so goes on to ask elsewhere, or for less. */
	if ((want->near || want->mapped) && !addr)
		return NULL;
	if (!gfpflags_allow_blocking(gfp) && (!addr || reached == QUARRY_LAYER_KERNEL))
		raise_watermark(pages, want);
	check_watermark(pages);
	if (addr)
		quarry_pages_trace_reserve(pages, gfp);
	/* Who says NORETRY can do with less and will ask for that. */
	if (addr || (gfp & __GFP_NORETRY))
		return addr;
	if (gfpflags_allow_blocking(gfp) && pages->relieve && pages->relieve(pages))
		addr = alloc_or_grow(pages, want, layer);
	if (addr)
		return addr;
	trace_quarry_failure(pages->name, want->nr_pages, gfp,
			     (u64)READ_ONCE(pages->nr_mapped) << PAGE_SHIFT,
			     READ_ONCE(pages->limit));
	if (pages->failed)
		pages->failed(pages, want->nr_pages, gfp);
	return NULL;
}

/* === Freeing === */

int quarry_pages_free_many(struct quarry_extent *ext, void **addrs, unsigned int nr,
			   unsigned long nr_pages)
{
	struct quarry_pages *pages = ext->pages;
	unsigned int i, nr_bad = 0;
	unsigned long flags;

	raw_spin_lock_irqsave(&pages->lock, flags);
	for (i = 0; i < nr; i++)
		if (unlikely(quarry_buddy_free_count(&ext->buddy,
						     quarry_extent_page_of(ext, addrs[i]),
						     nr_pages)))
			addrs[nr_bad++] = addrs[i];
	pages->nr_used -= (nr - nr_bad) * nr_pages;
	/* If there was none it may be on its way out. */
	if (nr_bad < nr)
		quarry_pages_link(ext);
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	if (nr_bad < nr && pages->notify)
		pages->notify(pages);
	for (i = 0; i < nr_bad; i++)
		quarry_report("%lu pages at %p are not allocated: double free?\n", nr_pages,
			      addrs[i]);
	return nr_bad ? -EINVAL : 0;
}

int quarry_pages_free(struct quarry_extent *ext, void *addr, unsigned long nr_pages)
{
	return quarry_pages_free_many(ext, &addr, 1, nr_pages);
}

/* === Setting up, tearing down === */

int quarry_pages_init(struct quarry_pages *pages, int node, u64 limit, u64 soft_limit,
		      u64 reserve, struct quarry_backing *backing)
{
	memset(pages, 0, sizeof(*pages));
	raw_spin_lock_init(&pages->lock);
	pages->node = backing ? quarry_backing_node(backing) : node;
	pages->name = "";
	pages->limit = limit;
	pages->soft_limit = soft_limit;
	pages->reserve = reserve;
	pages->backing = backing;
	INIT_LIST_HEAD(&pages->extents);
	INIT_LIST_HEAD(&pages->spare);
	quarry_meta_init(&pages->meta, pages->node, backing);
	quarry_defer_init(&pages->defer);
	/* Zeroed trees are empty ones, as RB_ROOT_CACHED. */
	pages->nodes = kvcalloc(nr_node_ids, sizeof(*pages->nodes), GFP_KERNEL);
	return pages->nodes ? 0 : -ENOMEM;
}

void quarry_pages_put_all(struct quarry_pages *pages)
{
	struct quarry_extent *ext, *next;

	/* Nobody else is left. */
	list_for_each_entry_safe(ext, next, &pages->extents, node_all) {
		list_del(&ext->node_all);
		pages->nr_lost += quarry_pages_put_extent(ext);
		cond_resched();
	}
}

void quarry_pages_fini(struct quarry_pages *pages)
{
	quarry_meta_fini(&pages->meta);
	quarry_budget_fini(&pages->budget);
	kvfree(pages->nodes);
}
