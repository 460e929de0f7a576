// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_slab: caches, seen through their public interface.  Magazines
 * are drained by quarry_cache_shrink() where a case needs the slabs to see a
 * free.
 */
#include <linux/cache.h>
#include <linux/log2.h>
#include <linux/preempt.h>
#include "../src/slab.h"
#include "helpers.h"

#define NR_OBJS	120

static const size_t sizes[] = {
	8, 9, 12, 16, 24, 31, 32, 33, 48, 56, 63, 64, 65, 72, 96, 100, 127, 128, 192, 200, 255,
	256, 257, 320, 511, 512, 513, 768, 1000, 1024, 1536, 2047, 2048, 2049, 3000, 4095, 4096,
	4097, 6000, 8192, 8392, 12000, 16384, 20000, 32768, 40000, 65536, 100000, 131072, 200000,
	262144,
};

/* Fewer objects where they are large, so that 1 MiB is enough. */
static unsigned int nr_for(size_t size)
{
	return clamp_t(size_t, SZ_1M / size, 3, NR_OBJS);
}

static size_t promised_align(size_t size, size_t align)
{
	if (align)
		return align;
	if (is_power_of_2(size))
		return min_t(size_t, size, PAGE_SIZE);
	return size < 8 ? 1 : ARCH_KMALLOC_MINALIGN;
}

static unsigned int alloc_all(struct quarry_cache *cache, void **objs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		objs[i] = quarry_cache_alloc(cache, GFP_KERNEL);
		if (!objs[i])
			break;
	}
	return i;
}

static void free_all(struct quarry_cache *cache, void **objs, unsigned int nr)
{
	while (nr--)
		quarry_cache_free(cache, objs[nr]);
}

/* All objects at once, each full of its own pattern: none may touch another. */
static void expect_good_objects(struct kunit *test, struct quarry_heap *heap, size_t size,
				size_t align, unsigned int flags)
{
	struct quarry_cache *cache = quarry_test_cache(test, heap, size, align, flags, NULL);
	size_t promised = promised_align(size, align);
	unsigned int i, nr = nr_for(size);
	void *objs[NR_OBJS];

	KUNIT_EXPECT_EQ(test, quarry_cache_object_size(cache), size);
	KUNIT_ASSERT_EQ_MSG(test, alloc_all(cache, objs, nr), nr, "objects of %zu bytes", size);
	QUARRY_EXPECT_ALLOCATED(test, heap, (u64)nr * size);
	for (i = 0; i < nr; i++) {
		if (!IS_ALIGNED((unsigned long)objs[i], promised))
			KUNIT_FAIL(test, "%p: size %zu align %zu", objs[i], size, promised);
		if (quarry_heap_of(objs[i]) != heap || quarry_usable_size(objs[i]) != size)
			KUNIT_FAIL(test, "%p of size %zu: usable %zu", objs[i], size,
				   quarry_usable_size(objs[i]));
		if (quarry_heap_of(objs[i] + size - 1) != heap ||
		    (size > 1 && quarry_usable_size(objs[i] + size - 1)))
			KUNIT_FAIL(test, "%p of size %zu: its last byte", objs[i], size);
		quarry_test_fill(objs[i], size, i);
	}
	for (i = 0; i < nr; i++) {
		if (!quarry_test_check(objs[i], size, i))
			KUNIT_FAIL(test, "object %u of size %zu was overwritten", i, size);
	}
	free_all(cache, objs, nr);
	quarry_test_cache_done(test, cache);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void objects_of_all_sizes(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		expect_good_objects(test, heap, sizes[i], 0, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void small_data_objects(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	size_t size;

	for (size = 1; size <= 16; size++)
		expect_good_objects(test, heap, size, 0, QUARRY_DATA);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void objects_of_all_alignments(struct kunit *test)
{
	static const size_t some[] = { 8, 24, 100, 256, 1000, 5000 };
	struct quarry_heap *heap = quarry_test_heap(test);
	size_t align;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(some); i++) {
		for (align = 1; align <= PAGE_SIZE; align *= 4)
			expect_good_objects(test, heap, some[i], align, 0);
		expect_good_objects(test, heap, some[i], PAGE_SIZE, QUARRY_DATA);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === How objects lie in a slab === */

static unsigned int slab_bytes(unsigned int order)
{
	return PAGE_SIZE << order;
}

/* At most 1/16 behind the last object. */
static bool tail_is_small(unsigned int stride, unsigned int order)
{
	return slab_bytes(order) % stride <= slab_bytes(order) / 16;
}

/* The rule of slab.c, told the long way. */
static unsigned int order_by_rule(unsigned int stride)
{
	unsigned int first = get_order(stride), order, best = first;

	for (order = first; order <= QUARRY_SLAB_MAX_ORDER; order++)
		if (tail_is_small(stride, order) &&
		    slab_bytes(order) / stride >= min(8U, 1U << order))
			return order;
	for (order = first; order <= QUARRY_SLAB_MAX_ORDER; order++)
		if ((u64)(slab_bytes(order) % stride) * slab_bytes(best) <
		    (u64)(slab_bytes(best) % stride) * slab_bytes(order))
			best = order;
	return best;
}

static bool some_order_fits(unsigned int stride)
{
	unsigned int order;

	for (order = get_order(stride); order <= QUARRY_SLAB_MAX_ORDER; order++)
		if (tail_is_small(stride, order))
			return true;
	return false;
}

/* What many objects share grows, in slabs of at most 1024 objects. */
static bool large_order_is_good(const struct quarry_slab_layout *l)
{
	if (l->nr_objs < 32 || l->nr_objs > 256)
		return l->large_order == l->order;
	return l->large_order == min(l->order + 1, 5U) &&
	       slab_bytes(l->large_order) % l->stride <= slab_bytes(l->large_order) / 16;
}

static bool layout_is_good(const struct quarry_slab_layout *l, size_t size, size_t align)
{
	return IS_ALIGNED(l->stride, align) && l->stride - size < align &&
	       l->min_order == get_order(l->stride) && l->order == order_by_rule(l->stride) &&
	       l->nr_objs == slab_bytes(l->order) / l->stride && l->nr_objs >= 1 &&
	       large_order_is_good(l) &&
	       (tail_is_small(l->stride, l->order) || !some_order_fits(l->stride));
}

/* Each stride that there can be, and each alignment. */
static void tails_waste_little(struct kunit *test)
{
	struct quarry_slab_layout layout;
	unsigned long nr_small = 0;
	size_t size, align;

	for (size = 1; size <= QUARRY_CACHE_MAX_SIZE; size++) {
		quarry_slab_layout_init(&layout, size, 1, 0, false);
		if (!layout_is_good(&layout, size, 1))
			KUNIT_FAIL(test, "stride %zu: order %u", size, layout.order);
		nr_small += tail_is_small(size, layout.order);
	}
	kunit_info(test, "%lu of %lu strides have a tail of 1/16 at most\n", nr_small,
		   QUARRY_CACHE_MAX_SIZE);
	for (align = 2; align <= PAGE_SIZE; align *= 2) {
		for (size = 1; size <= QUARRY_CACHE_MAX_SIZE; size += 61) {
			quarry_slab_layout_init(&layout, size, align, 0, false);
			if (!layout_is_good(&layout, size, align))
				KUNIT_FAIL(test, "size %zu align %zu: stride %u order %u", size,
					   align, layout.stride, layout.order);
		}
	}
	for (size = 1; size <= QUARRY_CACHE_MAX_SIZE; size += 7) {
		quarry_slab_layout_init(&layout, size, 0, 0, false);
		if (!IS_ALIGNED(layout.stride, promised_align(size, 0)) ||
		    !layout_is_good(&layout, size, min_t(size_t, ARCH_KMALLOC_MINALIGN,
							 roundup_pow_of_two(size))))
			KUNIT_FAIL(test, "size %zu: stride %u order %u", size, layout.stride,
				   layout.order);
	}
}

/* Destroying a cache takes grace periods, which are long with SMP. */
#define NR_SAMPLES	(IS_ENABLED(CONFIG_SMP) ? 40 : 400)

/* Sizes with equal weight for each doubling. */
static void any_size_and_alignment(struct kunit *test)
{
	static const struct {
		size_t size, align;
	} ends[] = {
		{ 1, 1 }, { 1, PAGE_SIZE }, { 7, 2 }, { PAGE_SIZE + 1, PAGE_SIZE },
		{ SZ_128K + 1, 8 }, { QUARRY_CACHE_MAX_SIZE - 1, 1 },
		{ QUARRY_CACHE_MAX_SIZE, PAGE_SIZE },
	};
	struct quarry_heap *heap = quarry_test_heap(test);
	struct rnd_state rnd;
	size_t size, align;
	unsigned int i;

	quarry_test_seed(test, &rnd);
	for (i = 0; i < ARRAY_SIZE(ends); i++)
		expect_good_objects(test, heap, ends[i].size, ends[i].align, QUARRY_DATA);
	for (i = 0; i < NR_SAMPLES; i++) {
		size = 1UL << quarry_test_below(&rnd, 18);
		size += 1 + quarry_test_below(&rnd, size);
		align = 1UL << quarry_test_below(&rnd, PAGE_SHIFT + 1);
		expect_good_objects(test, heap, size, align,
				    size < 8 || quarry_test_below(&rnd, 2) ? QUARRY_DATA : 0);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

static void hwcache_align(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache;
	void *objs[20];
	unsigned int i;

	cache = quarry_test_cache(test, heap, 20, 0, QUARRY_HWCACHE_ALIGN, NULL);
	KUNIT_ASSERT_EQ(test, alloc_all(cache, objs, 20), 20U);
	for (i = 0; i < 20; i++)
		KUNIT_EXPECT_TRUE_MSG(test, IS_ALIGNED((unsigned long)objs[i], cache_line_size()),
				      "%p", objs[i]);
	free_all(cache, objs, 20);
}

struct typed {
	u64 a;
	u32 b;
};

static void cache_of_a_type(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = QUARRY_CACHE(heap, struct typed, 0);
	struct typed *obj;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	KUNIT_EXPECT_EQ(test, quarry_cache_object_size(cache), sizeof(struct typed));
	obj = quarry_cache_alloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, obj);
	if (obj)
		quarry_cache_free(cache, obj);
	quarry_cache_destroy(cache);
	quarry_cache_destroy(NULL);
	quarry_cache_destroy(ERR_PTR(-ENOMEM));
}

/* === Constructors === */

struct constructed {
	u64 magic;
	u64 uses;
	u64 self;
};

#define MAGIC	0x5175617272790a01ULL

static unsigned long nr_constructed;

static void construct(void *ptr)
{
	struct constructed *obj = ptr;

	obj->magic = MAGIC;
	obj->uses = 0;
	obj->self = (u64)(unsigned long)obj;
	nr_constructed++;
}

#define NR_SEEN		(4 * NR_OBJS)

struct seen {
	void *obj;
	u64 uses;
};

/* How often it was seen, this time included; which objects come may vary. */
static u64 see(struct seen *seen, void *obj)
{
	unsigned int i;

	for (i = 0; i < NR_SEEN - 1 && seen[i].obj && seen[i].obj != obj; i++)
		;
	seen[i].obj = obj;
	return ++seen[i].uses;
}

static void constructor_runs_once(struct kunit *test)
{
	struct seen *seen = quarry_test_array(test, NR_SEEN, sizeof(*seen));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache;
	struct constructed *obj;
	void *objs[NR_OBJS];
	unsigned long after_first = 0;
	unsigned int i, round;

	nr_constructed = 0;
	cache = quarry_test_cache(test, heap, sizeof(*obj), 0, 0, construct);
	/* On one CPU, since the other one's magazines are not used up first. */
	migrate_disable();
	for (round = 0; round < 10; round++) {
		i = alloc_all(cache, objs, NR_OBJS);
		KUNIT_EXPECT_EQ(test, i, (unsigned int)NR_OBJS);
		if (!round)
			after_first = nr_constructed;
		while (i--) {
			obj = objs[i];
			if (obj->magic != MAGIC || obj->self != (u64)(unsigned long)obj)
				KUNIT_FAIL(test, "object %u is not as constructed", i);
			KUNIT_EXPECT_EQ_MSG(test, ++obj->uses, see(seen, obj),
					    "state is kept from use to use");
		}
		free_all(cache, objs, NR_OBJS);
	}
	migrate_enable();
	KUNIT_EXPECT_GE(test, after_first, (unsigned long)NR_OBJS);
	KUNIT_EXPECT_EQ_MSG(test, nr_constructed, after_first, "later rounds reuse objects");

	/* Other slabs come and are constructed again. */
	quarry_cache_shrink(cache);
	KUNIT_EXPECT_EQ(test, alloc_all(cache, objs, NR_OBJS), (unsigned int)NR_OBJS);
	KUNIT_EXPECT_GT(test, nr_constructed, after_first);
	free_all(cache, objs, NR_OBJS);
}

static void zero_and_constructor_exclude_each_other(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache;
	void *obj;

	cache = quarry_test_cache(test, heap, sizeof(struct constructed), 0, 0, construct);
	QUARRY_EXPECT_REPORTS(test, 1, obj = quarry_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO));
	KUNIT_EXPECT_NULL(test, obj);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* The same where the inline path finds an object: that must neither be wiped nor lost. */
static void zero_and_constructor_on_the_fast_path(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct constructed *obj, *warm;
	struct quarry_cache *cache;
	int i;

	cache = quarry_test_cache(test, heap, sizeof(*obj), 0, 0, construct);
	migrate_disable();
	warm = quarry_cache_alloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, warm);
	if (warm)
		quarry_cache_free(cache, warm);
	for (i = 0; warm && i < 3; i++) {
		QUARRY_EXPECT_REPORTS(test, 1, obj = quarry_cache_alloc(cache, GFP_KERNEL |
									__GFP_ZERO));
		KUNIT_EXPECT_NULL(test, obj);
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
		QUARRY_EXPECT_VERIFIED(test, heap);
		obj = quarry_cache_alloc(cache, GFP_KERNEL);
		KUNIT_EXPECT_PTR_EQ_MSG(test, obj, warm, "it went back to the magazine");
		if (!obj)
			break;
		KUNIT_EXPECT_EQ_MSG(test, obj->magic, MAGIC, "it is still as constructed");
		quarry_cache_free(cache, obj);
	}
	migrate_enable();
}

/* === Zeroing, refused flags === */

static void zeroed_when_asked(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 100, 0, 0, NULL);
	void *objs[40];
	unsigned int i;

	KUNIT_ASSERT_EQ(test, alloc_all(cache, objs, 40), 40U);
	for (i = 0; i < 40; i++)
		memset(objs[i], 0xa5, 100);
	free_all(cache, objs, 40);
	for (i = 0; i < 40; i++) {
		objs[i] = quarry_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_is_zero(objs[i], 100), "object %u", i);
	}
	free_all(cache, objs, 40);
}

static void flags_are_refused_not_ignored(struct kunit *test)
{
	static const gfp_t refused[] = {
		__GFP_DMA, __GFP_DMA32, __GFP_HIGHMEM, __GFP_MOVABLE, __GFP_NOFAIL,
		__GFP_ACCOUNT,
	};
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	void *warm = quarry_cache_alloc(cache, GFP_KERNEL), *obj;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, warm);
	quarry_cache_free(cache, warm);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		/* The build may lack one of them; 0 is no flag to refuse. */
		if (!refused[i])
			continue;
		QUARRY_EXPECT_REPORTS(test, 1,
				      obj = quarry_cache_alloc(cache, GFP_KERNEL | refused[i]));
		KUNIT_EXPECT_NULL_MSG(test, obj, "flag %#x", (__force unsigned int)refused[i]);
	}
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* === Bad parameters === */

#define EXPECT_NO_CACHE(test, heap, name, size, align, flags)			\
do {										\
	struct quarry_cache *_cache;						\
										\
	QUARRY_QUIETLY(_cache = quarry_cache_create(heap, name, size, align, flags, NULL)); \
	KUNIT_EXPECT_TRUE_MSG(test, _cache == ERR_PTR(-EINVAL),			\
			      "size " #size " align " #align " flags " #flags ": %d", \
			      PTR_ERR_OR_ZERO(_cache));				\
	quarry_cache_destroy(_cache);						\
} while (0)

static void bad_parameters_are_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);

	EXPECT_NO_CACHE(test, heap, "bad", 0, 0, 0);
	EXPECT_NO_CACHE(test, heap, "bad", 1, 0, 0);
	EXPECT_NO_CACHE(test, heap, "bad", 7, 0, 0);
	EXPECT_NO_CACHE(test, heap, "bad", QUARRY_CACHE_MAX_SIZE + 1, 0, 0);
	EXPECT_NO_CACHE(test, heap, "bad", SIZE_MAX, 0, 0);
	EXPECT_NO_CACHE(test, heap, "bad", 64, 3, 0);
	EXPECT_NO_CACHE(test, heap, "bad", 64, 48, 0);
	EXPECT_NO_CACHE(test, heap, "bad", 64, 2 * PAGE_SIZE, 0);
	EXPECT_NO_CACHE(test, heap, "bad", 64, 1UL << 63, 0);
	EXPECT_NO_CACHE(test, heap, "bad", 64, 0, 1U << 31);
	EXPECT_NO_CACHE(test, heap, "bad", 64, 0, ~0U);
	EXPECT_NO_CACHE(test, heap, NULL, 64, 0, 0);
	EXPECT_NO_CACHE(test, heap, "", 64, 0, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === Misuse that the slow path sees === */

static void live_objects_at_destroy(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 120, 0, 0, NULL);
	void *objs[NR_OBJS];

	KUNIT_ASSERT_EQ(test, alloc_all(cache, objs, NR_OBJS), (unsigned int)NR_OBJS);
	free_all(cache, objs, NR_OBJS / 2);
	QUARRY_EXPECT_ALLOCATED(test, heap, NR_OBJS / 2 * 120);
	quarry_test_destroy_expect_reports(1);
	quarry_test_cache_done(test, cache);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).active, 0ULL);
	KUNIT_EXPECT_EQ(test, quarry_usable_size(objs[NR_OBJS - 1]), (size_t)0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* @nr wrong frees were put into magazines: the drain reports each of them. */
static void expect_drain_reports(struct kunit *test, struct quarry_cache *cache, unsigned int nr)
{
	QUARRY_EXPECT_REPORTS(test, nr, quarry_cache_shrink(cache));
	QUARRY_EXPECT_REPORTS(test, 0, quarry_cache_shrink(cache));
}

static void wrong_cache_is_reported(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	struct quarry_cache *other = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	void *warm = quarry_cache_alloc(cache, GFP_KERNEL);
	void *obj = quarry_cache_alloc(other, GFP_KERNEL);

	KUNIT_ASSERT_TRUE(test, warm && obj);
	quarry_test_fill(obj, 64, 1);
	quarry_cache_free(cache, warm);
	quarry_cache_free(cache, obj);
	expect_drain_reports(test, cache, 1);
	KUNIT_EXPECT_EQ_MSG(test, quarry_usable_size(obj), (size_t)64, "it is still the other's");
	QUARRY_EXPECT_ALLOCATED(test, heap, 64);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_cache_free(other, obj);
}

static void interior_pointer_is_reported(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	void *warm = quarry_cache_alloc(cache, GFP_KERNEL);
	void *obj = quarry_cache_alloc(cache, GFP_KERNEL);

	if (want_init_on_free())
		kunit_skip(test, "the kernel wipes what is freed, so a wrong free destroys");
	KUNIT_ASSERT_TRUE(test, warm && obj);
	quarry_cache_free(cache, warm);
	quarry_cache_free(cache, obj + 8);
	quarry_cache_free(cache, obj + 63);
	expect_drain_reports(test, cache, 2);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(obj + 8));
	KUNIT_EXPECT_EQ(test, quarry_usable_size(obj + 8), (size_t)0);
	QUARRY_EXPECT_ALLOCATED(test, heap, 64);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_cache_free(cache, obj);
}

static void double_free_is_reported(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	void *kept = quarry_cache_alloc(cache, GFP_KERNEL);
	void *obj = quarry_cache_alloc(cache, GFP_KERNEL);

	KUNIT_ASSERT_TRUE(test, kept && obj);
	quarry_cache_free(cache, obj);
	quarry_cache_free(cache, obj);
	expect_drain_reports(test, cache, 1);
	quarry_cache_free(cache, obj);
	expect_drain_reports(test, cache, 1);
	QUARRY_EXPECT_ALLOCATED(test, heap, 64);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_cache_free(cache, kept);
}

static void foreign_pointer_is_reported(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	void *warm = quarry_cache_alloc(cache, GFP_KERNEL);
	void *foreign = kmalloc(64, GFP_KERNEL);
	void *pages = quarry_alloc_pages(heap, 4, GFP_KERNEL);

	KUNIT_ASSERT_TRUE(test, warm && foreign && pages);
	quarry_cache_free(cache, warm);
	quarry_cache_free(cache, foreign);
	quarry_cache_free(cache, pages);
	expect_drain_reports(test, cache, 2);
	kfree(foreign);
	quarry_free_pages(pages);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === Slabs come and go === */

static void shrink_gives_slabs_back(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 512, 0, 0, NULL);
	void **objs = quarry_test_array(test, 1000, sizeof(*objs));
	u64 active;

	/* On one CPU: the other one's magazines could hold objects of further slabs. */
	migrate_disable();
	KUNIT_EXPECT_EQ(test, alloc_all(cache, objs, 1000), 1000U);
	active = quarry_test_stats(heap).active;
	KUNIT_EXPECT_GE(test, active, 1000 * 512ULL);
	free_all(cache, objs, 1000);
	quarry_cache_shrink(cache);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).active, 0ULL);
	KUNIT_EXPECT_EQ(test, alloc_all(cache, objs, 1000), 1000U);
	KUNIT_EXPECT_EQ_MSG(test, quarry_test_stats(heap).active, active,
			    "the same objects take the same pages");
	free_all(cache, objs, 1000);
	migrate_enable();
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

/* Random frees leave holes; new objects go into them. */
static void holes_are_filled_first(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 256, 0, 0, NULL);
	void **objs = quarry_test_array(test, 2000, sizeof(*objs));
	struct rnd_state rnd;
	unsigned int i, holes = 0;
	u64 active;

	quarry_test_seed(test, &rnd);
	migrate_disable();
	KUNIT_EXPECT_EQ(test, alloc_all(cache, objs, 2000), 2000U);
	active = quarry_test_stats(heap).active;
	for (i = 0; i < 2000; i++) {
		quarry_test_fill(objs[i], 256, i);
		if (quarry_test_below(&rnd, 2)) {
			quarry_cache_free(cache, objs[i]);
			objs[i] = NULL;
			holes++;
		}
	}
	quarry_cache_shrink(cache);
	QUARRY_EXPECT_VERIFIED(test, heap);
	for (i = 0; i < 2000; i++) {
		if (objs[i]) {
			KUNIT_EXPECT_TRUE(test, quarry_test_check(objs[i], 256, i));
			continue;
		}
		objs[i] = quarry_cache_alloc(cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
	}
	KUNIT_EXPECT_LE_MSG(test, quarry_test_stats(heap).active, active,
			    "%u objects had room in the holes", holes);
	free_all(cache, objs, 2000);
	migrate_enable();
}

#define NR_ZEROED	100

static void dirty_all(struct kunit *test, void **objs, unsigned int nr, size_t size)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_is_zero(objs[i], size), "object %u", i);
		memset(objs[i], 0xa5, size);
	}
}

static void zeroed_whatever_they_held(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 200, 0, QUARRY_ZEROED, NULL);
	void **objs = quarry_test_array(test, NR_ZEROED, sizeof(*objs));
	unsigned int i, round;

	for (round = 0; round < 3; round++) {
		KUNIT_ASSERT_EQ(test, alloc_all(cache, objs, NR_ZEROED), (unsigned int)NR_ZEROED);
		dirty_all(test, objs, NR_ZEROED, 200);
		free_all(cache, objs, NR_ZEROED);
		KUNIT_ASSERT_EQ(test, quarry_cache_alloc_bulk(cache, GFP_KERNEL, NR_ZEROED, objs),
				(unsigned int)NR_ZEROED);
		dirty_all(test, objs, NR_ZEROED, 200);
		for (i = 0; i < NR_ZEROED; i++)
			quarry_free(objs[i]);
		objs[0] = quarry_cache_alloc_node(cache, GFP_KERNEL, numa_mem_id());
		dirty_all(test, objs, 1, 200);
		quarry_cache_free_bulk(cache, 1, objs);
	}
	QUARRY_QUIETLY(cache = quarry_cache_create(heap, "both", 64, 0, QUARRY_ZEROED, construct));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(cache), -EINVAL);
}

static struct kunit_case slab_cases[] = {
	KUNIT_CASE(objects_of_all_sizes),
	KUNIT_CASE(small_data_objects),
	KUNIT_CASE(objects_of_all_alignments),
	KUNIT_CASE(tails_waste_little),
	KUNIT_CASE(any_size_and_alignment),
	KUNIT_CASE(hwcache_align),
	KUNIT_CASE(cache_of_a_type),
	KUNIT_CASE(constructor_runs_once),
	KUNIT_CASE(zero_and_constructor_exclude_each_other),
	KUNIT_CASE(zero_and_constructor_on_the_fast_path),
	KUNIT_CASE(zeroed_when_asked),
	KUNIT_CASE(zeroed_whatever_they_held),
	KUNIT_CASE(flags_are_refused_not_ignored),
	KUNIT_CASE(bad_parameters_are_refused),
	KUNIT_CASE(live_objects_at_destroy),
	KUNIT_CASE(wrong_cache_is_reported),
	KUNIT_CASE(interior_pointer_is_reported),
	KUNIT_CASE(double_free_is_reported),
	KUNIT_CASE(foreign_pointer_is_reported),
	KUNIT_CASE(shrink_gives_slabs_back),
	KUNIT_CASE(holes_are_filled_first),
	{}
};

struct kunit_suite quarry_slab_suite = {
	.name = "quarry_slab",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = slab_cases,
};
