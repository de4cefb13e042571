/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzz targets of if_wg begin with: the module's own sources over a world of two devices, without a
 * stack, a worker or a clock but those here.  Included once by a target, before anything else of it.
 *
 * An interface is its softc, a packet is on the heap in its exact size, time is `world_now` and only the target moves it.
 */
#ifndef WG_WORLD_H
#define WG_WORLD_H

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <uvnet/dpcpu.h>

#include "wg.h"

#define WORLD_CALLOUTS 8

struct side {
	struct vnet vnet;
	struct wg_port *port;
	struct wg_softc sc;
	uint8_t public[WG_KEY_SIZE];
};

struct side world[2];
static int64_t world_now;
static unsigned world_pkts;
static struct callout *world_callouts[WORLD_CALLOUTS];

/* ---- What the runtime and inet.ko would say ---- */

_Thread_local struct vnet *curvnet;
_Thread_local uintptr_t curvnet_base;
const uintptr_t vnet_base_none;
static uintptr_t world_off[1];
uintptr_t *dpcpu_off = world_off;
unsigned mp_ncpus = 1;

int
uverr(struct uverr *err, int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return (-error);
}

void *
vnet_calloc(size_t number, size_t size)
{
	return (calloc(number, size));
}

void
vnet_free(void *p)
{
	free(p);
}

void *
if_getsoftc(const struct ifnet *ifp)
{
	return ((void *)(uintptr_t)ifp);
}

struct pkt *
pkt_alloc(unsigned cpu)
{
	struct pkt *p = calloc(1, sizeof(*p) + PKT_BUFSIZE);

	p->p_cpu = (uint16_t)cpu;
	p->p_data = p->p_buf + PKT_HEADROOM;
	world_pkts++;
	return (p);
}

void
pkt_free(unsigned cpu, struct pkt *p)
{
	(void)cpu;
	free(p);
	world_pkts--;
}

/* An inner packet arrived: all of it is there, and its length is what it says. */
void
if_input(struct ifnet *ifp, struct pkt *p)
{
	const struct wg_softc *sc = if_getsoftc(ifp);
	const uint8_t *ip = p->p_data;
	const size_t len = ip[0] >> 4 == 4 ? (size_t)(ip[2] << 8 | ip[3]) : (size_t)(ip[4] << 8 | ip[5]) + 40;

	if (curvnet != sc->sc_vnet || len != p->p_len || len > PKT_BUFSIZE - PKT_HEADROOM)
		abort();
	pkt_free(0, p);
}

int64_t
callout_now(void)
{
	return (world_now);
}

void
callout_init(struct callout *c, int mpsafe)
{
	(void)mpsafe;
	memset(c, 0, sizeof(*c));
	c->c_vnet = curvnet;
}

int
callout_stop(struct callout *c)
{
	for (unsigned i = 0; i < WORLD_CALLOUTS; i++)
		if (world_callouts[i] == c) {
			world_callouts[i] = NULL;
			return (1);
		}
	return (0);
}

int
callout_reset_ns(struct callout *c, int64_t ns, callout_func_t *func, void *arg)
{
	const int was = callout_stop(c);

	c->c_time = world_now + ns;
	c->c_func = func;
	c->c_arg = arg;
	for (unsigned i = 0; i < WORLD_CALLOUTS; i++)
		if (world_callouts[i] == NULL) {
			world_callouts[i] = c;
			return (was);
		}
	abort();	/* a callout a peer, and peers are few */
}

/* ---- The world ---- */

/* Time passes, and what is due happens once. */
__attribute__((unused)) static void
world_pass(int64_t ns)
{
	struct callout *c;

	world_now += ns;
	for (unsigned i = 0; i < WORLD_CALLOUTS; i++) {
		c = world_callouts[i];
		if (c == NULL || c->c_time > world_now)
			continue;
		world_callouts[i] = NULL;
		CURVNET_SET(c->c_vnet);
		c->c_func(c->c_arg);
		CURVNET_RESTORE();
	}
}

/* A device on a port of its own, with a key: one that never was anybody's. */
static void
world_make(unsigned i, const struct wg_port_ops *ops)
{
	struct side *s = &world[i];
	uint8_t private[WG_KEY_SIZE];

	memset(s, 0, sizeof(*s));
	memset(private, 0x40 + (int)i, sizeof(private));
	if (wg_port_create(0, ops, s, &s->port) != 0)
		abort();
	s->sc.sc_ifp = (struct ifnet *)&s->sc;
	s->sc.sc_vnet = &s->vnet;
	s->sc.sc_port = s->port;
	s->sc.sc_mtu = WG_MTU_DEFAULT;
	TAILQ_INIT(&s->sc.sc_peers);
	s->port->po_ndevices++;
	if (wg_public(s->public, private) != 0)
		abort();
	wg_port_setkey(s->port, private, s->public);
}

static void
world_unmake(unsigned i)
{
	struct side *s = &world[i];

	CURVNET_SET(&s->vnet);
	while (!TAILQ_EMPTY(&s->sc.sc_peers))
		wg_peer_destroy(TAILQ_FIRST(&s->sc.sc_peers));
	CURVNET_RESTORE();
	s->port->po_ndevices--;
	wg_port_destroy(s->port);
}

#endif
