// SPDX-License-Identifier: GPL-2.0
/*
 * Platforms that aims are stated for:
 *
 *	icount	a 6.12 kernel on one CPU of `qemu -icount shift=0,sleep=off` with
 *		mitigations=off init_on_alloc=0; instructions
 *	uml	User-mode Linux 6.12; nanoseconds
 *	smp	a 6.12 kernel on two CPUs or more with init_on_alloc=1, as Debian has it;
 *		nanoseconds, ratios only
 */
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/utsname.h>
#include "meter.h"
#include "platform.h"

static const char * const platform_names[] = {
	[QUARRY_BENCH_ICOUNT] = "icount",
	[QUARRY_BENCH_UML] = "uml",
	[QUARRY_BENCH_SMP] = "smp",
};

static_assert(ARRAY_SIZE(platform_names) == QUARRY_BENCH_NR_PLATFORMS);

const char *quarry_bench_platform_name(enum quarry_bench_platform platform)
{
	return platform_names[platform];
}

static bool is_6_12(void)
{
	return !strncmp(init_utsname()->release, "6.12.", 5);
}

static bool has_two_clocked_cpus(void)
{
	return quarry_bench_meter.has_ns && num_online_cpus() > 1;
}

enum quarry_bench_platform quarry_bench_find_platform(void)
{
	if (!is_6_12())
		return QUARRY_BENCH_OTHER;
	if (IS_ENABLED(CONFIG_UML))
		return quarry_bench_meter.has_ns ? QUARRY_BENCH_UML : QUARRY_BENCH_OTHER;
	if (quarry_bench_meter.icount && num_online_cpus() == 1 && cpu_mitigations_off() &&
	    !want_init_on_alloc(GFP_KERNEL))
		return QUARRY_BENCH_ICOUNT;
	if (has_two_clocked_cpus() && want_init_on_alloc(GFP_KERNEL))
		return QUARRY_BENCH_SMP;
	return QUARRY_BENCH_OTHER;
}

void quarry_bench_put_label(struct bench_text *text)
{
	enum quarry_bench_platform platform = quarry_bench_find_platform();
	const char *name = "native";

	if (platform != QUARRY_BENCH_OTHER)
		name = platform_names[platform];
	else if (quarry_bench_meter.icount)
		name = "icount-stock";
	else if (is_6_12() && has_two_clocked_cpus())
		name = "smp-noinit";
	bench_put(text, "%s-%s", name, init_utsname()->release);
}
EXPORT_SYMBOL_GPL(quarry_bench_put_label);

void quarry_bench_put_platform(struct bench_text *text)
{
	bench_put(text, "%s, CPUs: %u, mitigations=%s init_on_alloc=%d; ",
		  init_utsname()->release, num_online_cpus(),
		  cpu_mitigations_off() ? "off" : "on", want_init_on_alloc(GFP_KERNEL));
	if (quarry_bench_meter.icount)
		bench_put(text, "the clock counts instructions\n");
	else
		bench_put(text, "instructions are %scounted\n",
			  quarry_bench_meter.has_instructions ? "" : "not ");
	if (quarry_bench_find_platform() == QUARRY_BENCH_OTHER)
		bench_put(text, "no aim is stated for a machine like this one\n");
}
