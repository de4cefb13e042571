/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole files: read into a buffer with a limit, written beside their place and moved there.  See text.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "text.h"

int
file_read(const char *path, size_t max, struct buf *b, struct uverr *err)
{
	char part[65536];
	size_t start = b->n;
	ssize_t n;
	int fd, error = 0;

	fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return (uverr(err, errno, "%s: %s", path, strerror(errno)));
	buf_add(b, "", 0);
	for (;;) {
		n = read(fd, part, sizeof(part));
		if (n == 0)
			break;
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			error = uverr(err, errno, "%s: %s", path, strerror(errno));
			break;
		}
		if (b->n - start + (size_t)n > max) {
			error = uverr(err, EFBIG, "%s: more than %zu bytes: not what it is said to be", path, max);
			break;
		}
		buf_add(b, part, (size_t)n);
	}
	close(fd);
	return (error);
}

int
file_write(const char *path, struct slice text, struct uverr *err)
{
	char *tmp = NULL;
	mode_t mask;
	ssize_t n;
	int fd, error;

	if (asprintf(&tmp, "%s.XXXXXX", path) == -1)
		text_oom();
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd == -1) {
		error = uverr(err, errno, "%s: %s", path, strerror(errno));
		goto out;
	}
	mask = umask(0);
	umask(mask);
	fchmod(fd, 0666 & ~mask);
	while (text.n > 0) {
		n = write(fd, text.p, text.n);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			error = uverr(err, errno, "%s: %s", path, strerror(errno));
			close(fd);
			goto unlink;
		}
		text = slice_from(text, (size_t)n);
	}
	if (close(fd) == -1 || rename(tmp, path) == -1) {
		error = uverr(err, errno, "%s: %s", path, strerror(errno));
		goto unlink;
	}
	error = 0;
	goto out;
unlink:
	unlink(tmp);
out:
	free(tmp);
	return (error);
}
