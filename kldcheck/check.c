/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verdicts, and why each is safe.
 *
 * FreeBSD's kernel copies a module's set (set_vnet, set_pcpu) to a place where each instance has its own, and then
 * redirects what refers to it: the words that the module's relocations name.  A reference is right if and only if the
 * address it uses was read from such a word.  It is wrong if the code computes the address from where it itself is,
 * because that still leads to the module's own copy, which no instance uses.
 *
 * ok: Code knows where the module was loaded from two sources only: the program counter (ADR, ADRP, calls, PC-relative
 * loads), and words that the kernel relocated.  Each value from either is followed (flow.c) through registers, the
 * stack, branches, loops, calls and returns, with all constants that are added to it, from wherever they come.  Half an
 * address that crosses a call by pointer, in either direction, is tried on each function that could be at the other
 * end.  "ok" is said when nothing of that lies in a set, and nothing went where it could not be followed.  One
 * assumption is left, and it is C's: a complete pointer to an object that is not in a set, plus something that is
 * known only at run time, stays in that object.  Code that breaks it on purpose is recognised where it shows
 * (addresses of code used as a base for data, offsets from tables or from constants that were not computed, half
 * addresses that get away): then the verdict is "unsure".
 *
 * broken: An address in a set was computed by a chain of instructions that is listed, on ways that the code has, and
 * something was done with it (step.c).  What is seen only on ways that may not exist, such as a jump whose targets are
 * not known, is not enough: "unsure".
 *
 * unsure: The file does not say which sets it has; it is too complex to follow; or see above.
 *
 * Where the code is not followed (all but arm64's), relocations cannot tell: an address that the code computes from
 * where it is leaves none.  So the verdict is "unsure", and says how many words are right.
 *
 * A relocatable module is another matter (object.c): all its references are relocations.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "flow.h"

const char *const kc_verdict_names[] = { "ok", "broken", "unsure", "unreadable" };

static const char *const reasons[KC_NREASONS] = {
	[WHY_LOST] = "too many different addresses meet here to follow each",
	[WHY_PAGE] = "half of an address (from ADRP or its like) is used in a way that is not followed",
	[WHY_TEXT] = "an address of code is used as a base for data at an unknown distance",
	[WHY_OPAQUE] = "a constant that was not computed is added to an address",
	[WHY_TABLE] = "an offset from a table is added to an address, and one of the table's words leads into a set",
	[WHY_WEAK] = "an address in a set may be made here, on a way that was guessed",
	[WHY_ESCAPE] = "half of an address (from ADRP or its like) leaves the function here and nobody completes it",
	[WHY_UNUSED] = "half of an address (from ADRP or its like) is made here and nobody completes it",
	[WHY_PASSED] = "too many different halves of addresses are passed on to functions that are not known",
};

static const struct kc_arch *const archs[] = { &kc_arm64 };

int
kc_note_add(struct kc_result *r, uint64_t addr, const char *fmt, ...)
{
	struct kc_note *n;
	const struct kc_sym *s;
	va_list ap;

	if (r->nnote == r->notecap) {
		unsigned cap = r->notecap == 0 ? 8 : r->notecap * 2;

		if ((n = realloc(r->note, cap * sizeof(*n))) == NULL)
			return (-ENOMEM);
		r->note = n;
		r->notecap = cap;
	}
	n = &r->note[r->nnote++];
	memset(n, 0, sizeof(*n));
	n->addr = addr;
	if (addr != 0 && (s = kc_elf_sym_of(&r->elf, addr, true)) != NULL) {
		n->func = s->name;
		n->funcoff = addr - s->value;
	}
	va_start(ap, fmt);
	vsnprintf(n->why, sizeof(n->why), fmt, ap);
	va_end(ap);
	return (0);
}

/* Two neighbours that make an address in one register, or NOP and ADR: what linkers put in place of a GOT load. */
static bool
is_pair(const struct kc_flow *f, uint32_t first, uint32_t last)
{
	const struct kc_op *a = &f->op[first], *b = &f->op[last];

	if (first == last)
		return (a->kind == KC_OP_ADDRESS && first > 1 && f->op[first - 1].kind == KC_OP_NOP &&
		    f->addr[first] - f->addr[first - 1] == 4);
	return (first + 1 == last && a->kind == KC_OP_PAGE && b->kind == KC_OP_ADDI && a->rd == b->rd && a->rd == b->rn);
}

static const struct kc_sym *
global_at(const struct kc_elf *e, uint64_t addr)
{
	for (unsigned i = 0; i < e->ndynsym; i++)
		if (e->dynsym[i].shndx != 0 && e->dynsym[i].bind != KC_STB_LOCAL && e->dynsym[i].value == addr &&
		    strncmp(e->dynsym[i].name, "__start_", 8) != 0 && strncmp(e->dynsym[i].name, "__stop_", 7) != 0)
			return (&e->dynsym[i]);
	return (NULL);
}

static enum kc_cause
cause_of(const struct kc_flow *f, const struct kc_ref *ref)
{
	const struct kc_elf *e = f->elf;
	bool adr = ref->n == 1;

	if (!ref->pair)
		return (KC_RELATIVE);
	if (adr || ref->slot != 0 || global_at(e, ref->target) != NULL)
		return (KC_RELAXED);
	/* lld keeps the slot of a load that it relaxed, and GNU ld and gold do not relax on arm64: so the compiler. */
	if (kc_elf_comment(e, "LLD") || (kc_elf_comment(e, "GNU ld") && !kc_elf_comment(e, "mold")))
		return (KC_RELATIVE);
	return (KC_EITHER);
}

static int
add_ref(struct kc_result *r, const struct kc_flow *f, uint32_t node)
{
	const struct kc_node *v = f->v.node;
	const struct kc_elf *e = &r->elf;
	const struct kc_sym *s;
	struct kc_ref *ref;
	uint32_t chain[KC_DEPTH_MAX + 2], n = 0;

	for (uint32_t p = node; p != 0 && n < KC_DEPTH_MAX + 2; p = v[p].parent)
		if (v[p].insn != 0 && (n == 0 || chain[n - 1] != v[p].insn))
			chain[n++] = v[p].insn;
	for (unsigned i = 0; i < r->nref; i++) /* two values of one instruction are one reference */
		if (r->ref[i].insn[r->ref[i].n - 1] == f->addr[chain[0]] && r->ref[i].target == v[node].value)
			return (0);
	if (r->nref == r->refcap) {
		unsigned cap = r->refcap == 0 ? 16 : r->refcap * 2;

		if ((ref = realloc(r->ref, cap * sizeof(*ref))) == NULL)
			return (-ENOMEM);
		r->ref = ref;
		r->refcap = cap;
	}
	ref = &r->ref[r->nref++];
	memset(ref, 0, sizeof(*ref));
	ref->target = v[node].value;
	for (unsigned k = 0; k < KC_NSETS; k++)
		if (kc_elf_set_of(e, ref->target) == &e->set[k])
			ref->set = (enum kc_setkind)k;
	for (uint32_t i = n < KC_CHAIN_MAX ? n : KC_CHAIN_MAX; i-- > 0;)
		ref->insn[ref->n++] = f->addr[chain[i]];
	ref->pair = n <= 2 && is_pair(f, chain[n - 1], chain[0]);
	ref->slot = kc_elf_got_slot(e, ref->target);
	ref->cause = cause_of(f, ref);
	if ((s = kc_elf_sym_of(e, ref->insn[ref->n - 1], true)) != NULL) {
		ref->func = s->name;
		ref->funcoff = ref->insn[ref->n - 1] - s->value;
	}
	if ((s = kc_elf_sym_of(e, ref->target, false)) != NULL) {
		ref->var = s->name;
		ref->varoff = ref->target - s->value;
	}
	return (0);
}

/* Whether the value came about by walking through an object in a loop. */
static bool
walked(const struct kc_flow *f, uint32_t node)
{
	for (; node != 0; node = f->v.node[node].parent)
		if (f->loop[f->v.node[node].insn] != 0)
			return (true);
	return (false);
}

static int
by_place(const void *a, const void *b)
{
	const struct kc_ref *x = a, *y = b;

	return ((x->insn[x->n - 1] > y->insn[y->n - 1]) - (x->insn[x->n - 1] < y->insn[y->n - 1]));
}

static int
collect(struct kc_result *r, struct kc_flow *f)
{
	for (uint32_t k = 1; k < f->v.nnode; k++) {
		const struct kc_node *n = &f->v.node[k];

		if (n->kind != N_IMAGE || (n->marks & NM_HIT) == 0 || (n->flags & NF_INSET) == 0 || walked(f, k))
			continue;
		if ((n->flags & NF_WEAK) != 0 || (!f->exact_text && f->reached[n->insn] == 2))
			kc_doubt(f, n->insn, WHY_WEAK);
		else if (add_ref(r, f, k) != 0)
			return (-ENOMEM);
	}
	if (r->nref > 1)
		qsort(r->ref, r->nref, sizeof(*r->ref), by_place);
	if (f->too_complex && kc_note_add(r, 0, "the module is too large or too complex to be followed whole") != 0)
		return (-ENOMEM);
	for (uint32_t i = 1; i < f->ninsn; i++)
		for (unsigned w = 0; f->reasons[i] != 0 && w < KC_NREASONS; w++) {
			bool known = false;

			for (unsigned k = 0; k < r->nref && w == WHY_WEAK; k++)
				known |= r->ref[k].insn[r->ref[k].n - 1] == f->addr[i];
			if ((f->reasons[i] >> w & 1) != 0 && !known && kc_note_add(r, f->addr[i], "%s", reasons[w]) != 0)
				return (-ENOMEM);
		}
	return (0);
}

/* Relocations that name a set in a way the kernel does not redirect. */
static int
check_relocations(struct kc_result *r)
{
	const struct kc_elf *e = &r->elf;

	for (size_t i = 0; i < e->nrel; i++) {
		const struct kc_rel *rel = &e->rel[i];
		const struct kc_sym *s = rel->sym < e->ndynsym ? &e->dynsym[rel->sym] : NULL;
		bool inset = s != NULL && s->shndx != 0 && rel->sym != 0 && kc_elf_set_of(e, s->value + rel->addend) != NULL;
		int error = 0;

		if (rel->kind == KC_REL_SYMBOL && inset && s->bind == KC_STB_LOCAL)
			error = kc_note_add(r, rel->where, "a relocation names a local symbol in a set: the kernel does not redirect it");
		else if (rel->kind == KC_REL_OTHER && inset)
			error = kc_note_add(r, rel->where, "a relocation of type %u names a variable of a set", rel->type);
		if (error != 0)
			return (error);
	}
	if (e->has_relr)
		return (kc_note_add(r, 0, "packed relocations (RELR) are not followed: link with -z nopack-relative-relocs"));
	return (0);
}

/* Words that the kernel fills with the address of a set's variable: GOT slots and pointers in data. */
static size_t
count_words(const struct kc_elf *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->nrel; i++) {
		const struct kc_rel *rel = &e->rel[i];
		uint64_t to = rel->addend;

		if (rel->kind == KC_REL_SYMBOL && rel->sym < e->ndynsym && e->dynsym[rel->sym].shndx != 0)
			to += e->dynsym[rel->sym].value;
		else if (rel->kind != KC_REL_RELATIVE)
			continue;
		n += kc_elf_set_of(e, to) != NULL;
	}
	return (n);
}

static int
check_shared(struct kc_result *r)
{
	const struct kc_arch *arch = NULL;
	struct kc_flow f;
	bool any = false;
	int error;

	for (unsigned k = 0; k < KC_NSETS; k++)
		any |= r->elf.set[k].start < r->elf.set[k].stop;
	if (!any) {
		if (r->elf.sets_known) {
			r->summary = "no set_vnet or set_pcpu";
			return (0);
		}
		return (kc_note_add(r, 0, "the file has neither section headers nor __start_ symbols: it hides which sets it has"));
	}
	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		if (archs[i]->machine == r->elf.machine)
			arch = archs[i];
	if (arch == NULL)
		return (kc_note_add(r, 0, "%zu words that the kernel redirects lead into a set, but the code, which is not followed "
		    "for %s, may get there without", count_words(&r->elf), kc_machine_name(r->elf.machine)));
	r->summary = "every reference to a set goes through a word that the kernel redirects";
	error = kc_flow_run(&f, &r->elf, arch) != 0 ? -ENOMEM : collect(r, &f);
	kc_flow_free(&f);
	return (error != 0 ? error : check_relocations(r));
}

int
kc_check(const void *data, size_t size, struct kc_result *r)
{
	char why[160];
	int error;

	memset(r, 0, sizeof(*r));
	if (kc_elf_open(&r->elf, data, size, why, sizeof(why)) != 0) {
		r->verdict = KC_UNREADABLE;
		return (kc_note_add(r, 0, "%s", why));
	}
	error = r->elf.type == KC_ET_REL ? kc_check_object(r) : check_shared(r);
	if (error != 0)
		return (error);
	r->verdict = r->nref != 0 ? KC_BROKEN : r->nnote != 0 ? KC_UNSURE : KC_OK;
	return (0);
}

void
kc_result_free(struct kc_result *r)
{
	kc_elf_close(&r->elf);
	free(r->ref);
	free(r->note);
	memset(r, 0, sizeof(*r));
}
