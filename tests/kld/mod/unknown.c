/* SPDX-License-Identifier: BSD-2-Clause */
/* unknown.ko: uses what nobody has. */
#include "mod.h"

int no_such_function(void), no_such_variable, unknown_value(void);
extern int no_such_variable;
int
unknown_value(void)
{
	return (no_such_function());
}
