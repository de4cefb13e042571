/* SPDX-License-Identifier: BSD-2-Clause */
/* undeclared.ko: uses a symbol of base.ko without saying so. */
#include "mod.h"

int base_value(void), undeclared_value(void);
int
undeclared_value(void)
{
	return (base_value() + 2);
}
