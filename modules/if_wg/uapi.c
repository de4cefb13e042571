/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration: the cross-platform protocol that wg(8) speaks (https://www.wireguard.com/xplatform/).  What there is
 * to say is said here; what there is to do is done in set.c.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "wg.h"

static void
put_key(FILE *f, const char *name, const uint8_t key[WG_KEY_SIZE])
{
	fprintf(f, "%s=", name);
	for (int i = 0; i < WG_KEY_SIZE; i++)
		fprintf(f, "%02x", key[i]);
	fputc('\n', f);
}

static void
put_peer(FILE *f, const struct wg_peer *peer)
{
	const struct wg_endpoint *ep = &peer->p_endpoint;
	const struct allowed_node *n;
	char host[INET6_ADDRSTRLEN];
	uint8_t addr[16];
	unsigned cidr;
	int af;

	put_key(f, "public_key", peer->p_public);
	put_key(f, "preshared_key", peer->p_secret->key);
	fprintf(f, "protocol_version=1\n");
	if (ep->remote.sa.sa_family == AF_INET)
		fprintf(f, "endpoint=%s:%u\n", inet_ntop(AF_INET, &ep->remote.sin.sin_addr, host, sizeof(host)),
		    ntohs(ep->remote.sin.sin_port));
	else if (ep->remote.sa.sa_family == AF_INET6)
		fprintf(f, "endpoint=[%s]:%u\n", inet_ntop(AF_INET6, &ep->remote.sin6.sin6_addr, host, sizeof(host)),
		    ntohs(ep->remote.sin6.sin6_port));
	fprintf(f, "last_handshake_time_sec=%" PRId64 "\nlast_handshake_time_nsec=%" PRId64 "\n", peer->p_handshake_sec,
	    peer->p_handshake_nsec);
	fprintf(f, "tx_bytes=%" PRIu64 "\nrx_bytes=%" PRIu64 "\npersistent_keepalive_interval=%u\n", peer->p_tx_bytes,
	    peer->p_rx_bytes, peer->p_persistent);
	for (n = wg_allowed_next(peer, NULL); n != NULL; n = wg_allowed_next(peer, n)) {
		wg_allowed_get(n, &af, addr, &cidr);
		fprintf(f, "allowed_ip=%s/%u\n", inet_ntop(af, addr, host, sizeof(host)), cidr);
	}
}

static void
uapi_get(const struct wg_softc *sc, FILE *f)
{
	const struct wg_port *port = sc->sc_port;
	const struct wg_peer *peer;

	if (port->po_has_key)
		put_key(f, "private_key", port->po_secret->key);
	if (port->po_listen != 0)
		fprintf(f, "listen_port=%u\n", port->po_listen);
	if (port->po_mark != 0)
		fprintf(f, "fwmark=%u\n", port->po_mark);
	TAILQ_FOREACH(peer, &sc->sc_peers, p_le)
		put_peer(f, peer);
}

int
wg_uapi(struct ifnet *ifp, const char *request, size_t len, char **reply, struct uverr *why)
{
	struct wg_softc *sc = if_getsoftc(ifp);
	size_t size;
	FILE *f;
	int error = 0;

	*reply = NULL;
	f = open_memstream(reply, &size);
	if (f == NULL)
		return (uverr(why, ENOMEM, "out of memory"));
	if (len >= 6 && memcmp(request, "set=1\n", 6) == 0)
		error = wg_set(sc, request + 6, len - 6, why);
	else if (len >= 6 && memcmp(request, "get=1\n", 6) == 0)
		uapi_get(sc, f);
	else
		error = uverr(why, EPROTO, "a request is get=1 or set=1");
	fprintf(f, "errno=%d\n\n", -error);
	if (ferror(f) | fclose(f)) {
		free(*reply);
		*reply = NULL;
		return (uverr(why, ENOMEM, "out of memory"));
	}
	return (error);
}
