/* SPDX-License-Identifier: BSD-2-Clause */
/* What modules need of each other. */
#include "kld-test.h"

typedef int int_t(void);

static void
a_dependency_is_loaded_and_goes(void **state)
{
	struct spaces before;
	struct kld_info info;
	linker_file_t top, base;

	(void)state;
	spaces_get(&before);
	top = load("top");
	base = kld_find("base");
	assert_non_null(base);
	assert_ptr_equal(kld_next(kld_next(NULL)), base);	/* before what needs it */
	assert_int_equal(function(top, int_t *, "top_value")(), 56);
	kld_getinfo(base, &info);
	assert_int_equal(info.refs, 1);
	assert_string_equal(info.name, "base.ko");
	unload(top);
	assert_null(kld_find("base.ko"));
	assert_same_spaces(&before);
}

static void
what_was_loaded_by_name_stays(void **state)
{
	linker_file_t base = load("base"), top = load("top");

	(void)state;
	unload(top);
	assert_ptr_equal(kld_find("base"), base);
	unload(base);
}

static void
a_symbol_used_is_a_dependency(void **state)
{
	struct uverr err = { "" };
	linker_file_t base, user;

	(void)state;
	assert_refused(module_path("undeclared"), ENOENT, "unknown symbol `base_value'");
	base = load("base");
	user = load("undeclared");
	assert_int_equal(function(user, int_t *, "undeclared_value")(), 57);
	assert_int_equal(kld_unload(base, &err), -EBUSY);
	unload(user);
	unload(base);
}

static void
names_are_unique(void **state)
{
	linker_file_t base = load("base");

	(void)state;
	assert_refused(module_path("base"), EEXIST, "base.ko: already loaded");
	assert_refused(module_path("impostor"), EEXIST, "impostor.ko: already loaded");
	unload(base);
	unload(load("impostor"));
}

static void
wrong_versions_and_missing_modules_are_refused(void **state)
{
	(void)state;
	assert_refused(module_path("toonew"), ENOENT, "needs module base version 6 to 7: base.ko is version 5");
	assert_refused(module_path("missing"), ENOENT, "missing.ko: needs module nowhere: ");
}

static void
circles_are_refused(void **state)
{
	(void)state;
	assert_refused(module_path("chicken"), ELOOP, "egg.ko: needs module chicken, which needs egg.ko");
}

static void
fini_unloads_all(void **state)
{
	struct uverr err;

	(void)state;
	load("top");
	load("sets");
	load("user");
	kld_fini();
	assert_null(kld_next(NULL));
	assert_int_equal(kld_init("test", &err), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dependency_is_loaded_and_goes),
		cmocka_unit_test(what_was_loaded_by_name_stays),
		cmocka_unit_test(a_symbol_used_is_a_dependency),
		cmocka_unit_test(names_are_unique),
		cmocka_unit_test(wrong_versions_and_missing_modules_are_refused),
		cmocka_unit_test(circles_are_refused),
		cmocka_unit_test(fini_unloads_all),
	};

	return (cmocka_run_group_tests_name("kld-deps", tests, kld_test_setup, kld_test_teardown));
}
