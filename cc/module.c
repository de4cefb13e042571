/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnetcc --module: the steps of a link, in their order.
 *
 *	load		every object; those without bitcode are kept for ld
 *	link		all units into one LLVM module
 *	decide		which variables are virtual
 *	refuse		what cannot be done right
 *	internalise	what -fexport does not name
 *	optimise	now, if nothing can change the base
 *	transform	the variables and their uses
 *	emit		optimise otherwise, generate, join
 *
 * Nothing is written before all of it has succeeded.
 */

#include <stdlib.h>
#include <string.h>

#include <llvm-c/Target.h>

#include "vnetcc.h"

static LLVMCodeGenOptLevel
code_level(const char *level)
{
	switch (level[1]) {
	case '0':
		return (LLVMCodeGenLevelNone);
	case '1':
		return (LLVMCodeGenLevelLess);
	case '3':
		return (LLVMCodeGenLevelAggressive);
	default:
		return (LLVMCodeGenLevelDefault);
	}
}

static bool
target_open(struct program *p)
{
	const char *triple = LLVMGetTarget(p->mod), *cpu = p->opt->cpu;
	LLVMTargetRef target;
	char *text = NULL;

	/* All that this LLVM was built with: the units say which, as clang's --target= did. */
	LLVMInitializeAllTargetInfos();
	LLVMInitializeAllTargets();
	LLVMInitializeAllTargetMCs();
	LLVMInitializeAllAsmPrinters();
	LLVMInitializeAllAsmParsers();
	if (LLVMGetTargetFromTriple(triple, &target, &text)) {
		complain("%s: no code can be generated for it: %s", triple, text);
		LLVMDisposeMessage(text);
		return (false);
	}
	if (cpu == NULL)
		cpu = strncmp(triple, "x86_64", 6) == 0 ? "x86-64" : "generic";
	p->tm = LLVMCreateTargetMachine(target, triple, cpu, "", code_level(p->opt->level), LLVMRelocPIC,
	    LLVMCodeModelSmall);
	p->td = LLVMCreateTargetDataLayout(p->tm);
	return (true);
}

void
program_free(struct program *p)
{
	for (size_t i = 0; i < p->index.n; i++) {
		free(p->var[i].name);
		free(p->var[i].unit);
		free(p->var[i].place);
		free(p->var[i].why_name);
	}
	free(p->var);
	layout_free(&p->layout);
	ptrset_free(&p->index);
	if (p->td != NULL)
		LLVMDisposeTargetData(p->td);
	if (p->tm != NULL)
		LLVMDisposeTargetMachine(p->tm);
	if (p->mod != NULL)
		LLVMDisposeModule(p->mod);
	for (size_t i = 0; i < p->nobj; i++)
		object_free(&p->obj[i]);
	free(p->obj);
	free(p->diag);
	if (p->ctx != NULL)
		LLVMContextDispose(p->ctx);
}

/* All steps but the last. */
bool
program_units(struct program *p)
{
	return (units_load(p) && units_link(p) && target_open(p) && segment_possible(p) && decide(p) && refuse(p) && symbols_internalise(p) &&
	    steady_optimise(p) && transform(p));
}

int
module_link(const struct strlist *args)
{
	struct options opt;
	struct program p = { .opt = &opt };
	int status = 1;

	if (!options_parse(&opt, args))
		goto out;
	if (!program_units(&p) || !emit(&p))
		goto out;
	report(&p);
	status = 0;
out:
	program_free(&p);
	options_free(&opt);
	return (status);
}
