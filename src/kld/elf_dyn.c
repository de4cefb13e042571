/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader of shared objects (ET_DYN): what elf_read.c is to relocatable ones, checked as thoroughly.
 *
 * A shared object is linked already: segments at fixed distances, and of its relocations only those that depend
 * on where it is loaded, reached from PT_DYNAMIC.  Section headers are for the linker's other files (which section is
 * which set), and elf_read.c checks them; without them, elf_bare.c does what it can.
 *
 * Everything here is in the object's own addresses ("vaddr"), from obj->dyn.lo to obj->dyn.hi.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kld_impl.h"

#ifndef DT_RELR		/* glibc 2.36 */
#define DT_RELRSZ 35
#define DT_RELR 36
#define DT_RELRENT 37
#endif

#define SEGMENTS_MAX 64		/* each address is looked for in all of them */

const void *
elf_dyn_at(const struct elf_obj *obj, uintptr_t vaddr, size_t size)
{
	for (unsigned i = 0; i < obj->dyn.nphdr; i++) {
		const ElfW(Phdr) *ph = &obj->dyn.phdr[i];

		if (ph->p_type == PT_LOAD && vaddr >= ph->p_vaddr && vaddr - ph->p_vaddr <= ph->p_filesz &&
		    size <= ph->p_filesz - (vaddr - ph->p_vaddr))
			return (obj->data + ph->p_offset + (vaddr - ph->p_vaddr));
	}
	return (NULL);
}

size_t
elf_dyn_left(const struct elf_obj *obj, uintptr_t vaddr)
{
	for (unsigned i = 0; i < obj->dyn.nphdr; i++) {
		const ElfW(Phdr) *ph = &obj->dyn.phdr[i];

		if (ph->p_type == PT_LOAD && vaddr >= ph->p_vaddr && vaddr - ph->p_vaddr < ph->p_filesz)
			return (ph->p_filesz - (vaddr - ph->p_vaddr));
	}
	return (0);
}

int
elf_dyn_contains(const struct elf_obj *obj, uintptr_t vaddr, size_t size)
{
	for (unsigned i = 0; i < obj->dyn.nphdr; i++) {
		const ElfW(Phdr) *ph = &obj->dyn.phdr[i];

		if (ph->p_type == PT_LOAD && vaddr >= ph->p_vaddr && vaddr - ph->p_vaddr <= ph->p_memsz &&
		    size <= ph->p_memsz - (vaddr - ph->p_vaddr))
			return (1);
	}
	return (0);
}

/* A table of the dynamic section, all of it in the file, aligned for its entries. */
static const void *
table(const struct elf_obj *obj, uintptr_t vaddr, size_t size, size_t entry)
{
	const void *p = size % entry == 0 ? elf_dyn_at(obj, vaddr, size) : NULL;

	return ((uintptr_t)p % sizeof(uintptr_t) == 0 ? p : NULL);
}

/* ---- Segments ---- */

static int
check_load(struct elf_obj *obj, unsigned i, uintptr_t *end, struct uverr *err)
{
	const ElfW(Phdr) *ph = &obj->dyn.phdr[i];
	const char *what;

	if (ph->p_offset > obj->size || ph->p_filesz > obj->size - ph->p_offset)
		what = "lies outside the file";
	else if (ph->p_filesz > ph->p_memsz)
		what = "has more bytes in the file than in memory";
	else if (ph->p_vaddr > KLD_PART_MAX || ph->p_memsz > KLD_PART_MAX - ph->p_vaddr)
		what = "lies beyond any module space";
	else if (ph->p_vaddr < *end)
		what = "overlaps the one before, or is out of order";
	else if ((ph->p_flags & PF_W) != 0 && (ph->p_flags & PF_X) != 0)
		what = "is writable and executable at once";
	else if (ph->p_align > KLD_ALIGN_MAX || (ph->p_align & (ph->p_align - 1)) != 0)
		what = "has an alignment that is not a power of two up to 2 MiB";
	else {
		*end = ph->p_vaddr + ph->p_memsz;
		if (ph->p_align > obj->dyn.align)
			obj->dyn.align = ph->p_align;
		return (0);
	}
	return (uverr(err, ENOEXEC, "%s: segment %u %s", obj->name, i, what));
}

static int
check_segments(struct elf_obj *obj, const ElfW(Dyn) **dynamic, size_t *ndynamic, struct uverr *err)
{
	const ElfW(Ehdr) *eh = (const void *)obj->data;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t end = 0, first = UINTPTR_MAX;
	int error;

	if (eh->e_phentsize != sizeof(ElfW(Phdr)) || eh->e_phoff % _Alignof(ElfW(Phdr)) != 0 || eh->e_phoff > obj->size ||
	    eh->e_phnum > (obj->size - eh->e_phoff) / sizeof(ElfW(Phdr)) || eh->e_phnum > SEGMENTS_MAX)
		return (uverr(err, ENOEXEC, "%s: offset %#zx: the program headers lie outside the file, or are more than %d",
		    obj->name, offsetof(ElfW(Ehdr), e_phoff), SEGMENTS_MAX));
	obj->dyn.phdr = (const void *)(obj->data + eh->e_phoff);
	obj->dyn.nphdr = eh->e_phnum;
	obj->dyn.align = page;
	for (unsigned i = 0; i < obj->dyn.nphdr; i++) {
		const ElfW(Phdr) *ph = &obj->dyn.phdr[i];

		switch (ph->p_type) {
		case PT_LOAD:
			error = check_load(obj, i, &end, err);
			if (error != 0)
				return (error);
			first = ph->p_vaddr < first ? ph->p_vaddr : first;
			break;
		case PT_TLS:
			if (ph->p_memsz != 0)
				return (uverr(err, ENOEXEC, "%s: segment %u: a module cannot define thread-locals: keep them in the "
				    "program, or make them DPCPU", obj->name, i));
			break;
		case PT_INTERP:
			return (uverr(err, ENOEXEC, "%s: a program: link the module with ld -r (or -shared)", obj->name));
		case PT_DYNAMIC:
			if (ph->p_offset > obj->size || ph->p_filesz > obj->size - ph->p_offset ||
			    ph->p_offset % sizeof(uintptr_t) != 0)
				return (uverr(err, ENOEXEC, "%s: segment %u lies outside the file", obj->name, i));
			*dynamic = (const void *)(obj->data + ph->p_offset);
			*ndynamic = ph->p_filesz / sizeof(ElfW(Dyn));
			break;
		}
	}
	if (end == 0 || *dynamic == NULL)
		return (uverr(err, ENOEXEC, "%s: a shared object without %s segment", obj->name,
		    end == 0 ? "a loaded" : "its dynamic"));
	obj->dyn.lo = first & ~(page - 1);
	obj->dyn.hi = (end + page - 1) & ~(page - 1);
	return (0);
}

/* ---- The dynamic section ---- */

/* How many symbols there are, which only the hash tables say: the chains of DT_GNU_HASH end at the last. */
static size_t
count_gnu_hash(const struct elf_obj *obj, uintptr_t at)
{
	const uint32_t *head = elf_dyn_at(obj, at, 16), *bucket, *chain;
	uintptr_t buckets;
	uint32_t last = 0;

	if (head == NULL || (uintptr_t)head % sizeof(uint32_t) != 0 || head[0] == 0)
		return (0);
	buckets = at + 16 + (uintptr_t)head[2] * sizeof(uintptr_t);
	bucket = elf_dyn_at(obj, buckets, (size_t)head[0] * 4);
	if (bucket == NULL || (uintptr_t)bucket % sizeof(uint32_t) != 0)
		return (0);
	for (uint32_t i = 0; i < head[0]; i++)
		last = bucket[i] > last ? bucket[i] : last;
	if (last < head[1])
		return (head[1]);
	for (;; last++) {
		chain = elf_dyn_at(obj, buckets + ((uintptr_t)head[0] + last - head[1]) * 4, 4);
		if (chain == NULL || (uintptr_t)chain % sizeof(uint32_t) != 0)
			return (0);
		if ((*chain & 1) != 0)
			return ((size_t)last + 1);
	}
}

static size_t
count_symbols(const struct elf_obj *obj, uintptr_t hash, uintptr_t gnu_hash)
{
	const uint32_t *head = hash != 0 ? elf_dyn_at(obj, hash, 8) : NULL;

	if (head != NULL && (uintptr_t)head % sizeof(uint32_t) == 0)
		return (head[1]);
	return (gnu_hash != 0 ? count_gnu_hash(obj, gnu_hash) : 0);
}

static int
read_dynamic(struct elf_obj *obj, const ElfW(Dyn) *d, size_t n, struct uverr *err)
{
	/* The machine's kind of relocations, and the other one's size. */
	const int rel = kld_arch_addend != NULL ? DT_REL : DT_RELA, other = rel == DT_REL ? DT_RELASZ : DT_RELSZ;
	const int relsz = rel == DT_REL ? DT_RELSZ : DT_RELASZ;
	const size_t entry = rel == DT_REL ? sizeof(ElfW(Rel)) : sizeof(ElfW(Rela));
	uintptr_t v[DT_JMPREL + 16] = { 0 }, gnu_hash = 0;
	struct elf_dyn *dyn = &obj->dyn;

	for (; n > 0 && d->d_tag != DT_NULL; n--, d++) {
		if (d->d_tag > 0 && d->d_tag < (ElfW(Sxword))(sizeof(v) / sizeof(v[0])))
			v[d->d_tag] = d->d_un.d_val;
		else if (d->d_tag == DT_GNU_HASH)
			gnu_hash = d->d_un.d_val;
	}
	if (v[other] != 0 || (v[DT_PLTRELSZ] != 0 && v[DT_PLTREL] != (uintptr_t)rel))
		return (uverr(err, ENOEXEC, "%s: relocations with%s addends", obj->name, rel == DT_REL ? "" : "out"));
	if (v[DT_PREINIT_ARRAYSZ] != 0)
		return (uverr(err, ENOEXEC, "%s: a module comes too late for .preinit_array", obj->name));
	dyn->nsym = count_symbols(obj, v[DT_HASH], gnu_hash);
	dyn->strsize = v[DT_STRSZ];
	dyn->nrela[0] = v[relsz] / entry;
	dyn->nrela[1] = v[DT_PLTRELSZ] / entry;
	dyn->nrelr = v[DT_RELRSZ] / sizeof(uintptr_t);
	dyn->init = v[DT_INIT];
	dyn->fini = v[DT_FINI];
	dyn->init_array = v[DT_INIT_ARRAY];
	dyn->fini_array = v[DT_FINI_ARRAY];
	dyn->ninit = v[DT_INIT_ARRAYSZ] / sizeof(uintptr_t);
	dyn->nfini = v[DT_FINI_ARRAYSZ] / sizeof(uintptr_t);

	if (dyn->nsym == 0 || dyn->nsym > UINT32_MAX / 2 ||
	    (dyn->sym = table(obj, v[DT_SYMTAB], dyn->nsym * sizeof(ElfW(Sym)), sizeof(ElfW(Sym)))) == NULL)
		return (uverr(err, ENOEXEC, "%s: DT_SYMTAB at %#jx: no table of symbols with a hash table", obj->name,
		    (uintmax_t)v[DT_SYMTAB]));
	if (dyn->strsize == 0 || (dyn->str = elf_dyn_at(obj, v[DT_STRTAB], dyn->strsize)) == NULL ||
	    dyn->str[dyn->strsize - 1] != '\0')
		return (uverr(err, ENOEXEC, "%s: DT_STRTAB at %#jx: no string table, or it does not end", obj->name,
		    (uintmax_t)v[DT_STRTAB]));
	if ((v[relsz] != 0 && (dyn->rela[0] = table(obj, v[rel], v[relsz], entry)) == NULL) ||
	    (v[DT_PLTRELSZ] != 0 && (dyn->rela[1] = table(obj, v[DT_JMPREL], v[DT_PLTRELSZ], entry)) == NULL) ||
	    (v[DT_RELRSZ] != 0 && (dyn->relr = table(obj, v[DT_RELR], v[DT_RELRSZ], sizeof(uintptr_t))) == NULL))
		return (uverr(err, ENOEXEC, "%s: DT_REL%s, DT_JMPREL or DT_RELR: not a table in a segment", obj->name,
		    rel == DT_REL ? "" : "A"));
	if ((dyn->init != 0 && !elf_dyn_contains(obj, dyn->init, 1)) ||
	    (dyn->fini != 0 && !elf_dyn_contains(obj, dyn->fini, 1)) ||
	    (dyn->ninit != 0 && table(obj, dyn->init_array, dyn->ninit * sizeof(uintptr_t), sizeof(uintptr_t)) == NULL) ||
	    (dyn->nfini != 0 && table(obj, dyn->fini_array, dyn->nfini * sizeof(uintptr_t), sizeof(uintptr_t)) == NULL))
		return (uverr(err, ENOEXEC, "%s: its constructors or destructors lie outside its segments", obj->name));
	return (0);
}

/* ---- Symbols and relocations ---- */

int
elf_dyn_check_symbol(const struct elf_obj *obj, const ElfW(Sym) *s, unsigned i, const char *str, size_t strsize,
    struct uverr *err)
{
	const char *what;

	if (s->st_name >= strsize)
		return (uverr(err, ENOEXEC, "%s: symbol %u: its name lies outside the string table", obj->name, i));
	if (s->st_shndx == SHN_UNDEF || s->st_shndx == SHN_ABS)
		return (0);
	if (s->st_shndx == SHN_COMMON)
		what = "a common symbol in a shared object";
	else if (KLD_ST_TYPE(s->st_info) == STT_GNU_IFUNC)
		what = "an indirect function: choose by a function pointer instead";
	else if (KLD_ST_TYPE(s->st_info) == STT_TLS)
		what = "a module cannot define thread-locals: keep them in the program, or make them DPCPU";
	else if (KLD_ST_TYPE(s->st_info) == STT_SECTION || KLD_ST_TYPE(s->st_info) == STT_FILE)
		return (0);
	else if (KLD_ST_ADDR(s) < obj->dyn.lo || KLD_ST_ADDR(s) > obj->dyn.hi ||
	    s->st_size > obj->dyn.hi - KLD_ST_ADDR(s))
		what = "outside the module";
	else
		return (0);
	return (uverr(err, ENOEXEC, "%s: symbol %u `%s': %s", obj->name, i, str + s->st_name, what));
}

ElfW(Rela)
elf_dyn_rela(const struct elf_obj *obj, unsigned table, size_t i)
{
	ElfW(Rela) r = { 0 };
	const uint8_t *place;

	if (kld_arch_addend == NULL)
		return (((const ElfW(Rela) *)obj->dyn.rela[table])[i]);
	/* The first members of both kinds are the same. */
	memcpy(&r, (const ElfW(Rel) *)obj->dyn.rela[table] + i, sizeof(ElfW(Rel)));
	place = elf_dyn_at(obj, r.r_offset, sizeof(uintptr_t));	/* NULL: check_rela() is yet to see it */
	if (place != NULL)
		r.r_addend = kld_arch_addend(KLD_R_TYPE(r.r_info), place);
	return (r);
}

static int
check_rela(const struct elf_obj *obj, ElfW(Rela) rela, struct uverr *err)
{
	const ElfW(Rela) *const r = &rela;
	const char *why = NULL;
	enum kld_dyntype type = kld_arch_dyntype(KLD_R_TYPE(r->r_info), &why);

	if (type == DYN_REFUSED)
		return (uverr(err, ENOEXEC, "%s: %#jx: dynamic relocation type %u: %s", obj->name, (uintmax_t)r->r_offset,
		    (unsigned)KLD_R_TYPE(r->r_info), why));
	if (KLD_R_SYM(r->r_info) >= obj->dyn.nsym)
		return (uverr(err, ENOEXEC, "%s: %#jx: relocation against symbol %ju of %zu", obj->name,
		    (uintmax_t)r->r_offset, (uintmax_t)KLD_R_SYM(r->r_info), obj->dyn.nsym));
	if (type == DYN_TPOFF && KLD_R_SYM(r->r_info) == 0)
		return (uverr(err, ENOEXEC, "%s: %#jx: a module cannot define thread-locals: keep them in the program, or make "
		    "them DPCPU", obj->name, (uintmax_t)r->r_offset));
	if (type != DYN_NOTHING && elf_dyn_at(obj, r->r_offset, sizeof(uintptr_t)) == NULL)
		return (uverr(err, ENOEXEC, "%s: %#jx: a relocation of nothing in a segment", obj->name,
		    (uintmax_t)r->r_offset));
	return (0);
}

int
elf_dyn_relr(const struct elf_obj *obj, int (*f)(void *arg, uintptr_t vaddr), void *arg)
{
	const size_t bits = sizeof(uintptr_t) * 8;
	uintptr_t next = 0;
	int error = 0;

	for (size_t i = 0; i < obj->dyn.nrelr && error == 0; i++) {
		uintptr_t word = obj->dyn.relr[i];

		if ((word & 1) == 0) {
			error = f(arg, word);
			next = word + sizeof(uintptr_t);
			continue;
		}
		for (size_t bit = 1; bit < bits && error == 0; bit++)
			if ((word >> bit & 1) != 0)
				error = f(arg, next + (bit - 1) * sizeof(uintptr_t));
		next += (bits - 1) * sizeof(uintptr_t);
	}
	return (error);
}

static int
check_relr(void *arg, uintptr_t vaddr)
{
	return (elf_dyn_at(arg, vaddr, sizeof(uintptr_t)) != NULL ? 0 : -ENOEXEC);
}

int
elf_dyn_read(struct elf_obj *obj, struct uverr *err)
{
	const ElfW(Dyn) *dynamic = NULL;
	size_t ndynamic = 0;
	int error;

	error = check_segments(obj, &dynamic, &ndynamic, err);
	if (error == 0)
		error = read_dynamic(obj, dynamic, ndynamic, err);
	for (size_t i = 0; i < obj->dyn.nsym && error == 0; i++)
		error = elf_dyn_check_symbol(obj, &obj->dyn.sym[i], i, obj->dyn.str, obj->dyn.strsize, err);
	for (unsigned k = 0; k < 2; k++)
		for (size_t i = 0; i < obj->dyn.nrela[k] && error == 0; i++)
			error = check_rela(obj, elf_dyn_rela(obj, k, i), err);
	if (error == 0 && elf_dyn_relr(obj, check_relr, obj) != 0)
		error = uverr(err, ENOEXEC, "%s: DT_RELR: a relocation of nothing in a segment", obj->name);
	return (error);
}

/* ---- Pointers before relocation ---- */

struct find_relr {
	const struct elf_obj *obj;
	uintptr_t at;
};

static int
is_at(void *arg, uintptr_t vaddr)
{
	return (vaddr == ((const struct find_relr *)arg)->at);
}

int
elf_dyn_follow(const struct elf_obj *obj, uintptr_t at, uintptr_t *to)
{
	struct find_relr relr = { obj, at };
	const char *why;

	for (unsigned k = 0; k < 2; k++)
		for (size_t i = 0; i < obj->dyn.nrela[k]; i++) {
			const ElfW(Rela) r = elf_dyn_rela(obj, k, i);
			const ElfW(Sym) *s = &obj->dyn.sym[KLD_R_SYM(r.r_info)];

			if (r.r_offset != at)
				continue;
			switch (kld_arch_dyntype(KLD_R_TYPE(r.r_info), &why)) {
			case DYN_RELATIVE:
				*to = (uintptr_t)r.r_addend;
				return (1);
			case DYN_WORD:
				*to = s->st_value + (uintptr_t)r.r_addend;
				return (s->st_shndx != SHN_UNDEF && s->st_shndx != SHN_ABS);
			default:
				return (0);
			}
		}
	if (elf_dyn_relr(obj, is_at, &relr) == 0)
		return (0);
	memcpy(to, elf_dyn_at(obj, at, sizeof(*to)), sizeof(*to));
	return (1);
}
