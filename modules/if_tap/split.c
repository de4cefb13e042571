/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In: a frame, cut into packets.
 *
 * The header in front of it is the other side's word of what it left out.  Nothing of it is believed that could be
 * looked up: where TCP or UDP begins and how long its header is comes from the packet, and a frame that contradicts
 * itself is dropped and counted.
 *
 * Each piece has a copy of the headers with its own lengths, identification, and checksums.  Of TCP also the sequence
 * number; what ends something (FIN, PSH) is the last one's, what begins something (CWR) the first one's.
 */
#include "tap.h"

static struct pkt *
packet_alloc(struct tap_softc *sc)
{
	struct pkt *p = pkt_alloc(sc->sc_vnet->vnet_cpu);

	if (p == NULL)
		sc->sc_stats.rx_nobufs++;
	else if (sc->sc_l2 != 0)
		p->p_data += ETHER_ALIGN;
	return (p);
}

static void
packet_deliver(struct tap_softc *sc, struct pkt *p)
{
	sc->sc_stats.rx_packets++;
	if_input(sc->sc_ifp, p);
}

/* A packet as it is, perhaps without its checksum. */
static void
whole_input(struct tap_softc *sc, const struct tap_hdr *h, const uint8_t *frame, size_t len)
{
	struct pkt *p;
	uint16_t sum;

	if (len == 0 || len > sc->sc_l2 + sc->sc_mtu || ((h->flags & TAP_NEEDS_CSUM) != 0 &&
	    (h->csum_start >= len || (size_t)h->csum_start + h->csum_offset + 2 > len))) {
		sc->sc_stats.rx_bad++;
		return;
	}
	p = packet_alloc(sc);
	if (p == NULL)
		return;
	memcpy(p->p_data, frame, len);
	p->p_len = (uint32_t)len;
	if ((h->flags & TAP_NEEDS_CSUM) != 0) {
		sum = (uint16_t)~tap_fold(tap_sum(0, p->p_data + h->csum_start, len - h->csum_start));
		if (sum == 0)
			sum = 0xffff;	/* the same to TCP; to UDP, 0 is none */
		memcpy(p->p_data + h->csum_start + h->csum_offset, &sum, 2);
	}
	packet_deliver(sc, p);
}

/* The piece of a frame at `at`, `n` bytes, the number `i` of them. */
static void
piece_input(struct tap_softc *sc, const uint8_t *frame, const struct tap_seg *t, unsigned at, unsigned n, unsigned i)
{
	struct pkt *p = packet_alloc(sc);
	uint8_t *to, *l4;
	uint16_t sum;

	if (p == NULL)
		return;
	to = p->p_data;
	memcpy(to, frame, t->payload);
	memcpy(to + t->payload, frame + at, n);
	p->p_len = t->payload + n;
	l4 = to + t->l4;
	if (!t->six)
		tap_put16(to + t->ip + 4, tap_get16(frame + t->ip + 4) + i);
	tap_setlen(to, t, p->p_len);
	if (!t->udp) {
		tap_put32(l4 + 4, tap_get32(frame + t->l4 + 4) + (at - t->payload));
		if (i > 0)
			l4[13] &= (uint8_t)~TCP_CWR;
		if (at + n < t->end)
			l4[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	}
	memset(l4 + t->sum, 0, 2);
	sum = (uint16_t)~tap_fold(tap_sum(tap_sum_pseudo(to, t, p->p_len - t->l4), l4, p->p_len - t->l4));
	if (sum == 0)
		sum = 0xffff;
	memcpy(l4 + t->sum, &sum, 2);
	packet_deliver(sc, p);
}

void
tap_split(struct tap_softc *sc, const uint8_t *frame, size_t len)
{
	struct tap_hdr h;
	struct tap_seg t;
	unsigned at, i = 0, n;
	int type;

	sc->sc_stats.rx_frames++;
	if (len < sizeof(h)) {
		sc->sc_stats.rx_bad++;
		return;
	}
	memcpy(&h, frame, sizeof(h));
	frame += sizeof(h);
	len -= sizeof(h);
	type = h.gso_type & ~TAP_GSO_ECN;
	if (type == TAP_GSO_NONE) {
		whole_input(sc, &h, frame, len);
		return;
	}
	if ((type != TAP_GSO_TCPV4 && type != TAP_GSO_TCPV6 && type != TAP_GSO_UDP_L4) || h.gso_size == 0 ||
	    !tap_seg_find(frame, len, sc->sc_l2, true, &t) || t.udp != (type == TAP_GSO_UDP_L4) ||
	    (!t.udp && t.six != (type == TAP_GSO_TCPV6)) ||
	    t.payload + h.gso_size > sc->sc_l2 + sc->sc_mtu) {
		sc->sc_stats.rx_bad++;
		return;
	}
	at = t.payload;
	do {
		n = t.end - at < h.gso_size ? t.end - at : h.gso_size;
		piece_input(sc, frame, &t, at, n, i++);
		at += n;
	} while (at < t.end);
}
