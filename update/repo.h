/* SPDX-License-Identifier: BSD-2-Clause */
/* The publisher's side: a repository's folder, and the keys that sign it (repo.c). */
#ifndef UPDATE_REPO_H
#define UPDATE_REPO_H

#include "update.h"

struct signer {
	struct minisign_secret *v;
	size_t n;
};

/* Read the secret keys of --key; a password is asked for on the terminal, or read from standard input. */
int signer_open(struct signer *s, const struct options *opt, struct uverr *err);
void signer_close(struct signer *s);
/* A line from standard input, with a prompt and without echo when that is a terminal; false at its end. */
bool ask_password(const char *prompt, char *line, size_t size);

/* -ENOENT: it is not there. */
int repo_read(const char *repo, const char *name, size_t max, struct buf *out, struct uverr *err);
/* Beside its place, then there; its folder is made. */
int repo_write(const char *repo, const char *name, struct slice text, struct uverr *err);
/* The newest N of N.TYPE.json; 0: none. */
long repo_newest(const char *repo, const char *type);
/* Sign a document that is there with every key given, a file for each. */
int repo_sign(const char *repo, const char *name, const struct signer *s, struct uverr *err);
/* Do the signatures that are there suffice for the role? */
int repo_verify(const char *repo, const char *name, const struct role *role, struct slice text, struct uverr *err);
int repo_root(const char *repo, struct root *root, struct uverr *err);
/* Say which manifest is the newest, if it is signed well enough: 1; 0: signatures are missing (why in *err). */
int repo_release(const char *repo, struct uverr *err);
/* Make the first root of the signers' keys: each may sign both, `threshold` must. */
int repo_begin(const char *repo, const struct signer *s, const struct options *opt, struct uverr *err);
json_t *repo_expires(json_t *doc, int days);	/* sets "expires", and returns doc */

#endif
