/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The link between two stacks, and what becomes of packets, timers and neighbours when it or a stack goes.
 */
#include <arpa/inet.h>

#include "net-test.h"

static struct pair red, blue;

static int
setup(void **state)
{
	(void)state;
	pair_make(&red, "red", 0, 0);
	pair_make(&blue, "blue", 0, 0);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	pair_destroy(&red);
	pair_destroy(&blue);
	run_idle();	/* what was under way to the stacks goes nowhere */
	assert_int_equal(bufs_used(), 0);
	return (0);
}

/* ---- Two pairs on the same addresses ---- */

struct transfer {
	struct listener l;
	struct stream s;
	uint64_t want;
};

static void
transfer_start(struct transfer *t, struct pair *p, uint64_t bytes)
{
	memset(t, 0, sizeof(*t));
	t->s.tosend = bytes;
	t->s.shut = 1;
	listener_open(&t->l, &p->b, "10.0.0.2", 80);
	stream_connect(&t->s, &p->a, "10.0.0.2", 80);
}

static void
transfer_end(struct transfer *t)
{
	stream_close(&t->s, 0);
	stream_close(&t->l.conn, 0);
	listener_close(&t->l);
}

static int
transfer_reached(void *arg)
{
	struct transfer *t = arg;

	return (t->l.conn.rcvd >= t->want);
}

static int
both_done(void *arg)
{
	struct transfer *t = arg;

	return (t[0].l.conn.eof && t[1].l.conn.eof);
}

static void
equal_addresses_do_not_meet(void **state)
{
	struct transfer t[2];

	(void)state;
	transfer_start(&t[0], &red, 5 * MB);
	transfer_start(&t[1], &blue, 6 * MB);
	/* Had one's bytes gone to the other, they would be of another pattern. */
	t[0].s.txseed = t[0].l.conn.rxseed = 11;
	t[1].s.txseed = t[1].l.conn.rxseed = 12;
	assert_true(run_until(both_done, t, 20000));
	assert_int_equal(t[0].l.conn.rcvd, 5 * MB);
	assert_int_equal(t[1].l.conn.rcvd, 6 * MB);
	assert_int_equal(t[0].l.conn.bad | t[1].l.conn.bad, 0);
	transfer_end(&t[0]);
	transfer_end(&t[1]);
}

static void
a_destroyed_stack_leaves_the_others_alone(void **state)
{
	struct transfer t[2];
	unsigned used;

	(void)state;
	transfer_start(&t[0], &red, 200 * MB);
	transfer_start(&t[1], &blue, 20 * MB);
	t[0].want = 2 * MB;
	assert_true(run_until(transfer_reached, &t[0], 20000));
	t[0].l.conn.hold = 1;	/* let some wait, so that it dies with packets in its hands */
	for (int i = 0; i < 20; i++)
		round_run(0);
	used = bufs_used();
	assert_in_range(used, 1, TEST_BUFS);
	vnet_destroy(red.b.v);
	red.b.v = NULL;
	t[1].want = t[1].s.tosend;
	assert_true(run_until(transfer_reached, &t[1], 20000));
	assert_int_equal(t[1].l.conn.bad, 0);
	CURVNET_SET(red.a.v);
	assert_int_equal(inet->sostate(t[0].s.so) & (SO_CONNECTED | SO_DEAD), SO_CONNECTED);
	CURVNET_RESTORE();
	transfer_end(&t[1]);
}

static void
the_end_that_is_left_can_get_a_new_peer(void **state)
{
	struct if_data data;
	struct transfer t;
	struct in_addr in;

	(void)state;
	vnet_destroy(red.b.v);
	end_data(&red.a, &data);
	assert_int_equal(data.link_state, LINK_STATE_DOWN);
	end_make(&red.b, "red-c", "10.0.0.2", red.a.ifp);
	inet_pton(AF_INET, "10.0.0.2", &in);
	CURVNET_SET(red.b.v);
	assert_int_equal(inet->if_addaddr(red.b.ifp, in, 24), -EEXIST);
	CURVNET_RESTORE();
	end_data(&red.a, &data);
	assert_int_equal(data.link_state, LINK_STATE_UP);
	transfer_start(&t, &red, MB);
	t.want = MB;
	assert_true(run_until(transfer_reached, &t, 5000));
	transfer_end(&t);
}

static int
never(void *arg)
{
	(void)arg;
	return (0);
}

static void
a_cut_link_stops_its_own_transfer_which_resumes(void **state)
{
	struct transfer t[2];
	uint64_t before;

	(void)state;
	transfer_start(&t[0], &red, 20 * MB);
	transfer_start(&t[1], &blue, 20 * MB);
	t[0].want = 2 * MB;
	assert_true(run_until(transfer_reached, &t[0], 20000));
	end_carrier(&red.a, LINK_STATE_DOWN);
	run_idle();
	before = t[0].l.conn.rcvd;
	t[1].want = t[1].s.tosend;
	assert_true(run_until(transfer_reached, &t[1], 20000));
	run_until(never, NULL, 1500);	/* into the backed-off retransmission timer */
	assert_int_equal(t[0].l.conn.rcvd, before);
	assert_false(t[0].s.dead || t[0].l.conn.dead);
	end_carrier(&red.a, LINK_STATE_UP);
	t[0].want = t[0].s.tosend;
	assert_true(run_until(transfer_reached, &t[0], 2000));
	assert_int_equal(t[0].l.conn.bad | t[1].l.conn.bad, 0);
	transfer_end(&t[0]);
	transfer_end(&t[1]);
}

/* Now and then a few packets to red-b, or its own, find its link down. */
static void
lossy_round(unsigned n)
{
	if (n % 40 == 0) {
		end_carrier(&red.b, LINK_STATE_DOWN);
		netisr_process(0, 40);	/* a turn of each stack */
		end_carrier(&red.b, LINK_STATE_UP);
	}
	netisr_process(0, 16);
	callout_process(0, callout_now());
}

static void
losses_are_repaired(void **state)
{
	const int64_t end = callout_now() + 60000000000LL;
	struct transfer t;
	struct if_data data;

	(void)state;
	transfer_start(&t, &red, MB);
	for (unsigned n = 1; !t.l.conn.eof && callout_now() < end; n++)
		lossy_round(n);
	assert_int_equal(t.l.conn.rcvd, MB);
	assert_int_equal(t.l.conn.bad, 0);
	end_data(&red.b, &data);
	assert_in_range(data.ifi_iqdrops, 3, 10000);
	transfer_end(&t);
}

/* ---- Packets and pools ---- */

static void
a_stack_that_does_not_read_keeps_few_packets(void **state)
{
	struct listener l = { 0 };
	struct stream s[8] = { 0 };
	struct socket *held[8];

	(void)state;
	listener_open(&l, &red.b, "10.0.0.2", 80);
	l.conn.hold = 1;
	for (unsigned i = 0; i < 8; i++) {
		s[i].tosend = MB;
		stream_connect(&s[i], &red.a, "10.0.0.2", 80);
		run_idle();
		held[i] = l.conn.so;
	}
	assert_int_equal(l.accepted, 8);
	/* Eight windows of 256 KiB wait: 1440 packets, if they were packets. */
	assert_in_range(bufs_used(), 400, 600);
	CURVNET_SET(red.b.v);
	for (unsigned i = 0; i < 8; i++)
		inet->soabort(held[i]);
	CURVNET_RESTORE();
	run_idle();
	assert_int_equal(bufs_used(), 0);
	for (unsigned i = 0; i < 8; i++)
		stream_close(&s[i], 0);
	listener_close(&l);
}

#define LAZY 12			/* stacks that do not read, each with three windows full: 12 * 512 packets > TEST_BUFS */

static void
many_stacks_that_do_not_read_leave_packets_for_others(void **state)
{
	struct listener l[LAZY] = { 0 };
	struct stream s[LAZY][3] = { 0 };
	struct pair lazy[LAZY];
	struct transfer t;
	char name[8];

	(void)state;
	for (unsigned i = 0; i < LAZY; i++) {
		snprintf(name, sizeof(name), "lazy%u", i);
		pair_make(&lazy[i], name, 0, 0);
		listener_open(&l[i], &lazy[i].b, "10.0.0.2", 80);
		l[i].conn.hold = 1;
		for (unsigned k = 0; k < 3; k++) {
			s[i][k].tosend = MB;
			stream_connect(&s[i][k], &lazy[i].a, "10.0.0.2", 80);
			run_idle();
		}
	}
	assert_in_range(bufs_used(), TEST_BUFS / 2, TEST_BUFS - TEST_BUFS / 8);
	transfer_start(&t, &blue, 4 * MB);
	t.want = 4 * MB;
	assert_true(run_until(transfer_reached, &t, 10000));
	transfer_end(&t);
	for (unsigned i = 0; i < LAZY; i++)
		pair_destroy(&lazy[i]);
}

/* ---- Timers ---- */

static void
an_idle_stack_waits_for_nothing(void **state)
{
	struct transfer t;

	(void)state;
	run_idle();
	assert_int_equal(callout_next(0), INT64_MAX);
	transfer_start(&t, &red, MB);
	t.want = MB;
	assert_true(run_until(transfer_reached, &t, 5000));
	assert_true(callout_next(0) != INT64_MAX);
	transfer_end(&t);
	run_idle();
	/* TIME_WAIT and the neighbours expire; then there is nothing more to tick for. */
	callout_process(0, INT64_MAX - 1);
	run_idle();
	assert_int_equal(callout_next(0), INT64_MAX);
}

static void
a_neighbour_that_does_not_answer_is_given_up(void **state)
{
	struct stream s = { 0 };

	(void)state;
	stream_connect(&s, &red.a, "10.0.0.77", 80);
	run_idle();
	assert_false(s.dead);
	callout_process(0, INT64_MAX - 1);
	run_idle();
	assert_int_equal(s.error, -ETIMEDOUT);
	assert_int_equal(callout_next(0), INT64_MAX);
	stream_close(&s, 0);
}

/* ---- Modules ---- */

static void
unloading_takes_the_interfaces_along(void **state)
{
	struct transfer t;
	struct uverr err;

	(void)state;
	transfer_start(&t, &red, 100 * MB);
	t.want = MB;
	assert_true(run_until(transfer_reached, &t, 5000));
	assert_int_equal(kld_unload(inet_file, &err), -EBUSY);
	assert_int_equal(kld_unload(epair_file, &err), 0);
	run_idle();
	assert_int_equal(t.s.error, -ENETDOWN);
	CURVNET_SET(red.a.v);
	assert_null(inet->ifunit("ep0"));
	assert_int_equal(inet->if_clone_create("epair", "ep0", NULL, &red.a.ifp), -ENOENT);
	CURVNET_RESTORE();
	assert_int_equal(kld_unload(inet_file, &err), 0);
	run_idle();
	assert_int_equal(bufs_used(), 0);
	assert_int_equal(callout_next(0), INT64_MAX);
	net_test_load();
	pair_destroy(&red);
	pair_make(&red, "red", 0, 0);
	transfer_start(&t, &red, MB);
	t.want = MB;
	assert_true(run_until(transfer_reached, &t, 5000));
	transfer_end(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(equal_addresses_do_not_meet, setup, teardown),
		cmocka_unit_test_setup_teardown(a_destroyed_stack_leaves_the_others_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_that_is_left_can_get_a_new_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cut_link_stops_its_own_transfer_which_resumes, setup, teardown),
		cmocka_unit_test_setup_teardown(losses_are_repaired, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stack_that_does_not_read_keeps_few_packets, setup, teardown),
		cmocka_unit_test_setup_teardown(many_stacks_that_do_not_read_leave_packets_for_others, setup, teardown),
		cmocka_unit_test_setup_teardown(an_idle_stack_waits_for_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_neighbour_that_does_not_answer_is_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(unloading_takes_the_interfaces_along, setup, teardown),
	};
	int failed;

	net_test_init(1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	net_test_fini();
	return (failed);
}
