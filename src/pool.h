/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pools: what stands behind struct quarry_pool.
 */
#ifndef _QUARRY_SRC_POOL_H
#define _QUARRY_SRC_POOL_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/reciprocal_div.h>
#include <linux/types.h>

#include <quarry/pool.h>

#include "heap.h"

/* A chunk that was grown is one of these. */
#define QUARRY_POOL_NR_GROWN	64

/* In link->next, besides the number of an object. */
#define QUARRY_POOL_END		U32_MAX		/* free, the last of its stack */
#define QUARRY_POOL_OUT		(U32_MAX - 1)	/* taken */
#define QUARRY_POOL_GIVEN	(U32_MAX - 2)	/* its free is under way */

/* What is known of one object. */
struct quarry_pool_link {
	u32 next;			/* number of the free one below it, or one of the above */
	u32 below;			/* how many are below it */
};

/* Objects in one run of pages. */
struct quarry_pool_chunk {
	struct quarry_pool *pool;	/* constant, as all of it */
	void *base;
	unsigned long nr_pages;
	u32 first;			/* number of its first object */
	u32 nr;
	size_t desc_size;		/* bytes of this */
	struct quarry_pool_link links[];
};

/* Free objects. */
struct quarry_pool_stack {
	atomic64_t head;		/* number of the topmost; above 32 bits, of the change */
	u32 mark;			/* fewer than this: the peak may be a new one */
	u32 few;			/* fewer than this: fewer than low may be free */
} ____cacheline_aligned_in_smp;

struct quarry_pool {
	/* constant */
	struct quarry_pool_stack *stacks;	/* nr_shards, then one per slot */
	struct quarry_pool_chunk **chunks;	/* nr_base, then one per slot */
	unsigned int nr_shards;			/* a power of two */
	unsigned int nr_slots;			/* of chunks that may be grown */
	unsigned int nr_base;
	unsigned int shift;			/* object number: chunk, object of it */
	unsigned int per_chunk;			/* objects; of the last one, fewer */
	unsigned int stride;			/* bytes */
	struct reciprocal_value reciprocal;	/* of the stride */
	unsigned int count;
	unsigned int max;
	unsigned int low;			/* grow ahead when fewer are free; 0: never */
	void (*reset)(void *obj);		/* NULL once its module is gone */
	/* seldom written, on the slow paths */
	atomic_long_t total ____cacheline_aligned_in_smp;	/* objects */
	unsigned long peak;			/* by who has QUARRY_POOL_NOTING */
	unsigned long flags;			/* bits, see below */
	atomic_long_t misses;
	atomic_long_t grown;
	atomic_long_t shrunk;
	DECLARE_BITMAP(slots, QUARRY_POOL_NR_GROWN);	/* in use, or about to be */
	DECLARE_BITMAP(empty, QUARRY_POOL_NR_GROWN);	/* under hp->mutex: about to go */
	struct llist_node growing;		/* of deferrals */
	unsigned long not_before;		/* jiffies: when to grow ahead again */
	void (*ctor)(void *obj);
	struct quarry_heap_priv *hp;		/* constant, as the next three */
	size_t size;
	enum quarry_kind kind;
	char name[QUARRY_NAME_SIZE];
	const struct quarry_site *site;		/* under hp->mutex: birthplace */
	struct list_head node;			/* under hp->mutex */
};

/* Bits of pool->flags. */
enum {
	QUARRY_POOL_NOTING,		/* somebody sets the marks */
	QUARRY_POOL_DEFERRED,		/* a worker was asked, ever */
	QUARRY_POOL_DEAD,		/* the constructor is gone: no growth */
};

static inline struct quarry_pool_chunk *quarry_pool_chunk_of(const struct quarry_pool *pool, u32 nr)
{
	/* Pairs with smp_store_release() in grow(). */
	return smp_load_acquire(&pool->chunks[nr >> pool->shift]);
}

static inline struct quarry_pool_link *quarry_pool_link(const struct quarry_pool *pool, u32 nr)
{
	struct quarry_pool_chunk *chunk = quarry_pool_chunk_of(pool, nr);

	return &chunk->links[nr - chunk->first];
}

static inline unsigned int quarry_pool_nr_stacks(const struct quarry_pool *pool)
{
	return pool->nr_shards + pool->nr_slots;
}

/* === pool.c === */

/* Object @nr, which is in no stack, becomes the topmost of one.  Preemption is off. */
void quarry_pool_push(struct quarry_pool *pool, struct quarry_pool_stack *stack, u32 nr);
/*
 * A stack that has @nr objects, and all of a chunk has, is empty: true, and they are the
 * caller's.  Preemption is off.
 */
bool quarry_pool_claim(struct quarry_pool *pool, struct quarry_pool_stack *stack, u32 nr);
/* How many are free; false if that changed meanwhile and is a guess. */
bool quarry_pool_count_free(struct quarry_pool *pool, unsigned long *nr);
/* Sets the marks for few, or asks for growth if it is few.  Any context. */
void quarry_pool_note_few(struct quarry_pool *pool);
/* Pops one, or NULL; counts no miss, asks for nothing. */
void *quarry_pool_try(struct quarry_pool *pool);

/* === pool_grow.c; see also heap.h === */

/*
 * One more chunk: 0, -ENOSPC if that is all, -EAGAIN if others were faster, -ENOMEM.
 * Process context.
 */
int quarry_pool_grow(struct quarry_pool *pool, gfp_t gfp);
/* Would the next one do anything?  Not if there was no memory a moment ago. */
bool quarry_pool_may_request(const struct quarry_pool *pool);
/* Have a worker do that.  Any context. */
void quarry_pool_request(struct quarry_pool *pool);

/* === pool_look.c === */

/* Pages that its objects are in; hp->mutex held. */
unsigned long quarry_pool_nr_pages(struct quarry_pool *pool);

#endif /* _QUARRY_SRC_POOL_H */
