// SPDX-License-Identifier: GPL-2.0
/*
 * Sized allocation: from a size to a class or to whole pages, from an address
 * back to its owner.
 *
 *	size 1 .. 32767 bytes    the cache of its class
 *	up to 4 MiB              whole pages, to the page; more only of a caller's backing
 *
 *	address ─> page map ─> slab: its cache's magazine
 *	                    ─> run:  its front's magazine, or the page heap
 *	                    ─> chunk of an arena or of a pool: refused
 *
 * Locking: none of its own.  Lookups run with preemption off, so that a pointer
 * that is not what the caller thinks cannot make us follow freed descriptors.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/export.h>
#include <linux/instruction_pointer.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "heap.h"
#include "internal.h"

/* === Allocating === */

static bool refuse(gfp_t gfp, int node)
{
	return quarry_refuse_flags(gfp) || quarry_refuse_node(node);
}

/* Says who asked for what no extent can hold. */
static bool is_too_long(struct quarry_heap_priv *hp, u64 bytes, gfp_t gfp,
			const struct quarry_site *site)
{
	u64 most = (u64)quarry_pages_max(&hp->pages) << PAGE_SHIFT;

	if (likely(bytes <= most))
		return false;
	if (!(gfp & __GFP_NOWARN))
		quarry_report("%s:%u asks heap %s for %llu bytes, but the most is %llu\n",
			      site->file, site->line, hp->name, bytes, most);
	return true;
}

static void *alloc_run(struct quarry_heap_priv *hp, const struct quarry_pages_want *want,
		       const struct quarry_site *site)
{
	unsigned long bytes = want->nr_pages << PAGE_SHIFT;
	void *addr;

	if (is_too_long(hp, (u64)want->nr_pages << PAGE_SHIFT, want->gfp, site))
		return NULL;
	addr = quarry_run_alloc(&hp->runs, want);
	if (addr && unlikely(hp->pages.guards))
		quarry_run_note_alloc(addr, site);
	if (addr && want_init_on_alloc(want->gfp))
		memset(addr, 0, bytes);
	return addr;
}

void *quarry_alloc_node_site(struct quarry_heap *heap, size_t size, gfp_t gfp, int node,
			     enum quarry_kind kind, const struct quarry_site *site)
{
	struct quarry_heap_priv *hp = to_priv(heap);
	struct quarry_pages_want want;
	struct quarry_cache *cache;
	void *obj;

	might_alloc(gfp);
	if (!size)
		return ZERO_SIZE_PTR;
	if (refuse(gfp, node))
		return NULL;
	if (size >= QUARRY_CLASS_MAX_SIZE) {
		/* No rounding up of what is near the end of the address space. */
		if (is_too_long(hp, size, gfp, site))
			return NULL;
		want = quarry_pages_want(PFN_UP(size), kind, gfp);
		want.node = node;
		return alloc_run(hp, &want, site);
	}
	cache = quarry_heap_class(hp, kind, size, gfp);
	if (likely(cache)) {
		obj = quarry_cache_alloc_node_site(cache, gfp, node, site);
		quarry_classes_follow(hp, kind, size);
		return obj;
	}
	if (!quarry_may_call_kernel())
		quarry_heap_request_class(hp, kind, size);
	return NULL;
}
EXPORT_SYMBOL_GPL(quarry_alloc_node_site);

/* From the loaded magazine of an own class, whose slot may be cut; NULL if it has none. */
static __always_inline void *pop_own(struct quarry_own_classes *own, enum quarry_kind kind,
				     size_t size, gfp_t gfp)
{
	struct quarry_own_row *row = quarry_own_row(own, kind, size);
	struct quarry_cache *cache;
	void *obj;

	if (!row)
		return NULL;
	/* Pairs with cmpxchg() in class_create(). */
	cache = READ_ONCE(row->cache);
	obj = quarry_front_pop(&cache->front);
	if (obj && unlikely(want_init_on_alloc(gfp)))
		memset(obj, 0, cache->zero_size);
	return obj;
}

void *quarry_alloc_slow(struct quarry_heap *heap, size_t size, gfp_t gfp, enum quarry_kind kind,
			const struct quarry_site *site)
{
	struct quarry_own_classes *own = to_priv(heap)->own[kind];
	void *obj = NULL;

	if (own && size - 1 < QUARRY_CLASS_MAX_SIZE - 1 && !(gfp & QUARRY_GFP_SLOW))
		obj = pop_own(own, kind, size, gfp);
	return obj ?: quarry_alloc_node_site(heap, size, gfp, NUMA_NO_NODE, kind, site);
}
EXPORT_SYMBOL_GPL(quarry_alloc_slow);

static void *alloc_pages_on(struct quarry_heap *heap, unsigned long nr_pages, unsigned int order,
			    gfp_t gfp, int node, enum quarry_kind kind,
			    const struct quarry_site *site)
{
	struct quarry_heap_priv *hp = to_priv(heap);
	struct quarry_pages_want want;

	if (!nr_pages || refuse(gfp, node))
		return NULL;
	/* As below: what is not possible at all is refused before any rounding. */
	if (is_too_long(hp, nr_pages > ULONG_MAX >> PAGE_SHIFT ? U64_MAX :
			(u64)nr_pages << PAGE_SHIFT, gfp, site) ||
	    is_too_long(hp, order >= BITS_PER_LONG - PAGE_SHIFT ? U64_MAX : PAGE_SIZE << order,
			gfp, site))
		return NULL;
	want = quarry_pages_want(nr_pages, kind, gfp);
	want.order = max(want.order, order);
	want.align = max(want.align, order);
	want.node = node;
	return alloc_run(hp, &want, site);
}

void *quarry_alloc_pages_node_site(struct quarry_heap *heap, unsigned long nr_pages,
				   unsigned int order, gfp_t gfp, int node, enum quarry_kind kind,
				   const struct quarry_site *site)
{
	might_alloc(gfp);
	return alloc_pages_on(heap, nr_pages, order, gfp, node, kind, site);
}
EXPORT_SYMBOL_GPL(quarry_alloc_pages_node_site);

void *quarry_alloc_pages_slow(struct quarry_heap *heap, unsigned long nr_pages, gfp_t gfp,
			      enum quarry_kind kind, const struct quarry_site *site)
{
	struct quarry_heap_priv *hp = to_priv(heap);
	struct quarry_run_front *rf;
	void *addr = NULL;

	if (unlikely((gfp & QUARRY_GFP_SLOW) || hp->pages.guards))
		return alloc_pages_on(heap, nr_pages, 0, gfp, NUMA_NO_NODE, kind, site);
	rf = quarry_run_front_for(&hp->runs, nr_pages, kind);
	if (rf && nr_pages <= quarry_pages_max(&hp->pages)) {
		/* Most: the loaded magazine was empty. */
		addr = quarry_mags_alloc(&rf->mags, gfp);
		if (!addr)
			return NULL;
	} else {
		if (!in_nmi())
			addr = quarry_run_take_hot(&hp->runs, nr_pages, kind);
		if (!addr)
			return alloc_pages_on(heap, nr_pages, 0, gfp, NUMA_NO_NODE, kind, site);
	}
	if (want_init_on_alloc(gfp))
		memset(addr, 0, nr_pages << PAGE_SHIFT);
	return addr;
}
EXPORT_SYMBOL_GPL(quarry_alloc_pages_slow);

/* === Freeing === */

static const char *what_is(unsigned long owner)
{
	switch (owner & QUARRY_OWNER_MASK) {
	case QUARRY_OWNER_SLAB:
		return "not the start of an object";
	case QUARRY_OWNER_CHUNK:
		return "in an arena";
	case QUARRY_OWNER_POOL:
		return "of a pool";
	case QUARRY_OWNER_FRONT:
	case QUARRY_OWNER_HOT:
	case QUARRY_OWNER_RUN:
		return "inside a run of pages";
	case QUARRY_OWNER_SHARED:
		if (owner != QUARRY_OWNER_NONE)
			return "in a shared arena";
		fallthrough;
	default:
		return "free or inside a run of pages";
	}
}

void quarry_report_bad_free(const void *ptr, unsigned long owner, unsigned long caller)
{
	struct quarry_extent *ext = quarry_extent_find(ptr);
	struct quarry_slab *slab = quarry_owner_to_slab(owner);

	if (!ext)
		quarry_report("%pS frees %p, which is not ours\n", (void *)caller, ptr);
	else
		quarry_report("%pS frees %p of heap %s, which is %s\n", (void *)caller, ptr,
			      quarry_heap_of_extent(ext)->name, what_is(owner));
	if (slab && slab->cache->guard)
		quarry_guard_explain(slab, ptr);
	else if (ext && owner == QUARRY_OWNER_NONE)
		quarry_run_explain(ext, ptr);
}

/* Wipes the pages with preemption on, as that may take a while; the owner after it. */
static unsigned long wipe_run(const void *ptr, unsigned long owner)
{
	unsigned long bytes = quarry_run_nr_pages(owner) << PAGE_SHIFT;

	preempt_enable();
	memset((void *)ptr, 0, bytes);
	preempt_disable();
	return quarry_owner(ptr);
}

/* @owner is that of @ptr, with preemption off since then. */
static void free_run(const void *ptr, unsigned long owner, unsigned long caller)
{
	struct quarry_page_front *front = quarry_owner_to_front(owner);
	struct quarry_extent *ext;

	if (unlikely(!PAGE_ALIGNED(ptr) || !quarry_run_nr_pages(owner))) {
		quarry_report_bad_free(ptr, owner, caller);
		return;
	}
	/* Most: the loaded magazine was full. */
	if (front && !front->run->pages->guards && !want_init_on_free()) {
		quarry_mags_free(&front->run->mags, (void *)ptr);
		return;
	}
	ext = __quarry_extent_find(ptr);
	if (ext && !quarry_run_note_free(ext, ptr, caller))
		return;
	if (unlikely(in_nmi()) && !quarry_owner_to_front(owner)) {
		quarry_run_free_later(ptr, owner, caller);
		return;
	}
	if (want_init_on_free() || (ext && ext->pages->guards & QUARRY_HEAP_HARDENED))
		owner = wipe_run(ptr, owner);
	ext = owner ? __quarry_extent_find(ptr) : NULL;
	if (unlikely(!ext || quarry_run_free(&quarry_heap_of_extent(ext)->runs, ext, (void *)ptr,
					     owner)))
		quarry_report("%pS frees %p, which someone else freed meanwhile\n",
			      (void *)caller, ptr);
}

/* What the fast paths leave over; they have changed nothing. */
static noinline void free_slow(const void *ptr, unsigned long caller)
{
	struct quarry_slab_cache *sc;
	struct quarry_slab *slab;
	unsigned long owner;
	bool guarded, claimed;

	if (ZERO_OR_NULL_PTR(ptr))
		return;
	preempt_disable();
	owner = quarry_owner(ptr);
	slab = quarry_owner_to_slab(owner);
	if (!slab || !quarry_slab_starts(slab, ptr)) {
		free_run(ptr, owner, caller);
		preempt_enable();
		return;
	}
	sc = slab->cache;
	quarry_front_follow(&slab->front, &sc->cache.front);
	guarded = sc->guard;
	claimed = guarded && quarry_guard_claim(sc, ptr, caller);
	preempt_enable();
	/* Wiping may take a while; a live object keeps its cache. */
	if (claimed)
		quarry_cache_give_back(sc, (void *)ptr);
	else if (!guarded)
		quarry_cache_free(&sc->cache, (void *)ptr);
}

/*
 * One lookup, one push into this CPU's magazine, preemption off from the one to the
 * other, so that whatever @ptr is, nothing is followed that has been freed.
 */
static __always_inline bool free_to_slab(unsigned long owner, const void *ptr)
{
	struct quarry_slab *slab = (void *)(owner - QUARRY_OWNER_SLAB);

	return likely(!((unsigned long)slab & QUARRY_OWNER_MASK)) &&
	       likely(quarry_slab_starts(slab, ptr)) &&
	       likely(__quarry_front_push(&slab->front, (void *)ptr));
}

static __always_inline bool free_to_front(unsigned long owner, const void *ptr)
{
	struct quarry_page_front *front = (void *)(owner - QUARRY_OWNER_FRONT);

	return likely(!((unsigned long)front & QUARRY_OWNER_MASK)) &&
	       likely(PAGE_ALIGNED(ptr)) &&
	       likely(__quarry_front_push(&front->front, (void *)ptr));
}

static __always_inline bool free_to_hot(unsigned long owner, const void *ptr)
{
	struct quarry_hot *hot = quarry_owner_to_hot(owner);

	return hot && PAGE_ALIGNED(ptr) && !in_nmi() && quarry_run_free_hot(hot, (void *)ptr);
}

static __always_inline void free_for(const void *ptr, unsigned long caller)
{
	unsigned long owner;

	preempt_disable();
	owner = quarry_owner(ptr);
	if (likely(!want_init_on_free()) &&
	    (free_to_slab(owner, ptr) || free_to_front(owner, ptr))) {
		preempt_enable();
		return;
	}
	preempt_enable();
	free_slow(ptr, caller);
}

void quarry_free(const void *ptr)
{
	free_for(ptr, _RET_IP_);
}
EXPORT_SYMBOL_GPL(quarry_free);

void quarry_free_pages(const void *addr)
{
	unsigned long owner;

	preempt_disable();
	owner = quarry_owner(addr);
	if (likely(!want_init_on_free()) &&
	    (free_to_front(owner, addr) || free_to_hot(owner, addr))) {
		preempt_enable();
		return;
	}
	preempt_enable();
	free_slow(addr, _RET_IP_);
}
EXPORT_SYMBOL_GPL(quarry_free_pages);

bool quarry_free_ours(const void *ptr)
{
	unsigned long owner;

	preempt_disable();
	owner = quarry_owner(ptr);
	if (likely(!want_init_on_free()) &&
	    (free_to_slab(owner, ptr) || free_to_front(owner, ptr))) {
		preempt_enable();
		return true;
	}
	preempt_enable();
	/* A free page of ours has no owner either. */
	if (!owner && !ZERO_OR_NULL_PTR(ptr) && !quarry_heap_of(ptr))
		return false;
	free_slow(ptr, _RET_IP_);
	return true;
}
EXPORT_SYMBOL_GPL(quarry_free_ours);

void quarry_free_sensitive(const void *ptr)
{
	memzero_explicit((void *)ptr, quarry_usable_size(ptr));
	/* What is not ours is reported there. */
	free_for(ptr, _RET_IP_);
}
EXPORT_SYMBOL_GPL(quarry_free_sensitive);

/* === Looking up === */

size_t quarry_usable_size(const void *ptr)
{
	struct quarry_slab *slab;
	unsigned long owner;
	size_t size = 0;

	preempt_disable();
	owner = quarry_owner(ptr);
	slab = quarry_owner_to_slab(owner);
	if (slab) {
		/* Where that is known: who asks about what was freed shall not use it. */
		if (quarry_slab_starts(slab, ptr) &&
		    (likely(!slab->cache->guard) || quarry_guard_is_live(slab, ptr)))
			size = slab->cache->size;
	} else if (PAGE_ALIGNED(ptr) && quarry_run_is_live(ptr)) {
		size = quarry_run_nr_pages(owner) << PAGE_SHIFT;
	}
	preempt_enable();
	return size;
}
EXPORT_SYMBOL_GPL(quarry_usable_size);

struct quarry_heap *quarry_heap_of(const void *ptr)
{
	struct quarry_extent *ext;
	struct quarry_heap *heap;

	preempt_disable();
	ext = quarry_extent_find(ptr);
	heap = ext ? &quarry_heap_of_extent(ext)->heap : NULL;
	preempt_enable();
	return heap;
}
EXPORT_SYMBOL_GPL(quarry_heap_of);

/* === On top === */

/* Would other memory of the heap be no smaller? */
static bool fits_in_place(struct quarry_heap_priv *hp, size_t old, size_t size,
			  enum quarry_kind kind)
{
	if (size > old)
		return false;
	if (old >= QUARRY_CLASS_MAX_SIZE && PFN_UP(size) == PFN_DOWN(old))
		return true;
	return size < QUARRY_CLASS_MAX_SIZE && quarry_heap_class_size(hp, kind, size) >= old;
}

void *quarry_realloc_site(struct quarry_heap *heap, const void *ptr, size_t size, gfp_t gfp,
			  enum quarry_kind kind, const struct quarry_site *site)
{
	size_t old;
	void *new;

	if (!size) {
		free_for(ptr, _RET_IP_);
		return ZERO_SIZE_PTR;
	}
	if (ZERO_OR_NULL_PTR(ptr))
		return quarry_alloc_site(heap, size, gfp, kind, site);
	old = quarry_usable_size(ptr);
	if (!old || (gfp & __GFP_ZERO)) {
		quarry_report("%pS reallocates %p: %s\n", (void *)_RET_IP_, ptr,
			      old ? "__GFP_ZERO is not supported" : "not the start of our memory");
		return NULL;
	}
	if (fits_in_place(to_priv(heap), old, size, kind))
		return (void *)ptr;
	new = quarry_alloc_site(heap, size, gfp, kind, site);
	if (!new)
		return NULL;
	memcpy(new, ptr, min(old, size));
	free_for(ptr, _RET_IP_);
	return new;
}
EXPORT_SYMBOL_GPL(quarry_realloc_site);

void *quarry_memdup_site(struct quarry_heap *heap, const void *src, size_t len, gfp_t gfp,
			 const struct quarry_site *site)
{
	void *copy = quarry_alloc_site(heap, len, gfp, QUARRY_KIND_PTR, site);

	if (!ZERO_OR_NULL_PTR(copy))
		memcpy(copy, src, len);
	return copy;
}
EXPORT_SYMBOL_GPL(quarry_memdup_site);

char *quarry_strdup_site(struct quarry_heap *heap, const char *str, gfp_t gfp,
			 const struct quarry_site *site)
{
	size_t len;
	char *copy;

	if (!str)
		return NULL;
	len = strlen(str) + 1;
	copy = quarry_alloc_site(heap, len, gfp, QUARRY_KIND_DATA, site);
	if (copy)
		memcpy(copy, str, len);
	return copy;
}
EXPORT_SYMBOL_GPL(quarry_strdup_site);
