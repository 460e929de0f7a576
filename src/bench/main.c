// SPDX-License-Identifier: GPL-2.0
/*
 * quarry_bench.ko: replays a recorded allocation trace while it is loaded, or runs
 * built-in cases.
 *
 *   insmod quarry_bench.ko trace=/traces/ext4.trace [reps=5] [keep=1]
 *   insmod quarry_bench.ko case=all [icount=1]
 *
 * The result is printed to the log and stays readable in debugfs (quarry/bench/: replay, cases,
 * results) until the module is unloaded.  Loading fails if the trace is malformed, the replay
 * finds damage or a case fails.
 *
 * Once it is loaded, cases are run by writing their names into quarry/bench/run; cases and results
 * are of the last run then.
 *
 * Locking: run_mutex, around a run and around looking at what it left.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "case.h"
#include "load.h"
#include "replay.h"
#include "text.h"

#define TABLE_SIZE	4096
#define CASES_SIZE	SZ_64K
#define RESULTS_SIZE	SZ_1M

static char *trace = "";
module_param(trace, charp, 0444);
MODULE_PARM_DESC(trace, "Path of an uncompressed trace to replay; nothing is done without");

static struct quarry_bench_choice at_load;

/* Of the names of all cases.  A parameter may be set before there is any other memory. */
static char names[2048];
static DEFINE_MUTEX(names_mutex);

static void complain(const char *what, const char *pattern)
{
	struct bench_text text = { .buf = names, .size = sizeof(names) };

	mutex_lock(&names_mutex);
	quarry_bench_names(&text, NULL, ", ");
	pr_err("%s%.*s: must be all, one of %s, or the beginning of one and *\n", what,
	       (int)strcspn(pattern, "\n"), pattern, names);
	mutex_unlock(&names_mutex);
}

static int set_case(const char *val, const struct kernel_param *kp)
{
	if (quarry_bench_choose(&at_load, val))
		return 0;
	complain("parameter case=", val);
	return -EINVAL;
}

static int get_case(char *buffer, const struct kernel_param *kp)
{
	struct bench_text text = { .buf = buffer, .size = PAGE_SIZE - 1 };

	*buffer = '\0';
	quarry_bench_names(&text, &at_load, ", ");
	bench_put(&text, "\n");
	return text.len;
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

static DEFINE_MUTEX(run_mutex);
static struct bench_text table = { .size = TABLE_SIZE };
static struct bench_text cases_table = { .size = CASES_SIZE };
static struct bench_text results = { .size = RESULTS_SIZE };

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

static int make_text(struct bench_text *text)
{
	text->len = 0;
	if (!text->buf)
		text->buf = kvmalloc(text->size, GFP_KERNEL);
	return text->buf ? 0 : -ENOMEM;
}

static int publish(void)
{
	int ret = make_text(&table);

	if (ret)
		return ret;
	table.len = quarry_replay_format(parsed, &result, table.buf, table.size);
	pr_info("replay of %s\n", trace);
	bench_log(&table);
	return 0;
}

static int run_cases(const struct quarry_bench_choice *choice)
{
	int ret = make_text(&cases_table) ?: make_text(&results);

	warn_about_config();
	if (!ret)
		ret = quarry_bench_cases(choice, icount, &cases_table, &results);
	return ret;
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

/* === Files === */

static int run_show(struct seq_file *m, void *unused)
{
	struct bench_text text = { .buf = names, .size = sizeof(names) };

	mutex_lock(&names_mutex);
	quarry_bench_names(&text, NULL, "\n");
	seq_printf(m, "%s\n", names);
	mutex_unlock(&names_mutex);
	return 0;
}

static int run_open(struct inode *inode, struct file *file)
{
	return single_open(file, run_show, NULL);
}

static ssize_t run_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct quarry_bench_choice choice = { };
	char pattern[64];
	ssize_t ret;

	if (len >= sizeof(pattern))
		len = sizeof(pattern) - 1;	/* longer than any name: is refused as a whole */
	if (copy_from_user(pattern, buf, len))
		return -EFAULT;
	pattern[len] = '\0';
	if (!quarry_bench_choose(&choice, pattern)) {
		complain("bench/run: ", pattern);
		return -EINVAL;
	}
	if (mutex_lock_interruptible(&run_mutex))
		return -EINTR;
	ret = run_cases(&choice) ?: (ssize_t)len;
	mutex_unlock(&run_mutex);
	return ret;
}

static const struct file_operations run_fops = {
	.owner = THIS_MODULE,
	.open = run_open,
	.read = seq_read,
	.write = run_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static int text_show(struct seq_file *m, void *unused)
{
	const struct bench_text *text = m->private;
	int ret = mutex_lock_interruptible(&run_mutex);

	if (ret)
		return ret;
	if (text->buf)
		seq_write(m, text->buf, text->len);
	mutex_unlock(&run_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(text);

/* Without debugfs the result is in the log only. */
static void make_files(void)
{
	struct dentry *quarry = debugfs_lookup("quarry", NULL);

	debugfs_dir = debugfs_create_dir("bench", quarry);
	dput(quarry);
	debugfs_create_file("run", 0644, debugfs_dir, NULL, &run_fops);
	debugfs_create_file("results", 0444, debugfs_dir, &results, &text_fops);
	debugfs_create_file("cases", 0444, debugfs_dir, &cases_table, &text_fops);
	if (table.buf)
		debugfs_create_file("replay", 0444, debugfs_dir, &table, &text_fops);
}

/* === Loading and unloading === */

static void free_all(void)
{
	kvfree(table.buf);
	kvfree(cases_table.buf);
	kvfree(results.buf);
	quarry_trace_free(parsed);
}

static int run_at_load(void)
{
	int ret = 0;

	if (quarry_bench_any_chosen(&at_load)) {
		ret = run_cases(&at_load);
		bench_log(&cases_table);
	}
	if (!ret && *trace) {
		parsed = quarry_bench_load(trace, false);
		ret = PTR_ERR_OR_ZERO(parsed) ?: replay_trace();
	}
	return ret;
}

static int __init quarry_bench_init(void)
{
	int ret;

	if (!*trace && !quarry_bench_any_chosen(&at_load))
		pr_info("loaded; trace=PATH replays a trace, case=NAME runs a case\n");
	ret = run_at_load();
	if (ret)
		free_all();
	else
		make_files();
	return ret;
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
