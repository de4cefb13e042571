/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A constant that holds the address of a virtual variable becomes
 * instructions.
 *
 * The address itself becomes
 *
 *	%base = load i64, i64* @curvnet_base
 *	%x = getelementptr i8, i8* @x, i64 %base
 *
 * and not inttoptr(ptrtoint(@x) + %base): seen as derived from @x, it is
 * known to be apart from every other variable, which is true in each
 * instance.  The sum leaves the object @x, so the getelementptr is not
 * "inbounds", and neither are those that are rebuilt on top of it.  @x is
 * marked externally_initialized (transform.c), so that the optimiser knows
 * nothing of its contents and cannot take an access for one to the template.
 *
 * Where the base is steady the optimiser has done its work already, and the
 * address is that of the whole set, which carry.c provides, plus a constant.
 *
 * With -fvirtual-base=gs it is a load (segment.c).
 *
 * What is around the address (casts, indices, comparisons, aggregates) is
 * rebuilt operation by operation; operands without a virtual address stay
 * the constants they were.
 */

#include "vnetcc.h"

static LLVMValueRef
base_load(struct expander *e, LLVMValueRef from)
{
	struct program *p = e->p;
	LLVMTypeRef word = LLVMIntPtrTypeInContext(p->ctx, p->td);
	LLVMValueRef base;

	base = LLVMBuildLoad2(e->b, word, LLVMBuildPointerCast(e->b, from, LLVMPointerType(word, 0), ""), "base");
	LLVMSetAlignment(base, LLVMABIAlignmentOfType(p->td, word));
	aliasing_base_load(p, base);
	return (base);
}

static LLVMValueRef
address(struct expander *e, LLVMValueRef global)
{
	struct program *p = e->p;
	LLVMTypeRef byte = LLVMInt8TypeInContext(p->ctx);
	LLVMTypeRef ptr = LLVMPointerType(byte, 0);
	LLVMTypeRef word = LLVMIntPtrTypeInContext(p->ctx, p->td);
	struct var *v = var_of(p, global);
	LLVMValueRef base, at;
	uint64_t offset = 0;

	if (p->steady && layout_offset(p, &p->layout, global, &offset)) {
		base = LLVMConstInt(word, offset, 0);
		at = carry_placeholder(p, e->b);
	} else {
		base = base_load(e, v != NULL && v->fate == FATE_THREAD ? p->thread_base : p->base);
		at = LLVMBuildPointerCast(e->b, global, ptr, "");
	}
	at = LLVMBuildGEP2(e->b, byte, at, &base, 1, "");
	p->uses++;
	if (v != NULL)
		v->uses++;
	return (LLVMBuildPointerCast(e->b, at, LLVMTypeOf(global), ""));
}

/* An array, a struct or a vector, element by element. */
static LLVMValueRef
aggregate(struct expander *e, LLVMValueRef c)
{
	LLVMTypeRef t = LLVMTypeOf(c);
	bool vector = LLVMGetTypeKind(t) == LLVMVectorTypeKind;
	LLVMValueRef out = LLVMGetUndef(t);
	int n = LLVMGetNumOperands(c);

	for (int i = 0; i < n; i++) {
		LLVMValueRef v = expand(e, LLVMGetOperand(c, (unsigned)i));

		if (v == NULL)
			return (NULL);
		if (vector)
			out = LLVMBuildInsertElement(e->b, out, v,
			    LLVMConstInt(LLVMInt32TypeInContext(e->p->ctx), (unsigned)i, 0), "");
		else
			out = LLVMBuildInsertValue(e->b, out, v, (unsigned)i, "");
	}
	return (out);
}

static LLVMValueRef
expression(struct expander *e, LLVMValueRef c)
{
	enum { MAX_OPERANDS = 64 };
	LLVMValueRef op[MAX_OPERANDS];
	LLVMOpcode code = LLVMGetConstOpcode(c);
	int n = LLVMGetNumOperands(c);

	if (n < 1 || n > MAX_OPERANDS)
		return (NULL);
	for (int i = 0; i < n; i++)
		if ((op[i] = expand(e, LLVMGetOperand(c, (unsigned)i))) == NULL)
			return (NULL);
	switch (code) {
	case LLVMGetElementPtr:
		return (LLVMBuildGEP2(e->b, LLVMGetGEPSourceElementType(c), op[0], op + 1, (unsigned)n - 1, ""));
	case LLVMICmp:
		return (LLVMBuildICmp(e->b, LLVMGetICmpPredicate(c), op[0], op[1], ""));
	case LLVMSelect:
		return (LLVMBuildSelect(e->b, op[0], op[1], op[2], ""));
	case LLVMExtractElement:
		return (LLVMBuildExtractElement(e->b, op[0], op[1], ""));
	case LLVMInsertElement:
		return (LLVMBuildInsertElement(e->b, op[0], op[1], op[2], ""));
	default:
		break;
	}
	if (n == 1 && code >= LLVMTrunc && code <= LLVMAddrSpaceCast)
		return (LLVMBuildCast(e->b, code, op[0], LLVMTypeOf(c), ""));
	if (n == 2 && ((code >= LLVMAdd && code <= LLVMFRem) || (code >= LLVMShl && code <= LLVMXor)))
		return (LLVMBuildBinOp(e->b, code, op[0], op[1], ""));
	return (NULL);
}

/*
 * The value of c in the current instance, computed where the builder stands;
 * NULL if c is of a kind that is not known here.
 */
LLVMValueRef
expand(struct expander *e, LLVMValueRef c)
{
	bool is = is_moved(e->p, c), holds = ptrset_find(&e->touched, c, NULL);
	LLVMValueRef at = is || holds ? segment_address(e->p, e->b, c) : NULL;

	if (at != NULL)
		return (at);
	if (is)
		return (address(e, c));
	if (!holds)
		return (c);
	if (LLVMIsAConstantExpr(c))
		return (expression(e, c));
	if (LLVMIsAConstantStruct(c) || LLVMIsAConstantArray(c) || LLVMIsAConstantVector(c))
		return (aggregate(e, c));
	return (NULL);
}
