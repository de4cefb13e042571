/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The outside of a tunnel: a UDP socket of the host, which many tunnels may share.
 *
 * Out: if_wg seals into a buffer of the worker's, one datagram behind the other.  As long as they go to one place and
 * have one size (the last may be shorter), the kernel takes them as one message and cuts it (UDP_SEGMENT, Linux 4.18),
 * and messages to different places go in one sendmmsg(2).  The buffer is sent when another port's datagrams come, when
 * it is full, and before the worker looks for events again.  Nothing is kept that the socket does not take: UDP may
 * lose.
 *
 * In: recvmmsg(2), with UDP_GRO the same way; if_wg cuts.  A socket takes turns with all others: a bounded number of
 * messages a call.
 *
 * A host with several addresses answers from the one that was asked (IP_PKTINFO), for a peer behind a firewall, or one
 * that checks, would not take an answer from another.  Where that address is gone, the routes say.
 *
 * A port may be in another stack instead (wgoutside.c); then it is nobody else's, and has no descriptor.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "stack.h"
#include "wg.h"
#include "wgoutside.h"
#include "wgport.h"

#define BATCH_SIZE (128U << 10)
#define BATCH_MESSAGES 64
#define MESSAGE_MAX 64000	/* bytes of a message: below what a UDP datagram may be */
#define MESSAGE_SEGMENTS 64	/* UDP_MAX_SEGMENTS */
#define RECV_MESSAGES 8
#define RECV_SIZE 65536

/* Datagrams to one place. */
struct message {
	struct wg_endpoint to;
	unsigned char *data;
	size_t len, segment, segments;
	int closed;			/* a shorter one was the last */
};

/* What the ports of a worker share. */
struct batch {
	struct batch *next;
	struct worker *worker;
	struct task task;
	struct wgport *port;		/* whose datagrams are in it; NULL: nobody's */
	struct message msgs[BATCH_MESSAGES];
	unsigned nmsgs;
	size_t len;
	unsigned char out[BATCH_SIZE + WG_DATAGRAM_MAX];
	unsigned char in[RECV_MESSAGES][RECV_SIZE];
};

struct wgport {
	struct watch watch;
	struct corpse corpse;
	struct batch *batch;
	struct outside *outside;	/* it is there, and all below `refs` is nothing; NULL: the host */
	struct wg_port *port;		/* if_wg's, or NULL */
	unsigned refs;			/* tunnels */
	int fd, family;
	int nogso;			/* the way out does not take segments */
	uint16_t listen;
	uint32_t mark;
};

#define PORT_OF(w) ((struct wgport *)((char *)(w) - offsetof(struct wgport, watch)))

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
};

static struct batch *batches;

/*
 * Who listens where.  A number is written by the worker whose socket has it, and read with all workers stopped; a
 * number is let go here before its socket is closed.
 */
static struct wgport *by_number[65536];

/* ---- Out ---- */

static void
addr_map(struct in6_addr *in6, const struct in_addr *in)
{
	memset(in6, 0, sizeof(*in6));
	in6->s6_addr[10] = in6->s6_addr[11] = 0xff;
	memcpy(&in6->s6_addr[12], in, 4);
}

/* The address as the socket's family has it: IPv4 within IPv6 where it is that. */
static socklen_t
sockaddr_out(const struct wgport *wp, const struct wg_endpoint *ep, union wg_sockaddr *sa)
{
	*sa = ep->remote;
	if (wp->family == AF_INET || ep->remote.sa.sa_family == AF_INET6)
		return (wp->family == AF_INET ? sizeof(sa->sin) : sizeof(sa->sin6));
	memset(sa, 0, sizeof(*sa));
	sa->sin6.sin6_family = AF_INET6;
	sa->sin6.sin6_port = ep->remote.sin.sin_port;
	addr_map(&sa->sin6.sin6_addr, &ep->remote.sin.sin_addr);
	return (sizeof(sa->sin6));
}

static int
has_local(const struct wg_endpoint *ep)
{
	return (ep->remote.sa.sa_family == AF_INET ? ep->local4.s_addr != INADDR_ANY :
	    !IN6_IS_ADDR_UNSPECIFIED(&ep->local6));
}

static size_t
control_put(union control *control, size_t at, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(control->buf + at);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	return (at + CMSG_SPACE(len));
}

/* Which address it leaves from, and where it is cut. */
static size_t
control_out(const struct wgport *wp, const struct message *m, union control *control)
{
	struct in6_pktinfo info6 = { 0 };
	struct in_pktinfo info = { 0 };
	const uint16_t segment = (uint16_t)m->segment;
	size_t len = 0;

	if (has_local(&m->to) && wp->family == AF_INET) {
		info.ipi_spec_dst = m->to.local4;
		len = control_put(control, len, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else if (has_local(&m->to)) {
		if (m->to.remote.sa.sa_family == AF_INET)
			addr_map(&info6.ipi6_addr, &m->to.local4);
		else
			info6.ipi6_addr = m->to.local6;
		len = control_put(control, len, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
	}
	if (m->segments > 1)
		len = control_put(control, len, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	return (len);
}

/* Send a message's datagrams one by one. */
static void
message_cut(struct wgport *wp, const struct message *m)
{
	union wg_sockaddr sa;
	const socklen_t salen = sockaddr_out(wp, &m->to, &sa);

	for (size_t at = 0; at < m->len; at += m->segment)
		sendto(wp->fd, m->data + at, m->len - at < m->segment ? m->len - at : m->segment, MSG_DONTWAIT | MSG_NOSIGNAL,
		    &sa.sa, salen);
}

/* The first of `left` messages did not go.  How many are done with: 0, it is tried again as it is now; it; or all. */
static unsigned
message_failed(struct wgport *wp, struct message *m, unsigned left, int error)
{
	if (error == EINTR)
		return (0);
	if (error == EAGAIN || error == ENOBUFS)
		return (left);
	if (has_local(&m->to)) {
		memset(&m->to.local6, 0, sizeof(m->to.local6));	/* the address is gone, perhaps */
		return (0);
	}
	if (m->segments > 1) {
		wp->nogso |= error == EIO;	/* no checksums by hardware on that way */
		message_cut(wp, m);
	}
	return (1);
}

static void
batch_flush(struct batch *b)
{
	union control control[BATCH_MESSAGES];
	union wg_sockaddr to[BATCH_MESSAGES];
	struct mmsghdr msgs[BATCH_MESSAGES];
	struct iovec iov[BATCH_MESSAGES];
	struct wgport *wp = b->port;
	struct msghdr *h;
	unsigned i, from;
	int n;

	if (wp == NULL)
		return;
	b->port = NULL;
	for (from = 0; from < b->nmsgs;) {
		for (i = from; i < b->nmsgs; i++) {
			iov[i] = (struct iovec){ b->msgs[i].data, b->msgs[i].len };
			h = &msgs[i].msg_hdr;
			*h = (struct msghdr){ .msg_name = &to[i], .msg_iov = &iov[i], .msg_iovlen = 1 };
			h->msg_namelen = sockaddr_out(wp, &b->msgs[i].to, &to[i]);
			h->msg_controllen = control_out(wp, &b->msgs[i], &control[i]);
			h->msg_control = h->msg_controllen > 0 ? control[i].buf : NULL;
		}
		n = sendmmsg(wp->fd, msgs + from, b->nmsgs - from, MSG_DONTWAIT | MSG_NOSIGNAL);
		from += n > 0 ? (unsigned)n : message_failed(wp, &b->msgs[from], b->nmsgs - from, errno);
	}
	b->nmsgs = 0;
	b->len = 0;
}

static void
batch_task(struct task *t)
{
	batch_flush((struct batch *)((char *)t - offsetof(struct batch, task)));
}

/* Whether a datagram of that size may come behind the others of a message. */
static int
message_takes(const struct wgport *wp, const struct message *m, const struct wg_endpoint *to, size_t len)
{
	return (!m->closed && !wp->nogso && len <= m->segment && m->segments < MESSAGE_SEGMENTS &&
	    m->len + len <= MESSAGE_MAX && memcmp(&m->to, to, sizeof(*to)) == 0);
}

static void *
port_reserve(void *arg, const struct wg_endpoint *to, size_t len)
{
	struct wgport *wp = arg;
	struct batch *b = wp->batch;

	if (wp->family == AF_INET && to->remote.sa.sa_family != AF_INET)
		return (NULL);
	if (b->port != NULL && (b->port != wp || b->len + len > BATCH_SIZE))
		batch_flush(b);
	if (b->nmsgs == BATCH_MESSAGES && !message_takes(wp, &b->msgs[b->nmsgs - 1], to, len))
		batch_flush(b);
	if (b->port == NULL) {
		b->port = wp;
		worker_ready(b->worker, &b->task);
	}
	if (b->nmsgs == 0 || !message_takes(wp, &b->msgs[b->nmsgs - 1], to, len))
		b->msgs[b->nmsgs++] = (struct message){ .to = *to, .data = b->out + b->len, .segment = len };
	return (b->out + b->len);
}

static void
port_commit(void *arg, size_t len)
{
	struct batch *b = ((struct wgport *)arg)->batch;
	struct message *m = &b->msgs[b->nmsgs - 1];

	m->closed = len < m->segment;
	m->len += len;
	m->segments++;
	b->len += len;
}

/* ---- In ---- */

static void
endpoint_in(struct wg_endpoint *ep, const union wg_sockaddr *sa)
{
	memset(ep, 0, sizeof(*ep));
	if (sa->sa.sa_family == AF_INET) {
		ep->remote.sin.sin_addr = sa->sin.sin_addr;
		ep->remote.sin.sin_port = sa->sin.sin_port;
		ep->remote.sin.sin_family = AF_INET;
	} else if (IN6_IS_ADDR_V4MAPPED(&sa->sin6.sin6_addr)) {
		memcpy(&ep->remote.sin.sin_addr, &sa->sin6.sin6_addr.s6_addr[12], 4);
		ep->remote.sin.sin_port = sa->sin6.sin6_port;
		ep->remote.sin.sin_family = AF_INET;
	} else {
		ep->remote.sin6 = sa->sin6;
		ep->remote.sin6.sin6_flowinfo = 0;
	}
}

/* Which of our addresses was asked, and how long each datagram is (0: there is one). */
static void
control_in(struct msghdr *h, struct wg_endpoint *ep, size_t *segment)
{
	struct in6_pktinfo info6;
	struct in_pktinfo info;
	struct cmsghdr *c;
	int n;

	*segment = 0;
	for (c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&n, CMSG_DATA(c), sizeof(n));
			*segment = n > 0 ? (size_t)n : 0;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			ep->local4 = info.ipi_spec_dst;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info6, CMSG_DATA(c), sizeof(info6));
			if (ep->remote.sa.sa_family == AF_INET)
				memcpy(&ep->local4, &info6.ipi6_addr.s6_addr[12], 4);
			else
				ep->local6 = info6.ipi6_addr;
		}
	}
}

static void
port_readable(struct watch *watch, uint32_t events)
{
	struct wgport *wp = PORT_OF(watch);
	struct batch *b = wp->batch;
	union control control[RECV_MESSAGES];
	union wg_sockaddr from[RECV_MESSAGES];
	struct mmsghdr msgs[RECV_MESSAGES] = { 0 };
	struct iovec iov[RECV_MESSAGES];
	struct wg_endpoint ep;
	size_t segment;
	int n;

	(void)events;
	if (wp->port == NULL)
		return;
	for (int i = 0; i < RECV_MESSAGES; i++) {
		iov[i] = (struct iovec){ b->in[i], RECV_SIZE };
		msgs[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_namelen = sizeof(from[i]),
		    .msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = control[i].buf,
		    .msg_controllen = sizeof(control[i].buf) };
	}
	n = recvmmsg(wp->fd, msgs, RECV_MESSAGES, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		endpoint_in(&ep, &from[i]);
		control_in(&msgs[i].msg_hdr, &ep, &segment);
		wg->input(wp->port, b->in[i], msgs[i].msg_len, segment, &ep);
	}
}

/* ---- Making ---- */

/* A bound socket, for both families where the host has both; -errno. */
static int
socket_open(uint16_t *port, int *family)
{
	union wg_sockaddr sa = { 0 };
	socklen_t len;
	int fd, one = 1, zero = 0, error;

	*family = AF_INET6;
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 && errno == EAFNOSUPPORT) {
		*family = AF_INET;
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	if (fd < 0)
		return (-errno);
	sa.sa.sa_family = (sa_family_t)*family;
	sa.sin.sin_port = htons(*port);		/* at the same place in both */
	len = *family == AF_INET ? sizeof(sa.sin) : sizeof(sa.sin6);
	if (*family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));	/* of IPv4 as well */
	} else {
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	}
	setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof(one));	/* older kernels: one datagram a message */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4 << 20 }, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ 4 << 20 }, sizeof(int));
	if (bind(fd, &sa.sa, len) != 0 || getsockname(fd, &sa.sa, &len) != 0) {
		error = errno;
		close(fd);
		return (-error);
	}
	*port = ntohs(sa.sin.sin_port);
	return (fd);
}

static int
port_listen(void *arg, uint16_t *port)
{
	struct wgport *wp = arg;
	int family, fd, error = 0;

	fd = socket_open(port, &family);
	if (fd < 0)
		return (fd);
	if (wp->mark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &wp->mark, sizeof(wp->mark)) != 0)
		error = -errno;
	if (error == 0)
		error = worker_watch(wp->batch->worker, fd, EPOLLIN, &wp->watch);
	if (error != 0) {
		close(fd);
		return (error);
	}
	if (wp->fd >= 0) {
		batch_flush(wp->batch);
		by_number[wp->listen] = NULL;
		close(wp->fd);
	}
	by_number[*port] = wp;
	wp->fd = fd;
	wp->family = family;
	wp->listen = *port;
	wp->nogso = 0;
	return (0);
}

static int
port_mark(void *arg, uint32_t mark)
{
	struct wgport *wp = arg;

	if (setsockopt(wp->fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0)
		return (-errno);
	wp->mark = mark;
	return (0);
}

static const struct wg_port_ops port_ops = {
	.reserve = port_reserve, .commit = port_commit, .listen = port_listen, .mark = port_mark
};

static struct batch *
batch_of(struct worker *w)
{
	struct batch *b;

	for (b = batches; b != NULL; b = b->next)
		if (b->worker == w)
			return (b);
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return (NULL);
	b->worker = w;
	b->task.t_func = batch_task;
	b->next = batches;
	batches = b;
	return (b);
}

int
wgport_open(struct worker *w, uint16_t listen, struct wgport **port, struct uverr *err)
{
	struct wgport *wp = by_number[listen];
	int error;

	if (wp != NULL) {
		if (wp->batch->worker != w)
			return (uverr(err, EINVAL, "ListenPort %u: belongs to tunnels of CPU %u, and stacks that share a port share"
			    " their CPU", listen, worker_cpu(wp->batch->worker)));
		wp->refs++;
		*port = wp;
		return (0);
	}
	wp = calloc(1, sizeof(*wp));
	if (wp == NULL || (wp->batch = batch_of(w)) == NULL) {
		error = uverr(err, ENOMEM, "out of memory");
		goto fail;
	}
	wp->fd = -1;
	wp->watch.w_func = port_readable;
	error = port_listen(wp, &listen);
	if (error != 0) {
		uverr(err, -error, "ListenPort %u: %s", listen, strerror(-error));
		goto fail;
	}
	error = wgport_attach(wp);
	if (error != 0) {
		uverr(err, -error, "ListenPort %u: %s", listen, strerror(-error));
		goto fail_socket;
	}
	wp->refs = 1;
	*port = wp;
	return (0);

fail_socket:
	by_number[wp->listen] = NULL;
	close(wp->fd);
fail:
	free(wp);
	return (error);
}

int
wgport_open_in(struct stack *in, uint16_t listen, struct wgport **port, struct uverr *err)
{
	struct wgport *wp = calloc(1, sizeof(*wp));
	int error;

	if (wp == NULL || (wp->batch = batch_of(in->st_worker)) == NULL) {
		error = uverr(err, ENOMEM, "out of memory");
		goto fail;
	}
	error = outside_create(in, &listen, &wp->outside);
	if (error == 0 && (error = wgport_attach(wp)) != 0)
		outside_destroy(wp->outside);
	if (error != 0) {
		uverr(err, -error, "ListenPort %u of stack \"%s\": %s", listen, in->st_vnet->vnet_name, strerror(-error));
		goto fail;
	}
	wp->refs = 1;
	*port = wp;
	return (0);

fail:
	free(wp);
	return (error);
}

void
wgport_close(struct wgport *wp)
{
	if (--wp->refs > 0)
		return;
	if (wp->port != NULL)
		wgport_detach(wp);
	if (wp->outside != NULL) {
		outside_destroy(wp->outside);
		free(wp);
		return;
	}
	by_number[wp->listen] = NULL;
	close(wp->fd);
	worker_bury(wp->batch->worker, &wp->corpse, wp);
}

int
wgport_attach(struct wgport *wp)
{
	int error;

	error = wg->port_create(worker_cpu(wp->batch->worker), wp->outside != NULL ? &outside_ops : &port_ops,
	    wp->outside != NULL ? (void *)wp->outside : wp, &wp->port);
	if (error != 0)
		return (error);
	wg->port_setlisten(wp->port, wgport_number(wp));
	if (wp->outside != NULL)
		outside_setport(wp->outside, wp->port);
	else
		worker_rewatch(wp->batch->worker, wp->fd, EPOLLIN, &wp->watch);
	return (0);
}

void
wgport_detach(struct wgport *wp)
{
	if (wp->outside != NULL) {
		outside_setport(wp->outside, NULL);
	} else {
		batch_flush(wp->batch);
		worker_rewatch(wp->batch->worker, wp->fd, 0, &wp->watch);
	}
	wg->port_destroy(wp->port);
	wp->port = NULL;
}

struct worker *
wgport_worker(uint16_t listen)
{
	return (by_number[listen] != NULL ? by_number[listen]->batch->worker : NULL);
}

int
wgport_isshared(const struct wgport *wp)
{
	return (wp->refs > 1);
}

uint16_t
wgport_number(const struct wgport *wp)
{
	return (wp->outside != NULL ? outside_number(wp->outside) : wp->listen);
}

struct wg_port *
wgport_kpi(const struct wgport *wp)
{
	return (wp->port);
}

void
wgport_fini(void)
{
	struct batch *b;

	while ((b = batches) != NULL) {
		batches = b->next;
		free(b);
	}
}
