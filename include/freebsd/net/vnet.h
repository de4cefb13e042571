/* SPDX-License-Identifier: BSD-2-Clause */
/* FreeBSD's net/vnet.h for module sources.  See docs/freebsd-modules.md. */
#ifndef UVNET_FREEBSD_NET_VNET_H
#define UVNET_FREEBSD_NET_VNET_H

#include <sys/kernel.h>
#include <uvnet/vnet.h>

#endif
