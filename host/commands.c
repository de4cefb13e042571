/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the control socket's requests do.
 *
 * Each makes its changes under one stop of all workers: a whole `vnet create FILE`, all names of a `vnet destroy`.
 * What can be found out without a stop (does the file parse, is there a stack of that name) is found out before it,
 * for the main thread alone makes and destroys stacks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uvnet/module.h>
#include "config.h"
#include "control.h"
#include "report.h"
#include "stack.h"
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
	struct config cfg;
	struct uverr err;
	json *j, *names;
	int error;

	error = config_parse(&cfg, req->file, req->text, strlen(req->text), &err);
	if (error == 0 && (cfg.modules != NULL || cfg.control != NULL || cfg.workers != 0))
		error = uverr(&err, EINVAL, "%s: `modules`, `control` and `workers` are for `vnet run` only", req->file);
	for (size_t i = 0; error == 0 && i < cfg.nvnets; i++)
		if (cfg.vnets[i].wireguard != NULL)
			error = uverr(&err, EINVAL, "%s: vnet \"%s\": `wireguard` is for `vnet run` only", req->file,
			    cfg.vnets[i].name);
	if (error == 0) {
		workers_stop();
		error = stacks_create(&cfg, &err);
		workers_resume();
	}
	j = answer(error, &err);
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
	workers_stop();
	for (it = 0; (name = json_each(req->object, "names", &it)) != NULL;) {
		st = stack_find(ucl_object_tostring(name));	/* NULL: named twice */
		if (st != NULL)
			stack_destroy(st);
	}
	workers_resume();
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
	workers_resume();
	j = answer(error, &err);
	if (error == 0) {
		kld_getinfo(file, &info);
		json_str(j, "name", info.name);
		json_int(j, "id", info.id);
	}
	return (j);
}

/* This program holds a pointer into inet.ko, and interfaces of if_epair.ko. */
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
	else if (file == kld_find("if_wg") && wg != NULL)
		error = uverr(&err, EBUSY, "%s: configured tunnels need it", req->name);
	else if (file == kld_find("if_epair") && !TAILQ_EMPTY(&links))
		error = uverr(&err, EBUSY, "%s: link \"%s\" needs it", req->name, TAILQ_FIRST(&links)->l_name);
	else {
		workers_stop();
		error = kld_unload(file, &err);
		workers_resume();
	}
	return (answer(error, &err));
}

static json *
kldstat_run(void)
{
	linker_file_t file;
	struct kld_info info;
	json *j = answer(0, NULL), *files = json_list(), *f;

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
	struct rt_data rt;
	char addr[INET_ADDRSTRLEN];

	for (unsigned i = 0; inet->rt_get(i, &rt) == 0; i++) {
		j = json_object();
		json_str(j, "to", inet_ntop(AF_INET, &rt.dst, addr, sizeof(addr)));
		json_int(j, "prefixlen", rt.prefixlen);
		if (rt.gateway.s_addr != INADDR_ANY)
			json_str(j, "gateway", inet_ntop(AF_INET, &rt.gateway, addr, sizeof(addr)));
		json_str(j, "interface", rt.ifname);
		json_append(list, j);
	}
	return (list);
}

static json *
route_run(const struct request *req)
{
	const char *to = req->add[0] != '\0' ? req->add : req->delete, *fault;
	struct stack *st = stack_find(req->name);
	struct in_addr dst = { 0 }, gateway = { 0 };
	struct uverr err;
	json *j, *list;
	struct ifnet *ifp;
	int prefixlen = 0, error = 0, overif;

	if (st == NULL)
		return (answer(uverr(&err, ENOENT, "%.64s: no such stack", req->name), &err));
	fault = to[0] != '\0' ? config_prefix(to, 1, &dst, &prefixlen) : NULL;
	if (fault != NULL)
		return (answer(uverr(&err, EINVAL, "\"%.64s\" %s", to, fault), &err));
	overif = req->add[0] != '\0' && inet_pton(AF_INET, req->gateway, &gateway) != 1;
	if (overif && !config_name_ok(req->gateway, IFNAMSIZ_UV))
		return (answer(uverr(&err, EINVAL, "\"%.64s\" is neither an address nor an interface", req->gateway), &err));
	workers_stop();
	CURVNET_SET(st->st_vnet);
	if (overif)
		error = (ifp = inet->ifunit(req->gateway)) != NULL ? inet->rt_addif(dst, (unsigned)prefixlen, ifp) : -ENXIO;
	else if (req->add[0] != '\0')
		error = inet->rt_add(dst, (unsigned)prefixlen, gateway);
	else if (to[0] != '\0')
		error = inet->rt_delete(dst, (unsigned)prefixlen);
	list = routes_json();
	CURVNET_RESTORE();
	workers_resume();
	if (error != 0)
		uverr(&err, -error, "%s: %s", to, error == -ESRCH ? "there is no such route" : error == -EEXIST ?
		    "there is such a route" : error == -ENETUNREACH ? "no interface has a network with that gateway" :
		    error == -ENXIO ? "there is no such interface" :
		    error == -EINVAL ? overif ? "over Ethernet a route needs a gateway" : "the gateway is not a neighbour" :
		    strerror(-error));
	j = answer(error, &err);
	json_put(j, "routes", list);
	return (j);
}

static json *
ls_run(void)
{
	json *j = report_stacks();

	json_bool(j, "ok", 1);
	return (j);
}

json *
command_run(const struct request *req)
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
	case REQUEST_NCMDS:
		break;
	}
	return (NULL);
}
