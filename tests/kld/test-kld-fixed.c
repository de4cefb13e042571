/* SPDX-License-Identifier: BSD-2-Clause */
/* A program linked for a fixed address has no relocations to make rebase lists of. */
#include "kld-test.h"

static void
a_program_at_a_fixed_address_is_refused(void **state)
{
	const struct vnet_config config = { .max = 4 };
	struct uverr err = { "" };

	(void)state;
	assert_int_equal(vset_window_init(&err), 0);
	assert_int_equal(dpcpu_init(&err), 0);
	assert_int_equal(vnet_init(&config, &err), 0);
	assert_int_equal(kld_init("fixed", &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "fixed: linked for a fixed address"));
	assert_null(kld_next(NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_at_a_fixed_address_is_refused),
	};

	return (cmocka_run_group_tests_name("kld-fixed", tests, NULL, NULL));
}
