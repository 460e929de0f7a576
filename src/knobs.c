// SPDX-License-Identifier: GPL-2.0
/*
 * Knobs: one table, one parser, one check, whichever way a value comes in.
 *
 * Locking: none.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "internal.h"
#include "knobs.h"
#include "run.h"

/* Longest text of a range, and some. */
#define RANGE_SIZE	80

/* Largest value: so much of memory, which may change. */
#define ALL_MEMORY	(-1)
#define HALF_MEMORY	(-2)

/* Documentation/parameters.rst is made from this. */
static const struct knob {
	const char *name, *unit;
	s64 special;		/* allowed outside of the range, too, */
	const char *means;	/* and standing for this; NULL: there is none */
	s64 min, max, def;
	const char *desc;
} knobs_table[] = {
	[QUARRY_KNOB_LIMIT] = {
		.name = "limit", .unit = "bytes", .special = 0, .means = "none",
		.min = SZ_64K, .max = ALL_MEMORY, .def = 0,
		.desc = QUARRY_LIMIT_DESC,
	},
	[QUARRY_KNOB_SOFT_LIMIT] = {
		.name = "soft_limit", .unit = "bytes", .special = 0, .means = "none",
		.min = SZ_64K, .max = ALL_MEMORY, .def = 0,
		.desc = QUARRY_SOFT_LIMIT_DESC,
	},
	[QUARRY_KNOB_RESERVE] = {
		.name = "reserve", .unit = "bytes",
		.min = 0, .max = HALF_MEMORY, .def = 0,
		.desc = QUARRY_RESERVE_DESC,
	},
	[QUARRY_KNOB_DECAY_MS] = {
		.name = "decay_ms", .unit = "ms", .special = -1, .means = "never",
		.min = 0, .max = QUARRY_DECAY_MAX, .def = QUARRY_DECAY_DEFAULT,
		.desc = QUARRY_DECAY_MS_DESC,
	},
	[QUARRY_KNOB_MAGAZINE_ORDER] = {
		.name = "magazine_order", .unit = "(order)", .special = -1, .means = "none",
		.min = 0, .max = QUARRY_NR_PAGE_FRONTS - 1, .def = QUARRY_MAGAZINE_ORDER_DEFAULT,
		.desc = QUARRY_MAGAZINE_ORDER_DESC,
	},
	[QUARRY_KNOB_MAGAZINE_BYTES] = {
		.name = "magazine_bytes", .unit = "bytes",
		.min = SZ_4K, .max = SZ_1M, .def = QUARRY_MAGAZINE_BYTES_DEFAULT,
		.desc = QUARRY_MAGAZINE_BYTES_DESC,
	},
	[QUARRY_KNOB_CPU_BYTES] = {
		.name = "cpu_bytes", .unit = "bytes",
		.min = SZ_64K, .max = SZ_1G, .def = QUARRY_CPU_BYTES_DEFAULT,
		.desc = QUARRY_CPU_BYTES_DESC,
	},
};

static_assert(ARRAY_SIZE(knobs_table) == QUARRY_NR_KNOBS);

const char *quarry_knob_name(enum quarry_knob knob)
{
	return knobs_table[knob].name;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_knob_name);

s64 quarry_knob_default(enum quarry_knob knob)
{
	return knobs_table[knob].def;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_knob_default);

static bool is_bytes(enum quarry_knob knob)
{
	return !strcmp(knobs_table[knob].unit, "bytes");
}

s64 quarry_knob_largest(enum quarry_knob knob)
{
	s64 memory = (s64)totalram_pages() << PAGE_SHIFT;

	switch (knobs_table[knob].max) {
	case ALL_MEMORY:
		return memory;
	case HALF_MEMORY:
		return memory / 2;
	default:
		return knobs_table[knob].max;
	}
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_knob_largest);

/* === What is wrong, and what may be === */

static void write_range(char *text, enum quarry_knob knob)
{
	const struct knob *info = &knobs_table[knob];
	bool within = knob == QUARRY_KNOB_SOFT_LIMIT || knob == QUARRY_KNOB_RESERVE;
	int n = 0;

	if (info->means)
		n = scnprintf(text, RANGE_SIZE, "%lld (%s) or ", info->special, info->means);
	scnprintf(text + n, RANGE_SIZE - n, "%lld to %lld %s%s", info->min,
		  quarry_knob_largest(knob), info->unit, within ? " and within limit" : "");
}

static int refuse(const char *heap, enum quarry_knob knob, const char *value, const char *what)
{
	int len = strcspn(value, "\n");
	char range[RANGE_SIZE];

	write_range(range, knob);
	quarry_refusal("%s%.31s%s%s=%*pE: %s, has to be %s\n", heap ? "heap " : "parameter ",
		       heap ?: "", heap ? ": " : "", knobs_table[knob].name, min(len, 31), value,
		       what, range);
	return -EINVAL;
}

static int refuse_value(const char *heap, enum quarry_knob knob, s64 value, const char *what)
{
	char text[24];

	/* What is beyond S64_MAX comes from a field of 64 bits without a sign. */
	snprintf(text, sizeof(text), is_bytes(knob) ? "%llu" : "%lld", value);
	return refuse(heap, knob, text, what);
}

void quarry_knobs_show(struct seq_file *m, const struct quarry_knobs *knobs)
{
	char range[RANGE_SIZE];
	enum quarry_knob knob;

	seq_printf(m, "%-16s %16s %16s  %s\n", "knob", "value", "default", "range");
	for (knob = 0; knob < QUARRY_NR_KNOBS; knob++) {
		write_range(range, knob);
		seq_printf(m, "%-16s %16lld %16lld  %s\n", knobs_table[knob].name,
			   READ_ONCE(knobs->value[knob]), knobs_table[knob].def, range);
		seq_printf(m, "%-16s %16s %16s  %s\n", "", "", "", knobs_table[knob].desc);
	}
}

/* === From text === */

static int parse_bytes(const char *text, s64 *value)
{
	size_t digits = strspn(text, "0123456789");
	bool suffix = digits && text[digits] && strchr("kKmMgG", text[digits]);
	const char *rest = text + digits + suffix;

	/* memparse() wraps silently; so few digits cannot. */
	if (!digits || digits > (suffix ? 10 : 18) || (*rest && strcmp(rest, "\n")))
		return -EINVAL;
	*value = memparse(text, NULL);
	return 0;
}

int quarry_knob_parse(const char *heap, enum quarry_knob knob, const char *text, s64 *value)
{
	if (is_bytes(knob)) {
		if (!parse_bytes(text, value))
			return 0;
		return refuse(heap, knob, text, "not a number of bytes (suffix K, M or G)");
	}
	if (!kstrtos64(text, 10, value))
		return 0;
	return refuse(heap, knob, text, "not a number");
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_knob_parse);

/* === The check === */

static int check_range(const char *heap, enum quarry_knob knob, s64 value)
{
	const struct knob *info = &knobs_table[knob];

	if ((info->means && value == info->special) ||
	    (value >= info->min && value <= quarry_knob_largest(knob)))
		return 0;
	return refuse_value(heap, knob, value, "out of range");
}

/* A heap with a limit: @knob, of @bytes, is within it. */
static int check_within(const char *heap, const struct quarry_knobs *knobs, enum quarry_knob knob,
			s64 bytes, enum quarry_knob changed)
{
	s64 limit = knobs->value[QUARRY_KNOB_LIMIT];
	char what[48];

	if (!limit || bytes <= limit)
		return 0;
	if (changed == QUARRY_KNOB_LIMIT) {
		snprintf(what, sizeof(what), "below %s %lld", knobs_table[knob].name,
			 knobs->value[knob]);
		return refuse_value(heap, QUARRY_KNOB_LIMIT, limit, what);
	}
	snprintf(what, sizeof(what), "above limit %lld", limit);
	return refuse_value(heap, knob, knobs->value[knob], what);
}

int quarry_knobs_check(const char *heap, const struct quarry_knobs *knobs,
		       enum quarry_knob changed)
{
	const s64 *value = knobs->value;
	enum quarry_knob knob;
	int ret;

	for (knob = 0; knob < QUARRY_NR_KNOBS; knob++) {
		/* The others were in range, though memory may have gone since. */
		if (changed != QUARRY_KNOB_ANY && changed != knob)
			continue;
		ret = check_range(heap, knob, value[knob]);
		if (ret)
			return ret;
	}
	return check_within(heap, knobs, QUARRY_KNOB_SOFT_LIMIT, value[QUARRY_KNOB_SOFT_LIMIT],
			    changed) ?:
	       check_within(heap, knobs, QUARRY_KNOB_RESERVE,
			    PAGE_ALIGN(value[QUARRY_KNOB_RESERVE]), changed);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_knobs_check);
