// SPDX-License-Identifier: GPL-2.0
/*
 * Magazines, looked at from outside: counters summed, contents counted.
 *
 * Locking: none for what belongs to CPUs (a glance, exact while they are quiet),
 * depot->lock for depots.
 */
#include <linux/cpumask.h>
#include <linux/minmax.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/string.h>

#include "depot.h"
#include "internal.h"

void quarry_mags_get_stats(const struct quarry_mags *mags, struct quarry_mags_stats *stats)
{
	unsigned int cpu, i;
	int node;

	memset(stats, 0, sizeof(*stats));
	for (i = 0; i < QUARRY_NR_LOW_LAYERS; i++) {
		stats->low[i] = atomic_long_read(&mags->nr_ended[i]);
		stats->first[i] = atomic_long_read(&mags->nr_first[i]);
	}
	stats->nr_free = atomic_long_read(&mags->nr_free_below);
	if (!quarry_mags_is_cold(mags)) {
		for_each_possible_cpu(cpu) {
			struct quarry_cpu *c = per_cpu_ptr(mags->front->cpu, cpu);

			stats->magazine += READ_ONCE(c->nr_alloc);
			stats->previous += READ_ONCE(c->nr_alloc_previous);
			stats->nr_free += READ_ONCE(c->nr_free) + READ_ONCE(c->nr_free_previous);
		}
		for (node = 0; node < nr_node_ids; node++) {
			stats->depot += READ_ONCE(mags->depots[node].nr_alloc);
			stats->nr_free += READ_ONCE(mags->depots[node].nr_free);
		}
	}
	stats->nr_alloc = stats->magazine + stats->previous + stats->depot;
	for (i = 0; i < QUARRY_NR_LOW_LAYERS; i++)
		stats->nr_alloc += stats->low[i];
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_get_stats);

void quarry_reach_add(struct quarry_reach *reach, const struct quarry_mags_stats *stats,
		      enum quarry_layer below)
{
	unsigned long all = 0, first = 0;
	int layer, i;

	/* From the deepest up: what ended there, or deeper, came as far as here. */
	for (layer = QUARRY_NR_LOW_LAYERS - 1; layer >= (int)below; layer--) {
		all += stats->low[layer];
		first += stats->first[layer];
		i = 2 + layer - (int)below;
		if (i < QUARRY_NR_REACHES) {
			reach->all[i] += all;
			reach->first[i] += first;
		}
	}
	reach->all[1] += stats->depot + all;
	reach->first[1] += first;
	/* Who asks a CPU's magazines asks for no first use yet. */
	reach->all[0] += stats->magazine + stats->previous + stats->depot + all;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_reach_add);

static unsigned long depot_nr_cached(struct quarry_depot *depot)
{
	struct quarry_magazine *mag;
	unsigned long nr = 0, flags;

	/* At most QUARRY_DEPOT_MOST magazines. */
	raw_spin_lock_irqsave(&depot->lock, flags);
	for (mag = depot->full.first; mag; mag = mag->next)
		nr += mag->count;
	if (depot->incoming)
		nr += depot->incoming->count;
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return nr;
}

/* Objects in a magazine that is not ours and may be something else by now. */
static unsigned int peek(const struct quarry_magazine *mag)
{
	return min(READ_ONCE(mag->count), QUARRY_MAGAZINE_MAX_CAPACITY);
}

unsigned long quarry_mags_nr_cached(struct quarry_mags *mags)
{
	unsigned long nr = 0;
	unsigned int cpu;
	int node;

	if (quarry_mags_is_cold(mags))
		return 0;
	/* A glance: a magazine may be exchanged and reused while we look. */
	preempt_disable();
	for_each_possible_cpu(cpu) {
		struct quarry_cpu *c = per_cpu_ptr(mags->front->cpu, cpu);

		nr += peek(READ_ONCE(c->loaded));
		nr += peek(READ_ONCE(c->previous));
	}
	preempt_enable();
	for (node = 0; node < nr_node_ids; node++)
		nr += depot_nr_cached(&mags->depots[node]);
	return nr;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_nr_cached);

static void add_place(struct quarry_mags_place *place, unsigned long nr_magazines,
		      unsigned long bytes)
{
	place->nr_fronts += nr_magazines > 0;
	place->nr_magazines += nr_magazines;
	place->bytes += bytes;
}

void quarry_mags_look_at_cpu(struct quarry_mags *mags, unsigned int cpu,
			     struct quarry_mags_place *place)
{
	struct quarry_magazine *loaded, *previous;
	unsigned int nr;

	if (quarry_mags_is_cold(mags))
		return;
	preempt_disable();
	loaded = READ_ONCE(per_cpu_ptr(mags->front->cpu, cpu)->loaded);
	previous = READ_ONCE(per_cpu_ptr(mags->front->cpu, cpu)->previous);
	nr = peek(loaded) + peek(previous);
	add_place(place, (loaded != &quarry_empty_magazine) + (previous != &quarry_empty_magazine),
		  nr * mags->size);
	preempt_enable();
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_look_at_cpu);

void quarry_mags_look_at_depot(struct quarry_mags *mags, int node,
			       struct quarry_mags_place *place)
{
	struct quarry_depot *depot;

	if (quarry_mags_is_cold(mags))
		return;
	depot = &mags->depots[node];
	add_place(place, READ_ONCE(depot->full.nr) + READ_ONCE(depot->empty.nr),
		  depot_nr_cached(depot) * mags->size);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_look_at_depot);
