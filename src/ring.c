// SPDX-License-Identifier: GPL-2.0
/*
 * Rings: a FIFO of messages of any length in one buffer, from any context.
 *
 *	         tail                              head       limit
 *	          v                                 v           v
 *	buf    ...|len msg|len message|len msg ...  |           |len msg ...
 *	marks  ...|1111111|11111111111|0000000000000|00000000000|1111111 ...
 *	           committed           reserved      free
 *
 * Positions are 64-bit counts of bytes since creation, which do not wrap (at 10 GB/s
 * after 58 years), so a cmpxchg() of one cannot mistake a later state for an earlier.  A
 * producer reserves by moving head, and that is all: nothing else has to be told
 * before the record is complete, so one that is interrupted, by an NMI too, holds
 * nobody up but the consumer.  A record that would not fit before the end of the buffer
 * starts at its beginning, behind a record of padding.
 *
 * What lies in free or reserved room may look like anything, so whether a record starts
 * and is complete at a position is kept apart: a mark for each 8 bytes.  To commit is to
 * set all marks of the record to the value of this lap around the buffer, 1 and 0
 * in turns, the first one last.  So everywhere from tail on the marks of
 * what is not committed have the value of the lap before, and none ever has to be cleared.
 * A record that is discarded, or padding, is committed too, and passed over.
 *
 * In overwrite mode a producer without room moves tail over the oldest record by
 * cmpxchg(), so it is either taken by the consumer or overwritten.  The consumer copies
 * first and moves tail then: if that fails, what it copied may be torn and is dropped.
 * Or it holds the record by a bit in the tail, at which producers give up.
 *
 * The BPF ring buffer (kernel/bpf/ringbuf.c) has the order of reservations, busy and
 * discarded records and the wakeup by irq_work, but reserves under a lock, which an NMI has
 * to try, and does not overwrite.  The lock-free ring of printk (printk_ringbuffer.c) moves its
 * tail as this one does; it keeps descriptors in a second ring, and so has a limit on their number.
 * ftrace's (trace/ring_buffer.c) is per CPU.
 *
 * Memory ordering:
 *  - message before mark: commit stores the first mark with release; quarry_ring_is_committed()
 *    loads it with acquire, in the consumer and in producers that overwrite.
 *  - reading before reuse: who moves tail does so with release (cmpxchg() or
 *    atomic64_set_release()) after the last access to the record; a producer acquires tail, or
 *    limit, which was stored with release by one that had acquired tail, before it
 *    writes to the room.
 *  - tearing: a producer writes to room after two full barriers, the cmpxchg() of tail (its
 *    own or one that it acquired) and of head.  Who has read anything of that and then
 *    does the cmpxchg() of tail, or reads it behind smp_rmb(), finds it moved.
 *
 * Locking: none.  Making and destroying are in ring_list.c.
 *
 * Invariants: tail <= head <= tail + size; limit <= tail + size; records lie end to end from
 * tail to head; written = read + overwritten + committed and still there.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/align.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "internal.h"
#include "ring.h"

#define NR_TRIES	4	/* copies that may be torn before the record is held */
#define FEW_MARKS	128	/* that is a record of 1 KiB */

/* === Records and marks === */

static void fill_marks(u8 *marks, u8 mark, size_t nr)
{
	u64 word = mark * (~0ULL / 0xff);

	if (nr >= FEW_MARKS) {
		/* Who looks for another lap may read these; tail tells it to look again. */
		data_race(memset(marks, mark, nr));
		return;
	}
	/* Most messages are short: no call, and no string instruction that has to start. */
	for (; nr >= sizeof(word); nr -= sizeof(word), marks += sizeof(word))
		/* As above. */
		data_race(memcpy(marks, &word, sizeof(word)));
	for (; nr; nr--, marks++)
		WRITE_ONCE(*marks, mark);
}

static void mark_committed(struct quarry_ring *ring, u64 pos, u64 size)
{
	u8 *marks = quarry_ring_mark_at(ring, pos);
	u8 mark = quarry_ring_mark_of(ring, pos);

	fill_marks(marks + 1, mark, size / QUARRY_RECORD_ALIGN - 1);
	/* Pairs with smp_load_acquire() in quarry_ring_is_committed(). */
	smp_store_release(marks, mark);
}

enum look {
	IS_RECORD,	/* of this length, if tail is still there */
	IS_NONE,	/* nothing reserved, or not committed */
	IS_DAMAGED,
	IS_PAST,	/* tail has been moved on */
};

/* At what does @tail, without the bit, point? */
static enum look look(struct quarry_ring *ring, u64 tail, u32 *len)
{
	struct quarry_record *rec = quarry_ring_record_at(ring, tail);
	enum look found = IS_NONE;
	u32 seq;

	if (quarry_ring_is_committed(ring, tail)) {
		/* If tail has moved, somebody may be writing a message here. */
		*len = data_race(READ_ONCE(rec->len));
		/* So here. */
		seq = data_race(READ_ONCE(rec->seq));
		if (seq == (u32)(tail / QUARRY_RECORD_ALIGN) &&
		    quarry_ring_stride(*len) <= ring->mask + 1 - (tail & ring->mask))
			return IS_RECORD;
		found = IS_DAMAGED;
	}
	/* What was read is of this lap only if tail has not moved; see the top. */
	smp_rmb();
	return atomic64_read(&ring->tail) == tail ? found : IS_PAST;
}

/* === Producers === */

/* Give up the oldest record.  False if that cannot be; true: look again. */
static bool push_oldest(struct quarry_ring *ring, s64 tail)
{
	u32 len;

	if (tail & QUARRY_RING_HELD)
		return false;
	switch (look(ring, tail, &len)) {
	case IS_PAST:
		return true;
	case IS_RECORD:
		if (atomic64_try_cmpxchg(&ring->tail, &tail, tail + quarry_ring_stride(len)) &&
		    !(len & QUARRY_RECORD_SKIPPED))
			this_cpu_inc(ring->counts->overwritten);
		return true;
	default:
		return false;
	}
}

/* May a record end at @end?  If that is not known yet, see to it. */
static bool make_room(struct quarry_ring *ring, u64 end)
{
	u64 tail, limit;

	for (;;) {
		/* Pairs with who moves tail: what was read there has been read. */
		tail = atomic64_read_acquire(&ring->tail);
		limit = (tail & ~QUARRY_RING_HELD) + ring->mask + 1;
		if ((s64)(end - limit) <= 0)
			break;
		if (ring->mode != QUARRY_RING_OVERWRITE || !push_oldest(ring, tail))
			return false;
	}
	/* It may go back if another has just stored more: then it is looked for again. */
	atomic64_set_release(&ring->limit, limit);
	return true;
}

static void put_head(struct quarry_ring *ring, u64 pos, u32 len)
{
	struct quarry_record *rec = quarry_ring_record_at(ring, pos);

	WRITE_ONCE(rec->len, len);
	WRITE_ONCE(rec->seq, (u32)(pos / QUARRY_RECORD_ALIGN));
}

static void *report_length(struct quarry_ring *ring, size_t len)
{
	quarry_report("ring %s: a message of %zu bytes, the longest may have %u\n", ring->name,
		      len, ring->max_record);
	this_cpu_inc(ring->counts->dropped);
	return NULL;
}

void *quarry_ring_reserve(struct quarry_ring *ring, size_t len)
{
	u64 need, start, end;
	s64 head;

	if (unlikely(len > ring->max_record))
		return report_length(ring, len);
	need = quarry_ring_stride(len);
	head = atomic64_read(&ring->head);
	do {
		start = head;
		if (ring->mask + 1 - (start & ring->mask) < need)
			start = ALIGN(start, ring->mask + 1);
		end = start + need;
		/*
		 * Pairs with atomic64_set_release() in make_room().  If head is behind by now
		 * there may be less room than seen here, but then it is not moved either.
		 */
		if ((s64)(end - atomic64_read_acquire(&ring->limit)) > 0 &&
		    !make_room(ring, end)) {
			this_cpu_inc(ring->counts->dropped);
			return NULL;
		}
	} while (!atomic64_try_cmpxchg(&ring->head, &head, end));

	if (start != head) {
		put_head(ring, head, (start - head - sizeof(struct quarry_record)) |
				     QUARRY_RECORD_PADDING);
		mark_committed(ring, head, start - head);
	}
	put_head(ring, start, len);
	return quarry_ring_record_at(ring, start)->data;
}
EXPORT_SYMBOL_GPL(quarry_ring_reserve);

/* The reservation at @data: its head, NULL after a report if there is none. */
static struct quarry_record *reserved_at(struct quarry_ring *ring, void *data)
{
	struct quarry_record *rec = data - sizeof(*rec);
	u64 offset = (unsigned long)rec - (unsigned long)ring->buf, pos;

	if (offset <= ring->mask && IS_ALIGNED(offset, QUARRY_RECORD_ALIGN)) {
		/* Enough of the position to tell laps apart. */
		pos = (u64)rec->seq * QUARRY_RECORD_ALIGN;
		if ((pos & ring->mask) == offset && !quarry_ring_is_committed(ring, pos) &&
		    !(rec->len & QUARRY_RECORD_SKIPPED) && rec->len <= ring->max_record)
			return rec;
	}
	quarry_report("ring %s: %p is not reserved, or was committed already\n", ring->name, data);
	return NULL;
}

void quarry_ring_wake(struct irq_work *work)
{
	wake_up_all(&container_of(work, struct quarry_ring, work)->wait);
}

static void finish(struct quarry_ring *ring, struct quarry_record *rec)
{
	mark_committed(ring, (u64)rec->seq * QUARRY_RECORD_ALIGN, quarry_ring_stride(rec->len));
	/* A full barrier: pairs with that of who sleeps, between queueing and looking. */
	if (ring->waitable && wq_has_sleeper(&ring->wait))
		irq_work_queue(&ring->work);
}

void quarry_ring_commit(struct quarry_ring *ring, void *data)
{
	struct quarry_record *rec = reserved_at(ring, data);

	if (unlikely(!rec))
		return;
	this_cpu_inc(ring->counts->written);
	this_cpu_add(ring->counts->written_bytes, rec->len);
	finish(ring, rec);
}
EXPORT_SYMBOL_GPL(quarry_ring_commit);

void quarry_ring_discard(struct quarry_ring *ring, void *data)
{
	struct quarry_record *rec = reserved_at(ring, data);

	if (!rec)
		return;
	this_cpu_inc(ring->counts->discarded);
	WRITE_ONCE(rec->len, rec->len | QUARRY_RECORD_DISCARDED);
	finish(ring, rec);
}
EXPORT_SYMBOL_GPL(quarry_ring_discard);

int quarry_ring_write(struct quarry_ring *ring, const void *data, size_t len)
{
	void *room = quarry_ring_reserve(ring, len);

	if (!room)
		return len > ring->max_record ? -EMSGSIZE : -ENOSPC;
	memcpy(room, data, len);
	quarry_ring_commit(ring, room);
	return 0;
}
EXPORT_SYMBOL_GPL(quarry_ring_write);

/* === The consumer === */

/* From *@tail, if it is still there; if not, *@tail is where it is. */
static bool move_tail(struct quarry_ring *ring, s64 *tail, s64 to)
{
	s64 seen;

	if (ring->mode == QUARRY_RING_OVERWRITE)
		return atomic64_try_cmpxchg(&ring->tail, tail, to);
	/* Nobody else moves it but a second consumer, in an interrupt perhaps, who must not be. */
	seen = atomic64_read(&ring->tail);
	if (unlikely(seen != *tail)) {
		quarry_report("ring %s: a second consumer\n", ring->name);
		*tail = seen;
		return false;
	}
	/* Pairs with make_room(). */
	atomic64_set_release(&ring->tail, to);
	return true;
}

/* Find the oldest message.  0 if it is at *@tail as long as that does not move. */
static int find_oldest(struct quarry_ring *ring, s64 *tail, u32 *len)
{
	for (;;) {
		*tail = atomic64_read(&ring->tail);
		if (unlikely(*tail & QUARRY_RING_HELD)) {
			quarry_report("ring %s: a second consumer while a message is held\n",
				      ring->name);
			return -EBUSY;
		}
		switch (look(ring, *tail, len)) {
		case IS_NONE:
			return -EAGAIN;
		case IS_DAMAGED:
			quarry_report("ring %s: the head of the oldest message is damaged\n",
				      ring->name);
			return -EUCLEAN;
		case IS_RECORD:
			if (!(*len & QUARRY_RECORD_SKIPPED))
				return 0;
			move_tail(ring, tail, *tail + quarry_ring_stride(*len));
			break;
		case IS_PAST:
			break;
		}
	}
}

/* Find the oldest message and keep producers off; returns as find_oldest(). */
static int hold_oldest(struct quarry_ring *ring, s64 *tail, u32 *len)
{
	int ret;

	do {
		ret = find_oldest(ring, tail, len);
		if (ret)
			return ret;
	} while (!move_tail(ring, tail, *tail | QUARRY_RING_HELD));
	ring->held_end = *tail + quarry_ring_stride(*len);
	return 0;
}

/* The oldest record is at @pos from now on, and not held. */
static void set_tail(struct quarry_ring *ring, u64 pos)
{
	/* Nobody else moves it from being held.  Pairs with make_room(). */
	atomic64_set_release(&ring->tail, pos);
}

void *quarry_ring_peek(struct quarry_ring *ring, size_t *len)
{
	u32 held_len;
	s64 tail;

	if (hold_oldest(ring, &tail, &held_len))
		return NULL;
	*len = held_len;
	return quarry_ring_record_at(ring, tail)->data;
}
EXPORT_SYMBOL_GPL(quarry_ring_peek);

void quarry_ring_release(struct quarry_ring *ring)
{
	if (!(atomic64_read(&ring->tail) & QUARRY_RING_HELD)) {
		quarry_report("ring %s: no message is held that could be released\n", ring->name);
		return;
	}
	this_cpu_inc(ring->counts->read);
	set_tail(ring, ring->held_end);
}
EXPORT_SYMBOL_GPL(quarry_ring_release);

static int read_held(struct quarry_ring *ring, void *buf, size_t size)
{
	u32 len;
	s64 tail;
	int ret = hold_oldest(ring, &tail, &len);

	if (ret)
		return ret;
	if (len > size) {
		set_tail(ring, tail);
		return -EMSGSIZE;
	}
	memcpy(buf, quarry_ring_record_at(ring, tail)->data, len);
	this_cpu_inc(ring->counts->read);
	set_tail(ring, ring->held_end);
	return len;
}

/* The same without keeping producers off; -ESTALE if they were faster. */
static int read_racing(struct quarry_ring *ring, void *buf, size_t size)
{
	u32 len;
	s64 tail;
	int ret = find_oldest(ring, &tail, &len);

	if (ret)
		return ret;
	if (len > size) {
		/* Or is that the length of something else by now? */
		smp_rmb();
		return atomic64_read(&ring->tail) == tail ? -EMSGSIZE : -ESTALE;
	}
	/* If tail has moved, somebody may be writing another message here. */
	data_race(memcpy(buf, quarry_ring_record_at(ring, tail)->data, len));
	/* Ordered behind the copy: fails if any of it was overwritten. */
	if (!atomic64_try_cmpxchg(&ring->tail, &tail, tail + quarry_ring_stride(len)))
		return -ESTALE;
	this_cpu_inc(ring->counts->read);
	return len;
}

int quarry_ring_read(struct quarry_ring *ring, void *buf, size_t size)
{
	unsigned int i;
	int ret;

	if (ring->mode != QUARRY_RING_OVERWRITE)
		return read_held(ring, buf, size);
	for (i = 0; i < NR_TRIES; i++) {
		ret = read_racing(ring, buf, size);
		if (ret != -ESTALE)
			return ret;
	}
	return read_held(ring, buf, size);
}
EXPORT_SYMBOL_GPL(quarry_ring_read);

static bool is_ready(struct quarry_ring *ring)
{
	return quarry_ring_is_committed(ring, atomic64_read(&ring->tail) & ~QUARRY_RING_HELD);
}

long quarry_ring_wait(struct quarry_ring *ring, long timeout)
{
	if (!ring->waitable) {
		quarry_report("ring %s was not made to be waited for\n", ring->name);
		return -EINVAL;
	}
	return wait_event_interruptible_timeout(ring->wait, is_ready(ring), timeout);
}
EXPORT_SYMBOL_GPL(quarry_ring_wait);

/* === Numbers === */

u32 quarry_ring_used(struct quarry_ring *ring)
{
	/* In this order, so that the difference is not negative. */
	u64 tail = atomic64_read_acquire(&ring->tail) & ~QUARRY_RING_HELD;
	u64 head = atomic64_read(&ring->head);

	return min(head - tail, ring->mask + 1);
}
EXPORT_SYMBOL_GPL(quarry_ring_used);

bool quarry_ring_is_empty(struct quarry_ring *ring)
{
	return !quarry_ring_used(ring);
}
EXPORT_SYMBOL_GPL(quarry_ring_is_empty);

void quarry_ring_get_stats(struct quarry_ring *ring, struct quarry_ring_stats *stats)
{
	const struct quarry_ring_counts *counts;
	int cpu;

	memset(stats, 0, sizeof(*stats));
	stats->size = ring->mask + 1;
	stats->used = quarry_ring_used(ring);
	for_each_possible_cpu(cpu) {
		counts = per_cpu_ptr(ring->counts, cpu);
		stats->written += READ_ONCE(counts->written);
		stats->written_bytes += READ_ONCE(counts->written_bytes);
		stats->read += READ_ONCE(counts->read);
		stats->dropped += READ_ONCE(counts->dropped);
		stats->overwritten += READ_ONCE(counts->overwritten);
		stats->discarded += READ_ONCE(counts->discarded);
	}
}
EXPORT_SYMBOL_GPL(quarry_ring_get_stats);
