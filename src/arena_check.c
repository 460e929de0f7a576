// SPDX-License-Identifier: GPL-2.0
/*
 * Checked arenas: two that use one at the same time are found.
 *
 * The inline path sees no free space in a checked arena, so that every call on it is one
 * of those out of line.  Each takes the arena's busy word as it enters, by cmpxchg(), and lets
 * it go as it leaves.  Who finds it taken is a second owner at the same time: another CPU,
 * an interrupt in the midst of a call, a task that came while another one slept in a call,
 * or a callback that allocates from the arena that it was called for.  The
 * report names both.  An allocation that is reported fails, as going on could hand out the same
 * memory twice; what cannot fail is done all the same.  A call on a destroyed arena is
 * reported, too, as far as its memory still looks like one, and does nothing.
 *
 * Whether an arena is checked is decided as it is made, by its flags or the parameter
 * arena_check, and costs the others a glance at a byte of a structure they have at hand
 * anyway, out of line only.  A static key would not do: arenas are made in any
 * context, and keys are switched by who may sleep.
 *
 * Locking: busy is changed by cmpxchg(); what else is said of who is in there is only
 * for the report, and may be missing in it for a moment.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/preempt.h>
#include <linux/smp.h>

#include "arena.h"
#include "internal.h"

bool quarry_check_arenas;
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_check_arenas);

/* Where a call came from: a CPU and a context, in a word that is never 0. */
#define CONTEXT_MASK	3U
#define CPU_SHIFT	2

static const char * const contexts[] = { "task", "softirq", "hardirq", "NMI" };

static unsigned int here(void)
{
	unsigned int context = in_nmi() ? 3 : in_hardirq() ? 2 : in_serving_softirq() ? 1 : 0;

	return (raw_smp_processor_id() + 1) << CPU_SHIFT | context;
}

static void report(const struct quarry_arena_priv *a, unsigned long caller, unsigned long other)
{
	unsigned int now = here(), then = READ_ONCE(a->busy_where);

	quarry_report("arena %s (made in %s, %s:%u) has two owners at once\n",
		      quarry_arena_name(a), a->site->function, a->site->file, a->site->line);
	quarry_report_more("it is used by %pS in %s on CPU %u\n", (void *)caller,
			   contexts[now & CONTEXT_MASK], (now >> CPU_SHIFT) - 1);
	if (then)
		quarry_report_more("while it is used by %pS in %s on CPU %u\n", (void *)other,
				   contexts[then & CONTEXT_MASK], (then >> CPU_SHIFT) - 1);
	else
		quarry_report_more("while it is used by %pS\n", (void *)other);
}

bool __quarry_arena_enter(struct quarry_arena_priv *a, unsigned long caller)
{
	unsigned long other;

	if (!quarry_arena_is_alive(a)) {
		quarry_report("%pS uses an arena at %p, which is destroyed\n", (void *)caller,
			      &a->arena);
		return false;
	}
	/* What the last owner did comes first: pairs with __quarry_arena_leave(). */
	other = cmpxchg(&a->busy, 0, caller);
	if (other) {
		report(a, caller, other);
		return false;
	}
	WRITE_ONCE(a->busy_where, here());
	return true;
}

void __quarry_arena_leave(struct quarry_arena_priv *a)
{
	WRITE_ONCE(a->busy_where, 0);
	/* Pairs with cmpxchg() in __quarry_arena_enter(). */
	smp_store_release(&a->busy, 0);
}
