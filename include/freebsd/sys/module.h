/* SPDX-License-Identifier: BSD-2-Clause */
/* FreeBSD's sys/module.h for module sources.  See docs/freebsd-modules.md. */
#ifndef UVNET_FREEBSD_SYS_MODULE_H
#define UVNET_FREEBSD_SYS_MODULE_H

#include <uvnet/module.h>

/* There a module that is tied to the kernel's exact version; here every load is checked symbol by symbol. */
#define DECLARE_MODULE_TIED(name, data, sub, order) DECLARE_MODULE(name, data, sub, order)

#endif
