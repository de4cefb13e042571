/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arm64: the restartable sequences of uvnet/percpu.h and uvnet/counter.h.  rseq.inc tells how they work.
 *
 * The rseq area is at tpidr_el0 + __rseq_offset.  No single instruction adds to memory: the sequence commits with its
 * last store.  x9 to x15 are anybody's.
 */
#include "rseq.inc"

/* Arm the descriptor.  x9: the area; x10: overwritten. */
.macro RSEQ_BEGIN name
	RSEQ_DESCRIPTOR \name
	mrs x9, tpidr_el0
	adrp x10, :got:__rseq_offset
	ldr x10, [x10, #:got_lo12:__rseq_offset]
	ldr x10, [x10]
	add x9, x9, x10
.Lretry_\name:
	adrp x10, .Lcs_\name
	add x10, x10, #:lo12:.Lcs_\name
	str x10, [x9, #8]
.Lstart_\name:
.endm

/* Behind the committing instruction. */
.macro RSEQ_END name
.Lend_\name:
	.pushsection .text.unlikely, "ax"
	.inst 0xd428bc00		/* brk with an odd number: the signature */
.Labort_\name:
	b .Lretry_\name
	.popsection
.endm

/* w10: the CPU; x11: the distance of its instance.  Without rseq, on to the function in C. */
.macro RSEQ_CPU name
	ldr w10, [x9, #4]
	adrp x11, dpcpu_nrseq
	ldr w11, [x11, #:lo12:dpcpu_nrseq]
	cmp w10, w11
	b.lo 9f
	b \name\()_atomic
9:	adrp x11, dpcpu_off
	ldr x11, [x11, #:lo12:dpcpu_off]
	ldr x11, [x11, w10, uxtw #3]
.endm

/* void dpcpu_add(uintptr_t *word, uintptr_t inc) */
FUNCTION dpcpu_add
	RSEQ_BEGIN add
	RSEQ_CPU dpcpu_add
	ldr x12, [x0, x11]
	add x12, x12, x1
	str x12, [x0, x11]
	RSEQ_END add
	ret
END dpcpu_add

/* void dpcpu_store(uintptr_t *word, uintptr_t value) */
FUNCTION dpcpu_store
	RSEQ_BEGIN store
	RSEQ_CPU dpcpu_store
	str x1, [x0, x11]
	RSEQ_END store
	ret
END dpcpu_store

/* int dpcpu_cmpset(unsigned cpu, uintptr_t *word, uintptr_t expect, uintptr_t value) */
FUNCTION dpcpu_cmpset
	RSEQ_BEGIN cmpset
	RSEQ_CPU dpcpu_cmpset
	cmp w10, w0
	b.ne 1f
	ldr x12, [x1, x11]
	cmp x12, x2
	b.ne 2f
	str x3, [x1, x11]
	RSEQ_END cmpset
	mov w0, #1
	ret
1:	mov w0, #-11			/* -EAGAIN */
	ret
2:	mov w0, #0
	ret
END dpcpu_cmpset

/* void dpcpu_push(struct dpcpu_list *list, struct dpcpu_node *node) */
FUNCTION dpcpu_push
	RSEQ_BEGIN push
	RSEQ_CPU dpcpu_push
	ldr x12, [x0, x11]
	str x12, [x1]
	str x1, [x0, x11]
	RSEQ_END push
	ret
END dpcpu_push

/* struct dpcpu_node *dpcpu_pop(struct dpcpu_list *list) */
FUNCTION dpcpu_pop
	RSEQ_BEGIN pop
	RSEQ_CPU dpcpu_pop
	ldr x12, [x0, x11]
	cbz x12, 1f
	ldr x13, [x12]
	str x13, [x0, x11]
	RSEQ_END pop
1:	mov x0, x12
	ret
END dpcpu_pop

/* int counter_rseq_add(counter_u64_t c, int64_t inc, const uintptr_t table[], uintptr_t field) */
FUNCTION counter_rseq_add
	RSEQ_BEGIN count
	ldrsw x10, [x9, x3]		/* -1 and -2 have entries, too */
	ldr x11, [x2, x10, lsl #3]
	cbz x11, 1f
	ldr x12, [x0, x11]
	add x12, x12, x1
	str x12, [x0, x11]
	RSEQ_END count
	mov w0, #0
	ret
1:	mov w0, #-1
	ret
END counter_rseq_add

/* void counter_u64_add_shared(counter_u64_t c, int64_t inc) */
FUNCTION counter_u64_add_shared
	adrp x2, counter_percpu
	add x2, x2, #:lo12:counter_percpu
	add x2, x2, #16
	RSEQ_BEGIN shared
	ldrsw x10, [x9, #4]
	ldr x11, [x2, x10, lsl #3]
	cbz x11, 1f
	ldr x12, [x0, x11]
	add x12, x12, x1
	str x12, [x0, x11]
	RSEQ_END shared
	ret
1:	b counter_u64_add_slow
END counter_u64_add_shared
