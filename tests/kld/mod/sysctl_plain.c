/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A module that forgets CTLFLAG_VNET: its name would show the template.  With -DTAKEN one whose name is taken: the load
 * fails when half of its names are there.
 */
#include <uvnet/module.h>
#include <uvnet/sysctl.h>
#include <uvnet/vnet.h>

VNET_DEFINE_STATIC(int, plain_value) = 1;
SYSCTL_INT(_kern, OID_AUTO, plain_first, CTLFLAG_VNET | CTLFLAG_RW, &VNET_NAME(plain_value), 0, "Right");
#ifdef TAKEN
SYSCTL_INT(_kern, OID_AUTO, hostname, CTLFLAG_VNET | CTLFLAG_RW, &VNET_NAME(plain_value), 0, "Taken");
#else
SYSCTL_INT(_kern, OID_AUTO, plain_second, CTLFLAG_RW, &VNET_NAME(plain_value), 0, "Forgotten");
#endif

static const moduledata_t plain_mod = { .name = "sysctl_plain" };
DECLARE_MODULE(sysctl_plain, plain_mod, SI_SUB_PSEUDO, SI_ORDER_ANY);
MODULE_VERSION(sysctl_plain, 1);
