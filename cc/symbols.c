/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Symbols: what is seen from outside the module, and how the inside is
 * addressed.
 *
 * Without -fexport every definition stays as global as the source made it.
 * With it, all others become local, which lets the optimiser inline them
 * away; but what a plain object of the same module or assembly text uses
 * stays, whether named or not.
 *
 * Inside the module no definition can be replaced by another, so code need
 * not go through the GOT.  LLVM calls this dso_local; its C interface can
 * only say it by way of hidden visibility, which would also keep the symbols
 * from other modules.  So definitions are hidden while code is generated, and
 * emit.c gives them their visibility back in the object.
 */

#include <string.h>

#include "vnetcc.h"

typedef LLVMValueRef (*first_fn)(LLVMModuleRef);
typedef LLVMValueRef (*next_fn)(LLVMValueRef);

static const struct {
	first_fn first;
	next_fn next;
} kinds[] = {
	{ LLVMGetFirstFunction, LLVMGetNextFunction },
	{ LLVMGetFirstGlobal, LLVMGetNextGlobal },
	{ LLVMGetFirstGlobalAlias, LLVMGetNextGlobalAlias },
};

static void
each_definition(struct program *p, void (*fn)(struct program *, LLVMValueRef, void *), void *arg)
{
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (LLVMValueRef v = kinds[k].first(p->mod); v; v = kinds[k].next(v)) {
			LLVMLinkage l = LLVMGetLinkage(v);

			if ((!LLVMIsAGlobalAlias(v) && LLVMIsDeclaration(v)) || l == LLVMInternalLinkage ||
			    l == LLVMPrivateLinkage || l == LLVMAppendingLinkage ||
			    l == LLVMAvailableExternallyLinkage || strncmp(value_name(v), "llvm.", 5) == 0)
				continue;
			fn(p, v, arg);
		}
}

/* Does a plain object of this module refer to name? */
static bool
plain_uses(const struct program *p, const char *name)
{
	for (size_t i = 0; i < p->nobj; i++)
		for (size_t s = 0; s < p->obj[i].nsym; s++)
			if (p->obj[i].bitcode == NULL && strcmp(p->obj[i].sym[s].name, name) == 0)
				return (true);
	return (false);
}

static void
internalise_one(struct program *p, LLVMValueRef v, void *arg)
{
	const char *name = value_name(v);
	size_t len;
	const char *text = LLVMGetModuleInlineAsm(p->mod, &len);

	(void)arg;
	if (strlist_has(&p->opt->exports, name) || plain_uses(p, name) || (len > 0 && strstr(text, name) != NULL))
		return;
	LLVMSetLinkage(v, LLVMInternalLinkage);
}

static bool
defined_somewhere(const struct program *p, const char *name)
{
	LLVMValueRef v;

	v = LLVMGetNamedFunction(p->mod, name);
	if (v == NULL)
		v = LLVMGetNamedGlobal(p->mod, name);
	if (v != NULL && !LLVMIsDeclaration(v))
		return (true);
	if (LLVMGetNamedGlobalAlias(p->mod, name, strlen(name)) != NULL)
		return (true);
	for (size_t i = 0; i < p->nobj; i++)
		for (size_t s = 0; s < p->obj[i].nsym; s++)
			if (p->obj[i].sym[s].defined && strcmp(p->obj[i].sym[s].name, name) == 0)
				return (true);
	return (false);
}

bool
symbols_internalise(struct program *p)
{
	const struct strlist *names = &p->opt->exports;

	if (!p->opt->exporting)
		return (true);
	for (size_t i = 0; i < names->n; i++)
		/* For a program the names are what its plain link shows, libraries' and all. */
		if (!p->opt->program && !defined_somewhere(p, names->v[i])) {
			complain("-fexport: no unit defines %s", names->v[i]);
			return (false);
		}
	each_definition(p, internalise_one, NULL);
	return (true);
}

static void
hide_one(struct program *p, LLVMValueRef v, void *arg)
{
	(void)p;
	if (LLVMGetVisibility(v) == LLVMHiddenVisibility)
		strlist_add(arg, value_name(v));
	else
		LLVMSetVisibility(v, LLVMHiddenVisibility);
}

/* Hides all definitions; hidden gets the names of those that were before. */
void
symbols_hide(struct program *p, struct strlist *hidden)
{
	each_definition(p, hide_one, hidden);
}
