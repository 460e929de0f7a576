// SPDX-License-Identifier: GPL-2.0
/*
 * Notes of who holds or freed what, put into words, and forgotten with a module.
 *
 * Call-site records and code are in the memory of client modules.  A note is read with
 * preemption off; when a module goes, its addresses are replaced in all notes before
 * a grace period that its memory waits for (disown.c).
 *
 * Locking: none; a note changes by single words.
 */
#include <linux/module.h>
#include <linux/preempt.h>

#include "internal.h"
#include "note.h"

const struct quarry_site quarry_gone_site = {
	.file = "(module gone)",
	.function = "(module gone)",
};

/* Shifting it back copies the highest bit. */
static unsigned long freed_by(unsigned long state)
{
	return (long)state >> 1;
}

void quarry_note_explain(const struct quarry_note *note, unsigned long state)
{
	const struct quarry_site *site = READ_ONCE(note->site);

	if (!site) {
		quarry_report_more("it was never allocated\n");
		return;
	}
	/* What freed the object for us has an address of ours. */
	if ((state & QUARRY_NOTE_FREE) && freed_by(state))
		quarry_report_more("freed by %pS\n", (void *)freed_by(state));
	quarry_report_more("allocated in %s, %s:%u\n", site->function, site->file, site->line);
}

void quarry_note_disown(struct quarry_note *note, struct module *mod)
{
	const struct quarry_site *site = READ_ONCE(note->site);
	unsigned long state = READ_ONCE(note->state);

	/* Who allocates or frees it meanwhile is of another module, and stays. */
	if (site && within_module((unsigned long)site, mod))
		cmpxchg(&note->site, site, &quarry_gone_site);
	if ((state & QUARRY_NOTE_FREE) && within_module(freed_by(state), mod))
		cmpxchg(&note->state, state, QUARRY_NOTE_FREE);
}
