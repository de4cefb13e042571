/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers where there are ten thousand stacks: what waits in one of them expires there, and the others are not visited.
 *
 * Time is stepped from one callout to the next; each that runs is counted, so a stack that ticked for nothing would show.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <uvnet/sysctl.h>

#include "net-test.h"

#define STACKS 10000
#define ETHER 14
#define ARP_PENDING 5		/* seconds that a neighbour is asked for (lwIP's etharp.c) */
#define ARP_AGE 300		/* seconds that an answer is good for */
#define REASSEMBLY 15		/* seconds that fragments wait (IP_REASS_MAXAGE) */

static struct pair *pairs, *one;
static struct end alone;	/* on a link where nobody answers */
static unsigned char frames[4];	/* what `alone` sent, by kind of DHCP message */

/* All callouts until there is none, or `max` ran: how many. */
static unsigned
time_passes(unsigned max)
{
	unsigned n = 0;

	run_idle();
	while (n < max && callout_next(0) != INT64_MAX) {
		n += callout_process(0, callout_next(0));
		run_idle();
	}
	return (n);
}

static void
send_to(const struct end *e, int family, const char *addr)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct socket *so;

	inet_pton(family, addr, family == AF_INET ? (void *)&sin.sin_addr : &sin6.sin6_addr);
	CURVNET_SET(e->v);
	assert_int_equal(inet->socreate(family, &so, SOCK_DGRAM, 0), 0);
	if (family == AF_INET)
		assert_int_equal(inet->sosendto(so, "x", 1, &sin), 1);
	else
		assert_int_equal(inet->sosendto(so, "x", 1, &sin6), 1);
	inet->soclose(so);
	CURVNET_RESTORE();
}

static size_t
heap_used(const struct end *e)
{
	struct vnet_heap_stats stats;

	CURVNET_SET(e->v);
	vnet_heap_stat(&stats);
	CURVNET_RESTORE();
	return (stats.used);
}

static void
a_neighbour_who_does_not_answer_is_given_up(void **state)
{
	const size_t used = heap_used(&one->a);

	(void)state;
	assert_int_equal(callout_next(0), INT64_MAX);	/* ten thousand, and nothing to do */
	send_to(&one->a, AF_INET, "10.0.0.77");
	assert_true(heap_used(&one->a) > used);		/* the datagram waits */
	assert_in_range(time_passes(1000), ARP_PENDING - 1, ARP_PENDING + 1);
	assert_int_equal(heap_used(&one->a), used);
	assert_int_equal(callout_next(0), INT64_MAX);
}

static void
an_answer_of_arp_is_forgotten(void **state)
{
	(void)state;
	send_to(&one->a, AF_INET, "10.0.0.2");
	/* Both sides have an entry. */
	assert_in_range(time_passes(10000), 2 * ARP_AGE - 10, 2 * ARP_AGE + 10);
	assert_int_equal(callout_next(0), INT64_MAX);
}

static void
a_neighbour_of_inet6_who_does_not_answer_is_given_up(void **state)
{
	struct in6_addr in6;
	size_t used;

	(void)state;
	inet_pton(AF_INET6, "fd00::1", &in6);
	CURVNET_SET(one->a.v);
	assert_int_equal(inet->if_addaddr6(one->a.ifp, &in6, 64, IN6_IFF_NODAD), 0);
	CURVNET_RESTORE();
	assert_in_range(time_passes(1000), 0, 200);	/* its groups are reported */
	used = heap_used(&one->a);
	send_to(&one->a, AF_INET6, "fd00::77");
	assert_true(heap_used(&one->a) > used);
	assert_in_range(time_passes(1000), 2, 10);	/* three solicitations, a second each */
	assert_int_equal(heap_used(&one->a), used);
	assert_int_equal(callout_next(0), INT64_MAX);
}

/* The first fragment of a datagram of 100 bytes. */
static void
fragment_inject(const struct end *from, const struct end *to)
{
	void (*input)(struct ifnet *, struct pkt *) = kld_lookup(inet_file, "if_input");
	struct ip ip = { .ip_v = 4, .ip_hl = 5, .ip_ttl = 64, .ip_p = IPPROTO_UDP, .ip_id = htons(77),
	    .ip_len = htons(20 + 64), .ip_off = htons(IP_MF) };
	struct pkt *pkt = pkt_alloc(0);
	unsigned char *frame = pkt->p_data;
	struct if_data a, b;

	end_data(to, &a);
	end_data(from, &b);
	memset(frame, 0, ETHER + 20 + 64);
	memcpy(frame, a.mac, 6);
	memcpy(frame + 6, b.mac, 6);
	frame[12] = 0x08;
	ip.ip_src = b.addr;
	ip.ip_dst = a.addr;
	memcpy(frame + ETHER, &ip, sizeof(ip));
	pkt->p_len = ETHER + 20 + 64;
	pkt->p_csum = PKT_CSUM_VALID;
	CURVNET_SET(to->v);
	input(to->ifp, pkt);
	CURVNET_RESTORE();
}

static int
fragments(const struct end *e)
{
	char text[SYSCTL_TEXTLEN];

	CURVNET_SET(e->v);
	assert_true(sysctl_get(sysctl_find("net.inet.ip.fragpackets"), text) > 0);
	CURVNET_RESTORE();
	return (atoi(text));
}

static void
a_datagram_that_stays_incomplete_is_given_up(void **state)
{
	const unsigned used = bufs_used();

	(void)state;
	fragment_inject(&one->b, &one->a);
	assert_int_equal(fragments(&one->a), 1);
	assert_int_equal(fragments(&one->b), 0);
	assert_int_equal(bufs_used(), used + 1);
	/* Its sender is told, by ICMP, which takes an entry of ARP on both sides. */
	assert_in_range(time_passes(10000), REASSEMBLY, REASSEMBLY + 2 * ARP_AGE + 20);
	assert_int_equal(fragments(&one->a), 0);
	assert_int_equal(bufs_used(), used);
	assert_int_equal(callout_next(0), INT64_MAX);
}

static void
watch(void *arg, const struct pkt *pkt, enum if_tap_dir dir)
{
	const unsigned char *frame = pkt->p_data;

	(void)arg;
	/* To the port of DHCP servers: the message's type is its first option. */
	if (dir == IF_TAP_OUT && pkt->p_len > 285 && frame[12] == 0x08 && frame[13] == 0x00 && frame[ETHER + 23] == 67 &&
	    frame[ETHER + 20 + 8 + 240] == 53)
		frames[frame[ETHER + 20 + 8 + 242] & 3]++;
}

static void
a_server_of_dhcp_that_is_silent_is_asked_again(void **state)
{
	(void)state;
	CURVNET_SET(alone.v);
	inet->if_settap(alone.ifp, watch, NULL);
	assert_int_equal(inet->if_dhcp(alone.ifp), 0);
	CURVNET_RESTORE();
	run_idle();
	assert_int_equal(frames[1], 1);			/* DHCPDISCOVER */
	/* A fine timer of half a second, a coarse one of a minute; the requests' times double, from 2 s. */
	assert_in_range(time_passes(64), 64, 66);
	assert_in_range(frames[1], 3, 6);
	vnet_destroy(alone.v);
	alone.v = NULL;
	run_idle();
	assert_int_equal(callout_next(0), INT64_MAX);
}

static int
setup(void **state)
{
	char name[32];

	(void)state;
	pairs = calloc(STACKS / 2, sizeof(*pairs));
	assert_non_null(pairs);
	for (unsigned i = 0; i < STACKS / 2; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		pair_make(&pairs[i], name, 0, 0);
		if (i % 100 == 0)
			run_idle();	/* announcements */
	}
	one = &pairs[STACKS / 4];
	end_make(&alone, "alone", NULL, NULL);
	/* It has a carrier: the other end is there, and says nothing. */
	end_make(&(struct end){ NULL, NULL }, "mute", NULL, alone.ifp);
	run_idle();
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STACKS / 2; i++)
		pair_destroy(&pairs[i]);
	vnet_destroy(vnet_find("mute"));
	free(pairs);
	run_idle();
	return (bufs_used() == 0 ? 0 : -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_neighbour_who_does_not_answer_is_given_up),
		cmocka_unit_test(an_answer_of_arp_is_forgotten),
		cmocka_unit_test(a_neighbour_of_inet6_who_does_not_answer_is_given_up),
		cmocka_unit_test(a_datagram_that_stays_incomplete_is_given_up),
		cmocka_unit_test(a_server_of_dhcp_that_is_silent_is_asked_again),
	};
	int failed;

	net_test_init_max(1, STACKS + 8);
	failed = cmocka_run_group_tests(tests, setup, teardown);
	net_test_fini();
	return (failed);
}
