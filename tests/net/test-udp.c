/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UDP: datagrams of two pairs of stacks on the same addresses; their sizes, bounds and errors.
 */
#include <arpa/inet.h>

#include "net-test.h"

static struct pair red, blue;
static unsigned char out[65507], in[65536];

static int
setup(void **state)
{
	(void)state;
	pair_make(&red, "red", 0, 0);
	pair_make(&blue, "blue", 0, 0);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)(i * 31 + (i >> 8));
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	pair_destroy(&red);
	pair_destroy(&blue);
	run_idle();
	return (bufs_used() == 0 ? 0 : -1);
}

static struct sockaddr_in
address(const char *addr, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, addr, &sin.sin_addr);
	return (sin);
}

static struct socket *
udp_open(const struct end *e, const char *addr, uint16_t port)
{
	const struct sockaddr_in sin = address(addr, port);
	struct socket *so;

	CURVNET_SET(e->v);
	assert_int_equal(inet->socreate(AF_INET, &so, SOCK_DGRAM, 0), 0);
	assert_int_equal(inet->sobind(so, &sin), 0);
	CURVNET_RESTORE();
	return (so);
}

static ssize_t
udp_send(const struct end *e, struct socket *so, size_t len, const char *addr, uint16_t port)
{
	const struct sockaddr_in sin = address(addr, port);
	ssize_t n;

	CURVNET_SET(e->v);
	n = inet->sosendto(so, out, len, &sin);
	CURVNET_RESTORE();
	return (n);
}

static ssize_t
udp_receive(const struct end *e, struct socket *so, struct sockaddr_in *from)
{
	ssize_t n;

	CURVNET_SET(e->v);
	n = inet->soreceivefrom(so, in, sizeof(in), from);
	CURVNET_RESTORE();
	return (n);
}

static void
udp_close(const struct end *e, struct socket *so)
{
	CURVNET_SET(e->v);
	inet->soclose(so);
	CURVNET_RESTORE();
}

static void
datagrams_of_two_customers_do_not_meet(void **state)
{
	struct socket *r = udp_open(&red.b, "10.0.0.2", 53), *b = udp_open(&blue.b, "10.0.0.2", 53);
	struct socket *c = udp_open(&red.a, "10.0.0.1", 0);
	struct sockaddr_in from;

	(void)state;
	assert_int_equal(udp_send(&red.a, c, 100, "10.0.0.2", 53), 100);
	run_idle();
	assert_int_equal(udp_receive(&blue.b, b, NULL), -EAGAIN);
	assert_int_equal(udp_receive(&red.b, r, &from), 100);
	assert_memory_equal(in, out, 100);
	assert_int_equal(from.sin_addr.s_addr, address("10.0.0.1", 0).sin_addr.s_addr);
	/* And back to where it came from. */
	CURVNET_SET(red.b.v);
	assert_int_equal(inet->sosendto(r, out, 7, &from), 7);
	CURVNET_RESTORE();
	run_idle();
	assert_int_equal(udp_receive(&red.a, c, &from), 7);
	assert_int_equal(ntohs(from.sin_port), 53);
	udp_close(&red.a, c);
	udp_close(&red.b, r);
	udp_close(&blue.b, b);
}

static void
every_size_arrives_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 1472, 1473, 8000, 60000, 65507 };
	struct socket *r = udp_open(&red.b, "10.0.0.2", 53), *c = udp_open(&red.a, "10.0.0.1", 1000);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(udp_send(&red.a, c, sizes[i], "10.0.0.2", 53), sizes[i]);
		run_idle();
		assert_int_equal(udp_receive(&red.b, r, NULL), sizes[i]);
		assert_memory_equal(in, out, sizes[i]);
	}
	assert_int_equal(udp_send(&red.a, c, 65508, "10.0.0.2", 53), -EMSGSIZE);
	udp_close(&red.a, c);
	udp_close(&red.b, r);
}

static void
a_socket_that_nobody_reads_is_bounded(void **state)
{
	struct socket *r = udp_open(&red.b, "10.0.0.2", 53), *c = udp_open(&red.a, "10.0.0.1", 1000);
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		udp_send(&red.a, c, 64, "10.0.0.2", 53);
		run_idle();
	}
	while (udp_receive(&red.b, r, NULL) == 64)
		n++;
	assert_int_equal(n, 256);
	for (unsigned i = 0; i < 10; i++)
		udp_send(&red.a, c, 64, "10.0.0.2", 53);
	run_idle();
	/* Closed with datagrams in it: their buffers come home (teardown looks). */
	udp_close(&red.b, r);
	udp_close(&red.a, c);
}

static void
errors_say_what_is_wrong(void **state)
{
	struct socket *r = udp_open(&red.b, "10.0.0.2", 53), *so, *tcp;
	struct sockaddr_in sin = address("10.0.0.2", 53), other = address("10.0.0.9", 53), name;

	(void)state;
	CURVNET_SET(red.b.v);
	assert_int_equal(inet->socreate(AF_INET, &so, SOCK_DGRAM, IPPROTO_TCP), -EPROTONOSUPPORT);
	assert_int_equal(inet->socreate(AF_INET, &so, SOCK_DGRAM, IPPROTO_UDP), 0);
	assert_int_equal(inet->socreate(AF_INET, &tcp, SOCK_STREAM, 0), 0);
	assert_int_equal(inet->sobind(so, &sin), -EADDRINUSE);
	assert_int_equal(inet->sobind(so, &other), -EADDRNOTAVAIL);
	assert_int_equal(inet->sobind(r, &sin), -EINVAL);
	assert_int_equal(inet->sosendto(so, out, 1, NULL), -EDESTADDRREQ);
	assert_int_equal(inet->sosendto(tcp, out, 1, &sin), -EOPNOTSUPP);
	assert_int_equal(inet->soreceivefrom(tcp, in, 1, NULL), -EOPNOTSUPP);
	assert_int_equal(inet->solisten(so, 1), -EINVAL);
	assert_int_equal(inet->sogetpeername(so, &name), -ENOTCONN);
	assert_int_equal(inet->soconnect(so, &other), 0);
	assert_int_equal(inet->sogetpeername(so, &name), 0);
	assert_int_equal(name.sin_addr.s_addr, other.sin_addr.s_addr);
	inet->soclose(tcp);
	inet->soclose(so);
	CURVNET_RESTORE();
	udp_close(&red.b, r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(datagrams_of_two_customers_do_not_meet, setup, teardown),
		cmocka_unit_test_setup_teardown(every_size_arrives_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(a_socket_that_nobody_reads_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_say_what_is_wrong, setup, teardown),
	};
	int failed;

	net_test_init(1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	net_test_fini();
	return (failed);
}
