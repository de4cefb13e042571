/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: datagrams to a WireGuard port, out of nowhere and between two devices that talk.  Seeds: corpus/wg.
 *
 * The input is a list of steps: what to do, a length, and that many bytes.  Datagrams of any bytes come as they are or
 * with the right MAC1, which strangers can compute as well; genuine ones are delivered, again and out of order, with
 * changes, or not at all; the insides of packets are any bytes, so what is behind the seal is met, too.
 */
#include "wg-world.h"

#define NWIRE 16
#define STEPS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step { STEP_RAW, STEP_MAC, STEP_DELIVER, STEP_CHANGE, STEP_INSIDE, STEP_PASS, STEP_LOSE, NSTEPS };

static struct letter {
	unsigned to;
	size_t len;
	uint8_t data[WG_DATAGRAM_MAX];
} wire[NWIRE], next;
static unsigned wire_len;

static void *
reserve(void *arg, const struct wg_endpoint *to, size_t len)
{
	(void)to;
	if (len == 0 || len > sizeof(next.data))
		abort();
	next.to = arg == &world[0];
	return (wire_len < NWIRE ? next.data : NULL);
}

static void
commit(void *arg, size_t len)
{
	(void)arg;
	next.len = len;
	wire[wire_len++] = next;
}

static int
listen_at(void *arg, uint16_t *port)
{
	(void)arg;
	(void)port;
	return (0);
}

static const struct wg_port_ops ops = { .reserve = reserve, .commit = commit, .listen = listen_at };

/* Memory of its own size, so that a reader beyond it is caught. */
static void
deliver(unsigned to, const uint8_t *data, size_t len, size_t segment)
{
	struct wg_endpoint from = { .remote.sin = { .sin_family = AF_INET, .sin_port = htons(1000),
	    .sin_addr.s_addr = htonl(0xc0000200 + !to) } };
	uint8_t *exact = malloc(len > 0 ? len : 1);

	memcpy(exact, data, len);
	wg_input(world[to].port, exact, len, segment, &from);
	free(exact);
}

static void
deliver_mac(unsigned to, const uint8_t *data, size_t len)
{
	struct wg_port *port = world[to].port;
	uint8_t copy[256];

	if (len < sizeof(struct msg_macs) || len > sizeof(copy))
		return;
	memcpy(copy, data, len);
	wg_mac(port->po_crypto, copy + len - sizeof(struct msg_macs), port->po_mac1_key, HASH_SIZE, copy,
	    len - sizeof(struct msg_macs));
	deliver(to, copy, len, 0);
}

/* The k-th letter that is under way, with some bytes changed: it stays there. */
static void
deliver_wire(unsigned k, const uint8_t *change, size_t len)
{
	struct letter l;

	if (wire_len == 0)
		return;
	l = wire[k % wire_len];
	for (; len >= 2; change += 2, len -= 2)
		l.data[change[0] % l.len] ^= change[1];
	deliver(l.to, l.data, l.len, 0);
}

/* Any bytes as an inner packet; which of them have a peer, the prefixes of introduce() say. */
static void
inside(unsigned side, const uint8_t *data, size_t len)
{
	struct pkt *p = pkt_alloc(0);

	memcpy(p->p_data, data, len);
	p->p_len = (uint32_t)len;
	CURVNET_SET(&world[side].vnet);
	wg_transmit(world[side].sc.sc_ifp, p);
	CURVNET_RESTORE();
}

static void
introduce(unsigned side)
{
	struct wg_allowed_spare spare = { 0 };
	struct wg_peer *peer;
	struct wg_endpoint to = { .remote.sin = { .sin_family = AF_INET, .sin_port = htons(1000),
	    .sin_addr.s_addr = htonl(0xc0000200 + !side) } };
	static const uint8_t any[16];

	CURVNET_SET(&world[side].vnet);
	peer = wg_peer_alloc(&world[side].sc);
	if (peer == NULL || wg_allowed_reserve(&spare, 2) != 0)
		abort();
	wg_peer_insert(peer, &world[side].sc, world[!side].public);
	wg_allowed_insert(&world[side].sc.sc_allowed, AF_INET, any, 0, peer, &spare);
	wg_allowed_insert(&world[side].sc.sc_allowed, AF_INET6, any, 1, peer, &spare);
	wg_allowed_unreserve(&spare);
	wg_peer_setendpoint(peer, &to);
	CURVNET_RESTORE();
}

static void
step(enum step what, unsigned arg, const uint8_t *data, size_t len)
{
	const unsigned side = arg & 1;

	switch (what) {
	case STEP_RAW:
		deliver(side, data, len, arg >> 1);
		break;
	case STEP_MAC:
		deliver_mac(side, data, len);
		break;
	case STEP_DELIVER:
		deliver_wire(arg, NULL, 0);
		break;
	case STEP_CHANGE:
		deliver_wire(arg, data, len);
		break;
	case STEP_INSIDE:
		inside(side, data, len);
		break;
	case STEP_PASS:
		world_pass(arg * WG_SECOND);
		break;
	default:
		wire_len = 0;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len;

	wire_len = 0;
	world_now = 1000 * WG_SECOND;
	for (unsigned i = 0; i < 2; i++)
		world_make(i, &ops);
	for (unsigned i = 0; i < 2; i++)
		introduce(i);
	for (unsigned i = 0; i < STEPS_MAX && size >= 3; i++) {
		len = data[2] < size - 3 ? data[2] : size - 3;
		step(data[0] % NSTEPS, data[1], data + 3, len);
		data += 3 + len;
		size -= 3 + len;
	}
	for (unsigned i = 0; i < 2; i++)
		world_unmake(i);
	if (world_pkts != 0)
		abort();
	return (0);
}
