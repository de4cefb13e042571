/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How FreeBSD's link_elf.c loads a module with VNET variables (link_elf_load_file(), parse_vnet(), elf_relocaddr()):
 *
 *	map the module's segments wherever there is room
 *	take room for its set in the area that the stacks mirror; copy the set there
 *	relocate; an address that lies in the module's set is replaced by the one in that area
 *
 * The last step redirects every reference that goes through a word which a relocation fills: a slot of the GOT.
 * Code that computes the address itself is not asked, and goes on to use the module's own copy, which no stack
 * mirrors.  Everything lies in one arena, at distances that make such an access hit a page that is not there, as
 * in the kernel (there it is a panic):
 *
 *	| module | ... | area | ... | stack 0's | ... | stack 1's | ...
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gotloader.h"
#include "machine.h"

#define AREA ((uintptr_t)16 << 20)
#define STACK(i) ((uintptr_t)64 * (1 + (i)) << 20)

struct got_module {
	const uint8_t *file;
	size_t filesize;
	uint8_t *at;			/* where its address 0 is */
	uintptr_t set, set_end, moved;	/* addresses in the module; how far the set was moved */
	const ElfW(Sym) *sym;
	size_t nsym;
	const char *str;
};

static const ElfW(Shdr) *
section(const struct got_module *m, const char *name)
{
	const ElfW(Ehdr) *eh = (const void *)m->file;
	const ElfW(Shdr) *sh = (const void *)(m->file + eh->e_shoff);

	for (unsigned i = 1; i < eh->e_shnum; i++)
		if (strcmp((const char *)m->file + sh[eh->e_shstrndx].sh_offset + sh[i].sh_name, name) == 0)
			return (&sh[i]);
	return (NULL);
}

/* elf_relocaddr(): the address, or where its variable was moved. */
static uintptr_t
relocaddr(const struct got_module *m, uintptr_t addr)
{
	return (addr >= m->set && addr < m->set_end ? addr + m->moved : addr);
}

static int
relocate(const struct got_module *m, const relocation_t *r)
{
	const ElfW(Sym) *s = &m->sym[R_SYM(r->r_info)];
	const char *name = m->str + s->st_name;
	const unsigned type = R_TYPE(r->r_info);
	uintptr_t value, addend;

#ifdef ADDEND
	addend = ADDEND(r);
#else
	memcpy(&addend, m->at + r->r_offset, sizeof(addend));
#endif
	if (type == R_DYN(RELATIVE))
		value = relocaddr(m, (uintptr_t)m->at + addend);
	else if (type == R_DYN_GOT || type == R_DYN_WORD) {
		value = s->st_shndx != SHN_UNDEF ? relocaddr(m, (uintptr_t)m->at + s->st_value) :
		    (uintptr_t)dlsym(RTLD_DEFAULT, name);
		value += type == R_DYN_WORD ? addend : 0;
	} else if (type == R_DYN_TPOFF)	/* curvnet_base: here it is a thread-local, in the kernel curthread's field */
		value = (uintptr_t)dlsym(RTLD_DEFAULT, name) - (uintptr_t)__builtin_thread_pointer();
	else {
		fprintf(stderr, "gotloader: relocation type %u\n", type);
		return (-1);
	}
	memcpy(m->at + r->r_offset, &value, sizeof(value));
	return (0);
}

static int
map_segments(const struct got_module *m)
{
	const ElfW(Ehdr) *eh = (const void *)m->file;
	const ElfW(Phdr) *ph = (const void *)(m->file + eh->e_phoff);
	const ElfW(Shdr) *rela = section(m, RELOCATIONS ".dyn");

	for (unsigned i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD) {
			uintptr_t start = ph[i].p_vaddr & ~(uintptr_t)4095;

			if (mprotect(m->at + start, ph[i].p_vaddr + ph[i].p_memsz - start, PROT_READ | PROT_WRITE) != 0)
				return (-1);
			memcpy(m->at + ph[i].p_vaddr, m->file + ph[i].p_offset, ph[i].p_filesz);
		}
	for (size_t i = 0; rela != NULL && i < rela->sh_size / sizeof(relocation_t); i++)
		if (relocate(m, (const relocation_t *)(const void *)(m->file + rela->sh_offset) + i) != 0)
			return (-1);
	for (unsigned i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X) != 0) {
			uintptr_t start = ph[i].p_vaddr & ~(uintptr_t)4095;

			if (mprotect(m->at + start, ph[i].p_vaddr + ph[i].p_memsz - start, PROT_READ | PROT_EXEC) != 0)
				return (-1);
		}
	return (0);
}

/* parse_vnet(): the set gets room in the area, and the stacks their copies of it. */
static int
place_set(struct got_module *m, uintptr_t base[GOT_STACKS])
{
	const ElfW(Shdr) *set = section(m, "set_vnet");
	const uint8_t *from = m->file + set->sh_offset;

	m->set = (uintptr_t)m->at + set->sh_addr;
	m->set_end = m->set + set->sh_size;
	m->moved = (uintptr_t)m->at + AREA - m->set;
	for (int i = 0; i < GOT_STACKS; i++) {
		if (mprotect(m->at + STACK(i), set->sh_size, PROT_READ | PROT_WRITE) != 0)
			return (-1);
		memcpy(m->at + STACK(i), from, set->sh_size);
		base[i] = STACK(i) - AREA;
	}
	return (0);
}

void *
got_load(const char *path, uintptr_t base[GOT_STACKS])
{
	struct got_module *m = calloc(1, sizeof(*m));
	const ElfW(Shdr) *sym, *str;
	struct stat st;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (m == NULL || fd < 0 || fstat(fd, &st) != 0)
		goto fail;
	m->file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	m->at = mmap(NULL, STACK(GOT_STACKS), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	m->filesize = st.st_size;
	if (m->file == MAP_FAILED || m->at == MAP_FAILED)
		goto fail;
	sym = section(m, ".dynsym");
	str = section(m, ".dynstr");
	m->sym = (const void *)(m->file + sym->sh_offset);
	m->nsym = sym->sh_size / sizeof(*m->sym);
	m->str = (const char *)m->file + str->sh_offset;
	if (place_set(m, base) != 0 || map_segments(m) != 0)
		goto fail;
	close(fd);
	return (m);

fail:
	perror(path);
	exit(1);
}

void
got_unload(void *module)
{
	struct got_module *m = module;

	munmap(m->at, STACK(GOT_STACKS));
	munmap((void *)(uintptr_t)m->file, m->filesize);
	free(m);
}

void *
got_lookup(void *module, const char *name)
{
	const struct got_module *m = module;

	for (size_t i = 1; i < m->nsym; i++)
		if (m->sym[i].st_shndx != SHN_UNDEF && strcmp(m->str + m->sym[i].st_name, name) == 0)
			return (m->at + m->sym[i].st_value);
	return (NULL);
}
