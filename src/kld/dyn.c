/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared objects (ET_DYN) as modules.
 *
 * The whole image goes into the window's module space, its segments at the distances that the linker gave them; and
 * as instances mirror the whole window, the sets lie where they should without being touched.  The linker has
 * resolved whatever it could, through the GOT or relaxed: all of it is right, for nothing in the image moved.
 * Left to do are the words that depend on where the image is, and on other files.
 *
 * What a shared object no longer says is which symbol a RELATIVE word was meant to point to, only the address.  So
 * whether a word in a set points into the same set (and is each instance's own) is told from the address.  That is
 * doubtful at one address only: right behind the set's last byte, where the next section may begin.  Such a word is
 * refused rather than guessed.
 *
 * (Without section headers nobody knows where the next section begins; then it is doubtful wherever a segment goes on.)
 *
 * A symbol that the module defines is the module's, as if linked with -Bsymbolic.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <uvnet/dpcpu.h>
#include <uvnet/vnet.h>

#include "kld_impl.h"

static const char *const set_name[SET_COUNT] = { [SET_VNET] = VNET_SETNAME, [SET_PCPU] = DPCPU_SETNAME };

/* ---- Layout ---- */

/* What the section wants, or what its place allows. */
static size_t
set_align(const struct elf_obj *obj, const char *name, uintptr_t vaddr)
{
	for (unsigned i = 1; i < obj->nshdr; i++)
		if (elf_is_alloc(obj, i) && strcmp(elf_secname(obj, i), name) == 0 && obj->shdr[i].sh_addralign != 0)
			return (obj->shdr[i].sh_addralign);
	return (vaddr % 64 == 0 ? 64 : vaddr & -vaddr);
}

static int
find_sets(struct kld_image *image, struct uverr *err)
{
	const struct elf_obj *obj = image->obj;
	enum kld_partno part;
	size_t start, end;
	int found;

	for (unsigned k = 0; k < SET_COUNT; k++) {
		found = kld_section_bounds(image, set_name[k], &part, &start, &end);
		if (found < 0 || (found > 0 && !elf_dyn_contains(obj, obj->dyn.lo + start, end - start)))
			return (uverr(err, ENOEXEC, "%s: %s: not one piece of one segment", obj->name, set_name[k]));
		if (found == 0 || start == end)
			continue;
		image->set[k].start = start;
		image->set[k].size = end - start;
		image->set[k].align = set_align(obj, set_name[k], obj->dyn.lo + start);
	}
	return (0);
}

/* The set that an offset lies in. */
static enum kld_set
set_at(const struct kld_image *image, size_t offset)
{
	for (unsigned k = 0; k < SET_COUNT; k++)
		if (offset - image->set[k].start < image->set[k].size)
			return (k);
	return (SET_NONE);
}

static int
define(struct kld_image *image, size_t i, kld_resolve_t *resolve, void *arg, struct uverr *err)
{
	const struct elf_obj *obj = image->obj;
	const ElfW(Sym) *s = &obj->dyn.sym[i];
	const char *name = obj->dyn.str + s->st_name;
	struct kld_sym *sym = &image->sym[i];
	int error;

	if (i == 0 || s->st_shndx == SHN_ABS) {
		*sym = (struct kld_sym) { .kind = SYM_FOREIGN, .set = SET_NONE, .value = s->st_value };
		return (0);
	}
	if (s->st_shndx != SHN_UNDEF) {
		size_t at = s->st_value - obj->dyn.lo;

		*sym = (struct kld_sym) { .kind = SYM_HERE, .set = set_at(image, at), .part = PART_DATA, .value = at };
		for (unsigned k = 0; k < SET_COUNT; k++)	/* __stop_set_vnet lies behind the set, and is of it */
			if (strcmp(elf_secname(obj, elf_symsection(obj, s, name)), set_name[k]) == 0)
				sym->set = k;
		return (0);
	}
	*sym = (struct kld_sym) { .kind = SYM_FOREIGN, .set = SET_NONE };
	error = elf_is_mark(name) ? -ENOENT : resolve(arg, name, KLD_ST_TYPE(s->st_info) == STT_TLS, sym, err);
	if (error != -ENOENT)
		return (error);
	if (KLD_ST_BIND(s->st_info) != STB_WEAK)
		return (uverr(err, ENOENT, "%s: unknown symbol `%s': neither the program nor a loaded module has it", obj->name,
		    name));
	*sym = (struct kld_sym) { .kind = SYM_ZERO, .set = SET_NONE };
	return (0);
}

int
kld_dyn_layout(const struct elf_obj *obj, struct kld_image *image, kld_resolve_t *resolve, void *arg, struct uverr *err)
{
	struct kld_part *whole = &image->part[PART_DATA];
	const char *why;
	int error;

	image->obj = obj;
	image->sec = calloc((size_t)obj->nshdr + 1, sizeof(*image->sec));
	image->sym = calloc(obj->dyn.nsym + 1, sizeof(*image->sym));
	if (image->sec == NULL || image->sym == NULL)
		return (uverr(err, ENOMEM, "%s: no memory to lay it out", obj->name));
	for (unsigned k = 0; k < PART_COUNT; k++)
		image->part[k].align = 1;
	whole->size = whole->filled = obj->dyn.hi - obj->dyn.lo;
	whole->align = obj->dyn.align;
	for (unsigned i = 0; i < obj->nshdr; i++) {
		image->sec[i].part = i != 0 && elf_is_alloc(obj, i) ? PART_DATA : PART_NONE;
		image->sec[i].offset = obj->shdr[i].sh_addr - obj->dyn.lo;
	}
	error = find_sets(image, err);
	for (unsigned k = 0; k < 2; k++)
		for (size_t i = 0; i < obj->dyn.nrela[k] && error == 0; i++) {
			const ElfW(Rela) r = elf_dyn_rela(obj, k, i);
			enum kld_dyntype type = kld_arch_dyntype(KLD_R_TYPE(r.r_info), &why);
			struct kld_sym *sym = &image->sym[KLD_R_SYM(r.r_info)];

			if (type != DYN_WORD && type != DYN_TPOFF)
				continue;
			if (sym->kind == SYM_UNUSED)
				error = define(image, KLD_R_SYM(r.r_info), resolve, arg, err);
			if (error == 0 && (type == DYN_TPOFF) != (sym->kind == SYM_TLS))
				error = uverr(err, ENOEXEC, "%s: %#jx: `%s' is %sa thread-local, and the relocation is not for that",
				    obj->name, (uintmax_t)r.r_offset, obj->dyn.str + obj->dyn.sym[KLD_R_SYM(r.r_info)].st_name,
				    sym->kind == SYM_TLS ? "" : "not ");
		}
	return (error);
}

/* ---- Writing ---- */

struct writer {
	struct kld_image *image;
	struct uverr *err;
};

/* Write a word; `set` is the one that it points into, for the instances' own pointers. */
static int
put(struct writer *w, uintptr_t vaddr, uintptr_t value, enum kld_set set)
{
	struct kld_image *image = w->image;
	size_t at = vaddr - image->obj->dyn.lo;
	enum kld_set here = set_at(image, at);

	if (here != set_at(image, at + sizeof(value) - 1))
		return (uverr(w->err, ENOEXEC, "%s: %#jx: a relocation across the end of %s", image->obj->name,
		    (uintmax_t)vaddr, set_name[here != SET_NONE ? here : set_at(image, at + sizeof(value) - 1)]));
	if (here != SET_NONE && here == set &&
	    kld_rebase_add(&image->rebase[here], image->part[PART_DATA].addr + at) != 0)
		return (uverr(w->err, ENOMEM, "%s: no memory for its list of pointers", image->obj->name));
	memcpy(image->part[PART_DATA].stage + at, &value, sizeof(value));
	return (0);
}

/* Whether anything but the set's own end is at its end. */
static int
is_end_taken(const struct kld_image *image, size_t end)
{
	const struct elf_obj *obj = image->obj;

	if (obj->is_bare)
		return (elf_dyn_contains(obj, obj->dyn.lo + end, 1));
	for (unsigned i = 1; i < obj->nshdr; i++)
		if (image->sec[i].part != PART_NONE && image->sec[i].offset == end && obj->shdr[i].sh_size != 0)
			return (1);
	return (0);
}

/* A word that points to an address of the module, not to a symbol. */
static int
put_relative(struct writer *w, uintptr_t vaddr, uintptr_t target)
{
	const struct kld_image *image = w->image;
	size_t at = vaddr - image->obj->dyn.lo, to = target - image->obj->dyn.lo;
	enum kld_set here = set_at(image, at), set = set_at(image, to);

	if (here != SET_NONE && to == image->set[here].start + image->set[here].size) {
		if (is_end_taken(image, to))
			return (uverr(w->err, ENOEXEC, "%s: %#jx: points to the end of %s or to what comes behind it, and the "
			    "file does not say which: link the module with ld -r", image->obj->name, (uintmax_t)vaddr,
			    set_name[here]));
		set = here;
	}
	return (put(w, vaddr, image->part[PART_DATA].addr + to, set));
}

static int
put_relr(void *arg, uintptr_t vaddr)
{
	struct writer *w = arg;
	uintptr_t target;

	memcpy(&target, w->image->part[PART_DATA].stage + (vaddr - w->image->obj->dyn.lo), sizeof(target));
	return (put_relative(w, vaddr, target));
}

static int
put_rela(struct writer *w, ElfW(Rela) r)
{
	const struct kld_image *image = w->image;
	const struct kld_sym *sym = &image->sym[KLD_R_SYM(r.r_info)];
	uintptr_t value = sym->value + (uintptr_t)r.r_addend;
	const char *why;

	switch (kld_arch_dyntype(KLD_R_TYPE(r.r_info), &why)) {
	case DYN_NOTHING:
		return (0);
	case DYN_RELATIVE:
		return (put_relative(w, r.r_offset, (uintptr_t)r.r_addend));
	case DYN_TPOFF:
		return (put(w, r.r_offset, value, SET_NONE));
	default:
		if (sym->kind == SYM_HERE)
			value += image->part[PART_DATA].addr;
		return (put(w, r.r_offset, value, sym->set));
	}
}

int
kld_dyn_relocate(struct kld_image *image, struct uverr *err)
{
	const struct elf_obj *obj = image->obj;
	struct kld_part *whole = &image->part[PART_DATA];
	struct writer w = { image, err };
	int error = 0;

	if (whole->stage == NULL)
		whole->stage = calloc(1, whole->size);
	if (whole->stage == NULL)
		return (uverr(err, ENOMEM, "%s: no memory for its image", obj->name));
	for (unsigned i = 0; i < obj->dyn.nphdr; i++) {
		const ElfW(Phdr) *ph = &obj->dyn.phdr[i];

		if (ph->p_type == PT_LOAD)
			kld_copy_sparse(whole->stage + (ph->p_vaddr - obj->dyn.lo), obj->data + ph->p_offset, ph->p_filesz);
	}
	error = elf_dyn_relr(obj, put_relr, &w);
	for (unsigned k = 0; k < 2; k++)
		for (size_t i = 0; i < obj->dyn.nrela[k] && error == 0; i++)
			error = put_rela(&w, elf_dyn_rela(obj, k, i));
	return (error);
}

/* ---- Rights ---- */

size_t
kld_dyn_constant(const struct kld_image *image, size_t page)
{
	const struct elf_obj *obj = image->obj;
	size_t end = image->part[PART_DATA].size;

	for (unsigned i = 0; i < obj->dyn.nphdr; i++) {
		const ElfW(Phdr) *ph = &obj->dyn.phdr[i];

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_W) != 0 && ph->p_vaddr - obj->dyn.lo < end)
			end = ph->p_vaddr - obj->dyn.lo;
	}
	return (end & ~(page - 1));
}

/* A page has what the segments on it have, less what nobody needs any more: PROT_ values. */
int
kld_dyn_rights(const struct kld_image *image, size_t at, size_t page)
{
	const struct elf_obj *obj = image->obj;
	int prot = 0, closed = 0;

	for (unsigned i = 0; i < obj->dyn.nphdr; i++) {
		const ElfW(Phdr) *ph = &obj->dyn.phdr[i];
		size_t start = ph->p_vaddr - obj->dyn.lo, end = start + ph->p_memsz;

		if (ph->p_type == PT_LOAD && start < at + page && end > at)
			prot |= ((ph->p_flags & PF_R) != 0 ? PROT_READ : 0) | ((ph->p_flags & PF_W) != 0 ? PROT_WRITE : 0) |
			    ((ph->p_flags & PF_X) != 0 ? PROT_EXEC | PROT_READ : 0);
		if (ph->p_type == PT_GNU_RELRO && at >= (start & ~(page - 1)) && at + page <= end)
			closed = 1;
	}
	for (unsigned k = 0; k < SET_COUNT; k++)
		if (image->set[k].size != 0 && at >= image->set[k].start &&
		    at + page <= image->set[k].start + image->set[k].size)
			closed = 1;
	return (closed ? prot & ~PROT_WRITE : prot);
}
