/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded by tests/update/update.py: the power fails at the CRASH_AT-th change to the file system, before it is made
 * (CRASH_FAIL: that change fails with EIO instead).  What was written to a file and not synced by then is lost: those files
 * are emptied, which is the worst that a file system does to them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FDS 1024

/* Files written to and not synced yet: by another descriptor of each. */
static int dirty[FDS];

static void
lose_all(void)
{
	for (int i = 0; i < FDS; i++)
		if (dirty[i] > 0 && ftruncate(dirty[i], 0) != 0)
			abort();
}

static int
due(void)
{
	static int count;
	const char *at = getenv("CRASH_AT");

	if (at == NULL || ++count != atoi(at))
		return (0);
	REAL(close)(open(getenv("CRASH_FIRED"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	if (getenv("CRASH_FAIL") == NULL) {
		lose_all();
		_exit(99);
	}
	errno = EIO;
	return (1);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	struct stat st;
	char self[64];

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fd < FDS) {
		if (due())
			return (-1);
		if (dirty[fd] == 0) {
			snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
			dirty[fd] = open(self, O_WRONLY | O_CLOEXEC);
		}
	}
	return (REAL(write)(fd, p, n));
}

static void
clean(int fd)
{
	struct stat a, b;

	if (fstat(fd, &a) != 0)
		return;
	for (int i = 0; i < FDS; i++)
		if (dirty[i] > 0 && fstat(dirty[i], &b) == 0 && a.st_ino == b.st_ino) {
			REAL(close)(dirty[i]);
			dirty[i] = 0;
		}
}

int
fsync(int fd)
{
	if (due())
		return (-1);
	clean(fd);
	return (REAL(fsync)(fd));
}

int
syncfs(int fd)
{
	if (due())
		return (-1);
	for (int i = 0; i < FDS; i++)
		if (dirty[i] > 0) {
			REAL(close)(dirty[i]);
			dirty[i] = 0;
		}
	return (REAL(syncfs)(fd));
}

/* A closed file that was not synced stays dirty, whatever its number is used for next. */
int
close(int fd)
{
	if (fd >= 0 && fd < FDS && dirty[fd] > 0)
		for (int i = FDS - 1; i > 0; i--)
			if (dirty[i] == 0) {
				dirty[i] = dirty[fd];
				dirty[fd] = 0;
				break;
			}
	return (REAL(close)(fd));
}

int
renameat(int a, const char *from, int b, const char *to)
{
	return (due() ? -1 : REAL(renameat)(a, from, b, to));
}

int
rename(const char *from, const char *to)
{
	return (due() ? -1 : REAL(rename)(from, to));
}

int
symlinkat(const char *target, int dir, const char *name)
{
	return (due() ? -1 : REAL(symlinkat)(target, dir, name));
}

int
unlinkat(int dir, const char *name, int flags)
{
	return (due() ? -1 : REAL(unlinkat)(dir, name, flags));
}

int
unlink(const char *name)
{
	return (due() ? -1 : REAL(unlink)(name));
}

int
mkdirat(int dir, const char *name, mode_t mode)
{
	return (due() ? -1 : REAL(mkdirat)(dir, name, mode));
}

int
ftruncate(int fd, off_t n)
{
	return (due() ? -1 : REAL(ftruncate)(fd, n));
}
