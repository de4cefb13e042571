/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded by tests/errata/patch.py: the process dies at its CRASH_AT-th change to the file system, before it is made
 * (CRASH_FAIL: that change fails with EIO instead).  As when the power fails, but for what was not synced.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <stdio.h>
#include <sys/stat.h>

static int
due(void)
{
	static int count;
	const char *at = getenv("CRASH_AT");

	if (at == NULL || ++count != atoi(at))
		return (0);
	if (getenv("CRASH_FAIL") == NULL)
		_exit(99);
	errno = EIO;
	return (1);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int
renameat(int a, const char *from, int b, const char *to)
{
	return (due() ? -1 : REAL(renameat)(a, from, b, to));
}

int
unlinkat(int dir, const char *name, int flags)
{
	return (due() ? -1 : REAL(unlinkat)(dir, name, flags));
}

int
mkdirat(int dir, const char *name, mode_t mode)
{
	return (due() ? -1 : REAL(mkdirat)(dir, name, mode));
}

int
fsync(int fd)
{
	return (due() ? -1 : REAL(fsync)(fd));
}

int
fchmod(int fd, mode_t mode)
{
	return (due() ? -1 : REAL(fchmod)(fd, mode));
}
