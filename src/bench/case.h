/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The built-in cases of quarry_bench.ko.
 *
 * A case runs the same operations through Quarry, through a peer and through
 * nothing at all, in slices of under 10 ms that alternate, and says what each side
 * cost, how many bytes it held at most and how often it called on the kernel.
 */
#ifndef _QUARRY_BENCH_CASE_H
#define _QUARRY_BENCH_CASE_H

#include <linux/types.h>
#include "figures.h"
#include "meter.h"
#include "text.h"

/* In peak_bytes and calls of a result. */
#define QUARRY_BENCH_UNKNOWN	U64_MAX

/* Medians, in thousandths. */
struct quarry_bench_shares {
	bool known;
	u64 quarry;
	u64 peer;
};

/**
 * struct quarry_bench_result - what a case found
 * @name: of the case; set before it is run
 * @peer: what Quarry is compared with; NULL if this kernel has no such thing
 * @per: what the figures are per
 * @ns: time
 * @instructions: instructions
 * @gains: of a second CPU, for cases that are about that; stands in place of ratios
 * @shares: of the bytes that came back, for a case that is about that; in place of ratios
 * @peak_bytes: most bytes held at a time
 * @calls: requests that reached the kernel's page allocator; those of an arena to its heap, too;
 *         or those that reached the peer as a whole
 * @left_out: why the case was not run, or NULL
 * @notes: where to write more than fits in the table
 */
struct quarry_bench_result {
	const char *name;
	const char *peer;
	const char *per;
	struct quarry_bench_figures ns;
	struct quarry_bench_figures instructions;
	struct quarry_bench_gains gains;
	struct quarry_bench_shares shares;
	u64 peak_bytes[QUARRY_BENCH_NR_SIDES];
	u64 calls[QUARRY_BENCH_NR_SIDES];
	const char *left_out;
	struct bench_text *notes;
};

/* Samples of both quantities. */
struct quarry_bench_run {
	struct quarry_bench_samples ns;
	struct quarry_bench_samples instructions;
};

static inline void quarry_bench_note(struct quarry_bench_run *run, enum quarry_bench_side side,
				     unsigned int slice, const struct quarry_bench_reading *cost)
{
	run->ns.slice[side][slice] = cost->ns;
	run->instructions.slice[side][slice] = cost->instructions;
}

/* Fill the figures of a result; the samples are used up. */
void quarry_bench_conclude(struct quarry_bench_run *run, unsigned int nr_slices,
			   unsigned int nr_ops, struct quarry_bench_result *res);

/*
 * Whether @bytes of memory are available.  If not, the case is left out, and the notes
 * say how much it needs.
 */
bool quarry_bench_has_memory(struct quarry_bench_result *res, u64 bytes);

/* More than there are; those with several peers count once for each. */
#define QUARRY_BENCH_MAX_CASES	128

/* Which cases to run. */
struct quarry_bench_choice {
	DECLARE_BITMAP(cases, QUARRY_BENCH_MAX_CASES);
};

/*
 * Choose cases: a name, the beginning of names and a '*', or all.  Adds to what was
 * chosen.  Return: false if there is no such case.
 */
bool quarry_bench_choose(struct quarry_bench_choice *choice, const char *pattern);

bool quarry_bench_any_chosen(const struct quarry_bench_choice *choice);

/* Write the names of the chosen cases, or of all if @choice is NULL, with @between them. */
void quarry_bench_names(struct bench_text *text, const struct quarry_bench_choice *choice,
			const char *between);

/*
 * Run the chosen cases; write the table into @text and the results (results.h) into @results,
 * also those of the cases before one that failed.  Return: 0 or a negative errno.
 */
int quarry_bench_cases(const struct quarry_bench_choice *choice, bool icount,
		       struct bench_text *text, struct bench_text *results);

/* The cases themselves.  Each returns 0 or a negative errno. */
int quarry_bench_cache_pair_64(struct quarry_bench_result *res);
int quarry_bench_cache_pair_256(struct quarry_bench_result *res);
int quarry_bench_objpool_64(struct quarry_bench_result *res);
int quarry_bench_objpool_256(struct quarry_bench_result *res);
int quarry_bench_gen_pool_64(struct quarry_bench_result *res);
int quarry_bench_gen_pool_256(struct quarry_bench_result *res);
int quarry_bench_mempool_64(struct quarry_bench_result *res);
int quarry_bench_mempool_256(struct quarry_bench_result *res);
int quarry_bench_cache_batch128_64(struct quarry_bench_result *res);
int quarry_bench_cache_batch128_256(struct quarry_bench_result *res);
int quarry_bench_cache_batch4096_256(struct quarry_bench_result *res);
int quarry_bench_cache_bulk16_256(struct quarry_bench_result *res);
int quarry_bench_cache_bulk64_256(struct quarry_bench_result *res);
int quarry_bench_cache_shuffled1000_256(struct quarry_bench_result *res);
int quarry_bench_sized_const_64(struct quarry_bench_result *res);
int quarry_bench_sized_var(struct quarry_bench_result *res);
int quarry_bench_tiny_1(struct quarry_bench_result *res);
int quarry_bench_xcpu_256(struct quarry_bench_result *res);
int quarry_bench_scale_same(struct quarry_bench_result *res);
int quarry_bench_scale_classes(struct quarry_bench_result *res);
int quarry_bench_mt_sized_16(struct quarry_bench_result *res);
int quarry_bench_ring_mp(struct quarry_bench_result *res);
int quarry_bench_pages_o0(struct quarry_bench_result *res);
int quarry_bench_pages_o3(struct quarry_bench_result *res);
int quarry_bench_pages_o9(struct quarry_bench_result *res);
int quarry_bench_buddy_mix(struct quarry_bench_result *res);
int quarry_bench_buddy_frag(struct quarry_bench_result *res);
int quarry_bench_arena_64(struct quarry_bench_result *res);
int quarry_bench_arena_64_frag(struct quarry_bench_result *res);
int quarry_bench_arena_sweep(struct quarry_bench_result *res);
int quarry_bench_arena_tree(struct quarry_bench_result *res);
int quarry_bench_arena_slice(struct quarry_bench_result *res);
int quarry_bench_arena_slice_each(struct quarry_bench_result *res);
int quarry_bench_arena_life_256(struct quarry_bench_result *res);
int quarry_bench_arena_life_4k(struct quarry_bench_result *res);
int quarry_bench_arena_life_64k(struct quarry_bench_result *res);
int quarry_bench_arena_life_1m(struct quarry_bench_result *res);
int quarry_bench_arena_reset(struct quarry_bench_result *res);
int quarry_bench_arena_grow(struct quarry_bench_result *res);
int quarry_bench_frame(struct quarry_bench_result *res);
int quarry_bench_larson(struct quarry_bench_result *res);
int quarry_bench_xmalloc(struct quarry_bench_result *res);
int quarry_bench_mstress(struct quarry_bench_result *res);
int quarry_bench_cache_scratch(struct quarry_bench_result *res);
int quarry_bench_swiss_cheese(struct quarry_bench_result *res);
int quarry_bench_calls_1m_100(struct quarry_bench_result *res);
int quarry_bench_replay_ext4(struct quarry_bench_result *res);
int quarry_bench_replay_fork(struct quarry_bench_result *res);
int quarry_bench_replay_trace(struct quarry_bench_result *res);
int quarry_bench_aging(struct quarry_bench_result *res);
int quarry_bench_decay(struct quarry_bench_result *res);
int quarry_bench_pressure(struct quarry_bench_result *res);
int quarry_bench_latency(struct quarry_bench_result *res);
int quarry_bench_fast_paths(struct quarry_bench_result *res);

#endif /* _QUARRY_BENCH_CASE_H */
