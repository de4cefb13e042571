/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Links: cables between two stacks, by name.
 *
 * A link has no thing of its own in the network: it is the pair of epair ends that configured interfaces with the
 * same `link` are.  The first end to come makes it, the second is made as the first one's peer, and it is gone
 * with the last.  An end that comes back after its stack was destroyed becomes the peer of the one that stayed.
 *
 * Cutting a link takes the carrier of both ends down, as pulling the plug would: the stacks find out by their own
 * timers.  A link stays cut while its ends come and go.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uvnet/if_epair.h>
#include "stack.h"

#define LINK_NHASH 4096

struct link_list links = TAILQ_HEAD_INITIALIZER(links);
static LIST_HEAD(, link) link_names[LINK_NHASH];

/* FNV-1a. */
static unsigned
name_hash(const char *name)
{
	uint32_t h = 2166136261u;

	while (*name != '\0')
		h = (h ^ (unsigned char)*name++) * 16777619u;
	return (h % LINK_NHASH);
}

struct link *
link_find(const char *name)
{
	struct link *l;

	LIST_FOREACH (l, &link_names[name_hash(name)], l_hash)
		if (strcmp(l->l_name, name) == 0)
			break;
	return (l);
}

struct worker *
link_worker(const char *name)
{
	const struct link *l = link_find(name);

	if (l == NULL)
		return (NULL);
	return (l->l_ends[l->l_ends[0] != NULL ? 0 : 1]->e_stack->st_worker);
}

static int
link_create(const char *name, struct link **link, struct uverr *err)
{
	struct link *l;
	int error;

	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	snprintf(l->l_name, sizeof(l->l_name), "%s", name);
	l->l_up = 1;
	if (captures_wanted()) {
		error = capture_open(name, &l->l_capture, err);
		if (error != 0) {
			free(l);
			return (error);
		}
	}
	TAILQ_INSERT_TAIL(&links, l, l_le);
	LIST_INSERT_HEAD(&link_names[name_hash(name)], l, l_hash);
	*link = l;
	return (0);
}

static void
link_release(struct link *l)
{
	if (l->l_ends[0] != NULL || l->l_ends[1] != NULL)
		return;
	TAILQ_REMOVE(&links, l, l_le);
	LIST_REMOVE(l, l_hash);
	free(l);
}

static void
carrier_set(const struct end *e, int state)
{
	CURVNET_SET(e->e_stack->st_vnet);
	inet->if_link_state_change(e->e_ifp, state);
	CURVNET_RESTORE();
}

void
link_setstate(struct link *l, int up)
{
	int whole = l->l_ends[0] != NULL && l->l_ends[1] != NULL;

	l->l_up = up;
	for (int i = 0; i < 2; i++)
		if (l->l_ends[i] != NULL)
			carrier_set(l->l_ends[i], up && whole ? LINK_STATE_UP : LINK_STATE_DOWN);
}

int
interface_address(struct ifnet *ifp, const struct config_interface *ifc, int flags6, struct uverr *err)
{
	int error = 0;

	if (ifc->prefixlen >= 0)
		error = inet->if_addaddr(ifp, ifc->addr, (unsigned)ifc->prefixlen);
	for (int i = 0; i < ifc->naddr6 && error == 0; i++)
		error = inet->if_addaddr6(ifp, &ifc->addr6[i].addr, (unsigned)ifc->addr6[i].prefixlen, flags6);
	if (error == 0 && ifc->dhcp)
		error = inet->if_dhcp(ifp);
	if (error == 0 && ifc->slaac)
		error = inet->if_acceptrtadv(ifp);
	return (error == 0 ? 0 : uverr(err, -error, "address: %s", strerror(-error)));
}

/* Make the interface, as the peer of the other end if that is there, and give it its address. */
static int
end_attach(struct end *e, const struct config_interface *ifc, const struct end *other, struct uverr *err)
{
	struct epair_params params = { .peer = other != NULL ? other->e_ifp : NULL };
	int error;

	error = inet->if_clone_create("epair", ifc->name, &params, &e->e_ifp);
	if (error != 0)
		return (uverr(err, -error, "interface %s: %s", ifc->name,
		    error == -ENOENT ? "no cloner \"epair\" (is if_epair.ko loaded?)" : strerror(-error)));
	if (e->e_link->l_capture != NULL)
		inet->if_setchecksums(e->e_ifp, 1);
	/* That no two ends of a link have the same address was checked: they are valid at once. */
	error = interface_address(e->e_ifp, ifc, IN6_IFF_NODAD, err);
	if (error != 0) {
		inet->if_clone_destroy(e->e_ifp);
		uverr_prefix(err, "interface %s", ifc->name);
	}
	return (error);
}

int
end_create(struct stack *st, const struct config_interface *ifc, struct uverr *err)
{
	struct link *l;
	struct end *e;
	int error, slot;

	l = link_find(ifc->link);
	if (l == NULL) {
		error = link_create(ifc->link, &l, err);
		if (error != 0)
			return (error);
	}
	if (l->l_ends[0] != NULL && l->l_ends[1] != NULL)
		return (uverr(err, EBUSY, "interface %s: link \"%s\" has two ends already, in \"%s\" and \"%s\" (more"
		    " would need a bridge)", ifc->name, l->l_name, l->l_ends[0]->e_stack->st_vnet->vnet_name,
		    l->l_ends[1]->e_stack->st_vnet->vnet_name));
	slot = l->l_ends[0] == NULL ? 0 : 1;
	e = calloc(1, sizeof(*e));
	if (e == NULL) {
		error = uverr(err, ENOMEM, "out of memory");
		goto fail;
	}
	e->e_stack = st;
	e->e_link = l;
	snprintf(e->e_name, sizeof(e->e_name), "%s", ifc->name);
	error = end_attach(e, ifc, l->l_ends[!slot], err);
	if (error != 0)
		goto fail_end;
	l->l_ends[slot] = e;
	LIST_INSERT_HEAD(&st->st_ends, e, e_le);
	if (l->l_capture != NULL && l->l_ends[!slot] == NULL)
		capture_tap(l->l_capture, e);
	if (!l->l_up)		/* making the second end brought the carriers up */
		link_setstate(l, 0);
	return (0);
fail_end:
	free(e);
fail:
	link_release(l);
	return (error);
}

void
end_destroy(struct end *e)
{
	struct link *l = e->e_link;

	for (int i = 0; i < 2; i++)
		if (l->l_ends[i] == e)
			l->l_ends[i] = NULL;
	/* One end records for both; the other takes over. */
	if (l->l_capture != NULL)
		capture_tap(l->l_capture, l->l_ends[l->l_ends[0] != NULL ? 0 : 1]);
	CURVNET_SET(e->e_stack->st_vnet);
	inet->if_clone_destroy(e->e_ifp);
	CURVNET_RESTORE();
	LIST_REMOVE(e, e_le);
	free(e);
	link_release(l);
}
