// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_escape: stale pointers into arenas that are checked for escapes.
 *
 * That nothing is mapped is seen in the page table.  That an access faults is tried on
 * x86; User-mode Linux has no way to survive it.
 */
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <quarry/arena_shared.h>
#include "../src/arena.h"
#include "../src/escape.h"
#include "helpers.h"

static const struct quarry_arena_params checked = {
	.name = "checked",
	.flags = QUARRY_ARENA_ESCAPE_CHECK,
};

static struct quarry_escape_stats stats_of(void)
{
	struct quarry_escape_stats stats;

	quarry_escape_get_stats(&stats);
	return stats;
}

/* Does reading fault here and now? */
static bool faults(const void *ptr)
{
	unsigned long word;

	return copy_from_kernel_nofault(&word, ptr, sizeof(word)) == -EFAULT;
}

static void expect_stale(struct kunit *test, const void *ptr)
{
	KUNIT_EXPECT_NULL(test, vmalloc_to_page(ptr));
	KUNIT_EXPECT_NULL(test, quarry_arena_of(ptr));
	if (!IS_ENABLED(CONFIG_UML))
		KUNIT_EXPECT_TRUE(test, faults(ptr));
}

static void *alloc_filled(struct kunit *test, struct quarry_arena *arena, size_t size, u64 tag)
{
	void *ptr = quarry_arena_alloc(arena, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ptr);
	quarry_test_fill(ptr, size, tag);
	return ptr;
}

#define NR_PTRS		64

/* Of several chunks, and one that has a chunk alone. */
static void use(struct kunit *test, struct quarry_arena *arena, void **ptrs)
{
	unsigned int i;

	for (i = 0; i < NR_PTRS - 1; i++)
		ptrs[i] = alloc_filled(test, arena, 1000, i);
	ptrs[i] = alloc_filled(test, arena, 200000, i);
	for (i = 0; i < NR_PTRS; i++) {
		KUNIT_EXPECT_TRUE(test, is_vmalloc_addr(ptrs[i]));
		KUNIT_EXPECT_TRUE(test, quarry_test_check(ptrs[i], 1000 + (i / 63) * 199000, i));
		KUNIT_EXPECT_PTR_EQ(test, quarry_arena_of(ptrs[i] + 500), arena);
	}
}

static void reset_unmaps_at_once(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &checked);
	void **ptrs = quarry_test_array(test, NR_PTRS, sizeof(*ptrs));
	unsigned int i, round;

	for (round = 0; round < 3; round++) {
		use(test, arena, ptrs);
		quarry_arena_reset(arena);
		for (i = 0; i < NR_PTRS; i++)
			expect_stale(test, ptrs[i]);
	}
	quarry_escape_drain();
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void destroy_unmaps_at_once(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &checked);
	struct quarry_arena *child = quarry_arena_create_child(arena, &checked, GFP_KERNEL);
	void **ptrs = quarry_test_array(test, 2 * NR_PTRS, sizeof(*ptrs));
	unsigned int i;

	KUNIT_ASSERT_FALSE(test, IS_ERR(child));
	use(test, arena, ptrs);
	use(test, child, ptrs + NR_PTRS);
	quarry_test_arena_done(test, arena);
	for (i = 0; i < 2 * NR_PTRS; i++)
		expect_stale(test, ptrs[i]);
	quarry_escape_drain();
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* What is before the mark in the same chunk stays, so only whole chunks can go. */
static void rewind_unmaps_whole_chunks(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &checked);
	struct quarry_arena_mark mark;
	void *before, *far, *alone;

	before = alloc_filled(test, arena, 1000, 1);
	quarry_arena_mark(arena, &mark);
	alloc_filled(test, arena, 7000, 2);
	far = alloc_filled(test, arena, 16000, 3);
	alone = alloc_filled(test, arena, 100000, 4);
	KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &mark), 0);
	expect_stale(test, far);
	expect_stale(test, alone);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(before, 1000, 1));
	alloc_filled(test, arena, 30000, 5);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(before, 1000, 1));
}

/* Another CPU has the address in its TLB when the arena is reset. */
struct reader {
	const void *ptr;
	struct completion read;
	struct completion reset;
	bool faulted;
};

static void read_before_and_after(struct quarry_test_worker *worker)
{
	struct reader *reader = worker->arg;

	if (faults(reader->ptr))
		quarry_test_worker_fail(worker, "faults while it is live",
					(unsigned long)reader->ptr);
	complete(&reader->read);
	wait_for_completion(&reader->reset);
	reader->faulted = faults(reader->ptr);
}

static void other_cpus_forget_it(struct kunit *test)
{
	struct quarry_heap *heap;
	struct quarry_arena *arena;
	struct quarry_test_worker *worker;
	struct reader *reader;

	QUARRY_NEEDS_SMP(test);
	heap = quarry_test_heap(test);
	arena = quarry_test_arena(test, heap, &checked);
	worker = quarry_test_array(test, 1, sizeof(*worker));
	reader = quarry_test_array(test, 1, sizeof(*reader));
	reader->ptr = alloc_filled(test, arena, 100, 1);
	init_completion(&reader->read);
	init_completion(&reader->reset);
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(worker, 0, quarry_test_cpu(1), 1,
						       read_before_and_after, reader), 0);
	wait_for_completion(&reader->read);
	quarry_arena_reset(arena);
	quarry_escape_drain();
	complete(&reader->reset);
	quarry_test_worker_stop(test, worker);
	KUNIT_EXPECT_TRUE(test, reader->faulted);
}

/* === Quarantine === */

#define STEP	SZ_64K

/* A chunk of STEP bytes comes and goes; where it was. */
static unsigned long chunk_comes_and_goes(struct kunit *test, struct quarry_arena *arena)
{
	void *ptr = quarry_arena_alloc(arena, STEP - 64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ptr);
	quarry_arena_reset(arena);
	quarry_escape_drain();
	return (unsigned long)ptr;
}

static void address_is_not_reused_for_long(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &checked);
	unsigned int nr = QUARRY_WINDOW_BYTES / STEP * 3, i, j, reused = 0;
	unsigned long *where = quarry_test_array(test, nr, sizeof(*where));

	for (i = 0; i < nr; i++) {
		where[i] = chunk_comes_and_goes(test, arena);
		KUNIT_ASSERT_LE(test, stats_of().quarantined, (u64)QUARRY_WINDOW_BYTES / 2);
		/* Half of the window is in quarantine once that much has been retired. */
		for (j = i; j-- && i - j < QUARRY_WINDOW_BYTES / STEP / 2 - 1;)
			KUNIT_ASSERT_NE(test, where[j], where[i]);
		for (; j < i && j + 1; j--)
			reused += where[j] == where[i];
	}
	/* It is bounded all the same. */
	KUNIT_EXPECT_GT(test, reused, 0);
	KUNIT_EXPECT_GT(test, stats_of().quarantined, (u64)QUARRY_WINDOW_BYTES / 4);
}

/* When arenas hold nearly all of the window, then all of it: nothing fails. */
static void full_window_means_unchecked(struct kunit *test)
{
	struct quarry_arena_params params = checked;
	u64 unchecked = stats_of().nr_unchecked;
	struct quarry_heap *heap;
	struct quarry_arena *arena;
	unsigned int i, direct = 0, nr = QUARRY_WINDOW_BYTES / SZ_1M + 4;
	char **ptrs;

	if (totalram_pages() < 3 * QUARRY_WINDOW_PAGES)
		kunit_skip(test, "needs %d MiB of memory", 3 * QUARRY_WINDOW_BYTES / SZ_1M);
	heap = quarry_test_heap(test);
	arena = quarry_test_arena(test, heap, &params);
	ptrs = quarry_test_array(test, nr, sizeof(*ptrs));
	for (i = 0; i < nr; i++) {
		ptrs[i] = quarry_arena_alloc(arena, SZ_1M - 64, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptrs[i]);
		quarry_test_fill(ptrs[i], 64, i);
		direct += !is_vmalloc_addr(ptrs[i]);
		KUNIT_EXPECT_PTR_EQ(test, quarry_arena_of(ptrs[i]), arena);
	}
	KUNIT_EXPECT_GE(test, direct, 4);
	/* Fragments aside, the window was made use of. */
	KUNIT_EXPECT_LT(test, direct, 16);
	KUNIT_EXPECT_EQ(test, stats_of().nr_unchecked - unchecked, (u64)direct);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_TRUE(test, quarry_test_check(ptrs[i], 64, i));
	quarry_arena_reset(arena);
	quarry_escape_drain();
	KUNIT_EXPECT_TRUE(test, is_vmalloc_addr(alloc_filled(test, arena, 100, 1)));
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* Pages that wait for a flush are waited for before a request fails. */
static void retired_pages_are_not_missed(struct kunit *test)
{
	struct quarry_heap_params hparams = { QUARRY_HEAP_DEFAULTS, .limit = SZ_1M };
	struct quarry_heap *heap = quarry_test_heap_params(test, hparams);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &checked);
	unsigned int i;

	for (i = 0; i < QUARRY_TEST_LOOPS(400); i++) {
		KUNIT_ASSERT_NOT_NULL_MSG(test, quarry_arena_alloc(arena, 300000, GFP_KERNEL),
					  "round %u", i);
		quarry_arena_reset(arena);
	}
}

static void limit_does_not_count_the_check(struct kunit *test)
{
	struct quarry_arena_params params = checked;
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena;

	params.limit = PAGE_SIZE;
	arena = quarry_test_arena(test, heap, &params);
	alloc_filled(test, arena, 2000, 1);
	KUNIT_EXPECT_NULL(test, quarry_arena_alloc(arena, PAGE_SIZE, GFP_KERNEL));
	quarry_arena_reset(arena);
	alloc_filled(test, arena, 2000, 1);
}

/* === Who it was === */

static void expect_said(struct kunit *test, const char *text)
{
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(quarry_report_suppressed(), text),
				  "'%s' not in '%s'", text, quarry_report_suppressed());
}

static void report_names_the_arena(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &checked);
	void *first = alloc_filled(test, arena, 100, 1), *second;
	bool said;

	/* Nothing to say about what is live, or anybody else's. */
	KUNIT_EXPECT_FALSE(test, quarry_arena_report_escape(first));
	KUNIT_EXPECT_FALSE(test, quarry_arena_report_escape(arena));
	KUNIT_EXPECT_FALSE(test, quarry_arena_report_escape(NULL));
	KUNIT_EXPECT_FALSE(test, quarry_arena_report_escape((void *)-1UL));
	quarry_arena_reset(arena);
	second = alloc_filled(test, arena, 100, 1);
	QUARRY_EXPECT_REPORTS(test, 1, said = quarry_arena_report_escape(first + 50));
	KUNIT_EXPECT_TRUE(test, said);
	expect_said(test, "was in arena checked, generation 0, created");
	expect_said(test, "escape: reset ");
	/* The helper makes it. */
	expect_said(test, "created in quarry_test_arena, helpers.c:");
	quarry_test_arena_done(test, arena);
	quarry_escape_drain();
	QUARRY_EXPECT_REPORTS(test, 1, said = quarry_arena_report_escape(second));
	KUNIT_EXPECT_TRUE(test, said);
	expect_said(test, "was in arena checked, generation 1, created");
	expect_said(test, "escape: destroyed ");
}

/* === Who is checked === */

static void one_in_n_is_checked(struct kunit *test)
{
	static const unsigned int every[] = { 0, 1, 3 };
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int before = quarry_escape_every, n, i, nr;
	struct quarry_arena *arena;
	void *ptr;

	for (n = 0; n < ARRAY_SIZE(every); n++) {
		quarry_escape_every = every[n];
		for (i = 0, nr = 0; i < 30; i++) {
			arena = quarry_arena_create(heap, NULL, GFP_KERNEL);
			ptr = IS_ERR(arena) ? NULL : quarry_arena_alloc(arena, 10, GFP_KERNEL);
			nr += ptr && is_vmalloc_addr(ptr);
			quarry_arena_destroy(arena);
		}
		KUNIT_EXPECT_EQ(test, nr, every[n] ? 30 / every[n] : 0);
	}
	quarry_escape_every = before;
}

static void what_cannot_be_is_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	void *buffer = quarry_test_array(test, 1, 4096);
	void *arena;

	QUARRY_EXPECT_REPORTS(test, 1,
			      arena = quarry_arena_create_on(NULL, buffer, 4096, &checked));
	KUNIT_EXPECT_PTR_EQ(test, arena, ERR_PTR(-EINVAL));
	QUARRY_EXPECT_REPORTS(test, 1,
			      arena = quarry_arena_shared_create(heap, &checked, GFP_KERNEL));
	KUNIT_EXPECT_PTR_EQ(test, arena, ERR_PTR(-EINVAL));
}

/* Nothing of it needs to sleep or to allocate once the window is there. */
static void atomic_callers_are_served(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena;
	unsigned long flags;
	void *ptr, *again;

	quarry_test_arena_done(test, quarry_test_arena(test, heap, &checked));
	local_irq_save(flags);
	arena = quarry_arena_create(heap, &checked, GFP_ATOMIC);
	ptr = IS_ERR(arena) ? NULL : quarry_arena_alloc(arena, 1000, GFP_ATOMIC);
	if (ptr)
		memset(ptr, 1, 1000);
	if (ptr)
		quarry_arena_reset(arena);
	again = ptr ? quarry_arena_alloc(arena, 1000, GFP_ATOMIC) : NULL;
	quarry_arena_destroy(arena);
	local_irq_restore(flags);
	KUNIT_EXPECT_NOT_NULL(test, ptr);
	KUNIT_ASSERT_NOT_NULL(test, again);
	KUNIT_EXPECT_PTR_NE(test, ptr, again);
	expect_stale(test, ptr);
	expect_stale(test, again);
}

/* === All together === */

#define NR_ARENAS	8
#define NR_LIVE		32

struct random_arena {
	struct quarry_arena *arena;
	struct {
		void *ptr;
		u32 size;
	} objs[NR_LIVE];
	unsigned int nr;
};

static bool arena_is_intact(const struct random_arena *r)
{
	unsigned int i;

	for (i = 0; i < r->nr; i++)
		if (!quarry_test_check(r->objs[i].ptr, r->objs[i].size, (unsigned long)r + i))
			return false;
	return true;
}

static bool arena_is_gone(const struct random_arena *r)
{
	unsigned int i;

	for (i = 0; i < r->nr; i++)
		if (is_vmalloc_addr(r->objs[i].ptr) && vmalloc_to_page(r->objs[i].ptr))
			return false;
	return true;
}

static void random_alloc(struct random_arena *r, struct rnd_state *rnd)
{
	u32 size = 1 + quarry_test_below(rnd, quarry_test_below(rnd, 8) ? 3000 : 90000);
	void *ptr;

	if (r->nr == NR_LIVE)
		return;
	ptr = quarry_arena_alloc(r->arena, size, GFP_KERNEL);
	if (!ptr)
		return;
	quarry_test_fill(ptr, size, (unsigned long)r + r->nr);
	r->objs[r->nr].ptr = ptr;
	r->objs[r->nr++].size = size;
}

static void random_step(struct quarry_test_worker *worker, struct random_arena *r,
			struct quarry_heap *heap)
{
	u32 what = quarry_test_below(&worker->rnd, 16);

	if (!r->arena) {
		r->arena = quarry_arena_create(heap, &checked, GFP_KERNEL);
		if (IS_ERR(r->arena))
			r->arena = NULL;
		return;
	}
	if (what > 1) {
		random_alloc(r, &worker->rnd);
		return;
	}
	if (!arena_is_intact(r))
		quarry_test_worker_fail(worker, "overwritten", (unsigned long)r->arena);
	if (what) {
		quarry_arena_reset(r->arena);
	} else {
		quarry_arena_destroy(r->arena);
		r->arena = NULL;
	}
	if (!arena_is_gone(r))
		quarry_test_worker_fail(worker, "still mapped", (unsigned long)r->arena);
	r->nr = 0;
}

static void random_work(struct quarry_test_worker *worker)
{
	struct random_arena *arenas = kcalloc(NR_ARENAS, sizeof(*arenas), GFP_KERNEL);
	unsigned int i;

	if (!arenas) {
		quarry_test_worker_fail(worker, "no memory", 0);
		return;
	}
	for (i = 0; i < QUARRY_TEST_LOOPS(20000); i++)
		random_step(worker, &arenas[quarry_test_below(&worker->rnd, NR_ARENAS)],
			    worker->arg);
	for (i = 0; i < NR_ARENAS; i++)
		quarry_arena_destroy(arenas[i].arena);
	kfree(arenas);
}

static void random_on_all_cpus(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_worker *workers = quarry_test_array(test, 2, sizeof(*workers));
	struct rnd_state rnd;
	u64 seed = quarry_test_seed(test, &rnd);
	unsigned int i;

	for (i = 0; i < 2; i++)
		KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       seed, random_work, heap), 0);
	for (i = 0; i < 2; i++)
		quarry_test_worker_stop(test, &workers[i]);
	quarry_escape_drain();
	KUNIT_EXPECT_EQ(test, stats_of().mapped, 0ULL);
	KUNIT_EXPECT_EQ(test, stats_of().retired, 0ULL);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(reset_unmaps_at_once),
	KUNIT_CASE(destroy_unmaps_at_once),
	KUNIT_CASE(rewind_unmaps_whole_chunks),
	KUNIT_CASE(other_cpus_forget_it),
	KUNIT_CASE(address_is_not_reused_for_long),
	KUNIT_CASE(full_window_means_unchecked),
	KUNIT_CASE(retired_pages_are_not_missed),
	KUNIT_CASE(limit_does_not_count_the_check),
	KUNIT_CASE(report_names_the_arena),
	KUNIT_CASE(one_in_n_is_checked),
	KUNIT_CASE(what_cannot_be_is_refused),
	KUNIT_CASE(atomic_callers_are_served),
	KUNIT_CASE(random_on_all_cpus),
	{}
};

struct kunit_suite quarry_escape_suite = {
	.name = "quarry_escape",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = cases,
};
