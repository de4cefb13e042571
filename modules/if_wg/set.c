/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Setting a device and its peers: whole, or not at all.
 *
 * A request is lines of key=value; the keys before the first public_key are the device's, those behind it that peer's.
 * It is read twice by the same code.  The first reading sees that every line is good, what the device is to
 * become, and how much memory the peers will need.  Between the two comes all that can fail: the memory is taken, and
 * what is the host's is done, the mark before the port, for a mark can be put back and a port that was given up
 * perhaps not.  The second reading does what the lines say, and has nothing left that could fail.
 *
 * What is there and stays the same is left alone: no session is disturbed.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "wg.h"

#define VALUE_MAX 128		/* longer than any value */

struct setter {
	struct wg_softc *sc;
	bool doing;		/* the second reading */

	/* The device, as the first reading found it wanted */
	bool has_key, has_listen, has_mark;
	uint8_t private[WG_KEY_SIZE], public_self[WG_KEY_SIZE];	/* zero: none */
	uint16_t listen;
	uint32_t mark;

	/* What the second reading will need at the most, and then what there is of it */
	unsigned npeers, nallowed;
	bool clears;		/* peers go: one that is there now may have to be made again */
	struct wg_peer_list peers;
	struct wg_allowed_spare allowed;

	/* The peer that the lines are about */
	bool in_peer, counted, update_only, remove;
	struct wg_peer *peer;	/* NULL in the first reading, and where lines are to be skipped */
	uint8_t public[WG_KEY_SIZE];
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
set_private(struct setter *st, const char *value)
{
	const struct wg_port *port = st->sc->sc_port;
	static const uint8_t zero[WG_KEY_SIZE];
	int error;

	error = read_key(value, st->private);
	if (error != 0)
		return (error);
	st->has_key = true;
	memset(st->public_self, 0, WG_KEY_SIZE);
	if (!wg_equal(st->private, zero, WG_KEY_SIZE) && wg_public(st->public_self, st->private) != 0)
		return (-EINVAL);
	return (port->po_ndevices > 1 && !wg_equal(st->private, port->po_secret->key, WG_KEY_SIZE) ? -EBUSY : 0);
}

static int
set_device(struct setter *st, const char *key, const char *value)
{
	struct wg_port *port = st->sc->sc_port;
	uint32_t n = 0;
	int error;

	if (strcmp(key, "private_key") == 0)
		return (st->doing ? 0 : set_private(st, value));
	if (strcmp(key, "listen_port") == 0) {
		error = read_number(value, 65535, &n);
		st->has_listen = true;
		st->listen = (uint16_t)n;
		return (error != 0 || n == port->po_listen || port->po_ndevices == 1 ? error : -EBUSY);
	}
	if (strcmp(key, "fwmark") == 0) {
		error = read_number(value, UINT32_MAX, &n);
		st->has_mark = true;
		st->mark = n;
		return (error != 0 || n == port->po_mark || port->po_ndevices == 1 ? error : -EBUSY);
	}
	if (strcmp(key, "replace_peers") == 0) {
		st->clears = true;
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
	struct wg_peer *peer;
	int error;

	peer_done(st);
	st->in_peer = true;
	st->counted = st->update_only = st->remove = false;
	error = read_key(value, st->public);
	if (error != 0)
		return (error);
	peer = wg_port_peer_find(st->sc->sc_port, st->public);
	if (peer != NULL && peer->p_sc != st->sc)
		return (-EADDRINUSE);
	st->counted = peer != NULL && !st->clears;
	st->peer = st->doing ? peer : NULL;
	return (0);
}

/* The peer that the lines are about is wanted; it is made by its first line that does, or counted. */
static void
peer_want(struct setter *st)
{
	struct wg_port *port = st->sc->sc_port;

	if (st->remove || st->update_only)
		return;
	if (!st->doing) {
		st->npeers += !st->counted;
		st->counted = true;
	} else if (st->peer == NULL && !(port->po_has_key && wg_equal(st->public, port->po_public, WG_KEY_SIZE))) {
		st->peer = LIST_FIRST(&st->peers);
		assert(st->peer != NULL);
		LIST_REMOVE(st->peer, p_hash);
		wg_peer_insert(st->peer, st->sc, st->public);
	}
}

static int
set_allowed(struct setter *st, const char *value)
{
	const bool take = *value == '-';
	uint8_t addr[16];
	unsigned cidr;
	int af, error;

	error = read_prefix(value + (take || *value == '+'), &af, addr, &cidr);
	st->nallowed += !st->doing && !take;
	if (error != 0 || st->peer == NULL)
		return (error);
	if (take)
		wg_allowed_remove(&st->sc->sc_allowed, af, addr, cidr, st->peer);
	else
		wg_allowed_insert(&st->sc->sc_allowed, af, addr, cidr, st->peer, &st->allowed);
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
		st->remove = st->clears = true;
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
	peer_want(st);
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

/* ---- Lines ---- */

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
			peer_want(st);
	}
	peer_done(st);
	wg_wipe(line, sizeof(line));
	return (error);
}

/* ---- Between the readings ---- */

static void
spare_free(struct setter *st)
{
	struct wg_peer *peer;

	while ((peer = LIST_FIRST(&st->peers)) != NULL) {
		LIST_REMOVE(peer, p_hash);
		wg_peer_free(peer, st->sc);
	}
	wg_allowed_unreserve(&st->allowed);
}

static int
spare_make(struct setter *st)
{
	struct wg_peer *peer;

	for (unsigned i = 0; i < st->npeers; i++) {
		peer = wg_peer_alloc(st->sc);
		if (peer == NULL)
			return (-ENOMEM);
		LIST_INSERT_HEAD(&st->peers, peer, p_hash);
	}
	return (wg_allowed_reserve(&st->allowed, st->nallowed));
}

/* What is the host's.  *what: the key of the line that failed. */
static int
outside_set(struct setter *st, const char **what)
{
	struct wg_port *port = st->sc->sc_port;
	const bool mark = st->has_mark && st->mark != port->po_mark;
	uint16_t listen = st->listen;
	int error = 0;

	if (mark) {
		*what = "fwmark";
		error = port->po_ops->mark != NULL ? port->po_ops->mark(port->po_arg, st->mark) : -EOPNOTSUPP;
	}
	if (error == 0 && st->has_listen && listen != port->po_listen) {
		*what = "listen_port";
		error = port->po_ops->listen(port->po_arg, &listen);
		if (error == 0)
			port->po_listen = listen;
		else if (mark)
			port->po_ops->mark(port->po_arg, port->po_mark);
	}
	if (error == 0 && mark)
		port->po_mark = st->mark;
	return (error);
}

static const char *
reason(int error, const char *what)
{
	switch (error) {
	case -EPROTO:
		return ("unknown key");
	case -EADDRINUSE:
		return (strcmp(what, "public_key") == 0 ? "is a peer of another device of this port" : strerror(EADDRINUSE));
	case -EBUSY:
		return ("is shared with other devices of this port");
	default:
		return (strerror(-error));
	}
}

int
wg_set(struct wg_softc *sc, const char *text, size_t len, struct uverr *why)
{
	struct setter st = { .sc = sc };
	const char *outside = NULL;
	char what[32] = "";
	int error, line;

	LIST_INIT(&st.peers);
	error = set_read(&st, text, len, &line, what);
	if (error != 0) {
		uverr(why, -error, "line %d: %s: %s", line, what, reason(error, what));
		goto out;
	}
	error = spare_make(&st);
	if (error != 0) {
		uverr(why, -error, "not enough memory for %u peers and %u allowed IPs", st.npeers, st.nallowed);
		goto out;
	}
	error = outside_set(&st, &outside);
	if (error != 0) {
		uverr(why, -error, "%s: %s", outside, strerror(-error));
		goto out;
	}
	if (st.has_key)
		wg_port_setkey(sc->sc_port, st.private, st.public_self);
	st.doing = true;
	st.in_peer = false;
	error = set_read(&st, text, len, &line, what);
	assert(error == 0);
out:
	spare_free(&st);
	wg_wipe(&st, sizeof(st));
	return (error);
}
