/* SPDX-License-Identifier: BSD-2-Clause */
/* FreeBSD's update metadata: signed tag, index of indexes, indexes of files (freebsd-update(8)). */
#ifndef ERRATA_UPDATE_H
#define ERRATA_UPDATE_H

#include "text.h"

/* The tag: what the mirror's key signs. */
struct update_tag {
	char arch[16], release[32], hash[65];	/* "amd64", "13.2-RELEASE"; SHA-256 of the index of indexes */
	long patch;
	long long eol;				/* seconds since 1970 */
};

/* A row of an index.  Slices lie in the index's text. */
struct update_file {
	struct slice component, path, meta;	/* "kernel|generic"; "/boot/kernel/kernel"; "uid|gid|mode|flags" */
	struct slice hash, link;		/* a file's SHA-256, a symbolic link's target; a hard link's other name */
	char type;				/* 'f', 'd', 'L', or '-': not there */
};
struct update_index {
	struct update_file *files;		/* by path */
	size_t n;
};

/* Recover the signed tag with a public key in PEM; -EBADMSG when it was not made by that key. */
int update_tag_verify(struct slice pem, struct slice signature, struct buf *tag, struct uverr *err);
int update_tag_parse(struct slice text, struct update_tag *tag, struct uverr *err);
/* The hash of an index ("INDEX-NEW") in the index of indexes. */
int update_index_hash(struct slice text, const char *name, char hash[65], struct uverr *err);
/* Unpack gzip, at most `max` bytes; all of `packed` must be one member. */
int update_unpack(struct slice packed, size_t max, struct buf *out, struct uverr *err);
int update_index_parse(struct slice text, struct update_index *index, struct uverr *err);
void update_index_free(struct update_index *index);

enum update_change { UPDATE_NONE, UPDATE_ADD, UPDATE_REPLACE, UPDATE_REMOVE, UPDATE_LOCAL };
typedef void update_report(void *arg, enum update_change c, const struct update_file *file);
/*
 * What an update would do, path by path in order: a path that only the old index knows goes away.  root NULL: on a
 * system as the old index knows it; otherwise on the one below that folder.  UPDATE_LOCAL: what is there is none of
 * FreeBSD's, so freebsd-update leaves it alone.
 */
void update_compare(const struct update_index *old, const struct update_index *new, const char *root,
    update_report *report, void *arg);
const char *update_change_name(enum update_change c);

#endif
