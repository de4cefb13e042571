/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relocatable modules (ET_REL: FreeBSD's on amd64, and uvnet's own).
 *
 * Each section has a place of its own when it is loaded, and the kernel gives set_vnet and set_pcpu a place among the
 * instances; whatever names a symbol of a set is a relocation, and comes out right however the code computes the
 * address.  What remains to be checked is
 *
 * - that the relocations which name a set are of types that the loader applies: FreeBSD's (elf_reloc_internal() in
 *   sys/ARCH/ARCH/elf_machdep.c) for files that say they are FreeBSD's, uvnet's (src/kld/ARCH.c) for others;
 * - that no other relocation reaches a set from outside: through the symbol of a neighbour, or of the neighbour's
 *   section, and an addend that leaves it.  Where that leads depends on the order of the sections, which is laid out
 *   here as ld and the kernel would, one behind the other; in it the address lies in a set, but the kernel moves the
 *   set away.
 *
 * A distance from a symbol of a set is right however large: it moves along.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { OSABI_FREEBSD = 9 };

/* The types that the loaders apply to an address of data; others are refused at load. */
static const struct {
	uint16_t machine;
	bool freebsd;
	uint16_t size; /* of the place */
	bool pcrel;
	uint16_t type;
} types[] = {
	{ KC_EM_X86_64, true, 8, false, 1 },   /* R_X86_64_64 */
	{ KC_EM_X86_64, true, 4, true, 2 },    /* PC32 */
	{ KC_EM_X86_64, true, 4, true, 4 },    /* PLT32 */
	{ KC_EM_X86_64, true, 4, false, 11 },  /* 32S */
	{ KC_EM_X86_64, false, 8, false, 1 },
	{ KC_EM_X86_64, false, 4, true, 2 },
	{ KC_EM_X86_64, false, 4, true, 4 },
	{ KC_EM_X86_64, false, 4, true, 9 },   /* GOTPCREL */
	{ KC_EM_X86_64, false, 4, false, 10 }, /* 32 */
	{ KC_EM_X86_64, false, 4, false, 11 },
	{ KC_EM_X86_64, false, 8, true, 24 },  /* PC64 */
	{ KC_EM_X86_64, false, 4, true, 41 },  /* GOTPCRELX */
	{ KC_EM_X86_64, false, 4, true, 42 },  /* REX_GOTPCRELX */
	{ KC_EM_AARCH64, true, 8, false, 257 },	 /* R_AARCH64_ABS64 */
	{ KC_EM_AARCH64, true, 8, false, 1025 }, /* GLOB_DAT */
	{ KC_EM_AARCH64, true, 8, false, 1026 }, /* JUMP_SLOT */
};

/* Which of types[], or -1. */
static int
find_type(const struct kc_elf *e, uint32_t type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].machine == e->machine && types[i].freebsd == (e->osabi == OSABI_FREEBSD) && types[i].type == type)
			return ((int)i);
	return (-1);
}

static bool
is_set(const struct kc_elf *e, unsigned sec)
{
	if (sec >= e->nsec || (e->sec[sec].flags & KC_SHF_ALLOC) == 0)
		return (false);
	for (unsigned k = 0; k < KC_NSETS; k++)
		if (strcmp(e->sec[sec].name, kc_set_names[k]) == 0)
			return (true);
	return (false);
}

/* Addresses for the sections, one behind the other. */
static uint64_t *
lay_out(const struct kc_elf *e)
{
	uint64_t *at = calloc(e->nsec + 1, sizeof(*at)), next = 1 << 20;

	for (unsigned i = 0; at != NULL && i < e->nsec; i++) {
		uint64_t align = e->sec[i].align;

		if ((e->sec[i].flags & KC_SHF_ALLOC) == 0)
			continue;
		if (align > 1 && align <= 1 << 20 && (align & (align - 1)) == 0)
			next = (next + align - 1) & ~(align - 1);
		at[i] = next;
		next += e->sec[i].size;
	}
	return (at);
}

/* The bytes at a relocation's place, n of them beginning d before it; NULL when they are not in the file. */
static const uint8_t *
place(const struct kc_elf *e, const struct kc_rel *rel, uint64_t d, uint64_t n)
{
	const struct kc_sec *s = &e->sec[rel->sec];

	if (s->type == KC_SHT_NOBITS || rel->where < d || rel->where - d > s->size || n > s->size - (rel->where - d))
		return (NULL);
	return (e->data + s->off + rel->where - d);
}

/*
 * x86: what is between the place and the end of its instruction, from where distances count.  The operand of a
 * %rip-relative access is followed by the instruction's constant, if it has one.
 */
static uint64_t
behind(const struct kc_elf *e, const struct kc_rel *rel)
{
	const uint8_t *p = place(e, rel, 2, 6), *before = place(e, rel, 3, 1);
	uint8_t prefix = before != NULL ? *before : 0;
	unsigned reg;

	if ((e->sec[rel->sec].flags & KC_SHF_EXECINSTR) == 0)
		return (0);
	if (p == NULL || (p[1] & 0xc7) != 0x05)
		return (4);
	reg = p[1] >> 3 & 7;
	if (prefix == 0x0f)
		return (p[0] == 0xba || p[0] == 0xa4 || p[0] == 0xac || p[0] == 0xc2 || p[0] == 0x70 || p[0] == 0xc6 ? 5 : 4);
	switch (p[0]) {
	case 0x6b: case 0x80: case 0x83: case 0xc0: case 0xc1: case 0xc6:
		return (5);
	case 0xf6:
		return (reg < 2 ? 5 : 4);
	case 0xf7:
		if (reg > 1)
			return (4);
		/* FALLTHROUGH */
	case 0x69: case 0x81: case 0xc7:
		return (prefix == 0x66 ? 6 : 8);
	}
	return (4);
}

/* A relocation that names no set: does it end in one all the same? */
static bool
reaches_set(const struct kc_elf *e, const struct kc_rel *rel, const struct kc_sym *s, const uint64_t *at)
{
	int t = find_type(e, rel->type);
	const uint8_t *p;
	uint64_t off = s->value + rel->addend, to;

	if (rel->implicit && (p = place(e, rel, 0, e->is64 ? 8 : 4)) != NULL)
		off += e->is64 ? kc_u64(e, p) : kc_u32(e, p);
	if (t >= 0 && types[t].pcrel && e->machine == KC_EM_X86_64)
		off += behind(e, rel);
	if (!e->is64)
		off = (uint64_t)(int64_t)(int32_t)off;
	if (off <= e->sec[s->shndx].size) /* the end belongs to it as well */
		return (false);
	to = at[s->shndx] + off;
	for (unsigned i = 0; i < e->nsec; i++)
		if (is_set(e, i) && to >= at[i] && to - at[i] < e->sec[i].size)
			return (true);
	return (false);
}

static int
check_one(struct kc_result *r, const struct kc_rel *rel, const uint64_t *at)
{
	const struct kc_elf *e = &r->elf;
	const char *where = e->sec[rel->sec].name, *name;
	const struct kc_sym *s;

	if (rel->sym == 0 || rel->type == 0)
		return (0);
	if (rel->sym >= e->nsymtab)
		return (kc_note_add(r, 0, "section %s: a relocation names a symbol that does not exist", where));
	s = &e->symtab[rel->sym];
	if (s->shndx == 0xffff)
		return (kc_note_add(r, 0, "section %s: a relocation names a section beyond 65,279", where));
	if (s->shndx == 0 || s->shndx >= e->nsec)
		return (0);
	name = s->name[0] != '\0' ? s->name : e->sec[s->shndx].name;
	if (is_set(e, s->shndx)) {
		if (find_type(e, rel->type) < 0)
			return (kc_note_add(r, 0, "section %s, offset %#jx: a relocation of type %u names %s: %s loader for %s "
			    "does not apply it", where, (uintmax_t)rel->where, rel->type, name,
			    e->osabi == OSABI_FREEBSD ? "FreeBSD's" : "uvnet's", kc_machine_name(e->machine)));
	} else if (reaches_set(e, rel, s, at))
		return (kc_note_add(r, 0, "section %s, offset %#jx: a relocation reaches into a set through its neighbour %s",
		    where, (uintmax_t)rel->where, name));
	return (0);
}

int
kc_check_object(struct kc_result *r)
{
	const struct kc_elf *e = &r->elf;
	bool any = false, named = false;
	uint64_t *at;
	int error = 0;

	for (unsigned i = 0; i < e->nsec; i++) {
		any |= is_set(e, i);
		named |= e->sec[i].name[0] != '\0';
	}
	if (!named)
		return (kc_note_add(r, 0, "the sections have no names: it cannot be told which are sets"));
	if (!any) {
		r->summary = "no set_vnet or set_pcpu";
		return (0);
	}
	r->summary = e->osabi == OSABI_FREEBSD ?
	    "relocatable, judged as FreeBSD's: every reference to a set is a relocation that names it" :
	    "relocatable, judged as uvnet's (its header does not say FreeBSD): every reference to a set is a relocation that "
	    "names it";
	if ((at = lay_out(e)) == NULL)
		return (-ENOMEM);
	for (size_t i = 0; i < e->nrel && error == 0; i++)
		error = check_one(r, &e->rel[i], at);
	free(at);
	return (error);
}
