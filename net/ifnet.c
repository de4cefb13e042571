/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interfaces: FreeBSD's ifnet(9) around lwIP's netif.
 *
 * Out: lwIP hands over a chain of pbufs that TCP keeps for retransmission.  It is copied once, into a buffer of the
 * worker's pool, and from there on belongs to no stack.  A failure is told to lwIP: TCP then leaves the segment
 * where it was and tries again with the next acknowledgement, instead of waiting for it to be missed.
 *
 * In: nothing is copied.  The buffer is ours alone, so lwIP may rewrite its headers in place; the pbuf that lwIP wants
 * lies in the packet itself, in p_private in front of the bytes.  That makes it what lwIP calls PBUF_RAM, structure and
 * data in one piece: it may grow headers to the front, so an echo reply or a forwarded packet needs no second
 * buffer.  When lwIP frees it, the packet goes back to its pool.
 *
 * The pools are the workers', shared by all their stacks; stacks that do not read what they receive must not empty
 * them.  So a stack holds at most HELD_MAX packets, and none that is scarce (src/vnet/pkt.c), for there may be more
 * such stacks than one pool can serve; what comes in beyond is copied into its own heap, which has its own limit.  And the packets that it holds are on a list, for they must go back when the stack goes: its heap and
 * variables, where lwIP's queues lie, just vanish.
 *
 * Checksums: whether they are filled in is the interface's business, whether they are checked the packet's, by what
 * its sender promised; so the two ends of a link may differ.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <uvnet/net.h>
#include <uvnet/vnet.h>

#include "ifnet.h"
#include "inet_impl.h"
#include "lwip/ethip6.h"
#include "lwip/etharp.h"
#include "lwip/ip.h"
#include "lwip/pbuf.h"
#include "lwip/priv/tcp_priv.h"
#include "netif/ethernet.h"

#define HELD_MAX 512		/* packets; more than two full receive windows */
#define ETHER_ALIGN 2		/* the IP header then is 4-aligned */
#define ETHER_MTU 1500
#define IP_MTU_MIN 68		/* RFC 791 */

#define CSUM_GEN_ALL 0x00ff	/* lwIP's NETIF_CHECKSUM_GEN_* and NETIF_CHECKSUM_CHECK_* */
#define CSUM_CHECK_ALL 0xff00

/* What lies in p_private while a stack holds the packet. */
struct held {
	struct pbuf_custom pc;		/* first: lwIP's pointer is to its pbuf */
	LIST_ENTRY(held) le;
};

#define HELD_PKT(h) ((struct pkt *)((char *)(h) - offsetof(struct pkt, p_private)))

static_assert(sizeof(struct held) <= sizeof(((struct pkt *)0)->p_private), "struct held does not fit p_private");
static_assert(offsetof(struct held, pc.pbuf) == 0, "the pbuf comes first");
static_assert(PKT_HEADROOM + ETHER_ALIGN + SIZEOF_ETH_HDR + ETHER_MTU <= PKT_BUFSIZE, "a frame fits a packet");

int inet_input_blank;
static LIST_HEAD(, held) held_list;
static unsigned held_count;
static TAILQ_HEAD(, ifnet) ifnets = TAILQ_HEAD_INITIALIZER(ifnets);

/* ---- Making and finding ---- */

int
if_alloc(const char *name, struct ifnet **ifpp)
{
	struct ifnet *ifp;
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ_UV)
		return (-EINVAL);
	if (ifunit(name) != NULL)
		return (-EEXIST);
	ifp = vnet_calloc(1, sizeof(*ifp));
	if (ifp == NULL)
		return (-ENOMEM);
	memcpy(ifp->if_xname, name, len + 1);
	ifp->if_vnet = curvnet;
	ifp->if_link_state = LINK_STATE_UP;
	TAILQ_INSERT_TAIL(&ifnets, ifp, if_le);
	*ifpp = ifp;
	return (0);
}

void
if_free(struct ifnet *ifp)
{
	ether_ifdetach(ifp);
	TAILQ_REMOVE(&ifnets, ifp, if_le);
	vnet_free(ifp);
}

unsigned
if_getindex(const struct ifnet *ifp)
{
	return (netif_get_index(&ifp->if_netif));
}

struct ifnet *
ifunit(const char *name)
{
	struct ifnet *ifp;

	TAILQ_FOREACH (ifp, &ifnets, if_le)
		if (strcmp(ifp->if_xname, name) == 0)
			break;
	return (ifp);
}

struct ifnet *
if_next(const struct ifnet *ifp)
{
	return (ifp == NULL ? TAILQ_FIRST(&ifnets) : TAILQ_NEXT(ifp, if_le));
}

const char *
if_name(const struct ifnet *ifp)
{
	return (ifp->if_xname);
}

void
if_setsoftc(struct ifnet *ifp, void *softc)
{
	ifp->if_softc = softc;
}

void *
if_getsoftc(const struct ifnet *ifp)
{
	return (ifp->if_softc);
}

void
if_settransmitfn(struct ifnet *ifp, if_transmit_fn_t *fn)
{
	ifp->if_transmit = fn;
}

struct vnet *
if_getvnet(const struct ifnet *ifp)
{
	return (ifp->if_vnet);
}

/* ---- Out ---- */

/* lwIP's linkoutput: a whole frame, or a packet where there are no frames. */
static err_t
if_output(struct netif *netif, struct pbuf *p)
{
	struct ifnet *ifp = netif->state;
	struct pkt *pkt;
	unsigned char *to;
	unsigned flags = 0;
	uint32_t len;
	err_t err = ERR_IF;

	if (ifp->if_link_state != LINK_STATE_UP || p->tot_len > ifp->if_hdrlen + netif->mtu)
		goto drop;
	err = ERR_BUF;
	pkt = pkt_alloc(ifp->if_vnet->vnet_cpu);
	if (pkt == NULL)
		goto drop;
	if (ifp->if_hdrlen != 0)
		pkt->p_data += ETHER_ALIGN;
	pkt->p_len = p->tot_len;
	to = pkt->p_data;
	for (; p != NULL; p = p->next) {
		memcpy(to, p->payload, p->len);
		to += p->len;
		flags |= p->flags;
	}
	pkt->p_csum = ifp->if_txcsum == 0 && (flags & PBUF_FLAG_UNCHECKED) == 0 ? PKT_CSUM_VALID : 0;
	if (ifp->if_tap != NULL)
		ifp->if_tap(ifp->if_taparg, pkt, IF_TAP_OUT);
	len = pkt->p_len;
	if (ifp->if_transmit(ifp, pkt) == 0) {
		ifp->if_opackets++;
		ifp->if_obytes += len;
		return (ERR_OK);
	}
drop:
	ifp->if_oqdrops++;
	return (err);
}

/* ---- In ---- */

static void
held_remove(struct held *h)
{
	LIST_REMOVE(h, le);
	held_count--;
}

/* lwIP's last reference is gone. */
static void
held_free(struct pbuf *p)
{
	struct held *h = (struct held *)(void *)p;

	held_remove(h);
	pkt_free(curvnet->vnet_cpu, HELD_PKT(h));
}

/* The packet as lwIP wants it, or NULL; takes the packet over in any case. */
static struct pbuf *
if_wrap(struct pkt *pkt)
{
	struct held *h;
	struct pbuf *p;

	if (held_count >= HELD_MAX || pkt->p_scarce) {
		p = pbuf_alloc(PBUF_RAW, (u16_t)pkt->p_len, PBUF_RAM);
		if (p != NULL)
			memcpy(p->payload, pkt->p_data, pkt->p_len);
		pkt_free(curvnet->vnet_cpu, pkt);
		return (p);
	}
	h = (struct held *)(void *)pkt->p_private;
	h->pc.custom_free_function = held_free;
	LIST_INSERT_HEAD(&held_list, h, le);
	held_count++;
	return (pbuf_alloced_custom(PBUF_RAW, (u16_t)pkt->p_len, PBUF_RAM, &h->pc, pkt->p_data,
	    (u16_t)pkt->p_len));
}

void
if_input(struct ifnet *ifp, struct pkt *pkt)
{
	struct netif *netif = &ifp->if_netif;
	uint16_t check = (pkt->p_csum & PKT_CSUM_VALID) != 0 ? 0 : CSUM_CHECK_ALL;
	struct pbuf *p;

	if (!ifp->if_attached || ifp->if_link_state != LINK_STATE_UP || pkt->p_len > PKT_BUFSIZE) {
		ifp->if_iqdrops++;
		pkt_free(curvnet->vnet_cpu, pkt);
		return;
	}
	if (ifp->if_tap != NULL)
		ifp->if_tap(ifp->if_taparg, pkt, IF_TAP_IN);
	ifp->if_ipackets++;
	ifp->if_ibytes += pkt->p_len;
	p = if_wrap(pkt);
	if (p == NULL) {
		ifp->if_iqdrops++;
		return;
	}
	netif->chksum_flags = ifp->if_txcsum | check;
	inet_input_blank = check == 0;
	if (inet_egress_takes(ifp, p))
		inet_egress_input(ifp, p, check);
	else if (netif->input(p, netif) != ERR_OK)
		pbuf_free(p);
	/* What this interface sends to itself does not come through here, and has no checksums to check. */
	netif->chksum_flags = ifp->if_txcsum;
}

void
inet_packets_purge(void)
{
	struct held *h;

	while ((h = LIST_FIRST(&held_list)) != NULL) {
		held_remove(h);
		pkt_free(curvnet->vnet_cpu, HELD_PKT(h));
	}
}

/* ---- Attaching ---- */

/* lwIP's output of an interface without frames: whom the packet goes to is the interface's business. */
static err_t
if_output_ip4(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
	(void)to;
	return (if_output(netif, p));
}

static err_t
if_output_ip6(struct netif *netif, struct pbuf *p, const ip6_addr_t *to)
{
	(void)to;
	return (if_output(netif, p));
}

static err_t
if_netif_init_ip(struct netif *netif)
{
	netif->name[0] = 'i';
	netif->name[1] = 'p';
	netif->output = if_output_ip4;
	netif->output_ip6 = if_output_ip6;
	netif->chksum_flags = 0;
	return (ERR_OK);
}

static err_t
if_netif_init(struct netif *netif)
{
	netif->name[0] = 'e';
	netif->name[1] = 'n';
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->linkoutput = if_output;
	netif->mtu = ETHER_MTU;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_MLD6;
	netif->chksum_flags = 0;
	return (ERR_OK);
}

static int
if_netif_add(struct ifnet *ifp, netif_init_fn init, netif_input_fn input)
{
	struct netif *netif = &ifp->if_netif;

	if (netif_add(netif, NULL, NULL, NULL, ifp, init, input) == NULL)
		return (-ENOSPC);	/* lwIP numbers its interfaces with 8 bits */
	ifp->if_attached = 1;
	netif_set_up(netif);
	if (ifp->if_link_state == LINK_STATE_UP)
		netif_set_link_up(netif);
	return (0);
}

int
ether_ifattach(struct ifnet *ifp, const uint8_t mac[6])
{
	struct netif *netif = &ifp->if_netif;
	int error;

	if (ifp->if_attached || ifp->if_transmit == NULL)
		return (-EINVAL);
	netif->hwaddr_len = ETH_HWADDR_LEN;
	memcpy(netif->hwaddr, mac, ETH_HWADDR_LEN);
	ifp->if_hdrlen = SIZEOF_ETH_HDR;
	error = if_netif_add(ifp, if_netif_init, ethernet_input);
	if (error == 0 && inet6_accept_rtadv())
		if_acceptrtadv(ifp);
	return (error);
}

int
if_attach(struct ifnet *ifp, unsigned mtu)
{
	int error;

	if (ifp->if_attached || ifp->if_transmit == NULL || mtu < IP_MTU_MIN || mtu > IF_MTU_MAX)
		return (-EINVAL);
	ifp->if_hdrlen = 0;
	error = if_netif_add(ifp, if_netif_init_ip, ip_input);
	if (error == 0)
		ifp->if_netif.mtu = ifp->if_netif.mtu6 = (u16_t)mtu;	/* netif_add() makes it 0 */
	return (error);
}

void
if_detach(struct ifnet *ifp)
{
	ether_ifdetach(ifp);
}

void
ether_ifdetach(struct ifnet *ifp)
{
	if (!ifp->if_attached)
		return;
	/* Connections from its address are aborted; their resets still leave by it if its carrier is up. */
	inet_abort_error = ENETDOWN;
	inet_dhcp_detach(ifp);
	inet_egress_detach(ifp);
	netif_remove(&ifp->if_netif);
	inet_routes_detach(ifp);
	inet_routes6_detach(ifp);
	inet_abort_error = 0;
	ifp->if_attached = 0;
	ifp->if_link_state = LINK_STATE_DOWN;
	/* Packets under way name this interface as where they come in. */
	netisr_purge(ifp->if_vnet, ifp);
}

/* ---- Settings ---- */

/*
 * The carrier is back: what was written meanwhile had no route and no timer, and what was lost waits for a backed-off
 * timer.  Neither has to wait longer.  tcp_output() calls nobody back, so the list stands still.
 */
static void
if_link_resume(const struct netif *netif)
{
	struct tcp_pcb *pcb;

	for (pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
		if (ip_route(&pcb->local_ip, &pcb->remote_ip) != netif)
			continue;
		if (pcb->unacked != NULL && pcb->nrtx > 0)
			tcp_rexmit_rto(pcb);
		else if (pcb->unsent != NULL)
			tcp_output(pcb);
	}
}

void
if_link_state_change(struct ifnet *ifp, int link_state)
{
	if (ifp->if_link_state == link_state)
		return;
	ifp->if_link_state = link_state;
	if (!ifp->if_attached)
		return;
	if (link_state == LINK_STATE_UP) {
		netif_set_link_up(&ifp->if_netif);
		inet_dhcp_timer_needed();	/* lwIP asks anew */
		if_link_resume(&ifp->if_netif);
	} else
		netif_set_link_down(&ifp->if_netif);
}

int
if_getlinkstate(const struct ifnet *ifp)
{
	return (ifp->if_link_state);
}

void
if_settap(struct ifnet *ifp, if_tap_fn_t *fn, void *arg)
{
	ifp->if_tap = fn;
	ifp->if_taparg = arg;
}

void
if_setchecksums(struct ifnet *ifp, int on)
{
	ifp->if_txcsum = on ? CSUM_GEN_ALL : 0;
	ifp->if_netif.chksum_flags = ifp->if_txcsum;
}

int
if_addaddr(struct ifnet *ifp, struct in_addr addr, unsigned prefixlen)
{
	ip4_addr_t ip = { .addr = addr.s_addr }, mask, gateway = { .addr = 0 };
	struct ifnet *other;

	if (!ifp->if_attached || prefixlen > 32 || ip4_addr_isany_val(ip) || ip4_addr_ismulticast(&ip) ||
	    addr.s_addr == INADDR_BROADCAST || ip4_addr_isloopback(&ip))
		return (-EINVAL);
	if (!ip4_addr_isany_val(*netif_ip4_addr(&ifp->if_netif)))
		return (-EEXIST);
	TAILQ_FOREACH (other, &ifnets, if_le)
		if (other->if_attached && ip4_addr_cmp(&ip, netif_ip4_addr(&other->if_netif)))
			return (-EADDRINUSE);
	mask.addr = prefixlen == 0 ? 0 : lwip_htonl(0xffffffffu << (32 - prefixlen));
	netif_set_addr(&ifp->if_netif, &ip, &mask, &gateway);
	return (0);
}

void
if_getdata(const struct ifnet *ifp, struct if_data *data)
{
	const struct netif *netif = &ifp->if_netif;

	memset(data, 0, sizeof(*data));
	data->ifi_ipackets = ifp->if_ipackets;
	data->ifi_ibytes = ifp->if_ibytes;
	data->ifi_iqdrops = ifp->if_iqdrops;
	data->ifi_opackets = ifp->if_opackets;
	data->ifi_obytes = ifp->if_obytes;
	data->ifi_oqdrops = ifp->if_oqdrops;
	data->addr.s_addr = netif_ip4_addr(netif)->addr;
	data->prefixlen = (unsigned)__builtin_popcount(netif_ip4_netmask(netif)->addr);
	data->mtu = netif->mtu;
	data->link_state = ifp->if_link_state;
	memcpy(data->mac, netif->hwaddr, sizeof(data->mac));
}

/* ---- Loopback: lwIP's own interface, which is no ifnet ---- */

void
inet_loop_init(void)
{
	struct netif *netif;

	NETIF_FOREACH (netif)
		netif->chksum_flags = NETIF_CHECKSUM_DISABLE_ALL;
}

void
inet_loop_poll(void)
{
	struct netif *netif;

	NETIF_FOREACH (netif)
		netif_poll(netif);
}
