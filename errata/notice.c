/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader of notices.
 *
 * It takes the signed text, and nothing else, apart into blocks without losing a byte (notice.h), and then reads what
 * it knows: the id, the fields, the corrections (fix.c).  Thirty years of notices were written by hand, so nothing is
 * demanded here; what is odd about a text, lint.c says.
 *
 * A field begins at the start of a line with a name that notices are known to use and a colon, before the first
 * section; lines that begin with a blank continue it, and an empty line ends it.  A section begins with a Roman number
 * and a full stop.  All else is free text.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "notice.h"
#include "fix.h"

static const char *const field_names[] = {
	"Topic", "Category", "Module", "Modules", "Announced", "Credits", "Affects", "Corrected", "CVE Name", "CVE",
	"Revised", "Reissued", "Note", "Special Note", "Sponsored by", "FreeBSD only", "Patches", "Patch", "Vendor status",
	"Source", "Reference", "References", "Vulnerable", "CERT", "CERT ID", "Bugtraq Id",
};

static bool
is_field(struct slice line, struct slice *name)
{
	const char *colon = memchr(line.p, ':', line.n);

	if (colon == NULL)
		return (false);
	*name = (struct slice){ line.p, (size_t)(colon - line.p) };
	for (size_t i = 0; i < sizeof(field_names) / sizeof(field_names[0]); i++)
		if (slice_isi(*name, field_names[i]))
			return (true);
	/* "Module(s)" */
	return (slice_isi(*name, "Module(s)"));
}

/* "VI.  Correction details" */
static bool
is_section(struct slice line, struct slice *number)
{
	size_t n = 0;

	while (n < line.n && n < 5 && strchr("IVX", line.p[n]) != NULL)
		n++;
	if (n == 0 || n + 1 >= line.n || line.p[n] != '.' || (line.p[n + 1] != ' ' && line.p[n + 1] != '\t'))
		return (false);
	*number = (struct slice){ line.p, n };
	return (slice_trim(slice_from(line, n + 1)).n > 0);
}

static void
add_line(struct notice_block *b, struct slice line, struct slice eol)
{
	struct notice_line *l = ARRAY_ADD(b->lines, b->nlines);
	size_t n = 0;

	while (n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
		n++;
	l->indent = (struct slice){ line.p, n };
	l->text = slice_from(line, n);
	l->eol = eol;
}

static void
split(struct notice *n)
{
	struct lines l = lines_of(buf_get(&n->text));
	struct slice line, eol, name;
	struct notice_block *b = NULL;
	bool sections = false;

	while (lines_next(&l, &line, &eol)) {
		bool empty = slice_trim(line).n == 0;

		if (is_section(line, &name)) {
			b = ARRAY_ADD(n->blocks, n->nblocks);
			b->kind = BLOCK_SECTION;
			sections = true;
		} else if (!sections && is_field(line, &name)) {
			b = ARRAY_ADD(n->blocks, n->nblocks);
			b->kind = BLOCK_FIELD;
		} else {
			/* The text of a section, the continuation of a field, or free text. */
			if (b == NULL || (b->kind == BLOCK_FIELD && (empty || !isblank((unsigned char)line.p[0])))) {
				b = ARRAY_ADD(n->blocks, n->nblocks);
				b->kind = BLOCK_TEXT;
				b->line = l.no;
			}
			add_line(b, line, eol);
			continue;
		}
		b->line = l.no;
		b->name = name;
		add_line(b, slice_from(line, name.n + 1), eol);
	}
}

void
notice_print(const struct notice *n, struct buf *out)
{
	for (size_t i = 0; i < n->nblocks; i++) {
		const struct notice_block *b = &n->blocks[i];

		if (b->kind != BLOCK_TEXT) {
			buf_slice(out, b->name);
			buf_str(out, b->kind == BLOCK_FIELD ? ":" : ".");
		}
		for (size_t k = 0; k < b->nlines; k++) {
			buf_slice(out, b->lines[k].indent);
			buf_slice(out, b->lines[k].text);
			buf_slice(out, b->lines[k].eol);
		}
	}
}

const struct notice_block *
notice_field(const struct notice *n, const char *name)
{
	for (size_t i = 0; i < n->nblocks; i++)
		if (n->blocks[i].kind == BLOCK_FIELD && slice_isi(n->blocks[i].name, name))
			return (&n->blocks[i]);
	return (NULL);
}

const struct notice_block *
notice_section(const struct notice *n, const char *word)
{
	char title[128];

	for (size_t i = 0; i < n->nblocks; i++) {
		const struct notice_block *b = &n->blocks[i];

		if (b->kind != BLOCK_SECTION)
			continue;
		snprintf(title, sizeof(title), "%.*s", (int)(b->lines[0].text.n < 100 ? b->lines[0].text.n : 100),
		    b->lines[0].text.p);
		if (strcasestr(title, word) != NULL)
			return (b);
	}
	return (NULL);
}

const char *
block_folded(struct notice *n, const struct notice_block *b)
{
	struct buf out = { 0 };
	char *s;

	if (b == NULL)
		return ("");
	for (size_t k = 0; k < b->nlines; k++) {
		struct slice t = slice_trim(b->lines[k].text);

		if (t.n == 0)
			continue;
		if (out.n > 0)
			buf_str(&out, " ");
		buf_slice(&out, t);
	}
	s = text_utf8(&n->arena, buf_get(&out));
	buf_free(&out);
	return (s);
}

const char *
block_body(struct notice *n, const struct notice_block *b)
{
	struct buf out = { 0 };
	struct slice t;
	char *s;

	for (size_t k = b->kind == BLOCK_SECTION; k < b->nlines; k++) {
		buf_slice(&out, b->lines[k].indent);
		buf_slice(&out, b->lines[k].text);
		buf_str(&out, "\n");
	}
	t = buf_get(&out);
	while (t.n > 0 && t.p[0] == '\n')
		t = slice_from(t, 1);
	while (t.n > 1 && t.p[t.n - 1] == '\n' && t.p[t.n - 2] == '\n')
		t.n--;
	s = text_utf8(&n->arena, t);
	buf_free(&out);
	return (s);
}

static bool
digits(struct slice s, size_t at, size_t n, int *value)
{
	if (s.n < at + n)
		return (false);
	*value = 0;
	for (size_t i = at; i < at + n; i++) {
		if (!isdigit((unsigned char)s.p[i]))
			return (false);
		*value = *value * 10 + (s.p[i] - '0');
	}
	return (true);
}

bool
notice_id_parse(struct slice id, char kind[3], int *year, int *number, struct slice *slug)
{
	size_t skip = strlen("FreeBSD-EN-");
	int y, num;

	if (!slice_starts(id, "FreeBSD-SA-") && !slice_starts(id, "FreeBSD-EN-") && !slice_starts(id, "FreeBSD-SN-"))
		return (false);
	if (!digits(id, skip, 2, &y) || id.n < skip + 5 || id.p[skip + 2] != ':' || !digits(id, skip + 3, 2, &num))
		return (false);
	if (id.n > skip + 5 && id.p[skip + 5] != '.')
		return (false);
	if (kind != NULL)
		snprintf(kind, 3, "%.2s", id.p + 8);
	if (year != NULL)
		*year = y >= 90 ? 1900 + y : 2000 + y;
	if (number != NULL)
		*number = num;
	if (slug != NULL)
		*slug = slice_from(id, skip + 6);
	return (true);
}

/* The letters of an id: it may stand in a sentence, so it ends at the last letter or digit. */
static struct slice
id_at(const char *p, const char *end)
{
	struct slice s = { p, 0 };

	while (p + s.n < end && (isalnum((unsigned char)p[s.n]) || strchr("-:._+", p[s.n]) != NULL) && p[s.n] != '\0')
		s.n++;
	if (s.n > 4 && memcmp(s.p + s.n - 4, ".asc", 4) == 0)
		s.n -= 4;
	while (s.n > 0 && strchr("-:._", s.p[s.n - 1]) != NULL)
		s.n--;
	return (s);
}

static void
find_id(struct notice *n)
{
	struct lines l = lines_of(buf_get(&n->text));
	struct slice line, id, slug = { "", 0 };
	size_t length = strlen(n->file);

	n->id = "";
	n->slug = "";
	while (lines_next(&l, &line, NULL) && l.no < 20) {
		line = slice_trim(line);
		if (!slice_starts(line, "FreeBSD-"))
			continue;
		id = id_at(line.p, line.p + line.n);
		if (!notice_id_parse(id, n->kind, &n->year, &n->number, &slug))
			continue;
		n->id = arena_dup(&n->arena, id);
		n->slug = arena_dup(&n->arena, slug);
		n->id_line = l.no;
		/* Before 2001 the text's line had no last part; the file's name has. */
		if (slug.n > 0 || length < 4 + id.n || strncmp(n->file, n->id, id.n) != 0 || n->file[id.n] != '.' ||
		    strcmp(n->file + length - 4, ".asc") != 0)
			return;
		break;
	}
	id = slice_str(n->file);
	if (slice_starts(id, "FreeBSD-") || n->id[0] == '\0') {
		if (id.n > 4 && strcmp(n->file + id.n - 4, ".asc") == 0)
			id.n -= 4;
		n->id = arena_dup(&n->arena, id);
		if (notice_id_parse(id, n->kind, &n->year, &n->number, &slug))
			n->slug = arena_dup(&n->arena, slug);
	}
}

static void
add_once(struct notice *n, const char ***list, size_t *count, struct slice s)
{
	for (size_t i = 0; i < *count; i++)
		if (slice_is(s, (*list)[i]))
			return;
	*(const char **)array_grow((void **)list, count, sizeof(char *)) = arena_dup(&n->arena, s);
}

/* CVE-2023-1234; before 2005 also CAN-... */
static struct slice
cve_at(const char *p, const char *end)
{
	struct slice s = { p, 9 };
	int year;

	if (end - p < 13 || (memcmp(p, "CVE-", 4) != 0 && memcmp(p, "CAN-", 4) != 0) || p[8] != '-' ||
	    !digits((struct slice){ p, 8 }, 4, 4, &year))
		return ((struct slice){ p, 0 });
	while (p + s.n < end && isdigit((unsigned char)p[s.n]) && s.n < 20)
		s.n++;
	return (s.n >= 13 ? s : (struct slice){ p, 0 });
}

static struct slice
url_at(const char *p, const char *end)
{
	struct slice s = { p, 0 };

	while (p + s.n < end && (unsigned char)p[s.n] > ' ' && (unsigned char)p[s.n] < 0x7f &&
	    strchr("<>\"'`()[]{}", p[s.n]) == NULL)
		s.n++;
	while (s.n > 0 && strchr(".,;:", p[s.n - 1]) != NULL)
		s.n--;
	return (s);
}

/* All over the text: CVEs, URLs, other notices' ids, the need to reboot. */
static void
scan(struct notice *n)
{
	struct slice s = buf_get(&n->text), hit;
	const char *end = s.p + s.n;
	const struct notice_block *solution = notice_section(n, "Solution");

	for (const char *p = s.p; p < end; p++) {
		if (*p == 'C' && (hit = cve_at(p, end)).n > 0) {
			add_once(n, &n->cves, &n->ncves, hit);
			p += hit.n - 1;
		} else if ((*p == 'h' || *p == 'f') && (slice_starts((struct slice){ p, (size_t)(end - p) }, "https://") ||
		    slice_starts((struct slice){ p, (size_t)(end - p) }, "http://") ||
		    slice_starts((struct slice){ p, (size_t)(end - p) }, "ftp://"))) {
			hit = url_at(p, end);
			add_once(n, &n->urls, &n->nurls, hit);
			if (slice_has(hit, "/patches/") && (hit.n < 4 || memcmp(hit.p + hit.n - 4, ".asc", 4) != 0))
				add_once(n, &n->patches, &n->npatches, hit);
		} else if (*p == 'F' && notice_id_parse(hit = id_at(p, end), NULL, NULL, NULL, NULL)) {
			if (strncmp(n->id, hit.p, hit.n) != 0)
				add_once(n, &n->mentions, &n->nmentions, hit);
			p += hit.n - 1;
		}
	}
	/* CVEs of URLs count too: step into them. */
	for (size_t i = 0; i < n->nurls; i++)
		for (const char *p = strstr(n->urls[i], "C"); p != NULL; p = strstr(p + 1, "C"))
			if ((hit = cve_at(p, p + strlen(p))).n > 0)
				add_once(n, &n->cves, &n->ncves, hit);
	if (solution != NULL) {
		const char *body = block_body(n, solution);

		n->reboot = strcasestr(body, "reboot is required") != NULL || strcasestr(body, "reboot the\nsystem") != NULL ||
		    strcasestr(body, "reboot the system") != NULL || strcasestr(body, "reboot your system") != NULL;
	}
}

static void
read_fields(struct notice *n)
{
	static const char *const modules[] = { "Module", "Modules", "Module(s)" };
	struct slice s;
	int year, month, day;

	n->topic = block_folded(n, notice_field(n, "Topic"));
	n->category = block_folded(n, notice_field(n, "Category"));
	n->announced = block_folded(n, notice_field(n, "Announced"));
	n->revised = block_folded(n, notice_field(n, "Revised"));
	n->credits = block_folded(n, notice_field(n, "Credits"));
	n->affects = block_folded(n, notice_field(n, "Affects"));
	n->module = "";
	for (size_t i = 0; i < 3 && n->module[0] == '\0'; i++)
		n->module = block_folded(n, notice_field(n, modules[i]));
	s = slice_str(n->announced);
	if (digits(s, 0, 4, &year) && digits(s, 5, 2, &month) && digits(s, 8, 2, &day))
		snprintf(n->date, sizeof(n->date), "%04u-%02u-%02u", (unsigned)year % 10000, (unsigned)month % 100,
		    (unsigned)day % 100);
}

static struct notice *
notice_new(const char *path)
{
	struct notice *n = xmalloc(sizeof(*n));
	const char *slash = strrchr(path, '/');

	n->path = arena_dup(&n->arena, slice_str(path));
	n->file = arena_dup(&n->arena, slice_str(slash != NULL ? slash + 1 : path));
	return (n);
}

static void
parse(struct notice *n)
{
	split(n);
	find_id(n);
	read_fields(n);
	fix_read(n);
	scan(n);
}

struct notice *
notice_parse(struct slice text, const char *path)
{
	struct notice *n = notice_new(path);

	buf_slice(&n->text, text);
	n->verdict.status = VERDICT_UNCHECKED;
	snprintf(n->verdict.why, sizeof(n->verdict.why), "not verified");
	parse(n);
	return (n);
}

int
notice_load(struct notice **np, const char *path, struct keyring *kr, struct uverr *err)
{
	struct notice *n = notice_new(path);
	int error;

	if ((error = file_read(path, FILE_MAX, &n->raw, err)) != 0) {
		notice_free(n);
		return (error);
	}
	buf_add(&n->text, "", 0);
	verify_message(kr, buf_get(&n->raw), &n->verdict, &n->text);
	parse(n);
	*np = n;
	return (0);
}

void
notice_free(struct notice *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; i < n->nblocks; i++)
		free(n->blocks[i].lines);
	free(n->blocks);
	free(n->fixes);
	free(n->files);
	free(n->cves);
	free(n->urls);
	free(n->patches);
	free(n->mentions);
	buf_free(&n->raw);
	buf_free(&n->text);
	arena_free(&n->arena);
	free(n);
}
