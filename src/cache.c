// SPDX-License-Identifier: GPL-2.0
/*
 * Caches: where the magazines of one kind of object are refilled from and
 * drained to.
 *
 *	mags ──refill──> fullest partial slab, empty slab, new slab ──> page heap
 *	mags <──drain─── each object's slab, found by its page
 *
 * Partial slabs hang in four lists per node by quarters of use; a refill takes from the
 * fullest, so that the others drain and go back.  One slab without objects in
 * use is kept, the next one goes back to the page heap.
 *
 * A free that the slow path sees is checked: the page must belong to a slab of
 * this cache, the address be the start of an object, the object not be free in
 * its slab.  What is refused is reported and changes nothing.
 *
 * Locking: cache->lock, irq-safe, for at most BATCH objects at a time.  The
 * page heap and the metadata allocator are called without it; a new slab is
 * filled from before it is put on a list, so that who made it gets its objects.
 *
 * Invariants (quarry_slab_cache_verify()): each slab is on the list that its
 * nr_free says; nr_slabs, nr_pages, nr_objs and nr_free are the sums over all
 * slabs; nr_objs - nr_free = objects in magazines, depots and with users.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/cache.h>
#include <linux/instruction_pointer.h>
#include <linux/minmax.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "cache.h"
#include "fault.h"
#include "internal.h"

#define BATCH		32	/* objects per lock hold */
#define MAX_EMPTY	1	/* empty slabs kept; more would bounce less but hold more */
#define NR_SMALL	2	/* a cache is small until it has so many slabs' worth of pages */
#define NR_LARGE	16	/* and large from so many of the large slabs on */

static struct quarry_slab_cache *mags_to_cache(struct quarry_mags *mags)
{
	return container_of(mags, struct quarry_slab_cache, mags);
}

/* === Lists === */

static unsigned int list_for(const struct quarry_slab *slab)
{
	unsigned int nr = slab->nr_objs, used;

	if (!slab->nr_free)
		return QUARRY_SLABS_FULL;
	if (slab->nr_free == nr)
		return QUARRY_SLABS_EMPTY;
	/* Of each object that is freed: no division. */
	used = 4 * (nr - slab->nr_free);
	return QUARRY_SLABS_PARTIAL + (used >= nr) + (used >= 2 * nr) + (used >= 3 * nr);
}

static void link_slab(struct quarry_slab_cache *sc, struct quarry_slab *slab)
{
	lockdep_assert_held(&sc->lock);
	slab->list = list_for(slab);
	list_add(&slab->node, &sc->nodes[slab->extent->node].slabs[slab->list]);
	sc->nr_empty += slab->list == QUARRY_SLABS_EMPTY;
}

static void unlink_slab(struct quarry_slab_cache *sc, struct quarry_slab *slab)
{
	lockdep_assert_held(&sc->lock);
	list_del_init(&slab->node);
	sc->nr_empty -= slab->list == QUARRY_SLABS_EMPTY;
}

static void relink_slab(struct quarry_slab_cache *sc, struct quarry_slab *slab)
{
	if (slab->list == list_for(slab))
		return;
	unlink_slab(sc, slab);
	link_slab(sc, slab);
}

static void account_slab(struct quarry_slab_cache *sc, const struct quarry_slab *slab, int sign)
{
	lockdep_assert_held(&sc->lock);
	sc->nr_slabs += sign;
	sc->nr_pages += sign * (1L << slab->order);
	sc->nr_objs += sign * (long)slab->nr_objs;
	sc->nr_free += sign * (long)slab->nr_free;
}

/* === Slabs come and go; no lock held === */

static struct quarry_slab *create_slab(struct quarry_slab_cache *sc,
				       const struct quarry_pages_want *want,
				       enum quarry_layer *layer)
{
	size_t desc_size = quarry_slab_desc_size(&sc->layout, want->order);
	struct quarry_slab *slab;
	void *base;

	slab = quarry_meta_alloc(&sc->pages->meta, desc_size,
				 (want->gfp & ~__GFP_THISNODE) | __GFP_NOWARN);
	if (!slab)
		return NULL;
	base = quarry_pages_alloc(sc->pages, want, layer);
	if (!base) {
		quarry_meta_free(&sc->pages->meta, slab, desc_size);
		return NULL;
	}
	quarry_slab_init(slab, sc, &sc->layout, base, want->order);
	quarry_front_follow(&slab->front, &sc->cache.front);
	slab->meta = &sc->pages->meta;
	slab->desc_size = desc_size;
	return slab;
}

/* Before the first object is handed out; false if there is no constructor any more. */
static bool prepare_slab(struct quarry_slab_cache *sc, struct quarry_slab *slab)
{
	void (*ctor)(void *obj);
	unsigned int i;
	bool dead;

	if (sc->guard)
		quarry_guard_prepare(sc, slab);
	/* A constructor's module waits for this section before it goes. */
	rcu_read_lock();
	ctor = READ_ONCE(sc->ctor);
	/* Pairs with smp_wmb() in disown_cache(). */
	smp_rmb();
	dead = READ_ONCE(sc->dead);
	for (i = 0; ctor && i < slab->nr_objs; i++)
		ctor(slab->base + (size_t)i * sc->layout.stride);
	rcu_read_unlock();
	if (dead)
		return false;
	quarry_slab_claim(slab);
	return true;
}

static void free_descriptor(struct rcu_head *rcu)
{
	struct quarry_slab *slab = container_of(rcu, struct quarry_slab, rcu);

	quarry_meta_free(slab->meta, slab, slab->desc_size);
}

static void free_pages_of(struct quarry_slab *slab, bool wipe)
{
	if (wipe)
		memset(slab->base, 0, PAGE_SIZE << slab->order);
	quarry_pages_free(slab->extent, slab->base, 1UL << slab->order);
}

/* Nothing of the cache is used: it may be gone. */
static void free_typesafe(struct rcu_head *rcu)
{
	struct quarry_slab *slab = container_of(rcu, struct quarry_slab, rcu);

	struct quarry_defer *defer = &slab->extent->pages->defer;
	unsigned long bytes = PAGE_SIZE << slab->order;

	free_pages_of(slab, want_init_on_free());
	free_descriptor(rcu);
	/* Who finds that nothing waits finds it free. */
	atomic_long_sub(bytes, &defer->waiting);
}

/*
 * The slab is on no list.  Its pages go at once, or after a grace period if readers may
 * still look at its objects, its descriptor after a grace period: who looks up a pointer
 * that was freed already may still read it.
 */
static void destroy_slab(struct quarry_slab_cache *sc, struct quarry_slab *slab)
{
	quarry_slab_unclaim(slab);
	if (sc->flags & QUARRY_TYPESAFE_BY_RCU) {
		WRITE_ONCE(sc->pages->defer.used, true);
		atomic_long_add(PAGE_SIZE << slab->order, &sc->pages->defer.waiting);
		quarry_call_rcu(&slab->rcu, free_typesafe);
		return;
	}
	/* Constructed objects were not wiped when they were freed. */
	free_pages_of(slab, want_init_on_free() && !sc->cache.zero_size);
	call_rcu(&slab->rcu, free_descriptor);
}

static void destroy_slabs(struct quarry_slab_cache *sc, struct list_head *list)
{
	struct quarry_slab *slab, *next;

	list_for_each_entry_safe(slab, next, list, node)
		destroy_slab(sc, slab);
}

/* === Refill === */

static struct quarry_slab *fullest_slab(struct quarry_slab_cache *sc, int node)
{
	struct list_head *slabs = sc->nodes[node].slabs;
	int list;

	lockdep_assert_held(&sc->lock);
	for (list = QUARRY_SLABS_EMPTY - 1; list >= QUARRY_SLABS_PARTIAL; list--)
		if (!list_empty(&slabs[list]))
			return list_first_entry(&slabs[list], struct quarry_slab, node);
	return list_first_entry_or_null(&slabs[QUARRY_SLABS_EMPTY], struct quarry_slab, node);
}

/* Nobody else has the slab, or the lock is held. */
static unsigned int take_objs(struct quarry_slab_cache *sc, struct quarry_slab *slab, void **objs,
			      unsigned int nr)
{
	return sc->guard ? quarry_guard_take(sc, slab, objs, nr) :
			   quarry_slab_take(slab, &sc->layout, objs, nr);
}

static unsigned int take_locked(struct quarry_slab_cache *sc, int node, void **objs,
				unsigned int nr)
{
	struct quarry_slab *slab;
	unsigned int got = 0, n;

	while (got < nr) {
		slab = fullest_slab(sc, node);
		if (!slab)
			break;
		n = take_objs(sc, slab, objs + got, nr - got);
		sc->nr_free -= n;
		got += n;
		relink_slab(sc, slab);
	}
	return got;
}

/* From slabs of one node. */
static unsigned int refill_from_slabs(struct quarry_slab_cache *sc, int node, void **objs,
				      unsigned int nr)
{
	unsigned int got = 0, n, want;
	unsigned long flags;

	do {
		want = min_t(unsigned int, nr - got, BATCH);
		raw_spin_lock_irqsave(&sc->lock, flags);
		n = take_locked(sc, node, objs + got, want);
		raw_spin_unlock_irqrestore(&sc->lock, flags);
		got += n;
	} while (n == want && got < nr);
	return got;
}

/* From slabs of any other node, the nearest first. */
static unsigned int refill_from_others(struct quarry_slab_cache *sc, int node, void **objs,
				       unsigned int nr)
{
	/* A glance: nodes are only added. */
	nodemask_t left = data_race(sc->pages->holders);
	unsigned int got = 0;
	int other;

	node_clear(node, left);
	while (!got && !nodes_empty(left)) {
		other = quarry_nearest_node(node, &left);
		got = refill_from_slabs(sc, other, objs, nr);
		node_clear(other, left);
	}
	return got;
}

static unsigned int order_wanted(const struct quarry_slab_cache *sc)
{
	const struct quarry_slab_layout *layout = &sc->layout;
	unsigned long nr_pages = READ_ONCE(sc->nr_pages);

	if (nr_pages < NR_SMALL << layout->order)
		return layout->small_order;
	return nr_pages < NR_LARGE << layout->large_order ? layout->order : layout->large_order;
}

static struct quarry_pages_want want_slab(const struct quarry_slab_cache *sc, unsigned int order,
					  gfp_t gfp, int node, bool near)
{
	struct quarry_pages_want want = quarry_pages_want(1UL << order, sc->kind, gfp);

	want.node = node;
	want.near = near;
	return want;
}

/* Of the order wanted; a heap does not grow for the sake of a large slab; or the smallest. */
static struct quarry_slab *create_some_slab(struct quarry_slab_cache *sc, gfp_t gfp, int node,
					    bool near, enum quarry_layer *layer)
{
	unsigned int order = order_wanted(sc);
	struct quarry_slab *slab = NULL;
	struct quarry_pages_want want;

	if (order > sc->layout.order) {
		want = want_slab(sc, order, gfp, node, near);
		want.mapped = true;
		slab = create_slab(sc, &want, layer);
		order = sc->layout.order;
	}
	if (!slab && sc->layout.min_order < order) {
		want = want_slab(sc, order, gfp | __GFP_NORETRY, node, near);
		slab = create_slab(sc, &want, layer);
	}
	if (!slab) {
		want = want_slab(sc, sc->layout.min_order, gfp, node, near);
		slab = create_slab(sc, &want, layer);
	}
	return slab;
}

/* A new slab with its first objects taken. */
static unsigned int refill_from_new(struct quarry_slab_cache *sc, void **objs, unsigned int nr,
				    gfp_t gfp, int node, bool near, enum quarry_layer *layer)
{
	struct quarry_slab *slab = create_some_slab(sc, gfp, node, near, layer);
	unsigned long flags;
	unsigned int got;

	if (!slab)
		return 0;
	if (!prepare_slab(sc, slab)) {
		destroy_slab(sc, slab);
		return 0;
	}
	got = take_objs(sc, slab, objs, nr);
	raw_spin_lock_irqsave(&sc->lock, flags);
	account_slab(sc, slab, 1);
	link_slab(sc, slab);
	raw_spin_unlock_irqrestore(&sc->lock, flags);
	return got;
}

/*
 * Slabs of the node, a new slab there for no effort, slabs of other nodes, a new slab
 * from anywhere.  Some objects are enough: it does not grow for the rest.
 */
static unsigned int refill(struct quarry_mags *mags, void **objs, unsigned int nr, gfp_t gfp,
			   int node, enum quarry_layer *layer)
{
	struct quarry_slab_cache *sc = mags_to_cache(mags);
	int home = node == NUMA_NO_NODE ? quarry_pages_home(sc->pages) : node;
	bool anywhere = nr_node_ids > 1 && !(gfp & __GFP_THISNODE);
	unsigned int got = refill_from_slabs(sc, home, objs, nr);

	if (got || READ_ONCE(sc->dead))
		return got;
	if (anywhere) {
		got = refill_from_new(sc, objs, nr, gfp, home, true, layer) ?:
		      refill_from_others(sc, home, objs, nr);
		if (got)
			return got;
	}
	got = refill_from_new(sc, objs, nr, gfp, node, false, layer);
	if (!got && sc->guard)
		quarry_guard_drain(sc);
	/* Others may have freed some meanwhile, or a drain for our sake. */
	got = got ?: refill_from_slabs(sc, home, objs, nr);
	return got || !anywhere ? got : refill_from_others(sc, home, objs, nr);
}

/* === Drain === */

/* A magazine had counted this free when it took it, or quarry_mags_free() did. */
static void uncount_free(struct quarry_slab_cache *sc)
{
	atomic_long_dec(&sc->mags.nr_free_below);
}

/*
 * The slab of an object of this cache, or NULL after a report.  @hint: one that it may well be,
 * which has not been given up, or NULL.
 */
static struct quarry_slab *owner_slab(struct quarry_slab_cache *sc, struct quarry_slab *hint,
				      const void *obj, int *index)
{
	struct quarry_slab *slab = hint;

	if (!slab || obj - slab->base >= PAGE_SIZE << slab->order)
		slab = quarry_slab_find(obj);
	if (!slab) {
		quarry_report("cache %s: free of %p, which is in no slab\n", sc->name, obj);
		return NULL;
	}
	if (slab->cache != sc) {
		quarry_report("cache %s: free of %p, which belongs to cache %s\n",
			      sc->name, obj, slab->cache->name);
		return NULL;
	}
	*index = quarry_slab_index(slab, &sc->layout, obj);
	if (*index < 0) {
		quarry_report("cache %s: free of %p, which is not the start of an object\n",
			      sc->name, obj);
		return NULL;
	}
	return slab;
}

/* Returns the slab, which is good for a guess while the lock is held, or NULL. */
static struct quarry_slab *give_locked(struct quarry_slab_cache *sc, struct quarry_slab *hint,
				       void *obj, struct list_head *emptied)
{
	struct quarry_slab *slab;
	int index;

	lockdep_assert_held(&sc->lock);
	slab = owner_slab(sc, hint, obj, &index);
	if (!slab) {
		uncount_free(sc);
		return NULL;
	}
	if (quarry_slab_is_pending(slab, index) || !quarry_slab_give(slab, index)) {
		quarry_report("cache %s: double free of %p\n", sc->name, obj);
		uncount_free(sc);
		return slab;
	}
	sc->nr_free++;
	relink_slab(sc, slab);
	if (slab->list == QUARRY_SLABS_EMPTY && sc->nr_empty > MAX_EMPTY) {
		unlink_slab(sc, slab);
		account_slab(sc, slab, -1);
		list_add(&slab->node, emptied);
	}
	return slab;
}

static void drain(struct quarry_mags *mags, void **objs, unsigned int nr)
{
	struct quarry_slab_cache *sc = mags_to_cache(mags);
	struct quarry_slab *slab;
	unsigned int i = 0, stop;
	unsigned long flags;
	LIST_HEAD(emptied);

	while (i < nr) {
		stop = min(nr, i + BATCH);
		slab = NULL;
		raw_spin_lock_irqsave(&sc->lock, flags);
		for (; i < stop; i++)
			slab = give_locked(sc, slab, objs[i], &emptied);
		raw_spin_unlock_irqrestore(&sc->lock, flags);
	}
	destroy_slabs(sc, &emptied);
}

/* === Frees that wait === */

static void defer_object(struct quarry_mags *mags, void *obj)
{
	struct quarry_slab_cache *sc = mags_to_cache(mags);
	struct quarry_slab *slab;
	int index;

	slab = owner_slab(sc, NULL, obj, &index);
	if (!slab)
		return;
	if (quarry_pending_set(&slab->pending, quarry_slab_frees(slab), index, mags->defer,
			       QUARRY_DEFER_SLABS))
		quarry_mags_count_deferred(mags);
	else
		quarry_report("cache %s: double free of %p\n", sc->name, obj);
}

static void wipe_object(struct quarry_mags *mags, void *obj)
{
	struct quarry_slab_cache *sc = mags_to_cache(mags);

	if (sc->guard)
		quarry_guard_wipe(sc, obj);
	else
		memset(obj, 0, sc->wipe_size);
}

/*
 * The slab stays as long as one of its objects was not given back, so one is held
 * back to the end.
 */
void quarry_slab_serve_pending(struct quarry_defer *defer, struct llist_node *node)
{
	struct quarry_slab *slab = container_of(node, struct quarry_slab, pending.node);
	unsigned int nr_words = quarry_slab_nr_words(slab), word, bit, nr = 0;
	struct quarry_slab_cache *sc = slab->cache;
	unsigned long *frees = quarry_slab_frees(slab), bits;
	void *objs[16], *last = NULL;

	for (word = 0; word < nr_words; word++) {
		bits = quarry_pending_take(&slab->pending, &frees[word]);
		for_each_set_bit(bit, &bits, BITS_PER_LONG) {
			objs[nr++] = slab->base +
				     (size_t)(word * BITS_PER_LONG + bit) * sc->layout.stride;
			if (!last)
				last = objs[--nr];
			if (nr < ARRAY_SIZE(objs))
				continue;
			quarry_mags_free_waited(&sc->mags, objs, nr);
			nr = 0;
		}
		cond_resched();
	}
	quarry_mags_free_waited(&sc->mags, objs, nr);
	quarry_pending_release(&slab->pending, frees, nr_words, defer, QUARRY_DEFER_SLABS);
	if (last)
		quarry_mags_free_waited(&sc->mags, &last, 1);
}

static const struct quarry_mags_ops cache_ops = {
	.refill = refill,
	.drain = drain,
	.node_of = quarry_extent_node_of,
	.defer = defer_object,
	.wipe = wipe_object,
};

/* === Setting up, tearing down === */

struct quarry_slab_cache *quarry_slab_cache_alloc(const struct quarry_pages *pages, gfp_t gfp)
{
	size_t size = struct_size_t(struct quarry_slab_cache, nodes, nr_node_ids);
	size_t guard_size = pages->guards ? sizeof(struct quarry_guard) : 0;
	struct quarry_slab_cache *sc;

	if (quarry_fault(QUARRY_FAULT_CACHE, size + guard_size))
		return NULL;
	sc = kzalloc_node(size + guard_size, gfp | __GFP_NOWARN, pages->node);
	if (sc && guard_size)
		sc->guard = (void *)sc + size;
	return sc;
}

void quarry_slab_cache_init(struct quarry_slab_cache *sc, struct quarry_pages *pages,
			    const char *name, size_t size, size_t align, unsigned int flags,
			    void (*ctor)(void *obj), unsigned int magazine_bytes)
{
	unsigned int i;
	int node;

	if (flags & QUARRY_HWCACHE_ALIGN)
		align = max_t(size_t, align, cache_line_size());
	sc->pages = pages;
	sc->size = size;
	sc->flags = flags;
	sc->kind = flags & QUARRY_DATA ? QUARRY_KIND_DATA : QUARRY_KIND_PTR;
	sc->ctor = ctor;
	sc->constructed = ctor;
	/* Constructed objects keep their state, typesafe ones have readers: nothing wipes them. */
	sc->wipe_size = ctor || (flags & QUARRY_TYPESAFE_BY_RCU) ? 0 : size;
	/* With a guard nothing is written to what may not even be an object. */
	sc->cache.zero_size = sc->guard ? 0 : sc->wipe_size;
	strscpy(sc->name, name, sizeof(sc->name));
	raw_spin_lock_init(&sc->lock);
	INIT_LIST_HEAD(&sc->node);
	for (node = 0; node < nr_node_ids; node++)
		for (i = 0; i < QUARRY_SLABS_NR_LISTS; i++)
			INIT_LIST_HEAD(&sc->nodes[node].slabs[i]);
	quarry_slab_layout_init(&sc->layout, size, align,
				quarry_guard_behind(pages->guards, size), sc->guard);
	/* Stays so if the cache is veiled. */
	sc->cache.front.cpu = quarry_cold_cpu;
	quarry_mags_init(&sc->mags, flags & QUARRY_ZEROED || sc->guard ? &sc->veiled :
								       &sc->cache.front,
			 &cache_ops, &pages->meta, sc->layout.stride, magazine_bytes);
	sc->mags.defer = &pages->defer;
	sc->mags.budget = pages->budget.cpu ? &pages->budget : NULL;
	sc->mags.wipes = sc->guard;
	if (sc->guard)
		quarry_guard_init(sc);
}

static void gather_from(struct quarry_slab_cache *sc, struct list_head *empty,
			struct list_head *list, unsigned int *nr)
{
	struct quarry_slab *slab, *next;

	lockdep_assert_held(&sc->lock);
	list_for_each_entry_safe(slab, next, empty, node) {
		if (*nr >= BATCH)
			break;
		unlink_slab(sc, slab);
		account_slab(sc, slab, -1);
		list_add(&slab->node, list);
		++*nr;
	}
}

static void gather_empty(struct quarry_slab_cache *sc, struct list_head *list)
{
	unsigned int nr = 0;
	int node;

	for (node = 0; node < nr_node_ids; node++)
		gather_from(sc, &sc->nodes[node].slabs[QUARRY_SLABS_EMPTY], list, &nr);
}

void quarry_slab_cache_free_empty(struct quarry_slab_cache *sc)
{
	unsigned long flags;

	for (;;) {
		LIST_HEAD(list);

		raw_spin_lock_irqsave(&sc->lock, flags);
		gather_empty(sc, &list);
		raw_spin_unlock_irqrestore(&sc->lock, flags);
		if (list_empty(&list))
			return;
		destroy_slabs(sc, &list);
	}
}

void quarry_slab_cache_fini(struct quarry_slab_cache *sc)
{
	unsigned int i;
	int node;

	/* Nobody else is left: no lock needed, and none may be held. */
	for (node = 0; node < nr_node_ids; node++) {
		for (i = 0; i < QUARRY_SLABS_NR_LISTS; i++) {
			destroy_slabs(sc, &sc->nodes[node].slabs[i]);
			INIT_LIST_HEAD(&sc->nodes[node].slabs[i]);
		}
	}
}

void quarry_slab_cache_free(struct quarry_slab_cache *sc)
{
	quarry_mags_fini(&sc->mags);
	kfree(sc);
}

/* === Public interface: what the inline paths leave over === */

void *quarry_cache_alloc_node_site(struct quarry_cache *cache, gfp_t gfp, int node,
				   const struct quarry_site *site)
{
	struct quarry_slab_cache *sc = to_slab_cache(cache);
	void *obj = NULL;

	if (quarry_refuse_flags(gfp) || quarry_refuse_node(node))
		return NULL;
	if (quarry_cache_refuses_zero(sc, gfp))
		return NULL;
	if (node != NUMA_NO_NODE || (gfp & __GFP_THISNODE)) {
		/* No node's slabs can be locked in NMI. */
		obj = in_nmi() ? NULL : quarry_mags_alloc_node(&sc->mags, gfp, node);
	} else {
		if (quarry_cache_is_veiled(sc))
			obj = quarry_front_pop(&sc->veiled);
		obj = obj ?: quarry_mags_alloc(&sc->mags, gfp);
	}
	if (obj && unlikely(sc->guard))
		quarry_guard_alloc(sc, obj, site);
	if (obj && quarry_cache_zeroes(sc, gfp))
		memset(obj, 0, quarry_cache_zeroes(sc, gfp));
	return obj;
}
EXPORT_SYMBOL_GPL(quarry_cache_alloc_node_site);

void *quarry_cache_alloc_slow(struct quarry_cache *cache, gfp_t gfp,
			      const struct quarry_site *site)
{
	return quarry_cache_alloc_node_site(cache, gfp, NUMA_NO_NODE, site);
}
EXPORT_SYMBOL_GPL(quarry_cache_alloc_slow);

bool quarry_cache_refuses_zero(const struct quarry_slab_cache *sc, gfp_t gfp)
{
	if (likely(!(gfp & __GFP_ZERO) || !sc->constructed))
		return false;
	quarry_report("cache %s has a constructor: __GFP_ZERO is not supported\n", sc->name);
	return true;
}

void *quarry_cache_zero_slow(struct quarry_cache *cache, void *obj)
{
	struct quarry_slab_cache *sc = to_slab_cache(cache);

	if (!quarry_cache_refuses_zero(sc, __GFP_ZERO))
		return memset(obj, 0, sc->size);
	quarry_cache_free(cache, obj);
	return NULL;
}
EXPORT_SYMBOL_GPL(quarry_cache_zero_slow);

void quarry_cache_give_back(struct quarry_slab_cache *sc, void *obj)
{
	if (unlikely(sc->guard)) {
		obj = quarry_guard_retire(sc, obj);
		if (!obj)
			return;
	}
	if (!quarry_cache_is_veiled(sc) || !quarry_front_push(&sc->veiled, obj))
		quarry_mags_free(&sc->mags, obj);
}

void quarry_cache_free_for(struct quarry_slab_cache *sc, void *obj, unsigned long caller)
{
	if (likely(!sc->guard) || quarry_guard_claim(sc, obj, caller))
		quarry_cache_give_back(sc, obj);
}

void quarry_cache_free_slow(struct quarry_cache *cache, void *obj)
{
	quarry_cache_free_for(to_slab_cache(cache), obj, _RET_IP_);
}
EXPORT_SYMBOL_GPL(quarry_cache_free_slow);

size_t quarry_cache_object_size(const struct quarry_cache *cache)
{
	return to_slab_cache(cache)->size;
}
EXPORT_SYMBOL_GPL(quarry_cache_object_size);

/* === Looking === */

void quarry_slab_cache_get_stats(struct quarry_slab_cache *sc,
				 struct quarry_slab_cache_stats *stats)
{
	unsigned long flags;

	quarry_mags_get_stats(&sc->mags, &stats->mags);
	stats->nr_cached = quarry_mags_nr_cached(&sc->mags);
	if (sc->guard)
		stats->nr_cached += quarry_guard_nr_held(sc->guard);
	raw_spin_lock_irqsave(&sc->lock, flags);
	stats->nr_slabs = sc->nr_slabs;
	stats->nr_pages = sc->nr_pages;
	stats->nr_objs = sc->nr_objs;
	stats->nr_free = sc->nr_free;
	raw_spin_unlock_irqrestore(&sc->lock, flags);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_slab_cache_get_stats);

struct slab_sums {
	unsigned long slabs, objs, nr_free, pages, noted;
};

static int verify_list(struct quarry_slab_cache *sc, int node, unsigned int list,
		       struct slab_sums *sums)
{
	struct quarry_slab *slab;
	int ret;

	list_for_each_entry(slab, &sc->nodes[node].slabs[list], node) {
		ret = quarry_slab_verify(slab, &sc->layout);
		if (ret)
			return ret;
		if (slab->list != list || list_for(slab) != list || slab->cache != sc ||
		    slab->extent->node != node || quarry_slab_find(slab->base) != slab)
			return -__LINE__;
		sums->slabs++;
		sums->objs += slab->nr_objs;
		sums->nr_free += slab->nr_free;
		sums->pages += 1UL << slab->order;
		if (sc->guard && !quarry_guard_verify(sc, slab, &sums->noted))
			return -__LINE__;
	}
	return 0;
}

static int verify_locked(struct quarry_slab_cache *sc, struct slab_sums *sums)
{
	unsigned int i;
	int node, ret;

	for (node = 0; node < nr_node_ids; node++) {
		for (i = 0; i < QUARRY_SLABS_NR_LISTS; i++) {
			ret = verify_list(sc, node, i, sums);
			if (ret)
				return ret;
		}
	}
	if (sums->slabs != sc->nr_slabs || sums->objs != sc->nr_objs ||
	    sums->nr_free != sc->nr_free || sums->pages != sc->nr_pages)
		return -__LINE__;
	return 0;
}

int quarry_slab_cache_verify(struct quarry_slab_cache *sc)
{
	struct quarry_slab_cache_stats stats;
	struct slab_sums sums = {};
	unsigned long flags, live;
	int ret;

	raw_spin_lock_irqsave(&sc->lock, flags);
	ret = verify_locked(sc, &sums);
	raw_spin_unlock_irqrestore(&sc->lock, flags);
	if (!ret) {
		quarry_slab_cache_get_stats(sc, &stats);
		live = stats.mags.nr_alloc - stats.mags.nr_free;
		if (stats.nr_objs - stats.nr_free - stats.nr_cached != live ||
		    sums.noted > live ||
		    (sc->guard && sums.noted != live && !READ_ONCE(sc->pages->defer.used)))
			ret = -__LINE__;
	}
	if (!ret)
		return 0;
	quarry_report("cache %s is corrupt: check at line %d\n", sc->name, -ret);
	return -EUCLEAN;
}
