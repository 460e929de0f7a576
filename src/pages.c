// SPDX-License-Identifier: GPL-2.0
/*
 * Page heap: picks the extent and the block in it, grows on demand within the
 * limit, gives free pages back: whole extents, then holes in the emptiest ones.
 *
 * Extents with a free block hang in buckets by the order of their largest free
 * block and by fullness in quarters.  An allocation looks for the fullest
 * extent that fits, so that others drain: four bit masks, one find-first-set.
 *
 *	kinds[pointers | data]
 *	  filled[3] = 0b00000101   buckets[3][0] ─> ext ─> ext	more than 3/4 in use
 *	  filled[2] = ...          buckets[3][2] ─> ext
 *	  filled[0] = 0b10000000000 buckets[0][10] ─> ext	less than 1/4 in use
 *
 * Growth happens outside every lock.  The new extent's bytes are booked first,
 * so that any number of CPUs growing at once stay within the limit; the block
 * asked for is cut out before others can see the extent, so that whoever paid
 * for the growth gets it.  Extents start at 64 KiB and follow a quarter of what
 * is mapped, up to 4 MiB: at most that share is idle.  Orders above 3 are only
 * tried: no reclaim, no warning, no reserves, and not for atomic callers; the
 * last fall-back is the order that was asked for, with the caller's flags.
 *
 * Memory with pointers and pointer-free data never share an extent; one that is
 * wholly free (the reserve, say) changes its kind when the other needs it.
 *
 * Locking: pages->lock, irq-safe; held for one buddy operation and one list
 * move, or for a bounded batch of them.
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
#include <linux/slab.h>

#include <trace/events/quarry.h>

#include "internal.h"
#include "pages.h"

#define SMALLEST_EXTENT_ORDER	(16 - PAGE_SHIFT)	/* 64 KiB */
#define COSTLY_ORDER		3	/* above it allocations are opportunistic */
#define BATCH			16	/* blocks per lock hold */
#define CONVERT_TRIES		4	/* extents looked at per order */

/* === Buckets === */

static struct quarry_pages_kind *kind_of(const struct quarry_extent *ext)
{
	return &ext->pages->kinds[ext->kind];
}

static void bucket_remove(struct quarry_extent *ext)
{
	struct quarry_pages_kind *kind = kind_of(ext);
	unsigned int f = ext->bucket_fullness, order = ext->bucket_order;

	if (list_empty(&ext->bucket))
		return;
	list_del_init(&ext->bucket);
	if (list_empty(&kind->buckets[f][order]))
		kind->filled[f] &= ~BIT(order);
}

/* After each change of the extent's buddy. */
static void bucket_update(struct quarry_extent *ext)
{
	int order = quarry_buddy_largest_order(&ext->buddy);
	unsigned int f;

	lockdep_assert_held(&ext->pages->lock);
	if (order < 0) {
		bucket_remove(ext);
		return;
	}
	f = quarry_extent_fullness(ext);
	if (!list_empty(&ext->bucket)) {
		if (ext->bucket_order == order && ext->bucket_fullness == f)
			return;
		bucket_remove(ext);
	}
	ext->bucket_order = order;
	ext->bucket_fullness = f;
	list_add(&ext->bucket, &kind_of(ext)->buckets[f][order]);
	kind_of(ext)->filled[f] |= BIT(order);
}

static struct quarry_extent *find_extent(struct quarry_pages *pages, unsigned int order,
					 enum quarry_kind k)
{
	struct quarry_pages_kind *kind = &pages->kinds[k];
	int f;

	for (f = QUARRY_NR_FULLNESS - 1; f >= 0; f--) {
		unsigned int fits = kind->filled[f] >> order;

		if (fits)
			return list_first_entry(&kind->buckets[f][order + __ffs(fits)],
						struct quarry_extent, bucket);
	}
	return NULL;
}

/* === Allocating from what is there === */

static void *take_from(struct quarry_extent *ext, unsigned long nr_pages)
{
	struct quarry_pages *pages = ext->pages;
	long offset;

	lockdep_assert_held(&pages->lock);
	offset = quarry_buddy_alloc_count(&ext->buddy, nr_pages);
	if (QUARRY_WARN_ON(offset < 0))
		return NULL;
	pages->nr_used += nr_pages;
	pages->nr_used_peak = max(pages->nr_used_peak, pages->nr_used);
	pages->nr_idle = min(pages->nr_idle, pages->nr_mapped - pages->nr_used);
	bucket_update(ext);
	return ext->base + ((unsigned long)offset << PAGE_SHIFT);
}

static bool extent_is_free(const struct quarry_extent *ext)
{
	return quarry_buddy_nr_free_units(&ext->buddy) == quarry_extent_nr_present(ext);
}

/* A wholly free extent may serve the other kind from now on. */
static struct quarry_extent *convert_extent(struct quarry_pages *pages, unsigned int order,
					    enum quarry_kind kind)
{
	struct quarry_pages_kind *other = &pages->kinds[!kind];
	struct quarry_extent *ext;
	unsigned int o, tries;

	BUILD_BUG_ON(QUARRY_NR_KINDS != 2);
	for (o = order; o < QUARRY_NR_ORDERS; o++) {
		tries = 0;
		list_for_each_entry(ext, &other->buckets[0][o], bucket) {
			if (extent_is_free(ext))
				goto found;
			if (++tries == CONVERT_TRIES)
				break;
		}
	}
	return NULL;

found:
	bucket_remove(ext);
	other->nr_mapped -= quarry_extent_nr_present(ext);
	ext->kind = kind;
	pages->kinds[kind].nr_mapped += quarry_extent_nr_present(ext);
	bucket_update(ext);
	return ext;
}

static void *alloc_mapped_locked(struct quarry_pages *pages, unsigned long nr_pages,
				 enum quarry_kind kind, enum quarry_layer *layer)
{
	unsigned int order = order_base_2(nr_pages);
	struct quarry_extent *ext = find_extent(pages, order, kind);

	lockdep_assert_held(&pages->lock);
	if (!ext)
		ext = convert_extent(pages, order, kind);
	if (!ext)
		return NULL;
	*layer = max(*layer, extent_is_free(ext) ? QUARRY_LAYER_EXTENT : QUARRY_LAYER_BUDDY);
	return take_from(ext, nr_pages);
}

unsigned int quarry_pages_alloc_batch(struct quarry_pages *pages, unsigned int order,
				      enum quarry_kind kind, void **addrs, unsigned int nr,
				      enum quarry_layer *layer)
{
	unsigned int got = 0, stop;
	unsigned long flags;

	while (got < nr) {
		stop = min(nr, got + BATCH);
		raw_spin_lock_irqsave(&pages->lock, flags);
		for (; got < stop; got++) {
			addrs[got] = alloc_mapped_locked(pages, 1UL << order, kind, layer);
			if (!addrs[got])
				break;
		}
		raw_spin_unlock_irqrestore(&pages->lock, flags);
		if (got < stop)
			break;
	}
	return got;
}

/* === Growing === */

/* Book @nr more pages against the limit. */
static bool book(struct quarry_pages *pages, unsigned long nr)
{
	unsigned long flags;
	bool ok;

	raw_spin_lock_irqsave(&pages->lock, flags);
	ok = !pages->limit ||
	     (u64)(pages->nr_mapped + pages->nr_booked + nr) << PAGE_SHIFT <= pages->limit;
	if (ok)
		pages->nr_booked += nr;
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	return ok;
}

static void unbook(struct quarry_pages *pages, unsigned long nr)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pages->lock, flags);
	pages->nr_booked -= nr;
	raw_spin_unlock_irqrestore(&pages->lock, flags);
}

/* How large the next extent should be: a quarter of what this kind has. */
static unsigned int growth_order(struct quarry_pages *pages, enum quarry_kind kind,
				 unsigned int order)
{
	unsigned long quarter = READ_ONCE(pages->kinds[kind].nr_mapped) / 4;
	unsigned int want = quarter ? ilog2(quarter) : 0;
	unsigned int most = min_t(unsigned int, QUARRY_EXTENT_MAX_ORDER, QUARRY_KERNEL_MAX_ORDER);

	return max(order, clamp_t(unsigned int, want, SMALLEST_EXTENT_ORDER, most));
}

/* The caller's flags as far as they say how to get memory, not what kind. */
static gfp_t base_flags(gfp_t gfp)
{
	return gfp & (__GFP_RECLAIM | __GFP_IO | __GFP_FS | __GFP_HIGH | QUARRY_GFP_ATOMIC |
		      __GFP_HARDWALL | __GFP_NORETRY | __GFP_RETRY_MAYFAIL | __GFP_MEMALLOC |
		      __GFP_NOMEMALLOC | __GFP_NOWARN);
}

static gfp_t opportunistic_flags(gfp_t gfp)
{
	return (base_flags(gfp) & ~(__GFP_RECLAIM | __GFP_HIGH | QUARRY_GFP_ATOMIC |
				    __GFP_MEMALLOC | __GFP_RETRY_MAYFAIL)) |
	       __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN;
}

static struct quarry_extent *try_extent(struct quarry_pages *pages, unsigned int order,
					enum quarry_kind kind, gfp_t gfp, unsigned int *calls)
{
	struct quarry_extent *ext;

	if (!book(pages, 1UL << order))
		return NULL;
	++*calls;
	ext = quarry_extent_get(pages, &pages->meta, order, pages->node, kind, gfp);
	if (!ext)
		unbook(pages, 1UL << order);
	return ext;
}

/* From the wanted size down to what was asked for. */
static struct quarry_extent *get_extent(struct quarry_pages *pages, unsigned int order,
					enum quarry_kind kind, gfp_t gfp, unsigned int *calls)
{
	unsigned int o = growth_order(pages, kind, order);
	struct quarry_extent *ext;

	if (!gfpflags_allow_blocking(gfp))
		o = max(order, min_t(unsigned int, o, COSTLY_ORDER));
	for (; o > order; o--) {
		ext = try_extent(pages, o, kind, opportunistic_flags(gfp), calls);
		if (ext)
			return ext;
	}
	gfp = base_flags(gfp) | __GFP_NOWARN;
	if (order > COSTLY_ORDER && !(gfp & __GFP_RETRY_MAYFAIL))
		gfp |= __GFP_NORETRY;
	return try_extent(pages, order, kind, gfp, calls);
}

/* The extent joins the heap, with its first block taken if @nr_pages. */
static void *add_extent(struct quarry_pages *pages, struct quarry_extent *ext,
			unsigned long nr_pages)
{
	unsigned long flags;
	void *addr = NULL;

	trace_quarry_extent_get(pages->name, ext->pfn, ext->nr_pages, ext->node,
				ext->kind == QUARRY_KIND_DATA);
	raw_spin_lock_irqsave(&pages->lock, flags);
	list_add_tail(&ext->node_all, &pages->extents);
	pages->kinds[ext->kind].nr_mapped += ext->nr_pages;
	pages->nr_booked -= ext->nr_pages;
	pages->nr_mapped += ext->nr_pages;
	pages->nr_mapped_peak = max(pages->nr_mapped_peak, pages->nr_mapped);
	pages->nr_extents++;
	pages->nr_extent_allocs++;
	if (nr_pages)
		addr = take_from(ext, nr_pages);
	else
		bucket_update(ext);
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	return addr;
}

static void count_kernel_calls(struct quarry_pages *pages, unsigned int calls)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pages->lock, flags);
	pages->nr_kernel_calls += calls;
	raw_spin_unlock_irqrestore(&pages->lock, flags);
}

static unsigned long reserve_pages(const struct quarry_pages *pages)
{
	return DIV_ROUND_UP_ULL(READ_ONCE(pages->reserve), PAGE_SIZE);
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
	reserve = reserve_pages(pages);
	if (nr_free < reserve)
		trace_quarry_reserve_used(pages->name, nr_free, reserve);
}

static void *alloc_or_grow(struct quarry_pages *pages, unsigned long nr_pages,
			   enum quarry_kind kind, gfp_t gfp, enum quarry_layer *layer)
{
	struct quarry_extent *ext;
	unsigned int calls = 0;
	unsigned long flags;
	void *addr;

	raw_spin_lock_irqsave(&pages->lock, flags);
	addr = alloc_mapped_locked(pages, nr_pages, kind, layer);
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	if (addr)
		return addr;

	if (gfpflags_allow_blocking(gfp) && pages->assist && quarry_pages_nr_above(pages))
		pages->assist(pages, nr_pages);
	ext = get_extent(pages, order_base_2(nr_pages), kind, gfp, &calls);
	count_kernel_calls(pages, calls);
	if (!ext) {
		trace_limit(pages, true, nr_pages);
		return NULL;
	}
	*layer = QUARRY_LAYER_KERNEL;
	addr = add_extent(pages, ext, nr_pages);
	trace_limit(pages, false, nr_pages);
	if (pages->notify)
		pages->notify(pages);
	return addr;
}

void *quarry_pages_alloc(struct quarry_pages *pages, unsigned long nr_pages,
			 enum quarry_kind kind, gfp_t gfp, enum quarry_layer *layer)
{
	void *addr;

	if (!nr_pages || nr_pages > 1UL << QUARRY_EXTENT_MAX_ORDER)
		return NULL;
	addr = alloc_or_grow(pages, nr_pages, kind, gfp, layer);
	if (addr)
		quarry_pages_trace_reserve(pages, gfp);
	/* Who says NORETRY can do with less and will ask for that. */
	if (addr || (gfp & __GFP_NORETRY))
		return addr;
	if (gfpflags_allow_blocking(gfp) && pages->relieve && pages->relieve(pages))
		addr = alloc_or_grow(pages, nr_pages, kind, gfp, layer);
	if (addr)
		return addr;
	trace_quarry_failure(pages->name, nr_pages, gfp,
			     (u64)READ_ONCE(pages->nr_mapped) << PAGE_SHIFT,
			     READ_ONCE(pages->limit));
	if (pages->failed)
		pages->failed(pages, nr_pages, gfp);
	return NULL;
}

/* === Freeing === */

int quarry_pages_free(struct quarry_extent *ext, void *addr, unsigned long nr_pages)
{
	struct quarry_pages *pages = ext->pages;
	unsigned long flags;
	int ret;

	raw_spin_lock_irqsave(&pages->lock, flags);
	ret = quarry_buddy_free_count(&ext->buddy, quarry_extent_page_of(ext, addr), nr_pages);
	if (!ret) {
		pages->nr_used -= nr_pages;
		bucket_update(ext);
	}
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	if (!ret && pages->notify)
		pages->notify(pages);
	if (ret)
		quarry_report("%lu pages at %p are not allocated: double free?\n",
			      nr_pages, addr);
	return ret;
}

/* === Giving back === */

/* Free pages that may go without cutting into the reserve. */
static unsigned long nr_spare(const struct quarry_pages *pages, unsigned long nr_free)
{
	unsigned long keep = reserve_pages(pages);

	return pages->nr_mapped > keep ? min(nr_free, pages->nr_mapped - keep) : 0;
}

unsigned long quarry_pages_nr_idle(struct quarry_pages *pages)
{
	/* A glance: what is done about it is decided under the lock. */
	unsigned long nr_free = READ_ONCE(pages->nr_mapped) - READ_ONCE(pages->nr_used);

	return (long)nr_free < 0 ? 0 : nr_spare(pages, nr_free);
}

unsigned long quarry_pages_take_idle(struct quarry_pages *pages)
{
	unsigned long flags, nr;

	raw_spin_lock_irqsave(&pages->lock, flags);
	nr = nr_spare(pages, pages->nr_idle);
	pages->nr_idle = pages->nr_mapped - pages->nr_used;
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	return nr;
}

static void unaccount(struct quarry_pages *pages, const struct quarry_extent *ext,
		      unsigned long nr_pages)
{
	lockdep_assert_held(&pages->lock);
	pages->nr_mapped -= nr_pages;
	pages->kinds[ext->kind].nr_mapped -= nr_pages;
	pages->nr_idle = min(pages->nr_idle, pages->nr_mapped - pages->nr_used);
}

/* A wholly free extent of no more than @most pages, out of all lists; or NULL. */
static struct quarry_extent *take_free_extent(struct quarry_pages *pages, unsigned long most)
{
	struct quarry_extent *ext;
	unsigned int k, tries;
	int order;

	lockdep_assert_held(&pages->lock);
	/* They are in the emptiest class; a few looks per bucket, largest first. */
	for (order = QUARRY_NR_ORDERS - 1; order >= 0; order--) {
		for (k = 0; k < QUARRY_NR_KINDS; k++) {
			tries = 0;
			list_for_each_entry(ext, &pages->kinds[k].buckets[0][order], bucket) {
				if (extent_is_free(ext) &&
				    quarry_extent_nr_present(ext) <= most)
					goto found;
				if (++tries == BATCH)
					break;
			}
		}
	}
	return NULL;

found:
	bucket_remove(ext);
	list_del_init(&ext->node_all);
	unaccount(pages, ext, quarry_extent_nr_present(ext));
	pages->nr_extents--;
	return ext;
}

/*
 * An extent to cut a hole into: of the emptiest class the one with the largest
 * free block; not one that can go as a whole when more is to be released.
 */
static struct quarry_extent *find_hole(struct quarry_pages *pages, unsigned long spare)
{
	struct quarry_extent *ext;
	unsigned int f, k, tries;
	int order;

	lockdep_assert_held(&pages->lock);
	for (f = 0; f < QUARRY_NR_FULLNESS; f++) {
		for (order = QUARRY_NR_ORDERS - 1; order >= 0; order--) {
			for (k = 0; k < QUARRY_NR_KINDS; k++) {
				tries = 0;
				list_for_each_entry(ext, &pages->kinds[k].buckets[f][order],
						    bucket) {
					if (!extent_is_free(ext) ||
					    quarry_extent_nr_present(ext) > spare)
						return ext;
					if (++tries == BATCH)
						break;
				}
			}
		}
	}
	return NULL;
}

/* Takes a free block of no more than @most pages out of the buddy for good. */
static struct quarry_extent *take_free_block(struct quarry_pages *pages, unsigned long most,
					     unsigned long spare, unsigned long *offset,
					     unsigned int *order)
{
	struct quarry_extent *ext = find_hole(pages, spare);
	long at;

	if (!ext)
		return NULL;
	*order = min_t(unsigned int, ext->bucket_order, ilog2(most));
	at = quarry_buddy_alloc(&ext->buddy, *order, true);
	if (QUARRY_WARN_ON(at < 0))
		return NULL;
	*offset = at;
	ext->nr_absent += 1U << *order;
	unaccount(pages, ext, 1UL << *order);
	bucket_update(ext);
	return ext;
}

static void count_lost(struct quarry_pages *pages, unsigned long lost)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pages->lock, flags);
	pages->nr_lost += lost;
	raw_spin_unlock_irqrestore(&pages->lock, flags);
}

static unsigned int put_extent(struct quarry_extent *ext)
{
	unsigned long pfn = ext->pfn, nr_pages = quarry_extent_nr_present(ext);
	bool data = ext->kind == QUARRY_KIND_DATA;
	const char *name = ext->pages->name;
	int node = ext->node;
	unsigned int lost = quarry_extent_put(ext);

	trace_quarry_extent_put(name, pfn, nr_pages, node, data, true, lost);
	return lost;
}

static unsigned int put_block(struct quarry_extent *ext, unsigned long offset, unsigned int order)
{
	unsigned int lost = quarry_extent_put_block(ext, offset, order);

	/* The heap's reclaim mutex keeps the extent. */
	trace_quarry_extent_put(ext->pages->name, ext->pfn + offset, 1UL << order, ext->node,
				ext->kind == QUARRY_KIND_DATA, false, lost);
	return lost;
}

/* One extent or one block; returns how many pages left the heap. */
static unsigned long release_step(struct quarry_pages *pages, unsigned long nr_pages)
{
	unsigned long flags, spare, most, offset;
	struct quarry_extent *ext = NULL;
	unsigned int order = 0, lost;
	bool whole;

	raw_spin_lock_irqsave(&pages->lock, flags);
	spare = nr_spare(pages, pages->nr_mapped - pages->nr_used);
	most = min(spare, nr_pages);
	if (most)
		ext = take_free_extent(pages, most);
	whole = ext;
	if (most && !ext)
		ext = take_free_block(pages, most, spare, &offset, &order);
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	if (!ext)
		return 0;

	nr_pages = whole ? quarry_extent_nr_present(ext) : 1UL << order;
	lost = whole ? put_extent(ext) : put_block(ext, offset, order);
	if (lost)
		count_lost(pages, lost);
	return nr_pages;
}

unsigned long quarry_pages_release(struct quarry_pages *pages, unsigned long nr_pages)
{
	unsigned long done = 0, n;

	while (done < nr_pages) {
		n = release_step(pages, nr_pages - done);
		if (!n)
			break;
		done += n;
		cond_resched();
	}
	return done;
}

/* === Setting up, tearing down === */

void quarry_pages_init(struct quarry_pages *pages, int node, u64 limit, u64 soft_limit,
		       u64 reserve)
{
	unsigned int k, f, order;

	memset(pages, 0, sizeof(*pages));
	raw_spin_lock_init(&pages->lock);
	pages->node = node;
	pages->name = "";
	pages->limit = limit;
	pages->soft_limit = soft_limit;
	pages->reserve = reserve;
	INIT_LIST_HEAD(&pages->extents);
	quarry_meta_init(&pages->meta, node);
	for (k = 0; k < QUARRY_NR_KINDS; k++)
		for (f = 0; f < QUARRY_NR_FULLNESS; f++)
			for (order = 0; order < QUARRY_NR_ORDERS; order++)
				INIT_LIST_HEAD(&pages->kinds[k].buckets[f][order]);
}

int quarry_pages_fill_reserve(struct quarry_pages *pages, unsigned long *got)
{
	unsigned long want = reserve_pages(pages), mapped, missing;
	struct quarry_extent *ext;
	unsigned int calls = 0, order;

	while ((mapped = READ_ONCE(pages->nr_mapped)) < want) {
		missing = want - mapped;
		order = min_t(unsigned int, ilog2(missing), QUARRY_EXTENT_MAX_ORDER);
		order = min_t(unsigned int, order, QUARRY_KERNEL_MAX_ORDER);
		do {
			ext = try_extent(pages, order, QUARRY_KIND_PTR,
					 order ? opportunistic_flags(GFP_KERNEL) :
						 GFP_KERNEL | __GFP_NOWARN, &calls);
		} while (!ext && order--);
		if (!ext)
			return -ENOMEM;
		*got += ext->nr_pages;
		add_extent(pages, ext, 0);
		count_kernel_calls(pages, calls);
		calls = 0;
		cond_resched();
	}
	return 0;
}

void quarry_pages_put_all(struct quarry_pages *pages)
{
	struct quarry_extent *ext, *next;

	/* Nobody else is left. */
	list_for_each_entry_safe(ext, next, &pages->extents, node_all) {
		list_del(&ext->node_all);
		pages->nr_lost += put_extent(ext);
		cond_resched();
	}
}

void quarry_pages_fini(struct quarry_pages *pages)
{
	quarry_meta_fini(&pages->meta);
}
