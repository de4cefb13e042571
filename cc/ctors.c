/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Constructors and destructors run in each instance, and so must not be run by whoever loads the code.
 *
 * LLVM keeps them in two lists of { priority, function, data }, which are taken away here.  A program's go to the list
 * that its runtime goes through when an instance is made (image.c).  A module's of the set vnet become VNET_SYSINITs
 * and VNET_SYSUNINITs (uvnet/sysinit.h), before all those of the source: they run in every stack when it is made, or
 * when the module is loaded into it.  Other sets of modules have no such moment, so there they are refused (refuse.c).
 */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <uvnet/sysinit.h>

#include "vnetcc.h"

struct entry {
	uint64_t priority;
	size_t order;
	LLVMValueRef fn;
};

static int
by_priority(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->priority != y->priority)
		return (x->priority < y->priority ? -1 : 1);
	return (x->order < y->order ? -1 : 1);
}

LLVMValueRef *
ctors_take(struct program *p, const char *list, size_t *n)
{
	LLVMValueRef g = LLVMGetNamedGlobal(p->mod, list), init = g != NULL ? LLVMGetInitializer(g) : NULL;
	struct entry *e;
	LLVMValueRef *v;

	*n = init != NULL && LLVMIsAConstantArray(init) ? (size_t)LLVMGetNumOperands(init) : 0;
	e = xrealloc(NULL, *n, sizeof(*e));
	v = xrealloc(NULL, *n, sizeof(LLVMValueRef));
	for (size_t i = 0; i < *n; i++) {
		LLVMValueRef one = LLVMGetOperand(init, (unsigned)i);

		e[i] = (struct entry) { LLVMConstIntGetZExtValue(LLVMGetOperand(one, 0)), i, LLVMGetOperand(one, 1) };
	}
	qsort(e, *n, sizeof(*e), by_priority);
	for (size_t i = 0; i < *n; i++)
		v[i] = e[i].fn;
	if (g != NULL)
		LLVMDeleteGlobal(g);
	free(e);
	return (v);
}

static LLVMValueRef
constant(struct program *p, LLVMValueRef init, const char *section)
{
	LLVMValueRef g = LLVMAddGlobal(p->mod, LLVMTypeOf(init), "vnetcc.ctor");

	LLVMSetInitializer(g, init);
	LLVMSetLinkage(g, LLVMInternalLinkage);
	LLVMSetGlobalConstant(g, 1);
	if (section != NULL)
		LLVMSetSection(g, section);
	return (g);
}

/* One function: a struct sysinit, and the pointer to it that the section `set` collects. */
static void
sysinit_make(struct program *p, LLVMValueRef fn, const char *set)
{
	LLVMTypeRef byte_ptr = LLVMPointerType(LLVMInt8TypeInContext(p->ctx), 0);
	LLVMTypeRef number = LLVMInt32TypeInContext(p->ctx);
	LLVMValueRef field[6], f = fn, name;

	while (LLVMIsAConstantExpr(f))
		f = LLVMGetOperand(f, 0);
	name = constant(p, LLVMConstStringInContext(p->ctx, value_name(f), (unsigned)strlen(value_name(f)), 0), NULL);
	field[0] = LLVMConstInt(number, SI_SUB_CONSTRUCTORS, 0);
	field[1] = LLVMConstInt(number, SI_ORDER_FIRST, 0);
	field[2] = LLVMConstInt(number, 0, 0); /* not fallible */
	field[3] = LLVMConstPointerCast(fn, byte_ptr);
	field[4] = LLVMConstNull(byte_ptr);
	field[5] = LLVMConstPointerCast(name, byte_ptr);
	constant(p, constant(p, LLVMConstStructInContext(p->ctx, field, 6, 0), NULL), set);
}

void
ctors_sysinit(struct program *p)
{
	/* As LLVM lays the same members out for any target. */
	_Static_assert(offsetof(struct sysinit, u) == 16 && offsetof(struct sysinit, name) == 32, "sysinit_make()");
	static const struct {
		const char *from, *to;
	} lists[] = {
		{ "llvm.global_ctors", "set_vnet_sysinit_set" },
		{ "llvm.global_dtors", "set_vnet_sysuninit_set" }, /* which run in reverse */
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		size_t n;
		LLVMValueRef *fn = ctors_take(p, lists[i].from, &n);

		for (size_t k = 0; k < n; k++)
			sysinit_make(p, fn[k], lists[i].to);
		free(fn);
	}
}
