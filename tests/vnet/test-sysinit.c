/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Constructors: their order, and what is left when each one fails in turn (nothing).
 */
#include <errno.h>
#include <string.h>
#include <uvnet/sysinit.h>

#include "vnet-test.h"

VNET_DEFINE(LIST_HEAD(, vnet), unnamed_type);	/* as FreeBSD's sources have them: it compiles */

/* What ran, as letters: constructors in capitals, what undoes them in small ones. */
static char trace[256];
static char failing;		/* the constructor that fails */
static unsigned failing_vnet;	/* in this stack only; 0: in any */

static int
up(const void *arg)
{
	const char c = *(const char *)arg;

	if (c == failing && (failing_vnet == 0 || (curvnet != NULL && curvnet->vnet_id == failing_vnet)))
		return (c == 'B' ? ENOSPC : -ENOSPC);	/* FreeBSD's sign, and ours */
	strncat(trace, (const char *)arg, 1);
	return (0);
}

static void
down(const void *arg)
{
	strncat(trace, (const char *)arg, 1);
}

#define UP(letter, sub, ord) \
	&(const struct sysinit) { sub, ord, 1, { .func_int = up }, letter, letter }
#define DOWN(letter, sub, ord) \
	&(const struct sysinit) { sub, ord, 0, { .func = down }, letter, letter }

/* Listed out of order on purpose.  A, B in the file itself; C, D, E in each stack, E without a destructor. */
static const struct sysinit *const sys_up[] = { UP("B", 20, 5), UP("A", 10, 0) };
static const struct sysinit *const sys_down[] = { DOWN("b", 20, 5), DOWN("a", 10, 0) };
static const struct sysinit *const vnet_up[] = { UP("D", 50, 1), UP("E", 60, 0), UP("C", 50, 0) };
static const struct sysinit *const vnet_down[] = { DOWN("c", 50, 0), DOWN("d", 50, 1) };
static const struct sysinit *const *const sets[SYSINIT_NKIND] = { sys_up, sys_down, vnet_up, vnet_down };
static const size_t counts[SYSINIT_NKIND] = { 2, 2, 3, 2 };

/* A second file with one constructor at the place of the first one's D. */
static const struct sysinit *const late_up[] = { UP("X", 50, 1) };
static const struct sysinit *const late_down[] = { DOWN("x", 50, 1) };
static const struct sysinit *const *const late_sets[SYSINIT_NKIND] = { NULL, NULL, late_up, late_down };
static const size_t late_counts[SYSINIT_NKIND] = { 0, 0, 1, 1 };

static struct sysinit_file *
load(const char *name, const struct sysinit *const *const s[], const size_t n[])
{
	struct sysinit_file *f = NULL;
	struct uverr err;

	if (sysinit_register(name, s, n, &f, &err) != 0)
		fail_msg("%s", err.text);
	return (f);
}

static int
reset(void **state)
{
	(void)state;
	trace[0] = '\0';
	failing = '\0';
	failing_vnet = 0;
	return (0);
}

static void
they_run_in_order_in_file_and_stacks_and_are_undone_in_reverse(void **state)
{
	struct sysinit_file *f;
	struct vnet *v;

	(void)state;
	f = load("f.ko", sets, counts);
	assert_string_equal(trace, "ABCDE");	/* vnet0 is live */
	trace[0] = '\0';
	v = vnet_test_stack("one", 0);
	assert_string_equal(trace, "CDE");
	trace[0] = '\0';
	vnet_destroy(v);
	assert_string_equal(trace, "dc");
	trace[0] = '\0';
	sysinit_unregister(f);
	assert_string_equal(trace, "dcba");
}

static void
a_load_that_fails_anywhere_undoes_what_ran(void **state)
{
	static const struct {
		char failing;
		const char *trace;
	} cases[] = { { 'A', "" }, { 'B', "Aa" }, { 'C', "ABba" }, { 'D', "ABCcba" }, { 'E', "ABCDdcba" } };
	struct sysinit_file *f;
	struct uverr err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		reset(NULL);
		failing = cases[i].failing;
		assert_int_equal(sysinit_register("f.ko", sets, counts, &f, &err), -ENOSPC);
		assert_string_equal(trace, cases[i].trace);
		assert_non_null(strstr(err.text, "f.ko: constructor "));
		assert_true((strstr(err.text, "in stack \"vnet0\"") != NULL) == (failing >= 'C'));
	}
}

static void
a_failure_in_the_third_stack_undoes_all_three(void **state)
{
	struct sysinit_file *f;
	struct vnet *a, *b;
	struct uverr err;

	(void)state;
	a = vnet_test_stack("a", 0);
	b = vnet_test_stack("b", 0);
	failing = 'D';
	failing_vnet = b->vnet_id;
	assert_int_equal(sysinit_register("f.ko", sets, counts, &f, &err), -ENOSPC);
	assert_string_equal(trace, "ABCDECDECcdcdcba");
	assert_non_null(strstr(err.text, "in stack \"b\""));
	trace[0] = '\0';
	vnet_destroy(b);
	vnet_destroy(a);
	assert_string_equal(trace, "");
}

static void
a_stack_that_fails_is_not_there(void **state)
{
	struct sysinit_file *f;
	struct vnet *v;
	struct uverr err;

	(void)state;
	f = load("f.ko", sets, counts);
	reset(NULL);
	failing = 'E';
	assert_int_equal(vnet_alloc("broken", 0, &v, &err), -ENOSPC);
	assert_string_equal(trace, "CDdc");
	assert_null(vnet_find("broken"));
	reset(NULL);
	v = vnet_test_stack("broken", 0);
	assert_ptr_equal(vnet_find("broken"), v);
	vnet_destroy(v);
	sysinit_unregister(f);
}

static void
at_one_place_files_count_in_the_order_of_their_loads(void **state)
{
	struct sysinit_file *f, *late;
	struct vnet *v;

	(void)state;
	f = load("f.ko", sets, counts);
	late = load("late.ko", late_sets, late_counts);
	reset(NULL);
	v = vnet_test_stack("v", 0);
	assert_string_equal(trace, "CDXE");
	reset(NULL);
	vnet_destroy(v);
	assert_string_equal(trace, "xdc");
	reset(NULL);
	failing = 'X';	/* D's destructor is of a file before, at the same place: it runs */
	assert_int_equal(vnet_alloc("v", 0, &v, NULL), -ENOSPC);
	assert_string_equal(trace, "CDdc");
	reset(NULL);
	failing = 'D';	/* late's is not */
	assert_int_equal(vnet_alloc("v", 0, &v, NULL), -ENOSPC);
	assert_string_equal(trace, "Cc");
	sysinit_unregister(late);
	sysinit_unregister(f);
}

static void
names_are_checked(void **state)
{
	struct vnet *v;
	struct uverr err;
	char longname[VNET_NAMELEN + 1];

	(void)state;
	memset(longname, 'x', sizeof(longname));
	longname[VNET_NAMELEN] = '\0';
	assert_int_equal(vnet_alloc("", 0, &v, &err), -EINVAL);
	assert_int_equal(vnet_alloc("a b", 0, &v, &err), -EINVAL);
	assert_int_equal(vnet_alloc(longname, 0, &v, &err), -EINVAL);
	assert_int_equal(vnet_alloc("vnet0", 0, &v, &err), -EEXIST);
	assert_string_equal(err.text, "stack \"vnet0\": there is one of that name");
}

static void
visit_vnet0(void)
{
	CURVNET_SET(vnet0);
	assert_true(IS_DEFAULT_VNET(curvnet));
	assert_int_equal(curvnet_base, vnet0->vnet_base);
	CURVNET_RESTORE();
}

static void
entering_nests_and_a_thread_starts_outside(void **state)
{
	struct vnet *v = vnet_test_stack("v", 0);

	(void)state;
	assert_null(curvnet);
	assert_int_equal(curvnet_base, vnet_base_none);
	CURVNET_SET(v);
	visit_vnet0();
	assert_ptr_equal(curvnet, v);
	CURVNET_RESTORE();
	assert_null(curvnet);
	assert_int_equal(curvnet_base, vnet_base_none);
	vnet_destroy(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(they_run_in_order_in_file_and_stacks_and_are_undone_in_reverse, reset),
		cmocka_unit_test_setup(a_load_that_fails_anywhere_undoes_what_ran, reset),
		cmocka_unit_test_setup(a_failure_in_the_third_stack_undoes_all_three, reset),
		cmocka_unit_test_setup(a_stack_that_fails_is_not_there, reset),
		cmocka_unit_test_setup(at_one_place_files_count_in_the_order_of_their_loads, reset),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(entering_nests_and_a_thread_starts_outside),
	};

	vnet_test_init(1 << 20);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
