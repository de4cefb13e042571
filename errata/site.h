/* SPDX-License-Identifier: BSD-2-Clause */
/* A web site of notices. */
#ifndef ERRATA_SITE_H
#define ERRATA_SITE_H

#include "errata.h"
#include "overlay.h"

/* A CVE and who names it. */
struct site_cve {
	const char *id;
	size_t notice;			/* index in the site's notices */
};

struct site {
	struct notices all;		/* newest first */
	char **names;			/* of their files, without the suffix; each once, and safe in a path and a URL */
	struct site_cve *cves;		/* by id, newest first; then by notice */
	size_t ncves;
	struct overlay *overlay;
	const char *out;		/* the folder */
};

/* Make a file of the site. */
int site_write(const struct site *s, const char *name, const char *suffix, struct slice text, struct uverr *err);

/* Make the page of a notice, its JSON, its OSV record and its signed original (page.c). */
int page_write(struct site *s, size_t i, struct uverr *err);

#endif
