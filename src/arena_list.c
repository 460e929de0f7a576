// SPDX-License-Identifier: GPL-2.0
/*
 * All arenas of a heap: shown in debugfs, summed, told that a module goes, destroyed.
 *
 *	extents of the heap ─> pages ─> owner entries: an arena is in its own page
 *	list                         ─> arenas on callers' buffers
 *
 * Arenas come and go too often for a list, and there is no need for one: which
 * pages they are in stands in the page map.  Walks look there, and pin what they find, so
 * that it stays what it is for as long as it is looked at (arena_find.c).  A walk
 * takes a glance at each page of the heap: some ms for a heap of GiBs.
 *
 * Of callers' own buffers the page map knows nothing.  Arenas on them, if they have a heap,
 * are in a list.
 *
 * Locking: none for the pages; preemption is off for STEP pages at a time, interrupts for
 * one arena at a time.  arenas_lock guards the list.  Readers of that put a marker into it
 * and move it on, so that the lock is held for BATCH steps at most.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "arena.h"
#include "internal.h"

#define BATCH			32	/* arenas per step */
#define STEP			512	/* pages, or indexes of extents, per step */

void quarry_arena_list_add(struct quarry_arena_priv *a)
{
	struct quarry_heap_priv *hp = a->hp;
	unsigned long flags;

	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_add_tail(&a->link.node, &hp->arenas);
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
}

void quarry_arena_list_del(struct quarry_arena_priv *a)
{
	struct quarry_heap_priv *hp = a->hp;
	unsigned long flags;

	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_del(&a->link.node);
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
}

/* === A walk === */

struct walk {
	struct quarry_heap_priv *hp;
	/* Interrupts are off; what it is given stays an arena of the heap. */
	void (*visit)(struct quarry_arena_priv *a, void *arg);
	void *arg;
	unsigned int batch;		/* arenas per step, at most */
	unsigned int left;		/* of this step */
	unsigned int index;		/* of the extent */
	unsigned int page;		/* of it */
	struct quarry_arena_link marker;	/* in the list */
};

static void visit_pinned(struct walk *w, struct quarry_arena_priv *a)
{
	unsigned long flags;

	local_irq_save(flags);
	if (quarry_arena_pin(a)) {
		/* The page may be of another heap by now. */
		if (a->hp == w->hp) {
			w->visit(a, w->arg);
			w->left--;
		}
		quarry_arena_unpin(a);
	}
	local_irq_restore(flags);
}

/* The arena that is in a page of an extent, if it is still there; or NULL. */
static struct quarry_arena_priv *arena_at(struct quarry_extent *ext, unsigned int page)
{
	void *addr = ext->base + ((unsigned long)page << PAGE_SHIFT);
	struct quarry_arena_priv *a = quarry_owner_to_arena(quarry_owner(addr));

	/* What is absent is another extent's, if anything. */
	return PTR_ALIGN_DOWN(a, PAGE_SIZE) == addr && !test_bit(page, ext->absent) ? a : NULL;
}

/* Preemption is off: an extent that went meanwhile is still there, without arenas. */
static void visit_extent(struct walk *w, struct quarry_extent *ext)
{
	unsigned int end = min(w->page + STEP, ext->nr_pages);
	struct quarry_arena_priv *a;

	for (; w->page < end && w->left; w->page++) {
		a = arena_at(ext, w->page);
		if (a)
			visit_pinned(w, a);
	}
}

static void visit_pages(struct walk *w, unsigned int nr_indexes)
{
	unsigned int end = min(w->index + STEP, nr_indexes);
	struct quarry_extent *ext;

	preempt_disable();
	for (; w->index < end; w->index++) {
		ext = quarry_extent_at(w->index);
		if (ext && ext->pages == &w->hp->pages) {
			visit_extent(w, ext);
			end = min(end, w->index + 1);
			if (w->page < ext->nr_pages)
				break;
		}
		w->page = 0;
	}
	preempt_enable();
}

/* The arenas behind the marker, which is moved there.  False if the end was reached. */
static bool visit_list(struct walk *w)
{
	struct quarry_arena_link *link = &w->marker;
	struct quarry_heap_priv *hp = w->hp;
	unsigned long flags;
	bool more = false;

	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_for_each_entry_continue(link, &hp->arenas, node) {
		if (!w->left) {
			more = true;
			break;
		}
		if (link->is_marker)
			continue;
		w->visit(container_of(link, struct quarry_arena_priv, link), w->arg);
		w->left--;
	}
	/* Before the first one not visited, or to the end. */
	list_move_tail(&w->marker.node, &link->node);
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
	return more;
}

static void begin_walk(struct walk *w)
{
	struct quarry_heap_priv *hp = w->hp;
	unsigned long flags;

	/* Often there is none. */
	w->index = atomic_long_read(&hp->arena_pages) ? 1 : UINT_MAX;
	w->page = 0;
	w->batch = BATCH;
	w->marker.is_marker = true;
	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_add(&w->marker.node, &hp->arenas);
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
}

static void end_walk(struct walk *w)
{
	struct quarry_heap_priv *hp = w->hp;
	unsigned long flags;

	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_del(&w->marker.node);
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
}

/* One step: at most w->batch arenas.  False if there are no more. */
static bool visit_some(struct walk *w)
{
	unsigned int nr = quarry_extent_nr_indexes();

	cond_resched();
	w->left = w->batch;
	if (w->index >= nr)
		return visit_list(w);
	visit_pages(w, nr);
	return true;
}

static void visit_all(struct walk *w)
{
	begin_walk(w);
	while (visit_some(w))
		;
	end_walk(w);
}

/* === What is done with them === */

struct listing {
	struct walk walk;
	unsigned int nr_rows;
	struct quarry_arena_row rows[BATCH];
};

static void copy_row(struct quarry_arena_priv *a, void *arg)
{
	struct listing *l = arg;
	struct quarry_arena_row *row = &l->rows[l->nr_rows++];
	/* It is there as long as the arena, and then for a grace period (disown.c). */
	const struct quarry_site *site = READ_ONCE(a->site);

	strscpy(row->name, quarry_arena_name(a), sizeof(row->name));
	strscpy(row->file, kbasename(site->file), sizeof(row->file));
	row->line = site->line;
	row->limit = a->limit;
	row->veiled = a->veiled;
	quarry_arena_read_stats(a, &row->stats);
}

void quarry_arenas_walk(struct quarry_heap_priv *hp,
			void (*fn)(const struct quarry_arena_row *row, void *arg), void *arg)
{
	struct listing *l = kmalloc(sizeof(*l), GFP_KERNEL);
	unsigned int i;
	bool more;

	if (!l)
		return;
	l->walk.hp = hp;
	l->walk.visit = copy_row;
	l->walk.arg = l;
	begin_walk(&l->walk);
	do {
		l->nr_rows = 0;
		more = visit_some(&l->walk);
		for (i = 0; i < l->nr_rows; i++)
			fn(&l->rows[i], arg);
	} while (more);
	end_walk(&l->walk);
	kfree(l);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_arenas_walk);

static void add_used(struct quarry_arena_priv *a, void *arg)
{
	*(u64 *)arg += quarry_arena_used(a);
}

u64 quarry_arenas_used(struct quarry_heap_priv *hp)
{
	u64 used = 0;
	struct walk w = { .hp = hp, .visit = add_used, .arg = &used };

	visit_all(&w);
	return used;
}

struct visit_arg {
	void (*fn)(const struct quarry_site *site, u64 used, void *arg);
	void *arg;
};

static void visit_site(struct quarry_arena_priv *a, void *arg)
{
	const struct visit_arg *v = arg;

	v->fn(READ_ONCE(a->site), quarry_arena_used(a), v->arg);
}

void quarry_arenas_visit(struct quarry_heap_priv *hp,
			 void (*fn)(const struct quarry_site *site, u64 used, void *arg),
			 void *arg)
{
	struct visit_arg v = { .fn = fn, .arg = arg };
	struct walk w = { .hp = hp, .visit = visit_site, .arg = &v };

	visit_all(&w);
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

	if (within_module((unsigned long)a->site, d->mod)) {
		WRITE_ONCE(a->site, &quarry_gone_site);
		d->nr++;
	}
	/* Whoever made it is gone, too, so the chain is quiet.  That of others may be changing. */
	if (a->site != &quarry_gone_site)
		return;
	for (c = a->cleanups; c; c = c->next)
		if (within_module((unsigned long)c->fn, d->mod))
			WRITE_ONCE(c->fn, NULL);
}

unsigned long quarry_arenas_disown(struct quarry_heap_priv *hp, struct module *mod)
{
	struct disown_arg arg = { .mod = mod };
	struct walk w = { .hp = hp, .visit = disown, .arg = &arg };

	visit_all(&w);
	return arg.nr;
}

static void choose(struct quarry_arena_priv *a, void *arg)
{
	*(struct quarry_arena_priv **)arg = a;
}

static void destroy_family(struct quarry_arena_priv *a)
{
	struct quarry_heap_priv *hp = a->hp;

	/* Children go with their parents. */
	while (a->parent && a->parent->hp == hp)
		a = a->parent;
	quarry_report("heap %s destroyed with arena %s (made in %s, %s:%u) of %llu bytes\n",
		      hp->name, quarry_arena_name(a), a->site->function, a->site->file,
		      a->site->line, a->held);
	/* Nobody can hold it any longer. */
	refcount_set(&a->refs, 1);
	quarry_arena_destroy(&a->arena);
}

/* All that a walk finds, one at a time; false if there was none. */
static bool destroy_some(struct quarry_heap_priv *hp)
{
	struct quarry_arena_priv *found = NULL;
	struct walk w = { .hp = hp, .visit = choose, .arg = &found };
	bool any = false, more;

	begin_walk(&w);
	w.batch = 1;
	do {
		more = visit_some(&w);
		if (!found)
			continue;
		destroy_family(found);
		found = NULL;
		any = true;
	} while (more);
	end_walk(&w);
	return any;
}

void quarry_arenas_destroy(struct quarry_heap_priv *hp)
{
	/* The heap is going: nobody else is there.  A child may outlive its parent at first. */
	while (destroy_some(hp))
		;
}
