/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making and destroying configured stacks.
 *
 * A configuration is made whole or not at all: stacks_create() counts what it made and takes exactly that down
 * again, the last first.  The workers stop for one stack at a time, so those that run wait for microseconds however
 * long the file is.  Within a stack everything made is on one of its lists, so stack_destroy() undoes a
 * stack in whatever state its making stopped; the order is the reverse of making.
 *
 * Where a stack runs: with those that share its tunnel's port; on the CPU that it names; else beside a stack that it
 * has a link with, for packets between workers go through rings and wake-ups; else where there are fewest.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uvnet/sysctl.h>
#include "ping.h"
#include "relay.h"
#include "stack.h"
#include "tap.h"
#include "wg.h"
#include "wgoutside.h"
#include "wgport.h"

struct stack_list stacks = TAILQ_HEAD_INITIALIZER(stacks);
const struct inet_kpi *inet;
size_t stack_memory = CONFIG_MEMORY;

struct stack *
stack_find(const char *name)
{
	const struct vnet *vnet = vnet_find(name);

	return (vnet != NULL ? vnet->vnet_softc : NULL);	/* vnet0 is nobody's */
}

int
stack_hasnoroom(struct stack *st)
{
	if (!stack_isfull(st))
		return (0);
	if (!st->st_fullsaid)
		fprintf(stderr, "vnet: stack \"%s\": %u connections and clients are as many as it may have (`connections` in its "
		    "section); the next wait until one ends\n", st->st_vnet->vnet_name, st->st_maxconns);
	st->st_fullsaid = 1;
	return (1);
}

static struct worker *
stack_place(const struct config_vnet *cv, struct uverr *err)
{
	const struct stack *outer;
	struct worker *w;

	if (cv->outside[0] != '\0') {
		outer = stack_find(cv->outside);
		if (outer == NULL) {
			uverr(err, ENOENT, "wireguard_outside: there is no stack \"%s\" before this one", cv->outside);
			return (NULL);
		}
		if (cv->cpu < 0 || worker_cpu(outer->st_worker) == (unsigned)cv->cpu)
			return (outer->st_worker);
		uverr(err, EINVAL, "cpu: %d, but the stack of `wireguard_outside` runs on CPU %u", cv->cpu,
		    worker_cpu(outer->st_worker));
		return (NULL);
	}
	if (cv->wg != NULL && (w = wgport_worker(cv->wg->listen)) != NULL) {
		if (cv->cpu < 0 || worker_cpu(w) == (unsigned)cv->cpu)
			return (w);
		uverr(err, EINVAL, "cpu: %d, but its tunnel's ListenPort %u is another stack's as well, which runs on CPU %u",
		    cv->cpu, cv->wg->listen, worker_cpu(w));
		return (NULL);
	}
	if (cv->cpu >= 0) {
		w = worker_of((unsigned)cv->cpu);
		if (w == NULL)
			uverr(err, EINVAL, "cpu: no worker runs on CPU %d", cv->cpu);
		return (w);
	}
	for (size_t i = 0; i < cv->ninterfaces; i++) {
		w = link_worker(cv->interfaces[i].link);
		if (w != NULL)
			return (w);
	}
	return (worker_idlest());
}

int
route_create(const struct config_route *rt)
{
	struct ifnet *ifp = NULL;

	if (rt->ifname[0] != '\0' && (ifp = inet->ifunit(rt->ifname)) == NULL)
		return (-ENXIO);
	if (rt->six)
		return (inet->rt_add6(&rt->dst6, (unsigned)rt->prefixlen, ifp == NULL ? &rt->gateway6 : NULL, ifp));
	return (ifp == NULL ? inet->rt_add(rt->dst, (unsigned)rt->prefixlen, rt->gateway) :
	    inet->rt_addif(rt->dst, (unsigned)rt->prefixlen, ifp));
}

/* What a stack's section lists; the stack is current.  *line: of the part that failed. */
static int
stack_populate(struct stack *st, struct config_vnet *cv, int *line, struct uverr *err)
{
	size_t i;
	int error;

	/* Where address space is short the heap may have less room than the default; that is then the limit. */
	error = vnet_heap_setlimit(cv->memory != 0 ? cv->memory : stack_memory);
	if (error != 0 && cv->memory == 0)
		error = 0;
	if (error != 0)
		uverr(err, EINVAL, "memory: %zu KiB is more than the arena has for a stack; it is laid out when vnet starts, "
		    "for what its own file says", cv->memory >> 10);
	if (error == 0)
		inet->ip_setforwarding(cv->forwarding);
	for (i = 0; i < cv->nsysctls && error == 0; i++) {
		*line = cv->sysctls[i].line;
		error = sysctl_set(cv->sysctls[i].name, cv->sysctls[i].value, 1, err);
		if (error != 0)
			uverr_prefix(err, "sysctl");
	}
	for (i = 0; i < cv->ninterfaces && error == 0; i++) {
		*line = cv->interfaces[i].line;
		error = cv->interfaces[i].kind == CONFIG_LINK ? end_create(st, &cv->interfaces[i], err) :
		    hosttap_create(st, &cv->interfaces[i], err);
	}
	if (error == 0 && cv->wg != NULL) {
		*line = cv->line;
		error = wg_create(st, cv->wg, cv->outside[0] != '\0' ? stack_find(cv->outside) : NULL, err);
		if (error == 0)
			cv->wg = NULL;
		else
			uverr_prefix(err, "%s", cv->wireguard);
	}
	if (error == 0 && cv->uapi[0] != '\0')
		error = wgsock_create(st, cv->uapi, err);
	if (error == 0 && cv->negress > 0) {
		*line = cv->egress[0].line;
		error = egress_create(st, cv, err);
	}
	for (i = 0; i < cv->nroutes && error == 0; i++) {
		*line = cv->routes[i].line;
		error = route_create(&cv->routes[i]);
		if (error != 0)
			uverr(err, -error, "route: %s", strerror(-error));
	}
	if (error == 0 && st->st_wg != NULL) {
		*line = cv->line;
		error = wg_addroutes(st, err);
	}
	for (i = 0; i < cv->publishes.n && error == 0; i++) {
		*line = cv->publishes.v[i].line;
		error = cv->publishes.v[i].udp ? udpport_create(st, &cv->publishes.v[i], 1, err) :
		    publish_create(st, &cv->publishes.v[i], err);
	}
	for (i = 0; i < cv->forwards.n && error == 0; i++) {
		*line = cv->forwards.v[i].line;
		error = cv->forwards.v[i].udp ? udpport_create(st, &cv->forwards.v[i], 0, err) :
		    forward_create(st, &cv->forwards.v[i], err);
	}
	return (error);
}

static int
stack_create(const struct config *cfg, struct config_vnet *cv, struct uverr *err)
{
	struct stack *st;
	int error, line = cv->line;

	st = calloc(1, sizeof(*st));
	if (st == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	st->st_maxconns = cv->connections;
	LIST_INIT(&st->st_ends);
	LIST_INIT(&st->st_taps);
	LIST_INIT(&st->st_forwards);
	LIST_INIT(&st->st_publishes);
	LIST_INIT(&st->st_relays);
	LIST_INIT(&st->st_udpports);
	LIST_INIT(&st->st_pings);
	st->st_worker = stack_place(cv, err);
	if (st->st_worker == NULL) {
		error = -EINVAL;
		goto fail;
	}
	error = vnet_alloc(cv->name, worker_cpu(st->st_worker), &st->st_vnet, err);
	if (error != 0)
		goto fail;
	st->st_vnet->vnet_softc = st;
	worker_load(st->st_worker, 1);
	TAILQ_INSERT_TAIL(&stacks, st, st_le);
	CURVNET_SET(st->st_vnet);
	error = stack_populate(st, cv, &line, err);
	CURVNET_RESTORE();
	if (error != 0)
		goto fail_vnet;
	return (0);
fail_vnet:
	stack_destroy(st);
	st = NULL;
fail:
	free(st);
	uverr_prefix(err, "%s:%d: vnet \"%s\"", cfg->file, line, cv->name);
	return (error);
}

void
stack_destroy(struct stack *st)
{
	CURVNET_SET(st->st_vnet);
	while (!LIST_EMPTY(&st->st_pings))
		ping_destroy(LIST_FIRST(&st->st_pings));
	while (!LIST_EMPTY(&st->st_forwards))
		forward_destroy(LIST_FIRST(&st->st_forwards));
	while (!LIST_EMPTY(&st->st_publishes))
		publish_destroy(LIST_FIRST(&st->st_publishes));
	while (!LIST_EMPTY(&st->st_udpports))
		udpport_destroy(LIST_FIRST(&st->st_udpports));
	while (!LIST_EMPTY(&st->st_relays))
		relay_destroy(LIST_FIRST(&st->st_relays));
	wgsock_destroy(st);
	wg_destroy(st);
	outside_orphan(st);
	while (!LIST_EMPTY(&st->st_taps))
		hosttap_destroy(st, LIST_FIRST(&st->st_taps));
	egress_destroy(st);
	while (!LIST_EMPTY(&st->st_ends))
		end_destroy(LIST_FIRST(&st->st_ends));
	CURVNET_RESTORE();
	TAILQ_REMOVE(&stacks, st, st_le);
	worker_load(st->st_worker, -1);
	vnet_destroy(st->st_vnet);
	free(st);
}

int
stacks_create(struct config *cfg, struct uverr *err)
{
	size_t n;
	int error = 0;

	for (n = 0; n < cfg->nvnets; n++) {
		workers_stop();
		error = stack_create(cfg, &cfg->vnets[n], err);
		workers_resume();
		if (error != 0)
			break;
	}
	for (; error != 0 && n > 0; n--) {
		workers_stop();
		stack_destroy(TAILQ_LAST(&stacks, stack_list));
		workers_resume();
	}
	return (error);
}

void
stacks_destroy(void)
{
	while (!TAILQ_EMPTY(&stacks))
		stack_destroy(TAILQ_LAST(&stacks, stack_list));
}
