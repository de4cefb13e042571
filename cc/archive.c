/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Archives: the members that a link needs, as files.
 *
 * A linker takes from an archive what defines a symbol that is missing so
 * far.  vnetcc must know which members these are before there is a linker to
 * ask, so it does the same: it goes through all archives until none of them
 * has anything more to give.  (ld goes through each once, at its place;
 * whatever links with it links here.)
 *
 * Members are written to a directory that is removed after the link; the
 * members of a thin archive are files already.
 */

#include <ar.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vnetcc.h"

struct member {
	struct object obj; /* obj.data points into the archive, or is its own (thin) */
	char *name;
	bool taken;
};

struct archive {
	char *path;
	uint8_t *data;
	struct member *member;
	size_t n;
	bool thin; /* members are files of their own */
};

/* A decimal field of a header. */
static size_t
field(const char *f, size_t n)
{
	size_t v = 0;

	for (size_t i = 0; i < n && isdigit((unsigned char)f[i]); i++)
		v = 10 * v + (size_t)(f[i] - '0');
	return (v);
}

/* The member's name: "name/", or "/123", an offset into the table of long names. */
static char *
member_name(const struct ar_hdr *h, const char *longs, size_t nlongs)
{
	size_t at, n;

	if (h->ar_name[0] != '/')
		return (xasprintf("%.*s", (int)strcspn(h->ar_name, "/"), h->ar_name));
	at = field(h->ar_name + 1, sizeof(h->ar_name) - 1);
	if (at >= nlongs)
		return (NULL);
	for (n = 0; at + n < nlongs && longs[at + n] != '\n'; n++)
		;
	if (n > 0 && longs[at + n - 1] == '/')
		n--;
	return (xasprintf("%.*s", (int)n, longs + at));
}

/* A thin archive's member is a file, named relative to the archive. */
static bool
thin_member(struct archive *a, struct member *m)
{
	const char *slash = strrchr(a->path, '/');
	char *path = m->name[0] == '/' || slash == NULL ?
	    xstrdup(m->name) :
	    xasprintf("%.*s/%s", (int)(slash - a->path), a->path, m->name);
	const char *why;

	m->obj.path = path;
	return (file_read(path, &m->obj.data, &m->obj.size) && object_parse(&m->obj, m->obj.data, m->obj.size, &why));
}

static bool
archive_parse(struct archive *a, size_t size)
{
	const char *longs = NULL, *why;
	size_t nlongs = 0, at = SARMAG;

	while (at + sizeof(struct ar_hdr) <= size) {
		const struct ar_hdr *h = (const void *)(a->data + at);
		size_t n = field(h->ar_size, sizeof(h->ar_size));
		bool special = h->ar_name[0] == '/' && !isdigit((unsigned char)h->ar_name[1]);
		uint8_t *body = a->data + at + sizeof(*h);
		struct member *m;

		at += sizeof(*h);
		if (memcmp(h->ar_fmag, ARFMAG, 2) != 0 || ((special || !a->thin) && n > size - at)) {
			complain("%s: is a damaged archive", a->path);
			return (false);
		}
		if (special || !a->thin)
			at += n + (n & 1);
		if (special && h->ar_name[1] == '/') {
			longs = (const char *)body;
			nlongs = n;
		}
		if (special)
			continue;
		a->member = xrealloc(a->member, a->n + 1, sizeof(*a->member));
		m = &a->member[a->n++];
		*m = (struct member) { .name = member_name(h, longs, nlongs) };
		if (m->name == NULL) {
			complain("%s: is a damaged archive", a->path);
			return (false);
		}
		/* What is no object of ours (another machine's, an index) is left to ld. */
		if (a->thin ? !thin_member(a, m) :
			   (m->obj.data = body, m->obj.size = n, !object_parse(&m->obj, body, n, &why)))
			m->obj.nsym = 0;
	}
	return (true);
}

static bool
archive_open(struct archive *a, const char *path)
{
	size_t size;

	*a = (struct archive) { .path = xstrdup(path) };
	if (!file_read(path, &a->data, &size))
		return (false);
	a->thin = size >= SARMAG && memcmp(a->data, "!<thin>\n", SARMAG) == 0;
	return ((a->thin || (size >= SARMAG && memcmp(a->data, ARMAG, SARMAG) == 0)) && archive_parse(a, size));
}

static void
archive_close(struct archive *a)
{
	for (size_t i = 0; i < a->n; i++) {
		if (!a->thin)
			a->member[i].obj.data = NULL;
		object_free(&a->member[i].obj);
		free(a->member[i].name);
	}
	free(a->member);
	free(a->data);
	free(a->path);
}

/* Is the file an archive with a member that has bitcode? */
bool
archive_has_bitcode(const char *path)
{
	struct archive a;
	bool has = false;

	if (access(path, R_OK) == 0 && archive_open(&a, path))
		for (size_t i = 0; i < a.n; i++)
			has = has || a.member[i].obj.bitcode != NULL;
	else if (access(path, R_OK) != 0)
		return (false);
	archive_close(&a);
	return (has);
}

static int
by_name(const void *a, const void *b)
{
	return (strcmp(a, b));
}

static void
names_add(void **set, const char *name)
{
	if (tfind(name, set, by_name) == NULL)
		tsearch(xstrdup(name), set, by_name);
}

static bool
names_has(void *const *set, const char *name)
{
	return (tfind(name, set, by_name) != NULL);
}

void
symbols_free(struct symbols *s)
{
	tdestroy(s->defined, free);
	tdestroy(s->wanted, free);
}

/* The symbols of a link so far: what is defined, what is wanted. */
static void
symbols_note(struct symbols *s, const struct object *o)
{
	for (size_t i = 0; i < o->nsym; i++)
		if (o->sym[i].defined)
			names_add(&s->defined, o->sym[i].name);
		else if (!o->sym[i].weak)
			names_add(&s->wanted, o->sym[i].name);
}

void
symbols_note_object(struct symbols *s, const char *path)
{
	struct object o = { 0 };
	const char *why;

	if (file_read(path, &o.data, &o.size) && object_parse(&o, o.data, o.size, &why))
		symbols_note(s, &o);
	object_free(&o);
}

static bool
member_wanted(const struct symbols *s, const struct member *m)
{
	for (size_t i = 0; i < m->obj.nsym; i++)
		if (m->obj.sym[i].defined && names_has(&s->wanted, m->obj.sym[i].name) &&
		    !names_has(&s->defined, m->obj.sym[i].name))
			return (true);
	return (false);
}

static bool
member_take(struct symbols *s, struct archive *a, struct member *m, const char *dir, struct strlist *out)
{
	const char *slash = strrchr(m->name, '/');
	char *path = a->thin ? xstrdup(m->obj.path) :
				  xasprintf("%s/%zu-%s", dir, out->n, slash != NULL ? slash + 1 : m->name);
	bool ok = true;
	int fd;

	m->taken = true;
	symbols_note(s, &m->obj);
	if (!a->thin) {
		fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		ok = fd >= 0 && file_write(fd, path, m->obj.data, m->obj.size);
		if (fd < 0)
			complain("%s: %s", path, strerror(errno));
		else
			close(fd);
	}
	strlist_add(out, path);
	free(path);
	return (ok);
}

/* Adds to `out` the files of the members that the link needs of the archives `paths`; `whole`: of all. */
bool
archives_take(const struct strlist *paths, struct symbols *s, bool whole, const char *dir, struct strlist *out)
{
	struct archive *a = xrealloc(NULL, paths->n, sizeof(*a));
	size_t n = 0, before;
	bool ok = true;

	for (; n < paths->n && ok; n++)
		ok = archive_open(&a[n], paths->v[n]);
	do {
		before = out->n;
		for (size_t i = 0; i < n; i++)
			for (size_t m = 0; m < a[i].n && ok; m++)
				if (!a[i].member[m].taken && (whole || member_wanted(s, &a[i].member[m])))
					ok = member_take(s, &a[i], &a[i].member[m], dir, out);
	} while (ok && out->n != before);
	while (n-- > 0)
		archive_close(&a[n]);
	free(a);
	return (ok);
}
