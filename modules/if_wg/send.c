/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Out: from an inner packet to a sealed datagram.
 *
 * The port gives room in the buffer that it will send from, and the packet is sealed straight into it: the only time
 * that its bytes are touched.  No packet is queued but while there is no session.
 *
 * By the stack's own worker, all of it.  Handing half of a batch of 45 packets to another worker was measured: it takes
 * twice the CPU time (1.6 us a packet against 0.75), and on two cores that both have work, as those of a tunnel have,
 * more than twice the time; the other worker has stacks of its own to serve.
 */
#include <endian.h>

#include "wg.h"

static bool
may_send(const struct wg_session *s, int64_t now)
{
	return (s != NULL && s->s_counter < REJECT_AFTER_MESSAGES && now - s->s_birth < REJECT_AFTER_TIME);
}

/* Our session grows old: agree on the next while this one works.  Only who initiated it does so by its age. */
static void
keep_fresh(struct wg_peer *peer, const struct wg_session *s, int64_t now)
{
	if (s->s_counter > REKEY_AFTER_MESSAGES || (s->s_initiator && now - s->s_birth > REKEY_AFTER_TIME))
		wg_send_initiation(peer, now, false);
}

/*
 * Seal and send `len` bytes, with room for padding behind them: to a multiple of 16, but not beyond what the inside's
 * packets may be (5.4.6).
 */
static int
send_data(struct wg_peer *peer, uint8_t *data, size_t len, int64_t now)
{
	struct wg_softc *sc = peer->p_sc;
	struct wg_port *port = sc->sc_port;
	struct wg_session *s = peer->p_current;
	struct msg_data *msg;
	size_t padded = (len + 15) & ~(size_t)15;

	if (padded > sc->sc_mtu)
		padded = len > sc->sc_mtu ? len : sc->sc_mtu;
	msg = port->po_ops->reserve(port->po_arg, &peer->p_endpoint, padded + DATA_OVERHEAD);
	if (msg == NULL) {
		sc->sc_stats.dropped++;
		return (-ENOBUFS);
	}
	memset(data + len, 0, padded - len);
	msg->type = htole32(MSG_DATA);
	msg->receiver = s->s_remote;
	msg->counter = htole64(s->s_counter);
	wg_seal(port->po_crypto, s->s_send_id, s->s_send_key, s->s_counter, NULL, 0, msg->sealed, data, padded);
	s->s_counter++;
	port->po_ops->commit(port->po_arg, padded + DATA_OVERHEAD);
	peer->p_tx_bytes += padded + DATA_OVERHEAD;
	sc->sc_stats.tx_bytes += padded + DATA_OVERHEAD;
	wg_timers_traversal(peer, now);
	wg_timers_authenticated_sent(peer);
	if (len > 0) {
		sc->sc_stats.tx_packets++;
		wg_timers_data_sent(peer, now);
	}
	keep_fresh(peer, s, now);
	return (0);
}

static int
send_packet(struct wg_peer *peer, struct pkt *p, int64_t now)
{
	int error = send_data(peer, p->p_data, p->p_len, now);

	pkt_free(peer->p_sc->sc_port->po_cpu, p);
	return (error);
}

int
wg_transmit(struct ifnet *ifp, struct pkt *p)
{
	struct wg_softc *sc = if_getsoftc(ifp);
	struct wg_peer *peer = wg_allowed_dst(&sc->sc_allowed, p->p_data, p->p_len);
	int64_t now;
	int error;

	if (peer == NULL) {
		sc->sc_stats.no_peer++;
		error = -EHOSTUNREACH;
	} else if (peer->p_endpoint.remote.sa.sa_family == AF_UNSPEC) {
		sc->sc_stats.no_endpoint++;
		error = -EDESTADDRREQ;
	} else {
		now = callout_now();
		if (peer->p_staged == NULL && may_send(peer->p_current, now))
			return (send_packet(peer, p, now));
		wg_peer_stage(peer, p);
		/* Where others' packets have all the room, this one is lost, but the handshake begins: the next has a session. */
		if (peer->p_staged != NULL)
			wg_send_staged(peer, now);
		else
			wg_send_initiation(peer, now, false);
		return (0);
	}
	pkt_free(sc->sc_port->po_cpu, p);
	return (error);
}

void
wg_send_staged(struct wg_peer *peer, int64_t now)
{
	struct pkt *p;

	if (peer->p_staged == NULL)
		return;
	if (!may_send(peer->p_current, now)) {
		wg_send_initiation(peer, now, false);
		return;
	}
	while (may_send(peer->p_current, now) && (p = wg_peer_next_staged(peer)) != NULL)
		send_packet(peer, p, now);
}

void
wg_send_keepalive(struct wg_peer *peer, int64_t now)
{
	uint8_t nothing[1];

	if (peer->p_staged != NULL)
		wg_send_staged(peer, now);
	else if (!may_send(peer->p_current, now))
		wg_send_initiation(peer, now, false);
	else if (peer->p_endpoint.remote.sa.sa_family != AF_UNSPEC)
		send_data(peer, nothing, 0, now);
}

/* ---- Handshakes ---- */

static void
send_handshake(struct wg_peer *peer, void *msg, size_t len, int64_t now)
{
	struct wg_port *port = peer->p_sc->sc_port;
	void *room;

	wg_cookie_add_macs(peer, msg, len);
	wg_timers_traversal(peer, now);
	wg_timers_authenticated_sent(peer);
	room = port->po_ops->reserve(port->po_arg, &peer->p_endpoint, len);
	if (room == NULL)
		return;
	memcpy(room, msg, len);
	port->po_ops->commit(port->po_arg, len);
	peer->p_tx_bytes += len;
	peer->p_sc->sc_stats.tx_bytes += len;
}

void
wg_send_initiation(struct wg_peer *peer, int64_t now, bool retry)
{
	struct msg_initiation msg;

	if (!retry)
		peer->p_attempts = 0;
	if (now - peer->p_initiation_sent < REKEY_TIMEOUT || peer->p_endpoint.remote.sa.sa_family == AF_UNSPEC)
		return;
	if (wg_noise_create_initiation(peer, &msg) != 0)
		return;
	peer->p_initiation_sent = now;
	send_handshake(peer, &msg, sizeof(msg), now);
	wg_timers_initiated(peer, now);
}

void
wg_send_response(struct wg_peer *peer, int64_t now)
{
	struct msg_response msg;

	if (wg_noise_create_response(peer, &msg) != 0)
		return;
	if (wg_noise_begin_session(peer) != 0)
		return;
	peer->p_initiation_sent = now;	/* ours can wait: the peer has just made a session */
	wg_timers_session(peer, now);
	send_handshake(peer, &msg, sizeof(msg), now);
}
