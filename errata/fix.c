/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Corrections are told twice: in the field Corrected (branch, version, time of day) and in a table (hash, revision).
 * Here the two are put together by branch.
 *
 *	Corrected:      2023-08-01 19:50:47 UTC (releng/13.2, 13.2-RELEASE-p2)
 *
 *	Branch/path                             Hash                     Revision
 *	-------------------------------------------------------------------------
 *	releng/13.2/                            e3e6fc371322  releng/13.2-n254623
 *
 * Before 2008 the table gave files (CVS) below their branch: those go to `files`.  Between 2008 and 2012 there are two
 * tables, by file and by branch; until 2021 revisions are Subversion's (r369552).  An entry of Corrected may be wrapped
 * at any blank, so its lines are joined first and each place is mapped back to its line.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fix.h"

static bool
number(struct slice s)
{
	if (s.n == 0 || s.n > 6)
		return (false);
	for (size_t i = 0; i < s.n; i++)
		if (!isdigit((unsigned char)s.p[i]))
			return (false);
	return (true);
}

/* "4", "4_6_2", "13.2": digits with the separator between. */
static bool
numbers(struct slice s, char sep, char *out, size_t size)
{
	size_t n = 0;

	if (s.n == 0 || s.n >= size || s.n > 12)
		return (false);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == sep && i > 0 && i + 1 < s.n && s.p[i - 1] != sep)
			out[n++] = '.';
		else if (isdigit((unsigned char)s.p[i]))
			out[n++] = s.p[i];
		else
			return (false);
	}
	out[n] = '\0';
	return (true);
}

bool
fix_branch(struct slice name, char out[32])
{
	char v[16];

	while (name.n > 0 && strchr("/:", name.p[name.n - 1]) != NULL)
		name.n--;
	if (slice_isi(name, "head") || slice_is(name, "main") || slice_isi(name, "current")) {
		strcpy(out, "main");
		return (true);
	}
	if (slice_starts(name, "stable/") && number(slice_from(name, 7))) {
		snprintf(out, 32, "%.*s", (int)name.n, name.p);
		return (true);
	}
	if (slice_starts(name, "releng/") && numbers(slice_from(name, 7), '.', v, sizeof(v))) {
		snprintf(out, 32, "releng/%s", v);
		return (true);
	}
	if (slice_starts(name, "RELENG_") && numbers(slice_from(name, 7), '_', v, sizeof(v))) {
		snprintf(out, 32, strchr(v, '.') != NULL ? "releng/%s" : "stable/%s", v);
		return (true);
	}
	return (false);
}

/* "13.2-RELEASE-p2", also inside of "FreeBSD 13.2-STABLE": its length there, or 0. */
static size_t
version_length(const char *p, const char *end)
{
	static const char *const kinds[] = { "RELEASE", "STABLE", "CURRENT", "PRERELEASE", "RC", "BETA", "ALPHA" };
	const char *s = p;
	size_t k;

	while (s < end && (isdigit((unsigned char)*s) || (*s == '.' && s > p && s + 1 < end)))
		s++;
	if (s == p || s == end || *s != '-' || !isdigit((unsigned char)s[-1]))
		return (0);
	s++;
	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		if (slice_starts((struct slice){ s, (size_t)(end - s) }, kinds[k]))
			break;
	if (k == sizeof(kinds) / sizeof(kinds[0]))
		return (0);
	s += strlen(kinds[k]);
	while (s < end && (isalnum((unsigned char)*s) || (*s == '-' && s + 1 < end && isalnum((unsigned char)s[1]))))
		s++;
	return ((size_t)(s - p));
}

/* From a version alone: 13.2-RELEASE-p2 lies on releng/13.2, 13.2-STABLE on stable/13. */
static bool
branch_of_version(struct slice v, char out[32])
{
	size_t n = 0, major = 0;

	while (n < v.n && v.p[n] != '-')
		n++;
	while (major < n && v.p[major] != '.')
		major++;
	if (n == 0 || n > 10)
		return (false);
	if (slice_has(v, "-RELEASE"))
		snprintf(out, 32, "releng/%.*s", (int)n, v.p);
	else if (slice_has(v, "-CURRENT"))
		strcpy(out, "main");
	else
		snprintf(out, 32, "stable/%.*s", (int)major, v.p);
	return (true);
}

/* "2023-08-01" or "2003/8/1" at p: its length, and the date in ISO form. */
static size_t
date_length(const char *p, const char *end, char iso[11])
{
	int part[3] = { 0 }, n = 0;
	const char *s = p;

	for (; n < 3; n++) {
		const char *from = s;

		while (s < end && isdigit((unsigned char)*s) && s - from < 4)
			part[n] = part[n] * 10 + (*s++ - '0');
		if (s - from != 4 && (n == 0 || s == from || s - from > 2))
			return (0);
		if (n < 2) {
			if (s == end || (*s != '-' && *s != '/'))
				return (0);
			s++;
		}
	}
	snprintf(iso, 11, "%04u-%02u-%02u", (unsigned)part[0] % 10000, (unsigned)part[1] % 100, (unsigned)part[2] % 100);
	return ((size_t)(s - p));
}

static struct notice_fix *
fix_add(struct notice *n, const char *branch)
{
	struct notice_fix *f = ARRAY_ADD(n->fixes, n->nfixes);

	f->branch = arena_dup(&n->arena, slice_str(branch));
	f->version = f->date = f->time = f->hash = f->revision = "";
	return (f);
}

static struct notice_fix *
fix_find(struct notice *n, const char *branch)
{
	for (size_t i = 0; i < n->nfixes; i++)
		if (strcmp(n->fixes[i].branch, branch) == 0)
			return (&n->fixes[i]);
	return (NULL);
}

/* The words in the parentheses behind a date: a branch, a version, or both in any order. */
static void
read_words(struct slice in, char branch[32], struct slice *version)
{
	const char *end = in.p + in.n;
	struct slice word;
	size_t n;

	branch[0] = '\0';
	*version = (struct slice){ "", 0 };
	for (const char *p = in.p; p < end; p++) {
		if (p > in.p && !isspace((unsigned char)p[-1]) && strchr(",(", p[-1]) == NULL)
			continue;
		if (version->n == 0 && (n = version_length(p, end)) > 0)
			*version = (struct slice){ p, n };
		word = (struct slice){ p, 0 };
		while (p + word.n < end && !isspace((unsigned char)p[word.n]) && p[word.n] != ',')
			word.n++;
		if (branch[0] == '\0' && !fix_branch(word, branch) && slice_starts(word, "ports/"))
			snprintf(branch, 32, "%.*s", word.n < 31 ? (int)word.n : 31, word.p);
	}
	if (branch[0] == '\0' && version->n > 0)
		branch_of_version(*version, branch);
}

static void
read_corrected(struct notice *n, const struct notice_block *b)
{
	struct buf all = { 0 };
	struct notice_fix *f;
	struct slice version, rest;
	const char *p, *end, *close;
	char branch[32], iso[11], when[9];
	size_t *starts, len;

	starts = xmalloc(b->nlines * sizeof(*starts));
	for (size_t k = 0; k < b->nlines; k++) {
		starts[k] = all.n;
		buf_slice(&all, b->lines[k].text);
		buf_str(&all, " ");
	}
	end = all.p + all.n;
	for (p = all.p; p < end; p++) {
		if ((p > all.p && isdigit((unsigned char)p[-1])) || (len = date_length(p, end, iso)) == 0)
			continue;
		rest = (struct slice){ p + len, (size_t)(end - p) - len };
		while (rest.n > 0 && isblank((unsigned char)*rest.p))
			rest = slice_from(rest, 1);
		when[0] = '\0';
		len = 0;
		while (len < rest.n && len < 8 && (isdigit((unsigned char)rest.p[len]) || rest.p[len] == ':'))
			len++;
		if (len >= 4 && memchr(rest.p, ':', len) != NULL) {
			snprintf(when, sizeof(when), "%.*s", (int)len, rest.p);
			rest = slice_from(rest, len);
		}
		/* "UTC", and in three texts a year once more. */
		while (rest.n > 0 && *rest.p != '(' && (isblank((unsigned char)*rest.p) || isalnum((unsigned char)*rest.p)) &&
		    date_length(rest.p, end, (char[11]){ 0 }) == 0)
			rest = slice_from(rest, 1);
		if (rest.n == 0 || *rest.p != '(' || (close = memchr(rest.p, ')', rest.n)) == NULL)
			continue;
		read_words((struct slice){ rest.p + 1, (size_t)(close - rest.p) - 1 }, branch, &version);
		if (branch[0] == '\0')
			continue;
		f = fix_add(n, branch);
		f->version = arena_dup(&n->arena, version);
		f->date = arena_dup(&n->arena, slice_str(iso));
		f->time = arena_dup(&n->arena, slice_str(when));
		for (size_t k = 0; k < b->nlines && starts[k] <= (size_t)(p - all.p); k++)
			f->line = b->line + (int)k;
		p = close;
	}
	free(starts);
	buf_free(&all);
}

static bool
is_rule(struct slice line)
{
	size_t n = 0;

	line = slice_trim(line);
	while (n < line.n && line.p[n] == '-')
		n++;
	return (n >= 20 && n == line.n);
}

static bool
is_hash(struct slice s)
{
	if (s.n < 7 || s.n > 40)
		return (false);
	for (size_t i = 0; i < s.n; i++)
		if (!isdigit((unsigned char)s.p[i]) && (s.p[i] < 'a' || s.p[i] > 'f'))
			return (false);
	return (true);
}

/* "stable/13-n255888", in one text without the n, or a plain "n255888". */
static long
count_of(struct slice revision)
{
	size_t at = revision.n;
	long count = 0;

	while (at > 0 && isdigit((unsigned char)revision.p[at - 1]))
		at--;
	if (revision.n - at < 4 || revision.n - at > 8)
		return (0);
	if (!(at > 0 && (revision.p[at - 1] == 'n' || (revision.p[at - 1] == '-' && slice_has(revision, "/")))))
		return (0);
	for (size_t i = at; i < revision.n; i++)
		count = count * 10 + (revision.p[i] - '0');
	return (count);
}

static void
read_row(struct notice *n, struct slice line, bool indented, int no, char branch[32])
{
	struct slice rest = line, w[4];
	struct notice_fix *f;
	struct notice_file *file;
	char name[32];
	size_t words = 0;

	while (words < 4 && (w[words] = slice_word(&rest)).n > 0)
		words++;
	if (words == 0 || words > 3)
		return;
	if (words == 1) {			/* a branch, its files follow */
		if (!fix_branch(w[0], branch))
			snprintf(branch, 32, "%.*s", w[0].n < 31 ? (int)w[0].n : 31, w[0].p);
		return;
	}
	if (!indented && fix_branch(w[0], name)) {
		f = fix_find(n, name);
		if (f == NULL || f->row != 0)
			f = fix_add(n, name);
		f->row = no;
		f->revision = arena_dup(&n->arena, w[words - 1]);
		f->count = count_of(w[words - 1]);
		if (words == 3 && is_hash(w[1]))
			f->hash = arena_dup(&n->arena, w[1]);
		else if (words == 2 && is_hash(w[1]) && !isdigit((unsigned char)w[1].p[0]))
			f->hash = f->revision, f->revision = "";
		strcpy(branch, name);
		return;
	}
	if (words == 2) {
		file = ARRAY_ADD(n->files, n->nfiles);
		file->branch = arena_dup(&n->arena, slice_str(branch));
		file->path = arena_dup(&n->arena, w[0]);
		file->revision = arena_dup(&n->arena, w[1]);
		file->line = no;
		if ((f = fix_find(n, branch)) != NULL)
			f->files++;
	}
}

void
fix_read(struct notice *n)
{
	const struct notice_block *b = notice_field(n, "Corrected");
	char branch[32] = "";
	bool in = false, head = false;

	if (b != NULL)
		read_corrected(n, b);
	b = notice_section(n, "Correction details");
	if (b == NULL)
		return;
	for (size_t k = 1; k < b->nlines; k++) {
		struct notice_line *l = &b->lines[k];

		if (is_rule(l->text)) {
			in = head && !in;
			head = false;
			branch[0] = '\0';
		} else if (in) {
			read_row(n, l->text, l->indent.n > 0, b->line + (int)k, branch);
		} else if ((slice_starts(l->text, "Branch") || slice_starts(l->text, "Path")) &&
		    (slice_has(l->text, "Revision") || slice_has(l->text, "Hash"))) {
			head = true;
		}
	}
}
