// SPDX-License-Identifier: GPL-2.0
/*
 * Copies into an arena and out of it: memory, strings, formatted text, larger and smaller
 * versions of what is there.
 *
 * Locking: the owner's.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/stdarg.h>
#include <linux/string.h>

#include "arena.h"
#include "internal.h"

void *quarry_arena_memdup_site(struct quarry_arena *arena, const void *src, size_t len,
			       size_t align, gfp_t gfp, const struct quarry_site *site)
{
	void *copy = quarry_arena_alloc_site(arena, len, align, gfp, site);

	if (!ZERO_OR_NULL_PTR(copy))
		memcpy(copy, src, len);
	return copy;
}
EXPORT_SYMBOL_GPL(quarry_arena_memdup_site);

char *quarry_arena_strndup_site(struct quarry_arena *arena, const char *str, size_t max, gfp_t gfp,
				const struct quarry_site *site)
{
	size_t len;
	char *copy;

	if (!str)
		return NULL;
	len = strnlen(str, max);
	copy = quarry_arena_alloc_site(arena, len + 1, 1, gfp, site);
	if (copy) {
		memcpy(copy, str, len);
		copy[len] = '\0';
	}
	return copy;
}
EXPORT_SYMBOL_GPL(quarry_arena_strndup_site);

char *quarry_arena_strdup_site(struct quarry_arena *arena, const char *str, gfp_t gfp,
			       const struct quarry_site *site)
{
	return quarry_arena_strndup_site(arena, str, SIZE_MAX - 1, gfp, site);
}
EXPORT_SYMBOL_GPL(quarry_arena_strdup_site);

__printf(3, 0)
static char *format(struct quarry_arena_priv *a, gfp_t gfp, const char *fmt, va_list args)
{
	struct quarry_arena *arena = &a->arena;
	size_t room = a->end - arena->pos;
	va_list again;
	char *text;
	int len;

	/* Straight to where it will be, if it fits there. */
	quarry_arena_expose(arena, arena->pos, room);
	va_copy(again, args);
	len = vsnprintf((char *)arena->pos, room, fmt, again);
	va_end(again);
	if (len < room) {
		text = (char *)arena->pos;
		arena->pos += len + 1;
		a->asked += len + 1;
		quarry_arena_hide_rest(a);
		return text;
	}
	/* Nobody may find what was cut off there. */
	if (want_init_on_free() || want_init_on_alloc(gfp))
		memset((void *)arena->pos, 0, room);
	quarry_arena_hide_rest(a);
	text = quarry_arena_alloc_inside(a, (size_t)len + 1, 1, gfp, a->site);
	if (text)
		vsnprintf(text, (size_t)len + 1, fmt, args);
	return text;
}

__printf(3, 0)
static char *format_for(struct quarry_arena *arena, gfp_t gfp, const char *fmt, va_list args,
			unsigned long caller)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena);
	char *text;

	if (!quarry_arena_enter(a, caller))
		return NULL;
	text = format(a, gfp, fmt, args);
	quarry_arena_leave(a, true);
	return text;
}

char *quarry_arena_vprintf(struct quarry_arena *arena, gfp_t gfp, const char *fmt, va_list args)
{
	return format_for(arena, gfp, fmt, args, _RET_IP_);
}
EXPORT_SYMBOL_GPL(quarry_arena_vprintf);

char *quarry_arena_printf(struct quarry_arena *arena, gfp_t gfp, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = format_for(arena, gfp, fmt, args, _RET_IP_);
	va_end(args);
	return text;
}
EXPORT_SYMBOL_GPL(quarry_arena_printf);

/* Is this what was allocated last, and since the newest mark? */
static bool is_last(const struct quarry_arena_priv *a, const void *ptr, size_t size)
{
	unsigned long at = (unsigned long)ptr;

	return at + size == a->arena.pos && at >= a->start && at >= a->arena.floor;
}

static void *resize(struct quarry_arena_priv *a, void *ptr, size_t old, size_t size, gfp_t gfp,
		    const struct quarry_site *site)
{
	unsigned long at = (unsigned long)ptr;
	void *copy;

	if (!size)
		return ZERO_SIZE_PTR;
	if (size <= QUARRY_ARENA_MAX_ALLOC && is_last(a, ptr, old) && at + size <= a->end) {
		if (size < old)
			quarry_arena_note_peak(a);
		a->arena.pos = at + size;
		if (size > old)
			quarry_arena_expose(&a->arena, at, size);
		if (size > old && want_init_on_alloc(gfp))
			memset(ptr + old, 0, size - old);
		if (size < old && want_init_on_free())
			memset(ptr + size, 0, old - size);
		if (size < old)
			quarry_arena_hide_rest(a);
		return ptr;
	}
	if (size <= old)
		return ptr;
	copy = quarry_arena_alloc_inside(a, size, QUARRY_ARENA_ALIGN, gfp, site);
	if (!copy)
		return NULL;
	memcpy(copy, ptr, old);
	/* It has been added by now, and what stays behind is slack. */
	a->asked -= size;
	return copy;
}

void *quarry_arena_realloc_slow(struct quarry_arena *arena, void *ptr, size_t old, size_t size,
				gfp_t gfp, const struct quarry_site *site)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena);

	if (ZERO_OR_NULL_PTR(ptr))
		return quarry_arena_alloc_site(arena, size, QUARRY_ARENA_ALIGN, gfp, site);
	if (!quarry_arena_enter(a, _RET_IP_))
		return NULL;
	ptr = resize(a, ptr, old, size, gfp, site);
	if (ptr)
		a->asked += size - old;
	quarry_arena_leave(a, true);
	return ptr;
}
EXPORT_SYMBOL_GPL(quarry_arena_realloc_slow);

void *quarry_arena_promote_site(struct quarry_arena *arena, const void *ptr, size_t size,
				gfp_t gfp, const struct quarry_site *site)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena);
	void *copy;

	if (!a->hp) {
		quarry_report("arena %s has no heap to copy to\n", quarry_arena_name(a));
		return NULL;
	}
	copy = quarry_alloc_site(&a->hp->heap, size, gfp & ~__GFP_ZERO, a->kind, site);
	if (!ZERO_OR_NULL_PTR(copy))
		memcpy(copy, ptr, size);
	return copy;
}
EXPORT_SYMBOL_GPL(quarry_arena_promote_site);
