/* SPDX-License-Identifier: BSD-2-Clause */
/* toonew.ko: needs a newer base.ko than there is. */
#include "mod.h"

MODULE_VERSION(toonew, 1);
MODULE_DEPEND(toonew, base, 6, 6, 7);
