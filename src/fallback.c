// SPDX-License-Identifier: GPL-2.0
/*
 * Falling back: with the ticks of decay, what a heap's magazines do not need goes to
 * its slabs and pages.
 *
 *	depots     what was never missing since the last tick goes (Bonwick and Adams's
 *	           working set)
 *	capacity   one step down, to where it started, where no more than a magazine per
 *	           CPU went through the depots
 *	CPUs       magazines of a front that a CPU left alone for 8 ticks are detached;
 *	           for one, if it was refused another because it holds too much
 *	slabs      without an object in use, where nothing is cached any more
 *
 * Only detached magazines have to wait for a grace period: one for all fronts, and
 * none where nothing was.  Ticks end when nothing is cached; a new magazine makes them
 * begin again.
 *
 * Locking: heap->mutex, as for all drains, also while it waits.
 */
#include <linux/rcupdate.h>

#include "heap.h"
#include "internal.h"

struct found {
	bool any;		/* something is cached */
	bool detached;		/* something has to be flushed */
};

struct front_arg {
	void (*fn)(struct quarry_mags *mags, void *arg);
	void *arg;
};

static void call_for_cache(struct quarry_slab_cache *sc, void *arg)
{
	const struct front_arg *f = arg;

	f->fn(&sc->mags, f->arg);
}

void quarry_heap_walk_fronts(struct quarry_heap_priv *hp,
			     void (*fn)(struct quarry_mags *mags, void *arg), void *arg)
{
	struct front_arg f = { .fn = fn, .arg = arg };
	unsigned int k, order;

	quarry_heap_walk_caches(hp, call_for_cache, &f);
	for (k = 0; k < QUARRY_NR_KINDS; k++)
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++)
			fn(&hp->runs.fronts[k][order].mags, arg);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_heap_walk_fronts);

static void fall_back(struct quarry_mags *mags, void *arg)
{
	struct found *found = arg;

	found->any |= quarry_mags_fall_back(mags);
	found->detached |= !!mags->detached;
}

static void flush(struct quarry_mags *mags, void *unused)
{
	quarry_mags_flush(mags);
}

static void free_empty(struct quarry_slab_cache *sc, void *unused)
{
	if (!quarry_mags_nr_cached(&sc->mags))
		quarry_slab_cache_free_empty(sc);
	cond_resched();
}

/* What the CPUs were refused is known now. */
static void note_refused(struct quarry_budget *budget)
{
	struct quarry_budget_cpu *b;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		b = per_cpu_ptr(budget->cpu, cpu);
		b->nr_seen = atomic_long_read(&b->nr_refused);
	}
}

void quarry_heap_fall_back(struct quarry_heap_priv *hp)
{
	struct quarry_budget *budget = &hp->pages.budget;
	struct found found = {};

	mutex_lock(&hp->mutex);
	/* Before anything is looked at: pairs with tell() in depot.c. */
	smp_store_mb(budget->stocked, false);
	quarry_heap_walk_fronts(hp, fall_back, &found);
	note_refused(budget);
	/* Twice, as a magazine may have been in somebody's hands meanwhile. */
	if (found.any || !budget->quiet)
		WRITE_ONCE(budget->stocked, true);
	budget->quiet = !found.any;
	if (found.detached) {
		synchronize_rcu();
		quarry_heap_walk_fronts(hp, flush, NULL);
	}
	quarry_heap_walk_caches(hp, free_empty, NULL);
	mutex_unlock(&hp->mutex);
}

void quarry_heap_set_cpu_bytes(struct quarry_heap_priv *hp, unsigned long bytes)
{
	struct quarry_budget_cpu *b;
	bool less = false;
	unsigned int cpu;

	WRITE_ONCE(hp->pages.budget.bound, bytes);
	/* Who has seen the old one is done. */
	synchronize_rcu();
	for_each_possible_cpu(cpu) {
		b = per_cpu_ptr(hp->pages.budget.cpu, cpu);
		less |= atomic_long_read(&b->held) > (long)bytes;
	}
	if (less)
		quarry_heap_drain(hp);
}
