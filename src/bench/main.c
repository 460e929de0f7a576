// SPDX-License-Identifier: GPL-2.0
/*
 * quarry_bench.ko: replays a recorded allocation trace while it is loaded, or runs
 * built-in cases.
 *
 *   insmod quarry_bench.ko trace=/traces/ext4.trace [reps=5] [keep=1]
 *   insmod quarry_bench.ko case=all [icount=1]
 *
 * The result is printed to the log and stays readable in debugfs
 * (quarry_bench/replay, quarry_bench/cases) until the module is unloaded.
 * Loading fails if the trace is malformed, the replay finds damage or a case
 * fails.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include "case.h"
#include "replay.h"
#include "text.h"

/* A trace of 20 million records; more is a wrong file. */
#define MAX_FILE_SIZE	(256L << 20)

#define TABLE_SIZE	4096
#define CASES_SIZE	(64 << 10)

static char *trace = "";
module_param(trace, charp, 0444);
MODULE_PARM_DESC(trace, "Path of an uncompressed trace to replay; nothing is done without");

/* Of the names of all cases. */
#define NAMES_SIZE	1024

static int set_case(const char *val, const struct kernel_param *kp)
{
	char names[NAMES_SIZE];
	struct bench_text text = { .buf = names, .size = sizeof(names) };

	if (quarry_bench_choose(val))
		return 0;
	quarry_bench_names(&text, false);
	pr_err("parameter case=%s: must be all, one of %s, or the beginning of one and *\n", val,
	       names);
	return -EINVAL;
}

static int get_case(char *buffer, const struct kernel_param *kp)
{
	char names[NAMES_SIZE] = "";
	struct bench_text text = { .buf = names, .size = sizeof(names) };

	quarry_bench_names(&text, true);
	return sysfs_emit(buffer, "%s\n", names);
}

static const struct kernel_param_ops case_ops = {
	.set = set_case,
	.get = get_case,
};
module_param_cb(case, &case_ops, NULL, 0444);
MODULE_PARM_DESC(case, "Built-in cases to run: all, a name, or the beginning of names and *");

static unsigned int reps = 5;

static int set_reps(const char *val, const struct kernel_param *kp)
{
	unsigned int value;

	if (kstrtouint(val, 0, &value) || !value || value > QUARRY_REPLAY_MAX_REPS) {
		pr_err("parameter reps=%s: must be a number from 1 to %u\n", val,
		       QUARRY_REPLAY_MAX_REPS);
		return -EINVAL;
	}
	reps = value;
	return 0;
}

static const struct kernel_param_ops reps_ops = {
	.set = set_reps,
	.get = param_get_uint,
};
module_param_cb(reps, &reps_ops, &reps, 0444);
MODULE_PARM_DESC(reps, "Repetitions of the timed pass, 1 to 1000 (5)");

static int set_bool(const char *val, const struct kernel_param *kp)
{
	int ret = param_set_bool(val, kp);

	if (ret)
		pr_err("parameter %s=%s: must be 0 or 1\n", kp->name, val);
	return ret;
}

static const struct kernel_param_ops bool_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = set_bool,
	.get = param_get_bool,
};

static bool keep;
module_param_cb(keep, &bool_ops, &keep, 0444);
MODULE_PARM_DESC(keep, "Keep what is live at the trace's end until the module is unloaded (0)");

static bool icount;
module_param_cb(icount, &bool_ops, &icount, 0444);
MODULE_PARM_DESC(icount, "The clock counts instructions: qemu -icount shift=0,sleep=off (0)");

static struct quarry_trace *parsed;
static struct quarry_replay_kept *kept;
static struct quarry_replay_result result;
static struct dentry *debugfs_dir;
static struct debugfs_blob_wrapper table, cases_table;

/*
 * kernel_read_file_from_path() would do, but needs to say what kind of file it
 * reads, and security modules (IPE on 6.12) warn about kinds they do not know.
 */
static void *read_trace(struct file *file, size_t *len)
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

static void *open_and_read_trace(size_t *len)
{
	/* O_NONBLOCK: opening a FIFO would wait for its writer. */
	struct file *file = filp_open(trace, O_RDONLY | O_LARGEFILE | O_NONBLOCK, 0);
	void *text;

	if (IS_ERR(file))
		return ERR_CAST(file);
	text = read_trace(file, len);
	filp_close(file, NULL);
	return text;
}

static int load_trace(void)
{
	struct quarry_trace_error err;
	size_t len;
	void *text;

	text = open_and_read_trace(&len);
	if (IS_ERR(text)) {
		pr_err("parameter trace=%s: must be a readable file of at most %ld MiB: error %ld\n",
		       trace, MAX_FILE_SIZE >> 20, PTR_ERR(text));
		/* insmod would take -ENOENT for a missing symbol. */
		return text == ERR_PTR(-ENOMEM) ? -ENOMEM : -EINVAL;
	}
	parsed = quarry_trace_parse(text, len, &err);
	vfree(text);
	if (!IS_ERR(parsed))
		return 0;
	if (err.line)
		pr_err("%s:%u: %s\n", trace, err.line, err.message);
	else
		pr_err("%s: %s\n", trace, err.message);
	return PTR_ERR(parsed);
}

/* Checks that cost more than what they check make times meaningless. */
static void warn_about_config(void)
{
	static const struct {
		bool on;
		const char *name;
	} options[] = {
		{ IS_ENABLED(CONFIG_KASAN), "KASAN" },
		{ IS_ENABLED(CONFIG_KCSAN), "KCSAN" },
		{ IS_ENABLED(CONFIG_KMSAN), "KMSAN" },
		{ IS_ENABLED(CONFIG_UBSAN), "UBSAN" },
		{ IS_ENABLED(CONFIG_GCOV_KERNEL), "GCOV_KERNEL" },
		{ IS_ENABLED(CONFIG_PROVE_LOCKING), "PROVE_LOCKING" },
		{ IS_ENABLED(CONFIG_DEBUG_LOCK_ALLOC), "DEBUG_LOCK_ALLOC" },
		{ IS_ENABLED(CONFIG_DEBUG_PREEMPT), "DEBUG_PREEMPT" },
		{ IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP), "DEBUG_ATOMIC_SLEEP" },
		{ IS_ENABLED(CONFIG_DEBUG_KMEMLEAK), "DEBUG_KMEMLEAK" },
		{ IS_ENABLED(CONFIG_DEBUG_PAGEALLOC), "DEBUG_PAGEALLOC" },
		{ IS_ENABLED(CONFIG_DEBUG_OBJECTS), "DEBUG_OBJECTS" },
		{ IS_ENABLED(CONFIG_DEBUG_VM), "DEBUG_VM" },
		{ IS_ENABLED(CONFIG_SLUB_DEBUG_ON), "SLUB_DEBUG_ON" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].on)
			pr_warn("this kernel has CONFIG_%s: the times mean little\n",
				options[i].name);
}

static int publish(void)
{
	struct bench_text text = { .size = TABLE_SIZE };

	text.buf = kmalloc(TABLE_SIZE, GFP_KERNEL);
	if (!text.buf)
		return -ENOMEM;
	text.len = quarry_replay_format(parsed, &result, text.buf, TABLE_SIZE);
	pr_info("replay of %s\n", trace);
	bench_log(&text);
	table.data = text.buf;
	table.size = text.len;
	return 0;
}

static int run_cases(void)
{
	struct bench_text text = { .size = CASES_SIZE };
	int ret;

	text.buf = kmalloc(CASES_SIZE, GFP_KERNEL);
	if (!text.buf)
		return -ENOMEM;
	ret = quarry_bench_cases(icount, &text);
	bench_log(&text);
	cases_table.data = text.buf;
	cases_table.size = text.len;
	return ret;
}

static int replay_trace(void)
{
	const struct quarry_replay_opts opts = { .reps = reps, .check = true };
	int ret;

	ret = quarry_replay_run(parsed, &opts, &result);
	if (!ret)
		ret = publish();
	if (!ret && keep) {
		kept = quarry_replay_keep(parsed, &opts, &result);
		ret = PTR_ERR_OR_ZERO(kept);
		if (!ret)
			pr_info("kept %u live objects in heap 'replay' until unload\n",
				parsed->nr_left);
	}
	if (ret)
		pr_err("replay of %s failed: %s: error %d\n", trace, result.message, ret);
	return ret;
}

static void free_all(void)
{
	kfree(table.data);
	kfree(cases_table.data);
	quarry_trace_free(parsed);
}

static int __init quarry_bench_init(void)
{
	int ret = 0;

	if (!*trace && !quarry_bench_chosen()) {
		pr_info("loaded; trace=PATH replays a trace, case=NAME runs a case\n");
		return 0;
	}
	warn_about_config();
	if (quarry_bench_chosen())
		ret = run_cases();
	if (!ret && *trace)
		ret = load_trace() ?: replay_trace();
	if (ret) {
		free_all();
		return ret;
	}
	/* Without debugfs the result is in the log only. */
	debugfs_dir = debugfs_create_dir("quarry_bench", NULL);
	if (cases_table.data)
		debugfs_create_blob("cases", 0444, debugfs_dir, &cases_table);
	if (table.data)
		debugfs_create_blob("replay", 0444, debugfs_dir, &table);
	return 0;
}

static void __exit quarry_bench_exit(void)
{
	debugfs_remove(debugfs_dir);
	if (quarry_replay_drop(kept, &result))
		pr_err("replay of %s: %s\n", trace, result.message);
	else if (kept)
		pr_info("kept objects verified and freed\n");
	free_all();
}

module_init(quarry_bench_init);
module_exit(quarry_bench_exit);

MODULE_DESCRIPTION("Quarry benchmark: replay of recorded traces, built-in cases");
MODULE_LICENSE("GPL");
