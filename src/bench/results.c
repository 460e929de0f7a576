// SPDX-License-Identifier: GPL-2.0
/*
 * Results for programs; see results.h.
 *
 * There is one run at a time (main.c), and only the thread of the case writes, so the text needs
 * no lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <linux/utsname.h>
#include "platform.h"
#include "results.h"

/* "icount-stock-" and a release. */
#define LABEL_SIZE	(16 + __NEW_UTS_LEN)

/* What built this, which need not be what built the kernel.  Sparse has no __VERSION__. */
#ifdef __clang__
#define COMPILER	"clang", __clang_major__, __clang_minor__, __clang_patchlevel__
#else
#define COMPILER	"gcc", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__
#endif

static struct bench_text *out;
static char label_buf[LABEL_SIZE];

/* Quotes and what cannot stand between them. */
static void put_string(const char *s)
{
	bench_put(out, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			bench_put(out, "\\%c", *s);
		else
			bench_put(out, "%c", (unsigned char)*s < ' ' ? ' ' : *s);
	}
	bench_put(out, "\"");
}

static void put_key(const char *key, const char *value)
{
	bench_put(out, ",\"%s\":", key);
	put_string(value);
}

static void put_thousandths(const char *key, u64 value)
{
	bench_put(out, ",\"%s\":%llu.%03llu", key, value / 1000, value % 1000);
}

/* What all lines but the first begin with. */
static void begin(const char *kind, const struct quarry_bench_result *res)
{
	bench_put(out, "{\"kind\":\"%s\"", kind);
	put_key("platform", label_buf);
	put_key("case", res->name);
}

static void begin_result(const struct quarry_bench_result *res, const char *subject,
			 const char *unit)
{
	begin("result", res);
	put_key("subject", subject);
	if (res->peer)
		put_key("peer", res->peer);
	put_key("unit", unit);
}

static void end(void)
{
	bench_put(out, "}\n");
}

void quarry_bench_emit_value(const struct quarry_bench_result *res,
			     const struct quarry_bench_value *value)
{
	begin_result(res, value->subject, value->unit);
	put_key("what", value->what);
	put_thousandths("median", value->median);
	put_thousandths("min", value->n ? value->min : value->median);
	put_thousandths("max", value->n ? value->max : value->median);
	bench_put(out, ",\"n\":%u", value->n ?: 1);
	end();
}
EXPORT_SYMBOL_GPL(quarry_bench_emit_value);

void quarry_bench_emit_series(const struct quarry_bench_result *res,
			      const struct quarry_bench_series *series)
{
	unsigned int i;

	begin("series", res);
	put_key("subject", series->subject);
	put_key("series", series->name);
	put_key("x_unit", series->x_unit);
	put_key("y_unit", series->y_unit);
	bench_put(out, ",\"points\":[");
	for (i = 0; i < min(series->nr, QUARRY_BENCH_MAX_POINTS + 0U); i++)
		bench_put(out, "%s[%llu,%llu]", i ? "," : "", series->points[i].x,
			  series->points[i].y);
	bench_put(out, "]");
	end();
}
EXPORT_SYMBOL_GPL(quarry_bench_emit_series);

/* === What every case has === */

static const char *subject_name(const struct quarry_bench_result *res,
				enum quarry_bench_side side)
{
	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return "quarry";
	case QUARRY_BENCH_PEER:
		return res->peer;
	default:
		return "(empty loop)";
	}
}

/* The figures are in hundredths. */
static void emit_costs(const struct quarry_bench_result *res, enum quarry_bench_side side,
		       const struct quarry_bench_figures *fig, const char *unit)
{
	if (!fig->known)
		return;
	begin_result(res, subject_name(res, side), unit);
	put_key("per", res->per);
	put_thousandths("median", fig->per_op[side] * 10);
	put_thousandths("min", fig->least[side] * 10);
	put_thousandths("max", fig->most[side] * 10);
	bench_put(out, ",\"n\":%u", fig->nr);
	end();
}

static void emit_count(const struct quarry_bench_result *res, enum quarry_bench_side side,
		       u64 value, const char *unit)
{
	if (value == QUARRY_BENCH_UNKNOWN)
		return;
	begin_result(res, subject_name(res, side), unit);
	bench_put(out, ",\"median\":%llu,\"min\":%llu,\"max\":%llu,\"n\":1", value, value, value);
	end();
}

/* A median with too wide a spread is no figure, so it is not given away as one. */
static void put_spread(u64 median, u64 p10, u64 p90)
{
	if (quarry_bench_is_noisy(median, p10, p90))
		put_key("median", "noisy");
	else
		put_thousandths("median", median);
	put_thousandths("p10", p10);
	put_thousandths("p90", p90);
}

static void emit_ratio(const struct quarry_bench_result *res,
		       const struct quarry_bench_figures *fig, const char *of)
{
	if (!fig->known || !res->peer)
		return;
	begin_result(res, "quarry", "ratio");
	put_key("of", of);
	put_spread(fig->ratio, fig->ratio_p10, fig->ratio_p90);
	put_thousandths("min", fig->ratio_min);
	put_thousandths("max", fig->ratio_max);
	bench_put(out, ",\"n\":%u", fig->nr);
	end();
}

static void emit_gain(const struct quarry_bench_result *res, enum quarry_bench_side side)
{
	const struct quarry_bench_gains *gains = &res->gains;

	begin_result(res, subject_name(res, side), "gain");
	put_spread(gains->gain[side], gains->p10[side], gains->p90[side]);
	put_thousandths("best", gains->best[side]);
	bench_put(out, ",\"n\":%u", gains->nr);
	end();
}

static void emit_side(const struct quarry_bench_result *res, enum quarry_bench_side side)
{
	emit_costs(res, side, &res->ns, "ns");
	emit_costs(res, side, &res->instructions, "insn");
	emit_count(res, side, res->peak_bytes[side], "bytes");
	emit_count(res, side, res->calls[side], "calls");
	if (res->gains.known)
		emit_gain(res, side);
}

static void emit_notes(const struct quarry_bench_result *res, const char *notes)
{
	while (*notes) {
		size_t len = strchrnul(notes, '\n') - notes;
		char line[160];

		snprintf(line, sizeof(line), "%.*s", (int)len, notes);
		begin("note", res);
		put_key("text", line);
		end();
		notes += len + (notes[len] == '\n');
	}
}

void quarry_bench_emit_result(const struct quarry_bench_result *res, const char *notes)
{
	enum quarry_bench_side side;

	if (res->left_out) {
		begin("left_out", res);
		put_key("reason", res->left_out);
		end();
		return;
	}
	for (side = 0; side < QUARRY_BENCH_NR_SIDES; side++)
		if (side != QUARRY_BENCH_PEER || res->peer)
			emit_side(res, side);
	emit_ratio(res, &res->ns, "ns");
	emit_ratio(res, &res->instructions, "insn");
	if (notes)
		emit_notes(res, notes);
}
EXPORT_SYMBOL_GPL(quarry_bench_emit_result);

/* === Begin and end === */

void quarry_bench_results_open(struct bench_text *text)
{
	struct bench_text label = { .buf = label_buf, .size = sizeof(label_buf) };

	out = text;
	out->len = 0;
	quarry_bench_put_label(&label);
	bench_put(out, "{\"kind\":\"machine\"");
	put_key("platform", label_buf);
	put_key("kernel", init_utsname()->release);
	put_key("version", init_utsname()->version);
	bench_put(out, ",\"compiler\":\"%s %d.%d.%d\"", COMPILER);
	end();
}
EXPORT_SYMBOL_GPL(quarry_bench_results_open);

int quarry_bench_results_close(void)
{
	const bool full = out->len + 1 >= out->size;

	out = NULL;
	if (!full)
		return 0;
	pr_err("the results do not fit\n");
	return -EFBIG;
}
EXPORT_SYMBOL_GPL(quarry_bench_results_close);
