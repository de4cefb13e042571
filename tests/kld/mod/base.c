/* SPDX-License-Identifier: BSD-2-Clause */
/* base.ko: what top.ko needs; automatic.ko too. */
#include "mod.h"

MODULE_VERSION(base, 5);

int base_value(void);
int
base_value(void)
{
	return (55);
}
