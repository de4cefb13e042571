/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state before an instruction: a value set for each register and for the words of the stack that hold something.
 * A word of the stack that is not listed is unknown.
 */
#include <stdlib.h>
#include <string.h>

#include "flow.h"

struct kc_state *
kc_state_new(void)
{
	return (calloc(1, sizeof(struct kc_state) + KC_SLOTS_MAX * sizeof(struct kc_slot)));
}

uint32_t
kc_state_load(struct kc_flow *f, const struct kc_state *s, int64_t off, unsigned size)
{
	unsigned word = f->elf->is64 ? 8 : 4;

	for (uint32_t i = 0; size == word && i < s->nslot; i++)
		if (s->slot[i].off == off)
			return (s->slot[i].vs);
	return (VS_UNKNOWN);
}

static void
drop(struct kc_state *s, uint32_t i)
{
	s->slot[i] = s->slot[--s->nslot];
}

/* Whether losing this value could hide a reference. */
static bool
matters(const struct kc_flow *f, uint32_t vs)
{
	const struct kc_vs *s = &f->v.vs[vs];

	for (unsigned i = 0; i < s->n; i++)
		if ((f->v.node[s->node[i]].flags & (NF_PAGE | NF_INSET)) != 0)
			return (true);
	return ((s->flags & VS_LOST) != 0);
}

void
kc_state_store(struct kc_flow *f, struct kc_state *s, int64_t off, unsigned size, uint32_t vs, bool weak)
{
	unsigned word = f->elf->is64 ? 8 : 4;

	for (uint32_t i = 0; i < s->nslot;) {
		int64_t at = s->slot[i].off;

		if (at == off && size == word) {
			s->slot[i].vs = weak ? kc_vs_join(&f->v, s->slot[i].vs, vs) : vs;
			if (s->slot[i].vs == VS_UNKNOWN)
				drop(s, i);
			return;
		}
		if (!weak && at < off + (int64_t)size && off < at + (int64_t)word)
			drop(s, i);
		else
			i++;
	}
	if (vs == VS_UNKNOWN || size != word)
		return;
	if (weak)
		vs = kc_vs_join(&f->v, vs, VS_UNKNOWN);
	if (s->nslot < KC_SLOTS_MAX) {
		s->slot[s->nslot].off = off;
		s->slot[s->nslot++].vs = vs;
	} else if (matters(f, vs))
		f->too_complex = true;
}

bool
kc_state_join(struct kc_flow *f, struct kc_state **into, const struct kc_state *from, uint32_t insn)
{
	struct kc_state *s = *into, *t;
	bool changed = false;
	uint32_t more = 0;

	(void)insn;
	if (s == NULL) {
		size_t size = sizeof(*s) + from->nslot * sizeof(from->slot[0]);

		if ((s = malloc(size)) == NULL) {
			f->out_of_memory = true;
			return (false);
		}
		memcpy(s, from, size);
		*into = s;
		return (true);
	}
	for (unsigned r = 0; r < KC_NREGS; r++) {
		uint32_t j = kc_vs_join(&f->v, s->reg[r], from->reg[r]);

		if (j != s->reg[r]) {
			s->reg[r] = j;
			changed = true;
		}
	}
	for (uint32_t i = 0; i < s->nslot; i++) {
		uint32_t j = kc_vs_join(&f->v, s->slot[i].vs, kc_state_load(f, from, s->slot[i].off, f->elf->is64 ? 8 : 4));

		if (j != s->slot[i].vs) {
			s->slot[i].vs = j;
			changed = true;
		}
	}
	for (uint32_t i = 0; i < from->nslot; i++) {
		bool found = false;

		for (uint32_t k = 0; k < s->nslot && !found; k++)
			found = s->slot[k].off == from->slot[i].off;
		if (found)
			continue;
		if (s->nslot + 1 > KC_SLOTS_MAX) {
			if (matters(f, from->slot[i].vs))
				f->too_complex = true;
			continue;
		}
		t = realloc(s, sizeof(*s) + (s->nslot + 1) * sizeof(s->slot[0]));
		if (t == NULL) {
			f->out_of_memory = true;
			return (changed);
		}
		*into = s = t;
		s->slot[s->nslot].off = from->slot[i].off;
		s->slot[s->nslot++].vs = kc_vs_join(&f->v, from->slot[i].vs, VS_UNKNOWN);
		changed = true;
		more++;
	}
	return (changed);
}

/* The same values, perhaps. */
uint32_t
kc_vs_weaken(struct kc_flow *f, uint32_t vs)
{
	struct kc_vs old = f->v.vs[vs], s = { .flags = old.flags | VS_OPEN };

	for (unsigned i = 0; i < old.n; i++) {
		struct kc_node n = f->v.node[old.node[i]];

		if (n.kind == N_IMAGE || n.kind == N_NUMBER)
			kc_vs_add(&f->v, &s, kc_node(&f->v, n.kind, n.flags | NF_WEAK, n.value, n.insn, n.parent));
		else
			kc_vs_add(&f->v, &s, old.node[i]);
	}
	return (kc_vs_intern(&f->v, &s));
}
