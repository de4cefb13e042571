/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks made and destroyed: in turn, a hundred thousand of them, and what they leave behind.
 */
#include <dirent.h>
#include <unistd.h>

#include "net-test.h"

#define TURNS 50000	/* pairs */

static long
resident_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	return (pages * sysconf(_SC_PAGESIZE) / 1024);
}

static int
descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return (n);
}

static void
turn(void)
{
	struct pair p;

	pair_make(&p, "turn", 0, 0);
	round_run(0);
	pair_destroy(&p);
}

static void
a_hundred_thousand_in_turn_leave_nothing(void **state)
{
	struct listener l = { .accepted = 0 };
	struct stream s = { .tosend = MB, .shut = 1 };
	struct pair p;
	long kib;
	int fds, i;

	(void)state;
	for (i = 0; i < 1000; i++)
		turn();
	kib = resident_kib();
	fds = descriptors();
	for (i = 0; i < TURNS; i++)
		turn();
	assert_in_range(resident_kib(), 0, kib + 4096);	/* less than 42 bytes a turn */
	assert_int_equal(descriptors(), fds);
	assert_int_equal(bufs_used(), 0);

	/* And the next one is as good as the first. */
	pair_make(&p, "last", 0, 0);
	l.conn = (struct stream){ .shut = 1 };
	listener_open(&l, &p.b, "10.0.0.2", 80);
	stream_connect(&s, &p.a, "10.0.0.2", 80);
	assert_true(run_until(stream_finished, &l.conn, 10000));
	assert_int_equal(l.conn.rcvd, MB);
	assert_false(l.conn.bad || s.dead);
	pair_destroy(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_thousand_in_turn_leave_nothing),
	};
	int failed;

	net_test_init(1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	net_test_fini();
	return (failed);
}
