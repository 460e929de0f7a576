/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The worker that keeps free pages at hand for callers that may not wait.
 */
#ifndef _QUARRY_REFILL_H
#define _QUARRY_REFILL_H

#include <linux/workqueue.h>

#include "pages.h"

struct quarry_refill {
	struct quarry_pages *pages;	/* constant */
	struct work_struct work;
	unsigned long not_before;	/* jiffies; read and written whole */
	unsigned long stopped;		/* bit 0: queue nothing more */
};

void quarry_refill_init(struct quarry_refill *refill, struct quarry_pages *pages);
/* Wait for what has been asked for until now.  Process context. */
void quarry_refill_flush(struct quarry_refill *refill);
/* From here on nothing runs. */
void quarry_refill_stop(struct quarry_refill *refill);

/* Free pages are below the watermark.  Any context but NMI. */
void quarry_refill_wake(struct quarry_refill *refill);

#endif /* _QUARRY_REFILL_H */
