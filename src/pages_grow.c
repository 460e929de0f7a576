// SPDX-License-Identifier: GPL-2.0
/*
 * Page heap, growing: extents on demand, for the reserve, for the watermark.
 *
 * Growth happens outside every lock.  The new extent's bytes are booked first,
 * so that any number of CPUs growing at once stay within the limit; the block
 * asked for is cut out before others can see the extent, so that whoever paid
 * for the growth gets it.  What is booked serves nobody yet: next to the limit an
 * allocation, above all one that may not wait, can fail because another CPU, or the
 * worker, is growing.
 * Extents start at 64 KiB and follow a quarter of what is mapped, up to 4 MiB: at
 * most that share is idle.  Orders above 3 are only tried: no reclaim, no warning,
 * no reserves, and not for atomic callers; the last fall-back is the order that was
 * asked for, with the caller's flags.
 *
 * The watermark.  Who may not sleep is served from what is mapped, and where the
 * kernel may not be called (hardirq; PREEMPT_RT) from nothing else.  So when such
 * a caller found nothing mapped, the heap keeps some pages free from then on: at
 * first 64 KiB, twice as many after each further miss, up to an eighth of what is
 * mapped and 4 MiB.  As soon as fewer are free, a worker takes extents with
 * GFP_KERNEL until twice as many are.  With each decay tick without a miss
 * the watermark halves.  Half of the reserve is a watermark that does not sink.
 *
 * Locking: pages->lock, for accounting only.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/sched.h>

#include <trace/events/quarry.h>

#include "internal.h"
#include "pages.h"

#define SMALLEST_EXTENT_ORDER	(16 - PAGE_SHIFT)	/* 64 KiB */
#define COSTLY_ORDER		3	/* above it allocations are opportunistic */
#define REFILL_TRIES		64	/* extents per run of the refill worker */

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

/* How large the next extent should be: a quarter of what this kind has there. */
static unsigned int growth_order(struct quarry_pages *pages, const struct quarry_pages_want *want,
				 int node)
{
	struct quarry_pages_kind *kind = &pages->nodes[node].kinds[want->kind];
	unsigned long quarter = READ_ONCE(kind->nr_mapped) / 4;
	unsigned int order = quarter ? ilog2(quarter) : 0;
	unsigned int most = min_t(unsigned int, QUARRY_EXTENT_MAX_ORDER, QUARRY_KERNEL_MAX_ORDER);

	order = clamp_t(unsigned int, order, SMALLEST_EXTENT_ORDER, most);
	/* Who may not wait tries little. */
	if (!gfpflags_allow_blocking(want->gfp))
		order = min_t(unsigned int, order, COSTLY_ORDER);
	return max(order, want->order);
}

static struct quarry_extent *try_extent(struct quarry_pages *pages, enum quarry_kind kind,
					struct quarry_extent_source *source)
{
	struct quarry_extent *ext = NULL;
	unsigned long flags;

	source->meta = &pages->meta;
	source->backing = pages->backing;
	source->track = pages->guards;
	if (!book(pages, source->nr_pages))
		return NULL;
	/* A backing is on one node, whatever is asked. */
	if (!pages->backing || !(source->gfp & __GFP_THISNODE) || source->node == pages->node)
		ext = quarry_extent_get(pages, kind, source);
	raw_spin_lock_irqsave(&pages->lock, flags);
	pages->nr_kernel_calls += !pages->backing;
	if (!ext)
		pages->nr_booked -= source->nr_pages;
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	return ext;
}

static struct quarry_extent *try_order(struct quarry_pages *pages, enum quarry_kind kind,
				       unsigned int order, int node, gfp_t gfp)
{
	struct quarry_extent_source source = {
		.nr_pages = 1UL << order,
		.order = order,
		.node = node,
		.gfp = gfp,
	};

	return try_extent(pages, kind, &source);
}

/* The extent joins the heap, with its first block taken if @want. */
static void *add_extent(struct quarry_pages *pages, struct quarry_extent *ext,
			const struct quarry_pages_want *want)
{
	unsigned long flags;
	void *addr = NULL;

	trace_quarry_extent_get(pages->name, ext->pfn, ext->nr_pages, ext->node,
				ext->kind == QUARRY_KIND_DATA);
	raw_spin_lock_irqsave(&pages->lock, flags);
	list_add_tail(&ext->node_all, &pages->extents);
	node_set(ext->node, pages->holders);
	quarry_extent_kind(ext)->nr_mapped += ext->nr_pages;
	pages->nr_booked -= ext->nr_pages;
	pages->nr_mapped += ext->nr_pages;
	pages->nr_mapped_peak = max(pages->nr_mapped_peak, pages->nr_mapped);
	pages->nr_extents++;
	pages->nr_extent_allocs++;
	if (want)
		addr = quarry_pages_take(ext, want);
	else
		quarry_pages_link(ext);
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	return addr;
}

/* === On demand === */

/* An extent of a backing for one allocation, as long as that is. */
static void *grow_single(struct quarry_pages *pages, const struct quarry_pages_want *want)
{
	struct quarry_extent_source source = {
		.nr_pages = want->nr_pages,
		.order = want->align,
		.node = quarry_pages_node(pages, want),
		.gfp = (want->gfp & __GFP_THISNODE) | GFP_NOWAIT | __GFP_NOWARN,
	};
	struct quarry_extent *ext;

	ext = try_extent(pages, want->kind, &source);
	if (!ext)
		return NULL;
	ext->single = true;
	return add_extent(pages, ext, want);
}

void *quarry_pages_grow_near(struct quarry_pages *pages, const struct quarry_pages_want *want)
{
	int node = quarry_pages_node(pages, want), order;
	struct quarry_extent *ext;
	gfp_t gfp = opportunistic_flags(want->gfp) | __GFP_THISNODE;

	if (want->order > QUARRY_EXTENT_MAX_ORDER)
		return NULL;
	for (order = growth_order(pages, want, node); order >= (int)want->order; order--) {
		ext = try_order(pages, want->kind, order, node, gfp);
		if (ext)
			return add_extent(pages, ext, want);
	}
	return NULL;
}

static void *grow_usual(struct quarry_pages *pages, const struct quarry_pages_want *want)
{
	int node = quarry_pages_node(pages, want);
	gfp_t strict = want->gfp & __GFP_THISNODE;
	gfp_t gfp = base_flags(want->gfp) | strict | __GFP_NOWARN;
	struct quarry_extent *ext;
	unsigned int order;

	if (want->order > QUARRY_EXTENT_MAX_ORDER)
		return NULL;
	/* From the size that is due down to what was asked for. */
	for (order = growth_order(pages, want, node); order > want->order; order--) {
		ext = try_order(pages, want->kind, order, node,
				opportunistic_flags(want->gfp) | strict);
		if (ext)
			return add_extent(pages, ext, want);
	}
	if (want->order > COSTLY_ORDER && !(gfp & __GFP_RETRY_MAYFAIL))
		gfp |= __GFP_NORETRY;
	ext = try_order(pages, want->kind, want->order, node, gfp);
	return ext ? add_extent(pages, ext, want) : NULL;
}

void *quarry_pages_grow(struct quarry_pages *pages, const struct quarry_pages_want *want)
{
	/* A block of the next power of two may be more than there is in one piece. */
	bool single = pages->backing && (want->order > QUARRY_EXTENT_MAX_ORDER ||
					 want->nr_pages < 1UL << want->order);
	void *addr;

	do {
		addr = grow_usual(pages, want);
		if (!addr && single)
			addr = grow_single(pages, want);
	} while (!addr && quarry_pages_release_free(pages));
	return addr;
}

/* === In advance === */

/* One extent of up to @nr_pages pages; returns how many, 0 if there is none. */
static unsigned long add_one(struct quarry_pages *pages, unsigned long nr_pages, int node)
{
	unsigned int most = min_t(unsigned int, QUARRY_EXTENT_MAX_ORDER, QUARRY_KERNEL_MAX_ORDER);
	int order = min_t(unsigned int, ilog2(nr_pages), most);
	struct quarry_extent *ext = NULL;

	for (; !ext && order >= 0; order--)
		ext = try_order(pages, QUARRY_KIND_PTR, order, node,
				order ? opportunistic_flags(GFP_KERNEL) :
					GFP_KERNEL | __GFP_NOWARN);
	if (!ext)
		return 0;
	nr_pages = ext->nr_pages;
	add_extent(pages, ext, NULL);
	return nr_pages;
}

int quarry_pages_fill_reserve(struct quarry_pages *pages, unsigned long *got)
{
	unsigned long want = quarry_pages_reserve(pages), mapped, nr;

	while ((mapped = READ_ONCE(pages->nr_mapped)) < want) {
		nr = add_one(pages, want - mapped, quarry_pages_home(pages));
		if (!nr)
			return -ENOMEM;
		*got += nr;
		cond_resched();
	}
	return 0;
}

/* How many pages shall be free: as they are, or twice the watermark if they are below it. */
static unsigned long refill_target(struct quarry_pages *pages, int *node)
{
	unsigned long low = quarry_pages_low(pages), nr_free, flags;

	raw_spin_lock_irqsave(&pages->lock, flags);
	nr_free = quarry_pages_nr_free(pages);
	*node = pages->watermark ? pages->starved_node : quarry_pages_home(pages);
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	return nr_free < low ? 2 * low : 0;
}

bool quarry_pages_refill(struct quarry_pages *pages)
{
	unsigned int tries;
	unsigned long target, nr_free;
	int node;

	target = refill_target(pages, &node);
	/* As before all growth: what is hot is free, too. */
	if (target && quarry_pages_cool(pages))
		target = refill_target(pages, &node);
	for (tries = 0; tries < REFILL_TRIES; tries++) {
		nr_free = READ_ONCE(pages->nr_mapped) - READ_ONCE(pages->nr_used);
		if ((long)(target - nr_free) <= 0)
			return true;
		/* Whole small extents, not crumbs. */
		if (quarry_pages_nr_above(pages) ||
		    !add_one(pages, max(target - nr_free, 1UL << SMALLEST_EXTENT_ORDER), node))
			return false;
		cond_resched();
	}
	return true;
}
