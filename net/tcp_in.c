/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's entrance of TCP.  This file includes lwIP's, unchanged; its entrance is renamed, so that what came in by an
 * egress netif is looked at first (net/egress.c).
 */
#include "lwip/priv/tcp_priv.h"
#include "inet_impl.h"

static void lwip_tcp_input(struct pbuf *p, struct netif *inp);

#define tcp_input lwip_tcp_input
#include "core/tcp_in.c"
#undef tcp_input

void
tcp_input(struct pbuf *p, struct netif *inp)
{
	if (!inet_is_egress(inp) || !inet_egress_tcp(p, inp))
		lwip_tcp_input(p, inp);
}
