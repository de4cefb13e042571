/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of if_wg.ko know of each other: the limits, the messages, the structures.
 *
 *	if_wg.c		the interface, the module		port.c		who listens: indices, keys, devices
 *	peer.c		peers, their queues			allowedips.c	which peer an inner address is
 *	noise.c		the handshake				session.c	its keys, three at a time
 *	cookie.c	MAC1, MAC2, floods			replay.c	which counters were seen
 *	send.c		out					receive.c	in
 *	timers.c	when to do what				uapi.c		configuration: saying
 *	crypto.c	libcrypto				set.c		and doing
 *	secret.c	the memory of long-term keys
 *
 * Section numbers are the paper's.
 */
#ifndef WG_H
#define WG_H

#include <assert.h>
#include <errno.h>
#include <openssl/types.h>
#include <stdbool.h>
#include <string.h>
#include <sys/queue.h>
#include <uvnet/callout.h>
#include <uvnet/if_wg.h>
#include <uvnet/netisr.h>
#include <uvnet/vnet.h>

/* ---- Limits ---- */

/* A second; a test build makes it shorter, for the whole protocol alike (modules/meson.build). */
#ifndef WG_SECOND
#define WG_SECOND INT64_C(1000000000)
#endif
#define WG_MS (WG_SECOND / 1000)

#define REKEY_TIMEOUT (5 * WG_SECOND)		/* 6.1 */
#define REKEY_TIMEOUT_JITTER (333 * WG_MS)
#define REKEY_ATTEMPT_TIME (90 * WG_SECOND)
#define REKEY_AFTER_TIME (120 * WG_SECOND)
#define REJECT_AFTER_TIME (180 * WG_SECOND)
#define KEEPALIVE_TIMEOUT (10 * WG_SECOND)
#define MAX_ATTEMPTS (REKEY_ATTEMPT_TIME / REKEY_TIMEOUT)
#define INITIATIONS_PER_SECOND 50		/* of one peer that are looked at */

#define WG_WINDOW 8192				/* counters behind the newest that are still taken */
#ifndef REKEY_AFTER_MESSAGES
#define REKEY_AFTER_MESSAGES (UINT64_C(1) << 60)
#define REJECT_AFTER_MESSAGES (UINT64_MAX - WG_WINDOW - 1)
#endif

#define COOKIE_SECRET_TIME (120 * WG_SECOND)	/* 5.4.7 */
#define COOKIE_LATENCY (5 * WG_SECOND)		/* a cookie is used a little shorter than it is good */

#define STAGED_PEER 64		/* packets of one peer that wait for a handshake */
#define STAGED_WORKER 2048	/* of all peers of a worker, so that the pool is never theirs alone */

/* Handshakes of strangers may take this part of a worker's time for long, and a burst (cookie.c). */
#define FLOOD_SHARE 16
#define FLOOD_BURST (250 * INT64_C(1000000))	/* ns of work */
#define RATE_PER_SECOND 20	/* proven handshakes of one address under load, and a burst */
#define RATE_BURST 5

/* ---- Messages (5.4); all numbers are little-endian ---- */

enum { MSG_INITIATION = 1, MSG_RESPONSE = 2, MSG_COOKIE = 3, MSG_DATA = 4 };

#define HASH_SIZE 32
#define TAG_SIZE 16
#define MAC_SIZE 16
#define TIMESTAMP_SIZE 12	/* TAI64N */
#define NONCE_SIZE 24		/* of a cookie reply */

struct msg_macs {
	uint8_t mac1[MAC_SIZE], mac2[MAC_SIZE];
} __attribute__((packed));

struct msg_initiation {
	uint32_t type, sender;
	uint8_t ephemeral[WG_KEY_SIZE];
	uint8_t public[WG_KEY_SIZE + TAG_SIZE];
	uint8_t timestamp[TIMESTAMP_SIZE + TAG_SIZE];
	struct msg_macs macs;
} __attribute__((packed));

struct msg_response {
	uint32_t type, sender, receiver;
	uint8_t ephemeral[WG_KEY_SIZE];
	uint8_t nothing[TAG_SIZE];
	struct msg_macs macs;
} __attribute__((packed));

struct msg_cookie {
	uint32_t type, receiver;
	uint8_t nonce[NONCE_SIZE];
	uint8_t cookie[MAC_SIZE + TAG_SIZE];
} __attribute__((packed));

struct msg_data {
	uint32_t type, receiver;
	uint64_t counter;
	uint8_t sealed[];
} __attribute__((packed));

static_assert(sizeof(struct msg_initiation) == 148, "the paper's size");
static_assert(sizeof(struct msg_response) == 92, "the paper's size");
static_assert(sizeof(struct msg_cookie) == 64, "the paper's size");
static_assert(sizeof(struct msg_data) == 16, "the paper's size");

#define DATA_OVERHEAD (sizeof(struct msg_data) + TAG_SIZE)

/* ---- crypto.c: a worker's contexts; nothing here is allocated a packet ---- */

struct wg_crypto;

/* The worker's, made at the first call.  NULL: no memory, or libcrypto lacks something. */
struct wg_crypto *wg_crypto_get(unsigned cpu);
void wg_crypto_fini(void);

/*
 * ChaCha20-Poly1305 (RFC 8439) with the counter as nonce.  `len` bytes of plain text; sealed is 16 longer.  `out` may
 * be `in`.  open: 0, or -EBADMSG and nothing of `out` may be used.  `id` names the key, so that a packet with the
 * key of the last one need not set it again; 0: a key used once.
 */
void wg_seal(struct wg_crypto *c, uint64_t id, const uint8_t key[32], uint64_t counter, const void *ad, size_t adlen,
    void *out, const void *in, size_t len);
int wg_open(struct wg_crypto *c, uint64_t id, const uint8_t key[32], uint64_t counter, const void *ad, size_t adlen,
    void *out, const void *in, size_t len);
/* The same with a 24-byte nonce (XChaCha20-Poly1305, draft-irtf-cfrg-xchacha). */
void wg_xseal(struct wg_crypto *c, const uint8_t key[32], const uint8_t nonce[NONCE_SIZE], const void *ad, size_t adlen,
    void *out, const void *in, size_t len);
int wg_xopen(struct wg_crypto *c, const uint8_t key[32], const uint8_t nonce[NONCE_SIZE], const void *ad, size_t adlen,
    void *out, const void *in, size_t len);
/* A name for a key, used never before. */
uint64_t wg_crypto_id(struct wg_crypto *c);
/* Forget the key of the last packet: it was wiped. */
void wg_crypto_forget(struct wg_crypto *c);

/* BLAKE2s (RFC 7693) of two pieces; keyed, 16 bytes; HKDF of n outputs of 32 bytes from HMAC of it. */
void wg_hash(struct wg_crypto *c, uint8_t out[HASH_SIZE], const void *a, size_t alen, const void *b, size_t blen);
void wg_mac(struct wg_crypto *c, uint8_t out[MAC_SIZE], const uint8_t *key, size_t keylen, const void *in, size_t len);
void wg_kdf(struct wg_crypto *c, const uint8_t ck[HASH_SIZE], const void *in, size_t len, int n,
    uint8_t out1[HASH_SIZE], uint8_t out2[HASH_SIZE], uint8_t out3[HASH_SIZE]);

/* X25519 (RFC 7748).  Public keys: 0 or -EINVAL.  dh: -EINVAL when the result is zero. */
int wg_public(uint8_t public[WG_KEY_SIZE], const uint8_t private[WG_KEY_SIZE]);
int wg_dh(struct wg_crypto *c, uint8_t out[WG_KEY_SIZE], const uint8_t private[WG_KEY_SIZE],
    const uint8_t public[WG_KEY_SIZE], const uint8_t peer[WG_KEY_SIZE]);

bool wg_equal(const void *a, const void *b, size_t len);	/* in constant time */
void wg_wipe(void *p, size_t len);
void wg_random(void *p, size_t len);

/* ---- secret.c: long-term keys ---- */

struct wg_secret {
	uint8_t key[WG_KEY_SIZE];	/* the port's private key; a peer's pre-shared key */
	uint8_t shared[WG_KEY_SIZE];	/* a peer's: X25519 of both static keys */
};
struct wg_secret *wg_secret_alloc(unsigned cpu);	/* zero-filled, or NULL */
void wg_secret_free(unsigned cpu, struct wg_secret *s);	/* wipes */
void wg_secret_fini(void);

/* ---- replay.c ---- */

struct wg_replay {
	uint64_t next;			/* the newest counter seen + 1 */
	uint64_t bits[WG_WINDOW / 64 + 1];
};
/* Whether the counter is new; it is not from then on. */
bool wg_replay_take(struct wg_replay *r, uint64_t counter);

/* ---- allowedips.c ---- */

struct wg_peer;
struct allowed_node;
struct wg_allowedips {
	struct allowed_node *root4, *root6;
};
/* In the order of their making, so that a configuration that is read back is the same. */
struct wg_allowed_list {
	struct allowed_node *first, **tail;	/* tail: where the next one goes, unless `first` is NULL */
};
/* Memory for so many insertions, taken beforehand; -ENOMEM, and then some of it is there.  Zero-filled it is none. */
struct wg_allowed_spare {
	struct allowed_node *first;
};
int wg_allowed_reserve(struct wg_allowed_spare *spare, unsigned insertions);
void wg_allowed_unreserve(struct wg_allowed_spare *spare);
/* A prefix is a peer's, and of nobody else from then on.  cidr within the family.  From memory for an insertion. */
void wg_allowed_insert(struct wg_allowedips *t, int af, const void *addr, unsigned cidr, struct wg_peer *peer,
    struct wg_allowed_spare *spare);
/* Take a prefix from the peer, if it is his. */
void wg_allowed_remove(struct wg_allowedips *t, int af, const void *addr, unsigned cidr, struct wg_peer *peer);
void wg_allowed_remove_peer(struct wg_allowedips *t, struct wg_peer *peer);
/* The longest prefix's peer, or NULL. */
struct wg_peer *wg_allowed_lookup(const struct wg_allowedips *t, int af, const void *addr);
/* Of an inner packet: who may send it (source), whom it goes to (destination).  NULL: nobody, or no IP. */
struct wg_peer *wg_allowed_src(const struct wg_allowedips *t, const uint8_t *ip, size_t len);
struct wg_peer *wg_allowed_dst(const struct wg_allowedips *t, const uint8_t *ip, size_t len);
/* A peer's prefixes: NULL begins and ends. */
const struct allowed_node *wg_allowed_next(const struct wg_peer *peer, const struct allowed_node *n);
void wg_allowed_get(const struct allowed_node *n, int *af, uint8_t addr[16], unsigned *cidr);

/* ---- port.c ---- */

/* Something that a random index stands for: a handshake under way, or a session. */
enum wg_index_kind { INDEX_NONE, INDEX_HANDSHAKE, INDEX_SESSION };
struct wg_index {
	LIST_ENTRY(wg_index) x_le;
	uint32_t x_index;
	uint32_t x_kind;
	struct wg_peer *x_peer;
};
LIST_HEAD(wg_index_list, wg_index);
LIST_HEAD(wg_peer_list, wg_peer);

struct wg_bucket {
	uint8_t addr[8];		/* an IPv4 address, or the first half of an IPv6 one */
	int64_t time;			/* up to when its handshakes are used up */
};

struct wg_port {
	const struct wg_port_ops *po_ops;
	void *po_arg;
	struct wg_crypto *po_crypto;
	unsigned po_cpu;
	unsigned po_ndevices;
	uint16_t po_listen;
	uint32_t po_mark;

	/* Who it is */
	bool po_has_key;
	struct wg_secret *po_secret;
	uint8_t po_public[WG_KEY_SIZE];
	uint8_t po_mac1_key[HASH_SIZE], po_cookie_key[HASH_SIZE];

	/* Cookies (cookie.c) */
	uint8_t po_cookie_secret[2][HASH_SIZE];	/* now, and before */
	int64_t po_cookie_time;			/* of the present one; 0: none */
	int64_t po_flood_time;			/* handshakes' work is paid for up to here */
	struct wg_bucket *po_buckets;		/* under load only */
	struct wg_stats po_stats;		/* of what was nobody's */

	/* Who is there: tables of chains, a power of two, that grow */
	struct wg_index_list *po_indices;
	struct wg_peer_list *po_peers;
	unsigned po_nindices, po_indices_size, po_npeers, po_peers_size;
	uint64_t po_seed;
};

int wg_port_create(unsigned cpu, const struct wg_port_ops *ops, void *arg, struct wg_port **port);
void wg_port_destroy(struct wg_port *port);
void wg_port_setlisten(struct wg_port *port, uint16_t listen);
/* With its public half (wg_public()); both zero: none. */
void wg_port_setkey(struct wg_port *port, const uint8_t private[WG_KEY_SIZE], const uint8_t public[WG_KEY_SIZE]);

/* An index is there until it is removed; a fresh random one replaces the one it had. */
void wg_index_insert(struct wg_port *port, struct wg_index *x, enum wg_index_kind kind, struct wg_peer *peer);
void wg_index_remove(struct wg_port *port, struct wg_index *x);
struct wg_index *wg_index_find(struct wg_port *port, uint32_t index);
/* The handshake's index stands for its session from now on. */
void wg_index_move(struct wg_port *port, struct wg_index *from, struct wg_index *to);

void wg_port_peer_insert(struct wg_port *port, struct wg_peer *peer);	/* its key is no other peer's of the port */
void wg_port_peer_remove(struct wg_port *port, struct wg_peer *peer);
struct wg_peer *wg_port_peer_find(struct wg_port *port, const uint8_t public[WG_KEY_SIZE]);

/* ---- session.c: the keys of one handshake ---- */

struct wg_session {
	struct wg_index s_index;	/* ours: what the peer writes */
	uint32_t s_remote;		/* his */
	bool s_initiator;
	int64_t s_birth;
	uint64_t s_counter;		/* of the next packet that we send */
	uint64_t s_send_id, s_recv_id;	/* names of the keys (crypto.c) */
	uint8_t s_send_key[32], s_recv_key[32];
	struct wg_replay s_replay;
};

enum wg_handshake_state {
	HS_NONE, HS_INITIATION_SENT, HS_INITIATION_RECEIVED, HS_RESPONSE_SENT, HS_RESPONSE_RECEIVED
};

struct wg_handshake {
	enum wg_handshake_state hs_state;
	struct wg_index hs_index;
	uint32_t hs_remote;		/* the peer's index */
	uint8_t hs_private[WG_KEY_SIZE], hs_public[WG_KEY_SIZE];	/* ephemeral */
	uint8_t hs_peer_ephemeral[WG_KEY_SIZE];
	uint8_t hs_hash[HASH_SIZE], hs_ck[HASH_SIZE];
};

/* ---- peer.c ---- */

enum wg_timer {
	TIMER_RETRANSMIT, TIMER_KEEPALIVE, TIMER_NEW_HANDSHAKE, TIMER_ZERO, TIMER_PERSISTENT, WG_NTIMERS
};

struct wg_peer {
	TAILQ_ENTRY(wg_peer) p_le;	/* of the device, in the order of their making */
	LIST_ENTRY(wg_peer) p_hash;	/* of the port, by key */
	struct wg_softc *p_sc;
	uint8_t p_public[WG_KEY_SIZE];
	struct wg_secret *p_secret;
	bool p_shared_ok;		/* p_secret->shared is that of the present keys */

	struct wg_endpoint p_endpoint;	/* family AF_UNSPEC: not known */
	struct wg_allowed_list p_allowed;

	struct wg_handshake p_handshake;
	uint8_t p_timestamp[TIMESTAMP_SIZE];	/* the greatest that an initiation of his had */
	int64_t p_initiation_time;	/* when we took his last one */
	struct wg_session *p_current, *p_previous, *p_next;

	/* Cookies (cookie.c) */
	uint8_t p_mac1_key[HASH_SIZE], p_cookie_key[HASH_SIZE];
	uint8_t p_last_mac1[MAC_SIZE];
	bool p_has_mac1;
	uint8_t p_cookie[MAC_SIZE];
	int64_t p_cookie_time;		/* 0: none */

	/* Timers (timers.c) */
	struct callout p_callout;
	int64_t p_callout_time;		/* when it fires; INT64_MAX: not */
	int64_t p_deadline[WG_NTIMERS];	/* INT64_MAX: not set */
	int64_t p_jitter;
	unsigned p_attempts;
	bool p_need_keepalive, p_last_minute;
	uint16_t p_persistent;		/* seconds; 0: off */
	int64_t p_initiation_sent;	/* when we last sent one */

	struct pkt *p_staged, **p_staged_tail;	/* waiting for a session */
	unsigned p_nstaged;

	uint64_t p_rx_bytes, p_tx_bytes;
	int64_t p_handshake_sec, p_handshake_nsec;	/* of the last one, CLOCK_REALTIME */
};

/* The interface.  In its stack's heap, as its peers are. */
struct wg_softc {
	LIST_ENTRY(wg_softc) sc_le;
	struct ifnet *sc_ifp;
	struct vnet *sc_vnet;
	struct wg_port *sc_port;
	unsigned sc_mtu;
	unsigned sc_npeers;
	TAILQ_HEAD(wg_peer_queue, wg_peer) sc_peers;
	struct wg_allowedips sc_allowed;
	struct wg_stats sc_stats;
};

/* Memory for a peer of the device, or NULL; given back unused; made the peer of a key that has none on the port. */
struct wg_peer *wg_peer_alloc(struct wg_softc *sc);
void wg_peer_free(struct wg_peer *peer, struct wg_softc *sc);
void wg_peer_insert(struct wg_peer *peer, struct wg_softc *sc, const uint8_t public[WG_KEY_SIZE]);
void wg_peer_destroy(struct wg_peer *peer);
struct wg_peer *wg_peer_find(struct wg_softc *sc, const uint8_t public[WG_KEY_SIZE]);
/* The port's key, or the peer's pre-shared one, is another: what was agreed with the old one ends. */
void wg_peer_rekey(struct wg_peer *peer);
/* Compute p_secret->shared if it is not there; 0 or -EINVAL (no private key; a key of small order). */
int wg_peer_shared(struct wg_peer *peer);
void wg_peer_setendpoint(struct wg_peer *peer, const struct wg_endpoint *from);
void wg_peer_stage(struct wg_peer *peer, struct pkt *p);
struct pkt *wg_peer_next_staged(struct wg_peer *peer);	/* NULL: none */
void wg_peer_unstage(struct wg_peer *peer);	/* drop them */

/* ---- session.c ---- */

/* Make the session that the handshake agreed on; -ENOMEM leaves everything as it was. */
int wg_session_begin(struct wg_peer *peer, const uint8_t send[32], const uint8_t recv[32], bool initiator);
void wg_session_end_all(struct wg_peer *peer);
/* The peer used this session: if it was the one not confirmed yet, it is the current one now (true). */
bool wg_session_confirm(struct wg_peer *peer, struct wg_session *s);
#define SESSION_OF(x) ((struct wg_session *)((char *)(x) - offsetof(struct wg_session, s_index)))

/* ---- noise.c ---- */

void wg_noise_port(struct wg_crypto *c, const uint8_t public[WG_KEY_SIZE], uint8_t mac1_key[HASH_SIZE],
    uint8_t cookie_key[HASH_SIZE]);
/* Everything but the MACs.  create: 0 or -errno; consume: the peer (its stack is to be entered), or NULL. */
int wg_noise_create_initiation(struct wg_peer *peer, struct msg_initiation *msg);
struct wg_peer *wg_noise_consume_initiation(struct wg_port *port, const struct msg_initiation *msg);
int wg_noise_create_response(struct wg_peer *peer, struct msg_response *msg);
int wg_noise_consume_response(struct wg_peer *peer, const struct msg_response *msg);
/* Make the session of a handshake whose response was sent or received. */
int wg_noise_begin_session(struct wg_peer *peer);
void wg_noise_clear(struct wg_peer *peer);

/* ---- cookie.c ---- */

enum wg_mac { MAC_BAD, MAC_PLAIN, MAC_COOKIE };
void wg_cookie_add_macs(struct wg_peer *peer, void *msg, size_t len);
enum wg_mac wg_cookie_check(struct wg_port *port, void *msg, size_t len, const struct wg_endpoint *from, int64_t now,
    bool load);
void wg_cookie_reply(struct wg_port *port, const struct msg_macs *macs, uint32_t sender,
    const struct wg_endpoint *from, int64_t now);
void wg_cookie_consume(struct wg_peer *peer, const struct msg_cookie *msg, int64_t now);
/* Whether strangers' handshakes took more than their share; charge ns of work to it; whether the address may one more. */
bool wg_flood_load(const struct wg_port *port, int64_t now);
bool wg_flood_drowned(const struct wg_port *port, int64_t now);
void wg_flood_charge(struct wg_port *port, int64_t now, int64_t ns);
bool wg_flood_allow(struct wg_port *port, const struct wg_endpoint *from, int64_t now);

/* ---- timers.c ---- */

void wg_timers_init(struct wg_peer *peer);
void wg_timers_stop(struct wg_peer *peer);
void wg_timers_data_sent(struct wg_peer *peer, int64_t now);
void wg_timers_data_received(struct wg_peer *peer, int64_t now);
void wg_timers_authenticated_sent(struct wg_peer *peer);
void wg_timers_authenticated_received(struct wg_peer *peer);
void wg_timers_traversal(struct wg_peer *peer, int64_t now);
void wg_timers_initiated(struct wg_peer *peer, int64_t now);
void wg_timers_complete(struct wg_peer *peer);
void wg_timers_session(struct wg_peer *peer, int64_t now);
void wg_timers_setpersistent(struct wg_peer *peer, uint16_t seconds);

/* ---- send.c, receive.c ---- */

int wg_transmit(struct ifnet *ifp, struct pkt *p);
void wg_send_staged(struct wg_peer *peer, int64_t now);
void wg_send_keepalive(struct wg_peer *peer, int64_t now);
void wg_send_initiation(struct wg_peer *peer, int64_t now, bool retry);
void wg_send_response(struct wg_peer *peer, int64_t now);
void wg_input(struct wg_port *port, void *data, size_t len, size_t segment, const struct wg_endpoint *from);

/* ---- set.c, uapi.c ---- */

/* The lines behind "set=1\n".  All is done, or nothing and `why` says which line and what of it. */
int wg_set(struct wg_softc *sc, const char *text, size_t len, struct uverr *why);

int wg_uapi(struct ifnet *ifp, const char *request, size_t len, char **reply, struct uverr *why);

#endif
