/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The outside of a tunnel in another stack: a tunnel within a tunnel, or over links of this process.
 *
 * It is a pair of UDP sockets of that stack, for lwIP's IPv6 sockets take no IPv4.  Both stacks run on one worker.
 *
 * Out: if_wg seals while the inner stack is in the middle of its own work, so nothing is sent at once.  Datagrams are
 * kept until the worker is between stacks, or there is room for no more; then the outer stack is entered and they go
 * one by one.  There they may be sealed once more, into the memory of another port: this one is never asked for room
 * meanwhile, because the outer stack was made before the inner one, and so tunnels do not go round in a circle.
 *
 * In: the sockets' upcall, with no stack current, as if_wg wants it.
 *
 * The outer stack may go first.  Its sockets go with it, and the tunnel is then one whose cable was pulled.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "stack.h"
#include "wg.h"
#include "wgoutside.h"

#define DATAGRAMS 32	/* a turn's packets (src/vnet/netisr.c) */
#define TRIES 16	/* numbers, until one is free in both families */

struct datagram {
	struct wg_endpoint to;
	size_t len;
	unsigned char data[WG_DATAGRAM_MAX];
};

struct outside {
	LIST_ENTRY(outside) o_le;
	struct stack *o_stack;		/* NULL: it is gone */
	struct worker *o_worker;
	struct socket *o_so[2];		/* IPv4, IPv6 */
	struct wg_port *o_port;
	uint16_t o_listen;
	struct task o_task;
	unsigned o_n;
	struct datagram o_out[DATAGRAMS];
};

static LIST_HEAD(, outside) outsides = LIST_HEAD_INITIALIZER(outsides);

/* ---- Out ---- */

static void
outside_flush(struct outside *o)
{
	const unsigned n = o->o_n;

	if (o->o_stack != NULL) {
		CURVNET_SET(o->o_stack->st_vnet);
		for (const struct datagram *d = o->o_out; d < o->o_out + n; d++)
			inet->sosendto(o->o_so[d->to.remote.sa.sa_family == AF_INET6], d->data, d->len, &d->to.remote.sa);
		CURVNET_RESTORE();
	}
	o->o_n = 0;
}

static void
outside_task(struct task *t)
{
	outside_flush((struct outside *)((char *)t - offsetof(struct outside, o_task)));
}

static void *
outside_reserve(void *arg, const struct wg_endpoint *to, size_t len)
{
	struct outside *o = arg;

	if (o->o_stack == NULL || len > WG_DATAGRAM_MAX)
		return (NULL);
	if (o->o_n == DATAGRAMS)
		outside_flush(o);
	if (o->o_n == 0)
		worker_ready(o->o_worker, &o->o_task);
	o->o_out[o->o_n].to = *to;
	return (o->o_out[o->o_n].data);
}

static void
outside_commit(void *arg, size_t len)
{
	struct outside *o = arg;

	o->o_out[o->o_n++].len = len;
}

/* ---- In ---- */

static void
outside_input(struct socket *so, void *arg)
{
	unsigned char data[WG_DATAGRAM_MAX];
	struct outside *o = arg;
	struct wg_endpoint from;
	ssize_t n;

	for (;;) {
		memset(&from, 0, sizeof(from));
		n = so == o->o_so[0] ? inet->soreceivefrom(so, data, sizeof(data), &from.remote.sin) :
		    inet->soreceivefrom(so, data, sizeof(data), &from.remote.sin6);
		if (n < 0)
			break;
		from.remote.sa.sa_family = so == o->o_so[0] ? AF_INET : AF_INET6;
		CURVNET_SET(NULL);
		wg->input(o->o_port, data, (size_t)n, 0, &from);
		CURVNET_RESTORE();
	}
}

/* ---- Making ---- */

/* One number for both families; the outer stack is current. */
static int
pair_open(uint16_t *listen, struct socket *so[2])
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(*listen) };
	int error;

	error = inet->socreate(AF_INET, &so[0], SOCK_DGRAM, 0);
	if (error != 0)
		return (error);
	error = inet->socreate(AF_INET6, &so[1], SOCK_DGRAM, 0);
	if (error != 0)
		goto fail;
	if ((error = inet->sobind(so[0], &sin)) != 0 || (error = inet->sogetsockname(so[0], &sin)) != 0)
		goto fail_pair;
	sin6.sin6_port = sin.sin_port;
	if ((error = inet->sobind(so[1], &sin6)) != 0)
		goto fail_pair;
	*listen = ntohs(sin.sin_port);
	return (0);

fail_pair:
	inet->soclose(so[1]);
fail:
	inet->soclose(so[0]);
	return (error);
}

static int
outside_listen(void *arg, uint16_t *listen)
{
	struct outside *o = arg;
	struct socket *so[2];
	int error = -EADDRINUSE;

	if (o->o_stack == NULL)
		return (-ENETDOWN);
	CURVNET_SET(o->o_stack->st_vnet);
	for (int i = 0; i < (*listen == 0 ? TRIES : 1) && error == -EADDRINUSE; i++)
		error = pair_open(listen, so);
	for (int i = 0; i < 2 && error == 0; i++) {
		if (o->o_so[i] != NULL)
			inet->soclose(o->o_so[i]);
		o->o_so[i] = so[i];
		if (o->o_port != NULL)
			inet->soupcall_set(so[i], outside_input, o);
	}
	CURVNET_RESTORE();
	if (error == 0)
		o->o_listen = *listen;
	return (error);
}

const struct wg_port_ops outside_ops = {
	.reserve = outside_reserve, .commit = outside_commit, .listen = outside_listen
};

int
outside_create(struct stack *in, uint16_t *listen, struct outside **outside)
{
	struct outside *o = calloc(1, sizeof(*o));
	int error;

	if (o == NULL)
		return (-ENOMEM);
	o->o_stack = in;
	o->o_worker = in->st_worker;
	o->o_task.t_func = outside_task;
	error = outside_listen(o, listen);
	if (error != 0) {
		free(o);
		return (error);
	}
	LIST_INSERT_HEAD(&outsides, o, o_le);
	*outside = o;
	return (0);
}

/* Its sockets are closed, and what was to go is lost. */
static void
outside_close(struct outside *o)
{
	worker_unready(o->o_worker, &o->o_task);
	o->o_n = 0;
	if (o->o_stack == NULL)
		return;
	CURVNET_SET(o->o_stack->st_vnet);
	for (int i = 0; i < 2; i++)
		inet->soclose(o->o_so[i]);
	CURVNET_RESTORE();
	o->o_stack = NULL;
}

void
outside_destroy(struct outside *o)
{
	outside_close(o);
	LIST_REMOVE(o, o_le);
	free(o);
}

void
outside_setport(struct outside *o, struct wg_port *port)
{
	o->o_port = port;
	if (o->o_stack == NULL)
		return;
	if (port == NULL)
		outside_flush(o);
	CURVNET_SET(o->o_stack->st_vnet);
	for (int i = 0; i < 2; i++)
		inet->soupcall_set(o->o_so[i], port != NULL ? outside_input : NULL, o);
	CURVNET_RESTORE();
}

uint16_t
outside_number(const struct outside *o)
{
	return (o->o_listen);
}

void
outside_orphan(struct stack *in)
{
	struct outside *o;

	LIST_FOREACH (o, &outsides, o_le)
		if (o->o_stack == in)
			outside_close(o);
}
