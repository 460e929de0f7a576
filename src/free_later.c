// SPDX-License-Identifier: GPL-2.0
/*
 * Frees that have to wait, seen from a pointer: quarry_free_rcu(), runs of pages that an
 * NMI frees, and what becomes of both.
 *
 *	pointer ─> page map ─> slab: a waiting magazine of its cache (waiting.c)
 *	                    ─> a run that has a front: one of that front
 *	                    ─> another run: a bit of its extent (defer.c)
 *
 * What waits is memory that nobody can use.  So it is bounded: who may sleep and makes
 * the heap grow while more than an eighth of what is mapped, and 1 MiB, waits, waits for
 * that first.  The heap's limit holds in any case, and who hits it and may sleep waits, too.
 *
 * Locking: none of its own; lookups run with preemption off.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/export.h>
#include <linux/instruction_pointer.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "heap.h"
#include "internal.h"
#include "slab.h"

#define WAITING_MIN	SZ_1M
#define WAITING_SHARE	8	/* of what is mapped */

/* === Asking for it === */

/* @owner is that of @ptr, with preemption off since then; false if it is no run. */
bool quarry_run_free_later(const void *ptr, unsigned long owner, unsigned long caller)
{
	unsigned long nr_pages = PAGE_ALIGNED(ptr) ? quarry_run_nr_pages(owner) : 0;
	struct quarry_extent *ext = nr_pages ? __quarry_extent_find(ptr) : NULL;

	if (!ext)
		return false;
	if (!quarry_run_defer(ext, ptr, nr_pages))
		quarry_report("%pS frees %p, whose free is pending already\n", (void *)caller,
			      ptr);
	return true;
}

/* Of a heap that tracks: what is freed a second time is told now.  Preemption is off. */
static bool claim(const void *ptr, unsigned long owner, unsigned long caller)
{
	struct quarry_slab *slab = quarry_owner_to_slab(owner);
	struct quarry_extent *ext;

	if (slab)
		return likely(!slab->cache->guard) ||
		       quarry_guard_claim(slab->cache, ptr, caller);
	ext = PAGE_ALIGNED(ptr) && quarry_run_nr_pages(owner) ? __quarry_extent_find(ptr) : NULL;
	return !ext || quarry_run_note_free(ext, ptr, caller);
}

void quarry_free_rcu(const void *ptr)
{
	struct quarry_page_front *front;
	struct quarry_slab *slab;
	unsigned long owner;

	if (ZERO_OR_NULL_PTR(ptr))
		return;
	preempt_disable();
	owner = quarry_owner(ptr);
	slab = quarry_owner_to_slab(owner);
	front = quarry_owner_to_front(owner);
	if (unlikely(slab && !quarry_slab_starts(slab, ptr))) {
		quarry_report_bad_free(ptr, owner, _RET_IP_);
		goto out;
	}
	if (unlikely(!claim(ptr, owner, _RET_IP_)))
		goto out;
	if (likely(slab))
		quarry_mags_free_later(&slab->cache->mags, (void *)ptr);
	else if (front && PAGE_ALIGNED(ptr))
		quarry_mags_free_later(&front->run->mags, (void *)ptr);
	else if (!quarry_run_free_later(ptr, owner, _RET_IP_))
		quarry_report_bad_free(ptr, owner, _RET_IP_);
out:
	preempt_enable();
}
EXPORT_SYMBOL_GPL(quarry_free_rcu);

/* === When it is over === */

static void free_run(struct quarry_extent *ext, void *addr)
{
	struct quarry_heap_priv *hp = quarry_heap_of_extent(ext);
	unsigned long owner, nr_pages;
	int ret;

	/* It is not free yet, so nobody changes the owner but who frees it twice. */
	preempt_disable();
	owner = quarry_owner(addr);
	preempt_enable();
	nr_pages = quarry_run_nr_pages(owner);
	if (!nr_pages)
		goto gone;
	if (want_init_on_free() || ext->pages->guards & QUARRY_HEAP_HARDENED)
		memset(addr, 0, nr_pages << PAGE_SHIFT);
	atomic_long_sub(nr_pages << PAGE_SHIFT, &ext->pages->defer.waiting);
	preempt_disable();
	ret = quarry_run_free(&hp->runs, ext, addr, owner);
	preempt_enable();
	if (!ret)
		return;
gone:
	quarry_report("heap %s: %p was freed while its free was pending\n", hp->name, addr);
}

/* The extent stays as long as one of its runs was not given back: see cache.c. */
void quarry_extent_serve_pending(struct quarry_defer *defer, struct llist_node *node)
{
	struct quarry_extent *ext = container_of(node, struct quarry_extent, pending.node);
	unsigned int nr_words = BITS_TO_LONGS(ext->nr_pages), word, bit;
	void *addr, *last = NULL;
	unsigned long bits;

	for (word = 0; word < nr_words; word++) {
		bits = quarry_pending_take(&ext->pending, &ext->frees[word]);
		for_each_set_bit(bit, &bits, BITS_PER_LONG) {
			addr = ext->base +
			       ((unsigned long)(word * BITS_PER_LONG + bit) << PAGE_SHIFT);
			if (last)
				free_run(ext, addr);
			else
				last = addr;
		}
		cond_resched();
	}
	quarry_pending_release(&ext->pending, ext->frees, nr_words, defer,
			       QUARRY_DEFER_EXTENTS);
	if (last)
		free_run(ext, last);
}

static void seal_cache(struct quarry_slab_cache *sc, void *unused)
{
	quarry_mags_seal(&sc->mags);
}

static void seal_all(struct quarry_heap_priv *hp)
{
	mutex_lock(&hp->mutex);
	quarry_heap_walk_caches(hp, seal_cache, NULL);
	/* Under the mutex: so that a dead CPU's have been sealed, or are not there, either. */
	quarry_runs_seal(&hp->runs);
	mutex_unlock(&hp->mutex);
}

/* A sealed magazine waits twice, and slabs that it empties once more. */
static void drain_callbacks(struct quarry_heap_priv *hp)
{
	rcu_barrier();
	rcu_barrier();
	if (atomic_long_read(&hp->pages.defer.waiting) > 0)
		rcu_barrier();
}

void quarry_heap_settle(struct quarry_heap_priv *hp)
{
	if (!READ_ONCE(hp->pages.defer.used))
		return;
	seal_all(hp);
	quarry_defer_flush_all(&hp->pages.defer);
	drain_callbacks(hp);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_heap_settle);

void quarry_heap_wait(struct quarry_heap_priv *hp)
{
	seal_all(hp);
	quarry_defer_flush(&hp->pages.defer);
	drain_callbacks(hp);
}

bool quarry_heap_is_waiting(struct quarry_heap_priv *hp)
{
	struct quarry_defer *defer = &hp->pages.defer;

	return atomic_long_read(&defer->waiting) > 0 || atomic_long_read(&defer->nr_sealed) > 0 ||
	       !llist_empty(&defer->kinds[QUARRY_DEFER_WAITING].list);
}

bool quarry_heap_waits_too_much(struct quarry_heap_priv *hp)
{
	unsigned long mapped = READ_ONCE(hp->pages.nr_mapped) << PAGE_SHIFT;

	return atomic_long_read(&hp->pages.defer.waiting) >
	       (long)max_t(unsigned long, mapped / WAITING_SHARE, WAITING_MIN);
}
