/* SPDX-License-Identifier: BSD-2-Clause */
/* Change files of a tree: all of them or none, whatever happens in between. */
#ifndef ERRATA_APPLY_H
#define ERRATA_APPLY_H

#include "diff.h"

struct apply_file {
	const char *path;
	bool exists, remains;		/* before, afterwards */
	struct buf old, new;
	unsigned mode, uid, gid;	/* of the old file */
	long moved;			/* lines that a hunk has moved by */
};

struct apply {
	int root;			/* the tree's folder, locked */
	struct apply_file *files;
	size_t n;
	bool recovered;			/* something interrupted was finished */
};

/*
 * Open and lock a tree, and finish or take back what an interrupted run left.  No name of it may be a symbolic link.
 * -EBUSY when another runs.
 */
int apply_open(struct apply *a, const char *root, struct uverr *err);
/* Work out in memory what a diff makes of the tree.  Changes nothing. */
int apply_plan(struct apply *a, const struct diff *d, bool reverse, struct uverr *err);
/* Write it.  On failure the tree is as it was. */
int apply_commit(struct apply *a, struct uverr *err);
void apply_close(struct apply *a);

#endif
