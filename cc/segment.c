/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * -fvirtual-base=gs: x86-64 adds the base itself.
 *
 * %gs has a base register, and the runtime keeps in it what the set's
 * thread-local holds.  An access to a virtual variable is then one
 * instruction, as in a plain program, with a prefix:
 *
 *	movl	%gs:x(%rip), %eax
 *
 * LLVM calls this address space 256.  Loads and stores of a variable, or of
 * an element of it, are moved there, before the other uses get their sums.
 * Both ways reach the same memory, and LLVM knows it: inttoptr of the
 * variable's address may be anything.
 *
 * An address that is taken is an ordinary pointer.  Where the base is steady
 * it is read from the set itself: for each such address there is a word in
 * the set, initialised with it and so moved with every copy.  That is one
 * instruction, as taking an address is in a plain program.  Otherwise it is
 * a sum with the base from the thread-local.
 *
 * Each access is moved on its own, where it stands.  An element's address
 * that was computed before is moved with its accesses only if the base is
 * steady: otherwise it belongs to the instance in which it was computed.
 */

#include <stdlib.h>
#include <string.h>

#include "vnetcc.h"

#define GS   256 /* LLVM's address space */
#define WORD "vnetcc.address."

bool
segment_possible(const struct program *p)
{
	if (!p->opt->gs || p->opt->mode == VIRT_NONE)
		return (true);
	if (strncmp(LLVMGetTarget(p->mod), "x86_64", 6) != 0) {
		complain("-fvirtual-base=gs: only x86-64 has it; the units are for %s", LLVMGetTarget(p->mod));
		return (false);
	}
	if (p->opt->shared) {
		complain("-fvirtual-base=gs: a thread has one %%gs, and it is the program's: a shared library takes "
			 "-fvirtual-base=tls");
		return (false);
	}
	if (strcmp(p->opt->set->name, "vinst") != 0 || p->opt->asan) {
		complain("-fvirtual-base=gs: is for programs only: nothing sets %%gs for %s",
		    p->opt->asan ? "AddressSanitizer's accesses" : "modules");
		return (false);
	}
	return (true);
}

/* Is it the address of a virtual variable or of a fixed place in one? */
static bool
is_place(const struct program *p, LLVMValueRef c)
{
	if (!LLVMIsAConstant(c))
		return (false);
	while (LLVMIsAConstantExpr(c) && !is_virtual(p, c)) {
		LLVMOpcode code = LLVMGetConstOpcode(c);

		if (code != LLVMGetElementPtr && code != LLVMBitCast)
			return (false);
		for (int i = 1; i < LLVMGetNumOperands(c); i++)
			if (!LLVMIsAConstantInt(LLVMGetOperand(c, (unsigned)i)))
				return (false);
		c = LLVMGetOperand(c, 0);
	}
	return (is_virtual(p, c));
}

static LLVMValueRef
in_segment(struct program *p, LLVMValueRef c)
{
	LLVMTypeRef word = LLVMIntPtrTypeInContext(p->ctx, p->td);

	return (LLVMConstIntToPtr(LLVMConstPtrToInt(c, word), LLVMPointerType(LLVMGetElementType(LLVMTypeOf(c)), GS)));
}

/* Has transform.c nothing to add to it? */
bool
segment_has(LLVMValueRef v)
{
	LLVMTypeRef t = LLVMTypeOf(v);

	return (LLVMGetTypeKind(t) == LLVMPointerTypeKind && LLVMGetPointerAddressSpace(t) == GS);
}

/* Is it a word of the set that holds an address? */
bool
segment_holds(LLVMValueRef global)
{
	return (strncmp(value_name(global), WORD, sizeof(WORD) - 1) == 0);
}

/* The word of the set that holds the address `offset` bytes into the set. */
static LLVMValueRef
address_word(struct program *p, uint64_t offset)
{
	LLVMTypeRef byte = LLVMInt8TypeInContext(p->ctx), pointer = LLVMPointerType(byte, 0);
	LLVMValueRef n = LLVMConstInt(LLVMIntPtrTypeInContext(p->ctx, p->td), offset, 0), first, word;
	char *name = xasprintf(WORD "%llu", (unsigned long long)offset);

	word = LLVMGetNamedGlobal(p->mod, name);
	if (word == NULL) {
		/* Behind all that the layout knows. */
		word = LLVMAddGlobal(p->mod, pointer, name);
		first = LLVMConstPointerCast(p->layout.place[0].value, pointer);
		LLVMSetInitializer(word, LLVMConstGEP2(byte, first, &n, 1));
		LLVMSetLinkage(word, LLVMInternalLinkage);
		LLVMSetExternallyInitialized(word, 1);
		LLVMSetAlignment(word, LLVMABIAlignmentOfType(p->td, pointer));
		LLVMSetSection(word, p->opt->set->section);
	}
	free(name);
	return (word);
}

/* The address c, of the set or within, where it is one load; NULL where it is not. */
LLVMValueRef
segment_address(struct program *p, LLVMBuilderRef b, LLVMValueRef c)
{
	LLVMTypeRef pointer = LLVMPointerType(LLVMInt8TypeInContext(p->ctx), 0), type = LLVMTypeOf(c);
	LLVMValueRef load;
	uint64_t offset = 0;
	struct var *v;

	if (!p->opt->gs || !p->steady || LLVMGetTypeKind(type) != LLVMPointerTypeKind ||
	    !layout_offset(p, &p->layout, c, &offset))
		return (NULL);
	while (LLVMIsAConstantExpr(c) && !is_virtual(p, c))
		c = LLVMGetOperand(c, 0);
	v = var_of(p, c);
	if (v != NULL)
		v->uses++;
	p->uses++;
	load = LLVMBuildLoad2(b, pointer, in_segment(p, address_word(p, offset)), "");
	LLVMSetAlignment(load, LLVMABIAlignmentOfType(p->td, pointer));
	LLVMSetMetadata(load, LLVMGetMDKindIDInContext(p->ctx, "invariant.load", 14),
	    LLVMMetadataAsValue(p->ctx, LLVMMDNodeInContext2(p->ctx, NULL, 0)));
	return (LLVMBuildPointerCast(b, load, type, ""));
}

/* The number of the operand by which a load or store finds its memory; -1: it is neither. */
static int
pointer_operand(LLVMValueRef inst)
{
	return (LLVMIsALoadInst(inst) ? 0 : LLVMIsAStoreInst(inst) ? 1 : -1);
}

/* Is the address in nothing but loads and stores? */
static bool
only_accessed(LLVMValueRef address)
{
	LLVMUseRef u;

	for (u = LLVMGetFirstUse(address); u != NULL; u = LLVMGetNextUse(u)) {
		LLVMValueRef user = LLVMGetUser(u);
		int n = pointer_operand(user);

		if (n < 0 || LLVMGetOperand(user, (unsigned)n) != address ||
		    (n == 1 && LLVMGetOperand(user, 0) == address))
			return (false);
	}
	return (true);
}

static void
element_move(struct program *p, LLVMBuilderRef b, LLVMValueRef gep)
{
	enum { MAX_INDICES = 16 };
	LLVMValueRef index[MAX_INDICES], made;
	int n = LLVMGetNumOperands(gep) - 1;
	LLVMUseRef u;

	if (n > MAX_INDICES || !is_place(p, LLVMGetOperand(gep, 0)) || !only_accessed(gep) ||
	    LLVMGetTypeKind(LLVMTypeOf(gep)) != LLVMPointerTypeKind)
		return;
	for (int i = 0; i < n; i++)
		index[i] = LLVMGetOperand(gep, (unsigned)i + 1);
	LLVMPositionBuilderBefore(b, gep);
	made = LLVMBuildGEP2(b, LLVMGetGEPSourceElementType(gep), in_segment(p, LLVMGetOperand(gep, 0)), index,
	    (unsigned)n, "");
	while ((u = LLVMGetFirstUse(gep)) != NULL) {
		LLVMValueRef user = LLVMGetUser(u);

		LLVMSetOperand(user, (unsigned)pointer_operand(user), made);
	}
	LLVMInstructionEraseFromParent(gep);
}

static void
instruction_move(struct program *p, LLVMBuilderRef b, LLVMValueRef inst)
{
	int n = pointer_operand(inst);
	struct var *v;

	if (n >= 0 && is_place(p, LLVMGetOperand(inst, (unsigned)n))) {
		v = var_of(p, LLVMGetOperand(inst, (unsigned)n));
		if (v != NULL)
			v->uses++;
		p->uses++;
		LLVMSetOperand(inst, (unsigned)n, in_segment(p, LLVMGetOperand(inst, (unsigned)n)));
	} else if (p->steady && LLVMIsAGetElementPtrInst(inst))
		element_move(p, b, inst);
}

void
segment_accesses(struct program *p)
{
	LLVMBuilderRef b = LLVMCreateBuilderInContext(p->ctx);
	LLVMValueRef f, inst, next;
	LLVMBasicBlockRef bb;

	for (f = LLVMGetFirstFunction(p->mod); f; f = LLVMGetNextFunction(f))
		for (bb = LLVMGetFirstBasicBlock(f); bb; bb = LLVMGetNextBasicBlock(bb))
			for (inst = LLVMGetFirstInstruction(bb); inst; inst = next) {
				next = LLVMGetNextInstruction(inst);
				instruction_move(p, b, inst);
			}
	LLVMDisposeBuilder(b);
}
