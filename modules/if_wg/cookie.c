/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MACs, cookies and floods (5.3, 5.4.4 and 5.4.7 of the paper).
 *
 * MAC1 proves that the sender knows our public key; one keyed hash, before anything else.  Behind it a stranger can
 * still make us compute exchanges.  So what strangers' handshakes cost is charged to the port by the clock: over time
 * they get a sixteenth of the worker, and a burst.  Above that we are "under load": only who proves by MAC2 that
 * he receives at the address he sends from (he has the cookie that we sent there) is served, each address at most
 * 20 times a second.  Cookies themselves cost too; when even they have used up as much again, we are "drowned": messages
 * are dropped unlooked at until time has paid for them.  An established session needs none of this.
 *
 * A cookie is a MAC of the sender's address with a secret of two minutes; the one before is still good, so that a
 * cookie never dies at once.
 */
#include <endian.h>
#include <stdlib.h>

#include "wg.h"

#define BUCKETS 1024		/* addresses whose rate is known; a newcomer displaces the one in its place */

/* ---- Ours ---- */

void
wg_cookie_add_macs(struct wg_peer *peer, void *msg, size_t len)
{
	struct wg_crypto *c = peer->p_sc->sc_port->po_crypto;
	struct msg_macs *macs = (struct msg_macs *)((uint8_t *)msg + len - sizeof(*macs));

	wg_mac(c, macs->mac1, peer->p_mac1_key, HASH_SIZE, msg, len - sizeof(*macs));
	memcpy(peer->p_last_mac1, macs->mac1, MAC_SIZE);
	peer->p_has_mac1 = true;
	if (peer->p_cookie_time != 0 && callout_now() - peer->p_cookie_time < COOKIE_SECRET_TIME - COOKIE_LATENCY)
		wg_mac(c, macs->mac2, peer->p_cookie, MAC_SIZE, msg, len - MAC_SIZE);
	else
		memset(macs->mac2, 0, MAC_SIZE);
}

/* It answers the last message that we sent, once, and does nothing else: no roaming, no timers. */
void
wg_cookie_consume(struct wg_peer *peer, const struct msg_cookie *msg, int64_t now)
{
	uint8_t cookie[MAC_SIZE];

	if (!peer->p_has_mac1 || wg_xopen(peer->p_sc->sc_port->po_crypto, peer->p_cookie_key, msg->nonce,
	    peer->p_last_mac1, MAC_SIZE, cookie, msg->cookie, MAC_SIZE) != 0)
		return;
	memcpy(peer->p_cookie, cookie, MAC_SIZE);
	peer->p_cookie_time = now;
	peer->p_has_mac1 = false;
}

/* ---- Theirs ---- */

/* The cookie of an address, by the present secret or the one before (1). */
static void
cookie_make(struct wg_port *port, uint8_t cookie[MAC_SIZE], int which, const struct wg_endpoint *from)
{
	uint8_t addr[18];
	size_t len;

	if (from->remote.sa.sa_family == AF_INET6) {
		memcpy(addr, &from->remote.sin6.sin6_addr, len = 16);
	} else {
		memcpy(addr, &from->remote.sin.sin_addr, len = 4);
	}
	memcpy(addr + len, &from->remote.sin.sin_port, 2);	/* at the same place in both */
	wg_mac(port->po_crypto, cookie, port->po_cookie_secret[which], HASH_SIZE, addr, len + 2);
}

static void
secret_turn(struct wg_port *port, int64_t now)
{
	if (port->po_cookie_time != 0 && now - port->po_cookie_time < COOKIE_SECRET_TIME)
		return;
	if (port->po_cookie_time != 0 && now - port->po_cookie_time < 2 * COOKIE_SECRET_TIME)
		memcpy(port->po_cookie_secret[1], port->po_cookie_secret[0], HASH_SIZE);
	else
		wg_random(port->po_cookie_secret[1], HASH_SIZE);
	wg_random(port->po_cookie_secret[0], HASH_SIZE);
	port->po_cookie_time = now;
}

enum wg_mac
wg_cookie_check(struct wg_port *port, void *msg, size_t len, const struct wg_endpoint *from, int64_t now, bool load)
{
	const struct msg_macs *macs = (const struct msg_macs *)((const uint8_t *)msg + len - sizeof(*macs));
	uint8_t mac[MAC_SIZE], cookie[MAC_SIZE];

	wg_mac(port->po_crypto, mac, port->po_mac1_key, HASH_SIZE, msg, len - sizeof(*macs));
	if (!wg_equal(mac, macs->mac1, MAC_SIZE))
		return (MAC_BAD);
	if (!load || port->po_cookie_time == 0)
		return (MAC_PLAIN);
	secret_turn(port, now);
	for (int which = 0; which < 2; which++) {
		cookie_make(port, cookie, which, from);
		wg_mac(port->po_crypto, mac, cookie, MAC_SIZE, msg, len - MAC_SIZE);
		if (wg_equal(mac, macs->mac2, MAC_SIZE))
			return (MAC_COOKIE);
	}
	return (MAC_PLAIN);
}

void
wg_cookie_reply(struct wg_port *port, const struct msg_macs *macs, uint32_t sender, const struct wg_endpoint *from,
    int64_t now)
{
	uint8_t cookie[MAC_SIZE];
	struct msg_cookie msg = { .type = htole32(MSG_COOKIE), .receiver = sender };
	void *room;

	secret_turn(port, now);
	cookie_make(port, cookie, 0, from);
	wg_random(msg.nonce, sizeof(msg.nonce));
	wg_xseal(port->po_crypto, port->po_cookie_key, msg.nonce, macs->mac1, MAC_SIZE, msg.cookie, cookie, MAC_SIZE);
	room = port->po_ops->reserve(port->po_arg, from, sizeof(msg));
	if (room == NULL)
		return;
	memcpy(room, &msg, sizeof(msg));
	port->po_ops->commit(port->po_arg, sizeof(msg));
}

/* ---- Floods ---- */

bool
wg_flood_load(const struct wg_port *port, int64_t now)
{
	return (port->po_flood_time - now > FLOOD_BURST * FLOOD_SHARE);
}

bool
wg_flood_drowned(const struct wg_port *port, int64_t now)
{
	return (port->po_flood_time - now > 2 * FLOOD_BURST * FLOOD_SHARE);
}

void
wg_flood_charge(struct wg_port *port, int64_t now, int64_t ns)
{
	if (port->po_flood_time < now)
		port->po_flood_time = now;
	port->po_flood_time += ns * FLOOD_SHARE;
}

/*
 * A token bucket an address: `time` runs ahead of the clock by what was used.  IPv6 by /64, which is what a customer of
 * a provider has.  No memory: nobody is let in.
 */
bool
wg_flood_allow(struct wg_port *port, const struct wg_endpoint *from, int64_t now)
{
	const int64_t cost = INT64_C(1000000000) / RATE_PER_SECOND;
	struct wg_bucket *b;
	uint8_t addr[8] = { 0 };
	uint64_t h;

	if (port->po_buckets == NULL)
		port->po_buckets = calloc(BUCKETS, sizeof(*port->po_buckets));
	if (port->po_buckets == NULL)
		return (false);
	if (from->remote.sa.sa_family == AF_INET6)
		memcpy(addr, &from->remote.sin6.sin6_addr, 8);
	else
		memcpy(addr, &from->remote.sin.sin_addr, 4);
	memcpy(&h, addr, 8);
	h = (h ^ port->po_seed) * UINT64_C(0x9e3779b97f4a7c15);
	b = &port->po_buckets[(h >> 40) % BUCKETS];
	if (memcmp(b->addr, addr, sizeof(addr)) != 0) {
		memcpy(b->addr, addr, sizeof(addr));
		b->time = now;
	}
	if (b->time < now)
		b->time = now;
	if (b->time - now > (RATE_BURST - 1) * cost)
		return (false);
	b->time += cost;
	return (true);
}
