/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program itself as a linker file.
 *
 * Its linker already placed its parts of the sets at the heads of the window's spaces, and the system's loader
 * relocated them.  What is missing for instances is the rebase list: which words of the templates point into a
 * template.  The program's own dynamic relocations say that exactly; a position-independent program has one for
 * each word that holds an address.  (A program at a fixed address has none, and is refused.)  The loader applied
 * them, so the words are read, whatever kind of relocation it was.
 *
 * Its symbols, statics included, are in its file, which is mapped and stays so: naming an address is then nothing
 * but reading memory.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uvnet/dpcpu.h>
#include <uvnet/vnet.h>

#include "kld_impl.h"

#define HIDDEN __attribute__((visibility("hidden")))
#define HIDDEN_WEAK __attribute__((visibility("hidden"), weak))

extern const ElfW(Ehdr) __ehdr_start HIDDEN;
extern ElfW(Dyn) _DYNAMIC[] HIDDEN_WEAK;

#define BOUNDS(set) extern char __start_##set[] HIDDEN_WEAK, __stop_##set[] HIDDEN_WEAK
BOUNDS(set_vnet);
BOUNDS(set_pcpu);
BOUNDS(set_modmetadata_set);
BOUNDS(set_sysinit_set);
BOUNDS(set_sysuninit_set);
BOUNDS(set_vnet_sysinit_set);
BOUNDS(set_vnet_sysuninit_set);

static const struct {
	const char *name;
	char *start, *stop;
} template[SET_COUNT] = {
	[SET_VNET] = { VNET_SETNAME, __start_set_vnet, __stop_set_vnet },
	[SET_PCPU] = { DPCPU_SETNAME, __start_set_pcpu, __stop_set_pcpu },
};

static const struct {
	char *start, *stop;
} ctors[SYSINIT_NKIND] = {
	[SYSINIT_SYS] = { __start_set_sysinit_set, __stop_set_sysinit_set },
	[SYSINIT_SYSUN] = { __start_set_sysuninit_set, __stop_set_sysuninit_set },
	[SYSINIT_VNET] = { __start_set_vnet_sysinit_set, __stop_set_vnet_sysinit_set },
	[SYSINIT_VNETUN] = { __start_set_vnet_sysuninit_set, __stop_set_vnet_sysuninit_set },
};

void (*kld_register_frame)(void *);
void (*kld_deregister_frame)(void *);

static uintptr_t bias;
static void *file_map;
static size_t file_size, tls_size, tls_offset;

/* ---- Where the program is ---- */

static const ElfW(Phdr) *
phdr(unsigned i)
{
	return ((const ElfW(Phdr) *)(const void *)((const char *)&__ehdr_start + __ehdr_start.e_phoff) + i);
}

int
kld_program_contains(uintptr_t addr)
{
	if (vset_in_window(addr))
		return (0);
	for (unsigned i = 0; i < __ehdr_start.e_phnum; i++)
		if (phdr(i)->p_type == PT_LOAD && addr - bias - phdr(i)->p_vaddr < phdr(i)->p_memsz)
			return (1);
	return (0);
}

/* dl_iterate_phdr(3) begins with the program. */
static int
note_program(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	bias = info->dlpi_addr;
	tls_size = 0;
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_TLS && info->dlpi_tls_data != NULL) {
			tls_size = info->dlpi_phdr[i].p_memsz;
			tls_offset = (uintptr_t)info->dlpi_tls_data - kld_arch_thread_pointer();
		}
	return (1);
}

int
kld_program_tls(uintptr_t addr)
{
	return (addr - kld_arch_thread_pointer() - tls_offset < tls_size);
}

/* ---- Symbols and sections, from the file ---- */

static int
in_map(uintptr_t offset, size_t size)
{
	return (offset <= file_size && size <= file_size - offset);
}

/* The program runs, so its file is sane; it may be stripped, or not to be had: then nothing can be named. */
static const ElfW(Shdr) *
map_file(unsigned *nshdr)
{
	const ElfW(Ehdr) *eh;
	struct stat st;
	void *p;
	int fd;

	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return (NULL);
	p = fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(*eh) ?
	    mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	close(fd);
	if (p == MAP_FAILED)
		return (NULL);
	file_map = p;
	file_size = st.st_size;
	eh = p;
	*nshdr = eh->e_shnum;
	if (memcmp(eh, &__ehdr_start, offsetof(ElfW(Ehdr), e_phoff)) != 0 ||
	    eh->e_shentsize != sizeof(ElfW(Shdr)) || eh->e_shoff % _Alignof(ElfW(Shdr)) != 0 ||
	    !in_map(eh->e_shoff, *nshdr * sizeof(ElfW(Shdr))))
		return (NULL);	/* a wrapper's file, as valgrind's or qemu's */
	return ((const void *)((const char *)p + eh->e_shoff));
}

static void
read_symbols(struct kld_symtab *tab, const ElfW(Shdr) *sh, unsigned n, uint32_t type)
{
	const char *base = file_map;

	for (unsigned i = 0; i < n; i++) {
		const ElfW(Shdr) *str = &sh[sh[i].sh_link < n ? sh[i].sh_link : 0];

		if (sh[i].sh_type != type || sh[i].sh_entsize != sizeof(ElfW(Sym)) ||
		    !in_map(sh[i].sh_offset, sh[i].sh_size) || !in_map(str->sh_offset, str->sh_size) ||
		    str->sh_size == 0 || base[str->sh_offset + str->sh_size - 1] != '\0')
			continue;
		tab->sym = (const void *)(base + sh[i].sh_offset);
		tab->nsym = sh[i].sh_size / sizeof(ElfW(Sym));
		tab->str = base + str->sh_offset;
		tab->bias = bias;
		return;
	}
}

/* What the template's variables want, at most; a guess from where it lies if the file does not say. */
static size_t
alignment(const ElfW(Shdr) *sh, unsigned n, uintptr_t start)
{
	for (unsigned i = 0; i < n; i++)
		if (sh[i].sh_addr == start - bias && (sh[i].sh_flags & SHF_ALLOC) != 0 && sh[i].sh_size != 0)
			return (sh[i].sh_addralign);
	return (start % 64 == 0 ? 64 : start & -start);
}

/* ---- Rebase lists ---- */

struct rebase_walk {
	struct kld_rebase *rebase;
	int nomem;
};

/* A word that the loader relocated: does it point from a set's template into the same set's? */
static void
consider(struct rebase_walk *walk, uintptr_t place)
{
	for (unsigned k = 0; k < SET_COUNT; k++) {
		uintptr_t start = (uintptr_t)template[k].start, stop = (uintptr_t)template[k].stop, value;

		if (place - start >= stop - start)
			continue;
		memcpy(&value, (const void *)place, sizeof(value));
		/* `stop` itself is where a pointer behind the last variable points: nothing else is there. */
		if (value - start <= stop - start && kld_rebase_add(&walk->rebase[k], place) != 0)
			walk->nomem = 1;
	}
}

static void
walk_relr(struct rebase_walk *walk, const uintptr_t *relr, size_t n)
{
	uintptr_t next = 0;

	for (size_t i = 0; i < n; i++) {
		if ((relr[i] & 1) == 0) {
			next = relr[i] + bias;
			consider(walk, next);
			next += sizeof(uintptr_t);
			continue;
		}
		for (unsigned bit = 1; bit < sizeof(uintptr_t) * 8; bit++)
			if ((relr[i] >> bit & 1) != 0)
				consider(walk, next + (bit - 1) * sizeof(uintptr_t));
		next += (sizeof(uintptr_t) * 8 - 1) * sizeof(uintptr_t);
	}
}

#ifndef DT_RELR		/* glibc 2.36 */
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

static int
find_rebase(const struct linker_file *file, struct kld_rebase rebase[SET_COUNT], struct uverr *err)
{
	uintptr_t rela = 0, rel = 0, relr = 0;
	size_t relasz = 0, relsz = 0, relrsz = 0;
	struct rebase_walk walk = { .rebase = rebase };

	for (const ElfW(Dyn) *d = _DYNAMIC; d->d_tag != DT_NULL; d++)
		switch (d->d_tag) {
		case DT_RELA: rela = d->d_un.d_ptr; break;
		case DT_RELASZ: relasz = d->d_un.d_val; break;
		case DT_REL: rel = d->d_un.d_ptr; break;
		case DT_RELSZ: relsz = d->d_un.d_val; break;
		case DT_RELR: relr = d->d_un.d_ptr; break;
		case DT_RELRSZ: relrsz = d->d_un.d_val; break;
		}
	/* Some loaders (glibc's) turn these into addresses, others leave offsets. */
	rela += rela < bias ? bias : 0;
	rel += rel < bias ? bias : 0;
	relr += relr < bias ? bias : 0;
	for (size_t i = 0; i < relasz / sizeof(ElfW(Rela)); i++) {
		const ElfW(Rela) *r = (const ElfW(Rela) *)rela + i;

		if (kld_arch_dyn_word(KLD_R_TYPE(r->r_info)))
			consider(&walk, r->r_offset + bias);
	}
	for (size_t i = 0; i < relsz / sizeof(ElfW(Rel)); i++) {
		const ElfW(Rel) *r = (const ElfW(Rel) *)rel + i;

		if (kld_arch_dyn_word(KLD_R_TYPE(r->r_info)))
			consider(&walk, r->r_offset + bias);
	}
	walk_relr(&walk, (const uintptr_t *)relr, relrsz / sizeof(uintptr_t));
	if (walk.nomem)
		return (uverr(err, ENOMEM, "%s: no memory for its list of pointers", file->name));
	return (0);
}

/* ---- Coming and going ---- */

/* The unwinder is in libgcc_s, which a C program may not have asked for. */
static void
find_unwinder(void)
{
	void *handle = RTLD_DEFAULT;

	if (dlsym(RTLD_DEFAULT, "__register_frame") == NULL) {
		handle = dlopen("libgcc_s.so.1", RTLD_NOW);	/* stays: backtrace(3) wants it too */
		if (handle == NULL)
			return;
	}
	kld_register_frame = (void (*)(void *))dlsym(handle, "__register_frame");
	kld_deregister_frame = (void (*)(void *))dlsym(handle, "__deregister_frame");
	if (kld_deregister_frame == NULL)
		kld_register_frame = NULL;
}

int
kld_program_open(struct linker_file *file, struct kld_linkersets *sets, struct kld_rebase rebase[SET_COUNT],
    struct uverr *err)
{
	const ElfW(Shdr) *sh;
	unsigned nshdr = 0;

	if (__ehdr_start.e_type != ET_DYN || (uintptr_t)_DYNAMIC == 0)
		return (uverr(err, ENOTSUP, "%s: linked for a fixed address, so it does not say where its templates hold "
		    "pointers: link it with -pie (and -fPIE), dynamically", file->name));
	dl_iterate_phdr(note_program, NULL);
	find_unwinder();

	sh = map_file(&nshdr);
	if (sh == NULL)
		nshdr = 0;
	read_symbols(&file->symtab, sh, nshdr, SHT_SYMTAB);
	if (file->symtab.sym == NULL)
		read_symbols(&file->symtab, sh, nshdr, SHT_DYNSYM);

	for (unsigned k = 0; k < SET_COUNT; k++) {
		if (template[k].start == template[k].stop)
			continue;
		file->set[k].addr = (uintptr_t)template[k].start;
		file->set[k].size = template[k].stop - template[k].start;
		file->set[k].align = alignment(sh, nshdr, file->set[k].addr);
	}
	for (unsigned k = 0; k < SYSINIT_NKIND; k++) {
		sets->start[k] = (const void *)ctors[k].start;
		sets->n[k] = (ctors[k].stop - ctors[k].start) / sizeof(void *);
	}
	sets->meta = (const void *)__start_set_modmetadata_set;
	sets->nmeta = (__stop_set_modmetadata_set - __start_set_modmetadata_set) / sizeof(void *);
	return (find_rebase(file, rebase, err));
}

void
kld_program_close(void)
{
	if (file_map != NULL)
		munmap(file_map, file_size);
	file_map = NULL;
}
