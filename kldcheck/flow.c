/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Following addresses through a module: a data-flow analysis over the graph of its code.
 *
 * The state before an instruction says what each register, and each word of the function's stack, can hold.  States
 * are kept where basic blocks begin; a block whose state has grown is gone through again, until nothing grows.  As
 * value sets only grow, and only so far (value.h), this ends; KC_STEPS_MAX bounds how long a contrived file can make
 * it take.
 *
 * It starts at all functions with nothing known, so that each way into the code is covered; calls within the module
 * then add what their arguments hold.  At the end, code that was reached from nowhere is gone through as well; halves
 * of addresses that went into calls by pointer are tried on each function that such a call could reach, and halves
 * that such a function leaves in a register, on whoever calls by pointer.
 */
#include <stdlib.h>
#include <string.h>

#include "flow.h"

static void
enqueue(struct kc_flow *f, uint32_t i)
{
	uint64_t bit = (uint64_t)1 << (i % 64);

	if ((f->queued[i / 64] & bit) == 0) {
		f->queued[i / 64] |= bit;
		f->nqueued++;
	}
}

/* The block that i is in is gone through again. */
void
kc_requeue(struct kc_flow *f, uint32_t i)
{
	while (i > 0 && f->in[i] == NULL)
		i--;
	if (i != 0)
		enqueue(f, i);
}

/* Control goes to target with state s. */
void
kc_goto(struct kc_flow *f, uint32_t target, const struct kc_state *s)
{
	if ((f->leader[target] & 1) == 0) {
		f->leader[target] |= 1;
		if (f->reached[target] != 0)
			kc_requeue(f, target - 1);
	}
	if (kc_state_join(f, &f->in[target], s, target))
		enqueue(f, target);
}

static void
follow(struct kc_flow *f, uint32_t i)
{
	const struct kc_state *in = f->in[i];
	bool falls = true;

	memcpy(f->cur, in, sizeof(*in) + in->nslot * sizeof(in->slot[0]));
	for (;;) {
		if (f->reached[i] == 0)
			f->reached[i] = f->phase;
		f->steps++;
		kc_control(f, i, &falls);
		if (!falls || i + 1 >= f->ninsn || f->addr[i + 1] != f->addr[i] + f->op[i].len)
			return;
		i++;
		if ((f->leader[i] & 1) != 0) {
			kc_tail(f, i - 1, i);
			kc_goto(f, i, f->cur);
			return;
		}
	}
}

static void
run(struct kc_flow *f)
{
	uint64_t limit = (uint64_t)KC_STEPS_MAX * f->ninsn + 100000;
	uint32_t words = f->ninsn / 64 + 1;

	while (f->nqueued > 0)
		for (uint32_t w = 0; w < words; w++)
			while (f->queued[w] != 0) {
				uint32_t i = w * 64 + (uint32_t)__builtin_ctzll(f->queued[w]);

				if (f->steps > limit || f->v.full || f->out_of_memory) {
					f->too_complex = true;
					return;
				}
				f->queued[w] &= f->queued[w] - 1;
				f->nqueued--;
				follow(f, i);
			}
}

/* Address sets that nobody was seen to use, and halves that were never completed. */
static void
settle(struct kc_flow *f)
{
	for (uint32_t k = 1; k < f->v.nnode; k++) {
		struct kc_node *n = &f->v.node[k];

		if (n->kind != N_IMAGE)
			continue;
		if ((n->flags & NF_PAGE) != 0) {
			if ((n->marks & NM_ANCHOR) == 0 && (n->flags & NF_WEAK) == 0 && (f->exact_text || f->reached[n->insn] == 1))
				kc_doubt(f, n->insn, (n->marks & NM_ESCAPED) != 0 ? WHY_ESCAPE : WHY_UNUSED);
		} else if ((n->flags & NF_INSET) != 0 && (n->marks & (NM_ANCHOR | NM_HIT | NM_COMPARED)) == 0) {
			bool part = false;

			for (uint32_t p = n->parent; p != 0; p = f->v.node[p].parent)
				part |= (f->v.node[p].marks & NM_HIT) != 0;
			if (!part)
				n->marks |= NM_HIT;
		}
	}
}

static void
take(struct kc_flow *f, uint64_t addr)
{
	uint32_t i = kc_insn_at(f, addr);

	if (i != 0 && f->func[f->owner[i]].start == i)
		f->func[f->owner[i]].taken = true;
}

/* Functions whose address is in a word of the module or in a register, or under a name that others can look up. */
static void
find_taken(struct kc_flow *f)
{
	const struct kc_elf *e = f->elf;

	for (size_t i = 0; i < e->nrel; i++) {
		const struct kc_rel *r = &e->rel[i];

		if (r->kind == KC_REL_RELATIVE)
			take(f, r->addend);
		else if (r->kind == KC_REL_SYMBOL && r->sym < e->ndynsym && e->dynsym[r->sym].shndx != 0)
			take(f, e->dynsym[r->sym].value + r->addend);
	}
	for (unsigned i = 0; i < e->ndynsym; i++)
		if (e->dynsym[i].shndx != 0)
			take(f, e->dynsym[i].value);
	for (uint32_t k = 1; k < f->v.nnode; k++)
		if (f->v.node[k].kind == N_IMAGE)
			take(f, f->v.node[k].value);
}

/* A half that came by way of a call by pointer: the way may not exist. */
static uint32_t
weak_half(struct kc_flow *f, uint64_t page, uint32_t insn)
{
	return (kc_node(&f->v, N_IMAGE, NF_PAGE | NF_WEAK | NF_PASSED, page, insn, 0));
}

/* A half of an address that a call by pointer passed on, tried on each function that it could have called. */
static void
try_passed(struct kc_flow *f, struct kc_state *root, unsigned p)
{
	uint8_t reg = f->passed[p].reg;
	uint32_t was = root->reg[reg];

	root->reg[reg] = kc_vs_single(&f->v, weak_half(f, f->passed[p].page, f->passed[p].insn), true);
	for (uint32_t k = 1; k < f->nfunc; k++)
		if (f->func[k].taken)
			kc_goto(f, f->func[k].start, root);
	root->reg[reg] = was;
	run(f);
}

/* Whether more halves are left behind by functions that a call by pointer could reach. */
static bool
more_left(struct kc_flow *f)
{
	bool more = false;

	for (unsigned r = 0; r < KC_NREGS; r++) {
		struct kc_vs n = f->v.vs[f->left[r]];
		uint32_t was = f->left[r];

		for (uint32_t k = 1; k < f->nfunc; k++) {
			struct kc_vs s = f->v.vs[f->func[k].ret[r]];

			for (unsigned l = 0; f->func[k].taken && l < s.n; l++) {
				const struct kc_node *node = &f->v.node[s.node[l]];

				if (node->kind == N_IMAGE && (node->flags & NF_PAGE) != 0 && kc_page_meets_set(f, node->value))
					kc_vs_add(&f->v, &n, weak_half(f, node->value, node->insn));
			}
		}
		f->left[r] = kc_vs_intern(&f->v, &n);
		more |= f->left[r] != was;
	}
	return (more);
}

/* What crosses calls by pointer, in either direction, until there is nothing new: call.c notes it. */
static void
try_pointers(struct kc_flow *f, struct kc_state *root)
{
	unsigned p = 0;
	bool more;

	do {
		find_taken(f);
		if ((more = more_left(f))) {
			for (uint32_t i = 1; i < f->ninsn; i++)
				if (f->op[i].kind == KC_OP_CALLR || f->op[i].kind == KC_OP_JUMPR)
					kc_requeue(f, i);
			run(f);
		}
		for (; p < f->npassed && !f->too_complex; p++) {
			try_passed(f, root, p);
			more = true;
		}
	} while (more && !f->too_complex);
}

int
kc_flow_run(struct kc_flow *f, const struct kc_elf *elf, const struct kc_arch *arch)
{
	struct kc_state *root = kc_state_new();
	uint32_t max;

	memset(f, 0, sizeof(*f));
	f->elf = elf;
	f->arch = arch;
	if (root == NULL || kc_text_read(f) != 0)
		goto fail;
	max = f->ninsn < (1u << 18) ? 64 * f->ninsn + 65536 : 1u << 24;
	if (kc_values_init(&f->v, max) != 0 || (f->cur = kc_state_new()) == NULL ||
	    (f->callee = kc_state_new()) == NULL)
		goto fail;
	f->number0 = kc_vs_single(&f->v, kc_node(&f->v, N_NUMBER, 0, 0, 0, 0), false);
	kc_root_state(f, root);
	f->phase = 1;
	for (uint32_t k = 1; k < f->nfunc; k++)
		kc_goto(f, f->func[k].start, root);
	run(f);
	f->phase = 2;
	for (uint32_t i = 1; i < f->ninsn && !f->too_complex; i++)
		if (f->reached[i] == 0 && f->op[i].kind != KC_OP_NOP && f->op[i].kind != KC_OP_BAD) {
			kc_goto(f, i, root);
			run(f);
		}
	try_pointers(f, root);
	settle(f);
	free(root);
	return (f->out_of_memory ? -1 : 0);
fail:
	free(root);
	return (-1);
}

void
kc_flow_free(struct kc_flow *f)
{
	for (uint32_t i = 0; f->in != NULL && i < f->ninsn; i++)
		free(f->in[i]);
	for (uint32_t k = 0; k < f->nfunc; k++)
		free(f->func[k].caller);
	free(f->callee);
	free(f->cur);
	free(f->func);
	free(f->queued);
	free(f->table);
	free(f->in);
	free(f->owner);
	free(f->reached);
	free(f->loop);
	free(f->reasons);
	free(f->leader);
	free(f->addr);
	free(f->op);
	free(f->at);
	kc_values_free(&f->v);
	memset(f, 0, sizeof(*f));
}
