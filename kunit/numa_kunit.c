// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes: where memory comes from with and without a wish, what a wish that cannot
 * be met gets, and that depots hand out memory of their own node.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/sizes.h>
#include <linux/topology.h>

#include "../src/cache.h"
#include "../src/guard.h"
#include "../src/pages.h"
#include "helpers.h"

#define NR_OBJS	4096U

static const size_t sizes[] = { 8, 64, 1000, 4096, 20000, 100000, SZ_1M };

static int node_of(const void *ptr)
{
	return page_to_nid(virt_to_page(ptr));
}

#define NEEDS_NODES(test)							\
do {										\
	if (num_online_nodes() < 2)						\
		kunit_skip(test, "needs two nodes, %d online", num_online_nodes());	\
} while (0)

/* A CPU of the node, or -1. */
static int cpu_of(int node)
{
	int cpu;

	for_each_online_cpu(cpu)
		if (cpu_to_node(cpu) == node)
			return cpu;
	return -1;
}

/* Every size and both ways of asking, from a heap that knows no node. */
static void wishes_are_met(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	gfp_t gfp[] = { GFP_KERNEL, GFP_KERNEL | __GFP_THISNODE };
	unsigned int i, k;
	int node;
	void *ptr;

	NEEDS_NODES(test);
	for_each_online_node(node) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			for (k = 0; k < ARRAY_SIZE(gfp); k++) {
				ptr = quarry_alloc_node(heap, sizes[i], gfp[k], node);
				KUNIT_ASSERT_NOT_NULL(test, ptr);
				KUNIT_EXPECT_EQ_MSG(test, node_of(ptr), node, "%zu bytes, way %u",
						    sizes[i], k);
				quarry_free(ptr);
			}
		}
		for (i = 0; i <= 10; i++) {
			ptr = quarry_alloc_pages_node(heap, i, GFP_KERNEL, node);
			KUNIT_ASSERT_NOT_NULL(test, ptr);
			KUNIT_EXPECT_EQ_MSG(test, node_of(ptr), node, "order %u", i);
			quarry_free_pages(ptr);
		}
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void wishes_of_caches_are_met(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 200, 0, 0, NULL);
	void **objs = quarry_test_array(test, 256, sizeof(*objs));
	int node, want;
	unsigned int i;

	NEEDS_NODES(test);
	for (i = 0; i < 256; i++) {
		want = i % 2 ? first_online_node : next_online_node(first_online_node);
		objs[i] = quarry_cache_alloc_node(cache, GFP_KERNEL | __GFP_THISNODE, want);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
		node = node_of(objs[i]);
		KUNIT_EXPECT_EQ_MSG(test, node, want, "object %u", i);
	}
	QUARRY_EXPECT_VERIFIED(test, heap);
	for (i = 0; i < 256; i++)
		quarry_cache_free(cache, objs[i]);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* Nothing said is as without a node; nonsense is refused. */
static void odd_wishes(struct kunit *test)
{
	static const int bad[] = { -2, INT_MIN, INT_MAX, MAX_NUMNODES };
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 64, 0, 0, NULL);
	unsigned int i;
	void *ptr;

	ptr = quarry_alloc_node(heap, 100, GFP_KERNEL, NUMA_NO_NODE);
	KUNIT_EXPECT_NOT_NULL(test, ptr);
	quarry_free(ptr);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		QUARRY_EXPECT_REPORTS(test, 1,
				      ptr = quarry_alloc_node(heap, 100, GFP_KERNEL, bad[i]));
		KUNIT_EXPECT_NULL_MSG(test, ptr, "node %d", bad[i]);
		QUARRY_EXPECT_REPORTS(test, 1,
				      ptr = quarry_alloc_pages_node(heap, 0, GFP_KERNEL, bad[i]));
		KUNIT_EXPECT_NULL_MSG(test, ptr, "node %d", bad[i]);
		QUARRY_EXPECT_REPORTS(test, 1,
				      ptr = quarry_cache_alloc_node(cache, GFP_KERNEL, bad[i]));
		KUNIT_EXPECT_NULL_MSG(test, ptr, "node %d", bad[i]);
	}
}

/* On one node, too: the flag is honoured, with or without a node to go with it. */
static void thisnode_alone(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned int i;
	void *ptr;

	migrate_disable();
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ptr = quarry_alloc(heap, sizes[i], GFP_KERNEL | __GFP_THISNODE);
		KUNIT_EXPECT_NOT_NULL_MSG(test, ptr, "%zu bytes", sizes[i]);
		if (ptr)
			KUNIT_EXPECT_EQ(test, node_of(ptr), numa_mem_id());
		quarry_free(ptr);
	}
	migrate_enable();
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* A heap of a node stays there as long as it can, whoever asks. */
static void heap_of_a_node(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS };
	struct quarry_heap *heap;
	unsigned int i;
	void *ptr;

	NEEDS_NODES(test);
	for_each_online_node(params.node) {
		params.name = NULL;
		heap = quarry_test_heap_params(test, params);
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			ptr = quarry_alloc(heap, sizes[i], GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, ptr);
			KUNIT_EXPECT_EQ_MSG(test, node_of(ptr), params.node, "%zu bytes",
					    sizes[i]);
			quarry_free(ptr);
		}
	}
}

/*
 * The limit is used up on one node: on another there is nothing for who insists, and
 * for who does not, what the one has left.
 */
static void elsewhere_if_it_must_be(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = SZ_64K };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	int one = first_online_node, two = next_online_node(one);
	struct quarry_cache *cache;
	void *run, *ptr, *obj;

	NEEDS_NODES(test);
	cache = quarry_test_cache(test, heap, 200, 0, 0, NULL);
	run = quarry_alloc_pages_node(heap, 3, GFP_KERNEL, one);
	obj = quarry_cache_alloc_node(cache, GFP_KERNEL, one);
	KUNIT_ASSERT_NOT_NULL(test, run);
	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, node_of(run), one);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, (u64)SZ_64K);

	/* Who may sleep would have what is free on the one given back first. */
	ptr = quarry_alloc_pages_node(heap, 1, GFP_NOWAIT | __GFP_THISNODE | __GFP_NOWARN, two);
	KUNIT_EXPECT_NULL(test, ptr);
	ptr = quarry_cache_alloc_node(cache, GFP_NOWAIT | __GFP_THISNODE | __GFP_NOWARN, two);
	KUNIT_EXPECT_NULL(test, ptr);
	ptr = quarry_alloc_pages_node(heap, 1, GFP_NOWAIT, two);
	KUNIT_ASSERT_NOT_NULL(test, ptr);
	KUNIT_EXPECT_EQ(test, node_of(ptr), one);
	quarry_free_pages(ptr);
	ptr = quarry_cache_alloc_node(cache, GFP_NOWAIT, two);
	KUNIT_ASSERT_NOT_NULL(test, ptr);
	KUNIT_EXPECT_EQ_MSG(test, node_of(ptr), one, "from a slab of the other node");
	quarry_cache_free(cache, ptr);
	quarry_cache_free(cache, obj);
	quarry_free_pages(run);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/*
 * All of a heap's objects lie in the quarantine, and in slabs of one node: what is drained for the
 * sake of who asks on another is there for it, but not for who insists.
 */
static void quarantine_of_another_node(struct kunit *test)
{
	struct quarry_heap_params params = {
		QUARRY_HEAP_DEFAULTS,
		.flags = QUARRY_HEAP_HARDENED,
		.limit = SZ_64K,
	};
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 1000, 0, 0, NULL);
	void **objs = quarry_test_array(test, 128, sizeof(*objs));
	int one = first_online_node, two = next_online_node(one);
	unsigned int n;
	void *obj;

	NEEDS_NODES(test);
	for (n = 0; n < 128; n++) {
		/* The first takes all that there may be. */
		objs[n] = quarry_cache_alloc_node(cache, (n ? GFP_NOWAIT : GFP_KERNEL) |
						  __GFP_NOWARN, one);
		if (!objs[n])
			break;
		KUNIT_EXPECT_EQ(test, node_of(objs[n]), one);
	}
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, (u64)SZ_64K);
	KUNIT_EXPECT_GE(test, n, 60U);
	quarry_cache_free_bulk(cache, n, objs);
	KUNIT_EXPECT_EQ(test, quarry_guard_nr_held(to_slab_cache(cache)->guard), n);

	obj = quarry_cache_alloc_node(cache, GFP_NOWAIT | __GFP_NOWARN, two);
	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, node_of(obj), one);
	quarry_cache_free(cache, obj);
	obj = quarry_cache_alloc_node(cache, GFP_NOWAIT | __GFP_THISNODE | __GFP_NOWARN, two);
	KUNIT_EXPECT_NULL(test, obj);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static void by_distance(struct kunit *test)
{
	int one = first_online_node, two = next_online_node(one);
	nodemask_t nodes = node_online_map;

	KUNIT_EXPECT_EQ(test, quarry_nearest_node(one, &nodes), one);
	NEEDS_NODES(test);
	KUNIT_EXPECT_EQ(test, quarry_nearest_node(two, &nodes), two);
	node_clear(one, nodes);
	KUNIT_EXPECT_EQ(test, quarry_nearest_node(two, &nodes), two);
	KUNIT_EXPECT_NE(test, quarry_nearest_node(one, &nodes), one);
}

/* === Sorting === */

struct crossing {
	struct quarry_cache *cache;
	void *objs[NR_OBJS];
	unsigned int nr;
	unsigned int nr_foreign;	/* of the last of them */
};

static void free_objs(struct quarry_test_worker *worker)
{
	struct crossing *x = worker->arg;

	while (x->nr)
		quarry_cache_free(x->cache, x->objs[--x->nr]);
}

/* Counts what is of another node behind what two magazines can hold. */
static void alloc_objs(struct quarry_test_worker *worker)
{
	struct crossing *x = worker->arg;
	void *obj;

	x->nr_foreign = 0;
	for (x->nr = 0; x->nr < NR_OBJS; x->nr++) {
		obj = quarry_cache_alloc(x->cache, GFP_KERNEL);
		if (!obj)
			break;
		x->objs[x->nr] = obj;
		x->nr_foreign += x->nr >= 2 * 126 && node_of(obj) != numa_mem_id();
	}
}

static void run_on(struct kunit *test, int node, void (*fn)(struct quarry_test_worker *worker),
		   struct crossing *x)
{
	struct quarry_test_worker worker;

	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&worker, 0, cpu_of(node), 0, fn, x), 0);
	quarry_test_worker_stop(test, &worker);
}

/*
 * Objects of one node freed on the other, many magazines full: the other's depot
 * hands out its own node's, and the home node gets its objects back.
 */
static void depots_are_sorted(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_cache *cache = quarry_test_cache(test, heap, 256, 0, 0, NULL);
	struct crossing *x = quarry_test_array(test, 1, sizeof(*x));
	int one = first_online_node, two = next_online_node(one);
	unsigned int round;

	NEEDS_NODES(test);
	if (cpu_of(one) < 0 || cpu_of(two) < 0)
		kunit_skip(test, "a node has no CPU");
	x->cache = cache;
	for (round = 0; round < 4; round++) {
		run_on(test, round % 2 ? two : one, alloc_objs, x);
		KUNIT_ASSERT_EQ(test, x->nr, NR_OBJS);
		KUNIT_EXPECT_EQ_MSG(test, x->nr_foreign, 0U, "round %u", round);
		QUARRY_EXPECT_VERIFIED(test, heap);
		run_on(test, round % 2 ? one : two, free_objs, x);
		QUARRY_EXPECT_VERIFIED(test, heap);
		QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	}
	quarry_cache_shrink(cache);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

/* One allocates on its node, the other frees on its own, both at once, and a trim. */
#define RING	512U

struct ring {
	struct quarry_cache *cache;
	void *slot[RING];
};

static void produce(struct quarry_test_worker *worker)
{
	struct ring *ring = worker->arg;
	unsigned int i = 0;
	void *obj;

	while (!quarry_test_worker_should_stop()) {
		/* Pairs with smp_store_release() in consume(). */
		if (smp_load_acquire(&ring->slot[i % RING])) {
			cond_resched();
			continue;
		}
		obj = quarry_cache_alloc(ring->cache, GFP_KERNEL);
		if (!obj) {
			quarry_test_worker_fail(worker, "no object", i);
			continue;
		}
		quarry_test_fill(obj, 256, i);
		/* Pairs with smp_load_acquire() in consume(). */
		smp_store_release(&ring->slot[i++ % RING], obj);
		worker->nr_ops++;
	}
}

static void consume(struct quarry_test_worker *worker)
{
	struct ring *ring = worker->arg;
	unsigned int i = 0;
	void *obj;

	while (!quarry_test_worker_should_stop()) {
		/* Pairs with smp_store_release() in produce(). */
		obj = smp_load_acquire(&ring->slot[i % RING]);
		if (!obj) {
			cond_resched();
			continue;
		}
		if (!quarry_test_check(obj, 256, i))
			quarry_test_worker_fail(worker, "overwritten", (unsigned long)obj);
		quarry_cache_free(ring->cache, obj);
		/* Pairs with smp_load_acquire() in produce(). */
		smp_store_release(&ring->slot[i++ % RING], NULL);
		worker->nr_ops++;
	}
}

static void traffic_between_nodes(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct ring *ring = quarry_test_array(test, 1, sizeof(*ring));
	int one = first_online_node, two = next_online_node(one);
	struct quarry_test_worker workers[2];
	unsigned int i;

	NEEDS_NODES(test);
	if (cpu_of(one) < 0 || cpu_of(two) < 0)
		kunit_skip(test, "a node has no CPU");
	ring->cache = quarry_test_cache(test, heap, 256, 0, 0, NULL);
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&workers[0], 0, cpu_of(one), 0, produce,
						       ring), 0);
	KUNIT_ASSERT_EQ(test, quarry_test_worker_start(&workers[1], 1, cpu_of(two), 0, consume,
						       ring), 0);
	for (i = 0; i < 20; i++) {
		msleep(20);
		quarry_heap_trim(heap);
	}
	quarry_test_worker_stop(test, &workers[0]);
	quarry_test_worker_stop(test, &workers[1]);
	KUNIT_EXPECT_GT_MSG(test, workers[1].nr_ops, 1000UL, "hardly any traffic");
	for (i = 0; i < RING; i++)
		if (ring->slot[i])
			quarry_cache_free(ring->cache, ring->slot[i]);
	QUARRY_EXPECT_VERIFIED(test, heap);
}

static struct kunit_case numa_cases[] = {
	KUNIT_CASE(wishes_are_met),
	KUNIT_CASE(wishes_of_caches_are_met),
	KUNIT_CASE(odd_wishes),
	KUNIT_CASE(thisnode_alone),
	KUNIT_CASE(heap_of_a_node),
	KUNIT_CASE(elsewhere_if_it_must_be),
	KUNIT_CASE(quarantine_of_another_node),
	KUNIT_CASE(by_distance),
	KUNIT_CASE(depots_are_sorted),
	KUNIT_CASE(traffic_between_nodes),
	{}
};

struct kunit_suite quarry_numa_suite = {
	.name = "quarry_pages_numa",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = numa_cases,
};
