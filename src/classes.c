// SPDX-License-Identifier: GPL-2.0
/*
 * Caches of a heap's size classes, and tables that a heap was created with.
 *
 * The inline path takes the front of a cache from a slot: fronts[kind][
 * quarry_size_class(size)], a copy of that of the cache in classes[] at the same place.
 * A heap without a table of its own has the cache of one default class in each slot,
 * made on first use.  Until then the slot points to one static cold cache whose front
 * misses both ways.
 *
 * With an own table a slot still stands for the sizes of one default class.  If all
 * of them fall into one own class, the slot points to its cache and the inline path
 * is the same.  If an own class ends among them, the slot is cut: it stays cold, the
 * inline path misses, and quarry_alloc_slow() looks at the size itself.
 *
 *	slots      113 .. 120 | 121 .. 128 | 129 .. 144  | 145 .. 160 | 161 .. 176
 *	own classes            128         |  136 |       160         |
 *	             direct       direct         cut         direct     default class
 *
 * The table ends where a slot does: one more class is added if the last own one cuts
 * a slot (with 136 as the last, 137 to 144 get a class of 144).  Slots behind it have the
 * default classes.
 *
 * Locking: none.  A cache is published by cmpxchg() into its one place, the slot or the
 * row of the own table; then the direct slots of the row get it.
 *
 * Invariant (quarry_classes_verify()): a cut slot is cold; a direct one is, too, or has
 * the cache of its row.  The copy of a front is cold or that of the slot's cache.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/bitmap.h>
#include <linux/build_bug.h>
#include <linux/llist.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "fault.h"
#include "heap.h"
#include "internal.h"
#include "sizeclass.h"

/* Stands for every class that has not been used. */
static struct quarry_slab_cache cold_cache;

void quarry_classes_global_init(void)
{
	cold_cache.cache.front.cpu = quarry_cold_cpu;
}

static bool is_cold(const struct quarry_cache *cache)
{
	return cache == &cold_cache.cache;
}

/* === Own tables === */

static int refuse(const struct quarry_heap_params *p, unsigned int i, const char *what)
{
	quarry_report("heap %.31s: class_sizes[%u] = %u: %s\n", p->name, i, p->class_sizes[i],
		      what);
	return -EINVAL;
}

int quarry_classes_check(const struct quarry_heap_params *p)
{
	unsigned int i, size, last = 0;

	BUILD_BUG_ON(QUARRY_CLASS_SIZES_MAX != 128);
	if (!p->class_sizes != !p->nr_class_sizes ||
	    p->nr_class_sizes > QUARRY_CLASS_SIZES_MAX) {
		quarry_report("heap %.31s: nr_class_sizes = %u %s class_sizes: has to be %s\n",
			      p->name, p->nr_class_sizes, p->class_sizes ? "with" : "without",
			      p->class_sizes ? "1 to 128" : "0");
		return -EINVAL;
	}
	for (i = 0; i < p->nr_class_sizes; i++) {
		size = p->class_sizes[i];
		if (size % QUARRY_CLASS_STEP && size != 1 && size != 2 && size != 4)
			return refuse(p, i, "has to be 1, 2, 4 or a multiple of 8");
		if (size > QUARRY_CLASS_MAX_SIZE)
			return refuse(p, i, "has to be at most 32768");
		if (size <= last)
			return refuse(p, i, "has to be larger than the one before");
		last = size;
	}
	return 0;
}

static unsigned int first_slot(enum quarry_kind kind)
{
	return kind == QUARRY_KIND_DATA ? 0 : QUARRY_FIRST_PTR_CLASS;
}

/* Smallest size that slot @slot stands for. */
static unsigned int least_of(enum quarry_kind kind, unsigned int slot)
{
	return slot > first_slot(kind) ? quarry_class_size(slot - 1) + 1 : 1;
}

static bool is_direct(const struct quarry_own_classes *own, unsigned int slot)
{
	return own->rows[own->first[slot]].size >= quarry_class_size(slot);
}

static void add_row(struct quarry_own_classes *own, unsigned int size)
{
	own->rows[own->nr].size = size;
	own->rows[own->nr].cache = &cold_cache.cache;
	own->nr++;
}

static struct quarry_own_classes *own_create(const struct quarry_heap_params *p,
					     enum quarry_kind kind)
{
	size_t bytes = struct_size_t(struct quarry_own_classes, rows, p->nr_class_sizes + 1);
	unsigned int i, slot, row = 0, last = p->class_sizes[p->nr_class_sizes - 1];
	struct quarry_own_classes *own;

	if (quarry_fault(QUARRY_FAULT_HEAP, bytes))
		return NULL;
	own = kzalloc(bytes, GFP_KERNEL);
	if (!own)
		return NULL;
	for (i = 0; i < p->nr_class_sizes; i++)
		if (kind == QUARRY_KIND_DATA || p->class_sizes[i] >= QUARRY_CLASS_STEP)
			add_row(own, p->class_sizes[i]);
	slot = quarry_size_class(last, kind);
	if (quarry_class_size(slot) != last)
		add_row(own, quarry_class_size(slot));
	own->end = slot + 1;
	for (slot = first_slot(kind); slot < own->end; slot++) {
		while (own->rows[row].size < least_of(kind, slot))
			row++;
		own->first[slot] = row;
	}
	return own;
}

int quarry_classes_init(struct quarry_heap_priv *hp, const struct quarry_heap_params *p)
{
	unsigned int k, i;

	for (k = 0; k < QUARRY_NR_KINDS; k++) {
		for (i = 0; i < QUARRY_NR_CLASSES; i++) {
			hp->heap.fronts[k][i] = cold_cache.cache.front;
			hp->heap.classes[k][i] = &cold_cache.cache;
		}
		if (!p->nr_class_sizes)
			continue;
		hp->own[k] = own_create(p, k);
		if (!hp->own[k])
			return -ENOMEM;
	}
	return 0;
}

void quarry_classes_fini(struct quarry_heap_priv *hp)
{
	unsigned int k;

	for (k = 0; k < QUARRY_NR_KINDS; k++)
		kfree(hp->own[k]);
}

/* === From a size to its class === */

unsigned int quarry_heap_class_size(struct quarry_heap_priv *hp, enum quarry_kind kind,
				    size_t size)
{
	const struct quarry_own_row *row = quarry_own_row(hp->own[kind], kind, size);

	return row ? row->size : quarry_class_size(quarry_size_class(size, kind));
}

static struct quarry_slab_cache *class_alloc(struct quarry_heap_priv *hp, gfp_t gfp)
{
	gfp &= __GFP_RECLAIM | __GFP_IO | __GFP_FS | __GFP_HIGH;
	return quarry_may_call_kernel() ? quarry_slab_cache_alloc(&hp->pages, gfp) : NULL;
}

static struct quarry_cache *class_create(struct quarry_heap_priv *hp, enum quarry_kind kind,
					 unsigned int size, struct quarry_cache **place, gfp_t gfp)
{
	struct quarry_slab_cache *sc = class_alloc(hp, gfp);
	char name[QUARRY_NAME_SIZE];
	struct quarry_cache *old;

	if (!sc)
		return NULL;
	snprintf(name, sizeof(name), "%s-%u", kind == QUARRY_KIND_DATA ? "data" : "size", size);
	/* From reading the size of magazines to showing the cache: pairs with set_magazines(). */
	rcu_read_lock();
	quarry_slab_cache_init(sc, &hp->pages, name, size, 0,
			       kind == QUARRY_KIND_DATA ? QUARRY_DATA : 0, NULL,
			       READ_ONCE(hp->knobs.value[QUARRY_KNOB_MAGAZINE_BYTES]));
	sc->heap = &hp->heap;
	/* Orders the initialisation before the pointer; readers depend on it. */
	old = cmpxchg(place, &cold_cache.cache, &sc->cache);
	rcu_read_unlock();
	if (is_cold(old))
		return &sc->cache;
	kfree(sc);
	return old;
}

/* Shows the cache of a row to the inline path; all who do so store the same. */
static void fill_slots(struct quarry_heap_priv *hp, enum quarry_kind kind,
		       const struct quarry_own_row *row)
{
	const struct quarry_own_classes *own = hp->own[kind];
	unsigned int slot;

	for (slot = first_slot(kind); slot < own->end; slot++)
		if (row == &own->rows[own->first[slot]] && is_direct(own, slot))
			WRITE_ONCE(hp->heap.classes[kind][slot], READ_ONCE(row->cache));
}

struct quarry_cache *quarry_heap_class(struct quarry_heap_priv *hp, enum quarry_kind kind,
				       size_t size, gfp_t gfp)
{
	struct quarry_own_row *row = quarry_own_row(hp->own[kind], kind, size);
	unsigned int slot = quarry_size_class(size, kind);
	struct quarry_cache **place = row ? &row->cache : &hp->heap.classes[kind][slot];
	/* Pairs with cmpxchg() in class_create(). */
	struct quarry_cache *cache = READ_ONCE(*place);

	if (likely(!is_cold(cache)))
		return cache;
	cache = class_create(hp, kind, row ? row->size : quarry_class_size(slot), place, gfp);
	if (cache && row)
		fill_slots(hp, kind, row);
	return cache;
}

void quarry_classes_follow(struct quarry_heap_priv *hp, enum quarry_kind kind, size_t size)
{
	unsigned int slot = quarry_size_class(size, kind);

	/* Cold if the slot is cut.  Pairs as above. */
	quarry_front_follow(&hp->heap.fronts[kind][slot],
			    &READ_ONCE(hp->heap.classes[kind][slot])->front);
}

/* === What was missed where no cache can be made === */

void quarry_heap_request_class(struct quarry_heap_priv *hp, enum quarry_kind kind, size_t size)
{
	struct quarry_own_classes *own = hp->own[kind];
	const struct quarry_own_row *row = quarry_own_row(own, kind, size);

	if (row)
		set_bit(row - own->rows, own->missed);
	else
		set_bit(quarry_size_class(size, kind), hp->missed[kind]);
	WRITE_ONCE(hp->missing_node, numa_mem_id());
	quarry_defer_add(&hp->pages.defer, QUARRY_DEFER_CLASSES, &hp->missing);
}

static void make_class(struct quarry_heap_priv *hp, enum quarry_kind kind, size_t size)
{
	struct quarry_cache *cache = quarry_heap_class(hp, kind, size, GFP_KERNEL);

	if (cache)
		quarry_mags_restock(&to_slab_cache(cache)->mags, READ_ONCE(hp->missing_node));
}

void quarry_classes_serve_missed(struct quarry_defer *defer, struct llist_node *node)
{
	struct quarry_heap_priv *hp = container_of(node, struct quarry_heap_priv, missing);
	unsigned int k, i;

	quarry_defer_release(node);
	for (k = 0; k < QUARRY_NR_KINDS; k++) {
		struct quarry_own_classes *own = hp->own[k];

		for_each_set_bit(i, hp->missed[k], QUARRY_NR_CLASSES) {
			clear_bit(i, hp->missed[k]);
			make_class(hp, k, quarry_class_size(i));
		}
		if (!own)
			continue;
		for_each_set_bit(i, own->missed, own->nr) {
			clear_bit(i, own->missed);
			make_class(hp, k, own->rows[i].size);
		}
	}
}

/* === All of them === */

static void visit(struct quarry_cache **place,
		  void (*fn)(struct quarry_slab_cache *sc, void *arg), void *arg)
{
	struct quarry_cache *cache = READ_ONCE(*place);

	if (!is_cold(cache))
		fn(to_slab_cache(cache), arg);
}

void quarry_classes_walk(struct quarry_heap_priv *hp,
			 void (*fn)(struct quarry_slab_cache *sc, void *arg), void *arg)
{
	unsigned int k, i, end;

	for (k = 0; k < QUARRY_NR_KINDS; k++) {
		struct quarry_own_classes *own = hp->own[k];

		for (i = 0; own && i < own->nr; i++)
			visit(&own->rows[i].cache, fn, arg);
		/* Slots before that have the same caches, some of them more than once. */
		end = own ? own->end : 0;
		for (i = end; i < QUARRY_NR_CLASSES; i++)
			visit(&hp->heap.classes[k][i], fn, arg);
	}
}

static int verify_own(const struct quarry_own_classes *own, struct quarry_cache *const *slots,
		      unsigned int first)
{
	const struct quarry_own_row *row;
	unsigned int slot;

	for (row = own->rows; row < own->rows + own->nr; row++)
		if (!is_cold(row->cache) && to_slab_cache(row->cache)->size != row->size)
			return -__LINE__;
	for (slot = first; slot < own->end; slot++) {
		row = &own->rows[own->first[slot]];
		if (!is_cold(slots[slot]) &&
		    (!is_direct(own, slot) || slots[slot] != row->cache))
			return -__LINE__;
	}
	return 0;
}

static int verify_fronts(const struct quarry_front *fronts, struct quarry_cache *const *slots)
{
	unsigned int slot;

	for (slot = 0; slot < QUARRY_NR_CLASSES; slot++) {
		/* Pairs with smp_store_release() in quarry_front_follow(). */
		struct quarry_cpu __percpu *cpu = smp_load_acquire(&fronts[slot].cpu);

		if (cpu != cold_cache.cache.front.cpu &&
		    cpu != READ_ONCE(READ_ONCE(slots[slot])->front.cpu))
			return -__LINE__;
	}
	return 0;
}

int quarry_classes_verify(struct quarry_heap_priv *hp)
{
	unsigned int k;
	int ret = 0;

	for (k = 0; k < QUARRY_NR_KINDS && !ret; k++) {
		ret = verify_fronts(hp->heap.fronts[k], hp->heap.classes[k]);
		if (!ret && hp->own[k])
			ret = verify_own(hp->own[k], hp->heap.classes[k], first_slot(k));
	}
	if (!ret)
		return 0;
	quarry_report("heap %s: size classes are corrupt: check at line %d\n", hp->name, -ret);
	return -EUCLEAN;
}
