/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One cell of the matrix: matrix-cell FOLDER [got]
 *
 * Loads FOLDER/sets.ko and, if it is there, user.ko, which uses its variables; and runs all that they check of
 * themselves in three stacks.  Then counts the right references of FOLDER/notice.ko, and with `got` those that are right
 * when the loader that redirects the GOT has it.  Prints "OURS GOT" (GOT: - if not asked), or exits with what is wrong.
 */
#include <unistd.h>

#include "count.h"
#include "kld-test.h"

typedef unsigned long fresh_t(void), get_t(int);
typedef void put_t(int);
typedef int check_t(int);
typedef long percpu_t(void);

static struct uverr err = { "" };

static void
die(const char *what, int stack, unsigned long bits)
{
	printf("%s, stack %d: %#lx\n", what, stack, bits);
	exit(1);
}

static linker_file_t
load_from(const char *folder, const char *name)
{
	linker_file_t file;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (kld_load(path, &file, &err) != 0) {
		printf("%s\n", err.text);
		exit(1);
	}
	return (file);
}

static void *
find(linker_file_t file, const char *name)
{
	void *p = kld_lookup(file, name);

	if (p == NULL) {
		printf("no symbol %s\n", name);
		exit(1);
	}
	return (p);
}
#define FIND(file, type, name) ((type *)(uintptr_t)find(file, name))

static void
run_sets(linker_file_t file)
{
	unsigned long wrong;

	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		if ((wrong = FIND(file, fresh_t, "sets_fresh")()) != 0)
			die("first values", i, wrong);
		CURVNET_RESTORE();
	}
	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		FIND(file, put_t, "sets_put")(100 + i);
		CURVNET_RESTORE();
	}
	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		if ((wrong = FIND(file, get_t, "sets_get")(100 + i)) != 0)
			die("values written", i, wrong);
		CURVNET_RESTORE();
	}
	if (FIND(file, percpu_t, "sets_percpu")() != 5 * (long)mp_ncpus)
		die("DPCPU", -1, 0);
}

static void
run_user(linker_file_t file)
{
	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		int line = FIND(file, check_t, "user_check")(100 + i);

		if (line != 0)
			die("another module's variables, line", i, (unsigned)line);
		CURVNET_RESTORE();
	}
}

int
main(int argc, char **argv)
{
	linker_file_t sets, user, notice;
	char path[4096];
	unsigned ours;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: matrix-cell FOLDER [got]\n");
		return (2);
	}
	if (kld_test_setup(NULL) != 0)
		return (2);
	count_init();
	sets = load_from(argv[1], "sets.ko");
	run_sets(sets);
	snprintf(path, sizeof(path), "%s/user.ko", argv[1]);
	if (access(path, R_OK) == 0) {
		user = load_from(argv[1], "user.ko");
		run_user(user);
		unload(user);
	}
	unload(sets);
	notice = load_from(argv[1], "notice.ko");
	ours = count_right(FIND(notice, notice_ref_t, "notice_ref"), stacks);
	unload(notice);
	printf("%u ", ours);
	if (argc == 3) {
		snprintf(path, sizeof(path), "%s/notice.ko", argv[1]);
		printf("%u\n", count_by_got(path));
	} else
		printf("-\n");
	kld_test_teardown(NULL);
	return (0);
}
