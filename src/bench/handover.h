/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How one CPU hands pointers over to another: a ring without a lock, of one writer and one
 * reader.
 */
#ifndef _QUARRY_BENCH_HANDOVER_H
#define _QUARRY_BENCH_HANDOVER_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/processor.h>
#include <linux/sched.h>

#define BENCH_RING_OBJS		1024	/* power of two */
#define BENCH_RING_SPINS	1024	/* between looks whether someone else wants the CPU */

/* The indices run on and on; each has a copy of the other's as last seen. */
struct bench_ring {
	unsigned int tail ____cacheline_aligned;	/* the writer's */
	unsigned int head_seen;
	unsigned int head ____cacheline_aligned;	/* the reader's */
	unsigned int tail_seen;
	void *objs[BENCH_RING_OBJS] ____cacheline_aligned;
};

static __always_inline void bench_wait_a_little(unsigned int *spins)
{
	cpu_relax();
	if (!(++*spins % BENCH_RING_SPINS))
		cond_resched();
}

static __always_inline void bench_ring_put(struct bench_ring *ring, void *obj)
{
	unsigned int tail = ring->tail, spins = 0;

	while (tail - ring->head_seen == BENCH_RING_OBJS) {
		/* Pairs with smp_store_release() in bench_ring_get(). */
		ring->head_seen = smp_load_acquire(&ring->head);
		if (tail - ring->head_seen == BENCH_RING_OBJS)
			bench_wait_a_little(&spins);
	}
	ring->objs[tail % BENCH_RING_OBJS] = obj;
	/* Pairs with smp_load_acquire() in bench_ring_get(). */
	smp_store_release(&ring->tail, tail + 1);
}

static __always_inline void *bench_ring_get(struct bench_ring *ring)
{
	unsigned int head = ring->head, spins = 0;
	void *obj;

	while (head == ring->tail_seen) {
		/* Pairs with smp_store_release() in bench_ring_put(). */
		ring->tail_seen = smp_load_acquire(&ring->tail);
		if (head == ring->tail_seen)
			bench_wait_a_little(&spins);
	}
	obj = ring->objs[head % BENCH_RING_OBJS];
	/* Pairs with smp_load_acquire() in bench_ring_put(). */
	smp_store_release(&ring->head, head + 1);
	return obj;
}

#endif /* _QUARRY_BENCH_HANDOVER_H */
