/* SPDX-License-Identifier: BSD-2-Clause */
/* 32-bit ARM: what each relocation of an instruction does, between both kinds of code. */
#include <dlfcn.h>
#include <sys/mman.h>

#include "kld-test.h"

typedef int int_t(void);

static void
instructions_are_right(void **state)
{
	static const struct {
		const char *name;
		int value;
	} want[] = {
		{ "a_movw_abs", 1234 }, { "a_movw_prel", 1234 }, { "a_got_prel", 321 }, { "a_got_far", 2468 },
		{ "a_got_brel", 321 }, { "a_gotoff", 1234 }, { "a_rel32", 1234 }, { "a_bl_near", 9876 }, { "a_b_near", 9876 },
		{ "a_bl_far", 1357 }, { "a_b_far", 1357 }, { "a_bl_thumb", 12 }, { "a_b_thumb", 12 }, { "a_bl_arm", 11 },
		{ "a_beq", 11 }, { "a_ie", 654 }, { "a_le", 654 }, { "t_movw_abs", 1234 }, { "t_movw_prel", 1234 },
		{ "t_bl_near", 9876 }, { "t_b_near", 9876 }, { "t_bl_far", 1357 }, { "t_b_far", 1357 }, { "t_bl_arm", 11 },
		{ "t_bl_arm_odd", 11 }, { "t_b_arm", 11 }, { "t_bl_thumb", 12 }, { "t_beq", 12 }, { "t_address", 12 },
	};
	linker_file_t file = load("relax");

	(void)state;
	assert_true((uintptr_t)dlsym(RTLD_DEFAULT, "far_function") - (uintptr_t)instructions_are_right > (uintptr_t)32 << 20);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		if (function(file, int_t *, want[i].name)() != want[i].value)
			fail_msg("%s() is not %d", want[i].name, want[i].value);
	unload(file);
}

/* Address space that is not used makes the next mapping, the library's, far away. */
static int
setup(void **state)
{
	mmap(NULL, (size_t)64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (dlopen(MODULES "libkldfar.so", RTLD_NOW | RTLD_GLOBAL) == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		return (-1);
	}
	return (kld_test_setup(state));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instructions_are_right),
	};

	return (cmocka_run_group_tests_name("kld-arm", tests, setup, kld_test_teardown));
}
