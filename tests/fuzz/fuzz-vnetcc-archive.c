/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes vnetcc's archive reader (cc/archive.c) with any bytes at all, as the link uses it: is there bitcode, and
 * then all members are taken out into a directory.  Thin archives are read, too; their members are whatever files
 * they name, and are only read.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vnetcc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);
	char *path = xasprintf("/proc/self/fd/%d", fd), dir[] = "/tmp/fuzz-archive.XXXXXX";
	struct strlist paths = { 0 }, out = { 0 };
	struct symbols s = { 0 };

	if (fd < 0 || !file_write(fd, path, data, size) || mkdtemp(dir) == NULL)
		abort();
	strlist_add(&paths, path);
	(void)archive_has_bitcode(path);
	(void)archives_take(&paths, &s, true, dir, &out);
	/* A name must not lead out of the directory; removing it fails if a file is left. */
	for (size_t i = 0; i < out.n; i++)
		if (strncmp(out.v[i], dir, strlen(dir)) == 0 && unlink(out.v[i]) != 0 && size > 8 &&
		    memcmp(data, "!<thin>\n", 8) != 0)
			fprintf(stderr, "%s is not there\n", out.v[i]);
	if (rmdir(dir) != 0)
		abort();
	symbols_free(&s);
	strlist_free(&paths);
	strlist_free(&out);
	close(fd);
	free(path);
	return (0);
}
