// SPDX-License-Identifier: GPL-2.0
/*
 * The window: a range of kernel addresses of our own.
 *
 * vmap() and vunmap() sleep, and what vunmap() lets go is anyone's address as soon as the
 * kernel pleases.  So one vmap() takes a large range, once, with some page that does for
 * all of it; this builds the page tables.  The entries are cleared then, and from there on
 * belong to us: pages are put behind addresses and taken away from there in any context, with no
 * memory needed, and which address is used again when is our own decision.
 *
 * An address behind which there was nothing needs no flush to get something.
 *
 * Locking: none here; a caller owns the range that it maps or unmaps.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>

#include "compat_arch.h"
#include "internal.h"
#include "window.h"

unsigned long quarry_window;

static bool has_tables(unsigned long start)
{
	unsigned long addr;

	for (addr = start; addr < start + QUARRY_WINDOW_BYTES; addr += PAGE_SIZE)
		if (!quarry_kernel_pte(addr))
			return false;
	return true;
}

static void flush_range(unsigned long start)
{
	quarry_kernel_tlb_flush(start, start + QUARRY_WINDOW_BYTES);
}

static void flush_one(void *start)
{
	flush_range((unsigned long)start);
}

bool quarry_window_possible(void)
{
	return QUARRY_HAVE_KERNEL_PTES;
}

int quarry_window_create(unsigned long *start)
{
	struct page **pages, *page;
	unsigned long i;
	void *range;
	int ret = -ENOMEM;

	if (!quarry_window_possible())
		return -EOPNOTSUPP;
	page = alloc_page(GFP_KERNEL);
	pages = kvmalloc_array(QUARRY_WINDOW_PAGES, sizeof(*pages), GFP_KERNEL);
	if (!page || !pages)
		goto out;
	for (i = 0; i < QUARRY_WINDOW_PAGES; i++)
		pages[i] = page;
	range = vmap(pages, QUARRY_WINDOW_PAGES, VM_MAP, PAGE_KERNEL_RO);
	if (!range)
		goto out;
	*start = (unsigned long)range;
	if (!has_tables(*start)) {
		vunmap(range);
		ret = -EOPNOTSUPP;
		goto out;
	}
	quarry_window_unmap(*start, QUARRY_WINDOW_PAGES);
	on_each_cpu(flush_one, range, 1);
	ret = 0;
out:
	kvfree(pages);
	if (page)
		__free_page(page);
	return ret;
}

void quarry_window_destroy(unsigned long start)
{
	vunmap((void *)start);
}

void quarry_window_map(unsigned long addr, const void *direct, unsigned long nr_pages)
{
	unsigned long pfn = PHYS_PFN(__pa(direct));

	for (; nr_pages; nr_pages--, addr += PAGE_SIZE, pfn++)
		quarry_kernel_pte_set(addr, quarry_kernel_pte(addr), pfn_pte(pfn, PAGE_KERNEL));
}

void quarry_window_unmap(unsigned long addr, unsigned long nr_pages)
{
	for (; nr_pages; nr_pages--, addr += PAGE_SIZE)
		quarry_kernel_pte_clear(addr, quarry_kernel_pte(addr));
}

void quarry_window_flush_here(void)
{
	unsigned long flags;

	local_irq_save(flags);
	flush_range(quarry_window);
	local_irq_restore(flags);
}

void quarry_window_flush(void)
{
	on_each_cpu(flush_one, (void *)quarry_window, 1);
}
