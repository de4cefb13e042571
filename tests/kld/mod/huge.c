/* SPDX-License-Identifier: BSD-2-Clause */
/* huge.ko: more private data than there is module space. */
#include "mod.h"

char huge[600 << 20];
