/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's neighbour discovery, and when its tables need a clock: as net/arp.c does it.
 *
 * What ages: a neighbour who is being asked for or known to be reachable (a stale one only waits to be used), a router
 * and a prefix that were advertised, an address that is tentative or has a lifetime, and router solicitations that
 * are still to be sent.  A stack with fixed addresses that talks to nobody has none of these, and does not tick.
 *
 * Router advertisements count only on interfaces that configure themselves (FreeBSD's accept_rtadv), and only those
 * solicit them: where addresses were given, nobody on the link may add a router to them.
 */
#include "lwip/nd6.h"
#include "inet_impl.h"

static void lwip_nd6_input(struct pbuf *p, struct netif *inp);
static err_t lwip_nd6_next_hop(struct netif *netif, struct pbuf *q, const ip6_addr_t *ip6addr, const u8_t **hwaddrp);
static void lwip_nd6_restart_netif(struct netif *netif);

#define nd6_input lwip_nd6_input
#define nd6_get_next_hop_addr_or_queue lwip_nd6_next_hop
#define nd6_restart_netif lwip_nd6_restart_netif
#include "core/ipv6/nd6.c"
#undef nd6_input
#undef nd6_get_next_hop_addr_or_queue
#undef nd6_restart_netif

static int
netif_ages(const struct netif *netif)
{
	if (netif->rs_count > 0 && netif_is_up(netif) && netif_is_link_up(netif) &&
	    !ip6_addr_isinvalid(netif_ip6_addr_state(netif, 0)) && !ip6_addr_isduplicated(netif_ip6_addr_state(netif, 0)))
		return (1);
	for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		const u8_t state = netif_ip6_addr_state(netif, i);

		if (ip6_addr_isinvalid(state))
			continue;
		/* While the link is down an address stays tentative; inet_nd6_timer_needed() comes with the link. */
		if (ip6_addr_istentative(state) && netif_is_up(netif) && netif_is_link_up(netif))
			return (1);
		if (!netif_ip6_addr_isstatic(netif, i) && !ip6_addr_life_isinfinite(netif_ip6_addr_valid_life(netif, i)))
			return (1);
	}
	return (0);
}

int
inet_nd6_busy(void)
{
	const struct netif *netif;
	int i;

	for (i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++)
		if (neighbor_cache[i].state != ND6_NO_ENTRY && neighbor_cache[i].state != ND6_STALE)
			return (1);
	for (i = 0; i < LWIP_ND6_NUM_ROUTERS; i++)
		if (default_router_list[i].neighbor_entry != NULL)
			return (1);
	for (i = 0; i < LWIP_ND6_NUM_PREFIXES; i++)
		if (prefix_list[i].netif != NULL)
			return (1);
	NETIF_FOREACH(netif)
		if (netif_ages(netif))
			return (1);
	return (0);
}

void
nd6_input(struct pbuf *p, struct netif *inp)
{
	if (p->len > 0 && *(const u8_t *)p->payload == ICMP6_TYPE_RA && !inp->ip6_autoconfig_enabled)
		pbuf_free(p);
	else
		lwip_nd6_input(p, inp);
	inet_nd6_timer_needed();
}

err_t
nd6_get_next_hop_addr_or_queue(struct netif *netif, struct pbuf *q, const ip6_addr_t *to, const u8_t **hwaddrp)
{
	err_t err = lwip_nd6_next_hop(netif, q, to, hwaddrp);

	inet_nd6_timer_needed();
	return (err);
}

/* The interface is up, or its link is. */
void
nd6_restart_netif(struct netif *netif)
{
	lwip_nd6_restart_netif(netif);
	if (!netif->ip6_autoconfig_enabled)
		netif->rs_count = 0;
	inet_nd6_timer_needed();
}
