/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine that this is compiled for: what uvnet/dpcpu.h and uvnet/counter.h leave to it.  Not for others.
 */
#ifndef UVNET_MACHINE_H
#define UVNET_MACHINE_H

#if defined(__x86_64__)
#include <uvnet/machine/x86_64.h>
#else
#include <uvnet/machine/generic.h>
#endif

#endif
