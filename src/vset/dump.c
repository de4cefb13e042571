/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An instance in a core dump.
 *
 * The arena is not dumped: terabytes of addresses, and the memory of thousands of stacks that have nothing to do with
 * it.  But the stack in which a program died is what one wants to see.  So the handler of faults marks the pages that
 * this one uses; debuggers then find them in the core like any other memory.
 */
#include <sys/mman.h>

#include "vset_impl.h"

#define CHUNK 4096ul		/* pages asked about at once */

void
vset_instance_dump(const struct vset *vs, unsigned slot)
{
	const uintptr_t start = (vset_window_start() + vset_delta(vs, slot)) & ~(uintptr_t)(VSET_PAGE - 1);
	struct vset_params params;
	unsigned char vec[CHUNK];
	size_t pages, n, i, j;
	uintptr_t at;

	vset_getparams(vs, &params);
	pages = (VSET_WINDOW_SIZE + params.tail) / VSET_PAGE + 1;	/* it need not begin with a page */
	for (at = start; pages > 0; at += n * VSET_PAGE, pages -= n) {
		n = pages < CHUNK ? pages : CHUNK;
		if (mincore((void *)at, n * VSET_PAGE, vec) != 0)
			return;
		for (i = 0; i < n; i = j + 1) {
			for (; i < n && (vec[i] & 1) == 0; i++)
				continue;
			for (j = i; j < n && (vec[j] & 1) != 0; j++)
				continue;
			if (j > i)
				madvise((void *)(at + i * VSET_PAGE), (j - i) * VSET_PAGE, MADV_DODUMP);
		}
	}
}
