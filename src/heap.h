/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Heaps: what stands behind struct quarry_heap.
 */
#ifndef _QUARRY_SRC_HEAP_H
#define _QUARRY_SRC_HEAP_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

#include <quarry/heap.h>

#include "cache.h"
#include "knobs.h"
#include "pages.h"
#include "pressure.h"
#include "reclaim.h"
#include "refill.h"
#include "run.h"

struct dentry;
struct seq_file;

/* The last allocation that failed; what filled the heap is found out by a worker. */
struct quarry_failure {
	raw_spinlock_t lock;
	/* the next five under lock */
	unsigned long nr;			/* failures so far */
	unsigned long pages;			/* what was asked for */
	gfp_t gfp;
	unsigned long when;			/* jiffies */
	char comm[16];
	struct work_struct work;
	struct mutex mutex;			/* the text */
	char *text;				/* the report, or NULL */
};

/* Size classes that a heap was created with, for one kind; constant but for the caches. */
struct quarry_own_classes {
	unsigned int nr;
	unsigned int end;			/* slots from here on have default classes */
	u8 first[QUARRY_NR_CLASSES];		/* by slot: row of its smallest size */
	/* rows that were missed where no cache can be made */
	DECLARE_BITMAP(missed, QUARRY_CLASS_SIZES_MAX + 1);
	struct quarry_own_row {
		unsigned int size;
		struct quarry_cache *cache;	/* the cold one until it is used */
	} rows[];				/* by size */
};

static_assert(QUARRY_CLASS_SIZES_MAX < U8_MAX);

struct quarry_heap_priv {
	struct quarry_heap heap;		/* first: public part */
	struct quarry_own_classes *own[QUARRY_NR_KINDS];	/* constant; NULL: default ones */
	char name[QUARRY_NAME_SIZE];
	struct module *owner;			/* under mutex: NULL if built in or gone */
	const struct quarry_site *site;		/* under mutex: birthplace */
	struct quarry_pages pages;
	struct quarry_runs runs;
	struct quarry_reclaim reclaim;
	struct quarry_pressure pressure;
	struct quarry_refill refill;
	struct quarry_failure failure;		/* failure.c */
	struct list_head node;			/* under heaps_mutex */
	struct mutex mutex;			/* the next three, pools; drains of magazines */
	struct list_head caches;		/* created by users, not size classes */
	struct list_head rings;
	unsigned long relieved;			/* jiffies of the last try */
	/* Size classes that were missed where they cannot be made. */
	unsigned long missed[QUARRY_NR_KINDS][BITS_TO_LONGS(QUARRY_NR_CLASSES)];
	struct llist_node missing;		/* of deferrals */
	int missing_node;			/* where one was missed last */
	raw_spinlock_t arenas_lock;
	struct list_head arenas;		/* under arenas_lock: those on callers' buffers */
	atomic_long_t arena_pages;		/* in chunks */
	struct list_head pools;			/* under mutex */
	atomic_long_t pool_pages;		/* in their chunks */
	atomic_long_t nr_grown_chunks;		/* of them, those that can be given up */
	struct llist_node pressed;		/* of deferrals: give them up */
	struct mutex tune_mutex;		/* whoever changes a knob */
	struct quarry_knobs knobs;		/* as set last; under tune_mutex, glanced at */
	struct quarry_knob_file {
		struct quarry_heap_priv *hp;
		enum quarry_knob knob;
	} knob_files[QUARRY_NR_KNOBS];		/* constant */
	struct dentry *dir;
};

static inline struct quarry_heap_priv *to_priv(struct quarry_heap *heap)
{
	return container_of(heap, struct quarry_heap_priv, heap);
}

/* @knobs: of the default heap; have been checked. */
int quarry_heap_global_init(const struct quarry_knobs *knobs);
void quarry_heap_global_exit(void);
/* Call @fn for every heap under heaps_mutex: it must not allocate. */
void quarry_heaps_walk(void (*fn)(struct quarry_heap_priv *hp, void *arg), void *arg);
/* Report what a module leaves behind and forget what points into it. */
void quarry_heaps_disown(struct module *mod);

/* Call @fn for every cache that has been used, size classes first; heap->mutex held. */
void quarry_heap_walk_caches(struct quarry_heap_priv *hp,
			     void (*fn)(struct quarry_slab_cache *sc, void *arg), void *arg);

/* Call @fn for the front of each of them, and of the page orders; heap->mutex held. */
void quarry_heap_walk_fronts(struct quarry_heap_priv *hp,
			     void (*fn)(struct quarry_mags *mags, void *arg), void *arg);

static inline struct quarry_heap_priv *quarry_heap_of_extent(const struct quarry_extent *ext)
{
	return container_of(ext->pages, struct quarry_heap_priv, pages);
}

/* classes.c */
void quarry_classes_global_init(void);
/* Of params->class_sizes; name has been checked.  0 or, after a line in the log, -EINVAL. */
int quarry_classes_check(const struct quarry_heap_params *params);
/* 0 or -ENOMEM; quarry_classes_fini() in either case. */
int quarry_classes_init(struct quarry_heap_priv *hp, const struct quarry_heap_params *params);
void quarry_classes_fini(struct quarry_heap_priv *hp);
/* Usable bytes of what has the class of @size, 1 to QUARRY_CLASS_MAX_SIZE. */
unsigned int quarry_heap_class_size(struct quarry_heap_priv *hp, enum quarry_kind kind,
				    size_t size);
/* The cache of that class, made on first use; NULL if there is no memory. */
struct quarry_cache *quarry_heap_class(struct quarry_heap_priv *hp, enum quarry_kind kind,
				       size_t size, gfp_t gfp);
/* The inline path sees the front of that cache from now on, if it may.  Any context. */
void quarry_classes_follow(struct quarry_heap_priv *hp, enum quarry_kind kind, size_t size);
/* Have a worker make it, and some objects of it.  Any context. */
void quarry_heap_request_class(struct quarry_heap_priv *hp, enum quarry_kind kind, size_t size);
/* QUARRY_DEFER_CLASSES */
void quarry_classes_serve_missed(struct quarry_defer *defer, struct llist_node *node);
/* The own class of @size, or NULL if that has a default one. */
static __always_inline struct quarry_own_row *
quarry_own_row(struct quarry_own_classes *own, enum quarry_kind kind, size_t size)
{
	unsigned int slot = quarry_size_class(size, kind);
	struct quarry_own_row *row;

	if (!own || slot >= own->end)
		return NULL;
	/* At most the rows of one slot, of which the last reaches its end. */
	for (row = &own->rows[own->first[slot]]; row->size < size; row++)
		;
	return row;
}

/* Call @fn once for every class that has been used. */
void quarry_classes_walk(struct quarry_heap_priv *hp,
			 void (*fn)(struct quarry_slab_cache *sc, void *arg), void *arg);

/* 0, or -EUCLEAN after a report; the heap is quiet. */
int quarry_classes_verify(struct quarry_heap_priv *hp);

/* sized.c: preemption is off, @owner is that of @ptr. */
void quarry_report_bad_free(const void *ptr, unsigned long owner, unsigned long caller);

/* === free_later.c === */

/* Frees a run after a grace period; false if it is none.  Any context; preemption is off. */
bool quarry_run_free_later(const void *ptr, unsigned long owner, unsigned long caller);
/* QUARRY_DEFER_EXTENTS */
void quarry_extent_serve_pending(struct quarry_defer *defer, struct llist_node *node);
/* All that waits for a grace period has been freed, and what was put off done.  May sleep. */
void quarry_heap_settle(struct quarry_heap_priv *hp);
/*
 * What waits for a grace period and fills a magazine, or is a slab, has been freed.  May
 * sleep, but waits for nothing that allocates.
 */
void quarry_heap_wait(struct quarry_heap_priv *hp);
/* Does anything wait? */
bool quarry_heap_is_waiting(struct quarry_heap_priv *hp);
/* Does so much wait that who makes the heap grow should wait, too? */
bool quarry_heap_waits_too_much(struct quarry_heap_priv *hp);

/* arena_list.c: destroy all arenas of a heap, reporting them. */
void quarry_arenas_destroy(struct quarry_heap_priv *hp);
u64 quarry_arenas_used(struct quarry_heap_priv *hp);
/* Forget what points into a module that goes; number of its arenas. */
unsigned long quarry_arenas_disown(struct quarry_heap_priv *hp, struct module *mod);

/* pool_grow.c: destroy all pools of a heap, reporting them. */
void quarry_pools_destroy(struct quarry_heap_priv *hp);
/* What pools have grown and nobody uses goes to the page heap; hp->mutex held. */
void quarry_pools_shrink(struct quarry_heap_priv *hp);
/* Have a worker do that.  Any context. */
void quarry_pools_press(struct quarry_heap_priv *hp);
/* QUARRY_DEFER_POOLS and QUARRY_DEFER_PRESSED */
void quarry_pool_serve(struct quarry_defer *defer, struct llist_node *node);
void quarry_pools_serve_pressed(struct quarry_defer *defer, struct llist_node *node);

/* pool_look.c, with hp->mutex held: bytes in objects that are out. */
u64 quarry_pools_used(struct quarry_heap_priv *hp);
/* Report what a module leaves behind and forget what points into it. */
void quarry_pools_disown(struct quarry_heap_priv *hp, struct module *mod);
/* 0, or -EUCLEAN after a report; the heap is quiet. */
int quarry_pools_verify(struct quarry_heap_priv *hp);

/* ring.c: the same of rings. */
void quarry_rings_destroy(struct quarry_heap_priv *hp);
/* Under heap->mutex, as the next. */
unsigned long quarry_rings_disown(struct quarry_heap_priv *hp, struct module *mod);
/* 0, or -EUCLEAN after a report; the rings are quiet. */
int quarry_rings_verify(struct quarry_heap_priv *hp);

/* heap.c: everything cached in magazines, depots and empty slabs goes to the page heap. */
void quarry_heap_drain(struct quarry_heap_priv *hp);

/* === fallback.c; process context, may sleep === */

/* One tick: what magazines did not need since the last one goes. */
void quarry_heap_fall_back(struct quarry_heap_priv *hp);
/* No CPU holds more than @bytes in magazines when this returns. */
void quarry_heap_set_cpu_bytes(struct quarry_heap_priv *hp, unsigned long bytes);

/*
 * tune.c: set a knob of a heap that may be in use, to what @text says.  Process
 * context, may sleep.  0, -EINVAL after a line in the log, or -ENOMEM if a larger
 * reserve cannot be had; then nothing has changed.
 */
int quarry_heap_tune(struct quarry_heap_priv *hp, enum quarry_knob knob, const char *text);

/* failure.c */
void quarry_failure_init(struct quarry_failure *failure);
void quarry_failure_fini(struct quarry_failure *failure);
/* Any context but NMI. */
void quarry_failure_record(struct quarry_failure *failure, unsigned long nr_pages, gfp_t gfp);
void quarry_failure_show(struct seq_file *m, struct quarry_failure *failure);

/*
 * Module parameters: what every heap made from now on has, besides what its maker asks
 * for.  Written through sysfs.
 */
extern bool quarry_track_all;
extern bool quarry_harden_all;

/* owners.c: who holds what of a heap that tracks.  Process context, may sleep. */
int quarry_owners_show(struct seq_file *m, struct quarry_heap_priv *hp);
/*
 * Further lines of a report: who holds the objects of @sc or, if that is NULL, the runs of
 * a heap.  Nothing if the heap does not track.
 */
void quarry_owners_report(struct quarry_heap_priv *hp, struct quarry_slab_cache *sc);
/* Forget what points into a module that goes. */
void quarry_owners_disown(struct quarry_heap_priv *hp, struct module *mod);

/* arena_list.c: bytes handed out, by birthplace; @fn with interrupts off. */
void quarry_arenas_visit(struct quarry_heap_priv *hp,
			 void (*fn)(const struct quarry_site *site, u64 used, void *arg),
			 void *arg);

/* debugfs.c */
void quarry_debugfs_init(void);
void quarry_debugfs_exit(void);
void quarry_debugfs_add(struct quarry_heap_priv *hp);
void quarry_debugfs_remove(struct quarry_heap_priv *hp);

#endif /* _QUARRY_SRC_HEAP_H */
