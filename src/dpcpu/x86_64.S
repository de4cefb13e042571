/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * x86-64: the restartable sequences of uvnet/percpu.h and uvnet/counter.h; rseq.inc tells how they work.
 *
 * The rseq area is at %fs:__rseq_offset.
 */
#include "rseq.inc"

/* Arm the descriptor.  %r8: the area's offset from %fs; %rax: overwritten. */
.macro RSEQ_BEGIN name
	RSEQ_DESCRIPTOR \name
	movq __rseq_offset@GOTPCREL(%rip), %r8
	movq (%r8), %r8
.Lretry_\name:
	leaq .Lcs_\name(%rip), %rax
	movq %rax, %fs:8(%r8)
.Lstart_\name:
.endm

/* Behind the committing instruction. */
.macro RSEQ_END name
.Lend_\name:
	.pushsection .text.unlikely, "ax"
	.byte 0x0f, 0xb9, 0x3d		/* ud1 with the signature for an operand */
	.long 0x53053053
.Labort_\name:
	jmp .Lretry_\name
	.popsection
.endm

/* %eax: the CPU; %r9: the distance of its instance.  Without rseq, on to the function in C. */
.macro RSEQ_CPU name
	movl %fs:4(%r8), %eax
	cmpl dpcpu_nrseq(%rip), %eax
	jae \name\()_atomic
	movq dpcpu_off(%rip), %r9
	movq (%r9,%rax,8), %r9
.endm

/* void dpcpu_add(uintptr_t *word, uintptr_t inc) */
FUNCTION dpcpu_add
	RSEQ_BEGIN add
	RSEQ_CPU dpcpu_add
	addq %rsi, (%rdi,%r9)
	RSEQ_END add
	ret
END dpcpu_add

/* void dpcpu_store(uintptr_t *word, uintptr_t value) */
FUNCTION dpcpu_store
	RSEQ_BEGIN store
	RSEQ_CPU dpcpu_store
	movq %rsi, (%rdi,%r9)
	RSEQ_END store
	ret
END dpcpu_store

/* int dpcpu_cmpset(unsigned cpu, uintptr_t *word, uintptr_t expect, uintptr_t value) */
FUNCTION dpcpu_cmpset
	RSEQ_BEGIN cmpset
	RSEQ_CPU dpcpu_cmpset
	cmpl %edi, %eax
	jne 1f
	cmpq %rdx, (%rsi,%r9)
	jne 2f
	movq %rcx, (%rsi,%r9)
	RSEQ_END cmpset
	movl $1, %eax
	ret
1:	movl $-11, %eax			/* -EAGAIN */
	ret
2:	xorl %eax, %eax
	ret
END dpcpu_cmpset

/* void dpcpu_push(struct dpcpu_list *list, struct dpcpu_node *node) */
FUNCTION dpcpu_push
	RSEQ_BEGIN push
	RSEQ_CPU dpcpu_push
	movq (%rdi,%r9), %rdx
	movq %rdx, (%rsi)
	movq %rsi, (%rdi,%r9)
	RSEQ_END push
	ret
END dpcpu_push

/* struct dpcpu_node *dpcpu_pop(struct dpcpu_list *list) */
FUNCTION dpcpu_pop
	RSEQ_BEGIN pop
	RSEQ_CPU dpcpu_pop
	movq (%rdi,%r9), %rax
	testq %rax, %rax
	jz 1f
	movq (%rax), %rdx
	movq %rdx, (%rdi,%r9)
	RSEQ_END pop
1:	ret
END dpcpu_pop

/* int counter_rseq_add(counter_u64_t c, int64_t inc, const uintptr_t table[], uintptr_t field) */
FUNCTION counter_rseq_add
	RSEQ_BEGIN count
	leaq (%r8,%rcx), %rax
	movslq %fs:(%rax), %rax		/* -1 and -2 have entries, too */
	movq (%rdx,%rax,8), %rax
	testq %rax, %rax
	jz 1f
	addq %rsi, (%rdi,%rax)
	RSEQ_END count
	xorl %eax, %eax
	ret
1:	movl $-1, %eax
	ret
END counter_rseq_add

/* void counter_u64_add_shared(counter_u64_t c, int64_t inc) */
FUNCTION counter_u64_add_shared
	leaq counter_percpu+16(%rip), %rdx
	RSEQ_BEGIN shared
	movslq %fs:4(%r8), %rax
	movq (%rdx,%rax,8), %rax
	testq %rax, %rax
	jz counter_u64_add_slow
	addq %rsi, (%rdi,%rax)
	RSEQ_END shared
	ret
END counter_u64_add_shared
