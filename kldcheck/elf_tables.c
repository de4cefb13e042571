/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The second half of the reader: symbols, relocations, and where the sets are.
 *
 * FreeBSD's kernel finds a set by the symbols __start_NAME and __stop_NAME of the dynamic symbol table; mold leaves
 * them out of it, so a section of the set's name counts as well.  A stripped file has at least the dynamic symbols
 * that its relocations need; each module has the linker set of its metadata there, so that a file which shows no
 * __start_ symbol at all has hidden its sets (sets_known is false then).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf.h"
#include "elf_tables.h"

enum {
	DT_PLTRELSZ = 2, DT_HASH = 4, DT_STRTAB = 5, DT_SYMTAB = 6, DT_RELA = 7, DT_RELASZ = 8, DT_STRSZ = 10, DT_REL = 17,
	DT_RELSZ = 18, DT_PLTREL = 20, DT_JMPREL = 23, DT_RELRSZ = 35, DT_RELR = 36, DT_SMALL = 40,
};
#define DT_GNU_HASH	0x6ffffef5u

struct dynamic {
	uint64_t v[DT_SMALL], gnuhash;
};

/* The architectures' words for what the kernel's linker does to a place. */
static const struct {
	uint16_t machine, relative, abs, glob_dat, jump_slot;
} rel_words[] = {
	{ KC_EM_AARCH64, 1027, 257, 1025, 1026 },
	{ KC_EM_RISCV, 3, 2, 2, 5 },
	{ KC_EM_386, 8, 1, 6, 7 },
	{ KC_EM_X86_64, 8, 1, 6, 7 },
	{ KC_EM_PPC64, 22, 38, 20, 21 },
};

static enum kc_relkind
rel_kind(uint16_t machine, uint32_t type)
{
	if (type == 0)
		return (KC_REL_NONE);
	for (size_t i = 0; i < sizeof(rel_words) / sizeof(rel_words[0]); i++)
		if (rel_words[i].machine == machine) {
			if (type == rel_words[i].relative)
				return (KC_REL_RELATIVE);
			if (type == rel_words[i].abs || type == rel_words[i].glob_dat || type == rel_words[i].jump_slot)
				return (KC_REL_SYMBOL);
		}
	return (KC_REL_OTHER);
}

static void
read_sym(const struct kc_elf *e, const uint8_t *p, const uint8_t *str, uint64_t strsize, struct kc_sym *s)
{
	uint8_t info = p[e->is64 ? 4 : 12];

	s->name = kc_string(str, strsize, kc_u32(e, p));
	s->value = kc_word(e, p + (e->is64 ? 8 : 4));
	s->size = kc_word(e, p + (e->is64 ? 16 : 8));
	s->type = info & 15;
	s->bind = info >> 4;
	s->other = p[e->is64 ? 5 : 13];
	s->shndx = kc_u16(e, p + (e->is64 ? 6 : 14));
}

static struct kc_sym *
read_syms(const struct kc_elf *e, const uint8_t *tab, uint64_t num, const uint8_t *str, uint64_t strsize, bool dynamic)
{
	struct kc_sym *v = calloc(num + 1, sizeof(*v));

	for (uint64_t i = 0; v != NULL && i < num; i++) {
		read_sym(e, tab + i * (e->is64 ? 24 : 16), str, strsize, &v[i]);
		v[i].dynamic = dynamic;
	}
	return (v);
}

/* How many dynamic symbols there are: nothing but the hash tables says so. */
static uint64_t
count_dynsym(const struct kc_elf *e, const struct dynamic *d, uint64_t room)
{
	const uint8_t *p;
	uint64_t buckets, base, max = 0;
	uint32_t n, symoffset, bloom;

	for (unsigned i = 0; i < e->nsec; i++)
		if (e->sec[i].type == KC_SHT_DYNSYM && e->sec[i].addr == d->v[DT_SYMTAB])
			return (e->sec[i].size / (e->is64 ? 24 : 16));
	if (d->v[DT_HASH] != 0 && (p = kc_elf_bytes(e, d->v[DT_HASH], 8)) != NULL)
		return (kc_u32(e, p + 4));
	if (d->gnuhash == 0 || (p = kc_elf_bytes(e, d->gnuhash, 16)) == NULL)
		return (0);
	n = kc_u32(e, p);
	symoffset = kc_u32(e, p + 4);
	bloom = kc_u32(e, p + 8);
	buckets = d->gnuhash + 16 + (uint64_t)bloom * (e->is64 ? 8 : 4);
	if ((p = kc_elf_bytes(e, buckets, (uint64_t)n * 4)) == NULL)
		return (0);
	for (uint32_t i = 0; i < n; i++)
		if (kc_u32(e, p + 4 * (uint64_t)i) > max)
			max = kc_u32(e, p + 4 * (uint64_t)i);
	if (max < symoffset)
		return (symoffset);
	for (base = buckets + (uint64_t)n * 4; max < room; max++) {
		p = kc_elf_bytes(e, base + (max - symoffset) * 4, 4);
		if (p == NULL || (kc_u32(e, p) & 1) != 0)
			break;
	}
	return (max + 1);
}

static int
read_dynsym(struct kc_elf *e, const struct dynamic *d, char *why, size_t n)
{
	const uint8_t *tab, *str;
	uint64_t entry = e->is64 ? 24 : 16, num;

	if (d->v[DT_SYMTAB] == 0)
		return (0);
	num = count_dynsym(e, d, e->size / entry);
	if (num > e->size / entry || (tab = kc_elf_bytes(e, d->v[DT_SYMTAB], num * entry)) == NULL ||
	    (str = kc_elf_bytes(e, d->v[DT_STRTAB], d->v[DT_STRSZ])) == NULL) {
		snprintf(why, n, "the dynamic symbols or their names lie outside the file");
		return (-1);
	}
	if ((e->dynsym = read_syms(e, tab, num, str, d->v[DT_STRSZ], true)) == NULL) {
		snprintf(why, n, "out of memory");
		return (-1);
	}
	e->ndynsym = (unsigned)num;
	return (0);
}

static int
read_symtab(struct kc_elf *e, char *why, size_t n)
{
	uint64_t entry = e->is64 ? 24 : 16;

	for (unsigned i = 0; i < e->nsec; i++) {
		const struct kc_sec *s = &e->sec[i], *str;

		if (s->type != KC_SHT_SYMTAB)
			continue;
		if (s->link >= e->nsec || e->sec[s->link].type != KC_SHT_STRTAB) {
			snprintf(why, n, "the symbol table has no names");
			return (-1);
		}
		str = &e->sec[s->link];
		e->symtab = read_syms(e, e->data + s->off, s->size / entry, e->data + str->off, str->size, false);
		if (e->symtab == NULL) {
			snprintf(why, n, "out of memory");
			return (-1);
		}
		e->nsymtab = (unsigned)(s->size / entry);
		return (0);
	}
	return (0);
}

static int
by_address(const void *a, const void *b)
{
	const struct kc_sym *x = *(struct kc_sym *const *)a, *y = *(struct kc_sym *const *)b;

	if (x->value != y->value)
		return (x->value < y->value ? -1 : 1);
	return ((x->type > y->type) - (x->type < y->type));
}

static int
index_syms(struct kc_elf *e, char *why, size_t n)
{
	struct kc_sym *tabs[] = { e->symtab, e->dynsym };
	unsigned nums[] = { e->nsymtab, e->ndynsym };

	if ((e->byaddr = calloc((size_t)e->nsymtab + e->ndynsym + 1, sizeof(*e->byaddr))) == NULL) {
		snprintf(why, n, "out of memory");
		return (-1);
	}
	for (unsigned t = 0; t < 2; t++)
		for (unsigned i = 0; i < nums[t]; i++) {
			struct kc_sym *s = &tabs[t][i];

			if (s->shndx == 0 || s->shndx >= 0xff00 || s->name[0] == '\0' || s->name[0] == '$' ||
			    strncmp(s->name, "__start_", 8) == 0 || strncmp(s->name, "__stop_", 7) == 0 ||
			    (s->type != KC_STT_FUNC && s->type != KC_STT_GNU_IFUNC && s->type != KC_STT_OBJECT &&
				s->type != 0))
				continue;
			e->byaddr[e->nbyaddr++] = s;
		}
	qsort(e->byaddr, e->nbyaddr, sizeof(*e->byaddr), by_address);
	return (0);
}

/* One table of relocations; addr and size in the image (ET_DYN) or tab in the file. */
static int
read_rels(struct kc_elf *e, const uint8_t *tab, uint64_t size, bool rela, uint32_t sec, char *why, size_t n)
{
	uint64_t word = e->is64 ? 8 : 4, entry = word * (rela ? 3 : 2), num = size / entry;
	struct kc_rel *v = realloc(e->rel, (e->nrel + num + 1) * sizeof(*v));

	if (v == NULL) {
		snprintf(why, n, "out of memory");
		return (-1);
	}
	e->rel = v;
	for (uint64_t i = 0; i < num; i++) {
		const uint8_t *p = tab + i * entry, *at;
		uint64_t info = kc_word(e, p + word);
		struct kc_rel *r = &v[e->nrel++];

		r->where = kc_word(e, p);
		r->type = e->is64 ? (uint32_t)info : (uint32_t)(info & 0xff);
		r->sym = (uint32_t)(info >> (e->is64 ? 32 : 8));
		r->kind = rel_kind(e->machine, r->type);
		r->sec = sec;
		r->implicit = !rela;
		r->addend = 0;
		if (rela)
			r->addend = kc_word(e, p + 2 * word);
		else if (e->type == KC_ET_DYN && (at = kc_elf_bytes(e, r->where, word)) != NULL)
			r->addend = kc_word(e, at);
	}
	return (0);
}

static int
by_place(const void *a, const void *b)
{
	const struct kc_rel *x = a, *y = b;

	return ((x->where > y->where) - (x->where < y->where));
}

static int
read_dynamic_rels(struct kc_elf *e, const struct dynamic *d, char *why, size_t n)
{
	struct {
		uint64_t addr, size;
		bool rela;
	} t[] = {
		{ d->v[DT_RELA], d->v[DT_RELASZ], true },
		{ d->v[DT_REL], d->v[DT_RELSZ], false },
		{ d->v[DT_JMPREL], d->v[DT_PLTRELSZ], d->v[DT_PLTREL] == DT_RELA },
	};

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const uint8_t *p;

		if (t[i].addr == 0 || t[i].size == 0)
			continue;
		if ((p = kc_elf_bytes(e, t[i].addr, t[i].size)) == NULL) {
			snprintf(why, n, "a table of relocations lies outside the file");
			return (-1);
		}
		if (read_rels(e, p, t[i].size, t[i].rela, 0, why, n) != 0)
			return (-1);
	}
	e->has_relr = d->v[DT_RELR] != 0;
	if (e->nrel > 1)
		qsort(e->rel, e->nrel, sizeof(*e->rel), by_place);
	return (0);
}

static int
read_object_rels(struct kc_elf *e, char *why, size_t n)
{
	for (unsigned i = 0; i < e->nsec; i++) {
		const struct kc_sec *s = &e->sec[i];

		if ((s->type != KC_SHT_RELA && s->type != KC_SHT_REL) || s->info == 0 || s->info >= e->nsec ||
		    (e->sec[s->info].flags & KC_SHF_ALLOC) == 0)
			continue;
		if (read_rels(e, e->data + s->off, s->size, s->type == KC_SHT_RELA, s->info, why, n) != 0)
			return (-1);
	}
	return (0);
}

static const struct kc_sym *
find_sym(const struct kc_elf *e, const char *name)
{
	for (unsigned i = 0; i < e->ndynsym; i++)
		if (e->dynsym[i].shndx != 0 && strcmp(e->dynsym[i].name, name) == 0)
			return (&e->dynsym[i]);
	for (unsigned i = 0; i < e->nsymtab; i++)
		if (e->symtab[i].shndx != 0 && strcmp(e->symtab[i].name, name) == 0)
			return (&e->symtab[i]);
	return (NULL);
}

static void
find_sets(struct kc_elf *e)
{
	for (unsigned k = 0; k < KC_NSETS; k++) {
		const struct kc_sym *start, *stop;
		struct kc_set *set = &e->set[k];
		char name[32];

		for (unsigned i = 0; i < e->nsec; i++) {
			const struct kc_sec *s = &e->sec[i];

			if (s->name[0] != '\0')
				e->sets_known = true;
			if (strcmp(s->name, kc_set_names[k]) == 0 && (s->flags & KC_SHF_ALLOC) != 0 && s->size != 0) {
				set->start = s->addr;
				set->stop = s->addr + s->size;
			}
		}
		snprintf(name, sizeof(name), "__start_%s", kc_set_names[k]);
		start = find_sym(e, name);
		snprintf(name, sizeof(name), "__stop_%s", kc_set_names[k]);
		stop = find_sym(e, name);
		if (start == NULL || stop == NULL || start->value >= stop->value)
			continue;
		if (set->start == set->stop || start->value < set->start)
			set->start = start->value;
		if (set->stop < stop->value)
			set->stop = stop->value;
	}
	for (unsigned i = 0; i < e->ndynsym && !e->sets_known; i++)
		e->sets_known = e->dynsym[i].shndx != 0 && strncmp(e->dynsym[i].name, "__start_set_", 12) == 0;
}

int
kc_elf_tables(struct kc_elf *e, uint64_t dynaddr, uint64_t dynsize, char *why, size_t n)
{
	struct dynamic d = { 0 };
	uint64_t word = e->is64 ? 8 : 4;

	if (read_symtab(e, why, n) != 0)
		return (-1);
	if (e->type == KC_ET_REL) {
		if (e->nsec == 0) {
			snprintf(why, n, "a relocatable object without section headers");
			return (-1);
		}
		return (read_object_rels(e, why, n));
	}
	if (e->nseg == 0 || dynsize == 0) {
		snprintf(why, n, "a shared object without segments to load or without a dynamic section");
		return (-1);
	}
	for (uint64_t at = 0; at + 2 * word <= dynsize; at += 2 * word) {
		const uint8_t *p = kc_elf_bytes(e, dynaddr + at, 2 * word);
		uint64_t tag;

		if (p == NULL) {
			snprintf(why, n, "the dynamic section lies outside the file");
			return (-1);
		}
		tag = kc_word(e, p);
		if (tag == 0)
			break;
		if (tag < DT_SMALL)
			d.v[tag] = kc_word(e, p + word);
		else if (tag == DT_GNU_HASH)
			d.gnuhash = kc_word(e, p + word);
	}
	if (read_dynsym(e, &d, why, n) != 0 || read_dynamic_rels(e, &d, why, n) != 0 || index_syms(e, why, n) != 0)
		return (-1);
	find_sets(e);
	return (0);
}
