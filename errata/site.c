/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * errata site: a folder of notices as a web site that needs no server.
 *
 *	index.html		all notices, newest first; a script of ours searches and filters what is in the page
 *	NAME.html		a notice (page.c); NAME is that of its file, so that one file's page never replaces another's
 *	NAME.json, NAME.osv.json, NAME.asc	the same for programs, and the bytes that were signed
 *	cves.html		each CVE with the notices on it
 *	index.json, feed.xml	all notices in short; the newest as an Atom feed (RFC 4287)
 *
 * Names of notices have a colon in them: a relative link to one starts with "./", else it would name a scheme.
 * index.json also tells the next run which pages a notice had that is gone from the folder: those are removed.
 * Nothing in the site depends on when or where it was made: the same notices give the same bytes.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "html.h"
#include "site.h"

#define FEED_MAX 100
#define OLD_INDEX_MAX (64 << 20)

int
site_write(const struct site *s, const char *name, const char *suffix, struct slice text, struct uverr *err)
{
	char *path;
	int error;

	if (asprintf(&path, "%s/%s%s", s->out, name, suffix) == -1)
		text_oom();
	error = file_write(path, text, err);
	free(path);
	return (error);
}

static int
by_name(const void *a, const void *b)
{
	return (strcmp(*(char *const *)a, *(char *const *)b));
}

static bool
name_char(char c)
{
	return (isascii((unsigned char)c) && (isalnum((unsigned char)c) || (c != '\0' && strchr("-_.:+", c) != NULL)));
}

/* A name for each notice's files: its file's, of letters, digits and "-_.:+" alone.  No two may be the same. */
static int
name_pages(struct site *s, struct uverr *err)
{
	char **sorted = xmalloc(s->all.n * sizeof(*sorted));
	int error = 0;

	s->names = xmalloc(s->all.n * sizeof(*s->names));
	for (size_t i = 0; i < s->all.n; i++) {
		char *name = sorted[i] = s->names[i] = xstrdup(s->all.v[i]->file), *dot = strrchr(name, '.');

		if (dot != NULL && dot != name)
			*dot = '\0';
		for (char *c = name; *c != '\0'; c++)
			if (!name_char(*c))
				*c = '_';
		if (name[0] == '.' || name[0] == '-')
			name[0] = '_';
	}
	qsort(sorted, s->all.n, sizeof(*sorted), by_name);
	for (size_t i = 0; i < s->all.n; i++)
		if ((i > 0 && strcmp(sorted[i], sorted[i - 1]) == 0) || strcmp(sorted[i], "index") == 0 ||
		    strcmp(sorted[i], "cves") == 0 || strcmp(sorted[i], "feed") == 0)
			error = uverr(err, EEXIST, "the page %s.html would be made twice: rename the file of that notice", sorted[i]);
	free(sorted);
	return (error);
}

static int
by_cve(const void *a, const void *b)
{
	const struct site_cve *x = a, *y = b;
	int c = strverscmp(y->id, x->id);

	return (c != 0 ? c : (x->notice > y->notice) - (x->notice < y->notice));
}

static void
put_item(struct buf *b, struct site *s, size_t i)
{
	struct notice *n = s->all.v[i];

	buf_fmt(b, "<li data-k=\"%s\" data-b=\"", n->kind);
	for (size_t k = 0; k < n->nfixes; k++) {
		buf_str(b, k > 0 ? " " : "");
		html_text(b, text_utf8(&n->arena, slice_str(n->fixes[k].branch)));
	}
	buf_str(b, "\" data-s=\"");
	html_text(b, n->module);
	buf_str(b, " ");
	html_text(b, n->credits);
	for (size_t k = 0; k < n->ncves; k++) {
		buf_str(b, " ");
		html_text(b, n->cves[k]);
	}
	buf_fmt(b, "\"><a class=\"topic\" href=\"./%s.html\">", s->names[i]);
	html_text(b, n->topic[0] != '\0' ? n->topic : "(no topic)");
	buf_fmt(b, "</a> <time>%s</time> <span class=\"dim\">", n->date);
	html_text(b, text_utf8(&n->arena, slice_str(n->id)));
	buf_str(b, "</span>");
	if (n->verdict.status > VERDICT_UNCHECKED)
		buf_fmt(b, " <span class=\"bad\">%s</span>", verdict_name(n->verdict.status));
	buf_str(b, "\n");
}

/* main, then stable/N and releng/N.M with the newest first. */
static int
by_branch(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b, *sx = strchr(x, '/'), *sy = strchr(y, '/');
	int c;

	if (sx == NULL || sy == NULL)
		return ((sx != NULL) - (sy != NULL));
	c = strverscmp(sy, sx);
	return (c != 0 ? c : strcmp(y, x));
}

static void
put_branches(struct buf *b, struct site *s)
{
	const char **names = NULL, *last = "";
	size_t n = 0;

	for (size_t i = 0; i < s->all.n; i++)
		for (size_t k = 0; k < s->all.v[i]->nfixes; k++)
			*ARRAY_ADD(names, n) = text_utf8(&s->all.v[i]->arena, slice_str(s->all.v[i]->fixes[k].branch));
	if (n > 0)
		qsort(names, n, sizeof(*names), by_branch);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], last) == 0)
			continue;
		last = names[i];
		buf_str(b, "<option>");
		html_text(b, last);
	}
	free(names);
}

static int
write_index(struct site *s, struct uverr *err)
{
	struct buf b = { 0 };
	json_t *all = json_array();
	int error;

	html_head(&b, "FreeBSD security advisories and errata notices");
	buf_str(&b, "<h1>FreeBSD security advisories and errata notices</h1>\n"
	    "<nav><a href=\"cves.html\">CVEs</a> · <a href=\"feed.xml\">Atom feed</a> ·"
	    " <a href=\"index.json\">JSON</a></nav>\n"
	    "<form hidden><input name=\"q\" type=\"search\" placeholder=\"Search\" aria-label=\"Search\">\n"
	    "<select name=\"b\" aria-label=\"Branch\"><option value=\"\">All branches");
	put_branches(&b, s);
	buf_str(&b, "</select>\n<select name=\"k\" aria-label=\"Kind\"><option value=\"\">All kinds<option value=\"EN\">Errata"
	    " notices<option value=\"SA\">Security advisories<option value=\"SN\">Security notices</select></form>\n"
	    "<p class=\"dim\"><output></output></p>\n<ol>\n");
	for (size_t i = 0; i < s->all.n; i++) {
		struct notice *n = s->all.v[i];

		put_item(&b, s, i);
		json_array_append_new(all, json_pack("{ss ss ss ss ss}", "id", text_utf8(&n->arena, slice_str(n->id)), "announced",
		    n->date, "topic", n->topic, "verification", verdict_name(n->verdict.status), "page", s->names[i]));
	}
	buf_str(&b, "</ol>\n");
	html_foot(&b, true);
	error = site_write(s, "index", ".html", buf_get(&b), err);
	b.n = 0;
	json_add(all, &b);
	if (error == 0)
		error = site_write(s, "index", ".json", buf_get(&b), err);
	buf_free(&b);
	return (error);
}

static int
write_cves(struct site *s, struct uverr *err)
{
	struct buf b = { 0 };
	int error;

	html_head(&b, "CVEs in FreeBSD's notices");
	buf_str(&b, "<nav><a href=\"index.html\">All notices</a></nav>\n<h1>CVEs in FreeBSD's notices</h1>\n<dl>\n");
	for (size_t i = 0; i < s->ncves; i++) {
		struct notice *n = s->all.v[s->cves[i].notice];
		const char *id = s->cves[i].id;

		if (i == 0 || strcmp(id, s->cves[i - 1].id) != 0) {
			buf_str(&b, "<dt id=\"");
			html_text(&b, id);
			buf_str(&b, "\">");
			if (strncmp(id, "CVE-", 4) == 0)
				buf_fmt(&b, "<a rel=\"noreferrer\" href=\"https://www.cve.org/CVERecord?id=%s\">%s</a>", id, id);
			else
				html_text(&b, id);
		}
		buf_fmt(&b, "<dd><a href=\"./%s.html\">", s->names[s->cves[i].notice]);
		html_text(&b, text_utf8(&n->arena, slice_str(n->id)));
		buf_str(&b, "</a> ");
		html_text(&b, n->topic);
		buf_str(&b, "\n");
	}
	buf_str(&b, "</dl>\n");
	html_foot(&b, false);
	error = site_write(s, "cves", ".html", buf_get(&b), err);
	buf_free(&b);
	return (error);
}

/* An id that stays the same wherever the site lies: a UUID made of a hash (RFC 9562, version 8). */
static void
put_uuid(struct buf *b, const char *text)
{
	char h[65];

	text_sha256(slice_str(text), h);
	buf_fmt(b, "<id>urn:uuid:%.8s-%.4s-8%.3s-8%.3s-%.12s</id>", h, h + 8, h + 12, h + 15, h + 18);
}

/* Only what can be believed, or was not checked, is announced. */
static int
write_feed(struct site *s, const char *url, struct uverr *err)
{
	const char *newest = "1970-01-01", *base = url != NULL ? url : ".", *slash = base[strlen(base) - 1] == '/' ? "" : "/";
	struct buf b = { 0 };
	size_t count = 0;
	int error;

	for (size_t i = s->all.n; i-- > 0;)
		if (s->all.v[i]->date[0] != '\0' && s->all.v[i]->verdict.status <= VERDICT_UNCHECKED)
			newest = s->all.v[i]->date;
	buf_str(&b, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n"
	    "<title>FreeBSD security advisories and errata notices</title>\n");
	put_uuid(&b, "errata site");
	buf_fmt(&b, "\n<updated>%sT00:00:00Z</updated>\n<author><name>The FreeBSD Project</name></author>\n"
	    "<generator>errata</generator>\n<link href=\"", newest);
	html_text(&b, base);
	buf_fmt(&b, "%sindex.html\"/>\n", slash);
	if (url != NULL) {
		buf_str(&b, "<link rel=\"self\" href=\"");
		html_text(&b, url);
		buf_fmt(&b, "%sfeed.xml\"/>\n", slash);
	}
	for (size_t i = 0; i < s->all.n && count < FEED_MAX; i++) {
		struct notice *n = s->all.v[i];
		const struct notice_block *problem = notice_section(n, "Problem");
		const char *id = text_utf8(&n->arena, slice_str(n->id));

		if (n->date[0] == '\0' || n->verdict.status > VERDICT_UNCHECKED)
			continue;
		count++;
		buf_str(&b, "<entry><title>");
		html_text(&b, id);
		buf_str(&b, ": ");
		html_text(&b, n->topic);
		buf_str(&b, "</title>");
		put_uuid(&b, s->names[i]);
		buf_fmt(&b, "<updated>%sT00:00:00Z</updated><published>%sT00:00:00Z</published><link href=\"", n->date, n->date);
		html_text(&b, base);
		buf_fmt(&b, "%s%s.html\"/><summary>", slash, s->names[i]);
		html_text(&b, problem != NULL ? block_body(n, problem) : n->topic);
		buf_str(&b, "</summary></entry>\n");
	}
	buf_str(&b, "</feed>\n");
	error = site_write(s, "feed", ".xml", buf_get(&b), err);
	buf_free(&b);
	return (error);
}

/* The names of the pages that the last run made: NULL when there was none. */
static json_t *
old_pages(const struct site *s)
{
	struct buf b = { 0 };
	struct uverr ignored;
	json_t *pages = NULL;
	char *path;

	if (asprintf(&path, "%s/index.json", s->out) == -1)
		text_oom();
	if (access(path, F_OK) == 0 && file_read(path, OLD_INDEX_MAX, &b, &ignored) == 0)
		pages = json_loadb(b.p, b.n, 0, NULL);
	buf_free(&b);
	free(path);
	return (pages);
}

/* What lies in the folder is anybody's: only a name that name_pages() could have given is taken for one. */
static bool
page_of_ours(const char *name)
{
	if (name == NULL || name[0] == '.' || name[0] == '-' || name[0] == '\0')
		return (false);
	while (name_char(*name))
		name++;
	return (*name == '\0');
}

/* Remove the files of notices that are gone. */
static void
prune(struct site *s, const json_t *old)
{
	static const char *const suffixes[] = { ".html", ".json", ".osv.json", ".asc" };
	const json_t *entry;
	size_t i, k;
	char *path;

	json_array_foreach(old, i, entry) {
		const char *name = json_string_value(json_object_get(entry, "page"));

		for (k = 0; k < s->all.n && name != NULL && strcmp(name, s->names[k]) != 0; k++)
			;
		if (!page_of_ours(name) || k < s->all.n || strcmp(name, "index") == 0 || strcmp(name, "cves") == 0)
			continue;
		for (k = 0; k < sizeof(suffixes) / sizeof(suffixes[0]); k++) {
			if (asprintf(&path, "%s/%s%s", s->out, name, suffixes[k]) == -1)
				text_oom();
			unlink(path);
			free(path);
		}
	}
}

int
site_main(const struct options *opt)
{
	struct site s = { .out = opt->args[1] };
	struct keyring *kr = NULL;
	json_t *old = NULL;
	struct uverr err;
	int status = EXIT_NO;

	if (opt->url != NULL && !html_url(opt->url)) {
		fprintf(stderr, "errata: site: --url %s: is no URL of http or https\n", opt->url);
		return (EXIT_USAGE);
	}
	if (options_keyring(opt, &kr, &err) != 0 || overlay_load(&s.overlay, opt->overlay, &err) != 0 ||
	    notices_load(&s.all, opt->args[0], kr, &err) != 0)
		goto fail;
	notices_sort(&s.all);
	if (name_pages(&s, &err) != 0)
		goto fail;
	for (size_t i = 0; i < s.all.n; i++)
		for (size_t k = 0; k < s.all.v[i]->ncves; k++)
			*ARRAY_ADD(s.cves, s.ncves) = (struct site_cve){ s.all.v[i]->cves[k], i };
	if (s.ncves > 0)
		qsort(s.cves, s.ncves, sizeof(*s.cves), by_cve);
	if (mkdir(s.out, 0777) == -1 && errno != EEXIST) {
		uverr(&err, errno, "%s: %s", s.out, strerror(errno));
		goto fail;
	}
	old = old_pages(&s);
	for (size_t i = 0; i < s.all.n; i++)
		if (page_write(&s, i, &err) != 0)
			goto fail;
	/* What leads to the pages last. */
	if (write_cves(&s, &err) != 0 || write_index(&s, &err) != 0 || write_feed(&s, opt->url, &err) != 0)
		goto fail;
	if (s.all.failed == 0)		/* one that cannot be read now is not gone */
		prune(&s, old);
	if (opt->nkeyrings == 0)
		fprintf(stderr, "errata: the notices were not verified: give --keyring\n");
	status = s.all.failed > 0 ? EXIT_NO : EXIT_OK;
	goto out;
fail:
	complain(&err);
out:
	json_decref(old);
	for (size_t i = 0; s.names != NULL && i < s.all.n; i++)
		free(s.names[i]);
	free(s.names);
	free(s.cves);
	notices_free(&s.all);
	overlay_free(s.overlay);
	keyring_free(kr);
	return (status);
}
