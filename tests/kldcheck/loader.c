/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads a module as FreeBSD's kernel does, for qemu-aarch64, and says whether its references reach an instance.
 *
 * The image is mapped, the set is moved to a "master copy", R_AARCH64_RELATIVE words that point into the set are
 * redirected to it, and GLOB_DAT words likewise.  Two instances mirror the master at distances of their own.  Then the
 * module's functions (test_*) each return the value that they found through the current instance; the loader compares
 * with what that instance holds.  A reference that was not redirected reads from "instance + module's own copy", which
 * is filled with a mark.
 *
 * usage: loader MODULE		prints "N right, M wrong", exit status 0 when none is wrong
 */
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/stat.h>

#define SPACE	(64u << 20) /* the image at 0, the master at 16M; instances are the same again, 64M on each */
#define MASTER	(16u << 20)

struct vnet {
	uintptr_t vnet_data_base;
};
static struct vnet vnets[2], *curvnet;
static uintptr_t dpcpu_base;
static char *image;
static uint64_t start[2], stop[2];

static void
kernel_call(void *p, ...)
{
	(void)p;
}

static uint64_t
redirect(uint64_t addr)
{
	for (unsigned k = 0; k < 2; k++)
		if (addr >= start[k] && addr < stop[k])
			return ((uint64_t)image + MASTER + k * (4u << 20) + (addr - start[k]));
	return ((uint64_t)image + addr);
}

static uint64_t
lookup(const char *name)
{
	if (strcmp(name, "curvnet") == 0)
		return ((uint64_t)&curvnet);
	if (strcmp(name, "dpcpu_base") == 0)
		return ((uint64_t)&dpcpu_base);
	if (strcmp(name, "kernel_call") == 0)
		return ((uint64_t)kernel_call);
	fprintf(stderr, "loader: %s is undefined\n", name);
	exit(2);
}

int
main(int argc, char **argv)
{
	static char file[1 << 20];
	const Elf64_Ehdr *eh = (void *)file;
	const Elf64_Phdr *ph;
	const Elf64_Shdr *sh;
	const char *names;
	unsigned right = 0, wrong = 0;
	FILE *f;

	if (argc != 2 || (f = fopen(argv[1], "rb")) == NULL || fread(file, 1, sizeof(file), f) < sizeof(*eh)) {
		fprintf(stderr, "usage: loader MODULE\n");
		return (2);
	}
	fclose(f);
	image = mmap(NULL, 3 * (size_t)SPACE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (image == MAP_FAILED)
		return (2);
	ph = (void *)(file + eh->e_phoff);
	for (unsigned i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD)
			memcpy(image + ph[i].p_vaddr, file + ph[i].p_offset, ph[i].p_filesz);
	sh = (void *)(file + eh->e_shoff);
	names = file + sh[eh->e_shstrndx].sh_offset;
	for (unsigned i = 0; i < eh->e_shnum; i++)
		for (unsigned k = 0; k < 2; k++)
			if (strcmp(names + sh[i].sh_name, k == 0 ? "set_vnet" : "set_pcpu") == 0) {
				start[k] = sh[i].sh_addr;
				stop[k] = sh[i].sh_addr + sh[i].sh_size;
			}
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		const Elf64_Rela *r = (void *)(file + sh[i].sh_offset);
		const Elf64_Sym *sym;
		const char *str;

		if (sh[i].sh_type != SHT_RELA || (sh[i].sh_flags & SHF_ALLOC) == 0)
			continue;
		sym = (void *)(file + sh[sh[i].sh_link].sh_offset);
		str = file + sh[sh[sh[i].sh_link].sh_link].sh_offset;
		for (unsigned k = 0; k < sh[i].sh_size / sizeof(*r); k++) {
			uint64_t *where = (void *)(image + r[k].r_offset);
			const Elf64_Sym *s = &sym[ELF64_R_SYM(r[k].r_info)];

			switch (ELF64_R_TYPE(r[k].r_info)) {
			case R_AARCH64_RELATIVE:
				*where = redirect((uint64_t)r[k].r_addend);
				break;
			case R_AARCH64_ABS64:
			case R_AARCH64_GLOB_DAT:
			case R_AARCH64_JUMP_SLOT:
				*where = s->st_shndx == 0 ? lookup(str + s->st_name) + (uint64_t)r[k].r_addend :
							    redirect(s->st_value + (uint64_t)r[k].r_addend);
				break;
			default:
				fprintf(stderr, "loader: relocation type %u\n", (unsigned)ELF64_R_TYPE(r[k].r_info));
				return (2);
			}
		}
	}
	/* Instance k of the master holds k * 1000 + the word's number; where a wrong reference reads, there is a mark. */
	for (unsigned v = 0; v < 2; v++) {
		vnets[v].vnet_data_base = (uintptr_t)(v + 1) * SPACE;
		for (unsigned k = 0; k < 2; k++) {
			uint32_t *good = (void *)(image + (v + 1) * (size_t)SPACE + MASTER + k * (4u << 20));
			uint32_t *bad = (void *)(image + (v + 1) * (size_t)SPACE + start[k]);

			for (unsigned w = 0; w < (stop[k] - start[k]) / 4; w++) {
				good[w] = (v + 1) * 1000 + w;
				bad[w] = 0xdead;
			}
		}
	}
	__builtin___clear_cache(image, image + MASTER);
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		const Elf64_Sym *s = (void *)(file + sh[i].sh_offset);
		const char *str = file + sh[sh[i].sh_link].sh_offset;

		if (sh[i].sh_type != SHT_SYMTAB)
			continue;
		for (unsigned k = 0; k < sh[i].sh_size / sizeof(*s); k++)
			for (unsigned v = 0; v < 2; v++) {
				int got;

				if (strncmp(str + s[k].st_name, "test_", 5) != 0)
					continue;
				curvnet = &vnets[v];
				dpcpu_base = vnets[v].vnet_data_base;
				got = ((int (*)(void))(image + s[k].st_value))();
				if (got / 1000 == (int)v + 1)
					right++;
				else
					wrong++;
			}
	}
	printf("%u right, %u wrong\n", right, wrong);
	return (right == 0 || wrong != 0);
}
