/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the CPUs hold in magazines, of all fronts of a heap: how much, and how much they may.
 */
#ifndef _QUARRY_BUDGET_H
#define _QUARRY_BUDGET_H

#include <linux/atomic.h>
#include <linux/types.h>

/* Of one CPU. */
struct quarry_budget_cpu {
	atomic_long_t held;		/* bytes that the magazines in its places have room for */
	atomic_long_t nr_refused;	/* magazines that were too much */
	unsigned long nr_seen;		/* of them, by the last tick */
};

struct quarry_budget {
	struct quarry_budget_cpu __percpu *cpu;
	unsigned long bound;		/* bytes per CPU; read and written whole */
	bool stocked;			/* some front may hold something: ticks are due */
	bool quiet;			/* the last tick found nothing; fallback.c */
};

/* 0 or -ENOMEM. */
int quarry_budget_init(struct quarry_budget *budget, unsigned long bound);
void quarry_budget_fini(struct quarry_budget *budget);

#endif /* _QUARRY_BUDGET_H */
