// SPDX-License-Identifier: GPL-2.0
/*
 * Page heap, giving back: whole extents first, then holes in the emptiest ones.
 *
 * An extent that is wholly free goes as one block.  Of one partly in use a free
 * block goes page by page and is absent from then on; not so with a caller's own
 * backing, which has nobody to give it to.
 *
 * Locking: pages->lock, for the choice of one extent or block at a time; it is
 * given back without.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/sched.h>

#include <trace/events/quarry.h>

#include "internal.h"
#include "pages.h"

#define TRIES	16	/* extents looked at per bucket */

/* Free pages that may go without cutting into the reserve. */
static unsigned long nr_spare(const struct quarry_pages *pages, unsigned long nr_free)
{
	unsigned long keep = quarry_pages_reserve(pages);
	/* Once: who only glances has no lock. */
	unsigned long mapped = READ_ONCE(pages->nr_mapped);

	return mapped > keep ? min(nr_free, mapped - keep) : 0;
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
	if (!pages->missed)
		pages->watermark /= 2;
	pages->missed = false;
	nr = nr_spare(pages, pages->nr_idle);
	nr -= min(nr, pages->watermark);
	pages->nr_idle = quarry_pages_nr_free(pages);
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	return nr;
}

void quarry_pages_drop_watermark(struct quarry_pages *pages)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pages->lock, flags);
	pages->watermark = 0;
	raw_spin_unlock_irqrestore(&pages->lock, flags);
}

static void unaccount(struct quarry_pages *pages, const struct quarry_extent *ext,
		      unsigned long nr_pages)
{
	lockdep_assert_held(&pages->lock);
	pages->nr_mapped -= nr_pages;
	quarry_extent_kind(ext)->nr_mapped -= nr_pages;
	pages->nr_idle = min(pages->nr_idle, quarry_pages_nr_free(pages));
}

static bool fits(const struct quarry_extent *ext, unsigned long most)
{
	return quarry_extent_is_free(ext) && quarry_extent_nr_present(ext) <= most;
}

/*
 * The first extent that @good likes, of a few per bucket, from the largest free block
 * down: of the class of fullness @f, on any node, of any kind.
 */
static struct quarry_extent *find_in_class(struct quarry_pages *pages, unsigned int f,
					   bool (*good)(const struct quarry_extent *ext,
							unsigned long most),
					   unsigned long most)
{
	struct rb_node *node;
	int order, n;
	unsigned int k, tries;

	lockdep_assert_held(&pages->lock);
	for (order = QUARRY_NR_ORDERS - 1; order >= 0; order--) {
		for_each_node_mask(n, pages->holders) {
			for (k = 0; k < QUARRY_NR_KINDS; k++) {
				node = rb_first_cached(&pages->nodes[n].kinds[k].buckets[f][order]);
				for (tries = 0; node && tries < TRIES; tries++) {
					struct quarry_extent *ext =
						rb_entry(node, struct quarry_extent, bucket);

					if (good(ext, most))
						return ext;
					node = rb_next(node);
				}
			}
		}
	}
	return NULL;
}

static struct quarry_extent *find_spare(struct quarry_pages *pages, unsigned long most)
{
	struct quarry_extent *ext;
	unsigned int tries = 0;

	lockdep_assert_held(&pages->lock);
	list_for_each_entry(ext, &pages->spare, spare) {
		if (fits(ext, most))
			return ext;
		if (++tries == TRIES)
			break;
	}
	return NULL;
}

/* A wholly free extent leaves all lists. */
static void take_out(struct quarry_pages *pages, struct quarry_extent *ext)
{
	quarry_pages_unlink(ext);
	list_del_init(&ext->node_all);
	unaccount(pages, ext, quarry_extent_nr_present(ext));
	pages->nr_extents--;
}

/* A wholly free extent of no more than @most pages, out of all lists; or NULL. */
static struct quarry_extent *take_free_extent(struct quarry_pages *pages, unsigned long most)
{
	struct quarry_extent *ext = find_spare(pages, most) ?: find_in_class(pages, 0, fits, most);

	if (ext)
		take_out(pages, ext);
	return ext;
}

/* Not an extent that can go as a whole when more is to be released. */
static bool may_have_hole(const struct quarry_extent *ext, unsigned long spare)
{
	return !fits(ext, spare);
}

/*
 * An extent to cut a hole into: of the emptiest class the one with the largest
 * free block.
 */
static struct quarry_extent *find_hole(struct quarry_pages *pages, unsigned long spare)
{
	struct quarry_extent *ext = NULL;
	unsigned int f;

	for (f = 0; !ext && !pages->backing && f < QUARRY_NR_FULLNESS; f++)
		ext = find_in_class(pages, f, may_have_hole, spare);
	return ext;
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
	quarry_pages_link(ext);
	return ext;
}

static void count_lost(struct quarry_pages *pages, unsigned long lost)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pages->lock, flags);
	pages->nr_lost += lost;
	raw_spin_unlock_irqrestore(&pages->lock, flags);
}

unsigned int quarry_pages_put_extent(struct quarry_extent *ext)
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
	spare = nr_spare(pages, quarry_pages_nr_free(pages));
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
	lost = whole ? quarry_pages_put_extent(ext) : put_block(ext, offset, order);
	if (lost)
		count_lost(pages, lost);
	return nr_pages;
}

bool quarry_pages_release_free(struct quarry_pages *pages)
{
	struct quarry_extent *ext;
	unsigned long flags, lost;

	/* The kernel has others; where a heap has only its backing, this one is in the way. */
	if (!pages->backing || !quarry_may_call_kernel())
		return false;
	raw_spin_lock_irqsave(&pages->lock, flags);
	ext = take_free_extent(pages, nr_spare(pages, quarry_pages_nr_free(pages)));
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	if (!ext)
		return false;
	lost = quarry_pages_put_extent(ext);
	if (lost)
		count_lost(pages, lost);
	return true;
}

unsigned long quarry_pages_release(struct quarry_pages *pages, unsigned long nr_pages)
{
	unsigned long done = 0, n;

	quarry_pages_cool(pages);
	while (done < nr_pages) {
		n = release_step(pages, nr_pages - done);
		if (!n)
			break;
		done += n;
		cond_resched();
	}
	return done;
}

