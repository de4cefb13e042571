/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of inet.ko know of each other.  Plain globals here are virtual: vnetcc compiles them. */
#ifndef UVNET_INET_IMPL_H
#define UVNET_INET_IMPL_H

#include <stdint.h>
#include <uvnet/sysctl.h>
#include "lwip/err.h"

struct ifnet;
struct netif;

/* timer.c: start a cyclic timer of lwIP's unless it runs; each stops by itself when it has nothing to do. */
void inet_timers_init(void);
void inet_timers_stop(void);
void inet_arp_timer_needed(void);
void inet_reass_timer_needed(void);
void inet_nd6_timer_needed(void);
void inet_dhcp_timer_needed(void);
void inet_mld6_timer_needed(void);
void inet_reass6_timer_needed(void);

/* Whether ARP's runs. */
int inet_arp_ticks(void);

/* arp.c: no table at first; and none when it is empty, else a clock. */
void inet_arp_init(void);
void inet_arp_settle(void);

/* arp.c, reass.c, nd6.c, mld6.c, reass6.c: whether something in there ages. */
int inet_arp_busy(void);
int inet_reass_busy(void);
int inet_nd6_busy(void);
int inet_dhcp_busy(void);
int inet_dhcp_waits(void);	/* for an answer */
int inet_mld6_busy(void);
int inet_reass6_busy(void);

int inet_reass_count(void);
int inet_reass6_count(void);

/* sysctl.c: an int that is within INET_SYSCTL_BOUNDS(min, max), its arg2. */
int inet_sysctl_int(SYSCTL_HANDLER_ARGS);
#define INET_SYSCTL_BOUNDS(min, max) ((intmax_t)(min) << 32 | (max))

/* ifnet.c: give back the packets that this stack holds; take in what was looped back. */
void inet_packets_purge(void);
extern int inet_input_blank;	/* the packet that comes in right now has no checksums */
#define PBUF_FLAG_UNCHECKED 0x80	/* ours: forwarded, with checksums that nobody looked at */
void inet_loop_init(void);
void inet_loop_poll(void);

/* dhcp.c: end a client. */
void inet_dhcp_detach(struct ifnet *ifp);

/* route6.c: whether this stack is a router of IPv6, and whether its interfaces configure themselves. */
void inet6_setforwarding(int on);
int inet6_accept_rtadv(void);

/* route.c and route6.c: forget the routes over an interface. */
void inet_routes_detach(const struct ifnet *ifp);
void inet_routes6_detach(const struct ifnet *ifp);

/* socket_io.c: lwIP's tcp_rexmit_fast(), and that recovery lasts until all that was under way then is acknowledged. */
struct tcp_pcb;
void so_tcp_rexmit_fast(struct tcp_pcb *pcb);

/* egress.c: whether a packet is one of the world's, taking it in, and what TCP and UDP ask (1: eaten). */
struct pbuf;
int inet_egress_takes(const struct ifnet *ifp, const struct pbuf *p);
void inet_egress_input(struct ifnet *ifp, struct pbuf *p, uint16_t check);
int inet_is_egress(const struct netif *netif);
int inet_egress_tcp(struct pbuf *p, struct netif *inp);
int inet_egress_udp(struct pbuf *p, struct netif *inp);
void inet_egress_detach(struct ifnet *ifp);

/* socket.c: the upcalls' callout; why connections are being aborted right now, or 0. */
void inet_sockets_init(void);
void inet_sockets_stop(void);
extern int inet_abort_error;

#endif
