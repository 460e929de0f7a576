// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_pool_live: pools in each context, and from several at once.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include "../src/fault.h"
#include "context.h"
#include "pool_kunit.h"

#define PATIENCE	(10 * HZ)
#define RUN_MS		400
#define OBJ_SIZE	64
#define NR_HELD		12
#define NR_USERS	6	/* a task, an interrupt and an NMI on each of two CPUs */
#define COUNT		(NR_USERS * NR_HELD)

/* === One after the other === */

struct batch {
	struct quarry_pool *pool;
	unsigned int nr;		/* wanted */
	unsigned int got;
	void *objs[COUNT];
};

static void take_batch(void *arg)
{
	struct batch *b = arg;

	for (b->got = 0; b->got < b->nr; b->got++) {
		b->objs[b->got] = quarry_pool_take(b->pool);
		if (!b->objs[b->got])
			return;
		quarry_test_fill(b->objs[b->got], OBJ_SIZE, b->got);
	}
}

static void give_batch(void *arg)
{
	struct batch *b = arg;

	while (b->got) {
		b->got--;
		/* Checked here, as KUnit's expectations are for tasks. */
		if (!quarry_test_check(b->objs[b->got], OBJ_SIZE, b->got))
			return;
		quarry_pool_give(b->pool, b->objs[b->got]);
	}
	b->nr = 0;
}

static struct quarry_pool *make_pool(struct kunit *test, struct quarry_heap *heap, unsigned int max)
{
	struct quarry_pool_params params = {
		.name = "live", .size = OBJ_SIZE, .count = COUNT, .max = max,
	};

	return quarry_test_pool(test, heap, &params);
}

/* All of the count taken in one context on one CPU, given back in another on another. */
static void round_trip(struct kunit *test, struct batch *b, unsigned int from, unsigned int to)
{
	b->nr = COUNT;
	KUNIT_ASSERT_TRUE(test, quarry_test_run_in(from, quarry_test_cpu(0), take_batch, b));
	KUNIT_EXPECT_EQ_MSG(test, b->got, COUNT, "taken in %s", quarry_test_context_names[from]);
	KUNIT_EXPECT_NULL(test, quarry_pool_take(b->pool));
	KUNIT_ASSERT_TRUE(test, quarry_test_run_in(to, quarry_test_cpu(1), give_batch, b));
	KUNIT_EXPECT_EQ_MSG(test, b->nr, 0U, "damaged when given in %s",
			    quarry_test_context_names[to]);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(b->pool).out, 0ULL);
}

static void each_context_to_each(struct kunit *test)
{
	struct batch *b = quarry_test_array(test, 1, sizeof(*b));
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int from, to;

	b->pool = make_pool(test, heap, 0);
	for (from = 0; from < QUARRY_NR_CONTEXTS; from++)
		for (to = 0; to < QUARRY_NR_CONTEXTS; to++)
			if (quarry_test_context_exists(from) && quarry_test_context_exists(to))
				round_trip(test, b, from, to);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(b->pool).peak, (u64)COUNT);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* Who misses where nothing can be allocated finds more a moment later. */
static void growth_asked_for_in(struct kunit *test, unsigned int context)
{
	struct batch *b = quarry_test_array(test, 1, sizeof(*b));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool *pool = make_pool(test, heap, 2 * COUNT);
	unsigned long end = jiffies + PATIENCE;

	b->pool = pool;
	b->nr = COUNT;
	KUNIT_EXPECT_TRUE(test, quarry_test_run_in(context, quarry_test_cpu(0), take_batch, b));
	KUNIT_EXPECT_EQ(test, b->got, COUNT);
	while (quarry_test_pool_stats(pool).total == COUNT && time_before(jiffies, end))
		usleep_range(500, 1000);
	KUNIT_EXPECT_GT_MSG(test, quarry_test_pool_stats(pool).total, (u64)COUNT, "asked for in %s",
			    quarry_test_context_names[context]);
	give_batch(b);
	KUNIT_EXPECT_EQ(test, b->nr, 0U);
	quarry_test_pool_done(test, pool);
	quarry_test_heap_done(test, heap);
}

static void growth_asked_for_in_each_context(struct kunit *test)
{
	unsigned int context;

	for (context = 0; context < QUARRY_NR_CONTEXTS; context++)
		if (quarry_test_context_exists(context))
			growth_asked_for_in(test, context);
}

/* A pool that is to grow ahead, and what is out of it: 32 objects at a time, below 8 free. */
struct ahead {
	struct quarry_pool *pool;
	unsigned int nr;
	void *objs[128];
};

/* The worker's attempts fail, too, so this is no quarry_fault_test_begin(). */
static void ahead_end_faults(void *unused)
{
	quarry_fault_set(QUARRY_FAULT_CHUNK, QUARRY_FAULT_PROBABILITY, "0");
	quarry_fault_set(QUARRY_FAULT_CHUNK, QUARRY_FAULT_TIMES, "1");
	quarry_fault_set(QUARRY_FAULT_CHUNK, QUARRY_FAULT_VERBOSE, "2");
}

static struct ahead *ahead_begin(struct kunit *test, struct quarry_heap *heap)
{
	struct quarry_pool_params params = { .size = 128, .count = 64, .max = 384 };
	struct ahead *a = quarry_test_array(test, 1, sizeof(*a));

	a->pool = quarry_test_pool(test, heap, &params);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, ahead_end_faults, NULL), 0);
	return a;
}

/* By who may not sleep, until so many are out. */
static void ahead_take(struct kunit *test, struct ahead *a, unsigned int nr)
{
	for (; a->nr < nr; a->nr++) {
		a->objs[a->nr] = quarry_pool_take(a->pool);
		KUNIT_ASSERT_NOT_NULL_MSG(test, a->objs[a->nr], "object %u", a->nr);
	}
}

/* The same; growing fails, and is not tried again for a moment. */
static void ahead_take_in_vain(struct kunit *test, struct ahead *a, unsigned int nr)
{
	unsigned long end = jiffies + PATIENCE;

	quarry_fault_set(QUARRY_FAULT_CHUNK, QUARRY_FAULT_VERBOSE, "0");
	quarry_fault_set(QUARRY_FAULT_CHUNK, QUARRY_FAULT_TIMES, "100");
	quarry_fault_set(QUARRY_FAULT_CHUNK, QUARRY_FAULT_PROBABILITY, "100");
	ahead_take(test, a, nr);
	while (quarry_fault_get(QUARRY_FAULT_CHUNK, QUARRY_FAULT_TIMES) == 100 &&
	       time_before(jiffies, end))
		usleep_range(500, 1000);
	KUNIT_EXPECT_LT(test, quarry_fault_get(QUARRY_FAULT_CHUNK, QUARRY_FAULT_TIMES), 100L);
	/* It has not noted that yet, maybe. */
	usleep_range(2000, 3000);
}

static void ahead_expect(struct kunit *test, struct ahead *a, u64 total)
{
	unsigned long end = jiffies + PATIENCE;

	while (quarry_test_pool_stats(a->pool).total < total && time_before(jiffies, end))
		usleep_range(500, 1000);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(a->pool).total, total);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(a->pool).misses, 0ULL);
}

/* Growth ahead that failed is asked for again, whatever stack is taken from by then. */
static void grows_ahead_after_a_failure(struct kunit *test)
{
	struct ahead *a = ahead_begin(test, quarry_test_heap(test));

	ahead_take_in_vain(test, a, 64);
	ahead_end_faults(NULL);
	a->objs[a->nr++] = quarry_pool_take_gfp(a->pool, GFP_KERNEL);
	ahead_expect(test, a, 96);
	msleep(200);
	ahead_take(test, a, 95);
	ahead_expect(test, a, 128);
	quarry_test_give_all(a->pool, a->objs, a->nr);
}

/* The same when the stack that was to be looked at has been given up. */
static void grows_ahead_after_shrinking(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct ahead *a = ahead_begin(test, heap);

	ahead_take(test, a, 57);
	ahead_expect(test, a, 96);
	ahead_take(test, a, 64);
	ahead_take_in_vain(test, a, 90);
	quarry_test_give_all(a->pool, a->objs, a->nr);
	quarry_heap_trim(heap);
	ahead_end_faults(NULL);
	ahead_expect(test, a, 64);
	msleep(200);
	a->nr = 0;
	ahead_take(test, a, 63);
	ahead_expect(test, a, 96);
	quarry_test_give_all(a->pool, a->objs, a->nr);
}

static void misuse_in(void *arg)
{
	struct batch *b = arg;

	quarry_pool_give(b->pool, b);
	quarry_pool_give(b->pool, b->objs[0]);
}

static void misuse_in_each_context(struct kunit *test)
{
	struct batch *b = quarry_test_array(test, 1, sizeof(*b));
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int context;

	b->pool = make_pool(test, heap, 0);
	b->objs[0] = quarry_pool_take(b->pool);
	quarry_pool_give(b->pool, b->objs[0]);
	for (context = 0; context < QUARRY_NR_CONTEXTS; context++)
		if (quarry_test_context_exists(context))
			QUARRY_EXPECT_REPORTS(test, 2,
					      quarry_test_run_in(context, quarry_test_cpu(0),
								 misuse_in, b));
	QUARRY_EXPECT_VERIFIED(test, heap);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(b->pool).out, 0ULL);
}

/* === All at once === */

/* What every object starts with while it is out. */
struct tagged {
	unsigned long owner;
	u8 rest[OBJ_SIZE - sizeof(unsigned long)];
};

/* Holds NR_HELD objects at most, so a pool of NR_USERS times as many always has one. */
struct pool_user {
	struct quarry_pool *pool;
	unsigned long id;		/* not 0 */
	struct rnd_state rnd;
	unsigned int nr;
	struct tagged *held[NR_HELD];
	unsigned long nr_ops, nr_misses, nr_damaged;
};

static void user_take(struct pool_user *u)
{
	struct tagged *obj = quarry_pool_take(u->pool);

	if (!obj) {
		u->nr_misses++;
		return;
	}
	/* Nobody else has it. */
	if (xchg(&obj->owner, u->id))
		u->nr_damaged++;
	quarry_test_fill(obj->rest, sizeof(obj->rest), u->id);
	u->held[u->nr++] = obj;
}

static void user_give(struct pool_user *u, unsigned int i)
{
	struct tagged *obj = u->held[i];

	if (!quarry_test_check(obj->rest, sizeof(obj->rest), u->id) ||
	    xchg(&obj->owner, 0) != u->id)
		u->nr_damaged++;
	u->held[i] = u->held[--u->nr];
	quarry_pool_give(u->pool, obj);
}

static void user_step(struct pool_user *u)
{
	unsigned int what = quarry_test_below(&u->rnd, NR_HELD + 1);

	u->nr_ops++;
	/* About half of them out, with tops and troughs. */
	if (u->nr <= what && u->nr < NR_HELD)
		user_take(u);
	else
		user_give(u, quarry_test_below(&u->rnd, u->nr));
}

struct side {
	struct hrtimer timer;
	struct pool_user *task, *irq;
	unsigned int cpu;
	bool nmi;
};

static enum hrtimer_restart side_tick(struct hrtimer *timer)
{
	struct side *side = container_of(timer, struct side, timer);
	unsigned int i;

	for (i = 0; i < 4; i++)
		user_step(side->irq);
	if (side->nmi)
		quarry_test_nmi_send(side->cpu);
	/* Uneven, so that it does not fall into step with the task. */
	hrtimer_forward_now(timer, ns_to_ktime((50 + quarry_test_below(&side->irq->rnd, 100)) *
					       NSEC_PER_USEC * QUARRY_TEST_SLOWER));
	return HRTIMER_RESTART;
}

static void side_worker(struct quarry_test_worker *worker)
{
	struct side *side = worker->arg;

	hrtimer_init(&side->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	side->timer.function = side_tick;
	hrtimer_start(&side->timer, ns_to_ktime(NSEC_PER_MSEC), HRTIMER_MODE_REL_PINNED_HARD);
	while (!quarry_test_worker_should_stop()) {
		user_step(side->task);
		if (!(side->task->nr_ops & 255))
			cond_resched();
	}
	hrtimer_cancel(&side->timer);
	worker->nr_ops = side->task->nr_ops;
}

static struct pool_user *nmi_users[2];

static void in_nmi_step(void *unused)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		user_step(nmi_users[smp_processor_id() != quarry_test_cpu(0)]);
}

static struct pool_user *make_user(struct kunit *test, struct quarry_pool *pool, unsigned long id,
				   u64 seed)
{
	struct pool_user *u = quarry_test_array(test, 1, sizeof(*u));

	u->pool = pool;
	u->id = id;
	prandom_seed_state(&u->rnd, seed + id);
	return u;
}

/* Whoever holds no more than its share is never refused. */
static void end_user(struct kunit *test, struct pool_user *u, bool used)
{
	while (u->nr)
		user_give(u, 0);
	KUNIT_EXPECT_EQ_MSG(test, u->nr_misses, 0UL, "user %lu, %lu operations", u->id, u->nr_ops);
	KUNIT_EXPECT_EQ_MSG(test, u->nr_damaged, 0UL, "user %lu, %lu operations", u->id,
			    u->nr_ops);
	if (used)
		KUNIT_EXPECT_GT_MSG(test, u->nr_ops, 0UL, "user %lu", u->id);
}

/* While users run: takes more than the count, gives it back, has it given up. */
static void disturb(struct kunit *test, struct quarry_heap *heap, struct quarry_pool *pool,
		    void **objs)
{
	unsigned long end = jiffies + msecs_to_jiffies(RUN_MS), nr_rounds = 0, nr_objs = 0;
	unsigned int nr;

	while (time_before(jiffies, end)) {
		for (nr = 0; nr < COUNT; nr++) {
			objs[nr] = quarry_pool_take_gfp(pool, GFP_KERNEL);
			if (!objs[nr])
				break;
			((struct tagged *)objs[nr])->owner = ~0UL;
		}
		nr_objs += nr;
		while (nr--) {
			((struct tagged *)objs[nr])->owner = 0;
			quarry_pool_give(pool, objs[nr]);
		}
		if (nr_rounds++ % 4 == 3)
			quarry_heap_trim(heap);
		cond_resched();
	}
	kunit_info(test, "%lu rounds, %lu objects\n", nr_rounds, nr_objs);
	KUNIT_EXPECT_GT(test, nr_objs, 0UL);
}

static void all_at_once(struct kunit *test, unsigned int max)
{
	struct side *sides = quarry_test_array(test, 2, sizeof(*sides));
	void **objs = quarry_test_array(test, COUNT, sizeof(*objs));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_pool *pool = make_pool(test, heap, max);
	unsigned int nr_cpus = min(num_online_cpus(), 2U), i;
	struct quarry_test_worker workers[2] = {};
	struct rnd_state rnd;
	bool nmi;
	u64 seed;

	seed = quarry_test_seed(test, &rnd);
	for (i = 0; i < nr_cpus; i++) {
		sides[i].cpu = quarry_test_cpu(i);
		sides[i].task = make_user(test, pool, 1 + 3 * i, seed);
		sides[i].irq = make_user(test, pool, 2 + 3 * i, seed);
		nmi_users[i] = make_user(test, pool, 3 + 3 * i, seed);
	}
	nmi = quarry_test_context_exists(QUARRY_IN_NMI) &&
	      !quarry_test_nmi_begin(in_nmi_step, NULL);
	for (i = 0; i < nr_cpus; i++) {
		sides[i].nmi = nmi;
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, sides[i].cpu, seed,
							       side_worker, &sides[i]), 0);
	}
	if (max)
		disturb(test, heap, pool, objs);
	else
		msleep(RUN_MS);
	for (i = 0; i < nr_cpus; i++)
		quarry_test_worker_stop(test, &workers[i]);
	if (nmi)
		quarry_test_nmi_end();
	for (i = 0; i < nr_cpus; i++) {
		kunit_info(test, "CPU %u: %lu operations of the task, %lu in hardirq, %lu in NMI\n",
			   sides[i].cpu, sides[i].task->nr_ops, sides[i].irq->nr_ops,
			   nmi_users[i]->nr_ops);
		if (max) {
			/* Others had objects out: a user may have been refused. */
			sides[i].task->nr_misses = 0;
			sides[i].irq->nr_misses = 0;
			nmi_users[i]->nr_misses = 0;
		}
		end_user(test, sides[i].task, true);
		end_user(test, sides[i].irq, true);
		end_user(test, nmi_users[i], nmi);
	}
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(pool).out, 0ULL);
	KUNIT_EXPECT_LE(test, quarry_test_pool_stats(pool).peak, (u64)(max ?: COUNT));
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void never_fails_below_its_count(struct kunit *test)
{
	all_at_once(test, 0);
}

static void grows_and_shrinks_under_use(struct kunit *test)
{
	all_at_once(test, 5 * COUNT);
}

/* === One CPU takes, another one gives === */

#define NR_SLOTS	16

struct belt {
	struct quarry_pool *pool;
	void *slots[NR_SLOTS];
	unsigned long nr_misses;
};

static void producer(struct quarry_test_worker *worker)
{
	struct belt *belt = worker->arg;
	unsigned int i = 0;
	void *obj;

	while (!quarry_test_worker_should_stop()) {
		if (READ_ONCE(belt->slots[i % NR_SLOTS])) {
			cond_resched();
			continue;
		}
		obj = quarry_pool_take(belt->pool);
		belt->nr_misses += !obj;
		/* Pairs with smp_load_acquire() in consumer(). */
		smp_store_release(&belt->slots[i++ % NR_SLOTS], obj);
		worker->nr_ops++;
	}
}

static void consumer(struct quarry_test_worker *worker)
{
	struct belt *belt = worker->arg;
	unsigned int i = 0;
	void *obj;

	while (!quarry_test_worker_should_stop()) {
		/* Pairs with smp_store_release() in producer(). */
		obj = smp_load_acquire(&belt->slots[i % NR_SLOTS]);
		if (!obj) {
			cond_resched();
			continue;
		}
		quarry_pool_give(belt->pool, obj);
		WRITE_ONCE(belt->slots[i++ % NR_SLOTS], NULL);
		worker->nr_ops++;
	}
}

/* As many objects as may be on the way: what one CPU gives the other one finds. */
static void objects_go_from_cpu_to_cpu(struct kunit *test)
{
	struct quarry_pool_params params = { .size = OBJ_SIZE, .count = NR_SLOTS + 1 };
	struct belt *belt = quarry_test_array(test, 1, sizeof(*belt));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_worker workers[2] = {};
	unsigned int i;

	QUARRY_NEEDS_SMP(test);
	belt->pool = quarry_test_pool(test, heap, &params);
	KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[0], 0, quarry_test_cpu(0), 1,
						       producer, belt), 0);
	KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[1], 1, quarry_test_cpu(1), 1,
						       consumer, belt), 0);
	msleep(RUN_MS);
	for (i = 0; i < 2; i++)
		quarry_test_worker_stop(test, &workers[i]);
	for (i = 0; i < NR_SLOTS; i++)
		quarry_pool_give(belt->pool, belt->slots[i]);
	kunit_info(test, "%lu objects\n", workers[0].nr_ops);
	KUNIT_EXPECT_GT(test, workers[1].nr_ops, 100UL);
	KUNIT_EXPECT_EQ(test, belt->nr_misses, 0UL);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(belt->pool).out, 0ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* Of two who give the same object at the same time one is refused. */
struct twice {
	struct quarry_pool *pool;
	void *obj;
	atomic_t ready;
	atomic_t rounds;
};

static void give_same(struct quarry_test_worker *worker)
{
	struct twice *t = worker->arg;
	int round;

	for (round = 1; round <= QUARRY_TEST_LOOPS(2000); round++) {
		if (!worker->id) {
			/* The other one is done with the last. */
			while (atomic_read(&t->rounds) < 2 * (round - 1))
				cond_resched();
			t->obj = quarry_pool_take(t->pool);
			if (!t->obj)
				quarry_test_worker_fail(worker, "lost an object", round);
			atomic_set_release(&t->ready, round);
		}
		while (atomic_read_acquire(&t->ready) < round)
			cond_resched();
		quarry_pool_give(t->pool, t->obj);
		atomic_inc(&t->rounds);
		worker->nr_ops++;
	}
}

static void given_by_two_at_once(struct kunit *test)
{
	struct quarry_pool_params params = { .size = OBJ_SIZE, .count = 1 };
	struct twice *t = quarry_test_array(test, 1, sizeof(*t));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_worker workers[2] = {};
	unsigned long begin;
	unsigned int i;

	QUARRY_NEEDS_SMP(test);
	t->pool = quarry_test_pool(test, heap, &params);
	begin = quarry_test_reports_begin();
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       1, give_same, t), 0);
	for (i = 0; i < 2; i++)
		quarry_test_worker_stop(test, &workers[i]);
	KUNIT_EXPECT_EQ(test, quarry_test_reports_end(begin), (unsigned long)workers[0].nr_ops);
	KUNIT_EXPECT_EQ(test, quarry_test_pool_stats(t->pool).out, 0ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static struct kunit_case pool_live_cases[] = {
	KUNIT_CASE(each_context_to_each),
	KUNIT_CASE(growth_asked_for_in_each_context),
	KUNIT_CASE(grows_ahead_after_a_failure),
	KUNIT_CASE(grows_ahead_after_shrinking),
	KUNIT_CASE(misuse_in_each_context),
	KUNIT_CASE(never_fails_below_its_count),
	KUNIT_CASE(grows_and_shrinks_under_use),
	KUNIT_CASE(objects_go_from_cpu_to_cpu),
	KUNIT_CASE(given_by_two_at_once),
	{}
};

struct kunit_suite quarry_pool_live_suite = {
	.name = "quarry_pool_live",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = pool_live_cases,
};
