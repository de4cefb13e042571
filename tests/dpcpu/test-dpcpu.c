/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DPCPU and counters: an instance for each CPU, sums over all, nothing lost under preemption and migration.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <uvnet/counter.h>
#include <uvnet/dpcpu.h>
#include <cmocka.h>

#define THREADS 8
#define ADDS 200000

struct stats {
	uint64_t in;
	int out;
};

DPCPU_DEFINE_STATIC(uint64_t, word);
DPCPU_DEFINE_STATIC(struct stats, stats);

static void
every_cpu_has_its_own(void **state)
{
	unsigned i;

	(void)state;
	CPU_FOREACH (i)
		DPCPU_ID_SET(i, word, i + 1);
	CPU_FOREACH (i)
		assert_int_equal(DPCPU_ID_GET(i, word), i + 1);
	assert_int_equal(DPCPU_SUM(word), (uint64_t)mp_ncpus * (mp_ncpus + 1) / 2);
	DPCPU_ZERO(word);
	assert_int_equal(DPCPU_SUM(word), 0);
}

static void
members_add_up(void **state)
{
	unsigned i;

	(void)state;
	CPU_FOREACH (i) {
		DPCPU_ID_PTR(i, stats)->in = 10;
		DPCPU_ID_PTR(i, stats)->out = -1;
	}
	assert_int_equal(DPCPU_VARSUM(stats, in), 10 * mp_ncpus);
	assert_int_equal(DPCPU_VARSUM(stats, out), -(int)mp_ncpus);
}

static void
the_current_cpu_is_the_one_we_are_pinned_to(void **state)
{
	cpu_set_t all, one;
	int cpu;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	for (cpu = 0; cpu < (int)mp_ncpus; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		assert_int_equal(curcpu, cpu);
		DPCPU_SET(word, 7);
		assert_int_equal(DPCPU_ID_GET((unsigned)cpu, word), 7);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

static void *
adder(void *arg)
{
	cpu_set_t all, one;
	int i;

	sched_getaffinity(0, sizeof(all), &all);
	for (i = 0; i < ADDS; i++) {
		if (i % 1000 == 0) {	/* be moved while adding */
			CPU_ZERO(&one);
			CPU_SET(i / 1000 % (int)mp_ncpus, &one);
			sched_setaffinity(0, sizeof(one), &one);
		}
		counter_u64_add(arg, 1);
	}
	sched_setaffinity(0, sizeof(all), &all);
	return (NULL);
}

static void
counters_lose_nothing(void **state)
{
	pthread_t t[THREADS];
	counter_u64_t c;
	int i;

	(void)state;
	c = counter_u64_alloc(M_WAITOK);
	assert_non_null(c);
	assert_int_equal(counter_u64_fetch(c), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, adder, c), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(counter_u64_fetch(c), THREADS * ADDS);
	counter_u64_add(c, -1);
	assert_int_equal(counter_u64_fetch(c), THREADS * ADDS - 1);
	counter_u64_zero(c);
	assert_int_equal(counter_u64_fetch(c), 0);
	counter_u64_free(c);
}

static void
counters_come_back_zero_and_have_an_end(void **state)
{
	static counter_u64_t c[10000];
	int i, n;

	(void)state;
	for (n = 0; n < 10000 && (c[n] = counter_u64_alloc(M_NOWAIT)) != NULL; n++)
		counter_u64_add(c[n], n);
	assert_int_equal(n, 8192);
	for (i = 0; i < n; i++) {
		assert_int_equal(counter_u64_fetch(c[i]), i);
		counter_u64_free(c[i]);
	}
	c[0] = counter_u64_alloc(M_NOWAIT);
	assert_int_equal(counter_u64_fetch(c[0]), 0);
	counter_u64_free(c[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cpu_has_its_own),
		cmocka_unit_test(members_add_up),
		cmocka_unit_test(the_current_cpu_is_the_one_we_are_pinned_to),
		cmocka_unit_test(counters_lose_nothing),
		cmocka_unit_test(counters_come_back_zero_and_have_an_end),
	};
	struct uverr err;

	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0) {
		print_error("%s\n", err.text);
		return (1);
	}
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
