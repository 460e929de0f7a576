/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fixed-size allocator for the descriptors of one heap.
 */
#ifndef _QUARRY_META_H
#define _QUARRY_META_H

#include <linux/spinlock.h>
#include <linux/types.h>

struct quarry_backing;

/* Buckets of 64 to 2048 bytes; what is larger takes whole pages. */
#define QUARRY_META_NR_BUCKETS	7
#define QUARRY_META_MAX_BUCKET	2048UL

struct quarry_meta {
	raw_spinlock_t lock;
	void *free[QUARRY_META_NR_BUCKETS];	/* under lock: chains of free objects */
	struct page *pages;			/* under lock: chain of bucket pages */
	unsigned long nr_pages;			/* under lock: held, large ones included */
	unsigned long nr_live;			/* under lock: objects handed out */
	int node;
	struct quarry_backing *backing;		/* constant: instead of the kernel, or NULL */
};

/* @backing: where pages come from, NULL for the kernel. */
void quarry_meta_init(struct quarry_meta *meta, int node, struct quarry_backing *backing);
/* All objects must have been freed; reports if not.  Gives every page back. */
void quarry_meta_fini(struct quarry_meta *meta);
/* Zeroed; NULL if there is no memory.  Any context but NMI; sleeps only if @gfp allows it. */
void *quarry_meta_alloc(struct quarry_meta *meta, size_t size, gfp_t gfp);
/* @size as at allocation.  Any context but NMI. */
void quarry_meta_free(struct quarry_meta *meta, void *obj, size_t size);

#endif /* _QUARRY_META_H */
