/* SPDX-License-Identifier: BSD-2-Clause */
/* A DHCP client in a stack, its server in the neighbouring one: made here, of a socket.  Time is stepped. */
#include <arpa/inet.h>

#include "net-test.h"

#define OPTIONS 240		/* where they begin in a message (RFC 2131) */
#define LEASE 600		/* seconds */
enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK };

static struct end client, server;
static struct socket *so;
static unsigned discovers, requests;

static int
message_type(const unsigned char *m, ssize_t len)
{
	for (ssize_t i = OPTIONS; i + 2 < len && m[i] != 255; i += m[i] == 0 ? 1 : 2 + m[i + 1])
		if (m[i] == 53)
			return (m[i + 2]);
	return (0);
}

static void
answer(unsigned char *m, int type)
{
	static const unsigned char options[] = { 53, 1, 0, 54, 4, 10, 0, 0, 2, 51, 4, 0, 0, LEASE >> 8, LEASE & 0xff,
	    1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 0, 2, 255 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(68) };

	inet_pton(AF_INET, "10.0.0.255", &to.sin_addr);
	m[0] = 2;
	inet_pton(AF_INET, "10.0.0.77", m + 16);
	memset(m + OPTIONS, 0, 300 - OPTIONS);
	memcpy(m + OPTIONS, options, sizeof(options));
	m[OPTIONS + 2] = (unsigned char)type;
	assert_int_equal(inet->sosendto(so, m, 300, &to), 300);
}

static void
serve(void)
{
	unsigned char m[1500];
	ssize_t n;

	CURVNET_SET(server.v);
	while ((n = inet->soreceivefrom(so, m, sizeof(m), NULL)) >= OPTIONS) {
		const int type = message_type(m, n);

		discovers += type == DISCOVER;
		requests += type == REQUEST;
		if (type == DISCOVER || type == REQUEST)
			answer(m, type == DISCOVER ? OFFER : ACK);
	}
	CURVNET_RESTORE();
}

/* To the next timer, with the server at work or not. */
static void
step(int serving)
{
	assert_true(callout_next(0) != INT64_MAX);
	callout_process(0, callout_next(0));
	for (int i = 0; i < 4; i++) {
		run_idle();
		if (serving)
			serve();
	}
	run_idle();
}

static void
server_open(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(67) };
	struct in_addr in;

	inet_pton(AF_INET, "10.0.0.2", &in);
	CURVNET_SET(server.v);
	assert_int_equal(inet->if_addaddr(server.ifp, in, 24), 0);
	assert_int_equal(inet->socreate(AF_INET, &so, SOCK_DGRAM, 0), 0);
	assert_int_equal(inet->sobind(so, &any), 0);
	CURVNET_RESTORE();
}

static void
client_start(void)
{
	CURVNET_SET(client.v);
	assert_int_equal(inet->if_dhcp(client.ifp), 0);
	CURVNET_RESTORE();
	run_idle();
}

static unsigned
address(void)
{
	struct if_data data;

	end_data(&client, &data);
	if (data.addr.s_addr != 0)
		assert_int_equal(data.prefixlen, 24);
	return (ntohl(data.addr.s_addr));
}

static void
a_lease_is_taken_renewed_and_lost(void **state)
{
	struct sockaddr_in far = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x0a630001) };
	struct socket *out;
	unsigned i, before;

	(void)state;
	end_make(&client, "client", NULL, NULL);
	end_make(&server, "server", NULL, client.ifp);
	server_open();
	client_start();
	for (i = 0; i < 1000 && address() == 0; i++)
		step(1);
	assert_int_equal(address(), 0x0a00004d);	/* 10.0.0.77 */

	/* The router of the answer is the way to everything else. */
	CURVNET_SET(client.v);
	assert_int_equal(inet->socreate(AF_INET, &out, SOCK_DGRAM, 0), 0);
	assert_int_equal(inet->sosendto(out, "x", 1, &far), 1);
	inet->soclose(out);
	CURVNET_RESTORE();

	before = requests;
	for (i = 0; i < 5000 && requests == before; i++)
		step(1);
	assert_int_equal(requests, before + 1);		/* renewed, */
	assert_int_equal(address(), 0x0a00004d);
	for (i = 0; i < 20000 && address() != 0; i++)	/* and then the server is silent */
		step(0);
	assert_int_equal(address(), 0);
	before = discovers;
	for (i = 0; i < 20000 && address() == 0; i++)	/* and is there again */
		step(1);
	assert_int_equal(address(), 0x0a00004d);
	assert_true(discovers > before);

	/* The stack goes: no timer is left. */
	vnet_destroy(client.v);
	vnet_destroy(server.v);
	run_idle();
	assert_int_equal(callout_next(0), INT64_MAX);
	assert_int_equal(bufs_used(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lease_is_taken_renewed_and_lost),
	};
	int failed;

	net_test_init(1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	net_test_fini();
	return (failed);
}
