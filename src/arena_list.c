// SPDX-License-Identifier: GPL-2.0
/*
 * All arenas of a heap: shown in debugfs, summed, told that a module goes, destroyed.
 *
 * Locking: arenas_lock guards the list.  Readers of the list put a marker into it and
 * move that on, so that the lock is held for BATCH steps at most.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "arena.h"
#include "arena_shared.h"
#include "internal.h"

#define BATCH			32	/* arenas per lock hold */

void quarry_arena_list_add(struct quarry_arena_priv *a)
{
	struct quarry_heap_priv *hp = a->hp;
	unsigned long flags;

	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_add_tail(&a->node, &hp->arenas);
	hp->nr_arenas++;
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
}

void quarry_arena_list_del(struct quarry_arena_priv *a)
{
	struct quarry_heap_priv *hp = a->hp;
	unsigned long flags;

	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_del(&a->node);
	hp->nr_arenas--;
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
}

/*
 * Calls @visit under the lock for up to BATCH arenas behind @marker and moves
 * that there.  False if the end was reached.
 */
static bool visit_some(struct quarry_heap_priv *hp, struct quarry_arena_priv *marker,
		       void (*visit)(struct quarry_arena_priv *a, void *arg), void *arg)
{
	struct quarry_arena_priv *a = marker;
	unsigned int n = 0;
	unsigned long flags;
	bool more = false;

	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_for_each_entry_continue(a, &hp->arenas, node) {
		if (n == BATCH) {
			more = true;
			break;
		}
		if (!a->hp)
			continue;
		visit(a, arg);
		n++;
	}
	/* Before the first one not visited, or to the end. */
	list_move_tail(&marker->node, &a->node);
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
	return more;
}

static void add_marker(struct quarry_heap_priv *hp, struct quarry_arena_priv *marker)
{
	unsigned long flags;

	marker->hp = NULL;
	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_add(&marker->node, &hp->arenas);
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
}

static void remove_marker(struct quarry_heap_priv *hp, struct quarry_arena_priv *marker)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_del(&marker->node);
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
}

struct arena_walk {
	struct quarry_arena_priv marker;
	unsigned int nr_rows;
	struct quarry_arena_row rows[BATCH];
};

static void copy_row(struct quarry_arena_priv *a, void *arg)
{
	struct arena_walk *walk = arg;
	struct quarry_arena_row *row = &walk->rows[walk->nr_rows++];

	strscpy(row->name, quarry_arena_name(a), sizeof(row->name));
	row->is_shared = a->is_shared;
	strscpy(row->file, kbasename(a->site->file), sizeof(row->file));
	row->line = a->site->line;
	row->limit = a->limit;
	quarry_arena_read_stats(a, &row->stats);
}

void quarry_arenas_walk(struct quarry_heap_priv *hp,
			void (*fn)(const struct quarry_arena_row *row, void *arg), void *arg)
{
	struct arena_walk *walk = kmalloc(sizeof(*walk), GFP_KERNEL);
	unsigned int i;
	bool more;

	if (!walk)
		return;
	add_marker(hp, &walk->marker);
	do {
		walk->nr_rows = 0;
		more = visit_some(hp, &walk->marker, copy_row, walk);
		for (i = 0; i < walk->nr_rows; i++)
			fn(&walk->rows[i], arg);
	} while (more);
	remove_marker(hp, &walk->marker);
	kfree(walk);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_arenas_walk);

static void add_used(struct quarry_arena_priv *a, void *arg)
{
	*(u64 *)arg += quarry_arena_used(a);
}

u64 quarry_arenas_used(struct quarry_heap_priv *hp)
{
	struct quarry_arena_priv marker;
	u64 used = 0;

	add_marker(hp, &marker);
	while (visit_some(hp, &marker, add_used, &used))
		;
	remove_marker(hp, &marker);
	return used;
}

struct visit_arg {
	void (*fn)(const struct quarry_site *site, u64 used, void *arg);
	void *arg;
};

static void visit_site(struct quarry_arena_priv *a, void *arg)
{
	const struct visit_arg *v = arg;

	v->fn(a->site, quarry_arena_used(a), v->arg);
}

void quarry_arenas_visit(struct quarry_heap_priv *hp,
			 void (*fn)(const struct quarry_site *site, u64 used, void *arg),
			 void *arg)
{
	struct visit_arg v = { .fn = fn, .arg = arg };
	struct quarry_arena_priv marker;

	add_marker(hp, &marker);
	while (visit_some(hp, &marker, visit_site, &v))
		;
	remove_marker(hp, &marker);
}

struct disown_arg {
	struct module *mod;
	unsigned long nr;
};

/* The records in the module's memory are about to go, and so is its code. */
static void disown(struct quarry_arena_priv *a, void *arg)
{
	struct quarry_arena_cleanup *c;
	struct disown_arg *d = arg;

	if (within_module((unsigned long)a->name, d->mod))
		a->name = "(gone)";
	if (within_module((unsigned long)a->site, d->mod)) {
		a->site = &quarry_gone_site;
		d->nr++;
	}
	/* Whoever owned it is gone, too, so the chain is quiet. */
	for (c = a->cleanups; c; c = c->next)
		if (within_module((unsigned long)c->fn, d->mod))
			WRITE_ONCE(c->fn, NULL);
}

unsigned long quarry_arenas_disown(struct quarry_heap_priv *hp, struct module *mod)
{
	struct disown_arg arg = { .mod = mod };
	struct quarry_arena_priv marker;

	add_marker(hp, &marker);
	while (visit_some(hp, &marker, disown, &arg))
		;
	remove_marker(hp, &marker);
	return arg.nr;
}

void quarry_arenas_destroy(struct quarry_heap_priv *hp)
{
	struct quarry_arena_stats stats;
	struct quarry_arena_priv *a;

	/* The heap is going: nobody else is at the list.  Children go with their parents. */
	while (!list_empty(&hp->arenas)) {
		a = list_first_entry(&hp->arenas, struct quarry_arena_priv, node);
		while (a->parent && a->parent->hp == hp)
			a = a->parent;
		quarry_arena_read_stats(a, &stats);
		quarry_report("heap %s destroyed with %s %s (made in %s, %s:%u) of %llu bytes\n",
			      hp->name, a->is_shared ? "shared arena" : "arena",
			      quarry_arena_name(a), a->site->function, a->site->file,
			      a->site->line, stats.held);
		if (a->is_shared) {
			quarry_arena_shared_destroy(&quarry_base_to_shared(a)->shared);
			continue;
		}
		/* Nobody can hold it any longer. */
		refcount_set(&a->refs, 1);
		quarry_arena_destroy(&a->arena);
	}
}
