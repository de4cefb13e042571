/* SPDX-License-Identifier: BSD-2-Clause */
/* lwIP's fragments of IPv6, and when incomplete datagrams need a clock: as net/reass.c does it. */
#include "lwip/ip6_frag.h"
#include "inet_impl.h"

static struct pbuf *lwip_ip6_reass(struct pbuf *p);

#define ip6_reass lwip_ip6_reass
#include "core/ipv6/ip6_frag.c"
#undef ip6_reass

int
inet_reass6_busy(void)
{
	return (reassdatagrams != NULL);
}

int
inet_reass6_count(void)
{
	const struct ip6_reassdata *r;
	int n = 0;

	for (r = reassdatagrams; r != NULL; r = r->next)
		n++;
	return (n);
}

struct pbuf *
ip6_reass(struct pbuf *p)
{
	struct pbuf *whole = lwip_ip6_reass(p);

	if (reassdatagrams != NULL)
		inet_reass6_timer_needed();
	return (whole);
}
