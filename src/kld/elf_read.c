/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader: a file's bytes in, a checked object out.
 *
 * Whatever the rest of the linker follows (an offset, an index, a name) is checked here, once, against the bytes
 * that are there; after elf_read() an object can be walked without looking back, and nothing writes to it.  All
 * arithmetic is on unsigned values, compared before they are added.
 *
 * A sentence names the section and the offset that is wrong.  What is right but not for us (thread-locals of the
 * module's own, common symbols) is refused here too, with what to do about it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kld_impl.h"

#define SEC_FMT "section %s (%u)"

static int
bad(const struct elf_obj *obj, struct uverr *err, const char *what, uint64_t offset)
{
	return (uverr(err, ENOEXEC, "%s: offset %#jx: %s", obj->name, (uintmax_t)offset, what));
}

static int
bad_section(const struct elf_obj *obj, struct uverr *err, unsigned i, const char *what)
{
	return (uverr(err, ENOEXEC, "%s: " SEC_FMT ": %s", obj->name, elf_secname(obj, i), i, what));
}

/* Where the file says that something is, it must be. */
static int
in_file(const struct elf_obj *obj, uint64_t offset, uint64_t size)
{
	return (offset <= obj->size && size <= obj->size - offset);
}

static int
is_pow2(uint64_t n)
{
	return (n != 0 && (n & (n - 1)) == 0);
}

const char *
elf_secname(const struct elf_obj *obj, unsigned shndx)
{
	return (obj->shstr != NULL ? obj->shstr + obj->shdr[shndx].sh_name : "?");
}

const char *
elf_symname(const struct elf_obj *obj, unsigned sym)
{
	const ElfW(Sym) *s = &obj->sym[sym];

	if (KLD_ST_TYPE(s->st_info) == STT_SECTION && s->st_shndx < obj->nshdr && !obj->is_bare)
		return (elf_secname(obj, s->st_shndx));
	return (obj->str + s->st_name);
}

static int
check_header(const struct elf_obj *obj, struct uverr *err)
{
	static const unsigned char data = __BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB;
	const ElfW(Ehdr) *eh = (const void *)obj->data;

	if (obj->size < SELFMAG || memcmp(obj->data, ELFMAG, SELFMAG) != 0)
		return (uverr(err, ENOEXEC, "%s: not an ELF file", obj->name));
	if (obj->size < sizeof(*eh))
		return (bad(obj, err, "the file ends within its header", obj->size));
	if (eh->e_ident[EI_CLASS] != KLD_ELFCLASS || eh->e_ident[EI_DATA] != data ||
	    eh->e_machine != kld_arch_machine)
		return (uverr(err, ENOEXEC, "%s: made for another machine (class %u, data %u, machine %u): this is %s",
		    obj->name, eh->e_ident[EI_CLASS], eh->e_ident[EI_DATA], eh->e_machine, kld_arch_name));
	if (eh->e_ident[EI_VERSION] != EV_CURRENT || eh->e_version != EV_CURRENT)
		return (bad(obj, err, "unknown ELF version", EI_VERSION));
	if (eh->e_type != ET_REL && eh->e_type != ET_DYN)
		return (uverr(err, ENOEXEC, "%s: neither a relocatable nor a shared object (type %u): link the module with "
		    "ld -r", obj->name, eh->e_type));
	if (eh->e_type == ET_DYN && eh->e_shnum == 0)	/* no section headers: elf_bare.c */
		return (0);
	if (eh->e_shentsize != sizeof(ElfW(Shdr)))
		return (bad(obj, err, "wrong size of a section header", offsetof(ElfW(Ehdr), e_shentsize)));
	if (eh->e_shnum == 0)
		return (bad(obj, err, "no sections", offsetof(ElfW(Ehdr), e_shnum)));
	if (eh->e_shoff % _Alignof(ElfW(Shdr)) != 0)
		return (bad(obj, err, "the section table is not aligned", offsetof(ElfW(Ehdr), e_shoff)));
	if (!in_file(obj, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(ElfW(Shdr))))
		return (bad(obj, err, "the section table lies outside the file", offsetof(ElfW(Ehdr), e_shoff)));
	return (0);
}

/* A string table: in the file, and its last byte is NUL, so that every name in it ends. */
static int
check_strtab(const struct elf_obj *obj, unsigned i, const char **str, size_t *size, struct uverr *err)
{
	const ElfW(Shdr) *sh;

	if (i == 0 || i >= obj->nshdr)
		return (uverr(err, ENOEXEC, "%s: no string table: section %u of %u", obj->name, i, obj->nshdr));
	sh = &obj->shdr[i];
	if (sh->sh_type != SHT_STRTAB || !in_file(obj, sh->sh_offset, sh->sh_size) || sh->sh_size == 0 ||
	    obj->data[sh->sh_offset + sh->sh_size - 1] != '\0')
		return (uverr(err, ENOEXEC, "%s: section %u is not a string table, or does not end", obj->name, i));
	*str = (const char *)obj->data + sh->sh_offset;
	*size = sh->sh_size;
	return (0);
}

static int
check_alloc(const struct elf_obj *obj, unsigned i, struct uverr *err)
{
	const ElfW(Shdr) *sh = &obj->shdr[i];

	if ((sh->sh_flags & SHF_TLS) != 0)
		return (bad_section(obj, err, i, "a module cannot define thread-locals: keep them in the program, "
		    "or make them DPCPU"));
	if ((sh->sh_flags & SHF_COMPRESSED) != 0)
		return (bad_section(obj, err, i, "loaded and compressed"));
	if ((sh->sh_flags & SHF_WRITE) != 0 && (sh->sh_flags & SHF_EXECINSTR) != 0)
		return (bad_section(obj, err, i, "writable and executable at once"));
	if (obj->is_dyn && !elf_dyn_contains(obj, sh->sh_addr, sh->sh_size) && sh->sh_size != 0)
		return (bad_section(obj, err, i, "lies in no segment"));
	switch (obj->is_dyn && sh->sh_type != SHT_PREINIT_ARRAY ? SHT_PROGBITS : sh->sh_type) {
	case SHT_PROGBITS:
	case SHT_NOTE:
		break;
	case SHT_INIT_ARRAY:
	case SHT_FINI_ARRAY:
		if (sh->sh_size % sizeof(void *) != 0)
			return (bad_section(obj, err, i, "not a whole number of pointers"));
		break;
	case SHT_NOBITS:
		if (sh->sh_size > KLD_PART_MAX)
			return (bad_section(obj, err, i, "bigger than any module space"));
		break;
	case SHT_PREINIT_ARRAY:
		return (bad_section(obj, err, i, "a module comes too late for .preinit_array"));
	default:
		if (!kld_arch_progbits(sh->sh_type))
			return (uverr(err, ENOEXEC, "%s: " SEC_FMT ": loaded, and of an unknown type %#x", obj->name,
			    elf_secname(obj, i), i, sh->sh_type));
	}
	if (strncmp(elf_secname(obj, i), ".ctors", 6) == 0 || strncmp(elf_secname(obj, i), ".dtors", 6) == 0)
		return (bad_section(obj, err, i, "constructors of the old kind: compile with -fuse-init-array"));
	/* Descriptors, and librseq's array of pointers to them; uvnet/machine/x86_64.h says why not. */
	if (strncmp(elf_secname(obj, i), "__rseq_cs", 9) == 0)
		return (bad_section(obj, err, i, "restartable sequences of its own: the kernel may read a descriptor after the "
		    "unload; call the functions of uvnet/percpu.h and uvnet/counter.h, without -DUVNET_PROGRAM"));
	return (0);
}

static int
check_sections(struct elf_obj *obj, struct uverr *err)
{
	const ElfW(Shdr) *sh;
	size_t strsize;
	int error;

	error = check_strtab(obj, ((const ElfW(Ehdr) *)(const void *)obj->data)->e_shstrndx, &obj->shstr, &strsize, err);
	if (error != 0)
		return (error);
	/* All names first: every later sentence may use any of them. */
	for (unsigned i = 0; i < obj->nshdr; i++)
		if (obj->shdr[i].sh_name >= strsize) {
			obj->shstr = NULL;
			return (uverr(err, ENOEXEC, "%s: section %u: its name lies outside the string table", obj->name, i));
		}
	for (unsigned i = 1; i < obj->nshdr; i++) {
		sh = &obj->shdr[i];
		if (sh->sh_type == SHT_NULL)
			continue;
		if (sh->sh_type != SHT_NOBITS && !in_file(obj, sh->sh_offset, sh->sh_size))
			return (uverr(err, ENOEXEC, "%s: " SEC_FMT ": %ju bytes at offset %#jx lie outside the file (%zu bytes)",
			    obj->name, elf_secname(obj, i), i, (uintmax_t)sh->sh_size, (uintmax_t)sh->sh_offset, obj->size));
		if (sh->sh_addralign != 0 && (!is_pow2(sh->sh_addralign) || sh->sh_addralign > KLD_ALIGN_MAX))
			return (uverr(err, ENOEXEC, "%s: " SEC_FMT ": alignment %#jx is not a power of two up to %#zx", obj->name,
			    elf_secname(obj, i), i, (uintmax_t)sh->sh_addralign, KLD_ALIGN_MAX));
		if (elf_is_alloc(obj, i)) {
			error = check_alloc(obj, i, err);
			if (error != 0)
				return (error);
		}
		if (sh->sh_type == SHT_SYMTAB_SHNDX)
			return (bad_section(obj, err, i, "more sections than are supported"));
		if (sh->sh_type == SHT_SYMTAB) {
			if (obj->symtab != 0)
				return (bad_section(obj, err, i, "a second symbol table"));
			obj->symtab = i;
		}
	}
	return (0);
}

static int
check_symbol(const struct elf_obj *obj, unsigned i, struct uverr *err)
{
	const ElfW(Sym) *s = &obj->sym[i];
	unsigned bind = KLD_ST_BIND(s->st_info);
	const char *what, *name;

	if (s->st_name >= obj->strsize)
		return (uverr(err, ENOEXEC, "%s: symbol %u: its name lies outside the string table", obj->name, i));
	name = obj->str + s->st_name;
	if (bind != STB_LOCAL && bind != STB_GLOBAL && bind != STB_WEAK && bind != STB_GNU_UNIQUE)
		what = "unknown binding";
	else if ((bind == STB_LOCAL) != (i < obj->shdr[obj->symtab].sh_info))
		what = "a local symbol among the global ones, or the reverse";
	else if (s->st_shndx == SHN_COMMON || KLD_ST_TYPE(s->st_info) == STT_COMMON)
		what = "a common symbol has no place yet: compile with -fno-common";
	else if (s->st_shndx == SHN_UNDEF || s->st_shndx == SHN_ABS)
		return (0);
	else if (s->st_shndx >= SHN_LORESERVE || s->st_shndx >= obj->nshdr)
		what = "in a section that does not exist";
	else if (KLD_ST_TYPE(s->st_info) == STT_GNU_IFUNC)
		what = "an indirect function: choose by a function pointer instead";
	else if (KLD_ST_TYPE(s->st_info) == STT_TLS)
		what = "a module cannot define thread-locals: keep them in the program, or make them DPCPU";
	else if (obj->shdr[s->st_shndx].sh_type != SHT_NULL && (KLD_ST_ADDR(s) > obj->shdr[s->st_shndx].sh_size ||
	    s->st_size > obj->shdr[s->st_shndx].sh_size - KLD_ST_ADDR(s)))
		what = "outside its section";
	else
		return (0);
	return (uverr(err, ENOEXEC, "%s: symbol %u `%s': %s", obj->name, i, name, what));
}

static int
check_symbols(struct elf_obj *obj, struct uverr *err)
{
	const ElfW(Shdr) *sh;
	int error;

	if (obj->symtab == 0 && obj->is_dyn) {		/* stripped: what it exports has names */
		obj->sym = obj->dyn.sym;
		obj->nsym = obj->dyn.nsym;
		obj->str = obj->dyn.str;
		obj->strsize = obj->dyn.strsize;
		return (0);
	}
	if (obj->symtab == 0)
		return (uverr(err, ENOEXEC, "%s: no symbol table: do not strip a module (strip -g is fine)", obj->name));
	sh = &obj->shdr[obj->symtab];
	if (sh->sh_entsize != sizeof(ElfW(Sym)) || sh->sh_size % sizeof(ElfW(Sym)) != 0 ||
	    sh->sh_offset % _Alignof(ElfW(Sym)) != 0 || sh->sh_size / sizeof(ElfW(Sym)) > UINT32_MAX / 2)
		return (bad_section(obj, err, obj->symtab, "not a table of symbols"));
	obj->sym = (const void *)(obj->data + sh->sh_offset);
	obj->nsym = sh->sh_size / sizeof(ElfW(Sym));
	if (sh->sh_info > obj->nsym)
		return (bad_section(obj, err, obj->symtab, "more local symbols than symbols"));
	error = check_strtab(obj, sh->sh_link, &obj->str, &obj->strsize, err);
	if (error != 0)
		return (error);
	for (unsigned i = 0; i < obj->nsym; i++) {	/* the first too: a relocation may name it */
		error = obj->is_dyn ? elf_dyn_check_symbol(obj, &obj->sym[i], i, obj->str, obj->strsize, err) :
		    check_symbol(obj, i, err);
		if (error != 0)
			return (error);
	}
	return (0);
}

static int
check_relocation(const struct elf_rel *rel, struct uverr *err)
{
	const struct elf_obj *obj = rel->obj;
	const struct kld_rtype *rt;
	const char *why = NULL;
	size_t size = obj->shdr[rel->target].sh_size;

	rt = kld_arch_rtype(rel->type, &why);
	if (rt == NULL)
		return (uverr(err, ENOEXEC, "%s: %s+%#zx: relocation type %u: %s", obj->name,
		    elf_secname(obj, rel->target), rel->offset, rel->type, why));
	if (rel->offset > size || rt->width > size - rel->offset)
		return (uverr(err, ENOEXEC, "%s: %s (relocation %zu): offset %#zx lies outside %s (%#zx bytes)", obj->name,
		    elf_secname(obj, rel->relsec), rel->index, rel->offset, elf_secname(obj, rel->target), size));
	if (rel->sym >= obj->nsym)
		return (uverr(err, ENOEXEC, "%s: %s+%#zx: relocation against symbol %u of %u", obj->name,
		    elf_secname(obj, rel->target), rel->offset, rel->sym, obj->nsym));
	return (0);
}

static size_t
rel_size(const ElfW(Shdr) *sh)
{
	return (sh->sh_type == SHT_RELA ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel)));
}

static int
check_relocations(const struct elf_obj *obj, struct uverr *err)
{
	struct elf_rel rel;
	int error;

	for (unsigned i = 1; i < obj->nshdr; i++) {
		const ElfW(Shdr) *sh = &obj->shdr[i];

		if (sh->sh_type != SHT_RELA && sh->sh_type != SHT_REL)
			continue;
		if (sh->sh_info == 0 || sh->sh_info >= obj->nshdr)
			return (bad_section(obj, err, i, "relocations of a section that does not exist"));
		if (!elf_is_alloc(obj, sh->sh_info) || sh->sh_size == 0)
			continue;
		if (sh->sh_type == SHT_REL && kld_arch_addend == NULL)
			return (bad_section(obj, err, i, "relocations without addends"));
		if (sh->sh_entsize != rel_size(sh) || sh->sh_size % rel_size(sh) != 0 ||
		    sh->sh_offset % _Alignof(ElfW(Rela)) != 0 || sh->sh_link != obj->symtab)
			return (bad_section(obj, err, i, "not a table of relocations"));
		if (obj->shdr[sh->sh_info].sh_type == SHT_NOBITS)
			return (bad_section(obj, err, i, "relocations of a section without bytes"));
	}
	elf_rel_first(obj, &rel);
	while (elf_rel_next(&rel)) {
		error = check_relocation(&rel, err);
		if (error != 0)
			return (error);
	}
	return (0);
}

int
elf_read(const char *name, const void *data, size_t size, struct elf_obj *obj, struct uverr *err)
{
	int error;

	*obj = (struct elf_obj) { .name = name, .data = data, .size = size };
	error = check_header(obj, err);
	if (error != 0)
		return (error);
	obj->is_dyn = ((const ElfW(Ehdr) *)data)->e_type == ET_DYN;
	obj->nshdr = ((const ElfW(Ehdr) *)data)->e_shnum;
	if (obj->nshdr != 0)
		obj->shdr = (const void *)(obj->data + ((const ElfW(Ehdr) *)data)->e_shoff);
	if (obj->is_dyn)
		error = elf_dyn_read(obj, err);
	if (error == 0)
		error = obj->nshdr == 0 ? elf_bare_sections(obj, err) : check_sections(obj, err);
	if (error == 0)
		error = check_symbols(obj, err);
	if (error == 0 && !obj->is_dyn)
		error = check_relocations(obj, err);
	return (error);
}

/* Of a relocation that check_relocation() may be yet to see. */
intptr_t
elf_rel_addend(const struct elf_rel *rel)
{
	const ElfW(Shdr) *sh = &rel->obj->shdr[rel->target];
	const struct kld_rtype *rt;
	const char *why;

	rt = kld_arch_rtype(rel->type, &why);
	if (rt == NULL || rt->width == 0 || rel->offset > sh->sh_size || rt->width > sh->sh_size - rel->offset)
		return (0);
	return (kld_arch_addend(rel->type, rel->obj->data + sh->sh_offset + rel->offset));
}

/* check_relocations() has seen every table that this walks. */
int
elf_rel_next_table(struct elf_rel *rel)
{
	const struct elf_obj *obj = rel->obj;
	const ElfW(Shdr) *sh;

	if (obj->is_dyn)		/* has others: elf_dyn.c */
		return (0);
	do {
		if (++rel->relsec >= obj->nshdr)
			return (0);
		sh = &obj->shdr[rel->relsec];
	} while ((sh->sh_type != SHT_RELA && (sh->sh_type != SHT_REL || kld_arch_addend == NULL)) ||
	    !elf_is_alloc(obj, sh->sh_info) || sh->sh_size == 0);
	rel->target = sh->sh_info;
	rel->size = rel_size(sh);
	rel->next = obj->data + sh->sh_offset;
	rel->end = rel->next + sh->sh_size / rel->size * rel->size;
	rel->index = SIZE_MAX;		/* and then 0 */
	return (1);
}
