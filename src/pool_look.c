// SPDX-License-Identifier: GPL-2.0
/*
 * Pools: all those of a heap.  Numbers, checks, and what a module that goes leaves
 * behind.
 *
 * Locking: heap->mutex.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/module.h>
#include <linux/sched.h>

#include "internal.h"
#include "pool.h"

/* === A module goes === */

static void disown_pool(struct quarry_pool *pool, struct module *mod)
{
	if (within_module((unsigned long)pool->ctor, mod)) {
		quarry_report("pool %s: its constructor goes with module %s, it does not grow\n",
			      pool->name, module_name(mod));
		set_bit(QUARRY_POOL_DEAD, &pool->flags);
		/* Pairs with rcu_read_lock() in construct(): who sees none sees dead. */
		smp_wmb();
		WRITE_ONCE(pool->ctor, NULL);
	}
	if (within_module((unsigned long)pool->reset, mod)) {
		quarry_report("pool %s: its reset goes with module %s, objects stay as given\n",
			      pool->name, module_name(mod));
		WRITE_ONCE(pool->reset, NULL);
	}
	if (!within_module((unsigned long)pool->site, mod))
		return;
	quarry_report("module %s leaves pool %s behind (made in %s, %s:%u)\n", module_name(mod),
		      pool->name, pool->site->function, pool->site->file, pool->site->line);
	pool->site = &quarry_gone_site;
}

void quarry_pools_disown(struct quarry_heap_priv *hp, struct module *mod)
{
	struct quarry_pool *pool;

	lockdep_assert_held(&hp->mutex);
	list_for_each_entry(pool, &hp->pools, node)
		disown_pool(pool, mod);
}

/* === Looking === */

u64 quarry_pools_used(struct quarry_heap_priv *hp)
{
	struct quarry_pool_stats stats;
	struct quarry_pool *pool;
	u64 used = 0;

	lockdep_assert_held(&hp->mutex);
	list_for_each_entry(pool, &hp->pools, node) {
		quarry_pool_get_stats(pool, &stats);
		used += stats.out * pool->size;
	}
	return used;
}

unsigned long quarry_pool_nr_pages(struct quarry_pool *pool)
{
	unsigned long nr = 0;
	unsigned int i;

	lockdep_assert_held(&pool->hp->mutex);
	for (i = 0; i < pool->nr_base + pool->nr_slots; i++) {
		/* Only who has the mutex gives it up. */
		struct quarry_pool_chunk *chunk = quarry_pool_chunk_of(pool, i << pool->shift);

		nr += chunk ? chunk->nr_pages : 0;
	}
	return nr;
}

/* Follows a stack; -EUCLEAN if it is not one, or how many are in it. */
static long verify_stack(struct quarry_pool *pool, struct quarry_pool_stack *stack)
{
	u32 nr = lower_32_bits(atomic64_read(&stack->head)), below;
	struct quarry_pool_link *link;
	long found = 0;

	for (; nr != QUARRY_POOL_END; nr = link->next, found++) {
		struct quarry_pool_chunk *chunk;

		if (nr >> pool->shift >= pool->nr_base + pool->nr_slots)
			return -EUCLEAN;
		chunk = quarry_pool_chunk_of(pool, nr);
		if (!chunk || nr - chunk->first >= chunk->nr)
			return -EUCLEAN;
		link = quarry_pool_link(pool, nr);
		/* One less each time, so it ends. */
		if (found && link->below != below - 1)
			return -EUCLEAN;
		below = link->below;
		if (!(found % 4096))
			cond_resched();
	}
	return found && below ? -EUCLEAN : found;
}

static int verify_pool(struct quarry_pool *pool)
{
	unsigned long in_stacks = 0, total = 0, free = 0;
	unsigned int i, k;
	long nr;

	for (i = 0; i < quarry_pool_nr_stacks(pool); i++) {
		nr = verify_stack(pool, &pool->stacks[i]);
		if (nr < 0)
			return nr;
		in_stacks += nr;
	}
	for (i = 0; i < pool->nr_base + pool->nr_slots; i++) {
		struct quarry_pool_chunk *chunk = pool->chunks[i];

		for (k = 0; chunk && k < chunk->nr; k++)
			free += chunk->links[k].next != QUARRY_POOL_OUT;
		total += chunk ? chunk->nr : 0;
		cond_resched();
	}
	/* Two stacks with a common end would have more. */
	return in_stacks == free && total == atomic_long_read(&pool->total) ? 0 : -EUCLEAN;
}

int quarry_pools_verify(struct quarry_heap_priv *hp)
{
	struct quarry_pool *pool;
	int ret = 0;

	lockdep_assert_held(&hp->mutex);
	list_for_each_entry(pool, &hp->pools, node) {
		ret = verify_pool(pool);
		if (!ret)
			continue;
		quarry_report("pool %s: the stacks of free objects are damaged\n", pool->name);
		break;
	}
	return ret;
}
