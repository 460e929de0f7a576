// SPDX-License-Identifier: GPL-2.0
/*
 * How long what is in an arena lives: marks, callbacks, children, references.
 *
 *	parent ── children, newest last ── their children ...
 *	   └ cleanups: newest ─> ... ─> oldest        records in the arena itself
 *	   └ mark: serial of the newest mark; each mark knows the one before it
 *
 * A mark is a copy of where the arena was, in memory of the caller.  Serials are given once,
 * and only the newest mark may be rewound to or forgotten, so that one that is stale,
 * or older than another one, is refused.
 *
 * Destroying or resetting an arena destroys its children first, each after its own, without
 * recursion, then calls its callbacks, the newest first.  Rewinding calls those that
 * came after the mark: their records are part of what is rewound.
 *
 * References: the one who made an arena has one; the last to let go destroys it.
 *
 * Locking: the owner's, of parent and children together, which checked arenas check
 * (arena_check.c); refs is atomic.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/err.h>
#include <linux/export.h>
#include <linux/kref.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "arena.h"
#include "escape.h"
#include "internal.h"
#include "poison.h"

/* === Marks === */

void quarry_arena_mark(struct quarry_arena *arena, struct quarry_arena_mark *mark)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena);
	bool in = quarry_arena_enter(a, _RET_IP_);

	if (!in && !quarry_arena_is_alive(a)) {
		/* Rewinding to it will be refused. */
		mark->arena = NULL;
		return;
	}
	*mark = (struct quarry_arena_mark) {
		.arena = arena,
		.serial = ++a->last_mark,
		.previous = a->mark,
		.chunk = a->current_chunk,
		.alone = a->alone,
		.cleanups = a->cleanups,
		.pos = arena->pos,
		.start = a->start,
		.floor = a->arena.floor,
		.used_before = a->used_before,
		.asked = a->asked,
	};
	a->mark = mark->serial;
	a->arena.floor = arena->pos;
	quarry_arena_leave(a, in);
}
EXPORT_SYMBOL_GPL(quarry_arena_mark);

static bool is_newest(const struct quarry_arena_priv *a, const struct quarry_arena_mark *mark,
		      const char *what)
{
	if (mark->arena == &a->arena && mark->serial && mark->serial == a->mark)
		return true;
	quarry_report("arena %s: %s a mark that is %s\n", quarry_arena_name(a), what,
		      mark->arena != &a->arena ? "of another arena or was used" :
		      mark->serial < a->mark ? "older than another one" : "stale");
	return false;
}

static void run_cleanups(struct quarry_arena_priv *a, const struct quarry_arena_cleanup *until)
{
	struct quarry_arena_cleanup *c;

	while ((c = a->cleanups) && c != until) {
		/* Before the call, which may look at the arena. */
		a->cleanups = c->next;
		if (c->fn)
			c->fn(c->arg);
	}
}

static int rewind_to(struct quarry_arena_priv *a, struct quarry_arena_mark *mark)
{
	struct quarry_chunk *chunk;

	if (!is_newest(a, mark, "rewinding to"))
		return -EINVAL;
	quarry_arena_note_peak(a);
	run_cleanups(a, mark->cleanups);
	quarry_arena_put_alone(a, mark->alone);
	if (want_init_on_free() || QUARRY_POISONS)
		quarry_arena_wipe(a, mark->chunk, mark->pos);
	/* What was used since becomes spare. */
	for (chunk = mark->chunk; chunk != a->current_chunk; chunk = chunk->next)
		a->active -= chunk->next->size;
	chunk = mark->chunk;
	a->current_chunk = chunk;
	a->start = mark->start;
	a->arena.pos = mark->pos;
	quarry_arena_set_end(a, (unsigned long)chunk + chunk->size);
	a->used_before = mark->used_before;
	a->asked = mark->asked;
	a->arena.floor = mark->floor;
	a->mark = mark->previous;
	mark->arena = NULL;
	if (a->unmaps) {
		quarry_arena_put_spare(a, 0);
		quarry_escape_settle();
	}
	return 0;
}

int quarry_arena_rewind(struct quarry_arena *arena, struct quarry_arena_mark *mark)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena);
	int ret;

	if (!quarry_arena_enter(a, _RET_IP_))
		return -EBUSY;
	ret = rewind_to(a, mark);
	quarry_arena_leave(a, true);
	return ret;
}
EXPORT_SYMBOL_GPL(quarry_arena_rewind);

static int forget(struct quarry_arena_priv *a, struct quarry_arena_mark *mark)
{
	if (!is_newest(a, mark, "forgetting"))
		return -EINVAL;
	if (a->current_chunk == mark->chunk)
		a->arena.floor = mark->floor;
	a->mark = mark->previous;
	mark->arena = NULL;
	return 0;
}

int quarry_arena_unmark(struct quarry_arena *arena, struct quarry_arena_mark *mark)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena);
	int ret;

	if (!quarry_arena_enter(a, _RET_IP_))
		return -EBUSY;
	ret = forget(a, mark);
	quarry_arena_leave(a, true);
	return ret;
}
EXPORT_SYMBOL_GPL(quarry_arena_unmark);

/* === Callbacks === */

int quarry_arena_on_reset(struct quarry_arena *arena, void (*fn)(void *arg), void *arg, gfp_t gfp)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena);
	struct quarry_arena_cleanup *c;

	if (!fn) {
		quarry_report("arena %s: a callback that is NULL\n", quarry_arena_name(a));
		return -EINVAL;
	}
	if (!quarry_arena_enter(a, _RET_IP_))
		return -EBUSY;
	c = quarry_arena_alloc_inside(a, sizeof(*c), QUARRY_ARENA_ALIGN, gfp, QUARRY_SITE());
	if (c) {
		*c = (struct quarry_arena_cleanup) { .next = a->cleanups, .fn = fn, .arg = arg };
		a->cleanups = c;
	}
	quarry_arena_leave(a, true);
	return c ? 0 : -ENOMEM;
}
EXPORT_SYMBOL_GPL(quarry_arena_on_reset);

struct kref_release {
	struct kref *kref;
	void (*release)(struct kref *kref);
};

static void put_kref(void *arg)
{
	struct kref_release *r = arg;

	kref_put(r->kref, r->release);
}

int quarry_arena_on_reset_kref(struct quarry_arena *arena, struct kref *kref,
			       void (*release)(struct kref *kref), gfp_t gfp)
{
	struct kref_release *r = quarry_arena_alloc(arena, sizeof(*r), gfp);

	if (!r)
		return -ENOMEM;
	*r = (struct kref_release) { .kref = kref, .release = release };
	return quarry_arena_on_reset(arena, put_kref, r, gfp);
}
EXPORT_SYMBOL_GPL(quarry_arena_on_reset_kref);

static void free_memory(void *ptr)
{
	quarry_free(ptr);
}

int quarry_arena_on_reset_free(struct quarry_arena *arena, void *ptr, gfp_t gfp)
{
	return quarry_arena_on_reset(arena, free_memory, ptr, gfp);
}
EXPORT_SYMBOL_GPL(quarry_arena_on_reset_free);

/* === Children === */

static void detach(struct quarry_arena_priv *a)
{
	list_del_init(&a->sibling);
	a->parent = NULL;
}

/* It has no children any more. */
static void destroy_now(struct quarry_arena_priv *a, unsigned long caller)
{
	/* A report, and nothing else to be done about it. */
	quarry_arena_enter(a, caller);
	run_cleanups(a, NULL);
	detach(a);
	quarry_arena_free(a);
}

/* False if somebody else holds it: it lives on without a parent. */
static bool let_go(struct quarry_arena_priv *a)
{
	if (refcount_dec_and_test(&a->refs))
		return true;
	quarry_report("arena %s (made in %s, %s:%u) outlives its parent: it is held by others\n",
		      quarry_arena_name(a), a->site->function, a->site->file, a->site->line);
	return false;
}

void quarry_arena_unwind(struct quarry_arena_priv *a, unsigned long caller)
{
	struct quarry_arena_priv *child = a, *parent;

	/* Down to one that has none, then up again. */
	for (;;) {
		while (!list_empty(&child->children))
			child = list_last_entry(&child->children, struct quarry_arena_priv,
						sibling);
		if (child == a)
			break;
		parent = child->parent;
		if (let_go(child))
			destroy_now(child, caller);
		else
			detach(child);
		child = parent;
	}
	run_cleanups(a, NULL);
}

struct quarry_arena *quarry_arena_create_child_site(struct quarry_arena *parent,
						    const struct quarry_arena_params *params,
						    gfp_t gfp, const struct quarry_site *site)
{
	struct quarry_arena_priv *p = quarry_to_arena(parent), *a;
	struct quarry_arena *arena;

	if (!p->hp) {
		quarry_report("arena %s has no heap to make a child of\n", quarry_arena_name(p));
		return ERR_PTR(-EINVAL);
	}
	if (!quarry_arena_enter(p, _RET_IP_))
		return ERR_PTR(-EBUSY);
	arena = quarry_arena_create_site(&p->hp->heap, params, gfp, site);
	if (!IS_ERR(arena)) {
		a = quarry_to_arena(arena);
		a->parent = p;
		list_add_tail(&a->sibling, &p->children);
	}
	quarry_arena_leave(p, true);
	return arena;
}
EXPORT_SYMBOL_GPL(quarry_arena_create_child_site);

int quarry_arena_set_parent(struct quarry_arena *arena, struct quarry_arena *parent)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena), *p, *up;

	p = parent ? quarry_to_arena(parent) : NULL;
	for (up = p; up; up = up->parent) {
		if (up != a)
			continue;
		quarry_report("arena %s cannot be its own ancestor\n", quarry_arena_name(a));
		return -EINVAL;
	}
	if (p && p->hp != a->hp) {
		quarry_report("arena %s and its new parent %s are of different heaps\n",
			      quarry_arena_name(a), quarry_arena_name(p));
		return -EINVAL;
	}
	if (!quarry_arena_enter(a, _RET_IP_))
		return -EBUSY;
	detach(a);
	a->parent = p;
	if (p)
		list_add_tail(&a->sibling, &p->children);
	quarry_arena_leave(a, true);
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_arena_set_parent);

/* === References, the end === */

void quarry_arena_get(struct quarry_arena *arena)
{
	refcount_inc(&quarry_to_arena(arena)->refs);
}
EXPORT_SYMBOL_GPL(quarry_arena_get);

static void end(struct quarry_arena_priv *a, unsigned long caller)
{
	quarry_arena_enter(a, caller);
	quarry_arena_unwind(a, caller);
	detach(a);
	quarry_arena_free(a);
}

static void put(struct quarry_arena *arena, unsigned long caller)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena);

	if (refcount_dec_and_test(&a->refs))
		end(a, caller);
}

void quarry_arena_put(struct quarry_arena *arena)
{
	put(arena, _RET_IP_);
}
EXPORT_SYMBOL_GPL(quarry_arena_put);

void quarry_arena_destroy(struct quarry_arena *arena)
{
	if (!IS_ERR_OR_NULL(arena))
		put(arena, _RET_IP_);
}
EXPORT_SYMBOL_GPL(quarry_arena_destroy);

static void end_later(struct rcu_head *rcu)
{
	end(container_of(rcu, struct quarry_arena_priv, rcu), (unsigned long)end_later);
}

void quarry_arena_destroy_rcu(struct quarry_arena *arena)
{
	struct quarry_arena_priv *a;

	if (IS_ERR_OR_NULL(arena))
		return;
	a = quarry_to_arena(arena);
	if (!refcount_dec_and_test(&a->refs))
		return;
	/* Its parent may go at any time now. */
	detach(a);
	call_rcu(&a->rcu, end_later);
}
EXPORT_SYMBOL_GPL(quarry_arena_destroy_rcu);
