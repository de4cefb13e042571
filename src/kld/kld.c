/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The module linker: native code loaded into a running program, its virtual variables where every instance mirrors
 * them.
 *
 * How it works
 * ------------
 * FreeBSD's kernel linker loads a module, then moves its set of virtual variables to where the instances have
 * room, and then redirects the module's references to it, by their slots in the GOT.  A linker that turned such a
 * slot into direct arithmetic left nothing to redirect, and the kernel panicked (FreeBSD-EN-23:08.vnet).  Here
 * nothing moves and nothing is redirected.  A module's set is placed *first*, in the window's space for it, where an
 * instance mirrors it; then the module is relocated like any program, and &x is the template's address however
 * the code computes it.  The linker has no notion of a reference to a virtual variable.  It knows two things about
 * the sets: where they go (layout.c), and which words in them hold addresses that each instance has for itself
 * (reloc.c, the rebase list).
 *
 * A module is a relocatable object: its relocations are all there, so this linker is its last one, and may better
 * the code itself, with the final addresses known (the architecture's file).
 *
 * A shared object (ET_DYN) will do as well: dyn.c.  It lies whole in the window; what its linker relaxed stays so.
 *
 * The order of a load, each step undone by the reverse:
 *
 *	read the file, check it			elf_read.c
 *	what it is called, what it needs	modmeta.c, depend.c; what is missing is loaded first
 *	resolve, lay out			symbols.c, layout.c, reloc.c
 *	take addresses, relocate, map		place.c
 *	its variables into all instances	place.c: before any of its code runs
 *	unwinder, debuggers			unwind.c, debugger.c, perfmap.c
 *	.init_array, constructors		events.c
 *
 * A module is there or it is not: when a step fails, what was taken is given back and what was copied is zeroed.
 * A module that was loaded only because another needs it goes with the last that does.
 *
 * Loads and unloads are made by one thread, with all workers stopped; nothing here locks.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kld_impl.h"

extern char __vset_window[];	/* window.ld */

struct kld_files kld_files = TAILQ_HEAD_INITIALIZER(kld_files);
static int next_id;

const char *
kld_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (slash != NULL ? slash + 1 : path);
}

/* ---- Loading ---- */

static kld_check *required;
static void *required_arg;

void
kld_require(kld_check *check, void *arg)
{
	required = check;
	required_arg = arg;
}

int
kld_read_file(const char *path, uint8_t **data, size_t *size, struct uverr *err)
{
	struct stat st;
	ssize_t did;
	int fd, error = 0;

	*data = NULL;
	*size = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);	/* a FIFO must not hang us */
	if (fd < 0)
		return (uverr(err, errno, "%s: %s", path, strerror(errno)));
	if (fstat(fd, &st) != 0)
		error = uverr(err, errno, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		error = uverr(err, ENOEXEC, "%s: not a regular file", path);
	else if ((uintmax_t)st.st_size > KLD_FILE_MAX)
		error = uverr(err, EFBIG, "%s: bigger than a module may be (%zu MiB)", path, KLD_FILE_MAX >> 20);
	else if ((*data = malloc((size_t)st.st_size + 1)) == NULL)
		error = uverr(err, ENOMEM, "%s: no memory to read it", path);
	while (error == 0 && *size < (size_t)st.st_size) {
		did = read(fd, *data + *size, (size_t)st.st_size - *size);
		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			error = uverr(err, errno, "%s: %s", path, strerror(errno));
		if (did <= 0)
			break;
		*size += (size_t)did;
	}
	close(fd);
	if (error == 0 && required != NULL)
		error = required(required_arg, path, *data, *size, err);
	if (error != 0) {
		free(*data);
		*data = NULL;
	}
	return (error);
}

static void
free_file(struct linker_file *file)
{
	kld_symtab_free(&file->symtab);
	kld_meta_free(&file->meta);
	free(file->array);
	free(file->debugfile);
	free(file->data);
	free(file->name);
	free(file->path);
	free(file);
}

static int
new_file(const char *name, const char *path, struct linker_file **result, struct uverr *err)
{
	struct linker_file *file = calloc(1, sizeof(*file));

	if (file == NULL)
		return (uverr(err, ENOMEM, "%s: no memory", name));
	file->name = strdup(name);
	file->path = strdup(path);
	if (file->name == NULL || file->path == NULL) {
		free_file(file);
		return (uverr(err, ENOMEM, "%s: no memory", name));
	}
	*result = file;
	return (0);
}

/* Everything that happens to a relocated image until it is a part of the program. */
static int
bring_up(struct linker_file *file, struct kld_image *image, struct uverr *err)
{
	struct kld_linkersets sets = { 0 };
	int error;

	error = kld_linkersets_find(image, &sets, err);
	if (error == 0)
		error = kld_arrays_collect(file, image, err);
	if (error == 0)
		error = kld_symtab_make(image, &file->symtab, err);
	if (error == 0)
		error = kld_map(file, image, err);
	if (error == 0)
		error = kld_sets_attach(file, image->rebase, err);
	if (error != 0)
		return (error);
	error = kld_unwind_register(file, image, err);
	if (error != 0)
		goto fail_sets;
	TAILQ_INSERT_TAIL(&kld_files, file, link);	/* its addresses have names from now on */
	file->id = ++next_id;
	kld_debugger_register(file, image);
	kld_perfmap_add(file);
	kld_arrays_init(file);
	error = kld_events_start(file, &sets, err);
	if (error != 0)
		goto fail_init;
	return (0);

fail_init:
	kld_arrays_fini(file);
	kld_hold_drain(file);
	kld_debugger_forget(file);
	TAILQ_REMOVE(&kld_files, file, link);
	kld_unwind_deregister(file);
fail_sets:
	kld_sets_detach(file);
	return (error);
}

static int
link_file(struct linker_file *file, const struct elf_obj *obj, struct uverr *err)
{
	struct kld_image image = {
		.reach_lo = (uintptr_t)__vset_window, .reach_hi = (uintptr_t)__vset_window + VSET_WINDOW_SIZE,
	};
	int error;

	error = kld_layout(obj, &image, kld_resolve, file, err);
	if (error != 0)
		goto out;
	error = kld_place(file, &image, err);
	if (error != 0)
		goto out;
	error = kld_relocate(&image, err);
	if (error == 0)
		error = bring_up(file, &image, err);
	if (error != 0)
		kld_unplace(file);
out:
	kld_image_free(&image);
	return (error);
}

int
kld_load_file(const char *path, const struct kld_loading *below, linker_file_t *result, struct uverr *err)
{
	struct linker_file *file;
	struct elf_obj obj;
	int error;

	error = new_file(kld_basename(path), path, &file, err);
	if (error != 0)
		return (error);
	error = kld_read_file(path, &file->data, &file->datasize, err);
	if (error != 0)
		goto fail;
	error = elf_read(file->name, file->data, file->datasize, &obj, err);
	if (error != 0)
		goto fail;
	error = kld_meta_read(&obj, &file->meta, err);
	if (error != 0)
		goto fail;
	error = kld_check_unique(file, err);
	if (error != 0)
		goto fail;
	error = kld_load_dependencies(file, below, err);
	if (error != 0)
		goto fail_dependencies;
	error = kld_check_unique(file, err);	/* what came meanwhile may have taken the name */
	if (error != 0)
		goto fail_dependencies;
	error = link_file(file, &obj, err);
	if (error != 0)
		goto fail_dependencies;
	*result = file;
	return (0);

fail_dependencies:
	kld_undepend(file);
fail:
	free_file(file);
	return (error);
}

int
kld_load(const char *path, linker_file_t *file, struct uverr *err)
{
	struct linker_file *loaded;
	int error;

	assert(!TAILQ_EMPTY(&kld_files));	/* kld_init() */
	error = kld_load_file(path, NULL, &loaded, err);
	if (error == 0 && file != NULL)
		*file = loaded;
	return (error);
}

/* ---- Unloading ---- */

void
kld_unload_file(struct linker_file *file)
{
	kld_events_stop(file);
	kld_arrays_fini(file);
	kld_hold_drain(file);
	kld_debugger_forget(file);
	TAILQ_REMOVE(&kld_files, file, link);
	kld_unwind_deregister(file);
	kld_sets_detach(file);
	kld_unplace(file);
	kld_debugger_settle();
	kld_undepend(file);
	free_file(file);
}

static const char *
user_of(const struct linker_file *file)
{
	const struct linker_file *f;

	TAILQ_FOREACH (f, &kld_files, link)
		for (unsigned i = 0; i < f->ndep; i++)
			if (f->dep[i] == file)
				return (f->name);
	return ("another module");
}

int
kld_unload(linker_file_t file, struct uverr *err)
{
	int error;

	if (file == TAILQ_FIRST(&kld_files))
		return (uverr(err, EBUSY, "%s: the program itself cannot be unloaded", file->name));
	if (file->refs != 0)
		return (uverr(err, EBUSY, "%s: %s needs it", file->name, user_of(file)));
	error = kld_hold_check(file, err);
	if (error == 0)
		error = kld_events_quiesce(file, err);
	if (error == 0)
		kld_unload_file(file);
	return (error);
}

/* ---- The program ---- */

int
kld_init(const char *name, struct uverr *err)
{
	struct kld_rebase rebase[SET_COUNT] = { 0 };
	struct kld_linkersets sets = { 0 };
	struct linker_file *file;
	struct uverr sentence;
	int error;

	assert(TAILQ_EMPTY(&kld_files));
	error = new_file(name, "/proc/self/exe", &file, err);
	if (error != 0)
		return (error);
	error = kld_program_open(file, &sets, rebase, err);
	if (error != 0)
		goto fail;
	error = kld_meta_live(name, sets.meta, sets.nmeta, &file->meta, err);
	if (error != 0)
		goto fail;
	error = kld_sets_attach(file, rebase, err);
	if (error != 0)
		goto fail;
	next_id = 0;
	TAILQ_INSERT_TAIL(&kld_files, file, link);
	error = kld_events_start(file, &sets, err);
	if (error != 0)
		goto fail_sets;
	if (getenv("UVNET_PERFMAP") != NULL && kld_perfmap(&sentence) != 0)	/* no reason not to run */
		fprintf(stderr, "%s: UVNET_PERFMAP: %s\n", name, sentence.text);
	goto out;

fail_sets:
	TAILQ_REMOVE(&kld_files, file, link);
	kld_sets_detach(file);
fail:
	kld_program_close();
	free_file(file);
out:
	for (unsigned k = 0; k < SET_COUNT; k++)
		free(rebase[k].place);
	return (error);
}

void
kld_fini(void)
{
	struct linker_file *file = TAILQ_FIRST(&kld_files), *last;

	if (file == NULL)
		return;
	while ((last = TAILQ_LAST(&kld_files, kld_files)) != file)
		kld_unload_file(last);
	kld_events_stop(file);
	TAILQ_REMOVE(&kld_files, file, link);
	kld_sets_detach(file);
	kld_program_close();
	free_file(file);
}

/* ---- Looking ---- */

void *
kld_lookup(linker_file_t file, const char *symbol)
{
	const ElfW(Sym) *s = kld_symtab_export(&file->symtab, symbol);

	return (s != NULL ? (void *)(s->st_value + file->symtab.bias) : NULL);
}

linker_file_t
kld_next(linker_file_t file)
{
	return (file == NULL ? TAILQ_FIRST(&kld_files) : TAILQ_NEXT(file, link));
}

void
kld_getinfo(linker_file_t file, struct kld_info *info)
{
	*info = (struct kld_info) {
		.id = file->id, .refs = file->refs, .address = file->addr, .size = file->size,
		.vnet_size = file->set[SET_VNET].size, .pcpu_size = file->set[SET_PCPU].size,
		.name = file->name, .path = file->path,
	};
}

enum kld_set
kld_set_of(uintptr_t addr)
{
	const struct linker_file *f;

	TAILQ_FOREACH (f, &kld_files, link)
		for (unsigned k = 0; k < SET_COUNT; k++)
			if (f->set[k].size != 0 && addr - f->set[k].addr <= f->set[k].size)
				return (k);
	return (SET_NONE);
}

static int
contains(const struct linker_file *file, uintptr_t addr)
{
	for (unsigned k = 0; k < SET_COUNT; k++)
		if (addr - file->set[k].addr < file->set[k].size)
			return (1);
	return (file == TAILQ_FIRST(&kld_files) ? kld_program_contains(addr) : addr - file->addr < file->size);
}

const char *
kld_symbolize(uintptr_t addr, const char **file_name, uintptr_t *offset)
{
	const struct linker_file *f;

	TAILQ_FOREACH (f, &kld_files, link)
		if (contains(f, addr)) {
			*file_name = f->name;
			return (kld_symtab_nearest(&f->symtab, addr, offset));
		}
	return (NULL);
}
