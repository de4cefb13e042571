/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One address for the whole set.
 *
 * The optimiser leaves, for every variable x, the sum of x's own address and
 * the base.  x86-64 has no addressing mode for that: it takes a lea for each
 * variable and then an access indexed by the base, and that is most of what
 * virtual variables cost.  But all variables of the module lie in one section
 * of one object, at distances that are known.  So after each load of the base
 *
 *	%set = address of the set + %base
 *
 * is computed, and x is %set plus a constant, which every access can add for
 * nothing.  This must come after the optimiser, to which distinct variables
 * tell more than offsets in one block do, and just before code generation.
 *
 * The distances are what LLVM makes of the section: the variables in the
 * module's order, each at its alignment (layout_make; where the base is
 * steady, the transformation itself relies on them).  That is not taken on trust:
 * anchor_holds compares it with the symbols of the generated object.
 *
 * %set goes through inttoptr.  As a getelementptr of the first variable it
 * would be an address within that variable, and alias analysis would keep it
 * apart from the others.
 */

#include <stdlib.h>
#include <string.h>

#include "vnetcc.h"

/* Where each variable of the set will lie; false if that cannot be foretold. */
bool
layout_make(struct program *p, struct layout *l)
{
	LLVMValueRef g;
	uint64_t end = 0;

	for (g = LLVMGetFirstGlobal(p->mod); g; g = LLVMGetNextGlobal(g)) {
		const char *s = LLVMGetSection(g);
		uint64_t size, align;
		size_t i;

		if (LLVMIsDeclaration(g) || s == NULL || strcmp(s, p->opt->set->section) != 0)
			continue;
		size = LLVMABISizeOfType(p->td, LLVMGlobalGetValueType(g));
		align = LLVMGetAlignment(g);
		/* Nothing is promised of where these go. */
		if (size == 0 || align == 0)
			return (false);
		end = (end + align - 1) & ~(align - 1);
		i = ptrset_add(&l->index, g, NULL);
		if ((i & (i - 1)) == 0)
			l->place = xrealloc(l->place, 2 * i + 1, sizeof(*l->place));
		l->place[i] = (struct place) { g, end };
		end += size;
	}
	return (l->index.n > 0 && end < INT32_MAX);
}

void
layout_free(struct layout *l)
{
	free(l->place);
	ptrset_free(&l->index);
	*l = (struct layout) { 0 };
}

/* Does a symbol of the generated object lie where the layout has it? */
bool
anchor_holds(const struct layout *l, const char *name, uint64_t value)
{
	for (size_t i = 0; i < l->index.n; i++)
		if (strcmp(value_name(l->place[i].value), name) == 0)
			return (l->place[i].offset == value);
	return (true);
}

/* One step of a getelementptr: the offset of index n in *type. */
static bool
index_offset(struct program *p, LLVMTypeRef *type, LLVMValueRef n, bool first, uint64_t *off)
{
	long long i;

	if (!LLVMIsAConstantInt(n))
		return (false);
	i = LLVMConstIntGetSExtValue(n);
	if (!first && LLVMGetTypeKind(*type) == LLVMStructTypeKind) {
		*off += LLVMOffsetOfElement(p->td, *type, (unsigned)i);
		*type = LLVMStructGetTypeAtIndex(*type, (unsigned)i);
		return (true);
	}
	if (!first && LLVMGetTypeKind(*type) != LLVMArrayTypeKind)
		return (false);
	if (!first)
		*type = LLVMGetElementType(*type);
	*off += (uint64_t)i * LLVMABISizeOfType(p->td, *type);
	return (true);
}

/* Takes a constant address apart into a variable of the set and an offset, which is added to *off. */
bool
layout_offset(struct program *p, const struct layout *l, LLVMValueRef c, uint64_t *off)
{
	size_t i;

	while (LLVMIsAConstantExpr(c) || LLVMIsAGlobalAlias(c)) {
		LLVMTypeRef type;

		if (LLVMIsAGlobalAlias(c)) {
			c = LLVMAliasGetAliasee(c);
			continue;
		}
		if (LLVMGetConstOpcode(c) == LLVMGetElementPtr) {
			type = LLVMGetGEPSourceElementType(c);
			for (int n = 1; n < LLVMGetNumOperands(c); n++)
				if (!index_offset(p, &type, LLVMGetOperand(c, (unsigned)n), n == 1, off))
					return (false);
		} else if (LLVMGetConstOpcode(c) != LLVMBitCast)
			return (false);
		c = LLVMGetOperand(c, 0);
	}
	if (!ptrset_find(&l->index, c, &i))
		return (false);
	*off += l->place[i].offset;
	return (true);
}

/* Is user the sum of a constant address in the set and the base? */
static bool
is_sum(struct program *p, const struct layout *l, LLVMValueRef user, LLVMValueRef base, uint64_t *off)
{
	*off = 0;
	return (LLVMIsAGetElementPtrInst(user) && LLVMGetNumOperands(user) == 2 && LLVMGetOperand(user, 1) == base &&
	    LLVMABISizeOfType(p->td, LLVMGetGEPSourceElementType(user)) == 1 &&
	    LLVMIsAConstant(LLVMGetOperand(user, 0)) && layout_offset(p, l, LLVMGetOperand(user, 0), off));
}

/* set + base, as a pointer, right after the load of the base. */
static LLVMValueRef
set_address(struct program *p, const struct layout *l, LLVMBuilderRef b, LLVMValueRef base)
{
	LLVMTypeRef word = LLVMTypeOf(base);
	LLVMValueRef set, after = LLVMGetNextInstruction(base);

	while (LLVMIsAPHINode(after))
		after = LLVMGetNextInstruction(after);
	set = LLVMConstPtrToInt(l->place[0].value, word);
	LLVMPositionBuilderBefore(b, after);
	return (LLVMBuildIntToPtr(b, LLVMBuildAdd(b, base, set, ""), LLVMPointerType(LLVMInt8TypeInContext(p->ctx), 0),
	    "set"));
}

/*
 * Loads of the base, and the PHIs into which the optimiser has merged them:
 * a PHI that is not one after all costs nothing but a look at its users.
 */
static void
bases_collect(struct program *p, struct ptrset *bases)
{
	LLVMUseRef u;

	for (u = LLVMGetFirstUse(p->base); u; u = LLVMGetNextUse(u))
		if (LLVMIsALoadInst(LLVMGetUser(u)))
			ptrset_add(bases, LLVMGetUser(u), NULL);
	for (size_t i = 0; i < bases->n; i++) {
		u = LLVMGetFirstUse((LLVMValueRef)(uintptr_t)bases->key[i]);
		for (; u; u = LLVMGetNextUse(u))
			if (LLVMIsAPHINode(LLVMGetUser(u)))
				ptrset_add(bases, LLVMGetUser(u), NULL);
	}
}

static void
base_rewrite(struct program *p, const struct layout *l, LLVMBuilderRef b, LLVMValueRef base)
{
	LLVMTypeRef word = LLVMTypeOf(base);
	LLVMTypeRef byte = LLVMInt8TypeInContext(p->ctx);
	LLVMValueRef set = NULL;
	LLVMUseRef u, next;

	for (u = LLVMGetFirstUse(base); u != NULL; u = next) {
		LLVMValueRef sum = LLVMGetUser(u), at, off;
		uint64_t n;

		next = LLVMGetNextUse(u);
		if (!is_sum(p, l, sum, base, &n))
			continue;
		if (set == NULL)
			set = set_address(p, l, b, base);
		LLVMPositionBuilderBefore(b, sum);
		off = LLVMConstInt(word, n, 0);
		at = LLVMBuildGEP2(b, byte, set, &off, 1, "");
		LLVMReplaceAllUsesWith(sum, LLVMBuildPointerCast(b, at, LLVMTypeOf(sum), ""));
		LLVMInstructionEraseFromParent(sum);
	}
}

/*
 * Rewrites all sums of the module.  l gets the layout that the code relies
 * on afterwards, or stays empty.
 */
void
anchor(struct program *p, struct layout *l)
{
	LLVMBuilderRef b;
	struct ptrset bases = { 0 };

	if (p->base == NULL || !layout_make(p, l)) {
		layout_free(l);
		return;
	}
	bases_collect(p, &bases);
	b = LLVMCreateBuilderInContext(p->ctx);
	for (size_t i = 0; i < bases.n; i++)
		base_rewrite(p, l, b, (LLVMValueRef)(uintptr_t)bases.key[i]);
	LLVMDisposeBuilder(b);
	ptrset_free(&bases);
}
