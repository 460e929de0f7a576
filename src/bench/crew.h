/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that measure together: they sleep and are sent off on one slice of a
 * side.  That costs what they spent in what is measured, in sum, if they keep count
 * of it; else the time from when the first starts until the last is through.
 */
#ifndef _QUARRY_BENCH_CREW_H
#define _QUARRY_BENCH_CREW_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/types.h>
#include <linux/wait.h>
#include "figures.h"

#define QUARRY_BENCH_MAX_WORKERS	16

struct quarry_bench_crew;

/* One thread. */
struct quarry_bench_worker {
	struct quarry_bench_crew *crew;
	struct task_struct *task;
	unsigned int id;		/* from 0 */
	unsigned int cpu;
	bool go;			/* released to it, acquired by it */
	/* below: the worker's, until the slice is over */
	u64 start, end;
	u64 spent;			/* ns, if @work counts */
	int ret;
};

/**
 * struct quarry_bench_crew - threads on CPUs
 * @work: a worker's share of a slice; returns 0 or a negative errno.  May raise the
 *        worker's @spent.
 * @data: for @work
 * @side: of this slice
 * @nr: rounds of this slice, for @work
 * @nr_workers: threads there are; worker i is bound to the i-th online CPU, modulo
 *              their number
 * @meet: workers wait for each other with the CPU in their hands before they start,
 *        so each needs one of its own
 * @workers: the threads
 * @wait: where they sleep
 * @nr_absent: those still to arrive
 * @nr_running: those of this slice still to finish
 * @done: all of this slice have finished
 */
struct quarry_bench_crew {
	int (*work)(struct quarry_bench_crew *crew, unsigned int id);
	void *data;
	enum quarry_bench_side side;
	unsigned int nr;
	unsigned int nr_workers;
	bool meet;
	struct quarry_bench_worker workers[QUARRY_BENCH_MAX_WORKERS];
	wait_queue_head_t wait;
	atomic_t nr_absent;
	atomic_t nr_running;
	struct completion done;
};

/* Start the threads.  @work, @data and @meet are set.  Return: 0 or a negative errno. */
int quarry_bench_crew_hire(struct quarry_bench_crew *crew, unsigned int nr_workers);

/*
 * One slice: the workers whose bits are in @who do @nr rounds of @side each.
 * Return: 0, an error of theirs, or -EAGAIN if one was moved off its CPU.
 */
int quarry_bench_crew_run(struct quarry_bench_crew *crew, enum quarry_bench_side side,
			  unsigned int nr, unsigned long who, u64 *ns);

/* End the threads. */
void quarry_bench_crew_dismiss(struct quarry_bench_crew *crew);

#endif /* _QUARRY_BENCH_CREW_H */
