/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cloners: the kinds of interfaces that a stack can make, by name (FreeBSD's if_clone(9)).
 *
 * A module registers its kind in every stack from a VNET_SYSINIT and takes it back in the VNET_SYSUNINIT of the same
 * place; so the list is the stack's, and a kind can be there in one stack and not, or not any more, in another.
 * The module's structure is shared and constant; what is the stack's own lies in a node of its heap.
 */
#include <errno.h>
#include <string.h>
#include <sys/queue.h>
#include <uvnet/net.h>
#include <uvnet/vnet.h>

#include "ifnet.h"

struct cloner {
	SLIST_ENTRY(cloner) le;
	const struct if_clone *ifc;
};

static SLIST_HEAD(, cloner) cloners;

static struct cloner *
cloner_find(const char *kind)
{
	struct cloner *c;

	SLIST_FOREACH (c, &cloners, le)
		if (strcmp(c->ifc->ifc_name, kind) == 0)
			break;
	return (c);
}

int
if_clone_attach(const struct if_clone *ifc)
{
	struct cloner *c;

	if (cloner_find(ifc->ifc_name) != NULL)
		return (-EEXIST);
	c = vnet_malloc(sizeof(*c));
	if (c == NULL)
		return (-ENOMEM);
	c->ifc = ifc;
	SLIST_INSERT_HEAD(&cloners, c, le);
	return (0);
}

void
if_clone_detach(const struct if_clone *ifc)
{
	struct cloner *c = cloner_find(ifc->ifc_name);
	struct ifnet *ifp, *next;

	if (c == NULL || c->ifc != ifc)
		return;
	for (ifp = if_next(NULL); ifp != NULL; ifp = next) {
		next = if_next(ifp);
		if (ifp->if_clone == ifc)
			if_clone_destroy(ifp);
	}
	SLIST_REMOVE(&cloners, c, cloner, le);
	vnet_free(c);
}

int
if_clone_create(const char *kind, const char *name, const void *params, struct ifnet **ifp)
{
	struct cloner *c = cloner_find(kind);
	int error;

	if (c == NULL)
		return (-ENOENT);
	error = c->ifc->ifc_create(c->ifc, name, params, ifp);
	if (error == 0)
		(*ifp)->if_clone = c->ifc;
	return (error);
}

int
if_clone_destroy(struct ifnet *ifp)
{
	if (ifp->if_clone == NULL)
		return (-EOPNOTSUPP);
	ifp->if_clone->ifc_destroy(ifp->if_clone, ifp);
	return (0);
}
