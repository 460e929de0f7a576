// SPDX-License-Identifier: GPL-2.0
/*
 * A sample: parse a text into a tree of small nodes, once with kmalloc() and once with an
 * arena, and print what either took.
 *
 *	document ── line ── field "ffffffff81000000"
 *	             │       field "T"
 *	             │       field "_stext"
 *	            line ── ...
 *
 * The text is the first bytes of a file (parameter file; a copy of /proc/kallsyms is a good one,
 * /proc itself does not let modules read).  A node is 24 bytes, a field's text as long as
 * it is: what parsers, decoders of messages and loaders of configurations allocate.  With kmalloc()
 * the tree is freed by walking it, with the arena by destroying that.
 *
 * With stale=1 the module makes the mistake that arenas invite: it keeps a pointer
 * over a reset and has a thread read through it.  That thread dies, and the kernel log
 * tells which arena it was (QUARRY_ARENA_ESCAPE_CHECK).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <quarry/arena.h>
#include <quarry/heap.h>

static char *file = "/kallsyms";
module_param(file, charp, 0444);
MODULE_PARM_DESC(file, "text to parse");

static unsigned int bytes = 4 << 20;
module_param(bytes, uint, 0444);
MODULE_PARM_DESC(bytes, "how much of it to read at most");

static unsigned int reps = 3;
module_param(reps, uint, 0444);
MODULE_PARM_DESC(reps, "how often; the best time of each counts");

static bool stale;
module_param(stale, bool, 0444);
MODULE_PARM_DESC(stale, "only show what becomes of who reads through a stale pointer");

struct node {
	struct node *next;	/* in the document: the line before */
	struct node *child;	/* of a line: its last field */
	char *text;		/* of a field */
};

/* === Two ways to allocate === */

/* Where a tree comes from: @arena, or if that is NULL kmalloc(). */
struct source {
	struct quarry_arena *arena;
	unsigned long nr_allocs;
	u64 bytes;		/* of kmalloc() */
};

static void *get(struct source *source, size_t size)
{
	void *ptr;

	source->nr_allocs++;
	if (source->arena)
		return quarry_arena_alloc(source->arena, size, GFP_KERNEL);
	ptr = kmalloc(size, GFP_KERNEL);
	source->bytes += ksize(ptr);
	return ptr;
}

/* Text is packed to the byte in an arena. */
static char *get_text(struct source *source, const char *text, size_t len)
{
	char *copy;

	source->nr_allocs++;
	if (source->arena)
		return quarry_arena_strndup(source->arena, text, len, GFP_KERNEL);
	copy = kmemdup_nul(text, len, GFP_KERNEL);
	source->bytes += ksize(copy);
	return copy;
}

/* === The parser === */

static struct node *get_node(struct source *source, struct node *next)
{
	struct node *node = get(source, sizeof(*node));

	if (node)
		*node = (struct node) { .next = next };
	return node;
}

static int parse_line(struct source *source, struct node *line, const char *at, const char *end)
{
	struct node *field;
	const char *from;

	for (;;) {
		while (at < end && isspace(*at))
			at++;
		if (at == end)
			return 0;
		from = at;
		while (at < end && !isspace(*at))
			at++;
		field = get_node(source, line->child);
		if (!field)
			return -ENOMEM;
		line->child = field;
		field->text = get_text(source, from, at - from);
		if (!field->text)
			return -ENOMEM;
	}
}

/* The lines are in @document, as far as there was memory. */
static int parse(struct source *source, const char *text, size_t len, struct node *document)
{
	const char *end = text + len, *eol;
	struct node *line;
	int ret = 0;

	for (; text < end && !ret; text = eol + 1) {
		eol = memchr(text, '\n', end - text) ?: end;
		line = get_node(source, document->child);
		if (!line)
			return -ENOMEM;
		document->child = line;
		ret = parse_line(source, line, text, eol);
	}
	return ret;
}

static void free_tree(struct node *document)
{
	struct node *line, *field;

	while ((line = document->child)) {
		document->child = line->next;
		while ((field = line->child)) {
			line->child = field->next;
			kfree(field->text);
			kfree(field);
		}
		kfree(line);
	}
}

/* The same for both trees, if both are right. */
static u64 checksum(const struct node *document)
{
	const struct node *line, *field;
	const char *c;
	u64 sum = 0;

	for (line = document->child; line; line = line->next)
		for (field = line->child; field; field = field->next)
			for (c = field->text; *c; c++)
				sum = sum * 31 + *c;
	return sum;
}

/* === Measuring === */

struct result {
	u64 build, free;	/* ns, the best */
	u64 bytes;
	u64 sum;
	unsigned long nr_allocs;
};

static int run(struct quarry_heap *heap, const char *text, size_t len, struct result *best)
{
	static const struct quarry_arena_params params = { .name = "tree" };
	struct node document = {};
	struct source source = {};
	u64 began = ktime_get_ns(), built, freed;
	struct quarry_arena_stats stats;
	int ret;

	if (heap) {
		source.arena = quarry_arena_create(heap, &params, GFP_KERNEL);
		if (IS_ERR(source.arena))
			return PTR_ERR(source.arena);
	}
	ret = parse(&source, text, len, &document);
	built = ktime_get_ns();
	best->sum = checksum(&document);
	if (heap)
		quarry_arena_get_stats(source.arena, &stats);
	freed = ktime_get_ns();
	if (heap)
		quarry_arena_destroy(source.arena);
	else
		free_tree(&document);
	best->free = min(best->free, ktime_get_ns() - freed);
	best->build = min(best->build, built - began);
	best->bytes = heap ? stats.held : source.bytes;
	best->nr_allocs = source.nr_allocs;
	return ret;
}

static void print(const char *name, const struct result *r)
{
	pr_info("%-8s %8llu us to build, %6llu us to free, %8llu bytes\n", name,
		div_u64(r->build, NSEC_PER_USEC), div_u64(r->free, NSEC_PER_USEC), r->bytes);
}

static int compare(struct quarry_heap *heap, const char *text, size_t len)
{
	struct result kernel = { .build = U64_MAX, .free = U64_MAX }, arena = kernel;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < reps && !ret; i++) {
		ret = run(NULL, text, len, &kernel) ?: run(heap, text, len, &arena);
		cond_resched();
	}
	if (ret)
		return ret;
	if (kernel.sum != arena.sum || kernel.nr_allocs != arena.nr_allocs) {
		pr_err("the trees differ\n");
		return -EIO;
	}
	pr_info("%zu bytes of %s make %lu allocations\n", len, file, arena.nr_allocs);
	print("kmalloc", &kernel);
	print("arena", &arena);
	return 0;
}

static int read_and_compare(struct quarry_heap *heap)
{
	struct file *from = filp_open(file, O_RDONLY, 0);
	size_t len = 0;
	ssize_t got;
	loff_t pos = 0;
	char *text;
	int ret;

	if (IS_ERR(from)) {
		pr_err("cannot open %s: error %ld\n", file, PTR_ERR(from));
		return PTR_ERR(from);
	}
	ret = -ENOMEM;
	text = vmalloc(bytes);
	if (!text)
		goto out;
	do {
		got = kernel_read(from, text + len, bytes - len, &pos);
		if (got > 0)
			len += got;
	} while (got > 0 && len < bytes);
	ret = got < 0 ? got : compare(heap, text, len);
	if (ret)
		pr_err("%s: error %d\n", file, ret);
out:
	vfree(text);
	filp_close(from, NULL);
	return ret;
}

/* === The mistake === */

struct request {
	unsigned int id;
	char name[16];
};

static int use_it_all_the_same(void *request)
{
	struct request *r = request;

	pr_info("request %u\n", READ_ONCE(r->id));
	return 0;
}

static int keep_it_too_long(struct quarry_heap *heap)
{
	const struct quarry_arena_params params = {
		.name = "requests",
		.flags = QUARRY_ARENA_ESCAPE_CHECK,
	};
	struct quarry_arena *requests = quarry_arena_create(heap, &params, GFP_KERNEL);
	struct request *request;
	struct task_struct *user;
	int ret = -ENOMEM;

	if (IS_ERR(requests))
		return PTR_ERR(requests);
	request = quarry_arena_new(requests, struct request, GFP_KERNEL);
	if (!request)
		goto out;
	quarry_arena_reset(requests);
	/* The thread is held until it has been stopped, or has died. */
	user = kthread_create(use_it_all_the_same, request, "parse_user");
	if (IS_ERR(user)) {
		ret = PTR_ERR(user);
		goto out;
	}
	get_task_struct(user);
	wake_up_process(user);
	while (!READ_ONCE(user->exit_state))
		schedule_timeout_uninterruptible(1);
	put_task_struct(user);
	ret = 0;
out:
	quarry_arena_destroy(requests);
	return ret;
}

static int __init parse_init(void)
{
	const struct quarry_heap_params params = { .name = "parse", QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap = quarry_heap_create(&params);
	int ret;

	if (IS_ERR(heap))
		return PTR_ERR(heap);
	ret = stale ? keep_it_too_long(heap) : read_and_compare(heap);
	/* All was done here; what stays is the module, until it is unloaded. */
	quarry_heap_destroy(heap);
	return ret;
}

static void __exit parse_exit(void)
{
}

module_init(parse_init);
module_exit(parse_exit);

MODULE_DESCRIPTION("Sample: a parser with kmalloc() and with an arena");
MODULE_LICENSE("GPL");
