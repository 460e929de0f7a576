// SPDX-License-Identifier: GPL-2.0
/*
 * Owners: who holds what of a heap that tracks.
 *
 *	extents of the heap ─> pages ─> notes of runs            ─> sums by call site
 *	                          └───> slab ─> notes of objects ─>
 *	arenas of the heap                                       ─>
 *
 * All notes are found by way of the extents, so one walk sees each, whatever cache it
 * is of, and needs no list of slabs and none of their locks: descriptors stay for a grace
 * period.  What is allocated or freed meanwhile may be missed or counted in either state.
 *
 * Arenas count with the site that made them and the bytes that they handed out; when the
 * heap is quiet the sums are what stats calls allocated.
 *
 * Locking: sites_mutex from the first look at a call site to the last, against its module
 * going; nothing is allocated with it held, as quarry_owners_disown() has heaps_mutex
 * outside of it.  Preemption is off for STEP notes or pages at a time.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "heap.h"
#include "internal.h"
#include "note.h"

#define STEP		256	/* notes or pages per section with preemption off */
#define MIN_BITS	8	/* call sites there is room for at first: 2^8 */
#define MAX_BITS	18
#define TOP		8	/* call sites named in a report */

static DEFINE_MUTEX(sites_mutex);

bool quarry_track_all;
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_track_all);
bool quarry_harden_all;
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_harden_all);

/* === All notes of a heap === */

struct walk {
	struct quarry_heap_priv *hp;
	/* @size: bytes of the object or run; @sc: NULL for a run.  Preemption is off. */
	void (*fn)(struct quarry_note *note, struct quarry_slab_cache *sc, size_t size, void *arg);
	void *arg;
	unsigned int index;		/* of the extent */
	unsigned long page;
	unsigned int obj;
};

/* Notes of a slab that starts here; true if there are more. */
static bool visit_slab(struct walk *w, struct quarry_slab *slab, unsigned int *left)
{
	struct quarry_slab_cache *sc = slab->cache;
	struct quarry_note *notes = quarry_slab_notes(slab, &sc->layout);

	for (; *left && w->obj < slab->nr_objs; --*left)
		w->fn(&notes[w->obj++], sc, sc->size, w->arg);
	return w->obj < slab->nr_objs;
}

/* One page; its note is visited even if there is no run.  True if there is more of it. */
static bool visit_page(struct walk *w, struct quarry_extent *ext, unsigned int *left)
{
	void *addr = ext->base + (w->page << PAGE_SHIFT);
	unsigned long owner = quarry_owner(addr);
	struct quarry_slab *slab;

	/* It may have gone, and be another extent's. */
	if (owner && __quarry_extent_find(addr) != ext)
		owner = QUARRY_OWNER_NONE;
	slab = quarry_owner_to_slab(owner);
	if (slab)
		return slab->base == addr && visit_slab(w, slab, left);
	w->fn(&ext->notes[w->page], NULL, quarry_run_nr_pages(owner) << PAGE_SHIFT, w->arg);
	return false;
}

/* Preemption is off. */
static void visit_extent(struct walk *w, struct quarry_extent *ext)
{
	unsigned int left = STEP;

	while (left && w->page < ext->nr_pages) {
		if (visit_page(w, ext, &left))
			return;
		left -= !!left;
		w->obj = 0;
		w->page++;
	}
	if (w->page < ext->nr_pages)
		return;
	w->page = 0;
	w->index++;
}

static void walk_notes(struct walk *w)
{
	unsigned int nr = quarry_extent_nr_indexes();
	struct quarry_extent *ext;

	w->index = 1;
	while (w->index < nr) {
		preempt_disable();
		ext = quarry_extent_at(w->index);
		if (ext && ext->pages == &w->hp->pages) {
			visit_extent(w, ext);
		} else {
			/* Also if it went in the middle. */
			w->page = 0;
			w->obj = 0;
			w->index++;
		}
		preempt_enable();
		cond_resched();
	}
}

/* === Sums by call site === */

struct sum {
	const struct quarry_site *site;	/* NULL: unused */
	unsigned long nr;
	u64 bytes;
	unsigned long age;		/* of the oldest, jiffies */
};

struct sums {
	struct sum *rows;
	unsigned int bits;		/* there are 2^bits rows */
	unsigned int nr;		/* in use: at most three quarters */
	bool full;
	bool all;			/* objects of all caches, and runs */
	const struct quarry_slab_cache *only;	/* if not: of this one, or NULL: runs */
};

static struct sum *find_row(struct sums *s, const struct quarry_site *site)
{
	u32 at = hash_ptr(site, s->bits);

	while (s->rows[at].site && s->rows[at].site != site)
		at = (at + 1) & (BIT(s->bits) - 1);
	return &s->rows[at];
}

static void add(struct sums *s, const struct quarry_site *site, u64 bytes, unsigned long age)
{
	struct sum *row = find_row(s, site);

	if (!row->site) {
		s->full = s->full || s->nr >= BIT(s->bits) / 4 * 3;
		if (s->full)
			return;
		row->site = site;
		s->nr++;
	}
	row->nr++;
	row->bytes += bytes;
	row->age = max(row->age, age);
}

static void add_note(struct quarry_note *note, struct quarry_slab_cache *sc, size_t size, void *arg)
{
	const struct quarry_site *site;
	struct sums *s = arg;
	unsigned long age;

	/* Pages that are no run's first have no size. */
	if (size && (s->all || sc == s->only) && quarry_note_read(note, &site, &age))
		add(s, site, size, age);
}

static void add_arena(const struct quarry_site *site, u64 used, void *arg)
{
	add(arg, site, used, 0);
}

/* Larger first; unused rows come last. */
static int by_bytes(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;

	if (!x->site || !y->site)
		return !x->site - !y->site;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x->site < y->site ? -1 : x->site > y->site;
}

static void sum_up(struct quarry_heap_priv *hp, struct sums *s)
{
	struct walk w = { .hp = hp, .fn = add_note, .arg = s };

	lockdep_assert_held(&sites_mutex);
	walk_notes(&w);
	if (s->all)
		quarry_arenas_visit(hp, add_arena, s);
	sort(s->rows, BIT(s->bits), sizeof(*s->rows), by_bytes, NULL);
}

/* With sites_mutex held, for release(), if it returns 0. */
static int collect(struct quarry_heap_priv *hp, struct sums *s)
{
	for (s->bits = MIN_BITS; s->bits <= MAX_BITS; s->bits += 2) {
		s->nr = 0;
		s->full = false;
		s->rows = kvcalloc(BIT(s->bits), sizeof(*s->rows), GFP_KERNEL);
		if (!s->rows)
			return -ENOMEM;
		mutex_lock(&sites_mutex);
		sum_up(hp, s);
		if (!s->full)
			return 0;
		mutex_unlock(&sites_mutex);
		kvfree(s->rows);
	}
	return -E2BIG;
}

static void release(struct sums *s)
{
	mutex_unlock(&sites_mutex);
	kvfree(s->rows);
}

static unsigned int age_ms(const struct sum *row)
{
	return jiffies_to_msecs(row->age);
}

/* === Public interface === */

int quarry_owners_show(struct seq_file *m, struct quarry_heap_priv *hp)
{
	struct sums s = { .all = true };
	struct sum total = {};
	unsigned int i;
	int ret;

	seq_printf(m, "%12s %16s %12s  %s\n", "count", "bytes", "oldest/ms", "allocated in");
	if (!hp->pages.guards)
		return 0;
	ret = collect(hp, &s);
	if (ret)
		return ret;
	for (i = 0; i < s.nr; i++) {
		const struct sum *row = &s.rows[i];

		seq_printf(m, "%12lu %16llu %12u  %s, %s:%u\n", row->nr, row->bytes, age_ms(row),
			   row->site->function, kbasename(row->site->file), row->site->line);
		total.nr += row->nr;
		total.bytes += row->bytes;
		total.age = max(total.age, row->age);
	}
	release(&s);
	seq_printf(m, "%12lu %16llu %12u  %s\n", total.nr, total.bytes, age_ms(&total), "all");
	return 0;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_owners_show);

void quarry_owners_report(struct quarry_heap_priv *hp, struct quarry_slab_cache *sc)
{
	struct sums s = { .only = sc };
	unsigned int i;

	if (!hp->pages.guards || collect(hp, &s))
		return;
	for (i = 0; i < min_t(unsigned int, s.nr, TOP); i++) {
		const struct sum *row = &s.rows[i];

		quarry_report_more("%lu, %llu bytes, oldest %u ms, allocated in %s, %s:%u\n",
				   row->nr, row->bytes, age_ms(row), row->site->function,
				   row->site->file, row->site->line);
	}
	if (s.nr > TOP)
		quarry_report_more("and from %u other places\n", s.nr - TOP);
	release(&s);
}

static void disown_note(struct quarry_note *note, struct quarry_slab_cache *sc, size_t size,
			void *mod)
{
	quarry_note_disown(note, mod);
}

void quarry_owners_disown(struct quarry_heap_priv *hp, struct module *mod)
{
	struct walk w = { .hp = hp, .fn = disown_note, .arg = mod };

	if (!hp->pages.guards)
		return;
	mutex_lock(&sites_mutex);
	walk_notes(&w);
	mutex_unlock(&sites_mutex);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_owners_disown);
