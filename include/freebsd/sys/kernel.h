/* SPDX-License-Identifier: BSD-2-Clause */
/* FreeBSD's sys/kernel.h for module sources: SYSINIT.  See docs/freebsd-modules.md. */
#ifndef UVNET_FREEBSD_SYS_KERNEL_H
#define UVNET_FREEBSD_SYS_KERNEL_H

#include <uvnet/sysinit.h>

#endif
