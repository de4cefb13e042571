/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `egress`: what the peers of a stack's tunnel send to the world is carried on by sockets of the host.
 *
 * The stack takes in what is for no address of its own (net/egress.c) and asks here.  A connection is admitted in the
 * stack only once the host's is made; if that fails, the peer is told how.  From there on it is a relay as any other,
 * and counts as one of the stack's `connections`; above those a SYN stays unanswered, and the peer asks again.
 *
 * Who may go where: nothing is allowed but what a rule has in it.  And a rule for the whole Internet does not mean
 * this host: an address of the host's own is reached only by a rule that names just that address, loopback by none
 * (that is what `publish` is for), and 169.254.0.0/16, where clouds keep their instances' secrets, only by a rule
 * within it.  Whether an address is the host's is asked of the kernel's routing table each time
 * (rtnetlink(7)), since addresses come and go.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "egress.h"
#include "relay.h"

#define CONNECT_TRIES 4		/* SYNs of the host after the first: it gives up after half a minute */

/* ---- Whether it may ---- */

/* What kind of route leads there: RTN_UNICAST, RTN_LOCAL...; -errno, -ENETUNREACH among them. */
static int
route_type(const union config_addr *to)
{
	const int six = to->sa.sa_family == AF_INET6;
	const size_t len = six ? sizeof(to->sin6.sin6_addr) : sizeof(to->sin.sin_addr);
	struct {
		struct nlmsghdr h;
		struct rtmsg rt;
		struct rtattr attr;
		unsigned char addr[16];
	} ask = { .h = { .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST },
	    .rt = { .rtm_family = to->sa.sa_family, .rtm_dst_len = (unsigned char)(8 * len) },
	    .attr = { .rta_type = RTA_DST, .rta_len = (unsigned short)RTA_LENGTH(len) } };
	union {
		struct nlmsghdr h;
		char space[2048];
	} answer;
	ssize_t n;
	int fd, error = 0;

	memcpy(ask.addr, six ? (const void *)&to->sin6.sin6_addr : &to->sin.sin_addr, len);
	ask.h.nlmsg_len = (unsigned)(offsetof(__typeof__(ask), addr) + len);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return (-errno);
	/* The kernel has answered when send(2) returns. */
	if (send(fd, &ask, ask.h.nlmsg_len, 0) < 0 || (n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT)) < 0)
		error = -errno;
	close(fd);
	if (error != 0)
		return (error);
	if ((size_t)n >= NLMSG_LENGTH(sizeof(struct nlmsgerr)) && answer.h.nlmsg_type == NLMSG_ERROR)
		return (((const struct nlmsgerr *)NLMSG_DATA(&answer.h))->error);
	if ((size_t)n < NLMSG_LENGTH(sizeof(struct rtmsg)) || answer.h.nlmsg_type != RTM_NEWROUTE)
		return (-EPROTO);
	return (((const struct rtmsg *)NLMSG_DATA(&answer.h))->rtm_type);
}

static int
rule_covers(const struct config_egress *r, const union config_addr *to)
{
	const unsigned char *a, *b;
	const uint16_t port = ntohs(to->sin.sin_port);
	const int six = to->sa.sa_family == AF_INET6, bytes = r->prefixlen / 8, bits = r->prefixlen % 8;

	if (r->six != six || port < r->first || port > r->last)
		return (0);
	a = six ? r->net6.s6_addr : (const unsigned char *)&r->net;
	b = six ? to->sin6.sin6_addr.s6_addr : (const unsigned char *)&to->sin.sin_addr;
	if (memcmp(a, b, (size_t)bytes) != 0)
		return (0);
	return (bits == 0 || ((a[bytes] ^ b[bytes]) & 0xff00 >> bits & 0xff) == 0);
}

/* How long a rule's prefix has to be for it to mean that address. */
static int
prefix_wanted(const union config_addr *to, int *error)
{
	const uint32_t host = ntohl(to->sin.sin_addr.s_addr);
	const struct in6_addr *in6 = &to->sin6.sin6_addr;
	int type;

	*error = 0;
	if (to->sa.sa_family == AF_INET) {
		if (host >> 24 == 127)
			*error = -EACCES;
		if (host >> 16 == 0xa9fe)
			return (16);
	} else {
		/* ::1; and ::a.b.c.d and ::ffff:a.b.c.d, which are IPv4 in disguise. */
		if (IN6_IS_ADDR_V4MAPPED(in6) || memcmp(in6, &in6addr_any, 12) == 0 || IN6_IS_ADDR_MULTICAST(in6))
			*error = -EACCES;
	}
	if (*error != 0)
		return (0);
	type = route_type(to);
	if (type < 0)
		*error = type;
	else if (type == RTN_LOCAL)
		return (to->sa.sa_family == AF_INET ? 32 : 128);
	else if (type != RTN_UNICAST)
		*error = type == RTN_UNREACHABLE ? -EHOSTUNREACH : -EACCES;
	return (0);
}

int
egress_permit(const struct egress *eg, const union config_addr *to)
{
	int longest = -1, error, wanted;

	for (size_t i = 0; i < eg->eg_nrules; i++)
		if (eg->eg_rules[i].prefixlen > longest && rule_covers(&eg->eg_rules[i], to))
			longest = eg->eg_rules[i].prefixlen;
	if (longest < 0)
		return (-EACCES);
	wanted = prefix_wanted(to, &error);
	if (error != 0)
		return (error);
	return (longest >= wanted ? 0 : -EACCES);
}

/* ---- Connections ---- */

static void
addr_in(union config_addr *addr, so_addr_t from)
{
	memset(addr, 0, sizeof(*addr));
	if (from.sa->sa_family == AF_INET6)
		addr->sin6 = *from.sin6;
	else
		addr->sin = *from.sin;
}

/* A socket of the host that connects, or -errno. */
static int
egress_connect(const union config_addr *to)
{
	int fd, error = 0, tries = CONNECT_TRIES;

	fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (-errno);
	setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &tries, sizeof(tries));
	if (!forward_hasroom(fd))
		error = -EMFILE;
	else if (connect(fd, &to->sa, config_addrlen(to)) != 0 && errno != EINPROGRESS)
		error = -errno;
	if (error == 0)
		return (fd);
	close(fd);
	return (error);
}

/* From within the stack's input. */
static void
egress_syn(void *arg, struct socket *so, so_addr_t from, so_addr_t to)
{
	struct egress *eg = arg;
	union config_addr addr;
	int fd = -1, error;

	(void)from;
	addr_in(&addr, to);
	error = egress_permit(eg, &addr);
	if (error == 0)
		error = fd = stack_isfull(eg->eg_stack) ? -ENOBUFS : egress_connect(&addr);
	if (fd >= 0) {
		relay_create(eg->eg_stack, fd, 1, so);
		return;
	}
	eg->eg_stack->st_failed++;
	inet->sorefuse(so, errno_is_shortage(-error) ? 0 : -error);
}

/* ---- Making ---- */

static const struct egress_ops egress_ops = { .syn = egress_syn, .datagram = egress_udp_datagram };

/* The stack has a way to everything, by its tunnel's allowed IPs: then nothing is the world. */
static int
has_default(void)
{
	struct rt_data rt;
	struct rt_data6 rt6;

	for (unsigned i = 0; inet->rt_get(i, &rt) == 0; i++)
		if (rt.prefixlen == 0)
			return (1);
	for (unsigned i = 0; inet->rt_get6(i, &rt6) == 0; i++)
		if (rt6.prefixlen == 0)
			return (1);
	return (0);
}

int
egress_create(struct stack *st, const struct config_vnet *cv, struct uverr *err)
{
	struct egress *eg;
	int error = -ENOMEM;

	if (has_default())
		return (uverr(err, EINVAL, "egress: the tunnel has a route to everything (AllowedIPs), which leaves nothing to go"
		    " out"));
	eg = calloc(1, sizeof(*eg));
	if (eg == NULL)
		goto fail;
	eg->eg_stack = st;
	eg->eg_nrules = cv->negress;
	eg->eg_rules = malloc(cv->negress * sizeof(*cv->egress));
	if (eg->eg_rules == NULL)
		goto fail_eg;
	memcpy(eg->eg_rules, cv->egress, cv->negress * sizeof(*cv->egress));
	error = egress_udp_create(eg, cv->egress_idle != 0 ? cv->egress_idle : CONFIG_UDPIDLE);
	if (error != 0)
		goto fail_rules;
	st->st_egress = eg;
	error = egress_resume(st);
	if (error != 0)
		goto fail_udp;
	return (0);
fail_udp:
	st->st_egress = NULL;
	egress_udp_destroy(eg);
fail_rules:
	free(eg->eg_rules);
fail_eg:
	free(eg);
fail:
	return (uverr(err, -error, "egress: %s", strerror(-error)));
}

void
egress_suspend(struct stack *st)
{
	struct egress *eg = st->st_egress;

	egress_udp_flush(eg);
	eg->eg_ifp = NULL;
}

int
egress_resume(struct stack *st)
{
	struct egress *eg = st->st_egress;
	struct ifnet *ifp = inet->ifunit("wg0");
	int error;

	error = ifp != NULL ? inet->if_setegress(ifp, &egress_ops, eg) : -ENXIO;
	if (error == 0)
		eg->eg_ifp = ifp;
	return (error);
}

/* Its relays are destroyed, and no packet comes in any more: with all workers stopped. */
void
egress_destroy(struct stack *st)
{
	struct egress *eg = st->st_egress;

	if (eg == NULL)
		return;
	st->st_egress = NULL;
	egress_udp_destroy(eg);
	free(eg->eg_rules);
	free(eg);
}
