// SPDX-License-Identifier: GPL-2.0
/*
 * A mix of everything that one heap gives out.
 *
 * An object belongs to who took it out of its slot by xchg(); all of it is filled
 * with a pattern that the next one checks.
 */
#include <linux/bitops.h>
#include <linux/sched.h>
#include "mix.h"

#define PAGES_MOST		9	/* above the magazines' orders */
#define PAGES_MOST_ATOMIC	2

/* Start of each object; the pattern follows. */
struct quarry_mix_object {
	u32 size;		/* in all */
	u16 source;
	u16 user;
	u64 tag;
};

static size_t random_size(struct rnd_state *rnd)
{
	return sizeof(struct quarry_mix_object) +
	       quarry_test_below(rnd, 8U << quarry_test_below(rnd, 11));
}

static void *alloc_from(struct quarry_mix *mix, enum quarry_mix_source source,
			struct rnd_state *rnd, gfp_t gfp, u32 *size)
{
	unsigned int nr;

	switch (source) {
	case QUARRY_MIX_SMALL:
		*size = quarry_cache_object_size(mix->small);
		return quarry_cache_alloc(mix->small, gfp);
	case QUARRY_MIX_LARGE:
		*size = quarry_cache_object_size(mix->large);
		return quarry_cache_alloc(mix->large, gfp);
	case QUARRY_MIX_SIZES:
		*size = random_size(rnd);
		return quarry_alloc(mix->heap, *size, gfp);
	case QUARRY_MIX_DATA:
		*size = random_size(rnd);
		return quarry_alloc_data(mix->heap, *size, gfp);
	default:
		nr = 1 + quarry_test_below(rnd, gfpflags_allow_blocking(gfp) ? PAGES_MOST :
					   PAGES_MOST_ATOMIC);
		*size = nr << PAGE_SHIFT;
		return quarry_alloc_pages_exact(mix->heap, nr, gfp);
	}
}

static enum quarry_mix_source random_source(struct quarry_mix *mix, struct rnd_state *rnd)
{
	enum quarry_mix_source source;

	do {
		source = quarry_test_below(rnd, QUARRY_MIX_NR_SOURCES);
		/* Pages are large: an eighth of their share. */
		if (source == QUARRY_MIX_PAGES && hweight32(mix->sources) > 1 &&
		    quarry_test_below(rnd, 8))
			continue;
	} while (!(mix->sources & BIT(source)));
	return source;
}

static void wrong(struct quarry_mix_user *user, const char *what, unsigned long where)
{
	if (user->wrong)
		return;
	user->wrong = what;
	user->where = where;
}

static struct quarry_mix_object *make_object(struct quarry_mix_user *user, gfp_t gfp)
{
	enum quarry_mix_source source = random_source(user->mix, &user->rnd);
	struct quarry_mix_object *obj;
	u32 size;

	obj = alloc_from(user->mix, source, &user->rnd, gfp, &size);
	if (!obj) {
		if (gfpflags_allow_blocking(gfp))
			wrong(user, "allocation of this size", size);
		else
			atomic_long_inc(&user->mix->nr_refused);
		return NULL;
	}
	obj->size = size;
	obj->source = source;
	obj->user = user->id;
	obj->tag = prandom_u32_state(&user->rnd);
	quarry_test_fill(obj + 1, size - sizeof(*obj), obj->tag);
	return obj;
}

static bool object_is_good(const struct quarry_mix_object *obj)
{
	return obj->size >= sizeof(*obj) && obj->size <= PAGES_MOST * PAGE_SIZE &&
	       obj->source < QUARRY_MIX_NR_SOURCES &&
	       quarry_test_check(obj + 1, obj->size - sizeof(*obj), obj->tag);
}

static void free_object(struct quarry_mix *mix, struct quarry_mix_object *obj)
{
	switch (obj->source) {
	case QUARRY_MIX_SMALL:
		quarry_cache_free(mix->small, obj);
		break;
	case QUARRY_MIX_LARGE:
		quarry_cache_free(mix->large, obj);
		break;
	case QUARRY_MIX_PAGES:
		quarry_free_pages(obj);
		break;
	default:
		quarry_free(obj);
		break;
	}
}

/* A damaged object is not freed: its header may lie. */
static void check_and_free(struct quarry_mix_user *user, struct quarry_mix_object *obj)
{
	if (!object_is_good(obj)) {
		wrong(user, "damaged object", (unsigned long)obj);
		return;
	}
	if (obj->user != user->id)
		atomic_long_inc(&user->mix->nr_remote);
	free_object(user->mix, obj);
}

struct quarry_mix *quarry_mix_make(struct kunit *test, struct quarry_heap *heap,
				   unsigned int sources)
{
	struct quarry_mix *mix = quarry_test_array(test, 1, sizeof(*mix));

	mix->heap = heap;
	mix->sources = sources;
	mix->small = quarry_test_cache(test, heap, 56, 0, 0, NULL);
	mix->large = quarry_test_cache(test, heap, 2000, 0, QUARRY_DATA, NULL);
	return mix;
}

void quarry_mix_done(struct kunit *test, struct quarry_mix *mix)
{
	unsigned int i;

	for (i = 0; i < QUARRY_MIX_SLOTS; i++) {
		if (!mix->slots[i])
			continue;
		if (object_is_good(mix->slots[i]))
			free_object(mix, mix->slots[i]);
		else
			KUNIT_FAIL(test, "slot %u holds a damaged object", i);
		mix->slots[i] = NULL;
	}
	quarry_test_cache_done(test, mix->large);
	quarry_test_cache_done(test, mix->small);
}

void quarry_mix_user_init(struct quarry_mix_user *user, struct quarry_mix *mix, unsigned int id,
			  u64 seed)
{
	*user = (struct quarry_mix_user){ .mix = mix, .id = id };
	prandom_seed_state(&user->rnd, seed + id);
}

void quarry_mix_step(struct quarry_mix_user *user, gfp_t gfp)
{
	struct quarry_mix_object *obj;
	unsigned int i;

	i = quarry_test_below(&user->rnd, QUARRY_MIX_SLOTS);
	obj = quarry_test_below(&user->rnd, 3) ? make_object(user, gfp) : NULL;
	obj = xchg(&user->mix->slots[i], obj);
	if (obj)
		check_and_free(user, obj);
	WRITE_ONCE(user->nr_steps, user->nr_steps + 1);
}

/* Is it still as we left it, and nobody else's? */
static void put_back(struct quarry_mix_user *user, u64 *obj, u64 tag)
{
	if (!obj)
		return;
	if (READ_ONCE(*obj) != tag)
		wrong(user, "object in two hands", (unsigned long)obj);
	else
		quarry_cache_free(user->mix->small, obj);
}

void quarry_mix_pairs(struct quarry_mix_user *user, unsigned int nr, gfp_t gfp)
{
	u64 *one, *two, tag = (u64)user->id << 32;

	while (nr--) {
		one = quarry_cache_alloc(user->mix->small, gfp);
		if (one)
			WRITE_ONCE(*one, ++tag);
		two = quarry_cache_alloc(user->mix->small, gfp);
		if (two)
			WRITE_ONCE(*two, ~tag);
		put_back(user, one, tag);
		put_back(user, two, ~tag);
	}
	WRITE_ONCE(user->nr_steps, user->nr_steps + 1);
}

void quarry_mix_work(struct quarry_test_worker *worker)
{
	struct quarry_mix_user user;

	quarry_mix_user_init(&user, worker->arg, worker->id, prandom_u32_state(&worker->rnd));
	while (!quarry_test_worker_should_stop()) {
		quarry_mix_step(&user, GFP_KERNEL);
		cond_resched();
	}
	if (user.wrong)
		quarry_test_worker_fail(worker, user.wrong, user.where);
	worker->nr_ops = user.nr_steps;
}

void quarry_mix_user_expect(struct kunit *test, const struct quarry_mix_user *user)
{
	KUNIT_EXPECT_NULL_MSG(test, user->wrong, "user %u after %lu steps: first %s (%#lx)",
			      user->id, user->nr_steps, user->wrong ?: "", user->where);
}
