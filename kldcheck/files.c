/* SPDX-License-Identifier: BSD-2-Clause */
/* Files: see files.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include "elf.h"
#include "files.h"

#define DEPTH_MAX	32

int
kc_file_read(const char *path, void **data, size_t *size)
{
	struct stat st;
	size_t n = 0;
	char *p = NULL;
	int fd, error = 0;

	if ((fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
		return (-errno);
	if (fstat(fd, &st) != 0)
		error = -errno;
	else if (!S_ISREG(st.st_mode))
		error = -EINVAL;
	else if (st.st_size > (off_t)KC_FILE_MAX)
		error = -EFBIG;
	else if ((p = malloc((size_t)st.st_size + 1)) == NULL)
		error = -ENOMEM;
	while (error == 0 && n < (size_t)st.st_size) {
		ssize_t got = read(fd, p + n, (size_t)st.st_size - n);

		if (got < 0 && errno != EINTR)
			error = -errno;
		else if (got == 0)
			break;
		else if (got > 0)
			n += (size_t)got;
	}
	close(fd);
	if (error != 0) {
		free(p);
		return (error);
	}
	*data = p;
	*size = n;
	return (0);
}

int
kc_file_write(const char *path, const void *data, size_t size, const char *like)
{
	struct stat st;
	size_t n = 0, len = strlen(path);
	char *tmp = malloc(len + sizeof(".XXXXXX"));
	int fd, error = 0;

	if (tmp == NULL)
		return (-ENOMEM);
	memcpy(tmp, path, len);
	memcpy(tmp + len, ".XXXXXX", sizeof(".XXXXXX"));
	if ((fd = mkstemp(tmp)) < 0) {
		error = -errno;
		free(tmp);
		return (error);
	}
	if (stat(like, &st) == 0 && fchmod(fd, st.st_mode & 0777) != 0)
		error = -errno;
	while (error == 0 && n < size) {
		ssize_t put = write(fd, (const char *)data + n, size - n);

		if (put < 0 && errno != EINTR)
			error = -errno;
		else if (put > 0)
			n += (size_t)put;
	}
	if (error == 0 && fsync(fd) != 0)
		error = -errno;
	if (close(fd) != 0 && error == 0)
		error = -errno;
	if (error == 0 && rename(tmp, path) != 0)
		error = -errno;
	if (error != 0)
		unlink(tmp);
	free(tmp);
	return (error);
}

struct walk {
	int (*visit)(const char *, void *);
	void *arg;
	unsigned found;
};

static int
by_name(const void *a, const void *b)
{
	return (strcmp(*(char *const *)a, *(char *const *)b));
}

static bool
is_module(const char *name)
{
	size_t n = strlen(name);

	return (n > 3 && strcmp(name + n - 3, ".ko") == 0);
}

static int walk(struct walk *w, const char *path, unsigned depth);

static int
walk_names(struct walk *w, const char *path, char **name, size_t n, unsigned depth)
{
	int error = 0;

	for (size_t i = 0; i < n && error == 0; i++) {
		size_t size = strlen(path) + strlen(name[i]) + 2;
		char *sub = malloc(size);
		struct stat st;

		if (sub == NULL)
			return (-ENOMEM);
		snprintf(sub, size, "%s/%s", path, name[i]);
		if (lstat(sub, &st) == 0 && S_ISDIR(st.st_mode))
			error = walk(w, sub, depth + 1);
		else if (is_module(name[i])) {
			w->found++;
			error = w->visit(sub, w->arg);
		}
		free(sub);
	}
	return (error);
}

static int
walk(struct walk *w, const char *path, unsigned depth)
{
	struct dirent *d;
	char **name = NULL;
	size_t n = 0;
	int error = 0;
	DIR *dir;

	if (depth > DEPTH_MAX)
		return (-ELOOP);
	if ((dir = opendir(path)) == NULL)
		return (-errno);
	while (error == 0 && (d = readdir(dir)) != NULL) {
		char **more;

		if (d->d_name[0] == '.')
			continue;
		if ((more = realloc(name, (n + 1) * sizeof(*name))) == NULL || ((name = more)[n] = strdup(d->d_name)) == NULL)
			error = -ENOMEM;
		else
			n++;
	}
	closedir(dir);
	if (n > 1)
		qsort(name, n, sizeof(*name), by_name);
	if (error == 0)
		error = walk_names(w, path, name, n, depth);
	while (n > 0)
		free(name[--n]);
	free(name);
	return (error);
}

int
kc_files_each(const char *path, int (*visit)(const char *, void *), void *arg)
{
	struct walk w = { .visit = visit, .arg = arg };
	struct stat st;
	int error;

	if (stat(path, &st) != 0)
		return (-errno);
	if (!S_ISDIR(st.st_mode))
		return (visit(path, arg));
	error = walk(&w, path, 0);
	return (error != 0 ? error : w.found == 0 ? -ENOENT : 0);
}
