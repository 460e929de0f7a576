// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_ring: random steps on a ring, each against a naive model of it, a queue of
 * messages.
 */
#include <linux/math.h>
#include <linux/sizes.h>
#include "../src/ring.h"
#include "helpers.h"
#include "ring_kunit.h"

#define NR_MODEL	1024	/* messages of at least 8 bytes in a page, with padding */

enum fate { OPEN, READY, NO_MESSAGE };

struct model {
	struct quarry_ring *ring;
	struct rnd_state rnd;
	u64 size, head, tail;
	u64 written, read, dropped, overwritten, discarded;
	u64 tag;
	bool overwrite, held;
	unsigned int first, nr;		/* a queue in msgs */
	struct {
		u64 tag;
		u32 len, stride;
		void *room;
		enum fate fate;
	} msgs[NR_MODEL];
};

static unsigned int nth(struct model *m, unsigned int n)
{
	return (m->first + n) % NR_MODEL;
}

static void model_push(struct model *m, u32 len, u32 stride, void *room, enum fate fate)
{
	unsigned int i = nth(m, m->nr++);

	m->msgs[i].tag = m->tag;
	m->msgs[i].len = len;
	m->msgs[i].stride = stride;
	m->msgs[i].room = room;
	m->msgs[i].fate = fate;
	m->head += stride;
}

static void model_pop(struct model *m)
{
	m->tail += m->msgs[m->first].stride;
	m->first = nth(m, 1);
	m->nr--;
}

/* Make room up to @end as the ring is said to. */
static bool model_make_room(struct model *m, u64 end)
{
	while (end > m->tail + m->size) {
		if (!m->overwrite || m->held || m->msgs[m->first].fate == OPEN)
			return false;
		m->overwritten += m->msgs[m->first].fate == READY;
		model_pop(m);
	}
	return true;
}

static void step_reserve(struct kunit *test, struct model *m)
{
	u32 len = quarry_test_below(&m->rnd, 1 + quarry_test_below(&m->rnd, m->size / 2 - 7));
	u32 need = 8 + DIV_ROUND_UP(len, 8) * 8, rest = m->size - m->head % m->size;
	u32 pad = need > rest ? rest : 0;
	bool fits = model_make_room(m, m->head + pad + need);
	void *room = quarry_ring_reserve(m->ring, len);

	m->tag++;

	KUNIT_ASSERT_EQ_MSG(test, !!room, fits, "message %llu of %u bytes, %llu in use", m->tag,
			    len, m->head - m->tail);
	if (!room) {
		m->dropped++;
		return;
	}
	if (pad)
		model_push(m, 0, pad, NULL, NO_MESSAGE);
	KUNIT_ASSERT_PTR_EQ(test, room, m->ring->buf + m->head % m->size + 8);
	quarry_test_fill(room, len, m->tag);
	model_push(m, len, need, room, OPEN);
}

/* Commit or discard an open one, any of them. */
static void step_finish(struct model *m)
{
	unsigned int i, n = m->nr ? quarry_test_below(&m->rnd, m->nr) : 0;

	for (; n < m->nr; n++) {
		i = nth(m, n);
		if (m->msgs[i].fate != OPEN)
			continue;
		if (quarry_test_below(&m->rnd, 5)) {
			quarry_ring_commit(m->ring, m->msgs[i].room);
			m->msgs[i].fate = READY;
			m->written++;
		} else {
			quarry_ring_discard(m->ring, m->msgs[i].room);
			m->msgs[i].fate = NO_MESSAGE;
			m->discarded++;
		}
		return;
	}
}

/* Pass over what is none; is there a message? */
static bool model_ready(struct model *m)
{
	while (m->nr && m->msgs[m->first].fate == NO_MESSAGE)
		model_pop(m);
	return m->nr && m->msgs[m->first].fate == READY;
}

static void expect_oldest(struct kunit *test, struct model *m, const void *msg, size_t len)
{
	KUNIT_ASSERT_EQ(test, len, (size_t)m->msgs[m->first].len);
	KUNIT_ASSERT_TRUE_MSG(test, quarry_test_check(msg, len, m->msgs[m->first].tag),
			      "message %llu", m->msgs[m->first].tag);
}

static void step_peek(struct kunit *test, struct model *m)
{
	size_t len;
	void *msg;

	if (m->held) {
		quarry_ring_release(m->ring);
		m->held = false;
		m->read++;
		model_pop(m);
		return;
	}
	msg = quarry_ring_peek(m->ring, &len);
	KUNIT_ASSERT_EQ(test, !!msg, model_ready(m));
	if (!msg)
		return;
	expect_oldest(test, m, msg, len);
	m->held = true;
}

static void step_read(struct kunit *test, struct model *m, void *buf)
{
	int ret;

	if (m->held)
		return;
	ret = quarry_ring_read(m->ring, buf, m->size);
	if (!model_ready(m)) {
		KUNIT_ASSERT_EQ(test, ret, -EAGAIN);
		return;
	}
	KUNIT_ASSERT_GE(test, ret, 0);
	expect_oldest(test, m, buf, ret);
	m->read++;
	model_pop(m);
}

static void expect_counts(struct kunit *test, struct model *m)
{
	struct quarry_ring_stats stats;

	quarry_ring_get_stats(m->ring, &stats);
	KUNIT_EXPECT_EQ(test, stats.used, m->head - m->tail);
	KUNIT_EXPECT_EQ(test, stats.written, m->written);
	KUNIT_EXPECT_EQ(test, stats.read, m->read);
	KUNIT_EXPECT_EQ(test, stats.dropped, m->dropped);
	KUNIT_EXPECT_EQ(test, stats.overwritten, m->overwritten);
	KUNIT_EXPECT_EQ(test, stats.discarded, m->discarded);
}

static void run_model(struct kunit *test, struct model *m, struct quarry_heap *heap, void *buf)
{
	unsigned int i, bias = 4;

	for (i = 0; i < QUARRY_TEST_LOOPS(40000); i++) {
		/* Now full, now empty. */
		if (!(i % 500))
			bias = 2 + quarry_test_below(&m->rnd, 5);
		if (quarry_test_below(&m->rnd, 8) < bias)
			step_reserve(test, m);
		else if (quarry_test_below(&m->rnd, 2))
			step_peek(test, m);
		else
			step_read(test, m, buf);
		if (quarry_test_below(&m->rnd, 8))
			step_finish(m);
		if (!(i % 1000)) {
			expect_counts(test, m);
			QUARRY_EXPECT_VERIFIED(test, heap);
		}
	}
	while (m->nr) {
		step_finish(m);
		step_peek(test, m);
	}
	expect_counts(test, m);
	KUNIT_EXPECT_EQ(test, quarry_ring_read(m->ring, buf, m->size), -EAGAIN);
	KUNIT_EXPECT_TRUE(test, quarry_ring_is_empty(m->ring));
	KUNIT_EXPECT_GT(test, m->dropped, 100ULL);
	if (m->overwrite)
		KUNIT_EXPECT_GT(test, m->overwritten, 100ULL);
}

/* @origin: first position, of an even lap, since the marks begin as those before the first one. */
static void against_model(struct kunit *test, enum quarry_ring_mode mode, u32 size, u64 origin)
{
	struct quarry_ring_params params = { .name = "model", .size = size, .mode = mode };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct model *m = quarry_test_array(test, 1, sizeof(*m));
	void *buf = quarry_test_array(test, 1, size);

	quarry_test_seed(test, &m->rnd);
	m->ring = quarry_test_ring(test, heap, &params);
	m->overwrite = mode == QUARRY_RING_OVERWRITE;
	m->size = size;
	m->head = origin;
	m->tail = origin;
	atomic64_set(&m->ring->head, origin);
	atomic64_set(&m->ring->tail, origin);
	atomic64_set(&m->ring->limit, origin + size);
	run_model(test, m, heap, buf);
}

void ring_random_refusing(struct kunit *test)
{
	against_model(test, QUARRY_RING_REFUSE, PAGE_SIZE, 0);
}

void ring_random_overwriting(struct kunit *test)
{
	against_model(test, QUARRY_RING_OVERWRITE, PAGE_SIZE, 0);
}

/* Where what a head holds of the position goes around. */
void ring_random_beyond_32_gib(struct kunit *test)
{
	against_model(test, QUARRY_RING_OVERWRITE, PAGE_SIZE, (1ULL << 35) - 20 * PAGE_SIZE);
	against_model(test, QUARRY_RING_REFUSE, PAGE_SIZE, (1ULL << 35) - 20 * PAGE_SIZE);
}
