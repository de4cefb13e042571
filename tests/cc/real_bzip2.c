/* SPDX-License-Identifier: BSD-2-Clause */
/* The samples of bzip2's source become, byte for byte, their archives, and what they were again: `make test'. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bzlib.h"

#define MAX (1 << 20)

static char ref[MAX], archive[MAX], made[MAX], again[MAX];

static unsigned
load(const char *dir, int n, const char *suffix, char *to)
{
	char path[4096];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/sample%d.%s", dir, n, suffix);
	f = fopen(path, "r");
	if (f == NULL) {
		perror(path);
		exit(1);
	}
	len = fread(to, 1, MAX, f);
	fclose(f);
	return ((unsigned)len);
}

int
main(int argc, char **argv)
{
	for (int round = 0; round < 20; round++)
		for (int n = 1; n <= 3; n++) {
			unsigned size = load(argv[argc - 1], n, "ref", ref), packed = load(argv[argc - 1], n, "bz2", archive);
			unsigned made_size = MAX, again_size = MAX;

			/* `make test' makes the third with -3 and tells its unpacking to be small, -s. */
			if (BZ2_bzBuffToBuffCompress(made, &made_size, ref, size, n, 0, 0) != BZ_OK || made_size != packed ||
			    memcmp(made, archive, packed) != 0 ||
			    BZ2_bzBuffToBuffDecompress(again, &again_size, made, made_size, n == 3, 0) != BZ_OK ||
			    again_size != size || memcmp(again, ref, size) != 0) {
				printf("sample %d is different\n", n);
				return (1);
			}
		}
	return (0);
}
