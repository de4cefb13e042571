/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes between a module's virtual variables, for the address sanitizer; built only with it.
 *
 * Its symbols say where variables begin and end.  What lies between two of them, less than a line, is padding, which
 * nobody may touch: it is poisoned in the template, and instances mirror the template (src/vset/sanitize.c).  vnetcc
 * leaves such a gap behind every variable; compilers that make redzones of their own have poisoned theirs already.
 */
#include <errno.h>
#include <stdlib.h>
#include <uvnet/asan.h>

#include "kld_impl.h"

#ifdef UVNET_ASAN

#define LINE 64

struct extent {
	uintptr_t start, end;
};

static int
extent_cmp(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return ((x->start > y->start) - (x->start < y->start));
}

int
kld_gaps_poison(const struct linker_file *file, const struct kld_setpart *set)
{
	const struct kld_symtab *tab = &file->symtab;
	struct extent *v = calloc(tab->nsym + 1, sizeof(*v));
	uintptr_t end = 0;
	size_t n = 0;

	if (v == NULL)
		return (-ENOMEM);
	for (unsigned i = 0; i < tab->nsym; i++) {
		const uintptr_t start = tab->sym[i].st_value + tab->bias;

		if (ELF64_ST_TYPE(tab->sym[i].st_info) == STT_OBJECT && tab->sym[i].st_size != 0 && start >= set->addr &&
		    start - set->addr < set->size)
			v[n++] = (struct extent){ start, start + tab->sym[i].st_size };
	}
	qsort(v, n, sizeof(*v), extent_cmp);
	v[n].start = set->addr + set->size;	/* the end is what the last gap goes to */
	for (size_t i = 0; i <= n; i++) {
		if (end != 0 && v[i].start > end && v[i].start - end < LINE)
			ASAN_POISON_MEMORY_REGION((void *)end, v[i].start - end);
		if (v[i].end > end)
			end = v[i].end;
	}
	free(v);
	return (0);
}

void
kld_gaps_unpoison(const struct kld_setpart *set)
{
	ASAN_UNPOISON_MEMORY_REGION((void *)set->addr, set->size);
}

#endif
