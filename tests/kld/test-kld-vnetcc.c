/* SPDX-License-Identifier: BSD-2-Clause */
/* Unmodified C as a module: one library a stack, with its constructors, or one a CPU. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uvnet/dpcpu.h>

#include "kld-test.h"

typedef int next_t(void), log_t(int *);

static int
next_in(linker_file_t file, struct vnet *stack)
{
	int n;

	CURVNET_SET(stack);
	n = function(file, next_t *, "library_next")();
	CURVNET_RESTORE();
	return (n);
}

static void
log_in(linker_file_t file, struct vnet *stack, int *log)
{
	int n;

	CURVNET_SET(stack);
	n = function(file, log_t *, "library_log")(log);
	CURVNET_RESTORE();
	assert_int_equal(n, 3);
}

/* Constructors in the order of their priorities, and nothing else. */
static void
assert_constructed(const int *log)
{
	for (int i = 0; i < 8; i++)
		assert_int_equal(log[i], i < 3 ? i + 1 : 0);
}

/* ... and destructors the other way round. */
static void
assert_destroyed(const int *log)
{
	assert_int_equal(log[3], -1);
	assert_int_equal(log[4], -2);
	assert_int_equal(log[5], 0);
}

static void
constructors_run_in_each_stack(void **state)
{
	int log[NSTACKS][8] = { { 0 } }, late_log[8] = { 0 };
	struct spaces before;
	linker_file_t file;
	struct vnet *late;
	struct uverr err;

	(void)state;
	spaces_get(&before);
	file = load("library");
	for (int i = 0; i < NSTACKS; i++) {
		log_in(file, stacks[i], log[i]);
		assert_constructed(log[i]);
		assert_int_equal(next_in(file, stacks[i]), 4301);
	}
	assert_int_equal(next_in(file, stacks[1]), 4402);
	assert_int_equal(next_in(file, stacks[0]), 4402);

	assert_int_equal(vnet_alloc("late", 0, &late, &err), 0);
	log_in(file, late, late_log);
	assert_constructed(late_log);
	assert_int_equal(next_in(file, late), 4301);
	vnet_destroy(late);
	assert_destroyed(late_log);

	for (int i = 0; i < NSTACKS; i++)
		assert_constructed(log[i]);
	unload(file);
	for (int i = 0; i < NSTACKS; i++)
		assert_destroyed(log[i]);
	assert_same_spaces(&before);
}

struct visit {
	next_t *next;
	unsigned cpu;
	int times, last;
};

static void *
visit_main(void *arg)
{
	struct visit *v = arg;

	dpcpu_enter(v->cpu);
	for (int i = 0; i < v->times; i++)
		v->last = v->next();
	return (NULL);
}

static int
visit(next_t *next, unsigned cpu, int times)
{
	struct visit v = { next, cpu, times, 0 };
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, visit_main, &v), 0);
	pthread_join(t, NULL);
	return (v.last);
}

static void
each_cpu_has_its_own(void **state)
{
	struct spaces before;
	linker_file_t file;
	next_t *next;

	(void)state;
	spaces_get(&before);
	for (int round = 0; round < 2; round++) {
		file = load("library-pcpu");
		next = function(file, next_t *, "library_next");
		for (unsigned i = 0; i < mp_ncpus; i++)
			assert_int_equal(visit(next, i, (int)i + 1), (41 + (int)i) * 100 + (int)i + 1);
		/* Whatever thread comes next for that CPU. */
		for (unsigned i = 0; i < mp_ncpus; i++)
			assert_int_equal(visit(next, i, 1), (42 + (int)i) * 100 + (int)i + 2);
		unload(file);
	}
	assert_same_spaces(&before);
}

static void
without_a_cpu_it_faults(void **state)
{
	linker_file_t file = load("library-pcpu");
	next_t *next = function(file, next_t *, "library_next");
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		next();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	unload(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constructors_run_in_each_stack),
		cmocka_unit_test(each_cpu_has_its_own),
		cmocka_unit_test(without_a_cpu_it_faults),
	};

	return (cmocka_run_group_tests_name("kld-vnetcc", tests, kld_test_setup, kld_test_teardown));
}
