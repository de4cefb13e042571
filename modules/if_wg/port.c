/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports: whose key, whose index, which peer.
 *
 * All that a datagram says of whom it concerns is an index that we gave out, or, in an initiation, a static key
 * that only the holder of our private key can read.  Both lead to a peer here, across all devices of the port; the
 * peer knows its device, and that its stack.  Indices are random 32 bits: whoever has not seen one has to guess, and
 * learns nothing from a wrong guess.
 *
 * Two hash tables with chains, which double when they are as full as they are long and never shrink.  When there is no
 * memory to double, chains get longer: nothing fails.  A port is no stack's, so its memory is malloc(3)'s.
 */
#include <stdlib.h>

#include "wg.h"

#define TABLE_MIN 8

int
wg_port_create(unsigned cpu, const struct wg_port_ops *ops, void *arg, struct wg_port **port)
{
	struct wg_port *po = calloc(1, sizeof(*po));
	int error = -ENOMEM;

	if (po == NULL)
		return (-ENOMEM);
	po->po_ops = ops;
	po->po_arg = arg;
	po->po_cpu = cpu;
	po->po_crypto = wg_crypto_get(cpu);
	if (po->po_crypto == NULL) {
		error = -ENOTSUP;
		goto fail;
	}
	po->po_secret = wg_secret_alloc(cpu);
	po->po_indices = calloc(TABLE_MIN, sizeof(*po->po_indices));
	po->po_peers = calloc(TABLE_MIN, sizeof(*po->po_peers));
	if (po->po_secret == NULL || po->po_indices == NULL || po->po_peers == NULL)
		goto fail_tables;
	po->po_indices_size = po->po_peers_size = TABLE_MIN;
	wg_random(&po->po_seed, sizeof(po->po_seed));
	*port = po;
	return (0);

fail_tables:
	free(po->po_peers);
	free(po->po_indices);
	if (po->po_secret != NULL)
		wg_secret_free(cpu, po->po_secret);
fail:
	free(po);
	return (error);
}

void
wg_port_destroy(struct wg_port *po)
{
	assert(po->po_ndevices == 0);
	free(po->po_buckets);
	free(po->po_peers);
	free(po->po_indices);
	wg_secret_free(po->po_cpu, po->po_secret);
	wg_wipe(po, sizeof(*po));
	free(po);
}

void
wg_port_setlisten(struct wg_port *po, uint16_t listen)
{
	po->po_listen = listen;
}

void
wg_port_setkey(struct wg_port *po, const uint8_t private[WG_KEY_SIZE], const uint8_t public[WG_KEY_SIZE])
{
	static const uint8_t zero[WG_KEY_SIZE];
	struct wg_peer *peer;
	unsigned i;

	if (wg_equal(private, po->po_secret->key, WG_KEY_SIZE))	/* zero while there is none */
		return;
	po->po_has_key = !wg_equal(private, zero, WG_KEY_SIZE);
	memcpy(po->po_secret->key, private, WG_KEY_SIZE);
	memcpy(po->po_public, public, WG_KEY_SIZE);
	wg_noise_port(po->po_crypto, public, po->po_mac1_key, po->po_cookie_key);
	po->po_cookie_time = 0;
	for (i = 0; i < po->po_peers_size; i++)
		LIST_FOREACH(peer, &po->po_peers[i], p_hash)
			wg_peer_rekey(peer);
}

/* ---- Indices ---- */

static void
indices_grow(struct wg_port *po)
{
	const unsigned size = 2 * po->po_indices_size;
	struct wg_index_list *table = calloc(size, sizeof(*table));
	struct wg_index *x;

	if (table == NULL)
		return;
	for (unsigned i = 0; i < po->po_indices_size; i++)
		while ((x = LIST_FIRST(&po->po_indices[i])) != NULL) {
			LIST_REMOVE(x, x_le);
			LIST_INSERT_HEAD(&table[x->x_index & (size - 1)], x, x_le);
		}
	free(po->po_indices);
	po->po_indices = table;
	po->po_indices_size = size;
}

struct wg_index *
wg_index_find(struct wg_port *po, uint32_t index)
{
	struct wg_index *x;

	LIST_FOREACH(x, &po->po_indices[index & (po->po_indices_size - 1)], x_le)
		if (x->x_index == index)
			break;
	return (x);
}

void
wg_index_insert(struct wg_port *po, struct wg_index *x, enum wg_index_kind kind, struct wg_peer *peer)
{
	wg_index_remove(po, x);
	do {
		wg_random(&x->x_index, sizeof(x->x_index));
	} while (wg_index_find(po, x->x_index) != NULL);
	x->x_kind = kind;
	x->x_peer = peer;
	if (po->po_nindices >= po->po_indices_size)
		indices_grow(po);
	LIST_INSERT_HEAD(&po->po_indices[x->x_index & (po->po_indices_size - 1)], x, x_le);
	po->po_nindices++;
}

void
wg_index_remove(struct wg_port *po, struct wg_index *x)
{
	if (x->x_kind == INDEX_NONE)
		return;
	LIST_REMOVE(x, x_le);
	x->x_kind = INDEX_NONE;
	po->po_nindices--;
}

void
wg_index_move(struct wg_port *po, struct wg_index *from, struct wg_index *to)
{
	LIST_REMOVE(from, x_le);
	*to = *from;
	to->x_kind = INDEX_SESSION;
	from->x_kind = INDEX_NONE;
	LIST_INSERT_HEAD(&po->po_indices[to->x_index & (po->po_indices_size - 1)], to, x_le);
}

/* ---- Peers by key ---- */

/* Keys are the configuration's, not a stranger's; the seed keeps even those from choosing their chain. */
static unsigned
key_slot(const struct wg_port *po, const uint8_t public[WG_KEY_SIZE], unsigned size)
{
	uint64_t h[4], x = po->po_seed;

	memcpy(h, public, WG_KEY_SIZE);
	for (int i = 0; i < 4; i++) {
		x = (x ^ h[i]) * UINT64_C(0x9e3779b97f4a7c15);
		x ^= x >> 32;
	}
	return ((unsigned)x & (size - 1));
}

static void
peers_grow(struct wg_port *po)
{
	const unsigned size = 2 * po->po_peers_size;
	struct wg_peer_list *table = calloc(size, sizeof(*table));
	struct wg_peer *p;

	if (table == NULL)
		return;
	for (unsigned i = 0; i < po->po_peers_size; i++)
		while ((p = LIST_FIRST(&po->po_peers[i])) != NULL) {
			LIST_REMOVE(p, p_hash);
			LIST_INSERT_HEAD(&table[key_slot(po, p->p_public, size)], p, p_hash);
		}
	free(po->po_peers);
	po->po_peers = table;
	po->po_peers_size = size;
}

struct wg_peer *
wg_port_peer_find(struct wg_port *po, const uint8_t public[WG_KEY_SIZE])
{
	struct wg_peer *p;

	LIST_FOREACH(p, &po->po_peers[key_slot(po, public, po->po_peers_size)], p_hash)
		if (wg_equal(p->p_public, public, WG_KEY_SIZE))
			break;
	return (p);
}

void
wg_port_peer_insert(struct wg_port *po, struct wg_peer *peer)
{
	assert(wg_port_peer_find(po, peer->p_public) == NULL);
	if (po->po_npeers >= po->po_peers_size)
		peers_grow(po);
	LIST_INSERT_HEAD(&po->po_peers[key_slot(po, peer->p_public, po->po_peers_size)], peer, p_hash);
	po->po_npeers++;
}

void
wg_port_peer_remove(struct wg_port *po, struct wg_peer *peer)
{
	LIST_REMOVE(peer, p_hash);
	po->po_npeers--;
}
