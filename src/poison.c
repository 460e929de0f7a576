// SPDX-License-Identifier: GPL-2.0
/*
 * Poison: writing KASAN's shadow.
 *
 * Locking: none; whoever owns memory owns its shadow.
 */
#include <linux/align.h>
#include <linux/string.h>

#include "internal.h"
#include "poison.h"

#if QUARRY_POISONS
/* __memset() is not instrumented. */
static void set_shadow(unsigned long start, unsigned long end, u8 code)
{
	u8 *shadow = kasan_mem_to_shadow((void *)start);

	if (start < end)
		__memset(shadow, code, (end - start) >> KASAN_SHADOW_SCALE_SHIFT);
}

static unsigned long granule(unsigned long addr)
{
	return ALIGN_DOWN(addr, 1UL << KASAN_SHADOW_SCALE_SHIFT);
}

static unsigned long next_granule(unsigned long addr)
{
	return ALIGN(addr, 1UL << KASAN_SHADOW_SCALE_SHIFT);
}

/* Of the 8 bytes that @end is in, if it is inside, those before it may be touched. */
static void set_last(unsigned long end)
{
	set_shadow(granule(end), next_granule(end), end - granule(end));
}

void quarry_poison(unsigned long start, unsigned long end, u8 code)
{
	if (start >= end)
		return;
	set_last(start);
	set_shadow(next_granule(start), end, code);
}

void quarry_unpoison(unsigned long start, unsigned long end)
{
	set_shadow(granule(start), granule(end), 0);
	set_last(end);
}

u8 __no_sanitize_address quarry_poison_at(const void *ptr)
{
	return READ_ONCE(*(u8 *)kasan_mem_to_shadow(ptr));
}
#else
u8 quarry_poison_at(const void *ptr)
{
	return 0;
}
#endif
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_poison_at);
