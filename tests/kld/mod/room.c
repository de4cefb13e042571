/* SPDX-License-Identifier: BSD-2-Clause */
/* room.ko: takes as much module space as test-kld-spaces.c wants: the size of its .bss is written into the file. */
#include "mod.h"

VNET_DEFINE(long, room_virtual[16]) = { 1 };
char room[64];
extern char room[64];
