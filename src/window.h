/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The window: kernel addresses of our own, behind which pages come and go.
 */
#ifndef _QUARRY_WINDOW_H
#define _QUARRY_WINDOW_H

#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/types.h>

#define QUARRY_WINDOW_BYTES	SZ_64M
#define QUARRY_WINDOW_PAGES	(QUARRY_WINDOW_BYTES >> PAGE_SHIFT)

extern unsigned long quarry_window;	/* where it starts; 0: there is none, or not yet */

/* Does @addr, any value at all, point into the window?  Any context. */
static inline bool quarry_window_has(const void *addr)
{
	/* Pairs with smp_store_release() in who makes it. */
	unsigned long start = smp_load_acquire(&quarry_window);

	return start && (unsigned long)addr - start < QUARRY_WINDOW_BYTES;
}

/* Can a module do this here? */
bool quarry_window_possible(void);

/*
 * Take a range of addresses, with a page table, with nothing mapped: where it starts.
 * -EOPNOTSUPP if it is not possible after all.  Process context, sleeps.
 */
int quarry_window_create(unsigned long *start);
void quarry_window_destroy(unsigned long start);

/* Map @nr_pages pages at @direct, of the direct map.  Nothing is mapped at @addr.  Any context. */
void quarry_window_map(unsigned long addr, const void *direct, unsigned long nr_pages);
/* Undo that; TLBs still have it until they are flushed.  Any context. */
void quarry_window_unmap(unsigned long addr, unsigned long nr_pages);
/* This CPU's is.  Any context. */
void quarry_window_flush_here(void);
/* All are.  Process context. */
void quarry_window_flush(void);

#endif /* _QUARRY_WINDOW_H */
