/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relax.ko: each relocation of an instruction, in ARM and in Thumb code, against what is near and what is too far
 * for a branch (libkldfar.so's).  The functions return what they found.
 */
__asm__(
    ".syntax unified\n.text\n.arch armv7-a\n"
    ".macro fn name\n.globl \\name\n.type \\name, %function\n.balign 4\n\\name:\n.endm\n"

    ".arm\n"
    "fn a_movw_abs\n	movw r0, #:lower16:relax_value\n	movt r0, #:upper16:relax_value\n	ldr r0, [r0]\n	bx lr\n"
    "fn a_movw_prel\n	movw r0, #:lower16:relax_value - (1f + 8)\n	movt r0, #:upper16:relax_value - (1f + 8)\n"
    "1:	add r0, r0, pc\n	ldr r0, [r0]\n	bx lr\n"
    "fn a_got_prel\n	ldr r0, 2f\n1:	add r0, pc, r0\n	ldr r0, [r0]\n	ldr r0, [r0]\n	bx lr\n"
    "2:	.word host_near_value(GOT_PREL) + (. - (1b + 8))\n"
    "fn a_got_far\n	ldr r0, 2f\n1:	add r0, pc, r0\n	ldr r0, [r0]\n	ldr r0, [r0]\n	bx lr\n"
    "2:	.word far_value(GOT_PREL) + (. - (1b + 8))\n"
    "fn a_got_brel\n	ldr r0, 2f\n1:	add r0, pc, r0\n	ldr r1, 3f\n	ldr r0, [r0, r1]\n	ldr r0, [r0]\n	bx lr\n"
    "2:	.word _GLOBAL_OFFSET_TABLE_ - (1b + 8)\n3:	.word host_near_value(GOT)\n"
    "fn a_gotoff\n	ldr r0, 2f\n1:	add r0, pc, r0\n	ldr r1, 3f\n	ldr r0, [r0, r1]\n	bx lr\n"
    "2:	.word _GLOBAL_OFFSET_TABLE_ - (1b + 8)\n3:	.word relax_value(GOTOFF)\n"
    "fn a_rel32\n	ldr r0, 2f\n1:	ldr r0, [pc, r0]\n	bx lr\n2:	.word relax_value - (1b + 8)\n"
    "fn a_bl_near\n	push {r4, lr}\n	bl host_near\n	pop {r4, pc}\n"
    "fn a_b_near\n	b host_near\n"
    "fn a_bl_far\n	push {r4, lr}\n	bl far_function\n	pop {r4, pc}\n"
    "fn a_b_far\n	b far_function\n"
    "fn a_bl_thumb\n	push {r4, lr}\n	bl t_yes\n	pop {r4, pc}\n"
    "fn a_b_thumb\n	b t_yes\n"
    "fn a_bl_arm\n	push {r4, lr}\n	bl a_yes\n	pop {r4, pc}\n"
    "fn a_beq\n	cmp r0, r0\n	beq a_yes\n	bx lr\n"
    "fn a_ie\n	mrc p15, 0, r0, c13, c0, 3\n	ldr r1, 2f\n1:	ldr r1, [pc, r1]\n	ldr r0, [r0, r1]\n	bx lr\n"
    "2:	.word host_tls(gottpoff) + (. - 1b - 8)\n"
    "fn a_le\n	mrc p15, 0, r0, c13, c0, 3\n	ldr r1, 2f\n	ldr r0, [r0, r1]\n	bx lr\n2:	.word host_tls(tpoff)\n"
    "fn a_yes\n	mov r0, #11\n	bx lr\n"

    ".thumb\n"
    "fn t_movw_abs\n	movw r0, #:lower16:relax_value\n	movt r0, #:upper16:relax_value\n	ldr r0, [r0]\n	bx lr\n"
    "fn t_movw_prel\n	movw r0, #:lower16:relax_value - (1f + 4)\n	movt r0, #:upper16:relax_value - (1f + 4)\n"
    "1:	add r0, pc\n	ldr r0, [r0]\n	bx lr\n"
    "fn t_bl_near\n	push {r4, lr}\n	bl host_near\n	pop {r4, pc}\n"
    "fn t_b_near\n	b.w host_near\n"
    "fn t_bl_far\n	push {r4, lr}\n	bl far_function\n	pop {r4, pc}\n"
    "fn t_b_far\n	b.w far_function\n"
    "fn t_bl_arm\n	push {r4, lr}\n	bl a_yes\n	pop {r4, pc}\n"
    "fn t_bl_arm_odd\n	push {r4, lr}\n	nop\n	bl a_yes\n	pop {r4, pc}\n"
    "fn t_b_arm\n	b.w a_yes\n"
    "fn t_bl_thumb\n	push {r4, lr}\n	bl t_yes\n	pop {r4, pc}\n"
    "fn t_beq\n	cmp r0, r0\n	beq.w t_yes\n	bx lr\n"
    "fn t_address\n	ldr r0, 1f\n	bx r0\n	.balign 4\n1:	.word t_yes\n"
    "fn t_yes\n	movs r0, #12\n	bx lr\n"

    ".balign 4\n.globl relax_value\n.type relax_value, %object\nrelax_value: .word 1234\n.size relax_value, 4\n"
    ".section .note.GNU-stack,\"\",%progbits\n");
