// SPDX-License-Identifier: GPL-2.0
/*
 * Chunks: what arenas take from their heap and give back to it.
 *
 * A chunk is a run, counted apart from those in the hands of users.  While an arena has it
 * the owner entries of all its pages lead to the arena; for the way back it becomes
 * a run again.
 *
 * Locking: that of the runs.
 */
#include <linux/mm.h>
#include <linux/string.h>

#include "chunk.h"
#include "fault.h"
#include "internal.h"

void *quarry_chunk_get(struct quarry_heap_priv *hp, enum quarry_kind kind, unsigned long nr_pages,
		       gfp_t gfp)
{
	struct quarry_pages_want want = quarry_pages_want(nr_pages, kind, gfp);
	void *chunk;

	if (quarry_fault(QUARRY_FAULT_CHUNK, nr_pages << PAGE_SHIFT))
		return NULL;
	chunk = quarry_run_alloc(&hp->runs, &want);
	if (chunk)
		atomic_long_add(nr_pages, &hp->arena_pages);
	return chunk;
}

void quarry_chunk_set_owner(const void *chunk, unsigned long nr_pages, unsigned long owner)
{
	quarry_pagemap_set(PHYS_PFN(__pa(chunk)), nr_pages, owner);
}

void quarry_chunk_put_as_is(struct quarry_heap_priv *hp, enum quarry_kind kind, void *chunk,
			    unsigned long nr_pages)
{
	struct quarry_extent *ext = NULL;
	unsigned long owner;

	atomic_long_sub(nr_pages, &hp->arena_pages);
	quarry_chunk_set_owner(chunk, nr_pages, QUARRY_OWNER_NONE);
	owner = quarry_run_mark(&hp->runs, chunk, nr_pages, kind);
	/* A front does not need it, and an NMI may not search. */
	if (!quarry_owner_to_front(owner))
		/* Somebody may have written to private meanwhile; giving back will tell. */
		ext = quarry_extent_find(chunk) ?: quarry_pages_search(&hp->pages, chunk);
	preempt_disable();
	QUARRY_WARN_ON(quarry_run_free(&hp->runs, ext, chunk, owner));
	preempt_enable();
}

void quarry_chunk_put(struct quarry_heap_priv *hp, enum quarry_kind kind, void *chunk,
		      unsigned long nr_pages)
{
	if (want_init_on_free())
		memset(chunk, 0, nr_pages << PAGE_SHIFT);
	quarry_chunk_put_as_is(hp, kind, chunk, nr_pages);
}
