/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the module linker asks of an architecture.  One file answers for each (x86_64.c); the build picks it, and
 * nothing else in src/kld knows a relocation number, an instruction or a register.
 *
 * A relocation is met twice.  kld_arch_plan() says, before there are addresses, what it will need: a slot that
 * holds the symbol's value, or a stub that jumps there.  kld_arch_apply() writes it when all addresses are final.
 * Both decide from the same things (type, the bytes of the file, whether the symbol is within reach), so what was
 * planned is what is applied.
 */
#ifndef KLD_ARCH_H
#define KLD_ARCH_H

#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <uvnet/err.h>

#if __ELF_NATIVE_CLASS == 64
#define KLD_ELFCLASS ELFCLASS64
#define KLD_R_SYM(info) ELF64_R_SYM(info)
#define KLD_R_TYPE(info) ELF64_R_TYPE(info)
#else
#define KLD_ELFCLASS ELFCLASS32
#define KLD_R_SYM(info) ELF32_R_SYM(info)
#define KLD_R_TYPE(info) ELF32_R_TYPE(info)
#endif
/* Binding and type are the same in both classes. */
#define KLD_ST_BIND(info) ELF64_ST_BIND(info)
#define KLD_ST_TYPE(info) ELF64_ST_TYPE(info)
#define KLD_ST_VISIBILITY(other) ELF64_ST_VISIBILITY(other)

struct kld_image;
struct kld_sym;

/* What a type of relocation is, as far as the generic code must know. */
struct kld_rtype {
	const char *name;
	uint8_t width;	/* bytes it writes; 0: nothing to do */
	uint8_t flags;
};
#define RT_WORD 0x01	/* the address itself, pointer-sized */
#define RT_NARROW 0x02	/* the address itself, in fewer bits */
#define RT_PCREL 0x04	/* depends on where it is written */
#define RT_GOT 0x08	/* by way of a slot, unless relaxed */
#define RT_TLS 0x10	/* an offset from the thread pointer */

/* One relocation.  `loc` is NULL while planning. */
struct kld_rel {
	unsigned type;
	const struct kld_sym *sym;
	intptr_t addend;
	size_t offset;		/* in its section; offset + width is inside */
	size_t secsize;
	const uint8_t *file;	/* the section as the file has it */
	uint8_t *loc;		/* the place in the staging buffer */
	uintptr_t place;	/* the place's final address */
	int in_code;
};

enum kld_need { NEED_NOTHING, NEED_SLOT, NEED_STUB /* and the slot that it jumps through */ };

/* e_machine, the name for messages, and which section types beside the generic ones hold bytes. */
extern const uint16_t kld_arch_machine;
extern const char kld_arch_name[];
int kld_arch_progbits(uint32_t sh_type);

/* Bits of a function's value that are no address, but say what its code is. */
extern const uintptr_t kld_arch_func_bits;
#define KLD_ST_ADDR(s) ((s)->st_value & ~(KLD_ST_TYPE((s)->st_info) == STT_FUNC ? kld_arch_func_bits : 0))

/* The addend that a place holds; NULL where relocations have addends themselves. */
extern intptr_t (*const kld_arch_addend)(unsigned type, const uint8_t *loc);

/*
 * The description of a type, or NULL with the reason in *why: "no such type", or what to compile the module with.
 */
const struct kld_rtype *kld_arch_rtype(unsigned type, const char **why);

enum kld_need kld_arch_plan(const struct kld_image *image, const struct kld_rel *rel);

/* Errors: -ENOEXEC, the sentence begins with the reason. */
int kld_arch_apply(const struct kld_image *image, const struct kld_rel *rel, struct uverr *err);

/* A stub at `addr` that jumps to where the slot at `slot` says. */
extern const size_t kld_arch_stub_size;
void kld_arch_stub(uint8_t *stage, uintptr_t addr, uintptr_t slot);

/* What a dynamic relocation of a shared object asks for; all write a pointer-sized word. */
enum kld_dyntype {
	DYN_REFUSED,	/* with the reason in *why */
	DYN_NOTHING,
	DYN_RELATIVE,	/* an address of the object's own: the addend */
	DYN_WORD,	/* a symbol's address, plus the addend */
	DYN_TPOFF	/* a thread-local's offset */
};
enum kld_dyntype kld_arch_dyntype(unsigned type, const char **why);

/* Whether a dynamic relocation of the program writes a pointer. */
int kld_arch_dyn_word(unsigned type);

/* What a thread-local's offset counts from, in this thread. */
uintptr_t kld_arch_thread_pointer(void);

/* From a signal's ucontext: the program counter; 1 write, 0 read, -1 unknown.  Async-signal-safe. */
uintptr_t kld_arch_fault_pc(const void *ucontext);
int kld_arch_fault_write(const void *ucontext);

#endif
