/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * More of what others have been attacked with, and what a tunnel has to bear: messages that are cut, lengthened and
 * huge, cookies from elsewhere, nested allowed IPs, a flood beside other customers, losses, a thousand reconnects.
 */
#include <openssl/evp.h>

#include "wg-test.h"

#define US 1000			/* ns */

static struct node red[2], blue[2];

static int
setup(void **state)
{
	(void)state;
	nodes_make(red, "red", 0);
	nodes_make(blue, "blue", 2);
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	node_send(&blue[0], "10.9.0.1", "10.9.0.2", 100);
	wire_run();
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	clock_step = 0;
	nodes_destroy(red);
	nodes_destroy(blue);
	run_idle();
	assert_int_equal(bufs_used(), 0);
	return (0);
}

/* What red-0 sends next: data, or an initiation when time has passed. */
static struct datagram
next_of(struct node *n)
{
	struct datagram d;

	wire_len = 0;
	node_send(n, "10.9.0.1", "10.9.0.2", 100);
	assert_int_equal(wire_len, 1);
	d = wire[0];
	wire_len = 0;
	return (d);
}

/* ---- Messages ---- */

/* Each kind of message that red-1 may get, true ones, cut at every length and lengthened by some. */
static void
true_messages_of_another_length_are_dropped(void **state)
{
	struct datagram whole[2], d;
	struct wg_stats before, after;

	(void)state;
	whole[0] = next_of(&red[0]);
	assert_int_equal(whole[0].len, 32 + 112);
	clock_offset += 200 * SECOND;
	whole[1] = next_of(&red[0]);
	assert_int_equal(whole[1].len, 148);
	for (int i = 0; i < 2; i++)
		for (size_t len = 0; len < whole[i].len + 64; len++) {
			d = whole[i];
			if (len == d.len)
				continue;
			d.len = len;
			before = node_stats(&red[1]);
			wire_deliver(&d);
			after = node_stats(&red[1]);
			assert_int_equal(after.rx_packets, before.rx_packets);
			assert_int_equal(after.handshakes, before.handshakes);
			assert_int_equal(after.bad_packet, before.bad_packet + 1);
			assert_int_equal(wire_len, 0);
		}
	/* The response, at who asked. */
	wire_deliver(&whole[1]);
	assert_int_equal(wire_len, 1);
	whole[0] = wire[0];
	assert_int_equal(whole[0].len, 92);
	for (size_t len = 0; len < 92 + 64; len++) {
		d = whole[0];
		d.len = len;
		wire_len = 0;
		if (len != 92)
			wire_deliver(&d);
		assert_int_equal(node_stats(&red[0]).handshakes, 1);
		assert_int_equal(wire_len, 0);
	}
	wire_deliver(&whole[0]);
	assert_int_equal(node_stats(&red[0]).handshakes, 2);
	wire_len = 0;
}

/* Up to what UDP carries, of every type, and with an index that is there. */
static void
huge_messages_are_dropped(void **state)
{
	static uint8_t data[65507];
	struct datagram d = next_of(&red[0]);
	uint64_t dropped;
	unsigned n = 0;

	(void)state;
	for (uint32_t type = 0; type < 8; type++)
		for (size_t len = 2048; len <= sizeof(data); len += len < 4096 ? 1 : 4091) {
			memset(data, 0x5a, sizeof(data));
			memcpy(data, d.data, d.len);	/* true to its end, and then some */
			memcpy(data, &type, 4);
			wg->input(red[1].port, data, len, 0, &d.from);
			n++;
		}
	dropped = node_stats(&red[1]).bad_packet;
	assert_int_equal(dropped, n);
	assert_int_equal(wire_len, 0);
	assert_int_equal(node_stats(&red[1]).rx_packets, 1);
	wire_deliver(&d);
	assert_int_equal(node_stats(&red[1]).rx_packets, 2);
}

/* Nothing is learned from one index about another. */
static void
indices_are_random(void **state)
{
	uint32_t index[256];
	unsigned set;

	(void)state;
	for (int i = 0; i < 256; i++) {
		clock_offset += 200 * SECOND;
		memcpy(&index[i], next_of(&red[0]).data + 4, 4);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(index[i], index[k]);
	}
	for (int bit = 0; bit < 32; bit++) {
		set = 0;
		for (int i = 0; i < 256; i++)
			set += index[i] >> bit & 1;
		assert_in_range(set, 64, 192);	/* of random ones, outside of it once in 10^15 */
	}
}

/* ---- Who ---- */

/* Networks within networks: each address is one peer's, the one's whose prefix is longest. */
static void
nobody_sends_from_within_anothers_prefix(void **state)
{
	char text[1024];

	(void)state;
	/* At red-1, red-0 has a network; somebody else has an address, and a network, within it. */
	snprintf(text, sizeof(text), "set=1\npublic_key=%s\nreplace_allowed_ips=true\nallowed_ip=10.9.0.0/24\nallowed_ip="
	    "fd09::/64\npublic_key=%s\nallowed_ip=10.9.0.77/32\nallowed_ip=10.9.0.128/25\nallowed_ip=fd09::77/128\n\n",
	    key_hex[0][1], "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29");
	assert_int_equal(node_uapi(&red[1], text, NULL), 0);
	node_send(&red[0], "10.9.0.76", "10.9.0.2", 100);
	node_send(&red[0], "10.9.0.127", "10.9.0.2", 100);
	node_send(&red[0], "fd09::76", "fd09::2", 100);
	wire_run();
	assert_int_equal(node_stats(&red[1]).rx_packets, 1 + 3);
	assert_int_equal(node_stats(&red[1]).bad_source, 0);
	node_send(&red[0], "10.9.0.77", "10.9.0.2", 100);
	node_send(&red[0], "10.9.0.128", "10.9.0.2", 100);
	node_send(&red[0], "fd09::77", "fd09::2", 100);
	node_send(&red[0], "10.9.1.1", "10.9.0.2", 100);
	wire_run();
	assert_int_equal(node_stats(&red[1]).rx_packets, 1 + 3);
	assert_int_equal(node_stats(&red[1]).bad_source, 4);
	/* The inner one goes: its addresses are the outer one's again. */
	snprintf(text, sizeof(text), "set=1\npublic_key=%s\nremove=true\n\n",
	    "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29");
	assert_int_equal(node_uapi(&red[1], text, NULL), 0);
	node_send(&red[0], "10.9.0.77", "10.9.0.2", 100);
	wire_run();
	assert_int_equal(node_stats(&red[1]).rx_packets, 1 + 4);
}

/* ---- Floods ---- */

/* MAC1 as a stranger makes it who knows red-1's public key. */
static void
mac1(struct datagram *d)
{
	static EVP_MAC_CTX *ctx;
	static uint8_t key[32];
	size_t len = 16;
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t("size", &len), OSSL_PARAM_construct_end() };
	uint8_t public[32];
	EVP_MD_CTX *md;
	EVP_MAC *mac;
	unsigned byte;

	if (ctx == NULL) {
		for (int i = 0; i < 32; i++) {
			sscanf(key_hex[1][1] + 2 * i, "%2x", &byte);
			public[i] = (uint8_t)byte;
		}
		md = EVP_MD_CTX_new();
		EVP_DigestInit_ex(md, EVP_blake2s256(), NULL);
		EVP_DigestUpdate(md, "mac1----", 8);
		EVP_DigestUpdate(md, public, 32);
		EVP_DigestFinal_ex(md, key, NULL);
		EVP_MD_CTX_free(md);
		mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
		ctx = EVP_MAC_CTX_new(mac);
		EVP_MAC_free(mac);
	}
	EVP_MAC_init(ctx, key, 32, params);
	EVP_MAC_update(ctx, d->data, 116);
	EVP_MAC_final(ctx, d->data + 116, &len, 16);
}

static void
stranger(struct datagram *d, uint32_t i)
{
	memset(d, 0, sizeof(*d));
	d->to = red[1].number;
	d->len = 148;
	memcpy(d->data, &(uint32_t){ 1 }, 4);
	memcpy(d->data + 8, &(uint64_t){ i * 0x9e3779b97f4a7c15 }, 8);
	d->data[39] = 1;
	d->from.remote.sin.sin_family = AF_INET;
	d->from.remote.sin.sin_addr.s_addr = i;
	mac1(d);
}

/* Until the port is under load: only who shows a cookie is let in. */
static void
load(void)
{
	struct datagram d;
	uint64_t before = node_stats(&red[1]).cookies_sent;

	clock_step = 40 * US;
	for (uint32_t i = 0; node_stats(&red[1]).cookies_sent == before; i++) {
		assert_in_range(i, 0, 20000);
		stranger(&d, i);
		wire_deliver(&d);
	}
	wire_len = 0;
}

static char *
peer_of(struct node *n)
{
	char *text, *at;

	assert_int_equal(node_uapi(n, "get=1\n\n", &text), 0);
	at = strstr(text, "endpoint=");
	assert_non_null(at);
	at = strndup(at, strcspn(at, "\n"));
	free(text);
	return (at);
}

/* A cookie is good for the address that it was given to, and whence its reply comes says nothing. */
static void
a_cookie_is_of_one_address_and_moves_nobody(void **state)
{
	struct datagram d, reply, again;
	char *before, *after;

	(void)state;
	clock_offset += 200 * SECOND;
	d = next_of(&red[0]);
	load();
	wire_deliver(&d);
	assert_int_equal(wire_len, 1);
	reply = wire[0];
	assert_int_equal(reply.len, 64);
	wire_len = 0;
	/* A true reply, from somebody else's address. */
	before = peer_of(&red[0]);
	reply.from.remote.sin.sin_addr.s_addr = htonl(0xc6336401);
	wire_deliver(&reply);
	after = peer_of(&red[0]);
	assert_string_equal(before, after);
	free(before);
	free(after);
	/* It is a cookie all the same: the next one shows it. */
	clock_step = 0;
	clock_offset += 6 * SECOND;
	run_idle();
	d.len = 0;
	for (unsigned i = 0; i < wire_len; i++)		/* others have something to say meanwhile */
		if (wire[i].to == red[1].number && wire[i].len == 148)
			d = wire[i];
	wire_len = 0;
	assert_int_equal(d.len, 148);
	assert_memory_not_equal(d.data + 132, ((uint8_t[16]){ 0 }), 16);
	load();
	/* Shown from another address, or another port, it is worth nothing: a cookie is the answer again. */
	again = d;
	again.from.remote.sin.sin_addr.s_addr ^= htonl(1);
	wire_deliver(&again);
	assert_int_equal(wire_len, 1);
	assert_int_equal(wire[0].len, 64);
	wire_len = 0;
	again = d;
	again.from.remote.sin.sin_port ^= htons(1);
	wire_deliver(&again);
	assert_int_equal(wire_len, 1);
	assert_int_equal(wire[0].len, 64);
	wire_len = 0;
	wire_deliver(&d);
	assert_int_equal(wire_len, 1);
	assert_int_equal(wire[0].len, 92);
	clock_step = 0;
	wire_run();
	assert_int_equal(node_stats(&red[0]).handshakes, 2);
}

/*
 * A worker's time, simulated: a handshake that is worked on takes 60 us (two X25519), whatever comes of it; one that
 * is dropped 300 ns; a packet of blue's, all that happens to it included, 10 us.  A worker takes turns: at most eight
 * datagrams of a port. How many of blue's packets fit `ns` of it, while red is sent `rate` initiations a second.
 */
static unsigned
blue_packets(int64_t ns, unsigned rate)
{
	static struct datagram strangers[1024];
	static int made;
	const int64_t start = callout_now(), gap = rate > 0 ? SECOND / rate : 0;
	int64_t t, before, next = start, cost;
	unsigned packets = 0, waiting = 0, n = 0;
	struct wg_stats s, was;

	for (; !made; made = 1)
		for (uint32_t i = 0; i < 1024; i++)
			stranger(&strangers[i], i);
	clock_step = 1;
	while ((t = callout_now()) - start < ns) {
		for (; gap > 0 && next <= t; next += gap)
			waiting += waiting < 4096;	/* the socket's buffer */
		for (int i = 0; i < 8 && waiting > 0; i++, waiting--) {
			was = node_stats(&red[1]);
			before = callout_now();
			clock_step = 60 * US;
			wire_deliver(&strangers[n++ % 1024]);
			clock_step = 1;
			wire_len = 0;
			s = node_stats(&red[1]);
			cost = s.ratelimited != was.ratelimited ? 300 : 60 * US;
			clock_offset -= callout_now() - before - cost;
		}
		for (int i = 0; i < 8; i++) {
			before = callout_now();
			node_send(&blue[0], "10.9.0.1", "10.9.0.2", 100);
			wire_run();
			packets++;
			clock_offset -= callout_now() - before - 10 * US;
		}
	}
	clock_step = 0;
	return (packets);
}

static void
a_flood_leaves_other_customers_nine_tenths(void **state)
{
	uint64_t before;
	unsigned alone, beside;

	(void)state;
	alone = blue_packets(SECOND, 0);
	assert_in_range(alone, 99000, 101000);
	/* Fifty thousand a second, three times what a worker could answer at all; the burst is over in a second. */
	blue_packets(SECOND, 50000);
	before = node_stats(&blue[1]).rx_packets;
	beside = blue_packets(SECOND, 50000);
	print_message("# %u of %u packets beside a flood\n", beside, alone);
	assert_int_equal(node_stats(&blue[1]).rx_packets - before, beside);
	assert_in_range(beside, alone * 9 / 10, alone);
	/* The flood did come, and was mostly not even looked at. */
	assert_true(node_stats(&red[1]).ratelimited > 40000);
	assert_int_equal(node_stats(&blue[1]).ratelimited + node_stats(&blue[1]).bad_packet, 0);
}

/* Packets that wait for peers who do not answer are bounded for a worker; who has many such peers stops nobody else. */
static void
peers_that_are_away_keep_nobody_from_his(void **state)
{
	char text[8192] = "set=1\n", dst[16];
	unsigned initiations = 0;

	(void)state;
	for (int i = 0; i < 40; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "public_key=%064x\nendpoint=192.0.2.9:9\n"
		    "allowed_ip=10.8.0.%d/32\n", 0x1000 + i, i);
	strcat(text, "\n");
	assert_int_equal(node_uapi(&red[0], text, NULL), 0);
	for (int i = 0; i < 40; i++)
		for (int k = 0; k < 64; k++) {
			snprintf(dst, sizeof(dst), "10.8.0.%d", i);
			node_send(&red[0], "10.9.0.1", dst, 100);
		}
	assert_true(node_stats(&red[0]).dropped > 0);	/* 2,048 wait, of 2,560 */
	clock_offset += 200 * SECOND;
	wire_len = 0;
	node_send(&blue[0], "10.9.0.1", "10.9.0.2", 100);
	for (unsigned i = 0; i < wire_len; i++)
		initiations += wire[i].to == blue[1].number && wire[i].len == 148;
	assert_int_equal(initiations, 1);
	time_pass(20 * SECOND, SECOND);	/* should both have begun in the same instant */
	assert_int_equal(node_stats(&blue[0]).handshakes, 2);
	node_send(&blue[0], "10.9.0.1", "10.9.0.2", 100);
	wire_run();
	assert_int_equal(node_stats(&blue[1]).rx_packets, 2);
}

/* ---- What a tunnel has to bear ---- */

/* One round, with losses. */
static void
lossy_round(void)
{
	struct datagram d;
	static unsigned n;

	/* Ten full datagrams in a row are lost of every five hundred. */
	run_idle();
	while (wire_len > 0) {
		d = wire[0];
		memmove(wire, wire + 1, --wire_len * sizeof(wire[0]));
		if (d.len < 1000 || n++ % 500 < 490)
			wire_deliver(&d);
	}
}

static void
several_lost_segments_cost_no_timer(void **state)
{
	struct listener l = { .conn = { .rxseed = 1 } };
	struct stream s = { .tosend = 8 * MB, .shut = 1, .txseed = 1 };
	struct end a = { .v = red[0].v, .ifp = red[0].ifp }, b = { .v = red[1].v, .ifp = red[1].ifp };
	int64_t start;

	(void)state;
	listener_open(&l, &b, "10.9.0.2", 80);
	stream_connect(&s, &a, "10.9.0.2", 80);
	clock_step = 1;		/* time all but stands still: no timer of TCP's comes */
	start = callout_now();
	for (int i = 0; i < 20000 && !stream_finished(&l.conn); i++)
		lossy_round();
	assert_in_range(callout_now() - start, 0, SECOND / 5);
	clock_step = 0;
	assert_int_equal(l.conn.rcvd, 8 * MB);
	assert_int_equal(l.conn.bad, 0);
	stream_close(&s, 0);
	stream_close(&l.conn, 0);
	listener_close(&l);
	wire_run();
}

static size_t
heap_used(struct vnet *v)
{
	struct vnet_heap_stats st;

	CURVNET_SET(v);
	vnet_heap_stat(&st);
	CURVNET_RESTORE();
	return (st.used);
}

/* The peer is taken out and put in again, as when its machine starts anew, and begins each time. */
static void
a_thousand_reconnects_leave_nothing(void **state)
{
	char away[256], back[1024];
	size_t used[2];

	(void)state;
	snprintf(away, sizeof(away), "set=1\npublic_key=%s\nremove=true\n\n", key_hex[1][1]);
	snprintf(back, sizeof(back), "set=1\npublic_key=%s\nendpoint=192.0.2.1:1001\nallowed_ip=10.9.0.2/32\n\n", key_hex[1][1]);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(node_uapi(&red[0], away, NULL), 0);
		assert_int_equal(node_uapi(&red[0], back, NULL), 0);
		clock_offset += SECOND;
		node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
		wire_run();
		assert_int_equal(node_stats(&red[0]).handshakes, i + 2);
		assert_int_equal(node_stats(&red[1]).handshakes, i + 2);
		assert_int_equal(node_stats(&red[1]).rx_packets, i + 2);
		if (i == 9 || i == 999)
			for (int side = 0; side < 2; side++) {
				if (i == 999)
					assert_int_equal(heap_used(red[side].v), used[side]);
				used[side] = heap_used(red[side].v);
			}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(true_messages_of_another_length_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(huge_messages_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(indices_are_random, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_sends_from_within_anothers_prefix, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cookie_is_of_one_address_and_moves_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_leaves_other_customers_nine_tenths, setup, teardown),
		cmocka_unit_test_setup_teardown(peers_that_are_away_keep_nobody_from_his, setup, teardown),
		cmocka_unit_test_setup_teardown(several_lost_segments_cost_no_timer, setup, teardown),
		cmocka_unit_test_setup_teardown(a_thousand_reconnects_leave_nothing, setup, teardown),
	};

	return (wg_test_run(tests));
}
