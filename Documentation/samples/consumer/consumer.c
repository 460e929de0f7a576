// SPDX-License-Identifier: GPL-2.0
/*
 * A sample caller of Quarry: a module with a heap of its own, an object cache
 * and an arena, built outside Quarry's tree against what `make install` puts
 * down (see README.md).
 *
 * It keeps a list of sessions.  The sessions are equal and come and go one by
 * one, so they are objects of a cache.  Their names have all sizes and go
 * together with the list, so they are in an arena: nobody frees them one by
 * one.  While the module is loaded, /sys/kernel/debug/quarry/consumer/ shows
 * both.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/numa.h>
#include <quarry/arena.h>
#include <quarry/cache.h>
#include <quarry/heap.h>

#define NR_SESSIONS	1000

struct session {
	struct list_head node;
	unsigned int id;
	const char *name;	/* in the arena */
};

/* Filled and emptied by init and exit only, so that no lock is needed. */
static LIST_HEAD(sessions);
static struct quarry_heap *heap;
static struct quarry_cache *session_cache;
static struct quarry_arena *names;

static int add_session(unsigned int id)
{
	static const char * const places[] = { "gate", "north quarry", "office" };
	struct session *session;

	session = quarry_cache_alloc(session_cache, GFP_KERNEL);
	if (!session)
		return -ENOMEM;
	session->id = id;
	session->name = quarry_arena_strdup(names, places[id % ARRAY_SIZE(places)], GFP_KERNEL);
	if (!session->name) {
		quarry_cache_free(session_cache, session);
		return -ENOMEM;
	}
	list_add_tail(&session->node, &sessions);
	return 0;
}

/* Objects of a cache are freed one by one; the names go with their arena. */
static void remove_sessions(void)
{
	struct session *session, *next;

	list_for_each_entry_safe(session, next, &sessions, node) {
		list_del(&session->node);
		quarry_cache_free(session_cache, session);
	}
}

static int __init consumer_init(void)
{
	const struct quarry_heap_params heap_params = {
		.name = "consumer",
		.limit = 4 << 20,	/* bytes: a fault here cannot eat the machine */
		QUARRY_HEAP_DEFAULTS,
	};
	/* Strings hold no pointers: QUARRY_DATA keeps them away from what does. */
	const struct quarry_arena_params names_params = {
		.name = "names",
		.flags = QUARRY_DATA,
	};
	unsigned int id;
	int ret;

	heap = quarry_heap_create(&heap_params);
	if (IS_ERR(heap))
		return PTR_ERR(heap);
	session_cache = QUARRY_CACHE(heap, struct session, 0);
	if (IS_ERR(session_cache)) {
		ret = PTR_ERR(session_cache);
		goto err_heap;
	}
	names = quarry_arena_create(heap, &names_params, GFP_KERNEL);
	if (IS_ERR(names)) {
		ret = PTR_ERR(names);
		goto err_cache;
	}
	for (id = 0; id < NR_SESSIONS; id++) {
		ret = add_session(id);
		if (ret)
			goto err_sessions;
	}
	pr_info("%u sessions are in heap 'consumer'\n", NR_SESSIONS);
	return 0;

err_sessions:
	remove_sessions();
	quarry_arena_destroy(names);
err_cache:
	quarry_cache_destroy(session_cache);
err_heap:
	quarry_heap_destroy(heap);
	return ret;
}

static void __exit consumer_exit(void)
{
	remove_sessions();
	quarry_arena_destroy(names);
	quarry_cache_destroy(session_cache);
	quarry_heap_destroy(heap);
	pr_info("all freed\n");
}

module_init(consumer_init);
module_exit(consumer_exit);

MODULE_DESCRIPTION("Sample caller of the Quarry allocator");
MODULE_LICENSE("GPL");
