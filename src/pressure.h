/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The soft limit: a heap above it gives back and asks its users to.
 */
#ifndef _QUARRY_PRESSURE_H
#define _QUARRY_PRESSURE_H

#include <linux/mutex.h>
#include <linux/workqueue.h>

#include <quarry/heap.h>

#include "reclaim.h"

struct seq_file;

struct quarry_pressure {
	struct quarry_reclaim *reclaim;		/* constant */
	void (*drain)(struct quarry_pressure *p);	/* constant: magazines to the page heap */
	struct delayed_work work;
	unsigned long stopped;			/* bit 0: no work any more */
	unsigned long not_before;		/* jiffies; written by the worker only */
	struct mutex mutex;			/* the list and what is in it */
	struct list_head reclaimers;		/* by falling priority */
};

void quarry_pressure_init(struct quarry_pressure *p, struct quarry_reclaim *reclaim,
			  void (*drain)(struct quarry_pressure *p));
/* Nobody allocates any more; waits for the worker. */
void quarry_pressure_stop(struct quarry_pressure *p);

/* The heap may be above its limit.  Any context but NMI. */
void quarry_pressure_notify(struct quarry_pressure *p);

/* Who wants @nr_pages more helps to give others back, a bounded number.  May sleep. */
void quarry_pressure_assist(struct quarry_pressure *p, unsigned long nr_pages);

int quarry_pressure_add(struct quarry_pressure *p, struct quarry_reclaimer *reclaimer);
void quarry_pressure_remove(struct quarry_pressure *p, struct quarry_reclaimer *reclaimer);
/* Take out what a module that goes left in. */
void quarry_pressure_disown(struct quarry_pressure *p, struct module *mod);
void quarry_pressure_show(struct seq_file *m, struct quarry_pressure *p);

#endif /* _QUARRY_PRESSURE_H */
