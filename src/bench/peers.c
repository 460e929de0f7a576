// SPDX-License-Identifier: GPL-2.0
/*
 * cache-pair-64, cache-pair-256 once more, against the pools of the kernel that
 * a cache may take the place of:
 *
 *	objpool		objects made beforehand, in a lock-free ring per CPU; not in 6.1
 *	gen_pool	first fit in a bitmap over one piece of memory
 *	mempool		what a kmem_cache has, with some objects kept for when it has none
 *
 * The first two hand out no more than they were given at the start.  Nothing is
 * written into the objects.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/genalloc.h>
#include <linux/log2.h>
#include <linux/mempool.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <quarry/heap.h>
#include "case.h"
#include "side.h"
#include "slices.h"

#ifdef QUARRY_HAVE_OBJPOOL
#include <linux/objpool.h>
#define HAVE_OBJPOOL	1
#else
#define HAVE_OBJPOOL	0
#endif

/* What the pools start with. */
#define NR_POOL_OBJS	1024
#define NR_KEPT		16	/* by the mempool */

enum peer {
	OBJPOOL,
	GEN_POOL,
	MEMPOOL,
	NR_PEERS,
};

struct peers_case {
	enum peer peer;
	unsigned int size;
	struct quarry_cache *cache;
	struct gen_pool *gen_pool;
	void *gen_pool_memory;
	struct kmem_cache *kmem;	/* below the mempool */
	mempool_t *mempool;
#if HAVE_OBJPOOL
	struct objpool_head objpool;
#endif
	struct quarry_bench_loops loops;
};

/* === The pools: opening gives the bytes that they hold, or 0 === */

#if HAVE_OBJPOOL
static u64 open_objpool(struct peers_case *pc)
{
	if (objpool_init(&pc->objpool, NR_POOL_OBJS, pc->size, GFP_KERNEL, NULL, NULL, NULL))
		return 0;
	return NR_POOL_OBJS * pc->size +
	       num_possible_cpus() * struct_size_t(struct objpool_slot, entries,
						   pc->objpool.capacity);
}

static void close_objpool(struct peers_case *pc)
{
	objpool_fini(&pc->objpool);
}

static __always_inline void *pop(struct peers_case *pc)
{
	return objpool_pop(&pc->objpool);
}

static __always_inline void push(struct peers_case *pc, void *obj)
{
	objpool_push(obj, &pc->objpool);
}
#else
static u64 open_objpool(struct peers_case *pc) { return 0; }
static void close_objpool(struct peers_case *pc) { }
static __always_inline void *pop(struct peers_case *pc) { return NULL; }
static __always_inline void push(struct peers_case *pc, void *obj) { }
#endif

static u64 open_gen_pool(struct peers_case *pc)
{
	size_t bytes = NR_POOL_OBJS * pc->size;

	pc->gen_pool_memory = kvmalloc(bytes, GFP_KERNEL);
	pc->gen_pool = gen_pool_create(ilog2(pc->size), NUMA_NO_NODE);
	if (pc->gen_pool_memory && pc->gen_pool &&
	    !gen_pool_add(pc->gen_pool, (unsigned long)pc->gen_pool_memory, bytes, NUMA_NO_NODE))
		return bytes + NR_POOL_OBJS / BITS_PER_BYTE;
	if (pc->gen_pool)
		gen_pool_destroy(pc->gen_pool);
	kvfree(pc->gen_pool_memory);
	return 0;
}

static void close_gen_pool(struct peers_case *pc)
{
	gen_pool_destroy(pc->gen_pool);
	kvfree(pc->gen_pool_memory);
}

static u64 open_mempool(struct peers_case *pc)
{
	long slab_pages = quarry_bench_slab_pages();

	pc->kmem = kmem_cache_create_usercopy("quarry_bench", pc->size, 0, SLAB_NO_MERGE, 0,
					      pc->size, NULL);
	if (!pc->kmem)
		return 0;
	pc->mempool = mempool_create_slab_pool(NR_KEPT, pc->kmem);
	if (!pc->mempool) {
		kmem_cache_destroy(pc->kmem);
		return 0;
	}
	return (u64)max(quarry_bench_slab_pages() - slab_pages, 1L) << PAGE_SHIFT;
}

static void close_mempool(struct peers_case *pc)
{
	mempool_destroy(pc->mempool);
	kmem_cache_destroy(pc->kmem);
}

/* === The loops: each function has its allocator compiled in === */

static __always_inline void *quarry_get(struct peers_case *pc)
{
	return quarry_cache_alloc(pc->cache, GFP_KERNEL);
}

static __always_inline void quarry_put(struct peers_case *pc, void *obj)
{
	quarry_cache_free(pc->cache, obj);
}

static __always_inline void *gen_pool_get_one(struct peers_case *pc)
{
	return (void *)gen_pool_alloc(pc->gen_pool, pc->size);
}

static __always_inline void gen_pool_put_one(struct peers_case *pc, void *obj)
{
	gen_pool_free(pc->gen_pool, (unsigned long)obj, pc->size);
}

static __always_inline void *mempool_get_one(struct peers_case *pc)
{
	return mempool_alloc(pc->mempool, GFP_KERNEL);
}

static __always_inline void mempool_put_one(struct peers_case *pc, void *obj)
{
	mempool_free(obj, pc->mempool);
}

static __always_inline void *none_get(struct peers_case *pc)
{
	void *obj = pc;

	OPTIMIZER_HIDE_VAR(obj);
	return obj;
}

static __always_inline void none_put(struct peers_case *pc, void *obj)
{
	OPTIMIZER_HIDE_VAR(obj);
}

static __always_inline int run_pairs(struct peers_case *pc, unsigned int nr,
				     void *(*get)(struct peers_case *pc),
				     void (*put)(struct peers_case *pc, void *obj))
{
	void *obj;

	while (nr--) {
		obj = get(pc);
		if (unlikely(!obj))
			return -ENOMEM;
		put(pc, obj);
	}
	return 0;
}

static noinline int none_pairs(struct peers_case *pc, unsigned int nr)
{
	return run_pairs(pc, nr, none_get, none_put);
}

static noinline int quarry_pairs(struct peers_case *pc, unsigned int nr)
{
	return run_pairs(pc, nr, quarry_get, quarry_put);
}

static noinline int objpool_pairs(struct peers_case *pc, unsigned int nr)
{
	return run_pairs(pc, nr, pop, push);
}

static noinline int gen_pool_pairs(struct peers_case *pc, unsigned int nr)
{
	return run_pairs(pc, nr, gen_pool_get_one, gen_pool_put_one);
}

static noinline int mempool_pairs(struct peers_case *pc, unsigned int nr)
{
	return run_pairs(pc, nr, mempool_get_one, mempool_put_one);
}

static const struct {
	const char *name;
	u64 (*open)(struct peers_case *pc);
	void (*close)(struct peers_case *pc);
	int (*pairs)(struct peers_case *pc, unsigned int nr);
} peers[] = {
	[OBJPOOL] = { "objpool", open_objpool, close_objpool, objpool_pairs },
	[GEN_POOL] = { "gen_pool", open_gen_pool, close_gen_pool, gen_pool_pairs },
	[MEMPOOL] = { "mempool", open_mempool, close_mempool, mempool_pairs },
};

static_assert(ARRAY_SIZE(peers) == NR_PEERS);

static int run_side(struct quarry_bench_loops *loops, enum quarry_bench_side side,
		    unsigned int nr)
{
	struct peers_case *pc = container_of(loops, struct peers_case, loops);

	switch (side) {
	case QUARRY_BENCH_QUARRY:
		return quarry_pairs(pc, nr);
	case QUARRY_BENCH_PEER:
		return peers[pc->peer].pairs(pc, nr);
	default:
		return none_pairs(pc, nr);
	}
}

/* === Running them === */

static int run_heap(struct peers_case *pc, struct quarry_bench_result *res)
{
	int ret;

	pc->cache = quarry_cache_create(pc->loops.heap, "bench", pc->size, 0, 0, NULL);
	if (IS_ERR(pc->cache))
		return PTR_ERR(pc->cache);
	res->peak_bytes[QUARRY_BENCH_PEER] = peers[pc->peer].open(pc);
	ret = -ENOMEM;
	if (res->peak_bytes[QUARRY_BENCH_PEER]) {
		ret = quarry_bench_slices(&pc->loops, res);
		peers[pc->peer].close(pc);
	}
	quarry_cache_destroy(pc->cache);
	return ret;
}

static int run_case(struct quarry_bench_result *res, enum peer peer, unsigned int size)
{
	const struct quarry_heap_params params = { .name = "quarry_bench", QUARRY_HEAP_DEFAULTS };
	struct peers_case *pc;
	int ret;

	if (peer == OBJPOOL && !HAVE_OBJPOOL) {
		res->left_out = "no objpool in this kernel";
		return 0;
	}
	pc = kvzalloc(sizeof(*pc), GFP_KERNEL);
	if (!pc)
		return -ENOMEM;
	res->peer = peers[peer].name;
	res->per = "pair";
	pc->peer = peer;
	pc->size = size;
	pc->loops.rounds = run_side;
	pc->loops.nr_ops = 1;
	pc->loops.heap = quarry_heap_create(&params);
	ret = PTR_ERR_OR_ZERO(pc->loops.heap);
	if (!ret)
		ret = run_heap(pc, res);
	quarry_heap_destroy(pc->loops.heap);
	kvfree(pc);
	return ret;
}

int quarry_bench_objpool_64(struct quarry_bench_result *res)
{
	return run_case(res, OBJPOOL, 64);
}

int quarry_bench_objpool_256(struct quarry_bench_result *res)
{
	return run_case(res, OBJPOOL, 256);
}

int quarry_bench_gen_pool_64(struct quarry_bench_result *res)
{
	return run_case(res, GEN_POOL, 64);
}

int quarry_bench_gen_pool_256(struct quarry_bench_result *res)
{
	return run_case(res, GEN_POOL, 256);
}

int quarry_bench_mempool_64(struct quarry_bench_result *res)
{
	return run_case(res, MEMPOOL, 64);
}

int quarry_bench_mempool_256(struct quarry_bench_result *res)
{
	return run_case(res, MEMPOOL, 256);
}
