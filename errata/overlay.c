/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The overlay: {"FreeBSD-EN-23:08.vnet": {"arch": ["aarch64"], "component": "kernel", "why": "...", "note": "..."}}.
 * It is a file of ours, not signed by FreeBSD, so what rests on it always says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "overlay.h"

extern const char embed_overlay[], embed_overlay_end[];

struct overlay {
	struct arena arena;
	struct overlay_fact *facts;
	size_t n;
};

const char *
arch_name(const char *arch)
{
	if (strcmp(arch, "arm64") == 0)
		return ("aarch64");
	if (strcmp(arch, "x86_64") == 0)
		return ("amd64");
	return (arch);
}

static char *
string_of(struct overlay *o, json_t *j)
{
	const char *s = json_string_value(j);

	return (arena_dup(&o->arena, slice_str(s != NULL ? s : "")));
}

static int
read_facts(struct overlay *o, struct slice text, const char *name, struct uverr *err)
{
	static const char *const known[] = { "arch", "component", "why", "files", "note" };
	json_error_t je;
	json_t *all, *one, *archs, *arch, *value;
	const char *id, *key;
	size_t i;
	int error = 0;

	all = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &je);
	if (!json_is_object(all)) {
		error = uverr(err, EINVAL, "%s: line %d: %s", name, je.line,
		    all == NULL ? je.text : "an object with notices' ids is wanted");
		goto out;
	}
	json_object_foreach(all, id, one) {
		struct overlay_fact *f;

		json_object_foreach(one, key, value) {
			for (i = 0; i < sizeof(known) / sizeof(known[0]) && strcmp(key, known[i]) != 0; i++)
				;
			if (i == sizeof(known) / sizeof(known[0])) {
				error = uverr(err, EINVAL, "%s: %s: \"%s\" is not known; known are arch, component,"
				    " why, files, note", name, id, key);
				goto out;
			}
		}
		f = ARRAY_ADD(o->facts, o->n);
		f->id = arena_dup(&o->arena, slice_str(id));
		f->component = string_of(o, json_object_get(one, "component"));
		f->why = string_of(o, json_object_get(one, "why"));
		f->note = string_of(o, json_object_get(one, "note"));
		archs = json_object_get(one, "arch");
		f->archs = arena_alloc(&o->arena, (json_array_size(archs) + 1) * sizeof(char *));
		json_array_foreach(archs, i, arch)
			f->archs[f->narchs++] = arch_name(string_of(o, arch));
		if ((f->component[0] != '\0' && strcmp(f->component, "kernel") != 0 && strcmp(f->component, "user") != 0) ||
		    f->why[0] == '\0' || (archs != NULL && !json_is_array(archs))) {
			error = uverr(err, EINVAL, "%s: %s: wants \"why\", an \"arch\" that is a list, and a"
			    " \"component\" that is kernel or user", name, id);
			goto out;
		}
	}
out:
	json_decref(all);
	return (error);
}

int
overlay_load(struct overlay **op, const char *path, struct uverr *err)
{
	struct overlay *o = xmalloc(sizeof(*o));
	struct buf b = { 0 };
	int error;

	error = read_facts(o, (struct slice){ embed_overlay, (size_t)(embed_overlay_end - embed_overlay) }, "overlay.json",
	    err);
	if (error == 0 && path != NULL && (error = file_read(path, FILE_MAX, &b, err)) == 0)
		error = read_facts(o, buf_get(&b), path, err);
	buf_free(&b);
	if (error != 0) {
		overlay_free(o);
		return (error);
	}
	*op = o;
	return (0);
}

void
overlay_free(struct overlay *o)
{
	if (o == NULL)
		return;
	free(o->facts);
	arena_free(&o->arena);
	free(o);
}

const struct overlay_fact *
overlay_find(const struct overlay *o, const char *id)
{
	for (size_t i = o->n; i > 0; i--)		/* the user's come last, and win */
		if (strcmp(o->facts[i - 1].id, id) == 0)
			return (&o->facts[i - 1]);
	return (NULL);
}
