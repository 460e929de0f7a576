// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/quarry/<heap>/: stats, layers, buddy, caches, cpus, arenas,
 * pools, rings, owners and the like; trim, and one file for each knob.
 *
 * Each file is one table: a header line, aligned columns, units in the header.
 * The numbers are sums of per-CPU counters and copies taken under short locks;
 * a heap in use is seen at slightly different moments.  Without debugfs, or
 * with it locked down, nothing here fails anything.
 *
 * Locking: heap->mutex while walking the caches, pools or rings.  A file cannot be read any
 * more once quarry_debugfs_remove() has returned.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "arena.h"
#include "escape.h"
#include "fault.h"
#include "heap.h"
#include "internal.h"
#include "pool.h"
#include "ring.h"

static struct dentry *root;

/* === stats === */

static int stats_show(struct seq_file *m, void *unused)
{
	struct quarry_heap_priv *hp = m->private;
	struct quarry_heap_stats s;
	u64 frag = 0;

	quarry_heap_get_stats(&hp->heap, &s);
	/* In tenths of a percent; caches may be counted a moment apart. */
	if (s.active && s.allocated < s.active)
		frag = 1000 - div64_u64(s.allocated * 1000, s.active);

#define ROW(field, unit)	seq_printf(m, "%-16s %16llu  " unit "\n", #field, s.field)
	seq_printf(m, "%-16s %16s  %s\n", "what", "value", "unit");
	ROW(allocated, "bytes");
	ROW(active, "bytes");
	ROW(resident, "bytes");
	ROW(mapped, "bytes");
	ROW(metadata, "bytes");
	ROW(active_peak, "bytes");
	ROW(mapped_peak, "bytes");
	ROW(limit, "bytes (0: none)");
	ROW(soft_limit, "bytes (0: none)");
	ROW(reserve, "bytes");
	ROW(waiting, "bytes");
	ROW(lost, "bytes");
	ROW(decayed, "bytes");
	ROW(shrunk, "bytes");
	ROW(trimmed, "bytes");
	ROW(reclaimed, "bytes");
	seq_printf(m, "%-16s %14llu.%llu  percent\n", "fragmentation", frag / 10, frag % 10);
	ROW(nr_extents, "extents");
	ROW(nr_extent_allocs, "extents");
	ROW(nr_kernel_calls, "calls");
#undef ROW
	seq_printf(m, "%-16s %16s  mode\n", "guards",
		   hp->pages.guards & QUARRY_HEAP_HARDENED ? "hardened" :
		   hp->pages.guards ? "track" : "none");
	mutex_lock(&hp->mutex);
	seq_printf(m, "%-16s %16s  %s, %s:%u\n", "owner",
		   hp->owner ? module_name(hp->owner) : "(kernel)", hp->site->function,
		   kbasename(hp->site->file), hp->site->line);
	mutex_unlock(&hp->mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/* === layers === */

static const char * const layer_names[] = {
	"magazine", "previous", "depot", "slab", "buddy", "extent", "kernel",
};

#define NR_LAYERS	(3 + QUARRY_NR_LOW_LAYERS)

static_assert(ARRAY_SIZE(layer_names) == NR_LAYERS);

struct layers_arg {
	struct seq_file *m;
	unsigned long sum[NR_LAYERS];
	struct quarry_reach reach;
};

static void show_layers_row(struct seq_file *m, const char *name, const unsigned long *n)
{
	unsigned long total = 0;
	unsigned int i;

	seq_printf(m, "%-24s", name);
	for (i = 0; i < NR_LAYERS; i++) {
		seq_printf(m, " %10lu", n[i]);
		total += n[i];
	}
	seq_printf(m, " %12lu\n", total);
}

static void show_layers_of(struct layers_arg *arg, const char *name,
			   const struct quarry_mags_stats *stats)
{
	unsigned long n[NR_LAYERS] = { stats->magazine, stats->previous, stats->depot };
	unsigned int i;

	for (i = 0; i < QUARRY_NR_LOW_LAYERS; i++)
		n[3 + i] = stats->low[i];
	for (i = 0; i < NR_LAYERS; i++)
		arg->sum[i] += n[i];
	if (stats->nr_alloc)
		show_layers_row(arg->m, name, n);
}

static void show_cache_layers(struct quarry_slab_cache *sc, void *arg)
{
	struct quarry_mags_stats stats;

	quarry_mags_get_stats(&sc->mags, &stats);
	quarry_reach_add(&((struct layers_arg *)arg)->reach, &stats, QUARRY_LAYER_SLAB);
	show_layers_of(arg, sc->name, &stats);
}

static void show_run_layers(struct quarry_runs *runs, struct layers_arg *arg)
{
	struct quarry_mags_stats stats;
	unsigned int k, order, i;
	char name[QUARRY_NAME_SIZE];

	for (k = 0; k < QUARRY_NR_KINDS; k++) {
		for (order = 0; order < QUARRY_NR_PAGE_FRONTS; order++) {
			quarry_mags_get_stats(&runs->fronts[k][order].mags, &stats);
			quarry_reach_add(&arg->reach, &stats, QUARRY_LAYER_BUDDY);
			snprintf(name, sizeof(name), "%s-order-%u",
				 k == QUARRY_KIND_DATA ? "datapages" : "pages", order);
			show_layers_of(arg, name, &stats);
		}
	}
	memset(&stats, 0, sizeof(stats));
	stats.depot = atomic_long_read(&runs->nr_hot);
	stats.nr_alloc = stats.depot;
	for (i = 0; i < QUARRY_NR_LOW_LAYERS; i++) {
		stats.low[i] = atomic_long_read(&runs->nr_direct[i]);
		stats.nr_alloc += stats.low[i];
	}
	show_layers_of(arg, "pages-other", &stats);
}

/* How often each layer was reached, beginning with what each allocation reaches. */
static void show_reach(struct seq_file *m, const struct quarry_reach *reach)
{
	static const char * const names[] = {
		"magazines of a CPU", "depot", "slab; buddy of pages", "buddy; extent of pages",
		"extent; kernel for pages",
	};
	unsigned int i;

	static_assert(ARRAY_SIZE(names) == QUARRY_NR_REACHES);
	seq_printf(m, "\n%-24s %12s %12s %12s %12s\n", "allocations that reached", "all",
		   "first use", "again", "times fewer");
	for (i = 0; i < QUARRY_NR_REACHES; i++) {
		unsigned long again = quarry_reach_again(reach, i), times;

		seq_printf(m, "%-24s %12lu %12lu %12lu", names[i], reach->all[i], reach->first[i],
			   again);
		if (!i || !again) {
			seq_printf(m, " %12s\n", "-");
			continue;
		}
		/* In tenths, rounded down. */
		times = 10 * quarry_reach_again(reach, i - 1) / again;
		seq_printf(m, " %10lu.%lu\n", times / 10, times % 10);
	}
}

static int layers_show(struct seq_file *m, void *unused)
{
	struct quarry_heap_priv *hp = m->private;
	struct layers_arg arg = { .m = m };
	unsigned int i;

	seq_printf(m, "%-24s", "allocations ended in");
	for (i = 0; i < NR_LAYERS; i++)
		seq_printf(m, " %10s", layer_names[i]);
	seq_printf(m, " %12s\n", "total");
	mutex_lock(&hp->mutex);
	quarry_heap_walk_caches(hp, show_cache_layers, &arg);
	mutex_unlock(&hp->mutex);
	show_run_layers(&hp->runs, &arg);
	show_layers_row(m, "all", arg.sum);
	show_reach(m, &arg.reach);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(layers);

/* === buddy === */

static int buddy_show(struct seq_file *m, void *unused)
{
	struct quarry_heap_priv *hp = m->private;

	return quarry_pages_show_buddy(m, &hp->pages);
}
DEFINE_SHOW_ATTRIBUTE(buddy);

/* === caches === */

static void show_cache(struct quarry_slab_cache *sc, void *arg)
{
	struct quarry_slab_cache_stats s;
	struct seq_file *m = arg;

	quarry_slab_cache_get_stats(sc, &s);
	seq_printf(m, "%-24s %-4s %8u %8u %10lu %10lu %10lu %8lu %8u %8u %8lu %8u",
		   sc->name, sc->kind == QUARRY_KIND_DATA ? "data" : "ptr", sc->size,
		   sc->layout.stride, quarry_mags_nr_live(&s.mags), s.nr_objs, s.nr_cached,
		   s.nr_slabs, sc->layout.nr_objs, 1U << sc->layout.order, s.nr_pages,
		   READ_ONCE(sc->mags.capacity));
	if (sc->site)
		seq_printf(m, "  %s:%u", kbasename(sc->site->file), sc->site->line);
	seq_putc(m, '\n');
}

static int caches_show(struct seq_file *m, void *unused)
{
	struct quarry_heap_priv *hp = m->private;

	seq_printf(m, "%-24s %-4s %8s %8s %10s %10s %10s %8s %8s %8s %8s %8s  %s\n",
		   "cache", "kind", "size/B", "stride/B", "live", "objects", "cached", "slabs",
		   "obj/slab", "pg/slab", "pages", "magazine", "created");
	mutex_lock(&hp->mutex);
	quarry_heap_walk_caches(hp, show_cache, m);
	mutex_unlock(&hp->mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(caches);

/* === cpus === */

struct cpus_arg {
	unsigned int cpu;
	int node;
	struct quarry_mags_place place;
};

static void add_cpu(struct quarry_mags *mags, void *arg)
{
	struct cpus_arg *c = arg;

	quarry_mags_look_at_cpu(mags, c->cpu, &c->place);
}

static void add_node(struct quarry_mags *mags, void *arg)
{
	struct cpus_arg *c = arg;

	quarry_mags_look_at_depot(mags, c->node, &c->place);
}

static int cpus_show(struct seq_file *m, void *unused)
{
	struct quarry_heap_priv *hp = m->private;
	struct quarry_budget *budget = &hp->pages.budget;
	struct quarry_budget_cpu *b;
	struct cpus_arg arg;

	seq_printf(m, "%-8s %8s %10s %12s %12s %12s %8s\n", "cpu", "fronts", "magazines",
		   "cached/B", "room/B", "cpu_bytes", "refused");
	mutex_lock(&hp->mutex);
	for_each_online_cpu(arg.cpu) {
		b = per_cpu_ptr(budget->cpu, arg.cpu);
		memset(&arg.place, 0, sizeof(arg.place));
		quarry_heap_walk_fronts(hp, add_cpu, &arg);
		seq_printf(m, "%-8u %8lu %10lu %12lu %12lu %12lu %8lu\n", arg.cpu,
			   arg.place.nr_fronts, arg.place.nr_magazines, arg.place.bytes,
			   atomic_long_read(&b->held), READ_ONCE(budget->bound),
			   atomic_long_read(&b->nr_refused));
	}
	seq_printf(m, "\n%-8s %8s %10s %12s\n", "depot", "fronts", "magazines", "cached/B");
	for_each_online_node(arg.node) {
		memset(&arg.place, 0, sizeof(arg.place));
		quarry_heap_walk_fronts(hp, add_node, &arg);
		seq_printf(m, "node%-4d %8lu %10lu %12lu\n", arg.node, arg.place.nr_fronts,
			   arg.place.nr_magazines, arg.place.bytes);
	}
	mutex_unlock(&hp->mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cpus);

/* === arenas === */

static void show_arena(const struct quarry_arena_row *row, void *arg)
{
	struct seq_file *m = arg;

	seq_printf(m, "%-24s ", row->name);
	/* Others do not count it. */
	if (row->veiled)
		seq_printf(m, "%12llu ", row->stats.asked);
	else
		seq_printf(m, "%12s ", "-");
	seq_printf(m, "%12llu %12llu %12llu %12llu %12llu %8llu %8llu %12llu  %s:%u%s\n",
		   row->stats.used, row->stats.used_peak, row->stats.slack, row->stats.held,
		   row->stats.held_peak, row->stats.nr_chunks, row->stats.nr_resets, row->limit,
		   row->file, row->line, row->is_shared ? ", shared" : "");
}

static int arenas_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "%-24s %12s %12s %12s %12s %12s %12s %8s %8s %12s  %s\n", "arena", "asked/B",
		   "used/B", "most/B", "slack/B", "held/B", "peak/B", "chunks", "resets",
		   "limit/B", "created");
	quarry_arenas_walk(m->private, show_arena, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(arenas);

/* === pools === */

static void show_pool(struct seq_file *m, struct quarry_pool *pool)
{
	struct quarry_pool_stats s;

	quarry_pool_get_stats(pool, &s);
	seq_printf(m, "%-24s %-4s %8zu %8u %8llu %8llu %8llu %8llu %8llu %10llu %10llu %10llu %8lu",
		   pool->name, pool->kind == QUARRY_KIND_DATA ? "data" : "ptr", pool->size,
		   pool->stride, s.count, s.max, s.total, s.out, s.peak, s.grown, s.shrunk,
		   s.misses, quarry_pool_nr_pages(pool));
	seq_printf(m, "  %s:%u\n", kbasename(pool->site->file), pool->site->line);
}

static int pools_show(struct seq_file *m, void *unused)
{
	struct quarry_heap_priv *hp = m->private;
	struct quarry_pool *pool;

	seq_printf(m, "%-24s %-4s %8s %8s %8s %8s %8s %8s %8s %10s %10s %10s %8s  %s\n",
		   "pool", "kind", "size/B", "stride/B", "count", "max", "total", "out", "peak",
		   "grown", "shrunk", "misses", "pages", "created");
	mutex_lock(&hp->mutex);
	list_for_each_entry(pool, &hp->pools, node)
		show_pool(m, pool);
	mutex_unlock(&hp->mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pools);

/* === rings === */

static void show_ring(struct quarry_ring *ring, void *arg)
{
	struct quarry_ring_stats s;
	struct seq_file *m = arg;

	quarry_ring_get_stats(ring, &s);
	seq_printf(m, "%-24s %-9s %10llu %10llu %12llu %14llu %12llu %10llu %11llu %10llu  %s:%u\n",
		   ring->name, ring->mode == QUARRY_RING_OVERWRITE ? "overwrite" : "refuse",
		   s.size, s.used, s.written, s.written_bytes, s.read, s.dropped, s.overwritten,
		   s.discarded, kbasename(ring->site->file), ring->site->line);
}

static int rings_show(struct seq_file *m, void *unused)
{
	struct quarry_heap_priv *hp = m->private;

	seq_printf(m, "%-24s %-9s %10s %10s %12s %14s %12s %10s %11s %10s  %s\n", "ring", "mode",
		   "size/B", "used/B", "written", "written/B", "read", "dropped", "overwritten",
		   "discarded", "created");
	mutex_lock(&hp->mutex);
	quarry_rings_walk(hp, show_ring, m);
	mutex_unlock(&hp->mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(rings);

/* === owners === */

static int owners_show(struct seq_file *m, void *unused)
{
	return quarry_owners_show(m, m->private);
}
DEFINE_SHOW_ATTRIBUTE(owners);

/* === last_failure, reclaimers === */

static int last_failure_show(struct seq_file *m, void *unused)
{
	struct quarry_heap_priv *hp = m->private;

	quarry_failure_show(m, &hp->failure);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(last_failure);

static int reclaimers_show(struct seq_file *m, void *unused)
{
	struct quarry_heap_priv *hp = m->private;

	quarry_pressure_show(m, &hp->pressure);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(reclaimers);

/* === trim, knobs === */

static ssize_t trim_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct quarry_heap_priv *hp = file_inode(file)->i_private;
	bool yes;
	int ret = kstrtobool_from_user(buf, len, &yes);

	if (ret || !yes) {
		pr_err("heap %s: trim takes 1\n", hp->name);
		return -EINVAL;
	}
	quarry_heap_trim(&hp->heap);
	return len;
}

static const struct file_operations trim_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = trim_write,
};

static ssize_t knob_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	const struct quarry_knob_file *f = file->private_data;
	char text[24];
	int n;

	n = scnprintf(text, sizeof(text), "%lld\n", READ_ONCE(f->hp->knobs.value[f->knob]));
	return simple_read_from_buffer(to, len, pos, text, n);
}

static ssize_t knob_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	const struct quarry_knob_file *f = file->private_data;
	size_t used = min_t(size_t, len, 31);
	char text[32];
	int ret;

	if (copy_from_user(text, from, used))
		return -EFAULT;
	text[used] = '\0';
	/* Too long, or with a NUL inside: no number. */
	if (strlen(text) != len)
		text[0] = '\0';
	ret = quarry_heap_tune(f->hp, f->knob, text);
	return ret ?: len;
}

static const struct file_operations knob_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = knob_read,
	.write = knob_write,
	.llseek = default_llseek,
};

static int knobs_show(struct seq_file *m, void *unused)
{
	struct quarry_heap_priv *hp = m->private;

	quarry_knobs_show(m, &hp->knobs);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(knobs);

static void add_knob(struct quarry_heap_priv *hp, enum quarry_knob knob)
{
	struct quarry_knob_file *f = &hp->knob_files[knob];

	f->hp = hp;
	f->knob = knob;
	debugfs_create_file(quarry_knob_name(knob), 0644, hp->dir, f, &knob_fops);
}

/* === Directories === */

void quarry_debugfs_add(struct quarry_heap_priv *hp)
{
	enum quarry_knob knob;

	/* Errors are for debugfs itself to handle: it accepts them as parents. */
	hp->dir = debugfs_create_dir(hp->name, root);
	debugfs_create_file("stats", 0444, hp->dir, hp, &stats_fops);
	debugfs_create_file("layers", 0444, hp->dir, hp, &layers_fops);
	debugfs_create_file("buddy", 0444, hp->dir, hp, &buddy_fops);
	debugfs_create_file("caches", 0444, hp->dir, hp, &caches_fops);
	debugfs_create_file("cpus", 0444, hp->dir, hp, &cpus_fops);
	debugfs_create_file("arenas", 0444, hp->dir, hp, &arenas_fops);
	debugfs_create_file("pools", 0444, hp->dir, hp, &pools_fops);
	debugfs_create_file("rings", 0444, hp->dir, hp, &rings_fops);
	debugfs_create_file("owners", 0444, hp->dir, hp, &owners_fops);
	debugfs_create_file("last_failure", 0444, hp->dir, hp, &last_failure_fops);
	debugfs_create_file("reclaimers", 0444, hp->dir, hp, &reclaimers_fops);
	debugfs_create_file("trim", 0200, hp->dir, hp, &trim_fops);
	debugfs_create_file("knobs", 0444, hp->dir, hp, &knobs_fops);
	for (knob = 0; knob < QUARRY_NR_KNOBS; knob++)
		add_knob(hp, knob);
}

void quarry_debugfs_remove(struct quarry_heap_priv *hp)
{
	debugfs_remove_recursive(hp->dir);
}

void quarry_debugfs_init(void)
{
	root = debugfs_create_dir("quarry", NULL);
	quarry_fault_debugfs_add(root);
	quarry_escape_debugfs_add(root);
}

void quarry_debugfs_exit(void)
{
	debugfs_remove_recursive(root);
}
