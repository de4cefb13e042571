/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the signed texts get wrong.  Thirty years of notices were typed by hand; what is signed cannot be mended, so
 * this says what to distrust: dates that do not exist, ids that differ, branches that the field and the table do not
 * share, revisions of another branch.  A warning may lead a program astray; a note only a reader.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "errata.h"
#include "fix.h"
#include "version.h"

struct finding {
	int line;
	size_t order;
	enum lint_level level;
	char *what;
};

struct lint {
	struct notice *n;
	struct finding *v;
	size_t count;
};

static void __attribute__((format(printf, 4, 5)))
say(struct lint *l, int line, enum lint_level level, const char *fmt, ...)
{
	struct finding *f = ARRAY_ADD(l->v, l->count);
	va_list ap;

	f->line = line;
	f->level = level;
	f->order = l->count;
	va_start(ap, fmt);
	if (vasprintf(&f->what, fmt, ap) == -1)
		text_oom();
	va_end(ap);
}

static int
by_line(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	return (x->line != y->line ? x->line - y->line : x->order < y->order ? -1 : 1);
}

static bool
day_exists(const char *iso)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int y, m, d;

	if (sscanf(iso, "%d-%d-%d", &y, &m, &d) != 3 || y < 1993 || y > 2100 || m < 1 || m > 12 || d < 1)
		return (false);
	return (d <= days[m - 1] + (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)));
}

static int
field_line(struct notice *n, const char *name)
{
	const struct notice_block *b = notice_field(n, name);

	return (b != NULL ? b->line : 0);
}

static void
check_id(struct lint *l)
{
	struct notice *n = l->n;
	struct slice file = slice_str(n->file), slug;
	char kind[3], *latest;
	int year, number;

	if (n->kind[0] == '\0')
		return (say(l, 0, LINT_WARNING, "no id such as FreeBSD-EN-23:08.vnet"));
	if (n->id_line == 0)
		say(l, 0, LINT_WARNING, "the text does not say its id; it is taken from the file's name");
	if (file.n > 4 && strcmp(n->file + file.n - 4, ".asc") == 0)
		file.n -= 4;
	if (notice_id_parse(file, kind, &year, &number, &slug) && !slice_is(file, n->id))
		say(l, n->id_line, LINT_WARNING, "the text calls itself %s, the file %.*s", n->id, (int)file.n, file.p);
	if (n->date[0] != '\0' && atoi(n->date) != n->year)
		say(l, field_line(n, "Announced"), LINT_WARNING, "announced in %.4s, but numbered in %d", n->date, n->year);
	for (size_t i = 0; i < n->nurls; i++) {
		char *u = (char *)(uintptr_t)n->urls[i];
		size_t len;

		if ((latest = strstr(u, "/advisories/FreeBSD-")) != NULL) {
			latest += strlen("/advisories/");
			len = strlen(latest);
			if (len > 4 && strcmp(latest + len - 4, ".asc") == 0)
				len -= 4;
			/* Only one that names this very notice, but for its letters. */
			if (strncmp(latest, n->id, 16) == 0 && (len != strlen(n->id) || strncmp(latest, n->id, len) != 0))
				say(l, 0, LINT_NOTE, "the address of the latest revision ends in %s", latest);
		}
	}
	for (size_t i = 0; i < n->npatches; i++) {
		const char *p = strstr(n->patches[i], "/patches/");
		char want[16];

		if (p == NULL)
			continue;
		snprintf(want, sizeof(want), "%s-%02d:%02d/", n->kind, n->year % 100, n->number);
		if (strncmp(p + 9, want, strlen(want)) != 0)
			say(l, 0, LINT_NOTE, "a patch lies in another notice's folder: %s", n->patches[i]);
	}
}

static void
check_fields(struct lint *l)
{
	static const char *const wanted[] = { "Topic", "Announced", "Category", "Affects", "Corrected" };
	static const char *const categories[] = { "core", "contrib", "ports", "contrib, ports", "core, ports", "core/ports" };
	struct notice *n = l->n;
	bool known = n->category[0] == '\0';

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (notice_field(n, wanted[i]) == NULL && (strcmp(n->kind, "SN") != 0 || i < 2))
			say(l, 0, LINT_WARNING, "no field %s", wanted[i]);
	if (n->module[0] == '\0' && strcmp(n->kind, "SN") != 0)
		say(l, 0, LINT_WARNING, "no field Module");
	for (size_t i = 0; i < sizeof(categories) / sizeof(categories[0]); i++)
		known |= strcasecmp(n->category, categories[i]) == 0;
	if (!known)
		say(l, field_line(n, "Category"), LINT_NOTE, "\"%s\" is no category known", n->category);
	for (size_t i = 0; i < n->nblocks; i++) {
		struct notice_block *b = &n->blocks[i];
		char name[32];

		if (b->kind != BLOCK_FIELD)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(b->name.n < 31 ? b->name.n : 31), b->name.p);
		if (notice_field(n, name) != b)
			say(l, b->line, LINT_WARNING, "field %s a second time; the first counts", name);
		if (block_folded(n, b)[0] == '\0' && strcasecmp(name, "Note") != 0 && strcasecmp(name, "Patches") != 0)
			say(l, b->line, LINT_WARNING, "field %s is empty", name);
	}
	if (n->date[0] == '\0' && notice_field(n, "Announced") != NULL)
		say(l, field_line(n, "Announced"), LINT_WARNING, "\"%s\" is no date (YYYY-MM-DD)", n->announced);
	else if (n->date[0] != '\0' && !day_exists(n->date))
		say(l, field_line(n, "Announced"), LINT_WARNING, "%s does not exist", n->date);
	else if (strlen(n->announced) > 10)
		say(l, field_line(n, "Announced"), LINT_NOTE, "more than a date: \"%s\"", n->announced);
}

static void
check_fix(struct lint *l, const struct notice_fix *f, bool fields, bool table)
{
	struct notice *n = l->n;
	struct version v;
	const char *dash;
	char told[32];

	if (f->date[0] != '\0' && !day_exists(f->date))
		say(l, f->line, LINT_WARNING, "%s does not exist", f->date);
	else if (f->date[0] != '\0' && n->date[0] != '\0' && n->revised[0] == '\0' && strlen(n->announced) <= 10 &&
	    strcmp(f->date, n->date) > 0)
		say(l, f->line, LINT_WARNING, "%s corrected on %s, after the announcement of %s", f->branch, f->date, n->date);
	if (f->time[0] != '\0' && (atoi(f->time) > 23 || (strlen(f->time) >= 5 && atoi(strchr(f->time, ':') + 1) > 59)))
		say(l, f->line, LINT_WARNING, "%s is no time of day", f->time);
	if (f->line > 0 && f->version[0] == '\0' && strncmp(f->branch, "ports/", 6) != 0 && n->year >= 2004)
		say(l, f->line, LINT_NOTE, "%s without a version", f->branch);
	if (f->version[0] != '\0' && !version_parse(f->version, &v))
		say(l, f->line, LINT_WARNING, "\"%s\" is no version", f->version);
	else if (f->version[0] != '\0' && v.kind == VERSION_RELEASE && strcmp(v.branch, f->branch) != 0)
		say(l, f->line, LINT_WARNING, "%s does not lie on %s", f->version, f->branch);
	else if (f->version[0] != '\0' && v.kind != VERSION_RELEASE && strncmp(f->branch, "releng/", 7) != 0 &&
	    strcmp(f->branch, "main") != 0 && strcmp(v.branch, f->branch) != 0)
		say(l, f->line, LINT_WARNING, "%s does not lie on %s", f->version, f->branch);
	if (fields && table && f->line == 0)
		say(l, f->row, LINT_WARNING, "%s is in the table, but not in Corrected", f->branch);
	if (fields && table && f->row == 0 && f->files == 0 && strncmp(f->branch, "ports/", 6) != 0)
		say(l, f->line, LINT_WARNING, "%s is in Corrected, but not in the table", f->branch);
	if (f->row == 0 || f->revision[0] == '\0')
		return;
	if ((dash = strrchr(f->revision, '-')) != NULL && fix_branch((struct slice){ f->revision,
	    (size_t)(dash - f->revision) }, told)) {
		if (strcmp(told, f->branch) != 0)
			say(l, f->row, LINT_WARNING, "the row of %s has a revision of %s", f->branch, told);
		if (dash[1] != 'n')
			say(l, f->row, LINT_WARNING, "revision \"%s\" lacks its n", f->revision);
	} else if (f->revision[0] != 'r' && f->count == 0) {
		say(l, f->row, LINT_WARNING, "\"%s\" is no revision", f->revision);
	}
	if (f->hash[0] != '\0' && strlen(f->hash) != 12 && strlen(f->hash) != 40)
		say(l, f->row, LINT_NOTE, "a hash of %zu digits", strlen(f->hash));
}

static void
check_fixes(struct lint *l)
{
	struct notice *n = l->n;
	const struct notice_block *b = notice_section(n, "Correction details");
	bool fields = false, table = false;

	for (size_t i = 0; i < n->nfixes; i++) {
		fields |= n->fixes[i].line > 0;
		table |= n->fixes[i].row > 0;
	}
	for (size_t i = 0; i < n->nfixes; i++)
		check_fix(l, &n->fixes[i], fields, table);
	if (n->nfixes == 0 && notice_field(n, "Corrected") != NULL && strcasecmp(n->category, "ports") != 0)
		say(l, field_line(n, "Corrected"), LINT_WARNING, "Corrected names no branch or version: nothing to compare with");
	if (b != NULL && !table && n->nfiles == 0)
		say(l, b->line, LINT_WARNING, "section \"Correction details\" has no table that can be read");
}

static int
roman(struct slice s)
{
	int sum = 0, last = 0;

	for (size_t i = s.n; i > 0; i--) {
		int v = s.p[i - 1] == 'X' ? 10 : s.p[i - 1] == 'V' ? 5 : 1;

		sum += v < last ? -v : v;
		last = v > last ? v : last;
	}
	return (sum);
}

static void
check_sections(struct lint *l)
{
	struct notice *n = l->n;
	int want = 1, have;

	for (size_t i = 0; i < n->nblocks; i++) {
		struct notice_block *b = &n->blocks[i];

		if (b->kind != BLOCK_SECTION)
			continue;
		have = roman(b->name);
		if (have != want)
			say(l, b->line, LINT_WARNING, "section %.*s where number %d was to be expected", (int)b->name.n, b->name.p,
			    want);
		want = have + 1;
	}
	if (want == 1)
		say(l, 0, LINT_WARNING, "no sections");
}

static void
check_cves(struct lint *l)
{
	struct notice *n = l->n;
	static const char *const names[] = { "CVE Name", "CVE" };

	for (size_t i = 0; i < 2; i++) {
		const struct notice_block *b = notice_field(n, names[i]);
		struct slice rest, w;

		if (b == NULL)
			continue;
		rest = slice_str(block_folded(n, b));
		while ((w = slice_word(&rest)).n > 0) {
			bool ok = false;

			while (w.n > 0 && strchr(",;.", w.p[w.n - 1]) != NULL)
				w.n--;
			for (size_t k = 0; k < n->ncves; k++)
				ok |= slice_is(w, n->cves[k]);
			if (!ok && w.n > 0)
				say(l, b->line, LINT_WARNING, "\"%.*s\" is no CVE", (int)w.n, w.p);
		}
	}
}

static void
check_text(struct lint *l)
{
	struct lines lines = lines_of(buf_get(&l->n->text));
	struct slice line, eol;
	bool crlf = false, patch = false;

	while (lines_next(&lines, &line, &eol)) {
		if (eol.n == 2 && !crlf) {
			say(l, lines.no, LINT_NOTE, "lines end with CR LF");
			crlf = true;
		}
		if (!text_is_utf8(line))
			say(l, lines.no, LINT_NOTE, "neither ASCII nor UTF-8: taken for Latin-1");
		for (size_t i = 0; i < line.n; i++)
			if ((unsigned char)line.p[i] < 0x20 && line.p[i] != '\t' && line.p[i] != '\r' && line.p[i] != '\f') {
				say(l, lines.no, LINT_WARNING, "a control character (0x%02x)", line.p[i]);
				break;
			}
		/* "patch < /path/to/patch" finds no file: the names are relative to /usr/src and end in .orig. */
		if (!patch && slice_starts(slice_trim(line), "# patch <") && !slice_has(line, "-p")) {
			say(l, lines.no, LINT_NOTE, "\"patch <\" without -p0 finds none of the files in folders");
			patch = true;
		}
	}
	if (l->n->verdict.hash[0] != '\0' && (strcmp(l->n->verdict.hash, "MD5") == 0 || strcmp(l->n->verdict.hash, "SHA1") == 0))
		say(l, 0, LINT_NOTE, "signed over %s", l->n->verdict.hash);
}

void
notice_lint(struct notice *n, lint_report *report, void *arg)
{
	struct lint l = { .n = n };

	if (n->nblocks == 0) {
		report(arg, 0, LINT_WARNING, n->verdict.why[0] != '\0' ? n->verdict.why : "empty");
		return;
	}
	if (n->verdict.status == VERDICT_UNSIGNED)
		say(&l, 0, LINT_WARNING, "not signed");
	check_id(&l);
	check_fields(&l);
	check_fixes(&l);
	check_sections(&l);
	check_cves(&l);
	check_text(&l);
	if (l.count > 1)
		qsort(l.v, l.count, sizeof(l.v[0]), by_line);
	for (size_t i = 0; i < l.count; i++) {
		report(arg, l.v[i].line, l.v[i].level, l.v[i].what);
		free(l.v[i].what);
	}
	free(l.v);
}
