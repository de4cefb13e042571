/* SPDX-License-Identifier: BSD-2-Clause */
/* What others have been attacked with, each as a test. */
#include <openssl/evp.h>

#include "wg-test.h"

static struct node red[2];

static int
setup(void **state)
{
	(void)state;
	nodes_make(red, "red", 0);
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	wire_run();
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	nodes_destroy(red);
	run_idle();
	assert_int_equal(bufs_used(), 0);
	return (0);
}

/* n packets of red-0's, not delivered. */
static void
send_n(unsigned n)
{
	wire_len = 0;
	for (unsigned i = 0; i < n; i++)
		node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	assert_int_equal(wire_len, n);
}

static void
a_replayed_packet_is_dropped(void **state)
{
	struct datagram d;

	(void)state;
	send_n(1);
	d = wire[0];
	wire_run();
	for (int i = 0; i < 3; i++)
		wire_deliver(&d);
	assert_int_equal(node_stats(&red[1]).rx_packets, 2);
	assert_int_equal(node_stats(&red[1]).replayed, 3);
}

static void
reordered_packets_pass_up_to_the_window(void **state)
{
	static struct datagram old[3];

	(void)state;
	send_n(3);
	memcpy(old, wire, sizeof(old));
	for (int i = 0; i < 8; i++) {
		send_n(1000);
		while (wire_len > 0)		/* backwards */
			wire_deliver(&wire[--wire_len]);
	}
	send_n(188);
	while (wire_len > 0)
		wire_deliver(&wire[--wire_len]);
	assert_int_equal(node_stats(&red[1]).rx_packets, 1 + 8188);
	assert_int_equal(node_stats(&red[1]).replayed, 0);
	wire_deliver(&old[0]);		/* 8190 and 8188 behind the newest; 8191 are taken */
	wire_deliver(&old[2]);
	assert_int_equal(node_stats(&red[1]).rx_packets, 1 + 8188 + 2);
	send_n(3);
	wire_run();
	wire_deliver(&old[1]);		/* fell out meanwhile */
	assert_int_equal(node_stats(&red[1]).replayed, 1);
}

static void
messages_of_wrong_length_are_dropped(void **state)
{
	static const size_t length[] = { 148, 92, 64, 32 };
	struct datagram d = { .to = 1 };
	uint64_t before;

	(void)state;
	for (unsigned type = 0; type < 8; type++)
		for (size_t len = 0; len < WG_DATAGRAM_MAX; len++) {
			if (type >= 1 && type <= 4 && (type == 4 ? len >= 32 : len == length[type - 1]))
				continue;
			memset(d.data, 0xa5, sizeof(d.data));
			memcpy(d.data, &(uint32_t){ type }, 4);
			d.len = len;
			before = node_stats(&red[1]).bad_packet;
			wire_deliver(&d);
			assert_int_equal(node_stats(&red[1]).bad_packet, before + 1);
		}
	assert_int_equal(wire_len, 0);
}

static void
every_changed_bit_is_noticed(void **state)
{
	struct datagram d;

	(void)state;
	send_n(1);
	d = wire[0];
	wire_len = 0;
	for (size_t bit = 32; bit < d.len * 8; bit++) {
		d.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		wire_deliver(&d);
		d.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(node_stats(&red[1]).rx_packets, 1);
	wire_deliver(&d);
	assert_int_equal(node_stats(&red[1]).rx_packets, 2);
}

static void
a_false_inner_source_is_dropped(void **state)
{
	(void)state;
	node_send(&red[0], "10.9.0.3", "10.9.0.2", 100);
	node_send(&red[0], "10.9.0.2", "10.9.0.2", 100);
	node_send(&red[0], "fd09::3", "fd09::2", 100);
	wire_run();
	assert_int_equal(node_stats(&red[1]).rx_packets, 1);
	assert_int_equal(node_stats(&red[1]).bad_source, 3);
}

static void
an_inner_length_that_lies_is_dropped(void **state)
{
	struct pkt *p = pkt_alloc(0);

	(void)state;
	p->p_len = 40;
	memset(p->p_data, 0, 40);
	p->p_data[0] = 0x45;
	p->p_data[2] = 0x7f;
	inet_pton(AF_INET, "10.9.0.1", p->p_data + 12);
	inet_pton(AF_INET, "10.9.0.2", p->p_data + 16);
	CURVNET_SET(red[0].v);
	wg->transmit(red[0].ifp, p);
	CURVNET_RESTORE();
	wire_run();
	assert_int_equal(node_stats(&red[1]).bad_packet, 1);
	assert_int_equal(node_stats(&red[1]).rx_packets, 1);
}

/* red-0's next initiation, not delivered. */
static struct datagram
initiation(void)
{
	struct datagram d;

	clock_offset += 200 * SECOND;
	wire_len = 0;
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	assert_int_equal(wire_len, 1);
	assert_int_equal(wire[0].len, 148);
	d = wire[0];
	wire_len = 0;
	return (d);
}

static void
a_replayed_initiation_is_not_answered(void **state)
{
	struct datagram d = initiation();

	(void)state;
	wire_deliver(&d);
	assert_int_equal(wire_len, 1);
	wire_run();
	assert_int_equal(node_stats(&red[0]).handshakes, 2);
	clock_offset += 10 * SECOND;
	for (int i = 0; i < 3; i++)
		wire_deliver(&d);
	assert_int_equal(wire_len, 0);
}

static void
a_guessed_index_tells_nothing(void **state)
{
	struct datagram d;

	(void)state;
	send_n(1);
	d = wire[0];
	wire_len = 0;
	for (uint32_t i = 0; i < 100000; i++) {
		memcpy(d.data + 4, &i, 4);
		wire_deliver(&d);
	}
	assert_int_equal(wire_len, 0);
	assert_int_equal(node_stats(&red[1]).bad_index, 100000);
}

/* MAC1 as a stranger makes it who knows the public key, and nothing else. */
static void
mac1(struct datagram *d)
{
	uint8_t public[32], key[32];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	size_t len = 16;
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t("size", &len), OSSL_PARAM_construct_end() };

	for (int i = 0; i < 32; i++) {
		unsigned byte;

		sscanf(key_hex[1][1] + 2 * i, "%2x", &byte);
		public[i] = (uint8_t)byte;
	}
	EVP_DigestInit_ex(md, EVP_blake2s256(), NULL);
	EVP_DigestUpdate(md, "mac1----", 8);
	EVP_DigestUpdate(md, public, 32);
	EVP_DigestFinal_ex(md, key, NULL);
	EVP_MAC_init(ctx, key, 32, params);
	EVP_MAC_update(ctx, d->data, 116);
	EVP_MAC_final(ctx, d->data + 116, &len, 16);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	EVP_MD_CTX_free(md);
}

static void
flood(unsigned n)
{
	struct datagram d = { .to = 1, .len = 148 };

	d.from.remote.sin.sin_family = AF_INET;
	for (unsigned i = 0; i < n; i++) {
		memcpy(d.data, &(uint32_t){ 1 }, 4);
		memcpy(d.data + 8, &(uint64_t){ i * 0x9e3779b97f4a7c15 }, 8);
		d.data[39] = 1;
		d.from.remote.sin.sin_addr.s_addr = i;
		mac1(&d);
		wire_deliver(&d);
		wire_len = 0;
	}
}

static void
a_flood_of_initiations_is_bounded_and_cookies_let_the_peer_in(void **state)
{
	struct datagram d, reply;
	struct wg_stats s;

	(void)state;
	/*
	 * A reading of the clock takes 40 us here, whatever the machine.  A handshake that fails is charged two of them,
	 * 16-fold, while four pass: load begins at the 3,572nd.  A cookie is charged one while three pass: after
	 * 7,692 more we drown.
	 */
	clock_step = 40000;
	flood(8000);
	s = node_stats(&red[1]);
	/* A burst is worked on, then cookies are all that a stranger gets. */
	assert_in_range(s.bad_packet, 3500, 3600);
	assert_in_range(s.cookies_sent, 4400, 4500);
	assert_int_equal(s.ratelimited, 0);
	/* The session that is there does not notice. */
	send_n(100);
	wire_run();
	assert_int_equal(node_stats(&red[1]).rx_packets, 101);
	/* A peer who wants a new one is sent a cookie, and comes with it. */
	d = initiation();
	flood(6000);	/* for the clock has moved on */
	wire_deliver(&d);
	assert_int_equal(wire_len, 1);
	reply = wire[0];
	wire_len = 0;
	assert_int_equal(reply.len, 64);
	wire_deliver(&reply);
	clock_offset += 6 * SECOND;
	run_idle();
	assert_int_equal(wire[0].len, 148);
	d = wire[0];
	wire_len = 0;
	assert_memory_not_equal(d.data + 132, ((uint8_t[16]){ 0 }), 16);
	flood(8000);
	wire_deliver(&d);
	assert_int_equal(wire[0].len, 92);
	wire_run();
	assert_int_equal(node_stats(&red[0]).handshakes, 2);
	/* Drowned: not even cookies, until time has paid. */
	flood(12000);
	assert_in_range(node_stats(&red[1]).ratelimited, 7000, 8000);
	clock_step = 0;
}

static void
a_cookie_reply_moves_nobody(void **state)
{
	struct datagram d = { .to = 0, .len = 64 };
	char *before, *after;

	(void)state;
	send_n(1);
	memcpy(d.data, &(uint32_t){ 3 }, 4);
	memcpy(d.data + 4, wire[0].data + 4, 4);
	wire_len = 0;
	d.from.remote.sin.sin_family = AF_INET;
	d.from.remote.sin.sin_port = htons(1007);
	assert_int_equal(node_uapi(&red[0], "get=1\n\n", &before), 0);
	wire_deliver(&d);
	assert_int_equal(node_uapi(&red[0], "get=1\n\n", &after), 0);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void
a_session_of_three_minutes_is_dead(void **state)
{
	(void)state;
	send_n(1);
	clock_offset += 181 * SECOND;
	wire_deliver(&wire[0]);
	assert_int_equal(node_stats(&red[1]).rx_packets, 1);
	wire_len = 0;
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	assert_int_equal(wire[0].len, 148);	/* not sealed with the old one */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_replayed_packet_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(reordered_packets_pass_up_to_the_window, setup, teardown),
		cmocka_unit_test_setup_teardown(messages_of_wrong_length_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(every_changed_bit_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_false_inner_source_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(an_inner_length_that_lies_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(a_replayed_initiation_is_not_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(a_guessed_index_tells_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_of_initiations_is_bounded_and_cookies_let_the_peer_in, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(a_cookie_reply_moves_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(a_session_of_three_minutes_is_dead, setup, teardown),
	};

	return (wg_test_run(tests));
}
