/* SPDX-License-Identifier: BSD-2-Clause */
/* rseq.ko: restartable sequences in place, as of a source that was compiled for the program; elsewhere a descriptor. */
#define UVNET_PROGRAM
#include <uvnet/counter.h>

#include "mod.h"

void rseq_count(counter_u64_t c);

void
rseq_count(counter_u64_t c)
{
	counter_u64_add(c, 1);
}

#ifndef MACHINE_PERCPU_ADD
__asm__(".pushsection __rseq_cs,\"aw\"\n\t.balign 32\n\t.zero 32\n\t.popsection");
#endif
