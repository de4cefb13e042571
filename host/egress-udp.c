/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `egress` of datagrams.
 *
 * UDP has no connections; who sends from one port to one address is a *flow*, which has a socket of the host's,
 * connected there, as long as something goes either way.  So nobody else's datagrams come in by it, and what the far
 * end's host says of it (a closed port) is known and said to the peer.  (A peer that talks to many from one port is
 * many flows: that is what a NAT with endpoint-dependent mapping does, RFC 4787.)
 *
 * A flow ends after the idle time.  There are at most UDP_MAXFLOWS of a stack, and not more than its `connections`;
 * then the one that was silent for longest makes room, as it does when descriptors are short.  Flows are kept in the
 * order of their last use, so one timer, which is set only while there are some, looks at the first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uvnet/callout.h>
#include "egress.h"
#include "relay.h"

#define UDP_MAXFLOWS 4096
#define UDP_NHASH 256
#define UDP_BATCH 32			/* datagrams of a socket and round */
#define NSEC 1000000000LL

LIST_HEAD(outflow_list, outflow);
TAILQ_HEAD(outflow_queue, outflow);

struct egress_udp {
	struct egress *u_egress;
	struct delay u_expire;
	int64_t u_idle;			/* ns */
	unsigned u_nflows;
	struct outflow_queue u_flows;	/* the longest silent first */
	struct outflow_list u_hash[UDP_NHASH];
};

struct outflow {
	struct watch of_watch;
	LIST_ENTRY(outflow) of_hash;
	TAILQ_ENTRY(outflow) of_le;
	struct egress_udp *of_udp;
	union config_addr of_from, of_to;
	int64_t of_used;
	int of_fd, of_dead;
	struct corpse of_corpse;
};

#define UDP_OF(d) ((struct egress_udp *)((char *)(d) - offsetof(struct egress_udp, u_expire)))
#define FLOW_OF(w) ((struct outflow *)((char *)(w) - offsetof(struct outflow, of_watch)))

/* ---- Flows ---- */

static uint64_t
addr_key(so_addr_t addr)
{
	uint64_t half[2] = { addr.sin->sin_addr.s_addr, 0 };

	if (addr.sa->sa_family == AF_INET6)
		memcpy(half, &addr.sin6->sin6_addr, sizeof(half));
	return ((half[0] ^ half[1] ^ half[1] >> 32) << 16 ^ addr.sin->sin_port);
}

static struct outflow_list *
flow_bucket(struct egress_udp *u, so_addr_t from, so_addr_t to)
{
	return (&u->u_hash[((addr_key(from) * 3 + addr_key(to)) * 0x9e3779b97f4a7c15ULL) >> 56]);
}
_Static_assert(UDP_NHASH == 1 << (64 - 56), "the top bits of the product are a bucket");

static int
addr_is(const union config_addr *a, so_addr_t b)
{
	if (a->sa.sa_family != b.sa->sa_family || a->sin.sin_port != b.sin->sin_port)
		return (0);
	if (a->sa.sa_family == AF_INET6)
		return (memcmp(&a->sin6.sin6_addr, &b.sin6->sin6_addr, sizeof(struct in6_addr)) == 0);
	return (a->sin.sin_addr.s_addr == b.sin->sin_addr.s_addr);
}

static void
flow_use(struct outflow *of)
{
	of->of_used = callout_now();
	TAILQ_REMOVE(&of->of_udp->u_flows, of, of_le);
	TAILQ_INSERT_TAIL(&of->of_udp->u_flows, of, of_le);
}

static void
flow_destroy(struct outflow *of)
{
	struct egress_udp *u = of->of_udp;
	struct stack *st = u->u_egress->eg_stack;

	of->of_dead = 1;
	close(of->of_fd);
	LIST_REMOVE(of, of_hash);
	TAILQ_REMOVE(&u->u_flows, of, of_le);
	u->u_nflows--;
	st->st_nflows--;
	worker_bury(st->st_worker, &of->of_corpse, of);	/* a batch of events may point to it */
}

static void
flows_expire(struct delay *d)
{
	struct egress_udp *u = UDP_OF(d);
	const int64_t now = callout_now();
	struct outflow *of;

	while ((of = TAILQ_FIRST(&u->u_flows)) != NULL && of->of_used + u->u_idle <= now)
		flow_destroy(of);
	if (of != NULL)
		worker_delay(u->u_egress->eg_stack->st_worker, &u->u_expire, of->of_used + u->u_idle - now);
}

/* Answers.  What the far end's host says of an earlier datagram comes as an error of recv(2). */
static void
flow_event(struct watch *watch, uint32_t events)
{
	struct outflow *of = FLOW_OF(watch);
	struct egress *eg = of->of_udp->u_egress;
	struct stack *st = eg->eg_stack;
	unsigned char *buf = worker_buf(st->st_worker);
	ssize_t n;

	(void)events;
	if (of->of_dead)
		return;
	CURVNET_SET(st->st_vnet);
	for (int i = 0; i < UDP_BATCH; i++) {
		n = recv(of->of_fd, buf, WORKER_BUFSIZE, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			st->st_failed++;
			inet->egress_refuse(eg->eg_ifp, &of->of_from.sa, &of->of_to.sa, errno);
		} else if (inet->egress_sendto(eg->eg_ifp, buf, (size_t)n, &of->of_to.sa, &of->of_from.sa) < 0) {
			st->st_failed++;
		} else {
			st->st_rx += (size_t)n;
			flow_use(of);
		}
	}
	CURVNET_RESTORE();
}

/* The host's socket of a flow; -errno. */
static int
flow_connect(struct outflow *of, struct worker *w)
{
	int error = 0;

	of->of_fd = socket(of->of_to.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (of->of_fd < 0)
		return (-errno);
	if (!forward_hasroom(of->of_fd))
		error = -EMFILE;
	else if (connect(of->of_fd, &of->of_to.sa, config_addrlen(&of->of_to)) != 0)
		error = -errno;
	else
		error = worker_watch(w, of->of_fd, EPOLLIN, &of->of_watch);
	if (error != 0)
		close(of->of_fd);
	return (error);
}

/* 0; -ENOBUFS: no room; another -errno: it cannot be. */
static int
flow_create(struct egress_udp *u, so_addr_t from, so_addr_t to, struct outflow **ofp)
{
	struct stack *st = u->u_egress->eg_stack;
	const size_t len = from.sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	struct outflow *of = calloc(1, sizeof(*of));
	int error;

	if (of == NULL)
		return (-ENOBUFS);
	of->of_watch.w_func = flow_event;
	of->of_udp = u;
	memcpy(&of->of_from, from.sa, len);
	memcpy(&of->of_to, to.sa, len);
	error = egress_permit(u->u_egress, &of->of_to);
	if (error != 0)
		goto fail;
	if (u->u_nflows >= UDP_MAXFLOWS || (stack_isfull(st) && u->u_nflows > 0))
		flow_destroy(TAILQ_FIRST(&u->u_flows));
	error = stack_isfull(st) ? -ENOBUFS : flow_connect(of, st->st_worker);
	while (error != 0 && errno_is_shortage(-error) && u->u_nflows > 0 && !stack_isfull(st)) {
		flow_destroy(TAILQ_FIRST(&u->u_flows));
		error = flow_connect(of, st->st_worker);
	}
	if (error != 0)
		goto fail;
	of->of_used = callout_now();
	LIST_INSERT_HEAD(flow_bucket(u, from, to), of, of_hash);
	TAILQ_INSERT_TAIL(&u->u_flows, of, of_le);
	u->u_nflows++;
	st->st_nflows++;
	st->st_accepted++;
	worker_delay(st->st_worker, &u->u_expire, u->u_idle);
	*ofp = of;
	return (0);
fail:
	free(of);
	return (errno_is_shortage(-error) ? -ENOBUFS : error);
}

/* From within the stack's input. */
int
egress_udp_datagram(void *arg, so_addr_t from, so_addr_t to, const struct iovec *iov, int niov)
{
	struct egress *eg = arg;
	struct egress_udp *u = eg->eg_udp;
	const struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)niov };
	struct outflow *of;
	ssize_t n;
	int error;

	LIST_FOREACH (of, flow_bucket(u, from, to), of_hash)
		if (addr_is(&of->of_from, from) && addr_is(&of->of_to, to))
			break;
	if (of != NULL) {
		flow_use(of);
	} else {
		error = flow_create(u, from, to, &of);
		if (error != 0) {
			eg->eg_stack->st_failed++;
			return (error);
		}
	}
	n = sendmsg(of->of_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0) {
		eg->eg_stack->st_failed++;
		return (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH ? -errno : -ENOBUFS);
	}
	eg->eg_stack->st_tx += (size_t)n;
	return (0);
}

/* ---- Making ---- */

int
egress_udp_create(struct egress *eg, int idle)
{
	struct egress_udp *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return (-ENOMEM);
	u->u_egress = eg;
	u->u_idle = idle * NSEC;
	u->u_expire.d_func = flows_expire;
	TAILQ_INIT(&u->u_flows);
	for (int i = 0; i < UDP_NHASH; i++)
		LIST_INIT(&u->u_hash[i]);
	eg->eg_udp = u;
	return (0);
}

void
egress_udp_flush(struct egress *eg)
{
	struct egress_udp *u = eg->eg_udp;

	while (!TAILQ_EMPTY(&u->u_flows))
		flow_destroy(TAILQ_FIRST(&u->u_flows));
}

void
egress_udp_destroy(struct egress *eg)
{
	struct egress_udp *u = eg->eg_udp;

	egress_udp_flush(eg);
	worker_undelay(eg->eg_stack->st_worker, &u->u_expire);
	free(u);
}
