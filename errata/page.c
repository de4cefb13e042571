/* SPDX-License-Identifier: BSD-2-Clause */
/* A notice's page on the site, and the files beside it: what programs read, and what the Security Officer signed. */
#include <string.h>
#include "html.h"
#include "site.h"

/* A row of the list of facts. */
static void
fact(struct buf *b, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	buf_fmt(b, "<dt>%s<dd>", name);
	html_text(b, value);
	buf_str(b, "\n");
}

static void
facts(struct buf *b, struct notice *n, const struct overlay_fact *known)
{
	buf_str(b, "<dl>\n");
	fact(b, "Category", n->category);
	fact(b, "Module", n->module);
	fact(b, "Announced", n->announced);
	fact(b, "Revised", n->revised);
	fact(b, "Credits", n->credits);
	fact(b, "Affects", n->affects);
	if (known != NULL && known->narchs > 0) {
		struct buf archs = { 0 };

		for (size_t i = 0; i < known->narchs; i++)
			buf_fmt(&archs, "%s%s", i > 0 ? ", " : "", known->archs[i]);
		buf_fmt(&archs, " only (%s)", known->why);
		fact(b, "Concerns", text_utf8(&n->arena, buf_get(&archs)));
		buf_free(&archs);
	}
	if (n->reboot)
		fact(b, "Reboot", "required");
	for (size_t i = 0; i < n->ncves; i++) {
		buf_str(b, i == 0 ? "<dt>CVE<dd>" : ", ");
		buf_str(b, "<a href=\"cves.html#");
		html_text(b, n->cves[i]);
		buf_str(b, "\">");
		html_text(b, n->cves[i]);
		buf_str(b, "</a>");
	}
	for (size_t i = 0; i < n->npatches; i++) {
		buf_str(b, i == 0 ? "<dt>Patches<dd>" : "<br>");
		html_linked(b, n->patches[i]);
	}
	buf_str(b, "</dl>\n");
}

static void
cell(struct buf *b, const char *value)
{
	buf_str(b, "<td>");
	html_text(b, value);
}

static void
corrections(struct buf *b, struct notice *n)
{
	if (n->nfixes == 0)
		return;
	buf_str(b, "<h2>Corrections</h2>\n<div class=\"wide\"><table>\n"
	    "<tr><th>Branch<th>Fixed in<th>Date (UTC)<th>Commit<th>Revision\n");
	for (size_t i = 0; i < n->nfixes; i++) {
		const struct notice_fix *f = &n->fixes[i];

		buf_str(b, "<tr>");
		cell(b, text_utf8(&n->arena, slice_str(f->branch)));
		cell(b, text_utf8(&n->arena, slice_str(f->version)));
		cell(b, f->date);
		if (f->time[0] != '\0') {
			buf_str(b, " ");
			html_text(b, f->time);
		}
		cell(b, f->hash);
		if (f->revision[0] == '\0' && f->files > 0)
			buf_fmt(b, "<td>%zu files", f->files);
		else
			cell(b, text_utf8(&n->arena, slice_str(f->revision)));
		buf_str(b, "\n");
	}
	buf_str(b, "</table></div>\n");
}

static void
link_to(struct buf *b, const struct site *s, size_t i)
{
	struct notice *n = s->all.v[i];

	buf_fmt(b, "<li><a href=\"./%s.html\">", s->names[i]);
	html_text(b, text_utf8(&n->arena, slice_str(n->id)));
	buf_str(b, "</a> ");
	html_text(b, n->topic);
	buf_str(b, "\n");
}

static bool
mentions(const struct notice *n, const char *id)
{
	for (size_t i = 0; i < n->nmentions; i++)
		if (strcmp(n->mentions[i], id) == 0)
			return (true);
	return (false);
}

static bool
shares_cve(const struct notice *a, const struct notice *b)
{
	for (size_t i = 0; i < a->ncves; i++)
		for (size_t k = 0; k < b->ncves; k++)
			if (strcmp(a->cves[i], b->cves[k]) == 0)
				return (true);
	return (false);
}

/* Notices that this one names, that name it, or that are about the same CVE. */
static void
related(struct buf *b, const struct site *s, size_t self)
{
	const struct notice *n = s->all.v[self], *other;
	size_t found = 0;

	for (size_t i = 0; i < s->all.n; i++) {
		other = s->all.v[i];
		if (i == self || (!mentions(n, other->id) && !mentions(other, n->id) && !shares_cve(n, other)))
			continue;
		if (found++ == 0)
			buf_str(b, "<h2>See also</h2>\n<ol>\n");
		link_to(b, s, i);
	}
	if (found > 0)
		buf_str(b, "</ol>\n");
}

static void
page(struct buf *b, const struct site *s, size_t i, bool osv)
{
	struct notice *n = s->all.v[i];
	const char *id = text_utf8(&n->arena, slice_str(n->id)), *name = s->names[i];
	struct buf title = { 0 }, text = { 0 };
	char sentence[900];

	buf_fmt(&title, "%s: %s", id, n->topic);
	html_head(b, title.p);
	buf_str(b, "<nav><a href=\"index.html\">All notices</a> · <a href=\"cves.html\">CVEs</a></nav>\n<p class=\"dim\">");
	html_text(b, id);
	buf_fmt(b, " · %s%s%s</p>\n<h1>", kind_name(n), n->date[0] != '\0' ? " · " : "", n->date);
	html_text(b, n->topic[0] != '\0' ? n->topic : id);
	buf_fmt(b, "</h1>\n<p class=\"verdict %s\">", verdict_trusted(&n->verdict) ? "good" :
	    n->verdict.status > VERDICT_UNCHECKED ? "bad" : "");
	html_text(b, text_utf8(&n->arena, slice_str(verdict_sentence(&n->verdict, sentence, sizeof(sentence)))));
	buf_fmt(b, "</p>\n<p>Signed original: <a href=\"./%s.asc\">%s.asc</a> · For programs: <a href=\"./%s.json\">JSON</a>",
	    name, name, name);
	if (osv)
		buf_fmt(b, ", <a href=\"./%s.osv.json\">OSV</a>", name);
	buf_str(b, "</p>\n");
	facts(b, n, overlay_find(s->overlay, n->id));
	corrections(b, n);
	related(b, s, i);
	if (n->nblocks > 0) {
		notice_print(n, &text);
		buf_str(b, "<h2>The text as signed</h2>\n<pre>\n");
		html_linked(b, text_utf8(&n->arena, buf_get(&text)));
		buf_str(b, "</pre>\n");
	}
	html_foot(b, false);
	buf_free(&text);
	buf_free(&title);
}

int
page_write(struct site *s, size_t i, struct uverr *err)
{
	struct notice *n = s->all.v[i];
	bool osv = n->nblocks > 0 && n->date[0] != '\0' && n->kind[0] != '\0';
	struct buf b = { 0 };
	int error;

	page(&b, s, i, osv);
	if ((error = site_write(s, s->names[i], ".html", buf_get(&b), err)) != 0)
		goto out;
	b.n = 0;
	json_add(notice_json(n), &b);
	if ((error = site_write(s, s->names[i], ".json", buf_get(&b), err)) != 0)
		goto out;
	if (osv) {
		b.n = 0;
		json_add(notice_osv(n, overlay_find(s->overlay, n->id)), &b);
		if ((error = site_write(s, s->names[i], ".osv.json", buf_get(&b), err)) != 0)
			goto out;
	}
	error = site_write(s, s->names[i], ".asc", buf_get(&n->raw), err);
out:
	buf_free(&b);
	return (error);
}
