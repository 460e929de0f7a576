/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Poison: with generic KASAN, free space of arenas must not be touched.  Elsewhere this is
 * nothing.
 *
 * The kernel's own functions are not exported on all kernels: kasan_unpoison() is nowhere,
 * and what the inline path needs must be ours.  The shadow is described in
 * Documentation/dev-tools/kasan.rst: a byte of it for 8 bytes of memory is 0 (all may be
 * touched), 1 to 7 (so many of them), or a code above 127.
 */
#ifndef _QUARRY_POISON_H
#define _QUARRY_POISON_H

#include <linux/kasan.h>
#include <linux/types.h>

struct quarry_arena_priv;

#if defined(CONFIG_KASAN_GENERIC) && !defined(CONFIG_UML)
#define QUARRY_POISONS	1
#else
#define QUARRY_POISONS	0
#endif

/* What KASAN calls these is what an access is reported as. */
#define QUARRY_POISON_STALE	0xff	/* KASAN_PAGE_FREE: use-after-free */
#define QUARRY_POISON_FRESH	0xfe	/* KASAN_PAGE_REDZONE: out-of-bounds */

#if QUARRY_POISONS
/* @start to @end, a multiple of 8, may not be touched. */
void quarry_poison(unsigned long start, unsigned long end, u8 code);
/* @start to @end may be touched, and nothing else of the last 8 bytes. */
void quarry_unpoison(unsigned long start, unsigned long end);
#else
static inline void quarry_poison(unsigned long start, unsigned long end, u8 code)
{
}

static inline void quarry_unpoison(unsigned long start, unsigned long end)
{
}
#endif

/* The shadow of an address, or 0. */
u8 quarry_poison_at(const void *ptr);

#endif /* _QUARRY_POISON_H */
