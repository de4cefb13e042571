/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of src/vnet share.
 */
#ifndef VNET_IMPL_H
#define VNET_IMPL_H

#include <uvnet/err.h>

/* Run all VNET_SYSINITs, or all VNET_SYSUNINITs in reverse, in the current stack.  The first undoes on failure. */
int sysinit_vnet_construct(struct uverr *err);
void sysinit_vnet_destruct(void);

#endif
