/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors, memory, lists, files and child processes.
 *
 * vnetcc is a short-lived program that holds one link in memory: running out
 * of memory ends it, and nothing else here does.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vnetcc.h"

extern char **environ;

void
complain(const char *fmt, ...)
{
	va_list ap;

	fputs("vnetcc: error: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void *
must(void *p)
{
	if (p == NULL) {
		complain("out of memory");
		exit(1);
	}
	return (p);
}

void *
xrealloc(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return (must(NULL));
	return (must(realloc(p, bytes == 0 ? 1 : bytes)));
}

char *
xstrdup(const char *s)
{
	return (must(strdup(s)));
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	s = xrealloc(NULL, n < 0 ? 1 : (size_t)n + 1, 1);
	s[0] = '\0';
	va_start(ap, fmt);
	if (n > 0)
		vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return (s);
}

/* The list is always ended by NULL, so that it can be an argv. */
void
strlist_add(struct strlist *l, const char *s)
{
	/* Room doubles whenever the number of strings is a power of two. */
	if ((l->n & (l->n - 1)) == 0)
		l->v = xrealloc(l->v, 2 * l->n + 2, sizeof(*l->v));
	l->v[l->n++] = xstrdup(s);
	l->v[l->n] = NULL;
}

bool
strlist_has(const struct strlist *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return (true);
	return (false);
}

void
strlist_free(struct strlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strlist) { 0 };
}

static size_t
ptrset_slot(const struct ptrset *s, const void *p)
{
	uint64_t h = (uint64_t)(uintptr_t)p * 0x9e3779b97f4a7c15u;
	size_t i = (size_t)(h >> 20) & (s->nslot - 1);

	while (s->slot[i] != 0 && s->key[s->slot[i] - 1] != p)
		i = (i + 1) & (s->nslot - 1);
	return (i);
}

static void
ptrset_grow(struct ptrset *s)
{
	s->nslot = s->nslot == 0 ? 64 : 2 * s->nslot;
	s->key = xrealloc(s->key, s->nslot, sizeof(*s->key));
	s->slot = xrealloc(s->slot, s->nslot, sizeof(*s->slot));
	memset(s->slot, 0, s->nslot * sizeof(*s->slot));
	for (size_t i = 0; i < s->n; i++)
		s->slot[ptrset_slot(s, s->key[i])] = i + 1;
}

size_t
ptrset_add(struct ptrset *s, const void *p, bool *new_member)
{
	size_t i;

	if (2 * (s->n + 1) > s->nslot)
		ptrset_grow(s);
	i = ptrset_slot(s, p);
	if (new_member != NULL)
		*new_member = s->slot[i] == 0;
	if (s->slot[i] == 0) {
		s->key[s->n++] = p;
		s->slot[i] = s->n;
	}
	return (s->slot[i] - 1);
}

bool
ptrset_find(const struct ptrset *s, const void *p, size_t *idx)
{
	size_t i;

	if (s->n == 0)
		return (false);
	i = ptrset_slot(s, p);
	if (s->slot[i] == 0)
		return (false);
	if (idx != NULL)
		*idx = s->slot[i] - 1;
	return (true);
}

void
ptrset_free(struct ptrset *s)
{
	free(s->key);
	free(s->slot);
	*s = (struct ptrset) { 0 };
}

bool
file_read(const char *path, uint8_t **data, size_t *size)
{
	struct stat st;
	uint8_t *buf = NULL;
	size_t have = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		complain("%s: %s", path, strerror(errno));
		goto fail;
	}
	if (!S_ISREG(st.st_mode)) {
		complain("%s: not a regular file", path);
		goto fail;
	}
	/* One byte more than the file has: a text can be ended by NUL. */
	buf = xrealloc(NULL, (size_t)st.st_size + 1, 1);
	while (have < (size_t)st.st_size) {
		ssize_t n = read(fd, buf + have, (size_t)st.st_size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			complain("%s: %s", path, strerror(errno));
			goto fail;
		}
		if (n == 0)
			break;
		have += (size_t)n;
	}
	buf[have] = '\0';
	close(fd);
	*data = buf;
	*size = have;
	return (true);
fail:
	free(buf);
	if (fd >= 0)
		close(fd);
	return (false);
}

bool
file_write(int fd, const char *path, const void *data, size_t size)
{
	const uint8_t *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			complain("%s: %s", path, strerror(errno));
			return (false);
		}
		p += n;
		size -= (size_t)n;
	}
	return (true);
}

/* Runs a program and returns its exit status; 127 if it could not start. */
int
run(const struct strlist *argv)
{
	pid_t pid;
	int error, status;

	error = posix_spawnp(&pid, argv->v[0], NULL, NULL, argv->v, environ);
	if (error != 0) {
		complain("cannot run %s: %s", argv->v[0], strerror(error));
		return (127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) {
			complain("waiting for %s: %s", argv->v[0], strerror(errno));
			return (127);
		}
	if (WIFSIGNALED(status)) {
		complain("%s died of signal %d", argv->v[0], WTERMSIG(status));
		return (128 + WTERMSIG(status));
	}
	return (WEXITSTATUS(status));
}
