/* SPDX-License-Identifier: BSD-2-Clause */
/* Versions of FreeBSD.  See version.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "version.h"
#include "fix.h"

static bool
small(const char **p, int *value)
{
	int n = 0;

	if (!isdigit((unsigned char)**p))
		return (false);
	for (; isdigit((unsigned char)**p); (*p)++) {
		n = n * 10 + (**p - '0');
		if (n > 9999)
			return (false);
	}
	*value = n;
	return (true);
}

/* A word like "stable/13-n255888-98e7f836e65e" or "n255888". */
static void
read_count(struct slice w, struct version *v)
{
	const char *n = NULL;
	char *end;

	for (size_t i = 0; i + 1 < w.n; i++)
		if (w.p[i] == 'n' && isdigit((unsigned char)w.p[i + 1]) && (i == 0 || w.p[i - 1] == '-'))
			n = w.p + i;
	if (n == NULL)
		return;
	v->count = strtol(n + 1, &end, 10);
	if (v->count < 0 || v->count > 99999999)
		v->count = 0;
	if (n > w.p && !fix_branch((struct slice){ w.p, (size_t)(n - w.p) - 1 }, v->count_branch))
		v->count = 0;
}

bool
version_parse(const char *text, struct version *v)
{
	struct slice rest = slice_str(text), w;
	const char *p;

	*v = (struct version){ 0 };
	w = slice_word(&rest);
	if (slice_is(w, "FreeBSD"))
		w = slice_word(&rest);
	if (w.n == 0 || w.n >= sizeof(v->text))
		return (false);
	memcpy(v->text, w.p, w.n);
	p = v->text;
	if (!small(&p, &v->major) || *p++ != '.' || !small(&p, &v->minor))
		return (false);
	if (*p == '.' && (p++, !small(&p, &v->micro)))
		return (false);
	if (*p++ != '-')
		return (false);
	if (strncmp(p, "RELEASE", 7) == 0) {
		v->kind = VERSION_RELEASE;
		p += 7;
		if (*p == '-' && p[1] == 'p' && (p += 2, !small(&p, &v->patch)))
			return (false);
		if (*p != '\0')
			return (false);
		if (v->micro > 0)
			snprintf(v->branch, sizeof(v->branch), "releng/%d.%d.%d", v->major, v->minor, v->micro);
		else
			snprintf(v->branch, sizeof(v->branch), "releng/%d.%d", v->major, v->minor);
	} else if (strncmp(p, "STABLE", 6) == 0) {
		v->kind = VERSION_STABLE;
		snprintf(v->branch, sizeof(v->branch), "stable/%d", v->major);
	} else if (strncmp(p, "CURRENT", 7) == 0) {
		v->kind = VERSION_CURRENT;
		strcpy(v->branch, "main");
	} else if (strncmp(p, "PRERELEASE", 10) == 0 || strncmp(p, "RC", 2) == 0 || strncmp(p, "BETA", 4) == 0 ||
	    strncmp(p, "ALPHA", 5) == 0) {
		v->kind = VERSION_BEFORE;
		snprintf(v->branch, sizeof(v->branch), "stable/%d", v->major);
	} else {
		return (false);
	}
	while ((w = slice_word(&rest)).n > 0 && v->count == 0)
		read_count(w, v);
	if (v->kind == VERSION_BEFORE && strncmp(v->count_branch, "releng/", 7) == 0)
		strcpy(v->branch, v->count_branch);
	return (true);
}
