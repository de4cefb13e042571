/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * if_tap: an interface of a stack whose other side is a descriptor of the host's (FreeBSD's tun(4) and tap(4)): a TUN or
 * TAP device, or a packet socket.
 *
 * What passes the descriptor are frames with a `struct tap_hdr` in front, which says what the other side leaves to us
 * and we to it: a checksum to be filled in, a TCP segment of up to 64 KiB to be cut (TSO), or as many datagrams
 * (USO).  The host reads and
 * writes; the module cuts what comes in into packets, and joins what goes out.
 *
 * The host finds everything here in `tap_kpi`, the one symbol of if_tap.ko that it looks up.
 *
 * Threads: an interface is used by its stack's worker, or with all workers stopped.
 */
#ifndef UVNET_IF_TAP_H
#define UVNET_IF_TAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <uvnet/net.h>

/*
 * In front of every frame, in the machine's byte order (Virtual I/O Device 1.2, 5.1.6; IFF_VNET_HDR of Linux's TUN
 * devices, PACKET_VNET_HDR of its packet sockets).
 */
struct tap_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;	/* a hint */
	uint16_t gso_size;	/* payload bytes of a segment */
	uint16_t csum_start;	/* the sum of what begins there goes to csum_start + csum_offset, */
	uint16_t csum_offset;	/* where the pseudo header's is already */
};
#define TAP_NEEDS_CSUM 0x01
#define TAP_DATA_VALID 0x02
#define TAP_GSO_NONE 0
#define TAP_GSO_TCPV4 1
#define TAP_GSO_TCPV6 4
#define TAP_GSO_UDP_L4 5
#define TAP_GSO_ECN 0x80

#define TAP_FRAME_MAX (sizeof(struct tap_hdr) + 14 + 65535)	/* bytes of the largest frame, either way */

/* The descriptor's side; each is called with `arg`, on the stack's worker. */
struct tap_ops {
	/* One frame in pieces, its header first.  0, or a negative errno: it is lost. */
	int (*write)(void *arg, const struct iovec *iov, int n);
	/* Packets wait to be joined with others: call flush() before the worker looks for events again. */
	void (*soon)(void *arg);
};

struct tap_params {
	const struct tap_ops *ops;	/* the caller's, as `arg` */
	void *arg;
	int ether;			/* frames are Ethernet's (TAP); else bare IP packets (TUN) */
	int uso;			/* it takes joined datagrams, too */
	uint8_t mac[6];			/* of Ethernet; all zero: a random one */
	unsigned mtu;			/* of TUN: 68 to IF_MTU_MAX */
};

#define TAP_KPI_VERSION 1

struct tap_kpi {
	unsigned version;	/* TAP_KPI_VERSION */
	unsigned size;		/* sizeof(struct tap_kpi) */

	/* A frame came in: `len` bytes, header included.  The memory stays the caller's and is not changed. */
	void (*input)(struct ifnet *ifp, const void *frame, size_t len);
	/* Write what waits. */
	void (*flush)(struct ifnet *ifp);
};
extern const struct tap_kpi tap_kpi;

/* The cloner is "tap", its params a struct tap_params.  Errors: -EINVAL (mtu, a group's MAC), -ENOMEM, -EIO. */

#endif
