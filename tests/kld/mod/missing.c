/* SPDX-License-Identifier: BSD-2-Clause */
/* missing.ko: needs a module that is nowhere. */
#include "mod.h"

MODULE_VERSION(missing, 1);
MODULE_DEPEND(missing, base, 1, 1, 9);
MODULE_DEPEND(missing, nowhere, 1, 1, 1);
