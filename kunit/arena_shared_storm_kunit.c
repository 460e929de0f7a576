// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_arena_shared: allocating in task, softirq, hardirq and NMI, one after the other
 * and all at once on two CPUs, with a task that moves between them.
 *
 * Each remembers what it got and fills it with a pattern of its own; at the end of a round
 * every byte is checked, so that two pieces that overlap are found, and the arena is reset.
 */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/smp.h>
#include "context.h"
#include "arena_shared_kunit.h"
#include "helpers.h"

#define NR_CPUS_USED	2U
#define NR_TASKS	(NR_CPUS_USED + 1)	/* the last one is bound to no CPU */
#define RUN_MS		1000
#define ROUND_MS	150
#define PERIOD_US	60
#define MOST_PIECES	4000

enum kind_of_source { TASK, HARDIRQ, NMI, NR_SOURCE_KINDS };

struct piece {
	void *ptr;
	u32 size;
};

/* Who allocates; alone with itself. */
struct source {
	struct storm *storm;
	unsigned int id;
	struct rnd_state rnd;
	u64 nr_failed;
	unsigned int nr;
	struct piece pieces[MOST_PIECES];
};

struct storm {
	struct quarry_arena_shared *arena;
	u64 limit;
	u32 longest;
	bool with_nmi;
	struct storm_timer {
		struct source *source;
		struct hrtimer timer;
	} timers[NR_CPUS_USED];
	u64 nr_pieces[NR_SOURCE_KINDS];
	struct source *sources[NR_SOURCE_KINDS][NR_TASKS];
};

static u64 tag_of(const struct source *source, unsigned int nr)
{
	return (u64)source->id << 32 | nr;
}

/* False if there was nothing, or it is enough. */
static bool take(struct source *source, gfp_t gfp)
{
	static const size_t aligns[] = { 1, 8, 8, 64 };
	struct storm *storm = source->storm;
	struct piece *p = &source->pieces[source->nr];

	if (source->nr == MOST_PIECES)
		return false;
	p->size = 1 + quarry_test_below(&source->rnd,
					1 + quarry_test_below(&source->rnd, storm->longest));
	p->ptr = quarry_arena_shared_alloc_aligned(storm->arena, p->size,
						   aligns[quarry_test_below(&source->rnd, 4)],
						   gfp | __GFP_NOWARN);
	if (!p->ptr) {
		source->nr_failed++;
		return false;
	}
	quarry_test_fill(p->ptr, p->size, tag_of(source, source->nr));
	WRITE_ONCE(source->nr, source->nr + 1);
	return true;
}

static enum hrtimer_restart tick(struct hrtimer *timer)
{
	struct storm_timer *t = container_of(timer, struct storm_timer, timer);
	unsigned int i = quarry_test_below(&t->source->rnd, 6), us;

	while (i--)
		take(t->source, GFP_ATOMIC);
	us = 1 + quarry_test_below(&t->source->rnd, 2 * PERIOD_US * QUARRY_TEST_SLOWER);
	hrtimer_forward_now(timer, ns_to_ktime(us * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

static void take_in_nmi(void *arg)
{
	struct storm *storm = arg;
	struct source *source = storm->sources[NMI][raw_smp_processor_id() == quarry_test_cpu(1)];

	take(source, GFP_ATOMIC);
	take(source, GFP_ATOMIC);
}

static void take_in_task(struct quarry_test_worker *worker)
{
	struct storm *storm = worker->arg;
	struct storm_timer *t = NULL;
	unsigned int i;

	if (worker->id < NR_CPUS_USED) {
		t = &storm->timers[worker->id];
		t->source = storm->sources[HARDIRQ][worker->id];
		hrtimer_init(&t->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
		t->timer.function = tick;
		hrtimer_start(&t->timer, ns_to_ktime(50 * NSEC_PER_USEC),
			      HRTIMER_MODE_REL_PINNED_HARD);
	}
	while (!quarry_test_worker_should_stop()) {
		for (i = quarry_test_below(&worker->rnd, 40); i; i--)
			if (!take(storm->sources[TASK][worker->id], GFP_KERNEL))
				break;
		worker->nr_ops++;
		if (i)
			usleep_range(50, 200);
		else
			cond_resched();
	}
	if (t)
		hrtimer_cancel(&t->timer);
}

/* Bytes of all it has got in this round. */
static u64 check_source(struct kunit *test, struct source *source)
{
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < source->nr; i++) {
		struct piece *p = &source->pieces[i];

		sum += p->size;
		if (!quarry_test_check(p->ptr, p->size, tag_of(source, i)))
			KUNIT_FAIL(test, "%u bytes at %p, number %u of %u, overwritten", p->size,
				   p->ptr, i, source->id);
	}
	source->nr = 0;
	return sum;
}

static void check_round(struct kunit *test, struct storm *storm)
{
	struct quarry_arena_stats stats;
	unsigned int kind, nr;
	u64 sum = 0;

	for (kind = 0; kind < NR_SOURCE_KINDS; kind++) {
		for (nr = 0; nr < NR_TASKS; nr++) {
			storm->nr_pieces[kind] += storm->sources[kind][nr]->nr;
			sum += check_source(test, storm->sources[kind][nr]);
		}
	}
	quarry_arena_shared_get_stats(storm->arena, &stats);
	KUNIT_EXPECT_GE(test, stats.used, sum);
	KUNIT_EXPECT_LE(test, stats.used, stats.held);
	if (storm->limit)
		KUNIT_EXPECT_LE(test, stats.held_peak, storm->limit);
}

static bool tasks_have_all(const struct storm *storm)
{
	unsigned int i;

	for (i = 0; i < NR_TASKS; i++)
		if (READ_ONCE(storm->sources[TASK][i]->nr) < MOST_PIECES)
			return false;
	return true;
}

static void play_round(struct kunit *test, struct storm *storm, u64 seed)
{
	struct quarry_test_worker workers[NR_TASKS];
	unsigned long end;
	unsigned int i;

	storm->with_nmi = !quarry_test_nmi_begin(take_in_nmi, storm);
	for (i = 0; i < NR_TASKS; i++)
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i,
							       i < NR_CPUS_USED ?
							       quarry_test_cpu(i) :
							       QUARRY_TEST_ANY_CPU,
							       seed, take_in_task, storm), 0);
	end = jiffies + msecs_to_jiffies(ROUND_MS);
	while (time_before(jiffies, end) && !tasks_have_all(storm)) {
		for (i = 0; storm->with_nmi && i < NR_CPUS_USED; i++)
			quarry_test_nmi_send(quarry_test_cpu(i));
		usleep_range(20, 100);
	}
	for (i = 0; i < NR_TASKS; i++)
		quarry_test_worker_stop(test, &workers[i]);
	if (storm->with_nmi)
		quarry_test_nmi_end();
	check_round(test, storm);
	quarry_arena_shared_reset(storm->arena);
}

static void make_sources(struct kunit *test, struct storm *storm, u64 seed)
{
	unsigned int kind, nr;

	for (kind = 0; kind < NR_SOURCE_KINDS; kind++) {
		for (nr = 0; nr < NR_TASKS; nr++) {
			struct source *source = quarry_test_array(test, 1, sizeof(*source));

			source->storm = storm;
			source->id = 1 + kind * NR_TASKS + nr;
			prandom_seed_state(&source->rnd, seed + 10 + source->id);
			storm->sources[kind][nr] = source;
		}
	}
}

static void run_storm(struct kunit *test, u32 chunk_max, u64 limit, u32 longest)
{
	static const char * const names[] = { "task", "hardirq", "NMI" };
	struct quarry_arena_params params = {
		.name = "storm", .chunk_max = chunk_max, .limit = limit,
	};
	struct storm *storm = quarry_test_array(test, 1, sizeof(*storm));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct rnd_state rnd;
	u64 seed = quarry_test_seed(test, &rnd), failed = 0;
	unsigned long end = jiffies + msecs_to_jiffies(RUN_MS);
	unsigned int i, kind;

	make_sources(test, storm, seed);
	storm->arena = quarry_test_shared(test, heap, &params);
	storm->limit = limit;
	storm->longest = longest;
	for (i = 0; time_before(jiffies, end); i++)
		play_round(test, storm, seed + i);
	kunit_info(test, "%u rounds\n", i);
	for (kind = 0; kind < NR_SOURCE_KINDS; kind++) {
		kunit_info(test, "%llu pieces in %s\n", storm->nr_pieces[kind], names[kind]);
		/* At the limit tasks may leave nothing for others. */
		if (kind == TASK || (!limit && (kind != NMI || storm->with_nmi)))
			KUNIT_EXPECT_GT_MSG(test, storm->nr_pieces[kind], 0ULL, "in %s",
					    names[kind]);
	}
	for (i = 0; i < NR_TASKS; i++)
		failed += storm->sources[TASK][i]->nr_failed;
	if (limit)
		KUNIT_EXPECT_GT_MSG(test, failed, 0ULL, "the limit was not met");
	else
		KUNIT_EXPECT_EQ_MSG(test, failed, 0ULL, "tasks that could have slept");
	QUARRY_EXPECT_VERIFIED(test, heap);
}

void shared_storm(struct kunit *test)
{
	run_storm(test, 0, 0, 100);
}

/* Mostly the slow path. */
void shared_storm_of_small_chunks(struct kunit *test)
{
	run_storm(test, SZ_4K, 0, 1200);
}

void shared_storm_at_the_limit(struct kunit *test)
{
	run_storm(test, 0, SZ_128K, 300);
}

/* === One after the other === */

struct visit {
	struct quarry_arena_shared *arena;
	unsigned int nr;
	void *pieces[100];
};

static void warm_up(void *arg)
{
	struct visit *v = arg;
	unsigned int i;

	for (i = 0; i < 400; i++)
		quarry_arena_shared_alloc(v->arena, 100, GFP_KERNEL);
	/* What it needs next time is in the magazines of this CPU now. */
	quarry_arena_shared_reset(v->arena);
}

static void take_some(void *arg)
{
	struct visit *v = arg;
	void *ptr;

	for (v->nr = 0; v->nr < ARRAY_SIZE(v->pieces); v->nr++) {
		ptr = quarry_arena_shared_zalloc(v->arena, 100, GFP_ATOMIC);
		if (!ptr || !quarry_test_is_zero(ptr, 100))
			return;
		quarry_test_fill(ptr, 100, v->nr);
		v->pieces[v->nr] = ptr;
	}
}

static bool has_all(struct visit *v)
{
	unsigned int i;

	for (i = 0; i < v->nr; i++)
		if (!quarry_test_check(v->pieces[i], 100, i))
			return false;
	return v->nr == ARRAY_SIZE(v->pieces);
}

void shared_in_each_context(struct kunit *test)
{
	struct visit *v = quarry_test_array(test, 1, sizeof(*v));
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int context, cpu, i;
	const char *name;

	v->arena = quarry_test_shared(test, heap, NULL);
	for (context = 0; context < QUARRY_NR_CONTEXTS; context++) {
		if (!quarry_test_context_exists(context))
			continue;
		name = quarry_test_context_names[context];
		for (i = 0; i < NR_CPUS_USED; i++) {
			cpu = quarry_test_cpu(i);
			quarry_test_run_in(QUARRY_IN_TASK, cpu, warm_up, v);
			KUNIT_EXPECT_TRUE(test, quarry_test_run_in(context, cpu, take_some, v));
			KUNIT_EXPECT_TRUE_MSG(test, has_all(v), "%s on CPU %u", name, cpu);
		}
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}
