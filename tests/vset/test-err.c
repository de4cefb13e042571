/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sentences for failures: places go in front, and what is too long is cut, never overrun.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <uvnet/err.h>
#include <cmocka.h>

static void
places_go_in_front(void **state)
{
	struct uverr err;

	(void)state;
	assert_int_equal(uverr(&err, ENOSPC, "%d bytes do not fit", 70312), -ENOSPC);
	uverr_prefix(&err, "%s", "set_vnet");
	uverr_prefix(&err, "%s", "if_wg.ko");
	assert_string_equal(err.text, "if_wg.ko: set_vnet: 70312 bytes do not fit");
	assert_int_equal(uverr(NULL, EINVAL, "nobody listens"), -EINVAL);
	uverr_prefix(NULL, "nobody");
}

static void
what_is_too_long_is_cut(void **state)
{
	char longtext[2000];
	struct uverr err;
	int i;

	(void)state;
	memset(longtext, 'x', sizeof(longtext));
	longtext[sizeof(longtext) - 1] = '\0';
	uverr(&err, EINVAL, "%s", longtext);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	for (i = 0; i < 10; i++)
		uverr_prefix(&err, "%s", longtext);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_go_in_front),
		cmocka_unit_test(what_is_too_long_is_cut),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
