// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_sizeclass: which class serves which size, and that pointers and
 * pointer-free data do not meet.
 */
#include <linux/log2.h>
#include "../src/sizeclass.h"
#include "../src/slab.h"
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
		quarry_slab_layout_init(&layout, quarry_classes[i].size, 0);
		KUNIT_EXPECT_EQ(test, layout.stride, (unsigned int)quarry_classes[i].size);
		KUNIT_EXPECT_EQ_MSG(test, layout.order, (unsigned int)quarry_classes[i].order,
				    "class %u of %u bytes", i, layout.stride);
		KUNIT_EXPECT_EQ_MSG(test, layout.max_objs, (unsigned int)quarry_classes[i].objs,
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

static struct kunit_case sizeclass_cases[] = {
	KUNIT_CASE(classes_rise_by_one),
	KUNIT_CASE(formula_agrees_with_the_table),
	KUNIT_CASE(slabs_are_as_the_table_says),
	KUNIT_CASE(waste_is_bounded_for_pointers),
	KUNIT_CASE(waste_is_bounded_for_data),
	KUNIT_CASE(all_classes_at_once),
	KUNIT_CASE(constant_and_variable_agree),
	KUNIT_CASE(kinds_never_share_an_extent),
	{}
};

struct kunit_suite quarry_sizeclass_suite = {
	.name = "quarry_sizeclass",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = sizeclass_cases,
};
