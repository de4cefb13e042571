/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory limit of a control group, of both versions: found in a tree made here. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "cgroup.h"

static char top[] = "/tmp/test-cgroup-XXXXXX";

static void
put(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	for (const char *p = strchr(name, '/'); p != NULL; p = strchr(p + 1, '/')) {
		snprintf(path, sizeof(path), "%s/%.*s", top, (int)(p - name), name);
		mkdir(path, 0755);
	}
	snprintf(path, sizeof(path), "%s/%s", top, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static size_t
limit(const char *groups, const char *want_file)
{
	char proc[PATH_MAX], mount[PATH_MAX], file[PATH_MAX];
	size_t n;

	put("self", groups);
	snprintf(proc, sizeof(proc), "%s/self", top);
	snprintf(mount, sizeof(mount), "%s/cg", top);
	n = cgroup_memory(proc, mount, file);
	assert_int_equal(strncmp(file, mount, strlen(want_file) > 0 ? strlen(mount) : 0), 0);
	assert_string_equal(want_file[0] != '\0' ? file + strlen(mount) : file, want_file);
	return (n);
}

static void
limits_are_found(void **state)
{
	(void)state;
	put("cg/a/b/memory.max", "max\n");
	put("cg/a/memory.max", "104857600\n");
	put("cg/memory.max", "209715200\n");
	put("cg/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
	put("cg/memory/y/memory.limit_in_bytes", "4096000\n");
	put("cg/memory/z/memory.limit_in_bytes", "none of these\n");
	put("cg/small/memory.max", "1000\n");
	assert_int_equal(limit("0::/a/b\n", "/a/memory.max"), 104857600);
	assert_int_equal(limit("0::/\n", "/memory.max"), 209715200);
	assert_int_equal(limit("0::/small\n", "/small/memory.max"), 1000);
	assert_int_equal(limit("4:memory:/y\n0::/gone\n", "/memory/y/memory.limit_in_bytes"), 4096000);
	assert_true(limit("4:memory:/x\n3:cpuset:/y\n", "") == SIZE_MAX);
	assert_true(limit("4:memory:/z\n", "") == SIZE_MAX);
	assert_true(limit("nonsense\n:::\n\n", "") == SIZE_MAX);
	assert_true(limit("", "") == SIZE_MAX);
}

static int
forget(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return (remove(path));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(limits_are_found) };
	int failed;

	if (mkdtemp(top) == NULL)
		return (1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	nftw(top, forget, 8, FTW_DEPTH | FTW_PHYS);
	return (failed);
}
