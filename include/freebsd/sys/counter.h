/* SPDX-License-Identifier: BSD-2-Clause */
/* FreeBSD's sys/counter.h for module sources.  See docs/freebsd-modules.md. */
#ifndef UVNET_FREEBSD_SYS_COUNTER_H
#define UVNET_FREEBSD_SYS_COUNTER_H

#include <uvnet/counter.h>

#endif
