/* SPDX-License-Identifier: BSD-2-Clause */
/* Tunnels between stacks of one process: what works, and how long it lasts. */
#include "wg-test.h"

static struct node red[2], blue[2];

static int
setup(void **state)
{
	(void)state;
	nodes_make(red, "red", 0);
	nodes_make(blue, "blue", 2);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	nodes_destroy(red);
	nodes_destroy(blue);
	run_idle();
	assert_int_equal(bufs_used(), 0);
	return (0);
}

static uint64_t
handshakes(struct node *n)
{
	return (node_stats(n).handshakes);
}

static uint64_t
received(struct node *n)
{
	return (node_stats(n).rx_packets);
}

static int
transfer_done(void *arg)
{
	struct stream *s = arg;

	wire_run();
	return (s->eof || s->dead);
}

static void
transfer_to(struct node n[2], const char *addr, uint64_t bytes)
{
	struct end a = { n[0].v, n[0].ifp }, b = { n[1].v, n[1].ifp };
	struct listener l = { 0 };
	struct stream s = { .tosend = bytes, .shut = 1 };

	listener_open(&l, &b, addr, 80);
	stream_connect(&s, &a, addr, 80);
	assert_true(run_until(transfer_done, &l.conn, 20000));
	assert_int_equal(l.conn.rcvd, bytes);
	assert_int_equal(l.conn.bad, 0);
	stream_close(&s, 0);
	stream_close(&l.conn, 0);
	listener_close(&l);
	wire_run();
}

static void
transfer(struct node n[2], uint64_t bytes)
{
	transfer_to(n, "10.9.0.2", bytes);
}

static void
two_tunnels_on_the_same_addresses_carry_tcp(void **state)
{
	(void)state;
	transfer(red, 4 * MB);
	transfer(blue, 3 * MB);
	assert_int_equal(handshakes(&red[0]), 1);
	assert_int_equal(handshakes(&red[1]), 1);
	assert_int_equal(handshakes(&blue[1]), 1);
}

static void
ipv6_goes_through(void **state)
{
	(void)state;
	node_send(&red[0], "fd09::1", "fd09::2", 300);
	wire_run();
	assert_int_equal(received(&red[1]), 1);
	node_send(&red[1], "fd09::2", "fd09::1", 40);
	wire_run();
	assert_int_equal(received(&red[0]), 1);
}

/* In segments of what the tunnel's mtu leaves of an IPv6 packet, with checksums. */
static void
tcp_over_ipv6_goes_through(void **state)
{
	struct node *nodes[] = { red, blue };
	struct in6_addr in6;
	struct if_data data;
	char addr[] = "fd09::1";

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct node *n = &nodes[i / 2][i % 2];

		addr[6] = (char)('1' + i % 2);
		inet_pton(AF_INET6, addr, &in6);
		CURVNET_SET(n->v);
		assert_int_equal(inet->if_addaddr6(n->ifp, &in6, 64, IN6_IFF_NODAD), 0);
		CURVNET_RESTORE();
	}
	transfer_to(red, "fd09::2", 4 * MB);
	transfer_to(blue, "fd09::2", 3 * MB);
	transfer(red, MB);
	CURVNET_SET(red[0].v);
	inet->if_getdata(red[0].ifp, &data);
	CURVNET_RESTORE();
	/* 1420 bytes carry 1360 of IPv6's, 1380 of IPv4's: no segment is in two pieces. */
	assert_in_range(data.ifi_opackets, 5 * MB / 1380, 5 * MB / 1360 * 104 / 100);
	assert_int_equal(data.ifi_oqdrops, 0);
}

static void
a_route_over_a_tunnel_needs_no_gateway(void **state)
{
	struct sockaddr_in far = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct in_addr net = { .s_addr = htonl(0x0a4d0000) };	/* 10.77.0.0 */
	struct rt_data rt;
	struct socket *so;

	(void)state;
	far.sin_addr.s_addr = htonl(0x0a4d0001);
	CURVNET_SET(red[0].v);
	assert_int_equal(inet->socreate(AF_INET, &so, SOCK_DGRAM, 0), 0);
	assert_int_equal(inet->sosendto(so, "x", 1, &far), -ENETUNREACH);
	assert_int_equal(inet->rt_addif(far.sin_addr, 16, red[0].ifp), -EINVAL);	/* host bits */
	assert_int_equal(inet->rt_addif(net, 16, red[0].ifp), 0);
	assert_int_equal(inet->rt_addif(net, 16, red[0].ifp), -EEXIST);
	assert_int_equal(inet->rt_get(1, &rt), 0);
	assert_int_equal(rt.gateway.s_addr, INADDR_ANY);
	assert_string_equal(rt.ifname, inet->if_name(red[0].ifp));
	assert_int_not_equal(inet->sosendto(so, "x", 1, &far), -ENETUNREACH);
	inet->soclose(so);
	CURVNET_RESTORE();
}

static void
sessions_are_renewed_after_two_minutes(void **state)
{
	(void)state;
	/* One begins; two who begin in the same instant begin again until they do not. */
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	wire_run();
	for (int i = 0; i < 60; i++) {
		node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
		node_send(&red[1], "10.9.0.2", "10.9.0.1", 100);
		time_pass(10 * SECOND, SECOND);
	}
	/* Ten minutes: the first, and one in every two minutes and a bit. */
	assert_in_range(handshakes(&red[0]), 5, 6);
	assert_in_range(handshakes(&red[1]), 5, 6);
	assert_int_equal(received(&red[0]), 60);
	assert_int_equal(received(&red[1]), 61);
}

static void
an_idle_tunnel_is_silent_and_forgets_its_keys(void **state)
{
	struct wg_stats s;
	uint64_t bytes;

	(void)state;
	transfer(red, MB);
	time_pass(30 * SECOND, SECOND);
	s = node_stats(&red[0]);
	bytes = s.tx_bytes;
	time_pass(600 * SECOND, 10 * SECOND);
	s = node_stats(&red[0]);
	assert_int_equal(s.tx_bytes, bytes);
	callout_process(0, INT64_MAX - 1);
	run_idle();
	assert_int_equal(callout_next(0), INT64_MAX);
	transfer(red, MB);	/* by a new handshake */
	assert_int_equal(handshakes(&red[0]), 2);
}

static void
data_without_an_answer_shakes_hands_anew(void **state)
{
	(void)state;
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	wire_run();
	time_pass(32 * SECOND, SECOND);
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	run_idle();
	assert_int_equal(wire_len, 1);
	wire_len = 0;		/* lost; and so is what is said for 14 seconds */
	for (int i = 0; i < 14; i++) {
		clock_offset += SECOND;
		run_idle();
		assert_int_equal(wire_len, 0);
	}
	clock_offset += 2 * SECOND;
	run_idle();
	assert_int_equal(wire_len, 1);
	assert_int_equal(wire[0].len, 148);
	wire_run();
	assert_int_equal(handshakes(&red[0]), 2);
}

static void
a_silent_peer_is_tried_for_ninety_seconds(void **state)
{
	unsigned n = 0;

	(void)state;
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	for (int i = 0; i < 300; i++) {
		run_idle();
		for (unsigned k = 0; k < wire_len; k++)
			n += wire[k].len == 148;
		wire_len = 0;
		clock_offset += SECOND;
	}
	assert_in_range(n, 17, 19);
	assert_int_equal(bufs_used(), 0);	/* what waited was given up */
}

static void
a_keepalive_interval_is_kept(void **state)
{
	struct wg_stats before, after;
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "set=1\npublic_key=%s\npersistent_keepalive_interval=25\n\n", key_hex[1][1]);
	assert_int_equal(node_uapi(&red[0], text, NULL), 0);
	wire_run();
	before = node_stats(&red[1]);
	assert_int_equal(before.handshakes, 1);
	time_pass(100 * SECOND, SECOND);
	after = node_stats(&red[1]);
	assert_int_equal((after.rx_bytes - before.rx_bytes) / 32, 4);
	assert_int_equal(after.rx_packets, 0);
}

static void
a_preshared_key_must_be_the_same(void **state)
{
	static const char psk[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	char text[512];

	(void)state;
	transfer(red, MB);
	snprintf(text, sizeof(text), "set=1\npublic_key=%s\npreshared_key=%s\n\n", key_hex[1][1], psk);
	assert_int_equal(node_uapi(&red[0], text, NULL), 0);
	/* The session lives on; the next handshake fails until the other side has it. */
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	wire_run();
	time_pass(200 * SECOND, SECOND);
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	time_pass(20 * SECOND, SECOND);
	assert_int_equal(handshakes(&red[0]), 1);
	snprintf(text, sizeof(text), "set=1\npublic_key=%s\npreshared_key=%s\n\n", key_hex[0][1], psk);
	assert_int_equal(node_uapi(&red[1], text, NULL), 0);
	time_pass(20 * SECOND, SECOND);
	assert_int_equal(handshakes(&red[0]), 2);
	transfer(red, MB);
}

static void
setting_the_same_again_disturbs_nothing(void **state)
{
	char *before, *after;

	(void)state;
	transfer(red, MB);
	assert_int_equal(node_uapi(&red[0], "get=1\n\n", &before), 0);
	assert_non_null(strstr(before, "listen_port") == NULL ? before : NULL);
	assert_non_null(strstr(before, "allowed_ip=fd09::2/128\n"));
	assert_int_equal(node_uapi(&red[0], "set=1\nprivate_key="
	    "77076d0a7318a57d3c16c17251b26645df4d2f8eb8d9e7b06d8b5b1d2f0f1a2a\npublic_key="
	    "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f\nreplace_allowed_ips=true\n"
	    "allowed_ip=fd09::2/128\nallowed_ip=10.9.0.2/32\nendpoint=192.0.2.1:1001\n\n", NULL), 0);
	assert_int_equal(node_uapi(&red[0], "get=1\n\n", &after), 0);
	assert_int_equal(strlen(before), strlen(after));
	transfer(red, MB);
	assert_int_equal(handshakes(&red[0]), 1);
	free(before);
	free(after);
}

static void
a_wrong_line_changes_nothing(void **state)
{
	static const char *const wrong[] = {
		"set=1\nlisten_port=70000\n\n", "set=1\nprivate_key=12\n\n", "set=1\nnonsense=1\n\n", "set=1\nx\n\n",
		"set=1\nreplace_peers=false\n\n", "what=1\n\n", "",
		"set=1\nreplace_peers=true\npublic_key=de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f\n"
		"endpoint=1.2.3.4\n\n",
		"set=1\nreplace_peers=true\npublic_key=de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f\n"
		"allowed_ip=10.0.0.0/33\n\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_not_equal(node_uapi(&red[0], wrong[i], NULL), 0);
	transfer(red, MB);
}

static int
heap_limit(struct vnet *v, size_t limit)
{
	int error;

	CURVNET_SET(v);
	error = vnet_heap_setlimit(limit);
	CURVNET_RESTORE();
	return (error);
}

/* What no look at the lines shows: the host refuses, or there is no memory.  Then nothing was done, not by halves. */
static void
a_set_is_done_whole_or_not_at_all(void **state)
{
	static const struct {
		const char *text;
		int error;
	} refused[] = {
		{ "set=1\nprivate_key=5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb\nlisten_port=1\nfwmark=13\n"
		    "replace_peers=true\n\n", -EPERM },
		{ "set=1\nreplace_peers=true\nlisten_port=13\nfwmark=5\n\n", -EADDRINUSE },
		{ "set=1\nfwmark=5\nlisten_port=1\npublic_key="
		    "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f\nremove=true\npublic_key=1\n\n", -EINVAL },
	};
	char *before, *after, *many;
	size_t len, limit;
	FILE *f;

	(void)state;
	transfer(red, MB);
	assert_int_equal(node_uapi(&red[0], "set=1\nlisten_port=1\nfwmark=7\n\n", NULL), 0);
	assert_int_equal(node_uapi(&red[0], "get=1\n\n", &before), 0);
	assert_non_null(strstr(before, "listen_port=1000\nfwmark=7\n"));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(node_uapi(&red[0], refused[i].text, NULL), refused[i].error);
		assert_int_equal(red[0].mark, 7);
		assert_int_equal(node_uapi(&red[0], "get=1\n\n", &after), 0);
		assert_string_equal(before, after);
		free(after);
	}
	/* A thousand peers, in a heap that has hardly more than it uses. */
	f = open_memstream(&many, &len);
	assert_non_null(f);
	fprintf(f, "set=1\nreplace_peers=true\n");
	for (int i = 0; i < 1000; i++)
		fprintf(f, "public_key=%064x\nallowed_ip=10.%d.%d.0/24\n", i + 2, i / 256, i % 256);
	fprintf(f, "\n");
	assert_int_equal(fclose(f), 0);
	for (limit = 64 << 10; heap_limit(red[0].v, limit) != 0; limit += 64 << 10)
		assert_in_range(limit, 0, 16 << 20);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(node_uapi(&red[0], many, NULL), -ENOMEM);
		assert_int_equal(node_uapi(&red[0], "get=1\n\n", &after), 0);
		assert_string_equal(before, after);
		free(after);
	}
	transfer(red, MB);
	assert_int_equal(handshakes(&red[0]), 1);
	assert_int_equal(heap_limit(red[0].v, limit + (4 << 20)), 0);
	assert_int_equal(node_uapi(&red[0], many, NULL), 0);
	free(many);
	free(before);
}

static void
the_module_goes_and_comes_with_its_tunnels(void **state)
{
	struct uverr err;

	(void)state;
	transfer(red, MB);
	nodes_destroy(red);
	nodes_destroy(blue);
	assert_int_equal(kld_unload(wg_file, &err), 0);
	run_idle();
	assert_int_equal(bufs_used(), 0);
	wg_test_load();
	setup(NULL);
	transfer(red, MB);
	transfer(blue, MB);
}

static void
roaming_follows_the_peer(void **state)
{
	struct datagram d;

	(void)state;
	transfer(red, MB);
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	run_idle();
	assert_int_equal(wire_len, 1);
	d = wire[0];
	wire_len = 0;
	d.from.remote.sin.sin_port = htons(1000 + 7);
	wire_deliver(&d);
	node_send(&red[1], "10.9.0.2", "10.9.0.1", 100);
	run_idle();
	assert_int_equal(wire_len, 1);
	assert_int_equal(wire[0].to, 7);
	/* A replay from somewhere else moves nobody. */
	d.from.remote.sin.sin_port = htons(1000 + 6);
	wire_deliver(&d);
	node_send(&red[1], "10.9.0.2", "10.9.0.1", 100);
	run_idle();
	assert_int_equal(wire[1].to, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_tunnels_on_the_same_addresses_carry_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(ipv6_goes_through, setup, teardown),
		cmocka_unit_test_setup_teardown(tcp_over_ipv6_goes_through, setup, teardown),
		cmocka_unit_test_setup_teardown(a_route_over_a_tunnel_needs_no_gateway, setup, teardown),
		cmocka_unit_test_setup_teardown(sessions_are_renewed_after_two_minutes, setup, teardown),
		cmocka_unit_test_setup_teardown(an_idle_tunnel_is_silent_and_forgets_its_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(data_without_an_answer_shakes_hands_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(a_silent_peer_is_tried_for_ninety_seconds, setup, teardown),
		cmocka_unit_test_setup_teardown(a_keepalive_interval_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(a_preshared_key_must_be_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(setting_the_same_again_disturbs_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_wrong_line_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_set_is_done_whole_or_not_at_all, setup, teardown),
		cmocka_unit_test_setup_teardown(the_module_goes_and_comes_with_its_tunnels, setup, teardown),
		cmocka_unit_test_setup_teardown(roaming_follows_the_peer, setup, teardown),
	};

	return (wg_test_run(tests));
}
