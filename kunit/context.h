/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Running a function in a context of the kernel, on a CPU.
 */
#ifndef _QUARRY_KUNIT_CONTEXT_H
#define _QUARRY_KUNIT_CONTEXT_H

#include <linux/types.h>

enum quarry_test_context {
	QUARRY_IN_TASK,
	QUARRY_IN_SOFTIRQ,	/* a timer */
	QUARRY_IN_HARDIRQ,	/* an hrtimer */
	QUARRY_IN_NMI,		/* an interrupt of that kind that the test sends */
	QUARRY_NR_CONTEXTS,
};

extern const char * const quarry_test_context_names[QUARRY_NR_CONTEXTS];

/* Can the test get there on this machine? */
bool quarry_test_context_exists(enum quarry_test_context context);

/* Run @fn there once and wait for its end; false if it did not come to that. */
bool quarry_test_run_in(enum quarry_test_context context, unsigned int cpu,
			void (*fn)(void *arg), void *arg);

/*
 * NMIs as such, between _begin() and _end(): @fn is called by each on its CPU.  -ENODEV where
 * there are none.  _send() returns at once, and sends none to a CPU that has one coming.
 */
int quarry_test_nmi_begin(void (*fn)(void *arg), void *arg);
void quarry_test_nmi_send(unsigned int cpu);
void quarry_test_nmi_end(void);

#endif /* _QUARRY_KUNIT_CONTEXT_H */
