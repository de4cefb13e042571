/* SPDX-License-Identifier: BSD-2-Clause */
/* crash.ko: its metadata leads nowhere. */
#include "mod.h"

static const void *const nothing __attribute__((section("set_modmetadata_set"), used)) = (const void *)0;
