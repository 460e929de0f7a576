// SPDX-License-Identifier: GPL-2.0
/*
 * The meter; see meter.h.
 *
 * perf_event_read_value() sleeps and costs thousands of instructions, and the
 * cheap perf_event_read_local() is not exported.  What that does for a pinned
 * event of this CPU is done here: let the PMU bring the count up to date.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/perf_event.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include "meter.h"

/* The clock is checked with a loop of two instructions: so many more turns, so often. */
#define CHECK_LOOPS		100000UL
#define CHECK_INSTRUCTIONS	(2 * CHECK_LOOPS)
#define CHECK_TIMES		10

struct quarry_bench_meter quarry_bench_meter;

#ifdef CONFIG_PERF_EVENTS
static struct perf_event *counter;

static void open_counter(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.size = sizeof(attr),
		.pinned = 1,		/* always counting, or never */
		.exclude_user = 1,
		.exclude_hv = 1,
	};
	struct perf_event *event;

	event = perf_event_create_kernel_counter(&attr, smp_processor_id(), NULL, NULL, NULL);
	if (IS_ERR(event))
		return;
	counter = event;
	quarry_bench_meter.has_instructions = true;
}

static void close_counter(void)
{
	if (counter)
		perf_event_release_kernel(counter);
	counter = NULL;
}

static u64 read_counter(void)
{
	unsigned long flags;
	u64 value = 0;

	if (!counter)
		return 0;
	local_irq_save(flags);
	/* A pinned event that lost its counter stays without one. */
	if (READ_ONCE(counter->oncpu) == smp_processor_id()) {
		counter->pmu->read(counter);
		value = local64_read(&counter->count);
	} else {
		quarry_bench_meter.has_instructions = false;
	}
	local_irq_restore(flags);
	return value;
}
#else
static void open_counter(void) { }
static void close_counter(void) { }
static u64 read_counter(void) { return 0; }
#endif

static u64 ns_of_loops(unsigned long nr)
{
	unsigned long flags;
	u64 ns;

	local_irq_save(flags);
	ns = ktime_get_ns();
	asm volatile("1: dec %0; jnz 1b" : "+r" (nr) : : "cc");
	ns = ktime_get_ns() - ns;
	local_irq_restore(flags);
	return ns;
}

/*
 * To a thousandth: the clock's rate was measured when the kernel started.  Other
 * clocks may hit that by chance, but not each time.
 */
static int check_icount(void)
{
	unsigned int i;

	for (i = 0; i < CHECK_TIMES; i++) {
		u64 once = ns_of_loops(CHECK_LOOPS), twice = ns_of_loops(2 * CHECK_LOOPS);
		s64 took = twice - once;

		if (abs(took - (s64)CHECK_INSTRUCTIONS) > CHECK_INSTRUCTIONS / 1000) {
			pr_err("parameter icount=1: the clock does not count instructions: %lu of them took %lld ns\n",
			       CHECK_INSTRUCTIONS, took);
			return -EINVAL;
		}
	}
	return 0;
}

int quarry_bench_meter_open(bool icount)
{
	int ret = 0;

	quarry_bench_meter = (struct quarry_bench_meter){
		.icount = icount,
		.has_ns = !icount,
		.has_instructions = icount,
	};
	migrate_disable();
	if (icount)
		ret = check_icount();
	else
		open_counter();
	if (ret)
		migrate_enable();
	return ret;
}

void quarry_bench_meter_close(void)
{
	close_counter();
	migrate_enable();
}

void quarry_bench_read(struct quarry_bench_reading *reading)
{
	u64 clock;

	reading->instructions = read_counter();
	clock = ktime_get_ns();
	if (quarry_bench_meter.icount)
		reading->instructions = clock;
	else
		reading->ns = clock;
}
