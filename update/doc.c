/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signed documents: a text is believed when enough different keys of a role signed its bytes, and only then is it
 * parsed.  What is parsed is strict: a member that is not there, or of another kind, is an error, for a document that
 * its signers would not have made is one that should not be guessed at.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include "update.h"

int
doc_verify(const struct role *role, const struct sigs *sigs, struct slice text, const char *what, struct uverr *err)
{
	bool signed_by[KEYS_MAX] = { false };
	struct uverr last = { "" };
	char id[17];
	int good = 0;

	for (size_t i = 0; i < sigs->n; i++) {
		minisign_id(sigs->v[i].id, id);
		uverr(&last, ENOKEY, "it has a signature of key %s, which may not", id);
		for (size_t k = 0; k < role->n; k++)
			if (!signed_by[k] && memcmp(role->keys[k].id, sigs->v[i].id, 8) == 0 &&
			    minisign_verify(&role->keys[k], &sigs->v[i], text.p, text.n, &last) == 0) {
				signed_by[k] = true;
				last.text[0] = '\0';
				good++;
			}
	}
	if (good >= role->threshold)
		return (0);
	return (uverr(err, EBADMSG, "%s: signed by %d of the keys that may; %d must%s%s", what, good, role->threshold,
	    last.text[0] != '\0' ? ": " : "", last.text));
}

int64_t
time_parse(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	return (end != NULL && *end == '\0' ? (int64_t)timegm(&tm) : -1);
}

void
time_print(int64_t when, char text[32])
{
	const time_t t = (time_t)when;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		text[0] = '\0';
}

bool
hash_ok(const char *text)
{
	return (text != NULL && strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64);
}

bool
path_ok(const char *path)
{
	const char *part = path;

	if (path == NULL || path[0] == '\0' || strlen(path) > 1024)
		return (false);
	for (const char *c = path;; c++) {
		if (*c != '/' && *c != '\0') {
			if (!isascii((unsigned char)*c) || !isprint((unsigned char)*c) || *c == '\\')
				return (false);
			continue;
		}
		if (c == part || (c - part == 1 && part[0] == '.') || (c - part == 2 && memcmp(part, "..", 2) == 0) || c - part > 200)
			return (false);
		part = c + 1;
		if (*c == '\0')
			return (true);
	}
}

long
doc_version(const json_t *doc)
{
	return ((long)json_integer_value(json_object_get(doc, "version")));
}

int
doc_parse(struct slice text, const char *type, long version, const char *what, json_t **doc, struct uverr *err)
{
	json_error_t je;
	json_t *j = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &je);
	const char *is = json_string_value(json_object_get(j, "type")), *expires = json_string_value(json_object_get(j, "expires"));
	const json_int_t has = json_integer_value(json_object_get(j, "version"));

	*doc = NULL;
	if (j == NULL)
		return (uverr(err, EBADMSG, "%s: line %d: %s", what, je.line, je.text));
	if (is == NULL || strcmp(is, type) != 0)
		uverr(err, EBADMSG, "%s: this is no %s", what, type);
	else if (has < 1 || has > 1000000000 || (version != 0 && has != version))
		uverr(err, EBADMSG, "%s: it says that it is version %lld", what, (long long)has);
	else if (expires == NULL || time_parse(expires) < 0)
		uverr(err, EBADMSG, "%s: it does not say when it expires", what);
	else {
		*doc = j;
		return (0);
	}
	json_decref(j);
	return (-EBADMSG);
}

int
doc_fresh(const json_t *doc, const char *what, struct uverr *err)
{
	const char *expires = json_string_value(json_object_get(doc, "expires"));

	if (time_parse(expires) > (int64_t)time(NULL))
		return (0);
	return (uverr(err, ESTALE, "%s: it expired at %s: the mirror is out of date, or this machine's clock is wrong", what,
	    expires));
}
