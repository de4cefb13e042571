/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which section goes where.
 *
 *	text		r-x	code, then stubs (jumps to functions out of reach)
 *	read-only	r--	constants; what only relocation writes (.data.rel.ro, constructors); .eh_frame; slots
 *	data		rw-	the module's shared variables, .bss last
 *	set_vnet, set_pcpu	parts of the two sets: they go where the sets' templates are
 *
 * Each part is a run of sections with their alignments; the first three follow each other on pages of their own.
 * A set's part is moved as one block, so code may reach its variables by distances from each other.
 *
 * Nothing about a variable being virtual goes beyond this file's choice of its place (and the rebase list in
 * reloc.c): references to it are relocated like any other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uvnet/dpcpu.h>
#include <uvnet/vnet.h>

#include "kld_impl.h"

/* Room behind .eh_frame for the zero word that ends it. */
#define EH_FRAME_END 4
/* A cache line: modules do not share one in the packed spaces. */
#define SET_ALIGN 64

/* Written by relocation and then never again. */
static const char *const read_only_after[] = {
	".data.rel.ro", ".init_array", ".fini_array", "set_modmetadata_set",
	"set_sysinit_set", "set_sysuninit_set", "set_vnet_sysinit_set", "set_vnet_sysuninit_set",
};

static enum kld_partno
part_of(const struct elf_obj *obj, unsigned i)
{
	const char *name = elf_secname(obj, i);

	if (strcmp(name, VNET_SETNAME) == 0)
		return (PART_VNET);
	if (strcmp(name, DPCPU_SETNAME) == 0)
		return (PART_PCPU);
	if ((obj->shdr[i].sh_flags & SHF_EXECINSTR) != 0)
		return (PART_TEXT);
	if ((obj->shdr[i].sh_flags & SHF_WRITE) == 0)
		return (PART_RO);
	for (size_t k = 0; k < sizeof(read_only_after) / sizeof(read_only_after[0]); k++) {
		size_t n = strlen(read_only_after[k]);

		if (strncmp(name, read_only_after[k], n) == 0 && (name[n] == '\0' || name[n] == '.'))
			return (PART_RO);
	}
	return (PART_DATA);
}

/* Append `size` bytes to a part; their offset.  Parts stay below KLD_PART_MAX. */
static int
append(const struct elf_obj *obj, struct kld_part *part, size_t size, size_t align, size_t *offset, struct uverr *err)
{
	size_t at;

	if (align == 0)
		align = 1;
	at = (part->size + align - 1) & ~(align - 1);
	if (at > KLD_PART_MAX || size > KLD_PART_MAX - at)
		return (uverr(err, ENOSPC, "%s: bigger than any module space", obj->name));
	part->size = at + size;
	if (align > part->align)
		part->align = align;
	*offset = at;
	return (0);
}

static int
place_section(struct kld_image *image, unsigned i, struct uverr *err)
{
	const struct elf_obj *obj = image->obj;
	const ElfW(Shdr) *sh = &obj->shdr[i];
	enum kld_partno no = image->sec[i].part;
	struct kld_part *part = &image->part[no];
	size_t size = sh->sh_size;
	int error;

	if ((no == PART_VNET || no == PART_PCPU) && (sh->sh_flags & SHF_EXECINSTR) != 0)
		return (uverr(err, ENOEXEC, "%s: %s: holds code", obj->name, elf_secname(obj, i)));
	if (strcmp(elf_secname(obj, i), ".eh_frame") == 0)
		size += EH_FRAME_END;
	error = append(obj, part, size, sh->sh_addralign, &image->sec[i].offset, err);
	if (error != 0)
		return (error);
	if (sh->sh_type != SHT_NOBITS)
		part->filled = part->size;
	return (0);
}

static int
place_sections(struct kld_image *image, struct uverr *err)
{
	const struct elf_obj *obj = image->obj;
	int error;

	for (unsigned i = 0; i < obj->nshdr; i++)
		image->sec[i].part = i != 0 && elf_is_alloc(obj, i) ? part_of(obj, i) : PART_NONE;
	/* Sections without bytes last, so that the part's tail needs no staging. */
	for (int nobits = 0; nobits <= 1; nobits++)
		for (unsigned i = 1; i < obj->nshdr; i++) {
			if (image->sec[i].part == PART_NONE || (obj->shdr[i].sh_type == SHT_NOBITS) != nobits)
				continue;
			error = place_section(image, i, err);
			if (error != 0)
				return (error);
		}
	return (0);
}

int
kld_layout(const struct elf_obj *obj, struct kld_image *image, kld_resolve_t *resolve, void *arg, struct uverr *err)
{
	struct kld_part *text = &image->part[PART_TEXT], *ro = &image->part[PART_RO];
	int error;

	if (obj->is_dyn)
		return (kld_dyn_layout(obj, image, resolve, arg, err));
	image->obj = obj;
	image->sec = calloc(obj->nshdr, sizeof(*image->sec));
	image->sym = calloc((size_t)obj->nsym + 1, sizeof(*image->sym));
	if (image->sec == NULL || image->sym == NULL)
		return (uverr(err, ENOMEM, "%s: no memory to lay it out", obj->name));
	for (unsigned k = 0; k < PART_COUNT; k++)
		image->part[k].align = k == PART_VNET || k == PART_PCPU ? SET_ALIGN : 1;

	error = place_sections(image, err);
	if (error == 0)
		error = kld_plan(image, resolve, arg, err);
	if (error == 0 && image->nstub != 0)
		error = append(obj, text, image->nstub * kld_arch_stub_size, kld_arch_stub_size, &image->stubs, err);
	if (error == 0 && image->nslot != 0)
		error = append(obj, ro, image->nslot * sizeof(uintptr_t), sizeof(uintptr_t), &image->got, err);
	if (error != 0)
		return (error);
	if (image->nstub != 0)
		text->filled = text->size;
	if (image->nslot != 0)
		ro->filled = ro->size;
	return (0);
}

int
kld_section_bounds(const struct kld_image *image, const char *name, enum kld_partno *part, size_t *start, size_t *end)
{
	const struct elf_obj *obj = image->obj;
	int found = 0;

	for (unsigned i = 1; i < obj->nshdr; i++) {
		if (image->sec[i].part == PART_NONE || strcmp(elf_secname(obj, i), name) != 0)
			continue;
		if (!found) {
			*part = image->sec[i].part;
			*start = *end = image->sec[i].offset;
		} else if (image->sec[i].part != *part || image->sec[i].offset != *end)
			return (-1);
		*end = image->sec[i].offset + obj->shdr[i].sh_size;
		found = 1;
	}
	return (found);
}

void
kld_image_free(struct kld_image *image)
{
	for (unsigned k = 0; k < PART_COUNT; k++)
		if ((uintptr_t)image->part[k].stage != image->part[k].addr)
			free(image->part[k].stage);
	for (unsigned k = 0; k < SET_COUNT; k++)
		free(image->rebase[k].place);
	free(image->sec);
	free(image->sym);
	*image = (struct kld_image) { 0 };
}
