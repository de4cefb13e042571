/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPv6 in a stack: sockets, neighbours, addresses that are given, found duplicate, or advertised; and that a stack which
 * has nothing to do has no timer.  Time is stepped from one callout to the next.
 */
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>

#include "net-test.h"

#define ETHER 14
#define STEPS 10000

static struct pair p;
static void (*p_if_input)(struct ifnet *, struct pkt *);

static void
address_add(const struct end *e, const char *addr, unsigned prefixlen, int flags, int expected)
{
	struct in6_addr in6;

	assert_int_equal(inet_pton(AF_INET6, addr, &in6), 1);
	CURVNET_SET(e->v);
	assert_int_equal(inet->if_addaddr6(e->ifp, &in6, prefixlen, flags), expected);
	CURVNET_RESTORE();
}

/* The flags of an address; -1: it is not there. */
static int
address_flags(const struct end *e, const char *addr)
{
	struct in6_addr in6;
	struct if_addr6 a;
	int flags = -1;

	inet_pton(AF_INET6, addr, &in6);
	CURVNET_SET(e->v);
	for (unsigned i = 0; inet->if_getaddr6(e->ifp, i, &a) == 0; i++)
		if (memcmp(&a.addr, &in6, sizeof(in6)) == 0)
			flags = a.flags;
	CURVNET_RESTORE();
	return (flags);
}

/* From timer to timer, until there is none: how many. */
static int
time_passes(void)
{
	int n;

	run_idle();
	for (n = 0; callout_next(0) != INT64_MAX && n < STEPS; n++) {
		callout_process(0, callout_next(0));
		run_idle();
	}
	assert_in_range(n, 0, STEPS - 1);
	return (n);
}

static int
setup(void **state)
{
	(void)state;
	pair_make(&p, "red", 0, 0);
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

static struct sockaddr_in6
sin6(const char *addr, uint16_t port)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET6, addr, &sa.sin6_addr), 1);
	return (sa);
}

static struct socket *
datagram_socket(const struct end *e, const struct sockaddr_in6 *local)
{
	struct socket *so;

	CURVNET_SET(e->v);
	assert_int_equal(inet->socreate(AF_INET6, &so, SOCK_DGRAM, 0), 0);
	if (local != NULL)
		assert_int_equal(inet->sobind(so, local), 0);
	CURVNET_RESTORE();
	return (so);
}

static void
datagram_send(const struct end *e, struct socket *so, size_t len, const struct sockaddr_in6 *to)
{
	static const char buf[4000];

	CURVNET_SET(e->v);
	assert_int_equal(inet->sosendto(so, buf, len, to), len);
	CURVNET_RESTORE();
	run_idle();
}

/* It is there; the socket goes if it is not to be used again. */
static void
datagram_receive(const struct end *e, struct socket *so, size_t len, struct sockaddr_in6 *from)
{
	char buf[4000];

	CURVNET_SET(e->v);
	assert_int_equal(inet->soreceivefrom(so, buf, sizeof(buf), from), len);
	if (from == NULL)
		inet->soclose(so);
	CURVNET_RESTORE();
}

/* A datagram there and back. */
static void
exchange(const struct end *from, const struct end *at, const char *addr, size_t len)
{
	struct sockaddr_in6 server = sin6(addr, 7), client;
	struct socket *b = datagram_socket(at, &server), *a = datagram_socket(from, NULL);

	datagram_send(from, a, len, &server);
	datagram_receive(at, b, len, &client);
	assert_int_equal(client.sin6_family, AF_INET6);
	datagram_send(at, b, 4, &client);
	datagram_receive(from, a, 4, NULL);
	CURVNET_SET(at->v);
	inet->soclose(b);
	CURVNET_RESTORE();
}

static void
two_stacks_talk_and_then_have_no_timer(void **state)
{
	struct listener l = { .conn = { .shut = 1 } };
	struct stream s = { .tosend = MB, .shut = 1 };

	(void)state;
	address_add(&p.a, "fd00::1", 64, IN6_IFF_NODAD, 0);
	address_add(&p.b, "fd00::2", 64, IN6_IFF_NODAD, 0);
	assert_int_equal(address_flags(&p.a, "fd00::1"), 0);
	exchange(&p.a, &p.b, "fd00::2", 100);
	exchange(&p.b, &p.a, "fd00::1", 3500);	/* in fragments */
	listener_open(&l, &p.b, "fd00::2", 80);
	stream_connect(&s, &p.a, "fd00::2", 80);
	assert_true(run_until(stream_finished, &l.conn, 60000));
	assert_int_equal(l.conn.rcvd, MB);
	assert_false(l.conn.bad || s.dead);
	stream_close(&s, 0);
	stream_close(&l.conn, 0);
	listener_close(&l);
	assert_in_range(time_passes(), 1, STEPS);
	assert_int_equal(callout_next(0), INT64_MAX);
}

static void
a_prefix_has_the_length_that_it_was_given(void **state)
{
	struct sockaddr_in6 outside = sin6("fd00::1:2", 7);
	struct socket *so;

	(void)state;
	address_add(&p.a, "fd00::1", 112, IN6_IFF_NODAD, 0);
	address_add(&p.b, "fd00::2", 112, IN6_IFF_NODAD, 0);
	exchange(&p.a, &p.b, "fd00::2", 100);
	CURVNET_SET(p.a.v);
	assert_int_equal(inet->socreate(AF_INET6, &so, SOCK_DGRAM, 0), 0);
	assert_int_equal(inet->sosendto(so, "x", 1, &outside), -ENETUNREACH);
	inet->soclose(so);
	CURVNET_RESTORE();
}

static void
what_is_no_hosts_address_is_refused(void **state)
{
	(void)state;
	address_add(&p.a, "::", 64, 0, -EINVAL);
	address_add(&p.a, "::1", 128, 0, -EINVAL);
	address_add(&p.a, "ff02::1", 64, 0, -EINVAL);
	address_add(&p.a, "::ffff:10.0.0.1", 96, 0, -EINVAL);
	address_add(&p.a, "fd00::1", 129, 0, -EINVAL);
	address_add(&p.a, "fd00::1", 64, IN6_IFF_NODAD, 0);
	address_add(&p.a, "fd00::1", 64, 0, -EADDRINUSE);
	address_add(&p.a, "fd01::1", 64, IN6_IFF_NODAD, 0);
	address_add(&p.a, "fd02::1", 64, 0, -ENOSPC);
}

static void
families_do_not_mix(void **state)
{
	struct sockaddr_in6 six = sin6("fd00::1", 80);
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct socket *so, *so6;

	(void)state;
	address_add(&p.a, "fd00::1", 64, IN6_IFF_NODAD, 0);
	CURVNET_SET(p.a.v);
	assert_int_equal(inet->socreate(AF_INET, &so, SOCK_STREAM, 0), 0);
	assert_int_equal(inet->socreate(AF_INET6, &so6, SOCK_STREAM, 0), 0);
	assert_int_equal(inet->sobind(so, &six), -EAFNOSUPPORT);
	assert_int_equal(inet->soconnect(so6, &four), -EAFNOSUPPORT);
	/* The same port of both is no conflict. */
	assert_int_equal(inet->sobind(so, &four), 0);
	assert_int_equal(inet->solisten(so, 1), 0);
	assert_int_equal(inet->sobind(so6, &six), 0);
	assert_int_equal(inet->solisten(so6, 1), 0);
	inet->soclose(so);
	inet->soclose(so6);
	CURVNET_RESTORE();
}

static void
a_duplicate_address_is_found(void **state)
{
	(void)state;
	address_add(&p.a, "fd00::1", 64, IN6_IFF_NODAD, 0);
	address_add(&p.b, "fd00::1", 64, 0, 0);
	address_add(&p.b, "fd00::2", 64, 0, 0);
	assert_int_equal(address_flags(&p.b, "fd00::2"), IN6_IFF_TENTATIVE);
	time_passes();
	assert_int_equal(address_flags(&p.a, "fd00::1"), 0);
	assert_int_equal(address_flags(&p.b, "fd00::1"), IN6_IFF_DUPLICATED);
	assert_int_equal(address_flags(&p.b, "fd00::2"), 0);
}

/* A router's advertisement comes in at stack a: of fd42::/64, for `seconds`. */
static void
advertise(unsigned seconds)
{
	struct {
		struct ip6_hdr ip;
		struct nd_router_advert ra;
		struct nd_opt_prefix_info prefix;
	} __attribute__((packed)) m = { .ip.ip6_plen = htons(sizeof(m.ra) + sizeof(m.prefix)),
	    .ip.ip6_nxt = IPPROTO_ICMPV6, .ip.ip6_hlim = 255, .ra.nd_ra_type = ND_ROUTER_ADVERT };
	struct pkt *pkt = pkt_alloc(0);
	struct if_data a;

	end_data(&p.a, &a);
	m.ip.ip6_vfc = 6 << 4;
	inet_pton(AF_INET6, "fe80::1", &m.ip.ip6_src);
	inet_pton(AF_INET6, "ff02::1", &m.ip.ip6_dst);
	m.ra.nd_ra_router_lifetime = htons((uint16_t)seconds);
	m.prefix.nd_opt_pi_type = ND_OPT_PREFIX_INFORMATION;
	m.prefix.nd_opt_pi_len = 4;
	m.prefix.nd_opt_pi_prefix_len = 64;
	m.prefix.nd_opt_pi_flags_reserved = ND_OPT_PI_FLAG_ONLINK | ND_OPT_PI_FLAG_AUTO;
	m.prefix.nd_opt_pi_valid_time = htonl(seconds);
	m.prefix.nd_opt_pi_preferred_time = htonl(seconds);
	inet_pton(AF_INET6, "fd42::", &m.prefix.nd_opt_pi_prefix);
	memset(pkt->p_data, 0x33, 6);
	memcpy(pkt->p_data + 6, "\x02\0\0\0\0\x99", 6);
	pkt->p_data[12] = 0x86;
	pkt->p_data[13] = 0xdd;
	memcpy(pkt->p_data + ETHER, &m, sizeof(m));
	pkt->p_len = ETHER + sizeof(m);
	pkt->p_csum = PKT_CSUM_VALID;
	CURVNET_SET(p.a.v);
	p_if_input(p.a.ifp, pkt);
	CURVNET_RESTORE();
	run_idle();
}

/* The state of the address under fd42::/64, or -1. */
static int
advertised_flags(void)
{
	struct if_addr6 a;
	int flags = -1;

	CURVNET_SET(p.a.v);
	for (unsigned i = 0; inet->if_getaddr6(p.a.ifp, i, &a) == 0; i++)
		if (a.addr.s6_addr[0] == 0xfd && a.addr.s6_addr[1] == 0x42)
			flags = a.flags;
	CURVNET_RESTORE();
	return (flags);
}

static void
an_advertised_prefix_makes_an_address_which_expires(void **state)
{
	(void)state;
	CURVNET_SET(p.a.v);
	assert_int_equal(inet->if_acceptrtadv(p.a.ifp), 0);
	CURVNET_RESTORE();
	advertise(7300);	/* what is below two hours shortens nothing (RFC 4862, 5.5.3) */
	assert_int_equal(advertised_flags(), IN6_IFF_TENTATIVE);
	for (int i = 0; i < 100 && advertised_flags() != 0; i++) {
		callout_process(0, callout_next(0));
		run_idle();
	}
	assert_int_equal(advertised_flags(), 0);
	assert_in_range(time_passes(), 7000, STEPS);
	assert_int_equal(advertised_flags(), -1);
}

static void
advertisements_are_ignored_where_addresses_were_given(void **state)
{
	(void)state;
	address_add(&p.a, "fd00::1", 64, IN6_IFF_NODAD, 0);
	time_passes();
	advertise(7300);
	assert_int_equal(advertised_flags(), -1);
	assert_int_equal(callout_next(0), INT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_stacks_talk_and_then_have_no_timer, setup, teardown),
		cmocka_unit_test_setup_teardown(a_prefix_has_the_length_that_it_was_given, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_hosts_address_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(families_do_not_mix, setup, teardown),
		cmocka_unit_test_setup_teardown(a_duplicate_address_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(an_advertised_prefix_makes_an_address_which_expires, setup, teardown),
		cmocka_unit_test_setup_teardown(advertisements_are_ignored_where_addresses_were_given, setup, teardown),
	};
	int failed;

	net_test_init(1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	net_test_fini();
	return (failed);
}
