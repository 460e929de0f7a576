/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rings: a FIFO of messages of any length in one buffer.
 */
#ifndef _QUARRY_RING_H
#define _QUARRY_RING_H

#include <linux/sizes.h>
#include <linux/types.h>
#include <quarry/heap.h>
#include <quarry/site.h>

/* Largest buffer of a ring, bytes; only a heap on a backing has runs this long. */
#define QUARRY_RING_MAX_SIZE	SZ_1G

/* Bytes of the buffer that each message takes beside its own, which are rounded up to 8. */
#define QUARRY_RING_HEAD_SIZE	8U

/* A FIFO of messages, many producers, one consumer; opaque. */
struct quarry_ring;

/**
 * enum quarry_ring_mode - what a reservation does that finds no room
 * @QUARRY_RING_REFUSE: it is refused, the new message is lost
 * @QUARRY_RING_OVERWRITE: the oldest messages are lost, as many as it takes.  It is refused all
 *                         the same if it meets one that was not committed yet, or that the
 *                         consumer holds.
 */
enum quarry_ring_mode {
	QUARRY_RING_REFUSE,
	QUARRY_RING_OVERWRITE,
	/* private: */
	QUARRY_RING_NR_MODES,
};

/**
 * struct quarry_ring_params - how to make a ring
 * @name: shown in debugfs and reports, up to 31 characters, copied; or NULL
 * @size: bytes of the buffer: a power of two, from a page to the heap's longest run (4 MiB, more
 *        on a backing, at most %QUARRY_RING_MAX_SIZE)
 * @max_record: longest message in bytes; 0 for the most there can be, which is half of @size less
 *              %QUARRY_RING_HEAD_SIZE
 * @mode: what to do when there is no room
 * @waitable: a consumer is going to sleep in quarry_ring_wait().  Costs each commit a barrier.
 * @flags: %QUARRY_DATA if no pointers will be stored; others are refused
 */
struct quarry_ring_params {
	const char *name;
	u32 size;
	u32 max_record;
	enum quarry_ring_mode mode;
	bool waitable;
	unsigned int flags;
};

/**
 * struct quarry_ring_stats - a ring in numbers
 * @size: bytes of the buffer
 * @used: bytes of it in use now: messages, committed or not, with their heads and padding
 * @written: messages that were committed
 * @written_bytes: their bytes, without heads and padding
 * @read: messages that the consumer took
 * @dropped: reservations that were refused
 * @overwritten: committed messages that made room for others
 * @discarded: reservations that were given up
 *
 * Counted per CPU and summed: exact while nobody uses the ring, and then @written is @read
 * and @overwritten and what is still there.
 */
struct quarry_ring_stats {
	u64 size;
	u64 used;
	u64 written;
	u64 written_bytes;
	u64 read;
	u64 dropped;
	u64 overwritten;
	u64 discarded;
};

/**
 * quarry_ring_create_site() - make a ring; use quarry_ring_create()
 * @heap: heap that its memory comes from
 * @params: how to make it
 * @site: where it is created
 *
 * Context: Process context, may sleep.
 * Return: the ring or ERR_PTR, see quarry_ring_create().
 */
struct quarry_ring *quarry_ring_create_site(struct quarry_heap *heap,
					    const struct quarry_ring_params *params,
					    const struct quarry_site *site);

/**
 * quarry_ring_create() - make a ring
 * @heap: heap that its memory comes from
 * @params: how to make it
 *
 * Beside its buffer a ring takes an eighth of that, and less than a page.
 *
 * Context: Process context, may sleep.
 * Return: the ring or ERR_PTR:
 * * %-EINVAL - a parameter is out of range or a flag refused; a line in the kernel log says
 *   which
 * * %-ENOMEM - no memory, or the heap has no runs of that length
 */
#define quarry_ring_create(heap, params) quarry_ring_create_site(heap, params, QUARRY_SITE())

/**
 * quarry_ring_destroy() - free a ring and the messages in it
 * @ring: the ring, or NULL or an ERR_PTR
 *
 * The caller guarantees that nobody uses the ring any more.  What was reserved and neither
 * committed nor discarded, or is still held by the consumer, is reported.
 *
 * Context: Process context, may sleep.
 */
void quarry_ring_destroy(struct quarry_ring *ring);

/**
 * quarry_ring_reserve() - take room for a message
 * @ring: the ring
 * @len: bytes, 0 to the ring's max_record; a longer one is reported
 *
 * The message goes to the consumer in the order of reservations, so whatever was reserved later
 * waits until this one is committed or discarded: do that soon, and once.  The room is contiguous
 * and holds whatever was there before.
 *
 * Lock-free: of several producers that meet one gets on, and nobody waits for one that was
 * interrupted.  In overwrite mode it takes one step for each message that makes room, at most
 * @len / 4 + 4, and those are lost even if it is refused in the end.
 *
 * Context: Any, NMI too.
 * Return: the room, aligned to 8 bytes, or NULL if there is none, which is counted.
 */
void *quarry_ring_reserve(struct quarry_ring *ring, size_t len);

/**
 * quarry_ring_commit() - a reserved message is complete
 * @ring: the ring
 * @data: from quarry_ring_reserve(), not to be touched any more
 *
 * A second time, and a pointer that is no reservation, are reported and change nothing, unless the
 * room has meanwhile been reserved again: then that may go unnoticed, and damage other messages.
 *
 * Context: Any, NMI too.
 */
void quarry_ring_commit(struct quarry_ring *ring, void *data);

/**
 * quarry_ring_discard() - give a reservation up
 * @ring: see quarry_ring_commit()
 * @data: see quarry_ring_commit()
 *
 * The consumer never sees it.  Its room is free again when its turn has come.
 *
 * Context: Any, NMI too.
 */
void quarry_ring_discard(struct quarry_ring *ring, void *data);

/**
 * quarry_ring_write() - reserve, copy and commit
 * @ring: the ring
 * @data: the message
 * @len: its bytes
 *
 * Context: Any, NMI too.
 * Return: 0, or
 * * %-EMSGSIZE - it is longer than the ring's max_record
 * * %-ENOSPC - there is no room
 */
int quarry_ring_write(struct quarry_ring *ring, const void *data, size_t len);

/**
 * quarry_ring_peek() - look at the oldest message in place
 * @ring: the ring
 * @len: where to store its bytes
 *
 * The message stays valid until quarry_ring_release(), which has to be called before the next
 * quarry_ring_peek() or quarry_ring_read().  Meanwhile a reservation that would overwrite it is
 * refused.
 *
 * There is one consumer at a time: a second one that comes while a message is held is reported and
 * gets NULL.
 *
 * Context: Any, NMI too, as long as there is one consumer.
 * Return: the message, or NULL if the oldest one is not committed yet or there is none, or if
 * someone wrote over its head, which is reported.
 */
void *quarry_ring_peek(struct quarry_ring *ring, size_t *len);

/**
 * quarry_ring_release() - the message of quarry_ring_peek() is done with
 * @ring: the ring
 *
 * Without one that is held it is reported and does nothing.
 *
 * Context: As quarry_ring_peek().
 */
void quarry_ring_release(struct quarry_ring *ring);

/**
 * quarry_ring_read() - copy the oldest message out and remove it
 * @ring: the ring
 * @buf: where to copy it to
 * @size: bytes there
 *
 * In overwrite mode no producer is refused for it: a message that is overwritten while it is
 * being copied is not returned but the next one.  If that happens four times in a row the next one
 * is held as quarry_ring_peek() does, so that a slow consumer gets on.  @buf may hold anything
 * after an error.
 *
 * Context: As quarry_ring_peek().
 * Return: bytes of the message, 0 or more, or
 * * %-EAGAIN - the oldest message is not committed yet or there is none
 * * %-EMSGSIZE - it is longer than @size; it stays
 * * %-EBUSY - there is another consumer; reported
 * * %-EUCLEAN - someone wrote over its head; reported, and the ring is of no more use
 */
int quarry_ring_read(struct quarry_ring *ring, void *buf, size_t size);

/**
 * quarry_ring_wait() - sleep until there is something to read
 * @ring: a ring made with waitable set; else it is reported
 * @timeout: for so many jiffies, or %MAX_SCHEDULE_TIMEOUT
 *
 * May return early if what became ready was discarded, or is padding before the end of the
 * buffer.  To have a kthread stop in time wait for a
 * limited time only.
 *
 * Context: Process context, sleeps.  The consumer's.
 * Return: jiffies that were left, at least 1; 0 if the time is over; or
 * * %-ERESTARTSYS - a signal came
 * * %-EINVAL - the ring is not waitable
 */
long quarry_ring_wait(struct quarry_ring *ring, long timeout);

/**
 * quarry_ring_is_empty() - is there no message, committed or not?
 * @ring: the ring
 *
 * A discarded one is there until its turn has come, for quarry_ring_used(), too.
 *
 * Context: Any, NMI too.
 * Return: true if there was none at that moment.
 */
bool quarry_ring_is_empty(struct quarry_ring *ring);

/**
 * quarry_ring_used() - bytes of the buffer in use
 * @ring: the ring
 *
 * Context: Any, NMI too.
 * Return: bytes of messages, committed or not, with heads and padding; 0 to the size.
 */
u32 quarry_ring_used(struct quarry_ring *ring);

/**
 * quarry_ring_get_stats() - read a ring's numbers
 * @ring: the ring
 * @stats: where to store them
 *
 * Context: Any, NMI too.
 */
void quarry_ring_get_stats(struct quarry_ring *ring, struct quarry_ring_stats *stats);

#ifdef DEFINE_FREE
DEFINE_FREE(quarry_ring, struct quarry_ring *, quarry_ring_destroy(_T))
#endif

#endif /* _QUARRY_RING_H */
