/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arm64: the relocations of "ELF for the Arm 64-bit Architecture", for code that lies in the program's window.
 *
 * Code makes addresses in two instructions: ADRP has the 4-KiB page, 4 GiB either way; the next one adds, loads or
 * stores with the lower 12 bits.  A branch reaches 128 MiB: the program and all modules; a library's function is
 * reached by a veneer, which is also its address for code that was not compiled with -fPIC.
 *
 * Relax last.  Whether a symbol is within reach is the same for all references to it, so each instruction is turned by
 * itself, wherever the compiler's scheduler put its partner:
 *
 *	adrp xN, :got:v				->  adrp xN, v
 *	ldr xD, [xN, :got_lo12:v]		->  add xD, xN, :lo12:v
 *
 *	adrp xN, :gottprel:v			->  movz xN, (offset without its lower 12 bits)
 *	ldr xD, [xN, :gottprel_lo12:v]		->  add xD, xN, (its lower 12 bits)
 *
 *	adrp x0, :tlsdesc:v			->  movz x0, offset 16 to 31, lsl 16
 *	ldr x1, [x0, :tlsdesc_lo12:v]		->  movk x0, offset 0 to 15
 *	add x0, x0, :tlsdesc_lo12:v		->  nop
 *	blr x1					->  nop
 *
 * The third is what the ABI allows for thread-locals of the program: the four instructions and their registers are
 * prescribed.  GOTPAGE_LO15 (-fpic) and GOT_LD_PREL19 (the tiny model) keep their slots.
 */
#include <errno.h>
#include <string.h>

#include "kld_impl.h"

#define REACH_BRANCH ((int64_t)1 << 27)
#define REACH_PAGE ((int64_t)1 << 32)
#define TLS_MOVZ_MAX 0x10000	/* offsets that one movz and one add make */

#define PAGE_OF(a) ((a) & ~(uint64_t)0xfff)
#define NOP 0xd503201fu

const uint16_t kld_arch_machine = EM_AARCH64;
const char kld_arch_name[] = "arm64";
const size_t kld_arch_stub_size = 16;
const uintptr_t kld_arch_func_bits = 0;
intptr_t (*const kld_arch_addend)(unsigned, const uint8_t *) = NULL;

/* What an instruction's relocation writes: which bits of the value, into which field. */
enum form {
	F_NONE,
	F_ABS,		/* the whole value, of the relocation's width */
	F_PREL,		/* the same, a distance */
	F_ADR,		/* adr: 21 bits in two fields */
	F_ADRP,		/* adrp: the same of pages */
	F_IMM19,	/* bits 2 to 20 at bit 5: ldr, b.cond, cbz */
	F_IMM14,	/* tbz */
	F_IMM26,	/* b, bl */
	F_LO12,		/* add: 12 bits at bit 10; ldr and str: those above the shift */
	F_HI12,		/* add ..., lsl 12 */
	F_MOVW,		/* movz, movk, movn: 16 bits at bit 5 */
	F_GOTPAGE15,	/* ldr from the GOT's page */
	F_CALL		/* marks an instruction */
};

static const struct type {
	struct kld_rtype r;
	uint8_t form;
	uint8_t shift;		/* F_LO12: of the access; F_MOVW: of the 16 bits */
	uint8_t checked;	/* F_LO12, F_MOVW: must have no higher bits; 2: signed, movz or movn */
} types[] = {
#define T(name, width, flags, ...) [R_AARCH64_##name] = { { "R_AARCH64_" #name, width, flags }, __VA_ARGS__ }
	T(NONE, 0, 0, F_NONE),
	[256] = { { "R_AARCH64_NONE", 0, 0 }, F_NONE, 0, 0 },
	T(ABS64, 8, RT_WORD, F_ABS),
	T(ABS32, 4, RT_NARROW, F_ABS),
	T(ABS16, 2, RT_NARROW, F_ABS),
	T(PREL64, 8, RT_PCREL, F_PREL),
	T(PREL32, 4, RT_PCREL, F_PREL),
	T(PREL16, 2, RT_PCREL, F_PREL),
	[314] = { { "R_AARCH64_PLT32", 4, RT_PCREL }, F_PREL, 0, 0 },
	T(MOVW_UABS_G0, 4, RT_NARROW, F_MOVW, 0, 1),
	T(MOVW_UABS_G0_NC, 4, RT_NARROW, F_MOVW, 0),
	T(MOVW_UABS_G1, 4, RT_NARROW, F_MOVW, 16, 1),
	T(MOVW_UABS_G1_NC, 4, RT_NARROW, F_MOVW, 16),
	T(MOVW_UABS_G2, 4, RT_NARROW, F_MOVW, 32, 1),
	T(MOVW_UABS_G2_NC, 4, RT_NARROW, F_MOVW, 32),
	T(MOVW_UABS_G3, 4, RT_NARROW, F_MOVW, 48),
	T(MOVW_SABS_G0, 4, RT_NARROW, F_MOVW, 0, 2),
	T(MOVW_SABS_G1, 4, RT_NARROW, F_MOVW, 16, 2),
	T(MOVW_SABS_G2, 4, RT_NARROW, F_MOVW, 32, 2),
	T(LD_PREL_LO19, 4, RT_PCREL, F_IMM19),
	T(ADR_PREL_LO21, 4, RT_PCREL, F_ADR),
	T(ADR_PREL_PG_HI21, 4, RT_PCREL, F_ADRP),
	T(ADR_PREL_PG_HI21_NC, 4, RT_PCREL, F_ADRP),
	T(ADD_ABS_LO12_NC, 4, RT_NARROW, F_LO12),
	T(LDST8_ABS_LO12_NC, 4, RT_NARROW, F_LO12),
	T(LDST16_ABS_LO12_NC, 4, RT_NARROW, F_LO12, 1),
	T(LDST32_ABS_LO12_NC, 4, RT_NARROW, F_LO12, 2),
	T(LDST64_ABS_LO12_NC, 4, RT_NARROW, F_LO12, 3),
	T(LDST128_ABS_LO12_NC, 4, RT_NARROW, F_LO12, 4),
	T(TSTBR14, 4, RT_PCREL, F_IMM14),
	T(CONDBR19, 4, RT_PCREL, F_IMM19),
	T(JUMP26, 4, RT_PCREL, F_IMM26),
	T(CALL26, 4, RT_PCREL, F_IMM26),
	T(GOT_LD_PREL19, 4, RT_PCREL | RT_GOT, F_IMM19),
	T(ADR_GOT_PAGE, 4, RT_PCREL | RT_GOT, F_ADRP),
	T(LD64_GOT_LO12_NC, 4, RT_NARROW | RT_GOT, F_LO12, 3),
	T(LD64_GOTPAGE_LO15, 4, RT_PCREL | RT_GOT, F_GOTPAGE15),
	T(TLSIE_ADR_GOTTPREL_PAGE21, 4, RT_PCREL | RT_GOT | RT_TLS, F_ADRP),
	T(TLSIE_LD64_GOTTPREL_LO12_NC, 4, RT_NARROW | RT_GOT | RT_TLS, F_LO12, 3),
	T(TLSIE_LD_GOTTPREL_PREL19, 4, RT_PCREL | RT_GOT | RT_TLS, F_IMM19),
	T(TLSLE_MOVW_TPREL_G2, 4, RT_TLS, F_MOVW, 32, 2),
	T(TLSLE_MOVW_TPREL_G1, 4, RT_TLS, F_MOVW, 16, 2),
	T(TLSLE_MOVW_TPREL_G1_NC, 4, RT_TLS, F_MOVW, 16),
	T(TLSLE_MOVW_TPREL_G0, 4, RT_TLS, F_MOVW, 0, 2),
	T(TLSLE_MOVW_TPREL_G0_NC, 4, RT_TLS, F_MOVW, 0),
	T(TLSLE_ADD_TPREL_HI12, 4, RT_TLS, F_HI12),
	T(TLSLE_ADD_TPREL_LO12, 4, RT_TLS, F_LO12, 0, 1),
	T(TLSLE_ADD_TPREL_LO12_NC, 4, RT_TLS, F_LO12),
	T(TLSLE_LDST8_TPREL_LO12, 4, RT_TLS, F_LO12, 0, 1),
	T(TLSLE_LDST8_TPREL_LO12_NC, 4, RT_TLS, F_LO12),
	T(TLSLE_LDST16_TPREL_LO12, 4, RT_TLS, F_LO12, 1, 1),
	T(TLSLE_LDST16_TPREL_LO12_NC, 4, RT_TLS, F_LO12, 1),
	T(TLSLE_LDST32_TPREL_LO12, 4, RT_TLS, F_LO12, 2, 1),
	T(TLSLE_LDST32_TPREL_LO12_NC, 4, RT_TLS, F_LO12, 2),
	T(TLSLE_LDST64_TPREL_LO12, 4, RT_TLS, F_LO12, 3, 1),
	T(TLSLE_LDST64_TPREL_LO12_NC, 4, RT_TLS, F_LO12, 3),
	T(TLSDESC_ADR_PAGE21, 4, RT_PCREL | RT_TLS, F_ADRP),
	T(TLSDESC_LD64_LO12, 4, RT_TLS, F_LO12, 3),
	T(TLSDESC_ADD_LO12, 4, RT_TLS, F_LO12),
	T(TLSDESC_CALL, 4, RT_TLS, F_CALL),
#undef T
};
#define NTYPES (sizeof(types) / sizeof(types[0]))

int
kld_arch_progbits(uint32_t sh_type)
{
	(void)sh_type;
	return (0);
}

const struct kld_rtype *
kld_arch_rtype(unsigned type, const char **why)
{
	if (type < NTYPES && types[type].r.name != NULL)
		return (&types[type].r);
	if (type >= R_AARCH64_TLSGD_ADR_PREL21 && type <= R_AARCH64_TLSDESC_CALL)
		*why = "a dynamic thread-local: compile with -ftls-model=initial-exec";
	else
		*why = "not one that is known: compile with -fPIC, and without -mcmodel and -mabi";
	return (NULL);
}

/* ---- Reach ---- */

/* A library's function, whose address code makes by itself: the veneer is the function. */
static int
is_far_function(const struct kld_image *image, const struct kld_sym *sym)
{
	return (sym->kind == SYM_FOREIGN && !kld_is_within(image, sym, REACH_PAGE) && !kld_is_object(sym->value));
}

enum kld_need
kld_arch_plan(const struct kld_image *image, const struct kld_rel *r)
{
	switch (r->type) {
	case R_AARCH64_JUMP26:
	case R_AARCH64_CALL26:
		return (kld_is_within(image, r->sym, REACH_BRANCH) ? NEED_NOTHING : NEED_STUB);
	case R_AARCH64_ADR_PREL_PG_HI21:
	case R_AARCH64_ADR_PREL_PG_HI21_NC:
	case R_AARCH64_ADD_ABS_LO12_NC:
		return (is_far_function(image, r->sym) ? NEED_STUB : NEED_NOTHING);
	case R_AARCH64_GOT_LD_PREL19:
	case R_AARCH64_LD64_GOTPAGE_LO15:
	case R_AARCH64_TLSIE_LD_GOTTPREL_PREL19:
		return (NEED_SLOT);
	case R_AARCH64_ADR_GOT_PAGE:
	case R_AARCH64_LD64_GOT_LO12_NC:
		return (kld_is_within(image, r->sym, REACH_PAGE) ? NEED_NOTHING : NEED_SLOT);
	case R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21:
	case R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC:
		return (r->sym->value < TLS_MOVZ_MAX ? NEED_NOTHING : NEED_SLOT);
	default:
		return (NEED_NOTHING);
	}
}

/* ---- Writing ---- */

static uint32_t
insn(const struct kld_rel *r)
{
	uint32_t v;

	memcpy(&v, r->loc, sizeof(v));
	return (v);
}

static int
put(const struct kld_rel *r, uint32_t v)
{
	memcpy(r->loc, &v, sizeof(v));
	return (0);
}

static int
put_field(const struct kld_rel *r, uint64_t value, unsigned at, unsigned bits)
{
	const uint32_t mask = ((1u << bits) - 1) << at;

	return (put(r, (insn(r) & ~mask) | ((uint32_t)(value << at) & mask)));
}

static int
fits(int64_t v, unsigned bits)
{
	return (v >= -((int64_t)1 << (bits - 1)) && v < (int64_t)1 << (bits - 1));
}

static int
far(struct uverr *err)
{
	return (uverr(err, ENOEXEC, "out of the instruction's reach (a library's variable?): compile with -fPIC"));
}

static int
wrong_insn(struct uverr *err)
{
	return (uverr(err, ENOEXEC, "not the instruction that the relocation is for"));
}

static int
put_adr(const struct kld_rel *r, int64_t v, struct uverr *err)
{
	if (!fits(v, 21))
		return (far(err));
	put_field(r, (uint64_t)v & 3, 29, 2);
	return (put_field(r, (uint64_t)v >> 2, 5, 19));
}

static int
put_branch(const struct kld_rel *r, int64_t v, unsigned at, unsigned bits, struct uverr *err)
{
	if ((v & 3) != 0)
		return (uverr(err, ENOEXEC, "its target is not aligned to 4 bytes"));
	if (!fits(v, bits + 2))
		return (far(err));
	return (put_field(r, (uint64_t)v >> 2, at, bits));
}

/* The lower 12 bits, less the `shift` that the access's size stands for. */
static int
put_lo12(const struct kld_rel *r, uint64_t v, unsigned shift, int checked, struct uverr *err)
{
	if (checked && v > 0xfff)
		return (uverr(err, ENOEXEC, "the offset does not fit in 12 bits"));
	if ((v & ((1u << shift) - 1)) != 0)
		return (uverr(err, ENOEXEC, "its target is not aligned to the access"));
	return (put_field(r, (v & 0xfff) >> shift, 10, 12));
}

static int
put_movw(const struct kld_rel *r, uint64_t v, unsigned shift, int checked, struct uverr *err)
{
	if (checked == 1 && v >> shift > 0xffff)
		return (uverr(err, ENOEXEC, "the value does not fit in %u bits: compile with -fPIC", shift + 16));
	if (checked == 2) {	/* movz, or movn of the complement */
		if (!fits((int64_t)v, shift + 17))
			return (uverr(err, ENOEXEC, "the value does not fit in %u bits: compile with -fPIC", shift + 17));
		put(r, (int64_t)v < 0 ? insn(r) & ~(1u << 30) : insn(r) | 1u << 30);
		v = (int64_t)v < 0 ? ~v : v;
	}
	return (put_field(r, v >> shift, 5, 16));
}

static int
put_value(const struct kld_rel *r, unsigned width, uint64_t v, struct uverr *err)
{
	/* "-2^(n-1) <= v < 2^n": signed and unsigned words alike. */
	if (width < 8 && (int64_t)v >= (int64_t)1 << width * 8)
		goto too_big;
	if (width < 8 && (int64_t)v < -((int64_t)1 << (width * 8 - 1)))
		goto too_big;
	memcpy(r->loc, &v, width);
	return (0);

too_big:
	return (uverr(err, ENOEXEC, "the value does not fit in %u bits: compile with -fPIC", width * 8));
}

static int
put_form(const struct kld_rel *r, uint64_t s, struct uverr *err)
{
	const struct type *t = &types[r->type];
	const int64_t distance = (int64_t)(s - r->place), pages = (int64_t)(PAGE_OF(s) - PAGE_OF(r->place)) >> 12;

	switch ((enum form)t->form) {
	case F_NONE:
	case F_CALL:
		return (0);
	case F_ABS:
		return (put_value(r, t->r.width, s, err));
	case F_PREL:
		return (put_value(r, t->r.width, (uint64_t)distance, err));
	case F_ADR:
		return (put_adr(r, distance, err));
	case F_ADRP:
		return (put_adr(r, pages, err));
	case F_IMM19:
		return (put_branch(r, distance, 5, 19, err));
	case F_IMM14:
		return (put_branch(r, distance, 5, 14, err));
	case F_IMM26:
		return (put_branch(r, distance, 0, 26, err));
	case F_LO12:
		return (put_lo12(r, s, t->shift, t->checked, err));
	case F_HI12:
		if (s >> 24 != 0)
			return (uverr(err, ENOEXEC, "the offset does not fit in 24 bits"));
		return (put_field(r, s >> 12, 10, 12));
	case F_MOVW:
		return (put_movw(r, s, t->shift, t->checked, err));
	case F_GOTPAGE15:
		break;
	}
	return (wrong_insn(err));
}

/* ---- Relaxing ---- */

static int
is_adrp(uint32_t i)
{
	return ((i & 0x9f000000) == 0x90000000);
}

/* ldr xD, [xN, #imm]: as add xD, xN, #0. */
static int
is_ldr(uint32_t i)
{
	return ((i & 0xffc00000) == 0xf9400000);
}

static uint32_t
add_of(uint32_t ldr)
{
	return (0x91000000 | (ldr & 0x3ff));
}

static int
relax_got(const struct kld_rel *r, struct uverr *err)
{
	const uint64_t s = r->sym->value;

	if (r->type == R_AARCH64_ADR_GOT_PAGE)
		return (is_adrp(insn(r)) ? put_form(r, s, err) : wrong_insn(err));
	if (!is_ldr(insn(r)))
		return (wrong_insn(err));
	put(r, add_of(insn(r)));
	return (put_lo12(r, s, 0, 0, err));
}

static int
relax_ie(const struct kld_rel *r, struct uverr *err)
{
	const uint32_t offset = (uint32_t)r->sym->value, i = insn(r);

	if (r->type == R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21)
		return (is_adrp(i) ? put(r, 0xd2800000 | (offset & 0xf000) << 5 | (i & 0x1f)) : wrong_insn(err));
	return (is_ldr(i) ? put(r, add_of(i) | (offset & 0xfff) << 10) : wrong_insn(err));
}

static int
relax_desc(const struct kld_rel *r, struct uverr *err)
{
	const uint64_t offset = r->sym->value;
	const uint32_t i = insn(r);

	if (offset > UINT32_MAX)
		return (uverr(err, ENOEXEC, "the offset does not fit in 32 bits"));
	switch (r->type) {
	case R_AARCH64_TLSDESC_ADR_PAGE21:	/* adrp x0 */
		return (is_adrp(i) && (i & 0x1f) == 0 ? put(r, 0xd2a00000 | (uint32_t)(offset >> 16) << 5) :
		    wrong_insn(err));
	case R_AARCH64_TLSDESC_LD64_LO12:	/* ldr xD, [x0] */
		return (is_ldr(i) && (i & 0x3e0) == 0 ? put(r, 0xf2800000 | (uint32_t)(offset & 0xffff) << 5) :
		    wrong_insn(err));
	case R_AARCH64_TLSDESC_ADD_LO12:	/* add x0, x0 */
		return ((i & 0xffc003ff) == 0x91000000 ? put(r, NOP) : wrong_insn(err));
	default:				/* blr xD */
		return ((i & 0xfffffc1f) == 0xd63f0000 ? put(r, NOP) : wrong_insn(err));
	}
}

int
kld_arch_apply(const struct kld_image *image, const struct kld_rel *r, struct uverr *err)
{
	const struct kld_rtype *rt = &types[r->type].r;
	uint64_t got_page;

	if ((rt->flags & RT_GOT) != 0 && r->addend != 0)
		return (uverr(err, ENOEXEC, "a slot for an address within a variable: compile with -fPIC"));
	switch (kld_arch_plan(image, r)) {
	case NEED_STUB:
		if (r->addend != 0)
			return (far(err));
		return (put_form(r, kld_stub_addr(image, r->sym), err));
	case NEED_SLOT:
		if (r->type != R_AARCH64_LD64_GOTPAGE_LO15)
			return (put_form(r, kld_slot_addr(image, r->sym), err));
		got_page = kld_slot_addr(image, r->sym) - PAGE_OF(image->part[PART_RO].addr + image->got);
		return (got_page < 1u << 15 ? put_field(r, got_page >> 3, 10, 12) : far(err));
	case NEED_NOTHING:
		break;
	}
	if (r->type >= R_AARCH64_TLSDESC_ADR_PAGE21 && r->type <= R_AARCH64_TLSDESC_CALL)
		return (r->addend == 0 ? relax_desc(r, err) : wrong_insn(err));
	if ((rt->flags & RT_GOT) != 0)
		return ((rt->flags & RT_TLS) != 0 ? relax_ie(r, err) : relax_got(r, err));
	return (put_form(r, r->sym->value + (uint64_t)r->addend, err));
}

/* adrp x16, slot; ldr x16, [x16, :lo12:slot]; br x16; udf */
void
kld_arch_stub(uint8_t *stage, uintptr_t addr, uintptr_t slot)
{
	const uint32_t pages = (uint32_t)((PAGE_OF(slot) - PAGE_OF(addr)) >> 12);
	const uint32_t code[4] = {
		0x90000010 | (pages & 3) << 29 | (pages >> 2 & 0x7ffff) << 5,
		0xf9400210 | (uint32_t)(slot & 0xfff) >> 3 << 10,
		0xd61f0200,
		0
	};

	memcpy(stage, code, sizeof(code));
}

/* ---- Dynamic relocations ---- */

enum kld_dyntype
kld_arch_dyntype(unsigned type, const char **why)
{
	switch (type) {
	case R_AARCH64_NONE:
		return (DYN_NOTHING);
	case R_AARCH64_RELATIVE:
		return (DYN_RELATIVE);
	case R_AARCH64_ABS64:
	case R_AARCH64_GLOB_DAT:
	case R_AARCH64_JUMP_SLOT:
		return (DYN_WORD);
	case R_AARCH64_TLS_TPREL:
		return (DYN_TPOFF);
	case R_AARCH64_IRELATIVE:
		*why = "an indirect function: choose by a function pointer instead";
		break;
	case R_AARCH64_TLS_DTPMOD:
	case R_AARCH64_TLS_DTPREL:
	case R_AARCH64_TLSDESC:
		*why = "a dynamic thread-local: compile with -ftls-model=initial-exec";
		break;
	default:
		*why = "not one that is known: compile with -fPIC";
		break;
	}
	return (DYN_REFUSED);
}

int
kld_arch_dyn_word(unsigned type)
{
	return (type == R_AARCH64_RELATIVE || type == R_AARCH64_ABS64 || type == R_AARCH64_GLOB_DAT);
}
