/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPv6: addresses of interfaces, and where packets go.  As net/route.c for IPv4.
 *
 * lwIP takes every prefix for a /64.  Here an address has the length that it was given: lwIP is told that no address
 * has a network of its own (a lifetime that is infinite, not "static"), and asks by its hooks which interface leads to
 * a destination (inet6_route()) and which neighbour there (inet6_gateway(), which is the destination itself on a
 * connected network).  Prefixes and routers that were advertised stay lwIP's: they count where no route here does.
 *
 * Forwarding is on or off as for IPv4 (ip_setforwarding()).  lwIP forwards whatever is not for this stack, so what may not
 * pass is eaten before it looks.
 */
#include <errno.h>
#include <string.h>
#include <sys/queue.h>
#include <uvnet/net.h>
#include <uvnet/vnet.h>

#include "ifnet.h"
#include "inet_impl.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip6.h"
#include "lwip/nd6.h"
#include "lwip/prot/tcp.h"
#include "lwip/prot/udp.h"

#define CSUM_GEN 0x00ff		/* lwIP's NETIF_CHECKSUM_GEN_* */
#define MATCH_NONE (-1)
#define ROUTES_MAX 1024		/* a stack */

struct route6 {
	TAILQ_ENTRY(route6) rt_le;
	ip6_addr_t rt_dst, rt_gateway;	/* ::, there is none */
	int rt_prefixlen;
	struct ifnet *rt_ifp;
};

static TAILQ_HEAD(, route6) routes6 = TAILQ_HEAD_INITIALIZER(routes6);	/* the longest prefix first */
static unsigned nroutes6;

VNET_DEFINE_STATIC(int, ip6_forwarding);
#define V_ip6_forwarding VNET(ip6_forwarding)
VNET_DEFINE_STATIC(int, ip6_accept_rtadv);
#define V_ip6_accept_rtadv VNET(ip6_accept_rtadv)
SYSCTL_DECL(_net_inet6_ip6);
SYSCTL_PROC(_net_inet6_ip6, OID_AUTO, forwarding, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RWTUN, &VNET_NAME(ip6_forwarding),
    INET_SYSCTL_BOUNDS(0, 1), inet_sysctl_int, "I", "Be a router: 0 or 1");
SYSCTL_PROC(_net_inet6_ip6, OID_AUTO, accept_rtadv, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RWTUN,
    &VNET_NAME(ip6_accept_rtadv), INET_SYSCTL_BOUNDS(0, 1), inet_sysctl_int, "I",
    "Interfaces made from now on take addresses and routers that are advertised: 0 or 1");

void
inet6_setforwarding(int on)
{
	V_ip6_forwarding = on;
}

int
inet6_accept_rtadv(void)
{
	return (V_ip6_accept_rtadv);
}

/* How many of the first bits of both are the same, at most `max`. */
static int
prefix_same(const ip6_addr_t *a, const ip6_addr_t *b, int max)
{
	int n = 0;

	for (int i = 0; i < 4 && n < max; i++, n += 32)
		if (a->addr[i] != b->addr[i]) {
			n += __builtin_clz(lwip_ntohl(a->addr[i] ^ b->addr[i]));
			break;
		}
	return (n < max ? n : max);
}

/* The longest prefix of the interface's addresses that has `to` in it, or MATCH_NONE. */
static int
netif_match(const struct netif *netif, const ip6_addr_t *to)
{
	const struct ifnet *ifp = netif->state;
	int best = MATCH_NONE;

	if (ifp == NULL)	/* lwIP's loopback */
		return (best);
	for (int i = 1; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		const int len = ifp->if_prefixlen6[i];

		if (len > best && ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) &&
		    prefix_same(to, netif_ip6_addr(netif, i), len) == len)
			best = len;
	}
	return (best);
}

/* ---- lwIP's hooks ---- */

struct netif *
inet6_route(const ip6_addr_t *to)
{
	struct netif *netif, *found = NULL;
	const struct route6 *rt;
	int best = MATCH_NONE, len;

	NETIF_FOREACH(netif) {
		if (!netif_is_up(netif) || !netif_is_link_up(netif))
			continue;
		len = netif_match(netif, to);
		if (len > best) {
			best = len;
			found = netif;
		}
	}
	TAILQ_FOREACH (rt, &routes6, rt_le) {
		netif = &rt->rt_ifp->if_netif;
		if (rt->rt_prefixlen <= best)
			break;
		if (prefix_same(to, &rt->rt_dst, rt->rt_prefixlen) == rt->rt_prefixlen && netif_is_up(netif) &&
		    netif_is_link_up(netif))
			return (netif);
	}
	return (found);
}

const ip6_addr_t *
inet6_gateway(struct netif *netif, const ip6_addr_t *to)
{
	const int connected = netif_match(netif, to);
	const struct route6 *rt;

	TAILQ_FOREACH (rt, &routes6, rt_le)
		if (rt->rt_prefixlen > connected && &rt->rt_ifp->if_netif == netif &&
		    prefix_same(to, &rt->rt_dst, rt->rt_prefixlen) == rt->rt_prefixlen)
			return (&rt->rt_gateway);
	return (connected != MATCH_NONE ? to : NULL);
}

static int
is_ours(const struct netif *netif, const ip6_addr_p_t *to)
{
	for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		if (ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) &&
		    memcmp(netif_ip6_addr(netif, i)->addr, to->addr, sizeof(to->addr)) == 0)
			return (1);
	return (0);
}

/* The transport's checksum, which was left out, of a packet without extension headers. */
static void
checksum6_fill(struct pbuf *p)
{
	struct ip6_hdr *ip = p->payload;
	ip6_addr_t src, dst;
	u16_t *sum;

	if (IP6H_NEXTH(ip) == IP6_NEXTH_TCP && p->len >= IP6_HLEN + TCP_HLEN)
		sum = (u16_t *)(void *)((u8_t *)p->payload + IP6_HLEN + offsetof(struct tcp_hdr, chksum));
	else if (IP6H_NEXTH(ip) == IP6_NEXTH_UDP && p->len >= IP6_HLEN + UDP_HLEN)
		sum = (u16_t *)(void *)((u8_t *)p->payload + IP6_HLEN + offsetof(struct udp_hdr, chksum));
	else if (IP6H_NEXTH(ip) == IP6_NEXTH_ICMP6 && p->len >= IP6_HLEN + 4)
		sum = (u16_t *)(void *)((u8_t *)p->payload + IP6_HLEN + 2);
	else
		return;
	ip6_addr_copy_from_packed(src, ip->src);
	ip6_addr_copy_from_packed(dst, ip->dest);
	*sum = 0;
	pbuf_remove_header(p, IP6_HLEN);
	*sum = ip6_chksum_pseudo(p, IP6H_NEXTH(ip), p->tot_len, &src, &dst);
	if (*sum == 0 && IP6H_NEXTH(ip) == IP6_NEXTH_UDP)
		*sum = 0xffff;
	pbuf_add_header_force(p, IP6_HLEN);
}

/* A packet came in.  1: it is not for us and may not pass, and is gone; 0: as lwIP thinks. */
int
inet6_input(struct pbuf *p, struct netif *inp)
{
	const struct ip6_hdr *ip = p->payload;
	const struct netif *netif, *out;
	ip6_addr_t to;

	if (p->len < IP6_HLEN || IP6H_PLEN(ip) > p->tot_len - IP6_HLEN || *(const u8_t *)&ip->dest == 0xff ||
	    is_ours(inp, &ip->dest))
		return (0);
	NETIF_FOREACH(netif)
		if (is_ours(netif, &ip->dest))
			return (0);
	if (!V_ip6_forwarding || IP6H_HOPLIM(ip) == 0) {
		pbuf_free(p);
		return (1);
	}
	pbuf_realloc(p, (u16_t)(IP6_HLEN + IP6H_PLEN(ip)));
	ip6_addr_copy_from_packed(to, ip->dest);
	out = inet6_route(&to);
	if (!inet_input_blank)
		p->flags |= PBUF_FLAG_UNCHECKED;
	else if (out == NULL || (out->chksum_flags & CSUM_GEN) != 0)
		checksum6_fill(p);
	return (0);
}

/* ---- Addresses ---- */

static int
link_local(struct ifnet *ifp, int nodad)
{
	struct netif *netif = &ifp->if_netif;

	if (ifp->if_hdrlen == 0 || !ip6_addr_isinvalid(netif_ip6_addr_state(netif, 0)))
		return (0);
	netif_create_ip6_linklocal_address(netif, 1);
	netif_ip6_addr_set_valid_life(netif, 0, IP6_ADDR_LIFE_INFINITE);
	netif_ip6_addr_set_pref_life(netif, 0, IP6_ADDR_LIFE_INFINITE);
	if (nodad)
		netif_ip6_addr_set_state(netif, 0, IP6_ADDR_PREFERRED);
	return (1);
}

int
if_addaddr6(struct ifnet *ifp, const struct in6_addr *addr, unsigned prefixlen, int flags)
{
	struct netif *netif = &ifp->if_netif, *other;
	const int nodad = (flags & IN6_IFF_NODAD) != 0 || ifp->if_hdrlen == 0;
	ip6_addr_t ip;
	s8_t i;

	memset(&ip, 0, sizeof(ip));
	memcpy(ip.addr, addr, sizeof(*addr));
	if (!ifp->if_attached || prefixlen > 128 || ip6_addr_isany(&ip) || ip6_addr_ismulticast(&ip) ||
	    ip6_addr_isloopback(&ip) || ip6_addr_isipv4mappedipv6(&ip) || ip6_addr_islinklocal(&ip))
		return (-EINVAL);
	NETIF_FOREACH(other)
		if (netif_get_ip6_addr_match(other, &ip) >= 0)
			return (-EADDRINUSE);
	link_local(ifp, nodad);
	if (netif_add_ip6_address(netif, &ip, &i) != ERR_OK)
		return (-ENOSPC);
	ifp->if_prefixlen6[i] = (u8_t)prefixlen;
	netif_ip6_addr_set_valid_life(netif, i, IP6_ADDR_LIFE_INFINITE);
	netif_ip6_addr_set_pref_life(netif, i, IP6_ADDR_LIFE_INFINITE);
	if (nodad)
		netif_ip6_addr_set_state(netif, i, IP6_ADDR_PREFERRED);
	nd6_clear_destination_cache();
	inet_nd6_timer_needed();
	return (0);
}

int
if_acceptrtadv(struct ifnet *ifp)
{
	struct netif *netif = &ifp->if_netif;

	if (!ifp->if_attached || ifp->if_hdrlen == 0)
		return (-EINVAL);
	netif->ip6_autoconfig_enabled = 1;
	link_local(ifp, 0);
	nd6_restart_netif(netif);
	return (0);
}

int
if_getaddr6(const struct ifnet *ifp, unsigned index, struct if_addr6 *addr)
{
	const struct netif *netif = &ifp->if_netif;
	u8_t state;

	for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		state = netif_ip6_addr_state(netif, i);
		if (!ifp->if_attached || ip6_addr_isinvalid(state) || index-- > 0)
			continue;
		memcpy(&addr->addr, netif_ip6_addr(netif, i)->addr, sizeof(addr->addr));
		addr->prefixlen = ifp->if_prefixlen6[i] != 0 ? ifp->if_prefixlen6[i] : 64;
		addr->flags = (ip6_addr_istentative(state) ? IN6_IFF_TENTATIVE : 0) |
		    (ip6_addr_isduplicated(state) ? IN6_IFF_DUPLICATED : 0) |
		    (ip6_addr_isdeprecated(state) ? IN6_IFF_DEPRECATED : 0);
		return (0);
	}
	return (-ENOENT);
}

/* ---- The table ---- */

static struct route6 *
route6_find(const ip6_addr_t *dst, unsigned prefixlen)
{
	struct route6 *rt;

	TAILQ_FOREACH (rt, &routes6, rt_le)
		if (rt->rt_prefixlen == (int)prefixlen && ip6_addr_cmp(&rt->rt_dst, dst))
			break;
	return (rt);
}

static void
address_in(ip6_addr_t *to, const struct in6_addr *from)
{
	memset(to, 0, sizeof(*to));
	memcpy(to->addr, from, sizeof(*from));
}

/* Whether all bits behind the prefix are zero. */
static int
is_network(const ip6_addr_t *ip, unsigned prefixlen)
{
	for (unsigned i = 0; i < 128; i++)
		if (i >= prefixlen && (lwip_ntohl(ip->addr[i / 32]) >> (31 - i % 32) & 1) != 0)
			return (0);
	return (1);
}

/* The interface with that neighbour.  0, -EINVAL, -ENETUNREACH. */
static int
gateway_find(const ip6_addr_t *gw, struct ifnet **ifpp)
{
	struct ifnet *ifp;

	if (ip6_addr_isany(gw) || ip6_addr_ismulticast(gw) || ip6_addr_isloopback(gw) || ip6_addr_islinklocal(gw))
		return (-EINVAL);
	for (ifp = if_next(NULL); ifp != NULL; ifp = if_next(ifp))
		if (ifp->if_attached && netif_match(&ifp->if_netif, gw) != MATCH_NONE)
			break;
	*ifpp = ifp;
	return (ifp == NULL ? -ENETUNREACH : netif_get_ip6_addr_match(&ifp->if_netif, gw) >= 0 ? -EINVAL : 0);
}

int
rt_add6(const struct in6_addr *dst, unsigned prefixlen, const struct in6_addr *gateway, struct ifnet *ifp)
{
	struct route6 *rt, *other;
	ip6_addr_t net, gw = { 0 };
	int error = 0;

	address_in(&net, dst);
	if (prefixlen > 128 || !is_network(&net, prefixlen))
		return (-EINVAL);
	if (gateway != NULL) {
		address_in(&gw, gateway);
		error = gateway_find(&gw, &ifp);
	} else if (ifp == NULL || !ifp->if_attached || ifp->if_hdrlen != 0)
		error = -EINVAL;
	if (error != 0)
		return (error);
	if (route6_find(&net, prefixlen) != NULL)
		return (-EEXIST);
	if (nroutes6 >= ROUTES_MAX)
		return (-ENOSPC);
	rt = vnet_malloc(sizeof(*rt));
	if (rt == NULL)
		return (-ENOMEM);
	*rt = (struct route6){ .rt_dst = net, .rt_gateway = gw, .rt_prefixlen = (int)prefixlen, .rt_ifp = ifp };
	TAILQ_FOREACH (other, &routes6, rt_le)
		if (other->rt_prefixlen < rt->rt_prefixlen)
			break;
	if (other != NULL)
		TAILQ_INSERT_BEFORE(other, rt, rt_le);
	else
		TAILQ_INSERT_TAIL(&routes6, rt, rt_le);
	nroutes6++;
	nd6_clear_destination_cache();
	return (0);
}

static void
route6_free(struct route6 *rt)
{
	TAILQ_REMOVE(&routes6, rt, rt_le);
	nroutes6--;
	vnet_free(rt);
	nd6_clear_destination_cache();
}

int
rt_delete6(const struct in6_addr *dst, unsigned prefixlen)
{
	struct route6 *rt;
	ip6_addr_t net;

	address_in(&net, dst);
	rt = route6_find(&net, prefixlen);
	if (rt == NULL)
		return (-ESRCH);
	route6_free(rt);
	return (0);
}

/* An interface goes. */
void
inet_routes6_detach(const struct ifnet *ifp)
{
	struct route6 *rt, *next;

	for (rt = TAILQ_FIRST(&routes6); rt != NULL; rt = next) {
		next = TAILQ_NEXT(rt, rt_le);
		if (rt->rt_ifp == ifp)
			route6_free(rt);
	}
}

int
rt_get6(unsigned index, struct rt_data6 *data)
{
	const struct route6 *rt;
	const struct ifnet *ifp;

	memset(data, 0, sizeof(*data));
	for (ifp = if_next(NULL); ifp != NULL; ifp = if_next(ifp))
		for (int i = 1; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
			const int len = ifp->if_prefixlen6[i];

			if (!ifp->if_attached || len == 0 || ip6_addr_isinvalid(netif_ip6_addr_state(&ifp->if_netif, i)) ||
			    index-- > 0)
				continue;
			data->prefixlen = (unsigned)len;
			memcpy(&data->dst, netif_ip6_addr(&ifp->if_netif, i)->addr, sizeof(data->dst));
			for (int bit = len; bit < 128; bit++)
				data->dst.s6_addr[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
			memcpy(data->ifname, ifp->if_xname, sizeof(data->ifname));
			return (0);
		}
	TAILQ_FOREACH (rt, &routes6, rt_le) {
		if (index-- > 0)
			continue;
		memcpy(&data->dst, rt->rt_dst.addr, sizeof(data->dst));
		memcpy(&data->gateway, rt->rt_gateway.addr, sizeof(data->gateway));
		data->prefixlen = (unsigned)rt->rt_prefixlen;
		memcpy(data->ifname, rt->rt_ifp->if_xname, sizeof(data->ifname));
		return (0);
	}
	return (-ENOENT);
}
