/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relax.ko: each instruction that asks for a slot or a thread-local's offset, against a symbol in reach (host_near,
 * relax_value: bettered) and one that is not (getpid, program_invocation_short_name).  The functions return what they found.
 */
__asm__(
    ".text\n"
    ".macro fn name\n.globl \\name\n.type \\name, @function\n\\name:\n.endm\n"
    "fn r_mov_near\n	movq host_near_value@GOTPCREL(%rip), %rax\n	movl (%rax), %eax\n	ret\n"
    "fn r_mov_r15\n	push %r15\n	movq host_near_value@GOTPCREL(%rip), %r15\n	movl (%r15), %eax\n	pop %r15\n	ret\n"
    "fn r_mov_own\n	movq relax_value@GOTPCREL(%rip), %rcx\n	movl (%rcx), %eax\n	ret\n"
    "fn r_mov_far\n	movq program_invocation_short_name@GOTPCREL(%rip), %rax\n	movq (%rax), %rax\n	ret\n"
    "fn r_call_near\n	sub $8, %rsp\n	call *host_near@GOTPCREL(%rip)\n	add $8, %rsp\n	ret\n"
    "fn r_call_far\n	sub $8, %rsp\n	call *getpid@GOTPCREL(%rip)\n	add $8, %rsp\n	ret\n"
    "fn r_call_plt\n	sub $8, %rsp\n	call getpid@PLT\n	add $8, %rsp\n	ret\n"
    "fn r_jmp_near\n	jmp *host_near@GOTPCREL(%rip)\n"
    "fn r_jmp_far\n	jmp *getpid@GOTPCREL(%rip)\n"
    "fn r_lea_far\n	lea getpid(%rip), %rax\n	jmp *%rax\n"
    "fn r_cmp\n	lea relax_value(%rip), %rdx\n	xor %eax, %eax\n"
    "	cmpq relax_value@GOTPCREL(%rip), %rdx\n	sete %al\n	ret\n"
    "fn r_imm\n	xor %eax, %eax\n	cmpq $0, weak_nowhere@GOTPCREL(%rip)\n	sete %al\n	ret\n"
    "fn r_tls_mov\n	movq host_tls@GOTTPOFF(%rip), %rcx\n	movl %fs:(%rcx), %eax\n	ret\n"
    "fn r_tls_mov_r12\n	push %r12\n	movq host_tls@GOTTPOFF(%rip), %r12\n	movl %fs:(%r12), %eax\n	pop %r12\n	ret\n"
    "fn r_tls_add\n	movq %fs:0, %rax\n	addq host_tls@GOTTPOFF(%rip), %rax\n	movl (%rax), %eax\n	ret\n"
    "fn r_tls_add_r13\n	push %r13\n	movq %fs:0, %r13\n	addq host_tls@GOTTPOFF(%rip), %r13\n"
    "	movl 0(%r13), %eax\n	pop %r13\n	ret\n"
    "fn r_tls_slot\n	xor %eax, %eax\n	movq %fs:0, %rcx\n	movq host_tls@GOTTPOFF(%rip), %rdx\n"
    "	cmpq host_tls@GOTTPOFF(%rip), %rdx\n	jne 1f\n	movl (%rcx, %rdx), %eax\n1:	ret\n"
    "fn r_tls_le\n	movl %fs:host_tls@TPOFF, %eax\n	ret\n"
    ".weak weak_nowhere\n"
    ".data\n.globl relax_value\n.type relax_value, @object\nrelax_value: .long 1234\n.size relax_value, 4\n"
    ".balign 8\n.globl relax_tpoff\nrelax_tpoff: .quad host_tls@TPOFF\n"
    ".section .note.GNU-stack,\"\",@progbits\n");
