/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's names for slab allocation, mapped onto a heap: an existing module moves
 * over with this one include, after its other includes or with -include
 * quarry/slab_compat.h on the compiler's command line (Documentation/compat.rst).
 *
 * Who owns a pointer is looked up when it is freed or resized, so memory of the
 * kernel and of the heap may be mixed.  The kernel's is whatever was allocated outside
 * of the module or by an inline function of a kernel header, what the heap does not
 * do (__GFP_NOFAIL, DMA zones, more than %QUARRY_EXTENT_MAX_SIZE), and all that no name
 * here stands for.
 *
 * A struct kmem_cache pointer with bit 0 set is a struct quarry_cache.
 */
#ifndef _QUARRY_SLAB_COMPAT_H
#define _QUARRY_SLAB_COMPAT_H

#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/hardirq.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <quarry/heap.h>

/*
 * The heap: the default one, or the variable of type struct quarry_heap * that
 * QUARRY_COMPAT_HEAP names.  It is set before the first allocation.
 */
#ifdef QUARRY_COMPAT_HEAP
extern struct quarry_heap *QUARRY_COMPAT_HEAP;
#else
#define QUARRY_COMPAT_HEAP	quarry_default_heap()
#endif

/* Left to the kernel.  __GFP_ACCOUNT is ignored: a heap is charged to nobody. */
#define QUARRY_COMPAT_GFP_KERNEL \
	(QUARRY_GFP_SLOW & ~(__GFP_THISNODE | __GFP_ACCOUNT))

/* Caches that are made with the kernel. */
#define QUARRY_COMPAT_SLAB_KERNEL \
	(SLAB_CACHE_DMA | SLAB_CACHE_DMA32)

/**
 * quarry_compat_cache_create() - make a cache that stands behind a struct kmem_cache pointer
 * @heap: heap the slabs come from
 * @site: where the cache is created
 * @name: name shown in debugfs; copied, cut to 31 characters
 * @size: object size in bytes
 * @align: alignment in bytes, 0 or a power of two up to %PAGE_SIZE
 * @flags: %SLAB_HWCACHE_ALIGN, %SLAB_TYPESAFE_BY_RCU and %SLAB_PANIC count; others do not
 *         matter to a heap
 * @ctor: see quarry_cache_create_site()
 *
 * Context: Process context, may sleep.
 * Return: a pointer that only the names of this header understand, or NULL.
 */
struct kmem_cache *quarry_compat_cache_create(struct quarry_heap *heap,
					      const struct quarry_site *site, const char *name,
					      unsigned int size, unsigned int align,
					      slab_flags_t flags, void (*ctor)(void *obj));

/**
 * quarry_compat_cache_rescue() - an object for who must not get NULL from a cache
 * @cache: the cache, which had none
 * @gfp: allocation flags
 *
 * With %__GFP_NOFAIL, and in hardirq, where a heap does not grow, the memory is the
 * kernel's.  The names of this header free it all the same.
 *
 * Context: As quarry_cache_alloc().
 * Return: a constructed object or NULL.
 */
void *quarry_compat_cache_rescue(struct quarry_cache *cache, gfp_t gfp);

/**
 * quarry_compat_realloc() - krealloc() and kvrealloc() of memory of a heap
 * @heap: heap to take new memory from
 * @ptr: the old memory, in a heap; or NULL
 * @size: new size in bytes; 0 frees @ptr
 * @gfp: allocation flags; %__GFP_ZERO as for krealloc()
 * @kv: the memory need not be contiguous
 * @site: call site
 *
 * Context: As kmalloc(), with @kv as kvmalloc().
 * Return: the memory, the kernel's if the heap cannot give it; or NULL with @ptr untouched.
 */
void *quarry_compat_realloc(struct quarry_heap *heap, const void *ptr, size_t size, gfp_t gfp,
			    bool kv, const struct quarry_site *site);

/**
 * quarry_compat_free_rcu() - free memory after a grace period if it is Quarry's
 * @ptr: the memory; not NULL
 *
 * See quarry_free_rcu(): as with the kernel's kfree_rcu(), rcu_barrier() does not wait for it.
 *
 * Context: Any.
 * Return: false if @ptr lies in no heap, and nothing was done.
 */
bool quarry_compat_free_rcu(const void *ptr);

/* === The kernel's, by names that are not mapped === */

static inline void *quarry_kernel_kmalloc(size_t size, gfp_t gfp, int node)
{
	return kmalloc_node(size, gfp, node);
}

static inline void *quarry_kernel_kvmalloc(size_t size, gfp_t gfp, int node)
{
	return kvmalloc_node(size, gfp, node);
}

static inline void quarry_kernel_kfree(const void *ptr)
{
	kfree(ptr);
}

/* === Allocating === */

/*
 * In hardirq a heap does not grow, but the kernel has something for who asks; not on
 * PREEMPT_RT, where it may not be asked there.
 */
static inline bool quarry_compat_kernel_helps(void)
{
	return in_hardirq() && !IS_ENABLED(CONFIG_PREEMPT_RT);
}

static __always_inline void *quarry_compat_alloc(struct quarry_heap *heap, size_t size, gfp_t gfp,
						 const struct quarry_site *site)
{
	void *obj;

	if (likely(size <= QUARRY_EXTENT_MAX_SIZE && !(gfp & QUARRY_COMPAT_GFP_KERNEL))) {
		obj = quarry_alloc_site(heap, size, gfp & ~__GFP_ACCOUNT, QUARRY_KIND_PTR, site);
		if (likely(obj) || !quarry_compat_kernel_helps())
			return obj;
	}
	return quarry_kernel_kmalloc(size, gfp, NUMA_NO_NODE);
}

static inline void *quarry_compat_alloc_node(struct quarry_heap *heap, size_t size, gfp_t gfp,
					     int node, const struct quarry_site *site)
{
	void *obj;

	if (size <= QUARRY_EXTENT_MAX_SIZE && !(gfp & QUARRY_COMPAT_GFP_KERNEL)) {
		obj = quarry_alloc_node_site(heap, size, gfp & ~__GFP_ACCOUNT, node,
					     QUARRY_KIND_PTR, site);
		if (likely(obj) || !quarry_compat_kernel_helps())
			return obj;
	}
	return quarry_kernel_kmalloc(size, gfp, node);
}

static inline void *quarry_compat_kvmalloc(struct quarry_heap *heap, size_t size, gfp_t gfp,
					   int node, const struct quarry_site *site)
{
	gfp_t easy = (gfp & ~__GFP_ACCOUNT) | __GFP_NOWARN;
	void *obj;

	/* No more than pages can do for one page; for more there is vmalloc(). */
	if (size <= PAGE_SIZE)
		return quarry_compat_alloc_node(heap, size, gfp, node, site);
	if (size <= QUARRY_EXTENT_MAX_SIZE && !(gfp & QUARRY_COMPAT_GFP_KERNEL)) {
		if (!(gfp & __GFP_RETRY_MAYFAIL))
			easy |= __GFP_NORETRY;
		obj = quarry_alloc_node_site(heap, size, easy, node, QUARRY_KIND_PTR, site);
		if (obj)
			return obj;
	}
	return quarry_kernel_kvmalloc(size, gfp, node);
}

static __always_inline void *
quarry_compat_alloc_array(struct quarry_heap *heap, size_t n, size_t size, gfp_t gfp,
			  const struct quarry_site *site)
{
	size_t bytes;

	if (unlikely(check_mul_overflow(n, size, &bytes)))
		return NULL;
	return quarry_compat_alloc(heap, bytes, gfp, site);
}

static inline void *
quarry_compat_alloc_array_node(struct quarry_heap *heap, size_t n, size_t size, gfp_t gfp,
			       int node, const struct quarry_site *site)
{
	size_t bytes;

	if (unlikely(check_mul_overflow(n, size, &bytes)))
		return NULL;
	return quarry_compat_alloc_node(heap, bytes, gfp, node, site);
}

static inline void *
quarry_compat_kvmalloc_array(struct quarry_heap *heap, size_t n, size_t size, gfp_t gfp,
			     int node, const struct quarry_site *site)
{
	size_t bytes;

	if (unlikely(check_mul_overflow(n, size, &bytes)))
		return NULL;
	return quarry_compat_kvmalloc(heap, bytes, gfp, node, site);
}

static inline void *quarry_compat_memdup(struct quarry_heap *heap, const void *src, size_t len,
					 gfp_t gfp, const struct quarry_site *site)
{
	void *copy = quarry_compat_alloc(heap, len, gfp, site);

	if (!ZERO_OR_NULL_PTR(copy))
		memcpy(copy, src, len);
	return copy;
}

static inline void *quarry_compat_kvmemdup(struct quarry_heap *heap, const void *src, size_t len,
					   gfp_t gfp, const struct quarry_site *site)
{
	void *copy = quarry_compat_kvmalloc(heap, len, gfp, NUMA_NO_NODE, site);

	if (!ZERO_OR_NULL_PTR(copy))
		memcpy(copy, src, len);
	return copy;
}

/* @len bytes of @str and a NUL. */
static inline char *quarry_compat_memdup_nul(struct quarry_heap *heap, const char *str, size_t len,
					     gfp_t gfp, const struct quarry_site *site)
{
	char *copy;

	if (!str)
		return NULL;
	copy = quarry_compat_alloc(heap, len + 1, gfp, site);
	if (copy) {
		memcpy(copy, str, len);
		copy[len] = '\0';
	}
	return copy;
}

static inline char *quarry_compat_strdup(struct quarry_heap *heap, const char *str, gfp_t gfp,
					 const struct quarry_site *site)
{
	return quarry_compat_memdup_nul(heap, str, str ? strlen(str) : 0, gfp, site);
}

static inline char *quarry_compat_strndup(struct quarry_heap *heap, const char *str, size_t max,
					  gfp_t gfp, const struct quarry_site *site)
{
	return quarry_compat_memdup_nul(heap, str, str ? strnlen(str, max) : 0, gfp, site);
}

static inline void *quarry_compat_krealloc(struct quarry_heap *heap, const void *ptr, size_t size,
					   gfp_t gfp, const struct quarry_site *site)
{
	if (ZERO_OR_NULL_PTR(ptr) || quarry_heap_of(ptr))
		return quarry_compat_realloc(heap, ptr, size, gfp, false, site);
	return krealloc(ptr, size, gfp);
}

static inline void *
quarry_compat_krealloc_array(struct quarry_heap *heap, const void *ptr, size_t n, size_t size,
			     gfp_t gfp, const struct quarry_site *site)
{
	size_t bytes;

	if (unlikely(check_mul_overflow(n, size, &bytes)))
		return NULL;
	return quarry_compat_krealloc(heap, ptr, bytes, gfp, site);
}

/* === Freeing and looking === */

static inline void quarry_compat_kfree(const void *ptr)
{
	if (unlikely(!quarry_free_ours(ptr)))
		kfree(ptr);
}

static inline void quarry_compat_kvfree(const void *ptr)
{
	if (unlikely(!quarry_free_ours(ptr)))
		kvfree(ptr);
}

static inline void quarry_compat_kfree_const(const void *ptr)
{
	if (unlikely(!quarry_free_ours(ptr)))
		kfree_const(ptr);
}

static inline void quarry_compat_kfree_sensitive(const void *ptr)
{
	if (ZERO_OR_NULL_PTR(ptr) || quarry_heap_of(ptr))
		quarry_free_sensitive(ptr);
	else
		kfree_sensitive(ptr);
}

static inline void quarry_compat_kvfree_sensitive(const void *ptr, size_t len)
{
	if (ZERO_OR_NULL_PTR(ptr) || quarry_heap_of(ptr))
		quarry_free_sensitive(ptr);
	else
		kvfree_sensitive(ptr, len);
}

static inline size_t quarry_compat_ksize(const void *ptr)
{
	return quarry_heap_of(ptr) ? quarry_usable_size(ptr) : ksize(ptr);
}

/* === Caches === */

static __always_inline bool quarry_compat_is_ours(const struct kmem_cache *s)
{
	return (unsigned long)s & 1;
}

static __always_inline struct quarry_cache *quarry_compat_cache(const struct kmem_cache *s)
{
	return (struct quarry_cache *)((unsigned long)s - 1);
}

static inline bool quarry_compat_takes_cache(const char *name, unsigned int size,
					     unsigned int align, slab_flags_t flags)
{
	return name && *name && size && size <= QUARRY_CACHE_MAX_SIZE && align <= PAGE_SIZE &&
	       (!align || is_power_of_2(align)) && !(flags & QUARRY_COMPAT_SLAB_KERNEL);
}

static inline struct kmem_cache *
quarry_compat_create_5(struct quarry_heap *heap, const struct quarry_site *site, const char *name,
		       unsigned int size, unsigned int align, slab_flags_t flags,
		       void (*ctor)(void *obj))
{
	if (quarry_compat_takes_cache(name, size, align, flags))
		return quarry_compat_cache_create(heap, site, name, size, align, flags, ctor);
	return kmem_cache_create(name, size, align, flags, ctor);
}

/* All of an object of a heap may be copied to and from user space. */
static inline struct kmem_cache *
quarry_compat_create_usercopy(struct quarry_heap *heap, const struct quarry_site *site,
			      const char *name, unsigned int size, unsigned int align,
			      slab_flags_t flags, unsigned int useroffset, unsigned int usersize,
			      void (*ctor)(void *obj))
{
	if (quarry_compat_takes_cache(name, size, align, flags))
		return quarry_compat_cache_create(heap, site, name, size, align, flags, ctor);
	return kmem_cache_create_usercopy(name, size, align, flags, useroffset, usersize, ctor);
}

/* Where it is a macro, it also takes a struct kmem_cache_args, or NULL. */
#ifdef kmem_cache_create
static inline struct kmem_cache *
quarry_compat_create_4(struct quarry_heap *heap, const struct quarry_site *site, const char *name,
		       unsigned int size, struct kmem_cache_args *args, slab_flags_t flags)
{
	struct kmem_cache_args none = {};

	if (!args)
		args = &none;
	if (quarry_compat_takes_cache(name, size, args->align, flags))
		return quarry_compat_cache_create(heap, site, name, size, args->align, flags,
						  args->ctor);
	return __kmem_cache_create_args(name, size, args, flags);
}
#endif

static inline void quarry_compat_cache_destroy(struct kmem_cache *s)
{
	if (quarry_compat_is_ours(s))
		quarry_cache_destroy(quarry_compat_cache(s));
	else
		kmem_cache_destroy(s);
}

static inline int quarry_compat_cache_shrink(struct kmem_cache *s)
{
	if (!quarry_compat_is_ours(s))
		return kmem_cache_shrink(s);
	quarry_cache_shrink(quarry_compat_cache(s));
	return 0;
}

static inline unsigned int quarry_compat_cache_size(struct kmem_cache *s)
{
	if (!quarry_compat_is_ours(s))
		return kmem_cache_size(s);
	return quarry_cache_object_size(quarry_compat_cache(s));
}

/* Zones are the cache's matter, not the object's; a failure is the rescue's. */
static __always_inline gfp_t quarry_compat_cache_gfp(gfp_t gfp)
{
	return gfp & ~(QUARRY_GFP_SLOW & ~__GFP_THISNODE);
}

static __always_inline void *quarry_compat_cache_alloc(struct kmem_cache *s, gfp_t gfp,
						       const struct quarry_site *site)
{
	void *obj;

	if (unlikely(!quarry_compat_is_ours(s)))
		return kmem_cache_alloc(s, gfp);
	obj = quarry_cache_alloc_site(quarry_compat_cache(s), quarry_compat_cache_gfp(gfp), site);
	return likely(obj) ? obj : quarry_compat_cache_rescue(quarry_compat_cache(s), gfp);
}

/* The list of a memcg is for what is charged to one, which a heap's objects are not. */
static inline void *quarry_compat_cache_alloc_lru(struct kmem_cache *s, struct list_lru *lru,
						  gfp_t gfp, const struct quarry_site *site)
{
	if (!quarry_compat_is_ours(s))
		return kmem_cache_alloc_lru(s, lru, gfp);
	return quarry_compat_cache_alloc(s, gfp, site);
}

static inline void *quarry_compat_cache_alloc_node(struct kmem_cache *s, gfp_t gfp, int node,
						   const struct quarry_site *site)
{
	void *obj;

	if (!quarry_compat_is_ours(s))
		return kmem_cache_alloc_node(s, gfp, node);
	obj = quarry_cache_alloc_node_site(quarry_compat_cache(s), quarry_compat_cache_gfp(gfp),
					   node, site);
	return likely(obj) ? obj : quarry_compat_cache_rescue(quarry_compat_cache(s), gfp);
}

/* An object may be the kernel's, see quarry_compat_cache_rescue(). */
static inline void quarry_compat_cache_free(struct kmem_cache *s, void *obj)
{
	if (likely(quarry_compat_is_ours(s)))
		quarry_compat_kfree(obj);
	else
		kmem_cache_free(s, obj);
}

static inline void quarry_compat_cache_free_bulk(struct kmem_cache *s, size_t nr, void **objs)
{
	/* NULL is for objects of any kmalloc() and cache. */
	if (s && !quarry_compat_is_ours(s)) {
		kmem_cache_free_bulk(s, nr, objs);
		return;
	}
	while (nr)
		quarry_compat_kfree(objs[--nr]);
}

static inline int quarry_compat_cache_alloc_bulk(struct kmem_cache *s, gfp_t gfp, size_t nr,
						 void **objs, const struct quarry_site *site)
{
	size_t i;

	if (!quarry_compat_is_ours(s))
		return kmem_cache_alloc_bulk(s, gfp, nr, objs);
	if (quarry_cache_alloc_bulk_site(quarry_compat_cache(s), quarry_compat_cache_gfp(gfp), nr,
					 objs, site) == nr)
		return nr;
	/* Some of them may have to be the kernel's. */
	for (i = 0; i < nr; i++) {
		objs[i] = quarry_compat_cache_alloc(s, gfp, site);
		if (!objs[i]) {
			quarry_compat_cache_free_bulk(s, i, objs);
			return 0;
		}
	}
	return nr;
}

/* === Memory pools === */

static inline void *quarry_compat_mempool_alloc_slab(gfp_t gfp, void *pool_data)
{
	return quarry_compat_cache_alloc(pool_data, gfp, QUARRY_SITE());
}

static inline void quarry_compat_mempool_free_slab(void *element, void *pool_data)
{
	quarry_compat_cache_free(pool_data, element);
}

static inline void *quarry_compat_mempool_kmalloc(gfp_t gfp, void *pool_data)
{
	return quarry_compat_alloc(QUARRY_COMPAT_HEAP, (size_t)pool_data, gfp, QUARRY_SITE());
}

static inline void quarry_compat_mempool_kfree(void *element, void *pool_data)
{
	quarry_compat_kfree(element);
}

static inline void *quarry_compat_mempool_kvmalloc(gfp_t gfp, void *pool_data)
{
	return quarry_compat_kvmalloc(QUARRY_COMPAT_HEAP, (size_t)pool_data, gfp, NUMA_NO_NODE,
				      QUARRY_SITE());
}

static inline void quarry_compat_mempool_kvfree(void *element, void *pool_data)
{
	quarry_compat_kvfree(element);
}

/* __free(kfree) and __free(kvfree): the kernel's were made with its own names. */
#ifdef DEFINE_FREE
static inline void quarry_compat_end_kfree(const void *ptr)
{
	if (!IS_ERR(ptr))
		quarry_compat_kfree(ptr);
}

static inline void quarry_compat_end_kvfree(const void *ptr)
{
	if (!IS_ERR(ptr))
		quarry_compat_kvfree(ptr);
}

DEFINE_FREE(quarry_compat_kfree, void *, quarry_compat_end_kfree(_T))
DEFINE_FREE(quarry_compat_kvfree, void *, quarry_compat_end_kvfree(_T))
#define __free_kfree	__free_quarry_compat_kfree
#define __free_kvfree	__free_quarry_compat_kvfree
#endif

/* === The names === */

/* kmalloc() and its relatives */

#undef __kmalloc
#undef __kmalloc_noprof
#undef kmalloc
#undef kmalloc_noprof
#undef kzalloc
#undef kzalloc_noprof
#define kmalloc(size, gfp) \
	quarry_compat_alloc(QUARRY_COMPAT_HEAP, size, gfp, QUARRY_SITE())
#define kzalloc(size, gfp)		kmalloc(size, (gfp) | __GFP_ZERO)
#define __kmalloc(size, gfp)		kmalloc(size, gfp)
#define __kmalloc_noprof(size, gfp)	kmalloc(size, gfp)
#define kmalloc_noprof(size, gfp)	kmalloc(size, gfp)
#define kzalloc_noprof(size, gfp)	kzalloc(size, gfp)

#undef kmalloc_node
#undef kmalloc_node_noprof
#undef kzalloc_node
#define kmalloc_node(size, gfp, node) \
	quarry_compat_alloc_node(QUARRY_COMPAT_HEAP, size, gfp, node, QUARRY_SITE())
#define kzalloc_node(size, gfp, node)		kmalloc_node(size, (gfp) | __GFP_ZERO, node)
#define kmalloc_node_noprof(size, gfp, node)	kmalloc_node(size, gfp, node)

#undef kmalloc_array
#undef kmalloc_array_noprof
#undef kcalloc
#undef kcalloc_noprof
#define kmalloc_array(n, size, gfp) \
	quarry_compat_alloc_array(QUARRY_COMPAT_HEAP, n, size, gfp, QUARRY_SITE())
#define kcalloc(n, size, gfp)			kmalloc_array(n, size, (gfp) | __GFP_ZERO)
#define kmalloc_array_noprof(n, size, gfp)	kmalloc_array(n, size, gfp)
#define kcalloc_noprof(n, size, gfp)		kcalloc(n, size, gfp)

#undef kmalloc_array_node
#undef kmalloc_array_node_noprof
#undef kcalloc_node
#define kmalloc_array_node(n, size, gfp, node) \
	quarry_compat_alloc_array_node(QUARRY_COMPAT_HEAP, n, size, gfp, node, QUARRY_SITE())
#define kcalloc_node(n, size, gfp, node) \
	kmalloc_array_node(n, size, (gfp) | __GFP_ZERO, node)
#define kmalloc_array_node_noprof(n, size, gfp, node)	kmalloc_array_node(n, size, gfp, node)

#undef kmalloc_track_caller
#undef kmalloc_track_caller_noprof
#undef kmalloc_node_track_caller
#undef kmalloc_node_track_caller_noprof
#define kmalloc_track_caller(size, gfp)			kmalloc(size, gfp)
#define kmalloc_track_caller_noprof(size, gfp)		kmalloc(size, gfp)
#define kmalloc_node_track_caller(size, gfp, node)	kmalloc_node(size, gfp, node)
/* A caller's address follows. */
#define kmalloc_node_track_caller_noprof(size, gfp, node, ...)	kmalloc_node(size, gfp, node)

#undef krealloc
#undef krealloc_noprof
#undef krealloc_array
#undef krealloc_array_noprof
#define krealloc(ptr, size, gfp) \
	quarry_compat_krealloc(QUARRY_COMPAT_HEAP, ptr, size, gfp, QUARRY_SITE())
#define krealloc_noprof(ptr, size, gfp)		krealloc(ptr, size, gfp)
#define krealloc_array(ptr, n, size, gfp) \
	quarry_compat_krealloc_array(QUARRY_COMPAT_HEAP, ptr, n, size, gfp, QUARRY_SITE())
#define krealloc_array_noprof(ptr, n, size, gfp)	krealloc_array(ptr, n, size, gfp)

/* kvmalloc() and its relatives */

#undef kvmalloc_node
#undef kvmalloc_node_noprof
#undef kvmalloc
#undef kvmalloc_noprof
#undef kvzalloc
#undef kvzalloc_node
#define kvmalloc_node(size, gfp, node) \
	quarry_compat_kvmalloc(QUARRY_COMPAT_HEAP, size, gfp, node, QUARRY_SITE())
#define kvmalloc(size, gfp)			kvmalloc_node(size, gfp, NUMA_NO_NODE)
#define kvzalloc(size, gfp)			kvmalloc(size, (gfp) | __GFP_ZERO)
#define kvzalloc_node(size, gfp, node)		kvmalloc_node(size, (gfp) | __GFP_ZERO, node)
#define kvmalloc_noprof(size, gfp)		kvmalloc(size, gfp)
#define kvmalloc_node_noprof(size, gfp, node)	kvmalloc_node(size, gfp, node)

#undef kvmalloc_array
#undef kvmalloc_array_noprof
#undef kvmalloc_array_node_noprof
#undef kvcalloc
#undef kvcalloc_noprof
#undef kvcalloc_node
#undef kvcalloc_node_noprof
#define kvmalloc_array_node_noprof(n, size, gfp, node) \
	quarry_compat_kvmalloc_array(QUARRY_COMPAT_HEAP, n, size, gfp, node, QUARRY_SITE())
#define kvmalloc_array(n, size, gfp) \
	kvmalloc_array_node_noprof(n, size, gfp, NUMA_NO_NODE)
#define kvmalloc_array_noprof(n, size, gfp)	kvmalloc_array(n, size, gfp)
#define kvcalloc_node(n, size, gfp, node) \
	kvmalloc_array_node_noprof(n, size, (gfp) | __GFP_ZERO, node)
#define kvcalloc_node_noprof(n, size, gfp, node)	kvcalloc_node(n, size, gfp, node)
#define kvcalloc(n, size, gfp)			kvcalloc_node(n, size, gfp, NUMA_NO_NODE)
#define kvcalloc_noprof(n, size, gfp)		kvcalloc(n, size, gfp)

/* (ptr, size, gfp), or (ptr, old size, size, gfp) as before 6.12 */
#define quarry_compat_kvrealloc_2(heap, ptr, size, gfp) \
	quarry_compat_realloc(heap, ptr, size, gfp, true, QUARRY_SITE())
#define quarry_compat_kvrealloc_3(heap, ptr, old, size, gfp)		\
({									\
	(void)(old);							\
	quarry_compat_realloc(heap, ptr, size, gfp, true, QUARRY_SITE()); \
})

/* @kernel: the name as it is written here, which is not expanded in itself */
#define quarry_compat_kvrealloc(kernel, ptr, ...)				\
({										\
	const void *_old = (ptr);						\
										\
	ZERO_OR_NULL_PTR(_old) || quarry_heap_of(_old) ?			\
		CONCATENATE(quarry_compat_kvrealloc_, COUNT_ARGS(__VA_ARGS__))	\
			(QUARRY_COMPAT_HEAP, _old, __VA_ARGS__) :		\
		kernel(_old, __VA_ARGS__);					\
})

/* A function until it became a macro over another of that name. */
#ifdef kvrealloc
#undef kvrealloc
#define kvrealloc_noprof(...)	quarry_compat_kvrealloc(kvrealloc_noprof, __VA_ARGS__)
#define kvrealloc(...)		alloc_hooks(kvrealloc_noprof(__VA_ARGS__))
#else
#define kvrealloc(...)		quarry_compat_kvrealloc(kvrealloc, __VA_ARGS__)
#endif

/* Copies */

#undef kmemdup
#undef kmemdup_noprof
#undef kmemdup_nul
#undef kmemdup_array
#undef kvmemdup
#undef kstrdup
#undef kstrndup
#define kmemdup(src, len, gfp) \
	quarry_compat_memdup(QUARRY_COMPAT_HEAP, src, len, gfp, QUARRY_SITE())
#define kmemdup_noprof(src, len, gfp)		kmemdup(src, len, gfp)
#define kmemdup_array(src, n, size, gfp)	kmemdup(src, size_mul(n, size), gfp)
#define kmemdup_nul(str, len, gfp) \
	quarry_compat_memdup_nul(QUARRY_COMPAT_HEAP, str, len, gfp, QUARRY_SITE())
#define kvmemdup(src, len, gfp) \
	quarry_compat_kvmemdup(QUARRY_COMPAT_HEAP, src, len, gfp, QUARRY_SITE())
#define kstrdup(str, gfp) \
	quarry_compat_strdup(QUARRY_COMPAT_HEAP, str, gfp, QUARRY_SITE())
#define kstrndup(str, max, gfp) \
	quarry_compat_strndup(QUARRY_COMPAT_HEAP, str, max, gfp, QUARRY_SITE())

/* Freeing; without arguments, as they are also passed as functions */

#define kfree			quarry_compat_kfree
#define kvfree			quarry_compat_kvfree
#define kfree_const		quarry_compat_kfree_const
#define kfree_sensitive		quarry_compat_kfree_sensitive
#define kvfree_sensitive	quarry_compat_kvfree_sensitive
#define ksize			quarry_compat_ksize
#define kfree_bulk(nr, ptrs)	quarry_compat_cache_free_bulk(NULL, nr, ptrs)

/* What is the kernel's goes the way of the macros that are behind its kfree_rcu(). */
#define quarry_compat_rcu_1(ptr)						\
do {										\
	typeof(ptr) _obj = (ptr);						\
										\
	if (_obj && !quarry_compat_free_rcu(_obj))				\
		kvfree_rcu_arg_1(_obj);						\
} while (0)

/* The second is the name of the head in the object. */
#define quarry_compat_rcu_2(ptr, ...)						\
do {										\
	typeof(ptr) _obj = (ptr);						\
										\
	BUILD_BUG_ON(!__same_type(_obj->__VA_ARGS__, struct rcu_head));		\
	if (_obj && !quarry_compat_free_rcu(_obj))				\
		kvfree_rcu_arg_2(_obj, __VA_ARGS__);				\
} while (0)

#undef kfree_rcu
#undef kvfree_rcu
#undef kfree_rcu_mightsleep
#undef kvfree_rcu_mightsleep
#define kvfree_rcu(...) \
	CONCATENATE(quarry_compat_rcu_, COUNT_ARGS(__VA_ARGS__))(__VA_ARGS__)
#define kfree_rcu(...)			kvfree_rcu(__VA_ARGS__)
#define kvfree_rcu_mightsleep(ptr)	quarry_compat_rcu_1(ptr)
#define kfree_rcu_mightsleep(ptr)	quarry_compat_rcu_1(ptr)

/* Caches; KMEM_CACHE() and KMEM_CACHE_USERCOPY() are made of these. */

/* Five arguments, or where it is a macro also four. */
#ifdef kmem_cache_create
#undef kmem_cache_create
#define __kmem_cache_create_args(...) \
	quarry_compat_create_4(QUARRY_COMPAT_HEAP, QUARRY_SITE(), __VA_ARGS__)
#endif
#define kmem_cache_create(...)						\
	(CONCATENATE(quarry_compat_create_, COUNT_ARGS(__VA_ARGS__))	\
		(QUARRY_COMPAT_HEAP, QUARRY_SITE(), __VA_ARGS__))
#define kmem_cache_create_usercopy(name, size, align, flags, useroffset, usersize, ctor)	\
	quarry_compat_create_usercopy(QUARRY_COMPAT_HEAP, QUARRY_SITE(), name, size, align,	\
				      flags, useroffset, usersize, ctor)
#define kmem_cache_destroy	quarry_compat_cache_destroy
#define kmem_cache_shrink	quarry_compat_cache_shrink
#define kmem_cache_size		quarry_compat_cache_size

#undef kmem_cache_alloc
#undef kmem_cache_alloc_noprof
#undef kmem_cache_zalloc
#undef kmem_cache_alloc_lru
#undef kmem_cache_alloc_lru_noprof
#undef kmem_cache_alloc_node
#undef kmem_cache_alloc_node_noprof
#undef kmem_cache_alloc_bulk
#undef kmem_cache_alloc_bulk_noprof
#define kmem_cache_alloc(s, gfp)		quarry_compat_cache_alloc(s, gfp, QUARRY_SITE())
#define kmem_cache_alloc_noprof(s, gfp)		kmem_cache_alloc(s, gfp)
#define kmem_cache_zalloc(s, gfp)		kmem_cache_alloc(s, (gfp) | __GFP_ZERO)
#define kmem_cache_alloc_lru(s, lru, gfp) \
	quarry_compat_cache_alloc_lru(s, lru, gfp, QUARRY_SITE())
#define kmem_cache_alloc_lru_noprof(s, lru, gfp)	kmem_cache_alloc_lru(s, lru, gfp)
#define kmem_cache_alloc_node(s, gfp, node) \
	quarry_compat_cache_alloc_node(s, gfp, node, QUARRY_SITE())
#define kmem_cache_alloc_node_noprof(s, gfp, node)	kmem_cache_alloc_node(s, gfp, node)
#define kmem_cache_alloc_bulk(s, gfp, nr, objs) \
	quarry_compat_cache_alloc_bulk(s, gfp, nr, objs, QUARRY_SITE())
#define kmem_cache_alloc_bulk_noprof(s, gfp, nr, objs)	kmem_cache_alloc_bulk(s, gfp, nr, objs)
#define kmem_cache_free		quarry_compat_cache_free
#define kmem_cache_free_bulk	quarry_compat_cache_free_bulk

/* An object of a heap is charged to nobody, which is no failure. */
#define kmem_cache_charge(obj, gfp)						\
({										\
	void *_charged = (obj);							\
										\
	quarry_heap_of(_charged) || kmem_cache_charge(_charged, gfp);		\
})

/* Pools: those of slabs, kmalloc() and kvmalloc(); others have callbacks of their own. */

#undef mempool_init_slab_pool
#undef mempool_create_slab_pool
#undef mempool_init_kmalloc_pool
#undef mempool_create_kmalloc_pool
#define mempool_alloc_slab	quarry_compat_mempool_alloc_slab
#define mempool_free_slab	quarry_compat_mempool_free_slab
#define mempool_kmalloc		quarry_compat_mempool_kmalloc
#define mempool_kfree		quarry_compat_mempool_kfree
#define mempool_kvmalloc	quarry_compat_mempool_kvmalloc
#define mempool_kvfree		quarry_compat_mempool_kvfree
#define mempool_init_slab_pool(pool, min_nr, s) \
	mempool_init(pool, min_nr, mempool_alloc_slab, mempool_free_slab, (void *)(s))
#define mempool_create_slab_pool(min_nr, s) \
	mempool_create(min_nr, mempool_alloc_slab, mempool_free_slab, (void *)(s))
#define mempool_init_kmalloc_pool(pool, min_nr, size) \
	mempool_init(pool, min_nr, mempool_kmalloc, mempool_kfree, (void *)(size_t)(size))
#define mempool_create_kmalloc_pool(min_nr, size) \
	mempool_create(min_nr, mempool_kmalloc, mempool_kfree, (void *)(size_t)(size))
#define mempool_init_kvmalloc_pool(pool, min_nr, size) \
	mempool_init(pool, min_nr, mempool_kvmalloc, mempool_kvfree, (void *)(size_t)(size))
#define mempool_create_kvmalloc_pool(min_nr, size) \
	mempool_create(min_nr, mempool_kvmalloc, mempool_kvfree, (void *)(size_t)(size))

#endif /* _QUARRY_SLAB_COMPAT_H */
