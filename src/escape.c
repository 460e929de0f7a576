// SPDX-License-Identifier: GPL-2.0
/*
 * Escape check: a stale pointer into an arena faults instead of corrupting, and the report
 * names the arena.
 *
 *	arena ── chunk ── area ──> addresses in the window ──> pages of the heap
 *
 *	free ─map─> live ─retire─> retired ─flush─> quarantined ─oldest first─> free
 *	            pages          nothing mapped,  pages are back at the heap,
 *	                           pages stay       nobody gets the addresses
 *
 * Chunks of an arena that is to be checked, but for the first, which holds the arena itself,
 * are used through addresses in the window (window.c).  A reset keeps none of them.  What is
 * retired is unmapped at once; a worker flushes the TLBs of all CPUs, for all that came
 * together until then, and only after that the pages go back.  So until a CPU faults it
 * reads and writes pages that nobody else has.
 *
 * Areas in quarantine are freed when there are more than QUARANTINE_PAGES, or when one is needed,
 * the oldest first: so an address stays unused until as much as that was retired after it,
 * unless arenas hold more than half of the window.
 *
 * Each page of the window knows its area, which remembers whose it was for as long as it is in
 * quarantine.  The kernel tells of an oops through the die notifier: if the address
 * at fault or a register is a stale one of the window, two lines more say which arena that was.
 *
 * Locking: lock guards areas, their lists, busy and next; index is read without it.  Who maps
 * or unmaps an area owns it.  drain_mutex makes who waits for a batch wait for
 * the whole of it; create_mutex, by itself, is for making the window.
 *
 * Invariants: a page of the window is busy if it is in an area that is not free; mapped + retired +
 * quarantined = pages that are busy.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/bitmap.h>
#include <linux/debugfs.h>
#include <linux/irq_work.h>
#include <linux/kdebug.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/ptrace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "arena.h"
#include "chunk.h"
#include "compat_arch.h"
#include "escape.h"
#include "internal.h"

#define NR_AREAS		4096
#define QUARANTINE_PAGES	(QUARRY_WINDOW_PAGES / 2)
#define BATCH_DELAY		DIV_ROUND_UP(HZ, 100)
#define BATCH_PAGES		256	/* so many do not wait */
#define NR_ROUNDS		4	/* of making room */

enum state {
	STATE_FREE,
	STATE_LIVE,
	STATE_RETIRED,
	STATE_QUARANTINED,
	NR_STATES,
};

struct area {
	struct list_head node;		/* of free, live, retired or quarantined */
	enum state state;
	unsigned int first;		/* page of the window */
	unsigned int nr_pages;
	unsigned long owner;		/* as in the page map; 0 once it is not live */
	/* until its pages are back */
	struct quarry_heap_priv *hp;
	enum quarry_kind kind;
	void *direct;
	/* whose it is or was */
	char name[QUARRY_NAME_SIZE];
	const struct quarry_site *site;
	u64 generation;
	/* when that was over, and how */
	u64 when;			/* ns since boot */
	bool destroyed;
	pid_t pid;
	char comm[TASK_COMM_LEN];
};

unsigned int quarry_escape_every;
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_escape_every);

static atomic_t turn;			/* arenas since the last one */
static DEFINE_MUTEX(create_mutex);
static DEFINE_MUTEX(drain_mutex);

static DEFINE_RAW_SPINLOCK(lock);
static struct area *areas;		/* set once, before the window, as the next two */
static u16 *index_of;			/* by page of the window: 1 + index of its area, or 0 */
static unsigned long *busy;		/* pages */
static unsigned int next;		/* page to look for room from */
static struct list_head lists[NR_STATES];
static unsigned long nr_pages_in[NR_STATES];	/* of what is free it means nothing */
static u64 nr_retired, nr_batches, nr_unchecked;
static atomic64_t nr_reported;

static unsigned long addr_of(const struct area *area)
{
	return quarry_window + ((unsigned long)area->first << PAGE_SHIFT);
}

static struct area *find(const void *ptr)
{
	unsigned int n;

	if (!quarry_window_has(ptr))
		return NULL;
	n = READ_ONCE(index_of[((unsigned long)ptr - quarry_window) >> PAGE_SHIFT]);
	return n ? &areas[n - 1] : NULL;
}

/* === Areas, under lock === */

static void move(struct area *area, enum state state)
{
	nr_pages_in[area->state] -= area->nr_pages;
	area->state = state;
	nr_pages_in[state] += area->nr_pages;
	list_move_tail(&area->node, &lists[state]);
}

static void set_index(const struct area *area, unsigned int value)
{
	unsigned int i;

	for (i = 0; i < area->nr_pages; i++)
		WRITE_ONCE(index_of[area->first + i], value);
}

/* The oldest in quarantine is forgotten; pages that makes. */
static unsigned int release_oldest(void)
{
	struct area *area = list_first_entry_or_null(&lists[STATE_QUARANTINED], struct area, node);
	unsigned int nr_pages;

	if (!area)
		return 0;
	nr_pages = area->nr_pages;
	set_index(area, 0);
	bitmap_clear(busy, area->first, nr_pages);
	move(area, STATE_FREE);
	return nr_pages;
}

static bool find_room(unsigned int nr_pages, unsigned int *first)
{
	unsigned long at;

	at = bitmap_find_next_zero_area(busy, QUARRY_WINDOW_PAGES, next, nr_pages, 0);
	if (at >= QUARRY_WINDOW_PAGES)
		at = bitmap_find_next_zero_area(busy, QUARRY_WINDOW_PAGES, 0, nr_pages, 0);
	*first = at;
	return at < QUARRY_WINDOW_PAGES;
}

/* Room for @nr_pages; the oldest of what is in quarantine makes it if need be. */
static bool make_room(unsigned int nr_pages, unsigned int *first)
{
	unsigned int round, made, more;

	for (round = 0; round < NR_ROUNDS; round++) {
		if (find_room(nr_pages, first))
			return true;
		for (made = 0; made < nr_pages; made += more) {
			more = release_oldest();
			if (!more)
				return find_room(nr_pages, first);
		}
	}
	return false;
}

static struct area *take_area(unsigned int nr_pages)
{
	struct area *area;
	unsigned int first;

	if (list_empty(&lists[STATE_FREE]))
		release_oldest();
	area = list_first_entry_or_null(&lists[STATE_FREE], struct area, node);
	if (!area || !make_room(nr_pages, &first))
		return NULL;
	bitmap_set(busy, first, nr_pages);
	next = first + nr_pages;
	nr_pages_in[STATE_FREE] += nr_pages - area->nr_pages;
	area->first = first;
	area->nr_pages = nr_pages;
	move(area, STATE_LIVE);
	return area;
}

/* === Chunks === */

void *quarry_escape_map(const struct quarry_arena_priv *a, void *direct, unsigned long nr_pages)
{
	struct area *area = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	if (quarry_window)
		area = take_area(nr_pages);
	if (area) {
		/* Nobody has a pointer to look up before this returns. */
		WRITE_ONCE(area->owner, (unsigned long)a | QUARRY_OWNER_CHUNK);
		area->hp = a->hp;
		area->kind = a->kind;
		area->direct = direct;
		area->site = a->site;
		area->generation = a->nr_resets;
		strscpy(area->name, quarry_arena_name(a), sizeof(area->name));
		set_index(area, 1 + (area - areas));
	} else {
		nr_unchecked++;
	}
	raw_spin_unlock_irqrestore(&lock, flags);
	if (!area)
		return direct;
	quarry_window_map(addr_of(area), direct, nr_pages);
	return (void *)addr_of(area);
}

void *quarry_escape_direct(void *chunk)
{
	const struct area *area = find(chunk);

	return area ? area->direct : chunk;
}

unsigned long quarry_escape_owner(const void *ptr)
{
	const struct area *area = find(ptr);

	return area ? READ_ONCE(area->owner) : 0;
}

static void drain(struct work_struct *work)
{
	quarry_escape_drain();
}

static DECLARE_DELAYED_WORK(drain_work, drain);

static void kick_drain(struct irq_work *work)
{
	bool many = READ_ONCE(nr_pages_in[STATE_RETIRED]) >= BATCH_PAGES;

	mod_delayed_work(system_unbound_wq, &drain_work, many ? 0 : BATCH_DELAY);
}

static struct irq_work drain_kick;

static u64 now(void)
{
	/* In any context: it reads what may just be changed, and then reads it again. */
	return data_race(ktime_get_mono_fast_ns());
}

bool quarry_escape_retire(void *chunk, bool destroyed)
{
	struct area *area = find(chunk);
	unsigned long flags;
	bool first, many;

	if (!area)
		return false;
	/* Nobody finds the arena by its pages any more. */
	quarry_chunk_set_owner(area->direct, area->nr_pages, QUARRY_OWNER_NONE);
	area->destroyed = destroyed;
	area->when = now();
	area->pid = task_pid_nr(current);
	strscpy(area->comm, current->comm, sizeof(area->comm));
	WRITE_ONCE(area->owner, 0);
	quarry_window_unmap(addr_of(area), area->nr_pages);

	raw_spin_lock_irqsave(&lock, flags);
	first = list_empty(&lists[STATE_RETIRED]);
	many = nr_pages_in[STATE_RETIRED] < BATCH_PAGES;
	move(area, STATE_RETIRED);
	many &= nr_pages_in[STATE_RETIRED] >= BATCH_PAGES;
	nr_retired++;
	raw_spin_unlock_irqrestore(&lock, flags);
	if (first || many)
		irq_work_queue(&drain_kick);
	return true;
}

void quarry_escape_drain(void)
{
	struct area *area, *more;
	LIST_HEAD(batch);

	mutex_lock(&drain_mutex);
	raw_spin_lock_irq(&lock);
	list_splice_init(&lists[STATE_RETIRED], &batch);
	nr_batches += !list_empty(&batch);
	raw_spin_unlock_irq(&lock);
	if (list_empty(&batch))
		goto out;
	quarry_window_flush();
	list_for_each_entry_safe(area, more, &batch, node) {
		quarry_chunk_put(area->hp, area->kind, area->direct, area->nr_pages);
		raw_spin_lock_irq(&lock);
		move(area, STATE_QUARANTINED);
		while (nr_pages_in[STATE_QUARANTINED] > QUARANTINE_PAGES)
			release_oldest();
		raw_spin_unlock_irq(&lock);
	}
out:
	mutex_unlock(&drain_mutex);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_escape_drain);

/* === The window === */

static int create(void)
{
	struct area *new_areas = kvcalloc(NR_AREAS, sizeof(*new_areas), GFP_KERNEL);
	u16 *new_index = kvcalloc(QUARRY_WINDOW_PAGES, sizeof(*new_index), GFP_KERNEL);
	unsigned long *new_busy = bitmap_zalloc(QUARRY_WINDOW_PAGES, GFP_KERNEL);
	unsigned long start;
	int ret = -ENOMEM;
	unsigned int i;

	static_assert(NR_AREAS < U16_MAX);
	if (new_areas && new_index && new_busy)
		ret = quarry_window_create(&start);
	if (ret) {
		kvfree(new_areas);
		kvfree(new_index);
		bitmap_free(new_busy);
		return ret;
	}
	for (i = 0; i < NR_AREAS; i++)
		list_add_tail(&new_areas[i].node, &lists[STATE_FREE]);
	areas = new_areas;
	index_of = new_index;
	busy = new_busy;
	/* Pairs with smp_load_acquire() in quarry_window_has(). */
	smp_store_release(&quarry_window, start);
	return 0;
}

static int ensure_window(void)
{
	int ret = 0;

	mutex_lock(&create_mutex);
	if (!quarry_window)
		ret = create();
	mutex_unlock(&create_mutex);
	return ret;
}

static void create_later(struct work_struct *work)
{
	ensure_window();
}

static DECLARE_WORK(create_work, create_later);

static void kick_create(struct irq_work *work)
{
	queue_work(system_unbound_wq, &create_work);
}

static struct irq_work create_kick;

bool quarry_escape_wanted(unsigned int flags, gfp_t gfp)
{
	unsigned int every = READ_ONCE(quarry_escape_every);

	if (!(flags & QUARRY_ARENA_ESCAPE_CHECK) &&
	    (!every || (unsigned int)atomic_inc_return(&turn) % every))
		return false;
	if (READ_ONCE(quarry_window))
		return true;
	/* Who may not wait for all that it takes has arenas without, until it is there. */
	if ((gfp & GFP_KERNEL) != GFP_KERNEL || !quarry_may_call_kernel())
		irq_work_queue(&create_kick);
	else
		ensure_window();
	return true;
}

/* === Reports === */

static bool copy_found(const void *ptr, struct area *copy)
{
	const struct area *area = find(ptr);

	if (!area)
		return false;
	*copy = *area;
	return copy->state != STATE_FREE;
}

/*
 * Whose is, or was, @ptr?  In an oops there is no waiting for a lock, whose holder
 * may be what died.
 */
static bool copy_area(const void *ptr, struct area *copy)
{
	unsigned long flags;
	bool found;

	if (!raw_spin_trylock_irqsave(&lock, flags))
		return copy_found(ptr, copy);
	found = copy_found(ptr, copy);
	raw_spin_unlock_irqrestore(&lock, flags);
	return found;
}

bool quarry_arena_report_escape(const void *ptr)
{
	struct area area;
	u64 ms;

	/* The records of a module that goes stay until then. */
	rcu_read_lock();
	if (!copy_area(ptr, &area) || area.state == STATE_LIVE) {
		rcu_read_unlock();
		return false;
	}
	ms = div_u64(now() - area.when, NSEC_PER_MSEC);
	atomic64_inc(&nr_reported);
	quarry_report("escape: 0x%lx was in arena %s, generation %llu, created in %s, %s:%u\n",
		      (unsigned long)ptr, area.name, area.generation, area.site->function,
		      kbasename(area.site->file), area.site->line);
	quarry_report_more("escape: %s %llu ms ago by %s, pid %d\n",
			   area.destroyed ? "destroyed" : "reset", ms, area.comm, area.pid);
	rcu_read_unlock();
	return true;
}
EXPORT_SYMBOL_GPL(quarry_arena_report_escape);

/*
 * The kernel does not say which address an oops was about, and printing it may have faulted
 * again, so the registers are looked through as well: the stale pointer is in one of them.
 */
static int died(struct notifier_block *nb, unsigned long event, void *args)
{
	const struct die_args *die = args;
	const unsigned long *regs = (const unsigned long *)die->regs;
	unsigned int i;

	if (event != DIE_OOPS || quarry_arena_report_escape((const void *)quarry_fault_address()))
		return NOTIFY_DONE;
	for (i = 0; regs && i < sizeof(*die->regs) / sizeof(*regs); i++)
		if (quarry_arena_report_escape((const void *)regs[i]))
			break;
	return NOTIFY_DONE;
}

static struct notifier_block die_nb = { .notifier_call = died };

void quarry_escape_disown(struct module *mod)
{
	unsigned int i;

	if (!READ_ONCE(quarry_window))
		return;
	raw_spin_lock_irq(&lock);
	for (i = 0; i < NR_AREAS; i++)
		if (within_module((unsigned long)areas[i].site, mod))
			areas[i].site = &quarry_gone_site;
	raw_spin_unlock_irq(&lock);
}

void quarry_escape_get_stats(struct quarry_escape_stats *stats)
{
	raw_spin_lock_irq(&lock);
	stats->mapped = (u64)nr_pages_in[STATE_LIVE] << PAGE_SHIFT;
	stats->retired = (u64)nr_pages_in[STATE_RETIRED] << PAGE_SHIFT;
	stats->quarantined = (u64)nr_pages_in[STATE_QUARANTINED] << PAGE_SHIFT;
	stats->nr_retired = nr_retired;
	stats->nr_batches = nr_batches;
	stats->nr_unchecked = nr_unchecked;
	raw_spin_unlock_irq(&lock);
	stats->nr_reported = atomic64_read(&nr_reported);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_escape_get_stats);

/* === debugfs: escapes === */

static int escapes_show(struct seq_file *m, void *unused)
{
	struct quarry_escape_stats s;

	quarry_escape_get_stats(&s);
#define ROW(field, unit)	seq_printf(m, "%-16s %16llu  " unit "\n", #field, s.field)
	seq_printf(m, "%-16s %16s  %s\n", "what", "value", "unit");
	seq_printf(m, "%-16s %16u  %s\n", "escape_check", READ_ONCE(quarry_escape_every),
		   "1 in so many arenas (0: those that ask)");
	seq_printf(m, "%-16s %16lu  %s\n", "window",
		   READ_ONCE(quarry_window) ? (unsigned long)QUARRY_WINDOW_BYTES : 0, "bytes");
	ROW(mapped, "bytes");
	ROW(retired, "bytes");
	ROW(quarantined, "bytes");
	ROW(nr_retired, "chunks");
	ROW(nr_batches, "flushes");
	ROW(nr_unchecked, "chunks");
	ROW(nr_reported, "escapes");
#undef ROW
	return 0;
}

static int escapes_open(struct inode *inode, struct file *file)
{
	return single_open(file, escapes_show, NULL);
}

/* An address that is written is looked up; the log has what is known. */
static ssize_t escapes_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	unsigned long addr;
	int ret = kstrtoul_from_user(from, count, 0, &addr);

	if (ret)
		return ret;
	return quarry_arena_report_escape((const void *)addr) ? count : -ENOENT;
}

static const struct file_operations escapes_fops = {
	.owner = THIS_MODULE,
	.open = escapes_open,
	.read = seq_read,
	.write = escapes_write,
	.llseek = seq_lseek,
	.release = single_release,
};

void quarry_escape_debugfs_add(struct dentry *root)
{
	debugfs_create_file("escapes", 0600, root, NULL, &escapes_fops);
}

/* === Init and exit === */

int quarry_escape_init(void)
{
	enum state state;
	int ret;

	for (state = 0; state < NR_STATES; state++)
		INIT_LIST_HEAD(&lists[state]);
	init_irq_work(&drain_kick, kick_drain);
	init_irq_work(&create_kick, kick_create);
	ret = register_die_notifier(&die_nb);
	if (ret || !quarry_escape_every)
		return ret;
	ret = ensure_window();
	if (ret) {
		pr_err("parameter escape_check=%u: no window of addresses: error %d\n",
		       quarry_escape_every, ret);
		unregister_die_notifier(&die_nb);
	}
	return ret;
}

void quarry_escape_exit(void)
{
	unregister_die_notifier(&die_nb);
	irq_work_sync(&create_kick);
	cancel_work_sync(&create_work);
	irq_work_sync(&drain_kick);
	cancel_delayed_work_sync(&drain_work);
	if (!quarry_window)
		return;
	quarry_window_destroy(quarry_window);
	WRITE_ONCE(quarry_window, 0);
	kvfree(areas);
	kvfree(index_of);
	bitmap_free(busy);
}
