/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Size classes: the table; part of sizeclass.c.
 *
 * Made by scripts/gen-classes from the rules stated there: change them, not this.
 */
#ifndef _QUARRY_SIZECLASS_TABLE_H
#define _QUARRY_SIZECLASS_TABLE_H

#include "sizeclass.h"

/*
 * In comments: index, what rounding wastes at worst, the tail of a slab.  Class 3 also
 * serves less than 5 bytes where they are not pointer-free data.
 */
const struct quarry_class quarry_classes[QUARRY_NR_CLASSES] = {
	/* least, size, order of a slab, objects in it */
	{ 1, 1, 0, 4096 },		/* 0: 0 B, 0.0% */
	{ 2, 2, 0, 2048 },		/* 1: 0 B, 0.0% */
	{ 3, 4, 0, 1024 },		/* 2: 1 B, 0.0% */
	{ 5, 8, 0, 512 },		/* 3: 7 B, 0.0% */
	{ 9, 16, 0, 256 },		/* 4: 7 B, 0.0% */
	{ 17, 24, 0, 170 },		/* 5: 7 B, 0.4% */
	{ 25, 32, 0, 128 },		/* 6: 7 B, 0.0% */
	{ 33, 40, 0, 102 },		/* 7: 7 B, 0.4% */
	{ 41, 48, 0, 85 },		/* 8: 7 B, 0.4% */
	{ 49, 56, 0, 73 },		/* 9: 7 B, 0.2% */
	{ 57, 64, 0, 64 },		/* 10: 7 B, 0.0% */
	{ 65, 72, 0, 56 },		/* 11: 10.8%, 1.6% */
	{ 73, 80, 0, 51 },		/* 12: 9.6%, 0.4% */
	{ 81, 88, 0, 46 },		/* 13: 8.6%, 1.2% */
	{ 89, 96, 0, 42 },		/* 14: 7.9%, 1.6% */
	{ 97, 104, 0, 39 },		/* 15: 7.2%, 1.0% */
	{ 105, 112, 0, 36 },		/* 16: 6.7%, 1.6% */
	{ 113, 120, 0, 34 },		/* 17: 6.2%, 0.4% */
	{ 121, 128, 0, 32 },		/* 18: 5.8%, 0.0% */
	{ 129, 144, 0, 28 },		/* 19: 11.6%, 1.6% */
	{ 145, 160, 0, 25 },		/* 20: 10.3%, 2.3% */
	{ 161, 176, 0, 23 },		/* 21: 9.3%, 1.2% */
	{ 177, 192, 0, 21 },		/* 22: 8.5%, 1.6% */
	{ 193, 208, 0, 19 },		/* 23: 7.8%, 3.5% */
	{ 209, 224, 0, 18 },		/* 24: 7.2%, 1.6% */
	{ 225, 240, 0, 17 },		/* 25: 6.7%, 0.4% */
	{ 241, 256, 0, 16 },		/* 26: 6.2%, 0.0% */
	{ 257, 288, 0, 14 },		/* 27: 12.1%, 1.6% */
	{ 289, 320, 0, 12 },		/* 28: 10.7%, 6.2% */
	{ 321, 352, 0, 11 },		/* 29: 9.7%, 5.5% */
	{ 353, 384, 0, 10 },		/* 30: 8.8%, 6.2% */
	{ 385, 416, 1, 19 },		/* 31: 8.1%, 3.5% */
	{ 417, 448, 0, 9 },		/* 32: 7.4%, 1.6% */
	{ 449, 480, 0, 8 },		/* 33: 6.9%, 6.2% */
	{ 481, 512, 0, 8 },		/* 34: 6.4%, 0.0% */
	{ 513, 576, 0, 7 },		/* 35: 12.3%, 1.6% */
	{ 577, 640, 0, 6 },		/* 36: 10.9%, 6.2% */
	{ 641, 704, 1, 11 },		/* 37: 9.8%, 5.5% */
	{ 705, 768, 0, 5 },		/* 38: 8.9%, 6.2% */
	{ 769, 832, 2, 19 },		/* 39: 8.2%, 3.5% */
	{ 833, 896, 1, 9 },		/* 40: 7.6%, 1.6% */
	{ 897, 960, 0, 4 },		/* 41: 7.0%, 6.2% */
	{ 961, 1024, 0, 4 },		/* 42: 6.6%, 0.0% */
	{ 1025, 1152, 1, 7 },		/* 43: 12.4%, 1.6% */
	{ 1153, 1280, 0, 3 },		/* 44: 11.0%, 6.2% */
	{ 1281, 1408, 2, 11 },		/* 45: 9.9%, 5.5% */
	{ 1409, 1536, 1, 5 },		/* 46: 9.0%, 6.2% */
	{ 1537, 1664, 3, 19 },		/* 47: 8.3%, 3.5% */
	{ 1665, 1792, 2, 9 },		/* 48: 7.6%, 1.6% */
	{ 1793, 1920, 0, 2 },		/* 49: 7.1%, 6.2% */
	{ 1921, 2048, 0, 2 },		/* 50: 6.6%, 0.0% */
	{ 2049, 2304, 2, 7 },		/* 51: 12.4%, 1.6% */
	{ 2305, 2560, 1, 3 },		/* 52: 11.1%, 6.2% */
	{ 2561, 2816, 3, 11 },		/* 53: 10.0%, 5.5% */
	{ 2817, 3072, 2, 5 },		/* 54: 9.1%, 6.2% */
	{ 3073, 3328, 4, 19 },		/* 55: 8.3%, 3.5% */
	{ 3329, 3584, 3, 9 },		/* 56: 7.7%, 1.6% */
	{ 3585, 3840, 0, 1 },		/* 57: 7.1%, 6.2% */
	{ 3841, 4096, 0, 1 },		/* 58: 6.6%, 0.0% */
	{ 4097, 4608, 4, 14 },		/* 59: 12.5%, 1.6% */
	{ 4609, 5120, 4, 12 },		/* 60: 11.1%, 6.2% */
	{ 5121, 5632, 4, 11 },		/* 61: 10.0%, 5.5% */
	{ 5633, 6144, 4, 10 },		/* 62: 9.1%, 6.2% */
	{ 6145, 6656, 5, 19 },		/* 63: 8.3%, 3.5% */
	{ 6657, 7168, 4, 9 },		/* 64: 7.7%, 1.6% */
	{ 7169, 7680, 4, 8 },		/* 65: 7.1%, 6.2% */
	{ 7681, 8192, 4, 8 },		/* 66: 6.7%, 0.0% */
	{ 8193, 9216, 5, 14 },		/* 67: 12.5%, 1.6% */
	{ 9217, 10240, 5, 12 },		/* 68: 11.1%, 6.2% */
	{ 10241, 11264, 5, 11 },	/* 69: 10.0%, 5.5% */
	{ 11265, 12288, 5, 10 },	/* 70: 9.1%, 6.2% */
	{ 12289, 13312, 5, 9 },		/* 71: 8.3%, 8.6% */
	{ 13313, 14336, 5, 9 },		/* 72: 7.7%, 1.6% */
	{ 14337, 15360, 5, 8 },		/* 73: 7.1%, 6.2% */
	{ 15361, 16384, 5, 8 },		/* 74: 6.7%, 0.0% */
	{ 16385, 18432, 5, 7 },		/* 75: 12.5%, 1.6% */
	{ 18433, 20480, 4, 3 },		/* 76: 11.1%, 6.2% */
	{ 20481, 22528, 5, 5 },		/* 77: 10.0%, 14.1% */
	{ 22529, 24576, 5, 5 },		/* 78: 9.1%, 6.2% */
	{ 24577, 26624, 3, 1 },		/* 79: 8.3%, 18.8% */
	{ 26625, 28672, 3, 1 },		/* 80: 7.7%, 12.5% */
	{ 28673, 30720, 3, 1 },		/* 81: 7.1%, 6.2% */
	{ 30721, 32768, 3, 1 },		/* 82: 6.7%, 0.0% */
};

/* Calls are folded to nothing if quarry_size_class() agrees, else it does not build. */
static __always_inline void check_classes(void)
{
	check_class(0, 1, 1, QUARRY_KIND_DATA);
	check_class(1, 2, 2, QUARRY_KIND_DATA);
	check_class(2, 3, 4, QUARRY_KIND_DATA);
	check_class(3, 5, 8, QUARRY_KIND_DATA);
	check_class(4, 9, 16, QUARRY_KIND_PTR);
	check_class(5, 17, 24, QUARRY_KIND_PTR);
	check_class(6, 25, 32, QUARRY_KIND_PTR);
	check_class(7, 33, 40, QUARRY_KIND_PTR);
	check_class(8, 41, 48, QUARRY_KIND_PTR);
	check_class(9, 49, 56, QUARRY_KIND_PTR);
	check_class(10, 57, 64, QUARRY_KIND_PTR);
	check_class(11, 65, 72, QUARRY_KIND_PTR);
	check_class(12, 73, 80, QUARRY_KIND_PTR);
	check_class(13, 81, 88, QUARRY_KIND_PTR);
	check_class(14, 89, 96, QUARRY_KIND_PTR);
	check_class(15, 97, 104, QUARRY_KIND_PTR);
	check_class(16, 105, 112, QUARRY_KIND_PTR);
	check_class(17, 113, 120, QUARRY_KIND_PTR);
	check_class(18, 121, 128, QUARRY_KIND_PTR);
	check_class(19, 129, 144, QUARRY_KIND_PTR);
	check_class(20, 145, 160, QUARRY_KIND_PTR);
	check_class(21, 161, 176, QUARRY_KIND_PTR);
	check_class(22, 177, 192, QUARRY_KIND_PTR);
	check_class(23, 193, 208, QUARRY_KIND_PTR);
	check_class(24, 209, 224, QUARRY_KIND_PTR);
	check_class(25, 225, 240, QUARRY_KIND_PTR);
	check_class(26, 241, 256, QUARRY_KIND_PTR);
	check_class(27, 257, 288, QUARRY_KIND_PTR);
	check_class(28, 289, 320, QUARRY_KIND_PTR);
	check_class(29, 321, 352, QUARRY_KIND_PTR);
	check_class(30, 353, 384, QUARRY_KIND_PTR);
	check_class(31, 385, 416, QUARRY_KIND_PTR);
	check_class(32, 417, 448, QUARRY_KIND_PTR);
	check_class(33, 449, 480, QUARRY_KIND_PTR);
	check_class(34, 481, 512, QUARRY_KIND_PTR);
	check_class(35, 513, 576, QUARRY_KIND_PTR);
	check_class(36, 577, 640, QUARRY_KIND_PTR);
	check_class(37, 641, 704, QUARRY_KIND_PTR);
	check_class(38, 705, 768, QUARRY_KIND_PTR);
	check_class(39, 769, 832, QUARRY_KIND_PTR);
	check_class(40, 833, 896, QUARRY_KIND_PTR);
	check_class(41, 897, 960, QUARRY_KIND_PTR);
	check_class(42, 961, 1024, QUARRY_KIND_PTR);
	check_class(43, 1025, 1152, QUARRY_KIND_PTR);
	check_class(44, 1153, 1280, QUARRY_KIND_PTR);
	check_class(45, 1281, 1408, QUARRY_KIND_PTR);
	check_class(46, 1409, 1536, QUARRY_KIND_PTR);
	check_class(47, 1537, 1664, QUARRY_KIND_PTR);
	check_class(48, 1665, 1792, QUARRY_KIND_PTR);
	check_class(49, 1793, 1920, QUARRY_KIND_PTR);
	check_class(50, 1921, 2048, QUARRY_KIND_PTR);
	check_class(51, 2049, 2304, QUARRY_KIND_PTR);
	check_class(52, 2305, 2560, QUARRY_KIND_PTR);
	check_class(53, 2561, 2816, QUARRY_KIND_PTR);
	check_class(54, 2817, 3072, QUARRY_KIND_PTR);
	check_class(55, 3073, 3328, QUARRY_KIND_PTR);
	check_class(56, 3329, 3584, QUARRY_KIND_PTR);
	check_class(57, 3585, 3840, QUARRY_KIND_PTR);
	check_class(58, 3841, 4096, QUARRY_KIND_PTR);
	check_class(59, 4097, 4608, QUARRY_KIND_PTR);
	check_class(60, 4609, 5120, QUARRY_KIND_PTR);
	check_class(61, 5121, 5632, QUARRY_KIND_PTR);
	check_class(62, 5633, 6144, QUARRY_KIND_PTR);
	check_class(63, 6145, 6656, QUARRY_KIND_PTR);
	check_class(64, 6657, 7168, QUARRY_KIND_PTR);
	check_class(65, 7169, 7680, QUARRY_KIND_PTR);
	check_class(66, 7681, 8192, QUARRY_KIND_PTR);
	check_class(67, 8193, 9216, QUARRY_KIND_PTR);
	check_class(68, 9217, 10240, QUARRY_KIND_PTR);
	check_class(69, 10241, 11264, QUARRY_KIND_PTR);
	check_class(70, 11265, 12288, QUARRY_KIND_PTR);
	check_class(71, 12289, 13312, QUARRY_KIND_PTR);
	check_class(72, 13313, 14336, QUARRY_KIND_PTR);
	check_class(73, 14337, 15360, QUARRY_KIND_PTR);
	check_class(74, 15361, 16384, QUARRY_KIND_PTR);
	check_class(75, 16385, 18432, QUARRY_KIND_PTR);
	check_class(76, 18433, 20480, QUARRY_KIND_PTR);
	check_class(77, 20481, 22528, QUARRY_KIND_PTR);
	check_class(78, 22529, 24576, QUARRY_KIND_PTR);
	check_class(79, 24577, 26624, QUARRY_KIND_PTR);
	check_class(80, 26625, 28672, QUARRY_KIND_PTR);
	check_class(81, 28673, 30720, QUARRY_KIND_PTR);
	check_class(82, 30721, 32768, QUARRY_KIND_PTR);
}

#endif /* _QUARRY_SIZECLASS_TABLE_H */
