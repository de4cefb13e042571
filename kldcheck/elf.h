/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the checker knows of ELF.  The numbers are ELF's; they are written down here, and no system's <elf.h> is used,
 * because the same program has to build on FreeBSD and on Linux and to read files of both byte orders.
 */
#ifndef KLDCHECK_ELF_H
#define KLDCHECK_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KC_ET_REL = 1, KC_ET_EXEC = 2, KC_ET_DYN = 3 };

enum {
	KC_EM_386 = 3,
	KC_EM_PPC64 = 21,
	KC_EM_ARM = 40,
	KC_EM_X86_64 = 62,
	KC_EM_AARCH64 = 183,
	KC_EM_RISCV = 243,
};

enum { KC_PF_X = 1, KC_PF_W = 2 };
enum { KC_SHT_PROGBITS = 1, KC_SHT_SYMTAB = 2, KC_SHT_STRTAB = 3, KC_SHT_RELA = 4, KC_SHT_NOBITS = 8, KC_SHT_REL = 9, KC_SHT_DYNSYM = 11 };
enum { KC_SHF_WRITE = 1, KC_SHF_ALLOC = 2, KC_SHF_EXECINSTR = 4 };
enum { KC_STB_LOCAL = 0, KC_STT_OBJECT = 1, KC_STT_FUNC = 2, KC_STT_SECTION = 3, KC_STT_GNU_IFUNC = 10 };

/* Limits: a file beyond them is refused, not read in part. */
#define KC_FILE_MAX	(256u << 20)
#define KC_SEGS_MAX	16

struct kc_seg {
	uint64_t addr, memsz, off, filesz;
	uint32_t flags;
};

struct kc_sec {
	const char *name;
	uint64_t flags, addr, off, size, entsize, align;
	uint32_t type, link, info;
};

struct kc_sym {
	const char *name;
	uint64_t value, size;
	uint16_t shndx;
	uint8_t type, bind, other;
	bool dynamic; /* from .dynsym */
};

/* How a relocation's place is filled in when the kernel loads the module. */
enum kc_relkind {
	KC_REL_NONE,
	KC_REL_RELATIVE, /* load address + addend */
	KC_REL_SYMBOL,	 /* symbol + addend */
	KC_REL_OTHER,	 /* anything else */
};

struct kc_rel {
	uint64_t where, addend; /* for KC_REL_RELATIVE the addend is the address in the image */
	uint32_t type, sym;	/* sym: index in the table that the relocations name */
	enum kc_relkind kind;
	uint32_t sec; /* ET_REL: the section that where counts in */
	bool implicit; /* ET_REL: the addend is in the place */
};

enum kc_setkind { KC_SET_VNET, KC_SET_PCPU, KC_NSETS };
extern const char *const kc_set_names[KC_NSETS]; /* "set_vnet", "set_pcpu" */

struct kc_set {
	uint64_t start, stop; /* empty: there is none */
};

struct kc_elf {
	const uint8_t *data;
	size_t size;
	bool is64, msb;
	uint8_t osabi;
	uint16_t type, machine;
	uint32_t flags;

	struct kc_seg seg[KC_SEGS_MAX];
	unsigned nseg;
	struct kc_sec *sec;
	unsigned nsec;

	struct kc_sym *dynsym; /* in the file's order: relocations index it */
	unsigned ndynsym;
	struct kc_sym *symtab;
	unsigned nsymtab;
	struct kc_sym **byaddr; /* defined functions and objects, by address */
	unsigned nbyaddr;

	struct kc_rel *rel; /* ET_DYN: by place; ET_REL: as in the file */
	size_t nrel;

	struct kc_set set[KC_NSETS];
	bool sets_known; /* the file says which sets there are */
	bool has_relr;
	uint64_t got, gotsize; /* .got, when section headers tell */
};

/*
 * kc_elf_open() -- read the tables of a module out of a file's bytes
 *
 * All offsets, counts and names are checked here; data must stay until kc_elf_close().  Returns 0, or -1 with a
 * sentence in why.
 */
int kc_elf_open(struct kc_elf *elf, const void *data, size_t size, char *why, size_t whysize);
void kc_elf_close(struct kc_elf *elf);

uint16_t kc_u16(const struct kc_elf *elf, const uint8_t *p);
uint32_t kc_u32(const struct kc_elf *elf, const uint8_t *p);
uint64_t kc_u64(const struct kc_elf *elf, const uint8_t *p);

const char *kc_machine_name(uint16_t machine);

/* The set that addr lies in, or NULL. */
const struct kc_set *kc_elf_set_of(const struct kc_elf *elf, uint64_t addr);

/* The segment that addr lies in, or NULL; and the file's bytes there when all n of them are in the file. */
const struct kc_seg *kc_elf_seg_of(const struct kc_elf *elf, uint64_t addr);
const uint8_t *kc_elf_bytes(const struct kc_elf *elf, uint64_t addr, uint64_t n);

/* The relocation whose place is addr (ET_DYN), or NULL. */
const struct kc_rel *kc_elf_rel_at(const struct kc_elf *elf, uint64_t addr);

/* The symbol that covers addr, or NULL; code or data as asked. */
const struct kc_sym *kc_elf_sym_of(const struct kc_elf *elf, uint64_t addr, bool code);

/* The slot of the GOT that the kernel fills with address target, or 0. */
uint64_t kc_elf_got_slot(const struct kc_elf *elf, uint64_t target);

/* The .comment section mentions this linker. */
bool kc_elf_comment(const struct kc_elf *elf, const char *word);

#endif
