/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relocatable modules (ET_REL: FreeBSD's on amd64, and uvnet's own).
 *
 * Each section has a place of its own when it is loaded, and the kernel gives set_vnet and set_pcpu a place among the
 * instances; whatever refers to another section is a relocation, and comes out right however the code computes the
 * address.  What remains to be checked is that the relocations which name a set are of types that the loaders apply,
 * and that none of them reaches a set from outside of it, through a symbol of a neighbour.
 */
#include <errno.h>
#include <string.h>

#include "check.h"

/* The types that FreeBSD's or uvnet's loader applies, inclusive ranges; others are refused at load. */
static const struct {
	uint16_t machine, first, last;
} known[] = {
	{ KC_EM_X86_64, 1, 2 }, { KC_EM_X86_64, 4, 4 }, { KC_EM_X86_64, 9, 12 }, { KC_EM_X86_64, 24, 24 },
	{ KC_EM_X86_64, 41, 42 },
	{ KC_EM_AARCH64, 257, 299 }, { KC_EM_AARCH64, 309, 313 },
	{ KC_EM_386, 1, 4 }, { KC_EM_386, 9, 10 }, { KC_EM_386, 43, 43 },
	{ KC_EM_RISCV, 1, 2 }, { KC_EM_RISCV, 16, 40 }, { KC_EM_RISCV, 43, 57 },
	{ KC_EM_PPC64, 1, 11 }, { KC_EM_PPC64, 14, 17 }, { KC_EM_PPC64, 26, 64 }, { KC_EM_PPC64, 249, 252 },
};

static bool
is_known(uint16_t machine, uint32_t type)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].machine == machine && type >= known[i].first && type <= known[i].last)
			return (true);
	return (false);
}

static bool
is_set(const struct kc_elf *e, unsigned sec)
{
	if (sec >= e->nsec || (e->sec[sec].flags & KC_SHF_ALLOC) == 0)
		return (false);
	for (unsigned k = 0; k < KC_NSETS; k++)
		if (strcmp(e->sec[sec].name, kc_set_names[k]) == 0)
			return (true);
	return (false);
}

int
kc_check_object(struct kc_result *r)
{
	const struct kc_elf *e = &r->elf;
	bool any = false, named = false;
	int error = 0;

	for (unsigned i = 0; i < e->nsec; i++) {
		any |= is_set(e, i);
		named |= e->sec[i].name[0] != '\0';
	}
	if (!named)
		return (kc_note_add(r, 0, "the sections have no names: it cannot be told which are sets"));
	if (!any) {
		r->summary = "no set_vnet or set_pcpu";
		return (0);
	}
	r->summary = "relocatable: every reference to a set is a relocation";
	for (size_t i = 0; i < e->nrel && error == 0; i++) {
		const struct kc_rel *rel = &e->rel[i];
		const struct kc_sym *s;

		if (rel->sym == 0 || rel->sym >= e->nsymtab) {
			if (rel->sym != 0)
				error = kc_note_add(r, 0, "section %s: a relocation names a symbol that does not exist",
				    e->sec[rel->sec].name);
			continue;
		}
		s = &e->symtab[rel->sym];
		if (is_set(e, s->shndx) && rel->type != 0 && !is_known(e->machine, rel->type))
			error = kc_note_add(r, 0, "section %s, offset %#jx: a relocation of type %u, which no loader here applies, names %s",
			    e->sec[rel->sec].name, (uintmax_t)rel->where, rel->type, s->name[0] != '\0' ? s->name : "a set");
	}
	return (error);
}
