// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_context: every call from every context that it may be made from.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/smp.h>
#include <linux/slab.h>
#include "../src/cache.h"
#include "../src/depot.h"
#include "../src/heap.h"
#include "context.h"
#include "helpers.h"

#define OBJ_SIZE	96
#define NR_BULK		12
#define GFP_CELL	(GFP_ATOMIC | __GFP_NOWARN)

/* === The table: each operation in each context, with memory at hand === */

struct cell {
	struct quarry_heap *heap;
	struct quarry_cache *cache;
	enum quarry_test_context context;
	gfp_t gfp;
	bool ok;
};

static bool use(void *obj, size_t size)
{
	quarry_test_fill(obj, size, (unsigned long)obj);
	return quarry_test_check(obj, size, (unsigned long)obj);
}

static void op_cache(struct cell *c)
{
	void *obj = quarry_cache_alloc(c->cache, c->gfp);

	c->ok = obj && use(obj, OBJ_SIZE);
	if (obj)
		quarry_cache_free(c->cache, obj);
}

static void op_cache_zeroed(struct cell *c)
{
	void *obj = quarry_cache_alloc(c->cache, c->gfp | __GFP_ZERO);

	c->ok = obj && quarry_test_is_zero(obj, OBJ_SIZE);
	if (obj)
		quarry_cache_free(c->cache, obj);
}

static void op_cache_rcu(struct cell *c)
{
	void *obj = quarry_cache_alloc(c->cache, c->gfp);

	c->ok = obj;
	quarry_free_rcu(obj);
}

static void op_bulk(struct cell *c)
{
	void *objs[NR_BULK];
	unsigned int nr = quarry_cache_alloc_bulk(c->cache, c->gfp, NR_BULK, objs), i;

	c->ok = nr == NR_BULK;
	for (i = 0; i < nr; i++)
		c->ok &= use(objs[i], OBJ_SIZE);
	quarry_cache_free_bulk(c->cache, nr, objs);
}

static void op_sized(struct cell *c)
{
	void *obj = quarry_alloc(c->heap, OBJ_SIZE, c->gfp);

	c->ok = obj && use(obj, OBJ_SIZE) && quarry_usable_size(obj) >= OBJ_SIZE &&
		quarry_heap_of(obj) == c->heap;
	quarry_free(obj);
}

static void op_realloc(struct cell *c)
{
	void *obj = quarry_alloc(c->heap, OBJ_SIZE, c->gfp), *more;

	c->ok = false;
	if (!obj)
		return;
	more = quarry_realloc(c->heap, obj, OBJ_SIZE / 2, c->gfp);
	c->ok = more && use(more, OBJ_SIZE / 2);
	quarry_free(more ?: obj);
}

static void op_sensitive(struct cell *c)
{
	void *obj = quarry_alloc_data(c->heap, OBJ_SIZE, c->gfp);

	c->ok = obj && use(obj, OBJ_SIZE);
	quarry_free_sensitive(obj);
}

static void op_page(struct cell *c)
{
	void *page = quarry_alloc_pages(c->heap, 0, c->gfp);

	c->ok = page && use(page, PAGE_SIZE);
	quarry_free_pages(page);
}

static void op_page_rcu(struct cell *c)
{
	void *page = quarry_alloc_pages(c->heap, 0, c->gfp);

	c->ok = page;
	quarry_free_rcu(page);
}

/* Runs without magazines are not for NMIs to have, but to free. */
static void op_run(struct cell *c)
{
	void *run = quarry_alloc_pages(c->heap, 5, c->gfp);

	c->ok = c->context == QUARRY_IN_NMI ? !run : run && use(run, PAGE_SIZE << 5);
	quarry_free_pages(run);
}

static void op_odd_run(struct cell *c)
{
	void *run = quarry_alloc_pages_exact(c->heap, 3, c->gfp);

	c->ok = c->context == QUARRY_IN_NMI ? !run : run && use(run, 3 * PAGE_SIZE);
	quarry_free(run);
}

static void op_node(struct cell *c)
{
	void *obj = quarry_cache_alloc_node(c->cache, c->gfp, numa_mem_id());

	c->ok = c->context == QUARRY_IN_NMI ? !obj : obj && use(obj, OBJ_SIZE);
	if (obj)
		quarry_cache_free(c->cache, obj);
}

static const struct operation {
	const char *name;
	void (*fn)(struct cell *c);
} operations[] = {
	{ "cache", op_cache },
	{ "cache, zeroed", op_cache_zeroed },
	{ "cache, free_rcu", op_cache_rcu },
	{ "bulk", op_bulk },
	{ "sized", op_sized },
	{ "realloc", op_realloc },
	{ "data, free_sensitive", op_sensitive },
	{ "page", op_page },
	{ "page, free_rcu", op_page_rcu },
	{ "run", op_run },
	{ "odd run", op_odd_run },
	{ "node", op_node },
};

struct call {
	struct cell cell;
	const struct operation *op;
};

static void make_call(void *arg)
{
	struct call *call = arg;

	call->op->fn(&call->cell);
}

/* Enough of everything for @cpu in its magazines, its depot, and the page heap. */
static int stock_here(void *arg)
{
	struct cell *c = arg;
	void *objs[60];
	unsigned int i, k;

	for (k = 0; k < 4; k++) {
		for (i = 0; i < ARRAY_SIZE(objs); i++) {
			objs[i] = k == 0 ? quarry_cache_alloc(c->cache, GFP_KERNEL) :
				  k == 1 ? quarry_alloc(c->heap, OBJ_SIZE, GFP_KERNEL) :
				  k == 2 ? quarry_alloc_data(c->heap, OBJ_SIZE, GFP_KERNEL) :
					   quarry_alloc_pages(c->heap, 0, GFP_KERNEL);
		}
		for (i = 0; i < ARRAY_SIZE(objs); i++)
			quarry_free(objs[i]);
	}
	quarry_free_pages(quarry_alloc_pages(c->heap, 9, GFP_KERNEL));
	return 0;
}

static void call_from(struct kunit *test, struct cell *cell, enum quarry_test_context context,
		      unsigned int cpu)
{
	struct call call = { .cell = *cell };
	unsigned int i;

	call.cell.context = context;
	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		KUNIT_ASSERT_EQ(test, smp_call_on_cpu(cpu, stock_here, cell, false), 0);
		call.op = &operations[i];
		call.cell.ok = false;
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_run_in(context, cpu, make_call, &call),
				      "cannot get into %s on CPU %u",
				      quarry_test_context_names[context], cpu);
		KUNIT_EXPECT_TRUE_MSG(test, call.cell.ok, "%s in %s on CPU %u", operations[i].name,
				      quarry_test_context_names[context], cpu);
	}
}

static void each_call_in_each_context(struct kunit *test)
{
	struct cell cell = { .heap = quarry_test_heap(test), .gfp = GFP_CELL };
	enum quarry_test_context context;
	unsigned int cpu;

	cell.cache = quarry_test_cache(test, cell.heap, OBJ_SIZE, 0, 0, NULL);
	for (context = 0; context < QUARRY_NR_CONTEXTS; context++) {
		if (!quarry_test_context_exists(context)) {
			kunit_info(test, "no %s here", quarry_test_context_names[context]);
			continue;
		}
		for_each_online_cpu(cpu)
			call_from(test, &cell, context, cpu);
	}
	QUARRY_EXPECT_VERIFIED(test, cell.heap);
	QUARRY_EXPECT_ALLOCATED(test, cell.heap, 0);
}

static void call_all_here(struct kunit *test, struct cell *c, const char *where)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		c->ok = false;
		operations[i].fn(c);
		KUNIT_EXPECT_TRUE_MSG(test, c->ok, "%s in %s", operations[i].name, where);
	}
}

static void free_much_later(struct quarry_heap *heap)
{
	unsigned int i;

	for (i = 0; i < 2000; i++)
		quarry_free_rcu(quarry_alloc(heap, 4096, GFP_KERNEL | __GFP_NOWARN));
}

static void tasks_with_restrictions(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = SZ_2M };
	struct cell cell = { .heap = quarry_test_heap(test), .gfp = GFP_KERNEL };
	struct quarry_heap *tight = quarry_test_heap_params(test, params);
	unsigned int flags;

	cell.cache = quarry_test_cache(test, cell.heap, OBJ_SIZE, 0, 0, NULL);
	call_all_here(test, &cell, "task, nothing at hand");
	flags = memalloc_nofs_save();
	call_all_here(test, &cell, "NOFS");
	memalloc_nofs_restore(flags);
	flags = memalloc_noio_save();
	call_all_here(test, &cell, "NOIO");
	memalloc_noio_restore(flags);
	flags = memalloc_noreclaim_save();
	call_all_here(test, &cell, "PF_MEMALLOC");
	memalloc_noreclaim_restore(flags);
	/* Above the bound on what waits, and at the limit: nobody hangs. */
	flags = memalloc_nofs_save();
	free_much_later(tight);
	memalloc_nofs_restore(flags);
	flags = memalloc_noio_save();
	free_much_later(tight);
	memalloc_noio_restore(flags);
	flags = memalloc_noreclaim_save();
	free_much_later(tight);
	memalloc_noreclaim_restore(flags);
	QUARRY_EXPECT_VERIFIED(test, tight);
	cell.gfp = GFP_CELL;
	local_bh_disable();
	call_all_here(test, &cell, "softirqs off");
	local_bh_enable();
	QUARRY_EXPECT_VERIFIED(test, cell.heap);
	QUARRY_EXPECT_ALLOCATED(test, cell.heap, 0);
}

/* === With nothing at hand it fails at once, and a worker brings some === */

static void try_sized(struct cell *c)
{
	void *obj = quarry_alloc(c->heap, 5 * OBJ_SIZE, c->gfp);

	c->ok = obj;
	quarry_free(obj);
}

static const struct operation missing[] = {
	{ "cache", op_cache },
	{ "class", try_sized },
	{ "page", op_page },
};

static void brought_by_a_worker(struct kunit *test, enum quarry_test_context context,
				const struct operation *op, unsigned int cpu)
{
	struct call call = { .op = op, .cell.context = context, .cell.gfp = GFP_CELL };
	unsigned long end = jiffies + 10 * HZ;
	bool first = true, got = false;

	call.cell.heap = quarry_test_heap(test);
	call.cell.cache = quarry_test_cache(test, call.cell.heap, OBJ_SIZE, 0, 0, NULL);
	while (!got && time_before(jiffies, end)) {
		KUNIT_ASSERT_TRUE(test, quarry_test_run_in(context, cpu, make_call, &call));
		got = call.cell.ok;
		if (first)
			KUNIT_EXPECT_FALSE_MSG(test, got, "%s in %s from an empty heap", op->name,
					       quarry_test_context_names[context]);
		first = false;
		msleep(20);
	}
	KUNIT_EXPECT_TRUE_MSG(test, got, "%s in %s on CPU %u: nobody brought any", op->name,
			      quarry_test_context_names[context], cpu);
	quarry_test_cache_done(test, call.cell.cache);
	quarry_test_heap_done(test, call.cell.heap);
}

static void misses_are_made_up_for(struct kunit *test)
{
	unsigned int i, cpu;

	for_each_online_cpu(cpu) {
		for (i = 0; i < ARRAY_SIZE(missing); i++) {
			brought_by_a_worker(test, QUARRY_IN_HARDIRQ, &missing[i], cpu);
			if (quarry_test_context_exists(QUARRY_IN_NMI))
				brought_by_a_worker(test, QUARRY_IN_NMI, &missing[i], cpu);
		}
	}
}

struct many {
	struct quarry_cache *cache;
	unsigned int got;
};

static void take_many(void *arg)
{
	struct many *many = arg;
	unsigned int i;

	for (i = 0; i < 20; i++)
		many->got += !!quarry_cache_alloc(many->cache, GFP_CELL);
}

/* A heap at its limit: the worker gets nothing, and is not asked for ever. */
static void misses_at_the_limit(struct kunit *test)
{
	struct quarry_heap_params params = { QUARRY_HEAP_DEFAULTS, .limit = SZ_64K };
	struct quarry_heap *heap = quarry_test_heap_params(test, params);
	struct quarry_cache *cache = quarry_test_cache(test, heap, SZ_4K, 0, 0, NULL);
	struct many many = { .cache = cache };
	void **objs = quarry_test_array(test, 64, sizeof(*objs));
	unsigned long end = jiffies + HZ / 2;
	unsigned int nr = 0, i;

	/* As far as the limit goes the kernel may have to make an effort. */
	while (nr < 64) {
		objs[nr] = quarry_cache_alloc(cache, (nr < 16 ? GFP_KERNEL : GFP_NOWAIT) |
						     __GFP_NOWARN);
		if (!objs[nr])
			break;
		nr++;
	}
	KUNIT_EXPECT_EQ(test, nr, 16U);
	while (time_before(jiffies, end)) {
		KUNIT_EXPECT_TRUE(test, quarry_test_run_in(QUARRY_IN_HARDIRQ, quarry_test_cpu(0),
							   take_many, &many));
		usleep_range(1000, 2000);
	}
	KUNIT_EXPECT_EQ(test, many.got, 0U);
	/* Ten times a second, and one that had begun. */
	KUNIT_EXPECT_GT(test, to_slab_cache(cache)->mags.nr_restocks, 0UL);
	KUNIT_EXPECT_LE(test, to_slab_cache(cache)->mags.nr_restocks, 12UL);
	for (i = 0; i < nr; i++)
		quarry_cache_free(cache, objs[i]);
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* === An NMI that interrupts us in the middle === */

struct middle {
	struct quarry_heap *heap;
	struct quarry_cache *cache;
	void *to_free[40];
	unsigned int nr;
	void *got;
	u64 ran;		/* times */
};

static void nmi_allocates(void *arg)
{
	struct middle *m = arg;

	m->got = quarry_cache_alloc(m->cache, GFP_CELL);
	WRITE_ONCE(m->ran, m->ran + 1);
}

static void nmi_frees(void *arg)
{
	struct middle *m = arg;
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		quarry_free(m->to_free[i]);
	WRITE_ONCE(m->ran, m->ran + 1);
}

/* To ourselves: it is there when this returns.  Preemption is off. */
static void interrupt_self(struct middle *m)
{
	u64 before = READ_ONCE(m->ran);
	unsigned long i;

	quarry_test_nmi_send(smp_processor_id());
	for (i = 0; i < 100000000 && READ_ONCE(m->ran) == before; i++)
		cpu_relax();
}

static struct middle *middle_init(struct kunit *test)
{
	struct middle *m = quarry_test_array(test, 1, sizeof(*m));
	unsigned int i;

	if (!quarry_test_context_exists(QUARRY_IN_NMI))
		kunit_skip(test, "no NMIs here");
	m->heap = quarry_test_heap(test);
	m->cache = quarry_test_cache(test, m->heap, OBJ_SIZE, 0, 0, NULL);
	m->nr = ARRAY_SIZE(m->to_free);
	for (i = 0; i < m->nr; i++) {
		m->to_free[i] = quarry_cache_alloc(m->cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, m->to_free[i]);
	}
	return m;
}

static void middle_done(struct kunit *test, struct middle *m)
{
	if (m->got)
		quarry_cache_free(m->cache, m->got);
	QUARRY_EXPECT_VERIFIED(test, m->heap);
	QUARRY_EXPECT_ALLOCATED(test, m->heap, 0);
}

static void nmi_in_a_section(struct kunit *test)
{
	struct middle *m = middle_init(test);
	struct quarry_cpu *c;

	KUNIT_ASSERT_EQ(test, quarry_test_nmi_begin(nmi_frees, m), 0);
	preempt_disable();
	c = this_cpu_ptr(m->cache->front.cpu);
	c->busy = 1;
	interrupt_self(m);
	c->busy = 0;
	preempt_enable();
	quarry_test_nmi_end();
	KUNIT_EXPECT_EQ(test, m->ran, 1ULL);

	KUNIT_ASSERT_EQ(test, quarry_test_nmi_begin(nmi_allocates, m), 0);
	preempt_disable();
	c = this_cpu_ptr(m->cache->front.cpu);
	c->busy = 1;
	interrupt_self(m);
	c->busy = 0;
	preempt_enable();
	quarry_test_nmi_end();
	KUNIT_EXPECT_EQ(test, m->ran, 2ULL);
	middle_done(test, m);
}

/*
 * Whatever lock we hold: the NMI does without.  What waits then, before a grace period can
 * have ended.
 */
static unsigned int nmi_under_a_lock(struct middle *m, raw_spinlock_t *lock, bool busy)
{
	struct quarry_cpu *c;
	unsigned long flags;
	unsigned int waiting;

	preempt_disable();
	c = this_cpu_ptr(m->cache->front.cpu);
	raw_spin_lock_irqsave(lock, flags);
	/* Nor is there a magazine to work on. */
	c->busy = busy;
	interrupt_self(m);
	c->busy = 0;
	raw_spin_unlock_irqrestore(lock, flags);
	waiting = quarry_mags_nr_waiting(&to_slab_cache(m->cache)->mags);
	preempt_enable();
	return waiting;
}

static void nmi_frees_under_locks(struct kunit *test)
{
	struct middle *m = middle_init(test);
	struct quarry_slab_cache *sc = to_slab_cache(m->cache);
	struct quarry_heap_priv *hp = to_priv(m->heap);
	raw_spinlock_t *locks[] = {
		&sc->mags.depots[numa_mem_id()].lock, &sc->lock, &hp->pages.lock,
		&hp->pages.meta.lock,
	};
	unsigned int i, k, waiting;

	for (i = 0; i < ARRAY_SIZE(locks); i++) {
		KUNIT_ASSERT_EQ(test, quarry_test_nmi_begin(nmi_frees, m), 0);
		waiting = nmi_under_a_lock(m, locks[i], i & 1);
		quarry_test_nmi_end();
		KUNIT_EXPECT_EQ(test, m->ran, i + 1ULL);
		if (!i)
			KUNIT_EXPECT_GT(test, waiting, 0U);
		QUARRY_EXPECT_VERIFIED(test, m->heap);
		QUARRY_EXPECT_ALLOCATED(test, m->heap, 0);
		for (k = 0; k < m->nr; k++) {
			m->to_free[k] = quarry_cache_alloc(m->cache, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, m->to_free[k]);
		}
	}
	for (k = 0; k < m->nr; k++)
		quarry_cache_free(m->cache, m->to_free[k]);
	middle_done(test, m);
}

static void nmi_allocates_under_locks(struct kunit *test)
{
	struct middle *m = middle_init(test);
	struct quarry_slab_cache *sc = to_slab_cache(m->cache);
	struct quarry_heap_priv *hp = to_priv(m->heap);
	raw_spinlock_t *locks[] = {
		&sc->mags.depots[numa_mem_id()].lock, &sc->lock, &hp->pages.lock,
		&hp->pages.meta.lock,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(locks); i++) {
		m->got = NULL;
		KUNIT_ASSERT_EQ(test, quarry_test_nmi_begin(nmi_allocates, m), 0);
		nmi_under_a_lock(m, locks[i], i & 1);
		quarry_test_nmi_end();
		KUNIT_EXPECT_EQ(test, m->ran, i + 1ULL);
		if (m->got)
			quarry_cache_free(m->cache, m->got);
	}
	m->got = NULL;
	for (i = 0; i < m->nr; i++)
		quarry_cache_free(m->cache, m->to_free[i]);
	middle_done(test, m);
}

/* The second free of one whose first is pending is found at once. */
static void nmi_frees_twice(struct kunit *test)
{
	struct middle *m = middle_init(test);
	struct quarry_slab_cache *sc = to_slab_cache(m->cache);
	unsigned int i;

	for (i = 1; i < m->nr; i++)
		quarry_cache_free(m->cache, m->to_free[i]);
	m->to_free[1] = m->to_free[0];
	m->nr = 2;
	KUNIT_ASSERT_EQ(test, quarry_test_nmi_begin(nmi_frees, m), 0);
	QUARRY_EXPECT_REPORTS(test, 1, {
		nmi_under_a_lock(m, &sc->mags.depots[numa_mem_id()].lock, true);
		quarry_test_nmi_end();
	});
	middle_done(test, m);
}

/* Runs that have no magazine: a bit of their extent. */
static void nmi_frees_runs(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct middle *m = quarry_test_array(test, 1, sizeof(*m));
	unsigned int i;

	if (!quarry_test_context_exists(QUARRY_IN_NMI))
		kunit_skip(test, "no NMIs here");
	m->heap = heap;
	m->nr = ARRAY_SIZE(m->to_free);
	for (i = 0; i < m->nr; i++) {
		m->to_free[i] = quarry_alloc_pages_exact(heap, 5 + i % 9, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, m->to_free[i]);
	}
	KUNIT_ASSERT_EQ(test, quarry_test_nmi_begin(nmi_frees, m), 0);
	preempt_disable();
	interrupt_self(m);
	preempt_enable();
	quarry_test_nmi_end();
	QUARRY_EXPECT_VERIFIED(test, heap);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
}

/* === NMIs, hardirqs and tasks at once on all CPUs === */

#define NR_TABLE	64
#define STORM_MS	1500

struct storm {
	struct quarry_heap *heap;
	struct quarry_cache *cache;
	struct storm_cpu {
		struct rnd_state rnd;
		void *held[NR_TABLE];
		unsigned int nr_failures;
		unsigned long nr_calls;
		unsigned long nr_got;
	} *cpus;
};

/* What a slot holds, by its number: an object of the cache, of a class, or a page. */
static size_t storm_size(unsigned int i)
{
	return i % 3 == 0 ? OBJ_SIZE : i % 3 == 1 ? 40 : PAGE_SIZE;
}

static void *storm_alloc(struct storm *storm, unsigned int i)
{
	return i % 3 == 0 ? quarry_cache_alloc(storm->cache, GFP_CELL) :
	       i % 3 == 1 ? quarry_alloc(storm->heap, 40, GFP_CELL) :
			    quarry_alloc_pages(storm->heap, 0, GFP_CELL);
}

static void storm_step(struct storm *storm, struct storm_cpu *s)
{
	unsigned int i = quarry_test_below(&s->rnd, NR_TABLE);
	void *obj = s->held[i];

	s->nr_calls++;
	if (!obj) {
		obj = storm_alloc(storm, i);
		if (obj)
			quarry_test_fill(obj, storm_size(i), i);
		s->nr_got += !!obj;
		s->held[i] = obj;
		return;
	}
	if (!quarry_test_check(obj, storm_size(i), i))
		s->nr_failures++;
	s->held[i] = NULL;
	if (quarry_test_below(&s->rnd, 4))
		quarry_free(obj);
	else
		quarry_free_rcu(obj);
}

static void storm_nmi(void *arg)
{
	struct storm *storm = arg;
	struct storm_cpu *s = &storm->cpus[smp_processor_id()];
	unsigned int i;

	for (i = 0; i < 4; i++)
		storm_step(storm, s);
}

static void storm_task(struct quarry_test_worker *worker)
{
	struct storm *storm = worker->arg;
	struct storm_cpu *s = &storm->cpus[nr_cpu_ids + smp_processor_id()];

	while (!quarry_test_worker_should_stop()) {
		worker->nr_ops++;
		storm_step(storm, s);
		if (!(worker->nr_ops & 63))
			cond_resched();
	}
}

static void storm_of_nmis(struct kunit *test)
{
	struct storm *storm = quarry_test_array(test, 1, sizeof(*storm));
	struct quarry_test_worker workers[2];
	unsigned int cpu, i, k, nr_cpus = 2 * nr_cpu_ids;
	unsigned long end, sent = 0, got = 0;
	struct rnd_state rnd;
	u64 seed;

	if (!quarry_test_context_exists(QUARRY_IN_NMI))
		kunit_skip(test, "no NMIs here");
	seed = quarry_test_seed(test, &rnd);
	storm->heap = quarry_test_heap(test);
	storm->cache = quarry_test_cache(test, storm->heap, OBJ_SIZE, 0, 0, NULL);
	storm->cpus = quarry_test_array(test, nr_cpus, sizeof(*storm->cpus));
	for (i = 0; i < nr_cpus; i++)
		prandom_seed_state(&storm->cpus[i].rnd, seed + i);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, quarry_test_worker_start(&workers[i], i, quarry_test_cpu(i),
							       seed, storm_task, storm), 0);
	KUNIT_ASSERT_EQ(test, quarry_test_nmi_begin(storm_nmi, storm), 0);
	end = jiffies + msecs_to_jiffies(STORM_MS);
	while (time_before(jiffies, end)) {
		for_each_online_cpu(cpu) {
			quarry_test_nmi_send(cpu);
			sent++;
		}
		/* An emulated CPU may get to nothing else. */
		usleep_range(50, 100);
		if (!(sent & 255))
			quarry_heap_trim(storm->heap);
	}
	quarry_test_nmi_end();
	for (i = 0; i < 2; i++)
		quarry_test_worker_stop(test, &workers[i]);
	for (i = 0; i < nr_cpus; i++) {
		KUNIT_EXPECT_EQ_MSG(test, storm->cpus[i].nr_failures, 0U, "patterns of %u", i);
		for (k = 0; k < NR_TABLE; k++)
			quarry_free(storm->cpus[i].held[k]);
	}
	for_each_online_cpu(cpu)
		got += storm->cpus[cpu].nr_got;
	kunit_info(test, "%lu NMIs sent, %lu allocations in them", sent, got);
	KUNIT_EXPECT_GT(test, got, 0UL);
	QUARRY_EXPECT_VERIFIED(test, storm->heap);
	QUARRY_EXPECT_ALLOCATED(test, storm->heap, 0);
}

static struct kunit_case context_cases[] = {
	KUNIT_CASE(each_call_in_each_context),
	KUNIT_CASE(tasks_with_restrictions),
	KUNIT_CASE(misses_are_made_up_for),
	KUNIT_CASE(misses_at_the_limit),
	KUNIT_CASE(nmi_in_a_section),
	KUNIT_CASE(nmi_frees_under_locks),
	KUNIT_CASE(nmi_allocates_under_locks),
	KUNIT_CASE(nmi_frees_twice),
	KUNIT_CASE(nmi_frees_runs),
	KUNIT_CASE(storm_of_nmis),
	{}
};

struct kunit_suite quarry_context_suite = {
	.name = "quarry_context",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = context_cases,
};
