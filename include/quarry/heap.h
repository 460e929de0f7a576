/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Heaps and sized allocation.
 */
#ifndef _QUARRY_HEAP_H
#define _QUARRY_HEAP_H

#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/numa.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <quarry/cache.h>
#include <quarry/sizeclass.h>

/* Memory with pointers and pointer-free data never share an extent. */
enum quarry_kind {
	QUARRY_KIND_PTR,
	QUARRY_KIND_DATA,
	QUARRY_NR_KINDS,
};

/* Blocks of 2^0 to 2^3 pages have magazines. */
#define QUARRY_NR_PAGE_FRONTS	4

/* private: the front of one order and what stands behind it */
struct quarry_page_front {
	struct quarry_front front;
	struct quarry_run_front *run;
};

/* Largest single allocation but on a caller's own backing: one extent. */
#define QUARRY_EXTENT_MAX_SIZE	(4UL << 20)

/**
 * struct quarry_heap - one isolated instance: pages, caches, arenas, limits
 *
 * Opaque but for what the inline paths read.
 */
struct quarry_heap {
	/* private: copies of the classes' own, by slot; those not yet used share a cold one */
	struct quarry_front fronts[QUARRY_NR_KINDS][QUARRY_NR_CLASSES];
	/* slots by quarry_size_class(); never NULL: those in no use share a cold cache */
	struct quarry_cache *classes[QUARRY_NR_KINDS][QUARRY_NR_CLASSES];
	struct quarry_page_front pages[QUARRY_NR_KINDS][QUARRY_NR_PAGE_FRONTS];
};

/* Heap flags */
#define QUARRY_HEAP_TRACK	BIT(0)	/* remember who allocated each object and run, and when */
#define QUARRY_HEAP_HARDENED	BIT(1)	/* find misuse at once; includes QUARRY_HEAP_TRACK */

/**
 * struct quarry_heap_params - how to make a heap; start from %QUARRY_HEAP_DEFAULTS
 * @name: 1 to 31 characters, unique; the directory in debugfs; no '/', not "fault" or "escapes"
 * @limit: hard limit on bytes taken from the backing; 0 for none
 * @soft_limit: above this many bytes the heap's worker gives back what it can and asks
 *              the reclaimers; allocations go on; 0 for none
 * @reserve: bytes taken at creation and kept until the heap is destroyed
 * @node: NUMA node that extents are preferred from (0 is node 0), or %NUMA_NO_NODE
 * @decay_ms: half-life of idle pages in milliseconds: the half of them goes back to
 *            the kernel in that time; 0 at once, -1 never, at most 3600000
 * @magazine_order: largest order of page blocks that goes through magazines, -1 (none) to 3;
 *                  0 is single pages only
 * @magazine_bytes: bytes of objects that one magazine may hold, 4096 to 1048576; 0 for the
 *                  default, 65536
 * @cpu_bytes: bytes of objects that the magazines of one CPU may hold, of all caches and
 *             page orders together, 65536 to 1073741824; 0 for the default, 4194304
 * @flags: %QUARRY_HEAP_TRACK, %QUARRY_HEAP_HARDENED; others are refused.  The parameters
 *         track and hardened of quarry.ko add theirs to every heap that is made.  Cannot
 *         be changed later.
 * @backing: address of whole pages of the caller's own that the heap lives on, instead
 *           of asking the kernel; NULL for the kernel.  In the direct map, of one
 *           node, each page with a refcount of 1 or, behind the first of a block of
 *           alloc_pages(), 0, not compound, with page->private 0.  The caller keeps the pages
 *           until the heap is destroyed, and does nothing with them meanwhile; no
 *           other heap may be on one of them.
 * @backing_size: bytes at @backing, a multiple of %PAGE_SIZE, at least 65536
 * @class_sizes: size classes of the heap's own, instead of the default ones up to the last
 *               of them; NULL for none.  Rising, multiples of 8 (below that 1, 2 and 4, for
 *               pointer-free data only), up to 32768; copied.  See below.
 * @nr_class_sizes: how many, at most %QUARRY_CLASS_SIZES_MAX
 *
 * A size up to the last own class gets the next own class that holds it, however much that
 * wastes; a larger one the default class.  Memory is aligned as the size of its class is:
 * a power of two naturally only if it is in the table.  An allocation is as fast as with
 * default classes if all sizes of a default class (src/sizeclass_table.h) get the same own
 * class; where one ends in between (an own 136 inside 129 to 144) it goes out of line, to the
 * same magazines.
 *
 * But for @name, @node, the backing and the classes these are the knobs of a heap: parameters of
 * quarry.ko (for the default heap) and files in debugfs have the same names, units and
 * ranges.  @limit and @soft_limit, where not 0, are 65536 bytes to all of memory;
 * @soft_limit and @reserve, rounded up to pages, are at most @limit; @reserve is at most
 * half of memory.
 *
 * With a backing metadata pages come from it, too, and an allocation may be as long as
 * there are free pages in a row.  Its creation takes 8 bytes per page of the backing for
 * the page map; what the kernel is asked for later are the structs and per-CPU areas of
 * caches on first use, and the index of each extent.
 */
struct quarry_heap_params {
	const char *name;
	u64 limit;
	u64 soft_limit;
	u64 reserve;
	int node;
	int decay_ms;
	int magazine_order;
	unsigned int magazine_bytes;
	unsigned int cpu_bytes;
	unsigned int flags;
	void *backing;
	u64 backing_size;
	const unsigned int *class_sizes;
	unsigned int nr_class_sizes;
};

#define QUARRY_CLASS_SIZES_MAX	128

/* Half-life of idle pages unless asked otherwise, milliseconds. */
#define QUARRY_DECAY_DEFAULT	10000
/* What goes through magazines unless asked otherwise: order; bytes of objects in one. */
#define QUARRY_MAGAZINE_ORDER_DEFAULT	3
#define QUARRY_MAGAZINE_BYTES_DEFAULT	65536
#define QUARRY_CPU_BYTES_DEFAULT	(4 << 20)

/* In an initialiser of &struct quarry_heap_params: what zero does not mean. */
#define QUARRY_HEAP_DEFAULTS						\
	.node = NUMA_NO_NODE, .decay_ms = QUARRY_DECAY_DEFAULT,		\
	.magazine_order = QUARRY_MAGAZINE_ORDER_DEFAULT,		\
	.magazine_bytes = QUARRY_MAGAZINE_BYTES_DEFAULT, .cpu_bytes = QUARRY_CPU_BYTES_DEFAULT

/**
 * struct quarry_heap_stats - a heap in numbers; all in bytes unless said otherwise
 * @allocated: in live objects, page runs, arena allocations and objects out of pools, as
 *             handed out
 * @active: in pages taken out of the heap's buddies and not cached as free pages
 * @mapped: in extents obtained from the backing
 * @metadata: in pages that describe the rest
 * @resident: @mapped and @metadata (kernel memory is never paged out)
 * @mapped_peak: largest @mapped so far
 * @active_peak: largest number of bytes taken out of the buddies so far (with cached pages)
 * @limit: hard limit on @mapped, 0 for none
 * @soft_limit: limit above which memory is asked back, 0 for none
 * @reserve: bytes that are never given back
 * @waiting: freed, but waiting for a grace period: part of @allocated.  Without what
 *           CPUs have gathered in the last 20 milliseconds.
 * @lost: in pages found with a foreign reference when they were to be given back
 * @decayed: given back to the kernel because nobody missed them
 * @shrunk: given back under memory pressure
 * @trimmed: given back on request, or because the limit was hit
 * @reclaimed: given back because the heap was above its soft limit
 * @nr_extents: extents now (a count)
 * @nr_extent_allocs: extents obtained so far (a count)
 * @nr_kernel_calls: attempts to get an extent from the kernel so far (a count)
 */
struct quarry_heap_stats {
	u64 allocated;
	u64 active;
	u64 mapped;
	u64 metadata;
	u64 resident;
	u64 mapped_peak;
	u64 active_peak;
	u64 limit;
	u64 soft_limit;
	u64 reserve;
	u64 waiting;
	u64 lost;
	u64 decayed;
	u64 shrunk;
	u64 trimmed;
	u64 reclaimed;
	u64 nr_extents;
	u64 nr_extent_allocs;
	u64 nr_kernel_calls;
};

/**
 * quarry_heap_create_site() - make a heap; use quarry_heap_create()
 * @params: how to make it
 * @owner: module it belongs to
 * @site: where it is created
 *
 * Context: Process context, may sleep.
 * Return: the heap or ERR_PTR:
 * * %-EINVAL - a parameter is out of range; a line in the kernel log says which
 * * %-EEXIST - a heap of that name exists
 * * %-ENOMEM - no memory, or none for the reserve
 */
struct quarry_heap *quarry_heap_create_site(const struct quarry_heap_params *params,
					    struct module *owner, const struct quarry_site *site);

/**
 * quarry_heap_create() - make a heap
 * @params: how to make it, see &struct quarry_heap_params
 *
 * Context: Process context, may sleep.
 * Return: the heap or ERR_PTR, see quarry_heap_create_site().
 */
#define quarry_heap_create(params) quarry_heap_create_site(params, THIS_MODULE, QUARRY_SITE())

/**
 * quarry_heap_destroy() - give back everything a heap holds
 * @heap: the heap, or NULL or an ERR_PTR; not the default heap
 *
 * Caches and arenas still there are destroyed with it; what was still
 * allocated is reported: caches, arenas, runs and counts.  The caller
 * guarantees that no one uses the heap any more.
 *
 * Context: Process context, may sleep (waits for RCU grace periods).
 */
void quarry_heap_destroy(struct quarry_heap *heap);

/**
 * quarry_default_heap() - the heap made at load, shared by all
 *
 * Its limits, reserve and decay are the module parameters of quarry.ko.
 *
 * Context: Any.
 * Return: the heap; never NULL while the module is loaded.
 */
struct quarry_heap *quarry_default_heap(void);

/**
 * quarry_heap_trim() - give free memory back to the kernel
 * @heap: the heap, which may be in use meanwhile
 *
 * Drains magazines and depots of all caches, frees empty slabs, then returns
 * all free pages, in extents partly in use too, down to the reserve.
 *
 * Context: Process context, may sleep (waits for RCU grace periods).
 * Return: bytes given back.
 */
u64 quarry_heap_trim(struct quarry_heap *heap);

/**
 * struct quarry_reclaimer - a user of a heap that can give memory back when asked
 * @name: shown in debugfs; not copied
 * @priority: higher ones are asked first
 * @reclaim: asked for @bytes; frees what it can and returns how many bytes that was, 0
 *           if nothing.  Called from the heap's worker: may sleep and may free
 *           anything, must not add or remove reclaimers, wait for an allocation
 *           from this heap, or take cpu_hotplug_lock.
 *
 * Embed it; the caller keeps it until quarry_heap_remove_reclaimer() has returned.
 */
struct quarry_reclaimer {
	const char *name;
	int priority;
	u64 (*reclaim)(struct quarry_reclaimer *reclaimer, u64 bytes);
	/* private: under the heap's pressure mutex */
	struct list_head node;
	u64 nr_calls;
	u64 last_wanted;
	u64 last_given;
	u64 given;
};

/**
 * quarry_heap_add_reclaimer() - have a function called when a heap is above its soft limit
 * @heap: the heap
 * @reclaimer: name, priority and function set
 *
 * Context: Process context, may sleep.
 * Return: 0, or %-EINVAL if the name or the function is missing.
 */
int quarry_heap_add_reclaimer(struct quarry_heap *heap, struct quarry_reclaimer *reclaimer);

/**
 * quarry_heap_remove_reclaimer() - undo quarry_heap_add_reclaimer()
 * @heap: the heap
 * @reclaimer: what was added
 *
 * Waits for a call that is under way.
 *
 * Context: Process context, may sleep.  Not from a reclaimer.
 */
void quarry_heap_remove_reclaimer(struct quarry_heap *heap, struct quarry_reclaimer *reclaimer);

/**
 * quarry_heap_get_stats() - read a heap's numbers
 * @heap: the heap
 * @stats: where to store them
 *
 * Sums per-CPU counters; exact while the heap is quiet.
 *
 * Context: Process context, may sleep.
 */
void quarry_heap_get_stats(struct quarry_heap *heap, struct quarry_heap_stats *stats);

/**
 * quarry_heap_verify() - check every invariant of every layer of a heap
 * @heap: the heap; must be quiet
 *
 * Context: Process context, may sleep.
 * Return: 0, or a negative errno (%-EUCLEAN) after a line in the log that says what is wrong.
 */
int quarry_heap_verify(struct quarry_heap *heap);

/**
 * quarry_alloc_slow() - what the inline path of quarry_alloc() leaves over
 * @heap: the heap
 * @size: bytes
 * @gfp: allocation flags
 * @kind: with pointers or without
 * @site: call site
 *
 * Context: As quarry_alloc().
 * Return: as quarry_alloc().
 */
void *quarry_alloc_slow(struct quarry_heap *heap, size_t size, gfp_t gfp, enum quarry_kind kind,
			const struct quarry_site *site);

/*
 * Index of the class that serves @size bytes, 1 to QUARRY_CLASS_MAX_SIZE: 1, 2 and 4 bytes
 * (pointer-free data only), multiples of 8 up to 64, then eight per doubling, so that
 * rounding wastes at most 12.5 % or 7 bytes, whichever is more.  The table that this
 * agrees with is in src/sizeclass_table.h.
 */
static __always_inline unsigned int quarry_size_class(size_t size, enum quarry_kind kind)
{
	unsigned int shift;

	if (kind == QUARRY_KIND_DATA && size <= 4)
		return size / 2 + (size == 3);		/* 1 -> 0, 2 -> 1, 4 -> 2 */
	if (size <= QUARRY_CLASS_LINEAR_MAX)		/* 8 -> 3 ... 64 -> 10 */
		return QUARRY_FIRST_PTR_CLASS - 1 +
		       (size + QUARRY_CLASS_STEP - 1) / QUARRY_CLASS_STEP;
	size--;
	/* __fls() of 6.1 does not fold. */
	shift = (__builtin_constant_p(size) ? BITS_PER_LONG - 1 - __builtin_clzl(size) :
		 __fls(size)) - QUARRY_CLASS_SPLIT_ORDER;
	/* 72 -> 11 ... 32768 -> 82 */
	return QUARRY_CLASS_FIRST_SPLIT +
	       ((shift - QUARRY_CLASS_FIRST_SHIFT) << QUARRY_CLASS_SPLIT_ORDER) +
	       ((size >> shift) & ((1 << QUARRY_CLASS_SPLIT_ORDER) - 1));
}

static __always_inline __malloc __alloc_size(2) void *
quarry_alloc_site(struct quarry_heap *heap, size_t size, gfp_t gfp, enum quarry_kind kind,
		  const struct quarry_site *site)
{
	unsigned int index;
	void *obj;

	might_alloc(gfp);
	if (likely(size - 1 < QUARRY_CLASS_MAX_SIZE - 1 && !(gfp & QUARRY_GFP_SLOW))) {
		index = quarry_size_class(size, kind);
		obj = quarry_front_pop(&heap->fronts[kind][index]);
		if (likely(obj)) {
			/* Pairs with cmpxchg() in class_create(), WRITE_ONCE() in fill_slots(). */
			if (unlikely(want_init_on_alloc(gfp)))
				memset(obj, 0, READ_ONCE(heap->classes[kind][index])->zero_size);
			return obj;
		}
	}
	return quarry_alloc_slow(heap, size, gfp, kind, site);
}

/**
 * quarry_alloc() - allocate memory of any size
 * @heap: heap to take it from
 * @size: bytes; 0 gives %ZERO_SIZE_PTR; at most %QUARRY_EXTENT_MAX_SIZE, which is
 *        reported, or what a backing has
 * @gfp: %GFP_KERNEL, %GFP_ATOMIC, ...; %__GFP_ZERO; %__GFP_THISNODE: from the heap's
 *       node or, if it has none, the CPU's, or not at all.  Flags that ask for a zone,
 *       memcg accounting or no failure are refused: NULL and one line in the log.
 *
 * Powers of two up to %PAGE_SIZE are naturally aligned (in a heap with size classes of its
 * own those that are among them), other sizes to %ARCH_KMALLOC_MINALIGN; from 32 KiB up
 * whole pages, page aligned.  Never hand the memory to kfree() or put_page(): free it with
 * quarry_free().
 *
 * Context: Any; sleeps only if @gfp allows it.  In hardirq only what the heap already has
 * can be handed out: it does not grow; in NMI only what this CPU's magazines and the depot hold.
 * Return: the memory, or NULL if there is none, the limit is reached or @size is too large.
 */
#define quarry_alloc(heap, size, gfp) \
	quarry_alloc_site(heap, size, gfp, QUARRY_KIND_PTR, QUARRY_SITE())

/**
 * quarry_alloc_data() - allocate memory that will hold no pointers
 * @heap: see quarry_alloc()
 * @size: see quarry_alloc()
 * @gfp: see quarry_alloc()
 *
 * Comes from extents of its own, so that an overflow cannot reach pointers.
 * 1, 2 and 4-byte sizes cost no more than that and a bit.
 *
 * Context: As quarry_alloc().
 * Return: as quarry_alloc().
 */
#define quarry_alloc_data(heap, size, gfp) \
	quarry_alloc_site(heap, size, gfp, QUARRY_KIND_DATA, QUARRY_SITE())

/**
 * quarry_alloc_node_site() - allocate memory of a node; use quarry_alloc_node()
 * @heap: heap to take it from
 * @size: bytes
 * @gfp: allocation flags
 * @node: NUMA node or %NUMA_NO_NODE
 * @kind: with pointers or without
 * @site: call site
 *
 * Context: As quarry_alloc().
 * Return: as quarry_alloc().
 */
void *quarry_alloc_node_site(struct quarry_heap *heap, size_t size, gfp_t gfp, int node,
			     enum quarry_kind kind, const struct quarry_site *site);

/**
 * quarry_alloc_node() - allocate memory of a node
 * @heap: see quarry_alloc()
 * @size: see quarry_alloc()
 * @gfp: see quarry_alloc(); with %__GFP_THISNODE from @node or not at all, else from
 *       the nearest node that has some
 * @node: NUMA node; %NUMA_NO_NODE makes this quarry_alloc()
 *
 * Goes past the magazines, which hold objects of any node: slower than quarry_alloc().
 *
 * Context: As quarry_alloc().
 * Return: as quarry_alloc(); NULL, and a line in the log, if @node is not online.
 */
#define quarry_alloc_node(heap, size, gfp, node) \
	quarry_alloc_node_site(heap, size, gfp, node, QUARRY_KIND_PTR, QUARRY_SITE())

/**
 * quarry_zalloc() - allocate zeroed memory
 * @heap: see quarry_alloc()
 * @size: see quarry_alloc()
 * @gfp: see quarry_alloc()
 *
 * Context: As quarry_alloc().
 * Return: as quarry_alloc().
 */
#define quarry_zalloc(heap, size, gfp) quarry_alloc(heap, size, (gfp) | __GFP_ZERO)

/**
 * quarry_alloc_array() - allocate an array, checking the product for overflow
 * @heap: see quarry_alloc()
 * @n: number of elements
 * @size: bytes of one
 * @gfp: see quarry_alloc()
 *
 * Context: As quarry_alloc().
 * Return: as quarry_alloc(); NULL if @n * @size overflows.
 */
#define quarry_alloc_array(heap, n, size, gfp) quarry_alloc(heap, size_mul(n, size), gfp)

/**
 * quarry_free() - free memory from quarry_alloc(), a cache or quarry_alloc_pages()
 * @ptr: the memory; NULL and %ZERO_SIZE_PTR are ignored
 *
 * Finds the owner of @ptr from its page.  A pointer that is not the start of a
 * live Quarry allocation's slot is refused with a report that names the caller.
 *
 * Context: Any, NMI too; never sleeps.
 */
void quarry_free(const void *ptr);

/**
 * quarry_free_ours() - free memory if it is Quarry's
 * @ptr: any pointer; NULL and %ZERO_SIZE_PTR are ignored
 *
 * For who holds memory of Quarry and of the kernel and does not know which is which.
 *
 * Context: As quarry_free().
 * Return: true if there was nothing to free or @ptr lies in a heap, and then all is done
 * that quarry_free() does; false if it is someone else's, and nothing was done.
 */
bool quarry_free_ours(const void *ptr);

/**
 * quarry_free_sensitive() - wipe memory, then free it
 * @ptr: as for quarry_free()
 *
 * All usable bytes are overwritten with zeroes, which the compiler cannot leave out.
 *
 * Context: As quarry_free().
 */
void quarry_free_sensitive(const void *ptr);

/**
 * quarry_usable_size() - bytes that may be used at a pointer
 * @ptr: memory from quarry_alloc(), a cache or quarry_alloc_pages(), or NULL
 *
 * Context: Process, softirq, hardirq.
 * Return: usable bytes, at least what was asked for; 0 for NULL, %ZERO_SIZE_PTR and pointers
 * that are not the start of a Quarry allocation.
 */
size_t quarry_usable_size(const void *ptr);

/**
 * quarry_heap_of() - the heap that owns an address
 * @ptr: any address: vmalloc, stack, user, error pointers and foreign memory are fine
 *
 * Context: Process, softirq, hardirq.
 * Return: the heap that @ptr points into, live or free memory alike, or NULL.  Only a
 * caller that holds the memory or the heap may use the result.
 */
struct quarry_heap *quarry_heap_of(const void *ptr);

/**
 * quarry_realloc_site() - resize an allocation; use quarry_realloc()
 * @heap: heap to take new memory from
 * @ptr: the old memory, or NULL
 * @size: new size in bytes; 0 frees @ptr
 * @gfp: allocation flags
 * @kind: with pointers or without
 * @site: call site
 *
 * Context: As quarry_alloc().
 * Return: as quarry_realloc().
 */
void *quarry_realloc_site(struct quarry_heap *heap, const void *ptr, size_t size, gfp_t gfp,
			  enum quarry_kind kind, const struct quarry_site *site);

/**
 * quarry_realloc() - resize an allocation
 * @heap: heap to take new memory from
 * @ptr: the old memory, or NULL
 * @size: new size in bytes; 0 frees @ptr and returns %ZERO_SIZE_PTR
 * @gfp: see quarry_alloc(); %__GFP_ZERO is refused for a live @ptr (the old length is not known)
 *
 * Stays in place while other memory of @heap would be no smaller: the size class is the same.
 *
 * Context: As quarry_alloc().
 * Return: the memory, or NULL with @ptr untouched.
 */
#define quarry_realloc(heap, ptr, size, gfp) \
	quarry_realloc_site(heap, ptr, size, gfp, QUARRY_KIND_PTR, QUARRY_SITE())

/**
 * quarry_memdup_site() - copy memory; use quarry_memdup()
 * @heap: heap to take memory from
 * @src: what to copy
 * @len: bytes
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_alloc().
 * Return: the copy or NULL.
 */
void *quarry_memdup_site(struct quarry_heap *heap, const void *src, size_t len, gfp_t gfp,
			 const struct quarry_site *site);

/**
 * quarry_memdup() - copy memory into a new allocation
 * @heap: see quarry_alloc()
 * @src: what to copy
 * @len: bytes
 * @gfp: see quarry_alloc()
 *
 * Context: As quarry_alloc().
 * Return: the copy or NULL.
 */
#define quarry_memdup(heap, src, len, gfp) \
	quarry_memdup_site(heap, src, len, gfp, QUARRY_SITE())

/**
 * quarry_strdup_site() - copy a string; use quarry_strdup()
 * @heap: heap to take memory from
 * @str: the string, or NULL
 * @gfp: allocation flags
 * @site: call site
 *
 * Context: As quarry_alloc().
 * Return: the copy or NULL.
 */
char *quarry_strdup_site(struct quarry_heap *heap, const char *str, gfp_t gfp,
			 const struct quarry_site *site);

/**
 * quarry_strdup() - copy a string into a new pointer-free allocation
 * @heap: see quarry_alloc()
 * @str: the string; NULL gives NULL
 * @gfp: see quarry_alloc()
 *
 * Context: As quarry_alloc().
 * Return: the copy or NULL.
 */
#define quarry_strdup(heap, str, gfp) quarry_strdup_site(heap, str, gfp, QUARRY_SITE())

/**
 * quarry_alloc_pages_slow() - what the inline path of quarry_alloc_pages() leaves over
 * @heap: heap to take them from
 * @nr_pages: number of pages, 1 to %QUARRY_EXTENT_MAX_SIZE / %PAGE_SIZE
 * @gfp: allocation flags
 * @kind: with pointers or without
 * @site: call site
 *
 * Context: As quarry_alloc().
 * Return: address of the first page or NULL.
 */
void *quarry_alloc_pages_slow(struct quarry_heap *heap, unsigned long nr_pages, gfp_t gfp,
			      enum quarry_kind kind, const struct quarry_site *site);

/* More than there can be, which is refused, for an order that cannot be. */
static __always_inline unsigned long quarry_order_pages(unsigned int order)
{
	return order < BITS_PER_LONG ? 1UL << order : ULONG_MAX;
}

/* From this CPU's magazine of that order, else as quarry_alloc_pages_slow(). */
static __always_inline void *
quarry_alloc_order_site(struct quarry_heap *heap, unsigned int order, gfp_t gfp,
			enum quarry_kind kind, const struct quarry_site *site)
{
	void *addr;

	might_alloc(gfp);
	if (likely(order < QUARRY_NR_PAGE_FRONTS && !(gfp & QUARRY_GFP_SLOW))) {
		addr = quarry_front_pop(&heap->pages[kind][order].front);
		if (likely(addr)) {
			if (unlikely(want_init_on_alloc(gfp)))
				memset(addr, 0, PAGE_SIZE << order);
			return addr;
		}
	}
	return quarry_alloc_pages_slow(heap, quarry_order_pages(order), gfp, kind, site);
}

static __always_inline void *
quarry_alloc_pages_site(struct quarry_heap *heap, unsigned long nr_pages, gfp_t gfp,
			enum quarry_kind kind, const struct quarry_site *site)
{
	/* Of other counts only the slow path can say whether they have a front. */
	if (__builtin_constant_p(nr_pages) && is_power_of_2(nr_pages))
		return quarry_alloc_order_site(heap, ilog2(nr_pages), gfp, kind, site);
	might_alloc(gfp);
	return quarry_alloc_pages_slow(heap, nr_pages, gfp, kind, site);
}

/**
 * quarry_alloc_pages() - take 2^@order pages
 * @heap: heap to take them from
 * @order: order of the block, up to 10 but on a backing; aligned to its size
 * @gfp: see quarry_alloc()
 *
 * The pages stay the heap's: their refcount is 0.  Use their addresses, not
 * their struct pages: no get_page(), no vm_insert_page(), no folio calls.
 * Free with quarry_free_pages() or quarry_free().
 *
 * Context: As quarry_alloc().
 * Return: address of the first page or NULL.
 */
#define quarry_alloc_pages(heap, order, gfp) \
	quarry_alloc_order_site(heap, order, gfp, QUARRY_KIND_PTR, QUARRY_SITE())

/**
 * quarry_alloc_pages_exact() - take exactly @nr pages
 * @heap: heap to take them from
 * @nr: number of pages; five pages cost five pages
 * @gfp: see quarry_alloc()
 *
 * Context: As quarry_alloc().
 * Return: address of the first page or NULL.
 */
#define quarry_alloc_pages_exact(heap, nr, gfp) \
	quarry_alloc_pages_site(heap, nr, gfp, QUARRY_KIND_PTR, QUARRY_SITE())

/**
 * quarry_alloc_pages_node_site() - take whole pages; use quarry_alloc_pages_node()
 * @heap: heap to take them from
 * @nr_pages: number of pages
 * @order: the first is aligned to 2^@order pages; if @nr_pages is a power of two, to that, too
 * @gfp: allocation flags
 * @node: NUMA node or %NUMA_NO_NODE
 * @kind: with pointers or without
 * @site: call site
 *
 * Context: As quarry_alloc().
 * Return: address of the first page or NULL.
 */
void *quarry_alloc_pages_node_site(struct quarry_heap *heap, unsigned long nr_pages,
				   unsigned int order, gfp_t gfp, int node, enum quarry_kind kind,
				   const struct quarry_site *site);

/**
 * quarry_alloc_pages_node() - take 2^@order pages of a node
 * @heap: see quarry_alloc_pages()
 * @order: see there
 * @gfp: see quarry_alloc_node()
 * @node: see there
 *
 * Context: As quarry_alloc().
 * Return: address of the first page or NULL.
 */
#define quarry_alloc_pages_node(heap, order, gfp, node) \
	quarry_alloc_pages_node_site(heap, quarry_order_pages(order), 0, gfp, node, \
				     QUARRY_KIND_PTR, QUARRY_SITE())

/**
 * quarry_alloc_pages_aligned() - take exactly @nr pages at an alignment
 * @heap: heap to take them from
 * @nr: number of pages; five pages at 64 KiB cost five pages
 * @order: the first page is aligned to 2^@order pages, up to 10 (4 MiB) or as a
 *         backing's length allows
 * @gfp: see quarry_alloc()
 *
 * Context: As quarry_alloc().
 * Return: address of the first page or NULL.
 */
#define quarry_alloc_pages_aligned(heap, nr, order, gfp) \
	quarry_alloc_pages_node_site(heap, nr, order, gfp, NUMA_NO_NODE, QUARRY_KIND_PTR, \
				     QUARRY_SITE())

/**
 * quarry_free_pages() - give back pages
 * @addr: what quarry_alloc_pages() or another of its kind returned, or NULL
 *
 * Context: Any, NMI too; never sleeps.
 */
void quarry_free_pages(const void *addr);

static __always_inline void
quarry_free_order_kind(struct quarry_heap *heap, const void *addr, unsigned int order,
		       enum quarry_kind kind)
{
	if (likely(order < QUARRY_NR_PAGE_FRONTS && !want_init_on_free() &&
		   quarry_front_push(&heap->pages[kind][order].front, (void *)addr)))
		return;
	quarry_free_pages(addr);
}

/**
 * quarry_free_order() - give back 2^@order pages to the heap they are from
 * @heap: the heap
 * @addr: what quarry_alloc_pages() returned for it; not NULL
 * @order: as it was there
 *
 * As quarry_free_pages(), but believes the caller and looks nothing up, as
 * quarry_cache_free() does: a wrong heap or order is only found when the pages leave
 * the magazines.
 *
 * Context: Any, NMI too; never sleeps.
 */
#define quarry_free_order(heap, addr, order) \
	quarry_free_order_kind(heap, addr, order, QUARRY_KIND_PTR)

/* Kernels that have <linux/cleanup.h> include it from <linux/slab.h>. */
#ifdef DEFINE_FREE
DEFINE_FREE(quarry_free, void *, quarry_free(_T))
DEFINE_FREE(quarry_heap_destroy, struct quarry_heap *, quarry_heap_destroy(_T))
DEFINE_FREE(quarry_cache_destroy, struct quarry_cache *, quarry_cache_destroy(_T))
#endif

#endif /* _QUARRY_HEAP_H */
