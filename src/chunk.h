/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Chunks: runs of pages that arenas hand out piece by piece.
 */
#ifndef _QUARRY_CHUNK_H
#define _QUARRY_CHUNK_H

#include "heap.h"

/* Counted as an arena's, but without an owner yet, or NULL.  As quarry_run_alloc(). */
void *quarry_chunk_get(struct quarry_heap_priv *hp, enum quarry_kind kind, unsigned long nr_pages,
		       gfp_t gfp);
/* All its pages lead to @owner. */
void quarry_chunk_set_owner(const void *chunk, unsigned long nr_pages, unsigned long owner);
/* Back to the heap, wiped with init_on_free.  In NMI only one that was got there. */
void quarry_chunk_put(struct quarry_heap_priv *hp, enum quarry_kind kind, void *chunk,
		      unsigned long nr_pages);
/* The same of one in which there is nothing to be wiped. */
void quarry_chunk_put_as_is(struct quarry_heap_priv *hp, enum quarry_kind kind, void *chunk,
			    unsigned long nr_pages);

#endif /* _QUARRY_CHUNK_H */
