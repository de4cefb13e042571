/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP between two stacks of one worker, through the socket interface that the host uses.
 */
#include <arpa/inet.h>

#include "net-test.h"

static struct pair p;

static int
setup(void **state)
{
	(void)state;
	pair_make(&p, "red", 0, 0);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	pair_destroy(&p);
	run_idle();	/* what was under way to the stacks goes nowhere */
	assert_int_equal(bufs_used(), 0);
	return (0);
}

static int
both_finished(void *arg)
{
	struct stream **s = arg;

	return (stream_finished(s[0]) && stream_finished(s[1]));
}

static void
bytes_arrive_both_ways_and_both_sides_close(void **state)
{
	struct listener l = { .conn = { .tosend = 9 * MB + 1, .shut = 1, .txseed = 7, .rxseed = 3 } };
	struct stream s = { .tosend = 8 * MB + 3, .shut = 1, .txseed = 3, .rxseed = 7 };
	struct stream *ends[] = { &s, &l.conn };

	(void)state;
	listener_open(&l, &p.b, "10.0.0.2", 80);
	stream_connect(&s, &p.a, "10.0.0.2", 80);
	assert_true(run_until(both_finished, ends, 20000));
	assert_int_equal(l.accepted, 1);
	assert_int_equal(s.rcvd, l.conn.tosend);
	assert_int_equal(l.conn.rcvd, s.tosend);
	assert_int_equal(s.bad | l.conn.bad | s.dead | l.conn.dead, 0);
	run_idle();
	CURVNET_SET(p.a.v);
	assert_int_equal(inet->sostate(s.so) & (SO_DRAINED | SO_EOF | SO_DEAD), SO_DRAINED | SO_EOF);
	assert_int_equal(inet->sosend(s.so, "x", 1), -EPIPE);
	CURVNET_RESTORE();
	stream_close(&s, 0);
	stream_close(&l.conn, 0);
	listener_close(&l);
	run_idle();
	assert_int_equal(bufs_used(), 0);
}

static void
segments_are_full_and_upcalls_few(void **state)
{
	struct listener l = { 0 };
	struct stream s = { .tosend = 32 * MB, .shut = 1 };
	struct if_data data;

	(void)state;
	listener_open(&l, &p.b, "0.0.0.0", 80);
	stream_connect(&s, &p.a, "10.0.0.2", 80);
	assert_true(run_until(stream_finished, &l.conn, 20000));
	assert_int_equal(l.conn.rcvd, s.tosend);
	end_data(&p.a, &data);
	/* 1460 of 1514 bytes are payload: 22,983 packets when every one is full. */
	assert_in_range(data.ifi_opackets, 32 * MB / 1460, 32 * MB / 1460 * 102 / 100);
	assert_in_range(s.upcalls, 1, 32 * MB / (32 * 1024));
	assert_in_range(l.conn.upcalls, 1, 32 * MB / (16 * 1024));
	stream_close(&s, 0);
	stream_close(&l.conn, 0);
	listener_close(&l);
}

static void
a_closed_half_still_receives(void **state)
{
	struct listener l = { .conn = { .tosend = 3 * MB } };
	struct stream s = { .tosend = 5, .shut = 1 };

	(void)state;
	listener_open(&l, &p.b, "10.0.0.2", 80);
	l.conn.tosend = 0;
	stream_connect(&s, &p.a, "10.0.0.2", 80);
	assert_true(run_until(stream_finished, &l.conn, 5000));
	assert_int_equal(l.conn.rcvd, 5);
	assert_false(s.eof);
	/* The peer of the closed half goes on, in its own time. */
	CURVNET_SET(p.b.v);
	l.conn.tosend = 3 * MB;
	l.conn.shut = 1;
	stream_pump(&l.conn);
	CURVNET_RESTORE();
	assert_true(run_until(stream_finished, &s, 5000));
	assert_int_equal(s.rcvd, 3 * MB);
	assert_int_equal(s.bad | s.dead | l.conn.dead, 0);
	stream_close(&s, 0);
	stream_close(&l.conn, 0);
	listener_close(&l);
}

static void
an_abort_is_a_reset(void **state)
{
	struct listener l = { 0 };
	struct stream s = { 0 };
	char c;

	(void)state;
	listener_open(&l, &p.b, "10.0.0.2", 80);
	stream_connect(&s, &p.a, "10.0.0.2", 80);
	assert_true(run_until(stream_connected, &l.conn, 5000));
	stream_close(&l.conn, 1);
	assert_true(run_until(stream_finished, &s, 5000));
	assert_true(s.dead);
	assert_int_equal(s.error, -ECONNRESET);
	CURVNET_SET(p.a.v);
	assert_int_equal(inet->soreceive(s.so, &c, 1), -ECONNRESET);
	assert_int_equal(inet->sosend(s.so, &c, 1), -ECONNRESET);
	CURVNET_RESTORE();
	stream_close(&s, 0);
	listener_close(&l);
}

static void
closing_with_unread_bytes_is_a_reset(void **state)
{
	struct listener l = { .conn = { .hold = 1 } };
	struct stream s = { .tosend = 100 };

	(void)state;
	listener_open(&l, &p.b, "10.0.0.2", 80);
	stream_connect(&s, &p.a, "10.0.0.2", 80);
	assert_true(run_until(stream_connected, &l.conn, 5000));
	run_idle();
	assert_int_equal(stream_unread(&l.conn), 100);
	stream_close(&l.conn, 0);
	assert_true(run_until(stream_finished, &s, 5000));
	assert_int_equal(s.error, -ECONNRESET);
	stream_close(&s, 0);
	listener_close(&l);
}

static void
a_closed_socket_still_delivers(void **state)
{
	struct listener l = { .conn = { .hold = 1 } };
	struct stream s = { .tosend = 400000 };

	(void)state;
	listener_open(&l, &p.b, "10.0.0.2", 80);
	stream_connect(&s, &p.a, "10.0.0.2", 80);
	run_idle();
	assert_int_equal(s.sent, 400000);
	stream_close(&s, 0);
	CURVNET_SET(p.b.v);
	l.conn.hold = 0;
	stream_pump(&l.conn);
	CURVNET_RESTORE();
	assert_true(run_until(stream_finished, &l.conn, 5000));
	assert_int_equal(l.conn.rcvd, 400000);
	assert_int_equal(l.conn.dead | l.conn.bad, 0);
	stream_close(&l.conn, 0);
	listener_close(&l);
}

static void
nobody_listens_there(void **state)
{
	struct stream s = { 0 };

	(void)state;
	stream_connect(&s, &p.a, "10.0.0.2", 81);
	assert_true(run_until(stream_finished, &s, 5000));
	assert_int_equal(s.error, -ECONNREFUSED);
	stream_close(&s, 0);
}

static void
addresses_are_checked(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(80) }, name;
	struct socket *one, *two;

	(void)state;
	CURVNET_SET(p.a.v);
	assert_int_equal(inet->socreate(AF_INET, &one, SOCK_RAW, 0), -EPROTONOSUPPORT);
	assert_int_equal(inet->socreate(AF_INET, &one, SOCK_STREAM, 0), 0);
	assert_int_equal(inet->socreate(AF_INET, &two, SOCK_STREAM, IPPROTO_TCP), 0);
	inet_pton(AF_INET, "10.0.0.9", &sin.sin_addr);
	assert_int_equal(inet->sobind(one, &sin), -EADDRNOTAVAIL);
	inet_pton(AF_INET, "10.0.0.1", &sin.sin_addr);
	assert_int_equal(inet->sobind(one, &sin), 0);
	assert_int_equal(inet->sobind(two, &sin), -EADDRINUSE);
	assert_int_equal(inet->solisten(one, 5), 0);
	assert_int_equal(inet->sobind(two, &sin), -EADDRINUSE);
	assert_int_equal(inet->sogetsockname(one, &name), 0);
	assert_memory_equal(&name, &sin, sizeof(sin));
	assert_int_equal(inet->sogetpeername(one, &name), -ENOTCONN);
	inet_pton(AF_INET, "192.0.2.1", &sin.sin_addr);
	assert_int_equal(inet->soconnect(two, &sin), -ENETUNREACH);
	assert_int_equal(inet->sosend(two, "x", 1), -ENOTCONN);
	inet->soclose(two);
	inet->soclose(one);
	CURVNET_RESTORE();
}

static void
a_listener_can_come_back_at_once(void **state)
{
	struct listener l = { 0 };
	struct stream s = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		memset(&s, 0, sizeof(s));
		l.conn = (struct stream){ .shut = 1 };
		listener_open(&l, &p.b, "10.0.0.2", 80);
		stream_connect(&s, &p.a, "10.0.0.2", 80);
		/* The server closes first, so TIME_WAIT is its. */
		assert_true(run_until(stream_finished, &s, 5000));
		stream_close(&s, 0);
		run_idle();
		stream_close(&l.conn, 0);
		listener_close(&l);
	}
	assert_int_equal(l.accepted, 2);
}

/* A listener whose connections nobody accepts. */
static struct socket *
listen_only(const struct end *at, int backlog)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct socket *so, *conn;

	CURVNET_SET(at->v);
	assert_int_equal(inet->socreate(AF_INET, &so, SOCK_STREAM, 0), 0);
	assert_int_equal(inet->sobind(so, &sin), 0);
	assert_int_equal(inet->solisten(so, backlog), 0);
	assert_int_equal(inet->soaccept(so, &conn, NULL), -EAGAIN);
	CURVNET_RESTORE();
	return (so);
}

static void
unaccepted_connections_are_bounded_and_go_with_the_listener(void **state)
{
	struct socket *so = listen_only(&p.b, 4), *conn;
	struct stream s[6] = { 0 };
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		stream_connect(&s[i], &p.a, "10.0.0.2", 80);
		run_idle();
		n += (unsigned)s[i].connected;
	}
	assert_int_equal(n, 4);
	/* One that died meanwhile is not handed out; accepting makes room. */
	stream_close(&s[0], 1);
	run_idle();
	CURVNET_SET(p.b.v);
	assert_int_equal(inet->sostate(so), SO_READABLE);
	assert_int_equal(inet->soaccept(so, &conn, NULL), 0);
	inet->soclose(conn);
	inet->soclose(so);
	CURVNET_RESTORE();
	run_idle();
	assert_true(s[1].eof && !s[1].dead);
	assert_int_equal(s[2].error, -ECONNRESET);
	assert_int_equal(s[3].error, -ECONNRESET);
	for (unsigned i = 1; i < 6; i++)
		stream_close(&s[i], 1);
}

static void
windows_are_scaled(void **state)
{
	struct listener l = { .conn = { .hold = 1 } };
	struct stream s = { .tosend = 2 * MB, .shut = 1 };

	(void)state;
	listener_open(&l, &p.b, "10.0.0.2", 80);
	stream_connect(&s, &p.a, "10.0.0.2", 80);
	run_idle();
	/* Nothing was consumed: what the receiver has is what the window let through without an opening. */
	assert_in_range(stream_unread(&l.conn), 200 * 1024, 300 * 1024);
	CURVNET_SET(p.b.v);
	l.conn.hold = 0;
	stream_pump(&l.conn);
	CURVNET_RESTORE();
	assert_true(run_until(stream_finished, &l.conn, 5000));
	assert_int_equal(l.conn.rcvd, 2 * MB);
	assert_int_equal(l.conn.bad, 0);
	stream_close(&s, 0);
	stream_close(&l.conn, 0);
	listener_close(&l);
}

static void
transfer_to(const char *addr)
{
	struct listener l = { 0 };
	struct stream s = { .tosend = 4 * MB, .shut = 1 };

	listener_open(&l, &p.a, addr, 80);
	stream_connect(&s, &p.a, addr, 80);
	assert_true(run_until(stream_finished, &l.conn, 5000));
	assert_int_equal(l.conn.rcvd, 4 * MB);
	assert_int_equal(l.conn.bad, 0);
	stream_close(&s, 0);
	stream_close(&l.conn, 0);
	listener_close(&l);
}

static void
a_stack_reaches_itself(void **state)
{
	(void)state;
	transfer_to("127.0.0.1");
	transfer_to("10.0.0.1");
}

#define MANY 100		/* pairs: more than a worker has time for (src/vnet/netisr.c) */

struct many {
	struct pair p[MANY];
	struct listener l[MANY];
	struct stream s[MANY];
};

static int
all_finished(void *arg)
{
	struct many *m = arg;

	for (int i = 0; i < MANY; i++)
		if (!stream_finished(&m->l[i].conn))
			return (0);
	return (1);
}

static void
many_at_once_all_come_to_their_end(void **state)
{
	struct many *m = calloc(1, sizeof(*m));
	char name[32];

	(void)state;
	assert_non_null(m);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many%u", i);
		pair_make(&m->p[i], name, 0, 0);
		m->l[i].conn.rxseed = m->s[i].txseed = i;
		m->s[i].tosend = MB + i;
		m->s[i].shut = 1;
		listener_open(&m->l[i], &m->p[i].b, "10.0.0.2", 80);
		stream_connect(&m->s[i], &m->p[i].a, "10.0.0.2", 80);
	}
	assert_true(run_until(all_finished, m, 60000));
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(m->l[i].conn.rcvd, MB + i);
		assert_int_equal(m->l[i].conn.bad | m->l[i].conn.dead | m->s[i].dead, 0);
		pair_destroy(&m->p[i]);
	}
	run_idle();
	assert_int_equal(bufs_used(), 0);
	free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_arrive_both_ways_and_both_sides_close, setup, teardown),
		cmocka_unit_test_setup_teardown(segments_are_full_and_upcalls_few, setup, teardown),
		cmocka_unit_test_setup_teardown(a_closed_half_still_receives, setup, teardown),
		cmocka_unit_test_setup_teardown(an_abort_is_a_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_with_unread_bytes_is_a_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(a_closed_socket_still_delivers, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_listens_there, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(a_listener_can_come_back_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(unaccepted_connections_are_bounded_and_go_with_the_listener, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(windows_are_scaled, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stack_reaches_itself, setup, teardown),
		cmocka_unit_test(many_at_once_all_come_to_their_end),
	};
	int failed;

	net_test_init_max(1, 2 * MANY + 2);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	net_test_fini();
	return (failed);
}
