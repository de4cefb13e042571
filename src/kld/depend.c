/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What modules need of each other.
 *
 * A module is known by its file's name and by the names in its metadata; each is unique.  What it needs is found
 * by such a name, must declare a version in the range that is asked for, and counts its users: those that declare it
 * and those that merely use one of its symbols.
 *
 * What is missing is loaded first, as NAME.ko from the same folder, and is there for its users only: it goes with
 * the last of them (unless it is running, or its own MOD_QUIESCE keeps it).  The chain of loads under way is a list on the stack;
 * a name that is needed and already in it is a circle.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kld_impl.h"

/* ---- Names ---- */

static int
is_called(const struct linker_file *file, const char *name)
{
	size_t n = strlen(name);

	if (strcmp(file->name, name) == 0 || (strncmp(file->name, name, n) == 0 && strcmp(file->name + n, ".ko") == 0))
		return (1);
	for (unsigned i = 0; i < file->meta.n; i++)
		if (file->meta.entry[i].type != MDT_DEPEND && strcmp(file->meta.entry[i].name, name) == 0)
			return (1);
	return (0);
}

linker_file_t
kld_find(const char *name)
{
	struct linker_file *f;

	TAILQ_FOREACH (f, &kld_files, link)
		if (is_called(f, name))
			return (f);
	return (NULL);
}

/* Its file's name, and the names that it declares: or, if none, its file's without the end. */
int
kld_check_unique(const struct linker_file *file, struct uverr *err)
{
	const struct linker_file *f = kld_find(file->name);
	size_t stem = strlen(file->name);
	char name[KLD_NAME_MAX];
	int named = 0;

	for (unsigned i = 0; i < file->meta.n && f == NULL; i++)
		if (file->meta.entry[i].type != MDT_DEPEND) {
			named = 1;
			f = kld_find(file->meta.entry[i].name);
		}
	if (!named && f == NULL && stem > 3 && stem < sizeof(name) + 3 && strcmp(file->name + stem - 3, ".ko") == 0) {
		snprintf(name, sizeof(name), "%.*s", (int)stem - 3, file->name);
		f = kld_find(name);
	}
	if (f != NULL)
		return (uverr(err, EEXIST, "%s: already loaded (%s)", file->name, f->path));
	return (0);
}

/* ---- Dependencies ---- */

int
kld_depend(struct linker_file *file, struct linker_file *on, struct uverr *err)
{
	struct linker_file **dep;

	for (unsigned i = 0; i < file->ndep; i++)
		if (file->dep[i] == on)
			return (0);
	dep = realloc(file->dep, (file->ndep + 1) * sizeof(*dep));
	if (dep == NULL)
		return (uverr(err, ENOMEM, "%s: no memory for its dependencies", file->name));
	file->dep = dep;
	dep[file->ndep++] = on;
	on->refs++;
	return (0);
}

void
kld_undepend(struct linker_file *file)
{
	while (file->ndep != 0) {
		struct linker_file *on = file->dep[--file->ndep];

		if (--on->refs == 0 && on->automatic && kld_hold_check(on, NULL) == 0 &&
		    kld_events_quiesce(on, NULL) == 0)
			kld_unload_file(on);
	}
	free(file->dep);
	file->dep = NULL;
}

static const struct kld_meta_entry *
version_of(const struct linker_file *file, const char *name)
{
	for (unsigned i = 0; i < file->meta.n; i++)
		if (file->meta.entry[i].type == MDT_VERSION && strcmp(file->meta.entry[i].name, name) == 0)
			return (&file->meta.entry[i]);
	return (NULL);
}

/* Load NAME.ko from where the module is that needs it; it goes when nothing needs it any more. */
static int
load_dependency(struct linker_file *file, const char *name, const struct kld_loading *me, struct linker_file **on,
    struct uverr *err)
{
	char *path;
	int error;

	for (const struct kld_loading *l = me; l != NULL; l = l->below)
		if (is_called(l->file, name))
			return (uverr(err, ELOOP, "%s: needs module %s, which needs %s", me->file->name, name,
			    me->file->name));
	if (me->depth == KLD_DEPTH_MAX)
		return (uverr(err, ELOOP, "%s: needs module %s: dependencies deeper than %d", file->name, name,
		    KLD_DEPTH_MAX));
	if (asprintf(&path, "%.*s%s.ko", (int)(kld_basename(file->path) - file->path), file->path, name) < 0)
		return (uverr(err, ENOMEM, "%s: no memory for its dependencies", file->name));
	error = kld_load_file(path, me, on, err);
	if (error == 0)
		(*on)->automatic = 1;
	else
		uverr_prefix(err, "%s: needs module %s", file->name, name);
	free(path);
	return (error);
}

int
kld_load_dependencies(struct linker_file *file, const struct kld_loading *below, struct uverr *err)
{
	const struct kld_loading me = { below, file, below != NULL ? below->depth + 1 : 1 };
	const struct kld_meta_entry *version;
	struct linker_file *on;
	int error;

	for (unsigned i = 0; i < file->meta.n; i++) {
		const struct kld_meta_entry *e = &file->meta.entry[i];

		if (e->type != MDT_DEPEND || version_of(file, e->name) != NULL)
			continue;
		on = kld_find(e->name);
		if (on == NULL) {
			error = load_dependency(file, e->name, &me, &on, err);
			if (error != 0)
				return (error);
		}
		error = on->id != 0 ? kld_depend(file, on, err) : 0;
		if (error != 0)
			return (error);
		version = version_of(on, e->name);
		if (version == NULL)
			return (uverr(err, ENOENT, "%s: needs module %s version %d to %d: %s does not say its version "
			    "(MODULE_VERSION)", file->name, e->name, e->min, e->max, on->name));
		if (version->min < e->min || version->min > e->max)
			return (uverr(err, ENOENT, "%s: needs module %s version %d to %d: %s is version %d", file->name,
			    e->name, e->min, e->max, on->name, version->min));
	}
	return (0);
}
