// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_buddy: random operations against a model that is too simple to be
 * wrong: one byte per unit, and one per granule that is known to be clean.
 */
#include "buddy_kunit.h"

/* === The model === */

/* Are all granules that an interval touches clean? */
static bool model_is_clean(struct fixture *f, unsigned long offset, unsigned long count)
{
	unsigned int g = f->clean_order;
	unsigned long i;

	if (!g || (offset + count - 1) >> g >= f->nr_units >> g)
		return false;
	for (i = offset >> g; i <= (offset + count - 1) >> g; i++)
		if (!f->clean[i])
			return false;
	return true;
}

static void model_forget(struct fixture *f, unsigned long offset, unsigned long count)
{
	unsigned int g = f->clean_order;

	if (g)
		memset(f->clean + (offset >> g), 0,
		       ((offset + count - 1) >> g) - (offset >> g) + 1);
}

/* Only granules that lie inside as a whole. */
static void model_note_clean(struct fixture *f, unsigned long offset, unsigned long count)
{
	unsigned int g = f->clean_order;
	unsigned long i;

	for (i = DIV_ROUND_UP(offset, 1UL << g); (i + 1) << g <= offset + count; i++)
		f->clean[i] = 1;
}

static void model_take(struct fixture *f, unsigned long offset, unsigned int order)
{
	model_forget(f, offset, 1UL << order);
	memset(f->units + offset, MODEL_INSIDE, 1UL << order);
	f->units[offset] = 1 + order;
	f->nr_free -= 1UL << order;
}

static void model_give(struct fixture *f, unsigned long offset, unsigned int order)
{
	memset(f->units + offset, MODEL_FREE, 1UL << order);
	f->nr_free += 1UL << order;
}

static bool model_is_free(struct fixture *f, unsigned long offset, unsigned long count)
{
	return offset < f->nr_units && count <= f->nr_units - offset &&
	       !memchr_inv(f->units + offset, MODEL_FREE, count);
}

static bool model_is_block(struct fixture *f, unsigned long offset, unsigned int order)
{
	return offset < f->nr_units && f->units[offset] == 1 + order;
}

/* Order of the first of the largest aligned blocks an interval is cut into. */
static unsigned int model_piece(struct fixture *f, unsigned long offset, unsigned long count)
{
	unsigned int k = 0;

	while (k < f->max_order && IS_ALIGNED(offset, 2UL << k) && 2UL << k <= count)
		k++;
	return k;
}

static bool model_is_tiled(struct fixture *f, unsigned long offset, unsigned long count)
{
	unsigned int k;

	for (; count; offset += 1UL << k, count -= 1UL << k) {
		k = model_piece(f, offset, count);
		if (!model_is_block(f, offset, k))
			return false;
	}
	return true;
}

static void model_take_interval(struct fixture *f, unsigned long offset, unsigned long count)
{
	unsigned int k;

	for (; count; offset += 1UL << k, count -= 1UL << k) {
		k = model_piece(f, offset, count);
		model_take(f, offset, k);
	}
}

/* Is (offset, order) a free block that could not merge any further? */
static bool model_is_free_block(struct fixture *f, unsigned long offset, unsigned int order)
{
	return model_is_free(f, offset, 1UL << order) &&
	       (order == f->max_order ||
		!model_is_free(f, ALIGN_DOWN(offset, 2UL << order), 2UL << order));
}

static bool model_touches_clean(struct fixture *f, unsigned long offset, unsigned long count)
{
	unsigned int g = f->clean_order;
	unsigned long i;

	for (i = offset >> g; g && i <= (offset + count - 1) >> g; i++)
		if (f->clean[i])
			return true;
	return false;
}

/*
 * Where @count units in [lo, hi) have to come from: the best fit, lowest or highest;
 * but of the first 16 places the first that is not clean in any part, if there is one.
 */
static long model_place_in(struct fixture *f, unsigned long count,
			   const struct quarry_buddy_where *where)
{
	unsigned long size = 1UL << order_base_2(count), n, i, offset, at;
	bool down = where->flags & QUARRY_BUDDY_TOP_DOWN;
	unsigned int k, tries = 0;
	long found = -ENOSPC, best;

	for (k = order_base_2(count); k <= f->max_order; k++) {
		n = f->nr_units >> k;
		for (i = 0; i < n; i++) {
			offset = (down ? n - 1 - i : i) << k;
			if (!model_is_free_block(f, offset, k))
				continue;
			best = -1;
			for (at = offset; at < offset + (1UL << k); at += size)
				if (at >= where->lo && at + count <= where->hi &&
				    (down || best < 0))
					best = at;
			if (best < 0)
				continue;
			if (!model_touches_clean(f, best, size))
				return best;
			if (!tries)
				found = best;
			if (++tries == 16)
				return found;
		}
	}
	return found;
}

static long model_place(struct fixture *f, unsigned int order, bool top_down)
{
	const struct quarry_buddy_where all = {
		.hi = f->nr_units, .flags = top_down ? QUARRY_BUDDY_TOP_DOWN : 0
	};

	return model_place_in(f, 1UL << order, &all);
}

/* Could an aligned clean block for @count units have been had? */
static bool model_has_clean(struct fixture *f, unsigned long count,
			    const struct quarry_buddy_where *where)
{
	unsigned long size = 1UL << order_base_2(count), at;

	for (at = round_up(where->lo, size); at + count <= where->hi; at += size)
		if (at + size <= f->nr_units && model_is_free(f, at, size) &&
		    model_is_clean(f, at, size))
			return true;
	return false;
}

/* Units in blocks of at least @order that a list in [lo, hi) can be made of. */
static unsigned long model_usable(struct fixture *f, unsigned int order,
				  const struct quarry_buddy_where *where)
{
	unsigned long size = 1UL << order, at, units = 0;

	for (at = round_up(where->lo, size); at + size <= where->hi; at += size)
		if (model_is_free(f, at, size))
			units += size;
	return units;
}

static bool model_has_room(struct fixture *f, unsigned int order)
{
	unsigned long offset;

	for (offset = 0; offset < f->nr_units; offset += 1UL << order) {
		if (model_is_free(f, offset, 1UL << order))
			return true;
	}
	return false;
}

static bool agree(struct fixture *f, const char *what, long expected, long got)
{
	if (expected == got)
		return true;
	KUNIT_FAIL(f->test, "%s: %ld instead of %ld; seed=%llu step %lu, %lu units, max_order %u",
		   what, got, expected, f->seed, f->step, f->nr_units, f->max_order);
	return false;
}

/* Small orders are much more frequent than large ones. */
static unsigned int random_order(struct fixture *f)
{
	u32 draw = prandom_u32_state(&f->rnd);

	if (!(draw & 31))
		return (draw >> 8) % (f->max_order + 2);
	return min_t(unsigned int, __ffs(draw), f->max_order);
}

/* On small ranges the exact place is checked always, on larger ones at times. */
static bool place_is_checked(struct fixture *f)
{
	return f->nr_units <= 128 || f->step % 256 == 0;
}

static bool check_taken(struct fixture *f, unsigned int order, unsigned long count, bool top_down,
			long expected, long got)
{
	if (expected != LONG_MAX)
		return agree(f, top_down ? "top-down alloc" : "alloc", expected, got);
	if (got == -ENOSPC)
		return agree(f, "room although -ENOSPC", 0, model_has_room(f, order));
	return agree(f, "alloc outside free space or misaligned", true,
		     got >= 0 && IS_ALIGNED(got, 1UL << order) && model_is_free(f, got, count));
}

static bool step_alloc(struct fixture *f)
{
	unsigned int order = random_order(f);
	bool top_down = prandom_u32_state(&f->rnd) & 1;
	long expected = LONG_MAX, got;

	if (order > f->max_order)
		expected = -EINVAL;
	else if (place_is_checked(f))
		expected = model_place(f, order, top_down);
	got = quarry_buddy_alloc(f->buddy, order, top_down);
	if (!check_taken(f, order, 1UL << order, top_down, expected, got))
		return false;
	if (got >= 0)
		model_take(f, got, order);
	return true;
}

/* By count; half of the time at an alignment of its own. */
static bool step_alloc_count(struct fixture *f)
{
	unsigned long count = quarry_test_below(&f->rnd, 1UL << min(random_order(f) + 1, 10U));
	unsigned int align = prandom_u32_state(&f->rnd) & 1 ? random_order(f) : 0;
	unsigned int order = max_t(unsigned int, count ? order_base_2(count) : 0, align);
	struct interval *slot = &f->taken[quarry_test_below(&f->rnd, NR_REMEMBERED)];
	long expected = LONG_MAX, got;

	if (!count || order > f->max_order)
		expected = -EINVAL;
	else if (place_is_checked(f))
		expected = model_place(f, order, false);
	got = align ? quarry_buddy_alloc_aligned(f->buddy, count, align) :
		      quarry_buddy_alloc_count(f->buddy, count);
	if (!check_taken(f, order, count, false, expected, got))
		return false;
	if (got >= 0) {
		model_take_interval(f, got, count);
		*slot = (struct interval){ .offset = got, .count = count };
	}
	return true;
}

static void random_where(struct fixture *f, struct quarry_buddy_where *where)
{
	where->lo = quarry_test_below(&f->rnd, f->nr_units);
	where->hi = where->lo + 1 + quarry_test_below(&f->rnd, f->nr_units - where->lo);
	where->flags = quarry_test_below(&f->rnd, 4);	/* TOP_DOWN, CLEAN */
	if (!quarry_test_below(&f->rnd, 4))
		where->lo = 0;
	if (!quarry_test_below(&f->rnd, 4))
		where->hi = f->nr_units;
}

/* What came back for @count units in a part: the right place, and the truth on it. */
static bool check_in(struct fixture *f, unsigned long count,
		     const struct quarry_buddy_where *where, long got, bool clean)
{
	bool wants_clean = f->clean_order && where->flags & QUARRY_BUDDY_CLEAN;

	if (place_is_checked(f)) {
		if (wants_clean && model_has_clean(f, count, where)) {
			if (!agree(f, "clean space although there is", true, got >= 0 && clean))
				return false;
		} else if (!agree(f, "alloc in part", model_place_in(f, count, where), got)) {
			return false;
		}
	}
	if (got < 0)
		return agree(f, "alloc in part fails", -ENOSPC, got);
	return agree(f, "inside, aligned and free", true, got >= where->lo &&
		     got + count <= where->hi && model_is_free(f, got, count) &&
		     IS_ALIGNED(got, 1UL << order_base_2(count))) &&
	       agree(f, "known to be clean", model_is_clean(f, got, count), clean);
}

static bool step_alloc_in(struct fixture *f)
{
	unsigned int order = min(random_order(f), f->max_order);
	struct quarry_buddy_where where;
	bool clean = false;
	long got;

	random_where(f, &where);
	got = quarry_buddy_alloc_in(f->buddy, order, &where, &clean);
	if (!check_in(f, 1UL << order, &where, got, clean))
		return false;
	if (got >= 0)
		model_take(f, got, order);
	return true;
}

static bool step_alloc_count_in(struct fixture *f)
{
	unsigned long count = 1 + quarry_test_below(&f->rnd, 1UL << min(f->max_order, 7U));
	struct interval *slot = &f->taken[quarry_test_below(&f->rnd, NR_REMEMBERED)];
	struct quarry_buddy_where where;
	bool clean = false;
	long got;

	random_where(f, &where);
	got = quarry_buddy_alloc_count_in(f->buddy, count, &where, &clean);
	if (!check_in(f, count, &where, got, clean))
		return false;
	if (got >= 0) {
		model_take_interval(f, got, count);
		*slot = (struct interval){ .offset = got, .count = count };
	}
	return true;
}

/* Joined blocks: anything goes that is free and inside; failing is allowed. */
static bool step_join(struct fixture *f)
{
	unsigned long count = 1 + quarry_test_below(&f->rnd, min(f->nr_units, 100UL));
	struct interval *slot = &f->taken[quarry_test_below(&f->rnd, NR_REMEMBERED)];
	struct quarry_buddy_where where;
	bool clean = false;
	long got;

	random_where(f, &where);
	where.flags |= QUARRY_BUDDY_JOIN;
	got = quarry_buddy_alloc_count_in(f->buddy, count, &where, &clean);
	if (got < 0)
		return agree(f, "join fails", -ENOSPC, got);
	if (!agree(f, "joined inside and free", true, got >= where.lo &&
		   got + count <= where.hi && model_is_free(f, got, count)) ||
	    !agree(f, "joined and clean", model_is_clean(f, got, count), clean))
		return false;
	model_take_interval(f, got, count);
	*slot = (struct interval){ .offset = got, .count = count };
	return true;
}

/* Takes over what a list got, if it is right. */
static bool check_list(struct fixture *f, unsigned long count, unsigned int min_order,
		       const struct quarry_buddy_where *where, int nr)
{
	struct quarry_buddy_block *block;
	unsigned long units = 0;

	/* Before any of them is taken: two may share a granule. */
	for (block = f->list; block < f->list + nr; block++) {
		if (block->clean && !agree(f, "clean in a list", true,
					   model_is_clean(f, block->offset, 1UL << block->order)))
			return false;
	}
	for (block = f->list; block < f->list + nr; block++) {
		if (!agree(f, "block of a list", true, block->order >= min_order &&
			   block->order <= f->max_order &&
			   IS_ALIGNED(block->offset, 1UL << block->order) &&
			   block->offset >= where->lo &&
			   block->offset + (1UL << block->order) <= where->hi &&
			   model_is_free(f, block->offset, 1UL << block->order)))
			return false;
		model_take(f, block->offset, block->order);
		units += 1UL << block->order;
	}
	return agree(f, "units in a list", count, units);
}

static bool step_list(struct fixture *f)
{
	unsigned int min_order = min(random_order(f), f->max_order), room;
	unsigned long count = (1UL + quarry_test_below(&f->rnd, 20)) << min_order;
	struct quarry_buddy_where where;
	bool fits;
	int got;

	room = quarry_test_below(&f->rnd, NR_LIST + 1);
	random_where(f, &where);
	fits = model_usable(f, min_order, &where) >= count;
	got = quarry_buddy_alloc_list(f->buddy, count, min_order, &where, f->list, room);
	if (got == -E2BIG)
		return agree(f, "list too short for its least", true, room < count >> min_order);
	if (got < 0)
		return agree(f, "list fails", fits ? 1 : -ENOSPC, got);
	return agree(f, "list has room", true, fits && got <= room) &&
	       check_list(f, count, min_order, &where, got);
}

struct told {
	struct fixture *f;
	unsigned int nr;
	unsigned int room;
};

static int note_told(const struct quarry_buddy_block *block, void *arg)
{
	struct told *told = arg;

	if (told->nr == told->room)
		return -ECANCELED;
	told->f->list[told->nr++] = *block;
	return 0;
}

/* Refused after as many blocks as there is room for, which can be none. */
static bool step_each(struct fixture *f)
{
	struct told told = { .f = f, .room = quarry_test_below(&f->rnd, NR_LIST + 1) };
	unsigned int min_order = min(random_order(f), f->max_order);
	unsigned long count = (1UL + quarry_test_below(&f->rnd, 20)) << min_order;
	struct quarry_buddy_where where;
	bool fits;
	int got;

	random_where(f, &where);
	fits = model_usable(f, min_order, &where) >= count;
	got = quarry_buddy_alloc_each(f->buddy, count, min_order, &where, note_told, &told);
	if (got == -ECANCELED)
		return agree(f, "told as many as it takes", true, fits && told.nr == told.room);
	if (got < 0)
		return agree(f, "told fails", fits ? 1 : -ENOSPC, got) &&
		       agree(f, "told although it fails", 0, told.nr);
	return agree(f, "told has room", true, fits && got == told.nr) &&
	       check_list(f, count, min_order, &where, got);
}

/* Part of an interval that was taken as one. */
static bool step_trim(struct fixture *f)
{
	struct interval *slot = &f->taken[quarry_test_below(&f->rnd, NR_REMEMBERED)];
	bool clean = prandom_u32_state(&f->rnd) & 1;
	unsigned long end = slot->offset + slot->count, start, keep;
	int expected = -EINVAL, got;

	start = slot->offset + quarry_test_below(&f->rnd, slot->count + 1);
	keep = quarry_test_below(&f->rnd, slot->count + 2);
	if (slot->count && model_is_tiled(f, slot->offset, slot->count) && keep &&
	    start + keep <= end)
		expected = 0;
	got = quarry_buddy_trim(f->buddy, slot->offset, slot->count, start, keep, clean);
	if (!got && !expected) {
		memset(f->units + slot->offset, MODEL_FREE, slot->count);
		f->nr_free += slot->count;
		model_take_interval(f, start, keep);
		if (f->clean_order && clean) {
			model_note_clean(f, slot->offset, start - slot->offset);
			model_note_clean(f, start + keep, end - start - keep);
		}
		*slot = (struct interval){ .offset = start, .count = keep };
	}
	return agree(f, "trim", expected, got);
}

static bool step_alloc_at(struct fixture *f)
{
	unsigned int order = random_order(f);
	unsigned long offset = quarry_test_below(&f->rnd, f->nr_units + 2);
	int expected = 0, got;

	if (quarry_test_below(&f->rnd, 8))
		offset = ALIGN_DOWN(offset, 1UL << order);
	if (order > f->max_order || !IS_ALIGNED(offset, 1UL << order) ||
	    offset + (1UL << order) > f->nr_units)
		expected = -EINVAL;
	else if (!model_is_free(f, offset, 1UL << order))
		expected = -EBUSY;
	got = quarry_buddy_alloc_at(f->buddy, offset, order);
	if (!got && !expected)
		model_take(f, offset, order);
	return agree(f, "alloc_at", expected, got);
}

static bool step_reserve(struct fixture *f)
{
	struct interval *slot = &f->taken[quarry_test_below(&f->rnd, NR_REMEMBERED)];
	unsigned long offset = quarry_test_below(&f->rnd, f->nr_units + 2);
	unsigned long count = quarry_test_below(&f->rnd, 40);
	int expected = 0, got;

	if (!count || offset + count > f->nr_units)
		expected = -EINVAL;
	else if (!model_is_free(f, offset, count))
		expected = -EBUSY;
	got = quarry_buddy_reserve(f->buddy, offset, count);
	if (!got && !expected) {
		model_take_interval(f, offset, count);
		*slot = (struct interval){ .offset = offset, .count = count };
	}
	return agree(f, "reserve", expected, got);
}

/* Mostly a block that is there, sometimes anything. */
static bool step_free(struct fixture *f)
{
	unsigned long offset = quarry_test_below(&f->rnd, f->nr_units + 2);
	unsigned int order = random_order(f);
	bool clean = prandom_u32_state(&f->rnd) & 1;
	int expected, got;

	if (quarry_test_below(&f->rnd, 16) && offset < f->nr_units &&
	    f->units[offset] != MODEL_FREE) {
		while (f->units[offset] == MODEL_INSIDE)
			offset--;
		order = f->units[offset] - 1;
	}
	expected = model_is_block(f, offset, order) ? 0 : -EINVAL;
	got = clean ? quarry_buddy_free_clean(f->buddy, offset, order) :
		      quarry_buddy_free(f->buddy, offset, order);
	if (!got && !expected) {
		model_give(f, offset, order);
		if (f->clean_order && clean)
			model_note_clean(f, offset, 1UL << order);
	}
	return agree(f, "free", expected, got);
}

/* An interval taken as one, parts of which may have been freed meanwhile. */
static bool step_free_count(struct fixture *f)
{
	struct interval *slot = &f->taken[quarry_test_below(&f->rnd, NR_REMEMBERED)];
	unsigned long offset = slot->offset, count = slot->count;
	bool clean = prandom_u32_state(&f->rnd) & 1;
	int expected = -EINVAL, got;

	if (!quarry_test_below(&f->rnd, 16))
		count += quarry_test_below(&f->rnd, 3);
	if (count && offset + count <= f->nr_units && model_is_tiled(f, offset, count))
		expected = 0;
	got = clean ? quarry_buddy_free_count_clean(f->buddy, offset, count) :
		      quarry_buddy_free_count(f->buddy, offset, count);
	if (!got && !expected) {
		memset(f->units + offset, MODEL_FREE, count);
		f->nr_free += count;
		if (f->clean_order && clean)
			model_note_clean(f, offset, count);
	}
	return agree(f, "free_count", expected, got);
}

static bool step_block_of(struct fixture *f)
{
	unsigned long unit = quarry_test_below(&f->rnd, f->nr_units + 2), start = 0, at = unit;
	int expected = -ENOENT, got;

	if (unit >= f->nr_units) {
		expected = -EINVAL;
	} else if (f->units[unit] != MODEL_FREE) {
		while (f->units[at] == MODEL_INSIDE)
			at--;
		expected = f->units[at] - 1;
	}
	got = quarry_buddy_block_of(f->buddy, unit, &start);
	return agree(f, "block_of", expected, got) &&
	       (got < 0 || agree(f, "block_of's offset", at, start));
}

static int check_free_block(unsigned long offset, unsigned int order, void *arg)
{
	struct fixture *f = arg;

	return agree(f, "walked block is free and whole", true,
		     model_is_free_block(f, offset, order)) ? 0 : -EIO;
}

struct allocated {
	struct fixture *f;
	unsigned long units;
	unsigned long end;
};

static int check_allocated_block(unsigned long offset, unsigned int order, void *arg)
{
	struct allocated *all = arg;

	if (!agree(all->f, "walked block is allocated", true,
		   offset >= all->end && model_is_block(all->f, offset, order)))
		return -EIO;
	all->units += 1UL << order;
	all->end = offset + (1UL << order);
	return 0;
}

static bool check_allocated(struct fixture *f)
{
	struct allocated all = { .f = f };

	return !quarry_buddy_walk_allocated(f->buddy, check_allocated_block, &all) &&
	       agree(f, "units in allocated blocks", f->nr_units - f->nr_free, all.units);
}

static bool check_clean(struct fixture *f)
{
	unsigned long i, nr = 0;

	for (i = 0; f->clean_order && i < f->nr_units >> f->clean_order; i++)
		nr += f->clean[i];
	return agree(f, "clean units", nr << f->clean_order,
		     quarry_buddy_nr_clean_units(f->buddy));
}

static bool check_all(struct fixture *f)
{
	unsigned long units = 0;
	int largest = -1;
	unsigned int k;

	for (k = 0; k <= f->max_order; k++) {
		units += quarry_buddy_nr_free(f->buddy, k) << k;
		if (quarry_buddy_nr_free(f->buddy, k))
			largest = k;
	}
	return agree(f, "verify", 0, quarry_buddy_verify(f->buddy)) &&
	       agree(f, "nr_free_units", f->nr_free, quarry_buddy_nr_free_units(f->buddy)) &&
	       agree(f, "units in free blocks", f->nr_free, units) &&
	       agree(f, "largest_order", largest, quarry_buddy_largest_order(f->buddy)) &&
	       !quarry_buddy_walk(f->buddy, check_free_block, f) &&
	       check_allocated(f) && check_clean(f);
}

static bool random_step(struct fixture *f)
{
	/* In turns more is taken or more is given back. */
	bool filling = f->step / 4096 % 2 == 0;
	u32 draw = quarry_test_below(&f->rnd, 100);

	if (draw < 4)
		return step_block_of(f);
	if (draw < 8)
		return step_alloc_at(f);
	if (draw < 11)
		return step_reserve(f);
	if (draw < 15)
		return step_trim(f);
	if (draw < 17)
		return step_join(f);
	if (draw < (filling ? 20 : 18))
		return step_list(f);
	if (draw < (filling ? 22 : 19))
		return step_each(f);
	if (draw < (filling ? 32 : 22))
		return step_alloc_count_in(f);
	if (draw < (filling ? 42 : 30))
		return step_alloc_in(f);
	if (draw < (filling ? 54 : 36))
		return step_alloc(f);
	if (draw < (filling ? 63 : 43))
		return step_alloc_count(f);
	if (draw < (filling ? 75 : 63))
		return step_free_count(f);
	return step_free(f);
}

static bool give_all_back(struct fixture *f)
{
	unsigned long offset;
	unsigned int order;

	for (offset = 0; offset < f->nr_units; offset++) {
		if (f->units[offset] == MODEL_FREE)
			continue;
		order = f->units[offset] - 1;
		if (!agree(f, "last free", 0, quarry_buddy_free(f->buddy, offset, order)))
			return false;
		model_give(f, offset, order);
	}
	return true;
}

static bool random_run(struct kunit *test, unsigned long nr_units, unsigned int max_order,
		       unsigned int clean_order, u64 seed, unsigned long nr_steps)
{
	struct fixture *f = buddy_fixture(test, nr_units, max_order, clean_order);

	f->seed = seed;
	prandom_seed_state(&f->rnd, seed);
	for (f->step = 0; f->step < nr_steps; f->step++) {
		if (!random_step(f))
			return false;
		if (f->step % 512 == 0 && !check_all(f))
			return false;
	}
	if (!give_all_back(f) || !check_all(f))
		return false;
	buddy_expect_whole(f);
	return true;
}

static const struct {
	unsigned long nr_units;
	unsigned int max_order;
	unsigned int clean_order;
	unsigned long nr_steps;
} random_ranges[] = {
	{ 1, 0, 0, 10000 },
	{ 7, 2, 0, 30000 },
	{ 64, 6, 0, 200000 },
	{ 64, 6, 2, 200000 },
	{ 100, 3, 0, 150000 },
	{ 103, 4, 2, 200000 },
	{ 128, 10, 3, 200000 },
	{ 1000, 9, 2, 150000 },
	{ 4097, 12, 0, 60000 },
	{ 4100, 7, 2, 60000 },
	{ 16384, 14, 4, 40000 },
	/* Summaries of more than three levels. */
	{ 270000, 18, 0, 8000 },
	{ 300001, 6, 2, 8000 },
};

/* 1.3 million operations; a failure names the seed that brings it back. */
void buddy_random_against_model(struct kunit *test)
{
	unsigned int i, round;
	struct rnd_state rnd;
	u64 seed;

	seed = quarry_test_seed(test, &rnd);
	for (i = 0; i < ARRAY_SIZE(random_ranges); i++) {
		for (round = 0; round < 4; round++) {
			if (!random_run(test, random_ranges[i].nr_units, random_ranges[i].max_order,
					random_ranges[i].clean_order, seed + round,
					QUARRY_TEST_LOOPS(random_ranges[i].nr_steps / 4)))
				return;
		}
	}
}
