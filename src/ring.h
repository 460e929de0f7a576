/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rings: what stands behind struct quarry_ring.
 */
#ifndef _QUARRY_SRC_RING_H
#define _QUARRY_SRC_RING_H

#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/wait.h>

#include <quarry/ring.h>

#include "heap.h"

/* Head of a record, in the buffer.  Who writes beyond a message spoils @seq before @len. */
struct quarry_record {
	u32 seq;		/* position / 8, low bits: whose head this is */
	u32 len;		/* of what follows, and the two bits below */
	u8 data[];
};

#define QUARRY_RECORD_DISCARDED	BIT(31)
#define QUARRY_RECORD_PADDING	BIT(30)	/* up to the end of the buffer */
#define QUARRY_RECORD_LEN	(QUARRY_RECORD_PADDING - 1)
#define QUARRY_RECORD_SKIPPED	(QUARRY_RECORD_DISCARDED | QUARRY_RECORD_PADDING)
#define QUARRY_RECORD_ALIGN	8U

static_assert(sizeof(struct quarry_record) == QUARRY_RING_HEAD_SIZE);
static_assert(QUARRY_RING_MAX_SIZE / 2 <= QUARRY_RECORD_LEN);

/* In the tail: the consumer holds the oldest record. */
#define QUARRY_RING_HELD	1ULL

/* Per CPU, changed by single instructions from any context. */
struct quarry_ring_counts {
	u64 written;
	u64 written_bytes;
	u64 read;
	u64 dropped;
	u64 overwritten;
	u64 discarded;
};

struct quarry_ring {
	/* constant from here on */
	u8 *buf;
	u8 *marks;				/* one per 8 bytes of the buffer, see ring.c */
	u64 mask;				/* size of the buffer - 1 */
	unsigned int shift;			/* log2 of the size */
	u32 max_record;
	enum quarry_ring_mode mode;
	bool waitable;
	struct quarry_ring_counts __percpu *counts;
	struct quarry_heap_priv *hp;
	char name[QUARRY_NAME_SIZE];
	const struct quarry_site *site;		/* birthplace; under hp->mutex */
	struct list_head node;			/* under hp->mutex */
	struct irq_work work;
	wait_queue_head_t wait;
	/* Producers'. */
	atomic64_t head ____cacheline_aligned_in_smp;	/* where the next record starts */
	atomic64_t limit;			/* where records have to end, as last seen */
	/* The consumer's; in overwrite mode producers move it, too. */
	atomic64_t tail ____cacheline_aligned_in_smp;	/* of the oldest record */
	u64 held_end;				/* of the record that is held */
};

static inline struct quarry_record *quarry_ring_record_at(struct quarry_ring *ring, u64 pos)
{
	return (void *)(ring->buf + (pos & ring->mask));
}

/* Bytes of the buffer for a record of this length; its bits do not matter. */
static inline u64 quarry_ring_stride(u32 len)
{
	return ALIGN(sizeof(struct quarry_record) + (len & QUARRY_RECORD_LEN),
		     (u64)QUARRY_RECORD_ALIGN);
}

/* Marks of what is committed in the lap of @pos, 1 in the first; they start as 0. */
static inline u8 quarry_ring_mark_of(struct quarry_ring *ring, u64 pos)
{
	return ~(pos >> ring->shift) & 1;
}

static inline u8 *quarry_ring_mark_at(struct quarry_ring *ring, u64 pos)
{
	return &ring->marks[(pos & ring->mask) / QUARRY_RECORD_ALIGN];
}

/* Does a record start at @pos, and is it complete?  Also said of @pos plus two laps. */
static inline bool quarry_ring_is_committed(struct quarry_ring *ring, u64 pos)
{
	/* Pairs with smp_store_release() in mark_committed(). */
	return smp_load_acquire(quarry_ring_mark_at(ring, pos)) == quarry_ring_mark_of(ring, pos);
}

/* Wake who sleeps in quarry_ring_wait(). */
void quarry_ring_wake(struct irq_work *work);

/* === ring_list.c === */

/* Call @fn for every ring of a heap; hp->mutex held. */
void quarry_rings_walk(struct quarry_heap_priv *hp,
		       void (*fn)(struct quarry_ring *ring, void *arg), void *arg);

#endif /* _QUARRY_SRC_RING_H */
