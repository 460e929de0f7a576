// SPDX-License-Identifier: GPL-2.0
/*
 * What a module that goes leaves behind.
 *
 * Call-site records, names, constructors and reclaimers are in the memory of the
 * module that gave them.  When it goes (the notifier is called after its exit
 * function, before its memory is freed) what it left in any heap is reported and
 * whatever points into it is forgotten.
 *
 * Locking: heaps_mutex, in it pressure->mutex or heap->mutex.
 */
#define pr_fmt(fmt) "quarry: " fmt

#include <linux/module.h>
#include <linux/rcupdate.h>

#include "escape.h"
#include "heap.h"
#include "internal.h"

static void disown_cache(struct quarry_slab_cache *sc, void *arg)
{
	struct module *mod = arg;

	if (within_module((unsigned long)sc->ctor, mod)) {
		quarry_report("cache %s: its constructor goes with module %s, no new slabs\n",
			      sc->name, module_name(mod));
		WRITE_ONCE(sc->dead, true);
		/* Pairs with smp_rmb() in prepare_slab(): who sees none sees dead. */
		smp_wmb();
		WRITE_ONCE(sc->ctor, NULL);
	}
	if (!within_module((unsigned long)sc->site, mod))
		return;
	quarry_report("module %s leaves cache %s behind (made in %s, %s:%u)\n", module_name(mod),
		      sc->name, sc->site->function, sc->site->file, sc->site->line);
	sc->site = &quarry_gone_site;
}

static void disown_heap(struct quarry_heap_priv *hp, void *arg)
{
	struct module *mod = arg;
	unsigned long arenas = quarry_arenas_disown(hp, mod);

	if (arenas)
		quarry_report("module %s leaves %lu arenas behind in heap %s\n", module_name(mod),
			      arenas, hp->name);
	quarry_pressure_disown(&hp->pressure, mod);
	quarry_owners_disown(hp, mod);
	mutex_lock(&hp->mutex);
	quarry_heap_walk_caches(hp, disown_cache, mod);
	quarry_pools_disown(hp, mod);
	quarry_rings_disown(hp, mod);
	/* What is running of it, or a report that names a site, ends before it goes. */
	synchronize_rcu();
	if (within_module((unsigned long)hp->site, mod)) {
		quarry_report("module %s leaves heap %s behind (made in %s, %s:%u)\n",
			      module_name(mod), hp->name, hp->site->function, hp->site->file,
			      hp->site->line);
		hp->site = &quarry_gone_site;
		hp->owner = NULL;
	}
	mutex_unlock(&hp->mutex);
}

void quarry_heaps_disown(struct module *mod)
{
	quarry_escape_disown(mod);
	quarry_heaps_walk(disown_heap, mod);
}
