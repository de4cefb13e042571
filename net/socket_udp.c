/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets: datagrams, over lwIP's udp_pcb.
 *
 * What comes in is queued whole with its sender's address, in the buffer that it came in, and taken out by
 * soreceivefrom().  A user who does not read loses what is beyond the queue's bounds, as everywhere; what a
 * stack holds of its worker's buffers is bounded beside that (net/ifnet.c).
 */
#include <errno.h>
#include <string.h>
#include <uvnet/vnet.h>

#include "inet_impl.h"
#include "lwip/udp.h"
#include "socket.h"

#define QUEUE_MAX 256			/* datagrams, */
#define QUEUE_BYTES (256 << 10)		/* and bytes, that wait in a socket where nothing else is said */
#define DATAGRAM_MAX 65507		/* what the length field of UDP over IPv4 leaves */

VNET_DEFINE_STATIC(int, udp_recvspace) = QUEUE_BYTES;
VNET_DEFINE_STATIC(int, udp_maxdgram) = DATAGRAM_MAX;
SYSCTL_DECL(_net_inet_udp);
SYSCTL_PROC(_net_inet_udp, OID_AUTO, recvspace, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RWTUN, &VNET_NAME(udp_recvspace),
    INET_SYSCTL_BOUNDS(1, 16 << 20), inet_sysctl_int, "I", "Bytes that wait in a socket at the most: 1 to 16777216");
SYSCTL_PROC(_net_inet_udp, OID_AUTO, maxdgram, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RWTUN, &VNET_NAME(udp_maxdgram),
    INET_SYSCTL_BOUNDS(1, DATAGRAM_MAX), inet_sysctl_int, "I", "The longest datagram that is sent: 1 to 65507");

struct dgram {
	STAILQ_ENTRY(dgram) d_le;
	struct pbuf *d_bytes;
	ip_addr_t d_from;
	u16_t d_port;
};

int
so_dgram_hasroom(const struct socket *so, size_t len)
{
	return (so->so_dgrams < QUEUE_MAX && so->so_dgrambytes + len <= (size_t)VNET(udp_recvspace));
}

void
so_dgram_append(struct socket *so, struct pbuf *p, const ip_addr_t *addr, uint16_t port)
{
	struct dgram *d;

	if (!so_dgram_hasroom(so, p->tot_len) || (d = vnet_malloc(sizeof(*d))) == NULL) {
		pbuf_free(p);
		return;
	}
	d->d_bytes = p;
	d->d_from = *addr;
	d->d_port = port;
	STAILQ_INSERT_TAIL(&so->so_dgramq, d, d_le);
	so->so_dgrams++;
	so->so_dgrambytes += p->tot_len;
	so_wakeup(so);
}

static void
so_udp_recv(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *addr, u16_t port)
{
	(void)pcb;
	so_dgram_append(arg, p, addr, port);
}

static void
so_dgram_drop(struct socket *so)
{
	struct dgram *d = STAILQ_FIRST(&so->so_dgramq);

	STAILQ_REMOVE_HEAD(&so->so_dgramq, d_le);
	so->so_dgrams--;
	so->so_dgrambytes -= d->d_bytes->tot_len;
	pbuf_free(d->d_bytes);
	vnet_free(d);
}

int
so_udp_attach(struct socket *so, int v6)
{
	so->so_udp = udp_new_ip_type(v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
	if (so->so_udp == NULL)
		return (-ENOMEM);
	udp_recv(so->so_udp, so_udp_recv, so);
	return (0);
}

void
so_udp_detach(struct socket *so)
{
	udp_remove(so->so_udp);
	so->so_udp = NULL;
}

void
so_dgram_flush(struct socket *so)
{
	while (!STAILQ_EMPTY(&so->so_dgramq))
		so_dgram_drop(so);
}

int
so_udp_bind(struct socket *so, const ip_addr_t *ip, uint16_t port)
{
	if (so->so_udp->local_port != 0)
		return (-EINVAL);
	return (so_errno(udp_bind(so->so_udp, ip, port)));
}

int
so_udp_connect(struct socket *so, const ip_addr_t *ip, uint16_t port)
{
	return (so_errno(udp_connect(so->so_udp, ip, port)));
}

ssize_t
sosendto(struct socket *so, const void *buf, size_t len, so_addr_t to)
{
	struct pbuf *p;
	ip_addr_t ip;
	u16_t port = 0;
	err_t err;

	if (so->so_udp == NULL && so->so_raw == NULL)
		return (-EOPNOTSUPP);
	if (to.sa != NULL && so_addr_in(so->so_v6, to, &ip, &port) != 0)
		return (-EAFNOSUPPORT);
	if (so->so_raw != NULL)
		return (to.sa == NULL ? -EDESTADDRREQ : so_raw_sendto(so, buf, len, &ip));
	if (to.sa == NULL && (so->so_udp->flags & UDP_FLAGS_CONNECTED) == 0)
		return (-EDESTADDRREQ);
	if (len > (size_t)VNET(udp_maxdgram))
		return (-EMSGSIZE);
	p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)len, PBUF_RAM);
	if (p == NULL)
		return (-ENOBUFS);
	memcpy(p->payload, buf, len);
	if (to.sa != NULL)
		err = udp_sendto(so->so_udp, p, &ip, port);
	else
		err = udp_send(so->so_udp, p);
	pbuf_free(p);
	return (err == ERR_OK ? (ssize_t)len : so_errno(err));
}

ssize_t
soreceivefrom(struct socket *so, void *buf, size_t len, so_name_t from)
{
	const struct dgram *d;
	size_t n;

	if (so->so_udp == NULL && so->so_raw == NULL)
		return (-EOPNOTSUPP);
	d = STAILQ_FIRST(&so->so_dgramq);
	if (d == NULL)
		return (-EAGAIN);
	n = d->d_bytes->tot_len < len ? d->d_bytes->tot_len : len;
	pbuf_copy_partial(d->d_bytes, buf, (u16_t)n, 0);
	if (from.sa != NULL)
		so_addr_out(&d->d_from, d->d_port, from);
	so_dgram_drop(so);
	return ((ssize_t)n);
}

int
so_udp_name(const struct socket *so, int local, so_name_t name)
{
	const struct udp_pcb *pcb = so->so_udp;

	if (!local && (pcb->flags & UDP_FLAGS_CONNECTED) == 0)
		return (-ENOTCONN);
	so_addr_out(local ? &pcb->local_ip : &pcb->remote_ip, local ? pcb->local_port : pcb->remote_port, name);
	return (0);
}
