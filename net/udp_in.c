/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's UDP.  This file includes it, unchanged; its entrance is renamed, so that what came in by an egress netif is
 * looked at first (net/egress.c).
 */
#include "lwip/udp.h"
#include "inet_impl.h"

static void lwip_udp_input(struct pbuf *p, struct netif *inp);

#define udp_input lwip_udp_input
#include "core/udp.c"
#undef udp_input

void
udp_input(struct pbuf *p, struct netif *inp)
{
	if (!inet_is_egress(inp) || !inet_egress_udp(p, inp))
		lwip_udp_input(p, inp);
}
