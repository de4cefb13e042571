/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where in a function a value that is the same all along is best computed.
 *
 * Once, in the last block that lies on every way to a use: the nearest common
 * dominator of the blocks with uses.  If that is within a loop, before the
 * loop.  Blocks that end the program (a failed assertion) do not count: they
 * compute the value again, so that nothing has to be kept for them on the way
 * that is taken.
 *
 * Dominators as in Cooper, Harvey, Kennedy, "A Simple, Fast Dominance
 * Algorithm" (2001): blocks are numbered in reverse postorder, and a block's
 * immediate dominator is found by intersecting those of its predecessors
 * until nothing changes.
 */

#include <stdlib.h>
#include <string.h>

#include "vnetcc.h"

#define NOWHERE SIZE_MAX

/* The blocks that a function's entry leads to, numbered in reverse postorder: the entry is 0. */
struct flow {
	struct ptrset found; /* blocks in the order they were found */
	size_t n;
	size_t *number; /* of the block found as i-th */
	LLVMBasicBlockRef *block;
	size_t *pred_end; /* pred[pred_end[i - 1]] to pred[pred_end[i]]: predecessors of block i */
	size_t *pred;
	size_t *idom;
};

static size_t
number_of(const struct flow *f, LLVMBasicBlockRef b)
{
	size_t i;

	return (ptrset_find(&f->found, b, &i) ? f->number[i] : NOWHERE);
}

/* Depth first, with a stack on the heap: functions can have very many blocks. */
static void
flow_number(struct flow *f, LLVMValueRef function)
{
	struct visit {
		LLVMBasicBlockRef block;
		unsigned next;
	} * stack;
	size_t depth = 1, all = LLVMCountBasicBlocks(function), done = 0, i;
	bool new_member;

	stack = xrealloc(NULL, all, sizeof(*stack));
	f->block = xrealloc(NULL, all, sizeof(*f->block));
	f->number = xrealloc(NULL, all, sizeof(*f->number));
	stack[0] = (struct visit) { LLVMGetEntryBasicBlock(function), 0 };
	ptrset_add(&f->found, stack[0].block, NULL);
	while (depth > 0) {
		struct visit *v = &stack[depth - 1];
		LLVMValueRef end = LLVMGetBasicBlockTerminator(v->block);
		LLVMBasicBlockRef to;

		if (v->next == LLVMGetNumSuccessors(end)) {
			f->block[all - ++done] = v->block;
			depth--;
			continue;
		}
		to = LLVMGetSuccessor(end, v->next++);
		ptrset_add(&f->found, to, &new_member);
		if (new_member)
			stack[depth++] = (struct visit) { to, 0 };
	}
	free(stack);
	f->n = done;
	memmove(f->block, f->block + (all - done), done * sizeof(*f->block));
	for (size_t b = 0; b < f->n; b++)
		if (ptrset_find(&f->found, f->block[b], &i))
			f->number[i] = b;
}

static void
flow_edges(struct flow *f)
{
	size_t edges = 0;

	f->pred_end = xrealloc(NULL, f->n + 1, sizeof(*f->pred_end));
	memset(f->pred_end, 0, (f->n + 1) * sizeof(*f->pred_end));
	for (size_t b = 0; b < f->n; b++) {
		LLVMValueRef end = LLVMGetBasicBlockTerminator(f->block[b]);

		edges += LLVMGetNumSuccessors(end);
		for (unsigned s = 0; s < LLVMGetNumSuccessors(end); s++)
			f->pred_end[number_of(f, LLVMGetSuccessor(end, s)) + 1]++;
	}
	for (size_t b = 0; b < f->n; b++)
		f->pred_end[b + 1] += f->pred_end[b];
	f->pred = xrealloc(NULL, edges, sizeof(*f->pred));
	/* Filling moves each start to its end, which is the next one's start. */
	for (size_t b = 0; b < f->n; b++) {
		LLVMValueRef end = LLVMGetBasicBlockTerminator(f->block[b]);

		for (unsigned s = 0; s < LLVMGetNumSuccessors(end); s++)
			f->pred[f->pred_end[number_of(f, LLVMGetSuccessor(end, s))]++] = b;
	}
}

static size_t
intersect(const struct flow *f, size_t a, size_t b)
{
	while (a != b)
		if (a > b)
			a = f->idom[a];
		else
			b = f->idom[b];
	return (a);
}

static void
flow_dominate(struct flow *f)
{
	bool changed = true;

	f->idom = xrealloc(NULL, f->n, sizeof(*f->idom));
	for (size_t b = 0; b < f->n; b++)
		f->idom[b] = b == 0 ? 0 : NOWHERE;
	while (changed) {
		changed = false;
		for (size_t b = 1; b < f->n; b++) {
			size_t dom = NOWHERE;

			for (size_t e = f->pred_end[b - 1]; e < f->pred_end[b]; e++)
				if (f->idom[f->pred[e]] != NOWHERE)
					dom = dom == NOWHERE ? f->pred[e] : intersect(f, dom, f->pred[e]);
			changed |= f->idom[b] != dom;
			f->idom[b] = dom;
		}
	}
}

static void
flow_free(struct flow *f)
{
	ptrset_free(&f->found);
	free(f->number);
	free(f->block);
	free(f->pred_end);
	free(f->pred);
	free(f->idom);
}

/* Does block b lead back to itself? */
static bool
in_loop(const struct flow *f, size_t b)
{
	struct ptrset seen = { 0 };
	bool found = false;

	ptrset_add(&seen, f->block[b], NULL);
	for (size_t i = 0; i < seen.n && !found; i++) {
		LLVMValueRef end = LLVMGetBasicBlockTerminator((LLVMBasicBlockRef)(uintptr_t)seen.key[i]);

		for (unsigned s = 0; s < LLVMGetNumSuccessors(end); s++) {
			found |= LLVMGetSuccessor(end, s) == f->block[b];
			ptrset_add(&seen, LLVMGetSuccessor(end, s), NULL);
		}
	}
	ptrset_free(&seen);
	return (found);
}

static bool
ends_program(LLVMBasicBlockRef b)
{
	return (LLVMGetInstructionOpcode(LLVMGetBasicBlockTerminator(b)) == LLVMUnreachable);
}

/* Before the first of the uses in b, or at its end. */
static LLVMValueRef
place_in(LLVMBasicBlockRef b, const struct ptrset *uses)
{
	LLVMValueRef i;

	for (i = LLVMGetFirstInstruction(b); i != NULL; i = LLVMGetNextInstruction(i))
		if (ptrset_find(uses, i, NULL))
			return (i);
	return (LLVMGetBasicBlockTerminator(b));
}

/*
 * Replaces the instructions `uses` of a function by the value that make()
 * builds; none of them may be a PHI.
 */
void
place(LLVMValueRef function, const struct ptrset *uses, LLVMBuilderRef b, make_fn make, void *arg)
{
	struct flow f = { 0 };
	size_t at = NOWHERE;
	LLVMValueRef common = NULL;

	flow_number(&f, function);
	flow_edges(&f);
	flow_dominate(&f);
	for (size_t i = 0; i < uses->n; i++) {
		LLVMBasicBlockRef block = LLVMGetInstructionParent((LLVMValueRef)(uintptr_t)uses->key[i]);
		size_t n = number_of(&f, block);

		if (n != NOWHERE && !ends_program(block))
			at = at == NOWHERE ? n : intersect(&f, at, n);
	}
	while (at != NOWHERE && at != 0 && in_loop(&f, at))
		at = f.idom[at];
	if (at != NOWHERE) {
		LLVMPositionBuilderBefore(b, place_in(f.block[at], uses));
		common = make(arg, b);
	}
	for (size_t i = 0; i < uses->n; i++) {
		LLVMValueRef use = (LLVMValueRef)(uintptr_t)uses->key[i];
		LLVMBasicBlockRef block = LLVMGetInstructionParent(use);
		LLVMValueRef value = common;

		if (number_of(&f, block) == NOWHERE || ends_program(block)) {
			LLVMPositionBuilderBefore(b, use);
			value = make(arg, b);
		}
		LLVMReplaceAllUsesWith(use, value);
	}
	/* Only now: where the value goes was found by the uses. */
	for (size_t i = 0; i < uses->n; i++)
		LLVMInstructionEraseFromParent((LLVMValueRef)(uintptr_t)uses->key[i]);
	flow_free(&f);
}
