/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recorded allocation trace in memory.
 *
 * The text format is described in traces/README.md.  The parser refuses what
 * is not well-formed with the number of the line, so that a replay need not
 * check anything: every slot, cache and size in a struct quarry_trace is in
 * range, no slot is filled twice or freed while empty, and each free knows
 * what kind of allocation it undoes.
 */
#ifndef _QUARRY_BENCH_TRACE_H
#define _QUARRY_BENCH_TRACE_H

#include <linux/mm.h>
#include <linux/types.h>

/* Bounds of what a trace may say. */
#define QUARRY_TRACE_MAX_CPUS		1024
#define QUARRY_TRACE_MAX_CACHES		4096
#define QUARRY_TRACE_MAX_CACHE_SIZE	(256U << 10)	/* QUARRY_CACHE_MAX_SIZE */
#define QUARRY_TRACE_MAX_SIZE		(4U << 20)	/* largest kmalloc() and quarry_alloc() */
#define QUARRY_TRACE_MAX_ORDER		10
#define QUARRY_TRACE_MAX_NAME		63

/* Longest run: 4096 records of a microsecond at most delay what waits for the CPU. */
#define QUARRY_TRACE_MAX_RUN		4096

/* What a record does; alloc and free of a kind differ by one. */
enum quarry_trace_op {
	QUARRY_TRACE_ALLOC_SIZED,
	QUARRY_TRACE_FREE_SIZED,
	QUARRY_TRACE_ALLOC_CACHE,
	QUARRY_TRACE_FREE_CACHE,
	QUARRY_TRACE_ALLOC_PAGES,
	QUARRY_TRACE_FREE_PAGES,
};

/**
 * struct quarry_trace_record - one operation, 8 bytes, since a trace has half a million
 * @slot: where the object is kept
 * @op: an &enum quarry_trace_op
 * @tiny: the object is smaller than a word
 * @arg: bytes, number of the cache or order, as @op says; a free has that of its allocation
 */
struct quarry_trace_record {
	u32 slot;
	u32 op : 3;
	u32 tiny : 1;
	u32 arg : 28;
};

/**
 * struct quarry_trace_run - consecutive records of one CPU
 * @first: index of the first record; the run ends where the next one begins
 * @cpu: CPU they were recorded on
 */
struct quarry_trace_run {
	u32 first;
	u32 cpu;
};

/**
 * struct quarry_trace_cache - a declared object cache
 * @size: object size in bytes
 * @name: the kernel's name of it
 */
struct quarry_trace_cache {
	u32 size;
	char name[QUARRY_TRACE_MAX_NAME + 1];
};

/**
 * struct quarry_trace - a parsed trace
 * @records: the operations in recorded order
 * @nr_records: how many
 * @runs: @nr_runs runs and a sentinel whose @first is @nr_records
 * @nr_runs: how many, at most %QUARRY_TRACE_MAX_RUN records long each
 * @caches: the declared caches by number
 * @nr_caches: how many
 * @nr_slots: slots are numbered from 0 to this, exclusive
 * @cpus: CPUs that appear in @runs
 * @nr_allocs: allocating records
 * @nr_frees: freeing records
 * @nr_remote_frees: those on another CPU than the allocation
 * @nr_switches: changes of CPU from one record to the next
 * @nr_left: slots that are still filled at the end
 * @peak_bytes: most bytes live at a time, as asked for
 */
struct quarry_trace {
	struct quarry_trace_record *records;
	u32 nr_records;
	struct quarry_trace_run *runs;
	u32 nr_runs;
	struct quarry_trace_cache *caches;
	u32 nr_caches;
	u32 nr_slots;
	DECLARE_BITMAP(cpus, QUARRY_TRACE_MAX_CPUS);
	u32 nr_allocs;
	u32 nr_frees;
	u32 nr_remote_frees;
	u32 nr_switches;
	u32 nr_left;
	u64 peak_bytes;
};

/**
 * struct quarry_trace_error - why a trace was refused
 * @line: number of the line, from 1; 0 if no line is to blame
 * @message: what is wrong with it, without a newline
 */
struct quarry_trace_error {
	unsigned int line;
	char message[120];
};

/**
 * quarry_trace_parse() - read a trace
 * @text: the uncompressed text; need not end in a NUL and is not kept
 * @len: its length in bytes
 * @err: filled if the trace is refused
 *
 * Context: Process context, may sleep.
 * Return: the trace, to be freed with quarry_trace_free(), or ERR_PTR:
 * * %-EINVAL - the text is not a well-formed trace; @err says where and why
 * * %-ENOMEM - no memory
 */
struct quarry_trace *quarry_trace_parse(const char *text, size_t len,
					struct quarry_trace_error *err);

/**
 * quarry_trace_free() - free a trace
 * @trace: the trace, or NULL or an ERR_PTR
 *
 * Context: Process context, may sleep.
 */
void quarry_trace_free(struct quarry_trace *trace);

/* Bytes an allocating or freeing record is about. */
static inline u32 quarry_trace_bytes(const struct quarry_trace *trace,
				     const struct quarry_trace_record *rec)
{
	switch (rec->op) {
	case QUARRY_TRACE_ALLOC_SIZED:
	case QUARRY_TRACE_FREE_SIZED:
		return rec->arg;
	case QUARRY_TRACE_ALLOC_CACHE:
	case QUARRY_TRACE_FREE_CACHE:
		return trace->caches[rec->arg].size;
	default:
		return PAGE_SIZE << rec->arg;
	}
}

static inline bool quarry_trace_is_alloc(const struct quarry_trace_record *rec)
{
	return !(rec->op & 1);
}

#endif /* _QUARRY_BENCH_TRACE_H */
