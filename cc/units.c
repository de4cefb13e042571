/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Units: the bitcode of all objects becomes one LLVM module.
 *
 * Linking renames (a second static "count" becomes "count.7") and forgets
 * which unit a definition comes from, and decisions, reports and errors need
 * both.  So every variable is marked before the link with a metadata node of
 * two strings, its unit and its name; LLVM carries it along.
 *
 * LLVM reports through a handler of the context and leaves the rest to its
 * caller: the handler keeps the last error's text.
 */

#include <stdlib.h>
#include <string.h>

#include <llvm-c/BitReader.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/Linker.h>

#include "vnetcc.h"

#define MARK "vnetcc.unit"

static void
diagnostic(LLVMDiagnosticInfoRef info, void *arg)
{
	struct program *p = arg;
	char *text;

	if (LLVMGetDiagInfoSeverity(info) != LLVMDSError)
		return;
	text = LLVMGetDiagInfoDescription(info);
	free(p->diag);
	p->diag = xstrdup(text);
	LLVMDisposeMessage(text);
}

bool
units_load(struct program *p)
{
	const struct strlist *in = &p->opt->inputs;
	bool ok = true;

	p->ctx = LLVMContextCreate();
	LLVMContextSetDiagnosticHandler(p->ctx, diagnostic, p);
	p->obj = xrealloc(NULL, in->n, sizeof(*p->obj));
	for (p->nobj = 0; p->nobj < in->n; p->nobj++)
		if (!object_read(&p->obj[p->nobj], in->v[p->nobj]))
			ok = false;
	return (ok);
}

static void
mark(LLVMContextRef ctx, LLVMValueRef gv, const char *unit)
{
	const char *name = value_name(gv);
	LLVMMetadataRef pair[2];

	pair[0] = LLVMMDStringInContext2(ctx, unit, strlen(unit));
	pair[1] = LLVMMDStringInContext2(ctx, name, strlen(name));
	LLVMGlobalSetMetadata(gv, LLVMGetMDKindIDInContext(ctx, MARK, sizeof(MARK) - 1),
	    LLVMMDNodeInContext2(ctx, pair, 2));
}

/* The metadata of one kind of a global, or NULL. */
static LLVMMetadataRef
metadata(LLVMContextRef ctx, LLVMValueRef global, const char *kind)
{
	LLVMValueMetadataEntry *entry;
	LLVMMetadataRef found = NULL;
	unsigned id = LLVMGetMDKindIDInContext(ctx, kind, (unsigned)strlen(kind));
	size_t n;

	entry = LLVMGlobalCopyAllMetadata(global, &n);
	for (size_t i = 0; i < n && found == NULL; i++)
		if (LLVMValueMetadataEntriesGetKind(entry, (unsigned)i) == id)
			found = LLVMValueMetadataEntriesGetMetadata(entry, (unsigned)i);
	LLVMDisposeValueMetadataEntries(entry);
	return (found);
}

/* The unit that defines a global ("" if none) and its name in it. */
char *
value_unit(LLVMContextRef ctx, LLVMValueRef global, char **name)
{
	LLVMMetadataRef md = metadata(ctx, global, MARK);
	LLVMValueRef pair[2];
	const char *unit;
	unsigned len;

	if (md == NULL) {
		if (name != NULL)
			*name = xstrdup(value_name(global));
		return (xstrdup(""));
	}
	LLVMGetMDNodeOperands(LLVMMetadataAsValue(ctx, md), pair);
	if (name != NULL) {
		const char *s = LLVMGetMDString(pair[1], &len);

		*name = xasprintf("%.*s", (int)len, s);
	}
	unit = LLVMGetMDString(pair[0], &len);
	return (xasprintf("%.*s", (int)len, unit));
}

/* "file:line" where debug information has it, otherwise the unit. */
char *
value_place(LLVMContextRef ctx, LLVMValueRef global)
{
	LLVMMetadataRef md = metadata(ctx, global, "dbg"), var, file;
	const char *s;
	unsigned len;

	if (md == NULL || LLVMGetMetadataKind(md) != LLVMDIGlobalVariableExpressionMetadataKind)
		return (value_unit(ctx, global, NULL));
	var = LLVMDIGlobalVariableExpressionGetVariable(md);
	file = LLVMDIVariableGetFile(var);
	if (file == NULL)
		return (value_unit(ctx, global, NULL));
	s = LLVMDIFileGetFilename(file, &len);
	return (xasprintf("%.*s:%u", (int)len, s, LLVMDIVariableGetLine(var)));
}

/* "file:line" of an instruction, otherwise its function. */
char *
instruction_place(LLVMValueRef inst)
{
	unsigned len = 0;
	const char *s = LLVMGetDebugLocFilename(inst, &len);

	if (s != NULL && len > 0)
		return (xasprintf("%.*s:%u", (int)len, s, LLVMGetDebugLocLine(inst)));
	return (xasprintf("in %s()", value_name(LLVMGetBasicBlockParent(LLVMGetInstructionParent(inst)))));
}

static LLVMModuleRef
unit_parse(struct program *p, const struct object *o)
{
	LLVMMemoryBufferRef buf;
	LLVMModuleRef m = NULL;
	LLVMValueRef gv;

	buf = LLVMCreateMemoryBufferWithMemoryRangeCopy((const char *)o->bitcode, o->bitcode_size, o->path);
	if (LLVMParseBitcodeInContext2(p->ctx, buf, &m)) {
		complain("%s: bitcode that this LLVM (%u) cannot read: %s", o->path, LLVM_VERSION_MAJOR,
		    p->diag != NULL ? p->diag : "damaged");
		LLVMDisposeMemoryBuffer(buf);
		return (NULL);
	}
	LLVMDisposeMemoryBuffer(buf);
	for (gv = LLVMGetFirstGlobal(m); gv; gv = LLVMGetNextGlobal(gv))
		if (!LLVMIsDeclaration(gv))
			mark(p->ctx, gv, o->path);
	return (m);
}

/* Does the unit's bitcode define a symbol of the unit's object? */
static bool
unit_defines(LLVMModuleRef m, const char *name)
{
	size_t n = strlen(name);

	return (LLVMGetNamedFunction(m, name) != NULL || LLVMGetNamedGlobal(m, name) != NULL ||
	    LLVMGetNamedGlobalAlias(m, name, n) != NULL || LLVMGetNamedGlobalIFunc(m, name, n) != NULL);
}

/*
 * ld -r of a unit and a plain object looks like one unit.  What the object
 * defines and its bitcode does not would be lost without a word.
 */
static bool
unit_complete(const struct object *o, LLVMModuleRef m)
{
	size_t asm_len;

	(void)LLVMGetModuleInlineAsm(m, &asm_len);
	for (size_t i = 0; i < o->nsym && asm_len == 0; i++) {
		const char *name = o->sym[i].name;
		char *verbatim;
		bool there;

		/* DW.ref.*: the code generator's own, for unwinding. */
		if (!o->sym[i].defined || strncmp(name, "DW.ref.", 7) == 0)
			continue;
		/* \1 marks a name given by an asm label. */
		verbatim = xasprintf("\1%s", name);
		there = unit_defines(m, name) || unit_defines(m, verbatim);
		free(verbatim);
		if (there)
			continue;
		complain("%s: defines %s, which is not in its bitcode: "
			 "joined with a plain object by ld -r? give them to "
			 "vnetcc --module one by one",
		    o->path, name);
		return (false);
	}
	return (true);
}

static bool
unit_target(struct program *p, const struct object *o, LLVMModuleRef m)
{
	const char *triple = LLVMGetTarget(m);
	char *mine = LLVMGetDefaultTargetTriple();
	const char *want = p->mod != NULL ? LLVMGetTarget(p->mod) : mine;
	size_t arch = strcspn(want, "-");
	bool ok;

	/* All units are for one machine; a program's for this one, whose runtime it is linked with. */
	ok = p->mod != NULL ? strcmp(triple, want) == 0 :
	    !p->opt->program || (strncmp(triple, want, arch) == 0 && triple[arch] == '-');
	if (!ok)
		complain("%s: compiled for %s, not for %s", o->path, triple, want);
	LLVMDisposeMessage(mine);
	return (ok);
}

static bool
unit_link(struct program *p, const struct object *o)
{
	LLVMModuleRef m = unit_parse(p, o);

	if (m == NULL)
		return (false);
	if (!unit_target(p, o, m) || !unit_complete(o, m)) {
		LLVMDisposeModule(m);
		return (false);
	}
	unit_keep_used(p, m);
	if (p->mod == NULL) {
		p->mod = m;
		return (true);
	}
	/* The source module is gone afterwards, linked or not. */
	if (LLVMLinkModules2(p->mod, m)) {
		complain("%s: %s", o->path, p->diag != NULL ? p->diag : "cannot be linked");
		return (false);
	}
	return (true);
}

bool
units_link(struct program *p)
{
	for (size_t i = 0; i < p->nobj; i++)
		if (p->obj[i].bitcode != NULL && !unit_link(p, &p->obj[i]))
			return (false);
	if (p->mod == NULL) {
		complain("no object has bitcode: none was compiled by "
			 "vnetcc -c");
		return (false);
	}
	return (true);
}
