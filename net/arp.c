/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's ARP, and when its table needs a clock.
 *
 * The table is a static array of etharp.c's, so this file includes that one, unchanged, and adds a look at it.  An
 * entry is born in only two ways, by a packet that goes out to an unknown neighbour and by an ARP packet that comes
 * in; both of lwIP's entrances are renamed here and called from functions that start the timer afterwards.  It
 * stops when the table is empty (net/timer.c): a stack that talks to nobody does not tick.
 */
#include "lwip/etharp.h"
#include "inet_impl.h"

static void lwip_etharp_input(struct pbuf *p, struct netif *netif);
static err_t lwip_etharp_output(struct netif *netif, struct pbuf *q, const ip4_addr_t *ipaddr);

#define etharp_input lwip_etharp_input
#define etharp_output lwip_etharp_output
#include "core/ipv4/etharp.c"
#undef etharp_input
#undef etharp_output

int
inet_arp_busy(void)
{
	for (int i = 0; i < ARP_TABLE_SIZE; i++)
		if (arp_table[i].state != ETHARP_STATE_EMPTY)
			return (1);
	return (0);
}

void
etharp_input(struct pbuf *p, struct netif *netif)
{
	lwip_etharp_input(p, netif);
	inet_arp_timer_needed();
}

err_t
etharp_output(struct netif *netif, struct pbuf *q, const ip4_addr_t *ipaddr)
{
	err_t err = lwip_etharp_output(netif, q, ipaddr);

	inet_arp_timer_needed();
	return (err);
}
