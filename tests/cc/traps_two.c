/* SPDX-License-Identifier: BSD-2-Clause */
/* The other unit: what the traps know only as extern. */

#include "traps.h"

int other_counter = 1;
static int hidden_target = 50;
int *other_pointer = &hidden_target;
struct node other_node = { &other_node, 3 };
int weak_replaced = 7000;

/* The same name as in traps_data.c. */
static int same = 3;

long
other_same_static(int n)
{
	same += n;
	return (same);
}

int *
other_address(int n)
{
	static int local[4];

	return (n & 1 ? &local[n % 4] : &other_counter);
}
