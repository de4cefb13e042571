/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DPCPU and counters: an instance for each CPU, sums over all, nothing lost under preemption and migration.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
DPCPU_DEFINE(struct { int a; }, unnamed);	/* as FreeBSD's sources have them */

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
	DPCPU_ID_PTR(0, unnamed)->a = 5;
	assert_int_equal(DPCPU_VARSUM(unnamed, a), 5);
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

/* Counters of ten thousand stacks: sixteen each. */
#define STACKS 10000
#define EACH 16

static void
counters_are_dense_and_come_back_zero(void **state)
{
	static counter_u64_t c[STACKS * EACH], again;
	const size_t before = counter_resident();
	size_t i;

	(void)state;
	for (i = 0; i < STACKS; i++)
		assert_int_equal(COUNTER_ARRAY_ALLOC(&c[i * EACH], EACH, M_WAITOK), 0);
	for (i = 0; i < STACKS * EACH; i++)
		counter_u64_add(c[i], (int64_t)i + 1);
	for (i = 0; i < STACKS * EACH; i++)
		assert_int_equal(counter_u64_fetch(c[i]), i + 1);
	/* A slot for each CPU that this thread was on, and one page for what does not begin at a page. */
	assert_true(counter_resident() - before <= (mp_ncpus + 1) * (STACKS * EACH * sizeof(uint64_t) + 4096));
	for (i = 0; i < STACKS; i++)
		COUNTER_ARRAY_FREE(&c[i * EACH], EACH);
	assert_null(c[0]);
	assert_true(counter_resident() <= before + 4096 * (mp_ncpus + 1));
	again = counter_u64_alloc(M_NOWAIT);
	assert_int_equal(counter_u64_fetch(again), 0);
	counter_u64_free(again);
}

static void
counters_have_an_end_and_an_array_is_all_or_nothing(void **state)
{
	static counter_u64_t c[(size_t)5 << 20];
	const size_t room = sizeof(c) / sizeof(c[0]);
	counter_u64_t one;
	size_t i, n;

	(void)state;
	assert_int_equal(COUNTER_ARRAY_ALLOC(c, room, M_WAITOK), -ENOMEM);
	for (i = 0; i < room; i++)
		assert_null(c[i]);
	for (n = 0; n < room && (c[n] = counter_u64_alloc(M_NOWAIT)) != NULL; n++)
		continue;
	assert_true(n > 0 && n < room);
	counter_u64_add(c[n - 1], 3);	/* the last word is there, too */
	assert_int_equal(counter_u64_fetch(c[n - 1]), 3);
	one = c[n / 2];
	counter_u64_free(one);
	assert_ptr_equal(counter_u64_alloc(M_NOWAIT), one);
	COUNTER_ARRAY_FREE(c, n);
}

static void *
owner(void *arg)
{
	struct uverr err;
	int i;

	if (counter_own(&err) != 0)
		return (arg);
	for (i = 0; i < ADDS; i++)
		counter_u64_add_protected(arg, 1);
	return (NULL);
}

static void *
first_shared_then_owner(void *arg)
{
	struct uverr err;

	counter_u64_add_protected(arg, 2);	/* both ways in one function, whatever the compiler loaded before */
	if (counter_own(&err) != 0 || counter_own(&err) != -EBUSY)
		return (arg);
	counter_u64_add(arg, 2);
	counter_u64_add_protected(arg, 3);
	counter_u64_add_protected(arg, -7);
	return (NULL);
}

static void
owners_words_count_and_are_the_next_ones_when_a_thread_ends(void **state)
{
	counter_u64_t c = counter_u64_alloc(M_WAITOK);
	pthread_t t[THREADS];
	void *failed;
	int i, round;

	(void)state;
	assert_int_equal(pthread_create(&t[0], NULL, first_shared_then_owner, c), 0);
	pthread_join(t[0], &failed);
	assert_null(failed);
	assert_int_equal(counter_u64_fetch(c), 0);
	for (round = 0; round < 4; round++) {	/* more than there can be at a time */
		for (i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&t[i], NULL, owner, c), 0);
		for (i = 0; i < THREADS; i++) {
			pthread_join(t[i], &failed);
			assert_null(failed);
		}
	}
	assert_int_equal(counter_u64_fetch(c), 4 * THREADS * ADDS);
	counter_u64_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cpu_has_its_own),
		cmocka_unit_test(members_add_up),
		cmocka_unit_test(the_current_cpu_is_the_one_we_are_pinned_to),
		cmocka_unit_test(counters_lose_nothing),
		cmocka_unit_test(counters_are_dense_and_come_back_zero),
		cmocka_unit_test(counters_have_an_end_and_an_array_is_all_or_nothing),
		cmocka_unit_test(owners_words_count_and_are_the_next_ones_when_a_thread_ends),
	};
	struct uverr err;
	int error;

	if (vset_window_init(&err) != 0) {
		print_error("%s\n", err.text);
		return (1);
	}
	error = dpcpu_init(&err);
	if (error == -ENOTSUP) {	/* the path that UVNET_RSEQ forces is not here */
		printf("1..0 # SKIP %s\n", err.text);
		return (0);
	}
	if (error != 0) {
		print_error("%s\n", err.text);
		return (1);
	}
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
