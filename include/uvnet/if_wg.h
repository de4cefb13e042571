/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * if_wg: WireGuard in a stack (FreeBSD's wg(4); the paper: Donenfeld, "WireGuard: Next Generation Kernel Network
 * Tunnel", NDSS 2017; https://www.wireguard.com/papers/wireguard.pdf).
 *
 * A *port* is where sealed datagrams go in and out: a UDP socket of the host, or of another stack.  It has the
 * static private key.  A *device* is an interface of a stack (cloner "wg") on a port; many devices of many stacks
 * may share one port, and then the key that a handshake proves picks the stack.  All devices of a port are stacks of
 * one worker.  What the inside sends is sealed straight into the port's memory, and what the port receives is
 * opened straight into a packet.
 *
 * The host finds everything here in `wg_kpi`, the one symbol of if_wg.ko that it looks up.
 *
 * Threads: a port belongs to the worker that it was made for; it and its devices are used by that worker, or with
 * all workers stopped.
 */
#ifndef UVNET_IF_WG_H
#define UVNET_IF_WG_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <uvnet/net.h>

#define WG_KEY_SIZE 32
#define WG_DATAGRAM_MAX 2048	/* bytes of the largest datagram that if_wg ever sends */
#define WG_MTU_DEFAULT 1420
#define WG_MTU_MAX 1920		/* what a packet's buffer holds, sealed */

struct wg_port;

union wg_sockaddr {
	struct sockaddr sa;
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
};

/*
 * The other side, and which of our addresses it talks to (so that the answer leaves from there).  Zero-filled before
 * it is filled in: it is compared byte by byte.
 */
struct wg_endpoint {
	union wg_sockaddr remote;
	union {
		struct in_addr local4;	/* 0.0.0.0: whatever the routes say */
		struct in6_addr local6;
	};
	uint32_t ifindex;		/* of the address, 0: any */
};

/* What a port is made of; each is called with the port's `arg`, on its worker. */
struct wg_port_ops {
	/*
	 * Room for a datagram of `len` bytes to that endpoint, or NULL when there is none now (it is lost then).  It is
	 * filled at once and then given back by commit(), which sends it, soon; nothing else comes in between.
	 */
	void *(*reserve)(void *arg, const struct wg_endpoint *to, size_t len);
	void (*commit)(void *arg, size_t len);
	/* Move to another port number (0: any), which is returned.  Negative errno: the old one stays. */
	int (*listen)(void *arg, uint16_t *port);
	/* Mark what is sent (SO_MARK); NULL where there is no such thing. */
	int (*mark)(void *arg, uint32_t mark);
};

struct wg_params {
	struct wg_port *port;
	unsigned mtu;			/* of the inside; 0: WG_MTU_DEFAULT */
};

/* What happened on a device since it was made, or on a port. */
struct wg_stats {
	uint64_t handshakes;		/* sessions begun */
	uint64_t rx_bytes, tx_bytes;	/* sealed, of all peers */
	uint64_t rx_packets, tx_packets;	/* data, without keepalives */
	uint64_t bad_mac, bad_index, bad_packet, replayed, bad_source, no_peer, no_endpoint, dropped;
	uint64_t cookies_sent, ratelimited;
	uint64_t peers;
};

#define WG_KPI_VERSION 2

struct wg_kpi {
	unsigned version;	/* WG_KPI_VERSION */
	unsigned size;		/* sizeof(struct wg_kpi) */

	/*
	 * A port of the worker of `cpu`.  `ops` stays the caller's.  Errors: -ENOMEM, -ENOTSUP (a libcrypto without
	 * the ciphers).  It is destroyed after its devices.
	 */
	int (*port_create)(unsigned cpu, const struct wg_port_ops *ops, void *arg, struct wg_port **port);
	void (*port_destroy)(struct wg_port *port);

	/*
	 * Datagrams came in from one endpoint: `len` bytes, cut every `segment` bytes (UDP GRO; 0: one datagram).  The
	 * memory is the caller's and may be overwritten.  With no stack current.
	 */
	void (*input)(struct wg_port *port, void *data, size_t len, size_t segment, const struct wg_endpoint *from);

	/* Where the port listens now, in what `get` says. */
	void (*port_setlisten)(struct wg_port *port, uint16_t listen);

	/*
	 * The cross-platform configuration protocol (https://www.wireguard.com/xplatform/), one request on one device:
	 * "get=1\n\n" or "set=1\n...\n\n".  *reply is malloc(3)ed for the caller and ends with "errno=N\n\n".
	 * Returns 0, -ENOMEM, or, after a set, the negative of its errno; `why` then says which line and what of it.
	 * A set is done whole or not at all: a wrong line, a port or a mark that the host refuses and memory that is not
	 * there all leave everything as it was.  (So what a set adds has its memory before what it removes is given
	 * back.)  -EBUSY: devices that share a port share its key and its number.  The device's stack is current.
	 */
	int (*uapi)(struct ifnet *ifp, const char *request, size_t len, char **reply, struct uverr *why);

	/*
	 * Begin a handshake with a peer of the device, as if there was something to send to it: nothing happens where no
	 * endpoint is known.  -ENOENT.  The device's stack is current.
	 */
	int (*handshake)(struct ifnet *ifp, const uint8_t public[WG_KEY_SIZE]);

	void (*getstats)(struct ifnet *ifp, struct wg_stats *stats);

	/* The device's transmit function: an IP packet goes to whose allowed IPs its destination is.  Takes it over. */
	if_transmit_fn_t *transmit;
};
extern const struct wg_kpi wg_kpi;


#endif
