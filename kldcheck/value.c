/* SPDX-License-Identifier: BSD-2-Clause */
/* Values: see value.h. */
#include <stdlib.h>
#include <string.h>

#include "value.h"

static uint32_t
mix(uint64_t h)
{
	h *= 0x9e3779b97f4a7c15;
	return ((uint32_t)(h >> 32));
}

static uint32_t
node_hash(const struct kc_node *n)
{
	return (mix(n->value ^ (uint64_t)n->insn << 40 ^ (uint64_t)n->parent << 20 ^ (uint64_t)n->kind << 8 ^ n->flags));
}

static uint32_t
vs_hash(const struct kc_vs *s)
{
	uint64_t h = s->flags;

	for (unsigned i = 0; i < s->n; i++)
		h = h * 0x100000001b3 ^ s->node[i];
	return (mix(h));
}

int
kc_values_init(struct kc_values *v, uint32_t maxnodes)
{
	memset(v, 0, sizeof(*v));
	v->nodemax = maxnodes;
	v->nodecap = v->vscap = 4096;
	v->nodemask = v->vsmask = 8191;
	v->node = calloc(v->nodecap, sizeof(*v->node));
	v->vs = calloc(v->vscap, sizeof(*v->vs));
	v->nodehash = calloc(v->nodemask + 1, sizeof(*v->nodehash));
	v->vshash = calloc(v->vsmask + 1, sizeof(*v->vshash));
	v->memo = calloc(KC_MEMO, sizeof(*v->memo));
	if (v->node == NULL || v->vs == NULL || v->nodehash == NULL || v->vshash == NULL || v->memo == NULL) {
		kc_values_free(v);
		return (-1);
	}
	v->nnode = 1; /* 0: none */
	v->vs[0].flags = VS_OPEN;
	v->nvs = 1;
	return (0);
}

void
kc_values_free(struct kc_values *v)
{
	free(v->memo);
	free(v->vshash);
	free(v->nodehash);
	free(v->vs);
	free(v->node);
	memset(v, 0, sizeof(*v));
}

static bool
grow_nodes(struct kc_values *v)
{
	uint32_t cap = v->nodecap * 2, mask = cap * 2 - 1;
	struct kc_node *node;
	uint32_t *hash;

	if (v->nnode >= v->nodemax)
		return (false);
	if ((node = realloc(v->node, cap * sizeof(*node))) == NULL)
		return (false);
	v->node = node;
	if ((hash = calloc(mask + 1, sizeof(*hash))) == NULL)
		return (false);
	for (uint32_t i = 1; i < v->nnode; i++) {
		uint32_t at = node_hash(&node[i]) & mask;

		while (hash[at] != 0)
			at = (at + 1) & mask;
		hash[at] = i;
	}
	free(v->nodehash);
	v->nodehash = hash;
	v->nodemask = mask;
	v->nodecap = cap;
	return (true);
}

uint32_t
kc_node(struct kc_values *v, uint8_t kind, uint8_t flags, uint64_t value, uint32_t insn, uint32_t parent)
{
	struct kc_node n = { .value = value, .insn = insn, .parent = parent, .kind = kind, .flags = flags };
	uint32_t at = node_hash(&n) & v->nodemask, i;

	for (; (i = v->nodehash[at]) != 0; at = (at + 1) & v->nodemask) {
		const struct kc_node *o = &v->node[i];

		if (o->value == value && o->insn == insn && o->parent == parent && o->kind == kind && o->flags == flags)
			return (i);
	}
	if (v->nnode == v->nodecap) {
		if (!grow_nodes(v)) {
			v->full = true;
			return (0);
		}
		for (at = node_hash(&n) & v->nodemask; v->nodehash[at] != 0;)
			at = (at + 1) & v->nodemask;
	}
	n.depth = parent != 0 ? (uint8_t)(v->node[parent].depth + 1) : 0;
	v->node[v->nnode] = n;
	v->nodehash[at] = v->nnode;
	return (v->nnode++);
}

bool
kc_node_made_by(const struct kc_values *v, uint32_t node, uint32_t insn)
{
	for (; node != 0; node = v->node[node].parent)
		if (v->node[node].insn == insn)
			return (true);
	return (false);
}

static bool
absorbs(const struct kc_values *v, uint8_t flags, uint32_t node)
{
	const struct kc_node *n = &v->node[node];

	if ((flags & VS_LOST) != 0)
		return (true);
	if ((flags & VS_NO_NUMBERS) != 0 && (n->kind == N_NUMBER || n->kind == N_TABLE || n->kind == N_STACK))
		return (true);
	return ((flags & VS_NO_DATA) != 0 && n->kind == N_IMAGE && (n->flags & (NF_PAGE | NF_INSET)) == 0);
}

static void
absorb(const struct kc_values *v, struct kc_vs *set, uint8_t flag)
{
	unsigned n = 0;

	set->flags |= flag | VS_OPEN;
	for (unsigned i = 0; i < set->n; i++)
		if (!absorbs(v, set->flags, set->node[i]))
			set->node[n++] = set->node[i];
	set->n = (uint8_t)n;
}

void
kc_vs_add(const struct kc_values *v, struct kc_vs *set, uint32_t node)
{
	static const uint8_t steps[] = { VS_NO_NUMBERS, VS_NO_DATA, VS_LOST };
	unsigned i;

	if (node == 0) {
		set->flags |= VS_OPEN;
		return;
	}
	if (absorbs(v, set->flags, node))
		return;
	for (i = 0; i < set->n && set->node[i] < node; i++)
		;
	if (i < set->n && set->node[i] == node)
		return;
	for (unsigned s = 0; set->n == KC_SET_MAX && s < sizeof(steps); s++)
		absorb(v, set, steps[s]);
	if (absorbs(v, set->flags, node))
		return;
	for (i = set->n; i > 0 && set->node[i - 1] > node; i--)
		set->node[i] = set->node[i - 1];
	set->node[i] = node;
	set->n++;
}

static bool
grow_sets(struct kc_values *v)
{
	uint32_t cap = v->vscap * 2, mask = cap * 2 - 1;
	struct kc_vs *vs;
	uint32_t *hash;

	if (v->nvs >= v->nodemax || (vs = realloc(v->vs, cap * sizeof(*vs))) == NULL)
		return (false);
	v->vs = vs;
	if ((hash = calloc(mask + 1, sizeof(*hash))) == NULL)
		return (false);
	for (uint32_t i = 1; i < v->nvs; i++) {
		uint32_t at = vs_hash(&vs[i]) & mask;

		while (hash[at] != 0)
			at = (at + 1) & mask;
		hash[at] = i;
	}
	free(v->vshash);
	v->vshash = hash;
	v->vsmask = mask;
	v->vscap = cap;
	return (true);
}

uint32_t
kc_vs_intern(struct kc_values *v, const struct kc_vs *set)
{
	uint32_t at, i;

	if (set->n == 0 && set->flags == VS_OPEN)
		return (VS_UNKNOWN);
	for (at = vs_hash(set) & v->vsmask; (i = v->vshash[at]) != 0; at = (at + 1) & v->vsmask) {
		const struct kc_vs *o = &v->vs[i];

		if (o->n == set->n && o->flags == set->flags && memcmp(o->node, set->node, set->n * sizeof(set->node[0])) == 0)
			return (i);
	}
	if (v->nvs == v->vscap) {
		if (!grow_sets(v)) {
			v->full = true;
			return (VS_UNKNOWN);
		}
		for (at = vs_hash(set) & v->vsmask; v->vshash[at] != 0;)
			at = (at + 1) & v->vsmask;
	}
	v->vs[v->nvs] = *set;
	v->vshash[at] = v->nvs;
	return (v->nvs++);
}

uint32_t
kc_vs_single(struct kc_values *v, uint32_t node, bool open)
{
	struct kc_vs s = { .flags = open ? VS_OPEN : 0 };

	kc_vs_add(v, &s, node);
	return (kc_vs_intern(v, &s));
}

uint32_t
kc_vs_join(struct kc_values *v, uint32_t a, uint32_t b)
{
	struct kc_vs s;
	uint32_t slot;

	if (a == b)
		return (a);
	if (a > b) {
		uint32_t t = a;

		a = b;
		b = t;
	}
	slot = mix((uint64_t)a << 32 | b) & (KC_MEMO - 1);
	if (v->memo[slot].a == a && v->memo[slot].b == b)
		return (v->memo[slot].r);
	s = v->vs[a];
	if ((v->vs[b].flags & ~s.flags) != 0)
		absorb(v, &s, v->vs[b].flags);
	s.flags = v->vs[a].flags | v->vs[b].flags;
	for (unsigned i = 0; i < v->vs[b].n; i++)
		kc_vs_add(v, &s, v->vs[b].node[i]);
	v->memo[slot].a = a;
	v->memo[slot].b = b;
	v->memo[slot].r = kc_vs_intern(v, &s);
	return (v->memo[slot].r);
}
