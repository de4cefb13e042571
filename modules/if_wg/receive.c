/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In: from a datagram to an inner packet.
 *
 * A datagram is opened straight into the packet that the stack will get.  Everything that can be known of it without a
 * key is checked first (its length, its index, its age), then the tag, then whether it is a replay; only after that is
 * the sender believed: where it is, that it is alive, that it knows the session's key.  What is inside may
 * still be a lie: its source address must be one of that peer's.
 *
 * No stack is current when a datagram comes; its index or its key says which one to enter.
 */
#include <endian.h>
#include <time.h>

#include "wg.h"

/* ---- Handshakes ---- */

static void
session_established(struct wg_peer *peer)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	peer->p_handshake_sec = ts.tv_sec;
	peer->p_handshake_nsec = ts.tv_nsec;
	peer->p_sc->sc_stats.handshakes++;
	wg_timers_complete(peer);
}

static void
count_received(struct wg_peer *peer, const struct wg_endpoint *from, size_t len, int64_t now)
{
	wg_peer_setendpoint(peer, from);
	peer->p_rx_bytes += len;
	peer->p_sc->sc_stats.rx_bytes += len;
	wg_timers_authenticated_received(peer);
	wg_timers_traversal(peer, now);
}

static void
initiation_input(struct wg_port *port, const struct msg_initiation *msg, const struct wg_endpoint *from, int64_t now)
{
	struct wg_peer *peer = wg_noise_consume_initiation(port, msg);

	if (peer == NULL) {
		port->po_stats.bad_packet++;
		return;
	}
	CURVNET_SET(peer->p_sc->sc_vnet);
	count_received(peer, from, sizeof(*msg), now);
	wg_send_response(peer, now);
	CURVNET_RESTORE();
}

static void
response_input(struct wg_port *port, const struct msg_response *msg, const struct wg_endpoint *from, int64_t now)
{
	struct wg_index *x = wg_index_find(port, msg->receiver);
	struct wg_peer *peer;

	if (x == NULL || x->x_kind != INDEX_HANDSHAKE) {
		port->po_stats.bad_index++;
		return;
	}
	peer = x->x_peer;
	CURVNET_SET(peer->p_sc->sc_vnet);
	if (wg_noise_consume_response(peer, msg) != 0) {
		port->po_stats.bad_packet++;
	} else if (wg_noise_begin_session(peer) == 0) {
		count_received(peer, from, sizeof(*msg), now);
		session_established(peer);
		wg_timers_session(peer, now);
		/* The peer may not use the session before we did: what waits does it, or a keepalive. */
		wg_send_keepalive(peer, now);
	}
	CURVNET_RESTORE();
}

static void
cookie_input(struct wg_port *port, const struct msg_cookie *msg, int64_t now)
{
	struct wg_index *x = wg_index_find(port, msg->receiver);

	if (x == NULL) {
		port->po_stats.bad_index++;
		return;
	}
	wg_cookie_consume(x->x_peer, msg, now);
}

/* Of a stranger, as far as we know: MACs first, and under load only with a cookie. */
static void
handshake_input(struct wg_port *port, void *data, size_t len, uint32_t type, const struct wg_endpoint *from, int64_t now)
{
	const struct msg_macs *macs = (const struct msg_macs *)((const uint8_t *)data + len - sizeof(*macs));
	const bool load = wg_flood_load(port, now);
	enum wg_mac mac;
	uint32_t sender;

	if (!port->po_has_key || wg_flood_drowned(port, now)) {
		port->po_stats.ratelimited++;
		return;
	}
	mac = wg_cookie_check(port, data, len, from, now, load);
	if (mac == MAC_BAD) {
		port->po_stats.bad_mac++;
	} else if (load && mac != MAC_COOKIE) {
		memcpy(&sender, (const uint8_t *)data + 4, sizeof(sender));
		wg_cookie_reply(port, macs, sender, from, now);
		port->po_stats.cookies_sent++;
	} else if (load && !wg_flood_allow(port, from, now)) {
		port->po_stats.ratelimited++;
	} else if (type == MSG_INITIATION) {
		initiation_input(port, data, from, now);
	} else {
		response_input(port, data, from, now);
	}
	wg_flood_charge(port, now, callout_now() - now);
}

/* ---- Data ---- */

/* Whether an opened packet is one of the peer's; cuts the padding. */
static bool
inner_check(struct wg_peer *peer, struct pkt *p)
{
	const uint8_t *ip = p->p_data;
	size_t len;

	if (p->p_len >= 20 && ip[0] >> 4 == 4)
		len = (size_t)(ip[2] << 8 | ip[3]);
	else if (p->p_len >= 40 && ip[0] >> 4 == 6)
		len = (size_t)(ip[4] << 8 | ip[5]) + 40;
	else
		len = 0;
	if (len < 20 || len > p->p_len) {
		peer->p_sc->sc_stats.bad_packet++;
		return (false);
	}
	if (wg_allowed_src(&peer->p_sc->sc_allowed, ip, len) != peer) {
		peer->p_sc->sc_stats.bad_source++;
		return (false);
	}
	p->p_len = (uint32_t)len;
	return (true);
}

/* The session that the peer used has been proven to be his, for the first time. */
static void
data_confirm(struct wg_peer *peer, struct wg_session *s, int64_t now)
{
	if (wg_session_confirm(peer, s)) {
		session_established(peer);
		wg_send_staged(peer, now);
	}
	/* It dies before the peer, who cannot begin one by its age, sends again: begin now. */
	if (!peer->p_last_minute && s->s_initiator && s == peer->p_current &&
	    now - s->s_birth > REJECT_AFTER_TIME - KEEPALIVE_TIMEOUT - REKEY_TIMEOUT) {
		peer->p_last_minute = true;
		wg_send_initiation(peer, now, false);
	}
}

/* Open into the packet; 0 or why not, counted.  Its stack is current. */
static int
data_open(struct wg_peer *peer, struct wg_session *s, const struct msg_data *msg, size_t len, struct pkt *p)
{
	struct wg_softc *sc = peer->p_sc;
	const uint64_t counter = le64toh(msg->counter);

	if (wg_open(sc->sc_port->po_crypto, s->s_recv_id, s->s_recv_key, counter, NULL, 0, p->p_data, msg->sealed,
	    len - DATA_OVERHEAD) != 0) {
		sc->sc_stats.bad_packet++;
		return (-EBADMSG);
	}
	if (!wg_replay_take(&s->s_replay, counter)) {
		sc->sc_stats.replayed++;
		return (-EALREADY);
	}
	p->p_len = (uint32_t)(len - DATA_OVERHEAD);
	return (0);
}

static void
data_input(struct wg_peer *peer, struct wg_session *s, const struct msg_data *msg, size_t len,
    const struct wg_endpoint *from, int64_t now)
{
	struct wg_softc *sc = peer->p_sc;
	const unsigned cpu = sc->sc_port->po_cpu;
	struct pkt *p;

	if (now - s->s_birth >= REJECT_AFTER_TIME || le64toh(msg->counter) >= REJECT_AFTER_MESSAGES ||
	    len - DATA_OVERHEAD > PKT_BUFSIZE - PKT_HEADROOM) {
		sc->sc_stats.bad_packet++;
		return;
	}
	p = pkt_alloc(cpu);
	if (p == NULL) {
		sc->sc_stats.dropped++;
		return;
	}
	if (data_open(peer, s, msg, len, p) != 0)
		goto drop;
	count_received(peer, from, len, now);
	data_confirm(peer, s, now);
	if (p->p_len == 0)
		goto drop;	/* a keepalive */
	wg_timers_data_received(peer, now);
	if (!inner_check(peer, p))
		goto drop;
	sc->sc_stats.rx_packets++;
	if_input(sc->sc_ifp, p);
	return;
drop:
	pkt_free(cpu, p);
}

/* ---- Datagrams ---- */

static void
datagram_input(struct wg_port *port, uint8_t *data, size_t len, const struct wg_endpoint *from, int64_t now)
{
	struct wg_index *x;
	uint32_t type = 0;

	if (len >= sizeof(type))
		memcpy(&type, data, sizeof(type));
	type = le32toh(type);
	if (type == MSG_DATA && len >= DATA_OVERHEAD) {
		x = wg_index_find(port, ((const struct msg_data *)data)->receiver);
		if (x == NULL || x->x_kind != INDEX_SESSION) {
			port->po_stats.bad_index++;
			return;
		}
		CURVNET_SET(x->x_peer->p_sc->sc_vnet);
		data_input(x->x_peer, SESSION_OF(x), (const struct msg_data *)data, len, from, now);
		CURVNET_RESTORE();
	} else if ((type == MSG_INITIATION && len == sizeof(struct msg_initiation)) ||
	    (type == MSG_RESPONSE && len == sizeof(struct msg_response))) {
		handshake_input(port, data, len, type, from, now);
	} else if (type == MSG_COOKIE && len == sizeof(struct msg_cookie)) {
		cookie_input(port, (const struct msg_cookie *)data, now);
	} else {
		port->po_stats.bad_packet++;
	}
}

void
wg_input(struct wg_port *port, void *data, size_t len, size_t segment, const struct wg_endpoint *from)
{
	const int64_t now = callout_now();
	uint8_t *at = data;
	size_t n;

	if (segment == 0)
		segment = len;
	/* An empty datagram is one, too. */
	do {
		n = len < segment ? len : segment;
		datagram_input(port, at, n, from, n == sizeof(struct msg_initiation) ? callout_now() : now);
		at += n;
		len -= n;
	} while (len > 0);
}
