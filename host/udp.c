/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `forward` and `publish` of datagrams (proto = "udp").
 *
 * UDP has no connections, so the port keeps for each client that it hears a *flow*: a socket of its own on the other
 * side, connected to the target, which is how an answer finds its client and nobody else can give one.  A `forward`
 * is one descriptor, however many clients there are (their sockets are in the stack); a `publish` takes one for each
 * client, and as a `forward` (forward.c) none of the upper half of what the process may have.
 *
 * A flow ends when nothing went either way for the port's idle time.  There are at most UDP_MAXFLOWS of a port; then
 * the one that was silent for longest makes room, as it does when descriptors are short: nothing else says which one
 * is over.  Flows are kept in the order of their last use, so the one timer of a port, which is set only while it has
 * flows, looks at the first.
 *
 * What cannot be passed on is dropped and counted, as on any link; nothing is queued here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uvnet/callout.h>
#include "relay.h"

#define UDP_MAXFLOWS 1024
#define UDP_NHASH 64
#define UDP_BATCH 32			/* datagrams of a socket and round */
#define NSEC 1000000000LL

LIST_HEAD(flow_list, flow);
TAILQ_HEAD(flow_queue, flow);

struct udpport {
	LIST_ENTRY(udpport) u_le;
	struct stack *u_stack;
	int u_publish;			/* clients are in the stack */
	int u_wild;			/* on the host's side of a forward: all of its addresses */
	int u_fd;			/* the clients' socket of a forward, */
	struct watch u_watch;
	struct socket *u_so;		/* or of a publish */
	struct task u_task;
	union config_addr u_to;
	int64_t u_idle;			/* ns */
	struct delay u_expire;
	unsigned u_nflows;
	struct flow_queue u_flows;	/* the longest silent first */
	struct flow_list u_hash[UDP_NHASH];
};

struct flow {
	LIST_ENTRY(flow) fl_hash;
	TAILQ_ENTRY(flow) fl_le;
	struct udpport *fl_port;
	union config_addr fl_client;
	union config_addr fl_local;	/* the address of the host that the client wrote to, of a wild forward */
	int64_t fl_used;
	struct socket *fl_so;		/* of a forward */
	struct task fl_task;
	int fl_fd;			/* of a publish */
	struct watch fl_watch;
	int fl_dead;
	struct corpse fl_corpse;
};

#define PORT_OF(ptr, member) ((struct udpport *)((char *)(ptr) - offsetof(struct udpport, member)))
#define FLOW_OF(ptr, member) ((struct flow *)((char *)(ptr) - offsetof(struct flow, member)))

/* ---- Flows ---- */

static struct flow_list *
flow_bucket(struct udpport *u, const union config_addr *client)
{
	uint64_t key = (uint64_t)client->sin.sin_addr.s_addr << 16 | client->sin.sin_port, half[2];

	if (client->sa.sa_family == AF_INET6) {
		memcpy(half, &client->sin6.sin6_addr, sizeof(half));
		key = (half[0] ^ half[1] ^ half[1] >> 32) << 16 ^ client->sin6.sin6_port;
	}

	return (&u->u_hash[(key * 0x9e3779b97f4a7c15ULL) >> 58]);
}
_Static_assert(UDP_NHASH == 1 << (64 - 58), "the top bits of the product are a bucket");

static void
flow_use(struct flow *fl)
{
	fl->fl_used = callout_now();
	TAILQ_REMOVE(&fl->fl_port->u_flows, fl, fl_le);
	TAILQ_INSERT_TAIL(&fl->fl_port->u_flows, fl, fl_le);
}

/* With the stack current. */
static void
flow_destroy(struct flow *fl)
{
	struct udpport *u = fl->fl_port;
	struct worker *w = u->u_stack->st_worker;

	fl->fl_dead = 1;
	if (fl->fl_so != NULL)
		inet->soclose(fl->fl_so);
	if (fl->fl_fd >= 0)
		close(fl->fl_fd);
	worker_unready(w, &fl->fl_task);
	LIST_REMOVE(fl, fl_hash);
	TAILQ_REMOVE(&u->u_flows, fl, fl_le);
	u->u_nflows--;
	u->u_stack->st_nflows--;
	worker_bury(w, &fl->fl_corpse, fl);	/* a batch of events may point to it */
}

/* A datagram from the target of a forward's flow: to its client, from the address that this one wrote to. */
static void
flow_answer(struct flow *fl, const void *buf, size_t len)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = { 0 };
	const struct in_pktinfo info = { .ipi_spec_dst = fl->fl_local.sin.sin_addr };
	const struct in6_pktinfo info6 = { .ipi6_addr = fl->fl_local.sin6.sin6_addr };
	const int six = fl->fl_client.sa.sa_family == AF_INET6;
	const size_t infolen = six ? sizeof(info6) : sizeof(info);
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr msg = { .msg_name = &fl->fl_client, .msg_namelen = config_addrlen(&fl->fl_client), .msg_iov = &iov,
	    .msg_iovlen = 1 };
	struct stack *st = fl->fl_port->u_stack;

	if (fl->fl_port->u_wild) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(infolen);
		control.align.cmsg_level = six ? IPPROTO_IPV6 : IPPROTO_IP;
		control.align.cmsg_type = six ? IPV6_PKTINFO : IP_PKTINFO;
		control.align.cmsg_len = CMSG_LEN(infolen);
		memcpy(CMSG_DATA(&control.align), six ? (const void *)&info6 : &info, infolen);
	}
	if (sendmsg(fl->fl_port->u_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		st->st_failed++;
	else
		st->st_tx += len;
}

/* Answers of a forward's target, which lie in the flow's socket in the stack. */
static void
flow_run(struct task *t)
{
	struct flow *fl = FLOW_OF(t, fl_task);
	struct stack *st = fl->fl_port->u_stack;
	unsigned char *buf = worker_buf(st->st_worker);
	ssize_t n = 0;
	int i;

	CURVNET_SET(st->st_vnet);
	for (i = 0; i < UDP_BATCH && (n = inet->soreceivefrom(fl->fl_so, buf, WORKER_BUFSIZE, NULL)) >= 0; i++)
		flow_answer(fl, buf, (size_t)n);
	if (i > 0)
		flow_use(fl);
	if (n >= 0)
		worker_ready(st->st_worker, &fl->fl_task);
	CURVNET_RESTORE();
}

static void
flow_upcall(struct socket *so, void *arg)
{
	struct flow *fl = arg;

	(void)so;
	worker_ready(fl->fl_port->u_stack->st_worker, &fl->fl_task);
}

/* Answers of a publish's target.  That it refuses (ECONNREFUSED) is not known to the client of a datagram. */
static void
flow_event(struct watch *watch, uint32_t events)
{
	struct flow *fl = FLOW_OF(watch, fl_watch);
	struct udpport *u = fl->fl_port;
	struct stack *st = u->u_stack;
	unsigned char *buf = worker_buf(st->st_worker);
	ssize_t n;

	(void)events;
	if (fl->fl_dead)
		return;
	CURVNET_SET(st->st_vnet);
	for (int i = 0; i < UDP_BATCH; i++) {
		n = recv(fl->fl_fd, buf, WORKER_BUFSIZE, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 || inet->sosendto(u->u_so, buf, (size_t)n, &fl->fl_client.sa) < 0) {
			st->st_failed++;
		} else {
			st->st_rx += (size_t)n;
			flow_use(fl);
		}
	}
	CURVNET_RESTORE();
}

/* The flow's socket in the stack, or -errno. */
static int
flow_connect_stack(struct flow *fl)
{
	int error;

	error = inet->socreate(fl->fl_port->u_to.sa.sa_family, &fl->fl_so, SOCK_DGRAM, 0);
	if (error != 0)
		return (error);
	error = inet->soconnect(fl->fl_so, &fl->fl_port->u_to.sa);
	if (error != 0) {
		inet->soclose(fl->fl_so);
		fl->fl_so = NULL;
		return (error);
	}
	inet->soupcall_set(fl->fl_so, flow_upcall, fl);
	return (0);
}

/* The flow's socket of the host, or -errno. */
static int
flow_connect_host(struct flow *fl)
{
	const struct udpport *u = fl->fl_port;
	int fd, error;

	fd = socket(u->u_to.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (-errno);
	error = forward_hasroom(fd) ? 0 : -EMFILE;
	if (error == 0 && connect(fd, &u->u_to.sa, config_addrlen(&u->u_to)) != 0)
		error = -errno;
	if (error == 0)
		error = worker_watch(u->u_stack->st_worker, fd, EPOLLIN, &fl->fl_watch);
	if (error != 0)
		close(fd);
	else
		fl->fl_fd = fd;
	return (error);
}

static void
flows_expire(struct delay *d)
{
	struct udpport *u = PORT_OF(d, u_expire);
	const int64_t now = callout_now();
	struct flow *fl;

	CURVNET_SET(u->u_stack->st_vnet);
	while ((fl = TAILQ_FIRST(&u->u_flows)) != NULL && fl->fl_used + u->u_idle <= now)
		flow_destroy(fl);
	CURVNET_RESTORE();
	if (fl != NULL)
		worker_delay(u->u_stack->st_worker, &u->u_expire, fl->fl_used + u->u_idle - now);
}

/* A client that is heard for the first time, or after it was silent.  NULL: there is no room for it.  Stack current. */
static struct flow *
flow_create(struct udpport *u, const union config_addr *client)
{
	struct flow *fl;
	int error;

	if (u->u_nflows >= UDP_MAXFLOWS || (stack_isfull(u->u_stack) && u->u_nflows > 0))
		flow_destroy(TAILQ_FIRST(&u->u_flows));
	fl = stack_isfull(u->u_stack) ? NULL : calloc(1, sizeof(*fl));
	if (fl == NULL)
		return (NULL);
	fl->fl_port = u;
	fl->fl_client = *client;
	fl->fl_fd = -1;
	fl->fl_task.t_func = flow_run;
	fl->fl_watch.w_func = flow_event;
	for (;;) {
		error = u->u_publish ? flow_connect_host(fl) : flow_connect_stack(fl);
		if (error == 0)
			break;
		if (!errno_is_shortage(-error) || u->u_nflows == 0) {
			free(fl);
			return (NULL);
		}
		flow_destroy(TAILQ_FIRST(&u->u_flows));
	}
	fl->fl_used = callout_now();
	LIST_INSERT_HEAD(flow_bucket(u, client), fl, fl_hash);
	TAILQ_INSERT_TAIL(&u->u_flows, fl, fl_le);
	u->u_nflows++;
	u->u_stack->st_nflows++;
	u->u_stack->st_accepted++;
	worker_delay(u->u_stack->st_worker, &u->u_expire, u->u_idle);
	return (fl);
}

static struct flow *
flow_of(struct udpport *u, const union config_addr *client)
{
	struct flow *fl;

	LIST_FOREACH (fl, flow_bucket(u, client), fl_hash)
		if (config_addrcmp(&fl->fl_client, client) == 0) {
			flow_use(fl);
			return (fl);
		}
	return (flow_create(u, client));
}

/* ---- What clients send ---- */

/* One datagram of a forward's client.  Its length or -errno; *local: which address of the host it was sent to. */
static ssize_t
client_receive(struct udpport *u, void *buf, union config_addr *client, union config_addr *local)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = WORKER_BUFSIZE };
	struct msghdr msg = { .msg_name = client, .msg_namelen = sizeof(*client), .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control) };
	struct in6_pktinfo info6;
	struct in_pktinfo info;
	struct cmsghdr *c;
	ssize_t n;

	memset(local, 0, sizeof(*local));
	n = recvmsg(u->u_fd, &msg, MSG_DONTWAIT);
	if (n < 0)
		return (-errno);
	for (c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			local->sin.sin_addr = info.ipi_spec_dst;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info6, CMSG_DATA(c), sizeof(info6));
			local->sin6.sin6_addr = info6.ipi6_addr;
		}
	return (n);
}

static void
forward_event(struct watch *watch, uint32_t events)
{
	struct udpport *u = PORT_OF(watch, u_watch);
	struct stack *st = u->u_stack;
	unsigned char *buf = worker_buf(st->st_worker);
	union config_addr client, local;
	struct flow *fl;
	ssize_t n;

	(void)events;
	CURVNET_SET(st->st_vnet);
	for (int i = 0; i < UDP_BATCH; i++) {
		n = client_receive(u, buf, &client, &local);
		if (n == -EAGAIN)
			break;
		if (n < 0)		/* what an earlier answer met; the next */
			continue;
		fl = flow_of(u, &client);
		if (fl != NULL)
			fl->fl_local = local;
		if (fl == NULL || inet->sosendto(fl->fl_so, buf, (size_t)n, NULL) < 0)
			st->st_failed++;
		else
			st->st_rx += (size_t)n;
	}
	CURVNET_RESTORE();
}

static void
publish_run(struct task *t)
{
	struct udpport *u = PORT_OF(t, u_task);
	struct stack *st = u->u_stack;
	unsigned char *buf = worker_buf(st->st_worker);
	union config_addr client;
	struct flow *fl;
	ssize_t n = 0;

	CURVNET_SET(st->st_vnet);
	for (int i = 0; i < UDP_BATCH; i++) {
		n = inet->soreceivefrom(u->u_so, buf, WORKER_BUFSIZE, &client.sa);
		if (n < 0)
			break;
		fl = flow_of(u, &client);
		if (fl == NULL || send(fl->fl_fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			st->st_failed++;
		else
			st->st_tx += (size_t)n;
	}
	if (n >= 0)
		worker_ready(st->st_worker, &u->u_task);
	CURVNET_RESTORE();
}

/* In the stack's round. */
static void
publish_upcall(struct socket *so, void *arg)
{
	struct udpport *u = arg;

	(void)so;
	worker_ready(u->u_stack->st_worker, &u->u_task);
}

/* ---- Ports ---- */

static int
forward_listen(struct udpport *u, const union config_addr *listen)
{
	const int six = listen->sa.sa_family == AF_INET6;
	int error, on = 1;

	u->u_wild = config_addrany(listen);
	u->u_fd = socket(listen->sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->u_fd < 0)
		return (-errno);
	if ((six && setsockopt(u->u_fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
	    (u->u_wild && setsockopt(u->u_fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVPKTINFO : IP_PKTINFO, &on,
	    sizeof(on)) != 0) || bind(u->u_fd, &listen->sa, config_addrlen(listen)) != 0)
		error = -errno;
	else
		error = worker_watch(u->u_stack->st_worker, u->u_fd, EPOLLIN, &u->u_watch);
	if (error != 0)
		close(u->u_fd);
	return (error);
}

static int
publish_listen(struct udpport *u, const union config_addr *listen)
{
	int error;

	error = inet->socreate(listen->sa.sa_family, &u->u_so, SOCK_DGRAM, 0);
	if (error != 0)
		return (error);
	error = inet->sobind(u->u_so, &listen->sa);
	if (error != 0)
		inet->soclose(u->u_so);
	else
		inet->soupcall_set(u->u_so, publish_upcall, u);
	return (error);
}

int
udpport_create(struct stack *st, const struct config_port *port, int publish, struct uverr *err)
{
	struct udpport *u;
	char addr[CONFIG_ADDRSTRLEN];
	int error;

	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	u->u_stack = st;
	u->u_publish = publish;
	u->u_fd = -1;
	u->u_watch.w_func = forward_event;
	u->u_task.t_func = publish_run;
	u->u_expire.d_func = flows_expire;
	u->u_to = port->to;
	u->u_idle = port->idle * NSEC;
	TAILQ_INIT(&u->u_flows);
	for (int i = 0; i < UDP_NHASH; i++)
		LIST_INIT(&u->u_hash[i]);
	error = publish ? publish_listen(u, &port->listen) : forward_listen(u, &port->listen);
	if (error != 0) {
		free(u);
		return (uverr(err, -error, "%s: udp %s: %s", publish ? "publish" : "forward",
		    config_addrstr(&port->listen, addr),
		    error == -EADDRINUSE ? "port in use (by another process?)" : strerror(-error)));
	}
	LIST_INSERT_HEAD(&st->st_udpports, u, u_le);
	return (0);
}

/* With all workers stopped: no batch of events points here. */
void
udpport_destroy(struct udpport *u)
{
	struct worker *w = u->u_stack->st_worker;

	while (!TAILQ_EMPTY(&u->u_flows))
		flow_destroy(TAILQ_FIRST(&u->u_flows));
	worker_undelay(w, &u->u_expire);
	worker_unready(w, &u->u_task);
	if (u->u_so != NULL)
		inet->soclose(u->u_so);
	if (u->u_fd >= 0)
		close(u->u_fd);
	LIST_REMOVE(u, u_le);
	free(u);
}
