/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arm64: instructions as operations on addresses.
 *
 * A64's encoding is regular enough for the handful of forms that make addresses to be read straight from the bits,
 * which is what 1,000 modules in ten seconds take; Capstone prints, and tests/kldcheck/test-arm64.c compares this
 * decoder with it.  What is not recognised is taken as OTHER with all register fields as operands: it destroys what it
 * may write, and an address that it may read counts as one that was not followed.
 */
#include <string.h>

#include "op.h"
#include "print.h"

static uint64_t
bits(uint32_t w, unsigned lo, unsigned n)
{
	return (w >> lo & ((1u << n) - 1));
}

static uint64_t
sbits(uint32_t w, unsigned lo, unsigned n)
{
	uint64_t v = bits(w, lo, n);

	return (v >> (n - 1) != 0 ? v - ((uint64_t)1 << n) : v);
}

/* Register 31 is the zero register here, the stack pointer there. */
static uint8_t
zr(uint64_t r)
{
	return (r == 31 ? KC_NOREG : (uint8_t)r);
}

/* A logical immediate: a run of ones, rotated, repeated.  Returns 0 for a reserved one. */
static uint64_t
bitmask(uint32_t w)
{
	unsigned n = (unsigned)bits(w, 22, 1), imms = (unsigned)bits(w, 10, 6), immr = (unsigned)bits(w, 16, 6);
	unsigned key = n << 6 | (~imms & 0x3f), len = 0, size, s, r;
	uint64_t v;

	while (len < 7 && key >> (len + 1) != 0)
		len++;
	if (key == 0 || len == 0)
		return (0);
	size = 1u << len;
	s = imms & (size - 1);
	r = immr & (size - 1);
	if (s == size - 1)
		return (0);
	v = ((uint64_t)1 << (s + 1)) - 1;
	if (r != 0)
		v = (v >> r | v << (size - r)) & (size == 64 ? ~(uint64_t)0 : ((uint64_t)1 << size) - 1);
	for (; size < 64; size *= 2)
		v |= v << size;
	return (v);
}

static void
data_immediate(uint32_t w, uint64_t pc, struct kc_op *op)
{
	bool is64 = w >> 31 != 0;
	unsigned opc = (unsigned)bits(w, 29, 2);

	op->rd = zr(bits(w, 0, 5));
	op->rn = zr(bits(w, 5, 5));
	op->narrow = !is64;
	switch (bits(w, 23, 3)) {
	case 0:
	case 1: /* ADR, ADRP */
		op->rn = KC_NOREG;
		op->narrow = false;
		op->imm = sbits(w, 5, 19) * 4 + bits(w, 29, 2);
		op->kind = is64 ? KC_OP_PAGE : KC_OP_ADDRESS;
		op->imm = is64 ? (pc & ~(uint64_t)0xfff) + op->imm * 4096 : pc + op->imm;
		return;
	case 2: /* ADD, SUB */
		op->imm = bits(w, 10, 12) << (bits(w, 22, 1) != 0 ? 12 : 0);
		op->rn = (uint8_t)bits(w, 5, 5);
		if ((opc & 1) == 0)
			op->rd = (uint8_t)bits(w, 0, 5);
		op->cmp_small = (opc & 2) != 0;
		op->kind = op->rd == KC_NOREG ? KC_OP_COMPARE : KC_OP_ADDI;
		if ((opc & 2) != 0 && op->kind == KC_OP_ADDI)
			op->imm = -op->imm;
		return;
	case 4: /* AND, ORR, EOR, ANDS */
		op->imm = bitmask(w);
		if (opc != 3)
			op->rd = (uint8_t)bits(w, 0, 5);
		if (!is64)
			op->imm &= 0xffffffff;
		op->kind = op->rd == KC_NOREG ? KC_OP_COMPARE : opc == 1 ? KC_OP_ORI : opc == 2 ? KC_OP_XORI : KC_OP_ANDI;
		return;
	case 5: /* MOVN, MOVZ, MOVK */
		op->rn = KC_NOREG;
		op->shift = (uint8_t)(bits(w, 21, 2) * 16);
		op->imm = bits(w, 5, 16);
		op->kind = opc == 3 ? KC_OP_INSERT : opc == 1 ? KC_OP_BAD : KC_OP_CONST;
		if (opc != 3)
			op->imm <<= op->shift;
		if (opc == 0)
			op->imm = is64 ? ~op->imm : ~op->imm & 0xffffffff;
		return;
	case 6: { /* SBFM, BFM, UBFM */
		unsigned r = (unsigned)bits(w, 16, 6), s = (unsigned)bits(w, 10, 6), top = is64 ? 63 : 31;

		op->kind = KC_OP_OTHER;
		if (opc == 1) { /* the rest of rd stays */
			op->ra = op->rd;
			return;
		}
		if (s == top) {
			op->kind = opc == 2 ? KC_OP_SHR : KC_OP_SAR;
			op->imm = r;
		} else if (opc == 2 && s + 1 == r) {
			op->kind = KC_OP_SHL;
			op->imm = top - s;
		} else if (opc == 0 && r == 0 && s == 31) { /* SXTW */
			op->kind = KC_OP_ADD;
			op->rm = op->rn;
			op->rn = KC_NOREG;
			op->ext = KC_EXT_S32;
		}
		return;
	}
	case 7: /* EXTR */
		op->rm = zr(bits(w, 16, 5));
		op->kind = KC_OP_OTHER;
		return;
	}
	op->kind = KC_OP_OTHER; /* tagged addresses */
}

static void
data_register(uint32_t w, struct kc_op *op)
{
	static const uint8_t exts[8] = { KC_EXT_U8, KC_EXT_U16, KC_EXT_U32, KC_EXT_NONE, KC_EXT_S8, KC_EXT_S16, KC_EXT_S32, KC_EXT_NONE };
	static const uint8_t logic[4] = { KC_OP_AND, KC_OP_OR, KC_OP_XOR, KC_OP_AND };
	unsigned opc = (unsigned)bits(w, 29, 2), type = (unsigned)bits(w, 22, 2);

	op->rd = zr(bits(w, 0, 5));
	op->rn = zr(bits(w, 5, 5));
	op->rm = zr(bits(w, 16, 5));
	op->narrow = w >> 31 == 0;
	op->kind = KC_OP_OTHER;
	if ((w & 0x1f000000) == 0x0a000000) { /* logical, shifted */
		bool invert = bits(w, 21, 1) != 0;

		op->shift = (uint8_t)bits(w, 10, 6);
		if (opc == 3 && op->rd == KC_NOREG)
			op->kind = KC_OP_COMPARE;
		else if (type == 0 && !invert)
			op->kind = logic[opc];
		else if (type == 0 && (opc == 0 || opc == 3))
			op->kind = KC_OP_BIC;
		if (op->kind == KC_OP_OR && op->rn == KC_NOREG && op->shift == 0) {
			op->kind = KC_OP_MOVE;
			op->rn = op->rm;
			op->rm = KC_NOREG;
		}
	} else if ((w & 0x1f000000) == 0x0b000000) { /* ADD, SUB */
		bool extended = bits(w, 21, 1) != 0;

		if (extended) {
			op->rn = (uint8_t)bits(w, 5, 5);
			if ((opc & 1) == 0)
				op->rd = (uint8_t)bits(w, 0, 5);
			op->ext = exts[bits(w, 13, 3)];
			op->shift = (uint8_t)bits(w, 10, 3);
		} else
			op->shift = (uint8_t)bits(w, 10, 6);
		if ((opc & 1) != 0 && op->rd == KC_NOREG)
			op->kind = KC_OP_COMPARE;
		else if (extended || type == 0)
			op->kind = (opc & 2) != 0 ? KC_OP_SUB : KC_OP_ADD;
	} else if ((w & 0x1fe00800) == 0x1a400000) { /* CCMP, CCMN with a register */
		op->rd = KC_NOREG;
		op->kind = KC_OP_COMPARE;
	} else if ((w & 0x1fe00800) == 0x1a400800) { /* with an immediate */
		op->rd = op->rm = KC_NOREG;
		op->kind = KC_OP_COMPARE;
	} else if ((w & 0x7fe00c00) == 0x1a800000) /* CSEL */
		op->kind = KC_OP_SELECT;
	else if ((w & 0x1f000000) == 0x1b000000) { /* three sources */
		op->ra = zr(bits(w, 10, 5));
		if ((w & 0x7fe08000) == 0x1b000000)
			op->kind = KC_OP_MUL;
	} else if ((w & 0xfffe0000) == 0xdac00000 && bits(w, 16, 5) == 1) { /* PACIA, AUTIA and kin: the same address */
		op->kind = KC_OP_MOVE;
		op->rn = op->rd;
		op->rm = KC_NOREG;
	} else if ((w & 0x5fe00000) == 0x5ac00000)
		op->rm = KC_NOREG; /* one source */
}

/* A load or store of one register, its size class in bits 30 and 31; vector in bit 26. */
static void
access_kind(uint32_t w, struct kc_op *op)
{
	unsigned size = (unsigned)bits(w, 30, 2), opc = (unsigned)bits(w, 22, 2);
	uint8_t rt = zr(bits(w, 0, 5));

	op->size = (uint8_t)(1 << size);
	if (bits(w, 26, 1) != 0) {
		op->vector = true;
		if ((opc & 2) != 0)
			op->size = 16;
		op->kind = (opc & 1) != 0 ? KC_OP_LOAD : KC_OP_STORE;
		return;
	}
	if (size == 3 && opc == 2) {
		op->kind = KC_OP_PREFETCH;
		return;
	}
	if (opc == 0) {
		op->kind = KC_OP_STORE;
		op->ra = rt;
		return;
	}
	op->kind = KC_OP_LOAD;
	op->rd = rt;
	op->sign = opc >= 2;
	op->narrow = opc == 3;
}

static void
exclusive(uint32_t w, struct kc_op *op)
{
	bool load = bits(w, 22, 1) != 0, ordered = bits(w, 23, 1) != 0, pair = bits(w, 21, 1) != 0;

	op->rn = (uint8_t)bits(w, 5, 5);
	op->size = (uint8_t)(1 << bits(w, 30, 2));
	if (pair && (ordered || bits(w, 31, 1) == 0)) { /* CAS, CASP */
		op->kind = KC_OP_LOAD;
		op->rd = zr(bits(w, 16, 5));
		op->ra = zr(bits(w, 0, 5)); /* stored */
		if (!ordered)
			op->rd2 = op->rd == KC_NOREG ? KC_NOREG : zr(op->rd + 1);
		return;
	}
	if (load) {
		op->kind = KC_OP_LOAD;
		op->rd = zr(bits(w, 0, 5));
		if (pair)
			op->rd2 = zr(bits(w, 10, 5));
		return;
	}
	op->kind = KC_OP_STORE;
	op->ra = zr(bits(w, 0, 5));
	if (pair)
		op->rd2 = zr(bits(w, 10, 5));
	if (!ordered)
		op->rd = zr(bits(w, 16, 5)); /* the status */
}

static void
pair(uint32_t w, struct kc_op *op)
{
	unsigned opc = (unsigned)bits(w, 30, 2), mode = (unsigned)bits(w, 23, 2);
	bool load = bits(w, 22, 1) != 0, vector = bits(w, 26, 1) != 0;
	int64_t imm;

	op->size = vector ? (uint8_t)(4 << opc) : opc == 2 ? 8 : 4;
	op->vector = vector;
	imm = (int64_t)sbits(w, 15, 7) * op->size;
	op->rn = (uint8_t)bits(w, 5, 5);
	op->kind = load ? KC_OP_LOAD : KC_OP_STORE;
	op->sign = opc == 1;
	if (!vector) {
		if (load)
			op->rd = zr(bits(w, 0, 5));
		else
			op->ra = zr(bits(w, 0, 5));
		op->rd2 = zr(bits(w, 10, 5));
	}
	if (opc == 1 && !vector && !load) { /* STGP stores a tag as well */
		op->size = 8;
		imm = (int64_t)sbits(w, 15, 7) * 16;
	}
	if (mode == 1 || mode == 3) {
		op->writeback = mode == 3 ? 1 : 2;
		op->wb = (int16_t)imm;
	}
	op->imm = mode == 1 ? 0 : (uint64_t)imm;
}

static void
load_store(uint32_t w, uint64_t pc, struct kc_op *op)
{
	static const uint8_t exts[8] = { 0, 0, KC_EXT_U32, KC_EXT_NONE, 0, 0, KC_EXT_S32, KC_EXT_NONE };

	if ((w & 0x3f000000) == 0x08000000) {
		exclusive(w, op);
	} else if ((w & 0x3b000000) == 0x18000000) { /* literal */
		op->imm = pc + sbits(w, 5, 19) * 4;
		op->kind = KC_OP_LOAD;
		op->vector = bits(w, 26, 1) != 0;
		op->size = (uint8_t)(bits(w, 30, 2) == 1 ? 8 : op->vector && bits(w, 30, 2) == 2 ? 16 : 4);
		op->sign = bits(w, 30, 2) == 2;
		if (bits(w, 30, 2) == 3)
			op->kind = KC_OP_PREFETCH;
		else if (!op->vector)
			op->rd = zr(bits(w, 0, 5));
	} else if ((w & 0x3a000000) == 0x28000000) {
		pair(w, op);
	} else if ((w & 0x3b000000) == 0x39000000) { /* unsigned offset */
		access_kind(w, op);
		op->rn = (uint8_t)bits(w, 5, 5);
		op->imm = bits(w, 10, 12) * op->size;
		if (op->kind == KC_OP_PREFETCH)
			op->imm = bits(w, 10, 12) * 8;
	} else if ((w & 0x3b200000) == 0x38000000) { /* 9-bit offset: unscaled, after, unprivileged, before */
		unsigned mode = (unsigned)bits(w, 10, 2);

		access_kind(w, op);
		op->rn = (uint8_t)bits(w, 5, 5);
		op->imm = mode == 1 ? 0 : sbits(w, 12, 9);
		if ((mode & 1) != 0) {
			op->writeback = mode == 3 ? 1 : 2;
			op->wb = (int16_t)(int64_t)sbits(w, 12, 9);
		}
	} else if ((w & 0x3b200c00) == 0x38200800) { /* register offset */
		access_kind(w, op);
		op->rn = (uint8_t)bits(w, 5, 5);
		op->rm = zr(bits(w, 16, 5));
		op->ext = exts[bits(w, 13, 3)];
		if (bits(w, 12, 1) != 0)
			op->shift = (uint8_t)(op->size == 16 ? 4 : bits(w, 30, 2));
	} else if ((w & 0x3f200c00) == 0x38200000) { /* atomic */
		op->kind = KC_OP_LOAD;
		op->rn = (uint8_t)bits(w, 5, 5);
		op->rd = zr(bits(w, 0, 5));
		op->ra = zr(bits(w, 16, 5)); /* stored */
		op->size = (uint8_t)(1 << bits(w, 30, 2));
	} else if ((w & 0xbe000000) == 0x0c000000) { /* vectors of structures */
		op->kind = bits(w, 22, 1) != 0 ? KC_OP_LOAD : KC_OP_STORE;
		op->vector = true;
		op->size = 16;
		op->rn = (uint8_t)bits(w, 5, 5);
		if (bits(w, 23, 1) != 0) {
			uint64_t rm = bits(w, 16, 5);

			op->writeback = rm != 31 ? 3 : 2;
			op->ra = zr(rm);
			op->wb = 16; /* by how much does not matter: the pointer walks through an object */
		}
	} else if ((w & 0x3f200c00) == 0x19000000) { /* STLUR, LDAPUR */
		access_kind(w, op);
		op->rn = (uint8_t)bits(w, 5, 5);
		op->imm = sbits(w, 12, 9);
	} else { /* tags, LDRAA and what is newer: any register may be read, written or both */
		op->kind = KC_OP_OTHER;
		op->rd = zr(bits(w, 0, 5));
		op->rd2 = (uint8_t)bits(w, 5, 5) == 31 ? KC_NOREG : (uint8_t)bits(w, 5, 5);
		op->rn = op->rd2;
		op->rm = zr(bits(w, 16, 5));
	}
}

static void
branch(uint32_t w, uint64_t pc, struct kc_op *op)
{
	if ((w & 0x7c000000) == 0x14000000) { /* B, BL */
		op->imm = pc + sbits(w, 0, 26) * 4;
		op->kind = w >> 31 != 0 ? KC_OP_CALL : KC_OP_JUMP;
	} else if ((w & 0x7e000000) == 0x34000000) { /* CBZ, CBNZ */
		op->imm = pc + sbits(w, 5, 19) * 4;
		op->kind = KC_OP_BRANCH;
	} else if ((w & 0x7e000000) == 0x36000000) { /* TBZ, TBNZ */
		op->imm = pc + sbits(w, 5, 14) * 4;
		op->kind = KC_OP_BRANCH;
	} else if ((w & 0xff000000) == 0x54000000) { /* B.cond, BC.cond */
		op->imm = pc + sbits(w, 5, 19) * 4;
		op->kind = (w & 15) == 14 ? KC_OP_JUMP : KC_OP_BRANCH;
	} else if ((w & 0xff000000) == 0xd4000000) { /* exceptions: SVC, HVC and SMC return */
		unsigned ll = (unsigned)bits(w, 0, 2), opc = (unsigned)bits(w, 21, 3);

		op->kind = opc == 0 && ll != 0 ? KC_OP_OTHER : opc == 1 ? KC_OP_STOP : KC_OP_BAD;
		if (opc == 2)
			op->kind = KC_OP_STOP;
	} else if ((w & 0xff000000) == 0xd5000000) { /* system */
		uint8_t rt = zr(bits(w, 0, 5));

		op->kind = rt == KC_NOREG ? KC_OP_NOP : KC_OP_OTHER;
		if (bits(w, 21, 1) != 0) /* MRS, SYSL */
			op->rd = rt;
		else /* MSR, SYS */
			op->rn = rt;
	} else if ((w & 0xfe000000) == 0xd6000000) { /* BR, BLR, RET, ERET and their authenticated forms */
		unsigned opc = (unsigned)bits(w, 21, 4) & 7;

		op->rn = zr(bits(w, 5, 5));
		op->kind = opc == 0 ? KC_OP_JUMPR : opc == 1 ? KC_OP_CALLR : opc == 2 ? KC_OP_RETURN : KC_OP_STOP;
		if (op->kind == KC_OP_RETURN && bits(w, 10, 2) != 0)
			op->rn = 30;
		if (op->kind == KC_OP_RETURN && op->rn != 30)
			op->kind = KC_OP_JUMPR;
	} else
		op->kind = KC_OP_BAD;
}

static unsigned
decode(const struct kc_elf *e, const uint8_t *p, size_t n, uint64_t pc, struct kc_op *op)
{
	uint32_t w;

	(void)e;
	if (n < 4)
		return (0);
	/* Instructions are little-endian whatever the data are. */
	w = (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
	switch (bits(w, 25, 4)) {
	case 8: case 9:
		data_immediate(w, pc, op);
		break;
	case 10: case 11:
		branch(w, pc, op);
		break;
	case 4: case 6: case 12: case 14:
		load_store(w, pc, op);
		break;
	case 5: case 13:
		data_register(w, op);
		break;
	case 7: case 15: /* floating point and vectors: a general register may be source or result */
		op->kind = KC_OP_OTHER;
		if ((w & 0x5f20fc00) == 0x1e200000 || (w & 0x5f200000) == 0x1e000000) {
			unsigned opc = (unsigned)bits(w, 16, 3);

			if (opc == 2 || opc == 3 || opc == 7)
				op->rn = zr(bits(w, 5, 5)); /* to the vector unit */
			else
				op->rd = zr(bits(w, 0, 5));
		} else if ((w & 0x9fe0fc00) == 0x0e003c00 || (w & 0x9fe0fc00) == 0x0e002c00)
			op->rd = zr(bits(w, 0, 5)); /* UMOV, SMOV */
		else if ((w & 0x9fe08400) == 0x0e000400)
			op->rn = zr(bits(w, 5, 5)); /* DUP, INS from a general register */
		break;
	case 2: /* SVE */
		op->kind = KC_OP_OTHER;
		op->rd = zr(bits(w, 0, 5));
		op->rn = zr(bits(w, 5, 5));
		op->rm = zr(bits(w, 16, 5));
		break;
	default:
		op->kind = KC_OP_BAD;
	}
	return (4);
}

static const uint8_t args[] = { 0, 1, 2, 3, 4, 5, 6, 7 };

const struct kc_arch kc_arm64 = {
	.machine = KC_EM_AARCH64,
	.align = 4,
	.link = 30,
	.nargs = sizeof(args),
	.args = args,
	.saved = 0x3ff80000 | (uint64_t)1 << KC_SP, /* x19 to x29, sp */
	.page_reach = 0xfff * 16 + 16,
	.decode = decode,
	.print = kc_print,
};
