// SPDX-License-Identifier: GPL-2.0
/*
 * From a pointer to its arena, and how to look at an arena that may be destroyed meanwhile.
 *
 *	pointer ─page map─> owner of its page: the arena
 *	                                          │
 *	                                          v
 *	       owner of the page that the arena is in: | arena | pinned | kind |
 *
 * Destroying an arena takes no lock, and its memory is another's at once.  Who wants
 * to read it, and is not its owner, pins it first: sets a bit in the owner entry of the page
 * that it is in, which works only as long as that entry says that it is there.
 * Destroying takes the entry away, which works only without the bit.  So what is
 * pinned is an arena and stays one, and nobody but the one who destroys it waits, for as long as
 * it takes to copy some numbers with interrupts off.
 *
 * Only arenas in memory of a heap are found so.  The page map knows nothing of callers'
 * own buffers.
 *
 * Locking: the bit.  Interrupts are off where it is set; an NMI does not wait for it.
 *
 * Invariants: an arena is pinned  =>  the owner entry of its page is its own.  Nothing of an
 * arena is freed before that entry was taken away.
 */
#include <linux/export.h>
#include <linux/irqflags.h>
#include <linux/lockdep.h>
#include <linux/preempt.h>
#include <linux/processor.h>

#include "arena.h"
#include "internal.h"

/* The bit is one that pointers to arenas do not have. */
static_assert(!(sizeof(struct quarry_chunk) & (QUARRY_OWNER_MASK | QUARRY_OWNER_PINNED)));

static unsigned long owner_of(const struct quarry_arena_priv *a)
{
	return (unsigned long)a | QUARRY_OWNER_CHUNK;
}

bool quarry_arena_pin(struct quarry_arena_priv *a)
{
	/* The leaf may have been replaced by the empty one, which is only read. */
	unsigned long *slot = quarry_owner_slot(a), owner;

	lockdep_assert_irqs_disabled();
	for (;;) {
		owner = READ_ONCE(*slot);
		if (quarry_owner_to_arena(owner) != a)
			return false;
		/* Pairs with quarry_pagemap_set(), and with cmpxchg() in quarry_arena_retire(). */
		if (owner == owner_of(a) &&
		    cmpxchg(slot, owner, owner | QUARRY_OWNER_PINNED) == owner)
			return true;
		if (in_nmi())
			return false;
		cpu_relax();
	}
}

void quarry_arena_unpin(struct quarry_arena_priv *a)
{
	/* What was read came before.  Pairs with cmpxchg() in quarry_arena_retire(). */
	smp_store_release(quarry_owner_slot(a), owner_of(a));
}

void quarry_arena_retire(struct quarry_arena_priv *a)
{
	unsigned long *slot = quarry_owner_slot(a), owner;

	for (;;) {
		owner = READ_ONCE(*slot);
		if (QUARRY_WARN_ON(quarry_owner_to_arena(owner) != a))
			return;
		/* Pairs with cmpxchg() in quarry_arena_pin(). */
		if (owner == owner_of(a) && cmpxchg(slot, owner, QUARRY_OWNER_NONE) == owner)
			return;
		cpu_relax();
	}
}

struct quarry_arena *quarry_arena_of(const void *ptr)
{
	struct quarry_arena_priv *a;

	preempt_disable();
	a = quarry_owner_to_arena(quarry_owner(ptr));
	preempt_enable();
	return a ? &a->arena : NULL;
}
EXPORT_SYMBOL_GPL(quarry_arena_of);

struct quarry_arena *quarry_arena_get_of(const void *ptr)
{
	struct quarry_arena_priv *a;
	bool held = false;
	unsigned long flags;

	/* With preemption off leaves of the page map stay. */
	local_irq_save(flags);
	a = quarry_owner_to_arena(quarry_owner(ptr));
	if (a && quarry_arena_pin(a)) {
		/* The page at @ptr may have been let go before the arena was pinned. */
		held = quarry_owner_to_arena(quarry_owner(ptr)) == a &&
		       refcount_inc_not_zero(&a->refs);
		quarry_arena_unpin(a);
	}
	local_irq_restore(flags);
	return held ? &a->arena : NULL;
}
EXPORT_SYMBOL_GPL(quarry_arena_get_of);
