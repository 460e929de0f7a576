// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that measure together; see crew.h.
 *
 * Whoever calls the functions owns the crew between slices, the workers of a slice
 * during it: handed to a worker by @go, handed back by the completion.
 */
#include <linux/bitops.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include "crew.h"

/* All start at once: a thread that is woken may be late by more than a slice. */
static void meet_others(struct quarry_bench_crew *crew)
{
	atomic_dec(&crew->nr_absent);
	while (atomic_read(&crew->nr_absent)) {
		cpu_relax();
		/* In case the others wait for this very CPU: one may have gone offline. */
		cond_resched();
	}
}

static void run_slice(struct quarry_bench_worker *worker)
{
	struct quarry_bench_crew *crew = worker->crew;

	if (crew->meet)
		meet_others(crew);
	worker->spent = 0;
	worker->start = ktime_get_ns();
	worker->ret = crew->work(crew, worker->id);
	worker->end = ktime_get_ns();
	if (!worker->ret && raw_smp_processor_id() != worker->cpu)
		worker->ret = -EAGAIN;
	/* Orders what is above before the completion. */
	if (atomic_dec_and_test(&crew->nr_running))
		complete(&crew->done);
}

static int worker_main(void *data)
{
	struct quarry_bench_worker *worker = data;

	while (!kthread_should_stop()) {
		wait_event_idle(worker->crew->wait,
				/* Pairs with smp_store_release() in quarry_bench_crew_run(). */
				smp_load_acquire(&worker->go) || kthread_should_stop());
		if (!worker->go)
			continue;
		worker->go = false;
		run_slice(worker);
	}
	return 0;
}

static unsigned int nth_online_cpu(unsigned int n)
{
	unsigned int cpu;

	n %= num_online_cpus();
	for_each_online_cpu(cpu)
		if (!n--)
			return cpu;
	return cpumask_first(cpu_online_mask);
}

static int hire_one(struct quarry_bench_crew *crew, unsigned int id)
{
	struct quarry_bench_worker *worker = &crew->workers[id];
	struct task_struct *task;

	*worker = (struct quarry_bench_worker){
		.crew = crew, .id = id, .cpu = nth_online_cpu(id),
	};
	task = kthread_create_on_node(worker_main, worker, cpu_to_node(worker->cpu),
				      "quarry_bench/%u", id);
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, worker->cpu);
	worker->task = task;
	wake_up_process(task);
	crew->nr_workers++;
	return 0;
}

int quarry_bench_crew_hire(struct quarry_bench_crew *crew, unsigned int nr_workers)
{
	int ret = 0;

	init_waitqueue_head(&crew->wait);
	init_completion(&crew->done);
	crew->nr_workers = 0;
	/* Between choosing the CPUs and binding the threads to them. */
	cpus_read_lock();
	while (crew->nr_workers < nr_workers && !ret)
		ret = hire_one(crew, crew->nr_workers);
	cpus_read_unlock();
	if (ret)
		quarry_bench_crew_dismiss(crew);
	return ret;
}

void quarry_bench_crew_dismiss(struct quarry_bench_crew *crew)
{
	while (crew->nr_workers)
		kthread_stop(crew->workers[--crew->nr_workers].task);
}

int quarry_bench_crew_run(struct quarry_bench_crew *crew, enum quarry_bench_side side,
			  unsigned int nr, unsigned long who, u64 *ns)
{
	u64 start = U64_MAX, end = 0, spent = 0;
	unsigned int id;
	int ret = 0;

	crew->side = side;
	crew->nr = nr;
	reinit_completion(&crew->done);
	atomic_set(&crew->nr_absent, hweight_long(who));
	atomic_set(&crew->nr_running, hweight_long(who));
	for_each_set_bit(id, &who, crew->nr_workers)
		/* Pairs with smp_load_acquire() in worker_main(). */
		smp_store_release(&crew->workers[id].go, true);
	wake_up_all(&crew->wait);
	wait_for_completion(&crew->done);
	for_each_set_bit(id, &who, crew->nr_workers) {
		start = min(start, crew->workers[id].start);
		end = max(end, crew->workers[id].end);
		spent += crew->workers[id].spent;
		ret = ret ?: crew->workers[id].ret;
	}
	*ns = spent ?: end - start;
	return ret;
}
