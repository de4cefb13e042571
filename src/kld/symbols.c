/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names to addresses, and addresses to names.
 *
 * A module keeps its whole symbol table, statics too, so that a fault in it can be named; what it exports is found
 * through a hash table over the same symbols.  The program exports what its dynamic symbol table has (-rdynamic),
 * and its libraries with it: that is dlsym(3)'s business.
 *
 * Resolving looks into the files that the module depends on, then into all others in the order of their loads, then
 * into the program.  A module whose symbol is used is depended on from then on, declared or not: it cannot go first.
 *
 * Naming an address takes no lock and no memory, since a signal handler asks; it reads every symbol of one file.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kld_impl.h"

/* Eight bytes at a time, multiplied as FNV-1a does with one. */
static uint32_t
hash_of(const char *name)
{
	const uint64_t prime = 0x100000001b3, odd = 0x9e3779b97f4a7c15;
	size_t n = strlen(name);
	uint64_t h = n, word;

	for (; n >= sizeof(word); n -= sizeof(word), name += sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		h = (h ^ word) * prime;
	}
	for (word = 0; n > 0; n--, name++)
		word = word << 8 | (uint8_t)*name;
	h = (h ^ word) * odd;
	return ((uint32_t)(h >> 32));
}

int
kld_is_exported(const ElfW(Sym) *s)
{
	unsigned type = KLD_ST_TYPE(s->st_info), visibility = KLD_ST_VISIBILITY(s->st_other);

	return (KLD_ST_BIND(s->st_info) != STB_LOCAL && s->st_shndx != SHN_UNDEF && s->st_name != 0 &&
	    (type == STT_NOTYPE || type == STT_OBJECT || type == STT_FUNC) &&
	    (visibility == STV_DEFAULT || visibility == STV_PROTECTED));
}

int
kld_symtab_make(const struct kld_image *image, struct kld_symtab *tab, struct uverr *err)
{
	const struct elf_obj *obj = image->obj;
	size_t nhash = 16, h;
	ElfW(Sym) *sym;
	char *memory;

	while (nhash < (size_t)obj->nsym * 2)
		nhash *= 2;
	memory = calloc(1, obj->nsym * sizeof(*sym) + nhash * sizeof(uint32_t) + obj->strsize);
	if (memory == NULL)
		return (uverr(err, ENOMEM, "%s: no memory for its symbols", obj->name));
	sym = (void *)memory;
	*tab = (struct kld_symtab) {
		.sym = sym, .nsym = obj->nsym, .memory = memory, .nhash = nhash, .hash = (void *)(sym + obj->nsym)
	};
	tab->str = memcpy(tab->hash + nhash, obj->str, obj->strsize);

	for (unsigned i = 1; i < obj->nsym; i++) {
		unsigned shndx = obj->sym[i].st_shndx;

		if (shndx == SHN_ABS)
			sym[i] = obj->sym[i];
		else if (obj->is_dyn && shndx != SHN_UNDEF) {
			sym[i] = obj->sym[i];
			sym[i].st_value += image->part[PART_DATA].addr - obj->dyn.lo;
		} else if (!obj->is_dyn && shndx != SHN_UNDEF && image->sec[shndx].part != PART_NONE) {
			sym[i] = obj->sym[i];
			sym[i].st_value += image->part[image->sec[shndx].part].addr + image->sec[shndx].offset;
		}
		if (!kld_is_exported(&sym[i]) || elf_is_mark(tab->str + sym[i].st_name))
			continue;
		for (h = hash_of(tab->str + sym[i].st_name); tab->hash[h & (nhash - 1)] != 0; h++)
			continue;
		tab->hash[h & (nhash - 1)] = i;
	}
	return (0);
}

void
kld_symtab_free(struct kld_symtab *tab)
{
	free(tab->memory);
	*tab = (struct kld_symtab) { 0 };
}

const ElfW(Sym) *
kld_symtab_export(const struct kld_symtab *tab, const char *name)
{
	uint32_t i;

	if (tab->hash == NULL) {
		for (i = 1; i < tab->nsym; i++)
			if (kld_is_exported(&tab->sym[i]) && strcmp(tab->str + tab->sym[i].st_name, name) == 0)
				return (&tab->sym[i]);
		return (NULL);
	}
	for (size_t h = hash_of(name); (i = tab->hash[h & (tab->nhash - 1)]) != 0; h++)
		if (strcmp(tab->str + tab->sym[i].st_name, name) == 0)
			return (&tab->sym[i]);
	return (NULL);
}

/*
 * The symbol that covers the address, the innermost if several do; else the last label without a size before it.
 */
const char *
kld_symtab_nearest(const struct kld_symtab *tab, uintptr_t addr, uintptr_t *offset)
{
	const ElfW(Sym) *best = NULL;
	uintptr_t at = addr - tab->bias;

	for (unsigned i = 1; i < tab->nsym; i++) {
		const ElfW(Sym) *s = &tab->sym[i];
		unsigned type = KLD_ST_TYPE(s->st_info);

		if (s->st_shndx == SHN_UNDEF || s->st_shndx == SHN_ABS || KLD_ST_ADDR(s) > at || s->st_name == 0 ||
		    tab->str[s->st_name] == '\0' || tab->str[s->st_name] == '$' ||
		    (type != STT_NOTYPE && type != STT_OBJECT && type != STT_FUNC && type != STT_GNU_IFUNC))
			continue;
		if (s->st_size != 0 && at - KLD_ST_ADDR(s) >= s->st_size)
			continue;
		if (best == NULL || (s->st_size != 0) > (best->st_size != 0) ||
		    ((s->st_size != 0) == (best->st_size != 0) && s->st_value > best->st_value))
			best = s;
	}
	if (best == NULL)
		return (NULL);
	*offset = at - KLD_ST_ADDR(best);
	return (tab->str + best->st_name);
}

/* ---- Resolving ---- */

static int
found(struct kld_sym *sym, uintptr_t value)
{
	sym->value = value;
	sym->set = kld_set_of(value);
	return (0);
}

static int
resolve_host(const struct linker_file *file, const char *name, int tls, struct kld_sym *sym, struct uverr *err)
{
	uintptr_t value = (uintptr_t)dlsym(RTLD_DEFAULT, name);

	if (value == 0)
		return (-ENOENT);
	if (tls != kld_program_tls(value))
		return (uverr(err, ENOEXEC, tls ?
		    "%s: `%s' is a thread-local, but not one of the program itself: its offset is not the same for all threads" :
		    "%s: `%s' is a thread-local of the program: the module must declare it so", file->name, name));
	if (!tls)
		return (found(sym, value));
	sym->kind = SYM_TLS;
	sym->value = value - kld_arch_thread_pointer();
	return (0);
}

int
kld_resolve(void *arg, const char *name, int tls, struct kld_sym *sym, struct uverr *err)
{
	struct linker_file *file = arg, *f;
	const ElfW(Sym) *s;
	int error;

	for (unsigned i = 0; i < file->ndep && !tls; i++) {
		s = file->dep[i]->symtab.hash != NULL ? kld_symtab_export(&file->dep[i]->symtab, name) : NULL;
		if (s != NULL)
			return (found(sym, s->st_value));
	}
	TAILQ_FOREACH (f, &kld_files, link) {
		if (tls || f->symtab.hash == NULL)	/* the program comes last */
			continue;
		s = kld_symtab_export(&f->symtab, name);
		if (s == NULL)
			continue;
		error = kld_depend(file, f, err);
		return (error != 0 ? error : found(sym, s->st_value));
	}
	return (resolve_host(file, name, tls, sym, err));
}

int
kld_is_object(uintptr_t addr)
{
	const ElfW(Sym) *s = NULL;
	Dl_info info;

	return (dladdr1((void *)addr, &info, (void **)&s, RTLD_DL_SYMENT) != 0 && s != NULL &&
	    KLD_ST_TYPE(s->st_info) == STT_OBJECT);
}
