/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an instruction does, as far as addresses are concerned.
 *
 * The architectures' decoders (arm64.c, riscv64.c, ...) put instructions into this form; what follows values through
 * a module (step.c, flow.c) knows nothing else of a processor.
 */
#ifndef KLDCHECK_OP_H
#define KLDCHECK_OP_H

#include "elf.h"

#define KC_NREGS	34
#define KC_NOREG	0xff
#define KC_SP		31 /* the stack pointer, on every architecture */
#define KC_TOC		32 /* x86: none; powerpc64: the TOC pointer at a function's entry */

enum kc_opkind {
	KC_OP_OTHER,	/* rd, rd2 get something unknown made from rn, rm, ra */
	KC_OP_NOP,
	KC_OP_ADDRESS,	/* rd = the address imm */
	KC_OP_PAGE,	/* the same, for a value that a second instruction is to complete */
	KC_OP_CONST,	/* rd = imm */
	KC_OP_INSERT,	/* 16 bits of rd from bit shift on = imm (MOVK) */
	KC_OP_MOVE,	/* rd = rn */
	KC_OP_ADDI,	/* rd = rn + imm */
	KC_OP_ADD,	/* rd = rn + extend(rm) << shift */
	KC_OP_SUB,	/* rd = rn - extend(rm) << shift */
	KC_OP_OR, KC_OP_XOR, KC_OP_AND, KC_OP_BIC, /* rd = rn op rm << shift */
	KC_OP_ORI, KC_OP_XORI, KC_OP_ANDI, /* rd = rn op imm */
	KC_OP_MUL,	/* rd = rn * rm + ra */
	KC_OP_SHL, KC_OP_SHR, KC_OP_SAR, /* rd = rn shifted by imm */
	KC_OP_SELECT,	/* rd = rn or rm */
	KC_OP_COMPARE,	/* reads rn, rm; no result that is an address */
	KC_OP_LOAD,	/* rd (and rd2 behind it) = memory at rn + extend(rm) << shift + imm, or at imm when rn is none */
	KC_OP_STORE,	/* memory there = ra (and rd2 behind it) */
	KC_OP_PREFETCH,
	KC_OP_JUMP, KC_OP_BRANCH, KC_OP_CALL, /* to imm: always, perhaps, and back */
	KC_OP_JUMPR, KC_OP_CALLR, /* to rn */
	KC_OP_RETURN,
	KC_OP_STOP,	/* what is behind it is not reached from here */
	KC_OP_BAD,	/* not an instruction */
};

enum kc_ext { KC_EXT_NONE, KC_EXT_U32, KC_EXT_S32, KC_EXT_U16, KC_EXT_S16, KC_EXT_U8, KC_EXT_S8 };

struct kc_op {
	uint64_t imm;
	uint8_t kind, rd, rd2, rn, rm, ra;
	uint8_t shift, ext;
	uint8_t size;	 /* of a load or store, one register */
	uint8_t len;	 /* of the instruction */
	bool sign;	 /* a load extends the sign */
	bool narrow;	 /* the result has 32 bits only */
	bool vector;	 /* rd and ra are no general register */
	uint8_t writeback; /* 1: rn += wb before, 2: after; 3: rn += ra after (vectors) */
	bool cmp_small; /* KC_OP_COMPARE with the constant imm: bounds of jump tables */
	int16_t wb;
};

/* What the checker needs of an architecture. */
struct kc_arch {
	uint16_t machine;
	uint8_t align;		  /* of instructions; 1: they are found only by following each other */
	uint8_t link;		  /* the register that holds the return address, or KC_NOREG */
	uint8_t nargs;		  /* registers args[0..nargs) hold arguments */
	const uint8_t *args;
	uint64_t saved;		  /* registers that a function gives back as it got them, a bit each */
	uint64_t page_reach;	  /* how far from a KC_OP_PAGE value one more instruction can reach */
	/* Decodes the instruction at p, of at most n bytes; op is zero with registers KC_NOREG.  Returns its length. */
	unsigned (*decode)(const struct kc_elf *, const uint8_t *p, size_t n, uint64_t addr, struct kc_op *op);
	/* Text for a person. */
	void (*print)(const struct kc_elf *, const uint8_t *p, size_t n, uint64_t addr, char *buf, size_t size);
};

extern const struct kc_arch kc_arm64, kc_riscv64, kc_i386, kc_amd64, kc_ppc64;

#endif
