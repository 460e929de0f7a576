// SPDX-License-Identifier: GPL-2.0
/*
 * The budget of a heap's CPUs: set up and torn down here, kept by capacity.c.
 *
 * Locking: none.
 */
#include <linux/errno.h>
#include <linux/percpu.h>

#include "budget.h"
#include "fault.h"

int quarry_budget_init(struct quarry_budget *budget, unsigned long bound)
{
	if (quarry_fault(QUARRY_FAULT_HEAP, sizeof(*budget->cpu)))
		return -ENOMEM;
	budget->cpu = alloc_percpu(struct quarry_budget_cpu);
	budget->bound = bound;
	return budget->cpu ? 0 : -ENOMEM;
}

void quarry_budget_fini(struct quarry_budget *budget)
{
	free_percpu(budget->cpu);
}
