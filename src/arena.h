/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arenas: what stands behind struct quarry_arena.
 */
#ifndef _QUARRY_SRC_ARENA_H
#define _QUARRY_SRC_ARENA_H

#include <linux/instruction_pointer.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/types.h>

#include <quarry/arena.h>

#include "heap.h"

/* Head of each chunk; what follows is bumped through. */
struct quarry_chunk {
	struct quarry_chunk *next;
	unsigned long size;		/* bytes, with this */
};

/* Something to be called at reset; in memory of the arena. */
struct quarry_arena_cleanup {
	struct quarry_arena_cleanup *next;	/* older */
	void (*fn)(void *arg);		/* NULL: its module has gone */
	void *arg;
};

/* Under hp->arenas_lock. */
struct quarry_arena_link {
	struct list_head node;
	bool is_marker;			/* of a walk */
};

/* What arenas of frames do with the heap; the owner's, as the arenas are. */
struct quarry_arena_watch {
	u64 nr_below;			/* chunks asked for or given back */
	u64 nr_disturbed;		/* of these, asked for when it was quiet */
	unsigned int quiet;		/* scopes: chunks asked for are reported */
	const struct quarry_site *asker;	/* of the allocation in progress, or NULL */
};

struct quarry_arena_priv {
	struct quarry_arena arena;	/* first: public part */
	/* all of this belongs to the owner, but link, refs, busy */
	struct quarry_heap_priv *hp;	/* NULL: a buffer that does not grow */
	char name[QUARRY_NAME_SIZE];	/* a copy: others read it without a lock */
	const struct quarry_site *site;	/* birthplace */
	enum quarry_kind kind;
	bool on_buffer;			/* the first chunk is the caller's */
	bool is_shared;			/* part of a shared one: see arena_shared.h */
	bool veiled;			/* constant: the inline path sees no free space */
	bool unmaps;			/* constant: see escape.c; the first chunk has no space */
	bool dying;			/* what goes does so for good */
	unsigned long self;		/* on a buffer: see is_alive() */
	unsigned long chunk_max;	/* bytes */
	u64 limit;			/* bytes, 0: none */
	/* chunks, oldest first; behind the current one are spare ones */
	struct quarry_chunk *first;
	struct quarry_chunk *current_chunk;
	struct quarry_chunk *last;
	struct quarry_chunk *pinned;	/* a spare one that somebody asked for, or NULL */
	struct quarry_chunk *alone;	/* of one request each, newest first */
	unsigned long start;		/* of the current chunk's space */
	unsigned long end;		/* of it; what the inline path sees may be 0 */
	u64 used_before;		/* bytes handed out of chunks before this one, and alone */
	u64 chain;			/* bytes of all chunks but those alone */
	u64 active;			/* of these, up to the current one */
	u64 keep;			/* of these, what resets leave */
	u64 held;			/* bytes of all chunks */
	u64 held_peak;
	u64 used_peak;			/* when bytes were last freed */
	u64 asked;			/* if checked: bytes that callers have asked for and have */
	unsigned long nr_chunks;
	unsigned long nr_resets;
	struct quarry_arena_watch *watch;	/* of frames, or NULL */
	/* arena_scope.c */
	u64 mark;			/* serial of the newest mark, 0: none */
	u64 last_mark;			/* the last serial given */
	struct quarry_arena_cleanup *cleanups;	/* newest first */
	struct quarry_arena_priv *parent;
	struct list_head children;	/* newest last */
	struct list_head sibling;
	refcount_t refs;
	struct rcu_head rcu;		/* once it is destroyed */
	/* arena_check.c */
	unsigned long busy;		/* return address of who is in a call, 0: nobody */
	unsigned int busy_where;	/* about where that is, for reports */
	struct quarry_arena_link link;	/* on a buffer, or shared: in hp->arenas */
};

static inline struct quarry_arena_priv *quarry_to_arena(struct quarry_arena *arena)
{
	return container_of(arena, struct quarry_arena_priv, arena);
}

static inline const char *quarry_arena_name(const struct quarry_arena_priv *a)
{
	return a->name[0] ? a->name : "(unnamed)";
}

/* The arena of an owner entry, or NULL if that is something else. */
static inline struct quarry_arena_priv *quarry_owner_to_arena(unsigned long owner)
{
	if ((owner & QUARRY_OWNER_MASK) != QUARRY_OWNER_CHUNK)
		return NULL;
	return (struct quarry_arena_priv *)(owner & ~(QUARRY_OWNER_MASK | QUARRY_OWNER_PINNED));
}

/* What of the chunk is free, and what the inline path shall see of it. */
static inline void quarry_arena_set_end(struct quarry_arena_priv *a, unsigned long end)
{
	a->end = end;
	a->arena.end = a->veiled ? 0 : end;
}

/* === arena_check.c === */

/* Parameter: arenas made from now on are checked. */
extern bool quarry_check_arenas;

bool __quarry_arena_enter(struct quarry_arena_priv *a, unsigned long caller);
void __quarry_arena_leave(struct quarry_arena_priv *a);

/*
 * Between these the arena is this call's alone; @caller is what _RET_IP_ says.  False, after a
 * report, if it is another's, or destroyed: then the call fails.  One that cannot goes on
 * if the arena is alive.
 */
static inline bool quarry_arena_enter(struct quarry_arena_priv *a, unsigned long caller)
{
	return likely(!a->veiled) || __quarry_arena_enter(a, caller);
}

static inline void quarry_arena_leave(struct quarry_arena_priv *a, bool entered)
{
	if (unlikely(a->veiled) && entered)
		__quarry_arena_leave(a);
}

/* === arena.c === */

/*
 * For KASAN: nobody may touch the rest of the current chunk's space, or all of it from @pos
 * of @chunk on; @code is of poison.h.
 */
void quarry_arena_hide_rest(struct quarry_arena_priv *a);
void quarry_arena_hide(struct quarry_arena_priv *a, const struct quarry_chunk *chunk,
		       unsigned long pos, u8 code);
/*
 * What was handed out from @from in @chunk on is stale: for init_on_free wiped (spare
 * chunks are clean), for KASAN hidden.
 */
void quarry_arena_wipe(struct quarry_arena_priv *a, struct quarry_chunk *chunk,
		       unsigned long from);
/* 0, or -EINVAL after a report. */
int quarry_arena_check_params(const struct quarry_arena_params *p);
/* @params have been checked. */
void quarry_arena_init(struct quarry_arena_priv *a, struct quarry_heap_priv *hp,
		       const struct quarry_arena_params *params, const struct quarry_site *site);
/* Is this nothing that an arena has?  Reported if nobody can mean it. */
bool quarry_arena_refuses(const struct quarry_arena_priv *a, size_t size, size_t align, gfp_t gfp);
/* Is there an arena at @a, or may be on a buffer?  Destroyed ones are asked about, too. */
bool quarry_arena_is_alive(const struct quarry_arena_priv *a);
/* quarry_arena_alloc_slow() of an arena that is alive, for who has entered. */
void *quarry_arena_take(struct quarry_arena_priv *a, size_t size, size_t align, gfp_t gfp);
/* quarry_arena_alloc_site() for who has entered. */
static inline void *quarry_arena_alloc_inside(struct quarry_arena_priv *a, size_t size,
					      size_t align, gfp_t gfp,
					      const struct quarry_site *site)
{
	if (likely(!a->veiled))
		return quarry_arena_alloc_site(&a->arena, size, align, gfp, site);
	might_alloc(gfp);
	return quarry_arena_take(a, size, align, gfp);
}

/* Before bytes are freed. */
void quarry_arena_note_peak(struct quarry_arena_priv *a);

/* All chunks go, and with them the arena.  It has no children or callbacks any more. */
void quarry_arena_free(struct quarry_arena_priv *a);
/* Spare chunks go until no more than @keep bytes are in the chain, or none is left. */
void quarry_arena_put_spare(struct quarry_arena_priv *a, u64 keep);
/* Those alone that are newer than @until, which is one of them or NULL. */
void quarry_arena_put_alone(struct quarry_arena_priv *a, const struct quarry_chunk *until);
/* By others than the owner this may be read between two stores; it is sane all the same. */
u64 quarry_arena_used(const struct quarry_arena_priv *a);
void quarry_arena_read_stats(const struct quarry_arena_priv *a, struct quarry_arena_stats *stats);

/* === arena_scope.c === */

/* Children, the newest first, then callbacks, as at reset and destroy, for @caller. */
void quarry_arena_unwind(struct quarry_arena_priv *a, unsigned long caller);

/* === arena_find.c === */

/*
 * Others than the owner may look at an arena of a heap's memory from pin to unpin, with
 * interrupts off, and for a bounded time: who destroys it waits for that.  False if there is
 * no such arena, whatever is there instead; in NMI also if it is pinned.
 */
bool quarry_arena_pin(struct quarry_arena_priv *a);
void quarry_arena_unpin(struct quarry_arena_priv *a);
/* It cannot be pinned any more, and is not. */
void quarry_arena_retire(struct quarry_arena_priv *a);

/* === arena_list.c === */

/* Of those on buffers, and shared ones. */
void quarry_arena_list_add(struct quarry_arena_priv *a);
void quarry_arena_list_del(struct quarry_arena_priv *a);

/* A row of debugfs; numbers of a busy arena are from different moments. */
struct quarry_arena_row {
	char name[QUARRY_NAME_SIZE];
	char file[QUARRY_NAME_SIZE];
	unsigned int line;
	struct quarry_arena_stats stats;
	u64 limit;
	bool is_shared;
	bool veiled;			/* stats.asked is exact */
};

/*
 * Call @fn for every arena of a heap, without a lock held.  Process context.
 * Arenas that come or go meanwhile may be missed.
 */
void quarry_arenas_walk(struct quarry_heap_priv *hp,
			void (*fn)(const struct quarry_arena_row *row, void *arg), void *arg);

#endif /* _QUARRY_SRC_ARENA_H */
