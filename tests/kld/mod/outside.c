/* SPDX-License-Identifier: BSD-2-Clause */
/* outside.ko: touches virtual variables where it must not. */
#include "mod.h"

VNET_DEFINE_STATIC(int, o_ticks);
VNET_DEFINE(int, o_table[8]);

int outside_read(void);
void outside_write(void), outside_template(void), outside_astray(int *where);

int
outside_read(void)
{
	return (VNET(o_ticks));
}

void
outside_write(void)
{
	VNET(o_table)[3] = 1;
}

void
outside_template(void)
{
	*(volatile int *)&VNET_NAME(o_ticks) = 1;
}

void
outside_astray(int *where)
{
	*(volatile int *)where = 1;
}
