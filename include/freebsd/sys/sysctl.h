/* SPDX-License-Identifier: BSD-2-Clause */
/* FreeBSD's sys/sysctl.h for module sources: SYSCTL_*.  See docs/freebsd-modules.md. */
#ifndef UVNET_FREEBSD_SYS_SYSCTL_H
#define UVNET_FREEBSD_SYS_SYSCTL_H

#include <uvnet/sysctl.h>

#endif
