// SPDX-License-Identifier: GPL-2.0
/*
 * Capacity: how large the magazines of a front are.
 *
 * It starts at 14 objects, or fewer if those were more than 28 KiB, and doubles, up
 * to a cap in bytes of objects (the heap's knob magazine_bytes), when a depot is busy
 * (Bonwick and Adams 2001, 3.2, 4.4).  Two things make a depot busy: magazines that
 * go through it or are refilled, each of which costs about as much as some ten
 * objects out of a magazine; and a lock that was not free at once.  What is asked for
 * is 8 x CPUs magazines, and once more for each 4 KiB of objects that a magazine holds
 * already: a larger one shall save the more, the more it costs.
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
/* A depot's full magazines hold objects worth so many magazines of the cap. */
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
	/* Once it cannot grow any more, nobody needs to look. */
	WRITE_ONCE(mags->busy, capacity < mags->max_capacity ?
		   BUSY_EXCHANGES * num_online_cpus() * (1 + capacity * mags->size / BUSY_BYTES) :
		   ULONG_MAX);
}

/* Nobody moves magazines: the front is stopped, or new. */
void quarry_mags_resize(struct quarry_mags *mags, unsigned int bytes)
{
	unsigned int most = capacity_for(bytes, mags->size);

	mags->start_capacity = start_capacity(mags->size, most);
	WRITE_ONCE(mags->max_capacity, most);
	set_capacity(mags, clamp(mags->capacity, mags->start_capacity, most));
	mags->max_full = clamp_t(size_t, (size_t)bytes * DEPOT_SHARE / (mags->size * most), 2, 64);
}
EXPORT_SYMBOL_QUARRY_KUNIT(quarry_mags_resize);

/* === Growing; under a depot's lock === */

static void grow(struct quarry_mags *mags, unsigned int capacity)
{
	set_capacity(mags, min(capacity, mags->max_capacity));
}

void quarry_depot_count_exchange(struct quarry_mags *mags, struct quarry_depot *depot)
{
	lockdep_assert_held(&depot->lock);
	if (++depot->busy < READ_ONCE(mags->busy))
		return;
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
