/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is done differently on each architecture: the page table of kernel addresses that
 * we own, and which address an oops was about.  Apart from compat.h, as few need it and it
 * drags in much.
 *
 * x86 exports a lookup, and a flush of one CPU's whole TLB; flush_tlb_kernel_range() and
 * init_mm are exported nowhere, so User-mode Linux, which needs both, can do it built in
 * only.
 */
#ifndef _QUARRY_COMPAT_ARCH_H
#define _QUARRY_COMPAT_ARCH_H

#include <linux/mm.h>
#include <linux/pgtable.h>

#include <asm/tlbflush.h>

/* User-mode Linux on x86_64 has CONFIG_X86_64, too. */
#if defined(CONFIG_X86_64) && !defined(CONFIG_UML)
#include <asm/special_insns.h>

#define QUARRY_HAVE_KERNEL_PTES	1

/* The address of this CPU's last page fault. */
static inline unsigned long quarry_fault_address(void)
{
	return read_cr2();
}

/* The entry of an address, or NULL if it has none of its own. */
static inline pte_t *quarry_kernel_pte(unsigned long addr)
{
	unsigned int level;
	pte_t *pte = lookup_address(addr, &level);

	return pte && level == PG_LEVEL_4K ? pte : NULL;
}

static inline void quarry_kernel_pte_set(unsigned long addr, pte_t *pte, pte_t value)
{
	set_pte(pte, value);
}

static inline void quarry_kernel_pte_clear(unsigned long addr, pte_t *pte)
{
	set_pte(pte, __pte(0));
}

/* This CPU forgets what it knows of addresses that were unmapped.  Preemption is off. */
static inline void quarry_kernel_tlb_flush(unsigned long start, unsigned long end)
{
	__flush_tlb_all();
}

#elif defined(CONFIG_UML) && !defined(MODULE)
#define QUARRY_HAVE_KERNEL_PTES	1

static inline pte_t *quarry_kernel_pte(unsigned long addr)
{
	return virt_to_kpte(addr);
}

static inline void quarry_kernel_pte_set(unsigned long addr, pte_t *pte, pte_t value)
{
	set_pte_at(&init_mm, addr, pte, value);
}

static inline void quarry_kernel_pte_clear(unsigned long addr, pte_t *pte)
{
	pte_clear(&init_mm, addr, pte);
}

static inline void quarry_kernel_tlb_flush(unsigned long start, unsigned long end)
{
	flush_tlb_kernel_range(start, end);
}

#else
#define QUARRY_HAVE_KERNEL_PTES	0

static inline pte_t *quarry_kernel_pte(unsigned long addr)
{
	return NULL;
}

static inline void quarry_kernel_pte_set(unsigned long addr, pte_t *pte, pte_t value)
{
}

static inline void quarry_kernel_pte_clear(unsigned long addr, pte_t *pte)
{
}

static inline void quarry_kernel_tlb_flush(unsigned long start, unsigned long end)
{
}
#endif

#if !defined(CONFIG_X86_64) || defined(CONFIG_UML)
static inline unsigned long quarry_fault_address(void)
{
	return 0;
}
#endif

#endif /* _QUARRY_COMPAT_ARCH_H */
