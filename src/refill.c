// SPDX-License-Identifier: GPL-2.0
/*
 * Refill: a worker per heap takes extents before callers that may not wait run out
 * of free pages.  How many shall be free is the page heap's business (pages_grow.c);
 * here is only when to look.
 *
 * Each allocation that leaves too few pages free wakes the worker.  When it cannot
 * get more (the limit, the soft limit, the kernel has none), it is not woken
 * again for a tenth of a second: a heap that is full does not spin.
 *
 * Locking: none; the worker calls the page heap without a lock.
 */
#include <linux/jiffies.h>

#include "internal.h"
#include "refill.h"

#define PAUSE	(HZ / 10)

static void refill_work(struct work_struct *work)
{
	struct quarry_refill *refill = container_of(work, struct quarry_refill, work);

	if (!quarry_pages_refill(refill->pages))
		WRITE_ONCE(refill->not_before, jiffies + PAUSE);
}

void quarry_refill_wake(struct quarry_refill *refill)
{
	if (!test_bit(0, &refill->stopped) &&
	    time_after_eq(jiffies, READ_ONCE(refill->not_before)))
		queue_work(system_unbound_wq, &refill->work);
}

void quarry_refill_init(struct quarry_refill *refill, struct quarry_pages *pages)
{
	refill->pages = pages;
	refill->not_before = jiffies;
	refill->stopped = 0;
	INIT_WORK(&refill->work, refill_work);
}

void quarry_refill_flush(struct quarry_refill *refill)
{
	flush_work(&refill->work);
}

void quarry_refill_stop(struct quarry_refill *refill)
{
	set_bit(0, &refill->stopped);
	cancel_work_sync(&refill->work);
}
