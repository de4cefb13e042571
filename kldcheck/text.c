/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The module's code as a list of instructions, and where functions and basic blocks begin.
 *
 * Code is what section headers mark as such, or else all of the executable segments.  Functions begin at function
 * symbols, at the targets of calls, and at addresses of code that the kernel relocates (pointers to functions).
 */
#include <stdlib.h>
#include <string.h>

#include "flow.h"

static bool
add_text(struct kc_flow *f, uint64_t start, uint64_t size)
{
	uint64_t align = f->arch->align, stop;
	unsigned n;

	if (size > (uint64_t)1 << 40 || kc_elf_bytes(f->elf, start, size) == NULL)
		return (false);
	stop = start + size;
	start = (start + align - 1) / align * align;
	for (unsigned k = 0; k < f->ntext; k++)
		if (start < f->text[k].stop && f->text[k].start < stop)
			return (false);
	if (start >= stop || f->ntext == sizeof(f->text) / sizeof(f->text[0]))
		return (start >= stop);
	for (n = f->ntext++; n > 0 && f->text[n - 1].start > start; n--)
		f->text[n] = f->text[n - 1];
	f->text[n].start = start;
	f->text[n].stop = stop;
	return (true);
}

static bool
find_text(struct kc_flow *f)
{
	const struct kc_elf *e = f->elf;
	bool all = true;

	for (unsigned i = 0; i < e->nsec; i++) {
		const struct kc_sec *s = &e->sec[i];

		if ((s->flags & (KC_SHF_ALLOC | KC_SHF_EXECINSTR)) != (KC_SHF_ALLOC | KC_SHF_EXECINSTR) ||
		    s->type == KC_SHT_NOBITS || s->size == 0)
			continue;
		f->exact_text = true;
		all = add_text(f, s->addr, s->size) && all;
	}
	if (f->exact_text)
		return (all);
	for (unsigned i = 0; i < e->nseg; i++)
		if ((e->seg[i].flags & KC_PF_X) != 0)
			all = add_text(f, e->seg[i].addr, e->seg[i].filesz) && all;
	return (all);
}

static const struct kc_text *
text_of(const struct kc_flow *f, uint64_t addr)
{
	unsigned lo = 0, hi = f->ntext;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (addr < f->text[mid].start)
			hi = mid;
		else if (addr >= f->text[mid].stop)
			lo = mid + 1;
		else
			return (&f->text[mid]);
	}
	return (NULL);
}

bool
kc_is_text(const struct kc_flow *f, uint64_t addr)
{
	return (text_of(f, addr) != NULL);
}

uint32_t
kc_insn_at(const struct kc_flow *f, uint64_t addr)
{
	const struct kc_text *t = text_of(f, addr);

	if (t == NULL || (addr - t->start) % f->arch->align != 0)
		return (0);
	return (f->at[t->base + (addr - t->start) / f->arch->align]);
}

static void
decode_text(struct kc_flow *f, struct kc_text *t)
{
	const uint8_t *p = kc_elf_bytes(f->elf, t->start, t->stop - t->start);
	uint64_t at = 0, size = t->stop - t->start;

	t->first = f->ninsn;
	while (at + f->arch->align <= size) {
		uint32_t i = f->ninsn;
		struct kc_op *op = &f->op[i];
		unsigned len;

		op->rd = op->rd2 = op->rn = op->rm = op->ra = KC_NOREG;
		len = f->arch->decode(f->elf, p + at, size - at, t->start + at, op);
		if (len == 0) {
			op->kind = KC_OP_BAD;
			len = f->arch->align;
		}
		op->len = (uint8_t)len;
		f->addr[i] = t->start + at;
		f->at[t->base + at / f->arch->align] = i;
		f->ninsn++;
		at += len;
	}
}

static void
mark_start(struct kc_flow *f, uint8_t *start, uint64_t addr)
{
	uint32_t i = kc_insn_at(f, addr);

	if (i != 0)
		start[i] = 1;
}

static void
find_functions(struct kc_flow *f, uint8_t *start)
{
	const struct kc_elf *e = f->elf;

	for (unsigned k = 0; k < f->ntext; k++)
		start[f->text[k].first] = 1;
	for (unsigned k = 0; k < e->nbyaddr; k++)
		if (e->byaddr[k]->type == KC_STT_FUNC)
			mark_start(f, start, e->byaddr[k]->value);
	for (size_t k = 0; k < e->nrel; k++)
		if (e->rel[k].kind == KC_REL_RELATIVE) {
			uint32_t i = kc_insn_at(f, e->rel[k].addend);
			const struct kc_sym *s = kc_elf_sym_of(e, e->rel[k].addend, true);

			/* A label within a function is not the start of one. */
			if (i != 0 && (s == NULL || s->value == e->rel[k].addend))
				start[i] = 1;
			else if (i != 0)
				f->leader[i] = 2;
		}
	for (uint32_t i = 1; i < f->ninsn; i++)
		if (f->op[i].kind == KC_OP_CALL && f->op[i].imm != f->addr[i] + f->op[i].len)
			mark_start(f, start, f->op[i].imm);
}

static int
make_functions(struct kc_flow *f, const uint8_t *start)
{
	uint32_t n = 0, cur = 0;

	for (uint32_t i = 1; i < f->ninsn; i++)
		n += start[i];
	if ((f->func = calloc((size_t)n + 1, sizeof(*f->func))) == NULL)
		return (-1);
	f->nfunc = 1;
	f->func[0].start = f->func[0].stop = 0;
	for (uint32_t i = 1; i < f->ninsn; i++) {
		if (start[i]) {
			f->func[cur].stop = i;
			cur = f->nfunc++;
			f->func[cur].start = i;
			f->leader[i] |= 1;
		}
		f->owner[i] = cur;
	}
	f->func[cur].stop = f->ninsn;
	return (0);
}

static void
find_leaders(struct kc_flow *f)
{
	for (uint32_t i = 1; i < f->ninsn; i++) {
		uint32_t to;

		switch (f->op[i].kind) {
		case KC_OP_JUMP:
		case KC_OP_BRANCH:
			if ((to = kc_insn_at(f, f->op[i].imm)) != 0)
				f->leader[to] |= 1;
			/* FALLTHROUGH */
		case KC_OP_JUMPR:
		case KC_OP_RETURN:
		case KC_OP_STOP:
		case KC_OP_BAD:
			if (i + 1 < f->ninsn)
				f->leader[i + 1] |= 1;
			break;
		}
	}
}

int
kc_text_read(struct kc_flow *f)
{
	uint64_t slots = 0;
	uint8_t *start;
	int error;

	if (!find_text(f))
		f->too_complex = true;
	for (unsigned k = 0; k < f->ntext; k++) {
		f->text[k].base = (uint32_t)slots;
		slots += (f->text[k].stop - f->text[k].start) / f->arch->align + 1;
	}
	if (slots > KC_CODE_MAX) {
		f->too_complex = true;
		f->ntext = 0;
		slots = 0;
	}
	f->at = calloc(slots + 1, sizeof(*f->at));
	f->op = calloc(slots + 1, sizeof(*f->op));
	f->addr = calloc(slots + 1, sizeof(*f->addr));
	f->leader = calloc(slots + 1, 1);
	f->reasons = calloc(slots + 1, sizeof(*f->reasons));
	f->loop = calloc(slots + 1, 1);
	f->reached = calloc(slots + 1, 1);
	f->owner = calloc(slots + 1, sizeof(*f->owner));
	f->in = calloc(slots + 1, sizeof(*f->in));
	f->table = calloc(slots + 1, sizeof(*f->table));
	f->queued = calloc(slots / 64 + 1, sizeof(*f->queued));
	if (f->at == NULL || f->op == NULL || f->addr == NULL || f->leader == NULL || f->reasons == NULL ||
	    f->loop == NULL || f->reached == NULL || f->owner == NULL || f->in == NULL || f->table == NULL ||
	    f->queued == NULL)
		return (-1);
	f->ninsn = 1;
	for (unsigned k = 0; k < f->ntext; k++)
		decode_text(f, &f->text[k]);
	if ((start = calloc(slots + 1, 1)) == NULL)
		return (-1);
	find_functions(f, start);
	error = make_functions(f, start);
	free(start);
	find_leaders(f);
	return (error);
}
