// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_sizeclass: which class serves which size, by default and in a heap with a
 * table of its own, and that pointers and pointer-free data do not meet.
 */
#include <linux/delay.h>
#include <linux/log2.h>
#include <linux/preempt.h>
#include "../src/fault.h"
#include "../src/heap.h"
#include "../src/sizeclass.h"
#include "context.h"
#include "helpers.h"

/* Extents are naturally aligned and not smaller than this. */
#define EXTENT_SHIFT	16

static const char *kind_name(enum quarry_kind kind)
{
	return kind == QUARRY_KIND_DATA ? "data" : "pointers";
}

static void *alloc_kind(struct quarry_heap *heap, size_t size, enum quarry_kind kind)
{
	if (kind == QUARRY_KIND_DATA)
		return quarry_alloc_data(heap, size, GFP_KERNEL);
	return quarry_alloc(heap, size, GFP_KERNEL);
}

/* Least object size that an allocation of @size bytes may cost at most. */
static size_t most_for(size_t size)
{
	return size + max_t(size_t, size / 8, 7);
}

static size_t promised_align(size_t size)
{
	if (is_power_of_2(size))
		return min_t(size_t, size, PAGE_SIZE);
	return size < 8 ? 1 : ARCH_KMALLOC_MINALIGN;
}

static void classes_rise_by_one(struct kunit *test)
{
	unsigned int kind, last, class;
	size_t size;

	for (kind = 0; kind < QUARRY_NR_KINDS; kind++) {
		last = quarry_size_class(1, kind);
		KUNIT_EXPECT_EQ(test, last, kind == QUARRY_KIND_DATA ? 0U : 3U);
		for (size = 2; size <= QUARRY_CLASS_MAX_SIZE; size++) {
			class = quarry_size_class(size, kind);
			if (class < last || class > last + 1)
				KUNIT_FAIL(test, "%s: class %u for %zu bytes after %u",
					   kind_name(kind), class, size, last);
			last = class;
		}
		KUNIT_EXPECT_EQ(test, last, QUARRY_NR_CLASSES - 1U);
	}
}

/* The inline path computes what the table says; the proof of waste is the script's, too. */
static void formula_agrees_with_the_table(struct kunit *test)
{
	unsigned int kind, first, class;
	size_t size;

	for (kind = 0; kind < QUARRY_NR_KINDS; kind++) {
		first = kind == QUARRY_KIND_DATA ? 0 : QUARRY_FIRST_PTR_CLASS;
		for (size = 1; size <= QUARRY_CLASS_MAX_SIZE; size++) {
			class = quarry_size_class(size, kind);
			if (class < first || class >= QUARRY_NR_CLASSES ||
			    quarry_classes[class].size < size ||
			    (class > first && quarry_classes[class - 1].size >= size) ||
			    quarry_classes[class].size > most_for(size))
				KUNIT_FAIL(test, "%s: class %u for %zu bytes", kind_name(kind),
					   class, size);
			if (kind == QUARRY_KIND_DATA && size < quarry_classes[class].least)
				KUNIT_FAIL(test, "%zu is below class %u", size, class);
		}
	}
}

static void slabs_are_as_the_table_says(struct kunit *test)
{
	struct quarry_slab_layout layout;
	unsigned int i;

	for (i = 0; i < QUARRY_NR_CLASSES; i++) {
		KUNIT_EXPECT_EQ(test, quarry_class_size(i), (unsigned int)quarry_classes[i].size);
		quarry_slab_layout_init(&layout, quarry_classes[i].size, 0, 0, false);
		KUNIT_EXPECT_EQ(test, layout.stride, (unsigned int)quarry_classes[i].size);
		KUNIT_EXPECT_EQ_MSG(test, layout.order, (unsigned int)quarry_classes[i].order,
				    "class %u of %u bytes", i, layout.stride);
		KUNIT_EXPECT_EQ_MSG(test, layout.nr_objs, (unsigned int)quarry_classes[i].objs,
				    "class %u of %u bytes", i, layout.stride);
	}
}

/* Every size really is served by an object that wastes no more than promised. */
static void expect_waste_bounded(struct kunit *test, struct quarry_heap *heap,
				 enum quarry_kind kind)
{
	size_t size, usable, last = 0;
	void *ptr;

	for (size = 1; size <= QUARRY_CLASS_MAX_SIZE; size++) {
		ptr = alloc_kind(heap, size, kind);
		KUNIT_ASSERT_NOT_NULL_MSG(test, ptr, "%s: %zu bytes", kind_name(kind), size);
		usable = quarry_usable_size(ptr);
		if (usable < size || usable > most_for(size) || usable < last)
			KUNIT_FAIL(test, "%s: %zu bytes got %zu, the size before got %zu",
				   kind_name(kind), size, usable, last);
		if (!IS_ALIGNED((unsigned long)ptr, promised_align(size)))
			KUNIT_FAIL(test, "%s: %zu bytes at %p", kind_name(kind), size, ptr);
		/* The next size is served by the same class until this one is full. */
		if (last && usable != last && size != last + 1)
			KUNIT_FAIL(test, "%s: class of %zu bytes ended before %zu",
				   kind_name(kind), last, size);
		last = usable;
		quarry_free(ptr);
	}
}

static void waste_is_bounded_for_pointers(struct kunit *test)
{
	expect_waste_bounded(test, quarry_test_heap(test), QUARRY_KIND_PTR);
}

static void waste_is_bounded_for_data(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	static const size_t exact[] = { 1, 2, 4 };
	unsigned int i;
	void *ptr;

	expect_waste_bounded(test, heap, QUARRY_KIND_DATA);
	for (i = 0; i < ARRAY_SIZE(exact); i++) {
		ptr = quarry_alloc_data(heap, exact[i], GFP_KERNEL);
		KUNIT_EXPECT_EQ_MSG(test, quarry_usable_size(ptr), exact[i], "flags cost a byte");
		quarry_free(ptr);
	}
}

/* All classes of both kinds at once, each object full of its own pattern. */
static void all_classes_at_once(struct kunit *test)
{
	void **ptrs = quarry_test_array(test, 2 * QUARRY_NR_CLASSES, sizeof(*ptrs));
	struct quarry_heap *heap = quarry_test_heap(test);
	size_t size = 0, usable;
	unsigned int i, nr = 0;

	while (size < QUARRY_CLASS_MAX_SIZE && nr < 2 * QUARRY_NR_CLASSES) {
		/* One more than the last class holds: the next class. */
		ptrs[nr] = alloc_kind(heap, size + 1, QUARRY_KIND_DATA);
		KUNIT_ASSERT_NOT_NULL(test, ptrs[nr]);
		size = quarry_usable_size(ptrs[nr]);
		quarry_test_fill(ptrs[nr], size, nr);
		nr++;
	}
	KUNIT_EXPECT_EQ(test, size, QUARRY_CLASS_MAX_SIZE);
	KUNIT_EXPECT_EQ_MSG(test, nr, (unsigned int)QUARRY_NR_CLASSES, "classes of data");
	for (size = 0; size < QUARRY_CLASS_MAX_SIZE && nr < 2 * QUARRY_NR_CLASSES; nr++) {
		ptrs[nr] = alloc_kind(heap, size + 1, QUARRY_KIND_PTR);
		KUNIT_ASSERT_NOT_NULL(test, ptrs[nr]);
		size = quarry_usable_size(ptrs[nr]);
		quarry_test_fill(ptrs[nr], size, nr);
	}
	KUNIT_EXPECT_EQ_MSG(test, nr, 2U * QUARRY_NR_CLASSES - 3, "less 1, 2 and 4 bytes");
	QUARRY_EXPECT_VERIFIED(test, heap);
	for (i = 0; i < nr; i++) {
		usable = quarry_usable_size(ptrs[i]);
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(ptrs[i], usable, i),
				      "class %u of %zu bytes", i, usable);
		quarry_free(ptrs[i]);
	}
}

#define SAME_CLASS(test, size)							\
do {										\
	const size_t _size = (size);						\
										\
	KUNIT_EXPECT_EQ_MSG(test, quarry_size_class(_size, QUARRY_KIND_PTR),	\
			    quarry_size_class(hidden + _size, QUARRY_KIND_PTR),	\
			    "constant %zu", _size);				\
} while (0)

/* The compiler folds the index of a constant size; it must fold it to the same. */
static void constant_and_variable_agree(struct kunit *test)
{
	size_t hidden = 0;

	OPTIMIZER_HIDE_VAR(hidden);
	SAME_CLASS(test, 1);
	SAME_CLASS(test, 8);
	SAME_CLASS(test, 9);
	SAME_CLASS(test, 64);
	SAME_CLASS(test, 65);
	SAME_CLASS(test, 72);
	SAME_CLASS(test, 128);
	SAME_CLASS(test, 129);
	SAME_CLASS(test, 256);
	SAME_CLASS(test, 1000);
	SAME_CLASS(test, 1024);
	SAME_CLASS(test, 4097);
	SAME_CLASS(test, 10000);
	SAME_CLASS(test, 32767);
	SAME_CLASS(test, 32768);
	BUILD_BUG_ON(quarry_size_class(64, QUARRY_KIND_PTR) != 10);
	BUILD_BUG_ON(quarry_size_class(QUARRY_CLASS_MAX_SIZE, QUARRY_KIND_PTR) !=
		     QUARRY_NR_CLASSES - 1);
}

/* 64 KiB blocks that one kind was seen in. */
struct blocks {
	unsigned long nr;
	unsigned long block[512];
};

static bool has_block(const struct blocks *blocks, unsigned long block)
{
	unsigned long i;

	for (i = 0; i < blocks->nr; i++) {
		if (blocks->block[i] == block)
			return true;
	}
	return false;
}

static bool note_blocks(struct blocks *blocks, void *ptr)
{
	unsigned long block = (unsigned long)ptr >> EXTENT_SHIFT;
	unsigned long last = ((unsigned long)ptr + quarry_usable_size(ptr) - 1) >> EXTENT_SHIFT;

	for (; block <= last; block++) {
		if (has_block(blocks, block))
			continue;
		if (blocks->nr == ARRAY_SIZE(blocks->block))
			return false;
		blocks->block[blocks->nr++] = block;
	}
	return true;
}

#define NR_MIXED	600

static void kinds_never_share_an_extent(struct kunit *test)
{
	struct blocks *seen = quarry_test_array(test, QUARRY_NR_KINDS, sizeof(*seen));
	void **ptrs = quarry_test_array(test, NR_MIXED, sizeof(*ptrs));
	struct quarry_heap *heap = quarry_test_heap(test);
	enum quarry_kind kind;
	struct rnd_state rnd;
	unsigned long i;

	quarry_test_seed(test, &rnd);
	for (i = 0; i < NR_MIXED; i++) {
		kind = quarry_test_below(&rnd, 2);
		ptrs[i] = alloc_kind(heap, 1 + quarry_test_below(&rnd, 40000), kind);
		KUNIT_ASSERT_NOT_NULL(test, ptrs[i]);
		KUNIT_ASSERT_TRUE(test, note_blocks(&seen[kind], ptrs[i]));
	}
	KUNIT_EXPECT_GT(test, seen[QUARRY_KIND_PTR].nr, 10UL);
	KUNIT_EXPECT_GT(test, seen[QUARRY_KIND_DATA].nr, 10UL);
	for (i = 0; i < seen[QUARRY_KIND_PTR].nr; i++)
		KUNIT_EXPECT_FALSE_MSG(test, has_block(&seen[QUARRY_KIND_DATA],
						       seen[QUARRY_KIND_PTR].block[i]),
				       "64 KiB at %#lx hold both kinds",
				       seen[QUARRY_KIND_PTR].block[i] << EXTENT_SHIFT);
	for (i = 0; i < NR_MIXED; i++)
		quarry_free(ptrs[i]);
}

/* === Heaps with their own classes === */

/* 40, 112, 2048 are ends of default classes; 136, 200, 1352, 5000, 12000 lie inside of some. */
static const unsigned int own_sizes[] = { 2, 40, 112, 136, 200, 1352, 2048, 5000, 12000 };

static struct quarry_heap *own_heap(struct kunit *test, const unsigned int *sizes, unsigned int nr)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };

	params.class_sizes = sizes;
	params.nr_class_sizes = nr;
	return quarry_test_heap_params(test, params);
}

/* The class of a size in a heap with own_sizes, found the long way. */
static size_t own_class(size_t size, enum quarry_kind kind)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(own_sizes); i++)
		if (own_sizes[i] >= size && (kind == QUARRY_KIND_DATA || own_sizes[i] >= 8))
			return own_sizes[i];
	return quarry_class_size(quarry_size_class(size, kind));
}

static void own_classes_serve_each_size(struct kunit *test)
{
	struct quarry_heap *heap = own_heap(test, own_sizes, ARRAY_SIZE(own_sizes));
	unsigned int kind;
	size_t size, usable;
	void *ptr;

	for (kind = 0; kind < QUARRY_NR_KINDS; kind++) {
		for (size = 1; size <= QUARRY_CLASS_MAX_SIZE; size++) {
			ptr = alloc_kind(heap, size, kind);
			KUNIT_ASSERT_NOT_NULL(test, ptr);
			usable = quarry_usable_size(ptr);
			if (usable != own_class(size, kind))
				KUNIT_FAIL(test, "%s: %zu bytes got %zu, not %zu", kind_name(kind),
					   size, usable, own_class(size, kind));
			if (!IS_ALIGNED((unsigned long)ptr, promised_align(usable)))
				KUNIT_FAIL(test, "%zu bytes at %p", usable, ptr);
			QUARRY_EXPECT_ALLOCATED(test, heap, usable);
			quarry_free(ptr);
		}
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
}

#define NR_OWN	1000

/* Objects of all classes, own and default, in random order: none touches another. */
static void own_classes_keep_apart(struct kunit *test)
{
	struct quarry_heap *heap = own_heap(test, own_sizes, ARRAY_SIZE(own_sizes));
	void **ptrs = quarry_test_array(test, NR_OWN, sizeof(*ptrs));
	struct rnd_state rnd;
	unsigned int i, k;
	u64 sum = 0;
	size_t size;

	quarry_test_seed(test, &rnd);
	for (i = 0; i < NR_OWN; i++) {
		size = 1 + quarry_test_below(&rnd, 1 << (4 + quarry_test_below(&rnd, 11)));
		ptrs[i] = alloc_kind(heap, size, quarry_test_below(&rnd, 2));
		KUNIT_ASSERT_NOT_NULL(test, ptrs[i]);
		size = quarry_usable_size(ptrs[i]);
		quarry_test_fill(ptrs[i], size, i);
		sum += size;
	}
	QUARRY_EXPECT_ALLOCATED(test, heap, sum);
	QUARRY_EXPECT_VERIFIED(test, heap);
	for (i = NR_OWN; i; i--) {
		k = quarry_test_below(&rnd, i);
		KUNIT_EXPECT_TRUE(test, quarry_test_check(ptrs[k], quarry_usable_size(ptrs[k]),
							  k));
		quarry_free(ptrs[k]);
		/* Move the last one here, with the tag of its new place. */
		ptrs[k] = ptrs[i - 1];
		if (k != i - 1)
			quarry_test_fill(ptrs[k], quarry_usable_size(ptrs[k]), k);
	}
}

static struct quarry_cache *slot_of(struct quarry_heap *heap, size_t size)
{
	return heap->classes[QUARRY_KIND_PTR][quarry_size_class(size, QUARRY_KIND_PTR)];
}

static void alloc_and_free(struct kunit *test, struct quarry_heap *heap, size_t size,
			   unsigned int nr)
{
	void *ptr;

	while (nr--) {
		ptr = quarry_alloc(heap, size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		quarry_free(ptr);
	}
}

/* The inline path has a cache wherever all sizes of a slot have the same class. */
static void slots_are_direct_or_cut(struct kunit *test)
{
	struct quarry_heap *heap = own_heap(test, own_sizes, ARRAY_SIZE(own_sizes));
	/* An own class ends inside of these: of 1281 to 1408 the sizes from 1353 get 2048. */
	static const size_t cut[] = { 129, 136, 137, 144, 193, 200, 208, 1300, 1352, 1408, 5000 };
	static const size_t direct[] = { 8, 40, 48, 105, 112, 113, 128, 145, 192, 209, 1280, 1409,
					 2048, 2049, 4608, 5632, 11264 };
	struct quarry_cache *cold = slot_of(heap, 20000), *cache;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cut); i++) {
		alloc_and_free(test, heap, cut[i], 1);
		KUNIT_EXPECT_PTR_EQ_MSG(test, slot_of(heap, cut[i]), cold, "%zu bytes", cut[i]);
	}
	for (i = 0; i < ARRAY_SIZE(direct); i++) {
		alloc_and_free(test, heap, direct[i], 1);
		cache = slot_of(heap, direct[i]);
		KUNIT_EXPECT_PTR_NE_MSG(test, cache, cold, "%zu bytes", direct[i]);
		KUNIT_EXPECT_EQ(test, quarry_cache_object_size(cache),
				own_class(direct[i], QUARRY_KIND_PTR));
	}
	KUNIT_EXPECT_PTR_EQ_MSG(test, slot_of(heap, 8), slot_of(heap, 40), "one class, five slots");
	/* 12001 to 12288 is what the last own class leaves of a default one. */
	alloc_and_free(test, heap, 12288, 1);
	KUNIT_EXPECT_PTR_EQ(test, slot_of(heap, 12288), cold);
	alloc_and_free(test, heap, 12289, 1);
	KUNIT_EXPECT_PTR_NE(test, slot_of(heap, 12289), cold);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* Nothing but the call is lost in a cut slot: the magazine serves it all the same. */
static void cut_slots_use_magazines(struct kunit *test)
{
	struct quarry_heap *heap = own_heap(test, own_sizes, ARRAY_SIZE(own_sizes));
	struct quarry_mags_stats before, after;
	struct quarry_own_row *row;
	struct quarry_mags *mags;

	migrate_disable();
	alloc_and_free(test, heap, 200, 1);
	/* Rows of pointers begin with 40. */
	row = &to_priv(heap)->own[QUARRY_KIND_PTR]->rows[3];
	KUNIT_ASSERT_EQ(test, row->size, 200U);
	mags = &to_slab_cache(row->cache)->mags;
	quarry_mags_get_stats(mags, &before);
	alloc_and_free(test, heap, 195, 1000);
	quarry_mags_get_stats(mags, &after);
	migrate_enable();
	KUNIT_EXPECT_EQ(test, after.nr_alloc - before.nr_alloc, 1000UL);
	KUNIT_EXPECT_EQ(test, after.magazine - before.magazine, 1000UL);
}

static void own_classes_zero(struct kunit *test)
{
	struct quarry_heap *heap = own_heap(test, own_sizes, ARRAY_SIZE(own_sizes));
	unsigned int i, round;
	void *ptr;

	for (round = 0; round < 3; round++) {
		for (i = 1; i < ARRAY_SIZE(own_sizes); i++) {
			ptr = quarry_zalloc(heap, own_sizes[i] - 1, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, ptr);
			KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(ptr, own_sizes[i]));
			memset(ptr, 0xa5, own_sizes[i]);
			quarry_free(ptr);
		}
	}
}

static void realloc_in_own_classes(struct kunit *test)
{
	static const unsigned int two[] = { 136, QUARRY_CLASS_MAX_SIZE };
	struct quarry_heap *heap = own_heap(test, two, ARRAY_SIZE(two));
	char *ptr = quarry_alloc(heap, 1, GFP_KERNEL), *same, *other;

	KUNIT_ASSERT_NOT_NULL(test, ptr);
	KUNIT_EXPECT_EQ(test, quarry_usable_size(ptr), (size_t)136);
	same = quarry_realloc(heap, ptr, 136, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, same, ptr);
	quarry_test_fill(same, 136, 1);
	other = quarry_realloc(heap, same, 137, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, other);
	KUNIT_EXPECT_PTR_NE(test, other, same);
	KUNIT_EXPECT_EQ(test, quarry_usable_size(other), (size_t)QUARRY_CLASS_MAX_SIZE);
	same = quarry_realloc(heap, other, 20000, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ_MSG(test, same, other, "other memory would be of the same class");
	KUNIT_EXPECT_TRUE(test, quarry_test_check(same, 136, 1));
	/* Whole pages are as large as the class, but not larger than this. */
	other = quarry_realloc(heap, same, QUARRY_CLASS_MAX_SIZE + 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, other);
	KUNIT_EXPECT_EQ(test, quarry_usable_size(other), QUARRY_CLASS_MAX_SIZE + PAGE_SIZE);
	same = quarry_realloc(heap, other, 50, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, same);
	KUNIT_EXPECT_EQ(test, quarry_usable_size(same), (size_t)136);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(same, 50, 1));
	quarry_free(same);
}

#define NR_HOT	3000

/* Bytes of pages that NR_HOT objects of each of some sizes take. */
static u64 bytes_held(struct kunit *test, struct quarry_heap *heap, const unsigned int *sizes,
		      unsigned int nr)
{
	void **ptrs = quarry_test_array(test, NR_HOT * nr, sizeof(*ptrs));
	unsigned int i;
	u64 held;

	migrate_disable();
	for (i = 0; i < NR_HOT * nr; i++) {
		ptrs[i] = quarry_alloc(heap, sizes[i % nr], GFP_KERNEL);
		KUNIT_EXPECT_NOT_NULL(test, ptrs[i]);
	}
	held = quarry_test_stats(heap).active;
	for (i = 0; i < NR_HOT * nr; i++)
		quarry_free(ptrs[i]);
	migrate_enable();
	return held;
}

/* What a table of its own is for: sizes just above a default class. */
static void own_classes_hold_less(struct kunit *test)
{
	static const unsigned int hot[] = { 136, 264, 520, 2056 };
	u64 requested = NR_HOT * (136 + 264 + 520 + 2056ULL), own, usual;

	usual = bytes_held(test, quarry_test_heap(test), hot, ARRAY_SIZE(hot));
	own = bytes_held(test, own_heap(test, hot, ARRAY_SIZE(hot)), hot, ARRAY_SIZE(hot));
	kunit_info(test, "%llu bytes requested, held: default classes %llu, own classes %llu\n",
		   requested, usual, own);
	KUNIT_EXPECT_GE(test, own, requested);
	KUNIT_EXPECT_LT_MSG(test, own * 100, usual * 95, "5 %% less at the very least");
	KUNIT_EXPECT_LT_MSG(test, own * 100, requested * 107, "no more than 7 %% on top");
}

static void expect_refused(struct kunit *test, const unsigned int *sizes, unsigned int nr)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;

	params.name = quarry_test_name(test);
	params.class_sizes = sizes;
	params.nr_class_sizes = nr;
	QUARRY_EXPECT_REPORTS(test, 1, heap = quarry_heap_create(&params));
	KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(heap), -EINVAL, "%u classes", nr);
	if (!IS_ERR(heap))
		quarry_heap_destroy(heap);
}

static void bad_tables_are_refused(struct kunit *test)
{
	static const unsigned int bad[][3] = {
		{ 0, 8, 16 }, { 3, 8, 16 }, { 5, 8, 16 }, { 8, 20, 24 }, { 8, 16, 16 },
		{ 24, 16, 32 }, { 8, 16, 32776 }, { 8, 16, UINT_MAX }, { 4, 2, 8 },
	};
	static const unsigned int good[][3] = {
		{ 1, 2, 4 }, { 1, 8, 32768 }, { 32752, 32760, 32768 }, { 4, 8, 16 },
	};
	unsigned int *many = quarry_test_array(test, QUARRY_CLASS_SIZES_MAX + 1, sizeof(*many));
	struct quarry_heap *heap;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		expect_refused(test, bad[i], 3);
	expect_refused(test, NULL, 3);
	expect_refused(test, good[0], 0);
	for (i = 0; i <= QUARRY_CLASS_SIZES_MAX; i++)
		many[i] = 8 * (i + 1);
	expect_refused(test, many, QUARRY_CLASS_SIZES_MAX + 1);
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		heap = own_heap(test, good[i], 3);
		alloc_and_free(test, heap, 1, 1);
		alloc_and_free(test, heap, 32767, 1);
		quarry_test_heap_done(test, heap);
	}
	/* The most there can be, all of them in the first slots; the table is copied. */
	heap = own_heap(test, many, QUARRY_CLASS_SIZES_MAX);
	memset(many, 0, QUARRY_CLASS_SIZES_MAX * sizeof(*many));
	for (i = 1; i <= 8 * QUARRY_CLASS_SIZES_MAX; i++) {
		void *ptr = quarry_alloc(heap, i, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, ptr);
		KUNIT_EXPECT_EQ(test, quarry_usable_size(ptr), (size_t)ALIGN(i, 8));
		quarry_free(ptr);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void end_faults(void *unused)
{
	quarry_fault_test_end();
}

/* A heap with own classes, with the @n-th attempt to get memory failing; the attempts. */
static unsigned long create_with_failure(struct kunit *test, unsigned long n)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;
	unsigned long attempts;
	void *ptr;

	params.name = quarry_test_name(test);
	params.class_sizes = own_sizes;
	params.nr_class_sizes = ARRAY_SIZE(own_sizes);
	quarry_fault_test_arm(QUARRY_FAULT_ANY, n, n ? 1 : 0);
	heap = quarry_heap_create(&params);
	ptr = IS_ERR(heap) ? NULL : quarry_alloc(heap, 136, GFP_KERNEL | __GFP_NOWARN);
	attempts = quarry_fault_test_nr_attempts(QUARRY_FAULT_ANY);
	quarry_fault_test_arm(QUARRY_FAULT_ANY, 0, 0);
	if (IS_ERR(heap)) {
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR(heap), (long)-ENOMEM, "attempt %lu", n);
		return attempts;
	}
	if (ptr)
		KUNIT_EXPECT_EQ(test, quarry_usable_size(ptr), (size_t)136);
	quarry_free(ptr);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_heap_destroy(heap);
	return attempts;
}

static void own_classes_fail_cleanly(struct kunit *test)
{
	unsigned long n, attempts;

	KUNIT_ASSERT_EQ(test, quarry_fault_test_begin(), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_faults, NULL), 0);
	attempts = create_with_failure(test, 0);
	/* The heap, two tables, the cache, its front, a magazine, an extent. */
	KUNIT_EXPECT_GE(test, attempts, 7UL);
	for (n = 1; n <= attempts && n < 100; n++)
		attempts = max(attempts, create_with_failure(test, n));
	KUNIT_EXPECT_LT(test, n, 100UL);
}

static void alloc_there(void *arg)
{
	void **heap_and_ptr = arg;

	heap_and_ptr[1] = quarry_alloc(heap_and_ptr[0], 136, GFP_ATOMIC);
}

/* Where no cache can be made a worker is asked to, of an own class as of a default one. */
static void own_class_missed_in_hardirq(struct kunit *test)
{
	void *heap_and_ptr[2] = { own_heap(test, own_sizes, ARRAY_SIZE(own_sizes)) };
	unsigned int i;

	for (i = 0; i < 100 && !heap_and_ptr[1]; i++) {
		KUNIT_ASSERT_TRUE(test, quarry_test_run_in(QUARRY_IN_HARDIRQ, quarry_test_cpu(0),
							   alloc_there, heap_and_ptr));
		if (!i)
			KUNIT_EXPECT_NULL_MSG(test, heap_and_ptr[1], "nobody has made it");
		msleep(20);
	}
	KUNIT_ASSERT_NOT_NULL(test, heap_and_ptr[1]);
	KUNIT_EXPECT_EQ(test, quarry_usable_size(heap_and_ptr[1]), (size_t)136);
	quarry_free(heap_and_ptr[1]);
}

#define NR_RACES	100

struct race {
	struct quarry_heap *heaps[NR_RACES];
	atomic_t arrived[NR_RACES];
};

/* Both CPUs are the first to use a class, at the same moment. */
static void race_worker(struct quarry_test_worker *worker)
{
	struct race *r = worker->arg;
	unsigned int i;
	void *ptr;

	for (i = 0; i < NR_RACES; i++) {
		atomic_inc(&r->arrived[i]);
		while (atomic_read(&r->arrived[i]) < 2 && !quarry_test_worker_should_stop())
			cond_resched();
		/* One of a cut slot, and one whose class has several. */
		ptr = quarry_alloc(r->heaps[i], i & 1 ? 136 : 8 + 32 * worker->id, GFP_KERNEL);
		if (!ptr || quarry_usable_size(ptr) != (i & 1 ? 136 : 40))
			quarry_test_worker_fail(worker, "usable size", quarry_usable_size(ptr));
		quarry_free(ptr);
		worker->nr_ops++;
	}
}

static void first_use_on_two_cpus(struct kunit *test)
{
	struct race *r = quarry_test_array(test, 1, sizeof(*r));
	struct quarry_test_worker workers[2] = {};
	unsigned long end = jiffies + 10 * HZ;
	unsigned int i;

	QUARRY_NEEDS_SMP(test);
	for (i = 0; i < NR_RACES; i++)
		r->heaps[i] = own_heap(test, own_sizes, ARRAY_SIZE(own_sizes));
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       1, race_worker, r), 0);
	while (time_before(jiffies, end) && (READ_ONCE(workers[0].nr_ops) < NR_RACES ||
					     READ_ONCE(workers[1].nr_ops) < NR_RACES))
		cond_resched();
	for (i = 0; i < 2; i++) {
		quarry_test_worker_stop(test, &workers[i]);
		KUNIT_EXPECT_EQ(test, workers[i].nr_ops, (unsigned long)NR_RACES);
	}
	/* Each has one class, whoever made it. */
	for (i = 0; i < NR_RACES; i++)
		QUARRY_EXPECT_VERIFIED(test, r->heaps[i]);
}

static struct kunit_case sizeclass_cases[] = {
	KUNIT_CASE(classes_rise_by_one),
	KUNIT_CASE(formula_agrees_with_the_table),
	KUNIT_CASE(slabs_are_as_the_table_says),
	KUNIT_CASE(waste_is_bounded_for_pointers),
	KUNIT_CASE(waste_is_bounded_for_data),
	KUNIT_CASE(all_classes_at_once),
	KUNIT_CASE(constant_and_variable_agree),
	KUNIT_CASE(kinds_never_share_an_extent),
	KUNIT_CASE(own_classes_serve_each_size),
	KUNIT_CASE(own_classes_keep_apart),
	KUNIT_CASE(slots_are_direct_or_cut),
	KUNIT_CASE(cut_slots_use_magazines),
	KUNIT_CASE(own_classes_zero),
	KUNIT_CASE(realloc_in_own_classes),
	KUNIT_CASE(own_classes_hold_less),
	KUNIT_CASE(bad_tables_are_refused),
	KUNIT_CASE(own_classes_fail_cleanly),
	KUNIT_CASE(own_class_missed_in_hardirq),
	KUNIT_CASE(first_use_on_two_cpus),
	{}
};

struct kunit_suite quarry_sizeclass_suite = {
	.name = "quarry_sizeclass",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = sizeclass_cases,
};
