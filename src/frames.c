// SPDX-License-Identifier: GPL-2.0
/*
 * Frames: two arenas that take turns, so that what one frame allocated is there in the next.
 *
 *	frame      1   2   3   4   5
 *	arena      A   B   A   B   A
 *	           │   │   └ A is reset: what frame 1 allocated is gone
 *	           │   └ what frame 1 allocated is valid
 *
 * What a frame needs the arena has from the frame before the last one, so that frames that
 * are like each other take nothing from the heap (arena.c, reset).  A quiet scope proves it: in
 * it arena.c reports each chunk that is asked for.
 *
 * Locking: the owner's.
 *
 * Invariants: frames.arena is arenas[nr % 2]; frames.nr_allocs counts this frame, allocs[] the
 * last one of the other arena.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/err.h>
#include <linux/export.h>
#include <linux/minmax.h>

#include <quarry/frames.h>

#include "arena.h"
#include "internal.h"

struct quarry_frames_priv {
	struct quarry_frames frames;	/* first: public part */
	struct quarry_arena_priv *arenas[2];
	struct quarry_arena_watch watch;	/* of both */
	u64 allocs[2];			/* of the frame each arena had last */
	u64 nr;				/* frames ended */
	u64 peak;
	u64 below;			/* watch.nr_below when this frame began */
	u64 nr_frees;
	struct quarry_frame_stats last;
};

static struct quarry_frames_priv *to_frames(struct quarry_frames *frames)
{
	return container_of(frames, struct quarry_frames_priv, frames);
}

/* === Creating, destroying === */

static struct quarry_arena_priv *get_arena(struct quarry_heap *heap,
					   const struct quarry_arena_params *params, gfp_t gfp,
					   const struct quarry_site *site)
{
	struct quarry_arena *arena = quarry_arena_create_site(heap, params, gfp, site);

	return IS_ERR(arena) ? ERR_CAST(arena) : quarry_to_arena(arena);
}

static void put_arena(struct quarry_arena_priv *a)
{
	/* Somebody may hold it by a reference of his own. */
	a->watch = NULL;
	quarry_arena_destroy(&a->arena);
}

struct quarry_frames *quarry_frames_create_site(struct quarry_heap *heap,
						const struct quarry_arena_params *params,
						gfp_t gfp, const struct quarry_site *site)
{
	struct quarry_frames_priv *f;
	int i, ret;

	if (quarry_refuse_node_flags(gfp))
		return ERR_PTR(-EINVAL);
	f = quarry_alloc_site(heap, sizeof(*f), gfp | __GFP_ZERO, QUARRY_KIND_PTR, site);
	if (!f)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < 2; i++) {
		f->arenas[i] = get_arena(heap, params, gfp, site);
		if (IS_ERR(f->arenas[i])) {
			ret = PTR_ERR(f->arenas[i]);
			goto err_arenas;
		}
		f->arenas[i]->watch = &f->watch;
	}
	f->frames.arena = &f->arenas[0]->arena;
	return &f->frames;

err_arenas:
	while (i--)
		put_arena(f->arenas[i]);
	quarry_free(f);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(quarry_frames_create_site);

void quarry_frames_destroy(struct quarry_frames *frames)
{
	struct quarry_frames_priv *f;

	if (IS_ERR_OR_NULL(frames))
		return;
	f = to_frames(frames);
	put_arena(f->arenas[0]);
	put_arena(f->arenas[1]);
	quarry_free(f);
}
EXPORT_SYMBOL_GPL(quarry_frames_destroy);

/* === Frame by frame === */

static struct quarry_frame_stats this_frame(const struct quarry_frames_priv *f)
{
	return (struct quarry_frame_stats) {
		.nr_allocs = f->frames.nr_allocs,
		.nr_frees = f->nr_frees,
		.bytes = quarry_arena_used(f->arenas[f->nr % 2]),
		.nr_below = f->watch.nr_below - f->below,
	};
}

void quarry_frames_next(struct quarry_frames *frames)
{
	struct quarry_frames_priv *f = to_frames(frames);
	struct quarry_arena_priv *a;

	f->last = this_frame(f);
	f->peak = max(f->peak, f->last.bytes);
	f->allocs[f->nr % 2] = frames->nr_allocs;
	f->below = f->watch.nr_below;
	f->nr++;
	a = f->arenas[f->nr % 2];
	f->nr_frees = f->allocs[f->nr % 2];
	frames->nr_allocs = 0;
	frames->arena = &a->arena;
	quarry_arena_reset(&a->arena);
}
EXPORT_SYMBOL_GPL(quarry_frames_next);

void quarry_frames_get_stats(struct quarry_frames *frames, struct quarry_frames_stats *stats)
{
	struct quarry_frames_priv *f = to_frames(frames);

	stats->current_frame = this_frame(f);
	stats->last_frame = f->last;
	stats->nr_frames = f->nr + 1;
	stats->peak = max(f->peak, stats->current_frame.bytes);
	stats->held = f->arenas[0]->held + f->arenas[1]->held;
	stats->nr_disturbed = f->watch.nr_disturbed;
}
EXPORT_SYMBOL_GPL(quarry_frames_get_stats);

/* === Quiet scopes === */

unsigned long quarry_frames_quiet_begin(struct quarry_frames *frames)
{
	struct quarry_frames_priv *f = to_frames(frames);

	f->watch.quiet++;
	return f->watch.nr_disturbed;
}
EXPORT_SYMBOL_GPL(quarry_frames_quiet_begin);

unsigned long quarry_frames_quiet_end(struct quarry_frames *frames, unsigned long begin)
{
	struct quarry_frames_priv *f = to_frames(frames);

	if (!f->watch.quiet) {
		quarry_report("frames %s: end of a quiet scope that was not begun\n",
			      quarry_arena_name(f->arenas[0]));
		return 0;
	}
	f->watch.quiet--;
	return f->watch.nr_disturbed - begin;
}
EXPORT_SYMBOL_GPL(quarry_frames_quiet_end);
