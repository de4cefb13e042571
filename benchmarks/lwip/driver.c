/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP talking to itself over its loop interface: what bench-lwip measures.
 *
 * Linked with lwIP's core into three modules: compiled by vnetcc so that every global is virtual; the same way but
 * with -fvirtual=none; and by the plain compiler, unit by unit.  Nothing here or in the program differs between them,
 * the heap included, so what differs in the count of instructions is the price of virtual variables.
 */
#include <sys/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <uvnet/callout.h>

#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"

#include "driver.h"

#define PORT 5000
#define PING 64

static struct tcp_pcb *listener, *client;
static uint64_t to_send, to_receive;
static unsigned pings, pongs;
static char buffer[16384];

/* ---- The port that lwIP wants ---- */

unsigned char
inet_ttl(void)
{
	return (64);
}

unsigned
inet_tcp_msl(void)
{
	return (30000);
}

unsigned
inet_wnd_threshold(void)
{
	return (TCP_WND / 8);
}

uint32_t
inet_random(void)
{
	static uint32_t state = 1;	/* the same in each run: the counts must not vary */

	state = state * 1664525u + 1013904223u;
	return (state);
}

signed char
inet_poll_later(struct netif *netif)
{
	(void)netif;
	return (ERR_OK);
}

void
inet_panic(const char *what, const char *file, int line)
{
	dprintf(2, "driver: %s (%s:%d)\n", what, file, line);
	abort();
}

/* Routes and forwarding as lwIP has them without net/route.c. */
struct netif *
inet_route(const struct ip4_addr *to)
{
	(void)to;
	return (NULL);
}

const struct ip4_addr *
inet_gateway(struct netif *netif, const struct ip4_addr *to)
{
	(void)netif;
	(void)to;
	return (NULL);
}

int
inet_canforward(struct pbuf *p)
{
	(void)p;
	return (0);
}

struct netif *
inet6_route(const struct ip6_addr *to)
{
	(void)to;
	return (NULL);
}

const struct ip6_addr *
inet6_gateway(struct netif *netif, const struct ip6_addr *to)
{
	(void)netif;
	(void)to;
	return (NULL);
}

int
inet6_input(struct pbuf *p, struct netif *inp)
{
	(void)p;
	(void)inp;
	return (0);
}

u32_t
sys_now(void)
{
	return ((u32_t)(callout_now() / 1000000));
}

void
tcp_timer_needed(void)
{
}

void
sys_timeouts_init(void)
{
}

/* ---- Bulk ---- */

static err_t
client_send(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	u32_t n;

	(void)arg;
	(void)len;
	while (to_send > 0 && (n = tcp_sndbuf(pcb)) > 0) {
		if (n > sizeof(buffer))
			n = sizeof(buffer);
		if (n > to_send)
			n = (u32_t)to_send;
		if (tcp_write(pcb, buffer, (u16_t)n, TCP_WRITE_FLAG_COPY) != ERR_OK)
			break;
		to_send -= n;
	}
	return (ERR_OK);
}

static err_t
bulk_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	(void)arg;
	(void)err;
	return (client_send(NULL, pcb, 0));
}

static err_t
bulk_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	(void)arg;
	(void)err;
	if (p == NULL)
		return (tcp_close(pcb));
	to_receive -= p->tot_len;
	tcp_recved(pcb, p->tot_len);
	pbuf_free(p);
	return (ERR_OK);
}

/* ---- Ping-pong ---- */

static err_t
ping(struct tcp_pcb *pcb)
{
	tcp_write(pcb, buffer, PING, TCP_WRITE_FLAG_COPY);
	return (tcp_output(pcb));
}

static err_t
ping_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	(void)arg;
	(void)err;
	return (ping(pcb));
}

static err_t
ping_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	(void)err;
	if (p == NULL)
		return (tcp_close(pcb));
	tcp_recved(pcb, p->tot_len);
	pbuf_free(p);
	if (arg == &client && ++pongs == pings)
		return (ERR_OK);
	return (ping(pcb));
}

/* ---- Running ---- */

static err_t
accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	(void)err;
	tcp_recv(pcb, arg == &pings ? ping_recv : bulk_recv);
	tcp_arg(pcb, NULL);
	return (ERR_OK);
}

static int
setup(void *kind, tcp_connected_fn connected)
{
	ip_addr_t address = IPADDR4_INIT_BYTES(127, 0, 0, 1);

	if (netif_list == NULL)
		lwip_init();
	listener = tcp_new();
	client = tcp_new();
	if (listener == NULL || client == NULL || tcp_bind(listener, &address, PORT) != ERR_OK)
		return (-1);
	listener = tcp_listen(listener);
	tcp_arg(listener, kind);
	tcp_accept(listener, accepted);
	tcp_arg(client, &client);
	tcp_recv(client, ping_recv);
	tcp_sent(client, client_send);
	return (tcp_connect(client, &address, PORT, connected) == ERR_OK ? 0 : -1);
}

/* One round; when nothing moved, the timers: an acknowledgement may be delayed. */
static void
poll(void)
{
	struct netif *netif;
	int moved = 0;

	NETIF_FOREACH (netif) {
		moved |= netif->loop_first != NULL;
		netif_poll(netif);
	}
	if (!moved)
		tcp_tmr();
}

static void
teardown(void)
{
	tcp_abort(client);
	tcp_close(listener);
	poll();
}

int
bench_bulk(uint64_t bytes)
{
	to_send = to_receive = bytes;
	if (setup(NULL, bulk_connected) != 0)
		return (-1);
	while (to_receive > 0)
		poll();
	teardown();
	return (0);
}

int
bench_pingpong(unsigned rounds)
{
	pings = rounds;
	pongs = 0;
	to_send = 0;
	if (setup(&pings, ping_connected) != 0)
		return (-1);
	while (pongs < pings)
		poll();
	teardown();
	return (0);
}
