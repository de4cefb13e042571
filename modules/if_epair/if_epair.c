/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * if_epair: a cable between two stacks.
 *
 * Theory of operation.  An end is an Ethernet interface whose transmit function names the other end as where the
 * packet comes in and queues it for the other's stack: netisr finds the worker.  No copy is made, and the packet
 * belongs to nobody while it is under way.
 *
 * Each end keeps a plain pointer to the other, although that lies in another stack's heap.  It is safe since ends
 * are made and destroyed with all workers stopped, and both pointers are set and cleared together: while a worker
 * runs, a pointer that is not NULL is good, and the carrier is up exactly then (or was cut by somebody on purpose).
 * Packets that are under way to an end that is destroyed are dropped by ether_ifdetach().
 *
 * Compiled by any C compiler: the only state is in the softcs, and how many there are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uvnet/if_epair.h>
#include <uvnet/module.h>
#include <uvnet/net.h>
#include <uvnet/netisr.h>
#include <uvnet/sysctl.h>
#include <uvnet/sysinit.h>
#include <uvnet/vnet.h>

struct epair_softc {
	struct ifnet *sc_ifp;		/* ourselves */
	struct vnet *sc_vnet;		/* the stack that we are in */
	struct epair_softc *sc_peer;	/* the other end, or NULL */
};

VNET_DEFINE_STATIC(unsigned, epair_count);
#define V_epair_count VNET(epair_count)
SYSCTL_NODE(_net_link, OID_AUTO, epair, CTLFLAG_RW, NULL, "Pair of Ethernet interfaces");
SYSCTL_UINT(_net_link_epair, OID_AUTO, count, CTLFLAG_VNET | CTLFLAG_RD | CTLFLAG_STATS, &VNET_NAME(epair_count), 0,
    "Interfaces of this kind that the stack has");

/* In the receiving stack. */
static void
epair_input(struct pkt *p)
{
	if_input(p->p_rcvif, p);
}

static int
epair_transmit(struct ifnet *ifp, struct pkt *p)
{
	const struct epair_softc *sc = if_getsoftc(ifp), *peer = sc->sc_peer;

	if (peer == NULL) {
		pkt_free(curvnet->vnet_cpu, p);
		return (-ENETDOWN);
	}
	p->p_vnet = peer->sc_vnet;
	p->p_rcvif = peer->sc_ifp;
	p->p_input = epair_input;
	return (netisr_queue(curvnet->vnet_cpu, p));
}

static void
epair_setlink(struct epair_softc *sc, int link_state)
{
	CURVNET_SET(sc->sc_vnet);
	if_link_state_change(sc->sc_ifp, link_state);
	CURVNET_RESTORE();
}

static int
epair_mac(uint8_t mac[6], const uint8_t wanted[6])
{
	static const uint8_t none[6];

	if (memcmp(wanted, none, sizeof(none)) != 0) {
		if ((wanted[0] & 0x01) != 0)
			return (-EINVAL);	/* a group address */
		memcpy(mac, wanted, sizeof(none));
		return (0);
	}
	if (getrandom(mac, 6, 0) != 6)
		return (-EIO);
	mac[0] = (uint8_t)((mac[0] & 0xfe) | 0x02);	/* one station's, locally administered */
	return (0);
}

static int
epair_create(const struct if_clone *ifc, const char *name, const void *params, struct ifnet **ifpp)
{
	static const struct epair_params defaults;
	const struct epair_params *ep = params != NULL ? params : &defaults;
	struct epair_softc *sc, *peer;
	uint8_t mac[6];
	int error;

	(void)ifc;
	peer = ep->peer != NULL ? if_getsoftc(ep->peer) : NULL;
	if (peer != NULL && peer->sc_peer != NULL)
		return (-EBUSY);
	error = epair_mac(mac, ep->mac);
	if (error != 0)
		return (error);
	sc = vnet_calloc(1, sizeof(*sc));
	if (sc == NULL)
		return (-ENOMEM);
	error = if_alloc(name, &sc->sc_ifp);
	if (error != 0)
		goto fail_softc;
	sc->sc_vnet = curvnet;
	if_setsoftc(sc->sc_ifp, sc);
	if_settransmitfn(sc->sc_ifp, epair_transmit);
	if_link_state_change(sc->sc_ifp, LINK_STATE_DOWN);
	error = ether_ifattach(sc->sc_ifp, mac);
	if (error != 0)
		goto fail_ifp;
	if (peer != NULL) {
		sc->sc_peer = peer;
		peer->sc_peer = sc;
		epair_setlink(sc, LINK_STATE_UP);
		epair_setlink(peer, LINK_STATE_UP);
	}
	V_epair_count++;
	*ifpp = sc->sc_ifp;
	return (0);

fail_ifp:
	if_free(sc->sc_ifp);
fail_softc:
	vnet_free(sc);
	return (error);
}

static void
epair_destroy(const struct if_clone *ifc, struct ifnet *ifp)
{
	struct epair_softc *sc = if_getsoftc(ifp), *peer = sc->sc_peer;

	(void)ifc;
	if (peer != NULL) {
		peer->sc_peer = NULL;
		sc->sc_peer = NULL;
		epair_setlink(peer, LINK_STATE_DOWN);
		epair_setlink(sc, LINK_STATE_DOWN);
	}
	ether_ifdetach(ifp);
	if_free(ifp);
	vnet_free(sc);
	V_epair_count--;
}

static const struct if_clone epair_cloner = {
	.ifc_name = "epair",
	.ifc_create = epair_create,
	.ifc_destroy = epair_destroy,
};

static int
vnet_epair_init(const void *arg)
{
	(void)arg;
	return (if_clone_attach(&epair_cloner));
}
VNET_SYSINIT(vnet_epair_init, SI_SUB_PSEUDO, SI_ORDER_ANY, vnet_epair_init, NULL);

static void
vnet_epair_uninit(const void *arg)
{
	(void)arg;
	if_clone_detach(&epair_cloner);
}
VNET_SYSUNINIT(vnet_epair_uninit, SI_SUB_PSEUDO, SI_ORDER_ANY, vnet_epair_uninit, NULL);

static const moduledata_t epair_mod = { .name = "if_epair" };
DECLARE_MODULE(if_epair, epair_mod, SI_SUB_PSEUDO, SI_ORDER_ANY);
MODULE_VERSION(if_epair, 1);
MODULE_DEPEND(if_epair, inet, 1, 1, 1);
