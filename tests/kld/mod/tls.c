/* SPDX-License-Identifier: BSD-2-Clause */
/* tls.ko: a thread-local of its own. */
#include "mod.h"

_Thread_local int tls_symbol = 1;
