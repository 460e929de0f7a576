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
#include <linux/sched.h>
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
	unsigned int own = 0;

	align = max_t(unsigned int, align, ARCH_SLAB_MINALIGN);
	/* Small objects may share a line, as the kernel's do. */
	if (flags & SLAB_HWCACHE_ALIGN)
		align = max_t(unsigned int, align,
			      min_t(unsigned int, cache_line_size(), roundup_pow_of_two(size)));
	strscpy(cut, name, sizeof(cut));
	if (flags & SLAB_TYPESAFE_BY_RCU)
		own |= QUARRY_TYPESAFE_BY_RCU;
	/* No pointer fits into less than 8 bytes. */
	if (size < 8)
		own |= QUARRY_DATA;
	cache = quarry_cache_create_site(heap, cut, size, align, own, ctor, site);
	if (!IS_ERR(cache))
		return (struct kmem_cache *)((unsigned long)cache + 1);
	if (flags & SLAB_PANIC)
		panic("%s: failed to create cache %s: error %ld\n", __func__, name, PTR_ERR(cache));
	return NULL;
}
EXPORT_SYMBOL_GPL(quarry_compat_cache_create);

/* Only this cache will do, and it must not fail. */
static void *insist(struct quarry_slab_cache *sc, gfp_t gfp)
{
	void *obj;

	if (in_hardirq() || !gfpflags_allow_blocking(gfp))
		return NULL;
	if (sc->constructed)
		gfp &= ~__GFP_ZERO;
	while (!(obj = quarry_cache_alloc(&sc->cache, quarry_compat_cache_gfp(gfp))))
		schedule_timeout_uninterruptible(1);
	return obj;
}

void *quarry_compat_cache_rescue(struct quarry_cache *cache, gfp_t gfp)
{
	struct quarry_slab_cache *sc = to_slab_cache(cache);
	void *obj;

	if (in_nmi() || !(quarry_compat_kernel_helps() || (gfp & __GFP_NOFAIL)))
		return NULL;
	/* The kernel would not keep what it is for readers. */
	if (sc->flags & QUARRY_TYPESAFE_BY_RCU)
		return gfp & __GFP_NOFAIL ? insist(sc, gfp) : NULL;
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

bool quarry_compat_free_rcu(const void *ptr)
{
	if (!quarry_heap_of(ptr))
		return false;
	quarry_free_rcu(ptr);
	return true;
}
EXPORT_SYMBOL_GPL(quarry_compat_free_rcu);
