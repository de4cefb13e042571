/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's configuration.  Only what differs from opt.h is here, each with its reason.
 *
 * What it comes to: one thread in a stack at a time and nobody waiting in it (NO_SYS); every object from the
 * stack's own heap, so that its limit is the heap's and its end frees all; timers by callouts that run only
 * while they have something to do (net/timer.c); bulk TCP that keeps a path of 20 ms full at 100 Mbit/s.
 */
#ifndef UVNET_LWIPOPTS_H
#define UVNET_LWIPOPTS_H

/* ---- Who runs it ---- */

#define NO_SYS 1			/* a worker calls in, and nothing ever blocks */
#define SYS_LIGHTWEIGHT_PROT 0		/* a stack is entered by one thread at a time */
#define LWIP_NETCONN 0			/* both need threads; net/socket.c is on the raw API */
#define LWIP_SOCKET 0
#define LWIP_TIMERS_CUSTOM 1		/* net/timer.c */
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS 1	/* <netinet/in.h> has them */

/* ---- Memory: the stack's heap (vnet_malloc) ---- */

#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1		/* pools would link, and so touch, every element at the start */
#define mem_clib_malloc vnet_malloc
#define mem_clib_calloc vnet_calloc
#define mem_clib_free vnet_free
#define MEM_ALIGNMENT 8			/* vnet_malloc() gives 16; more would only pad */
#define LWIP_SUPPORT_CUSTOM_PBUF 1	/* a received packet stays in its worker's buffer */

/* ---- Ethernet and ARP ---- */

#define ARP_QUEUEING 1			/* a burst sent before the answer is kept, not only its last packet */
#define ARP_QUEUE_LEN 8
#define ARP_TABLE_SIZE 32		/* neighbours of all interfaces together; 10 would thrash on a bridge */

/* ---- IPv4 ---- */

#define IP_REASS_MAX_PBUFS 64		/* one datagram of 64 KiB in 1500-byte fragments, and some more */
#define IP_DEFAULT_TTL inet_ttl()	/* net.inet.ip.ttl: 64 (RFC 1700, everybody's default; lwIP's is 255) */
#define IP_FORWARD 1			/* where a stack is told to: inet_canforward(), net/route.c */
#define LWIP_HOOK_IP4_ROUTE_SRC(src, dest) inet_route(dest)
#define LWIP_HOOK_ETHARP_GET_GW(netif, dest) inet_gateway(netif, dest)
#define LWIP_HOOK_IP4_CANFORWARD(p, dest) inet_canforward(p)
#define LWIP_NETIF_LOOPBACK 1		/* a stack reaches its own addresses; 127.0.0.1 by lwIP's loopif */
#define LWIP_LOOPBACK_MAX_PBUFS 512	/* what waits for the next round; the stack's heap pays */
/*
 * "Multithreading" makes netif_loop_output() say that something waits, by tcpip_try_callback(); without it somebody
 * would have to poll.  There is no other thread: the packets are taken in by a callout (arch/cc.h, net/timer.c).
 */
#define LWIP_NETIF_LOOPBACK_MULTITHREADING 1

#define LWIP_DHCP 1			/* net/dhcp.c */
#define LWIP_RAW 1			/* ICMP sockets: net/socket_raw.c */

/* ---- IPv6 ---- */

#define LWIP_IPV6 1
#define LWIP_IPV6_FORWARD 1		/* where a stack is told to: inet6_input(), net/route6.c */
#define IPV6_FRAG_COPYHEADER 1		/* lwIP's note of a fragment does not fit its header where pointers have 64 bits */
#define LWIP_HOOK_IP6_INPUT(p, inp) inet6_input(p, inp)
#define LWIP_HOOK_IP6_ROUTE(src, dest) inet6_route(dest)
#define LWIP_HOOK_ND6_GET_GW(netif, dest) inet6_gateway(netif, dest)

/* An interface whose packets never leave the process needs no checksums; others do. */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1

/* ---- TCP ---- */

/*
 * The MSS for Ethernet; tcp_eff_send_mss() makes it smaller where the interface's mtu is.  Windows: 257 KiB, four
 * times what fits without scaling.  The sender walks its unacknowledged segments in every tcp_output(), so more in
 * flight costs instructions and cache (256 against 128 KiB: 3% of the throughput between two stacks).
 *
 * Whole segments, and no power of two: lwIP sends a FIN that lies just outside the window, and its receiver drops
 * it, so a transfer that ends exactly where the window does waits 3 s for the retransmission.  Sizes of 2^n did.
 */
#define TCP_MSS 1460
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 3			/* room for windows twice as large */
#define TCP_WND (180 * TCP_MSS)
#define TCP_SND_BUF (180 * TCP_MSS)
#define TCP_SND_QUEUELEN (4 * TCP_SND_BUF / TCP_MSS)	/* pbufs: small writes may chain some in a segment */
#define TCP_SNDLOWAT (TCP_SND_BUF / 8)	/* opt.h's half of the buffer does not pass lwIP's own check */
/*
 * An acknowledgement of its own for a window that opened, when an eighth of it did.  opt.h's four segments would
 * send one for every four, on top of one for every second segment received.
 */
#define TCP_WND_UPDATE_THRESHOLD inet_wnd_threshold()	/* less where net.inet.tcp.recvspace is: net/socket.c */
/* Timestamps are off: between two stacks they took 16% of the throughput; what they give matters on long fast paths. */
#define LWIP_TCP_SACK_OUT 1		/* tell peers outside that understand it; lwIP's own sender ignores it */
#define TCP_LISTEN_BACKLOG 1		/* connections that nobody accepts are bounded */
#define LWIP_TCP_PCB_NUM_EXT_ARGS 1	/* its destructor says that a pcb is gone, in all cases (net/socket.c) */
#define SO_REUSE 1			/* a port can be listened on while old connections are in TIME_WAIT */
#define TCP_MSL inet_tcp_msl()		/* net.inet.tcp.msl: 30 s, TIME_WAIT is 60 s */
/* Ephemeral ports: FreeBSD's net.inet.ip.portrange.  A port is not used again while in TIME_WAIT, so many help. */
#define TCP_LOCAL_PORT_RANGE_START 10000
#define TCP_LOCAL_PORT_RANGE_END 65535
#define TCP_ENSURE_LOCAL_PORT_RANGE(port) ((u16_t)(10000 + (port) % (65535 - 10000)))

/* The initial sequence number: unpredictable (net/random.c). */
#define LWIP_HOOK_TCP_ISN(lip, lport, rip, rport) inet_random()

/* ---- What is not there ---- */

#define LWIP_STATS 0			/* counters that cost on every packet; an interface has its own (net/ifnet.c) */

#endif
