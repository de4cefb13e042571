/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VNET_PCPUSTAT: every stack has counters of its own, from its first moment to its last.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>
#include <uvnet/pcpustat.h>
#include <cmocka.h>

#define STACKS 200

struct foostat {
	uint64_t foo_in[15], foo_out;
};

VNET_PCPUSTAT_DEFINE_STATIC(struct foostat, foostat);
VNET_PCPUSTAT_SYSINIT(foostat);
VNET_PCPUSTAT_SYSUNINIT(foostat);

static void
every_stack_counts_for_itself(void **state)
{
	static struct vnet *v[STACKS];
	struct foostat copy;
	struct uverr err;
	char name[16];
	int i, round;

	(void)state;
	for (round = 0; round < 2; round++) {	/* the second time with counters that others had */
		for (i = 0; i < STACKS; i++) {
			snprintf(name, sizeof(name), "s%d", i);
			assert_int_equal(vnet_alloc(name, 0, &v[i], &err), 0);
		}
		for (i = 0; i < STACKS; i++) {
			CURVNET_SET(v[i]);
			VNET_PCPUSTAT_ADD(struct foostat, foostat, foo_in[14], i);
			VNET_PCPUSTAT_ADD(struct foostat, foostat, foo_out, 2 * i);
			CURVNET_RESTORE();
		}
		for (i = 0; i < STACKS; i++) {
			CURVNET_SET(v[i]);
			assert_int_equal(VNET_PCPUSTAT_FETCH(struct foostat, foostat, foo_in[14]), i);
			COUNTER_ARRAY_COPY(VNET(foostat), &copy, VNET_PCPUSTAT_LEN(foostat));
			assert_int_equal(copy.foo_in[0], 0);
			assert_int_equal(copy.foo_out, 2 * i);
			CURVNET_RESTORE();
			vnet_destroy(v[i]);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_stack_counts_for_itself),
	};
	const struct vnet_config config = { .max = STACKS + 2 };
	struct uverr err;

	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(&config, &err) != 0 ||
	    kld_init("test", &err) != 0) {
		print_error("%s\n", err.text);
		return (1);
	}
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
