/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A shared object for gdb's JIT interface.
 *
 * The interface takes an object file in memory and believes its addresses.  A relocatable object has none, and gdb
 * relocates its debug information for those that we fill in.  A shared object's debug information is linked already,
 * for other addresses than where it lies now, and the interface knows of no distance.
 *
 * What gdb does know is the distance between a file and its separate debug information, section by section of the same
 * name: so prelinked libraries are debugged.  And such information may be inside the file itself, packed by xz, in
 * the section .gnu_debugdata (gdb's manual, "MiniDebugInfo").  So what gdb gets is a file without content that has the
 * module's sections where they are now, and in it the module as its linker left it, but for what is loaded: that gdb
 * reads in memory.
 *
 * Nothing is compressed: xz's format (xz-file-format.txt 1.0.4) has chunks of plain bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "kld_impl.h"

#define DEBUGDATA ".gnu_debugdata"
#define CHUNK ((size_t)1 << 16)
#define BLOCK_HEADER 12
#define FOOTER 12

static uint32_t
crc32_of(const uint8_t *p, size_t n)
{
	uint32_t crc = ~0u;

	for (; n != 0; n--, p++) {
		crc ^= *p;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (-(crc & 1) & 0xedb88320u);
	}
	return (~crc);
}

static uint8_t *
put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		*p++ = (uint8_t)(v >> 8 * i);
	return (p);
}

/* Seven bits a byte, the low ones first. */
static uint8_t *
put_number(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return (p);
}

static uint8_t *
pad4(uint8_t *p, const uint8_t *start)
{
	while ((p - start) % 4 != 0)
		*p++ = 0;
	return (p);
}

/* How much xz_store() writes at the most. */
static size_t
xz_room(size_t n)
{
	return (n + (n / CHUNK + 1) * 3 + 100);
}

/* The bytes as an .xz stream of one block; its size. */
static size_t
xz_store(uint8_t *out, const uint8_t *data, size_t n)
{
	/* No check: the program's memory has none.  One filter, LZMA2, with the smallest dictionary. */
	static const uint8_t magic[8] = { 0xfd, '7', 'z', 'X', 'Z', 0, 0, 0 };
	static const uint8_t block[8] = { BLOCK_HEADER / 4 - 1, 0, 0x21, 1, 0, 0, 0, 0 };
	uint8_t *p = out, *start, *index, *footer;
	size_t left, unpadded;

	memcpy(p, magic, sizeof(magic));
	p = put32(p + sizeof(magic), crc32_of(magic + 6, 2));
	start = p;
	memcpy(p, block, sizeof(block));
	p = put32(p + sizeof(block), crc32_of(block, sizeof(block)));
	for (left = n; left != 0;) {
		const size_t now = left < CHUNK ? left : CHUNK;

		*p++ = left == n ? 1 : 2;	/* plain; the first begins with an empty dictionary */
		*p++ = (uint8_t)((now - 1) >> 8);
		*p++ = (uint8_t)(now - 1);
		memcpy(p, data + (n - left), now);
		p += now;
		left -= now;
	}
	*p++ = 0;
	unpadded = (size_t)(p - start);
	index = p = pad4(p, out);
	*p++ = 0;
	*p++ = 1;
	p = put_number(p, unpadded);
	p = put_number(p, n);
	p = pad4(p, index);
	footer = put32(p, crc32_of(index, (size_t)(p - index)));
	p = put32(footer + 4, (uint32_t)((footer - index) / 4 - 1));
	*p++ = 0;
	*p++ = 0;
	put32(footer, crc32_of(footer + 4, 6));
	*p++ = 'Y';
	*p++ = 'Z';
	return ((size_t)(p - out));
}

/* ---- The module as its linker left it ---- */

/* Whether gdb wants what is in a section: debug information, symbols, how to unwind. */
static int
is_wanted(const struct elf_obj *obj, unsigned i)
{
	const ElfW(Shdr) *sh = &obj->shdr[i];

	return (sh->sh_type != SHT_NULL && sh->sh_type != SHT_NOBITS && (!elf_is_alloc(obj, i) || sh->sh_type == SHT_DYNSYM ||
	    sh->sh_type == SHT_STRTAB || strcmp(elf_secname(obj, i), ".eh_frame") == 0));
}

static size_t
align_up(size_t n, size_t to)
{
	return ((n + to - 1) & ~(to - 1));
}

/* With the same sections, but only the wanted ones' content; free() it. */
static uint8_t *
make_inner(const struct elf_obj *obj, size_t *size)
{
	const size_t headers = sizeof(ElfW(Ehdr)) + obj->nshdr * sizeof(ElfW(Shdr));
	size_t at = headers, align, room = obj->size;
	uint8_t *file;
	ElfW(Ehdr) *eh;
	ElfW(Shdr) *sh;

	for (unsigned i = 1; i < obj->nshdr; i++)
		if (is_wanted(obj, i)) {
			if (obj->shdr[i].sh_size > room)	/* they overlap: no linker's */
				return (NULL);
			room -= obj->shdr[i].sh_size;
		}
	file = malloc(headers + (obj->size - room) + obj->nshdr * sizeof(ElfW(Xword)));
	if (file == NULL)
		return (NULL);
	eh = memcpy(file, obj->data, sizeof(*eh));
	eh->e_phoff = 0;
	eh->e_phnum = 0;
	eh->e_shoff = sizeof(*eh);
	sh = memcpy(eh + 1, obj->shdr, obj->nshdr * sizeof(*sh));
	for (unsigned i = 1; i < obj->nshdr; i++) {
		if (!is_wanted(obj, i)) {
			sh[i].sh_type = sh[i].sh_type == SHT_NULL ? SHT_NULL : SHT_NOBITS;
			continue;
		}
		align = align_up(at, sizeof(ElfW(Xword)));
		memset(file + at, 0, align - at);
		at = align;
		memcpy(file + at, obj->data + sh[i].sh_offset, sh[i].sh_size);
		sh[i].sh_offset = at;
		at += sh[i].sh_size;
	}
	*size = at;
	return (file);
}

/* ---- The wrapper ---- */

/* The module's loaded sections by name and address, without content; then the two of the wrapper's own. */
static void
put_sections(const struct kld_image *image, ElfW(Shdr) *sh, char *names, size_t names_offset)
{
	const struct elf_obj *obj = image->obj;
	size_t at = 1;

	for (unsigned i = 1; i < obj->nshdr; i++) {
		if (image->sec[i].part == PART_NONE)
			continue;
		*++sh = obj->shdr[i];
		sh->sh_type = SHT_NOBITS;
		sh->sh_addr = image->part[PART_DATA].addr + image->sec[i].offset;
		sh->sh_offset = names_offset;
		sh->sh_link = sh->sh_info = 0;
		sh->sh_entsize = 0;
		sh->sh_name = (uint32_t)at;
		at = (size_t)(stpcpy(names + at, elf_secname(obj, i)) - names) + 1;
	}
	*++sh = (ElfW(Shdr)) { .sh_name = (uint32_t)at, .sh_type = SHT_PROGBITS, .sh_addralign = 1 };
	at = (size_t)(stpcpy(names + at, DEBUGDATA) - names) + 1;
	*++sh = (ElfW(Shdr)) {
		.sh_name = (uint32_t)at, .sh_type = SHT_STRTAB, .sh_addralign = 1, .sh_offset = names_offset
	};
	at = (size_t)(stpcpy(names + at, ".shstrtab") - names) + 1;
	sh->sh_size = at;
}

void *
kld_minidebug_make(const struct kld_image *image, size_t *size)
{
	const struct elf_obj *obj = image->obj;
	unsigned n = 3;		/* none, and the wrapper's own */
	size_t length = 1 + sizeof(DEBUGDATA) + sizeof(".shstrtab"), names, data, inside;
	uint8_t *file, *inner;
	ElfW(Ehdr) *eh;
	ElfW(Shdr) *sh;

	for (unsigned i = 1; i < obj->nshdr; i++)
		if (image->sec[i].part != PART_NONE) {
			length += strlen(elf_secname(obj, i)) + 1;
			n++;
		}
	if (n >= SHN_LORESERVE)
		return (NULL);
	names = sizeof(ElfW(Ehdr)) + n * sizeof(*sh);
	data = align_up(names + length, sizeof(ElfW(Xword)));
	inner = make_inner(obj, &inside);
	file = inner != NULL ? malloc(data + xz_room(inside)) : NULL;
	if (file == NULL) {
		free(inner);
		return (NULL);
	}
	memset(file, 0, data);
	memcpy(file, obj->data, sizeof(ElfW(Ehdr)));
	eh = (void *)file;
	eh->e_phnum = 0;
	eh->e_phoff = 0;
	eh->e_shoff = sizeof(*eh);
	eh->e_shnum = (uint16_t)n;
	eh->e_shstrndx = (uint16_t)(n - 1);
	/* By the distance between the entries gdb tells that a section of the one is a section of the other. */
	eh->e_entry += image->part[PART_DATA].addr - obj->dyn.lo;
	sh = (void *)(file + sizeof(ElfW(Ehdr)));
	put_sections(image, sh, (char *)file + names, names);
	sh[n - 2].sh_offset = data;
	sh[n - 2].sh_size = xz_store(file + data, inner, inside);
	*size = data + sh[n - 2].sh_size;
	free(inner);
	return (file);
}
