// SPDX-License-Identifier: GPL-2.0
/*
 * What <quarry/slab_compat.h> leaves over, and the callbacks of memory pools.
 *
 * This file sees the names of that header as its users do: kmalloc() here takes from
 * a heap.  What is meant to be the kernel's says so.
 *
 * Locking: none of its own.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/cache.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "cache.h"
#include "heap.h"
#include "internal.h"

#include <quarry/slab_compat.h>

/* === Memory pools === */

void *quarry_mempool_alloc(gfp_t gfp, void *pool_data)
{
	return quarry_cache_alloc(pool_data, gfp);
}
EXPORT_SYMBOL_GPL(quarry_mempool_alloc);

void quarry_mempool_free(void *element, void *pool_data)
{
	quarry_cache_free(pool_data, element);
}
EXPORT_SYMBOL_GPL(quarry_mempool_free);

/* === Caches === */

struct kmem_cache *quarry_compat_cache_create(struct quarry_heap *heap,
					      const struct quarry_site *site, const char *name,
					      unsigned int size, unsigned int align,
					      slab_flags_t flags, void (*ctor)(void *obj))
{
	struct quarry_cache *cache;
	char cut[QUARRY_NAME_SIZE];

	align = max_t(unsigned int, align, ARCH_SLAB_MINALIGN);
	/* Small objects may share a line, as the kernel's do. */
	if (flags & SLAB_HWCACHE_ALIGN)
		align = max_t(unsigned int, align,
			      min_t(unsigned int, cache_line_size(), roundup_pow_of_two(size)));
	strscpy(cut, name, sizeof(cut));
	/* No pointer fits into less than 8 bytes. */
	cache = quarry_cache_create_site(heap, cut, size, align, size < 8 ? QUARRY_DATA : 0, ctor,
					 site);
	if (!IS_ERR(cache))
		return (struct kmem_cache *)((unsigned long)cache + 1);
	if (flags & SLAB_PANIC)
		panic("%s: failed to create cache %s: error %ld\n", __func__, name, PTR_ERR(cache));
	return NULL;
}
EXPORT_SYMBOL_GPL(quarry_compat_cache_create);

void *quarry_compat_cache_rescue(struct quarry_cache *cache, gfp_t gfp)
{
	struct quarry_slab_cache *sc = to_slab_cache(cache);
	void *obj;

	if (in_nmi() || !(in_hardirq() || (gfp & __GFP_NOFAIL)))
		return NULL;
	if (sc->ctor)
		gfp &= ~__GFP_ZERO;
	/* Powers of two are aligned to their size, which is at least what the cache promised. */
	obj = quarry_kernel_kmalloc(roundup_pow_of_two(sc->layout.stride),
				    quarry_compat_cache_gfp(gfp) | (gfp & __GFP_NOFAIL),
				    NUMA_NO_NODE);
	if (obj && sc->ctor)
		sc->ctor(obj);
	return obj;
}
EXPORT_SYMBOL_GPL(quarry_compat_cache_rescue);

/* === Resizing === */

void *quarry_compat_realloc(struct quarry_heap *heap, const void *ptr, size_t size, gfp_t gfp,
			    bool kv, const struct quarry_site *site)
{
	size_t old = quarry_usable_size(ptr);
	void *new;

	if (!size) {
		quarry_free(ptr);
		return ZERO_SIZE_PTR;
	}
	if (!old && !ZERO_OR_NULL_PTR(ptr)) {
		quarry_report("%pS reallocates %p, which is not the start of an allocation\n",
			      (void *)_RET_IP_, ptr);
		return NULL;
	}
	/* It never moves to get smaller, so that this cannot fail. */
	if (size <= old) {
		if (want_init_on_alloc(gfp))
			memset((void *)ptr + size, 0, old - size);
		return (void *)ptr;
	}
	if (kv)
		new = quarry_compat_kvmalloc(heap, size, gfp, NUMA_NO_NODE, site);
	else
		new = quarry_compat_alloc(heap, size, gfp, site);
	if (!new || !old)
		return new;
	/* All of it: what was zero up to its end has to stay so. */
	memcpy(new, ptr, old);
	quarry_free(ptr);
	return new;
}
EXPORT_SYMBOL_GPL(quarry_compat_realloc);

/* === After a grace period === */

/* The start of the allocation that @addr points into, near its start. */
static void *start_of(void *addr)
{
	struct quarry_slab *slab;
	void *start;
	u32 index;

	preempt_disable();
	slab = quarry_slab_find(addr);
	if (slab) {
		index = reciprocal_divide(addr - slab->base, slab->cache->layout.reciprocal);
		start = slab->base + index * slab->cache->layout.stride;
	} else {
		start = (void *)PAGE_ALIGN_DOWN((unsigned long)addr);
	}
	preempt_enable();
	return start;
}

static void free_after_grace_period(struct rcu_head *head)
{
	quarry_free(start_of(head));
}

bool quarry_compat_free_rcu(const void *ptr, struct rcu_head *head)
{
	if (!quarry_heap_of(ptr))
		return false;
	if (unlikely(start_of(head) != ptr || !quarry_usable_size(ptr)))
		quarry_report("%pS frees %p with a head at %p, which is no allocation of ours\n",
			      (void *)_RET_IP_, ptr, head);
	else
		call_rcu(head, free_after_grace_period);
	return true;
}
EXPORT_SYMBOL_GPL(quarry_compat_free_rcu);

bool quarry_compat_free_rcu_mightsleep(const void *ptr)
{
	might_sleep();
	if (!quarry_heap_of(ptr))
		return false;
	synchronize_rcu();
	quarry_free(ptr);
	return true;
}
EXPORT_SYMBOL_GPL(quarry_compat_free_rcu_mightsleep);
