/* SPDX-License-Identifier: BSD-2-Clause */
/* What keeps a module from going, and what must go with it. */
#include <uvnet/callout.h>
#include <uvnet/netisr.h>

#include "kld-test.h"

static void
callouts_of_a_module_go_with_it(void **state)
{
	linker_file_t file = load("linger");
	int *runs = lookup(file, "linger_runs");

	(void)state;
	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		function(file, void (*)(void), "linger_arm")();
		CURVNET_RESTORE();
	}
	assert_int_equal(callout_process(0, INT64_MAX - 1), NSTACKS);	/* they do run while it is here */
	assert_int_equal(*runs, NSTACKS);
	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		function(file, void (*)(void), "linger_arm")();
		CURVNET_RESTORE();
	}
	assert_int_not_equal(callout_next(0), INT64_MAX);
	unload(file);
	assert_int_equal(callout_next(0), INT64_MAX);
	assert_int_equal(callout_process(0, INT64_MAX - 1), 0);
}

static unsigned ticks;

static void
tick(void *arg)
{
	(void)arg;
	ticks++;
}

static void
others_callouts_stay(void **state)
{
	linker_file_t file = load("linger");
	static struct callout ours[NSTACKS];

	(void)state;
	ticks = 0;
	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		callout_init(&ours[i], 1);
		callout_reset_ns(&ours[i], 0, tick, NULL);
		function(file, void (*)(void), "linger_arm")();
		if (i == 0)	/* its structure, our function */
			function(file, void (*)(callout_func_t *), "linger_arm_image")(tick);
		CURVNET_RESTORE();
	}
	unload(file);
	assert_int_equal(callout_process(0, INT64_MAX - 1), NSTACKS);
	assert_int_equal(ticks, NSTACKS);
}

static void
input(struct pkt *p)
{
	ticks++;
	pkt_free(curvnet->vnet_cpu, p);
}

static void
send_to(struct vnet *vnet, unsigned from, netisr_input_t *func)
{
	struct pkt *p = pkt_alloc(from);

	assert_non_null(p);
	p->p_vnet = vnet;
	p->p_input = func;
	assert_int_equal(netisr_queue(from, p), 0);
}

static void
packets_for_a_module_go_with_it(void **state)
{
	const unsigned cpus[] = { 0, 1 };
	const unsigned n = mp_ncpus > 1 ? 2 : 1;	/* two: by the ring between them as well */
	struct netisr_stats stats;
	struct uverr err = { "" };
	netisr_input_t *theirs;
	linker_file_t file;

	(void)state;
	assert_int_equal(netisr_init(cpus, n, 0, &err), 0);
	file = load("linger");
	theirs = function(file, netisr_input_t *, "linger_input");
	ticks = 0;
	for (int i = 0; i < NSTACKS; i++)
		for (unsigned cpu = 0; cpu < n; cpu++) {
			send_to(stacks[i], cpu, input);
			send_to(stacks[i], cpu, theirs);
			send_to(stacks[i], cpu, input);
		}
	unload(file);
	while (netisr_process(0, 100) != 0)
		continue;
	assert_int_equal(ticks, 2 * NSTACKS * n);
	for (unsigned cpu = 0; cpu < n; cpu++) {
		netisr_process(cpu, 100);
		netisr_getstats(cpu, &stats);
		assert_int_equal(stats.bufs_used, 0);
	}
	netisr_fini();
}

static void
no_unload_from_within_a_stack(void **state)
{
	linker_file_t file = load("linger");
	struct uverr err = { "" };

	(void)state;
	CURVNET_SET(stacks[1]);
	assert_int_equal(kld_unload(file, &err), -EBUSY);
	CURVNET_RESTORE();
	assert_string_equal(err.text, "linger.ko: this thread is inside stack two: leave it first (CURVNET_RESTORE)");
	assert_ptr_equal(kld_find("linger"), file);
	unload(file);
}

#ifndef __arm__		/* whose unwinder does not see modules: src/kld/unwind.c */
static linker_file_t lingerer;

static int
unload_from_within(void *arg)
{
	return (kld_unload(lingerer, arg));
}

static void
no_unload_from_a_function_of_its_own(void **state)
{
	struct uverr err = { "" };

	(void)state;
	lingerer = load("linger");
	assert_int_equal(function(lingerer, int (*)(int (*)(void *), void *), "linger_call")(unload_from_within, &err),
	    -EBUSY + 1);
	assert_string_equal(err.text, "linger.ko: its function linger_call is running: it cannot be unloaded from within");
	assert_ptr_equal(kld_find("linger"), lingerer);
	unload(lingerer);
}
#endif

static void
an_unload_names_who_needs_the_module(void **state)
{
	linker_file_t top = load("top"), base = kld_find("base");
	struct uverr err = { "" };

	(void)state;
	assert_int_equal(kld_unload(base, &err), -EBUSY);
	assert_string_equal(err.text, "base.ko: top.ko needs it");
	unload(top);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(callouts_of_a_module_go_with_it),
		cmocka_unit_test(others_callouts_stay),
		cmocka_unit_test(packets_for_a_module_go_with_it),
		cmocka_unit_test(no_unload_from_within_a_stack),
#ifndef __arm__
		cmocka_unit_test(no_unload_from_a_function_of_its_own),
#endif
		cmocka_unit_test(an_unload_names_who_needs_the_module),
	};

	return (cmocka_run_group_tests_name("kld-unload", tests, kld_test_setup, kld_test_teardown));
}
