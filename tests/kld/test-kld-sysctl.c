/* SPDX-License-Identifier: BSD-2-Clause */
/* sysctl(9): names of a module written for FreeBSD, in three stacks; values of every type, what is refused, unloading. */
#include <uvnet/sysctl.h>

#include "kld-test.h"

static linker_file_t file;

static void
is(int stack, const char *name, const char *want)
{
	char text[SYSCTL_TEXTLEN];
	struct sysctl_oid *oid = sysctl_find(name);
	int len;

	assert_non_null(oid);
	CURVNET_SET(stacks[stack]);
	len = sysctl_get(oid, text);
	CURVNET_RESTORE();
	assert_int_equal(len, (int)strlen(want));
	assert_string_equal(text, want);
}

static int
set(int stack, const char *name, const char *text, int making, struct uverr *err)
{
	int error;

	CURVNET_SET(stacks[stack]);
	error = sysctl_set(name, text, making, err);
	CURVNET_RESTORE();
	return (error);
}

static void
values_of_all_types_are_a_stacks_own(void **state)
{
	static const struct {
		const char *name, *first, *text, *then;
	} v[] = {
		{ "net.inet.fb.ttl", "64", "-7", "-7" },
		{ "net.inet.fb.uint", "4000000000", "0x10", "16" },
		{ "net.inet.fb.long", "-5", "-2147483648", "-2147483648" },
		{ "net.inet.fb.u64", "18446744073709551615", "18446744073709551614", "18446744073709551614" },
		{ "net.inet.fb.s16", "-300", "32767", "32767" },
		{ "net.inet.fb.u8", "200", "255", "255" },
		{ "net.inet.fb.flag", "1", "0", "0" },
		{ "net.inet.fb.name", "fb", "1234567", "1234567" },
		{ "net.inet.fb.even", "2", "44", "44" },
	};
	struct uverr err = { "" };

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		for (int s = 0; s < NSTACKS; s++)
			is(s, v[i].name, v[i].first);
		assert_int_equal(set(1, v[i].name, v[i].text, 0, &err), 0);
		is(0, v[i].name, v[i].first);
		is(1, v[i].name, v[i].then);
		is(2, v[i].name, v[i].first);
	}
	assert_int_equal(set(1, "net.inet.fb.flag", "17", 0, &err), 0);
	is(1, "net.inet.fb.flag", "1");
	is(1, "net.inet.fb.version", "14");
	CURVNET_SET(stacks[2]);
	function(file, int (*)(int), "fb_use")(64);
	CURVNET_RESTORE();
	is(2, "net.inet.fb.packets", "1");
	is(1, "net.inet.fb.packets", "0");
	assert_int_equal(set(2, "net.inet.fb.packets", "0", 0, &err), 0);
	is(2, "net.inet.fb.packets", "0");
}

static void
what_is_wrong_is_refused(void **state)
{
	static const struct {
		const char *name, *text;
		int error;
	} bad[] = {
		{ "net.inet.fb", "1", -EISDIR },
		{ "net.inet.fb.nothing", "1", -ENOENT },
		{ "net.inet.fb.", "1", -ENOENT },
		{ "", "1", -ENOENT },
		{ "net.inet.fb.ttl", "", -EINVAL },
		{ "net.inet.fb.ttl", " 1", -EINVAL },
		{ "net.inet.fb.ttl", "1 ", -EINVAL },
		{ "net.inet.fb.ttl", "--1", -EINVAL },
		{ "net.inet.fb.ttl", "2147483648", -ERANGE },
		{ "net.inet.fb.uint", "-1", -ERANGE },
		{ "net.inet.fb.uint", "4294967296", -ERANGE },
		{ "net.inet.fb.u64", "18446744073709551616", -ERANGE },
		{ "net.inet.fb.long", "9223372036854775808", -ERANGE },
		{ "net.inet.fb.s16", "-32769", -ERANGE },
		{ "net.inet.fb.u8", "256", -ERANGE },
		{ "net.inet.fb.name", "12345678", -EINVAL },
		{ "net.inet.fb.even", "3", -EINVAL },
		{ "net.inet.fb.hash", "128", -EPERM },
		{ "net.inet.fb.loaded", "5", -EPERM },
		{ "net.inet.fb.version", "15", -EPERM },
	};
	struct uverr err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.text[0] = '\0';
		assert_int_equal(set(0, bad[i].name, bad[i].text, 0, &err), bad[i].error);
		assert_non_null(strstr(err.text, bad[i].name));
	}
	is(0, "net.inet.fb.ttl", "64");
	is(0, "net.inet.fb.name", "fb");
	is(0, "net.inet.fb.even", "2");
	is(0, "net.inet.fb.hash", "64");
	is(0, "net.inet.fb.loaded", "1");
	/* Where a stack is made, a tunable may be set. */
	assert_int_equal(set(0, "net.inet.fb.hash", "128", 1, &err), 0);
	is(0, "net.inet.fb.hash", "128");
	is(1, "net.inet.fb.hash", "64");
	assert_int_equal(set(0, "net.inet.fb.version", "15", 1, &err), -EPERM);
}

struct seen {
	unsigned n;
	char last[SYSCTL_NAMELEN];
};

static void
see(struct sysctl_oid *oid, const char *name, void *arg)
{
	struct seen *seen = arg;

	assert_ptr_equal(sysctl_find(name), oid);
	assert_true(strcmp(seen->last, name) < 0);
	snprintf(seen->last, sizeof(seen->last), "%s", name);
	seen->n++;
}

static void
names_come_in_order_and_go_with_their_module(void **state)
{
	struct seen seen = { 0, "" }, fb = { 0, "" }, after = { 0, "" };

	(void)state;
	sysctl_walk(NULL, see, &seen);
	sysctl_walk(sysctl_find("net.inet.fb"), see, &fb);
	assert_int_equal(fb.n, 13);
	unload(file);
	assert_null(sysctl_find("net.inet.fb"));
	assert_null(sysctl_find("net.inet.fb.ttl"));
	sysctl_walk(NULL, see, &after);
	assert_int_equal(after.n, seen.n - fb.n);
	/* A load that fails takes those back that it had registered. */
	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? "sysctl_plain" : "sysctl_taken";

		assert_refused(module_path(name), i == 0 ? EINVAL : EEXIST,
		    i == 0 ? "sysctl___kern_plain_second" : "sysctl___kern_hostname");
		assert_null(sysctl_find("kern.plain_first"));
	}
	assert_non_null(sysctl_find("kern.hostname"));
	file = load("freebsd");
	is(1, "net.inet.fb.ttl", "64");
	unload(file);
}

static int
setup(void **state)
{
	if (kld_test_setup(state) != 0)
		return (-1);
	file = load("freebsd");
	return (0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_all_types_are_a_stacks_own),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(names_come_in_order_and_go_with_their_module),
	};

	return (cmocka_run_group_tests_name("kld-sysctl", tests, setup, kld_test_teardown));
}
