/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All files or none, also when the power fails.
 *
 * Everything is worked out in memory first (apply_plan).  Then, in the folder .errata-patch of the tree:
 *
 *	1. N.new and N.old of every file are written and synced
 *	2. "journal", which lists them, is synced and moved into place	<- from here on the change happens
 *	3. each N.new is moved onto its file, or the file is removed
 *	4. "journal" is removed						<- done
 *
 * Whoever opens the tree next looks there.  With a journal, step 3 is done again: a move that was made already has no
 * N.new any more, so doing it twice is doing it once.  Without one, nothing had happened yet, and the leavings go.
 * When step 3 itself fails, "journal" is renamed "rollback", and the N.old are moved back by the same rule.
 *
 * Names are walked folder by folder with O_NOFOLLOW: a symbolic link in the tree leads nowhere.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "apply.h"

#define DIR_NAME ".errata-patch"
#define HEAD "errata-patch 1\n"
#define TAIL "end\n"

/* The folder of a path, and the path's last part.  Makes folders when `make`. */
static int
open_parent(int root, const char *path, bool make, const char **base, struct uverr *err)
{
	int dir = dup(root), next;
	const char *slash;
	char part[256];

	while (dir != -1 && (slash = strchr(path, '/')) != NULL) {
		if ((size_t)(slash - path) >= sizeof(part)) {
			close(dir);
			return (uverr(err, ENAMETOOLONG, "%s: too long", path));
		}
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (make && mkdirat(dir, part, 0777) == 0)
			fsync(dir);
		next = openat(dir, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next == -1) {
			next = errno;
			close(dir);
			return (uverr(err, next, "%s: %s", part, next == ELOOP || next == ENOTDIR ?
			    "a symbolic link or no folder: not followed" : strerror(next)));
		}
		close(dir);
		dir = next;
		path = slash + 1;
	}
	*base = path;
	return (dir == -1 ? uverr(err, errno, "%s", strerror(errno)) : dir);
}

static int
write_file(int dir, const char *name, struct slice text, const struct apply_file *like, struct uverr *err)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
	int error = 0;
	ssize_t n;

	if (fd == -1)
		return (uverr(err, errno, "%s/%s: %s", DIR_NAME, name, strerror(errno)));
	if (like != NULL && like->exists) {
		/* Only root may give files away; others own theirs already. */
		if (fchown(fd, like->uid, like->gid) == -1 && errno != EPERM)
			error = errno;
		if (fchmod(fd, like->mode) == -1)
			error = errno;
	}
	while (error == 0 && text.n > 0) {
		n = write(fd, text.p, text.n);
		if (n == -1 && errno != EINTR)
			error = errno;
		else if (n > 0)
			text = slice_from(text, (size_t)n);
	}
	if (error == 0 && fsync(fd) == -1)
		error = errno;
	if (close(fd) == -1 && error == 0)
		error = errno;
	return (error != 0 ? uverr(err, error, "%s/%s: %s", DIR_NAME, name, strerror(error)) : 0);
}

static int
move_in(int root, int dir, const char *name, const char *path, struct uverr *err)
{
	const char *base;
	int parent = open_parent(root, path, true, &base, err), error = 0;

	if (parent < 0)
		return (parent);
	if (renameat(dir, name, parent, base) == -1 && errno != ENOENT)	/* ENOENT: moved already */
		error = uverr(err, errno, "%s: %s", path, strerror(errno));
	else
		fsync(parent);
	close(parent);
	return (error);
}

static int
remove_it(int root, const char *path, struct uverr *err)
{
	const char *base;
	int parent = open_parent(root, path, false, &base, err), error = 0;

	if (parent < 0)
		return (parent == -ENOENT ? 0 : parent);
	if (unlinkat(parent, base, 0) == -1 && errno != ENOENT)
		error = uverr(err, errno, "%s: %s", path, strerror(errno));
	else
		fsync(parent);
	close(parent);
	return (error);
}

/*
 * Do what the journal says, forwards or back.  A line: existed remains number path, as in "1 1 0 sys/conf/kmod.mk".
 */
static int
replay(int root, int dir, struct slice journal, bool back, struct uverr *err)
{
	struct lines l = lines_of(journal);
	struct slice line;
	char name[32], *path;
	int error = 0;

	if (!slice_starts(journal, HEAD) || journal.n < strlen(HEAD TAIL) ||
	    memcmp(journal.p + journal.n - strlen(TAIL), TAIL, strlen(TAIL)) != 0)
		return (uverr(err, EBADMSG, "%s/journal: not written by errata", DIR_NAME));
	lines_next(&l, &line, NULL);
	while (error == 0 && lines_next(&l, &line, NULL) && !slice_is(line, "end")) {
		struct slice rest = line, had = slice_word(&rest), will = slice_word(&rest), number = slice_word(&rest);

		rest = slice_from(rest, 1);
		if (had.n != 1 || will.n != 1 || number.n > 9 || number.n == 0 || !diff_path_safe(rest))
			return (uverr(err, EBADMSG, "%s/journal: line %d is damaged", DIR_NAME, l.no));
		snprintf(name, sizeof(name), "%.*s.%s", (int)number.n, number.p, back ? "old" : "new");
		path = strndup(rest.p, rest.n);
		if (path == NULL)
			text_oom();
		error = *(back ? had : will).p == '1' ? move_in(root, dir, name, path, err) : remove_it(root, path, err);
		free(path);
	}
	return (error);
}

static void
sweep(int root, int dir)
{
	DIR *d = fdopendir(dup(dir));
	struct dirent *e;

	if (d != NULL) {
		rewinddir(d);
		while ((e = readdir(d)) != NULL)
			if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
				unlinkat(dir, e->d_name, 0);
		closedir(d);
	}
	unlinkat(root, DIR_NAME, AT_REMOVEDIR);
}

static int
finish(int root, int dir, const char *name, bool back, struct uverr *err)
{
	struct buf journal = { 0 };
	char part[4096];
	ssize_t n;
	int fd, error;

	if ((fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return (errno == ENOENT ? 0 : uverr(err, errno, "%s/%s: %s", DIR_NAME, name, strerror(errno)));
	while ((n = read(fd, part, sizeof(part))) > 0)
		buf_add(&journal, part, (size_t)n);
	close(fd);
	error = replay(root, dir, buf_get(&journal), back, err);
	buf_free(&journal);
	if (error == 0 && unlinkat(dir, name, 0) == 0)
		fsync(dir);
	return (error != 0 ? error : 1);
}

int
apply_open(struct apply *a, const char *root, struct uverr *err)
{
	int dir, done;

	*a = (struct apply){ .root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	if (a->root == -1)
		return (uverr(err, errno, "%s: %s", root, strerror(errno)));
	if (flock(a->root, LOCK_EX | LOCK_NB) == -1)
		return (uverr(err, EBUSY, "%s: another errata works there", root));
	dir = openat(a->root, DIR_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir == -1)
		return (errno == ENOENT ? 0 : uverr(err, errno, "%s/%s: %s", root, DIR_NAME, strerror(errno)));
	done = finish(a->root, dir, "rollback", true, err);
	if (done == 0)
		done = finish(a->root, dir, "journal", false, err);
	if (done >= 0)
		sweep(a->root, dir);
	close(dir);
	a->recovered = done > 0;
	return (done < 0 ? done : 0);
}

/* Read what is there now. */
static int
load(struct apply *a, struct apply_file *f, struct uverr *err)
{
	struct stat st, top;
	const char *base;
	char part[65536];
	ssize_t n = 0;
	int parent, fd;

	parent = open_parent(a->root, f->path, false, &base, err);
	if (parent == -ENOENT)
		return (0);
	if (parent < 0)
		return (parent);
	fd = openat(parent, base, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	close(parent);
	if (fd == -1)
		return (errno == ENOENT ? 0 : uverr(err, errno, "%s: %s", f->path, errno == ELOOP ?
		    "a symbolic link: not followed" : strerror(errno)));
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || fstat(a->root, &top) == -1 || st.st_dev != top.st_dev) {
		close(fd);
		return (uverr(err, EINVAL, "%s: no plain file of this file system", f->path));
	}
	f->exists = true;
	f->mode = st.st_mode & 07777;
	f->uid = st.st_uid;
	f->gid = st.st_gid;
	buf_add(&f->old, "", 0);
	while ((n = read(fd, part, sizeof(part))) > 0 && f->old.n < FILE_MAX)
		buf_add(&f->old, part, (size_t)n);
	close(fd);
	return (n != 0 ? uverr(err, EIO, "%s: cannot be read, or is too big", f->path) : 0);
}

int
apply_plan(struct apply *a, const struct diff *d, bool reverse, struct uverr *err)
{
	int error;

	for (size_t i = 0; i < d->n; i++) {
		const struct diff_file *df = &d->files[i];
		struct apply_file *f = ARRAY_ADD(a->files, a->n);
		bool create = reverse ? df->delete : df->create, delete = reverse ? df->create : df->delete;

		f->path = df->path;
		if ((error = load(a, f, err)) != 0)
			return (error);
		if (create && f->exists)
			return (uverr(err, EEXIST, "%s is there already; nothing was changed", f->path));
		if (!create && !f->exists)
			return (uverr(err, ENOENT, "%s is not there; nothing was changed", f->path));
		if ((error = diff_apply(df, buf_get(&f->old), reverse, &f->new, &f->moved, err)) != 0)
			return (error);
		if (delete && f->new.n > 0)
			return (uverr(err, EINVAL, "%s is to be deleted, but holds more than the patch knows", f->path));
		f->remains = !delete;
	}
	return (0);
}

static int
prepare(struct apply *a, int dir, struct uverr *err)
{
	struct buf journal = { 0 };
	char name[32];
	int error = 0;

	buf_str(&journal, HEAD);
	for (size_t i = 0; i < a->n && error == 0; i++) {
		struct apply_file *f = &a->files[i];

		snprintf(name, sizeof(name), "%zu.new", i);
		if (f->remains)
			error = write_file(dir, name, buf_get(&f->new), f, err);
		snprintf(name, sizeof(name), "%zu.old", i);
		if (f->exists && error == 0)
			error = write_file(dir, name, buf_get(&f->old), f, err);
		buf_fmt(&journal, "%d %d %zu %s\n", f->exists, f->remains, i, f->path);
	}
	buf_str(&journal, TAIL);
	if (error == 0)
		error = write_file(dir, "journal.new", buf_get(&journal), NULL, err);
	buf_free(&journal);
	if (error == 0 && (fsync(dir) == -1 || fsync(a->root) == -1))
		error = uverr(err, errno, "%s: %s", DIR_NAME, strerror(errno));
	return (error);
}

int
apply_commit(struct apply *a, struct uverr *err)
{
	struct uverr back;
	int dir, error;

	if (mkdirat(a->root, DIR_NAME, 0700) == -1)
		return (uverr(err, errno, "%s: %s", DIR_NAME, strerror(errno)));
	dir = openat(a->root, DIR_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir == -1)
		return (uverr(err, errno, "%s: %s", DIR_NAME, strerror(errno)));
	if ((error = prepare(a, dir, err)) != 0)
		goto out;
	if (renameat(dir, "journal.new", dir, "journal") == -1 || fsync(dir) == -1) {
		error = uverr(err, errno, "%s/journal: %s", DIR_NAME, strerror(errno));
		unlinkat(dir, "journal", 0);
		goto out;
	}
	error = finish(a->root, dir, "journal", false, err);
	if (error >= 0) {
		error = 0;
		goto out;
	}
	if (renameat(dir, "journal", dir, "rollback") == -1 || fsync(dir) == -1 ||
	    finish(a->root, dir, "rollback", true, &back) < 0) {
		uverr_prefix(err, "the change stopped half way and could not be taken back; run `errata patch --root` again: ");
		close(dir);
		return (error);
	}
	uverr_prefix(err, "all was put back as it was: ");
out:
	sweep(a->root, dir);
	close(dir);
	return (error);
}

void
apply_close(struct apply *a)
{
	for (size_t i = 0; i < a->n; i++) {
		buf_free(&a->files[i].old);
		buf_free(&a->files[i].new);
	}
	free(a->files);
	if (a->root != -1)
		close(a->root);
}
