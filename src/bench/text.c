// SPDX-License-Identifier: GPL-2.0
/*
 * Text for the log and for debugfs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/string.h>
#include "text.h"

void bench_put(struct bench_text *text, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	text->len += vscnprintf(text->buf + text->len, text->size - text->len, fmt, args);
	va_end(args);
}

void bench_log(const struct bench_text *text)
{
	const char *line = text->buf, *end = line + text->len;

	while (line < end) {
		const char *newline = strchrnul(line, '\n');

		pr_info("%.*s\n", (int)(newline - line), line);
		line = newline + 1;
	}
}
