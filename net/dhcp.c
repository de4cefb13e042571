/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's DHCP client, and when it needs a clock: as net/arp.c does it.  It has two: a fine one while a request waits for
 * its answer, and one of a minute while there is a client, which counts a lease down and has it renewed.
 *
 * All requests are sent from here or from a timer of here, but for what follows an answer, when the fine timer runs already.
 * The offered address is asked for by ARP first, which needs the clock of that.
 */
#include <errno.h>
#include <uvnet/net.h>

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "ifnet.h"
#include "inet_impl.h"

int
inet_dhcp_waits(void)
{
	const struct dhcp *dhcp;
	struct netif *netif;

	NETIF_FOREACH(netif) {
		dhcp = netif_dhcp_data(netif);
		if (dhcp != NULL && dhcp->request_timeout > 0)
			return (1);
	}
	return (0);
}

int
inet_dhcp_busy(void)
{
	struct netif *netif;

	NETIF_FOREACH(netif)
		if (netif_dhcp_data(netif) != NULL)
			return (1);
	return (0);
}

int
if_dhcp(struct ifnet *ifp)
{
	struct netif *netif = &ifp->if_netif;

	if (!ifp->if_attached || ifp->if_hdrlen == 0)
		return (-EINVAL);
	if (!ip4_addr_isany_val(*netif_ip4_addr(netif)))
		return (-EEXIST);
	if (dhcp_start(netif) != ERR_OK)
		return (-ENOMEM);
	inet_dhcp_timer_needed();
	return (0);
}

/* The interface goes; the server is told while its carrier is up. */
void
inet_dhcp_detach(struct ifnet *ifp)
{
	if (netif_dhcp_data(&ifp->if_netif) == NULL)
		return;
	dhcp_release_and_stop(&ifp->if_netif);
	dhcp_cleanup(&ifp->if_netif);
}
