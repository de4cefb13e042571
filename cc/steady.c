/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When no code of a link can see the base change, the optimiser comes first.
 *
 * Added before the optimiser runs, the base changes what it does: functions
 * look larger and are not inlined, a static variable that nobody reads has a
 * use more.  These decisions cost several times what the additions do.  They
 * are only right where the base may change, for then a variable before a call
 * and after it are two.
 *
 * If nothing here writes the base and everything that is called keeps it
 * (aliasing.c), then a function sees one instance from its first instruction
 * to its last.  To the optimiser such a program is any program: instance and
 * program cannot be told apart from inside.  So it runs on the plain units,
 * decides what it would decide in a plain build, and the transformation
 * follows, with one address for the whole set a function, or fewer (carry.c).
 *
 * What comes back from the optimiser are not the same variables:
 *
 *  - Some are gone.
 *  - Some are split, or replaced by others of its own making.  These begin
 *    with the name of the one they come from and a period, and share its fate.
 *  - There are new constants (the table of a switch).  Those that hold the
 *    address of a virtual variable become virtual as the source's do.
 *
 * Constants known to become virtual are no constants to the optimiser: it
 * would make tables of distances out of them, which cannot be rebased.
 */

#include <stdlib.h>
#include <string.h>

#include "vnetcc.h"

struct remembered {
	char *name;
	struct var var;
	bool there; /* afterwards, too */
};

static int
by_name(const void *a, const void *b)
{
	return (strcmp(((const struct remembered *)a)->name, ((const struct remembered *)b)->name));
}

static struct remembered *
recall(struct remembered *all, size_t n, const char *name)
{
	struct remembered key = { .name = (char *)(uintptr_t)name };

	return (n == 0 ? NULL : bsearch(&key, all, n, sizeof(*all), by_name));
}

/* The variable of which the optimiser made one of this name: x of x.0, or of x.y.body. */
static struct remembered *
origin(struct remembered *all, size_t n, const char *name)
{
	char *prefix = xstrdup(name), *dot;
	struct remembered *r = NULL;

	while (r == NULL && (dot = strrchr(prefix, '.')) != NULL) {
		*dot = '\0';
		r = recall(all, n, prefix);
	}
	free(prefix);
	return (r);
}

static bool
possible(struct program *p)
{
	if (p->opt->mode == VIRT_NONE || strcmp(p->opt->level, "O0") == 0)
		return (false);
	/* Without a size a variable has no place of its own in the set. */
	for (size_t i = 0; i < p->index.n; i++)
		if (p->var[i].fate == FATE_VIRTUAL && p->var[i].defined && p->var[i].size == 0)
			return (false);
	p->base = LLVMGetNamedGlobal(p->mod, p->opt->set->base);
	return (aliasing_steady(p));
}

static void
promoted_unfold(struct program *p)
{
	for (size_t i = 0; i < p->index.n; i++)
		if (p->var[i].fate == FATE_VIRTUAL && p->var[i].constant && p->var[i].defined) {
			LLVMSetGlobalConstant(p->var[i].value, 0);
			LLVMSetExternallyInitialized(p->var[i].value, 1);
		}
}

static struct remembered *
remember(struct program *p)
{
	struct remembered *all = xrealloc(NULL, p->index.n, sizeof(*all));

	for (size_t i = 0; i < p->index.n; i++)
		all[i] = (struct remembered) { .name = xstrdup(LLVMGetValueName(p->var[i].value)), .var = p->var[i] };
	qsort(all, p->index.n, sizeof(*all), by_name);
	return (all);
}

/* Makes the list of variables anew: those that are still there, those that are new, those that are gone. */
static void
variables_renew(struct program *p, struct remembered *all, size_t n)
{
	LLVMValueRef gv;

	free(p->var);
	p->var = NULL;
	ptrset_free(&p->index);
	for (gv = LLVMGetFirstGlobal(p->mod); gv; gv = LLVMGetNextGlobal(gv)) {
		const char *name = LLVMGetValueName(gv);
		struct remembered *r = recall(all, n, name);
		struct var *v;

		if (r != NULL) {
			v = var_slot(p, gv);
			*v = r->var;
			v->value = gv;
			r->there = true;
			continue;
		}
		if (strncmp(name, "llvm.", 5) == 0 || set_owns(p->opt->set, value_name(gv)))
			continue;
		v = var_add(p, gv);
		if (!v->constant && v->fate != FATE_THREAD && (r = origin(all, n, name)) != NULL)
			v->fate = r->var.fate == FATE_SHARED ? FATE_SHARED : FATE_VIRTUAL;
	}
	for (size_t i = 0; i < n; i++)
		if (!all[i].there) {
			all[i].var.value = NULL;
			/* Any address that no value has. */
			*var_slot(p, all[i].var.name) = all[i].var;
		}
}

/* Constants of the optimiser's that became virtual. */
static bool
new_ones_refuse(struct program *p)
{
	bool ok = true;

	for (size_t i = 0; i < p->index.n; i++) {
		struct var *v = &p->var[i];

		if (v->value != NULL && v->fate == FATE_VIRTUAL && v->defined && v->rebases == 0)
			ok = refuse_initialiser(p, v) && ok;
	}
	return (ok);
}

/* Optimises now if that is right, and leaves it to emit() otherwise. */
bool
steady_optimise(struct program *p)
{
	size_t n = p->index.n;
	struct remembered *all;
	bool ok;

	p->steady = possible(p);
	if (!p->steady)
		return (true);
	promoted_unfold(p);
	all = remember(p);
	ok = optimise(p);
	if (ok) {
		variables_renew(p, all, n);
		promote(p);
		ok = new_ones_refuse(p);
	}
	for (size_t i = 0; i < n; i++)
		free(all[i].name);
	free(all);
	return (ok);
}
