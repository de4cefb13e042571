/* SPDX-License-Identifier: BSD-2-Clause */
/* A module with 1 KB of virtual variables, none of them zero. */
#include <uvnet/module.h>
#include <uvnet/vnet.h>

#define EIGHT(x) x, x, x, x, x, x, x, x
VNET_DEFINE(long, small_set[128]) = { EIGHT(EIGHT(1)), EIGHT(EIGHT(2)) };

long small_sum(void);
long
small_sum(void)
{
	long sum = 0;

	for (int i = 0; i < 128; i++)
		sum += VNET(small_set)[i];
	return (sum);
}
