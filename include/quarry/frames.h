/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames: two arenas that take turns, for work that comes in rounds.
 */
#ifndef _QUARRY_FRAMES_H
#define _QUARRY_FRAMES_H

#include <quarry/arena.h>
#include <quarry/heap.h>
#include <quarry/site.h>

/**
 * struct quarry_frames - two arenas that take turns
 *
 * Opaque but for what the inline paths read.
 */
struct quarry_frames {
	/* private: of this frame */
	struct quarry_arena *arena;
	u64 nr_allocs;
};

/**
 * struct quarry_frame_stats - one frame in numbers
 * @nr_allocs: allocations asked for by quarry_frames_alloc() and its like
 * @nr_frees: allocations that ended with its beginning: those of the frame before the last one
 * @bytes: bytes handed out, with padding
 * @nr_below: calls to the layer below: chunks asked of the heap or given back to it; 0 in a frame
 *            that needs what the ones before it needed
 */
struct quarry_frame_stats {
	u64 nr_allocs;
	u64 nr_frees;
	u64 bytes;
	u64 nr_below;
};

/**
 * struct quarry_frames_stats - frames in numbers
 * @current_frame: the one that runs
 * @last_frame: the one before it
 * @nr_frames: frames begun
 * @peak: most bytes of one frame
 * @held: bytes of chunks that both arenas hold
 * @nr_disturbed: chunks asked for in quiet scopes
 */
struct quarry_frames_stats {
	struct quarry_frame_stats current_frame;
	struct quarry_frame_stats last_frame;
	u64 nr_frames;
	u64 peak;
	u64 held;
	u64 nr_disturbed;
};

/**
 * quarry_frames_create_site() - make frames; use quarry_frames_create()
 * @heap: heap the chunks come from
 * @params: how to make each of the two arenas, or NULL for the defaults
 * @gfp: for their first chunks
 * @site: where they are created
 *
 * Context: As quarry_frames_create().
 * Return: the frames or ERR_PTR, see there.
 */
struct quarry_frames *quarry_frames_create_site(struct quarry_heap *heap,
						const struct quarry_arena_params *params,
						gfp_t gfp, const struct quarry_site *site);

/**
 * quarry_frames_create() - make frames and begin the first one
 * @heap: heap the chunks come from
 * @params: how to make each of the two arenas, or NULL for the defaults; a limit is one of each
 * @gfp: for their first chunks
 *
 * Frames have a single owner: the caller serialises all calls.
 *
 * Context: Process, softirq, hardirq; sleeps only if @gfp allows it.
 * Return: the frames or ERR_PTR, as quarry_arena_create().
 */
#define quarry_frames_create(heap, params, gfp) \
	quarry_frames_create_site(heap, params, gfp, QUARRY_SITE())

/**
 * quarry_frames_destroy() - free both arenas and all that was allocated from them
 * @frames: the frames, or NULL or an ERR_PTR
 *
 * Context: Any but NMI; never sleeps, unless a callback does.
 */
void quarry_frames_destroy(struct quarry_frames *frames);

/**
 * quarry_frames_next() - end this frame and begin the next one
 * @frames: the frames
 *
 * What was allocated in the frame that ends stays valid until that next one ends, too; what was
 * allocated in the one before it is freed.  Each arena keeps the chunks it is likely to
 * need again, see quarry_arena_reset().
 *
 * Context: Any but NMI; never sleeps, unless a callback does.
 */
void quarry_frames_next(struct quarry_frames *frames);

/**
 * quarry_frames_arena() - the arena of this frame
 * @frames: the frames
 *
 * For what arenas can do besides allocating: marks, callbacks, children, a reserve.  What
 * is allocated through it is not in nr_allocs.
 *
 * Context: Any.
 * Return: the arena; the next frame has the other one.
 */
static inline struct quarry_arena *quarry_frames_arena(struct quarry_frames *frames)
{
	return frames->arena;
}

/* private: the arena of this frame, for an allocation that is counted */
static __always_inline struct quarry_arena *quarry_frames_count(struct quarry_frames *frames)
{
	frames->nr_allocs++;
	return frames->arena;
}

/**
 * quarry_frames_alloc() - allocate for this frame and the next one
 * @frames: the frames
 * @size: see quarry_arena_alloc()
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: the memory or NULL.
 */
#define quarry_frames_alloc(frames, size, gfp) \
	quarry_arena_alloc(quarry_frames_count(frames), size, gfp)

/**
 * quarry_frames_alloc_aligned() - quarry_arena_alloc_aligned() for this frame and the next one
 * @frames: the frames
 * @size: see there
 * @align: see there
 * @gfp: see there
 *
 * Context: As quarry_arena_alloc().
 * Return: the memory or NULL.
 */
#define quarry_frames_alloc_aligned(frames, size, align, gfp) \
	quarry_arena_alloc_aligned(quarry_frames_count(frames), size, align, gfp)

/**
 * quarry_frames_zalloc() - quarry_arena_zalloc() for this frame and the next one
 * @frames: the frames
 * @size: see there
 * @gfp: see there
 *
 * Context: As quarry_arena_alloc().
 * Return: the memory or NULL.
 */
#define quarry_frames_zalloc(frames, size, gfp) \
	quarry_arena_zalloc(quarry_frames_count(frames), size, gfp)

/**
 * quarry_frames_new() - quarry_arena_new() for this frame and the next one
 * @frames: the frames
 * @type: see there
 * @gfp: see there
 *
 * Context: As quarry_arena_alloc().
 * Return: pointer to the type, or NULL.
 */
#define quarry_frames_new(frames, type, gfp) \
	quarry_arena_new(quarry_frames_count(frames), type, gfp)

/**
 * quarry_frames_array() - quarry_arena_array() for this frame and the next one
 * @frames: the frames
 * @type: see there
 * @n: see there
 * @gfp: see there
 *
 * Context: As quarry_arena_alloc().
 * Return: pointer to the first element, or NULL.
 */
#define quarry_frames_array(frames, type, n, gfp) \
	quarry_arena_array(quarry_frames_count(frames), type, n, gfp)

/**
 * quarry_frames_quiet_begin() - report whoever makes frames take memory from now on
 * @frames: the frames
 *
 * Until quarry_frames_quiet_end() each chunk that one of the arenas asks of the heap is
 * counted, and reported with the call site.  It is served all the same.  Scopes may nest.
 *
 * Context: The owner's.
 * Return: for quarry_frames_quiet_end().
 */
unsigned long quarry_frames_quiet_begin(struct quarry_frames *frames);

/**
 * quarry_frames_quiet_end() - end of a quiet scope
 * @frames: the frames
 * @begin: what quarry_frames_quiet_begin() returned
 *
 * Context: The owner's.
 * Return: how many chunks were asked for in the scope: 0 if it was quiet.
 */
unsigned long quarry_frames_quiet_end(struct quarry_frames *frames, unsigned long begin);

/**
 * quarry_frames_get_stats() - read the numbers of frames
 * @frames: the frames
 * @stats: where to store them
 *
 * Context: The owner's.
 */
void quarry_frames_get_stats(struct quarry_frames *frames, struct quarry_frames_stats *stats);

#ifdef DEFINE_FREE
DEFINE_FREE(quarry_frames, struct quarry_frames *, quarry_frames_destroy(_T))

/* private: what scoped_quarry_frames_quiet() ends */
struct quarry_frames_quiet {
	struct quarry_frames *frames;
	unsigned long begin;
};

DEFINE_CLASS(quarry_frames_quiet, struct quarry_frames_quiet,
	     quarry_frames_quiet_end(_T.frames, _T.begin),
	     ((struct quarry_frames_quiet){ frames, quarry_frames_quiet_begin(frames) }),
	     struct quarry_frames *frames)

/**
 * scoped_quarry_frames_quiet() - a quiet scope for the statement that follows
 * @frames: the frames
 *
 * However the statement is left: ``scoped_quarry_frames_quiet(frames) { ... }``.
 *
 * Context: The owner's.
 */
#define scoped_quarry_frames_quiet(frames)						\
	for (CLASS(quarry_frames_quiet, _scope)(frames), *_once = &_scope; _once;	\
	     _once = NULL)
#endif

#endif /* _QUARRY_FRAMES_H */
