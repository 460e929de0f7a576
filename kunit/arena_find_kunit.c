// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_arena_find: arenas come and go without a lock, are found and held from any
 * pointer, and are listed, whatever goes on meanwhile.
 */
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/topology.h>
#include "../src/arena.h"
#include "context.h"
#include "helpers.h"

#define ROUNDS		1000
#define NR_ORDERS	2	/* of chunks that a round uses: 4 KiB and 8 KiB */

/* === No lock === */

/* A heap whose magazines nobody empties. */
static struct quarry_heap *steady_heap(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };

	params.decay_ms = -1;
	return quarry_test_heap_params(test, params);
}

/* Create, use, destroy, of one chunk or of two. */
static bool one_round(struct quarry_heap *heap, unsigned int round)
{
	struct quarry_arena *arena = quarry_arena_create(heap, NULL, GFP_NOWAIT);
	unsigned int i, nr = round & 1 ? 20 : 60;
	bool ok = true;

	if (IS_ERR(arena))
		return false;
	for (i = 0; i < nr; i++)
		ok = quarry_arena_zalloc(arena, 100, GFP_NOWAIT) && ok;
	quarry_arena_destroy(arena);
	return ok;
}

/* Allocations of chunks that no magazine had. */
static unsigned long nr_below(struct quarry_heap *heap)
{
	struct quarry_heap_priv *hp = to_priv(heap);
	struct quarry_mags_stats stats;
	unsigned long nr = 0;
	unsigned int k, o, l;

	for (k = 0; k < QUARRY_NR_KINDS; k++) {
		for (o = 0; o < QUARRY_NR_PAGE_FRONTS; o++) {
			quarry_mags_get_stats(&hp->runs.fronts[k][o].mags, &stats);
			nr += stats.depot;
			for (l = 0; l < QUARRY_NR_LOW_LAYERS; l++)
				nr += stats.low[l];
		}
	}
	return nr;
}

struct rounds {
	struct quarry_heap *heap;
	unsigned long nr_below;
	bool held;		/* by holder() */
	bool done;		/* with the rounds */
	bool in_time;
};

static void warm_up(struct quarry_test_worker *worker, struct rounds *r)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (!one_round(r->heap, i))
			quarry_test_worker_fail(worker, "warming up", i);
}

static void count_below(struct quarry_test_worker *worker)
{
	struct rounds *r = worker->arg;
	unsigned int i;

	warm_up(worker, r);
	r->nr_below = nr_below(r->heap);
	for (i = 0; i < ROUNDS; i++)
		if (!one_round(r->heap, i))
			quarry_test_worker_fail(worker, "round", i);
	r->nr_below = nr_below(r->heap) - r->nr_below;
	/* Pairs with smp_load_acquire() of the case. */
	smp_store_release(&r->done, true);
}

static void magazines_serve_small_ones(struct kunit *test)
{
	struct rounds r = { .heap = steady_heap(test) };
	struct quarry_test_worker worker;

	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&worker, 0, quarry_test_cpu(0), 0,
						       count_below, &r), 0);
	/* Pairs with smp_store_release() in count_below(). */
	while (!smp_load_acquire(&r.done))
		usleep_range(100, 1000);
	quarry_test_worker_stop(test, &worker);
	KUNIT_EXPECT_EQ_MSG(test, r.nr_below, 0UL, "chunks from below in %u rounds", ROUNDS);
}

/*
 * Takes every lock that an arena could need, of any layer, until the rounds are done, or for
 * a second: who waits for one of them is late.
 */
static void hold_all_locks(struct rounds *r, int node)
{
	struct quarry_heap_priv *hp = to_priv(r->heap);
	struct quarry_run_front *rf = hp->runs.fronts[QUARRY_KIND_PTR];
	unsigned long flags;
	unsigned int i;
	u64 end;

	mutex_lock(&hp->mutex);
	local_irq_save(flags);
	for (i = 0; i < NR_ORDERS; i++)
		raw_spin_lock_nested(&rf[i].mags.depots[node].lock, i);
	raw_spin_lock(&hp->pages.lock);
	raw_spin_lock(&hp->pages.meta.lock);
	raw_spin_lock(&hp->arenas_lock);
	/* Pairs with smp_load_acquire() in race(). */
	smp_store_release(&r->held, true);
	end = ktime_get_ns() + NSEC_PER_SEC;
	/* Pairs with smp_store_release() in race(). */
	while (!smp_load_acquire(&r->done) && ktime_get_ns() < end)
		cpu_relax();
	r->in_time = READ_ONCE(r->done);
	raw_spin_unlock(&hp->arenas_lock);
	raw_spin_unlock(&hp->pages.meta.lock);
	raw_spin_unlock(&hp->pages.lock);
	while (i--)
		raw_spin_unlock(&rf[i].mags.depots[node].lock);
	local_irq_restore(flags);
	mutex_unlock(&hp->mutex);
}

static void race(struct quarry_test_worker *worker)
{
	struct rounds *r = worker->arg;
	unsigned int i;

	warm_up(worker, r);
	/* Pairs with smp_load_acquire() of the case: there are depots. */
	smp_store_release(&r->nr_below, 1);
	/* Pairs with smp_store_release() in hold_all_locks(). */
	while (!smp_load_acquire(&r->held) && !quarry_test_worker_should_stop())
		usleep_range(100, 1000);
	for (i = 0; i < ROUNDS / 10; i++)
		if (!one_round(r->heap, i))
			quarry_test_worker_fail(worker, "round", i);
	/* Pairs with smp_load_acquire() in hold_all_locks(). */
	smp_store_release(&r->done, true);
}

static void hold(struct quarry_test_worker *worker)
{
	hold_all_locks(worker->arg, cpu_to_node(quarry_test_cpu(0)));
}

static void small_ones_take_no_lock(struct kunit *test)
{
	struct rounds r = { .heap = steady_heap(test) };
	struct quarry_test_worker racer, holder;

	QUARRY_NEEDS_SMP(test);
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&racer, 0, quarry_test_cpu(0), 0, race,
						       &r), 0);
	/* Pairs with smp_store_release() in race(). */
	while (!smp_load_acquire(&r.nr_below))
		usleep_range(100, 1000);
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&holder, 1, quarry_test_cpu(1), 0, hold,
						       &r), 0);
	while (!READ_ONCE(r.done))
		usleep_range(100, 1000);
	quarry_test_worker_stop(test, &holder);
	quarry_test_worker_stop(test, &racer);
	KUNIT_EXPECT_TRUE_MSG(test, r.in_time, "the rounds waited for a lock");
}

/* === Found and held === */

static void held_from_any_pointer(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_arena_create(heap, NULL, GFP_KERNEL);
	struct quarry_arena *on = NULL, *got;
	char *buffer = quarry_alloc(heap, 1024, GFP_KERNEL), *small, *big;

	KUNIT_ASSERT_FALSE(test, IS_ERR(arena) || !buffer);
	small = quarry_arena_alloc(arena, 10, GFP_KERNEL);
	big = quarry_arena_alloc(arena, 300000, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, small && big);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_get_of(small), arena);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_get_of(big + 299999), arena);
	KUNIT_EXPECT_NULL(test, quarry_arena_get_of(NULL));
	KUNIT_EXPECT_NULL(test, quarry_arena_get_of(buffer));
	KUNIT_EXPECT_NULL(test, quarry_arena_get_of(&got));
	KUNIT_EXPECT_NULL(test, quarry_arena_get_of(test));
	KUNIT_EXPECT_NULL(test, quarry_arena_get_of((void *)-1L));
	on = quarry_arena_create_on(heap, buffer, 1024, NULL);
	KUNIT_EXPECT_NULL_MSG(test, quarry_arena_get_of(on), "a buffer of the caller's");
	quarry_arena_destroy(on);
	/* Two references are left. */
	quarry_arena_destroy(arena);
	KUNIT_EXPECT_NOT_NULL(test, quarry_arena_alloc(arena, 10, GFP_KERNEL));
	quarry_arena_put(arena);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_get_of(small), arena);
	quarry_arena_put(arena);
	quarry_arena_put(arena);
	KUNIT_EXPECT_NULL_MSG(test, quarry_arena_get_of(small), "destroyed");
	KUNIT_EXPECT_NULL_MSG(test, quarry_arena_get_of(big), "destroyed");
	quarry_free(buffer);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

struct last_look {
	void *ptr;
	struct quarry_arena *of;
	struct quarry_arena *got;
};

static void look(void *arg)
{
	struct last_look *l = arg;

	l->of = quarry_arena_of(l->ptr);
	l->got = quarry_arena_get_of(l->ptr);
}

static void not_held_while_it_ends(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_arena_create(heap, NULL, GFP_KERNEL);
	struct last_look l = { .got = ERR_PTR(-EINVAL) };

	KUNIT_ASSERT_FALSE(test, IS_ERR(arena));
	l.ptr = quarry_arena_alloc(arena, 10, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, quarry_arena_on_reset(arena, look, &l, GFP_KERNEL), 0);
	quarry_arena_destroy(arena);
	KUNIT_EXPECT_PTR_EQ(test, l.of, arena);
	KUNIT_EXPECT_NULL(test, l.got);
	/* Nor in the grace period before the end. */
	arena = quarry_arena_create(heap, NULL, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(arena));
	rcu_read_lock();
	quarry_arena_destroy_rcu(arena);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_of(arena), arena);
	KUNIT_EXPECT_NULL(test, quarry_arena_get_of(arena));
	rcu_read_unlock();
	rcu_barrier();
}

static void held_in_each_context(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	unsigned int context;
	struct last_look l;

	l.ptr = quarry_arena_alloc(arena, 10, GFP_KERNEL);
	for (context = 0; context < QUARRY_NR_CONTEXTS; context++) {
		if (!quarry_test_context_exists(context))
			continue;
		l.got = NULL;
		KUNIT_EXPECT_TRUE(test, quarry_test_run_in(context, quarry_test_cpu(0), look, &l));
		KUNIT_EXPECT_PTR_EQ_MSG(test, l.got, arena, "%s",
					quarry_test_context_names[context]);
		if (l.got)
			quarry_arena_put(l.got);
	}
}

/* === While they come and go === */

#define NR_SLOTS	8
#define STAMP		0x57a3bUL

/* An object in an arena that says which one. */
struct stamped {
	struct quarry_arena *arena;
	unsigned long stamp;
};

struct storm {
	struct quarry_heap *heap;
	struct stamped __rcu *slots[NR_SLOTS];
	bool wild;		/* readers believe in pointers that are long stale */
	unsigned long nr_held;
};

static struct stamped *new_stamped(struct storm *s, struct rnd_state *rnd)
{
	const struct quarry_arena_params params = { .name = "storm" };
	struct quarry_arena *arena = quarry_arena_create(s->heap, &params, GFP_KERNEL);
	struct stamped *obj;

	if (IS_ERR(arena))
		return NULL;
	/* Anywhere in the first, or in another chunk. */
	quarry_arena_alloc(arena, 1 + quarry_test_below(rnd, 9000), GFP_KERNEL);
	obj = quarry_arena_new(arena, struct stamped, GFP_KERNEL);
	if (!obj) {
		quarry_arena_destroy(arena);
		return NULL;
	}
	obj->arena = arena;
	obj->stamp = STAMP ^ (unsigned long)arena;
	return obj;
}

/* The one writer of the slots. */
static void come_and_go(struct quarry_test_worker *worker)
{
	struct storm *s = worker->arg;
	struct stamped *obj, *old;
	struct quarry_arena *gone;
	unsigned int i;

	while (!quarry_test_worker_should_stop()) {
		i = quarry_test_below(&worker->rnd, NR_SLOTS);
		old = rcu_dereference_protected(s->slots[i], true);
		obj = old ? NULL : new_stamped(s, &worker->rnd);
		gone = old ? old->arena : NULL;
		rcu_assign_pointer(s->slots[i], obj);
		if (gone && s->wild)
			quarry_arena_put(gone);
		else if (gone)
			quarry_arena_destroy_rcu(gone);
		worker->nr_ops++;
		if (!(worker->nr_ops & 255))
			cond_resched();
	}
}

static struct quarry_arena *hold_slot(struct quarry_test_worker *worker, struct storm *s,
				      unsigned int i)
{
	struct quarry_arena *arena = NULL;
	struct stamped *obj;

	rcu_read_lock();
	obj = rcu_dereference(s->slots[i]);
	if (obj)
		arena = quarry_arena_get_of(obj);
	if (arena && (obj->arena != arena || obj->stamp != (STAMP ^ (unsigned long)arena)))
		quarry_test_worker_fail(worker, "held the wrong arena", i);
	rcu_read_unlock();
	return arena;
}

static void find_and_hold(struct quarry_test_worker *worker)
{
	struct storm *s = worker->arg;
	struct quarry_arena *arena;
	struct stamped *stale = NULL, *obj;
	unsigned int i;

	while (!quarry_test_worker_should_stop()) {
		i = quarry_test_below(&worker->rnd, NR_SLOTS);
		if (s->wild) {
			/* A pointer of some rounds ago, which is not looked at. */
			obj = stale;
			stale = rcu_access_pointer(s->slots[i]) ?: stale;
			arena = obj ? quarry_arena_get_of(obj) : NULL;
		} else {
			arena = hold_slot(worker, s, i);
		}
		worker->nr_ops++;
		if (!(worker->nr_ops & 255))
			cond_resched();
		if (!arena)
			continue;
		/* Whichever it is, it is one, and stays one. */
		s->nr_held++;
		if (quarry_arena_of(arena) != arena ||
		    strcmp(quarry_arena_name(quarry_to_arena(arena)), "storm"))
			quarry_test_worker_fail(worker, "held something else", s->nr_held);
		if (s->wild)
			quarry_arena_put(arena);
		else
			quarry_arena_destroy_rcu(arena);
	}
}

static void end_storm(struct storm *s)
{
	struct stamped *obj;
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++) {
		obj = rcu_dereference_protected(s->slots[i], true);
		if (obj)
			quarry_arena_destroy(obj->arena);
	}
	rcu_barrier();
}

static void storm_of(struct kunit *test, bool wild)
{
	struct storm *s = quarry_test_array(test, 1, sizeof(*s));
	struct quarry_test_worker writer, reader;
	struct rnd_state rnd;
	u64 seed;

	QUARRY_NEEDS_SMP(test);
	seed = quarry_test_seed(test, &rnd);
	s->heap = quarry_test_heap(test);
	s->wild = wild;
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&writer, 0, quarry_test_cpu(0), seed,
						       come_and_go, s), 0);
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&reader, 1, quarry_test_cpu(1), seed,
						       find_and_hold, s), 0);
	msleep(500);
	quarry_test_worker_stop(test, &reader);
	quarry_test_worker_stop(test, &writer);
	end_storm(s);
	kunit_info(test, "%lu changes, %lu looks, %lu held\n", writer.nr_ops, reader.nr_ops,
		   s->nr_held);
	KUNIT_EXPECT_GT(test, s->nr_held, 10UL);
	QUARRY_EXPECT_ALLOCATED(test, s->heap, 0);
}

/* Under rcu_read_lock(): the very arena that the object is in, or none. */
static void held_or_gone(struct kunit *test)
{
	storm_of(test, false);
}

/* With no contract at all: an arena that lives, or none. */
static void stale_pointers_do_no_harm(struct kunit *test)
{
	storm_of(test, true);
}

/* === Listed === */

#define NR_LISTED	300

struct listing {
	unsigned int nr;
	unsigned int nr_steady;
	unsigned int nr_bad;
	u64 used;
};

static void note_row(const struct quarry_arena_row *row, void *arg)
{
	struct listing *l = arg;

	l->nr++;
	l->used += row->stats.used;
	l->nr_steady += !strcmp(row->name, "steady");
	if ((strcmp(row->name, "storm") && strcmp(row->name, "steady")) ||
	    strcmp(row->file, "arena_find_kunit.c") || !row->line ||
	    row->stats.held > SZ_1M || row->limit)
		l->nr_bad++;
}

static struct listing list(struct quarry_heap *heap)
{
	struct listing l = {};

	quarry_arenas_walk(to_priv(heap), note_row, &l);
	return l;
}

/* Each once, on pages of their own, in slabs, or on the heap of somebody else. */
static void each_is_listed_once(struct kunit *test)
{
	struct quarry_arena **arenas = quarry_test_array(test, NR_LISTED, sizeof(*arenas));
	void **buffers = quarry_test_array(test, NR_LISTED, sizeof(*buffers));
	const struct quarry_arena_params params = { .name = "steady" };
	struct quarry_heap *heap = quarry_test_heap(test), *other = quarry_test_heap(test);
	struct quarry_arena_stats stats;
	struct rnd_state rnd;
	struct listing l;
	unsigned int i;
	u64 used = 0;

	quarry_test_seed(test, &rnd);
	l = list(heap);
	KUNIT_EXPECT_EQ(test, l.nr, 0U);
	for (i = 0; i < NR_LISTED; i++) {
		if (i % 3 == 2)
			buffers[i] = quarry_alloc(other, 600, GFP_KERNEL);
		arenas[i] = i % 3 == 2 ? quarry_arena_create_on(heap, buffers[i], 600, &params) :
			    quarry_arena_create(i % 3 ? other : heap, &params, GFP_KERNEL);
		KUNIT_ASSERT_FALSE(test, IS_ERR(arenas[i]));
		KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arenas[i],
							       1 + quarry_test_below(&rnd, 30000),
							       GFP_KERNEL));
		quarry_arena_get_stats(arenas[i], &stats);
		used += i % 3 == 1 ? 0 : stats.used;
	}
	l = list(heap);
	KUNIT_EXPECT_EQ(test, l.nr, 2U * NR_LISTED / 3);
	KUNIT_EXPECT_EQ(test, l.nr_steady, l.nr);
	KUNIT_EXPECT_EQ(test, l.nr_bad, 0U);
	KUNIT_EXPECT_EQ(test, l.used, used);
	QUARRY_EXPECT_ALLOCATED(test, heap, used);
	for (i = 0; i < NR_LISTED; i++) {
		quarry_arena_destroy(arenas[i]);
		quarry_free(buffers[i]);
	}
	l = list(heap);
	KUNIT_EXPECT_EQ(test, l.nr, 0U);
}

static void listed_while_others_come_and_go(struct kunit *test)
{
	struct storm *s = quarry_test_array(test, 1, sizeof(*s));
	const struct quarry_arena_params params = { .name = "steady" };
	struct quarry_test_worker writer;
	struct quarry_arena *steady[3];
	unsigned long walks = 0, rows = 0;
	struct rnd_state rnd;
	struct listing l;
	unsigned int i;
	u64 seed, end;

	QUARRY_NEEDS_SMP(test);
	seed = quarry_test_seed(test, &rnd);
	s->heap = quarry_test_heap(test);
	s->wild = true;
	for (i = 0; i < ARRAY_SIZE(steady); i++) {
		steady[i] = quarry_arena_create(s->heap, &params, GFP_KERNEL);
		KUNIT_ASSERT_FALSE(test, IS_ERR(steady[i]));
	}
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&writer, 0, quarry_test_cpu(0), seed,
						       come_and_go, s), 0);
	end = ktime_get_ns() + NSEC_PER_SEC / 2;
	while (ktime_get_ns() < end) {
		l = list(s->heap);
		if (l.nr_steady != ARRAY_SIZE(steady) || l.nr_bad)
			break;
		walks++;
		rows += l.nr;
	}
	quarry_test_worker_stop(test, &writer);
	end_storm(s);
	KUNIT_EXPECT_EQ(test, l.nr_steady, (unsigned int)ARRAY_SIZE(steady));
	KUNIT_EXPECT_EQ(test, l.nr_bad, 0U);
	kunit_info(test, "%lu walks, %lu rows, %lu changes\n", walks, rows, writer.nr_ops);
	for (i = 0; i < ARRAY_SIZE(steady); i++)
		quarry_arena_destroy(steady[i]);
	KUNIT_EXPECT_GT(test, walks, 10UL);
}

/* One report for each that had no parent, and for each that outlived its own. */
static void those_left_behind(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	static char buffer[1024] __aligned(16);
	struct quarry_arena *a, *b, *c, *d;

	a = quarry_arena_create(heap, NULL, GFP_KERNEL);
	b = quarry_arena_create(heap, NULL, GFP_KERNEL);
	d = quarry_arena_create_on(heap, buffer, sizeof(buffer), NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(a) || IS_ERR(b) || IS_ERR(d));
	c = quarry_arena_create_child(b, NULL, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(c));
	quarry_arena_get(c);
	KUNIT_EXPECT_EQ(test, quarry_arena_set_parent(d, a), 0);
	/* a; b, which c outlives; c, for the second time. */
	quarry_test_destroy_expect_reports(4);
	quarry_test_heap_done(test, heap);
}

static struct kunit_case arena_find_cases[] = {
	KUNIT_CASE(magazines_serve_small_ones),
	KUNIT_CASE(small_ones_take_no_lock),
	KUNIT_CASE(held_from_any_pointer),
	KUNIT_CASE(not_held_while_it_ends),
	KUNIT_CASE(held_in_each_context),
	KUNIT_CASE(held_or_gone),
	KUNIT_CASE(stale_pointers_do_no_harm),
	KUNIT_CASE(each_is_listed_once),
	KUNIT_CASE(listed_while_others_come_and_go),
	KUNIT_CASE(those_left_behind),
	{}
};

struct kunit_suite quarry_arena_find_suite = {
	.name = "quarry_arena_find",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = arena_find_cases,
};
