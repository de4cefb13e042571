/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network stack's programming interface: inet.ko for modules and for the host.
 *
 * Interfaces (FreeBSD's ifnet(9)), their cloners, and sockets (FreeBSD's socket(9)) of the current stack.  A module
 * calls these functions by name and depends on `inet`.  The host finds them in `inet_kpi`, the one symbol of
 * inet.ko that it looks up.
 *
 * Every function here works on the current stack (curvnet) and is called on its worker; everything it makes
 * belongs to that stack and is gone with it at the latest.  Nothing blocks.  Errors are negative errnos.
 * Addresses are in network byte order, as in <netinet/in.h>.
 */
#ifndef UVNET_NET_H
#define UVNET_NET_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <uvnet/netisr.h>

/* ---- Interfaces ---- */

#define IFNAMSIZ_UV 16

struct ifnet;

/* Sends the packet, or drops it; takes it over in any case.  0 or a negative errno (-ENOBUFS, -ENETDOWN). */
typedef int if_transmit_fn_t(struct ifnet *ifp, struct pkt *p);

/* Sees every packet that an interface receives (PKT_IN) or sends (PKT_OUT); may not keep or change it. */
enum if_tap_dir { IF_TAP_IN, IF_TAP_OUT };
typedef void if_tap_fn_t(void *arg, const struct pkt *p, enum if_tap_dir dir);

/* An interface that is not attached yet; name at most 15 bytes, unique in the stack (-EEXIST). */
int if_alloc(const char *name, struct ifnet **ifp);
void if_free(struct ifnet *ifp);

const char *if_name(const struct ifnet *ifp);
void if_setsoftc(struct ifnet *ifp, void *softc);
void *if_getsoftc(const struct ifnet *ifp);
void if_settransmitfn(struct ifnet *ifp, if_transmit_fn_t *fn);
struct vnet *if_getvnet(const struct ifnet *ifp);

/*
 * The interface is Ethernet with that address, and up.  ether_ifdetach(), with all workers stopped, ends all traffic
 * on it: its transmit function is not called again, its connections are aborted, packets under way to the stack are
 * dropped.
 */
int ether_ifattach(struct ifnet *ifp, const uint8_t mac[6]);
void ether_ifdetach(struct ifnet *ifp);

/*
 * The interface is point to point and carries bare IP packets of at most `mtu` bytes, and up (FreeBSD's if_attach() of
 * an IFT_TUNNEL); its transmit function finds the IP header at p_data.  -EINVAL for an mtu below 68 or above
 * IF_MTU_MAX.  if_detach() as ether_ifdetach().
 */
#define IF_MTU_MAX (PKT_BUFSIZE - 2 * PKT_HEADROOM)
int if_attach(struct ifnet *ifp, unsigned mtu);
void if_detach(struct ifnet *ifp);

/* A packet came in; takes it over.  In the interface's stack. */
void if_input(struct ifnet *ifp, struct pkt *p);

/* The carrier.  A link that is down neither sends nor receives; TCP connections over it live on their timers. */
enum { LINK_STATE_DOWN = 1, LINK_STATE_UP = 2 };
void if_link_state_change(struct ifnet *ifp, int link_state);
int if_getlinkstate(const struct ifnet *ifp);

/* Attach a watcher (one an interface; NULL takes it off).  FreeBSD's bpf(9) tap. */
void if_settap(struct ifnet *ifp, if_tap_fn_t *fn, void *arg);

/*
 * Whether outgoing packets need their checksums filled in and incoming ones checked.  Off after ether_ifattach()
 * for an interface whose packets never leave the process (it says PKT_CSUM_VALID); a watcher that writes a capture
 * turns it on.
 */
void if_setchecksums(struct ifnet *ifp, int on);

/* An IPv4 address with its prefix's length; one an interface (-EEXIST).  -EADDRINUSE in this stack, -EINVAL. */
int if_addaddr(struct ifnet *ifp, struct in_addr addr, unsigned prefixlen);

/*
 * IPv6.  An address with its prefix's length, at most two an interface (-ENOSPC); the first brings the link-local one, where
 * there are frames.  IN6_IFF_NODAD: it is known to be nobody else's, and valid at once; else it is tentative until
 * duplicate address detection is through (RFC 4862), a second or two.  -EADDRINUSE, -EINVAL.
 *
 * if_acceptrtadv(): take addresses and routers from router advertisements (FreeBSD's accept_rtadv); others are ignored.
 * -EINVAL where there are no frames.
 */
#define IN6_IFF_TENTATIVE 0x02
#define IN6_IFF_DUPLICATED 0x04
#define IN6_IFF_DEPRECATED 0x10
#define IN6_IFF_NODAD 0x20
int if_addaddr6(struct ifnet *ifp, const struct in6_addr *addr, unsigned prefixlen, int flags);
int if_acceptrtadv(struct ifnet *ifp);

/* The address of that number, from 0; -ENOENT: no more. */
struct if_addr6 {
	struct in6_addr addr;
	unsigned prefixlen;
	int flags;		/* IN6_IFF_* */
};
int if_getaddr6(const struct ifnet *ifp, unsigned index, struct if_addr6 *addr);

/*
 * Take an IPv4 address, its prefix and a default router from a DHCP server (RFC 2131), and keep the lease renewed.  -EEXIST:
 * it has an address; -EINVAL where there are no frames; -ENOMEM.
 */
int if_dhcp(struct ifnet *ifp);

/* Its number in the stack, from 1: sin6_scope_id of the link-local addresses behind it. */
unsigned if_getindex(const struct ifnet *ifp);

/* Interfaces of the current stack by name; all, in the order of their making: if_next(NULL) is the first. */
struct ifnet *ifunit(const char *name);
struct ifnet *if_next(const struct ifnet *ifp);

struct if_data {
	uint64_t ifi_ipackets, ifi_ibytes, ifi_iqdrops, ifi_opackets, ifi_obytes, ifi_oqdrops;
	struct in_addr addr;	/* 0.0.0.0: none */
	unsigned prefixlen, mtu;
	int link_state;
	uint8_t mac[6];
};
void if_getdata(const struct ifnet *ifp, struct if_data *data);

/* ---- Routes and forwarding (FreeBSD's route(4), net.inet.ip.forwarding) ---- */

/*
 * A route over a gateway, which is a neighbour on a network of the stack's; 0.0.0.0/0 is the default route.  The
 * longest prefix wins, among the networks of the interfaces too.  A route goes with its interface, and is not used
 * while that is down.  -EINVAL (host bits, a gateway that is ourselves), -ENETUNREACH (no interface has a network
 * with that gateway), -EEXIST, -ENOSPC (1,024 a stack), -ENOMEM.  rt_delete(): -ESRCH.
 */
int rt_add(struct in_addr dst, unsigned prefixlen, struct in_addr gateway);
int rt_delete(struct in_addr dst, unsigned prefixlen);

/*
 * A route over an interface without frames (if_attach()), where there are no neighbours to name.  -EINVAL for host bits
 * or an Ethernet interface; -EEXIST, -ENOSPC, -ENOMEM.
 */
int rt_addif(struct in_addr dst, unsigned prefixlen, struct ifnet *ifp);

/* The route of that number: the interfaces' networks come first (no gateway), then the others.  -ENOENT: no more. */
struct rt_data {
	struct in_addr dst, gateway;
	unsigned prefixlen;
	char ifname[IFNAMSIZ_UV];
};
int rt_get(unsigned index, struct rt_data *data);

/*
 * The same for IPv6: over a gateway, which is a neighbour and not link-local, or over an interface without frames (`ifp`,
 * with a NULL gateway).  Routers that are advertised count where none of these leads on.
 */
int rt_add6(const struct in6_addr *dst, unsigned prefixlen, const struct in6_addr *gateway, struct ifnet *ifp);
int rt_delete6(const struct in6_addr *dst, unsigned prefixlen);
struct rt_data6 {
	struct in6_addr dst, gateway;	/* ::, there is none */
	unsigned prefixlen;
	char ifname[IFNAMSIZ_UV];
};
int rt_get6(unsigned index, struct rt_data6 *data);

/* Whether packets for others are sent on; off at first.  Errors go back by ICMP (RFC 1812). */
void ip_setforwarding(int on);

/* ---- Cloners: kinds of interfaces, registered in every stack by a module's VNET_SYSINIT ---- */

struct if_clone {
	const char *ifc_name;	/* "epair" */
	/* Make an interface of that name; params are the kind's own (uvnet/if_epair.h). */
	int (*ifc_create)(const struct if_clone *ifc, const char *name, const void *params, struct ifnet **ifp);
	void (*ifc_destroy)(const struct if_clone *ifc, struct ifnet *ifp);
};

/* The structure stays the module's.  -EEXIST.  Detaching destroys the interfaces of that kind in the stack. */
int if_clone_attach(const struct if_clone *ifc);
void if_clone_detach(const struct if_clone *ifc);

/* Make and destroy by the kind's name.  -ENOENT: no such kind (is its module loaded?), or what it returned. */
int if_clone_create(const char *kind, const char *name, const void *params, struct ifnet **ifp);
int if_clone_destroy(struct ifnet *ifp);

/* ---- Sockets: event-driven, never blocking ---- */

struct socket;

/*
 * An address of a socket's family: a struct sockaddr_in, or sockaddr_in6 (with sin6_scope_id for a link-local one).  The
 * compiler takes a pointer to either.  What is written through a so_name_t is the socket's family's.
 */
typedef union {
	const struct sockaddr_in *sin;
	const struct sockaddr_in6 *sin6;
	const struct sockaddr *sa;
} so_addr_t __attribute__((transparent_union));
typedef union {
	struct sockaddr_in *sin;
	struct sockaddr_in6 *sin6;
	struct sockaddr *sa;
} so_name_t __attribute__((transparent_union));

/*
 * Something changed on the socket: look at sostate().  In the worker's next round, with curvnet set, from no so*
 * function: it may do anything with this and other sockets, closing included.  One upcall stands for all that
 * happened since the last.  Room to send is worth one when a good part of the buffer is free after it was nearly
 * full; SO_DRAINED only after soshutdown().
 */
typedef void so_upcall_t(struct socket *so, void *arg);

/*
 * A TCP socket: dom AF_INET or AF_INET6 (which is IPv6 only), type SOCK_STREAM, proto 0 or IPPROTO_TCP; or a UDP socket: SOCK_DGRAM, 0 or IPPROTO_UDP;
 * or one for ICMP: SOCK_RAW, IPPROTO_ICMP or IPPROTO_ICMPV6.  -EPROTONOSUPPORT, -ENOMEM.
 */
int socreate(int dom, struct socket **so, int type, int proto);

/* Whom to call, NULL for nobody.  What has happened before is reported, too. */
void soupcall_set(struct socket *so, so_upcall_t *upcall, void *arg);

/* INADDR_ANY and port 0 as usual.  -EADDRINUSE, -EADDRNOTAVAIL; -EAFNOSUPPORT, here and below: of another family. */
int sobind(struct socket *so, so_addr_t addr);

/* Listen; soaccept() hands out connections one by one, -EAGAIN when there is none. */
int solisten(struct socket *so, int backlog);
int soaccept(struct socket *so, struct socket **conn, so_name_t peer);

/* Begin to connect: 0 and SO_CONNECTED later, or sostate() SO_DEAD with soerror(). */
int soconnect(struct socket *so, so_addr_t addr);

/*
 * Copy in as much as fits the send buffer and send what the windows allow: bytes taken, or -EAGAIN (an upcall comes
 * when there is room, or the connection is made), -EPIPE, -ENOTCONN, or soerror()'s.  Large pieces make full segments.
 */
ssize_t sosend(struct socket *so, const void *buf, size_t len);

/*
 * What has been received and is not consumed: fills at most `niov` pieces, returns how many; their bytes stay valid
 * until soconsume() opens the window by `len` and lets them go.  soreceive() is both with a copy: bytes, 0 at the
 * end of the stream, -EAGAIN, -ECONNRESET.
 */
int sopeek(struct socket *so, struct iovec *iov, int niov);
void soconsume(struct socket *so, size_t len);
ssize_t soreceive(struct socket *so, void *buf, size_t len);

/*
 * UDP.  Send a datagram, as fragments where it is longer than the link's; `to` may be NULL after soconnect(), which
 * also has datagrams of others refused.  The length, or -EMSGSIZE (above 65,507), -ENOBUFS, -ENETUNREACH,
 * -EDESTADDRREQ.  soreceivefrom() takes out the next one whole, cut to `len`; `from` may be NULL; -EAGAIN: none waits.
 * At most 256 datagrams and 256 KiB wait in a socket, what comes beyond is lost.  -EOPNOTSUPP: not a UDP socket.
 *
 * ICMP.  sosendto() sends what the IP header is put in front of, at least 8 bytes (-EINVAL); the checksum of ICMPv4 is the
 * caller's, that of ICMPv6 is computed.  soreceivefrom() has a copy of every ICMP packet that came in, with its IP header
 * (of IPv6 too, where FreeBSD leaves it out); the stack answers echoes all the same.  sobind() chooses the source address.
 */
ssize_t sosendto(struct socket *so, const void *buf, size_t len, so_addr_t to);
ssize_t soreceivefrom(struct socket *so, void *buf, size_t len, so_name_t from);

/* No more will be sent (a FIN after what is buffered). */
int soshutdown(struct socket *so);

/*
 * Close: what is buffered is still delivered by the stack, the structure is gone.  soabort() resets the connection.
 * No upcall comes afterwards.  A listening socket takes its unaccepted connections with it.
 */
void soclose(struct socket *so);
void soabort(struct socket *so);

enum so_state {
	SO_CONNECTED = 0x1,	/* the handshake is through */
	SO_READABLE = 0x2,	/* bytes to receive, a connection to accept, or the end of the stream */
	SO_WRITABLE = 0x4,	/* room in the send buffer */
	SO_EOF = 0x8,		/* the peer sent its FIN and everything before it was consumed */
	SO_DRAINED = 0x10,	/* everything sent was acknowledged */
	SO_DEAD = 0x20,		/* failed, timed out or reset: soerror() says why; what was received can still be read */
	SO_PENDING = 0x40,	/* its SYN waits for soadmit() or sorefuse() */
};
unsigned sostate(const struct socket *so);
int soerror(const struct socket *so);		/* -ECONNREFUSED, -ECONNRESET, -ETIMEDOUT, -ENETDOWN; 0: none */
size_t sospace(const struct socket *so);	/* bytes that sosend() would take now */
int sogetsockname(const struct socket *so, so_name_t name);
int sogetpeername(const struct socket *so, so_name_t name);

/* ---- Egress: what is for the rest of the world ends in this stack ---- */

/*
 * From now on, TCP and UDP that the interface receives for an address that is not this stack's, and that the stack
 * has no route to, are the caller's to carry on.  (Not multicast, broadcast, loopback; no ping.)  Both functions
 * are called from within the stack's input, with the stack current; `ops` stays the caller's.  It ends with the
 * interface; its connections are aborted then. -EINVAL: an Ethernet interface, or not attached; -EEXIST; -ENOMEM.
 *
 * syn: `from` wants to connect to `to`.  The socket is SO_PENDING and the callee's, who says soadmit() or sorefuse()
 * now or later; until then the other side waits, and sends its SYN again.
 *
 * datagram: pieces of one datagram, whose bytes are gone afterwards.  0; -ENOBUFS: it is lost; another -errno is sent
 * back as an ICMP error: ECONNREFUSED (port), EACCES (prohibited), ENETUNREACH, and EHOSTUNREACH for all else.
 */
struct egress_ops {
	void (*syn)(void *arg, struct socket *so, so_addr_t from, so_addr_t to);
	int (*datagram)(void *arg, so_addr_t from, so_addr_t to, const struct iovec *iov, int niov);
};
int if_setegress(struct ifnet *ifp, const struct egress_ops *ops, void *arg);

/*
 * Go on with the handshake: SO_CONNECTED follows, or SO_DEAD.  -ENOBUFS: no memory for it, and it is SO_DEAD;
 * -EINVAL: not pending.  Not from within syn().
 *
 * Or not: EHOSTUNREACH, ENETUNREACH, ETIMEDOUT, EHOSTDOWN and ENETDOWN are answered by an ICMP error, any other errno
 * by a reset, 0 by nothing (it may ask again).  The socket is gone.  soabort() and soclose() of a pending socket
 * refuse it with a reset.
 */
int soadmit(struct socket *so);
void sorefuse(struct socket *so, int error);

/* An answer: a datagram from the world's `from`.  As sosendto(); -EINVAL: the interface has no egress. */
ssize_t egress_sendto(struct ifnet *ifp, const void *buf, size_t len, so_addr_t from, so_addr_t to);

/* The ICMP error that says what became of a datagram of before from `from` to `to`; the errnos of datagram(). */
void egress_refuse(struct ifnet *ifp, so_addr_t from, so_addr_t to, int error);

/* ---- What connections and ports there are (FreeBSD's netstat(1)) ---- */

struct inpcb_data {
	int proto, family;	/* IPPROTO_TCP or IPPROTO_UDP; AF_INET or AF_INET6 */
	const char *state;	/* of TCP: "ESTABLISHED"; else "" */
	union {
		struct sockaddr sa;
		struct sockaddr_in sin;
		struct sockaddr_in6 sin6;
	} local, remote;	/* remote: port 0, there is none */
	size_t rcvq, sndq;	/* bytes received and not taken, sent and not acknowledged */
};
typedef void inpcb_visit_t(const struct inpcb_data *data, void *arg);

/* Call visit() for each of the stack's; it may not change any. */
void inpcb_foreach(inpcb_visit_t *visit, void *arg);

/* ---- The host's view: the same functions, by one symbol ---- */

#define INET_KPI_VERSION 4

struct inet_kpi {
	unsigned version;	/* INET_KPI_VERSION */
	unsigned size;		/* sizeof(struct inet_kpi) */
	struct ifnet *(*ifunit)(const char *name);
	struct ifnet *(*if_next)(const struct ifnet *ifp);
	const char *(*if_name)(const struct ifnet *ifp);
	unsigned (*if_getindex)(const struct ifnet *ifp);
	void (*if_getdata)(const struct ifnet *ifp, struct if_data *data);
	void (*if_settap)(struct ifnet *ifp, if_tap_fn_t *fn, void *arg);
	void (*if_setchecksums)(struct ifnet *ifp, int on);
	void (*if_link_state_change)(struct ifnet *ifp, int link_state);
	int (*if_addaddr)(struct ifnet *ifp, struct in_addr addr, unsigned prefixlen);
	int (*if_addaddr6)(struct ifnet *ifp, const struct in6_addr *addr, unsigned prefixlen, int flags);
	int (*if_acceptrtadv)(struct ifnet *ifp);
	int (*if_getaddr6)(const struct ifnet *ifp, unsigned index, struct if_addr6 *addr);
	int (*if_dhcp)(struct ifnet *ifp);
	void (*ip_setforwarding)(int on);
	int (*rt_add)(struct in_addr dst, unsigned prefixlen, struct in_addr gateway);
	int (*rt_addif)(struct in_addr dst, unsigned prefixlen, struct ifnet *ifp);
	int (*rt_delete)(struct in_addr dst, unsigned prefixlen);
	int (*rt_get)(unsigned index, struct rt_data *data);
	int (*rt_add6)(const struct in6_addr *dst, unsigned prefixlen, const struct in6_addr *gateway, struct ifnet *ifp);
	int (*rt_delete6)(const struct in6_addr *dst, unsigned prefixlen);
	int (*rt_get6)(unsigned index, struct rt_data6 *data);
	int (*if_clone_create)(const char *kind, const char *name, const void *params, struct ifnet **ifp);
	int (*if_clone_destroy)(struct ifnet *ifp);
	int (*socreate)(int dom, struct socket **so, int type, int proto);
	void (*soupcall_set)(struct socket *so, so_upcall_t *upcall, void *arg);
	int (*sobind)(struct socket *so, so_addr_t addr);
	int (*solisten)(struct socket *so, int backlog);
	int (*soaccept)(struct socket *so, struct socket **conn, so_name_t peer);
	int (*soconnect)(struct socket *so, so_addr_t addr);
	ssize_t (*sosend)(struct socket *so, const void *buf, size_t len);
	ssize_t (*sosendto)(struct socket *so, const void *buf, size_t len, so_addr_t to);
	int (*sopeek)(struct socket *so, struct iovec *iov, int niov);
	void (*soconsume)(struct socket *so, size_t len);
	ssize_t (*soreceive)(struct socket *so, void *buf, size_t len);
	ssize_t (*soreceivefrom)(struct socket *so, void *buf, size_t len, so_name_t from);
	int (*soshutdown)(struct socket *so);
	void (*soclose)(struct socket *so);
	void (*soabort)(struct socket *so);
	unsigned (*sostate)(const struct socket *so);
	int (*soerror)(const struct socket *so);
	size_t (*sospace)(const struct socket *so);
	int (*sogetsockname)(const struct socket *so, so_name_t name);
	int (*sogetpeername)(const struct socket *so, so_name_t name);
	void (*inpcb_foreach)(inpcb_visit_t *visit, void *arg);
	int (*if_setegress)(struct ifnet *ifp, const struct egress_ops *ops, void *arg);
	int (*soadmit)(struct socket *so);
	void (*sorefuse)(struct socket *so, int error);
	ssize_t (*egress_sendto)(struct ifnet *ifp, const void *buf, size_t len, so_addr_t from, so_addr_t to);
	void (*egress_refuse)(struct ifnet *ifp, so_addr_t from, so_addr_t to, int error);
};
extern const struct inet_kpi inet_kpi;

#endif
