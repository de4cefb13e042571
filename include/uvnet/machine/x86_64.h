/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * x86-64: the thread's rseq area is at %fs:__rseq_offset, and one instruction adds to memory.
 */
#ifndef UVNET_MACHINE_X86_64_H
#define UVNET_MACHINE_X86_64_H

#include <stdint.h>
#include <sys/rseq.h>

/* The CPU of this thread as the kernel keeps it in the rseq area; negative when there is no area. */
static inline int
machine_cpu_id(void)
{
	int cpu;

	__asm__ volatile("movl %%fs:4(%1), %0" : "=r"(cpu) : "r"(__rseq_offset));
	return (cpu);
}

/* Add to a word that only this thread adds to; also right when a signal handler does so in between. */
static inline void
machine_add(uint64_t *word, uint64_t inc)
{
	__asm__("addq %1, %0" : "+m"(*word) : "er"(inc) : "cc");
}

#ifdef UVNET_PROGRAM
/*
 * A restartable sequence in place: find the words of the CPU and add, or go to `none` when the table has none.
 *
 * The CPU's number is read inside of the sequence, so it needs no second look: moved or preempted before the last
 * instruction, the thread begins again.  Only for the program: the kernel may read the descriptor long after the
 * sequence ended, at the thread's next preemption, and a module's could be unmapped by then.
 */
#define MACHINE_PERCPU_ADD(table, word, inc, none) \
	__asm__ goto( \
		".pushsection __rseq_cs, \"aw\"\n" \
		".balign 32\n" \
		"3:	.long 0, 0\n" \
		"	.quad 1f, 2f - 1f, 4f\n" \
		".popsection\n" \
		"0:	leaq 3b(%%rip), %%rax\n" \
		"	movq %%rax, %%fs:8(%[rseq])\n" \
		"1:	movslq %%fs:4(%[rseq]), %%rax\n" \
		"	movq (%[tab],%%rax,8), %%rax\n" \
		"	testq %%rax, %%rax\n" \
		"	jz %l[" #none "]\n" \
		"	addq %[by], (%[to],%%rax)\n" \
		"2:\n" \
		".pushsection .text.unlikely, \"ax\"\n" \
		"	.byte 0x0f, 0xb9, 0x3d\n"	/* ud1 with the signature for an operand */ \
		"	.long 0x53053053\n" \
		"4:	jmp 0b\n" \
		".popsection\n" \
		: \
		: [rseq] "r"(__rseq_offset), [tab] "r"(table), [to] "r"(word), [by] "er"(inc) \
		: "rax", "cc", "memory" \
		: none)
#endif

#endif
