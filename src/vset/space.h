/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A range of addresses of which pieces are handed out: first fit over a sorted list of holes.
 *
 * Pieces are modules' parts: few, long-lived and of all sizes, so the list stays short and first fit keeps what
 * is in use together at the front.  (FreeBSD's vmem(9) in small.)
 */
#ifndef VSET_SPACE_H
#define VSET_SPACE_H

#include <stddef.h>
#include <stdint.h>

struct space_hole {
	uintptr_t start, end;
};

struct space {
	uintptr_t start, end;
	struct space_hole *holes;	/* sorted, none touch */
	size_t nholes, npieces, room;
};

/* 0 or -ENOMEM.   */
int space_init(struct space *sp, uintptr_t start, uintptr_t end);
void space_fini(struct space *sp);

/* 0, -ENOSPC or -ENOMEM; `size` is not 0.  What is given back is a whole piece. */
int space_alloc(struct space *sp, size_t size, size_t align, uintptr_t *addr);
void space_free(struct space *sp, uintptr_t addr, size_t size);

/* Bytes free in all, and in the largest hole. */
size_t space_avail(const struct space *sp, size_t *largest);

#endif
