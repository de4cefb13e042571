/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * x86-64: the psABI's relocations, for code that lies in the program's window.
 *
 * The program and all modules are within 2 GiB of each other, libraries are not.  So a distance to the program or a
 * module is written as it is; a call of a library's function goes through a stub; a library's variable needs a
 * slot, which -fPIC code asks for.
 *
 * Relax last.  The compiler asked for a slot because it could not know where the symbol would be; we know.  By the
 * psABI's section "Optimize GOTPCRELX Relocations" and, for thread-locals, "Initial Exec to Local Exec":
 *
 *	mov  foo@GOTPCREL(%rip), %reg	->  lea  foo(%rip), %reg
 *	call *foo@GOTPCREL(%rip)	->  addr32 call foo
 *	jmp  *foo@GOTPCREL(%rip)	->  jmp foo; nop
 *	mov  foo@GOTTPOFF(%rip), %reg	->  mov $foo@TPOFF, %reg
 *	add  foo@GOTTPOFF(%rip), %reg	->  add $foo@TPOFF, %reg
 *
 * The relocation names only the four bytes of the operand; the instruction before it is looked at, and everything
 * that is not one of these keeps its slot.  (`test` and arithmetic with a slot's content could become immediates
 * only below 2 GiB, where no PIE lies; GOTPCREL without X does not promise what instruction it is.)
 */
#include <errno.h>
#include <string.h>
#include <ucontext.h>

#include "kld_impl.h"

const uint16_t kld_arch_machine = EM_X86_64;
const char kld_arch_name[] = "x86-64";
const size_t kld_arch_stub_size = 8;
const uintptr_t kld_arch_func_bits = 0;
intptr_t (*const kld_arch_addend)(unsigned, const uint8_t *) = NULL;

#ifndef SHT_X86_64_UNWIND
#define SHT_X86_64_UNWIND 0x70000001
#endif

static const struct kld_rtype types[] = {
	[R_X86_64_NONE] = { "R_X86_64_NONE", 0, 0 },
	[R_X86_64_64] = { "R_X86_64_64", 8, RT_WORD },
	[R_X86_64_PC32] = { "R_X86_64_PC32", 4, RT_PCREL },
	[R_X86_64_PLT32] = { "R_X86_64_PLT32", 4, RT_PCREL },
	[R_X86_64_32] = { "R_X86_64_32", 4, RT_NARROW },
	[R_X86_64_32S] = { "R_X86_64_32S", 4, RT_NARROW },
	[R_X86_64_PC64] = { "R_X86_64_PC64", 8, RT_PCREL },
	[R_X86_64_GOTPCREL] = { "R_X86_64_GOTPCREL", 4, RT_PCREL | RT_GOT },
	[R_X86_64_GOTPCRELX] = { "R_X86_64_GOTPCRELX", 4, RT_PCREL | RT_GOT },
	[R_X86_64_REX_GOTPCRELX] = { "R_X86_64_REX_GOTPCRELX", 4, RT_PCREL | RT_GOT },
	[R_X86_64_GOTTPOFF] = { "R_X86_64_GOTTPOFF", 4, RT_PCREL | RT_GOT | RT_TLS },
	[R_X86_64_TPOFF32] = { "R_X86_64_TPOFF32", 4, RT_TLS },
	[R_X86_64_TPOFF64] = { "R_X86_64_TPOFF64", 8, RT_TLS },
};

int
kld_arch_progbits(uint32_t sh_type)
{
	return (sh_type == SHT_X86_64_UNWIND);
}

const struct kld_rtype *
kld_arch_rtype(unsigned type, const char **why)
{
	if (type < sizeof(types) / sizeof(types[0]) && types[type].name != NULL)
		return (&types[type]);
	switch (type) {
	case R_X86_64_TLSGD:
	case R_X86_64_TLSLD:
	case R_X86_64_DTPOFF32:
	case R_X86_64_DTPOFF64:
	case R_X86_64_GOTPC32_TLSDESC:
	case R_X86_64_TLSDESC_CALL:
		*why = "a dynamic thread-local: compile with -ftls-model=initial-exec";
		return (NULL);
	}
	*why = "not one that is known: compile with -fPIC, and without -mcmodel";
	return (NULL);
}

/* Within reach of a 32-bit distance from anywhere in the image. */
static int
is_near(const struct kld_image *image, const struct kld_sym *sym)
{
	return (kld_is_within(image, sym, (int64_t)1 << 31));
}

static int
fits32(int64_t v)
{
	return (v >= INT32_MIN && v <= INT32_MAX);
}

/* The operand at p is a %rip-relative one. */
static int
is_rip(uint8_t modrm)
{
	return ((modrm & 0xc7) == 0x05);
}

static int
can_relax_got(const struct kld_rel *r)
{
	const uint8_t *p = r->file + r->offset;

	if (!r->in_code || r->addend != -4 || r->offset < 2)
		return (0);
	if (r->type == R_X86_64_REX_GOTPCRELX)
		return (r->offset >= 3 && (p[-3] & 0xf8) == 0x48 && p[-2] == 0x8b && is_rip(p[-1]));
	return ((p[-2] == 0x8b && is_rip(p[-1])) || (p[-2] == 0xff && (p[-1] == 0x15 || p[-1] == 0x25)));
}

static int
can_relax_tls(const struct kld_rel *r)
{
	const uint8_t *p = r->file + r->offset;

	return (r->in_code && r->addend == -4 && r->offset >= 3 && (p[-3] == 0x48 || p[-3] == 0x4c) &&
	    (p[-2] == 0x8b || p[-2] == 0x03) && is_rip(p[-1]) && fits32((int64_t)r->sym->value));
}

/* call, jmp, jcc; or lea of something that is not known to be a variable: then the stub is the function. */
static int
can_use_stub(const struct kld_rel *r)
{
	const uint8_t *p = r->file + r->offset;

	if (r->type == R_X86_64_PLT32)
		return (1);
	if (!r->in_code || r->addend != -4 || r->offset < 2)
		return (0);
	if (p[-1] == 0xe8 || p[-1] == 0xe9 || (p[-2] == 0x0f && (p[-1] & 0xf0) == 0x80))
		return (1);
	return (p[-2] == 0x8d && is_rip(p[-1]) && r->sym->kind == SYM_FOREIGN && !kld_is_object(r->sym->value));
}

enum kld_need
kld_arch_plan(const struct kld_image *image, const struct kld_rel *r)
{
	switch (r->type) {
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		return (!is_near(image, r->sym) && can_use_stub(r) ? NEED_STUB : NEED_NOTHING);
	case R_X86_64_GOTPCREL:
		return (NEED_SLOT);
	case R_X86_64_GOTPCRELX:
	case R_X86_64_REX_GOTPCRELX:
		return (is_near(image, r->sym) && can_relax_got(r) ? NEED_NOTHING : NEED_SLOT);
	case R_X86_64_GOTTPOFF:
		return (can_relax_tls(r) ? NEED_NOTHING : NEED_SLOT);
	default:
		return (NEED_NOTHING);
	}
}

static int
put64(const struct kld_rel *r, uint64_t v)
{
	memcpy(r->loc, &v, sizeof(v));
	return (0);
}

static int
put32(const struct kld_rel *r, int64_t v, const char *advice, struct uverr *err)
{
	int32_t v32 = (int32_t)v;

	if (!fits32(v))
		return (uverr(err, ENOEXEC, "%s", advice));
	memcpy(r->loc, &v32, sizeof(v32));
	return (0);
}

static int64_t
distance(const struct kld_rel *r, uintptr_t to)
{
	return ((int64_t)(to + (uintptr_t)r->addend - r->place));
}

static int
relax_got(const struct kld_rel *r, struct uverr *err)
{
	static const char advice[] = "out of reach";
	const uint8_t *p = r->file + r->offset;
	struct kld_rel jmp = *r;

	if (p[-2] == 0x8b)
		r->loc[-2] = 0x8d;
	else if (p[-1] == 0x15) {
		r->loc[-2] = 0x67;
		r->loc[-1] = 0xe8;
	} else {
		r->loc[-2] = 0xe9;
		r->loc[3] = 0x90;
		jmp.loc--;
		jmp.place--;
	}
	return (put32(&jmp, distance(&jmp, r->sym->value), advice, err));
}

static int
relax_tls(const struct kld_rel *r, struct uverr *err)
{
	const uint8_t *p = r->file + r->offset;

	r->loc[-3] = p[-3] == 0x4c ? 0x49 : 0x48;
	r->loc[-2] = p[-2] == 0x8b ? 0xc7 : 0x81;
	r->loc[-1] = 0xc0 | (p[-1] >> 3 & 7);
	return (put32(r, (int64_t)r->sym->value, "out of reach", err));
}

int
kld_arch_apply(const struct kld_image *image, const struct kld_rel *r, struct uverr *err)
{
	const enum kld_need need = kld_arch_plan(image, r);
	const uint64_t sum = r->sym->value + (uint64_t)r->addend;

	switch (r->type) {
	case R_X86_64_NONE:
		return (0);
	case R_X86_64_64:
	case R_X86_64_TPOFF64:
		return (put64(r, sum));
	case R_X86_64_PC64:
		return (put64(r, (uint64_t)distance(r, r->sym->value)));
	case R_X86_64_32:
		if (sum > UINT32_MAX)
			return (uverr(err, ENOEXEC, "the address does not fit in 32 bits: compile with -fPIC"));
		return (put32(r, (int32_t)(uint32_t)sum, "", err));
	case R_X86_64_32S:
		return (put32(r, (int64_t)sum, "the address does not fit in 32 bits: compile with -fPIC", err));
	case R_X86_64_TPOFF32:
		return (put32(r, (int64_t)sum, "the offset does not fit in 32 bits", err));
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		return (put32(r, distance(r, need == NEED_STUB ? kld_stub_addr(image, r->sym) : r->sym->value),
		    "more than 2 GiB away (a library's variable?): compile with -fPIC", err));
	case R_X86_64_GOTTPOFF:
		if (need == NEED_NOTHING)
			return (relax_tls(r, err));
		break;
	default:
		if (need == NEED_NOTHING)
			return (relax_got(r, err));
		break;
	}
	return (put32(r, distance(r, kld_slot_addr(image, r->sym)), "its slot is out of reach", err));
}

/* jmp *slot(%rip); ud2 */
void
kld_arch_stub(uint8_t *stage, uintptr_t addr, uintptr_t slot)
{
	const int32_t disp = (int32_t)(slot - (addr + 6));

	stage[0] = 0xff;
	stage[1] = 0x25;
	memcpy(stage + 2, &disp, sizeof(disp));
	stage[6] = 0x0f;
	stage[7] = 0x0b;
}

enum kld_dyntype
kld_arch_dyntype(unsigned type, const char **why)
{
	switch (type) {
	case R_X86_64_NONE:
		return (DYN_NOTHING);
	case R_X86_64_RELATIVE:
		return (DYN_RELATIVE);
	case R_X86_64_64:
	case R_X86_64_GLOB_DAT:
	case R_X86_64_JUMP_SLOT:
		return (DYN_WORD);
	case R_X86_64_TPOFF64:
		return (DYN_TPOFF);
	case R_X86_64_IRELATIVE:
		*why = "an indirect function: choose by a function pointer instead";
		break;
	case R_X86_64_DTPMOD64:
	case R_X86_64_DTPOFF64:
	case R_X86_64_TLSDESC:
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
	return (type == R_X86_64_RELATIVE || type == R_X86_64_64 || type == R_X86_64_GLOB_DAT);
}

uintptr_t
kld_arch_thread_pointer(void)
{
	uintptr_t tp;

	__asm__("mov %%fs:0, %0" : "=r"(tp));
	return (tp);
}

uintptr_t
kld_arch_fault_pc(const void *ucontext)
{
	return ((uintptr_t)((const ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP]);
}

/* Trap 14 is the page fault; bit 1 of its error code says that it was a write. */
int
kld_arch_fault_write(const void *ucontext)
{
	const greg_t *regs = ((const ucontext_t *)ucontext)->uc_mcontext.gregs;

	return (regs[REG_TRAPNO] == 14 ? (int)(regs[REG_ERR] >> 1 & 1) : -1);
}
