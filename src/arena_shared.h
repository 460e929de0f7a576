/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared arenas: what stands behind struct quarry_arena_shared.
 */
#ifndef _QUARRY_SRC_ARENA_SHARED_H
#define _QUARRY_SRC_ARENA_SHARED_H

#include <linux/atomic.h>
#include <linux/llist.h>

#include <quarry/arena_shared.h>

#include "arena.h"

/* The last bytes of each chunk but the first; of these nobody hands out any. */
struct quarry_shared_chunk {
	struct llist_node node;
	unsigned long size;		/* bytes, with this */
};

/* In its first chunk. */
struct quarry_arena_shared_priv {
	struct quarry_arena_shared shared;	/* first: public part */
	/*
	 * What it has in common with other arenas: heap, name, site, kind, limit, chunk_max,
	 * nr_resets, its place in the list.
	 */
	struct quarry_arena_priv base;
	struct llist_head chunks;	/* all but the first */
	atomic_long_t held;		/* bytes of all chunks */
	atomic_long_t held_peak;
	atomic_long_t nr_chunks;
	/* bytes handed out of chunks that no CPU is in, and alone; less the first one's head */
	atomic_long_t used;
};

static inline struct quarry_arena_shared_priv *
quarry_to_shared(const struct quarry_arena_shared *arena)
{
	return container_of(arena, struct quarry_arena_shared_priv, shared);
}

static inline struct quarry_arena_shared_priv *
quarry_base_to_shared(const struct quarry_arena_priv *a)
{
	return container_of(a, struct quarry_arena_shared_priv, base);
}

/* Of one that is_shared; any context.  Bytes handed out. */
u64 quarry_arena_shared_used(const struct quarry_arena_priv *a);
void quarry_arena_shared_read_stats(const struct quarry_arena_priv *a,
				    struct quarry_arena_stats *stats);

#endif /* _QUARRY_SRC_ARENA_SHARED_H */
