// SPDX-License-Identifier: GPL-2.0
/*
 * Pools: their memory.  Creation, growth, giving up, destruction.
 *
 *	count objects ─> base chunks, made at once, there until the end
 *	up to max     ─> slots: one chunk each, grown when all are out or few are left,
 *	                 given up when memory is wanted and none of it is out
 *
 * A chunk is a run of pages and, apart from it, a link for each object.  All of its
 * pages are owned by the chunk in the page map.
 *
 * Who grows makes a chunk first and looks for a slot then, so that nobody who allocates
 * holds anything.  A slot is taken by its bit, the chunk is put there, then its objects
 * are pushed one by one.  Who gives up empties the stack of a slot that has all of its
 * chunk's objects, in one step, waits for a grace period, clears the slot.  What the
 * guarantee is about, the base, is never touched.
 *
 * Growing ahead is done by the heap's worker (defer.c): a take that leaves few asks for
 * it, in any context.  Giving up is part of each drain of a heap, so it happens above the soft
 * limit, at the limit and on trim; when the kernel's shrinker comes the worker does it.
 *
 * Locking: heap->mutex guards the list of pools and is held while chunks are given up.
 * Growth takes no lock.
 *
 * Invariant (pool_look.c, while quiet): each object is out or in one stack;
 * total = free + out; a stack knows how many it has.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/align.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "fault.h"
#include "internal.h"
#include "pool.h"

#define CHUNK_BYTES	SZ_64K		/* usually the most */
#define CHUNK_OBJS	4096UL		/* the same: 32 KiB of links */
#define MAX_SHARDS	32U
#define PAUSE		(HZ / 10)	/* when there was no memory to grow ahead */
/* Nobody waits for it, so no last resorts. */
#define GFP_AHEAD	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

/* === Chunks === */

static unsigned long chunk_bytes(const struct quarry_pool *pool, u32 nr)
{
	return (unsigned long)nr * pool->stride;
}

static void set_owners(const struct quarry_pool_chunk *chunk, unsigned long owner)
{
	quarry_pagemap_set(PHYS_PFN(__pa(chunk->base)), chunk->nr_pages, owner);
}

static void put_pages(struct quarry_pool *pool, void *base, unsigned long nr_pages)
{
	struct quarry_heap_priv *hp = pool->hp;
	/* Somebody may have written to private meanwhile; giving back will tell. */
	struct quarry_extent *ext = quarry_extent_find(base) ?:
				    quarry_pages_search(&hp->pages, base);
	unsigned long owner = quarry_run_mark(&hp->runs, base, nr_pages, ext->kind);

	atomic_long_sub(nr_pages, &hp->pool_pages);
	if (want_init_on_free())
		memset(base, 0, nr_pages << PAGE_SHIFT);
	preempt_disable();
	QUARRY_WARN_ON(quarry_run_free(&hp->runs, ext, base, owner));
	preempt_enable();
}

/* Nobody looks at it any more. */
static void free_chunk(struct quarry_pool_chunk *chunk)
{
	struct quarry_pool *pool = chunk->pool;

	put_pages(pool, chunk->base, chunk->nr_pages);
	quarry_meta_free(&pool->hp->pages.meta, chunk, chunk->desc_size);
}

/* False if the constructor goes, or went, with its module. */
static bool construct(struct quarry_pool *pool, void *base, u32 nr)
{
	void (*ctor)(void *obj);
	bool dead = false;
	u32 i;

	for (i = 0; i < nr && !dead; i++) {
		rcu_read_lock();
		/* Pairs with quarry_pools_disown(), which waits for us after both. */
		ctor = READ_ONCE(pool->ctor);
		dead = test_bit(QUARRY_POOL_DEAD, &pool->flags);
		if (ctor && !dead)
			ctor(base + chunk_bytes(pool, i));
		rcu_read_unlock();
		if (!(i % 256))
			cond_resched();
	}
	return !dead;
}

/* @nr objects that nobody can find yet. */
static struct quarry_pool_chunk *make_chunk(struct quarry_pool *pool, u32 nr, gfp_t gfp)
{
	struct quarry_pages_want want = quarry_pages_want(PFN_UP(chunk_bytes(pool, nr)),
							  pool->kind, gfp);
	struct quarry_heap_priv *hp = pool->hp;
	struct quarry_pool_chunk *chunk;
	size_t size = struct_size(chunk, links, nr);

	chunk = quarry_meta_alloc(&hp->pages.meta, size, gfp | __GFP_NOWARN);
	if (!chunk)
		return NULL;
	chunk->pool = pool;
	chunk->nr = nr;
	chunk->nr_pages = want.nr_pages;
	chunk->desc_size = size;
	if (!quarry_fault(QUARRY_FAULT_CHUNK, want.nr_pages << PAGE_SHIFT))
		chunk->base = quarry_run_alloc(&hp->runs, &want);
	if (!chunk->base) {
		quarry_meta_free(&hp->pages.meta, chunk, size);
		return NULL;
	}
	atomic_long_add(want.nr_pages, &hp->pool_pages);
	memset(chunk->base, 0, want.nr_pages << PAGE_SHIFT);
	if (!construct(pool, chunk->base, nr)) {
		free_chunk(chunk);
		return NULL;
	}
	return chunk;
}

/* Its objects can be given, once they were taken. */
static void install(struct quarry_pool *pool, struct quarry_pool_chunk *chunk, unsigned int at)
{
	chunk->first = at << pool->shift;
	/* Pairs with smp_load_acquire() in quarry_pool_chunk_of(). */
	smp_store_release(&pool->chunks[at], chunk);
	set_owners(chunk, (unsigned long)chunk | QUARRY_OWNER_POOL);
}

/* === Growing === */

static u32 slot_nr(const struct quarry_pool *pool, unsigned int slot)
{
	return min_t(u32, pool->per_chunk, pool->max - pool->count - slot * pool->per_chunk);
}

static struct quarry_pool_stack *slot_stack(struct quarry_pool *pool, unsigned int slot)
{
	return &pool->stacks[pool->nr_shards + slot];
}

/* Objects of the first slot that nobody has, or 0. */
static u32 next_nr(const struct quarry_pool *pool)
{
	unsigned int slot;

	for (slot = 0; slot < pool->nr_slots; slot++)
		if (!test_bit(slot, pool->slots))
			return slot_nr(pool, slot);
	return 0;
}

/* A slot for up to @nr objects, or -EAGAIN. */
static int take_slot(struct quarry_pool *pool, u32 nr)
{
	unsigned int slot;

	for (slot = 0; slot < pool->nr_slots; slot++)
		if (slot_nr(pool, slot) <= nr && !test_bit(slot, pool->slots) &&
		    !test_and_set_bit(slot, pool->slots))
			return slot;
	return -EAGAIN;
}

static void push_all(struct quarry_pool *pool, unsigned int slot,
		     struct quarry_pool_chunk *chunk)
{
	struct quarry_pool_stack *stack = slot_stack(pool, slot);
	u32 first = chunk->first, nr = chunk->nr, i = nr;

	/* Whoever takes from it looks at all. */
	WRITE_ONCE(stack->mark, nr);
	while (i--) {
		/* With the last one the chunk may go. */
		preempt_disable();
		quarry_pool_push(pool, stack, first + i);
		preempt_enable();
	}
	atomic_long_add(nr, &pool->total);
	atomic_long_add(nr, &pool->grown);
	atomic_long_inc(&pool->hp->nr_grown_chunks);
}

static bool may_grow(const struct quarry_pool *pool)
{
	return atomic_long_read(&pool->total) < pool->max &&
	       !test_bit(QUARRY_POOL_DEAD, &pool->flags);
}

int quarry_pool_grow(struct quarry_pool *pool, gfp_t gfp)
{
	struct quarry_pool_chunk *chunk;
	u32 nr = next_nr(pool);
	int slot;

	if (!may_grow(pool))
		return -ENOSPC;
	/* All taken, but not all filled yet, or one is about to be free. */
	if (!nr)
		return -EAGAIN;
	chunk = make_chunk(pool, nr, gfp);
	if (!chunk)
		return -ENOMEM;
	slot = take_slot(pool, chunk->nr);
	if (slot < 0) {
		free_chunk(chunk);
		return slot;
	}
	/* Of a chunk that was made for a larger slot the rest stays unused. */
	chunk->nr = slot_nr(pool, slot);
	install(pool, chunk, pool->nr_base + slot);
	push_all(pool, slot, chunk);
	return 0;
}

bool quarry_pool_may_request(const struct quarry_pool *pool)
{
	return !quarry_defer_is_taken(&pool->growing) && may_grow(pool) &&
	       !time_before(jiffies, READ_ONCE(pool->not_before));
}

void quarry_pool_request(struct quarry_pool *pool)
{
	if (!quarry_pool_may_request(pool))
		return;
	set_bit(QUARRY_POOL_DEFERRED, &pool->flags);
	quarry_defer_add(&pool->hp->pages.defer, QUARRY_DEFER_POOLS, &pool->growing);
}

void quarry_pool_serve(struct quarry_defer *defer, struct llist_node *node)
{
	struct quarry_pool *pool = container_of(node, struct quarry_pool, growing);
	unsigned long free;

	quarry_defer_release(node);
	while (may_grow(pool)) {
		quarry_pool_count_free(pool, &free);
		if (free >= pool->low) {
			quarry_pool_note_few(pool);
			return;
		}
		if (quarry_pool_grow(pool, GFP_AHEAD)) {
			WRITE_ONCE(pool->not_before, jiffies + PAUSE);
			return;
		}
		cond_resched();
	}
}

/* === Giving up === */

/* Empties what can be done without; true if its memory can go after a grace period. */
static bool empty_slot(struct quarry_pool *pool, unsigned int slot)
{
	struct quarry_pool_chunk *chunk = quarry_pool_chunk_of(pool, (pool->nr_base + slot) <<
							       pool->shift);
	unsigned long free;
	bool ok = false;

	/* About to be grown. */
	if (!chunk)
		return false;
	quarry_pool_count_free(pool, &free);
	/* Fewer than that would be grown again at once. */
	if (free < chunk->nr + pool->low)
		return false;
	/* Before it is, or more than all would be out for a moment. */
	atomic_long_sub(chunk->nr, &pool->total);
	preempt_disable();
	ok = quarry_pool_claim(pool, slot_stack(pool, slot), chunk->nr);
	preempt_enable();
	if (!ok) {
		atomic_long_add(chunk->nr, &pool->total);
		return false;
	}
	WRITE_ONCE(slot_stack(pool, slot)->mark, 0);
	if (READ_ONCE(slot_stack(pool, slot)->few)) {
		WRITE_ONCE(slot_stack(pool, slot)->few, 0);
		/* The others' have to add up to enough. */
		quarry_pool_note_few(pool);
	}
	atomic_long_add(chunk->nr, &pool->shrunk);
	atomic_long_dec(&pool->hp->nr_grown_chunks);
	set_owners(chunk, QUARRY_OWNER_NONE);
	return true;
}

/* After a grace period. */
static void clear_slots(struct quarry_pool *pool)
{
	struct quarry_pool_chunk *chunk;
	unsigned int slot;

	for_each_set_bit(slot, pool->empty, pool->nr_slots) {
		chunk = pool->chunks[pool->nr_base + slot];
		WRITE_ONCE(pool->chunks[pool->nr_base + slot], NULL);
		free_chunk(chunk);
		__clear_bit(slot, pool->empty);
		/* The next one who takes it sees all that. */
		smp_mb__before_atomic();
		clear_bit(slot, pool->slots);
	}
}

void quarry_pools_shrink(struct quarry_heap_priv *hp)
{
	struct quarry_pool *pool;
	unsigned int slot;
	bool any = false;

	lockdep_assert_held(&hp->mutex);
	if (!atomic_long_read(&hp->nr_grown_chunks))
		return;
	list_for_each_entry(pool, &hp->pools, node) {
		for (slot = 0; slot < pool->nr_slots; slot++) {
			if (!empty_slot(pool, slot))
				continue;
			__set_bit(slot, pool->empty);
			any = true;
		}
	}
	if (!any)
		return;
	synchronize_rcu();
	list_for_each_entry(pool, &hp->pools, node)
		clear_slots(pool);
}

/* Who calls may not take the mutex. */
void quarry_pools_press(struct quarry_heap_priv *hp)
{
	if (atomic_long_read(&hp->nr_grown_chunks))
		quarry_defer_add(&hp->pages.defer, QUARRY_DEFER_PRESSED, &hp->pressed);
}

void quarry_pools_serve_pressed(struct quarry_defer *defer, struct llist_node *node)
{
	struct quarry_heap_priv *hp = container_of(node, struct quarry_heap_priv, pressed);

	quarry_defer_release(node);
	mutex_lock(&hp->mutex);
	quarry_pools_shrink(hp);
	mutex_unlock(&hp->mutex);
}

/* === Creating === */

static int check_params(const struct quarry_pool_params *p)
{
	unsigned int max = p->max ?: p->count;
	const char *what = NULL;

	if (!p->size || p->size > QUARRY_POOL_MAX_SIZE)
		what = "size has to be 1 to 262144 bytes";
	else if (p->align && (!is_power_of_2(p->align) || p->align > PAGE_SIZE))
		what = "align has to be 0 or a power of two up to the page size";
	else if (!p->count || p->count > QUARRY_POOL_MAX_OBJS)
		what = "count has to be 1 to 16777216";
	else if (max < p->count || max > QUARRY_POOL_MAX_OBJS)
		what = "max has to be 0 or from count to 16777216";
	else if (p->flags & ~QUARRY_DATA)
		what = "unknown flags";
	if (!what)
		return 0;
	quarry_report("pool %.31s (size %zu, align %zu, count %u, max %u, flags %#x): %s\n",
		      p->name ?: "(unnamed)", p->size, p->align, p->count, p->max, p->flags, what);
	return -EINVAL;
}

/*
 * Chunks of a quarter of what is always there, but a page at least and CHUNK_BYTES at
 * most, if the slots are enough then; filled up to whole pages.
 */
static int set_layout(struct quarry_pool *pool, const struct quarry_pool_params *p)
{
	unsigned long bytes, nr, more;

	pool->stride = ALIGN(p->size, p->align ?: 8);
	pool->reciprocal = reciprocal_value(pool->stride);
	pool->count = p->count;
	pool->max = p->max ?: p->count;
	more = pool->max - pool->count;
	bytes = clamp_t(u64, (u64)p->count * pool->stride / 4, PAGE_SIZE, CHUNK_BYTES);
	nr = clamp(bytes / pool->stride, 1UL, CHUNK_OBJS);
	nr = max(nr, DIV_ROUND_UP(more, QUARRY_POOL_NR_GROWN));
	bytes = PAGE_ALIGN(nr * pool->stride);
	if (bytes > QUARRY_EXTENT_MAX_SIZE) {
		quarry_report("pool %.31s (size %zu, count %u, max %u): grows by over 256 MiB\n",
			      p->name ?: "(unnamed)", p->size, p->count, p->max);
		return -EINVAL;
	}
	pool->per_chunk = bytes / pool->stride;
	pool->shift = order_base_2(pool->per_chunk);
	pool->nr_base = DIV_ROUND_UP(pool->count, pool->per_chunk);
	pool->nr_slots = DIV_ROUND_UP(more, pool->per_chunk);
	/* At least four objects each. */
	pool->nr_shards = min3((unsigned int)roundup_pow_of_two(nr_cpu_ids), MAX_SHARDS,
			       (unsigned int)rounddown_pow_of_two(max(pool->count / 4, 1U)));
	if (more)
		pool->low = DIV_ROUND_UP(pool->count, 8);
	return 0;
}

static size_t stacks_size(const struct quarry_pool *pool)
{
	return quarry_pool_nr_stacks(pool) * sizeof(*pool->stacks);
}

static size_t chunks_size(const struct quarry_pool *pool)
{
	return (pool->nr_base + pool->nr_slots) * sizeof(*pool->chunks);
}

/* What is there of it; nobody looks at it any more. */
static void free_pool(struct quarry_pool *pool)
{
	struct quarry_meta *meta = &pool->hp->pages.meta;
	unsigned int i;

	for (i = 0; pool->chunks && i < pool->nr_base + pool->nr_slots; i++)
		if (pool->chunks[i])
			free_chunk(pool->chunks[i]);
	if (pool->chunks)
		quarry_meta_free(meta, pool->chunks, chunks_size(pool));
	if (pool->stacks)
		quarry_meta_free(meta, pool->stacks, stacks_size(pool));
	quarry_meta_free(meta, pool, sizeof(*pool));
}

static int make_base(struct quarry_pool *pool)
{
	struct quarry_meta *meta = &pool->hp->pages.meta;
	struct quarry_pool_chunk *chunk;
	unsigned int i;
	u32 nr;

	pool->stacks = quarry_meta_alloc(meta, stacks_size(pool), GFP_KERNEL | __GFP_NOWARN);
	pool->chunks = quarry_meta_alloc(meta, chunks_size(pool), GFP_KERNEL | __GFP_NOWARN);
	if (!pool->stacks || !pool->chunks)
		return -ENOMEM;
	for (i = 0; i < quarry_pool_nr_stacks(pool); i++)
		atomic64_set(&pool->stacks[i].head, QUARRY_POOL_END);
	for (i = 0; i < pool->nr_base; i++) {
		nr = min(pool->per_chunk, pool->count - i * pool->per_chunk);
		chunk = make_chunk(pool, nr, GFP_KERNEL);
		if (!chunk)
			return -ENOMEM;
		pool->chunks[i] = chunk;
		cond_resched();
	}
	return 0;
}

/* Each shard gets a part of the base, the lowest address topmost. */
static void share_out(struct quarry_pool *pool)
{
	unsigned int i, at = pool->count;
	struct quarry_pool_stack *stack;
	u32 nr;

	for (i = 0; i < pool->nr_base; i++)
		install(pool, pool->chunks[i], i);
	while (at--) {
		stack = &pool->stacks[(u64)at * pool->nr_shards / pool->count];
		nr = pool->chunks[at / pool->per_chunk]->first + at % pool->per_chunk;
		preempt_disable();
		quarry_pool_push(pool, stack, nr);
		stack->mark++;
		preempt_enable();
		cond_resched();
	}
	for (i = 0; i < pool->nr_shards; i++)
		pool->stacks[i].few = DIV_ROUND_UP(pool->low, pool->nr_shards);
	atomic_long_set(&pool->total, pool->count);
}

struct quarry_pool *quarry_pool_create_site(struct quarry_heap *heap,
					    const struct quarry_pool_params *params,
					    const struct quarry_site *site)
{
	struct quarry_heap_priv *hp = to_priv(heap);
	struct quarry_pool *pool;
	int ret;

	might_sleep();
	ret = check_params(params);
	if (ret)
		return ERR_PTR(ret);
	pool = quarry_meta_alloc(&hp->pages.meta, sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	pool->hp = hp;
	pool->size = params->size;
	pool->kind = params->flags & QUARRY_DATA ? QUARRY_KIND_DATA : QUARRY_KIND_PTR;
	pool->ctor = params->ctor;
	pool->reset = params->reset;
	pool->site = site;
	pool->not_before = jiffies;
	strscpy(pool->name, params->name ?: "(unnamed)", sizeof(pool->name));
	quarry_defer_init_node(&pool->growing);
	ret = set_layout(pool, params) ?: make_base(pool);
	if (ret) {
		free_pool(pool);
		return ERR_PTR(ret);
	}
	share_out(pool);
	mutex_lock(&hp->mutex);
	list_add_tail(&pool->node, &hp->pools);
	mutex_unlock(&hp->mutex);
	return pool;
}
EXPORT_SYMBOL_GPL(quarry_pool_create_site);

/* === Destroying === */

/* It is on no list, and no worker is going to look at it. */
static void destroy_pool(struct quarry_pool *pool)
{
	struct quarry_pool_stats stats;
	unsigned int i;

	quarry_pool_get_stats(pool, &stats);
	if (stats.out)
		quarry_report("pool %s (made in %s, %s:%u) destroyed with %llu objects out\n",
			      pool->name, pool->site->function, pool->site->file,
			      pool->site->line, stats.out);
	for (i = 0; i < pool->nr_slots; i++)
		if (pool->chunks[pool->nr_base + i])
			atomic_long_dec(&pool->hp->nr_grown_chunks);
	for (i = 0; i < pool->nr_base + pool->nr_slots; i++)
		if (pool->chunks[i])
			set_owners(pool->chunks[i], QUARRY_OWNER_NONE);
	/* Whoever gives one of its objects where it is not from may look at it. */
	synchronize_rcu();
	free_pool(pool);
}

void quarry_pool_destroy(struct quarry_pool *pool)
{
	struct quarry_heap_priv *hp;

	if (IS_ERR_OR_NULL(pool))
		return;
	hp = pool->hp;
	if (test_bit(QUARRY_POOL_DEFERRED, &pool->flags))
		quarry_defer_flush_all(&hp->pages.defer);
	mutex_lock(&hp->mutex);
	list_del(&pool->node);
	mutex_unlock(&hp->mutex);
	destroy_pool(pool);
}
EXPORT_SYMBOL_GPL(quarry_pool_destroy);

void quarry_pools_destroy(struct quarry_heap_priv *hp)
{
	struct quarry_pool *pool, *next;

	list_for_each_entry_safe(pool, next, &hp->pools, node) {
		quarry_report("heap %s destroyed with pool %s (made in %s, %s:%u)\n", hp->name,
			      pool->name, pool->site->function, pool->site->file,
			      pool->site->line);
		list_del(&pool->node);
		destroy_pool(pool);
	}
}
