// SPDX-License-Identifier: GPL-2.0
/*
 * The replay engine: threads, passes and the figures that come of them.
 *
 *   CPU 0   run 0 ──┐         ┌── run 2 ──┐
 *                   │ token   │           │
 *   CPU 1           └── run 1 ┘           └── run 3 ...
 *
 * A trace is a sequence of runs, consecutive records of one CPU.  One thread
 * per recorded CPU, bound to it, replays that CPU's runs, so that an object
 * freed on another CPU than it was allocated on is so in the replay.  The
 * token is the number of the run whose turn it is; whoever finishes a run
 * passes it on.  Objects and everything else that changes belong to the
 * token's holder: store-release and load-acquire of the token are all the
 * synchronisation there is, and all that a side gets to see of the others.
 *
 * Timed pass: each run is timed from its first to its last record, so that
 * waiting for the token is not counted; the sum over the runs of an empty side
 * replayed in the same way is subtracted.  A first round of all sides does not count.
 * The sides alternate, since whole runs shift on shared machines and only ratios of
 * neighbours mean anything.
 *
 * Checked pass: each object carries a pattern from end to end, derived from
 * its slot and record, that is verified at its free.  Pages are counted here.
 *
 * If a recorded CPU is offline, one thread replays all runs.  If one goes
 * offline meanwhile, its thread moves elsewhere; the order is still kept, and
 * the result says so.  Holding hotplug off could deadlock with a side that
 * takes cpus_read_lock() in a thread.
 */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <quarry/heap.h>
#include "figures.h"
#include "replay.h"
#include "side.h"

/*
 * A thread looks for the token this often before it sleeps between looks: some
 * 100 us, longer than nearly all runs, short against a scheduler's slice in
 * case the holder waits for this very CPU.
 */
#define TOKEN_SPINS	4096

/* Loops over slots let others run once in so many. */
#define RESCHED_SLOTS	1024

/* One replay of the trace by all threads. */
struct replay_crew {
	struct replay_pass *pass;
	bool check;
	bool one_cpu;
	bool moved;			/* the token holder's */
	bool stop;			/* an error or a signal: no new run starts */
	atomic_t nr_running;
	struct completion done;
	u32 token ____cacheline_aligned_in_smp;	/* run whose turn it is */
};

struct replay_worker {
	struct replay_crew *crew;
	struct task_struct *task;
	unsigned int cpu;
	u64 ns;				/* time in runs */
};

struct replay {
	struct quarry_trace *trace;
	struct quarry_replay_result *res;
	struct replay_pass pass;
	bool replayed;			/* not the first pass */
};

struct quarry_replay_kept {
	struct replay replay;
};

/* === Threads === */

int replay_fail(struct replay_pass *pass, int error, const char *fmt, ...)
{
	va_list args;

	if (pass->error)
		return pass->error;
	pass->error = error;
	va_start(args, fmt);
	vsnprintf(pass->message, sizeof(pass->message), fmt, args);
	va_end(args);
	return error;
}

static bool take_token(struct replay_crew *crew, u32 run)
{
	unsigned int spins = 0;

	/* Pairs with smp_store_release() in replay_worker(). */
	while (smp_load_acquire(&crew->token) != run) {
		/* Pairs with the WRITE_ONCE()s of stop. */
		if (READ_ONCE(crew->stop))
			return false;
		if (++spins < TOKEN_SPINS)
			cpu_relax();
		else
			usleep_range(20, 50);
	}
	return !READ_ONCE(crew->stop);
}

/* Replay one run.  Returns false if it failed. */
static bool replay_run(struct replay_worker *worker, u32 run)
{
	struct replay_crew *crew = worker->crew;
	struct replay_pass *pass = crew->pass;
	const struct quarry_trace_run *runs = pass->trace->runs;
	u64 start;
	int ret;

	if (raw_smp_processor_id() != worker->cpu)
		crew->moved = true;
	start = ktime_get_ns();
	if (crew->check)
		ret = pass->side->check(pass, runs[run].first, runs[run + 1].first);
	else
		ret = pass->side->run(pass, runs[run].first, runs[run + 1].first);
	worker->ns += ktime_get_ns() - start;
	return !ret;
}

static int replay_worker(void *data)
{
	struct replay_worker *worker = data;
	struct replay_crew *crew = worker->crew;
	const struct quarry_trace *trace = crew->pass->trace;
	u32 run;

	for (run = 0; run < trace->nr_runs; run++) {
		if (!crew->one_cpu && trace->runs[run].cpu != worker->cpu)
			continue;
		if (!take_token(crew, run))
			break;
		if (!replay_run(worker, run)) {
			WRITE_ONCE(crew->stop, true);
			break;
		}
		/* Pairs with smp_load_acquire() in take_token(). */
		smp_store_release(&crew->token, run + 1);
		cond_resched();
	}

	if (atomic_dec_and_test(&crew->nr_running))
		complete(&crew->done);
	/* Stay until kthread_stop(), which may not meet a task that is gone. */
	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int hire_workers(struct replay_crew *crew, struct replay_worker *workers,
			const unsigned long *cpus)
{
	unsigned int cpu, i = 0;

	for_each_set_bit(cpu, cpus, QUARRY_TRACE_MAX_CPUS) {
		struct replay_worker *worker = &workers[i];
		struct task_struct *task;

		worker->crew = crew;
		worker->cpu = cpu;
		task = kthread_create_on_node(replay_worker, worker, cpu_to_node(cpu),
					      "quarry_replay/%u", cpu);
		if (IS_ERR(task)) {
			/* Those before have not been woken: they never run. */
			while (i--)
				kthread_stop(workers[i].task);
			return replay_fail(crew->pass, PTR_ERR(task),
					   "cannot create the thread for CPU %u", cpu);
		}
		kthread_bind(task, cpu);
		worker->task = task;
		i++;
	}
	return 0;
}

/* Bits of the CPUs to use: the recorded ones if all are online, else one. */
static void pick_cpus(struct replay_crew *crew, unsigned long *cpus)
{
	const struct quarry_trace *trace = crew->pass->trace;
	unsigned int cpu;

	bitmap_copy(cpus, trace->cpus, QUARRY_TRACE_MAX_CPUS);
	for_each_set_bit(cpu, trace->cpus, QUARRY_TRACE_MAX_CPUS)
		if (cpu >= nr_cpu_ids || !cpu_online(cpu))
			crew->one_cpu = true;
	if (crew->one_cpu) {
		bitmap_zero(cpus, QUARRY_TRACE_MAX_CPUS);
		__set_bit(cpumask_first(cpu_online_mask), cpus);
	}
}

/* Returns with all threads running, or none. */
static int start_workers(struct replay_crew *crew, struct replay_worker *workers,
			 unsigned long *cpus)
{
	unsigned int i, nr;
	int ret;

	/* Between choosing the CPUs and binding the threads to them. */
	cpus_read_lock();
	pick_cpus(crew, cpus);
	ret = hire_workers(crew, workers, cpus);
	if (!ret) {
		nr = bitmap_weight(cpus, QUARRY_TRACE_MAX_CPUS);
		init_completion(&crew->done);
		atomic_set(&crew->nr_running, nr);
		for (i = 0; i < nr; i++)
			wake_up_process(workers[i].task);
	}
	cpus_read_unlock();
	return ret;
}

static u64 stop_workers(struct replay_crew *crew, struct replay_worker *workers, unsigned int nr)
{
	unsigned int i;
	u64 ns = 0;

	if (wait_for_completion_killable(&crew->done)) {
		WRITE_ONCE(crew->stop, true);
		wait_for_completion(&crew->done);
		replay_fail(crew->pass, -EINTR, "interrupted");
	}
	for (i = 0; i < nr; i++) {
		kthread_stop(workers[i].task);
		ns += workers[i].ns;
	}
	return ns;
}

/* Replay the whole trace on pass->side.  @ns is the time spent in its records. */
static int replay_all_runs(struct replay *replay, bool check, u64 *ns)
{
	struct replay_crew crew = { .pass = &replay->pass, .check = check };
	const struct quarry_trace *trace = replay->trace;
	DECLARE_BITMAP(cpus, QUARRY_TRACE_MAX_CPUS);
	struct replay_worker *workers;
	int ret;

	*ns = 0;
	replay->pass.nr_done = 0;
	replay->pass.live_pages = 0;
	memset(replay->pass.held, 0, array_size(trace->nr_slots, sizeof(u32)));
	if (!trace->nr_runs)
		return 0;
	workers = kcalloc(bitmap_weight(trace->cpus, QUARRY_TRACE_MAX_CPUS), sizeof(*workers),
			  GFP_KERNEL);
	if (!workers)
		return replay_fail(&replay->pass, -ENOMEM, "no memory for threads");
	ret = start_workers(&crew, workers, cpus);
	if (!ret) {
		*ns = stop_workers(&crew, workers, bitmap_weight(cpus, QUARRY_TRACE_MAX_CPUS));
		ret = replay->pass.error;
	}
	kfree(workers);

	/* A CPU may have come or gone between passes, too. */
	if (replay->replayed && replay->res->one_cpu != crew.one_cpu)
		crew.moved = true;
	replay->replayed = true;
	if (crew.one_cpu) {
		replay->res->one_cpu = true;
		replay->res->cpu = find_first_bit(cpus, QUARRY_TRACE_MAX_CPUS);
	}
	replay->res->moved |= crew.moved;
	return ret;
}

/* === Passes === */

/* A timed pass does not keep track of what is where: find out for the records done. */
static void find_held(struct replay_pass *pass)
{
	u32 i;

	for (i = 0; i < pass->nr_done; i++) {
		const struct quarry_trace_record *rec = &pass->trace->records[i];

		pass->held[rec->slot] = quarry_trace_is_alloc(rec) ? i + 1 : 0;
		if (!(i % RESCHED_SLOTS))
			cond_resched();
	}
}

/* Free what is live; in a checked pass verify it first, until an error is found. */
static void free_left(struct replay_pass *pass, bool check)
{
	u32 slot;

	for (slot = 0; slot < pass->trace->nr_slots; slot++) {
		u32 filled_by = pass->held[slot];

		if (!(slot % RESCHED_SLOTS))
			cond_resched();
		if (!filled_by--)
			continue;
		if (check && !pass->error)
			replay_verify_object(pass, filled_by, pass->slots[slot]);
		replay_free_object(pass, filled_by, pass->slots[slot]);
		pass->held[slot] = 0;
	}
}

static int verify_heap(struct replay_pass *pass, const char *when)
{
	if (!pass->heap || !quarry_heap_verify(pass->heap))
		return 0;
	return replay_fail(pass, -EUCLEAN, "the heap is damaged %s", when);
}

static void note_pages(struct replay *replay)
{
	struct quarry_replay_side *quarry = &replay->res->quarry;
	struct quarry_replay_side *kernel = &replay->res->kernel;
	struct quarry_heap_stats stats;

	if (replay->pass.side == &replay_kernel_side) {
		replay_sample_kernel(&replay->pass);
		kernel->peak_pages = replay->pass.peak_pages;
		kernel->counted_pages = replay->pass.peak_pages;
		kernel->mapped_pages = replay->pass.peak_pages;
		return;
	}
	replay_sample_quarry(&replay->pass);
	quarry->counted_pages = replay->pass.peak_pages;
	quarry_heap_get_stats(replay->pass.heap, &stats);
	quarry->peak_pages = DIV_ROUND_UP_ULL(stats.active_peak, PAGE_SIZE);
	quarry->mapped_pages = DIV_ROUND_UP_ULL(stats.mapped_peak, PAGE_SIZE);
	quarry->metadata_pages = DIV_ROUND_UP_ULL(stats.metadata, PAGE_SIZE);
	quarry->nr_kernel_calls = stats.nr_kernel_calls;
}

/* All objects have been freed: nothing may be counted as allocated. */
static void verify_empty_heap(struct replay_pass *pass)
{
	struct quarry_heap_stats stats;

	if (!pass->heap || verify_heap(pass, "after the last free"))
		return;
	quarry_heap_get_stats(pass->heap, &stats);
	if (stats.allocated)
		replay_fail(pass, -EUCLEAN, "all is freed, but %llu bytes count as allocated",
			    stats.allocated);
}

/* Undo a replay, finished or not, and close its side. */
static int finish_pass(struct replay_pass *pass, bool check)
{
	if (!check)
		find_held(pass);
	free_left(pass, check);
	if (check && !pass->error)
		verify_empty_heap(pass);
	pass->side->close(pass);
	return pass->error;
}

static int do_pass(struct replay *replay, const struct replay_side *side, bool check, u64 *ns)
{
	struct replay_pass *pass = &replay->pass;
	int ret;

	pass->side = side;
	ret = side->open(pass);
	if (ret)
		return ret;
	ret = replay_all_runs(replay, check, ns);
	if (!ret && check) {
		note_pages(replay);
		verify_heap(pass, "at the end of the trace");
	}
	return finish_pass(pass, check);
}

/* === Figures === */

static void note_times(struct quarry_replay_side *side, u64 *ns, unsigned int nr)
{
	quarry_bench_sort(ns, nr);
	side->ns_min = ns[0];
	side->ns_median = quarry_bench_median(ns, nr);
	side->ns_max = ns[nr - 1];
}

static void note_ratios(struct quarry_replay_result *res, u64 *ratios, unsigned int nr)
{
	quarry_bench_sort(ratios, nr);
	res->ratio_min = ratios[0];
	res->ratio_median = quarry_bench_median(ratios, nr);
	res->ratio_max = ratios[nr - 1];
	res->ratio_p10 = quarry_bench_percentile(ratios, nr, 10);
	res->ratio_p90 = quarry_bench_percentile(ratios, nr, 90);
}

/* Time of a side without the loop; at least 1, so that it can be divided by. */
static u64 net_time(u64 ns, u64 empty_ns)
{
	return ns > empty_ns ? ns - empty_ns : 1;
}

/* One repetition: each side once. */
static int timed_repetition(struct replay *replay, const struct quarry_replay_opts *opts,
			    u64 *empty, u64 *quarry, u64 *kernel)
{
	int ret;

	ret = do_pass(replay, &replay_empty_side, false, empty);
	replay->pass.soft_limit = opts->soft_limit;
	if (!ret)
		ret = do_pass(replay, &replay_quarry_side, false, quarry);
	replay->pass.soft_limit = 0;
	if (!ret)
		ret = do_pass(replay, opts->unlimited ? &replay_quarry_side : &replay_kernel_side,
			      false, kernel);
	if (ret)
		return ret;
	*quarry = net_time(*quarry, *empty);
	*kernel = net_time(*kernel, *empty);
	return 0;
}

static int timed_passes(struct replay *replay, const struct quarry_replay_opts *opts)
{
	struct quarry_replay_result *res = replay->res;
	const unsigned int reps = opts->reps;
	u64 *empty, *quarry, *kernel, *ratios;
	unsigned int i;
	int ret;

	if (!reps)
		return 0;
	empty = kcalloc(4 * reps, sizeof(*empty), GFP_KERNEL);
	if (!empty)
		return replay_fail(&replay->pass, -ENOMEM, "no memory for times");
	quarry = empty + reps;
	kernel = quarry + reps;
	ratios = kernel + reps;
	/* Once to warm up, which does not count. */
	ret = timed_repetition(replay, opts, &empty[0], &quarry[0], &kernel[0]);
	for (i = 0; i < reps && !ret; i++) {
		ret = timed_repetition(replay, opts, &empty[i], &quarry[i], &kernel[i]);
		ratios[i] = div64_u64(quarry[i] * 1000, kernel[i] ?: 1);
	}
	if (!ret) {
		note_ratios(res, ratios, reps);
		note_times(&res->quarry, quarry, reps);
		note_times(&res->kernel, kernel, reps);
		quarry_bench_sort(empty, reps);
		res->empty_ns = quarry_bench_median(empty, reps);
		res->reps = reps;
	}
	kfree(empty);
	return ret;
}

static int checked_passes(struct replay *replay)
{
	u64 ns;
	int ret;

	ret = do_pass(replay, &replay_quarry_side, true, &ns);
	if (!ret)
		ret = do_pass(replay, &replay_kernel_side, true, &ns);
	replay->res->checked = !ret;
	return ret;
}

/* === Entry points === */

static int replay_init(struct replay *replay, struct quarry_trace *trace, const char *heap_name,
		       struct quarry_replay_result *res)
{
	struct replay_pass *pass = &replay->pass;

	*replay = (struct replay){ .trace = trace, .res = res };
	*res = (struct quarry_replay_result){};
	pass->trace = trace;
	pass->heap_name = heap_name ?: "replay";
	/* One byte more, because vmalloc() of nothing fails. */
	pass->slots = vmalloc(array_size(trace->nr_slots, sizeof(*pass->slots)) + 1);
	pass->held = vmalloc(array_size(trace->nr_slots, sizeof(*pass->held)) + 1);
	if (pass->slots && pass->held)
		return 0;
	vfree(pass->slots);
	vfree(pass->held);
	strscpy(res->message, "no memory for slots", sizeof(res->message));
	return -ENOMEM;
}

static void replay_fini(struct replay *replay)
{
	vfree(replay->pass.slots);
	vfree(replay->pass.held);
}

/* Say in the result which pass on which side failed. */
static void note_failure(struct replay *replay, const char *pass_name)
{
	const struct replay_side *side = replay->pass.side;

	snprintf(replay->res->message, sizeof(replay->res->message), "%s pass, %s side: %s",
		 pass_name, side ? side->name : "no", replay->pass.message);
}

int quarry_replay_run(struct quarry_trace *trace, const struct quarry_replay_opts *opts,
		      struct quarry_replay_result *res)
{
	struct replay replay;
	int ret;

	if (opts->reps > QUARRY_REPLAY_MAX_REPS) {
		snprintf(res->message, sizeof(res->message), "reps must be at most %u",
			 QUARRY_REPLAY_MAX_REPS);
		return -EINVAL;
	}
	ret = replay_init(&replay, trace, opts->heap_name, res);
	if (ret)
		return ret;
	ret = timed_passes(&replay, opts);
	if (ret) {
		note_failure(&replay, "timed");
	} else if (opts->check) {
		ret = checked_passes(&replay);
		if (ret)
			note_failure(&replay, "checked");
	}
	replay_fini(&replay);
	return ret;
}
EXPORT_SYMBOL_GPL(quarry_replay_run);

struct quarry_replay_kept *quarry_replay_keep(struct quarry_trace *trace,
					      const struct quarry_replay_opts *opts,
					      struct quarry_replay_result *res)
{
	struct quarry_replay_kept *kept = kzalloc(sizeof(*kept), GFP_KERNEL);
	struct replay *replay;
	u64 ns;
	int ret;

	if (!kept)
		return ERR_PTR(-ENOMEM);
	replay = &kept->replay;
	ret = replay_init(replay, trace, opts->heap_name, res);
	if (ret)
		goto err_free;
	replay->pass.side = &replay_quarry_side;
	ret = replay->pass.side->open(&replay->pass);
	if (ret)
		goto err_fini;
	ret = replay_all_runs(replay, true, &ns);
	if (ret) {
		finish_pass(&replay->pass, true);
		goto err_fini;
	}
	return kept;

err_fini:
	note_failure(replay, "kept");
	replay_fini(replay);
err_free:
	kfree(kept);
	return ERR_PTR(ret);
}

int quarry_replay_drop(struct quarry_replay_kept *kept, struct quarry_replay_result *res)
{
	int ret;

	if (IS_ERR_OR_NULL(kept))
		return 0;
	kept->replay.res = res;
	ret = finish_pass(&kept->replay.pass, true);
	if (ret)
		note_failure(&kept->replay, "kept");
	replay_fini(&kept->replay);
	kfree(kept);
	return ret;
}
