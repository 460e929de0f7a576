// SPDX-License-Identifier: GPL-2.0
/*
 * Shared arenas: bump allocation by any CPU in any context, without a lock.
 *
 *	places:   cpu 0       cpu 1       cpu 2 ...
 *	            │           │           └> nowhere: no room
 *	            v           v
 *	first ─> [shared|xx| ] [xxxxxxx|  |tail]	the first holds the arena itself
 *
 *	chunks ─> tail ─> tail ─> ...			all others, for reset and destroy
 *
 * A place is one word per CPU: the address of the CPU's next free byte and the order of the
 * chunk it is in.  Chunks have a power of two of pages and are naturally aligned, so that the
 * word alone says where the chunk ends; the last bytes are not handed out, so that the address
 * never is that of the next chunk.  The inline path moves the place by this_cpu_cmpxchg(): one
 * instruction on x86, not a locked one, that no interrupt or NMI can come into; elsewhere
 * interrupts are off meanwhile, and there is no NMI.
 *
 * If there is no room a chunk is taken from the heap, twice as large as the one that this CPU
 * was in, and put in its place in the same way, with the request already cut out of it.  Who
 * finds that somebody else was there in the meantime goes on with what is there, and gives the
 * chunk back if there is room.  What is left of the old chunk is slack.  Large requests get a chunk
 * of their own, as in arena.c.
 *
 * No place ever comes back as long as somebody may hold an old one: addresses in a chunk only
 * grow, a chunk is put in the place of one CPU once, and goes back to the heap after that only when
 * nobody allocates (reset, destroy).  Nowhere is the same for all CPUs, and a chunk may replace
 * it on whichever it is.  So who was interrupted or moved to another CPU after it had read the
 * place fails to change it if anything happened, and nothing else has to be checked.
 *
 * A CPU that goes offline leaves its place as it is: the rest of its chunk is slack, or is used
 * when it comes back.
 *
 * Locking: none but of the list of arenas (arena_list.c).  The slow path counts with atomics.
 *
 * Invariants: each place is nowhere or in a chunk of this arena, and no two in the same;
 * held = sum of the chunks <= limit; used + sum of what is behind CPUs' places = bytes handed out.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/err.h>
#include <linux/export.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "arena_shared.h"
#include "chunk.h"
#include "fault.h"
#include "internal.h"

/* The largest that magazines hold. */
#define DEFAULT_CHUNK_MAX	(PAGE_SIZE << (QUARRY_NR_PAGE_FRONTS - 1))

/* The last byte of a page: no room, whatever is asked. */
#define NOWHERE			((PAGE_SIZE - 1) << QUARRY_PLACE_BITS)

static_assert(sizeof(struct quarry_shared_chunk) == QUARRY_PLACE_TAIL);
static_assert(BIT(QUARRY_PLACE_BITS) > QUARRY_EXTENT_MAX_ORDER);
/* Both the sign of an address and all of it have to fit. */
static_assert(BITS_PER_LONG == 64);

/* For destroyed ones: leads out of the inline path. */
static DEFINE_PER_CPU(unsigned long, nowhere) = NOWHERE;

static unsigned long make_place(const void *addr, unsigned int order)
{
	return (unsigned long)addr << QUARRY_PLACE_BITS | order;
}

static unsigned int place_order(unsigned long place)
{
	return place & (BIT(QUARRY_PLACE_BITS) - 1);
}

/* Bytes in front of the place in its chunk. */
static unsigned long place_offset(unsigned long place)
{
	return place == NOWHERE ? 0 : quarry_place_pos(place) & quarry_place_mask(place);
}

static size_t first_head(void)
{
	return ALIGN(sizeof(struct quarry_arena_shared_priv), 16);
}

static_assert(sizeof(struct quarry_arena_shared_priv) < PAGE_SIZE / 2);

/* === Chunks === */

static struct quarry_shared_chunk *tail_of(void *chunk, unsigned long size)
{
	return chunk + size - sizeof(struct quarry_shared_chunk);
}

/* Within the limit at any moment; false if that leaves no room. */
static bool hold(struct quarry_arena_shared_priv *s, long size)
{
	u64 limit = s->base.limit ?: LONG_MAX;
	long held = atomic_long_read(&s->held);

	do {
		if ((u64)held + size > limit)
			return false;
	} while (!atomic_long_try_cmpxchg(&s->held, &held, held + size));
	return true;
}

static void note_peak(struct quarry_arena_shared_priv *s)
{
	long peak = atomic_long_read(&s->held_peak), held;

	do {
		held = atomic_long_read(&s->held);
	} while (held > peak && !atomic_long_try_cmpxchg(&s->held_peak, &peak, held));
}

static void *get_chunk(struct quarry_arena_shared_priv *s, unsigned long nr_pages, gfp_t gfp)
{
	unsigned long size = nr_pages << PAGE_SHIFT;
	void *chunk;

	if (!hold(s, size))
		return NULL;
	chunk = quarry_chunk_get(s->base.hp, s->base.kind, nr_pages, gfp);
	if (!chunk) {
		atomic_long_sub(size, &s->held);
		return NULL;
	}
	note_peak(s);
	atomic_long_inc(&s->nr_chunks);
	quarry_chunk_set_owner(chunk, nr_pages, (unsigned long)s | QUARRY_OWNER_SHARED);
	tail_of(chunk, size)->size = size;
	return chunk;
}

/* It is not in the list. */
static void put_chunk(struct quarry_arena_shared_priv *s, void *chunk, unsigned long size)
{
	atomic_long_sub(size, &s->held);
	atomic_long_dec(&s->nr_chunks);
	quarry_chunk_put(s->base.hp, s->base.kind, chunk, size >> PAGE_SHIFT);
}

static void list_chunk(struct quarry_arena_shared_priv *s, void *chunk, unsigned long size)
{
	llist_add(&tail_of(chunk, size)->node, &s->chunks);
}

/* All but the first; nobody allocates. */
static void put_chunks(struct quarry_arena_shared_priv *s)
{
	struct quarry_shared_chunk *tail, *next;

	llist_for_each_entry_safe(tail, next, llist_del_all(&s->chunks), node)
		put_chunk(s, (void *)(tail + 1) - tail->size, tail->size);
}

/* This CPU goes on in the first chunk and all others are nowhere; nobody allocates. */
static void use_first(struct quarry_arena_shared_priv *s)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		WRITE_ONCE(*per_cpu_ptr(s->shared.places, cpu), NOWHERE);
	cpu = raw_smp_processor_id();
	WRITE_ONCE(*per_cpu_ptr(s->shared.places, cpu),
		   make_place((void *)s + first_head(), 0));
	atomic_long_set(&s->used, -(long)first_head());
}

/* === Creating, destroying, resetting === */

/* The first chunk, which the arena's numbers are in, is no one's yet. */
static void *get_first(struct quarry_heap_priv *hp, enum quarry_kind kind, gfp_t gfp)
{
	void *chunk = quarry_chunk_get(hp, kind, 1, gfp);

	if (chunk)
		quarry_chunk_set_owner(chunk, 1, (unsigned long)chunk | QUARRY_OWNER_SHARED);
	return chunk;
}

static unsigned long __percpu *get_places(gfp_t gfp)
{
	if (quarry_fault(QUARRY_FAULT_CHUNK, sizeof(unsigned long)) || !quarry_may_call_kernel())
		return NULL;
	return alloc_percpu_gfp(unsigned long, gfp & ~__GFP_ZERO);
}

struct quarry_arena_shared *
quarry_arena_shared_create_site(struct quarry_heap *heap, const struct quarry_arena_params *params,
				gfp_t gfp, const struct quarry_site *site)
{
	static const struct quarry_arena_params defaults = {};
	struct quarry_heap_priv *hp = to_priv(heap);
	struct quarry_arena_shared_priv *s;
	unsigned long __percpu *places;
	enum quarry_kind kind;
	int ret;

	might_alloc(gfp);
	if (!params)
		params = &defaults;
	ret = quarry_arena_check_params(params);
	if (ret)
		return ERR_PTR(ret);
	if (params->flags & QUARRY_ARENA_CHECKED) {
		quarry_report("shared arena %.31s has no single owner to check for\n",
			      params->name ?: "(unnamed)");
		return ERR_PTR(-EINVAL);
	}
	if (quarry_refuse_node_flags(gfp))
		return ERR_PTR(-EINVAL);
	places = get_places(gfp);
	if (!places)
		return ERR_PTR(-ENOMEM);
	kind = params->flags & QUARRY_DATA ? QUARRY_KIND_DATA : QUARRY_KIND_PTR;
	s = get_first(hp, kind, gfp);
	if (!s) {
		free_percpu(places);
		return ERR_PTR(-ENOMEM);
	}
	memset(s, 0, sizeof(*s));
	quarry_arena_init(&s->base, hp, params, site);
	s->base.is_shared = true;
	s->base.veiled = false;
	s->base.chunk_max = params->chunk_max ?: DEFAULT_CHUNK_MAX;
	atomic_long_set(&s->held, PAGE_SIZE);
	atomic_long_set(&s->held_peak, PAGE_SIZE);
	atomic_long_set(&s->nr_chunks, 1);
	init_llist_head(&s->chunks);
	s->shared.places = places;
	use_first(s);
	quarry_arena_list_add(&s->base);
	return &s->shared;
}
EXPORT_SYMBOL_GPL(quarry_arena_shared_create_site);

/* Destroyed ones may be used by mistake, and what is there instead of them may be anything. */
static bool is_alive(const struct quarry_arena_shared_priv *s)
{
	unsigned long owner;

	preempt_disable();
	owner = quarry_owner(s);
	preempt_enable();
	return owner == ((unsigned long)s | QUARRY_OWNER_SHARED);
}

/* All but the first chunk's head, which is ours. */
static void wipe_first(struct quarry_arena_shared_priv *s)
{
	if (want_init_on_free())
		memset((void *)s + first_head(), 0, PAGE_SIZE - first_head());
}

void quarry_arena_shared_destroy(struct quarry_arena_shared *arena)
{
	struct quarry_arena_shared_priv *s;
	unsigned long __percpu *places;

	if (IS_ERR_OR_NULL(arena))
		return;
	s = quarry_to_shared(arena);
	if (!is_alive(s)) {
		quarry_report("a shared arena at %p is destroyed, which is already\n", arena);
		return;
	}
	quarry_arena_list_del(&s->base);
	put_chunks(s);
	/* Whoever uses it all the same gets out of the inline path, and nothing. */
	places = arena->places;
	arena->places = &nowhere;
	free_percpu(places);
	wipe_first(s);
	quarry_chunk_put_as_is(s->base.hp, s->base.kind, s, 1);
}
EXPORT_SYMBOL_GPL(quarry_arena_shared_destroy);

void quarry_arena_shared_reset(struct quarry_arena_shared *arena)
{
	struct quarry_arena_shared_priv *s = quarry_to_shared(arena);

	if (!is_alive(s)) {
		quarry_report("a shared arena at %p is reset, which is destroyed\n", arena);
		return;
	}
	quarry_arena_note_peak(&s->base);
	put_chunks(s);
	wipe_first(s);
	use_first(s);
	s->base.nr_resets++;
}
EXPORT_SYMBOL_GPL(quarry_arena_shared_reset);

/* === Numbers === */

u64 quarry_arena_shared_used(const struct quarry_arena_priv *a)
{
	const struct quarry_arena_shared_priv *s = quarry_base_to_shared(a);
	long used = atomic_long_read(&s->used);
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		used += place_offset(READ_ONCE(*per_cpu_ptr(s->shared.places, cpu)));
	/* A CPU may have been on its way from one chunk to the next. */
	return clamp_t(long, used, 0, atomic_long_read(&s->held));
}

void quarry_arena_shared_read_stats(const struct quarry_arena_priv *a,
				    struct quarry_arena_stats *stats)
{
	const struct quarry_arena_shared_priv *s = quarry_base_to_shared(a);
	u64 used = quarry_arena_shared_used(a), held = atomic_long_read(&s->held);

	/* A chunk may have gone back meanwhile. */
	used = min(used, held);
	*stats = (struct quarry_arena_stats) {
		.used = used,
		.used_peak = max(READ_ONCE(a->used_peak), used),
		.asked = used,
		.slack = held - used,
		.held = held,
		.held_peak = atomic_long_read(&s->held_peak),
		.nr_chunks = atomic_long_read(&s->nr_chunks),
		.nr_resets = READ_ONCE(a->nr_resets),
	};
}

void quarry_arena_shared_get_stats(struct quarry_arena_shared *arena,
				   struct quarry_arena_stats *stats)
{
	quarry_arena_shared_read_stats(&quarry_to_shared(arena)->base, stats);
}
EXPORT_SYMBOL_GPL(quarry_arena_shared_get_stats);

/* === When this CPU's chunk is full === */

static void *alloc_alone(struct quarry_arena_shared_priv *s, size_t size, gfp_t gfp)
{
	unsigned long nr_pages = PFN_UP(size + QUARRY_PLACE_TAIL);
	void *chunk = get_chunk(s, nr_pages, gfp);

	if (!chunk)
		return NULL;
	list_chunk(s, chunk, nr_pages << PAGE_SHIFT);
	atomic_long_add(size, &s->used);
	return chunk;
}

/* Twice as large as what this CPU has, or as large as need be; its order is stored. */
static void *get_next(struct quarry_arena_shared_priv *s, unsigned long place, size_t size,
		      gfp_t gfp, unsigned int *order)
{
	unsigned int need = get_order(size + QUARRY_PLACE_TAIL), want = need;
	void *chunk = NULL;

	if (place != NOWHERE)
		want = max_t(unsigned int, need,
			     min_t(unsigned int, place_order(place) + 1,
				   ilog2(s->base.chunk_max) - PAGE_SHIFT));
	*order = want;
	if (want > need)
		chunk = get_chunk(s, 1UL << want, gfp | __GFP_NOWARN | __GFP_NORETRY);
	if (chunk)
		return chunk;
	*order = need;
	return get_chunk(s, 1UL << need, gfp);
}

/* The place behind @size bytes in @place's chunk, or @place itself if there is no room. */
static unsigned long place_behind(unsigned long place, size_t size, size_t align,
				  unsigned long *start)
{
	*start = ALIGN(quarry_place_pos(place), align);
	if (*start + size > quarry_place_end(place))
		return place;
	return quarry_place_add(place, *start + size - quarry_place_pos(place));
}

static void *alloc_from_next(struct quarry_arena_shared_priv *s, size_t size, size_t align,
			     gfp_t gfp)
{
	unsigned long place, next, start;
	void *chunk = NULL;
	unsigned int order;

	for (;;) {
		place = this_cpu_read(*s->shared.places);
		next = place_behind(place, size, align, &start);
		if (next == place) {
			if (!chunk) {
				chunk = get_next(s, place, size, gfp, &order);
				/* Others may have put one there meanwhile. */
				if (!chunk && this_cpu_read(*s->shared.places) == place)
					return NULL;
				continue;
			}
			next = make_place(chunk + size, order);
			start = (unsigned long)chunk;
		}
		if (this_cpu_cmpxchg(*s->shared.places, place, next) == place)
			break;
	}
	if (start == (unsigned long)chunk) {
		atomic_long_add(place_offset(place), &s->used);
		list_chunk(s, chunk, PAGE_SIZE << order);
	} else if (chunk) {
		put_chunk(s, chunk, PAGE_SIZE << order);
	}
	return (void *)start;
}

void *quarry_arena_shared_alloc_slow(struct quarry_arena_shared *arena, size_t size, size_t align,
				     gfp_t gfp, const struct quarry_site *site)
{
	struct quarry_arena_shared_priv *s = quarry_to_shared(arena);
	void *ptr;

	if (!is_alive(s)) {
		quarry_report("%s:%u allocates from a shared arena at %p, which is destroyed\n",
			      site->file, site->line, arena);
		return NULL;
	}
	if (!size)
		return ZERO_SIZE_PTR;
	if (quarry_arena_refuses(&s->base, size, align, gfp))
		return NULL;
	if (size + QUARRY_PLACE_TAIL <= s->base.chunk_max / 4)
		ptr = alloc_from_next(s, size, align, gfp);
	else
		ptr = alloc_alone(s, size, gfp);
	if (ptr && want_init_on_alloc(gfp))
		memset(ptr, 0, size);
	return ptr;
}
EXPORT_SYMBOL_GPL(quarry_arena_shared_alloc_slow);
