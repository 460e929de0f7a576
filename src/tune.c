// SPDX-License-Identifier: GPL-2.0
/*
 * Tuning: knobs of a heap that is in use.
 *
 *	text ─> parse ─> check, with the other knobs ─> apply ─> remember
 *
 * Readers take no lock: each value is read once, and the old one and the new one
 * are both right for whoever comes at that moment.  What has to be gone when a write
 * returns (pages beyond a limit, magazines that are too large) is drained by it.
 *
 * Locking: heap->tune_mutex from the check to the end, so that what was checked
 * stays so; under it heap->mutex (drains), reclaim->mutex (giving back) and the
 * kernel's allocator (a larger reserve).  Nobody takes it inside of reclaim or of CPU
 * hotplug.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/limits.h>
#include <linux/rcupdate.h>

#include "heap.h"
#include "internal.h"

/* === Bytes: limit, soft_limit, reserve === */

static void set_bytes(struct quarry_heap_priv *hp, u64 *field, u64 bytes)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&hp->pages.lock, flags);
	WRITE_ONCE(*field, bytes);
	raw_spin_unlock_irqrestore(&hp->pages.lock, flags);
}

static void set_limit(struct quarry_heap_priv *hp, u64 bytes)
{
	set_bytes(hp, &hp->pages.limit, bytes);
	if (bytes && (u64)READ_ONCE(hp->pages.nr_mapped) << PAGE_SHIFT > bytes)
		quarry_heap_trim(&hp->heap);
}

static void set_soft_limit(struct quarry_heap_priv *hp, u64 bytes)
{
	set_bytes(hp, &hp->pages.soft_limit, bytes);
	quarry_pressure_notify(&hp->pressure);
}

/* The new one first, so that what is taken for it stays. */
static int set_reserve(struct quarry_heap_priv *hp, u64 bytes)
{
	u64 old = hp->pages.reserve;
	unsigned long got = 0;
	int ret;

	set_bytes(hp, &hp->pages.reserve, bytes);
	ret = quarry_pages_fill_reserve(&hp->pages, &got);
	if (ret) {
		set_bytes(hp, &hp->pages.reserve, old);
		quarry_reclaim_trim(&hp->reclaim, got, QUARRY_TRIM_REQUEST);
	}
	/* What is not reserved any more may decay. */
	quarry_reclaim_notify(&hp->reclaim);
	return ret;
}

/* === Magazines === */

struct magazines {
	unsigned int bytes;
	int order;
};

static void stop_cache(struct quarry_slab_cache *sc, void *unused)
{
	quarry_mags_stop(&sc->mags);
}

static void resize_cache(struct quarry_slab_cache *sc, void *arg)
{
	const struct magazines *m = arg;

	quarry_mags_resize(&sc->mags, m->bytes);
	quarry_mags_detach(&sc->mags);
	quarry_mags_start(&sc->mags);
}

static void flush_cache(struct quarry_slab_cache *sc, void *unused)
{
	quarry_mags_flush(&sc->mags);
}

static void walk_fronts(struct quarry_heap_priv *hp,
			void (*fn)(struct quarry_run_front *rf, const struct magazines *m),
			const struct magazines *m)
{
	unsigned int k, order;

	for (k = 0; k < QUARRY_NR_KINDS; k++)
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++)
			fn(&hp->runs.fronts[k][order], m);
}

static void stop_front(struct quarry_run_front *rf, const struct magazines *m)
{
	quarry_mags_stop(&rf->mags);
}

static void resize_front(struct quarry_run_front *rf, const struct magazines *m)
{
	quarry_mags_resize(&rf->mags, m->bytes);
	quarry_mags_detach(&rf->mags);
	if ((int)rf->order <= m->order)
		quarry_mags_start(&rf->mags);
}

static void flush_front(struct quarry_run_front *rf, const struct magazines *m)
{
	quarry_mags_flush(&rf->mags);
}

/* All fronts pause for a grace period, in which objects are served one by one. */
static void set_magazines(struct quarry_heap_priv *hp, struct magazines m, bool caches)
{
	mutex_lock(&hp->mutex);
	if (caches) {
		/*
		 * A class that is being made now has seen the new size, or can be found
		 * when the grace period ends: pairs with class_create().
		 */
		WRITE_ONCE(hp->knobs.value[QUARRY_KNOB_MAGAZINE_BYTES], m.bytes);
		synchronize_rcu();
		quarry_heap_walk_caches(hp, stop_cache, NULL);
	}
	walk_fronts(hp, stop_front, &m);
	synchronize_rcu();
	if (caches)
		quarry_heap_walk_caches(hp, resize_cache, &m);
	walk_fronts(hp, resize_front, &m);
	synchronize_rcu();
	if (caches)
		quarry_heap_walk_caches(hp, flush_cache, NULL);
	walk_fronts(hp, flush_front, &m);
	mutex_unlock(&hp->mutex);
}

/* === All of them === */

static int apply(struct quarry_heap_priv *hp, enum quarry_knob knob, s64 value)
{
	struct magazines m = {
		.bytes = hp->knobs.value[QUARRY_KNOB_MAGAZINE_BYTES],
		.order = hp->knobs.value[QUARRY_KNOB_MAGAZINE_ORDER],
	};

	switch (knob) {
	case QUARRY_KNOB_LIMIT:
		set_limit(hp, value);
		break;
	case QUARRY_KNOB_SOFT_LIMIT:
		set_soft_limit(hp, value);
		break;
	case QUARRY_KNOB_RESERVE:
		return set_reserve(hp, value);
	case QUARRY_KNOB_DECAY_MS:
		quarry_reclaim_set_decay(&hp->reclaim, value);
		break;
	case QUARRY_KNOB_MAGAZINE_ORDER:
		m.order = value;
		set_magazines(hp, m, false);
		break;
	case QUARRY_KNOB_MAGAZINE_BYTES:
		m.bytes = value;
		set_magazines(hp, m, true);
		break;
	case QUARRY_KNOB_CPU_BYTES:
		quarry_heap_set_cpu_bytes(hp, value);
		break;
	default:
		return -EINVAL;
	}
	return 0;
}

int quarry_heap_tune(struct quarry_heap_priv *hp, enum quarry_knob knob, const char *text)
{
	struct quarry_knobs knobs;
	int ret;

	mutex_lock(&hp->tune_mutex);
	knobs = hp->knobs;
	ret = quarry_knob_parse(hp->name, knob, text, &knobs.value[knob]) ?:
	      quarry_knobs_check(hp->name, &knobs, knob);
	if (!ret)
		ret = apply(hp, knob, knobs.value[knob]);
	if (!ret)
		WRITE_ONCE(hp->knobs.value[knob], knobs.value[knob]);
	mutex_unlock(&hp->tune_mutex);
	return ret;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_heap_tune);
