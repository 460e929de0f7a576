// SPDX-License-Identifier: GPL-2.0
/*
 * What the suites share.  A case makes its heaps, caches and arenas through
 * this file, which registers an action for each of them.  KUnit runs actions
 * in reverse order when a case ends, however it ends, so caches and arenas go
 * before their heap, and the heap's action can insist that nothing is left.
 */
#include <kunit/test-bug.h>
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/random.h>
#include "../src/escape.h"
#include "helpers.h"

static unsigned long long seed;
module_param(seed, ullong, 0444);
MODULE_PARM_DESC(seed, "seed of the random tests; 0 picks one");

/* Cases run one after the other, so these need no lock. */
static unsigned long reports_at_init;
static unsigned long reports_expected;
static unsigned long reports_at_destroy;	/* expected */
static u64 default_allocated;

int quarry_test_init(struct kunit *test)
{
	reports_at_init = quarry_report_count();
	reports_expected = 0;
	reports_at_destroy = 0;
	default_allocated = quarry_test_stats(quarry_default_heap()).allocated;
	return 0;
}

void quarry_test_exit(struct kunit *test)
{
	/* An assertion may have ended the case within a silenced section. */
	quarry_report_suppress(false);
	KUNIT_EXPECT_EQ_MSG(test, quarry_report_count() - reports_at_init, reports_expected,
			    "reports of the allocator that nothing here provoked");
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(quarry_default_heap()).allocated,
			    default_allocated, "left behind in the default heap");
}

unsigned long quarry_test_reports_begin(void)
{
	quarry_report_suppress(true);
	return quarry_report_count();
}

unsigned long quarry_test_reports_end(unsigned long begin)
{
	unsigned long seen = quarry_report_count() - begin;

	quarry_report_suppress(false);
	reports_expected += seen;
	return seen;
}

u64 quarry_test_seed(struct kunit *test, struct rnd_state *rnd)
{
	u64 used = seed ?: get_random_u64();

	kunit_info(test, "seed=%llu\n", used);
	prandom_seed_state(rnd, used);
	return used;
}

static u64 pattern_word(u64 tag, size_t index)
{
	return (tag + index + 1) * 0x9e3779b97f4a7c15ULL;
}

void quarry_test_fill(void *ptr, size_t len, u64 tag)
{
	size_t at;
	u64 word;

	for (at = 0; at < len; at += sizeof(word)) {
		word = pattern_word(tag, at);
		memcpy(ptr + at, &word, min(sizeof(word), len - at));
	}
}

bool quarry_test_check(const void *ptr, size_t len, u64 tag)
{
	size_t at;
	u64 word;

	for (at = 0; at < len; at += sizeof(word)) {
		word = pattern_word(tag, at);
		if (memcmp(ptr + at, &word, min(sizeof(word), len - at)))
			return false;
	}
	return true;
}

struct quarry_heap_stats quarry_test_stats(struct quarry_heap *heap)
{
	struct quarry_heap_stats stats;

	quarry_heap_get_stats(heap, &stats);
	return stats;
}

static void *alloc_zeroed(struct kunit *test, size_t size)
{
	void *ptr = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL_MSG(test, ptr, "no %zu bytes for the test itself", size);
	return ptr;
}

static void array_free(void *ptr)
{
	kvfree(ptr);
}

void *quarry_test_array(struct kunit *test, size_t n, size_t size)
{
	void *ptr = kvcalloc(n, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL_MSG(test, ptr, "no %zu x %zu bytes for the test itself", n, size);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, array_free, ptr), 0);
	return ptr;
}

const char *quarry_test_name(struct kunit *test)
{
	static atomic_t serial;
	char *name = alloc_zeroed(test, 32);

	snprintf(name, 32, "kunit-%d", atomic_inc_return(&serial));
	return name;
}

/*
 * What an action destroys is destroyed in here: KUnit runs the actions after the
 * suite's exit, so whatever they make the allocator report is for us to count.
 */
static unsigned long destroy_begin(void)
{
	/* What is not expected shall be in the log. */
	quarry_report_suppress(reports_at_destroy);
	return quarry_report_count();
}

/* kunit_get_current_test() works in actions, too. */
static void destroy_end(unsigned long begin, const char *what)
{
	struct kunit *test = kunit_get_current_test();

	KUNIT_EXPECT_EQ_MSG(test, quarry_test_reports_end(begin), reports_at_destroy,
			    "reports when the %s was destroyed", what);
	reports_at_destroy = 0;
}

void quarry_test_expect_lost_page(void)
{
	static bool seen;

	if (seen || !IS_ENABLED(CONFIG_MEM_ALLOC_PROFILING_DEBUG))
		return;
	seen = true;
	pr_info("quarry_expect: alloc_tag was not set\n");
#ifdef MODULE
	/* Its bytes stay with the call site of the module. */
	pr_info("quarry_expect: allocated at module unload\n");
#endif
}

static void heap_exit(void *ptr)
{
	struct kunit *test = kunit_get_current_test();
	struct quarry_heap *heap = ptr;
	unsigned long begin;

	/* What retires now is counted in two places, which are read one after the other. */
	quarry_escape_drain();
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
	begin = destroy_begin();
	quarry_heap_destroy(heap);
	destroy_end(begin, "heap");
}

struct quarry_heap *quarry_test_heap_params(struct kunit *test, struct quarry_heap_params params)
{
	struct quarry_heap *heap;

	if (!params.name)
		params.name = quarry_test_name(test);
	heap = quarry_heap_create(&params);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(heap), "no heap %s: %ld", params.name,
			       PTR_ERR(heap));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, heap_exit, heap), 0);
	return heap;
}

struct quarry_heap *quarry_test_heap(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };

	return quarry_test_heap_params(test, params);
}

void quarry_test_destroy_expect_reports(unsigned long nr)
{
	reports_at_destroy = nr;
}

void quarry_test_heap_done(struct kunit *test, struct quarry_heap *heap)
{
	kunit_release_action(test, heap_exit, heap);
}

static void cache_exit(void *cache)
{
	unsigned long begin = destroy_begin();

	quarry_cache_destroy(cache);
	destroy_end(begin, "cache");
}

struct quarry_cache *quarry_test_cache(struct kunit *test, struct quarry_heap *heap, size_t size,
				       size_t align, unsigned int flags, void (*ctor)(void *obj))
{
	struct quarry_cache *cache;

	cache = quarry_cache_create(heap, quarry_test_name(test), size, align, flags, ctor);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(cache),
			       "no cache of size %zu align %zu flags %#x: %ld", size, align,
			       flags, PTR_ERR(cache));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, cache_exit, cache), 0);
	return cache;
}

void quarry_test_cache_done(struct kunit *test, struct quarry_cache *cache)
{
	kunit_release_action(test, cache_exit, cache);
}

static void arena_exit(void *arena)
{
	unsigned long begin = destroy_begin();

	quarry_arena_destroy(arena);
	destroy_end(begin, "arena");
}

struct quarry_arena *quarry_test_arena(struct kunit *test, struct quarry_heap *heap,
				       const struct quarry_arena_params *params)
{
	struct quarry_arena *arena = quarry_arena_create(heap, params, GFP_KERNEL);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(arena), "no arena: %ld", PTR_ERR(arena));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, arena_exit, arena), 0);
	return arena;
}

void quarry_test_arena_done(struct kunit *test, struct quarry_arena *arena)
{
	kunit_release_action(test, arena_exit, arena);
}

static void pool_exit(void *pool)
{
	unsigned long begin = destroy_begin();

	quarry_pool_destroy(pool);
	destroy_end(begin, "pool");
}

struct quarry_pool *quarry_test_pool(struct kunit *test, struct quarry_heap *heap,
				     const struct quarry_pool_params *params)
{
	struct quarry_pool *pool = quarry_pool_create(heap, params);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(pool), "no pool of %u objects of %zu: %ld",
			       params->count, params->size, PTR_ERR(pool));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, pool_exit, pool), 0);
	return pool;
}

void quarry_test_pool_done(struct kunit *test, struct quarry_pool *pool)
{
	kunit_release_action(test, pool_exit, pool);
}

static void ring_exit(void *ring)
{
	unsigned long begin = destroy_begin();

	quarry_ring_destroy(ring);
	destroy_end(begin, "ring");
}

struct quarry_ring *quarry_test_ring(struct kunit *test, struct quarry_heap *heap,
				     const struct quarry_ring_params *params)
{
	struct quarry_ring *ring = quarry_ring_create(heap, params);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(ring), "no ring: %ld", PTR_ERR(ring));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, ring_exit, ring), 0);
	return ring;
}

void quarry_test_ring_done(struct kunit *test, struct quarry_ring *ring)
{
	kunit_release_action(test, ring_exit, ring);
}

bool quarry_test_run_alloc(struct quarry_heap *heap, struct quarry_test_run *run, unsigned long nr,
			   u64 tag)
{
	run->addr = quarry_alloc_pages_exact(heap, nr, GFP_KERNEL);
	run->nr = nr;
	run->tag = tag;
	if (!run->addr)
		return false;
	quarry_test_fill(run->addr, nr << PAGE_SHIFT, tag);
	return true;
}

void quarry_test_run_free(struct kunit *test, struct quarry_test_run *run)
{
	KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(run->addr, run->nr << PAGE_SHIFT, run->tag),
			      "%lu pages at %p were written to by others", run->nr, run->addr);
	quarry_free_pages(run->addr);
	run->addr = NULL;
}

void quarry_test_worker_fail(struct quarry_test_worker *worker, const char *what,
			     unsigned long where)
{
	if (worker->nr_failures++)
		return;
	worker->what = what;
	worker->where = where;
}

/* The thread ends when asked to, so that kthread_stop() always finds it. */
static int worker_main(void *data)
{
	struct quarry_test_worker *worker = data;

	complete(&worker->started);
	worker->fn(worker);
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

int quarry_test_worker_start(struct quarry_test_worker *worker, unsigned int id, unsigned int cpu,
			     u64 seed_of_run, void (*fn)(struct quarry_test_worker *worker),
			     void *arg)
{
	struct task_struct *task;

	memset(worker, 0, sizeof(*worker));
	worker->fn = fn;
	worker->id = id;
	worker->cpu = cpu;
	worker->arg = arg;
	prandom_seed_state(&worker->rnd, seed_of_run + id);
	init_completion(&worker->started);
	task = kthread_create(worker_main, worker, "quarry_test/%u", id);
	if (IS_ERR(task))
		return PTR_ERR(task);
	if (cpu != QUARRY_TEST_ANY_CPU)
		kthread_bind(task, cpu);
	worker->task = task;
	wake_up_process(task);
	/* A thread that is stopped before it has begun never runs at all. */
	wait_for_completion(&worker->started);
	return 0;
}

bool quarry_test_worker_should_stop(void)
{
	return kthread_should_stop();
}

void quarry_test_worker_stop(struct kunit *test, struct quarry_test_worker *worker)
{
	if (!worker->task)
		return;
	kthread_stop(worker->task);
	worker->task = NULL;
	KUNIT_EXPECT_EQ_MSG(test, worker->nr_failures, 0UL,
			    "worker %u on CPU %u after %lu operations: first %s (%#lx)",
			    worker->id, worker->cpu, worker->nr_ops, worker->what, worker->where);
}

unsigned int quarry_test_cpu(unsigned int n)
{
	unsigned int cpu;

	n %= num_online_cpus();
	for_each_online_cpu(cpu) {
		if (!n--)
			return cpu;
	}
	return cpumask_first(cpu_online_mask);
}
