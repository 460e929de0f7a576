/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arenas: what stands behind struct quarry_arena.
 */
#ifndef _QUARRY_SRC_ARENA_H
#define _QUARRY_SRC_ARENA_H

#include <linux/list.h>
#include <linux/types.h>

#include <quarry/arena.h>

#include "heap.h"

/* Head of each chunk; what follows is bumped through. */
struct quarry_chunk {
	struct quarry_chunk *next;	/* newest first; the first chunk is last */
	unsigned long nr_pages;
};

struct quarry_arena_priv {
	struct quarry_arena arena;	/* first: public part */
	/* all of this belongs to the owner, but node */
	struct quarry_heap_priv *hp;	/* NULL: a reader's marker in the list */
	const char *name;
	const struct quarry_site *site;	/* birthplace */
	enum quarry_kind kind;
	unsigned long chunk_max;	/* pages */
	unsigned long next_pages;	/* of the next chunk */
	u64 limit;			/* bytes, 0: none */
	struct quarry_chunk *chunks;
	unsigned long start;		/* of the current chunk's space */
	u64 used_before;		/* bytes handed out of chunks before this one */
	u64 held;			/* bytes */
	u64 held_peak;
	unsigned long nr_chunks;
	unsigned long nr_resets;
	struct list_head node;		/* under hp->arenas_lock */
};

/* A row of debugfs; numbers of a busy arena are from different moments. */
struct quarry_arena_row {
	char name[QUARRY_NAME_SIZE];
	char file[QUARRY_NAME_SIZE];
	unsigned int line;
	struct quarry_arena_stats stats;
	u64 limit;
};

/*
 * Call @fn for every arena of a heap, without a lock held.  Process context.
 * Arenas that come or go meanwhile may be missed.
 */
void quarry_arenas_walk(struct quarry_heap_priv *hp,
			void (*fn)(const struct quarry_arena_row *row, void *arg), void *arg);

#endif /* _QUARRY_SRC_ARENA_H */
