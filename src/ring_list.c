// SPDX-License-Identifier: GPL-2.0
/*
 * Rings: making and destroying, all rings of a heap, the invariants.
 *
 * A ring is two runs of pages, the struct with the marks behind it and the buffer, and
 * per-CPU counters.
 *
 * Locking: heap->mutex for the list of rings.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/err.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "fault.h"
#include "internal.h"
#include "ring.h"

/* === Making and destroying === */

static int check_params(const struct quarry_ring_params *p)
{
	const char *what = NULL;

	if (!is_power_of_2(p->size) || p->size < PAGE_SIZE || p->size > QUARRY_RING_MAX_SIZE)
		what = "size has to be a power of two from the page size to 1073741824";
	else if (p->max_record > p->size / 2 - QUARRY_RING_HEAD_SIZE)
		what = "max_record has to be 0 or at most half the size, less 8";
	else if ((unsigned int)p->mode >= QUARRY_RING_NR_MODES)
		what = "unknown mode";
	else if (p->flags & ~QUARRY_DATA)
		what = "unknown flags";
	if (!what)
		return 0;
	quarry_report("ring %.31s (size %u, max_record %u, mode %u, flags %#x): %s\n",
		      p->name ?: "(unnamed)", p->size, p->max_record, p->mode, p->flags, what);
	return -EINVAL;
}

static void *get_pages(struct quarry_heap *heap, size_t size, enum quarry_kind kind, gfp_t gfp,
		       const struct quarry_site *site)
{
	if (quarry_fault(QUARRY_FAULT_RING, size))
		return NULL;
	return quarry_alloc_pages_site(heap, PFN_UP(size), gfp, kind, site);
}

static struct quarry_ring_counts __percpu *get_counts(void)
{
	if (quarry_fault(QUARRY_FAULT_RING, sizeof(struct quarry_ring_counts)))
		return NULL;
	return alloc_percpu(struct quarry_ring_counts);
}

static void free_memory(struct quarry_ring *ring)
{
	free_percpu(ring->counts);
	quarry_free_pages(ring->buf);
	quarry_free_pages(ring);
}

/* The struct, and the marks behind it, from pages of their own, zeroed. */
static struct quarry_ring *get_memory(struct quarry_heap *heap,
				      const struct quarry_ring_params *params,
				      const struct quarry_site *site)
{
	enum quarry_kind kind = params->flags & QUARRY_DATA ? QUARRY_KIND_DATA : QUARRY_KIND_PTR;
	struct quarry_ring *ring;

	ring = get_pages(heap, sizeof(*ring) + params->size / QUARRY_RECORD_ALIGN,
			 QUARRY_KIND_PTR, GFP_KERNEL | __GFP_ZERO, site);
	if (!ring)
		return NULL;
	ring->marks = (u8 *)(ring + 1);
	ring->buf = get_pages(heap, params->size, kind, GFP_KERNEL, site);
	ring->counts = get_counts();
	if (ring->buf && ring->counts)
		return ring;
	free_memory(ring);
	return NULL;
}

struct quarry_ring *quarry_ring_create_site(struct quarry_heap *heap,
					    const struct quarry_ring_params *params,
					    const struct quarry_site *site)
{
	struct quarry_heap_priv *hp = to_priv(heap);
	struct quarry_ring *ring;
	int ret;

	might_sleep();
	ret = check_params(params);
	if (ret)
		return ERR_PTR(ret);
	ring = get_memory(heap, params, site);
	if (!ring)
		return ERR_PTR(-ENOMEM);
	ring->mask = params->size - 1;
	ring->shift = ilog2(params->size);
	ring->max_record = params->max_record ?: params->size / 2 - QUARRY_RING_HEAD_SIZE;
	ring->mode = params->mode;
	ring->waitable = params->waitable;
	ring->hp = hp;
	strscpy(ring->name, params->name ?: "(unnamed)", sizeof(ring->name));
	ring->site = site;
	init_irq_work(&ring->work, quarry_ring_wake);
	init_waitqueue_head(&ring->wait);
	atomic64_set(&ring->limit, params->size);
	mutex_lock(&hp->mutex);
	list_add_tail(&ring->node, &hp->rings);
	mutex_unlock(&hp->mutex);
	return ring;
}
EXPORT_SYMBOL_GPL(quarry_ring_create_site);

/* Quiet: nobody is inside any call. */
static void report_unfinished(struct quarry_ring *ring)
{
	u64 tail = atomic64_read(&ring->tail), pos = tail & ~QUARRY_RING_HELD;
	u64 head = atomic64_read(&ring->head);
	unsigned long nr = 0, i;
	u32 len;

	for (i = 1; pos < head; i++, pos += quarry_ring_stride(len)) {
		len = quarry_ring_record_at(ring, pos)->len;
		nr += !quarry_ring_is_committed(ring, pos);
		if (!(i % 4096))
			cond_resched();
	}
	if (nr || tail & QUARRY_RING_HELD)
		quarry_report("ring %s (made in %s, %s:%u) destroyed: %lu messages open, %u held\n",
			      ring->name, ring->site->function, ring->site->file,
			      ring->site->line, nr, !!(tail & QUARRY_RING_HELD));
}

static void free_ring(struct quarry_ring *ring)
{
	irq_work_sync(&ring->work);
	report_unfinished(ring);
	free_memory(ring);
}

void quarry_ring_destroy(struct quarry_ring *ring)
{
	struct quarry_heap_priv *hp;

	if (IS_ERR_OR_NULL(ring))
		return;
	hp = ring->hp;
	mutex_lock(&hp->mutex);
	list_del(&ring->node);
	mutex_unlock(&hp->mutex);
	free_ring(ring);
}
EXPORT_SYMBOL_GPL(quarry_ring_destroy);

/* === All rings of a heap === */

void quarry_rings_walk(struct quarry_heap_priv *hp,
		       void (*fn)(struct quarry_ring *ring, void *arg), void *arg)
{
	struct quarry_ring *ring;

	lockdep_assert_held(&hp->mutex);
	list_for_each_entry(ring, &hp->rings, node)
		fn(ring, arg);
}

unsigned long quarry_rings_disown(struct quarry_heap_priv *hp, struct module *mod)
{
	struct quarry_ring *ring;
	unsigned long nr = 0;

	lockdep_assert_held(&hp->mutex);
	list_for_each_entry(ring, &hp->rings, node) {
		if (!within_module((unsigned long)ring->site, mod))
			continue;
		quarry_report("module %s leaves ring %s behind (made in %s, %s:%u)\n",
			      module_name(mod), ring->name, ring->site->function,
			      ring->site->file, ring->site->line);
		ring->site = &quarry_gone_site;
		nr++;
	}
	return nr;
}

void quarry_rings_destroy(struct quarry_heap_priv *hp)
{
	struct quarry_ring *ring, *next;

	/* The heap is going: nobody else is at the list. */
	list_for_each_entry_safe(ring, next, &hp->rings, node) {
		quarry_report("heap %s destroyed with ring %s (made in %s, %s:%u) of %llu bytes\n",
			      hp->name, ring->name, ring->site->function, ring->site->file,
			      ring->site->line, ring->mask + 1);
		quarry_ring_destroy(ring);
	}
}

/* What the invariants say of the records from tail to head; where it is wrong, or 0. */
static const char *verify_records(struct quarry_ring *ring, u64 tail, u64 head)
{
	struct quarry_ring_stats stats;
	const struct quarry_record *rec;
	u64 pos = tail, nr = 0;

	if (head - tail > ring->mask + 1 ||
	    atomic64_read(&ring->limit) > tail + ring->mask + 1)
		return "head or limit is out of bounds";
	while (pos < head) {
		rec = quarry_ring_record_at(ring, pos);
		if (rec->seq != (u32)(pos / QUARRY_RECORD_ALIGN) ||
		    quarry_ring_stride(rec->len) > ring->mask + 1 - (pos & ring->mask))
			return "the head of a message is damaged";
		nr += quarry_ring_is_committed(ring, pos) && !(rec->len & QUARRY_RECORD_SKIPPED);
		pos += quarry_ring_stride(rec->len);
	}
	if (pos != head)
		return "the last message goes beyond head";
	for (; pos < tail + ring->mask + 1; pos += QUARRY_RECORD_ALIGN) {
		if (quarry_ring_is_committed(ring, pos))
			return "free room is marked";
	}
	quarry_ring_get_stats(ring, &stats);
	if (stats.written != stats.read + stats.overwritten + nr)
		return "messages were lost";
	return NULL;
}

int quarry_rings_verify(struct quarry_heap_priv *hp)
{
	struct quarry_ring *ring;
	const char *wrong;
	u64 tail, head;

	lockdep_assert_held(&hp->mutex);
	list_for_each_entry(ring, &hp->rings, node) {
		tail = atomic64_read(&ring->tail) & ~QUARRY_RING_HELD;
		head = atomic64_read(&ring->head);
		wrong = verify_records(ring, tail, head);
		if (!wrong)
			continue;
		quarry_report("ring %s: %s (tail %llu, head %llu)\n", ring->name, wrong, tail,
			      head);
		return -EUCLEAN;
	}
	return 0;
}
