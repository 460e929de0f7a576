// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_arena_life: how long things in an arena live: marks, callbacks, children,
 * references, buffers, what a reset keeps.
 */
#include <linux/delay.h>
#include <linux/kref.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "../src/arena.h"
#include "helpers.h"

static struct quarry_arena_stats stats_of(struct quarry_arena *arena)
{
	struct quarry_arena_stats stats;

	quarry_arena_get_stats(arena, &stats);
	return stats;
}

/* === Reset and its history === */

static void use_bytes(struct kunit *test, struct quarry_arena *arena, size_t bytes)
{
	size_t used;

	for (used = 0; used < bytes; used += 512)
		KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arena, 512, GFP_KERNEL));
}

static void reset_keeps_what_is_needed_again(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	u64 held, calls;
	unsigned int i;

	use_bytes(test, arena, 300000);
	held = stats_of(arena).held;
	quarry_arena_reset(arena);
	KUNIT_EXPECT_EQ(test, stats_of(arena).held, held);
	KUNIT_EXPECT_EQ(test, stats_of(arena).used, 0ULL);
	KUNIT_EXPECT_GT(test, stats_of(arena).spare, 0ULL);
	calls = stats_of(arena).nr_chunks;
	/* Steady: nothing comes and nothing goes. */
	for (i = 0; i < 10; i++) {
		use_bytes(test, arena, 300000);
		KUNIT_EXPECT_EQ(test, stats_of(arena).held, held);
		KUNIT_EXPECT_EQ(test, stats_of(arena).nr_chunks, calls);
		quarry_arena_reset(arena);
	}
	/* Less: it sinks to what is needed now. */
	for (i = 0; i < 40; i++) {
		use_bytes(test, arena, 10000);
		quarry_arena_reset(arena);
	}
	KUNIT_EXPECT_LE(test, stats_of(arena).held, 32768ULL);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void trim_gives_spare_chunks_back(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	u64 spare;

	use_bytes(test, arena, 200000);
	KUNIT_EXPECT_EQ(test, quarry_arena_trim(arena), 0ULL);
	quarry_arena_reset(arena);
	spare = stats_of(arena).spare;
	KUNIT_EXPECT_GT(test, spare, 0ULL);
	KUNIT_EXPECT_EQ(test, quarry_arena_trim(arena), spare);
	KUNIT_EXPECT_EQ(test, stats_of(arena).nr_chunks, 1ULL);
	use_bytes(test, arena, 200000);
}

static void limit_counts_what_is_kept(struct kunit *test)
{
	struct quarry_arena_params params = { .limit = SZ_128K };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, &params);

	use_bytes(test, arena, 60000);
	quarry_arena_reset(arena);
	KUNIT_EXPECT_GT(test, stats_of(arena).spare, 0ULL);
	/* Only without the spare chunks is there room for this. */
	KUNIT_EXPECT_NOT_NULL(test, quarry_arena_alloc(arena, 100000, GFP_KERNEL));
	KUNIT_EXPECT_LE(test, stats_of(arena).held, (u64)SZ_128K);
}

static void reserve_cannot_fail(struct kunit *test)
{
	struct quarry_heap_params hparams = { QUARRY_HEAP_DEFAULTS, .limit = SZ_1M };
	struct quarry_heap *heap = quarry_test_heap_params(test, hparams);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	static const size_t pieces[] = { 100000, 8, 50000, 16, 30000, 19976 };
	void **rest = quarry_test_array(test, 4096, sizeof(*rest));
	unsigned int i, nr = 0;

	KUNIT_EXPECT_EQ(test, quarry_arena_reserve(arena, 100, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, quarry_arena_reserve(arena, 200000, GFP_KERNEL), 0);
	while (nr < 4096 && (rest[nr] = quarry_alloc_pages(heap, 0, GFP_KERNEL | __GFP_NOWARN)))
		nr++;
	for (i = 0; i < ARRAY_SIZE(pieces); i++)
		KUNIT_EXPECT_NOT_NULL_MSG(test, quarry_arena_alloc(arena, pieces[i], GFP_NOWAIT),
					  "piece %u", i);
	KUNIT_EXPECT_EQ(test, quarry_arena_reserve(arena, 500000, GFP_NOWAIT | __GFP_NOWARN),
			-ENOMEM);
	KUNIT_EXPECT_EQ(test, quarry_arena_reserve(arena, SIZE_MAX, GFP_KERNEL), -EINVAL);
	while (nr)
		quarry_free_pages(rest[--nr]);
}

/* === Marks === */

static void marks_nest(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	struct quarry_arena_mark outer, inner;
	char *kept = quarry_arena_strdup(arena, "kept", GFP_KERNEL);
	void *first, *again;
	u64 used;

	KUNIT_ASSERT_NOT_NULL(test, kept);
	quarry_arena_mark(arena, &outer);
	used = stats_of(arena).used;
	first = quarry_arena_alloc(arena, 24, GFP_KERNEL);
	use_bytes(test, arena, 100000);
	quarry_arena_mark(arena, &inner);
	use_bytes(test, arena, 50000);
	KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arena, 70000, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &inner), 0);
	KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &outer), 0);
	KUNIT_EXPECT_EQ(test, stats_of(arena).used, used);
	again = quarry_arena_alloc(arena, 24, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, again, first);
	KUNIT_EXPECT_STREQ(test, kept, "kept");
}

static void stale_marks_are_refused(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	struct quarry_arena *other = quarry_test_arena(test, heap, NULL);
	struct quarry_arena_mark outer, inner, copy;
	u64 used;

	quarry_arena_mark(arena, &outer);
	use_bytes(test, arena, 5000);
	quarry_arena_mark(arena, &inner);
	use_bytes(test, arena, 5000);
	used = stats_of(arena).used;
	copy = inner;
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &outer), -EINVAL);
	});
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_unmark(arena, &outer), -EINVAL);
	});
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_rewind(other, &inner), -EINVAL);
	});
	KUNIT_EXPECT_EQ(test, stats_of(arena).used, used);
	KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &inner), 0);
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &inner), -EINVAL);
	});
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &copy), -EINVAL);
	});
	copy = outer;
	quarry_arena_reset(arena);
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &outer), -EINVAL);
	});
	quarry_arena_mark(arena, &outer);
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &copy), -EINVAL);
	});
	KUNIT_EXPECT_EQ(test, quarry_arena_unmark(arena, &outer), 0);
}

/* === Growing in place === */

static void last_one_grows_in_place(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	struct quarry_arena_mark mark;
	char *ptr = quarry_arena_alloc(arena, 16, GFP_KERNEL), *more, *other;

	KUNIT_ASSERT_NOT_NULL(test, ptr);
	quarry_test_fill(ptr, 16, 1);
	more = quarry_arena_realloc(arena, ptr, 16, 400, GFP_KERNEL | __GFP_ZERO);
	KUNIT_EXPECT_PTR_EQ(test, more, ptr);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(ptr, 16, 1));
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(ptr + 16, 384));
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_realloc(arena, ptr, 400, 8, GFP_KERNEL), ptr);
	other = quarry_arena_alloc(arena, 8, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ_MSG(test, other, ptr + 8, "what it gave back");
	more = quarry_arena_realloc(arena, ptr, 8, 64, GFP_KERNEL);
	KUNIT_EXPECT_PTR_NE_MSG(test, more, ptr, "it is not the last one any more");
	/* Behind a mark nothing grows: rewinding would cut it off. */
	quarry_arena_mark(arena, &mark);
	other = quarry_arena_realloc(arena, more, 64, 128, GFP_KERNEL);
	KUNIT_EXPECT_PTR_NE(test, other, more);
	KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &mark), 0);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_realloc(arena, more, 64, 128, GFP_KERNEL), more);
	/* Beyond the chunk it moves. */
	quarry_test_fill(more, 128, 2);
	other = quarry_arena_realloc(arena, more, 128, 60000, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, other);
	KUNIT_EXPECT_PTR_NE(test, other, more);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(other, 128, 2));
	KUNIT_EXPECT_NOT_NULL(test, quarry_arena_realloc(arena, NULL, 0, 10, GFP_KERNEL));
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_realloc(arena, other, 60000, 0, GFP_KERNEL),
			    ZERO_SIZE_PTR);
}

static void text(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	char *s = quarry_arena_printf(arena, GFP_KERNEL, "%s-%u", "web", 17), *t;
	unsigned int i, len;

	KUNIT_EXPECT_STREQ(test, s, "web-17");
	t = quarry_arena_strndup(arena, "abcdef", 3, GFP_KERNEL);
	KUNIT_EXPECT_STREQ(test, t, "abc");
	KUNIT_EXPECT_PTR_EQ_MSG(test, t, s + 7, "packed to the byte");
	KUNIT_EXPECT_NULL(test, quarry_arena_strndup(arena, NULL, 3, GFP_KERNEL));
	KUNIT_EXPECT_STREQ(test, quarry_arena_strndup(arena, "xy", 100, GFP_KERNEL), "xy");
	/* Across ends of chunks, too. */
	for (i = 0; i < 3000; i++) {
		len = i % 40;
		s = quarry_arena_printf(arena, GFP_KERNEL, "%*s%u", len, "", i);
		KUNIT_ASSERT_NOT_NULL(test, s);
		KUNIT_ASSERT_EQ(test, strlen(s), (size_t)len + snprintf(NULL, 0, "%u", i));
	}
	s = quarry_arena_printf(arena, GFP_KERNEL, "%*s", 100000, "x");
	KUNIT_ASSERT_NOT_NULL(test, s);
	KUNIT_EXPECT_EQ(test, strlen(s), (size_t)100000);
	s = quarry_arena_promote(arena, t, 4, GFP_KERNEL);
	quarry_arena_reset(arena);
	KUNIT_EXPECT_STREQ(test, s, "abc");
	KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(s), heap);
	quarry_free(s);
}

/* === Callbacks === */

struct calls {
	unsigned int nr;
	unsigned int order[8];
};

struct one_call {
	struct calls *calls;
	unsigned int id;
};

static void note_call(void *arg)
{
	struct one_call *c = arg;

	if (c->calls->nr < ARRAY_SIZE(c->calls->order))
		c->calls->order[c->calls->nr] = c->id;
	c->calls->nr++;
}

static void add_call(struct kunit *test, struct quarry_arena *arena, struct calls *calls,
		     unsigned int id)
{
	struct one_call *c = quarry_arena_new(arena, struct one_call, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->calls = calls;
	c->id = id;
	KUNIT_EXPECT_EQ(test, quarry_arena_on_reset(arena, note_call, c, GFP_KERNEL), 0);
}

static void callbacks_in_reverse_order(struct kunit *test)
{
	struct calls *calls = quarry_test_array(test, 1, sizeof(*calls));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	struct quarry_arena_mark mark;

	add_call(test, arena, calls, 1);
	add_call(test, arena, calls, 2);
	quarry_arena_mark(arena, &mark);
	add_call(test, arena, calls, 3);
	use_bytes(test, arena, 20000);
	add_call(test, arena, calls, 4);
	KUNIT_EXPECT_EQ(test, quarry_arena_rewind(arena, &mark), 0);
	KUNIT_EXPECT_EQ(test, calls->nr, 2U);
	KUNIT_EXPECT_EQ(test, calls->order[0], 4U);
	KUNIT_EXPECT_EQ(test, calls->order[1], 3U);
	quarry_arena_reset(arena);
	KUNIT_EXPECT_EQ(test, calls->nr, 4U);
	KUNIT_EXPECT_EQ(test, calls->order[2], 2U);
	KUNIT_EXPECT_EQ(test, calls->order[3], 1U);
	quarry_arena_reset(arena);
	KUNIT_EXPECT_EQ_MSG(test, calls->nr, 4U, "once each");
	add_call(test, arena, calls, 5);
	quarry_test_arena_done(test, arena);
	KUNIT_EXPECT_EQ(test, calls->nr, 5U);
}

struct counted {
	struct kref kref;
	bool released;
};

static void release_counted(struct kref *kref)
{
	container_of(kref, struct counted, kref)->released = true;
}

static void put_counted(struct counted *c)
{
	kref_put(&c->kref, release_counted);
}

QUARRY_ARENA_PUTTER(put_counted_cb, put_counted, struct counted)

static void callbacks_that_put(struct kunit *test)
{
	struct counted *c = quarry_test_array(test, 1, sizeof(*c));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 80, 0, 0, NULL);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	void *obj = quarry_cache_alloc(cache, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, obj);
	kref_init(&c->kref);
	kref_get(&c->kref);
	KUNIT_EXPECT_EQ(test, quarry_arena_on_reset_kref(arena, &c->kref, release_counted,
							 GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, quarry_arena_on_reset(arena, put_counted_cb, c, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, quarry_arena_on_reset_free(arena, obj, GFP_KERNEL), 0);
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_on_reset(arena, NULL, c, GFP_KERNEL), -EINVAL);
	});
	KUNIT_EXPECT_FALSE(test, c->released);
	quarry_arena_reset(arena);
	KUNIT_EXPECT_TRUE(test, c->released);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* === Children === */

static void children_die_with_their_parent(struct kunit *test)
{
	struct calls *calls = quarry_test_array(test, 1, sizeof(*calls));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *root = quarry_test_arena(test, heap, NULL), *a, *b, *c, *d;

	a = quarry_arena_create_child(root, NULL, GFP_KERNEL);
	b = quarry_arena_create_child(a, NULL, GFP_KERNEL);
	c = quarry_arena_create_child(a, NULL, GFP_KERNEL);
	d = quarry_arena_create_child(root, NULL, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(a) || IS_ERR(b) || IS_ERR(c) || IS_ERR(d));
	add_call(test, root, calls, 1);
	add_call(test, a, calls, 2);
	add_call(test, b, calls, 3);
	add_call(test, c, calls, 4);
	add_call(test, d, calls, 5);
	use_bytes(test, b, 30000);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_arena_destroy(d);
	quarry_arena_reset(root);
	KUNIT_EXPECT_EQ(test, calls->nr, 5U);
	KUNIT_EXPECT_EQ(test, calls->order[0], 5U);
	KUNIT_EXPECT_EQ(test, calls->order[1], 4U);
	KUNIT_EXPECT_EQ(test, calls->order[2], 3U);
	KUNIT_EXPECT_EQ(test, calls->order[3], 2U);
	KUNIT_EXPECT_EQ(test, calls->order[4], 1U);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void children_may_be_moved(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test), *heap2 = quarry_test_heap(test);
	struct quarry_arena *one = quarry_test_arena(test, heap, NULL);
	struct quarry_arena *two = quarry_test_arena(test, heap, NULL);
	struct quarry_arena *far = quarry_test_arena(test, heap2, NULL);
	struct quarry_arena *child = quarry_arena_create_child(one, NULL, GFP_KERNEL);
	struct quarry_arena *below;
	char *text;

	KUNIT_ASSERT_FALSE(test, IS_ERR(child));
	below = quarry_arena_create_child(child, NULL, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(below));
	text = quarry_arena_strdup(child, "moved", GFP_KERNEL);
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_set_parent(child, below), -EINVAL);
	});
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_set_parent(child, child), -EINVAL);
	});
	QUARRY_EXPECT_REPORTS(test, 1, {
		KUNIT_EXPECT_EQ(test, quarry_arena_set_parent(child, far), -EINVAL);
	});
	KUNIT_EXPECT_EQ(test, quarry_arena_set_parent(child, two), 0);
	quarry_test_arena_done(test, one);
	KUNIT_EXPECT_STREQ(test, text, "moved");
	KUNIT_EXPECT_EQ(test, quarry_arena_set_parent(child, NULL), 0);
	quarry_test_arena_done(test, two);
	KUNIT_EXPECT_STREQ(test, text, "moved");
	quarry_arena_destroy(child);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* So deep that recursion would not end well. */
static void deep_families(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *root = quarry_test_arena(test, heap, NULL), *a = root;
	unsigned int i;

	for (i = 0; i < 2000; i++) {
		a = quarry_arena_create_child(a, NULL, GFP_KERNEL);
		KUNIT_ASSERT_FALSE(test, IS_ERR(a));
	}
	quarry_test_arena_done(test, root);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === References === */

static void last_reference_destroys(struct kunit *test)
{
	struct calls *calls = quarry_test_array(test, 1, sizeof(*calls));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_arena_create(heap, NULL, GFP_KERNEL), *child;

	KUNIT_ASSERT_FALSE(test, IS_ERR(arena));
	add_call(test, arena, calls, 1);
	quarry_arena_get(arena);
	quarry_arena_destroy(arena);
	KUNIT_EXPECT_EQ(test, calls->nr, 0U);
	KUNIT_EXPECT_NOT_NULL(test, quarry_arena_alloc(arena, 10, GFP_KERNEL));
	child = quarry_arena_create_child(arena, NULL, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(child));
	quarry_arena_get(child);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_arena_put(arena));
	KUNIT_EXPECT_EQ(test, calls->nr, 1U);
	KUNIT_EXPECT_NOT_NULL(test, quarry_arena_alloc(child, 10, GFP_KERNEL));
	quarry_arena_put(child);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void destroyed_after_readers(struct kunit *test)
{
	struct calls *calls = quarry_test_array(test, 1, sizeof(*calls));
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_arena_create(heap, NULL, GFP_KERNEL);
	char *text;

	KUNIT_ASSERT_FALSE(test, IS_ERR(arena));
	add_call(test, arena, calls, 1);
	rcu_read_lock();
	text = quarry_arena_strdup(arena, "still there", GFP_NOWAIT);
	quarry_arena_destroy_rcu(arena);
	KUNIT_EXPECT_STREQ(test, text, "still there");
	KUNIT_EXPECT_EQ(test, calls->nr, 0U);
	rcu_read_unlock();
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, calls->nr, 1U);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

static void found_from_any_pointer(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	char *small = quarry_arena_alloc(arena, 10, GFP_KERNEL);
	char *big = quarry_arena_alloc(arena, 300000, GFP_KERNEL);
	void *obj = quarry_alloc(heap, 100, GFP_KERNEL);

	KUNIT_ASSERT_TRUE(test, small && big && obj);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_of(small), arena);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_of(small + 9), arena);
	KUNIT_EXPECT_PTR_EQ(test, quarry_arena_of(big + 299999), arena);
	KUNIT_EXPECT_NULL(test, quarry_arena_of(obj));
	KUNIT_EXPECT_NULL(test, quarry_arena_of(&obj));
	KUNIT_EXPECT_NULL(test, quarry_arena_of(NULL));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free(big + PAGE_SIZE));
	quarry_free(obj);
	quarry_arena_reset(arena);
	KUNIT_EXPECT_NULL(test, quarry_arena_of(big));
}

static void use_of_a_destroyed_one_is_reported(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_arena_create(heap, NULL, GFP_KERNEL);
	void *ptr;

	KUNIT_ASSERT_FALSE(test, IS_ERR(arena));
	quarry_arena_destroy(arena);
	QUARRY_EXPECT_REPORTS(test, 1, ptr = quarry_arena_alloc(arena, 16, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, ptr);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* === On a buffer === */

static void on_a_buffer(struct kunit *test)
{
	char buffer[1024] __aligned(16);
	struct quarry_arena *arena = quarry_arena_create_on(NULL, buffer, sizeof(buffer), NULL);
	struct quarry_arena *bad;
	unsigned int round, nr, first = 0;
	char *ptr;

	KUNIT_ASSERT_FALSE(test, IS_ERR(arena));
	for (round = 0; round < 3; round++) {
		for (nr = 0; (ptr = quarry_arena_alloc(arena, 40, GFP_NOWAIT)); nr++) {
			KUNIT_ASSERT_TRUE(test, ptr >= buffer && ptr + 40 <= buffer + 1024);
			quarry_test_fill(ptr, 40, nr);
		}
		KUNIT_EXPECT_GT(test, nr, 8U);
		first = first ?: nr;
		KUNIT_EXPECT_EQ(test, nr, first);
		KUNIT_EXPECT_NULL(test, quarry_arena_alloc(arena, 40, GFP_NOWAIT));
		quarry_arena_reset(arena);
	}
	KUNIT_EXPECT_EQ(test, stats_of(arena).held, 0ULL);
	QUARRY_EXPECT_REPORTS(test, 1, ptr = quarry_arena_promote(arena, buffer, 8, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, ptr);
	quarry_arena_destroy(arena);
	QUARRY_EXPECT_REPORTS(test, 1, ptr = quarry_arena_alloc(arena, 16, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, ptr);
	QUARRY_QUIETLY(bad = quarry_arena_create_on(NULL, buffer, 100, NULL));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(bad), -EINVAL);
	QUARRY_QUIETLY(bad = quarry_arena_create_on(NULL, buffer + 1, 1000, NULL));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(bad), -EINVAL);
}

static void a_buffer_that_grows(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	void *buffer = quarry_alloc(heap, 1024, GFP_KERNEL);
	struct quarry_arena *arena;

	KUNIT_ASSERT_NOT_NULL(test, buffer);
	arena = quarry_arena_create_on(heap, buffer, 1024, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(arena));
	KUNIT_EXPECT_EQ(test, stats_of(arena).held, 0ULL);
	use_bytes(test, arena, 100000);
	KUNIT_EXPECT_GT(test, stats_of(arena).held, 0ULL);
	quarry_arena_reset(arena);
	use_bytes(test, arena, 100000);
	KUNIT_ASSERT_NOT_NULL(test, quarry_arena_alloc(arena, 100000, GFP_KERNEL));
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_arena_destroy(arena);
	quarry_free(buffer);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

#ifdef DEFINE_FREE
static void scoped(struct kunit *test)
{
	struct calls *calls = quarry_test_array(test, 1, sizeof(*calls));
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int i;

	for (i = 0; i < 3; i++) {
		scoped_quarry_arena(a, heap) {
			KUNIT_ASSERT_FALSE(test, IS_ERR(a));
			add_call(test, a, calls, i);
			if (i == 1)
				break;
		}
		KUNIT_EXPECT_EQ(test, calls->nr, i + 1);
	}
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}
#else
static void scoped(struct kunit *test)
{
	kunit_skip(test, "no <linux/cleanup.h>");
}
#endif

/* === Against a model === */

#define MODEL_PIECES	600
#define MODEL_MARKS	12

struct model {
	struct quarry_arena *arena;
	struct model_piece {
		void *ptr;
		size_t size;
		u64 tag;
	} pieces[MODEL_PIECES];
	unsigned int nr;
	struct quarry_arena_mark marks[MODEL_MARKS];
	unsigned int at[MODEL_MARKS];	/* pieces when it was made */
	unsigned int nr_marks;
};

static void model_check(struct kunit *test, struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		if (!quarry_test_check(m->pieces[i].ptr, m->pieces[i].size, m->pieces[i].tag))
			KUNIT_FAIL(test, "piece %u of %zu bytes", i, m->pieces[i].size);
}

static void model_alloc(struct kunit *test, struct model *m, struct rnd_state *rnd)
{
	size_t align = 1UL << quarry_test_below(rnd, 7);
	struct model_piece *p = &m->pieces[m->nr];

	if (m->nr == MODEL_PIECES)
		return;
	p->size = 1 + quarry_test_below(rnd, 1U << quarry_test_below(rnd, 16));
	p->tag = prandom_u32_state(rnd);
	p->ptr = quarry_arena_alloc_aligned(m->arena, p->size, align, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p->ptr);
	KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)p->ptr, align));
	quarry_test_fill(p->ptr, p->size, p->tag);
	m->nr++;
}

static void model_realloc(struct kunit *test, struct model *m, struct rnd_state *rnd)
{
	struct model_piece *p;
	size_t size;
	void *ptr;

	if (!m->nr)
		return;
	/* Most often the last one.  Not one behind a mark: a rewind would lose it. */
	p = &m->pieces[quarry_test_below(rnd, 3) ? m->nr - 1 : quarry_test_below(rnd, m->nr)];
	if (m->nr_marks && p - m->pieces < m->at[m->nr_marks - 1])
		return;
	size = 1 + quarry_test_below(rnd, 1U << quarry_test_below(rnd, 15));
	ptr = quarry_arena_realloc(m->arena, p->ptr, p->size, size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptr);
	KUNIT_ASSERT_TRUE(test, quarry_test_check(ptr, min(size, p->size), p->tag) ||
			  size != p->size);
	p->ptr = ptr;
	p->size = size;
	quarry_test_fill(ptr, size, p->tag);
}

static void model_step(struct kunit *test, struct model *m, struct rnd_state *rnd)
{
	unsigned int what = quarry_test_below(rnd, 100);

	if (what < 70) {
		model_alloc(test, m, rnd);
	} else if (what < 85) {
		model_realloc(test, m, rnd);
	} else if (what < 91) {
		if (m->nr_marks == MODEL_MARKS)
			return;
		quarry_arena_mark(m->arena, &m->marks[m->nr_marks]);
		m->at[m->nr_marks++] = m->nr;
	} else if (what < 95) {
		if (!m->nr_marks)
			return;
		m->nr_marks--;
		KUNIT_ASSERT_EQ(test, quarry_arena_rewind(m->arena, &m->marks[m->nr_marks]), 0);
		m->nr = m->at[m->nr_marks];
		model_check(test, m);
	} else if (what < 98) {
		if (!m->nr_marks)
			return;
		m->nr_marks--;
		KUNIT_ASSERT_EQ(test, quarry_arena_unmark(m->arena, &m->marks[m->nr_marks]), 0);
	} else if (what == 98) {
		quarry_arena_trim(m->arena);
	} else if (!quarry_test_below(rnd, 4)) {
		model_check(test, m);
		quarry_arena_reset(m->arena);
		m->nr = 0;
		m->nr_marks = 0;
	}
}

static void random_lives(struct kunit *test)
{
	struct model *models = quarry_test_array(test, 3, sizeof(*models));
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int step, i, steps = QUARRY_TEST_LOOPS(60000);
	struct rnd_state rnd;

	quarry_test_seed(test, &rnd);
	models[0].arena = quarry_test_arena(test, heap, NULL);
	for (i = 1; i < 3; i++) {
		models[i].arena = quarry_arena_create_child(models[0].arena, NULL, GFP_KERNEL);
		KUNIT_ASSERT_FALSE(test, IS_ERR(models[i].arena));
	}
	/* Children of their own, as a reset of the parent would destroy them. */
	KUNIT_ASSERT_EQ(test, quarry_arena_set_parent(models[1].arena, NULL), 0);
	KUNIT_ASSERT_EQ(test, quarry_arena_set_parent(models[2].arena, models[1].arena), 0);
	KUNIT_ASSERT_EQ(test, quarry_arena_set_parent(models[2].arena, NULL), 0);
	for (step = 0; step < steps; step++) {
		model_step(test, &models[step % 3], &rnd);
		if (!(step & 1023)) {
			for (i = 0; i < 3; i++) {
				struct quarry_arena_stats s = stats_of(models[i].arena);

				model_check(test, &models[i]);
				KUNIT_ASSERT_GE(test, s.held, s.used + s.spare);
			}
			cond_resched();
		}
	}
	for (i = 0; i < 3; i++)
		model_check(test, &models[i]);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_arena_destroy(models[1].arena);
	quarry_arena_destroy(models[2].arena);
}

static struct kunit_case arena_life_cases[] = {
	KUNIT_CASE(reset_keeps_what_is_needed_again),
	KUNIT_CASE(trim_gives_spare_chunks_back),
	KUNIT_CASE(limit_counts_what_is_kept),
	KUNIT_CASE(reserve_cannot_fail),
	KUNIT_CASE(marks_nest),
	KUNIT_CASE(stale_marks_are_refused),
	KUNIT_CASE(last_one_grows_in_place),
	KUNIT_CASE(text),
	KUNIT_CASE(callbacks_in_reverse_order),
	KUNIT_CASE(callbacks_that_put),
	KUNIT_CASE(children_die_with_their_parent),
	KUNIT_CASE(children_may_be_moved),
	KUNIT_CASE(deep_families),
	KUNIT_CASE(last_reference_destroys),
	KUNIT_CASE(destroyed_after_readers),
	KUNIT_CASE(found_from_any_pointer),
	KUNIT_CASE(use_of_a_destroyed_one_is_reported),
	KUNIT_CASE(on_a_buffer),
	KUNIT_CASE(a_buffer_that_grows),
	KUNIT_CASE(scoped),
	KUNIT_CASE(random_lives),
	{}
};

struct kunit_suite quarry_arena_life_suite = {
	.name = "quarry_arena_life",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = arena_life_cases,
};
