// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_arena_model: families of arenas against a naive model of them.
 *
 * The model knows of each arena what was allocated from it and with which contents, its
 * marks, its callbacks, its children and who holds it.  It predicts which callbacks are called in
 * which order, what is still there after a rewind, which arenas a reset takes with it, and
 * what is refused.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include "../src/arena.h"
#include "../src/fault.h"
#include "helpers.h"

#define NR_ARENAS	12
#define NR_PIECES	160
#define NR_MARKS	6
#define NR_CALLS	48
#define NR_LOG		(NR_ARENAS * NR_CALLS)
#define BUFFER_SIZE	2048
#define NONE		-1

struct piece {
	void *ptr;
	size_t size;
	u64 tag;
	unsigned int moved;		/* a realloc left it behind for this one, from 1 */
};

/* What the callback of an arena is called with: where to note it. */
struct call {
	struct model *model;
	unsigned int id;
};

struct node {
	struct quarry_arena *arena;	/* NULL: not in use */
	bool checked;
	void *buffer;			/* or NULL */
	int parent;
	int children[NR_ARENAS];	/* oldest first */
	unsigned int nr_children;
	unsigned int refs;
	struct piece pieces[NR_PIECES];
	unsigned int nr_pieces;
	struct call *calls[NR_CALLS];	/* oldest first */
	unsigned int nr_calls;
	struct saved {
		struct quarry_arena_mark mark;
		unsigned int nr_pieces;
		unsigned int nr_calls;
		u64 asked;
	} marks[NR_MARKS];
	unsigned int nr_marks;
	u64 asked;			/* as long as it is checked */
	u64 nr_resets;
};

struct model {
	struct kunit *test;
	struct rnd_state rnd;
	struct quarry_heap *heap;
	struct node nodes[NR_ARENAS];
	unsigned int last_id;
	unsigned int expected[NR_LOG];	/* ids of callbacks, in order */
	unsigned int nr_expected;
	unsigned int called[NR_LOG];
	unsigned int nr_called;
	unsigned long nr_reports;	/* expected of the next call */
	unsigned long nr_failed;	/* calls that got no memory */
	const char *wrong;		/* what went wrong first */
	unsigned long where;
};

static void complain(struct model *m, const char *what, unsigned long where)
{
	if (m->wrong)
		return;
	m->wrong = what;
	m->where = where;
}

static void called(void *arg)
{
	struct call *c = arg;
	struct model *m = c->model;

	if (m->nr_called < NR_LOG)
		m->called[m->nr_called++] = c->id;
	else
		complain(m, "more callbacks than there are", c->id);
}

/* === What the model predicts === */

static void check_pieces(struct model *m, const struct node *n)
{
	unsigned int i;

	for (i = 0; i < n->nr_pieces; i++) {
		const struct piece *p = &n->pieces[i];

		if (!quarry_test_check(p->ptr, p->size, p->tag))
			complain(m, "damaged piece of bytes", p->size);
		if (!n->buffer && quarry_arena_of(p->ptr) != n->arena)
			complain(m, "piece that does not lead to its arena", i);
	}
}

static void expect_calls(struct model *m, struct node *n, unsigned int until)
{
	while (n->nr_calls > until) {
		if (m->nr_expected < NR_LOG)
			m->expected[m->nr_expected++] = n->calls[n->nr_calls - 1]->id;
		n->nr_calls--;
	}
}

static void remove_child(struct model *m, int which)
{
	struct node *n = &m->nodes[which], *p;
	unsigned int i, k = 0;

	if (n->parent == NONE)
		return;
	p = &m->nodes[n->parent];
	for (i = 0; i < p->nr_children; i++)
		if (p->children[i] != which)
			p->children[k++] = p->children[i];
	p->nr_children = k;
	n->parent = NONE;
}

static void add_child(struct model *m, int which, int parent)
{
	struct node *p = &m->nodes[parent];

	m->nodes[which].parent = parent;
	p->children[p->nr_children++] = which;
}

/* Newest first, each after its own; one that is held stays, without a parent. */
static void expect_children_end(struct model *m, int which)
{
	struct node *n = &m->nodes[which], *c;
	int child;

	while (n->nr_children) {
		child = n->children[n->nr_children - 1];
		c = &m->nodes[child];
		expect_children_end(m, child);
		if (c->refs > 1) {
			c->refs--;
			m->nr_reports++;
		} else {
			check_pieces(m, c);
			expect_calls(m, c, 0);
			c->arena = NULL;
		}
		remove_child(m, child);
	}
}

static void expect_unwind(struct model *m, int which)
{
	expect_children_end(m, which);
	expect_calls(m, &m->nodes[which], 0);
}

static void expect_end(struct model *m, int which)
{
	check_pieces(m, &m->nodes[which]);
	expect_unwind(m, which);
	remove_child(m, which);
	m->nodes[which].arena = NULL;
}

/* === Calls and what comes of them === */

static unsigned long begin(struct model *m)
{
	m->nr_reports = 0;
	m->nr_expected = 0;
	m->nr_called = 0;
	return quarry_test_reports_begin();
}

static void end(struct model *m, unsigned long reports, const char *what)
{
	unsigned long nr = quarry_test_reports_end(reports);
	unsigned int i;

	if (nr != m->nr_reports)
		complain(m, what, nr);
	if (m->nr_called != m->nr_expected)
		complain(m, "callbacks that were called", m->nr_called);
	for (i = 0; i < min(m->nr_called, m->nr_expected); i++)
		if (m->called[i] != m->expected[i])
			complain(m, "callback out of order", m->called[i]);
}

static void check_stats(struct model *m, struct node *n)
{
	struct quarry_arena_stats s;
	u64 buffer = n->buffer ? BUFFER_SIZE : 0;

	quarry_arena_get_stats(n->arena, &s);
	if (s.used + s.slack + s.spare != s.held + buffer)
		complain(m, "used, slack and spare bytes that are not all that is held", s.held);
	if (s.used < n->asked || s.used_peak < s.used || s.held_peak < s.held)
		complain(m, "too little used", s.used);
	if (n->checked && s.asked != n->asked)
		complain(m, "bytes asked for", s.asked);
	if (s.nr_resets != n->nr_resets)
		complain(m, "resets", s.nr_resets);
}

static struct piece *keep(struct model *m, struct node *n, void *ptr, size_t size)
{
	struct piece *p = &n->pieces[n->nr_pieces];

	if (!ptr) {
		m->nr_failed++;
		return NULL;
	}
	*p = (struct piece) { ptr, size, prandom_u32_state(&m->rnd), 0 };
	quarry_test_fill(ptr, size, p->tag);
	n->nr_pieces++;
	return p;
}

static size_t some_size(struct model *m)
{
	return 1 + quarry_test_below(&m->rnd, 1U << quarry_test_below(&m->rnd, 16));
}

static void do_alloc(struct model *m, struct node *n)
{
	size_t size = some_size(m), align = 1UL << quarry_test_below(&m->rnd, 13);
	gfp_t gfp = quarry_test_below(&m->rnd, 2) ? GFP_KERNEL : GFP_NOWAIT | __GFP_NOWARN;
	bool zero = !quarry_test_below(&m->rnd, 3);
	void *ptr;

	if (quarry_test_below(&m->rnd, 3))
		align = min_t(size_t, align, 16);
	ptr = quarry_arena_alloc_aligned(n->arena, size, align, gfp | (zero ? __GFP_ZERO : 0));
	if (!IS_ALIGNED((unsigned long)ptr, align))
		complain(m, "alignment", align);
	if (ptr && zero && !quarry_test_is_zero(ptr, size))
		complain(m, "zeroes", size);
	if (!ptr && !(gfp & __GFP_DIRECT_RECLAIM))
		return;
	if (keep(m, n, ptr, size))
		n->asked += size;
}

static void do_text(struct model *m, struct node *n)
{
	char expected[64], *text;
	int len = quarry_test_below(&m->rnd, 40);

	snprintf(expected, sizeof(expected), "%*s%u", len, "", m->last_id);
	if (quarry_test_below(&m->rnd, 2))
		text = quarry_arena_printf(n->arena, GFP_KERNEL, "%*s%u", len, "", m->last_id);
	else
		text = quarry_arena_strdup(n->arena, expected, GFP_KERNEL);
	if (text && strcmp(text, expected))
		complain(m, "text of length", len);
	len = strlen(expected) + 1;
	if (keep(m, n, text, len))
		n->asked += len;
}

/*
 * Most often the last piece.  What moved leaves a copy behind that nobody touches; what is
 * older than a mark is not written to, as rewinding brings it back.
 */
static void do_realloc(struct model *m, struct node *n)
{
	size_t size = some_size(m);
	struct piece *p, old;
	bool behind;
	void *ptr;

	if (!n->nr_pieces || n->nr_pieces == NR_PIECES)
		return;
	p = &n->pieces[quarry_test_below(&m->rnd, 4) ? n->nr_pieces - 1 :
		       quarry_test_below(&m->rnd, n->nr_pieces)];
	if (p->moved)
		return;
	behind = n->nr_marks && p - n->pieces < n->marks[n->nr_marks - 1].nr_pieces;
	old = *p;
	if (behind)
		size += old.size;
	ptr = quarry_arena_realloc(n->arena, old.ptr, old.size, size, GFP_KERNEL);
	if (!ptr) {
		m->nr_failed++;
		return;
	}
	n->asked += size - old.size;
	if (ptr != old.ptr) {
		if (size <= old.size)
			complain(m, "moved to shrink to", size);
		/* Tag and position make the contents, so the beginning is the same. */
		if (memcmp(ptr, old.ptr, old.size))
			complain(m, "contents after realloc", size);
		keep(m, n, ptr, size);
		p->moved = n->nr_pieces;
	} else if (behind) {
		complain(m, "grew behind a mark to", size);
	} else {
		p->size = size;
		quarry_test_fill(ptr, size, p->tag);
	}
}

static void do_on_reset(struct model *m, struct node *n)
{
	struct call *c;

	if (n->nr_calls == NR_CALLS)
		return;
	c = quarry_arena_new(n->arena, struct call, GFP_KERNEL);
	if (!c) {
		m->nr_failed++;
		return;
	}
	n->asked += sizeof(*c);
	*c = (struct call) { m, ++m->last_id };
	if (quarry_arena_on_reset(n->arena, called, c, GFP_KERNEL)) {
		m->nr_failed++;
		return;
	}
	n->asked += sizeof(struct quarry_arena_cleanup);
	n->calls[n->nr_calls++] = c;
}

static void do_mark(struct model *m, struct node *n)
{
	struct saved *s = &n->marks[n->nr_marks];

	if (n->nr_marks == NR_MARKS)
		return;
	quarry_arena_mark(n->arena, &s->mark);
	s->nr_pieces = n->nr_pieces;
	s->nr_calls = n->nr_calls;
	s->asked = n->asked;
	n->nr_marks++;
}

/* What moved since is back where it was. */
static void back_to(struct node *n, unsigned int nr_pieces)
{
	unsigned int i;

	n->nr_pieces = nr_pieces;
	for (i = 0; i < nr_pieces; i++)
		if (n->pieces[i].moved > nr_pieces)
			n->pieces[i].moved = 0;
}

static void do_rewind(struct model *m, struct node *n)
{
	unsigned long reports = begin(m);
	struct saved *s;

	if (n->nr_marks) {
		s = &n->marks[n->nr_marks - 1];
		check_pieces(m, n);
		if (quarry_arena_rewind(n->arena, &s->mark))
			complain(m, "rewind refused", n->nr_marks);
		back_to(n, s->nr_pieces);
		expect_calls(m, n, s->nr_calls);
		n->asked = s->asked;
		n->nr_marks--;
	}
	end(m, reports, "reports of a rewind");
	check_pieces(m, n);
}

/* Not the newest, or none at all: nothing may come of it. */
static void do_wrong_rewind(struct model *m, struct node *n)
{
	unsigned long reports = begin(m);
	struct quarry_arena_mark stale;
	int ret = -EINVAL;

	if (n->nr_marks > 1) {
		m->nr_reports = 1;
		ret = quarry_arena_rewind(n->arena,
					  &n->marks[quarry_test_below(&m->rnd,
								      n->nr_marks - 1)].mark);
	} else if (n->nr_marks) {
		/* Used once is used up. */
		stale = n->marks[0].mark;
		m->nr_reports = 1;
		if (quarry_arena_unmark(n->arena, &n->marks[0].mark))
			complain(m, "unmark refused", 0);
		n->nr_marks = 0;
		ret = quarry_arena_rewind(n->arena, &stale);
	}
	if (ret != -EINVAL)
		complain(m, "wrong rewind", ret);
	end(m, reports, "reports of a wrong rewind");
}

static void do_unmark(struct model *m, struct node *n)
{
	if (!n->nr_marks)
		return;
	if (quarry_arena_unmark(n->arena, &n->marks[n->nr_marks - 1].mark))
		complain(m, "unmark refused", n->nr_marks);
	n->nr_marks--;
}

static void do_reset(struct model *m, int which)
{
	struct node *n = &m->nodes[which];
	unsigned long reports = begin(m);

	check_pieces(m, n);
	expect_unwind(m, which);
	quarry_arena_reset(n->arena);
	end(m, reports, "reports of a reset");
	n->nr_pieces = 0;
	n->nr_marks = 0;
	n->asked = 0;
	n->nr_resets++;
}

static void do_reserve(struct model *m, struct node *n)
{
	size_t bytes = some_size(m), size;
	void *ptr;

	if (quarry_arena_reserve(n->arena, bytes, GFP_KERNEL)) {
		m->nr_failed++;
		return;
	}
	while (bytes && n->nr_pieces < NR_PIECES) {
		size = min_t(size_t, bytes, 8 * (1 + quarry_test_below(&m->rnd, 2000)));
		ptr = quarry_arena_alloc(n->arena, size, GFP_NOWAIT | __GFP_NOWARN);
		if (!keep(m, n, ptr, size)) {
			complain(m, "not there, but reserved", size);
			return;
		}
		n->asked += size;
		bytes -= min(ALIGN(size, 8), bytes);
	}
}

static void do_promote(struct model *m, struct node *n)
{
	const struct piece *p;
	void *copy;

	if (!n->nr_pieces)
		return;
	p = &n->pieces[quarry_test_below(&m->rnd, n->nr_pieces)];
	copy = quarry_arena_promote(n->arena, p->ptr, p->size, GFP_KERNEL);
	if (!copy) {
		m->nr_failed++;
		return;
	}
	if (!quarry_test_check(copy, p->size, p->tag) || quarry_heap_of(copy) != m->heap)
		complain(m, "promoted", p->size);
	quarry_free(copy);
}

/* === The family === */

static int unused_node(struct model *m)
{
	int i;

	for (i = 0; i < NR_ARENAS; i++)
		if (!m->nodes[i].arena)
			return i;
	return NONE;
}

static int some_node(struct model *m)
{
	unsigned int i, from = quarry_test_below(&m->rnd, NR_ARENAS);

	for (i = 0; i < NR_ARENAS; i++)
		if (m->nodes[(from + i) % NR_ARENAS].arena)
			return (from + i) % NR_ARENAS;
	return NONE;
}

static bool is_above(struct model *m, int upper, int which)
{
	for (; which != NONE; which = m->nodes[which].parent)
		if (which == upper)
			return true;
	return false;
}

static void do_create(struct model *m)
{
	static const u32 caps[] = { 0, 4096, 16384, SZ_1M };
	struct quarry_arena_params params = {
		.name = "model",
		.chunk_max = caps[quarry_test_below(&m->rnd, ARRAY_SIZE(caps))],
		.flags = (quarry_test_below(&m->rnd, 2) ? QUARRY_DATA : 0) |
			 (quarry_test_below(&m->rnd, 3) ? 0 : QUARRY_ARENA_CHECKED),
	};
	int which = unused_node(m), parent = some_node(m);
	unsigned int how = quarry_test_below(&m->rnd, 4);
	struct quarry_arena *arena;
	struct node *n;
	void *buffer;

	if (which == NONE)
		return;
	n = &m->nodes[which];
	buffer = n->buffer;
	memset(n, 0, sizeof(*n));
	n->buffer = buffer;
	n->parent = NONE;
	n->refs = 1;
	if (!how)
		n->buffer = n->buffer ?: kmalloc(BUFFER_SIZE, GFP_KERNEL);
	if (how)
		kfree(n->buffer);
	if (how)
		n->buffer = NULL;
	if (!how && !n->buffer)
		return;
	if (!how)
		arena = quarry_arena_create_on(m->heap, n->buffer, BUFFER_SIZE, &params);
	else if (how == 1 || parent == NONE)
		arena = quarry_arena_create(m->heap, &params, GFP_KERNEL);
	else
		arena = quarry_arena_create_child(m->nodes[parent].arena, &params, GFP_KERNEL);
	if (IS_ERR(arena)) {
		if (PTR_ERR(arena) != -ENOMEM)
			complain(m, "create", PTR_ERR(arena));
		m->nr_failed++;
		return;
	}
	n->arena = arena;
	n->checked = quarry_to_arena(arena)->veiled;
	if (how > 1 && parent != NONE)
		add_child(m, which, parent);
}

static void do_put(struct model *m, int which)
{
	struct node *n = &m->nodes[which];
	unsigned long reports = begin(m);
	struct quarry_arena *arena = n->arena;

	if (n->refs > 1)
		n->refs--;
	else
		expect_end(m, which);
	quarry_arena_put(arena);
	end(m, reports, "reports of a put");
	if (!n->arena && !n->buffer && quarry_arena_get_of(arena))
		complain(m, "held after the last put", which);
}

static void do_get(struct model *m, struct node *n)
{
	struct quarry_arena *got;

	if (n->refs > 2)
		return;
	if (n->nr_pieces && !n->buffer) {
		got = quarry_arena_get_of(n->pieces[n->nr_pieces - 1].ptr);
		if (got != n->arena)
			complain(m, "held something else", n->nr_pieces);
	} else {
		quarry_arena_get(n->arena);
	}
	n->refs++;
}

static void do_set_parent(struct model *m, int which)
{
	int parent = quarry_test_below(&m->rnd, 3) ? some_node(m) : NONE;
	unsigned long reports = begin(m);
	bool bad = is_above(m, which, parent);
	int ret;

	m->nr_reports = bad;
	ret = quarry_arena_set_parent(m->nodes[which].arena,
				      parent == NONE ? NULL : m->nodes[parent].arena);
	if (ret != (bad ? -EINVAL : 0))
		complain(m, "set_parent", ret);
	end(m, reports, "reports of set_parent");
	if (bad)
		return;
	remove_child(m, which);
	if (parent != NONE)
		add_child(m, which, parent);
}

static void step(struct model *m)
{
	unsigned int what = quarry_test_below(&m->rnd, 200);
	int which = some_node(m);
	struct node *n;

	if (which == NONE || what < 8) {
		do_create(m);
		return;
	}
	n = &m->nodes[which];
	/* Room for one more piece, or for what a reserve becomes. */
	if (n->nr_pieces > NR_PIECES - 2 && what < 150)
		what = 190;
	if (what < 90)
		do_alloc(m, n);
	else if (what < 105)
		do_text(m, n);
	else if (what < 130)
		do_realloc(m, n);
	else if (what < 145)
		do_on_reset(m, n);
	else if (what < 150)
		do_reserve(m, n);
	else if (what < 160)
		do_mark(m, n);
	else if (what < 168)
		do_rewind(m, n);
	else if (what < 170)
		do_wrong_rewind(m, n);
	else if (what < 175)
		do_unmark(m, n);
	else if (what < 180)
		do_promote(m, n);
	else if (what < 184)
		do_set_parent(m, which);
	else if (what < 187)
		do_get(m, n);
	else if (what < 190)
		do_put(m, which);
	else if (what < 194)
		do_reset(m, which);
	else
		quarry_arena_trim(n->arena);
	if (n->arena)
		check_stats(m, n);
}

static void check_all(struct model *m)
{
	unsigned int i;

	for (i = 0; i < NR_ARENAS; i++)
		if (m->nodes[i].arena)
			check_pieces(m, &m->nodes[i]);
}

static void end_all(struct model *m)
{
	int i;

	for (i = 0; i < NR_ARENAS; i++)
		while (m->nodes[i].arena)
			do_put(m, i);
	for (i = 0; i < NR_ARENAS; i++) {
		kfree(m->nodes[i].buffer);
		m->nodes[i].buffer = NULL;
	}
}

/* === Random families === */

static void random_families(struct kunit *test)
{
	struct model *m = quarry_test_array(test, 1, sizeof(*m));
	unsigned int i, steps = QUARRY_TEST_LOOPS(100000);

	m->test = test;
	m->heap = quarry_test_heap(test);
	quarry_test_seed(test, &m->rnd);
	for (i = 0; i < steps && !m->wrong; i++) {
		step(m);
		if (i & 1023)
			continue;
		check_all(m);
		cond_resched();
	}
	if (m->wrong)
		KUNIT_FAIL(test, "step %u: %s (%lu)", i, m->wrong, m->where);
	QUARRY_EXPECT_VERIFIED(test, m->heap);
	end_all(m);
	KUNIT_EXPECT_EQ(test, m->nr_failed, 0UL);
	KUNIT_EXPECT_GT(test, m->last_id, steps / 100);
	QUARRY_EXPECT_ALLOCATED(test, m->heap, 0);
}

/* The same where any attempt to get memory may fail: what fails changes nothing. */
static void random_families_short_of_memory(struct kunit *test)
{
	static const unsigned int percents[] = { 1, 10, 40 };
	struct model *m = quarry_test_array(test, 1, sizeof(*m));
	unsigned int i, k, steps = QUARRY_TEST_LOOPS(10000);

	m->test = test;
	m->heap = quarry_test_heap(test);
	quarry_test_seed(test, &m->rnd);
	KUNIT_ASSERT_EQ(test, quarry_fault_test_begin(), 0);
	for (k = 0; k < ARRAY_SIZE(percents) && !m->wrong; k++) {
		quarry_fault_test_arm_random(percents[k], prandom_u32_state(&m->rnd));
		for (i = 0; i < steps && !m->wrong; i++)
			step(m);
	}
	quarry_fault_test_end();
	if (m->wrong)
		KUNIT_FAIL(test, "step %u: %s (%lu)", i, m->wrong, m->where);
	kunit_info(test, "%lu calls failed\n", m->nr_failed);
	/* Usually one call in a hundred fails. */
	KUNIT_EXPECT_GT(test, m->nr_failed, 3UL * steps / 500);
	check_all(m);
	QUARRY_EXPECT_VERIFIED(test, m->heap);
	end_all(m);
	QUARRY_EXPECT_ALLOCATED(test, m->heap, 0);
}

static struct kunit_case arena_model_cases[] = {
	KUNIT_CASE(random_families),
	KUNIT_CASE(random_families_short_of_memory),
	{}
};

struct kunit_suite quarry_arena_model_suite = {
	.name = "quarry_arena_model",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = arena_model_cases,
};
