/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration: the cross-platform protocol that wg(8) speaks (https://www.wireguard.com/xplatform/).
 *
 * A request is lines of key=value; the keys before the first public_key are the device's, those behind it that peer's.
 * It is read twice by the same code: once only to see that every line is good, then to do what it says.  So a mistake in
 * its last line changes nothing.  What is there and stays the same is left alone: no session is disturbed.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "wg.h"

#define VALUE_MAX 128		/* longer than any value */

struct setter {
	struct wg_softc *sc;
	bool doing;		/* the second reading */
	bool in_peer;
	struct wg_peer *peer;	/* NULL in the first reading, and where lines are to be skipped */
	uint8_t public[WG_KEY_SIZE];
	bool update_only, remove;
};

/* ---- Values ---- */

static int
digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return (ch - '0');
	ch |= 0x20;
	return (ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1);
}

static int
read_key(const char *s, uint8_t key[WG_KEY_SIZE])
{
	int hi, lo;

	if (strlen(s) != 2 * WG_KEY_SIZE)
		return (-EINVAL);
	for (int i = 0; i < WG_KEY_SIZE; i++) {
		hi = digit(s[2 * i]);
		lo = digit(s[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return (-EINVAL);
		key[i] = (uint8_t)(hi << 4 | lo);
	}
	return (0);
}

static int
read_number(const char *s, uint32_t max, uint32_t *n)
{
	uint64_t v = 0;

	if (*s == '\0')
		return (-EINVAL);
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return (-EINVAL);
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > max)
			return (-ERANGE);
	}
	*n = (uint32_t)v;
	return (0);
}

/* "192.0.2.1:51820", "[2001:db8::1]:51820". */
static int
read_endpoint(const char *s, struct wg_endpoint *ep)
{
	char host[INET6_ADDRSTRLEN];
	const char *end, *start = s;
	uint32_t port;
	size_t len;
	int af = AF_INET;

	memset(ep, 0, sizeof(*ep));
	if (*s == '[') {
		af = AF_INET6;
		start = s + 1;
		end = strchr(s, ']');
	} else {
		end = strrchr(s, ':');
	}
	if (end == NULL || (len = (size_t)(end - start)) >= sizeof(host))
		return (-EINVAL);
	memcpy(host, start, len);
	host[len] = '\0';
	s = end + (af == AF_INET6);
	if (*s != ':' || read_number(s + 1, 65535, &port) != 0 || port == 0)
		return (-EINVAL);
	ep->remote.sa.sa_family = (sa_family_t)af;
	ep->remote.sin.sin_port = htons((uint16_t)port);	/* at the same place in both */
	return (inet_pton(af, host, af == AF_INET ? (void *)&ep->remote.sin.sin_addr :
	    (void *)&ep->remote.sin6.sin6_addr) == 1 ? 0 : -EINVAL);
}

/* "10.0.0.0/8", "fd00::/8"; without a slash, one address. */
static int
read_prefix(const char *s, int *af, uint8_t addr[16], unsigned *cidr)
{
	char host[INET6_ADDRSTRLEN];
	const size_t len = strcspn(s, "/");
	uint32_t n;

	if (len >= sizeof(host))
		return (-EINVAL);
	memcpy(host, s, len);
	host[len] = '\0';
	*af = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;
	memset(addr, 0, 16);
	if (inet_pton(*af, host, addr) != 1)
		return (-EINVAL);
	n = *af == AF_INET ? 32 : 128;
	if (s[len] == '/' && read_number(s + len + 1, n, &n) != 0)
		return (-EINVAL);
	*cidr = n;
	return (0);
}

/* ---- The device's keys ---- */

static int
set_device(struct setter *st, const char *key, const char *value)
{
	struct wg_port *port = st->sc->sc_port;
	uint8_t secret[WG_KEY_SIZE];
	uint16_t listen;
	uint32_t n;
	int error;

	if (strcmp(key, "private_key") == 0) {
		error = read_key(value, secret);
		if (error == 0 && st->doing)
			error = wg_port_setkey(port, secret);
		wg_wipe(secret, sizeof(secret));
		return (error);
	}
	if (strcmp(key, "listen_port") == 0) {
		error = read_number(value, 65535, &n);
		if (error != 0 || !st->doing || n == port->po_listen)
			return (error);
		if (port->po_ndevices > 1)
			return (-EBUSY);
		listen = (uint16_t)n;
		error = port->po_ops->listen(port->po_arg, &listen);
		if (error == 0)
			port->po_listen = listen;
		return (error);
	}
	if (strcmp(key, "fwmark") == 0) {
		error = read_number(value, UINT32_MAX, &n);
		if (error != 0 || !st->doing || n == port->po_mark)
			return (error);
		error = port->po_ops->mark != NULL ? port->po_ops->mark(port->po_arg, n) : -EOPNOTSUPP;
		if (error == 0)
			port->po_mark = n;
		return (error);
	}
	if (strcmp(key, "replace_peers") == 0) {
		if (strcmp(value, "true") != 0)
			return (-EINVAL);
		while (st->doing && !TAILQ_EMPTY(&st->sc->sc_peers))
			wg_peer_destroy(TAILQ_FIRST(&st->sc->sc_peers));
		return (0);
	}
	return (-EPROTO);
}

/* ---- A peer's keys ---- */

/* The lines of a peer are over: what was set may be what its waiting packets waited for. */
static void
peer_done(struct setter *st)
{
	if (st->doing && st->peer != NULL)
		wg_send_staged(st->peer, callout_now());
	st->peer = NULL;
}

static int
peer_begin(struct setter *st, const char *value)
{
	struct wg_port *port = st->sc->sc_port;
	struct wg_peer *peer;
	int error;

	peer_done(st);
	st->in_peer = true;
	st->update_only = st->remove = false;
	error = read_key(value, st->public);
	if (error != 0)
		return (error);
	peer = wg_port_peer_find(port, st->public);
	if (peer != NULL && peer->p_sc != st->sc)
		return (-EADDRINUSE);
	st->peer = st->doing ? peer : NULL;
	return (0);
}

/* The peer that the lines are about; it is made by its first line that wants one. */
static int
peer_want(struct setter *st)
{
	struct wg_port *port = st->sc->sc_port;

	if (!st->doing || st->peer != NULL || st->remove || st->update_only ||
	    (port->po_has_key && wg_equal(st->public, port->po_public, WG_KEY_SIZE)))
		return (0);
	return (wg_peer_create(st->sc, st->public, &st->peer));
}

static int
set_allowed(struct setter *st, const char *value)
{
	const bool take = *value == '-';
	uint8_t addr[16];
	unsigned cidr;
	int af, error;

	error = read_prefix(value + (take || *value == '+'), &af, addr, &cidr);
	if (error != 0 || st->peer == NULL)
		return (error);
	if (!take)
		return (wg_allowed_insert(&st->sc->sc_allowed, af, addr, cidr, st->peer));
	wg_allowed_remove(&st->sc->sc_allowed, af, addr, cidr, st->peer);
	return (0);
}

static int
set_psk(struct setter *st, const char *value)
{
	uint8_t psk[WG_KEY_SIZE];
	int error;

	error = read_key(value, psk);
	if (error == 0 && st->peer != NULL && !wg_equal(psk, st->peer->p_secret->key, WG_KEY_SIZE)) {
		/* What the old one agreed on lives out its time; what is under way begins anew with the next. */
		memcpy(st->peer->p_secret->key, psk, WG_KEY_SIZE);
		wg_noise_clear(st->peer);
	}
	wg_wipe(psk, sizeof(psk));
	return (error);
}

static int
set_peer_flag(struct setter *st, const char *key, const char *value)
{
	if (strcmp(value, "true") != 0)
		return (-EINVAL);
	if (strcmp(key, "remove") == 0) {
		st->remove = true;
		if (st->peer != NULL)
			wg_peer_destroy(st->peer);
		st->peer = NULL;
	} else if (strcmp(key, "update_only") == 0) {
		st->update_only = true;
	} else if (st->peer != NULL) {
		wg_allowed_remove_peer(&st->sc->sc_allowed, st->peer);
	}
	return (0);
}

static int
set_peer(struct setter *st, const char *key, const char *value)
{
	struct wg_endpoint ep;
	uint32_t n;
	int error;

	if (strcmp(key, "remove") == 0 || strcmp(key, "update_only") == 0)
		return (set_peer_flag(st, key, value));
	error = peer_want(st);
	if (error != 0)
		return (error);
	if (strcmp(key, "replace_allowed_ips") == 0)
		return (set_peer_flag(st, key, value));
	if (strcmp(key, "allowed_ip") == 0)
		return (set_allowed(st, value));
	if (strcmp(key, "preshared_key") == 0)
		return (set_psk(st, value));
	if (strcmp(key, "endpoint") == 0) {
		error = read_endpoint(value, &ep);
		if (error == 0 && st->peer != NULL && memcmp(&ep.remote, &st->peer->p_endpoint.remote,
		    sizeof(ep.remote)) != 0)
			wg_peer_setendpoint(st->peer, &ep);
		return (error);
	}
	if (strcmp(key, "persistent_keepalive_interval") == 0) {
		error = read_number(value, 65535, &n);
		if (error == 0 && st->peer != NULL && n != st->peer->p_persistent)
			wg_timers_setpersistent(st->peer, (uint16_t)n);
		return (error);
	}
	if (strcmp(key, "protocol_version") == 0)
		return (strcmp(value, "1") == 0 ? 0 : -EPROTONOSUPPORT);
	return (-EPROTO);
}

/* ---- Requests ---- */

static int
set_line(struct setter *st, char *line)
{
	char *value = strchr(line, '=');
	int error;

	if (value == NULL)
		return (-EPROTO);
	*value++ = '\0';
	if (strcmp(line, "public_key") == 0) {
		error = peer_begin(st, value);
		*--value = '=';
		return (error);
	}
	error = st->in_peer ? set_peer(st, line, value) : set_device(st, line, value);
	value[-1] = '=';
	return (error);
}

/* Read the lines once; *what: the key of the one that failed. */
static int
set_read(struct setter *st, const char *text, size_t len, int *lineno, char what[32])
{
	char line[VALUE_MAX];
	const char *end;
	size_t n;
	int error = 0;

	for (*lineno = 2; len > 0 && *text != '\n' && error == 0; (*lineno)++) {
		end = memchr(text, '\n', len);
		n = end != NULL ? (size_t)(end - text) : len;
		if (n >= sizeof(line) || memchr(text, '\0', n) != NULL) {
			snprintf(what, 32, "too long, or not a text");
			error = -EINVAL;
			break;
		}
		memcpy(line, text, n);
		line[n] = '\0';
		error = set_line(st, line);
		if (error != 0) {
			snprintf(what, 32, "%.*s", (int)strcspn(line, "="), line);
			break;
		}
		/* A peer with nothing but its key is one as well: its section ended, or the text. */
		text += n + (end != NULL);
		len -= n + (end != NULL);
		if (st->in_peer && (len == 0 || *text == '\n' || (len > 11 && memcmp(text, "public_key=", 11) == 0)))
			error = peer_want(st);
	}
	peer_done(st);
	wg_wipe(line, sizeof(line));
	return (error);
}

static int
uapi_set(struct wg_softc *sc, const char *text, size_t len, struct uverr *why)
{
	struct setter st;
	char what[32] = "";
	int error = 0, line;

	for (int doing = 0; doing < 2 && error == 0; doing++) {
		st = (struct setter){ .sc = sc, .doing = doing };
		error = set_read(&st, text, len, &line, what);
	}
	if (error != 0)
		uverr(why, -error, "line %d: %s: %s", line, what, error == -EPROTO ? "unknown key" :
		    error == -EADDRINUSE && strcmp(what, "public_key") == 0 ? "is a peer of another device of this port" :
		    strerror(-error));
	return (error);
}

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
		error = uapi_set(sc, request + 6, len - 6, why);
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
