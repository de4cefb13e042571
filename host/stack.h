/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configured stack: a vnet, its interfaces and the links they are on, its listeners, its connections.
 *
 * Made and destroyed by the main thread with all workers stopped (or not started yet); its listeners and relays
 * run on its worker.  Everything below belongs to one stack and goes with it.
 */
#ifndef HOST_STACK_H
#define HOST_STACK_H

#include <sys/queue.h>
#include <uvnet/net.h>
#include <uvnet/vnet.h>
#include "config.h"
#include "worker.h"

struct stack;
struct link;
struct relay;
struct capture;
struct tunnel;
struct wgsock;
struct egress;

/* An interface of a stack, which is an end of a link. */
struct end {
	LIST_ENTRY(end) e_le;
	struct stack *e_stack;
	struct link *e_link;
	struct ifnet *e_ifp;
	char e_name[IFNAMSIZ_UV];
};

struct link {
	TAILQ_ENTRY(link) l_le;
	LIST_ENTRY(link) l_hash;	/* links whose names have the same hash */
	struct end *l_ends[2];		/* [1] may be there without [0] */
	int l_up;			/* 0: cut by hand */
	struct capture *l_capture;
	char l_name[VNET_NAMELEN];
};
TAILQ_HEAD(link_list, link);
extern struct link_list links;

LIST_HEAD(end_list, end);
LIST_HEAD(forward_list, forward);
LIST_HEAD(publish_list, publish);
LIST_HEAD(relay_list, relay);
LIST_HEAD(udpport_list, udpport);
LIST_HEAD(ping_list, ping);
LIST_HEAD(hosttap_list, hosttap);

struct stack {
	TAILQ_ENTRY(stack) st_le;
	struct vnet *st_vnet;
	struct worker *st_worker;
	struct tunnel *st_wg;		/* its WireGuard (wg.c), or NULL */
	struct wgsock *st_wgsock;	/* where wg(8) configures that (wgsock.c), or NULL */
	struct egress *st_egress;	/* its peers' way out (egress.c), or NULL */
	struct end_list st_ends;
	struct hosttap_list st_taps;	/* interfaces on devices of the host (tap.c) */
	struct forward_list st_forwards;
	struct publish_list st_publishes;
	struct relay_list st_relays;
	struct udpport_list st_udpports;
	struct ping_list st_pings;
	unsigned st_npings;
	int st_fullsaid;		/* it was said that it has these */
	unsigned st_maxconns;		/* connections and clients of UDP ports at the most */
	unsigned st_nflows;		/* clients of UDP ports now */
	unsigned st_nrelays;		/* connections now, */
	uint64_t st_accepted, st_failed;	/* ever, and those that were refused or reset */
	uint64_t st_rx, st_tx;		/* bytes from the host into the stack, and out of it */
};
TAILQ_HEAD(stack_list, stack);
extern struct stack_list stacks;	/* all, in the order of their making */

/* The network stack's functions, found in inet.ko by run.c. */
extern const struct inet_kpi *inet;

/* The limit of a stack whose configuration says nothing of `memory`; run.c's, before the first is made. */
extern size_t stack_memory;

/*
 * Make every stack of a configuration, or none.  Errors: the sentence names the stack and the key; what was made
 * is undone.  What their tunnels' files say is taken out of the configuration.  stacks_destroy() takes all down, the
 * last made first.
 */
int stacks_create(struct config *cfg, struct uverr *err);
void stacks_destroy(void);

/* Reset its connections, close its listeners, destroy its interfaces, and the stack. */
void stack_destroy(struct stack *st);
struct stack *stack_find(const char *name);

/* Add a route of the current stack.  -ENXIO: it has no interface of that name; else as rt_add(). */
int route_create(const struct config_route *rt);

/* ---- Links (link.c) ---- */

/* Where a stack goes that has an interface on that link: the worker of one that is there, or NULL. */
struct worker *link_worker(const char *name);

/* Give a stack an interface on a link, which is made by its first end.  The stack is current. */
int end_create(struct stack *st, const struct config_interface *ifc, struct uverr *err);
void end_destroy(struct end *e);

/* Give an interface of the current stack the addresses that its section says. */
int interface_address(struct ifnet *ifp, const struct config_interface *ifc, int flags6, struct uverr *err);

struct link *link_find(const char *name);

/* Cut a link or restore it. */
void link_setstate(struct link *l, int up);

/* ---- Listeners ---- */

int forward_create(struct stack *st, const struct config_port *port, struct uverr *err);
void forward_destroy(struct forward *f);

/* Once, when the limit of descriptors is what it will be; whether a descriptor is not of the half kept for publishes. */
void forwards_init(void);
int forward_hasroom(int fd);

/* It has as many connections and clients as it may have (`connections`): the next waits until one ends. */
static inline int
stack_isfull(const struct stack *st)
{
	return (st->st_nrelays + st->st_nflows >= st->st_maxconns);
}

/* The same of a connection that waits for it now; says so on standard error, once a stack.  On its worker. */
int stack_hasnoroom(struct stack *st);

/* The stack is current, in both. */
int publish_create(struct stack *st, const struct config_port *port, struct uverr *err);
void publish_destroy(struct publish *p);

/* Either of datagrams (udp.c); the stack is current, in both. */
struct udpport;
int udpport_create(struct stack *st, const struct config_port *port, int publish, struct uverr *err);
void udpport_destroy(struct udpport *u);

/* ---- Egress (egress.c) ---- */

/* Let what comes in by wg0, which is there, out as the rules say; -errno, and nothing was made.  The stack is current. */
int egress_create(struct stack *st, const struct config_vnet *cv, struct uverr *err);
/* After its relays and wg0 are gone. */
void egress_destroy(struct stack *st);

/* ---- Captures (pcap.c) ---- */

/* Captures go to that directory from now on; NULL: no captures. */
int captures_init(const char *dir, struct uverr *err);
void captures_fini(void);
int captures_wanted(void);

/* The capture of a link, opened on first use and kept until captures_fini(). */
int capture_open(const char *link, struct capture **capture, struct uverr *err);

/* Record what this end sends and receives; the worker writes.  NULL: no end. */
void capture_tap(struct capture *c, struct end *e);

#endif
