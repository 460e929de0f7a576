// SPDX-License-Identifier: GPL-2.0
/*
 * ring-mp: two producers, each on a CPU of its own, write messages of 8 to 263 bytes; one of
 * them empties the buffer after each of its batches, in place if it can:
 *
 *	quarry	a ring that refuses; reserve, copy, commit; peek, release
 *	peer	a kfifo of records with a length of two bytes; kfifo_in_spinlocked(), which
 *		turns interrupts off as producers in any context need; kfifo_out() without a
 *		lock, as there is one reader
 *	none	the loop, and the copy of each message into a buffer of the producer's
 *
 * What does not fit is not written again; the buffers are alike and large enough for what both
 * produce until they are emptied, so that this is rare.  How rare is in the notes.  All slices are
 * timed by the clock, from when the first producer starts until the last is through.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kfifo.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/vmalloc.h>
#include <quarry/heap.h>
#include <quarry/ring.h>
#include "case.h"
#include "crew.h"

#define NR_SLICES	200
#define WARMUP_SLICES	4
#define NR_PRODUCERS	2
#define BATCH		16	/* messages between looks of the consumer */
#define MIN_LEN		8
#define LEN_RANGE	256	/* power of two */
#define BUFFER_SIZE	SZ_256K
#define SLICE_NS	(8 * NSEC_PER_MSEC)
#define TRY_ROUNDS	64U	/* to find out how many rounds that is: the best of so many times */
#define NR_TRIES	20
#define MAX_ROUNDS	1024U

static_assert(NR_SLICES <= QUARRY_BENCH_MAX_SLICES);

struct ring_case {
	struct quarry_bench_crew crew;
	struct quarry_heap *heap;
	struct quarry_ring *ring;
	struct kfifo_rec_ptr_2 fifo;
	spinlock_t lock;			/* of the fifo's producers */
	unsigned int nr_rounds;
	u64 nr_peer_ops;
	struct quarry_bench_samples samples;
	struct ring_producer {
		u8 from[MIN_LEN + LEN_RANGE];
		u8 to[MIN_LEN + LEN_RANGE];
		unsigned int sum;		/* of what was read, so that it is */
		u64 nr_refused[QUARRY_BENCH_NR_SIDES];
	} ____cacheline_aligned producers[NR_PRODUCERS];
};

static __always_inline bool put(struct ring_case *rc, struct ring_producer *p, unsigned int len,
				const enum quarry_bench_side side)
{
	void *room;

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		room = quarry_ring_reserve(rc->ring, len);
		if (unlikely(!room))
			return false;
		memcpy(room, p->from, len);
		quarry_ring_commit(rc->ring, room);
		return true;
	case QUARRY_BENCH_PEER:
		return kfifo_in_spinlocked(&rc->fifo, p->from, len, &rc->lock) == len;
	default:
		memcpy(p->to, p->from, len);
		barrier_data(p->to);
		return true;
	}
}

static __always_inline void take_all(struct ring_case *rc, struct ring_producer *p,
				     const enum quarry_bench_side side)
{
	size_t len;
	u8 *msg;

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		while ((msg = quarry_ring_peek(rc->ring, &len))) {
			p->sum += msg[len - 1];
			quarry_ring_release(rc->ring);
		}
		break;
	case QUARRY_BENCH_PEER:
		while ((len = kfifo_out(&rc->fifo, p->to, sizeof(p->to))))
			p->sum += p->to[len - 1];
		break;
	default:
		break;
	}
}

/* Knuth's linear congruential generator gives the lengths, the same in each slice. */
static __always_inline int rounds(struct quarry_bench_crew *crew, unsigned int id,
				  const enum quarry_bench_side side)
{
	struct ring_case *rc = crew->data;
	struct ring_producer *p = &rc->producers[id];
	unsigned int nr = crew->nr, i, len;
	u32 rnd = id + 1;

	while (nr--) {
		for (i = 0; i < BATCH; i++) {
			rnd = rnd * 1664525 + 1013904223;
			len = MIN_LEN + (rnd >> 16) % LEN_RANGE;
			p->nr_refused[side] += !put(rc, p, len, side);
		}
		if (!id)
			take_all(rc, p, side);
	}
	return 0;
}

static noinline int rounds_none(struct quarry_bench_crew *crew, unsigned int id)
{
	return rounds(crew, id, QUARRY_BENCH_NONE);
}

static noinline int rounds_quarry(struct quarry_bench_crew *crew, unsigned int id)
{
	return rounds(crew, id, QUARRY_BENCH_QUARRY);
}

static noinline int rounds_peer(struct quarry_bench_crew *crew, unsigned int id)
{
	return rounds(crew, id, QUARRY_BENCH_PEER);
}

static int work(struct quarry_bench_crew *crew, unsigned int id)
{
	static int (*const of_side[])(struct quarry_bench_crew *crew, unsigned int id) = {
		rounds_none, rounds_quarry, rounds_peer,
	};

	return of_side[crew->side](crew, id);
}

/* What is left in the buffers goes after the slice. */
static int run_slice(struct ring_case *rc, enum quarry_bench_side side, unsigned int nr_rounds,
		     u64 *ns)
{
	int ret = quarry_bench_crew_run(&rc->crew, side, nr_rounds, BIT(NR_PRODUCERS) - 1, ns);

	take_all(rc, &rc->producers[0], QUARRY_BENCH_QUARRY);
	take_all(rc, &rc->producers[0], QUARRY_BENCH_PEER);
	if (side == QUARRY_BENCH_PEER)
		rc->nr_peer_ops += nr_rounds * BATCH * NR_PRODUCERS;
	return ret;
}

static int choose_nr_rounds(struct ring_case *rc)
{
	enum quarry_bench_side side;
	u64 ns, best, worst = 1;
	unsigned int i;
	int ret;

	for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
		best = U64_MAX;
		for (i = 0; i < NR_TRIES; i++) {
			ret = run_slice(rc, side, TRY_ROUNDS, &ns);
			if (ret)
				return ret;
			best = min(best, ns);
		}
		worst = max(worst, best);
	}
	rc->nr_rounds = rounddown_pow_of_two(clamp_t(u64, SLICE_NS * TRY_ROUNDS / worst, 1,
						     MAX_ROUNDS));
	return 0;
}

static int run_slices(struct ring_case *rc)
{
	enum quarry_bench_side side;
	int i, ret;
	u64 ns;

	for (i = -WARMUP_SLICES; i < NR_SLICES; i++) {
		for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
			ret = run_slice(rc, side, rc->nr_rounds, &ns);
			if (ret)
				return ret;
			if (i >= 0)
				rc->samples.slice[side][i] = ns;
		}
	}
	return 0;
}

static void put_notes(struct ring_case *rc, struct quarry_bench_result *res)
{
	u64 refused[QUARRY_BENCH_NR_SIDES] = { };
	enum quarry_bench_side side;
	unsigned int i;

	for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++)
		for (i = 0; i < NR_PRODUCERS; i++)
			refused[side] += rc->producers[i].nr_refused[side];
	bench_put(res->notes, "ring-mp: of %llu messages quarry refused %llu, kfifo %llu\n",
		  rc->nr_peer_ops, refused[QUARRY_BENCH_QUARRY], refused[QUARRY_BENCH_PEER]);
}

static int run_crew(struct ring_case *rc, struct quarry_bench_result *res)
{
	struct quarry_heap_stats stats;
	int ret;

	rc->crew.work = work;
	rc->crew.data = rc;
	rc->crew.meet = true;
	ret = quarry_bench_crew_hire(&rc->crew, NR_PRODUCERS);
	if (ret)
		return ret;
	ret = choose_nr_rounds(rc) ?: run_slices(rc);
	quarry_bench_crew_dismiss(&rc->crew);
	if (ret)
		return ret;
	quarry_heap_get_stats(rc->heap, &stats);
	res->calls[QUARRY_BENCH_QUARRY] = stats.nr_kernel_calls;
	res->calls[QUARRY_BENCH_PEER] = 1;
	res->peak_bytes[QUARRY_BENCH_QUARRY] = stats.active_peak;
	res->peak_bytes[QUARRY_BENCH_PEER] = BUFFER_SIZE;
	put_notes(rc, res);
	quarry_bench_figure(&rc->samples, NR_SLICES, rc->nr_rounds * BATCH * NR_PRODUCERS,
			    &res->ns);
	return 0;
}

static int run_rings(struct ring_case *rc, struct quarry_bench_result *res)
{
	const struct quarry_ring_params params = {
		.name = "ring-mp", .size = BUFFER_SIZE, .flags = QUARRY_DATA,
	};
	int ret;

	rc->ring = quarry_ring_create(rc->heap, &params);
	if (IS_ERR(rc->ring))
		return PTR_ERR(rc->ring);
	spin_lock_init(&rc->lock);
	ret = kfifo_alloc(&rc->fifo, BUFFER_SIZE, GFP_KERNEL);
	if (!ret) {
		ret = run_crew(rc, res);
		kfifo_free(&rc->fifo);
	}
	quarry_ring_destroy(rc->ring);
	return ret;
}

int quarry_bench_ring_mp(struct quarry_bench_result *res)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	struct ring_case *rc;
	int ret;

	if (quarry_bench_meter.icount)
		res->left_out = "the clock counts instructions, of whatever thread";
	else if (num_online_cpus() < NR_PRODUCERS)
		res->left_out = "needs a CPU for each thread";
	if (res->left_out)
		return 0;
	rc = vzalloc(sizeof(*rc));
	if (!rc)
		return -ENOMEM;
	res->peer = "kfifo";
	res->per = "msg";
	rc->heap = quarry_heap_create(&params);
	ret = PTR_ERR_OR_ZERO(rc->heap);
	if (!ret)
		ret = run_rings(rc, res);
	quarry_heap_destroy(rc->heap);
	vfree(rc);
	return ret;
}
