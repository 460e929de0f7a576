// SPDX-License-Identifier: GPL-2.0
/*
 * buddy-frag: 100 000 blocks of 2^6 to 2^15 bytes in random order, every second one
 * (by chance) freed at once, quarry_alloc() from a heap of its own against
 * kmalloc().  Above all it counts bytes:
 *
 *	requested	what the live blocks were asked for
 *	usable		what they are good for: quarry_usable_size(), ksize()
 *	held		what the allocator has for them from the page allocator
 *
 * usable - requested is the internal waste, held - usable the external one.  They are
 * taken when all blocks have been allocated, when a random half of the live ones
 * has been freed, and when what can be given back has been: quarry_heap_trim(),
 * kmem_cache_shrink() of all the kmalloc caches.
 *
 * Quarry's held bytes are mapped and metadata of its heap.  For kmalloc() it is what
 * the system's slab pages have grown by, large blocks included, so what the rest of the
 * system does meanwhile is in there.
 */
#include <linux/err.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <quarry/heap.h>
#include "case.h"
#include "side.h"
#include "sized.h"

#define NR_BLOCKS	100000U
#define SLICE_BLOCKS	250U
#define NR_SLICES	(NR_BLOCKS / SLICE_BLOCKS)
#define MIN_ORDER	6
#define NR_ORDERS	10

static_assert(NR_SLICES <= QUARRY_BENCH_MAX_SLICES);

/* When a block is freed. */
enum fate {
	AT_ONCE,
	HALFWAY,
	LAST,
};

struct block {
	u8 order;
	u8 fate;
};

enum stage {
	ALLOCATED,
	HALF_FREED,
	TRIMMED,
	NR_STAGES,
};

static const char * const stage_names[] = {
	[ALLOCATED] = "all allocated",
	[HALF_FREED] = "half of the live freed",
	[TRIMMED] = "trimmed",
};

static_assert(ARRAY_SIZE(stage_names) == NR_STAGES);

struct bytes {
	u64 requested;
	u64 usable;
	u64 held;
};

struct frag_side {
	int (*run)(struct frag_side *fs, const struct block *blocks, unsigned int first);
	void (*free)(void *obj);
	u64 (*usable)(const void *obj);
	u64 (*held)(struct frag_side *fs);
	void (*trim)(struct frag_side *fs);
	struct quarry_heap *heap;	/* Quarry's */
	long slab_pages_start;		/* the kernel's */
	u64 peak_bytes;
	struct bytes stages[NR_STAGES];
	void *obj[NR_BLOCKS];		/* NULL if freed */
};

struct frag {
	struct frag_side sides[QUARRY_BENCH_NR_SIDES];
	struct block blocks[NR_BLOCKS];
	struct quarry_bench_run run;
};

/* === The loop, inlined into each side === */

/* One word is written to each block, as its owner would. */
static __always_inline int run_blocks(struct frag_side *fs, const struct block *blocks,
				      unsigned int first, const enum quarry_bench_side side)
{
	unsigned int i;
	void *obj;

	for (i = first; i < first + SLICE_BLOCKS; i++) {
		obj = quarry_bench_sized_get(fs->heap, 1UL << blocks[i].order,
					     &fs->peak_bytes, side);
		if (unlikely(!obj))
			return -ENOMEM;
		WRITE_ONCE(*(unsigned long *)obj, i);
		if (blocks[i].fate == AT_ONCE)
			quarry_bench_sized_put(obj, side);
		else
			fs->obj[i] = obj;
	}
	return 0;
}

/* === The sides === */

static noinline int none_run(struct frag_side *fs, const struct block *blocks, unsigned int first)
{
	return run_blocks(fs, blocks, first, QUARRY_BENCH_NONE);
}

static noinline int quarry_run(struct frag_side *fs, const struct block *blocks,
			       unsigned int first)
{
	return run_blocks(fs, blocks, first, QUARRY_BENCH_QUARRY);
}

static void quarry_free_obj(void *obj)
{
	quarry_free(obj);
}

static u64 quarry_usable(const void *obj)
{
	return quarry_usable_size(obj);
}

static u64 quarry_held(struct frag_side *fs)
{
	struct quarry_heap_stats stats;

	quarry_heap_get_stats(fs->heap, &stats);
	return stats.resident;
}

static void quarry_trim(struct frag_side *fs)
{
	quarry_heap_trim(fs->heap);
}

static noinline int kernel_run(struct frag_side *fs, const struct block *blocks,
			       unsigned int first)
{
	return run_blocks(fs, blocks, first, QUARRY_BENCH_PEER);
}

static void kernel_free_obj(void *obj)
{
	kfree(obj);
}

static u64 kernel_usable(const void *obj)
{
	return ksize(obj);
}

static u64 kernel_held(struct frag_side *fs)
{
	long pages = quarry_bench_slab_pages() - fs->slab_pages_start;

	return (u64)max(pages, 0L) << PAGE_SHIFT;
}

static void kernel_trim(struct frag_side *fs)
{
	unsigned int type, i;

	for (type = 0; type < NR_KMALLOC_TYPES; type++)
		for (i = 0; i <= KMALLOC_SHIFT_HIGH; i++)
			if (kmalloc_caches[type][i])
				kmem_cache_shrink(kmalloc_caches[type][i]);
}

/* === Running === */

static int run_slice(struct frag *frag, enum quarry_bench_side side, unsigned int slice)
{
	struct quarry_bench_reading cost = { }, end = { };
	struct frag_side *fs = &frag->sides[side];
	int ret;

	quarry_bench_read(&cost);
	ret = fs->run(fs, frag->blocks, slice * SLICE_BLOCKS);
	quarry_bench_read(&end);
	quarry_bench_since(&cost, &end);
	quarry_bench_note(&frag->run, side, slice, &cost);
	if (fs->held)
		fs->peak_bytes = max(fs->peak_bytes, fs->held(fs));
	cond_resched();
	return ret;
}

static int run_slices(struct frag *frag)
{
	enum quarry_bench_side side;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < NR_SLICES && !ret; i++)
		for (side = 0; side < QUARRY_BENCH_NR_SIDES && !ret; side++)
			ret = run_slice(frag, side, i);
	return ret;
}

static void free_blocks(struct frag *frag, struct frag_side *fs, enum fate fate)
{
	unsigned int i;

	for (i = 0; i < NR_BLOCKS; i++) {
		if (frag->blocks[i].fate != fate || !fs->obj[i])
			continue;
		fs->free(fs->obj[i]);
		fs->obj[i] = NULL;
		if (!(i % SLICE_BLOCKS))
			cond_resched();
	}
}

static void note_stage(struct frag *frag, struct frag_side *fs, enum stage stage)
{
	struct bytes *bytes = &fs->stages[stage];
	unsigned int i;

	bytes->held = fs->held(fs);
	for (i = 0; i < NR_BLOCKS; i++) {
		if (!fs->obj[i])
			continue;
		bytes->requested += 1UL << frag->blocks[i].order;
		bytes->usable += fs->usable(fs->obj[i]);
	}
}

/* From the last block on: everything is in place. */
static void run_stages(struct frag *frag, struct frag_side *fs)
{
	note_stage(frag, fs, ALLOCATED);
	free_blocks(frag, fs, HALFWAY);
	note_stage(frag, fs, HALF_FREED);
	fs->trim(fs);
	note_stage(frag, fs, TRIMMED);
}

/* === Result === */

/* In tenths of a percent: what share of @whole is not @part. */
static u64 waste(u64 part, u64 whole)
{
	return whole > part ? div64_u64((whole - part) * 1000, whole) : 0;
}

static void put_stage(struct bench_text *text, const char *stage, const char *side,
		      const struct bytes *b)
{
	u64 internal = waste(b->requested, b->usable), external = waste(b->usable, b->held);

	bench_put(text, "%-23s %-12s %12llu %12llu %12llu %8llu.%llu%% %8llu.%llu%%\n", stage,
		  side, b->requested, b->usable, b->held, internal / 10, internal % 10,
		  external / 10, external % 10);
}

static void put_stages(struct bench_text *text, const struct frag *frag)
{
	enum stage stage;

	bench_put(text, "\nbuddy-frag: %u blocks of 2^%u to 2^%u bytes, half freed at once\n",
		  NR_BLOCKS, MIN_ORDER, MIN_ORDER + NR_ORDERS - 1);
	bench_put(text, "%-23s %-12s %12s %12s %12s %11s %11s\n", "when", "side", "requested",
		  "usable", "held", "internal", "external");
	for (stage = 0; stage < NR_STAGES; stage++) {
		put_stage(text, stage_names[stage], "quarry",
			  &frag->sides[QUARRY_BENCH_QUARRY].stages[stage]);
		put_stage(text, stage_names[stage], "kmalloc",
			  &frag->sides[QUARRY_BENCH_PEER].stages[stage]);
	}
	bench_put(text, "held, quarry: mapped and metadata of its heap\n");
	bench_put(text, "held, kmalloc: what slab pages grew by, in the whole system\n");
	bench_put(text, "internal waste: share of usable that was not requested\n");
	bench_put(text, "external waste: share of held that is not usable\n");
	bench_put(text, "trimmed: quarry_heap_trim(); kmem_cache_shrink() of the kmalloc caches\n");
}

/* Returns the bytes that one side has live in the end. */
static u64 make_blocks(struct block *blocks)
{
	struct rnd_state rnd;
	unsigned int i;
	u64 bytes = 0;

	prandom_seed_state(&rnd, 20010815);
	for (i = 0; i < NR_BLOCKS; i++) {
		u32 coins = prandom_u32_state(&rnd);

		blocks[i].order = MIN_ORDER + prandom_u32_state(&rnd) % NR_ORDERS;
		blocks[i].fate = coins & 1 ? AT_ONCE : coins & 2 ? HALFWAY : LAST;
		if (blocks[i].fate != AT_ONCE)
			bytes += 1UL << blocks[i].order;
	}
	return bytes;
}

static void init_sides(struct frag *frag, struct quarry_heap *heap)
{
	struct frag_side *quarry = &frag->sides[QUARRY_BENCH_QUARRY];
	struct frag_side *kernel = &frag->sides[QUARRY_BENCH_PEER];

	frag->sides[QUARRY_BENCH_NONE].run = none_run;
	quarry->run = quarry_run;
	quarry->free = quarry_free_obj;
	quarry->usable = quarry_usable;
	quarry->held = quarry_held;
	quarry->trim = quarry_trim;
	quarry->heap = heap;
	kernel->run = kernel_run;
	kernel->free = kernel_free_obj;
	kernel->usable = kernel_usable;
	kernel->held = kernel_held;
	kernel->trim = kernel_trim;
	/* What free space its slabs have now would be growth saved. */
	kernel_trim(kernel);
	kernel->slab_pages_start = quarry_bench_slab_pages();
}

static int run_sides(struct frag *frag, struct quarry_bench_result *res)
{
	struct frag_side *quarry = &frag->sides[QUARRY_BENCH_QUARRY];
	struct frag_side *kernel = &frag->sides[QUARRY_BENCH_PEER];
	struct quarry_heap_stats stats;
	enum quarry_bench_side side;
	enum fate fate;
	int ret;

	ret = run_slices(frag);
	if (!ret) {
		quarry_heap_get_stats(quarry->heap, &stats);
		res->calls[QUARRY_BENCH_QUARRY] = stats.nr_kernel_calls;
		res->calls[QUARRY_BENCH_PEER] = NR_BLOCKS;
		run_stages(frag, quarry);
		run_stages(frag, kernel);
		res->peak_bytes[QUARRY_BENCH_QUARRY] = quarry->peak_bytes;
		res->peak_bytes[QUARRY_BENCH_PEER] = kernel->peak_bytes;
		put_stages(res->notes, frag);
		quarry_bench_conclude(&frag->run, NR_SLICES, SLICE_BLOCKS, res);
	}
	for (side = QUARRY_BENCH_QUARRY; side < QUARRY_BENCH_NR_SIDES; side++)
		for (fate = HALFWAY; fate <= LAST; fate++)
			free_blocks(frag, &frag->sides[side], fate);
	return ret;
}

int quarry_bench_buddy_frag(struct quarry_bench_result *res)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;
	struct frag *frag;
	u64 needed;
	int ret;

	frag = vzalloc(sizeof(*frag));
	if (!frag)
		return -ENOMEM;
	res->peer = "kmalloc";
	res->per = "block";
	/* Both sides hold theirs at a time: 3 % more than live in fact, a tenth at the worst. */
	needed = 2 * make_blocks(frag->blocks);
	if (!quarry_bench_has_memory(res, needed + needed / 10)) {
		vfree(frag);
		return 0;
	}
	heap = quarry_heap_create(&params);
	ret = PTR_ERR_OR_ZERO(heap);
	if (!ret) {
		init_sides(frag, heap);
		ret = run_sides(frag, res);
	}
	quarry_heap_destroy(heap);
	vfree(frag);
	return ret;
}
