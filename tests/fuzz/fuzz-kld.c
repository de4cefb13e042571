/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the module linker with any bytes at all: reading, metadata, layout, relocation, symbols, the checks of
 * constructors and .eh_frame.  Nothing is mapped, no code of the input runs.
 * Seeds: the modules of tests/kld.  Built once with each architecture's relocations that has 64 bits.
 *
 * Every other mutation is structured: it changes one entry of one table (sections, segments, symbols, relocations,
 * the dynamic section) and leaves the headers that lead there alone, so that what is behind the first checks is met.
 *
 * The input is on the heap in its exact size, and so is each part of the image, so that a step beyond is found.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kld_impl.h"

#define PART_LIMIT ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* ---- What the linker's other files would say ---- */

struct kld_files kld_files = TAILQ_HEAD_INITIALIZER(kld_files);
const char *const sysinit_sections[SYSINIT_NKIND] = {
	"set_sysinit_set", "set_sysuninit_set", "set_vnet_sysinit_set", "set_vnet_sysuninit_set"
};

static void
frame(void *p)
{
	(void)p;
}
void (*kld_register_frame)(void *) = frame;
void (*kld_deregister_frame)(void *) = frame;

int
kld_depend(struct linker_file *file, struct linker_file *on, struct uverr *err)
{
	(void)file;
	(void)on;
	(void)err;
	return (0);
}

enum kld_set
kld_set_of(uintptr_t addr)
{
	(void)addr;
	return (SET_NONE);
}

int
kld_program_tls(uintptr_t addr)
{
	(void)addr;
	return (0);
}

int
sysinit_register(const char *name, const struct sysinit *const *const sets[SYSINIT_NKIND],
    const size_t counts[SYSINIT_NKIND], struct sysinit_file **file, struct uverr *err)
{
	(void)name;
	(void)sets;
	(void)counts;
	(void)file;
	(void)err;
	return (-ENOSYS);
}

void
sysinit_unregister(struct sysinit_file *file)
{
	(void)file;
}

/* Weak: with this machine's relocations comes its own. */
__attribute__((weak)) uintptr_t
kld_arch_thread_pointer(void)
{
	return (0);
}

/* Everything is there: near, far, virtual, by the first letter of its name. */
static int
resolve(void *arg, const char *name, int tls, struct kld_sym *sym, struct uverr *err)
{
	(void)arg;
	(void)err;
	switch (name[0] & 7) {
	case 0:
		return (-ENOENT);
	case 1:
		sym->set = SET_VNET;
		break;
	case 2:
		sym->set = SET_PCPU;
		break;
	}
	if (tls)
		sym->kind = SYM_TLS;
	sym->value = tls ? (uintptr_t)-64 : (name[0] & 8) != 0 ? (uintptr_t)0x7f0000001000 : (uintptr_t)0x555500001000;
	return (0);
}

static volatile uintptr_t sink;

static void
use(struct linker_file *file, struct kld_image *image, struct uverr *err)
{
	struct kld_linkersets sets;
	uintptr_t offset;
	size_t size = 0;

	(void)kld_linkersets_find(image, &sets, err);
	if (kld_arrays_collect(file, image, err) == 0)
		sink += file->ninit + file->nfini;
	if (kld_symtab_make(image, &file->symtab, err) == 0) {
		for (unsigned k = 0; k < PART_COUNT; k++)
			sink += (uintptr_t)kld_symtab_nearest(&file->symtab, image->part[k].addr + 40, &offset);
		sink += (uintptr_t)kld_symtab_export(&file->symtab, "sets_sum");
	}
	(void)kld_unwind_register(file, image, err);
	if (image->obj->is_dyn) {
		file->debugfile = kld_minidebug_make(image, &size);
		if (file->debugfile != NULL)
			sink += ((uint8_t *)file->debugfile)[size - 1];
		free(file->debugfile);
	}
	kld_symtab_free(&file->symtab);
	free(file->array);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name[] = "input.ko";
	struct linker_file file = { .name = name };
	struct kld_image image = { .reach_lo = 0x555500000000, .reach_hi = 0x555510000000 };
	struct elf_obj obj;
	struct kld_meta meta;
	struct uverr err;
	uint8_t *copy = malloc(size);
	size_t at = image.reach_lo;

	if (size != 0)
		memcpy(copy, data, size);
	if (elf_read("input.ko", copy, size, &obj, &err) != 0)
		goto out;
	if (kld_meta_read(&obj, &meta, &err) == 0)
		kld_meta_free(&meta);
	if (kld_layout(&obj, &image, resolve, NULL, &err) != 0)
		goto out;
	for (unsigned k = 0; k < PART_COUNT; k++) {
		if (image.part[k].size > PART_LIMIT)
			goto out;
		at = (at + image.part[k].align - 1) & ~(image.part[k].align - 1);
		image.part[k].addr = at;
		at += image.part[k].size;
	}
	if (kld_relocate(&image, &err) == 0)
		use(&file, &image, &err);
out:
	kld_image_free(&image);
	free(copy);
	return (0);
}

/* ---- The structured mutator ---- */

struct table {
	size_t start, entry, n;
};

/* Any table of the file, or n 0: the section headers, the program headers, or a section that is a table. */
static struct table
pick_table(const uint8_t *data, size_t size, unsigned r)
{
	ElfW(Ehdr) eh;
	ElfW(Shdr) sh;
	struct table t = { 0 };

	if (size < sizeof(eh))
		return (t);
	memcpy(&eh, data, sizeof(eh));
	if (r % 4 == 0)
		t = (struct table) { eh.e_shoff, sizeof(sh), eh.e_shnum };
	else if (r % 4 == 1)
		t = (struct table) { eh.e_phoff, sizeof(ElfW(Phdr)), eh.e_phnum };
	else if (eh.e_shnum != 0 && eh.e_shoff < size && size - eh.e_shoff >= eh.e_shnum * sizeof(sh)) {
		memcpy(&sh, data + eh.e_shoff + r / 4 % eh.e_shnum * sizeof(sh), sizeof(sh));
		if (sh.sh_entsize != 0 && sh.sh_entsize <= 64)
			t = (struct table) { sh.sh_offset, sh.sh_entsize, sh.sh_size / sh.sh_entsize };
	}
	if (t.start > size || t.n > (size - t.start) / (t.entry + !t.entry))
		t.n = 0;
	return (t);
}

static uint64_t
plausible(uint64_t old, uint64_t other, size_t size, unsigned r)
{
	switch (r % 9) {
	case 0:
		return (0);
	case 1:
		return (other);
	case 2:
		return (old + 1);
	case 3:
		return (old - 1);
	case 4:
		return (old + 8);
	case 5:
		return (size);
	case 6:
		return (UINT64_MAX - r / 9 % 64);
	case 7:
		return (old ^ (uint64_t)1 << r / 9 % 64);
	default:
		return (r / 9 % 4096);
	}
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	static const size_t widths[] = { 8, 8, 4, 2, 1 };
	struct table t;
	uint64_t old = 0, other = 0, value;
	size_t width, at, place, from;

	srandom(seed);
	t = pick_table(data, size, (unsigned)random());
	if (seed % 2 == 0 || t.n == 0 || t.entry < 8)
		return (LLVMFuzzerMutate(data, size, max));
	width = widths[random() % 5];
	at = (size_t)random() % (t.entry / width) * width;
	place = t.start + (size_t)random() % t.n * t.entry + at;
	from = t.start + (size_t)random() % t.n * t.entry + at;	/* the same field of another entry */
	memcpy(&old, data + place, width);
	memcpy(&other, data + from, width);
	value = plausible(old, other, size, (unsigned)random());
	memcpy(data + place, &value, width);
	return (size);
}
