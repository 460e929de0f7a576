// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_arena_check: checked arenas, in which a second owner at the same time is
 * found, and what arenas count.
 *
 * The first owner is kept in a call by a callback that waits; so each case meets it there.
 */
#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "../src/arena.h"
#include "context.h"
#include "helpers.h"

static const struct quarry_arena_params checked = {
	.name = "checked",
	.flags = QUARRY_ARENA_CHECKED,
};

static struct quarry_arena_stats stats_of(struct quarry_arena *arena)
{
	struct quarry_arena_stats stats;

	quarry_arena_get_stats(arena, &stats);
	return stats;
}

/* === One owner === */

/* Nothing is reported of all that one owner may do; no step is inline. */
static void one_owner_is_left_alone(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &checked), *child;
	struct quarry_arena_mark mark;
	char *a, *b;
	int round;

	for (round = 0; round < 3; round++) {
		KUNIT_EXPECT_EQ(test, arena->end, 0UL);
		a = quarry_arena_alloc(arena, 24, GFP_KERNEL);
		b = quarry_arena_alloc(arena, 24, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, a);
		KUNIT_EXPECT_PTR_EQ_MSG(test, b, a + 24, "it bumps all the same");
		KUNIT_EXPECT_PTR_EQ(test, quarry_arena_realloc(arena, b, 24, 100, GFP_KERNEL), b);
		KUNIT_EXPECT_STREQ(test, quarry_arena_strdup(arena, "text", GFP_KERNEL), "text");
		KUNIT_EXPECT_STREQ(test, quarry_arena_printf(arena, GFP_KERNEL, "%d", 42), "42");
		b = quarry_arena_printf(arena, GFP_KERNEL, "%*s", 9000, "");
		KUNIT_EXPECT_NOT_NULL(test, b);
		quarry_arena_mark(arena, &mark);
		KUNIT_EXPECT_NOT_NULL(test, quarry_arena_alloc(arena, 100000, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &mark), 0);
		quarry_arena_mark(arena, &mark);
		KUNIT_EXPECT_EQ(test, quarry_arena_unmark(arena, &mark), 0);
		child = quarry_arena_create_child(arena, &checked, GFP_KERNEL);
		KUNIT_ASSERT_FALSE(test, IS_ERR(child));
		KUNIT_EXPECT_EQ(test, quarry_arena_set_parent(child, NULL), 0);
		KUNIT_EXPECT_EQ(test, quarry_arena_set_parent(child, arena), 0);
		KUNIT_EXPECT_EQ(test, quarry_arena_reserve(arena, 20000, GFP_KERNEL), 0);
		b = quarry_alloc(heap, 10, GFP_KERNEL);
		KUNIT_EXPECT_EQ(test, quarry_arena_on_reset_free(arena, b, GFP_KERNEL), 0);
		quarry_arena_reset(arena);
		quarry_arena_trim(arena);
		KUNIT_EXPECT_EQ(test, arena->end, 0UL);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void on_a_buffer(struct kunit *test)
{
	char buffer[1024] __aligned(16);
	struct quarry_arena *arena = quarry_arena_create_on(NULL, buffer, sizeof(buffer),
							    &checked);
	unsigned int nr = 0;
	void *ptr;

	KUNIT_ASSERT_FALSE(test, IS_ERR(arena));
	KUNIT_EXPECT_EQ(test, arena->end, 0UL);
	while (quarry_arena_alloc(arena, 40, GFP_NOWAIT))
		nr++;
	KUNIT_EXPECT_GT(test, nr, 5U);
	KUNIT_EXPECT_EQ(test, stats_of(arena).asked, 40ULL * nr);
	quarry_arena_destroy(arena);
	QUARRY_EXPECT_REPORTS(test, 1, ptr = quarry_arena_alloc(arena, 16, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, ptr);
}

/* Not only allocations. */
static void calls_on_a_destroyed_one(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	char buffer[1024] __aligned(16);
	struct quarry_arena *arena = quarry_arena_create_on(heap, buffer, sizeof(buffer),
							    &checked);
	struct quarry_arena_mark mark;
	char *text;

	KUNIT_ASSERT_FALSE(test, IS_ERR(arena));
	quarry_arena_mark(arena, &mark);
	quarry_arena_destroy(arena);
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &mark), -EBUSY);
	});
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_reserve(arena, 8, GFP_KERNEL), -EBUSY);
	});
	QUARRY_EXPECT_REPORTS(test, 1, text = quarry_arena_printf(arena, GFP_KERNEL, "x"));
	KUNIT_EXPECT_NULL(test, text);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_arena_reset(arena));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_arena_trim(arena));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_arena_mark(arena, &mark));
	KUNIT_EXPECT_NULL(test, mark.arena);
	KUNIT_EXPECT_EQ_MSG(test, arena->pos, 0UL, "nothing was done");
}

/* === Two === */

/* What the second owner does, and what it sees of it. */
struct second {
	struct quarry_arena *arena;
	struct quarry_arena_mark mark;
	void *ptr;			/* the last allocation */
	void *got;
	int ret;
};

static noinline void second_alloc(void *arg)
{
	struct second *s = arg;

	s->got = quarry_arena_alloc(s->arena, 16, GFP_NOWAIT);
}

static void second_realloc(void *arg)
{
	struct second *s = arg;

	s->got = quarry_arena_realloc(s->arena, s->ptr, 16, 32, GFP_NOWAIT);
}

static void second_printf(void *arg)
{
	struct second *s = arg;

	s->got = quarry_arena_printf(s->arena, GFP_NOWAIT, "%d", 1);
}

static void second_strdup(void *arg)
{
	struct second *s = arg;

	s->got = quarry_arena_strdup(s->arena, "two", GFP_NOWAIT);
}

static void second_reserve(void *arg)
{
	struct second *s = arg;

	s->ret = quarry_arena_reserve(s->arena, 10000, GFP_NOWAIT);
}

static void second_rewind(void *arg)
{
	struct second *s = arg;

	s->ret = quarry_arena_rewind(s->arena, &s->mark);
}

static void second_unmark(void *arg)
{
	struct second *s = arg;

	s->ret = quarry_arena_unmark(s->arena, &s->mark);
}

static void second_on_reset(void *arg)
{
	struct second *s = arg;

	s->ret = quarry_arena_on_reset(s->arena, second_alloc, s, GFP_NOWAIT);
}

static void second_child(void *arg)
{
	struct second *s = arg;

	s->ret = PTR_ERR_OR_ZERO(quarry_arena_create_child(s->arena, NULL, GFP_NOWAIT));
}

static void second_set_parent(void *arg)
{
	struct second *s = arg;

	s->ret = quarry_arena_set_parent(s->arena, NULL);
}

static void second_mark(void *arg)
{
	struct second *s = arg;

	quarry_arena_mark(s->arena, &s->mark);
	s->ret = -EBUSY;
}

static void second_trim(void *arg)
{
	struct second *s = arg;

	quarry_arena_trim(s->arena);
	s->ret = -EBUSY;
}

/* All of them; those that cannot fail come last. */
static const struct {
	const char *name;
	void (*fn)(void *arg);
} seconds[] = {
	{ "alloc", second_alloc },
	{ "realloc", second_realloc },
	{ "printf", second_printf },
	{ "strdup", second_strdup },
	{ "reserve", second_reserve },
	{ "rewind", second_rewind },
	{ "unmark", second_unmark },
	{ "on_reset", second_on_reset },
	{ "child", second_child },
	{ "set_parent", second_set_parent },
	{ "trim", second_trim },
	{ "mark", second_mark },
};

/* A call that a callback is called from. */
struct first {
	struct second second;
	struct quarry_arena_mark outer;
	unsigned int nr;		/* of the second one's call */
	/* where the second one comes from */
	enum quarry_test_context context;
	unsigned int cpu;		/* counted among those online */
	bool nested;			/* or: from the callback itself */
	unsigned long nr_reports;
	bool ran;
};

static void meet(void *arg)
{
	struct first *f = arg;
	unsigned long begin = quarry_test_reports_begin();

	f->second.got = NULL;
	f->second.ret = -EBUSY;
	f->ran = true;
	if (f->nested)
		seconds[f->nr].fn(&f->second);
	else
		f->ran = quarry_test_run_in(f->context, quarry_test_cpu(f->cpu),
					    seconds[f->nr].fn, &f->second);
	f->nr_reports = quarry_test_reports_end(begin);
}

/* The first owner is in the midst of a rewind.  Not inlined: a report has to name it. */
static noinline void meet_once(struct kunit *test, struct quarry_arena *arena, struct first *f,
			       const char *where)
{
	const char *name = seconds[f->nr].name;

	quarry_arena_mark(arena, &f->outer);
	KUNIT_EXPECT_EQ(test, quarry_arena_on_reset(arena, meet, f, GFP_KERNEL), 0);
	quarry_arena_mark(arena, &f->second.mark);
	KUNIT_EXPECT_EQ(test, quarry_arena_unmark(arena, &f->second.mark), 0);
	f->second.arena = arena;
	f->second.ptr = quarry_arena_alloc(arena, 16, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &f->outer), 0);
	KUNIT_EXPECT_TRUE_MSG(test, f->ran, "%s in %s", name, where);
	KUNIT_EXPECT_EQ_MSG(test, f->nr_reports, 1UL, "%s in %s", name, where);
	KUNIT_EXPECT_NULL_MSG(test, f->second.got, "%s in %s", name, where);
	KUNIT_EXPECT_EQ_MSG(test, f->second.ret, -EBUSY, "%s in %s", name, where);
	/* Afterwards there is one owner again. */
	KUNIT_EXPECT_NOT_NULL(test, quarry_arena_alloc(arena, 16, GFP_KERNEL));
	quarry_arena_reset(arena);
}

static void from_its_own_callback(struct kunit *test)
{
	struct first *f = quarry_test_array(test, 1, sizeof(*f));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &checked);

	f->nested = true;
	for (f->nr = 0; f->nr < ARRAY_SIZE(seconds); f->nr++)
		meet_once(test, arena, f, "a callback");
}

/* From each context, on this CPU (an interrupt in the midst of a call) and on another. */
static void from_elsewhere(struct kunit *test)
{
	struct first *f = quarry_test_array(test, 1, sizeof(*f));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &checked);
	unsigned int context;

	for (context = 0; context < QUARRY_NR_CONTEXTS; context++) {
		if (!quarry_test_context_exists(context))
			continue;
		f->context = context;
		for (f->cpu = 0; f->cpu < num_online_cpus() && f->cpu < 2; f->cpu++)
			for (f->nr = 0; f->nr < ARRAY_SIZE(seconds); f->nr++)
				meet_once(test, arena, f, quarry_test_context_names[context]);
	}
}

static void expect_said(struct kunit *test, const char *what)
{
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(quarry_report_suppressed(), what),
				  "\"%s\" is not in: %s", what, quarry_report_suppressed());
}

static void both_are_named(struct kunit *test)
{
	struct first *f = quarry_test_array(test, 1, sizeof(*f));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &checked);
	static const char * const words[] = {
		"arena checked (made in quarry_test_arena, ", "two owners at once",
		" in hardirq on CPU ", " in task on CPU ",
	};
	static const char * const callers[] = {
		"\nit is used by second_alloc", "\nwhile it is used by meet_once",
	};
	unsigned int i;

	f->context = QUARRY_IN_HARDIRQ;
	meet_once(test, arena, f, "hardirq");
	for (i = 0; i < ARRAY_SIZE(words); i++)
		expect_said(test, words[i]);
	for (i = 0; IS_ENABLED(CONFIG_KALLSYMS) && i < ARRAY_SIZE(callers); i++)
		expect_said(test, callers[i]);
}

struct waiting {
	struct quarry_arena *arena;
	bool inside;
	bool go_on;
};

static void wait_inside(void *arg)
{
	struct waiting *w = arg;
	unsigned int i;

	/* Pairs with smp_load_acquire() of the cases. */
	smp_store_release(&w->inside, true);
	for (i = 0; i < 10000 && !READ_ONCE(w->go_on); i++)
		usleep_range(100, 1000);
}

static void reset_slowly(struct quarry_test_worker *worker)
{
	struct waiting *w = worker->arg;

	quarry_arena_reset(w->arena);
}

/* Two tasks, of which the first one sleeps in its call; also on one CPU. */
static void while_another_sleeps_in_it(struct kunit *test)
{
	struct waiting *w = quarry_test_array(test, 1, sizeof(*w));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_worker worker;
	void *ptr;

	w->arena = quarry_test_arena(test, heap, &checked);
	KUNIT_ASSERT_EQ(test, quarry_arena_on_reset(w->arena, wait_inside, w, GFP_KERNEL), 0);
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&worker, 0, QUARRY_TEST_ANY_CPU, 0,
						       reset_slowly, w), 0);
	/* Pairs with smp_store_release() in wait_inside(). */
	while (!smp_load_acquire(&w->inside))
		usleep_range(100, 1000);
	QUARRY_EXPECT_REPORTS(test, 1, ptr = quarry_arena_alloc(w->arena, 16, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, ptr);
	WRITE_ONCE(w->go_on, true);
	quarry_test_worker_stop(test, &worker);
	KUNIT_EXPECT_NOT_NULL(test, quarry_arena_alloc(w->arena, 16, GFP_KERNEL));
}

/* The end of an arena, too, by itself or with its parent. */
static void destroyed_while_it_is_used(struct kunit *test)
{
	struct waiting *w = quarry_test_array(test, 1, sizeof(*w));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *parent = quarry_test_arena(test, heap, NULL);
	char buffer[1024] __aligned(16);
	struct quarry_test_worker worker;

	/* On a buffer, which is still there when the first owner comes back to it. */
	w->arena = quarry_arena_create_on(heap, buffer, sizeof(buffer), &checked);
	KUNIT_ASSERT_FALSE(test, IS_ERR(w->arena));
	KUNIT_ASSERT_EQ(test, quarry_arena_set_parent(w->arena, parent), 0);
	KUNIT_ASSERT_EQ(test, quarry_arena_on_reset(w->arena, wait_inside, w, GFP_KERNEL), 0);
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&worker, 0, QUARRY_TEST_ANY_CPU, 0,
						       reset_slowly, w), 0);
	/* Pairs with smp_store_release() in wait_inside(). */
	while (!smp_load_acquire(&w->inside))
		usleep_range(100, 1000);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_arena_reset(parent));
	WRITE_ONCE(w->go_on, true);
	quarry_test_worker_stop(test, &worker);
}

/* Two CPUs at once, as often as they can: one does not know of the other. */
static void bump_blindly(struct quarry_test_worker *worker)
{
	struct quarry_arena *arena = worker->arg;
	u64 tag = worker->id + 1;
	u64 *ptr;

	while (!quarry_test_worker_should_stop()) {
		ptr = quarry_arena_alloc(arena, 64, GFP_NOWAIT | __GFP_NOWARN);
		worker->nr_ops++;
		if (!(worker->nr_ops & 255))
			cond_resched();
		if (!ptr)
			continue;
		/* What was handed out is handed out once. */
		quarry_test_fill(ptr, 64, tag);
		if (!quarry_test_check(ptr, 64, tag))
			quarry_test_worker_fail(worker, "handed out twice", (unsigned long)ptr);
	}
}

static void two_cpus_are_found(struct kunit *test)
{
	struct quarry_arena_params params = checked;
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_worker workers[2];
	struct quarry_arena *arena;
	unsigned long begin;
	unsigned int i;

	QUARRY_NEEDS_SMP(test);
	params.limit = SZ_1M;
	arena = quarry_test_arena(test, heap, &params);
	begin = quarry_test_reports_begin();
	for (i = 0; i < 2; i++)
		KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       0, bump_blindly, arena), 0);
	msleep(200);
	for (i = 0; i < 2; i++)
		quarry_test_worker_stop(test, &workers[i]);
	KUNIT_EXPECT_GT(test, quarry_test_reports_end(begin), 0UL);
}

/* The parameter is for arenas made while it is set. */
static void parameter(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *before, *during, *after;
	bool was = quarry_check_arenas;

	quarry_check_arenas = false;
	before = quarry_test_arena(test, heap, NULL);
	quarry_check_arenas = true;
	during = quarry_test_arena(test, heap, NULL);
	quarry_check_arenas = false;
	after = quarry_test_arena(test, heap, NULL);
	quarry_check_arenas = was;
	KUNIT_EXPECT_FALSE(test, quarry_to_arena(before)->veiled);
	KUNIT_EXPECT_TRUE(test, quarry_to_arena(during)->veiled);
	KUNIT_EXPECT_FALSE(test, quarry_to_arena(after)->veiled);
	KUNIT_EXPECT_NE(test, before->end, 0UL);
	KUNIT_EXPECT_EQ(test, during->end, 0UL);
}

/* === Numbers === */

static void asked_is_what_callers_have(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &checked);
	struct quarry_arena_mark mark;
	void *a, *b;

	quarry_arena_alloc(arena, 1, GFP_KERNEL);
	a = quarry_arena_alloc(arena, 100, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, stats_of(arena).asked, 101ULL);
	KUNIT_EXPECT_EQ_MSG(test, stats_of(arena).used, 108ULL, "with seven bytes of padding");
	quarry_arena_mark(arena, &mark);
	KUNIT_ASSERT_NOT_NULL(test, quarry_arena_strdup(arena, "abc", GFP_KERNEL));
	KUNIT_ASSERT_NOT_NULL(test, quarry_arena_printf(arena, GFP_KERNEL, "%05d", 7));
	KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arena, 50000, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, stats_of(arena).asked, 101ULL + 4 + 6 + 50000);
	KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &mark), 0);
	KUNIT_EXPECT_EQ(test, stats_of(arena).asked, 101ULL);
	b = quarry_arena_realloc(arena, a, 100, 60, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, b, a);
	KUNIT_EXPECT_EQ(test, stats_of(arena).asked, 61ULL);
	KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arena, 8, GFP_KERNEL));
	b = quarry_arena_realloc(arena, a, 60, 160, GFP_KERNEL);
	KUNIT_EXPECT_PTR_NE(test, b, a);
	KUNIT_EXPECT_EQ_MSG(test, stats_of(arena).asked, 169ULL, "not what it left behind");
	KUNIT_EXPECT_GE(test, stats_of(arena).used, 169ULL + 60);
	quarry_arena_reset(arena);
	KUNIT_EXPECT_EQ(test, stats_of(arena).asked, 0ULL);
}

static void expect_sum(struct kunit *test, struct quarry_arena *arena, u64 buffer)
{
	struct quarry_arena_stats s = stats_of(arena);

	KUNIT_EXPECT_EQ(test, s.used + s.slack + s.spare, s.held + buffer);
	KUNIT_EXPECT_LE(test, s.asked, s.used);
	KUNIT_EXPECT_GE(test, s.used_peak, s.used);
	KUNIT_EXPECT_GE(test, s.held_peak, s.held);
}

static void sums_and_peaks(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL), *on;
	char buffer[1024] __aligned(16);
	struct quarry_arena_mark mark;
	void *ptr;
	u64 peak;

	expect_sum(test, arena, 0);
	KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arena, 10000, GFP_KERNEL));
	KUNIT_EXPECT_EQ_MSG(test, stats_of(arena).asked, stats_of(arena).used, "not counted");
	quarry_arena_mark(arena, &mark);
	KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arena, 70000, GFP_KERNEL));
	expect_sum(test, arena, 0);
	peak = stats_of(arena).used;
	KUNIT_EXPECT_GE(test, peak, 80000ULL);
	KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &mark), 0);
	KUNIT_EXPECT_LT(test, stats_of(arena).used, 70000ULL);
	KUNIT_EXPECT_EQ(test, stats_of(arena).used_peak, peak);
	ptr = quarry_arena_alloc(arena, 3000, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_realloc(arena, ptr, 3000, 10, GFP_KERNEL), ptr);
	expect_sum(test, arena, 0);
	quarry_arena_reset(arena);
	expect_sum(test, arena, 0);
	KUNIT_EXPECT_GT(test, stats_of(arena).spare, 0ULL);
	KUNIT_EXPECT_EQ(test, stats_of(arena).used_peak, peak);
	KUNIT_EXPECT_EQ(test, stats_of(arena).nr_resets, 1ULL);
	on = quarry_arena_create_on(heap, buffer, sizeof(buffer), NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(on));
	expect_sum(test, on, sizeof(buffer));
	KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(on, 100, GFP_KERNEL));
	KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(on, 2000, GFP_KERNEL));
	expect_sum(test, on, sizeof(buffer));
	quarry_arena_destroy(on);
}

static struct kunit_case arena_check_cases[] = {
	KUNIT_CASE(one_owner_is_left_alone),
	KUNIT_CASE(on_a_buffer),
	KUNIT_CASE(calls_on_a_destroyed_one),
	KUNIT_CASE(from_its_own_callback),
	KUNIT_CASE(from_elsewhere),
	KUNIT_CASE(both_are_named),
	KUNIT_CASE(while_another_sleeps_in_it),
	KUNIT_CASE(destroyed_while_it_is_used),
	KUNIT_CASE(two_cpus_are_found),
	KUNIT_CASE(parameter),
	KUNIT_CASE(asked_is_what_callers_have),
	KUNIT_CASE(sums_and_peaks),
	{}
};

struct kunit_suite quarry_arena_check_suite = {
	.name = "quarry_arena_check",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = arena_check_cases,
};
