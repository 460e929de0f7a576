/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints on the slow paths of heaps.  None fires under a spinlock of ours, and
 * a disabled one is a nop.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM quarry

#if !defined(_TRACE_QUARRY_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_QUARRY_H

#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/types.h>
#include <trace/events/mmflags.h>

/*
 * Names of heaps are copied into an array of their largest size: the macro that
 * assigns dynamic strings has taken one and two arguments.
 */
#define QUARRY_TRACE_NAME_SIZE	32

TRACE_EVENT(quarry_extent_get,
	    TP_PROTO(const char *heap, unsigned long pfn, unsigned long pages, int node, bool data),
	    TP_ARGS(heap, pfn, pages, node, data),
	    TP_STRUCT__entry(__array(char, heap, QUARRY_TRACE_NAME_SIZE)
			     __field(unsigned long, pfn)
			     __field(unsigned long, pages)
			     __field(int, node)
			     __field(bool, data)),
	    TP_fast_assign(strscpy(__entry->heap, heap, QUARRY_TRACE_NAME_SIZE);
			   __entry->pfn = pfn;
			   __entry->pages = pages;
			   __entry->node = node;
			   __entry->data = data;),
	    TP_printk("heap=%s pfn=%#lx pages=%lu node=%d kind=%s",
		      __entry->heap, __entry->pfn, __entry->pages, __entry->node,
		      __entry->data ? "data" : "ptr")
);

TRACE_EVENT(quarry_extent_put,
	    TP_PROTO(const char *heap, unsigned long pfn, unsigned long pages, int node, bool data,
		     bool whole, unsigned long lost),
	    TP_ARGS(heap, pfn, pages, node, data, whole, lost),
	    TP_STRUCT__entry(__array(char, heap, QUARRY_TRACE_NAME_SIZE)
			     __field(unsigned long, pfn)
			     __field(unsigned long, pages)
			     __field(int, node)
			     __field(bool, data)
			     __field(bool, whole)
			     __field(unsigned long, lost)),
	    TP_fast_assign(strscpy(__entry->heap, heap, QUARRY_TRACE_NAME_SIZE);
			   __entry->pfn = pfn;
			   __entry->pages = pages;
			   __entry->node = node;
			   __entry->data = data;
			   __entry->whole = whole;
			   __entry->lost = lost;),
	    TP_printk("heap=%s pfn=%#lx pages=%lu node=%d kind=%s %s lost=%lu",
		      __entry->heap, __entry->pfn, __entry->pages, __entry->node,
		      __entry->data ? "data" : "ptr", __entry->whole ? "whole" : "block",
		      __entry->lost)
);

TRACE_DEFINE_ENUM(QUARRY_TRIM_DECAY);
TRACE_DEFINE_ENUM(QUARRY_TRIM_SHRINK);
TRACE_DEFINE_ENUM(QUARRY_TRIM_REQUEST);
TRACE_DEFINE_ENUM(QUARRY_TRIM_SOFT_LIMIT);
TRACE_DEFINE_ENUM(QUARRY_TRIM_LIMIT);

TRACE_EVENT(quarry_trim,
	    TP_PROTO(const char *heap, unsigned int reason, unsigned long wanted,
		     unsigned long given),
	    TP_ARGS(heap, reason, wanted, given),
	    TP_STRUCT__entry(__array(char, heap, QUARRY_TRACE_NAME_SIZE)
			     __field(unsigned int, reason)
			     __field(unsigned long, wanted)
			     __field(unsigned long, given)),
	    TP_fast_assign(strscpy(__entry->heap, heap, QUARRY_TRACE_NAME_SIZE);
			   __entry->reason = reason;
			   __entry->wanted = wanted;
			   __entry->given = given;),
	    TP_printk("heap=%s reason=%s wanted=%lu given=%lu", __entry->heap,
		      __print_symbolic(__entry->reason,
				       { QUARRY_TRIM_DECAY, "decay" },
				       { QUARRY_TRIM_SHRINK, "shrink" },
				       { QUARRY_TRIM_REQUEST, "trim" },
				       { QUARRY_TRIM_SOFT_LIMIT, "soft_limit" },
				       { QUARRY_TRIM_LIMIT, "limit" }),
		      __entry->wanted, __entry->given)
);

TRACE_EVENT(quarry_limit_hit,
	    TP_PROTO(const char *heap, bool hard, u64 mapped, u64 limit, unsigned long pages),
	    TP_ARGS(heap, hard, mapped, limit, pages),
	    TP_STRUCT__entry(__array(char, heap, QUARRY_TRACE_NAME_SIZE)
			     __field(bool, hard)
			     __field(u64, mapped)
			     __field(u64, limit)
			     __field(unsigned long, pages)),
	    TP_fast_assign(strscpy(__entry->heap, heap, QUARRY_TRACE_NAME_SIZE);
			   __entry->hard = hard;
			   __entry->mapped = mapped;
			   __entry->limit = limit;
			   __entry->pages = pages;),
	    TP_printk("heap=%s %s mapped=%llu limit=%llu pages=%lu",
		      __entry->heap, __entry->hard ? "hard" : "soft", __entry->mapped,
		      __entry->limit, __entry->pages)
);

TRACE_EVENT(quarry_reserve_used,
	    TP_PROTO(const char *heap, unsigned long free, unsigned long reserve),
	    TP_ARGS(heap, free, reserve),
	    TP_STRUCT__entry(__array(char, heap, QUARRY_TRACE_NAME_SIZE)
			     __field(unsigned long, free)
			     __field(unsigned long, reserve)),
	    TP_fast_assign(strscpy(__entry->heap, heap, QUARRY_TRACE_NAME_SIZE);
			   __entry->free = free;
			   __entry->reserve = reserve;),
	    TP_printk("heap=%s free=%lu reserve=%lu",
		      __entry->heap, __entry->free, __entry->reserve)
);

TRACE_EVENT(quarry_failure,
	    TP_PROTO(const char *heap, unsigned long pages, gfp_t gfp, u64 mapped, u64 limit),
	    TP_ARGS(heap, pages, gfp, mapped, limit),
	    TP_STRUCT__entry(__array(char, heap, QUARRY_TRACE_NAME_SIZE)
			     __field(unsigned long, pages)
			     __field(unsigned long, gfp)
			     __field(u64, mapped)
			     __field(u64, limit)),
	    TP_fast_assign(strscpy(__entry->heap, heap, QUARRY_TRACE_NAME_SIZE);
			   __entry->pages = pages;
			   __entry->gfp = (__force unsigned long)gfp;
			   __entry->mapped = mapped;
			   __entry->limit = limit;),
	    TP_printk("heap=%s pages=%lu gfp=%s mapped=%llu limit=%llu",
		      __entry->heap, __entry->pages, show_gfp_flags(__entry->gfp),
		      __entry->mapped, __entry->limit)
);

#endif /* _TRACE_QUARRY_H */

/* Outside of the guard, and found through the same -I as it was the first time. */
#include <trace/define_trace.h>
