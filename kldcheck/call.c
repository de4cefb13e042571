/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control: branches, calls, returns.
 *
 * A call within the module takes the registers along, and what the function makes comes back; other functions keep to
 * the calling convention.  An address that is live where control leaves the module's sight is marked (USE_LEAVE).
 */
#include <stdlib.h>
#include <string.h>

#include "flow.h"

static void
leave(struct kc_flow *f, uint32_t i)
{
	for (unsigned k = 0; k < f->arch->nargs; k++)
		kc_use(f, f->cur->reg[f->arch->args[k]], i, USE_LEAVE);
}

/*
 * The function at the other end is not known: any whose address is taken could be it, and make an address in a set of
 * half a one.  flow.c tries them all with what is noted here.
 */
static void
pass_on(struct kc_flow *f, uint32_t i)
{
	for (unsigned k = 0; k < f->arch->nargs; k++) {
		uint8_t reg = f->arch->args[k];
		const struct kc_vs *s = &f->v.vs[f->cur->reg[reg]];

		for (unsigned l = 0; l < s->n; l++) {
			const struct kc_node *n = &f->v.node[s->node[l]];
			unsigned p = 0;

			if (n->kind != N_IMAGE || (n->flags & NF_PAGE) == 0 || !kc_page_meets_set(f, n->value))
				continue;
			while (p < f->npassed && (f->passed[p].page != n->value || f->passed[p].reg != reg))
				p++;
			if (p == KC_PASSED_MAX)
				kc_doubt(f, i, WHY_PASSED);
			else if (p == f->npassed) {
				f->passed[p].page = n->value;
				f->passed[p].insn = n->insn;
				f->passed[p].reg = reg;
				f->npassed++;
			}
		}
	}
}

/* The state at the start of a function that anybody may call. */
void
kc_root_state(struct kc_flow *f, struct kc_state *s)
{
	for (unsigned r = 0; r < KC_NREGS; r++)
		s->reg[r] = VS_UNKNOWN;
	s->nslot = 0;
	s->reg[KC_SP] = kc_vs_single(&f->v, kc_node(&f->v, N_STACK, 0, 0, 0, 0), false);
	if (f->arch->link != KC_NOREG)
		s->reg[f->arch->link] = kc_vs_single(&f->v, kc_node(&f->v, N_RETURN, 0, 0, 0, 0), false);
}

static bool
remember_caller(struct kc_flow *f, uint32_t func, uint32_t entry)
{
	struct kc_func *g = &f->func[func];
	uint32_t *v;

	for (uint32_t k = 0; k < g->ncaller; k++)
		if (g->caller[k] == entry)
			return (false);
	if (g->ncaller == g->callercap) {
		uint32_t cap = g->callercap == 0 ? 4 : g->callercap * 2;

		if ((v = realloc(g->caller, cap * sizeof(*v))) == NULL) {
			f->out_of_memory = true;
			return (false);
		}
		g->caller = v;
		g->callercap = cap;
	}
	g->caller[g->ncaller++] = entry;
	return (true);
}

/* What func leaves in its registers has grown: its callers look again. */
static void
returned(struct kc_flow *f, uint32_t func, const uint32_t *reg, unsigned depth)
{
	struct kc_func *g = &f->func[func];
	const struct kc_state *entry = f->in[g->start];
	bool changed = !g->returns;

	g->returns = true;
	for (unsigned r = 0; r < KC_NREGS; r++) {
		struct kc_vs s = f->v.vs[reg[r]], n = f->v.vs[g->ret[r]];
		const struct kc_vs *in = entry != NULL ? &f->v.vs[entry->reg[r]] : NULL;
		uint32_t j;

		if (s.n == 0 || r == KC_SP)
			continue;
		for (unsigned k = 0; k < s.n; k++) {
			const struct kc_node *node = &f->v.node[s.node[k]];
			bool passed = false;

			for (unsigned l = 0; in != NULL && l < in->n && !passed; l++)
				passed = in->node[l] == s.node[k];
			if (!passed && (node->kind == N_IMAGE || node->kind == N_NUMBER))
				kc_vs_add(&f->v, &n, s.node[k]);
		}
		j = kc_vs_intern(&f->v, &n);
		changed |= j != g->ret[r];
		g->ret[r] = j;
	}
	if (!changed || depth > 16)
		return;
	for (uint32_t k = 0; k < g->ncaller; k++) {
		if ((g->caller[k] & 1) == 0)
			kc_requeue(f, g->caller[k] / 2);
		else if (f->owner[g->caller[k] / 2] != func)
			returned(f, f->owner[g->caller[k] / 2], g->ret, depth + 1);
	}
}

/* Control goes from one function into another without a call: the return of that one is a return of this one. */
void
kc_tail(struct kc_flow *f, uint32_t from, uint32_t to)
{
	uint32_t a = f->owner[from], b = f->owner[to];

	if (a == b)
		return;
	if (remember_caller(f, b, from * 2 + 1) && f->func[b].returns)
		returned(f, a, f->func[b].ret, 0);
}

static void
clobber(struct kc_flow *f)
{
	for (unsigned r = 0; r < KC_NREGS; r++)
		if ((f->arch->saved >> r & 1) == 0)
			f->cur->reg[r] = VS_UNKNOWN;
}

/* The arguments of a call as the function sees them. */
static void
call_into(struct kc_flow *f, uint32_t i, uint32_t target)
{
	struct kc_state *t = f->callee;
	uint32_t func = f->owner[target];
	uint64_t isarg = 0;

	for (unsigned k = 0; k < f->arch->nargs; k++)
		isarg |= (uint64_t)1 << f->arch->args[k];
	kc_root_state(f, t);
	for (unsigned r = 0; r < KC_NREGS; r++) {
		struct kc_vs s = f->v.vs[f->cur->reg[r]], n = { .flags = s.flags };

		if (r == KC_SP || r == f->arch->link)
			continue;
		for (unsigned k = 0; k < s.n; k++) {
			const struct kc_node *node = &f->v.node[s.node[k]];
			bool keep = (node->flags & (NF_PAGE | NF_INSET)) != 0 && node->kind == N_IMAGE;

			if ((isarg >> r & 1) != 0)
				keep |= (node->kind == N_IMAGE && (node->flags & NF_TEXT) == 0) || node->kind == N_NUMBER;
			kc_vs_add(&f->v, &n, keep ? s.node[k] : 0);
		}
		t->reg[r] = kc_vs_intern(&f->v, &n);
	}
	if (target == f->func[func].start)
		remember_caller(f, func, i * 2);
	kc_goto(f, target, t);
}

/*
 * A function of this module may leave a register alone that it need not preserve, and its caller may know (gcc's
 * -fipa-ra): after the call, what was there perhaps still is.
 */
static void
keep(struct kc_flow *f, const uint32_t before[KC_NREGS])
{
	for (unsigned r = 0; r < KC_NREGS; r++) {
		const struct kc_vs s = f->v.vs[before[r]];
		struct kc_vs kept = { .flags = VS_OPEN };

		if ((f->arch->saved >> r & 1) != 0 || r == KC_SP || r == f->arch->link)
			continue;
		for (unsigned k = 0; k < s.n; k++) {
			const struct kc_node n = f->v.node[s.node[k]];

			if (n.kind == N_IMAGE && (n.flags & NF_TEXT) == 0)
				kc_vs_add(&f->v, &kept, kc_node(&f->v, N_IMAGE, n.flags | NF_WEAK | ((n.flags & NF_PAGE) != 0 ? NF_PASSED : 0),
				    n.value, n.insn, n.parent));
		}
		if (kept.n > 0)
			f->cur->reg[r] = kc_vs_join(&f->v, f->cur->reg[r], kc_vs_intern(&f->v, &kept));
	}
}

static void
come_back(struct kc_flow *f, uint32_t func)
{
	const struct kc_func *g = &f->func[func];

	for (unsigned r = 0; r < KC_NREGS; r++)
		if (r != KC_SP && g->ret[r] != VS_UNKNOWN)
			f->cur->reg[r] = kc_vs_join(&f->v, f->cur->reg[r], g->ret[r]);
}

/* Any function whose address is taken may have been called: flow.c knows what those leave behind. */
static void
come_back_unknown(struct kc_flow *f)
{
	for (unsigned r = 0; r < KC_NREGS; r++)
		if ((f->arch->saved >> r & 1) == 0 && r != KC_SP && f->left[r] != VS_UNKNOWN)
			f->cur->reg[r] = kc_vs_join(&f->v, f->cur->reg[r], f->left[r]);
}

static void
call(struct kc_flow *f, uint32_t i)
{
	const struct kc_op *op = &f->op[i];
	uint32_t to = kc_insn_at(f, op->imm), before[KC_NREGS];

	if (to != 0 && to == i + 1) { /* a way to read the program counter */
		if (f->arch->link != KC_NOREG)
			f->cur->reg[f->arch->link] = kc_vs_single(&f->v, kc_image_node(f, op->imm, 0, i, 0), false);
		return;
	}
	if (to == 0) {
		leave(f, i);
		clobber(f);
		return;
	}
	memcpy(before, f->cur->reg, sizeof(before));
	call_into(f, i, to);
	clobber(f);
	keep(f, before);
	come_back(f, f->owner[to]);
}

static void
call_register(struct kc_flow *f, uint32_t i)
{
	struct kc_vs s = f->v.vs[kc_get(f, f->op[i].rn)];
	uint32_t funcs[KC_SET_MAX];
	unsigned n = 0, outside = 0;
	bool unknown;

	for (unsigned k = 0; k < s.n; k++) {
		const struct kc_node *node = &f->v.node[s.node[k]];
		uint32_t to = node->kind == N_IMAGE && (node->flags & NF_INDEXED) == 0 ? kc_insn_at(f, node->value) : 0;

		if (to != 0) {
			call_into(f, i, to);
			funcs[n++] = f->owner[to];
		} else
			outside += node->kind == N_EXTERN;
	}
	if (n < s.n || (s.flags & VS_OPEN) != 0 || s.n == 0)
		leave(f, i);
	unknown = n + outside < s.n || (s.flags & VS_OPEN) != 0 || s.n == 0;
	if (unknown)
		pass_on(f, i);
	clobber(f);
	if (unknown)
		come_back_unknown(f);
	for (unsigned k = 0; k < n; k++)
		come_back(f, funcs[k]);
}

static void
jump(struct kc_flow *f, uint32_t i, uint64_t addr)
{
	uint32_t to = kc_insn_at(f, addr);

	if (to == 0) {
		leave(f, i);
		return;
	}
	kc_tail(f, i, to);
	kc_goto(f, to, f->cur);
}

static void
do_return(struct kc_flow *f, uint32_t i)
{
	leave(f, i);
	returned(f, f->owner[i], f->cur->reg, 0);
}

static void
jump_register(struct kc_flow *f, uint32_t i)
{
	struct kc_vs s = f->v.vs[kc_get(f, f->op[i].rn)];
	bool anywhere = (s.flags & VS_LOST) != 0, outside = (s.flags & VS_OPEN) != 0 || s.n == 0, unknown = outside;

	for (unsigned k = 0; k < s.n; k++) {
		struct kc_node node = f->v.node[s.node[k]];

		if (node.kind == N_RETURN)
			do_return(f, i);
		else if (node.kind != N_IMAGE) {
			outside = true;
			unknown |= node.kind != N_EXTERN;
		}
		else if ((node.flags & NF_INDEXED) != 0)
			anywhere = true;
		else
			jump(f, i, node.value);
	}
	if (unknown && !anywhere)
		pass_on(f, i);
	if (anywhere && !kc_jump_table(f, i))
		kc_jump_anywhere(f, i);
	else if (outside && !anywhere) {
		/* A function of somebody else's, or a label of this function out of a table of addresses. */
		struct kc_func *g = &f->func[f->owner[i]];

		do_return(f, i);
		for (uint32_t k = g->start + 1; k < g->stop; k++)
			if ((f->leader[k] & 2) != 0)
				kc_goto(f, k, f->cur);
		if (unknown) { /* that function's return is a return of this one */
			come_back_unknown(f);
			do_return(f, i);
		}
	}
}

void
kc_control(struct kc_flow *f, uint32_t i, bool *falls)
{
	const struct kc_op *op = &f->op[i];

	*falls = false;
	switch (op->kind) {
	case KC_OP_BRANCH:
		*falls = true;
		if (op->rn != KC_NOREG)
			kc_use(f, kc_get(f, op->rn), i, USE_COMPARE);
		jump(f, i, op->imm);
		return;
	case KC_OP_JUMP:
		jump(f, i, op->imm);
		return;
	case KC_OP_CALL:
		*falls = true;
		call(f, i);
		return;
	case KC_OP_CALLR:
		*falls = true;
		call_register(f, i);
		return;
	case KC_OP_JUMPR:
		jump_register(f, i);
		return;
	case KC_OP_RETURN:
		do_return(f, i);
		return;
	case KC_OP_STOP:
	case KC_OP_BAD:
		return;
	}
	*falls = true;
	kc_step(f, i);
}
