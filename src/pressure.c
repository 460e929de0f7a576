// SPDX-License-Identifier: GPL-2.0
/*
 * Pressure: what happens when a heap is above its soft limit.
 *
 *	growth ─> notify ─> worker:	1. magazines, depots, empty slabs drained
 *					2. idle pages released
 *					3. reclaimers asked by priority, 1 and 2
 *					   again after each, until it is enough
 *
 * The worker never runs inside a client's allocation.  An allocator that may
 * sleep and makes the heap grow above the limit assists: it releases twice the
 * pages it wants, up to ASSIST_MAX, if nobody else is at it.
 *
 * A live set above the limit cannot be helped; to not burn a CPU over it the
 * worker, which only runs when the heap has grown, rests nine times as long as
 * it ran, at least SHORTEST_REST: no more than a tenth of one CPU.
 *
 * Locking: pressure->mutex guards the reclaimers and is held while they run, so
 * that removing one waits for it.  Order: pressure->mutex > heap->mutex (drain),
 * reclaim->mutex (release), and whatever a reclaimer takes.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "internal.h"
#include "pressure.h"

#define ASSIST_MAX	64UL		/* pages per allocation */
#define SHORTEST_REST	(HZ / 20)

static unsigned long nr_above(const struct quarry_pressure *p)
{
	return quarry_pages_nr_above(p->reclaim->pages);
}

void quarry_pressure_notify(struct quarry_pressure *p)
{
	unsigned long now = jiffies, not_before = READ_ONCE(p->not_before);

	if (likely(!nr_above(p)) || test_bit(0, &p->stopped))
		return;
	/* Does nothing if it is queued already. */
	queue_delayed_work(system_unbound_wq, &p->work,
			   time_before(now, not_before) ? not_before - now : 0);
}

static void drain_and_release(struct quarry_pressure *p)
{
	p->drain(p);
	quarry_reclaim_pressed(p->reclaim, nr_above(p), false);
	/* What is idle now is in extents of more pages than that: one goes whole. */
	if (nr_above(p))
		quarry_reclaim_pressed(p->reclaim, BIT(QUARRY_EXTENT_MAX_ORDER), false);
}

static void ask(struct quarry_reclaimer *reclaimer, u64 wanted)
{
	reclaimer->nr_calls++;
	reclaimer->last_wanted = wanted;
	reclaimer->last_given = reclaimer->reclaim(reclaimer, wanted);
	reclaimer->given += reclaimer->last_given;
}

static void pressure_work(struct work_struct *work)
{
	struct quarry_pressure *p = container_of(to_delayed_work(work), struct quarry_pressure,
						 work);
	unsigned long began = jiffies, ran;
	struct quarry_reclaimer *reclaimer;

	drain_and_release(p);
	mutex_lock(&p->mutex);
	list_for_each_entry(reclaimer, &p->reclaimers, node) {
		if (!nr_above(p))
			break;
		ask(reclaimer, (u64)nr_above(p) << PAGE_SHIFT);
		if (reclaimer->last_given)
			drain_and_release(p);
	}
	mutex_unlock(&p->mutex);
	ran = jiffies - began;
	WRITE_ONCE(p->not_before, jiffies + max_t(unsigned long, 9 * ran, SHORTEST_REST));
}

void quarry_pressure_assist(struct quarry_pressure *p, unsigned long nr_pages)
{
	quarry_reclaim_pressed(p->reclaim, min(2 * nr_pages, ASSIST_MAX), true);
}

int quarry_pressure_add(struct quarry_pressure *p, struct quarry_reclaimer *reclaimer)
{
	struct list_head *pos = &p->reclaimers;
	struct quarry_reclaimer *other;

	if (!reclaimer->name || !reclaimer->reclaim) {
		quarry_report("a reclaimer needs a name and a function\n");
		return -EINVAL;
	}
	reclaimer->nr_calls = 0;
	reclaimer->last_wanted = 0;
	reclaimer->last_given = 0;
	reclaimer->given = 0;
	mutex_lock(&p->mutex);
	list_for_each_entry(other, &p->reclaimers, node) {
		if (other->priority < reclaimer->priority) {
			pos = &other->node;
			break;
		}
	}
	/* Before the first of a lower priority, or at the end. */
	list_add_tail(&reclaimer->node, pos);
	mutex_unlock(&p->mutex);
	return 0;
}

void quarry_pressure_remove(struct quarry_pressure *p, struct quarry_reclaimer *reclaimer)
{
	mutex_lock(&p->mutex);
	list_del(&reclaimer->node);
	mutex_unlock(&p->mutex);
}

void quarry_pressure_disown(struct quarry_pressure *p, struct module *mod)
{
	struct quarry_reclaimer *reclaimer, *next;

	mutex_lock(&p->mutex);
	list_for_each_entry_safe(reclaimer, next, &p->reclaimers, node) {
		if (!within_module((unsigned long)reclaimer->reclaim, mod))
			continue;
		quarry_report("module %s leaves reclaimer %s behind\n", module_name(mod),
			      reclaimer->name);
		list_del(&reclaimer->node);
	}
	mutex_unlock(&p->mutex);
}

void quarry_pressure_show(struct seq_file *m, struct quarry_pressure *p)
{
	struct quarry_reclaimer *reclaimer;

	seq_printf(m, "%-24s %8s %10s %14s %14s %16s\n", "reclaimer", "priority", "calls",
		   "last wanted/B", "last given/B", "given in all/B");
	mutex_lock(&p->mutex);
	list_for_each_entry(reclaimer, &p->reclaimers, node)
		seq_printf(m, "%-24s %8d %10llu %14llu %14llu %16llu\n", reclaimer->name,
			   reclaimer->priority, reclaimer->nr_calls, reclaimer->last_wanted,
			   reclaimer->last_given, reclaimer->given);
	mutex_unlock(&p->mutex);
}

void quarry_pressure_init(struct quarry_pressure *p, struct quarry_reclaim *reclaim,
			  void (*drain)(struct quarry_pressure *p))
{
	p->reclaim = reclaim;
	p->drain = drain;
	p->not_before = jiffies;
	mutex_init(&p->mutex);
	INIT_LIST_HEAD(&p->reclaimers);
	INIT_DELAYED_WORK(&p->work, pressure_work);
}

void quarry_pressure_stop(struct quarry_pressure *p)
{
	set_bit(0, &p->stopped);
	cancel_delayed_work_sync(&p->work);
	if (!list_empty(&p->reclaimers))
		quarry_report("heap destroyed with reclaimer %s\n",
			      list_first_entry(&p->reclaimers, struct quarry_reclaimer,
					       node)->name);
}
