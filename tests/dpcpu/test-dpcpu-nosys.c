/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Without /sys (a chroot, a small container) every number that a CPU may have still has an instance: the kernel's own
 * masks tell, not how many CPUs there are.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>
#include <cmocka.h>
#include <uvnet/dpcpu.h>
#include <uvnet/vset.h>

DPCPU_DEFINE_STATIC(int, number) = 1;

static void
every_cpu_of_the_masks_has_an_instance(void **state)
{
	struct uverr err = { "" };
	cpu_set_t mask;

	(void)state;
	assert_int_not_equal(access("/sys/devices/system/cpu/possible", F_OK), 0);
	assert_int_equal(vset_window_init(&err), 0);
	assert_int_equal(dpcpu_init(&err), 0);
	assert_int_equal(mp_ncpus % (8 * sizeof(long)), 0);	/* whole words of a mask */
	assert_int_equal(sched_getaffinity(0, sizeof(mask), &mask), 0);
	for (unsigned i = mp_ncpus; i < CPU_SETSIZE; i++)
		assert_false(CPU_ISSET(i, &mask));
	assert_true((unsigned)sched_getcpu() < mp_ncpus);
	DPCPU_ID_SET(mp_ncpus - 1, number, 2);
	dpcpu_fini();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cpu_of_the_masks_has_an_instance),
	};

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", "/sys", "tmpfs", 0, NULL) != 0) {
		printf("1..0 # SKIP /sys cannot be hidden: not root, or a sandbox or chroot\n");
		return (0);
	}
	return (cmocka_run_group_tests_name("dpcpu-nosys", tests, NULL, NULL));
}
