/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stack's heap: aligned, its own, limited, and gone with the stack.
 */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vnet-test.h"

#define HEAP (2ul << 20)

static struct vnet *v;

static int
enter(void **state)
{
	(void)state;
	v = vnet_test_stack("heap", 0);
	vnet_enter(v);
	return (0);
}

static int
leave(void **state)
{
	(void)state;
	vnet_enter(NULL);
	vnet_destroy(v);
	return (0);
}

static void
blocks_are_aligned_and_do_not_overlap(void **state)
{
	unsigned char *p[200];
	struct vnet_heap_stats stats;
	size_t size[200], i, j;

	(void)state;
	for (i = 0; i < 200; i++) {
		size[i] = i * i / 7;
		p[i] = vnet_malloc(size[i]);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		memset(p[i], (int)i, size[i]);
	}
	for (i = 0; i < 200; i++) {
		for (j = 0; j < size[i]; j++)
			assert_int_equal(p[i][j], i);
		vnet_free(p[i]);
	}
	vnet_heap_stat(&stats);
	assert_int_equal(stats.used, 0);
	assert_true(stats.carved > 0);
}

static void
what_was_freed_is_used_again(void **state)
{
	struct vnet_heap_stats before, after;
	void *p;
	int i;

	(void)state;
	vnet_free(vnet_malloc(1000));
	vnet_heap_stat(&before);
	for (i = 0; i < 100000; i++) {
		p = vnet_malloc(1000);
		assert_non_null(p);
		vnet_free(p);
	}
	vnet_heap_stat(&after);
	assert_int_equal(before.carved, after.carved);
}

static void
the_limit_is_the_heap_and_only_of_this_stack(void **state)
{
	struct vnet *other = vnet_test_stack("other", 0);
	size_t n = 0;

	(void)state;
	while (vnet_malloc(4000) != NULL)
		n += 4096;
	assert_in_range(n, HEAP, HEAP + (2ul << 20));
	assert_null(vnet_malloc(SIZE_MAX));
	assert_null(vnet_calloc(SIZE_MAX / 2, 3));
	CURVNET_SET(other);
	assert_non_null(vnet_malloc(4000));
	CURVNET_RESTORE();
	vnet_destroy(other);
}

static void
realloc_keeps_the_bytes(void **state)
{
	char *p = vnet_realloc(NULL, 10);
	size_t n;

	(void)state;
	strcpy(p, "123456789");
	for (n = 11; n < 100000; n += n / 2) {
		p = vnet_realloc(p, n);
		assert_string_equal(p, "123456789");
	}
	p = vnet_realloc(p, 10);
	assert_string_equal(p, "123456789");
	vnet_free(p);
}

#ifndef EMULATED		/* qemu-user cannot execute /proc/self/exe */
/*
 * Freeing twice ends the process.  In a child by exec, since a forked one has no arena (MADV_DONTFORK).
 */
static void
freeing_twice_is_caught(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(1);
		execl("/proc/self/exe", "test-heap", "free-twice", (char *)NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
#endif

static void
free_twice(void)
{
	void *p;

	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	enter(NULL);
	p = vnet_malloc(100);
	vnet_free(p);
	vnet_free(p);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(blocks_are_aligned_and_do_not_overlap, enter, leave),
		cmocka_unit_test_setup_teardown(what_was_freed_is_used_again, enter, leave),
		cmocka_unit_test_setup_teardown(the_limit_is_the_heap_and_only_of_this_stack, enter, leave),
		cmocka_unit_test_setup_teardown(realloc_keeps_the_bytes, enter, leave),
#ifndef EMULATED
		cmocka_unit_test(freeing_twice_is_caught),
#endif
	};

	vnet_test_init(HEAP);
	if (argc > 1 && strcmp(argv[1], "free-twice") == 0) {
		free_twice();
		return (0);
	}
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
