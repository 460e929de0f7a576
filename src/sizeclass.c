// SPDX-License-Identifier: GPL-2.0
/*
 * Size classes: from an index back to bytes.
 *
 *	index   0..2    1, 2, 4 bytes (pointer-free data)
 *	        3..10   8, 16, ... 64
 *	       11..82   eight per doubling: 64 << d plus 1/8 .. 8/8 of it, d = 0..8
 *
 * A size just above a class of 64 << d bytes rounds up by less than an eighth
 * of 64 << d, which is less than an eighth of the size: 12.5 %.  Up to 64 bytes
 * the step is 8, so 7 bytes at most.  The spacing is jemalloc's with a group of
 * eight instead of four.
 *
 * The table is made from these rules by scripts/gen-classes.  The way there,
 * quarry_size_class(), is a formula, as that is inlined; both ends of each class are
 * checked against the table here, every size by the suite quarry_sizeclass.
 *
 * Locking: none, constants only.
 */
#include <linux/build_bug.h>

#include "internal.h"
#include "sizeclass.h"

/* Both ends of a class against the formula, of data and, if @kind says so, of pointers. */
static __always_inline void check_class(unsigned int index, size_t least, size_t most,
					enum quarry_kind kind)
{
	BUILD_BUG_ON(quarry_size_class(least, QUARRY_KIND_DATA) != index);
	BUILD_BUG_ON(quarry_size_class(most, QUARRY_KIND_DATA) != index);
	BUILD_BUG_ON(quarry_size_class(least, kind) != index);
	BUILD_BUG_ON(quarry_size_class(most, kind) != index);
}

#include "sizeclass_table.h"
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_classes);

unsigned int quarry_class_size(unsigned int index)
{
	check_classes();
	return quarry_classes[index].size;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_class_size);
