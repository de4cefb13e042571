/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relax.ko: each instruction that asks for a slot or a thread-local's offset, against a symbol in reach (host_near_value,
 * relax_value: bettered) and one that is not (libkldfar.so's); pairs of instructions apart and in other registers.
 * The functions return what they found.
 */
__asm__(
    ".option norelax\n.text\n"
    ".macro fn name\n.globl \\name\n.type \\name, %function\n.balign 4\n\\name:\n.endm\n"
    "fn r_got_near\n1:	auipc a0, %got_pcrel_hi(host_near_value)\n	ld a0, %pcrel_lo(1b)(a0)\n	lw a0, 0(a0)\n	ret\n"
    "fn r_got_apart\n1:	auipc t0, %got_pcrel_hi(host_near_value)\n2:	auipc t1, %got_pcrel_hi(relax_value)\n"
    "	ld t2, %pcrel_lo(2b)(t1)\n	ld a0, %pcrel_lo(1b)(t0)\n	lw a0, 0(a0)\n	lw t2, 0(t2)\n	add a0, a0, t2\n	ret\n"
    "fn r_got_far\n1:	auipc a0, %got_pcrel_hi(far_value)\n	ld a0, %pcrel_lo(1b)(a0)\n	lw a0, 0(a0)\n	ret\n"
    "fn r_got_weak\n1:	auipc a0, %got_pcrel_hi(weak_nowhere)\n	ld a0, %pcrel_lo(1b)(a0)\n	seqz a0, a0\n	ret\n"
    "fn r_got_shared\n	j 2f\n3:	ld a0, %pcrel_lo(2f)(t3)\n	lw a0, 0(a0)\n	ret\n"
    "2:	auipc t3, %got_pcrel_hi(host_near_value)\n	j 3b\n"
    "fn r_pcrel\n1:	auipc a0, %pcrel_hi(relax_value)\n	lw a0, %pcrel_lo(1b)(a0)\n	ret\n"
    "fn r_store\n	li a1, 77\n1:	auipc a0, %pcrel_hi(relax_word)\n	sw a1, %pcrel_lo(1b)(a0)\n"
    "2:	auipc a0, %pcrel_hi(relax_word)\n	lw a0, %pcrel_lo(2b)(a0)\n	ret\n"
    "fn r_call_near\n	addi sp, sp, -16\n	sd ra, 0(sp)\n	call host_near\n	ld ra, 0(sp)\n	addi sp, sp, 16\n	ret\n"
    "fn r_tail_near\n	tail host_near\n"
    "fn r_call_far\n	addi sp, sp, -16\n	sd ra, 0(sp)\n	call far_function@plt\n	ld ra, 0(sp)\n	addi sp, sp, 16\n	ret\n"
    "fn r_tail_far\n	tail far_function@plt\n"
    "fn r_jal_far\n	jal zero, far_function\n"
    "fn r_la_far\n1:	auipc t0, %pcrel_hi(far_function)\n	addi t0, t0, %pcrel_lo(1b)\n	jr t0\n"
    "fn r_branch\n	li a0, 1\n	beqz zero, r_yes\n	ret\n"
    "fn r_cbranch\n	li a0, 1\n	.option rvc\n	c.bnez a0, r_yes\n	ret\n"
    "fn r_cj\n	li a0, 1\n	c.j r_yes\n"
    "fn r_jal\n	li a0, 1\n	j r_yes\n"
    "fn r_ie\n1:	auipc a0, %tls_ie_pcrel_hi(host_tls)\n	ld a0, %pcrel_lo(1b)(a0)\n	add a0, a0, tp\n"
    "	lw a0, 0(a0)\n	ret\n"
    "fn r_ie_apart\n1:	auipc t4, %tls_ie_pcrel_hi(host_tls)\n	mv t0, tp\n	ld t5, %pcrel_lo(1b)(t4)\n"
    "	add t0, t0, t5\n	lw a0, 0(t0)\n	ret\n"
    "fn r_le\n	lui a0, %tprel_hi(host_tls)\n	add a0, a0, tp, %tprel_add(host_tls)\n	lw a0, %tprel_lo(host_tls)(a0)\n	ret\n"
    "fn r_le_store\n	lui a0, %tprel_hi(host_tls)\n	add a0, a0, tp, %tprel_add(host_tls)\n"
    "	lw a1, %tprel_lo(host_tls)(a0)\n	sw a1, %tprel_lo(host_tls)(a0)\n	lw a0, %tprel_lo(host_tls)(a0)\n	ret\n"
    /* An even number of bytes before and after: the padding is as long as it must be. */
    "fn r_align\n	.option relax\n	li a0, 11\n	.balign 4\n	ret\n	.option norelax\n"
    ".weak weak_nowhere\n"
    ".globl r_yes\n.type r_yes, %function\nr_yes:	li a0, 11\n	ret\n"
    ".balign 4\n.globl relax_value\n.type relax_value, %object\nrelax_value: .word 1234\n.size relax_value, 4\n"
    ".option relax\n.data\n.globl relax_word\nrelax_word: .word 0\n"
    ".balign 8\n.globl relax_difference\nrelax_difference: .dword r_yes - r_pcrel\n	.word r_yes - r_pcrel\n	.half r_yes - r_pcrel\n"
    ".section .note.GNU-stack,\"\",%progbits\n");
