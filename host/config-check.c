/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What no single value of a configuration shows: names that are unique, links with two ends, addresses that can be
 * in use at the same time.  `check`, `run` and `create` all come through here, before anything is made.
 *
 * Uniqueness over a whole file is found by sorting pointers: ten thousand stacks are an ordinary file.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"

/* An interface or a port with the stack it is of, for sorting. */
struct item {
	const struct config_vnet *cv;
	const struct config_interface *ifc;
	const struct config_port *port;
	int line;
};

static int
name_cmp(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int cmp = strcmp(x->cv->name, y->cv->name);

	return (cmp != 0 ? cmp : x->line - y->line);
}

static int
link_cmp(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int cmp = strcmp(x->ifc->link, y->ifc->link);

	return (cmp != 0 ? cmp : x->line - y->line);
}

/* By protocol, family and port, then address: the one that is any address comes first of its port. */
static int
listen_cmp(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	const union config_addr *s = &x->port->listen, *t = &y->port->listen;
	int cmp;

	if (x->port->udp != y->port->udp)
		return (x->port->udp - y->port->udp);
	if (s->sa.sa_family != t->sa.sa_family)
		return (s->sa.sa_family - t->sa.sa_family);
	if (s->sin.sin_port != t->sin.sin_port)
		return (ntohs(s->sin.sin_port) < ntohs(t->sin.sin_port) ? -1 : 1);
	cmp = config_addrcmp(s, t);
	return (cmp != 0 ? cmp : x->line - y->line);
}

/* Whether the interface has a network with that IPv6 address; *ours: which is its own. */
static int
interface_neighbour6(const struct config_interface *ifc, const struct in6_addr *addr, int *ours)
{
	const struct config_addr6 *a;
	int i, bit;

	for (i = 0; i < ifc->naddr6; i++) {
		a = &ifc->addr6[i];
		for (bit = 0; bit < a->prefixlen; bit++)
			if (((a->addr.s6_addr[bit / 8] ^ addr->s6_addr[bit / 8]) & 0x80 >> bit % 8) != 0)
				break;
		if (bit == a->prefixlen) {
			*ours = memcmp(&a->addr, addr, sizeof(*addr)) == 0;
			return (1);
		}
	}
	return (0);
}

/* An IPv6 address that both have, or NULL. */
static const struct in6_addr *
addr6_common(const struct config_interface *a, const struct config_interface *b)
{
	for (int i = 0; i < a->naddr6; i++)
		for (int j = 0; j < b->naddr6; j++)
			if (memcmp(&a->addr6[i].addr, &b->addr6[j].addr, sizeof(struct in6_addr)) == 0)
				return (&a->addr6[i].addr);
	return (NULL);
}

static void
names_check(struct config *cfg, struct item *items)
{
	size_t n;

	for (n = 0; n < cfg->nvnets; n++)
		items[n] = (struct item){ .cv = &cfg->vnets[n], .line = cfg->vnets[n].line };
	qsort(items, n, sizeof(*items), name_cmp);
	for (size_t i = 1; i < n; i++)
		if (strcmp(items[i].cv->name, items[i - 1].cv->name) == 0)
			config_error(cfg, items[i].line, "vnet \"%s\": the name is taken by line %d", items[i].cv->name,
			    items[i - 1].line);
}

static int
uapi_cmp(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int cmp = strcmp(x->cv->uapi, y->cv->uapi);

	return (cmp != 0 ? cmp : x->line - y->line);
}

static int
outside_cmp(const void *name, const void *item)
{
	return (strcmp(name, ((const struct item *)item)->cv->name));
}

/* A tunnel's outside is there before the tunnel: in this file, or (`vnet create`) in the running vnet. */
static void
outsides_check(struct config *cfg, const struct item *by_name)
{
	const struct config_vnet *cv;
	const struct item *outer;

	for (size_t i = 0; i < cfg->nvnets; i++) {
		cv = &cfg->vnets[i];
		if (cv->outside[0] == '\0')
			continue;
		if (cv->wireguard == NULL)
			config_error(cfg, cv->outside_line, "vnet \"%s\": wireguard_outside: is for a stack with `wireguard`",
			    cv->name);
		outer = bsearch(cv->outside, by_name, cfg->nvnets, sizeof(*by_name), outside_cmp);
		if (outer != NULL && outer->cv >= cv)
			config_error(cfg, cv->outside_line, "vnet \"%s\": wireguard_outside: \"%s\" must stand before it, but is in"
			    " line %d", cv->name, cv->outside, outer->line);
	}
}

static void
uapis_check(struct config *cfg, struct item *items)
{
	const struct config_vnet *cv;
	size_t n = 0;

	for (size_t i = 0; i < cfg->nvnets; i++) {
		cv = &cfg->vnets[i];
		if (cv->uapi[0] == '\0')
			continue;
		items[n++] = (struct item){ .cv = cv, .line = cv->uapi_line };
		if (cv->wireguard == NULL)
			config_error(cfg, cv->uapi_line, "vnet \"%s\": uapi: is for a stack with `wireguard`", cv->name);
	}
	qsort(items, n, sizeof(*items), uapi_cmp);
	for (size_t i = 1; i < n; i++)
		if (strcmp(items[i].cv->uapi, items[i - 1].cv->uapi) == 0)
			config_error(cfg, items[i].line, "vnet \"%s\": uapi: \"%s\" is taken by line %d", items[i].cv->name,
			    items[i].cv->uapi, items[i - 1].line);
}

/* Whether who connects to `to` comes to a listener on `listen`; `any` is all addresses that the listener's side has. */
static int
leads_to(const union config_addr *to, const union config_addr *listen, int any)
{
	if (to->sa.sa_family != listen->sa.sa_family || to->sin.sin_port != listen->sin.sin_port)
		return (0);
	return (config_addrany(listen) ? any : config_addrcmp(to, listen) == 0);
}

static int
is_loopback(const union config_addr *addr)
{
	return (addr->sa.sa_family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&addr->sin6.sin6_addr) :
	    ntohl(addr->sin.sin_addr.s_addr) >> 24 == 127);
}

/*
 * A forward of `from` that leads to a publish of `to`, itself or at the other end of a link, and this one back to the
 * forward: the first connection would make all others that there can be.
 */
static void
circles_check(struct config *cfg, const struct config_vnet *from, const struct config_vnet *to)
{
	const struct config_port *f, *p;
	char addr[CONFIG_ADDRSTRLEN];

	for (size_t i = 0; i < from->forwards.n; i++)
		for (size_t j = 0; j < to->publishes.n; j++) {
			f = &from->forwards.v[i];
			p = &to->publishes.v[j];
			if (f->udp == p->udp && leads_to(&f->to, &p->listen, 1) &&
			    leads_to(&p->to, &f->listen, is_loopback(&p->to)))
				config_error(cfg, p->line, "vnet \"%s\": publish.to: %s is the forward in line %d, which leads here: "
				    "round and round", to->name, config_addrstr(&p->to, addr), f->line);
		}
}

static void
links_check(struct config *cfg, struct item *items)
{
	const struct config_vnet *cv;
	size_t n = 0;

	for (size_t i = 0; i < cfg->nvnets; i++) {
		cv = &cfg->vnets[i];
		for (size_t j = 0; j < cv->ninterfaces; j++)
			if (cv->interfaces[j].kind == CONFIG_LINK)
				items[n++] = (struct item){ .cv = cv, .ifc = &cv->interfaces[j], .line = cv->interfaces[j].line };
	}
	qsort(items, n, sizeof(*items), link_cmp);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(items[i].ifc->link, items[i - 1].ifc->link) != 0)
			continue;
		circles_check(cfg, items[i].cv, items[i - 1].cv);
		circles_check(cfg, items[i - 1].cv, items[i].cv);
		if (i > 1 && strcmp(items[i].ifc->link, items[i - 2].ifc->link) == 0)
			config_error(cfg, items[i].line, "vnet \"%s\": interface %s: link \"%s\" has two ends already,"
			    " in lines %d and %d (more would need a bridge)", items[i].cv->name, items[i].ifc->name,
			    items[i].ifc->link, items[i - 2].line, items[i - 1].line);
		else if ((items[i].ifc->prefixlen >= 0 && items[i - 1].ifc->prefixlen >= 0 &&
		    items[i].ifc->addr.s_addr == items[i - 1].ifc->addr.s_addr) ||
		    addr6_common(items[i].ifc, items[i - 1].ifc) != NULL)
			config_error(cfg, items[i].line, "vnet \"%s\": interface %s: the other end of link \"%s\", in"
			    " line %d, has the same address", items[i].cv->name, items[i].ifc->name, items[i].ifc->link,
			    items[i - 1].line);
	}
}

/* Sorted, two listeners that cannot both be are neighbours, or one of them is the `*` of that port. */
static void
listens_check(struct config *cfg, struct item *items, size_t n, const char *kind)
{
	const struct item *wild = NULL, *other;
	char addr[CONFIG_ADDRSTRLEN];

	qsort(items, n, sizeof(*items), listen_cmp);
	for (size_t i = 0; i < n; i++) {
		other = NULL;
		if (i > 0 && items[i].port->udp == items[i - 1].port->udp &&
		    items[i].port->listen.sa.sa_family == items[i - 1].port->listen.sa.sa_family &&
		    items[i].port->listen.sin.sin_port == items[i - 1].port->listen.sin.sin_port) {
			if (wild != NULL)
				other = wild;
			else if (config_addrcmp(&items[i].port->listen, &items[i - 1].port->listen) == 0)
				other = &items[i - 1];
		} else {
			wild = NULL;
		}
		if (config_addrany(&items[i].port->listen) && wild == NULL)
			wild = &items[i];
		if (other != NULL)
			config_error(cfg, items[i].line, "vnet \"%s\": %s.listen: %s is taken by line %d",
			    items[i].cv->name, kind, config_addrstr(&items[i].port->listen, addr), other->line);
	}
}

static void
routes_check(struct config *cfg, const struct config_vnet *cv)
{
	const struct config_route *rt;
	const struct config_interface *ifc;
	char gw[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	size_t i, j;
	uint32_t mask;
	int ours;

	for (i = 0; i < cv->nroutes; i++) {
		rt = &cv->routes[i];
		inet_ntop(rt->six ? AF_INET6 : AF_INET, rt->six ? (const void *)&rt->gateway6 : &rt->gateway, gw, sizeof(gw));
		inet_ntop(rt->six ? AF_INET6 : AF_INET, rt->six ? (const void *)&rt->dst6 : &rt->dst, dst, sizeof(dst));
		ours = 0;
		for (j = 0; j < cv->ninterfaces; j++) {
			ifc = &cv->interfaces[j];
			if (rt->six && interface_neighbour6(ifc, &rt->gateway6, &ours))
				break;
			if (rt->six)
				continue;
			mask = ifc->prefixlen > 0 ? htonl(0xffffffffU << (32 - ifc->prefixlen)) : 0;
			if (ifc->prefixlen >= 0 && ((rt->gateway.s_addr ^ ifc->addr.s_addr) & mask) == 0)
				break;
		}
		if (rt->ifname[0] != '\0') {
			for (j = 0; j < cv->ninterfaces && strcmp(cv->interfaces[j].name, rt->ifname) != 0; j++)
				continue;
			if (j < cv->ninterfaces ? cv->interfaces[j].kind != CONFIG_TUN : cv->wireguard == NULL)
				config_error(cfg, rt->line, "vnet \"%s\": route.interface: %s: %s", cv->name, rt->ifname,
				    j < cv->ninterfaces ? "is Ethernet; a route over it needs a `gateway`" :
				    "this stack has no tunnel of that name");
		} else if (j == cv->ninterfaces)
			config_error(cfg, rt->line, "vnet \"%s\": gateway %s: no interface of this stack has a network with that"
			    " address", cv->name, gw);
		else if (rt->six ? ours : rt->gateway.s_addr == cv->interfaces[j].addr.s_addr)
			config_error(cfg, rt->line, "vnet \"%s\": gateway %s: is this stack itself", cv->name, gw);
		for (j = 0; j < i; j++)
			if (rt->six == cv->routes[j].six && rt->prefixlen == cv->routes[j].prefixlen && (rt->six ?
			    memcmp(&rt->dst6, &cv->routes[j].dst6, sizeof(rt->dst6)) == 0 :
			    rt->dst.s_addr == cv->routes[j].dst.s_addr))
				config_error(cfg, rt->line, "vnet \"%s\": route to %s/%d: there is one in line %d", cv->name, dst,
				    rt->prefixlen, cv->routes[j].line);
	}
}

/* Who goes out, and whether there is something left to go out. */
static void
egress_check(struct config *cfg, const struct config_vnet *cv)
{
	const int line = cv->negress > 0 ? cv->egress[0].line : cv->line;

	if (cv->negress > 0 && cv->wireguard == NULL)
		config_error(cfg, line, "vnet \"%s\": egress: is the way out of a tunnel's peers; this stack has no `wireguard`",
		    cv->name);
	if (cv->egress_idle != 0 && cv->negress == 0)
		config_error(cfg, line, "vnet \"%s\": egress_idle: there is no `egress`", cv->name);
	for (size_t i = 0; cv->negress > 0 && i < cv->nroutes; i++)
		if (cv->routes[i].prefixlen == 0)
			config_error(cfg, cv->routes[i].line, "vnet \"%s\": a route to everything leaves nothing to `egress`, in"
			    " line %d", cv->name, line);
}

/* An interface that takes advertised addresses may have any. */
static int
interface_has(const struct config_interface *ifc, const union config_addr *addr)
{
	if (addr->sa.sa_family == AF_INET)	/* what a server gives is not there yet: a publish on it has to say * */
		return (ifc->prefixlen >= 0 && ifc->addr.s_addr == addr->sin.sin_addr.s_addr);
	for (int i = 0; i < ifc->naddr6; i++)
		if (memcmp(&ifc->addr6[i].addr, &addr->sin6.sin6_addr, sizeof(struct in6_addr)) == 0)
			return (1);
	return (0);
}

/* What a single stack says. */
static void
vnet_check(struct config *cfg, const struct config_vnet *cv)
{
	const struct config_interface *ifc, *other;
	const union config_addr *listen;
	char addr[CONFIG_ADDRSTRLEN];
	uint32_t host, mask;
	size_t i, j;

	for (i = 0; i < cv->ninterfaces; i++) {
		ifc = &cv->interfaces[i];
		if (ifc->kind == CONFIG_LINK && ifc->link[0] == '\0')
			config_error(cfg, ifc->line, "vnet \"%s\": interface %s: has no `link`", cv->name, ifc->name);
		if (ifc->kind == CONFIG_TUN && (ifc->dhcp || ifc->slaac))
			config_error(cfg, ifc->line, "vnet \"%s\": interface %s.address: a TUN device has no neighbours that"
			    " could give it one", cv->name, ifc->name);
		for (j = 0; j < i; j++) {
			other = &cv->interfaces[j];
			if (strcmp(ifc->name, other->name) == 0)
				config_error(cfg, ifc->line, "vnet \"%s\": interface %s: the name is taken by line %d",
				    cv->name, ifc->name, other->line);
			else if ((ifc->prefixlen >= 0 && other->prefixlen >= 0 &&
			    ifc->addr.s_addr == other->addr.s_addr) || addr6_common(ifc, other) != NULL)
				config_error(cfg, ifc->line, "vnet \"%s\": interface %s: interface %s, in line %d, has the"
				    " same address", cv->name, ifc->name, other->name, other->line);
		}
		if (ifc->prefixlen < 0)
			continue;
		if (ifc->dhcp)
			config_error(cfg, ifc->line, "vnet \"%s\": interface %s.address: an IPv4 address, and DHCP", cv->name,
			    ifc->name);
		host = ntohl(ifc->addr.s_addr);
		mask = ifc->prefixlen > 0 ? 0xffffffffU << (32 - ifc->prefixlen) : 0;
		if (host == 0 || host == 0xffffffffU || IN_MULTICAST(host) || IN_BADCLASS(host) || host >> 24 == 127 ||
		    (ifc->prefixlen < 31 && ((host & ~mask) == 0 || (host & ~mask) == ~mask)))
			config_error(cfg, ifc->line, "vnet \"%s\": interface %s.address: %s/%d is not a host's address",
			    cv->name, ifc->name, inet_ntop(AF_INET, &ifc->addr, addr, sizeof(addr)), ifc->prefixlen);
	}
	routes_check(cfg, cv);
	egress_check(cfg, cv);
	circles_check(cfg, cv, cv);
	for (i = 0; i < cv->publishes.n; i++) {
		listen = &cv->publishes.v[i].listen;
		for (j = 0; j < cv->ninterfaces && !config_addrany(listen); j++)
			if (interface_has(&cv->interfaces[j], listen))
				break;
		/* A wg-quick file has addresses, too; those are seen when it is read. */
		if (!config_addrany(listen) && j == cv->ninterfaces && cv->wireguard == NULL)
			config_error(cfg, cv->publishes.v[i].line, "vnet \"%s\": publish.listen: %s: no interface of this"
			    " stack has that address", cv->name, config_addrstr(&cv->publishes.v[i].listen, addr));
	}
}

void
config_check(struct config *cfg)
{
	const struct config_vnet *cv;
	struct item *items;
	size_t n = cfg->nvnets, i, j;

	if (cfg->nvnets == 0) {
		config_error(cfg, 0, "describes no stack: at least one section `vnet NAME { ... }` is wanted");
		return;
	}
	for (i = 0; i < cfg->nvnets; i++) {
		cv = &cfg->vnets[i];
		n += cv->ninterfaces + cv->forwards.n + cv->publishes.n;
		vnet_check(cfg, cv);
	}
	items = calloc(n, sizeof(*items));
	if (items == NULL) {
		config_error(cfg, 0, "out of memory");
		return;
	}
	names_check(cfg, items);
	outsides_check(cfg, items);
	uapis_check(cfg, items);
	links_check(cfg, items);
	for (n = 0, i = 0; i < cfg->nvnets; i++) {
		cv = &cfg->vnets[i];
		for (j = 0; j < cv->forwards.n; j++, n++)
			items[n] = (struct item){ .cv = cv, .port = &cv->forwards.v[j], .line = cv->forwards.v[j].line };
	}
	listens_check(cfg, items, n, "forward");
	for (i = 0; i < cfg->nvnets; i++) {
		cv = &cfg->vnets[i];
		for (j = 0; j < cv->publishes.n; j++)
			items[j] = (struct item){ .cv = cv, .port = &cv->publishes.v[j], .line = cv->publishes.v[j].line };
		listens_check(cfg, items, cv->publishes.n, "publish");
	}
	free(items);
}
