/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's ARP, and when its table needs a clock, and memory.
 *
 * The table is a static array of etharp.c's, so this file includes that one, unchanged, and adds a look at it.  An
 * entry is born in only three ways, by a packet that goes out to an unknown neighbour, by an ARP packet for us that comes
 * in, and by DHCP's look whether an address is taken; lwIP's entrances are renamed here and called from functions that
 * start the timer afterwards.  It stops when the table is empty (net/timer.c): a stack that talks to nobody does not tick.
 *
 * Nor has it a table.  The name of the array is made to stand for one behind a pointer, which leads to a table of empty
 * entries that nobody may write, all stacks' own, until one of these functions makes one in the stack's heap; it goes with
 * the last entry.  lwIP writes into entries that are not empty, and into an empty one only where an entry is born.
 */
#include <uvnet/vnet.h>

#include "lwip/etharp.h"
#include "inet_impl.h"

static void lwip_etharp_input(struct pbuf *p, struct netif *netif);
static err_t lwip_etharp_output(struct netif *netif, struct pbuf *q, const ip4_addr_t *ipaddr);
static err_t lwip_etharp_query(struct netif *netif, const ip4_addr_t *ipaddr, struct pbuf *q);

#define arp_table (*inet_arp_table)
#define etharp_input lwip_etharp_input
#define etharp_output lwip_etharp_output
#define etharp_query lwip_etharp_query
#include "core/ipv4/etharp.c"
#undef etharp_input
#undef etharp_output
#undef etharp_query
#undef arp_table

static const struct etharp_entry arp_none[ARP_TABLE_SIZE];

static int
arp_has_table(void)
{
	return (inet_arp_table != NULL && (const void *)inet_arp_table != &arp_none);
}

/* 0 when there is no memory for one. */
static int
arp_need_table(void)
{
	if (!arp_has_table())
		inet_arp_table = vnet_calloc(1, sizeof(*inet_arp_table));
	if (inet_arp_table == NULL)
		inet_arp_init();
	return (arp_has_table());
}

void
inet_arp_init(void)
{
	inet_arp_table = (struct etharp_entry (*)[ARP_TABLE_SIZE])(uintptr_t)&arp_none;
}

int
inet_arp_busy(void)
{
	if (!arp_has_table())
		return (0);
	for (int i = 0; i < ARP_TABLE_SIZE; i++)
		if ((*inet_arp_table)[i].state != ETHARP_STATE_EMPTY)
			return (1);
	return (0);
}

void
inet_arp_settle(void)
{
	inet_arp_timer_needed();
	if (inet_arp_ticks() || !arp_has_table())
		return;
	vnet_free(inet_arp_table);
	inet_arp_init();
}

/* Somebody asks for our address, or answers us: that makes an entry, all else only renews one. */
static int
arp_is_for_us(const struct pbuf *p, const struct netif *netif)
{
	const struct etharp_hdr *hdr = p->payload;

	return (p->len >= SIZEOF_ETHARP_HDR && !ip4_addr_isany_val(*netif_ip4_addr(netif)) &&
	    memcmp(&hdr->dipaddr, netif_ip4_addr(netif), sizeof(hdr->dipaddr)) == 0);
}

void
etharp_input(struct pbuf *p, struct netif *netif)
{
	if (arp_is_for_us(p, netif) && !arp_need_table()) {
		pbuf_free(p);
		return;
	}
	lwip_etharp_input(p, netif);
	inet_arp_settle();
}

err_t
etharp_output(struct netif *netif, struct pbuf *q, const ip4_addr_t *ipaddr)
{
	err_t err = arp_need_table() ? lwip_etharp_output(netif, q, ipaddr) : ERR_MEM;

	inet_arp_settle();
	return (err);
}

err_t
etharp_query(struct netif *netif, const ip4_addr_t *ipaddr, struct pbuf *q)
{
	err_t err = arp_need_table() ? lwip_etharp_query(netif, ipaddr, q) : ERR_MEM;

	inet_arp_settle();
	return (err);
}
