/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads and stores: where they go, and what a load brings.
 *
 * Words of the stack are followed.  From the module's image a load brings what the file says: a constant where memory
 * is read-only, the relocated address where the kernel writes one, perhaps the initial value where it is writable.
 */
#include <string.h>

#include "flow.h"

struct access {
	uint32_t i;
	const struct kc_op *op;
	struct kc_vs got, got2; /* what is loaded into rd and rd2 */
	bool to_stack;		/* a store that went to a word of the stack only */
	bool elsewhere;
};

/* What the file says of the word at addr. */
static void
image_word(struct kc_flow *f, const struct access *a, uint64_t addr, uint32_t node, struct kc_vs *into)
{
	const struct kc_elf *e = f->elf;
	const struct kc_seg *seg = kc_elf_seg_of(e, addr);
	const struct kc_rel *rel = kc_elf_rel_at(e, addr);
	const uint8_t *p = kc_elf_bytes(e, addr, a->op->size);
	unsigned size = a->op->size;
	uint64_t v;

	if (rel != NULL) {
		bool got = e->gotsize != 0 && addr - e->got < e->gotsize;
		uint64_t to = rel->addend;

		if (rel->kind == KC_REL_SYMBOL && rel->sym < e->ndynsym) {
			const struct kc_sym *s = &e->dynsym[rel->sym];

			if (s->shndx == 0) {
				kc_vs_add(&f->v, into, kc_node(&f->v, N_EXTERN, 0, 0, 0, 0));
				return;
			}
			to += s->value;
		} else if (rel->kind != KC_REL_RELATIVE) {
			into->flags |= VS_OPEN;
			return;
		}
		if (kc_elf_set_of(e, to) != NULL) { /* the kernel redirects it: right */
			into->flags |= VS_OPEN;
			return;
		}
		kc_vs_add(&f->v, into, kc_image_node(f, to, f->v.node[node].flags & NF_WEAK, a->i, node));
		if (!got)
			into->flags |= VS_OPEN;
		return;
	}
	if (seg == NULL || p == NULL || (size != 1 && size != 2 && size != 4 && size != 8) || a->op->vector) {
		into->flags |= VS_OPEN;
		return;
	}
	v = size == 1 ? p[0] : size == 2 ? kc_u16(e, p) : size == 4 ? kc_u32(e, p) : kc_u64(e, p);
	if (a->op->sign && size < 8 && v >> (size * 8 - 1) != 0)
		v |= ~(uint64_t)0 << (size * 8);
	if (a->op->narrow || !e->is64)
		v = (uint32_t)v;
	if ((seg->flags & KC_PF_W) == 0)
		kc_vs_add(&f->v, into, kc_node(&f->v, N_NUMBER, f->v.node[node].flags & NF_WEAK, v, a->i, 0));
	else {
		into->flags |= VS_OPEN;
		if (v != 0 && size >= 4)
			kc_vs_add(&f->v, into, kc_node(&f->v, N_NUMBER, NF_WEAK, v, a->i, 0));
	}
}

bool
kc_page_meets_set(const struct kc_flow *f, uint64_t page)
{
	for (unsigned k = 0; k < KC_NSETS; k++)
		if (f->elf->set[k].start < f->elf->set[k].stop && page < f->elf->set[k].stop &&
		    page + 0x1000 > f->elf->set[k].start)
			return (true);
	return (false);
}

/* The access goes to image address addr, computed from node; or to somewhere around it when indexed. */
static void
at_image(struct kc_flow *f, struct access *a, uint32_t node, uint64_t addr, bool indexed, bool weak)
{
	struct kc_node n = f->v.node[node];
	const struct kc_seg *seg = kc_elf_seg_of(f->elf, addr);

	a->elsewhere = true;
	f->v.node[node].marks |= NM_ANCHOR;
	indexed = indexed || (n.flags & NF_INDEXED) != 0;
	if (!f->elf->is64)
		addr &= 0xffffffff;
	if (kc_elf_set_of(f->elf, addr) != NULL && n.depth < KC_DEPTH_MAX) {
		uint8_t fl = (uint8_t)((n.flags & NF_WEAK) | (weak ? NF_WEAK : 0) | (indexed ? NF_INDEXED : 0));

		if (a->op->rn == KC_NOREG && a->op->rm == KC_NOREG)
			kc_hit(f, node);
		else if (!kc_node_made_by(&f->v, node, a->i))
			kc_hit(f, kc_image_node(f, addr, fl, a->i, node));
		a->got.flags |= VS_OPEN;
		a->got2.flags |= VS_OPEN;
		return;
	}
	if ((n.flags & (NF_PAGE | NF_PASSED)) == NF_PAGE && indexed && addr == n.value && kc_page_meets_set(f, addr))
		kc_doubt(f, a->i, WHY_PAGE);
	if ((n.flags & NF_TEXT) != 0 && indexed &&
	    (f->exact_text || (kc_insn_at(f, n.value) != 0 && f->reached[kc_insn_at(f, n.value)])))
		kc_doubt(f, a->i, WHY_TEXT);
	if (a->op->kind != KC_OP_LOAD)
		return;
	if (indexed) {
		bool wide = a->op->size == 8;

		f->table[a->i] = addr; /* for jump.c */
		a->got.flags |= VS_OPEN;
		a->got2.flags |= VS_OPEN;
		if (seg != NULL && (seg->flags & KC_PF_W) == 0 && !a->op->vector && (wide || (a->op->size == 4 && a->op->sign)) &&
		    kc_elf_rel_at(f->elf, addr) == NULL)
			kc_vs_add(&f->v, &a->got, kc_node(&f->v, N_TABLE, wide ? NF_WIDE : 0, addr, 0, 0));
		return;
	}
	image_word(f, a, addr, node, &a->got);
	if (a->op->rd2 != KC_NOREG)
		image_word(f, a, addr + a->op->size, node, &a->got2);
}

static void
at_stack(struct kc_flow *f, struct access *a, int64_t off, bool indexed, bool sole)
{
	const struct kc_op *op = a->op;

	if (op->kind == KC_OP_LOAD) {
		if (indexed || op->vector) {
			a->got.flags |= VS_OPEN;
			a->got2.flags |= VS_OPEN;
		} else {
			struct kc_vs s = { .flags = a->got.flags };

			s = f->v.vs[kc_vs_join(&f->v, kc_vs_intern(&f->v, &a->got), kc_state_load(f, f->cur, off, op->size))];
			if (a->got.n == 0 && a->got.flags == 0)
				s = f->v.vs[kc_state_load(f, f->cur, off, op->size)];
			a->got = s;
			if (op->rd2 != KC_NOREG) {
				s = f->v.vs[kc_state_load(f, f->cur, off + op->size, op->size)];
				if (a->got2.n != 0 || a->got2.flags != 0)
					s = f->v.vs[kc_vs_join(&f->v, kc_vs_intern(&f->v, &a->got2), kc_vs_intern(&f->v, &s))];
				a->got2 = s;
			}
		}
		return;
	}
	if (indexed) {
		a->elsewhere = true;
		return;
	}
	a->to_stack = true;
	kc_state_store(f, f->cur, off, op->size, op->vector ? VS_UNKNOWN : kc_get(f, op->ra), !sole);
	if (op->rd2 != KC_NOREG || op->vector)
		kc_state_store(f, f->cur, off + op->size, op->size, op->vector ? VS_UNKNOWN : kc_get(f, op->rd2), !sole);
}

static void
with_index(struct kc_flow *f, struct access *a, uint32_t node, bool sole)
{
	const struct kc_op *op = a->op;
	struct kc_node n = f->v.node[node];
	struct kc_vs b = f->v.vs[kc_get(f, op->rm)];
	bool plain = op->ext == KC_EXT_NONE && op->shift == 0;

	if ((b.flags & VS_OPEN) != 0) {
		if (n.kind == N_IMAGE)
			at_image(f, a, node, n.value + op->imm, true, false);
		else if (n.kind == N_STACK)
			at_stack(f, a, 0, true, false);
		else
			a->elsewhere = true;
	}
	for (unsigned l = 0; l < b.n; l++) {
		struct kc_node m = f->v.node[b.node[l]];
		uint64_t d = kc_extend(m.value, op->ext, op->shift);

		if (n.kind == N_IMAGE && m.kind == N_NUMBER && (m.flags & NF_OPAQUE) == 0)
			at_image(f, a, node, n.value + d + op->imm, false, (m.flags & NF_WEAK) != 0);
		else if (n.kind == N_IMAGE && m.kind == N_NUMBER)
			kc_doubt(f, a->i, WHY_OPAQUE);
		else if (n.kind == N_STACK && m.kind == N_NUMBER && (m.flags & NF_OPAQUE) == 0)
			at_stack(f, a, (int64_t)(n.value + d + op->imm), false, sole && b.n == 1 && (b.flags & VS_OPEN) == 0);
		else if (n.kind == N_NUMBER && m.kind == N_IMAGE && plain)
			at_image(f, a, b.node[l], m.value + n.value + op->imm, false, false);
		else if (n.kind == N_IMAGE && m.kind == N_TABLE) {
			kc_table_offsets(f, n.value, &m, a->i);
			at_image(f, a, node, n.value + op->imm, true, false);
		} else if (n.kind == N_IMAGE || m.kind == N_IMAGE) {
			kc_use(f, kc_vs_single(&f->v, node, false), a->i, USE_OTHER);
			kc_use(f, kc_vs_single(&f->v, b.node[l], false), a->i, USE_OTHER);
		} else
			a->elsewhere = true;
	}
}

/* The base is unknown: an index that is an address is all there is to see. */
static void
unknown_base(struct kc_flow *f, struct access *a)
{
	const struct kc_op *op = a->op;
	bool plain = op->ext == KC_EXT_NONE && op->shift == 0;
	struct kc_vs b;

	a->elsewhere = true;
	a->got.flags |= VS_OPEN;
	a->got2.flags |= VS_OPEN;
	if (op->rm == KC_NOREG)
		return;
	b = f->v.vs[f->cur->reg[op->rm]];
	if ((b.flags & VS_LOST) != 0)
		kc_doubt(f, a->i, WHY_LOST);
	for (unsigned l = 0; l < b.n; l++) {
		struct kc_node m = f->v.node[b.node[l]];

		if (m.kind == N_IMAGE && plain)
			at_image(f, a, b.node[l], m.value + op->imm, true, false);
		else if (m.kind == N_IMAGE)
			kc_use(f, kc_vs_single(&f->v, b.node[l], false), a->i, USE_OTHER);
	}
}

/* All that the base can be is one word of the stack. */
static bool
one_word(const struct kc_flow *f, const struct kc_vs *s)
{
	for (unsigned k = 0; k < s->n; k++)
		if (f->v.node[s->node[k]].kind != N_STACK || f->v.node[s->node[k]].value != f->v.node[s->node[0]].value)
			return (false);
	return ((s->flags & VS_OPEN) == 0);
}

static void
each_base(struct kc_flow *f, struct access *a)
{
	const struct kc_op *op = a->op;
	struct kc_vs s = f->v.vs[f->cur->reg[op->rn]];
	uint64_t imm = op->imm;
	bool sole = one_word(f, &s);

	if ((s.flags & VS_LOST) != 0)
		kc_doubt(f, a->i, WHY_LOST);
	if ((s.flags & VS_OPEN) != 0)
		unknown_base(f, a);
	for (unsigned k = 0; k < s.n; k++) {
		struct kc_node n = f->v.node[s.node[k]];

		if (op->rm != KC_NOREG)
			with_index(f, a, s.node[k], sole);
		else if (n.kind == N_IMAGE)
			at_image(f, a, s.node[k], n.value + imm, false, false);
		else if (n.kind == N_STACK)
			at_stack(f, a, (int64_t)(n.value + imm), false, sole);
		else {
			if (n.kind == N_RETURN)
				kc_doubt(f, a->i, WHY_TEXT);
			a->elsewhere = true;
			a->got.flags |= VS_OPEN;
			a->got2.flags |= VS_OPEN;
		}
	}
}

void
kc_access(struct kc_flow *f, uint32_t i, const struct kc_op *op)
{
	struct access a = { .i = i, .op = op };

	if (op->rn == KC_NOREG) {
		if (op->rm == KC_NOREG)
			at_image(f, &a, kc_image_node(f, op->imm, 0, i, 0), op->imm, false, false);
		else
			unknown_base(f, &a);
	} else
		each_base(f, &a);

	if (op->kind == KC_OP_STORE) {
		if (a.elsewhere && !op->vector) {
			kc_use(f, kc_get(f, op->ra), i, USE_STORE);
			if (op->rd2 != KC_NOREG)
				kc_use(f, kc_get(f, op->rd2), i, USE_STORE);
		}
	} else if (op->ra != KC_NOREG && op->writeback != 3)
		kc_use(f, kc_get(f, op->ra), i, USE_STORE);

	if (op->writeback == 3)
		kc_put(f, op->rn, kc_add_sets(f, kc_get(f, op->rn), kc_get(f, op->ra), KC_EXT_NONE, 0, 1, i));
	else if (op->writeback != 0 && op->rn != KC_NOREG) {
		struct kc_vs s = f->v.vs[f->cur->reg[op->rn]], r = { .flags = s.flags };

		for (unsigned k = 0; k < s.n; k++)
			kc_vs_add(&f->v, &r, kc_plus(f, s.node[k], (uint64_t)(int64_t)op->wb, i, false));
		kc_put(f, op->rn, kc_vs_intern(&f->v, &r));
	}
	if (op->kind == KC_OP_STORE) {
		kc_put(f, op->rd, VS_UNKNOWN); /* the status of an exclusive store */
		return;
	}
	if (a.got.n == 0)
		a.got.flags |= VS_OPEN;
	if (a.got2.n == 0)
		a.got2.flags |= VS_OPEN;
	kc_put(f, op->rd, kc_vs_intern(&f->v, &a.got));
	kc_put(f, op->rd2, kc_vs_intern(&f->v, &a.got2));
}
