/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * riscv64: the relocations of the "RISC-V ELF psABI", for code that lies in the program's window.
 *
 * Code makes addresses in two instructions: auipc adds 20 upper bits to the program counter; the next one adds,
 * loads or stores with 12 lower bits, signed.  The relocation of the second does not name the variable but the place
 * of its auipc, whose own relocation is then looked for: relocations of a section come in the order of their offsets.
 * Both reach 2 GiB; a library's function further away is reached by a veneer.
 *
 * Relax last.  An address by way of a slot becomes the address, and a thread-local's offset two immediates:
 *
 *	auipc rN, %got_pcrel_hi(v)		->  auipc rN, %pcrel_hi(v)
 *	ld rD, %pcrel_lo(..)(rN)		->  addi rD, rN, %pcrel_lo(..)
 *
 *	auipc rN, %tls_ie_pcrel_hi(v)		->  lui rN, %tprel_hi(v)
 *	ld rD, %pcrel_lo(..)(rN)		->  addi rD, rN, %tprel_lo(v)
 *
 * What the psABI calls relaxation, deleting bytes, is not done: RELAX is a hint.  ALIGN is not: the assembler put as
 * many bytes as could be needed, and counts on the linker to delete those too many.  A place that is aligned as it
 * is, is accepted; any other refused.
 */
#include <errno.h>
#include <string.h>

#include "kld_impl.h"

#define REACH ((int64_t)1 << 31)
#define REACH_JAL ((int64_t)1 << 20)

const uint16_t kld_arch_machine = EM_RISCV;
const char kld_arch_name[] = "riscv64";
const size_t kld_arch_stub_size = 16;
const uintptr_t kld_arch_func_bits = 0;
intptr_t (*const kld_arch_addend)(unsigned, const uint8_t *) = NULL;

enum form {
	F_NONE,
	F_ABS,		/* the whole value, of the relocation's width */
	F_PREL,		/* the same, a distance */
	F_ADD, F_SUB,	/* to and from what is there */
	F_SET6, F_SUB6,
	F_BRANCH, F_JAL, F_RVC_BRANCH, F_RVC_JUMP,
	F_CALL,		/* auipc and jalr */
	F_PCREL_HI, F_PCREL_LO,
	F_HI, F_LO,
	F_ALIGN
};

static const struct type {
	struct kld_rtype r;
	uint8_t form;
	uint8_t store;		/* its 12 bits are in a store's two fields */
} types[] = {
#define T(name, width, flags, ...) [R_RISCV_##name] = { { "R_RISCV_" #name, width, flags }, __VA_ARGS__ }
#define RT_PART (RT_PCREL | RT_NARROW)	/* one of several that make a value: not in virtual variables */
	T(NONE, 0, 0, F_NONE),
	T(RELAX, 0, 0, F_NONE),
	T(TPREL_ADD, 0, 0, F_NONE),
	T(ALIGN, 0, 0, F_ALIGN),
	T(64, 8, RT_WORD, F_ABS),
	T(32, 4, RT_NARROW, F_ABS),
	T(32_PCREL, 4, RT_PCREL, F_PREL),
	[59] = { { "R_RISCV_PLT32", 4, RT_PCREL }, F_PREL, 0 },
	T(ADD8, 1, RT_PART, F_ADD),
	T(ADD16, 2, RT_PART, F_ADD),
	T(ADD32, 4, RT_PART, F_ADD),
	T(ADD64, 8, RT_PART, F_ADD),
	T(SUB8, 1, RT_PART, F_SUB),
	T(SUB16, 2, RT_PART, F_SUB),
	T(SUB32, 4, RT_PART, F_SUB),
	T(SUB64, 8, RT_PART, F_SUB),
	T(SET8, 1, RT_PART, F_ABS),
	T(SET16, 2, RT_PART, F_ABS),
	T(SET32, 4, RT_PART, F_ABS),
	T(SET6, 1, RT_PART, F_SET6),
	T(SUB6, 1, RT_PART, F_SUB6),
	T(BRANCH, 4, RT_PCREL, F_BRANCH),
	T(JAL, 4, RT_PCREL, F_JAL),
	T(RVC_BRANCH, 2, RT_PCREL, F_RVC_BRANCH),
	T(RVC_JUMP, 2, RT_PCREL, F_RVC_JUMP),
	T(CALL, 8, RT_PCREL, F_CALL),
	T(CALL_PLT, 8, RT_PCREL, F_CALL),
	T(GOT_HI20, 4, RT_PCREL | RT_GOT, F_PCREL_HI),
	T(TLS_GOT_HI20, 4, RT_PCREL | RT_GOT | RT_TLS, F_PCREL_HI),
	T(PCREL_HI20, 4, RT_PCREL, F_PCREL_HI),
	T(PCREL_LO12_I, 4, RT_PCREL, F_PCREL_LO),
	T(PCREL_LO12_S, 4, RT_PCREL, F_PCREL_LO, 1),
	T(HI20, 4, RT_NARROW, F_HI),
	T(LO12_I, 4, RT_NARROW, F_LO),
	T(LO12_S, 4, RT_NARROW, F_LO, 1),
	T(TPREL_HI20, 4, RT_TLS, F_HI),
	T(TPREL_LO12_I, 4, RT_TLS, F_LO),
	T(TPREL_LO12_S, 4, RT_TLS, F_LO, 1),
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
	*why = type == R_RISCV_TLS_GD_HI20 ? "a dynamic thread-local: compile with -ftls-model=initial-exec" :
	    "not one that is known: compile with -fPIC";
	return (NULL);
}

/* ---- What is needed ---- */

enum kld_need
kld_arch_plan(const struct kld_image *image, const struct kld_rel *r)
{
	switch (r->type) {
	case R_RISCV_CALL:
	case R_RISCV_CALL_PLT:
		return (kld_is_within(image, r->sym, REACH) ? NEED_NOTHING : NEED_STUB);
	case R_RISCV_JAL:
		return (kld_is_within(image, r->sym, REACH_JAL) ? NEED_NOTHING : NEED_STUB);
	case R_RISCV_PCREL_HI20:	/* of a library's function the veneer is the address */
		return (r->sym->kind == SYM_FOREIGN && !kld_is_within(image, r->sym, REACH) && !kld_is_object(r->sym->value) ?
		    NEED_STUB : NEED_NOTHING);
	case R_RISCV_GOT_HI20:
		return (kld_is_within(image, r->sym, REACH) ? NEED_NOTHING : NEED_SLOT);
	default:
		return (NEED_NOTHING);
	}
}

/* ---- Writing ---- */

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

/* Bits hi to lo of v, at bit `at`. */
static uint32_t
bits(int64_t v, unsigned hi, unsigned lo, unsigned at)
{
	return (((uint32_t)((uint64_t)v >> lo) & ((1u << (hi - lo + 1)) - 1)) << at);
}

static int
put_hi(uint8_t *loc, int64_t v, struct uverr *err)
{
	if (!fits(v + 0x800, 32))
		return (far(err));
	return (put32(loc, (get32(loc) & 0xfff) | bits(v + 0x800, 31, 12, 12)));
}

static int
put_lo(uint8_t *loc, int64_t v, int store)
{
	if (store)
		return (put32(loc, (get32(loc) & 0x01fff07f) | bits(v, 11, 5, 25) | bits(v, 4, 0, 7)));
	return (put32(loc, (get32(loc) & 0x000fffff) | bits(v, 11, 0, 20)));
}

static int
put_branch(const struct kld_rel *r, int64_t v, struct uverr *err)
{
	uint8_t *loc = r->loc;
	uint16_t c;

	if ((v & 1) != 0)
		return (uverr(err, ENOEXEC, "its target is not aligned to 2 bytes"));
	switch ((enum form)types[r->type].form) {
	case F_BRANCH:
		if (!fits(v, 13))
			return (far(err));
		return (put32(loc, (get32(loc) & 0x01fff07f) | bits(v, 12, 12, 31) | bits(v, 10, 5, 25) | bits(v, 4, 1, 8) |
		    bits(v, 11, 11, 7)));
	case F_JAL:
		if (!fits(v, 21))
			return (far(err));
		return (put32(loc, (get32(loc) & 0xfff) | bits(v, 20, 20, 31) | bits(v, 10, 1, 21) | bits(v, 11, 11, 20) |
		    bits(v, 19, 12, 12)));
	case F_RVC_BRANCH:
		if (!fits(v, 9))
			return (far(err));
		memcpy(&c, loc, sizeof(c));
		c = (uint16_t)((c & 0xe383) | bits(v, 8, 8, 12) | bits(v, 4, 3, 10) | bits(v, 7, 6, 5) | bits(v, 2, 1, 3) |
		    bits(v, 5, 5, 2));
		break;
	default:
		if (!fits(v, 12))
			return (far(err));
		memcpy(&c, loc, sizeof(c));
		c = (uint16_t)((c & 0xe003) | bits(v, 11, 11, 12) | bits(v, 4, 4, 11) | bits(v, 9, 8, 9) | bits(v, 10, 10, 8) |
		    bits(v, 6, 6, 7) | bits(v, 7, 7, 6) | bits(v, 3, 1, 3) | bits(v, 5, 5, 2));
		break;
	}
	memcpy(loc, &c, sizeof(c));
	return (0);
}

/* ---- Pairs ---- */

/* The value that an auipc's instruction and its partner make, and whether the partner's load is an addition then. */
static int
pair_value(const struct kld_image *image, const struct kld_rel *hi, int64_t *value, int *relaxed)
{
	*relaxed = 0;
	switch (kld_arch_plan(image, hi)) {
	case NEED_STUB:
		*value = (int64_t)(kld_stub_addr(image, hi->sym) - hi->place);
		return (hi->addend == 0);
	case NEED_SLOT:
		*value = (int64_t)(kld_slot_addr(image, hi->sym) - hi->place);
		return (hi->addend == 0);
	default:
		break;
	}
	*relaxed = hi->type != R_RISCV_PCREL_HI20;
	*value = (int64_t)(hi->sym->value + (uint64_t)hi->addend) - (hi->type == R_RISCV_TLS_GOT_HI20 ? 0 : (int64_t)hi->place);
	return (!*relaxed || hi->addend == 0);
}

/* The relocation of the auipc that a symbol labels. */
static int
find_hi(const struct kld_image *image, const struct kld_rel *lo, struct kld_rel *hi)
{
	const struct elf_obj *obj = image->obj;
	const size_t index = (size_t)(lo->sym - image->sym);
	const unsigned target = obj->sym[index].st_shndx;
	const uint64_t offset = obj->sym[index].st_value;
	const Elf64_Rela *table;
	size_t n, low, high;

	if (lo->sym->kind != SYM_HERE || target >= obj->nshdr)
		return (0);
	for (unsigned i = 1; i < obj->nshdr; i++) {
		if (obj->shdr[i].sh_type != SHT_RELA || obj->shdr[i].sh_info != target)
			continue;
		table = (const void *)(obj->data + obj->shdr[i].sh_offset);
		n = obj->shdr[i].sh_size / sizeof(*table);
		for (low = 0, high = n; low < high;) {
			size_t mid = (low + high) / 2;

			if (table[mid].r_offset < offset)
				low = mid + 1;
			else
				high = mid;
		}
		for (; low < n && table[low].r_offset == offset; low++) {
			const unsigned type = (unsigned)ELF64_R_TYPE(table[low].r_info);

			if (type != R_RISCV_PCREL_HI20 && type != R_RISCV_GOT_HI20 && type != R_RISCV_TLS_GOT_HI20)
				continue;
			*hi = (struct kld_rel) {
				.type = type, .sym = &image->sym[ELF64_R_SYM(table[low].r_info)], .addend = table[low].r_addend,
				.offset = offset, .place = lo->sym->value,
			};
			return (1);
		}
	}
	return (0);
}

static int
put_pcrel_lo(const struct kld_image *image, const struct kld_rel *r, struct uverr *err)
{
	struct kld_rel hi;
	int64_t value;
	int relaxed;

	if (!find_hi(image, r, &hi))
		return (uverr(err, ENOEXEC, "the first half of the pair is not there, or the relocations are not in the order "
		    "of their offsets"));
	if (!pair_value(image, &hi, &value, &relaxed))
		return (wrong_insn(err));
	if (relaxed) {
		if ((get32(r->loc) & 0x707f) != 0x3003)		/* ld */
			return (wrong_insn(err));
		put32(r->loc, (get32(r->loc) & ~0x707fu) | 0x13);	/* addi */
	}
	return (put_lo(r->loc, value, types[r->type].store));
}

static int
put_pcrel_hi(const struct kld_image *image, const struct kld_rel *r, struct uverr *err)
{
	int64_t value;
	int relaxed;

	if ((get32(r->loc) & 0x7f) != 0x17 || !pair_value(image, r, &value, &relaxed))
		return (wrong_insn(err));
	if (r->type == R_RISCV_TLS_GOT_HI20)
		put32(r->loc, (get32(r->loc) & ~0x7fu) | 0x37);		/* lui */
	return (put_hi(r->loc, value, err));
}

static int
put_align(const struct kld_rel *r, struct uverr *err)
{
	uint64_t align = 1;

	if (r->addend < 0 || r->addend >= (intptr_t)KLD_ALIGN_MAX)
		return (uverr(err, ENOEXEC, "an impossible alignment"));
	while (align <= (uint64_t)r->addend)
		align *= 2;
	if ((r->place + (uint64_t)r->addend) % align != 0)
		return (uverr(err, ENOEXEC, "%ju bytes of padding are too many, and they are not deleted here: compile with "
		    "-mno-relax", (uintmax_t)r->addend));
	return (0);
}

/* A number of `width` bytes, plus or minus v, or v itself. */
static int
put_sum(const struct kld_rel *r, unsigned width, uint64_t v, enum form form)
{
	uint64_t old = 0;

	memcpy(&old, r->loc, width);
	v = form == F_ADD ? old + v : form == F_SUB ? old - v : v;
	memcpy(r->loc, &v, width);
	return (0);
}

static int
put_value(const struct kld_rel *r, unsigned width, uint64_t v, struct uverr *err)
{
	/* SET8, SET16 and SET32 begin a difference: what does not fit is taken off again. */
	if ((r->type == R_RISCV_32 || types[r->type].form == F_PREL) && (int64_t)v != (int32_t)v && v > UINT32_MAX)
		return (uverr(err, ENOEXEC, "the value does not fit in 32 bits: compile with -fPIC"));
	return (put_sum(r, width, v, F_ABS));
}

int
kld_arch_apply(const struct kld_image *image, const struct kld_rel *r, struct uverr *err)
{
	const struct type *t = &types[r->type];
	const int stub = kld_arch_plan(image, r) == NEED_STUB;
	const uint64_t s = stub ? kld_stub_addr(image, r->sym) : r->sym->value + (uint64_t)r->addend;
	const int64_t distance = (int64_t)(s - r->place);
	int error;

	if (stub && r->addend != 0)
		return (far(err));
	switch ((enum form)t->form) {
	case F_NONE:
		return (0);
	case F_ABS:
		return (put_value(r, t->r.width, s, err));
	case F_PREL:
		return (put_value(r, t->r.width, (uint64_t)distance, err));
	case F_ADD:
	case F_SUB:
		return (put_sum(r, t->r.width, s, t->form));
	case F_SET6:
		*r->loc = (uint8_t)((*r->loc & 0xc0) | (s & 0x3f));
		return (0);
	case F_SUB6:
		*r->loc = (uint8_t)((*r->loc & 0xc0) | ((*r->loc - s) & 0x3f));
		return (0);
	case F_BRANCH:
	case F_JAL:
	case F_RVC_BRANCH:
	case F_RVC_JUMP:
		return (put_branch(r, distance, err));
	case F_CALL:
		if ((get32(r->loc) & 0x7f) != 0x17)
			return (wrong_insn(err));
		error = put_hi(r->loc, distance, err);
		return (error != 0 ? error : put_lo(r->loc + 4, distance, 0));
	case F_PCREL_HI:
		return (put_pcrel_hi(image, r, err));
	case F_PCREL_LO:
		return (put_pcrel_lo(image, r, err));
	case F_HI:
		return (put_hi(r->loc, (int64_t)s, err));
	case F_LO:
		return (put_lo(r->loc, (int64_t)s, t->store));
	case F_ALIGN:
		return (put_align(r, err));
	}
	return (wrong_insn(err));
}

/* auipc t3, slot; ld t3, slot(t3); jr t3; unimp */
void
kld_arch_stub(uint8_t *stage, uintptr_t addr, uintptr_t slot)
{
	const int64_t distance = (int64_t)(slot - addr);
	const uint32_t code[4] = {
		0x00000e17 | bits(distance + 0x800, 31, 12, 12), 0x000e3e03 | bits(distance, 11, 0, 20), 0x000e0067, 0
	};

	memcpy(stage, code, sizeof(code));
}

/* ---- Dynamic relocations ---- */

enum kld_dyntype
kld_arch_dyntype(unsigned type, const char **why)
{
	switch (type) {
	case R_RISCV_NONE:
		return (DYN_NOTHING);
	case R_RISCV_RELATIVE:
		return (DYN_RELATIVE);
	case R_RISCV_64:
	case R_RISCV_JUMP_SLOT:
		return (DYN_WORD);
	case R_RISCV_TLS_TPREL64:
		return (DYN_TPOFF);
	case R_RISCV_IRELATIVE:
		*why = "an indirect function: choose by a function pointer instead";
		break;
	case R_RISCV_TLS_DTPMOD64:
	case R_RISCV_TLS_DTPREL64:
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
	return (type == R_RISCV_RELATIVE || type == R_RISCV_64);
}
