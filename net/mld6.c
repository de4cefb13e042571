/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's multicast listeners of IPv6, and when their reports need a clock: as net/arp.c does it.  A report is delayed
 * after a group was joined, when the link comes up, and after a router's query; lwIP looks for due ones ten times a second.
 */
#include "lwip/mld6.h"
#include "inet_impl.h"

static void lwip_mld6_input(struct pbuf *p, struct netif *inp);
static err_t lwip_mld6_joingroup_netif(struct netif *netif, const ip6_addr_t *groupaddr);
static void lwip_mld6_report_groups(struct netif *netif);

#define mld6_input lwip_mld6_input
#define mld6_joingroup_netif lwip_mld6_joingroup_netif
#define mld6_report_groups lwip_mld6_report_groups
#include "core/ipv6/mld6.c"
#undef mld6_input
#undef mld6_joingroup_netif
#undef mld6_report_groups

int
inet_mld6_busy(void)
{
	const struct mld_group *group;
	struct netif *netif;

	NETIF_FOREACH(netif)
		for (group = netif_mld6_data(netif); group != NULL; group = group->next)
			if (group->timer > 0)
				return (1);
	return (0);
}

void
mld6_input(struct pbuf *p, struct netif *inp)
{
	lwip_mld6_input(p, inp);
	inet_mld6_timer_needed();
}

err_t
mld6_joingroup_netif(struct netif *netif, const ip6_addr_t *group)
{
	err_t err = lwip_mld6_joingroup_netif(netif, group);

	inet_mld6_timer_needed();
	return (err);
}

void
mld6_report_groups(struct netif *netif)
{
	lwip_mld6_report_groups(netif);
	inet_mld6_timer_needed();
}
