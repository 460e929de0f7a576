/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault injection: places inside that can be made to fail.
 *
 * A place asks quarry_fault() before it takes memory from somebody and acts as
 * if there were none if that says so.  All places are on slow paths; each costs
 * a patched-out jump as long as nothing is to fail.
 */
#ifndef _QUARRY_FAULT_H
#define _QUARRY_FAULT_H

#include <linux/jump_label.h>
#include <linux/types.h>

struct dentry;

/* What may fail; fault.c has the names. */
enum quarry_fault_point {
	QUARRY_FAULT_EXTENT,		/* pages and index of an extent */
	QUARRY_FAULT_DESCRIPTOR,	/* anything from the metadata allocator */
	QUARRY_FAULT_MAGAZINE,		/* an empty magazine, not from a depot */
	QUARRY_FAULT_FRONT,		/* depots and per-CPU area of a front */
	QUARRY_FAULT_CACHE,		/* struct of a cache or size class */
	QUARRY_FAULT_CHUNK,		/* chunk of an arena or a pool; a shared one's words */
	QUARRY_FAULT_HEAP,		/* struct of a heap */
	QUARRY_FAULT_RING,		/* ring, its buffer, its counters */
	QUARRY_FAULT_NR_POINTS
};

/* Files of each point, named and meant as those of the kernel's fault_attr. */
enum quarry_fault_knob {
	QUARRY_FAULT_PROBABILITY,	/* percent; 0: off */
	QUARRY_FAULT_INTERVAL,		/* only each such attempt may fail */
	QUARRY_FAULT_TIMES,		/* failures still to come; -1: no limit */
	QUARRY_FAULT_SPACE,		/* bytes to be had before the first failure */
	QUARRY_FAULT_VERBOSE,		/* per failure 0: nothing, 1: a line, 2: and the stack */
	QUARRY_FAULT_NR_KNOBS
};

DECLARE_STATIC_KEY_FALSE(quarry_fault_key);

bool quarry_fault_decide(enum quarry_fault_point point, size_t size);

/* Shall this attempt to get @size bytes fail?  Any context. */
static inline bool quarry_fault(enum quarry_fault_point point, size_t size)
{
	return static_branch_unlikely(&quarry_fault_key) && quarry_fault_decide(point, size);
}

/* The directory fault/ in @root, which may be an error. */
void quarry_fault_debugfs_add(struct dentry *root);

/* Is anything asked at all? */
bool quarry_fault_is_on(void);
const char *quarry_fault_point_name(enum quarry_fault_point point);
long quarry_fault_get(enum quarry_fault_point point, enum quarry_fault_knob knob);
/*
 * What a write to a file does: 0, or -EINVAL after a report, nothing changed.
 * Process context, sleeps; takes cpu_hotplug_lock.
 */
int quarry_fault_set(enum quarry_fault_point point, enum quarry_fault_knob knob,
		     const char *text);

/*
 * For tests.  From begin to end the knobs do not count for the current task but
 * what was armed last does; interrupts and other tasks are not concerned.
 * Attempts are counted from the last arming, also if none is to fail.
 */
#define QUARRY_FAULT_ANY	QUARRY_FAULT_NR_POINTS

/* -EBUSY if another task is at it.  Both sleep and take cpu_hotplug_lock. */
int quarry_fault_test_begin(void);
void quarry_fault_test_end(void);
/* Fail @nr attempts at @point (or any), from the @first on, counted from 1. */
void quarry_fault_test_arm(enum quarry_fault_point point, unsigned long first, unsigned long nr);
/* Fail @percent of all attempts; the same ones for the same @seed. */
void quarry_fault_test_arm_random(unsigned int percent, u64 seed);
unsigned long quarry_fault_test_nr_attempts(enum quarry_fault_point point);
unsigned long quarry_fault_test_nr_injected(void);

#endif /* _QUARRY_FAULT_H */
