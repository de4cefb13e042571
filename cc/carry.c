/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The set's address, carried from function to function.
 *
 * Where no code of a link can see the base change (steady.c), all that
 * virtual variables cost is to compute
 *
 *	%set = address of the set + base
 *
 * once in a function; a variable is %set plus a constant then.  transform.c
 * writes a placeholder for it at each use, a call of a function that does not
 * exist, and here each placeholder gets its value:
 *
 *  - A function of which all calls are known takes the address as one more
 *    argument.  The argument is `swiftself`: where the calling convention has
 *    a register for that (x86-64, arm64), the register is one that calls
 *    preserve, so that passing the address on costs no instruction at all.
 *  - All others (exported, or called through pointers) compute it, at the
 *    place that place.c finds.
 *
 * A function with the argument is a new one, into which the blocks of the old
 * one move: LLVM cannot change the type of a function.
 *
 * The sum goes through empty assembly, which generates nothing, but keeps the
 * code generator from taking the sum apart again and adding its halves at
 * each use.
 */

#include <stdlib.h>
#include <string.h>

#include <llvm-c/DebugInfo.h>

#include "llvmcompat.h"
#include "vnetcc.h"

#define PLACEHOLDER "vnetcc.set"

struct carrier {
	struct program *p;
	LLVMBuilderRef b;
	struct ptrset need; /* functions that use the address or call a taker */
};

static LLVMTypeRef
byte_pointer(const struct program *p)
{
	return (LLVMPointerType(LLVMInt8TypeInContext(p->ctx), 0));
}

LLVMValueRef
carry_placeholder(struct program *p, LLVMBuilderRef b)
{
	LLVMTypeRef type = LLVMFunctionType(byte_pointer(p), NULL, 0, 0);
	LLVMValueRef f = LLVMGetNamedFunction(p->mod, PLACEHOLDER);

	if (f == NULL)
		f = LLVMAddFunction(p->mod, PLACEHOLDER, type);
	return (LLVMBuildCall2(b, type, f, NULL, 0, ""));
}

/* ---- Who takes the address as an argument ---- */

/* Is this use of f a plain call of it? */
static bool
is_plain_call(LLVMUseRef use, LLVMValueRef f)
{
	LLVMValueRef call = LLVMGetUser(use);
	unsigned args;

	if (!LLVMIsACallInst(call) || LLVMGetCalledValue(call) != f ||
	    LLVMGetCalledFunctionType(call) != LLVMGlobalGetValueType(f))
		return (false);
	/* Its arguments and the function, nothing else; and the function only there. */
	args = LLVMGetNumArgOperands(call);
	if ((unsigned)LLVMGetNumOperands(call) != args + 1)
		return (false);
	for (unsigned i = 0; i < args; i++)
		if (LLVMGetOperand(call, i) == f)
			return (false);
	return (true);
}

static bool
can_take(LLVMValueRef f)
{
	LLVMUseRef u;

	if (LLVMIsDeclaration(f) || LLVMGetLinkage(f) != LLVMInternalLinkage || LLVMHasPersonalityFn(f) ||
	    LLVMIsFunctionVarArg(LLVMGlobalGetValueType(f)))
		return (false);
	for (u = LLVMGetFirstUse(f); u != NULL; u = LLVMGetNextUse(u))
		if (!is_plain_call(u, f))
			return (false);
	return (true);
}

static LLVMValueRef
function_of(LLVMValueRef inst)
{
	return (LLVMGetBasicBlockParent(LLVMGetInstructionParent(inst)));
}

/* need: the functions with a placeholder, and their callers as long as what they call can take it. */
static void
need_collect(struct carrier *c, LLVMValueRef placeholder)
{
	LLVMUseRef u;

	for (u = LLVMGetFirstUse(placeholder); u != NULL; u = LLVMGetNextUse(u))
		ptrset_add(&c->need, function_of(LLVMGetUser(u)), NULL);
	for (size_t i = 0; i < c->need.n; i++) {
		LLVMValueRef f = (LLVMValueRef)(uintptr_t)c->need.key[i];

		for (u = can_take(f) ? LLVMGetFirstUse(f) : NULL; u != NULL; u = LLVMGetNextUse(u))
			ptrset_add(&c->need, function_of(LLVMGetUser(u)), NULL);
	}
}

/* ---- A function with one argument more ---- */

static LLVMAttributeRef
swiftself(const struct program *p)
{
	return (LLVMCreateEnumAttribute(p->ctx, attribute_kind("swiftself"), 0));
}

/* LLVM has these functions twice: for functions and for calls. */
struct attributes_of {
	unsigned (*count)(LLVMValueRef, LLVMAttributeIndex);
	void (*get)(LLVMValueRef, LLVMAttributeIndex, LLVMAttributeRef *);
	void (*add)(LLVMValueRef, LLVMAttributeIndex, LLVMAttributeRef);
};

static const struct attributes_of of_function = { LLVMGetAttributeCountAtIndex, LLVMGetAttributesAtIndex,
	LLVMAddAttributeAtIndex };
static const struct attributes_of of_call = { LLVMGetCallSiteAttributeCount, LLVMGetCallSiteAttributes,
	LLVMAddCallSiteAttribute };

/* Attributes of the function or call, of what it returns, and of each argument. */
static void
attributes_copy(const struct attributes_of *of, LLVMValueRef from, LLVMValueRef to, unsigned args)
{
	LLVMAttributeIndex at = LLVMAttributeFunctionIndex;

	for (unsigned i = 0; i < args + 2; i++, at++) {
		unsigned n = of->count(from, at);
		LLVMAttributeRef *a = xrealloc(NULL, n, sizeof(*a));

		of->get(from, at, a);
		for (unsigned k = 0; k < n; k++)
			of->add(to, at, a[k]);
		free(a);
	}
}

/* The same call, of `to`, with the placeholder as its last argument. */
static void
call_replace(struct carrier *c, LLVMValueRef call, LLVMValueRef to)
{
	unsigned args = LLVMGetNumArgOperands(call);
	LLVMValueRef *arg = xrealloc(NULL, args + 1, sizeof(*arg)), made;
	LLVMValueMetadataEntry *md;
	size_t n;

	for (unsigned i = 0; i < args; i++)
		arg[i] = LLVMGetOperand(call, i);
	LLVMPositionBuilderBefore(c->b, call);
	arg[args] = carry_placeholder(c->p, c->b);
	made = LLVMBuildCall2(c->b, LLVMGlobalGetValueType(to), to, arg, args + 1, "");
	LLVMSetInstructionCallConv(made, LLVMGetInstructionCallConv(call));
	LLVMSetTailCall(made, LLVMIsTailCall(call));
	attributes_copy(&of_call, call, made, args);
	LLVMAddCallSiteAttribute(made, args + 1, swiftself(c->p));
	md = LLVMInstructionGetAllMetadataOtherThanDebugLoc(call, &n);
	for (size_t i = 0; i < n; i++)
		LLVMSetMetadata(made, LLVMValueMetadataEntriesGetKind(md, (unsigned)i),
		    LLVMMetadataAsValue(c->p->ctx, LLVMValueMetadataEntriesGetMetadata(md, (unsigned)i)));
	LLVMDisposeValueMetadataEntries(md);
	LLVMInstructionSetDebugLoc(made, LLVMInstructionGetDebugLoc(call));
	LLVMReplaceAllUsesWith(call, made);
	LLVMInstructionEraseFromParent(call);
	free(arg);
}

static LLVMValueRef
function_like(struct carrier *c, LLVMValueRef f)
{
	LLVMTypeRef type = LLVMGlobalGetValueType(f), *arg;
	unsigned args = LLVMCountParams(f);
	LLVMValueMetadataEntry *md;
	LLVMValueRef to;
	size_t n;

	arg = xrealloc(NULL, args + 1, sizeof(*arg));
	LLVMGetParamTypes(type, arg);
	arg[args] = byte_pointer(c->p);
	to = LLVMAddFunction(c->p->mod, "", LLVMFunctionType(LLVMGetReturnType(type), arg, args + 1, 0));
	free(arg);
	LLVMSetLinkage(to, LLVMGetLinkage(f));
	LLVMSetFunctionCallConv(to, LLVMGetFunctionCallConv(f));
	LLVMSetUnnamedAddress(to, LLVMGetUnnamedAddress(f));
	LLVMSetAlignment(to, LLVMGetAlignment(f));
	if (LLVMGetSection(f) != NULL)
		LLVMSetSection(to, LLVMGetSection(f));
	if (LLVMGetGC(f) != NULL)
		LLVMSetGC(to, LLVMGetGC(f));
	attributes_copy(&of_function, f, to, args);
	LLVMAddAttributeAtIndex(to, args + 1, swiftself(c->p));
	/* Its debug information and its profile. */
	md = LLVMGlobalCopyAllMetadata(f, &n);
	for (size_t i = 0; i < n; i++)
		LLVMGlobalSetMetadata(to, LLVMValueMetadataEntriesGetKind(md, (unsigned)i),
		    LLVMValueMetadataEntriesGetMetadata(md, (unsigned)i));
	LLVMDisposeValueMetadataEntries(md);
	return (to);
}

static void
body_move(LLVMValueRef from, LLVMValueRef to)
{
	LLVMBasicBlockRef b;

	while ((b = LLVMGetFirstBasicBlock(from)) != NULL) {
		LLVMRemoveBasicBlockFromParent(b);
		LLVMAppendExistingBasicBlock(to, b);
	}
	for (unsigned i = 0; i < LLVMCountParams(from); i++) {
		size_t len;
		const char *name = LLVMGetValueName2(LLVMGetParam(from, i), &len);

		LLVMSetValueName2(LLVMGetParam(to, i), name, len);
		LLVMReplaceAllUsesWith(LLVMGetParam(from, i), LLVMGetParam(to, i));
	}
}

/* Gives f the argument; returns what it is now. */
static LLVMValueRef
make_take(struct carrier *c, LLVMValueRef f)
{
	char *name = xstrdup(LLVMGetValueName(f));
	LLVMValueRef to = function_like(c, f);
	LLVMUseRef u;

	body_move(f, to);
	while ((u = LLVMGetFirstUse(f)) != NULL)
		call_replace(c, LLVMGetUser(u), to);
	LLVMDeleteFunction(f);
	LLVMSetValueName2(to, name, strlen(name));
	free(name);
	return (to);
}

/* ---- The value ---- */

static LLVMValueRef
set_compute(void *arg, LLVMBuilderRef b)
{
	struct program *p = arg;
	LLVMTypeRef word = LLVMIntPtrTypeInContext(p->ctx, p->td), opaque = LLVMFunctionType(word, &word, 1, 0);
	static char text[] = "", constraints[] = "=r,0";
	LLVMValueRef sum, barrier;

	sum = LLVMBuildLoad2(b, word, LLVMBuildPointerCast(b, p->base, LLVMPointerType(word, 0), ""), "base");
	LLVMSetAlignment(sum, LLVMABIAlignmentOfType(p->td, word));
	sum = LLVMBuildAdd(b, sum, LLVMConstPtrToInt(p->layout.place[0].value, word), "");
	barrier = LLVMGetInlineAsm(opaque, text, 0, constraints, sizeof(constraints) - 1, 0, 0, LLVMInlineAsmDialectATT,
	    0);
	sum = LLVMBuildCall2(b, opaque, barrier, &sum, 1, "");
	return (LLVMBuildIntToPtr(b, sum, byte_pointer(p), "set"));
}

static LLVMValueRef
set_argument(void *arg, LLVMBuilderRef b)
{
	(void)b;
	return (arg);
}

static void
placeholders_replace(struct carrier *c, const struct ptrset *takers, LLVMValueRef placeholder, LLVMValueRef f)
{
	struct ptrset uses = { 0 };
	LLVMBasicBlockRef b;
	LLVMValueRef i;

	for (b = LLVMGetFirstBasicBlock(f); b != NULL; b = LLVMGetNextBasicBlock(b))
		for (i = LLVMGetFirstInstruction(b); i != NULL; i = LLVMGetNextInstruction(i))
			if (LLVMIsACallInst(i) && LLVMGetCalledValue(i) == placeholder)
				ptrset_add(&uses, i, NULL);
	if (uses.n > 0 && ptrset_find(takers, f, NULL))
		place(f, &uses, c->b, set_argument, LLVMGetLastParam(f));
	else if (uses.n > 0)
		place(f, &uses, c->b, set_compute, c->p);
	ptrset_free(&uses);
}

/* Gives every placeholder its value.  p->layout holds already. */
void
carry(struct program *p)
{
	LLVMValueRef placeholder = LLVMGetNamedFunction(p->mod, PLACEHOLDER), f;
	struct carrier c = { .p = p };
	struct ptrset takers = { 0 };

	if (placeholder == NULL)
		return;
	c.b = LLVMCreateBuilderInContext(p->ctx);
	need_collect(&c, placeholder);
	for (size_t i = 0; i < c.need.n; i++)
		if (can_take((LLVMValueRef)(uintptr_t)c.need.key[i]))
			ptrset_add(&takers, make_take(&c, (LLVMValueRef)(uintptr_t)c.need.key[i]), NULL);
	for (f = LLVMGetFirstFunction(p->mod); f != NULL; f = LLVMGetNextFunction(f))
		placeholders_replace(&c, &takers, placeholder, f);
	LLVMDeleteFunction(placeholder);
	LLVMDisposeBuilder(c.b);
	ptrset_free(&c.need);
	ptrset_free(&takers);
}
