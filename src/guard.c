// SPDX-License-Identifier: GPL-2.0
/*
 * Guards: misuse of an object is found at once, not when the slab sees it.
 *
 *	slab ─> magazines ─> alloc: poison, red zone untouched?  note: who, when
 *	  ^        ^
 *	  │        └── quarantine <─ free: a live object of this cache?  note: by whom
 *	  │                │               red zone untouched?  wiped with poison
 *	  └─── shrink ─────┘
 *
 *	object  | poison while free: size bytes | red zone: stride - size |
 *
 * The inline paths see nothing of a cache with a guard (it is veiled, see cache.h), so all
 * this costs other caches nothing.  Whether an object is live stands in its note, out of
 * band, and changes by cmpxchg(); that is why a second free is told, whoever comes when,
 * and why nothing that is no live object of the cache is ever written to.
 *
 * A heap that only tracks has the notes and the check at free, without poison, red
 * zones, quarantine and shuffling.
 *
 * Memory that has to be zero when it is free (init_on_free) is poisoned with zeroes.
 * Constructed objects keep their state: they have red zones, but no poison.  What is
 * found damaged is reported, mended and used on; it is the user's to find out who did it.
 *
 * Locking: guard->lock, irq-safe, for BATCH objects at a time; nothing is called under
 * it.  NMI goes past the quarantine.
 *
 * Objects in quarantine count as free.  Those whose free waits for a grace period count as
 * allocated, but are live no more: they are wiped, and freed past the quarantine, when it
 * is over.
 *
 * Invariants (quarry_guard_verify()): an object that is free in its slab is not live; live
 * notes <= objects that count as allocated, and = where no free waits.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/hash.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/preempt.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/string.h>

#include "cache.h"
#include "guard.h"
#include "internal.h"

#define BATCH	16	/* objects per lock hold */
#define POISON	0x6b	/* as the kernel's own POISON_FREE */
#define RED	0xcc	/* as SLUB_RED_ACTIVE */

static u8 poison(void)
{
	return want_init_on_free() ? 0 : POISON;
}

static size_t red_size(const struct quarry_slab_cache *sc)
{
	return sc->layout.stride - sc->size;
}

static struct quarry_note *note_of(struct quarry_slab *slab, unsigned int index)
{
	return &quarry_slab_notes(slab, &slab->cache->layout)[index];
}

void quarry_guard_init(struct quarry_slab_cache *sc)
{
	struct quarry_guard *g = sc->guard;

	g->hardened = sc->pages->guards & QUARRY_HEAP_HARDENED;
	g->capacity = min(QUARRY_QUARANTINE_OBJS, QUARRY_QUARANTINE_BYTES / sc->layout.stride);
	g->secret = get_random_u64();
	raw_spin_lock_init(&g->lock);
}

void quarry_guard_prepare(struct quarry_slab_cache *sc, struct quarry_slab *slab)
{
	void *obj = slab->base;
	unsigned int i;

	quarry_notes_init(quarry_slab_notes(slab, &sc->layout), slab->nr_objs);
	if (!sc->guard->hardened)
		return;
	for (i = 0; i < slab->nr_objs; i++, obj += sc->layout.stride) {
		if (sc->wipe_size)
			memset(obj, poison(), sc->size);
		memset(obj + sc->size, RED, red_size(sc));
	}
}

/* === In no order === */

/* A generator for one call: no state is shared, so no lock is needed. */
static void seed(struct quarry_guard *g, struct rnd_state *rnd)
{
	u64 nr = atomic64_inc_return(&g->nr_taken);

	prandom_seed_state(rnd, hash_64(g->secret + nr, 64));
}

static unsigned int below(struct rnd_state *rnd, unsigned int ceil)
{
	return mul_u32_u32(prandom_u32_state(rnd), ceil) >> 32;
}

unsigned int quarry_guard_take(struct quarry_slab_cache *sc, struct quarry_slab *slab, void **objs,
			       unsigned int nr)
{
	struct rnd_state rnd;
	unsigned int i, j;

	if (!sc->guard->hardened)
		return quarry_slab_take(slab, &sc->layout, objs, nr);
	seed(sc->guard, &rnd);
	nr = quarry_slab_take_from(slab, &sc->layout, below(&rnd, slab->nr_objs), objs, nr);
	for (i = nr; i > 1; i--) {
		j = below(&rnd, i);
		swap(objs[i - 1], objs[j]);
	}
	return nr;
}

/* === Checks === */

/* Where @len bytes at @from differ from @byte: a report, and they are mended. */
static void check_bytes(struct quarry_slab_cache *sc, struct quarry_note *note,
			unsigned long state, void *obj, size_t from, size_t len, u8 byte)
{
	const u8 *bad = memchr_inv(obj + from, byte, len);

	if (likely(!bad))
		return;
	quarry_report("cache %s: %s %p of %u bytes was written to at %+ld: %#x, not %#x\n",
		      sc->name, from ? "red zone of" : "free object", obj, sc->size,
		      (long)((void *)bad - obj), READ_ONCE(*bad), byte);
	preempt_disable();
	quarry_note_explain(note, state);
	preempt_enable();
	memset(obj + from, byte, len);
}

static struct quarry_note *note_of_ours(struct quarry_slab_cache *sc, const void *obj)
{
	struct quarry_slab *slab;
	int index;

	preempt_disable();
	slab = quarry_slab_find(obj);
	preempt_enable();
	/* It came out of a magazine or was claimed, so it is an object and keeps its slab. */
	index = slab ? quarry_slab_index(slab, &sc->layout, obj) : -1;
	return QUARRY_WARN_ON(index < 0) ? NULL : note_of(slab, index);
}

void quarry_guard_alloc(struct quarry_slab_cache *sc, void *obj, const struct quarry_site *site)
{
	struct quarry_note *note = note_of_ours(sc, obj);
	unsigned long state;

	if (!note)
		return;
	if (sc->guard->hardened) {
		state = READ_ONCE(note->state);
		if (sc->wipe_size)
			check_bytes(sc, note, state, obj, 0, sc->size, poison());
		check_bytes(sc, note, state, obj, sc->size, red_size(sc), RED);
	}
	quarry_note_alloc(note, site);
}

bool quarry_guard_is_live(struct quarry_slab *slab, const void *obj)
{
	int index = quarry_slab_index(slab, &slab->cache->layout, obj);

	return index >= 0 && !quarry_note_is_free(note_of(slab, index));
}

void quarry_guard_explain(struct quarry_slab *slab, const void *addr)
{
	u32 index = reciprocal_divide(addr - slab->base, slab->cache->layout.reciprocal);
	struct quarry_note *note;

	if (index >= slab->nr_objs)
		return;
	note = note_of(slab, index);
	quarry_report_more("object at %p of %u bytes in cache %s:\n",
			   slab->base + (size_t)index * slab->cache->layout.stride,
			   slab->cache->size, slab->cache->name);
	quarry_note_explain(note, READ_ONCE(note->state));
}

/* Preemption is off. */
static bool claim(struct quarry_slab_cache *sc, struct quarry_slab *slab, const void *obj,
		  unsigned long caller)
{
	struct quarry_note *note;
	unsigned long state;
	int index;

	if (slab->cache != sc) {
		quarry_report("cache %s: free of %p by %pS, which belongs to cache %s\n",
			      sc->name, obj, (void *)caller, slab->cache->name);
		if (slab->cache->guard)
			quarry_guard_explain(slab, obj);
		return false;
	}
	index = quarry_slab_index(slab, &sc->layout, obj);
	if (index < 0) {
		quarry_report("cache %s: free of %p by %pS, which is not the start of an object\n",
			      sc->name, obj, (void *)caller);
		quarry_guard_explain(slab, obj);
		return false;
	}
	note = note_of(slab, index);
	state = quarry_note_free(note, caller);
	if (!state)
		return true;
	quarry_report("cache %s: double free of %p by %pS\n", sc->name, obj, (void *)caller);
	quarry_note_explain(note, state);
	return false;
}

bool quarry_guard_claim(struct quarry_slab_cache *sc, const void *obj, unsigned long caller)
{
	struct quarry_slab *slab;
	bool ours;

	preempt_disable();
	slab = quarry_slab_find(obj);
	ours = slab && claim(sc, slab, obj, caller);
	if (!slab)
		quarry_report("cache %s: free of %p by %pS, which is in no slab\n", sc->name, obj,
			      (void *)caller);
	preempt_enable();
	return ours;
}

/* === Quarantine === */

/* Takes @obj in; the one that has to go for it, or NULL.  Counts it as freed, or leaves that. */
static void *quarantine(struct quarry_slab_cache *sc, void *obj)
{
	struct quarry_guard *g = sc->guard;
	unsigned long flags;
	void *oldest;

	if (!g->capacity || in_nmi())
		return obj;
	raw_spin_lock_irqsave(&g->lock, flags);
	oldest = g->held[g->next];
	g->held[g->next] = obj;
	g->next = g->next + 1 == g->capacity ? 0 : g->next + 1;
	g->nr += !oldest;
	raw_spin_unlock_irqrestore(&g->lock, flags);
	/* The one that goes is counted in its place. */
	if (!oldest)
		atomic_long_inc(&sc->mags.nr_free_below);
	return oldest;
}

void quarry_guard_wipe(struct quarry_slab_cache *sc, void *obj)
{
	struct quarry_note *note;

	if (!sc->guard->hardened) {
		if (want_init_on_free())
			memset(obj, 0, sc->wipe_size);
		return;
	}
	note = note_of_ours(sc, obj);
	if (note)
		check_bytes(sc, note, 0, obj, sc->size, red_size(sc), RED);
	memset(obj, poison(), sc->wipe_size);
}

void *quarry_guard_retire(struct quarry_slab_cache *sc, void *obj)
{
	quarry_guard_wipe(sc, obj);
	return sc->guard->hardened ? quarantine(sc, obj) : obj;
}

static unsigned int take_oldest(struct quarry_guard *g, void **objs)
{
	unsigned int n = 0, at;
	unsigned long flags;

	raw_spin_lock_irqsave(&g->lock, flags);
	for (; g->nr && n < BATCH; g->nr--) {
		at = g->next >= g->nr ? g->next - g->nr : g->next + g->capacity - g->nr;
		objs[n++] = g->held[at];
		g->held[at] = NULL;
	}
	raw_spin_unlock_irqrestore(&g->lock, flags);
	return n;
}

void quarry_guard_drain(struct quarry_slab_cache *sc)
{
	unsigned int left, n;
	void *objs[BATCH];

	for (left = sc->guard->capacity; left; left -= min(left, n)) {
		n = take_oldest(sc->guard, objs);
		if (!n)
			break;
		/* They were counted when they came. */
		quarry_mags_drain(&sc->mags, objs, n);
	}
}

/* === Looking === */

unsigned int quarry_guard_nr_held(struct quarry_guard *guard)
{
	return READ_ONCE(guard->nr);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_guard_nr_held);

bool quarry_guard_verify(struct quarry_slab_cache *sc, struct quarry_slab *slab,
			 unsigned long *live)
{
	unsigned int i;

	lockdep_assert_held(&sc->lock);
	for (i = 0; i < slab->nr_objs; i++) {
		if (quarry_note_is_free(note_of(slab, i)))
			continue;
		if (test_bit(i, slab->free))
			return false;
		++*live;
	}
	return true;
}
