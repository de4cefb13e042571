/* SPDX-License-Identifier: BSD-2-Clause */
/* A socket, between net/socket.c (its life) and net/socket_io.c (its bytes). */
#ifndef UVNET_SOCKET_H
#define UVNET_SOCKET_H

#include <sys/queue.h>
#include <uvnet/net.h>

#include "lwip/tcp.h"

struct dgram;
struct so_syn;

/* socket_addr.c: an address as lwIP has it; 0, -EAFNOSUPPORT if it is not of the family.  And back. */
int so_addr_in(int v6, so_addr_t addr, ip_addr_t *ip, uint16_t *port);
void so_addr_out(const ip_addr_t *ip, uint16_t port, so_name_t name);

struct udp_pcb;
struct raw_pcb;

enum {
	SS_CONNECTING = 0x01,	/* our SYN is out */
	SS_CONNECTED = 0x02,	/* the handshake was completed at some time */
	SS_LISTENING = 0x04,
	SS_EOF = 0x08,		/* the peer's FIN came, after all that is queued */
	SS_SHUTDOWN = 0x10,	/* our FIN is queued, or out */
	SS_LOW = 0x20,		/* little room to send was left: say so when there is more */
	SS_DIRTY = 0x40,	/* on the list of sockets to call up */
	SS_RECOVERY = 0x80,	/* segments were lost: until so_recover is acknowledged */
};

struct socket {
	struct tcp_pcb *so_pcb;		/* NULL when lwIP freed it; a listening socket's is a tcp_pcb_listen */
	so_upcall_t *so_upcall;
	void *so_upcallarg;
	unsigned so_flags;
	int so_v6;			/* AF_INET6 */
	unsigned so_sndspace, so_rcvless;	/* TCP_SND_BUF or less; what the receive window is short of TCP_WND */
	unsigned so_sent;		/* bytes since the last upcall */
	uint32_t so_recover;
	int so_error;			/* a positive errno: why it is dead */

	struct so_syn *so_syn;		/* SO_PENDING: the SYN that is held (egress.c) */

	/* Received and not consumed: pbufs of one piece each, by their `next`. */
	struct pbuf *so_rcvhead, *so_rcvtail;

	/* Of a socket for datagrams (so_udp) or ICMP (so_raw), which has no so_pcb. */
	struct udp_pcb *so_udp;
	struct raw_pcb *so_raw;
	STAILQ_HEAD(, dgram) so_dgramq;
	unsigned so_dgrams;
	size_t so_dgrambytes;

	TAILQ_ENTRY(socket) so_dirty;
	TAILQ_ENTRY(socket) so_accept;	/* in its listener's queue */
	struct socket *so_head;		/* that listener, until accepted */
	TAILQ_HEAD(, socket) so_queue;	/* a listener's connections that wait for soaccept() */
};

/* A socket without a pcb, or NULL; give it one; free it, whose pcb is gone. */
struct socket *so_alloc(void);
void so_pcb_attach(struct socket *so, struct tcp_pcb *pcb);
void so_reserve(struct socket *so);	/* when its handshake is through */
void so_free(struct socket *so);

/* egress.c: let go of the SYN, without a word. */
void so_syn_free(struct socket *so);

/* Have the upcall made in the worker's next round. */
void so_wakeup(struct socket *so);

/* lwIP's callbacks for data. */
err_t so_tcp_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err);
err_t so_tcp_sent(void *arg, struct tcp_pcb *pcb, u16_t len);

/* socket_udp.c: a datagram socket's pcb, and what the functions of all sockets do with it. */
int so_udp_attach(struct socket *so, int v6);
void so_udp_detach(struct socket *so);
int so_udp_bind(struct socket *so, const ip_addr_t *ip, uint16_t port);
int so_udp_connect(struct socket *so, const ip_addr_t *ip, uint16_t port);
int so_udp_name(const struct socket *so, int local, so_name_t name);

/* The queue of a socket without so_pcb.  Appending takes the pbuf over, and drops it where there is no room. */
int so_dgram_hasroom(const struct socket *so, size_t len);
void so_dgram_append(struct socket *so, struct pbuf *p, const ip_addr_t *addr, uint16_t port);
void so_dgram_flush(struct socket *so);

/* socket_raw.c: the same for ICMP. */
int so_raw_attach(struct socket *so, int v6);
void so_raw_detach(struct socket *so);
int so_raw_bind(struct socket *so, const ip_addr_t *ip);
ssize_t so_raw_sendto(struct socket *so, const void *buf, size_t len, const ip_addr_t *to);

/* Let go of what was received. */
void so_rcvfree(struct socket *so);

/* lwIP's error as a negative errno. */
int so_errno(err_t err);

#endif
