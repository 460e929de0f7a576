// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_ring: producers in task, hardirq and NMI on two CPUs, one consumer.
 *
 * Each message says who wrote it, its number there, and is filled with a pattern.  The
 * consumer checks all of it: none torn, those of one producer in order; and none missing but
 * those that the ring counted as overwritten.
 */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <quarry/ring.h>
#include "context.h"
#include "helpers.h"
#include "ring_kunit.h"

#define NR_CPUS_USED	2U
#define RUN_MS		1500
#define MAGIC		0x6d657373
#define SPARSE		512	/* bytes between the words of a long message */

enum kind_of_source { TASK, HARDIRQ, NMI, NR_SOURCE_KINDS };

/* Who writes; alone with itself. */
struct source {
	struct storm *storm;
	unsigned int id;
	struct rnd_state rnd;
	u64 nr_written;
	u64 nr_discarded;
	u64 nr_refused;
};

struct message {
	u32 magic;
	u32 id;
	u64 nr;
	u8 pattern[];
};

struct storm {
	struct quarry_ring *ring;
	size_t longest;			/* of a pattern */
	u32 full;			/* bytes; 0: the case itself is the consumer */
	unsigned int period_us;		/* of interrupts */
	bool with_nmi;
	struct source sources[NR_SOURCE_KINDS][NR_CPUS_USED];
	struct storm_timer {
		struct storm *storm;
		struct hrtimer timer;
		unsigned int cpu;
	} timers[NR_CPUS_USED];
	/* the consumer's */
	struct rnd_state rnd;
	u64 next[NR_SOURCE_KINDS * NR_CPUS_USED];
	u64 nr_read;
	u64 nr_missed;
	const char *wrong;
	u64 where;
	u8 buf[];
};

static u64 tag_of(unsigned int id, u64 nr)
{
	return (u64)id << 56 | nr;
}

/* Long messages are so filled that it takes no longer to fill or check than to copy them. */
static void fill(const struct storm *storm, u8 *pattern, size_t len, u64 tag)
{
	size_t i;

	if (!storm->full)
		return quarry_test_fill(pattern, len, tag);
	for (i = 0; i + sizeof(tag) <= len; i += SPARSE)
		*(u64 *)(pattern + i) = tag + i;
}

static bool is_filled(const struct storm *storm, const u8 *pattern, size_t len, u64 tag)
{
	size_t i;

	if (!storm->full)
		return quarry_test_check(pattern, len, tag);
	for (i = 0; i + sizeof(tag) <= len; i += SPARSE) {
		if (*(const u64 *)(pattern + i) != tag + i)
			return false;
	}
	return true;
}

/* Reserve, fill, and commit or now and then discard. */
static bool produce(struct source *source)
{
	struct quarry_ring *ring = source->storm->ring;
	size_t len = quarry_test_below(&source->rnd,
				       1 + quarry_test_below(&source->rnd, source->storm->longest));
	struct message *msg = quarry_ring_reserve(ring, sizeof(*msg) + len);

	if (!msg) {
		source->nr_refused++;
		return false;
	}
	msg->magic = MAGIC;
	msg->id = source->id;
	msg->nr = source->nr_written;
	fill(source->storm, msg->pattern, len, tag_of(msg->id, msg->nr));
	if (quarry_test_below(&source->rnd, 10)) {
		source->nr_written++;
		quarry_ring_commit(ring, msg);
	} else {
		source->nr_discarded++;
		quarry_ring_discard(ring, msg);
	}
	return true;
}

static enum hrtimer_restart tick(struct hrtimer *timer)
{
	struct storm_timer *t = container_of(timer, struct storm_timer, timer);
	struct source *source = &t->storm->sources[HARDIRQ][t->cpu];
	unsigned int i = quarry_test_below(&source->rnd, 4), us;

	while (i--)
		produce(source);
	us = 1 + t->storm->period_us / 2 + quarry_test_below(&source->rnd, t->storm->period_us);
	hrtimer_forward_now(timer, ns_to_ktime(us * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

static void in_nmi_produce(void *arg)
{
	struct storm *storm = arg;

	produce(&storm->sources[NMI][raw_smp_processor_id() == quarry_test_cpu(1)]);
}

static struct hrtimer *start_ticks(struct storm *storm, unsigned int cpu)
{
	struct storm_timer *t = &storm->timers[cpu];

	t->storm = storm;
	t->cpu = cpu;
	hrtimer_init(&t->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	t->timer.function = tick;
	hrtimer_start(&t->timer, ns_to_ktime(100 * NSEC_PER_USEC), HRTIMER_MODE_REL_PINNED_HARD);
	return &t->timer;
}

/* A task that writes, under a timer that writes on the same CPU. */
static void produce_in_task(struct quarry_test_worker *worker)
{
	struct storm *storm = worker->arg;
	struct hrtimer *timer = start_ticks(storm, worker->id);
	unsigned int i;

	while (!quarry_test_worker_should_stop()) {
		for (i = quarry_test_below(&worker->rnd, 200); i; i--)
			if (!produce(&storm->sources[TASK][worker->id]))
				break;
		worker->nr_ops++;
		/* Full: leave the next room to the others now and then. */
		if (i && quarry_test_below(&worker->rnd, 2))
			usleep_range(50, 200);
		else
			cond_resched();
	}
	hrtimer_cancel(timer);
}

static void complain(struct storm *storm, const char *what, u64 where)
{
	if (storm->wrong)
		return;
	storm->wrong = what;
	storm->where = where;
}

static void check_message(struct storm *storm, const struct message *msg, size_t len)
{
	if (len < sizeof(*msg) || msg->magic != MAGIC || msg->id >= ARRAY_SIZE(storm->next)) {
		complain(storm, "no message of ours", storm->nr_read);
		return;
	}
	if (!is_filled(storm, msg->pattern, len - sizeof(*msg), tag_of(msg->id, msg->nr)))
		complain(storm, "torn", tag_of(msg->id, msg->nr));
	if (msg->nr < storm->next[msg->id])
		complain(storm, "out of order", tag_of(msg->id, msg->nr));
	storm->nr_missed += msg->nr - storm->next[msg->id];
	storm->next[msg->id] = msg->nr + 1;
	storm->nr_read++;
}

/* In place or copied, by turns.  False if there is nothing. */
static bool consume(struct storm *storm)
{
	size_t len = 0;
	void *msg;
	int ret;

	if (storm->nr_read % 2) {
		msg = quarry_ring_peek(storm->ring, &len);
		if (!msg)
			return false;
		check_message(storm, msg, len);
		quarry_ring_release(storm->ring);
		return true;
	}
	ret = quarry_ring_read(storm->ring, storm->buf, sizeof(struct message) + storm->longest);
	if (ret == -EAGAIN)
		return false;
	if (ret < 0)
		complain(storm, "read failed", -ret);
	else
		check_message(storm, (void *)storm->buf, ret);
	return ret >= 0;
}

/*
 * Keeps the ring full and reads from it, most of the time copying what an interrupt is
 * about to overwrite.
 */
static void produce_and_copy(struct quarry_test_worker *worker)
{
	struct storm *storm = worker->arg;
	struct hrtimer *timer = start_ticks(storm, worker->id);
	int ret;

	while (!quarry_test_worker_should_stop() && !storm->wrong) {
		while (quarry_ring_used(storm->ring) < storm->full)
			produce(&storm->sources[TASK][worker->id]);
		ret = quarry_ring_read(storm->ring, storm->buf,
				       sizeof(struct message) + storm->longest);
		if (ret >= 0)
			check_message(storm, (void *)storm->buf, ret);
		else if (ret != -EAGAIN)
			complain(storm, "read failed", -ret);
		worker->nr_ops++;
		cond_resched();
	}
	hrtimer_cancel(timer);
}

static void consume_for_a_while(struct storm *storm)
{
	unsigned long end = jiffies + msecs_to_jiffies(RUN_MS);
	unsigned int i;

	while (time_before(jiffies, end) && !storm->wrong) {
		for (i = quarry_test_below(&storm->rnd, 400); i; i--)
			if (!consume(storm))
				break;
		if (storm->with_nmi)
			quarry_test_nmi_send(quarry_test_cpu(quarry_test_below(&storm->rnd, 2)));
		/* Now and then let it become full. */
		if (quarry_test_below(&storm->rnd, 4))
			cond_resched();
		else
			schedule_timeout_uninterruptible(1);
	}
}

static void sum_up(struct kunit *test, struct storm *storm)
{
	static const char * const names[] = { "task", "hardirq", "NMI" };
	u64 written = 0, discarded = 0, refused = 0, here;
	struct quarry_ring_stats stats;
	unsigned int kind, cpu;

	for (kind = 0; kind < NR_SOURCE_KINDS; kind++) {
		here = 0;
		for (cpu = 0; cpu < NR_CPUS_USED; cpu++) {
			struct source *source = &storm->sources[kind][cpu];

			here += source->nr_written;
			discarded += source->nr_discarded;
			refused += source->nr_refused;
			storm->nr_missed += source->nr_written - storm->next[source->id];
		}
		kunit_info(test, "%llu messages from %s\n", here, names[kind]);
		if (kind != NMI || storm->with_nmi)
			KUNIT_EXPECT_GT_MSG(test, here, 0ULL, "messages from %s", names[kind]);
		written += here;
	}
	quarry_ring_get_stats(storm->ring, &stats);
	kunit_info(test, "%llu read, %llu overwritten, %llu refused, %llu discarded\n", stats.read,
		   stats.overwritten, stats.dropped, stats.discarded);
	KUNIT_EXPECT_EQ(test, stats.written, written);
	KUNIT_EXPECT_EQ(test, stats.read, storm->nr_read);
	KUNIT_EXPECT_EQ(test, stats.dropped, refused);
	KUNIT_EXPECT_EQ(test, stats.discarded, discarded);
	KUNIT_EXPECT_EQ_MSG(test, stats.overwritten, storm->nr_missed, "lost and not counted");
	KUNIT_EXPECT_EQ(test, stats.used, 0ULL);
	KUNIT_EXPECT_GT(test, stats.read, 0ULL);
}

static void send_nmis_for_a_while(struct storm *storm)
{
	unsigned long end = jiffies + msecs_to_jiffies(RUN_MS);

	while (time_before(jiffies, end)) {
		if (storm->with_nmi)
			quarry_test_nmi_send(quarry_test_cpu(quarry_test_below(&storm->rnd, 2)));
		schedule_timeout_uninterruptible(1);
	}
}

static void run_storm(struct kunit *test, enum quarry_ring_mode mode, u32 size, size_t longest,
		      unsigned int period_us, u32 full)
{
	struct quarry_ring_params params = { .name = "storm", .size = size, .mode = mode };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_worker workers[NR_CPUS_USED];
	struct storm *storm = quarry_test_array(test, 1, sizeof(*storm) + sizeof(struct message) +
						longest);
	u64 seed = quarry_test_seed(test, &storm->rnd);
	/* One that is in the way of the copying helps only on a CPU of its own. */
	unsigned int nr_workers = full ? min(NR_CPUS_USED, num_online_cpus()) : NR_CPUS_USED;
	unsigned int kind, cpu;

	storm->ring = quarry_test_ring(test, heap, &params);
	storm->longest = longest;
	storm->full = full;
	storm->period_us = period_us * QUARRY_TEST_SLOWER;
	for (kind = 0; kind < NR_SOURCE_KINDS; kind++) {
		for (cpu = 0; cpu < NR_CPUS_USED; cpu++) {
			struct source *source = &storm->sources[kind][cpu];

			source->storm = storm;
			source->id = kind * NR_CPUS_USED + cpu;
			prandom_seed_state(&source->rnd, seed + 10 + source->id);
		}
	}
	storm->with_nmi = !quarry_test_nmi_begin(in_nmi_produce, storm);
	for (cpu = 0; cpu < nr_workers; cpu++)
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[cpu], cpu,
							       quarry_test_cpu(cpu), seed,
							       full && !cpu ? produce_and_copy :
									      produce_in_task,
							       storm), 0);
	if (full)
		send_nmis_for_a_while(storm);
	else
		consume_for_a_while(storm);
	for (cpu = 0; cpu < nr_workers; cpu++)
		quarry_test_worker_stop(test, &workers[cpu]);
	if (storm->with_nmi)
		quarry_test_nmi_end();
	while (!storm->wrong && consume(storm))
		;
	KUNIT_EXPECT_NULL_MSG(test, storm->wrong, "%s: %#llx", storm->wrong ?: "", storm->where);
	sum_up(test, storm);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

void ring_storm_refusing(struct kunit *test)
{
	run_storm(test, QUARRY_RING_REFUSE, SZ_16K, 500, 100, 0);
}

void ring_storm_overwriting(struct kunit *test)
{
	run_storm(test, QUARRY_RING_OVERWRITE, SZ_16K, 500, 100, 0);
}

/* Messages that take so long to copy that others write over them meanwhile. */
void ring_storm_long(struct kunit *test)
{
	run_storm(test, QUARRY_RING_OVERWRITE, SZ_1M, SZ_256K, 1000, SZ_512K + SZ_128K);
}
