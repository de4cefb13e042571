/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handshake: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (5.4 of the paper; https://noiseprotocol.org/noise.html).
 *
 * Both sides fold the same things into a hash (what was said) and a chaining key (what only the two know), in the same
 * order; each sealed part is sealed with a key of the chain and the hash as additional data, so a part opens only
 * for who agrees on everything before it.
 *
 *	initiation	our ephemeral key, our static key sealed, the time sealed
 *	response	his ephemeral key, nothing, sealed (with the pre-shared key mixed in)
 *
 * Nothing that a message says is kept before its last part opened: the work is done on copies.  An initiation whose
 * time is not later than the last one's is a replay; two within a fiftieth of a second are a flood.
 */
#include <endian.h>
#include <time.h>

#include "wg.h"

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";
static const char label_mac1[] = "mac1----", label_cookie[] = "cookie--";

/* What a message's parts go through. */
struct chain {
	struct wg_crypto *c;
	uint8_t hash[HASH_SIZE], ck[HASH_SIZE], key[HASH_SIZE];
};

void
wg_noise_port(struct wg_crypto *c, const uint8_t public[WG_KEY_SIZE], uint8_t mac1_key[HASH_SIZE],
    uint8_t cookie_key[HASH_SIZE])
{
	wg_hash(c, mac1_key, label_mac1, sizeof(label_mac1) - 1, public, WG_KEY_SIZE);
	wg_hash(c, cookie_key, label_cookie, sizeof(label_cookie) - 1, public, WG_KEY_SIZE);
}

static void
mix_hash(struct chain *ch, const void *data, size_t len)
{
	wg_hash(ch->c, ch->hash, ch->hash, HASH_SIZE, data, len);
}

/* Of whom the responder is. */
static void
chain_begin(struct chain *ch, struct wg_crypto *c, const uint8_t responder[WG_KEY_SIZE])
{
	ch->c = c;
	wg_hash(c, ch->ck, construction, sizeof(construction) - 1, NULL, 0);
	wg_hash(c, ch->hash, ch->ck, HASH_SIZE, identifier, sizeof(identifier) - 1);
	mix_hash(ch, responder, WG_KEY_SIZE);
}

static void
mix_ephemeral(struct chain *ch, const uint8_t public[WG_KEY_SIZE])
{
	mix_hash(ch, public, WG_KEY_SIZE);
	wg_kdf(ch->c, ch->ck, public, WG_KEY_SIZE, 1, ch->ck, NULL, NULL);
}

static void
mix_shared(struct chain *ch, const uint8_t shared[WG_KEY_SIZE])
{
	wg_kdf(ch->c, ch->ck, shared, WG_KEY_SIZE, 2, ch->ck, ch->key, NULL);
}

static int
mix_dh(struct chain *ch, const uint8_t private[WG_KEY_SIZE], const uint8_t public[WG_KEY_SIZE],
    const uint8_t peer[WG_KEY_SIZE])
{
	uint8_t shared[WG_KEY_SIZE];

	if (wg_dh(ch->c, shared, private, public, peer) != 0)
		return (-EINVAL);
	mix_shared(ch, shared);
	wg_wipe(shared, sizeof(shared));
	return (0);
}

static void
mix_psk(struct chain *ch, const uint8_t psk[WG_KEY_SIZE])
{
	uint8_t temp[HASH_SIZE];

	wg_kdf(ch->c, ch->ck, psk, WG_KEY_SIZE, 3, ch->ck, temp, ch->key);
	mix_hash(ch, temp, sizeof(temp));
	wg_wipe(temp, sizeof(temp));
}

/* Seal a part, and fold it in; `len` of the plain text. */
static void
part_seal(struct chain *ch, uint8_t *out, const void *in, size_t len)
{
	wg_seal(ch->c, 0, ch->key, 0, ch->hash, HASH_SIZE, out, in, len);
	mix_hash(ch, out, len + TAG_SIZE);
}

static int
part_open(struct chain *ch, void *out, const uint8_t *in, size_t len)
{
	int error = wg_open(ch->c, 0, ch->key, 0, ch->hash, HASH_SIZE, out, in, len);

	mix_hash(ch, in, len + TAG_SIZE);
	return (error);
}

static int
ephemeral_make(struct wg_handshake *hs)
{
	wg_random(hs->hs_private, WG_KEY_SIZE);
	return (wg_public(hs->hs_public, hs->hs_private));
}

/* TAI64N (https://cr.yp.to/libtai/tai64.html), cut to 16 ms so that it tells little of our clock. */
static void
timestamp_now(uint8_t out[TIMESTAMP_SIZE])
{
	struct timespec ts;
	uint64_t sec;
	uint32_t nsec;

	clock_gettime(CLOCK_REALTIME, &ts);
	sec = htobe64(UINT64_C(0x400000000000000a) + (uint64_t)ts.tv_sec);
	nsec = htobe32((uint32_t)ts.tv_nsec & ~((UINT32_C(1) << 24) - 1));
	memcpy(out, &sec, 8);
	memcpy(out + 8, &nsec, 4);
}

/* ---- Initiation ---- */

int
wg_noise_create_initiation(struct wg_peer *peer, struct msg_initiation *msg)
{
	struct wg_port *port = peer->p_sc->sc_port;
	struct wg_handshake *hs = &peer->p_handshake;
	uint8_t timestamp[TIMESTAMP_SIZE];
	struct chain ch;
	int error = -EINVAL;

	if (wg_peer_shared(peer) != 0)
		return (-ENOKEY);
	chain_begin(&ch, port->po_crypto, peer->p_public);
	if (ephemeral_make(hs) != 0)
		goto out;
	memcpy(msg->ephemeral, hs->hs_public, WG_KEY_SIZE);
	mix_ephemeral(&ch, hs->hs_public);
	if (mix_dh(&ch, hs->hs_private, hs->hs_public, peer->p_public) != 0)
		goto out;
	part_seal(&ch, msg->public, port->po_public, WG_KEY_SIZE);
	mix_shared(&ch, peer->p_secret->shared);
	timestamp_now(timestamp);
	part_seal(&ch, msg->timestamp, timestamp, sizeof(timestamp));
	memcpy(hs->hs_hash, ch.hash, HASH_SIZE);
	memcpy(hs->hs_ck, ch.ck, HASH_SIZE);
	wg_index_insert(port, &hs->hs_index, INDEX_HANDSHAKE, peer);
	hs->hs_state = HS_INITIATION_SENT;
	msg->type = htole32(MSG_INITIATION);
	msg->sender = hs->hs_index.x_index;
	error = 0;
out:
	wg_wipe(&ch, sizeof(ch));
	return (error);
}

struct wg_peer *
wg_noise_consume_initiation(struct wg_port *port, const struct msg_initiation *msg)
{
	const int64_t now = callout_now();
	uint8_t public[WG_KEY_SIZE], timestamp[TIMESTAMP_SIZE];
	struct wg_peer *peer = NULL;
	struct wg_handshake *hs;
	struct chain ch;

	if (!port->po_has_key)
		return (NULL);
	chain_begin(&ch, port->po_crypto, port->po_public);
	mix_ephemeral(&ch, msg->ephemeral);
	if (mix_dh(&ch, port->po_secret->key, port->po_public, msg->ephemeral) != 0 ||
	    part_open(&ch, public, msg->public, WG_KEY_SIZE) != 0)
		goto out;
	peer = wg_port_peer_find(port, public);
	if (peer == NULL)
		goto out;
	hs = &peer->p_handshake;
	if (wg_peer_shared(peer) != 0)
		goto refuse;
	mix_shared(&ch, peer->p_secret->shared);
	if (part_open(&ch, timestamp, msg->timestamp, TIMESTAMP_SIZE) != 0)
		goto refuse;
	if (memcmp(timestamp, peer->p_timestamp, TIMESTAMP_SIZE) <= 0 ||	/* a replay */
	    (peer->p_initiation_time != 0 && now - peer->p_initiation_time < WG_SECOND / INITIATIONS_PER_SECOND))
		goto refuse;
	memcpy(peer->p_timestamp, timestamp, TIMESTAMP_SIZE);
	peer->p_initiation_time = now;
	/* Ours, if one is under way, gives way: the two would cross for ever. */
	wg_index_remove(port, &hs->hs_index);
	memcpy(hs->hs_peer_ephemeral, msg->ephemeral, WG_KEY_SIZE);
	memcpy(hs->hs_hash, ch.hash, HASH_SIZE);
	memcpy(hs->hs_ck, ch.ck, HASH_SIZE);
	hs->hs_remote = msg->sender;
	hs->hs_state = HS_INITIATION_RECEIVED;
	goto out;
refuse:
	peer = NULL;
out:
	wg_wipe(&ch, sizeof(ch));
	return (peer);
}

/* ---- Response ---- */

int
wg_noise_create_response(struct wg_peer *peer, struct msg_response *msg)
{
	struct wg_port *port = peer->p_sc->sc_port;
	struct wg_handshake *hs = &peer->p_handshake;
	struct chain ch = { .c = port->po_crypto };
	int error = -EINVAL;

	if (hs->hs_state != HS_INITIATION_RECEIVED)
		return (-EINVAL);
	memcpy(ch.hash, hs->hs_hash, HASH_SIZE);
	memcpy(ch.ck, hs->hs_ck, HASH_SIZE);
	if (ephemeral_make(hs) != 0)
		goto out;
	memcpy(msg->ephemeral, hs->hs_public, WG_KEY_SIZE);
	mix_ephemeral(&ch, hs->hs_public);
	if (mix_dh(&ch, hs->hs_private, hs->hs_public, hs->hs_peer_ephemeral) != 0 ||
	    mix_dh(&ch, hs->hs_private, hs->hs_public, peer->p_public) != 0)
		goto out;
	mix_psk(&ch, peer->p_secret->key);
	part_seal(&ch, msg->nothing, NULL, 0);
	memcpy(hs->hs_hash, ch.hash, HASH_SIZE);
	memcpy(hs->hs_ck, ch.ck, HASH_SIZE);
	wg_index_insert(port, &hs->hs_index, INDEX_HANDSHAKE, peer);
	hs->hs_state = HS_RESPONSE_SENT;
	msg->type = htole32(MSG_RESPONSE);
	msg->sender = hs->hs_index.x_index;
	msg->receiver = hs->hs_remote;
	error = 0;
out:
	wg_wipe(&ch, sizeof(ch));
	return (error);
}

int
wg_noise_consume_response(struct wg_peer *peer, const struct msg_response *msg)
{
	struct wg_port *port = peer->p_sc->sc_port;
	struct wg_handshake *hs = &peer->p_handshake;
	struct chain ch = { .c = port->po_crypto };
	int error = -EINVAL;

	if (hs->hs_state != HS_INITIATION_SENT || !port->po_has_key)
		return (-EINVAL);
	memcpy(ch.hash, hs->hs_hash, HASH_SIZE);
	memcpy(ch.ck, hs->hs_ck, HASH_SIZE);
	mix_ephemeral(&ch, msg->ephemeral);
	if (mix_dh(&ch, hs->hs_private, hs->hs_public, msg->ephemeral) != 0 ||
	    mix_dh(&ch, port->po_secret->key, port->po_public, msg->ephemeral) != 0)
		goto out;
	mix_psk(&ch, peer->p_secret->key);
	if (part_open(&ch, NULL, msg->nothing, 0) != 0)
		goto out;
	memcpy(hs->hs_hash, ch.hash, HASH_SIZE);
	memcpy(hs->hs_ck, ch.ck, HASH_SIZE);
	hs->hs_remote = msg->sender;
	hs->hs_state = HS_RESPONSE_RECEIVED;
	error = 0;
out:
	wg_wipe(&ch, sizeof(ch));
	return (error);
}

/* ---- The session ---- */

static void
handshake_wipe(struct wg_handshake *hs)
{
	wg_wipe(hs->hs_private, sizeof(*hs) - offsetof(struct wg_handshake, hs_private));
	hs->hs_state = HS_NONE;
}

int
wg_noise_begin_session(struct wg_peer *peer)
{
	struct wg_handshake *hs = &peer->p_handshake;
	const bool initiator = hs->hs_state == HS_RESPONSE_RECEIVED;
	uint8_t first[HASH_SIZE], second[HASH_SIZE];
	int error;

	if (!initiator && hs->hs_state != HS_RESPONSE_SENT)
		return (-EINVAL);
	wg_kdf(peer->p_sc->sc_port->po_crypto, hs->hs_ck, NULL, 0, 2, first, second, NULL);
	error = wg_session_begin(peer, initiator ? first : second, initiator ? second : first, initiator);
	wg_wipe(first, sizeof(first));
	wg_wipe(second, sizeof(second));
	if (error != 0)
		wg_index_remove(peer->p_sc->sc_port, &hs->hs_index);
	handshake_wipe(hs);
	return (error);
}

void
wg_noise_clear(struct wg_peer *peer)
{
	wg_index_remove(peer->p_sc->sc_port, &peer->p_handshake.hs_index);
	handshake_wipe(&peer->p_handshake);
}
