/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only place that knows differences between kernels.  Features are probed
 * (a macro or header that is there), versions are not compared: distributions
 * backport.
 */
#ifndef _QUARRY_COMPAT_H
#define _QUARRY_COMPAT_H

/* Lookups compare addresses with the direct map's bounds: tried on these only. */
#if !defined(CONFIG_X86_64) && !defined(CONFIG_UML)
#error "Quarry runs on x86_64 and User-mode Linux"
#endif

#include <linux/mmzone.h>
#include <linux/overflow.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

/* MAX_ORDER was exclusive until it became MAX_PAGE_ORDER. */
#ifdef MAX_PAGE_ORDER
#define QUARRY_KERNEL_MAX_ORDER	MAX_PAGE_ORDER
#else
#define QUARRY_KERNEL_MAX_ORDER	(MAX_ORDER - 1)
#endif

/* A flag of its own until 6.3, since then part of __GFP_HIGH. */
#ifdef __GFP_ATOMIC
#define QUARRY_GFP_ATOMIC	__GFP_ATOMIC
#else
#define QUARRY_GFP_ATOMIC	0
#endif

/* Since 6.2 call_rcu() may dawdle for seconds if the kernel was told so; memory should not. */
#ifdef QUARRY_HAVE_CALL_RCU_HURRY
#define quarry_call_rcu(head, fn)	call_rcu_hurry(head, fn)
#else
#define quarry_call_rcu(head, fn)	call_rcu(head, fn)
#endif

#ifndef struct_size_t
#define struct_size_t(type, member, count) struct_size((type *)NULL, member, count)
#endif

/*
 * Shrinkers: allocated by the kernel since 6.7 (QUARRY_HAVE_SHRINKER_ALLOC comes
 * from a probe in Kbuild), embedded and registered before.
 */
typedef unsigned long quarry_shrink_fn(struct shrinker *shrinker, struct shrink_control *sc);

#ifdef QUARRY_HAVE_SHRINKER_ALLOC
struct quarry_shrinker {
	struct shrinker *shrinker;
};

static inline int quarry_shrinker_register(struct quarry_shrinker *s, const char *name,
					   quarry_shrink_fn *count, quarry_shrink_fn *scan)
{
	s->shrinker = shrinker_alloc(0, "%s", name);
	if (!s->shrinker)
		return -ENOMEM;
	s->shrinker->count_objects = count;
	s->shrinker->scan_objects = scan;
	s->shrinker->seeks = DEFAULT_SEEKS;
	shrinker_register(s->shrinker);
	return 0;
}

static inline void quarry_shrinker_unregister(struct quarry_shrinker *s)
{
	shrinker_free(s->shrinker);
}
#else
struct quarry_shrinker {
	struct shrinker shrinker;
};

static inline int quarry_shrinker_register(struct quarry_shrinker *s, const char *name,
					   quarry_shrink_fn *count, quarry_shrink_fn *scan)
{
	s->shrinker.count_objects = count;
	s->shrinker.scan_objects = scan;
	s->shrinker.seeks = DEFAULT_SEEKS;
	return register_shrinker(&s->shrinker, "%s", name);
}

static inline void quarry_shrinker_unregister(struct quarry_shrinker *s)
{
	unregister_shrinker(&s->shrinker);
}
#endif

#endif /* _QUARRY_COMPAT_H */
