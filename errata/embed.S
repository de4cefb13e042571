/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are part of the program, each between NAME and NAME_end. */
	.section .rodata
	.macro	embed name, file
	.globl	\name, \name\()_end
\name:	.incbin	"\file"
\name\()_end:
	.byte	0
	.endm

	embed	embed_overlay, "overlay.json"
	embed	embed_style, "site.css"
	embed	embed_script, "site.js"
	.section .note.GNU-stack, "", %progbits
