/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: frames from a TUN or TAP device.  Seeds: corpus/tap.
 *
 * The first byte says whether frames are Ethernet's; then come frames, each behind its length in two bytes.  What they are cut
 * into has to be what the interface may receive; and is then sent: joined into frames and cut again, it must be the
 * same packets in the same order.
 */
#include <stdlib.h>
#include <uvnet/dpcpu.h>

#include "tap.h"

#define PACKETS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- What the runtime and inet.ko would say ---- */

_Thread_local struct vnet *curvnet;
_Thread_local uintptr_t curvnet_base;
const uintptr_t vnet_base_none;
static unsigned npkts;

/* An interface is its list of the packets that it received. */
struct ifnet {
	struct tap_softc sc;
	struct pkt *pkts[PACKETS_MAX];
	unsigned n;
};

struct pkt *
pkt_alloc(unsigned cpu)
{
	struct pkt *p;

	(void)cpu;
	if (npkts >= PACKETS_MAX)
		return (NULL);
	p = calloc(1, sizeof(*p) + PKT_BUFSIZE);
	if (p == NULL)
		abort();
	p->p_data = p->p_buf + PKT_HEADROOM;
	npkts++;
	return (p);
}

void
pkt_free(unsigned cpu, struct pkt *p)
{
	(void)cpu;
	free(p);
	npkts--;
}

void
if_input(struct ifnet *ifp, struct pkt *p)
{
	if (p->p_len == 0 || p->p_len > ifp->sc.sc_l2 + ifp->sc.sc_mtu || ifp->n == PACKETS_MAX)
		abort();
	ifp->pkts[ifp->n++] = p;
}

/* ---- The way back ---- */

static struct vnet vnet;
static struct ifnet in, again;

static int
frame_written(void *arg, const struct iovec *iov, int n)
{
	uint8_t *frame = malloc(TAP_FRAME_MAX);
	size_t len = 0;

	(void)arg;
	for (int i = 0; i < n; i++) {
		if (len + iov[i].iov_len > TAP_FRAME_MAX)
			abort();
		memcpy(frame + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	frame = realloc(frame, len);	/* of its own size, so that a reader beyond it is caught */
	tap_split(&again.sc, frame, len);
	free(frame);
	return (0);
}

static void
soon(void *arg)
{
	(void)arg;
}

static const struct tap_ops ops = { .write = frame_written, .soon = soon };

static void
interface_init(struct ifnet *ifp, int ether)
{
	memset(ifp, 0, sizeof(*ifp));
	ifp->sc.sc_ifp = ifp;
	ifp->sc.sc_vnet = &vnet;
	ifp->sc.sc_ops = &ops;
	ifp->sc.sc_uso = true;
	ifp->sc.sc_l2 = ether ? ETHER_SIZE : 0;
	ifp->sc.sc_mtu = ether ? 1500 : 1420;
}

/* Equal, but for what cutting numbers anew: IPv4's identification, and its checksum with it. */
static void
packet_compare(const uint8_t *a, size_t alen, const struct pkt *b, unsigned l2)
{
	struct tap_seg t;
	uint8_t copy[PKT_BUFSIZE];

	if (alen != b->p_len)
		abort();
	memcpy(copy, a, alen);
	if (tap_seg_find(b->p_data, b->p_len, l2, false, &t)) {
		if (!t.six) {
			memcpy(copy + l2 + 4, b->p_data + l2 + 4, 2);
			memcpy(copy + l2 + 10, b->p_data + l2 + 10, 2);
		}
		if (memcmp(copy + t.l4 + t.sum, "\0\0", 2) == 0 && memcmp(b->p_data + t.l4 + t.sum, "\xff\xff", 2) == 0)
			memset(copy + t.l4 + t.sum, 0xff, 2);	/* two ways to write it */
	}
	if (memcmp(copy, b->p_data, alen) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t copies[PACKETS_MAX][PKT_BUFSIZE];
	static size_t lens[PACKETS_MAX];
	uint8_t *frame;
	size_t len;

	if (size == 0)
		return (0);
	interface_init(&in, data[0] & 1);
	interface_init(&again, data[0] & 1);
	for (data++, size--; size >= 2 && in.n < PACKETS_MAX / 2; data += len, size -= len) {
		len = (size_t)(data[0] << 8 | data[1]);
		data += 2;
		size -= 2;
		len = len < size ? len : size;
		frame = malloc(len > 0 ? len : 1);
		memcpy(frame, data, len);
		tap_split(&in.sc, frame, len);
		free(frame);
	}
	for (unsigned i = 0; i < in.n; i++) {
		lens[i] = in.pkts[i]->p_len;
		memcpy(copies[i], in.pkts[i]->p_data, lens[i]);
	}
	for (unsigned i = 0; i < in.n; i++)
		tap_merge(&in.sc, in.pkts[i]);
	tap_merge_flush(&in.sc);
	if (again.n + again.sc.sc_stats.rx_nobufs != in.n)
		abort();
	for (unsigned i = 0; i < again.n; i++) {
		if (again.sc.sc_stats.rx_nobufs == 0)
			packet_compare(copies[i], lens[i], again.pkts[i], in.sc.sc_l2);
		pkt_free(0, again.pkts[i]);
	}
	if (npkts != 0)
		abort();
	return (0);
}
