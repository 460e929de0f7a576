// SPDX-License-Identifier: GPL-2.0
/*
 * quarry_bench.ko: replays a recorded allocation trace while it is loaded, or runs
 * a built-in case.
 *
 *   insmod quarry_bench.ko trace=/traces/ext4.trace [reps=5] [keep=1]
 *   insmod quarry_bench.ko case=buddy-mix
 *
 * The result is printed to the log and stays readable in debugfs
 * (quarry_bench/replay) until the module is unloaded.  Loading fails if the
 * trace is malformed or the replay finds damage.
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
#include "buddy.h"
#include "replay.h"

/* A trace of 20 million records; more is a wrong file. */
#define MAX_FILE_SIZE	(256L << 20)

#define TABLE_SIZE	4096

static char *trace = "";
module_param(trace, charp, 0444);
MODULE_PARM_DESC(trace, "Path of an uncompressed trace to replay; nothing is done without");

static const struct bench_case {
	const char *name;
	int (*run)(void);
} bench_cases[] = {
	{ "buddy-mix", quarry_bench_buddy_mix },
};

static const struct bench_case *bench_case;

static int set_case(const char *val, const struct kernel_param *kp)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bench_cases); i++) {
		if (sysfs_streq(val, bench_cases[i].name)) {
			bench_case = &bench_cases[i];
			return 0;
		}
	}
	pr_err("parameter case=%s: must be buddy-mix\n", val);
	return -EINVAL;
}

static int get_case(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", bench_case ? bench_case->name : "");
}

static const struct kernel_param_ops case_ops = {
	.set = set_case,
	.get = get_case,
};
module_param_cb(case, &case_ops, NULL, 0444);
MODULE_PARM_DESC(case, "Built-in case to run: buddy-mix");

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

static bool keep;

static int set_keep(const char *val, const struct kernel_param *kp)
{
	int ret = param_set_bool(val, kp);

	if (ret)
		pr_err("parameter keep=%s: must be 0 or 1\n", val);
	return ret;
}

static const struct kernel_param_ops keep_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = set_keep,
	.get = param_get_bool,
};
module_param_cb(keep, &keep_ops, &keep, 0444);
MODULE_PARM_DESC(keep, "Keep what is live at the trace's end until the module is unloaded (0)");

static struct quarry_trace *parsed;
static struct quarry_replay_kept *kept;
static struct quarry_replay_result result;
static struct dentry *debugfs_dir;
static struct debugfs_blob_wrapper table;

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
	char *text, *line, *rest;

	table.data = kmalloc(TABLE_SIZE, GFP_KERNEL);
	text = kmalloc(TABLE_SIZE, GFP_KERNEL);
	if (!table.data || !text) {
		kfree(text);
		return -ENOMEM;
	}
	table.size = quarry_replay_format(parsed, &result, table.data, TABLE_SIZE);

	/* strsep() cuts the text up, so it gets a copy. */
	memcpy(text, table.data, table.size + 1);
	rest = text;
	pr_info("replay of %s\n", trace);
	while ((line = strsep(&rest, "\n")) && *line)
		pr_info("%s\n", line);
	kfree(text);
	return 0;
}

static int replay_trace(void)
{
	const struct quarry_replay_opts opts = { .reps = reps, .check = true };
	int ret;

	warn_about_config();
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

static int __init quarry_bench_init(void)
{
	int ret;

	if (bench_case) {
		warn_about_config();
		ret = bench_case->run();
		if (ret) {
			pr_err("case %s failed: error %d\n", bench_case->name, ret);
			return ret;
		}
	}
	if (!*trace) {
		if (!bench_case)
			pr_info("loaded; trace=PATH replays a trace\n");
		return 0;
	}
	ret = load_trace();
	if (ret)
		return ret;
	ret = replay_trace();
	if (ret) {
		kfree(table.data);
		quarry_trace_free(parsed);
		return ret;
	}
	/* Without debugfs the result is in the log only. */
	debugfs_dir = debugfs_create_dir("quarry_bench", NULL);
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
	kfree(table.data);
	quarry_trace_free(parsed);
}

module_init(quarry_bench_init);
module_exit(quarry_bench_exit);

MODULE_DESCRIPTION("Quarry benchmark: replay of recorded allocation traces");
MODULE_LICENSE("GPL");
