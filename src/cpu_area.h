/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Per-CPU areas of fronts.
 */
#ifndef _QUARRY_CPU_AREA_H
#define _QUARRY_CPU_AREA_H

#include <linux/types.h>

#include <quarry/magazine.h>

struct quarry_cpu_block;

/*
 * An area whose magazines are the static empty one, or NULL; *@block is for
 * quarry_cpu_area_free().  Context as for alloc_percpu_gfp().
 */
struct quarry_cpu __percpu *quarry_cpu_area_alloc(struct quarry_cpu_block **block, gfp_t gfp);
/* Nobody is in a section with it any more.  Where quarry_may_call_kernel(). */
void quarry_cpu_area_free(struct quarry_cpu_block *block, struct quarry_cpu __percpu *area);

#endif /* _QUARRY_CPU_AREA_H */
