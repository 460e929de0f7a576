// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_events: what the kernel tells us: memory is short, memory wants to
 * leave the machine, a CPU goes and comes back.
 */
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/sched/mm.h>
#include <linux/shrinker.h>
#include "../src/cache.h"
#include "../src/heap.h"
#include "mix.h"

/* === Shrinker === */

#define RUN_ORDER	4		/* above the magazines' orders */
#define RUN_PAGES	BIT(RUN_ORDER)
#define NR_RUNS		128U		/* 8 MiB */
#define SHRINK_LEAST	BIT(QUARRY_EXTENT_MAX_ORDER)	/* a call asks for as much as that */

static unsigned long shrink_count(void)
{
	struct shrink_control sc = { .gfp_mask = GFP_KERNEL };
	unsigned long ret;

	/* As reclaim does, so that lockdep sees what is taken or allocated in it. */
	fs_reclaim_acquire(GFP_KERNEL);
	ret = quarry_shrink_count(NULL, &sc);
	fs_reclaim_release(GFP_KERNEL);
	return ret;
}

static unsigned long shrink_scan(unsigned long nr)
{
	struct shrink_control sc = { .gfp_mask = GFP_KERNEL, .nr_to_scan = nr };
	unsigned long ret;

	fs_reclaim_acquire(GFP_KERNEL);
	ret = quarry_shrink_scan(NULL, &sc);
	fs_reclaim_release(GFP_KERNEL);
	return ret;
}

static u64 mapped_pages(struct quarry_heap *heap)
{
	return quarry_test_stats(heap).mapped >> PAGE_SHIFT;
}

static u64 shrunk_pages(struct quarry_heap *heap)
{
	return quarry_test_stats(heap).shrunk >> PAGE_SHIFT;
}

static void fill_runs(struct kunit *test, struct quarry_heap *heap, struct quarry_test_run *runs,
		      unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &runs[i], RUN_PAGES, i));
}

/* A heap with @nr runs or more that are free and do not decay. */
static struct quarry_heap *idle_heap(struct kunit *test, u64 reserve, unsigned int nr)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .reserve = reserve };
	struct quarry_test_run *runs = quarry_test_array(test, nr, sizeof(*runs));
	struct quarry_heap *heap;
	unsigned int i;

	params.decay_ms = -1;
	heap = quarry_test_heap_params(test, params);
	fill_runs(test, heap, runs, nr);
	for (i = 0; i < nr; i++)
		quarry_test_run_free(test, &runs[i]);
	KUNIT_ASSERT_GE(test, mapped_pages(heap), (u64)nr * RUN_PAGES);
	return heap;
}

/* Nothing of other heaps is in the shrinker's sums. */
static void trim_default_heap(void)
{
	quarry_heap_trim(quarry_default_heap());
}

/* Each call says what it took; small ones take as much as an extent, no more. */
static void shrinker_takes_little(struct kunit *test)
{
	struct quarry_heap *heap = idle_heap(test, 0, NR_RUNS);
	u64 before = mapped_pages(heap), sum = 0;
	unsigned long got;

	trim_default_heap();
	KUNIT_EXPECT_EQ(test, (u64)shrink_count(), before);
	while (mapped_pages(heap)) {
		got = shrink_scan(1);
		KUNIT_ASSERT_LE(test, got, SHRINK_LEAST);
		KUNIT_ASSERT_GT(test, got, 0UL);
		sum += got;
		KUNIT_EXPECT_EQ(test, mapped_pages(heap), before - sum);
		KUNIT_EXPECT_EQ(test, shrunk_pages(heap), sum);
		QUARRY_EXPECT_VERIFIED(test, heap);
	}
	KUNIT_EXPECT_EQ(test, sum, before);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, 0ULL);
}

/* All that is free, down to the reserve; then it says that there is nothing. */
static void shrinker_takes_all(struct kunit *test)
{
	const u64 reserve = SZ_1M;
	struct quarry_heap *heap = idle_heap(test, reserve, NR_RUNS);
	u64 before = mapped_pages(heap), keep = reserve >> PAGE_SHIFT;

	trim_default_heap();
	KUNIT_EXPECT_EQ(test, (u64)shrink_count(), before - keep);
	KUNIT_EXPECT_EQ(test, (u64)shrink_scan(ULONG_MAX), before - keep);
	KUNIT_EXPECT_EQ_MSG(test, mapped_pages(heap), keep, "the reserve stays");
	KUNIT_EXPECT_EQ(test, shrunk_pages(heap), before - keep);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).trimmed, 0ULL);
	KUNIT_EXPECT_EQ(test, shrink_count(), SHRINK_EMPTY);
	KUNIT_EXPECT_EQ(test, shrink_scan(ULONG_MAX), SHRINK_STOP);
	KUNIT_EXPECT_EQ(test, mapped_pages(heap), keep);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* Every second run is in use: the others go all the same, page by page. */
static void shrinker_leaves_holes(struct kunit *test)
{
	struct quarry_test_run *runs = quarry_test_array(test, NR_RUNS, sizeof(*runs));
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;
	void *gone;
	unsigned int i;

	params.decay_ms = -1;
	heap = quarry_test_heap_params(test, params);
	fill_runs(test, heap, runs, NR_RUNS);
	gone = runs[NR_RUNS / 2].addr;
	for (i = 0; i < NR_RUNS; i += 2)
		quarry_test_run_free(test, &runs[i]);
	trim_default_heap();
	shrink_scan(ULONG_MAX);
	KUNIT_EXPECT_EQ(test, mapped_pages(heap), (u64)NR_RUNS / 2 * RUN_PAGES);
	KUNIT_EXPECT_NULL_MSG(test, quarry_heap_of(gone), "this page went back");
	KUNIT_EXPECT_EQ(test, shrink_scan(ULONG_MAX), SHRINK_STOP);
	QUARRY_EXPECT_VERIFIED(test, heap);
	for (i = 1; i < NR_RUNS; i += 2)
		quarry_test_run_free(test, &runs[i]);
	shrink_scan(ULONG_MAX);
	KUNIT_EXPECT_EQ(test, mapped_pages(heap), 0ULL);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, 0ULL);
}

/* Calls for little do not all go to the first heap that has something. */
static void shrinker_takes_turns(struct kunit *test)
{
	struct quarry_heap *one = idle_heap(test, 0, 2 * NR_RUNS);
	struct quarry_heap *other = idle_heap(test, 0, 2 * NR_RUNS);
	unsigned int i;

	trim_default_heap();
	/* The default heap has its turn too, and has nothing. */
	for (i = 0; i < 3; i++)
		shrink_scan(1);
	KUNIT_EXPECT_GT(test, shrunk_pages(one), 0ULL);
	KUNIT_EXPECT_GT(test, shrunk_pages(other), 0ULL);
}

struct shrink_try {
	struct completion done;
	unsigned long count, scanned;
};

static void try_to_shrink(struct quarry_test_worker *worker)
{
	struct shrink_try *t = worker->arg;

	t->count = shrink_count();
	t->scanned = shrink_scan(ULONG_MAX);
	complete(&t->done);
}

/* What another thread's shrinking comes to while this one holds @mutex. */
static struct shrink_try shrink_against(struct kunit *test, struct mutex *mutex)
{
	struct quarry_test_worker worker;
	struct shrink_try t = {};
	bool in_time = false;
	int ret;

	init_completion(&t.done);
	mutex_lock(mutex);
	ret = quarry_test_worker_start(&worker, 0, quarry_test_cpu(1), 0, try_to_shrink, &t);
	if (!ret)
		in_time = wait_for_completion_timeout(&t.done, 10 * HZ);
	mutex_unlock(mutex);
	KUNIT_ASSERT_EQ(test, ret, 0);
	quarry_test_worker_stop(test, &worker);
	KUNIT_EXPECT_TRUE_MSG(test, in_time, "the shrinker waited for a mutex");
	return t;
}

static void shrinker_never_waits(struct kunit *test)
{
	struct quarry_heap *heap = idle_heap(test, 0, NR_RUNS), *other;
	u64 before = mapped_pages(heap);
	struct shrink_try t;

	trim_default_heap();
	t = shrink_against(test, quarry_reclaims_mutex);
	KUNIT_EXPECT_EQ(test, t.count, 0UL);
	KUNIT_EXPECT_EQ(test, t.scanned, SHRINK_STOP);
	KUNIT_EXPECT_EQ(test, mapped_pages(heap), before);

	t = shrink_against(test, &to_priv(heap)->reclaim.mutex);
	KUNIT_EXPECT_EQ(test, (u64)t.count, before);
	KUNIT_EXPECT_EQ(test, t.scanned, SHRINK_STOP);
	KUNIT_EXPECT_EQ(test, mapped_pages(heap), before);

	/* One heap that is busy does not keep the others from giving. */
	other = idle_heap(test, 0, NR_RUNS);
	t = shrink_against(test, &to_priv(heap)->reclaim.mutex);
	KUNIT_EXPECT_EQ(test, mapped_pages(other), 0ULL);
	KUNIT_EXPECT_EQ(test, (u64)t.scanned, shrunk_pages(other));
	KUNIT_EXPECT_EQ(test, mapped_pages(heap), before);
}

/* === Memory that wants to leave === */

static int memory_event(unsigned long event, unsigned long pfn, unsigned long nr)
{
	struct memory_notify range = { .start_pfn = pfn, .nr_pages = nr };

	return notifier_to_errno(quarry_memory_event(NULL, event, &range));
}

/* No page of ours may go offline, whether it is in use or free. */
static void offlining_is_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_run run;
	unsigned long pfn, nr;

	trim_default_heap();
	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, RUN_PAGES, 1));
	pfn = page_to_pfn(virt_to_page(run.addr));
	nr = mapped_pages(heap);
	KUNIT_ASSERT_EQ_MSG(test, nr, RUN_PAGES, "one extent, all of it in use");

	KUNIT_EXPECT_EQ(test, memory_event(MEM_GOING_OFFLINE, pfn, nr), -EBUSY);
	KUNIT_EXPECT_EQ(test, memory_event(MEM_GOING_OFFLINE, pfn, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, memory_event(MEM_GOING_OFFLINE, pfn + nr - 1, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, memory_event(MEM_GOING_OFFLINE, pfn + 5, 2), -EBUSY);
	KUNIT_EXPECT_EQ(test, memory_event(MEM_GOING_OFFLINE, pfn - 8, 9), -EBUSY);
	KUNIT_EXPECT_EQ(test, memory_event(MEM_GOING_OFFLINE, pfn + nr - 1, 8), -EBUSY);
	KUNIT_EXPECT_EQ(test, memory_event(MEM_GOING_OFFLINE, pfn - 8, nr + 16), -EBUSY);

	KUNIT_EXPECT_EQ(test, memory_event(MEM_GOING_OFFLINE, pfn - 8, 8), 0);
	KUNIT_EXPECT_EQ(test, memory_event(MEM_GOING_OFFLINE, pfn + nr, 8), 0);

	/* Free and not yet given back is ours, given back is not. */
	quarry_test_run_free(test, &run);
	KUNIT_EXPECT_EQ(test, memory_event(MEM_GOING_OFFLINE, pfn, nr), -EBUSY);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, memory_event(MEM_GOING_OFFLINE, pfn, nr), 0);
}

/* Going offline is the only question; the others are told to all, not asked. */
static void other_memory_events(struct kunit *test)
{
	static const unsigned long events[] = {
		MEM_GOING_ONLINE, MEM_ONLINE, MEM_CANCEL_ONLINE, MEM_OFFLINE, MEM_CANCEL_OFFLINE,
	};
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_run run;
	unsigned int i;

	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, RUN_PAGES, 1));
	for (i = 0; i < ARRAY_SIZE(events); i++)
		KUNIT_EXPECT_EQ_MSG(test, memory_event(events[i],
						       page_to_pfn(virt_to_page(run.addr)), 1),
				    0, "event %#lx", events[i]);
	quarry_test_run_free(test, &run);
}

/* === CPUs that go and come === */

#define NR_HELD		25U		/* objects of each kind that one thread holds */
#define SIZED		200U		/* bytes */
#define ROUNDS		4U
#define LOAD_MS		2000
#define MIN_REMOTE	10L	/* freed by the other thread */

struct going {
	struct quarry_heap *heap;
	struct quarry_cache *cache;
	unsigned int cpu;
};

/* The three kinds of fronts: an object cache, a size class, runs of one page. */
static const struct quarry_front *front_of(const struct going *g, unsigned int i)
{
	unsigned int class = quarry_size_class(SIZED, QUARRY_KIND_PTR);

	switch (i) {
	case 0:
		return &g->cache->front;
	case 1:
		return &g->heap->classes[QUARRY_KIND_PTR][class]->front;
	default:
		return &g->heap->pages[QUARRY_KIND_PTR][0].front;
	}
}

#define NR_FRONTS	3

static unsigned int nr_in_magazines(const struct quarry_front *front, unsigned int cpu)
{
	struct quarry_cpu *c = per_cpu_ptr(front->cpu, cpu);

	return READ_ONCE(READ_ONCE(c->loaded)->count) + READ_ONCE(READ_ONCE(c->previous)->count);
}

static void *alloc_of_kind(const struct going *g, unsigned int i)
{
	switch (i) {
	case 0:
		return quarry_cache_alloc(g->cache, GFP_KERNEL);
	case 1:
		return quarry_alloc(g->heap, SIZED, GFP_KERNEL);
	default:
		return quarry_alloc_pages(g->heap, 0, GFP_KERNEL);
	}
}

/* Takes and frees, checking that nobody else has the same memory. */
static void use_all(struct quarry_test_worker *worker, u64 tag)
{
	const struct going *g = worker->arg;
	void *objs[NR_HELD];
	unsigned int i, k;

	for (i = 0; i < NR_FRONTS; i++) {
		for (k = 0; k < ARRAY_SIZE(objs); k++) {
			objs[k] = alloc_of_kind(g, i);
			if (!objs[k])
				break;
			quarry_test_fill(objs[k], SIZED, tag + k);
		}
		if (k < ARRAY_SIZE(objs))
			quarry_test_worker_fail(worker, "no memory for kind", i);
		while (k--) {
			if (!quarry_test_check(objs[k], SIZED, tag + k))
				quarry_test_worker_fail(worker, "overwritten", (long)objs[k]);
			quarry_free(objs[k]);
		}
	}
	worker->nr_ops++;
}

static void use_some_times(struct quarry_test_worker *worker)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		use_all(worker, (u64)worker->id << 32 | i << 16);
}

static void use_until_stopped(struct quarry_test_worker *worker)
{
	while (!quarry_test_worker_should_stop()) {
		use_all(worker, (u64)worker->id << 32 | worker->nr_ops << 16);
		cond_resched();
	}
}

static void bring_back(void *cpu)
{
	if (!cpu_online((unsigned long)cpu))
		add_cpu((unsigned long)cpu);
}

/* A thread on the CPU itself fills its magazines and ends. */
static void fill_magazines(struct kunit *test, struct going *g)
{
	struct quarry_test_worker worker;
	unsigned int i;
	int ret;

	ret = quarry_test_worker_start(&worker, 2, g->cpu, 0, use_some_times, g);
	KUNIT_ASSERT_EQ(test, ret, 0);
	quarry_test_worker_stop(test, &worker);
	KUNIT_EXPECT_EQ(test, worker.nr_ops, 8UL);
	for (i = 0; i < NR_FRONTS; i++)
		KUNIT_EXPECT_GT_MSG(test, nr_in_magazines(front_of(g, i), g->cpu), 0U,
				    "front %u, CPU %u", i, g->cpu);
}

static bool take_down(struct kunit *test, struct going *g)
{
	int ret = remove_cpu(g->cpu);
	unsigned int i;

	KUNIT_EXPECT_EQ_MSG(test, ret, 0, "remove_cpu(%u)", g->cpu);
	if (ret)
		return false;
	for (i = 0; i < NR_FRONTS; i++)
		KUNIT_EXPECT_EQ_MSG(test, nr_in_magazines(front_of(g, i), g->cpu), 0U,
				    "front %u, CPU %u is gone", i, g->cpu);
	return true;
}

static unsigned long nr_from_magazines(const struct going *g)
{
	return READ_ONCE(per_cpu_ptr(g->cache->front.cpu, g->cpu)->nr_alloc);
}

static void go_and_come(struct kunit *test, struct going *g)
{
	unsigned long before;

	fill_magazines(test, g);
	if (!take_down(test, g))
		return;
	before = nr_from_magazines(g);
	KUNIT_ASSERT_EQ(test, add_cpu(g->cpu), 0);
	fill_magazines(test, g);
	KUNIT_EXPECT_GT_MSG(test, nr_from_magazines(g), before, "CPU %u serves again", g->cpu);
}

static void expect_all_accounted(struct kunit *test, struct quarry_heap *heap)
{
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ_MSG(test, mapped_pages(heap), 0ULL, "all of it can be given back");
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, 0ULL);
}

static struct going *prepare_going(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct going *g;

	QUARRY_NEEDS_SMP(test);
	if (!IS_ENABLED(CONFIG_HOTPLUG_CPU))
		kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
	params.decay_ms = -1;
	g = quarry_test_array(test, 1, sizeof(*g));
	g->heap = quarry_test_heap_params(test, params);
	g->cache = quarry_test_cache(test, g->heap, 256, 0, 0, NULL);
	g->cpu = quarry_test_cpu(1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, bring_back,
							(void *)(unsigned long)g->cpu), 0);
	return g;
}

/* A CPU that is gone holds nothing, and all that it held is there for others. */
static void cpu_goes_alone(struct kunit *test)
{
	struct going *g = prepare_going(test);
	unsigned int round;

	for (round = 0; round < ROUNDS; round++)
		go_and_come(test, g);
	fill_magazines(test, g);
	if (take_down(test, g))
		expect_all_accounted(test, g->heap);
	KUNIT_EXPECT_EQ(test, add_cpu(g->cpu), 0);
	expect_all_accounted(test, g->heap);
}

/*
 * The same while one thread uses the heap on a CPU that stays, and another one is at
 * it on the CPU that goes until the scheduler takes it elsewhere.
 */
static void cpu_goes_while_others_work(struct kunit *test)
{
	struct quarry_test_worker staying, moving;
	struct going *g = prepare_going(test);
	unsigned int round;

	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&staying, 0, quarry_test_cpu(0), 0,
						       use_until_stopped, g), 0);
	for (round = 0; round < ROUNDS; round++) {
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&moving, 1, g->cpu, 0,
							       use_until_stopped, g), 0);
		if (take_down(test, g))
			KUNIT_EXPECT_EQ(test, add_cpu(g->cpu), 0);
		quarry_test_worker_stop(test, &moving);
		fill_magazines(test, g);
	}
	quarry_test_worker_stop(test, &staying);
	KUNIT_EXPECT_GT(test, staying.nr_ops, 0UL);
	expect_all_accounted(test, g->heap);
}

static void expect_cpu_holds_none(struct kunit *test, const struct quarry_mix *mix,
				  unsigned int cpu)
{
	KUNIT_EXPECT_EQ(test, nr_in_magazines(&mix->small->front, cpu), 0U);
	KUNIT_EXPECT_EQ(test, nr_in_magazines(&mix->large->front, cpu), 0U);
}

/*
 * Again and again, while a thread on a CPU that stays and one that goes where the
 * scheduler puts it exchange objects of all kinds.
 */
static void cpu_goes_under_load(struct kunit *test)
{
	struct quarry_test_worker staying, roaming;
	struct going *g = prepare_going(test);
	unsigned long end, nr_gone = 0;
	struct quarry_mix *mix;
	struct rnd_state rnd;
	u64 seed;

	seed = quarry_test_seed(test, &rnd);
	mix = quarry_mix_make(test, g->heap, QUARRY_MIX_ALL);
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&staying, 0, quarry_test_cpu(0), seed,
						       quarry_mix_work, mix), 0);
	KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&roaming, 1, QUARRY_TEST_ANY_CPU, seed,
						       quarry_mix_work, mix), 0);
	end = jiffies + msecs_to_jiffies(LOAD_MS);
	/* Time for a slow machine, but not without end. */
	while (time_before(jiffies, end) || nr_gone < ROUNDS ||
	       (atomic_long_read(&mix->nr_remote) <= MIN_REMOTE && nr_gone < 25 * ROUNDS)) {
		fill_magazines(test, g);
		if (!take_down(test, g))
			break;
		expect_cpu_holds_none(test, mix, g->cpu);
		nr_gone++;
		if (add_cpu(g->cpu)) {
			KUNIT_FAIL(test, "CPU %u does not come back", g->cpu);
			break;
		}
	}
	quarry_test_worker_stop(test, &roaming);
	quarry_test_worker_stop(test, &staying);
	kunit_info(test, "CPU %u went %lu times; %lu and %lu steps, %ld freed by the other\n",
		   g->cpu, nr_gone, staying.nr_ops, roaming.nr_ops,
		   atomic_long_read(&mix->nr_remote));
	KUNIT_EXPECT_GT(test, staying.nr_ops, 0UL);
	KUNIT_EXPECT_GT(test, roaming.nr_ops, 0UL);
	KUNIT_EXPECT_GT(test, atomic_long_read(&mix->nr_remote), MIN_REMOTE);
	quarry_mix_done(test, mix);
	expect_all_accounted(test, g->heap);
}

/* Frees after a grace period: some by the CPU that goes, some wherever the thread is then. */
static void free_later_until_stopped(struct quarry_test_worker *worker)
{
	const struct going *g = worker->arg;
	unsigned int i;
	void *obj;

	while (!quarry_test_worker_should_stop()) {
		for (i = 0; i < NR_FRONTS; i++) {
			obj = alloc_of_kind(g, i);
			if (obj)
				quarry_free_rcu(obj);
			else
				quarry_test_worker_fail(worker, "no memory for kind", i);
		}
		worker->nr_ops++;
		/* What waits is bounded, so give it time; and magazines are left half full. */
		if (!(worker->nr_ops % 8))
			usleep_range(200, 400);
	}
}

static unsigned long nr_waiting_on(const struct going *g, unsigned int cpu)
{
	struct quarry_magazine *mag = READ_ONCE(per_cpu_ptr(g->cache->front.cpu, cpu)->waiting);

	return mag ? READ_ONCE(mag->count) : 0;
}

/* What a CPU left waiting for a grace period when it went becomes free all the same. */
static void cpu_goes_with_waiting(struct kunit *test)
{
	struct going *g = prepare_going(test);
	struct quarry_test_worker worker;
	unsigned long end, nr_left = 0;
	unsigned int round;

	for (round = 0; round < 100 && (round < ROUNDS || !nr_left); round++) {
		KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&worker, 1, g->cpu, 0,
							       free_later_until_stopped, g), 0);
		while (!READ_ONCE(worker.nr_ops))
			usleep_range(200, 400);
		nr_left += nr_waiting_on(g, g->cpu);
		if (remove_cpu(g->cpu))
			KUNIT_FAIL(test, "CPU %u does not go", g->cpu);
		quarry_test_worker_stop(test, &worker);
		end = jiffies + 10 * HZ;
		while (quarry_test_stats(g->heap).allocated && time_before(jiffies, end))
			usleep_range(500, 1000);
		KUNIT_EXPECT_EQ_MSG(test, nr_waiting_on(g, g->cpu), 0UL, "CPU %u is gone", g->cpu);
		expect_all_accounted(test, g->heap);
		KUNIT_EXPECT_EQ(test, add_cpu(g->cpu), 0);
	}
	kunit_info(test, "%u rounds, %lu objects were waiting when the CPU went\n", round,
		   nr_left);
	KUNIT_EXPECT_GT(test, nr_left, 0UL);
}

static struct kunit_case events_cases[] = {
	KUNIT_CASE(shrinker_takes_little),
	KUNIT_CASE(shrinker_takes_all),
	KUNIT_CASE(shrinker_leaves_holes),
	KUNIT_CASE(shrinker_takes_turns),
	KUNIT_CASE(shrinker_never_waits),
	KUNIT_CASE(offlining_is_refused),
	KUNIT_CASE(other_memory_events),
	KUNIT_CASE(cpu_goes_alone),
	KUNIT_CASE(cpu_goes_while_others_work),
	KUNIT_CASE_SLOW(cpu_goes_with_waiting),
	KUNIT_CASE_SLOW(cpu_goes_under_load),
	{}
};

struct kunit_suite quarry_events_suite = {
	.name = "quarry_events",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = events_cases,
};
