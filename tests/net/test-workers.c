/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two workers, a thread each: pairs whose ends are of one worker, of the other, and of both, at the same time.
 */
#include <pthread.h>
#include <poll.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "net-test.h"

#define PAIRS 4
#define BYTES (24 * MB)

static struct pair p[PAIRS];
static struct listener l[PAIRS];
static struct stream s[PAIRS];
static atomic_uint stop;

/* As the `vnet` program's loop: sleep only when there is nothing to do, until a callout or the bell. */
static void *
worker(void *arg)
{
	const unsigned cpu = (unsigned)(uintptr_t)arg;
	struct pollfd pfd = { .fd = netisr_eventfd(cpu), .events = POLLIN };
	int64_t next;
	int ms;

	while (!atomic_load(&stop)) {
		if (round_run(cpu) != 0 || netisr_sleep(cpu) != 0)
			continue;
		next = callout_next(cpu);
		ms = 20;
		if (next != INT64_MAX && next - callout_now() < 20000000)
			ms = next > callout_now() ? (int)((next - callout_now()) / 1000000) : 0;
		poll(&pfd, 1, ms);
		netisr_awake(cpu);
	}
	return (NULL);
}

static void
run_workers(unsigned n, int seconds)
{
	pthread_t thread[2];
	const int64_t end = callout_now() + seconds * 1000000000LL;
	const struct timespec nap = { .tv_nsec = 1000000 };
	unsigned done = 0;

	atomic_store(&stop, 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, worker, (void *)(uintptr_t)i), 0);
	while (done < PAIRS && callout_now() < end) {
		nanosleep(&nap, NULL);
		done = 0;
		for (unsigned i = 0; i < PAIRS; i++)
			done += __atomic_load_n(&l[i].conn.eof, __ATOMIC_RELAXED) != 0 &&
			    __atomic_load_n(&s[i].eof, __ATOMIC_RELAXED) != 0;
	}
	atomic_store(&stop, 1);
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(done, PAIRS);
}

static void
pairs_of_two_workers_run_at_once(void **state)
{
	const unsigned n = mp_ncpus > 1 ? 2 : 1;
	char name[8];

	(void)state;
	for (unsigned i = 0; i < PAIRS; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		pair_make(&p[i], name, i % n, i / 2 % n);
		s[i] = (struct stream){ .tosend = BYTES, .shut = 1, .txseed = i, .rxseed = 100 + i };
		l[i].conn = (struct stream){ .tosend = BYTES, .shut = 1, .txseed = 100 + i, .rxseed = i };
		listener_open(&l[i], &p[i].b, "10.0.0.2", 80);
		stream_connect(&s[i], &p[i].a, "10.0.0.2", 80);
	}
	run_workers(n, 60);
	for (unsigned i = 0; i < PAIRS; i++) {
		assert_int_equal(s[i].rcvd, BYTES);
		assert_int_equal(l[i].conn.rcvd, BYTES);
		assert_int_equal(s[i].bad | l[i].conn.bad, 0);
		pair_destroy(&p[i]);
	}
	run_idle();
	assert_int_equal(bufs_used(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_of_two_workers_run_at_once),
	};
	int failed;

	net_test_init(sysconf(_SC_NPROCESSORS_CONF) > 1 ? 2 : 1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	net_test_fini();
	return (failed);
}
