/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Giving pages back: by decay, under memory pressure, on request.
 */
#ifndef _QUARRY_RECLAIM_H
#define _QUARRY_RECLAIM_H

#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "pages.h"

struct shrinker;
struct shrink_control;

/* Why pages are given back. */
enum quarry_trim_reason {
	QUARRY_TRIM_DECAY,
	QUARRY_TRIM_SHRINK,
	QUARRY_TRIM_REQUEST,
	QUARRY_TRIM_SOFT_LIMIT,
	QUARRY_TRIM_LIMIT,	/* growth failed */
};

struct quarry_reclaim {
	struct quarry_pages *pages;		/* constant */
	struct mutex mutex;			/* whoever gives pages back */
	struct delayed_work work;
	unsigned long armed;			/* bit 0: a tick is due */
	int decay_ms;				/* half-life; read and written whole */
	unsigned long last_tick;		/* jiffies; under mutex */
	unsigned long debt;			/* 1/1024 pages to go; under mutex */
	struct list_head node;			/* under the list's mutex in reclaim.c */
	/* pages given back so far, by reason; under mutex */
	unsigned long nr_decayed, nr_shrunk, nr_trimmed, nr_reclaimed;
};

int quarry_reclaim_global_init(void);
void quarry_reclaim_global_exit(void);

void quarry_reclaim_init(struct quarry_reclaim *r, struct quarry_pages *pages, int decay_ms);
/* From here on decay and the shrinker see the heap, until quarry_reclaim_stop(). */
void quarry_reclaim_start(struct quarry_reclaim *r);
void quarry_reclaim_stop(struct quarry_reclaim *r);

/* Pages became free: let them decay.  Any context but NMI. */
void quarry_reclaim_notify(struct quarry_reclaim *r);

/* Up to @nr_pages beyond the reserve.  Process context.  Bytes given back. */
u64 quarry_reclaim_trim(struct quarry_reclaim *r, unsigned long nr_pages,
			enum quarry_trim_reason reason);

/*
 * Up to @nr_pages because the heap is above its soft limit; returns how many went.
 * With @try, only if nobody else is giving back.  Process context.
 */
unsigned long quarry_reclaim_pressed(struct quarry_reclaim *r, unsigned long nr_pages, bool try);

/* @decay_ms is in range. */
void quarry_reclaim_set_decay(struct quarry_reclaim *r, int decay_ms);

/* The shrinker: free pages of all heaps; and what guards their list. */
extern struct mutex *const quarry_reclaims_mutex;
unsigned long quarry_shrink_count(struct shrinker *shrinker, struct shrink_control *sc);
unsigned long quarry_shrink_scan(struct shrinker *shrinker, struct shrink_control *sc);

/* One step of decay at the time @now in jiffies: the worker's, or a suite's own clock. */
void quarry_reclaim_tick(struct quarry_reclaim *r, unsigned long now);

/*
 * How much of @nr pages, in 1/1024 pages, goes in @elapsed ms with a half-life of
 * @half_life ms (> 0).
 */
u64 quarry_decay_amount(u64 nr, u64 elapsed, u64 half_life);

#endif /* _QUARRY_RECLAIM_H */
