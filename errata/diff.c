/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reader and applier of unified diffs, for FreeBSD's source patches: names relative to the source tree (-p0), the old
 * one with or without ".orig", /dev/null for files that are made or deleted.
 *
 * patch(1) guesses: it skips what it takes for garbage, tries three ways of reading a name, and applies hunks whose
 * surroundings differ ("fuzz").  A security fix that lands at a wrong place is worse than none, so here every line is
 * accounted for: counts must agree, context must match byte for byte, and where a hunk has moved, its new place must
 * be the only one.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "diff.h"

#define NUMBER_MAX 100000000L

bool
diff_path_safe(struct slice path)
{
	const char *end = path.p + path.n, *p = path.p, *slash;

	if (path.n == 0 || path.n > 1000 || path.p[0] == '/')
		return (false);
	for (size_t i = 0; i < path.n; i++)
		if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f || path.p[i] == '\\')
			return (false);
	for (; p <= end; p = slash + 1) {
		struct slice part;

		slash = p < end ? memchr(p, '/', (size_t)(end - p)) : NULL;
		if (slash == NULL)
			slash = end;
		part = (struct slice){ p, (size_t)(slash - p) };
		if (part.n == 0 || slice_is(part, ".") || slice_is(part, "..") || slice_is(part, ".git") ||
		    slice_is(part, ".errata-patch"))
			return (false);
	}
	return (true);
}

static bool
number(struct slice *s, long *value)
{
	*value = 0;
	if (s->n == 0 || !isdigit((unsigned char)s->p[0]))
		return (false);
	while (s->n > 0 && isdigit((unsigned char)s->p[0])) {
		*value = *value * 10 + (s->p[0] - '0');
		if (*value > NUMBER_MAX)
			return (false);
		*s = slice_from(*s, 1);
	}
	return (true);
}

static bool
skip(struct slice *s, const char *text)
{
	if (!slice_starts(*s, text))
		return (false);
	*s = slice_from(*s, strlen(text));
	return (true);
}

/* "-168,6" */
static bool
range(struct slice *s, const char *sign, long *start, long *count)
{
	*count = 1;
	return (skip(s, sign) && number(s, start) && (!skip(s, ",") || number(s, count)));
}

/* "@@ -168,6 +168,13 @@ what follows does not matter" */
static bool
hunk_head(struct slice line, struct diff_hunk *h)
{
	return (skip(&line, "@@ ") && range(&line, "-", &h->old_start, &h->old_count) && skip(&line, " ") &&
	    range(&line, "+", &h->new_start, &h->new_count) && skip(&line, " @@") && (line.n == 0 || line.p[0] == ' ') &&
	    (h->old_start > 0 || h->old_count == 0) && (h->new_start > 0 || h->new_count == 0));
}

/* The name behind "--- " or "+++ ", up to the time that a tab separates. */
static struct slice
name_of(struct slice line)
{
	struct slice s = slice_from(line, 4);
	const char *tab = memchr(s.p, '\t', s.n);

	if (tab != NULL)
		s.n = (size_t)(tab - s.p);
	return (s);
}

static int
read_names(struct diff *d, struct slice a, struct slice b, int line, struct uverr *err)
{
	struct diff_file *f;
	struct slice old = a, path;

	if (old.n > 5 && memcmp(old.p + old.n - 5, ".orig", 5) == 0 && !slice_is(a, "/dev/null"))
		old.n -= 5;
	path = slice_is(b, "/dev/null") ? old : b;
	if (!diff_path_safe(path) || (!slice_is(a, "/dev/null") && !diff_path_safe(old)))
		return (uverr(err, EINVAL, "line %d: the name \"%.*s\" is refused: absolute, with \"..\", or no name at all",
		    line, (int)(path.n < 200 ? path.n : 200), path.p));
	if (!slice_is(a, "/dev/null") && !slice_is(b, "/dev/null") && (old.n != b.n || memcmp(old.p, b.p, b.n) != 0))
		return (uverr(err, EINVAL, "line %d: two names for one file, \"%.*s\" and \"%.*s\" (names are relative to"
		    " the tree, as with patch -p0)", line, (int)(a.n < 150 ? a.n : 150), a.p, (int)(b.n < 150 ? b.n : 150), b.p));
	for (size_t i = 0; i < d->n; i++)
		if (slice_is(path, d->files[i].path))
			return (uverr(err, EINVAL, "line %d: %s a second time", line, d->files[i].path));
	f = ARRAY_ADD(d->files, d->n);
	f->line = line;
	f->path = arena_dup(&d->arena, path);
	f->create = slice_is(a, "/dev/null");
	f->delete = slice_is(b, "/dev/null");
	if (f->create && f->delete)
		return (uverr(err, EINVAL, "line %d: from /dev/null to /dev/null", line));
	return (0);
}

/* The lines of a hunk whose head was read. */
static int
read_hunk(struct diff_hunk *h, struct lines *l, struct uverr *err)
{
	long old = 0, new = 0;
	struct slice line, eol;
	struct diff_line *dl = NULL;
	struct lines ahead;

	while (old < h->old_count || new < h->new_count) {
		if (!lines_next(l, &line, &eol))
			return (uverr(err, EINVAL, "line %d: the patch ends within a hunk", l->no));
		if (eol.n == 0)
			return (uverr(err, EINVAL, "line %d: the patch ends within a line", l->no));
		if (slice_starts(line, "\\ No newline at end of file")) {
			if (dl == NULL || dl->text.n == 0 || dl->text.p[dl->text.n - 1] != '\n')
				return (uverr(err, EINVAL, "line %d: nothing that could lack a newline", l->no));
			dl->text.n--;
			continue;
		}
		if (line.n == 0 || (line.p[0] != ' ' && line.p[0] != '-' && line.p[0] != '+'))
			return (uverr(err, EINVAL, "line %d: within a hunk every line begins with a blank, - or +; %ld old and"
			    " %ld new ones are missing", l->no, h->old_count - old, h->new_count - new));
		dl = ARRAY_ADD(h->lines, h->nlines);
		dl->op = line.p[0];
		dl->text = (struct slice){ line.p + 1, (size_t)(eol.p + eol.n - line.p) - 1 };
		old += dl->op != '+';
		new += dl->op != '-';
		if (old > h->old_count || new > h->new_count)
			return (uverr(err, EINVAL, "line %d: more lines than the hunk's head says", l->no));
	}
	ahead = *l;
	if (dl != NULL && lines_next(&ahead, &line, &eol) && slice_starts(line, "\\ No newline at end of file")) {
		dl->text.n--;
		*l = ahead;
	}
	return (0);
}

/* What may stand between files: the words of diff, git and svn. */
static bool
is_preamble(struct slice line)
{
	static const char *const words[] = { "diff ", "index ", "Index: ", "=====", "new file mode ", "deleted file mode " };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_starts(line, words[i]))
			return (true);
	return (line.n == 0);
}

static int
read_file(struct diff *d, struct lines *l, struct slice first, struct uverr *err)
{
	struct slice line, a = name_of(first);
	struct diff_hunk *h;
	struct diff_file *f;
	struct lines ahead;
	int error, no = l->no;

	if (!lines_next(l, &line, NULL) || !slice_starts(line, "+++ "))
		return (uverr(err, EINVAL, "line %d: \"--- \" without \"+++ \" behind it", no));
	if ((error = read_names(d, a, name_of(line), no, err)) != 0)
		return (error);
	f = &d->files[d->n - 1];
	for (;;) {
		struct diff_hunk head = { 0 };

		ahead = *l;
		if (!lines_next(&ahead, &line, NULL) || !slice_starts(line, "@@"))
			break;
		*l = ahead;
		if (!hunk_head(line, &head))
			return (uverr(err, EINVAL, "line %d: a hunk begins with @@ -N,N +N,N @@", l->no));
		h = ARRAY_ADD(f->hunks, f->nhunks);
		*h = head;
		h->line = l->no;
		if ((error = read_hunk(h, l, err)) != 0)
			return (error);
	}
	if (f->nhunks == 0)
		return (uverr(err, EINVAL, "line %d: no hunk for %s", no, f->path));
	/* -u of a file that was not there: "@@ -0,0 +1,9 @@", whatever the name says. */
	h = &f->hunks[0];
	f->create |= f->nhunks == 1 && h->old_start == 0 && h->old_count == 0;
	f->delete |= f->nhunks == 1 && h->new_start == 0 && h->new_count == 0;
	if ((f->create && (f->nhunks != 1 || h->old_count != 0)) || (f->delete && (f->nhunks != 1 || h->new_count != 0)))
		return (uverr(err, EINVAL, "line %d: a file that is made or deleted whole has one hunk", h->line));
	return (0);
}

int
diff_parse(struct slice text, struct diff *d, struct uverr *err)
{
	struct lines l = lines_of(text);
	struct slice line;
	int error;

	*d = (struct diff){ 0 };
	if (text.n > 0 && memchr(text.p, '\0', text.n) != NULL)
		return (uverr(err, EINVAL, "a NUL byte: this is no patch in text"));
	while (lines_next(&l, &line, NULL)) {
		if (slice_starts(line, "--- ")) {
			if ((error = read_file(d, &l, line, err)) != 0)
				return (error);
		} else if (slice_starts(line, "*** ")) {
			return (uverr(err, EINVAL, "line %d: a context diff: only unified ones are applied", l.no));
		} else if (!is_preamble(line)) {
			return (uverr(err, EINVAL, "line %d: \"%.*s\" belongs to no file and no hunk", l.no,
			    (int)(line.n < 60 ? line.n : 60), line.p));
		}
	}
	if (d->n == 0)
		return (uverr(err, EINVAL, "no unified diff in it"));
	return (0);
}

void
diff_free(struct diff *d)
{
	for (size_t i = 0; i < d->n; i++) {
		for (size_t k = 0; k < d->files[i].nhunks; k++)
			free(d->files[i].hunks[k].lines);
		free(d->files[i].hunks);
	}
	free(d->files);
	arena_free(&d->arena);
	*d = (struct diff){ 0 };
}

/* Do the old lines of a hunk stand at old[at]? */
static bool
stands(const struct diff_hunk *h, char gone, const struct slice *old, size_t n, size_t at)
{
	for (size_t i = 0; i < h->nlines; i++) {
		const struct diff_line *l = &h->lines[i];

		if (l->op != ' ' && l->op != gone)
			continue;
		if (at >= n || old[at].n != l->text.n || memcmp(old[at].p, l->text.p, l->text.n) != 0)
			return (false);
		at++;
	}
	return (true);
}

/* Where, from `min` on, a hunk that says `want` fits; -1: nowhere, -2: at several places. */
static long
place(const struct diff_hunk *h, char gone, const struct slice *old, size_t n, size_t min, long want, size_t lines)
{
	long found = -1;

	if (want >= (long)min && (size_t)want <= n && stands(h, gone, old, n, (size_t)want))
		return (want);
	if (lines == 0)
		return (-1);
	for (size_t at = min; at + lines <= n; at++)
		if (stands(h, gone, old, n, at)) {
			if (found != -1)
				return (-2);
			found = (long)at;
		}
	return (found);
}

int
diff_apply(const struct diff_file *f, struct slice old_text, bool reverse, struct buf *out, long *moved,
    struct uverr *err)
{
	char gone = reverse ? '+' : '-', come = reverse ? '-' : '+';
	struct slice *old = NULL, line, eol;
	struct lines l = lines_of(old_text);
	size_t n = 0, at = 0;
	long shift = 0;
	int error = 0;

	*moved = 0;
	buf_add(out, "", 0);
	while (lines_next(&l, &line, &eol))
		*ARRAY_ADD(old, n) = (struct slice){ line.p, (size_t)(eol.p + eol.n - line.p) };
	for (size_t k = 0; k < f->nhunks; k++) {
		const struct diff_hunk *h = &f->hunks[k];
		long start = reverse ? h->new_start : h->old_start, count = reverse ? h->new_count : h->old_count;
		long want = (count > 0 ? start - 1 : start) + shift, to;

		to = place(h, gone, old, n, at, want, (size_t)count);
		if (to < 0) {
			error = uverr(err, EINVAL, "%s: the hunk of the patch's line %d %s; nothing was changed", f->path, h->line,
			    to == -1 ? "does not fit: the file is not the one that the patch was made for, or has it already" :
			    "fits at several places, and not where it says");
			goto out;
		}
		if (labs(to - want) > *moved)
			*moved = labs(to - want);
		shift += to - want;
		while (at < (size_t)to)
			buf_slice(out, old[at++]);
		for (size_t i = 0; i < h->nlines; i++) {
			if (h->lines[i].op != gone)
				buf_slice(out, h->lines[i].text);
			if (h->lines[i].op != come)
				at++;
		}
	}
	while (at < n)
		buf_slice(out, old[at++]);
out:
	free(old);
	return (error);
}
