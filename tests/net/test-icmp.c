/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets made by hand: echo requests, fragments, checksums, as a watcher of the link sees them.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

#include "net-test.h"

#define ETHER 14

static struct pair p;
static struct if_data data_a, data_b;
static void (*p_if_input)(struct ifnet *, struct pkt *);

/* What the watcher saw: ICMP messages out of stack a, and TCP segments with a right and a wrong checksum. */
static struct {
	unsigned replies, len, tcp_right, tcp_wrong;
	unsigned char last[2048];
} seen;

static uint16_t
checksum(const void *buf, size_t len, uint32_t sum)
{
	const unsigned char *b = buf;

	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)b[i] << (i % 2 == 0 ? 8 : 0);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return ((uint16_t)~sum);
}

static void
watch(void *arg, const struct pkt *pkt, enum if_tap_dir dir)
{
	const unsigned char *frame = pkt->p_data;
	struct ip ip;
	size_t len;

	(void)arg;
	if (dir != IF_TAP_OUT || pkt->p_len < ETHER + sizeof(ip) || frame[12] != 0x08 || frame[13] != 0x00)
		return;
	memcpy(&ip, frame + ETHER, sizeof(ip));
	len = ntohs(ip.ip_len) - sizeof(ip);
	if (ip.ip_p == IPPROTO_ICMP && (ntohs(ip.ip_off) & IP_OFFMASK) == 0) {
		seen.replies += frame[ETHER + sizeof(ip)] == ICMP_ECHOREPLY;
		seen.len = (unsigned)len;
		memcpy(seen.last, frame + ETHER + sizeof(ip), len);
	}
	if (ip.ip_p == IPPROTO_TCP) {
		/* The pseudo header: addresses, protocol, length. */
		uint32_t sum = IPPROTO_TCP + (uint32_t)len;
		const unsigned char *a = frame + ETHER + 12;

		for (int i = 0; i < 8; i += 2)
			sum += (uint32_t)a[i] << 8 | a[i + 1];
		if (checksum(frame + ETHER + sizeof(ip), len, sum) == 0)
			seen.tcp_right++;
		else
			seen.tcp_wrong++;
	}
}

static int
setup(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	pair_make(&p, "red", 0, 0);
	end_data(&p.a, &data_a);
	end_data(&p.b, &data_b);
	CURVNET_SET(p.a.v);
	inet->if_settap(p.a.ifp, watch, NULL);
	CURVNET_RESTORE();
	p_if_input = kld_lookup(inet_file, "if_input");
	assert_non_null(p_if_input);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	pair_destroy(&p);
	run_idle();
	assert_int_equal(bufs_used(), 0);
	return (0);
}

/* An IPv4 packet from 10.0.0.2 comes in at 10.0.0.1: `len` bytes of `msg`, at `off` in the datagram. */
static void
inject(const unsigned char *msg, size_t len, unsigned off, int csum)
{
	struct pkt *pkt = pkt_alloc(0);
	struct ip ip = { .ip_v = 4, .ip_hl = 5, .ip_ttl = 64, .ip_p = IPPROTO_ICMP, .ip_id = htons(77) };
	unsigned char *frame = pkt->p_data;

	memcpy(frame, data_a.mac, 6);
	memcpy(frame + 6, data_b.mac, 6);
	frame[12] = 0x08;
	frame[13] = 0x00;
	ip.ip_src = data_b.addr;
	ip.ip_dst = data_a.addr;
	ip.ip_len = htons((uint16_t)(len + sizeof(ip)));
	ip.ip_off = htons((uint16_t)off);
	ip.ip_sum = htons(checksum(&ip, sizeof(ip), 0));
	memcpy(frame + ETHER, &ip, sizeof(ip));
	memcpy(frame + ETHER + sizeof(ip), msg, len);
	pkt->p_len = (uint32_t)(ETHER + sizeof(ip) + len);
	pkt->p_csum = (uint16_t)csum;
	CURVNET_SET(p.a.v);
	p_if_input(p.a.ifp, pkt);
	CURVNET_RESTORE();
	run_idle();
}

static size_t
echo_request(unsigned char *msg, size_t len)
{
	uint16_t sum;

	memset(msg, 0, 8);
	msg[0] = ICMP_ECHO;
	for (size_t i = 8; i < len; i++)
		msg[i] = (unsigned char)i;
	sum = htons(checksum(msg, len, 0));
	memcpy(msg + 2, &sum, 2);
	return (len);
}

static void
an_echo_request_is_answered(void **state)
{
	unsigned char msg[1480];

	(void)state;
	inject(msg, echo_request(msg, 56), 0, 0);
	assert_int_equal(seen.replies, 1);
	assert_int_equal(seen.len, 56);
	assert_memory_equal(seen.last + 8, msg + 8, 48);
	inject(msg, echo_request(msg, sizeof(msg)), 0, 0);
	assert_int_equal(seen.replies, 2);
	assert_int_equal(seen.len, sizeof(msg));
}

static void
a_wrong_checksum_counts_unless_it_was_vouched_for(void **state)
{
	unsigned char msg[56];

	(void)state;
	echo_request(msg, sizeof(msg));
	msg[20] ^= 1;
	inject(msg, sizeof(msg), 0, 0);
	assert_int_equal(seen.replies, 0);
	inject(msg, sizeof(msg), 0, PKT_CSUM_VALID);
	assert_int_equal(seen.replies, 1);
}

static void
fragments_are_put_together(void **state)
{
	unsigned char msg[4000];

	(void)state;
	echo_request(msg, sizeof(msg));
	inject(msg + 2000, 1000, 2000 / 8 | IP_MF, 0);
	inject(msg, 1000, IP_MF, 0);
	inject(msg + 3000, 1000, 3000 / 8, 0);
	assert_int_equal(seen.replies, 0);
	inject(msg + 1000, 1000, 1000 / 8 | IP_MF, 0);
	/* The answer is itself too long for one packet. */
	assert_int_equal(seen.replies, 1);
	assert_int_equal(seen.len, 1480);
}

static void
a_datagram_that_stays_incomplete_expires(void **state)
{
	unsigned char msg[1000];

	(void)state;
	assert_int_equal(callout_next(0), INT64_MAX);
	echo_request(msg, sizeof(msg));
	inject(msg, 800, IP_MF, 0);
	assert_int_equal(bufs_used(), 1);
	assert_true(callout_next(0) != INT64_MAX);
	callout_process(0, INT64_MAX - 1);
	run_idle();
	assert_int_equal(bufs_used(), 0);
	/* That was told to the sender, who is a neighbour since then, and forgotten in his time. */
	callout_process(0, INT64_MAX - 1);
	run_idle();
	assert_int_equal(callout_next(0), INT64_MAX);
}

static void
checksums_are_filled_in_when_asked_for(void **state)
{
	struct listener l = { 0 };
	struct stream s = { .tosend = 200000, .shut = 1 };

	(void)state;
	CURVNET_SET(p.a.v);
	inet->if_setchecksums(p.a.ifp, 1);
	CURVNET_RESTORE();
	listener_open(&l, &p.b, "10.0.0.2", 80);
	stream_connect(&s, &p.a, "10.0.0.2", 80);
	assert_true(run_until(stream_finished, &l.conn, 5000));
	assert_int_equal(l.conn.rcvd, 200000);
	assert_in_range(seen.tcp_right, 200000 / 1460, 1000);
	assert_int_equal(seen.tcp_wrong, 0);
	stream_close(&s, 0);
	stream_close(&l.conn, 0);
	listener_close(&l);
}

/* What a third stack, behind stack a, gets of packets that nobody has checked. */
static unsigned passed, vouched;

static void
watch_third(void *arg, const struct pkt *pkt, enum if_tap_dir dir)
{
	(void)arg;
	if (dir != IF_TAP_IN || pkt->p_len < ETHER + sizeof(struct ip) || pkt->p_data[12] != 0x08 || pkt->p_data[13] != 0x00)
		return;
	passed++;
	vouched += (pkt->p_csum & PKT_CSUM_VALID) != 0;
}

static void
inet_setforwarding(struct vnet *v)
{
	CURVNET_SET(v);
	inet->ip_setforwarding(1);
	CURVNET_RESTORE();
}

static void
end_add(struct end *e, const char *name, const char *addr, struct ifnet *peer)
{
	const struct epair_params params = { .peer = peer };
	struct in_addr in;

	inet_pton(AF_INET, addr, &in);
	CURVNET_SET(e->v);
	assert_int_equal(inet->if_clone_create("epair", name, &params, &e->ifp), 0);
	assert_int_equal(inet->if_addaddr(e->ifp, in, 24), 0);
	CURVNET_RESTORE();
}

static void
a_forwarded_packet_stays_unchecked_while_it_waits_for_arp(void **state)
{
	const struct in_addr self = data_a.addr;
	unsigned char msg[56];
	struct end a = p.a, c;
	struct uverr err;

	(void)state;
	passed = vouched = 0;
	inet_setforwarding(a.v);
	end_add(&a, "ep1", "10.1.0.1", NULL);
	if (vnet_alloc("third", 0, &c.v, &err) != 0)
		fail_msg("%s", err.text);
	end_add(&c, "ep0", "10.1.0.2", a.ifp);
	CURVNET_SET(c.v);
	inet->if_settap(c.ifp, watch_third, NULL);
	CURVNET_RESTORE();
	echo_request(msg, sizeof(msg));
	inet_pton(AF_INET, "10.1.0.2", &data_a.addr);
	inject(msg, sizeof(msg), 0, 0);		/* the first waits for the neighbour's address, */
	inject(msg, sizeof(msg), 0, 0);		/* the second does not */
	data_a.addr = self;
	assert_int_equal(passed, 2);
	assert_int_equal(vouched, 0);
	vnet_destroy(c.v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_echo_request_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(a_wrong_checksum_counts_unless_it_was_vouched_for, setup, teardown),
		cmocka_unit_test_setup_teardown(fragments_are_put_together, setup, teardown),
		cmocka_unit_test_setup_teardown(a_datagram_that_stays_incomplete_expires, setup, teardown),
		cmocka_unit_test_setup_teardown(a_forwarded_packet_stays_unchecked_while_it_waits_for_arp, setup, teardown),
		cmocka_unit_test_setup_teardown(checksums_are_filled_in_when_asked_for, setup, teardown),
	};
	int failed;

	net_test_init(1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	net_test_fini();
	return (failed);
}
