/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Out: packets, joined into a frame.
 *
 * A write costs microseconds, and what the host's TCP does with a segment costs as much for one of 64 KiB as for one
 * of 1,400 bytes.  So data segments of one connection that follow each other wait for each other (and datagrams of one
 * flow, where the host takes them so), until something else comes or the worker has nothing else to do (`soon`); nothing waits longer than that.  Their bytes are not copied: the
 * frame is a vector of the packets, of which only the first has its headers.
 *
 * Joined is what the host could have been given as one segment in the first place: equal headers, data without a gap,
 * all of one size but the last.  Whatever is unusual (SYN, FIN, RST, URG, CWR, a fragment, another option) goes
 * alone.  The host will believe the checksum of a joined frame, so each packet's own is checked before; one
 * that is wrong goes alone, too, for the host to drop.
 */
#include "tap.h"

static int
frame_write(struct tap_softc *sc, const struct tap_hdr *h, struct pkt *const pkts[], unsigned n, unsigned cut)
{
	struct iovec iov[1 + MERGE_MAX];
	int error;

	iov[0] = (struct iovec){ (void *)(uintptr_t)h, sizeof(*h) };
	for (unsigned i = 0; i < n; i++)
		iov[1 + i] = (struct iovec){ pkts[i]->p_data + (i > 0 ? cut : 0), pkts[i]->p_len - (i > 0 ? cut : 0) };
	error = sc->sc_ops->write(sc->sc_arg, iov, (int)(1 + n));
	if (error != 0) {
		sc->sc_stats.tx_errors += n;
	} else {
		sc->sc_stats.tx_packets += n;
		sc->sc_stats.tx_frames++;
	}
	for (unsigned i = 0; i < n; i++)
		pkt_free(sc->sc_vnet->vnet_cpu, pkts[i]);
	return (error);
}

static bool
checksums_good(const uint8_t *frame, const struct tap_seg *t)
{
	const unsigned len = t->end - t->l4;

	return (tap_fold(tap_sum(tap_sum_pseudo(frame, t, len), frame + t->l4, len)) == 0xffff &&
	    (t->six || tap_fold(tap_sum(0, frame + t->ip, t->l4 - t->ip)) == 0xffff));
}

/* Data that could be part of a larger frame. */
static bool
is_data(const struct tap_softc *sc, const struct pkt *p, struct tap_seg *t)
{
	const uint8_t *l4;

	if (!tap_seg_find(p->p_data, p->p_len, sc->sc_l2, false, t) || t->end != p->p_len || t->payload >= t->end)
		return (false);
	l4 = p->p_data + t->l4;
	return ((t->udp ? sc->sc_uso && tap_get16(l4 + 6) != 0 : (l4[13] & ~(TCP_PSH | TCP_ECE)) == TCP_ACK) &&
	    checksums_good(p->p_data, t));
}

/* But for lengths, IPv4's identification, the sequence number, PSH and checksums. */
static bool
headers_equal(const uint8_t *a, const uint8_t *b, const struct tap_seg *t)
{
	const uint8_t *x = a + t->ip, *y = b + t->ip;

	if (memcmp(a, b, t->ip) != 0)
		return (false);
	if (t->six ? memcmp(x, y, 4) != 0 || memcmp(x + 6, y + 6, 34) != 0 :
	    memcmp(x, y, 2) != 0 || memcmp(x + 6, y + 6, 4) != 0 || memcmp(x + 12, y + 12, t->l4 - t->ip - 12) != 0)
		return (false);
	x = a + t->l4;
	y = b + t->l4;
	if (t->udp)
		return (memcmp(x, y, 4) == 0);
	return (memcmp(x, y, 4) == 0 && memcmp(x + 8, y + 8, 5) == 0 && ((x[13] ^ y[13]) & ~TCP_PSH) == 0 &&
	    memcmp(x + 14, y + 14, 2) == 0 && memcmp(x + 18, y + 18, t->payload - t->l4 - 18) == 0);
}

static bool
fits(const struct tap_merge *m, const struct pkt *p, const struct tap_seg *t)
{
	const unsigned n = t->end - t->payload;

	return (m->m_n > 0 && m->m_n < MERGE_MAX && !m->m_closed && n <= m->m_segment &&
	    (t->udp || tap_get32(p->p_data + t->l4 + 4) == m->m_next) && t->payload - t->ip + m->m_payload + n <= UINT16_MAX &&
	    m->m_seg.l4 == t->l4 && m->m_seg.payload == t->payload && m->m_seg.six == t->six && m->m_seg.udp == t->udp &&
	    headers_equal(m->m_pkts[0]->p_data, p->p_data, t));
}

void
tap_merge_flush(struct tap_softc *sc)
{
	struct tap_merge *m = &sc->sc_merge;
	struct tap_hdr h = { .flags = TAP_DATA_VALID };
	const struct tap_seg t = m->m_seg;
	uint8_t *frame;
	uint16_t sum;
	unsigned n = m->m_n, end;

	if (n == 0)
		return;
	m->m_n = 0;
	frame = m->m_pkts[0]->p_data;
	if (n > 1) {
		end = t.payload + m->m_payload;
		tap_setlen(frame, &t, end);
		if (m->m_closed && !t.udp)
			frame[t.l4 + 13] |= m->m_pkts[n - 1]->p_data[t.l4 + 13] & TCP_PSH;
		sum = tap_fold(tap_sum_pseudo(frame, &t, end - t.l4));
		memcpy(frame + t.l4 + t.sum, &sum, 2);
		h = (struct tap_hdr){ .flags = TAP_NEEDS_CSUM, .hdr_len = (uint16_t)t.payload, .gso_size = m->m_segment,
		    .csum_start = (uint16_t)t.l4, .csum_offset = (uint16_t)t.sum };
		h.gso_type = t.udp ? TAP_GSO_UDP_L4 : t.six ? TAP_GSO_TCPV6 : TAP_GSO_TCPV4;
	}
	frame_write(sc, &h, m->m_pkts, n, t.payload);
}

void
tap_merge_drop(struct tap_softc *sc)
{
	while (sc->sc_merge.m_n > 0)
		pkt_free(sc->sc_vnet->vnet_cpu, sc->sc_merge.m_pkts[--sc->sc_merge.m_n]);
}

int
tap_merge(struct tap_softc *sc, struct pkt *p)
{
	static const struct tap_hdr plain;
	struct tap_merge *m = &sc->sc_merge;
	struct tap_seg t;
	unsigned n;

	if (!is_data(sc, p, &t)) {
		tap_merge_flush(sc);
		return (frame_write(sc, &plain, &p, 1, 0));
	}
	n = t.end - t.payload;
	if (!fits(m, p, &t)) {
		tap_merge_flush(sc);
		sc->sc_ops->soon(sc->sc_arg);
		m->m_seg = t;
		m->m_segment = (uint16_t)n;
		m->m_payload = 0;
	}
	m->m_pkts[m->m_n++] = p;
	m->m_payload += n;
	m->m_closed = n < m->m_segment;
	if (!t.udp) {
		m->m_next = tap_get32(p->p_data + t.l4 + 4) + n;
		m->m_closed |= (p->p_data[t.l4 + 13] & TCP_PSH) != 0;
	}
	return (0);
}
