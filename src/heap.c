// SPDX-License-Identifier: GPL-2.0
/*
 * Heaps: creation and destruction of heaps and caches, trimming, numbers.
 *
 *	heap ─ classes[2][83] ──> caches of size classes, made on first use (classes.c)
 *	     ├ caches ──────────> caches made by users
 *	     ├ runs ────────────> fronts of whole pages
 *	     ├ arenas ──────────> arenas
 *	     ├ pools ───────────> pools
 *	     ├ rings ───────────> rings
 *	     └ pages ───────────> extents, metadata
 *
 * An unused heap is this struct and a page of metadata.
 *
 * Draining goes in two steps: all fronts of a heap are detached, one grace
 * period passes, all are flushed.
 *
 * Locking: heaps_mutex guards the list of heaps, heap->mutex the lists of caches,
 * pools and rings and the drains.  Both are taken by the CPU hotplug callback, so nothing is
 * allocated and no static key switched with one of them held.
 *
 * Invariant (quarry_heap_verify(), while quiet): pages mapped = free + in slabs
 * + in arenas + handed out + cached in magazines.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/cpuhotplug.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "fault.h"
#include "heap.h"
#include "internal.h"

static DEFINE_MUTEX(heaps_mutex);
static LIST_HEAD(heaps);
static struct quarry_heap_priv *default_heap;
static enum cpuhp_state hotplug_state;

/* === Caches === */

static unsigned int magazine_bytes(const struct quarry_heap_priv *hp)
{
	return READ_ONCE(hp->knobs.value[QUARRY_KNOB_MAGAZINE_BYTES]);
}

static void init_deferrals(struct quarry_heap_priv *hp)
{
	struct quarry_defer *defer = &hp->pages.defer;

	quarry_defer_init_node(&hp->missing);
	quarry_defer_init_node(&hp->pressed);
	defer->kinds[QUARRY_DEFER_POOLS].serve = quarry_pool_serve;
	defer->kinds[QUARRY_DEFER_PRESSED].serve = quarry_pools_serve_pressed;
	defer->kinds[QUARRY_DEFER_CLASSES].serve = quarry_classes_serve_missed;
	defer->kinds[QUARRY_DEFER_RESTOCK].serve = quarry_mags_serve_restock;
	defer->kinds[QUARRY_DEFER_WAITING].serve = quarry_mags_serve_filling;
	defer->kinds[QUARRY_DEFER_SLABS].serve = quarry_slab_serve_pending;
	defer->kinds[QUARRY_DEFER_EXTENTS].serve = quarry_extent_serve_pending;
}

void quarry_heap_walk_caches(struct quarry_heap_priv *hp,
			     void (*fn)(struct quarry_slab_cache *sc, void *arg), void *arg)
{
	struct quarry_slab_cache *sc;

	lockdep_assert_held(&hp->mutex);
	quarry_classes_walk(hp, fn, arg);
	list_for_each_entry(sc, &hp->caches, node)
		fn(sc, arg);
}

/* === Draining === */

static void detach_cache(struct quarry_slab_cache *sc, void *unused)
{
	if (sc->guard)
		quarry_guard_drain(sc);
	quarry_mags_detach(&sc->mags);
}

static void flush_cache(struct quarry_slab_cache *sc, void *unused)
{
	quarry_mags_flush(&sc->mags);
	quarry_slab_cache_free_empty(sc);
	cond_resched();
}

static void walk_run_fronts(struct quarry_heap_priv *hp, void (*fn)(struct quarry_mags *mags))
{
	unsigned int k, order;

	for (k = 0; k < QUARRY_NR_KINDS; k++)
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++)
			fn(&hp->runs.fronts[k][order].mags);
}

/* Everything cached in pools, magazines, depots and empty slabs goes to the page heap. */
static void drain_heap(struct quarry_heap_priv *hp)
{
	lockdep_assert_held(&hp->mutex);
	/* To magazines first. */
	quarry_pools_shrink(hp);
	quarry_heap_walk_caches(hp, detach_cache, NULL);
	walk_run_fronts(hp, quarry_mags_detach);
	synchronize_rcu();
	quarry_heap_walk_caches(hp, flush_cache, NULL);
	walk_run_fronts(hp, quarry_mags_flush);
}

void quarry_heap_drain(struct quarry_heap_priv *hp)
{
	mutex_lock(&hp->mutex);
	drain_heap(hp);
	mutex_unlock(&hp->mutex);
}

/* Slabs of typesafe caches that a drain emptied come back after a grace period. */
static void wait_for_slabs(struct quarry_heap_priv *hp)
{
	if (atomic_long_read(&hp->pages.defer.waiting) > 0)
		rcu_barrier();
}

u64 quarry_heap_trim(struct quarry_heap *heap)
{
	struct quarry_heap_priv *hp = to_priv(heap);

	quarry_heap_drain(hp);
	return quarry_reclaim_trim(&hp->reclaim, ULONG_MAX, QUARRY_TRIM_REQUEST);
}
EXPORT_SYMBOL_GPL(quarry_heap_trim);

/*
 * Growth failed: what lies idle in magazines may help, and what waits for a grace period.
 * At most ten times a second, or as often as one ends.
 */
static bool relieve(struct quarry_pages *pages)
{
	struct quarry_heap_priv *hp = container_of(pages, struct quarry_heap_priv, pages);
	/* Who is freeing memory does not wait that long. */
	bool waiting = !(current->flags & PF_MEMALLOC) && quarry_heap_is_waiting(hp);

	if (!waiting && time_before(jiffies, READ_ONCE(hp->relieved) + HZ / 10))
		return false;
	if (waiting)
		quarry_heap_wait(hp);
	mutex_lock(&hp->mutex);
	/* Whoever waited for another one's drain has what that one freed. */
	if (waiting || !time_before(jiffies, hp->relieved + HZ / 10)) {
		drain_heap(hp);
		WRITE_ONCE(hp->relieved, jiffies);
	}
	mutex_unlock(&hp->mutex);
	if (!(current->flags & PF_MEMALLOC))
		wait_for_slabs(hp);
	quarry_reclaim_trim(&hp->reclaim, ULONG_MAX, QUARRY_TRIM_LIMIT);
	return true;
}

static void notify(struct quarry_pages *pages)
{
	struct quarry_heap_priv *hp = container_of(pages, struct quarry_heap_priv, pages);

	quarry_reclaim_notify(&hp->reclaim);
	quarry_pressure_notify(&hp->pressure);
}

static void assist(struct quarry_pages *pages, unsigned long nr_pages)
{
	struct quarry_heap_priv *hp = container_of(pages, struct quarry_heap_priv, pages);

	quarry_pressure_assist(&hp->pressure, nr_pages);
}

static bool wait(struct quarry_pages *pages)
{
	struct quarry_heap_priv *hp = container_of(pages, struct quarry_heap_priv, pages);

	if (!quarry_heap_waits_too_much(hp))
		return false;
	quarry_heap_wait(hp);
	return true;
}

static void failed(struct quarry_pages *pages, unsigned long nr_pages, gfp_t gfp)
{
	struct quarry_heap_priv *hp = container_of(pages, struct quarry_heap_priv, pages);

	quarry_failure_record(&hp->failure, nr_pages, gfp);
}

static bool cool(struct quarry_pages *pages)
{
	return quarry_runs_cool(&container_of(pages, struct quarry_heap_priv, pages)->runs);
}

static void pressed(struct quarry_pages *pages)
{
	quarry_pools_press(container_of(pages, struct quarry_heap_priv, pages));
}

static void starve(struct quarry_pages *pages)
{
	struct quarry_heap_priv *hp = container_of(pages, struct quarry_heap_priv, pages);

	quarry_refill_wake(&hp->refill);
}

static void drain_for_pressure(struct quarry_pressure *pressure)
{
	quarry_heap_drain(container_of(pressure, struct quarry_heap_priv, pressure));
}

static void fall_back(struct quarry_pages *pages)
{
	quarry_heap_fall_back(container_of(pages, struct quarry_heap_priv, pages));
}

int quarry_heap_add_reclaimer(struct quarry_heap *heap, struct quarry_reclaimer *reclaimer)
{
	return quarry_pressure_add(&to_priv(heap)->pressure, reclaimer);
}
EXPORT_SYMBOL_GPL(quarry_heap_add_reclaimer);

void quarry_heap_remove_reclaimer(struct quarry_heap *heap, struct quarry_reclaimer *reclaimer)
{
	quarry_pressure_remove(&to_priv(heap)->pressure, reclaimer);
}
EXPORT_SYMBOL_GPL(quarry_heap_remove_reclaimer);

static void drain_cache_of_dead(struct quarry_slab_cache *sc, void *arg)
{
	quarry_mags_drain_dead(&sc->mags, *(unsigned int *)arg);
}

static void drain_heap_of_dead(struct quarry_heap_priv *hp, unsigned int cpu)
{
	unsigned int k, order;

	mutex_lock(&hp->mutex);
	quarry_heap_walk_caches(hp, drain_cache_of_dead, &cpu);
	for (k = 0; k < QUARRY_NR_KINDS; k++)
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++)
			quarry_mags_drain_dead(&hp->runs.fronts[k][order].mags, cpu);
	mutex_unlock(&hp->mutex);
}

static int cpu_dead(unsigned int cpu)
{
	struct quarry_heap_priv *hp;

	mutex_lock(&heaps_mutex);
	list_for_each_entry(hp, &heaps, node)
		drain_heap_of_dead(hp, cpu);
	mutex_unlock(&heaps_mutex);
	return 0;
}

/* === Caches of users === */

static int check_cache_params(const char *name, size_t size, size_t align, unsigned int flags,
			      void (*ctor)(void *obj))
{
	const char *what = NULL;

	if (!name || !*name || strlen(name) >= QUARRY_NAME_SIZE)
		what = "name has to be 1 to 31 characters";
	else if (!size || size > QUARRY_CACHE_MAX_SIZE)
		what = "size has to be 1 to 262144 bytes";
	else if (size < 8 && !(flags & QUARRY_DATA))
		what = "objects below 8 bytes need QUARRY_DATA";
	else if (align && (!is_power_of_2(align) || align > PAGE_SIZE))
		what = "align has to be 0 or a power of two up to the page size";
	else if (flags & ~(QUARRY_DATA | QUARRY_HWCACHE_ALIGN | QUARRY_ZEROED |
			   QUARRY_TYPESAFE_BY_RCU))
		what = "unknown flags";
	else if ((flags & QUARRY_TYPESAFE_BY_RCU) && (flags & QUARRY_ZEROED))
		what = "QUARRY_ZEROED excludes QUARRY_TYPESAFE_BY_RCU";
	else if (ctor && (flags & QUARRY_ZEROED))
		what = "QUARRY_ZEROED excludes a constructor";
	if (!what)
		return 0;
	quarry_report("cache %.31s (size %zu, align %zu, flags %#x): %s\n",
		      name ?: "(null)", size, align, flags, what);
	return -EINVAL;
}

struct quarry_cache *quarry_cache_create_site(struct quarry_heap *heap, const char *name,
					      size_t size, size_t align, unsigned int flags,
					      void (*ctor)(void *obj),
					      const struct quarry_site *site)
{
	struct quarry_heap_priv *hp = to_priv(heap);
	struct quarry_slab_cache *sc;
	int ret;

	might_sleep();
	ret = check_cache_params(name, size, align, flags, ctor);
	if (ret)
		return ERR_PTR(ret);
	sc = quarry_slab_cache_alloc(&hp->pages, GFP_KERNEL);
	if (!sc)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&hp->mutex);
	quarry_slab_cache_init(sc, &hp->pages, name, size, align, flags, ctor, magazine_bytes(hp));
	sc->heap = heap;
	sc->site = site;
	list_add_tail(&sc->node, &hp->caches);
	mutex_unlock(&hp->mutex);
	return &sc->cache;
}
EXPORT_SYMBOL_GPL(quarry_cache_create_site);

/* Nobody uses it any more. */
static void report_live(struct quarry_slab_cache *sc)
{
	unsigned long live = sc->nr_objs - sc->nr_free;

	if (!live)
		return;
	if (sc->site)
		quarry_report("cache %s (made in %s, %s:%u) destroyed with %lu objects of %u B\n",
			      sc->name, sc->site->function, sc->site->file, sc->site->line, live,
			      sc->size);
	else
		quarry_report("size class %s destroyed with %lu objects of %u bytes\n",
			      sc->name, live, sc->size);
	quarry_owners_report(to_priv(sc->heap), sc);
}

static void fini_cache(struct quarry_slab_cache *sc, void *unused)
{
	report_live(sc);
	quarry_slab_cache_fini(sc);
}

void quarry_cache_destroy(struct quarry_cache *cache)
{
	struct quarry_slab_cache *sc;
	struct quarry_heap_priv *hp;

	if (IS_ERR_OR_NULL(cache))
		return;
	sc = to_slab_cache(cache);
	hp = to_priv(sc->heap);
	if (sc->mags.deferred)
		quarry_heap_settle(hp);
	mutex_lock(&hp->mutex);
	list_del(&sc->node);
	detach_cache(sc, NULL);
	synchronize_rcu();
	quarry_mags_flush(&sc->mags);
	mutex_unlock(&hp->mutex);
	fini_cache(sc, NULL);
	/* Whoever frees one of its objects twice may still look at it. */
	synchronize_rcu();
	quarry_slab_cache_free(sc);
}
EXPORT_SYMBOL_GPL(quarry_cache_destroy);

void quarry_cache_shrink(struct quarry_cache *cache)
{
	struct quarry_slab_cache *sc = to_slab_cache(cache);
	struct quarry_heap_priv *hp = to_priv(sc->heap);

	mutex_lock(&hp->mutex);
	detach_cache(sc, NULL);
	synchronize_rcu();
	flush_cache(sc, NULL);
	mutex_unlock(&hp->mutex);
}
EXPORT_SYMBOL_GPL(quarry_cache_shrink);

/* === Creating heaps === */

static int check_heap_params(const struct quarry_heap_params *p)
{
	const char *what = NULL;

	if (!p->name || !*p->name || strlen(p->name) >= QUARRY_NAME_SIZE || strchr(p->name, '/') ||
	    !strcmp(p->name, "fault") || !strcmp(p->name, "escapes"))
		what = "name has to be 1 to 31 characters without '/', and not fault or escapes";
	else if (p->backing && p->backing_size < SZ_64K)
		what = "backing_size has to be at least 65536 bytes";
	else if (p->backing_size && !p->backing)
		what = "backing_size needs a backing";
	else if (p->backing && PAGE_ALIGN(p->reserve) > p->backing_size)
		what = "reserve, in whole pages, has to be at most backing_size";
	else if (p->node != NUMA_NO_NODE && (p->node < 0 || p->node >= nr_node_ids ||
					     !node_online(p->node)))
		what = "node has to be NUMA_NO_NODE or an online node";
	else if (p->flags & ~(QUARRY_HEAP_TRACK | QUARRY_HEAP_HARDENED))
		what = "flags has to be of QUARRY_HEAP_TRACK, QUARRY_HEAP_HARDENED";
	if (!what)
		return 0;
	quarry_report("heap %.31s (node %d): %s\n", p->name ?: "(null)", p->node, what);
	return -EINVAL;
}

/* What is too large for a knob is negative there and refused all the same. */
static void get_knobs(struct quarry_knobs *knobs, const struct quarry_heap_params *p)
{
	knobs->value[QUARRY_KNOB_LIMIT] = p->limit;
	knobs->value[QUARRY_KNOB_SOFT_LIMIT] = p->soft_limit;
	knobs->value[QUARRY_KNOB_RESERVE] = p->reserve;
	knobs->value[QUARRY_KNOB_DECAY_MS] = p->decay_ms;
	knobs->value[QUARRY_KNOB_MAGAZINE_ORDER] = p->magazine_order;
	knobs->value[QUARRY_KNOB_MAGAZINE_BYTES] =
		p->magazine_bytes ?: quarry_knob_default(QUARRY_KNOB_MAGAZINE_BYTES);
	knobs->value[QUARRY_KNOB_CPU_BYTES] =
		p->cpu_bytes ?: quarry_knob_default(QUARRY_KNOB_CPU_BYTES);
}

static int add_heap(struct quarry_heap_priv *hp)
{
	struct quarry_heap_priv *other;
	int ret = 0;

	mutex_lock(&heaps_mutex);
	list_for_each_entry(other, &heaps, node)
		if (!strcmp(other->name, hp->name))
			ret = -EEXIST;
	if (!ret)
		list_add_tail(&hp->node, &heaps);
	mutex_unlock(&heaps_mutex);
	return ret;
}

static void remove_heap(struct quarry_heap_priv *hp)
{
	mutex_lock(&heaps_mutex);
	list_del(&hp->node);
	mutex_unlock(&heaps_mutex);
}

/* Who is hardened tracks, so that each report can name who allocated. */
static unsigned int get_guards(const struct quarry_heap_params *p)
{
	unsigned int guards = p->flags;

	if (READ_ONCE(quarry_track_all))
		guards |= QUARRY_HEAP_TRACK;
	if (READ_ONCE(quarry_harden_all))
		guards |= QUARRY_HEAP_HARDENED;
	return guards & QUARRY_HEAP_HARDENED ? guards | QUARRY_HEAP_TRACK : guards;
}

static int init_heap(struct quarry_heap_priv *hp, const struct quarry_heap_params *params,
		     const struct quarry_knobs *knobs, struct quarry_backing *backing)
{
	int ret;

	hp->knobs = *knobs;
	mutex_init(&hp->tune_mutex);
	strscpy(hp->name, params->name, sizeof(hp->name));
	ret = quarry_pages_init(&hp->pages, params->node, params->limit, params->soft_limit,
				params->reserve, backing);
	if (ret)
		return ret;
	ret = quarry_budget_init(&hp->pages.budget, knobs->value[QUARRY_KNOB_CPU_BYTES]);
	if (ret) {
		quarry_pages_fini(&hp->pages);
		return ret;
	}
	init_deferrals(hp);
	hp->pages.guards = get_guards(params);
	hp->pages.name = hp->name;
	hp->pages.relieve = relieve;
	hp->pages.notify = notify;
	hp->pages.starve = starve;
	hp->pages.pressed = pressed;
	hp->pages.cool = cool;
	hp->pages.fall_back = fall_back;
	hp->pages.assist = assist;
	hp->pages.wait = wait;
	hp->pages.failed = failed;
	quarry_reclaim_init(&hp->reclaim, &hp->pages, params->decay_ms);
	quarry_pressure_init(&hp->pressure, &hp->reclaim, drain_for_pressure);
	quarry_failure_init(&hp->failure);
	quarry_refill_init(&hp->refill, &hp->pages);
	hp->relieved = jiffies - HZ;
	quarry_runs_init(&hp->runs, &hp->pages, &hp->heap,
			 knobs->value[QUARRY_KNOB_MAGAZINE_ORDER], magazine_bytes(hp));
	mutex_init(&hp->mutex);
	INIT_LIST_HEAD(&hp->caches);
	INIT_LIST_HEAD(&hp->rings);
	raw_spin_lock_init(&hp->arenas_lock);
	INIT_LIST_HEAD(&hp->arenas);
	INIT_LIST_HEAD(&hp->pools);
	return 0;
}

struct quarry_heap *quarry_heap_create_site(const struct quarry_heap_params *params,
					    struct module *owner, const struct quarry_site *site)
{
	struct quarry_backing *backing = NULL;
	struct quarry_heap_priv *hp;
	struct quarry_knobs knobs;
	unsigned long got = 0;
	int ret;

	might_sleep();
	get_knobs(&knobs, params);
	ret = check_heap_params(params) ?: quarry_classes_check(params) ?:
	      quarry_knobs_check(params->name, &knobs, QUARRY_KNOB_ANY);
	if (ret)
		return ERR_PTR(ret);
	if (quarry_fault(QUARRY_FAULT_HEAP, sizeof(*hp)))
		return ERR_PTR(-ENOMEM);
	hp = kzalloc(sizeof(*hp), GFP_KERNEL);
	if (!hp)
		return ERR_PTR(-ENOMEM);
	ret = quarry_classes_init(hp, params);
	if (ret)
		goto err_free;
	if (params->backing) {
		backing = quarry_backing_create(params->name, params->backing,
						params->backing_size);
		ret = PTR_ERR_OR_ZERO(backing);
		if (ret)
			goto err_free;
	}
	ret = init_heap(hp, params, &knobs, backing);
	if (ret)
		goto err_backing;
	hp->owner = owner;
	hp->site = site;
	ret = quarry_pages_fill_reserve(&hp->pages, &got);
	if (ret)
		goto err_pages;
	ret = add_heap(hp);
	if (ret)
		goto err_pages;
	quarry_reclaim_start(&hp->reclaim);
	quarry_debugfs_add(hp);
	return &hp->heap;

err_pages:
	/* The reserve may have been used up and the refill worker called. */
	quarry_refill_stop(&hp->refill);
	quarry_defer_stop(&hp->pages.defer);
	quarry_pages_put_all(&hp->pages);
	rcu_barrier();
	quarry_pages_fini(&hp->pages);
err_backing:
	quarry_backing_destroy(backing);
err_free:
	quarry_classes_fini(hp);
	kfree(hp);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(quarry_heap_create_site);

/* === Destroying heaps === */

static void fini_caches(struct quarry_heap_priv *hp)
{
	struct quarry_slab_cache *sc;

	list_for_each_entry(sc, &hp->caches, node) {
		quarry_report("heap %s destroyed with cache %s (made in %s, %s:%u)\n", hp->name,
			      sc->name, sc->site->function, sc->site->file, sc->site->line);
		fini_cache(sc, NULL);
	}
	quarry_classes_walk(hp, fini_cache, NULL);
}

static void free_cache(struct quarry_slab_cache *sc, void *unused)
{
	quarry_slab_cache_free(sc);
}

static void free_caches(struct quarry_heap_priv *hp)
{
	struct quarry_slab_cache *sc, *next;

	list_for_each_entry_safe(sc, next, &hp->caches, node)
		quarry_slab_cache_free(sc);
	quarry_classes_walk(hp, free_cache, NULL);
	quarry_classes_fini(hp);
}

static void destroy_heap(struct quarry_heap_priv *hp)
{
	unsigned long pages, lost;

	/* What was freed for after a grace period is back. */
	quarry_heap_settle(hp);
	rcu_barrier();
	quarry_arenas_settle();
	quarry_debugfs_remove(hp);
	remove_heap(hp);
	quarry_pressure_stop(&hp->pressure);
	quarry_reclaim_stop(&hp->reclaim);
	/* Nobody is left who allocates, not even a reclaimer. */
	quarry_refill_stop(&hp->refill);
	quarry_defer_stop(&hp->pages.defer);
	/* Who lets hot runs go may have been about to queue one that was stopped by then. */
	cancel_delayed_work_sync(&hp->pressure.work);
	cancel_delayed_work_sync(&hp->reclaim.work);
	quarry_failure_fini(&hp->failure);
	quarry_rings_destroy(hp);
	quarry_arenas_destroy(hp);
	quarry_pools_destroy(hp);
	mutex_lock(&hp->mutex);
	drain_heap(hp);
	mutex_unlock(&hp->mutex);
	fini_caches(hp);
	pages = quarry_runs_nr_live(&hp->runs);
	if (pages)
		quarry_report("heap %s (made in %s, %s:%u) destroyed with %lu pages allocated\n",
			      hp->name, hp->site->function, hp->site->file, hp->site->line, pages);
	if (pages)
		quarry_owners_report(hp, NULL);
	/* Slabs of typesafe caches. */
	if (hp->pages.defer.used)
		rcu_barrier();
	quarry_pages_put_all(&hp->pages);
	/* Lookups of what was freed before have ended; descriptors are back. */
	rcu_barrier();
	free_caches(hp);
	quarry_runs_fini(&hp->runs);
	quarry_pages_fini(&hp->pages);
	quarry_backing_destroy(hp->pages.backing);
	lost = hp->pages.nr_lost;
	if (lost)
		quarry_report("heap %s: %lu pages lost\n", hp->name, lost);
	mutex_destroy(&hp->tune_mutex);
	mutex_destroy(&hp->mutex);
	kfree(hp);
}

void quarry_heap_destroy(struct quarry_heap *heap)
{
	if (IS_ERR_OR_NULL(heap))
		return;
	if (heap == &default_heap->heap) {
		quarry_report("the default heap cannot be destroyed\n");
		return;
	}
	destroy_heap(to_priv(heap));
}
EXPORT_SYMBOL_GPL(quarry_heap_destroy);

struct quarry_heap *quarry_default_heap(void)
{
	return &default_heap->heap;
}
EXPORT_SYMBOL_GPL(quarry_default_heap);

/* === Numbers === */

static void add_live_bytes(struct quarry_slab_cache *sc, void *arg)
{
	struct quarry_mags_stats stats;

	quarry_mags_get_stats(&sc->mags, &stats);
	*(u64 *)arg += (u64)quarry_mags_nr_live(&stats) * sc->size;
}

void quarry_heap_get_stats(struct quarry_heap *heap, struct quarry_heap_stats *stats)
{
	struct quarry_heap_priv *hp = to_priv(heap);
	struct quarry_pages *pages = &hp->pages;
	unsigned long flags, cached, runs;

	memset(stats, 0, sizeof(*stats));
	mutex_lock(&hp->mutex);
	quarry_heap_walk_caches(hp, add_live_bytes, &stats->allocated);
	stats->allocated += quarry_pools_used(hp);
	/* Chunks of arenas and pools are runs too; what counts is what those handed out. */
	runs = quarry_runs_nr_live(&hp->runs);
	runs -= min_t(unsigned long, runs, atomic_long_read(&hp->arena_pages) +
					   atomic_long_read(&hp->pool_pages));
	stats->allocated += (u64)runs << PAGE_SHIFT;
	stats->allocated += quarry_arenas_used(hp);
	cached = quarry_runs_nr_cached(&hp->runs);

	raw_spin_lock_irqsave(&pages->lock, flags);
	stats->active = (u64)(pages->nr_used - min(cached, pages->nr_used)) << PAGE_SHIFT;
	stats->mapped = (u64)pages->nr_mapped << PAGE_SHIFT;
	stats->mapped_peak = (u64)pages->nr_mapped_peak << PAGE_SHIFT;
	stats->active_peak = (u64)pages->nr_used_peak << PAGE_SHIFT;
	stats->lost = (u64)pages->nr_lost << PAGE_SHIFT;
	stats->nr_extents = pages->nr_extents;
	stats->nr_extent_allocs = pages->nr_extent_allocs;
	stats->nr_kernel_calls = pages->nr_kernel_calls;
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	mutex_unlock(&hp->mutex);
	stats->metadata = (u64)READ_ONCE(pages->meta.nr_pages) << PAGE_SHIFT;
	stats->resident = stats->mapped + stats->metadata;
	stats->waiting = max(atomic_long_read(&pages->defer.waiting), 0L);
	stats->decayed = (u64)READ_ONCE(hp->reclaim.nr_decayed) << PAGE_SHIFT;
	stats->shrunk = (u64)READ_ONCE(hp->reclaim.nr_shrunk) << PAGE_SHIFT;
	stats->trimmed = (u64)READ_ONCE(hp->reclaim.nr_trimmed) << PAGE_SHIFT;
	stats->reclaimed = (u64)READ_ONCE(hp->reclaim.nr_reclaimed) << PAGE_SHIFT;
	stats->limit = READ_ONCE(pages->limit);
	stats->soft_limit = READ_ONCE(pages->soft_limit);
	stats->reserve = READ_ONCE(pages->reserve);
}
EXPORT_SYMBOL_GPL(quarry_heap_get_stats);

struct verify_arg {
	unsigned long slab_pages;
	int ret;
};

static void verify_cache(struct quarry_slab_cache *sc, void *arg)
{
	struct verify_arg *v = arg;

	v->slab_pages += sc->nr_pages;
	v->ret = v->ret ?: quarry_slab_cache_verify(sc);
}

/* True if it may be different when what waits now has been freed. */
static bool verify_once(struct quarry_heap_priv *hp, bool last, int *ret)
{
	unsigned long runs, nr_used;
	struct verify_arg v = {};

	quarry_heap_settle(hp);
	/* No worker has a run in hand that was hot; it may need the mutex. */
	quarry_refill_flush(&hp->refill);
	/* A tick may give slabs back meanwhile. */
	mutex_lock(&hp->mutex);
	quarry_heap_walk_caches(hp, verify_cache, &v);
	if (!v.ret)
		v.ret = quarry_classes_verify(hp) ?: quarry_pools_verify(hp) ?:
			quarry_rings_verify(hp) ?: quarry_pages_verify(&hp->pages);
	/* Chunks of arenas and pools are among the runs. */
	mutex_lock(&hp->reclaim.mutex);
	runs = quarry_runs_nr_live(&hp->runs) + quarry_runs_nr_cached(&hp->runs);
	nr_used = hp->pages.nr_used;
	mutex_unlock(&hp->reclaim.mutex);
	mutex_unlock(&hp->mutex);
	*ret = v.ret;
	if (v.ret || nr_used == v.slab_pages + runs)
		return false;
	/* A tick was there in between, and slabs of typesafe caches are on their way. */
	if (!last && atomic_long_read(&hp->pages.defer.waiting) > 0)
		return true;
	quarry_report("heap %s: %lu pages in use, but %lu in slabs and %lu in runs\n", hp->name,
		      nr_used, v.slab_pages, runs);
	*ret = -EUCLEAN;
	return false;
}

int quarry_heap_verify(struct quarry_heap *heap)
{
	struct quarry_heap_priv *hp = to_priv(heap);
	unsigned int tries = 3;
	int ret;

	while (verify_once(hp, !--tries, &ret))
		;
	return ret;
}
EXPORT_SYMBOL_GPL(quarry_heap_verify);

/* === Module === */

void quarry_heaps_walk(void (*fn)(struct quarry_heap_priv *hp, void *arg), void *arg)
{
	struct quarry_heap_priv *hp;

	mutex_lock(&heaps_mutex);
	list_for_each_entry(hp, &heaps, node)
		fn(hp, arg);
	mutex_unlock(&heaps_mutex);
}

int quarry_heap_global_init(const struct quarry_knobs *knobs)
{
	const struct quarry_heap_params params = {
		.name = "default",
		.node = NUMA_NO_NODE,
		.limit = knobs->value[QUARRY_KNOB_LIMIT],
		.soft_limit = knobs->value[QUARRY_KNOB_SOFT_LIMIT],
		.reserve = knobs->value[QUARRY_KNOB_RESERVE],
		.decay_ms = knobs->value[QUARRY_KNOB_DECAY_MS],
		.magazine_order = knobs->value[QUARRY_KNOB_MAGAZINE_ORDER],
		.magazine_bytes = knobs->value[QUARRY_KNOB_MAGAZINE_BYTES],
		.cpu_bytes = knobs->value[QUARRY_KNOB_CPU_BYTES],
	};
	struct quarry_heap *heap;
	int ret;

	quarry_classes_global_init();
	ret = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "quarry:prepare", NULL, cpu_dead);
	if (ret < 0)
		return ret;
	hotplug_state = ret;
	heap = quarry_heap_create(&params);
	if (IS_ERR(heap)) {
		cpuhp_remove_state_nocalls(hotplug_state);
		return PTR_ERR(heap);
	}
	default_heap = to_priv(heap);
	return 0;
}

void quarry_heap_global_exit(void)
{
	struct quarry_heap_priv *hp, *next;

	cpuhp_remove_state_nocalls(hotplug_state);
	default_heap = NULL;
	/* Modules that use us are gone; heaps that they left behind were reported then. */
	list_for_each_entry_safe(hp, next, &heaps, node)
		destroy_heap(hp);
}
