/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Call-site records and the layout check shared by all public headers.
 *
 * Every entry point that allocates or creates is a macro over a *_site()
 * function.  The macro leaves one static record per call site, as the
 * kernel's alloc_hooks() does, and hands its address down.  Inline fast paths
 * do not touch it, so the compiler only materialises it on the slow path.
 */
#ifndef _QUARRY_SITE_H
#define _QUARRY_SITE_H

#include <linux/compiler.h>
#include <linux/types.h>

/**
 * struct quarry_site - where in the source something was allocated or created
 * @file: source file, as __FILE__
 * @function: enclosing function
 * @line: line number
 */
struct quarry_site {
	const char *file;
	const char *function;
	unsigned int line;
};

/* Evaluates to the address of a static record of the place it is written at. */
#define QUARRY_SITE()							\
({									\
	static const struct quarry_site _quarry_site = {		\
		.file = __FILE__,					\
		.function = __func__,					\
		.line = __LINE__,					\
	};								\
	&_quarry_site;							\
})

/**
 * quarry_abi_4() - layout version of the structures the inline paths touch
 *
 * Never called: each user of the headers keeps a reference to it, so that a
 * module built against another layout fails at insmod ("Unknown symbol")
 * instead of corrupting memory.  The number changes with the layout.
 *
 * Context: Any.
 */
void quarry_abi_4(void);

static void (*const quarry_abi_check)(void) __used = quarry_abi_4;

#endif /* _QUARRY_SITE_H */
