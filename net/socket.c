/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets: FreeBSD's socket(9) over lwIP's raw API.  This file is their life, net/socket_io.c their bytes.
 *
 * lwIP calls back from the middle of its own work, where the connection must not be closed, and where every
 * segment would be a call of its own.  So a callback only notes what happened and puts the socket on the stack's
 * list; a callout without delay makes the upcalls in the worker's next round, one a socket, from outside lwIP.
 * There a user may do anything, closing included, and a burst of segments is one event.
 *
 * Whose is a pcb?  lwIP frees it for a dozen reasons, some silently (the end of TIME_WAIT), some with an error
 * callback before or after.  The destructor of its extension argument is called in every case, and only there does
 * so_pcb become NULL; the error callback only notes why.  A pcb that the socket gives up (soclose) is
 * stripped of its callbacks first, and lwIP finishes what is left: delivers what is buffered, lingers, frees it.
 */
#include <errno.h>
#include <string.h>
#include <uvnet/callout.h>
#include <uvnet/vnet.h>

#include "inet_impl.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "socket.h"

#define RTO_INITIAL (1000 / TCP_SLOW_INTERVAL)
#define BACKLOG_MAX 255		/* lwIP counts in 8 bits */

#define SPACE_MIN (4 * TCP_MSS)	/* of either buffer: below that acknowledgements are delayed for want of a second segment */

/* What a new connection may have in flight, and unread, at the most. */
VNET_DEFINE_STATIC(int, tcp_sendspace) = TCP_SND_BUF;
VNET_DEFINE_STATIC(int, tcp_recvspace) = TCP_WND;
VNET_DEFINE_STATIC(int, tcp_recvspace_min) = TCP_WND;	/* that there ever was: connections may have it still */
#define V_tcp_sendspace VNET(tcp_sendspace)
#define V_tcp_recvspace VNET(tcp_recvspace)
#define V_tcp_recvspace_min VNET(tcp_recvspace_min)

SYSCTL_DECL(_net_inet_tcp);
SYSCTL_PROC(_net_inet_tcp, OID_AUTO, sendspace, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RWTUN, &VNET_NAME(tcp_sendspace),
    INET_SYSCTL_BOUNDS(SPACE_MIN, TCP_SND_BUF), inet_sysctl_int, "I",
    "Bytes that a new connection may have in flight: 5840 to 262800");

static int
sysctl_recvspace(SYSCTL_HANDLER_ARGS)
{
	int error = inet_sysctl_int(oidp, arg1, arg2, req);

	if (V_tcp_recvspace < V_tcp_recvspace_min)
		V_tcp_recvspace_min = V_tcp_recvspace;
	return (error);
}
SYSCTL_PROC(_net_inet_tcp, OID_AUTO, recvspace, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RWTUN, &VNET_NAME(tcp_recvspace),
    INET_SYSCTL_BOUNDS(SPACE_MIN, TCP_WND), sysctl_recvspace, "I",
    "Bytes that may wait in a new connection to be read: 5840 to 262800");

unsigned
inet_wnd_threshold(void)
{
	return ((unsigned)V_tcp_recvspace_min / 8);
}

static TAILQ_HEAD(dirtyhead, socket) so_dirtylist = TAILQ_HEAD_INITIALIZER(so_dirtylist);
static unsigned so_ndirty;
static struct callout so_callout;

int inet_abort_error;

int
so_errno(err_t err)
{
	static const unsigned char errnos[] = {
		[-ERR_MEM] = ENOBUFS,
		[-ERR_BUF] = EADDRNOTAVAIL,	/* from connect and bind: no port is left */
		[-ERR_TIMEOUT] = ETIMEDOUT,
		[-ERR_RTE] = ENETUNREACH,
		[-ERR_INPROGRESS] = EINPROGRESS,
		[-ERR_VAL] = EINVAL,
		[-ERR_WOULDBLOCK] = EAGAIN,
		[-ERR_USE] = EADDRINUSE,
		[-ERR_ALREADY] = EALREADY,
		[-ERR_ISCONN] = EISCONN,
		[-ERR_CONN] = ENOTCONN,
		[-ERR_IF] = ENETDOWN,
		[-ERR_ABRT] = ETIMEDOUT,	/* retransmissions or probes were given up */
		[-ERR_RST] = ECONNRESET,
		[-ERR_CLSD] = EPIPE,
		[-ERR_ARG] = EINVAL,
	};
	unsigned i = (unsigned)-err;

	return (err == ERR_OK ? 0 : i < sizeof(errnos) && errnos[i] != 0 ? -errnos[i] : -EIO);
}

/* ---- Upcalls ---- */

/* Those that were on the list at the start; what they cause is for the next round. */
static void
so_dispatch(void *arg)
{
	struct socket *so;
	unsigned n;

	(void)arg;
	for (n = so_ndirty; n > 0 && (so = TAILQ_FIRST(&so_dirtylist)) != NULL; n--) {
		TAILQ_REMOVE(&so_dirtylist, so, so_dirty);
		so_ndirty--;
		so->so_flags &= ~SS_DIRTY;
		so->so_sent = 0;
		if (so->so_upcall != NULL)
			so->so_upcall(so, so->so_upcallarg);
	}
	if (so_ndirty > 0)
		callout_reset_ns(&so_callout, 0, so_dispatch, NULL);
}

void
so_wakeup(struct socket *so)
{
	if (so->so_upcall == NULL || (so->so_flags & SS_DIRTY) != 0)
		return;
	so->so_flags |= SS_DIRTY;
	TAILQ_INSERT_TAIL(&so_dirtylist, so, so_dirty);
	if (so_ndirty++ == 0)
		callout_reset_ns(&so_callout, 0, so_dispatch, NULL);
}

static void
so_undirty(struct socket *so)
{
	if ((so->so_flags & SS_DIRTY) == 0)
		return;
	so->so_flags &= ~SS_DIRTY;
	TAILQ_REMOVE(&so_dirtylist, so, so_dirty);
	so_ndirty--;
}

void
soupcall_set(struct socket *so, so_upcall_t *upcall, void *arg)
{
	so->so_upcall = upcall;
	so->so_upcallarg = arg;
	if (upcall == NULL)
		so_undirty(so);
	else if ((sostate(so) & (SO_READABLE | SO_DEAD | SO_CONNECTED)) != 0)
		so_wakeup(so);
}

void
inet_sockets_init(void)
{
	callout_init(&so_callout, 1);
}

void
inet_sockets_stop(void)
{
	callout_stop(&so_callout);
}

/* ---- Socket and pcb ---- */

static void
so_pcb_destroyed(u8_t id, void *data)
{
	struct socket *so = data;

	(void)id;
	so->so_pcb = NULL;
	so_wakeup(so);
}

static const struct tcp_ext_arg_callbacks so_ext_callbacks = { .destroy = so_pcb_destroyed };

static const struct tcp_ext_arg_callbacks so_ext_none;	/* lwIP takes no NULL */

/* From now on lwIP calls nobody.  A listening pcb has none of these. */
static struct tcp_pcb *
so_pcb_detach(struct socket *so)
{
	struct tcp_pcb *pcb = so->so_pcb;

	so->so_pcb = NULL;
	if (pcb == NULL || pcb->state == LISTEN)
		return (pcb);
	tcp_ext_arg_set_callbacks(pcb, 0, &so_ext_none);
	tcp_err(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_arg(pcb, NULL);
	return (pcb);
}

static void
so_tcp_err(void *arg, err_t err)
{
	struct socket *so = arg;

	if (err == ERR_CLSD)
		return;		/* both sides have closed */
	if (so->so_head != NULL) {
		/* Nobody has seen it: it never was.  Where lwIP frees the pcb after this call, it must not call again. */
		so_pcb_detach(so);
		TAILQ_REMOVE(&so->so_head->so_queue, so, so_accept);
		so_free(so);
		return;
	}
	if (err == ERR_ABRT && inet_abort_error != 0)
		so->so_error = inet_abort_error;
	else if (err == ERR_RST && (so->so_flags & SS_CONNECTED) == 0)
		so->so_error = ECONNREFUSED;
	else
		so->so_error = -so_errno(err);
	so_wakeup(so);
}

void
so_pcb_attach(struct socket *so, struct tcp_pcb *pcb)
{
	so->so_pcb = pcb;
	tcp_arg(pcb, so);
	tcp_err(pcb, so_tcp_err);
	tcp_recv(pcb, so_tcp_recv);
	tcp_sent(pcb, so_tcp_sent);
	tcp_ext_arg_set(pcb, 0, so);
	tcp_ext_arg_set_callbacks(pcb, 0, &so_ext_callbacks);
	/* Most sockets here pass on what another stack sends, and that has thought about Nagle already. */
	tcp_nagle_disable(pcb);
}

/*
 * The handshake is through, and lwIP has given the connection all that TCP_SND_BUF and TCP_WND are: leave it what this
 * stack's connections may have.  The window that was announced until now is no more than 64 KiB, and nobody
 * sends that much at first.
 */
void
so_reserve(struct socket *so)
{
	struct tcp_pcb *pcb = so->so_pcb;
	const tcpwnd_size_t full = TCP_WND_MAX(pcb), space = (tcpwnd_size_t)V_tcp_recvspace;

	/*
	 * A retransmission waits for a second at first (RFC 6298, 2.1), not for the three that lwIP begins with: arithmetic
	 * in ticks of half a second hardly comes down from there.  A SYN keeps them, for lwIP repeats it six times only.
	 */
	if (pcb->sv > RTO_INITIAL)
		pcb->sv = RTO_INITIAL;
	pcb->rto = (s16_t)((pcb->sa >> 3) + pcb->sv);
	so->so_sndspace = (unsigned)V_tcp_sendspace;
	pcb->snd_buf -= TCP_SND_BUF - (tcpwnd_size_t)V_tcp_sendspace;
	if (space >= full)
		return;
	so->so_rcvless = full - space < pcb->rcv_wnd ? full - space : pcb->rcv_wnd;
	pcb->rcv_wnd -= so->so_rcvless;
	if (pcb->rcv_ann_wnd > pcb->rcv_wnd)
		pcb->rcv_ann_wnd = pcb->rcv_wnd;
}

struct socket *
so_alloc(void)
{
	struct socket *so = vnet_calloc(1, sizeof(*so));

	if (so != NULL) {
		TAILQ_INIT(&so->so_queue);
		STAILQ_INIT(&so->so_dgramq);
	}
	return (so);
}

void
so_free(struct socket *so)
{
	so_undirty(so);
	so_rcvfree(so);
	so_dgram_flush(so);
	vnet_free(so);
}

int
socreate(int dom, struct socket **sop, int type, int proto)
{
	struct socket *so;
	struct tcp_pcb *pcb;
	int error;

	if ((dom != AF_INET && dom != AF_INET6) || !((type == SOCK_STREAM && (proto == 0 || proto == IPPROTO_TCP)) ||
	    (type == SOCK_DGRAM && (proto == 0 || proto == IPPROTO_UDP)) ||
	    (type == SOCK_RAW && proto == (dom == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))))
		return (-EPROTONOSUPPORT);
	so = so_alloc();
	if (so == NULL)
		return (-ENOMEM);
	so->so_v6 = dom == AF_INET6;
	if (type != SOCK_STREAM) {
		error = type == SOCK_RAW ? so_raw_attach(so, so->so_v6) : so_udp_attach(so, so->so_v6);
		if (error != 0)
			so_free(so);
		else
			*sop = so;
		return (error);
	}
	pcb = tcp_new_ip_type(so->so_v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
	if (pcb == NULL) {
		so_free(so);
		return (-ENOMEM);
	}
	so_pcb_attach(so, pcb);
	*sop = so;
	return (0);
}

static int
so_islocal(const ip_addr_t *ip)
{
	struct netif *netif;

	if (ip_addr_isany(ip))
		return (1);
	NETIF_FOREACH (netif)
		if (IP_IS_V6(ip) ? netif_get_ip6_addr_match(netif, ip_2_ip6(ip)) >= 0 :
		    ip4_addr_cmp(ip_2_ip4(ip), netif_ip4_addr(netif)))
			return (1);
	return (0);
}

/*
 * lwIP's SO_REUSEADDR lets a port be taken that only connections of before hold; it also lets two take it
 * before either listens, which is refused here.
 */
static int
so_isbound(const ip_addr_t *ip, u16_t port)
{
	const struct tcp_pcb_listen *l;
	const struct tcp_pcb *b;

	for (l = tcp_listen_pcbs.listen_pcbs; l != NULL; l = l->next)
		if (l->local_port == port && ip_addr_cmp(&l->local_ip, ip))
			return (1);
	for (b = tcp_bound_pcbs; b != NULL; b = b->next)
		if (b->local_port == port && ip_addr_cmp(&b->local_ip, ip))
			return (1);
	return (0);
}

int
sobind(struct socket *so, so_addr_t addr)
{
	ip_addr_t ip;
	u16_t port;
	int error = so_addr_in(so->so_v6, addr, &ip, &port);

	if (error != 0)
		return (error);
	if (so->so_udp == NULL && so->so_raw == NULL && (so->so_pcb == NULL || so->so_pcb->state != CLOSED || so->so_pcb->local_port != 0))
		return (-EINVAL);
	if (!so_islocal(&ip))
		return (-EADDRNOTAVAIL);
	if (so->so_udp != NULL)
		return (so_udp_bind(so, &ip, port));
	if (so->so_raw != NULL)
		return (so_raw_bind(so, &ip));
	if (port != 0) {
		if (so_isbound(&ip, port))
			return (-EADDRINUSE);
		ip_set_option(so->so_pcb, SOF_REUSEADDR);
	}
	return (so_errno(tcp_bind(so->so_pcb, &ip, port)));
}

/* ---- Listening ---- */

static err_t
so_tcp_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct socket *head = arg, *so;

	if (pcb == NULL || err != ERR_OK)
		return (ERR_VAL);
	so = so_alloc();
	if (so == NULL)
		return (ERR_MEM);	/* lwIP aborts it */
	so->so_flags = SS_CONNECTED;
	so->so_v6 = head->so_v6;
	so_pcb_attach(so, pcb);
	so_reserve(so);
	/* It counts against the backlog until it is accepted. */
	tcp_backlog_delayed(pcb);
	so->so_head = head;
	TAILQ_INSERT_TAIL(&head->so_queue, so, so_accept);
	so_wakeup(head);
	return (ERR_OK);
}

int
solisten(struct socket *so, int backlog)
{
	struct tcp_pcb *pcb = so->so_pcb;
	err_t err = ERR_OK;

	if (pcb == NULL || pcb->state != CLOSED)
		return (-EINVAL);
	if (pcb->local_port == 0)
		err = tcp_bind(pcb, so->so_v6 ? IP6_ADDR_ANY : IP4_ADDR_ANY, 0);
	if (err != ERR_OK)
		return (so_errno(err));
	backlog = backlog < 1 ? 1 : backlog > BACKLOG_MAX ? BACKLOG_MAX : backlog;
	/* lwIP makes a smaller pcb of it and frees this one. */
	tcp_ext_arg_set_callbacks(pcb, 0, &so_ext_none);
	pcb = tcp_listen_with_backlog_and_err(pcb, (u8_t)backlog, &err);
	if (pcb == NULL) {
		tcp_ext_arg_set_callbacks(so->so_pcb, 0, &so_ext_callbacks);
		return (so_errno(err));
	}
	so->so_pcb = pcb;
	so->so_flags |= SS_LISTENING;
	tcp_accept(pcb, so_tcp_accept);
	return (0);
}

int
soaccept(struct socket *so, struct socket **connp, so_name_t peer)
{
	struct socket *conn = TAILQ_FIRST(&so->so_queue);

	if ((so->so_flags & SS_LISTENING) == 0)
		return (-EINVAL);
	if (conn == NULL)
		return (-EAGAIN);
	TAILQ_REMOVE(&so->so_queue, conn, so_accept);
	conn->so_head = NULL;
	if (conn->so_pcb != NULL)
		tcp_backlog_accepted(conn->so_pcb);
	if (peer.sa != NULL && sogetpeername(conn, peer) != 0)
		memset(peer.sa, 0, so->so_v6 ? sizeof(*peer.sin6) : sizeof(*peer.sin));
	*connp = conn;
	return (0);
}

/* ---- Connecting ---- */

static err_t
so_tcp_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct socket *so = arg;

	(void)err;	/* always ERR_OK; failures come to so_tcp_err() */
	if (pcb == so->so_pcb)
		so_reserve(so);
	so->so_flags = (so->so_flags & ~(unsigned)SS_CONNECTING) | SS_CONNECTED;
	so_wakeup(so);
	return (ERR_OK);
}

int
soconnect(struct socket *so, so_addr_t addr)
{
	ip_addr_t ip;
	u16_t port;
	err_t err;
	int error = so_addr_in(so->so_v6, addr, &ip, &port);

	if (error != 0)
		return (error);
	if (so->so_udp != NULL)
		return (so_udp_connect(so, &ip, port));
	if (so->so_raw != NULL)
		return (-EOPNOTSUPP);
	if (so->so_pcb == NULL || so->so_pcb->state != CLOSED)
		return (so->so_flags & SS_CONNECTING ? -EALREADY : -EISCONN);
	if (ip_addr_isany(&ip) || port == 0)
		return (-EADDRNOTAVAIL);
	err = tcp_connect(so->so_pcb, &ip, port, so_tcp_connected);
	if (err == ERR_OK)
		so->so_flags |= SS_CONNECTING;
	return (so_errno(err));
}

/* ---- The end ---- */

int
soshutdown(struct socket *so)
{
	if (so->so_error != 0)
		return (-so->so_error);
	if ((so->so_flags & SS_CONNECTED) == 0)
		return (-ENOTCONN);
	if ((so->so_flags & SS_SHUTDOWN) != 0 || so->so_pcb == NULL)
		return (0);
	so->so_flags |= SS_SHUTDOWN;
	/* Without memory for the FIN, lwIP notes it and tries again by itself. */
	return (so_errno(tcp_shutdown(so->so_pcb, 0, 1)));
}

static void
so_close(struct socket *so, int reset)
{
	struct tcp_pcb *pcb;
	struct socket *conn;

	if (so->so_syn != NULL) {
		sorefuse(so, ECONNREFUSED);
		return;
	}
	pcb = so_pcb_detach(so);
	while ((conn = TAILQ_FIRST(&so->so_queue)) != NULL) {
		TAILQ_REMOVE(&so->so_queue, conn, so_accept);
		so_close(conn, 1);
	}
	/* lwIP itself resets when not all that came was consumed (RFC 1122, 4.2.2.13): when the window is not whole. */
	if (pcb != NULL && so->so_rcvless > 0)
		pcb->rcv_wnd += so->so_rcvless;
	if (so->so_udp != NULL)
		so_udp_detach(so);
	if (so->so_raw != NULL)
		so_raw_detach(so);
	if (pcb != NULL && (reset || tcp_close(pcb) != ERR_OK))
		tcp_abort(pcb);
	so_free(so);
}

void
soclose(struct socket *so)
{
	so_close(so, 0);
}

void
soabort(struct socket *so)
{
	so_close(so, (so->so_flags & SS_LISTENING) == 0);
}
