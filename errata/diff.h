/* SPDX-License-Identifier: BSD-2-Clause */
/* A unified diff (POSIX diff -u), read strictly. */
#ifndef ERRATA_DIFF_H
#define ERRATA_DIFF_H

#include "text.h"

struct diff_line {
	char op;			/* ' ', '-' or '+' */
	struct slice text;		/* with its "\n", unless the file ends without one */
};

struct diff_hunk {
	int line;			/* in the patch */
	long old_start, old_count, new_start, new_count;
	struct diff_line *lines;
	size_t nlines;
};

struct diff_file {
	int line;
	char *path;			/* relative, safe: diff_path_safe() */
	bool create, delete;
	struct diff_hunk *hunks;
	size_t nhunks;
};

/* Points into the text that it was read from. */
struct diff {
	struct arena arena;
	struct diff_file *files;
	size_t n;
};

/* Read a patch: 0, or -EINVAL with the line and the reason.  diff_free() is due in both cases. */
int diff_parse(struct slice text, struct diff *d, struct uverr *err);
void diff_free(struct diff *d);

/* Neither absolute nor empty, no ".", "..", control characters or ".errata-patch" in it. */
bool diff_path_safe(struct slice path);

/*
 * Apply a file's hunks to its text, backwards when `reverse`.  Every line of a hunk must be there, byte for byte; the
 * place may differ from the one that the hunk names when it is the only one.  *moved: the greatest distance.
 * -EINVAL with the reason; `out` may then hold anything.
 */
int diff_apply(const struct diff_file *f, struct slice old, bool reverse, struct buf *out, long *moved,
    struct uverr *err);

#endif
