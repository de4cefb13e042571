/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the counters of everything.
 *
 * Counters are plain variables of the workers, so they are read while all are stopped; with many stacks that
 * would be a long stop if JSON were made meanwhile, or the memory of each looked at.  So report_stacks() copies numbers
 * into an array under the stop, and does the rest after it: that a stack is there and how its links are called
 * only the main thread changes, which is the one that reads.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "report.h"
#include "stack.h"
#include "tap.h"
#include "wg.h"

struct row {
	const struct stack *st;
	struct vnet_heap_stats heap;
	struct stack counters;		/* a copy, of which the counters are used */
	struct wg_stats wg;
	size_t first, count;		/* its interfaces in the array of all */
};

struct ifrow {
	char name[IFNAMSIZ_UV];
	struct if_data data;
};

static void
addrs_put(json *j, const struct if_data *data)
{
	char addr[INET_ADDRSTRLEN], mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", data->mac[0], data->mac[1], data->mac[2],
	    data->mac[3], data->mac[4], data->mac[5]);
	json_str(j, "ether", mac);
	if (data->addr.s_addr != INADDR_ANY) {
		json_str(j, "address", inet_ntop(AF_INET, &data->addr, addr, sizeof(addr)));
		json_int(j, "prefixlen", data->prefixlen);
	}
	json_int(j, "mtu", data->mtu);
	json_str(j, "carrier", data->link_state == LINK_STATE_UP ? "up" : "down");
}

static void
counters_put(json *j, const struct if_data *data)
{
	json_int(j, "ipackets", (int64_t)data->ifi_ipackets);
	json_int(j, "ibytes", (int64_t)data->ifi_ibytes);
	json_int(j, "idrops", (int64_t)data->ifi_iqdrops);
	json_int(j, "opackets", (int64_t)data->ifi_opackets);
	json_int(j, "obytes", (int64_t)data->ifi_obytes);
	json_int(j, "odrops", (int64_t)data->ifi_oqdrops);
}

static const char *
link_of(const struct stack *st, const char *ifname)
{
	const struct end *e;

	LIST_FOREACH (e, &st->st_ends, e_le)
		if (strcmp(e->e_name, ifname) == 0)
			return (e->e_link->l_name);
	return (NULL);
}

static json *
tunnel_json(const struct wg_stats *wgs)
{
	json *j = json_object();

	json_int(j, "peers", (int64_t)wgs->peers);
	json_int(j, "handshakes", (int64_t)wgs->handshakes);
	json_int(j, "rx_bytes", (int64_t)wgs->rx_bytes);
	json_int(j, "tx_bytes", (int64_t)wgs->tx_bytes);
	json_int(j, "refused", (int64_t)(wgs->bad_mac + wgs->bad_index + wgs->bad_packet + wgs->replayed +
	    wgs->bad_source));
	json_int(j, "dropped", (int64_t)(wgs->dropped + wgs->no_peer + wgs->no_endpoint + wgs->ratelimited));
	return (j);
}

static json *
row_json(const struct row *row, const struct ifrow *ifs)
{
	const struct vnet *vnet = row->st->st_vnet;
	const struct stack *c = &row->counters;
	json *j = json_object(), *list = json_list(), *ifj;
	const char *link;

	json_str(j, "name", vnet->vnet_name);
	json_int(j, "id", vnet->vnet_id);
	json_int(j, "cpu", vnet->vnet_cpu);
	json_int(j, "connections", c->st_nrelays);
	json_int(j, "flows", c->st_nflows);
	json_int(j, "accepted", (int64_t)c->st_accepted);
	json_int(j, "failed", (int64_t)c->st_failed);
	json_int(j, "bytes_in", (int64_t)c->st_rx);
	json_int(j, "bytes_out", (int64_t)c->st_tx);
	json_int(j, "resident", (int64_t)vset_instance_resident(vnet_vset, vnet->vnet_slot));
	json_int(j, "heap_used", (int64_t)row->heap.used);
	json_int(j, "heap_carved", (int64_t)row->heap.carved);
	json_int(j, "heap_limit", (int64_t)row->heap.limit);
	json_int(j, "heap_failures", (int64_t)row->heap.failures);
	if (c->st_wg != NULL)
		json_put(j, "wireguard", tunnel_json(&row->wg));
	for (size_t i = row->first; i < row->first + row->count; i++) {
		ifj = json_object();
		json_str(ifj, "name", ifs[i].name);
		link = link_of(row->st, ifs[i].name);
		if (link != NULL)
			json_str(ifj, "link", link);
		link = hosttap_device(row->st, ifs[i].name);
		if (link != NULL)
			json_str(ifj, "device", link);
		addrs_put(ifj, &ifs[i].data);
		counters_put(ifj, &ifs[i].data);
		json_append(list, ifj);
	}
	json_put(j, "interfaces", list);
	return (j);
}

/* Copy one stack's numbers; its interfaces go behind the *nifs there are, up to `max`. */
static void
row_fill(struct row *row, const struct stack *st, struct ifrow *ifs, size_t *nifs, size_t max)
{
	const struct ifnet *ifp;

	row->st = st;
	row->counters = *st;
	row->first = *nifs;
	CURVNET_SET(st->st_vnet);
	vnet_heap_stat(&row->heap);
	for (ifp = inet->if_next(NULL); ifp != NULL && *nifs < max; ifp = inet->if_next(ifp)) {
		snprintf(ifs[*nifs].name, sizeof(ifs[*nifs].name), "%s", inet->if_name(ifp));
		inet->if_getdata(ifp, &ifs[*nifs].data);
		(*nifs)++;
	}
	if (st->st_wg != NULL)
		wg_getstats(st, &row->wg);
	CURVNET_RESTORE();
	row->count = *nifs - row->first;
}

json *
report_stacks(void)
{
	const struct stack *st;
	struct row *rows;
	struct ifrow *ifs;
	json *j = json_object(), *list = json_list();
	size_t n = 0, nifs = 0, max = 0;

	/* Room for what is there: the ends, and a few that modules may have made of themselves. */
	TAILQ_FOREACH (st, &stacks, st_le) {
		const struct end *e;

		n++;
		max += 4;
		LIST_FOREACH (e, &st->st_ends, e_le)
			max++;
	}
	rows = calloc(n + 1, sizeof(*rows));
	ifs = calloc(max + 1, sizeof(*ifs));
	if (rows != NULL && ifs != NULL) {
		n = 0;
		workers_stop();
		TAILQ_FOREACH (st, &stacks, st_le)
			row_fill(&rows[n++], st, ifs, &nifs, max);
		workers_resume();
		for (size_t i = 0; i < n; i++)
			json_append(list, row_json(&rows[i], ifs));
	}
	json_put(j, "stacks", list);
	free(rows);
	free(ifs);
	return (j);
}

static json *
end_json(const struct end *e)
{
	json *j = json_object();
	struct if_data data;

	CURVNET_SET(e->e_stack->st_vnet);
	inet->if_getdata(e->e_ifp, &data);
	json_str(j, "vnet", e->e_stack->st_vnet->vnet_name);
	json_str(j, "interface", e->e_name);
	CURVNET_RESTORE();
	addrs_put(j, &data);
	counters_put(j, &data);
	return (j);
}

json *
report_links(const struct link *only)
{
	const struct link *l;
	json *j = json_object(), *list = json_list(), *ends, *one;

	TAILQ_FOREACH (l, &links, l_le) {
		if (only != NULL && l != only)
			continue;
		one = json_object();
		ends = json_list();
		json_str(one, "name", l->l_name);
		json_str(one, "state", !l->l_up ? "down" :
		    l->l_ends[0] != NULL && l->l_ends[1] != NULL ? "up" : "open");
		for (int i = 0; i < 2; i++)
			if (l->l_ends[i] != NULL)
				json_append(ends, end_json(l->l_ends[i]));
		json_put(one, "ends", ends);
		json_append(list, one);
	}
	json_put(j, "links", list);
	return (j);
}

/* ---- One stack ---- */

static json *
addresses_json(const struct ifnet *ifp, const struct if_data *data)
{
	json *list = json_list(), *j;
	char text[INET6_ADDRSTRLEN];
	struct if_addr6 a;

	if (data->addr.s_addr != INADDR_ANY) {
		j = json_object();
		json_str(j, "address", inet_ntop(AF_INET, &data->addr, text, sizeof(text)));
		json_int(j, "prefixlen", data->prefixlen);
		json_append(list, j);
	}
	for (unsigned i = 0; inet->if_getaddr6(ifp, i, &a) == 0; i++) {
		j = json_object();
		json_str(j, "address", inet_ntop(AF_INET6, &a.addr, text, sizeof(text)));
		json_int(j, "prefixlen", a.prefixlen);
		if (a.flags != 0)
			json_str(j, "state", (a.flags & IN6_IFF_DUPLICATED) != 0 ? "duplicated" :
			    (a.flags & IN6_IFF_TENTATIVE) != 0 ? "tentative" : "deprecated");
		json_append(list, j);
	}
	return (list);
}

json *
report_interfaces(const struct stack *st)
{
	json *j = json_object(), *list = json_list(), *one;
	const struct ifnet *ifp;
	struct if_data data;
	const char *link;

	CURVNET_SET(st->st_vnet);
	for (ifp = inet->if_next(NULL); ifp != NULL; ifp = inet->if_next(ifp)) {
		inet->if_getdata(ifp, &data);
		one = json_object();
		json_str(one, "name", inet->if_name(ifp));
		link = link_of(st, inet->if_name(ifp));
		if (link != NULL)
			json_str(one, "link", link);
		link = hosttap_device(st, inet->if_name(ifp));
		if (link != NULL)
			json_str(one, "device", link);
		addrs_put(one, &data);
		json_put(one, "addresses", addresses_json(ifp, &data));
		counters_put(one, &data);
		json_append(list, one);
	}
	CURVNET_RESTORE();
	json_put(j, "interfaces", list);
	return (j);
}

static void
name_put(json *j, const char *key, const void *addr, size_t size, int bound)
{
	char text[CONFIG_ADDRSTRLEN];
	union config_addr a = { 0 };

	memcpy(&a, addr, size < sizeof(a) ? size : sizeof(a));
	if (bound)
		json_str(j, key, config_addrstr(&a, text));
}

static void
socket_visit(const struct inpcb_data *d, void *arg)
{
	json *j = json_object();

	json_str(j, "proto", d->proto == IPPROTO_TCP ? d->family == AF_INET6 ? "tcp6" : "tcp4" :
	    d->family == AF_INET6 ? "udp6" : "udp4");
	json_int(j, "recvq", (int64_t)d->rcvq);
	json_int(j, "sendq", (int64_t)d->sndq);
	name_put(j, "local", &d->local, sizeof(d->local), 1);
	name_put(j, "remote", &d->remote, sizeof(d->remote), d->remote.sin.sin_port != 0);
	if (d->state[0] != '\0')
		json_str(j, "state", d->state);
	json_append(arg, j);
}

json *
report_sockets(const struct stack *st)
{
	json *j = json_object(), *list = json_list();

	CURVNET_SET(st->st_vnet);
	inet->inpcb_foreach(socket_visit, list);
	CURVNET_RESTORE();
	json_put(j, "sockets", list);
	return (j);
}
