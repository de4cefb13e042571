/* SPDX-License-Identifier: BSD-2-Clause */
/* What loader.c runs: each function returns what it found through the current instance. */
#include "mod.h"

VNET_DEFINE(int, a) = 1;
VNET_DEFINE(int, b[4]) = { 1, 2, 3, 4 };
DPCPU_DEFINE(int, c) = 5;
DPCPU_DEFINE(long, d[2]) = { 6, 7 };

int
test_a(void)
{
	return (VNET(a));
}

int
test_b(void)
{
	int sum = 0;

	for (unsigned i = 0; i < 4; i++)
		sum += VNET(b)[i];
	return (sum / 4);
}

int
test_c(void)
{
	return (DPCPU(c));
}

int
test_d(void)
{
	return ((int)DPCPU(d)[1]);
}

int
test_written(void)
{
	VNET(b)[3]++;
	return (VNET(b)[3]);
}
