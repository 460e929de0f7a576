/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Size classes: the table, and from an index back to bytes.
 */
#ifndef _QUARRY_SRC_SIZECLASS_H
#define _QUARRY_SRC_SIZECLASS_H

#include <linux/types.h>

#include <quarry/heap.h>

/* One row of the table, which scripts/gen-classes makes. */
struct quarry_class {
	unsigned short least;		/* size that it serves, of data */
	unsigned short size;		/* of its objects: the largest */
	unsigned short order;		/* of its slabs */
	unsigned short objs;		/* in one of these */
};

extern const struct quarry_class quarry_classes[QUARRY_NR_CLASSES];

/* Largest size that class @index serves; quarry_size_class() is the way there. */
unsigned int quarry_class_size(unsigned int index);

#endif /* _QUARRY_SRC_SIZECLASS_H */
