/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which peer an inner address belongs to: two binary tries with compressed paths, one a family.
 *
 * A node is a prefix; what lies below it begins with its bits.  A node has a peer, or exactly two children (it is
 * only a fork), or both.  So a lookup follows at most as many nodes as an address has bits, remembers the last peer
 * whose prefix matched, and compares each node's bits once.  Nodes of one peer are chained, so that a peer goes
 * without a search of the whole trie.
 */
#include <endian.h>
#include <sys/socket.h>

#include "wg.h"

struct allowed_node {
	struct allowed_node *child[2];
	struct wg_peer *peer;		/* NULL: a fork */
	struct allowed_node *next, **prevp;	/* of the peer's */
	uint8_t addr[16];
	uint8_t cidr, af;
};

static unsigned
bit_of(const uint8_t *addr, unsigned n)
{
	return (addr[n / 8] >> (7 - n % 8) & 1);
}

/* How many leading bits are equal, at most `max`. */
static unsigned
common(const uint8_t *a, const uint8_t *b, unsigned max)
{
	uint32_t x, y;
	unsigned n;

	for (n = 0; n < max; n += 32) {
		memcpy(&x, a + n / 8, 4);
		memcpy(&y, b + n / 8, 4);
		if (x != y) {
			n += (unsigned)__builtin_clz(be32toh(x ^ y));
			break;
		}
	}
	return (n < max ? n : max);
}

static bool
covers(const struct allowed_node *n, const uint8_t *addr)
{
	return (common(n->addr, addr, n->cidr) == n->cidr);
}

static void
chain(struct allowed_node *n, struct wg_peer *peer)
{
	struct wg_allowed_list *list = &peer->p_allowed;

	n->peer = peer;
	n->next = NULL;
	n->prevp = list->first != NULL ? list->tail : &list->first;
	*n->prevp = n;
	list->tail = &n->next;
}

static void
unchain(struct allowed_node *n)
{
	*n->prevp = n->next;
	if (n->next != NULL)
		n->next->prevp = n->prevp;
	else
		n->peer->p_allowed.tail = n->prevp;
	n->peer = NULL;
}

/* An insertion makes a node, and a fork to hang it on at the most. */
int
wg_allowed_reserve(struct wg_allowed_spare *spare, unsigned insertions)
{
	struct allowed_node *n;

	for (unsigned i = 0; i < 2 * insertions; i++) {
		n = vnet_calloc(1, sizeof(*n));
		if (n == NULL)
			return (-ENOMEM);
		n->next = spare->first;
		spare->first = n;
	}
	return (0);
}

void
wg_allowed_unreserve(struct wg_allowed_spare *spare)
{
	struct allowed_node *n;

	while ((n = spare->first) != NULL) {
		spare->first = n->next;
		vnet_free(n);
	}
}

static struct allowed_node *
node_make(struct wg_allowed_spare *spare, int af, const uint8_t *addr, unsigned cidr)
{
	struct allowed_node *n = spare->first;

	assert(n != NULL);
	spare->first = n->next;
	n->next = NULL;
	n->af = (uint8_t)af;
	n->cidr = (uint8_t)cidr;
	memcpy(n->addr, addr, (cidr + 7) / 8);
	if (cidr % 8 != 0)
		n->addr[cidr / 8] &= (uint8_t)(0xff << (8 - cidr % 8));
	return (n);
}

static struct allowed_node **
root_of(struct wg_allowedips *t, int af)
{
	return (af == AF_INET ? &t->root4 : &t->root6);
}

/* Where the prefix is, or would be: *n covers it as exactly, is below it or beside it, or is NULL. */
static struct allowed_node **
descend(struct allowed_node **at, const uint8_t *addr, unsigned cidr)
{
	while (*at != NULL && (*at)->cidr < cidr && covers(*at, addr))
		at = &(*at)->child[bit_of(addr, (*at)->cidr)];
	return (at);
}

void
wg_allowed_insert(struct wg_allowedips *t, int af, const void *address, unsigned cidr, struct wg_peer *peer,
    struct wg_allowed_spare *spare)
{
	struct allowed_node **at, *n, *fork;
	const uint8_t *addr = address;
	unsigned same;

	at = descend(root_of(t, af), addr, cidr);
	same = *at != NULL ? common((*at)->addr, addr, (*at)->cidr < cidr ? (*at)->cidr : cidr) : 0;
	if (*at != NULL && (*at)->cidr == cidr && same == cidr) {
		if ((*at)->peer != NULL)
			unchain(*at);
		chain(*at, peer);
		return;
	}
	n = node_make(spare, af, addr, cidr);
	if (*at == NULL) {
		*at = n;
	} else if (same == cidr) {
		n->child[bit_of((*at)->addr, cidr)] = *at;
		*at = n;
	} else {
		fork = node_make(spare, af, addr, same);
		fork->child[bit_of(addr, same)] = n;
		fork->child[bit_of((*at)->addr, same)] = *at;
		*at = fork;
	}
	chain(n, peer);
}

/* A node that lost its peer stays as a fork, or goes; its parent, left a fork of one, goes as well. */
static void
node_remove(struct wg_allowedips *t, struct allowed_node *n)
{
	struct allowed_node **at = root_of(t, n->af), **up = NULL, *parent;

	unchain(n);
	if (n->child[0] != NULL && n->child[1] != NULL)
		return;
	while (*at != n) {
		up = at;
		at = &(*at)->child[bit_of(n->addr, (*at)->cidr)];
	}
	*at = n->child[0] != NULL ? n->child[0] : n->child[1];
	vnet_free(n);
	if (*at != NULL || up == NULL || (*up)->peer != NULL)
		return;
	parent = *up;
	*up = parent->child[0] != NULL ? parent->child[0] : parent->child[1];
	vnet_free(parent);
}

void
wg_allowed_remove(struct wg_allowedips *t, int af, const void *addr, unsigned cidr, struct wg_peer *peer)
{
	struct allowed_node *n = *descend(root_of(t, af), addr, cidr);

	if (n != NULL && n->cidr == cidr && covers(n, addr) && n->peer == peer)
		node_remove(t, n);
}

void
wg_allowed_remove_peer(struct wg_allowedips *t, struct wg_peer *peer)
{
	while (peer->p_allowed.first != NULL)
		node_remove(t, peer->p_allowed.first);
}

struct wg_peer *
wg_allowed_lookup(const struct wg_allowedips *t, int af, const void *address)
{
	const struct allowed_node *n = af == AF_INET ? t->root4 : t->root6;
	const unsigned bits = af == AF_INET ? 32 : 128;
	const uint8_t *addr = address;
	struct wg_peer *found = NULL;

	while (n != NULL && covers(n, addr)) {
		if (n->peer != NULL)
			found = n->peer;
		if (n->cidr == bits)
			break;
		n = n->child[bit_of(addr, n->cidr)];
	}
	return (found);
}

/* The family of a packet whose header is there whole, or 0. */
static int
family(const uint8_t *ip, size_t len)
{
	if (len >= 20 && ip[0] >> 4 == 4)
		return (AF_INET);
	return (len >= 40 && ip[0] >> 4 == 6 ? AF_INET6 : 0);
}

struct wg_peer *
wg_allowed_src(const struct wg_allowedips *t, const uint8_t *ip, size_t len)
{
	int af = family(ip, len);

	return (af != 0 ? wg_allowed_lookup(t, af, ip + (af == AF_INET ? 12 : 8)) : NULL);
}

struct wg_peer *
wg_allowed_dst(const struct wg_allowedips *t, const uint8_t *ip, size_t len)
{
	int af = family(ip, len);

	return (af != 0 ? wg_allowed_lookup(t, af, ip + (af == AF_INET ? 16 : 24)) : NULL);
}

const struct allowed_node *
wg_allowed_next(const struct wg_peer *peer, const struct allowed_node *n)
{
	return (n == NULL ? peer->p_allowed.first : n->next);
}

void
wg_allowed_get(const struct allowed_node *n, int *af, uint8_t addr[16], unsigned *cidr)
{
	*af = n->af;
	memcpy(addr, n->addr, 16);
	*cidr = n->cidr;
}
