/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Jump tables.  A switch jumps to an anchor in the code plus an entry of a table, bounded by a comparison.  Where that
 * form is recognised, the entries say where control goes.  Where it is not, it may go anywhere in the function, and
 * what is found on those ways is a doubt, not a finding.
 */
#include <stdlib.h>

#include "flow.h"

#define BACK	32	 /* instructions to look back over */
#define ENTRIES	4096

/* The latest instruction before i, within the function, that writes reg. */
static uint32_t
writer(const struct kc_flow *f, uint32_t i, uint8_t reg)
{
	uint32_t stop = f->func[f->owner[i]].start;

	for (unsigned k = 0; k < BACK && i > stop; k++) {
		i--;
		if (f->op[i].rd == reg || f->op[i].rd2 == reg)
			return (i);
	}
	return (0);
}

/* How many entries a table read at load has: from the comparison before it. */
static unsigned
entries(const struct kc_flow *f, uint32_t load)
{
	uint32_t stop = f->func[f->owner[load]].start;

	for (unsigned k = 0; k < BACK && load > stop; k++) {
		const struct kc_op *op = &f->op[--load];

		if (op->cmp_small && (op->kind == KC_OP_COMPARE || op->kind == KC_OP_ADDI)) {
			uint64_t n = op->kind == KC_OP_ADDI ? -op->imm : op->imm;

			return (n < ENTRIES ? (unsigned)n + 1 : 0);
		}
	}
	return (0);
}

bool
kc_jump_table(struct kc_flow *f, uint32_t i)
{
	uint32_t add = writer(f, i, f->op[i].rn), load;
	const struct kc_func *g = &f->func[f->owner[i]];
	uint64_t anchor = 0, anchors = 0;
	struct kc_vs s = f->v.vs[kc_get(f, f->op[i].rn)];
	const struct kc_op *a, *l;
	unsigned n;

	if (add == 0 || f->op[add].kind != KC_OP_ADD || (load = writer(f, add, f->op[add].rm)) == 0)
		return (false);
	a = &f->op[add];
	l = &f->op[load];
	if (l->kind != KC_OP_LOAD || l->vector || f->table[load] == 0 || (n = entries(f, load)) == 0)
		return (false);
	for (unsigned k = 0; k < s.n; k++)
		if (f->v.node[s.node[k]].kind == N_IMAGE) {
			anchor = f->v.node[s.node[k]].value;
			anchors++;
		}
	if (anchors != 1)
		return (false);
	for (int pass = 0; pass < 2; pass++)
		for (unsigned k = 0; k < n; k++) {
			const uint8_t *p = kc_elf_bytes(f->elf, f->table[load] + (uint64_t)k * l->size, l->size);
			uint64_t v;
			uint32_t to;

			if (p == NULL)
				return (false);
			v = l->size == 1 ? p[0] : l->size == 2 ? kc_u16(f->elf, p) : l->size == 4 ? kc_u32(f->elf, p) : kc_u64(f->elf, p);
			if (l->sign && l->size < 8 && v >> (l->size * 8 - 1) != 0)
				v |= ~(uint64_t)0 << (l->size * 8);
			to = kc_insn_at(f, anchor + kc_extend(v, a->ext, a->shift));
			if (to < g->start || to >= g->stop)
				return (false);
			if (pass == 1)
				kc_goto(f, to, f->cur);
		}
	return (true);
}

void
kc_jump_anywhere(struct kc_flow *f, uint32_t i)
{
	const struct kc_func *g = &f->func[f->owner[i]];
	struct kc_state *s = kc_state_new();

	if (s == NULL) {
		f->out_of_memory = true;
		return;
	}
	*s = *f->cur;
	for (unsigned r = 0; r < KC_NREGS; r++)
		s->reg[r] = r == KC_SP ? s->reg[r] : kc_vs_weaken(f, s->reg[r]);
	s->nslot = f->cur->nslot;
	for (uint32_t k = 0; k < s->nslot; k++) {
		s->slot[k].off = f->cur->slot[k].off;
		s->slot[k].vs = kc_vs_weaken(f, f->cur->slot[k].vs);
	}
	for (uint32_t k = g->start; k < g->stop; k++)
		kc_goto(f, k, s);
	free(s);
}
