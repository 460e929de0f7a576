// SPDX-License-Identifier: GPL-2.0
/*
 * Fault injection: decides which attempts fail.
 *
 *	/sys/kernel/debug/quarry/fault/<point>/<knob>
 *	    extent descriptor magazine front cache chunk heap ring
 *	        probability interval times space verbose
 *
 * The kernel's own injector has the same knobs (struct fault_attr), but stock
 * kernels are built without it.  An attempt fails if it passes all of these, in
 * this order, which is the kernel's:
 *
 *	probability > 0 ─> times != 0 ─> space used up ─> interval-th such ─> the die
 *
 * times then goes down by one.  Left out: task-filter, stacktrace and the address
 * range that goes with it.  Different: times bounds the failures exactly, also
 * with many CPUs at once; space is in bytes everywhere; a bad value is refused.
 *
 * A test goes another way (quarry_fault_test_*): it counts the attempts of its
 * own task and says which of them fail, so that a scenario can be repeated with
 * each attempt failing in turn.
 *
 * The static key is on while a probability is not 0 or a test is under way.
 *
 * Locking: knobs_mutex around a change of a knob and of the static key, which
 * takes cpu_hotplug_lock; no hotplug callback takes the mutex.  Deciding takes
 * no lock: each knob is an atomic of its own, and a test's numbers are only
 * touched by its task.  The die is a counter put through a hash, not the
 * kernel's, whose lock may sleep on PREEMPT_RT.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "fault.h"
#include "internal.h"

DEFINE_STATIC_KEY_FALSE(quarry_fault_key);

static const char * const point_names[] = {
	[QUARRY_FAULT_EXTENT] = "extent",
	[QUARRY_FAULT_DESCRIPTOR] = "descriptor",
	[QUARRY_FAULT_MAGAZINE] = "magazine",
	[QUARRY_FAULT_FRONT] = "front",
	[QUARRY_FAULT_CACHE] = "cache",
	[QUARRY_FAULT_CHUNK] = "chunk",
	[QUARRY_FAULT_HEAP] = "heap",
	[QUARRY_FAULT_RING] = "ring",
};

static_assert(ARRAY_SIZE(point_names) == QUARRY_FAULT_NR_POINTS);

static const struct {
	const char *name;
	long min, max;
} knob_infos[] = {
	[QUARRY_FAULT_PROBABILITY] = { "probability", 0, 100 },
	[QUARRY_FAULT_INTERVAL] = { "interval", 1, INT_MAX },
	[QUARRY_FAULT_TIMES] = { "times", -1, INT_MAX },
	[QUARRY_FAULT_SPACE] = { "space", 0, INT_MAX },
	[QUARRY_FAULT_VERBOSE] = { "verbose", 0, 2 },
};

static_assert(ARRAY_SIZE(knob_infos) == QUARRY_FAULT_NR_KNOBS);

/* Changed under knobs_mutex and, times and space, by who decides.  Defaults: the kernel's. */
static atomic_long_t knobs[QUARRY_FAULT_NR_POINTS][QUARRY_FAULT_NR_KNOBS] = {
	[0 ... QUARRY_FAULT_NR_POINTS - 1] = {
		[QUARRY_FAULT_PROBABILITY] = ATOMIC_LONG_INIT(0),
		[QUARRY_FAULT_INTERVAL] = ATOMIC_LONG_INIT(1),
		[QUARRY_FAULT_TIMES] = ATOMIC_LONG_INIT(1),
		[QUARRY_FAULT_SPACE] = ATOMIC_LONG_INIT(0),
		[QUARRY_FAULT_VERBOSE] = ATOMIC_LONG_INIT(2),
	},
};

static DEFINE_MUTEX(knobs_mutex);
static atomic_long_t nr_candidates[QUARRY_FAULT_NR_POINTS];	/* what interval counts */
static atomic64_t die;

/* === Deciding === */

/* 0 to 99; the next one of splitmix64 (Steele, Lea and Flood 2014). */
static unsigned int roll(atomic64_t *state)
{
	u64 x = atomic64_add_return(0x9e3779b97f4a7c15ULL, state);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return (u32)(x >> 32) % 100;
}

/* Is there space left?  Then it pays for @size. */
static bool pay(atomic_long_t *space, size_t size)
{
	long old = atomic_long_read(space);

	while (old > 0 && old > size)
		if (atomic_long_try_cmpxchg(space, &old, old - size))
			return true;
	return false;
}

/* Take one of the failures that are still to come. */
static bool take_one(atomic_long_t *times)
{
	long old = atomic_long_read(times);

	while (old > 0)
		if (atomic_long_try_cmpxchg(times, &old, old - 1))
			return true;
	return old;
}

static void tell(enum quarry_fault_point point, size_t size)
{
	long verbose = quarry_fault_get(point, QUARRY_FAULT_VERBOSE);

	if (verbose)
		pr_notice("fault injection: %s of %zu bytes fails\n", point_names[point], size);
	if (verbose > 1)
		dump_stack();
}

static bool decide_by_knobs(enum quarry_fault_point point, size_t size)
{
	atomic_long_t *knob = knobs[point];
	long probability = atomic_long_read(&knob[QUARRY_FAULT_PROBABILITY]);
	long interval = atomic_long_read(&knob[QUARRY_FAULT_INTERVAL]);

	if (!probability || !atomic_long_read(&knob[QUARRY_FAULT_TIMES]))
		return false;
	if (pay(&knob[QUARRY_FAULT_SPACE], size))
		return false;
	if (interval > 1 && atomic_long_inc_return(&nr_candidates[point]) % interval)
		return false;
	if (probability <= roll(&die) || !take_one(&knob[QUARRY_FAULT_TIMES]))
		return false;
	tell(point, size);
	return true;
}

/* === Tests === */

/* All but @task is only touched by that task, outside of interrupts. */
static struct {
	struct task_struct *task;	/* set and cleared under knobs_mutex */
	enum quarry_fault_point point;
	unsigned long first, nr;	/* ordinals of attempts */
	unsigned int percent;		/* not 0: instead of these */
	atomic64_t die;
	unsigned long nr_attempts[QUARRY_FAULT_NR_POINTS + 1];	/* last: all */
	unsigned long nr_injected;
} test;

static bool decide_by_test(enum quarry_fault_point point)
{
	unsigned long nth;
	bool fail;

	test.nr_attempts[point]++;
	test.nr_attempts[QUARRY_FAULT_ANY]++;
	nth = test.nr_attempts[test.point];
	if (test.percent)
		fail = roll(&test.die) < test.percent;
	else
		fail = (test.point == point || test.point == QUARRY_FAULT_ANY) &&
		       nth >= test.first && nth - test.first < test.nr;
	test.nr_injected += fail;
	return fail;
}

noinline bool quarry_fault_decide(enum quarry_fault_point point, size_t size)
{
	if (unlikely(in_task() && READ_ONCE(test.task) == current))
		return decide_by_test(point);
	return decide_by_knobs(point, size);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_fault_decide);

void quarry_fault_test_arm(enum quarry_fault_point point, unsigned long first, unsigned long nr)
{
	if (QUARRY_WARN_ON(test.task != current))
		return;
	test.point = point;
	test.first = first;
	test.nr = nr;
	test.percent = 0;
	memset(test.nr_attempts, 0, sizeof(test.nr_attempts));
	test.nr_injected = 0;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_fault_test_arm);

void quarry_fault_test_arm_random(unsigned int percent, u64 seed)
{
	quarry_fault_test_arm(QUARRY_FAULT_ANY, 0, 0);
	atomic64_set(&test.die, seed);
	test.percent = percent;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_fault_test_arm_random);

unsigned long quarry_fault_test_nr_attempts(enum quarry_fault_point point)
{
	return test.nr_attempts[point];
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_fault_test_nr_attempts);

unsigned long quarry_fault_test_nr_injected(void)
{
	return test.nr_injected;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_fault_test_nr_injected);

int quarry_fault_test_begin(void)
{
	int ret = -EBUSY;

	mutex_lock(&knobs_mutex);
	if (!test.task) {
		WRITE_ONCE(test.task, current);
		quarry_fault_test_arm(QUARRY_FAULT_ANY, 0, 0);
		static_branch_inc(&quarry_fault_key);
		ret = 0;
	}
	mutex_unlock(&knobs_mutex);
	return ret;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_fault_test_begin);

void quarry_fault_test_end(void)
{
	mutex_lock(&knobs_mutex);
	if (test.task) {
		static_branch_dec(&quarry_fault_key);
		WRITE_ONCE(test.task, NULL);
	}
	mutex_unlock(&knobs_mutex);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_fault_test_end);

/* === Knobs === */

bool quarry_fault_is_on(void)
{
	return static_key_enabled(&quarry_fault_key);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_fault_is_on);

const char *quarry_fault_point_name(enum quarry_fault_point point)
{
	return point_names[point];
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_fault_point_name);

long quarry_fault_get(enum quarry_fault_point point, enum quarry_fault_knob knob)
{
	return atomic_long_read(&knobs[point][knob]);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_fault_get);

static void switch_key(bool was_on, bool on)
{
	lockdep_assert_held(&knobs_mutex);
	if (on && !was_on)
		static_branch_inc(&quarry_fault_key);
	else if (was_on && !on)
		static_branch_dec(&quarry_fault_key);
}

int quarry_fault_set(enum quarry_fault_point point, enum quarry_fault_knob knob,
		     const char *text)
{
	long value, old;

	if (kstrtol(text, 0, &value) || value < knob_infos[knob].min ||
	    value > knob_infos[knob].max) {
		quarry_report("fault/%s/%s has to be a number from %ld to %ld, stays %ld\n",
			      point_names[point], knob_infos[knob].name, knob_infos[knob].min,
			      knob_infos[knob].max, quarry_fault_get(point, knob));
		return -EINVAL;
	}
	mutex_lock(&knobs_mutex);
	old = atomic_long_xchg(&knobs[point][knob], value);
	if (knob == QUARRY_FAULT_PROBABILITY)
		switch_key(old, value);
	mutex_unlock(&knobs_mutex);
	return 0;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_fault_set);

/* === Files; what they belong to is the place of their knob === */

static ssize_t knob_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	atomic_long_t *knob = file->private_data;
	char text[24];

	snprintf(text, sizeof(text), "%ld\n", atomic_long_read(knob));
	return simple_read_from_buffer(to, len, pos, text, strlen(text));
}

static ssize_t knob_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	atomic_long_t *knob = file->private_data;
	size_t index = knob - &knobs[0][0], used = min_t(size_t, len, 31);
	char text[32];
	int ret;

	if (copy_from_user(text, from, used))
		return -EFAULT;
	text[used] = '\0';
	/* Too long, or with a NUL inside: no number. */
	if (strlen(text) != len)
		text[0] = '\0';
	ret = quarry_fault_set(index / QUARRY_FAULT_NR_KNOBS, index % QUARRY_FAULT_NR_KNOBS, text);
	return ret ?: len;
}

static const struct file_operations knob_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = knob_read,
	.write = knob_write,
	.llseek = default_llseek,
};

void quarry_fault_debugfs_add(struct dentry *root)
{
	struct dentry *top = debugfs_create_dir("fault", root), *dir;
	unsigned int point, knob;

	atomic64_set(&die, get_random_u64());
	for (point = 0; point < QUARRY_FAULT_NR_POINTS; point++) {
		dir = debugfs_create_dir(point_names[point], top);
		for (knob = 0; knob < QUARRY_FAULT_NR_KNOBS; knob++)
			debugfs_create_file(knob_infos[knob].name, 0600, dir, &knobs[point][knob],
					    &knob_fops);
	}
}
