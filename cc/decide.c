/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which variables are virtual.
 *
 * At first every variable that some unit defines and that is not constant.
 * Then:
 *
 *  - What the source has put into a section of its own was put there for
 *    someone who goes through that section (SYSINIT's sets, for instance) and
 *    knows nothing of instances.  It stays shared, and so does everything
 *    whose address it holds, directly or not.
 *  - A variable in the set itself was virtualised by hand: its uses add the
 *    base already.  It moves with the instances, so it may hold addresses.
 *  - A thread-local of a program has an instance for each thread in each
 *    instance of the program.  In a module it is refused (refuse.c).
 *  - A constant that holds the address of a virtual variable differs from
 *    instance to instance: it becomes virtual, and with it the constants
 *    that hold its own address, until there are no more (a fixed point).
 *
 * What is not defined in any unit is shared: stdout, environ, errno and the
 * host's variables, and those of another module unless -fvirtual-extern
 * names them.
 *
 * Invariant afterwards: whatever holds the address of a virtual variable in
 * its initialiser is in the set, where instances are rebased.  refuse.c
 * checks it, because -fno-virtual can break it.
 */

#include <stdlib.h>
#include <string.h>

#include "vnetcc.h"

/* The symbol's name: \1 marks one that an asm label gave. */
const char *
value_name(LLVMValueRef v)
{
	size_t len;
	const char *name = LLVMGetValueName2(v, &len);

	return (name[0] == '\1' ? name + 1 : name);
}

/* Calls, and what else jumps to a function: asm goto is a callbr. */
bool
is_call(LLVMValueRef inst)
{
	return (LLVMIsACallInst(inst) || LLVMIsAInvokeInst(inst) || LLVMIsACallBrInst(inst));
}

struct var *
var_of(const struct program *p, LLVMValueRef v)
{
	size_t i;

	return (ptrset_find(&p->index, v, &i) ? &p->var[i] : NULL);
}

/* What an alias is a second name for; what is no alias stands for itself. */
static LLVMValueRef
aliased(LLVMValueRef v)
{
	while (LLVMIsAGlobalAlias(v)) {
		v = LLVMAliasGetAliasee(v);
		while (LLVMIsAConstantExpr(v))
			v = LLVMGetOperand(v, 0);
	}
	return (v);
}

bool
is_virtual(const struct program *p, LLVMValueRef v)
{
	const struct var *var = var_of(p, aliased(v));

	return (var != NULL && var->fate == FATE_VIRTUAL);
}

/* One a thread in each instance.  These have no aliases: see collect(). */
bool
is_thread(const struct program *p, LLVMValueRef v)
{
	const struct var *var = var_of(p, v);

	return (var != NULL && var->fate == FATE_THREAD);
}

/* Either: code computes its address. */
bool
var_moves(const struct var *v)
{
	return (v->fate == FATE_VIRTUAL || v->fate == FATE_THREAD);
}

bool
is_moved(const struct program *p, LLVMValueRef v)
{
	return (is_virtual(p, v) || is_thread(p, v));
}

/* Calls fn for every global whose address an initialiser holds. */
bool
initialiser_walk(struct program *p, LLVMValueRef c, init_fn fn, void *arg)
{
	int n;

	if (LLVMIsAGlobalValue(c))
		return (fn(p, c, arg));
	/* A block's address has the function as its operand. */
	if (LLVMIsABlockAddress(c))
		return (true);
	n = LLVMGetNumOperands(c);
	for (int i = 0; i < n; i++)
		if (!initialiser_walk(p, LLVMGetOperand(c, (unsigned)i), fn, arg))
			return (false);
	return (true);
}

static bool
starts(const char *s, const char *prefix)
{
	return (strncmp(s, prefix, strlen(prefix)) == 0);
}

/* Sections into which a compiler would have put the variable anyway. */
static bool
ordinary_section(const char *s)
{
	return (s == NULL || s[0] == '\0' || (starts(s, ".data") && !starts(s, ".data.rel.ro")) || starts(s, ".bss"));
}

static bool
own_section(const struct program *p, const struct var *v)
{
	const char *s = LLVMGetSection(v->value);

	return (v->defined && !ordinary_section(s) && strcmp(s, p->opt->set->section) != 0);
}

static void
share(struct var *v, const char *why, const char *name)
{
	v->fate = FATE_SHARED;
	v->why = why;
	free(v->why_name);
	v->why_name = name != NULL ? xstrdup(name) : NULL;
}

static bool
listed(const struct strlist *names, const struct var *v)
{
	return (strlist_has(names, v->name) || strlist_has(names, value_name(v->value)));
}

static void
first_fate(const struct program *p, struct var *v)
{
	const char *s = LLVMGetSection(v->value);
	LLVMTypeRef ptr = LLVMTypeOf(v->value);

	v->fate = FATE_VIRTUAL;
	if (!v->defined) {
		if (!listed(&p->opt->externs, v) || p->opt->mode == VIRT_NONE)
			share(v, "no unit defines it", NULL);
	} else if (LLVMGetPointerAddressSpace(ptr) != 0)
		share(v, "in another address space", NULL);
	else if (s != NULL && strcmp(s, p->opt->set->section) == 0)
		share(v, "virtual by hand, in section", s);
	else if (own_section(p, v))
		share(v, "the source puts it into section", s);
	else if (p->opt->mode == VIRT_NONE)
		share(v, "-fvirtual=none", NULL);
	else if (listed(&p->opt->novirt, v))
		share(v, "-fno-virtual", NULL);
	else if (p->opt->mode == VIRT_LIST && !v->constant && !listed(&p->opt->virt, v))
		share(v, "not in -fvirtual=", NULL);
	else if (LLVMIsThreadLocal(v->value) && p->opt->set->thread_base == NULL)
		share(v, "thread-local", NULL);
	else if (LLVMIsThreadLocal(v->value))
		v->fate = FATE_THREAD;
	else if (v->constant)
		v->fate = FATE_CONSTANT;
}

struct var *
var_slot(struct program *p, const void *key)
{
	size_t i = ptrset_add(&p->index, key, NULL);

	if ((i & (i - 1)) == 0)
		p->var = xrealloc(p->var, 2 * i + 1, sizeof(*p->var));
	return (&p->var[i]);
}

/* Takes a global variable of the module into the list, with its first fate. */
struct var *
var_add(struct program *p, LLVMValueRef gv)
{
	struct var *v = var_slot(p, gv);

	*v = (struct var) { .value = gv };
	v->unit = value_unit(p->ctx, gv, &v->name);
	v->place = value_place(p->ctx, gv);
	v->defined = !LLVMIsDeclaration(gv);
	v->constant = LLVMIsGlobalConstant(gv);
	if (v->defined) {
		v->size = LLVMABISizeOfType(p->td, LLVMGlobalGetValueType(gv));
		v->align = LLVMGetAlignment(gv);
		if (v->align == 0)
			v->align = LLVMPreferredAlignmentOfGlobal(p->td, gv);
	}
	first_fate(p, v);
	return (v);
}

static void
collect(struct program *p)
{
	LLVMValueRef gv, a;
	struct var *v;

	for (gv = LLVMGetFirstGlobal(p->mod); gv; gv = LLVMGetNextGlobal(gv))
		if (!starts(value_name(gv), "llvm.") && !set_owns(p->opt->set, value_name(gv)))
			var_add(p, gv);
	/* LLVM's C interface cannot tell an alias that it is thread-local no more. */
	for (a = LLVMGetFirstGlobalAlias(p->mod); a; a = LLVMGetNextGlobalAlias(a)) {
		v = var_of(p, aliased(a));
		if (v != NULL && v->fate == FATE_THREAD)
			share(v, "thread-local, with an alias,", value_name(a));
	}
}

struct pin {
	struct ptrset seen;
	const char *holder;
};

/* Everything that a variable in a section of its own leads to is shared. */
static bool
pin_one(struct program *p, LLVMValueRef g, void *arg)
{
	struct pin *pin = arg;
	struct var *v = var_of(p, g);
	LLVMValueRef init;
	bool new_member;

	ptrset_add(&pin->seen, g, &new_member);
	if (!new_member)
		return (true);
	if (LLVMIsAGlobalAlias(g))
		return (initialiser_walk(p, LLVMAliasGetAliasee(g), pin_one, pin));
	if (v == NULL || !v->defined)
		return (true);
	if (v->fate != FATE_SHARED)
		share(v, "its address is held, for all instances, by", pin->holder);
	init = LLVMGetInitializer(g);
	return (init == NULL || initialiser_walk(p, init, pin_one, pin));
}

static void
pin(struct program *p)
{
	for (size_t i = 0; i < p->index.n; i++) {
		struct var *v = &p->var[i];
		struct pin pin = { .holder = v->name };
		LLVMValueRef init;

		if (!own_section(p, v))
			continue;
		init = LLVMGetInitializer(v->value);
		if (init != NULL)
			initialiser_walk(p, init, pin_one, &pin);
		ptrset_free(&pin.seen);
	}
}

/* Follows the users of an address up to the variables that hold it. */
static void
promote_holders(struct program *p, LLVMValueRef address, struct ptrset *seen, const struct var *held)
{
	LLVMUseRef use;

	for (use = LLVMGetFirstUse(address); use; use = LLVMGetNextUse(use)) {
		LLVMValueRef user = LLVMGetUser(use);
		struct var *holder;
		bool new_member;

		if (LLVMIsAGlobalVariable(user)) {
			holder = var_of(p, user);
			if (holder == NULL || holder->fate != FATE_CONSTANT)
				continue;
			holder->fate = FATE_VIRTUAL;
			holder->why = "constant, but holds the address of";
			holder->why_name = xstrdup(held->name);
		} else if (LLVMIsAConstant(user) && !LLVMIsAFunction(user)) {
			ptrset_add(seen, user, &new_member);
			if (new_member)
				promote_holders(p, user, seen, held);
		}
	}
}

/*
 * Each round promotes what holds an address that the rounds before made
 * virtual; it ends when a round changes nothing.
 */
void
promote(struct program *p)
{
	struct ptrset seen = { 0 };
	struct ptrset done = { 0 };
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < p->index.n; i++) {
			struct var *v = &p->var[i];
			bool new_member;

			if (v->fate != FATE_VIRTUAL || v->value == NULL)
				continue;
			ptrset_add(&done, v->value, &new_member);
			if (!new_member)
				continue;
			promote_holders(p, v->value, &seen, v);
			again = true;
		}
	}
	ptrset_free(&seen);
	ptrset_free(&done);
}

/* A name in a list that fits nothing is most likely a slip. */
static bool
names_known(const struct program *p, const struct strlist *names, const char *option)
{
	for (size_t n = 0; n < names->n; n++) {
		bool found = false;

		for (size_t i = 0; i < p->index.n && !found; i++)
			found = strcmp(p->var[i].name, names->v[n]) == 0 ||
			    strcmp(value_name(p->var[i].value), names->v[n]) == 0;
		if (!found) {
			complain("%s: there is no variable %s", option, names->v[n]);
			return (false);
		}
	}
	return (true);
}

bool
decide(struct program *p)
{
	collect(p);
	if (!names_known(p, &p->opt->virt, "-fvirtual=") || !names_known(p, &p->opt->novirt, "-fno-virtual=") ||
	    !names_known(p, &p->opt->externs, "-fvirtual-extern="))
		return (false);
	pin(p);
	promote(p);
	return (true);
}
