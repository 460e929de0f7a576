// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_stress: kthreads on both CPUs allocate and put what they got
 * into a shared ring of slots; what lay there before was mostly put there by
 * another CPU, is checked byte by byte, and freed.  Not a benchmark.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include "mix.h"

#define NR_WORKERS	4	/* two per CPU, so that preemption takes part */
#define RUN_MS		2000
#define PATIENCE_MS	30000	/* beyond that, on a machine that is slow */

struct shared {
	struct quarry_mix *mix;
	struct quarry_heap *heap;
	unsigned int sources;		/* of the mix */
	bool with_arenas;
	bool with_shrink;
	unsigned int heap_flags;
};

/* An arena per worker, since arenas have one owner; all share the heap. */
static void use_arena(struct quarry_test_worker *worker, struct quarry_arena *arena)
{
	void *pieces[16];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pieces); i++) {
		pieces[i] = quarry_arena_alloc(arena, 200 * (i + 1), GFP_KERNEL);
		if (!pieces[i]) {
			quarry_test_worker_fail(worker, "arena allocation", i);
			break;
		}
		quarry_test_fill(pieces[i], 200 * (i + 1), worker->id + i);
	}
	while (i--) {
		if (!quarry_test_check(pieces[i], 200 * (i + 1), worker->id + i))
			quarry_test_worker_fail(worker, "damaged piece of an arena", i);
	}
	quarry_arena_reset(arena);
}

static void stress_worker(struct quarry_test_worker *worker)
{
	struct shared *shared = worker->arg;
	struct quarry_arena *arena = NULL;
	struct quarry_mix_user user;

	quarry_mix_user_init(&user, shared->mix, worker->id, prandom_u32_state(&worker->rnd));
	if (shared->with_arenas)
		arena = quarry_arena_create(shared->heap, NULL, GFP_KERNEL);
	while (!quarry_test_worker_should_stop()) {
		quarry_mix_step(&user, GFP_KERNEL);
		if (!IS_ERR_OR_NULL(arena) && worker->nr_ops % 64 == 0)
			use_arena(worker, arena);
		if (worker->nr_ops % 64 == 0)
			cond_resched();
		WRITE_ONCE(worker->nr_ops, worker->nr_ops + 1);
	}
	if (user.wrong)
		quarry_test_worker_fail(worker, user.wrong, user.where);
	quarry_arena_destroy(arena);
}

#define MIN_OPS		100UL	/* of each worker */
#define MIN_REMOTE	100L	/* freed by others */

static bool all_have_worked(struct shared *shared, const struct quarry_test_worker *workers)
{
	unsigned int i;

	if (atomic_long_read(&shared->mix->nr_remote) <= MIN_REMOTE)
		return false;
	for (i = 0; i < NR_WORKERS; i++)
		if (READ_ONCE(workers[i].nr_ops) <= MIN_OPS)
			return false;
	return true;
}

static void wait_or_shrink(struct shared *shared, const struct quarry_test_worker *workers,
			   unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	unsigned long patience = end + msecs_to_jiffies(PATIENCE_MS);

	while (time_before(jiffies, end) ||
	       (!all_have_worked(shared, workers) && time_before(jiffies, patience))) {
		if (shared->with_shrink) {
			quarry_cache_shrink(shared->mix->small);
			quarry_heap_trim(shared->heap);
			quarry_test_stats(shared->heap);
		}
		msleep(shared->with_shrink ? 1 : 50);
	}
}

static void stress(struct kunit *test, struct shared *shared, unsigned int ms)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_test_worker *workers;
	struct rnd_state rnd;
	unsigned int i;
	u64 seed;

	QUARRY_NEEDS_SMP(test);
	seed = quarry_test_seed(test, &rnd);
	workers = quarry_test_array(test, NR_WORKERS, sizeof(*workers));
	params.flags = shared->heap_flags;
	shared->heap = quarry_test_heap_params(test, params);
	shared->mix = quarry_mix_make(test, shared->heap, shared->sources);
	for (i = 0; i < NR_WORKERS; i++)
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       seed, stress_worker, shared), 0);
	wait_or_shrink(shared, workers, ms);
	for (i = 0; i < NR_WORKERS; i++) {
		quarry_test_worker_stop(test, &workers[i]);
		KUNIT_EXPECT_GT_MSG(test, workers[i].nr_ops, MIN_OPS, "worker %u", i);
		kunit_info(test, "worker %u on CPU %u: %lu operations\n", i, workers[i].cpu,
			   workers[i].nr_ops);
	}
	quarry_mix_done(test, shared->mix);
	KUNIT_EXPECT_GT(test, atomic_long_read(&shared->mix->nr_remote), MIN_REMOTE);
	QUARRY_EXPECT_ALLOCATED(test, shared->heap, 0);
	QUARRY_EXPECT_VERIFIED(test, shared->heap);
}

static void caches(struct kunit *test)
{
	struct shared *shared = quarry_test_array(test, 1, sizeof(*shared));

	shared->sources = BIT(QUARRY_MIX_SMALL) | BIT(QUARRY_MIX_LARGE);
	stress(test, shared, RUN_MS / 2);
}

static void sizes(struct kunit *test)
{
	struct shared *shared = quarry_test_array(test, 1, sizeof(*shared));

	shared->sources = BIT(QUARRY_MIX_SIZES) | BIT(QUARRY_MIX_DATA);
	stress(test, shared, RUN_MS / 2);
}

static void pages(struct kunit *test)
{
	struct shared *shared = quarry_test_array(test, 1, sizeof(*shared));

	shared->sources = BIT(QUARRY_MIX_PAGES);
	stress(test, shared, RUN_MS / 2);
}

static void everything(struct kunit *test)
{
	struct shared *shared = quarry_test_array(test, 1, sizeof(*shared));

	shared->sources = QUARRY_MIX_ALL;
	shared->with_arenas = true;
	stress(test, shared, RUN_MS);
}

static void everything_hardened(struct kunit *test)
{
	struct shared *shared = quarry_test_array(test, 1, sizeof(*shared));

	shared->sources = QUARRY_MIX_ALL;
	shared->with_arenas = true;
	shared->with_shrink = true;
	shared->heap_flags = QUARRY_HEAP_HARDENED;
	stress(test, shared, RUN_MS / 2);
}

static void everything_while_shrinking(struct kunit *test)
{
	struct shared *shared = quarry_test_array(test, 1, sizeof(*shared));

	shared->sources = QUARRY_MIX_ALL;
	shared->with_arenas = true;
	shared->with_shrink = true;
	stress(test, shared, RUN_MS);
}

/* Heaps come and go on both CPUs at once: indexes and extents are recycled. */
static void heap_worker(struct quarry_test_worker *worker)
{
	char name[32];
	struct quarry_heap_params params = { .name = name, QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;
	unsigned int i;
	void *ptrs[40];

	snprintf(name, sizeof(name), "kunit-worker-%u", worker->id);
	while (!quarry_test_worker_should_stop()) {
		heap = quarry_heap_create(&params);
		if (IS_ERR(heap)) {
			quarry_test_worker_fail(worker, "heap", PTR_ERR(heap));
			return;
		}
		for (i = 0; i < ARRAY_SIZE(ptrs); i++) {
			ptrs[i] = quarry_alloc(heap, 1 + 333 * i, GFP_KERNEL);
			if (quarry_heap_of(ptrs[i]) != heap)
				quarry_test_worker_fail(worker, "heap_of", (unsigned long)ptrs[i]);
			else
				quarry_test_fill(ptrs[i], 1 + 333 * i, worker->id + i);
		}
		for (i = 0; i < ARRAY_SIZE(ptrs); i++) {
			if (ptrs[i] && !quarry_test_check(ptrs[i], 1 + 333 * i, worker->id + i))
				quarry_test_worker_fail(worker, "pattern", i);
			quarry_free(ptrs[i]);
		}
		if (quarry_heap_verify(heap))
			quarry_test_worker_fail(worker, "verify", worker->nr_ops);
		quarry_heap_destroy(heap);
		worker->nr_ops++;
	}
}

static void heaps_come_and_go(struct kunit *test)
{
	struct quarry_test_worker workers[2];
	unsigned int i;

	QUARRY_NEEDS_SMP(test);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       1, heap_worker, NULL), 0);
	msleep(RUN_MS / 2);
	for (i = 0; i < 2; i++) {
		quarry_test_worker_stop(test, &workers[i]);
		KUNIT_EXPECT_GT_MSG(test, workers[i].nr_ops, 1UL, "worker %u", i);
	}
}

/* === Numbers while others work === */

/*
 * Few objects and large pieces: the arena's number, if it is read between two
 * stores, can be wrong by the distance of two chunks, and that has to show.
 */
#define NR_BUSY		16	/* live objects of each cache at most */
#define BUSY_SMALL	64
#define BUSY_LARGE	500
#define NR_PIECES	8	/* of the arena between two resets */
#define PIECE_MAX	12000U	/* bytes */
/* All chunks that these pieces can need, slack included, and one that is coming or going. */
#define BUSY_MOST	(NR_BUSY * (BUSY_SMALL + BUSY_LARGE) + 4 * SZ_64K)

struct busy {
	struct quarry_heap *heap;
	struct quarry_cache *caches[2];
	void *objs[2][NR_BUSY];
};

static void busy_toggle(struct quarry_test_worker *worker, struct busy *busy)
{
	unsigned int k = quarry_test_below(&worker->rnd, 2);
	void **obj = &busy->objs[k][quarry_test_below(&worker->rnd, NR_BUSY)];

	if (*obj) {
		quarry_cache_free(busy->caches[k], *obj);
		*obj = NULL;
		return;
	}
	*obj = quarry_cache_alloc(busy->caches[k], GFP_KERNEL);
	if (!*obj)
		quarry_test_worker_fail(worker, "allocation", worker->nr_ops);
}

/* From chunk to chunk, and back to the first one. */
static void busy_arena(struct quarry_test_worker *worker, struct quarry_arena *arena)
{
	unsigned int i, size;

	for (i = 0; i < NR_PIECES; i++) {
		size = 1 + quarry_test_below(&worker->rnd, PIECE_MAX);
		if (!quarry_arena_alloc(arena, size, GFP_KERNEL))
			quarry_test_worker_fail(worker, "arena allocation", size);
	}
	quarry_arena_reset(arena);
}

static void busy_worker(struct quarry_test_worker *worker)
{
	struct busy *busy = worker->arg;
	struct quarry_arena *arena = quarry_arena_create(busy->heap, NULL, GFP_KERNEL);
	unsigned int k, i;

	if (IS_ERR(arena)) {
		quarry_test_worker_fail(worker, "arena", PTR_ERR(arena));
		return;
	}
	while (!quarry_test_worker_should_stop()) {
		busy_toggle(worker, busy);
		busy_arena(worker, arena);
		if (worker->nr_ops % 16 == 0)
			cond_resched();
		WRITE_ONCE(worker->nr_ops, worker->nr_ops + 1);
	}
	quarry_arena_destroy(arena);
	for (k = 0; k < 2; k++)
		for (i = 0; i < NR_BUSY; i++)
			if (busy->objs[k][i])
				quarry_cache_free(busy->caches[k], busy->objs[k][i]);
}

/* Numbers that are read at different moments need not fit, but have to be sane. */
static void numbers_while_busy(struct kunit *test)
{
	struct busy *busy = quarry_test_array(test, 1, sizeof(*busy));
	unsigned long end, patience, nr_insane = 0, nr = 0;
	struct quarry_test_worker worker;
	struct rnd_state rnd;
	u64 seed, now, most = 0;

	QUARRY_NEEDS_SMP(test);
	seed = quarry_test_seed(test, &rnd);
	busy->heap = quarry_test_heap(test);
	busy->caches[0] = quarry_test_cache(test, busy->heap, BUSY_SMALL, 0, 0, NULL);
	busy->caches[1] = quarry_test_cache(test, busy->heap, BUSY_LARGE, 0, QUARRY_DATA, NULL);
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&worker, 0, quarry_test_cpu(1), seed,
						       busy_worker, busy), 0);
	end = jiffies + msecs_to_jiffies(RUN_MS / 2);
	patience = end + msecs_to_jiffies(PATIENCE_MS);
	while (time_before(jiffies, end) ||
	       ((nr <= MIN_OPS || READ_ONCE(worker.nr_ops) <= MIN_OPS) &&
		time_before(jiffies, patience))) {
		now = quarry_test_stats(busy->heap).allocated;
		most = max(most, now);
		nr_insane += now > 2 * BUSY_MOST;
		nr++;
		cond_resched();
	}
	quarry_test_worker_stop(test, &worker);
	kunit_info(test, "%lu readings during %lu operations: %llu bytes at most\n", nr,
		   worker.nr_ops, most);
	KUNIT_EXPECT_EQ_MSG(test, nr_insane, 0UL, "of %lu readings, the worst is %llu of %u bytes",
			    nr, most, BUSY_MOST);
	KUNIT_EXPECT_GT(test, nr, MIN_OPS);
	KUNIT_EXPECT_GT(test, worker.nr_ops, MIN_OPS);
	QUARRY_EXPECT_ALLOCATED(test, busy->heap, 0);
	QUARRY_EXPECT_VERIFIED(test, busy->heap);
}

/* === Trimming what never rests === */

#define NR_BALLAST	8	/* runs of 4 MiB */
#define NR_FREERS	2
#define NR_FREED	8	/* runs of each freer */
#define NR_TRIMS	4
#define TRIM_MS		10000	/* for each of them */

/*
 * Runs that no magazine keeps.  Next to the ballast the heap grows by 4 MiB at a
 * time, so there is always something free for a trim.
 */
static void free_worker(struct quarry_test_worker *worker)
{
	struct quarry_heap *heap = worker->arg;
	void *runs[NR_FREED] = {};
	unsigned int i;

	while (!quarry_test_worker_should_stop()) {
		i = quarry_test_below(&worker->rnd, NR_FREED);
		quarry_free_pages(runs[i]);
		runs[i] = quarry_alloc_pages_exact(heap, 9 + quarry_test_below(&worker->rnd, 24),
						   GFP_KERNEL);
		if (!runs[i])
			quarry_test_worker_fail(worker, "pages", worker->nr_ops);
		if (worker->nr_ops++ % 16 == 0)
			cond_resched();
	}
	for (i = 0; i < NR_FREED; i++)
		quarry_free_pages(runs[i]);
}

static void trim_worker(struct quarry_test_worker *worker)
{
	struct quarry_heap *heap = worker->arg;

	while (worker->nr_ops < NR_TRIMS && !quarry_test_worker_should_stop()) {
		quarry_heap_trim(heap);
		WRITE_ONCE(worker->nr_ops, worker->nr_ops + 1);
	}
}

static void trim_ends_while_others_free(struct kunit *test)
{
	struct quarry_test_worker *workers, *trimmer;
	void *ballast[NR_BALLAST];
	struct quarry_heap *heap;
	struct rnd_state rnd;
	unsigned int i, ms;
	u64 seed;

	QUARRY_NEEDS_SMP(test);
	seed = quarry_test_seed(test, &rnd);
	workers = quarry_test_array(test, NR_FREERS + 1, sizeof(*workers));
	trimmer = &workers[NR_FREERS];
	heap = quarry_test_heap(test);
	for (i = 0; i < NR_BALLAST; i++) {
		ballast[i] = quarry_alloc_pages(heap, 10, GFP_KERNEL);
		KUNIT_EXPECT_NOT_NULL(test, ballast[i]);
	}
	for (i = 0; i < NR_FREERS; i++)
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       seed, free_worker, heap), 0);
	KUNIT_EXPECT_EQ(test, quarry_test_worker_start(trimmer, i, quarry_test_cpu(i), seed,
						       trim_worker, heap), 0);
	for (ms = 0; READ_ONCE(trimmer->nr_ops) < NR_TRIMS && ms < NR_TRIMS * TRIM_MS; ms += 20)
		msleep(20);
	KUNIT_EXPECT_EQ_MSG(test, READ_ONCE(trimmer->nr_ops), (unsigned long)NR_TRIMS,
			    "trims that came to their end in %u ms", ms);
	/* Now a trim that did not end does. */
	for (i = 0; i <= NR_FREERS; i++)
		quarry_test_worker_stop(test, &workers[i]);
	kunit_info(test, "%u trims in %u ms, %lu and %lu runs freed\n", NR_TRIMS, ms,
		   workers[0].nr_ops, workers[1].nr_ops);
	for (i = 0; i < NR_BALLAST; i++)
		quarry_free_pages(ballast[i]);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static struct kunit_case stress_cases[] = {
	KUNIT_CASE(caches),
	KUNIT_CASE(sizes),
	KUNIT_CASE(pages),
	KUNIT_CASE_SLOW(everything),
	KUNIT_CASE_SLOW(everything_hardened),
	KUNIT_CASE_SLOW(everything_while_shrinking),
	KUNIT_CASE(heaps_come_and_go),
	KUNIT_CASE(numbers_while_busy),
	KUNIT_CASE_SLOW(trim_ends_while_others_free),
	{}
};

struct kunit_suite quarry_stress_suite = {
	.name = "quarry_stress",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = stress_cases,
};
