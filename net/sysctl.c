/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inet.ko's names in the sysctl tree, under FreeBSD's names where it has them.
 *
 * The variables are where they are used, declared by VNET_DEFINE: what vnetcc makes virtual by itself has no address that
 * a table for all stacks could hold.  Other modules may put names below the nodes.
 */
#include <errno.h>
#include <uvnet/sysctl.h>
#include <uvnet/vnet.h>

#include "inet_impl.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/udp.h"

SYSCTL_NODE(_net_inet, OID_AUTO, ip, CTLFLAG_RW, NULL, "IP");
SYSCTL_NODE(_net_inet, OID_AUTO, tcp, CTLFLAG_RW, NULL, "TCP");
SYSCTL_NODE(_net_inet, OID_AUTO, udp, CTLFLAG_RW, NULL, "UDP");
SYSCTL_NODE(_net_inet6, OID_AUTO, ip6, CTLFLAG_RW, NULL, "IP6");

int
inet_sysctl_int(SYSCTL_HANDLER_ARGS)
{
	int n = *(const int *)arg1, error;

	error = sysctl_handle_int(oidp, &n, 0, req);
	if (error != 0 || req->newptr == NULL)
		return (error);
	if (n < (int)(arg2 >> 32) || n > (int)(arg2 & INT32_MAX))
		return (EINVAL);
	*(int *)arg1 = n;
	return (0);
}

/* ---- What new sockets and packets begin with ---- */

VNET_DEFINE_STATIC(int, ip_defttl) = 64;
SYSCTL_PROC(_net_inet_ip, OID_AUTO, ttl, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RWTUN, &VNET_NAME(ip_defttl),
    INET_SYSCTL_BOUNDS(1, 255), inet_sysctl_int, "I", "TTL of what this stack sends, of new sockets: 1 to 255");

unsigned char
inet_ttl(void)
{
	return ((unsigned char)VNET(ip_defttl));
}

VNET_DEFINE_STATIC(int, tcp_msl) = 30000;
SYSCTL_PROC(_net_inet_tcp, OID_AUTO, msl, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RWTUN, &VNET_NAME(tcp_msl),
    INET_SYSCTL_BOUNDS(500, 600000), inet_sysctl_int, "I", "Half the time of TIME_WAIT, in ms: 500 to 600000");

unsigned
inet_tcp_msl(void)
{
	return ((unsigned)VNET(tcp_msl));
}

/* ---- What there is ---- */

static int
out(int n, struct sysctl_req *req)
{
	return (SYSCTL_OUT(req, &n, sizeof(n)));
}

static int
tcp_pcbcount(SYSCTL_HANDLER_ARGS)
{
	const struct tcp_pcb_listen *l;
	const struct tcp_pcb *pcb;
	int n = 0;

	(void)oidp, (void)arg1, (void)arg2;
	for (l = tcp_listen_pcbs.listen_pcbs; l != NULL; l = l->next)
		n++;
	for (pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
		n++;
	for (pcb = tcp_tw_pcbs; pcb != NULL; pcb = pcb->next)
		n++;
	return (out(n, req));
}
SYSCTL_PROC(_net_inet_tcp, OID_AUTO, pcbcount, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RD | CTLFLAG_STATS, NULL, 0,
    tcp_pcbcount, "I", "Connections and listeners now");

static int
udp_pcbcount(SYSCTL_HANDLER_ARGS)
{
	const struct udp_pcb *pcb;
	int n = 0;

	(void)oidp, (void)arg1, (void)arg2;
	for (pcb = udp_pcbs; pcb != NULL; pcb = pcb->next)
		n++;
	return (out(n, req));
}
SYSCTL_PROC(_net_inet_udp, OID_AUTO, pcbcount, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RD | CTLFLAG_STATS, NULL, 0,
    udp_pcbcount, "I", "UDP sockets now");

static int
ip_fragpackets(SYSCTL_HANDLER_ARGS)
{
	(void)oidp, (void)arg1, (void)arg2;
	return (out(inet_reass_count(), req));
}
SYSCTL_PROC(_net_inet_ip, OID_AUTO, fragpackets, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RD | CTLFLAG_STATS, NULL, 0,
    ip_fragpackets, "I", "Datagrams that wait for fragments now");

static int
ip6_fragpackets(SYSCTL_HANDLER_ARGS)
{
	(void)oidp, (void)arg1, (void)arg2;
	return (out(inet_reass6_count(), req));
}
SYSCTL_PROC(_net_inet6_ip6, OID_AUTO, fragpackets, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RD | CTLFLAG_STATS, NULL, 0,
    ip6_fragpackets, "I", "Datagrams that wait for fragments now");
