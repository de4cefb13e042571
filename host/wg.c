/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The outside of a tunnel: a UDP socket of the host.
 *
 * Out: if_wg seals into a buffer of the worker's, one datagram behind the other.  As long as they go to one place and
 * have one size (the last may be shorter), the kernel takes them as one message and cuts it (UDP_SEGMENT, Linux 4.18):
 * one system call for up to 45 packets.  The buffer is sent when something else comes, when it is full, and
 * before the worker looks for events again.  Nothing is kept that the socket does not take: UDP may lose.
 *
 * In: recvmmsg(2), with UDP_GRO the same way; if_wg cuts.  A socket takes turns with all others: a bounded number of
 * messages a call.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uvnet/module.h>
#include "wg.h"

#define BATCH_MAX 64000		/* bytes of a message: below what a UDP datagram may be */
#define BATCH_SEGMENTS 64	/* UDP_MAX_SEGMENTS */
#define RECV_MESSAGES 8
#define RECV_SIZE 65536

/* What the ports of a worker share. */
struct batch {
	struct batch *next;
	struct worker *worker;
	struct task task;
	struct wgport *port;		/* whose datagrams are in it; NULL: nobody's */
	struct wg_endpoint to;
	size_t len, segment, segments;
	int closed;			/* a shorter one was the last */
	unsigned char out[BATCH_MAX + WG_DATAGRAM_MAX];
	unsigned char in[RECV_MESSAGES][RECV_SIZE];
};

struct wgport {
	struct watch watch;
	struct corpse corpse;
	struct batch *batch;
	struct wg_port *port;
	struct ifnet *ifp;
	int fd, family;
	uint32_t mark;
	struct wgquick *conf;
};

#define PORT_OF(w) ((struct wgport *)((char *)(w) - offsetof(struct wgport, watch)))

const struct wg_kpi *wg;
static struct batch *batches;
static const char *folder;	/* of the modules */

/* ---- Out ---- */

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
	sa->sin6.sin6_addr.s6_addr[10] = sa->sin6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&sa->sin6.sin6_addr.s6_addr[12], &ep->remote.sin.sin_addr, 4);
	return (sizeof(sa->sin6));
}

static void
batch_flush(struct batch *b)
{
	union { struct cmsghdr align; char buf[CMSG_SPACE(sizeof(uint16_t))]; } control = { 0 };
	union wg_sockaddr sa;
	struct iovec iov = { .iov_base = b->out, .iov_len = b->len };
	struct msghdr msg = { .msg_name = &sa, .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (b->port == NULL)
		return;
	msg.msg_namelen = sockaddr_out(b->port, &b->to, &sa);
	if (b->segments > 1) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
		memcpy(CMSG_DATA(c), &(uint16_t){ (uint16_t)b->segment }, sizeof(uint16_t));
	}
	while (sendmsg(b->port->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR)
		continue;
	b->port = NULL;
	b->len = b->segments = 0;
	b->closed = 0;
}

static void
batch_task(struct task *t)
{
	batch_flush((struct batch *)((char *)t - offsetof(struct batch, task)));
}

static void *
port_reserve(void *arg, const struct wg_endpoint *to, size_t len)
{
	struct wgport *wp = arg;
	struct batch *b = wp->batch;

	if (wp->family == AF_INET && to->remote.sa.sa_family != AF_INET)
		return (NULL);
	if (b->port != NULL && (b->port != wp || b->closed || len > b->segment || b->segments == BATCH_SEGMENTS ||
	    b->len + len > BATCH_MAX || memcmp(&b->to, to, sizeof(*to)) != 0))
		batch_flush(b);
	if (b->port == NULL) {
		b->port = wp;
		b->to = *to;
		b->segment = len;
		worker_ready(b->worker, &b->task);
	}
	return (b->out + b->len);
}

static void
port_commit(void *arg, size_t len)
{
	struct batch *b = ((struct wgport *)arg)->batch;

	b->closed = len < b->segment;
	b->len += len;
	b->segments++;
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

static void
port_readable(struct watch *watch, uint32_t events)
{
	struct wgport *wp = PORT_OF(watch);
	struct batch *b = wp->batch;
	union { struct cmsghdr align; char buf[CMSG_SPACE(sizeof(int))]; } control[RECV_MESSAGES];
	union wg_sockaddr from[RECV_MESSAGES];
	struct mmsghdr msgs[RECV_MESSAGES] = { 0 };
	struct iovec iov[RECV_MESSAGES];
	struct wg_endpoint ep;
	struct cmsghdr *c;
	int n, segment;

	(void)events;
	for (int i = 0; i < RECV_MESSAGES; i++) {
		iov[i] = (struct iovec){ b->in[i], RECV_SIZE };
		msgs[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_namelen = sizeof(from[i]),
		    .msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = control[i].buf,
		    .msg_controllen = sizeof(control[i].buf) };
	}
	n = recvmmsg(wp->fd, msgs, RECV_MESSAGES, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		segment = 0;
		c = CMSG_FIRSTHDR(&msgs[i].msg_hdr);
		if (c != NULL && c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
		endpoint_in(&ep, &from[i]);
		wg->input(wp->port, b->in[i], msgs[i].msg_len, segment > 0 ? (size_t)segment : 0, &ep);
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
	if (*family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
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
	int family, fd, error;

	fd = socket_open(port, &family);
	if (fd < 0)
		return (fd);
	error = 0;
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
		close(wp->fd);
	}
	wp->fd = fd;
	wp->family = family;
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

void
wg_fini(void)
{
	struct batch *b;

	while ((b = batches) != NULL) {
		batches = b->next;
		free(b);
	}
}

void
wg_init(const char *modules)
{
	folder = modules;
}

int
tunnels_wanted(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->nvnets; i++)
		if (cfg->vnets[i].wireguard != NULL)
			return (1);
	return (0);
}

int
wg_module_load(struct uverr *err)
{
	const struct wg_kpi *kpi;
	char path[PATH_MAX];
	linker_file_t file;
	int error = 0;

	if (wg != NULL)
		return (0);
	snprintf(path, sizeof(path), "%s/if_wg.ko", folder);
	file = kld_find("if_wg");
	workers_stop();
	if (file == NULL)
		error = kld_load(path, &file, err);
	workers_resume();
	if (error != 0)
		return (error);
	kpi = kld_lookup(file, "wg_kpi");
	if (kpi == NULL || kpi->version != WG_KPI_VERSION || kpi->size != sizeof(*kpi))
		return (uverr(err, ENOEXEC, "%s: not made for this program (its wg_kpi is another version)", path));
	wg = kpi;
	return (0);
}

static int
device_create(struct wgport *wp, const struct wgquick *q, struct uverr *err)
{
	const struct wg_params params = { .port = wp->port, .mtu = q->mtu };
	char *reply;
	int error;

	error = inet->if_clone_create("wg", "wg0", &params, &wp->ifp);
	if (error != 0)
		return (uverr(err, -error, "wg0: %s", strerror(-error)));
	if (q->addr.s_addr != INADDR_ANY) {
		error = inet->if_addaddr(wp->ifp, q->addr, q->prefixlen);
		if (error != 0)
			uverr(err, -error, "wg0: Address: %s", strerror(-error));
	}
	for (int i = 0; i < q->naddr6 && error == 0; i++) {
		error = inet->if_addaddr6(wp->ifp, &q->addr6[i].addr, (unsigned)q->addr6[i].prefixlen, 0);
		if (error != 0)
			uverr(err, -error, "wg0: Address: %s", strerror(-error));
	}
	if (error == 0) {
		error = wg->uapi(wp->ifp, q->uapi, strlen(q->uapi), &reply, err);
		free(reply);
	}
	if (error != 0)
		inet->if_clone_destroy(wp->ifp);
	return (error);
}

int
wg_create(struct stack *st, struct wgquick *conf, struct uverr *err)
{
	struct wgport *wp;
	int error;

	wp = calloc(1, sizeof(*wp));
	if (wp == NULL || (wp->batch = batch_of(st->st_worker)) == NULL) {
		error = uverr(err, ENOMEM, "out of memory");
		goto fail;
	}
	wp->fd = -1;
	wp->watch.w_func = port_readable;
	error = wg->port_create(worker_cpu(st->st_worker), &port_ops, wp, &wp->port);
	if (error != 0) {
		uverr(err, -error, "wireguard: %s", strerror(-error));
		goto fail;
	}
	error = port_listen(wp, &conf->listen);
	if (error != 0) {
		uverr(err, -error, "ListenPort %u: %s", conf->listen, strerror(-error));
		goto fail_port;
	}
	wg->port_setlisten(wp->port, conf->listen);
	error = device_create(wp, conf, err);
	if (error != 0)
		goto fail_socket;
	wp->conf = conf;
	st->st_wg = wp;
	return (0);

fail_socket:
	batch_flush(wp->batch);
	close(wp->fd);
fail_port:
	wg->port_destroy(wp->port);
fail:
	free(wp);
	return (error);
}

/* ---- Routes ---- */

/* Clear the bits behind the prefix. */
static void
addr_mask(uint8_t *addr, unsigned size, unsigned prefixlen)
{
	for (unsigned bit = prefixlen; bit < size * 8; bit++)
		addr[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
}

static int
addr_covers(const void *net, unsigned prefixlen, const void *addr, unsigned addr_prefixlen)
{
	const uint8_t *a = net, *b = addr;

	for (unsigned bit = 0; bit < prefixlen; bit++)
		if (((a[bit / 8] ^ b[bit / 8]) & 0x80 >> bit % 8) != 0)
			return (0);
	return (prefixlen <= addr_prefixlen);
}

/* Whether the networks of the tunnel's own addresses lead there anyway. */
static int
addr_isours(const struct wgquick *conf, int af, const struct in6_addr *addr, unsigned prefixlen)
{
	if (af == AF_INET)
		return (conf->addr.s_addr != INADDR_ANY && addr_covers(&conf->addr, conf->prefixlen, addr, prefixlen));
	for (int i = 0; i < conf->naddr6; i++)
		if (addr_covers(&conf->addr6[i].addr, (unsigned)conf->addr6[i].prefixlen, addr, prefixlen))
			return (1);
	return (0);
}

int
wg_addroutes(struct stack *st, struct uverr *err)
{
	struct wgport *wp = st->st_wg;
	const char *line = wp->conf->uapi;
	char text[INET6_ADDRSTRLEN + 8];
	struct in6_addr addr;
	struct in_addr in;
	unsigned n;
	int af, error;

	while (!wp->conf->table_off && (line = strstr(line, "\nallowed_ip=")) != NULL) {
		line += strlen("\nallowed_ip=");
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(line, "\n"), line);
		if (wgtext_prefix(text, &af, &addr, &n) != 0 || addr_isours(wp->conf, af, &addr, n))
			continue;
		addr_mask(addr.s6_addr, af == AF_INET ? 4 : 16, n);
		memcpy(&in, &addr, sizeof(in));
		error = af == AF_INET ? inet->rt_addif(in, n, wp->ifp) : inet->rt_add6(&addr, n, NULL, wp->ifp);
		if (error != 0 && error != -EEXIST)
			return (uverr(err, -error, "wireguard: a route to %s, which is in AllowedIPs: %s (Table = off makes none)",
			    text, strerror(-error)));
	}
	return (0);
}

/* The stack is current. */
void
wg_destroy(struct stack *st)
{
	struct wgport *wp = st->st_wg;

	if (wp == NULL)
		return;
	st->st_wg = NULL;
	inet->if_clone_destroy(wp->ifp);
	batch_flush(wp->batch);
	close(wp->fd);
	wg->port_destroy(wp->port);
	wgquick_free(wp->conf);
	free(wp->conf);
	worker_bury(st->st_worker, &wp->corpse, wp);
}

int
wg_request(struct stack *st, const char *request, size_t len, char **reply, struct uverr *err)
{
	int error;

	*reply = NULL;
	if (st->st_wg == NULL)
		return (uverr(err, ENOENT, "%s: has no tunnel", st->st_vnet->vnet_name));
	CURVNET_SET(st->st_vnet);
	error = wg->uapi(st->st_wg->ifp, request, len, reply, err);
	CURVNET_RESTORE();
	return (error);
}
