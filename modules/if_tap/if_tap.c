/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * if_tap.ko: the interface and the module.
 *
 * Theory of operation.  The interface's other side is whatever its maker writes frames to and reads them from; the
 * module knows no descriptor.  What the host writes into it is cut into packets at once (split.c); what the stack sends
 * is joined for as long as the worker's round lasts (merge.c).  Both sides leave checksums and segmentation to the other where
 * they may, so one system call carries up to 64 KiB.
 *
 * All state is in the softc, in the stack's heap.  What is counted, sysctl shows as net.link.tap, summed over the stack's.
 */
#include <sys/random.h>
#include <uvnet/module.h>
#include <uvnet/sysctl.h>
#include <uvnet/sysinit.h>

#include "tap.h"

VNET_DEFINE_STATIC(LIST_HEAD(, tap_softc), tap_softcs);
#define V_tap_softcs VNET(tap_softcs)

static int
tap_transmit(struct ifnet *ifp, struct pkt *p)
{
	return (tap_merge(if_getsoftc(ifp), p));
}

static int
tap_mac(uint8_t mac[6], const uint8_t wanted[6])
{
	static const uint8_t none[6];

	memcpy(mac, wanted, sizeof(none));
	if (memcmp(wanted, none, sizeof(none)) != 0)
		return ((wanted[0] & 0x01) != 0 ? -EINVAL : 0);
	if (getrandom(mac, sizeof(none), 0) != sizeof(none))
		return (-EIO);
	mac[0] = (uint8_t)((mac[0] & 0xfe) | 0x02);	/* one station's, locally administered */
	return (0);
}

static int
tap_clone_create(const struct if_clone *ifc, const char *name, const void *params, struct ifnet **ifpp)
{
	const struct tap_params *tp = params;
	struct tap_softc *sc;
	struct if_data data;
	uint8_t mac[6];
	int error;

	(void)ifc;
	if (tp == NULL || tp->ops == NULL)
		return (-EINVAL);
	sc = vnet_calloc(1, sizeof(*sc));
	if (sc == NULL)
		return (-ENOMEM);
	sc->sc_vnet = curvnet;
	sc->sc_ops = tp->ops;
	sc->sc_arg = tp->arg;
	sc->sc_uso = tp->uso != 0;
	sc->sc_l2 = tp->ether ? ETHER_SIZE : 0;
	error = tap_mac(mac, tp->mac);
	if (error == 0)
		error = if_alloc(name, &sc->sc_ifp);
	if (error != 0)
		goto fail;
	if_setsoftc(sc->sc_ifp, sc);
	if_settransmitfn(sc->sc_ifp, tap_transmit);
	error = tp->ether ? ether_ifattach(sc->sc_ifp, mac) : if_attach(sc->sc_ifp, tp->mtu);
	if (error != 0)
		goto fail_ifp;
	if_setchecksums(sc->sc_ifp, 1);
	if_getdata(sc->sc_ifp, &data);
	sc->sc_mtu = data.mtu;
	LIST_INSERT_HEAD(&V_tap_softcs, sc, sc_le);
	*ifpp = sc->sc_ifp;
	return (0);

fail_ifp:
	if_free(sc->sc_ifp);
fail:
	vnet_free(sc);
	return (error);
}

static void
tap_clone_destroy(const struct if_clone *ifc, struct ifnet *ifp)
{
	struct tap_softc *sc = if_getsoftc(ifp);

	(void)ifc;
	LIST_REMOVE(sc, sc_le);
	ether_ifdetach(ifp);
	tap_merge_flush(sc);	/* what the end itself sends: resets, a lease that is given back */
	tap_merge_drop(sc);
	if_free(ifp);
	vnet_free(sc);
}

static void
tap_input(struct ifnet *ifp, const void *frame, size_t len)
{
	struct tap_softc *sc = if_getsoftc(ifp);

	CURVNET_SET(sc->sc_vnet);
	tap_split(sc, frame, len);
	CURVNET_RESTORE();
}

static void
tap_flush(struct ifnet *ifp)
{
	tap_merge_flush(if_getsoftc(ifp));
}

/* A sum over the stack's interfaces; arg2: where in their statistics. */
static int
tap_sysctl(SYSCTL_HANDLER_ARGS)
{
	const struct tap_softc *sc;
	uint64_t n = 0;

	(void)oidp, (void)arg1;
	LIST_FOREACH (sc, &V_tap_softcs, sc_le)
		n += *(const uint64_t *)((const char *)&sc->sc_stats + arg2);
	return (SYSCTL_OUT(req, &n, sizeof(n)));
}
SYSCTL_NODE(_net_link, OID_AUTO, tap, CTLFLAG_RW, NULL, "TUN, TAP and packet sockets");
#define TAP_STAT(name, descr) \
	SYSCTL_PROC(_net_link_tap, OID_AUTO, name, CTLTYPE_U64 | CTLFLAG_VNET | CTLFLAG_RD | CTLFLAG_STATS, NULL, \
	    offsetof(struct tap_stats, name), tap_sysctl, "QU", descr)
TAP_STAT(rx_bad, "Frames that contradicted themselves");
TAP_STAT(rx_frames, "Frames received");
TAP_STAT(rx_nobufs, "Packets dropped for want of a buffer");
TAP_STAT(rx_packets, "Packets that received frames were cut into");
TAP_STAT(tx_errors, "Packets that the device did not take");
TAP_STAT(tx_frames, "Frames sent");
TAP_STAT(tx_packets, "Packets that were joined to the frames sent");

static const struct if_clone tap_cloner = {
	.ifc_name = "tap",
	.ifc_create = tap_clone_create,
	.ifc_destroy = tap_clone_destroy,
};

static int
vnet_tap_init(const void *arg)
{
	(void)arg;
	return (if_clone_attach(&tap_cloner));
}
VNET_SYSINIT(vnet_tap_init, SI_SUB_PSEUDO, SI_ORDER_ANY, vnet_tap_init, NULL);

static void
vnet_tap_uninit(const void *arg)
{
	(void)arg;
	if_clone_detach(&tap_cloner);
}
VNET_SYSUNINIT(vnet_tap_uninit, SI_SUB_PSEUDO, SI_ORDER_ANY, vnet_tap_uninit, NULL);

const struct tap_kpi tap_kpi = {
	.version = TAP_KPI_VERSION,
	.size = sizeof(struct tap_kpi),
	.input = tap_input,
	.flush = tap_flush,
};

static const moduledata_t tap_mod = { .name = "if_tap" };
DECLARE_MODULE(if_tap, tap_mod, SI_SUB_PSEUDO, SI_ORDER_ANY);
MODULE_VERSION(if_tap, 1);
MODULE_DEPEND(if_tap, inet, 1, 1, 1);
