/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Callouts: in order of their times, in their stack, and none of a stack that is gone.
 */
#include <string.h>
#include <uvnet/callout.h>

#include "vnet-test.h"

#define N 500
#define MS 1000000ll

static struct callout timers[N];
static int order[N], nran;
static struct vnet *ran_in;

static void
note(void *arg)
{
	order[nran++] = (int)(intptr_t)arg;
	ran_in = curvnet;
}

static void
rearm(void *arg)
{
	struct callout *c = arg;

	nran++;
	callout_reset_ns(c, 0, rearm, c);
}

static int
reset(void **state)
{
	(void)state;
	nran = 0;
	ran_in = NULL;
	return (0);
}

static void
they_run_in_the_order_of_their_times(void **state)
{
	struct vnet *v = vnet_test_stack("v", 0);
	int64_t now;
	int i, j, n;

	(void)state;
	srandom(3);
	CURVNET_SET(v);
	for (i = 0; i < N; i++) {
		callout_init(&timers[i], 1);
		callout_reset_ns(&timers[i], (random() % 1000 + 1) * MS, note, (void *)(intptr_t)i);
	}
	/* Move some, take some back, from the middle of the heap. */
	for (i = 0; i < N; i += 3)
		assert_int_equal(callout_reset_ns(&timers[i], (random() % 1000 + 1) * MS, note, (void *)(intptr_t)i), 1);
	for (i = n = 0; i < N; i += 7, n++)
		assert_int_equal(callout_stop(&timers[i]), 1);
	assert_int_equal(callout_stop(&timers[0]), 0);
	CURVNET_RESTORE();
	now = callout_now();
	assert_true(callout_next(0) > 0 && callout_next(0) < now + 1000 * MS);
	callout_process(0, now + 500 * MS);
	assert_true(nran > 0 && nran < N - n);
	callout_process(0, now + 2000 * MS);
	assert_int_equal(nran, N - n);
	assert_ptr_equal(ran_in, v);
	assert_null(curvnet);
	for (i = 1; i < nran; i++)
		assert_true(timers[order[i]].c_time >= timers[order[i - 1]].c_time);
	for (i = 0; i < N; i += 7)
		for (j = 0; j < nran; j++)
			assert_int_not_equal(order[j], i);
	assert_true(callout_next(0) == INT64_MAX);
	vnet_destroy(v);
}

static void
one_that_arms_itself_waits_for_the_next_round(void **state)
{
	struct vnet *v = vnet_test_stack("v", 0);

	(void)state;
	CURVNET_SET(v);
	callout_init(&timers[0], 1);
	callout_reset_ns(&timers[0], 0, rearm, &timers[0]);
	CURVNET_RESTORE();
	callout_process(0, callout_now() + 1);
	assert_int_equal(nran, 1);
	vnet_destroy(v);
	assert_true(callout_next(0) == INT64_MAX);
}

static void
a_destroyed_stacks_callouts_are_gone_and_the_others_stay(void **state)
{
	struct vnet *v[2];
	int i;

	(void)state;
	v[0] = vnet_test_stack("a", 0);
	v[1] = vnet_test_stack("b", 0);
	for (i = 0; i < 10; i++) {
		CURVNET_SET(v[i % 2]);
		callout_init(&timers[i], 1);
		callout_reset_ns(&timers[i], (i + 1) * MS, note, (void *)(intptr_t)i);
		CURVNET_RESTORE();
	}
	vnet_destroy(v[0]);
	memset(&timers[0], 0xff, sizeof(timers[0]));
	callout_process(0, callout_now() + 100 * MS);
	assert_int_equal(nran, 5);
	assert_ptr_equal(ran_in, v[1]);
	vnet_destroy(v[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(they_run_in_the_order_of_their_times, reset),
		cmocka_unit_test_setup(one_that_arms_itself_waits_for_the_next_round, reset),
		cmocka_unit_test_setup(a_destroyed_stacks_callouts_are_gone_and_the_others_stay, reset),
	};

	vnet_test_init(1 << 20);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
