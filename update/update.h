/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnet-update(8): the commands, and what a repository is made of.
 *
 *	latest				the newest manifest's number, on a line; signed by nobody, and trusted by nobody
 *	N.root.json			who may sign: keys and thresholds (root.c)
 *	N.manifest.json			what there is: files, sizes, hashes, deltas, notices (manifest.c)
 *	N.*.json.KEYID.minisig		one signature of one of them
 *	files/SHA256			a file, zstd; named by the hash of what is unpacked
 *	deltas/SHA256-SHA256		from that to that, zstd with the old one for a dictionary
 *	notices/SHA256			a notice's text
 *
 * Nothing but `latest` is ever changed, so any web server, cache or mirror may serve it.  The rules are those of The
 * Update Framework (https://theupdateframework.github.io/specification/), with the roles targets, snapshot and
 * timestamp in one, the manifest.
 */
#ifndef UPDATE_UPDATE_H
#define UPDATE_UPDATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <uvnet/err.h>
#include <uvnet/minisign.h>
#include "cli.h"
#include "text.h"

#define DOC_MAX (16u << 20)		/* bytes of a signed document */
#define CONTENT_MAX (1u << 30)		/* of a file that a manifest names */
#define KEYS_MAX 64
#define FILES_MAX 100000

struct options {
	const char *repo, *base, *notice, *git;
	const char **keys, **mirrors, **trust, **add, **remove, **manifest_keys;
	size_t nkeys, nmirrors, ntrust, nadd, nremove, nmanifest_keys;
	int threshold, expires;		/* 0: not said; days */
	bool json, plain, force;
	int nargs;
	char **args;
};

int keygen_main(const struct options *opt);
int root_main(const struct options *opt);
int publish_main(const struct options *opt);
int sign_main(const struct options *opt);
int init_main(const struct options *opt);
int fetch_main(const struct options *opt);
int install_main(const struct options *opt);
int rollback_main(const struct options *opt);
int status_main(const struct options *opt);
int ids_main(const struct options *opt);

/* "vnet-update: " and the sentence, on stderr. */
void complain(const struct uverr *err);
/* A line about progress: on stderr, when it is a terminal, otherwise nothing. */
void progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- Signed documents (doc.c) ---- */

struct sigs {
	struct minisign_signature *v;
	size_t n;
};

/* A set of keys of which `threshold` must sign. */
struct role {
	struct minisign_public keys[KEYS_MAX];
	size_t n;
	int threshold;
};

/* 0: enough different keys of the role signed the text.  `what` names the document in the error. */
int doc_verify(const struct role *role, const struct sigs *sigs, struct slice text, const char *what, struct uverr *err);
/* Parse a document's JSON: an object of that "type", "version" (1 to 10^9, and `version` unless 0), and "expires". */
int doc_parse(struct slice text, const char *type, long version, const char *what, json_t **doc, struct uverr *err);
/* "expires" is not over yet. */
int doc_fresh(const json_t *doc, const char *what, struct uverr *err);
long doc_version(const json_t *doc);
/* Seconds since 1970 of "2026-11-24T10:02:00Z"; -1: it is none. */
int64_t time_parse(const char *text);
void time_print(int64_t when, char text[32]);
bool hash_ok(const char *text);			/* 64 hexadecimal digits, in lower case */
bool path_ok(const char *path);			/* relative, within, printable: safe to make below a folder */

/* ---- Root (root.c) ---- */

struct root {
	json_t *doc;
	long version;
	struct minisign_public keys[KEYS_MAX];
	size_t nkeys;
	struct role root, manifest;
};

int root_parse(struct slice text, long version, struct root *root, struct uverr *err);
void root_free(struct root *root);

/* ---- Manifest (manifest.c) ---- */

struct delta {
	const char *from, *sha256;	/* of the old file; of the delta itself */
	int64_t size;
};

struct entry {
	const char *path;
	bool executable;
	const char *sha256, *packed_sha256;
	int64_t size, packed_size;
	struct delta *deltas;
	size_t ndeltas;
};

struct news {				/* a notice */
	const char *id, *sha256, *topic;
	int64_t size;
	long since;			/* the version that mends it */
	const char **paths;		/* what it concerns */
	size_t npaths;
};

struct manifest {
	json_t *doc;			/* all strings lie in it */
	long version;
	struct entry *files;		/* by path */
	size_t nfiles;
	struct news *notices;
	size_t nnotices;
};

/* `version` 0: any.  Checks all that its reader relies on: names, sizes, hashes, order, no name twice. */
int manifest_parse(struct slice text, long version, struct manifest *m, struct uverr *err);
void manifest_free(struct manifest *m);
const struct entry *manifest_find(const struct manifest *m, const char *path);

/* ---- Packing (pack.c) ---- */

/* zstd; `old` (may be empty) is the dictionary.  0 or -ENOMEM. */
int pack(struct slice old, struct slice new, struct buf *out, struct uverr *err);
/* Unpack to exactly `size` bytes of hash `sha256`; never more than that is written or allocated. */
int unpack(struct slice old, struct slice packed, int64_t size, const char *sha256, struct buf *out, struct uverr *err);
/* The same of a whole file whose size only the packed bytes tell; CONTENT_MAX at most.  For a publisher's own files. */
int unpack_any(struct slice packed, const char *sha256, struct buf *out, struct uverr *err);

/* ---- Transport (transport.c) ---- */

struct transport;
int transport_open(struct transport **t, const char *const *mirrors, size_t n, struct uverr *err);
void transport_close(struct transport *t);
/* A small file from the mirror in use; -ENOENT: it has none.  Tries the next mirrors when one does not answer. */
int transport_get(struct transport *t, const char *name, size_t max, struct buf *out, struct uverr *err);
/* What a signature or hash has shown to be wrong: go on with the next mirror.  -ENODATA: that was the last. */
int transport_next(struct transport *t, const char *why, struct uverr *err);
/*
 * A file of known size and hash; `part` (a path) keeps what has come until it is whole, also over runs.  Asks every
 * mirror; one that sends something else is left.
 */
int transport_fetch(struct transport *t, const char *name, int64_t size, const char *sha256, const char *part,
    struct buf *out, struct uverr *err);
int64_t transport_bytes(const struct transport *t);	/* received in all */

/* ---- The store (store.c) ---- */

struct store {
	char *base;
	int fd;				/* of the folder, locked for this process */
};

/* -ENOENT: there is none (vnet-update init makes it); -EWOULDBLOCK: another process works on it. */
int store_open(struct store *s, const char *base, bool lock, struct uverr *err);
void store_close(struct store *s);
const char *store_default(void);
int store_read(const struct store *s, const char *name, size_t max, struct buf *out, struct uverr *err);
/* Written beside, synced, renamed, synced: it is there whole or not at all. */
int store_write(const struct store *s, const char *name, struct slice text, struct uverr *err);
int store_root(const struct store *s, struct root *root, struct uverr *err);
/* The version that a link ("current", "versions/8/previous") names; 0: none. */
long store_version(const struct store *s, const char *link);
int store_manifest(const struct store *s, long version, struct manifest *m, struct uverr *err);
/* The newest version that was fetched whole; 0: none. */
long store_newest(const struct store *s);
/* Compare a version's files with its manifest, calling back for each that differs; 0 or a negative errno. */
typedef void store_differs(void *arg, const char *path, const char *how);
int store_check(const struct store *s, const struct manifest *m, store_differs *differs, void *arg, struct uverr *err);
/* Make `link` name `target`, in one rename. */
int store_link(const struct store *s, const char *link, const char *target, struct uverr *err);
/* Sync a folder of the store, and those below it if `deep`: the names in them. */
int store_sync(const struct store *s, const char *name, bool deep, struct uverr *err);
/* Remove a folder of the store and all in it, following no link. */
int store_remove(const struct store *s, const char *name, struct uverr *err);
/* Open a file of a version for reading, or make it, below its tree, with no symbolic link on the way. */
int store_file(const struct store *s, const char *tree, const char *path, bool make, bool executable, struct uverr *err);

/* Highest versions seen, and the hash of that manifest: "seen.json". */
struct seen {
	long root, manifest;
	char sha256[65];
};
int store_seen(const struct store *s, struct seen *seen, struct uverr *err);
int store_see(const struct store *s, const struct seen *seen, struct uverr *err);

#endif
