/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any machine: what is not a call here is an atomic operation on a line that nobody else writes.
 */
#ifndef UVNET_MACHINE_GENERIC_H
#define UVNET_MACHINE_GENERIC_H

#include <stdint.h>

/* The CPU of this thread as the kernel keeps it in the rseq area, or negative: then it is to be asked for. */
static inline int
machine_cpu_id(void)
{
	return (-1);
}

/* Add to a word that only this thread adds to; also right when a signal handler does so in between. */
static inline void
machine_add(uint64_t *word, uint64_t inc)
{
	__atomic_fetch_add(word, inc, __ATOMIC_RELAXED);
}

#endif
