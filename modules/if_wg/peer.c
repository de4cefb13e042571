/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Peers: in the heap of their device's stack, in the tables of its port.
 *
 * A peer is made and unmade by configuration only.  What waits for a session is a list of packets, the oldest given up
 * first; the packets are the worker's, so all peers together may keep only so many of them.
 */
#include <stdlib.h>
#include <uvnet/dpcpu.h>

#include "wg.h"

DPCPU_DEFINE_STATIC(unsigned, wg_staged);	/* packets, of all peers of the worker */

struct wg_peer *
wg_peer_alloc(struct wg_softc *sc)
{
	struct wg_peer *peer = vnet_calloc(1, sizeof(*peer));

	if (peer == NULL)
		return (NULL);
	peer->p_secret = wg_secret_alloc(sc->sc_port->po_cpu);
	if (peer->p_secret == NULL) {
		vnet_free(peer);
		return (NULL);
	}
	return (peer);
}

void
wg_peer_free(struct wg_peer *peer, struct wg_softc *sc)
{
	wg_secret_free(sc->sc_port->po_cpu, peer->p_secret);
	vnet_free(peer);
}

void
wg_peer_insert(struct wg_peer *peer, struct wg_softc *sc, const uint8_t public[WG_KEY_SIZE])
{
	struct wg_port *port = sc->sc_port;

	peer->p_sc = sc;
	memcpy(peer->p_public, public, WG_KEY_SIZE);
	peer->p_staged_tail = &peer->p_staged;
	peer->p_initiation_sent = callout_now() - REKEY_TIMEOUT;
	wg_noise_port(port->po_crypto, public, peer->p_mac1_key, peer->p_cookie_key);
	wg_timers_init(peer);
	wg_port_peer_insert(port, peer);
	TAILQ_INSERT_TAIL(&sc->sc_peers, peer, p_le);
	sc->sc_npeers++;
}

void
wg_peer_destroy(struct wg_peer *peer)
{
	struct wg_softc *sc = peer->p_sc;

	wg_allowed_remove_peer(&sc->sc_allowed, peer);
	TAILQ_REMOVE(&sc->sc_peers, peer, p_le);
	sc->sc_npeers--;
	wg_timers_stop(peer);
	wg_peer_unstage(peer);
	wg_noise_clear(peer);
	wg_session_end_all(peer);
	wg_port_peer_remove(sc->sc_port, peer);
	wg_secret_free(sc->sc_port->po_cpu, peer->p_secret);
	wg_wipe(peer, sizeof(*peer));
	vnet_free(peer);
}

struct wg_peer *
wg_peer_find(struct wg_softc *sc, const uint8_t public[WG_KEY_SIZE])
{
	struct wg_peer *peer = wg_port_peer_find(sc->sc_port, public);

	return (peer != NULL && peer->p_sc == sc ? peer : NULL);
}

void
wg_peer_rekey(struct wg_peer *peer)
{
	CURVNET_SET(peer->p_sc->sc_vnet);
	wg_noise_clear(peer);
	wg_session_end_all(peer);
	peer->p_shared_ok = false;
	peer->p_cookie_time = 0;
	peer->p_has_mac1 = false;
	peer->p_initiation_sent = callout_now() - REKEY_TIMEOUT;
	CURVNET_RESTORE();
}

int
wg_peer_shared(struct wg_peer *peer)
{
	struct wg_port *port = peer->p_sc->sc_port;

	if (peer->p_shared_ok)
		return (0);
	if (!port->po_has_key || wg_dh(port->po_crypto, peer->p_secret->shared, port->po_secret->key, port->po_public,
	    peer->p_public) != 0)
		return (-EINVAL);
	peer->p_shared_ok = true;
	return (0);
}

void
wg_peer_setendpoint(struct wg_peer *peer, const struct wg_endpoint *from)
{
	if (memcmp(&peer->p_endpoint, from, sizeof(*from)) != 0)
		peer->p_endpoint = *from;
}

/* ---- Packets that wait ---- */

static struct pkt *
staged_take(struct wg_peer *peer)
{
	struct pkt *p = peer->p_staged;

	peer->p_staged = p->p_next;
	if (peer->p_staged == NULL)
		peer->p_staged_tail = &peer->p_staged;
	peer->p_nstaged--;
	(*DPCPU_ID_PTR(peer->p_sc->sc_port->po_cpu, wg_staged))--;
	return (p);
}

void
wg_peer_stage(struct wg_peer *peer, struct pkt *p)
{
	const unsigned cpu = peer->p_sc->sc_port->po_cpu;
	unsigned *all = DPCPU_ID_PTR(cpu, wg_staged);

	if (peer->p_nstaged > 0 && (peer->p_nstaged >= STAGED_PEER || *all >= STAGED_WORKER)) {
		pkt_free(cpu, staged_take(peer));
		peer->p_sc->sc_stats.dropped++;
	} else if (*all >= STAGED_WORKER) {
		pkt_free(cpu, p);
		peer->p_sc->sc_stats.dropped++;
		return;
	}
	p->p_next = NULL;
	*peer->p_staged_tail = p;
	peer->p_staged_tail = &p->p_next;
	peer->p_nstaged++;
	(*all)++;
}

struct pkt *
wg_peer_next_staged(struct wg_peer *peer)
{
	return (peer->p_staged != NULL ? staged_take(peer) : NULL);
}

void
wg_peer_unstage(struct wg_peer *peer)
{
	struct pkt *p;

	while ((p = wg_peer_next_staged(peer)) != NULL) {
		pkt_free(peer->p_sc->sc_port->po_cpu, p);
		peer->p_sc->sc_stats.dropped++;
	}
}
