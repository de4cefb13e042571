/* SPDX-License-Identifier: BSD-2-Clause */
/* FreeBSD's sys/pcpu.h for module sources: DPCPU.  See docs/freebsd-modules.md. */
#ifndef UVNET_FREEBSD_SYS_PCPU_H
#define UVNET_FREEBSD_SYS_PCPU_H

#include <uvnet/dpcpu.h>

#endif
