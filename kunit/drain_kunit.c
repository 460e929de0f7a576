// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_drain: magazines are taken from CPUs that go on using them.
 *
 *	CPU 0:	task  <── hrtimer, in hardirq ┐
 *					       ├── one heap: caches, sizes, pages
 *	CPU 1:	task  <── hrtimer, in hardirq ┘
 *	    any:	the case's thread shrinks, trims, changes the size of magazines, makes
 *		and destroys caches
 *
 * Tasks sleep, have preemption off or interrupts off by turns, and free what the others
 * allocated.  Each object's pattern is checked, and at the end everything is accounted
 * for.  Meant for KCSAN with its interrupt watcher, for KASAN with lockdep and for
 * PREEMPT_RT.  On one CPU there is one task and its timer.
 */
#include <linux/hrtimer.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include "../src/heap.h"
#include "../src/knobs.h"
#include "mix.h"

#define NR_STATIONS	2U
#define RUN_MS		1000U
#define PATIENCE_MS	30000U		/* beyond that, on a machine that is slow */
#define MIN_STEPS	50UL		/* of each task, and as many hardirqs */
#define MIN_REMOTE	10L		/* freed by others */
#define LIFE_MS		30U		/* of a cache that is destroyed */
#define NR_LIVES	(QUARRY_TEST_LOOPS(24U) + 1)
#define MOST_LIVES	200U
#define NR_PAIRS	64U
#define NO_WARN(gfp)	((gfp) | __GFP_NOWARN)

/* === Who uses the heap: on each CPU a task and the interrupt that comes in between === */

struct station {
	struct quarry_mix_user task;
	struct quarry_mix_user irq;
	struct hrtimer timer;
	struct quarry_test_worker worker;
};

/* From now, so that a machine that is too slow for it gets on all the same. */
static void next_tick(struct station *s)
{
	unsigned int us = 50 + quarry_test_below(&s->irq.rnd, 100);

	hrtimer_forward_now(&s->timer, ns_to_ktime((u64)us * NSEC_PER_USEC * QUARRY_TEST_SLOWER *
						   QUARRY_TEST_SLOWER));
}

static enum hrtimer_restart tick(struct hrtimer *timer)
{
	struct station *s = container_of(timer, struct station, timer);

	quarry_mix_step(&s->irq, NO_WARN(GFP_ATOMIC));
	next_tick(s);
	return HRTIMER_RESTART;
}

/* Mostly as a task that may sleep. */
static void task_step(struct station *s)
{
	unsigned long flags;

	switch (quarry_test_below(&s->task.rnd, 8)) {
	case 0:
		preempt_disable();
		quarry_mix_step(&s->task, NO_WARN(GFP_NOWAIT));
		preempt_enable();
		break;
	case 1:
		local_irq_save(flags);
		quarry_mix_step(&s->task, NO_WARN(GFP_ATOMIC));
		local_irq_restore(flags);
		break;
	case 2:
	case 3:
		quarry_mix_pairs(&s->task, NR_PAIRS, GFP_KERNEL);
		break;
	default:
		quarry_mix_step(&s->task, GFP_KERNEL);
	}
}

static void station_run(struct quarry_test_worker *worker)
{
	struct station *s = worker->arg;

	hrtimer_init(&s->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	s->timer.function = tick;
	hrtimer_start(&s->timer, ns_to_ktime(NSEC_PER_MSEC), HRTIMER_MODE_REL_PINNED_HARD);
	while (!quarry_test_worker_should_stop()) {
		task_step(s);
		cond_resched();
	}
	hrtimer_cancel(&s->timer);
	worker->nr_ops = s->task.nr_steps;
}

/* Two stations, or one on each CPU there is; the mix's users are @id and above. */
static void stations_start(struct kunit *test, struct station *stations, struct quarry_mix *mix,
			   unsigned int id, u64 seed)
{
	unsigned int i;

	for (i = 0; i < min(NR_STATIONS, num_online_cpus()); i++) {
		struct station *s = &stations[i];

		quarry_mix_user_init(&s->task, mix, id + 2 * i, seed);
		quarry_mix_user_init(&s->irq, mix, id + 2 * i + 1, seed);
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&s->worker, i, quarry_test_cpu(i),
							       seed, station_run, s), 0);
	}
}

static void stations_stop(struct kunit *test, struct station *stations)
{
	unsigned int i;

	for (i = 0; i < NR_STATIONS; i++)
		quarry_test_worker_stop(test, &stations[i].worker);
	for (i = 0; i < NR_STATIONS; i++) {
		quarry_mix_user_expect(test, &stations[i].task);
		quarry_mix_user_expect(test, &stations[i].irq);
	}
}

static bool stations_have_worked(const struct station *stations)
{
	unsigned int i;

	if (atomic_long_read(&stations->task.mix->nr_remote) <= MIN_REMOTE)
		return false;
	for (i = 0; i < min(NR_STATIONS, num_online_cpus()); i++)
		if (READ_ONCE(stations[i].task.nr_steps) <= MIN_STEPS ||
		    READ_ONCE(stations[i].irq.nr_steps) <= MIN_STEPS)
			return false;
	return true;
}

/* All of them did what they are for. */
static void stations_expect_work(struct kunit *test, struct station *stations)
{
	unsigned int i;

	for (i = 0; i < min(NR_STATIONS, num_online_cpus()); i++) {
		kunit_info(test, "CPU %u: %lu steps of the task, %lu in hardirq\n",
			   stations[i].worker.cpu, stations[i].task.nr_steps,
			   stations[i].irq.nr_steps);
		KUNIT_EXPECT_GT(test, stations[i].task.nr_steps, MIN_STEPS);
		KUNIT_EXPECT_GT(test, stations[i].irq.nr_steps, MIN_STEPS);
	}
}

/* === What the case's thread does meanwhile === */

struct drain {
	struct quarry_heap *heap;
	struct quarry_mix *mix;
	struct rnd_state rnd;
	unsigned long nr_done;
};

static void shrink(struct kunit *test, struct drain *d)
{
	quarry_cache_shrink(d->mix->small);
	quarry_cache_shrink(d->mix->large);
}

static void trim(struct kunit *test, struct drain *d)
{
	quarry_heap_trim(d->heap);
}

static void look(struct kunit *test, struct drain *d)
{
	quarry_test_stats(d->heap);
}

/* One of a list, as it is written to the file in debugfs. */
static void tune(struct kunit *test, struct drain *d, enum quarry_knob knob,
		 const char * const *values, unsigned int nr)
{
	const char *value = values[quarry_test_below(&d->rnd, nr)];

	KUNIT_EXPECT_EQ_MSG(test, quarry_heap_tune(to_priv(d->heap), knob, value), 0, "%s=%s",
			    quarry_knob_name(knob), value);
}

static void resize(struct kunit *test, struct drain *d)
{
	static const char * const bytes[] = { "4K", "5000", "64K", "1M" };
	static const char * const orders[] = { "-1", "0", "1", "3" };

	tune(test, d, QUARRY_KNOB_MAGAZINE_BYTES, bytes, ARRAY_SIZE(bytes));
	tune(test, d, QUARRY_KNOB_MAGAZINE_ORDER, orders, ARRAY_SIZE(orders));
}

/* The heap has a moment in which it holds no more than it needs, then one without bounds. */
static void decay(struct kunit *test, struct drain *d)
{
	static const char * const ms[] = { "0", "10", "-1" };
	static const char * const limits[] = { "64K", "1M", "0" };

	tune(test, d, QUARRY_KNOB_DECAY_MS, ms, ARRAY_SIZE(ms));
	tune(test, d, QUARRY_KNOB_SOFT_LIMIT, limits, ARRAY_SIZE(limits));
}

#define NR_OWN		40U

/* Caches of the same heap come, are used here, and go. */
static void other_caches(struct kunit *test, struct drain *d)
{
	unsigned int size = 16 + quarry_test_below(&d->rnd, 3000), i, nr;
	struct quarry_cache *cache;
	void *objs[NR_OWN];

	cache = quarry_cache_create(d->heap, "other", size, 0, size & 1 ? QUARRY_DATA : 0, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(cache));
	for (nr = 0; nr < NR_OWN; nr++) {
		objs[nr] = quarry_cache_alloc(cache, GFP_KERNEL);
		if (!objs[nr])
			break;
		quarry_test_fill(objs[nr], size, nr);
	}
	KUNIT_EXPECT_EQ(test, nr, NR_OWN);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(objs[i], size, i), "object %u", i);
		quarry_cache_free(cache, objs[i]);
	}
	quarry_cache_destroy(cache);
}

static void (* const all_acts[])(struct kunit *test, struct drain *d) = {
	shrink, trim, look, resize, decay, other_caches,
};

#define NR_ACTS		ARRAY_SIZE(all_acts)

static struct drain *prepare(struct kunit *test, unsigned int sources, u64 *seed)
{
	struct drain *d = quarry_test_array(test, 1, sizeof(*d));

	*seed = quarry_test_seed(test, &d->rnd);
	d->heap = quarry_test_heap(test);
	d->mix = quarry_mix_make(test, d->heap, sources);
	return d;
}

/* Nobody uses the heap any more; exact numbers. */
static void expect_nothing_left(struct kunit *test, struct drain *d)
{
	QUARRY_EXPECT_VERIFIED(test, d->heap);
	quarry_mix_done(test, d->mix);
	QUARRY_EXPECT_ALLOCATED(test, d->heap, 0);
	QUARRY_EXPECT_VERIFIED(test, d->heap);
	/* Of what one of the acts left. */
	KUNIT_EXPECT_EQ(test, quarry_heap_tune(to_priv(d->heap), QUARRY_KNOB_DECAY_MS, "-1"), 0);
	quarry_heap_trim(d->heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(d->heap).mapped, 0ULL);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(d->heap).lost, 0ULL);
}

/* @first to @last of the acts in turn while the stations work on @sources. */
static void act_meanwhile(struct kunit *test, unsigned int first, unsigned int last,
			  unsigned int sources)
{
	struct station *stations = quarry_test_array(test, NR_STATIONS, sizeof(*stations));
	unsigned long end, patience;
	struct drain *d;
	u64 seed;

	d = prepare(test, sources, &seed);
	stations_start(test, stations, d->mix, 0, seed);
	end = jiffies + msecs_to_jiffies(last > first ? 2 * RUN_MS : RUN_MS);
	patience = end + msecs_to_jiffies(PATIENCE_MS);
	while (time_before(jiffies, end) || d->nr_done < 2 * NR_ACTS ||
	       (!stations_have_worked(stations) && time_before(jiffies, patience))) {
		all_acts[first + d->nr_done % (last - first + 1)](test, d);
		d->nr_done++;
		cond_resched();
	}
	stations_stop(test, stations);
	stations_expect_work(test, stations);
	kunit_info(test, "meanwhile %lu times; %ld freed by others, %ld refused\n", d->nr_done,
		   atomic_long_read(&d->mix->nr_remote), atomic_long_read(&d->mix->nr_refused));
	KUNIT_EXPECT_GT(test, atomic_long_read(&d->mix->nr_remote), MIN_REMOTE);
	expect_nothing_left(test, d);
}

static void act_alone(struct kunit *test, void (*act)(struct kunit *test, struct drain *d),
		      unsigned int sources)
{
	unsigned int i;

	for (i = 0; i < NR_ACTS; i++)
		if (all_acts[i] == act)
			act_meanwhile(test, i, i, sources);
}

/*
 * Small ones only, so that most of the time goes into what is tested: the less there is
 * to fill and to compare, the likelier it is that a CPU is inside a section.
 */
static void shrink_meanwhile(struct kunit *test)
{
	act_alone(test, shrink, BIT(QUARRY_MIX_SMALL));
}

static void trim_meanwhile(struct kunit *test)
{
	act_alone(test, trim, BIT(QUARRY_MIX_SMALL) | BIT(QUARRY_MIX_PAGES));
}

static void resize_meanwhile(struct kunit *test)
{
	act_alone(test, resize, BIT(QUARRY_MIX_SMALL) | BIT(QUARRY_MIX_PAGES));
}

static void caches_come_and_go_meanwhile(struct kunit *test)
{
	act_alone(test, other_caches, BIT(QUARRY_MIX_SIZES) | BIT(QUARRY_MIX_DATA));
}

static void everything_meanwhile(struct kunit *test)
{
	act_meanwhile(test, 0, NR_ACTS - 1, QUARRY_MIX_ALL);
}

/*
 * A cache that both CPUs used from task and hardirq is destroyed as soon as they have
 * stopped, with what their magazines hold, while the rest of the heap is busy there.
 */
static void destroy_after_use(struct kunit *test)
{
	struct station *stations = quarry_test_array(test, NR_STATIONS, sizeof(*stations));
	struct station *others = quarry_test_array(test, NR_STATIONS, sizeof(*others));
	unsigned long steps = 0, ticks = 0;
	struct quarry_mix *mix;
	unsigned int life, i;
	struct drain *d;
	u64 seed;

	d = prepare(test, QUARRY_MIX_ALL, &seed);
	stations_start(test, stations, d->mix, 0, seed);
	for (life = 0; life < NR_LIVES || (!stations_have_worked(stations) && life < MOST_LIVES);
	     life++) {
		mix = quarry_mix_make(test, d->heap, BIT(QUARRY_MIX_SMALL) | BIT(QUARRY_MIX_LARGE));
		stations_start(test, others, mix, 2 * NR_STATIONS, seed + life);
		schedule_timeout_uninterruptible(msecs_to_jiffies(LIFE_MS));
		stations_stop(test, others);
		quarry_mix_done(test, mix);
		for (i = 0; i < NR_STATIONS; i++) {
			steps += others[i].task.nr_steps;
			ticks += others[i].irq.nr_steps;
		}
	}
	stations_stop(test, stations);
	stations_expect_work(test, stations);
	kunit_info(test, "%u lives of two caches: %lu steps of tasks, %lu in hardirq\n", life,
		   steps, ticks);
	KUNIT_EXPECT_GT(test, steps, 0UL);
	KUNIT_EXPECT_GT(test, ticks, 0UL);
	expect_nothing_left(test, d);
}

static struct kunit_case drain_cases[] = {
	KUNIT_CASE(shrink_meanwhile),
	KUNIT_CASE(trim_meanwhile),
	KUNIT_CASE(resize_meanwhile),
	KUNIT_CASE(caches_come_and_go_meanwhile),
	KUNIT_CASE_SLOW(everything_meanwhile),
	KUNIT_CASE_SLOW(destroy_after_use),
	{}
};

struct kunit_suite quarry_drain_suite = {
	.name = "quarry_drain",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = drain_cases,
};
