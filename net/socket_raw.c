/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets: ICMP as it is on the wire, over lwIP's raw_pcb.
 *
 * A raw socket sees a copy of every ICMP packet that comes in, and takes none away: lwIP goes on answering echoes.  The
 * copies wait in the queue that datagrams have (net/socket_udp.c), in the stack's own heap.
 *
 * lwIP asks its raw.c about every packet of every protocol.  Its raw_input() is renamed here, and called only while
 * there is a raw socket: else the question costs one load.
 */
#include <errno.h>
#include <string.h>
#include <uvnet/vnet.h>

#include "lwip/priv/raw_priv.h"
#include "socket.h"

static raw_input_state_t lwip_raw_input(struct pbuf *p, struct netif *inp);

#define raw_input lwip_raw_input
#include "core/raw.c"
#undef raw_input

#define PACKET_MAX 65535		/* of a pbuf's length, with its IP header */

raw_input_state_t
raw_input(struct pbuf *p, struct netif *inp)
{
	return (raw_pcbs == NULL ? RAW_INPUT_NONE : lwip_raw_input(p, inp));
}

static u8_t
so_raw_recv(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *addr)
{
	struct socket *so = arg;
	struct pbuf *copy;

	(void)pcb;
	if (so_dgram_hasroom(so, p->tot_len)) {
		copy = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
		if (copy != NULL)
			so_dgram_append(so, copy, addr, 0);
	}
	return (0);
}

int
so_raw_attach(struct socket *so, int v6)
{
	so->so_raw = raw_new_ip_type(v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4, v6 ? IP6_NEXTH_ICMP6 : IP_PROTO_ICMP);
	if (so->so_raw == NULL)
		return (-ENOMEM);
	so->so_raw->chksum_reqd = v6 != 0;
	so->so_raw->chksum_offset = offsetof(struct icmp6_hdr, chksum);
	raw_recv(so->so_raw, so_raw_recv, so);
	return (0);
}

void
so_raw_detach(struct socket *so)
{
	raw_remove(so->so_raw);
	so->so_raw = NULL;
}

int
so_raw_bind(struct socket *so, const ip_addr_t *ip)
{
	return (so_errno(raw_bind(so->so_raw, ip)));
}

ssize_t
so_raw_sendto(struct socket *so, const void *buf, size_t len, const ip_addr_t *to)
{
	struct pbuf *p;
	err_t err;

	if (len < sizeof(struct icmp6_hdr))
		return (-EINVAL);
	if (len > PACKET_MAX - (so->so_v6 ? IP6_HLEN : IP_HLEN))
		return (-EMSGSIZE);
	p = pbuf_alloc(PBUF_IP, (u16_t)len, PBUF_RAM);
	if (p == NULL)
		return (-ENOBUFS);
	memcpy(p->payload, buf, len);
	err = raw_sendto(so->so_raw, p, to);
	pbuf_free(p);
	return (err == ERR_OK ? (ssize_t)len : so_errno(err));
}
