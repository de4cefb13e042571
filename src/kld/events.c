/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What runs when a file comes and goes.
 *
 *	.init_array			what the compiler wants (sanitizers), before anything else
 *	SYSINITs and MOD_LOAD		in their common order, by src/vnet's sysinit.c
 *	VNET_SYSINITs			in every live stack
 *	... and the reverse
 *
 * A module's event handler takes part in the order at the place that DECLARE_MODULE names: for each handler there
 * is a constructor that says MOD_LOAD and a destructor that says MOD_UNLOAD, beside the file's own.  A MOD_UNLOAD
 * that refuses comes too late, half of the module is down by then; so before anything is touched each handler is
 * asked with MOD_QUIESCE.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kld_impl.h"

#define META_SECTION "set_modmetadata_set"

/* ---- Linker sets ---- */

/* A linker set: pointers, none of them NULL. */
static int
find_set(const struct kld_image *image, const char *name, const void **start, size_t *n, struct uverr *err)
{
	enum kld_partno part;
	size_t from, to;
	uintptr_t p;
	int found;

	*start = NULL;
	*n = 0;
	found = kld_section_bounds(image, name, &part, &from, &to);
	if (found == 0)
		return (0);
	if (found < 0)
		return (uverr(err, ENOEXEC, "%s: %s: the sections of that name do not lie together: link with ld -r",
		    image->obj->name, name));
	if ((to - from) % sizeof(p) != 0 || (image->part[part].addr + from) % sizeof(p) != 0 ||
	    to > image->part[part].filled)
		return (uverr(err, ENOEXEC, "%s: %s: not an array of pointers", image->obj->name, name));
	for (size_t at = from; at < to; at += sizeof(p)) {
		memcpy(&p, image->part[part].stage + at, sizeof(p));
		if (p == 0)
			return (uverr(err, ENOEXEC, "%s: %s+%#zx: NULL", image->obj->name, name, at - from));
	}
	*start = (const void *)(image->part[part].addr + from);
	*n = (to - from) / sizeof(p);
	return (0);
}

int
kld_linkersets_find(const struct kld_image *image, struct kld_linkersets *sets, struct uverr *err)
{
	const void *start;
	int error;

	for (unsigned k = 0; k < SYSINIT_NKIND; k++) {
		error = find_set(image, sysinit_sections[k], &start, &sets->n[k], err);
		if (error != 0)
			return (error);
		sets->start[k] = start;
	}
	error = find_set(image, META_SECTION, &start, &sets->nmeta, err);
	sets->meta = start;
	return (error);
}

/* ---- .init_array and .fini_array ---- */

/* A shared object names them in its dynamic section; what runs last comes first in .fini_array. */
static int
collect_dyn(struct linker_file *file, const struct kld_image *image, struct uverr *err)
{
	const struct elf_dyn *dyn = &image->obj->dyn;
	const uintptr_t bias = image->part[PART_DATA].addr - dyn->lo;
	const uint8_t *stage = image->part[PART_DATA].stage - dyn->lo;
	uintptr_t f;

	file->array = calloc(dyn->ninit + dyn->nfini + 2, sizeof(*file->array));
	if (file->array == NULL)
		return (uverr(err, ENOMEM, "%s: no memory for its constructors", file->name));
	if (dyn->init != 0)
		file->array[file->ninit++] = (void (*)(void))(dyn->init + bias);
	for (size_t i = 0; i < dyn->ninit; i++) {
		memcpy(&f, stage + dyn->init_array + i * sizeof(f), sizeof(f));
		if (f != 0 && f != UINTPTR_MAX)
			file->array[file->ninit++] = (void (*)(void))f;
	}
	if (dyn->fini != 0)
		file->array[file->ninit + file->nfini++] = (void (*)(void))(dyn->fini + bias);
	for (size_t i = 0; i < dyn->nfini; i++) {
		memcpy(&f, stage + dyn->fini_array + i * sizeof(f), sizeof(f));
		if (f != 0 && f != UINTPTR_MAX)
			file->array[file->ninit + file->nfini++] = (void (*)(void))f;
	}
	return (0);
}

/* ".init_array.00101" comes before ".init_array.00102", and both before ".init_array". */
static long
priority(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(name, prefix, n) != 0 || (name[n] != '\0' && name[n] != '.'))
		return (-1);
	return (name[n] == '.' ? strtol(name + n + 1, NULL, 10) & 0xffff : 0x10000);
}

/* Append the functions of the sections called so, those of low numbers first. */
static void
collect(struct linker_file *file, const struct kld_image *image, const char *prefix, size_t *n)
{
	const struct elf_obj *obj = image->obj;
	long last = -1, next, p;

	for (;;) {
		next = 0x10001;
		for (unsigned i = 1; i < obj->nshdr; i++) {
			p = priority(elf_secname(obj, i), prefix);
			if (image->sec[i].part != PART_NONE && p > last && p < next)
				next = p;
		}
		if (next == 0x10001)
			return;
		for (unsigned i = 1; i < obj->nshdr; i++) {
			const uint8_t *at = image->part[image->sec[i].part % PART_COUNT].stage + image->sec[i].offset;
			uintptr_t f;

			if (image->sec[i].part == PART_NONE || obj->shdr[i].sh_type == SHT_NOBITS ||
			    priority(elf_secname(obj, i), prefix) != next)
				continue;
			for (size_t k = 0; k + sizeof(f) <= obj->shdr[i].sh_size; k += sizeof(f)) {
				memcpy(&f, at + k, sizeof(f));
				if (f != 0 && f != UINTPTR_MAX)
					file->array[file->ninit + file->nfini + (*n)++] = (void (*)(void))f;
			}
		}
		last = next;
	}
}

int
kld_arrays_collect(struct linker_file *file, const struct kld_image *image, struct uverr *err)
{
	const struct elf_obj *obj = image->obj;
	size_t room = 0, n = 0;

	if (obj->is_dyn)
		return (collect_dyn(file, image, err));
	for (unsigned i = 1; i < obj->nshdr; i++)
		if (image->sec[i].part != PART_NONE && obj->shdr[i].sh_type != SHT_NOBITS &&
		    (priority(elf_secname(obj, i), ".init_array") >= 0 || priority(elf_secname(obj, i), ".fini_array") >= 0))
			room += obj->shdr[i].sh_size / sizeof(void *);
	file->array = calloc(room + 1, sizeof(*file->array));
	if (file->array == NULL)
		return (uverr(err, ENOMEM, "%s: no memory for its constructors", file->name));
	collect(file, image, ".init_array", &n);
	file->ninit = n;
	n = 0;
	collect(file, image, ".fini_array", &n);
	file->nfini = n;
	return (0);
}

void
kld_arrays_init(const struct linker_file *file)
{
	for (size_t i = 0; i < file->ninit; i++)
		file->array[i]();
}

void
kld_arrays_fini(const struct linker_file *file)
{
	for (size_t i = file->nfini; i-- > 0;)
		file->array[file->ninit + i]();
}

/* ---- Module events ---- */

static int
event(const struct module *m, modeventtype_t type)
{
	return (m->data->evhand((module_t)(uintptr_t)m, type, m->data->priv));
}

static int
event_load(const void *arg)
{
	return (event(arg, MOD_LOAD));
}

static void
event_unload(const void *arg)
{
	const struct module *m = arg;
	int error = event(m, MOD_UNLOAD);

	if (error != 0)
		fprintf(stderr, "%s: module %s: MOD_UNLOAD: %s: too late, MOD_QUIESCE was the time to refuse\n",
		    m->file->name, m->data->name, strerror(error > 0 ? error : -error));
}

static int
find_modules(struct linker_file *file, const struct kld_linkersets *sets, struct uverr *err)
{
	file->module = calloc(sets->nmeta + 1, sizeof(*file->module));
	file->synthetic = calloc(2 * sets->nmeta + 1, sizeof(*file->synthetic));
	if (file->module == NULL || file->synthetic == NULL)
		return (uverr(err, ENOMEM, "%s: no memory for its constructors", file->name));
	for (size_t i = 0; i < sets->nmeta; i++) {
		const struct mod_metadata *md = sets->meta[i];
		struct module *m = &file->module[file->nmodule];
		struct sysinit *si = &file->synthetic[2 * file->nmodule];

		if (md->md_type != MDT_MODULE || md->md_data == NULL || md->md_data->evhand == NULL)
			continue;
		*m = (struct module) { file, md->md_data };
		si[0] = (struct sysinit) {
			.subsystem = md->md_sub, .order = md->md_order, .fallible = 1, .u.func_int = event_load,
			.udata = m, .name = md->md_data->name != NULL ? md->md_data->name : md->md_cval
		};
		si[1] = si[0];
		si[1].fallible = 0;
		si[1].u.func = event_unload;
		file->nmodule++;
	}
	return (0);
}

static void
free_all(struct linker_file *file)
{
	for (unsigned k = 0; k < SYSINIT_NKIND; k++) {
		free(file->ctor[k]);
		file->ctor[k] = NULL;
	}
	free(file->synthetic);
	free(file->module);
	file->synthetic = NULL;
	file->module = NULL;
	file->nmodule = 0;
}

int
kld_events_start(struct linker_file *file, const struct kld_linkersets *sets, struct uverr *err)
{
	const struct sysinit *const *start[SYSINIT_NKIND];
	size_t n[SYSINIT_NKIND];
	int error;

	error = find_modules(file, sets, err);
	for (unsigned k = 0; k < SYSINIT_NKIND && error == 0; k++) {
		file->ctor[k] = calloc(sets->n[k] + file->nmodule + 1, sizeof(*file->ctor[k]));
		if (file->ctor[k] == NULL) {
			error = uverr(err, ENOMEM, "%s: no memory for its constructors", file->name);
			break;
		}
		for (n[k] = 0; n[k] < sets->n[k]; n[k]++)
			file->ctor[k][n[k]] = sets->start[k][n[k]];
		for (unsigned i = 0; i < file->nmodule && (k == SYSINIT_SYS || k == SYSINIT_SYSUN); i++)
			file->ctor[k][n[k]++] = &file->synthetic[2 * i + (k == SYSINIT_SYSUN)];
		start[k] = file->ctor[k];
	}
	if (error == 0)
		error = sysinit_register(file->name, start, n, &file->sysinit, err);
	if (error != 0)
		free_all(file);
	return (error);
}

void
kld_events_stop(struct linker_file *file)
{
	sysinit_unregister(file->sysinit);
	file->sysinit = NULL;
	free_all(file);
}

/* The last first, as they will go.  Handlers that know no MOD_QUIESCE answer one of these two. */
int
kld_events_quiesce(struct linker_file *file, struct uverr *err)
{
	for (unsigned i = file->nmodule; i-- > 0;) {
		int error = event(&file->module[i], MOD_QUIESCE);

		if (error != 0 && error != EOPNOTSUPP && error != EINVAL)
			return (uverr(err, EBUSY, "%s: module %s cannot go now: %s", file->name,
			    file->module[i].data->name, strerror(error > 0 ? error : -error)));
	}
	return (0);
}
