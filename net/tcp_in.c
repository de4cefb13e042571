/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's entrance of TCP.  This file includes lwIP's, unchanged; its entrance is renamed, so that what came in by an
 * egress netif is looked at first (net/egress.c).
 *
 * And its fast retransmission: lwIP leaves recovery with the first acknowledgement that moves, so of several segments
 * lost in a window (a tunnel's peer that was late drops a whole tail) all but one waited for the timer, half a second
 * each.  Who goes into recovery notes how far the data went, and socket_io.c sends the next hole at each
 * acknowledgement below that (NewReno, RFC 6582).
 */
#include "lwip/priv/tcp_priv.h"
#include "inet_impl.h"

static void lwip_tcp_input(struct pbuf *p, struct netif *inp);

#define tcp_input lwip_tcp_input
#define tcp_rexmit_fast so_tcp_rexmit_fast
#include "core/tcp_in.c"
#undef tcp_input
#undef tcp_rexmit_fast

void
tcp_input(struct pbuf *p, struct netif *inp)
{
	if (!inet_is_egress(inp) || !inet_egress_tcp(p, inp))
		lwip_tcp_input(p, inp);
}
