/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>

#include "kld-test.h"

struct vnet *stacks[NSTACKS];

VNET_DEFINE(int, host_var) = 7;
VNET_DEFINE(int *, host_ptr) = &VNET_NAME(host_var);
int host_quiesce, host_unload_events;
int steps_taken, step_to_fail = -1, steps_done;

int host_near_value = 321;
_Thread_local int host_tls = 654;

int
host_near(void)
{
	return (9876);
}

int
host_step(const char *what)
{
	assert_non_null(what);
	if (steps_taken++ == step_to_fail)
		return (-EPROTO);
	steps_done++;
	return (0);
}

void
host_undo(const char *what)
{
	assert_non_null(what);
	steps_done--;
}

int
kld_test_setup(void **state)
{
	const struct vnet_config config = { .max = 16 };
	struct uverr err = { "" };

	(void)state;
	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(&config, &err) != 0 ||
	    vnet_alloc("one", 0, &stacks[0], &err) != 0 || kld_init("test", &err) != 0 ||
	    vnet_alloc("two", 0, &stacks[1], &err) != 0 || vnet_alloc("three", 0, &stacks[2], &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return (-1);
	}
	return (0);
}

int
kld_test_teardown(void **state)
{
	(void)state;
	for (int i = 0; i < NSTACKS; i++)
		vnet_destroy(stacks[i]);
	kld_fini();
	vnet_fini();
	dpcpu_fini();
	return (0);
}

const char *
module_path(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s%s.ko", name[0] == '/' ? "" : MODULES, name);
	return (path);
}

linker_file_t
load(const char *name)
{
	struct uverr err = { "" };
	linker_file_t file = NULL;

	if (kld_load(module_path(name), &file, &err) != 0)
		fail_msg("%s", err.text);
	return (file);
}

void
unload(linker_file_t file)
{
	struct uverr err = { "" };

	if (kld_unload(file, &err) != 0)
		fail_msg("%s", err.text);
}

void
assert_refused(const char *path, int error, const char *sentence)
{
	struct uverr err = { "" };
	linker_file_t file = NULL;
	struct spaces before;
	int got;

	spaces_get(&before);
	got = kld_load(path, &file, &err);
	if (got == 0)
		fail_msg("%s was loaded", path);
	if (got != -error || strstr(err.text, sentence) == NULL)
		fail_msg("%s: got %d (%s), expected %d (%s)", path, got, err.text, -error, sentence);
	assert_null(file);
	assert_same_spaces(&before);
}

void *
lookup(linker_file_t file, const char *name)
{
	void *p = kld_lookup(file, name);

	if (p == NULL)
		fail_msg("no symbol %s", name);
	return (p);
}

void
spaces_get(struct spaces *now)
{
	struct vset_spaceinfo info;

	memset(now, 0, sizeof(*now));
	for (int k = 0; k < VSET_NSPACE; k++) {
		vset_space_stat(k, &info);
		now->avail[k] = info.avail;
		now->largest[k] = info.largest;
	}
	for (linker_file_t f = kld_next(NULL); f != NULL; f = kld_next(f))
		now->files++;
}

void
assert_same_spaces(const struct spaces *before)
{
	struct spaces now;

	spaces_get(&now);
	assert_memory_equal(&now, before, sizeof(now));
}

static void
check_fresh(linker_file_t file, struct vnet *stack)
{
	unsigned long wrong;

	CURVNET_SET(stack);
	wrong = function(file, unsigned long (*)(void), "sets_fresh")();
	CURVNET_RESTORE();
	assert_int_equal(wrong, 0);
}

void
check_values(linker_file_t file, int step)
{
	unsigned long wrong;

	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		function(file, void (*)(int), "sets_put")(100 + i * step);
		CURVNET_RESTORE();
	}
	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		wrong = function(file, unsigned long (*)(int), "sets_get")(100 + i * step);
		CURVNET_RESTORE();
		assert_int_equal(wrong, 0);
	}
}

void
sets_of(const char *name)
{
	struct spaces before;
	linker_file_t file;
	struct vnet *late;
	struct uverr err;
	uintptr_t var;

	spaces_get(&before);
	for (int round = 0; round < 3; round++) {
		file = load(name);
		for (int i = 0; i < NSTACKS; i++)
			check_fresh(file, stacks[i]);
		check_values(file, 10 + round);

		/* A stack that is made later begins with the template. */
		assert_int_equal(vnet_alloc("late", 0, &late, &err), 0);
		check_fresh(file, late);
		vnet_destroy(late);

		assert_int_equal(function(file, long (*)(void), "sets_percpu")(), 5 * (long)mp_ncpus);
		assert_int_equal(function(file, long (*)(void), "sets_percpu")(), 10 * (long)mp_ncpus);

		var = (uintptr_t)lookup(file, "vnet_entry_s_global");
		unload(file);
		assert_same_spaces(&before);
		for (int i = 0; i < NSTACKS; i++)
			assert_int_equal(*(int *)(var + stacks[i]->vnet_base), 0);
	}
}

void
rights(uintptr_t from, uintptr_t to, char *text)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], perm[5];
	uintptr_t start, end;

	assert_non_null(f);
	*text = '\0';
	while (fgets(line, sizeof(line), f) != NULL) {
		assert_int_equal(sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &start, &end, perm), 3);
		assert_false(perm[1] == 'w' && perm[2] == 'x');
		if (end <= from || start >= to)
			continue;
		perm[3] = '\0';
		strcat(strcat(text, *text != '\0' ? " " : ""), perm);
	}
	fclose(f);
}
