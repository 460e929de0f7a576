/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reports of misuse: double frees, foreign pointers, leaks at destroy.
 */
#ifndef _QUARRY_REPORT_H
#define _QUARRY_REPORT_H

#include <linux/compiler_attributes.h>
#include <linux/types.h>

/* Print one report (rate limited) and count it. */
__printf(1, 2) void quarry_report(const char *fmt, ...);

/* One more line of the report just made: printed if that was, not counted. */
__printf(1, 2) void quarry_report_more(const char *fmt, ...);

/* The same about what its owner or root wrote, who has to see each line: no rate limit. */
__printf(1, 2) void quarry_refusal(const char *fmt, ...);

/* Reports so far; with suppression on they are counted but not printed. */
unsigned long quarry_report_count(void);
void quarry_report_suppress(bool on);
/* What was not printed since suppression was switched on, as far as there is room. */
const char *quarry_report_suppressed(void);

/*
 * Flags that would have to be honoured are refused, not ignored: true and a
 * report if @gfp holds one (QUARRY_GFP_SLOW).
 */
bool quarry_refuse_flags(gfp_t gfp);
/* The same for who cannot honour %__GFP_THISNODE either. */
bool quarry_refuse_node_flags(gfp_t gfp);
/* True and a report if @node is neither NUMA_NO_NODE nor online. */
bool quarry_refuse_node(int node);

#endif /* _QUARRY_REPORT_H */
