/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets between stacks: all arrive in order, in the right stack, and all buffers come home.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <uvnet/netisr.h>

#include "vnet-test.h"

#define BUFS 256
#define MESSAGES 200000u

static struct vnet *v[2];
static unsigned ncpus, received, next_number;
static atomic_uint arrived;

static void
count(struct pkt *p)
{
	unsigned number;

	assert_ptr_equal(curvnet, p->p_vnet);
	memcpy(&number, p->p_data, sizeof(number));
	assert_int_equal(number, next_number);
	next_number++;
	received++;
	atomic_store(&arrived, received);
	pkt_free(curvnet->vnet_cpu, p);
}

/* NULL when the pool is used up. */
static struct pkt *
message(unsigned cpu, struct vnet *to, unsigned number)
{
	struct pkt *p = pkt_alloc(cpu);

	if (p == NULL)
		return (NULL);
	memcpy(p->p_data, &number, sizeof(number));
	p->p_len = sizeof(number);
	p->p_vnet = to;
	p->p_input = count;
	return (p);
}

static unsigned
used(unsigned cpu)
{
	struct netisr_stats stats;

	netisr_getstats(cpu, &stats);
	return ((unsigned)stats.bufs_used);
}

static int
setup(void **state)
{
	const unsigned cpus[] = { 0, 1 };
	struct uverr err;

	(void)state;
	received = next_number = 0;
	atomic_store(&arrived, 0);
	if (netisr_init(cpus, ncpus, BUFS, &err) != 0) {
		print_error("%s\n", err.text);
		return (-1);
	}
	v[0] = vnet_test_stack("zero", 0);
	v[1] = vnet_test_stack("last", ncpus - 1);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	vnet_destroy(v[1]);
	vnet_destroy(v[0]);
	netisr_fini();
	return (0);
}

static void
within_a_worker_they_wait_for_the_next_round(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 10; i++)
		assert_int_equal(netisr_queue(0, message(0, v[0], i)), 0);
	assert_int_equal(received, 0);
	assert_int_equal(netisr_sleep(0), 1);
	assert_int_equal(netisr_process(0, 4), 4);
	assert_int_equal(netisr_process(0, 100), 6);
	assert_int_equal(received, 10);
	assert_int_equal(used(0), 0);
	assert_int_equal(netisr_sleep(0), 0);
	netisr_awake(0);
}

static void
the_pool_has_an_end_and_recovers(void **state)
{
	struct pkt *p[BUFS];
	unsigned i;

	(void)state;
	for (i = 0; i < BUFS; i++)
		assert_non_null(p[i] = pkt_alloc(0));
	assert_null(pkt_alloc(0));
	assert_int_equal(used(0), BUFS);
	for (i = 0; i < BUFS; i++)
		pkt_free(0, p[i]);
	assert_int_equal(used(0), 0);
}

static void
packets_to_a_stack_that_died_go_nowhere(void **state)
{
	struct vnet *dead = vnet_test_stack("dead", 0);

	(void)state;
	netisr_queue(0, message(0, dead, 0));
	netisr_queue(0, message(0, v[0], 0));
	netisr_queue(0, message(0, dead, 0));
	vnet_destroy(dead);
	assert_int_equal(netisr_process(0, 100), 1);
	assert_int_equal(received, 1);
	assert_int_equal(used(0), 0);
}

static void
note(struct pkt *p)
{
	next_number = next_number * 10 + curvnet->vnet_id % 10;
	pkt_free(curvnet->vnet_cpu, p);
}

static void
a_flooded_stack_lets_others_go_first(void **state)
{
	struct vnet *flooded = vnet_test_stack("flooded", 0), *quiet = vnet_test_stack("quiet", 0);
	struct pkt *p;
	unsigned i;

	(void)state;
	flooded->vnet_id = 1;
	quiet->vnet_id = 2;
	for (i = 0; i < 100; i++) {
		assert_non_null(p = message(0, flooded, i));
		p->p_input = note;
		netisr_queue(0, p);
	}
	netisr_process(0, 1);
	assert_int_equal(next_number, 1);
	assert_non_null(p = message(0, quiet, i));
	p->p_input = note;
	netisr_queue(0, p);
	netisr_process(0, 2);
	assert_int_equal(next_number, 121);
	while (netisr_process(0, 32) > 0)
		continue;
	assert_int_equal(used(0), 0);
	vnet_destroy(flooded);
	vnet_destroy(quiet);
}

#define CROWD 6
static struct vnet *talker[2], *crowd[CROWD];
static unsigned talked[2], crowded[CROWD], run, longest, total;

/* One of the crowd: for each packet another one, as long as there is something to do. */
static void
crowd_input(struct pkt *p)
{
	const unsigned i = curvnet->vnet_id;

	longest = run > longest ? run : longest;
	run = 0;
	crowded[i]++;
	total++;
	pkt_free(0, p);
	if (total < 10000) {
		p = message(0, crowd[i], 0);
		p->p_input = crowd_input;
		netisr_queue(0, p);
	}
}

/* Two that talk: for eight packets eight. */
static void
talk_input(struct pkt *p)
{
	const unsigned i = curvnet->vnet_id;

	run++;
	total++;
	pkt_free(0, p);
	if (++talked[i] % 8 != 0 || total >= 10000)
		return;
	for (int n = 0; n < 8; n++) {
		p = message(0, talker[!i], 0);
		p->p_input = talk_input;
		netisr_queue(0, p);
	}
}

/* In a crowd, two that talk to each other are served in turns, for a while: what they touch is in the cache then. */
static void
in_a_crowd_those_that_talk_have_a_chain_of_turns(void **state)
{
	char name[] = "c0";
	struct pkt *p;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		name[0] = 't';
		name[1] = (char)('0' + i);
		talker[i] = vnet_test_stack(name, 0);
		talker[i]->vnet_id = i;
	}
	for (unsigned i = 0; i < CROWD; i++) {
		name[0] = 'c';
		name[1] = (char)('0' + i);
		crowd[i] = vnet_test_stack(name, 0);
		crowd[i]->vnet_id = i;
		for (int n = 0; n < 20; n++) {
			p = message(0, crowd[i], 0);
			p->p_input = crowd_input;
			netisr_queue(0, p);
		}
	}
	for (int n = 0; n < 8; n++) {
		p = message(0, talker[0], 0);
		p->p_input = talk_input;
		netisr_queue(0, p);
	}
	while (netisr_process(0, 64) > 0)
		continue;
	/* Much longer than a turn, and bounded; nobody is left out. */
	assert_in_range(longest, 128, 512 + 32);
	for (unsigned i = 0; i < CROWD; i++)
		assert_in_range(crowded[i], 500, 3000);
	assert_in_range(talked[0] + talked[1], 500, 3000);
	assert_int_equal(used(0), 0);
	for (unsigned i = 0; i < CROWD; i++)
		vnet_destroy(crowd[i]);
	vnet_destroy(talker[0]);
	vnet_destroy(talker[1]);
}

/* The second worker: runs until everything was received, sleeping whenever there is nothing to do. */
static void *
receiver(void *arg)
{
	struct pollfd pfd = { .fd = netisr_eventfd(1), .events = POLLIN };

	while (received < MESSAGES) {
		netisr_process(1, 64);
		netisr_kick(1);
		if (received < MESSAGES && !netisr_sleep(1)) {
			assert_true(poll(&pfd, 1, 10000) == 1);	/* a lost wake-up would hang here */
			netisr_awake(1);
		}
	}
	return (arg);
}

static void
between_workers_none_is_lost_and_buffers_come_home(void **state)
{
	struct netisr_stats stats;
	pthread_t thread;
	struct pkt *p;
	unsigned i = 0, burst = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, receiver, NULL), 0);
	while (i < MESSAGES) {
		p = message(0, v[1], i);
		if (p != NULL) {	/* the pool is smaller than the ring: none is dropped */
			assert_int_equal(netisr_queue(0, p), 0);
			i++;
		}
		if (p == NULL || ++burst % 16 == 0)
			netisr_kick(0);
	}
	netisr_kick(0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&arrived), MESSAGES);
	assert_int_equal(used(0), 0);
	netisr_getstats(0, &stats);
	assert_int_equal(stats.queued, MESSAGES);
	assert_int_equal(stats.dropped, 0);
}

static void
a_cpu_that_is_not_there_is_refused(void **state)
{
	const unsigned cpu = mp_ncpus;
	struct uverr err;

	(void)state;
	assert_int_equal(netisr_init(&cpu, 1, 0, &err), -EINVAL);
	assert_non_null(strstr(err.text, "there is no CPU"));
}

static void
an_interface_that_goes_takes_its_own_packets_only(void **state)
{
	static int gone, stays;
	struct pkt *p;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		p = message(0, v[1], i / 2);
		p->p_rcvif = i % 2 == 0 ? &stays : &gone;
		assert_int_equal(netisr_queue(0, p), 0);
	}
	netisr_purge(v[1], &gone);
	assert_int_equal(netisr_process(v[1]->vnet_cpu, 100), 2);
	assert_int_equal(received, 2);
	netisr_process(0, 100);
	assert_int_equal(used(0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(within_a_worker_they_wait_for_the_next_round, setup, teardown),
		cmocka_unit_test_setup_teardown(the_pool_has_an_end_and_recovers, setup, teardown),
		cmocka_unit_test_setup_teardown(packets_to_a_stack_that_died_go_nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(an_interface_that_goes_takes_its_own_packets_only, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flooded_stack_lets_others_go_first, setup, teardown),
		cmocka_unit_test_setup_teardown(in_a_crowd_those_that_talk_have_a_chain_of_turns, setup, teardown),
		cmocka_unit_test(a_cpu_that_is_not_there_is_refused),
		cmocka_unit_test_setup_teardown(between_workers_none_is_lost_and_buffers_come_home, setup, teardown),
	};

	vnet_test_init(1 << 20);
	ncpus = mp_ncpus > 1 ? 2 : 1;
	/* The last one takes two. */
	return (_cmocka_run_group_tests("netisr", tests, sizeof(tests) / sizeof(tests[0]) - (ncpus < 2), NULL, NULL));
}
