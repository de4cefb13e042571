/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transformation: the virtual variables move to the set, and each use of
 * one in an instruction adds the base.
 *
 * It works from the variables to their uses: LLVM knows the users of a value,
 * some of which are constants with users of their own.  All instructions are
 * collected first and rewritten then, because what is written refers to the
 * variables again and must not be rewritten a second time.
 *
 * Operands of a PHI are computed at the end of the block they come from.
 * That block may be named twice (two cases of a switch), and then both
 * operands must be the same value.
 *
 * Thread-locals of a program move to a set of their own, whose base says
 * which thread's, in which instance: the runtime keeps that in a thread-local,
 * too, and changes both when a thread enters another instance.
 *
 * The variables keep name, type, alignment and linkage, so a debugger and
 * other modules find them as before; what they find is the template.
 */

#include <stdlib.h>
#include <string.h>

#include "vnetcc.h"

#define REDZONE 64 /* under -fsanitize=address a variable begins on a line of its own; module linkers poison the rest */

/* A base as this module knows it: a thread-local of the host. */
static bool
base_declare(struct program *p, const char *name, LLVMValueRef *base)
{
	LLVMTypeRef word = LLVMIntPtrTypeInContext(p->ctx, p->td);
	LLVMValueRef g = LLVMGetNamedGlobal(p->mod, name);

	if (g != NULL && (!LLVMIsDeclaration(g) || !LLVMIsThreadLocal(g))) {
		complain("%s is not an external thread-local: it belongs to "
			 "the host",
		    name);
		return (false);
	}
	if (g == NULL)
		g = LLVMAddGlobal(p->mod, word, name);
	*base = g;
	LLVMSetThreadLocal(g, 1);
	return (true);
}

/*
 * The host's thread-locals lie at a fixed distance from the thread pointer,
 * known when the module is loaded.
 */
static void
thread_locals_localise(struct program *p)
{
	LLVMThreadLocalMode mode = p->opt->shared ? LLVMInitialExecTLSModel : LLVMLocalExecTLSModel;
	LLVMValueRef g;

	/* A program's own may be another library's; only the bases are known to be in the image. */
	if (p->opt->program) {
		if (p->base != NULL)
			LLVMSetThreadLocalMode(p->base, mode);
		if (p->thread_base != NULL)
			LLVMSetThreadLocalMode(p->thread_base, mode);
		return;
	}
	for (g = LLVMGetFirstGlobal(p->mod); g; g = LLVMGetNextGlobal(g))
		if (LLVMIsThreadLocal(g))
			LLVMSetThreadLocalMode(g, LLVMLocalExecTLSModel);
}

static bool
moves(const struct var *v)
{
	return (var_moves(v) && v->value != NULL);
}

static bool
any_thread(const struct program *p)
{
	for (size_t i = 0; i < p->index.n; i++)
		if (p->var[i].fate == FATE_THREAD && moves(&p->var[i]))
			return (true);
	return (false);
}

static void
variable_move(struct program *p, struct var *v)
{
	LLVMLinkage l = LLVMGetLinkage(v->value);

	if (!v->defined)
		return;
	LLVMSetGlobalConstant(v->value, 0);
	/* Its contents are those of an instance, not of the initialiser. */
	LLVMSetExternallyInitialized(v->value, 1);
	LLVMSetUnnamedAddress(v->value, LLVMNoUnnamedAddr);
	if (p->opt->asan && v->align < REDZONE)
		v->align = REDZONE;
	/* The optimiser may have raised it. */
	if (LLVMGetAlignment(v->value) < v->align)
		LLVMSetAlignment(v->value, v->align);
	if (l == LLVMCommonLinkage)
		LLVMSetLinkage(v->value, LLVMExternalLinkage);
	else if (l == LLVMPrivateLinkage) /* give it a symbol */
		LLVMSetLinkage(v->value, LLVMInternalLinkage);
	if (v->fate == FATE_THREAD) {
		LLVMSetThreadLocal(v->value, 0);
		LLVMSetSection(v->value, p->opt->set->thread_section);
	} else
		LLVMSetSection(v->value, p->opt->set->section);
}

/* Collects the instructions that use an address, directly or in a constant. */
static void
users_collect(LLVMValueRef address, struct ptrset *insts, struct ptrset *touched)
{
	LLVMUseRef use;

	for (use = LLVMGetFirstUse(address); use; use = LLVMGetNextUse(use)) {
		LLVMValueRef user = LLVMGetUser(use);
		bool new_member;

		if (LLVMIsAInstruction(user))
			ptrset_add(insts, user, NULL);
		else if (LLVMIsAConstant(user) && !LLVMIsAGlobalValue(user)) {
			ptrset_add(touched, user, &new_member);
			if (new_member)
				users_collect(user, insts, touched);
		}
	}
}

static bool
calls_named(LLVMValueRef inst, const char *prefix)
{
	LLVMValueRef f;

	if (!LLVMIsACallInst(inst))
		return (false);
	f = LLVMGetCalledValue(inst);
	return (LLVMIsAFunction(f) && strncmp(value_name(f), prefix, strlen(prefix)) == 0);
}

/* Has an earlier edge from the same block got its value already? */
static LLVMValueRef
phi_earlier(LLVMValueRef phi, unsigned n)
{
	LLVMBasicBlockRef from = LLVMGetIncomingBlock(phi, n);

	for (unsigned i = 0; i < n; i++)
		if (LLVMGetIncomingBlock(phi, i) == from)
			return (LLVMGetOperand(phi, i));
	return (NULL);
}

static bool
operand_rewrite(struct expander *e, LLVMValueRef inst, unsigned n)
{
	LLVMValueRef op = LLVMGetOperand(inst, n), v = NULL;
	bool phi = LLVMIsAPHINode(inst) != NULL;

	if (phi)
		v = phi_earlier(inst, n);
	if (v == NULL) {
		LLVMPositionBuilderBefore(e->b,
		    phi ? LLVMGetBasicBlockTerminator(LLVMGetIncomingBlock(inst, n)) : inst);
		v = expand(e, op);
	}
	if (v == NULL) {
		char *place = instruction_place(inst);
		char *text = LLVMPrintValueToString(op);

		complain("%s: a constant that vnetcc does not know holds the "
			 "address of a virtual variable: %s",
		    place, text);
		LLVMDisposeMessage(text);
		free(place);
		return (false);
	}
	if (phi)
		e->p->phis++;
	LLVMSetOperand(inst, n, v);
	return (true);
}

static bool
instruction_rewrite(struct expander *e, LLVMValueRef inst)
{
	int n = LLVMGetNumOperands(inst);

	/* The template is as large as its copies, and its size is known. */
	if (calls_named(inst, "llvm.objectsize."))
		return (true);
	for (int i = 0; i < n; i++) {
		LLVMValueRef op = LLVMGetOperand(inst, (unsigned)i);

		if (LLVMIsAConstant(op) && !segment_has(op) &&
		    (is_moved(e->p, op) || ptrset_find(&e->touched, op, NULL)) &&
		    !operand_rewrite(e, inst, (unsigned)i))
			return (false);
	}
	return (true);
}

/*
 * Asked for the size of an object at run time, LLVM would subtract the base,
 * which it takes for an offset into the object.  Not asked at run time it
 * answers "unknown" where it has to.
 */
static void
objectsize_static(struct program *p)
{
	LLVMTypeRef bit = LLVMInt1TypeInContext(p->ctx);
	LLVMValueRef f;
	LLVMUseRef u;

	for (f = LLVMGetFirstFunction(p->mod); f; f = LLVMGetNextFunction(f)) {
		if (strncmp(value_name(f), "llvm.objectsize.", 16) != 0)
			continue;
		for (u = LLVMGetFirstUse(f); u; u = LLVMGetNextUse(u))
			LLVMSetOperand(LLVMGetUser(u), 3, LLVMConstInt(bit, 0, 0));
	}
}

static bool
uses_rewrite(struct program *p)
{
	struct expander e = { .p = p };
	struct ptrset insts = { 0 };
	LLVMValueRef a;
	bool ok = true;

	for (size_t i = 0; i < p->index.n; i++)
		if (moves(&p->var[i]))
			users_collect(p->var[i].value, &insts, &e.touched);
	for (a = LLVMGetFirstGlobalAlias(p->mod); a; a = LLVMGetNextGlobalAlias(a))
		if (is_virtual(p, a))
			users_collect(a, &insts, &e.touched);
	e.b = LLVMCreateBuilderInContext(p->ctx);
	for (size_t i = 0; i < insts.n && ok; i++)
		ok = instruction_rewrite(&e, (LLVMValueRef)(uintptr_t)insts.key[i]);
	LLVMDisposeBuilder(e.b);
	ptrset_free(&insts);
	ptrset_free(&e.touched);
	return (ok);
}

bool
transform(struct program *p)
{
	if (p->opt->mode == VIRT_NONE) {
		p->base = NULL;
		thread_locals_localise(p);
		return (true);
	}
	if (!base_declare(p, p->opt->set->base, &p->base) ||
	    (any_thread(p) && !base_declare(p, p->opt->set->thread_base, &p->thread_base)))
		return (false);
	thread_locals_localise(p);
	for (size_t i = 0; i < p->index.n; i++)
		if (moves(&p->var[i]))
			variable_move(p, &p->var[i]);
	if (p->steady && !layout_make(p, &p->layout))
		layout_free(&p->layout);
	if (p->opt->gs)
		segment_accesses(p);
	if (!uses_rewrite(p))
		return (false);
	carry(p);
	objectsize_static(p);
	aliasing_mark(p);
	aliasing_demote_const(p);
	return (true);
}
