/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a module says of itself: its name and version, what it needs.
 *
 * What a module needs must be there before its symbols can be resolved, so its metadata is read from the file
 * as it is, unrelocated: the linker set holds nothing but relocations, and each leads to a record in another
 * section, whose name is one more relocation away.  That nothing is loaded for it makes it also the way to look at
 * a module without loading it.  The program's own metadata is there already; kld_meta_live() reads that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kld_impl.h"

#define META_SECTION "set_modmetadata_set"

/*
 * Where the pointer at section+offset will point: a place in a section with bytes, with `size` bytes behind it.  In a
 * shared object places have addresses: they are section 0, and in a segment.
 */
static const uint8_t *
follow_dyn(const struct elf_obj *obj, unsigned shndx, size_t offset, size_t size, unsigned *tsec, size_t *toff,
    size_t *left)
{
	uintptr_t to;

	if (!elf_dyn_follow(obj, (shndx != 0 ? obj->shdr[shndx].sh_addr : 0) + offset, &to))
		return (NULL);
	*tsec = 0;
	*toff = to;
	*left = elf_dyn_left(obj, to);
	return (size <= *left ? elf_dyn_at(obj, to, size) : NULL);
}

static const uint8_t *
follow(const struct elf_obj *obj, unsigned shndx, size_t offset, size_t size, unsigned *tsec, size_t *toff,
    size_t *left)
{
	const ElfW(Shdr) *sh;
	const ElfW(Sym) *s;
	struct elf_rel rel;
	const char *why;
	size_t at;

	if (obj->is_dyn)
		return (follow_dyn(obj, shndx, offset, size, tsec, toff, left));
	elf_rel_first(obj, &rel);
	while (elf_rel_next(&rel)) {
		if (rel.target != shndx || rel.offset != offset ||
		    (kld_arch_rtype(rel.type, &why)->flags & RT_WORD) == 0)
			continue;
		s = &obj->sym[rel.sym];
		if (rel.sym == 0 || s->st_shndx == SHN_UNDEF || s->st_shndx >= obj->nshdr ||
		    !elf_is_alloc(obj, s->st_shndx))
			return (NULL);
		sh = &obj->shdr[s->st_shndx];
		at = (size_t)s->st_value + (size_t)rel.addend;
		if (sh->sh_type == SHT_NOBITS || at > sh->sh_size || size > sh->sh_size - at)
			return (NULL);
		*tsec = s->st_shndx;
		*toff = at;
		*left = sh->sh_size - at;
		return (obj->data + sh->sh_offset + at);
	}
	return (NULL);
}

static int
add(const char *file, struct kld_meta *meta, const struct mod_metadata *md, const char *name, size_t len,
    struct uverr *err)
{
	struct kld_meta_entry *e;

	if (md->md_type != MDT_DEPEND && md->md_type != MDT_MODULE && md->md_type != MDT_VERSION)
		return (uverr(err, ENOEXEC, "%s: metadata record %u of unknown type %d", file, meta->n, md->md_type));
	if (len == 0 || len >= KLD_NAME_MAX || memchr(name, '/', len) != NULL || name[0] == '.')
		return (uverr(err, ENOEXEC, "%s: metadata record %u: its name is not that of a module", file, meta->n));
	if (meta->n == KLD_META_MAX)
		return (uverr(err, ENOEXEC, "%s: more than %d metadata records", file, KLD_META_MAX));
	e = &meta->entry[meta->n++];
	*e = (struct kld_meta_entry) {
		.type = md->md_type, .min = md->md_min, .preferred = md->md_preferred, .max = md->md_max
	};
	memcpy(e->name, name, len);
	return (0);
}

static int
read_record(const struct elf_obj *obj, unsigned shndx, size_t offset, struct kld_meta *meta, struct uverr *err)
{
	struct mod_metadata md;
	unsigned rsec, nsec;
	size_t roff, noff, left;
	const uint8_t *record, *name, *end;

	record = follow(obj, shndx, offset, sizeof(md), &rsec, &roff, &left);
	if (record == NULL)
		return (uverr(err, ENOEXEC, "%s: %s+%#zx: does not point to a metadata record", obj->name, META_SECTION,
		    offset));
	memcpy(&md, record, sizeof(md));
	name = follow(obj, rsec, roff + offsetof(struct mod_metadata, md_cval), 1, &nsec, &noff, &left);
	end = name != NULL ? memchr(name, '\0', left) : NULL;
	if (end == NULL)
		return (uverr(err, ENOEXEC, "%s: %s+%#zx: the record's name does not point to a string", obj->name,
		    rsec != 0 ? elf_secname(obj, rsec) : "0", roff));
	return (add(obj->name, meta, &md, (const char *)name, end - name, err));
}

static int
make_room(const char *file, struct kld_meta *meta, size_t n, struct uverr *err)
{
	struct kld_meta_entry *e;

	if (n > KLD_META_MAX)
		return (uverr(err, ENOEXEC, "%s: more than %d metadata records", file, KLD_META_MAX));
	e = calloc(n + meta->n + 1, sizeof(*e));
	if (e == NULL)
		return (uverr(err, ENOMEM, "%s: no memory for its metadata", file));
	if (meta->n != 0)
		memcpy(e, meta->entry, meta->n * sizeof(*e));
	free(meta->entry);
	meta->entry = e;
	return (0);
}

int
kld_meta_read(const struct elf_obj *obj, struct kld_meta *meta, struct uverr *err)
{
	const ElfW(Shdr) *sh;
	int error = 0;

	*meta = (struct kld_meta) { 0 };
	for (unsigned i = 1; i < obj->nshdr && error == 0; i++) {
		sh = &obj->shdr[i];
		if (!elf_is_alloc(obj, i) || strcmp(elf_secname(obj, i), META_SECTION) != 0)
			continue;
		if (sh->sh_size % sizeof(void *) != 0)
			error = uverr(err, ENOEXEC, "%s: %s: not a whole number of pointers", obj->name, META_SECTION);
		else
			error = make_room(obj->name, meta, sh->sh_size / sizeof(void *), err);
		for (size_t at = 0; at < sh->sh_size && error == 0; at += sizeof(void *))
			error = read_record(obj, i, at, meta, err);
	}
	if (error != 0)
		kld_meta_free(meta);
	return (error);
}

int
kld_meta_live(const char *file, const struct mod_metadata *const *set, size_t n, struct kld_meta *meta,
    struct uverr *err)
{
	int error;

	*meta = (struct kld_meta) { 0 };
	error = make_room(file, meta, n, err);
	for (size_t i = 0; i < n && error == 0; i++)
		error = add(file, meta, set[i], set[i]->md_cval, strlen(set[i]->md_cval), err);
	if (error != 0)
		kld_meta_free(meta);
	return (error);
}

void
kld_meta_free(struct kld_meta *meta)
{
	free(meta->entry);
	*meta = (struct kld_meta) { 0 };
}
