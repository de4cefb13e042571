/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session is good for a number of messages, which nobody reaches in a lifetime; if_wg_few.ko, the same module with
 * 1,000 and 2,000 for 2^60 and 2^64 - 2^13 - 1, reaches them at once.
 */
#include "wg-test.h"

#define REKEY 1000		/* as modules/meson.build has them */
#define REJECT 2000

static struct node red[2];

static int
setup(void **state)
{
	(void)state;
	nodes_make(red, "red", 0);
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	wire_run();
	clock_offset += 10 * SECOND;	/* so that another handshake may begin at once */
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

/* Send until `n` were sealed in all; handshakes are lost, data arrives.  Returns how many initiations there were. */
static unsigned
send_until(uint64_t n)
{
	unsigned initiations = 0;

	for (uint64_t i = node_stats(&red[0]).tx_packets; i < n; i++) {
		node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
		for (unsigned k = 0; k < wire_len; k++)
			if (wire[k].len == 148)
				initiations++;
			else
				wire_deliver(&wire[k]);
		wire_len = 0;
	}
	return (initiations);
}

static void
a_session_is_renewed_after_so_many_messages(void **state)
{
	(void)state;
	assert_int_equal(send_until(REKEY - 10), 0);
	assert_int_equal(node_stats(&red[0]).handshakes, 1);
	for (int i = 0; i < 20; i++) {
		node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
		wire_run();
	}
	assert_int_equal(node_stats(&red[0]).handshakes, 2);
	assert_int_equal(node_stats(&red[1]).handshakes, 2);
	assert_int_equal(node_stats(&red[1]).rx_packets, REKEY + 10);	/* and none was lost for it */
}

static void
a_session_that_cannot_be_renewed_ends(void **state)
{
	struct wg_stats s;

	(void)state;
	/* The counter began with a keepalive, which is a message, too. */
	assert_in_range(send_until(REJECT - 2), 1, 100);
	s = node_stats(&red[0]);
	for (int i = 0; i < 10; i++) {
		node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
		for (unsigned k = 0; k < wire_len; k++)
			if (wire[k].len != 148)
				wire_deliver(&wire[k]);
		wire_len = 0;
	}
	/* Not one more than there may be, and what is beyond waits. */
	assert_in_range(node_stats(&red[0]).tx_packets, REJECT - 2, REJECT);
	assert_int_equal(node_stats(&red[1]).rx_packets, node_stats(&red[0]).tx_packets);
	/* Until a handshake comes through: a new session, from 0. */
	time_pass(10 * SECOND, SECOND);
	assert_int_equal(node_stats(&red[0]).handshakes, s.handshakes + 1);
	assert_int_equal(node_stats(&red[1]).rx_packets, REJECT - 2 + 10);
}

/* The receiver has the same limit, whatever a sender thinks of his own. */
static void
a_message_beyond_the_limit_is_not_opened(void **state)
{
	static const uint64_t beyond[] = { REJECT, REJECT + 1, UINT64_C(1) << 60, UINT64_MAX - 8192, UINT64_MAX };
	struct datagram d;
	uint64_t bad;

	(void)state;
	node_send(&red[0], "10.9.0.1", "10.9.0.2", 100);
	d = wire[0];
	wire_len = 0;
	for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		bad = node_stats(&red[1]).bad_packet;
		memcpy(d.data + 8, &beyond[i], 8);
		wire_deliver(&d);
		assert_int_equal(node_stats(&red[1]).bad_packet, bad + 1);
		assert_int_equal(node_stats(&red[1]).replayed, 0);
	}
	assert_int_equal(node_stats(&red[1]).rx_packets, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_session_is_renewed_after_so_many_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(a_session_that_cannot_be_renewed_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(a_message_beyond_the_limit_is_not_opened, setup, teardown),
	};

	return (wg_test_run(tests));
}
