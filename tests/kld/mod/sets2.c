/* SPDX-License-Identifier: BSD-2-Clause */
/* The second object of sets.ko. */
#include "mod.h"

VNET_DEFINE(int, s_other) = 77;

int
sets_sum(void)
{
	return (VNET(s_global) + VNET(s_other));
}
