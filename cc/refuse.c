/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What would be compiled wrongly is refused, with its name and its place.
 *
 * A program that is refused costs its author a minute; one that shares a
 * variable unnoticed costs days.  So everything that the transformation
 * cannot do right is looked for here, before it starts: afterwards nothing
 * fails but by a fault of vnetcc's own.
 */

#include <stdlib.h>
#include <string.h>

#include "vnetcc.h"

static bool
globals_refuse(struct program *p)
{
	LLVMValueRef g;
	bool ok = true;

	for (size_t i = 0; i < p->index.n; i++) {
		const struct var *v = &p->var[i];

		if (v->defined && LLVMIsThreadLocal(v->value) && !p->opt->program) {
			complain("%s: %s is thread-local: a module cannot "
				 "have thread-locals of its own yet",
			    v->place, v->name);
			ok = false;
		}
	}
	for (g = p->opt->program ? NULL : LLVMGetFirstGlobalIFunc(p->mod); g; g = LLVMGetNextGlobalIFunc(g)) {
		complain("%s is an ifunc, which a module cannot have yet", value_name(g));
		ok = false;
	}
	return (ok);
}

/* Constructors would run when the module is loaded, in no instance, where no VNET_SYSINIT can be made of them. */
static bool
constructors_refuse(struct program *p)
{
	static const char *const lists[] = { "llvm.global_ctors", "llvm.global_dtors" };

	for (size_t i = 0; i < 2; i++) {
		LLVMValueRef g = LLVMGetNamedGlobal(p->mod, lists[i]), init, f;

		init = g != NULL ? LLVMGetInitializer(g) : NULL;
		if (init == NULL || LLVMGetNumOperands(init) == 0)
			continue;
		/* An array of { priority, function, data }. */
		f = LLVMGetOperand(LLVMGetOperand(init, 0), 1);
		while (LLVMIsAConstantExpr(f))
			f = LLVMGetOperand(f, 0);
		complain("%s() is a %s: it would run outside any instance; "
			 "call it where the instance is known",
		    value_name(f), i == 0 ? "constructor" : "destructor");
		return (false);
	}
	return (true);
}

/* The operations for which there is a relocation to rebase. */
static bool
relocatable(const struct program *p, LLVMValueRef c)
{
	switch (LLVMGetConstOpcode(c)) {
	case LLVMGetElementPtr:
	case LLVMBitCast:
	case LLVMIntToPtr:
	case LLVMAdd:
	case LLVMSub:
		return (true);
	case LLVMPtrToInt:
		return (LLVMSizeOfTypeInBits(p->td, LLVMTypeOf(c)) == 8 * LLVMPointerSize(p->td));
	default:
		return (false);
	}
}

struct holder {
	struct var *v;
	const char *held; /* last virtual variable seen */
	bool odd;	  /* computed in no relocatable way */
};

static bool
hold_one(struct program *p, LLVMValueRef g, void *arg)
{
	struct holder *h = arg;

	if (is_virtual(p, g)) {
		h->v->rebases++;
		h->held = value_name(g);
	}
	return (true);
}

/* Counts the addresses in c and looks for those no relocation expresses. */
static void
hold_walk(struct program *p, LLVMValueRef c, struct holder *h)
{
	unsigned before = h->v->rebases;
	int n = LLVMGetNumOperands(c);

	if (LLVMIsAGlobalValue(c) || LLVMIsABlockAddress(c)) {
		initialiser_walk(p, c, hold_one, h);
		return;
	}
	for (int i = 0; i < n; i++) {
		unsigned first = h->v->rebases;

		hold_walk(p, LLVMGetOperand(c, (unsigned)i), h);
		if (i == 1 && h->v->rebases > first && LLVMIsAConstantExpr(c))
			h->odd = true; /* a difference or a sum of two */
	}
	if (h->v->rebases > before && LLVMIsAConstantExpr(c) && !relocatable(p, c))
		h->odd = true;
}

bool
refuse_initialiser(struct program *p, struct var *v)
{
	struct holder h = { .v = v };
	const char *s = LLVMGetSection(v->value);
	LLVMValueRef init = LLVMGetInitializer(v->value);
	bool in_set;

	if (init == NULL)
		return (true);
	hold_walk(p, init, &h);
	if (v->rebases == 0)
		return (true);
	in_set = var_moves(v) || (s != NULL && strcmp(s, p->opt->set->section) == 0);
	if (!in_set) {
		complain("%s: %s is shared (%s%s%s) but its initialiser holds "
			 "the address of %s, which is virtual; use -fno-virtual=%s",
		    v->place, v->name, v->why != NULL ? v->why : "", v->why_name != NULL ? " " : "",
		    v->why_name != NULL ? v->why_name : "", h.held, h.held);
		return (false);
	}
	if (h.odd) {
		complain("%s: the initialiser of %s computes with the address "
			 "of %s, which is virtual, as no relocation can",
		    v->place, v->name, h.held);
		return (false);
	}
	return (true);
}

/*
 * The symbols of an object compiled plainly.  It can neither define a
 * virtual variable a second time nor use one, unless it adds the base.
 */
static bool
plain_refuse(struct program *p, const struct object *o)
{
	bool ok = true;

	for (size_t i = 0; i < o->nsym; i++) {
		const struct object_symbol *s = &o->sym[i];
		LLVMValueRef g = LLVMGetNamedGlobal(p->mod, s->name);
		struct var *v = g != NULL ? var_of(p, g) : NULL;

		if (v == NULL)
			continue;
		if (v->fate == FATE_SHARED && !v->defined && s->defined) {
			v->why = "defined in a plain object,";
			free(v->why_name);
			v->why_name = xstrdup(o->path);
		}
		if (v->fate == FATE_THREAD) {
			complain("%s, a plain object, uses %s (%s), of which each instance has its own in each thread: "
				 "compile it with vnetcc, or use -fno-virtual=%s", o->path, v->name, v->place, v->name);
			ok = false;
		}
		if (v->fate != FATE_VIRTUAL || !v->defined)
			continue;
		if (s->defined) {
			complain("%s is virtual in %s and defined again in "
				 "%s, a plain object",
			    v->name, v->place, o->path);
			ok = false;
		} else if (!strlist_has(&p->opt->by_hand, v->name)) {
			complain("%s, a plain object, uses %s, which is "
				 "virtual (%s): compile it with vnetcc, or use "
				 "-fno-virtual=%s, or, if it adds the base itself, "
				 "-fvirtual-by-hand=%s",
			    o->path, v->name, v->place, v->name, v->name);
			ok = false;
		}
	}
	return (ok);
}

bool
refuse(struct program *p)
{
	bool ok = globals_refuse(p) && (p->opt->program || p->opt->set->sysinit || constructors_refuse(p));

	for (size_t i = 0; i < p->index.n; i++)
		if (p->var[i].defined && !refuse_initialiser(p, &p->var[i]))
			ok = false;
	for (size_t i = 0; i < p->nobj; i++)
		if (p->obj[i].bitcode == NULL && !plain_refuse(p, &p->obj[i]))
			ok = false;
	return (ok && inlineasm_check(p));
}
