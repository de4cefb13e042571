/* SPDX-License-Identifier: BSD-2-Clause */
/* Machines without %gs: vnetcc refuses -fvirtual-base=gs for them, so this is never called. */

#include <stdlib.h>

#include "vinst_var.h"

void
vinst_gs_set(const uintptr_t *base)
{
	(void)base;
	abort();
}
