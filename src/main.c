// SPDX-License-Identifier: GPL-2.0
/*
 * Module: parameters, bring-up in the order of the layers, tear-down in
 * reverse.
 *
 *	parameters, magazines (cold area), debugfs, shrinker, default heap, notifier
 *
 * Locking: none; load and unload are serialised by the kernel.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/rcupdate.h>

#include "arena.h"
#include "escape.h"
#include "heap.h"
#include "internal.h"
#include "knobs.h"

/* === Parameters: the knobs of the default heap, and what all heaps have === */

static s64 params[QUARRY_NR_KNOBS];
static bool given[QUARRY_NR_KNOBS];

static int set_knob(const char *val, const struct kernel_param *kp)
{
	enum quarry_knob knob = (s64 *)kp->arg - params;

	given[knob] = true;
	/* Whether they are in range, and fit together, is checked when all are there. */
	return quarry_knob_parse(NULL, knob, val ?: "", &params[knob]);
}

static int get_knob(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%lld\n", *(s64 *)kp->arg);
}

static const struct kernel_param_ops knob_ops = {
	.set = set_knob,
	.get = get_knob,
};

module_param_cb(limit, &knob_ops, &params[QUARRY_KNOB_LIMIT], 0444);
MODULE_PARM_DESC(limit, QUARRY_LIMIT_DESC);

module_param_cb(soft_limit, &knob_ops, &params[QUARRY_KNOB_SOFT_LIMIT], 0444);
MODULE_PARM_DESC(soft_limit, QUARRY_SOFT_LIMIT_DESC);

module_param_cb(reserve, &knob_ops, &params[QUARRY_KNOB_RESERVE], 0444);
MODULE_PARM_DESC(reserve, QUARRY_RESERVE_DESC);

module_param_cb(decay_ms, &knob_ops, &params[QUARRY_KNOB_DECAY_MS], 0444);
MODULE_PARM_DESC(decay_ms, QUARRY_DECAY_MS_DESC);

module_param_cb(magazine_order, &knob_ops, &params[QUARRY_KNOB_MAGAZINE_ORDER], 0444);
MODULE_PARM_DESC(magazine_order, QUARRY_MAGAZINE_ORDER_DESC);

module_param_cb(magazine_bytes, &knob_ops, &params[QUARRY_KNOB_MAGAZINE_BYTES], 0444);
MODULE_PARM_DESC(magazine_bytes, QUARRY_MAGAZINE_BYTES_DESC);
module_param_cb(cpu_bytes, &knob_ops, &params[QUARRY_KNOB_CPU_BYTES], 0444);
MODULE_PARM_DESC(cpu_bytes, QUARRY_CPU_BYTES_DESC);

module_param_named(track, quarry_track_all, bool, 0644);
MODULE_PARM_DESC(track, "heaps made from now on remember who allocated what");

module_param_named(hardened, quarry_harden_all, bool, 0644);
MODULE_PARM_DESC(hardened, "heaps made from now on find misuse at once, and track");

module_param_named(arena_check, quarry_check_arenas, bool, 0644);
MODULE_PARM_DESC(arena_check, "arenas made from now on report two owners at once");
module_param_named(escape_check, quarry_escape_every, uint, 0644);
MODULE_PARM_DESC(escape_check,
		 "stale pointers into 1 in so many arenas fault: 0 (only those that ask) or more");

static int __init get_params(struct quarry_knobs *knobs)
{
	enum quarry_knob knob;

	for (knob = 0; knob < QUARRY_NR_KNOBS; knob++) {
		if (!given[knob])
			params[knob] = quarry_knob_default(knob);
		knobs->value[knob] = params[knob];
	}
	return quarry_knobs_check(NULL, knobs, QUARRY_KNOB_ANY);
}

/* === Modules that leave something behind === */

#ifdef CONFIG_MODULES
static int module_event(struct notifier_block *nb, unsigned long event, void *mod)
{
	if (event == MODULE_STATE_GOING)
		quarry_heaps_disown(mod);
	return NOTIFY_OK;
}

static struct notifier_block module_nb = { .notifier_call = module_event };

static int watch_modules(void)
{
	return register_module_notifier(&module_nb);
}

static void unwatch_modules(void)
{
	unregister_module_notifier(&module_nb);
}
#else
static int watch_modules(void)
{
	return 0;
}

static void unwatch_modules(void)
{
}
#endif

/* === Init and exit === */

void quarry_abi_4(void)
{
}
EXPORT_SYMBOL_GPL(quarry_abi_4);

static int __init quarry_init(void)
{
	struct quarry_knobs knobs;
	int ret = get_params(&knobs);

	if (ret)
		return ret;
	ret = quarry_mags_global_init();
	if (ret)
		return ret;
	ret = quarry_defer_global_init();
	if (ret)
		goto err_mags;
	ret = quarry_extent_init();
	if (ret)
		goto err_defer;
	ret = quarry_escape_init();
	if (ret)
		goto err_extent;
	quarry_debugfs_init();
	ret = quarry_reclaim_global_init();
	if (ret)
		goto err_debugfs;
	ret = quarry_heap_global_init(&knobs);
	if (ret)
		goto err_reclaim;
	ret = watch_modules();
	if (ret)
		goto err_heap;
	pr_info("loaded: limit %lld bytes (0: none), soft_limit %lld, reserve %lld, decay_ms %lld, magazine_order %lld, magazine_bytes %lld, cpu_bytes %lld\n",
		params[QUARRY_KNOB_LIMIT], params[QUARRY_KNOB_SOFT_LIMIT],
		params[QUARRY_KNOB_RESERVE], params[QUARRY_KNOB_DECAY_MS],
		params[QUARRY_KNOB_MAGAZINE_ORDER], params[QUARRY_KNOB_MAGAZINE_BYTES],
		params[QUARRY_KNOB_CPU_BYTES]);
	return 0;

err_heap:
	quarry_heap_global_exit();
err_reclaim:
	quarry_reclaim_global_exit();
err_debugfs:
	quarry_debugfs_exit();
	quarry_escape_exit();
err_extent:
	quarry_extent_exit();
err_defer:
	quarry_defer_global_exit();
err_mags:
	quarry_mags_global_exit();
	pr_err("not loaded: error %d\n", ret);
	return ret;
}

static void __exit quarry_exit(void)
{
	unwatch_modules();
	quarry_heap_global_exit();
	quarry_reclaim_global_exit();
	quarry_debugfs_exit();
	quarry_escape_exit();
	/* Lookups that were under way when the last extent went have ended. */
	synchronize_rcu();
	quarry_extent_exit();
	quarry_defer_global_exit();
	quarry_mags_global_exit();
	if (quarry_pages_lost())
		pr_err("%ld pages with foreign references stay out of use\n", quarry_pages_lost());
	pr_info("unloaded, %ld pages held\n", quarry_pages_held());
}

module_init(quarry_init);
module_exit(quarry_exit);

MODULE_DESCRIPTION("Private heaps for kernel objects: buddy, slab caches, arenas");
MODULE_LICENSE("GPL");
