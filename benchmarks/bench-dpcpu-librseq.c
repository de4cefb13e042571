/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * librseq's increment (of a word at a constant stride a CPU, as its mempools have it), as its users write it.
 */
#include <rseq/rseq.h>
#include <stdint.h>
#include <stdlib.h>

#define BENCH_LINKAGE
#include "bench-dpcpu.h"

#define STRIDE 65536

static char *base;

static inline void
add(char *words, int k)
{
	int cpu;

	do {
		cpu = rseq_cpu_start();
	} while (rseq_load_add_store__ptr(RSEQ_MO_RELAXED, RSEQ_PERCPU_CPU_ID,
	    (intptr_t *)(words + (size_t)cpu * STRIDE + (size_t)k * 64), 1, cpu) != 0);
}

BENCH_WAY(librseq, char *const words = base, (void)0, add(words, k))

void
bench_librseq_init(unsigned ncpus)
{
	if (rseq_register_current_thread() != 0)	/* finds glibc's registration */
		abort();
	base = calloc(ncpus, STRIDE);
}
