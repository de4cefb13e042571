/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A load into 10,000 live stacks is all or nothing: whichever stack's constructor fails, everything is as it was.
 */
#include <malloc.h>
#include <unistd.h>

#include "kld-test.h"

#define MANY 10000
#define PER_STACK 2		/* steps.ko's constructors: of a stack, and three of its own */
#define OWN 3

static struct vnet *many[MANY];
static struct vnet *first;	/* vnet0 */

/* All that a load could leave behind. */
struct state {
	struct spaces spaces;
	size_t heap;		/* bytes that malloc(3) has handed out */
	unsigned mappings;
	unsigned long stacks;	/* a sum over what each has in its variables, all of the room for modules' included */
};

static unsigned
count_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned n = 0;

	assert_non_null(f);
	for (int c; (c = fgetc(f)) != EOF;)
		n += c == '\n';
	fclose(f);
	return (n);
}

#define SEEN 8192

/* Of the set what begins with the program's variables; the module's come behind them. */
__attribute__((no_sanitize("address"))) static unsigned long
sum_stack(const struct vnet *v)
{
	const uintptr_t start = (uintptr_t)&VNET_NAME(host_var) & ~(uintptr_t)63;
	unsigned long sum = 0;

	for (unsigned i = 0; i < SEEN / sizeof(long); i++)
		sum = sum * 31 + ((const unsigned long *)(start + v->vnet_base))[i];
	return (sum);
}

static void
state_get(struct state *now)
{
	memset(now, 0, sizeof(*now));
	spaces_get(&now->spaces);
	now->stacks = sum_stack(first);
	for (int i = 0; i < MANY; i++)
		now->stacks = now->stacks * 31 + sum_stack(many[i]);
	now->mappings = count_mappings();
	if (getenv("GLIBC_TUNABLES") != NULL)	/* without a cache for each thread, which counts as used */
		now->heap = mallinfo2().uordblks;
}

static void
assert_same_state(const struct state *before)
{
	struct state now;

	state_get(&now);
	assert_int_equal(now.spaces.files, before->spaces.files);
	assert_memory_equal(now.spaces.avail, before->spaces.avail, sizeof(now.spaces.avail));
	assert_int_equal(now.stacks, before->stacks);
	assert_int_equal(now.mappings, before->mappings);
	assert_int_equal(now.heap, before->heap);
}

/* ... and every stack has the module's variables, and ran its constructors. */
static void
all_of_them(void **state)
{
	struct state before;
	linker_file_t file;
	uintptr_t var;

	(void)state;
	unload(load("steps"));		/* what is made once and kept, is made */
	state_get(&before);
	steps_taken = steps_done = 0;
	file = load("steps");
	assert_int_equal(steps_taken, OWN + PER_STACK * (MANY + 1));
	var = (uintptr_t)lookup(file, "vnet_entry_steps_var");
	assert_in_range(var, (uintptr_t)&VNET_NAME(host_var), (uintptr_t)&VNET_NAME(host_var) + SEEN - 64);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(*(int *)(var + many[i]->vnet_base), 43);
	unload(file);
	assert_int_equal(steps_done, 0);
	assert_same_state(&before);
}

static void
or_nothing(void **state)
{
	/* In this stack, counted from 1, after vnet0. */
	static const int fails_in[] = { 1, 2, 4999, 7777, MANY - 1, MANY };
	struct uverr err = { "" };
	struct state before;
	linker_file_t file;
	char name[64];

	(void)state;
	state_get(&before);
	for (size_t i = 0; i < sizeof(fails_in) / sizeof(fails_in[0]); i++)
		for (int step = 0; step < PER_STACK; step++) {
			steps_taken = steps_done = 0;
			step_to_fail = OWN + PER_STACK * fails_in[i] + step;
			file = NULL;
			assert_int_equal(kld_load(module_path("steps"), &file, &err), -EPROTO);
			assert_null(file);
			snprintf(name, sizeof(name), "in stack \"s%d\"", fails_in[i]);
			if (strstr(err.text, name) == NULL || strstr(err.text, "steps.ko: constructor vnet") == NULL)
				fail_msg("%s", err.text);
			assert_int_equal(steps_taken, step_to_fail + 1);
			assert_int_equal(steps_done, 0);
			assert_same_state(&before);
		}
	step_to_fail = -1;
	unload(load("steps"));		/* nothing hinders the next */
	assert_same_state(&before);
}

static int
setup(void **state)
{
	const struct vnet_config config = { .max = MANY + 1, .heap = 1 << 20 };
	struct uverr err = { "" };
	char name[16];

	(void)state;
	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(&config, &err) != 0 ||
	    kld_init("test", &err) != 0)
		goto fail;
	first = vnet0;
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "s%d", i + 1);
		if (vnet_alloc(name, 0, &many[i], &err) != 0)
			goto fail;
		*(int *)((uintptr_t)&VNET_NAME(host_var) + many[i]->vnet_base) = i;
	}
	return (0);

fail:
	fprintf(stderr, "%s\n", err.text);
	return (-1);
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < MANY; i++)
		vnet_destroy(many[i]);
	kld_fini();
	vnet_fini();
	dpcpu_fini();
	return (0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_them),
		cmocka_unit_test(or_nothing),
	};

	return (cmocka_run_group_tests_name("kld-many", tests, setup, teardown));
}
