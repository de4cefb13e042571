/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A way to count, as two functions: bench_NAME_1() increments one word, bench_NAME_8() eight in turn.  `setup` is
 * what the function declares once, for every way the same: the address that it counts at.
 */
#ifndef BENCH_DPCPU_H
#define BENCH_DPCPU_H

#define BENCH_ADDS 4000000
#define BENCH_WORDS 8
#define BENCH_LINE 8		/* words of a line */

#ifndef BENCH_LINKAGE
#define BENCH_LINKAGE static
#endif
#define BENCH_WAY(name, setup, before, one) \
	__attribute__((noinline, aligned(64))) BENCH_LINKAGE void \
	bench_##name##_1(void) \
	{ \
		enum { k = 0 }; \
		setup; \
		for (int i = 0; i < BENCH_ADDS; i++) { \
			before; \
			one; \
		} \
	} \
	__attribute__((noinline, aligned(64))) BENCH_LINKAGE void \
	bench_##name##_8(void) \
	{ \
		setup; \
		for (int i = 0; i < BENCH_ADDS; i += BENCH_WORDS) \
			_Pragma("GCC unroll 8") for (int k = 0; k < BENCH_WORDS; k++) { \
				before; \
				one; \
			} \
	}

/* bench-dpcpu-librseq.c, where librseq is installed; else they are not there. */
void bench_librseq_init(unsigned ncpus) __attribute__((weak));
void bench_librseq_1(void) __attribute__((weak));
void bench_librseq_8(void) __attribute__((weak));

#endif
