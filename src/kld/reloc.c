/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relocation: planned before there are addresses, written when all are final.
 *
 * The module is not run where it is relocated: everything happens in staging buffers, with the addresses that the
 * parts will have.  What a relocation writes, and how an instruction may be bettered, is the architecture's;
 * what is decided here is which symbol is meant, and what is special about the sets.
 *
 * A place in a set's part exists once more in every instance, so what is written there must be right in a copy:
 *
 *	the address of something shared			the same in every instance: nothing to do
 *	the address of a variable of the same set	each instance's own: goes on the rebase list
 *	the address of a variable of the other set	the template's, as everywhere: it is an offset
 *	a distance within the set			the same in every instance: nothing to do
 *	a distance to anything else, or an address	cannot be right in a copy: refused
 *	of the set in less than a pointer
 *
 * Whether something is a variable of a set is asked of the symbol's own address, not of the sum with the addend,
 * which may point behind the last variable.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kld_impl.h"

#define UNKNOWN_NAMED 3		/* unknown symbols that a sentence names */

static enum kld_set
set_of_part(unsigned part)
{
	return (part == PART_VNET ? SET_VNET : part == PART_PCPU ? SET_PCPU : SET_NONE);
}

static int
refuse(const struct elf_rel *rel, struct uverr *err, const char *why)
{
	return (uverr(err, ENOEXEC, "%s: %s+%#zx: %s", rel->obj->name, elf_secname(rel->obj, rel->target), rel->offset,
	    why));
}

/* The relocation that elf_rel_next() has come to; what is the same for all of its table stays in *r. */
static inline void
describe(const struct kld_image *image, const struct elf_rel *rel, struct kld_rel *r)
{
	const ElfW(Shdr) *sh = &image->obj->shdr[rel->target];

	if (rel->index == 0)
		*r = (struct kld_rel) {
			.secsize = sh->sh_size, .file = image->obj->data + sh->sh_offset,
			.in_code = (sh->sh_flags & SHF_EXECINSTR) != 0,
		};
	r->type = rel->type;
	r->sym = &image->sym[rel->sym];
	r->addend = rel->addend;
	r->offset = rel->offset;
}

/* ---- Symbols ---- */

/* __start_NAME and __stop_NAME of the module's own sections, which `ld -r` leaves open. */
static int
section_symbol(const struct kld_image *image, const char *name, struct kld_sym *sym, struct uverr *err)
{
	enum kld_partno part;
	size_t start, end;
	int stop = strncmp(name, "__stop_", 7) == 0, found;

	found = kld_section_bounds(image, name + (stop ? 7 : 8), &part, &start, &end);
	if (found == 0)
		return (-ENOENT);
	if (found < 0)
		return (uverr(err, ENOEXEC, "%s: %s: the sections of that name do not lie together", image->obj->name,
		    name));
	/* Until kld_relocate() adds the part's address, the value is the offset, as with defined symbols. */
	*sym = (struct kld_sym) { .kind = SYM_HERE, .set = set_of_part(part), .part = part, .value = stop ? end : start };
	return (0);
}

static int
define(struct kld_image *image, unsigned i, kld_resolve_t *resolve, void *arg, struct uverr *err)
{
	const struct elf_obj *obj = image->obj;
	const ElfW(Sym) *s = &obj->sym[i];
	struct kld_sym *sym = &image->sym[i];
	const char *name = elf_symname(obj, i);
	int error;

	if (i == 0 || s->st_shndx == SHN_ABS) {
		*sym = (struct kld_sym) { .kind = SYM_FOREIGN, .set = SET_NONE, .value = i == 0 ? 0 : s->st_value };
		return (0);
	}
	if (s->st_shndx != SHN_UNDEF) {
		const struct kld_sec *sec = &image->sec[s->st_shndx];

		if (sec->part == PART_NONE)
			return (uverr(err, ENOEXEC, "%s: `%s' is used by code or data, but its section %s is not loaded",
			    obj->name, name, elf_secname(obj, s->st_shndx)));
		*sym = (struct kld_sym) {
			.kind = SYM_HERE, .set = set_of_part(sec->part), .part = sec->part, .value = sec->offset + s->st_value
		};
		return (0);
	}
	if (strcmp(name, "_GLOBAL_OFFSET_TABLE_") == 0) {	/* kld_relocate() adds where the slots are */
		*sym = (struct kld_sym) { .kind = SYM_HERE, .set = SET_NONE, .part = PART_RO };
		image->got_sym = i;
		return (0);
	}
	if (KLD_ST_BIND(s->st_info) == STB_LOCAL)
		return (uverr(err, ENOEXEC, "%s: local symbol %u `%s' is not defined", obj->name, i, name));
	if (strncmp(name, "__start_", 8) == 0 || strncmp(name, "__stop_", 7) == 0)
		error = section_symbol(image, name, sym, err);
	else {
		*sym = (struct kld_sym) { .kind = SYM_FOREIGN, .set = SET_NONE };
		error = resolve(arg, name, KLD_ST_TYPE(s->st_info) == STT_TLS, sym, err);
	}
	if (error == -ENOENT && KLD_ST_BIND(s->st_info) == STB_WEAK) {
		*sym = (struct kld_sym) { .kind = SYM_ZERO, .set = SET_NONE };
		error = 0;
	}
	return (error);
}

/* Symbols that nobody has: the first of them by name. */
struct unknown {
	char names[300];
	unsigned n;
};

static void
unknown_add(struct unknown *u, const char *name)
{
	size_t used = strlen(u->names);

	if (u->n++ < UNKNOWN_NAMED)
		snprintf(u->names + used, sizeof(u->names) - used, "%s`%s'", used != 0 ? ", " : "", name);
}

static int
unknown_error(const struct unknown *u, const char *file, struct uverr *err)
{
	if (u->n > UNKNOWN_NAMED)
		return (uverr(err, ENOENT, "%s: unknown symbols %s and %u more: neither the program nor a loaded module "
		    "has them", file, u->names, u->n - UNKNOWN_NAMED));
	return (uverr(err, ENOENT, "%s: unknown symbol%s %s: neither the program nor a loaded module has %s", file,
	    u->n > 1 ? "s" : "", u->names, u->n > 1 ? "them" : "it"));
}

/* ---- The plan ---- */

static int
check_set(const struct kld_image *image, const struct elf_rel *rel, const struct kld_rtype *rt, struct uverr *err)
{
	enum kld_set here = set_of_part(image->sec[rel->target].part);
	const struct kld_sym *sym = &image->sym[rel->sym];

	if (((rt->flags & RT_TLS) != 0) != (sym->kind == SYM_TLS) && rt->width != 0)
		return (uverr(err, ENOEXEC, "%s: %s+%#zx: `%s' is %sa thread-local, and %s is not for that",
		    rel->obj->name, elf_secname(rel->obj, rel->target), rel->offset, elf_symname(rel->obj, rel->sym),
		    sym->kind == SYM_TLS ? "" : "not ", rt->name));
	if (here == SET_NONE || rt->width == 0)
		return (0);
	if ((rt->flags & RT_PCREL) != 0 && (sym->set != here || (rt->flags & RT_GOT) != 0))
		return (refuse(rel, err, "a distance from a virtual variable to something that does not move with it: "
		    "every copy would be wrong"));
	if ((rt->flags & RT_NARROW) != 0 && sym->set == here)
		return (refuse(rel, err, "a virtual variable's address in less than a pointer: every copy would be wrong"));
	return (0);
}

int
kld_plan(struct kld_image *image, kld_resolve_t *resolve, void *arg, struct uverr *err)
{
	struct unknown unknown = { .n = 0 };
	struct kld_rel r = { 0 };
	const struct kld_rtype *rt;
	struct elf_rel rel;
	struct kld_sym *sym;
	enum kld_need need;
	const char *why;
	int error;

	elf_rel_first(image->obj, &rel);
	while (elf_rel_next(&rel)) {
		rt = kld_arch_rtype(rel.type, &why);
		sym = &image->sym[rel.sym];
		error = sym->kind == SYM_UNUSED && rt->width != 0 ? define(image, rel.sym, resolve, arg, err) : 0;
		if (error == -ENOENT) {
			unknown_add(&unknown, elf_symname(image->obj, rel.sym));
			sym->kind = SYM_ZERO;
		} else if (error != 0)
			return (error);
		describe(image, &rel, &r);
		if (unknown.n != 0)		/* there will be no image: only who else is missing is of interest */
			continue;
		error = check_set(image, &rel, rt, err);
		if (error != 0)
			return (error);
		need = kld_arch_plan(image, &r);
		if (need != NEED_NOTHING && sym->slot == 0)
			sym->slot = ++image->nslot;
		if (need == NEED_STUB && sym->stub == 0)
			sym->stub = ++image->nstub;
	}
	return (unknown.n != 0 ? unknown_error(&unknown, image->obj->name, err) : 0);
}

uintptr_t
kld_slot_addr(const struct kld_image *image, const struct kld_sym *sym)
{
	return (image->part[PART_RO].addr + image->got + (sym->slot - 1) * sizeof(uintptr_t));
}

#define REACH_SLACK 0x10000

int
kld_is_within(const struct kld_image *image, const struct kld_sym *sym, int64_t reach)
{
	if (sym->kind == SYM_HERE)
		return (1);
	/* Widened first: addresses of 32 bits do not wrap. */
	return (sym->kind == SYM_FOREIGN && (int64_t)((uint64_t)sym->value - image->reach_hi) >= -reach + REACH_SLACK &&
	    (int64_t)((uint64_t)sym->value - image->reach_lo) < reach - REACH_SLACK);
}

uintptr_t
kld_stub_addr(const struct kld_image *image, const struct kld_sym *sym)
{
	return (image->part[PART_TEXT].addr + image->stubs + (sym->stub - 1) * kld_arch_stub_size);
}

/* ---- Writing ---- */

#define ZERO_UNIT 4096

static int
is_zero(const uint8_t *p, size_t n)
{
	return (n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0));
}

void
kld_copy_sparse(uint8_t *to, const uint8_t *from, size_t n)
{
	size_t unit;

	for (; n != 0; to += unit, from += unit, n -= unit) {
		unit = ZERO_UNIT - (uintptr_t)to % ZERO_UNIT;
		unit = unit < n ? unit : n;
		if (!is_zero(from, unit))
			memcpy(to, from, unit);
	}
}

static int
fill(struct kld_image *image, struct uverr *err)
{
	const struct elf_obj *obj = image->obj;

	for (unsigned k = 0; k < PART_COUNT; k++) {
		if (image->part[k].stage != NULL)
			continue;
		image->part[k].stage = calloc(1, image->part[k].filled + 1);
		if (image->part[k].stage == NULL)
			return (uverr(err, ENOMEM, "%s: no memory for its image", obj->name));
	}
	for (unsigned i = 1; i < obj->nshdr; i++) {
		const ElfW(Shdr) *sh = &obj->shdr[i];

		if (image->sec[i].part != PART_NONE && sh->sh_type != SHT_NOBITS)
			kld_copy_sparse(image->part[image->sec[i].part].stage + image->sec[i].offset, obj->data + sh->sh_offset,
			    sh->sh_size);
	}
	return (0);
}

int
kld_rebase_add(struct kld_rebase *list, uintptr_t place)
{
	if (list->n == list->room) {
		size_t room = list->room != 0 ? list->room * 2 : 64;
		uintptr_t *p = realloc(list->place, room * sizeof(*p));

		if (p == NULL)
			return (-ENOMEM);
		list->place = p;
		list->room = room;
	}
	list->place[list->n++] = place;
	return (0);
}

static int
compare(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return (x < y ? -1 : x > y);
}

/* A word that two relocations write would move twice. */
static int
rebase_check(const struct kld_image *image, struct kld_rebase *list, struct uverr *err)
{
	if (list->n > 1)
		qsort(list->place, list->n, sizeof(*list->place), compare);
	for (size_t i = 1; i < list->n; i++)
		if (list->place[i] - list->place[i - 1] < sizeof(uintptr_t))
			return (uverr(err, ENOEXEC, "%s: two relocations of one pointer in a virtual variable",
			    image->obj->name));
	return (0);
}

static int
relocate_one(struct kld_image *image, const struct elf_rel *rel, struct kld_rel *r, struct uverr *err)
{
	const struct kld_sec *sec = &image->sec[rel->target];
	const struct kld_sym *sym = &image->sym[rel->sym];
	struct kld_part *part = &image->part[sec->part];
	enum kld_set here = set_of_part(sec->part);
	const struct kld_rtype *rt;
	const char *why;
	int error;

	describe(image, rel, r);
	r->loc = part->stage + sec->offset + rel->offset;
	r->place = part->addr + sec->offset + rel->offset;
	rt = kld_arch_rtype(rel->type, &why);
	if (here != SET_NONE && (rt->flags & RT_WORD) != 0 && sym->set == here &&
	    kld_rebase_add(&image->rebase[here], r->place) != 0)
		return (uverr(err, ENOMEM, "%s: no memory for its list of pointers", rel->obj->name));
	error = kld_arch_apply(image, r, err);
	if (error != 0)
		uverr_prefix(err, "%s: %s+%#zx: %s against `%s'", rel->obj->name, elf_secname(rel->obj, rel->target),
		    rel->offset, rt->name, elf_symname(rel->obj, rel->sym));
	return (error);
}

int
kld_relocate(struct kld_image *image, struct uverr *err)
{
	struct elf_rel rel;
	struct kld_rel r = { 0 };
	int error;

	error = image->obj->is_dyn ? kld_dyn_relocate(image, err) : fill(image, err);
	if (error != 0)
		return (error);
	if (image->got_sym != 0)
		image->sym[image->got_sym].value = image->got;
	for (unsigned i = 0; i < image->obj->nsym && !image->obj->is_dyn; i++) {
		struct kld_sym *sym = &image->sym[i];

		if (sym->kind == SYM_HERE)
			sym->value += image->part[sym->part].addr;
		if (sym->slot != 0)
			memcpy(image->part[PART_RO].stage + image->got + (sym->slot - 1) * sizeof(uintptr_t), &sym->value,
			    sizeof(uintptr_t));
		if (sym->stub != 0)
			kld_arch_stub(image->part[PART_TEXT].stage + image->stubs + (sym->stub - 1) * kld_arch_stub_size,
			    kld_stub_addr(image, sym), kld_slot_addr(image, sym));
	}
	elf_rel_first(image->obj, &rel);
	while (elf_rel_next(&rel)) {
		error = relocate_one(image, &rel, &r, err);
		if (error != 0)
			return (error);
	}
	for (unsigned k = 0; k < SET_COUNT; k++) {
		error = rebase_check(image, &image->rebase[k], err);
		if (error != 0)
			return (error);
	}
	return (0);
}
