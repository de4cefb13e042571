/* SPDX-License-Identifier: BSD-2-Clause */
/* steps.ko: constructors of every kind, each of which asks the program whether it is to fail. */
#include "mod.h"

VNET_DEFINE(int, steps_var) = 42;
VNET_DEFINE_STATIC(int *, steps_ptr) = &VNET_NAME(steps_var);

#define STEP(n) \
	static int \
	up_##n(const void *arg) \
	{ \
		return (host_step(arg)); \
	} \
	static void \
	down_##n(const void *arg) \
	{ \
		host_undo(arg); \
	}

STEP(sys1)
STEP(sys2)
STEP(vnet2)
SYSINIT(sys1, SI_SUB_PROTO_BEGIN, SI_ORDER_FIRST, up_sys1, "sys1");
SYSUNINIT(sys1, SI_SUB_PROTO_BEGIN, SI_ORDER_FIRST, down_sys1, "sys1");
SYSINIT(sys2, SI_SUB_PROTO_END, SI_ORDER_FIRST, up_sys2, "sys2");
SYSUNINIT(sys2, SI_SUB_PROTO_END, SI_ORDER_FIRST, down_sys2, "sys2");

static int
up_vnet1(const void *arg)
{
	if (VNET(steps_var) != 42 || VNET(steps_ptr) != VNET_PTR(steps_var))
		return (-EDOM);
	VNET(steps_var)++;
	return (host_step(arg));
}

static void
down_vnet1(const void *arg)
{
	host_undo(arg);
}
VNET_SYSINIT(vnet1, SI_SUB_PROTO_IF, SI_ORDER_FIRST, up_vnet1, "vnet1");
VNET_SYSUNINIT(vnet1, SI_SUB_PROTO_IF, SI_ORDER_FIRST, down_vnet1, "vnet1");
VNET_SYSINIT(vnet2, SI_SUB_PROTO_IF, SI_ORDER_SECOND, up_vnet2, "vnet2");
VNET_SYSUNINIT(vnet2, SI_SUB_PROTO_IF, SI_ORDER_SECOND, down_vnet2, "vnet2");

static int
steps_event(module_t mod, int type, void *arg)
{
	(void)mod;
	switch (type) {
	case MOD_LOAD:
		return (-host_step(arg));
	case MOD_QUIESCE:
		return (host_quiesce);
	case MOD_UNLOAD:
		host_undo(arg);
		host_unload_events++;
		return (0);
	default:
		return (EOPNOTSUPP);
	}
}

static char event_name[] = "event";
static moduledata_t steps_mod = { "steps", steps_event, event_name };
DECLARE_MODULE(steps, steps_mod, SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY);
MODULE_VERSION(steps, 1);
