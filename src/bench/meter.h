/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a stretch of code costs: nanoseconds and instructions, as far as the machine
 * can tell.
 *
 * Instructions come from a counter of the CPU, by way of the kernel's perf
 * events, or, in `qemu -icount shift=0,sleep=off`, from the clock: there a
 * nanosecond is an instruction, and nothing else is known of time.
 */
#ifndef _QUARRY_BENCH_METER_H
#define _QUARRY_BENCH_METER_H

#include <linux/irqflags.h>
#include <linux/kconfig.h>
#include <linux/preempt.h>
#include <linux/types.h>

/**
 * struct quarry_bench_reading - a look at the meter, or the difference of two
 * @ns: nanoseconds, 0 if they are not known
 * @instructions: instructions in the kernel on this CPU, 0 if they are not known
 */
struct quarry_bench_reading {
	u64 ns;
	u64 instructions;
};

/* What this machine can tell, valid while the meter is open. */
struct quarry_bench_meter {
	bool icount;
	bool has_ns;
	bool has_instructions;
};

extern struct quarry_bench_meter quarry_bench_meter;

/*
 * Keeps the caller on its CPU until quarry_bench_meter_close().  @icount: the clock
 * counts instructions, which is checked.
 * Return: 0, or %-EINVAL if the clock does not count instructions after all.
 */
int quarry_bench_meter_open(bool icount);
void quarry_bench_meter_close(void);

/* Always the same work, so that the difference of two includes a constant. */
void quarry_bench_read(struct quarry_bench_reading *reading);

/*
 * Nothing comes in between, where that may be: on PREEMPT_RT the kernel's allocators,
 * which are measured too, take locks that sleep, so there ticks are counted as well.
 */
static inline unsigned long quarry_bench_quiet_begin(void)
{
	unsigned long flags = 0;

	if (!IS_ENABLED(CONFIG_PREEMPT_RT)) {
		preempt_disable();	/* or a need to reschedule were heeded */
		local_irq_save(flags);
	}
	return flags;
}

static inline void quarry_bench_quiet_end(unsigned long flags)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT)) {
		local_irq_restore(flags);
		preempt_enable();
	}
}

/* Turn @first into what it cost from there to @last. */
static inline void quarry_bench_since(struct quarry_bench_reading *first,
				      const struct quarry_bench_reading *last)
{
	first->ns = last->ns - first->ns;
	first->instructions = last->instructions - first->instructions;
}

#endif /* _QUARRY_BENCH_METER_H */
