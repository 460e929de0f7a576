/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kind of machine this is, as far as aims and results are concerned.
 */
#ifndef _QUARRY_BENCH_PLATFORM_H
#define _QUARRY_BENCH_PLATFORM_H

#include "text.h"

/* One that aims are stated for; see platform.c. */
enum quarry_bench_platform {
	QUARRY_BENCH_ICOUNT,
	QUARRY_BENCH_UML,
	QUARRY_BENCH_SMP,
	QUARRY_BENCH_NR_PLATFORMS,
	QUARRY_BENCH_OTHER = QUARRY_BENCH_NR_PLATFORMS,
};

const char *quarry_bench_platform_name(enum quarry_bench_platform platform);

/* The one that this is; the meter is open. */
enum quarry_bench_platform quarry_bench_find_platform(void);

/*
 * Write what results call it: icount, uml or smp as above; icount-stock where the clock counts
 * instructions and the command line is another; smp-noinit for what would be smp but for
 * init_on_alloc=0; otherwise native.  A dash and the kernel's release follow.  The meter is open.
 */
void quarry_bench_put_label(struct bench_text *text);

/* Write the line above the table.  The meter is open. */
void quarry_bench_put_platform(struct bench_text *text);

#endif /* _QUARRY_BENCH_PLATFORM_H */
