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

#include "figures.h"
#include "meter.h"
#include "text.h"

/* In peak_bytes and calls of a result. */
#define QUARRY_BENCH_UNKNOWN	U64_MAX

/**
 * struct quarry_bench_result - what a case found
 * @peer: what Quarry is compared with; NULL if this kernel has no such thing
 * @per: what the figures are per
 * @ns: time
 * @instructions: instructions
 * @gains: of a second CPU, for cases that are about that; stands in place of ratios
 * @peak_bytes: most bytes held at a time
 * @calls: requests that reached the kernel's page allocator, or the peer as a whole
 * @left_out: why the case was not run, or NULL
 * @notes: where to write more than fits in the table
 */
struct quarry_bench_result {
	const char *peer;
	const char *per;
	struct quarry_bench_figures ns;
	struct quarry_bench_figures instructions;
	struct quarry_bench_gains gains;
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
 * Choose cases: a name, the beginning of names and a '*', or all.  Adds to what was
 * chosen.  Return: false if there is no such case.
 */
bool quarry_bench_choose(const char *pattern);

/* Write the names of the cases, all or the chosen ones, separated by ", ". */
void quarry_bench_names(struct bench_text *text, bool chosen);

/* Any case chosen? */
bool quarry_bench_chosen(void);

/* Run the chosen cases and write the table.  Return: 0 or a negative errno. */
int quarry_bench_cases(bool icount, struct bench_text *text);

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

#endif /* _QUARRY_BENCH_CASE_H */
