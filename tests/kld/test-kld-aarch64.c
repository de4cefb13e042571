/* SPDX-License-Identifier: BSD-2-Clause */
/* arm64: what each relocation of an instruction does, and what it is turned into. */
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
		{ "r_got_near", 321 }, { "r_got_apart", 321 + 1234 }, { "r_got_own", 1234 }, { "r_got_weak", 1 },
		{ "r_got_small", 321 }, { "r_got_tiny", 321 }, { "r_bl_near", 9876 }, { "r_b_near", 9876 }, { "r_adr", 1234 },
		{ "r_literal", 1234 }, { "r_lo12", 54321 }, { "r_movw", 1234 }, { "r_tbz", 11 }, { "r_cbz", 11 },
		{ "r_ie", 654 }, { "r_ie_apart", 654 }, { "r_ie_tiny", 654 }, { "r_le", 654 }, { "r_le_ldst", 654 },
		{ "r_le_movw", 654 }, { "r_desc", 654 },
		{ "r_bl_far", 1357 }, { "r_b_far", 1357 }, { "r_adr_far", 1357 }, { "r_got_far", 2468 },
	};
	linker_file_t file = load("relax");

	(void)state;
	assert_true((uintptr_t)dlsym(RTLD_DEFAULT, "far_function") - (uintptr_t)instructions_are_right > (uintptr_t)4 << 30);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		if (function(file, int_t *, want[i].name)() != want[i].value)
			fail_msg("%s() is not %d", want[i].name, want[i].value);
	unload(file);
}

static void
instructions_are_relaxed(void **state)
{
	linker_file_t file = load("relax");
	const uint32_t *code;

	(void)state;
	code = lookup(file, "r_got_near");
	assert_int_equal(code[1] & 0xffc003ff, 0x91000000);	/* add x0, x0 */
	code = lookup(file, "r_got_own");
	assert_int_equal(code[1] & 0xffc003ff, 0x910000e3);	/* add x3, x7 */
	code = lookup(file, "r_got_far");
	assert_int_equal(code[1] & 0xffc003ff, 0xf9400000);	/* still ldr, from a slot */
	code = lookup(file, "r_ie_apart");
	assert_int_equal(code[0] & 0xffe0001f, 0xd2800005);	/* movz x5 */
	assert_int_equal(code[2] & 0xffc003ff, 0x910000a4);	/* add x4, x5 */
	code = lookup(file, "r_desc");
	assert_int_equal(code[4], 0xd503201f);			/* nop */
	unload(file);
}

/* Address space that is not used makes the next mapping, the library's, far away. */
static int
setup(void **state)
{
	mmap(NULL, (size_t)6 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
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
		cmocka_unit_test(instructions_are_relaxed),
	};

	return (cmocka_run_group_tests_name("kld-aarch64", tests, setup, kld_test_teardown));
}
