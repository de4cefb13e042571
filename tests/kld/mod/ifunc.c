/* SPDX-License-Identifier: BSD-2-Clause */
/* ifunc.ko: an indirect function. */
#include "mod.h"

int ifunc_symbol(void);
static int
real(void)
{
	return (1);
}
__attribute__((used)) static int (*
resolver(void))(void)
{
	return (real);
}
int ifunc_symbol(void) __attribute__((ifunc("resolver")));
