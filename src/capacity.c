// SPDX-License-Identifier: GPL-2.0
/*
 * Capacity: how large the magazines of a front are.
 *
 * It starts at 14 objects, or fewer if those were more than 28 KiB, and doubles, up
 * to a cap in bytes of objects (the heap's knob magazine_bytes), when a depot is busy
 * (Bonwick and Adams 2001, 3.2, 4.4).  Two things make a depot busy: magazines that
 * go through it or are refilled, and parts that go below, each of which costs about as
 * much as some ten objects out of a magazine; and a lock that was not free at once.
 * What is asked for is 8 x CPUs magazines, and once more for each 4 KiB of objects that
 * a magazine holds already: a larger one shall save the more, the more it costs.
 *
 * Capacity also grows to what bulk calls free at a time.
 *
 * Locking: depot->lock of any depot for growth, which two may do at a time: then one of
 * them is lost.
 */
#include <linux/cpumask.h>
#include <linux/minmax.h>

#include "depot.h"
#include "internal.h"

/* A magazine is a power of two of bytes: 16 bytes of head and 8 per object. */
#define MIN_CAPACITY		6U
#define START_CAPACITY		14U
/* With three objects of 8 KiB, or six pages, four of them hold no more than 112 KiB. */
#define START_BYTES		(28U << 10)
/* Exchanges per CPU that make small magazines grow. */
#define BUSY_EXCHANGES		8U
/* So many bytes of objects in a magazine ask for as many exchanges again. */
#define BUSY_BYTES		4096U
/* A CPU that did not use a front for so many ticks, a half-life of idle pages, is drained. */
#define IDLE_TICKS		8U
/* A depot's full magazines hold objects worth so many magazines of the cap, or more. */
#define DEPOT_SHARE		8

static unsigned int larger(unsigned int capacity)
{
	return 2 * capacity + 2;
}

/* 126, 62, 30, 14, 6, 3, 1 */
static unsigned int smaller(unsigned int capacity)
{
	return capacity > MIN_CAPACITY ? capacity / 2 - 1 : capacity / 2;
}

/* Largest capacity (2^i - 2, but for large objects) that holds no more than @bytes. */
static unsigned int capacity_for(size_t bytes, size_t size)
{
	unsigned int capacity = QUARRY_MAGAZINE_MAX_CAPACITY;

	while (capacity > MIN_CAPACITY && capacity * size > bytes)
		capacity = smaller(capacity);
	return capacity * size > bytes ? max_t(size_t, bytes / size, 1) : capacity;
}

static unsigned int start_capacity(size_t size, unsigned int most)
{
	unsigned int capacity = min(most, START_CAPACITY);

	while (capacity > 1 && capacity * size > START_BYTES)
		capacity = smaller(capacity);
	return capacity;
}

/* Under the lock of any depot, or while nobody moves magazines. */
static void set_capacity(struct quarry_mags *mags, unsigned int capacity)
{
	WRITE_ONCE(mags->capacity, capacity);
	WRITE_ONCE(mags->max_full, clamp_t(size_t, (size_t)mags->bytes * DEPOT_SHARE /
						   (mags->size * capacity), 2, 64));
	/* Once it cannot grow any more, nobody needs to look. */
	WRITE_ONCE(mags->busy, capacity < mags->max_capacity ?
		   BUSY_EXCHANGES * num_online_cpus() * (1 + capacity * mags->size / BUSY_BYTES) :
		   ULONG_MAX);
}

/* Nobody moves magazines: the front is stopped, or new. */
void quarry_mags_resize(struct quarry_mags *mags, unsigned int bytes)
{
	unsigned int most = capacity_for(bytes, mags->size);

	mags->bytes = bytes;
	mags->start_capacity = start_capacity(mags->size, most);
	WRITE_ONCE(mags->max_capacity, most);
	set_capacity(mags, clamp(mags->capacity, mags->start_capacity, most));
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_resize);

/* === Growing; under a depot's lock === */

static void grow(struct quarry_mags *mags, unsigned int capacity)
{
	set_capacity(mags, min(capacity, mags->max_capacity));
}

void quarry_depot_outgrown(struct quarry_mags *mags, struct quarry_depot *depot)
{
	lockdep_assert_held(&depot->lock);
	depot->nr_exchanges += depot->busy;
	depot->busy = 0;
	if (mags->capacity < mags->max_capacity)
		grow(mags, larger(mags->capacity));
}

void quarry_mags_make_room(struct quarry_mags *mags, unsigned int nr)
{
	unsigned int capacity = mags->capacity;

	if (likely(capacity >= min(nr, mags->max_capacity)))
		return;
	while (capacity < min(nr, mags->max_capacity))
		capacity = larger(capacity);
	grow(mags, capacity);
}

/* === What a CPU may hold === */

static unsigned long room_of(const struct quarry_mags *mags, const struct quarry_magazine *mag)
{
	return mag->capacity * mags->size;
}

/* Too much is cached, so magazines of this front become smaller. */
static void refuse(struct quarry_mags *mags, struct quarry_budget_cpu *b)
{
	atomic_long_inc(&b->nr_refused);
	set_capacity(mags, max(smaller(mags->capacity), mags->start_capacity));
}

void quarry_mags_charge(struct quarry_mags *mags, const struct quarry_magazine *mag)
{
	if (mags->budget)
		atomic_long_add(room_of(mags, mag), &this_cpu_ptr(mags->budget->cpu)->held);
}

struct quarry_magazine *quarry_mags_install_other(struct quarry_mags *mags, struct quarry_cpu *c,
						  struct quarry_magazine *mag)
{
	struct quarry_budget_cpu *b;
	long leaves, more;

	if (!mags->budget)
		return quarry_cpu_exchange(c, mag);
	b = this_cpu_ptr(mags->budget->cpu);
	leaves = room_of(mags, READ_ONCE(c->previous));
	more = room_of(mags, mag) - leaves;
	/* Interrupts may add to what this CPU holds meanwhile, nobody else does. */
	if (more > 0 && atomic_long_add_return(more, &b->held) >
			(long)READ_ONCE(mags->budget->bound)) {
		atomic_long_sub(more, &b->held);
		refuse(mags, b);
		return mag;
	}
	if (more < 0)
		atomic_long_add(more, &b->held);
	mag = quarry_cpu_exchange(c, mag);
	/* As in quarry_mags_install(). */
	leaves -= room_of(mags, mag);
	if (unlikely(leaves))
		atomic_long_add(leaves, &b->held);
	return mag;
}

void quarry_mags_detach_cpu(struct quarry_mags *mags, unsigned int cpu,
			    struct quarry_magazine **list)
{
	struct quarry_cpu *c = per_cpu_ptr(mags->front->cpu, cpu);
	/* Pairs with READ_ONCE() in the inline paths and xchg() in quarry_cpu_exchange(). */
	struct quarry_magazine *loaded = xchg(&c->loaded, &quarry_empty_magazine);
	struct quarry_magazine *previous = xchg(&c->previous, &quarry_empty_magazine);

	if (mags->budget)
		atomic_long_sub(room_of(mags, loaded) + room_of(mags, previous),
				&per_cpu_ptr(mags->budget->cpu, cpu)->held);
	quarry_magazine_chain(list, loaded);
	quarry_magazine_chain(list, previous);
}

/* === Falling back: ticks === */

/* The magazines of @from that nobody wanted move to @to. */
static void take_least(struct quarry_mag_list *from, struct quarry_magazine **to)
{
	unsigned int nr = from->least;

	while (nr--)
		quarry_magazine_chain(to, quarry_mag_pop(from));
	from->least = from->nr;
}

/* What the depot never was without since the last tick goes.  True if something is left. */
static bool settle_depot(struct quarry_mags *mags, struct quarry_depot *depot,
			 unsigned long *nr_exchanges)
{
	struct quarry_magazine *list = NULL;
	unsigned long flags;
	bool any;

	/* At most QUARRY_DEPOT_MOST full magazines, and fewer empty ones. */
	raw_spin_lock_irqsave(&depot->lock, flags);
	take_least(&depot->full, &list);
	take_least(&depot->empty, &list);
	depot->nr_exchanges += depot->busy;
	if (!depot->nr_exchanges && depot->incoming) {
		quarry_magazine_chain(&list, depot->incoming);
		depot->incoming = NULL;
	}
	any = depot->full.nr || depot->empty.nr || depot->incoming;
	*nr_exchanges += depot->nr_exchanges;
	depot->nr_exchanges = 0;
	depot->busy = 0;
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	quarry_magazines_retire(mags, list);
	return any;
}

static u32 events_of(const struct quarry_cpu *c)
{
	return READ_ONCE(c->nr_alloc) + READ_ONCE(c->nr_free) +
	       READ_ONCE(c->nr_alloc_previous) + READ_ONCE(c->nr_free_previous);
}

/* A CPU that left the front alone for long loses its magazines.  True if it has any. */
static bool settle_cpu(struct quarry_mags *mags, unsigned int cpu)
{
	struct quarry_cpu *c = per_cpu_ptr(mags->front->cpu, cpu);
	struct quarry_budget_cpu *b;
	unsigned int patience = IDLE_TICKS;
	u32 events = events_of(c);

	if (READ_ONCE(c->loaded) == &quarry_empty_magazine &&
	    READ_ONCE(c->previous) == &quarry_empty_magazine)
		return false;
	if (mags->budget) {
		b = per_cpu_ptr(mags->budget->cpu, cpu);
		/* Somebody needs the room. */
		if (atomic_long_read(&b->nr_refused) != b->nr_seen)
			patience = 1;
	}
	if (events != c->seen)
		WRITE_ONCE(c->idle, 0);
	else
		WRITE_ONCE(c->idle, c->idle + 1);
	WRITE_ONCE(c->seen, events);
	if (c->idle < patience)
		return true;
	WRITE_ONCE(c->idle, 0);
	quarry_mags_detach_cpu(mags, cpu, &mags->detached);
	return false;
}

bool quarry_mags_fall_back(struct quarry_mags *mags)
{
	unsigned long nr_exchanges = 0;
	unsigned int cpu;
	bool any = false;
	int node;

	if (quarry_mags_is_cold(mags))
		return false;
	for (node = 0; node < nr_node_ids; node++)
		any |= settle_depot(mags, &mags->depots[node], &nr_exchanges);
	for_each_possible_cpu(cpu)
		any |= settle_cpu(mags, cpu);
	if (nr_exchanges >= num_online_cpus())
		return true;
	/* A tick's growth at the same time may be lost, but not for long. */
	set_capacity(mags, max(smaller(mags->capacity), mags->start_capacity));
	return any || mags->capacity > mags->start_capacity;
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_fall_back);
