/* SPDX-License-Identifier: BSD-2-Clause */
/* common.ko: a common symbol (compiled with -fcommon). */
#include "mod.h"

int common_symbol;
