// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_cpu_area: the per-CPU areas of fronts.
 */
#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/string.h>
#include "../src/cpu_area.h"
#include "helpers.h"

#define NR_AREAS	40	/* more than two blocks have */

static void soil_area(struct quarry_cpu __percpu *area)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(area, cpu), 0x5a, sizeof(struct quarry_cpu));
}

static void expect_clean_area(struct kunit *test, struct quarry_cpu __percpu *area)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		const struct quarry_cpu *c = per_cpu_ptr(area, cpu);
		struct quarry_cpu clean = { .loaded = c->loaded, .previous = c->loaded };

		/* The one that is never able to give or to take. */
		KUNIT_EXPECT_EQ(test, c->loaded->capacity, 0U);
		KUNIT_EXPECT_EQ(test, memcmp(c, &clean, sizeof(clean)), 0);
	}
}

/* Areas of fronts come out of shared blocks: each is another one, and as new. */
static void areas_are_as_new(struct kunit *test)
{
	struct quarry_cpu __percpu *areas[NR_AREAS];
	struct quarry_cpu_block *blocks[NR_AREAS];
	unsigned int i, j, round, nr_blocks = 1;

	for (round = 0; round < 3; round++) {
		/* The first time all, then every third. */
		for (i = 0; i < NR_AREAS; i += round ? 3 : 1) {
			areas[i] = quarry_cpu_area_alloc(&blocks[i], GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, (__force void *)areas[i]);
			expect_clean_area(test, areas[i]);
			soil_area(areas[i]);
		}
		for (i = 0; i < NR_AREAS; i++)
			for (j = 0; j < i; j++)
				KUNIT_EXPECT_TRUE_MSG(test, areas[i] != areas[j], "%u and %u",
						      i, j);
		for (i = 0; round < 2 && i < NR_AREAS; i += 3)
			quarry_cpu_area_free(blocks[i], areas[i]);
	}
	for (i = 1; i < NR_AREAS; i++)
		nr_blocks += blocks[i] != blocks[i - 1];
	KUNIT_EXPECT_GE(test, nr_blocks, 3U);
	/* What is freed last lets go of the block. */
	for (i = NR_AREAS; i--;)
		quarry_cpu_area_free(blocks[i], areas[i]);
}

static struct kunit_case cpu_area_cases[] = {
	KUNIT_CASE(areas_are_as_new),
	{}
};

struct kunit_suite quarry_cpu_area_suite = {
	.name = "quarry_cpu_area",
	.test_cases = cpu_area_cases,
};
