/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sessions: the keys that a handshake agreed on, three at a time (6.3 of the paper).
 *
 * `current` is what we send with.  `previous` is the one before, for what is still under way to us.  `next` is one
 * that we answered to and that the peer has not proven to have yet: we must not send with it before it was used
 * (6.1), so only the peer's first packet with it makes it the current one.  Who initiated may use its session at once.
 */
#include "wg.h"

static void
session_end(struct wg_peer *peer, struct wg_session **sp)
{
	struct wg_session *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	wg_index_remove(peer->p_sc->sc_port, &s->s_index);
	wg_wipe(s, sizeof(*s));
	vnet_free(s);
	wg_crypto_forget(peer->p_sc->sc_port->po_crypto);
}

int
wg_session_begin(struct wg_peer *peer, const uint8_t send[32], const uint8_t recv[32], bool initiator)
{
	struct wg_handshake *hs = &peer->p_handshake;
	struct wg_session *s = vnet_calloc(1, sizeof(*s));

	if (s == NULL)
		return (-ENOMEM);
	s->s_initiator = initiator;
	s->s_birth = callout_now();
	s->s_remote = hs->hs_remote;
	memcpy(s->s_send_key, send, sizeof(s->s_send_key));
	memcpy(s->s_recv_key, recv, sizeof(s->s_recv_key));
	s->s_send_id = wg_crypto_id(peer->p_sc->sc_port->po_crypto);
	s->s_recv_id = wg_crypto_id(peer->p_sc->sc_port->po_crypto);
	/* The session goes by the index that the handshake told the peer. */
	wg_index_move(peer->p_sc->sc_port, &hs->hs_index, &s->s_index);
	if (initiator) {
		if (peer->p_next != NULL) {
			/* A handshake of the peer's crossed ours and was not used yet: it may still be. */
			session_end(peer, &peer->p_previous);
			peer->p_previous = peer->p_next;
			peer->p_next = NULL;
			session_end(peer, &peer->p_current);
		} else {
			session_end(peer, &peer->p_previous);
			peer->p_previous = peer->p_current;
		}
		peer->p_current = s;
	} else {
		session_end(peer, &peer->p_next);
		peer->p_next = s;
		session_end(peer, &peer->p_previous);
	}
	return (0);
}

bool
wg_session_confirm(struct wg_peer *peer, struct wg_session *s)
{
	if (s != peer->p_next)
		return (false);
	session_end(peer, &peer->p_previous);
	peer->p_previous = peer->p_current;
	peer->p_current = s;
	peer->p_next = NULL;
	return (true);
}

void
wg_session_end_all(struct wg_peer *peer)
{
	session_end(peer, &peer->p_next);
	session_end(peer, &peer->p_previous);
	session_end(peer, &peer->p_current);
}
