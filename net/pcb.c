/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What connections and ports a stack has, for netstat: lwIP's lists, one after the other.  A pcb that has a socket says how
 * much waits in it; one that its socket gave up (net/socket.c) is lwIP's alone, and is listed all the same.
 */
#include <string.h>
#include <uvnet/net.h>

#include "lwip/priv/tcp_priv.h"
#include "lwip/udp.h"
#include "socket.h"

/* FreeBSD's names (tcp_fsm.h). */
static const char *const tcp_states[] = {
	[CLOSED] = "CLOSED",
	[LISTEN] = "LISTEN",
	[SYN_SENT] = "SYN_SENT",
	[SYN_RCVD] = "SYN_RCVD",
	[ESTABLISHED] = "ESTABLISHED",
	[FIN_WAIT_1] = "FIN_WAIT_1",
	[FIN_WAIT_2] = "FIN_WAIT_2",
	[CLOSE_WAIT] = "CLOSE_WAIT",
	[CLOSING] = "CLOSING",
	[LAST_ACK] = "LAST_ACK",
	[TIME_WAIT] = "TIME_WAIT",
};

static void
names_put(struct inpcb_data *d, const ip_addr_t *local, u16_t lport, const ip_addr_t *remote, u16_t rport)
{
	d->family = IP_IS_V6(local) ? AF_INET6 : AF_INET;
	so_addr_out(local, lport, &d->local.sa);
	so_addr_out(remote, rport, &d->remote.sa);
}

static void
tcp_visit(const struct tcp_pcb *pcb, inpcb_visit_t *visit, void *arg)
{
	struct inpcb_data d = { .proto = IPPROTO_TCP, .state = tcp_states[pcb->state] };
	/* Until it is accepted it has its listener's argument, which may be closed by now. */
	const struct socket *so = pcb->state > SYN_RCVD ? pcb->callback_arg : NULL;
	const struct tcp_seg *seg;
	const struct pbuf *p;

	names_put(&d, &pcb->local_ip, pcb->local_port, &pcb->remote_ip, pcb->remote_port);
	for (seg = pcb->unacked; seg != NULL; seg = seg->next)
		d.sndq += seg->len;
	for (seg = pcb->unsent; seg != NULL; seg = seg->next)
		d.sndq += seg->len;
	for (p = so != NULL ? so->so_rcvhead : NULL; p != NULL; p = p->next)
		d.rcvq += p->len;
	visit(&d, arg);
}

static void
listen_visit(const struct tcp_pcb_listen *l, inpcb_visit_t *visit, void *arg)
{
	struct inpcb_data d = { .proto = IPPROTO_TCP, .state = tcp_states[LISTEN] };
	const ip_addr_t none = IP_IS_V6(&l->local_ip) ? *IP6_ADDR_ANY : *IP4_ADDR_ANY;

	names_put(&d, &l->local_ip, l->local_port, &none, 0);
	visit(&d, arg);
}

void
inpcb_foreach(inpcb_visit_t *visit, void *arg)
{
	const struct tcp_pcb_listen *l;
	const struct tcp_pcb *pcb;
	const struct udp_pcb *udp;
	const struct socket *so;

	for (pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
		tcp_visit(pcb, visit, arg);
	for (pcb = tcp_tw_pcbs; pcb != NULL; pcb = pcb->next)
		tcp_visit(pcb, visit, arg);
	for (l = tcp_listen_pcbs.listen_pcbs; l != NULL; l = l->next)
		if (l->local_port != 0)		/* not egress.c's */
			listen_visit(l, visit, arg);
	for (udp = udp_pcbs; udp != NULL; udp = udp->next) {
		struct inpcb_data d = { .proto = IPPROTO_UDP, .state = "" };

		so = udp->recv_arg;
		names_put(&d, &udp->local_ip, udp->local_port, &udp->remote_ip, udp->remote_port);
		d.rcvq = so != NULL ? so->so_dgrambytes : 0;
		visit(&d, arg);
	}
}
