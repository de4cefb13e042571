/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading an object: its bitcode, if it has some, and the symbols that other
 * objects can see.
 *
 * An object comes from anywhere and may be cut short or be no object at all.
 * Every structure is copied out of the file with its place and length
 * checked (take), every table is looked at through one of the accessors
 * below, and no offset of the file is used otherwise.  The tables of a
 * struct object point into the file's bytes, which the object owns.
 *
 * .llvmbc holds whole bitcode files, one after the other where ld -r has
 * joined several objects.  LLVM reads the first and stops, so the end of the
 * first is looked for here: a bitcode file is a magic number and a sequence
 * of top-level blocks, each with its length in words.
 */

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "vnetcc.h"

#define BITCODE_MAGIC	       0xdec04342u /* "BC" 0xc0de */
#define BITCODE_ENTER_SUBBLOCK 1

struct elf {
	const uint8_t *data;
	size_t size;
	Elf64_Ehdr eh;
	Elf64_Shdr names; /* section header string table */
};

static bool
take(const struct elf *e, uint64_t off, void *to, size_t n)
{
	if (off > e->size || n > e->size - off)
		return (false);
	memcpy(to, e->data + off, n);
	return (true);
}

static bool
section(const struct elf *e, uint64_t i, Elf64_Shdr *sh)
{
	uint64_t off;

	if (i >= e->eh.e_shnum || __builtin_add_overflow(e->eh.e_shoff, i * sizeof(*sh), &off) ||
	    !take(e, off, sh, sizeof(*sh)))
		return (false);
	return (sh->sh_type == SHT_NOBITS || (sh->sh_offset <= e->size && sh->sh_size <= e->size - sh->sh_offset));
}

/* A string of a table whose section was checked, or NULL. */
static const char *
string(const struct elf *e, const Elf64_Shdr *tab, uint64_t off)
{
	const char *s;

	if (tab->sh_type != SHT_STRTAB || off >= tab->sh_size)
		return (NULL);
	s = (const char *)e->data + tab->sh_offset + off;
	return (memchr(s, '\0', tab->sh_size - off) != NULL ? s : NULL);
}

static bool
elf_open(struct elf *e, const uint8_t *data, size_t size, const char **why)
{
	e->data = data;
	e->size = size;
	if (!take(e, 0, &e->eh, sizeof(e->eh)) || memcmp(e->eh.e_ident, ELFMAG, SELFMAG) != 0) {
		*why = size > 4 && memcmp(data, "!<ar", 4) == 0	    ? "is an archive; name its members" :
		    size >= 4 && memcmp(data, "BC\xc0\xde", 4) == 0 ? "is bare bitcode; compile it with vnetcc -c" :
								      "not an object file";
		return (false);
	}
	if (e->eh.e_ident[EI_CLASS] != ELFCLASS64 || e->eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    (e->eh.e_machine != EM_X86_64 && e->eh.e_machine != EM_AARCH64)) {
		*why = "is for another machine; x86-64 and arm64 are the only ones yet";
		return (false);
	}
	if (e->eh.e_type != ET_REL) {
		*why = "is a linked program or library, not an object";
		return (false);
	}
	if (e->eh.e_shentsize != sizeof(Elf64_Shdr) || e->eh.e_shnum == 0) {
		*why = "has no section headers that can be read";
		return (false);
	}
	if (!section(e, e->eh.e_shstrndx, &e->names)) {
		*why = "is cut short: its section names are missing";
		return (false);
	}
	return (true);
}

/* The length of the bitcode file at the start of data, 0 if it is none. */
static size_t
bitcode_extent(const uint8_t *data, size_t size)
{
	size_t at = 4;
	uint32_t word[3];

	if (size < 4)
		return (0);
	memcpy(word, data, 4);
	if (word[0] != BITCODE_MAGIC)
		return (0);
	while (size - at >= sizeof(word)) {
		unsigned id;

		memcpy(word, data + at, sizeof(word));
		if (word[0] == BITCODE_MAGIC)
			break;
		/*
		 * Two bits of abbreviation id, a block id and the width of
		 * the ids within, both small at the top level: one word.
		 */
		id = word[0] & 3;
		if (id != BITCODE_ENTER_SUBBLOCK || word[1] > (size - at - 8) / 4)
			return (0);
		at += 8 + 4 * (size_t)word[1];
	}
	return (at);
}

static bool
find_bitcode(struct object *o, const struct elf *e, const char **why)
{
	for (unsigned i = 1; i < e->eh.e_shnum; i++) {
		Elf64_Shdr sh;
		const char *name;

		if (!section(e, i, &sh)) {
			*why = "is cut short: a section lies outside it";
			return (false);
		}
		name = string(e, &e->names, sh.sh_name);
		if (name == NULL || strcmp(name, ".llvmbc") != 0 || sh.sh_type == SHT_NOBITS || sh.sh_size == 0)
			continue;
		o->bitcode = e->data + sh.sh_offset;
		o->bitcode_size = bitcode_extent(o->bitcode, sh.sh_size);
		if (o->bitcode_size == 0) {
			*why = "has bitcode that is damaged";
			return (false);
		}
		if (o->bitcode_size != sh.sh_size) {
			*why = "holds the bitcode of several units (ld -r?); "
			       "give them to vnetcc --module one by one";
			return (false);
		}
	}
	return (true);
}

/* The symbol table of e and its strings; found is false if it has none. */
static bool
symtab(const struct elf *e, Elf64_Shdr *tab, Elf64_Shdr *str, bool *found)
{
	*found = false;
	for (unsigned i = 1; i < e->eh.e_shnum; i++) {
		if (!section(e, i, tab))
			return (false);
		if (tab->sh_type != SHT_SYMTAB)
			continue;
		*found = true;
		return (tab->sh_entsize == sizeof(Elf64_Sym) && section(e, tab->sh_link, str) &&
		    str->sh_type == SHT_STRTAB);
	}
	return (true);
}

static bool
add_symbol(struct object *o, const struct elf *e, const Elf64_Shdr *str, const Elf64_Sym *s)
{
	struct object_symbol *os = &o->sym[o->nsym];
	Elf64_Shdr sh;

	os->name = string(e, str, s->st_name);
	if (os->name == NULL)
		return (false);
	os->section = "";
	os->defined = s->st_shndx != SHN_UNDEF;
	os->weak = ELF64_ST_BIND(s->st_info) == STB_WEAK;
	os->data = ELF64_ST_TYPE(s->st_info) == STT_OBJECT || ELF64_ST_TYPE(s->st_info) == STT_COMMON;
	if (os->defined && s->st_shndx < SHN_LORESERVE) {
		if (!section(e, s->st_shndx, &sh))
			return (false);
		os->section = string(e, &e->names, sh.sh_name);
		if (os->section == NULL)
			return (false);
	}
	o->nsym++;
	return (true);
}

static bool
read_symbols(struct object *o, const struct elf *e, const char **why)
{
	Elf64_Shdr tab, str;
	Elf64_Sym s;
	bool found;

	if (!symtab(e, &tab, &str, &found))
		goto damaged;
	if (!found)
		return (true);
	o->sym = xrealloc(NULL, tab.sh_size / sizeof(s), sizeof(*o->sym));
	for (uint64_t off = sizeof(s); tab.sh_size - off >= sizeof(s) && off < tab.sh_size; off += sizeof(s)) {
		if (!take(e, tab.sh_offset + off, &s, sizeof(s)))
			goto damaged;
		if (ELF64_ST_BIND(s.st_info) != STB_LOCAL && !add_symbol(o, e, &str, &s))
			goto damaged;
	}
	return (true);
damaged:
	*why = "has a symbol table that is damaged";
	return (false);
}

/*
 * Fills o from an object of size bytes at data, which must outlive it.  On
 * failure *why says what is wrong with the object; o can be freed then too.
 */
bool
object_parse(struct object *o, const uint8_t *data, size_t size, const char **why)
{
	struct elf e;

	return (elf_open(&e, data, size, why) && find_bitcode(o, &e, why) && read_symbols(o, &e, why));
}

/*
 * Shows fn every definition of an object that LLVM made, local ones too; fn
 * may change its visibility.  False if fn returned false or if the symbol
 * table cannot be read.
 */
bool
object_definitions(uint8_t *data, size_t size, definition_fn fn, void *arg)
{
	struct elf e;
	Elf64_Shdr tab, str;
	Elf64_Sym s;
	const char *why;
	bool found;

	if (!elf_open(&e, data, size, &why) || !symtab(&e, &tab, &str, &found))
		return (false);
	if (!found)
		return (true);
	for (uint64_t off = 0; tab.sh_size - off >= sizeof(s) && off < tab.sh_size; off += sizeof(s)) {
		const char *name;

		if (!take(&e, tab.sh_offset + off, &s, sizeof(s)) || (name = string(&e, &str, s.st_name)) == NULL)
			return (false);
		if (s.st_shndx == SHN_UNDEF)
			continue;
		if (!fn(name, s.st_value, &s.st_other, arg))
			return (false);
		memcpy(data + tab.sh_offset + off, &s, sizeof(s));
	}
	return (true);
}

bool
object_read(struct object *o, const char *path)
{
	const char *why = NULL;

	*o = (struct object) { .path = xstrdup(path) };
	if (!file_read(path, &o->data, &o->size))
		return (false);
	if (!object_parse(o, o->data, o->size, &why)) {
		complain("%s: %s", path, why);
		return (false);
	}
	return (true);
}

void
object_free(struct object *o)
{
	free(o->path);
	free(o->data);
	free(o->sym);
	*o = (struct object) { 0 };
}
