/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of errata(1) and what they share. */
#ifndef ERRATA_ERRATA_H
#define ERRATA_ERRATA_H

#include <jansson.h>
#include <stdio.h>
#include "cli.h"
#include "notice.h"

struct options {
	const char **keyrings;
	size_t nkeyrings;
	bool json, brief, text, host, unfixed, dry_run, reverse, build, freebsd, unsigned_ok;
	const char *branch, *since, *category, *module, *kernel, *running, *user, *arch, *overlay, *repo, *root, *signature,
	    *mirror, *keyprint, *state, *url;
	int nargs;
	char **args;
};

int show_main(const struct options *opt);
int verify_main(const struct options *opt);
int list_main(const struct options *opt);
int osv_main(const struct options *opt);
int lint_main(const struct options *opt);
int affects_main(const struct options *opt);
int revision_main(const struct options *opt);
int patch_main(const struct options *opt);
int fetch_main(const struct options *opt);
int site_main(const struct options *opt);

/* "errata: " and the sentence, on stderr. */
void complain(const struct uverr *err);

/* A keyring with all --keyring files, perhaps none. */
int options_keyring(const struct options *opt, struct keyring **kr, struct uverr *err);

/* Write JSON, indented, with a line's end; frees it. */
void json_print(json_t *j, FILE *out);
void json_add(json_t *j, struct buf *out);

/* All that is known of a notice (json.c). */
json_t *notice_json(struct notice *n);
json_t *verdict_json(const struct verdict *v);
struct overlay_fact;
/* The same in OSV's schema, of a notice with an id and a date; `fact` may be NULL (osv.c). */
json_t *notice_osv(struct notice *n, const struct overlay_fact *fact);

/* What the text says wrong: calls back for each finding, in the order of lines; line 0: the file as a whole (lint.c). */
enum lint_level { LINT_NOTE, LINT_WARNING };
typedef void lint_report(void *arg, int line, enum lint_level level, const char *what);
void notice_lint(struct notice *n, lint_report *report, void *arg);

const char *kind_name(const struct notice *n);		/* "Errata Notice", ... (show.c) */
/* Text from a notice on its way to a terminal: control characters become "?" (show.c). */
void put_text(FILE *out, const char *text);

#endif
