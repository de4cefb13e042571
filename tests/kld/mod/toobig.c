/* SPDX-License-Identifier: BSD-2-Clause */
/* toobig.ko: more virtual variables than there is room for. */
#include "mod.h"

VNET_DEFINE(char, toobig[8 << 20]);
