/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routes, and forwarding between a stack's interfaces.
 *
 * lwIP knows the networks of its interfaces and one default.  This adds routes over gateways: a list, the longest
 * prefix first, of which lwIP asks twice by its hooks: which interface (inet_route(), which decides for connected
 * networks as well, so that the longest prefix wins among all), and which neighbour there (inet_gateway()).  A route
 * whose interface is down counts as not there.
 *
 * A link without frames, a tunnel, has no neighbours: a route over it names the interface and no gateway.
 *
 * Forwarding is lwIP's, off until a stack is told to be a router, as FreeBSD's net.inet.ip.forwarding.  What may not
 * pass is decided in inet_canforward(), before lwIP touches the packet.  There also are checksums filled in that were
 * left out: packets between stacks of this process have none (net/ifnet.c), and the next link may be one that wants them.
 * And a packet that came with checksums is not said to be valid where it goes, for only its end checks them.
 */
#include <errno.h>
#include <string.h>
#include <sys/queue.h>
#include <uvnet/net.h>
#include <uvnet/vnet.h>

#include "ifnet.h"
#include "inet_impl.h"
#include "lwip/icmp.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/prot/tcp.h"
#include "lwip/prot/udp.h"

#define ROUTES_MAX 1024		/* a stack; each packet that leaves the connected networks walks them */
#define CSUM_GEN 0x00ff		/* lwIP's NETIF_CHECKSUM_GEN_* */
#define ICMP_ERROR_DATA (IP_HLEN + 8)	/* lwIP's errors quote that much of a packet, and do not look whether it has it */

struct route {
	TAILQ_ENTRY(route) rt_le;
	struct in_addr rt_dst, rt_gateway;
	uint32_t rt_mask;		/* network byte order */
	unsigned rt_prefixlen;
	struct ifnet *rt_ifp;
};

static TAILQ_HEAD(, route) routes = TAILQ_HEAD_INITIALIZER(routes);
static unsigned nroutes;
VNET_DEFINE_STATIC(int, ipforwarding);
#define V_ipforwarding VNET(ipforwarding)
SYSCTL_DECL(_net_inet_ip);
SYSCTL_PROC(_net_inet_ip, OID_AUTO, forwarding, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RWTUN, &VNET_NAME(ipforwarding),
    INET_SYSCTL_BOUNDS(0, 1), inet_sysctl_int, "I", "Be a router: 0 or 1");

static uint32_t
prefix_mask(unsigned prefixlen)
{
	return (prefixlen == 0 ? 0 : lwip_htonl(0xffffffffu << (32 - prefixlen)));
}

/* Whether it can send, and has a network. */
static int
netif_usable(const struct netif *netif)
{
	return (netif_is_up(netif) && netif_is_link_up(netif) && !ip4_addr_isany_val(*netif_ip4_addr(netif)));
}

static struct netif *
connected(uint32_t dst, uint32_t *mask)
{
	struct netif *netif, *best = NULL;

	NETIF_FOREACH (netif) {
		const uint32_t m = netif_ip4_netmask(netif)->addr;

		if (((dst ^ netif_ip4_addr(netif)->addr) & m) == 0 && netif_usable(netif) &&
		    (best == NULL || lwip_ntohl(m) > lwip_ntohl(*mask))) {
			best = netif;
			*mask = m;
		}
	}
	return (best);
}

static const struct route *
route_lookup(uint32_t dst)
{
	const struct route *rt;

	TAILQ_FOREACH (rt, &routes, rt_le)
		if (((dst ^ rt->rt_dst.s_addr) & rt->rt_mask) == 0 && netif_usable(&rt->rt_ifp->if_netif))
			return (rt);
	return (NULL);
}

/* The last resort: an interface with a router that DHCP named, which lwIP then takes for the neighbour. */
static struct netif *
leased(void)
{
	struct netif *netif;

	NETIF_FOREACH (netif)
		/* lwIP's loopback, which is no ifnet, has one as well. */
		if (netif->state != NULL && !ip4_addr_isany_val(*netif_ip4_gw(netif)) && netif_usable(netif))
			return (netif);
	return (NULL);
}

/* ---- lwIP's hooks ---- */

struct netif *
inet_route(const ip4_addr_t *to)
{
	uint32_t mask = 0;
	struct netif *netif = connected(to->addr, &mask);
	const struct route *rt;

	if (ip4_addr_ismulticast(to) || ip4_addr_isloopback(to))
		return (netif);
	rt = nroutes > 0 ? route_lookup(to->addr) : NULL;
	if (rt != NULL && (netif == NULL || lwip_ntohl(rt->rt_mask) > lwip_ntohl(mask)))
		return (&rt->rt_ifp->if_netif);
	return (netif != NULL ? netif : leased());
}

const ip4_addr_t *
inet_gateway(struct netif *netif, const ip4_addr_t *to)
{
	static ip4_addr_t gateway;
	const struct route *rt;

	TAILQ_FOREACH (rt, &routes, rt_le)
		if (((to->addr ^ rt->rt_dst.s_addr) & rt->rt_mask) == 0 && &rt->rt_ifp->if_netif == netif) {
			gateway.addr = rt->rt_gateway.s_addr;
			return (&gateway);
		}
	return (NULL);
}

/* The transport's checksum, of a whole datagram; UDP's stays out (RFC 768: 0 is none). */
static void
checksums_fill(struct pbuf *p)
{
	struct ip_hdr *ip = p->payload;
	const uint16_t hlen = IPH_HL_BYTES(ip);
	ip4_addr_t src = { .addr = ip->src.addr }, dst = { .addr = ip->dest.addr };
	unsigned char *l4 = (unsigned char *)p->payload + hlen;
	const int whole = (IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK | IP_MF)) == 0;

	if (whole && IPH_PROTO(ip) == IPPROTO_TCP && p->len >= hlen + sizeof(struct tcp_hdr)) {
		struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)l4;

		tcp->chksum = 0;
		pbuf_remove_header(p, hlen);
		tcp->chksum = inet_chksum_pseudo(p, IPPROTO_TCP, p->tot_len, &src, &dst);
		pbuf_add_header_force(p, hlen);
	} else if (whole && IPH_PROTO(ip) == IPPROTO_ICMP && p->len >= hlen + sizeof(struct icmp_echo_hdr)) {
		struct icmp_echo_hdr *icmp = (struct icmp_echo_hdr *)(void *)l4;

		icmp->chksum = 0;
		pbuf_remove_header(p, hlen);
		icmp->chksum = inet_chksum_pbuf(p);
		pbuf_add_header_force(p, hlen);
	}
	IPH_CHKSUM_SET(ip, 0);
	IPH_CHKSUM_SET(ip, inet_chksum(ip, hlen));
}

/* Nobody answers an error with an error (RFC 1812, 4.3.2.7), or a fragment that is not the first. */
static int
icmp_may_answer(const struct pbuf *p)
{
	const struct ip_hdr *ip = p->payload;
	const unsigned char *icmp = (const unsigned char *)p->payload + IPH_HL_BYTES(ip);

	return (p->len >= ICMP_ERROR_DATA && p->len > IPH_HL_BYTES(ip) &&
	    (IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK)) == 0 && (IPH_PROTO(ip) != IPPROTO_ICMP || *icmp == ICMP_ECHO));
}

/* 0: it goes no further; -1: as lwIP thinks. */
int
inet_canforward(struct pbuf *p)
{
	const struct netif *out;
	const struct ip_hdr *ip = p->payload;
	int long_p;

	/* lwIP counts a TTL of 0 down to 255; and a packet that it has to answer with an error has to have what is quoted. */
	if (!V_ipforwarding || IPH_TTL(ip) == 0 || (p->len < ICMP_ERROR_DATA && IPH_TTL(ip) == 1))
		return (0);
	out = inet_route(ip4_current_dest_addr());
	if (out == NULL && icmp_may_answer(p))
		icmp_dest_unreach(p, ICMP_DUR_NET);
	/* A directed broadcast is not for others' networks (RFC 2644). */
	if (out == NULL || ip4_addr_isbroadcast(ip4_current_dest_addr(), out))
		return (0);
	long_p = out->mtu != 0 && p->tot_len > out->mtu;
	if (long_p && p->len < ICMP_ERROR_DATA)
		return (0);
	if (inet_input_blank && ((out->chksum_flags & CSUM_GEN) != 0 || long_p))
		checksums_fill(p);
	/* The mark stays on the packet while it waits for ARP. */
	if (!inet_input_blank && !long_p && IPH_TTL(ip) > 1)
		p->flags |= PBUF_FLAG_UNCHECKED;
	return (-1);
}

/* ---- The table ---- */

void
ip_setforwarding(int on)
{
	V_ipforwarding = on;
	inet6_setforwarding(on);
}

static int
route_insert(struct in_addr dst, unsigned prefixlen, struct in_addr gateway, struct ifnet *ifp)
{
	struct route *rt, *other;

	TAILQ_FOREACH (other, &routes, rt_le)
		if (other->rt_prefixlen == prefixlen && other->rt_dst.s_addr == dst.s_addr)
			return (-EEXIST);
	if (nroutes >= ROUTES_MAX)
		return (-ENOSPC);
	rt = vnet_malloc(sizeof(*rt));
	if (rt == NULL)
		return (-ENOMEM);
	*rt = (struct route){ .rt_dst = dst, .rt_gateway = gateway, .rt_mask = prefix_mask(prefixlen),
	    .rt_prefixlen = prefixlen, .rt_ifp = ifp };
	TAILQ_FOREACH (other, &routes, rt_le)
		if (other->rt_prefixlen < prefixlen)
			break;
	if (other != NULL)
		TAILQ_INSERT_BEFORE(other, rt, rt_le);
	else
		TAILQ_INSERT_TAIL(&routes, rt, rt_le);
	nroutes++;
	return (0);
}

int
rt_add(struct in_addr dst, unsigned prefixlen, struct in_addr gateway)
{
	struct ifnet *ifp;
	ip4_addr_t gw = { .addr = gateway.s_addr };

	if (prefixlen > 32 || (dst.s_addr & ~prefix_mask(prefixlen)) != 0 || ip4_addr_isany_val(gw) ||
	    ip4_addr_ismulticast(&gw) || ip4_addr_isloopback(&gw))
		return (-EINVAL);
	for (ifp = if_next(NULL); ifp != NULL; ifp = if_next(ifp))
		if (ifp->if_attached && !ip4_addr_isany_val(*netif_ip4_addr(&ifp->if_netif)) &&
		    ip4_addr_netcmp(&gw, netif_ip4_addr(&ifp->if_netif), netif_ip4_netmask(&ifp->if_netif)))
			break;
	if (ifp == NULL)
		return (-ENETUNREACH);
	if (ip4_addr_cmp(&gw, netif_ip4_addr(&ifp->if_netif)))
		return (-EINVAL);
	return (route_insert(dst, prefixlen, gateway, ifp));
}

int
rt_addif(struct in_addr dst, unsigned prefixlen, struct ifnet *ifp)
{
	if (prefixlen > 32 || (dst.s_addr & ~prefix_mask(prefixlen)) != 0 || !ifp->if_attached || ifp->if_hdrlen != 0)
		return (-EINVAL);
	return (route_insert(dst, prefixlen, (struct in_addr){ .s_addr = INADDR_ANY }, ifp));
}

static void
route_free(struct route *rt)
{
	TAILQ_REMOVE(&routes, rt, rt_le);
	nroutes--;
	vnet_free(rt);
}

int
rt_delete(struct in_addr dst, unsigned prefixlen)
{
	struct route *rt;

	TAILQ_FOREACH (rt, &routes, rt_le)
		if (rt->rt_prefixlen == prefixlen && rt->rt_dst.s_addr == dst.s_addr) {
			route_free(rt);
			return (0);
		}
	return (-ESRCH);
}

/* An interface goes. */
void
inet_routes_detach(const struct ifnet *ifp)
{
	struct route *rt, *next;

	for (rt = TAILQ_FIRST(&routes); rt != NULL; rt = next) {
		next = TAILQ_NEXT(rt, rt_le);
		if (rt->rt_ifp == ifp)
			route_free(rt);
	}
}

int
rt_get(unsigned index, struct rt_data *data)
{
	const struct route *rt;
	const struct ifnet *ifp;

	memset(data, 0, sizeof(*data));
	for (ifp = if_next(NULL); ifp != NULL; ifp = if_next(ifp)) {
		const uint32_t addr = netif_ip4_addr(&ifp->if_netif)->addr;

		if (!ifp->if_attached || addr == 0 || index-- > 0)
			continue;
		data->prefixlen = (unsigned)__builtin_popcount(netif_ip4_netmask(&ifp->if_netif)->addr);
		data->dst.s_addr = addr & prefix_mask(data->prefixlen);
		memcpy(data->ifname, ifp->if_xname, sizeof(data->ifname));
		return (0);
	}
	TAILQ_FOREACH (rt, &routes, rt_le) {
		if (index-- > 0)
			continue;
		data->dst = rt->rt_dst;
		data->prefixlen = rt->rt_prefixlen;
		data->gateway = rt->rt_gateway;
		memcpy(data->ifname, rt->rt_ifp->if_xname, sizeof(data->ifname));
		return (0);
	}
	return (-ENOENT);
}
