/* SPDX-License-Identifier: BSD-2-Clause */
/* The C library's sys/cdefs.h, and what FreeBSD's has besides.  See docs/freebsd-modules.md. */
#ifndef UVNET_FREEBSD_SYS_CDEFS_H
#define UVNET_FREEBSD_SYS_CDEFS_H

#include_next <sys/cdefs.h>

#define __FBSDID(s) struct __uvnet_fbsdid
#ifndef __unused
#define __unused __attribute__((unused))
#endif
#ifndef __used
#define __used __attribute__((used))
#endif
#ifndef __printflike
#define __printflike(fmt, first) __attribute__((format(printf, fmt, first)))
#endif

#endif
