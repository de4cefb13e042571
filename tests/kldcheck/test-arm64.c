/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arm64.c's decoder against Capstone's, on words of every class that the rules use and on words of any kind.
 *
 * For the classes: the kind, the registers, the constant, sizes and extensions must be what Capstone says.  For any
 * word: a general register that Capstone sees must be among the operation's registers, and what the instruction writes
 * among those that it replaces, so that no address goes through an instruction unseen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <capstone/capstone.h>
#include <cmocka.h>

#include "op.h"

#define PC	UINT64_C(0x7654000)

static csh handle;
static uint64_t seed;

/* xorshift64*: the same words everywhere. */
static uint32_t
rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return ((uint32_t)((seed * UINT64_C(2685821657736338717)) >> 32));
}

static void
decode(uint32_t w, struct kc_op *op)
{
	const uint8_t p[4] = { (uint8_t)w, (uint8_t)(w >> 8), (uint8_t)(w >> 16), (uint8_t)(w >> 24) };

	memset(op, 0, sizeof(*op));
	op->rd = op->rd2 = op->rn = op->rm = op->ra = KC_NOREG;
	assert_int_equal(kc_arm64.decode(NULL, p, sizeof(p), PC, op), 4);
}

static cs_insn *
disasm(uint32_t w)
{
	const uint8_t p[4] = { (uint8_t)w, (uint8_t)(w >> 8), (uint8_t)(w >> 16), (uint8_t)(w >> 24) };
	cs_insn *insn;

	return (cs_disasm(handle, p, sizeof(p), PC, 1, &insn) == 1 ? insn : NULL);
}

/* A general register's number (31: the stack pointer); KC_NOREG for the zero register, -1 for others. */
static int
general(unsigned reg)
{
	const char *s = cs_reg_name(handle, reg);
	char *end;
	long n;

	if (s == NULL)
		return (-1);
	if (strcmp(s, "sp") == 0 || strcmp(s, "wsp") == 0)
		return (KC_SP);
	if (strcmp(s, "xzr") == 0 || strcmp(s, "wzr") == 0)
		return (KC_NOREG);
	if (strcmp(s, "fp") == 0)
		return (29);
	if (strcmp(s, "lr") == 0)
		return (30);
	if ((s[0] != 'x' && s[0] != 'w') || s[1] < '0' || s[1] > '9')
		return (-1);
	n = strtol(s + 1, &end, 10);
	return (*end == '\0' ? (int)n : -1);
}

static const cs_arm64_op *
operand(const cs_insn *in, unsigned i)
{
	return (&in->detail->arm64.operands[i]);
}

static int
reg(const cs_insn *in, unsigned i)
{
	return (operand(in, i)->type == ARM64_OP_REG ? general(operand(in, i)->reg) : -1);
}

static bool
is_imm(const cs_insn *in, unsigned i)
{
	return (i < in->detail->arm64.op_count && operand(in, i)->type == ARM64_OP_IMM);
}

#define WANT(cond)                                                                                      \
	do {                                                                                            \
		if (!(cond))                                                                            \
			fail_msg("%08x %s %s: not " #cond, w, in->mnemonic, in->op_str);                \
	} while (0)

static void
check_address(uint32_t w, const cs_insn *in, const struct kc_op *op)
{
	bool page = strcmp(in->mnemonic, "adrp") == 0;

	WANT(op->kind == (page ? KC_OP_PAGE : KC_OP_ADDRESS));
	WANT(op->rd == reg(in, 0));
	WANT(op->imm == (uint64_t)operand(in, 1)->imm);
}

static void
check_add(uint32_t w, const cs_insn *in, const struct kc_op *op)
{
	bool add = strncmp(in->mnemonic, "add", 3) == 0, sub = strncmp(in->mnemonic, "sub", 3) == 0;
	uint64_t imm;

	if ((!add && !sub) || !is_imm(in, 2)) { /* cmp, cmn, mov from or to sp */
		WANT(op->kind == KC_OP_COMPARE || (strcmp(in->mnemonic, "mov") == 0 && op->kind == KC_OP_ADDI && op->imm == 0 &&
		    op->rd == reg(in, 0) && op->rn == reg(in, 1)));
		return;
	}
	imm = (uint64_t)operand(in, 2)->imm << operand(in, 2)->shift.value;
	WANT(op->kind == KC_OP_ADDI);
	WANT(op->rd == reg(in, 0));
	WANT(op->rn == reg(in, 1));
	WANT(op->imm == (add ? imm : -imm));
	WANT(op->narrow == (w >> 31 == 0));
}

static void
check_logic(uint32_t w, const cs_insn *in, const struct kc_op *op)
{
	static const struct {
		const char *name;
		uint8_t kind;
	} kinds[] = { { "and", KC_OP_ANDI }, { "ands", KC_OP_ANDI }, { "orr", KC_OP_ORI }, { "eor", KC_OP_XORI } };
	uint64_t mask = w >> 31 != 0 ? ~(uint64_t)0 : 0xffffffff;

	if (strcmp(in->mnemonic, "mov") == 0) {
		WANT(op->kind == KC_OP_ORI && op->rn == KC_NOREG && op->rd == reg(in, 0));
		WANT((op->imm & mask) == ((uint64_t)operand(in, 1)->imm & mask));
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(in->mnemonic, kinds[i].name) == 0) {
			WANT(op->kind == kinds[i].kind);
			WANT(op->rd == reg(in, 0));
			WANT(op->rn == reg(in, 1));
			WANT((op->imm & mask) == ((uint64_t)operand(in, 2)->imm & mask));
			return;
		}
	WANT(op->kind == KC_OP_COMPARE); /* tst */
}

static void
check_move(uint32_t w, const cs_insn *in, const struct kc_op *op)
{
	uint64_t imm = (uint64_t)operand(in, 1)->imm << operand(in, 1)->shift.value, mask = w >> 31 != 0 ? ~(uint64_t)0 : 0xffffffff;

	WANT(op->rd == reg(in, 0));
	if (strcmp(in->mnemonic, "movk") == 0) {
		WANT(op->kind == KC_OP_INSERT);
		WANT(op->imm << op->shift == imm);
		return;
	}
	WANT(op->kind == KC_OP_CONST);
	WANT((op->imm & mask) == ((strcmp(in->mnemonic, "movn") == 0 ? ~imm : imm) & mask));
}

static uint8_t
extension(arm64_extender e)
{
	switch (e) {
	case ARM64_EXT_UXTB:
		return (KC_EXT_U8);
	case ARM64_EXT_UXTH:
		return (KC_EXT_U16);
	case ARM64_EXT_UXTW:
		return (KC_EXT_U32);
	case ARM64_EXT_SXTB:
		return (KC_EXT_S8);
	case ARM64_EXT_SXTH:
		return (KC_EXT_S16);
	case ARM64_EXT_SXTW:
		return (KC_EXT_S32);
	default:
		return (KC_EXT_NONE);
	}
}

/* add, sub, and, orr, eor, bic with a register, and their aliases. */
static void
check_register(uint32_t w, const cs_insn *in, const struct kc_op *op)
{
	static const struct {
		const char *name;
		uint8_t kind;
	} kinds[] = { { "add", KC_OP_ADD }, { "adds", KC_OP_ADD }, { "sub", KC_OP_SUB }, { "subs", KC_OP_SUB },
		{ "and", KC_OP_AND }, { "ands", KC_OP_AND }, { "orr", KC_OP_OR }, { "eor", KC_OP_XOR }, { "bic", KC_OP_BIC },
		{ "bics", KC_OP_BIC } };
	const cs_arm64_op *last = operand(in, 2);

	if (strcmp(in->mnemonic, "mov") == 0) {
		WANT(op->kind == KC_OP_MOVE && op->rd == reg(in, 0) && op->rn == reg(in, 1));
		return;
	}
	if (in->mnemonic[strlen(in->mnemonic) - 1] == 's' && reg(in, 0) == KC_NOREG) { /* flags alone */
		WANT(op->kind == KC_OP_COMPARE || op->rd == KC_NOREG);
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(in->mnemonic, kinds[i].name) == 0) {
			WANT(op->rd == reg(in, 0));
			WANT(op->rn == reg(in, 1));
			WANT(op->rm == reg(in, 2));
			if (last->shift.type != ARM64_SFT_INVALID && last->shift.type != ARM64_SFT_LSL) {
				WANT(op->kind == KC_OP_OTHER);
				return;
			}
			WANT(op->kind == kinds[i].kind);
			if (op->ext != KC_EXT_U32 || !op->narrow || (reg(in, 0) != KC_SP && reg(in, 1) != KC_SP)) /* all of 32 bits: not written down */
				WANT(op->ext == extension(last->ext));
			WANT(op->shift == last->shift.value);
			return;
		}
}

/* Loads and stores of one or two registers: general ones, except where vector says so. */
static void
check_access(uint32_t w, const cs_insn *in, const struct kc_op *op)
{
	const cs_arm64 *a = &in->detail->arm64;
	bool store = in->mnemonic[0] == 's';
	unsigned n = 0;

	if (strncmp(in->mnemonic, "prf", 3) == 0) {
		WANT(op->kind == KC_OP_PREFETCH);
		return;
	}
	WANT(op->kind == (store ? KC_OP_STORE : KC_OP_LOAD));
	for (unsigned i = 0; i < a->op_count; i++) {
		const cs_arm64_op *o = &a->operands[i];

		if (o->type == ARM64_OP_REG) {
			int r = general(o->reg);

			WANT((r < 0) == op->vector);
			if (r >= 0)
				WANT((n == 1 ? op->rd2 : store ? op->ra : op->rd) == r);
			n++;
		} else if (o->type == ARM64_OP_MEM) {
			WANT(op->rn == general(o->mem.base));
			if (o->mem.index != ARM64_REG_INVALID) {
				WANT(op->rm == general(o->mem.index));
				WANT(op->ext == extension(o->ext));
				WANT(op->shift == o->shift.value);
			} else {
				WANT(op->rm == KC_NOREG);
				WANT((op->writeback == 2 ? 0 : op->imm) == (uint64_t)(int64_t)o->mem.disp ||
				    (op->writeback == 2 && op->wb == o->mem.disp));
			}
			WANT((op->writeback != 0) == a->writeback);
		} else if (o->type == ARM64_OP_IMM) { /* how far the base moves after; or a literal's place */
			WANT(op->rn == KC_NOREG ? op->imm == (uint64_t)o->imm : op->writeback == 2 && op->wb == o->imm);
		}
	}
}

static void
check_branch(uint32_t w, const cs_insn *in, const struct kc_op *op)
{
	const char *m = in->mnemonic;
	unsigned last = in->detail->arm64.op_count - 1u;

	if (strcmp(m, "ret") == 0) {
		WANT(op->rn == (in->detail->arm64.op_count != 0 ? reg(in, 0) : 30));
		WANT(op->kind == (op->rn == 30 ? KC_OP_RETURN : KC_OP_JUMPR));
	} else if (strcmp(m, "br") == 0 || strcmp(m, "blr") == 0) {
		WANT(op->kind == (m[1] == 'r' ? KC_OP_JUMPR : KC_OP_CALLR));
		WANT(op->rn == reg(in, 0));
	} else if (is_imm(in, last)) {
		bool always = strcmp(m, "b") == 0 && (w >> 26 == 5 || (w & 15) == 14);

		WANT(op->kind == (strcmp(m, "bl") == 0 ? KC_OP_CALL : always || (w >> 24 == 0x54 && (w & 15) == 14) ? KC_OP_JUMP :
		    KC_OP_BRANCH));
		WANT(op->imm == (uint64_t)operand(in, last)->imm);
	}
}

static void
check_select(uint32_t w, const cs_insn *in, const struct kc_op *op)
{
	if (strcmp(in->mnemonic, "csel") != 0)
		return;
	WANT(op->kind == KC_OP_SELECT && op->rd == reg(in, 0) && op->rn == reg(in, 1) && op->rm == reg(in, 2));
}

static const struct {
	const char *name;
	uint32_t mask, value;
	void (*check)(uint32_t, const cs_insn *, const struct kc_op *);
} classes[] = {
	{ "ADR, ADRP", 0x1f000000, 0x10000000, check_address },
	{ "ADD, SUB (immediate)", 0x1f800000, 0x11000000, check_add },
	{ "AND, ORR, EOR (immediate)", 0x1f800000, 0x12000000, check_logic },
	{ "MOVN, MOVZ, MOVK", 0x1f800000, 0x12800000, check_move },
	{ "logical (register)", 0x1f000000, 0x0a000000, check_register },
	{ "ADD, SUB (shifted)", 0x1f200000, 0x0b000000, check_register },
	{ "ADD, SUB (extended)", 0x1fe00000, 0x0b200000, check_register },
	{ "CSEL", 0x7fe00c00, 0x1a800000, check_select },
	{ "LDR (literal)", 0x3b000000, 0x18000000, check_access },
	{ "LDR, STR (unsigned offset)", 0x3b000000, 0x39000000, check_access },
	{ "LDR, STR (9 bits)", 0x3b200000, 0x38000000, check_access },
	{ "LDR, STR (register)", 0x3b200c00, 0x38200800, check_access },
	{ "LDP, STP", 0x3a000000, 0x28000000, check_access },
	{ "B, BL", 0x7c000000, 0x14000000, check_branch },
	{ "CBZ, CBNZ, TBZ, TBNZ", 0x7c000000, 0x34000000, check_branch },
	{ "B.cond", 0xff000010, 0x54000000, check_branch },
	{ "BR, BLR, RET", 0xff9ffc1f, 0xd61f0000, check_branch },
};

static void
the_classes_that_the_rules_use(void **state)
{
	(void)state;
	for (size_t c = 0; c < sizeof(classes) / sizeof(classes[0]); c++) {
		unsigned known = 0;

		for (unsigned i = 0; i < 20000; i++) {
			uint32_t w = (rnd() & ~classes[c].mask) | classes[c].value;
			cs_insn *in = disasm(w);
			struct kc_op op;

			if (in == NULL)
				continue;
			decode(w, &op);
			classes[c].check(w, in, &op);
			cs_free(in, 1);
			known++;
		}
		print_message("# %s: %u encodings\n", classes[c].name, known);
		assert_true(known > 500);
	}
}

static bool
is_one_of(const struct kc_op *op, int r)
{
	return (r == op->rd || r == op->rd2 || r == op->rn || r == op->rm || r == op->ra);
}

static void
no_register_unseen(void **state)
{
	unsigned known = 0;

	(void)state;
	for (unsigned i = 0; i < 400000; i++) {
		uint32_t w = rnd();
		cs_insn *in = disasm(w);
		struct kc_op op;

		if (in == NULL)
			continue;
		decode(w, &op);
		known++;
		if (op.kind == KC_OP_BRANCH) { /* CBZ, TBZ: only looked at, and no address comes of it */
			cs_free(in, 1);
			continue;
		}
		for (unsigned k = 0; k < in->detail->arm64.op_count; k++) {
			const cs_arm64_op *o = operand(in, k);
			int r = o->type == ARM64_OP_REG ? general(o->reg) : o->type == ARM64_OP_MEM ? general(o->mem.base) : -1;

			if (r < 0 || r == KC_NOREG)
				continue;
			if (!is_one_of(&op, r))
				fail_msg("%08x %s %s: register %d is not seen", w, in->mnemonic, in->op_str, r);
		}
		cs_free(in, 1);
	}
	print_message("# %u instructions\n", known);
	assert_true(known > 50000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_classes_that_the_rules_use),
		cmocka_unit_test(no_register_unseen),
	};
	int failed;

	seed = 8;
	if (cs_open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, &handle) != CS_ERR_OK) {
		puts("1..0 # SKIP this Capstone knows no arm64");
		return (0);
	}
	cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	cs_close(&handle);
	return (failed);
}
