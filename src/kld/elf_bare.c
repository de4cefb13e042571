/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared objects without section headers (`strip --strip-section-headers`, `llvm-objcopy --strip-sections`).
 *
 * Then nothing in the file says which of its bytes are a set, but the symbols by which a linker marks where one begins
 * and ends: __start_set_vnet, __stop_set_vnet.  The macros that put something into a set ask for them (sysinit.h), and
 * the dynamic symbol table keeps them.  From them the sections are made that the rest of the linker looks for.
 *
 * That a set is not marked must mean that there is none: a variable that is taken for a shared one would be the
 * fault that this linker is there to exclude.  The macros of uvnet/module.h ask for the marks of both sets of
 * variables, whoever may define some; so a file in which metadata is marked has them all, and one without is refused.
 *
 * A mark is a symbol like any other and may say anything.  So the range between two must be one that a linker could
 * have made: variables, all of one writable segment, nothing of what the loader has there for itself, no variable
 * half in it, none that is called virtual outside.
 *
 * What has no marks is not found: .eh_frame, so that a backtrace ends at such a module.  Nor is an alignment beyond a
 * cache line, which instances do not have.
 */
#include <errno.h>
#include <string.h>
#include <uvnet/dpcpu.h>
#include <uvnet/vnet.h>

#include "kld_impl.h"

static const char names[ELF_BARE_SECTIONS][24] = {
	"", VNET_SETNAME, DPCPU_SETNAME, "set_modmetadata_set",
	"set_sysinit_set", "set_sysuninit_set", "set_vnet_sysinit_set", "set_vnet_sysuninit_set",
};
enum { BARE_VNET = 1, BARE_PCPU, BARE_META };

/* Variables of a set by the names that VNET_NAME and DPCPU_NAME give them. */
static const struct {
	unsigned section;
	const char *prefix;
} named[] = { { BARE_VNET, "vnet_entry_" }, { BARE_PCPU, "pcpu_entry_" } };

static int
begins_with(const char *name, const char *prefix)
{
	return (strncmp(name, prefix, strlen(prefix)) == 0);
}

int
elf_is_mark(const char *name)
{
	return (name[0] == '_' && (begins_with(name, "__start_") || begins_with(name, "__stop_")));
}

unsigned
elf_symsection(const struct elf_obj *obj, const ElfW(Sym) *s, const char *name)
{
	if (s->st_shndx == SHN_UNDEF || s->st_shndx >= SHN_LORESERVE)
		return (0);
	if (!obj->is_bare)
		return (s->st_shndx < obj->nshdr ? s->st_shndx : 0);
	for (unsigned i = 1; i < obj->nshdr; i++) {
		const ElfW(Shdr) *sh = &obj->shdr[i];

		if (sh->sh_type == SHT_NULL)
			continue;
		if (s->st_value - sh->sh_addr < sh->sh_size)
			return (i);
		/* Lies behind the section, and is of it. */
		if (begins_with(name, "__stop_") && strcmp(name + strlen("__stop_"), names[i]) == 0)
			return (i);
	}
	return (0);
}

/* The mark's value in *value; 0 when there is none. */
static int
find_mark(const struct elf_obj *obj, const char *prefix, const char *section, uintptr_t *value, struct uverr *err)
{
	int found = 0;

	for (size_t i = 1; i < obj->dyn.nsym; i++) {
		const ElfW(Sym) *s = &obj->dyn.sym[i];
		const char *name = obj->dyn.str + s->st_name;

		if (s->st_shndx == SHN_UNDEF || !begins_with(name, prefix) || strcmp(name + strlen(prefix), section) != 0)
			continue;
		if (s->st_shndx >= SHN_LORESERVE || (found && s->st_value != *value))
			return (uverr(err, ENOEXEC, "%s: symbol %zu `%s': %s", obj->name, i, name,
			    found ? "defined twice" : "not in a section"));
		*value = s->st_value;
		found = 1;
	}
	return (found);
}

/* What is wrong with a range that is said to be a set, or NULL. */
static const char *
check_range(const struct elf_obj *obj, uintptr_t start, uintptr_t stop)
{
	if (start > stop)
		return ("ends before it begins");
	if (!elf_dyn_contains(obj, start, stop - start))
		return ("not in one segment");
	for (unsigned i = 0; i < obj->dyn.nphdr; i++) {
		const ElfW(Phdr) *ph = &obj->dyn.phdr[i];

		if (start >= ph->p_vaddr + ph->p_memsz || stop <= ph->p_vaddr)
			continue;
		if (ph->p_type == PT_LOAD && (ph->p_flags & (PF_W | PF_X)) != PF_W)
			return ("not in a segment of variables");
		if (ph->p_type == PT_DYNAMIC || ph->p_type == PT_GNU_RELRO)
			return ("overlaps what the loader has there");
	}
	for (unsigned i = 1; i < obj->nshdr; i++)
		if (start < obj->shdr[i].sh_addr + obj->shdr[i].sh_size && stop > obj->shdr[i].sh_addr)
			return ("overlaps another set");
	return (NULL);
}

static int
make_section(struct elf_obj *obj, unsigned i, struct uverr *err)
{
	ElfW(Shdr) *sh = &obj->bare[i];
	uintptr_t start = 0, stop = 0;
	const char *what;
	int has_start, has_stop;

	has_start = find_mark(obj, "__start_", names[i], &start, err);
	if (has_start < 0)
		return (has_start);
	has_stop = find_mark(obj, "__stop_", names[i], &stop, err);
	if (has_stop < 0)
		return (has_stop);
	if (has_start != has_stop)
		return (uverr(err, ENOEXEC, "%s: no section headers, and only one of the symbols __start_%s and __stop_%s",
		    obj->name, names[i], names[i]));
	if (!has_start || start == stop)
		return (0);
	what = check_range(obj, start, stop);
	if (what != NULL)
		return (uverr(err, ENOEXEC, "%s: no section headers, and %s from %#jx to %#jx, as its symbols say: %s",
		    obj->name, names[i], (uintmax_t)start, (uintmax_t)stop, what));
	*sh = (ElfW(Shdr)) {
		.sh_name = i * sizeof(names[0]), .sh_flags = SHF_ALLOC | SHF_WRITE, .sh_addr = start, .sh_size = stop - start,
		.sh_type = elf_dyn_at(obj, start, stop - start) != NULL ? SHT_PROGBITS : SHT_NOBITS,
	};
	if (sh->sh_type == SHT_PROGBITS)
		sh->sh_offset = (uintptr_t)elf_dyn_at(obj, start, 0) - (uintptr_t)obj->data;
	return (0);
}

/* Every variable is in a set or not, and where its name says. */
static int
check_variable(const struct elf_obj *obj, size_t i, struct uverr *err)
{
	const ElfW(Sym) *s = &obj->dyn.sym[i];
	const char *name = obj->dyn.str + s->st_name;
	unsigned in = elf_symsection(obj, s, name);

	if (s->st_shndx == SHN_UNDEF || s->st_shndx >= SHN_LORESERVE || KLD_ST_TYPE(s->st_info) != STT_OBJECT)
		return (0);
	for (unsigned k = 0; k < sizeof(named) / sizeof(named[0]); k++)
		if (begins_with(name, named[k].prefix) && in != named[k].section)
			return (uverr(err, ENOEXEC, "%s: no section headers, and `%s' lies outside what its symbols say is %s",
			    obj->name, name, names[named[k].section]));
	for (unsigned k = 1; k < obj->nshdr; k++) {
		const ElfW(Shdr) *sh = &obj->shdr[k];

		if (sh->sh_size == 0 || s->st_value >= sh->sh_addr + sh->sh_size || s->st_value + s->st_size <= sh->sh_addr)
			continue;
		if (s->st_value < sh->sh_addr || s->st_size > sh->sh_addr + sh->sh_size - s->st_value)
			return (uverr(err, ENOEXEC, "%s: no section headers, and `%s' lies only partly in what its symbols say is "
			    "%s", obj->name, name, names[k]));
	}
	return (0);
}

int
elf_bare_sections(struct elf_obj *obj, struct uverr *err)
{
	int error = 0;

	obj->is_bare = 1;
	obj->shdr = obj->bare;
	obj->nshdr = ELF_BARE_SECTIONS;
	obj->shstr = names[0];
	for (unsigned i = 1; i < ELF_BARE_SECTIONS && error == 0; i++)
		error = make_section(obj, i, err);
	if (error == 0 && obj->bare[BARE_META].sh_size == 0)
		error = uverr(err, ENOEXEC, "%s: no section headers, and no symbols that say where its sets are: none called "
		    "__start_set_modmetadata_set: do not strip the headers, or link with a linker that exports such symbols "
		    "a module that has MODULE_VERSION", obj->name);
	for (size_t i = 1; i < obj->dyn.nsym && error == 0; i++)
		error = check_variable(obj, i, err);
	return (error);
}
