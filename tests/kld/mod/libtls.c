/* SPDX-License-Identifier: BSD-2-Clause */
/* libtls.ko: a thread-local of a library. */
#include "mod.h"

extern _Thread_local int errno_like __asm__("errno") __attribute__((tls_model("initial-exec")));
int libtls_value(void);
int
libtls_value(void)
{
	return (errno_like);
}
