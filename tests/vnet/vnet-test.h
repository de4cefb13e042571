/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of src/vnet begin with: the window, the CPUs, the stacks.
 */
#ifndef VNET_TEST_H
#define VNET_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <uvnet/dpcpu.h>
#include <uvnet/vnet.h>
#include <cmocka.h>

static inline void
vnet_test_init(size_t heap)
{
	const struct vnet_config config = { .max = 100, .heap = heap };
	struct uverr err;

	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(&config, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
}

static inline struct vnet *
vnet_test_stack(const char *name, unsigned cpu)
{
	struct vnet *v = NULL;
	struct uverr err;

	if (vnet_alloc(name, cpu, &v, &err) != 0)
		fail_msg("%s", err.text);
	return (v);
}

#endif
