/* SPDX-License-Identifier: BSD-2-Clause */
/* FreeBSD's sys/smp.h for module sources.  See docs/freebsd-modules.md. */
#ifndef UVNET_FREEBSD_SYS_SMP_H
#define UVNET_FREEBSD_SYS_SMP_H

#include <uvnet/dpcpu.h>

#define mp_maxid (mp_ncpus - 1)
#define CPU_ABSENT(i) ((unsigned)(i) >= mp_ncpus)

#endif
