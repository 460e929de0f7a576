// SPDX-License-Identifier: GPL-2.0
/*
 * Pools: taking and giving, without a lock, in any context.
 *
 *	            shards, one or a few CPUs each     grown chunks, one stack each
 *	take <───   [head] [head] [head] [head]        [head] [head] ...
 *	              │ number of the topmost object
 *	              v
 *	links         next ──> next ──> END            out of band, one per object
 *
 * Free objects are on stacks.  A stack is a word, changed by cmpxchg(): the number
 * of its topmost object and a count of changes, so that a stack that was changed and
 * has the same topmost object again is not mistaken for one that was not.  Numbers
 * lead to links in an array beside the objects, which are never written to.
 *
 * An object that was made with the pool goes to the shard of the CPU that gives it
 * back; who finds its own shard empty takes from the others, and then from what was
 * grown, which can then be given up again.  So two CPUs use a common cache line only
 * when one has nothing left.
 *
 * A take fails only if at one moment nothing was free.  That every stack was found empty,
 * one after the other, does not say that: an object may have been given to the first when
 * the last was looked at.  So all are looked at twice, and if none has changed since
 * the first time all were empty in between.
 *
 * An object that is out says so in its link.  Who gives it back has to change that, by
 * cmpxchg(), so of two one is refused.  The address leads to the chunk by the page
 * map, never by anything stored in or near the object.
 *
 * Peak.  A count of the objects that are out would be one cache line for all CPUs.  Instead,
 * each stack has a mark, and the marks add up to no less than were free at the peak: as
 * long as no stack has fewer than its mark there is no new peak.  Who goes below one
 * counts all, and sets the marks anew.  With marks of the same kind it is known when fewer
 * than a pool wants to have free are left, and it is time to grow ahead.
 *
 * Locking: none, but for a bit for who sets the marks, at which nobody who takes waits.
 * Preemption is off while a stack is looked at: a grown chunk goes a grace
 * period after its stack was emptied, and its slot is not used again before that, so a
 * number found in a stack leads to the chunk that it was pushed for.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/export.h>
#include <linux/instruction_pointer.h>
#include <linux/math64.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/smp.h>

#include "internal.h"
#include "pool.h"

#define STATS_TRIES	4	/* of counting while nothing comes or goes */

/* === One stack === */

static u32 top_of(u64 head)
{
	return lower_32_bits(head);
}

/* The same count of changes: the same stack. */
static u64 changed(u64 head, u32 top)
{
	return (u64)(upper_32_bits(head) + 1) << 32 | top;
}

void quarry_pool_push(struct quarry_pool *pool, struct quarry_pool_stack *stack, u32 nr)
{
	struct quarry_pool_link *link = quarry_pool_link(pool, nr);
	u64 head = atomic64_read(&stack->head);
	u32 top, below;

	do {
		top = top_of(head);
		below = 0;
		/* Of another one by now, and any number, if the head has changed. */
		if (top != QUARRY_POOL_END)
			below = READ_ONCE(quarry_pool_link(pool, top)->below) + 1;
		WRITE_ONCE(link->below, below);
		WRITE_ONCE(link->next, top);
		/* What was written to the object and the link is there before. */
	} while (!atomic64_try_cmpxchg(&stack->head, &head, changed(head, nr)));
}

/* False, and the head as it was, if there is none. */
static bool pop(struct quarry_pool *pool, struct quarry_pool_stack *stack, u64 *seen, u32 *left)
{
	u64 head = atomic64_read(&stack->head);
	struct quarry_pool_link *link;
	u32 next;

	do {
		if (top_of(head) == QUARRY_POOL_END) {
			*seen = head;
			return false;
		}
		link = quarry_pool_link(pool, top_of(head));
		/* As above. */
		next = READ_ONCE(link->next);
		*left = READ_ONCE(link->below);
	} while (!atomic64_try_cmpxchg(&stack->head, &head, changed(head, next)));
	*seen = head;
	/* Pairs with cmpxchg() in quarry_pool_give(). */
	WRITE_ONCE(link->next, QUARRY_POOL_OUT);
	return true;
}

bool quarry_pool_claim(struct quarry_pool *pool, struct quarry_pool_stack *stack, u32 nr)
{
	u64 head = atomic64_read(&stack->head);
	u32 top = top_of(head);

	if (top == QUARRY_POOL_END || READ_ONCE(quarry_pool_link(pool, top)->below) + 1 != nr)
		return false;
	return atomic64_try_cmpxchg(&stack->head, &head, changed(head, QUARRY_POOL_END));
}

/* === All stacks === */

/* Its count of changes, and how many it has if that is still the same afterwards. */
static u32 look_at(struct quarry_pool *pool, struct quarry_pool_stack *stack, u32 *nr)
{
	u64 head = atomic64_read(&stack->head);

	*nr = 0;
	if (top_of(head) != QUARRY_POOL_END)
		*nr = READ_ONCE(quarry_pool_link(pool, top_of(head))->below) + 1;
	return upper_32_bits(head);
}

static u64 look_at_all(struct quarry_pool *pool, unsigned long *free)
{
	u64 changes = 0;
	unsigned int i;
	u32 nr;

	*free = 0;
	for (i = 0; i < quarry_pool_nr_stacks(pool); i++) {
		/* Each only goes up, so an equal sum is of equal ones. */
		changes += look_at(pool, &pool->stacks[i], &nr);
		*free += nr;
	}
	return changes;
}

bool quarry_pool_count_free(struct quarry_pool *pool, unsigned long *nr)
{
	unsigned long again;
	bool same = false;
	u64 before, after;
	unsigned int i;

	preempt_disable();
	before = look_at_all(pool, nr);
	for (i = 0; i < 4 && !same; i++) {
		/* The links before the heads again. */
		smp_rmb();
		after = look_at_all(pool, &again);
		same = after == before;
		if (!same)
			*nr = again;
		before = after;
	}
	preempt_enable();
	return same;
}

/* The part of @sum, rounded up, of a stack that has @nr of @free objects. */
static u32 part_of(unsigned long sum, u32 nr, unsigned long free)
{
	return free ? div64_u64((u64)nr * sum + free - 1, free) : 0;
}

/* There are fewer free in a stack than its mark says. */
static noinline void note_peak(struct quarry_pool *pool)
{
	unsigned long free, total, least, i;
	u32 nr;

	/* An NMI may have come in between. */
	if (test_and_set_bit_lock(QUARRY_POOL_NOTING, &pool->flags))
		return;
	total = atomic_long_read(&pool->total);
	/*
	 * Added to after the pushes, subtracted from before a claim: if it is the same before
	 * the count and after it, there were no fewer.
	 */
	smp_rmb();
	if (!quarry_pool_count_free(pool, &free))
		goto out;
	/* As above. */
	smp_rmb();
	if (total != atomic_long_read(&pool->total))
		goto out;
	if (total > free + pool->peak)
		WRITE_ONCE(pool->peak, total - free);
	/* Rounded up, so that the marks do not add up to less. */
	least = total - min(total, pool->peak);
	for (i = 0; i < quarry_pool_nr_stacks(pool); i++) {
		look_at(pool, &pool->stacks[i], &nr);
		WRITE_ONCE(pool->stacks[i].mark, part_of(least, nr, free));
	}
out:
	clear_bit_unlock(QUARRY_POOL_NOTING, &pool->flags);
}

noinline void quarry_pool_note_few(struct quarry_pool *pool)
{
	unsigned long free;
	unsigned int i;
	bool noting;
	u32 nr;

	if (!quarry_pool_may_request(pool))
		return;
	preempt_disable();
	/* Who finds them being set counts all the same: it may be the last to take. */
	noting = !test_and_set_bit_lock(QUARRY_POOL_NOTING, &pool->flags);
	if (quarry_pool_count_free(pool, &free) && free >= pool->low && noting) {
		for (i = 0; i < quarry_pool_nr_stacks(pool); i++) {
			look_at(pool, &pool->stacks[i], &nr);
			WRITE_ONCE(pool->stacks[i].few, part_of(pool->low, nr, free));
		}
		/* They add up to less if some were taken meanwhile. */
		quarry_pool_count_free(pool, &free);
	}
	if (noting)
		clear_bit_unlock(QUARRY_POOL_NOTING, &pool->flags);
	preempt_enable();
	if (free < pool->low)
		quarry_pool_request(pool);
}

void quarry_pool_forget_marks(struct quarry_pool *pool, struct quarry_pool_stack *stack, u32 mark)
{
	unsigned int i;

	preempt_disable();
	/* Who has it does not sleep, and may be setting marks for what is no more. */
	while (test_and_set_bit_lock(QUARRY_POOL_NOTING, &pool->flags))
		cpu_relax();
	if (stack)
		WRITE_ONCE(stack->mark, mark);
	for (i = 0; i < quarry_pool_nr_stacks(pool); i++)
		WRITE_ONCE(pool->stacks[i].few, pool->low);
	clear_bit_unlock(QUARRY_POOL_NOTING, &pool->flags);
	preempt_enable();
}

static unsigned int this_shard(const struct quarry_pool *pool)
{
	return smp_processor_id() & (pool->nr_shards - 1);
}

/* The @i-th to look at: own shard, other shards, grown chunks. */
static struct quarry_pool_stack *stack_at(struct quarry_pool *pool, unsigned int i)
{
	return &pool->stacks[i < pool->nr_shards ? i ^ this_shard(pool) : i];
}

static void *popped(struct quarry_pool *pool, struct quarry_pool_stack *stack, u32 nr, u32 left)
{
	struct quarry_pool_chunk *chunk = quarry_pool_chunk_of(pool, nr);

	if (unlikely(left < READ_ONCE(stack->mark)))
		note_peak(pool);
	if (unlikely(left < READ_ONCE(stack->few)))
		quarry_pool_note_few(pool);
	return chunk->base + (size_t)(nr - chunk->first) * pool->stride;
}

/* One look at all; or the sum of their counts of changes. */
static void *try_all(struct quarry_pool *pool, u64 *changes)
{
	struct quarry_pool_stack *stack;
	unsigned int i;
	u64 head;
	u32 left;

	*changes = 0;
	for (i = 0; i < quarry_pool_nr_stacks(pool); i++) {
		stack = stack_at(pool, i);
		if (likely(pop(pool, stack, &head, &left)))
			return popped(pool, stack, top_of(head), left);
		*changes += upper_32_bits(head);
	}
	return NULL;
}

void *quarry_pool_try(struct quarry_pool *pool)
{
	u64 before, changes;
	void *obj;

	preempt_disable();
	obj = try_all(pool, &changes);
	if (unlikely(!obj)) {
		do {
			before = changes;
			/* The first look at the last before the second one at the first. */
			smp_rmb();
			obj = try_all(pool, &changes);
			/* If somebody gave one and somebody else took it there may be another. */
		} while (!obj && changes != before);
	}
	preempt_enable();
	return obj;
}

/* === Public interface === */

static void missed(struct quarry_pool *pool)
{
	atomic_long_inc(&pool->misses);
	quarry_pool_request(pool);
}

void *quarry_pool_take(struct quarry_pool *pool)
{
	void *obj = quarry_pool_try(pool);

	if (unlikely(!obj))
		missed(pool);
	return obj;
}
EXPORT_SYMBOL_GPL(quarry_pool_take);

void *quarry_pool_take_gfp(struct quarry_pool *pool, gfp_t gfp)
{
	void *obj;
	int ret = 0;

	might_alloc(gfp);
	if (quarry_refuse_node_flags(gfp))
		return NULL;
	if (gfp & __GFP_ZERO) {
		quarry_report("pool %s: __GFP_ZERO is not supported\n", pool->name);
		return NULL;
	}
	if (!gfpflags_allow_blocking(gfp))
		return quarry_pool_take(pool);
	for (;;) {
		obj = quarry_pool_try(pool);
		if (likely(obj))
			return obj;
		/* All there can be may be there only since that try. */
		if (ret && ret != -EAGAIN)
			break;
		ret = quarry_pool_grow(pool, gfp);
		/*
		 * Others may be faster, or about to push what they have made, or to give it up
		 * after a grace period: they need the CPU, and may be of lower priority.
		 */
		if (ret == -EAGAIN)
			schedule_timeout_uninterruptible(1);
		else
			cond_resched();
	}
	atomic_long_inc(&pool->misses);
	return NULL;
}
EXPORT_SYMBOL_GPL(quarry_pool_take_gfp);

/* The chunk of an owner, or NULL if it is something else. */
static struct quarry_pool_chunk *owner_to_chunk(unsigned long owner)
{
	unsigned long chunk = owner - QUARRY_OWNER_POOL;

	return chunk & QUARRY_OWNER_MASK ? NULL : (struct quarry_pool_chunk *)chunk;
}

/* Index of the object of the chunk that starts at @obj; or what none has. */
static u32 index_of(const struct quarry_pool *pool, const struct quarry_pool_chunk *chunk,
		    const void *obj)
{
	u32 offset = obj - chunk->base;
	u32 index = reciprocal_divide(offset, pool->reciprocal);

	return likely(index < chunk->nr && index * pool->stride == offset) ? index : U32_MAX;
}

/*
 * What is wrong with @obj, which was not what has been looked for.  A free one may just
 * have been taken by somebody else; it was given twice all the same.
 */
static noinline void report_bad_give(struct quarry_pool *pool, const void *obj,
				     const struct quarry_pool_chunk *chunk, unsigned long caller)
{
	if (!chunk)
		quarry_report("%pS gives %p to pool %s, which is no object of a pool\n",
			      (void *)caller, obj, pool->name);
	else if (chunk->pool != pool)
		quarry_report("%pS gives %p to pool %s, which is of pool %s\n",
			      (void *)caller, obj, pool->name, chunk->pool->name);
	else if (index_of(pool, chunk, obj) == U32_MAX)
		quarry_report("%pS gives %p to pool %s, which is not the start of an object\n",
			      (void *)caller, obj, pool->name);
	else
		quarry_report("%pS gives %p to pool %s, which is free: given twice\n",
			      (void *)caller, obj, pool->name);
}

/* Takes @obj from who has it: its number, or false after a report.  Preemption is off. */
static bool take_back(struct quarry_pool *pool, const void *obj, unsigned long caller, u32 *nr)
{
	struct quarry_pool_chunk *chunk = owner_to_chunk(quarry_owner(obj));
	u32 index;

	if (unlikely(!chunk || chunk->pool != pool))
		goto bad;
	index = index_of(pool, chunk, obj);
	if (unlikely(index == U32_MAX))
		goto bad;
	/* Pairs with WRITE_ONCE() in pop(). */
	if (unlikely(cmpxchg(&chunk->links[index].next, QUARRY_POOL_OUT, QUARRY_POOL_GIVEN) !=
		     QUARRY_POOL_OUT))
		goto bad;
	*nr = chunk->first + index;
	return true;
bad:
	report_bad_give(pool, obj, chunk, caller);
	return false;
}

/* The function may be about to go with its module: see quarry_pools_disown(). */
static noinline void reset_obj(struct quarry_pool *pool, void *obj)
{
	void (*reset)(void *obj);

	rcu_read_lock();
	reset = READ_ONCE(pool->reset);
	if (reset)
		reset(obj);
	rcu_read_unlock();
}

void quarry_pool_give(struct quarry_pool *pool, void *obj)
{
	unsigned int chunk;
	bool ok;
	u32 nr;

	if (unlikely(!obj))
		return;
	preempt_disable();
	ok = take_back(pool, obj, _RET_IP_, &nr);
	preempt_enable();
	if (unlikely(!ok))
		return;
	/* Neither free nor out: its chunk stays. */
	if (READ_ONCE(pool->reset))
		reset_obj(pool, obj);
	preempt_disable();
	chunk = nr >> pool->shift;
	quarry_pool_push(pool, &pool->stacks[chunk < pool->nr_base ? this_shard(pool) :
					     pool->nr_shards + chunk - pool->nr_base], nr);
	preempt_enable();
}
EXPORT_SYMBOL_GPL(quarry_pool_give);

void quarry_pool_get_stats(struct quarry_pool *pool, struct quarry_pool_stats *stats)
{
	unsigned int tries = STATS_TRIES;
	unsigned long free;
	u64 before, after;

	do {
		before = atomic_long_read(&pool->total);
		/* See note_peak(). */
		smp_rmb();
		quarry_pool_count_free(pool, &free);
		/* As above. */
		smp_rmb();
		after = atomic_long_read(&pool->total);
	} while (after != before && --tries);
	stats->total = min(before, after);
	stats->count = pool->count;
	stats->max = pool->max;
	/* If it grew or shrank all the time there may be more in stacks than that. */
	stats->out = stats->total - min_t(u64, stats->total, free);
	stats->peak = max_t(u64, READ_ONCE(pool->peak), stats->out);
	stats->grown = atomic_long_read(&pool->grown);
	stats->shrunk = atomic_long_read(&pool->shrunk);
	stats->misses = atomic_long_read(&pool->misses);
}
EXPORT_SYMBOL_GPL(quarry_pool_get_stats);
