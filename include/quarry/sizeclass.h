/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Size classes: the numbers that the inline path needs.
 *
 * Made by scripts/gen-classes from the rules stated there: change them, not this.
 */
#ifndef _QUARRY_SIZECLASS_H
#define _QUARRY_SIZECLASS_H

#define QUARRY_NR_CLASSES	83
#define QUARRY_FIRST_PTR_CLASS	3	/* those below it are for pointer-free data only */
/* Multiples of the step up to this, then 2^order classes in each doubling. */
#define QUARRY_CLASS_STEP	8
#define QUARRY_CLASS_LINEAR_MAX	64
#define QUARRY_CLASS_SPLIT_ORDER	3
#define QUARRY_CLASS_FIRST_SPLIT	11	/* index of the first of these */
#define QUARRY_CLASS_FIRST_SHIFT	3	/* log2 of their distance there */
#define QUARRY_CLASS_MAX_SIZE	32768UL	/* from here up: whole pages */

#endif /* _QUARRY_SIZECLASS_H */
