// SPDX-License-Identifier: GPL-2.0
/*
 * arena-slice: 100 000 structures of 24 bytes, all of them written, as an array in an arena
 * against
 *
 *	krealloc	an array that doubles whenever it is full, from one on, as it is done
 *			by who does not know how many will come
 *	kmalloc		each by itself; where they are is noted in an array that is there
 *
 * The arena lives on a buffer of 512 bytes, as it would on a caller's stack, and takes
 * what it needs from a heap of its own, so that the array is its only request.
 * Memory: of kmalloc() what ksize() says of the structures; of krealloc() what it says of
 * the last two arrays, which are there at the same time.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <quarry/arena.h>
#include <quarry/heap.h>
#include "case.h"
#include "slices.h"

#define NR_ITEMS	100000U

struct item {
	u64 words[3];
};

static_assert(sizeof(struct item) == 24);

struct array_case {
	int (*rounds[QUARRY_BENCH_NR_SIDES])(struct array_case *ac);
	bool no_block;			/* the kernel has none that is large enough */
	u64 nr_chunks;			/* of the last arena */
	u8 buffer[QUARRY_ARENA_MIN_BUFFER] __aligned(16);
	struct quarry_bench_loops loops;
	struct item items[NR_ITEMS];	/* the empty loop's */
	struct item *each[NR_ITEMS];
};

static __always_inline void fill(struct item *item, unsigned int i)
{
	WRITE_ONCE(item->words[0], i);
	WRITE_ONCE(item->words[1], i);
	WRITE_ONCE(item->words[2], i);
}

static noinline int none_round(struct array_case *ac)
{
	unsigned int i;

	for (i = 0; i < NR_ITEMS; i++)
		fill(&ac->items[i], i);
	return 0;
}

static noinline int quarry_round(struct array_case *ac)
{
	struct quarry_arena_stats stats;
	struct quarry_arena *arena;
	struct item *items;
	unsigned int i;

	arena = quarry_arena_create_on(ac->loops.heap, ac->buffer, sizeof(ac->buffer), NULL);
	if (IS_ERR(arena))
		return PTR_ERR(arena);
	items = quarry_arena_alloc(arena, array_size(NR_ITEMS, sizeof(*items)), GFP_KERNEL);
	for (i = 0; items && i < NR_ITEMS; i++)
		fill(&items[i], i);
	quarry_arena_get_stats(arena, &stats);
	ac->nr_chunks = stats.nr_chunks - 1;	/* the buffer */
	quarry_arena_destroy(arena);
	return items ? 0 : -ENOMEM;
}

static noinline int krealloc_round(struct array_case *ac)
{
	struct item *items = NULL, *larger;
	unsigned int i, room = 0;

	for (i = 0; i < NR_ITEMS; i++) {
		if (i == room) {
			room = room ? 2 * room : 1;
			larger = krealloc(items, array_size(room, sizeof(*items)),
					  GFP_KERNEL | __GFP_NOWARN);
			if (unlikely(!larger)) {
				ac->no_block = true;
				break;
			}
			items = larger;
		}
		fill(&items[i], i);
	}
	kfree(items);
	return i == NR_ITEMS ? 0 : -ENOMEM;
}

static noinline int each_round(struct array_case *ac)
{
	unsigned int i, nr;

	for (nr = 0; nr < NR_ITEMS; nr++) {
		ac->each[nr] = kmalloc(sizeof(*ac->each[nr]), GFP_KERNEL);
		if (unlikely(!ac->each[nr]))
			break;
		fill(ac->each[nr], nr);
	}
	for (i = 0; i < nr; i++)
		kfree(ac->each[i]);
	return nr == NR_ITEMS ? 0 : -ENOMEM;
}

static int run_side(struct quarry_bench_loops *loops, enum quarry_bench_side side,
		    unsigned int nr)
{
	struct array_case *ac = container_of(loops, struct array_case, loops);
	int ret = 0;

	while (nr-- && !ret)
		ret = ac->rounds[side](ac);
	return ret;
}

/* === Running them === */

static u64 usable(size_t size)
{
	void *obj = kmalloc(size, GFP_KERNEL | __GFP_NOWARN);
	u64 bytes = ksize(obj);

	kfree(obj);
	return bytes;
}

/* Requests until all fit, the first one included. */
#define NR_DOUBLINGS	(order_base_2(NR_ITEMS) + 1)

static int run_case(struct quarry_bench_result *res, const char *peer,
		    int (*peer_round)(struct array_case *ac), unsigned int nr_calls,
		    u64 peer_bytes)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	struct array_case *ac = vzalloc(sizeof(*ac));
	int ret;

	if (!ac)
		return -ENOMEM;
	res->peer = peer;
	res->per = "item";
	res->peak_bytes[QUARRY_BENCH_PEER] = peer_bytes;
	ac->rounds[QUARRY_BENCH_NONE] = none_round;
	ac->rounds[QUARRY_BENCH_QUARRY] = quarry_round;
	ac->rounds[QUARRY_BENCH_PEER] = peer_round;
	ac->loops.rounds = run_side;
	ac->loops.nr_ops = NR_ITEMS;
	ac->loops.nr_calls[QUARRY_BENCH_PEER] = nr_calls;
	ac->loops.heap = quarry_heap_create(&params);
	ret = PTR_ERR_OR_ZERO(ac->loops.heap);
	if (!ret)
		ret = quarry_round(ac);
	if (!ret) {
		ac->loops.nr_calls[QUARRY_BENCH_QUARRY] = ac->nr_chunks;
		ret = quarry_bench_slices(&ac->loops, res);
	}
	if (ac->no_block) {
		res->left_out = "the kernel has no block that is large enough for the peer";
		ret = 0;
	}
	quarry_heap_destroy(ac->loops.heap);
	vfree(ac);
	return ret;
}

int quarry_bench_arena_slice(struct quarry_bench_result *res)
{
	const size_t last = roundup_pow_of_two(NR_ITEMS) * sizeof(struct item);

	return run_case(res, "krealloc", krealloc_round, NR_DOUBLINGS,
			usable(last) + usable(last / 2));
}

int quarry_bench_arena_slice_each(struct quarry_bench_result *res)
{
	return run_case(res, "kmalloc", each_round, NR_ITEMS,
			NR_ITEMS * usable(sizeof(struct item)));
}
