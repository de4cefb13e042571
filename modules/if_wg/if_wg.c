/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * if_wg.ko: the interface and the module.
 *
 * Theory of operation.  A device is a point-to-point interface of IP packets.  What the stack sends by it is looked up
 * in its allowed IPs, sealed for the peer that is found, and given to the port (send.c).  What the port
 * receives finds its peer by an index or a key, and enters that peer's stack (receive.c, port.c).
 *
 * All of a device's state is in its stack: softc, peers and sessions in the stack's heap, the list of devices a virtual
 * variable.  What belongs to no stack is a port, which is its maker's, and what a worker shares among its stacks:
 * libcrypto's contexts and the slab of long-term keys, which are DPCPU variables.  So a stack that goes takes its
 * tunnels along, and unloading the module leaves nothing.
 *
 * This module is linked by lld on purpose, the linker whose relaxations broke VNET in FreeBSD's modules.
 */
#include <uvnet/module.h>
#include <uvnet/sysctl.h>
#include <uvnet/sysinit.h>

#include "wg.h"

VNET_DEFINE_STATIC(LIST_HEAD(, wg_softc), wg_devices);
#define V_wg_devices VNET(wg_devices)

static int
wg_clone_create(const struct if_clone *ifc, const char *name, const void *params, struct ifnet **ifpp)
{
	const struct wg_params *wp = params;
	struct wg_softc *sc;
	int error;

	(void)ifc;
	if (wp == NULL || wp->port == NULL || wp->mtu > WG_MTU_MAX || wp->port->po_cpu != curvnet->vnet_cpu)
		return (-EINVAL);
	sc = vnet_calloc(1, sizeof(*sc));
	if (sc == NULL)
		return (-ENOMEM);
	sc->sc_vnet = curvnet;
	sc->sc_port = wp->port;
	sc->sc_mtu = wp->mtu != 0 ? wp->mtu : WG_MTU_DEFAULT;
	TAILQ_INIT(&sc->sc_peers);
	error = if_alloc(name, &sc->sc_ifp);
	if (error != 0)
		goto fail;
	if_setsoftc(sc->sc_ifp, sc);
	if_settransmitfn(sc->sc_ifp, wg_transmit);
	error = if_attach(sc->sc_ifp, sc->sc_mtu);
	if (error != 0)
		goto fail_ifp;
	if_setchecksums(sc->sc_ifp, 1);
	wp->port->po_ndevices++;
	LIST_INSERT_HEAD(&V_wg_devices, sc, sc_le);
	*ifpp = sc->sc_ifp;
	return (0);

fail_ifp:
	if_free(sc->sc_ifp);
fail:
	vnet_free(sc);
	return (error);
}

static void
wg_clone_destroy(const struct if_clone *ifc, struct ifnet *ifp)
{
	struct wg_softc *sc = if_getsoftc(ifp);

	(void)ifc;
	LIST_REMOVE(sc, sc_le);
	if_detach(ifp);
	while (!TAILQ_EMPTY(&sc->sc_peers))
		wg_peer_destroy(TAILQ_FIRST(&sc->sc_peers));
	if_free(ifp);
	sc->sc_port->po_ndevices--;
	vnet_free(sc);
}

static void
wg_getstats(struct ifnet *ifp, struct wg_stats *stats)
{
	const struct wg_softc *sc = if_getsoftc(ifp);
	const struct wg_stats *port = &sc->sc_port->po_stats;

	*stats = sc->sc_stats;
	stats->bad_mac += port->bad_mac;
	stats->bad_index += port->bad_index;
	stats->bad_packet += port->bad_packet;
	stats->cookies_sent += port->cookies_sent;
	stats->ratelimited += port->ratelimited;
	stats->peers = sc->sc_npeers;
}

/* A sum over the stack's devices; arg2: where in their statistics. */
static int
wg_sysctl(SYSCTL_HANDLER_ARGS)
{
	const struct wg_softc *sc;
	struct wg_stats stats;
	uint64_t n = 0;

	(void)oidp, (void)arg1;
	LIST_FOREACH (sc, &V_wg_devices, sc_le) {
		stats = sc->sc_stats;
		stats.peers = sc->sc_npeers;
		n += *(const uint64_t *)((const char *)&stats + arg2);
	}
	return (SYSCTL_OUT(req, &n, sizeof(n)));
}
SYSCTL_NODE(_net, OID_AUTO, wg, CTLFLAG_RW, NULL, "WireGuard");
#define WG_STAT(name, descr) \
	SYSCTL_PROC(_net_wg, OID_AUTO, name, CTLTYPE_U64 | CTLFLAG_VNET | CTLFLAG_RD | CTLFLAG_STATS, NULL, \
	    offsetof(struct wg_stats, name), wg_sysctl, "QU", descr)
WG_STAT(bad_source, "Packets from sources that their peer is not allowed");
WG_STAT(dropped, "Packets dropped for want of memory");
WG_STAT(handshakes, "Sessions begun");
WG_STAT(no_endpoint, "Packets for peers whose address is not known");
WG_STAT(no_peer, "Packets that no peer's allowed IPs have room for");
WG_STAT(peers, "Peers now");
WG_STAT(replayed, "Packets that came again");
WG_STAT(rx_bytes, "Bytes received, sealed");
WG_STAT(rx_packets, "Packets received");
WG_STAT(tx_bytes, "Bytes sent, sealed");
WG_STAT(tx_packets, "Packets sent");

static int
wg_handshake(struct ifnet *ifp, const uint8_t public[WG_KEY_SIZE])
{
	struct wg_peer *peer = wg_peer_find(if_getsoftc(ifp), public);

	if (peer == NULL)
		return (-ENOENT);
	wg_send_initiation(peer, callout_now(), false);
	return (0);
}

static const struct if_clone wg_cloner = {
	.ifc_name = "wg",
	.ifc_create = wg_clone_create,
	.ifc_destroy = wg_clone_destroy,
};

static int
vnet_wg_init(const void *arg)
{
	(void)arg;
	LIST_INIT(&V_wg_devices);
	return (if_clone_attach(&wg_cloner));
}
VNET_SYSINIT(vnet_wg_init, SI_SUB_PSEUDO, SI_ORDER_ANY, vnet_wg_init, NULL);

static void
vnet_wg_uninit(const void *arg)
{
	(void)arg;
	if_clone_detach(&wg_cloner);
	assert(LIST_EMPTY(&V_wg_devices));
}
VNET_SYSUNINIT(vnet_wg_uninit, SI_SUB_PSEUDO, SI_ORDER_ANY, vnet_wg_uninit, NULL);

static void
wg_uninit(const void *arg)
{
	(void)arg;
	wg_secret_fini();
	wg_crypto_fini();
}
SYSUNINIT(wg_uninit, SI_SUB_DRIVERS, SI_ORDER_ANY, wg_uninit, NULL);

const struct wg_kpi wg_kpi = {
	.version = WG_KPI_VERSION,
	.size = sizeof(struct wg_kpi),
	.port_create = wg_port_create,
	.port_destroy = wg_port_destroy,
	.input = wg_input,
	.port_setlisten = wg_port_setlisten,
	.uapi = wg_uapi,
	.handshake = wg_handshake,
	.getstats = wg_getstats,
	.transmit = wg_transmit,
};

static const moduledata_t wg_mod = { .name = "if_wg" };
DECLARE_MODULE(if_wg, wg_mod, SI_SUB_PSEUDO, SI_ORDER_ANY);
MODULE_VERSION(if_wg, 1);
MODULE_DEPEND(if_wg, inet, 1, 1, 1);
