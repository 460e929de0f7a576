// SPDX-License-Identifier: GPL-2.0
/*
 * Reclaim: free pages go back to the kernel by decay, by the shrinker and on
 * request.
 *
 * Decay.  Memory that was just freed is likely to be wanted again, memory that
 * nobody missed for long is not.  Each heap has a half-life: of the pages that
 * stayed free since the last tick (the low watermark of the free pages, not
 * those free at this moment, which may be the trough of a wave) the share
 * 1 - 2^(-elapsed / half-life) goes.  Fractions of pages are carried along as
 * debt, and an extent that is wholly free waits until the debt covers it, so
 * that it goes as one block.  jemalloc's decay and Go's scavenger do the like.
 *
 *	pages freed, magazines used ─> notify: a tick is due in half-life / 8
 *	tick ─> idle pages x share ─> quarry_pages_release()
 *	        idle pages or used magazines left? another tick : none until the next notify
 *
 * Shrinker.  One for all heaps.  It may run inside any allocation, also one of
 * our own worker, so it uses trylock only and allocates nothing; descriptors of
 * extents follow by call_rcu().
 *
 * Locking: reclaims_mutex (list of heaps) > reclaim->mutex (who gives back, one
 * at a time per heap).  Neither is held while memory is allocated that could lead
 * to reclaim (kmemleak's records of a split extent do not wait).
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/shrinker.h>

#include <trace/events/quarry.h>

#include "internal.h"
#include "reclaim.h"

#define TICKS_PER_HALF_LIFE	8
#define SHORTEST_TICK_MS	10
#define DEBT_SHIFT		10		/* debt is in 1/1024 pages */
/* The shrinker gives at least this much per call, so that extents can go whole. */
#define SHRINK_MIN		BIT(QUARRY_EXTENT_MAX_ORDER)

static DEFINE_MUTEX(reclaims_mutex);
static LIST_HEAD(reclaims);

/* The caller holds r->mutex and counts what went. */
static unsigned long release(struct quarry_reclaim *r, unsigned long nr_pages,
			     enum quarry_trim_reason reason)
{
	unsigned long given;

	lockdep_assert_held(&r->mutex);
	if (!nr_pages)
		return 0;
	given = quarry_pages_release(r->pages, nr_pages);
	trace_quarry_trim(r->pages->name, reason, nr_pages, given);
	return given;
}

/* === Decay === */

/* 2^(-i / 8) in 1/65536, i = 0 .. 7. */
static const u32 eighths[TICKS_PER_HALF_LIFE] = {
	65536, 60097, 55109, 50535, 46341, 42495, 38968, 35734,
};

u64 quarry_decay_amount(u64 nr, u64 elapsed, u64 half_life)
{
	/* Whole half-lives are a shift; the rest by eighths, linear in between. */
	u64 halves = div64_u64(elapsed, half_life), rest = elapsed - halves * half_life;
	u32 i = div64_u64(rest * TICKS_PER_HALF_LIFE, half_life);
	u64 part = rest * TICKS_PER_HALF_LIFE - (u64)i * half_life;
	u32 high = eighths[i], low = i + 1 < TICKS_PER_HALF_LIFE ? eighths[i + 1] : 32768;
	u64 stay = high - div64_u64((high - low) * part, half_life);

	if (halves >= 16)
		return nr << DEBT_SHIFT;
	return ((nr << DEBT_SHIFT) * (65536 - (stay >> halves))) >> 16;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_decay_amount);

static unsigned long tick_jiffies(int decay_ms)
{
	return msecs_to_jiffies(max(decay_ms / TICKS_PER_HALF_LIFE, SHORTEST_TICK_MS));
}

/* Makes a tick due unless one is, or nothing decays.  Magazines never fall back at once. */
static void arm(struct quarry_reclaim *r, bool pages)
{
	int decay_ms = READ_ONCE(r->decay_ms);

	if (decay_ms < 0 || test_and_set_bit(0, &r->armed))
		return;
	queue_delayed_work(system_unbound_wq, &r->work,
			   decay_ms || !pages ? tick_jiffies(decay_ms) : 0);
}

void quarry_reclaim_notify(struct quarry_reclaim *r)
{
	bool pages;

	if (READ_ONCE(r->armed))
		return;
	pages = READ_ONCE(r->pages->hot) || quarry_pages_nr_idle(r->pages);
	if (pages || READ_ONCE(r->pages->budget.stocked))
		arm(r, pages);
}

static void decay(struct quarry_reclaim *r, unsigned long now)
{
	unsigned long idle = quarry_pages_take_idle(r->pages), due;
	int decay_ms = READ_ONCE(r->decay_ms);

	if (decay_ms < 0)
		return;
	/* Idle from now on. */
	quarry_pages_cool(r->pages);
	if (decay_ms)
		r->debt += quarry_decay_amount(idle, jiffies_to_msecs(now - r->last_tick),
					       decay_ms);
	else
		r->debt = quarry_pages_nr_idle(r->pages) << DEBT_SHIFT;
	/* What was taken since is not owed any more. */
	r->debt = min(r->debt, idle << DEBT_SHIFT);
	due = release(r, r->debt >> DEBT_SHIFT, QUARRY_TRIM_DECAY);
	r->debt -= min(r->debt, due << DEBT_SHIFT);
	r->nr_decayed += due;
}

void quarry_reclaim_tick(struct quarry_reclaim *r, unsigned long now)
{
	/* First, so that what it frees is idle from now on. */
	if (READ_ONCE(r->pages->budget.stocked) && r->pages->fall_back &&
	    READ_ONCE(r->decay_ms) >= 0)
		r->pages->fall_back(r->pages);
	mutex_lock(&r->mutex);
	decay(r, now);
	r->last_tick = now;
	mutex_unlock(&r->mutex);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_reclaim_tick);

static void decay_work(struct work_struct *work)
{
	struct quarry_reclaim *r = container_of(to_delayed_work(work), struct quarry_reclaim, work);

	clear_bit(0, &r->armed);
	quarry_reclaim_tick(r, jiffies);
	quarry_reclaim_notify(r);
}

void quarry_reclaim_set_decay(struct quarry_reclaim *r, int decay_ms)
{
	mutex_lock(&r->mutex);
	WRITE_ONCE(r->decay_ms, decay_ms);
	/* What was idle until now is not charged with the new half-life. */
	r->last_tick = jiffies;
	quarry_pages_take_idle(r->pages);
	mutex_unlock(&r->mutex);
	/* A tick that is far away comes at once and is followed by nearer ones. */
	if (decay_ms >= 0)
		mod_delayed_work(system_unbound_wq, &r->work, 0);
}

/* === On request === */

u64 quarry_reclaim_trim(struct quarry_reclaim *r, unsigned long nr_pages,
			enum quarry_trim_reason reason)
{
	unsigned long nr;

	mutex_lock(&r->mutex);
	quarry_pages_drop_watermark(r->pages);
	quarry_pages_cool(r->pages);
	/* What becomes free meanwhile is for the next one, or this might never end. */
	nr = release(r, min(nr_pages, quarry_pages_nr_idle(r->pages)), reason);
	r->nr_trimmed += nr;
	mutex_unlock(&r->mutex);
	return (u64)nr << PAGE_SHIFT;
}

unsigned long quarry_reclaim_pressed(struct quarry_reclaim *r, unsigned long nr_pages, bool try)
{
	unsigned long nr;

	if (!try)
		mutex_lock(&r->mutex);
	else if (!mutex_trylock(&r->mutex))
		return 0;
	quarry_pages_drop_watermark(r->pages);
	nr = release(r, nr_pages, QUARRY_TRIM_SOFT_LIMIT);
	r->nr_reclaimed += nr;
	mutex_unlock(&r->mutex);
	return nr;
}

/* === Shrinker === */

/* For the suites, which hold it to see that the shrinker does not wait for it. */
struct mutex *const quarry_reclaims_mutex = &reclaims_mutex;
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_reclaims_mutex);

unsigned long quarry_shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct quarry_reclaim *r;
	unsigned long nr = 0;

	if (!mutex_trylock(&reclaims_mutex))
		return 0;
	list_for_each_entry(r, &reclaims, node) {
		/* Nothing is kept when the kernel asks. */
		quarry_pages_cool(r->pages);
		/* Counts when it is asked again. */
		if (r->pages->pressed)
			r->pages->pressed(r->pages);
		nr += quarry_pages_nr_idle(r->pages);
	}
	mutex_unlock(&reclaims_mutex);
	return nr ?: SHRINK_EMPTY;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_shrink_count);

unsigned long quarry_shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long want = max(sc->nr_to_scan, SHRINK_MIN), nr = 0, n;
	struct quarry_reclaim *r;

	if (!mutex_trylock(&reclaims_mutex))
		return SHRINK_STOP;
	list_for_each_entry(r, &reclaims, node) {
		if (nr >= want)
			break;
		if (!mutex_trylock(&r->mutex))
			continue;
		quarry_pages_drop_watermark(r->pages);
		n = release(r, want - nr, QUARRY_TRIM_SHRINK);
		r->nr_shrunk += n;
		nr += n;
		mutex_unlock(&r->mutex);
	}
	/* The next call begins with another heap. */
	if (!list_empty(&reclaims))
		list_rotate_left(&reclaims);
	mutex_unlock(&reclaims_mutex);
	return nr ?: SHRINK_STOP;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_shrink_scan);

static struct quarry_shrinker shrinker;

/* === Setting up, tearing down === */

int quarry_reclaim_global_init(void)
{
	return quarry_shrinker_register(&shrinker, "quarry", quarry_shrink_count,
					quarry_shrink_scan);
}

void quarry_reclaim_global_exit(void)
{
	quarry_shrinker_unregister(&shrinker);
}

void quarry_reclaim_init(struct quarry_reclaim *r, struct quarry_pages *pages, int decay_ms)
{
	r->pages = pages;
	r->decay_ms = decay_ms;
	r->last_tick = jiffies;
	mutex_init(&r->mutex);
	INIT_DELAYED_WORK(&r->work, decay_work);
	INIT_LIST_HEAD(&r->node);
	/* No tick before quarry_reclaim_start(). */
	set_bit(0, &r->armed);
}

void quarry_reclaim_start(struct quarry_reclaim *r)
{
	/* What goes back to a caller's backing does not help the kernel. */
	if (!r->pages->backing) {
		mutex_lock(&reclaims_mutex);
		list_add_tail(&r->node, &reclaims);
		mutex_unlock(&reclaims_mutex);
	}
	clear_bit(0, &r->armed);
	quarry_reclaim_notify(r);
}

void quarry_reclaim_stop(struct quarry_reclaim *r)
{
	mutex_lock(&reclaims_mutex);
	list_del_init(&r->node);
	mutex_unlock(&reclaims_mutex);
	/* The work may arm itself once more, but not with this. */
	WRITE_ONCE(r->decay_ms, -1);
	cancel_delayed_work_sync(&r->work);
}
