// SPDX-License-Identifier: GPL-2.0
/*
 * Running a function in a context of the kernel, on a CPU.
 *
 * One at a time: the cases of KUnit run one after the other.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/timer.h>
#include "context.h"

#ifdef CONFIG_X86_LOCAL_APIC
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

#define PATIENCE	(10 * HZ)

const char * const quarry_test_context_names[] = { "task", "softirq", "hardirq", "NMI" };

static struct {
	void (*fn)(void *arg);
	void *arg;
	enum quarry_test_context context;
	bool there;		/* the context was the one that was meant */
	bool done;
} job;

static bool is_there(void)
{
	switch (job.context) {
	case QUARRY_IN_SOFTIRQ:
		return in_serving_softirq();
	case QUARRY_IN_HARDIRQ:
		return in_hardirq();
	case QUARRY_IN_NMI:
		return in_nmi();
	default:
		return in_task();
	}
}

static void run(void)
{
	job.there = is_there();
	job.fn(job.arg);
	/* Pairs with smp_load_acquire() in wait(). */
	smp_store_release(&job.done, true);
}

static int run_in_task(void *unused)
{
	run();
	return 0;
}

static void run_in_softirq(struct timer_list *unused)
{
	run();
}

static DEFINE_TIMER(softirq_timer, run_in_softirq);

static enum hrtimer_restart run_in_hardirq(struct hrtimer *unused)
{
	run();
	return HRTIMER_NORESTART;
}

static struct hrtimer hardirq_timer;

static int start_hrtimer(void *unused)
{
	hrtimer_init(&hardirq_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	hardirq_timer.function = run_in_hardirq;
	hrtimer_start(&hardirq_timer, ns_to_ktime(100 * NSEC_PER_USEC),
		      HRTIMER_MODE_REL_PINNED_HARD);
	return 0;
}

static bool wait(void)
{
	unsigned long end = jiffies + PATIENCE;

	/* Pairs with smp_store_release() in run(). */
	while (!smp_load_acquire(&job.done) && time_before(jiffies, end))
		usleep_range(50, 200);
	return READ_ONCE(job.done);
}

/* === NMI === */

#ifdef CONFIG_X86_LOCAL_APIC
static struct cpumask nmi_sent;
static void (*nmi_fn)(void *arg);
static void *nmi_arg;

static int handle_nmi(unsigned int type, struct pt_regs *regs)
{
	if (cpumask_test_and_clear_cpu(smp_processor_id(), &nmi_sent))
		nmi_fn(nmi_arg);
	/* Two may have become one, and then the second finds nothing: ours all the same. */
	return NMI_HANDLED;
}

int quarry_test_nmi_begin(void (*fn)(void *arg), void *arg)
{
	nmi_fn = fn;
	nmi_arg = arg;
	cpumask_clear(&nmi_sent);
	return register_nmi_handler(NMI_LOCAL, handle_nmi, 0, "quarry_kunit");
}

void quarry_test_nmi_send(unsigned int cpu)
{
	/* Not before the last one has been there. */
	if (cpumask_test_and_set_cpu(cpu, &nmi_sent))
		return;
	__apic_send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);
}

void quarry_test_nmi_end(void)
{
	unsigned long end = jiffies + PATIENCE;

	while (!cpumask_empty(&nmi_sent) && time_before(jiffies, end))
		cpu_relax();
	unregister_nmi_handler(NMI_LOCAL, "quarry_kunit");
}
#else
int quarry_test_nmi_begin(void (*fn)(void *arg), void *arg)
{
	return -ENODEV;
}

void quarry_test_nmi_send(unsigned int cpu)
{
}

void quarry_test_nmi_end(void)
{
}
#endif

static void run_in_nmi(void *unused)
{
	run();
}

/* === One function === */

bool quarry_test_context_exists(enum quarry_test_context context)
{
	return context != QUARRY_IN_NMI || IS_ENABLED(CONFIG_X86_LOCAL_APIC);
}

static bool start(unsigned int cpu)
{
	switch (job.context) {
	case QUARRY_IN_SOFTIRQ:
		softirq_timer.expires = jiffies + 1;
		add_timer_on(&softirq_timer, cpu);
		return true;
	case QUARRY_IN_HARDIRQ:
		return !smp_call_on_cpu(cpu, start_hrtimer, NULL, false);
	case QUARRY_IN_NMI:
		if (quarry_test_nmi_begin(run_in_nmi, NULL))
			return false;
		quarry_test_nmi_send(cpu);
		return true;
	default:
		return !smp_call_on_cpu(cpu, run_in_task, NULL, false);
	}
}

/* Nothing of it is running any more. */
static void stop(void)
{
	switch (job.context) {
	case QUARRY_IN_SOFTIRQ:
		del_timer_sync(&softirq_timer);
		break;
	case QUARRY_IN_HARDIRQ:
		hrtimer_cancel(&hardirq_timer);
		break;
	case QUARRY_IN_NMI:
		quarry_test_nmi_end();
		break;
	default:
		break;
	}
}

bool quarry_test_run_in(enum quarry_test_context context, unsigned int cpu,
			void (*fn)(void *arg), void *arg)
{
	bool done;

	job.fn = fn;
	job.arg = arg;
	job.context = context;
	job.there = false;
	job.done = false;
	if (!start(cpu))
		return false;
	done = wait();
	stop();
	return done && job.there;
}
