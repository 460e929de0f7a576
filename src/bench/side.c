// SPDX-License-Identifier: GPL-2.0
/*
 * The three sides of a replay: Quarry, the kernel's own allocators, and an
 * empty one whose time is the cost of the loop.
 *
 * replay_records() is the one loop.  It is inlined into a function per side
 * and pass with constant arguments, so that each compiles to a loop over that
 * side's inline fast path, as it would be in a caller.
 *
 *              quarry                kernel
 *   k  sized   quarry_alloc()        kmalloc()
 *   c  cache   quarry_cache_alloc()  kmem_cache_alloc()
 *   p  pages   quarry_alloc_pages()  alloc_pages()
 *
 * All with GFP_KERNEL, so init_on_alloc applies to both sides alike.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/vmstat.h>
#include <quarry/heap.h>
#include "side.h"

static_assert(QUARRY_TRACE_MAX_CACHE_SIZE == QUARRY_CACHE_MAX_SIZE);
static_assert(QUARRY_TRACE_MAX_SIZE <= QUARRY_EXTENT_MAX_SIZE);
static_assert((PAGE_SIZE << QUARRY_TRACE_MAX_ORDER) <= QUARRY_EXTENT_MAX_SIZE);
static_assert(sizeof(struct quarry_trace_record) == 8);

/* === Patterns === */

/* Two objects share no word unless record and slot are the same. */
static u64 pattern_word(u32 slot, u32 record, u32 index)
{
	u64 seed = (u64)record << 32 | slot;

	return (seed + index) * 0x9e3779b97f4a7c15ULL ^ seed;
}

static void write_pattern(void *obj, u32 size, u32 slot, u32 record)
{
	u32 i, nr_words = size / sizeof(u64);
	u64 *words = obj;
	u64 last;

	for (i = 0; i < nr_words; i++)
		words[i] = pattern_word(slot, record, i);
	last = pattern_word(slot, record, i);
	memcpy(&words[i], &last, size % sizeof(u64));
}

static int report_damage(struct replay_pass *pass, u32 record, u32 offset, u8 expected, u8 found)
{
	const struct quarry_trace_record *rec = &pass->trace->records[record];

	return replay_fail(pass, -EUCLEAN,
			   "slot %u, filled by record %u (%u bytes), is damaged at offset %u: expected 0x%02x, found 0x%02x",
			   rec->slot, record, quarry_trace_bytes(pass->trace, rec), offset,
			   expected, found);
}

int replay_verify_object(struct replay_pass *pass, u32 record, const void *obj)
{
	const struct quarry_trace_record *rec = &pass->trace->records[record];
	u32 i, j, len, size = quarry_trace_bytes(pass->trace, rec);

	for (i = 0; i < size; i += sizeof(u64)) {
		u64 expected = pattern_word(rec->slot, record, i / sizeof(u64));
		const u8 *found = obj + i;

		len = min_t(u32, size - i, sizeof(u64));
		if (likely(!memcmp(found, &expected, len)))
			continue;
		for (j = 0; found[j] == ((u8 *)&expected)[j]; j++)
			;
		return report_damage(pass, record, i + j, ((u8 *)&expected)[j], found[j]);
	}
	return 0;
}

/* === The loop === */

/*
 * The empty side takes the same branches by the kind of record as the others, as those are
 * the loop's.  What stands for an allocator differs, so that the compiler keeps them.
 */
static __always_inline void *empty_alloc(struct replay_pass *pass, struct quarry_trace_record rec)
{
	void *obj = &pass->scratch;

	switch (rec.op) {
	case QUARRY_TRACE_ALLOC_SIZED:
		asm volatile("# kmalloc" : "+r" (obj) : "r" (rec.arg));
		break;
	case QUARRY_TRACE_ALLOC_CACHE:
		asm volatile("# kmem_cache_alloc" : "+r" (obj) : "r" (rec.arg));
		break;
	default:
		asm volatile("# alloc_pages" : "+r" (obj) : "r" (rec.arg));
		break;
	}
	return obj;
}

static __always_inline void empty_free(struct quarry_trace_record rec, void *obj)
{
	switch (rec.op) {
	case QUARRY_TRACE_FREE_SIZED:
		asm volatile("# kfree" : : "r" (obj));
		break;
	case QUARRY_TRACE_FREE_CACHE:
		asm volatile("# kmem_cache_free" : : "r" (obj), "r" (rec.arg));
		break;
	default:
		asm volatile("# __free_pages" : : "r" (obj), "r" (rec.arg));
		break;
	}
}

static __always_inline void *side_alloc(struct replay_pass *pass, const enum side_id side,
					struct quarry_trace_record rec)
{
	struct page *page;

	if (side == SIDE_EMPTY)
		return empty_alloc(pass, rec);

	switch (rec.op) {
	case QUARRY_TRACE_ALLOC_SIZED:
		return side == SIDE_QUARRY ? quarry_alloc(pass->heap, rec.arg, GFP_KERNEL) :
					     kmalloc(rec.arg, GFP_KERNEL);
	case QUARRY_TRACE_ALLOC_CACHE:
		return side == SIDE_QUARRY ?
			quarry_cache_alloc(pass->quarry_caches[rec.arg], GFP_KERNEL) :
			kmem_cache_alloc(pass->kernel_caches[rec.arg], GFP_KERNEL);
	default:
		if (side == SIDE_QUARRY)
			return quarry_alloc_pages(pass->heap, rec.arg, GFP_KERNEL);
		page = alloc_pages(GFP_KERNEL, rec.arg);
		return page ? page_address(page) : NULL;
	}
}

/* With @check pages are freed by their address, which is tried so as well. */
static __always_inline void side_free(struct replay_pass *pass, const enum side_id side,
				      const bool check, struct quarry_trace_record rec, void *obj)
{
	if (side == SIDE_EMPTY) {
		empty_free(rec, obj);
		return;
	}

	switch (rec.op) {
	case QUARRY_TRACE_FREE_SIZED:
		if (side == SIDE_QUARRY)
			quarry_free(obj);
		else
			kfree(obj);
		break;
	case QUARRY_TRACE_FREE_CACHE:
		if (side == SIDE_QUARRY)
			quarry_cache_free(pass->quarry_caches[rec.arg], obj);
		else
			kmem_cache_free(pass->kernel_caches[rec.arg], obj);
		break;
	default:
		if (side == SIDE_QUARRY && check)
			quarry_free_pages(obj);
		else if (side == SIDE_QUARRY)
			/* Both are told the order, and believe it. */
			quarry_free_order(pass->heap, obj, rec.arg);
		else
			__free_pages(virt_to_page(obj), rec.arg);
		break;
	}
}

static noinline int report_no_memory(struct replay_pass *pass, u32 record)
{
	const struct quarry_trace_record *rec = &pass->trace->records[record];

	pass->nr_done = record;
	return replay_fail(pass, -ENOMEM, "record %u: %s side has no %u bytes", record,
			   pass->side->name, quarry_trace_bytes(pass->trace, rec));
}

/* Checked pass, after record @record allocated @obj. */
static noinline void fill_slot(struct replay_pass *pass, u32 record, void *obj)
{
	const struct quarry_trace_record *rec = &pass->trace->records[record];

	if (rec->op == QUARRY_TRACE_ALLOC_PAGES)
		pass->live_pages += 1UL << rec->arg;
	write_pattern(obj, quarry_trace_bytes(pass->trace, rec), rec->slot, record);
	pass->held[rec->slot] = record + 1;
}

/* Checked pass, before record @record frees @obj.  The object is freed whatever this finds. */
static noinline int empty_slot(struct replay_pass *pass, u32 record, const void *obj)
{
	const struct quarry_trace_record *rec = &pass->trace->records[record];
	u32 filled_by = pass->held[rec->slot] - 1;

	if (rec->op == QUARRY_TRACE_FREE_PAGES)
		pass->live_pages -= 1UL << rec->arg;
	pass->held[rec->slot] = 0;
	return replay_verify_object(pass, filled_by, obj);
}

static __always_inline int replay_records(struct replay_pass *pass, const enum side_id side,
					  const bool check, u32 first, u32 end)
{
	const struct quarry_trace_record *records = pass->trace->records;
	void **slots = pass->slots;
	int ret = 0;
	void *obj;
	u32 i;

	for (i = first; i < end && likely(!ret); i++) {
		struct quarry_trace_record rec = records[i];

		if (rec.op & 1) {
			obj = slots[rec.slot];
			if (check)
				ret = empty_slot(pass, i, obj);
			side_free(pass, side, check, rec, obj);
		} else {
			obj = side_alloc(pass, side, rec);
			if (unlikely(!obj))
				return report_no_memory(pass, i);
			slots[rec.slot] = obj;
			if (check)
				fill_slot(pass, i, obj);
			else if (unlikely(rec.tiny))
				WRITE_ONCE(*(u8 *)obj, i);
			else
				WRITE_ONCE(*(unsigned long *)obj, i);
		}
		if (!check || i % REPLAY_SAMPLE_RECORDS)
			continue;
		if (side == SIDE_KERNEL)
			replay_sample_kernel(pass);
		else
			replay_sample_quarry(pass);
	}
	pass->nr_done = i;
	return ret;
}

static noinline int empty_run(struct replay_pass *pass, u32 first, u32 end)
{
	return replay_records(pass, SIDE_EMPTY, false, first, end);
}

static noinline int quarry_run(struct replay_pass *pass, u32 first, u32 end)
{
	return replay_records(pass, SIDE_QUARRY, false, first, end);
}

static noinline int quarry_check(struct replay_pass *pass, u32 first, u32 end)
{
	return replay_records(pass, SIDE_QUARRY, true, first, end);
}

static noinline int kernel_run(struct replay_pass *pass, u32 first, u32 end)
{
	return replay_records(pass, SIDE_KERNEL, false, first, end);
}

static noinline int kernel_check(struct replay_pass *pass, u32 first, u32 end)
{
	return replay_records(pass, SIDE_KERNEL, true, first, end);
}

void replay_free_object(struct replay_pass *pass, u32 filled_by, void *obj)
{
	struct quarry_trace_record undo = pass->trace->records[filled_by];

	undo.op |= 1;
	side_free(pass, pass->side->id, true, undo, obj);
}

/* === Empty === */

static int empty_open(struct replay_pass *pass)
{
	return 0;
}

static void empty_close(struct replay_pass *pass)
{
}

const struct replay_side replay_empty_side = {
	.id = SIDE_EMPTY,
	.name = "empty",
	.open = empty_open,
	.close = empty_close,
	.run = empty_run,
};

/* === Quarry === */

static void quarry_close(struct replay_pass *pass)
{
	u32 i;

	for (i = 0; i < pass->trace->nr_caches; i++)
		quarry_cache_destroy(pass->quarry_caches[i]);
	kfree(pass->quarry_caches);
	pass->quarry_caches = NULL;
	quarry_heap_destroy(pass->heap);
	pass->heap = NULL;
}

static int quarry_open(struct replay_pass *pass)
{
	const struct quarry_heap_params params = {
		.name = pass->heap_name,
		.soft_limit = pass->soft_limit,
		QUARRY_HEAP_DEFAULTS,
	};
	const struct quarry_trace *trace = pass->trace;
	struct quarry_heap *heap;
	u32 i;

	heap = quarry_heap_create(&params);
	if (IS_ERR(heap))
		return replay_fail(pass, PTR_ERR(heap), "cannot create heap '%s'",
				   pass->heap_name);
	pass->heap = heap;
	pass->peak_pages = 0;
	pass->quarry_caches = kcalloc(trace->nr_caches, sizeof(*pass->quarry_caches), GFP_KERNEL);
	if (!pass->quarry_caches) {
		quarry_heap_destroy(heap);
		pass->heap = NULL;
		return replay_fail(pass, -ENOMEM, "no memory for caches");
	}
	for (i = 0; i < trace->nr_caches; i++) {
		const struct quarry_trace_cache *cache = &trace->caches[i];
		/* Sizes below a word are only to be had for pointer-free data. */
		unsigned int flags = cache->size < sizeof(long) ? QUARRY_DATA : 0;
		struct quarry_cache *made;

		made = quarry_cache_create(heap, cache->name, cache->size, 0, flags, NULL);
		if (IS_ERR(made)) {
			quarry_close(pass);
			return replay_fail(pass, PTR_ERR(made), "cannot create quarry cache '%s'",
					   cache->name);
		}
		pass->quarry_caches[i] = made;
	}
	return 0;
}

void replay_sample_quarry(struct replay_pass *pass)
{
	struct quarry_heap_stats stats;

	quarry_heap_get_stats(pass->heap, &stats);
	pass->peak_pages = max_t(unsigned long, pass->peak_pages, stats.active >> PAGE_SHIFT);
}

const struct replay_side replay_quarry_side = {
	.id = SIDE_QUARRY,
	.name = "quarry",
	.open = quarry_open,
	.close = quarry_close,
	.run = quarry_run,
	.check = quarry_check,
};

/* === Kernel === */

/*
 * The counters are kept in pages (vmstat_item_in_bytes() is about their
 * interface).  What CPUs have not yet folded into the sums is added, so that the
 * result is exact to the page while nobody else allocates.
 */
long quarry_bench_slab_pages(void)
{
	long nr_pages = global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
			global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
	int node, cpu;

	for_each_online_node(node) {
		for_each_online_cpu(cpu) {
			struct per_cpu_nodestat *stat;

			stat = per_cpu_ptr(NODE_DATA(node)->per_cpu_nodestats, cpu);
			nr_pages += READ_ONCE(stat->vm_node_stat_diff[NR_SLAB_RECLAIMABLE_B]);
			nr_pages += READ_ONCE(stat->vm_node_stat_diff[NR_SLAB_UNRECLAIMABLE_B]);
		}
	}
	return nr_pages;
}

void replay_sample_kernel(struct replay_pass *pass)
{
	/* The rest of the system may have freed slabs, so the difference may be negative. */
	long slab_pages = max(quarry_bench_slab_pages() - pass->slab_pages_start, 0L);

	pass->peak_pages = max(pass->peak_pages, pass->live_pages + slab_pages);
}

static void kernel_close(struct replay_pass *pass)
{
	u32 i;

	for (i = 0; i < pass->trace->nr_caches; i++)
		kmem_cache_destroy(pass->kernel_caches[i]);
	kfree(pass->kernel_caches);
	pass->kernel_caches = NULL;
}

/*
 * Each cache must be one of its own, as on the other side, where merging would
 * let the trace's caches share slabs with each other and with the running
 * system.  A constructor would do that, but also moves the free pointer behind
 * the object and turns init_on_alloc off: other work and other sizes.
 * SLAB_NO_MERGE costs nothing.  A kernel without it does not merge caches that
 * have a usercopy region, which SLUB does not look at anywhere else.  The
 * number in the name keeps it unique in sysfs.
 */
static int kernel_open(struct replay_pass *pass)
{
	const struct quarry_trace *trace = pass->trace;
	char name[QUARRY_TRACE_MAX_NAME + 32];
	u32 i;

	pass->kernel_caches = kcalloc(trace->nr_caches, sizeof(*pass->kernel_caches), GFP_KERNEL);
	if (!pass->kernel_caches)
		return replay_fail(pass, -ENOMEM, "no memory for caches");
	for (i = 0; i < trace->nr_caches; i++) {
		const struct quarry_trace_cache *cache = &trace->caches[i];
		struct kmem_cache *made;

		snprintf(name, sizeof(name), "quarry_bench-%u-%s", i, cache->name);
		made = kmem_cache_create_usercopy(name, cache->size, 0, SLAB_NO_MERGE, 0,
						  cache->size, NULL);
		if (!made) {
			kernel_close(pass);
			return replay_fail(pass, -ENOMEM, "cannot create kmem_cache '%s'", name);
		}
		pass->kernel_caches[i] = made;
	}
	pass->slab_pages_start = quarry_bench_slab_pages();
	pass->peak_pages = 0;
	return 0;
}

const struct replay_side replay_kernel_side = {
	.id = SIDE_KERNEL,
	.name = "kernel",
	.open = kernel_open,
	.close = kernel_close,
	.run = kernel_run,
	.check = kernel_check,
};
