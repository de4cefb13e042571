/* SPDX-License-Identifier: BSD-2-Clause */
/* chicken.ko: needs egg.ko. */
#include "mod.h"

MODULE_VERSION(chicken, 1);
MODULE_DEPEND(chicken, egg, 1, 1, 1);
