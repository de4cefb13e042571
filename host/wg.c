/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stack's tunnel: the interface wg0, as a wg-quick file describes it, on a port (wgport.c) of its own or one that
 * several stacks share.
 *
 * if_wg.ko is loaded when the first tunnel is wanted, and may be unloaded and loaded again, a newer one too, while
 * tunnels are there: they are *suspended* meanwhile.  What was set since the file was read is asked of if_wg before it
 * goes, in its own protocol, and is set again when it is back; so are the routes over wg0.  Sockets stay.  Sessions go
 * with the module: with peers that were just talking a new one is begun at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uvnet/module.h>
#include "egress.h"
#include "wg.h"
#include "wgport.h"

#define SESSION_SECONDS 180	/* a session is no older: REJECT_AFTER_TIME */

struct tunnel {
	struct wgport *port;
	struct ifnet *ifp;		/* NULL: suspended */
	struct wgquick *conf;

	/* While it is suspended */
	char *uapi;
	struct wgbuf talking;		/* public keys of the peers that have sessions, WG_KEY_SIZE bytes each */
	struct config_route *routes;
	size_t nroutes;
};

const struct wg_kpi *wg;
static const char *folder;	/* of the modules */

/* ---- Devices ---- */

/* Make the interface and set it.  The stack is current. */
static int
device_create(struct tunnel *t, const char *uapi, struct uverr *err)
{
	const struct wgquick *q = t->conf;
	const struct wg_params params = { .port = wgport_kpi(t->port), .mtu = q->mtu };
	char *reply;
	int error;

	error = inet->if_clone_create("wg", "wg0", &params, &t->ifp);
	if (error != 0)
		return (uverr(err, -error, "wg0: %s", strerror(-error)));
	if (q->addr.s_addr != INADDR_ANY) {
		error = inet->if_addaddr(t->ifp, q->addr, q->prefixlen);
		if (error != 0)
			uverr(err, -error, "wg0: Address: %s", strerror(-error));
	}
	for (int i = 0; i < q->naddr6 && error == 0; i++) {
		error = inet->if_addaddr6(t->ifp, &q->addr6[i].addr, (unsigned)q->addr6[i].prefixlen, 0);
		if (error != 0)
			uverr(err, -error, "wg0: Address: %s", strerror(-error));
	}
	if (error == 0) {
		error = wg->uapi(t->ifp, uapi, strlen(uapi), &reply, err);
		free(reply);
		if (error == -EBUSY && wgport_isshared(t->port))
			uverr(err, EBUSY, "ListenPort %u: another stack has it, with another PrivateKey or FwMark",
			    wgport_number(t->port));
	}
	if (error != 0) {
		inet->if_clone_destroy(t->ifp);
		t->ifp = NULL;
	}
	return (error);
}

int
wg_create(struct stack *st, struct wgquick *conf, struct stack *outside, struct uverr *err)
{
	struct tunnel *t;
	int error;

	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	t->conf = conf;
	error = outside != NULL ? wgport_open_in(outside, conf->listen, &t->port, err) :
	    wgport_open(st->st_worker, conf->listen, &t->port, err);
	if (error != 0)
		goto fail;
	error = device_create(t, conf->uapi, err);
	if (error != 0)
		goto fail_port;
	st->st_wg = t;
	return (0);

fail_port:
	wgport_close(t->port);
fail:
	free(t);
	return (error);
}

static void
saved_free(struct tunnel *t)
{
	if (t->uapi != NULL)
		wgquick_wipe(t->uapi, strlen(t->uapi));
	free(t->routes);
	wgbuf_free(&t->talking);
	t->uapi = NULL;
	t->routes = NULL;
	t->nroutes = 0;
}

/* The stack is current. */
void
wg_destroy(struct stack *st)
{
	struct tunnel *t = st->st_wg;

	if (t == NULL)
		return;
	st->st_wg = NULL;
	if (t->ifp != NULL)
		inet->if_clone_destroy(t->ifp);
	wgport_close(t->port);
	saved_free(t);
	wgquick_free(t->conf);
	free(t->conf);
	free(t);
}

int
wg_request(struct stack *st, const char *request, size_t len, char **reply, struct uverr *err)
{
	int error;

	*reply = NULL;
	if (st->st_wg == NULL)
		return (uverr(err, ENOENT, "%s: has no tunnel", st->st_vnet->vnet_name));
	if (st->st_wg->ifp == NULL)
		return (uverr(err, ENODEV, "%s: its tunnel waits for if_wg.ko to be loaded again", st->st_vnet->vnet_name));
	CURVNET_SET(st->st_vnet);
	error = wg->uapi(st->st_wg->ifp, request, len, reply, err);
	CURVNET_RESTORE();
	return (error);
}

/* ---- Routes ---- */

/* Clear the bits behind the prefix. */
static void
addr_mask(uint8_t *addr, unsigned size, unsigned prefixlen)
{
	for (unsigned bit = prefixlen; bit < size * 8; bit++)
		addr[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
}

static int
addr_covers(const void *net, unsigned prefixlen, const void *addr, unsigned addr_prefixlen)
{
	const uint8_t *a = net, *b = addr;

	for (unsigned bit = 0; bit < prefixlen; bit++)
		if (((a[bit / 8] ^ b[bit / 8]) & 0x80 >> bit % 8) != 0)
			return (0);
	return (prefixlen <= addr_prefixlen);
}

/* Whether the networks of the tunnel's own addresses lead there anyway. */
static int
addr_isours(const struct wgquick *conf, int af, const struct in6_addr *addr, unsigned prefixlen)
{
	if (af == AF_INET)
		return (conf->addr.s_addr != INADDR_ANY && addr_covers(&conf->addr, conf->prefixlen, addr, prefixlen));
	for (int i = 0; i < conf->naddr6; i++)
		if (addr_covers(&conf->addr6[i].addr, (unsigned)conf->addr6[i].prefixlen, addr, prefixlen))
			return (1);
	return (0);
}

int
wg_addroutes(struct stack *st, struct uverr *err)
{
	const struct tunnel *t = st->st_wg;
	const char *line = t->conf->uapi;
	char text[INET6_ADDRSTRLEN + 8];
	struct in6_addr addr;
	struct in_addr in;
	unsigned n;
	int af, error;

	while (!t->conf->table_off && (line = strstr(line, "\nallowed_ip=")) != NULL) {
		line += strlen("\nallowed_ip=");
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(line, "\n"), line);
		if (wgtext_prefix(text, &af, &addr, &n) != 0 || addr_isours(t->conf, af, &addr, n))
			continue;
		addr_mask(addr.s6_addr, af == AF_INET ? 4 : 16, n);
		memcpy(&in, &addr, sizeof(in));
		error = af == AF_INET ? inet->rt_addif(in, n, t->ifp) : inet->rt_add6(&addr, n, NULL, t->ifp);
		if (error != 0 && error != -EEXIST)
			return (uverr(err, -error, "wireguard: a route to %s, which is in AllowedIPs: %s (Table = off makes none)",
			    text, strerror(-error)));
	}
	return (0);
}

static int
route_save(struct tunnel *t, const struct config_route *rt)
{
	struct config_route *grown;

	grown = realloc(t->routes, (t->nroutes + 1) * sizeof(*grown));
	if (grown == NULL)
		return (-ENOMEM);
	t->routes = grown;
	grown[t->nroutes] = *rt;
	strcpy(grown[t->nroutes++].ifname, "wg0");
	return (0);
}

/* The routes over wg0, but those that come with its addresses.  The stack is current. */
static int
routes_save(struct tunnel *t)
{
	struct config_route rt;
	struct rt_data6 d6;
	struct rt_data d;
	struct in6_addr addr = { 0 };
	int error = 0;

	for (unsigned i = 0; error == 0 && inet->rt_get(i, &d) == 0; i++) {
		memcpy(&addr, &d.dst, sizeof(d.dst));
		if (strcmp(d.ifname, "wg0") != 0 || addr_isours(t->conf, AF_INET, &addr, d.prefixlen))
			continue;
		rt = (struct config_route){ .dst = d.dst, .prefixlen = (int)d.prefixlen };
		error = route_save(t, &rt);
	}
	for (unsigned i = 0; error == 0 && inet->rt_get6(i, &d6) == 0; i++) {
		if (strcmp(d6.ifname, "wg0") != 0 || addr_isours(t->conf, AF_INET6, &d6.dst, d6.prefixlen))
			continue;
		rt = (struct config_route){ .six = 1, .dst6 = d6.dst, .prefixlen = (int)d6.prefixlen };
		error = route_save(t, &rt);
	}
	return (error);
}

/* ---- The module goes and comes ---- */

static int
key_read(const char *hex, uint8_t key[WG_KEY_SIZE])
{
	for (int i = 0; i < WG_KEY_SIZE; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &key[i]) != 1)
			return (-EINVAL);
	return (0);
}

/* From what "get" says to what "set" takes, and who has a session. */
static int
reply_save(struct tunnel *t, const char *reply)
{
	const long long since = (long long)time(NULL) - SESSION_SECONDS;
	uint8_t key[WG_KEY_SIZE] = { 0 };
	struct wgbuf out = { 0 };
	size_t n;

	wgbuf_printf(&out, "set=1\n");
	for (; strncmp(reply, "errno=", 6) != 0 && *reply != '\0'; reply += n + (reply[n] == '\n')) {
		n = strcspn(reply, "\n");
		if (strncmp(reply, "public_key=", 11) == 0)
			key_read(reply + 11, key);
		if (strncmp(reply, "last_handshake_time_sec=", 24) == 0 && atoll(reply + 24) > since)
			wgbuf_put(&t->talking, (const char *)key, sizeof(key));
		if (strncmp(reply, "listen_port=", 12) != 0 && strncmp(reply, "last_", 5) != 0 && strncmp(reply, "rx_", 3) != 0 &&
		    strncmp(reply, "tx_", 3) != 0)
			wgbuf_printf(&out, "%.*s\n", (int)n, reply);
	}
	wgbuf_printf(&out, "\n");
	if (out.failed | t->talking.failed) {
		wgbuf_free(&out);
		return (-ENOMEM);
	}
	t->uapi = out.s;
	return (0);
}

/* Begin other sessions: who has one would go on for some time with what only he still knows. */
static void
handshakes_begin(const struct tunnel *t)
{
	for (size_t at = 0; at < t->talking.len; at += WG_KEY_SIZE)
		wg->handshake(t->ifp, (const uint8_t *)t->talking.s + at);
}

/* The stack is current, in both. */
static int
tunnel_suspend(struct stack *st, struct uverr *err)
{
	struct tunnel *t = st->st_wg;
	char *reply;
	int error;

	if (t->ifp == NULL)
		return (0);
	error = wg->uapi(t->ifp, "get=1\n\n", 7, &reply, err);
	if (error != 0)
		return (error);
	error = reply_save(t, reply);
	wgquick_wipe(reply, strlen(reply));
	if (error != 0 || routes_save(t) != 0) {
		saved_free(t);
		return (uverr(err, ENOMEM, "out of memory"));
	}
	if (st->st_egress != NULL)
		egress_suspend(st);
	inet->if_clone_destroy(t->ifp);
	t->ifp = NULL;
	return (0);
}

static int
tunnel_resume(struct stack *st, struct uverr *err)
{
	struct tunnel *t = st->st_wg;
	int error = 0;

	if (t->ifp != NULL)
		return (0);
	if (wgport_kpi(t->port) == NULL)
		error = wgport_attach(t->port);
	if (error != 0)
		return (uverr(err, -error, "%s", strerror(-error)));
	error = device_create(t, t->uapi, err);
	for (size_t i = 0; i < t->nroutes && error == 0; i++) {
		error = route_create(&t->routes[i]);
		error = error == -EEXIST ? 0 : error;
		if (error != 0)
			uverr(err, -error, "a route over wg0: %s", strerror(-error));
	}
	if (error == 0 && st->st_egress != NULL && (error = egress_resume(st)) != 0)
		uverr(err, -error, "egress: %s", strerror(-error));
	if (error == 0) {
		handshakes_begin(t);
		saved_free(t);
	}
	return (error);
}

/* Suspend all tunnels, or resume them; with all workers stopped.  At the first that cannot be it ends. */
static int
tunnels_all(int (*func)(struct stack *st, struct uverr *err), struct uverr *err)
{
	struct stack *st;
	int error;

	TAILQ_FOREACH (st, &stacks, st_le) {
		if (st->st_wg == NULL)
			continue;
		CURVNET_SET(st->st_vnet);
		error = func(st, err);
		CURVNET_RESTORE();
		if (error != 0) {
			uverr_prefix(err, "vnet \"%s\"", st->st_vnet->vnet_name);
			return (error);
		}
	}
	return (0);
}

/* Their ports let go of the module, when no tunnel has an interface any more. */
static void
ports_detach(void)
{
	struct stack *st;

	TAILQ_FOREACH (st, &stacks, st_le)
		if (st->st_wg != NULL && wgport_kpi(st->st_wg->port) != NULL)
			wgport_detach(st->st_wg->port);
}

void
wg_init(const char *modules)
{
	folder = modules;
}

int
tunnels_wanted(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->nvnets; i++)
		if (cfg->vnets[i].wireguard != NULL)
			return (1);
	return (0);
}

int
wg_module_loaded(struct uverr *err)
{
	const linker_file_t file = kld_find("if_wg");
	struct uverr unused;
	int error;

	if (wg != NULL || file == NULL)
		return (0);
	wg = kld_lookup(file, "wg_kpi");
	if (wg == NULL || wg->version != WG_KPI_VERSION || wg->size != sizeof(*wg))
		error = uverr(err, ENOEXEC, "if_wg.ko: not made for this program (its wg_kpi is another version)");
	else if ((error = tunnels_all(tunnel_resume, err)) == 0)
		return (0);
	else if (tunnels_all(tunnel_suspend, &unused) == 0)
		ports_detach();
	else
		return (error);		/* no memory to go back either: those that are there stay */
	wg = NULL;
	kld_unload(file, &unused);
	return (error);
}

int
wg_module_load(struct uverr *err)
{
	char path[PATH_MAX];
	linker_file_t file;
	int error = 0;

	if (wg != NULL)
		return (0);
	snprintf(path, sizeof(path), "%s/if_wg.ko", folder);
	workers_stop();
	if (kld_find("if_wg") == NULL)
		error = kld_load(path, &file, err);
	if (error == 0)
		error = wg_module_loaded(err);
	workers_resume();
	return (error);
}

int
wg_module_unload(linker_file_t file, struct uverr *err)
{
	const struct wg_kpi *kpi = wg;
	struct uverr why;
	int error;

	error = tunnels_all(tunnel_suspend, err);
	if (error == 0) {
		ports_detach();
		wg = NULL;
		error = kld_unload(file, err);
		if (error == 0)
			return (0);
		wg = kpi;
	}
	if (tunnels_all(tunnel_resume, &why) != 0)
		uverr_prefix(err, "%s", why.text);
	return (error);
}

void
wg_getstats(const struct stack *st, struct wg_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (st->st_wg->ifp != NULL)	/* else it waits for if_wg.ko */
		wg->getstats(st->st_wg->ifp, stats);
}

void
wg_fini(void)
{
	wgport_fini();
}
