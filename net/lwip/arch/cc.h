/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lwIP wants to know of the platform: a C17 compiler and the host's C library.  Everything that it calls beyond
 * memcpy(3) and kin is uvnet's (vnet_malloc) or this port's (inet_*).
 */
#ifndef UVNET_LWIP_ARCH_CC_H
#define UVNET_LWIP_ARCH_CC_H

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>

struct ip4_addr;
struct ip6_addr;
struct netif;
struct pbuf;

/* These are net/random.c's, sysctl.c's, socket.c's, timer.c's, inet.c's, route.c's and route6.c's; vnet_* are uvnet/vnet.h's. */
uint32_t inet_random(void);
unsigned char inet_ttl(void);
unsigned inet_tcp_msl(void);
unsigned inet_wnd_threshold(void);
signed char inet_poll_later(struct netif *netif);
void inet_panic(const char *what, const char *file, int line) __attribute__((noreturn, cold));
struct netif *inet_route(const struct ip4_addr *to);
const struct ip4_addr *inet_gateway(struct netif *netif, const struct ip4_addr *to);
int inet_canforward(struct pbuf *p);
struct netif *inet6_route(const struct ip6_addr *to);
const struct ip6_addr *inet6_gateway(struct netif *netif, const struct ip6_addr *to);
int inet6_input(struct pbuf *p, struct netif *inp);
void *vnet_malloc(size_t size);
void *vnet_calloc(size_t number, size_t size);
void vnet_free(void *ptr);

#define LWIP_ERRNO_INCLUDE <errno.h>	/* the host's numbers, not lwIP's */
#define LWIP_TIMEVAL_PRIVATE 0		/* <sys/time.h> has struct timeval */
#define LWIP_NO_CTYPE_H 1		/* <ctype.h> would pull the locale's tables in; lwIP has its own */

/* One instruction each; lwIP's own are calls. */
#if BYTE_ORDER == LITTLE_ENDIAN
#define lwip_htons(x) __builtin_bswap16(x)
#define lwip_htonl(x) __builtin_bswap32(x)
#endif

#define LWIP_RAND() inet_random()

/* Assertions stay: a stack that is wrong must not go on.  Diagnostics go nowhere. */
#define LWIP_PLATFORM_ASSERT(what) inet_panic(what, __FILE__, __LINE__)
#define LWIP_PLATFORM_DIAG(x) do { } while (0)

/* See LWIP_NETIF_LOOPBACK_MULTITHREADING in lwipopts.h. */
#define tcpip_try_callback(func, netif) inet_poll_later(netif)

#endif
