/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a module's file is, for people: `vnet kldinfo`.
 *
 * The file goes through the reader and the layout of a load, with a resolver to whom everything is known and near;
 * so a file that cannot be a module is refused here with the sentence that a load would give, and the sizes are those
 * of a load.  Nothing is mapped, nothing runs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uvnet/dpcpu.h>
#include <uvnet/vnet.h>

#include "kld_impl.h"

struct inspection {
	struct kld_fileinfo info;	/* first: what the caller has */
	uint8_t *data;
	struct kld_meta meta;
	char *name;
};

static int
resolve_anything(void *arg, const char *name, int tls, struct kld_sym *sym, struct uverr *err)
{
	(void)name;
	(void)err;
	sym->kind = tls ? SYM_TLS : SYM_FOREIGN;
	sym->value = tls ? (uintptr_t)-64 : *(const uintptr_t *)arg;
	return (0);
}

static enum kld_symclass
class_of(const struct elf_obj *obj, const ElfW(Sym) *s, const char *name)
{
	const char *section = elf_secname(obj, elf_symsection(obj, s, name));

	if (strcmp(section, VNET_SETNAME) == 0)
		return (KLD_SYM_VNET);
	if (strcmp(section, DPCPU_SETNAME) == 0)
		return (KLD_SYM_PCPU);
	switch (KLD_ST_TYPE(s->st_info)) {
	case STT_FUNC:
		return (KLD_SYM_FUNC);
	case STT_OBJECT:
		return (KLD_SYM_OBJECT);
	case STT_TLS:
		return (KLD_SYM_TLS);
	default:
		return (KLD_SYM_OTHER);
	}
}

/* An undefined symbol that somebody else must have: not the bounds of a section of its own. */
static int
is_import(const struct kld_image *image, unsigned i)
{
	const ElfW(Sym) *s = &image->obj->sym[i];

	return (s->st_shndx == SHN_UNDEF && KLD_ST_BIND(s->st_info) != STB_LOCAL &&
	    (image->obj->is_dyn || image->sym[i].kind == SYM_FOREIGN || image->sym[i].kind == SYM_TLS));
}

static int
list_symbols(struct kld_fileinfo *info, const struct kld_image *image, struct uverr *err)
{
	const struct elf_obj *obj = image->obj;

	info->imports = calloc((size_t)obj->nsym + 1, sizeof(*info->imports));
	info->exports = calloc((size_t)obj->nsym + 1, sizeof(*info->exports));
	if (info->imports == NULL || info->exports == NULL)
		return (uverr(err, ENOMEM, "%s: no memory for its symbols", obj->name));
	for (unsigned i = 1; i < obj->nsym; i++) {
		const ElfW(Sym) *s = &obj->sym[i];
		const char *name = elf_symname(obj, i);
		struct kld_symbolinfo si = {
			name, class_of(obj, s, name), KLD_ST_BIND(s->st_info) == STB_WEAK, s->st_size
		};

		if (elf_is_mark(name))
			continue;
		if (is_import(image, i))
			info->imports[info->nimports++] = si;
		else if (kld_is_exported(s))
			info->exports[info->nexports++] = si;
	}
	return (0);
}

static int
list_meta(struct kld_fileinfo *info, const struct kld_meta *meta, struct uverr *err)
{
	info->meta = calloc(meta->n + 1, sizeof(*info->meta));
	if (info->meta == NULL)
		return (uverr(err, ENOMEM, "%s: no memory for its metadata", info->name));
	for (unsigned i = 0; i < meta->n; i++) {
		const struct kld_meta_entry *e = &meta->entry[i];

		info->meta[info->nmeta++] = (struct kld_metainfo) { e->type, e->name, e->min, e->preferred, e->max };
	}
	return (0);
}

static int
count(void *arg, uintptr_t vaddr)
{
	(void)vaddr;
	++*(unsigned *)arg;
	return (0);
}

static void
inspect_dyn(struct kld_fileinfo *info, const struct kld_image *image)
{
	const struct elf_obj *obj = image->obj;
	unsigned n = obj->dyn.nrela[0] + obj->dyn.nrela[1];

	info->kind = "shared object";
	info->vnet_size = image->set[SET_VNET].size;
	info->pcpu_size = image->set[SET_PCPU].size;
	(void)elf_dyn_relr(obj, count, &n);
	info->relocations = n;
	info->text_size = info->rodata_size = info->data_size = 0;
	for (unsigned i = 0; i < obj->dyn.nphdr; i++) {
		const ElfW(Phdr) *ph = &obj->dyn.phdr[i];

		if (ph->p_type != PT_LOAD)
			continue;
		if ((ph->p_flags & PF_X) != 0)
			info->text_size += ph->p_memsz;
		else if ((ph->p_flags & PF_W) == 0)
			info->rodata_size += ph->p_memsz;
		else
			info->data_size += ph->p_memsz;
	}
	info->data_size -= info->vnet_size + info->pcpu_size;	/* which lie in it */
}

static int
inspect(struct inspection *in, size_t size, struct uverr *err)
{
	static uintptr_t near = (uintptr_t)1 << 30;
	struct kld_image image = { .reach_lo = near, .reach_hi = near + VSET_WINDOW_SIZE };
	struct kld_fileinfo *info = &in->info;
	struct elf_obj obj;
	struct elf_rel rel;
	int error;

	error = elf_read(in->name, in->data, size, &obj, err);
	if (error == 0)
		error = kld_meta_read(&obj, &in->meta, err);
	if (error != 0)
		return (error);
	error = kld_layout(&obj, &image, resolve_anything, &near, err);
	if (error == 0)
		error = list_meta(info, &in->meta, err);
	if (error == 0)
		error = list_symbols(info, &image, err);
	if (error == 0) {
		info->machine = kld_arch_name;
		info->kind = "relocatable";
		info->text_size = image.part[PART_TEXT].size;
		info->rodata_size = image.part[PART_RO].size;
		info->data_size = image.part[PART_DATA].size;
		info->vnet_size = image.part[PART_VNET].size;
		info->pcpu_size = image.part[PART_PCPU].size;
		info->slots = image.nslot;
		elf_rel_first(&obj, &rel);
		while (elf_rel_next(&rel))
			info->relocations++;
		if (obj.is_dyn)
			inspect_dyn(info, &image);
	}
	kld_image_free(&image);
	return (error);
}

int
kld_fileinfo(const char *path, struct kld_fileinfo **info, struct uverr *err)
{
	struct inspection *in = calloc(1, sizeof(*in));
	size_t size;
	int error;

	if (in == NULL || (in->name = strdup(kld_basename(path))) == NULL)
		error = uverr(err, ENOMEM, "%s: no memory", path);
	else
		error = kld_read_file(path, &in->data, &size, err);
	if (error == 0) {
		in->info.name = in->name;
		error = inspect(in, size, err);
	}
	if (error == 0)
		*info = &in->info;
	else if (in != NULL)
		kld_fileinfo_free(&in->info);
	return (error);
}

void
kld_fileinfo_free(struct kld_fileinfo *info)
{
	struct inspection *in = (struct inspection *)info;

	if (in == NULL)
		return;
	free(info->meta);
	free(info->imports);
	free(info->exports);
	kld_meta_free(&in->meta);
	free(in->data);
	free(in->name);
	free(in);
}
