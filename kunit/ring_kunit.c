// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_ring: rings used by one, and each misuse.  Random steps are in
 * ring_model_kunit.c, producers at the same time in ring_storm_kunit.c.
 */
#include <linux/align.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include "../src/fault.h"
#include "../src/ring.h"
#include "context.h"
#include "helpers.h"
#include "ring_kunit.h"

static struct quarry_ring_stats ring_stats(struct quarry_ring *ring)
{
	struct quarry_ring_stats stats;

	quarry_ring_get_stats(ring, &stats);
	return stats;
}

/* A ring of one page, or of @size. */
static struct quarry_ring *small_ring(struct kunit *test, struct quarry_heap *heap,
				      enum quarry_ring_mode mode, u32 size)
{
	struct quarry_ring_params params = {
		.name = "small", .size = size ?: PAGE_SIZE, .mode = mode,
	};

	return quarry_test_ring(test, heap, &params);
}

static void *reserve_filled(struct quarry_ring *ring, size_t len, u64 tag)
{
	void *room = quarry_ring_reserve(ring, len);

	if (room)
		quarry_test_fill(room, len, tag);
	return room;
}

static bool put(struct quarry_ring *ring, size_t len, u64 tag)
{
	void *room = reserve_filled(ring, len, tag);

	if (room)
		quarry_ring_commit(ring, room);
	return room;
}

/* The oldest message has to be this one; it is taken in place. */
static void expect_message(struct kunit *test, struct quarry_ring *ring, size_t len, u64 tag)
{
	size_t got = ~0UL;
	void *msg = quarry_ring_peek(ring, &got);

	KUNIT_EXPECT_NOT_NULL_MSG(test, msg, "message %llu", tag);
	if (!msg)
		return;
	KUNIT_EXPECT_EQ_MSG(test, got, len, "length of message %llu", tag);
	KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(msg, min(got, len), tag), "message %llu",
			      tag);
	quarry_ring_release(ring);
}

static void expect_nothing(struct kunit *test, struct quarry_ring *ring)
{
	char buf[8];
	size_t len;

	KUNIT_EXPECT_NULL(test, quarry_ring_peek(ring, &len));
	KUNIT_EXPECT_EQ(test, quarry_ring_read(ring, buf, sizeof(buf)), -EAGAIN);
}

/* === One after the other === */

static void messages_come_in_order(struct kunit *test)
{
	static const size_t len[] = { 1, 0, 7, 8, 9, 64, 200, 3, 2040, 0 };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_REFUSE, 0);
	struct quarry_ring_stats stats;
	u64 bytes = 0;
	unsigned int i;

	expect_nothing(test, ring);
	KUNIT_EXPECT_TRUE(test, quarry_ring_is_empty(ring));
	for (i = 0; i < ARRAY_SIZE(len); i++) {
		KUNIT_EXPECT_TRUE_MSG(test, put(ring, len[i], i), "message %u", i);
		bytes += len[i];
	}
	KUNIT_EXPECT_FALSE(test, quarry_ring_is_empty(ring));
	stats = ring_stats(ring);
	KUNIT_EXPECT_EQ(test, stats.size, (u64)PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, stats.written, (u64)ARRAY_SIZE(len));
	KUNIT_EXPECT_EQ(test, stats.written_bytes, bytes);
	KUNIT_EXPECT_EQ(test, stats.used, (u64)quarry_ring_used(ring));
	for (i = 0; i < ARRAY_SIZE(len); i++)
		expect_message(test, ring, len[i], i);
	expect_nothing(test, ring);
	stats = ring_stats(ring);
	KUNIT_EXPECT_EQ(test, stats.read, (u64)ARRAY_SIZE(len));
	KUNIT_EXPECT_EQ(test, stats.used, 0ULL);
	KUNIT_EXPECT_EQ(test, stats.dropped + stats.overwritten + stats.discarded, 0ULL);
}

static void helpers_copy(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	char in[] = "a message", out[16] = "";
	enum quarry_ring_mode mode;

	for (mode = 0; mode < QUARRY_RING_NR_MODES; mode++) {
		struct quarry_ring *ring = small_ring(test, heap, mode, 0);

		KUNIT_EXPECT_EQ(test, quarry_ring_write(ring, in, sizeof(in)), 0);
		KUNIT_EXPECT_EQ(test, quarry_ring_write(ring, in, 0), 0);
		KUNIT_EXPECT_EQ_MSG(test, quarry_ring_read(ring, out, sizeof(in) - 1), -EMSGSIZE,
				    "too short, it stays");
		KUNIT_EXPECT_EQ(test, quarry_ring_read(ring, out, sizeof(out)), (int)sizeof(in));
		KUNIT_EXPECT_STREQ(test, out, in);
		KUNIT_EXPECT_EQ(test, quarry_ring_read(ring, out, 0), 0);
		KUNIT_EXPECT_EQ(test, quarry_ring_read(ring, out, sizeof(out)), -EAGAIN);
	}
}

/* Each record is in one piece, aligned, inside the buffer, laps on end. */
static void records_are_contiguous(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_REFUSE, 0);
	struct rnd_state rnd;
	unsigned int i;
	size_t len;
	u8 *room;

	quarry_test_seed(test, &rnd);
	for (i = 0; i < QUARRY_TEST_LOOPS(20000); i++) {
		len = quarry_test_below(&rnd, 1 + quarry_test_below(&rnd, 2041));
		room = reserve_filled(ring, len, i);
		KUNIT_ASSERT_NOT_NULL_MSG(test, room, "%zu bytes in an empty ring, message %u", len,
					  i);
		KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)room, 8));
		KUNIT_ASSERT_TRUE(test, room >= ring->buf + 8);
		KUNIT_ASSERT_TRUE(test, room + len <= ring->buf + PAGE_SIZE);
		quarry_ring_commit(ring, room);
		expect_message(test, ring, len, i);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void refuses_when_full(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_REFUSE, 0);
	unsigned int i, nr = PAGE_SIZE / 64;

	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_TRUE_MSG(test, put(ring, 56, i), "message %u", i);
	KUNIT_EXPECT_EQ(test, quarry_ring_used(ring), (u32)PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, quarry_ring_reserve(ring, 0));
	KUNIT_EXPECT_EQ(test, quarry_ring_write(ring, "x", 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ring_stats(ring).dropped, 2ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
	expect_message(test, ring, 56, 0);
	KUNIT_EXPECT_FALSE_MSG(test, put(ring, 57, nr), "no room for so much");
	KUNIT_EXPECT_TRUE(test, put(ring, 56, nr));
	KUNIT_EXPECT_FALSE(test, put(ring, 0, nr));
	for (i = 1; i <= nr; i++)
		expect_message(test, ring, 56, i);
	expect_nothing(test, ring);
	KUNIT_EXPECT_EQ(test, ring_stats(ring).dropped, 4ULL);
}

static void overwrites_the_oldest(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_OVERWRITE, 0);
	unsigned int i, nr = PAGE_SIZE / 64;

	for (i = 0; i < 3 * nr + 5; i++)
		KUNIT_EXPECT_TRUE_MSG(test, put(ring, 50, i), "message %u", i);
	KUNIT_EXPECT_EQ(test, ring_stats(ring).overwritten, (u64)2 * nr + 5);
	KUNIT_EXPECT_EQ(test, ring_stats(ring).dropped, 0ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
	for (i = 2 * nr + 5; i < 3 * nr + 5; i++)
		expect_message(test, ring, 50, i);
	expect_nothing(test, ring);
	/* A long one takes the room of many. */
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_TRUE(test, put(ring, 50, i));
	KUNIT_EXPECT_TRUE(test, put(ring, 2040, nr));
	KUNIT_EXPECT_GE(test, ring_stats(ring).overwritten, (u64)2 * nr + 5 + 32);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* Whoever reserved first is read first, whoever is ready first. */
static void order_is_of_reservations(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_REFUSE, 0);
	void *room[4];
	int i;

	for (i = 0; i < 4; i++) {
		room[i] = reserve_filled(ring, 30 + i, i);
		KUNIT_ASSERT_NOT_NULL(test, room[i]);
	}
	for (i = 3; i > 0; i--) {
		quarry_ring_commit(ring, room[i]);
		expect_nothing(test, ring);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_ring_commit(ring, room[0]);
	for (i = 0; i < 4; i++)
		expect_message(test, ring, 30 + i, i);
	expect_nothing(test, ring);
}

static void discarded_are_passed_over(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_REFUSE, 0);
	unsigned int round, i;
	void *room[6];

	for (round = 0; round < 100; round++) {
		for (i = 0; i < 6; i++) {
			room[i] = reserve_filled(ring, 100, i);
			KUNIT_ASSERT_NOT_NULL(test, room[i]);
		}
		for (i = 0; i < 6; i++)
			i % 3 == 1 ? quarry_ring_commit(ring, room[i]) :
				     quarry_ring_discard(ring, room[i]);
		KUNIT_EXPECT_FALSE(test, quarry_ring_is_empty(ring));
		expect_message(test, ring, 100, 1);
		expect_message(test, ring, 100, 4);
		expect_nothing(test, ring);
		KUNIT_EXPECT_TRUE(test, quarry_ring_is_empty(ring));
	}
	KUNIT_EXPECT_EQ(test, ring_stats(ring).discarded, 400ULL);
	KUNIT_EXPECT_EQ(test, ring_stats(ring).written, 200ULL);
}

/* Fill an overwriting ring of a page to the last byte, the first message still open. */
static void *fill_behind_open(struct kunit *test, struct quarry_ring *ring)
{
	void *room = reserve_filled(ring, 56, 0);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, room);
	for (i = 1; i < PAGE_SIZE / 64; i++)
		KUNIT_EXPECT_TRUE(test, put(ring, 56, i));
	KUNIT_EXPECT_EQ(test, quarry_ring_used(ring), (u32)PAGE_SIZE);
	return room;
}

static void open_messages_are_not_overwritten(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_OVERWRITE, 0);
	void *room = fill_behind_open(test, ring);

	KUNIT_EXPECT_FALSE(test, put(ring, 1, 99));
	KUNIT_EXPECT_EQ(test, ring_stats(ring).dropped, 1ULL);
	KUNIT_EXPECT_EQ(test, ring_stats(ring).overwritten, 0ULL);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(room, 56, 0));
	quarry_ring_commit(ring, room);
	KUNIT_EXPECT_TRUE(test, put(ring, 1, 99));
	KUNIT_EXPECT_EQ(test, ring_stats(ring).overwritten, 1ULL);
	expect_message(test, ring, 56, 1);
}

static void discarded_messages_make_room(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_OVERWRITE, 0);

	quarry_ring_discard(ring, fill_behind_open(test, ring));
	KUNIT_EXPECT_TRUE(test, put(ring, 56, 99));
	KUNIT_EXPECT_EQ_MSG(test, ring_stats(ring).overwritten, 0ULL, "it was no message");
	expect_message(test, ring, 56, 1);
}

static void held_messages_are_not_overwritten(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_OVERWRITE, 0);
	void *msg;
	size_t len;

	quarry_ring_commit(ring, fill_behind_open(test, ring));
	msg = quarry_ring_peek(ring, &len);
	KUNIT_ASSERT_NOT_NULL(test, msg);
	KUNIT_EXPECT_FALSE(test, put(ring, 1, 99));
	KUNIT_EXPECT_TRUE(test, quarry_test_check(msg, 56, 0));
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_ring_release(ring);
	KUNIT_EXPECT_TRUE(test, put(ring, 56, 64));
	KUNIT_EXPECT_TRUE(test, put(ring, 56, 65));
	KUNIT_EXPECT_EQ(test, ring_stats(ring).overwritten, 1ULL);
	expect_message(test, ring, 56, 2);
}

/* === Parameters === */

static void bad_parameters_are_refused(struct kunit *test)
{
	static const struct quarry_ring_params bad[] = {
		{ },
		{ .size = PAGE_SIZE / 2 },
		{ .size = PAGE_SIZE + 8 },
		{ .size = 3 * PAGE_SIZE },
		{ .size = SZ_2G },
		{ .size = PAGE_SIZE, .max_record = PAGE_SIZE / 2 - 7 },
		{ .size = PAGE_SIZE, .max_record = U32_MAX },
		{ .size = PAGE_SIZE, .mode = QUARRY_RING_NR_MODES },
		{ .size = PAGE_SIZE, .mode = -1 },
		{ .size = PAGE_SIZE, .flags = QUARRY_HWCACHE_ALIGN },
		{ .size = PAGE_SIZE, .flags = ~0U },
	};
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		QUARRY_EXPECT_REPORTS(test, 1, ring = quarry_ring_create(heap, &bad[i]));
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(ring), -EINVAL, "parameters %u", i);
	}
	quarry_ring_destroy(ring);
	quarry_ring_destroy(NULL);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void sizes_up_to_the_longest_run(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring_params params = { .flags = QUARRY_DATA };
	struct quarry_ring *ring;
	u32 size, longest;

	for (size = PAGE_SIZE; size <= QUARRY_EXTENT_MAX_SIZE; size *= 2) {
		params.size = size;
		longest = size / 2 - QUARRY_RING_HEAD_SIZE;
		ring = quarry_test_ring(test, heap, &params);
		KUNIT_EXPECT_TRUE_MSG(test, put(ring, longest, 1), "size %u", size);
		KUNIT_EXPECT_TRUE_MSG(test, put(ring, longest, 2), "size %u", size);
		KUNIT_EXPECT_FALSE_MSG(test, put(ring, 0, 3), "size %u", size);
		expect_message(test, ring, longest, 1);
		expect_message(test, ring, longest, 2);
		QUARRY_EXPECT_VERIFIED(test, heap);
		KUNIT_EXPECT_GE(test, quarry_test_stats(heap).allocated, (u64)size + size / 8);
		KUNIT_EXPECT_LE(test, quarry_test_stats(heap).allocated,
				(u64)size + size / 8 + PAGE_SIZE);
		quarry_test_ring_done(test, ring);
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	}
	params.size = size;
	QUARRY_QUIETLY(ring = quarry_ring_create(heap, &params));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(ring), -ENOMEM);
	quarry_ring_destroy(ring);
}

static void long_messages_are_reported(struct kunit *test)
{
	static const size_t long_ones[] = { 101, 2041, PAGE_SIZE, U32_MAX, 1UL << 32, SIZE_MAX };
	struct quarry_ring_params params = { .size = PAGE_SIZE, .max_record = 100 };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = quarry_test_ring(test, heap, &params);
	unsigned int i;
	void *room;

	for (i = 0; i < ARRAY_SIZE(long_ones); i++) {
		QUARRY_EXPECT_REPORTS(test, 1, room = quarry_ring_reserve(ring, long_ones[i]));
		KUNIT_EXPECT_NULL(test, room);
	}
	QUARRY_EXPECT_REPORTS(test, 1, KUNIT_EXPECT_EQ(test, quarry_ring_write(ring, &params, 101),
						       -EMSGSIZE));
	KUNIT_EXPECT_EQ(test, ring_stats(ring).dropped, (u64)ARRAY_SIZE(long_ones) + 1);
	KUNIT_EXPECT_TRUE(test, quarry_ring_is_empty(ring));
	KUNIT_EXPECT_TRUE(test, put(ring, 100, 1));
}

/* === Misuse === */

static void bad_commits_are_reported(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_REFUSE, 0);
	struct quarry_ring *other = small_ring(test, heap, QUARRY_RING_REFUSE, 0);
	void *room, *given_up, *open;
	u64 on_stack[4] = { };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		room = reserve_filled(ring, 1000, 1);
		given_up = reserve_filled(ring, 24, 2);
		open = reserve_filled(ring, 1000, 3);
		KUNIT_ASSERT_NOT_NULL(test, room);
		KUNIT_ASSERT_NOT_NULL(test, given_up);
		KUNIT_ASSERT_NOT_NULL(test, open);
		quarry_ring_commit(ring, room);
		quarry_ring_discard(ring, given_up);
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_commit(ring, room));
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_discard(ring, room));
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_commit(ring, given_up));
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_discard(ring, given_up));
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_commit(ring, NULL));
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_commit(ring, &on_stack[2]));
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_commit(other, open));
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_commit(ring, open + 1));
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_commit(ring, open + 8));
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_commit(ring, open - 8));
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_commit(ring, ring->buf));
		QUARRY_EXPECT_REPORTS(test, 1,
				      quarry_ring_commit(ring, ring->buf + PAGE_SIZE + 8));
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_commit(ring, (void *)~7UL));
		expect_message(test, ring, 1000, 1);
		expect_nothing(test, ring);
		quarry_ring_commit(ring, open);
		expect_message(test, ring, 1000, 3);
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_commit(ring, open));
	}
	KUNIT_EXPECT_EQ(test, ring_stats(ring).written, 6ULL);
	KUNIT_EXPECT_EQ(test, ring_stats(ring).discarded, 3ULL);
	KUNIT_EXPECT_EQ(test, ring_stats(other).written, 0ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void second_consumers_are_reported(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	enum quarry_ring_mode mode;
	char buf[100];
	size_t len;
	void *msg;
	int ret;

	for (mode = 0; mode < QUARRY_RING_NR_MODES; mode++) {
		struct quarry_ring *ring = small_ring(test, heap, mode, 0);

		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_release(ring));
		put(ring, 100, 1);
		put(ring, 100, 2);
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_release(ring));
		KUNIT_EXPECT_NOT_NULL(test, quarry_ring_peek(ring, &len));
		QUARRY_EXPECT_REPORTS(test, 1, msg = quarry_ring_peek(ring, &len));
		KUNIT_EXPECT_NULL(test, msg);
		QUARRY_EXPECT_REPORTS(test, 1, ret = quarry_ring_read(ring, buf, sizeof(buf)));
		KUNIT_EXPECT_EQ(test, ret, -EBUSY);
		quarry_ring_release(ring);
		QUARRY_EXPECT_REPORTS(test, 1, quarry_ring_release(ring));
		expect_message(test, ring, 100, 2);
		KUNIT_EXPECT_EQ(test, ring_stats(ring).read, 2ULL);
	}
}

/* Who writes that many bytes, 1 to 8, beyond the end of a message. */
static void overflow_by(struct kunit *test, struct quarry_heap *heap, enum quarry_ring_mode mode,
			unsigned int nr)
{
	struct quarry_ring *ring = small_ring(test, heap, mode, 0);
	char *room = quarry_ring_reserve(ring, 40), buf[64];
	size_t len;
	void *msg;
	u64 head;
	int i, ret;

	KUNIT_ASSERT_NOT_NULL(test, room);
	put(ring, 56, 2);
	memcpy(&head, room + 40, sizeof(head));
	memset(room, 0xff, 40 + nr);
	quarry_ring_commit(ring, room);
	KUNIT_EXPECT_EQ(test, quarry_ring_read(ring, buf, sizeof(buf)), 40);
	QUARRY_EXPECT_REPORTS(test, 1, ret = quarry_ring_read(ring, buf, sizeof(buf)));
	KUNIT_EXPECT_EQ_MSG(test, ret, -EUCLEAN, "%u bytes", nr);
	QUARRY_EXPECT_REPORTS(test, 1, msg = quarry_ring_peek(ring, &len));
	KUNIT_EXPECT_NULL(test, msg);
	for (i = 0; i < 100; i++)
		put(ring, 56, 3);
	KUNIT_EXPECT_GT_MSG(test, ring_stats(ring).dropped, 30ULL, "full, not overwritten");
	QUARRY_EXPECT_REPORTS(test, 1, ret = quarry_heap_verify(heap));
	KUNIT_EXPECT_EQ(test, ret, -EUCLEAN);
	/* Mended, so that what follows is what it tests. */
	memcpy(room + 40, &head, sizeof(head));
	expect_message(test, ring, 56, 2);
	expect_message(test, ring, 56, 3);
}

static void overflows_are_contained(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	enum quarry_ring_mode mode;
	unsigned int nr;

	for (mode = 0; mode < QUARRY_RING_NR_MODES; mode++)
		for (nr = 1; nr <= QUARRY_RING_HEAD_SIZE; nr++)
			overflow_by(test, heap, mode, nr);
}

static void open_messages_are_reported_at_the_end(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_REFUSE, 0);
	size_t len;

	put(ring, 8, 1);
	KUNIT_EXPECT_NOT_NULL(test, quarry_ring_reserve(ring, 10));
	put(ring, 8, 2);
	quarry_test_destroy_expect_reports(1);
	quarry_test_ring_done(test, ring);
	ring = small_ring(test, heap, QUARRY_RING_REFUSE, 0);
	put(ring, 8, 1);
	KUNIT_EXPECT_NOT_NULL(test, quarry_ring_peek(ring, &len));
	quarry_test_destroy_expect_reports(1);
	quarry_test_ring_done(test, ring);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void heap_reports_and_destroys_its_rings(struct kunit *test)
{
	struct quarry_heap_params heap_params = {
		QUARRY_HEAP_DEFAULTS, .name = quarry_test_name(test),
	};
	struct quarry_ring_params params = { .name = "left", .size = SZ_64K };
	struct quarry_heap *heap = quarry_heap_create(&heap_params);
	struct quarry_ring *ring;
	unsigned int i;

	KUNIT_ASSERT_FALSE(test, IS_ERR(heap));
	for (i = 0; i < 3; i++) {
		ring = quarry_ring_create(heap, &params);
		KUNIT_EXPECT_FALSE(test, IS_ERR(ring));
		if (!IS_ERR(ring))
			put(ring, 1000, i);
	}
	/* The rings, and nothing else that would be left of them. */
	QUARRY_EXPECT_REPORTS(test, 3, quarry_heap_destroy(heap));
}

/* What lies in a ring is not for quarry_free(). */
static void frees_into_a_ring_are_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_REFUSE, 0);
	void *room = reserve_filled(ring, 100, 1);

	KUNIT_ASSERT_NOT_NULL(test, room);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(room));
	quarry_ring_commit(ring, room);
	expect_message(test, ring, 100, 1);
}

static void creation_fails_cleanly(struct kunit *test)
{
	struct quarry_ring_params params = { .name = "failing", .size = SZ_64K };
	unsigned long n, nr = 0;
	struct quarry_heap *heap;
	struct quarry_ring *ring;

	KUNIT_ASSERT_EQ(test, quarry_fault_test_begin(), 0);
	for (n = 1; n < 100; n++) {
		heap = quarry_test_heap(test);
		quarry_fault_test_arm(QUARRY_FAULT_ANY, n, 1);
		ring = quarry_ring_create(heap, &params);
		nr = quarry_fault_test_nr_injected();
		quarry_fault_test_arm(QUARRY_FAULT_ANY, 1, 0);
		if (!IS_ERR(ring)) {
			KUNIT_EXPECT_TRUE(test, put(ring, 100, n));
			expect_message(test, ring, 100, n);
			quarry_ring_destroy(ring);
		} else {
			KUNIT_EXPECT_EQ(test, PTR_ERR(ring), -ENOMEM);
			KUNIT_EXPECT_EQ(test, nr, 1UL);
		}
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
		quarry_test_heap_done(test, heap);
		if (!nr)
			break;
	}
	quarry_fault_test_end();
	KUNIT_EXPECT_EQ_MSG(test, nr, 0UL, "the walk has an end");
	KUNIT_EXPECT_GT_MSG(test, n, 3UL, "struct, buffer and counters at least");
}

/* === Waiting === */

static void consume_one(struct quarry_test_worker *worker)
{
	struct quarry_ring *ring = worker->arg;
	long left = quarry_ring_wait(ring, 20 * HZ);
	u64 msg = 0;

	if (left < 1)
		quarry_test_worker_fail(worker, "wait", left);
	else if (quarry_ring_read(ring, &msg, sizeof(msg)) != sizeof(msg))
		quarry_test_worker_fail(worker, "read", msg);
	worker->nr_ops = msg;
}

static void write_one(void *arg)
{
	u64 msg = 4711;

	quarry_ring_write(arg, &msg, sizeof(msg));
}

static void consumers_sleep_until_there_is_something(struct kunit *test)
{
	struct quarry_ring_params params = { .size = PAGE_SIZE, .waitable = true };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = quarry_test_ring(test, heap, &params);
	enum quarry_test_context context;
	struct quarry_test_worker worker;
	unsigned long patience;

	KUNIT_EXPECT_EQ_MSG(test, quarry_ring_wait(ring, 2), 0L, "nothing comes");
	for (context = 0; context < QUARRY_NR_CONTEXTS; context++) {
		if (!quarry_test_context_exists(context))
			continue;
		KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&worker, 0, quarry_test_cpu(1), 1,
							       consume_one, ring), 0);
		patience = jiffies + 10 * HZ;
		while (!wq_has_sleeper(&ring->wait) && time_before(jiffies, patience))
			schedule_timeout_uninterruptible(1);
		KUNIT_EXPECT_TRUE(test, wq_has_sleeper(&ring->wait));
		KUNIT_EXPECT_TRUE(test, quarry_test_run_in(context, quarry_test_cpu(0), write_one,
							   ring));
		patience = jiffies + 10 * HZ;
		while (!quarry_ring_is_empty(ring) && time_before(jiffies, patience))
			schedule_timeout_uninterruptible(1);
		quarry_test_worker_stop(test, &worker);
		KUNIT_EXPECT_EQ_MSG(test, worker.nr_ops, 4711UL, "from %s",
				    quarry_test_context_names[context]);
	}
	write_one(ring);
	KUNIT_EXPECT_GE_MSG(test, quarry_ring_wait(ring, 1), 1L, "something is there");
}

static void waiting_has_to_be_asked_for(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_ring *ring = small_ring(test, heap, QUARRY_RING_REFUSE, 0);
	long left;

	QUARRY_EXPECT_REPORTS(test, 1, left = quarry_ring_wait(ring, 1));
	KUNIT_EXPECT_EQ(test, left, (long)-EINVAL);
}

/* === Contexts === */

struct both_ends {
	struct quarry_ring *ring;
	bool ok;
};

static void use_both_ends(void *arg)
{
	struct both_ends *b = arg;
	struct quarry_ring_stats stats;
	void *room, *msg;
	char buf[40];
	size_t len;

	b->ok = put(b->ring, 33, 1);
	room = quarry_ring_reserve(b->ring, 10);
	b->ok &= room && !quarry_ring_is_empty(b->ring);
	if (room)
		quarry_ring_discard(b->ring, room);
	b->ok &= !quarry_ring_write(b->ring, buf, 9);
	b->ok &= quarry_ring_read(b->ring, buf, sizeof(buf)) == 33 && quarry_test_check(buf, 33, 1);
	msg = quarry_ring_peek(b->ring, &len);
	b->ok &= msg && len == 9;
	if (msg)
		quarry_ring_release(b->ring);
	quarry_ring_get_stats(b->ring, &stats);
	b->ok &= quarry_ring_is_empty(b->ring) && stats.used == 0;
}

static void both_ends_in_each_context(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	enum quarry_test_context context;
	enum quarry_ring_mode mode;
	struct both_ends b;

	for (mode = 0; mode < QUARRY_RING_NR_MODES; mode++) {
		b.ring = small_ring(test, heap, mode, 0);
		for (context = 0; context < QUARRY_NR_CONTEXTS; context++) {
			if (!quarry_test_context_exists(context))
				continue;
			b.ok = false;
			KUNIT_EXPECT_TRUE(test,
					  quarry_test_run_in(context, quarry_test_cpu(context),
							     use_both_ends, &b));
			KUNIT_EXPECT_TRUE_MSG(test, b.ok, "in %s, mode %u",
					      quarry_test_context_names[context], mode);
		}
	}
}

static struct kunit_case ring_cases[] = {
	KUNIT_CASE(messages_come_in_order),
	KUNIT_CASE(helpers_copy),
	KUNIT_CASE(records_are_contiguous),
	KUNIT_CASE(refuses_when_full),
	KUNIT_CASE(overwrites_the_oldest),
	KUNIT_CASE(order_is_of_reservations),
	KUNIT_CASE(discarded_are_passed_over),
	KUNIT_CASE(open_messages_are_not_overwritten),
	KUNIT_CASE(discarded_messages_make_room),
	KUNIT_CASE(held_messages_are_not_overwritten),
	KUNIT_CASE(bad_parameters_are_refused),
	KUNIT_CASE(sizes_up_to_the_longest_run),
	KUNIT_CASE(long_messages_are_reported),
	KUNIT_CASE(bad_commits_are_reported),
	KUNIT_CASE(second_consumers_are_reported),
	KUNIT_CASE(overflows_are_contained),
	KUNIT_CASE(open_messages_are_reported_at_the_end),
	KUNIT_CASE(heap_reports_and_destroys_its_rings),
	KUNIT_CASE(frees_into_a_ring_are_refused),
	KUNIT_CASE(creation_fails_cleanly),
	KUNIT_CASE(consumers_sleep_until_there_is_something),
	KUNIT_CASE(waiting_has_to_be_asked_for),
	KUNIT_CASE(both_ends_in_each_context),
	KUNIT_CASE(ring_random_refusing),
	KUNIT_CASE(ring_random_overwriting),
	KUNIT_CASE(ring_random_beyond_32_gib),
	KUNIT_CASE(ring_storm_refusing),
	KUNIT_CASE(ring_storm_overwriting),
	KUNIT_CASE(ring_storm_long),
	{}
};

struct kunit_suite quarry_ring_suite = {
	.name = "quarry_ring",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = ring_cases,
};
