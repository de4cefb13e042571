/* SPDX-License-Identifier: BSD-2-Clause */
/* end.ko: a pointer behind the last virtual variable, where another section begins.  (One file, in this order.) */
#include "mod.h"

__asm__(".section set_vnet, \"aw\"\n\t.balign 8\n\t.previous");
extern long end_next;
long end_next __attribute__((section("set_vnext"))) = 1;
VNET_DEFINE(long *, end_pointer) = (long *)(void *)(&VNET_NAME(end_pointer) + 1);
