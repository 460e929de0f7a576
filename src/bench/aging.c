// SPDX-License-Identifier: GPL-2.0
/*
 * aging: four hours of simulated time in 256 MiB, with objects and pages that live for
 * seconds, minutes and hours, in numbers that go up and down: what becomes of the free
 * memory?
 *
 * Both sides get the same 256 MiB and the same requests, one side after the other.
 *
 *	memory	[ ballast ][ region: 256 MiB in one piece ][ ballast ][ below the watermark ]
 *
 * Of all free memory, taken largest blocks first, a run of adjacent ones becomes the
 * region.  Quarry lives on it as a backing, its descriptors included.  For the kernel it is
 * free memory again, but for as much as could not be taken away and so is free besides; its
 * caches are its own.  So either side has 256 MiB, and nowhere else to go.
 *
 * Looked at a hundred times: the largest block that can be had, and how many blocks of 2 MiB
 * are free: of Quarry those that can be had at once, of the kernel, whose watermark is in the
 * way of the last ones, those on its lists, after as many as can be had were taken and given
 * back, so that nothing waits on the lists of the CPU.  What is not asked for and is not free
 * in such blocks is lost to fragmentation, whatever the reason: holes between pages, slabs
 * partly empty, descriptors.  It is looked at before and after either side was told to
 * give back what it only keeps for later, quarry_heap_trim() and kmem_cache_shrink(): in
 * the two minutes between two looks that decays, but the four hours are over in seconds.
 *
 * A request that would take the live bytes above the bound is left out, on both sides alike.
 * One that fails is counted, and its object is missing from then on.
 */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>
#include <quarry/heap.h>
#include "case.h"
#include "results.h"
#include "side.h"

#define REGION_BYTES	(256UL << 20)
#define BLOCK_ORDER	10		/* largest of both sides */
#define BLOCK_BYTES	(PAGE_SIZE << BLOCK_ORDER)
#define NR_REGION	(REGION_BYTES / BLOCK_BYTES)
#define MAX_BALLAST	65536U
#define HUGE_ORDER	(21 - PAGE_SHIFT)
#define HUGE_BYTES	(PAGE_SIZE << HUGE_ORDER)
#define MAX_HUGE	(REGION_BYTES / HUGE_BYTES + 16)

/* Ticks of a simulated second. */
#define NR_TICKS	14400U
#define MAX_LIFE	7200U
#define NR_SAMPLES	100U
#define SAMPLE_TICKS	(NR_TICKS / NR_SAMPLES)
#define WARMUP_SAMPLES	10U
/* The load goes up and down in half an hour, between a half and the whole of this. */
#define TICK_ALLOCS	1500U
#define WAVE_TICKS	1800U
/* Live bytes are kept below 70 % of the region. */
#define MAX_LIVE	(REGION_BYTES / 10 * 7)

#define MAX_OBJS	BIT(18)
#define NO_OBJ		U32_MAX

/* What is asked for: a size of object or an order of pages, in so many of 100 cases. */
static const struct {
	u16 size;
	u8 order;
	u8 share;
} kinds[] = {
	{ .size = 64, .share = 20 },
	{ .size = 192, .share = 20 },
	{ .size = 256, .share = 12 },
	{ .size = 600, .share = 12 },
	{ .size = 1024, .share = 10 },
	{ .size = 2048, .share = 6 },
	{ .order = 0, .share = 12 },
	{ .order = 1, .share = 4 },
	{ .order = 2, .share = 3 },
	{ .order = 3, .share = 1 },
};

#define NR_CACHES	6

struct aging_obj {
	void *addr;		/* NULL if it could not be had */
	u32 next;		/* of those that die in the same tick, or free */
	u32 kind;
};

struct aging_side {
	const char *name;
	void *(*alloc)(struct aging_side *side, u32 kind);
	void (*free)(struct aging_side *side, u32 kind, void *addr);
	void *(*take)(struct aging_side *side, unsigned int order, gfp_t gfp);
	void (*drop)(struct aging_side *side, unsigned int order, void *addr);
	void (*trim)(struct aging_side *side);
	unsigned int (*nr_listed)(void);	/* NULL: all blocks that are free can be had */
	struct quarry_heap *heap;
	struct quarry_cache *quarry_caches[NR_CACHES];
	struct kmem_cache *kernel_caches[NR_CACHES];
	u64 nr_allocs;
	u64 nr_failed;
	u64 nr_left_out;
	u64 live_peak;
	struct quarry_bench_point kept[NR_SAMPLES];
	struct quarry_bench_point lost[NR_SAMPLES];
	struct quarry_bench_point largest[NR_SAMPLES];
	struct quarry_bench_point live[NR_SAMPLES];
};

struct aging {
	struct aging_side sides[QUARRY_BENCH_NR_SIDES];
	struct rnd_state rnd;
	u64 live_bytes;
	u32 free;			/* first free object */
	u32 dying[NR_TICKS + MAX_LIFE];	/* first object of each tick */
	struct aging_obj objs[MAX_OBJS];
	void *huge[MAX_HUGE];
	void *region;
	unsigned long nr_region;	/* blocks of it that we have */
	unsigned int nr_ballast;
	unsigned int nr_blocks;		/* of the ballast, those of BLOCK_ORDER: the first ones */
	struct {
		void *addr;
		unsigned int order;
	} ballast[MAX_BALLAST];
};

/* Fail rather than look for long: neither side may live on reserves. */
#define TAKE	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

/* === The sides === */

static void *quarry_pages(struct aging_side *side, unsigned int order, gfp_t gfp)
{
	return quarry_alloc_pages(side->heap, order, gfp);
}

static void quarry_pages_free(struct aging_side *side, unsigned int order, void *addr)
{
	quarry_free_pages(addr);
}

static void *quarry_one(struct aging_side *side, u32 kind)
{
	if (kind < NR_CACHES)
		return quarry_cache_alloc(side->quarry_caches[kind], TAKE);
	return quarry_pages(side, kinds[kind].order, TAKE);
}

static void quarry_one_free(struct aging_side *side, u32 kind, void *addr)
{
	if (kind < NR_CACHES)
		quarry_cache_free(side->quarry_caches[kind], addr);
	else
		quarry_free_pages(addr);
}

static void quarry_trim(struct aging_side *side)
{
	quarry_heap_trim(side->heap);
}

static void *kernel_pages(struct aging_side *side, unsigned int order, gfp_t gfp)
{
	struct page *page = alloc_pages(gfp, order);

	return page ? page_address(page) : NULL;
}

static void kernel_pages_free(struct aging_side *side, unsigned int order, void *addr)
{
	__free_pages(virt_to_page(addr), order);
}

static void *kernel_one(struct aging_side *side, u32 kind)
{
	if (kind < NR_CACHES)
		return kmem_cache_alloc(side->kernel_caches[kind], TAKE);
	return kernel_pages(side, kinds[kind].order, TAKE);
}

static void kernel_one_free(struct aging_side *side, u32 kind, void *addr)
{
	if (kind < NR_CACHES)
		kmem_cache_free(side->kernel_caches[kind], addr);
	else
		kernel_pages_free(side, kinds[kind].order, addr);
}

/* Blocks of 2 MiB on the kernel's free lists. */
static unsigned int kernel_nr_listed(void)
{
	unsigned int nid, i, order, nr = 0;

	for_each_online_node(nid)
		for (i = 0; i < MAX_NR_ZONES; i++)
			for (order = HUGE_ORDER; order <= BLOCK_ORDER; order++)
				nr += NODE_DATA(nid)->node_zones[i].free_area[order].nr_free <<
				      (order - HUGE_ORDER);
	return nr;
}

static void kernel_trim(struct aging_side *side)
{
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++)
		kmem_cache_shrink(side->kernel_caches[i]);
}

static void close_side(struct aging_side *side)
{
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++) {
		quarry_cache_destroy(side->quarry_caches[i]);
		kmem_cache_destroy(side->kernel_caches[i]);
	}
	quarry_heap_destroy(side->heap);
}

static int open_quarry(struct aging *aging)
{
	const struct quarry_heap_params params = {
		.name = "quarry_bench",
		QUARRY_HEAP_DEFAULTS,
		.backing = aging->region,
		.backing_size = REGION_BYTES,
	};
	struct aging_side *side = &aging->sides[QUARRY_BENCH_QUARRY];
	struct quarry_cache *cache;
	char name[16];
	unsigned int i;

	side->heap = quarry_heap_create(&params);
	if (IS_ERR(side->heap))
		return PTR_ERR(side->heap);
	for (i = 0; i < NR_CACHES; i++) {
		snprintf(name, sizeof(name), "aging-%u", kinds[i].size);
		cache = quarry_cache_create(side->heap, name, kinds[i].size, 0, 0, NULL);
		if (IS_ERR(cache))
			return PTR_ERR(cache);
		side->quarry_caches[i] = cache;
	}
	return 0;
}

/* While there is memory: the caches take some when they are made. */
static int open_kernel(struct aging_side *side)
{
	char name[32];
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++) {
		snprintf(name, sizeof(name), "quarry_bench-aging-%u", kinds[i].size);
		side->kernel_caches[i] = kmem_cache_create_usercopy(name, kinds[i].size, 0,
								    SLAB_NO_MERGE, 0,
								    kinds[i].size, NULL);
		if (!side->kernel_caches[i])
			return -ENOMEM;
	}
	return 0;
}

/* === Looking from outside === */

static u64 largest_block(struct aging_side *side)
{
	int order;
	void *addr;

	for (order = BLOCK_ORDER; order >= 0; order--) {
		addr = side->take(side, order, TAKE);
		if (!addr)
			continue;
		side->drop(side, order, addr);
		return (u64)PAGE_SIZE << order;
	}
	return 0;
}

static unsigned int nr_huge_blocks(struct aging *aging, struct aging_side *side)
{
	unsigned int i, nr = 0;

	while (nr < MAX_HUGE) {
		aging->huge[nr] = side->take(side, HUGE_ORDER, TAKE);
		if (!aging->huge[nr])
			break;
		nr++;
	}
	for (i = 0; i < nr; i++)
		side->drop(side, HUGE_ORDER, aging->huge[i]);
	return side->nr_listed ? side->nr_listed() : nr;
}

/* Thousandths of what is not live that are not to be had in blocks of 2 MiB. */
static u64 share_lost(struct aging *aging, struct aging_side *side)
{
	u64 rest = REGION_BYTES - aging->live_bytes;
	u64 huge = min_t(u64, rest, (u64)nr_huge_blocks(aging, side) * HUGE_BYTES);

	return div64_u64((rest - huge) * 1000, rest);
}

static void take_sample(struct aging *aging, struct aging_side *side, u32 tick)
{
	unsigned int i = tick / SAMPLE_TICKS;

	side->kept[i] = (struct quarry_bench_point){ tick, share_lost(aging, side) };
	side->trim(side);
	side->lost[i] = (struct quarry_bench_point){ tick, share_lost(aging, side) };
	side->largest[i] = (struct quarry_bench_point){ tick, largest_block(side) };
	side->live[i] = (struct quarry_bench_point){ tick, aging->live_bytes };
}

/* === The workload === */

static u64 kind_bytes(u32 kind)
{
	return kind < NR_CACHES ? kinds[kind].size : (u64)PAGE_SIZE << kinds[kind].order;
}

static u32 pick_kind(u32 coin)
{
	u32 kind = 0;

	coin %= 100;
	while (coin >= kinds[kind].share)
		coin -= kinds[kind++].share;
	return kind;
}

/* Most are gone in seconds, some stay for minutes, few for hours. */
static u32 pick_life(u32 coin)
{
	u32 percent = coin % 100, rest = coin / 100;

	if (percent < 80)
		return 1 + rest % 2;
	if (percent < 98)
		return 10 + rest % 110;
	return 600 + rest % (MAX_LIFE - 600);
}

static void die(struct aging *aging, struct aging_side *side, u32 tick)
{
	u32 i = aging->dying[tick];

	while (i != NO_OBJ) {
		struct aging_obj *obj = &aging->objs[i];
		u32 next = obj->next;

		if (obj->addr)
			side->free(side, obj->kind, obj->addr);
		aging->live_bytes -= kind_bytes(obj->kind);
		obj->next = aging->free;
		aging->free = i;
		i = next;
	}
	aging->dying[tick] = NO_OBJ;
}

/* All coins are thrown whatever comes of it: both sides see the same. */
static void be_born(struct aging *aging, struct aging_side *side, u32 tick)
{
	u32 kind = pick_kind(prandom_u32_state(&aging->rnd));
	u32 death = tick + pick_life(prandom_u32_state(&aging->rnd));
	u64 bytes = kind_bytes(kind);
	u32 i = aging->free;
	struct aging_obj *obj;

	if (i == NO_OBJ || aging->live_bytes + bytes > MAX_LIVE) {
		side->nr_left_out++;
		return;
	}
	obj = &aging->objs[i];
	aging->free = obj->next;
	obj->kind = kind;
	obj->addr = side->alloc(side, kind);
	if (obj->addr)
		WRITE_ONCE(*(unsigned long *)obj->addr, i);
	side->nr_allocs++;
	side->nr_failed += !obj->addr;
	obj->next = aging->dying[death];
	aging->dying[death] = i;
	aging->live_bytes += bytes;
	side->live_peak = max(side->live_peak, aging->live_bytes);
}

static u32 load_of(u32 tick)
{
	u32 phase = tick % WAVE_TICKS;
	u32 up = min(phase, WAVE_TICKS - phase);

	return TICK_ALLOCS / 2 + TICK_ALLOCS / 2 * up / (WAVE_TICKS / 2);
}

static void live_through(struct aging *aging, struct aging_side *side)
{
	u32 tick, i;

	prandom_seed_state(&aging->rnd, 20010815);
	aging->live_bytes = 0;
	for (i = 0; i < MAX_OBJS; i++)
		aging->objs[i].next = i + 1 < MAX_OBJS ? i + 1 : NO_OBJ;
	aging->free = 0;
	memset(aging->dying, 0xff, sizeof(aging->dying));
	for (tick = 0; tick < NR_TICKS; tick++) {
		die(aging, side, tick);
		for (i = load_of(tick); i; i--)
			be_born(aging, side, tick);
		if (tick % SAMPLE_TICKS == SAMPLE_TICKS - 1)
			take_sample(aging, side, tick);
		cond_resched();
	}
	for (; tick < ARRAY_SIZE(aging->dying); tick++)
		die(aging, side, tick);
}

/* === The region === */

static int compare_ballast(const void *a, const void *b)
{
	void * const *x = a, * const *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Into the ballast; false if there is none, or no room for it. */
static bool take_block(struct aging *aging, gfp_t gfp, unsigned int order)
{
	struct page *page;

	if (aging->nr_ballast == MAX_BALLAST)
		return false;
	page = alloc_pages(gfp, order);
	if (!page)
		return false;
	aging->ballast[aging->nr_ballast].addr = page_address(page);
	aging->ballast[aging->nr_ballast++].order = order;
	cond_resched();
	return true;
}

/*
 * Take all free memory, the largest blocks first, but what only reserves would give.  Who
 * may reclaim empties the lists of CPUs, too, if there is nothing else left; so does
 * whoever allocates later, and would have that memory besides.
 */
static void take_ballast(struct aging *aging)
{
	int order;

	aging->nr_blocks = 0;
	do {
		for (order = BLOCK_ORDER; order >= 0; order--) {
			while (take_block(aging, GFP_NOWAIT | __GFP_NOWARN, order))
				;
			if (!aging->nr_blocks)
				aging->nr_blocks = aging->nr_ballast;
		}
	} while (take_block(aging, TAKE, 0));
}

static void give_back(void *addr, unsigned int order)
{
	__free_pages(virt_to_page(addr), order);
}

/* Turn the first run of adjacent blocks that is long enough into the region. */
static bool find_region(struct aging *aging)
{
	unsigned int i, run = 0;

	sort(aging->ballast, aging->nr_blocks, sizeof(aging->ballast[0]), compare_ballast, NULL);
	for (i = 0; i < aging->nr_blocks && run < NR_REGION; i++) {
		bool adjacent = i && aging->ballast[i - 1].addr + BLOCK_BYTES ==
				     aging->ballast[i].addr;

		run = adjacent ? run + 1 : 1;
	}
	if (run < NR_REGION)
		return false;
	aging->region = aging->ballast[i - NR_REGION].addr;
	aging->nr_region = NR_REGION;
	/* No longer ballast. */
	for (run = 1; run <= NR_REGION; run++)
		aging->ballast[i - run].addr = NULL;
	return true;
}

static void drop_ballast(struct aging *aging)
{
	unsigned int i;

	for (i = 0; i < aging->nr_ballast; i++)
		if (aging->ballast[i].addr)
			give_back(aging->ballast[i].addr, aging->ballast[i].order);
	aging->nr_ballast = 0;
}

/* All but @nr_kept blocks of it, which are given back when the region is dropped whole. */
static void drop_region(struct aging *aging, unsigned long nr_kept)
{
	while (aging->nr_region > nr_kept)
		give_back(aging->region + --aging->nr_region * BLOCK_BYTES, BLOCK_ORDER);
}

/* As many pages as the region has are free then, and no more. */
static void free_as_much(struct aging *aging)
{
	unsigned long nr_pages = REGION_BYTES >> PAGE_SHIFT;

	drop_region(aging, global_zone_page_state(NR_FREE_PAGES) >> BLOCK_ORDER);
	while (global_zone_page_state(NR_FREE_PAGES) > nr_pages && take_block(aging, TAKE, 0))
		;
}

/* === Result === */

static int compare_points(const void *a, const void *b)
{
	const struct quarry_bench_point *x = a, *y = b;

	return x->y < y->y ? -1 : x->y > y->y;
}

/* Mean, least and most of the samples after the warm-up, times @unit; sorts the points. */
static void emit_samples(const struct quarry_bench_result *res, const struct aging_side *side,
			 struct quarry_bench_point *points, const char *what, const char *unit,
			 u64 scale)
{
	struct quarry_bench_value value = {
		.subject = side->name, .what = what, .unit = unit,
		.n = NR_SAMPLES - WARMUP_SAMPLES,
	};
	unsigned int i;
	u64 sum = 0;

	points += WARMUP_SAMPLES;
	for (i = 0; i < value.n; i++)
		sum += points[i].y;
	sort(points, value.n, sizeof(*points), compare_points, NULL);
	value.median = div_u64(sum * scale, value.n);
	value.min = points[0].y * scale;
	value.max = points[value.n - 1].y * scale;
	quarry_bench_emit_value(res, &value);
	bench_put(res->notes, "%-26s %-24s mean %llu, least %llu, most %llu %s\n", side->name,
		  what, value.median / scale, value.min / scale, value.max / scale,
		  scale == 1 ? "permille" : unit);
}

static void emit_series(const struct quarry_bench_result *res, const struct aging_side *side,
			const struct quarry_bench_point *points, const char *name,
			const char *y_unit)
{
	const struct quarry_bench_series series = {
		.subject = side->name, .name = name, .x_unit = "simulated seconds",
		.y_unit = y_unit, .points = points, .nr = NR_SAMPLES,
	};

	quarry_bench_emit_series(res, &series);
}

static void emit_side(struct quarry_bench_result *res, struct aging_side *side)
{
	const struct quarry_bench_value failed = {
		.subject = side->name, .what = "failed requests", .unit = "calls",
		QUARRY_BENCH_ONE(side->nr_failed * 1000),
	};

	emit_series(res, side, side->lost, "fragmentation", "permille");
	emit_series(res, side, side->kept, "fragmentation, not trimmed", "permille");
	emit_series(res, side, side->largest, "largest free block", "bytes");
	emit_series(res, side, side->live, "live", "bytes");
	/* Thousandths as they are. */
	emit_samples(res, side, side->lost, "external fragmentation", "ratio", 1);
	emit_samples(res, side, side->kept, "the same, not trimmed", "ratio", 1);
	emit_samples(res, side, side->largest, "largest free block", "bytes", 1000);
	quarry_bench_emit_value(res, &failed);
	bench_put(res->notes, "%-26s %llu requests, %llu failed, %llu left out;", side->name,
		  side->nr_allocs, side->nr_failed, side->nr_left_out);
	bench_put(res->notes, " most live %llu bytes\n", side->live_peak);
}

/* === Running === */

static int run_sides(struct aging *aging, struct quarry_bench_result *res)
{
	struct aging_side *quarry = &aging->sides[QUARRY_BENCH_QUARRY];
	struct aging_side *kernel = &aging->sides[QUARRY_BENCH_PEER];
	int ret;

	ret = open_kernel(kernel);
	if (ret)
		return ret;
	take_ballast(aging);
	if (!find_region(aging))
		res->left_out = "no 256 MiB are free in one piece";
	drop_ballast(aging);
	if (res->left_out)
		return 0;
	/* What it has from the kernel it takes when it is made. */
	ret = open_quarry(aging);
	if (!ret)
		live_through(aging, quarry);
	close_side(quarry);
	quarry->heap = NULL;
	memset(quarry->quarry_caches, 0, sizeof(quarry->quarry_caches));
	if (!ret) {
		take_ballast(aging);
		free_as_much(aging);
		live_through(aging, kernel);
		drop_ballast(aging);
	}
	drop_region(aging, 0);
	return ret;
}

static void init_sides(struct aging *aging)
{
	aging->sides[QUARRY_BENCH_QUARRY] = (struct aging_side){
		.name = "quarry",
		.alloc = quarry_one,
		.free = quarry_one_free,
		.take = quarry_pages,
		.drop = quarry_pages_free,
		.trim = quarry_trim,
	};
	aging->sides[QUARRY_BENCH_PEER] = (struct aging_side){
		.name = "alloc_pages + kmem_cache",
		.alloc = kernel_one,
		.free = kernel_one_free,
		.take = kernel_pages,
		.drop = kernel_pages_free,
		.trim = kernel_trim,
		.nr_listed = kernel_nr_listed,
	};
}

int quarry_bench_aging(struct quarry_bench_result *res)
{
	struct aging *aging;
	int ret;

	res->peer = "alloc_pages + kmem_cache";
	res->per = "op";
	/* It takes all free memory of the machine away for a while. */
	if (!IS_ENABLED(CONFIG_UML)) {
		res->left_out = "only in User-mode Linux: it takes all memory";
		return 0;
	}
	aging = vzalloc(sizeof(*aging));
	if (!aging)
		return -ENOMEM;
	init_sides(aging);
	ret = run_sides(aging, res);
	if (!ret && !res->left_out) {
		res->peak_bytes[QUARRY_BENCH_QUARRY] = REGION_BYTES;
		res->peak_bytes[QUARRY_BENCH_PEER] = REGION_BYTES;
		bench_put(res->notes, "\naging: %u simulated seconds in %lu MiB\n", NR_TICKS,
			  REGION_BYTES >> 20);
		emit_side(res, &aging->sides[QUARRY_BENCH_QUARRY]);
		emit_side(res, &aging->sides[QUARRY_BENCH_PEER]);
		bench_put(res->notes, "external fragmentation: share of what is not live%s\n",
			  " that is not to be had in blocks of 2 MiB");
	}
	close_side(&aging->sides[QUARRY_BENCH_PEER]);
	vfree(aging);
	return ret;
}
