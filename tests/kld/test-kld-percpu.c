/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A module's per-CPU variables: loaded, updated by many threads that are moved about, right, and unloaded while the
 * same threads go on with the program's.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>
#include <uvnet/counter.h>
#include <uvnet/percpu.h>

#include "kld-test.h"

#define THREADS 6
#define ROUNDS 20
#define BATCH 50
#define ENOUGH 1000		/* batches of a round */

typedef void update_t(unsigned, counter_u64_t), void_t(void);
typedef int int_t(void);
typedef uintptr_t word_t(void);
typedef unsigned unsigned_t(void);

DPCPU_DEFINE_STATIC(uintptr_t, host_word) = 3;

static counter_u64_t host_count, module_count;
static pthread_rwlock_t gate;		/* read: inside of the module */
static update_t *update;		/* the module's; NULL while there is none */
static atomic_ulong batches, host_adds;
static atomic_int stop;

static void
move(const cpu_set_t *all, unsigned where)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(where % mp_ncpus, &one);
	CPU_AND(&one, &one, all);
	sched_setaffinity(0, sizeof(one), where % 3 != 0 && CPU_COUNT(&one) > 0 ? &one : all);
}

static void *
adder(void *arg)
{
	const unsigned nr = (unsigned)(uintptr_t)arg;
	unsigned long n;
	cpu_set_t all;

	sched_getaffinity(0, sizeof(all), &all);
	for (n = 0; !atomic_load(&stop); n++) {
		for (int i = 0; i < BATCH; i++) {
			DPCPU_ADD(host_word, 1);
			counter_u64_add(host_count, 1);
		}
		pthread_rwlock_rdlock(&gate);
		if (update != NULL) {
			update(BATCH, module_count);
			atomic_fetch_add(&batches, 1);
		}
		pthread_rwlock_unlock(&gate);
		move(&all, (unsigned)n + nr);
	}
	atomic_fetch_add(&host_adds, n * BATCH);
	return (NULL);
}

static void
use_it(update_t *of_module)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	pthread_rwlock_wrlock(&gate);
	update = of_module;
	atomic_store(&batches, 0);
	pthread_rwlock_unlock(&gate);
	while (atomic_load(&batches) < ENOUGH)
		nanosleep(&ms, NULL);
	pthread_rwlock_wrlock(&gate);
	update = NULL;
	pthread_rwlock_unlock(&gate);
}

static void
updates_are_right_while_the_module_comes_and_goes(void **state)
{
	const unsigned long before = counter_u64_fetch(module_count);
	pthread_rwlockattr_t attr;
	pthread_t t[THREADS];
	struct spaces spaces;
	unsigned long all = 0;
	linker_file_t file;

	(void)state;
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&gate, &attr);
	spaces_get(&spaces);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, adder, (void *)i), 0);
	for (int round = 0; round < ROUNDS; round++) {
		file = load("percpu");
		assert_int_equal(function(file, int_t *, "percpu_is_fresh")(), 1);
		function(file, void_t *, "percpu_start")();
		use_it(function(file, update_t *, "percpu_update"));
		assert_int_equal(function(file, word_t *, "percpu_sum")(), 5 * mp_ncpus + batches * BATCH);
		assert_int_equal(function(file, word_t *, "percpu_sets")(), batches * BATCH);
		assert_int_equal(function(file, unsigned_t *, "percpu_nodes")(), 64);
		all += batches * BATCH;
		unload(file);
		assert_same_spaces(&spaces);
	}
	atomic_store(&stop, 1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(counter_u64_fetch(module_count) - before, all);
	assert_int_equal(counter_u64_fetch(host_count), host_adds);
	assert_int_equal(DPCPU_SUM(host_word), 3 * mp_ncpus + host_adds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(updates_are_right_while_the_module_comes_and_goes),
	};
	const struct vnet_config config = { .max = 4 };
	struct uverr err = { "" };
	int error;

	if (vset_window_init(&err) != 0 || ((error = dpcpu_init(&err)) != 0 && error != -ENOTSUP)) {
		print_error("%s\n", err.text);
		return (1);
	}
	if (error == -ENOTSUP) {	/* the path that UVNET_RSEQ forces is not here */
		printf("1..0 # SKIP %s\n", err.text);
		return (0);
	}
	host_count = counter_u64_alloc(M_WAITOK);
	module_count = counter_u64_alloc(M_WAITOK);
	if (vnet_init(&config, &err) != 0 || kld_init("test", &err) != 0 || host_count == NULL || module_count == NULL) {
		print_error("%s\n", err.text);
		return (1);
	}
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
