/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Egress: what an interface receives for the whole world ends in this stack.
 *
 * lwIP takes in what is for an address of an interface.  So there is one more interface, a netif of lwIP's that is no
 * ifnet, and while a packet is taken in that one has the packet's destination for its address; before and after it
 * has none, and its link is down, so it is nobody's way out.  All of IP is lwIP's that way: checks, reassembly,
 * extension headers. The entrances of TCP and UDP are renamed (tcp_in.c, udp_in.c) and ask here first what came in by
 * that netif.
 *
 * TCP.  Whether the far end can be reached is not known when a SYN comes, and it should be said to who asks as it is:
 * with a reset, or with an ICMP error.  So the SYN is held, with a socket that is SO_PENDING, while the user connects
 * on. soadmit() takes the SYN in once more, now with a listening pcb that has just the address and the port that the
 * SYN asks for; sorefuse() takes it in to be answered.  Until then it costs its copy; lwIP knows of no connection.  A
 * retransmitted SYN finds the one that is held and is dropped.
 *
 * UDP has no sockets here: datagrams are handed to the user, who sends his with the address that the answer is to
 * come from.
 *
 * What the stack knows a way to (its networks, its routes) is not the world, and neither are multicast, broadcast,
 * loopback and IPv6's link-local addresses.  Only TCP and UDP are taken in: nobody here answers a ping for others.
 */
#include <errno.h>
#include <string.h>
#include <sys/queue.h>
#include <uvnet/net.h>
#include <uvnet/vnet.h>

#include "ifnet.h"
#include "inet_impl.h"
#include "lwip/icmp.h"
#include "lwip/icmp6.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/ip6_frag.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"
#include "lwip/prot/udp.h"
#include "lwip/udp.h"
#include "socket.h"

#define NHASH 64
#define IOV_MAX_EGRESS 64		/* pieces of a reassembled datagram: IP_REASS_MAX_PBUFS */
#define DATAGRAM_MAX 65507
#define KEEP_IDLE (10 * 60 * 1000)	/* ms: who asked may be a phone that is off */
#define ICMP_PROHIBITED 13		/* RFC 1812, 5.2.7.1: communication administratively prohibited */

/* A SYN that waits for the user's word. */
struct so_syn {
	LIST_ENTRY(so_syn) sy_le;
	struct egress *sy_egress;
	struct socket *sy_so;
	struct pbuf *sy_packet;		/* from the IP header on */
	ip_addr_t sy_from, sy_to;
	u16_t sy_fromport, sy_toport;
};

struct egress {
	struct netif eg_netif;
	struct ifnet *eg_ifp;
	const struct egress_ops *eg_ops;
	void *eg_arg;
	struct tcp_pcb_listen *eg_listener;
	struct udp_pcb *eg_udp;		/* only to send with */
	struct socket *eg_admitting;	/* whose SYN is being taken in, */
	int eg_refusing;		/* or what a packet that is being taken in is answered with: an errno */
	LIST_HEAD(, so_syn) eg_syns[NHASH];
};

/* ---- Which packets ---- */

static int
is_local4(uint32_t addr)
{
	struct netif *netif;

	NETIF_FOREACH (netif)
		if (netif_ip4_addr(netif)->addr == addr)
			return (1);
	return (0);
}

static int
takes4(const struct pbuf *p)
{
	const struct ip_hdr *ip = p->payload;
	ip4_addr_t dst;
	uint32_t host;

	if (p->len < IP_HLEN || (IPH_PROTO(ip) != IP_PROTO_TCP && IPH_PROTO(ip) != IP_PROTO_UDP))
		return (0);
	dst.addr = ip->dest.addr;
	host = lwip_ntohl(dst.addr);
	/* "This network", multicast and reserved addresses; and nobody sends as one of us. */
	if (host >> 24 == 0 || host >> 28 >= 14 || is_local4(ip->src.addr))
		return (0);
	return (!ip4_addr_isloopback(&dst) && !is_local4(dst.addr) && inet_route(&dst) == NULL);
}

static int
is_local6(const ip6_addr_p_t *addr)
{
	struct netif *netif;

	NETIF_FOREACH (netif)
		for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
			if (ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) &&
			    memcmp(netif_ip6_addr(netif, i)->addr, addr->addr, sizeof(addr->addr)) == 0)
				return (1);
	return (0);
}

static int
takes6(const struct pbuf *p)
{
	const struct ip6_hdr *ip = p->payload;
	ip6_addr_t dst;
	int next;

	if (p->len < IP6_HLEN)
		return (0);
	next = IP6H_NEXTH(ip);
	if (next == IP6_NEXTH_FRAGMENT && p->len >= IP6_HLEN + IP6_FRAG_HLEN)
		next = ((const u8_t *)p->payload)[IP6_HLEN];	/* what follows the fragment's header */
	if (next != IP6_NEXTH_TCP && next != IP6_NEXTH_UDP)
		return (0);
	memset(&dst, 0, sizeof(dst));
	ip6_addr_copy_from_packed(dst, ip->dest);
	if (is_local6(&ip->src) || ip6_addr_ismulticast(&dst) || ip6_addr_islinklocal(&dst) || ip6_addr_isany(&dst) ||
	    ip6_addr_isloopback(&dst))
		return (0);
	return (!is_local6(&ip->dest) && inet6_route(&dst) == NULL);
}

int
inet_egress_takes(const struct ifnet *ifp, const struct pbuf *p)
{
	if (ifp->if_egress == NULL || p->len == 0)
		return (0);
	switch (*(const u8_t *)p->payload >> 4) {
	case 4:
		return (takes4(p));
	case 6:
		return (takes6(p));
	default:
		return (0);
	}
}

/* Take it in, whoever it is for.  Takes the packet over. */
static void
egress_input(struct egress *eg, struct pbuf *p, uint16_t check)
{
	struct netif *netif = &eg->eg_netif;
	const struct ip6_hdr *ip6 = p->payload;
	const struct ip_hdr *ip = p->payload;
	const int six = IPH_V(ip) == 6;

	if (six) {
		IP_SET_TYPE_VAL(netif->ip6_addr[0], IPADDR_TYPE_V6);
		ip6_addr_copy_from_packed(*ip_2_ip6(&netif->ip6_addr[0]), ip6->dest);
		ip6_addr_clear_zone(ip_2_ip6(&netif->ip6_addr[0]));
		netif->ip6_addr_state[0] = IP6_ADDR_PREFERRED;
	} else {
		ip_addr_copy_from_ip4(netif->ip_addr, ip->dest);
	}
	netif->mtu = netif->mtu6 = eg->eg_ifp->if_netif.mtu;
	netif->chksum_flags = eg->eg_ifp->if_txcsum | check;
	if (ip_input(p, netif) != ERR_OK)
		pbuf_free(p);
	ip_addr_set_zero_ip4(&netif->ip_addr);
	netif->ip6_addr_state[0] = IP6_ADDR_INVALID;
}

void
inet_egress_input(struct ifnet *ifp, struct pbuf *p, uint16_t check)
{
	egress_input(ifp->if_egress, p, check);
}

/* ---- Answers ---- */

/* The packet that is being taken in, whose payload is its transport's header, goes no further: say so. */
static void
answer_unreach(struct pbuf *p, int error)
{
	const int six = ip_current_is_v6();

	pbuf_header_force(p, (s16_t)ip_current_header_tot_len());
	if (p->len < ip_current_header_tot_len() + 8)	/* what lwIP quotes */
		return;
	switch (error) {
	case ECONNREFUSED:
		if (six)
			icmp6_dest_unreach(p, ICMP6_DUR_PORT);
		else
			icmp_dest_unreach(p, ICMP_DUR_PORT);
		break;
	case EACCES:
	case EPERM:
		if (six)
			icmp6_dest_unreach(p, ICMP6_DUR_PROHIBITED);
		else
			icmp_dest_unreach(p, (enum icmp_dur_type)ICMP_PROHIBITED);
		break;
	case ENETUNREACH:
		if (six)
			icmp6_dest_unreach(p, ICMP6_DUR_NO_ROUTE);
		else
			icmp_dest_unreach(p, ICMP_DUR_NET);
		break;
	default:
		if (six)
			icmp6_dest_unreach(p, ICMP6_DUR_ADDRESS);
		else
			icmp_dest_unreach(p, ICMP_DUR_HOST);
	}
}

/* A SYN is refused: by a reset where somebody (the far end, or our rules) refuses, else by an error. */
static void
answer_syn(struct pbuf *p, const struct tcp_hdr *tcp, int error)
{
	switch (error) {
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ETIMEDOUT:
	case EHOSTDOWN:
	case ENETDOWN:
		answer_unreach(p, error);
		break;
	default:
		tcp_rst(NULL, 0, lwip_ntohl(tcp->seqno) + 1, ip_current_dest_addr(), ip_current_src_addr(),
		    lwip_ntohs(tcp->dest), lwip_ntohs(tcp->src));
	}
}

/* ---- TCP ---- */

static unsigned
syn_hash(const ip_addr_t *from, u16_t fromport, const ip_addr_t *to, u16_t toport)
{
	const u32_t *a = ip_2_ip6(from)->addr, *b = ip_2_ip6(to)->addr;
	u32_t key = a[0] ^ b[0];

	if (IP_IS_V6(from))
		key ^= a[1] ^ a[2] ^ a[3] ^ b[1] ^ b[2] ^ b[3];
	key ^= (u32_t)fromport << 16 | toport;
	return (key * 0x9e3779b1U >> 26);
}
_Static_assert(NHASH == 1 << (32 - 26), "the top bits of the product are a bucket");

static struct so_syn *
syn_find(struct egress *eg, u16_t fromport, u16_t toport)
{
	const ip_addr_t *from = ip_current_src_addr(), *to = ip_current_dest_addr();
	struct so_syn *sy;

	LIST_FOREACH (sy, &eg->eg_syns[syn_hash(from, fromport, to, toport)], sy_le)
		if (sy->sy_fromport == fromport && sy->sy_toport == toport && ip_addr_cmp(&sy->sy_from, from) &&
		    ip_addr_cmp(&sy->sy_to, to))
			break;
	return (sy);
}

void
so_syn_free(struct socket *so)
{
	struct so_syn *sy = so->so_syn;

	so->so_syn = NULL;
	LIST_REMOVE(sy, sy_le);
	pbuf_free(sy->sy_packet);
	vnet_free(sy);
}

/* Whether that segment is of a connection that there is.  One that has ended makes room (RFC 1122, 4.2.2.13). */
static int
tcp_isknown(u16_t fromport, u16_t toport, u32_t seqno)
{
	const ip_addr_t *from = ip_current_src_addr(), *to = ip_current_dest_addr();
	struct tcp_pcb *pcb;

	for (pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
		if (pcb->remote_port == fromport && pcb->local_port == toport && ip_addr_cmp(&pcb->remote_ip, from) &&
		    ip_addr_cmp(&pcb->local_ip, to))
			return (1);
	for (pcb = tcp_tw_pcbs; pcb != NULL; pcb = pcb->next)
		if (pcb->remote_port == fromport && pcb->local_port == toport && ip_addr_cmp(&pcb->remote_ip, from) &&
		    ip_addr_cmp(&pcb->local_ip, to)) {
			if (!TCP_SEQ_GT(seqno, pcb->rcv_nxt))
				return (1);
			tcp_abort(pcb);		/* says nothing to anybody in that state */
			return (0);
		}
	return (0);
}

/* Hold a new one and tell the user.  The packet's payload is its TCP header. */
static void
syn_hold(struct egress *eg, struct pbuf *p, u16_t fromport, u16_t toport)
{
	union { struct sockaddr sa; struct sockaddr_in sin; struct sockaddr_in6 sin6; } from, to;
	struct so_syn *sy = vnet_calloc(1, sizeof(*sy));
	struct socket *so = sy != NULL ? so_alloc() : NULL;

	if (so == NULL)
		goto fail;
	pbuf_header_force(p, (s16_t)ip_current_header_tot_len());
	sy->sy_packet = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
	if (sy->sy_packet == NULL)
		goto fail;
	sy->sy_egress = eg;
	sy->sy_so = so;
	ip_addr_copy(sy->sy_from, *ip_current_src_addr());
	ip_addr_copy(sy->sy_to, *ip_current_dest_addr());
	sy->sy_fromport = fromport;
	sy->sy_toport = toport;
	LIST_INSERT_HEAD(&eg->eg_syns[syn_hash(&sy->sy_from, fromport, &sy->sy_to, toport)], sy, sy_le);
	so->so_v6 = ip_current_is_v6();
	so->so_syn = sy;
	so_addr_out(&sy->sy_from, fromport, &from.sa);
	so_addr_out(&sy->sy_to, toport, &to.sa);
	eg->eg_ops->syn(eg->eg_arg, so, &from.sa, &to.sa);
	return;
fail:
	vnet_free(so);
	vnet_free(sy);
}

/* A segment came in by an egress netif.  1: it is eaten; 0: it is lwIP's. */
int
inet_egress_tcp(struct pbuf *p, struct netif *inp)
{
	struct egress *eg = (struct egress *)(void *)inp;
	const struct tcp_hdr *tcp = p->payload;
	u16_t fromport, toport;

	if (p->len < TCP_HLEN || (TCPH_FLAGS(tcp) & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return (0);
	fromport = lwip_ntohs(tcp->src);
	toport = lwip_ntohs(tcp->dest);
	if (eg->eg_admitting != NULL) {
		eg->eg_listener->local_port = toport;
		ip_addr_copy(eg->eg_listener->local_ip, *ip_current_dest_addr());
		return (0);
	}
	if (eg->eg_refusing != 0) {
		answer_syn(p, tcp, eg->eg_refusing);
	} else if ((inp->chksum_flags & NETIF_CHECKSUM_CHECK_TCP) == 0 || ip_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len,
	    ip_current_src_addr(), ip_current_dest_addr()) == 0) {
		if (tcp_isknown(fromport, toport, lwip_ntohl(tcp->seqno)))
			return (0);
		if (fromport != 0 && toport != 0 && syn_find(eg, fromport, toport) == NULL)
			syn_hold(eg, p, fromport, toport);
	}
	pbuf_free(p);
	return (1);
}

int
inet_is_egress(const struct netif *netif)
{
	return (netif->name[0] == 'e' && netif->name[1] == 'g');
}

/* lwIP made the connection of a SYN that is admitted. */
static err_t
egress_opened(u8_t id, struct tcp_pcb_listen *lpcb, struct tcp_pcb *pcb)
{
	struct egress *eg = tcp_ext_arg_get((struct tcp_pcb *)lpcb, id);
	struct socket *so = eg->eg_admitting;

	if (so == NULL)
		return (ERR_VAL);
	tcp_backlog_accepted(pcb);	/* the user bounds how many there are */
	so_pcb_attach(so, pcb);
	ip_set_option(pcb, SOF_KEEPALIVE);
	pcb->keep_idle = KEEP_IDLE;
	so->so_flags |= SS_CONNECTING;
	return (ERR_OK);
}

static const struct tcp_ext_arg_callbacks egress_callbacks = { .passive_open = egress_opened };

/* Its handshake is through. */
static err_t
egress_accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct socket *so = arg;

	if (pcb == NULL || err != ERR_OK || so == NULL)
		return (ERR_VAL);
	so_reserve(so);
	so->so_flags = (so->so_flags & ~(unsigned)SS_CONNECTING) | SS_CONNECTED;
	so_wakeup(so);
	return (ERR_OK);
}

int
soadmit(struct socket *so)
{
	struct so_syn *sy = so->so_syn;
	struct egress *eg;

	if (sy == NULL)
		return (-EINVAL);
	eg = sy->sy_egress;
	eg->eg_admitting = so;
	pbuf_ref(sy->sy_packet);
	egress_input(eg, sy->sy_packet, 0);
	eg->eg_admitting = NULL;
	eg->eg_listener->local_port = 0;
	so_syn_free(so);
	if (so->so_pcb == NULL && so->so_error == 0)
		so->so_error = ENOBUFS;
	return (-so->so_error);
}

void
sorefuse(struct socket *so, int error)
{
	struct so_syn *sy = so->so_syn;
	struct egress *eg;

	if (sy == NULL) {
		soabort(so);
		return;
	}
	if (error != 0) {
		eg = sy->sy_egress;
		eg->eg_refusing = error;
		pbuf_ref(sy->sy_packet);
		egress_input(eg, sy->sy_packet, 0);
		eg->eg_refusing = 0;
	}
	so_syn_free(so);
	so_free(so);
}

/* ---- UDP ---- */

int
inet_egress_udp(struct pbuf *p, struct netif *inp)
{
	union { struct sockaddr sa; struct sockaddr_in sin; struct sockaddr_in6 sin6; } from, to;
	struct egress *eg = (struct egress *)(void *)inp;
	const struct udp_hdr *udp = p->payload;
	struct iovec iov[IOV_MAX_EGRESS];
	int niov = 0, error;
	u16_t len;

	if (p->len < UDP_HLEN)
		goto drop;
	if (eg->eg_refusing != 0) {
		answer_unreach(p, eg->eg_refusing);
		goto drop;
	}
	len = lwip_ntohs(udp->len);
	if (len < UDP_HLEN || len > p->tot_len || udp->src == 0 || udp->dest == 0)
		goto drop;
	pbuf_realloc(p, len);
	if (udp->chksum == 0 ? ip_current_is_v6() && (inp->chksum_flags & NETIF_CHECKSUM_CHECK_UDP) != 0 :
	    (inp->chksum_flags & NETIF_CHECKSUM_CHECK_UDP) != 0 && ip_chksum_pseudo(p, IP_PROTO_UDP, p->tot_len,
	    ip_current_src_addr(), ip_current_dest_addr()) != 0)
		goto drop;
	so_addr_out(ip_current_src_addr(), lwip_ntohs(udp->src), &from.sa);
	so_addr_out(ip_current_dest_addr(), lwip_ntohs(udp->dest), &to.sa);
	for (const struct pbuf *q = p; q != NULL; q = q->next, niov++) {
		if (niov == IOV_MAX_EGRESS)
			goto drop;
		iov[niov] = (struct iovec){ .iov_base = q->payload, .iov_len = q->len };
	}
	iov[0].iov_base = (u8_t *)p->payload + UDP_HLEN;
	iov[0].iov_len -= UDP_HLEN;
	error = eg->eg_ops->datagram(eg->eg_arg, &from.sa, &to.sa, iov, niov);
	if (error != 0 && error != -ENOBUFS)
		answer_unreach(p, -error);
drop:
	pbuf_free(p);
	return (1);
}

ssize_t
egress_sendto(struct ifnet *ifp, const void *buf, size_t len, so_addr_t from, so_addr_t to)
{
	struct egress *eg = ifp->if_egress;
	ip_addr_t src, dst;
	u16_t port;
	struct pbuf *p;
	err_t err;

	if (eg == NULL)
		return (-EINVAL);
	if (so_addr_in(from.sa->sa_family == AF_INET6, from, &src, &eg->eg_udp->local_port) != 0 ||
	    so_addr_in(from.sa->sa_family == AF_INET6, to, &dst, &port) != 0)
		return (-EAFNOSUPPORT);
	if (eg->eg_udp->local_port == 0 || len > DATAGRAM_MAX)
		return (-EMSGSIZE);
	p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)len, PBUF_RAM);
	if (p == NULL)
		return (-ENOBUFS);
	memcpy(p->payload, buf, len);
	err = udp_sendto_if_src(eg->eg_udp, p, &dst, port, &ifp->if_netif, &src);
	pbuf_free(p);
	return (err == ERR_OK ? (ssize_t)len : so_errno(err));
}

/* An error is about a packet; there is none any more, so one is made as it was, without what was in it. */
void
egress_refuse(struct ifnet *ifp, so_addr_t from, so_addr_t to, int error)
{
	struct egress *eg = ifp->if_egress;
	const int six = from.sa->sa_family == AF_INET6;
	const u16_t hlen = six ? IP6_HLEN : IP_HLEN;
	ip_addr_t src, dst;
	u16_t fromport, toport;
	struct udp_hdr *udp;
	struct pbuf *p;

	if (eg == NULL || so_addr_in(six, from, &src, &fromport) != 0 || so_addr_in(six, to, &dst, &toport) != 0)
		return;
	p = pbuf_alloc(PBUF_RAW, (u16_t)(hlen + UDP_HLEN), PBUF_RAM);
	if (p == NULL)
		return;
	memset(p->payload, 0, p->len);
	if (six) {
		struct ip6_hdr *ip6 = p->payload;

		IP6H_VTCFL_SET(ip6, 6, 0, 0);
		IP6H_PLEN_SET(ip6, UDP_HLEN);
		IP6H_NEXTH_SET(ip6, IP6_NEXTH_UDP);
		IP6H_HOPLIM_SET(ip6, IP_DEFAULT_TTL);
		ip6_addr_copy_to_packed(ip6->src, *ip_2_ip6(&src));
		ip6_addr_copy_to_packed(ip6->dest, *ip_2_ip6(&dst));
	} else {
		struct ip_hdr *ip = p->payload;

		IPH_VHL_SET(ip, 4, IP_HLEN / 4);
		IPH_LEN_SET(ip, lwip_htons(p->len));
		IPH_TTL_SET(ip, IP_DEFAULT_TTL);
		IPH_PROTO_SET(ip, IP_PROTO_UDP);
		ip4_addr_copy(ip->src, *ip_2_ip4(&src));
		ip4_addr_copy(ip->dest, *ip_2_ip4(&dst));
		IPH_CHKSUM_SET(ip, inet_chksum(ip, IP_HLEN));
	}
	udp = (struct udp_hdr *)(void *)((u8_t *)p->payload + hlen);
	udp->src = lwip_htons(fromport);
	udp->dest = lwip_htons(toport);
	udp->len = PP_HTONS(UDP_HLEN);
	eg->eg_refusing = error;
	egress_input(eg, p, 0);
	eg->eg_refusing = 0;
}

/* ---- Making ---- */

/* An ICMPv6 error is lwIP's to send by the netif that the packet came in by. */
static err_t
egress_output6(struct netif *netif, struct pbuf *p, const ip6_addr_t *to)
{
	struct netif *out = &((struct egress *)(void *)netif)->eg_ifp->if_netif;

	return (out->output_ip6(out, p, to));
}

static err_t
egress_netif_init(struct netif *netif)
{
	netif->name[0] = 'e';
	netif->name[1] = 'g';
	netif->output_ip6 = egress_output6;
	return (ERR_OK);
}

int
if_setegress(struct ifnet *ifp, const struct egress_ops *ops, void *arg)
{
	struct tcp_pcb *pcb, *listener;
	struct egress *eg;

	if (!ifp->if_attached || ifp->if_hdrlen != 0)
		return (-EINVAL);
	if (ifp->if_egress != NULL)
		return (-EEXIST);
	eg = vnet_calloc(1, sizeof(*eg));
	if (eg == NULL)
		return (-ENOMEM);
	eg->eg_ifp = ifp;
	eg->eg_ops = ops;
	eg->eg_arg = arg;
	eg->eg_udp = udp_new_ip_type(IPADDR_TYPE_ANY);
	if (eg->eg_udp == NULL)
		goto fail;
	pcb = tcp_new_ip_type(IPADDR_TYPE_V4);
	if (pcb == NULL)
		goto fail_udp;
	/* Bound to no port: nobody finds it but while a SYN is admitted. */
	listener = tcp_listen(pcb);
	if (listener == NULL) {
		tcp_abort(pcb);
		goto fail_udp;
	}
	eg->eg_listener = (struct tcp_pcb_listen *)listener;
	tcp_arg(listener, NULL);
	tcp_accept(listener, egress_accepted);
	tcp_ext_arg_set(listener, 0, eg);
	tcp_ext_arg_set_callbacks(listener, 0, &egress_callbacks);
	if (netif_add(&eg->eg_netif, NULL, NULL, NULL, NULL, egress_netif_init, ip_input) == NULL)
		goto fail_listener;
	netif_set_up(&eg->eg_netif);
	ifp->if_egress = eg;
	return (0);
fail_listener:
	tcp_close(listener);
fail_udp:
	udp_remove(eg->eg_udp);
fail:
	vnet_free(eg);
	return (-ENOMEM);
}

/* The interface goes: its connections are aborted, as those from its own addresses are. */
void
inet_egress_detach(struct ifnet *ifp)
{
	struct egress *eg = ifp->if_egress;
	struct tcp_pcb *pcb, *next;
	struct so_syn *sy;

	if (eg == NULL)
		return;
	for (int i = 0; i < NHASH; i++)
		while ((sy = LIST_FIRST(&eg->eg_syns[i])) != NULL) {
			sy->sy_so->so_error = ENETDOWN;
			so_wakeup(sy->sy_so);
			so_syn_free(sy->sy_so);
		}
	/* An abort calls nobody back from outside (net/socket.c), so the rest of the list stands still. */
	for (pcb = tcp_active_pcbs; pcb != NULL; pcb = next) {
		next = pcb->next;
		if (pcb->listener == eg->eg_listener)
			tcp_abort(pcb);
	}
	tcp_close((struct tcp_pcb *)eg->eg_listener);
	udp_remove(eg->eg_udp);
	netif_remove(&eg->eg_netif);
	ifp->if_egress = NULL;
	vnet_free(eg);
}
