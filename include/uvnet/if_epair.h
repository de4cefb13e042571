/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * if_epair: a cable between two stacks (FreeBSD's epair(4)).
 *
 * The cloner "epair" makes one end at a time, since the ends belong to different stacks, and perhaps to different
 * workers: the first end has no peer, and its carrier is down; the second names the first as its peer, and both
 * come up.  Destroying an end takes the other's carrier down; it can be given a new peer.  Ends are made and
 * destroyed with all workers stopped.
 */
#ifndef UVNET_IF_EPAIR_H
#define UVNET_IF_EPAIR_H

#include <stdint.h>
#include <uvnet/net.h>

struct epair_params {
	struct ifnet *peer;	/* an end without a peer, of any stack; NULL for the first */
	uint8_t mac[6];		/* zero: one made up, locally administered */
};

#endif
