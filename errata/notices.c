/* SPDX-License-Identifier: BSD-2-Clause */
/* A folder of notices. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "notice.h"

static int
newest_first(const void *a, const void *b)
{
	const struct notice *x = *(struct notice *const *)a, *y = *(struct notice *const *)b;
	int c = strcmp(y->date, x->date);

	return (c != 0 ? c : strcmp(y->id, x->id));
}

void
notices_sort(struct notices *all)
{
	if (all->n > 1)
		qsort(all->v, all->n, sizeof(all->v[0]), newest_first);
}

static void
add(struct notices *all, const char *path, struct keyring *kr)
{
	struct notice *n;
	struct uverr err;

	if (notice_load(&n, path, kr, &err) != 0) {
		fprintf(stderr, "errata: %s\n", err.text);
		all->failed++;
	} else {
		*ARRAY_ADD(all->v, all->n) = n;
	}
}

int
notices_load(struct notices *all, const char *path, struct keyring *kr, struct uverr *err)
{
	struct dirent *d;
	struct stat st;
	char *file;
	DIR *dir;
	size_t len;

	if (strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))) {
		add(all, path, kr);
		return (0);
	}
	dir = opendir(path);
	if (dir == NULL)
		return (uverr(err, errno, "%s: %s", path, strerror(errno)));
	while ((d = readdir(dir)) != NULL) {
		len = strlen(d->d_name);
		if (len <= 4 || strcmp(d->d_name + len - 4, ".asc") != 0 || d->d_name[0] == '.')
			continue;
		if (asprintf(&file, "%s/%s", path, d->d_name) == -1)
			text_oom();
		add(all, file, kr);
		free(file);
	}
	closedir(dir);
	return (0);
}

void
notices_free(struct notices *all)
{
	for (size_t i = 0; i < all->n; i++)
		notice_free(all->v[i]);
	free(all->v);
	*all = (struct notices){ 0 };
}
