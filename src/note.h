/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Notes: what a heap that tracks remembers of each object and run of pages, out of band:
 * who holds it since when or, once it is free, who freed it.
 */
#ifndef _QUARRY_NOTE_H
#define _QUARRY_NOTE_H

#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/types.h>

#include <quarry/site.h>

struct module;

/*
 * Belongs to whoever holds the object, but that the one who frees it makes it free by
 * cmpxchg(): of two that free the same object one is told.  An address loses its highest
 * bit, which is the same as the next one in all addresses of the kernel.
 */
struct quarry_note {
	const struct quarry_site *site;	/* where it was allocated last; NULL: never yet */
	unsigned long state;		/* live: jiffies * 2; free: who freed it * 2 + 1 */
};

#define QUARRY_NOTE_FREE	1UL	/* by nobody known */

static inline void quarry_notes_init(struct quarry_note *notes, unsigned long nr)
{
	while (nr--)
		notes[nr] = (struct quarry_note) { .state = QUARRY_NOTE_FREE };
}

static inline bool quarry_note_is_free(const struct quarry_note *note)
{
	return READ_ONCE(note->state) & QUARRY_NOTE_FREE;
}

/* The object is about to be handed out; who calls has it alone. */
static inline void quarry_note_alloc(struct quarry_note *note, const struct quarry_site *site)
{
	WRITE_ONCE(note->site, site);
	/* Pairs with smp_load_acquire() in quarry_note_read(): the site comes first. */
	smp_store_release(&note->state, jiffies * 2);
}

/* Returns 0 if the object was live and is free now, else what state it is in. */
static inline unsigned long quarry_note_free(struct quarry_note *note, unsigned long caller)
{
	unsigned long old = READ_ONCE(note->state);

	if (old & QUARRY_NOTE_FREE)
		return old;
	if (cmpxchg(&note->state, old, caller << 1 | QUARRY_NOTE_FREE) == old)
		return 0;
	return READ_ONCE(note->state) | QUARRY_NOTE_FREE;
}

/* Since when, in jiffies, is it live?  False if it is not. */
static inline bool quarry_note_read(const struct quarry_note *note,
				    const struct quarry_site **site, unsigned long *age)
{
	/* Pairs with smp_store_release() in quarry_note_alloc(). */
	unsigned long state = smp_load_acquire(&note->state);

	if (state & QUARRY_NOTE_FREE)
		return false;
	*age = (jiffies * 2 - state) / 2;
	*site = READ_ONCE(note->site);
	return true;
}

/*
 * Lines that go with a report: by whom was it freed, if @state says so, and where was it
 * allocated.  Preemption is off, so that the record of a call site stays.
 */
void quarry_note_explain(const struct quarry_note *note, unsigned long state);

/* Forgets what is in the memory of a module that goes; a grace period later nobody looks. */
void quarry_note_disown(struct quarry_note *note, struct module *mod);

/* Stands for call sites in modules that are gone. */
extern const struct quarry_site quarry_gone_site;

#endif /* _QUARRY_NOTE_H */
