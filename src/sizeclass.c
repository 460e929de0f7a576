// SPDX-License-Identifier: GPL-2.0
/*
 * Size classes.
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
 * Locking: none, constants only.
 */
#include "internal.h"
#include "sizeclass.h"

unsigned int quarry_class_size(unsigned int index)
{
	unsigned int base;

	if (index < QUARRY_FIRST_PTR_CLASS)
		return 1U << index;
	if (index <= 10)
		return (index - 2) * 8;
	index -= 11;
	base = 64U << index / 8;
	return base + (index % 8 + 1) * (base / 8);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_class_size);
