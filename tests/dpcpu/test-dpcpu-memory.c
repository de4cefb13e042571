/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where per-CPU memory lies and when it comes into being, with 64 CPUs of which most never run.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <uvnet/counter.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>
#include <uvnet/vnet.h>
#include <cmocka.h>

#define PAGE 4096
#define PAGES 16
#define COUNTERS (4 * PAGE / sizeof(uint64_t))

struct page {
	char bytes[PAGES * PAGE];
} __attribute__((aligned(PAGE)));

struct line {
	char c;
} __attribute__((aligned(64)));

DPCPU_DEFINE_STATIC(char, first) = 'f';
DPCPU_DEFINE_STATIC(struct line, line);
DPCPU_DEFINE_STATIC(char, between) = 'b';
DPCPU_DEFINE_STATIC(struct page, zeros);
DPCPU_DEFINE_STATIC(long double, wide) = 1.5L;

/* Pages of this CPU's zeros that there are. */
static unsigned
pages_of(unsigned cpu)
{
	unsigned char vec[PAGES];
	unsigned n = 0;

	assert_int_equal(mincore(DPCPU_ID_PTR(cpu, zeros), sizeof(struct page), vec), 0);
	for (int i = 0; i < PAGES; i++)
		n += vec[i] & 1;
	return (n);
}

/* To the first CPU that we may run on. */
static unsigned
pin(cpu_set_t *saved)
{
	unsigned cpu = 0;
	cpu_set_t one;

	assert_int_equal(sched_getaffinity(0, sizeof(*saved), saved), 0);
	while (!CPU_ISSET(cpu, saved))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	return (cpu);
}

static void
zero_filled_parts_are_untouched(void **state)
{
	unsigned i;

	(void)state;
	CPU_FOREACH (i)
		assert_int_equal(pages_of(i), 0);
}

static void
every_instance_is_aligned_and_begins_with_the_template(void **state)
{
	unsigned i;

	(void)state;
	assert_true(mp_ncpus >= 64);
	CPU_FOREACH (i) {
		assert_int_equal((uintptr_t)DPCPU_ID_PTR(i, line) % 64, 0);
		assert_int_equal((uintptr_t)DPCPU_ID_PTR(i, zeros) % PAGE, 0);
		assert_int_equal((uintptr_t)DPCPU_ID_PTR(i, wide) % _Alignof(long double), 0);
		assert_int_equal(DPCPU_ID_GET(i, first), 'f');
		assert_int_equal(DPCPU_ID_GET(i, between), 'b');
		assert_true(DPCPU_ID_GET(i, wide) == 1.5L);
	}
}

static void
a_cpu_that_never_runs_has_no_pages(void **state)
{
	cpu_set_t saved;
	unsigned cpu, i;

	(void)state;
	cpu = pin(&saved);
	for (i = 0; i < PAGES; i++)
		DPCPU_PTR(zeros)->bytes[i * PAGE] = 1;
	CPU_FOREACH (i)
		assert_int_equal(pages_of(i), i == cpu ? PAGES : 0);
	assert_int_equal(sched_setaffinity(0, sizeof(saved), &saved), 0);
}

static void
a_cpu_that_never_counts_costs_a_counter_nothing(void **state)
{
	static counter_u64_t c[COUNTERS];
	const size_t before = counter_resident();
	cpu_set_t saved;

	(void)state;
	pin(&saved);
	assert_int_equal(COUNTER_ARRAY_ALLOC(c, COUNTERS, M_WAITOK), 0);
	assert_int_equal(counter_resident(), before);
	for (size_t i = 0; i < COUNTERS; i++)
		counter_u64_add(c[i], 1);
	assert_int_equal(counter_resident() - before, COUNTERS * sizeof(uint64_t));	/* of one CPU */
	COUNTER_ARRAY_FREE(c, COUNTERS);
	assert_int_equal(counter_resident(), before);
	assert_int_equal(sched_setaffinity(0, sizeof(saved), &saved), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_filled_parts_are_untouched),
		cmocka_unit_test(every_instance_is_aligned_and_begins_with_the_template),
		cmocka_unit_test(a_cpu_that_never_runs_has_no_pages),
		cmocka_unit_test(a_cpu_that_never_counts_costs_a_counter_nothing),
	};
	const struct vnet_config config = { .max = 2 };
	struct uverr err = { "" };
	int error;

	setenv("UVNET_NCPU", "64", 1);
	if (vset_window_init(&err) != 0 || ((error = dpcpu_init(&err)) != 0 && error != -ENOTSUP)) {
		print_error("%s\n", err.text);
		return (1);
	}
	if (error == -ENOTSUP) {	/* the path that UVNET_RSEQ forces is not here */
		printf("1..0 # SKIP %s\n", err.text);
		return (0);
	}
	if (vnet_init(&config, &err) != 0 || kld_init("test", &err) != 0) {
		print_error("%s\n", err.text);
		return (1);
	}
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
