/* SPDX-License-Identifier: BSD-2-Clause */
/* distance.ko: a distance from a virtual variable to something shared. */
#include "mod.h"

extern int shared;
int shared = 1;
__asm__(".pushsection set_vnet,\"aw\"\n\t.long shared - .\n\t.popsection");
