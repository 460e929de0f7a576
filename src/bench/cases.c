// SPDX-License-Identifier: GPL-2.0
/*
 * The built-in cases: which there are, which are to be run, and the table.
 *
 * An aim is the ratio quarry / peer that a case should reach on the platform (platform.c) it
 * is stated for.  It is called met or missed only there.
 *
 * Where the tenth and the ninetieth percentile are more than 20 % of the ratio apart,
 * it says noisy in its place, and the aim is judged only if both are on one side of it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "case.h"
#include "platform.h"
#include "results.h"

/* Short, for the table below. */
#define ICOUNT	QUARRY_BENCH_ICOUNT
#define UML	QUARRY_BENCH_UML
#define SMP	QUARRY_BENCH_SMP

/* An aim for the calls. */
#define NO_CALLS	UINT_MAX

/*
 * Aims in hundredths, 0 for none.  One for the bytes held or the calls rules on all machines.
 * One for the gain, or for the share that comes back, is a least one, and so is the peer's.  A
 * case that has several peers is there once for each.
 */
static const struct bench_case {
	const char *name;
	int (*run)(struct quarry_bench_result *res);
	unsigned int aims[QUARRY_BENCH_NR_PLATFORMS];
	unsigned int bytes_aim;
	unsigned int calls_aim;
	unsigned int gain_aim;
	unsigned int share_aim;
} cases[] = {
	{ "cache-pair-64", quarry_bench_cache_pair_64, { [ICOUNT] = 28, [UML] = 25 } },
	{ "cache-pair-64", quarry_bench_objpool_64 },
	{ "cache-pair-64", quarry_bench_gen_pool_64 },
	{ "cache-pair-64", quarry_bench_mempool_64 },
	{ "cache-pair-256", quarry_bench_cache_pair_256, { [ICOUNT] = 28, [UML] = 25 } },
	{ "cache-pair-256", quarry_bench_objpool_256 },
	{ "cache-pair-256", quarry_bench_gen_pool_256 },
	{ "cache-pair-256", quarry_bench_mempool_256 },
	{ "cache-batch128-64", quarry_bench_cache_batch128_64, { [ICOUNT] = 25, [UML] = 25 } },
	{ "cache-batch128-256", quarry_bench_cache_batch128_256, { [ICOUNT] = 25, [UML] = 25 } },
	{ "cache-batch4096-256", quarry_bench_cache_batch4096_256, { [UML] = 50 } },
	{ "cache-bulk16-256", quarry_bench_cache_bulk16_256, { [ICOUNT] = 20, [UML] = 25 } },
	{ "cache-bulk64-256", quarry_bench_cache_bulk64_256, { [ICOUNT] = 20, [UML] = 25 } },
	{ "cache-shuffled1000-256", quarry_bench_cache_shuffled1000_256, { [UML] = 40 } },
	{ "sized-const-64", quarry_bench_sized_const_64, { [ICOUNT] = 45, [UML] = 40 } },
	{ "sized-var", quarry_bench_sized_var, { [UML] = 40 } },
	{ "tiny-1", quarry_bench_tiny_1, .bytes_aim = 25 },
	{ "xcpu-256", quarry_bench_xcpu_256, { [SMP] = 50 } },
	{ "scale-same", quarry_bench_scale_same, .gain_aim = 190 },
	{ "scale-classes", quarry_bench_scale_classes, .gain_aim = 190 },
	{ "mt-sized-16", quarry_bench_mt_sized_16, { [UML] = 50, [SMP] = 50 } },
	{ "ring-mp", quarry_bench_ring_mp, { [SMP] = 70 } },
	{ "pages-o0", quarry_bench_pages_o0, { [ICOUNT] = 10, [UML] = 15 } },
	{ "pages-o3", quarry_bench_pages_o3, { [ICOUNT] = 10, [UML] = 15 } },
	{ "pages-o9", quarry_bench_pages_o9, { [ICOUNT] = 5 } },
	{ "buddy-mix", quarry_bench_buddy_mix, { [ICOUNT] = 20 } },
	{ "buddy-frag", quarry_bench_buddy_frag },
	{ "arena-64", quarry_bench_arena_64, { [ICOUNT] = 9, [UML] = 10 } },
	{ "arena-64", quarry_bench_arena_64_frag },
	{ "arena-sweep", quarry_bench_arena_sweep },
	{ "arena-tree", quarry_bench_arena_tree, { [UML] = 25 } },
	{ "arena-slice", quarry_bench_arena_slice, { [UML] = 33 }, .calls_aim = 10 },
	{ "arena-slice", quarry_bench_arena_slice_each, { [UML] = 33 }, .calls_aim = 10 },
	{ "arena-life-256", quarry_bench_arena_life_256 },
	{ "arena-life-4k", quarry_bench_arena_life_4k },
	{ "arena-life-64k", quarry_bench_arena_life_64k },
	{ "arena-life-1m", quarry_bench_arena_life_1m },
	{ "arena-reset", quarry_bench_arena_reset, { [UML] = 25 } },
	{ "arena-grow", quarry_bench_arena_grow, { [UML] = 25 } },
	{ "frame", quarry_bench_frame, .calls_aim = NO_CALLS },
	{ "larson", quarry_bench_larson, { [SMP] = 60 } },
	{ "xmalloc", quarry_bench_xmalloc, { [SMP] = 60 } },
	{ "mstress", quarry_bench_mstress, { [SMP] = 60 } },
	{ "cache-scratch", quarry_bench_cache_scratch, { [SMP] = 60 } },
	{ "swiss-cheese", quarry_bench_swiss_cheese, .share_aim = 60 },
	{ "calls-1m-100", quarry_bench_calls_1m_100 },
	{ "replay-ext4", quarry_bench_replay_ext4, { [UML] = 34 } },
	{ "replay-fork", quarry_bench_replay_fork, { [UML] = 34 } },
	{ "replay-trace", quarry_bench_replay_trace },
	{ "aging", quarry_bench_aging },
	{ "decay", quarry_bench_decay },
	{ "pressure", quarry_bench_pressure, { [UML] = 130 } },
	{ "latency", quarry_bench_latency },
	{ "fast-paths", quarry_bench_fast_paths },
};

static_assert(ARRAY_SIZE(cases) <= QUARRY_BENCH_MAX_CASES);

/* === Choosing === */

static bool matches(const char *pattern, size_t len, const char *name)
{
	if (len == 3 && !strncmp(pattern, "all", len))
		return true;
	if (len && pattern[len - 1] == '*')
		return !strncmp(pattern, name, len - 1);
	return len == strlen(name) && !strncmp(pattern, name, len);
}

bool quarry_bench_choose(struct quarry_bench_choice *choice, const char *pattern)
{
	size_t i, len = strcspn(pattern, "\n");
	bool found = false;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!matches(pattern, len, cases[i].name))
			continue;
		__set_bit(i, choice->cases);
		found = true;
	}
	return found;
}
EXPORT_SYMBOL_GPL(quarry_bench_choose);

bool quarry_bench_any_chosen(const struct quarry_bench_choice *choice)
{
	return !bitmap_empty(choice->cases, ARRAY_SIZE(cases));
}
EXPORT_SYMBOL_GPL(quarry_bench_any_chosen);

void quarry_bench_names(struct bench_text *text, const struct quarry_bench_choice *choice,
			const char *between)
{
	const char *separator = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (choice && !test_bit(i, choice->cases))
			continue;
		if (i && !strcmp(cases[i].name, cases[i - 1].name))
			continue;
		bench_put(text, "%s%s", separator, cases[i].name);
		separator = between;
	}
}
EXPORT_SYMBOL_GPL(quarry_bench_names);

/* === The table === */

/* Room for a number of 64 bits with two decimals. */
struct cell {
	char text[24];
};

static const char *put_hundredths(struct cell *cell, u64 value, bool known)
{
	if (!known)
		return "-";
	snprintf(cell->text, sizeof(cell->text), "%llu.%02llu", value / 100, value % 100);
	return cell->text;
}

static const char *put_count(struct cell *cell, u64 value)
{
	if (value == QUARRY_BENCH_UNKNOWN)
		return "-";
	snprintf(cell->text, sizeof(cell->text), "%llu", value);
	return cell->text;
}

static void put_head(struct bench_text *text)
{
	bench_put(text, "%-22s %-5s %-15s %10s %12s %12s %9s %7s %14s  %s\n", "case", "per",
		  "side", "ns", "instructions", "bytes, peak", "calls", "ratio", "p10 to p90",
		  "aim");
}

/* What all rows of a case have. */
static void put_side(struct bench_text *text, const char *name, const char *side_name,
		     const struct quarry_bench_result *res, enum quarry_bench_side side)
{
	struct cell ns, instructions, bytes, calls;

	bench_put(text, "%-22s %-5s %-15s %10s %12s %12s %9s", name, res->per, side_name,
		  put_hundredths(&ns, res->ns.per_op[side], res->ns.known),
		  put_hundredths(&instructions, res->instructions.per_op[side],
				 res->instructions.known),
		  put_count(&bytes, res->peak_bytes[side]), put_count(&calls, res->calls[side]));
}

/* A figure with its spread, in thousandths. */
struct spread {
	u64 median, p10, p90;
};

static void put_spread(struct bench_text *text, struct spread s)
{
	if (quarry_bench_is_noisy(s.median, s.p10, s.p90))
		bench_put(text, "   noisy");
	else
		bench_put(text, " %3llu.%03llu", s.median / 1000, s.median % 1000);
	bench_put(text, "  %llu.%03llu to %llu.%03llu", s.p10 / 1000, s.p10 % 1000, s.p90 / 1000,
		  s.p90 % 1000);
}

/* Is it at most, or at least, @aim? */
static const char *judge(struct spread s, u64 aim, bool at_least)
{
	bool low = at_least ? s.p10 >= aim : s.p10 <= aim;
	bool high = at_least ? s.p90 >= aim : s.p90 <= aim;

	if (low != high && quarry_bench_is_noisy(s.median, s.p10, s.p90))
		return "noisy";
	return (at_least ? s.median >= aim : s.median <= aim) ? "met" : "missed";
}

static void put_calls_aim(struct bench_text *text, unsigned int aim, const char *separator,
			  const u64 *calls)
{
	bool met = aim == NO_CALLS ? !calls[QUARRY_BENCH_QUARRY] :
		   calls[QUARRY_BENCH_QUARRY] * 100 <= calls[QUARRY_BENCH_PEER] * aim;

	if (aim == NO_CALLS)
		aim = 0;
	bench_put(text, "%scalls 0.%02u %s", separator, aim, met ? "met" : "missed");
}

static void put_aims(struct bench_text *text, const struct bench_case *bc, struct spread s,
		     const u64 *calls, enum quarry_bench_platform here)
{
	const char *separator = "  ";
	bool none = true;
	enum quarry_bench_platform p;

	for (p = 0; p < QUARRY_BENCH_NR_PLATFORMS; p++) {
		if (!bc->aims[p])
			continue;
		bench_put(text, "%s%s %u.%02u", separator, quarry_bench_platform_name(p),
			  bc->aims[p] / 100, bc->aims[p] % 100);
		if (p == here)
			bench_put(text, " %s", judge(s, bc->aims[p] * 10, false));
		separator = ", ";
		none = false;
	}
	if (bc->calls_aim) {
		put_calls_aim(text, bc->calls_aim, separator, calls);
		none = false;
	}
	bench_put(text, none ? "  -\n" : "\n");
}

static struct spread gain_of(const struct quarry_bench_result *res, enum quarry_bench_side side)
{
	return (struct spread){
		.median = res->gains.gain[side],
		.p10 = res->gains.p10[side],
		.p90 = res->gains.p90[side],
	};
}

static void put_gain_aims(struct bench_text *text, const struct bench_case *bc,
			  const struct quarry_bench_result *res,
			  enum quarry_bench_platform platform)
{
	struct spread ours = gain_of(res, QUARRY_BENCH_QUARRY);
	struct spread peer = gain_of(res, QUARRY_BENCH_PEER);

	if (platform != SMP) {
		bench_put(text, "  smp gain %u.%02u, the peer's\n", bc->gain_aim / 100,
			  bc->gain_aim % 100);
		return;
	}
	bench_put(text, "  smp gain %u.%02u %s, the peer's %s\n", bc->gain_aim / 100,
		  bc->gain_aim % 100, judge(ours, bc->gain_aim * 10, true),
		  quarry_bench_is_noisy(peer.median, peer.p10, peer.p90) ? "noisy" :
		  judge(ours, peer.median, true));
}

static void put_bytes_ratio(struct bench_text *text, const struct bench_case *bc,
			    const struct quarry_bench_result *res)
{
	u64 ratio = div64_u64(1000 * res->peak_bytes[QUARRY_BENCH_QUARRY],
			      max(res->peak_bytes[QUARRY_BENCH_PEER], 1ULL));

	bench_put(text, " %3llu.%03llu  %14s  bytes 0.%02u %s\n", ratio / 1000, ratio % 1000, "-",
		  bc->bytes_aim, ratio <= bc->bytes_aim * 10 ? "met" : "missed");
}

/* Of Quarry, where the ratio stands in other cases. */
static void put_shares(struct bench_text *text, const struct bench_case *bc,
		       const struct quarry_bench_shares *shares)
{
	bench_put(text, " %3llu.%03llu  %14s  share 0.%02u %s, the peer's %s\n",
		  shares->quarry / 1000, shares->quarry % 1000, "-", bc->share_aim,
		  shares->quarry >= bc->share_aim * 10 ? "met" : "missed",
		  shares->quarry > shares->peer ? "met" : "missed");
}

/* Of times, or of instructions where the clock counts those. */
static void put_ratio(struct bench_text *text, const struct bench_case *bc,
		      const struct quarry_bench_result *res, enum quarry_bench_platform platform)
{
	const struct quarry_bench_figures *fig = res->ns.known ? &res->ns : &res->instructions;
	struct spread s;

	if (!res->peer) {
		bench_put(text, " %7s %14s  no peer in this kernel\n", "-", "-");
		return;
	}
	if (res->shares.known) {
		put_shares(text, bc, &res->shares);
		return;
	}
	if (bc->bytes_aim) {
		put_bytes_ratio(text, bc, res);
		return;
	}
	s = (struct spread){ .median = fig->ratio, .p10 = fig->ratio_p10, .p90 = fig->ratio_p90 };
	put_spread(text, s);
	put_aims(text, bc, s, res->calls, platform);
}

static void note_best_gains(struct bench_text *notes, const struct bench_case *bc,
			    const struct quarry_bench_result *res)
{
	const u64 *best = res->gains.best;

	bench_put(notes, "%s: gain of the shortest slices: quarry %llu.%03llu,", bc->name,
		  best[QUARRY_BENCH_QUARRY] / 1000, best[QUARRY_BENCH_QUARRY] % 1000);
	bench_put(notes, " %s %llu.%03llu, empty loop %llu.%03llu\n", res->peer,
		  best[QUARRY_BENCH_PEER] / 1000, best[QUARRY_BENCH_PEER] % 1000,
		  best[QUARRY_BENCH_NONE] / 1000, best[QUARRY_BENCH_NONE] % 1000);
}

bool quarry_bench_has_memory(struct quarry_bench_result *res, u64 bytes)
{
	u64 available = (u64)max(si_mem_available(), 0L) << PAGE_SHIFT;

	if (bytes <= available)
		return true;
	res->left_out = "too little memory is available";
	bench_put(res->notes, "\n%s: needs %llu KiB, %llu KiB are available\n", res->name,
		  DIV_ROUND_UP_ULL(bytes, SZ_1K), div_u64(available, SZ_1K));
	return false;
}

/* Each side's own gain stands where the ratio does in other cases. */
static void put_gain_rows(struct bench_text *text, const struct bench_case *bc,
			  const struct quarry_bench_result *res,
			  enum quarry_bench_platform platform)
{
	put_side(text, bc->name, "quarry", res, QUARRY_BENCH_QUARRY);
	put_spread(text, gain_of(res, QUARRY_BENCH_QUARRY));
	put_gain_aims(text, bc, res, platform);
	put_side(text, bc->name, res->peer, res, QUARRY_BENCH_PEER);
	put_spread(text, gain_of(res, QUARRY_BENCH_PEER));
	bench_put(text, "\n");
	put_side(text, bc->name, "(empty loop)", res, QUARRY_BENCH_NONE);
	put_spread(text, gain_of(res, QUARRY_BENCH_NONE));
	bench_put(text, "\n");
	note_best_gains(res->notes, bc, res);
}

static void put_rows(struct bench_text *text, const struct bench_case *bc,
		     const struct quarry_bench_result *res, enum quarry_bench_platform platform)
{
	if (res->left_out) {
		bench_put(text, "%-22s left out: %s\n", bc->name, res->left_out);
		return;
	}
	/* All that it has to say is in the notes. */
	if (!res->ns.known && !res->instructions.known && !res->shares.known)
		return;
	if (res->gains.known) {
		put_gain_rows(text, bc, res, platform);
		return;
	}
	put_side(text, bc->name, "quarry", res, QUARRY_BENCH_QUARRY);
	put_ratio(text, bc, res, platform);
	if (res->peer) {
		put_side(text, bc->name, res->peer, res, QUARRY_BENCH_PEER);
		if (res->shares.known)
			bench_put(text, " %3llu.%03llu", res->shares.peer / 1000,
				  res->shares.peer % 1000);
		bench_put(text, "\n");
	}
	if (res->shares.known)
		return;
	put_side(text, bc->name, "(empty loop)", res, QUARRY_BENCH_NONE);
	bench_put(text, "\n");
}

static void put_legend(struct bench_text *text)
{
	bench_put(text, "ns, instructions: median slice without the empty loop; -: not known\n");
	bench_put(text, "calls: requests that reached the kernel; for the peer that is each;\n");
	bench_put(text, "where arenas are measured, those to their heap as well\n");
	bench_put(text, "ratio: quarry / peer in %s, median of the slices, which alternate\n",
		  quarry_bench_meter.has_ns ? "ns" : "instructions");
	bench_put(text, "where an aim is for bytes: of the peaks\n");
	bench_put(text, "where one is for a share: each side's own, of the bytes that came back\n");
	bench_put(text, "where one is for a gain: times one CPU after the other / both at once\n");
	bench_put(text, "noisy: p10 to p90 is more than 20 %% of the median\n");
}

/* === Running === */

void quarry_bench_conclude(struct quarry_bench_run *run, unsigned int nr_slices,
			   unsigned int nr_ops, struct quarry_bench_result *res)
{
	if (quarry_bench_meter.has_ns)
		quarry_bench_figure(&run->ns, nr_slices, nr_ops, &res->ns);
	if (quarry_bench_meter.has_instructions)
		quarry_bench_figure(&run->instructions, nr_slices, nr_ops, &res->instructions);
}

static int run_case(const struct bench_case *bc, struct bench_text *text,
		    struct bench_text *notes, enum quarry_bench_platform platform)
{
	struct quarry_bench_result res = { .name = bc->name, .notes = notes };
	const size_t notes_start = notes->len;
	enum quarry_bench_side side;
	int ret;

	for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++) {
		res.peak_bytes[side] = QUARRY_BENCH_UNKNOWN;
		res.calls[side] = QUARRY_BENCH_UNKNOWN;
	}
	ret = bc->run(&res);
	if (ret) {
		pr_err("case %s failed: error %d\n", bc->name, ret);
		return ret;
	}
	put_rows(text, bc, &res, platform);
	quarry_bench_emit_result(&res, notes->buf + notes_start);
	return 0;
}

static int run_chosen(const struct quarry_bench_choice *choice, struct bench_text *text,
		      struct bench_text *notes)
{
	enum quarry_bench_platform platform = quarry_bench_find_platform();
	int ret = 0;
	size_t i;

	quarry_bench_put_platform(text);
	put_head(text);
	for (i = 0; i < ARRAY_SIZE(cases) && !ret; i++)
		if (test_bit(i, choice->cases))
			ret = run_case(&cases[i], text, notes, platform);
	put_legend(text);
	bench_put(text, "%s", notes->buf);
	return ret;
}

int quarry_bench_cases(const struct quarry_bench_choice *choice, bool icount,
		       struct bench_text *text, struct bench_text *results)
{
	struct bench_text notes = { .size = text->size };
	int ret, full;

	ret = quarry_bench_meter_open(icount);
	if (ret)
		return ret;
	quarry_bench_results_open(results);
	notes.buf = kvzalloc(notes.size, GFP_KERNEL);
	ret = notes.buf ? run_chosen(choice, text, &notes) : -ENOMEM;
	kvfree(notes.buf);
	full = quarry_bench_results_close();
	quarry_bench_meter_close();
	return ret ?: full;
}
