// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_arena_fault: walks over all calls on arenas that can fail, in which each attempt
 * inside to get memory fails once.  A call that fails changes nothing, and what it was given
 * is still the caller's.
 */
#include <linux/kref.h>
#include <linux/slab.h>
#include "../src/arena.h"
#include "../src/fault.h"
#include "helpers.h"

#define BUFFER_SIZE	2048
#define COPIED		70000UL
#define MOST_ATTEMPTS	2000UL

struct each {
	struct quarry_heap *heap;
	struct quarry_arena *arena;
	struct quarry_arena_stats before;
	struct kref kref;
	const void *source;		/* of copies */
	unsigned long nr_failed;	/* calls that got no memory */
	const char *wrong;		/* what went wrong first */
	unsigned long where;
};

static void complain(struct each *e, const char *what, unsigned long where)
{
	if (e->wrong)
		return;
	e->wrong = what;
	e->where = where;
}

static void before_call(struct each *e)
{
	quarry_arena_get_stats(e->arena, &e->before);
}

/* What failed changed nothing since the last call. */
static bool tried(struct each *e, const char *what, bool ok)
{
	struct quarry_arena_stats before = e->before;

	before_call(e);
	if (ok)
		return true;
	e->nr_failed++;
	if (memcmp(&before, &e->before, sizeof(before)))
		complain(e, what, e->before.used);
	return false;
}

static void last_put(struct kref *kref)
{
	complain(container_of(kref, struct each, kref), "last reference dropped", 0);
}

static void each_alloc(struct each *e)
{
	char *ptr, *more;

	before_call(e);
	tried(e, "alloc", quarry_arena_alloc(e->arena, 5000, GFP_KERNEL));
	tried(e, "alloc, atomic", quarry_arena_alloc(e->arena, 12000, GFP_NOWAIT | __GFP_NOWARN));
	tried(e, "alone", quarry_arena_alloc(e->arena, 90000, GFP_KERNEL));
	tried(e, "aligned", quarry_arena_alloc_aligned(e->arena, 6000, 2048, GFP_KERNEL));
	tried(e, "zalloc", quarry_arena_zalloc(e->arena, 50000, GFP_KERNEL));
	tried(e, "memdup", quarry_arena_memdup(e->arena, e->source, COPIED, GFP_KERNEL));
	tried(e, "strdup", quarry_arena_strdup(e->arena, "nth", GFP_KERNEL));
	tried(e, "printf", quarry_arena_printf(e->arena, GFP_KERNEL, "%*s", 60000, ""));
	tried(e, "reserve", !quarry_arena_reserve(e->arena, 150000, GFP_KERNEL));
	ptr = quarry_arena_alloc(e->arena, 3000, GFP_KERNEL);
	if (!tried(e, "alloc", ptr))
		return;
	quarry_test_fill(ptr, 3000, 1);
	more = quarry_arena_alloc(e->arena, 8, GFP_KERNEL);
	before_call(e);
	more = quarry_arena_realloc(e->arena, ptr, 3000, 200000, GFP_KERNEL);
	tried(e, "realloc", more);
	more = more ?: ptr;
	if (!quarry_test_check(more, 3000, 1))
		complain(e, "contents after realloc", more == ptr);
	more = quarry_arena_promote(e->arena, more, 3000, GFP_KERNEL);
	if (!tried(e, "promote", more))
		return;
	if (!quarry_test_check(more, 3000, 1))
		complain(e, "contents of what was promoted", 0);
	quarry_free(more);
}

/* Chunks are filled before each, so that each needs one. */
static void fill_chunk(struct each *e)
{
	struct quarry_arena_priv *a = quarry_to_arena(e->arena);

	if (a->end > a->arena.pos)
		quarry_arena_alloc_aligned(e->arena, a->end - a->arena.pos, 1, GFP_KERNEL);
}

static void nothing(void *arg)
{
}

static void each_on_reset(struct each *e)
{
	void *ptr = quarry_alloc(e->heap, 100, GFP_KERNEL);

	fill_chunk(e);
	before_call(e);
	tried(e, "on_reset", !quarry_arena_on_reset(e->arena, nothing, NULL, GFP_KERNEL));
	fill_chunk(e);
	kref_init(&e->kref);
	kref_get(&e->kref);
	if (quarry_arena_on_reset_kref(e->arena, &e->kref, last_put, GFP_KERNEL)) {
		e->nr_failed++;
		/* Still the caller's. */
		kref_put(&e->kref, last_put);
	}
	fill_chunk(e);
	before_call(e);
	if (!ptr)
		e->nr_failed++;
	else if (!tried(e, "on_reset_free", !quarry_arena_on_reset_free(e->arena, ptr, GFP_KERNEL)))
		quarry_free(ptr);
}

static void each_family(struct each *e)
{
	struct quarry_arena *child, *below;

	before_call(e);
	child = quarry_arena_create_child(e->arena, NULL, GFP_KERNEL);
	if (!tried(e, "create_child", !IS_ERR(child)))
		return;
	tried(e, "alloc of a child", quarry_arena_alloc(child, 30000, GFP_KERNEL));
	below = quarry_arena_create_child(child, NULL, GFP_KERNEL);
	if (IS_ERR(below))
		e->nr_failed++;
	else if (quarry_arena_set_parent(below, e->arena))
		complain(e, "set_parent", 0);
}

static void use_one(struct each *e)
{
	struct quarry_arena_mark mark;
	unsigned int round;

	for (round = 0; round < 2; round++) {
		each_alloc(e);
		quarry_arena_mark(e->arena, &mark);
		each_alloc(e);
		if (quarry_arena_rewind(e->arena, &mark))
			complain(e, "rewind", round);
		each_on_reset(e);
		each_family(e);
		quarry_arena_reset(e->arena);
		/* The reference that was handed over, or given back, has gone: one is left. */
		if (kref_read(&e->kref) != 1)
			complain(e, "references left", kref_read(&e->kref));
		quarry_arena_trim(e->arena);
	}
}

static void use_all(struct each *e, unsigned int flags)
{
	const struct quarry_arena_params params = { .name = "nth", .flags = flags };
	void *buffer;

	e->arena = quarry_arena_create(e->heap, &params, GFP_KERNEL);
	if (IS_ERR(e->arena)) {
		if (PTR_ERR(e->arena) != -ENOMEM)
			complain(e, "create", PTR_ERR(e->arena));
		e->nr_failed++;
	} else {
		use_one(e);
		quarry_arena_destroy(e->arena);
	}
	/* Where it starts needs no memory, where it grows does. */
	buffer = kmalloc(BUFFER_SIZE, GFP_KERNEL);
	e->arena = buffer ? quarry_arena_create_on(e->heap, buffer, BUFFER_SIZE, &params) : NULL;
	if (IS_ERR_OR_NULL(e->arena)) {
		complain(e, "create_on", PTR_ERR(e->arena));
	} else {
		use_one(e);
		quarry_arena_destroy(e->arena);
	}
	kfree(buffer);
}

static void walk(struct kunit *test, unsigned int flags)
{
	struct each *e = quarry_test_array(test, 1, sizeof(*e));
	unsigned long n, rounds = 0, reports = quarry_report_count();

	e->heap = quarry_test_heap(test);
	e->source = quarry_test_array(test, 1, COPIED);
	KUNIT_ASSERT_EQ(test, quarry_fault_test_begin(), 0);
	for (n = 1; n < MOST_ATTEMPTS && !e->wrong; n++) {
		quarry_fault_test_arm(QUARRY_FAULT_ANY, n, 1);
		use_all(e, flags);
		if (quarry_heap_verify(e->heap) || quarry_test_stats(e->heap).allocated)
			complain(e, "heap is not as it was", quarry_test_stats(e->heap).allocated);
		if (quarry_report_count() != reports)
			complain(e, "reports", quarry_report_count() - reports);
		if (!quarry_fault_test_nr_injected())
			break;
		rounds++;
		/* So that pages are asked for again. */
		quarry_heap_trim(e->heap);
		cond_resched();
	}
	quarry_fault_test_end();
	if (e->wrong)
		KUNIT_FAIL(test, "round %lu: %s (%lu)", n, e->wrong, e->where);
	kunit_info(test, "%lu rounds, %lu calls failed\n", rounds, e->nr_failed);
	KUNIT_EXPECT_LT(test, n, MOST_ATTEMPTS);
	/* Each of the calls of both arenas, and what chunks are made of. */
	KUNIT_EXPECT_GT(test, rounds, 60UL);
	KUNIT_EXPECT_GT(test, e->nr_failed, 40UL);
}

static void each_attempt_fails(struct kunit *test)
{
	walk(test, 0);
}

static void each_attempt_fails_checked(struct kunit *test)
{
	walk(test, QUARRY_ARENA_CHECKED | QUARRY_DATA);
}

static struct kunit_case arena_fault_cases[] = {
	KUNIT_CASE(each_attempt_fails),
	KUNIT_CASE(each_attempt_fails_checked),
	{}
};

struct kunit_suite quarry_arena_fault_suite = {
	.name = "quarry_arena_fault",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = arena_fault_cases,
};
