// SPDX-License-Identifier: GPL-2.0
/*
 * Runs: whole pages handed out to users and, as chunks, to arenas.
 *
 * Blocks of 2^0 to 2^3 pages go through a magazine front each, for either kind
 * of memory; other counts go straight to the page heap and cost exactly their
 * pages.  So do blocks of orders above the knob magazine_order, whose fronts are
 * off, but those are counted by their front all the same, so that it can change.
 * The owner of the first page is the front, or says how long a run is, so that a
 * free needs no size; it stays while the run waits in a magazine, nothing is
 * written on that path.
 *
 * Of each power of two above the fronts' one free run may be hot: kept whole until it
 * is asked for again.  It is not worth a lock to merge 2 MiB with its neighbours and
 * to split them again at once.  Hot runs go back before the heap grows, with
 * the next decay tick, and whenever pages are given back.
 *
 * Locking: that of the layers below.  An entry is cleared by cmpxchg(),
 * so that of two CPUs that free the same run one is refused.
 */
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/preempt.h>

#include "internal.h"
#include "note.h"
#include "run.h"

#define BATCH	16U	/* runs that are drained at a time */

static struct quarry_run_front *to_front(struct quarry_mags *mags)
{
	return container_of(mags, struct quarry_run_front, mags);
}

static unsigned long front_owner(const struct quarry_run_front *rf)
{
	return (unsigned long)rf->front | QUARRY_OWNER_FRONT;
}

static struct quarry_hot *hot_for(struct quarry_runs *runs, unsigned long nr_pages,
				  enum quarry_kind kind)
{
	unsigned int i;

	/* What is freed hot is not looked at. */
	if (!is_power_of_2(nr_pages) || runs->pages->guards)
		return NULL;
	/* Wraps around for an order that has a front. */
	i = __ffs(nr_pages) - QUARRY_NR_PAGE_FRONTS;
	return i < QUARRY_RUN_NR_HOT ? &runs->hot[kind][i] : NULL;
}

static unsigned long hot_owner(const struct quarry_hot *hot)
{
	return (unsigned long)hot | QUARRY_OWNER_HOT;
}

/* Of a run that has no front. */
static unsigned long direct_owner(struct quarry_runs *runs, unsigned long nr_pages,
				  enum quarry_kind kind)
{
	struct quarry_hot *hot = hot_for(runs, nr_pages, kind);

	return hot ? hot_owner(hot) : nr_pages << QUARRY_OWNER_SHIFT | QUARRY_OWNER_RUN;
}

/* @addr has just been allocated, its extent cannot go away. */
static void mark_run(void *addr, unsigned long owner)
{
	WRITE_ONCE(*quarry_owner_slot(addr), owner);
}

/* False if the run was freed already.  Preemption is off, @addr was in an extent. */
static bool unmark_run(void *addr, unsigned long owner)
{
	return cmpxchg(quarry_owner_slot(addr), owner, QUARRY_OWNER_NONE) == owner;
}

static unsigned int refill(struct quarry_mags *mags, void **objs, unsigned int nr, gfp_t gfp,
			   int node, enum quarry_layer *layer)
{
	struct quarry_run_front *rf = to_front(mags);
	struct quarry_pages_want want = quarry_pages_want(1UL << rf->order, rf->kind, gfp);
	unsigned int got, i;

	want.node = node;
	*layer = QUARRY_LAYER_BUDDY;
	got = quarry_pages_alloc_batch(rf->pages, &want, objs, nr, layer);
	if (!got) {
		objs[0] = quarry_pages_alloc(rf->pages, &want, layer);
		if (!objs[0])
			return 0;
		got = 1 + quarry_pages_alloc_batch(rf->pages, &want, objs + 1, nr - 1, layer);
	} else {
		quarry_pages_trace_reserve(rf->pages, gfp);
	}
	preempt_disable();
	for (i = 0; i < got; i++)
		WRITE_ONCE(*__quarry_owner_slot(objs[i]), front_owner(rf));
	preempt_enable();
	return got;
}

/*
 * The first of @objs, as far as they are of one extent, but not many, as preemption is off;
 * returns how many are done with.
 */
static unsigned int drain_some(struct quarry_run_front *rf, void **objs, unsigned int nr)
{
	struct quarry_extent *ext = NULL, *other;
	unsigned int i, n = 0;
	void *some[BATCH];

	nr = min(nr, BATCH);
	/* The extent of a page that was freed twice may be gone any time. */
	preempt_disable();
	for (i = 0; i < nr; i++) {
		other = quarry_extent_find(objs[i]);
		if (n && other && other != ext)
			break;
		if (!other || test_bit(quarry_extent_page_of(other, objs[i]), other->frees) ||
		    !unmark_run(objs[i], front_owner(rf))) {
			quarry_report("double free of %u pages at %p\n", 1U << rf->order, objs[i]);
			atomic_long_dec(&rf->mags.nr_free_below);
			continue;
		}
		ext = other;
		some[n++] = objs[i];
	}
	if (n)
		quarry_pages_free_many(ext, some, n, 1UL << rf->order);
	preempt_enable();
	return i;
}

static void drain(struct quarry_mags *mags, void **objs, unsigned int nr)
{
	struct quarry_run_front *rf = to_front(mags);
	unsigned int i;

	for (i = 0; i < nr;)
		i += drain_some(rf, objs + i, nr - i);
}

/* === Frees that wait === */

bool quarry_run_defer(struct quarry_extent *ext, const void *addr, unsigned long nr_pages)
{
	struct quarry_defer *defer = &ext->pages->defer;

	if (!quarry_pending_set(&ext->pending, ext->frees, quarry_extent_page_of(ext, addr), defer,
				QUARRY_DEFER_EXTENTS))
		return false;
	atomic_long_add(nr_pages << PAGE_SHIFT, &defer->waiting);
	return true;
}

static void defer_block(struct quarry_mags *mags, void *addr)
{
	struct quarry_extent *ext = quarry_extent_find(addr);

	if (ext && quarry_run_defer(ext, addr, 1UL << to_front(mags)->order))
		return;
	quarry_report("double free of %u pages at %p\n", 1U << to_front(mags)->order, addr);
}

static void wipe_block(struct quarry_mags *mags, void *addr)
{
	memset(addr, 0, mags->size);
}

static const struct quarry_mags_ops run_ops = {
	.refill = refill,
	.drain = drain,
	.node_of = quarry_extent_node_of,
	.defer = defer_block,
	.wipe = wipe_block,
};

void quarry_runs_init(struct quarry_runs *runs, struct quarry_pages *pages,
		      struct quarry_heap *heap, int magazine_order, unsigned int magazine_bytes)
{
	unsigned int k;
	int order;

	runs->pages = pages;
	for (k = 0; k < QUARRY_NR_KINDS; k++) {
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++) {
			struct quarry_run_front *rf = &runs->fronts[k][order];

			rf->front = &heap->pages[k][order];
			rf->front->run = rf;
			rf->pages = pages;
			rf->kind = k;
			rf->order = order;
			/* Stays so if the front is veiled. */
			rf->front->front.cpu = quarry_cold_cpu;
			quarry_mags_init(&rf->mags,
					 pages->guards ? &rf->veiled : &rf->front->front,
					 &run_ops, &pages->meta, PAGE_SIZE << order,
					 magazine_bytes);
			rf->mags.defer = &pages->defer;
			rf->mags.budget = pages->budget.cpu ? &pages->budget : NULL;
			rf->mags.wipes = pages->guards & QUARRY_HEAP_HARDENED;
			if (order > magazine_order)
				quarry_mags_stop(&rf->mags);
		}
		for (order = 0; order < QUARRY_RUN_NR_HOT; order++) {
			runs->hot[k][order].runs = runs;
			runs->hot[k][order].order = order + QUARRY_NR_PAGE_FRONTS;
		}
	}
}

void quarry_runs_fini(struct quarry_runs *runs)
{
	unsigned int k, order;

	for (k = 0; k < QUARRY_NR_KINDS; k++)
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++)
			quarry_mags_fini(&runs->fronts[k][order].mags);
}

void quarry_runs_seal(struct quarry_runs *runs)
{
	unsigned int k, order;

	for (k = 0; k < QUARRY_NR_KINDS; k++)
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++)
			quarry_mags_seal(&runs->fronts[k][order].mags);
}

unsigned long quarry_run_mark(struct quarry_runs *runs, void *addr, unsigned long nr_pages,
			      enum quarry_kind kind)
{
	struct quarry_run_front *rf = quarry_run_front_for(runs, nr_pages, kind);
	unsigned long owner = rf ? front_owner(rf) : direct_owner(runs, nr_pages, kind);

	mark_run(addr, owner);
	return owner;
}

/* Will the run be freed without anyone's help?  Preemption is off. */
static bool is_pending(struct quarry_runs *runs, const void *addr)
{
	struct quarry_extent *ext;

	if (likely(!READ_ONCE(runs->pages->defer.used)))
		return false;
	ext = quarry_extent_find(addr);
	return ext && test_bit(quarry_extent_page_of(ext, addr), ext->frees);
}

/* === Hot runs === */

/* A run without an owner, as it was taken out of the page heap. */
static void free_cold(struct quarry_runs *runs, void *addr, unsigned long nr_pages)
{
	struct quarry_extent *ext;

	preempt_disable();
	/* Somebody may have written to private meanwhile; giving back will tell. */
	ext = quarry_extent_find(addr) ?: quarry_pages_search(runs->pages, addr);
	quarry_pages_free(ext, addr, nr_pages);
	preempt_enable();
}

void *quarry_run_take_hot(struct quarry_runs *runs, unsigned long nr_pages, enum quarry_kind kind)
{
	struct quarry_hot *hot = hot_for(runs, nr_pages, kind);
	void *addr;

	if (!hot || !READ_ONCE(hot->addr))
		return NULL;
	addr = xchg(&hot->addr, NULL);
	if (!addr)
		return NULL;
	if (nr_node_ids > 1 && quarry_extent_node_of(addr) != quarry_pages_home(runs->pages)) {
		free_cold(runs, addr, nr_pages);
		return NULL;
	}
	mark_run(addr, hot_owner(hot));
	atomic_long_add(nr_pages, &runs->nr_direct_pages);
	atomic_long_inc(&runs->nr_hot);
	return addr;
}

/*
 * False if there is one already.  A tick is due as long as pages->hot is set;
 * xchg() in quarry_runs_cool() comes after it was cleared.
 */
static bool keep_hot(struct quarry_hot *hot, void *addr)
{
	struct quarry_pages *pages = hot->runs->pages;

	/* Pairs with smp_store_mb() in quarry_runs_cool(). */
	if (READ_ONCE(hot->addr) || cmpxchg(&hot->addr, NULL, addr))
		return false;
	if (unlikely(!READ_ONCE(pages->hot))) {
		WRITE_ONCE(pages->hot, true);
		if (pages->notify)
			pages->notify(pages);
	}
	return true;
}

bool quarry_run_free_hot(struct quarry_hot *hot, void *addr)
{
	struct quarry_runs *runs = hot->runs;
	unsigned long nr_pages = 1UL << hot->order;

	if (is_pending(runs, addr) || !unmark_run(addr, hot_owner(hot)))
		return false;
	atomic_long_sub(nr_pages, &runs->nr_direct_pages);
	atomic_long_inc(&runs->nr_direct_frees);
	if (!keep_hot(hot, addr))
		free_cold(runs, addr, nr_pages);
	return true;
}

bool quarry_runs_cool(struct quarry_runs *runs)
{
	bool any = false;
	unsigned int k, i;
	void *addr;

	/*
	 * Before the slots are looked at, or a run that is kept meanwhile is not seen
	 * here and not told of by the flag.  Pairs with cmpxchg() in keep_hot().
	 */
	smp_store_mb(runs->pages->hot, false);
	for (k = 0; k < QUARRY_NR_KINDS; k++) {
		for (i = 0; i < QUARRY_RUN_NR_HOT; i++) {
			struct quarry_hot *hot = &runs->hot[k][i];

			addr = READ_ONCE(hot->addr) ? xchg(&hot->addr, NULL) : NULL;
			if (!addr)
				continue;
			free_cold(runs, addr, 1UL << hot->order);
			any = true;
		}
	}
	return any;
}

/* === Allocating, freeing === */

static void *alloc_direct(struct quarry_runs *runs, const struct quarry_pages_want *want)
{
	enum quarry_layer layer = QUARRY_LAYER_BUDDY;
	void *addr = quarry_pages_alloc(runs->pages, want, &layer);

	if (!addr)
		return NULL;
	mark_run(addr, direct_owner(runs, want->nr_pages, want->kind));
	atomic_long_add(want->nr_pages, &runs->nr_direct_pages);
	atomic_long_inc(&runs->nr_direct[layer]);
	return addr;
}

/* A run that its front frees but that no magazine can be asked for. */
static void *alloc_past(struct quarry_run_front *rf, const struct quarry_pages_want *want)
{
	enum quarry_layer layer = QUARRY_LAYER_BUDDY;
	void *addr = quarry_pages_alloc(rf->pages, want, &layer);

	if (!addr)
		return NULL;
	mark_run(addr, front_owner(rf));
	quarry_mags_took(&rf->mags, layer, 1, 1);
	return addr;
}

void *quarry_run_alloc(struct quarry_runs *runs, const struct quarry_pages_want *want)
{
	struct quarry_run_front *rf = quarry_run_front_for(runs, want->nr_pages, want->kind);
	void *addr;

	/* Only what magazines hold. */
	if (in_nmi() && (!rf || want->node != NUMA_NO_NODE || want->order > rf->order ||
			 (want->gfp & __GFP_THISNODE)))
		return NULL;
	if (!rf) {
		addr = want->node == NUMA_NO_NODE && !(want->gfp & __GFP_THISNODE) &&
		       want->nr_pages == 1UL << want->order ?
		       quarry_run_take_hot(runs, want->nr_pages, want->kind) : NULL;
		return addr ?: alloc_direct(runs, want);
	}
	if (want->node != NUMA_NO_NODE || want->gfp & __GFP_THISNODE || want->order > rf->order)
		return alloc_past(rf, want);
	addr = quarry_front_pop(&rf->front->front);
	return likely(addr) ? addr : quarry_mags_alloc(&rf->mags, want->gfp);
}

int quarry_run_free(struct quarry_runs *runs, struct quarry_extent *ext, void *addr,
		    unsigned long owner)
{
	struct quarry_page_front *front = quarry_owner_to_front(owner);
	unsigned long nr_pages = quarry_run_nr_pages(owner);

	if (front) {
		if (!quarry_front_push(&front->front, addr))
			quarry_mags_free(&front->run->mags, addr);
		return 0;
	}
	if (quarry_owner_to_hot(owner))
		return quarry_run_free_hot(quarry_owner_to_hot(owner), addr) ? 0 : -EINVAL;
	if (!nr_pages || is_pending(runs, addr) || !unmark_run(addr, owner))
		return -EINVAL;
	atomic_long_sub(nr_pages, &runs->nr_direct_pages);
	atomic_long_inc(&runs->nr_direct_frees);
	return quarry_pages_free(ext, addr, nr_pages);
}

/* === Tracking === */

bool quarry_run_is_live(const void *addr)
{
	struct quarry_extent *ext = quarry_extent_find(addr);

	return !ext || !ext->notes ||
	       !quarry_note_is_free(&ext->notes[quarry_extent_page_of(ext, addr)]);
}

void quarry_run_note_alloc(const void *addr, const struct quarry_site *site)
{
	struct quarry_extent *ext;

	preempt_disable();
	/* None if somebody wrote to private meanwhile. */
	ext = quarry_extent_find(addr);
	if (ext && ext->notes)
		quarry_note_alloc(&ext->notes[quarry_extent_page_of(ext, addr)], site);
	preempt_enable();
}

bool quarry_run_note_free(struct quarry_extent *ext, const void *addr, unsigned long caller)
{
	struct quarry_note *note;
	unsigned long state;

	if (!ext->notes)
		return true;
	note = &ext->notes[quarry_extent_page_of(ext, addr)];
	state = quarry_note_free(note, caller);
	if (!state)
		return true;
	quarry_report("heap %s: double free of pages at %p by %pS\n", ext->pages->name, addr,
		      (void *)caller);
	quarry_note_explain(note, state);
	return false;
}

void quarry_run_explain(struct quarry_extent *ext, const void *addr)
{
	struct quarry_note *note;

	if (!ext->notes)
		return;
	note = &ext->notes[quarry_extent_page_of(ext, addr)];
	quarry_report_more("the last run from there:\n");
	quarry_note_explain(note, READ_ONCE(note->state));
}

/* === Numbers === */

unsigned long quarry_runs_nr_live(struct quarry_runs *runs)
{
	unsigned long nr = atomic_long_read(&runs->nr_direct_pages);
	struct quarry_mags_stats stats;
	unsigned int k, order;

	for (k = 0; k < QUARRY_NR_KINDS; k++) {
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++) {
			quarry_mags_get_stats(&runs->fronts[k][order].mags, &stats);
			nr += quarry_mags_nr_live(&stats) << order;
		}
	}
	return nr;
}

unsigned long quarry_runs_nr_cached(struct quarry_runs *runs)
{
	unsigned long nr = 0;
	unsigned int k, order;

	for (k = 0; k < QUARRY_NR_KINDS; k++)
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++)
			nr += quarry_mags_nr_cached(&runs->fronts[k][order].mags) << order;
	for (k = 0; k < QUARRY_NR_KINDS; k++)
		for (order = 0; order < QUARRY_RUN_NR_HOT; order++)
			if (READ_ONCE(runs->hot[k][order].addr))
				nr += 1UL << runs->hot[k][order].order;
	return nr;
}
