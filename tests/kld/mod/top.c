/* SPDX-License-Identifier: BSD-2-Clause */
/* top.ko: needs base.ko, which is loaded with it. */
#include "mod.h"

MODULE_VERSION(top, 1);
MODULE_DEPEND(top, base, 5, 5, 6);

int base_value(void), top_value(void);
int
top_value(void)
{
	return (base_value() + 1);
}
