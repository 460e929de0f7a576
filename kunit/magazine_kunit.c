// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_magazine: the per-CPU front and the depot.
 *
 * Most cases put a mock below the front: a stock of a known number of objects,
 * each with a word that says who has it, so that an object that is handed out
 * twice, lost or taken back twice is seen at once.
 */
#include <kunit/test-bug.h>
#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/topology.h>
#include "../src/magazine.h"
#include "helpers.h"

#define NR_OBJS		2048
#define NR_HELD		48	/* objects that one user holds at most */
#define RUN_MS		500

/* Who has an object; users are numbered from 2. */
#define IN_STOCK	0
#define IN_MAGAZINE	1

struct mock_obj {
	atomic_long_t owner;
	u64 words[6];
};

struct mock {
	struct quarry_front front;
	struct quarry_mags mags;
	struct quarry_meta meta;
	struct mutex drain;		/* serialises drains */
	void (*in_refill)(struct mock *mock);	/* what others do while a magazine is in hand */
	struct mock_obj *objs;
	atomic_long_t nr_wrong;		/* objects seen where they cannot be */
	raw_spinlock_t lock;
	/* everything below under lock */
	struct mock_obj **stock;
	unsigned int nr_stock;
	unsigned long nr_refills;
	unsigned long nr_drains;
	unsigned int most_drained;	/* at a time */
	bool is_dry;
};

static unsigned int mock_refill(struct quarry_mags *mags, void **objs, unsigned int nr, gfp_t gfp,
				int node, enum quarry_layer *layer)
{
	struct mock *mock = container_of(mags, struct mock, mags);
	struct mock_obj *obj;
	unsigned int got = 0;
	unsigned long flags;

	raw_spin_lock_irqsave(&mock->lock, flags);
	mock->nr_refills++;
	while (got < nr && mock->nr_stock && !mock->is_dry) {
		obj = mock->stock[--mock->nr_stock];
		if (atomic_long_cmpxchg(&obj->owner, IN_STOCK, IN_MAGAZINE) != IN_STOCK)
			atomic_long_inc(&mock->nr_wrong);
		objs[got++] = obj;
	}
	raw_spin_unlock_irqrestore(&mock->lock, flags);
	if (mock->in_refill)
		mock->in_refill(mock);
	*layer = max(*layer, QUARRY_LAYER_SLAB);
	return got;
}

static void mock_drain(struct quarry_mags *mags, void **objs, unsigned int nr)
{
	struct mock *mock = container_of(mags, struct mock, mags);
	struct mock_obj *obj;
	unsigned long flags;

	raw_spin_lock_irqsave(&mock->lock, flags);
	mock->nr_drains++;
	mock->most_drained = max(mock->most_drained, nr);
	while (nr--) {
		obj = objs[nr];
		if (atomic_long_cmpxchg(&obj->owner, IN_MAGAZINE, IN_STOCK) != IN_MAGAZINE ||
		    mock->nr_stock == NR_OBJS) {
			atomic_long_inc(&mock->nr_wrong);
			continue;
		}
		mock->stock[mock->nr_stock++] = obj;
	}
	raw_spin_unlock_irqrestore(&mock->lock, flags);
}

static const struct quarry_mags_ops mock_ops = {
	.refill = mock_refill,
	.drain = mock_drain,
};

/* Drain from anywhere, as caches do it. */
static void mock_shrink(struct mock *mock)
{
	mutex_lock(&mock->drain);
	quarry_mags_detach(&mock->mags);
	synchronize_rcu();
	quarry_mags_flush(&mock->mags);
	mutex_unlock(&mock->drain);
}

static void mock_exit(void *ptr)
{
	struct kunit *test = kunit_get_current_test();
	struct mock *mock = ptr;

	mock_shrink(mock);
	KUNIT_EXPECT_EQ_MSG(test, mock->nr_stock, (unsigned int)NR_OBJS, "objects are missing");
	KUNIT_EXPECT_EQ_MSG(test, atomic_long_read(&mock->nr_wrong), 0L,
			    "objects were handed out or taken back twice");
	quarry_mags_fini(&mock->mags);
	KUNIT_EXPECT_EQ_MSG(test, mock->meta.nr_live, 0UL, "magazines leaked");
	quarry_meta_fini(&mock->meta);
}

/* @size is what the front believes an object's size to be: it sets the capacity. */
static struct mock *mock_make(struct kunit *test, size_t size)
{
	struct mock *mock = quarry_test_array(test, 1, sizeof(*mock));
	unsigned int i;

	mock->objs = quarry_test_array(test, NR_OBJS, sizeof(*mock->objs));
	mock->stock = quarry_test_array(test, NR_OBJS, sizeof(*mock->stock));
	raw_spin_lock_init(&mock->lock);
	mutex_init(&mock->drain);
	for (i = 0; i < NR_OBJS; i++)
		mock->stock[i] = &mock->objs[i];
	mock->nr_stock = NR_OBJS;
	quarry_meta_init(&mock->meta, NUMA_NO_NODE, NULL);
	quarry_mags_init(&mock->mags, &mock->front, &mock_ops, &mock->meta, size,
			 QUARRY_MAGAZINE_BYTES_DEFAULT);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, mock_exit, mock), 0);
	return mock;
}

/* The inline path, then the slow one, as quarry_cache_alloc() does. */
static struct mock_obj *mock_alloc(struct mock *mock, gfp_t gfp, long owner)
{
	struct mock_obj *obj = quarry_front_pop(&mock->front);

	if (!obj)
		obj = quarry_mags_alloc(&mock->mags, gfp);
	if (obj && atomic_long_cmpxchg(&obj->owner, IN_MAGAZINE, owner) != IN_MAGAZINE)
		atomic_long_inc(&mock->nr_wrong);
	return obj;
}

static void mock_free(struct mock *mock, struct mock_obj *obj, long owner)
{
	if (atomic_long_cmpxchg(&obj->owner, owner, IN_MAGAZINE) != owner)
		atomic_long_inc(&mock->nr_wrong);
	if (!quarry_front_push(&mock->front, obj))
		quarry_mags_free(&mock->mags, obj);
}

static struct quarry_mags_stats mock_stats(struct mock *mock)
{
	struct quarry_mags_stats stats;

	quarry_mags_get_stats(&mock->mags, &stats);
	return stats;
}

static unsigned long nr_below(const struct quarry_mags_stats *stats)
{
	unsigned long sum = 0;
	unsigned int i;

	for (i = 0; i < QUARRY_NR_LOW_LAYERS; i++)
		sum += stats->low[i];
	return sum;
}

/* Nothing is lost: each object is in stock, cached or with the user. */
static void expect_balance(struct kunit *test, struct mock *mock, unsigned long held)
{
	struct quarry_mags_stats s = mock_stats(mock);

	KUNIT_EXPECT_EQ(test, s.nr_alloc - s.nr_free, held);
	KUNIT_EXPECT_EQ(test, mock->nr_stock + quarry_mags_nr_cached(&mock->mags) + held,
			(unsigned long)NR_OBJS);
	KUNIT_EXPECT_EQ(test, s.magazine + s.previous + s.depot + nr_below(&s), s.nr_alloc);
}

static unsigned int take(struct mock *mock, struct mock_obj **objs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		objs[i] = mock_alloc(mock, GFP_KERNEL, 2);
		if (!objs[i])
			break;
	}
	return i;
}

static void give(struct mock *mock, struct mock_obj **objs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		mock_free(mock, objs[i], 2);
}

/* === One CPU === */

static void last_freed_comes_first(struct kunit *test)
{
	struct mock *mock = mock_make(test, 64);
	struct mock_obj *objs[5];
	int i;

	migrate_disable();
	KUNIT_EXPECT_EQ(test, take(mock, objs, 5), 5U);
	give(mock, objs, 5);
	for (i = 4; i >= 0; i--)
		KUNIT_EXPECT_PTR_EQ(test, mock_alloc(mock, GFP_KERNEL, 2), objs[i]);
	give(mock, objs, 5);
	migrate_enable();
}

static void unused_front_holds_nothing(struct kunit *test)
{
	struct mock *mock = mock_make(test, 64);

	KUNIT_EXPECT_NULL_MSG(test, quarry_front_pop(&mock->front), "a cold front has no objects");
	KUNIT_EXPECT_FALSE_MSG(test, quarry_front_push(&mock->front, &mock->objs[0]),
			       "a cold front has no room");
	KUNIT_EXPECT_EQ(test, quarry_mags_nr_cached(&mock->mags), 0UL);
	mock_shrink(mock);
	KUNIT_EXPECT_EQ_MSG(test, mock->meta.nr_pages, 0UL, "memory of an unused front");
	expect_balance(test, mock, 0);
}

static void counters_add_up(struct kunit *test)
{
	struct mock_obj **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct mock *mock = mock_make(test, 64);
	struct quarry_mags_stats stats;
	unsigned int n;

	for (n = 1; n <= 1000; n = n * 3 + 1) {
		KUNIT_EXPECT_EQ(test, take(mock, objs, n), n);
		expect_balance(test, mock, n);
		give(mock, objs, n / 2);
		expect_balance(test, mock, n - n / 2);
		give(mock, objs + n / 2, n - n / 2);
		expect_balance(test, mock, 0);
	}
	stats = mock_stats(mock);
	KUNIT_EXPECT_EQ_MSG(test, nr_below(&stats), mock->nr_refills,
			    "each refill is an allocation that ended below");
}

/*
 * Two magazines per CPU: at any fill, going up and down by a few may need the
 * depot or the layer below once, never each time.
 */
static void expect_no_thrashing(struct kunit *test, struct mock *mock, unsigned int held)
{
	struct quarry_mags_stats before = mock_stats(mock), after;
	unsigned long refills = mock->nr_refills, drains = mock->nr_drains;
	struct mock_obj *objs[3];
	unsigned int i;

	for (i = 0; i < 20; i++)
		give(mock, objs, take(mock, objs, ARRAY_SIZE(objs)));
	after = mock_stats(mock);
	KUNIT_EXPECT_EQ(test, after.nr_alloc - before.nr_alloc, 60UL);
	KUNIT_EXPECT_LE_MSG(test, after.depot - before.depot, 1UL, "%u objects held", held);
	KUNIT_EXPECT_LE_MSG(test, mock->nr_refills - refills, 1UL, "%u objects held", held);
	KUNIT_EXPECT_EQ_MSG(test, mock->nr_drains, drains, "%u objects held", held);
}

static void no_thrashing_at_a_boundary(struct kunit *test)
{
	struct mock_obj **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct mock *mock = mock_make(test, 64);
	struct quarry_mags_stats stats;
	unsigned int n;

	migrate_disable();
	for (n = 0; n < 150; n++) {
		expect_no_thrashing(test, mock, n);
		KUNIT_EXPECT_EQ(test, take(mock, objs + n, 1), 1U);
	}
	while (n--) {
		give(mock, objs + n, 1);
		expect_no_thrashing(test, mock, n);
	}
	migrate_enable();
	stats = mock_stats(mock);
	KUNIT_EXPECT_GT_MSG(test, stats.previous, 0UL, "previous was never used");
	expect_balance(test, mock, 0);
}

static void depot_keeps_what_is_freed(struct kunit *test)
{
	struct mock_obj **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct mock *mock = mock_make(test, 64);
	struct quarry_mags_stats before, after;
	unsigned long refills;

	migrate_disable();
	KUNIT_EXPECT_EQ(test, take(mock, objs, 500), 500U);
	give(mock, objs, 500);
	before = mock_stats(mock);
	refills = mock->nr_refills;
	KUNIT_EXPECT_EQ(test, take(mock, objs, 500), 500U);
	after = mock_stats(mock);
	KUNIT_EXPECT_EQ_MSG(test, mock->nr_refills, refills, "500 objects were cached");
	KUNIT_EXPECT_GT(test, after.depot, before.depot);
	KUNIT_EXPECT_EQ(test, after.nr_alloc - before.nr_alloc, 500UL);
	give(mock, objs, 500);
	migrate_enable();
	expect_balance(test, mock, 0);
}

/* Large objects: magazines are small and the depot takes few of them. */
static void depot_is_bounded(struct kunit *test)
{
	struct mock_obj **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct mock *mock = mock_make(test, SZ_32K);

	KUNIT_EXPECT_EQ(test, take(mock, objs, 1000), 1000U);
	give(mock, objs, 1000);
	KUNIT_EXPECT_GT(test, mock->nr_drains, 0UL);
	KUNIT_EXPECT_LT_MSG(test, quarry_mags_nr_cached(&mock->mags), 100UL,
			    "that is %u KiB and more of free objects", 100 * 32);
	expect_balance(test, mock, 0);
}

/* Nobody has room for what is freed: each free that goes below takes a few along. */
static void no_free_pays_for_many(struct kunit *test)
{
	struct mock_obj **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct mock *mock = mock_make(test, SZ_1K);

	KUNIT_EXPECT_EQ(test, take(mock, objs, NR_OBJS), (unsigned int)NR_OBJS);
	give(mock, objs, NR_OBJS);
	KUNIT_EXPECT_EQ(test, take(mock, objs, NR_OBJS), (unsigned int)NR_OBJS);
	KUNIT_EXPECT_GT_MSG(test, mock->mags.capacity, 29U, "magazines are too small for this");
	mock->nr_drains = 0;
	mock->most_drained = 0;
	give(mock, objs, NR_OBJS);
	KUNIT_EXPECT_GT(test, mock->nr_stock, 1000U);
	KUNIT_EXPECT_LE(test, mock->most_drained, 16U);
	KUNIT_EXPECT_LE_MSG(test, mock->nr_drains, NR_OBJS / 10UL, "%lu drains", mock->nr_drains);
	expect_balance(test, mock, 0);
}

static void shrink_while_objects_are_held(struct kunit *test)
{
	struct mock_obj **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct mock *mock = mock_make(test, 64);
	unsigned int i;

	KUNIT_EXPECT_EQ(test, take(mock, objs, 300), 300U);
	give(mock, objs, 150);
	mock_shrink(mock);
	KUNIT_EXPECT_EQ(test, quarry_mags_nr_cached(&mock->mags), 0UL);
	KUNIT_EXPECT_EQ(test, mock->nr_stock, NR_OBJS - 150U);
	expect_balance(test, mock, 150);
	for (i = 150; i < 300; i++)
		KUNIT_EXPECT_EQ(test, atomic_long_read(&objs[i]->owner), 2L);
	give(mock, objs + 150, 150);
	expect_balance(test, mock, 0);
	mock_shrink(mock);
	KUNIT_EXPECT_EQ(test, mock->nr_stock, (unsigned int)NR_OBJS);
	mock_shrink(mock);
	KUNIT_EXPECT_EQ(test, take(mock, objs, 10), 10U);
	give(mock, objs, 10);
}

static void dry_below_gives_null(struct kunit *test)
{
	struct mock_obj **objs = quarry_test_array(test, NR_OBJS + 1, sizeof(*objs));
	struct mock *mock = mock_make(test, 64);

	migrate_disable();
	KUNIT_EXPECT_EQ_MSG(test, take(mock, objs, NR_OBJS + 1), (unsigned int)NR_OBJS,
			    "every object can be had, and not one more");
	expect_balance(test, mock, NR_OBJS);
	give(mock, objs, 1);
	KUNIT_EXPECT_EQ(test, take(mock, objs, 1), 1U);
	KUNIT_EXPECT_NULL(test, mock_alloc(mock, GFP_KERNEL, 2));
	give(mock, objs, NR_OBJS);
	mock_shrink(mock);
	mock->is_dry = true;
	KUNIT_EXPECT_NULL(test, mock_alloc(mock, GFP_KERNEL, 2));
	mock->is_dry = false;
	KUNIT_EXPECT_EQ(test, take(mock, objs, 1), 1U);
	give(mock, objs, 1);
	migrate_enable();
	expect_balance(test, mock, 0);
}

static void capacity_grows_to_its_bound(struct kunit *test)
{
	struct mock_obj **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	struct mock *mock = mock_make(test, 64);
	unsigned int start = mock->mags.capacity, i;

	KUNIT_EXPECT_LT(test, start, mock->mags.max_capacity);
	for (i = 0; i < 200; i++) {
		KUNIT_EXPECT_EQ(test, take(mock, objs, 1500), 1500U);
		give(mock, objs, 1500);
		KUNIT_EXPECT_LE(test, mock->mags.capacity, mock->mags.max_capacity);
	}
	KUNIT_EXPECT_EQ_MSG(test, mock->mags.capacity, mock->mags.max_capacity,
			    "capacity after much traffic, it started at %u", start);
	expect_balance(test, mock, 0);
}

/* === Users that race === */

static ktime_t us_ktime(u64 us)
{
	return ns_to_ktime(us * NSEC_PER_USEC);
}

struct mock_user {
	struct mock *mock;
	struct mock_obj *held[NR_HELD];
	u32 tags[NR_HELD];
	struct rnd_state rnd;
	gfp_t gfp;
	long owner;
	unsigned long nr_ops;
	unsigned long nr_damaged;
};

static void user_free(struct mock_user *user, unsigned int i)
{
	struct mock_obj *obj = user->held[i];

	user->held[i] = NULL;
	if (!quarry_test_check(obj->words, sizeof(obj->words), user->tags[i]))
		user->nr_damaged++;
	mock_free(user->mock, obj, user->owner);
}

/* Free a random one of the objects held, or take one in its place. */
static void user_step(struct mock_user *user)
{
	unsigned int i = quarry_test_below(&user->rnd, NR_HELD);
	struct mock_obj *obj;

	user->nr_ops++;
	if (user->held[i]) {
		user_free(user, i);
		return;
	}
	obj = mock_alloc(user->mock, user->gfp, user->owner);
	if (!obj)
		return;
	user->held[i] = obj;
	user->tags[i] = prandom_u32_state(&user->rnd);
	quarry_test_fill(obj->words, sizeof(obj->words), user->tags[i]);
}

static struct mock_user *user_make(struct kunit *test, struct mock *mock, long owner, gfp_t gfp,
				   u64 seed)
{
	struct mock_user *user = quarry_test_array(test, 1, sizeof(*user));

	user->mock = mock;
	user->owner = owner;
	user->gfp = gfp;
	prandom_seed_state(&user->rnd, seed + owner);
	return user;
}

static void user_end(struct kunit *test, struct mock_user *user)
{
	unsigned int i;

	for (i = 0; i < NR_HELD; i++) {
		if (user->held[i])
			user_free(user, i);
	}
	KUNIT_EXPECT_GT_MSG(test, user->nr_ops, 0UL, "user %ld did nothing", user->owner);
	KUNIT_EXPECT_EQ_MSG(test, user->nr_damaged, 0UL, "user %ld after %lu operations",
			    user->owner, user->nr_ops);
}

/*
 * A task and a timer that interrupts it on the same CPU, in hard interrupts.
 * Not a _HARD timer: those may not allocate from the kernel on PREEMPT_RT, and
 * lockdep says so on other kernels, too.
 */
struct interrupted {
	struct hrtimer timer;
	struct mock_user *task;
	struct mock_user *irq;
	unsigned long nr_not_hardirq;
	bool with_shrink;
};

static enum hrtimer_restart timer_fn(struct hrtimer *timer)
{
	struct interrupted *both = container_of(timer, struct interrupted, timer);
	unsigned int i;

	if (!in_hardirq())
		both->nr_not_hardirq++;
	for (i = 0; i < 5; i++)
		user_step(both->irq);
	/* Uneven, so that it does not fall into step with the task. */
	hrtimer_forward_now(timer, us_ktime(50 + quarry_test_below(&both->irq->rnd, 100)));
	return HRTIMER_RESTART;
}

static void interrupted_worker(struct quarry_test_worker *worker)
{
	struct interrupted *both = worker->arg;
	unsigned long end = jiffies + msecs_to_jiffies(RUN_MS);

	hrtimer_init(&both->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED);
	both->timer.function = timer_fn;
	hrtimer_start(&both->timer, us_ktime(100), HRTIMER_MODE_REL_PINNED);
	while (time_before(jiffies, end)) {
		user_step(both->task);
		if (!(both->task->nr_ops & 1023)) {
			if (both->with_shrink)
				mock_shrink(both->task->mock);
			cond_resched();
		}
	}
	hrtimer_cancel(&both->timer);
	worker->nr_ops = both->task->nr_ops;
}

static void race_with_interrupt(struct kunit *test, bool with_shrink)
{
	struct interrupted *both = quarry_test_array(test, 1, sizeof(*both));
	struct mock *mock = mock_make(test, 64);
	struct quarry_test_worker worker;
	struct rnd_state rnd;
	u64 seed = quarry_test_seed(test, &rnd);

	both->task = user_make(test, mock, 2, GFP_KERNEL, seed);
	both->irq = user_make(test, mock, 3, GFP_ATOMIC, seed);
	both->with_shrink = with_shrink;
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&worker, 0, quarry_test_cpu(0), seed,
						       interrupted_worker, both), 0);
	quarry_test_worker_stop(test, &worker);
	kunit_info(test, "%lu operations of the task, %lu of the interrupt\n", both->task->nr_ops,
		   both->irq->nr_ops);
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		KUNIT_EXPECT_EQ(test, both->nr_not_hardirq, 0UL);
	user_end(test, both->task);
	user_end(test, both->irq);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&mock->nr_wrong), 0L);
	expect_balance(test, mock, 0);
}

static void interrupt_races_with_task(struct kunit *test)
{
	race_with_interrupt(test, false);
}

static void interrupt_races_with_shrink(struct kunit *test)
{
	race_with_interrupt(test, true);
}

static void user_worker(struct quarry_test_worker *worker)
{
	struct mock_user *user = worker->arg;

	while (!quarry_test_worker_should_stop()) {
		user_step(user);
		if (!(user->nr_ops & 255))
			cond_resched();
	}
	worker->nr_ops = user->nr_ops;
}

/* Both CPUs work on one front while a third party takes their magazines away. */
static void remote_drain_races_with_users(struct kunit *test)
{
	struct mock *mock = mock_make(test, 64);
	struct quarry_test_worker workers[2];
	unsigned long end, nr_drains = 0;
	struct mock_user *users[2];
	struct rnd_state rnd;
	u64 seed;
	int i;

	QUARRY_NEEDS_SMP(test);
	seed = quarry_test_seed(test, &rnd);
	memset(workers, 0, sizeof(workers));
	for (i = 0; i < 2; i++) {
		users[i] = user_make(test, mock, 2 + i, GFP_KERNEL, seed);
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       seed, user_worker, users[i]), 0);
	}
	end = jiffies + msecs_to_jiffies(2 * RUN_MS);
	while (time_before(jiffies, end)) {
		mock_shrink(mock);
		nr_drains++;
	}
	for (i = 0; i < 2; i++)
		quarry_test_worker_stop(test, &workers[i]);
	kunit_info(test, "%lu drains, %lu and %lu operations\n", nr_drains, users[0]->nr_ops,
		   users[1]->nr_ops);
	KUNIT_EXPECT_GT(test, nr_drains, 3UL);
	for (i = 0; i < 2; i++)
		user_end(test, users[i]);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&mock->nr_wrong), 0L);
	expect_balance(test, mock, 0);
}

/* === Stopped, and made smaller === */

#define LESS_BYTES	(2 * 1024U)	/* two objects of the size below */

static void stop_meanwhile(struct mock *mock)
{
	quarry_mags_stop(&mock->mags);
	mock_shrink(mock);
}

static void make_smaller_meanwhile(struct mock *mock)
{
	quarry_mags_stop(&mock->mags);
	synchronize_rcu();
	quarry_mags_resize(&mock->mags, LESS_BYTES);
	mock_shrink(mock);
	quarry_mags_start(&mock->mags);
}

/* A magazine that is in hand meanwhile finds no place any more, its objects go below. */
static void changed_while_in_hand(struct kunit *test)
{
	static void (* const changes[])(struct mock *mock) = {
		stop_meanwhile, make_smaller_meanwhile,
	};
	struct mock_obj *obj, *other;
	struct mock *mock;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		mock = mock_make(test, 1024);
		mock->in_refill = changes[i];
		obj = mock_alloc(mock, GFP_KERNEL, 2);
		mock->in_refill = NULL;
		KUNIT_ASSERT_NOT_NULL(test, obj);
		KUNIT_EXPECT_EQ(test, quarry_mags_nr_cached(&mock->mags), 0UL);
		expect_balance(test, mock, 1);
		/* What is made from now on fits. */
		other = mock_alloc(mock, GFP_KERNEL, 2);
		KUNIT_ASSERT_NOT_NULL(test, other);
		KUNIT_EXPECT_LE(test, quarry_mags_nr_cached(&mock->mags), 1UL);
		expect_balance(test, mock, 2);
		mock_free(mock, obj, 2);
		mock_free(mock, other, 2);
		expect_balance(test, mock, 0);
	}
}

/* The one whose objects are sorted, by a mock of node_of that knows no more. */
static struct mock *sorted;
static int sorted_node;
static void (*in_sorting)(struct mock *mock);

static int mock_node_of(const void *obj)
{
	void (*fn)(struct mock *mock) = in_sorting;

	in_sorting = NULL;
	if (fn)
		fn(sorted);
	return sorted_node;
}

static const struct quarry_mags_ops sorting_ops = {
	.refill = mock_refill,
	.drain = mock_drain,
	.node_of = mock_node_of,
};

/* The same for one that left its CPU and is being sorted by node. */
static void changed_while_sorted(struct kunit *test)
{
	static const struct {
		void (*change)(struct mock *mock);
		unsigned long most;	/* objects cached when it is done */
	} changes[] = { { stop_meanwhile, 0 }, { make_smaller_meanwhile, 2 } };
	struct mock_obj **objs = quarry_test_array(test, NR_OBJS, sizeof(*objs));
	unsigned int i, nr;
	struct mock *mock;

	if (nr_node_ids < 2)
		kunit_skip(test, "nothing is sorted on a machine of one node");
	for (i = 0; i < 2 * ARRAY_SIZE(changes); i++) {
		mock = mock_make(test, 1024);
		mock->mags.ops = &sorting_ops;
		sorted = mock;
		migrate_disable();
		/* Of the CPU's own node, and of another one. */
		sorted_node = (numa_mem_id() + i % 2) % nr_node_ids;
		nr = take(mock, objs, 200);
		in_sorting = changes[i / 2].change;
		while (nr && in_sorting)
			mock_free(mock, objs[--nr], 2);
		migrate_enable();
		KUNIT_EXPECT_NULL_MSG(test, in_sorting, "nothing was sorted");
		KUNIT_EXPECT_LE_MSG(test, quarry_mags_nr_cached(&mock->mags), changes[i / 2].most,
				    "round %u", i);
		expect_balance(test, mock, nr);
		give(mock, objs, nr);
		expect_balance(test, mock, 0);
		in_sorting = NULL;
	}
}

static struct kunit_case magazine_cases[] = {
	KUNIT_CASE(changed_while_in_hand),
	KUNIT_CASE(changed_while_sorted),
	KUNIT_CASE(last_freed_comes_first),
	KUNIT_CASE(unused_front_holds_nothing),
	KUNIT_CASE(counters_add_up),
	KUNIT_CASE(no_thrashing_at_a_boundary),
	KUNIT_CASE(depot_keeps_what_is_freed),
	KUNIT_CASE(depot_is_bounded),
	KUNIT_CASE(no_free_pays_for_many),
	KUNIT_CASE(shrink_while_objects_are_held),
	KUNIT_CASE(dry_below_gives_null),
	KUNIT_CASE(capacity_grows_to_its_bound),
	KUNIT_CASE(interrupt_races_with_task),
	KUNIT_CASE(interrupt_races_with_shrink),
	KUNIT_CASE(remote_drain_races_with_users),
	{}
};

struct kunit_suite quarry_magazine_suite = {
	.name = "quarry_magazine",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = magazine_cases,
};
