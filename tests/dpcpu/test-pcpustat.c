/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VNET_PCPUSTAT: every stack has counters of its own, from its first moment to its last, and ten thousand stacks
 * with sixteen counters each, on two CPUs, need less than 20 MB for them.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>
#include <uvnet/pcpustat.h>
#include <cmocka.h>

#if __SIZEOF_POINTER__ == 8
#define STACKS 200
#define MANY 10000
#else		/* as many as there are addresses for */
#define STACKS 20
#define MANY 50
#endif

struct foostat {
	uint64_t foo_in[15], foo_out;
};

VNET_PCPUSTAT_DEFINE_STATIC(struct foostat, foostat);
VNET_PCPUSTAT_SYSINIT(foostat);
VNET_PCPUSTAT_SYSUNINIT(foostat);

static void
every_stack_counts_for_itself(void **state)
{
	static struct vnet *v[STACKS];
	struct foostat copy;
	struct uverr err;
	char name[16];
	int i, round;

	(void)state;
	for (round = 0; round < 2; round++) {	/* the second time with counters that others had */
		for (i = 0; i < STACKS; i++) {
			snprintf(name, sizeof(name), "s%d", i);
			assert_int_equal(vnet_alloc(name, 0, &v[i], &err), 0);
		}
		for (i = 0; i < STACKS; i++) {
			CURVNET_SET(v[i]);
			VNET_PCPUSTAT_ADD(struct foostat, foostat, foo_in[14], i);
			VNET_PCPUSTAT_ADD(struct foostat, foostat, foo_out, 2 * i);
			CURVNET_RESTORE();
		}
		for (i = 0; i < STACKS; i++) {
			CURVNET_SET(v[i]);
			assert_int_equal(VNET_PCPUSTAT_FETCH(struct foostat, foostat, foo_in[14]), i);
			COUNTER_ARRAY_COPY(VNET(foostat), &copy, VNET_PCPUSTAT_LEN(foostat));
			assert_int_equal(copy.foo_in[0], 0);
			assert_int_equal(copy.foo_out, 2 * i);
			CURVNET_RESTORE();
			vnet_destroy(v[i]);
		}
	}
}

static struct vnet *many[MANY];

/* Add to every counter of every stack, on one CPU. */
static void *
count_in_all(void *arg)
{
	cpu_set_t one;
	size_t k;

	CPU_ZERO(&one);
	CPU_SET(*(int *)arg, &one);
	if (sched_setaffinity(0, sizeof(one), &one) != 0)
		return (arg);
	for (int i = 0; i < MANY; i++) {
		CURVNET_SET(many[i]);
		for (k = 0; k < VNET_PCPUSTAT_LEN(foostat); k++)
			counter_u64_add(VNET(foostat)[k], i + 1);
		CURVNET_RESTORE();
	}
	return (NULL);
}

static void
ten_thousand_stacks_on_two_cpus_need_less_than_20_mb(void **state)
{
	const size_t before = counter_resident();
	int cpu[2] = { -1, -1 }, k;
	size_t bytes = 0;
	pthread_t t[2];
	struct uverr err;
	cpu_set_t all;
	char name[16];
	void *failed;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	for (k = 0; k < CPU_SETSIZE && cpu[1] < 0; k++)
		if (CPU_ISSET(k, &all))
			cpu[cpu[0] >= 0] = k;
	if (cpu[1] < 0)
		cpu[1] = cpu[0];
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		assert_int_equal(vnet_alloc(name, 0, &many[i], &err), 0);
	}
	for (k = 0; k < 2; k++)
		assert_int_equal(pthread_create(&t[k], NULL, count_in_all, &cpu[k]), 0);
	for (k = 0; k < 2; k++) {
		pthread_join(t[k], &failed);
		assert_null(failed);
	}
	bytes = counter_resident() - before;
	for (int i = 0; i < MANY; i++) {
		CURVNET_SET(many[i]);
		bytes += sizeof(VNET(foostat));
		assert_int_equal(VNET_PCPUSTAT_FETCH(struct foostat, foostat, foo_in[0]), 2 * (i + 1));
		assert_int_equal(VNET_PCPUSTAT_FETCH(struct foostat, foostat, foo_out), 2 * (i + 1));
		CURVNET_RESTORE();
		vnet_destroy(many[i]);
	}
	print_message("# %zu bytes\n", bytes);
	assert_true(bytes >= (size_t)MANY * 16 * sizeof(uint64_t) * 2 && bytes < 20000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_stack_counts_for_itself),
		cmocka_unit_test(ten_thousand_stacks_on_two_cpus_need_less_than_20_mb),
	};
	const struct vnet_config config = { .max = MANY + 2 };
	struct uverr err;

	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(&config, &err) != 0 ||
	    kld_init("test", &err) != 0) {
		print_error("%s\n", err.text);
		return (1);
	}
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
