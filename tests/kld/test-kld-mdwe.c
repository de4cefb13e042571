/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where no memory may become executable that was not: as under systemd's MemoryDenyWriteExecute=.  A program of its own,
 * since the process cannot go back.  Older kernels do not know it, and then this is one load more.
 */
#include <inttypes.h>
#include <sys/prctl.h>

#include "kld-test.h"

#ifndef PR_SET_MDWE		/* Linux 6.3 */
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static int
is_mapped_from(uintptr_t address, const char *path)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	uintptr_t start;
	int found = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		found |= sscanf(line, "%" SCNxPTR, &start) == 1 && start == address && strstr(line, path) != NULL;
	fclose(f);
	return (found);
}

static void
code_comes_from_a_sealed_file(void **state)
{
	const int denied = prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0;
	struct kld_info info;
	linker_file_t file;
	char text[1024];

	(void)state;
	for (int round = 0; round < 2; round++) {
		file = load("sets");
		for (int i = 0; i < NSTACKS; i++) {
			CURVNET_SET(stacks[i]);
			assert_int_equal(function(file, unsigned long (*)(void), "sets_fresh")(), 0);
			CURVNET_RESTORE();
		}
		kld_getinfo(file, &info);
		rights(info.address, info.address + info.size + 1, text);
		assert_string_equal(text, MODULE_RIGHTS);
		assert_int_equal(is_mapped_from(info.address, "/memfd:sets.ko"), denied);
		unload(file);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_comes_from_a_sealed_file),
	};

	return (cmocka_run_group_tests_name("kld-mdwe", tests, kld_test_setup, kld_test_teardown));
}
