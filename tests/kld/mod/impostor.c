/* SPDX-License-Identifier: BSD-2-Clause */
/* impostor.ko: calls itself base. */
#include "mod.h"

MODULE_VERSION(base, 6);
