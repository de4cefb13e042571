/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One instruction's effect on the state, and what that says about the addresses it uses.
 *
 * An address in a set is a *hit* when something is done with it: memory at it is accessed, it is added to an unknown
 * base (that is how an instance's copy is found), stored, or passed on.  Half an address (NF_PAGE) is no address yet:
 * adding a constant or accessing memory at a constant distance completes it, and anything else that is done to it is
 * a doubt.  So is everything that a compiler does not do to an address and that could lead into a set: see WHY_*.
 */
#include <string.h>

#include "flow.h"

void
kc_doubt(struct kc_flow *f, uint32_t insn, enum kc_reason why)
{
	f->reasons[insn] |= (uint16_t)(1u << why);
}

void
kc_hit(struct kc_flow *f, uint32_t node)
{
	struct kc_node *v = f->v.node;
	uint32_t top = node;

	/* The first address of the chain that lies in the set is the reference; what follows walks from there. */
	for (uint32_t p = v[node].parent; p != 0; p = v[p].parent)
		if ((v[p].flags & (NF_INSET | NF_PAGE)) == NF_INSET && v[p].kind == N_IMAGE)
			top = p;
	v[top].marks |= NM_HIT;
}

uint32_t
kc_image_node(struct kc_flow *f, uint64_t value, uint8_t flags, uint32_t insn, uint32_t parent)
{
	flags &= NF_PAGE | NF_INDEXED | NF_WEAK | NF_PASSED;
	if (!f->elf->is64)
		value &= 0xffffffff;
	if (kc_elf_set_of(f->elf, value) != NULL)
		flags |= NF_INSET;
	if (kc_is_text(f, value) && (flags & NF_PAGE) == 0)
		flags |= NF_TEXT;
	return (kc_node(&f->v, N_IMAGE, flags, value, insn, parent));
}

void
kc_use(struct kc_flow *f, uint32_t vs, uint32_t insn, enum kc_use how)
{
	struct kc_vs s = f->v.vs[vs];

	if ((s.flags & VS_LOST) != 0 && (how == USE_OTHER || how == USE_ADDED))
		kc_doubt(f, insn, WHY_LOST);
	for (unsigned i = 0; i < s.n; i++) {
		struct kc_node *n = &f->v.node[s.node[i]];

		if (n->kind == N_NUMBER && how == USE_OTHER)
			continue;
		if (n->kind != N_IMAGE)
			continue;
		if ((n->flags & NF_PAGE) != 0) {
			if ((how == USE_STORE || how == USE_OTHER) && (n->flags & NF_PASSED) == 0)
				kc_doubt(f, insn, WHY_PAGE);
			else if (how == USE_LEAVE)
				n->marks |= NM_ESCAPED;
		} else if ((n->flags & NF_INSET) != 0) {
			if (how == USE_COMPARE)
				n->marks |= NM_COMPARED;
			else
				kc_hit(f, s.node[i]);
		} else if ((n->flags & NF_TEXT) != 0 && how == USE_OTHER)
			kc_doubt(f, insn, WHY_TEXT);
	}
}

uint32_t
kc_get(struct kc_flow *f, uint8_t reg)
{
	return (reg == KC_NOREG ? f->number0 : f->cur->reg[reg]);
}

void
kc_put(struct kc_flow *f, uint8_t reg, uint32_t vs)
{
	if (reg != KC_NOREG)
		f->cur->reg[reg] = vs;
}

/* node + d, made by insn: 0 when what comes out is just unknown. */
uint32_t
kc_plus(struct kc_flow *f, uint32_t node, uint64_t d, uint32_t insn, bool weak)
{
	struct kc_node n = f->v.node[node];
	uint8_t w = weak ? NF_WEAK : 0;

	switch (n.kind) {
	case N_NUMBER:
		if ((n.flags & NF_OPAQUE) != 0)
			return (node);
		if (n.insn == insn) /* a counter in a loop */
			return (0);
		return (kc_node(&f->v, N_NUMBER, n.flags | w, n.value + d, insn, 0));
	case N_STACK:
		if (n.insn == insn)
			return (0);
		return (kc_node(&f->v, N_STACK, 0, n.value + d, insn, 0));
	case N_IMAGE:
		f->v.node[node].marks |= NM_ANCHOR;
		if (kc_node_made_by(&f->v, node, insn) || n.depth >= KC_DEPTH_MAX) {
			f->loop[insn] |= 1; /* walks through an object */
			if ((n.flags & NF_INDEXED) != 0)
				return (node);
			return (kc_image_node(f, n.value, n.flags | NF_INDEXED, n.insn, n.parent));
		}
		return (kc_image_node(f, n.value + d, (n.flags & ~(NF_PAGE | NF_PASSED)) | w, insn, node));
	case N_RETURN:
		kc_doubt(f, insn, WHY_TEXT);
		return (0);
	}
	return (0);
}

static void
add_immediate(struct kc_flow *f, uint32_t i, const struct kc_op *op)
{
	struct kc_vs a = f->v.vs[kc_get(f, op->rn)], r = { .flags = a.flags };

	if ((a.flags & VS_LOST) != 0)
		kc_doubt(f, i, WHY_LOST);
	for (unsigned k = 0; k < a.n; k++)
		kc_vs_add(&f->v, &r, kc_plus(f, a.node[k], op->imm, i, false));
	kc_put(f, op->rd, kc_vs_intern(&f->v, &r));
}

/* Something unknown is added to (or subtracted from) node. */
uint32_t
kc_plus_unknown(struct kc_flow *f, uint32_t node, uint32_t insn)
{
	struct kc_node n = f->v.node[node];

	if (n.kind == N_RETURN)
		kc_doubt(f, insn, WHY_TEXT);
	if (n.kind != N_IMAGE)
		return (0);
	if ((n.flags & NF_PAGE) != 0)
		f->v.node[node].marks |= NM_ANCHOR;
	else if ((n.flags & NF_INSET) != 0)
		kc_hit(f, node);
	if ((n.flags & NF_INDEXED) != 0 || kc_node_made_by(&f->v, node, insn))
		return ((n.flags & NF_INDEXED) != 0 ? node :
						      kc_image_node(f, n.value, n.flags | NF_INDEXED, n.insn, n.parent));
	return (kc_image_node(f, n.value, n.flags | NF_INDEXED, insn, node));
}

uint64_t
kc_extend(uint64_t v, uint8_t ext, uint8_t shift)
{
	switch (ext) {
	case KC_EXT_U32:
		v = (uint32_t)v;
		break;
	case KC_EXT_S32:
		v = (uint64_t)(int64_t)(int32_t)v;
		break;
	case KC_EXT_U16:
		v = (uint16_t)v;
		break;
	case KC_EXT_S16:
		v = (uint64_t)(int64_t)(int16_t)v;
		break;
	case KC_EXT_U8:
		v = (uint8_t)v;
		break;
	case KC_EXT_S8:
		v = (uint64_t)(int64_t)(int8_t)v;
		break;
	}
	return (shift < 64 ? v << shift : 0);
}

/* An anchor plus one word of a table of offsets: does any of them lead into a set? */
void
kc_table_offsets(struct kc_flow *f, uint64_t anchor, const struct kc_node *t, uint32_t insn)
{
	unsigned size = (t->flags & NF_WIDE) != 0 ? 8 : 4;

	for (unsigned k = 0; k < 512; k++) {
		const uint8_t *p = kc_elf_bytes(f->elf, t->value + (uint64_t)k * size, size);
		uint64_t off;

		if (p == NULL)
			return;
		off = size == 8 ? kc_u64(f->elf, p) : (uint64_t)(int64_t)(int32_t)kc_u32(f->elf, p);
		if (off != 0 && kc_elf_set_of(f->elf, anchor + off) != NULL) {
			kc_doubt(f, insn, WHY_TABLE);
			return;
		}
	}
}

/* Adds the pairs of a and b, b extended; subtracts when sign is -1. */
uint32_t
kc_add_sets(struct kc_flow *f, uint32_t x, uint32_t y, uint8_t ext, uint8_t shift, int sign, uint32_t insn)
{
	struct kc_vs a = f->v.vs[x], b = f->v.vs[y], r = { .flags = (a.flags | b.flags) & VS_OPEN };
	bool plain = ext == KC_EXT_NONE && shift == 0 && sign > 0;

	/* Unknown plus unknown may well be lost addresses; a lost one beside a known one is used here. */
	if (((a.flags | b.flags) & VS_LOST) != 0)
		kc_doubt(f, insn, WHY_LOST);
	if (!plain)
		kc_use(f, y, insn, sign < 0 && (a.flags & VS_OPEN) != 0 ? USE_COMPARE : USE_OTHER);
	for (unsigned k = 0; k < a.n; k++) {
		uint32_t na = a.node[k];

		if ((b.flags & VS_OPEN) != 0)
			kc_vs_add(&f->v, &r, kc_plus_unknown(f, na, insn));
		for (unsigned l = 0; l < b.n; l++) {
			struct kc_node n = f->v.node[na], m = f->v.node[b.node[l]];
			uint64_t d = kc_extend(m.value, ext, shift);

			if (m.kind == N_NUMBER && (m.flags & NF_OPAQUE) == 0)
				kc_vs_add(&f->v, &r, kc_plus(f, na, sign < 0 ? -d : d, insn, (m.flags & NF_WEAK) != 0));
			else if (m.kind == N_NUMBER && n.kind == N_IMAGE) {
				kc_doubt(f, insn, WHY_OPAQUE);
				r.flags |= VS_OPEN;
			} else if (m.kind == N_IMAGE && n.kind == N_IMAGE && sign < 0 && ext == 0 && shift == 0)
				kc_vs_add(&f->v, &r, kc_node(&f->v, N_NUMBER, (n.flags | m.flags) & NF_WEAK, n.value - m.value, insn, 0));
			else if (n.kind == N_NUMBER && m.kind == N_IMAGE && plain)
				kc_vs_add(&f->v, &r, kc_plus(f, b.node[l], n.value, insn, (n.flags & NF_WEAK) != 0));
			else if (m.kind == N_TABLE || n.kind == N_TABLE) {
				const struct kc_node *t = m.kind == N_TABLE ? &m : &n, *o = m.kind == N_TABLE ? &n : &m;

				if (o->kind == N_IMAGE)
					kc_table_offsets(f, o->value, t, insn);
				kc_vs_add(&f->v, &r, kc_plus_unknown(f, m.kind == N_TABLE ? na : b.node[l], insn));
				r.flags |= VS_OPEN;
			} else {
				if (m.kind == N_IMAGE || n.kind == N_IMAGE) {
					kc_use(f, kc_vs_single(&f->v, na, false), insn, USE_OTHER);
					kc_use(f, kc_vs_single(&f->v, b.node[l], false), insn, USE_OTHER);
				}
				r.flags |= VS_OPEN;
			}
		}
	}
	if ((a.flags & VS_OPEN) != 0)
		for (unsigned l = 0; l < b.n; l++)
			kc_vs_add(&f->v, &r, plain ? kc_plus_unknown(f, b.node[l], insn) : 0);
	return (kc_vs_intern(&f->v, &r));
}

static bool
fold(uint8_t kind, uint64_t a, uint64_t b, uint64_t *r)
{
	switch (kind) {
	case KC_OP_OR:
	case KC_OP_ORI:
		*r = a | b;
		return (true);
	case KC_OP_XOR:
	case KC_OP_XORI:
		*r = a ^ b;
		return (true);
	case KC_OP_AND:
	case KC_OP_ANDI:
		*r = a & b;
		return (true);
	case KC_OP_BIC:
		*r = a & ~b;
		return (true);
	case KC_OP_MUL:
		*r = a * b;
		return (true);
	case KC_OP_SHL:
		*r = b < 64 ? a << b : 0;
		return (true);
	case KC_OP_SHR:
		*r = b < 64 ? a >> b : 0;
		return (true);
	case KC_OP_SAR:
		*r = (uint64_t)((int64_t)a >> (b < 63 ? b : 63));
		return (true);
	}
	return (false);
}

/* Arithmetic other than adding: constants are computed, addresses are not expected. */
static uint32_t
arithmetic(struct kc_flow *f, uint32_t i, const struct kc_op *op, uint32_t x, uint32_t y)
{
	struct kc_vs a = f->v.vs[x], b = f->v.vs[y], r = { .flags = (a.flags | b.flags) & VS_OPEN };

	kc_use(f, x, i, USE_OTHER);
	kc_use(f, y, i, USE_OTHER);
	for (unsigned k = 0; k < a.n; k++)
		for (unsigned l = 0; l < b.n; l++) {
			struct kc_node n = f->v.node[a.node[k]], m = f->v.node[b.node[l]];
			uint64_t v = 0;
			uint8_t fl = (n.flags | m.flags) & (NF_WEAK | NF_OPAQUE);

			if (n.kind == N_STACK && m.kind == N_NUMBER && op->kind == KC_OP_ANDI) { /* aligns the stack */
				kc_vs_add(&f->v, &r, kc_node(&f->v, N_STACK, 0, n.value & m.value, i, 0));
				continue;
			}
			/* Bits within a page of a complete address: modules are loaded page by page. */
			if (n.kind == N_IMAGE && (n.flags & (NF_PAGE | NF_INDEXED)) == 0 && m.kind == N_NUMBER &&
			    (m.flags & NF_OPAQUE) == 0 && !op->narrow && fold(op->kind, n.value, kc_extend(m.value, op->ext, op->shift), &v) &&
			    (v ^ n.value) < 0x1000 && !kc_node_made_by(&f->v, a.node[k], i) && n.depth < KC_DEPTH_MAX) {
				kc_vs_add(&f->v, &r, kc_image_node(f, v, NF_WEAK, i, a.node[k]));
				continue;
			}
			if (n.kind != N_NUMBER || m.kind != N_NUMBER || n.insn == i || m.insn == i) {
				r.flags |= VS_OPEN;
				continue;
			}
			if ((fl & NF_OPAQUE) == 0 && !fold(op->kind, n.value, kc_extend(m.value, op->ext, op->shift), &v))
				fl |= NF_OPAQUE;
			if (op->narrow)
				v = op->kind == KC_OP_SAR ? (uint32_t)((int64_t)(int32_t)n.value >> (m.value & 31)) : (uint32_t)v;
			kc_vs_add(&f->v, &r, kc_node(&f->v, N_NUMBER, fl, v, i, 0));
		}
	return (kc_vs_intern(&f->v, &r));
}

/* A result of 32 bits: constants are cut, addresses are no longer addresses. */
static uint32_t
narrow(struct kc_flow *f, uint32_t vs, uint32_t i)
{
	struct kc_vs a = f->v.vs[vs], r = { .flags = a.flags };

	kc_use(f, vs, i, USE_COMPARE);
	for (unsigned k = 0; k < a.n; k++) {
		struct kc_node n = f->v.node[a.node[k]];

		if (n.kind == N_NUMBER)
			kc_vs_add(&f->v, &r, kc_node(&f->v, N_NUMBER, n.flags, (uint32_t)n.value, n.insn, 0));
		else {
			if (n.kind == N_IMAGE && (n.flags & (NF_PAGE | NF_TEXT)) != 0 && (n.flags & NF_PASSED) == 0)
				kc_doubt(f, i, WHY_PAGE);
			r.flags |= VS_OPEN;
		}
	}
	return (kc_vs_intern(&f->v, &r));
}

/* An instruction that is not modelled: what it reads may have become part of what it writes. */
static void
other(struct kc_flow *f, uint32_t i, const struct kc_op *op)
{
	const uint8_t in[] = { op->rn, op->rm, op->ra };
	bool constant = false, open = false;
	uint32_t r = VS_UNKNOWN;

	for (unsigned k = 0; k < 3; k++) {
		const struct kc_vs *s;

		if (in[k] == KC_NOREG)
			continue;
		kc_use(f, f->cur->reg[in[k]], i, USE_OTHER);
		s = &f->v.vs[f->cur->reg[in[k]]];
		constant |= s->n != 0 && f->v.node[s->node[0]].kind == N_NUMBER && (f->v.node[s->node[0]].flags & NF_WEAK) == 0;
		open |= (s->flags & VS_OPEN) != 0;
	}
	if (constant && !open)
		r = kc_vs_single(&f->v, kc_node(&f->v, N_NUMBER, NF_OPAQUE, 0, i, 0), false);
	kc_put(f, op->rd, r);
	kc_put(f, op->rd2, VS_UNKNOWN);
}

/* Everything but what moves control. */
void
kc_step(struct kc_flow *f, uint32_t i)
{
	const struct kc_op *op = &f->op[i];
	uint32_t r;

	switch (op->kind) {
	case KC_OP_NOP:
	case KC_OP_PREFETCH:
		return;
	case KC_OP_ADDRESS:
	case KC_OP_PAGE:
		kc_put(f, op->rd,
		    kc_vs_single(&f->v, kc_image_node(f, op->imm, op->kind == KC_OP_PAGE ? NF_PAGE : 0, i, 0), false));
		return;
	case KC_OP_CONST:
		kc_put(f, op->rd, kc_vs_single(&f->v, kc_node(&f->v, N_NUMBER, 0, op->imm, i, 0), false));
		return;
	case KC_OP_INSERT: {
		struct kc_vs a = f->v.vs[kc_get(f, op->rd)], s = { .flags = a.flags };
		uint64_t mask = (uint64_t)0xffff << op->shift;

		kc_use(f, kc_get(f, op->rd), i, USE_OTHER);
		for (unsigned k = 0; k < a.n; k++) {
			struct kc_node n = f->v.node[a.node[k]];
			uint64_t v = (n.value & ~mask) | op->imm << op->shift;

			kc_vs_add(&f->v, &s, n.kind != N_NUMBER ? 0 :
			    kc_node(&f->v, N_NUMBER, n.flags, op->narrow ? (uint32_t)v : v, i, 0));
		}
		kc_put(f, op->rd, kc_vs_intern(&f->v, &s));
		return;
	}
	case KC_OP_MOVE:
		r = kc_get(f, op->rn);
		kc_put(f, op->rd, op->narrow && f->elf->is64 ? narrow(f, r, i) : r);
		return;
	case KC_OP_ADDI:
		if (op->rn == KC_NOREG) {
			kc_put(f, op->rd, kc_vs_single(&f->v, kc_node(&f->v, N_NUMBER, 0, op->imm, i, 0), false));
			return;
		}
		if (op->narrow && f->elf->is64)
			kc_put(f, op->rd, narrow(f, kc_get(f, op->rn), i));
		if (op->narrow && f->elf->is64) {
			struct kc_op again = *op;

			again.rn = op->rd;
			add_immediate(f, i, &again);
			kc_put(f, op->rd, narrow(f, kc_get(f, op->rd), i));
			return;
		}
		add_immediate(f, i, op);
		return;
	case KC_OP_ADD:
	case KC_OP_SUB:
		r = kc_add_sets(f, kc_get(f, op->rn), kc_get(f, op->rm), op->ext, op->shift, op->kind == KC_OP_SUB ? -1 : 1, i);
		kc_put(f, op->rd, op->narrow && f->elf->is64 ? narrow(f, r, i) : r);
		return;
	case KC_OP_OR:
	case KC_OP_XOR:
	case KC_OP_AND:
	case KC_OP_BIC:
		kc_put(f, op->rd, arithmetic(f, i, op, kc_get(f, op->rn), kc_get(f, op->rm)));
		return;
	case KC_OP_MUL:
		r = arithmetic(f, i, op, kc_get(f, op->rn), kc_get(f, op->rm));
		kc_put(f, op->rd, op->ra == KC_NOREG ? r : kc_add_sets(f, kc_get(f, op->ra), r, 0, 0, 1, i));
		return;
	case KC_OP_ORI:
	case KC_OP_XORI:
	case KC_OP_ANDI:
	case KC_OP_SHL:
	case KC_OP_SHR:
	case KC_OP_SAR:
		r = kc_vs_single(&f->v, kc_node(&f->v, N_NUMBER, 0, op->imm, 0, 0), false);
		kc_put(f, op->rd, arithmetic(f, i, op, kc_get(f, op->rn), r));
		return;
	case KC_OP_SELECT:
		kc_put(f, op->rd, kc_vs_join(&f->v, kc_get(f, op->rn), kc_get(f, op->rm)));
		return;
	case KC_OP_COMPARE:
		if (op->rn != KC_NOREG)
			kc_use(f, kc_get(f, op->rn), i, USE_COMPARE);
		if (op->rm != KC_NOREG)
			kc_use(f, kc_get(f, op->rm), i, USE_COMPARE);
		return;
	case KC_OP_LOAD:
	case KC_OP_STORE:
		kc_access(f, i, op);
		return;
	default:
		other(f, i, op);
	}
}
