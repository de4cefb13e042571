/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 32-bit ARM: the relocations of "ELF for the Arm Architecture", ARM and Thumb-2 code, in the program's window.
 *
 * Relocations have no addends of their own: an addend is what the place holds, in the form that the instruction has
 * for it (kld_arch_addend).
 *
 * A function's address has bit 0 set when its code is Thumb; that bit is part of the value, and every word that holds
 * the address has it.  A call changes between bl and blx as its target wants; a jump cannot, and goes by way of a
 * veneer, as everything does that is out of reach (16 MiB in Thumb, 32 MiB in ARM code).  A veneer has two entries:
 *
 *	+0	bx pc; nop		for Thumb code
 *	+4	ldr ip, [pc]; ldr pc, [ip]; .word slot
 *
 * Nothing is relaxed: a slot's address is made from a word of a pool and the program counter, in instructions that
 * no relocation names.
 */
#include <errno.h>
#include <string.h>

#include "kld_impl.h"

#define REACH_ARM ((int64_t)1 << 25)
#define REACH_THUMB ((int64_t)1 << 24)

const uint16_t kld_arch_machine = EM_ARM;
const char kld_arch_name[] = "32-bit ARM";
const size_t kld_arch_stub_size = 16;
const uintptr_t kld_arch_func_bits = 1;

enum form {
	F_NONE,
	F_WORD,
	F_PREL31,
	F_ARM_BRANCH,	/* b, bl, blx */
	F_THM_BRANCH,	/* b.w, bl, blx */
	F_THM_COND,	/* b<cond>.w */
	F_THM_SHORT,	/* b */
	F_THM_CSHORT,	/* b<cond> */
	F_ARM_MOVW, F_ARM_MOVT,
	F_THM_MOVW, F_THM_MOVT
};

static const struct type {
	struct kld_rtype r;
	uint8_t form;
	uint8_t base;		/* less the GOT's address */
} types[] = {
#define T(name, width, flags, ...) [R_ARM_##name] = { { "R_ARM_" #name, width, flags }, __VA_ARGS__ }
	T(NONE, 0, 0, F_NONE),
	T(V4BX, 0, 0, F_NONE),
	T(ABS32, 4, RT_WORD, F_WORD),
	T(ABS32_NOI, 4, RT_WORD, F_WORD),
	T(TARGET1, 4, RT_WORD, F_WORD),
	T(REL32, 4, RT_PCREL, F_WORD),
	T(REL32_NOI, 4, RT_PCREL, F_WORD),
	[R_ARM_GOTPC] = { { "R_ARM_BASE_PREL", 4, RT_PCREL }, F_WORD, 0 },
	[R_ARM_GOTOFF] = { { "R_ARM_GOTOFF32", 4, RT_NARROW }, F_WORD, 1 },
	[R_ARM_GOT32] = { { "R_ARM_GOT_BREL", 4, RT_NARROW | RT_GOT }, F_WORD, 1 },
	T(GOT_PREL, 4, RT_PCREL | RT_GOT, F_WORD),
	T(TARGET2, 4, RT_PCREL | RT_GOT, F_WORD),
	T(TLS_IE32, 4, RT_PCREL | RT_GOT | RT_TLS, F_WORD),
	T(TLS_LE32, 4, RT_TLS, F_WORD),
	T(PREL31, 4, RT_PCREL, F_PREL31),
	T(PC24, 4, RT_PCREL, F_ARM_BRANCH),
	T(PLT32, 4, RT_PCREL, F_ARM_BRANCH),
	T(CALL, 4, RT_PCREL, F_ARM_BRANCH),
	T(JUMP24, 4, RT_PCREL, F_ARM_BRANCH),
	[R_ARM_THM_PC22] = { { "R_ARM_THM_CALL", 4, RT_PCREL }, F_THM_BRANCH, 0 },
	T(THM_JUMP24, 4, RT_PCREL, F_THM_BRANCH),
	T(THM_JUMP19, 4, RT_PCREL, F_THM_COND),
	[R_ARM_THM_PC11] = { { "R_ARM_THM_JUMP11", 2, RT_PCREL }, F_THM_SHORT, 0 },
	[R_ARM_THM_PC9] = { { "R_ARM_THM_JUMP8", 2, RT_PCREL }, F_THM_CSHORT, 0 },
	T(MOVW_ABS_NC, 4, RT_NARROW, F_ARM_MOVW),
	T(MOVT_ABS, 4, RT_NARROW, F_ARM_MOVT),
	T(MOVW_PREL_NC, 4, RT_PCREL, F_ARM_MOVW),
	T(MOVT_PREL, 4, RT_PCREL, F_ARM_MOVT),
	T(THM_MOVW_ABS_NC, 4, RT_NARROW, F_THM_MOVW),
	T(THM_MOVT_ABS, 4, RT_NARROW, F_THM_MOVT),
	T(THM_MOVW_PREL_NC, 4, RT_PCREL, F_THM_MOVW),
	T(THM_MOVT_PREL, 4, RT_PCREL, F_THM_MOVT),
#undef T
};
#define NTYPES (sizeof(types) / sizeof(types[0]))

int
kld_arch_progbits(uint32_t sh_type)
{
	return (sh_type == SHT_ARM_EXIDX);
}

const struct kld_rtype *
kld_arch_rtype(unsigned type, const char **why)
{
	switch (type) {
	case R_ARM_TLS_GD32:
	case R_ARM_TLS_LDM32:
	case R_ARM_TLS_LDO32:
	case R_ARM_TLS_GOTDESC:
	case R_ARM_TLS_CALL:
	case R_ARM_THM_TLS_CALL:
		*why = "a dynamic thread-local: compile with -ftls-model=initial-exec";
		return (NULL);
	}
	if (type < NTYPES && types[type].r.name != NULL)
		return (&types[type].r);
	*why = "not one that is known: compile with -fPIC";
	return (NULL);
}

/* ---- Places ---- */

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return (v);
}

static int
put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
	return (0);
}

static uint32_t
get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return (v);
}

static int
put16(uint8_t *p, uint32_t v)
{
	uint16_t v16 = (uint16_t)v;

	memcpy(p, &v16, sizeof(v16));
	return (0);
}

static int32_t
extend(uint32_t v, unsigned bits)
{
	const uint32_t sign = (uint32_t)1 << (bits - 1);

	return ((int32_t)((v & (sign * 2 - 1)) ^ sign) - (int32_t)sign);
}

static int
fits(int32_t v, unsigned bits)
{
	return (extend((uint32_t)v, bits) == v);
}

/* Four bytes of Thumb code are two halves, the first with the upper bits. */
static int32_t
get_thm_branch(const uint8_t *p)
{
	const uint32_t hi = get16(p), lo = get16(p + 2), s = hi >> 10 & 1;
	const uint32_t i1 = ~((lo >> 13) ^ s) & 1, i2 = ~((lo >> 11) ^ s) & 1;

	return (extend(s << 24 | i1 << 23 | i2 << 22 | (hi & 0x3ff) << 12 | (lo & 0x7ff) << 1, 25));
}

static int
put_thm_branch(uint8_t *p, uint32_t v)
{
	const uint32_t s = v >> 24 & 1, j1 = ~(v >> 23 ^ s) & 1, j2 = ~(v >> 22 ^ s) & 1;

	put16(p, (get16(p) & 0xf800) | s << 10 | (v >> 12 & 0x3ff));
	return (put16(p + 2, (get16(p + 2) & 0xd000) | j1 << 13 | j2 << 11 | (v >> 1 & 0x7ff)));
}

static int32_t
get_thm_cond(const uint8_t *p)
{
	const uint32_t hi = get16(p), lo = get16(p + 2);

	return (extend((hi >> 10 & 1) << 20 | (lo >> 11 & 1) << 19 | (lo >> 13 & 1) << 18 | (hi & 0x3f) << 12 |
	    (lo & 0x7ff) << 1, 21));
}

static int
put_thm_cond(uint8_t *p, uint32_t v)
{
	put16(p, (get16(p) & 0xfbc0) | (v >> 20 & 1) << 10 | (v >> 12 & 0x3f));
	return (put16(p + 2, (get16(p + 2) & 0xd000) | (v >> 18 & 1) << 13 | (v >> 19 & 1) << 11 | (v >> 1 & 0x7ff)));
}

static uint32_t
get_mov(const uint8_t *p, int thumb)
{
	if (!thumb)
		return ((get32(p) >> 4 & 0xf000) | (get32(p) & 0xfff));
	return ((get16(p) & 0xf) << 12 | (get16(p) >> 10 & 1) << 11 | (get16(p + 2) >> 12 & 7) << 8 | (get16(p + 2) & 0xff));
}

static int
put_mov(uint8_t *p, uint32_t v, int thumb)
{
	if (!thumb)
		return (put32(p, (get32(p) & 0xfff0f000) | (v & 0xf000) << 4 | (v & 0xfff)));
	put16(p, (get16(p) & 0xfbf0) | (v >> 12 & 0xf) | (v >> 11 & 1) << 10);
	return (put16(p + 2, (get16(p + 2) & 0x8f00) | (v >> 8 & 7) << 12 | (v & 0xff)));
}

static intptr_t
addend(unsigned type, const uint8_t *p)
{
	switch (type) {		/* dynamic ones: the linker's own notes */
	case R_ARM_GLOB_DAT:
	case R_ARM_JUMP_SLOT:
		return (0);
	}
	switch (type < NTYPES ? (enum form)types[type].form : F_NONE) {
	case F_PREL31:
		return (extend(get32(p), 31));
	case F_ARM_BRANCH:
		return (extend(get32(p) << 2, 26));
	case F_THM_BRANCH:
		return (get_thm_branch(p));
	case F_THM_COND:
		return (get_thm_cond(p));
	case F_THM_SHORT:
		return (extend(get16(p) << 1, 12));
	case F_THM_CSHORT:
		return (extend(get16(p) << 1, 9));
	case F_ARM_MOVW:
	case F_ARM_MOVT:
		return (extend(get_mov(p, 0), 16));
	case F_THM_MOVW:
	case F_THM_MOVT:
		return (extend(get_mov(p, 1), 16));
	default:
		return ((intptr_t)get32(p));
	}
}
intptr_t (*const kld_arch_addend)(unsigned, const uint8_t *) = addend;

/* ---- What is needed ---- */

/* Whether a branch's target is Thumb code; a label that is no function is taken for code of the same kind. */
static int
is_thumb(const struct kld_image *image, const struct kld_rel *r)
{
	const size_t i = (size_t)(r->sym - image->sym);

	if (r->sym->kind == SYM_HERE && KLD_ST_TYPE(image->obj->sym[i].st_info) != STT_FUNC)
		return (types[r->type].form != F_ARM_BRANCH);
	return ((r->sym->value & 1) != 0);
}

enum kld_need
kld_arch_plan(const struct kld_image *image, const struct kld_rel *r)
{
	const int arm = types[r->type].form == F_ARM_BRANCH;

	if ((types[r->type].r.flags & RT_GOT) != 0)
		return (NEED_SLOT);
	switch (r->type) {
	case R_ARM_THM_JUMP24:
	case R_ARM_JUMP24:
		if (is_thumb(image, r) == arm)
			return (NEED_STUB);
		/* FALLTHROUGH */
	case R_ARM_THM_PC22:
	case R_ARM_CALL:
	case R_ARM_PC24:
	case R_ARM_PLT32:
		return (kld_is_within(image, r->sym, arm ? REACH_ARM : REACH_THUMB) ? NEED_NOTHING : NEED_STUB);
	default:
		return (NEED_NOTHING);
	}
}

/* ---- Writing ---- */

static int
far(struct uverr *err)
{
	return (uverr(err, ENOEXEC, "out of the instruction's reach: compile with -fPIC"));
}

static int
put_call(const struct kld_rel *r, int32_t v, int thumb, struct uverr *err)
{
	const uint32_t insn = get32(r->loc);

	if (types[r->type].form == F_ARM_BRANCH) {
		if (!fits(v, 26))
			return (far(err));
		if (!thumb && (insn & 0xfe000000) == 0xfa000000)	/* blx to ARM code: bl */
			return (put32(r->loc, 0xeb000000 | ((uint32_t)v >> 2 & 0xffffff)));
		if (!thumb)
			return (put32(r->loc, (insn & 0xff000000) | ((uint32_t)v >> 2 & 0xffffff)));
		if ((insn & 0xfe000000) != 0xfa000000 && insn >> 24 != 0xeb)
			return (uverr(err, ENOEXEC, "a conditional branch to Thumb code"));
		return (put32(r->loc, 0xfa000000 | (v & 2) << 23 | ((uint32_t)v >> 2 & 0xffffff)));
	}
	if (r->type == R_ARM_THM_PC22) {	/* blx counts from a whole word */
		v = thumb ? v : (v + 3) & ~3;
		put16(r->loc + 2, thumb ? get16(r->loc + 2) | 0x1000 : get16(r->loc + 2) & ~0x1000u);
	}
	if (!fits(v, 25))
		return (far(err));
	return (put_thm_branch(r->loc, (uint32_t)v));
}

static int
put_form(const struct kld_rel *r, uint32_t v, int thumb, struct uverr *err)
{
	const int32_t distance = (int32_t)(v & ~1u);

	switch ((enum form)types[r->type].form) {
	case F_NONE:
		return (0);
	case F_WORD:
		return (put32(r->loc, v));
	case F_PREL31:
		if (!fits((int32_t)v, 31))
			return (uverr(err, ENOEXEC, "the value does not fit in 31 bits"));
		return (put32(r->loc, (get32(r->loc) & 0x80000000) | (v & 0x7fffffff)));
	case F_ARM_BRANCH:
	case F_THM_BRANCH:
		return (put_call(r, distance, thumb, err));
	case F_THM_COND:
		if (!fits(distance, 21) || !thumb)
			return (far(err));
		return (put_thm_cond(r->loc, v));
	case F_THM_SHORT:
		if (!fits(distance, 12) || !thumb)
			return (far(err));
		return (put16(r->loc, (get16(r->loc) & 0xf800) | (v >> 1 & 0x7ff)));
	case F_THM_CSHORT:
		if (!fits(distance, 9) || !thumb)
			return (far(err));
		return (put16(r->loc, (get16(r->loc) & 0xff00) | (v >> 1 & 0xff)));
	case F_ARM_MOVW:
	case F_THM_MOVW:
		return (put_mov(r->loc, v & 0xffff, types[r->type].form == F_THM_MOVW));
	case F_ARM_MOVT:
	case F_THM_MOVT:
		return (put_mov(r->loc, v >> 16, types[r->type].form == F_THM_MOVT));
	}
	return (-ENOEXEC);
}

int
kld_arch_apply(const struct kld_image *image, const struct kld_rel *r, struct uverr *err)
{
	const struct type *t = &types[r->type];
	int thumb = is_thumb(image, r);
	uint32_t s = r->sym->value;

	switch (kld_arch_plan(image, r)) {
	case NEED_STUB:		/* by the entry for code of the caller's kind */
		thumb = t->form == F_THM_BRANCH;
		s = kld_stub_addr(image, r->sym) + (thumb ? 0 : 4);
		break;
	case NEED_SLOT:
		s = kld_slot_addr(image, r->sym);
		break;
	case NEED_NOTHING:
		break;
	}
	s += (uint32_t)r->addend;
	if (t->base)
		s -= image->part[PART_RO].addr + image->got;
	if ((t->r.flags & RT_PCREL) != 0)
		s -= r->place;
	return (put_form(r, s, thumb, err));
}

void
kld_arch_stub(uint8_t *stage, uintptr_t addr, uintptr_t slot)
{
	const uint32_t code[4] = { 0x46c04778, 0xe59fc000, 0xe59cf000, slot };

	(void)addr;
	memcpy(stage, code, sizeof(code));
}

/* ---- Dynamic relocations ---- */

enum kld_dyntype
kld_arch_dyntype(unsigned type, const char **why)
{
	switch (type) {
	case R_ARM_NONE:
		return (DYN_NOTHING);
	case R_ARM_RELATIVE:
		return (DYN_RELATIVE);
	case R_ARM_ABS32:
	case R_ARM_GLOB_DAT:
	case R_ARM_JUMP_SLOT:
		return (DYN_WORD);
	case R_ARM_TLS_TPOFF32:
		return (DYN_TPOFF);
	case R_ARM_IRELATIVE:
		*why = "an indirect function: choose by a function pointer instead";
		break;
	case R_ARM_TLS_DTPMOD32:
	case R_ARM_TLS_DTPOFF32:
	case R_ARM_TLS_DESC:
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
	return (type == R_ARM_RELATIVE || type == R_ARM_ABS32 || type == R_ARM_GLOB_DAT);
}
