/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets: their bytes, and what there is to know of them.
 *
 * Receiving: lwIP hands over chains of pbufs, most of one piece, each in the buffer that it came in.  They are taken
 * apart and queued by their `next`, so that adding and removing is one step however much waits, and lent out
 * as they are (sopeek); soconsume() frees them and opens the window by as much.
 *
 * Sending: tcp_write() copies into segments of full size; it takes 16-bit lengths, so a large piece goes in as
 * multiples of a segment, of which none but the last leaves a remainder.  One tcp_output() at the end.
 *
 * When to call up for room: acknowledgements come for every second segment, and a user who was called for each
 * would refill a few kilobytes at a time.  So once less than SNDLOWAT is free, the next call comes when that much is.
 *
 * Beside quiet stacks, filling a window at once would make these wait; and in a crowd, windows full of what waits in
 * the receivers' queues fall out of every cache before they are read (netisr_sendlimit()).  There a socket takes some
 * segments, then says that it has no room, and makes its upcall in the next round, or, where its segments only wait,
 * with the next acknowledgement.
 */
#include <errno.h>
#include <string.h>
#include <uvnet/netisr.h>
#include <uvnet/vnet.h>

#include "lwip/priv/tcp_priv.h"
#include "inet_impl.h"
#include "socket.h"

#define SNDLOWAT(so) ((so)->so_sndspace / 4)
#define SHARED_FLIGHT (16 * TCP_MSS)
#define AHEAD 8	/* packets: a queue that a segment need not join while as much as SHARED_FLIGHT is under way */
#define QUEUELEN_MAX (TCP_SND_QUEUELEN - 2 * (0xffff / TCP_MSS + 1))	/* leaves one tcp_write() of small segments */

/* ---- Receiving ---- */

err_t
so_tcp_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct socket *so = arg;
	struct pbuf *next;

	(void)pcb;
	(void)err;	/* always ERR_OK */
	if (p == NULL)
		so->so_flags |= SS_EOF;
	for (; p != NULL; p = next) {
		/* A chain's head owns its tail: taken apart, each piece is ours. */
		next = p->next;
		p->next = NULL;
		p->tot_len = p->len;
		if (p->len == 0) {
			pbuf_free(p);	/* what is left of headers in a buffer of their own */
			continue;
		}
		if (so->so_rcvhead == NULL)
			so->so_rcvhead = p;
		else
			so->so_rcvtail->next = p;
		so->so_rcvtail = p;
	}
	so_wakeup(so);
	return (ERR_OK);
}

static void
so_rcvdrop(struct socket *so)
{
	struct pbuf *p = so->so_rcvhead;

	so->so_rcvhead = p->next;
	p->next = NULL;
	pbuf_free(p);
}

void
so_rcvfree(struct socket *so)
{
	while (so->so_rcvhead != NULL)
		so_rcvdrop(so);
}

int
sopeek(struct socket *so, struct iovec *iov, int niov)
{
	struct pbuf *p;
	int n = 0;

	for (p = so->so_rcvhead; p != NULL && n < niov; p = p->next, n++) {
		iov[n].iov_base = p->payload;
		iov[n].iov_len = p->len;
	}
	return (n);
}

void
soconsume(struct socket *so, size_t len)
{
	size_t done = 0, n;
	struct pbuf *p;

	while (done < len && (p = so->so_rcvhead) != NULL) {
		n = len - done;
		if (n < p->len) {
			pbuf_remove_header(p, n);
			p->tot_len = p->len;
			done = len;
		} else {
			done += p->len;
			so_rcvdrop(so);
		}
	}
	for (; done > 0 && so->so_pcb != NULL; done -= n) {
		n = done < 0xffff ? done : 0xffff;
		tcp_recved(so->so_pcb, (u16_t)n);
	}
}

ssize_t
soreceive(struct socket *so, void *buf, size_t len)
{
	const struct pbuf *p;
	size_t done = 0, n;

	for (p = so->so_rcvhead; p != NULL && done < len; p = p->next) {
		n = len - done < p->len ? len - done : p->len;
		memcpy((char *)buf + done, p->payload, n);
		done += n;
	}
	if (done > 0) {
		soconsume(so, done);
		return ((ssize_t)done);
	}
	if (so->so_rcvhead != NULL)
		return (0);	/* asked for nothing */
	if (so->so_error != 0)
		return (-so->so_error);
	if ((so->so_flags & SS_EOF) != 0)
		return (0);
	if ((so->so_flags & (SS_CONNECTED | SS_CONNECTING)) == 0)
		return (-ENOTCONN);
	return (so->so_pcb != NULL ? -EAGAIN : 0);
}

/* ---- Sending ---- */

static size_t
so_room(const struct socket *so)
{
	const struct tcp_pcb *pcb = so->so_pcb;

	if (pcb == NULL || (so->so_flags & (SS_CONNECTED | SS_SHUTDOWN)) != SS_CONNECTED || so->so_error != 0)
		return (0);
	return (pcb->snd_queuelen < QUEUELEN_MAX ? pcb->snd_buf : 0);
}

void
so_tcp_rexmit_fast(struct tcp_pcb *pcb)
{
	struct socket *so = pcb->callback_arg;
	const int before = pcb->flags & TF_INFR;

	tcp_rexmit_fast(pcb);
	if (so != NULL && before == 0 && (pcb->flags & TF_INFR) != 0) {
		so->so_flags |= SS_RECOVERY;
		so->so_recover = pcb->snd_nxt;
	}
}

/* An acknowledgement moved in recovery.  If not beyond it, the segment behind is lost, too: send it, and stay. */
static void
so_recovery(struct socket *so, struct tcp_pcb *pcb)
{
	if (!TCP_SEQ_LT(pcb->lastack, so->so_recover) || (pcb->flags & TF_RTO) != 0) {
		so->so_flags &= ~(unsigned)SS_RECOVERY;
	} else if (pcb->unacked != NULL && tcp_rexmit(pcb) == ERR_OK) {
		tcp_set_flags(pcb, TF_INFR);
		pcb->rtime = 0;
	}
}

err_t
so_tcp_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	struct socket *so = arg;

	(void)len;
	if ((so->so_flags & SS_RECOVERY) != 0)
		so_recovery(so, pcb);
	if ((so->so_flags & SS_LOW) != 0 && so_room(so) >= SNDLOWAT(so)) {
		so->so_flags &= ~(unsigned)SS_LOW;
		so_wakeup(so);
	} else if ((so->so_flags & SS_SHUTDOWN) != 0 && pcb->unacked == NULL && pcb->unsent == NULL)
		so_wakeup(so);	/* drained */
	return (ERR_OK);
}

/*
 * What of `len` bytes may be sent in this round; if that is not all, the upcall comes in the next.  It waits for an
 * acknowledgement where segments would only wait too, for the congestion window or in the queue of a stack of this
 * worker; one far away, whose segments are on the wire, may have as many under way as ever.
 */
static size_t
so_share(struct socket *so, size_t len)
{
	const struct tcp_pcb *pcb = so->so_pcb;
	const size_t share = (size_t)netisr_sendlimit() * pcb->mss;

	if (so->so_upcall == NULL || so->so_sent + len <= share)
		return (len);
	if (so->so_sndspace - pcb->snd_buf >= SHARED_FLIGHT && (netisr_ahead() >= AHEAD || pcb->unsent != NULL)) {
		so->so_flags |= SS_LOW;
		return (0);
	}
	so_wakeup(so);
	return (so->so_sent < share ? share - so->so_sent : 0);
}

ssize_t
sosend(struct socket *so, const void *buf, size_t len)
{
	struct tcp_pcb *pcb = so->so_pcb;
	size_t done = 0, n, room, chunk;
	err_t err = ERR_OK;

	if (so->so_error != 0)
		return (-so->so_error);
	if ((so->so_flags & SS_CONNECTED) == 0)
		return (so->so_flags & SS_CONNECTING ? -EAGAIN : -ENOTCONN);
	if (pcb == NULL || (so->so_flags & SS_SHUTDOWN) != 0)
		return (-EPIPE);
	if (len > 0 && (len = so_share(so, len)) == 0)
		return (-EAGAIN);
	chunk = 0xffff / pcb->mss * pcb->mss;
	while (done < len && (room = so_room(so)) > 0) {
		n = len - done;
		n = n < chunk ? n : chunk;
		n = n < room ? n : room;
		err = tcp_write(pcb, (const char *)buf + done, (u16_t)n,
		    TCP_WRITE_FLAG_COPY | (done + n < len ? TCP_WRITE_FLAG_MORE : 0));
		if (err != ERR_OK)
			break;
		done += n;
	}
	so->so_sent += (unsigned)done;
	if (so_room(so) < SNDLOWAT(so))
		so->so_flags |= SS_LOW;
	if (done > 0) {
		tcp_output(pcb);
		return ((ssize_t)done);
	}
	if (len == 0)
		return (0);
	so->so_flags |= SS_LOW;
	return (err == ERR_OK || err == ERR_MEM ? -EAGAIN : so_errno(err));
}

size_t
sospace(const struct socket *so)
{
	return (so_room(so));
}

/* ---- What there is to know ---- */

unsigned
sostate(const struct socket *so)
{
	const struct tcp_pcb *pcb = so->so_pcb;
	unsigned state = 0;

	if (so->so_udp != NULL || so->so_raw != NULL)
		return (SO_WRITABLE | (so->so_dgrams > 0 ? SO_READABLE : 0));
	if (so->so_syn != NULL)
		return (SO_PENDING);
	if ((so->so_flags & SS_LISTENING) != 0)
		return (TAILQ_EMPTY(&so->so_queue) ? 0 : SO_READABLE);
	if (so->so_error != 0)
		state |= SO_DEAD;
	if ((so->so_flags & SS_CONNECTED) != 0)
		state |= SO_CONNECTED;
	if (so->so_rcvhead != NULL)
		state |= SO_READABLE;
	else if ((so->so_flags & SS_EOF) != 0)
		state |= SO_READABLE | SO_EOF;
	if (so_room(so) > 0)
		state |= SO_WRITABLE;
	if ((so->so_flags & SS_CONNECTED) != 0 && so->so_error == 0 &&
	    (pcb == NULL || (pcb->unsent == NULL && pcb->unacked == NULL)))
		state |= SO_DRAINED;
	return (state);
}

int
soerror(const struct socket *so)
{
	return (-so->so_error);
}

static int
so_name(const struct socket *so, int local, so_name_t name)
{
	ip_addr_t ip;
	u16_t port;

	if (so->so_udp != NULL)
		return (so_udp_name(so, local, name));
	/* The beginning of a tcp_pcb_listen is the same; it has no peer. */
	if (so->so_pcb == NULL || (!local && (so->so_flags & SS_LISTENING) != 0))
		return (-ENOTCONN);
	tcp_tcp_get_tcp_addrinfo(so->so_pcb, local, &ip, &port);
	if (!local && port == 0)
		return (-ENOTCONN);
	so_addr_out(&ip, port, name);
	return (0);
}

int
sogetsockname(const struct socket *so, so_name_t name)
{
	return (so_name(so, 1, name));
}

int
sogetpeername(const struct socket *so, so_name_t name)
{
	return (so_name(so, 0, name));
}
