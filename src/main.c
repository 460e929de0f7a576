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
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "heap.h"
#include "internal.h"

/* === Parameters: bytes, with an optional suffix K, M, G === */

/* Of the default heap. */
static u64 limit, soft_limit, reserve;
static int decay_ms = QUARRY_DECAY_DEFAULT;

static u64 ram_bytes(void)
{
	return (u64)totalram_pages() << PAGE_SHIFT;
}

/* Prints what a parameter may be, after what is wrong with it. */
static int refuse(const char *name, const char *value, const char *what)
{
	if (!strcmp(name, "soft_limit"))
		pr_err("parameter soft_limit=%s: %s, has to be 0 (none) or 65536 to %llu bytes and within limit\n",
		       value, what, ram_bytes());
	else if (!strcmp(name, "limit"))
		pr_err("parameter limit=%s: %s, has to be 0 (none) or 65536 to %llu bytes\n",
		       value, what, ram_bytes());
	else
		pr_err("parameter reserve=%s: %s, has to be 0 to %llu bytes and within limit\n",
		       value, what, ram_bytes() / 2);
	return -EINVAL;
}

static int set_bytes(const char *val, const struct kernel_param *kp)
{
	size_t digits = val ? strspn(val, "0123456789") : 0;
	bool suffix = digits && val[digits] && strchr("kKmMgG", val[digits]);
	const char *rest = val + digits + suffix;

	/* memparse() wraps silently; so few digits cannot. */
	if (!digits || digits > (suffix ? 10 : 18) || (*rest && strcmp(rest, "\n")))
		return refuse(kp->name, val ?: "", "not a number of bytes (suffix K, M or G)");
	*(u64 *)kp->arg = memparse(val, NULL);
	return 0;
}

static int get_bytes(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%llu\n", *(u64 *)kp->arg);
}

static const struct kernel_param_ops bytes_ops = {
	.set = set_bytes,
	.get = get_bytes,
};

module_param_cb(limit, &bytes_ops, &limit, 0444);
MODULE_PARM_DESC(limit, "hard limit of the default heap in bytes: 0 (none) or 64K to all memory");

module_param_cb(soft_limit, &bytes_ops, &soft_limit, 0444);
MODULE_PARM_DESC(soft_limit, "bytes above which the default heap gives back: 0 (none) or 64K to limit");

module_param_cb(reserve, &bytes_ops, &reserve, 0444);
MODULE_PARM_DESC(reserve, "bytes the default heap takes at load and keeps: 0 to half of memory");

static int set_decay(const char *val, const struct kernel_param *kp)
{
	int ms, ret = val ? kstrtoint(val, 10, &ms) : -EINVAL;

	if (!ret && ms >= -1 && ms <= QUARRY_DECAY_MAX) {
		*(int *)kp->arg = ms;
		return 0;
	}
	pr_err("parameter %s=%s: %s, has to be -1 (never) or 0 to %d ms\n", kp->name, val ?: "",
	       ret ? "not a number" : "out of range", QUARRY_DECAY_MAX);
	return -EINVAL;
}

static const struct kernel_param_ops decay_ops = {
	.set = set_decay,
	.get = param_get_int,
};

module_param_cb(decay_ms, &decay_ops, &decay_ms, 0444);
MODULE_PARM_DESC(decay_ms, "half-life of idle pages of the default heap: 0 at once, -1 never, to 3600000 ms");

static int check_params(void)
{
	char value[24];

	snprintf(value, sizeof(value), "%llu", limit);
	if (limit && (limit < SZ_64K || limit > ram_bytes()))
		return refuse("limit", value, "out of range");
	snprintf(value, sizeof(value), "%llu", soft_limit);
	if (soft_limit && (soft_limit < SZ_64K || soft_limit > ram_bytes() ||
			   (limit && soft_limit > limit)))
		return refuse("soft_limit", value, "out of range");
	snprintf(value, sizeof(value), "%llu", reserve);
	if (reserve > ram_bytes() / 2 || (limit && PAGE_ALIGN(reserve) > limit))
		return refuse("reserve", value, "out of range");
	return 0;
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

void quarry_abi_1(void)
{
}
EXPORT_SYMBOL_GPL(quarry_abi_1);

static int __init quarry_init(void)
{
	struct quarry_heap_params params = { .name = "default", .node = NUMA_NO_NODE };
	int ret = check_params();

	if (ret)
		return ret;
	params.limit = limit;
	params.soft_limit = soft_limit;
	params.reserve = reserve;
	params.decay_ms = decay_ms;
	ret = quarry_mags_global_init();
	if (ret)
		return ret;
	ret = quarry_extent_init();
	if (ret)
		goto err_mags;
	quarry_debugfs_init();
	ret = quarry_reclaim_global_init();
	if (ret)
		goto err_debugfs;
	ret = quarry_heap_global_init(&params);
	if (ret)
		goto err_reclaim;
	ret = watch_modules();
	if (ret)
		goto err_heap;
	pr_info("loaded: limit %llu bytes (0: none), soft_limit %llu, reserve %llu, decay_ms %d\n",
		limit, soft_limit, reserve, decay_ms);
	return 0;

err_heap:
	quarry_heap_global_exit();
err_reclaim:
	quarry_reclaim_global_exit();
err_debugfs:
	quarry_debugfs_exit();
	quarry_extent_exit();
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
	/* Lookups that were under way when the last extent went have ended. */
	synchronize_rcu();
	quarry_extent_exit();
	quarry_mags_global_exit();
	if (quarry_pages_lost())
		pr_err("%ld pages with foreign references stay out of use\n", quarry_pages_lost());
	pr_info("unloaded, %ld pages held\n", quarry_pages_held());
}

module_init(quarry_init);
module_exit(quarry_exit);

MODULE_DESCRIPTION("Private heaps for kernel objects: buddy, slab caches, arenas");
MODULE_LICENSE("GPL");
