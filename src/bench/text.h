/* SPDX-License-Identifier: GPL-2.0 */
/* A text that is written piece by piece; what does not fit is cut off. */
#ifndef _QUARRY_BENCH_TEXT_H
#define _QUARRY_BENCH_TEXT_H

#include <linux/compiler.h>
#include <linux/types.h>

struct bench_text {
	char *buf;
	size_t size;
	size_t len;
};

__printf(2, 3) void bench_put(struct bench_text *text, const char *fmt, ...);

/* Print all of it to the kernel log, line by line. */
void bench_log(const struct bench_text *text);

#endif /* _QUARRY_BENCH_TEXT_H */
