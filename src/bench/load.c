// SPDX-License-Identifier: GPL-2.0
/*
 * Traces from files; see load.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "load.h"
#include "trace.h"

/* A trace of 20 million records; more is a wrong file. */
#define MAX_FILE_SIZE	(256L << 20)

static char *traces = "/traces";
module_param(traces, charp, 0444);
MODULE_PARM_DESC(traces, "Directory of NAME.trace, for cases that replay them (/traces)");

/*
 * kernel_read_file_from_path() would do, but needs to say what kind of file it
 * reads, and security modules (IPE on 6.12) warn about kinds they do not know.
 */
static void *read_file(struct file *file, size_t *len)
{
	loff_t pos = 0, size = i_size_read(file_inode(file));
	void *text;

	if (!S_ISREG(file_inode(file)->i_mode))
		return ERR_PTR(-EINVAL);
	if (size > MAX_FILE_SIZE)
		return ERR_PTR(-EFBIG);
	text = vmalloc(size + 1);	/* an empty file is the parser's business */
	if (!text)
		return ERR_PTR(-ENOMEM);
	while (pos < size) {
		ssize_t ret = kernel_read(file, text + pos, size - pos, &pos);

		if (ret <= 0) {
			vfree(text);
			return ERR_PTR(ret ?: -EIO);
		}
	}
	*len = size;
	return text;
}

static void *open_and_read(const char *path, size_t *len)
{
	/* O_NONBLOCK: opening a FIFO would wait for its writer. */
	struct file *file = filp_open(path, O_RDONLY | O_LARGEFILE | O_NONBLOCK, 0);
	void *text;

	if (IS_ERR(file))
		return ERR_CAST(file);
	text = read_file(file, len);
	filp_close(file, NULL);
	return text;
}

struct quarry_trace *quarry_bench_load(const char *path, bool optional)
{
	struct quarry_trace_error err;
	struct quarry_trace *trace;
	size_t len;
	void *text;

	text = open_and_read(path, &len);
	if (optional && text == ERR_PTR(-ENOENT))
		return ERR_CAST(text);
	if (IS_ERR(text)) {
		pr_err("parameter trace=%s: must be a readable file of at most %ld MiB: error %ld\n",
		       path, MAX_FILE_SIZE >> 20, PTR_ERR(text));
		/* insmod would take -ENOENT for a missing symbol. */
		return ERR_PTR(text == ERR_PTR(-ENOMEM) ? -ENOMEM : -EINVAL);
	}
	trace = quarry_trace_parse(text, len, &err);
	vfree(text);
	if (IS_ERR(trace) && err.line)
		pr_err("%s:%u: %s\n", path, err.line, err.message);
	else if (IS_ERR(trace))
		pr_err("%s: %s\n", path, err.message);
	return trace;
}

struct quarry_trace *quarry_bench_load_named(const char *name)
{
	char *path = kasprintf(GFP_KERNEL, "%s/%s.trace", traces, name);
	struct quarry_trace *trace;

	if (!path)
		return ERR_PTR(-ENOMEM);
	trace = quarry_bench_load(path, true);
	kfree(path);
	return trace;
}
