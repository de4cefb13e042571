/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the runtime of a program must know of it: struct vinst_image
 * (src/vinst/vinst_var.h), made when everything else is done.
 *
 *  - Where the template begins and ends: symbols that the linker makes.
 *  - Where in it pointers into it lie.  The linker resolves these for good, so
 *    the relocations that a module's loader reads are not there; the list is
 *    taken from the initialisers instead.
 *  - Constructors and destructors, which run in each instance and so must not
 *    be run by libc.
 */

#include <stdlib.h>
#include <string.h>
#include <string.h>

#include "vnetcc.h"

struct image {
	struct program *p;
	LLVMTypeRef byte_ptr, word;
};

/* One of the two templates: the variables, and the thread-locals. */
struct template {
	uint64_t align;
	LLVMValueRef *rebase;
	size_t nrebase;
};

static LLVMValueRef
word(struct image *im, uint64_t n)
{
	return (LLVMConstIntToPtr(LLVMConstInt(im->word, n, 0), im->byte_ptr));
}

static bool
held(struct program *p, LLVMValueRef g, void *arg)
{
	*(bool *)arg |= is_virtual(p, g);
	return (true);
}

/* Notes the addresses in the initialiser c, which lies `off` bytes into the variable. */
static void
rebase_walk(struct image *im, struct template *t, LLVMValueRef var, LLVMValueRef c, uint64_t off)
{
	LLVMTypeRef type = LLVMTypeOf(c);
	bool is_held = false;
	LLVMValueRef at;

	if (LLVMIsAConstantStruct(c) || LLVMIsAConstantArray(c)) {
		for (int i = 0; i < LLVMGetNumOperands(c); i++)
			rebase_walk(im, t, var, LLVMGetOperand(c, (unsigned)i),
			    off +
				(LLVMIsAConstantStruct(c) ?
					LLVMOffsetOfElement(im->p->td, type, (unsigned)i) :
					(uint64_t)i * LLVMABISizeOfType(im->p->td, LLVMGetElementType(type))));
		return;
	}
	initialiser_walk(im->p, c, held, &is_held);
	if (!is_held)
		return;
	at = LLVMConstInt(im->word, off, 0);
	at = LLVMConstIntToPtr(LLVMConstAdd(LLVMConstPtrToInt(var, im->word), at), im->byte_ptr);
	t->rebase = xrealloc(t->rebase, t->nrebase + 1, sizeof(LLVMValueRef));
	t->rebase[t->nrebase++] = at;
}

static LLVMValueRef
array(struct image *im, const char *name, LLVMValueRef *v, size_t n)
{
	LLVMTypeRef t = LLVMArrayType(im->byte_ptr, (unsigned)n);
	LLVMValueRef g;

	if (n == 0)
		return (LLVMConstNull(im->byte_ptr));
	g = LLVMAddGlobal(im->p->mod, t, name);
	LLVMSetInitializer(g, LLVMConstArray(im->byte_ptr, v, (unsigned)n));
	LLVMSetLinkage(g, LLVMInternalLinkage);
	LLVMSetGlobalConstant(g, 1);
	return (LLVMConstPointerCast(g, im->byte_ptr));
}

/* Takes a list of constructors away from libc.  Destructors run the other way round. */
static LLVMValueRef
list_take(struct image *im, const char *from, const char *to, bool reverse, size_t *n)
{
	LLVMValueRef *fn = ctors_take(im->p, from, n), list;

	for (size_t i = 0; i < *n / 2 && reverse; i++) {
		LLVMValueRef other = fn[*n - 1 - i];

		fn[*n - 1 - i] = fn[i];
		fn[i] = other;
	}
	for (size_t i = 0; i < *n; i++)
		fn[i] = LLVMConstPointerCast(fn[i], im->byte_ptr);
	list = array(im, to, fn, *n);
	free(fn);
	return (list);
}

/* A symbol that ld makes for a section; weak, because the set may be empty. */
static LLVMValueRef
bound(struct image *im, const char *prefix, const char *section)
{
	char *name = xasprintf("%s%s", prefix, section);
	LLVMValueRef g = LLVMAddGlobal(im->p->mod, LLVMInt8TypeInContext(im->p->ctx), name);

	LLVMSetLinkage(g, LLVMExternalWeakLinkage);
	LLVMSetVisibility(g, LLVMHiddenVisibility);
	free(name);
	return (LLVMConstPointerCast(g, im->byte_ptr));
}

/* Five words: where the template begins and ends, its alignment, and the list of pointers in it. */
static LLVMValueRef *
template_fields(struct image *im, struct template *t, const char *section, const char *list, LLVMValueRef *field)
{
	*field++ = bound(im, "__start_", section);
	*field++ = bound(im, "__stop_", section);
	*field++ = word(im, t->align);
	*field++ = array(im, list, t->rebase, t->nrebase);
	*field++ = word(im, t->nrebase);
	free(t->rebase);
	return (field);
}

bool
image_make(struct program *p)
{
	enum { WORDS = 15 };
	struct image im = { .p = p };
	struct template variables = { .align = 1 }, threads = { .align = 1 };
	LLVMValueRef field[WORDS], *f = field, g;
	size_t n;

	if (p->opt->mode == VIRT_NONE)
		return (true);
	im.byte_ptr = LLVMPointerType(LLVMInt8TypeInContext(p->ctx), 0);
	im.word = LLVMIntPtrTypeInContext(p->ctx, p->td);
	for (g = LLVMGetFirstGlobal(p->mod); g; g = LLVMGetNextGlobal(g)) {
		struct template *t = is_thread(p, g) ? &threads : &variables;

		if (LLVMIsDeclaration(g) || (!is_moved(p, g) && !segment_holds(g)))
			continue;
		if (LLVMGetAlignment(g) > t->align)
			t->align = LLVMGetAlignment(g);
		rebase_walk(&im, t, g, LLVMGetInitializer(g), 0);
	}
	f = template_fields(&im, &variables, p->opt->set->section, "vinst_rebase", f);
	f = template_fields(&im, &threads, p->opt->set->thread_section, "vinst_thread_rebase", f);
	*f++ = list_take(&im, "llvm.global_ctors", "vinst_ctors", false, &n);
	*f++ = word(&im, n);
	*f++ = list_take(&im, "llvm.global_dtors", "vinst_dtors", true, &n);
	*f++ = word(&im, n);
	*f++ = word(&im, p->opt->gs);
	g = LLVMAddGlobal(p->mod, LLVMArrayType(im.byte_ptr, WORDS), "vinst_image");
	LLVMSetInitializer(g, LLVMConstArray(im.byte_ptr, field, WORDS));
	LLVMSetGlobalConstant(g, 1);
	LLVMSetVisibility(g, LLVMHiddenVisibility);
	return (true);
}
