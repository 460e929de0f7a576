// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints: where they live.  What they say is in <trace/events/quarry.h>.
 */
#include "cache.h"
#include "reclaim.h"

#define CREATE_TRACE_POINTS
#include <trace/events/quarry.h>

/* The suites look at them; so may others. */
EXPORT_TRACEPOINT_SYMBOL_GPL(quarry_extent_get);
EXPORT_TRACEPOINT_SYMBOL_GPL(quarry_extent_put);
EXPORT_TRACEPOINT_SYMBOL_GPL(quarry_trim);
EXPORT_TRACEPOINT_SYMBOL_GPL(quarry_limit_hit);
EXPORT_TRACEPOINT_SYMBOL_GPL(quarry_reserve_used);
EXPORT_TRACEPOINT_SYMBOL_GPL(quarry_failure);

static_assert(QUARRY_TRACE_NAME_SIZE >= QUARRY_NAME_SIZE);
