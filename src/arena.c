// SPDX-License-Identifier: GPL-2.0
/*
 * Arenas: bump allocation out of chunks that are freed together.
 *
 *	first ─> [head|arena|xxxxxxxxxxxxx]   holds the arena itself
 *	            │next
 *	            v
 *	current ─> [head|xxxxxxxx|   free  ]   start .. pos .. end
 *	            │next
 *	            v
 *	          [head|       spare       ]   left by a reset, or pinned
 *
 *	alone ──> [head| big request       ] ─next─> ...
 *
 * The inline path moves pos.  When the chunk is full the next one is taken, or a new one
 * twice as large, from 4 KiB up to chunk_max; what was left in the old one is slack.  A
 * request of more than a quarter of chunk_max gets a chunk of its own and
 * leaves the current one in place, so that slack stays below a quarter.
 *
 * A reset goes back to the first chunk and leaves the others as spare ones, as far as
 * the arena's own history says that they will be needed again: keep follows a larger need at
 * once, and a smaller one by a quarter of the difference at each reset.  What is beyond
 * that goes back, the largest and last first.  With nothing to give back this is a
 * handful of stores.
 *
 * Chunks are runs of the heap: those of up to 8 pages come from per-CPU
 * magazines.  The owner entry of all their pages points to the arena, so that
 * a stray quarry_free() is refused and any pointer leads to it (arena_find.c).  The first
 * chunk may also be a buffer of the caller's, which has no owner entries.
 *
 * Locking: an arena belongs to one owner at a time.  Making, using and destroying one takes
 * no lock as long as magazines have its chunks; only those on buffers, and shared ones, are in
 * a list, with a lock (arena_list.c).
 *
 * Invariants: start <= pos <= end; held = sum of the chunks; used = used_before
 * + pos - start <= held; active <= chain <= held; current, pinned and last are in the chain
 * of first.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/align.h>
#include <linux/err.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "arena.h"
#include "arena_shared.h"
#include "chunk.h"
#include "escape.h"
#include "internal.h"
#include "poison.h"

#define DEFAULT_CHUNK_MAX	SZ_64K
#define LARGEST_CHUNK_MAX	SZ_1M
#define KEEP_SHARE		4

/* === Chunks === */

/* Spare chunks make room for others.  To be checked costs a page, which does not count. */
static bool within_limit(struct quarry_arena_priv *a, u64 size)
{
	u64 limit = a->limit + (a->unmaps ? a->first->size : 0);

	if (!a->limit || a->held + size <= limit)
		return true;
	if (a->chain == a->active || a->pinned)
		return false;
	quarry_arena_put_spare(a, 0);
	return a->held + size <= limit;
}

/* See frames.c. */
static void note_asked(struct quarry_arena_priv *a, u64 size)
{
	struct quarry_arena_watch *watch = a->watch;
	const struct quarry_site *site;

	watch->nr_below++;
	if (!watch->quiet)
		return;
	site = watch->asker ?: a->site;
	watch->nr_disturbed++;
	quarry_report("arena %s: a chunk of %llu bytes for %s, %s:%u, in a quiet scope\n",
		      quarry_arena_name(a), size, site->function, site->file, site->line);
}

static struct quarry_chunk *get_chunk(struct quarry_arena_priv *a, unsigned long nr_pages,
				      gfp_t gfp)
{
	u64 size = (u64)nr_pages << PAGE_SHIFT;
	struct quarry_chunk *chunk = NULL;

	if (!a->hp || !within_limit(a, size))
		return NULL;
	if (a->watch)
		note_asked(a, size);
	if (a->unmaps && gfpflags_allow_blocking(gfp)) {
		chunk = quarry_chunk_get(a->hp, a->kind, nr_pages, gfp | __GFP_NOWARN);
		/* What resets gave back may only be waiting for a flush. */
		if (!chunk)
			quarry_escape_drain();
	}
	if (!chunk)
		chunk = quarry_chunk_get(a->hp, a->kind, nr_pages, gfp);
	if (!chunk)
		return NULL;
	if (a->unmaps)
		chunk = quarry_escape_map(a, chunk, nr_pages);
	chunk->size = size;
	return chunk;
}

/* A chunk of @want pages, or of @need if that is too much. */
static struct quarry_chunk *get_chunk_of(struct quarry_arena_priv *a, unsigned long want,
					 unsigned long need, gfp_t gfp)
{
	struct quarry_chunk *chunk = NULL;

	if (want > need)
		chunk = get_chunk(a, want, gfp | __GFP_NOWARN | __GFP_NORETRY);
	return chunk ?: get_chunk(a, need, gfp);
}

/*
 * Is the free space of a chunk poisoned?  Not that of a caller's buffer, which may be left
 * as it is; what is in the window faults.
 */
static bool is_poisoned(const struct quarry_arena_priv *a, const struct quarry_chunk *chunk)
{
	return QUARRY_POISONS && !(a->on_buffer && chunk == a->first) && !quarry_window_has(chunk);
}

void quarry_arena_hide(struct quarry_arena_priv *a, const struct quarry_chunk *chunk,
		       unsigned long pos, u8 code)
{
	if (is_poisoned(a, chunk))
		quarry_poison(pos, (unsigned long)chunk + chunk->size, code);
}

void quarry_arena_hide_rest(struct quarry_arena_priv *a)
{
	quarry_arena_hide(a, a->current_chunk, a->arena.pos, QUARRY_POISON_FRESH);
}

#ifdef CONFIG_KASAN_GENERIC
void quarry_arena_expose(struct quarry_arena *arena, unsigned long start, size_t size)
{
	const struct quarry_arena_priv *a = quarry_to_arena(arena);
	unsigned long buffer = a->on_buffer ? (unsigned long)a->first : 0;

	if (buffer && start - buffer < a->first->size)
		return;
	if (!quarry_window_has((void *)start))
		quarry_unpoison(start, start + size);
}
EXPORT_SYMBOL_GPL(quarry_arena_expose);
#endif

/* Nothing of the arena is used: it may be in this chunk. */
static void put_chunk(struct quarry_heap_priv *hp, enum quarry_kind kind,
		      struct quarry_chunk *chunk)
{
	quarry_unpoison((unsigned long)chunk, (unsigned long)chunk + chunk->size);
	quarry_chunk_put(hp, kind, chunk, chunk->size >> PAGE_SHIFT);
}

static void count_chunk(struct quarry_arena_priv *a, const struct quarry_chunk *chunk)
{
	a->nr_chunks++;
	a->held += chunk->size;
	a->held_peak = max(a->held_peak, a->held);
}

static void own_chunk(struct quarry_arena_priv *a, struct quarry_chunk *chunk)
{
	count_chunk(a, chunk);
	quarry_chunk_set_owner(quarry_escape_direct(chunk), chunk->size >> PAGE_SHIFT,
			       (unsigned long)a | QUARRY_OWNER_CHUNK);
}

static void drop_chunk(struct quarry_arena_priv *a, struct quarry_chunk *chunk)
{
	if (a->watch)
		a->watch->nr_below++;
	a->nr_chunks--;
	a->held -= chunk->size;
	if (!quarry_escape_retire(chunk, a->dying))
		put_chunk(a->hp, a->kind, chunk);
}

/* From now on allocations come from @chunk, behind its first @head bytes. */
static void use_chunk(struct quarry_arena_priv *a, struct quarry_chunk *chunk, size_t head)
{
	a->current_chunk = chunk;
	a->start = (unsigned long)chunk + head;
	a->arena.pos = a->start;
	quarry_arena_set_end(a, (unsigned long)chunk + chunk->size);
	a->arena.floor = 0;
}

/* Into the chain, behind the current one. */
static void insert_chunk(struct quarry_arena_priv *a, struct quarry_chunk *chunk)
{
	own_chunk(a, chunk);
	quarry_arena_hide(a, chunk, (unsigned long)(chunk + 1), QUARRY_POISON_FRESH);
	chunk->next = a->current_chunk->next;
	a->current_chunk->next = chunk;
	if (a->last == a->current_chunk)
		a->last = chunk;
	a->chain += chunk->size;
}

void quarry_arena_put_alone(struct quarry_arena_priv *a, const struct quarry_chunk *until)
{
	struct quarry_chunk *chunk = a->alone, *next;

	for (; chunk != until; chunk = next) {
		next = chunk->next;
		drop_chunk(a, chunk);
	}
	a->alone = chunk;
}

void quarry_arena_put_spare(struct quarry_arena_priv *a, u64 keep)
{
	struct quarry_chunk *chunk, *end = a->current_chunk;
	u64 bytes = a->active;

	/* The first to go is the one behind which @keep bytes are kept. */
	while (end->next && bytes + end->next->size <= keep) {
		end = end->next;
		bytes += end->size;
	}
	while ((chunk = end->next)) {
		end->next = chunk->next;
		if (a->pinned == chunk)
			a->pinned = NULL;
		a->chain -= chunk->size;
		drop_chunk(a, chunk);
	}
	a->last = end;
}

/* What an arena on a buffer has in it as long as it is one. */
static unsigned long self_of(const struct quarry_arena_priv *a)
{
	return (unsigned long)a ^ 0xa2e4aUL;
}

static_assert(sizeof(struct quarry_chunk) + sizeof(struct quarry_arena_priv) <
	      QUARRY_ARENA_MIN_BUFFER - 64);

static size_t first_head(const struct quarry_arena_priv *a)
{
	/* The arena stays when what it handed out becomes stale. */
	if (a->unmaps)
		return a->first->size;
	return sizeof(struct quarry_chunk) + ALIGN(sizeof(struct quarry_arena_priv), 16);
}

/* === Creating, destroying === */

int quarry_arena_check_params(const struct quarry_arena_params *p)
{
	const char *what = NULL;

	if (p->chunk_max && (!is_power_of_2(p->chunk_max) || p->chunk_max < PAGE_SIZE ||
			     p->chunk_max > LARGEST_CHUNK_MAX))
		what = "chunk_max has to be 0 or a power of two from the page size to 1048576";
	else if (p->limit && p->limit < PAGE_SIZE)
		what = "limit has to be 0 (none) or at least a page";
	else if (p->flags & ~(QUARRY_DATA | QUARRY_ARENA_CHECKED | QUARRY_ARENA_ESCAPE_CHECK))
		what = "unknown flags";
	else if (p->flags & QUARRY_ARENA_ESCAPE_CHECK && !quarry_window_possible())
		what = "a module cannot check for escapes in this kernel";
	if (!what)
		return 0;
	quarry_report("arena %.31s (limit %llu, chunk_max %u, flags %#x): %s\n",
		      p->name ?: "(unnamed)", p->limit, p->chunk_max, p->flags, what);
	return -EINVAL;
}

static enum quarry_kind kind_of(const struct quarry_arena_params *params)
{
	return params->flags & QUARRY_DATA ? QUARRY_KIND_DATA : QUARRY_KIND_PTR;
}

void quarry_arena_init(struct quarry_arena_priv *a, struct quarry_heap_priv *hp,
		       const struct quarry_arena_params *params, const struct quarry_site *site)
{
	memset(a, 0, sizeof(*a));
	a->hp = hp;
	if (params->name)
		strscpy(a->name, params->name, sizeof(a->name));
	a->site = site;
	a->kind = kind_of(params);
	a->veiled = params->flags & QUARRY_ARENA_CHECKED || READ_ONCE(quarry_check_arenas);
	a->limit = params->limit;
	a->chunk_max = params->chunk_max ?: DEFAULT_CHUNK_MAX;
	INIT_LIST_HEAD(&a->children);
	INIT_LIST_HEAD(&a->sibling);
	refcount_set(&a->refs, 1);
}

/* @a lies in its first chunk. */
static void init_first(struct quarry_arena_priv *a, struct quarry_chunk *chunk)
{
	chunk->next = NULL;
	a->first = chunk;
	a->last = chunk;
	a->chain = chunk->size;
	a->active = chunk->size;
	use_chunk(a, chunk, first_head(a));
	quarry_arena_hide_rest(a);
}

struct quarry_arena *quarry_arena_create_site(struct quarry_heap *heap,
					      const struct quarry_arena_params *params,
					      gfp_t gfp, const struct quarry_site *site)
{
	static const struct quarry_arena_params defaults = {};
	struct quarry_arena_priv *a;
	struct quarry_chunk *chunk;
	int ret;

	might_alloc(gfp);
	if (!params)
		params = &defaults;
	ret = quarry_arena_check_params(params);
	if (ret)
		return ERR_PTR(ret);
	if (quarry_refuse_node_flags(gfp))
		return ERR_PTR(-EINVAL);
	if (in_nmi())
		return ERR_PTR(-ENOMEM);
	/* The limit is at least a page. */
	chunk = quarry_chunk_get(to_priv(heap), kind_of(params), 1, gfp);
	if (!chunk)
		return ERR_PTR(-ENOMEM);
	chunk->size = PAGE_SIZE;
	a = (void *)(chunk + 1);
	quarry_arena_init(a, to_priv(heap), params, site);
	a->unmaps = quarry_escape_wanted(params->flags, gfp);
	init_first(a, chunk);
	/* From now on others can find it. */
	own_chunk(a, chunk);
	return &a->arena;
}
EXPORT_SYMBOL_GPL(quarry_arena_create_site);

struct quarry_arena *quarry_arena_create_on_site(struct quarry_heap *heap, void *buffer,
						 size_t size,
						 const struct quarry_arena_params *params,
						 const struct quarry_site *site)
{
	static const struct quarry_arena_params defaults = {};
	struct quarry_chunk *chunk = buffer;
	struct quarry_arena_priv *a;
	int ret;

	if (!params)
		params = &defaults;
	ret = quarry_arena_check_params(params);
	if (ret)
		return ERR_PTR(ret);
	if (params->flags & QUARRY_ARENA_ESCAPE_CHECK) {
		quarry_report("arena %.31s: a caller's buffer cannot be checked for escapes\n",
			      params->name ?: "(unnamed)");
		return ERR_PTR(-EINVAL);
	}
	if (size < QUARRY_ARENA_MIN_BUFFER || !IS_ALIGNED((unsigned long)buffer, 16)) {
		quarry_report("arena %.31s: buffer of %zu bytes at %p: not %lu, or unaligned\n",
			      params->name ?: "(unnamed)", size, buffer,
			      QUARRY_ARENA_MIN_BUFFER);
		return ERR_PTR(-EINVAL);
	}
	chunk->size = ALIGN_DOWN(size, 16);
	a = (void *)(chunk + 1);
	quarry_arena_init(a, heap ? to_priv(heap) : NULL, params, site);
	a->on_buffer = true;
	a->self = self_of(a);
	a->nr_chunks = 1;
	init_first(a, chunk);
	if (a->hp)
		quarry_arena_list_add(a);
	return &a->arena;
}
EXPORT_SYMBOL_GPL(quarry_arena_create_on_site);

void quarry_arena_free(struct quarry_arena_priv *a)
{
	struct quarry_heap_priv *hp = a->hp;
	enum quarry_kind kind = a->kind;
	struct quarry_chunk *first = a->first;
	bool on_buffer = a->on_buffer, unmaps = a->unmaps;

	/* From now on nobody else looks at it. */
	if (!on_buffer)
		quarry_arena_retire(a);
	else if (hp)
		quarry_arena_list_del(a);
	a->dying = true;
	quarry_arena_put_alone(a, NULL);
	use_chunk(a, first, first_head(a));
	a->active = first->size;
	quarry_arena_put_spare(a, 0);
	/* Whoever uses it all the same gets out of the inline path, and nothing. */
	a->arena.pos = 0;
	quarry_arena_set_end(a, 0);
	a->self = 0;
	if (unmaps)
		quarry_escape_settle();
	/* The arena is in this chunk. */
	if (!on_buffer)
		put_chunk(hp, kind, first);
}

/* === Reset === */

void quarry_arena_wipe(struct quarry_arena_priv *a, struct quarry_chunk *chunk, unsigned long from)
{
	struct quarry_chunk *last = a->current_chunk;
	unsigned long end;

	for (;; chunk = chunk->next, from = (unsigned long)(chunk + 1)) {
		end = (unsigned long)chunk + chunk->size;
		if (want_init_on_free()) {
			if (is_poisoned(a, chunk))
				quarry_unpoison(from, end);
			memset((void *)from, 0, (chunk == last ? a->arena.pos : end) - from);
		}
		quarry_arena_hide(a, chunk, from, QUARRY_POISON_STALE);
		if (chunk == last)
			return;
	}
}

void quarry_arena_reset(struct quarry_arena *arena)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena);
	bool in = quarry_arena_enter(a, _RET_IP_);

	if (!in && !quarry_arena_is_alive(a))
		return;
	quarry_arena_note_peak(a);
	if (a->cleanups || !list_empty(&a->children))
		quarry_arena_unwind(a, _RET_IP_);
	quarry_arena_put_alone(a, NULL);
	if (want_init_on_free() || QUARRY_POISONS)
		quarry_arena_wipe(a, a->first, (unsigned long)a->first + first_head(a));
	if (a->active >= a->keep)
		a->keep = a->active;
	else
		a->keep -= (a->keep - a->active + KEEP_SHARE - 1) / KEEP_SHARE;
	use_chunk(a, a->first, first_head(a));
	a->active = a->first->size;
	a->used_before = 0;
	a->asked = 0;
	a->mark = 0;
	a->pinned = NULL;
	a->nr_resets++;
	if (a->unmaps) {
		quarry_arena_put_spare(a, 0);
		quarry_escape_settle();
	} else if (a->chain > a->keep) {
		quarry_arena_put_spare(a, a->keep);
	}
	quarry_arena_leave(a, in);
}
EXPORT_SYMBOL_GPL(quarry_arena_reset);

u64 quarry_arena_trim(struct quarry_arena *arena)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena);
	bool in = quarry_arena_enter(a, _RET_IP_);
	u64 bytes = a->held;

	if (!in && !quarry_arena_is_alive(a))
		return 0;
	quarry_arena_put_spare(a, 0);
	a->keep = min(a->keep, a->chain);
	bytes -= a->held;
	quarry_arena_leave(a, in);
	return bytes;
}
EXPORT_SYMBOL_GPL(quarry_arena_trim);

/* === Numbers === */

/* Bytes of all chunks, the caller's own included. */
static u64 room(const struct quarry_arena_priv *a)
{
	return READ_ONCE(a->held) + (a->on_buffer ? a->first->size : 0);
}

u64 quarry_arena_used(const struct quarry_arena_priv *a)
{
	u64 used;

	if (a->is_shared)
		return quarry_arena_shared_used(a);
	used = READ_ONCE(a->used_before) + READ_ONCE(a->arena.pos) - READ_ONCE(a->start);
	return min(used, room(a));
}

void quarry_arena_note_peak(struct quarry_arena_priv *a)
{
	a->used_peak = max(a->used_peak, quarry_arena_used(a));
}

void quarry_arena_read_stats(const struct quarry_arena_priv *a, struct quarry_arena_stats *stats)
{
	u64 spare, all;

	if (a->is_shared) {
		quarry_arena_shared_read_stats(a, stats);
		return;
	}
	spare = READ_ONCE(a->chain) - READ_ONCE(a->active);
	all = room(a);
	/* Those of a busy arena may be of different moments. */
	stats->used = min(quarry_arena_used(a), all);
	stats->used_peak = max(READ_ONCE(a->used_peak), stats->used);
	stats->asked = a->veiled ? READ_ONCE(a->asked) : stats->used;
	stats->spare = min(spare, all - stats->used);
	stats->slack = all - stats->used - stats->spare;
	stats->held = READ_ONCE(a->held);
	stats->held_peak = READ_ONCE(a->held_peak);
	stats->nr_chunks = READ_ONCE(a->nr_chunks);
	stats->nr_resets = READ_ONCE(a->nr_resets);
}

void quarry_arena_get_stats(struct quarry_arena *arena, struct quarry_arena_stats *stats)
{
	quarry_arena_read_stats(quarry_to_arena(arena), stats);
}
EXPORT_SYMBOL_GPL(quarry_arena_get_stats);

/* === When the current chunk is full === */

/* A chunk for @size bytes alone, @head bytes behind its start. */
static void *alloc_alone(struct quarry_arena_priv *a, size_t head, size_t size, gfp_t gfp)
{
	struct quarry_chunk *chunk = get_chunk(a, PFN_UP(head + size), gfp);

	if (!chunk)
		return NULL;
	own_chunk(a, chunk);
	quarry_arena_hide(a, chunk, (unsigned long)(chunk + 1), QUARRY_POISON_FRESH);
	chunk->next = a->alone;
	a->alone = chunk;
	a->used_before += size;
	return (void *)chunk + head;
}

/* The next chunk of the chain becomes the current one. */
static void *advance(struct quarry_arena_priv *a, size_t head, size_t size)
{
	struct quarry_chunk *chunk = a->current_chunk->next;

	a->used_before += a->arena.pos - a->start;
	a->active += chunk->size;
	if (a->pinned == chunk)
		a->pinned = NULL;
	use_chunk(a, chunk, sizeof(*chunk));
	a->arena.pos = (unsigned long)chunk + head + size;
	return (void *)chunk + head;
}

static bool fits_next(const struct quarry_arena_priv *a, size_t bytes)
{
	const struct quarry_chunk *next = a->current_chunk->next;

	return next && bytes <= next->size;
}

static void *alloc_from_next(struct quarry_arena_priv *a, size_t head, size_t size, gfp_t gfp)
{
	unsigned long need = PFN_UP(head + size), want;
	struct quarry_chunk *chunk;

	if (fits_next(a, head + size))
		return advance(a, head, size);
	want = max(need, min(2 * a->current_chunk->size, a->chunk_max) >> PAGE_SHIFT);
	chunk = get_chunk_of(a, want, need, gfp);
	if (!chunk)
		return NULL;
	insert_chunk(a, chunk);
	return advance(a, head, size);
}

/* Spare room for @bytes, which nothing but a reset, a rewind or a trim takes away. */
static int pin_chunk(struct quarry_arena_priv *a, size_t bytes, gfp_t gfp)
{
	struct quarry_chunk *chunk;

	if (!fits_next(a, sizeof(*chunk) + bytes)) {
		chunk = in_nmi() ? NULL : get_chunk(a, PFN_UP(sizeof(*chunk) + bytes), gfp);
		if (!chunk)
			return -ENOMEM;
		insert_chunk(a, chunk);
	}
	a->pinned = a->current_chunk->next;
	return 0;
}

int quarry_arena_reserve(struct quarry_arena *arena, size_t bytes, gfp_t gfp)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena);
	int ret;

	if (bytes > QUARRY_ARENA_MAX_ALLOC || quarry_refuse_node_flags(gfp))
		return -EINVAL;
	if (!quarry_arena_enter(a, _RET_IP_))
		return -EBUSY;
	/* What comes first may have to be aligned. */
	ret = !bytes || ALIGN(arena->pos, QUARRY_ARENA_ALIGN) + bytes <= a->end ? 0 :
	      pin_chunk(a, bytes, gfp);
	quarry_arena_leave(a, true);
	return ret;
}
EXPORT_SYMBOL_GPL(quarry_arena_reserve);

/* Destroyed ones end up here, and what is there instead of them may be anything. */
bool quarry_arena_is_alive(const struct quarry_arena_priv *a)
{
	unsigned long owner;

	preempt_disable();
	owner = quarry_owner(a);
	preempt_enable();
	/* On a buffer there is no telling but by what was left there. */
	return quarry_owner_to_arena(owner) == a || a->self == self_of(a);
}

bool quarry_arena_refuses(const struct quarry_arena_priv *a, size_t size, size_t align, gfp_t gfp)
{
	if (is_power_of_2(align) && align <= PAGE_SIZE)
		return size > QUARRY_ARENA_MAX_ALLOC || quarry_refuse_node_flags(gfp);
	quarry_report("arena %s: alignment %zu is no power of two up to the page size\n",
		      quarry_arena_name(a), align);
	return true;
}

static void *take(struct quarry_arena_priv *a, size_t size, size_t align, gfp_t gfp)
{
	size_t head = ALIGN(sizeof(struct quarry_chunk), align);
	unsigned long start = ALIGN(a->arena.pos, align);

	if (start + size <= a->end) {
		a->arena.pos = start + size;
		return (void *)start;
	}
	if (in_nmi())
		return NULL;
	if (head + size <= a->chunk_max / 4 || (a->pinned && fits_next(a, head + size)))
		return alloc_from_next(a, head, size, gfp);
	return alloc_alone(a, head, size, gfp);
}

void *quarry_arena_take(struct quarry_arena_priv *a, size_t size, size_t align, gfp_t gfp)
{
	void *ptr;

	if (!size)
		return ZERO_SIZE_PTR;
	if (quarry_arena_refuses(a, size, align, gfp))
		return NULL;
	ptr = take(a, size, align, gfp);
	if (!ptr)
		return NULL;
	a->asked += size;
	quarry_arena_expose(&a->arena, (unsigned long)ptr, size);
	if (want_init_on_alloc(gfp))
		memset(ptr, 0, size);
	return ptr;
}

void *quarry_arena_alloc_slow(struct quarry_arena *arena, size_t size, size_t align, gfp_t gfp,
			      const struct quarry_site *site)
{
	struct quarry_arena_priv *a = quarry_to_arena(arena);
	void *ptr;

	if (!quarry_arena_is_alive(a)) {
		quarry_report("%s:%u allocates from an arena at %p, which is destroyed\n",
			      site->file, site->line, arena);
		return NULL;
	}
	if (!quarry_arena_enter(a, _RET_IP_))
		return NULL;
	if (a->watch)
		a->watch->asker = site;
	ptr = quarry_arena_take(a, size, align, gfp);
	if (a->watch)
		a->watch->asker = NULL;
	quarry_arena_leave(a, true);
	return ptr;
}
EXPORT_SYMBOL_GPL(quarry_arena_alloc_slow);
