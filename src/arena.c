// SPDX-License-Identifier: GPL-2.0
/*
 * Arenas: bump allocation out of chunks that are freed together.
 *
 *	chunks ─> [head| big request     ]
 *	            │next
 *	            v
 *	          [head|xxxxxxxx|   free   ]   current: start .. pos .. end
 *	            │next
 *	            v
 *	          [head|arena|xxxxxxxxxxxxx]   first chunk, holds the arena itself
 *
 * The inline path moves pos.  When the chunk is full the next one is twice as
 * large, from 4 KiB up to chunk_max; what was left in the old one is slack.  A
 * request of more than a quarter of chunk_max gets a chunk of its own and
 * leaves the current one in place, so that slack stays below a quarter.
 *
 * Chunks are runs of the heap: those of up to 8 pages come from per-CPU
 * magazines.  The owner entry of their first page points to the arena, so that
 * a stray quarry_free() of it is refused.
 *
 * Locking: an arena belongs to one owner at a time; only the heap's list of
 * arenas is locked (arenas_lock).  Readers of the list put a marker into it and
 * move that on, so that the lock is held for BATCH steps at most.
 *
 * Invariants: start <= pos <= end; held = sum of the chunks; used = used_before
 * + pos - start <= held.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/align.h>
#include <linux/err.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "arena.h"
#include "fault.h"
#include "internal.h"

#define DEFAULT_CHUNK_MAX	SZ_64K
#define LARGEST_CHUNK_MAX	SZ_1M
#define BATCH			32	/* arenas per lock hold */

static struct quarry_arena_priv *to_arena(struct quarry_arena *arena)
{
	return container_of(arena, struct quarry_arena_priv, arena);
}

/* === Chunks === */

static struct quarry_chunk *get_chunk(struct quarry_heap_priv *hp, unsigned long nr_pages,
				      enum quarry_kind kind, gfp_t gfp)
{
	struct quarry_pages_want want = quarry_pages_want(nr_pages, kind, gfp);
	struct quarry_chunk *chunk;

	if (quarry_fault(QUARRY_FAULT_CHUNK, nr_pages << PAGE_SHIFT))
		return NULL;
	chunk = quarry_run_alloc(&hp->runs, &want);
	if (!chunk)
		return NULL;
	chunk->nr_pages = nr_pages;
	atomic_long_add(nr_pages, &hp->arena_pages);
	return chunk;
}

static void put_chunk(struct quarry_heap_priv *hp, struct quarry_chunk *chunk)
{
	/* Somebody may have written to private meanwhile; giving back will tell. */
	struct quarry_extent *ext = quarry_extent_find(chunk) ?:
				    quarry_pages_search(&hp->pages, chunk);
	unsigned long nr_pages = chunk->nr_pages, owner;

	atomic_long_sub(nr_pages, &hp->arena_pages);
	owner = quarry_run_mark(&hp->runs, chunk, nr_pages, ext->kind);
	if (want_init_on_free())
		memset(chunk, 0, nr_pages << PAGE_SHIFT);
	preempt_disable();
	QUARRY_WARN_ON(quarry_run_free(&hp->runs, ext, chunk, owner));
	preempt_enable();
}

static void link_chunk(struct quarry_arena_priv *a, struct quarry_chunk *chunk)
{
	WRITE_ONCE(*quarry_owner_slot(chunk), (unsigned long)a | QUARRY_OWNER_CHUNK);
	chunk->next = a->chunks;
	a->chunks = chunk;
	a->nr_chunks++;
	a->held += chunk->nr_pages << PAGE_SHIFT;
	a->held_peak = max(a->held_peak, a->held);
}

/* From now on allocations come from @chunk, behind its first @head bytes. */
static void use_chunk(struct quarry_arena_priv *a, struct quarry_chunk *chunk, size_t head)
{
	a->start = (unsigned long)chunk + head;
	a->arena.pos = a->start;
	a->arena.end = (unsigned long)chunk + (chunk->nr_pages << PAGE_SHIFT);
}

/* All but the first, which is the last of the chain. */
static void put_later_chunks(struct quarry_arena_priv *a)
{
	struct quarry_chunk *chunk = a->chunks, *next;

	for (; chunk->next; chunk = next) {
		next = chunk->next;
		a->held -= chunk->nr_pages << PAGE_SHIFT;
		a->nr_chunks--;
		put_chunk(a->hp, chunk);
	}
	a->chunks = chunk;
}

static size_t first_head(void)
{
	return sizeof(struct quarry_chunk) + ALIGN(sizeof(struct quarry_arena_priv), 16);
}

/* === Public interface === */

static int check_params(const struct quarry_arena_params *p)
{
	const char *what = NULL;

	if (p->chunk_max && (!is_power_of_2(p->chunk_max) || p->chunk_max < PAGE_SIZE ||
			     p->chunk_max > LARGEST_CHUNK_MAX))
		what = "chunk_max has to be 0 or a power of two from the page size to 1048576";
	else if (p->limit && p->limit < PAGE_SIZE)
		what = "limit has to be 0 (none) or at least a page";
	else if (p->flags & ~QUARRY_DATA)
		what = "unknown flags";
	if (!what)
		return 0;
	quarry_report("arena %.31s (limit %llu, chunk_max %u, flags %#x): %s\n",
		      p->name ?: "(unnamed)", p->limit, p->chunk_max, p->flags, what);
	return -EINVAL;
}

struct quarry_arena *quarry_arena_create_site(struct quarry_heap *heap,
					      const struct quarry_arena_params *params,
					      gfp_t gfp, const struct quarry_site *site)
{
	static const struct quarry_arena_params defaults = {};
	struct quarry_heap_priv *hp = to_priv(heap);
	struct quarry_arena_priv *a;
	struct quarry_chunk *chunk;
	enum quarry_kind kind;
	unsigned long flags;
	int ret;

	might_alloc(gfp);
	if (!params)
		params = &defaults;
	ret = check_params(params);
	if (ret)
		return ERR_PTR(ret);
	kind = params->flags & QUARRY_DATA ? QUARRY_KIND_DATA : QUARRY_KIND_PTR;
	if (quarry_refuse_node_flags(gfp))
		return ERR_PTR(-EINVAL);
	if (in_nmi())
		return ERR_PTR(-ENOMEM);
	chunk = get_chunk(hp, 1, kind, gfp);
	if (!chunk)
		return ERR_PTR(-ENOMEM);

	a = (void *)(chunk + 1);
	memset(a, 0, sizeof(*a));
	a->hp = hp;
	a->name = params->name;
	a->site = site;
	a->kind = kind;
	a->limit = params->limit;
	a->chunk_max = (params->chunk_max ?: DEFAULT_CHUNK_MAX) >> PAGE_SHIFT;
	a->next_pages = min(2UL, a->chunk_max);
	link_chunk(a, chunk);
	use_chunk(a, chunk, first_head());
	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_add_tail(&a->node, &hp->arenas);
	hp->nr_arenas++;
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
	return &a->arena;
}
EXPORT_SYMBOL_GPL(quarry_arena_create_site);

void quarry_arena_destroy(struct quarry_arena *arena)
{
	struct quarry_arena_priv *a;
	struct quarry_heap_priv *hp;
	unsigned long flags;

	if (IS_ERR_OR_NULL(arena))
		return;
	a = to_arena(arena);
	hp = a->hp;
	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_del(&a->node);
	hp->nr_arenas--;
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
	put_later_chunks(a);
	put_chunk(hp, a->chunks);
}
EXPORT_SYMBOL_GPL(quarry_arena_destroy);

void quarry_arena_reset(struct quarry_arena *arena)
{
	struct quarry_arena_priv *a = to_arena(arena);

	put_later_chunks(a);
	use_chunk(a, a->chunks, first_head());
	a->used_before = 0;
	a->next_pages = min(2UL, a->chunk_max);
	a->nr_resets++;
	if (want_init_on_free())
		memset((void *)a->start, 0, arena->end - a->start);
}
EXPORT_SYMBOL_GPL(quarry_arena_reset);

/* By others than the owner this may be read between two stores; keep it sane. */
static u64 used_bytes(const struct quarry_arena_priv *a)
{
	u64 used = READ_ONCE(a->used_before) + READ_ONCE(a->arena.pos) - READ_ONCE(a->start);

	return min(used, READ_ONCE(a->held));
}

static void read_stats(const struct quarry_arena_priv *a, struct quarry_arena_stats *stats)
{
	stats->used = used_bytes(a);
	stats->held = READ_ONCE(a->held);
	stats->held_peak = READ_ONCE(a->held_peak);
	stats->nr_chunks = READ_ONCE(a->nr_chunks);
	stats->nr_resets = READ_ONCE(a->nr_resets);
}

void quarry_arena_get_stats(struct quarry_arena *arena, struct quarry_arena_stats *stats)
{
	read_stats(to_arena(arena), stats);
}
EXPORT_SYMBOL_GPL(quarry_arena_get_stats);

/* === When the current chunk is full === */

static bool within_limit(const struct quarry_arena_priv *a, unsigned long nr_pages)
{
	return !a->limit || a->held + ((u64)nr_pages << PAGE_SHIFT) <= a->limit;
}

/* A chunk of @want pages, or of @need if that is too much; linked but not in use. */
static struct quarry_chunk *add_chunk(struct quarry_arena_priv *a, unsigned long want,
				      unsigned long need, gfp_t gfp)
{
	struct quarry_chunk *chunk = NULL;

	if (want > need && within_limit(a, want))
		chunk = get_chunk(a->hp, want, a->kind, gfp | __GFP_NOWARN | __GFP_NORETRY);
	if (!chunk && within_limit(a, need))
		chunk = get_chunk(a->hp, need, a->kind, gfp);
	if (chunk)
		link_chunk(a, chunk);
	return chunk;
}

/* A chunk for @size bytes alone, @head bytes behind its start. */
static void *alloc_alone(struct quarry_arena_priv *a, size_t head, size_t size, gfp_t gfp)
{
	struct quarry_chunk *chunk = add_chunk(a, 0, PFN_UP(head + size), gfp);

	if (!chunk)
		return NULL;
	a->used_before += size;
	return (void *)chunk + head;
}

static void *alloc_from_next(struct quarry_arena_priv *a, size_t head, size_t size, gfp_t gfp)
{
	unsigned long need = PFN_UP(head + size);
	unsigned long want = max(need, a->next_pages);
	struct quarry_chunk *chunk = add_chunk(a, want, need, gfp);

	if (!chunk)
		return NULL;
	a->used_before += a->arena.pos - a->start;
	a->next_pages = min(2 * want, a->chunk_max);
	use_chunk(a, chunk, sizeof(*chunk));
	a->arena.pos = (unsigned long)chunk + head + size;
	return (void *)chunk + head;
}

void *quarry_arena_alloc_slow(struct quarry_arena *arena, size_t size, size_t align, gfp_t gfp,
			      const struct quarry_site *site)
{
	struct quarry_arena_priv *a = to_arena(arena);
	size_t head = ALIGN(sizeof(struct quarry_chunk), align);
	void *ptr;

	if (!size)
		return ZERO_SIZE_PTR;
	if (!is_power_of_2(align) || align > PAGE_SIZE) {
		quarry_report("arena %s: alignment %zu is no power of two up to the page size\n",
			      a->name ?: "(unnamed)", align);
		return NULL;
	}
	if (size > QUARRY_ARENA_MAX_ALLOC || quarry_refuse_node_flags(gfp) || in_nmi())
		return NULL;
	if (head + size > (a->chunk_max << PAGE_SHIFT) / 4)
		ptr = alloc_alone(a, head, size, gfp);
	else
		ptr = alloc_from_next(a, head, size, gfp);
	if (ptr && want_init_on_alloc(gfp))
		memset(ptr, 0, size);
	return ptr;
}
EXPORT_SYMBOL_GPL(quarry_arena_alloc_slow);

void *quarry_arena_memdup_site(struct quarry_arena *arena, const void *src, size_t len,
			       size_t align, gfp_t gfp, const struct quarry_site *site)
{
	void *copy = quarry_arena_alloc_site(arena, len, align, gfp, site);

	if (!ZERO_OR_NULL_PTR(copy))
		memcpy(copy, src, len);
	return copy;
}
EXPORT_SYMBOL_GPL(quarry_arena_memdup_site);

char *quarry_arena_strdup_site(struct quarry_arena *arena, const char *str, gfp_t gfp,
			       const struct quarry_site *site)
{
	if (!str)
		return NULL;
	return quarry_arena_memdup_site(arena, str, strlen(str) + 1, 1, gfp, site);
}
EXPORT_SYMBOL_GPL(quarry_arena_strdup_site);

/* === All arenas of a heap === */

/*
 * Calls @visit under the lock for up to BATCH arenas behind @marker and moves
 * that there.  False if the end was reached.
 */
static bool visit_some(struct quarry_heap_priv *hp, struct quarry_arena_priv *marker,
		       void (*visit)(struct quarry_arena_priv *a, void *arg), void *arg)
{
	struct quarry_arena_priv *a = marker;
	unsigned int n = 0;
	unsigned long flags;
	bool more = false;

	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_for_each_entry_continue(a, &hp->arenas, node) {
		if (n == BATCH) {
			more = true;
			break;
		}
		if (!a->hp)
			continue;
		visit(a, arg);
		n++;
	}
	/* Before the first one not visited, or to the end. */
	list_move_tail(&marker->node, &a->node);
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
	return more;
}

static void add_marker(struct quarry_heap_priv *hp, struct quarry_arena_priv *marker)
{
	unsigned long flags;

	marker->hp = NULL;
	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_add(&marker->node, &hp->arenas);
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
}

static void remove_marker(struct quarry_heap_priv *hp, struct quarry_arena_priv *marker)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&hp->arenas_lock, flags);
	list_del(&marker->node);
	raw_spin_unlock_irqrestore(&hp->arenas_lock, flags);
}

struct arena_walk {
	struct quarry_arena_priv marker;
	unsigned int nr_rows;
	struct quarry_arena_row rows[BATCH];
};

static void copy_row(struct quarry_arena_priv *a, void *arg)
{
	struct arena_walk *walk = arg;
	struct quarry_arena_row *row = &walk->rows[walk->nr_rows++];

	strscpy(row->name, a->name ?: "(unnamed)", sizeof(row->name));
	strscpy(row->file, kbasename(a->site->file), sizeof(row->file));
	row->line = a->site->line;
	row->limit = a->limit;
	read_stats(a, &row->stats);
}

void quarry_arenas_walk(struct quarry_heap_priv *hp,
			void (*fn)(const struct quarry_arena_row *row, void *arg), void *arg)
{
	struct arena_walk *walk = kmalloc(sizeof(*walk), GFP_KERNEL);
	unsigned int i;
	bool more;

	if (!walk)
		return;
	add_marker(hp, &walk->marker);
	do {
		walk->nr_rows = 0;
		more = visit_some(hp, &walk->marker, copy_row, walk);
		for (i = 0; i < walk->nr_rows; i++)
			fn(&walk->rows[i], arg);
	} while (more);
	remove_marker(hp, &walk->marker);
	kfree(walk);
}

static void add_used(struct quarry_arena_priv *a, void *arg)
{
	*(u64 *)arg += used_bytes(a);
}

u64 quarry_arenas_used(struct quarry_heap_priv *hp)
{
	struct quarry_arena_priv marker;
	u64 used = 0;

	add_marker(hp, &marker);
	while (visit_some(hp, &marker, add_used, &used))
		;
	remove_marker(hp, &marker);
	return used;
}

struct visit_arg {
	void (*fn)(const struct quarry_site *site, u64 used, void *arg);
	void *arg;
};

static void visit_site(struct quarry_arena_priv *a, void *arg)
{
	const struct visit_arg *v = arg;

	v->fn(a->site, used_bytes(a), v->arg);
}

void quarry_arenas_visit(struct quarry_heap_priv *hp,
			 void (*fn)(const struct quarry_site *site, u64 used, void *arg),
			 void *arg)
{
	struct visit_arg v = { .fn = fn, .arg = arg };
	struct quarry_arena_priv marker;

	add_marker(hp, &marker);
	while (visit_some(hp, &marker, visit_site, &v))
		;
	remove_marker(hp, &marker);
}

struct disown_arg {
	struct module *mod;
	unsigned long nr;
};

/* The records in the module's memory are about to go. */
static void disown(struct quarry_arena_priv *a, void *arg)
{
	struct disown_arg *d = arg;

	if (within_module((unsigned long)a->name, d->mod))
		a->name = "(gone)";
	if (within_module((unsigned long)a->site, d->mod)) {
		a->site = &quarry_gone_site;
		d->nr++;
	}
}

unsigned long quarry_arenas_disown(struct quarry_heap_priv *hp, struct module *mod)
{
	struct disown_arg arg = { .mod = mod };
	struct quarry_arena_priv marker;

	add_marker(hp, &marker);
	while (visit_some(hp, &marker, disown, &arg))
		;
	remove_marker(hp, &marker);
	return arg.nr;
}

void quarry_arenas_destroy(struct quarry_heap_priv *hp)
{
	struct quarry_arena_priv *a, *next;

	/* The heap is going: nobody else is at the list. */
	list_for_each_entry_safe(a, next, &hp->arenas, node) {
		quarry_report("heap %s destroyed with arena %s (made in %s, %s:%u) of %llu bytes\n",
			      hp->name, a->name ?: "(unnamed)", a->site->function, a->site->file,
			      a->site->line, a->held);
		quarry_arena_destroy(&a->arena);
	}
}
