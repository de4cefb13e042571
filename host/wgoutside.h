/* SPDX-License-Identifier: BSD-2-Clause */
/* The outside of a tunnel in another stack (wgoutside.c). */
#ifndef HOST_WGOUTSIDE_H
#define HOST_WGOUTSIDE_H

#include <uvnet/if_wg.h>

struct stack;
struct outside;

/* What if_wg calls; its argument is the outside. */
extern const struct wg_port_ops outside_ops;

/*
 * UDP sockets of that stack, for IPv4 and IPv6, at a number (0: any, which is returned).  -EADDRINUSE, -ENOMEM.  With
 * all workers stopped, as everything here.
 */
int outside_create(struct stack *in, uint16_t *listen, struct outside **outside);
void outside_destroy(struct outside *o);

/* Whom to hand datagrams to; NULL: nobody, and they wait in the sockets. */
void outside_setport(struct outside *o, struct wg_port *port);

uint16_t outside_number(const struct outside *o);

/* The stack goes: the tunnels whose outside it is hear and say nothing more. */
void outside_orphan(struct stack *in);

#endif
