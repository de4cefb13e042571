/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the control socket's requests do.
 *
 * All workers stop for what is changed, for one stack at a time where there are many (`vnet create FILE`, `vnet
 * destroy`).  What can be found out without a stop (does the file parse, is there a stack of that name) is found out
 * before it, for the main thread alone makes and destroys stacks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uvnet/module.h>
#include <uvnet/vset.h>
#include "config.h"
#include "control.h"
#include "ping.h"
#include "report.h"
#include "stack.h"
#include "sysctl.h"
#include "tap.h"
#include "wg.h"

/* {"ok": true}, or what went wrong. */
static json *
answer(int error, const struct uverr *err)
{
	json *j = json_object();

	json_bool(j, "ok", error == 0);
	if (error != 0)
		json_str(j, "error", err->text);
	return (j);
}

static json *
create_run(const struct request *req)
{
	struct wgbuf notices = { 0 };
	struct config cfg;
	struct uverr err;
	json *j, *names;
	int error;

	error = config_parse(&cfg, req->file, req->text, strlen(req->text), &err);
	if (error == 0 && (cfg.modules != NULL || cfg.control != NULL || cfg.uapi_folder != NULL || cfg.workers != 0))
		error = uverr(&err, EINVAL, "%s: `modules`, `control`, `uapi_folder` and `workers` are for `vnet run` only",
		    req->file);
	for (size_t i = 0; error == 0 && i < cfg.nvnets; i++)
		for (size_t k = 0; error == 0 && k < cfg.vnets[i].ninterfaces; k++)
			if (cfg.vnets[i].interfaces[k].kind != CONFIG_LINK)
				error = uverr(&err, EINVAL, "%s: vnet \"%s\": `tun`, `tap` and `packet` are for `vnet run` only",
				    req->file, cfg.vnets[i].name);
	if (error == 0 && tunnels_wanted(&cfg)) {
		error = wgquick_load(&cfg, req->wireguard, 0, &err);
		wgquick_notices(&cfg, &notices);
		if (error == 0)
			error = wg_module_load(&err);
	}
	if (error == 0)
		error = stacks_create(&cfg, &err);
	j = answer(error, &err);
	if (notices.s != NULL)
		json_str(j, "notices", notices.s);
	wgbuf_free(&notices);
	if (error != 0 && cfg.errors != NULL)
		json_str(j, "errors", cfg.errors);
	if (error == 0) {
		names = json_list();
		for (size_t i = 0; i < cfg.nvnets; i++)
			json_append_str(names, cfg.vnets[i].name);
		json_put(j, "created", names);
	}
	config_free(&cfg);
	return (j);
}

/* Every name is looked up before the first stack goes: all, or none and an error. */
static json *
destroy_run(const struct request *req)
{
	const ucl_object_t *name;
	struct stack *st;
	struct uverr err;
	unsigned it = 0;

	while ((name = json_each(req->object, "names", &it)) != NULL)
		if (stack_find(ucl_object_tostring(name)) == NULL)
			return (answer(uverr(&err, ENOENT, "%.64s: no such stack", ucl_object_tostring(name)), &err));
	for (it = 0; (name = json_each(req->object, "names", &it)) != NULL;) {
		st = stack_find(ucl_object_tostring(name));	/* NULL: named twice */
		if (st == NULL)
			continue;
		workers_stop();
		stack_destroy(st);
		workers_resume();
	}
	return (answer(0, NULL));
}

static json *
kldload_run(const struct request *req)
{
	linker_file_t file;
	struct kld_info info;
	struct uverr err;
	json *j;
	int error;

	workers_stop();
	error = kld_load(req->path, &file, &err);
	if (error == 0)
		error = wg_module_loaded(&err);
	workers_resume();
	j = answer(error, &err);
	if (error == 0) {
		kld_getinfo(file, &info);
		json_str(j, "name", info.name);
		json_int(j, "id", info.id);
	}
	return (j);
}

/* This program holds a pointer into inet.ko, and interfaces of if_epair.ko.  Tunnels wait for if_wg.ko to come back. */
static json *
kldunload_run(const struct request *req)
{
	linker_file_t file = kld_find(req->name);
	struct uverr err;
	int error;

	if (file == NULL)
		error = uverr(&err, ENOENT, "%.64s: no such module is loaded", req->name);
	else if (file == kld_find("inet"))
		error = uverr(&err, EBUSY, "%s: vnet itself needs it", req->name);
	else if (file == kld_find("if_tap") && tap != NULL)
		error = uverr(&err, EBUSY, "%s: configured interfaces need it", req->name);
	else if (file == kld_find("if_epair") && !TAILQ_EMPTY(&links))
		error = uverr(&err, EBUSY, "%s: link \"%s\" needs it", req->name, TAILQ_FIRST(&links)->l_name);
	else {
		workers_stop();
		error = file == kld_find("if_wg") && wg != NULL ? wg_module_unload(file, &err) : kld_unload(file, &err);
		workers_resume();
	}
	return (answer(error, &err));
}

static json *
kldstat_run(void)
{
	linker_file_t file;
	struct kld_info info;
	json *j = answer(0, NULL), *files = json_list(), *spaces = json_list(), *f;
	struct vset_spaceinfo space;

	for (file = kld_next(NULL); file != NULL; file = kld_next(file)) {
		kld_getinfo(file, &info);
		f = json_object();
		json_int(f, "id", info.id);
		json_int(f, "refs", info.refs);
		json_int(f, "address", (int64_t)info.address);
		json_int(f, "size", (int64_t)info.size);
		json_int(f, "vnet_size", (int64_t)info.vnet_size);
		json_int(f, "pcpu_size", (int64_t)info.pcpu_size);
		json_str(f, "name", info.name);
		json_str(f, "path", info.path != NULL ? info.path : "");
		json_append(files, f);
	}
	json_put(j, "files", files);
	for (int k = 0; k < VSET_NSPACE; k++) {
		vset_space_stat(k, &space);
		f = json_object();
		json_str(f, "name", space.name);
		json_int(f, "size", (int64_t)space.size);
		json_int(f, "used", (int64_t)(space.size - space.avail));
		json_int(f, "free", (int64_t)space.avail);
		json_int(f, "largest", (int64_t)space.largest);
		json_append(spaces, f);
	}
	json_put(j, "spaces", spaces);
	return (j);
}

static json *
link_run(const struct request *req)
{
	struct link *l = NULL;
	struct uverr err;
	json *j;

	if (req->name[0] != '\0') {
		l = link_find(req->name);
		if (l == NULL)
			return (answer(uverr(&err, ENOENT, "%.64s: no such link", req->name), &err));
	}
	workers_stop();
	if (req->state[0] != '\0')
		link_setstate(l, req->state[0] == 'u');
	j = report_links(l);
	workers_resume();
	json_bool(j, "ok", 1);
	return (j);
}

/* The routes of a stack as they are now; the stack is current. */
static json *
routes_json(void)
{
	json *list = json_list(), *j;
	struct rt_data6 rt6;
	struct rt_data rt;
	char addr[INET6_ADDRSTRLEN];

	for (unsigned i = 0; inet->rt_get(i, &rt) == 0; i++) {
		j = json_object();
		json_str(j, "to", inet_ntop(AF_INET, &rt.dst, addr, sizeof(addr)));
		json_int(j, "prefixlen", rt.prefixlen);
		if (rt.gateway.s_addr != INADDR_ANY)
			json_str(j, "gateway", inet_ntop(AF_INET, &rt.gateway, addr, sizeof(addr)));
		json_str(j, "interface", rt.ifname);
		json_append(list, j);
	}
	for (unsigned i = 0; inet->rt_get6(i, &rt6) == 0; i++) {
		j = json_object();
		json_str(j, "to", inet_ntop(AF_INET6, &rt6.dst, addr, sizeof(addr)));
		json_int(j, "prefixlen", rt6.prefixlen);
		if (!IN6_IS_ADDR_UNSPECIFIED(&rt6.gateway))
			json_str(j, "gateway", inet_ntop(AF_INET6, &rt6.gateway, addr, sizeof(addr)));
		json_str(j, "interface", rt6.ifname);
		json_append(list, j);
	}
	return (list);
}

/* What a request says of a route, in the form of the configuration.  NULL, or what is wrong with it. */
static const char *
route_parse(const struct request *req, struct config_route *rt, const char **what)
{
	const char *fault;

	*rt = (struct config_route){ 0 };
	*what = req->add[0] != '\0' ? req->add : req->delete;
	if (**what == '\0')
		return (NULL);
	rt->six = strchr(*what, ':') != NULL;
	fault = rt->six ? config_prefix6(*what, 1, &rt->dst6, &rt->prefixlen) :
	    config_prefix(*what, 1, &rt->dst, &rt->prefixlen);
	if (fault != NULL || req->add[0] == '\0')
		return (fault);
	*what = req->gateway;
	if (inet_pton(rt->six ? AF_INET6 : AF_INET, *what, rt->six ? (void *)&rt->gateway6 : &rt->gateway) == 1)
		return (NULL);
	if (!config_name_ok(*what, sizeof(rt->ifname)))
		return ("is neither an address of that family nor an interface");
	strcpy(rt->ifname, *what);
	return (NULL);
}

static const char *
route_reason(int error, const struct config_route *rt)
{
	switch (error) {
	case -ESRCH:
		return ("there is no such route");
	case -EEXIST:
		return ("there is such a route");
	case -ENETUNREACH:
		return ("no interface has a network with that gateway");
	case -ENXIO:
		return ("there is no such interface");
	case -EINVAL:
		return (rt->ifname[0] != '\0' ? "over Ethernet a route needs a gateway" : "the gateway is not a neighbour");
	default:
		return (strerror(-error));
	}
}

static json *
route_run(const struct request *req)
{
	struct stack *st = stack_find(req->name);
	struct config_route rt;
	struct uverr err;
	const char *what, *fault;
	json *j, *list;
	int error = 0;

	if (st == NULL)
		return (answer(uverr(&err, ENOENT, "%.64s: no such stack", req->name), &err));
	fault = route_parse(req, &rt, &what);
	if (fault != NULL)
		return (answer(uverr(&err, EINVAL, "\"%.64s\" %s", what, fault), &err));
	workers_stop();
	CURVNET_SET(st->st_vnet);
	if (req->add[0] != '\0')
		error = route_create(&rt);
	else if (req->delete[0] != '\0')
		error = rt.six ? inet->rt_delete6(&rt.dst6, (unsigned)rt.prefixlen) :
		    inet->rt_delete(rt.dst, (unsigned)rt.prefixlen);
	list = routes_json();
	CURVNET_RESTORE();
	workers_resume();
	if (error != 0)
		uverr(&err, -error, "%s: %s", req->add[0] != '\0' ? req->add : req->delete, route_reason(error, &rt));
	j = answer(error, &err);
	json_put(j, "routes", list);
	return (j);
}

/* One stack, by one of report.c's functions. */
static json *
stack_run(const struct request *req, json *(*report)(const struct stack *st))
{
	const struct stack *st = stack_find(req->name);
	struct uverr err;
	json *j;

	if (st == NULL)
		return (answer(uverr(&err, ENOENT, "%.64s: no such stack", req->name), &err));
	workers_stop();
	j = report(st);
	workers_resume();
	json_bool(j, "ok", 1);
	return (j);
}

/* A request of the configuration protocol; the answer has its reply, and what was wrong with it as any other. */
static json *
wg_run(const struct request *req)
{
	struct stack *st = stack_find(req->name);
	struct uverr err;
	char *reply;
	json *j;
	int error;

	if (st == NULL)
		return (answer(uverr(&err, ENOENT, "%.64s: no such stack", req->name), &err));
	workers_stop();
	error = wg_request(st, req->uapi, strlen(req->uapi), &reply, &err);
	workers_resume();
	j = answer(error, &err);
	if (error == 0)
		json_str(j, "uapi", reply);
	if (reply != NULL)
		wgquick_wipe(reply, strlen(reply));
	return (j);
}

static json *
sysctl_run(const struct request *req)
{
	const struct stack *st = stack_find(req->name);
	struct uverr err;
	json *j, *list;
	int error;

	if (st == NULL)
		return (answer(uverr(&err, ENOENT, "%.64s: no such stack", req->name), &err));
	list = json_list();
	workers_stop();
	CURVNET_SET(st->st_vnet);
	error = sysctl_request(req, list, &err);
	CURVNET_RESTORE();
	workers_resume();
	j = answer(error, &err);
	json_put(j, "variables", list);
	return (j);
}

static json *
ping_run(const struct request *req, int *fd)
{
	struct stack *st = stack_find(req->name);
	struct uverr err;
	int error;

	if (st == NULL)
		return (answer(uverr(&err, ENOENT, "%.64s: no such stack", req->name), &err));
	workers_stop();
	CURVNET_SET(st->st_vnet);
	error = ping_create(st, req, *fd, &err);
	CURVNET_RESTORE();
	workers_resume();
	if (error != 0)
		return (answer(error, &err));
	*fd = -1;
	return (NULL);
}

static json *
ls_run(void)
{
	json *j = report_stacks();

	json_bool(j, "ok", 1);
	return (j);
}

json *
command_run(const struct request *req, int *fd)
{
	switch (req->cmd) {
	case REQUEST_LS:
		return (ls_run());
	case REQUEST_CREATE:
		return (create_run(req));
	case REQUEST_DESTROY:
		return (destroy_run(req));
	case REQUEST_KLDLOAD:
		return (kldload_run(req));
	case REQUEST_KLDUNLOAD:
		return (kldunload_run(req));
	case REQUEST_KLDSTAT:
		return (kldstat_run());
	case REQUEST_LINK:
		return (link_run(req));
	case REQUEST_ROUTE:
		return (route_run(req));
	case REQUEST_IFCONFIG:
		return (stack_run(req, report_interfaces));
	case REQUEST_NETSTAT:
		return (stack_run(req, report_sockets));
	case REQUEST_SYSCTL:
		return (sysctl_run(req));
	case REQUEST_PING:
		return (ping_run(req, fd));
	case REQUEST_WG:
		return (wg_run(req));
	case REQUEST_NCMDS:
		break;
	}
	return (NULL);
}
