/* SPDX-License-Identifier: BSD-2-Clause */
/* An interface: lwIP's, with what uvnet adds.  It lies in its stack's heap. */
#ifndef UVNET_IFNET_H
#define UVNET_IFNET_H

#include <sys/queue.h>
#include <uvnet/net.h>

#include "lwip/netif.h"

struct ifnet {
	struct netif if_netif;		/* its `state` points back here */
	TAILQ_ENTRY(ifnet) if_le;	/* the stack's interfaces, in the order of their making */
	struct vnet *if_vnet;
	const struct if_clone *if_clone;	/* what made it, or NULL */
	if_transmit_fn_t *if_transmit;
	void *if_softc;
	if_tap_fn_t *if_tap;
	void *if_taparg;
	struct egress *if_egress;	/* net/egress.c; NULL: what is for others is not for us */
	int if_attached;		/* lwIP knows it */
	int if_link_state;
	uint16_t if_txcsum;		/* NETIF_CHECKSUM_GEN_*: what lwIP fills in */
	uint8_t if_prefixlen6[LWIP_IPV6_NUM_ADDRESSES];	/* 0: advertised */
	uint8_t if_hdrlen;		/* of a frame, 14; 0: packets without frames */
	char if_xname[IFNAMSIZ_UV];
	uint64_t if_ipackets, if_ibytes, if_iqdrops, if_opackets, if_obytes, if_oqdrops;
};

#endif
