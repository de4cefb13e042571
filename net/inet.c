/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inet.ko: the module.
 *
 * lwIP and its port are C that knows of one stack; vnetcc made every variable of theirs virtual, so that there are
 * as many stacks as are made.  What this file adds is when: lwIP is initialised in each stack by a VNET_SYSINIT, at
 * SI_SUB_INIT_IF, where FreeBSD makes its interface lists: before the modules that bring interfaces (they sit at
 * SI_SUB_PSEUDO, as FreeBSD's do) register their cloners, and so torn down after their interfaces are gone.
 *
 * The end of a stack frees nothing one by one: heap and variables vanish with it.  Only what is known outside is taken
 * back: the packets that the stack holds, and its callouts, for the stack may outlive this module.  Then its sockets
 * are the host's to close before; what is left of them lies in the stack's heap until the stack goes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uvnet/module.h>
#include <uvnet/net.h>
#include <uvnet/sysinit.h>
#include <uvnet/vnet.h>

#include "inet_impl.h"
#include "lwip/init.h"
#include "lwip/netif.h"

static int
vnet_inet_init(const void *arg)
{
	(void)arg;
	inet_timers_init();
	inet_sockets_init();
	inet_arp_init();
	lwip_init();
	inet_loop_init();
	return (0);
}
VNET_SYSINIT(vnet_inet_init, SI_SUB_INIT_IF, SI_ORDER_FIRST, vnet_inet_init, NULL);

static void
vnet_inet_uninit(const void *arg)
{
	(void)arg;
	inet_sockets_stop();
	inet_timers_stop();
	inet_packets_purge();
}
VNET_SYSUNINIT(vnet_inet_uninit, SI_SUB_INIT_IF, SI_ORDER_FIRST, vnet_inet_uninit, NULL);

static const moduledata_t inet_mod = { .name = "inet" };
DECLARE_MODULE(inet, inet_mod, SI_SUB_INIT_IF, SI_ORDER_FIRST);
MODULE_VERSION(inet, 1);

/* An assertion of lwIP's failed: this stack's state is wrong, and others' might be. */
void
inet_panic(const char *what, const char *file, int line)
{
	dprintf(2, "inet: stack %s: assertion failed: %s (%s:%d)\n",
	    curvnet != NULL ? curvnet->vnet_name : "(none)", what, file, line);
	abort();
}

const struct inet_kpi inet_kpi = {
	.version = INET_KPI_VERSION,
	.size = sizeof(struct inet_kpi),
	.ifunit = ifunit,
	.if_next = if_next,
	.if_name = if_name,
	.if_getindex = if_getindex,
	.if_getdata = if_getdata,
	.if_settap = if_settap,
	.if_setchecksums = if_setchecksums,
	.if_link_state_change = if_link_state_change,
	.if_addaddr = if_addaddr,
	.if_addaddr6 = if_addaddr6,
	.if_acceptrtadv = if_acceptrtadv,
	.if_getaddr6 = if_getaddr6,
	.if_dhcp = if_dhcp,
	.ip_setforwarding = ip_setforwarding,
	.rt_add = rt_add,
	.rt_addif = rt_addif,
	.rt_delete = rt_delete,
	.rt_get = rt_get,
	.rt_add6 = rt_add6,
	.rt_delete6 = rt_delete6,
	.rt_get6 = rt_get6,
	.if_clone_create = if_clone_create,
	.if_clone_destroy = if_clone_destroy,
	.socreate = socreate,
	.soupcall_set = soupcall_set,
	.sobind = sobind,
	.solisten = solisten,
	.soaccept = soaccept,
	.soconnect = soconnect,
	.sosend = sosend,
	.sosendto = sosendto,
	.sopeek = sopeek,
	.soconsume = soconsume,
	.soreceive = soreceive,
	.soreceivefrom = soreceivefrom,
	.soshutdown = soshutdown,
	.soclose = soclose,
	.soabort = soabort,
	.sostate = sostate,
	.soerror = soerror,
	.sospace = sospace,
	.sogetsockname = sogetsockname,
	.sogetpeername = sogetpeername,
	.inpcb_foreach = inpcb_foreach,
	.if_setegress = if_setegress,
	.soadmit = soadmit,
	.sorefuse = sorefuse,
	.egress_sendto = egress_sendto,
	.egress_refuse = egress_refuse,
};
