/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * __attribute__((used)), found again.
 *
 * A linker set is made of definitions that nothing refers to; `used` keeps them, by an entry in the variable
 * llvm.compiler.used.  clang takes that variable away while it writes the bitcode into the object, so it is missing
 * in the units.  What it held can be told all the same: clang emits a static function or variable only when
 * something refers to it or it is `used`.  So in unoptimised bitcode a local definition without a reference is one
 * of these; and so is any definition in a section that the source named, whose whole is the point.
 */

#include <stdlib.h>
#include <string.h>

#include "vnetcc.h"

static const char list_name[] = "llvm.compiler.used";

struct keep {
	LLVMValueRef *v;
	size_t n;
};

static void
keep_add(struct keep *k, LLVMValueRef v)
{
	k->v = xrealloc(k->v, k->n + 1, sizeof(*k->v));
	k->v[k->n++] = v;
}

static bool
is_used(LLVMValueRef v)
{
	const char *section = LLVMGetSection(v);
	LLVMLinkage l = LLVMGetLinkage(v);

	if (LLVMIsDeclaration(v) || strncmp(value_name(v), "llvm.", 5) == 0)
		return (false);
	if (section != NULL && section[0] != '\0')
		return (true);
	return (LLVMGetFirstUse(v) == NULL && (l == LLVMInternalLinkage || l == LLVMPrivateLinkage));
}

/* Gives a unit its list back; to be called before anything is removed from it. */
void
unit_keep_used(struct program *p, LLVMModuleRef m)
{
	LLVMTypeRef byte = LLVMPointerType(LLVMInt8TypeInContext(p->ctx), 0);
	struct keep k = { 0 };
	LLVMValueRef v, list;

	if (LLVMGetNamedGlobal(m, list_name) != NULL)
		return;
	for (v = LLVMGetFirstGlobal(m); v != NULL; v = LLVMGetNextGlobal(v))
		if (is_used(v))
			keep_add(&k, v);
	for (v = LLVMGetFirstFunction(m); v != NULL; v = LLVMGetNextFunction(v))
		if (is_used(v))
			keep_add(&k, v);
	if (k.n > 0) {
		for (size_t i = 0; i < k.n; i++)
			k.v[i] = LLVMConstPointerCast(k.v[i], byte);
		list = LLVMAddGlobal(m, LLVMArrayType(byte, (unsigned)k.n), list_name);
		LLVMSetInitializer(list, LLVMConstArray(byte, k.v, (unsigned)k.n));
		LLVMSetLinkage(list, LLVMAppendingLinkage);
		LLVMSetSection(list, "llvm.metadata");
	}
	free(k.v);
}
