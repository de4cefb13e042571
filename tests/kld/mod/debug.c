/* SPDX-License-Identifier: BSD-2-Clause */
/* debug.ko: something for a debugger to look at.  tools.sh knows its lines by the words in their comments. */
#include "mod.h"

struct point {
	int x, y;
	struct point *next;
};

VNET_DEFINE(int, d_count) = 1;
VNET_DEFINE_STATIC(struct point, d_first) = { 10, 20, NULL };
VNET_DEFINE_STATIC(struct point *, d_list) = &VNET_NAME(d_first);
VNET_DEFINE(int, d_table[4]) = { 1, 2, 3, 4 };
DPCPU_DEFINE(long, d_hits) = 3;

/* As vnetcc leaves it: a virtual variable by its own name. */
static int d_plain __attribute__((section("set_vnet"), used)) = 5;

static int
inner(int amount)
{
	VNET(d_count) += amount;
	VNET(d_list)->y += amount;
	VNET(d_table)[2] = VNET(d_count);
	*(int *)((uintptr_t)&d_plain + curvnet_base) += amount;
	return (VNET(d_count));	/* break here */
}

int debug_add(int amount);
int
debug_add(int amount)
{
	return (inner(amount) + 1);	/* called here */
}
