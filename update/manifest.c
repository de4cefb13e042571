/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A manifest: all that a version is, in one signed document.
 *
 *	{ "type": "manifest", "version": 8, "expires": "2026-12-24T10:00:00Z", "published": "2026-11-24T10:00:00Z",
 *	  "files": [ { "path": "modules/if_epair.ko", "executable": false, "size": 38232, "sha256": "...",
 *	               "packed": { "size": 9120, "sha256": "..." },
 *	               "deltas": [ { "from": "...", "size": 371, "sha256": "..." } ] } ],
 *	  "notices": [ { "id": "uvnet-EN-26:01.epair", "topic": "...", "size": 1833, "sha256": "...", "since": 8,
 *	                 "paths": [ "modules/if_epair.ko" ] } ] }
 *
 * Files are sorted by path.  The sizes are what memory is taken by and what downloads are cut at, so they are limited
 * here, before anything uses them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "update.h"

static const char *
string(const json_t *o, const char *name)
{
	return (json_string_value(json_object_get(o, name)));
}

/* A size, or -1. */
static int64_t
size_of(const json_t *o, int64_t max)
{
	const json_t *j = json_object_get(o, "size");
	const json_int_t n = json_integer_value(j);

	return (json_is_integer(j) && n >= 0 && n <= max ? n : -1);
}

static int
bad(struct uverr *err, const char *what, size_t i, const char *why)
{
	return (uverr(err, EBADMSG, "manifest: %s %zu: %s", what, i + 1, why));
}

static int
parse_file(const json_t *o, size_t i, struct entry *e, struct uverr *err)
{
	const json_t *packed = json_object_get(o, "packed"), *deltas = json_object_get(o, "deltas"), *d;
	size_t k;

	e->path = string(o, "path");
	e->sha256 = string(o, "sha256");
	e->size = size_of(o, CONTENT_MAX);
	e->packed_sha256 = string(packed, "sha256");
	e->packed_size = size_of(packed, (int64_t)CONTENT_MAX + (CONTENT_MAX >> 6));
	e->executable = json_is_true(json_object_get(o, "executable"));
	if (!path_ok(e->path))
		return (bad(err, "file", i, "its path is not a plain relative one"));
	if (!hash_ok(e->sha256) || !hash_ok(e->packed_sha256) || e->size < 0 || e->packed_size < 0)
		return (bad(err, "file", i, "its size or hash is missing or impossible"));
	json_array_foreach(deltas, k, d) {
		struct delta *delta = ARRAY_ADD(e->deltas, e->ndeltas);

		*delta = (struct delta){ string(d, "from"), string(d, "sha256"), size_of(d, e->packed_size) };
		if (!hash_ok(delta->from) || !hash_ok(delta->sha256) || delta->size < 0)
			return (bad(err, "file", i, "a delta's size or hash is missing or impossible"));
	}
	return (0);
}

static int
parse_notice(const json_t *o, size_t i, long version, struct news *n, struct uverr *err)
{
	const json_t *paths = json_object_get(o, "paths"), *p;
	size_t k;

	*n = (struct news){ .id = string(o, "id"), .topic = string(o, "topic"), .sha256 = string(o, "sha256"),
	    .size = size_of(o, FILE_MAX), .since = (long)json_integer_value(json_object_get(o, "since")) };
	if (!path_ok(n->id) || strchr(n->id, '/') != NULL || n->topic == NULL || !hash_ok(n->sha256) || n->size < 0 || n->since < 1 || n->since > version)
		return (bad(err, "notice", i, "its id, size, hash or version is missing or impossible"));
	json_array_foreach(paths, k, p) {
		const char **path = ARRAY_ADD(n->paths, n->npaths);

		*path = json_string_value(p);
		if (!path_ok(*path))
			return (bad(err, "notice", i, "a path is not a plain relative one"));
	}
	return (0);
}

/* Sorted, each once, and none a folder of another. */
static int
check_order(const struct manifest *m, struct uverr *err)
{
	char parent[1025];

	for (size_t i = 1; i < m->nfiles; i++)
		if (strcmp(m->files[i - 1].path, m->files[i].path) >= 0)
			return (bad(err, "file", i, "it is not in order, or there twice"));
	for (size_t i = 0; i < m->nfiles; i++) {
		const char *path = m->files[i].path;

		for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
			snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
			if (manifest_find(m, parent) != NULL)
				return (bad(err, "file", i, "it lies below another file"));
		}
	}
	return (0);
}

int
manifest_parse(struct slice text, long version, struct manifest *m, struct uverr *err)
{
	const json_t *list, *o;
	size_t i;
	int error;

	*m = (struct manifest){ 0 };
	if ((error = doc_parse(text, "manifest", version, "manifest", &m->doc, err)) != 0)
		return (error);
	m->version = doc_version(m->doc);
	list = json_object_get(m->doc, "files");
	if (!json_is_array(list) || json_array_size(list) > FILES_MAX)
		error = uverr(err, EBADMSG, "manifest: it has no list of files, or one of more than %d", FILES_MAX);
	if (error == 0)
		json_array_foreach(list, i, o)
			if (error == 0)
				error = parse_file(o, i, ARRAY_ADD(m->files, m->nfiles), err);
	json_array_foreach(json_object_get(m->doc, "notices"), i, o)
		if (error == 0)
			error = parse_notice(o, i, m->version, ARRAY_ADD(m->notices, m->nnotices), err);
	if (error == 0)
		error = check_order(m, err);
	if (error != 0)
		manifest_free(m);
	return (error);
}

void
manifest_free(struct manifest *m)
{
	for (size_t i = 0; i < m->nfiles; i++)
		free(m->files[i].deltas);
	for (size_t i = 0; i < m->nnotices; i++)
		free(m->notices[i].paths);
	free(m->files);
	free(m->notices);
	json_decref(m->doc);
	*m = (struct manifest){ 0 };
}

static int
by_path(const void *key, const void *e)
{
	return (strcmp(key, ((const struct entry *)e)->path));
}

const struct entry *
manifest_find(const struct manifest *m, const char *path)
{
	return (m->nfiles > 0 ? bsearch(path, m->files, m->nfiles, sizeof(m->files[0]), by_path) : NULL);
}
