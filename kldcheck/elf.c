/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader: a file's bytes in, checked tables out.
 *
 * Program headers and the dynamic section are what FreeBSD's kernel goes by, so they are read first and suffice.
 * Section headers, where there are any, add names, the GOT and where code ends.  Everything that the rest of the
 * checker follows is compared here with the bytes that are there; values are unsigned, and compared before they are
 * added.  Both classes and both byte orders are read through the same few functions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf.h"
#include "elf_tables.h"

const char *const kc_set_names[KC_NSETS] = { "set_vnet", "set_pcpu" };

uint16_t
kc_u16(const struct kc_elf *e, const uint8_t *p)
{
	return (e->msb ? (uint16_t)(p[0] << 8 | p[1]) : (uint16_t)(p[1] << 8 | p[0]));
}

uint32_t
kc_u32(const struct kc_elf *e, const uint8_t *p)
{
	if (e->msb)
		return ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
	return ((uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0]);
}

uint64_t
kc_u64(const struct kc_elf *e, const uint8_t *p)
{
	uint64_t a = kc_u32(e, p), b = kc_u32(e, p + 4);

	return (e->msb ? a << 32 | b : b << 32 | a);
}

uint64_t
kc_word(const struct kc_elf *e, const uint8_t *p)
{
	return (e->is64 ? kc_u64(e, p) : kc_u32(e, p));
}

bool
kc_in_file(const struct kc_elf *e, uint64_t off, uint64_t n)
{
	return (off <= e->size && n <= e->size - off);
}

const char *
kc_machine_name(uint16_t machine)
{
	switch (machine) {
	case KC_EM_386:
		return ("i386");
	case KC_EM_PPC64:
		return ("powerpc64");
	case KC_EM_ARM:
		return ("arm");
	case KC_EM_X86_64:
		return ("amd64");
	case KC_EM_AARCH64:
		return ("arm64");
	case KC_EM_RISCV:
		return ("riscv64");
	}
	return ("unknown");
}

static int
read_header(struct kc_elf *e, char *why, size_t n)
{
	const uint8_t *d = e->data;

	if (e->size < 4 || memcmp(d, "\177ELF", 4) != 0) {
		snprintf(why, n, "not an ELF file");
		return (-1);
	}
	if (e->size < 52 || (d[4] != 1 && d[4] != 2) || (d[5] != 1 && d[5] != 2) || d[6] != 1) {
		snprintf(why, n, "the ELF header is cut short or of an unknown kind");
		return (-1);
	}
	e->is64 = d[4] == 2;
	e->msb = d[5] == 2;
	e->osabi = d[7];
	if (e->is64 && e->size < 64) {
		snprintf(why, n, "the file ends within its header");
		return (-1);
	}
	e->type = kc_u16(e, d + 16);
	e->machine = kc_u16(e, d + 18);
	e->flags = kc_u32(e, d + (e->is64 ? 48 : 36));
	if (e->type != KC_ET_REL && e->type != KC_ET_DYN) {
		snprintf(why, n, "ELF type %u is no kernel module: those are relocatable (1) or shared objects (3)", e->type);
		return (-1);
	}
	return (0);
}

static int
read_segments(struct kc_elf *e, uint64_t *dynaddr, uint64_t *dynsize, char *why, size_t n)
{
	uint64_t off = kc_word(e, e->data + (e->is64 ? 32 : 28)), end = 0;
	unsigned ent = kc_u16(e, e->data + (e->is64 ? 54 : 42)), num = kc_u16(e, e->data + (e->is64 ? 56 : 44));
	unsigned want = e->is64 ? 56 : 32;

	*dynaddr = *dynsize = 0;
	if (num == 0)
		return (0);
	if (ent != want || !kc_in_file(e, off, (uint64_t)num * want)) {
		snprintf(why, n, "the program headers lie outside the file or have a wrong size");
		return (-1);
	}
	for (unsigned i = 0; i < num; i++) {
		const uint8_t *p = e->data + off + (uint64_t)i * want;
		uint32_t type = kc_u32(e, p);
		struct kc_seg s;

		s.flags = kc_u32(e, p + (e->is64 ? 4 : 24));
		s.off = kc_word(e, p + (e->is64 ? 8 : 4));
		s.addr = kc_word(e, p + (e->is64 ? 16 : 8));
		s.filesz = kc_word(e, p + (e->is64 ? 32 : 16));
		s.memsz = kc_word(e, p + (e->is64 ? 40 : 20));
		if (type == 2) {
			*dynaddr = s.addr;
			*dynsize = s.filesz;
		}
		if (type != 1 || s.memsz == 0)
			continue;
		if (!kc_in_file(e, s.off, s.filesz) || s.filesz > s.memsz || s.addr + s.memsz < s.addr || s.addr < end ||
		    s.addr + s.memsz > (uint64_t)1 << 47) {
			snprintf(why, n, "program header %u: the segment lies outside the file, is out of order or wraps", i);
			return (-1);
		}
		end = s.addr + s.memsz;
		if (e->nseg == KC_SEGS_MAX) {
			snprintf(why, n, "more than %u segments to load", KC_SEGS_MAX);
			return (-1);
		}
		e->seg[e->nseg++] = s;
	}
	return (0);
}

/* A name in a string table, or "" when it does not end within the table. */
const char *
kc_string(const uint8_t *tab, uint64_t size, uint64_t off)
{
	if (off >= size || memchr(tab + off, 0, size - off) == NULL)
		return ("");
	return ((const char *)tab + off);
}

static int
read_sections(struct kc_elf *e, char *why, size_t n)
{
	uint64_t off = kc_word(e, e->data + (e->is64 ? 40 : 32));
	unsigned ent = kc_u16(e, e->data + (e->is64 ? 58 : 46)), num = kc_u16(e, e->data + (e->is64 ? 60 : 48));
	unsigned str = kc_u16(e, e->data + (e->is64 ? 62 : 50)), want = e->is64 ? 64 : 40;
	const uint8_t *names = NULL;
	uint64_t namesize = 0;

	if (off == 0 || num == 0)
		return (0);
	if (ent != want || !kc_in_file(e, off, (uint64_t)num * want)) {
		/* A shared object can do without: the kernel does. */
		if (e->type == KC_ET_DYN)
			return (0);
		snprintf(why, n, "the section headers lie outside the file or have a wrong size");
		return (-1);
	}
	if ((e->sec = calloc(num, sizeof(*e->sec))) == NULL) {
		snprintf(why, n, "out of memory");
		return (-1);
	}
	e->nsec = num;
	for (unsigned i = 0; i < num; i++) {
		const uint8_t *p = e->data + off + (uint64_t)i * want;
		struct kc_sec *s = &e->sec[i];

		s->type = kc_u32(e, p + 4);
		s->flags = kc_word(e, p + 8);
		s->addr = kc_word(e, p + (e->is64 ? 16 : 12));
		s->off = kc_word(e, p + (e->is64 ? 24 : 16));
		s->size = kc_word(e, p + (e->is64 ? 32 : 20));
		s->link = kc_u32(e, p + (e->is64 ? 40 : 24));
		s->info = kc_u32(e, p + (e->is64 ? 44 : 28));
		s->align = kc_word(e, p + (e->is64 ? 48 : 32));
		s->entsize = kc_word(e, p + (e->is64 ? 56 : 36));
		s->name = "";
		if (s->type != KC_SHT_NOBITS && s->type != 0 && !kc_in_file(e, s->off, s->size)) {
			snprintf(why, n, "section %u lies outside the file", i);
			return (-1);
		}
		if (s->addr + s->size < s->addr) {
			snprintf(why, n, "section %u wraps around the address space", i);
			return (-1);
		}
	}
	if (str < num && e->sec[str].type == KC_SHT_STRTAB) {
		names = e->data + e->sec[str].off;
		namesize = e->sec[str].size;
		for (unsigned i = 0; i < num; i++)
			e->sec[i].name = kc_string(names, namesize, kc_u32(e, e->data + off + (uint64_t)i * want));
	}
	for (unsigned i = 0; i < num; i++)
		if (strcmp(e->sec[i].name, ".got") == 0 && e->sec[i].size != 0) {
			e->got = e->sec[i].addr;
			e->gotsize = e->sec[i].size;
		}
	return (0);
}

int
kc_elf_open(struct kc_elf *e, const void *data, size_t size, char *why, size_t n)
{
	uint64_t dynaddr, dynsize;

	memset(e, 0, sizeof(*e));
	e->data = data;
	e->size = size;
	if (read_header(e, why, n) != 0 || read_segments(e, &dynaddr, &dynsize, why, n) != 0 ||
	    read_sections(e, why, n) != 0 || kc_elf_tables(e, dynaddr, dynsize, why, n) != 0) {
		kc_elf_close(e);
		return (-1);
	}
	return (0);
}

void
kc_elf_close(struct kc_elf *e)
{
	free(e->rel);
	free(e->byaddr);
	free(e->symtab);
	free(e->dynsym);
	free(e->sec);
	memset(e, 0, sizeof(*e));
}

const struct kc_set *
kc_elf_set_of(const struct kc_elf *e, uint64_t addr)
{
	for (unsigned i = 0; i < KC_NSETS; i++)
		if (addr >= e->set[i].start && addr < e->set[i].stop)
			return (&e->set[i]);
	return (NULL);
}

const struct kc_seg *
kc_elf_seg_of(const struct kc_elf *e, uint64_t addr)
{
	for (unsigned i = 0; i < e->nseg; i++)
		if (addr >= e->seg[i].addr && addr - e->seg[i].addr < e->seg[i].memsz)
			return (&e->seg[i]);
	return (NULL);
}

const uint8_t *
kc_elf_bytes(const struct kc_elf *e, uint64_t addr, uint64_t n)
{
	const struct kc_seg *s = kc_elf_seg_of(e, addr);
	uint64_t at;

	if (s == NULL)
		return (NULL);
	at = addr - s->addr;
	if (at > s->filesz || n > s->filesz - at)
		return (NULL);
	return (e->data + s->off + at);
}

/* The first relocation at addr or behind it. */
static size_t
first_rel(const struct kc_elf *e, uint64_t addr)
{
	size_t lo = 0, hi = e->nrel;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (e->rel[mid].where < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo);
}

const struct kc_rel *
kc_elf_rel_at(const struct kc_elf *e, uint64_t addr)
{
	size_t i = first_rel(e, addr);

	return (i < e->nrel && e->rel[i].where == addr ? &e->rel[i] : NULL);
}

const struct kc_sym *
kc_elf_sym_of(const struct kc_elf *e, uint64_t addr, bool code)
{
	const struct kc_sym *best = NULL;
	size_t lo = 0, hi = e->nbyaddr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (e->byaddr[mid]->value <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* The nearest one before that covers the address, or that has no size; a few steps suffice. */
	for (size_t i = lo, left = 64; i-- > 0 && left-- > 0;) {
		const struct kc_sym *s = e->byaddr[i];

		if ((s->type == KC_STT_FUNC || s->type == KC_STT_GNU_IFUNC) != code || s->name[0] == '\0')
			continue;
		if (s->size != 0 ? addr - s->value < s->size : (code || addr == s->value)) {
			best = s;
			break;
		}
	}
	return (best);
}

uint64_t
kc_elf_got_slot(const struct kc_elf *e, uint64_t target)
{
	uint64_t word = e->is64 ? 8 : 4;

	if (e->gotsize == 0)
		return (0);
	/* By relocations, of which there are no more than the file has; a GOT is as long as a header says. */
	for (size_t i = first_rel(e, e->got); i < e->nrel && e->rel[i].where - e->got + word <= e->gotsize; i++) {
		const struct kc_rel *r = &e->rel[i];
		uint64_t at = r->where;

		if ((at - e->got) % word != 0 || (i > 0 && e->rel[i - 1].where == at))
			continue;
		if (r->kind == KC_REL_RELATIVE && r->addend == target)
			return (at);
		if (r->kind == KC_REL_SYMBOL && r->sym < e->ndynsym && e->dynsym[r->sym].shndx != 0 &&
		    e->dynsym[r->sym].bind != KC_STB_LOCAL && e->dynsym[r->sym].value + r->addend == target)
			return (at);
	}
	return (0);
}

bool
kc_elf_comment(const struct kc_elf *e, const char *word)
{
	size_t n = strlen(word);

	for (unsigned i = 0; i < e->nsec; i++) {
		const struct kc_sec *s = &e->sec[i];

		if (strcmp(s->name, ".comment") != 0 || s->type == KC_SHT_NOBITS)
			continue;
		for (uint64_t at = 0; at + n <= s->size; at++)
			if (memcmp(e->data + s->off + at, word, n) == 0)
				return (true);
	}
	return (false);
}
