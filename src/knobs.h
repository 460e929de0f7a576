/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Knobs: what a heap can be told, by whatever way: module parameters (for the
 * default heap), struct quarry_heap_params, files in debugfs.
 */
#ifndef _QUARRY_KNOBS_H
#define _QUARRY_KNOBS_H

#include <linux/types.h>

#include <quarry/heap.h>

struct seq_file;

enum quarry_knob {
	QUARRY_KNOB_LIMIT,
	QUARRY_KNOB_SOFT_LIMIT,
	QUARRY_KNOB_RESERVE,
	QUARRY_KNOB_DECAY_MS,
	QUARRY_KNOB_MAGAZINE_ORDER,
	QUARRY_KNOB_MAGAZINE_BYTES,
	QUARRY_KNOB_CPU_BYTES,
	QUARRY_NR_KNOBS,
	/* in quarry_knobs_check() */
	QUARRY_KNOB_ANY = QUARRY_NR_KNOBS,
};

/* What they do, for modinfo, which takes literals only. */
#define QUARRY_LIMIT_DESC	"hard limit in bytes: 0 (none) or 64K to all memory"
#define QUARRY_SOFT_LIMIT_DESC	"bytes above which memory goes back: 0 (none) or 64K to limit"
#define QUARRY_RESERVE_DESC	"bytes taken at once and kept: 0 to half of memory, within limit"
#define QUARRY_DECAY_MS_DESC	"half-life of idle pages in ms: 0 (at once) to 3600000, -1 never"
#define QUARRY_MAGAZINE_ORDER_DESC \
	"largest order of pages that goes through magazines: 0 to 3, -1 none"
#define QUARRY_MAGAZINE_BYTES_DESC \
	"bytes of objects that a magazine may hold: 4096 to 1048576"

#define QUARRY_CPU_BYTES_DESC \
	"bytes of objects that a CPU's magazines may hold: 65536 to 1073741824"

/* Longest half-life, milliseconds. */
#define QUARRY_DECAY_MAX	3600000

/* One value for each knob, in its unit. */
struct quarry_knobs {
	s64 value[QUARRY_NR_KNOBS];
};

const char *quarry_knob_name(enum quarry_knob knob);
s64 quarry_knob_default(enum quarry_knob knob);
/* The largest value now: of some it depends on how much memory there is. */
s64 quarry_knob_largest(enum quarry_knob knob);

/* A table of all with their values, ranges and defaults. */
void quarry_knobs_show(struct seq_file *m, const struct quarry_knobs *knobs);

/*
 * Turn @text, a decimal number, for bytes with an optional suffix K, M or G, into
 * @value.  -EINVAL and a line in the log that names @heap (NULL: a module
 * parameter) if it is none; whether it is in range is not looked at.
 */
int quarry_knob_parse(const char *heap, enum quarry_knob knob, const char *text, s64 *value);

/*
 * The check for all ways in: each value in its range, and all fit together.
 * -EINVAL and one line if not; of two that do not fit together the line is about
 * @changed, if that is one of them.
 */
int quarry_knobs_check(const char *heap, const struct quarry_knobs *knobs,
		       enum quarry_knob changed);

#endif /* _QUARRY_KNOBS_H */
