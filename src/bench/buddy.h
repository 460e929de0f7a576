/* SPDX-License-Identifier: GPL-2.0 */
/* The case buddy-mix of quarry_bench.ko. */
#ifndef _QUARRY_BENCH_BUDDY_H
#define _QUARRY_BENCH_BUDDY_H

/* Run it and print the result, one line per figure; 0 or a negative errno. */
int quarry_bench_buddy_mix(void);

#endif /* _QUARRY_BENCH_BUDDY_H */
