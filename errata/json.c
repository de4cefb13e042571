/* SPDX-License-Identifier: BSD-2-Clause */
/* A notice as JSON: every field and section as signed, and what errata read in them. */
#include <stdlib.h>
#include <string.h>
#include "errata.h"

void
json_add(json_t *j, struct buf *out)
{
	char *text = j != NULL ? json_dumps(j, JSON_INDENT(2)) : NULL;

	if (text == NULL)
		text_oom();
	buf_str(out, text);
	buf_str(out, "\n");
	free(text);
	json_decref(j);
}

void
json_print(json_t *j, FILE *out)
{
	struct buf b = { 0 };

	json_add(j, &b);
	fwrite(b.p, 1, b.n, out);
	buf_free(&b);
}

static void
put(json_t *o, const char *key, const char *value)
{
	if (value[0] != '\0')
		json_object_set_new(o, key, json_string(value));
}

static json_t *
list(const char **v, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, json_string(v[i]));
	return (a);
}

json_t *
verdict_json(const struct verdict *v)
{
	json_t *o = json_object();
	char made[32];
	struct tm tm;

	json_object_set_new(o, "status", json_string(verdict_name(v->status)));
	json_object_set_new(o, "trusted", json_boolean(verdict_trusted(v)));
	put(o, "why", v->why);
	put(o, "key", v->fingerprint[0] != '\0' ? v->fingerprint : v->keyid);
	if (text_is_utf8(slice_str(v->signer)))
		put(o, "signer", v->signer);
	put(o, "hash", v->hash);
	if (v->made != 0 && gmtime_r(&v->made, &tm) != NULL && strftime(made, sizeof(made), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
		put(o, "made", made);
	return (o);
}

static json_t *
fixes(struct notice *n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n->nfixes; i++) {
		struct notice_fix *f = &n->fixes[i];
		json_t *o = json_object();

		put(o, "branch", f->branch);
		put(o, "version", f->version);
		put(o, "date", f->date);
		put(o, "time", f->time);
		put(o, "hash", f->hash);
		put(o, "revision", f->revision);
		if (f->count > 0)
			json_object_set_new(o, "count", json_integer(f->count));
		if (f->line > 0)
			json_object_set_new(o, "line", json_integer(f->line));
		if (f->row > 0)
			json_object_set_new(o, "row", json_integer(f->row));
		json_array_append_new(a, o);
	}
	return (a);
}

json_t *
notice_json(struct notice *n)
{
	json_t *o = json_object(), *fields = json_array(), *sections = json_array(), *files = json_array(), *one;

	put(o, "id", text_utf8(&n->arena, slice_str(n->id)));
	put(o, "kind", strcmp(n->kind, "EN") == 0 ? "errata notice" : strcmp(n->kind, "SA") == 0 ? "security advisory" :
	    strcmp(n->kind, "SN") == 0 ? "security notice" : "");
	put(o, "file", text_utf8(&n->arena, slice_str(n->file)));
	json_object_set_new(o, "verification", verdict_json(&n->verdict));
	put(o, "topic", n->topic);
	put(o, "category", n->category);
	put(o, "module", n->module);
	put(o, "announced", n->date);
	put(o, "revised", n->revised);
	put(o, "credits", n->credits);
	put(o, "affects", n->affects);
	json_object_set_new(o, "reboot", json_boolean(n->reboot));
	json_object_set_new(o, "cves", list(n->cves, n->ncves));
	json_object_set_new(o, "corrections", fixes(n));
	for (size_t i = 0; i < n->nfiles; i++)
		json_array_append_new(files, json_pack("{ss ss ss}", "branch", text_utf8(&n->arena, slice_str(n->files[i].branch)),
		    "path", text_utf8(&n->arena, slice_str(n->files[i].path)), "revision",
		    text_utf8(&n->arena, slice_str(n->files[i].revision))));
	json_object_set_new(o, "files", files);
	json_object_set_new(o, "patches", list(n->patches, n->npatches));
	json_object_set_new(o, "mentions", list(n->mentions, n->nmentions));
	json_object_set_new(o, "references", list(n->urls, n->nurls));
	for (size_t i = 0; i < n->nblocks; i++) {
		struct notice_block *b = &n->blocks[i];
		char *name = text_utf8(&n->arena, b->name);

		if (b->kind == BLOCK_FIELD) {
			one = json_pack("{ss ss si}", "name", name, "value", block_folded(n, b), "line", b->line);
			json_array_append_new(fields, one);
		} else if (b->kind == BLOCK_SECTION) {
			one = json_pack("{ss ss ss si}", "number", name, "title",
			    text_utf8(&n->arena, slice_trim(b->lines[0].text)), "body", block_body(n, b), "line", b->line);
			json_array_append_new(sections, one);
		}
	}
	json_object_set_new(o, "fields", fields);
	json_object_set_new(o, "sections", sections);
	return (o);
}
