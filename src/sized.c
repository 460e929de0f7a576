// SPDX-License-Identifier: GPL-2.0
/*
 * Sized allocation: from a size to a class or to whole pages, from an address
 * back to its owner.
 *
 *	size 1 .. 32767 bytes    the cache of its class
 *	up to 4 MiB              whole pages, to the page; more only of a caller's backing
 *
 *	address ─> extent ─> owner[page] ─> slab: its cache's magazine
 *	                                 ─> run:  its front's magazine or page heap
 *	                                 ─> chunk of an arena: refused
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
#include "sizeclass.h"

/* === Allocating === */

static bool refuse(gfp_t gfp, int node)
{
	return in_nmi() || quarry_refuse_flags(gfp) || quarry_refuse_node(node);
}

/* Says who asked for what no extent can hold. */
static bool is_too_long(struct quarry_heap_priv *hp, u64 bytes, gfp_t gfp,
			const struct quarry_site *site)
{
	u64 most = (u64)quarry_pages_max(&hp->pages) << PAGE_SHIFT;

	if (likely(bytes <= most))
		return false;
	if (!(gfp & __GFP_NOWARN))
		quarry_report("%s:%u asks heap %s for %llu bytes, one allocation has at most %llu\n",
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

	might_alloc(gfp);
	if (!size)
		return ZERO_SIZE_PTR;
	if (refuse(gfp, node))
		return NULL;
	if (size >= QUARRY_CLASS_MAX_SIZE) {
		/* No rounding up of what is near the end of the address space. */
		if (is_too_long(hp, size, gfp, site))
			return NULL;
		want = QUARRY_PAGES_WANT(PFN_UP(size), kind, gfp);
		want.node = node;
		return alloc_run(hp, &want, site);
	}
	cache = quarry_heap_class(hp, kind, quarry_size_class(size, kind), gfp);
	return cache ? quarry_cache_alloc_node_site(cache, gfp, node, site) : NULL;
}
EXPORT_SYMBOL_GPL(quarry_alloc_node_site);

void *quarry_alloc_slow(struct quarry_heap *heap, size_t size, gfp_t gfp, enum quarry_kind kind,
			const struct quarry_site *site)
{
	return quarry_alloc_node_site(heap, size, gfp, NUMA_NO_NODE, kind, site);
}
EXPORT_SYMBOL_GPL(quarry_alloc_slow);

void *quarry_alloc_pages_node_site(struct quarry_heap *heap, unsigned long nr_pages,
				   unsigned int order, gfp_t gfp, int node, enum quarry_kind kind,
				   const struct quarry_site *site)
{
	struct quarry_heap_priv *hp = to_priv(heap);
	struct quarry_pages_want want;

	might_alloc(gfp);
	if (!nr_pages || refuse(gfp, node))
		return NULL;
	/* As below: what is not possible at all is refused before any rounding. */
	if (is_too_long(hp, nr_pages > ULONG_MAX >> PAGE_SHIFT ? U64_MAX :
			(u64)nr_pages << PAGE_SHIFT, gfp, site) ||
	    is_too_long(hp, order >= BITS_PER_LONG - PAGE_SHIFT ? U64_MAX : PAGE_SIZE << order,
			gfp, site))
		return NULL;
	want = QUARRY_PAGES_WANT(nr_pages, kind, gfp);
	want.order = max(want.order, order);
	want.node = node;
	return alloc_run(hp, &want, site);
}
EXPORT_SYMBOL_GPL(quarry_alloc_pages_node_site);

void *quarry_alloc_pages_site(struct quarry_heap *heap, unsigned long nr_pages, gfp_t gfp,
			      enum quarry_kind kind, const struct quarry_site *site)
{
	return quarry_alloc_pages_node_site(heap, nr_pages, 0, gfp, NUMA_NO_NODE, kind, site);
}
EXPORT_SYMBOL_GPL(quarry_alloc_pages_site);

/* === Freeing === */

static const char *what_is(const struct quarry_extent *ext, const void *ptr)
{
	unsigned long owner = READ_ONCE(ext->owner[quarry_extent_page_of(ext, ptr)]);

	switch (owner & QUARRY_OWNER_MASK) {
	case QUARRY_OWNER_SLAB:
		return "not the start of an object";
	case QUARRY_OWNER_CHUNK:
		return "in an arena";
	case QUARRY_OWNER_RUN:
		return "inside a run of pages";
	default:
		return "free or inside a run of pages";
	}
}

/* Preemption is off: @ext stays. */
static void report_bad_free(const void *ptr, const struct quarry_extent *ext, unsigned long caller)
{
	if (!ext)
		quarry_report("%pS frees %p, which is not ours\n", (void *)caller, ptr);
	else
		quarry_report("%pS frees %p of heap %s, which is %s\n", (void *)caller, ptr,
			      quarry_heap_of_extent(ext)->name, what_is(ext, ptr));
}

/* A run of pages, or not what the caller thinks. */
static void free_other(const void *ptr, unsigned long caller)
{
	struct quarry_extent *ext;
	unsigned long nr_pages;

	preempt_disable();
	ext = quarry_extent_find(ptr);
	nr_pages = ext && PAGE_ALIGNED(ptr) ? quarry_run_nr_pages(ext, ptr) : 0;
	if (!nr_pages)
		report_bad_free(ptr, ext, caller);
	preempt_enable();
	if (!nr_pages)
		return;

	/* This may take a while, so preemption is on; look again after it. */
	if (want_init_on_free())
		memset((void *)ptr, 0, nr_pages << PAGE_SHIFT);
	preempt_disable();
	ext = quarry_extent_find(ptr);
	if (!ext || quarry_run_free(&quarry_heap_of_extent(ext)->runs, ext, (void *)ptr))
		quarry_report("%pS frees %p, which someone else freed meanwhile\n",
			      (void *)caller, ptr);
	preempt_enable();
}

static __always_inline void free_at(const void *ptr, unsigned long caller)
{
	struct quarry_cache *cache;
	struct quarry_slab *slab;
	bool done;

	if (unlikely(ZERO_OR_NULL_PTR(ptr)))
		return;
	preempt_disable();
	slab = quarry_slab_find(ptr);
	if (unlikely(!slab || quarry_slab_index(slab, &slab->cache->layout, ptr) < 0)) {
		preempt_enable();
		free_other(ptr, caller);
		return;
	}
	cache = &slab->cache->cache;
	if (unlikely(want_init_on_free())) {
		/* Wiping may take a while; a live object keeps its cache. */
		preempt_enable();
		quarry_cache_free(cache, (void *)ptr);
		return;
	}
	done = quarry_front_push(&cache->front, (void *)ptr);
	preempt_enable();
	if (unlikely(!done))
		quarry_cache_free_slow(cache, (void *)ptr);
}

void quarry_free(const void *ptr)
{
	free_at(ptr, _RET_IP_);
}
EXPORT_SYMBOL_GPL(quarry_free);

void quarry_free_pages(const void *addr)
{
	free_at(addr, _RET_IP_);
}
EXPORT_SYMBOL_GPL(quarry_free_pages);

/* === Looking up === */

size_t quarry_usable_size(const void *ptr)
{
	struct quarry_extent *ext;
	struct quarry_slab *slab;
	size_t size = 0;

	preempt_disable();
	ext = quarry_extent_find(ptr);
	slab = quarry_slab_find(ptr);
	if (slab) {
		if (quarry_slab_index(slab, &slab->cache->layout, ptr) >= 0)
			size = slab->cache->size;
	} else if (ext && PAGE_ALIGNED(ptr)) {
		size = quarry_run_nr_pages(ext, ptr) << PAGE_SHIFT;
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

static bool fits_in_place(size_t old, size_t size, enum quarry_kind kind)
{
	if (size > old)
		return false;
	if (old >= QUARRY_CLASS_MAX_SIZE)
		return PFN_UP(size) == PFN_DOWN(old);
	return quarry_class_size(quarry_size_class(size, kind)) >= old;
}

void *quarry_realloc_site(struct quarry_heap *heap, const void *ptr, size_t size, gfp_t gfp,
			  enum quarry_kind kind, const struct quarry_site *site)
{
	size_t old;
	void *new;

	if (!size) {
		quarry_free(ptr);
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
	if (fits_in_place(old, size, kind))
		return (void *)ptr;
	new = quarry_alloc_site(heap, size, gfp, kind, site);
	if (!new)
		return NULL;
	memcpy(new, ptr, min(old, size));
	quarry_free(ptr);
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
