/* SPDX-License-Identifier: BSD-2-Clause */
/* egg.ko: needs chicken.ko. */
#include "mod.h"

MODULE_VERSION(egg, 1);
MODULE_DEPEND(egg, chicken, 1, 1, 1);
