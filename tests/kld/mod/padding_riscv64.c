/* SPDX-License-Identifier: BSD-2-Clause */
/* padding.ko: an alignment for which the linker would have to delete some of the assembler's padding. */
__asm__(".option relax\n.text\n.balign 8\n	addi a0, a0, 1\n	.balign 8\n	ret\n.section .note.GNU-stack,\"\",%progbits\n");
