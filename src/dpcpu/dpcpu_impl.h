/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of src/dpcpu share.
 */
#ifndef DPCPU_IMPL_H
#define DPCPU_IMPL_H

#include <uvnet/err.h>

/* Take room in the set for counters, after all instances are made; give it back. */
int counter_init(struct uverr *err);
void counter_fini(void);

#endif
