/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arenas: many allocations that die together.
 */
#ifndef _QUARRY_ARENA_H
#define _QUARRY_ARENA_H

#include <linux/align.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/stdarg.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <quarry/heap.h>
#include <quarry/site.h>

struct kref;
struct quarry_arena_cleanup;
struct quarry_chunk;

/* Largest single allocation of an arena, bytes. */
#define QUARRY_ARENA_MAX_ALLOC	(QUARRY_EXTENT_MAX_SIZE - 64)

/*
 * Flag of struct quarry_arena_params: two that use the arena at the same time are reported,
 * as is a call on it once it is destroyed.  For debugging: nothing is inline then.
 */
#define QUARRY_ARENA_CHECKED	BIT(8)

/*
 * Another one: what the arena hands out is reached through addresses that are unmapped by a
 * reset and at its end, so that stale pointers fault.
 */
#define QUARRY_ARENA_ESCAPE_CHECK	BIT(9)

/* Smallest buffer that an arena can live on, bytes: the half of it is for the arena itself. */
#define QUARRY_ARENA_MIN_BUFFER	512UL

/* Alignment unless asked otherwise, bytes. */
#define QUARRY_ARENA_ALIGN	8UL

/**
 * struct quarry_arena - a region that is freed or reset as a whole
 *
 * Opaque but for what the inline paths read.
 */
struct quarry_arena {
	/* private: free space of the current chunk */
	unsigned long pos;
	unsigned long end;
	unsigned long floor;		/* what begins below it stays as long as it is */
};

/**
 * struct quarry_arena_params - how to make an arena
 * @name: shown in debugfs, or NULL; copied, up to 31 characters
 * @limit: most bytes of chunks the arena may hold; 0 for none
 * @chunk_max: chunks double from 4 KiB up to this, in bytes: a power of two, 4 KiB to 1 MiB;
 *             0 means 64 KiB
 * @flags: %QUARRY_DATA if no pointers will be stored, %QUARRY_ARENA_CHECKED to find out who
 *         else uses the arena, %QUARRY_ARENA_ESCAPE_CHECK to have stale pointers fault;
 *         others are refused
 */
struct quarry_arena_params {
	const char *name;
	u64 limit;
	u32 chunk_max;
	unsigned int flags;
};

/**
 * struct quarry_arena_stats - an arena in numbers
 * @used: bytes handed out, with padding
 * @used_peak: largest @used so far
 * @asked: of @used, what callers asked for and still have, if the arena is checked: less than
 *         @used by padding and by what realloc left behind.  Else it is @used, as
 *         counting would cost each allocation an addition.
 * @slack: of what is held, neither handed out nor @spare: heads, ends of chunks that the next
 *         request did not fit in, what is still free in the current chunk.  The caller's own
 *         buffer counts here.
 * @held: bytes of chunks held, without the caller's own buffer
 * @held_peak: largest @held so far
 * @spare: of @held, in chunks that are kept for later
 * @nr_chunks: chunks held
 * @nr_resets: how often it was reset
 */
struct quarry_arena_stats {
	u64 used;
	u64 used_peak;
	u64 asked;
	u64 slack;
	u64 held;
	u64 held_peak;
	u64 spare;
	u64 nr_chunks;
	u64 nr_resets;
};

/**
 * quarry_arena_create_site() - make an arena; use quarry_arena_create()
 * @heap: heap the chunks come from
 * @params: how to make it, or NULL for the defaults
 * @gfp: for the first chunk, which also holds the arena itself
 * @site: where it is created
 *
 * Context: Process, softirq, hardirq; sleeps only if @gfp allows it.
 * Return: the arena or ERR_PTR, see quarry_arena_create().
 */
struct quarry_arena *quarry_arena_create_site(struct quarry_heap *heap,
					      const struct quarry_arena_params *params,
					      gfp_t gfp, const struct quarry_site *site);

/**
 * quarry_arena_create() - make an arena
 * @heap: heap the chunks come from
 * @params: how to make it, or NULL for the defaults
 * @gfp: for the first chunk, which also holds the arena itself
 *
 * An arena has a single owner: the caller serialises all calls on it.  If it is checked
 * (%QUARRY_ARENA_CHECKED, or the module parameter arena_check when it is made), one
 * that comes while another is in a call is reported with both places.  Then an allocation
 * returns NULL, and what returns an error returns %-EBUSY; what cannot fail is done.
 *
 * Context: Process, softirq, hardirq; sleeps only if @gfp allows it.
 * Return: the arena or ERR_PTR:
 * * %-EINVAL - a parameter is out of range or a flag refused; a line in the kernel log says
 *   which
 * * %-ENOMEM - no memory
 */
#define quarry_arena_create(heap, params, gfp) \
	quarry_arena_create_site(heap, params, gfp, QUARRY_SITE())

/**
 * quarry_arena_create_on_site() - make an arena on a buffer; use quarry_arena_create_on()
 * @heap: heap that further chunks come from, or NULL
 * @buffer: where it lives
 * @size: bytes of it
 * @params: how to make it, or NULL for the defaults
 * @site: where it is created
 *
 * Context: Any.
 * Return: the arena or ERR_PTR, see quarry_arena_create_on().
 */
struct quarry_arena *quarry_arena_create_on_site(struct quarry_heap *heap, void *buffer,
						 size_t size,
						 const struct quarry_arena_params *params,
						 const struct quarry_site *site);

/**
 * quarry_arena_create_on() - make an arena on a buffer of the caller's
 * @heap: heap that further chunks come from when the buffer is full, or NULL: it fails then
 * @buffer: static, on the stack or in other memory; aligned to 16 bytes
 * @size: bytes of it, at least %QUARRY_ARENA_MIN_BUFFER
 * @params: how to make it, or NULL for the defaults
 *
 * The buffer is the first chunk and holds the arena itself.  It is the caller's again when
 * the arena has been destroyed.  @params->limit does not count it.
 *
 * Context: Any, but for @heap's growth see quarry_arena_alloc().
 * Return: the arena or ERR_PTR(%-EINVAL); a line in the kernel log says why.
 */
#define quarry_arena_create_on(heap, buffer, size, params) \
	quarry_arena_create_on_site(heap, buffer, size, params, QUARRY_SITE())

/**
 * quarry_arena_destroy() - free an arena and all that was allocated from it
 * @arena: the arena, or NULL or an ERR_PTR
 *
 * Lets go of the reference that creating it gave.  If it is the last one, children are
 * destroyed first, the newest before older ones, then callbacks are called, then memory
 * goes back to the heap.
 *
 * Context: Any but NMI; never sleeps, unless a callback does.
 */
void quarry_arena_destroy(struct quarry_arena *arena);

/**
 * quarry_arena_destroy_rcu() - quarry_arena_destroy() after a grace period
 * @arena: the arena, or NULL or an ERR_PTR
 *
 * For readers under rcu_read_lock() of what is in it.  Callbacks are called after the grace
 * period, from an RCU callback: they must not sleep.
 *
 * Context: Any but NMI; never sleeps.
 */
void quarry_arena_destroy_rcu(struct quarry_arena *arena);

/**
 * quarry_arena_get() - take a reference
 * @arena: the arena, which somebody holds
 *
 * For asynchronous work that uses what is in an arena.  Allocating from it is
 * still for one at a time.
 *
 * Context: Any.
 */
void quarry_arena_get(struct quarry_arena *arena);

/**
 * quarry_arena_put() - let go of a reference; the last one destroys the arena
 * @arena: the arena
 *
 * Context: As quarry_arena_destroy().
 */
void quarry_arena_put(struct quarry_arena *arena);

/**
 * quarry_arena_of() - find the arena that a pointer points into
 * @ptr: any pointer at all
 *
 * The caller knows that the arena is not destroyed as long as it is used.  Who does not calls
 * quarry_arena_get_of().
 *
 * Context: Any.
 * Return: the arena, or NULL if @ptr points into none, into a shared one, or into the caller's own
 * buffer.
 */
struct quarry_arena *quarry_arena_of(const void *ptr);

/**
 * quarry_arena_get_of() - find the arena that a pointer points into, and take a reference
 * @ptr: any pointer at all
 *
 * Safe against the last quarry_arena_put() on another CPU at the same time: either this takes
 * a reference before, or it returns NULL.  No claim is made on the memory at @ptr: if that
 * was freed meanwhile and belongs to another arena now, that one is held.  So the caller has to
 * know that what @ptr points to is still the same, by
 *
 * * rcu_read_lock() from where @ptr was read, if it is taken out of there before the arena is
 *   let go, and all let go of it by quarry_arena_destroy_rcu(); or
 * * a lock under which @ptr was found, and which who takes it out there takes as well, before
 *   the arena is reset, rewound or let go.
 *
 * The reference keeps the arena, and what is in it until somebody resets or rewinds
 * it.  Allocating from it is still for one at a time.
 *
 * Context: Any.  In NMI an arena that is being looked at may not be found.
 * Return: the arena, for quarry_arena_put(); or NULL if @ptr points into none, into the
 * caller's own buffer, or into one that is being destroyed.
 */
struct quarry_arena *quarry_arena_get_of(const void *ptr);

/**
 * quarry_arena_reset() - free all that was allocated, keep the arena
 * @arena: the arena
 *
 * Destroys children, calls callbacks as quarry_arena_destroy() does, and makes all
 * marks stale.  Keeps as many chunks as the arena is likely to need again, judging by what it
 * needed before the last resets, and gives the others back to the heap.
 *
 * Context: Any but NMI; never sleeps, unless a callback does.
 */
void quarry_arena_reset(struct quarry_arena *arena);

/**
 * quarry_arena_trim() - give chunks back that are kept for later
 * @arena: the arena
 *
 * Context: Any but NMI; never sleeps.
 * Return: bytes given back to the heap.
 */
u64 quarry_arena_trim(struct quarry_arena *arena);

/**
 * quarry_arena_reserve() - make sure that the next bytes cannot fail
 * @arena: the arena
 * @bytes: how many, each allocation rounded up to its alignment; at most
 *         %QUARRY_ARENA_MAX_ALLOC
 * @gfp: as for quarry_alloc()
 *
 * Holds until that many bytes were allocated, in any number of pieces, or the arena is
 * reset, rewound or trimmed.
 *
 * Context: As quarry_arena_alloc().
 * Return: 0, %-ENOMEM, or %-EINVAL for too many bytes or a refused flag.
 */
int quarry_arena_reserve(struct quarry_arena *arena, size_t bytes, gfp_t gfp);

/**
 * quarry_arena_report_escape() - say which arena a stale pointer pointed into
 * @ptr: any pointer at all
 *
 * If @ptr points to where a chunk of an arena was that was checked for escapes
 * (%QUARRY_ARENA_ESCAPE_CHECK, parameter escape_check), and that has been reset or destroyed
 * since, the kernel log gets its name, which generation of it (that is, after how many
 * resets), who ended that and when, and where the arena was created.  An oops at such
 * an address does this by itself on x86.
 *
 * Context: Any.
 * Return: true if there was something to say.
 */
bool quarry_arena_report_escape(const void *ptr);

/* === What lives shorter than the arena === */

/**
 * struct quarry_arena_mark - a place in an arena to go back to
 *
 * Opaque.  In memory of the caller, usually on the stack.
 */
struct quarry_arena_mark {
	/* private: */
	struct quarry_arena *arena;	/* NULL once it was used */
	u64 serial;
	u64 previous;
	struct quarry_chunk *chunk;
	struct quarry_chunk *alone;
	struct quarry_arena_cleanup *cleanups;
	unsigned long pos;
	unsigned long start;
	unsigned long floor;
	u64 used_before;
	u64 asked;
};

/**
 * quarry_arena_mark() - remember how far an arena is used
 * @arena: the arena
 * @mark: where to store it
 *
 * Marks nest.  Each is rewound to or forgotten once, the newest first.
 *
 * Context: The owner's; never sleeps.
 */
void quarry_arena_mark(struct quarry_arena *arena, struct quarry_arena_mark *mark);

/**
 * quarry_arena_rewind() - free all that was allocated since a mark
 * @arena: the arena
 * @mark: its newest mark
 *
 * Calls the callbacks that were registered since, the newest first.  Children stay.  Chunks
 * stay with the arena for later.
 *
 * Context: The owner's; never sleeps, unless a callback does.
 * Return: 0, or %-EINVAL after a report if @mark is stale or older than another one: nothing
 * was freed then.
 */
int quarry_arena_rewind(struct quarry_arena *arena, struct quarry_arena_mark *mark);

/**
 * quarry_arena_unmark() - forget a mark and keep what was allocated since
 * @arena: the arena
 * @mark: its newest mark
 *
 * Context: The owner's; never sleeps.
 * Return: as quarry_arena_rewind().
 */
int quarry_arena_unmark(struct quarry_arena *arena, struct quarry_arena_mark *mark);

/* === What ends with the arena === */

/**
 * quarry_arena_on_reset() - have a function called when an arena is reset or destroyed
 * @arena: the arena
 * @fn: the function, called once; it must not allocate from @arena
 * @arg: for it
 * @gfp: for the record, which is in the arena
 *
 * Functions are called in reverse order, before anything is freed, and by quarry_arena_rewind()
 * to a mark that is older.
 *
 * Context: As quarry_arena_alloc().
 * Return: 0, %-ENOMEM, or %-EINVAL if @fn is NULL.
 */
int quarry_arena_on_reset(struct quarry_arena *arena, void (*fn)(void *arg), void *arg, gfp_t gfp);

/**
 * quarry_arena_on_reset_kref() - have a reference dropped when an arena is reset or destroyed
 * @arena: see quarry_arena_on_reset()
 * @kref: the reference
 * @release: as for kref_put()
 * @gfp: see there
 *
 * Context: As quarry_arena_on_reset().
 * Return: 0 or %-ENOMEM; the reference is then still the caller's.
 */
int quarry_arena_on_reset_kref(struct quarry_arena *arena, struct kref *kref,
			       void (*release)(struct kref *kref), gfp_t gfp);

/**
 * QUARRY_ARENA_PUTTER() - define a callback out of a function as put_device()
 * @name: of the callback
 * @fn: function that takes a pointer to @type and returns nothing
 * @type: what it drops a reference of, such as struct device
 *
 * At file scope, then ``quarry_arena_on_reset(arena, name, dev, gfp)``.  A cast of @fn would
 * not do: the kernel may check the types of indirect calls.
 */
#define QUARRY_ARENA_PUTTER(name, fn, type)	\
	static void name(void *_obj)		\
	{					\
		type *_typed = _obj;		\
						\
		fn(_typed);			\
	}

/**
 * quarry_arena_on_reset_free() - have memory of a heap freed when an arena is reset or destroyed
 * @arena: see quarry_arena_on_reset()
 * @ptr: an object of a cache, or any memory that quarry_free() takes
 * @gfp: see there
 *
 * Context: As quarry_arena_on_reset().
 * Return: 0 or %-ENOMEM; the memory is then still the caller's.
 */
int quarry_arena_on_reset_free(struct quarry_arena *arena, void *ptr, gfp_t gfp);

/**
 * quarry_arena_create_child_site() - make a child; use quarry_arena_create_child()
 * @parent: the parent
 * @params: how to make it, or NULL for the defaults
 * @gfp: for the first chunk
 * @site: where it is created
 *
 * Context: As quarry_arena_create().
 * Return: the arena or ERR_PTR.
 */
struct quarry_arena *quarry_arena_create_child_site(struct quarry_arena *parent,
						    const struct quarry_arena_params *params,
						    gfp_t gfp, const struct quarry_site *site);

/**
 * quarry_arena_create_child() - make an arena that dies with another one
 * @parent: the other one; resetting or destroying it destroys the child
 * @params: how to make it, or NULL for the defaults
 * @gfp: for the first chunk
 *
 * The caller serialises calls on a parent and its children.  A child may be destroyed
 * before; one that others hold by quarry_arena_get() is reported and lives on alone.
 *
 * Context: As quarry_arena_create().
 * Return: as quarry_arena_create(); ERR_PTR(%-EINVAL) also if @parent has no heap.
 */
#define quarry_arena_create_child(parent, params, gfp) \
	quarry_arena_create_child_site(parent, params, gfp, QUARRY_SITE())

/**
 * quarry_arena_set_parent() - move an arena to another parent
 * @arena: the arena
 * @parent: the new parent, of the same heap, or NULL for none
 *
 * Context: The owner's of both and of the old parent; never sleeps.
 * Return: 0, or %-EINVAL after a report if @parent is @arena or below it, or of another heap.
 */
int quarry_arena_set_parent(struct quarry_arena *arena, struct quarry_arena *parent);

/**
 * quarry_arena_get_stats() - read an arena's numbers
 * @arena: the arena
 * @stats: where to store them
 *
 * Context: The owner's.
 */
void quarry_arena_get_stats(struct quarry_arena *arena, struct quarry_arena_stats *stats);

/**
 * quarry_arena_alloc_slow() - what the inline path of quarry_arena_alloc() leaves over
 * @arena: the arena
 * @size: bytes
 * @align: alignment
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_arena_alloc().
 * Return: as quarry_arena_alloc().
 */
void *quarry_arena_alloc_slow(struct quarry_arena *arena, size_t size, size_t align, gfp_t gfp,
			      const struct quarry_site *site);

#ifdef CONFIG_KASAN_GENERIC
/**
 * quarry_arena_expose() - let KASAN know what is handed out; for the inline paths
 * @arena: the arena
 * @start: where it begins
 * @size: bytes; what is behind them may not be touched
 *
 * Without KASAN it is nothing.
 *
 * Context: As quarry_arena_alloc().
 */
void quarry_arena_expose(struct quarry_arena *arena, unsigned long start, size_t size);
#else
static inline void quarry_arena_expose(struct quarry_arena *arena, unsigned long start, size_t size)
{
}
#endif

static __always_inline __malloc __alloc_size(2) void *
quarry_arena_alloc_site(struct quarry_arena *arena, size_t size, size_t align, gfp_t gfp,
			const struct quarry_site *site)
{
	unsigned long start = ALIGN(arena->pos, align);

	might_alloc(gfp);
	/* size - 1 sends 0 to the slow path; the bound keeps the sum from wrapping. */
	if (likely(size - 1 < QUARRY_ARENA_MAX_ALLOC && start + size <= arena->end &&
		   align - 1 < PAGE_SIZE && !(align & (align - 1)) &&
		   !(gfp & QUARRY_GFP_SLOW))) {
		arena->pos = start + size;
		quarry_arena_expose(arena, start, size);
		if (unlikely(want_init_on_alloc(gfp)))
			memset((void *)start, 0, size);
		return (void *)start;
	}
	return quarry_arena_alloc_slow(arena, size, align, gfp, site);
}

/**
 * quarry_arena_alloc() - allocate from an arena, aligned to 8 bytes
 * @arena: the arena
 * @size: bytes; 0 gives %ZERO_SIZE_PTR; at most %QUARRY_ARENA_MAX_ALLOC
 * @gfp: as for quarry_alloc()
 *
 * Context: The owner's: process, softirq or hardirq; sleeps only if @gfp allows it.
 * Return: the memory or NULL.
 */
#define quarry_arena_alloc(arena, size, gfp) \
	quarry_arena_alloc_site(arena, size, QUARRY_ARENA_ALIGN, gfp, QUARRY_SITE())

/**
 * quarry_arena_alloc_aligned() - allocate from an arena with a given alignment
 * @arena: the arena
 * @size: see quarry_arena_alloc()
 * @align: alignment in bytes, a power of two from 1 to %PAGE_SIZE
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: the memory or NULL.
 */
#define quarry_arena_alloc_aligned(arena, size, align, gfp) \
	quarry_arena_alloc_site(arena, size, align, gfp, QUARRY_SITE())

/**
 * quarry_arena_zalloc() - allocate zeroed memory from an arena
 * @arena: see quarry_arena_alloc()
 * @size: see quarry_arena_alloc()
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: the memory or NULL.
 */
#define quarry_arena_zalloc(arena, size, gfp) \
	quarry_arena_alloc(arena, size, (gfp) | __GFP_ZERO)

/**
 * quarry_arena_new() - allocate one zeroed object of a type
 * @arena: see quarry_arena_alloc()
 * @type: the type, such as struct foo
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: pointer to the type, or NULL.
 */
#define quarry_arena_new(arena, type, gfp)					\
	((type *)quarry_arena_alloc_site(arena, sizeof(type), __alignof__(type),	\
					 (gfp) | __GFP_ZERO, QUARRY_SITE()))

/**
 * quarry_arena_array() - allocate a zeroed array of a type
 * @arena: see quarry_arena_alloc()
 * @type: the type of an element
 * @n: number of elements; the product is checked for overflow
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: pointer to the first element, or NULL.
 */
#define quarry_arena_array(arena, type, n, gfp)					\
	((type *)quarry_arena_alloc_site(arena, array_size(n, sizeof(type)),	\
					 __alignof__(type), (gfp) | __GFP_ZERO,	\
					 QUARRY_SITE()))

/**
 * quarry_arena_memdup_site() - copy memory; use quarry_arena_memdup()
 * @arena: the arena
 * @src: what to copy
 * @len: bytes
 * @align: alignment of the copy
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_arena_alloc().
 * Return: the copy or NULL.
 */
void *quarry_arena_memdup_site(struct quarry_arena *arena, const void *src, size_t len,
			       size_t align, gfp_t gfp, const struct quarry_site *site);

/**
 * quarry_arena_memdup() - copy memory into an arena
 * @arena: see quarry_arena_alloc()
 * @src: what to copy
 * @len: bytes
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: the copy or NULL.
 */
#define quarry_arena_memdup(arena, src, len, gfp) \
	quarry_arena_memdup_site(arena, src, len, QUARRY_ARENA_ALIGN, gfp, QUARRY_SITE())

/**
 * quarry_arena_strdup_site() - copy a string; use quarry_arena_strdup()
 * @arena: the arena
 * @str: the string, or NULL
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_arena_alloc().
 * Return: the copy or NULL.
 */
char *quarry_arena_strdup_site(struct quarry_arena *arena, const char *str, gfp_t gfp,
			       const struct quarry_site *site);

/**
 * quarry_arena_strdup() - copy a string into an arena, packed to the byte
 * @arena: see quarry_arena_alloc()
 * @str: the string; NULL gives NULL
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: the copy or NULL.
 */
#define quarry_arena_strdup(arena, str, gfp) \
	quarry_arena_strdup_site(arena, str, gfp, QUARRY_SITE())

/**
 * quarry_arena_strndup_site() - copy part of a string; use quarry_arena_strndup()
 * @arena: the arena
 * @str: the string, or NULL
 * @max: most characters to copy
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_arena_alloc().
 * Return: the copy or NULL.
 */
char *quarry_arena_strndup_site(struct quarry_arena *arena, const char *str, size_t max, gfp_t gfp,
				const struct quarry_site *site);

/**
 * quarry_arena_strndup() - copy at most so many characters of a string, packed to the byte
 * @arena: see quarry_arena_alloc()
 * @str: the string, which need not end before @max; NULL gives NULL
 * @max: most characters to copy
 * @gfp: see quarry_arena_alloc()
 *
 * Context: As quarry_arena_alloc().
 * Return: the copy, with a NUL at its end, or NULL.
 */
#define quarry_arena_strndup(arena, str, max, gfp) \
	quarry_arena_strndup_site(arena, str, max, gfp, QUARRY_SITE())

/**
 * quarry_arena_vprintf() - format text into an arena, packed to the byte
 * @arena: the arena
 * @gfp: see quarry_arena_alloc()
 * @fmt: as for vsnprintf()
 * @args: as for vsnprintf()
 *
 * Formats once if the text fits into the current chunk.
 *
 * Context: As quarry_arena_alloc().
 * Return: the text or NULL.
 */
__printf(3, 0)
char *quarry_arena_vprintf(struct quarry_arena *arena, gfp_t gfp, const char *fmt, va_list args);

/**
 * quarry_arena_printf() - format text into an arena, packed to the byte
 * @arena: the arena
 * @gfp: see quarry_arena_alloc()
 * @fmt: as for snprintf()
 *
 * Context: As quarry_arena_alloc().
 * Return: the text or NULL.
 */
__printf(3, 4)
char *quarry_arena_printf(struct quarry_arena *arena, gfp_t gfp, const char *fmt, ...);

/**
 * quarry_arena_realloc_slow() - what the inline path of quarry_arena_realloc() leaves over
 * @arena: the arena
 * @ptr: the allocation
 * @old: its bytes
 * @size: new bytes
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_arena_alloc().
 * Return: see quarry_arena_realloc().
 */
void *quarry_arena_realloc_slow(struct quarry_arena *arena, void *ptr, size_t old, size_t size,
				gfp_t gfp, const struct quarry_site *site);

static __always_inline void *
quarry_arena_realloc_site(struct quarry_arena *arena, void *ptr, size_t old, size_t size,
			  gfp_t gfp, const struct quarry_site *site)
{
	unsigned long at = (unsigned long)ptr;

	might_alloc(gfp);
	/* Growth of the most recent allocation, if there is room and no mark behind it. */
	if (likely(at + old == arena->pos && at >= arena->floor && size > old &&
		   size <= QUARRY_ARENA_MAX_ALLOC && at + size <= arena->end &&
		   !(gfp & QUARRY_GFP_SLOW))) {
		arena->pos = at + size;
		quarry_arena_expose(arena, at, size);
		if (unlikely(want_init_on_alloc(gfp)))
			memset(ptr + old, 0, size - old);
		return ptr;
	}
	return quarry_arena_realloc_slow(arena, ptr, old, size, gfp, site);
}

/**
 * quarry_arena_realloc() - make an allocation larger or smaller
 * @arena: the arena
 * @ptr: the allocation; NULL and %ZERO_SIZE_PTR make this quarry_arena_alloc()
 * @old: bytes it has: what was asked for
 * @size: bytes it shall have; 0 gives %ZERO_SIZE_PTR
 * @gfp: see quarry_arena_alloc(); %__GFP_ZERO zeroes what is new, where it grows in place
 *
 * The most recent allocation grows and shrinks in place if there is room, unless it was
 * made before the newest mark.  Another one that grows is copied, and its old place is lost
 * until the reset; one that shrinks stays.
 *
 * Context: As quarry_arena_alloc().
 * Return: the memory, aligned to 8 bytes if it moved, or NULL with @ptr as it was.
 */
#define quarry_arena_realloc(arena, ptr, old, size, gfp) \
	quarry_arena_realloc_site(arena, ptr, old, size, gfp, QUARRY_SITE())

/**
 * quarry_arena_promote_site() - copy out to the heap; use quarry_arena_promote()
 * @arena: the arena
 * @ptr: what to copy
 * @size: bytes
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_alloc().
 * Return: the copy or NULL.
 */
void *quarry_arena_promote_site(struct quarry_arena *arena, const void *ptr, size_t size,
				gfp_t gfp, const struct quarry_site *site);

/**
 * quarry_arena_promote() - copy something out of an arena that shall outlive it
 * @arena: the arena
 * @ptr: what to copy
 * @size: bytes
 * @gfp: see quarry_alloc()
 *
 * Context: As quarry_alloc().
 * Return: the copy, in the arena's heap, for quarry_free(); or NULL.
 */
#define quarry_arena_promote(arena, ptr, size, gfp) \
	quarry_arena_promote_site(arena, ptr, size, gfp, QUARRY_SITE())

#ifdef DEFINE_FREE
DEFINE_FREE(quarry_arena, struct quarry_arena *, quarry_arena_destroy(_T))

/**
 * scoped_quarry_arena() - an arena for the statement that follows
 * @a: name of the arena, which may be an ERR_PTR
 * @heap: heap the chunks come from
 *
 * It is destroyed however the statement is left: ``scoped_quarry_arena(a, heap) { ... }``.
 *
 * Context: Process context, may sleep.
 */
#define scoped_quarry_arena(a, heap)						\
	for (struct quarry_arena *_once = NULL, *(a) __free(quarry_arena) =	\
	     quarry_arena_create(heap, NULL, GFP_KERNEL);			\
	     !_once; _once = ERR_PTR(-ENOENT))
#endif

#endif /* _QUARRY_ARENA_H */
