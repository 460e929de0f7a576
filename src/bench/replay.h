/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Replay of a recorded trace through Quarry and through the kernel's own
 * allocators.
 */
#ifndef _QUARRY_BENCH_REPLAY_H
#define _QUARRY_BENCH_REPLAY_H

#include <linux/types.h>
#include "trace.h"

/* More repetitions do not make the median better. */
#define QUARRY_REPLAY_MAX_REPS	1000

/**
 * struct quarry_replay_opts - what to do with a trace
 * @heap_name: name of the heap on the Quarry side, must not exist; NULL for "replay"
 * @reps: repetitions of the timed pass, 0 to %QUARRY_REPLAY_MAX_REPS; 0 leaves it out
 * @check: whether to run the checked pass
 * @soft_limit: of the Quarry side's heap in the timed pass, bytes; 0 for none
 * @unlimited: in the timed pass the kernel side is a heap without that limit instead
 */
struct quarry_replay_opts {
	const char *heap_name;
	unsigned int reps;
	bool check;
	u64 soft_limit;
	bool unlimited;
};

/**
 * struct quarry_replay_side - one side in numbers
 * @ns_min: shortest time of a repetition, ns, without the empty loop and hand-over
 * @ns_median: the median
 * @ns_max: the longest
 * @peak_pages: most pages in use at a time, as the allocator took them for the trace
 * @counted_pages: the same, sampled and counted as the kernel's are: without free pages that
 *                 are cached in magazines, as those on its per-CPU lists are not
 * @mapped_pages: most pages held from the kernel's page allocator at a time
 * @metadata_pages: pages that describe the rest, at the end of the trace
 * @nr_kernel_calls: calls to the kernel's page allocator
 *
 * On the kernel side @counted_pages and @mapped_pages are @peak_pages, which is sampled, and the
 * last two are not known and 0.
 */
struct quarry_replay_side {
	u64 ns_min;
	u64 ns_median;
	u64 ns_max;
	u64 peak_pages;
	u64 counted_pages;
	u64 mapped_pages;
	u64 metadata_pages;
	u64 nr_kernel_calls;
};

/**
 * struct quarry_replay_result - what came out
 * @quarry: times are 0 without a timed pass, pages without a checked pass
 * @kernel: the same
 * @empty_ns: median time of the empty loop, already subtracted
 * @ratio_min: least of the repetitions' time quarry / kernel, in thousandths
 * @ratio_median: the median
 * @ratio_max: the largest
 * @ratio_p10: the tenth percentile
 * @ratio_p90: the ninetieth
 * @reps: repetitions
 * @checked: there was a checked pass
 * @one_cpu: a recorded CPU was offline, so all records ran on @cpu
 * @cpu: see @one_cpu
 * @moved: CPUs went on- or offline meanwhile: the order was kept, the times are off
 * @message: on failure, why: names pass, side and record
 */
struct quarry_replay_result {
	struct quarry_replay_side quarry;
	struct quarry_replay_side kernel;
	u64 empty_ns;
	u32 ratio_min;
	u32 ratio_median;
	u32 ratio_max;
	u32 ratio_p10;
	u32 ratio_p90;
	unsigned int reps;
	bool checked;
	bool one_cpu;
	unsigned int cpu;
	bool moved;
	char message[160];
};

/**
 * quarry_replay_run() - replay a trace on both sides
 * @trace: what to replay
 * @opts: how
 * @res: filled; of a failed replay only @message means anything
 *
 * One thread per recorded CPU, bound to it, replays that CPU's records; the
 * recorded order is kept.  Whatever happens, everything the replay allocated
 * is freed when this returns.
 *
 * Context: Process context, may sleep, for seconds.  A fatal signal ends it.
 * Return: 0, or a negative errno:
 * * %-EINVAL - @opts is out of range
 * * %-ENOMEM - no memory, or an allocation of the trace failed
 * * %-EUCLEAN - an object or the heap was damaged
 * * %-EINTR - a fatal signal came
 * * others from making threads, heaps and caches
 */
int quarry_replay_run(struct quarry_trace *trace, const struct quarry_replay_opts *opts,
		      struct quarry_replay_result *res);

struct quarry_replay_kept;

/**
 * quarry_replay_keep() - replay a trace through Quarry and keep what is live at its end
 * @trace: what to replay; must stay until quarry_replay_drop()
 * @opts: how; only the name of the heap counts
 * @res: only @message means anything
 *
 * For looking at the heap in debugfs.
 *
 * Context: As quarry_replay_run().
 * Return: a handle or ERR_PTR, see quarry_replay_run().
 */
struct quarry_replay_kept *quarry_replay_keep(struct quarry_trace *trace,
					      const struct quarry_replay_opts *opts,
					      struct quarry_replay_result *res);

/**
 * quarry_replay_drop() - verify and free what quarry_replay_keep() kept
 * @kept: the handle, or NULL or an ERR_PTR
 * @res: only @message means anything
 *
 * Context: Process context, may sleep.
 * Return: 0, or %-EUCLEAN if an object or the heap was damaged meanwhile.
 */
int quarry_replay_drop(struct quarry_replay_kept *kept, struct quarry_replay_result *res);

/**
 * quarry_replay_format() - write a result as an aligned table
 * @trace: what was replayed
 * @res: what came out
 * @buf: where to write it
 * @size: bytes there; 4096 is enough
 *
 * Context: Any.
 * Return: length of the text.
 */
size_t quarry_replay_format(const struct quarry_trace *trace,
			    const struct quarry_replay_result *res, char *buf, size_t size);

#endif /* _QUARRY_BENCH_REPLAY_H */
