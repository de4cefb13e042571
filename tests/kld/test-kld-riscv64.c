/* SPDX-License-Identifier: BSD-2-Clause */
/* riscv64: what each relocation of an instruction does, and what it is turned into. */
#include <dlfcn.h>
#include <errno.h>
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
		{ "r_got_near", 321 }, { "r_got_apart", 321 + 1234 }, { "r_got_far", 2468 }, { "r_got_weak", 1 },
		{ "r_got_shared", 321 }, { "r_pcrel", 1234 }, { "r_store", 77 }, { "r_call_near", 9876 },
		{ "r_tail_near", 9876 }, { "r_call_far", 1357 }, { "r_tail_far", 1357 }, { "r_jal_far", 1357 },
		{ "r_la_far", 1357 }, { "r_branch", 11 }, { "r_cbranch", 11 }, { "r_cj", 11 }, { "r_jal", 11 },
		{ "r_ie", 654 }, { "r_ie_apart", 654 }, { "r_le", 654 }, { "r_le_store", 654 }, { "r_align", 11 },
	};
	linker_file_t file = load("relax");
	const uint8_t *difference = lookup(file, "relax_difference");
	const long is = (char *)lookup(file, "r_yes") - (char *)lookup(file, "r_pcrel");

	(void)state;
	assert_true((uintptr_t)dlsym(RTLD_DEFAULT, "far_function") - (uintptr_t)instructions_are_right > (uintptr_t)2 << 30);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		if (function(file, int_t *, want[i].name)() != want[i].value)
			fail_msg("%s() is not %d", want[i].name, want[i].value);
	assert_int_equal(*(const int64_t *)(const void *)difference, is);
	assert_int_equal(*(const int32_t *)(const void *)(difference + 8), is);
	assert_int_equal(*(const int16_t *)(const void *)(difference + 12), is);
	unload(file);
}

static void
instructions_are_relaxed(void **state)
{
	linker_file_t file = load("relax");
	const uint32_t *code;

	(void)state;
	code = lookup(file, "r_got_near");
	assert_int_equal(code[1] & 0xfffff, 0x50513);		/* addi a0, a0 */
	code = lookup(file, "r_got_far");
	assert_int_equal(code[1] & 0xfffff, 0x53503);		/* still ld, from a slot */
	code = lookup(file, "r_ie_apart");
	assert_int_equal(code[0] & 0xfff, 0xeb7);		/* lui t4 */
	unload(file);
}

static void
padding_to_be_deleted_is_refused(void **state)
{
	(void)state;
	assert_refused(module_path("padding"), ENOEXEC, "R_RISCV_ALIGN against `': 6 bytes of padding are too many");
}

/* Address space that is not used makes the next mapping, the library's, far away. */
static int
setup(void **state)
{
	mmap(NULL, (size_t)3 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
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
		cmocka_unit_test(padding_to_be_deleted_is_refused),
	};

	return (cmocka_run_group_tests_name("kld-riscv64", tests, setup, kld_test_teardown));
}
