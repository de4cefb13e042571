/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From libucl's tree to a `struct config`.
 *
 * Nothing in the tree is taken on trust: every key must be known, every value of its kind, and what is given once
 * only may not be there twice.  The walk goes on after a fault, so that one `vnet check` tells all of them.
 *
 * libucl has three forms for "several of these": a chain of objects (the key several times), a list, and named
 * sections inside one section; `struct values` makes the first two one.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucl.h>
#include "config.h"

/* One walk: where the results and the lines are, and which stack's section it is in. */
struct walk {
	struct config *cfg;
	struct scan *scan;
	const char *vnet;
};

#define WALK_ERROR(w, mark, fmt, ...) \
	config_error((w)->cfg, scan_line((w)->scan, mark), "%s%s%s" fmt, \
	    (w)->vnet != NULL ? "vnet \"" : "", (w)->vnet != NULL ? (w)->vnet : "", \
	    (w)->vnet != NULL ? "\": " : "", __VA_ARGS__)

/* ---- Values ---- */

struct values {
	const ucl_object_t *link;
	unsigned index;
};

static const ucl_object_t *
values_next(struct values *vals)
{
	const ucl_object_t *v;

	while (vals->link != NULL) {
		if (ucl_object_type(vals->link) != UCL_ARRAY) {
			v = vals->link;
			vals->link = v->next;
			return (v);
		}
		v = ucl_array_find_index(vals->link, vals->index++);
		if (v != NULL)
			return (v);
		vals->link = vals->link->next;
		vals->index = 0;
	}
	return (NULL);
}

/* The string of a key given once; NULL after a fault. */
static const char *
value_string(struct walk *w, int mark, const char *path, const ucl_object_t *head)
{
	const char *s;
	size_t len;

	if (head->next != NULL || ucl_object_type(head) == UCL_ARRAY) {
		WALK_ERROR(w, mark, "%s: given more than once", path);
	} else if (ucl_object_type(head) == UCL_OBJECT) {
		WALK_ERROR(w, mark, "%s: a section, where a value is wanted", path);
	} else if (!ucl_object_tolstring_safe(head, &s, &len)) {
		WALK_ERROR(w, mark, "%s: not a string (write it in quotes)", path);
	} else if (strlen(s) != len) {
		WALK_ERROR(w, mark, "%s: a NUL byte in the string", path);
	} else {
		return (s);
	}
	return (NULL);
}

/* The whole number of a key given once, within [0, max]; -1 after a fault. */
static int
value_int(struct walk *w, int mark, const char *path, const ucl_object_t *head, int min, int max)
{
	int64_t n;

	if (head->next != NULL || ucl_object_type(head) == UCL_ARRAY)
		WALK_ERROR(w, mark, "%s: given more than once", path);
	else if (ucl_object_type(head) != UCL_INT || !ucl_object_toint_safe(head, &n) || n < min || n > max)
		WALK_ERROR(w, mark, "%s: not a whole number from %d to %d", path, min, max);
	else
		return ((int)n);
	return (-1);
}

/* Room for one more element behind the n there are; NULL after a fault. */
static void *
append(struct walk *w, void *array, size_t n, size_t size)
{
	void *grown = array;

	if ((n & (n - 1)) == 0) {	/* capacity: the next power of two */
		grown = realloc(array, (n > 0 ? 2 * n : 1) * size);
		if (grown == NULL) {
			config_error(w->cfg, 0, "out of memory");
			return (NULL);
		}
	}
	memset((char *)grown + n * size, 0, size);
	return (grown);
}

/* ---- Sections ---- */

/* `address`: one of IPv4, some of IPv6, or that these are advertised; a list, or several times. */
static void
addresses_walk(struct walk *w, struct config_interface *ifc, int section, int mark, const char *path,
    const ucl_object_t *head)
{
	struct values vals = { .link = head };
	struct config_addr6 *a6;
	const ucl_object_t *v;
	const char *s, *fault;
	int n = 0;

	while ((v = values_next(&vals)) != NULL) {
		if (n++ > 0)
			mark = scan_key(w->scan, section, "address");
		if (ucl_object_type(v) == UCL_OBJECT || !ucl_object_tostring_safe(v, &s)) {
			WALK_ERROR(w, mark, "%s: not a string (write it in quotes)", path);
		} else if (strcmp(s, "SLAAC") == 0) {
			ifc->slaac = 1;
		} else if (strcmp(s, "DHCP") == 0) {
			ifc->dhcp = 1;
		} else if (strchr(s, ':') != NULL) {
			if (ifc->naddr6 == CONFIG_MAXADDR6) {
				WALK_ERROR(w, mark, "%s: more than %d IPv6 addresses", path, CONFIG_MAXADDR6);
				return;
			}
			a6 = &ifc->addr6[ifc->naddr6++];
			fault = config_prefix6(s, 0, &a6->addr, &a6->prefixlen);
			if (fault != NULL)
				WALK_ERROR(w, mark, "%s: \"%.64s\" %s", path, s, fault);
		} else if (ifc->prefixlen >= 0) {
			WALK_ERROR(w, mark, "%s: more than one IPv4 address", path);
		} else {
			fault = config_prefix(s, 0, &ifc->addr, &ifc->prefixlen);
			if (fault != NULL) {
				WALK_ERROR(w, mark, "%s: \"%.64s\" %s", path, s, fault);
				ifc->prefixlen = 32;
			}
		}
	}
}

static void
interface_walk(struct walk *w, struct config_interface *ifc, int mark, const ucl_object_t *obj)
{
	const ucl_object_t *head;
	ucl_object_iter_t it = NULL;
	static const char *const kinds[] = {
		[CONFIG_LINK] = "link", [CONFIG_TUN] = "tun", [CONFIG_TAP] = "tap", [CONFIG_PACKET] = "packet"
	};
	char path[256], *to;
	const char *key, *s;
	size_t kind, size;
	int m, given = 0;

	while ((head = ucl_object_iterate(obj, &it, true)) != NULL) {
		key = ucl_object_key(head);
		m = scan_key(w->scan, mark, key);
		snprintf(path, sizeof(path), "interface %s.%.64s", ifc->name, key);
		for (kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]) && strcmp(key, kinds[kind]) != 0; kind++)
			continue;
		if (strcmp(key, "address") == 0) {
			addresses_walk(w, ifc, mark, m, path, head);
		} else if (kind == sizeof(kinds) / sizeof(kinds[0])) {
			WALK_ERROR(w, m, "%s: unknown key", path);
		} else if ((s = value_string(w, m, path, head)) != NULL) {
			if (given++ > 0)
				WALK_ERROR(w, m, "%s: it is %s already", path, kinds[ifc->kind]);
			ifc->kind = (enum config_kind)kind;
			to = kind == CONFIG_LINK ? ifc->link : ifc->device;
			size = kind == CONFIG_LINK ? sizeof(ifc->link) : sizeof(ifc->device);
			if (!config_name_ok(s, size))
				WALK_ERROR(w, m, "%s: \"%.64s\" is not a name", path, s);
			snprintf(to, size, "%s", s);
		}
	}
}

/* `interface NAME { }`, several names in one section, or several sections. */
static void
interfaces_walk(struct walk *w, struct config_vnet *cv, int section, const ucl_object_t *head)
{
	struct values vals = { .link = head }, inner;
	const ucl_object_t *v, *named, *obj;
	struct config_interface *ifc;
	ucl_object_iter_t it;
	const char *name;
	int mark, m;

	while ((v = values_next(&vals)) != NULL) {
		mark = scan_key(w->scan, section, "interface");
		if (ucl_object_type(v) != UCL_OBJECT) {
			WALK_ERROR(w, mark, "interface: not a section: interface %s", "NAME { ... }");
			continue;
		}
		it = NULL;
		while ((named = ucl_object_iterate(v, &it, true)) != NULL) {
			name = ucl_object_key(named);
			inner = (struct values){ .link = named };
			while ((obj = values_next(&inner)) != NULL) {
				m = scan_key(w->scan, mark, name);
				if (ucl_object_type(obj) != UCL_OBJECT) {
					WALK_ERROR(w, m, "interface.%.64s: not a section: interface NAME %s", name, "{ ... }");
					continue;
				}
				ifc = append(w, cv->interfaces, cv->ninterfaces, sizeof(*ifc));
				if (ifc == NULL)
					return;
				cv->interfaces = ifc;
				ifc += cv->ninterfaces++;
				ifc->line = scan_line(w->scan, m);
				ifc->prefixlen = -1;
				if (!config_name_ok(name, sizeof(ifc->name)))
					WALK_ERROR(w, m, "interface: \"%.64s\" is not a name of at most %zu letters", name,
					    sizeof(ifc->name) - 1);
				snprintf(ifc->name, sizeof(ifc->name), "%s", name);
				interface_walk(w, ifc, m, obj);
			}
		}
	}
}

/* One key of a `forward` or `publish`. */
static void
port_key_walk(struct walk *w, struct config_port *port, int mark, const char *kind, const char *key,
    const ucl_object_t *head)
{
	const char *s;
	const int listen = strcmp(key, "listen") == 0;
	char path[128];

	snprintf(path, sizeof(path), "%s.%.64s", kind, key);
	if (listen || strcmp(key, "to") == 0) {
		s = value_string(w, mark, path, head);
		if (s != NULL && config_sockaddr(s, listen, listen ? &port->listen : &port->to) != 0)
			WALK_ERROR(w, mark, "%s: \"%.64s\" is not an address:port", path, s);
	} else if (strcmp(key, "proto") == 0) {
		s = value_string(w, mark, path, head);
		if (s == NULL)
			return;
		port->udp = strcmp(s, "udp") == 0;
		if (!port->udp && strcmp(s, "tcp") != 0)
			WALK_ERROR(w, mark, "%s: \"%.64s\" is neither \"tcp\" nor \"udp\"", path, s);
	} else if (strcmp(key, "idle") == 0) {
		port->idle = value_int(w, mark, path, head, 1, 86400);
	} else {
		WALK_ERROR(w, mark, "%s: unknown key", path);
	}
}

static void
ports_walk(struct walk *w, struct config_ports *ports, int section, const char *kind, const ucl_object_t *first)
{
	struct values vals = { .link = first };
	const ucl_object_t *v, *head;
	struct config_port *port;
	ucl_object_iter_t it;
	const char *key;
	int mark, given;

	while ((v = values_next(&vals)) != NULL) {
		mark = scan_key(w->scan, section, kind);
		if (ucl_object_type(v) != UCL_OBJECT) {
			WALK_ERROR(w, mark, "%s: not a section: %s { listen = \"ADDRESS:PORT\"; to = \"ADDRESS:PORT\"; }", kind,
			    kind);
			continue;
		}
		port = append(w, ports->v, ports->n, sizeof(*port));
		if (port == NULL)
			return;
		ports->v = port;
		port += ports->n++;
		port->line = scan_line(w->scan, mark);
		given = 0;
		it = NULL;
		while ((head = ucl_object_iterate(v, &it, true)) != NULL) {
			key = ucl_object_key(head);
			given |= strcmp(key, "listen") == 0 ? 1 : strcmp(key, "to") == 0 ? 2 : 0;
			port_key_walk(w, port, scan_key(w->scan, mark, key), kind, key, head);
		}
		if ((given & 3) != 3)
			WALK_ERROR(w, mark, "%s: has no `%s`", kind, given & 1 ? "to" : "listen");
		if (port->idle != 0 && !port->udp)
			WALK_ERROR(w, mark, "%s: `idle` is for proto = \"udp\" only; a TCP connection ends itself", kind);
		if (port->idle == 0)
			port->idle = CONFIG_UDPIDLE;
	}
}

static struct config_route *
route_append(struct walk *w, struct config_vnet *cv, int mark)
{
	struct config_route *rt = append(w, cv->routes, cv->nroutes, sizeof(*rt));

	if (rt == NULL)
		return (NULL);
	cv->routes = rt;
	rt += cv->nroutes++;
	rt->line = scan_line(w->scan, mark);
	return (rt);
}

static void
gateway_walk(struct walk *w, struct config_route *rt, int mark, const char *path, const ucl_object_t *head)
{
	const char *s = value_string(w, mark, path, head);

	if (s != NULL && strchr(s, ':') != NULL)
		rt->six |= 1;
	if (s != NULL && inet_pton(rt->six & 1 ? AF_INET6 : AF_INET, s, rt->six & 1 ? (void *)&rt->gateway6 : &rt->gateway) != 1)
		WALK_ERROR(w, mark, "%s: \"%.64s\" is not an address", path, s);
}

static void
routes_walk(struct walk *w, struct config_vnet *cv, int section, const ucl_object_t *first)
{
	struct values vals = { .link = first };
	const ucl_object_t *v, *head;
	struct config_route *rt;
	ucl_object_iter_t it;
	const char *key, *s, *fault;
	int mark, m, given;

	while ((v = values_next(&vals)) != NULL) {
		mark = scan_key(w->scan, section, "route");
		if (ucl_object_type(v) != UCL_OBJECT) {
			WALK_ERROR(w, mark, "route: not a section: %s", "route { to = \"NETWORK/PREFIX\"; gateway = \"ADDRESS\"; }");
			continue;
		}
		rt = route_append(w, cv, mark);
		if (rt == NULL)
			return;
		given = 0;
		it = NULL;
		while ((head = ucl_object_iterate(v, &it, true)) != NULL) {
			key = ucl_object_key(head);
			m = scan_key(w->scan, mark, key);
			if (strcmp(key, "gateway") == 0) {
				given |= 1;
				gateway_walk(w, rt, m, "route.gateway", head);
			} else if (strcmp(key, "to") == 0) {
				given |= 2;
				s = value_string(w, m, "route.to", head);
				fault = NULL;
				if (s != NULL && strchr(s, ':') != NULL) {
					rt->six |= 2;
					fault = config_prefix6(s, 1, &rt->dst6, &rt->prefixlen);
				} else if (s != NULL) {
					fault = config_prefix(s, 1, &rt->dst, &rt->prefixlen);
				}
				if (fault != NULL)
					WALK_ERROR(w, m, "route.to: \"%.64s\" %s", s, fault);
			} else if (strcmp(key, "interface") == 0) {
				given |= 4;
				s = value_string(w, m, "route.interface", head);
				if (s != NULL && !config_name_ok(s, sizeof(rt->ifname)))
					WALK_ERROR(w, m, "route.interface: \"%.64s\" is not a name", s);
				else if (s != NULL)
					snprintf(rt->ifname, sizeof(rt->ifname), "%s", s);
			} else {
				WALK_ERROR(w, m, "route.%.64s: unknown key", key);
			}
		}
		if ((given & 2) == 0)
			WALK_ERROR(w, mark, "route: has no `%s`", "to");
		else if (given == 3 && (rt->six == 1 || rt->six == 2))
			WALK_ERROR(w, mark, "route: `to` and `gateway` are not both of %s", "IPv4 or both of IPv6");
		else if (given == 7 || given == 2)
			WALK_ERROR(w, mark, "route: has %s", given == 2 ? "no `gateway`" : "a `gateway` and an `interface`");
	}
}

static int
value_bool(struct walk *w, int mark, const char *path, const ucl_object_t *head)
{
	if (head->next == NULL && ucl_object_type(head) == UCL_BOOLEAN)
		return (ucl_object_toboolean(head));
	WALK_ERROR(w, mark, "%s: not `true` or `false`, once", path);
	return (0);
}

static void
memory_walk(struct walk *w, struct config_vnet *cv, int mark, const ucl_object_t *head)
{
	const char *s = value_string(w, mark, "memory", head);

	if (s == NULL)
		return;
	cv->memory = config_size(s);
	if (cv->memory < CONFIG_MINMEMORY || cv->memory > CONFIG_MAXMEMORY)
		WALK_ERROR(w, mark, "memory: \"%.64s\" is not a size from %uK to %zuG", s, CONFIG_MINMEMORY >> 10,
		    CONFIG_MAXMEMORY >> 30);
}

/* `sysctl`: NAME=VALUE; a list, or several times.  What names there are depends on the modules: host/stack.c finds out. */
static void
sysctls_walk(struct walk *w, struct config_vnet *cv, int section, const ucl_object_t *head)
{
	struct values vals = { .link = head };
	struct config_sysctl *sc;
	const ucl_object_t *v;
	const char *s;
	size_t len;
	int mark;

	while ((v = values_next(&vals)) != NULL) {
		mark = scan_key(w->scan, section, "sysctl");
		if (ucl_object_type(v) != UCL_STRING || !ucl_object_tolstring_safe(v, &s, &len) || strlen(s) != len ||
		    strchr(s, '=') == NULL || s[0] == '=') {
			WALK_ERROR(w, mark, "%s: not \"NAME=VALUE\"", "sysctl");
			continue;
		}
		sc = append(w, cv->sysctls, cv->nsysctls, sizeof(*sc));
		if (sc == NULL)
			return;
		cv->sysctls = sc;
		sc += cv->nsysctls;
		sc->name = strdup(s);
		if (sc->name == NULL) {
			config_error(w->cfg, 0, "out of memory");
			return;
		}
		sc->value = strchr(sc->name, '=');
		*sc->value++ = '\0';
		sc->line = scan_line(w->scan, mark);
		cv->nsysctls++;
	}
}

/* `egress`: networks with ports, as a list or by several lines. */
static void
egress_walk(struct walk *w, struct config_vnet *cv, int section, const ucl_object_t *head)
{
	struct values vals = { .link = head };
	struct config_egress *r;
	const ucl_object_t *v;
	const char *s, *fault;
	int mark = scan_key(w->scan, section, "egress"), m = -1;

	while ((v = values_next(&vals)) != NULL) {
		mark = m >= 0 ? m : mark;	/* elements of one list have one key */
		m = scan_key(w->scan, section, "egress");
		if (ucl_object_type(v) == UCL_OBJECT || !ucl_object_tostring_safe(v, &s)) {
			WALK_ERROR(w, mark, "%s: not a string (write it in quotes)", "egress");
			continue;
		}
		if (cv->negress == CONFIG_MAXEGRESS) {
			WALK_ERROR(w, mark, "egress: more than %d rules", CONFIG_MAXEGRESS);
			return;
		}
		r = append(w, cv->egress, cv->negress, sizeof(*r));
		if (r == NULL)
			return;
		cv->egress = r;
		r += cv->negress++;
		r->line = scan_line(w->scan, mark);
		fault = config_egress(s, r);
		if (fault != NULL)
			WALK_ERROR(w, mark, "egress: \"%.64s\" %s", s, fault);
	}
}

static void
uapi_walk(struct walk *w, struct config_vnet *cv, int mark, const ucl_object_t *head)
{
	const char *s = value_string(w, mark, "uapi", head);

	if (s == NULL)
		return;
	if (!config_name_ok(s, sizeof(cv->uapi)))
		WALK_ERROR(w, mark, "uapi: \"%.64s\" is not a name of at most %zu letters", s, sizeof(cv->uapi) - 1);
	snprintf(cv->uapi, sizeof(cv->uapi), "%s", s);
	cv->uapi_line = scan_line(w->scan, mark);
}

static void
vnet_walk(struct walk *w, const char *name, int mark, const ucl_object_t *obj)
{
	struct config_vnet *cv;
	struct config_route *rt;
	const ucl_object_t *head;
	ucl_object_iter_t it = NULL;
	const char *key, *s;
	int m;

	cv = append(w, w->cfg->vnets, w->cfg->nvnets, sizeof(*cv));
	if (cv == NULL)
		return;
	w->cfg->vnets = cv;
	cv += w->cfg->nvnets++;
	cv->line = scan_line(w->scan, mark);
	cv->cpu = -1;
	cv->connections = CONFIG_CONNECTIONS;
	if (!config_name_ok(name, sizeof(cv->name)))
		WALK_ERROR(w, mark, "vnet: \"%.64s\" is not a name (letters, digits, - _ .; at most %zu)", name,
		    sizeof(cv->name) - 1);
	else if (strcmp(name, "vnet0") == 0)
		WALK_ERROR(w, mark, "vnet: \"%s\" is the name of the default stack, which is always there", name);
	snprintf(cv->name, sizeof(cv->name), "%s", name);
	w->vnet = cv->name;
	while ((head = ucl_object_iterate(obj, &it, true)) != NULL) {
		key = ucl_object_key(head);
		if (strcmp(key, "interface") == 0) {
			interfaces_walk(w, cv, mark, head);
		} else if (strcmp(key, "forward") == 0) {
			ports_walk(w, &cv->forwards, mark, key, head);
		} else if (strcmp(key, "publish") == 0) {
			ports_walk(w, &cv->publishes, mark, key, head);
		} else if (strcmp(key, "route") == 0) {
			routes_walk(w, cv, mark, head);
		} else if (strcmp(key, "sysctl") == 0) {
			sysctls_walk(w, cv, mark, head);
		} else if (strcmp(key, "egress") == 0) {
			egress_walk(w, cv, mark, head);
		} else {
			m = scan_key(w->scan, mark, key);
			if (strcmp(key, "wireguard") == 0) {
				s = value_string(w, m, key, head);
				if (s != NULL && *s == '\0')
					WALK_ERROR(w, m, "%s: an empty path", key);
				else if (s != NULL)
					cv->wireguard = strdup(s);
			} else if (strcmp(key, "wireguard_commands") == 0) {
				s = value_string(w, m, key, head);
				cv->wg_skip = s != NULL && strcmp(s, "skip") == 0;
				if (s != NULL && !cv->wg_skip && strcmp(s, "refuse") != 0)
					WALK_ERROR(w, m, "%s: \"%.64s\" is neither \"refuse\" nor \"skip\"", key, s);
			} else if (strcmp(key, "wireguard_outside") == 0) {
				s = value_string(w, m, key, head);
				cv->outside_line = scan_line(w->scan, m);
				if (s != NULL && (*s == '\0' || strlen(s) >= sizeof(cv->outside)))
					WALK_ERROR(w, m, "%s: \"%.80s\" is no name of a stack", key, s);
				else if (s != NULL)
					strcpy(cv->outside, s);
			} else if (strcmp(key, "uapi") == 0)
				uapi_walk(w, cv, m, head);
			else if (strcmp(key, "forwarding") == 0)
				cv->forwarding = value_bool(w, m, key, head);
			else if (strcmp(key, "gateway") == 0 && (rt = route_append(w, cv, m)) != NULL)
				gateway_walk(w, rt, m, key, head);
			else if (strcmp(key, "cpu") == 0)
				cv->cpu = value_int(w, m, key, head, 0, 65535);
			else if (strcmp(key, "connections") == 0)
				cv->connections = (unsigned)value_int(w, m, key, head, 1, CONFIG_MAXCONNECTIONS);
			else if (strcmp(key, "egress_idle") == 0)
				cv->egress_idle = value_int(w, m, key, head, 1, 86400);
			else if (strcmp(key, "memory") == 0)
				memory_walk(w, cv, m, head);
			else
				WALK_ERROR(w, m, "%.64s: unknown key", key);
		}
	}
	w->vnet = NULL;
}

static void
vnets_walk(struct walk *w, const ucl_object_t *head)
{
	struct values vals = { .link = head }, inner;
	const ucl_object_t *v, *named, *obj;
	ucl_object_iter_t it;
	int mark, m;

	while ((v = values_next(&vals)) != NULL) {
		mark = scan_key(w->scan, 0, "vnet");
		if (ucl_object_type(v) != UCL_OBJECT) {
			WALK_ERROR(w, mark, "vnet: not a section: vnet %s", "NAME { ... }");
			continue;
		}
		it = NULL;
		while ((named = ucl_object_iterate(v, &it, true)) != NULL) {
			inner = (struct values){ .link = named };
			while ((obj = values_next(&inner)) != NULL) {
				m = scan_key(w->scan, mark, ucl_object_key(named));
				if (ucl_object_type(obj) == UCL_OBJECT)
					vnet_walk(w, ucl_object_key(named), m, obj);
				else
					WALK_ERROR(w, m, "vnet.%.64s: not a section: vnet NAME %s", ucl_object_key(named),
					    "{ ... }");
			}
		}
	}
}

void
config_walk(struct config *cfg, struct scan *scan, const struct ucl_object_s *root)
{
	struct walk walk = { .cfg = cfg, .scan = scan }, *w = &walk;
	const ucl_object_t *head;
	ucl_object_iter_t it = NULL;
	const char *key, *s;
	int m, n;

	while ((head = ucl_object_iterate(root, &it, true)) != NULL) {
		key = ucl_object_key(head);
		if (strcmp(key, "vnet") == 0) {
			vnets_walk(w, head);
			continue;
		}
		m = scan_key(w->scan, 0, key);
		if (strcmp(key, "modules") == 0 || strcmp(key, "control") == 0 || strcmp(key, "uapi_folder") == 0) {
			s = value_string(w, m, key, head);
			if (s != NULL && *s == '\0')
				WALK_ERROR(w, m, "%s: an empty path", key);
			else if (s != NULL)
				*(key[0] == 'm' ? &cfg->modules : key[0] == 'c' ? &cfg->control : &cfg->uapi_folder) = strdup(s);
		} else if (strcmp(key, "workers") == 0) {
			n = value_int(w, m, key, head, 1, CONFIG_MAXWORKERS);
			cfg->workers = n > 0 ? (unsigned)n : 0;
		} else {
			WALK_ERROR(w, m, "%.64s: unknown key", key);
		}
	}
}
