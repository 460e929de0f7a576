/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sides a trace is replayed on, and the state of one replay on one side.
 *
 * A side's hot loops are functions of their own in which its allocator is
 * inlined; only the choice of the loop is an indirect call, once per run.
 */
#ifndef _QUARRY_BENCH_SIDE_H
#define _QUARRY_BENCH_SIDE_H

#include <linux/compiler.h>
#include <linux/slab.h>
#include <linux/types.h>
#include "trace.h"

/* Kernels without it (6.1) are told by the usercopy region, see kernel_open(). */
#ifndef SLAB_NO_MERGE
#define SLAB_NO_MERGE	0
#endif

struct quarry_cache;
struct quarry_heap;
struct replay_side;

/* A checked pass looks at the kernel's page counters once in so many records. */
#define REPLAY_SAMPLE_RECORDS	16

/**
 * struct replay_pass - one replay of a trace on one side
 * @trace: what is replayed
 * @side: on what
 * @heap_name: name for the quarry side's heap
 * @soft_limit: of that heap, 0 for none
 * @slots: the object in each slot; stale once it is freed
 * @held: in a checked pass, the record that filled each slot, + 1; 0 if empty
 * @heap: quarry side: everything comes from here
 * @quarry_caches: quarry side: one for each cache of the trace
 * @kernel_caches: kernel side: the same
 * @scratch: empty side: stands for every object
 * @live_pages: checked pass: pages taken by page records and not yet freed
 * @slab_pages_start: kernel side: pages in slabs of the whole system before the pass
 * @peak_pages: most pages seen in use
 * @nr_done: records replayed; where it stopped if there was an error
 * @error: 0 or a negative errno
 * @message: what @error is about, with the record's number
 *
 * While threads replay, the fields that change belong to the holder of the
 * token; acquiring the token orders them.
 */
struct replay_pass {
	const struct quarry_trace *trace;
	const struct replay_side *side;
	const char *heap_name;
	u64 soft_limit;
	void **slots;
	u32 *held;
	struct quarry_heap *heap;
	struct quarry_cache **quarry_caches;
	struct kmem_cache **kernel_caches;
	unsigned long scratch;
	unsigned long live_pages;
	long slab_pages_start;
	unsigned long peak_pages;
	u32 nr_done;
	int error;
	char message[120];
};

/* A constant in each hot loop, so that what is for other sides compiles to nothing. */
enum side_id {
	SIDE_EMPTY,
	SIDE_QUARRY,
	SIDE_KERNEL,
};

/**
 * struct replay_side - an allocator under replay
 * @id: which
 * @name: as printed
 * @open: make the caches; on failure nothing is left
 * @close: destroy them; every object has been freed
 * @run: replay records [first, end), one word written to each object
 * @check: the same with whole patterns, verified at each free; the empty side has none
 *
 * @run and @check return 0 or set @error, @nr_done and @message of the pass.
 */
struct replay_side {
	enum side_id id;
	const char *name;
	int (*open)(struct replay_pass *pass);
	void (*close)(struct replay_pass *pass);
	int (*run)(struct replay_pass *pass, u32 first, u32 end);
	int (*check)(struct replay_pass *pass, u32 first, u32 end);
};

extern const struct replay_side replay_empty_side;
extern const struct replay_side replay_quarry_side;
extern const struct replay_side replay_kernel_side;

/*
 * Record the first error of a pass.  Returns @error.
 * Context: the holder of the token, or no threads are running.
 */
__printf(3, 4) int replay_fail(struct replay_pass *pass, int error, const char *fmt, ...);

/* Pages in slabs, of all caches of the system; large kmallocs are among them. */
long quarry_bench_slab_pages(void);

/* Pages the kernel side has in use now; raises pass->peak_pages. */
void replay_sample_kernel(struct replay_pass *pass);
/*
 * The same for the quarry side, counted alike: slabs with all that is in them, and live
 * pages, but not free pages that wait on per-CPU lists or in magazines.
 */
void replay_sample_quarry(struct replay_pass *pass);

/*
 * Compare an object with the pattern that record @filled_by wrote to it.
 * Returns 0, or records %-EUCLEAN with slot, record and offset.
 */
int replay_verify_object(struct replay_pass *pass, u32 filled_by, const void *obj);

/* Free what record @filled_by allocated. */
void replay_free_object(struct replay_pass *pass, u32 filled_by, void *obj);

#endif /* _QUARRY_BENCH_SIDE_H */
