/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stack's heap: aligned, its own, limited, and gone with the stack.
 */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uvnet/asan.h>
#include <uvnet/module.h>

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
	for (i = 0; i < 100; i++)	/* with a sanitizer the first ones rest for a while */
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

/* ---- What ends the process, in a child ---- */

VNET_DEFINE_STATIC(char[40], variable);
VNET_DEFINE_STATIC(void *, held);

static void
free_twice(void)
{
	void *p = vnet_malloc(100);

	vnet_free(p);
	vnet_free(p);
}

static void
free_of_another(void)
{
	struct vnet *other = vnet_test_stack("other", 0);
	void *p;

	CURVNET_SET(other);
	p = vnet_malloc(100);
	CURVNET_RESTORE();
	vnet_free(p);
}

static void
free_of_malloc(void)
{
	vnet_free(malloc(100));
}

static void
free_of_a_variable(void)
{
	vnet_free((void *)(((uintptr_t)VNET_PTR(variable) + 15) & ~(uintptr_t)15));
}

#ifdef UVNET_ASAN
/* Kept from the compiler, which sees such things too. */
static volatile size_t one = 1;

static void
overflow(void)
{
	char *p = vnet_malloc(13);

	p[12 + one] = 1;
}

static void
overflow_of_a_full_block(void)
{
	char *p = vnet_malloc(24);	/* with its header, a whole class */

	p[23 + one] = 1;
}

static void
underflow(void)
{
	char *p = vnet_malloc(13);

	p[-(ptrdiff_t)one] = 1;
}

static void
use_after_free(void)
{
	char *p = vnet_malloc(100);

	vnet_free(p);
	p[one] = 1;
}

/* Nobody gets the block at once, or this would be the other's. */
static void
use_after_free_and_malloc(void)
{
	char *p = vnet_malloc(100), *other;

	vnet_free(p);
	other = vnet_malloc(100);
	p[one] = 1;
	vnet_free(other);
}

static void
use_after_realloc(void)
{
	char *p = vnet_malloc(100), *q = vnet_realloc(p, 70);

	q[69] = 1;
	q[69 + one] = 1;
}

static void
overflow_of_a_variable(void)
{
	VNET(variable)[39 + one] = 1;
}

/* A string function of the library, which the sanitizer watches as well. */
static void
overflow_in_the_library(void)
{
	memset(vnet_malloc(13), 0, 13 + one);
}

/* What a stack holds is no leak, neither in a variable nor in its heap nor far up in that; what it lost is one. */
static void
hold(int lose)
{
	void **near, **far;

	VNET(held) = malloc(1001);
	near = vnet_malloc(sizeof(*near));
	*near = malloc(1002);
	far = vnet_malloc(HEAP * 3 / 4);
	far[100] = malloc(1003);
	memset(VNET(held), 1, 1001);
	memset(*near, 2, 1002);
	memset(far[100], 3, 1003);
	if (lose)
		VNET(held) = NULL;
	vnet_enter(NULL);
}

static void
held_by_a_stack(void)
{
	hold(0);
}

static void
lost_by_a_stack(void)
{
	hold(1);
}

static void
lost_with_the_stack(void)
{
	hold(0);
	vnet_destroy(v);
}
#endif

static const struct child {
	const char *name;
	void (*run)(void);
	const char *says;	/* NULL: ends well */
} children[] = {
	{ "free_twice", free_twice, "freed before" },
	{ "free_of_another", free_of_another, "stack \"heap\": free(" },
	{ "free_of_another", free_of_another, "a block of stack \"other\"" },
	{ "free_of_malloc", free_of_malloc, "no stack's memory" },
	{ "free_of_a_variable", free_of_a_variable, "not a block of its heap" },
#ifdef UVNET_ASAN
	{ "overflow", overflow, "use-after-poison" },
	{ "overflow_of_a_full_block", overflow_of_a_full_block, "use-after-poison" },
	{ "underflow", underflow, "use-after-poison" },
	{ "use_after_free", use_after_free, "use-after-poison" },
	{ "use_after_free_and_malloc", use_after_free_and_malloc, "use-after-poison" },
	{ "use_after_realloc", use_after_realloc, "use-after-poison" },
	{ "overflow_in_the_library", overflow_in_the_library, "use-after-poison" },
	{ "overflow_of_a_variable", overflow_of_a_variable, "poison" },
	{ "held_by_a_stack", held_by_a_stack, NULL },
	{ "lost_by_a_stack", lost_by_a_stack, "1001 byte(s) leaked in 1 allocation(s)" },
	{ "lost_with_the_stack", lost_with_the_stack, "3006 byte(s) leaked in 3 allocation(s)" },
#endif
};
#define NCHILDREN (sizeof(children) / sizeof(children[0]))

/* What a child by exec says, since a forked one has no arena (MADV_DONTFORK); its wait status. */
static int
child_run(const char *name, char *text, size_t size)
{
	int fd[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		close(fd[1]);
		setenv("UBSAN_OPTIONS", "halt_on_error=0", 1);	/* the compiler's bounds come before the shadow's */
		execl("/proc/self/exe", "test-heap", name, (char *)NULL);
		_exit(1);
	}
	close(fd[1]);
	while (used < size - 1 && (n = read(fd[0], text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return (status);
}

__attribute__((unused)) static void
mistakes_end_the_process_and_are_named(void **state)
{
	static char text[1 << 16];
	int status;

	(void)state;
	for (size_t i = 0; i < NCHILDREN; i++) {
		status = child_run(children[i].name, text, sizeof(text));
		if (children[i].says == NULL ? status != 0 : status == 0 || strstr(text, children[i].says) == NULL)
			fail_msg("%s: status %#x: %s", children[i].name, (unsigned)status, text);
	}
}

static int
child_main(const char *name)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	if (kld_init("test-heap", NULL) != 0)
		return (2);
	enter(NULL);
	for (size_t i = 0; i < NCHILDREN; i++)
		if (strcmp(name, children[i].name) == 0) {
			children[i].run();
			return (0);
		}
	return (2);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(blocks_are_aligned_and_do_not_overlap, enter, leave),
		cmocka_unit_test_setup_teardown(what_was_freed_is_used_again, enter, leave),
		cmocka_unit_test_setup_teardown(the_limit_is_the_heap_and_only_of_this_stack, enter, leave),
		cmocka_unit_test_setup_teardown(realloc_keeps_the_bytes, enter, leave),
#ifndef EMULATED		/* qemu-user cannot execute /proc/self/exe */
		cmocka_unit_test(mistakes_end_the_process_and_are_named),
#endif
	};

	vnet_test_init(HEAP);
	if (argc > 1)
		return (child_main(argv[1]));
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
