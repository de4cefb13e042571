/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the optimiser may know of the base.
 *
 * The base is loaded at each use of a virtual variable.  Two of these loads
 * are one if nothing between them can write the base, and the program itself
 * cannot: it has no name for it (where it has, see below).  Three facts say
 * so, from the weakest reason to the strongest:
 *
 *  - No store, and no memory intrinsic, writes the base.  Type-based alias
 *    information cannot say it: whatever is written through a char * may be
 *    anything.  A scope can: the loads of the base are in a scope
 *    (!alias.scope) and every store is declared to be outside it (!noalias).
 *  - A call of a function that is defined here, that calls only such
 *    functions and nothing unknown, does not write it either.  The same holds
 *    for functions outside of which it is known: libc's mem* and str*, and
 *    those that -fvirtual-keeps-base names ("*": all of them and those called
 *    through pointers, a promise that a callee which enters another instance
 *    comes back to the caller's before it returns).
 *  - Any other call, and inline assembly, may come back in another instance:
 *    the base is loaded anew afterwards.
 *
 * Where none of the calls is of the last kind, steady.c does better.
 *
 * Code that does name the base (CURVNET_SET in a unit of this link) is left
 * as it is: a store to the base is not marked, a function with one is among
 * those that may change it, and if the base's address goes anywhere else
 * nothing is marked at all.
 *
 * The other way round, an attribute of the source can deny what is now so:
 * __attribute__((const)) on a function that returns the address of a static
 * variable.  It reads the base now, which makes it a "pure" function.
 */

#include <string.h>

#include "llvmcompat.h"
#include "vnetcc.h"

/* Functions of libc that never enter an instance. */
static const char *const libc_keeps[] = {
	"memcpy",
	"memmove",
	"memset",
	"memcmp",
	"memchr",
	"bcmp",
	"strlen",
	"strnlen",
	"strcmp",
	"strncmp",
	"strcpy",
	"strncpy",
	"strcat",
	"strncat",
	"strchr",
	"strrchr",
	"strstr",
	"strtol",
	"strtoul",
	"atoi",
	"malloc",
	"calloc",
	"realloc",
	"free",
	"abort",
};

static unsigned
kind(const struct program *p, const char *name)
{
	return (LLVMGetMDKindIDInContext(p->ctx, name, (unsigned)strlen(name)));
}

/* !{!scope}, scope = !{!"base", domain}, domain = !{!"vnetcc"} */
static LLVMValueRef
scope_list(const struct program *p)
{
	LLVMMetadataRef domain, scope[2], list;

	domain = LLVMMDStringInContext2(p->ctx, "vnetcc", 6);
	scope[0] = LLVMMDStringInContext2(p->ctx, "base", 4);
	scope[1] = LLVMMDNodeInContext2(p->ctx, &domain, 1);
	list = LLVMMDNodeInContext2(p->ctx, scope, 2);
	return (LLVMMetadataAsValue(p->ctx, LLVMMDNodeInContext2(p->ctx, &list, 1)));
}

/* Called for every load of the base that is made. */
void
aliasing_base_load(struct program *p, LLVMValueRef load)
{
	LLVMSetMetadata(load, kind(p, "alias.scope"), scope_list(p));
}

static LLVMValueRef
callee_of(LLVMValueRef call)
{
	LLVMValueRef f = LLVMGetCalledValue(call);

	while (LLVMIsAConstantExpr(f))
		f = LLVMGetOperand(f, 0);
	return (f);
}

static bool
known_to_keep(const struct program *p, const char *name)
{
	if (strncmp(name, "llvm.", 5) == 0 || strlist_has(&p->opt->keeps_base, name))
		return (true);
	for (size_t i = 0; i < sizeof(libc_keeps) / sizeof(libc_keeps[0]); i++)
		if (strcmp(libc_keeps[i], name) == 0)
			return (true);
	return (false);
}

/* May a call change the base?  changers: the functions known to do so. */
static bool
call_changes(const struct program *p, const struct ptrset *changers, LLVMValueRef call)
{
	LLVMValueRef f = callee_of(call);
	bool all_keep = strlist_has(&p->opt->keeps_base, "*");

	if (!LLVMIsAFunction(f))
		return (!all_keep);
	/* The runtime's, whatever was promised. */
	if (LLVMIsDeclaration(f) && strncmp(value_name(f), "vinst_", 6) == 0)
		return (true);
	if (LLVMIsDeclaration(f) || LLVMGetLinkage(f) == LLVMWeakAnyLinkage)
		return (!all_keep && !known_to_keep(p, value_name(f)));
	return (ptrset_find(changers, f, NULL));
}

/* Applies fn to every instruction of a function until it returns true. */
static bool
any_instruction(LLVMValueRef f, bool (*fn)(LLVMValueRef, void *), void *arg)
{
	LLVMBasicBlockRef b;
	LLVMValueRef i;

	for (b = LLVMGetFirstBasicBlock(f); b; b = LLVMGetNextBasicBlock(b))
		for (i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
			if (fn(i, arg))
				return (true);
	return (false);
}

struct keeping {
	struct program *p;
	struct ptrset changers;
	LLVMValueRef scopes;
	unsigned noalias;
};

static bool
changes(LLVMValueRef inst, void *arg)
{
	struct keeping *k = arg;

	return (is_call(inst) && call_changes(k->p, &k->changers, inst));
}

/*
 * The functions that write the base themselves.  False if its address goes
 * where it cannot be followed.
 */
static bool
direct_changers(struct keeping *k)
{
	LLVMUseRef u;

	for (u = k->p->base != NULL ? LLVMGetFirstUse(k->p->base) : NULL; u; u = LLVMGetNextUse(u)) {
		LLVMValueRef user = LLVMGetUser(u);

		if (LLVMIsALoadInst(user))
			continue;
		if (!LLVMIsAStoreInst(user) || LLVMGetOperand(user, 1) != k->p->base)
			return (false);
		ptrset_add(&k->changers, LLVMGetBasicBlockParent(LLVMGetInstructionParent(user)), NULL);
	}
	return (true);
}

/* ... and those that call them, or anything unknown. */
static void
indirect_changers(struct keeping *k)
{
	LLVMValueRef f;
	size_t before;

	do {
		before = k->changers.n;
		for (f = LLVMGetFirstFunction(k->p->mod); f; f = LLVMGetNextFunction(f))
			if (!ptrset_find(&k->changers, f, NULL) && any_instruction(f, changes, k))
				ptrset_add(&k->changers, f, NULL);
	} while (k->changers.n != before);
}

static bool
mark(LLVMValueRef inst, void *arg)
{
	struct keeping *k = arg;
	bool keeps;

	if (LLVMIsAStoreInst(inst))
		keeps = LLVMGetOperand(inst, 1) != k->p->base;
	else if (is_call(inst))
		keeps = !call_changes(k->p, &k->changers, inst);
	else
		keeps = LLVMIsAAtomicRMWInst(inst) || LLVMIsAAtomicCmpXchgInst(inst);
	/* Where the front end has said something of its own, leave it. */
	if (keeps && LLVMGetMetadata(inst, k->noalias) == NULL)
		LLVMSetMetadata(inst, k->noalias, k->scopes);
	return (false);
}

/*
 * Can no code of this link see the base change?  None writes it, and none
 * calls what may.
 */
bool
aliasing_steady(struct program *p)
{
	struct keeping k = { .p = p };
	LLVMValueRef f;
	bool steady = direct_changers(&k) && k.changers.n == 0;

	for (f = LLVMGetFirstFunction(p->mod); f && steady; f = LLVMGetNextFunction(f))
		steady = !any_instruction(f, changes, &k);
	ptrset_free(&k.changers);
	return (steady);
}

void
aliasing_mark(struct program *p)
{
	struct keeping k = { .p = p, .scopes = scope_list(p), .noalias = kind(p, "noalias") };
	LLVMValueRef f;

	if (direct_changers(&k)) {
		indirect_changers(&k);
		for (f = LLVMGetFirstFunction(p->mod); f; f = LLVMGetNextFunction(f))
			any_instruction(f, mark, &k);
	}
	ptrset_free(&k.changers);
}

#if LLVM_VERSION_MAJOR < 16
static void
demote(struct program *p, LLVMValueRef v, bool call)
{
	LLVMAttributeIndex at = LLVMAttributeFunctionIndex;
	size_t n = sizeof(denying_attributes) / sizeof(denying_attributes[0]);

	for (size_t i = 0; i < n; i++) {
		unsigned id = attribute_kind(denying_attributes[i]);
		LLVMAttributeRef a;

		a = call ? LLVMGetCallSiteEnumAttribute(v, at, id) : LLVMGetEnumAttributeAtIndex(v, at, id);
		if (a == NULL)
			continue;
		if (call)
			LLVMRemoveCallSiteEnumAttribute(v, at, id);
		else
			LLVMRemoveEnumAttributeAtIndex(v, at, id);
		if (i != 0)
			continue;
		a = LLVMCreateEnumAttribute(p->ctx, attribute_kind("readonly"), 0);
		if (call)
			LLVMAddCallSiteAttribute(v, at, a);
		else
			LLVMAddAttributeAtIndex(v, at, a);
	}
}
#else
static void
demote(struct program *p, LLVMValueRef v, bool call)
{
	LLVMAttributeIndex at = LLVMAttributeFunctionIndex;
	unsigned id = attribute_kind("memory");
	LLVMAttributeRef a;

	a = call ? LLVMGetCallSiteEnumAttribute(v, at, id) : LLVMGetEnumAttributeAtIndex(v, at, id);
	if (a == NULL)
		return;
	a = LLVMCreateEnumAttribute(p->ctx, id, LLVMGetEnumAttributeValue(a) | MEMORY_OTHER_REF);
	if (call)
		LLVMAddCallSiteAttribute(v, at, a);
	else
		LLVMAddAttributeAtIndex(v, at, a);
}
#endif

static bool
demote_call(LLVMValueRef inst, void *arg)
{
	if (is_call(inst) && (!LLVMIsAFunction(callee_of(inst)) || !LLVMIsDeclaration(callee_of(inst))) &&
	    !LLVMIsAInlineAsm(callee_of(inst)))
		demote(arg, inst, true);
	return (false);
}

/* Functions defined here, and calls that may reach them, read the base. */
void
aliasing_demote_const(struct program *p)
{
	LLVMValueRef f;

	for (f = LLVMGetFirstFunction(p->mod); f; f = LLVMGetNextFunction(f)) {
		if (LLVMIsDeclaration(f))
			continue;
		demote(p, f, false);
		any_instruction(f, demote_call, p);
	}
}
