/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's IP fragments, and when incomplete datagrams need a clock: as net/arp.c does it.  ip4_reass() is the only
 * way in; the timer starts when it leaves something behind, and stops when all is complete or given up.
 */
#include "lwip/ip4_frag.h"
#include "inet_impl.h"

static struct pbuf *lwip_ip4_reass(struct pbuf *p);

#define ip4_reass lwip_ip4_reass
#include "core/ipv4/ip4_frag.c"
#undef ip4_reass

int
inet_reass_busy(void)
{
	return (reassdatagrams != NULL);
}

int
inet_reass_count(void)
{
	const struct ip_reassdata *r;
	int n = 0;

	for (r = reassdatagrams; r != NULL; r = r->next)
		n++;
	return (n);
}

struct pbuf *
ip4_reass(struct pbuf *p)
{
	struct pbuf *whole = lwip_ip4_reass(p);

	if (reassdatagrams != NULL)
		inet_reass_timer_needed();
	return (whole);
}
