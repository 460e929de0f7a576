/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Size classes: from an index back to bytes.
 */
#ifndef _QUARRY_SIZECLASS_H
#define _QUARRY_SIZECLASS_H

#include <linux/types.h>

#include <quarry/heap.h>

/* Classes below this index (1, 2, 4 bytes) are for pointer-free data only. */
#define QUARRY_FIRST_PTR_CLASS	3

/* Largest size that class @index serves; quarry_size_class() is the way there. */
unsigned int quarry_class_size(unsigned int index);

#endif /* _QUARRY_SIZECLASS_H */
