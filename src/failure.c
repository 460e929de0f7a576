// SPDX-License-Identifier: GPL-2.0
/*
 * The last failure: when an allocation fails for good, who fills the heap?
 *
 * The allocation itself, in whatever context, only notes what was asked for and
 * by whom.  A worker then walks caches and arenas and writes the report, which
 * stays readable in debugfs (last_failure); one line of it goes to the kernel
 * log, at most once in five seconds.
 *
 * Locking: failure->lock for the note, failure->mutex for the text; heap->mutex
 * and heap->arenas_lock through their walks, inside failure->mutex.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/jiffies.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/seq_buf.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "arena.h"
#include "heap.h"
#include "internal.h"

#define TEXT_SIZE	SZ_4K
#define TOP		8

struct entry {
	char name[QUARRY_NAME_SIZE];
	u64 bytes;
};

/* The largest so far, in falling order. */
struct top {
	struct entry entries[TOP];
	unsigned int nr;		/* seen in all */
	u64 bytes;			/* in all */
};

static void top_add(struct top *top, const char *name, u64 bytes)
{
	unsigned int i;

	top->nr++;
	top->bytes += bytes;
	if (bytes <= top->entries[TOP - 1].bytes)
		return;
	/* The smallest falls out, larger ones stay where they are. */
	for (i = TOP - 1; i && top->entries[i - 1].bytes < bytes; i--)
		top->entries[i] = top->entries[i - 1];
	strscpy(top->entries[i].name, name, QUARRY_NAME_SIZE);
	top->entries[i].bytes = bytes;
}

static void add_cache(struct quarry_slab_cache *sc, void *arg)
{
	top_add(arg, sc->name, (u64)READ_ONCE(sc->nr_pages) << PAGE_SHIFT);
}

static void add_arena(const struct quarry_arena_row *row, void *arg)
{
	top_add(arg, row->name, row->stats.held);
}

static void write_top(struct seq_buf *s, const char *what, const struct top *top)
{
	unsigned int i;

	seq_buf_printf(s, "%s: %u, %llu bytes of pages\n", what, top->nr, top->bytes);
	for (i = 0; i < TOP && top->entries[i].bytes; i++)
		seq_buf_printf(s, "  %-31s %14llu bytes\n", top->entries[i].name,
			       top->entries[i].bytes);
}

/* Is it full, or only in pieces? */
static void write_free(struct seq_buf *s, struct quarry_pages *pages)
{
	unsigned long nr_free, largest, flags;

	raw_spin_lock_irqsave(&pages->lock, flags);
	nr_free = quarry_pages_nr_free(pages);
	largest = quarry_pages_largest(pages);
	raw_spin_unlock_irqrestore(&pages->lock, flags);
	seq_buf_printf(s, "free %llu bytes, the largest block %llu bytes\n",
		       (u64)nr_free << PAGE_SHIFT, (u64)largest << PAGE_SHIFT);
}

static void write_reclaimers(struct seq_buf *s, struct quarry_pressure *p)
{
	struct quarry_reclaimer *r;

	/* A reclaimer may be running for long, or be what waits for us. */
	if (!mutex_trylock(&p->mutex)) {
		seq_buf_printf(s, "reclaimers: being asked right now\n");
		return;
	}
	seq_buf_printf(s, "reclaimers:\n");
	list_for_each_entry(r, &p->reclaimers, node)
		seq_buf_printf(s, "  %-31s asked %llu times, last for %llu, gave %llu bytes\n",
			       r->name, r->nr_calls, r->last_wanted, r->last_given);
	mutex_unlock(&p->mutex);
}

static void write_report(struct seq_buf *s, struct quarry_heap_priv *hp,
			 struct quarry_failure *note, struct top *top)
{
	struct quarry_heap_stats stats;
	gfp_t gfp = note->gfp;

	quarry_heap_get_stats(&hp->heap, &stats);
	seq_buf_printf(s, "heap %s, failure %lu: %lu pages for %s, flags %pGg\n", hp->name,
		       note->nr, note->pages, note->comm, &gfp);
	seq_buf_printf(s, "mapped %llu of limit %llu bytes, active %llu, allocated %llu\n",
		       stats.mapped, stats.limit, stats.active, stats.allocated);
	write_free(s, &hp->pages);
	mutex_lock(&hp->mutex);
	quarry_heap_walk_caches(hp, add_cache, top);
	mutex_unlock(&hp->mutex);
	write_top(s, "caches", top);
	memset(top, 0, sizeof(*top));
	quarry_arenas_walk(hp, add_arena, top);
	write_top(s, "arenas", top);
	seq_buf_printf(s, "runs of pages (arenas' chunks among them): %llu bytes\n",
		       (u64)quarry_runs_nr_live(&hp->runs) << PAGE_SHIFT);
	write_reclaimers(s, &hp->pressure);
}

static void failure_work(struct work_struct *work)
{
	struct quarry_failure *f = container_of(work, struct quarry_failure, work);
	struct quarry_heap_priv *hp = container_of(f, struct quarry_heap_priv, failure);
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 1);
	struct quarry_failure note = {};
	struct seq_buf s;
	struct top *top;

	raw_spin_lock_irq(&f->lock);
	note.nr = f->nr;
	note.pages = f->pages;
	note.gfp = f->gfp;
	memcpy(note.comm, f->comm, sizeof(note.comm));
	raw_spin_unlock_irq(&f->lock);

	top = kzalloc(sizeof(*top), GFP_KERNEL);
	mutex_lock(&f->mutex);
	if (!f->text)
		f->text = kzalloc(TEXT_SIZE, GFP_KERNEL);
	if (f->text && top) {
		seq_buf_init(&s, f->text, TEXT_SIZE - 1);
		write_report(&s, hp, &note, top);
		f->text[min_t(size_t, s.len, TEXT_SIZE - 1)] = '\0';
	}
	mutex_unlock(&f->mutex);
	kfree(top);
	if (!(note.gfp & __GFP_NOWARN) && __ratelimit(&limit))
		pr_warn("heap %s: no %lu pages for %s: see last_failure in debugfs\n", hp->name,
			note.pages, note.comm);
}

void quarry_failure_record(struct quarry_failure *f, unsigned long nr_pages, gfp_t gfp)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&f->lock, flags);
	f->nr++;
	f->pages = nr_pages;
	f->gfp = gfp;
	f->when = jiffies;
	strscpy(f->comm, current->comm, sizeof(f->comm));
	raw_spin_unlock_irqrestore(&f->lock, flags);
	queue_work(system_unbound_wq, &f->work);
}

void quarry_failure_show(struct seq_file *m, struct quarry_failure *f)
{
	unsigned long flags, nr, when;

	raw_spin_lock_irqsave(&f->lock, flags);
	nr = f->nr;
	when = f->when;
	raw_spin_unlock_irqrestore(&f->lock, flags);
	if (!nr) {
		seq_puts(m, "no allocation has failed\n");
		return;
	}
	seq_printf(m, "%lu failures, the last %u ms ago\n", nr, jiffies_to_msecs(jiffies - when));
	mutex_lock(&f->mutex);
	if (f->text)
		seq_puts(m, f->text);
	mutex_unlock(&f->mutex);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_failure_show);

void quarry_failure_init(struct quarry_failure *f)
{
	raw_spin_lock_init(&f->lock);
	mutex_init(&f->mutex);
	INIT_WORK(&f->work, failure_work);
}

void quarry_failure_fini(struct quarry_failure *f)
{
	cancel_work_sync(&f->work);
	kfree(f->text);
}
