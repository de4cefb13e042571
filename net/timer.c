/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's cyclic timers, only while they have something to do.
 *
 * lwIP would run six for ever: TCP's every 250 ms, MLD's every 100 ms, those of ARP, ND and reassembly every second; in
 * ten thousand idle stacks that is 180,000 visits a second for nothing.  Here each is a callout that starts when its table gets its
 * first entry and is not set again when it finds the table empty, so an idle stack has none pending.
 *
 * The tables count ticks, so a timer that runs late has to catch up.  The others age by all the ticks that
 * passed.  TCP catches up by one at most: its ticks mean "no acknowledgement came meanwhile", and while
 * the worker did not run (a stopped process, a long load of a module) none could have come; forty of them in a row
 * would retransmit everything several times and give connections up.
 */
#include <uvnet/callout.h>

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/ip6_frag.h"
#include "lwip/mld6.h"
#include "lwip/nd6.h"
#include "lwip/ip4_frag.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"
#include "inet_impl.h"

#define MS 1000000LL

struct cyclic {
	struct callout callout;
	int64_t due;			/* the time of the tick that it waits for */
};

static struct cyclic tcp_timer_cyclic, arp_timer_cyclic, reass_timer_cyclic, nd6_timer_cyclic, mld6_timer_cyclic,
    reass6_timer_cyclic, dhcp_fine_cyclic, dhcp_coarse_cyclic;
static struct callout loop_callout;

static void
cyclic_start(struct cyclic *c, int64_t interval, callout_func_t *func)
{
	if (callout_pending(&c->callout))
		return;
	c->due = callout_now() + interval;
	callout_reset_ns(&c->callout, interval, func, NULL);
}

/* The ticks that are due, at least 1; c->due becomes the next one's time. */
static int64_t
cyclic_ticks(struct cyclic *c, int64_t interval)
{
	int64_t now = callout_now();
	int64_t n = now > c->due ? (now - c->due) / interval + 1 : 1;

	c->due += n * interval;
	return (n);
}

static void
cyclic_again(struct cyclic *c, callout_func_t *func)
{
	int64_t ns = c->due - callout_now();

	callout_reset_ns(&c->callout, ns > 0 ? ns : 0, func, NULL);
}

/* ---- TCP ---- */

static void
tcp_timer_fire(void *arg)
{
	(void)arg;
	if (cyclic_ticks(&tcp_timer_cyclic, TCP_TMR_INTERVAL * MS) > 1)
		tcp_tmr();
	tcp_tmr();
	/* A callback of tcp_tmr()'s may have opened a connection, and so set it already. */
	if (tcp_active_pcbs != NULL || tcp_tw_pcbs != NULL)
		cyclic_again(&tcp_timer_cyclic, tcp_timer_fire);
}

/* lwIP calls it when a connection becomes active. */
void
tcp_timer_needed(void)
{
	if (tcp_active_pcbs != NULL || tcp_tw_pcbs != NULL)
		cyclic_start(&tcp_timer_cyclic, TCP_TMR_INTERVAL * MS, tcp_timer_fire);
}

/* ---- ARP ---- */

static void
arp_timer_fire(void *arg)
{
	int64_t n = cyclic_ticks(&arp_timer_cyclic, ARP_TMR_INTERVAL * MS);

	(void)arg;
	while (n-- > 0 && inet_arp_busy())
		etharp_tmr();
	if (inet_arp_busy())
		cyclic_again(&arp_timer_cyclic, arp_timer_fire);
	else
		inet_arp_settle();
}

int
inet_arp_ticks(void)
{
	return (callout_pending(&arp_timer_cyclic.callout));
}

/* After every packet sent: the common case is one load. */
void
inet_arp_timer_needed(void)
{
	if (!callout_pending(&arp_timer_cyclic.callout) && inet_arp_busy())
		cyclic_start(&arp_timer_cyclic, ARP_TMR_INTERVAL * MS, arp_timer_fire);
}

/* ---- Reassembly ---- */

static void
reass_timer_fire(void *arg)
{
	int64_t n = cyclic_ticks(&reass_timer_cyclic, IP_TMR_INTERVAL * MS);

	(void)arg;
	while (n-- > 0 && inet_reass_busy())
		ip_reass_tmr();
	if (inet_reass_busy())
		cyclic_again(&reass_timer_cyclic, reass_timer_fire);
}

void
inet_reass_timer_needed(void)
{
	cyclic_start(&reass_timer_cyclic, IP_TMR_INTERVAL * MS, reass_timer_fire);
}

/* ---- IPv6: neighbours, multicast listeners, reassembly ---- */

static void
nd6_timer_fire(void *arg)
{
	int64_t n = cyclic_ticks(&nd6_timer_cyclic, ND6_TMR_INTERVAL * MS);

	(void)arg;
	while (n-- > 0 && inet_nd6_busy())
		nd6_tmr();
	if (inet_nd6_busy())
		cyclic_again(&nd6_timer_cyclic, nd6_timer_fire);
}

void
inet_nd6_timer_needed(void)
{
	if (!callout_pending(&nd6_timer_cyclic.callout) && inet_nd6_busy())
		cyclic_start(&nd6_timer_cyclic, ND6_TMR_INTERVAL * MS, nd6_timer_fire);
}

static void
mld6_timer_fire(void *arg)
{
	int64_t n = cyclic_ticks(&mld6_timer_cyclic, MLD6_TMR_INTERVAL * MS);

	(void)arg;
	while (n-- > 0 && inet_mld6_busy())
		mld6_tmr();
	if (inet_mld6_busy())
		cyclic_again(&mld6_timer_cyclic, mld6_timer_fire);
}

void
inet_mld6_timer_needed(void)
{
	if (!callout_pending(&mld6_timer_cyclic.callout) && inet_mld6_busy())
		cyclic_start(&mld6_timer_cyclic, MLD6_TMR_INTERVAL * MS, mld6_timer_fire);
}

static void
reass6_timer_fire(void *arg)
{
	int64_t n = cyclic_ticks(&reass6_timer_cyclic, IP6_REASS_TMR_INTERVAL * MS);

	(void)arg;
	while (n-- > 0 && inet_reass6_busy())
		ip6_reass_tmr();
	if (inet_reass6_busy())
		cyclic_again(&reass6_timer_cyclic, reass6_timer_fire);
}

void
inet_reass6_timer_needed(void)
{
	cyclic_start(&reass6_timer_cyclic, IP6_REASS_TMR_INTERVAL * MS, reass6_timer_fire);
}

/* ---- DHCP ---- */

/* What was missed is not made up for: the server would get all requests at once. */
static void
dhcp_fine_fire(void *arg)
{
	(void)arg;
	cyclic_ticks(&dhcp_fine_cyclic, DHCP_FINE_TIMER_MSECS * MS);
	dhcp_fine_tmr();
	inet_arp_timer_needed();
	if (inet_dhcp_waits())
		cyclic_again(&dhcp_fine_cyclic, dhcp_fine_fire);
}

static void
dhcp_coarse_fire(void *arg)
{
	int64_t n = cyclic_ticks(&dhcp_coarse_cyclic, DHCP_COARSE_TIMER_MSECS * MS);

	(void)arg;
	while (n-- > 0 && inet_dhcp_busy())
		dhcp_coarse_tmr();
	if (inet_dhcp_busy())
		cyclic_again(&dhcp_coarse_cyclic, dhcp_coarse_fire);
	inet_dhcp_timer_needed();
}

void
inet_dhcp_timer_needed(void)
{
	if (!callout_pending(&dhcp_coarse_cyclic.callout) && inet_dhcp_busy())
		cyclic_start(&dhcp_coarse_cyclic, DHCP_COARSE_TIMER_MSECS * MS, dhcp_coarse_fire);
	if (!callout_pending(&dhcp_fine_cyclic.callout) && inet_dhcp_waits())
		cyclic_start(&dhcp_fine_cyclic, DHCP_FINE_TIMER_MSECS * MS, dhcp_fine_fire);
	inet_arp_timer_needed();
}

/* ---- What a stack sends to itself: taken in in the next round, since tcp_input() cannot be entered twice ---- */

static void
loop_fire(void *arg)
{
	(void)arg;
	inet_loop_poll();
}

/* lwIP's netif_loop_output() calls it (arch/cc.h). */
signed char
inet_poll_later(struct netif *netif)
{
	(void)netif;
	if (!callout_pending(&loop_callout))
		callout_reset_ns(&loop_callout, 0, loop_fire, NULL);
	return (ERR_OK);
}

/* ---- What else lwIP wants of a clock ---- */

u32_t
sys_now(void)
{
	return ((u32_t)(callout_now() / MS));
}

/* lwip_init() calls it; the callouts are made before. */
void
sys_timeouts_init(void)
{
}

void
inet_timers_init(void)
{
	callout_init(&tcp_timer_cyclic.callout, 1);
	callout_init(&arp_timer_cyclic.callout, 1);
	callout_init(&reass_timer_cyclic.callout, 1);
	callout_init(&nd6_timer_cyclic.callout, 1);
	callout_init(&mld6_timer_cyclic.callout, 1);
	callout_init(&reass6_timer_cyclic.callout, 1);
	callout_init(&dhcp_fine_cyclic.callout, 1);
	callout_init(&dhcp_coarse_cyclic.callout, 1);
	callout_init(&loop_callout, 1);
}

/* The module goes and the stack stays: nothing may be left in the worker's queue. */
void
inet_timers_stop(void)
{
	callout_stop(&tcp_timer_cyclic.callout);
	callout_stop(&arp_timer_cyclic.callout);
	callout_stop(&reass_timer_cyclic.callout);
	callout_stop(&nd6_timer_cyclic.callout);
	callout_stop(&mld6_timer_cyclic.callout);
	callout_stop(&reass6_timer_cyclic.callout);
	callout_stop(&dhcp_fine_cyclic.callout);
	callout_stop(&dhcp_coarse_cyclic.callout);
	callout_stop(&loop_callout);
}
