// SPDX-License-Identifier: GPL-2.0
/*
 * Parser of recorded allocation traces, format version 1.
 *
 *   # quarry-trace 1                          first line
 *   # slots 9 caches 1 records 2 ...          before anything it bounds
 *   # other comments
 *   C 0 192 dentry                            cache 0: objects of 192 bytes
 *   1 c 7 0                                   CPU 1: cache 0 into slot 7
 *   0 f 7                                     CPU 0: free slot 7
 *
 * A file may come from anywhere, so nothing in it is believed: each line must
 * have exactly its fields, single spaces between them and a newline after
 * them, and each number must fit where it goes.  What the header announces
 * sizes the arrays, within what a text of that length can use, so that a short
 * file cannot ask for much memory.  The announced number of records must then
 * be there: a file cut at a line's end is found by that.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include "trace.h"

#define FORMAT_LINE	"# quarry-trace "
#define HEADER_LINE	"# slots "

/* "0 f 0\n": no record is shorter. */
#define MIN_RECORD_LEN	6

/* So many slots are granted to the shortest file: it may be cut from a long one. */
#define MIN_MAX_SLOTS	1000000U

/* What is in a slot while parsing. */
struct slot_state {
	u32 filled;		/* index of the record that filled it, + 1; 0 if empty */
	u32 cpu;
};

struct parser {
	struct quarry_trace *trace;
	struct quarry_trace_error *err;
	struct slot_state *slots;
	u32 nr_records;		/* announced; trace->nr_records counts those seen */
	u32 nr_declared;	/* caches seen */
	bool have_header;
	u64 live_bytes;
	/* the current line: what is left of it */
	const char *pos;
	const char *end;
	bool more;		/* a space was read, so a field must follow */
};

static __printf(2, 3) int refuse(struct parser *p, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(p->err->message, sizeof(p->err->message), fmt, args);
	va_end(args);
	return -EINVAL;
}

/* Take what stands up to the next space or the end of the line. */
static int next_field(struct parser *p, const char *what, const char **field, size_t *len)
{
	const char *start = p->pos;

	while (p->pos < p->end && *p->pos != ' ')
		p->pos++;
	*field = start;
	*len = p->pos - start;
	if (!*len)
		return refuse(p, "%s missing", what);
	p->more = p->pos < p->end;
	if (p->more)
		p->pos++;
	return 0;
}

static int next_number(struct parser *p, const char *what, u32 max, u32 *number)
{
	const char *field;
	u64 value = 0;
	size_t len, i;
	int ret;

	ret = next_field(p, what, &field, &len);
	if (ret)
		return ret;
	for (i = 0; i < len; i++) {
		if (field[i] < '0' || field[i] > '9')
			return refuse(p, "%s is not a number", what);
		value = value * 10 + (field[i] - '0');
		if (value > max)
			return refuse(p, "%s out of range: at most %u", what, max);
	}
	*number = value;
	return 0;
}

static int end_of_line(struct parser *p)
{
	return p->more ? refuse(p, "garbage at the end of the line") : 0;
}

static bool line_starts(const struct parser *p, const char *prefix)
{
	size_t len = strlen(prefix);

	return p->end - p->pos >= len && !memcmp(p->pos, prefix, len);
}

static int parse_format(struct parser *p)
{
	u32 version;
	int ret;

	if (line_starts(p, "\x1f\x8b"))
		return refuse(p, "this is a gzip file: decompress it first");
	if (!line_starts(p, FORMAT_LINE))
		return refuse(p, "not a trace: the first line must be '" FORMAT_LINE "1'");
	p->pos += strlen(FORMAT_LINE);
	ret = next_number(p, "version", U32_MAX, &version);
	if (ret)
		return ret;
	if (version != 1)
		return refuse(p, "version %u is not known, only 1 is", version);
	return end_of_line(p);
}

static int allocate_arrays(struct parser *p, u32 nr_slots, u32 nr_caches, u32 nr_records)
{
	struct quarry_trace *trace = p->trace;

	trace->nr_slots = nr_slots;
	trace->nr_caches = nr_caches;
	/* One byte more than needed, because vmalloc() of nothing fails. */
	trace->caches = vzalloc(array_size(nr_caches, sizeof(*trace->caches)) + 1);
	trace->records = vmalloc(array_size(nr_records, sizeof(*trace->records)) + 1);
	/* At worst every record is a run of its own; trimmed at the end. */
	trace->runs = vmalloc(array_size(nr_records + 1UL, sizeof(*trace->runs)));
	p->slots = vzalloc(array_size(nr_slots, sizeof(*p->slots)) + 1);
	if (!trace->caches || !trace->records || !trace->runs || !p->slots)
		return -ENOMEM;
	return 0;
}

static int parse_header(struct parser *p, size_t text_len)
{
	u32 nr_slots = 0, nr_caches = 0, nr_records = 0;
	bool slots = false, caches = false, records = false;
	int ret;

	if (p->have_header)
		return refuse(p, "second header");
	p->pos += 2;
	p->more = true;
	while (p->more) {
		const char *key, *what = "unknown key";
		u32 ignored, *number = &ignored;
		u32 max = U32_MAX;
		bool *seen = NULL;
		size_t len;

		ret = next_field(p, "key", &key, &len);
		if (ret)
			return ret;
		if (len == 5 && !memcmp(key, "slots", 5)) {
			what = "slots";
			number = &nr_slots;
			seen = &slots;
			/* A slot that is used takes a record, so this bounds nothing real. */
			max = clamp_t(size_t, text_len, MIN_MAX_SLOTS, U32_MAX);
		} else if (len == 6 && !memcmp(key, "caches", 6)) {
			what = "caches";
			number = &nr_caches;
			seen = &caches;
			max = QUARRY_TRACE_MAX_CACHES;
		} else if (len == 7 && !memcmp(key, "records", 7)) {
			what = "records";
			number = &nr_records;
			seen = &records;
			max = U32_MAX - 1;
		}
		if (seen && *seen)
			return refuse(p, "%s given twice", what);
		/* Only after a space is there another field on the line. */
		ret = p->more ? next_number(p, what, max, number) :
				refuse(p, "value of %s missing", what);
		if (ret)
			return ret;
		if (seen)
			*seen = true;
	}
	if (!slots || !caches || !records)
		return refuse(p, "header must give slots, caches and records");
	p->have_header = true;
	p->nr_records = nr_records;
	/* In a cut file there are fewer; what is wrong with it is found at its end. */
	nr_records = min_t(size_t, nr_records, text_len / MIN_RECORD_LEN);
	return allocate_arrays(p, nr_slots, nr_caches, nr_records);
}

static int parse_cache(struct parser *p)
{
	struct quarry_trace_cache *cache;
	const char *name;
	u32 id, size;
	size_t len, i;
	int ret;

	p->pos += 2;
	if (!p->have_header)
		return refuse(p, "cache before the header '" HEADER_LINE "...'");
	ret = next_number(p, "cache", U32_MAX, &id);
	if (ret)
		return ret;
	if (id >= p->trace->nr_caches)
		return refuse(p, "cache %u out of range: the header says %u caches", id,
			      p->trace->nr_caches);
	cache = &p->trace->caches[id];
	if (cache->size)
		return refuse(p, "cache %u declared twice", id);
	ret = next_number(p, "object size", QUARRY_TRACE_MAX_CACHE_SIZE, &size);
	if (ret)
		return ret;
	if (!size)
		return refuse(p, "object size 0");
	ret = next_field(p, "cache name", &name, &len);
	if (ret)
		return ret;
	if (len > QUARRY_TRACE_MAX_NAME)
		return refuse(p, "cache name too long: at most %u characters",
			      QUARRY_TRACE_MAX_NAME);
	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return refuse(p, "cache name has a character that cannot be printed");
	memcpy(cache->name, name, len);		/* zeroed at allocation */
	cache->size = size;
	p->nr_declared++;
	return end_of_line(p);
}

static int parse_alloc(struct parser *p, char kind, struct quarry_trace_record *rec)
{
	const struct quarry_trace *trace = p->trace;
	u32 arg;
	int ret;

	switch (kind) {
	case 'k':
		ret = next_number(p, "size", QUARRY_TRACE_MAX_SIZE, &arg);
		if (!ret && !arg)
			ret = refuse(p, "size 0");
		rec->op = QUARRY_TRACE_ALLOC_SIZED;
		break;
	case 'c':
		ret = next_number(p, "cache", U32_MAX, &arg);
		if (!ret && (arg >= trace->nr_caches || !trace->caches[arg].size))
			ret = refuse(p, "cache %u is not declared", arg);
		rec->op = QUARRY_TRACE_ALLOC_CACHE;
		break;
	default:
		ret = next_number(p, "order", QUARRY_TRACE_MAX_ORDER, &arg);
		rec->op = QUARRY_TRACE_ALLOC_PAGES;
		break;
	}
	if (ret)
		return ret;
	rec->arg = arg;
	rec->tiny = quarry_trace_bytes(trace, rec) < sizeof(long);
	return 0;
}

static void note_alloc(struct parser *p, struct slot_state *slot, u32 cpu,
		       const struct quarry_trace_record *rec)
{
	struct quarry_trace *trace = p->trace;

	slot->filled = trace->nr_records + 1;
	slot->cpu = cpu;
	p->live_bytes += quarry_trace_bytes(trace, rec);
	trace->peak_bytes = max(trace->peak_bytes, p->live_bytes);
	trace->nr_allocs++;
	trace->nr_left++;
}

static void note_free(struct parser *p, struct slot_state *slot, u32 cpu,
		      struct quarry_trace_record *rec)
{
	struct quarry_trace *trace = p->trace;

	*rec = trace->records[slot->filled - 1];
	rec->op++;
	slot->filled = 0;
	p->live_bytes -= quarry_trace_bytes(trace, rec);
	trace->nr_remote_frees += slot->cpu != cpu;
	trace->nr_frees++;
	trace->nr_left--;
}

/* Start a new run at this record if its CPU is not that of the current run. */
static void note_cpu(struct quarry_trace *trace, u32 cpu)
{
	struct quarry_trace_run *run = &trace->runs[trace->nr_runs];
	bool changed = !trace->nr_runs || run[-1].cpu != cpu;

	if (!changed && trace->nr_records - run[-1].first < QUARRY_TRACE_MAX_RUN)
		return;
	trace->nr_switches += changed && trace->nr_runs;
	run->first = trace->nr_records;
	run->cpu = cpu;
	trace->nr_runs++;
	__set_bit(cpu, trace->cpus);
}

static int parse_record(struct parser *p)
{
	struct quarry_trace *trace = p->trace;
	struct quarry_trace_record rec = {};
	struct slot_state *slot;
	u32 cpu, slot_nr;
	const char *kind;
	size_t len;
	int ret;

	if (!p->have_header)
		return refuse(p, "record before the header '" HEADER_LINE "...'");
	ret = next_number(p, "CPU", QUARRY_TRACE_MAX_CPUS - 1, &cpu);
	if (ret)
		return ret;
	ret = next_field(p, "kind of record", &kind, &len);
	if (ret)
		return ret;
	if (len != 1 || !memchr("kcpf", *kind, 4))
		return refuse(p, "unknown kind of record: must be k, c, p or f");
	ret = next_number(p, "slot", U32_MAX, &slot_nr);
	if (ret)
		return ret;
	if (slot_nr >= trace->nr_slots)
		return refuse(p, "slot %u out of range: the header says %u slots", slot_nr,
			      trace->nr_slots);

	slot = &p->slots[slot_nr];
	if (*kind == 'f') {
		if (!slot->filled)
			return refuse(p, "double free: slot %u is empty", slot_nr);
	} else {
		if (slot->filled)
			return refuse(p, "slot %u is in use", slot_nr);
		ret = parse_alloc(p, *kind, &rec);
		if (ret)
			return ret;
	}
	ret = end_of_line(p);
	if (ret)
		return ret;
	if (trace->nr_records == p->nr_records)
		return refuse(p, "more records than the %u the header says", p->nr_records);

	if (*kind == 'f')
		note_free(p, slot, cpu, &rec);
	else
		note_alloc(p, slot, cpu, &rec);
	rec.slot = slot_nr;
	note_cpu(trace, cpu);
	trace->records[trace->nr_records++] = rec;
	return 0;
}

static int parse_line(struct parser *p, size_t text_len)
{
	if (p->err->line == 1)
		return parse_format(p);
	if (p->pos == p->end)
		return refuse(p, "empty line");
	if (line_starts(p, HEADER_LINE))
		return parse_header(p, text_len);
	if (*p->pos == '#')
		return 0;
	if (line_starts(p, "C "))
		return parse_cache(p);
	return parse_record(p);
}

static int parse_text(struct parser *p, const char *text, size_t len)
{
	const char *end = text + len;
	int ret;

	while (text < end) {
		p->err->line++;
		p->pos = text;
		p->end = memchr(text, '\n', end - text);
		p->more = true;
		if (!p->end)
			return refuse(p, "truncated line: no newline at its end");
		ret = parse_line(p, len);
		if (ret)
			return ret;
		text = p->end + 1;
	}
	if (!p->err->line) {
		p->err->line = 1;
		return refuse(p, "the trace is empty");
	}
	if (!p->have_header)
		return refuse(p, "no header '" HEADER_LINE "...'");
	if (p->nr_declared != p->trace->nr_caches)
		return refuse(p, "trace ends after %u of %u caches", p->nr_declared,
			      p->trace->nr_caches);
	if (p->trace->nr_records != p->nr_records)
		return refuse(p, "trace ends after %u of %u records", p->trace->nr_records,
			      p->nr_records);
	return 0;
}

/* Add the sentinel and give back what was allocated for the worst case. */
static int finish_runs(struct quarry_trace *trace)
{
	size_t size = array_size(trace->nr_runs + 1UL, sizeof(*trace->runs));
	struct quarry_trace_run *runs = vmalloc(size);

	if (!runs)
		return -ENOMEM;
	trace->runs[trace->nr_runs] = (struct quarry_trace_run){ .first = trace->nr_records };
	memcpy(runs, trace->runs, size);
	vfree(trace->runs);
	trace->runs = runs;
	return 0;
}

struct quarry_trace *quarry_trace_parse(const char *text, size_t len,
					struct quarry_trace_error *err)
{
	struct parser p = { .err = err };
	int ret = -ENOMEM;

	*err = (struct quarry_trace_error){};
	p.trace = kzalloc(sizeof(*p.trace), GFP_KERNEL);
	if (p.trace)
		ret = parse_text(&p, text, len);
	if (!ret)
		ret = finish_runs(p.trace);
	vfree(p.slots);
	if (!ret)
		return p.trace;
	quarry_trace_free(p.trace);
	if (ret == -ENOMEM) {
		err->line = 0;
		strscpy(err->message, "no memory", sizeof(err->message));
	}
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(quarry_trace_parse);

void quarry_trace_free(struct quarry_trace *trace)
{
	if (IS_ERR_OR_NULL(trace))
		return;
	vfree(trace->runs);
	vfree(trace->records);
	vfree(trace->caches);
	kfree(trace);
}
EXPORT_SYMBOL_GPL(quarry_trace_free);
