/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual variable touched outside any stack is named. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kld-test.h"

static char said[65536];

/* Run it in a child, which must die; what it wrote on stderr. */
static void
die(void (*what)(void))
{
	const struct rlimit no_core = { 0, 0 };
	size_t n = 0;
	ssize_t did;
	int pipes[2], status;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		dup2(pipes[1], STDERR_FILENO);
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGSEGV, SIG_DFL);	/* cmocka's does not die */
		if (kld_fault_init(NULL) == 0)
			what();
		_exit(0);
	}
	close(pipes[1]);
	while (n < sizeof(said) - 1 && (did = read(pipes[0], said + n, sizeof(said) - 1 - n)) > 0)
		n += (size_t)did;
	said[n] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
		fail_msg("status %#x", status);
}

static void
assert_said(const char *what)
{
	if (strstr(said, what) == NULL)
		fail_msg("said: %s\nnot: %s", said, what);
}

static linker_file_t module;

static void
module_reads(void)
{
	function(module, int (*)(void), "outside_read")();
}

static void
module_writes(void)
{
	function(module, void (*)(void), "outside_write")();
}

static void
module_writes_template(void)
{
	function(module, void (*)(void), "outside_template")();
}

static void
program_writes(void)
{
	VNET(host_var) = 1;
}

static void *
thread_reads(void *arg)
{
	struct uverr err;

	(void)arg;
	if (kld_fault_init(&err) != 0)
		_exit(0);
	module_reads();
	return (NULL);
}

static void
other_thread_reads(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, thread_reads, NULL);
	pthread_join(thread, NULL);
}

static void
plain_fault(void)
{
	volatile int *volatile p = (int *)8;

	*p = 1;
}

static void
faults_of_a_module_are_named(void **state)
{
	(void)state;
	module = load("outside");
	die(module_reads);
	assert_said("vnet: fault: " READ_OF "virtual variable `o_ticks' (outside.ko) with no stack set, at outside_read+0x");
	assert_said(" (outside.ko); CURVNET_SET() is missing\n");
	die(module_writes);
	assert_said("vnet: fault: " WRITE_TO "virtual variable `o_table+0xc' (outside.ko) with no stack set, at outside_write+0x");
	die(other_thread_reads);
	assert_said("vnet: fault: " READ_OF "virtual variable `o_ticks' (outside.ko) with no stack set, at outside_read+0x");
	unload(module);
}

static void
faults_of_the_program_are_named(void **state)
{
	(void)state;
	die(program_writes);
	assert_said("vnet: fault: " WRITE_TO "virtual variable `host_var' (test) with no stack set, at program_writes+0x");
}

static void
writes_to_a_template_are_named(void **state)
{
	(void)state;
	module = load("outside");
	die(module_writes_template);
	assert_said("vnet: fault: " WRITE_TO "the template of virtual variable `o_ticks' (outside.ko), at outside_template+0x");
	unload(module);
}

static void
module_goes_astray(void)
{
	CURVNET_SET(vnet0);
	function(module, void (*)(int *), "outside_astray")((int *)24);
	CURVNET_RESTORE();
}

static void
a_module_that_goes_astray_is_named_with_its_stack(void **state)
{
	(void)state;
	module = load("outside");
	die(module_goes_astray);
	assert_said("vnet: fault: " WRITE_TO "0x18, at outside_astray+0x");
	assert_said(" (outside.ko), in stack \"vnet0\"\n");
	unload(module);
}

static void
other_faults_are_not_ours(void **state)
{
	(void)state;
	die(plain_fault);
	assert_null(strstr(said, "vnet: fault"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_of_a_module_are_named),
		cmocka_unit_test(faults_of_the_program_are_named),
		cmocka_unit_test(writes_to_a_template_are_named),
		cmocka_unit_test(a_module_that_goes_astray_is_named_with_its_stack),
		cmocka_unit_test(other_faults_are_not_ours),
	};

	return (cmocka_run_group_tests_name("kld-fault", tests, kld_test_setup, kld_test_teardown));
}
