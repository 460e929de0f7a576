/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Backing: a caller's own range of pages, instead of the kernel's allocator.
 */
#ifndef _QUARRY_BACKING_H
#define _QUARRY_BACKING_H

#include <linux/mm_types.h>
#include <linux/types.h>

struct quarry_backing;

/*
 * The @size bytes at @addr become ours: every page is frozen and its private word
 * is used until quarry_backing_destroy().  ERR_PTR(-EINVAL) after a report of @name
 * if the range cannot be had, with nothing changed; -ENOMEM.  Process context.
 */
struct quarry_backing *quarry_backing_create(const char *name, void *addr, u64 size);
/* All pages have been put back; refcounts become what they were.  NULL is fine. */
void quarry_backing_destroy(struct quarry_backing *backing);

/*
 * @nr_pages contiguous frozen pages, aligned to 2^@order pages, lowest address
 * first; or NULL.  Any context but NMI.
 */
struct page *quarry_backing_get(struct quarry_backing *backing, unsigned long nr_pages,
				unsigned int order);

/*
 * The same of 2^@order pages from the other end: for metadata, which stays for long
 * and shall not be in the way of large blocks.
 */
struct page *quarry_backing_get_high(struct quarry_backing *backing, unsigned int order);

/*
 * Takes back what quarry_backing_get() gave, with private 0.  Pages with a foreign
 * reference or value in private must have been reported and are kept out of use.
 */
void quarry_backing_put(struct quarry_backing *backing, struct page *page,
			unsigned long nr_pages);

unsigned long quarry_backing_nr_pages(const struct quarry_backing *backing);
unsigned long quarry_backing_nr_free(struct quarry_backing *backing);
int quarry_backing_node(const struct quarry_backing *backing);

/* Does kmemleak know nothing of these pages yet, so that we may tell it of ours? */
bool quarry_backing_is_untracked(const struct quarry_backing *backing);

#endif /* _QUARRY_BACKING_H */
