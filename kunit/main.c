// SPDX-License-Identifier: GPL-2.0
/*
 * quarry_kunit.ko: all suites, lowest layer first.  They stand in one listing
 * because kunit.py reads one document of results per run and drops a second.
 * Built in, they run when the kernel has started, and may want more CPUs than it has
 * started on.
 */
#define pr_fmt(fmt) "quarry_kunit: " fmt

#include <linux/cpu.h>
#include <linux/init.h>
#include <linux/module.h>
#include "helpers.h"

#ifndef MODULE
static bool start_cpus;
module_param(start_cpus, bool, 0);
MODULE_PARM_DESC(start_cpus, "start the CPUs that maxcpus= left out before the suites run");

/* After the last initcall that rewrites the kernel's code: see qemu_one_cpu in scripts/lib.sh. */
static int __init start_other_cpus(void)
{
	unsigned int cpu;
	int ret = 0;

	if (!start_cpus)
		return 0;
	for_each_present_cpu(cpu) {
		if (cpu_online(cpu))
			continue;
		ret = add_cpu(cpu);
		if (ret)
			pr_err("CPU %u does not start: error %d\n", cpu, ret);
	}
	return ret;
}
late_initcall_sync(start_other_cpus);
#endif

kunit_test_suites(&quarry_buddy_suite,
		  &quarry_pagemap_suite,
		  &quarry_pages_suite,
		  &quarry_place_suite,
		  &quarry_backing_suite,
		  &quarry_numa_suite,
		  &quarry_stray_suite,
		  &quarry_reclaim_suite,
		  &quarry_cpu_area_suite,
		  &quarry_magazine_suite,
		  &quarry_capacity_suite,
		  &quarry_slab_suite,
		  &quarry_cache_suite,
		  &quarry_bulk_suite,
		  &quarry_rcu_suite,
		  &quarry_context_suite,
		  &quarry_sizeclass_suite,
		  &quarry_heap_suite,
		  &quarry_arena_suite,
		  &quarry_arena_life_suite,
		  &quarry_arena_shared_suite,
		  &quarry_escape_suite,
		  &quarry_arena_find_suite,
		  &quarry_arena_check_suite,
		  &quarry_arena_model_suite,
		  &quarry_arena_fault_suite,
		  &quarry_frames_suite,
		  &quarry_pool_suite,
		  &quarry_pool_misuse_suite,
		  &quarry_pool_live_suite,
		  &quarry_ring_suite,
		  &quarry_stress_suite,
		  &quarry_drain_suite,
		  &quarry_replay_suite,
		  &quarry_results_suite,
		  &quarry_fault_suite,
		  &quarry_pageuse_suite,
		  &quarry_events_suite,
		  &quarry_failure_suite,
		  &quarry_knobs_suite,
		  &quarry_trace_suite,
		  &quarry_compat_suite,
		  &quarry_hardened_suite,
		  &quarry_owners_suite,
		  &quarry_kasan_suite);

MODULE_DESCRIPTION("KUnit suites of Quarry");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(QUARRY_KUNIT);
