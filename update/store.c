/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is on disk here.
 *
 *	BASE/root.json			the root that is trusted
 *	BASE/mirrors			URLs, one a line, in the order in which they are asked
 *	BASE/seen.json			the highest versions seen
 *	BASE/current			-> versions/8: the version in use.  Programs use BASE/current/tree/...
 *	BASE/versions/8/manifest.json	with tree/ below: whole from the moment it has this name, and never changed
 *	BASE/versions/8/previous	-> ../7: what was in use before it was installed
 *	BASE/versions/9.part/		being put together
 *	BASE/parts/			downloads under way
 *
 * Each change that counts is one rename: of a folder that was synced whole (fetch), of a link (install, rollback), of
 * a small file (root, seen).  So a crash at any moment leaves the state before or after, and what is left over beside
 * it has a name that the next run removes.  A process that changes something holds the lock on the folder.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "update.h"

const char *
store_default(void)
{
	static char path[4096];
	const char *data = secure_getenv("XDG_DATA_HOME"), *home = secure_getenv("HOME");

	if (geteuid() == 0)
		return ("/var/lib/vnet-update");
	if (data != NULL && data[0] == '/')
		snprintf(path, sizeof(path), "%s/vnet-update", data);
	else
		snprintf(path, sizeof(path), "%s/.local/share/vnet-update", home != NULL ? home : "");
	return (path);
}

int
store_open(struct store *s, const char *base, bool lock, struct uverr *err)
{
	int error;

	s->base = xstrdup(base != NULL ? base : store_default());
	s->fd = open(s->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd == -1 || faccessat(s->fd, "root.json", F_OK, 0) == -1) {
		error = errno == ENOENT ? uverr(err, ENOENT, "%s: no repository is known here: vnet-update init names one", s->base) :
		    uverr(err, errno, "%s: %s", s->base, strerror(errno));
		goto close;
	}
	if (lock && flock(s->fd, LOCK_EX | LOCK_NB) == -1) {
		error = errno == EWOULDBLOCK ? uverr(err, errno, "%s: another vnet-update is at work here", s->base) :
		    uverr(err, errno, "%s: %s", s->base, strerror(errno));
		goto close;
	}
	return (0);
close:
	store_close(s);
	return (error);
}

void
store_close(struct store *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	free(s->base);
	s->base = NULL;
}

/* ---- Small files and links ---- */

static int
failed(const struct store *s, const char *name, struct uverr *err)
{
	return (uverr(err, errno, "%s/%s: %s", s->base, name, strerror(errno)));
}

int
store_read(const struct store *s, const char *name, size_t max, struct buf *out, struct uverr *err)
{
	char *path;
	int error;

	if (asprintf(&path, "%s/%s", s->base, name) == -1)
		text_oom();
	error = file_read(path, max, out, err);
	free(path);
	return (error);
}

static int
write_all(int fd, struct slice text)
{
	while (text.n > 0) {
		const ssize_t n = write(fd, text.p, text.n);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return (-1);
		text = slice_from(text, (size_t)n);
	}
	return (fsync(fd));
}

/* Sync the folder that `name` is in. */
static int
sync_parent(const struct store *s, const char *name)
{
	const char *slash = strrchr(name, '/');
	char parent[256] = ".";
	int fd, error;

	if (slash != NULL)
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - name), name);
	fd = openat(s->fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return (-1);
	error = fsync(fd);
	close(fd);
	return (error);
}

int
store_write(const struct store *s, const char *name, struct slice text, struct uverr *err)
{
	char tmp[256];
	int fd, error;

	snprintf(tmp, sizeof(tmp), "%s.new", name);
	unlinkat(s->fd, tmp, 0);
	fd = openat(s->fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd == -1)
		return (failed(s, tmp, err));
	if (write_all(fd, text) == -1) {
		error = failed(s, tmp, err);
		close(fd);
		goto unlink;
	}
	close(fd);
	if (renameat(s->fd, tmp, s->fd, name) == -1) {
		error = failed(s, name, err);
		goto unlink;
	}
	return (sync_parent(s, name) == -1 ? failed(s, name, err) : 0);
unlink:
	unlinkat(s->fd, tmp, 0);
	return (error);
}

int
store_link(const struct store *s, const char *link, const char *target, struct uverr *err)
{
	char tmp[256];
	int error;

	snprintf(tmp, sizeof(tmp), "%s.new", link);
	unlinkat(s->fd, tmp, 0);
	if (symlinkat(target, s->fd, tmp) == -1)
		return (failed(s, tmp, err));
	if (renameat(s->fd, tmp, s->fd, link) == -1) {
		error = failed(s, link, err);
		unlinkat(s->fd, tmp, 0);
		return (error);
	}
	return (sync_parent(s, link) == -1 ? failed(s, link, err) : 0);
}

static long
number(const char *name)
{
	char *end;
	const long n = name[0] >= '1' && name[0] <= '9' ? strtol(name, &end, 10) : 0;

	return (n > 0 && n <= 1000000000 && *end == '\0' ? n : 0);
}

long
store_version(const struct store *s, const char *link)
{
	char target[64];
	const ssize_t n = readlinkat(s->fd, link, target, sizeof(target) - 1);
	const char *slash;

	if (n <= 0)
		return (0);
	target[n] = '\0';
	slash = strrchr(target, '/');
	return (slash != NULL ? number(slash + 1) : 0);
}

long
store_newest(const struct store *s)
{
	const int fd = openat(s->fd, "versions", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;
	long newest = 0;

	while (dir != NULL && (d = readdir(dir)) != NULL)
		if (number(d->d_name) > newest)
			newest = number(d->d_name);
	if (dir != NULL)
		closedir(dir);
	return (newest);
}

/* ---- Documents ---- */

int
store_root(const struct store *s, struct root *root, struct uverr *err)
{
	struct buf text = { 0 };
	int error = store_read(s, "root.json", DOC_MAX, &text, err);

	if (error == 0 && (error = root_parse(buf_get(&text), 0, root, err)) != 0)
		uverr_prefix(err, "%s", s->base);
	buf_free(&text);
	return (error);
}

int
store_manifest(const struct store *s, long version, struct manifest *m, struct uverr *err)
{
	struct buf text = { 0 };
	char name[64];
	int error;

	snprintf(name, sizeof(name), "versions/%ld/manifest.json", version);
	error = store_read(s, name, DOC_MAX, &text, err);
	if (error == 0 && (error = manifest_parse(buf_get(&text), version, m, err)) != 0)
		uverr_prefix(err, "%s/%s", s->base, name);
	buf_free(&text);
	return (error);
}

int
store_seen(const struct store *s, struct seen *seen, struct uverr *err)
{
	struct buf text = { 0 };
	const char *hash;
	json_t *j;
	int error;

	*seen = (struct seen){ 0 };
	if (faccessat(s->fd, "seen.json", F_OK, 0) == -1 && errno == ENOENT)
		return (0);
	if ((error = store_read(s, "seen.json", DOC_MAX, &text, err)) != 0)
		return (error);
	j = json_loadb(text.p, text.n, 0, NULL);
	buf_free(&text);
	seen->root = (long)json_integer_value(json_object_get(j, "root"));
	seen->manifest = (long)json_integer_value(json_object_get(j, "manifest"));
	hash = json_string_value(json_object_get(j, "sha256"));
	if (hash_ok(hash))
		memcpy(seen->sha256, hash, sizeof(seen->sha256));
	json_decref(j);
	if (seen->root < 1 || seen->manifest < 1 || seen->sha256[0] == '\0')
		return (uverr(err, EBADMSG, "%s/seen.json: it does not say what was seen; when you are sure that nobody plays tricks,"
		    " remove it", s->base));
	return (0);
}

int
store_see(const struct store *s, const struct seen *seen, struct uverr *err)
{
	char text[256];

	snprintf(text, sizeof(text), "{ \"root\": %ld, \"manifest\": %ld, \"sha256\": \"%s\" }\n", seen->root, seen->manifest,
	    seen->sha256);
	return (store_write(s, "seen.json", slice_str(text), err));
}

/* ---- Trees ---- */

static int
open_within(int dir, const char *path, uint64_t flags, mode_t mode)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };

	return ((int)syscall(SYS_openat2, dir, path, &how, sizeof(how)));
}

/* Make the folders on the way to a path. */
static int
make_parents(int tree, const char *path)
{
	char parent[1025];
	int fd;

	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		fd = open_within(tree, parent, O_PATH | O_DIRECTORY, 0);
		if (fd >= 0)
			close(fd);
		else if (errno != ENOENT || mkdirat(tree, parent, 0755) == -1)
			return (-1);
	}
	return (0);
}

int
store_file(const struct store *s, const char *tree, const char *path, bool make, bool executable, struct uverr *err)
{
	const int dir = open_within(s->fd, tree, O_RDONLY | O_DIRECTORY, 0);
	int fd = -1, error = 0;

	if (dir == -1)
		return (failed(s, tree, err));
	if (make && make_parents(dir, path) == -1)
		error = failed(s, path, err);
	else if ((fd = open_within(dir, path, make ? O_WRONLY | O_CREAT | O_EXCL : O_RDONLY | O_NONBLOCK,
	    make ? (executable ? 0755 : 0644) : 0)) == -1)
		error = errno == ELOOP || errno == EXDEV ?
		    uverr(err, errno, "%s/%s/%s: a symbolic link is in the way", s->base, tree, path) :
		    uverr(err, errno, "%s/%s/%s: %s", s->base, tree, path, strerror(errno));
	close(dir);
	return (error != 0 ? error : fd);
}

struct walk {
	const struct manifest *m;
	store_differs *differs;
	void *arg;
};

/* Report what the manifest does not have. */
static int
walk_extra(int parent, const char *name, const char *path, const struct walk *w)
{
	const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;
	struct stat st;
	char *sub;

	if (dir == NULL)
		return (-errno);
	while ((d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (asprintf(&sub, "%s%s%s", path, path[0] != '\0' ? "/" : "", d->d_name) == -1)
			text_oom();
		if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			walk_extra(fd, d->d_name, sub, w);
		else if (manifest_find(w->m, sub) == NULL)
			w->differs(w->arg, sub, "is not of this version");
		free(sub);
	}
	closedir(dir);
	return (0);
}

static const char *
compare(int fd, const struct entry *e)
{
	struct buf text = { 0 };
	const char *how = NULL;
	struct stat st;
	char part[65536], hash[65];
	ssize_t n = -1;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return ("is no file");
	if (st.st_size != e->size)
		return ("has another size");
	if (((st.st_mode & 0111) != 0) != e->executable)
		return ("has another mode");
	while (text.n <= (size_t)e->size && (n = read(fd, part, sizeof(part))) > 0)
		buf_add(&text, part, (size_t)n);
	buf_add(&text, "", 0);
	text_sha256(buf_get(&text), hash);
	if (n != 0)
		how = "cannot be read";
	else if (strcmp(hash, e->sha256) != 0)
		how = "has been changed";
	buf_free(&text);
	return (how);
}

int
store_check(const struct store *s, const struct manifest *m, store_differs *differs, void *arg, struct uverr *err)
{
	const struct walk w = { m, differs, arg };
	struct uverr why;
	const char *how;
	char tree[64];
	int fd, error;

	snprintf(tree, sizeof(tree), "versions/%ld/tree", m->version);
	for (size_t i = 0; i < m->nfiles; i++) {
		fd = store_file(s, tree, m->files[i].path, false, false, &why);
		if (fd >= 0) {
			how = compare(fd, &m->files[i]);
			close(fd);
		} else {
			how = fd == -ENOENT ? "is missing" : "cannot be opened";
		}
		if (how != NULL)
			differs(arg, m->files[i].path, how);
	}
	error = walk_extra(s->fd, tree, "", &w);
	return (error == 0 ? 0 : uverr(err, -error, "%s/%s: %s", s->base, tree, strerror(-error)));
}

static int
remove_below(int parent, const char *name)
{
	const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir;
	const struct dirent *d;
	int error = 0;

	if (fd == -1)
		return (errno == ENOENT ? 0 : errno == ENOTDIR || errno == ELOOP ? unlinkat(parent, name, 0) : -1);
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return (-1);
	}
	while (error == 0 && (d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, d->d_name, 0) == -1)
			error = errno == EISDIR || errno == EPERM ? remove_below(fd, d->d_name) : -1;
	}
	closedir(dir);
	return (error == 0 ? unlinkat(parent, name, AT_REMOVEDIR) : -1);
}

int
store_remove(const struct store *s, const char *name, struct uverr *err)
{
	return (remove_below(s->fd, name) == -1 ? failed(s, name, err) : 0);
}

static int
sync_below(int parent, const char *name, bool deep)
{
	const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;
	struct stat st;
	int error = 0;

	if (dir == NULL)
		return (-1);
	while (deep && error == 0 && (d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
		    fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			error = sync_below(fd, d->d_name, true);
	if (error == 0)
		error = fsync(fd);
	closedir(dir);
	return (error);
}

int
store_sync(const struct store *s, const char *name, bool deep, struct uverr *err)
{
	return (sync_below(s->fd, name, deep) == -1 ? failed(s, name, err) : 0);
}
