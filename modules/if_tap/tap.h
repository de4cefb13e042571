/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of if_tap.ko know of each other.
 *
 *	if_tap.c	the interface, the module	frame.c		TCP and UDP in a frame
 *	split.c		a frame into packets		merge.c		packets into a frame
 */
#ifndef TAP_H
#define TAP_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/queue.h>
#include <uvnet/if_tap.h>
#include <uvnet/netisr.h>
#include <uvnet/vnet.h>

#define ETHER_SIZE 14
#define ETHER_ALIGN 2		/* the IP header then is 4-aligned */
#define MERGE_MAX 64		/* packets of a frame */

static_assert(sizeof(struct tap_hdr) == 10, "the standard's size");

/* Where things are in a frame with a TCP segment or a UDP datagram: offsets from its first byte. */
struct tap_seg {
	unsigned ip, l4, payload, end;
	unsigned sum;		/* of the checksum, from l4 */
	bool six, udp;
};

/* Packets that go out as one. */
struct tap_merge {
	struct pkt *m_pkts[MERGE_MAX];
	unsigned m_n;
	struct tap_seg m_seg;		/* of the first */
	uint32_t m_payload;		/* bytes of all */
	uint32_t m_next;		/* the sequence number that the next one has */
	uint16_t m_segment;		/* payload of all but the last */
	bool m_closed;			/* a last one is in it */
};

/* What sysctl net.link.tap shows. */
struct tap_stats {
	uint64_t rx_frames, rx_packets;	/* from the descriptor: frames, and the packets that they were cut into */
	uint64_t tx_packets, tx_frames;	/* to it: packets, and the frames that they were joined to */
	uint64_t rx_bad, rx_nobufs;	/* frames that are none; packets for which there was no buffer */
	uint64_t tx_errors;		/* packets that the descriptor did not take */
};

struct tap_softc {
	LIST_ENTRY(tap_softc) sc_le;
	struct ifnet *sc_ifp;
	struct vnet *sc_vnet;
	const struct tap_ops *sc_ops;
	void *sc_arg;
	unsigned sc_l2;			/* bytes in front of the IP header */
	unsigned sc_mtu;
	bool sc_uso;			/* the other side takes joined datagrams */
	struct tap_merge sc_merge;
	struct tap_stats sc_stats;
};

/* ---- frame.c ---- */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20
#define TCP_ECE 0x40
#define TCP_CWR 0x80

/*
 * Find them in `len` bytes, of which IP begins at `l2`; false: it is neither, whole, in one IP packet without IPv6
 * extension headers.  With `large` the lengths that headers say do not count: the frame goes to its end.
 */
bool tap_seg_find(const uint8_t *frame, size_t len, unsigned l2, bool large, struct tap_seg *t);

/* The Internet checksum's sum (RFC 1071) of some bytes, on top of `sum`; 16 bits of it, as they stand in a packet. */
uint64_t tap_sum(uint64_t sum, const void *p, size_t len);
uint16_t tap_fold(uint64_t sum);
/* Of the pseudo header, for `len` bytes from l4. */
uint64_t tap_sum_pseudo(const uint8_t *frame, const struct tap_seg *t, unsigned len);
/* Set the lengths for a frame of `end` bytes, and IPv4's checksum. */
void tap_setlen(uint8_t *frame, const struct tap_seg *t, unsigned end);

static inline uint16_t
tap_get16(const uint8_t *p)
{
	return ((uint16_t)(p[0] << 8 | p[1]));
}

static inline uint32_t
tap_get32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

static inline void
tap_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
tap_put32(uint8_t *p, uint32_t v)
{
	tap_put16(p, v >> 16);
	tap_put16(p + 2, v & 0xffff);
}

/* ---- split.c: in the interface's stack ---- */

void tap_split(struct tap_softc *sc, const uint8_t *frame, size_t len);

/* ---- merge.c ---- */

/* Takes the packet over. */
int tap_merge(struct tap_softc *sc, struct pkt *p);
void tap_merge_flush(struct tap_softc *sc);
void tap_merge_drop(struct tap_softc *sc);

#endif
