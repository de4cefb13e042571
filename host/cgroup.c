/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much memory this process may have before the system kills it: its control group's limit (cgroups(7)), which is what
 * a container's is.  Nothing fails at that limit, so it has to be known before.
 *
 * /proc/self/cgroup names the group in each hierarchy.  A limit may be its own or that of any group above.  In a
 * container its own group is "/", and what lies above is not to be seen.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cgroup.h"

#define UNLIMITED ((size_t)1 << 50)	/* version 1 has a number for "none", and it depends on the page size */

/* The number in a file of a group, or SIZE_MAX. */
static size_t
limit_read(const char *path)
{
	char line[64] = "";
	unsigned long long n;
	char *end;
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return (SIZE_MAX);
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	n = strtoull(line, &end, 10);
	return (end == line || n >= UNLIMITED ? SIZE_MAX : (size_t)n);
}

/* The smallest limit of a group and those above it; where it is smaller than *limit. */
static void
limit_find(const char *root, const char *group, const char *key, size_t *limit, char file[PATH_MAX])
{
	char dir[PATH_MAX], path[PATH_MAX + 64], *slash;
	size_t n;

	if (group[0] != '/' || snprintf(dir, sizeof(dir), "%s%s", root, group[1] != '\0' ? group : "") >= (int)sizeof(dir))
		return;
	for (;;) {
		snprintf(path, sizeof(path), "%s/%s", dir, key);
		n = limit_read(path);
		if (n < *limit && strlen(path) < PATH_MAX) {
			*limit = n;
			strcpy(file, path);
		}
		slash = strrchr(dir, '/');
		if (slash == NULL || (size_t)(slash - dir) < strlen(root))
			return;
		*slash = '\0';
	}
}

size_t
cgroup_memory(const char *proc, const char *mount, char file[PATH_MAX])
{
	char line[PATH_MAX + 128], root[PATH_MAX], *controllers, *group;
	size_t limit = SIZE_MAX;
	FILE *f;

	file[0] = '\0';
	f = fopen(proc, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		controllers = strchr(line, ':');
		group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
		if (group == NULL)
			continue;
		*group++ = '\0';
		controllers++;
		if (strcmp(controllers, "memory") == 0) {
			snprintf(root, sizeof(root), "%s/memory", mount);
			limit_find(root, group, "memory.limit_in_bytes", &limit, file);
		} else if (controllers[0] == '\0') {
			limit_find(mount, group, "memory.max", &limit, file);
		}
	}
	if (f != NULL)
		fclose(f);
	return (limit);
}
